//! One connection's clock: RTMP's 32-bit millisecond timestamps become decode times a CMAF track can carry.
//!
//! Owns wrap-around, clock jumps, the rounding of milliseconds, and drift between a sound card and a camera. Does not
//! hold media back and does not know segments. What it promises: per track the decode times grow strictly; what both
//! tracks say about the same moment stays together; a steady cadence comes out exact (3003 ticks at 29.97 fps, 1024
//! samples of AAC), although the sender could only say 33, 34, 33 ms.
//!
//! A clock that jumps (both tracks far ahead of everything seen, or one behind itself) is continued where it was: the
//! jump is taken out. A hole in one track while the other goes on is real and stays; [`Placed::gap`] tells of it. The
//! caller then drops frames to the next key frame and opens a new period, as one frame cannot legally last that long.

mod cadence;

use cadence::Cadence;

use crate::codec::{AacConfig, FrameRate};
use crate::sample::{Ticks, rescale};

/// Both tracks ahead of everything seen by more than this: the sender's clock jumped.
const JUMP_FORWARD_MS: i64 = 2_000;
/// A track behind itself by more than this: the sender's clock was set back.
const JUMP_BACK_MS: i64 = 500;
/// How far apart the first packets of two tracks may be and still share a clock.
const START_SKEW_MS: i64 = 5_000;
/// A pause between video frames that is reported as a gap.
const VIDEO_GAP_MS: i64 = 500;
/// Missing audio from which on silence is due. Less is taken up by bending the cadence.
const AUDIO_FILL_MS: i64 = 100;
/// Audio that comes this much before its place is dropped.
const AUDIO_OVERLAP_MS: i64 = 100;
/// Mean deviation of audio from its cadence from which on the cadence is bent.
const AUDIO_DRIFT_MS: i64 = 12;
/// How much one audio frame may be bent.
const AUDIO_BEND_MS: i64 = 1;
/// What a jump leaves between the last moment before it and the first behind it.
const NOMINAL_STEP_MS: i64 = 33;
/// No more than this much silence is asked for at once.
const AUDIO_FILL_FRAMES_MAX: u32 = 500;

const MS: u32 = 1_000;

/// Where a frame belongs, in its track's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub dts: Ticks,
    pub cts: i32,
    /// Forecast for [`crate::Sample::duration`]; 0 when the cadence is not steady.
    pub duration: u32,
    /// So much time is missing before this frame that the caller should begin a new period at the next key frame.
    pub gap: bool,
    /// Audio only: silent frames that are due before this one, ending where it begins.
    pub fill: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Video,
    Audio,
}

/// The raw clock of one track.
#[derive(Debug, Default, Clone, Copy)]
struct Clock {
    raw: Option<u32>,
    /// `raw` without wraps.
    unwrapped: i64,
    /// What to add to `unwrapped`.
    offset: Option<i64>,
    /// The latest moment handed out, in stream milliseconds.
    at: i64,
}

/// The clock of one connection. See the module's words.
#[derive(Debug)]
pub struct Timeline {
    origin_ms: i64,
    video_clock: Clock,
    audio_clock: Clock,
    video: Cadence,
    audio: AudioTrack,
    /// When the last picture to be shown leaves the screen, in 90 kHz.
    shown_until: Option<Ticks>,
}

#[derive(Debug)]
struct AudioTrack {
    rate: u32,
    frame: i64,
    /// Where the next frame belongs.
    next: Option<Ticks>,
    /// Smoothed deviation of the sender's times from the cadence, in 1/16 sample.
    deviation16: i64,
    is_bending: bool,
}

impl Timeline {
    /// A clock whose first packet is placed at `origin_ms`: 0 for a new stream, [`Timeline::end_ms`] of the connection
    /// before for a resumed one.
    pub fn new(origin_ms: i64) -> Self {
        Self {
            origin_ms: origin_ms.max(0),
            video_clock: Clock::default(),
            audio_clock: Clock::default(),
            video: Cadence::default(),
            audio: AudioTrack { rate: 48_000, frame: 1_024, next: None, deviation16: 0, is_bending: false },
            shown_until: None,
        }
    }

    /// Tells the frame rate of the SPS. It is tried, and dropped when the timestamps say otherwise.
    pub fn set_video_rate(&mut self, rate: Option<FrameRate>) {
        self.video.set_hint(rate);
    }

    /// Tells rate and frame length of the audio. Call it with each new sequence header, before the frames it covers.
    pub fn set_audio(&mut self, config: &AacConfig) {
        let (rate, frame) = (config.sample_rate.max(1), i64::from(config.frame_samples.max(1)));
        if (rate, frame) != (self.audio.rate, self.audio.frame) {
            self.audio.next = self.audio.next.map(|next| rescale(next, self.audio.rate, rate));
            (self.audio.rate, self.audio.frame, self.audio.deviation16) = (rate, frame, 0);
        }
    }

    /// Places a video frame.
    pub fn video(&mut self, timestamp_ms: u32, cts_ms: i32) -> Placed {
        let at = self.map(Which::Video, timestamp_ms);
        let place = self.video.place(at * 90);
        let cts = self.video.offset(cts_ms, place.correction);
        self.shown_until = self.shown_until.max(Some(place.dts + i64::from(cts) + i64::from(place.duration)));
        Placed { dts: place.dts, cts, duration: place.duration, gap: place.missing > VIDEO_GAP_MS * 90, fill: 0 }
    }

    /// Places an audio frame; `None` when it lies where audio already is and must be dropped.
    pub fn audio(&mut self, timestamp_ms: u32) -> Option<Placed> {
        let at = self.map(Which::Audio, timestamp_ms);
        self.audio.place(rescale(at, MS, self.audio.rate))
    }

    /// A place for a frame of silence when audio has fallen more than `lag_ms` behind video; call until `None`. For
    /// senders that announce audio and then stop sending it.
    pub fn missing_audio(&mut self, lag_ms: i64) -> Option<Placed> {
        self.video_clock.raw?;
        self.silence_before(self.video_clock.at - lag_ms.max(AUDIO_FILL_MS))
    }

    /// A place for a frame of silence when nothing more comes and audio ends before the last picture leaves the screen; call
    /// until `None`. Players treat a track that is a frame short as a hole, and wait in front of it.
    pub fn closing_audio(&mut self) -> Option<Placed> {
        let shown_until = rescale(self.shown_until?, 90_000, MS);
        self.silence_before(shown_until)
    }

    fn silence_before(&mut self, due_ms: i64) -> Option<Placed> {
        let next = self.audio.next?;
        if rescale(next, self.audio.rate, MS) >= due_ms {
            return None;
        }
        let (dts, frame) = (next, self.audio.frame);
        self.audio.next = Some(next + frame);
        self.audio_clock.at = self.audio_clock.at.max(rescale(next, self.audio.rate, MS));
        Some(Placed { dts, cts: 0, duration: frame as u32, gap: false, fill: 0 })
    }

    /// The moment after everything placed, in milliseconds: the origin for the connection that resumes the stream.
    pub fn end_ms(&self) -> i64 {
        // Reordered frames are shown after the last one is decoded.
        let video = self.video.end().max(self.shown_until).map(|end| rescale(end, 90_000, MS));
        let audio = self.audio.next.map(|next| rescale(next, self.audio.rate, MS));
        video.max(audio).map_or(self.origin_ms, |end| end + 1)
    }

    /// Stream milliseconds of a raw timestamp.
    fn map(&mut self, which: Which, raw: u32) -> i64 {
        let (own, other) = match which {
            Which::Video => (self.video_clock, self.audio_clock),
            Which::Audio => (self.audio_clock, self.video_clock),
        };
        let mapped = own.follow(&other, raw, self.origin_ms);
        match which {
            Which::Video => self.video_clock = mapped,
            Which::Audio => self.audio_clock = mapped,
        }
        mapped.at
    }
}

impl Clock {
    /// This clock after `raw` was seen, `other` being the other track's.
    fn follow(self, other: &Self, raw: u32, origin_ms: i64) -> Self {
        let near = |clock: &Self| clock.raw.map(|last| clock.unwrapped + i64::from(raw.wrapping_sub(last) as i32));
        let unwrapped = near(&self).or_else(|| near(other)).unwrap_or(i64::from(raw));
        let placed =
            |offset: i64| Self { raw: Some(raw), unwrapped, offset: Some(offset), at: (unwrapped + offset).max(0) };
        match (self.offset, other.offset) {
            (None, None) => placed(origin_ms - unwrapped),
            (None, Some(theirs)) => {
                let fits = (unwrapped + theirs - other.at).abs() <= START_SKEW_MS;
                placed(if fits { theirs } else { other.at - unwrapped })
            }
            (Some(ours), theirs) => {
                let frontier = self.at.max(other.offset.map_or(i64::MIN, |_| other.at));
                let continues = |offset: i64| {
                    let at = unwrapped + offset;
                    at <= frontier + JUMP_FORWARD_MS && at >= self.at - JUMP_BACK_MS
                };
                if continues(ours) {
                    return placed(ours);
                }
                // The other track may have jumped first: then its clock is the new one.
                if let Some(theirs) = theirs.filter(|theirs| continues(*theirs)) {
                    return placed(theirs);
                }
                placed(frontier + NOMINAL_STEP_MS - unwrapped)
            }
        }
    }
}

impl AudioTrack {
    fn place(&mut self, told: Ticks) -> Option<Placed> {
        let per_ms = |ms: i64| ms * i64::from(self.rate) / 1_000;
        let Some(next) = self.next else {
            self.next = Some(told + self.frame);
            return Some(self.placed(told, self.frame, 0));
        };
        let deviation = told - next;
        if deviation >= per_ms(AUDIO_FILL_MS) {
            let fill = (deviation + self.frame / 2) / self.frame;
            let fill = fill.min(i64::from(AUDIO_FILL_FRAMES_MAX));
            // Beyond what may be filled, the time is given up: it was no audio anybody waits for.
            let dts = next + fill * self.frame;
            let dts = if fill == i64::from(AUDIO_FILL_FRAMES_MAX) { dts.max(told) } else { dts };
            (self.deviation16, self.is_bending) = (0, false);
            self.next = Some(dts + self.frame);
            return Some(Placed {
                gap: fill == i64::from(AUDIO_FILL_FRAMES_MAX),
                ..self.placed(dts, self.frame, fill as u32)
            });
        }
        if deviation <= -per_ms(AUDIO_OVERLAP_MS) {
            return None;
        }
        self.deviation16 += deviation - self.deviation16 / 16;
        let mean = self.deviation16 / 16;
        self.is_bending =
            if self.is_bending { mean.abs() > per_ms(AUDIO_BEND_MS) } else { mean.abs() > per_ms(AUDIO_DRIFT_MS) };
        let bend = if self.is_bending { mean.clamp(-per_ms(AUDIO_BEND_MS), per_ms(AUDIO_BEND_MS)) } else { 0 };
        self.deviation16 -= bend * 16;
        let duration = (self.frame + bend).max(1);
        self.next = Some(next + duration);
        Some(self.placed(next, duration, 0))
    }

    fn placed(&self, dts: Ticks, duration: i64, fill: u32) -> Placed {
        Placed { dts, cts: 0, duration: duration as u32, gap: false, fill }
    }
}
