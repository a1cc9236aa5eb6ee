//! What the child uses, for the parent's bookkeeping: processor time of the process and of each encoder.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use super::super::cost::{RungUsage, Usage};

/// Between two reports.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Counted by the threads of the pipelines, told by the decoder's.
#[derive(Debug)]
pub(super) struct Meter {
    rungs: Vec<RungMeter>,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    process_ns: u64,
    decoded: u64,
}

/// One encoder's counts since the last report.
#[derive(Debug, Default)]
struct RungMeter {
    pictures: AtomicU64,
    ns: AtomicU64,
}

impl Meter {
    pub(super) fn new(rungs: usize) -> Self {
        let rungs = (0..rungs).map(|_| RungMeter::default()).collect();
        let told = Told { at: Instant::now(), process_ns: now_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID), decoded: 0 };
        Self { rungs, told: Mutex::new(told) }
    }

    /// One picture came out of an encoder that took `ns` on its thread.
    pub(super) fn encoded(&self, rung: u8, ns: u64) {
        if let Some(meter) = self.rungs.get(usize::from(rung)) {
            meter.pictures.fetch_add(1, Ordering::Relaxed);
            meter.ns.fetch_add(ns, Ordering::Relaxed);
        }
    }

    /// One picture was decoded. Gives a report when one is due.
    pub(super) fn decoded(&self) -> Option<Usage> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.decoded += 1;
        if told.at.elapsed() < TELL_EVERY {
            return None;
        }
        told.at = Instant::now();
        let now = now_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID);
        let take = |meter: &RungMeter| RungUsage {
            pictures: meter.pictures.swap(0, Ordering::Relaxed),
            ns: meter.ns.swap(0, Ordering::Relaxed),
        };
        Some(Usage {
            process_ns: now.saturating_sub(std::mem::replace(&mut told.process_ns, now)),
            decoded: std::mem::take(&mut told.decoded),
            rungs: self.rungs.iter().map(take).collect(),
        })
    }
}

/// Processor time of the thread that asks, in nanoseconds.
pub(super) fn thread_ns() -> u64 {
    now_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn now_ns(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX))
}
