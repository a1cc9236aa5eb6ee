//! Whether a child keeps up, and what to do when it does not: rungs are dropped one by one, the costliest first, and come
//! back one by one when it has been quiet for long.
//!
//! Pure: a step takes what was seen and gives what to do. The waits grow each time a rung that came back had to go again.

use std::time::Duration;

use tokio::time::Instant;

use super::TICKS_PER_SECOND;

/// How often the child is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Pictures this far behind the source are late. A decoder that reorders and an encoder hold less than half of it.
const LATE_TICKS: i64 = TICKS_PER_SECOND * 12 / 10;
/// Late for so long is too slow, and not a hiccup.
const LATE_FOR: Duration = Duration::from_secs(2);
/// After a start or a change the child may be behind for other reasons: it catches up with what was kept for it.
const GRACE: Duration = Duration::from_secs(5);
/// In time for so long: a rung may come back. The usual [`super::WorkerSpec::restore_after`].
pub(super) const QUIET_FOR: Duration = Duration::from_secs(30);
/// The longest such wait.
const QUIET_MAX: Duration = Duration::from_secs(600);
/// A rung that had to go again within this time came back too early.
const RELAPSE: Duration = Duration::from_secs(120);

/// What to do about the rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    Keep,
    /// Drop the costliest.
    Drop,
    /// Bring one back, if there is room for it.
    Restore,
}

#[derive(Debug)]
pub(super) struct Regulator {
    /// Until when lateness is not looked at.
    grace_until: Instant,
    late_since: Option<Instant>,
    quiet_since: Instant,
    quiet_min: Duration,
    /// The wait in force, between `quiet_min` and [`QUIET_MAX`].
    quiet_for: Duration,
    restored_at: Option<Instant>,
}

impl Regulator {
    pub(super) fn new(now: Instant, quiet_min: Duration) -> Self {
        Self {
            grace_until: now + GRACE,
            late_since: None,
            quiet_since: now,
            quiet_min,
            quiet_for: quiet_min,
            restored_at: None,
        }
    }

    /// A new child has begun.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.grace_until, self.late_since, self.quiet_since) = (now + GRACE, None, now);
    }

    /// One look. `lag_ticks`: how far the rungs are behind the source; 0 without rungs. `has_more`: rungs are missing.
    pub(super) fn step(&mut self, now: Instant, lag_ticks: i64, has_more: bool) -> Advice {
        if now < self.grace_until {
            return Advice::Keep;
        }
        if lag_ticks < LATE_TICKS {
            self.late_since = None;
            if has_more && now.duration_since(self.quiet_since) >= self.quiet_for {
                // Whether or not there is room: it is asked for again after as long.
                self.quiet_since = now;
                return Advice::Restore;
            }
            return Advice::Keep;
        }
        self.quiet_since = now;
        let since = *self.late_since.get_or_insert(now);
        if now.duration_since(since) < LATE_FOR {
            return Advice::Keep;
        }
        if self.restored_at.take().is_some_and(|at| now.duration_since(at) < RELAPSE) {
            self.quiet_for = (self.quiet_for * 2).min(QUIET_MAX);
        }
        self.restart(now);
        Advice::Drop
    }

    /// The rung that was asked for came back.
    pub(super) fn restored(&mut self, now: Instant) {
        if self.restored_at.is_some_and(|at| now.duration_since(at) >= RELAPSE) {
            self.quiet_for = self.quiet_min;
        }
        self.restored_at = Some(now);
        self.restart(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every half second for `seconds` and gives what it advised, with the second.
    fn look(
        regulator: &mut Regulator,
        from: &mut Instant,
        seconds: u64,
        lag_s: f64,
        has_more: bool,
    ) -> Vec<(u64, Advice)> {
        let (begin, mut advice) = (*from, Vec::new());
        while from.duration_since(begin) < Duration::from_secs(seconds) {
            *from += LOOK_EVERY;
            let lag = (lag_s * TICKS_PER_SECOND as f64) as i64;
            let step = regulator.step(*from, lag, has_more);
            if step != Advice::Keep {
                advice.push((from.duration_since(begin).as_secs(), step));
            }
        }
        advice
    }

    #[test]
    fn a_child_in_time_is_left_alone() {
        let mut now = Instant::now();
        let mut regulator = Regulator::new(now, QUIET_FOR);
        assert_eq!(look(&mut regulator, &mut now, 600, 0.3, false), []);
    }

    #[test]
    fn a_hiccup_drops_nothing() {
        let mut now = Instant::now();
        let mut regulator = Regulator::new(now, QUIET_FOR);
        look(&mut regulator, &mut now, 10, 0.1, false);
        for _ in 0..20 {
            assert_eq!(look(&mut regulator, &mut now, 1, 3.0, false), []);
            assert_eq!(look(&mut regulator, &mut now, 1, 0.1, false), []);
        }
    }

    #[test]
    fn being_late_for_long_drops_rungs_with_time_between_to_see_what_it_helped() {
        let mut now = Instant::now();
        let mut regulator = Regulator::new(now, QUIET_FOR);
        let advice = look(&mut regulator, &mut now, 24, 3.0, true);
        assert_eq!(advice, [(7, Advice::Drop), (14, Advice::Drop), (21, Advice::Drop)]);
    }

    #[test]
    fn a_rung_is_asked_for_again_and_again_while_there_is_no_room() {
        let mut now = Instant::now();
        let mut regulator = Regulator::new(now, QUIET_FOR);
        assert_eq!(
            look(&mut regulator, &mut now, 95, 0.1, true),
            [(30, Advice::Restore), (60, Advice::Restore), (90, Advice::Restore)]
        );
    }

    #[test]
    fn a_rung_that_keeps_going_comes_back_ever_later_but_not_never() {
        let mut now = Instant::now();
        let mut regulator = Regulator::new(now, QUIET_FOR);
        let mut waits = Vec::new();
        for _ in 0..8 {
            look(&mut regulator, &mut now, 8, 3.0, true);
            let dropped = now;
            while regulator.step(now, 0, true) != Advice::Restore {
                now += LOOK_EVERY;
                assert!(now.duration_since(dropped) < Duration::from_secs(700), "never");
            }
            waits.push(now.duration_since(dropped).as_secs());
            regulator.restored(now);
        }
        assert!(waits.is_sorted() && waits[0] <= 31, "{waits:?}");
        assert!(waits[2] >= 100 && waits.last().is_some_and(|wait| *wait <= 600), "{waits:?}");
    }
}
