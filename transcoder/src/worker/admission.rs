//! How many GStreamer processes the machine can carry.
//!
//! A stream that does not fit runs with its source rendition only. The plan is in thousandths of a core, from the
//! pixels that are decoded, scaled and encoded each second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Rung;

/// Cores that are left to everything else when the operator names no budget.
const SPARE_CORES: f64 = 0.5;
/// Frame rate that is planned with when the source does not tell its own.
const FRAME_RATE_UNKNOWN: f64 = 30.0;
/// Key frames a second that are decoded for thumbnails alone, at the worst.
const KEY_FRAME_RATE: f64 = 1.0;

// Nanoseconds of one core per pixel. Measured on the child's own pipeline, 30 s of 720p30 and 1080p30 test pattern at
// 4 Mbit/s, as CPU time with and without each stage: decoding 1.8 to 2.5, scaling 1.6 to 2.5, encoding 8.1. Rounded up,
// because real pictures are harder to code than a pattern.
const DECODE_NS_PER_PIXEL: f64 = 3.0;
const SCALE_NS_PER_SOURCE_PIXEL: f64 = 3.0;
const ENCODE_NS_PER_PIXEL: f64 = 12.0;
/// Key frames are decoded from more bits than the others.
const KEY_DECODE_NS_PER_PIXEL: f64 = 15.0;
/// Moving units in and out of a process.
const PROCESS_MILLICORES: u64 = 10;

/// The budget, and what is used of it.
#[derive(Debug, Clone)]
pub struct Admission {
    budget: u64,
    used: Arc<AtomicU64>,
}

impl Admission {
    /// `cpu_budget` is in cores; 0 means all cores but half of one.
    pub fn new(cpu_budget: f64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let budget = if cpu_budget > 0.0 { cpu_budget } else { (cores - SPARE_CORES).max(SPARE_CORES) };
        Self { budget: millicores(budget), used: Arc::default() }
    }

    /// Room for decoding a source and making `rungs` of it; without rungs, for thumbnails of its key frames. The
    /// permit's drop gives the room back.
    pub fn try_admit(&self, width: u32, height: u32, fps: f64, rungs: &[Rung]) -> Result<Permit, Refusal> {
        let needed = cost(width, height, fps, rungs);
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(needed).filter(|sum| *sum <= self.budget)
        });
        match taken {
            Ok(_) => Ok(Permit { used: self.used.clone(), millicores: needed }),
            Err(used) => Err(Refusal { needed, used, budget: self.budget }),
        }
    }

    /// Cores that are planned for at the moment.
    pub fn used_cores(&self) -> f64 {
        self.used.load(Ordering::Acquire) as f64 / 1_000.0
    }

    pub fn budget_cores(&self) -> f64 {
        self.budget as f64 / 1_000.0
    }
}

/// A child's share of the budget.
#[derive(Debug)]
#[must_use = "the room is given back when the permit is dropped"]
pub struct Permit {
    used: Arc<AtomicU64>,
    millicores: u64,
}

impl Permit {
    pub fn cores(&self) -> f64 {
        self.millicores as f64 / 1_000.0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.used.fetch_sub(self.millicores, Ordering::AcqRel);
    }
}

/// Why a stream gets no lower rendition, in words for the broadcaster and the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no CPU budget left for lower renditions: this stream needs {}, {} of {} cores are planned for",
    cores(*needed), cores(*used), cores(*budget)
)]
pub struct Refusal {
    needed: u64,
    used: u64,
    budget: u64,
}

impl Refusal {
    pub fn reason(&self) -> String {
        self.to_string()
    }
}

fn cost(width: u32, height: u32, fps: f64, rungs: &[Rung]) -> u64 {
    let fps = if fps.is_finite() && fps > 0.0 { fps.min(240.0) } else { FRAME_RATE_UNKNOWN };
    let pixels = |(width, height): (u32, u32)| f64::from(width) * f64::from(height);
    let source = pixels((width, height));
    let ns_per_s = if rungs.is_empty() {
        source * KEY_FRAME_RATE * KEY_DECODE_NS_PER_PIXEL
    } else {
        let rung = |rung: &Rung| {
            source * SCALE_NS_PER_SOURCE_PIXEL + pixels(rung.output_size(width, height)) * ENCODE_NS_PER_PIXEL
        };
        (source * DECODE_NS_PER_PIXEL + rungs.iter().map(rung).sum::<f64>()) * fps
    };
    millicores(ns_per_s / 1e9) + PROCESS_MILLICORES
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what u64 holds exactly")]
fn millicores(cores: f64) -> u64 {
    (cores * 1_000.0).ceil().clamp(0.0, 1e12) as u64
}

fn cores(millicores: u64) -> String {
    format!("{}.{:02}", millicores / 1_000, millicores % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_given_back_in_full() {
        let admission = Admission::new(1.0);
        let rungs = [Rung::p480()];
        let mut permits = Vec::new();
        let refusal = loop {
            match admission.try_admit(1280, 720, 30.0, &rungs) {
                Ok(permit) => permits.push(permit),
                Err(refusal) => break refusal,
            }
            assert!(permits.len() < 100, "the budget has an end");
        };
        assert!(!permits.is_empty());
        assert!(admission.used_cores() <= admission.budget_cores());
        assert!(refusal.reason().contains("of 1.00 cores"), "{refusal}");
        permits.pop();
        permits.push(admission.try_admit(1280, 720, 30.0, &rungs).expect("room was given back"));
        permits.clear();
        assert_eq!(admission.used_cores(), 0.0);
    }

    #[test]
    fn racing_streams_share_the_budget() {
        let admission = Admission::new(1.0);
        let admitted: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    let admission = &admission;
                    let rungs = [Rung::p480()];
                    scope.spawn(move || -> Vec<Permit> {
                        (0..4).filter_map(|_| admission.try_admit(1920, 1080, 30.0, &rungs).ok()).collect()
                    })
                })
                .collect();
            let permits: Vec<_> = racers.into_iter().flat_map(|racer| racer.join().expect("no panic")).collect();
            assert!(admission.used_cores() <= 1.0);
            permits.len()
        });
        assert!(admitted >= 1);
    }

    #[test]
    fn thumbnails_alone_cost_a_fraction() {
        let full = cost(1920, 1080, 60.0, &[Rung::p480()]);
        let thumbnails = cost(1920, 1080, 60.0, &[]);
        assert!(thumbnails * 10 < full, "{thumbnails} of {full}");
    }

    #[test]
    fn nonsense_sizes_and_rates_are_refused_instead_of_wrapping() {
        let admission = Admission::new(4.0);
        assert!(admission.try_admit(u32::MAX, u32::MAX, f64::INFINITY, &[Rung::p480()]).is_err());
        assert!(admission.try_admit(1280, 720, f64::NAN, &[Rung::p480()]).is_ok());
        assert!(admission.try_admit(0, 0, -1.0, &[Rung::p480()]).is_ok());
    }
}
