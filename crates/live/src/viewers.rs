//! Who watches which channel: unique viewers, vouched for by the node that has their socket or served their playlist.
//!
//! A viewer is an opaque id; whoever has a socket and reads playlists under one id counts once. An id nobody vouches for
//! any more expires: [`SOCKET_LIFE`] after its node's last heartbeat, or the time given to [`Touches`] after its last
//! playlist request. When Redis is away callers keep the last count they know; everything is back one heartbeat after it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::user::Username;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::breaker::Breaker;
use crate::client::{Live, LiveError};
use crate::roster::{self, Seen};

const KIND: &str = "viewers";
/// How often a node vouches for the viewers on its sockets.
pub const BEAT_EVERY: Duration = Duration::from_millis(1_200);
/// How long a viewer outlives its node's last heartbeat: counts are right within five seconds of a node's death.
pub const SOCKET_LIFE: Duration = Duration::from_millis(4_000);
/// Playlist readers waiting to be told to Redis. More in one second are not counted.
const TOUCHES_MAX: usize = 100_000;
const FLUSH_EVERY: Duration = Duration::from_millis(1_000);
/// Longest viewer id; longer ones are cut by whoever makes them.
pub const VIEWER_BYTES_MAX: usize = 80;

/// Whether a text can be a viewer's id: 1 to [`VIEWER_BYTES_MAX`] letters, digits and `-_.:`.
pub fn is_viewer_id(text: &str) -> bool {
    (1..=VIEWER_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

/// How many watch each of these channels now.
pub async fn counts(live: &Live, usernames: &[Username]) -> Result<HashMap<Username, u64>, LiveError> {
    if usernames.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = live.connection().await?;
    let rosters: Vec<&str> = usernames.iter().map(Username::as_str).collect();
    let counts = roster::count(live, &mut connection, KIND, &rosters).await?;
    Ok(usernames.iter().cloned().zip(counts).collect())
}

/// Where the viewers of a channel are kept.
pub(crate) fn roster_key(live: &Live, username: &Username) -> String {
    roster::key_of(live, KIND, username.as_str())
}

/// The viewers of one node's sockets. Cheap to clone.
#[derive(Clone)]
pub struct Viewers {
    live: Live,
    breaker: Arc<Breaker>,
}

impl Viewers {
    pub fn new(live: Live) -> Self {
        Self { live, breaker: Arc::default() }
    }

    /// Vouches for pairs of channel and viewer. False: Redis is away.
    pub async fn beat(&self, watching: &[(Username, Arc<str>)]) -> bool {
        let seen: Vec<Seen<'_>> = watching
            .iter()
            .map(|(channel, viewer)| Seen { roster: channel.as_str(), member: viewer, age: Duration::ZERO })
            .collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::beat(&self.live, &mut connection, KIND, &seen, SOCKET_LIFE).await
            })
            .await
            .is_some()
    }

    /// Takes viewers out at once. False: Redis is away; they expire by themselves.
    pub async fn leave(&self, left: &[(Username, Arc<str>)]) -> bool {
        let members: Vec<(&str, &str)> = left.iter().map(|(channel, viewer)| (channel.as_str(), &**viewer)).collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::leave(&self.live, &mut connection, KIND, &members, Duration::ZERO).await
            })
            .await
            .is_some()
    }

    /// How many watch each channel. `None`: Redis is away.
    pub async fn counts(&self, usernames: &[Username]) -> Option<HashMap<Username, u64>> {
        self.breaker.run(&self.live, |_connection| counts(&self.live, usernames)).await
    }
}

/// Viewers known only by the playlists they read: noted in memory, told to Redis at most once a second.
#[derive(Clone)]
pub struct Touches {
    live: Live,
    breaker: Arc<Breaker>,
    noted: Arc<Mutex<Noted>>,
}

impl Touches {
    /// `life` must outlast the wait between two requests of a healthy player; see [`playlist_life`]. Of those who read a channel's
    /// playlist from behind one address `per_address_max` count.
    pub fn new(live: Live, life: Duration, per_address_max: usize) -> Self {
        Self { live, breaker: Arc::default(), noted: Arc::new(Mutex::new(Noted::new(life, per_address_max))) }
    }

    /// Notes that `viewer`, who is behind `address`, just asked for a playlist of `username`. Never waits.
    pub fn touch(&self, username: &str, viewer: &str, address: IpAddr) {
        if is_viewer_id(viewer) {
            self.noted().touch(username, viewer, kit::net::customer(address), Instant::now());
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Tells Redis until the stop. What cannot be told is dropped: the viewers will ask again.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tick = interval(FLUSH_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => self.flush().await,
            };
        }
    }

    /// Tells Redis now. False: Redis is away.
    pub async fn flush(&self) -> bool {
        let (life, fresh) = {
            let mut noted = self.noted();
            (noted.life, noted.take_fresh(Instant::now()))
        };
        if fresh.is_empty() {
            return true;
        }
        let seen: Vec<Seen<'_>> = fresh
            .iter()
            .map(|((channel, viewer), at)| Seen { roster: channel, member: viewer, age: at.elapsed() })
            .collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::beat(&self.live, &mut connection, KIND, &seen, life).await
            })
            .await
            .is_some()
    }
}

/// A channel and who reads its playlist.
type Note = (Box<str>, Box<str>);

/// Viewers behind one address, and when each was seen last.
type Crowd = Vec<(u64, Instant)>;

/// Who read which playlist since the last flush, and who counts behind which address.
struct Noted {
    life: Duration,
    per_address_max: usize,
    fresh: HashMap<Note, Instant>,
    /// By channel and address; viewers are known by a digest of their ids.
    crowds: HashMap<Box<str>, HashMap<IpAddr, Crowd>>,
    /// In `crowds`, at most [`TOUCHES_MAX`].
    known: usize,
    digest: RandomState,
    swept: Option<Instant>,
}

impl Noted {
    fn new(life: Duration, per_address_max: usize) -> Self {
        let (fresh, crowds, digest) = (HashMap::new(), HashMap::new(), RandomState::new());
        Self { life, per_address_max: per_address_max.max(1), fresh, crowds, known: 0, digest, swept: None }
    }

    fn touch(&mut self, channel: &str, viewer: &str, customer: IpAddr, now: Instant) {
        if self.counts(channel, viewer, customer, now) && self.fresh.len() < TOUCHES_MAX {
            self.fresh.insert((channel.into(), viewer.into()), now);
        }
    }

    /// Whether a viewer is among those of its address that count. Whoever counted is forgotten when it has not been seen for its life.
    fn counts(&mut self, channel: &str, viewer: &str, customer: IpAddr, now: Instant) -> bool {
        let viewer = self.digest.hash_one(viewer);
        let is_known = self.crowds.get(channel).is_some_and(|by_address| by_address.contains_key(&customer));
        if !is_known && self.known >= TOUCHES_MAX {
            return false;
        }
        if !self.crowds.contains_key(channel) {
            self.crowds.insert(channel.into(), HashMap::new());
        }
        let Some(crowd) = self.crowds.get_mut(channel).map(|by_address| by_address.entry(customer).or_default()) else {
            return false;
        };
        if let Some(known) = crowd.iter_mut().find(|(known, _)| *known == viewer) {
            known.1 = now;
            return true;
        }
        if let Some(gone) = crowd.iter_mut().find(|(_, seen)| now - *seen > self.life) {
            *gone = (viewer, now);
            return true;
        }
        let is_room = crowd.len() < self.per_address_max && self.known < TOUCHES_MAX;
        if is_room {
            crowd.push((viewer, now));
            self.known += 1;
        }
        is_room
    }

    /// What is to be told, and forgets who has gone.
    fn take_fresh(&mut self, now: Instant) -> HashMap<Note, Instant> {
        if self.swept.is_none_or(|swept| now - swept > self.life) {
            self.swept = Some(now);
            for by_address in self.crowds.values_mut() {
                for crowd in by_address.values_mut() {
                    crowd.retain(|(_, seen)| now - *seen <= self.life);
                }
                by_address.retain(|_, crowd| !crowd.is_empty());
            }
            self.crowds.retain(|_, by_address| !by_address.is_empty());
            self.known = self.crowds.values().flat_map(HashMap::values).map(Vec::len).sum();
        }
        std::mem::take(&mut self.fresh)
    }
}

/// How long a playlist request vouches for its viewer: two reloads of a plain player, never less than a socket's life.
pub fn playlist_life(segment_ms: u32) -> Duration {
    (Duration::from_millis(u64::from(segment_ms)) * 2 + Duration::from_secs(1)).max(SOCKET_LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_id_is_short_and_plain() {
        assert!(is_viewer_id("0193e6a0-1c1e-7000-8000-000000000001"));
        for bad in ["", "a b", "ä", "a\n", "x".repeat(VIEWER_BYTES_MAX + 1).as_str()] {
            assert!(!is_viewer_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn ids_invented_behind_one_address_do_not_count_beyond_its_share() {
        let (here, there) = ([203, 0, 113, 5].into(), [203, 0, 113, 6].into());
        let (start, life) = (Instant::now(), Duration::from_secs(5));
        let mut noted = Noted::new(life, 3);
        for n in 0..1_000 {
            noted.touch("alice", &format!("forged-{n}"), here, start);
        }
        assert_eq!(noted.fresh.len(), 3);
        noted.touch("alice", "honest", there, start);
        noted.touch("bob", "forged-999", here, start);
        assert_eq!(noted.take_fresh(start).len(), 5, "other addresses and other channels have shares of their own");

        // Who counts goes on to; a place is free again when its viewer is gone.
        let later = start + life;
        noted.touch("alice", "forged-0", here, later);
        noted.touch("alice", "new", here, later);
        assert!(
            noted.take_fresh(later).keys().all(|(_, viewer)| **viewer == *"forged-0"),
            "the others have their places still"
        );
        let gone = later + Duration::from_millis(1);
        noted.touch("alice", "new", here, gone);
        assert_eq!(noted.take_fresh(gone).len(), 1);
        assert!(noted.take_fresh(gone + life * 3).is_empty() && noted.crowds.is_empty() && noted.known == 0);
    }

    #[test]
    fn channels_and_addresses_without_end_are_not_remembered() {
        let (now, mut noted) = (Instant::now(), Noted::new(Duration::from_secs(5), 3));
        for n in 0..u32::try_from(TOUCHES_MAX).unwrap() + 1_000 {
            noted.touch(&format!("channel-{}", n % 2_000), "v", IpAddr::from(n.to_be_bytes()), now);
        }
        noted.touch("one-more", "v", [203, 0, 113, 5].into(), now);
        let addresses: usize = noted.crowds.values().map(HashMap::len).sum();
        assert_eq!((noted.fresh.len(), addresses, noted.crowds.len()), (2_000, TOUCHES_MAX, 2_000));
    }

    #[test]
    fn a_playlist_reader_outlives_its_reload_interval() {
        for segment_ms in [1_000, 2_000, 10_000] {
            assert!(playlist_life(segment_ms) > Duration::from_millis(u64::from(segment_ms)) * 2);
            assert!(playlist_life(segment_ms) >= SOCKET_LIFE);
        }
    }
}
