//! The source's last group of pictures, kept so that a new child can start where the dead one stopped.

use std::collections::VecDeque;

use super::wire::Unit;

/// Most bytes kept of a group of pictures.
pub(super) const GOP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most access units kept of a group of pictures: ten seconds at 30 frames a second.
pub(super) const GOP_UNITS_MAX: usize = 300;

/// Access units since the last key frame, or nothing when they were too many to keep.
#[derive(Debug, Default)]
pub(super) struct Gop {
    units: VecDeque<Unit>,
    bytes: usize,
}

impl Gop {
    pub(super) fn push(&mut self, unit: &Unit) {
        if unit.is_sync {
            self.clear();
        } else if self.units.is_empty() {
            return;
        }
        if self.units.len() == GOP_UNITS_MAX || self.bytes + unit.data.len() > GOP_BYTES_MAX {
            self.clear();
            return;
        }
        self.bytes += unit.data.len();
        self.units.push_back(unit.clone());
    }

    /// Forgets everything until the next key frame: for when units were lost on the way here.
    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn unit(dts: i64, is_sync: bool, len: usize) -> Unit {
        Unit { dts, pts: dts, is_sync, data: Bytes::from(vec![0; len]) }
    }

    fn dts(gop: &Gop) -> Vec<i64> {
        gop.units().map(|unit| unit.dts).collect()
    }

    #[test]
    fn it_starts_at_the_last_key_frame() {
        let mut gop = Gop::default();
        for (at, is_sync) in [(0, false), (1, true), (2, false), (3, true), (4, false)] {
            gop.push(&unit(at, is_sync, 10));
        }
        assert_eq!(dts(&gop), [3, 4]);
    }

    #[test]
    fn what_is_too_long_to_keep_is_forgotten_until_the_next_key_frame() {
        let mut gop = Gop::default();
        gop.push(&unit(0, true, 1));
        for at in 1..=GOP_UNITS_MAX as i64 {
            gop.push(&unit(at, false, 1));
        }
        assert!(dts(&gop).is_empty());
        gop.push(&unit(1_000, false, 1));
        assert!(dts(&gop).is_empty());
        gop.push(&unit(1_001, true, GOP_BYTES_MAX));
        assert_eq!(dts(&gop), [1_001]);
        gop.push(&unit(1_002, false, 1));
        assert!(dts(&gop).is_empty());
    }
}
