//! Who watches which channel: unique viewers, vouched for by the node that has their socket or served their playlist.
//!
//! A viewer is an opaque id; whoever has a socket and reads playlists under one id counts once. An id nobody vouches for
//! any more expires: [`SOCKET_LIFE`] after its node's last heartbeat, or the time given to [`Touches`] after its last
//! playlist request. When Redis is away callers keep the last count they know; everything is back one heartbeat after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
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
                roster::leave(&self.live, &mut connection, KIND, &members).await
            })
            .await
            .is_some()
    }

    /// How many watch each channel. `None`: Redis is away.
    pub async fn counts(&self, usernames: &[Username]) -> Option<HashMap<Username, u64>> {
        self.breaker.run(&self.live, |_connection| counts(&self.live, usernames)).await
    }
}

/// A channel and who reads its playlist.
type Note = (Box<str>, Box<str>);

/// Viewers known only by the playlists they read: noted in memory, told to Redis at most once a second.
#[derive(Clone)]
pub struct Touches {
    live: Live,
    breaker: Arc<Breaker>,
    life: Duration,
    noted: Arc<Mutex<HashMap<Note, Instant>>>,
}

impl Touches {
    /// `life` must outlast the wait between two requests of a healthy player; see [`playlist_life`].
    pub fn new(live: Live, life: Duration) -> Self {
        Self { live, breaker: Arc::default(), life, noted: Arc::default() }
    }

    /// Notes that `viewer` just asked for a playlist of `username`. Never waits.
    pub fn touch(&self, username: &str, viewer: &str) {
        if !is_viewer_id(viewer) {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if noted.len() < TOUCHES_MAX {
            noted.insert((username.into(), viewer.into()), Instant::now());
        }
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
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        if noted.is_empty() {
            return true;
        }
        let seen: Vec<Seen<'_>> = noted
            .iter()
            .map(|((channel, viewer), at)| Seen { roster: channel, member: viewer, age: at.elapsed() })
            .collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::beat(&self.live, &mut connection, KIND, &seen, self.life).await
            })
            .await
            .is_some()
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
    fn a_playlist_reader_outlives_its_reload_interval() {
        for segment_ms in [1_000, 2_000, 10_000] {
            assert!(playlist_life(segment_ms) > Duration::from_millis(u64::from(segment_ms)) * 2);
            assert!(playlist_life(segment_ms) >= SOCKET_LIFE);
        }
    }
}
