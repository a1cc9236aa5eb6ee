//! Where a leading rendition ends its segments.

use super::CutReason;
use crate::sample::{Ticks, rescale};

/// How far over its target a segment may be and still round to it, less an audio frame by which a follower may be longer.
const OVER_TARGET_MS: i64 = 450;

/// The leader's knowledge of its groups of pictures.
#[derive(Debug)]
pub(super) struct Leader {
    segment: Ticks,
    /// The longest legal segment.
    limit: Ticks,
    last_key: Option<Ticks>,
    gop: Option<Ticks>,
    /// Whether the last two groups were of different lengths.
    is_irregular: bool,
    millisecond: Ticks,
}

impl Leader {
    pub(super) fn new(timescale: u32, segment_ms: u32, target_duration_s: u32) -> Self {
        let ticks = |ms: i64| rescale(ms, 1_000, timescale);
        let limit = ticks(i64::from(target_duration_s.max(1)) * 1_000 + OVER_TARGET_MS);
        Self {
            segment: ticks(i64::from(segment_ms.max(1))).min(limit),
            limit,
            last_key: None,
            gop: None,
            is_irregular: false,
            millisecond: ticks(1).max(1),
        }
    }

    /// What a frame's length is capped to when it is only guessed.
    pub(super) fn slack(&self) -> Ticks {
        self.limit / 4
    }

    /// Whether the segment, `elapsed` old, ends before a frame of `length`.
    pub(super) fn decide(&self, elapsed: Ticks, is_sync: bool, length: Ticks, is_video: bool) -> Option<CutReason> {
        if elapsed <= 0 {
            return None;
        }
        if elapsed + length > self.limit {
            return Some(if is_sync { CutReason::KeyFrame } else { CutReason::Forced });
        }
        if !is_sync {
            return None;
        }
        // Half a frame early is nearer than half a frame late; key frames of a 2 s rhythm come a rounding early.
        let tolerance = (length / 2).max(2 * self.millisecond).min(self.segment / 10);
        if elapsed + tolerance >= self.segment {
            return Some(CutReason::KeyFrame);
        }
        let next_overshoots = is_video && self.gop.is_some_and(|gop| elapsed + gop > self.limit);
        next_overshoots.then_some(CutReason::KeyFrame)
    }

    pub(super) fn saw_key(&mut self, dts: Ticks) {
        if let Some(last) = self.last_key {
            let gop = dts - last;
            self.is_irregular = self.gop.is_some_and(|before| (before - gop).abs() > 4 * self.millisecond);
            self.gop = Some(gop);
        }
        self.last_key = Some(dts);
    }

    /// Length the present segment will probably have: of whole groups like the last one. Before the first group is over, of
    /// one that is as long as a segment, since that is what broadcasters are asked to set.
    pub(super) fn expected_length(&self) -> Option<Ticks> {
        let gop = self.gop.map_or(Some(self.segment), |gop| (gop > 0 && !self.is_irregular).then_some(gop))?;
        let tolerance = 2 * self.millisecond;
        let mut length = gop;
        while length + tolerance < self.segment && length + gop <= self.limit {
            length += gop;
        }
        (length <= self.limit).then_some(length)
    }

    pub(super) fn begin_period(&mut self) {
        self.last_key = None;
        self.is_irregular = false;
    }

    pub(super) fn rescale(&mut self, from: u32, to: u32) {
        self.segment = rescale(self.segment, from, to);
        self.limit = rescale(self.limit, from, to);
        self.millisecond = rescale(1, 1_000, to).max(1);
        (self.last_key, self.gop, self.is_irregular) = (None, None, false);
    }
}
