//! What has left a rendition's live window: the lines of playlists that begin with the stream (`?dvr=1`), and those segments the
//! bucket does not have yet.
//!
//! The stream's task adds a line for every segment that leaves, and nothing more; texts are made when somebody asks. They only
//! grow, so a text and its compressed form are kept and added to: an answer costs the window, not the stream's length. The
//! media is in the bucket; until it is confirmed there it is read from the spool.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use media::playlist::{Earlier, MediaPlaylist, SegmentLine};

use super::shelf::{Segment, View};

/// Lines kept: a day of 2 s segments. Some 4 MiB a rendition.
const LINES_MAX: usize = 43_200;
/// Leave together when there are more, so that texts are seldom made anew.
const LINES_DROPPED: usize = 1_800;
/// The query by which a playlist begins with the stream.
pub(crate) const QUERY: &str = "?dvr=1";

/// One rendition's past.
#[derive(Debug, Default)]
pub(crate) struct Past {
    kept: RwLock<Kept>,
    /// Never locked by the stream's task.
    segments: Mutex<Scroll>,
    iframes: Mutex<Scroll>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<SegmentLine>,
    /// Grows when a line is dropped or changed: texts made before are of no use then.
    generation: u64,
    /// Segments that only the spool has, oldest first.
    waiting: VecDeque<Arc<Segment>>,
}

/// What of the past stands before a view's window.
struct Before {
    generation: u64,
    lines: Vec<SegmentLine>,
    /// How many are left out at the front because the caller has them.
    known: usize,
    segments: u64,
    discontinuities: u64,
    init: Option<u32>,
}

/// Which playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Segments,
    IFrames,
}

impl Past {
    /// Adds a segment that has left the window, or is known from an earlier life of the stream.
    pub(crate) fn push(&self, line: SegmentLine) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.lines.push_back(SegmentLine { parts: Vec::new(), ..line });
        if kept.lines.len() > LINES_MAX {
            kept.lines.drain(..LINES_DROPPED);
            kept.generation += 1;
        }
    }

    /// Keeps a segment's place on disk until the bucket has it.
    pub(crate) fn wait_for(&self, segment: Arc<Segment>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.waiting.push_back(segment);
    }

    /// A segment is nowhere any more: it becomes a gap.
    pub(crate) fn lose(&self, msn: u64) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let at = kept.lines.partition_point(|line| line.start.msn < msn);
        if let Some(line) = kept.lines.get_mut(at).filter(|line| line.start.msn == msn && !line.tail.is_gap) {
            line.tail.is_gap = true;
            kept.generation += 1;
        }
    }

    /// Lets go of what the bucket has by now.
    pub(crate) fn settle(&self) {
        let is_waiting = !self.kept.read().unwrap_or_else(PoisonError::into_inner).waiting.is_empty();
        if is_waiting {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            kept.waiting.retain(|segment| !segment.is_stored());
        }
    }

    /// A segment that is still on this node's disk.
    pub(crate) fn segment(&self, msn: u64) -> Option<Arc<Segment>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.waiting.iter().find(|segment| segment.msn == msn).cloned()
    }

    /// Whether a segment is listed and should be in the bucket.
    pub(crate) fn is_listed(&self, msn: u64) -> bool {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let at = kept.lines.partition_point(|line| line.start.msn < msn);
        kept.lines.get(at).is_some_and(|line| line.start.msn == msn && !line.tail.is_gap)
    }

    pub(crate) fn has_init(&self, number: u32) -> bool {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().rev().any(|line| line.start.init == number)
    }

    /// Every line before the view's window.
    pub(crate) fn lines_before(&self, playlist: &MediaPlaylist) -> Vec<SegmentLine> {
        self.before(playlist, |_| 0).lines
    }

    /// The view's playlist from the stream's beginning.
    pub(crate) fn text(&self, view: &View, kind: Kind, query: &str, report_query: &str, is_gzip: bool) -> Bytes {
        let scroll = match kind {
            Kind::Segments => &self.segments,
            Kind::IFrames => &self.iframes,
        };
        let mut scroll = scroll.lock().unwrap_or_else(PoisonError::into_inner);
        let mut head = String::new();
        let before = self.before(&view.playlist, |before| {
            head = match kind {
                Kind::Segments => view.playlist.render_head(before.earlier("")),
                Kind::IFrames => view.playlist.render_iframes_head(before.earlier("")),
            };
            if scroll.is_begun_by(before.generation, query, &head) { scroll.lines } else { 0 }
        });
        let rest = match kind {
            Kind::Segments => view.playlist.render_window(before.earlier(report_query), query),
            Kind::IFrames => view.playlist.render_iframes_window(before.earlier(report_query), query),
        };
        if before.known as u64 > before.segments {
            // Somebody with a newer view was here already.
            let before = self.before(&view.playlist, |_| 0);
            let mut own = Scroll::new(before.generation, query, head);
            own.extend(&before.lines, kind);
            return own.finish(&rest, is_gzip);
        }
        if before.known == 0 {
            *scroll = Scroll::new(before.generation, query, head);
        }
        scroll.extend(&before.lines, kind);
        scroll.finish(&rest, is_gzip)
    }

    /// The view's delta update from the stream's beginning.
    pub(crate) fn delta(&self, view: &View, query: &str, report_query: &str) -> Option<String> {
        let before = self.before(&view.playlist, |_| usize::MAX);
        view.playlist.render_delta(before.earlier(report_query), query)
    }

    /// `known` says how many lines the caller has already.
    fn before(&self, playlist: &MediaPlaylist, known: impl FnOnce(&Before) -> usize) -> Before {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let first = playlist.media_sequence();
        let end = kept.lines.partition_point(|line| line.start.msn < first);
        let mut before = Before {
            generation: kept.generation,
            lines: Vec::new(),
            known: 0,
            segments: end as u64,
            discontinuities: kept.lines.range(..end).filter(|line| line.start.is_discontinuity).count() as u64,
            init: end.checked_sub(1).and_then(|last| kept.lines.get(last)).map(|line| line.start.init),
        };
        before.known = known(&before);
        before.lines.extend(kept.lines.range(before.known.min(end)..end).cloned());
        before
    }
}

impl Before {
    fn earlier<'a>(&self, report_query: &'a str) -> Earlier<'a> {
        Earlier { segments: self.segments, discontinuities: self.discontinuities, init: self.init, report_query }
    }
}

/// A text that only grows, and what it is when compressed: whole deflate blocks that end on a byte, so that the rest of an answer
/// can be compressed by itself and put behind (RFC 1951 2.3, RFC 1952).
struct Scroll {
    generation: u64,
    query: String,
    head: String,
    lines: usize,
    init: Option<u32>,
    text: String,
    deflate: Compress,
    packed: Vec<u8>,
    packed_text: usize,
    sum: Crc,
}

impl Default for Scroll {
    fn default() -> Self {
        Self {
            generation: u64::MAX,
            query: String::new(),
            head: String::new(),
            lines: 0,
            init: None,
            text: String::new(),
            deflate: Compress::new(Compression::fast(), false),
            packed: Vec::new(),
            packed_text: 0,
            sum: Crc::new(),
        }
    }
}

impl std::fmt::Debug for Scroll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scroll").field("lines", &self.lines).field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// A gzip member's header: deflate, no name, no time, unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

impl Scroll {
    fn new(generation: u64, query: &str, head: String) -> Self {
        Self { generation, query: query.to_owned(), text: head.clone(), head, ..Self::default() }
    }

    /// Whether what it has can be gone on with.
    fn is_begun_by(&self, generation: u64, query: &str, head: &str) -> bool {
        self.generation == generation && self.query == query && self.head == head
    }

    fn extend(&mut self, lines: &[SegmentLine], kind: Kind) {
        let query = media::playlist::child_query(&self.query);
        for line in lines {
            match kind {
                Kind::Segments => line.put(&mut self.text, &mut self.init, &query),
                Kind::IFrames => line.put_iframe(&mut self.text, &mut self.init, &query),
            }
        }
        self.lines += lines.len();
    }

    fn finish(&mut self, rest: &str, is_gzip: bool) -> Bytes {
        if !is_gzip {
            return [self.text.as_bytes(), rest.as_bytes()].concat().into();
        }
        if self.packed_text < self.text.len() {
            let fresh = &self.text.as_bytes()[self.packed_text..];
            self.sum.update(fresh);
            pack(&mut self.deflate, fresh, FlushCompress::Full, &mut self.packed);
            self.packed_text = self.text.len();
        }
        let mut out = Vec::with_capacity(GZIP_HEAD.len() + self.packed.len() + rest.len() / 4 + 64);
        out.extend_from_slice(&GZIP_HEAD);
        out.extend_from_slice(&self.packed);
        let mut last = Compress::new(Compression::fast(), false);
        pack(&mut last, rest.as_bytes(), FlushCompress::Finish, &mut out);
        let mut sum = Crc::new();
        sum.update(rest.as_bytes());
        let mut whole = Crc::new();
        whole.combine(&self.sum);
        whole.combine(&sum);
        out.extend_from_slice(&whole.sum().to_le_bytes());
        out.extend_from_slice(&((self.text.len() + rest.len()) as u32).to_le_bytes());
        out.into()
    }
}

/// Compresses all of `text` behind `out`.
fn pack(deflate: &mut Compress, text: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let begun = deflate.total_in();
    loop {
        out.reserve(text.len() / 4 + 256);
        let taken = usize::try_from(deflate.total_in() - begun).unwrap_or(text.len());
        let status = deflate.compress_vec(&text[taken.min(text.len())..], out, flush);
        let is_taken = deflate.total_in() - begun >= text.len() as u64;
        match status {
            Ok(flate2::Status::StreamEnd) | Err(_) => return,
            // With room left in the output, everything asked for was given.
            _ if is_taken && out.len() < out.capacity() && flush != FlushCompress::Finish => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use media::playlist::{PartLine, SegmentStart, SegmentTail, parse_media};

    use super::*;

    /// A playlist with `count` segments published, and the past of it.
    fn stream(count: u64) -> (View, Past) {
        let past = Past::default();
        let mut playlist = MediaPlaylist::new(2, 8, 0);
        playlist.set_part_target(1.0);
        for msn in 0..count {
            playlist.begin_segment(start(msn));
            (0..2).for_each(|_| playlist.push_part(PartLine { duration_s: 1.0, is_independent: true }));
            if let Some(gone) = playlist.end_segment(tail()) {
                past.push(gone);
            }
        }
        (View::new(playlist, count), past)
    }

    fn start(msn: u64) -> SegmentStart {
        SegmentStart {
            msn,
            program_date_time_ms: msn as i64 * 2_000,
            init: u32::from(msn >= 5),
            is_discontinuity: msn == 5,
            starts_at_us: None,
        }
    }

    fn tail() -> SegmentTail {
        SegmentTail { duration_s: 2.0, is_gap: false, iframe_len: Some(900) }
    }

    fn unzipped(bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut member = flate2::read::GzDecoder::new(bytes);
        member.read_to_string(&mut text).expect("one whole member");
        text
    }

    #[test]
    fn the_whole_stream_is_listed_with_the_numbers_of_the_live_window() {
        for count in [3, 8, 9, 14, 40] {
            let (view, past) = stream(count);
            let text = past.text(&view, Kind::Segments, "", QUERY, false);
            let media = parse_media(std::str::from_utf8(&text).unwrap()).expect("parses");
            assert_eq!((media.media_sequence, media.discontinuity_sequence), (0, Some(0)));
            let msns: Vec<u64> = media.segments.iter().map(|line| line.msn).collect();
            assert_eq!(msns, (0..count).collect::<Vec<_>>());
            let uris = media.segments.iter().enumerate().all(|(msn, line)| line.uri == format!("seg{msn}.m4s"));
            assert!(uris, "names and numbers agree");
            assert_eq!(unzipped(&past.text(&view, Kind::Segments, "", QUERY, true)).as_bytes(), text);
        }
    }

    #[test]
    fn a_text_that_grew_step_by_step_is_the_one_made_at_once() {
        let (_, past) = stream(0);
        let mut playlist = MediaPlaylist::new(2, 8, 0);
        for msn in 0..30 {
            playlist.begin_segment(start(msn));
            if let Some(gone) = playlist.end_segment(tail()) {
                past.push(gone);
            }
            let view = View::new(playlist.clone(), msn + 1);
            let (other, fresh) = (View::new(playlist.clone(), msn + 1), Past::default());
            past.lines_before(&playlist).into_iter().for_each(|line| fresh.push(line));
            for kind in [Kind::Segments, Kind::IFrames] {
                let at_once = fresh.text(&other, kind, "a=1", "?a=1&dvr=1", false);
                assert_eq!(unzipped(&past.text(&view, kind, "a=1", "?a=1&dvr=1", true)).as_bytes(), at_once);
            }
        }
    }

    #[test]
    fn an_older_view_is_answered_as_it_was() {
        let (old, past) = stream(12);
        let before = past.text(&old, Kind::Segments, "", QUERY, false);
        let mut playlist = old.playlist.clone();
        for msn in 12..20 {
            playlist.begin_segment(start(msn));
            playlist.end_segment(tail()).into_iter().for_each(|gone| past.push(gone));
        }
        let new = past.text(&View::new(playlist, 20), Kind::Segments, "", QUERY, true);
        assert_eq!(past.text(&old, Kind::Segments, "", QUERY, false), before);
        assert_eq!(parse_media(&unzipped(&new)).expect("parses").segments.len(), 20);
    }

    #[test]
    fn a_delta_skips_the_past_and_merges_to_the_whole() {
        let (view, past) = stream(40);
        let delta = past.delta(&view, "", QUERY).expect("there is something to skip");
        let media = parse_media(&delta).expect("parses");
        assert_eq!((media.media_sequence, media.skipped_segments), (0, 33), "six targets are never skipped");
        assert_eq!(media.segments[0].msn, 33);
        assert!(delta.len() < 4_000);
        assert_eq!(past.delta(&stream(6).0, "", QUERY), None, "a short stream has nothing to skip");
    }

    #[test]
    fn what_was_lost_is_a_gap() {
        let (view, past) = stream(20);
        let before = past.text(&view, Kind::Segments, "", QUERY, false);
        past.lose(3);
        let text = past.text(&view, Kind::Segments, "", QUERY, false);
        let media = parse_media(std::str::from_utf8(&text).unwrap()).expect("parses");
        assert!(media.segments[3].is_gap && !past.is_listed(3));
        assert_eq!(media.segments.iter().filter(|line| line.is_gap).count(), 1);
        assert_ne!(before, text);
    }

    #[test]
    fn the_past_has_an_end() {
        let past = Past::default();
        let line = |msn| SegmentLine { start: start(msn), tail: tail(), parts: Vec::new() };
        let count = LINES_MAX as u64 + 10;
        (0..count).for_each(|msn| past.push(line(msn)));
        let view = View::new(MediaPlaylist::new(2, 8, count), count);
        let text = past.text(&view, Kind::Segments, "", QUERY, false);
        let media = parse_media(std::str::from_utf8(&text).unwrap()).expect("parses");
        assert_eq!((media.media_sequence, media.discontinuity_sequence), (1_800, Some(0)));
        assert!(!past.is_listed(1_799) && past.is_listed(1_800));
    }
}
