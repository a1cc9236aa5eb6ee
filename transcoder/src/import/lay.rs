//! From the times a file gives to those a packager wants. Pure.
//!
//! A picture's decode time must rise, and not every container has one: where it is missing it is what the order of presentation says
//! (the n-th picture that is decoded gets the n-th presentation time, moved back by as much as the reordering takes). Sound is laid
//! end to end at its own rate, so that what a container rounded to milliseconds does not stay in it; holes become silence.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;
use media::codec::AacConfig;
use media::{Sample, VIDEO_TIMESCALE, rescale};

use crate::worker::NO_TIME;

const NANOS: u32 = 1_000_000_000;
/// Pictures looked at before the first of a track without decode times goes on: more than any codec reorders.
const WINDOW: usize = 32;
/// Sound that begins so much later than the sound before it ended leaves a hole.
const HOLE_MS: i64 = 100;
/// From here on sound is moved, by a millisecond a frame.
const DRIFT_MS: i64 = 15;
const BEND_MS: i64 = 1;
/// Decode times that go back further than this are no rounding.
const BACKWARDS_NS: i64 = 1_000_000_000;

/// A picture as it comes out of a file, times in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// [`NO_TIME`] where the file has none.
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) is_sync: bool,
    pub(super) data: Bytes,
}

/// Gives pictures their decode times.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: VecDeque<Frame>,
    /// Presentation times of what waits, and of what went on and was shown later.
    times: BinaryHeap<Reverse<i64>>,
    /// How far decoding is ahead of what is shown.
    delay: Option<i64>,
    last: Option<i64>,
}

/// The decode times make no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disordered;

impl Order {
    /// Takes the next picture in decode order; gives those whose decode times are known.
    pub(super) fn push(&mut self, frame: Frame) -> Result<Option<Frame>, Disordered> {
        if frame.dts != NO_TIME && self.waiting.is_empty() {
            return self.settle(frame).map(Some);
        }
        self.times.push(Reverse(frame.pts));
        self.waiting.push_back(frame);
        if self.waiting.len() <= WINDOW { Ok(None) } else { self.pop() }
    }

    /// What is left at the end, one after another.
    pub(super) fn pop(&mut self) -> Result<Option<Frame>, Disordered> {
        let delay = match self.delay {
            Some(delay) => delay,
            None => {
                let mut sorted: Vec<i64> = self.waiting.iter().map(|frame| frame.pts).collect();
                sorted.sort_unstable();
                let ahead = self.waiting.iter().zip(&sorted).map(|(frame, nth)| nth - frame.pts).max();
                *self.delay.insert(ahead.unwrap_or(0).max(0))
            }
        };
        let Some(mut frame) = self.waiting.pop_front() else { return Ok(None) };
        let Some(Reverse(nth)) = self.times.pop() else { return Err(Disordered) };
        frame.dts = nth - delay;
        self.settle(frame).map(Some)
    }

    fn settle(&mut self, mut frame: Frame) -> Result<Frame, Disordered> {
        if let Some(last) = self.last
            && frame.dts <= last
        {
            if last - frame.dts > BACKWARDS_NS {
                return Err(Disordered);
            }
            // A tick later: two pictures of one moment are a rounding, or a mistake of a moment.
            frame.dts = last + i64::from(NANOS / VIDEO_TIMESCALE) + 1;
        }
        self.last = Some(frame.dts);
        Ok(frame)
    }
}

/// Gives each picture its length, which shows with the next one.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    held: Option<Sample>,
    step: u32,
}

impl Lengths {
    /// Takes a picture whose times are counted from `origin_ns`; gives the one before.
    pub(super) fn push(&mut self, frame: Frame, origin_ns: i64) -> Option<Sample> {
        let ticks = |ns: i64| rescale(ns - origin_ns, NANOS, VIDEO_TIMESCALE);
        let (dts, pts) = (ticks(frame.dts), ticks(frame.pts));
        let before = self.held.take().map(|mut held| {
            // Two times that round to the same tick.
            self.step = u32::try_from((dts - held.dts).max(1)).unwrap_or(u32::MAX);
            held.duration = self.step;
            held
        });
        let cts = i32::try_from(pts - dts).unwrap_or(0);
        self.held = Some(Sample { dts, cts, duration: 0, is_sync: frame.is_sync, data: frame.data });
        before
    }

    /// The last one, as long as the one before it.
    pub(super) fn finish(&mut self) -> Option<Sample> {
        let mut last = self.held.take()?;
        last.duration = self.step.max(1);
        Some(last)
    }
}

/// Lays sound end to end.
#[derive(Debug)]
pub(super) struct Sound {
    rate: u32,
    frame: i64,
    silence: Option<Bytes>,
    next: Option<i64>,
}

impl Sound {
    pub(super) fn new(aac: &AacConfig) -> Self {
        Self {
            rate: aac.sample_rate.max(1),
            frame: i64::from(aac.frame_samples.max(1)),
            silence: aac.silent_frame(),
            next: None,
        }
    }

    /// Takes a frame that belongs at `at_ns` on the recording's clock, and gives silence where some is missing, then the frame, unless
    /// there is sound already.
    pub(super) fn push(&mut self, at_ns: i64, data: Bytes, out: &mut Vec<Sample>) {
        let told = rescale(at_ns, NANOS, self.rate);
        let at = *self.next.get_or_insert(told);
        let off = told - at;
        if off <= -self.ticks(HOLE_MS) {
            return;
        }
        if off >= self.ticks(HOLE_MS) {
            self.fill(told, out);
        }
        let at = self.next.unwrap_or(told);
        let off = told - at;
        let is_late = off.abs() > self.ticks(DRIFT_MS);
        let bend = if is_late { off.clamp(-self.ticks(BEND_MS), self.ticks(BEND_MS)) } else { 0 };
        let duration = (self.frame + bend).max(1);
        self.next = Some(at + duration);
        out.push(self.sample(at, duration, data));
    }

    /// Sound that begins well after the picture is led up to by silence, which ends where the sound begins.
    pub(super) fn begin(&mut self, picture_ns: i64, at_ns: i64) {
        let (picture, at) = (rescale(picture_ns, NANOS, self.rate), rescale(at_ns, NANOS, self.rate));
        if self.next.is_none() && self.silence.is_some() && at - picture >= self.ticks(HOLE_MS) {
            self.next = Some(at - (at - picture) / self.frame * self.frame);
        }
    }

    /// Silence up to a moment of the recording's clock, if there is a frame of it for such sound.
    pub(super) fn fill_until(&mut self, until_ns: i64, out: &mut Vec<Sample>) {
        self.fill(rescale(until_ns, NANOS, self.rate), out);
    }

    fn fill(&mut self, until: i64, out: &mut Vec<Sample>) {
        let Some(silence) = self.silence.clone() else { return };
        while let Some(at) = self.next.filter(|at| at + self.frame / 2 < until) {
            out.push(self.sample(at, self.frame, silence.clone()));
            self.next = Some(at + self.frame);
        }
    }

    fn sample(&self, dts: i64, duration: i64, data: Bytes) -> Sample {
        Sample { dts, cts: 0, duration: u32::try_from(duration).unwrap_or(u32::MAX), is_sync: true, data }
    }

    fn ticks(&self, ms: i64) -> i64 {
        ms * i64::from(self.rate) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn frame(dts: i64, pts_ms: i64) -> Frame {
        Frame { dts, pts: pts_ms * MS, is_sync: false, data: Bytes::from_static(b"x") }
    }

    /// Decode order of a closed group with two levels of B-frames, at 25 frames a second.
    fn reordered(frames: i64) -> Vec<i64> {
        let mut order = vec![0];
        let mut at = 0;
        while at + 4 < frames {
            order.extend([at + 4, at + 2, at + 1, at + 3]);
            at += 4;
        }
        order.into_iter().map(|number| number * 40).collect()
    }

    #[test]
    fn pictures_without_decode_times_get_rising_ones_that_no_picture_is_shown_before() {
        let mut order = Order::default();
        let mut out = Vec::new();
        let given = reordered(200);
        for pts in &given {
            out.extend(order.push(frame(NO_TIME, *pts)).expect("in order"));
        }
        while let Some(frame) = order.pop().expect("in order") {
            out.push(frame);
        }
        assert_eq!(out.iter().map(|frame| frame.pts / MS).collect::<Vec<_>>(), given, "none is lost or moved");
        assert!(out.windows(2).all(|two| two[1].dts - two[0].dts == 40 * MS), "every step is a frame");
        assert!(out.iter().all(|frame| frame.dts <= frame.pts));
        assert_eq!(out[0].dts, -80 * MS, "two frames of reordering");
    }

    #[test]
    fn decode_times_of_the_file_are_kept_and_nonsense_is_refused() {
        let mut order = Order::default();
        for at in 0..50 {
            let out = order.push(frame(at * 40 * MS, at * 40)).expect("in order").expect("at once");
            assert_eq!(out.dts, at * 40 * MS);
        }
        let twice = order.push(frame(49 * 40 * MS, 2_000)).expect("a rounding").expect("at once");
        assert!(twice.dts > 49 * 40 * MS && twice.dts < 50 * 40 * MS);
        assert_eq!(order.push(frame(0, 0)).err(), Some(Disordered));
    }

    #[test]
    fn each_picture_is_as_long_as_the_next_one_says() {
        let mut lengths = Lengths::default();
        assert_eq!(lengths.push(frame(0, 0), -40 * MS), None);
        let first = lengths.push(frame(40 * MS, 80), -40 * MS).expect("the first");
        assert_eq!((first.dts, first.cts, first.duration), (3_600, 0, 3_600));
        let second = lengths.push(frame(9_040 * MS, 9_040), -40 * MS).expect("the second");
        assert_eq!((second.cts, second.duration), (3_600, 810_000), "nine seconds of one picture");
        assert_eq!(lengths.finish().expect("the last").duration, 810_000);
        assert_eq!(lengths.finish(), None);
    }

    fn sound() -> Sound {
        Sound { rate: 48_000, frame: 1_024, silence: Some(Bytes::from_static(b"-")), next: None }
    }

    #[test]
    fn sound_rounded_to_milliseconds_comes_out_even_and_drift_is_followed() {
        let mut sound = sound();
        let mut out = Vec::new();
        for number in 0..5_000_i64 {
            // The sender's clock runs 0.1 % slow.
            let at_ms = number * 1_024 * 1_001 / 48_000;
            sound.push(at_ms * MS, Bytes::from_static(b"a"), &mut out);
        }
        assert_eq!(out.len(), 5_000, "nothing is lost, and no silence comes in");
        assert!(out.windows(2).all(|two| two[0].dts + i64::from(two[0].duration) == two[1].dts), "gapless");
        let last = out.last().expect("some");
        let told = 4_999 * 1_024 * 1_001 / 1_000;
        assert!((last.dts - told).abs() < 48 * 25, "{} and {told}", last.dts);
    }

    #[test]
    fn holes_become_silence_and_sound_upon_sound_is_dropped() {
        let mut sound = sound();
        let mut out = Vec::new();
        sound.push(0, Bytes::from_static(b"a"), &mut out);
        sound.push(1_000 * MS, Bytes::from_static(b"b"), &mut out);
        let silent = out.iter().filter(|sample| sample.data.as_ref() == b"-").count();
        assert!((45..=46).contains(&silent), "{silent}");
        let before = out.len();
        sound.push(500 * MS, Bytes::from_static(b"c"), &mut out);
        assert_eq!(out.len(), before);
        sound.fill_until(2_000 * MS, &mut out);
        assert!((sound.next.expect("begun") - 96_000).abs() <= 1_024);
    }
}
