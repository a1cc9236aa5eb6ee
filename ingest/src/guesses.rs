//! Wrong stream keys per address: counted in this process, in a bounded table.
//!
//! Fails closed: a full table forgets the oldest entries, never the limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Over how long failures are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Most addresses remembered.
const ADDRESSES_MAX: usize = 10_000;
/// A refused guesser waits this long for his answer, so that answers tell nothing by their time.
const DELAY_MIN: Duration = Duration::from_millis(200);
const DELAY_SPAN: Duration = Duration::from_millis(1_300);

/// A random wait of 0.2 to 1.5 seconds.
pub(crate) fn delay() -> Duration {
    DELAY_MIN + DELAY_SPAN.mul_f64(kit::ids::jitter())
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    since: Instant,
    failures: u32,
}

/// Failures by address.
#[derive(Debug)]
pub(crate) struct Guesses {
    per_window: u32,
    tallies: Mutex<HashMap<IpAddr, Tally>>,
}

impl Guesses {
    pub(crate) fn new(per_window: u32) -> Self {
        Self { per_window, tallies: Mutex::new(HashMap::new()) }
    }

    /// Whether this address has guessed wrong too often.
    pub(crate) fn is_locked(&self, addr: IpAddr, now: Instant) -> bool {
        self.lock()
            .get(&family(addr))
            .is_some_and(|tally| tally.failures >= self.per_window && now.duration_since(tally.since) < WINDOW)
    }

    pub(crate) fn failed(&self, addr: IpAddr, now: Instant) {
        let mut tallies = self.lock();
        if tallies.len() >= ADDRESSES_MAX {
            tallies.retain(|_, tally| now.duration_since(tally.since) < WINDOW);
        }
        if tallies.len() >= ADDRESSES_MAX
            && let Some(oldest) = tallies.iter().min_by_key(|(_, tally)| tally.since).map(|(addr, _)| *addr)
        {
            tallies.remove(&oldest);
        }
        let tally = tallies.entry(family(addr)).or_insert(Tally { since: now, failures: 0 });
        if now.duration_since(tally.since) >= WINDOW {
            *tally = Tally { since: now, failures: 0 };
        }
        tally.failures = tally.failures.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer has a whole /64 of IPv6.
fn family(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_locked_after_too_many_failures_and_free_after_a_minute() {
        let (guesses, now) = (Guesses::new(3), Instant::now());
        let addr: IpAddr = "192.0.2.1".parse().expect("an address");
        for _ in 0..3 {
            assert!(!guesses.is_locked(addr, now));
            guesses.failed(addr, now);
        }
        assert!(guesses.is_locked(addr, now));
        assert!(!guesses.is_locked("192.0.2.2".parse().expect("an address"), now));
        assert!(!guesses.is_locked(addr, now + WINDOW));
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_their_failures() {
        let (guesses, now) = (Guesses::new(1), Instant::now());
        guesses.failed("2001:db8::1".parse().expect("an address"), now);
        assert!(guesses.is_locked("2001:db8::ffff".parse().expect("an address"), now));
        assert!(!guesses.is_locked("2001:db8:0:1::1".parse().expect("an address"), now));
    }

    #[test]
    fn the_table_stays_bounded() {
        let (guesses, now) = (Guesses::new(1), Instant::now());
        for n in 0..ADDRESSES_MAX as u32 + 100 {
            guesses.failed(IpAddr::V4(n.into()), now);
        }
        assert!(guesses.lock().len() <= ADDRESSES_MAX);
    }
}
