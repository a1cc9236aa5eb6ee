//! A live rendition's media playlist.

use std::collections::VecDeque;
use std::fmt::Write;

use super::{VERSION, child_query, put_date_time, put_iframe, put_map, uri};
use crate::segmenter::PartId;

/// `CAN-SKIP-UNTIL` in target durations (rfc8216bis 4.4.3.8: at least six).
const SKIP_UNTIL_TARGETS: u32 = 6;
/// Parts are listed for this many target durations (rfc8216bis 4.4.4.9: at least three).
const PARTS_LISTED_TARGETS: u32 = 3;
/// Fewer segments than this are never listed once there are as many.
const WINDOW_MIN: usize = 6;

/// One listed part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartLine {
    pub duration_s: f64,
    pub is_independent: bool,
}

/// What is known of a segment when its first part comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentStart {
    pub msn: u64,
    /// Wall-clock time of its first sample, Unix milliseconds.
    pub program_date_time_ms: i64,
    /// Number of its init segment.
    pub init: u32,
    pub is_discontinuity: bool,
    /// Presentation time of its first sample on the stream's clock, in microseconds; `None` for a segment nothing is there of.
    pub starts_at_us: Option<i64>,
}

/// What is known of a segment when it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentTail {
    pub duration_s: f64,
    /// `EXT-X-GAP`: the segment cannot be fetched.
    pub is_gap: bool,
    /// See [`crate::segmenter::SegmentEnd::iframe_len`].
    pub iframe_len: Option<u64>,
}

/// One listed segment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentLine {
    pub start: SegmentStart,
    pub tail: SegmentTail,
    pub parts: Vec<PartLine>,
}

/// What stands before the window, in a playlist that begins with the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// How many segments, and how many of them follow a discontinuity.
    pub segments: u64,
    pub discontinuities: u64,
    /// The init segment the last of them needs.
    pub init: Option<u32>,
    /// The query of the other renditions' playlists in reports, with its `?`; empty for the media's.
    pub report_query: &'a str,
}

/// How far another rendition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionReport {
    /// Its playlist, relative to ours.
    pub uri: String,
    pub last: PartId,
}

/// The playlist of one rendition while it is live. Lines are only added at the end and removed at the front.
#[derive(Debug, Clone)]
pub struct MediaPlaylist {
    target_duration_s: u32,
    window: usize,
    part_target_s: Option<f64>,
    segments: VecDeque<SegmentLine>,
    open: Option<(SegmentStart, Vec<PartLine>)>,
    next_msn: u64,
    discontinuity_sequence: u64,
    hint: Option<PartId>,
    reports: Vec<RenditionReport>,
    is_ended: bool,
}

impl MediaPlaylist {
    /// An empty playlist whose first segment will be `first_msn`. `window` is the number of segments to list.
    pub fn new(target_duration_s: u32, window: usize, first_msn: u64) -> Self {
        Self {
            target_duration_s: target_duration_s.max(1),
            window: window.max(WINDOW_MIN),
            part_target_s: None,
            segments: VecDeque::with_capacity(window + 1),
            open: None,
            next_msn: first_msn,
            discontinuity_sequence: 0,
            hint: None,
            reports: Vec::new(),
            is_ended: false,
        }
    }

    /// Goes on counting discontinuities where an earlier life of this playlist stopped.
    pub fn with_discontinuity_sequence(mut self, sequence: u64) -> Self {
        self.discontinuity_sequence = sequence;
        self
    }

    /// Sets `PART-TARGET` ([`crate::segmenter::Segmenter::part_target_s`]). The first value stays.
    pub fn set_part_target(&mut self, seconds: f64) {
        self.part_target_s.get_or_insert(seconds);
    }

    /// Begins a segment, before its first part. A number not above the last one is ignored.
    pub fn begin_segment(&mut self, start: SegmentStart) {
        if start.msn >= self.next_msn && self.open.is_none() {
            self.open = Some((start, Vec::with_capacity(16)));
        }
    }

    /// Adds a part to the segment begun.
    pub fn push_part(&mut self, part: PartLine) {
        if let Some((_, parts)) = &mut self.open {
            parts.push(part);
        }
    }

    /// Ends the segment begun, and returns the one that left the window. Its bytes must stay available for its own duration
    /// and the playlist's.
    pub fn end_segment(&mut self, tail: SegmentTail) -> Option<SegmentLine> {
        let (start, parts) = self.open.take()?;
        self.next_msn = start.msn + 1;
        self.segments.push_back(SegmentLine { start, tail, parts });
        if self.segments.len() <= self.window {
            return None;
        }
        let gone = self.segments.pop_front();
        self.discontinuity_sequence += u64::from(gone.as_ref().is_some_and(|line| line.start.is_discontinuity));
        gone
    }

    /// Names the part that comes next.
    pub fn set_hint(&mut self, hint: Option<PartId>) {
        self.hint = hint;
    }

    /// Sets what is said of the other renditions.
    pub fn set_reports(&mut self, reports: Vec<RenditionReport>) {
        self.reports = reports;
    }

    /// Ends the playlist: `EXT-X-ENDLIST`. A segment still open is not listed any more.
    pub fn end(&mut self) {
        self.is_ended = true;
        self.open = None;
        self.hint = None;
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub fn target_duration_s(&self) -> u32 {
        self.target_duration_s
    }

    pub fn part_target_s(&self) -> Option<f64> {
        self.part_target_s
    }

    pub fn hint(&self) -> Option<PartId> {
        self.hint
    }

    /// Finished segments that are listed, oldest first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &SegmentLine> {
        self.segments.iter()
    }

    /// Number of the first listed segment.
    pub fn media_sequence(&self) -> u64 {
        let first = self.segments.front().map(|line| line.start.msn);
        first.or(self.open.as_ref().map(|(start, _)| start.msn)).unwrap_or(self.next_msn)
    }

    /// Number of the last finished segment.
    pub fn last_msn(&self) -> Option<u64> {
        self.segments.back().map(|line| line.start.msn)
    }

    /// The newest part: what other renditions report of this one.
    pub fn last_part(&self) -> Option<PartId> {
        let newest = |msn: u64, parts: &[PartLine]| {
            let index = u32::try_from(parts.len().checked_sub(1)?).ok()?;
            Some(PartId { msn, index })
        };
        self.open.as_ref().and_then(|(start, parts)| newest(start.msn, parts)).or_else(|| {
            self.segments
                .back()
                .map(|line| newest(line.start.msn, &line.parts).unwrap_or(PartId { msn: line.start.msn, index: 0 }))
        })
    }

    /// Whether a request for `_HLS_msn` and `_HLS_part` can be answered now. A part number past the end of its segment means
    /// the next segment's first part (rfc8216bis 6.2.5.2).
    pub fn has_reached(&self, msn: u64, part: Option<u32>) -> bool {
        if self.is_ended || self.last_msn().is_some_and(|last| last > msn) {
            return true;
        }
        let open_parts = |wanted: u64| {
            self.open.as_ref().filter(|(start, _)| start.msn == wanted).map_or(0, |(_, parts)| parts.len())
        };
        match part {
            None => self.last_msn() == Some(msn),
            Some(part) => match self.segments.back().filter(|line| line.start.msn == msn) {
                Some(line) => (part as usize) < line.parts.len() || open_parts(msn + 1) > 0,
                None => (part as usize) < open_parts(msn),
            },
        }
    }

    /// The playlist, or with `skip` its delta update where one is possible.
    pub fn render(&self, skip: bool) -> String {
        self.render_with_query(skip, "")
    }

    /// [`Self::render`] with the request's query handed on to the media files, delivery directives left out.
    pub fn render_with_query(&self, skip: bool, query: &str) -> String {
        let nothing = Earlier::default();
        let delta = if skip { self.render_delta(nothing, query) } else { None };
        delta.unwrap_or_else(|| self.render_head(nothing) + &self.render_window(nothing, query))
    }

    /// What stands before the first segment. The same for the whole life of a playlist whose `earlier` only grows.
    pub fn render_head(&self, earlier: Earlier<'_>) -> String {
        let mut out = String::with_capacity(512);
        self.put_head(&mut out, earlier);
        out
    }

    /// Everything from the window's first segment on.
    pub fn render_window(&self, earlier: Earlier<'_>, query: &str) -> String {
        let query = child_query(query);
        let mut out = String::with_capacity((self.segments.len() * 4 + 64) * 48);
        self.put_window(&mut out, 0, earlier, &query);
        out
    }

    /// The delta update (rfc8216bis 6.2.5.1), if there is anything to skip.
    pub fn render_delta(&self, earlier: Earlier<'_>, query: &str) -> Option<String> {
        let skipped = self.skippable()?;
        let count = earlier.segments + skipped as u64;
        if count == 0 {
            return None;
        }
        let mut out = String::with_capacity(4_096);
        self.put_head(&mut out, earlier);
        let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={count}");
        self.put_window(&mut out, skipped, earlier, &child_query(query));
        Some(out)
    }

    fn put_window(&self, out: &mut String, skipped: usize, earlier: Earlier<'_>, query: &str) {
        let mut init = earlier.init;
        if let Some(last) = skipped.checked_sub(1).and_then(|last| self.segments.get(last)) {
            init = Some(last.start.init);
        }
        let mut left_us = self.length_us();
        for (index, line) in self.segments.iter().enumerate() {
            left_us -= micros(line.tail.duration_s);
            if index < skipped {
                continue;
            }
            put_start(out, &line.start, &mut init, query);
            let is_recent = left_us < micros(f64::from(PARTS_LISTED_TARGETS * self.target_duration_s));
            if is_recent && self.part_target_s.is_some() {
                put_parts(out, line.start.msn, &line.parts, query);
            }
            put_end(out, line, query);
        }
        if let Some((start, parts)) = self.open.as_ref().filter(|(_, parts)| !parts.is_empty()) {
            put_start(out, start, &mut init, query);
            put_parts(out, start.msn, parts, query);
        }
        self.put_tail(out, query, earlier.report_query);
    }

    /// Only the key frames, as byte ranges of the segments (RFC 8216 4.3.3.6): for scrubbing.
    pub fn render_iframes(&self, query: &str) -> String {
        let nothing = Earlier::default();
        self.render_iframes_head(nothing) + &self.render_iframes_window(nothing, query)
    }

    /// Like [`Self::render_head`], for key frames.
    pub fn render_iframes_head(&self, earlier: Earlier<'_>) -> String {
        let mut out = String::with_capacity(256);
        let _ = writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{}", self.target_duration_s);
        self.put_sequences(&mut out, earlier);
        out.push_str("#EXT-X-I-FRAMES-ONLY\n");
        out
    }

    /// Like [`Self::render_window`], for key frames.
    pub fn render_iframes_window(&self, earlier: Earlier<'_>, query: &str) -> String {
        let query = child_query(query);
        let mut out = String::with_capacity(self.segments.len() * 160 + 256);
        let mut init = earlier.init;
        for line in &self.segments {
            line.put_iframe(&mut out, &mut init, &query);
        }
        if self.is_ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    fn put_head(&self, out: &mut String, earlier: Earlier<'_>) {
        let target = self.target_duration_s;
        let _ = writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}");
        let (skip_until, hold_back) = (SKIP_UNTIL_TARGETS * target, 3 * target);
        match self.part_target_s {
            Some(part) => {
                let part = ceil5(part);
                let _ = writeln!(
                    out,
                    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={skip_until}.0,HOLD-BACK={hold_back}.0,\
                     PART-HOLD-BACK={:.5}\n#EXT-X-PART-INF:PART-TARGET={part:.5}",
                    ceil5(3.0 * part)
                );
            }
            None => {
                let _ = writeln!(
                    out,
                    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={skip_until}.0,HOLD-BACK={hold_back}.0"
                );
            }
        }
        self.put_sequences(out, earlier);
    }

    fn put_sequences(&self, out: &mut String, earlier: Earlier<'_>) {
        let _ = writeln!(
            out,
            "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}",
            self.media_sequence().saturating_sub(earlier.segments),
            self.discontinuity_sequence.saturating_sub(earlier.discontinuities)
        );
    }

    fn put_tail(&self, out: &mut String, query: &str, report_query: &str) {
        if self.is_ended {
            out.push_str("#EXT-X-ENDLIST\n");
            return;
        }
        if let Some(hint) = self.hint {
            let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}{query}\"", uri::part(hint.msn, hint.index));
        }
        let report_query = if report_query.is_empty() { query } else { report_query };
        for report in &self.reports {
            let _ = writeln!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"{}{report_query}\",LAST-MSN={},LAST-PART={}",
                report.uri, report.last.msn, report.last.index
            );
        }
    }

    /// Microseconds of everything listed.
    fn length_us(&self) -> i64 {
        let open = self.open.iter().flat_map(|(_, parts)| parts).map(|part| micros(part.duration_s));
        self.segments.iter().map(|line| micros(line.tail.duration_s)).chain(open).sum()
    }

    /// How many listed segments lie wholly before the skip boundary. `None`: the window is not longer than that, so what stands
    /// before it may not be skipped either.
    fn skippable(&self) -> Option<usize> {
        let boundary = micros(f64::from(SKIP_UNTIL_TARGETS * self.target_duration_s));
        let mut left = self.length_us();
        let count = self.segments.iter().take_while(|line| {
            left -= micros(line.tail.duration_s);
            left > boundary
        });
        Some(count.count()).filter(|_| self.length_us() > boundary)
    }
}

impl SegmentLine {
    /// The segment without its parts.
    pub fn put(&self, out: &mut String, init: &mut Option<u32>, query: &str) {
        put_start(out, &self.start, init, query);
        put_end(out, self, query);
    }

    /// Its key frame.
    pub fn put_iframe(&self, out: &mut String, init: &mut Option<u32>, query: &str) {
        put_start(out, &self.start, init, query);
        put_iframe(out, self.tail.duration_s, self.tail.iframe_len.filter(|_| !self.tail.is_gap));
        let _ = writeln!(out, "{}{query}", uri::segment(self.start.msn));
    }
}

fn put_end(out: &mut String, line: &SegmentLine, query: &str) {
    if line.tail.is_gap {
        out.push_str("#EXT-X-GAP\n");
    }
    let _ = writeln!(out, "#EXTINF:{:.5},\n{}{query}", line.tail.duration_s, uri::segment(line.start.msn));
}

fn put_start(out: &mut String, start: &SegmentStart, init: &mut Option<u32>, query: &str) {
    if start.is_discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if *init != Some(start.init) {
        *init = Some(start.init);
        put_map(out, start.init, query);
    }
    put_date_time(out, start.program_date_time_ms);
}

fn put_parts(out: &mut String, msn: u64, parts: &[PartLine], query: &str) {
    for (index, part) in parts.iter().enumerate() {
        let independent = if part.is_independent { ",INDEPENDENT=YES" } else { "" };
        let _ = writeln!(
            out,
            "#EXT-X-PART:DURATION={:.5},URI=\"part{msn}.{index}.m4s{query}\"{independent}",
            part.duration_s
        );
    }
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// Rounded up to five decimals, as printed, so that no part is longer than the target says.
fn ceil5(seconds: f64) -> f64 {
    (seconds * 1e5 - 1e-4).ceil() / 1e5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playlist::parse_media;

    const PART: PartLine = PartLine { duration_s: 0.2, is_independent: false };

    fn start(msn: u64) -> SegmentStart {
        SegmentStart {
            msn,
            program_date_time_ms: msn as i64 * 2_000,
            init: 0,
            is_discontinuity: false,
            starts_at_us: None,
        }
    }

    fn tail() -> SegmentTail {
        SegmentTail { duration_s: 2.0, is_gap: false, iframe_len: Some(900) }
    }

    fn playlist(segments: u64, open_parts: u32) -> MediaPlaylist {
        let mut playlist = MediaPlaylist::new(2, 8, 0);
        playlist.set_part_target(0.2);
        for msn in 0..segments {
            playlist.begin_segment(start(msn));
            (0..10).for_each(|_| playlist.push_part(PART));
            playlist.end_segment(tail());
        }
        playlist.begin_segment(start(segments));
        (0..open_parts).for_each(|_| playlist.push_part(PART));
        playlist
    }

    #[test]
    fn requests_are_answered_when_their_part_is_there() {
        let mut playlist = playlist(3, 2);
        assert_eq!(playlist.last_part(), Some(PartId { msn: 3, index: 1 }));
        for (msn, part, is_there) in [
            (2, None, true),
            (2, Some(9), true),
            (0, Some(99), true),
            (3, Some(1), true),
            (3, Some(2), false),
            (3, None, false),
            (4, Some(0), false),
            (2, Some(10), true),
        ] {
            assert_eq!(playlist.has_reached(msn, part), is_there, "{msn} {part:?}");
        }
        playlist.end();
        assert!(playlist.has_reached(9, Some(9)), "an ended playlist answers everybody");
        assert!(playlist.render(false).ends_with("#EXT-X-ENDLIST\n"));
    }

    #[test]
    fn a_part_past_the_end_of_a_segment_is_the_next_segments_first() {
        assert!(!playlist(3, 0).has_reached(2, Some(10)));
        assert!(playlist(3, 1).has_reached(2, Some(10)));
    }

    #[test]
    fn removed_segments_are_counted_with_their_discontinuities() {
        let mut playlist = MediaPlaylist::new(2, 6, 10).with_discontinuity_sequence(3);
        let mut gone = Vec::new();
        for msn in 10..20 {
            playlist.begin_segment(SegmentStart { is_discontinuity: msn == 12, ..start(msn) });
            gone.extend(playlist.end_segment(tail()).map(|line| line.start.msn));
        }
        assert_eq!(gone, [10, 11, 12, 13]);
        let media = parse_media(&playlist.render(false)).expect("parses");
        assert_eq!((media.media_sequence, media.discontinuity_sequence), (14, Some(4)));
        assert_eq!(media.segments.len(), 6);
    }

    #[test]
    fn only_recent_parts_are_listed_and_only_old_segments_skipped() {
        let playlist = playlist(8, 3);
        let full = parse_media(&playlist.render(false)).expect("parses");
        let listed: Vec<_> = full.segments.iter().filter(|line| !line.parts.is_empty()).map(|line| line.msn).collect();
        assert_eq!(listed, [5, 6, 7], "three targets back from the newest part");
        assert_eq!(full.open_parts.len(), 3);
        let delta = parse_media(&playlist.render(true)).expect("parses");
        assert_eq!((delta.skipped_segments, delta.segments[0].msn), (2, 2));
    }

    #[test]
    fn gaps_and_changed_inits_are_told() {
        let mut playlist = MediaPlaylist::new(2, 6, 0);
        playlist.begin_segment(start(0));
        playlist.end_segment(tail());
        playlist.begin_segment(SegmentStart { init: 1, is_discontinuity: true, ..start(1) });
        playlist.end_segment(SegmentTail { is_gap: true, ..tail() });
        let text = playlist.render_with_query(false, "vs=1&_HLS_msn=4");
        assert!(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init1.mp4?vs=1\"\n"));
        assert!(text.contains("#EXT-X-GAP\n#EXTINF:2.00000,\nseg1.m4s?vs=1\n"));
        assert!(!text.contains("_HLS_"));
    }

    #[test]
    fn key_frames_are_ranges_of_their_segments() {
        let media = parse_media(&playlist(3, 0).render_iframes("")).expect("parses");
        assert!(media.is_iframes_only);
        assert_eq!(media.segments.len(), 3);
        assert!(media.segments.iter().all(|line| line.byte_range == Some((900, Some(0)))));
    }

    #[test]
    fn reports_and_hints_stand_at_the_end() {
        let mut playlist = playlist(2, 1);
        playlist.set_hint(Some(PartId { msn: 2, index: 1 }));
        let last = PartId { msn: 2, index: 4 };
        playlist.set_reports(vec![RenditionReport { uri: "../audio/index.m3u8".into(), last }]);
        let media = parse_media(&playlist.render(false)).expect("parses");
        assert_eq!(media.preload_hint.as_deref(), Some("part2.1.m4s"));
        let report = &media.rendition_reports[0];
        assert_eq!((report.uri.as_str(), report.last_msn, report.last_part), ("../audio/index.m3u8", Some(2), Some(4)));
    }
}
