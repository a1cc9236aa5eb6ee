//! The rhythm of video frames: finds a constant frame rate behind rounded milliseconds and puts frames on its grid.

use crate::codec::FrameRate;
use crate::sample::Ticks;

/// How far a frame may be from the grid: the sender rounds twice, once for the grid's origin and once for the frame.
const TOLERANCE: i64 = 2 * 90;
/// Deviation that is drift of a nearly right rate rather than a change of rhythm.
const DRIFT_MAX: i64 = 5 * 90;
/// Equal steps after which a rhythm is believed.
const STEPS_TO_LOCK: i64 = 8;
/// No encoder reorders frames over a longer time; a larger composition offset is noise.
const OFFSET_MAX_MS: i32 = 5_000;
/// Rates cameras and encoders use; a measured rate is taken for the nearest of them within the error of measuring.
const USUAL_RATES: [FrameRate; 21] = [
    rate(5, 1),
    rate(10, 1),
    rate(12, 1),
    rate(25, 2),
    rate(15_000, 1_001),
    rate(15, 1),
    rate(20, 1),
    rate(24_000, 1_001),
    rate(24, 1),
    rate(25, 1),
    rate(30_000, 1_001),
    rate(30, 1),
    rate(48, 1),
    rate(50, 1),
    rate(60_000, 1_001),
    rate(60, 1),
    rate(75, 1),
    rate(90, 1),
    rate(100, 1),
    rate(120_000, 1_001),
    rate(120, 1),
];

const fn rate(num: u32, den: u32) -> FrameRate {
    FrameRate { num, den }
}

/// A grid of frame times: `origin + n / rate`.
#[derive(Debug, Clone, Copy)]
struct Grid {
    origin: Ticks,
    /// The sender's time of the frame at the origin.
    told_origin: Ticks,
    rate: FrameRate,
    /// Index of the last frame.
    n: i64,
}

/// Steps seen since the rhythm was last lost.
#[derive(Debug, Clone, Copy)]
struct Measure {
    first: Ticks,
    last: Ticks,
    steps: i64,
    shortest: i64,
    longest: i64,
}

/// Where a frame went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) dts: Ticks,
    /// What must be added to the composition offset to leave the presentation time as the sender told it.
    pub(super) correction: i64,
    /// 0 when unknown.
    pub(super) duration: u32,
    /// Time beyond one frame since the last.
    pub(super) missing: i64,
}

/// The video track's grid, or the search for it.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    hint: Option<FrameRate>,
    grid: Option<Grid>,
    measure: Option<Measure>,
    last: Option<Ticks>,
    last_step: i64,
}

impl Cadence {
    pub(super) fn set_hint(&mut self, rate: Option<FrameRate>) {
        if self.hint != rate {
            self.hint = rate;
            self.grid = None;
        }
    }

    /// Where the last frame ends.
    pub(super) fn end(&self) -> Option<Ticks> {
        self.last.map(|last| last + self.last_step.max(1))
    }

    pub(super) fn place(&mut self, told: Ticks) -> Place {
        let Some(last) = self.last else { return self.place_first(told) };
        if let Some(place) = self.place_on_grid(told, last) {
            return place;
        }
        // Off the grid: the sender's own time, as long as it moves forward.
        let dts = told.max(last + 1);
        let missing = (dts - last - self.last_step.max(1)).max(0);
        self.last_step = dts - last;
        self.last = Some(dts);
        self.observe(dts);
        let duration = self.grid.map_or(0, |grid| (grid.time(grid.n + 1) - dts).max(0) as u32);
        Place { dts, correction: told - dts, duration, missing }
    }

    fn place_first(&mut self, told: Ticks) -> Place {
        self.last = Some(told);
        self.grid = self.hint.map(|rate| Grid { origin: told, told_origin: told, rate, n: 0 });
        self.measure = Some(Measure::start(told));
        let duration = self.grid.map_or(0, |grid| grid.rate.ticks(1) as u32);
        self.last_step = i64::from(duration);
        Place { dts: told, correction: 0, duration, missing: 0 }
    }

    fn place_on_grid(&mut self, told: Ticks, last: Ticks) -> Option<Place> {
        let mut grid = self.grid?;
        let period = grid.rate.ticks(1).max(1);
        let ahead = told - grid.time(grid.n);
        // Whole frames may be missing.
        let steps = ((ahead + period / 2) / period).max(1);
        let deviation = told - grid.time(grid.n + steps);
        let held = grid.n;
        grid.n += steps;
        if deviation.abs() > TOLERANCE {
            self.grid = None;
            self.measure = None;
            // Let go of a rate that was refuted, but neither for a slip of a nearly right one nor for a jump of a proven one.
            let rate = if deviation.abs() <= DRIFT_MAX && grid.n >= STEPS_TO_LOCK {
                nearest(told - grid.told_origin, grid.n)?
            } else if held >= STEPS_TO_LOCK {
                grid.rate
            } else {
                return None;
            };
            let dts = told.max(last + 1);
            grid = Grid { origin: dts, told_origin: told, rate, n: 0 };
        }
        let dts = grid.time(grid.n);
        if dts <= last {
            self.grid = None;
            return None;
        }
        self.grid = Some(grid);
        self.last = Some(dts);
        self.last_step = period;
        Some(Place {
            dts,
            correction: 0,
            duration: (grid.time(grid.n + 1) - dts).max(1) as u32,
            missing: (steps - 1) * period,
        })
    }

    /// Looks for a rhythm while there is no grid.
    fn observe(&mut self, dts: Ticks) {
        let Some(measure) = &mut self.measure else {
            self.measure = Some(Measure::start(dts));
            return;
        };
        if !measure.add(dts) {
            self.measure = Some(Measure::start(dts));
            return;
        }
        let (span, steps) = (measure.last - measure.first, measure.steps);
        // So few steps cannot tell 29.97 from 30: what the encoder says decides between them.
        let told = self.hint.filter(|rate| (rate.ticks(steps) - span).abs() <= TOLERANCE);
        if steps >= STEPS_TO_LOCK
            && let Some(rate) = told.or_else(|| nearest(span, steps))
        {
            self.grid = Some(Grid { origin: dts, told_origin: dts, rate, n: 0 });
            self.measure = None;
        }
    }

    /// A composition offset in ticks. On a grid it is a whole number of frames, whatever the milliseconds say.
    pub(super) fn offset(&self, cts_ms: i32, correction: i64) -> i32 {
        let told = i64::from(cts_ms.clamp(-OFFSET_MAX_MS, OFFSET_MAX_MS)) * 90;
        let offset = match self.grid {
            Some(grid) => {
                let period = grid.rate.ticks(1).max(1);
                let frames = (told + period / 2).div_euclid(period);
                let exact = grid.time(grid.n + frames) - grid.time(grid.n);
                if (exact - told).abs() <= TOLERANCE { exact } else { told }
            }
            None => told,
        };
        (offset + correction).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }
}

impl Grid {
    fn time(&self, n: i64) -> Ticks {
        self.origin + self.rate.ticks(n)
    }
}

impl Measure {
    fn start(at: Ticks) -> Self {
        Self { first: at, last: at, steps: 0, shortest: i64::MAX, longest: 0 }
    }

    /// Adds a frame; `false` when it breaks the rhythm.
    fn add(&mut self, at: Ticks) -> bool {
        let step = at - self.last;
        self.last = at;
        self.steps += 1;
        self.shortest = self.shortest.min(step);
        self.longest = self.longest.max(step);
        self.longest - self.shortest <= TOLERANCE
    }
}

/// The usual rate nearest to `steps` frames in `ticks`, or the measured one when no usual rate is near enough.
fn nearest(ticks: i64, steps: i64) -> Option<FrameRate> {
    if steps <= 0 || ticks <= 0 {
        return None;
    }
    let error = |rate: &FrameRate| (rate.ticks(steps) - ticks).abs();
    let usual = USUAL_RATES.iter().min_by_key(|rate| error(rate)).filter(|rate| error(rate) <= TOLERANCE);
    usual.copied().or_else(|| {
        // num/den = steps × 90 000 / ticks.
        let num = u32::try_from(steps.checked_mul(90_000)?).ok()?;
        Some(FrameRate { num, den: u32::try_from(ticks).ok()? })
    })
}
