//! What transcoding costs: nanoseconds of one core for each pixel that is decoded, scaled and encoded.
//!
//! Pure. The first figures were measured on one machine; each report of a running child moves them towards what is true
//! on this one and for what is broadcast here.

use media::codec::VideoCodec;
use serde::{Deserialize, Serialize};

use super::Rung;

/// Frame rate that is planned with when the source does not tell its own.
const FRAME_RATE_UNKNOWN: f64 = 30.0;
/// No source is believed to be faster.
const FRAME_RATE_MAX: f64 = 240.0;
/// Key frames a second that are decoded for pictures alone: one every five seconds.
const KEY_FRAME_RATE: f64 = 0.2;
/// Key frames are decoded from this many times more bits than the others.
const KEY_DECODE_FACTOR: f64 = 5.0;
/// Moving units in and out of a process; and the few that pictures alone take.
const PROCESS_CORES: f64 = 0.010;
const PICTURES_CORES: f64 = 0.001;

// Nanoseconds of one core per pixel, before anything was learned: about what 30 s of 720p30 test pattern at 2.5 Mbit/s took on
// a busy machine (decoding 1, scaling 2.9, encoding 9.5 to 11), rounded up because real pictures are harder than a pattern.
const DECODE_NS_PER_PIXEL: f64 = 3.0;
// The same machine took 1.7 times as long for HEVC of the same clip and 1.5 times for AV1, 2.5 to 3 times when they have ten bits, which are
// made eight.
const HEVC_DECODE_NS_PER_PIXEL: f64 = 6.0;
const AV1_DECODE_NS_PER_PIXEL: f64 = 6.0;
const SCALE_NS_PER_PIXEL: f64 = 3.0;
const ENCODE_NS_PER_PIXEL: f64 = 12.0;
/// With a hardware encoder: another layout of the pixels, a copy, and waiting.
const HARDWARE_NS_PER_PIXEL: f64 = 1.5;

/// How far one report moves a figure.
const LEARNING: f64 = 0.1;
/// Nothing a child says moves a figure further than this from where it began: a stranger's bytes went through it.
const LEARNED_MAX: f64 = 6.0;
/// Reports with fewer pictures say little.
const PICTURES_MIN: u64 = 20;

/// What is decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    pub codec: VideoCodec,
    pub width: u32,
    pub height: u32,
    /// Frames per second; 0 is unknown.
    pub fps: f64,
}

impl Source {
    fn pixels(self) -> f64 {
        f64::from(self.width) * f64::from(self.height)
    }

    fn rate(self) -> f64 {
        if self.fps.is_finite() && self.fps > 0.0 { self.fps.min(FRAME_RATE_MAX) } else { FRAME_RATE_UNKNOWN }
    }
}

/// A source, and the rungs that could be made of it, tallest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) rungs: Vec<Rung>,
}

impl Plan {
    /// Number, pixels of the picture it is scaled from, pixels of its own and pictures a second, of each running rung.
    fn running(&self, mask: Mask) -> impl Iterator<Item = (usize, f64, f64, f64)> {
        let mut from = self.source.pixels();
        let own = move |number: usize| {
            let rung = &self.rungs[number];
            let (width, height) = rung.output_size(self.source.width, self.source.height);
            let pixels = f64::from(width) * f64::from(height);
            let from = std::mem::replace(&mut from, pixels);
            (number, from, pixels, self.source.rate().min(f64::from(rung.fps_max)))
        };
        mask.indices().filter(|number| *number < self.rungs.len()).map(own)
    }
}

/// Some of a plan's rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mask(pub(super) u8);

impl Mask {
    pub fn all(rungs: usize) -> Self {
        Self((0..rungs.min(8)).fold(0, |bits, rung| bits | 1 << rung))
    }

    pub fn has(self, rung: usize) -> bool {
        rung < 8 && self.0 & 1 << rung != 0
    }

    pub fn with(self, rung: usize) -> Self {
        if rung < 8 { Self(self.0 | 1 << rung) } else { self }
    }

    pub fn without(self, rung: usize) -> Self {
        if rung < 8 { Self(self.0 & !(1 << rung)) } else { self }
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn indices(self) -> impl Iterator<Item = usize> {
        (0..8).filter(move |rung| self.has(*rung))
    }
}

/// What a child used since it last told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of all its threads, in nanoseconds.
    pub process_ns: u64,
    /// Pictures decoded.
    pub decoded: u64,
    pub rungs: Vec<RungUsage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RungUsage {
    pub pictures: u64,
    /// Processor time of the thread that encodes, in nanoseconds. Zero where more threads than one do.
    pub ns: u64,
}

/// Nanoseconds of one core per pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rates {
    decode: Decode,
    scale: f64,
    encode: f64,
    /// The processor's part of encoding on a card.
    hardware: f64,
}

/// The same for each codec.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Decode {
    avc: f64,
    hevc: f64,
    av1: f64,
}

impl Decode {
    const FIRST: Self = Self { avc: DECODE_NS_PER_PIXEL, hevc: HEVC_DECODE_NS_PER_PIXEL, av1: AV1_DECODE_NS_PER_PIXEL };

    fn of(&mut self, codec: VideoCodec) -> &mut f64 {
        match codec {
            VideoCodec::Avc => &mut self.avc,
            VideoCodec::Hevc => &mut self.hevc,
            VideoCodec::Av1 => &mut self.av1,
        }
    }

    fn get(mut self, codec: VideoCodec) -> f64 {
        *self.of(codec)
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            decode: Decode::FIRST,
            scale: SCALE_NS_PER_PIXEL,
            encode: ENCODE_NS_PER_PIXEL,
            hardware: HARDWARE_NS_PER_PIXEL,
        }
    }
}

impl Rates {
    /// The same for planning a child that encodes so.
    pub(super) fn with(self, is_hardware: bool) -> Self {
        if is_hardware { Self { encode: self.hardware, ..self } } else { self }
    }

    /// Cores the plan takes with the rungs of `mask`; without any, pictures alone.
    pub(super) fn cores(&self, plan: &Plan, mask: Mask) -> f64 {
        let decode = plan.source.pixels() * self.decode.get(plan.source.codec);
        if mask.is_empty() {
            return decode * KEY_DECODE_FACTOR * KEY_FRAME_RATE / 1e9 + PICTURES_CORES;
        }
        let rungs: f64 = plan.running(mask).map(|(_, from, own, rate)| self.rung(from, own, rate)).sum();
        (decode * plan.source.rate() + rungs) / 1e9 + PROCESS_CORES
    }

    fn rung(&self, from: f64, own: f64, rate: f64) -> f64 {
        (from * self.scale + own * self.encode) * rate
    }

    pub(super) fn costliest(&self, plan: &Plan, mask: Mask) -> Option<usize> {
        let costs = plan.running(mask).map(|(number, from, own, rate)| (number, self.rung(from, own, rate)));
        costs.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(number, _)| number)
    }

    pub(super) fn cheapest_missing(&self, plan: &Plan, mask: Mask) -> Option<usize> {
        let all = Mask::all(plan.rungs.len());
        let costs = plan.running(all).map(|(number, from, own, rate)| (number, self.rung(from, own, rate)));
        let missing = costs.filter(|(number, _)| !mask.has(*number));
        missing.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(number, _)| number)
    }

    pub(super) fn learn(&mut self, plan: &Plan, usage: &Usage, is_hardware: bool) {
        if usage.decoded < PICTURES_MIN {
            return;
        }
        let ran = usage.rungs.iter().enumerate().filter(|(_, rung)| rung.pictures > 0);
        let mask = ran.fold(Mask::default(), |mask, (rung, _)| mask.with(rung));
        let of = |number: usize| usage.rungs.get(number).copied().unwrap_or_default();
        let is_told = plan.running(mask).all(|(number, ..)| of(number).ns > 0);
        if mask.is_empty() || !(is_told || is_hardware) {
            return;
        }
        let (mut encode_pixels, mut encode_ns, mut scale_ns) = (0.0, 0.0, 0.0);
        for (number, from, own, _) in plan.running(mask) {
            let rung = of(number);
            encode_pixels += own * rung.pictures as f64;
            encode_ns += rung.ns as f64;
            scale_ns += from * rung.pictures as f64 * self.scale;
        }
        let rest_ns = (usage.process_ns as f64 - encode_ns).max(0.0);
        let codec = plan.source.codec;
        let decode = self.decode.get(codec);
        let decode_ns = plan.source.pixels() * usage.decoded as f64 * decode;
        if encode_pixels <= 0.0 || decode_ns <= 0.0 {
            return;
        }
        if is_hardware {
            // Its work is spread over threads of the driver: what decoding and scaling leave is its own.
            let own_ns = (usage.process_ns as f64 - decode_ns - scale_ns).max(0.0);
            self.hardware = moved(self.hardware, own_ns / encode_pixels, HARDWARE_NS_PER_PIXEL);
            return;
        }
        self.encode = moved(self.encode, encode_ns / encode_pixels, ENCODE_NS_PER_PIXEL);
        if codec != VideoCodec::Avc {
            // What scaling costs is told by H.264, which is decoded everywhere; the rest is the decoder's.
            let ratio = (rest_ns - scale_ns).max(0.0) / decode_ns;
            *self.decode.of(codec) = moved(decode, decode * ratio, Decode::FIRST.get(codec));
            return;
        }
        let ratio = rest_ns / (decode_ns + scale_ns);
        self.decode.avc = moved(decode, decode * ratio, DECODE_NS_PER_PIXEL);
        self.scale = moved(self.scale, self.scale * ratio, SCALE_NS_PER_PIXEL);
    }
}

/// A figure after one more measurement.
fn moved(figure: f64, measured: f64, began: f64) -> f64 {
    (figure + (measured - figure) * LEARNING).clamp(began / LEARNED_MAX, began * LEARNED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(heights: &[u32]) -> Plan {
        let rung =
            |height: &u32| Rung { name: format!("{height}p"), height: *height, bitrate_kbps: 1_000, fps_max: 30 };
        let source = Source { codec: VideoCodec::Avc, width: 1_280, height: 720, fps: 30.0 };
        Plan { source, rungs: heights.iter().map(rung).collect() }
    }

    #[test]
    fn thumbnails_alone_cost_a_fraction() {
        let (plan, rates) = (plan(&[480]), Rates::default());
        assert!(rates.cores(&plan, Mask::default()) * 50.0 < rates.cores(&plan, Mask::all(1)));
    }

    #[test]
    fn newer_codecs_are_planned_with_more() {
        let plan_of = |codec| Plan { source: Source { codec, ..plan(&[480]).source }, ..plan(&[480]) };
        let cores = |codec| Rates::default().cores(&plan_of(codec), Mask::all(1));
        assert!(cores(VideoCodec::Hevc) > cores(VideoCodec::Avc) && cores(VideoCodec::Av1) > cores(VideoCodec::Avc));
    }

    #[test]
    fn a_capped_rung_costs_what_it_makes_and_not_what_comes_in() {
        let fast = |fps| Plan { source: Source { fps, ..plan(&[480]).source }, ..plan(&[480]) };
        let rates = Rates::default();
        let rung =
            |fps| rates.cores(&fast(fps), Mask::all(1)) - rates.decode.avc * fast(fps).source.pixels() * fps / 1e9;
        assert!((rung(60.0) - rung(30.0)).abs() < 1e-9);
    }

    #[test]
    fn figures_move_to_what_children_report_and_no_further_than_believable() {
        let plan = plan(&[480, 360]);
        let px = |width: f64, height: f64| width * height;
        let mut rates = Rates::default();
        // A machine half as fast as thought at encoding, twice as fast at the rest.
        let usage = |encode: f64, rest: f64| {
            let ns = |pixels: f64| (60.0 * pixels * ENCODE_NS_PER_PIXEL * encode) as u64;
            let rungs = vec![
                RungUsage { pictures: 60, ns: ns(px(854.0, 480.0)) },
                RungUsage { pictures: 60, ns: ns(px(640.0, 360.0)) },
            ];
            let scale = px(1_280.0, 720.0) + px(854.0, 480.0);
            let others = 60.0 * (px(1_280.0, 720.0) * DECODE_NS_PER_PIXEL + scale * SCALE_NS_PER_PIXEL) * rest;
            Usage { process_ns: rungs.iter().map(|rung| rung.ns).sum::<u64>() + others as u64, decoded: 60, rungs }
        };
        for _ in 0..100 {
            rates.learn(&plan, &usage(2.0, 0.5), false);
        }
        assert!((rates.encode / ENCODE_NS_PER_PIXEL - 2.0).abs() < 0.05, "{rates:?}");
        assert!((rates.decode.avc / DECODE_NS_PER_PIXEL - 0.5).abs() < 0.05, "{rates:?}");
        assert_eq!(rates.decode.hevc, HEVC_DECODE_NS_PER_PIXEL, "one codec says nothing about another");
        for _ in 0..1_000 {
            rates.learn(&plan, &usage(1e6, 1e6), false);
        }
        assert!(
            rates.encode <= ENCODE_NS_PER_PIXEL * LEARNED_MAX && rates.decode.avc <= DECODE_NS_PER_PIXEL * LEARNED_MAX
        );
        for _ in 0..1_000 {
            rates.learn(&plan, &usage(0.0, 0.0), false);
        }
        assert!(rates.cores(&plan, Mask::all(2)) > 0.02, "{rates:?}");
    }

    #[test]
    fn a_codecs_decoder_is_learned_from_its_own_streams() {
        let avc = plan(&[480]);
        let hevc = Plan { source: Source { codec: VideoCodec::Hevc, ..avc.source }, ..avc.clone() };
        let (pixels, own) = (1_280.0 * 720.0, 854.0 * 480.0);
        let mut rates = Rates::default();
        let encode_ns = (60.0 * own * ENCODE_NS_PER_PIXEL) as u64;
        let others_ns = 60.0 * pixels * (12.0 + SCALE_NS_PER_PIXEL);
        let rungs = vec![RungUsage { pictures: 60, ns: encode_ns }];
        let usage = Usage { process_ns: encode_ns + others_ns as u64, decoded: 60, rungs };
        for _ in 0..100 {
            rates.learn(&hevc, &usage, false);
        }
        assert!((rates.decode.hevc - 12.0).abs() < 0.1, "{rates:?}");
        assert_eq!((rates.decode.avc, rates.scale), (DECODE_NS_PER_PIXEL, SCALE_NS_PER_PIXEL));
    }

    #[test]
    fn what_a_card_costs_is_learned_apart_from_x264() {
        let plan = plan(&[480]);
        let (first, mask) = (Rates::default(), Mask::all(1));
        assert!(first.with(true).cores(&plan, mask) * 1.5 < first.cores(&plan, mask));
        let (pixels, own) = (1_280.0 * 720.0, 854.0 * 480.0);
        let others = pixels * (DECODE_NS_PER_PIXEL + SCALE_NS_PER_PIXEL);
        // The driver's own threads did the work: the element's tells nothing.
        let rungs = vec![RungUsage { pictures: 60, ns: 0 }];
        let usage = Usage { process_ns: (60.0 * (others + own * 4.0)) as u64, decoded: 60, rungs };
        let mut rates = first;
        for _ in 0..100 {
            rates.learn(&plan, &usage, true);
        }
        assert!((rates.hardware - 4.0).abs() < 0.1, "{rates:?}");
        assert_eq!(Rates { hardware: first.hardware, ..rates }, first, "nothing else moved");
    }

    #[test]
    fn the_costliest_goes_first_and_the_cheapest_comes_first() {
        let (plan, rates) = (plan(&[480, 360, 240]), Rates::default());
        let mask = Mask::all(3);
        assert_eq!(rates.costliest(&plan, mask), Some(0));
        assert_eq!(rates.costliest(&plan, mask.without(0)), Some(1));
        assert_eq!(rates.costliest(&plan, Mask::default()), None);
        assert_eq!(rates.cheapest_missing(&plan, mask), None);
        assert_eq!(rates.cheapest_missing(&plan, Mask::default()), Some(2));
    }
}
