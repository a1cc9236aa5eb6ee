//! Rules of HTTP: what the headers of an answer say.

use super::{
    AVAILABLE, BLOCKING_CACHE, CORS, Findings, GZIP, MEDIA_TYPE, MISSING_CACHE, PLAYLIST_CACHE, PLAYLIST_TYPE, RANGE,
    RANGE_BEYOND, REDIRECT, REMOVED_LIVES, SEGMENT_CACHE, VARY,
};
use crate::answer::Answer;

const PLAYLIST_TYPES: &[&str] = &["application/vnd.apple.mpegurl", "audio/mpegurl"];
const MEDIA_TYPES: &[&str] = &[
    "video/mp4",
    "audio/mp4",
    "video/iso.segment",
    "audio/iso.segment",
    "application/mp4",
    "video/mp2t",
    "audio/aac",
    "audio/mpeg",
    "text/vtt",
];

/// How a playlist was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// A multivariant playlist, or one that ended: no rule of caching.
    Lasting,
    Plain {
        target_s: u64,
    },
    Blocking,
}

/// A playlist that was asked for with `Accept-Encoding: gzip` and `Origin`.
pub fn check_playlist(url: &str, answer: &Answer, reload: Reload, out: &mut Findings) {
    let kind = answer.content_type().unwrap_or_default();
    if !PLAYLIST_TYPES.contains(&kind.as_str()) {
        out.add(&PLAYLIST_TYPE, url, None, format!("{kind:?}"));
    }
    if !answer.is_gzip() {
        out.add(&GZIP, url, None, "it came as it is");
    } else if !varies_by_encoding(answer) {
        out.add(&VARY, url, None, format!("Vary is {:?}", answer.header("vary")));
    }
    cors(url, answer, out);
    let cache = answer.cache();
    match reload {
        Reload::Plain { target_s } if cache.max_age_s.is_some_and(|age| age * 2 > target_s) && !cache.is_refused => {
            out.add(&PLAYLIST_CACHE, url, None, format!("max-age {:?} of {target_s}", cache.max_age_s));
        }
        Reload::Blocking if cache.is_refused || cache.max_age_s == Some(0) => {
            out.add(&BLOCKING_CACHE, url, None, format!("{:?}", answer.header("cache-control")));
        }
        _ => {}
    }
}

fn varies_by_encoding(answer: &Answer) -> bool {
    let vary = answer.header("vary").unwrap_or_default().to_ascii_lowercase();
    vary.contains("accept-encoding") || vary.trim() == "*"
}

fn cors(url: &str, answer: &Answer, out: &mut Findings) {
    if answer.header("access-control-allow-origin").is_none() {
        let what = if is_media(answer) { "media" } else { "playlists" };
        out.add(&CORS, url, None, format!("no Access-Control-Allow-Origin on {what}"));
    }
}

fn is_media(answer: &Answer) -> bool {
    answer.content_type().is_some_and(|kind| MEDIA_TYPES.contains(&kind.as_str()))
}

/// A segment or part that a playlist lists. `line` is its line there.
pub fn check_media(url: &str, line: usize, answer: &Answer, target_s: u64, out: &mut Findings) {
    if !answer.is_success() {
        out.add(&AVAILABLE, url, line, format!("{} answers {}", answer.url, answer.status));
        return;
    }
    let kind = answer.content_type().unwrap_or_default();
    if !MEDIA_TYPES.contains(&kind.as_str()) {
        out.add(&MEDIA_TYPE, url, line, format!("{kind:?}"));
    }
    if answer.final_url != answer.url {
        out.add(&REDIRECT, url, line, format!("{} to {}", answer.url, answer.final_url));
    }
    cors(url, answer, out);
    let cache = answer.cache();
    if cache.is_refused || cache.max_age_s.is_none_or(|age| age < target_s.saturating_mul(6)) {
        out.add(&SEGMENT_CACHE, url, line, format!("Cache-Control is {:?}", answer.header("cache-control")));
    }
}

/// The first two bytes of a segment were asked for.
pub fn check_range(url: &str, answer: &Answer, out: &mut Findings) {
    let range = answer.header("content-range").unwrap_or_default();
    if answer.status != 206 || !range.starts_with("bytes 0-1/") || answer.body.len() != 2 {
        let what = format!("{} with {} bytes, Content-Range {range:?}", answer.status, answer.body.len());
        out.add(&RANGE, url, None, what);
    }
}

/// Bytes far beyond the end of a segment were asked for.
pub fn check_range_beyond(url: &str, answer: &Answer, out: &mut Findings) {
    if answer.status != 416 {
        out.add(&RANGE_BEYOND, url, None, format!("it answers {}", answer.status));
    }
}

/// A name that does not exist was asked for.
pub fn check_missing(url: &str, answer: &Answer, target_s: u64, out: &mut Findings) {
    let cache = answer.cache();
    if answer.status == 404 && !cache.is_refused && cache.max_age_s.is_some_and(|age| age > target_s) {
        out.add(&MISSING_CACHE, url, None, format!("{:?}", answer.header("cache-control")));
    }
}

/// A segment that left the playlist less than its own duration ago was asked for.
pub fn check_removed(url: &str, answer: &Answer, out: &mut Findings) {
    if !answer.is_success() {
        out.add(&REMOVED_LIVES, url, None, format!("{} answers {}", answer.url, answer.status));
    }
}
