//! Nodes telling each other: what this one's sockets were told goes out, what others tell comes in.
//!
//! Redis pub/sub loses what is published while nobody listens. After an interruption the rooms of this node catch up from
//! the history, which is the truth.

use std::sync::Arc;
use std::time::Duration;

use db::chat::Span;
use domain::user::Username;
use domain::{MessageId, SessionId, Timestamp, UserId};
use futures::StreamExt;
use kit::Stop;
use kit::retry::Backoff;
use live::Live;
use live::fanout::{AUTH_REVOKED, DESK, ORDER, Push, SIGHT, STREAM_ACCESS, Target};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::gateway::Gateway;
use crate::limits::{OUTWARD_AGE_MAX, OUTWARD_MAX, PAGE_MAX};

/// Between nodes only, like [`AUTH_REVOKED`].
const NODE_BEAT: &str = "node:beat";
const BEAT_EVERY: Duration = Duration::from_secs(4);
/// A subscription on which not even our own beats arrive is dead, whatever TCP says.
const SILENCE_MAX: Duration = Duration::from_secs(12);
const SUBSCRIBE_WAIT_MAX: Duration = Duration::from_secs(2);
const PUBLISH_WAIT_MAX: Duration = Duration::from_millis(800);
/// How far before an interruption the catch-up begins: messages on their way when it happened.
const CATCH_UP_MARGIN: Duration = Duration::from_secs(5);
const CATCH_UP_PAGES_MAX: usize = 5;

/// The queue of pushes to other nodes. When it is full or Redis is away, pushes are dropped: each node's own sockets have
/// been told already.
pub(crate) struct Outward {
    queue: mpsc::Sender<(Instant, Push)>,
}

impl Outward {
    pub(crate) fn new() -> (Self, mpsc::Receiver<(Instant, Push)>) {
        let (queue, waiting) = mpsc::channel(OUTWARD_MAX);
        (Self { queue }, waiting)
    }

    pub(crate) fn send(&self, push: Push) {
        if self.queue.try_send((Instant::now(), push)).is_err() {
            dropped("full");
        }
    }
}

fn dropped(reason: &'static str) {
    metrics::counter!("rillcast_chat_pushes_dropped_total", "reason" => reason).increment(1);
}

/// Publishes what waits, in order, until the stop.
pub(crate) async fn tell_others(
    live: Live,
    mut waiting: mpsc::Receiver<(Instant, Push)>,
    stop: Stop,
) -> anyhow::Result<()> {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => break,
            next = waiting.recv() => next,
        };
        let Some((since, push)) = next else { break };
        if since.elapsed() > OUTWARD_AGE_MAX {
            dropped("stale");
            continue;
        }
        match timeout(PUBLISH_WAIT_MAX, live::fanout::publish(&live, &push)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => dropped("redis"),
        }
    }
    Ok(())
}

/// Lets other nodes, and our own subscription, know that we live.
pub(crate) async fn beat(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    loop {
        gateway.outward.send(Push {
            target: Target::Site,
            event: NODE_BEAT.to_owned(),
            payload: json!({ "node": gateway.node }),
            origin: Some(gateway.node.clone()),
        });
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(BEAT_EVERY) => {}
        }
    }
}

/// Hears what others tell, through every loss of Redis, until the stop.
pub(crate) async fn hear_others(gateway: Arc<Gateway>, live: Live, stop: Stop) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let mut deaf_since: Option<Timestamp> = None;
    while !stop.is_cancelled() {
        if let Ok(Ok(pushes)) = timeout(SUBSCRIBE_WAIT_MAX, live::fanout::subscribe(&live)).await {
            backoff.reset();
            if let Some(since) = deaf_since.take() {
                tracing::info!("hearing other nodes again");
                gateway.catch_up(since).await;
                gateway.recall_rooms();
                gateway.watchers.suspect_all();
            }
            gateway.hear(pushes, &stop).await;
            if stop.is_cancelled() {
                break;
            }
            tracing::warn!("the subscription to other nodes was lost");
        }
        deaf_since.get_or_insert_with(kit::clock::now);
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(backoff.next_wait()) => {}
        }
    }
    Ok(())
}

impl Gateway {
    /// Until the subscription is lost, silent for too long, or the stop.
    async fn hear(self: &Arc<Self>, mut pushes: impl futures::Stream<Item = Push> + Unpin, stop: &Stop) {
        loop {
            let push = tokio::select! {
                () = stop.cancelled() => return,
                push = timeout(SILENCE_MAX, pushes.next()) => push,
            };
            match push {
                Ok(Some(push)) => self.take(push),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Hands one push to the sockets it is meant for.
    fn take(self: &Arc<Self>, push: Push) {
        let is_of_stream = push.event.starts_with("stream:") || push.event == STREAM_ACCESS;
        if is_of_stream
            && let Some(name) = push.payload["username"].as_str().and_then(|name| Username::parse(name).ok())
        {
            self.facts.stream_changed(&name);
        }
        match push.event.as_str() {
            NODE_BEAT => {}
            AUTH_REVOKED => {
                if let Some(session) = push.payload["sid"].as_str().and_then(|sid| sid.parse::<SessionId>().ok()) {
                    self.revoke(session);
                }
            }
            STREAM_ACCESS => {
                if let Some(name) = push.payload["username"].as_str().and_then(|name| Username::parse(name).ok()) {
                    self.access_changed(name, push.payload);
                }
            }
            SIGHT => {
                if let Some(user) = push.payload["user_id"].as_str().and_then(|user| user.parse::<UserId>().ok()) {
                    self.watchers.turn(user);
                }
            }
            _ if push.origin.as_deref() == Some(&self.node) => {}
            ORDER => self.order_heard(&push.payload),
            DESK => self.desk_heard(push),
            "stream:online" if matches!(push.target, Target::Channel(_)) => {
                if let Target::Channel(name) = push.target.clone() {
                    self.tell_room(name, push);
                }
            }
            event => {
                if matches!(event, "friends:changed" | "room:changed") {
                    self.circles_changed(&push.target);
                }
                if event == "chat:pinned"
                    && let Target::Channel(name) = &push.target
                {
                    self.facts.pin_changed(name);
                }
                if let Some(id) = message_id(&push) {
                    self.told.insert(id, ());
                }
                if let Target::Channel(name) = &push.target {
                    self.tails.forget(name);
                }
                if let Ok(raw) = serde_json::value::to_raw_value(&push.payload) {
                    self.speaker.say(&push.target, event, &raw);
                }
            }
        }
    }

    /// Tells this node's rooms what was said elsewhere while it could not hear.
    async fn catch_up(&self, since: Timestamp) {
        let mut after = floor_of(since - CATCH_UP_MARGIN);
        for name in self.registry.rooms() {
            let Ok(Some(channel)) = self.facts.channel(&name).await else { continue };
            for _ in 0..CATCH_UP_PAGES_MAX {
                let page = match self.history.channel_page(channel, Span::After(after), PAGE_MAX).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::debug!(%error, "no catching up");
                        return;
                    }
                };
                for message in page.iter().filter(|message| !self.told.contains_key(&message.id)) {
                    self.told.insert(message.id, ());
                    self.tails.forget(&name);
                    if !self.is_for_room(&name, message.stream).await {
                        continue;
                    }
                    let Ok(view) = self.view(message, &name).await else { continue };
                    if let Ok(raw) = serde_json::value::to_raw_value(&view) {
                        self.speaker.say(&Target::Channel(name.clone()), "chat:message", &raw);
                    }
                }
                match page.last() {
                    Some(last) if page.len() == PAGE_MAX as usize => after = last.id,
                    _ => break,
                }
            }
            after = floor_of(since - CATCH_UP_MARGIN);
        }
    }
}

fn message_id(push: &Push) -> Option<MessageId> {
    matches!(push.event.as_str(), "chat:message" | "room:message").then(|| push.payload["id"].as_str()?.parse().ok())?
}

/// Before every id made at or after `at`: UUIDv7 begins with the milliseconds since 1970.
pub(crate) fn floor_of(at: Timestamp) -> MessageId {
    let ms = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    MessageId::from_uuid(uuid::Uuid::from_u128(ms << 80))
}

/// When an id was made.
pub(crate) fn made_at(id: MessageId) -> Timestamp {
    let ms = id.as_uuid().as_u128() >> 80;
    i64::try_from(ms).ok().and_then(Timestamp::from_timestamp_millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_of_a_moment_is_below_what_is_made_after_it() {
        let before = kit::ids::uuid();
        let now = kit::clock::now();
        assert!(floor_of(now) <= MessageId::from_uuid(kit::ids::uuid()));
        assert!(floor_of(now - Duration::from_secs(1)) < MessageId::from_uuid(before));
        assert!(floor_of(now + Duration::from_secs(1)) > MessageId::from_uuid(before));
        assert_eq!(made_at(floor_of(now)).timestamp_millis(), now.timestamp_millis());
    }
}
