//! Where a stream's access units go in.
//!
//! Owns what is left out when the child is behind, or wants key frames only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use super::wire::{UNIT_BYTES_MAX, Unit};

/// The caller's end: where the source's access units go in. Dropping it ends the input; the child then gives its last
/// pictures and exits, and the events end.
#[derive(Debug)]
pub struct WorkerInput {
    units: Sender<Unit>,
    needs_key: bool,
    key_only: Arc<AtomicBool>,
    pid: Arc<AtomicU32>,
}

impl WorkerInput {
    /// `key_only`: whether nothing but key frames is wanted at the time. `pid`: the running child's, 0 without one.
    pub(super) fn new(units: Sender<Unit>, key_only: Arc<AtomicBool>, pid: Arc<AtomicU32>) -> Self {
        Self { units, needs_key: true, key_only, pid }
    }

    /// Offers one access unit (90 kHz, AVCC). Never blocks. What the child cannot take is dropped up to a key frame.
    pub fn offer(&mut self, dts: i64, pts: i64, is_sync: bool, data: Bytes) {
        if !is_sync && (self.needs_key || self.key_only.load(Ordering::Relaxed)) {
            self.needs_key = true;
            return;
        }
        let fits = !data.is_empty() && data.len() <= UNIT_BYTES_MAX;
        let is_taken = fits && self.units.try_send(Unit { dts, pts, is_sync, data }).is_ok();
        if !is_taken {
            metrics::counter!("rillcast_worker_units_dropped_total").increment(1);
        }
        self.needs_key = !is_taken;
    }

    /// The process id of the child that is running now, if one is.
    pub fn child_pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{self, Receiver};

    use super::*;

    fn input(queue: usize, key_only: bool) -> (WorkerInput, Receiver<Unit>) {
        let (units, taken) = mpsc::channel(queue);
        (WorkerInput::new(units, Arc::new(AtomicBool::new(key_only)), Arc::default()), taken)
    }

    fn taken(taken: &mut Receiver<Unit>) -> Vec<i64> {
        std::iter::from_fn(|| taken.try_recv().ok()).map(|unit| unit.dts).collect()
    }

    #[test]
    fn what_does_not_fit_is_dropped_up_to_the_next_key_frame() {
        let (mut input, mut queue) = input(2, false);
        let data = || Bytes::from_static(b"x");
        for (dts, is_sync) in [(0, false), (1, true), (2, false), (3, false)] {
            input.offer(dts, dts, is_sync, data());
        }
        assert_eq!(taken(&mut queue), [1, 2]);
        input.offer(4, 4, false, data());
        input.offer(5, 5, true, data());
        input.offer(6, 6, false, data());
        assert_eq!(taken(&mut queue), [5, 6]);
    }

    #[test]
    fn without_encoding_only_key_frames_reach_the_child() {
        let (mut input, mut queue) = input(8, true);
        for (dts, is_sync) in [(0, true), (1, false), (2, true), (3, false)] {
            input.offer(dts, dts, is_sync, Bytes::from_static(b"x"));
        }
        assert_eq!(taken(&mut queue), [0, 2]);
        input.key_only.store(false, Ordering::Relaxed);
        for (dts, is_sync) in [(4, false), (5, true), (6, false)] {
            input.offer(dts, dts, is_sync, Bytes::from_static(b"x"));
        }
        assert_eq!(taken(&mut queue), [5, 6], "the others lead nowhere without the one before");
    }
}
