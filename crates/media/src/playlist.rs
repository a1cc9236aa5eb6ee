//! HLS playlists: the model of a live rendition, writers, and a tolerant reader.
//!
//! Owns the text (RFC 8216, draft-pantos-hls-rfc8216bis). Serving, blocking and caching belong to the origin. The names of
//! media files are fixed here, in [`uri`]: writer, origin and recorder must agree on them.

pub mod directives;
mod live;
mod multivariant;
mod parse;
mod vod;

use std::fmt::Write;

pub use live::{Earlier, MediaPlaylist, PartLine, RenditionReport, SegmentLine, SegmentStart, SegmentTail};
pub use multivariant::{AudioRendition, IFrames, Multivariant, Variant};
pub use parse::{
    ParseError, ParsedMedia, ParsedMultivariant, ParsedPart, ParsedRendition, ParsedReport, ParsedSegment,
    ParsedServerControl, ParsedVariant, parse_date_time, parse_media, parse_multivariant,
};
pub use vod::{Excerpt, VodPlaylist, VodSegment};

/// `EXT-X-VERSION` of every media playlist: 9 allows skipping.
pub const VERSION: u32 = 9;

/// Names of media files, relative to their rendition's playlist.
pub mod uri {
    pub const PLAYLIST: &str = "index.m3u8";
    pub const IFRAMES: &str = "iframes.m3u8";

    pub fn init(number: u32) -> String {
        format!("init{number}.mp4")
    }

    pub fn segment(msn: u64) -> String {
        format!("seg{msn}.m4s")
    }

    pub fn part(msn: u64, index: u32) -> String {
        format!("part{msn}.{index}.m4s")
    }

    /// What a media file's name stands for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum MediaFile {
        Init(u32),
        Segment(u64),
        Part(u64, u32),
    }

    /// Reads back a name made here. Only the one way of writing each number is accepted.
    pub fn parse(name: &str) -> Option<MediaFile> {
        let file = if let Some(number) = name.strip_prefix("init").and_then(|rest| rest.strip_suffix(".mp4")) {
            MediaFile::Init(number.parse().ok()?)
        } else if let Some(msn) = name.strip_prefix("seg").and_then(|rest| rest.strip_suffix(".m4s")) {
            MediaFile::Segment(msn.parse().ok()?)
        } else {
            let (msn, index) = name.strip_prefix("part")?.strip_suffix(".m4s")?.split_once('.')?;
            MediaFile::Part(msn.parse().ok()?, index.parse().ok()?)
        };
        let canonical = match file {
            MediaFile::Init(number) => init(number),
            MediaFile::Segment(msn) => segment(msn),
            MediaFile::Part(msn, index) => part(msn, index),
        };
        (canonical == name).then_some(file)
    }
}

/// Stands for a viewer's own arguments in a text that is written once for many: a query of nothing else is handed down like any
/// other, and [`stamp`] puts each viewer's in its place.
pub const HOLE: &str = "~viewer~";

/// A text that was written with [`HOLE`] for its query, with `query` in its place. `query` is cleaned as [`child_query`] does.
pub fn stamp(text: &str, query: &str) -> String {
    let query = child_query(query);
    fill(text, query.trim_start_matches('?'))
}

/// Puts `arguments` into each hole; an argument list that is empty takes the question mark with it.
pub(crate) fn fill(text: &str, arguments: &str) -> String {
    let mut pieces = text.split(HOLE);
    let first = pieces.next().unwrap_or_default();
    let holes = pieces.clone().count();
    let mut out = String::with_capacity(text.len() + holes * arguments.len());
    out.push_str(first);
    for piece in pieces {
        match (arguments.is_empty(), piece.strip_prefix('&')) {
            (false, _) => {
                out.push_str(arguments);
                out.push_str(piece);
            }
            // `?HOLE&dvr=1`
            (true, Some(rest)) => out.push_str(rest),
            (true, None) => {
                out.truncate(out.len() - usize::from(out.ends_with('?')));
                out.push_str(piece);
            }
        }
    }
    out
}

/// The part of a request's query that child URIs carry on: everything but delivery directives (`_HLS_*`), and nothing
/// that could break out of a quoted attribute. Empty, or begins with `?`.
pub fn child_query(query: &str) -> String {
    let mut out = String::new();
    for pair in query.split('&') {
        let is_plain =
            pair.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\'));
        if pair.is_empty() || !is_plain || is_directive(pair) {
            continue;
        }
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(pair);
    }
    out
}

/// Whether a query argument is a delivery directive, also when its name is percent-encoded.
fn is_directive(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let mut decoded = String::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
            let digits = std::str::from_utf8(&digits).unwrap_or("0");
            decoded.push(char::from(u8::from_str_radix(digits, 16).unwrap_or(b'?')));
        } else {
            decoded.push(char::from(byte));
        }
    }
    decoded.starts_with("_HLS_")
}

/// `EXT-X-PROGRAM-DATE-TIME` of a moment in Unix milliseconds.
fn put_date_time(out: &mut String, unix_ms: i64) {
    if let Some(at) = chrono::DateTime::from_timestamp_millis(unix_ms) {
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", at.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    }
}

fn put_map(out: &mut String, init: u32, query: &str) {
    let _ = writeln!(out, "#EXT-X-MAP:URI=\"init{init}.mp4{query}\"");
}

/// Length and range of a segment's key frame. Without one the segment keeps its place as a gap, or the numbers behind it would
/// shift.
fn put_iframe(out: &mut String, duration_s: f64, length: Option<u64>) {
    let _ = match length {
        Some(length) => writeln!(out, "#EXTINF:{duration_s:.5},\n#EXT-X-BYTERANGE:{length}@0"),
        None => writeln!(out, "#EXT-X-GAP\n#EXTINF:{duration_s:.5},"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_arguments_reach_children() {
        assert_eq!(child_query("_HLS_msn=4&vs=abc&_HLS_part=1&token=x.y"), "?vs=abc&token=x.y");
        assert_eq!(child_query("%5FHLS_msn=4&a=\"b&c=\n&d"), "?d");
        assert_eq!(child_query(""), "");
    }

    #[test]
    fn a_text_with_holes_is_stamped_for_each_viewer() {
        let text = "seg1.m4s?~viewer~\nURI=\"../a.m3u8?~viewer~&dvr=1\",X\nseg2.m4s?~viewer~";
        assert_eq!(
            stamp(text, "token=a.b-c&_HLS_msn=3&\"x"),
            "seg1.m4s?token=a.b-c\nURI=\"../a.m3u8?token=a.b-c&dvr=1\",X\nseg2.m4s?token=a.b-c"
        );
        assert_eq!(stamp(text, "_HLS_msn=1"), "seg1.m4s\nURI=\"../a.m3u8?dvr=1\",X\nseg2.m4s");
        assert_eq!(child_query(HOLE), format!("?{HOLE}"), "it is handed down like any argument");
        assert_eq!(stamp("no hole", "a=1"), "no hole");
    }

    #[test]
    fn names_read_back_and_lookalikes_do_not() {
        for file in [uri::MediaFile::Init(3), uri::MediaFile::Segment(u64::MAX), uri::MediaFile::Part(7, 11)] {
            let name = match file {
                uri::MediaFile::Init(number) => uri::init(number),
                uri::MediaFile::Segment(msn) => uri::segment(msn),
                uri::MediaFile::Part(msn, index) => uri::part(msn, index),
            };
            assert_eq!(uri::parse(&name), Some(file));
        }
        for name in ["seg01.m4s", "seg+1.m4s", "part1.m4s", "part1.2.3.m4s", "seg.m4s", "init-1.mp4", "../seg1.m4s"] {
            assert_eq!(uri::parse(name), None, "{name}");
        }
    }

    #[test]
    fn date_times_have_milliseconds() {
        let mut out = String::new();
        put_date_time(&mut out, 1_767_225_600_005);
        assert_eq!(out, "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.005Z\n");
    }
}
