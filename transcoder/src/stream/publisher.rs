//! All renditions of one stream: which lead, which follow, and what the multivariant playlist says of them.
//!
//! Owns the invariant that every rendition has the same segment numbers and boundaries: the leading one cuts, the others are
//! told, and who has nothing for a number lists a gap. The source's video leads; in a stream without video its audio.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use domain::{StreamId, Timestamp};
use media::cmaf::TrackConfig;
use media::codec::{AacConfig, VideoConfig};
use media::playlist::{AudioRendition, IFrames, Multivariant, RenditionReport, SegmentLine, Variant, uri};
use media::segmenter::{CutReason, Output, Outputs, Role, SegmentEnd, Segmenter, SegmenterConfig};
use media::{Sample, VIDEO_TIMESCALE, rescale};

use super::clock::ProgramClock;
use super::lower::Lower;
use super::rendition::{Rendition, Shop, Span};
use super::storyboard::{Place, Storyboard};
use super::tape::Tape;
use crate::origin::cold::Cellar;
use crate::origin::shelf::Shelf;
use crate::record::{RecordingEnd, Resume};

pub(crate) const SOURCE: &str = "source";
pub(crate) const AUDIO: &str = "audio";

/// Audio is held until the picture has got as far: then it is known where the segment ends, so audio segments end there too.
/// Audio held for longer than this and two frames means the picture has stopped: the period ends.
const VIDEO_STALL_MS: i64 = 1_000;
/// Sound that is kept behind the last picture of a period.
const AUDIO_TAIL_MS: i64 = 200;
/// How far over its target an audio segment may be and still round to it, its own boundaries being an audio frame off.
const AUDIO_OVER_TARGET_MS: i64 = 400;
/// No frame is believed to last longer.
const FRAME_MS_MAX: i64 = 2_000;
/// Finished segments remembered for followers.
const SPANS_MAX: usize = 32;
/// A follower this many segments behind gets gaps.
pub(crate) const LAG_SEGMENTS_MAX: u64 = 3;

/// How segments are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutting {
    pub(crate) part_ms: u32,
    pub(crate) segment_ms: u32,
}

impl Cutting {
    pub(crate) fn target_duration_s(self) -> u32 {
        ((self.segment_ms + 500) / 1_000).max(1)
    }
}

/// A rendition and what cuts it.
pub(crate) struct Lane {
    pub(crate) rendition: Rendition,
    pub(crate) segmenter: Segmenter,
    pub(crate) role: Role,
}

/// What a stream's tracks are from a period's beginning on.
#[derive(Debug, Clone)]
pub(crate) struct Tracks {
    pub(crate) video: Option<VideoConfig>,
    pub(crate) audio: Option<AacConfig>,
}

/// How the leading rendition is getting on; followers look things up here.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Where segments begin, newest last: number and presentation time in 90 kHz.
    pub(crate) starts: VecDeque<(u64, i64)>,
    pub(crate) spans: VecDeque<Span>,
    /// Number of the leader's open segment.
    pub(crate) open_msn: u64,
    pub(crate) expected_cut: Option<i64>,
}

impl Pace {
    pub(crate) fn start_of(&self, msn: u64) -> Option<i64> {
        self.starts.iter().find(|(known, _)| *known == msn).map(|(_, pts)| *pts)
    }

    /// The segment that a picture belongs to, and how far into it.
    fn place_of(&self, pts: i64) -> Option<Place> {
        let (msn, start) = self.starts.iter().rev().find(|(_, start)| *start <= pts)?;
        Some(Place { msn: *msn, offset_ms: i32::try_from((pts - start) / 90).ok()?, pts })
    }

    pub(crate) fn span(&self, msn: u64) -> Option<Span> {
        self.spans.iter().find(|span| span.msn == msn).copied()
    }

    /// Where a follower's open segment ends, as far as known or expected.
    pub(crate) fn cut_after(&self, msn: u64) -> Option<i64> {
        if msn < self.open_msn { self.start_of(msn + 1) } else { self.expected_cut }
    }

    fn begin(&mut self, msn: u64, pts: i64) {
        self.starts.push_back((msn, pts));
        if self.starts.len() > SPANS_MAX {
            self.starts.pop_front();
        }
        self.open_msn = msn;
    }
}

pub(crate) struct Publisher {
    pub(crate) shop: Shop,
    cutting: Cutting,
    audio_language: String,
    pub(crate) source: Option<Lane>,
    pub(crate) audio: Option<Lane>,
    pub(crate) lower: Option<Lower>,
    pub(crate) pace: Pace,
    /// Whether the present period has begun, and whether the source's video leads it.
    is_open: bool,
    leads_video: bool,
    next_msn: u64,
    next_init: u32,
    is_first_period: bool,
    /// Audio waiting for the picture; its time in 90 kHz beside it.
    held: VecDeque<(i64, Sample)>,
    video_pts: i64,
    video_dts: i64,
    /// Where the period begins, in 90 kHz.
    begins_at: i64,
    frame_ticks: i64,
    storyboard: Storyboard,
    /// A segment was cut without a key frame. Remembered for the stream's life: what was promised once too often is not
    /// promised again.
    has_forced_cut: bool,
}

/// What a publisher is made of.
pub(crate) struct Parts {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) tape: Tape,
    pub(crate) cellar: Cellar,
    pub(crate) cutting: Cutting,
    pub(crate) window_segments: usize,
    /// BCP 47, of the sound.
    pub(crate) audio_language: String,
    /// See [`Shop::earlier`].
    pub(crate) earlier: HashMap<String, Vec<SegmentLine>>,
    pub(crate) resume: Resume,
}

impl Publisher {
    pub(crate) fn new(parts: Parts) -> Self {
        let target_duration_s = parts.cutting.target_duration_s();
        Self {
            shop: Shop {
                shelf: parts.shelf,
                tape: parts.tape,
                clock: ProgramClock::default(),
                cellar: parts.cellar,
                window_segments: parts.window_segments,
                target_duration_s,
                discontinuities: VecDeque::new(),
                discontinuity_total: parts.resume.discontinuity_sequence,
                earlier: parts.earlier,
                parts: 0,
            },
            cutting: parts.cutting,
            audio_language: parts.audio_language,
            source: None,
            audio: None,
            lower: None,
            pace: Pace { open_msn: parts.resume.next_msn, ..Pace::default() },
            is_open: false,
            leads_video: true,
            next_msn: parts.resume.next_msn,
            next_init: parts.resume.next_init,
            is_first_period: !parts.resume.is_resumed,
            held: VecDeque::new(),
            video_pts: i64::MIN,
            video_dts: 0,
            begins_at: 0,
            frame_ticks: 0,
            storyboard: Storyboard::default(),
            has_forced_cut: false,
        }
    }

    /// Whether a period is open: media is taken.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Number of a new rendition's first init segment.
    pub(crate) fn first_init(&self) -> u32 {
        self.next_init
    }

    /// The audio the stream has had so far.
    pub(crate) fn audio_config(&self) -> Option<AacConfig> {
        match &self.audio.as_ref()?.rendition.track {
            TrackConfig::Audio(aac) => Some(aac.clone()),
            TrackConfig::Video(_) => None,
        }
    }

    /// Begins a period with its first sample at `pts` (90 kHz); a discontinuity stands before it unless it is the stream's
    /// first. `is_new_connection`: the clock of the publisher began anew.
    pub(crate) fn begin_period(&mut self, tracks: &Tracks, pts: i64, now: Timestamp, is_new_connection: bool) {
        self.close_period();
        if let Some(lower) = &mut self.lower {
            lower.close(&mut self.shop, &self.pace);
        }
        let msn = self.next_msn;
        if !std::mem::take(&mut self.is_first_period) {
            self.shop.discontinuity_total += 1;
            self.shop.discontinuities.push_back(msn);
            if self.shop.discontinuities.len() > SPANS_MAX {
                self.shop.discontinuities.pop_front();
            }
        }
        self.shop.clock.begin_period(
            rescale(pts, VIDEO_TIMESCALE, 1_000_000),
            now.timestamp_millis(),
            is_new_connection,
        );
        self.leads_video = tracks.video.is_some();
        self.begins_at = pts;
        self.video_pts = pts;
        self.video_dts = pts;
        self.held.clear();
        self.pace.starts.clear();
        self.pace.begin(msn, pts);
        if let Some(video) = &tracks.video {
            let lane = self.source.take();
            self.source = Some(self.lane(lane, SOURCE, TrackConfig::Video(video.clone()), Role::Leader));
        }
        if let Some(aac) = &tracks.audio {
            let role = if self.leads_video { Role::Follower } else { Role::Leader };
            let lane = self.audio.take();
            self.audio = Some(self.lane(lane, AUDIO, TrackConfig::Audio(aac.clone()), role));
        }
        if let Some(lower) = &mut self.lower {
            lower.begin_period();
        }
        self.is_open = true;
    }

    /// A rendition ready for a period, made new or carried on.
    fn lane(&self, lane: Option<Lane>, name: &'static str, track: TrackConfig, role: Role) -> Lane {
        let config = SegmenterConfig {
            part_ms: self.cutting.part_ms,
            segment_ms: self.cutting.segment_ms,
            target_duration_s: self.shop.target_duration_s,
            track: track.clone(),
            role,
            first_msn: self.next_msn,
            starts_at_pts: None,
        };
        let Some(mut lane) = lane else {
            let rendition = Rendition::new(name, track, self.next_msn, self.next_init, &self.shop);
            return Lane { rendition, segmenter: Segmenter::new(config), role };
        };
        lane.rendition.use_track(track.clone(), &self.shop);
        lane.rendition.begin_period();
        if lane.role == role {
            let _empty = lane.segmenter.discontinuity(Some(track), Some(self.next_msn));
        } else {
            (lane.segmenter, lane.role) = (Segmenter::new(config), role);
        }
        lane
    }

    /// Publishes what is pending and ends the open segments. Media is ignored until the next period begins.
    pub(crate) fn close_period(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        self.release_audio(self.audio_ends_at());
        self.held.clear();
        let leader = if self.leads_video { &mut self.source } else { &mut self.audio };
        if let Some(lane) = leader {
            let outputs = lane.segmenter.discontinuity(None, None);
            self.next_msn = lane.segmenter.msn();
            self.lead(outputs);
        }
        self.pace.open_msn = self.next_msn;
        self.pace.expected_cut = None;
        let (next, leads_video) = (self.next_msn, self.leads_video);
        if leads_video && let Some(lane) = &mut self.audio {
            let outputs = lane.segmenter.discontinuity(None, Some(next));
            Self::follow(lane, outputs, &mut self.shop, &self.pace);
            Self::fill_up(lane, next, &self.shop, &self.pace);
        }
        if !leads_video && let Some(lane) = &mut self.source {
            Self::fill_up(lane, next, &self.shop, &self.pace);
        }
        self.hang_out();
    }

    /// Takes the next frame of the source.
    pub(crate) fn push_video(&mut self, sample: Sample) {
        if !self.is_open || !self.leads_video {
            return;
        }
        self.learn_rate(&sample);
        self.video_pts = self.video_pts.max(sample.pts());
        if let Some(lower) = &mut self.lower {
            lower.offer(&sample);
        }
        let Some(lane) = &mut self.source else { return };
        let outputs = lane.segmenter.push(sample);
        let is_changed = !outputs.is_empty();
        self.lead(outputs);
        let released = self.release_audio(self.video_pts);
        if is_changed || released {
            self.hang_out();
        }
    }

    /// Takes the next audio frame. False when the picture has been missing for so long that the period should end.
    pub(crate) fn push_audio(&mut self, sample: Sample) -> bool {
        let Some(lane) = self.audio.as_mut().filter(|_| self.is_open) else { return true };
        let at = rescale(sample.dts, lane.segmenter.timescale(), VIDEO_TIMESCALE);
        if at + 900 < self.begins_at {
            return true;
        }
        if !self.leads_video {
            let outputs = lane.segmenter.push(sample);
            if !outputs.is_empty() {
                self.lead(outputs);
                self.hang_out();
            }
            return true;
        }
        self.held.push_back((at, sample));
        if self.release_audio(self.video_pts) {
            self.hang_out();
        }
        let frame = self.frame_ticks.min(FRAME_MS_MAX * 90);
        self.held.back().is_none_or(|(newest, _)| newest - self.video_pts < VIDEO_STALL_MS * 90 + 2 * frame)
    }

    /// How far sound may go on when the picture has ended: a moment, and not past what a segment may last.
    fn audio_ends_at(&self) -> i64 {
        let start = self.pace.starts.back().map_or(i64::MAX / 2, |(_, pts)| *pts);
        let segment_max = (i64::from(self.shop.target_duration_s) * 1_000 + AUDIO_OVER_TARGET_MS) * 90;
        (self.video_pts + self.frame_ticks + AUDIO_TAIL_MS * 90).min(start + segment_max)
    }

    /// Gives held audio up to `until` to its segmenter. True when that published something.
    fn release_audio(&mut self, until: i64) -> bool {
        let Some(lane) = &mut self.audio else { return false };
        let mut is_changed = false;
        while self.held.front().is_some_and(|(at, _)| *at <= until) {
            let Some((_, sample)) = self.held.pop_front() else { break };
            let outputs = lane.segmenter.push(sample);
            is_changed |= !outputs.is_empty();
            Self::follow(lane, outputs, &mut self.shop, &self.pace);
        }
        is_changed
    }

    /// Publishes what the leader put out and tells the followers where it cut.
    fn lead(&mut self, outputs: Outputs) {
        for output in outputs {
            let leader = if self.leads_video { &mut self.source } else { &mut self.audio };
            let Some(lane) = leader else { return };
            match output {
                Output::Part(part) => {
                    let target = lane.segmenter.part_target_s();
                    lane.rendition.push_part(part, target, &mut self.shop);
                }
                Output::Segment(end) => {
                    let span = lane.rendition.span(&end);
                    if end.part_count > 0 {
                        lane.rendition.end_segment(&end, &self.shop);
                    }
                    let timescale = lane.segmenter.timescale();
                    self.after_cut(&end, span, timescale);
                }
            }
        }
        let leader = if self.leads_video { &self.source } else { &self.audio };
        let expected = leader.as_ref().and_then(|lane| {
            Some(rescale(lane.segmenter.expected_cut_pts()?, lane.segmenter.timescale(), VIDEO_TIMESCALE))
        });
        self.pace.expected_cut = expected;
    }

    fn after_cut(&mut self, end: &SegmentEnd, span: Span, timescale: u32) {
        self.has_forced_cut |= end.reason == CutReason::Forced;
        let pts = rescale(end.next_pts, timescale, VIDEO_TIMESCALE);
        self.pace.spans.push_back(span);
        if self.pace.spans.len() > SPANS_MAX {
            self.pace.spans.pop_front();
        }
        self.next_msn = end.msn + 1;
        if end.reason == CutReason::Discontinuity {
            // The period is over: followers end with what they have, wherever that stops.
            self.pace.open_msn = self.next_msn;
            self.refresh_multivariant();
            return;
        }
        self.pace.begin(self.next_msn, pts);
        let other = if self.leads_video { &mut self.audio } else { &mut self.source };
        if let Some(lane) = other {
            if self.leads_video {
                let cut = rescale(pts, VIDEO_TIMESCALE, lane.segmenter.timescale());
                let outputs = lane.segmenter.cut_at(cut);
                Self::follow(lane, outputs, &mut self.shop, &self.pace);
                if lane.segmenter.msn() + LAG_SEGMENTS_MAX <= end.msn {
                    let outputs = lane.segmenter.discontinuity(None, Some(end.msn + 1));
                    Self::follow(lane, outputs, &mut self.shop, &self.pace);
                }
            } else {
                Self::fill_up(lane, end.msn + 1, &self.shop, &self.pace);
            }
        }
        if let Some(lower) = &mut self.lower {
            lower.leader_cut(&mut self.shop, &self.pace);
        }
        self.refresh_multivariant();
    }

    /// Publishes what a follower put out.
    pub(crate) fn follow(lane: &mut Lane, outputs: Outputs, shop: &mut Shop, pace: &Pace) {
        for output in outputs {
            match output {
                Output::Part(part) => {
                    let target = lane.segmenter.part_target_s();
                    lane.rendition.push_part(part, target, shop);
                }
                Output::Segment(end) if end.reason == CutReason::Abandoned => lane.rendition.break_off(&end, shop),
                Output::Segment(end) if end.part_count > 0 => lane.rendition.end_segment(&end, shop),
                Output::Segment(end) => Self::fill_up(lane, end.msn + 1, shop, pace),
            }
        }
    }

    /// Lists gaps for everything before `msn` that a rendition has nothing for.
    pub(crate) fn fill_up(lane: &mut Lane, msn: u64, shop: &Shop, pace: &Pace) {
        if !lane.rendition.has_begun() && lane.rendition.playlist.last_part().is_none() {
            return;
        }
        while lane.rendition.next_msn() < msn {
            let missing = lane.rendition.next_msn();
            let fallback = Span { msn: missing, duration_s: f64::from(shop.target_duration_s), date_ms: 0 };
            lane.rendition.list_gap(pace.span(missing).unwrap_or(fallback), shop);
            if lane.rendition.next_msn() == missing {
                return;
            }
        }
    }

    fn learn_rate(&mut self, sample: &Sample) {
        let step = sample.dts - std::mem::replace(&mut self.video_dts, sample.dts);
        self.frame_ticks = if sample.duration > 0 { i64::from(sample.duration) } else { step.max(0) };
    }

    /// Hangs out every rendition as it is now, each saying how far the others are.
    pub(crate) fn hang_out(&mut self) {
        for lane in [self.source.as_mut(), self.audio.as_mut()].into_iter().flatten() {
            if self.is_open {
                let cut = self.pace.cut_after(lane.segmenter.msn());
                lane.rendition.set_hint(&lane.segmenter, cut);
            } else {
                lane.rendition.clear_hint();
            }
        }
        let had_all = self.is_playable();
        let reports = self.reports();
        for lane in [self.source.as_mut(), self.audio.as_mut()].into_iter().flatten() {
            if lane.rendition.is_dirty() {
                lane.rendition.hang_out(but(&reports, lane.rendition.name), &self.shop);
            }
        }
        if let Some(lower) = &mut self.lower {
            lower.hang_out(|name| but(&reports, name), &self.shop, &self.pace);
        }
        if !had_all && self.is_playable() {
            self.refresh_multivariant();
        }
    }

    fn reports(&self) -> Vec<RenditionReport> {
        let own = [&self.source, &self.audio].into_iter().flatten().map(|lane| &lane.rendition);
        own.chain(self.lower.iter().flat_map(Lower::renditions)).filter_map(Rendition::report).collect()
    }

    /// Whether every rendition of the source has something to play.
    fn is_playable(&self) -> bool {
        let mut lanes = [self.source.as_ref(), self.audio.as_ref()].into_iter().flatten().peekable();
        lanes.peek().is_some() && lanes.all(|lane| lane.rendition.has_begun())
    }

    /// Writes the multivariant playlist anew: rates are measured, and renditions come and go.
    pub(crate) fn refresh_multivariant(&mut self) {
        if !self.is_playable() {
            return;
        }
        let stream = self.shop.shelf.info.stream_id;
        let mut playlist = Multivariant { independent_segments: self.is_independent(), ..Multivariant::default() };
        if let Some(lane) = &self.audio
            && let TrackConfig::Audio(aac) = &lane.rendition.track
        {
            let rates = lane.rendition.rates();
            playlist.audio = Some(AudioRendition {
                uri: format!("{stream}/{AUDIO}/{}", uri::PLAYLIST),
                name: "Audio".to_owned(),
                language: self.audio_language.clone(),
                codecs: aac.codecs(),
                channels: aac.channels,
                bandwidth: rates.peak(),
                average_bandwidth: rates.average(),
            });
        }
        if let Some(lane) = &self.source {
            playlist.variants.extend(variant(&lane.rendition, self.frame_ticks, stream));
        }
        for follower in self.lower.iter().flat_map(Lower::followers).filter(|follower| follower.is_offered()) {
            let found = follower.rendition().and_then(|rendition| variant(rendition, follower.frame_ticks(), stream));
            playlist.variants.extend(found);
        }
        self.shop.shelf.set_multivariant(playlist);
    }

    /// `EXT-X-INDEPENDENT-SEGMENTS` may be promised: every cut so far was at a key frame.
    fn is_independent(&self) -> bool {
        !self.leads_video || !self.has_forced_cut
    }

    pub(crate) fn thumbnail(&self, jpeg: Bytes) {
        self.shop.shelf.set_thumbnail(jpeg.clone());
        self.shop.tape.thumbnail(jpeg);
    }

    /// The storyboard's next picture. What it shows may be too long ago to know where that was.
    pub(crate) fn tile(&mut self, pts: i64, jpeg: &Bytes) {
        if let Some(place) = self.pace.place_of(pts) {
            let tape = &self.shop.tape;
            self.storyboard.take(place, jpeg, &mut |sheet, jpeg| tape.sheet(sheet, jpeg));
        }
    }

    /// This node stops while the stream may go on elsewhere: what is pending goes out, and the recording can be resumed.
    pub(crate) fn interrupt(&mut self) {
        self.close_all();
        let tape = &self.shop.tape;
        self.storyboard.finish(&mut |sheet, jpeg| tape.sheet(sheet, jpeg));
        self.shop.tape.close(RecordingEnd::Interrupted);
    }

    fn close_all(&mut self) {
        self.close_period();
        if let Some(lower) = &mut self.lower {
            lower.close(&mut self.shop, &self.pace);
        }
        self.hang_out();
    }

    /// The stream is over: ends every playlist and the recording.
    pub(crate) fn end(&mut self) {
        self.close_all();
        for lane in [self.source.as_mut(), self.audio.as_mut()].into_iter().flatten() {
            lane.rendition.end();
        }
        if let Some(lower) = &mut self.lower {
            lower.end();
        }
        self.shop.shelf.end();
        self.hang_out();
        let tape = &self.shop.tape;
        self.storyboard.finish(&mut |sheet, jpeg| tape.sheet(sheet, jpeg));
        self.shop.tape.close(RecordingEnd::Ended);
    }
}

/// A line for a video rendition. `frame_ticks`: measured time from picture to picture, in 90 kHz.
fn variant(rendition: &Rendition, frame_ticks: i64, stream: StreamId) -> Option<Variant> {
    let TrackConfig::Video(video) = &rendition.track else { return None };
    let rates = rendition.rates();
    let measured = (frame_ticks > 0).then(|| f64::from(VIDEO_TIMESCALE) / frame_ticks as f64);
    // Encoders are known to be wrong about their own rate; what is measured has the last word.
    let told = video.frame_rate().map(media::codec::FrameRate::as_f64);
    let frame_rate = match (told, measured) {
        (Some(told), Some(measured)) if (told - measured).abs() < told * 0.02 => Some(told),
        (told, measured) => measured.or(told),
    };
    let iframes = (rendition.iframe_bps > 0).then(|| IFrames {
        uri: format!("{stream}/{}/{}", rendition.name, uri::IFRAMES),
        bandwidth: rendition.iframe_bps,
    });
    Some(Variant {
        uri: format!("{stream}/{}/{}", rendition.name, uri::PLAYLIST),
        name: rendition.name.to_owned(),
        codecs: video.codecs(),
        bandwidth: rates.peak(),
        average_bandwidth: rates.average(),
        resolution: video.display_size(),
        frame_rate,
        iframes,
    })
}

fn but(reports: &[RenditionReport], name: &str) -> Vec<RenditionReport> {
    let own = format!("../{name}/{}", uri::PLAYLIST);
    reports.iter().filter(|report| report.uri != own).cloned().collect()
}
