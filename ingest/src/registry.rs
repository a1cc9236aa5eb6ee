//! Who is on air on this node: one slot per channel, with the last sign of life.
//!
//! Settles races inside the process before the database is asked; between nodes the database decides. Owns no connection:
//! a session is told to go by its [`Presence`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use db::publish::{Beat, Claim};
use domain::stream::Priority;
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

/// What a newcomer has to set against whoever holds the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bid {
    pub(crate) priority: Priority,
    /// The channel's owner wants the next encoder to take over. The database has the last word on it.
    pub(crate) is_invited: bool,
}

impl Bid {
    fn outranks(self, holder: Priority) -> bool {
        self.is_invited || self.priority > holder
    }
}

#[derive(Debug, Default)]
struct Slot {
    presence: Option<Arc<Presence>>,
    /// A newcomer about whom the database is being asked, and when that is over.
    newcomer: Option<(Bid, Stop)>,
}

/// All sessions on air.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<HashMap<UserId, Slot>>,
}

enum Found {
    Reserved {
        superseded: Option<Arc<Presence>>,
        is_challenge: bool,
        over: Stop,
    },
    Busy,
    Ending(Arc<Presence>),
    /// A newcomer of lower rank is being judged.
    Behind(Stop),
}

impl Registry {
    /// Keeps a channel's slot for one newcomer while the database is asked. `None` when it is taken by somebody who delivers
    /// and is not outranked, or by another newcomer. Waits for a session whose end is being written down.
    pub(crate) async fn reserve(self: &Arc<Self>, channel: UserId, bid: Bid) -> Option<Reservation> {
        loop {
            match self.try_reserve(channel, bid) {
                Found::Reserved { superseded, is_challenge, over } => {
                    let registry = Arc::clone(self);
                    return Some(Reservation { registry, channel, superseded, is_challenge, over });
                }
                Found::Busy => return None,
                Found::Ending(presence) => presence.gone().await,
                Found::Behind(over) => over.cancelled().await,
            }
        }
    }

    fn try_reserve(&self, channel: UserId, bid: Bid) -> Found {
        let mut slots = self.lock();
        let slot = slots.entry(channel).or_default();
        if let Some((other, over)) = &slot.newcomer {
            let is_ahead = bid.priority > other.priority || (bid.is_invited && !other.is_invited);
            return if is_ahead { Found::Behind(over.clone()) } else { Found::Busy };
        }
        let is_challenge = match &slot.presence {
            Some(presence) if presence.is_ending() => return Found::Ending(Arc::clone(presence)),
            Some(presence) if presence.silence() < DELIVERS_WITHIN => {
                if !bid.outranks(presence.claim.priority) {
                    return Found::Busy;
                }
                true
            }
            _ => false,
        };
        let over = Stop::new();
        slot.newcomer = Some((bid, over.clone()));
        Found::Reserved { superseded: slot.presence.clone(), is_challenge, over }
    }

    /// The session's end is written down: its slot is free.
    pub(crate) fn remove(&self, presence: &Arc<Presence>) {
        let mut slots = self.lock();
        if let Some(slot) = slots.get_mut(&presence.claim.channel_id) {
            slot.presence.take_if(|held| Arc::ptr_eq(held, presence));
            if slot.presence.is_none() && slot.newcomer.is_none() {
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
    is_challenge: bool,
    over: Stop,
}

impl Reservation {
    /// Whether the slot is to be taken from somebody who delivers.
    pub(crate) fn is_challenge(&self) -> bool {
        self.is_challenge
    }

    /// The newcomer has the claim: it is on air, and its predecessor is told to go.
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
            slot.newcomer = None;
            if slot.presence.is_none() {
                slots.remove(&self.channel);
            }
        }
        drop(slots);
        self.over.cancel();
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
            priority: Priority::clamped(5),
        }
    }

    fn of(priority: i64) -> Bid {
        Bid { priority: Priority::clamped(priority), is_invited: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_kept_while_its_holder_delivers_and_lost_after_five_silent_seconds() {
        let registry = Arc::new(Registry::default());
        let channel = UserId::from_uuid(kit::ids::uuid());
        let first = registry.reserve(channel, Bid::default()).await.expect("free").occupy(claim(channel, 1));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(registry.reserve(channel, Bid::default()).await.is_none());
        first.media_arrived(Instant::now());
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(registry.reserve(channel, Bid::default()).await.is_none());
        tokio::time::advance(Duration::from_secs(2)).await;
        let newcomer = registry.reserve(channel, Bid::default()).await.expect("silent for six seconds");
        assert!(registry.reserve(channel, Bid::default()).await.is_none(), "one newcomer at a time");
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
        let first = registry.reserve(channel, Bid::default()).await.expect("free").occupy(claim(channel, 1));
        first.begin_ending();
        let waiting = registry.reserve(channel, Bid::default());
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        registry.remove(&first);
        assert!(waiting.await.is_some());
        assert!(registry.lock().is_empty());
    }

    #[tokio::test]
    async fn a_holder_who_delivers_is_challenged_by_a_higher_priority_or_the_owners_word_only() {
        let registry = Arc::new(Registry::default());
        let channel = UserId::from_uuid(kit::ids::uuid());
        let first = registry.reserve(channel, of(5)).await.expect("free").occupy(claim(channel, 1));
        assert!(registry.reserve(channel, of(4)).await.is_none());
        assert!(registry.reserve(channel, of(5)).await.is_none(), "equals are refused");
        let challenger = registry.reserve(channel, of(6)).await.expect("it outranks");
        assert!(challenger.is_challenge());
        drop(challenger);
        assert_eq!(first.told_to_go(), None, "nothing happened until the database says yes");
        let invited = Bid { is_invited: true, ..of(0) };
        let second = registry.reserve(channel, invited).await.expect("asked for").occupy(claim(channel, 2));
        assert_eq!(first.told_to_go(), Some(Cut::Superseded));
        registry.remove(&first);
        registry.remove(&second);
        assert!(registry.lock().is_empty());
    }

    #[tokio::test]
    async fn a_newcomer_of_higher_priority_waits_until_the_other_one_is_judged() {
        let registry = Arc::new(Registry::default());
        let channel = UserId::from_uuid(kit::ids::uuid());
        let lower = registry.reserve(channel, of(5)).await.expect("free");
        assert!(registry.reserve(channel, of(5)).await.is_none(), "one newcomer at a time");
        let waiting = registry.reserve(channel, of(6));
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let first = lower.occupy(claim(channel, 1));
        let higher = waiting.await.expect("it outranks");
        assert!(higher.is_challenge());
        registry.remove(&higher.occupy(claim(channel, 2)));
        assert_eq!(first.told_to_go(), Some(Cut::Superseded));
    }
}
