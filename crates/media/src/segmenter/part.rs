//! How long a part is.

use crate::sample::{Sample, Ticks, rescale};

/// A part must fill this much of its target (rfc8216bis: all but a segment's last part). One more than 85, for rounding.
const FILL_PERCENT: i64 = 86;
/// What rounding to milliseconds may add to a part whose rate is only measured: the first part was measured short, its last
/// frame was guessed short, and a later part falls on the long side of its rounding.
const ROUNDING_US: i64 = 3_000;
/// Steps that differ by more than this have no rhythm.
const RHYTHM_MS: i64 = 6;
/// A stream without rhythm gets no longer target than this.
const IRREGULAR_MAX_MS: i64 = 500;

/// The longest of the last steps, for parts that must close before a frame of unknown length.
#[derive(Debug, Default)]
pub(super) struct LongestStep {
    present: Ticks,
    past: Ticks,
    count: u32,
}

impl LongestStep {
    /// Steps that are remembered: between one and two of these.
    const STEPS: u32 = 64;

    pub(super) fn push(&mut self, step: Ticks) {
        if self.count == Self::STEPS {
            *self = Self { present: 0, past: self.present, count: 0 };
        }
        self.present = self.present.max(step);
        self.count += 1;
    }

    pub(super) fn get(&self) -> Ticks {
        self.present.max(self.past)
    }
}

/// The part target, unknown until the first part closes.
#[derive(Debug)]
pub(super) struct PartTarget {
    wanted: Ticks,
    fixed: Option<Ticks>,
    timescale: u32,
}

impl PartTarget {
    pub(super) fn new(timescale: u32, part_ms: u32) -> Self {
        Self { wanted: rescale(i64::from(part_ms.max(1)), 1_000, timescale).max(1), fixed: None, timescale }
    }

    pub(super) fn ticks(&self) -> Option<Ticks> {
        self.fixed
    }

    /// Whether a part of `length` may close. While the target is unknown, everything may.
    pub(super) fn is_filled(&self, length: Ticks) -> bool {
        self.fixed.is_none_or(|target| length * 100 >= target * FILL_PERCENT)
    }

    /// Whether `pending`, `length` long, would grow past the target with another frame of `next`. Fixes the target the first
    /// time it looks full.
    pub(super) fn is_full_before(&mut self, pending: &[Sample], length: Ticks, next: Ticks) -> bool {
        if self.fixed.is_none() {
            if length + next <= self.wanted {
                return false;
            }
            self.fix(pending, length);
        }
        self.fixed.is_some_and(|target| length + next > target)
    }

    /// Decides about the target from the samples of the first part.
    pub(super) fn fix(&mut self, pending: &[Sample], length: Ticks) {
        if self.fixed.is_some() || pending.is_empty() || length <= 0 {
            return;
        }
        let ticks = |us: i64| rescale(us, 1_000_000, self.timescale);
        let steps = || pending.windows(2).map(|pair| pair[1].dts - pair[0].dts);
        let forecast = pending.last().map_or(0, |last| i64::from(last.duration));
        let longest = steps().max().unwrap_or(forecast).max(1);
        let shortest = steps().min().unwrap_or(forecast);
        if longest - shortest > ticks(RHYTHM_MS * 1_000) {
            let room = longest * 100 / (100 - FILL_PERCENT);
            self.fixed = Some(room.min(ticks(IRREGULAR_MAX_MS * 1_000)).max(self.wanted).max(longest));
            return;
        }
        // Steps within a tick of the forecast come from a timeline that knows the rate; others carry rounding.
        let is_exact = forecast > 0 && steps().all(|step| (step - forecast).abs() <= 1);
        let count = pending.len() as i64;
        // A rate that is no whole number of ticks rounds now up, now down.
        let slack = if !is_exact {
            ticks(ROUNDING_US)
        } else if longest > shortest {
            2
        } else {
            0
        };
        let spans = |frames: i64| (length * frames + count - 1) / count;
        let fitting = self.wanted * count / length;
        let is_filled = fitting > 0 && spans(fitting) * 100 >= self.wanted * FILL_PERCENT;
        if is_filled && spans(fitting) + slack <= self.wanted {
            self.fixed = Some(self.wanted);
            return;
        }
        let nearest = ((self.wanted * count + length / 2) / length).max(1);
        self.fixed = Some(spans(nearest) + slack);
    }

    pub(super) fn rescale(&mut self, from: u32, to: u32) {
        self.wanted = rescale(self.wanted, from, to);
        self.fixed = self.fixed.map(|fixed| rescale(fixed, from, to));
        self.timescale = to;
    }
}
