//! What is written down of who watches: a minute of every stream on air, and after its end whom each stream reached.
//!
//! Far from the media: a loop that looks every few seconds. Each minute is written by one node, whichever takes it first by Redis's
//! clock; when that node fails before the minute is over, another does it. Two that write the same minute do no harm. While Redis
//! or Postgres is away minutes are missing, and nobody makes them up.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use db::analytics::{Audience as Written, HostCount, Sample, Tally};
use domain::user::Username;
use domain::{StreamId, Timestamp};
use kit::Stop;
use live::audience::{OTHER_HOSTS, Reach, Seats, Way};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::gateway::Gateway;
use crate::limits::{
    CHANNELS_ON_AIR_MAX, CLOSED_AT_ONCE_MAX, HOSTS_AT_ONCE_MAX, LINES_COUNTED_MAX, LINES_KEPT_S, LOOK_EVERY,
    SAMPLE_EVERY, TALLIED_MINUTES,
};
use crate::message::Message;

const MINUTE_S: u32 = 60;
const MINUTE: &str = "minute";
const LOOK: &str = "look";
/// How long one node may take before another tries.
const TAKES_MS: u32 = 15_000;

/// Viewers by the way they came and the host they came from.
type Ways = BTreeMap<(Way, Option<Arc<str>>), Vec<Arc<str>>>;

/// How somebody came to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub way: Way,
    /// The host whose page embeds the player, or had the link.
    pub host: Option<Arc<str>>,
}

/// Lines said here of which Redis does not know yet, by minute (seconds since 1970) and stream.
#[derive(Default)]
pub(crate) struct Said {
    lines: Mutex<HashMap<(i64, StreamId), u32>>,
}

impl Said {
    /// Counts one line. Never waits.
    pub(crate) fn add(&self, stream: StreamId, at: Timestamp) {
        self.put(at.timestamp() - at.timestamp().rem_euclid(i64::from(MINUTE_S)), stream, 1);
    }

    fn put(&self, minute: i64, stream: StreamId, count: u32) {
        let mut lines = self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if lines.len() < LINES_COUNTED_MAX || lines.contains_key(&(minute, stream)) {
            *lines.entry((minute, stream)).or_default() += count;
        }
    }

    fn take(&self) -> Vec<(i64, StreamId, u32)> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        lines.into_iter().map(|((minute, stream), count)| (minute, stream, count)).collect()
    }

    /// Takes back what could not be told, unless it is too old to be written down.
    fn keep(&self, untold: Vec<(i64, StreamId, u32)>, now: Timestamp) {
        for (minute, stream, count) in untold {
            if now.timestamp() - minute <= LINES_KEPT_S {
                self.put(minute, stream, count);
            }
        }
    }
}

impl Gateway {
    /// Counts a line that was just said.
    pub(crate) fn count_line(&self, message: &Message) {
        if let Some(stream) = message.stream {
            self.said.add(stream, message.sent_at);
        }
    }

    async fn tell_said(&self) {
        let lines = self.said.take();
        if !self.audience.said(&lines).await {
            self.said.keep(lines, kit::clock::now());
        }
    }

    /// Says what this node has of each channel on air, and takes those who watch into the audiences.
    async fn look(&self) -> anyhow::Result<()> {
        let airing = self.facts.airing(CHANNELS_ON_AIR_MAX).await?;
        let seats = |name: &Username| Seats {
            sockets: self.registry.watching_in(name) as u64,
            viewers: self.registry.viewers_here(name),
        };
        let rooms: Vec<(Username, Seats)> =
            airing.iter().map(|(_, name)| (name.clone(), seats(name))).filter(|(_, seats)| seats.sockets > 0).collect();
        if !self.audience.report(&rooms).await {
            return Ok(());
        }
        for (stream, name) in &airing {
            for ((way, host), viewers) in self.arrivals(name) {
                if !self.audience.note(*stream, way, host.as_deref(), &viewers).await {
                    return Ok(());
                }
            }
        }
        let slot_s = u32::try_from(LOOK_EVERY.as_secs()).unwrap_or(MINUTE_S);
        if let Some(slot) = self.audience.turn(LOOK, slot_s, TAKES_MS).await {
            let is_done = self.audience.gather(&airing).await;
            self.audience.settle(LOOK, slot, is_done).await;
        }
        Ok(())
    }

    /// Who sits in a room here, by the way they came.
    fn arrivals(&self, name: &Username) -> Ways {
        let mut ways = Ways::new();
        for member in self.registry.in_room(name) {
            let Some(Arrival { way, host }) = member.session.arrival(name) else { continue };
            // Anybody may name a host: a node tells so many of them apart.
            let is_one_more = host.is_some() && ways.len() >= HOSTS_AT_ONCE_MAX;
            let host = match is_one_more && !ways.contains_key(&(way, host.clone())) {
                true => Some(OTHER_HOSTS.into()),
                false => host,
            };
            ways.entry((way, host)).or_default().push(Arc::clone(&member.session.viewer));
        }
        ways
    }

    /// Writes this minute, if no other node does.
    async fn sample(&self) -> anyhow::Result<()> {
        let Some(slot) = self.audience.turn(MINUTE, MINUTE_S, TAKES_MS).await else { return Ok(()) };
        let written = self.write_minute(slot).await;
        self.audience.settle(MINUTE, slot, matches!(written, Ok(true))).await;
        if written? {
            self.close_audiences().await?;
        }
        Ok(())
    }

    /// False: Redis does not say how many watch.
    async fn write_minute(&self, slot: i64) -> anyhow::Result<bool> {
        let airing = self.facts.airing(CHANNELS_ON_AIR_MAX).await?;
        let names: Vec<Username> = airing.iter().map(|(_, name)| name.clone()).collect();
        let Some(counts) = self.viewers.counts(&names).await else { return Ok(false) };
        let seats = self.audience.seats(&names).await;
        let samples: Vec<Sample> = airing
            .iter()
            .enumerate()
            .map(|(i, (stream, name))| {
                let viewers = counts.get(name).copied().unwrap_or(0);
                let seats = seats.as_ref().and_then(|seats| seats.get(i));
                Sample {
                    stream: *stream,
                    viewers,
                    players: seats.map(|seats| viewers.saturating_sub(seats.viewers)),
                    sockets: seats.map(|seats| seats.sockets),
                }
            })
            .collect();
        let mut tallies = Vec::new();
        for back in 1..=TALLIED_MINUTES {
            let minute = slot - back * i64::from(MINUTE_S);
            tallies.push(Tally { minute: moment(minute), lines: self.audience.lines(minute).await });
        }
        self.facts.write_minute(moment(slot), &samples, &tallies, CHANNELS_ON_AIR_MAX).await?;
        metrics::counter!("rillcast_stream_minutes_written_total").increment(samples.len() as u64);
        Ok(true)
    }

    /// Writes down whom streams reached that are over.
    async fn close_audiences(&self) -> anyhow::Result<()> {
        for stream in self.facts.unclosed(CLOSED_AT_ONCE_MAX).await? {
            let Some(reach) = self.audience.reach(stream).await else { return Ok(()) };
            let written = reach.map(written);
            self.facts.close_audience(stream, written.as_ref()).await?;
            if let Some(written) = written {
                let hosts: Vec<String> = written.hosts.into_iter().map(|host| host.host).collect();
                self.audience.forget(stream, &hosts).await;
            }
        }
        Ok(())
    }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap_or_default()
}

fn written(reach: Reach) -> Written {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Written {
        viewers: whole(reach.viewers),
        pages: whole(reach.pages),
        embeds: whole(reach.embeds),
        players: whole(reach.players),
        hosts: reach.hosts.into_iter().map(|(host, count)| HostCount { host, viewers: whole(count) }).collect(),
        others: whole(reach.others),
    }
}

/// Looks and writes until the stop.
pub(crate) async fn run(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(SAMPLE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let round = async {
            gateway.tell_said().await;
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                looked = Some(Instant::now());
                gateway.look().await?;
            }
            gateway.sample().await
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            done = round => if let Err(error) = done {
                tracing::debug!(error = format!("{error:#}"), "who watches is not written down");
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_could_not_be_told_are_kept_until_they_are_too_old() {
        let (said, stream) = (Said::default(), StreamId::from_uuid(kit::ids::uuid()));
        let at = moment(1_800_000_042);
        said.add(stream, at);
        said.add(stream, at);
        let untold = said.take();
        assert_eq!(untold, [(1_800_000_000, stream, 2)], "by the minute's beginning");
        said.add(stream, at);
        said.keep(untold.clone(), at);
        assert_eq!(said.take(), [(1_800_000_000, stream, 3)]);
        said.keep(untold, moment(1_800_000_000 + LINES_KEPT_S + 1));
        assert_eq!(said.take(), []);
    }

    #[test]
    fn minutes_and_streams_that_are_counted_have_an_end() {
        let said = Said::default();
        let first = StreamId::from_uuid(kit::ids::uuid());
        said.add(first, moment(60));
        for _ in 0..LINES_COUNTED_MAX {
            said.add(StreamId::from_uuid(kit::ids::uuid()), moment(60));
        }
        said.add(first, moment(60));
        let lines = said.take();
        assert_eq!(lines.len(), LINES_COUNTED_MAX);
        assert!(lines.contains(&(60, first, 2)), "those that are there are counted on");
    }
}
