//! Where a stream's access units go in.
//!
//! Owns what is left out when the child is behind, or makes pictures only, of a key frame now and then.

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
    /// From one of the key frames that are given alone to the next, at least.
    apart: u64,
    last_alone: Option<i64>,
    pid: Arc<AtomicU32>,
}

impl WorkerInput {
    /// `key_only`: whether nothing but a key frame now and then is wanted at the time, `apart` ticks or more after the one
    /// before. `pid`: the running child's, 0 without one.
    pub(super) fn new(units: Sender<Unit>, key_only: Arc<AtomicBool>, apart: u64, pid: Arc<AtomicU32>) -> Self {
        Self { units, needs_key: true, key_only, apart, last_alone: None, pid }
    }

    /// Offers one access unit (90 kHz, AVCC). Never blocks. What the child cannot take is dropped up to a key frame.
    pub fn offer(&mut self, dts: i64, pts: i64, is_sync: bool, data: Bytes) {
        let is_alone = self.key_only.load(Ordering::Relaxed);
        let is_early = || self.last_alone.is_some_and(|last| pts.abs_diff(last) < self.apart);
        if !is_sync && (self.needs_key || is_alone) || is_alone && is_early() {
            self.needs_key = true;
            return;
        }
        let fits = !data.is_empty() && data.len() <= UNIT_BYTES_MAX;
        let is_taken = fits && self.units.try_send(Unit { dts, pts, is_sync, data }).is_ok();
        if !is_taken {
            metrics::counter!("rillcast_worker_units_dropped_total").increment(1);
        }
        // Nothing follows from a key frame that was given alone.
        self.needs_key = !is_taken || is_alone;
        if is_taken && is_alone {
            self.last_alone = Some(pts);
        }
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
        (WorkerInput::new(units, Arc::new(AtomicBool::new(key_only)), 10, Arc::default()), taken)
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
    fn without_encoding_only_a_key_frame_now_and_then_reaches_the_child() {
        let (mut input, mut queue) = input(8, true);
        for (dts, is_sync) in [(0, true), (1, false), (9, true), (10, false), (11, true), (12, true), (30, true)] {
            input.offer(dts, dts, is_sync, Bytes::from_static(b"x"));
        }
        assert_eq!(taken(&mut queue), [0, 11, 30]);
        input.offer(5, 5, true, Bytes::from_static(b"x"));
        assert_eq!(taken(&mut queue), [5], "time that goes back is no reason to wait");
        input.key_only.store(false, Ordering::Relaxed);
        for (dts, is_sync) in [(6, false), (7, true), (8, false), (9, true)] {
            input.offer(dts, dts, is_sync, Bytes::from_static(b"x"));
        }
        assert_eq!(taken(&mut queue), [7, 8, 9], "the others lead nowhere without the one before");
    }
}
