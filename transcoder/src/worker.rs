//! The GStreamer child of a live stream: one process that decodes the source, makes the lower renditions and a picture
//! now and then, and may die at any time.
//!
//! Owns both ends: the [`Supervisor`] that starts, feeds, watches and replaces the process, and [`child_main`], which is
//! that process. Also owns what depends on it: [`Admission`] (how many such processes the machine can carry) and
//! [`doctor`] (what the machine lacks). Does not own packaging: it takes access units and returns access units on the
//! same timeline.

mod admission;
mod child;
mod coder;
mod cost;
mod demux;
mod doctor;
mod encoder;
mod gstreamer_setup;
mod input;
mod recent;
mod regulator;
mod respawn;
mod session;
mod spawn;
mod supervisor;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::StreamId;
use kit::config::ladder::LadderRung;
use media::codec::VideoCodec;
use serde::{Deserialize, Serialize};

pub use admission::{Admission, Permit, Refusal};
pub use child::child_main;
pub(crate) use coder::{Coded, Coder, Order};
pub use cost::{Mask, RungUsage, Source, Usage};
pub(crate) use demux::{Demuxer, Died, Event, Source as DemuxSource};
pub use doctor::{Check, CheckStatus, doctor, doctor_of};
pub use encoder::{Choice, Encoder, choose, choose_among, doctor_encoder};
pub use input::WorkerInput;
pub use supervisor::Supervisor;
pub(crate) use wire::{Contents, NO_TIME, Recode, Track, Unit};

/// Ticks per second of every timestamp that crosses this module's border.
pub const TICKS_PER_SECOND: i64 = 90_000;

/// A child that has kept up for so long may get back a rung.
pub const RESTORE_AFTER: Duration = regulator::QUIET_FOR;

/// Most rungs of one child: one bit each in a byte.
pub const RUNGS_MAX: usize = 8;
const _: () = assert!(kit::config::ladder::RUNGS_MAX < RUNGS_MAX);

/// Tallest rung that is made only because viewers may not decode the source itself, in pixels of its shorter side.
const STANDING_IN_MAX: u32 = 1_080;

/// One lower rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Its name in URLs and playlists, such as `480p`.
    pub name: String,
    /// Length of the picture's shorter side, in pixels. A smaller source is not enlarged.
    pub height: u32,
    pub bitrate_kbps: u32,
    /// Most frames a second. A source with more loses every second one, or more of them.
    pub fps_max: u32,
}

impl From<&LadderRung> for Rung {
    fn from(rung: &LadderRung) -> Self {
        let LadderRung { height, bitrate_kbps, fps_max } = *rung;
        Self { name: format!("{height}p"), height, bitrate_kbps, fps_max }
    }
}

impl Rung {
    /// Those of a ladder that are smaller than the source, tallest first.
    pub fn below(ladder: &[LadderRung], width: u32, height: u32) -> Vec<Self> {
        ladder.iter().filter(|rung| rung.height < width.min(height)).take(RUNGS_MAX).map(Self::from).collect()
    }

    /// Those for viewers who cannot decode the source: all that are not taller than it, and one as tall (1080 pixels at
    /// most) where the ladder has none. None when there is no ladder.
    pub fn instead_of(ladder: &[LadderRung], width: u32, height: u32) -> Vec<Self> {
        // Rungs have even heights.
        let short = width.min(height) / 2 * 2;
        let mut rungs: Vec<_> = ladder.iter().filter(|rung| rung.height <= short).take(RUNGS_MAX).copied().collect();
        let best = short.min(STANDING_IN_MAX);
        let has_best = rungs.first().is_some_and(|tallest| tallest.height >= best);
        if !ladder.is_empty() && !has_best && best > 0 {
            rungs.insert(0, LadderRung::standing_in(best));
        }
        rungs.iter().map(Self::from).collect()
    }

    /// The rungs of a source, by its codec: browsers that play anything play H.264.
    pub fn of(codec: VideoCodec, ladder: &[LadderRung], width: u32, height: u32) -> Vec<Self> {
        match codec {
            VideoCodec::Avc => Self::below(ladder, width, height),
            VideoCodec::Hevc | VideoCodec::Av1 => Self::instead_of(ladder, width, height),
        }
    }

    /// The rendition's width and height for a source of that size: aspect kept, both the nearest even, never enlarged.
    pub fn output_size(&self, width: u32, height: u32) -> (u32, u32) {
        output_size(self.height, width, height)
    }
}

/// See [`Rung::output_size`]; `short_side` is the rung's height.
pub(crate) fn output_size(short_side: u32, width: u32, height: u32) -> (u32, u32) {
    let (width, height) = (u64::from(width.max(2)), u64::from(height.max(2)));
    let source_short = width.min(height);
    let short = u64::from(short_side.max(2)).min(source_short);
    let scale = |side: u64| {
        let half = (side * short + source_short) / (2 * source_short);
        u32::try_from(half * 2).unwrap_or(u32::MAX - 1)
    };
    let floor_even = |side: u32, source: u64| if u64::from(side) > source { side - 2 } else { side };
    (floor_even(scale(width), width).max(2), floor_even(scale(height), height).max(2))
}

/// What one child is to do. A change of codec data or resolution needs a new [`Supervisor`].
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    pub stream_id: StreamId,
    /// The executable whose `media-worker` argument runs [`child_main`].
    pub exe: PathBuf,
    /// The source's.
    pub codec: VideoCodec,
    /// The source's decoder configuration record: avcC, hvcC or av1C.
    pub codec_data: Bytes,
    /// The source's picture size, in pixels.
    pub width: u32,
    pub height: u32,
    /// Frames per second as a fraction. A zero on either side means unknown.
    pub frame_rate: (u32, u32),
    /// What encodes the rungs. A child that is lost with a hardware encoder is followed by one with x264.
    pub encoder: Encoder,
    /// Tallest first. While none of them runs only as many key frames are decoded as pictures are due.
    pub rungs: Vec<Rung>,
    /// Seconds between thumbnails.
    pub thumbnail_every_s: u32,
    /// Seconds between the small pictures of storyboards; 0 for none.
    pub tile_every_s: u32,
    /// Memory the child may use, in MiB.
    pub memory_mib: u64,
    /// The stream's share of the processor, which says which rungs run. Without one all do.
    pub share: Option<Arc<Permit>>,
    /// How long the child must have kept up before a rung comes back; usually [`RESTORE_AFTER`].
    pub restore_after: Duration,
}

/// What a child gives back. Timestamps are on the input's timeline, in 90 kHz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// A rendition's AVCDecoderConfigurationRecord. Comes before its first unit and again only when it changes. `rung` is
    /// its place in [`WorkerSpec::rungs`].
    Config { rung: usize, codec_data: Bytes },
    /// One encoded picture, AVCC. `dts` rises strictly within a rung and equals `pts`: there are no B-frames.
    Unit { rung: usize, dts: i64, pts: i64, is_sync: bool, data: Bytes },
    /// Which rungs run from now on. A rung that does not gives no more units until it does again.
    Rungs { running: Mask },
    /// A JPEG, at most 640 pixels on its longer side.
    Thumbnail(Bytes),
    /// A JPEG of at most 160 pixels on its longer side, and when its picture is presented.
    Tile { pts: i64, jpeg: Bytes },
    /// The child died and is being replaced. Units go on after a moment, and without a gap when the source's pictures
    /// since the last key frame that came back were few enough to keep (300, 8 MiB). The first of each rung is a key
    /// frame, even where the source has none.
    Lost { reason: String },
    /// Too many children died: there will be no more events.
    GaveUp { reason: String },
    /// The machine lacks what this source takes: there will be no more events.
    Unable { reason: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_ends_below_the_source_whichever_way_it_is_turned() {
        let ladder = kit::config::ladder::parse("720p,480p,360p").expect("a ladder");
        let names = |width, height| -> Vec<String> {
            Rung::below(&ladder, width, height).into_iter().map(|rung| rung.name).collect()
        };
        assert_eq!(names(1_920, 1_080), ["720p", "480p", "360p"]);
        assert_eq!(names(1_280, 720), ["480p", "360p"]);
        assert_eq!(names(720, 1_280), ["480p", "360p"]);
        assert_eq!(names(640, 360), [] as [&str; 0]);
    }

    #[test]
    fn viewers_who_cannot_decode_the_source_get_a_rung_as_tall() {
        let rungs = |ladder: &str, width, height| -> Vec<String> {
            let ladder = kit::config::ladder::parse(ladder).expect("a ladder");
            let rungs = Rung::of(VideoCodec::Hevc, &ladder, width, height);
            rungs.into_iter().map(|rung| format!("{}:{}", rung.name, rung.bitrate_kbps)).collect()
        };
        assert_eq!(rungs("720p,480p", 1_920, 1_080), ["1080p:5000", "720p:2800", "480p:1400"]);
        assert_eq!(rungs("720p:3000,480p", 1_280, 720), ["720p:3000", "480p:1400"], "the operator's own rung");
        assert_eq!(rungs("720p,480p", 720, 1_280), ["720p:2800", "480p:1400"]);
        assert_eq!(rungs("480p", 3_840, 2_160), ["1080p:5000", "480p:1400"]);
        assert_eq!(rungs("1440p,480p", 3_840, 2_160), ["1440p:9000", "480p:1400"]);
        assert_eq!(rungs("480p", 641, 361), ["360p:800"]);
        assert_eq!(rungs("none", 1_920, 1_080), [] as [&str; 0]);
        assert_eq!(rungs("480p", 0, 1), [] as [&str; 0]);
        let most = rungs("2160p:20000,1440p,720p,540p,480p,360p", 3_840, 2_160);
        assert!(most.len() <= RUNGS_MAX);
        let full = rungs("720p,540p,480p,360p,240p,160p", 1_920, 1_080);
        assert_eq!(full.len(), 7);
    }

    #[test]
    fn the_rendition_keeps_the_aspect_with_even_sides_and_never_grows() {
        assert_eq!(output_size(480, 1280, 720), (854, 480));
        assert_eq!(output_size(480, 1920, 1080), (854, 480));
        assert_eq!(output_size(480, 1080, 1920), (480, 854));
        assert_eq!(output_size(480, 640, 480), (640, 480));
        assert_eq!(output_size(480, 426, 240), (426, 240));
        assert_eq!(output_size(480, 427, 241), (426, 240));
        assert_eq!(output_size(480, 0, 0), (2, 2));
        assert_eq!(output_size(480, u32::MAX, 2).1, 2);
    }
}
