//! Who is on air on this node: one slot per channel, with the last sign of life.
//!
//! Settles races inside the process before the database is asked; between nodes the database decides. Owns no connection:
//! a session is told to go by its [`Presence`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use db::publish::{Beat, Claim};
use domain::{StreamId, UserId};
use kit::Stop;
use tokio::time::Instant;

/// A publisher that delivered media this recently keeps its slot against a newcomer.
pub(crate) const DELIVERS_WITHIN: Duration = Duration::from_secs(5);

/// Why a session is told to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A newcomer has the stream now.
    Superseded,
    /// The heartbeat found that the stream is no longer ours, or its owner may not stream.
    Revoked,
    /// The operator's `on_update` said no.
    Hook,
}

/// One session on air.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) claim: Claim,
    granted: Instant,
    /// Milliseconds after `granted`.
    last_media: AtomicU64,
    is_ending: AtomicBool,
    cut: OnceLock<Cut>,
    told: Stop,
    gone: Stop,
}

impl Presence {
    fn new(claim: Claim) -> Self {
        Self {
            claim,
            granted: Instant::now(),
            last_media: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
            cut: OnceLock::new(),
            told: Stop::new(),
            gone: Stop::new(),
        }
    }

    pub(crate) fn media_arrived(&self, now: Instant) {
        let at = now.duration_since(self.granted).as_millis() as u64;
        self.last_media.store(at, Ordering::Relaxed);
    }

    pub(crate) fn silence(&self) -> Duration {
        self.granted.elapsed().saturating_sub(Duration::from_millis(self.last_media.load(Ordering::Relaxed)))
    }

    /// Tells the session to go. The first reason counts.
    pub(crate) fn cut(&self, why: Cut) {
        let _ = self.cut.set(why);
        self.told.cancel();
    }

    /// What the session was told, if it was told to go.
    pub(crate) fn told_to_go(&self) -> Option<Cut> {
        self.told.is_cancelled().then(|| self.cut.get().copied().unwrap_or(Cut::Revoked))
    }

    /// The connection is over; its end is being written down.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    pub(crate) fn begin_ending(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    /// Resolves once the session's end is written down.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

#[derive(Debug, Default)]
struct Slot {
    presence: Option<Arc<Presence>>,
    is_reserved: bool,
}

/// All sessions on air.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<HashMap<UserId, Slot>>,
}

enum Found {
    Reserved(Option<Arc<Presence>>),
    Busy,
    Ending(Arc<Presence>),
}

impl Registry {
    /// Keeps a channel's slot for one newcomer while the database is asked. `None` when it is taken by somebody who delivers,
    /// or by another newcomer. Waits for a session whose end is being written down.
    pub(crate) async fn reserve(self: &Arc<Self>, channel: UserId) -> Option<Reservation> {
        loop {
            match self.try_reserve(channel) {
                Found::Reserved(superseded) => {
                    return Some(Reservation { registry: Arc::clone(self), channel, superseded });
                }
                Found::Busy => return None,
                Found::Ending(presence) => presence.gone().await,
            }
        }
    }

    fn try_reserve(&self, channel: UserId) -> Found {
        let mut slots = self.lock();
        let slot = slots.entry(channel).or_default();
        if slot.is_reserved {
            return Found::Busy;
        }
        match &slot.presence {
            Some(presence) if presence.is_ending() => Found::Ending(Arc::clone(presence)),
            Some(presence) if presence.silence() < DELIVERS_WITHIN => Found::Busy,
            superseded => {
                let superseded = superseded.clone();
                slot.is_reserved = true;
                Found::Reserved(superseded)
            }
        }
    }

    /// The session's end is written down: its slot is free.
    pub(crate) fn remove(&self, presence: &Arc<Presence>) {
        let mut slots = self.lock();
        if let Some(slot) = slots.get_mut(&presence.claim.channel_id) {
            slot.presence.take_if(|held| Arc::ptr_eq(held, presence));
            if slot.presence.is_none() && !slot.is_reserved {
                slots.remove(&presence.claim.channel_id);
            }
        }
        drop(slots);
        presence.gone.cancel();
    }

    /// Every session that is not ending.
    pub(crate) fn present(&self) -> Vec<Arc<Presence>> {
        let slots = self.lock();
        slots.values().filter_map(|slot| slot.presence.clone()).filter(|presence| !presence.is_ending()).collect()
    }

    /// Streams that sessions of this process hold, ending ones included.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.lock().values().filter_map(|slot| slot.presence.as_ref()).map(|held| held.claim.stream_id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's line in the heartbeat.
pub(crate) fn beat(presence: &Presence) -> Beat {
    Beat {
        stream_id: presence.claim.stream_id,
        epoch: presence.claim.epoch,
        silent_ms: presence.silence().as_millis() as i64,
    }
}

/// A slot kept for a newcomer; free again when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    registry: Arc<Registry>,
    channel: UserId,
    superseded: Option<Arc<Presence>>,
}

impl Reservation {
    /// The newcomer has the claim: it is on air, and a silent predecessor is told to go.
    pub(crate) fn occupy(mut self, claim: Claim) -> Arc<Presence> {
        let presence = Arc::new(Presence::new(claim));
        self.registry.lock().entry(self.channel).or_default().presence = Some(Arc::clone(&presence));
        if let Some(superseded) = self.superseded.take() {
            superseded.cut(Cut::Superseded);
        }
        presence
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut slots = self.registry.lock();
        if let Some(slot) = slots.get_mut(&self.channel) {
            slot.is_reserved = false;
            if slot.presence.is_none() {
                slots.remove(&self.channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::user::Username;
    use domain::{PublishId, VodId};

    use super::*;

    fn claim(channel: UserId, epoch: i32) -> Claim {
        Claim {
            visibility: domain::Visibility::Public,
            stream_id: StreamId::from_uuid(channel.as_uuid()),
            vod_id: VodId::from_uuid(channel.as_uuid()),
            publish_id: PublishId::from_uuid(kit::ids::uuid()),
            channel_id: channel,
            username: Username::parse("alice").expect("a name"),
            title: "title".to_owned(),
            epoch,
            started_at: kit::clock::now(),
            is_resumed: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_kept_while_its_holder_delivers_and_lost_after_five_silent_seconds() {
        let registry = Arc::new(Registry::default());
        let channel = UserId::from_uuid(kit::ids::uuid());
        let first = registry.reserve(channel).await.expect("free").occupy(claim(channel, 1));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(registry.reserve(channel).await.is_none());
        first.media_arrived(Instant::now());
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(registry.reserve(channel).await.is_none());
        tokio::time::advance(Duration::from_secs(2)).await;
        let newcomer = registry.reserve(channel).await.expect("silent for six seconds");
        assert!(registry.reserve(channel).await.is_none(), "one newcomer at a time");
        let second = newcomer.occupy(claim(channel, 2));
        assert_eq!(first.told_to_go(), Some(Cut::Superseded));
        registry.remove(&first);
        assert_eq!(registry.present().len(), 1, "the newcomer stays");
        registry.remove(&second);
        assert!(registry.lock().is_empty());
    }

    #[tokio::test]
    async fn a_newcomer_waits_for_an_end_that_is_being_written_down() {
        let registry = Arc::new(Registry::default());
        let channel = UserId::from_uuid(kit::ids::uuid());
        let first = registry.reserve(channel).await.expect("free").occupy(claim(channel, 1));
        first.begin_ending();
        let waiting = registry.reserve(channel);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        registry.remove(&first);
        assert!(waiting.await.is_some());
        assert!(registry.lock().is_empty());
    }
}
