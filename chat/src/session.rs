//! What is known of one socket: who it speaks for, as which viewer it counts, and how fast it may ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;

use domain::user::Username;
use domain::{SessionId, StreamId, UserId};
use kit::tokens::AccessClaims;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::limits::{EVENTS_BURST, EVENTS_PER_S, IN_FLIGHT_MAX, REFUSED_MAX};
use crate::line::Line;
use crate::pace::Pace;
use crate::peer::Peer;
use crate::sampler::Arrival;
use crate::wire::Wire;

/// Links and arrivals of one socket that are remembered; more than the rooms it may sit in.
const LINKS_MAX: usize = 32;

/// A member's proven sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub user: UserId,
    pub session: SessionId,
    pub jti: Uuid,
    /// Seconds since 1970.
    pub expires_at: u64,
}

impl From<&AccessClaims> for Identity {
    fn from(claims: &AccessClaims) -> Self {
        Self { user: claims.sub, session: claims.sid, jti: claims.jti, expires_at: claims.exp }
    }
}

/// One socket's state.
pub(crate) struct Session {
    /// The socket's name in presence lists.
    pub name: Arc<str>,
    pub viewer: Arc<str>,
    /// Held while one of its events is worked on: a client's events happen in the order it sent them.
    pub turn: tokio::sync::Mutex<()>,
    identity: RwLock<Option<Identity>>,
    /// When the socket is to be closed because its sign-in ran out.
    close_at: Mutex<Option<Instant>>,
    is_gone: AtomicBool,
    /// Unlisted streams whose link the client has shown.
    links: Mutex<Vec<StreamId>>,
    /// How it came to each of the channels it joined.
    arrivals: Mutex<Vec<(Username, Arrival)>>,
    line: Option<Arc<Line>>,
    pace: Mutex<Allowance>,
    in_flight: Arc<Semaphore>,
}

struct Allowance {
    pace: Pace,
    refused: u32,
}

/// Whether an event may be worked on.
pub(crate) enum Admission {
    Go(OwnedSemaphorePermit),
    /// Too fast; when to try again.
    Later(Duration),
    /// Too fast for too long.
    Cut,
}

impl Session {
    pub(crate) fn new(name: Arc<str>, viewer: Arc<str>, identity: Option<Identity>, line: Option<Arc<Line>>) -> Self {
        Self {
            name,
            viewer,
            turn: tokio::sync::Mutex::default(),
            identity: RwLock::new(identity),
            close_at: Mutex::default(),
            is_gone: AtomicBool::new(false),
            links: Mutex::default(),
            arrivals: Mutex::default(),
            line,
            pace: Mutex::new(Allowance { pace: Pace::new(EVENTS_PER_S, EVENTS_BURST, Instant::now()), refused: 0 }),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        *self.identity.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn set_identity(&self, identity: Option<Identity>) {
        *self.identity.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = identity;
    }

    pub(crate) fn keep_link(&self, stream: StreamId) {
        let mut links = self.links.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !links.contains(&stream) {
            if links.len() >= LINKS_MAX {
                links.remove(0);
            }
            links.push(stream);
        }
    }

    pub(crate) fn has_link(&self, stream: StreamId) -> bool {
        self.links.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(&stream)
    }

    /// Keeps how the socket came to a channel.
    pub(crate) fn arrive(&self, name: &Username, arrival: Arrival) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        arrivals.retain(|(known, _)| known != name);
        if arrivals.len() >= LINKS_MAX {
            arrivals.remove(0);
        }
        arrivals.push((name.clone(), arrival));
    }

    pub(crate) fn arrival(&self, name: &Username) -> Option<Arrival> {
        let arrivals = self.arrivals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        arrivals.iter().find(|(known, _)| known == name).map(|(_, arrival)| arrival.clone())
    }

    pub(crate) fn close_at(&self) -> Option<Instant> {
        *self.close_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn set_close_at(&self, at: Option<Instant>) {
        *self.close_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = at;
    }

    /// `shared` is what all of a member's sockets have together.
    pub(crate) fn admit(&self, shared: Option<&Mutex<Pace>>) -> Admission {
        if let Some(line) = &self.line {
            line.set_spoken();
        }
        let mut allowance = self.pace.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = Instant::now();
        let taken = allowance.pace.take(1, now).and_then(|()| match shared {
            Some(shared) => shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take(1, now),
            None => Ok(()),
        });
        let wait = match taken {
            Ok(()) => match Arc::clone(&self.in_flight).try_acquire_owned() {
                Ok(permit) => {
                    allowance.refused = allowance.refused.saturating_sub(1);
                    return Admission::Go(permit);
                }
                Err(_) => Duration::from_millis(200),
            },
            Err(wait) => wait,
        };
        allowance.refused += 1;
        if allowance.refused > REFUSED_MAX { Admission::Cut } else { Admission::Later(wait) }
    }

    /// Waits until no event of this socket is under way.
    pub(crate) async fn idle(&self) {
        let _all = self.in_flight.acquire_many(IN_FLIGHT_MAX as u32).await;
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    pub(crate) fn set_gone(&self) {
        self.is_gone.store(true, Ordering::Release);
    }

    /// What may be written to directly, past the library.
    pub(crate) fn wire(&self) -> Option<&Weak<Wire>> {
        self.line.as_ref()?.wire()
    }

    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        self.line.clone()
    }

    /// Ends the connection at once, whatever waits in it.
    pub(crate) fn cut(&self, peer: &Peer) {
        peer.cut();
        if let Some(line) = &self.line {
            line.cut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_refused_and_then_cut_while_a_pause_forgives() {
        let session = Session::new("s".into(), "v".into(), None, None);
        let mut held = Vec::new();
        for _ in 0..IN_FLIGHT_MAX {
            let Admission::Go(permit) = session.admit(None) else { panic!("the first events are worked on") };
            held.push(permit);
        }
        assert!(matches!(session.admit(None), Admission::Later(_)), "too many under way");
        held.clear();
        tokio::time::advance(Duration::from_secs(60)).await;
        let mut answers = Vec::new();
        for _ in 0..(EVENTS_BURST + REFUSED_MAX + 10) {
            answers.push(session.admit(None));
        }
        assert!(answers[..EVENTS_BURST as usize].iter().all(|a| matches!(a, Admission::Go(_) | Admission::Later(_))));
        assert!(matches!(answers.last(), Some(Admission::Cut)));
    }
}
