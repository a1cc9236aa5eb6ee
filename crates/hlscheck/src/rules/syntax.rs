//! Rules of every playlist: its text, line by line.

use super::{
    ATTRIBUTE_SYNTAX, DIRECTIVE_LEAK, DUPLICATE_ATTRIBUTE, FIRST_LINE, Findings, MIXED_KINDS, ONE_VERSION, SINGLE_TAG,
    UTF8, VERSION,
};
use crate::playlist::{Line, Playlist, integer};

/// Tags whose value is an attribute list.
const LISTS: &[&str] = &[
    "#EXT-X-MEDIA",
    "#EXT-X-STREAM-INF",
    "#EXT-X-I-FRAME-STREAM-INF",
    "#EXT-X-MAP",
    "#EXT-X-KEY",
    "#EXT-X-PART",
    "#EXT-X-PART-INF",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-SKIP",
    "#EXT-X-PRELOAD-HINT",
    "#EXT-X-RENDITION-REPORT",
    "#EXT-X-START",
    "#EXT-X-DATERANGE",
    "#EXT-X-SESSION-DATA",
    "#EXT-X-SESSION-KEY",
    "#EXT-X-CONTENT-STEERING",
];

/// Tags that stand for the whole playlist. `EXT-X-VERSION` has a rule of its own.
const ONCE: &[&str] = &[
    "#EXTM3U",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PART-INF",
    "#EXT-X-SKIP",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-START",
    "#EXT-X-ENDLIST",
];

const OF_MEDIA: &[&str] = &[
    "#EXTINF",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-ENDLIST",
    "#EXT-X-PART",
    "#EXT-X-PART-INF",
    "#EXT-X-MAP",
    "#EXT-X-SERVER-CONTROL",
];

/// What the bytes of a playlist must be.
pub fn check_bytes(url: &str, body: &[u8], out: &mut Findings) {
    if body.starts_with(b"\xef\xbb\xbf") {
        out.add(&UTF8, url, 1, "a byte order mark");
    } else if std::str::from_utf8(body).is_err() {
        out.add(&UTF8, url, None, "bytes that are no UTF-8");
    }
}

pub fn check(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    let first = playlist.lines.first().map_or("", |line| line.text.as_str());
    if first != "#EXTM3U" {
        out.add(&FIRST_LINE, url, 1, format!("it is {:?}", first.chars().take(40).collect::<String>()));
    }
    for tag in ONCE {
        if let Some(second) = playlist.with_tag(tag).nth(1) {
            out.add(&SINGLE_TAG, url, second.number, format!("{tag} again"));
        }
    }
    versions(playlist, out);
    if playlist.is_multivariant
        && let Some(line) = playlist.lines.iter().find(|line| line.tag().is_some_and(|tag| OF_MEDIA.contains(&tag)))
    {
        out.add(&MIXED_KINDS, url, line.number, format!("{} in a multivariant playlist", line.tag().unwrap_or("")));
    }
    for line in &playlist.lines {
        attributes(url, line, out);
        leak(url, line, out);
    }
}

fn versions(playlist: &Playlist, out: &mut Findings) {
    let mut lines = playlist.with_tag("#EXT-X-VERSION");
    let first = lines.next();
    if let Some(second) = lines.next() {
        out.add(&ONE_VERSION, &playlist.url, second.number, "a second one");
    } else if let Some(line) = first.filter(|line| integer(line.value()).is_none()) {
        out.add(&ONE_VERSION, &playlist.url, line.number, format!("{:?} is no number", line.value()));
        return;
    }
    let (needed, because) = playlist.lines.iter().map(|line| needs(playlist, line)).max().unwrap_or((1, 0));
    let stated = playlist.version.unwrap_or(1);
    if stated < needed {
        out.add(&VERSION, &playlist.url, because, format!("version {stated}, and this line needs {needed}"));
    }
}

/// The version a line needs, and the line's number.
fn needs(playlist: &Playlist, line: &Line) -> (u64, usize) {
    let version = match line.tag() {
        Some("#EXTINF") if line.value().split(',').next().is_some_and(|seconds| seconds.contains('.')) => 3,
        Some("#EXT-X-BYTERANGE" | "#EXT-X-I-FRAMES-ONLY") => 4,
        Some("#EXT-X-MAP") if playlist.is_iframes_only => 5,
        Some("#EXT-X-MAP") => 6,
        Some("#EXT-X-DEFINE") => 8,
        Some("#EXT-X-SKIP") if line.value().contains("RECENTLY-REMOVED-DATERANGES") => 10,
        Some("#EXT-X-SKIP") => 9,
        _ => 1,
    };
    (version, line.number)
}

fn attributes(url: &str, line: &Line, out: &mut Findings) {
    let Some(tag) = line.tag().filter(|tag| LISTS.contains(tag)) else { return };
    let attributes = line.attributes();
    if let Some(fault) = attributes.fault {
        out.add(&ATTRIBUTE_SYNTAX, url, line.number, format!("{tag}: {fault}"));
    }
    for (index, attribute) in attributes.list.iter().enumerate() {
        if attributes.list[..index].iter().any(|earlier| earlier.name == attribute.name) {
            out.add(&DUPLICATE_ATTRIBUTE, url, line.number, format!("{tag}: {} again", attribute.name));
        }
    }
}

fn leak(url: &str, line: &Line, out: &mut Findings) {
    let is_leak = |uri: &str| uri.split_once('?').is_some_and(|(_, query)| query.contains("_HLS_"));
    let uri = if line.is_uri() { Some(line.text.clone()) } else { line.attributes().text("URI") };
    if let Some(uri) = uri.filter(|uri| is_leak(uri)) {
        out.add(&DIRECTIVE_LEAK, url, line.number, uri);
    }
}
