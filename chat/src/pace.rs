//! A token bucket: so many at once, and then so many a second.

use std::time::Duration;

use live::limits::Quota;
use tokio::time::Instant;

/// One bucket, owned by whoever is limited.
#[derive(Debug)]
pub(crate) struct Pace {
    per_s: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl Pace {
    pub(crate) fn new(per_s: u32, burst: u32, now: Instant) -> Self {
        Self { per_s: f64::from(per_s), burst: f64::from(burst), level: f64::from(burst), at: now }
    }

    /// A little more than `quota`: for what is counted exactly elsewhere, where asking costs more.
    pub(crate) fn about(quota: Quota, now: Instant) -> Self {
        let events = f64::from(quota.events);
        let burst = events + 2.0;
        Self { per_s: events * 1.25 / quota.per.as_secs_f64(), burst, level: burst, at: now }
    }

    /// Takes `cost`, or says how long to wait until it could be taken.
    pub(crate) fn take(&mut self, cost: usize, now: Instant) -> Result<(), Duration> {
        let cost = cost as f64;
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + since * self.per_s).min(self.burst);
        self.at = now;
        if self.level >= cost {
            self.level -= cost;
            return Ok(());
        }
        Err(Duration::from_secs_f64((cost - self.level) / self.per_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 3, start);
        assert!((0..3).all(|_| pace.take(1, start).is_ok()));
        let wait = pace.take(1, start).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(90), "{wait:?}");
        assert!(pace.take(1, start + Duration::from_millis(100)).is_ok());
        assert!(pace.take(1, start + Duration::from_millis(100)).is_err());
        assert!((0..3).all(|_| pace.take(1, start + Duration::from_secs(60)).is_ok()), "never more than the burst");
        assert!(pace.take(1, start + Duration::from_secs(60)).is_err());
    }
}
