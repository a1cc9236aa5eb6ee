//! One rendition's way from the segmenter to its readers: its playlist, its place on the origin's shelf, its recording.
//!
//! Owns what is published of one rendition: numbering of init segments, dates, measured rates, the window and what has left
//! it. Does not decide where segments end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use domain::Timestamp;
use media::bandwidth::{Bandwidth, iframe_bps};
use media::cmaf::TrackConfig;
use media::playlist::{MediaPlaylist, PartLine, RenditionReport, SegmentLine, SegmentStart, SegmentTail, uri};
use media::segmenter::{Part, PartId, SegmentEnd, Segmenter};
use media::{VIDEO_TIMESCALE, rescale};
use tokio::time::{Duration, Instant};

use super::clock::ProgramClock;
use super::tape::Tape;
use crate::origin::cold::Cellar;
use crate::origin::shelf::{Rack, Segment, Shelf, View};
use crate::record::RecordedPart;

/// The newest finished segments stay in memory: what players at the live edge fetch. Older ones move to disk.
const HOT_SEGMENTS: usize = 4;
/// Init segments kept. A publisher that changes its format again and again loses the oldest.
const INITS_MAX: usize = 64;

/// What all renditions of a stream share.
pub(crate) struct Shop {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) tape: Tape,
    pub(crate) clock: ProgramClock,
    pub(crate) cellar: Cellar,
    pub(crate) window_segments: usize,
    pub(crate) target_duration_s: u32,
    /// Numbers of the segments before which a discontinuity stands, newest last.
    pub(crate) discontinuities: VecDeque<u64>,
    /// Discontinuities of the whole stream.
    pub(crate) discontinuity_total: u64,
    /// What each rendition had before this node took the stream up.
    pub(crate) earlier: HashMap<String, Vec<SegmentLine>>,
    /// Parts published so far, of all renditions.
    pub(crate) parts: u64,
}

impl Shop {
    pub(crate) fn is_discontinuity(&self, msn: u64) -> bool {
        self.discontinuities.contains(&msn)
    }

    /// `EXT-X-DISCONTINUITY-SEQUENCE` of a playlist that begins with `msn`.
    fn discontinuity_sequence_at(&self, msn: u64) -> u64 {
        let later = self.discontinuities.iter().filter(|tagged| **tagged >= msn).count();
        self.discontinuity_total - later as u64
    }
}

/// What a finished segment of the leading rendition was: followers list the same where they have nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) msn: u64,
    pub(crate) duration_s: f64,
    pub(crate) date_ms: i64,
}

/// A segment that may still be fetched.
struct Kept {
    segment: Arc<Segment>,
    /// Set when it left the playlist.
    expires: Option<Instant>,
}

pub(crate) struct Rendition {
    pub(crate) name: &'static str,
    pub(crate) track: TrackConfig,
    pub(crate) playlist: MediaPlaylist,
    pub(crate) bandwidth: Bandwidth,
    /// Rate to declare for its key frames alone; 0 without any.
    pub(crate) iframe_bps: u64,
    rack: Arc<Rack>,
    is_on_shelf: bool,
    /// Whether something changed since it was last hung out.
    is_dirty: bool,
    kept: VecDeque<Kept>,
    kept_view: Arc<[Arc<Segment>]>,
    /// Number of the segment that comes or is being filled.
    next_msn: u64,
    open_parts: Vec<Bytes>,
    open_ticks: i64,
    open_date_us: i64,
    open_is_independent: bool,
    open_starts_at_us: i64,
    open_iframe_len: Option<u64>,
    inits: Arc<[(u32, Bytes)]>,
    init_no: u32,
    next_init_no: u32,
    /// First decode and presentation time of the period, in ticks: what dates are counted from.
    period: Option<(i64, i64)>,
    hint: Option<PartId>,
}

impl Rendition {
    /// A rendition whose first segment will be `first_msn`, its first init segment `first_init`.
    pub(crate) fn new(name: &'static str, track: TrackConfig, first_msn: u64, first_init: u32, shop: &Shop) -> Self {
        let playlist = MediaPlaylist::new(shop.target_duration_s, shop.window_segments, first_msn)
            .with_discontinuity_sequence(shop.discontinuity_sequence_at(first_msn));
        let view = View::new(playlist.clone(), first_msn);
        let rack = Rack::new(name, view);
        shop.earlier.get(name).into_iter().flatten().for_each(|line| rack.past.push(line.clone()));
        let mut rendition = Self {
            name,
            playlist,
            bandwidth: Bandwidth::default(),
            iframe_bps: 0,
            rack: Arc::new(rack),
            is_on_shelf: false,
            is_dirty: false,
            kept: VecDeque::new(),
            kept_view: Arc::new([]),
            next_msn: first_msn,
            open_parts: Vec::with_capacity(16),
            open_ticks: 0,
            open_date_us: 0,
            open_is_independent: false,
            open_starts_at_us: 0,
            open_iframe_len: None,
            inits: Arc::new([]),
            init_no: first_init,
            next_init_no: first_init,
            period: None,
            hint: None,
            track: track.clone(),
        };
        rendition.use_track(track, shop);
        rendition
    }

    /// Number of the segment that comes or is being filled.
    pub(crate) fn next_msn(&self) -> u64 {
        self.next_msn
    }

    /// Whether anything of it can be fetched.
    pub(crate) fn has_begun(&self) -> bool {
        self.is_on_shelf
    }

    /// Dates are counted from the next part on.
    pub(crate) fn begin_period(&mut self) {
        self.period = None;
    }

    /// A new init segment holds from the next segment on, unless the track is what it was.
    pub(crate) fn use_track(&mut self, track: TrackConfig, shop: &Shop) {
        let is_first = self.inits.is_empty();
        if !is_first && track == self.track {
            return;
        }
        let bytes = track.init();
        self.init_no = self.next_init_no;
        self.next_init_no += 1;
        shop.tape.rendition(self.name, &track);
        shop.tape.init(self.name, self.init_no, bytes.clone());
        let skip = (self.inits.len() + 1).saturating_sub(INITS_MAX);
        self.inits = self.inits.iter().skip(skip).cloned().chain([(self.init_no, bytes)]).collect();
        self.track = track;
    }

    /// Publishes a part.
    pub(crate) fn push_part(&mut self, part: Part, part_target_s: Option<f64>, shop: &mut Shop) {
        let timescale = self.track.timescale().max(1);
        let us = |ticks: i64| rescale(ticks, timescale, 1_000_000);
        let (first_dts, first_pts) = *self.period.get_or_insert((part.starts_at_dts, part.starts_at_pts));
        let media_us = us(first_pts + (part.starts_at_dts - first_dts));
        if self.open_parts.is_empty() {
            self.open_date_us = shop.clock.date_us(media_us);
            self.open_is_independent = part.is_independent;
            self.next_msn = part.msn;
            self.playlist.begin_segment(SegmentStart {
                msn: part.msn,
                program_date_time_ms: self.open_date_us.div_euclid(1_000),
                init: self.init_no,
                is_discontinuity: shop.is_discontinuity(part.msn),
                starts_at_us: Some(us(part.starts_at_pts)),
            });
            self.open_starts_at_us = us(part.starts_at_pts);
            self.open_iframe_len = part.iframe_len;
            if let Some(length) = part.iframe_len.filter(|_| self.iframe_bps == 0) {
                // The first one's length is not known yet; it will hardly be longer than a segment should be.
                self.iframe_bps = iframe_bps(length, f64::from(shop.target_duration_s));
            }
        }
        if let Some(seconds) = part_target_s {
            self.playlist.set_part_target(seconds);
        }
        let duration_s = part.duration_ticks as f64 / f64::from(timescale);
        let is_independent = part.is_independent && self.track.is_video() || !self.track.is_video();
        self.playlist.push_part(PartLine { duration_s, is_independent });
        shop.clock.published_until(media_us + us(part.duration_ticks));
        shop.tape.part(RecordedPart {
            rendition: self.name,
            msn: part.msn,
            bytes: part.bytes.clone(),
            duration_us: u64::try_from(us(part.duration_ticks)).unwrap_or(0),
            program_at: Timestamp::from_timestamp_micros(self.open_date_us).unwrap_or_else(kit::clock::now),
            init_no: self.init_no,
            is_discontinuity: shop.is_discontinuity(part.msn),
            is_independent: self.open_is_independent,
            starts_at_us: Some(self.open_starts_at_us),
            iframe_len: self.open_iframe_len,
        });
        shop.parts += 1;
        self.open_ticks += part.duration_ticks;
        self.open_parts.push(part.bytes);
        self.is_dirty = true;
    }

    /// Finishes the open segment.
    pub(crate) fn end_segment(&mut self, end: &SegmentEnd, shop: &Shop) {
        let timescale = self.track.timescale().max(1);
        let duration_s = end.duration_ticks as f64 / f64::from(timescale);
        self.bandwidth.push(end.bytes_len, duration_s);
        if let Some(length) = end.iframe_len {
            self.iframe_bps = self.iframe_bps.max(iframe_bps(length, duration_s));
        }
        let segment = self.close(SegmentTail { duration_s, is_gap: false, iframe_len: end.iframe_len }, shop);
        shop.tape.segment_end(self.name, end.msn, micros(duration_s), segment);
    }

    /// Tells the recording that nothing more comes for a segment that broke off. The playlist hears of it when its gap is
    /// listed.
    pub(crate) fn break_off(&mut self, end: &SegmentEnd, shop: &Shop) {
        let timescale = self.track.timescale().max(1);
        let duration_us = micros(end.duration_ticks as f64 / f64::from(timescale));
        shop.tape.segment_end(self.name, end.msn, duration_us, Weak::new());
    }

    /// Lists a segment that cannot be fetched, as long as the leading rendition's.
    pub(crate) fn list_gap(&mut self, span: Span, shop: &Shop) {
        if span.msn < self.next_msn || (span.msn > self.next_msn && !self.open_parts.is_empty()) {
            return;
        }
        self.next_msn = span.msn;
        if self.open_parts.is_empty() {
            self.playlist.begin_segment(SegmentStart {
                msn: span.msn,
                program_date_time_ms: span.date_ms,
                init: self.init_no,
                is_discontinuity: shop.is_discontinuity(span.msn),
                starts_at_us: None,
            });
        }
        self.close(SegmentTail { duration_s: span.duration_s, is_gap: true, iframe_len: None }, shop);
    }

    /// What the segment being filled would be listed as, for followers.
    pub(crate) fn span(&self, end: &SegmentEnd) -> Span {
        let timescale = self.track.timescale().max(1);
        Span {
            msn: end.msn,
            duration_s: end.duration_ticks as f64 / f64::from(timescale),
            date_ms: self.open_date_us.div_euclid(1_000),
        }
    }

    /// Closes the open segment, and gives it back if there is anything in it.
    fn close(&mut self, tail: SegmentTail, shop: &Shop) -> Weak<Segment> {
        let now = Instant::now();
        let msn = self.next_msn;
        self.is_dirty = true;
        let gone = self.playlist.end_segment(tail);
        let parts = std::mem::replace(&mut self.open_parts, Vec::with_capacity(16));
        let mut closed = Weak::new();
        if !parts.is_empty() {
            let segment = Arc::new(Segment::new(msn, parts));
            closed = Arc::downgrade(&segment);
            self.kept.push_back(Kept { segment, expires: None });
        }
        self.open_ticks = 0;
        self.next_msn = msn + 1;
        if let Some(gone) = gone {
            // rfc8216bis 6.2.2: its own duration and that of the longest playlist that contained it.
            let listed: f64 = self.playlist.segments().map(|line| line.tail.duration_s).sum();
            let stays = Duration::from_secs_f64((listed + 2.0 * gone.tail.duration_s).clamp(0.0, 3_600.0));
            for kept in self.kept.iter_mut().filter(|kept| kept.segment.msn == gone.start.msn) {
                kept.expires = Some(now + stays);
            }
            self.remember(gone, shop);
        }
        self.forget_expired(now);
        if let Some(cooled) = self.kept.len().checked_sub(HOT_SEGMENTS + 1).and_then(|index| self.kept.get(index)) {
            shop.cellar.store(&cooled.segment);
        }
        self.kept_view = self.kept.iter().map(|kept| Arc::clone(&kept.segment)).collect();
        closed
    }

    fn forget_expired(&mut self, now: Instant) {
        self.rack.past.settle();
        while self.kept.front().is_some_and(|kept| kept.expires.is_some_and(|expires| expires <= now)) {
            let Some(Kept { segment, .. }) = self.kept.pop_front() else { break };
            match (segment.is_stored(), segment.is_spooled()) {
                (true, _) => {}
                (false, true) => self.rack.past.wait_for(segment),
                // The recording could not keep it, and here it leaves too.
                (false, false) => self.rack.past.lose(segment.msn),
            }
        }
    }

    /// Lists a segment that left the window in playlists that begin with the stream.
    fn remember(&mut self, mut gone: SegmentLine, shop: &Shop) {
        if !shop.tape.is_recording() {
            return;
        }
        let kept = self.kept.iter().find(|kept| kept.segment.msn == gone.start.msn);
        gone.tail.is_gap |= kept.is_none();
        self.rack.past.push(gone);
    }

    /// Names the part that comes next. `next_cut_pts` is where the segment probably ends, in ticks of 90 kHz.
    pub(crate) fn set_hint(&mut self, segmenter: &Segmenter, next_cut_pts: Option<i64>) {
        let cut = next_cut_pts.map(|pts| rescale(pts, VIDEO_TIMESCALE, self.track.timescale()));
        self.hint = Some(segmenter.next_part(cut)).filter(|next| next.msn >= self.next_msn);
    }

    pub(crate) fn clear_hint(&mut self) {
        self.is_dirty |= self.hint.is_some();
        self.hint = None;
    }

    /// How far it is, for the other renditions' playlists.
    pub(crate) fn report(&self) -> Option<RenditionReport> {
        let last = self.playlist.last_part().filter(|_| self.is_on_shelf)?;
        Some(RenditionReport { uri: format!("../{}/{}", self.name, uri::PLAYLIST), last })
    }

    /// Whether readers have not seen the newest yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty && self.playlist.last_part().is_some()
    }

    /// Hangs out what there is now.
    pub(crate) fn hang_out(&mut self, reports: Vec<RenditionReport>, shop: &Shop) {
        self.is_dirty = false;
        self.playlist.set_hint(self.hint);
        self.playlist.set_reports(reports);
        let mut view = View::new(self.playlist.clone(), self.next_msn);
        view.closed = Arc::clone(&self.kept_view);
        view.open_parts.clone_from(&self.open_parts);
        view.inits = Arc::clone(&self.inits);
        self.rack.hang_out(view);
        if !self.is_on_shelf {
            self.is_on_shelf = true;
            shop.shelf.add(Arc::clone(&self.rack));
        }
    }

    /// Ends the playlist.
    pub(crate) fn end(&mut self) {
        self.hint = None;
        self.is_dirty = true;
        self.playlist.end();
    }

    /// Measured rates; of what is there so far while no segment is finished.
    pub(crate) fn rates(&self) -> Bandwidth {
        let mut rates = self.bandwidth;
        if self.playlist.last_msn().is_none() {
            let bytes: usize = self.open_parts.iter().map(Bytes::len).sum();
            // The first moments hold a key frame and little else: what is measured there errs on the safe side.
            rates.push(bytes as u64, self.open_ticks as f64 / f64::from(self.track.timescale().max(1)));
        }
        rates
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round().max(0.0) as u64
}
