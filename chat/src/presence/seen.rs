//! When members were there last, written down at most once a minute for each, many at a time, and never while anybody waits for it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use db::presence::Seen;
use domain::{Timestamp, UserId};
use kit::Stop;
use tokio::time::{MissedTickBehavior, interval};

use crate::gateway::Gateway;
use crate::limits::{SEEN_AGAIN, SEEN_EVERY, SEEN_ROUND_MAX, SEEN_WAITING_MAX};

/// What Postgres knows of it, and what is not written down yet.
pub(crate) struct LastSeen {
    pool: db::Pool,
    /// Who left since the last round. More than fit are not noted: they were, a minute ago.
    left: Mutex<HashMap<UserId, Timestamp>>,
}

impl LastSeen {
    pub(crate) fn new(pool: db::Pool) -> Self {
        Self { pool, left: Mutex::default() }
    }

    fn left(&self) -> MutexGuard<'_, HashMap<UserId, Timestamp>> {
        self.left.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Those of these pairs of viewer and member that may stand.
    pub(super) async fn of(&self, pairs: &[(UserId, UserId)]) -> db::Result<Vec<Seen>> {
        db::presence::seen(&mut *self.pool.acquire().await?, pairs).await
    }

    /// A socket of this member is gone.
    pub(crate) fn note_left(&self, user: UserId, at: Timestamp) {
        let mut left = self.left();
        if left.len() < SEEN_WAITING_MAX {
            left.insert(user, at);
        }
    }

    /// What is to be written now: who is here and was not noted for a minute, and who has left.
    fn round(&self, here: &HashSet<UserId>, noted: &mut HashMap<UserId, Timestamp>, now: Timestamp) -> Round {
        noted.retain(|user, _| here.contains(user));
        let mut left = self.left();
        left.retain(|user, _| !here.contains(user));
        let gone: Vec<_> = left.iter().map(|(user, at)| (*user, *at)).take(SEEN_ROUND_MAX).collect();
        for (user, _) in &gone {
            left.remove(user);
        }
        let is_due = |user: &&UserId| noted.get(user).is_none_or(|at| now - *at >= SEEN_AGAIN);
        let here = here.iter().filter(is_due).take(SEEN_ROUND_MAX - gone.len()).map(|user| (*user, now)).collect();
        Round { gone, here }
    }

    async fn write(&self, round: &Round) -> db::Result<()> {
        let all: Vec<_> = round.gone.iter().chain(&round.here).copied().collect();
        if !all.is_empty() {
            db::presence::note(&mut *self.pool.acquire().await?, &all).await?;
        }
        Ok(())
    }
}

struct Round {
    gone: Vec<(UserId, Timestamp)>,
    here: Vec<(UserId, Timestamp)>,
}

/// Writes down who was there, until the stop. What could not be written is tried again.
pub(crate) async fn note(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(SEEN_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut noted = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let round = gateway.last_seen.round(&gateway.registry.users(), &mut noted, kit::clock::now());
        match gateway.last_seen.write(&round).await {
            Ok(()) => noted.extend(round.here),
            Err(error) => {
                tracing::debug!(%error, "who was there is not written down yet");
                for (user, at) in round.gone {
                    gateway.last_seen.note_left(user, at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[tokio::test]
    async fn a_member_is_noted_once_a_minute_and_once_more_when_they_leave() {
        let pool = db::testing::pool("postgres://nobody@127.0.0.1:1/none").unwrap();
        let (seen, mut noted) = (LastSeen::new(pool), HashMap::new());
        let user = UserId::from_uuid(kit::ids::uuid());
        let here = HashSet::from([user]);
        let start = kit::clock::now();
        let first = seen.round(&here, &mut noted, start);
        assert_eq!(first.here, [(user, start)]);
        noted.extend(first.here);
        assert!(seen.round(&here, &mut noted, start + TimeDelta::seconds(59)).here.is_empty());
        assert_eq!(seen.round(&here, &mut noted, start + TimeDelta::seconds(60)).here.len(), 1);
        // One of two tabs is closed.
        seen.note_left(user, start);
        assert!(seen.round(&here, &mut noted, start).gone.is_empty());
        seen.note_left(user, start);
        assert_eq!(seen.round(&HashSet::new(), &mut noted, start).gone, [(user, start)]);
        assert!(noted.is_empty(), "nothing is kept of who is gone");
        assert!(seen.round(&HashSet::new(), &mut noted, start).gone.is_empty());
    }

    #[tokio::test]
    async fn a_crowd_is_noted_in_rounds() {
        let pool = db::testing::pool("postgres://nobody@127.0.0.1:1/none").unwrap();
        let (seen, mut noted) = (LastSeen::new(pool), HashMap::new());
        let start = kit::clock::now();
        for _ in 0..SEEN_WAITING_MAX + 10 {
            seen.note_left(UserId::from_uuid(kit::ids::uuid()), start);
        }
        let here = HashSet::from([UserId::from_uuid(kit::ids::uuid())]);
        let mut rounds = 0;
        let mut all = 0;
        while all < SEEN_WAITING_MAX {
            let round = seen.round(&here, &mut noted, start);
            assert!(round.gone.len() + round.here.len() <= SEEN_ROUND_MAX);
            all += round.gone.len();
            rounds += 1;
            assert!(rounds <= SEEN_WAITING_MAX, "no round gets anywhere");
        }
        assert_eq!(all, SEEN_WAITING_MAX, "those beyond the limit were left out");
    }
}
