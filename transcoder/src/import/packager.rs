//! Access units become segments: the cutting of live streams, told of everything at once. Pure.
//!
//! The picture leads; without one the sound does. Segments end at key frames only, as long as those come within a bound no ordinary
//! encoder exceeds: their lengths, and with them the playlist's target duration, are what the file has.

use std::collections::VecDeque;

use bytes::Bytes;
use domain::import::ImportFail;
use media::cmaf::TrackConfig;
use media::codec::{AacConfig, VideoConfig};
use media::segmenter::{Output, Outputs, Role, SegmentEnd, Segmenter, SegmenterConfig};
use media::{Sample, VIDEO_TIMESCALE, rescale};

use super::lay::{Frame, Lengths, Order, Sound};
use super::plan::{How, Plan};

/// Names of the two renditions, as live streams have them.
pub(super) const SOURCE: &str = "source";
pub(super) const AUDIO: &str = "audio";
/// A group of pictures may last so long before it is cut in the middle: encoders' defaults are ten seconds and less.
const GROUP_S_MAX: u32 = 20;
/// Sound may outlast the picture by so much.
const TAIL_NS: i64 = 500_000_000;
/// Units of one track that wait until the other one begins, and their bytes.
const HELD_MAX: usize = 4_096;
const HELD_BYTES_MAX: usize = 96 * 1024 * 1024;

/// A finished segment.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) rendition: String,
    pub(super) seq: u64,
    pub(super) chunks: Vec<Bytes>,
    pub(super) duration_us: i64,
    /// On the recording's clock.
    pub(super) starts_at_us: i64,
    pub(super) is_independent: bool,
    pub(super) iframe_len: Option<u64>,
}

/// A rendition and what it is coded like.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) track: TrackConfig,
}

/// One rendition on its way into segments.
#[derive(Debug)]
pub(super) struct Lane {
    name: String,
    pub(super) segmenter: Segmenter,
    parts: Vec<Bytes>,
}

impl Lane {
    pub(super) fn new(name: &str, track: TrackConfig, role: Role, segment_ms: u32) -> Self {
        let segmenter = Segmenter::new(SegmenterConfig {
            // Nobody waits for parts here.
            part_ms: segment_ms,
            segment_ms,
            target_duration_s: GROUP_S_MAX,
            track,
            role,
            first_msn: 0,
            starts_at_pts: None,
        });
        Self { name: name.to_owned(), segmenter, parts: Vec::new() }
    }

    /// Keeps parts, and turns each end of a segment into a piece.
    pub(super) fn collect(&mut self, outputs: Outputs, out: &mut Vec<Piece>) -> Vec<SegmentEnd> {
        let mut ends = Vec::new();
        for output in outputs {
            match output {
                Output::Part(part) => self.parts.push(part.bytes),
                Output::Segment(end) => {
                    let chunks = std::mem::take(&mut self.parts);
                    let us = |ticks: i64| rescale(ticks, self.segmenter.timescale(), 1_000_000);
                    if end.part_count > 0 {
                        out.push(Piece {
                            rendition: self.name.clone(),
                            seq: end.msn,
                            chunks,
                            duration_us: us(end.duration_ticks),
                            starts_at_us: us(end.starts_at_pts),
                            is_independent: end.is_independent,
                            iframe_len: end.iframe_len,
                        });
                    }
                    ends.push(end);
                }
            }
        }
        ends
    }
}

/// What a packager saw of the picture, for whoever makes something else of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) samples: Vec<Sample>,
    /// Where segments of the source begin, but for the first, in 90 kHz.
    pub(super) cuts: Vec<i64>,
}

/// What waits for the other track's first unit.
#[derive(Debug)]
enum Early {
    Picture(Frame),
    Sound(i64, Bytes),
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Packager {
    segment_ms: u32,
    config: Option<VideoConfig>,
    has_video: bool,
    seen: Option<Seen>,
    video: Option<Lane>,
    audio: Option<Lane>,
    order: Order,
    lengths: Lengths,
    sound: Option<Sound>,
    /// What the recording's clock begins at, in the file's time. Known once both tracks have begun.
    origin_ns: Option<i64>,
    early: Vec<Early>,
    early_bytes: usize,
    has_picture: bool,
    has_sound: bool,
    /// Sound that the picture has not come to yet.
    held: VecDeque<Sample>,
    held_bytes: usize,
    /// Presentation time of the latest picture and where the picture ends, in 90 kHz.
    video_pts: i64,
    video_end: i64,
    frames: u64,
    /// On the recording's clock, in nanoseconds.
    first_pts_ns: Option<i64>,
    /// Where the last unit of the file ends, on its own clock.
    until_ns: i64,
}

impl Packager {
    pub(super) fn new(plan: &Plan, segment_ms: u32) -> Self {
        let mut packager = Self {
            segment_ms,
            seen: None,
            has_video: plan.video.is_some(),
            video: None,
            audio: None,
            sound: None,
            has_picture: plan.video.is_none(),
            has_sound: plan.audio.is_none(),
            config: None,
            order: Order::default(),
            lengths: Lengths::default(),
            origin_ns: None,
            early: Vec::new(),
            early_bytes: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            video_pts: i64::MIN,
            video_end: i64::MIN,
            frames: 0,
            first_pts_ns: None,
            until_ns: 0,
        };
        if let Some(How::Pass(config)) = plan.video.as_ref().map(|taken| &taken.how) {
            packager.set_video(config.clone());
        }
        if let Some(How::Pass(config)) = plan.audio.as_ref().map(|taken| &taken.how) {
            packager.set_audio(config.clone());
        }
        packager
    }

    /// Says how the picture is coded. The first word holds.
    pub(super) fn set_video(&mut self, config: VideoConfig) {
        if self.video.is_none() {
            let track = TrackConfig::Video(config.clone());
            self.video = Some(Lane::new(SOURCE, track, Role::Leader, self.segment_ms));
            self.config = Some(config);
        }
    }

    /// The same of the sound.
    pub(super) fn set_audio(&mut self, config: AacConfig) {
        if self.audio.is_none() {
            let role = if self.has_video { Role::Follower } else { Role::Leader };
            self.sound = Some(Sound::new(&config));
            self.audio = Some(Lane::new(AUDIO, TrackConfig::Audio(config), role, self.segment_ms));
        }
    }

    /// How the picture is coded, once that is known.
    pub(super) const fn video_config(&self) -> Option<&VideoConfig> {
        self.config.as_ref()
    }

    /// Keeps what it sees of the picture from now on.
    pub(super) fn watch(&mut self) {
        self.seen = Some(Seen::default());
    }

    /// What it saw since it was asked last.
    pub(super) fn seen(&mut self) -> Seen {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The renditions it makes.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let lanes = [&self.video, &self.audio].into_iter().flatten();
        lanes.map(|lane| Kind { name: lane.name.clone(), track: lane.segmenter.track().clone() }).collect()
    }

    /// How far into the file it has come, in nanoseconds.
    pub(super) fn until_ns(&self) -> i64 {
        self.until_ns
    }

    /// Pictures a thousand seconds, as counted.
    pub(super) fn frame_rate_mhz(&self) -> Option<u64> {
        let ticks = self.video_end.checked_sub(rescale(self.first_pts_ns?, 1_000_000_000, VIDEO_TIMESCALE))?;
        let ticks = u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)?;
        Some((u128::from(self.frames) * u128::from(VIDEO_TIMESCALE) * 1_000 / u128::from(ticks)) as u64)
    }

    /// The file's next picture, in the order of decoding.
    pub(super) fn picture(&mut self, frame: Frame, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        self.until_ns = self.until_ns.max(frame.pts);
        if let Some(frame) = self.order.push(frame).map_err(|_| ImportFail::Unreadable)? {
            self.ordered(frame, out)?;
        }
        Ok(())
    }

    fn ordered(&mut self, frame: Frame, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        self.has_picture = true;
        match self.origin_ns {
            Some(origin) => self.place_picture(frame, origin, out),
            None => {
                self.early_bytes += frame.data.len();
                self.early.push(Early::Picture(frame));
                self.try_begin(false, out)
            }
        }
    }

    /// The file's next frame of sound.
    pub(super) fn sound(&mut self, at_ns: i64, data: Bytes, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        self.until_ns = self.until_ns.max(at_ns);
        self.has_sound = true;
        match self.origin_ns {
            Some(origin) => self.place_sound(at_ns - origin, data, out),
            None => {
                self.early_bytes += data.len();
                self.early.push(Early::Sound(at_ns, data));
                self.try_begin(false, out)
            }
        }
    }

    /// Sets the clock once both tracks have begun, so that neither has a time before its beginning.
    fn try_begin(&mut self, is_over: bool, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        let is_full = self.early.len() >= HELD_MAX || self.early_bytes > HELD_BYTES_MAX;
        if !(self.has_picture && self.has_sound || is_full || is_over) {
            return Ok(());
        }
        let first = self.early.iter().map(|early| match early {
            Early::Picture(frame) => frame.dts,
            Early::Sound(at, _) => *at,
        });
        let Some(origin) = first.min() else { return Ok(()) };
        self.origin_ns = Some(origin);
        // The picture first: sound is laid to where it begins.
        let mut sounds = Vec::new();
        for early in std::mem::take(&mut self.early) {
            match early {
                Early::Picture(frame) => self.place_picture(frame, origin, out)?,
                Early::Sound(at, data) => sounds.push((at, data)),
            }
        }
        sounds.into_iter().try_for_each(|(at, data)| self.place_sound(at - origin, data, out))
    }

    fn place_picture(&mut self, mut frame: Frame, origin: i64, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        let Some(config) = &self.config else { return Ok(()) };
        let cleaned = config.clean(&frame.data);
        if cleaned.new_config.is_some() {
            return Err(ImportFail::FormatChanges);
        }
        // What comes before the first key frame leads nowhere.
        if cleaned.data.is_empty() || self.first_pts_ns.is_none() && !cleaned.is_idr {
            return Ok(());
        }
        (frame.data, frame.is_sync) = (cleaned.data, cleaned.is_idr);
        self.first_pts_ns.get_or_insert(frame.pts - origin);
        self.frames += 1;
        match self.lengths.push(frame, origin) {
            Some(sample) => self.push_picture(sample, out),
            None => Ok(()),
        }
    }

    fn push_picture(&mut self, sample: Sample, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        self.video_pts = self.video_pts.max(sample.pts());
        self.video_end = self.video_end.max(sample.pts() + i64::from(sample.duration));
        if let Some(seen) = &mut self.seen {
            seen.samples.push(sample.clone());
        }
        let Some(lane) = &mut self.video else { return Ok(()) };
        let outputs = lane.segmenter.push(sample);
        let ends = lane.collect(outputs, out);
        self.follow(&ends, out)?;
        self.release(self.video_pts, out);
        Ok(())
    }

    /// Tells the sound where the picture was cut.
    fn follow(&mut self, ends: &[SegmentEnd], out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        if let Some(seen) = &mut self.seen {
            seen.cuts.extend(ends.iter().map(|end| end.next_pts));
        }
        let Some(lane) = &mut self.audio else { return Ok(()) };
        for end in ends {
            let cut = rescale(end.next_pts, VIDEO_TIMESCALE, lane.segmenter.timescale());
            let outputs = lane.segmenter.cut_at(cut);
            lane.collect(outputs, out);
            if lane.segmenter.msn() + LAG_MAX < end.msn {
                return Err(ImportFail::Interleaving);
            }
        }
        Ok(())
    }

    fn place_sound(&mut self, at_ns: i64, data: Bytes, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        // Sound from before the first picture has nothing to belong to.
        if self.first_pts_ns.is_some_and(|first| self.has_video && at_ns + TAIL_NS < first) {
            return Ok(());
        }
        let Some(sound) = &mut self.sound else { return Ok(()) };
        let mut samples = Vec::new();
        if let Some(first) = self.first_pts_ns.filter(|_| self.has_video) {
            sound.begin(first, at_ns);
        }
        sound.push(at_ns, data, &mut samples);
        self.hear(samples, out)
    }

    fn hear(&mut self, samples: Vec<Sample>, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        if self.has_video {
            self.held_bytes += samples.iter().map(|sample| sample.data.len()).sum::<usize>();
            self.held.extend(samples);
            if self.held_bytes > HELD_BYTES_MAX {
                return Err(ImportFail::Interleaving);
            }
            self.release(self.video_pts, out);
        } else if let Some(lane) = &mut self.audio {
            for sample in samples {
                let outputs = lane.segmenter.push(sample);
                lane.collect(outputs, out);
            }
        }
        Ok(())
    }

    /// Gives sound to its rendition as far as the picture has come, in 90 kHz.
    fn release(&mut self, until: i64, out: &mut Vec<Piece>) {
        let Some(lane) = &mut self.audio else { return };
        let rate = lane.segmenter.timescale();
        while let Some(sample) = self.held.front()
            && rescale(sample.dts, rate, VIDEO_TIMESCALE) <= until
        {
            let Some(sample) = self.held.pop_front() else { break };
            self.held_bytes = self.held_bytes.saturating_sub(sample.data.len());
            let outputs = lane.segmenter.push(sample);
            lane.collect(outputs, out);
        }
    }

    /// The file is over. Says what there was in it.
    pub(super) fn finish(&mut self, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        while let Some(frame) = self.order.pop().map_err(|_| ImportFail::Unreadable)? {
            self.ordered(frame, out)?;
        }
        self.try_begin(true, out)?;
        if let Some(last) = self.lengths.finish() {
            self.push_picture(last, out)?;
        }
        let end_ns = rescale(self.video_end, VIDEO_TIMESCALE, 1_000_000_000);
        if self.video.is_some()
            && self.frames > 0
            && let Some(sound) = &mut self.sound
        {
            let mut samples = Vec::new();
            sound.fill_until(end_ns, &mut samples);
            self.hear(samples, out)?;
        }
        self.release(self.video_end + TAIL_NS * i64::from(VIDEO_TIMESCALE) / 1_000_000_000, out);
        for lane in [&mut self.video, &mut self.audio].into_iter().flatten() {
            let outputs = lane.segmenter.finish();
            lane.collect(outputs, out);
        }
        Ok(())
    }
}

/// Segments the sound may be behind the picture: fewer than a segmenter remembers cuts of.
const LAG_MAX: u64 = 48;
