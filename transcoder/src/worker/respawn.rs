//! When a dead child is replaced, and when nobody tries any more.

use std::collections::VecDeque;
use std::time::Duration;

use kit::retry::Backoff;
use tokio::time::Instant;

/// Replacements within [`WINDOW`] before the supervisor gives up.
pub(super) const RESPAWNS_MAX: usize = 5;
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The first replacement comes at once; the next ones wait a little longer each.
#[derive(Debug)]
pub(super) struct Respawns {
    recent: VecDeque<Instant>,
    backoff: Backoff,
}

impl Respawns {
    pub(super) fn new() -> Self {
        Self {
            recent: VecDeque::with_capacity(RESPAWNS_MAX),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(2)),
        }
    }

    /// How long to wait before the next child, or `None` when this one was one too many.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= RESPAWNS_MAX {
            return None;
        }
        let wait = if self.recent.is_empty() {
            self.backoff.reset();
            Duration::ZERO
        } else {
            self.backoff.next_wait()
        };
        self.recent.push_back(now);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_replacements_a_minute_and_then_none() {
        let mut respawns = Respawns::new();
        let start = Instant::now();
        assert_eq!(respawns.next(start), Some(Duration::ZERO));
        for second in 1..RESPAWNS_MAX as u64 {
            let wait = respawns.next(start + Duration::from_secs(second)).expect("still allowed");
            assert!(wait <= Duration::from_secs(2));
        }
        assert_eq!(respawns.next(start + Duration::from_secs(59)), None);
    }

    #[test]
    fn a_death_a_minute_goes_on_for_ever() {
        let mut respawns = Respawns::new();
        let start = Instant::now();
        for minute in 0..100 {
            assert_eq!(respawns.next(start + WINDOW * minute), Some(Duration::ZERO));
        }
    }
}
