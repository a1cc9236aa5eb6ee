//! How many GStreamer processes, and how many rungs of each, the machine can carry.
//!
//! A rung that does not fit is refused, the costliest first; the source is never touched. The plan is in thousandths of a
//! core, from the pixels that are decoded, scaled and encoded each second and from what a pixel costs here, which is
//! learned from the processor time the running children report.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cost::{Mask, Plan, Rates, Source, Usage};
use super::{Encoder, Rung};

/// Most that pictures alone are planned with, however large a stream says it is.
const PICTURES_MILLICORES_MAX: u64 = 50;
/// Cores that are left to everything else when the operator names no budget.
const SPARE_CORES: f64 = 0.5;

/// The budget, and what is used of it.
#[derive(Debug, Clone)]
pub struct Admission {
    ledger: Arc<Ledger>,
}

#[derive(Debug)]
struct Ledger {
    budget: u64,
    used: AtomicU64,
    rates: Mutex<Rates>,
    /// What streams that begin now encode with.
    encoder: Mutex<Encoder>,
}

impl Ledger {
    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encoder(&self) -> MutexGuard<'_, Encoder> {
        self.encoder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so much if there is room, or says how much is used.
    fn take(&self, millicores: u64) -> Result<(), u64> {
        let fits = |used: u64| used.checked_add(millicores).filter(|sum| *sum <= self.budget);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).map(drop)
    }

    /// Moves a share without asking whether it fits.
    fn adjust(&self, from: u64, to: u64) {
        self.used.fetch_add(to, Ordering::AcqRel);
        self.used.fetch_sub(from, Ordering::AcqRel);
    }
}

impl Admission {
    /// `cpu_budget` is in cores; 0 means all cores but half of one.
    pub fn new(cpu_budget: f64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let budget = if cpu_budget > 0.0 { cpu_budget } else { (cores - SPARE_CORES).max(SPARE_CORES) };
        let ledger = Ledger {
            budget: millicores(budget),
            used: AtomicU64::new(0),
            rates: Mutex::default(),
            encoder: Mutex::default(),
        };
        Self { ledger: Arc::new(ledger) }
    }

    /// What streams encode with that are admitted from now on. Until this is said, x264.
    pub fn encode_with(&self, encoder: Encoder) {
        *self.ledger.encoder() = encoder;
    }

    /// Room for decoding a source and making as many of `rungs` as fit; for thumbnails of its key frames when none does.
    /// The permit says which, and its drop gives the room back.
    pub fn try_admit(&self, source: Source, rungs: Vec<Rung>) -> Result<Permit, Refusal> {
        let plan = Plan { source, rungs };
        let encoder = self.encoder_for(&plan);
        let is_hardware = encoder.is_hardware();
        let mut mask = Mask::all(plan.rungs.len());
        let mut refusal = None;
        loop {
            let rates = self.ledger.rates().with(is_hardware);
            let needed = millicores(rates.cores(&plan, mask));
            match self.ledger.take(needed) {
                Ok(()) => {
                    let share = Share { encoder, mask, millicores: needed, measured: 0.0 };
                    let share = Mutex::new(share);
                    return Ok(Permit { ledger: Arc::clone(&self.ledger), plan, share, refusal });
                }
                Err(used) => {
                    let refused = refusal.get_or_insert(Refusal { needed, used, budget: self.ledger.budget });
                    match rates.costliest(&plan, mask) {
                        Some(rung) => mask = mask.without(rung),
                        None => return Err(refused.clone()),
                    }
                }
            }
        }
    }

    /// Room for pictures alone, whether there is any or not: they take next to nothing, and nobody would gain by their
    /// absence. `rungs` were refused and may run later.
    pub fn admit_pictures(&self, source: Source, rungs: Vec<Rung>) -> Permit {
        let plan = Plan { source, rungs };
        let encoder = self.encoder_for(&plan);
        let planned = millicores(self.ledger.rates().cores(&plan, Mask::default())).min(PICTURES_MILLICORES_MAX);
        self.ledger.adjust(0, planned);
        let share = Mutex::new(Share { encoder, mask: Mask::default(), millicores: planned, measured: 0.0 });
        Permit { ledger: Arc::clone(&self.ledger), plan, share, refusal: None }
    }

    /// Pictures alone need no card, and no door to one.
    fn encoder_for(&self, plan: &Plan) -> Encoder {
        if plan.rungs.is_empty() { Encoder::Software } else { self.ledger.encoder().clone() }
    }

    /// Cores that are planned for at the moment.
    pub fn used_cores(&self) -> f64 {
        self.ledger.used.load(Ordering::Acquire) as f64 / 1_000.0
    }

    pub fn budget_cores(&self) -> f64 {
        self.ledger.budget as f64 / 1_000.0
    }
}

#[derive(Debug)]
struct Share {
    encoder: Encoder,
    mask: Mask,
    millicores: u64,
    /// What the child was last seen to use, in cores.
    measured: f64,
}

/// A child's share of the budget.
#[derive(Debug)]
#[must_use = "the room is given back when the permit is dropped"]
pub struct Permit {
    ledger: Arc<Ledger>,
    plan: Plan,
    share: Mutex<Share>,
    refusal: Option<Refusal>,
}

impl Permit {
    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a pixel costs the stream's encoder.
    fn rates(&self, share: &Share) -> Rates {
        self.ledger.rates().with(share.encoder.is_hardware())
    }

    /// What the stream encodes with.
    pub fn encoder(&self) -> Encoder {
        self.share().encoder.clone()
    }

    /// From now on the stream encodes with x264, as many rungs as there is room for.
    pub fn leave_hardware(&self) {
        let mut share = self.share();
        (share.encoder, share.measured) = (Encoder::Software, 0.0);
        let rates = self.rates(&share);
        loop {
            let planned = millicores(rates.cores(&self.plan, share.mask));
            let is_room = planned <= share.millicores || self.ledger.take(planned - share.millicores).is_ok();
            match rates.costliest(&self.plan, share.mask) {
                Some(rung) if !is_room => share.mask = share.mask.without(rung),
                _ => {
                    // Thumbnails alone cost next to nothing, and are not asked about.
                    if !is_room || planned <= share.millicores {
                        self.ledger.adjust(share.millicores, planned);
                    }
                    share.millicores = planned;
                    return;
                }
            }
        }
    }

    /// All rungs it was asked for.
    pub fn rungs(&self) -> &[Rung] {
        &self.plan.rungs
    }

    pub fn cores(&self) -> f64 {
        self.share().millicores as f64 / 1_000.0
    }

    /// Which of the rungs there is room for.
    pub fn mask(&self) -> Mask {
        self.share().mask
    }

    /// Why not all rungs were admitted, if not.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Whether it was given for just this.
    pub fn is_for(&self, source: Source, rungs: &[Rung]) -> bool {
        self.plan.source == source && self.plan.rungs == rungs
    }

    /// The costliest of the running rungs.
    pub fn costliest(&self) -> Option<usize> {
        let share = self.share();
        self.rates(&share).costliest(&self.plan, share.mask)
    }

    /// The cheapest of the rungs that do not run.
    pub fn cheapest_missing(&self) -> Option<usize> {
        let share = self.share();
        self.rates(&share).cheapest_missing(&self.plan, share.mask)
    }

    /// Gives back what a rung costs.
    pub fn drop_rung(&self, rung: usize) {
        let mut share = self.share();
        let mask = share.mask.without(rung);
        let rates = self.rates(&share);
        let planned = millicores(rates.cores(&self.plan, mask));
        // What was measured was with the rung.
        share.measured = 0.0;
        self.ledger.adjust(share.millicores, planned);
        (share.mask, share.millicores) = (mask, planned);
    }

    /// Takes the room for a rung that does not run, if there is.
    pub fn try_restore(&self, rung: usize) -> bool {
        let mut share = self.share();
        let mask = share.mask.with(rung);
        let rates = self.rates(&share);
        let planned = millicores(rates.cores(&self.plan, mask)).max(share.millicores);
        let is_room = self.ledger.take(planned - share.millicores).is_ok();
        if is_room {
            (share.mask, share.millicores) = (mask, planned);
        }
        is_room
    }

    /// Learns from what the child used in `wall`. The share becomes what is planned or measured, whichever is more: a child
    /// that is starved uses less than it needs.
    pub fn learn(&self, usage: &Usage, wall: Duration) {
        let mut share = self.share();
        self.ledger.rates().learn(&self.plan, usage, share.encoder.is_hardware());
        let rates = self.rates(&share);
        let seconds = wall.as_secs_f64();
        if seconds > 0.5 {
            let cores = usage.process_ns as f64 / 1e9 / seconds;
            share.measured = if share.measured > 0.0 { share.measured * 0.7 + cores * 0.3 } else { cores };
        }
        let planned = millicores(rates.cores(&self.plan, share.mask).max(share.measured));
        self.ledger.adjust(share.millicores, planned);
        share.millicores = planned;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.ledger.used.fetch_sub(self.share().millicores, Ordering::AcqRel);
    }
}

/// Why a stream gets fewer renditions, in words for the broadcaster and the log.
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what u64 holds exactly")]
fn millicores(cores: f64) -> u64 {
    (cores * 1_000.0).ceil().clamp(0.0, 1e12) as u64
}

fn cores(millicores: u64) -> String {
    format!("{}.{:02}", millicores / 1_000, millicores % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use media::codec::VideoCodec;

    use super::super::cost::RungUsage;
    use super::*;

    fn rungs(heights: &[u32]) -> Vec<Rung> {
        let rung =
            |height: &u32| Rung { name: format!("{height}p"), height: *height, bitrate_kbps: 1_000, fps_max: 30 };
        heights.iter().map(rung).collect()
    }

    fn source(width: u32, height: u32) -> Source {
        Source { codec: VideoCodec::Avc, width, height, fps: 30.0 }
    }

    #[test]
    fn the_budget_is_never_exceeded_and_given_back_in_full() {
        let admission = Admission::new(1.0);
        let mut permits = Vec::new();
        let refusal = loop {
            match admission.try_admit(source(1_280, 720), rungs(&[480])) {
                Ok(permit) => permits.push(permit),
                Err(refusal) => break refusal,
            }
            assert!(permits.len() < 2_000, "the budget has an end");
        };
        assert!(admission.used_cores() <= admission.budget_cores());
        assert!(refusal.reason().contains("of 1.00 cores"), "{refusal}");
        permits.clear();
        assert_eq!(admission.used_cores(), 0.0);
    }

    #[test]
    fn the_costliest_rungs_are_refused_first_and_thumbnails_last() {
        let admission = Admission::new(1.8);
        let mut seen = Vec::new();
        let mut permits = Vec::new();
        while let Ok(permit) = admission.try_admit(source(1_920, 1_080), rungs(&[720, 480, 360])) {
            seen.push(permit.mask().indices().collect::<Vec<_>>());
            assert_eq!(permit.refusal().is_some(), seen.last().is_some_and(|rungs| rungs.len() < 3));
            permits.push(permit);
        }
        assert_eq!(seen[0], [0, 1, 2]);
        assert!(seen.iter().any(|rungs| rungs == &[1, 2] || rungs == &[2]), "{seen:?}");
        assert_eq!(seen.last(), Some(&Vec::new()), "thumbnails are what is left: {seen:?}");
        assert!(seen.windows(2).all(|pair| pair[0].len() >= pair[1].len()), "{seen:?}");
    }

    #[test]
    fn pictures_alone_are_never_refused_and_their_rungs_come_when_there_is_room() {
        let admission = Admission::new(0.6);
        let whole = millicores(admission.budget_cores());
        admission.ledger.take(whole).expect("somebody takes everything");
        assert!(admission.try_admit(source(1_280, 720), rungs(&[360])).is_err());
        let permit = admission.admit_pictures(source(1_280, 720), rungs(&[360]));
        assert!(permit.mask().is_empty() && permit.cores() < 0.006, "{}", permit.cores());
        assert_eq!(permit.cheapest_missing(), Some(0));
        assert!(!permit.try_restore(0));
        admission.ledger.adjust(whole, 0);
        assert!(permit.try_restore(0));
        drop(permit);
        assert_eq!(admission.used_cores(), 0.0);
        let huge = Source { codec: VideoCodec::Avc, width: u32::MAX, height: u32::MAX, fps: f64::INFINITY };
        assert!(admission.admit_pictures(huge, Vec::new()).cores() <= 0.05);
    }

    #[test]
    fn a_dropped_rung_makes_room_and_comes_back_when_there_is_some() {
        let admission = Admission::new(0.6);
        let first = admission.try_admit(source(1_280, 720), rungs(&[480, 360])).expect("room");
        assert_eq!(first.mask(), Mask::all(2));
        let full = admission.used_cores();
        assert_eq!(first.costliest(), Some(0));
        first.drop_rung(0);
        assert!(admission.used_cores() < full);
        let rest = 0.6 - admission.used_cores();
        admission.ledger.take(millicores(rest) - 1).expect("somebody else takes the rest");
        assert_eq!(first.cheapest_missing(), Some(0));
        assert!(!first.try_restore(0));
        admission.ledger.adjust(millicores(rest) - 1, 0);
        assert!(first.try_restore(0));
        assert_eq!(admission.used_cores(), full);
        drop(first);
        assert_eq!(admission.used_cores(), 0.0);
    }

    #[test]
    fn a_child_that_needs_more_than_planned_is_accounted_for_what_it_takes() {
        let admission = Admission::new(3.2);
        let permit = admission.try_admit(source(1_280, 720), rungs(&[480])).expect("room");
        let usage = Usage { process_ns: 6_000_000_000, decoded: 60, rungs: vec![RungUsage { pictures: 60, ns: 1 }] };
        permit.learn(&usage, Duration::from_secs(2));
        assert!(permit.cores() >= 2.9, "{}", permit.cores());
        assert_eq!(admission.used_cores(), permit.cores());
        assert!(admission.try_admit(source(1_280, 720), rungs(&[480])).expect("for thumbnails").mask().is_empty());
    }

    #[test]
    fn a_stream_that_leaves_the_hardware_takes_what_there_is_room_for() {
        let admission = Admission::new(0.7);
        admission.encode_with(Encoder::Hardware("card".to_owned()));
        let first = admission.try_admit(source(1_280, 720), rungs(&[480, 360])).expect("room");
        let second = admission.try_admit(source(1_280, 720), rungs(&[480, 360])).expect("room");
        assert_eq!((first.mask(), second.mask()), (Mask::all(2), Mask::all(2)), "a card carries both");
        assert!(first.encoder().is_hardware());
        first.leave_hardware();
        assert_eq!((first.encoder(), second.encoder().is_hardware()), (Encoder::Software, true));
        second.leave_hardware();
        let kept = first.mask().indices().count() + second.mask().indices().count();
        assert!((1..4).contains(&kept), "{:?} {:?}", first.mask(), second.mask());
        assert!(admission.used_cores() <= 0.7, "{}", admission.used_cores());
        assert!((admission.used_cores() - first.cores() - second.cores()).abs() < 1e-9);
        drop((first, second));
        assert_eq!(admission.used_cores(), 0.0);
    }

    #[test]
    fn racing_streams_share_the_budget() {
        let admission = Admission::new(1.0);
        let admitted: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    let admission = &admission;
                    scope.spawn(move || -> Vec<Permit> {
                        let ask = |_| admission.try_admit(source(1_920, 1_080), rungs(&[480])).ok();
                        (0..4).filter_map(ask).collect()
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
    fn nonsense_sizes_and_rates_are_refused_instead_of_wrapping() {
        let admission = Admission::new(4.0);
        let huge = Source { codec: VideoCodec::Avc, width: u32::MAX, height: u32::MAX, fps: f64::INFINITY };
        assert!(admission.try_admit(huge, rungs(&[480])).is_err());
        let odd = Source { fps: f64::NAN, ..source(1_280, 720) };
        assert!(admission.try_admit(odd, rungs(&[480])).is_ok());
        assert!(
            admission
                .try_admit(Source { codec: VideoCodec::Avc, width: 0, height: 0, fps: -1.0 }, rungs(&[480]))
                .is_ok()
        );
    }
}
