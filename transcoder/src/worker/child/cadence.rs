//! Which pictures of a fast source a rung with fewer frames a second takes.

use gstreamer::{ClockTime, Fraction};

/// Pictures closer to the last one than this share of the wanted distance are left out. Between a half and one, so that
/// of 60 frames every second one is taken for 30, of 50 every second one as well, and of 35 all: an uneven rate looks
/// worse than one slightly too high.
const NEARNESS: f64 = 0.78;

/// One rung's choice. Key frames are always taken: they begin segments.
#[derive(Debug)]
pub(super) struct Cadence {
    gap: ClockTime,
    last: Option<ClockTime>,
}

impl Cadence {
    pub(super) fn new(fps_max: u32) -> Self {
        let ns = 1e9 / f64::from(fps_max.max(1)) * NEARNESS;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a second")]
        let gap = ClockTime::from_nseconds(ns as u64);
        Self { gap, last: None }
    }

    /// Whether the picture at `pts` is taken. Times rise, except after a loss.
    pub(super) fn takes(&mut self, pts: ClockTime, is_key: bool) -> bool {
        let is_far = |last: ClockTime| pts < last || pts - last >= self.gap;
        let takes = is_key || self.last.is_none_or(is_far);
        if takes {
            self.last = Some(pts);
        }
        takes
    }

    /// The frame rate that is left of a source's. Zero when that is unknown.
    pub(super) fn rate(&self, source: Fraction) -> Fraction {
        let (count, seconds) = (i64::from(source.numer()), i64::from(source.denom()));
        if count <= 0 || seconds <= 0 {
            return Fraction::new(0, 1);
        }
        let distance = 1e9 * seconds as f64 / count as f64;
        let step = (1..=16).find(|step| distance * f64::from(*step) >= self.gap.nseconds() as f64).unwrap_or(16);
        Fraction::new(source.numer(), source.denom().saturating_mul(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of five seconds at `rate` are taken for `fps_max`, with times as FLV rounds them.
    fn taken(rate: u32, fps_max: u32) -> usize {
        let mut cadence = Cadence::new(fps_max);
        let at =
            |frame: u32| ClockTime::from_mseconds((u64::from(frame) * 1_000 + u64::from(rate) / 2) / u64::from(rate));
        (0..5 * rate).filter(|frame| cadence.takes(at(*frame), frame % (2 * rate) == 0)).count()
    }

    #[test]
    fn fast_sources_lose_whole_fractions_and_slow_ones_nothing() {
        for (rate, fps_max, expected) in
            [(60, 30, 30), (50, 30, 25), (120, 60, 60), (30, 30, 30), (25, 30, 25), (60, 60, 60), (35, 30, 35)]
        {
            assert_eq!(taken(rate, fps_max), expected as usize * 5, "{rate} for {fps_max}");
            let rate = Cadence::new(fps_max).rate(Fraction::new(rate.cast_signed(), 1));
            assert_eq!(rate, Fraction::new(expected, 1));
        }
        assert_eq!(Cadence::new(30).rate(Fraction::new(60_000, 1_001)), Fraction::new(30_000, 1_001));
        assert_eq!(Cadence::new(30).rate(Fraction::new(0, 1)), Fraction::new(0, 1));
    }

    #[test]
    fn a_key_frame_is_taken_wherever_it_stands() {
        let mut cadence = Cadence::new(30);
        let at = ClockTime::from_mseconds;
        let taken: Vec<bool> = [(0, true), (17, false), (33, false), (50, true), (67, false), (83, false)]
            .map(|(ms, key)| cadence.takes(at(ms), key))
            .into();
        assert_eq!(taken, [true, false, true, true, false, true]);
    }
}
