//! A channel's filters, and what asking them costs.
//!
//! Whoever owns a channel writes its expressions, and every line said there is held against them on a thread all channels share.
//! The time that takes is counted, and beyond a tenth of a core the lines wait, not the other channels.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::order::Filters;
use tokio::time::Instant;

use crate::limits::{FILTERS_BURST, FILTERS_SHARE};

#[derive(Debug, Default)]
pub(crate) struct Sieve {
    pub filters: Filters,
    /// By then what was asked would be paid for, at the share of a core a channel may have.
    paid_at: Mutex<Option<Instant>>,
}

impl Sieve {
    pub(crate) const fn new(filters: Filters) -> Self {
        Self { filters, paid_at: Mutex::new(None) }
    }

    /// How long a line must wait, if it must.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let paid_at = *self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        match paid_at.map(|paid_at| paid_at.saturating_duration_since(now)) {
            Some(owed) if owed > FILTERS_BURST => Err(owed.saturating_sub(FILTERS_BURST)),
            _ => Ok(()),
        }
    }

    /// Counts what a line took.
    pub(crate) fn charge(&self, now: Instant, took: Duration) {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        *paid_at = Some(paid_at.map_or(now, |paid_at| paid_at.max(now)) + took.saturating_mul(FILTERS_SHARE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of so much work each that get through within ten seconds, asked for a hundred times a second.
    fn through(work: Duration) -> usize {
        let sieve = Sieve::default();
        let began = Instant::now();
        let asked = (0..1000).map(|n| began + Duration::from_millis(10) * n);
        asked.filter(|at| sieve.admit(*at).is_ok()).inspect(|at| sieve.charge(*at, work)).count()
    }

    #[test]
    fn a_channel_has_a_tenth_of_a_core_and_then_waits() {
        assert_eq!(through(Duration::from_micros(500)), 1000);
        let slow = through(Duration::from_millis(30));
        assert!((38..=42).contains(&slow), "{slow}: ten seconds and the burst, 300 ms a line");

        let sieve = Sieve::default();
        let now = Instant::now();
        sieve.charge(now, Duration::from_millis(300));
        assert_eq!(sieve.admit(now), Err(Duration::from_secs(1)));
        assert_eq!(sieve.admit(now + Duration::from_secs(1)), Ok(()));
    }
}
