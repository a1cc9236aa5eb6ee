//! The source's last pictures, kept so that a new child can start where the dead one stopped.

use std::collections::VecDeque;

use super::wire::Unit;

/// Most bytes kept.
pub(super) const RECENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most access units kept: ten seconds at 30 frames a second.
pub(super) const RECENT_UNITS_MAX: usize = 300;

/// Whole groups of pictures, from the one that holds the last delivered picture; fewer when they are too many to keep.
#[derive(Debug, Default)]
pub(super) struct Recent {
    units: VecDeque<Unit>,
    bytes: usize,
}

impl Recent {
    /// `delivered` is the presentation time of the last picture that came back.
    pub(super) fn push(&mut self, unit: &Unit, delivered: Option<i64>) {
        if unit.is_sync {
            self.forget_before(delivered);
        } else if self.units.is_empty() {
            return;
        }
        self.bytes += unit.data.len();
        self.units.push_back(unit.clone());
        while self.units.len() > RECENT_UNITS_MAX || self.bytes > RECENT_BYTES_MAX {
            self.forget_group();
        }
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter()
    }

    /// Forgets each group whose successor has begun to come back.
    fn forget_before(&mut self, delivered: Option<i64>) {
        let is_over = |next: &Unit| next.is_sync && Some(next.pts) <= delivered;
        while self.units.iter().skip(1).any(is_over) {
            self.forget_group();
        }
    }

    /// Forgets the oldest group: with it goes everything when it is the only one.
    fn forget_group(&mut self) {
        self.forget_unit();
        while self.units.front().is_some_and(|unit| !unit.is_sync) {
            self.forget_unit();
        }
    }

    fn forget_unit(&mut self) {
        if let Some(unit) = self.units.pop_front() {
            self.bytes -= unit.data.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn unit(dts: i64, is_sync: bool, len: usize) -> Unit {
        Unit { dts, pts: dts, is_sync, data: Bytes::from(vec![0; len]) }
    }

    fn dts(recent: &Recent) -> Vec<i64> {
        recent.units().map(|unit| unit.dts).collect()
    }

    #[test]
    fn it_starts_at_the_key_frame_before_the_last_delivered_picture() {
        let mut recent = Recent::default();
        let pattern = [(0, false), (1, true), (2, false), (3, true), (4, false)];
        for (at, is_sync) in pattern {
            recent.push(&unit(at, is_sync, 10), None);
        }
        assert_eq!(dts(&recent), [1, 2, 3, 4], "nothing came back yet");
        recent.push(&unit(5, true, 10), Some(2));
        assert_eq!(dts(&recent), [1, 2, 3, 4, 5]);
        recent.push(&unit(6, true, 10), Some(3));
        assert_eq!(dts(&recent), [3, 4, 5, 6]);
        recent.push(&unit(7, true, 10), Some(6));
        assert_eq!(dts(&recent), [6, 7]);
        assert_eq!(recent.bytes, 20);
    }

    #[test]
    fn what_is_too_long_to_keep_is_forgotten_group_by_group() {
        let mut recent = Recent::default();
        recent.push(&unit(0, true, 1), None);
        recent.push(&unit(1, true, 1), None);
        for at in 2..=RECENT_UNITS_MAX as i64 {
            recent.push(&unit(at, false, 1), None);
        }
        assert_eq!(recent.units().next().map(|unit| unit.dts), Some(1));
        recent.push(&unit(1_000, false, 1), None);
        assert!(dts(&recent).is_empty(), "the only group is too long");
        recent.push(&unit(1_001, false, 1), None);
        assert!(dts(&recent).is_empty());
        recent.push(&unit(1_002, true, RECENT_BYTES_MAX), None);
        assert_eq!(dts(&recent), [1_002]);
        recent.push(&unit(1_003, false, 1), None);
        assert!(dts(&recent).is_empty());
        assert_eq!(recent.bytes, 0);
    }
}
