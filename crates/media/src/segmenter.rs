//! Cuts one rendition's samples into parts and segments.
//!
//! Owns the rules of cutting: where a segment ends, how long a part is, what number it gets. Keeps no finished bytes and
//! writes no playlist. One rendition leads (the source's video, or the audio of a stream without video) and decides where
//! segments end; the others follow: each [`SegmentEnd::next_pts`] of the leader, rescaled, goes to [`Segmenter::cut_at`] of
//! every follower, so all renditions share numbers and boundaries.
//!
//! **Latency.** A frame's length shows only when the next frame comes. A part that waited for it would be one frame late, so a
//! part closes on the *forecast* length ([`Sample::duration`], or the last step when the rhythm has been steady). Decode
//! times stay gapless: when the next sample proves the forecast wrong, that sample begins where the published part
//! ended and its length makes up the difference. Its presentation time stays exact if the error is within one frame; beyond
//! that (frames were lost behind a published part) the picture is shown early rather than leaving a hole that
//! stalls players. Presentation times of all later samples are untouched, so errors never add up.
//!
//! **Part target.** It is fixed when the first part closes, from the steps seen until then: the configured length if a whole
//! number of frames fills at least 85 % of it, otherwise the whole number of frames nearest to it.
//!
//! **Limits of this.** A single frame longer than the part target makes a part of its own length; a rhythm that changes after
//! the start may give parts under 85 %. Pauses that would break the target duration are reported by the timeline as gaps
//! and must be turned into a [`Segmenter::discontinuity`].

mod cut;
mod part;

use std::collections::VecDeque;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::cmaf::{FragmentMeta, TrackConfig, fragment};
use crate::sample::{Sample, Ticks, rescale};
use cut::Leader;
use part::{LongestStep, PartTarget};

/// Cuts that wait for a follower's samples; more means it is dead and the oldest are dropped.
const CUTS_WAITING_MAX: usize = 64;
/// Samples of one part. A publisher cannot make us hold more, whatever its timestamps say.
const PART_SAMPLES_MAX: usize = 512;
/// Payload of one part, likewise.
const PART_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Whether a rendition decides about cuts or is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
}

/// What a segmenter needs to know.
#[derive(Debug, Clone)]
pub struct SegmenterConfig {
    pub part_ms: u32,
    pub segment_ms: u32,
    /// The playlist's `TARGETDURATION`: no segment comes out longer than this plus half a second.
    pub target_duration_s: u32,
    pub track: TrackConfig,
    pub role: Role,
    /// Number of the first segment.
    pub first_msn: u64,
    /// For a rendition that joins a running stream: samples presented before this are dropped, and so is video before
    /// its first sync sample.
    pub starts_at_pts: Option<Ticks>,
}

/// A finished part: one fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub msn: u64,
    pub index: u32,
    pub bytes: Bytes,
    pub duration_ticks: Ticks,
    /// Whether it begins with a sync sample.
    pub is_independent: bool,
    /// Whether `EXT-X-DISCONTINUITY` stands before its segment.
    pub is_discontinuity: bool,
    pub starts_at_dts: Ticks,
    /// Presentation time of its first sample.
    pub starts_at_pts: Ticks,
    /// See [`SegmentEnd::iframe_len`]. In a segment's first part only.
    pub iframe_len: Option<u64>,
}

/// Why a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutReason {
    /// At a key frame (or any audio frame of a leading audio track).
    KeyFrame,
    /// The target duration ran out with no key frame in sight: the next segment does not begin with one.
    Forced,
    /// The leader cut there.
    Followed,
    Discontinuity,
    /// The rendition broke off; see [`Segmenter::restart_at`].
    Abandoned,
    Finished,
}

/// A segment is complete: its parts one after another are its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentEnd {
    pub msn: u64,
    /// 0 for a follower that got no sample for it: list it as a gap with the leader's duration.
    pub part_count: u32,
    pub duration_ticks: Ticks,
    pub starts_at_dts: Ticks,
    pub starts_at_pts: Ticks,
    pub bytes_len: u64,
    /// Whether it begins with a sync sample.
    pub is_independent: bool,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub is_discontinuity: bool,
    /// Bytes from the segment's start to the end of its first picture, if that is an IDR: the byte range for an I-frame
    /// playlist.
    pub iframe_len: Option<u64>,
    pub reason: CutReason,
    /// Where the next segment begins, in presentation time: what followers are told.
    pub next_pts: Ticks,
}

/// What came out of a call, in order. The last part of a segment stands before the segment's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Part(Part),
    Segment(SegmentEnd),
}

/// Outputs of one call; more than four only when a follower catches up.
pub type Outputs = SmallVec<[Output; 4]>;

/// Names a part of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartId {
    pub msn: u64,
    pub index: u32,
}

/// A boundary the leader set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    pts: Ticks,
}

/// The segment that is being filled.
#[derive(Debug, Clone)]
struct Open {
    msn: u64,
    part_count: u32,
    starts_at: Option<(Ticks, Ticks)>,
    bytes_len: u64,
    is_independent: bool,
    is_discontinuity: bool,
    iframe_len: Option<u64>,
}

/// Cuts one rendition. See the module's words.
#[derive(Debug)]
pub struct Segmenter {
    track: TrackConfig,
    timescale: u32,
    role: Role,
    leader: Leader,
    target: PartTarget,
    /// Samples of the part being filled.
    pending: Vec<Sample>,
    pending_bytes: usize,
    /// Where the last published sample ends; `None` at the start of a period.
    published_until: Option<Ticks>,
    /// From the last sample to the one before, as told.
    last_step: i64,
    longest_step: LongestStep,
    steady_steps: u32,
    open: Open,
    cuts: VecDeque<Cut>,
    waits_for: Option<Ticks>,
    needs_sync: bool,
    /// Presentation minus decode time of the last key frame.
    key_offset: i64,
    sequence: u32,
}

/// Equal steps after which the last one is taken as a forecast.
const STEADY_STEPS: u32 = 8;

impl Segmenter {
    pub fn new(config: SegmenterConfig) -> Self {
        let timescale = config.track.timescale().max(1);
        let is_video = config.track.is_video();
        Self {
            leader: Leader::new(timescale, config.segment_ms, config.target_duration_s),
            target: PartTarget::new(timescale, config.part_ms),
            timescale,
            role: config.role,
            pending: Vec::with_capacity(32),
            pending_bytes: 0,
            published_until: None,
            last_step: 0,
            longest_step: LongestStep::default(),
            steady_steps: 0,
            open: Open::new(config.first_msn, false),
            cuts: VecDeque::new(),
            needs_sync: is_video && config.starts_at_pts.is_some(),
            waits_for: config.starts_at_pts,
            key_offset: 0,
            sequence: 0,
            track: config.track,
        }
    }

    pub fn track(&self) -> &TrackConfig {
        &self.track
    }

    pub fn timescale(&self) -> u32 {
        self.timescale
    }

    /// The `PART-TARGET` in seconds, once the first part is out. It never changes afterwards.
    pub fn part_target_s(&self) -> Option<f64> {
        self.target.ticks().map(|ticks| ticks as f64 / f64::from(self.timescale))
    }

    /// Number of the segment being filled.
    pub fn msn(&self) -> u64 {
        self.open.msn
    }

    /// Where the leader expects to cut next, in presentation time, going by the last group of pictures. For hints only.
    pub fn expected_cut_pts(&self) -> Option<Ticks> {
        let (start_dts, start_pts) = self.open.starts_at?;
        self.leader.expected_length().map(|length| start_dts + length + (start_pts - start_dts))
    }

    /// The part that comes next: what `EXT-X-PRELOAD-HINT` should name. `expected_cut` is the leader's
    /// [`Segmenter::expected_cut_pts`] in this rendition's timescale; when everything up to it is published, the hint is
    /// the next segment's first part.
    pub fn next_part(&self, expected_cut: Option<Ticks>) -> PartId {
        let next = PartId { msn: self.open.msn, index: self.open.part_count };
        let (Some(cut), Some(until), Some((dts, pts))) = (expected_cut, self.published_until, self.open.starts_at)
        else {
            return next;
        };
        // Beyond it the leader has not cut where it was expected to.
        let past = until + (pts - dts) - cut;
        let is_full = self.pending.is_empty() && (-self.half_step()..=2 * self.last_step.max(1)).contains(&past);
        if is_full && next.index > 0 { PartId { msn: next.msn + 1, index: 0 } } else { next }
    }

    /// Takes the next sample, in decode order.
    pub fn push(&mut self, mut sample: Sample) -> Outputs {
        let mut out = Outputs::new();
        if self.is_early(&sample) || sample.data.is_empty() {
            return out;
        }
        let told_step = self.settle(&mut sample);
        self.learn_step(told_step);
        if sample.duration == 0 && self.steady_steps >= STEADY_STEPS {
            sample.duration = self.last_step.clamp(0, i64::from(u32::MAX)) as u32;
        }
        self.cut_before(&sample, &mut out);
        if self.must_close_before(&sample) {
            self.close_part(&mut out);
        }
        self.take(sample);
        self.cut_behind(&mut out);
        if self.is_full() {
            self.close_part(&mut out);
        }
        out
    }

    /// Followers: the leader begins a new segment at `pts` (this rendition's timescale). Samples already published beyond it
    /// stay where they are.
    pub fn cut_at(&mut self, pts: Ticks) -> Outputs {
        let mut out = Outputs::new();
        if self.role == Role::Leader {
            return out;
        }
        if self.cuts.len() == CUTS_WAITING_MAX {
            self.cuts.pop_front();
        }
        self.cuts.push_back(Cut { pts });
        self.split_pending(&mut out);
        self.cut_behind(&mut out);
        out
    }

    /// Ends the period: what is pending goes out and the next segment begins after an `EXT-X-DISCONTINUITY`, with `track` if
    /// the codec's header changed. `next_msn` is the leader's next number; a follower that still waits for samples of
    /// segments before it closes them as they are. The leader passes `None`.
    pub fn discontinuity(&mut self, track: Option<TrackConfig>, next_msn: Option<u64>) -> Outputs {
        let mut out = Outputs::new();
        if self.open.starts_at.is_some() || !self.pending.is_empty() || next_msn.is_some_and(|msn| msn > self.open.msn)
        {
            self.end_segment(CutReason::Discontinuity, None, &mut out);
        }
        while next_msn.is_some_and(|msn| msn > self.open.msn) && out.len() < CUTS_WAITING_MAX {
            self.end_segment(CutReason::Discontinuity, None, &mut out);
        }
        if let Some(msn) = next_msn {
            self.open.msn = self.open.msn.max(msn);
        }
        self.open.is_discontinuity = true;
        self.begin_period();
        if let Some(track) = track {
            self.change_track(track);
        }
        out
    }

    /// A follower whose samples broke off (its encoder died): closes what it has as a short segment and goes on as segment
    /// `msn` with the first sync sample presented at `pts` or later, after a discontinuity. The caller lists the numbers
    /// between as gaps.
    pub fn restart_at(&mut self, msn: u64, pts: Ticks, track: Option<TrackConfig>) -> Outputs {
        let mut out = Outputs::new();
        if self.open.starts_at.is_some() || !self.pending.is_empty() {
            self.end_segment(CutReason::Abandoned, None, &mut out);
        }
        self.open = Open::new(self.open.msn.max(msn), true);
        self.begin_period();
        self.waits_for = Some(pts);
        self.needs_sync = self.track.is_video();
        if let Some(track) = track {
            self.change_track(track);
        }
        out
    }

    /// The stream ended: what is pending goes out, and the segment ends.
    pub fn finish(&mut self) -> Outputs {
        let mut out = Outputs::new();
        if self.open.starts_at.is_some() || !self.pending.is_empty() {
            self.end_segment(CutReason::Finished, None, &mut out);
        }
        self.begin_period();
        out
    }

    /// Whether a joining rendition is not there yet.
    fn is_early(&mut self, sample: &Sample) -> bool {
        if let Some(pts) = self.waits_for {
            if sample.pts() + self.half_step() < pts {
                return true;
            }
            self.waits_for = None;
        }
        if self.needs_sync && !sample.is_sync {
            return true;
        }
        self.needs_sync = false;
        false
    }

    /// Puts the sample right behind its predecessor and returns how far apart the sender had them.
    fn settle(&mut self, sample: &mut Sample) -> Option<i64> {
        let told = sample.dts;
        if let Some(last) = self.pending.last_mut() {
            let step = told - last.dts;
            let length = step.clamp(1, i64::from(u32::MAX));
            last.duration = length as u32;
            self.place(sample, self.pending.last().map_or(told, |last| last.dts + length));
            return Some(step);
        }
        let until = self.published_until?;
        self.place(sample, until);
        Some(told - until + self.last_step)
    }

    /// Moves a sample to `dts`, leaving its picture where it was unless that is more than a frame away.
    fn place(&self, sample: &mut Sample, dts: Ticks) {
        let moved = sample.dts - dts;
        if moved == 0 {
            return;
        }
        sample.dts = dts;
        // The forecast length was counted from where the sample stood.
        if sample.duration > 0 {
            let length = i64::from(sample.duration) + moved;
            sample.duration = length.clamp(1, i64::from(u32::MAX)) as u32;
        }
        if !self.track.is_video() {
            return;
        }
        let frame = self.last_step.max(1);
        if moved.abs() <= frame {
            let floor = sample.cts.min(0);
            sample.cts = (i64::from(sample.cts) + moved).clamp(i64::from(floor), i64::from(i32::MAX)) as i32;
        }
    }

    fn learn_step(&mut self, step: Option<i64>) {
        let Some(step) = step.filter(|step| *step > 0) else {
            self.steady_steps = 0;
            return;
        };
        // Two milliseconds are the sender's rounding.
        let tolerance = i64::from(self.timescale) / 500;
        let is_steady = (step - self.last_step).abs() <= tolerance;
        self.steady_steps = if is_steady { self.steady_steps.saturating_add(1) } else { 0 };
        self.last_step = step;
        self.longest_step.push(step);
    }

    fn half_step(&self) -> i64 {
        self.last_step.max(0) / 2
    }

    /// Ends the segment if the sample belongs to the next one.
    fn cut_before(&mut self, sample: &Sample, out: &mut Outputs) {
        match self.role {
            Role::Leader => {
                if self.track.is_video() && sample.is_sync {
                    // First: how long the group was that ends here says how long the next one will be.
                    self.leader.saw_key(sample.dts);
                }
                let Some((start, _)) = self.open.starts_at.or_else(|| self.first_pending()) else { return };
                let length = i64::from(sample.duration).max(self.last_step.min(self.leader.slack()));
                if let Some(reason) =
                    self.leader.decide(sample.dts - start, sample.is_sync, length, self.track.is_video())
                {
                    // In decode order a picture may stand before others that are shown earlier: only a key frame's own time
                    // parts what is shown before from what is shown after.
                    let next = if sample.is_sync { sample.pts() } else { sample.dts + self.key_offset };
                    self.end_segment(reason, Some(next), out);
                }
            }
            Role::Follower => {
                while let Some(cut) = self.cuts.front().copied() {
                    if sample.pts() + self.half_step() < cut.pts {
                        break;
                    }
                    // A segment nobody sent a sample for still has its number.
                    self.cuts.pop_front();
                    self.end_segment(CutReason::Followed, Some(sample.pts()), out);
                }
            }
        }
    }

    /// Followers: ends the segment when what is pending reaches the boundary already, without waiting for the next sample.
    fn cut_behind(&mut self, out: &mut Outputs) {
        let (Some(cut), Some(last)) = (self.cuts.front().copied(), self.pending.last()) else { return };
        let is_audio = !self.track.is_video();
        let end = last.pts() + i64::from(last.duration);
        if is_audio && last.duration > 0 && end + self.half_step() >= cut.pts {
            self.cuts.pop_front();
            self.end_segment(CutReason::Followed, Some(end), out);
        }
    }

    /// Followers: a cut that falls among the pending samples parts them.
    fn split_pending(&mut self, out: &mut Outputs) {
        let half = self.half_step();
        while let Some(cut) = self.cuts.front().copied() {
            let Some(at) = self.pending.iter().position(|sample| sample.pts() + half >= cut.pts) else {
                if self.pending.is_empty() && self.published_past(cut.pts) {
                    self.cuts.pop_front();
                    self.end_segment(CutReason::Followed, Some(cut.pts), out);
                    continue;
                }
                return;
            };
            self.cuts.pop_front();
            let later = self.pending.split_off(at);
            let pts = later.first().map(Sample::pts);
            self.end_segment(CutReason::Followed, pts, out);
            for sample in later {
                self.take(sample);
            }
        }
    }

    /// Whether published media already reaches the boundary.
    fn published_past(&self, pts: Ticks) -> bool {
        let shift = self.open.starts_at.map_or(0, |(dts, pts)| pts - dts);
        self.published_until.is_some_and(|until| until + shift + self.half_step() >= pts)
    }

    fn first_pending(&self) -> Option<(Ticks, Ticks)> {
        self.pending.first().map(|sample| (sample.dts, sample.pts()))
    }

    fn take(&mut self, sample: Sample) {
        if self.open.starts_at.is_none() {
            self.open.starts_at = Some((sample.dts, sample.pts()));
            self.open.is_independent = sample.is_sync;
        }
        if self.role == Role::Leader && self.track.is_video() && sample.is_sync {
            self.key_offset = i64::from(sample.cts);
        }
        self.pending_bytes += sample.data.len();
        self.pending.push(sample);
    }

    /// Length of what is pending, the last sample's forecast included.
    fn pending_ticks(&self) -> i64 {
        match (self.pending.first(), self.pending.last()) {
            (Some(first), Some(last)) => last.dts - first.dts + i64::from(last.duration),
            _ => 0,
        }
    }

    fn must_close_before(&mut self, sample: &Sample) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        if self.pending.len() >= PART_SAMPLES_MAX || self.pending_bytes + sample.data.len() > PART_BYTES_MAX {
            return true;
        }
        if sample.duration > 0 {
            return self.target.is_full_before(&self.pending, self.pending_ticks(), i64::from(sample.duration));
        }
        let length = self.pending_ticks();
        self.target.is_filled(length) && self.target.is_full_before(&self.pending, length, self.longest_step.get())
    }

    fn is_full(&mut self) -> bool {
        let Some(last) = self.pending.last().filter(|last| last.duration > 0) else { return false };
        let next = i64::from(last.duration);
        self.target.is_full_before(&self.pending, self.pending_ticks(), next)
    }

    /// Publishes what is pending as a part.
    fn close_part(&mut self, out: &mut Outputs) {
        let Some((dts, pts)) = self.first_pending() else { return };
        self.target.fix(&self.pending, self.pending_ticks());
        let fallback = self.last_step.clamp(1, i64::from(u32::MAX)) as u32;
        if let Some(last) = self.pending.last_mut().filter(|last| last.duration == 0) {
            last.duration = fallback;
        }
        let duration_ticks = self.pending_ticks();
        self.sequence = self.sequence.wrapping_add(1);
        let meta = FragmentMeta { sequence: self.sequence, base_dts: dts, is_video: self.track.is_video() };
        let bytes = fragment(meta, &self.pending);
        let first = &self.pending[0];
        if self.open.part_count == 0 && first.is_sync && self.track.is_video() {
            let rest = self.pending_bytes - first.data.len();
            self.open.iframe_len = Some((bytes.len() - rest) as u64);
        }
        out.push(Output::Part(Part {
            msn: self.open.msn,
            index: self.open.part_count,
            duration_ticks,
            is_independent: first.is_sync,
            is_discontinuity: self.open.is_discontinuity,
            starts_at_dts: dts,
            starts_at_pts: pts,
            iframe_len: self.open.iframe_len.filter(|_| self.open.part_count == 0),
            bytes: bytes.clone(),
        }));
        self.open.part_count += 1;
        self.open.bytes_len += bytes.len() as u64;
        self.published_until = Some(dts + duration_ticks);
        self.pending.clear();
        self.pending_bytes = 0;
    }

    /// Publishes what is pending and ends the segment. `next_pts` is where the next begins, if known.
    fn end_segment(&mut self, reason: CutReason, next_pts: Option<Ticks>, out: &mut Outputs) {
        self.close_part(out);
        let until = self.published_until.unwrap_or_default();
        let (dts, pts) = self.open.starts_at.unwrap_or((until, until));
        let next = Open::new(self.open.msn + 1, false);
        let open = std::mem::replace(&mut self.open, next);
        out.push(Output::Segment(SegmentEnd {
            msn: open.msn,
            part_count: open.part_count,
            duration_ticks: if open.part_count == 0 { 0 } else { until - dts },
            starts_at_dts: dts,
            starts_at_pts: pts,
            bytes_len: open.bytes_len,
            is_independent: open.is_independent,
            is_discontinuity: open.is_discontinuity,
            iframe_len: open.iframe_len,
            reason,
            next_pts: next_pts.unwrap_or(until + (pts - dts)),
        }));
    }

    fn begin_period(&mut self) {
        self.published_until = None;
        self.steady_steps = 0;
        self.longest_step = LongestStep::default();
        self.cuts.clear();
        self.leader.begin_period();
    }

    fn change_track(&mut self, track: TrackConfig) {
        let timescale = track.timescale().max(1);
        if timescale != self.timescale {
            self.last_step = rescale(self.last_step, self.timescale, timescale);
            self.leader.rescale(self.timescale, timescale);
            self.target.rescale(self.timescale, timescale);
            self.timescale = timescale;
        }
        self.track = track;
    }
}

impl Open {
    fn new(msn: u64, is_discontinuity: bool) -> Self {
        Self {
            msn,
            part_count: 0,
            starts_at: None,
            bytes_len: 0,
            is_independent: false,
            is_discontinuity,
            iframe_len: None,
        }
    }
}
