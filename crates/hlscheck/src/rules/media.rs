//! Rules of one media playlist by itself, live or not.

use super::{
    DATE_DURATION, DATE_GROWS, DATE_SYNTAX, DATE_THERE, DISCONTINUITY_PLACE, DISCONTINUITY_STATED, END_NO_HINT, EXTINF,
    EXTINF_TARGET, EXTINF_ZERO, FRAME_S, Findings, MAP, MAP_CHANGE, SEQUENCE_PLACE, TARGET, TYPE,
};
use crate::playlist::{Line, Playlist, integer};

/// Ends of names that are fragmented MP4.
const FRAGMENTED: &[&str] = &[".m4s", ".mp4", ".m4v", ".m4a", ".cmfv", ".cmfa", ".cmft"];

pub fn check(playlist: &Playlist, out: &mut Findings) {
    headers(playlist, out);
    durations(playlist, out);
    maps(playlist, out);
    dates(playlist, out);
    if playlist.is_ended
        && let Some(hint) = playlist.hints.first()
    {
        out.add(&END_NO_HINT, &playlist.url, hint.line, "a hint in an ended playlist");
    }
}

fn headers(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    let first_media = playlist.lines.iter().find(|line| line.is_uri() || line.tag() == Some("#EXTINF"));
    let first_media = first_media.map_or(usize::MAX, |line| line.number);
    if playlist.target_s.is_none_or(|target| target == 0) {
        let line = playlist.with_tag("#EXT-X-TARGETDURATION").next();
        let said = line.map_or("absent".to_owned(), |line| format!("{:?}", line.value()));
        out.add(&TARGET, url, line.map(|line| line.number), said);
    }
    if let Some(line) = playlist.with_tag("#EXT-X-MEDIA-SEQUENCE").next()
        && let Some(fault) = misplaced(line, first_media)
    {
        out.add(&SEQUENCE_PLACE, url, line.number, fault);
    }
    let first_break = playlist.with_tag("#EXT-X-DISCONTINUITY").next().map_or(usize::MAX, |line| line.number);
    match playlist.with_tag("#EXT-X-DISCONTINUITY-SEQUENCE").next() {
        Some(line) => {
            if let Some(fault) = misplaced(line, first_media.min(first_break)) {
                out.add(&DISCONTINUITY_PLACE, url, line.number, fault);
            }
        }
        None if !playlist.is_ended && playlist.media_sequence > 0 => {
            out.add(&DISCONTINUITY_STATED, url, None, "there is none");
        }
        None => {}
    }
    if let Some(kind) = playlist.playlist_type.as_deref().filter(|kind| !matches!(*kind, "EVENT" | "VOD")) {
        let line = playlist.with_tag("#EXT-X-PLAYLIST-TYPE").next().map(|line| line.number);
        out.add(&TYPE, url, line, format!("{kind:?}"));
    }
}

fn misplaced(line: &Line, before: usize) -> Option<&'static str> {
    if integer(line.value()).is_none() {
        Some("it is no decimal integer")
    } else if line.number > before {
        Some("it comes too late")
    } else {
        None
    }
}

fn durations(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    for segment in &playlist.segments {
        let Some(duration_s) = segment.duration_s else {
            out.add(&EXTINF, url, segment.line, segment.uri.clone());
            continue;
        };
        let line = segment.extinf.as_ref().map(|(line, _)| *line);
        let target = playlist.target_s.unwrap_or_default();
        if target > 0 && duration_s.round() > target as f64 {
            out.add(&EXTINF_TARGET, url, line, format!("{} lasts {duration_s} s of {target}", segment.uri));
        }
        if duration_s == 0.0 {
            out.add(&EXTINF_ZERO, url, line, segment.uri.clone());
        }
    }
}

fn maps(playlist: &Playlist, out: &mut Findings) {
    let is_fragmented = |uri: &str| {
        let path = uri.split(['?', '#']).next().unwrap_or_default();
        FRAGMENTED.iter().any(|end| path.ends_with(end))
    };
    let mut listed = playlist.segments.iter();
    // Behind an EXT-X-SKIP the map may be one of those skipped.
    let missing = listed.find(|segment| segment.map.is_none() && is_fragmented(&segment.uri));
    if let Some(segment) = missing.filter(|_| playlist.skip.is_none()) {
        out.add(&MAP, &playlist.url, segment.line, segment.uri.clone());
    }
    for pair in playlist.segments.windows(2) {
        if pair[0].map.is_some() && pair[0].map != pair[1].map && !pair[1].is_discontinuity {
            out.add(&MAP_CHANGE, &playlist.url, pair[1].line, pair[1].uri.clone());
        }
    }
}

/// Dates exist, can be read, grow, and differ by what segments last.
fn dates(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    for segment in playlist.segments.iter().chain([&playlist.open]) {
        if let Some((line, text)) = segment.date.as_ref().filter(|_| segment.date_ms().is_none()) {
            out.add(&DATE_SYNTAX, url, *line, text.clone());
        }
    }
    let has_dates = playlist.segments.iter().any(|segment| segment.date.is_some()) || playlist.open.date.is_some();
    if !has_dates && !playlist.is_ended && !playlist.segments.is_empty() && playlist.skip.is_none() {
        out.add(&DATE_THERE, url, None, "no segment has one");
    }
    for pair in playlist.segments.windows(2) {
        let (Some(first), Some(second)) = (pair[0].date_ms(), pair[1].date_ms()) else { continue };
        let Some(duration_s) = pair[0].duration_s else { continue };
        let (line, distance_s) = (pair[1].date.as_ref().map(|(line, _)| *line), (second - first) as f64 / 1_000.0);
        if distance_s <= 0.0 {
            out.add(&DATE_GROWS, url, line, format!("{} begins {distance_s} s after {}", pair[1].uri, pair[0].uri));
        } else if !pair[1].is_discontinuity && (distance_s - duration_s).abs() > FRAME_S {
            let what = format!("{} lasts {duration_s} s, and the next begins {distance_s} s later", pair[0].uri);
            out.add(&DATE_DURATION, url, line, what);
        }
    }
}
