//! Waiting between attempts: capped exponential back-off with full jitter.

use std::time::Duration;

/// A sequence of waits. One layer owns a retry; that layer owns one of these.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    cap: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { next: first, first, cap }
    }

    /// The next wait: between half and the whole of a step that doubles up to the cap.
    pub fn next_wait(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.cap);
        step.mul_f64(0.5 + crate::ids::jitter() / 2.0)
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let waits: Vec<_> = (0..5).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= Duration::from_millis(100));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(400)));
        assert!(waits[4] >= Duration::from_millis(200));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
