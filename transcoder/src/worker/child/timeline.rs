//! From the 90 kHz timeline of the stream to GStreamer's nanoseconds and back, exactly.

use std::sync::OnceLock;

use gstreamer::ClockTime;

use super::super::TICKS_PER_SECOND;

/// GStreamer's zero lies this long before the first unit, so that a presentation time before it is not negative.
const LEAD_TICKS: i64 = 10 * TICKS_PER_SECOND;
/// One tick is 100,000 ninths of a nanosecond.
const TICK_NS_NUMERATOR: i128 = 100_000;
const TICK_NS_DENOMINATOR: i128 = 9;

#[derive(Debug, Default)]
pub(super) struct Timeline {
    zero: OnceLock<i64>,
}

impl Timeline {
    /// The first call decides where the timeline begins.
    pub(super) fn start_at(&self, dts: i64) {
        self.zero.get_or_init(|| dts.saturating_sub(LEAD_TICKS));
    }

    pub(super) fn to_clock(&self, ticks: i64) -> ClockTime {
        let since_zero = i128::from(ticks) - i128::from(self.zero());
        let ns = since_zero * TICK_NS_NUMERATOR / TICK_NS_DENOMINATOR;
        ClockTime::from_nseconds(u64::try_from(ns.max(0)).unwrap_or(u64::MAX - 1))
    }

    pub(super) fn to_ticks(&self, time: ClockTime) -> i64 {
        let ninths = i128::from(time.nseconds()) * TICK_NS_DENOMINATOR;
        let since_zero = (ninths + TICK_NS_NUMERATOR / 2) / TICK_NS_NUMERATOR;
        i64::try_from(since_zero + i128::from(self.zero())).unwrap_or(i64::MAX)
    }

    fn zero(&self) -> i64 {
        self.zero.get().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tick_comes_back_as_itself() {
        for start in [0, -7, 1_234_567, i64::from(u32::MAX) * 90] {
            let timeline = Timeline::default();
            timeline.start_at(start);
            for ticks in (0..200_000).map(|step| start - 1_000 + step) {
                assert_eq!(timeline.to_ticks(timeline.to_clock(ticks)), ticks);
            }
            let year = start + 365 * 24 * 3_600 * TICKS_PER_SECOND + 1;
            assert_eq!(timeline.to_ticks(timeline.to_clock(year)), year);
        }
    }

    #[test]
    fn what_lies_before_the_lead_is_clamped_instead_of_wrapping() {
        let timeline = Timeline::default();
        timeline.start_at(0);
        assert_eq!(timeline.to_clock(i64::MIN), ClockTime::ZERO);
    }
}
