//! How many watch: what Redis said last, and when a channel must hear of a change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::user::Username;
use kit::Stop;
use live::fanout::Target;
use live::viewers::BEAT_EVERY;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::gateway::Gateway;
use crate::limits::{CHANNELS_ON_AIR_MAX, COUNT_EVERY, COUNT_TOLD_EVERY, PEAK_EVERY};

/// A channel's viewers. Stale: Redis is away, and this is what was known last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub count: u64,
    pub is_stale: bool,
}

/// What is known of the channels with sockets on this node.
#[derive(Default)]
pub(crate) struct Counts {
    rooms: Mutex<HashMap<Username, Known>>,
}

#[derive(Default)]
struct Known {
    /// What Redis said last.
    heard: Option<u64>,
    told: Option<(Instant, Count)>,
}

impl Counts {
    /// What holds after `answer`: Redis's word, else its last one, else what this node sees by itself.
    fn settle(&self, name: &Username, answer: Option<u64>, here: u64) -> Count {
        let mut rooms = self.rooms.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = rooms.entry(name.clone()).or_default();
        match answer {
            Some(count) => {
                known.heard = Some(count);
                Count { count, is_stale: false }
            }
            None => Count { count: known.heard.unwrap_or(here), is_stale: true },
        }
    }

    /// Whether the channel is to hear of this now: only changes, and at most one a second.
    fn is_news(&self, name: &Username, count: Count, now: Instant) -> bool {
        let mut rooms = self.rooms.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = rooms.entry(name.clone()).or_default();
        let is_news = known.told.is_none_or(|(at, told)| told != count && now - at >= COUNT_TOLD_EVERY);
        if is_news {
            known.told = Some((now, count));
        }
        is_news
    }

    fn keep_only(&self, names: &[Username]) {
        let mut rooms = self.rooms.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if rooms.len() > names.len() {
            let names: std::collections::HashSet<_> = names.iter().collect();
            rooms.retain(|name, _| names.contains(name));
        }
    }
}

impl Gateway {
    /// How many watch a channel at this moment.
    pub(crate) async fn count_now(&self, name: &Username) -> Count {
        let answer = self.viewers.counts(std::slice::from_ref(name)).await.and_then(|counts| counts.get(name).copied());
        self.counts.settle(name, answer, self.registry.viewers_here(name))
    }

    async fn count_round(&self) {
        let names = self.registry.rooms();
        self.counts.keep_only(&names);
        metrics::gauge!("rillcast_chat_sockets").set(self.registry.len() as f64);
        if names.is_empty() {
            return;
        }
        let answers = self.viewers.counts(&names).await;
        let now = Instant::now();
        for name in names {
            let answer = answers.as_ref().and_then(|answers| answers.get(&name).copied());
            let count = self.counts.settle(&name, answer, self.registry.viewers_here(&name));
            if !self.counts.is_news(&name, count, now) {
                continue;
            }
            let mut payload = json!({ "username": name, "count": count.count });
            if count.is_stale {
                payload["stale"] = json!(true);
            }
            if let Ok(raw) = serde_json::value::to_raw_value(&payload) {
                self.speaker.say(&Target::Channel(name), "viewers", &raw);
            }
        }
    }

    async fn peak_round(&self, peaks: &mut HashMap<Username, u64>) -> anyhow::Result<()> {
        let names = self.facts.channels_on_air(CHANNELS_ON_AIR_MAX).await?;
        let Some(counts) = self.viewers.counts(&names).await else { return Ok(()) };
        metrics::gauge!("rillcast_viewers").set(counts.values().sum::<u64>() as f64);
        peaks.retain(|name, _| counts.contains_key(name));
        let raised: Vec<(Username, u64)> =
            counts.into_iter().filter(|(name, count)| *count > peaks.get(name).copied().unwrap_or(0)).collect();
        if !raised.is_empty() {
            self.facts.raise_peaks(&raised).await?;
            peaks.extend(raised);
        }
        Ok(())
    }
}

/// Tells channels their counts.
pub(crate) async fn tell(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(COUNT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => gateway.count_round().await,
        }
    }
}

/// Vouches for this node's viewers and members.
pub(crate) async fn vouch(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(BEAT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let watching = gateway.registry.watching();
        let members: Vec<_> = gateway
            .registry
            .signed_in()
            .into_iter()
            .filter(|(member, _)| member.socket.is_somebody())
            .map(|(member, identity)| (identity.user, Arc::clone(&member.session.name)))
            .collect();
        if !watching.is_empty() {
            gateway.viewers.beat(&watching).await;
        }
        // Without members too: that nobody is there is known because nodes say so.
        gateway.presence.beat(&members).await;
    }
}

/// Writes down the most viewers streams have had, and the sum for operators.
pub(crate) async fn note_peaks(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(PEAK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut peaks = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        if let Err(error) = gateway.peak_round(&mut peaks).await {
            tracing::debug!(error = format!("{error:#}"), "peaks not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn alice() -> Username {
        Username::parse("alice").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_hears_of_changes_and_at_most_once_a_second() {
        let counts = Counts::default();
        let fresh = |count| Count { count, is_stale: false };
        let start = Instant::now();
        assert!(counts.is_news(&alice(), fresh(1), start));
        assert!(!counts.is_news(&alice(), fresh(1), start + Duration::from_secs(5)), "no change");
        assert!(counts.is_news(&alice(), fresh(2), start + Duration::from_secs(5)));
        assert!(!counts.is_news(&alice(), fresh(3), start + Duration::from_millis(5_900)), "too soon");
        assert!(counts.is_news(&alice(), fresh(3), start + Duration::from_secs(6)));
    }

    #[test]
    fn the_last_count_stays_and_is_marked_while_redis_is_away() {
        let counts = Counts::default();
        assert_eq!(counts.settle(&alice(), None, 2), Count { count: 2, is_stale: true }, "all this node knows");
        assert_eq!(counts.settle(&alice(), Some(7), 2), Count { count: 7, is_stale: false });
        assert_eq!(counts.settle(&alice(), None, 2), Count { count: 7, is_stale: true });
    }
}
