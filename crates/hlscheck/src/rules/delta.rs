//! Rules of delta updates, and the merge of one with the playlist before it.

use super::{Findings, ROUNDING_S, SKIP_ASKED, SKIP_ATTRIBUTES, SKIP_BOUNDARY, SKIP_GIVEN, SKIP_MERGE};
use crate::playlist::Playlist;

/// Rules of one answer; `is_asked` says whether `_HLS_skip` was in the request.
pub fn check(playlist: &Playlist, is_asked: bool, out: &mut Findings) {
    let url = &playlist.url;
    let Some(skip) = playlist.skip else { return };
    if !is_asked {
        out.add(&SKIP_ASKED, url, skip.line, "nobody asked");
        return;
    }
    let first = playlist.segments.first().map_or(usize::MAX, |segment| segment.line);
    if skip.segments.is_none_or(|count| count == 0) || skip.line > first {
        out.add(&SKIP_ATTRIBUTES, url, skip.line, "number or place is wrong");
        return;
    }
    let Some(boundary_s) = playlist.control.as_ref().and_then(|control| control.can_skip_until_s) else {
        out.add(&SKIP_BOUNDARY, url, skip.line, "there is no CAN-SKIP-UNTIL");
        return;
    };
    let open_s: f64 = playlist.open.parts.iter().filter_map(|part| part.duration_s).sum();
    // The segment that the boundary cuts may be skipped: how long it is was skipped too.
    let listed_s = playlist.duration_s() + open_s + playlist.target_s.unwrap_or_default() as f64;
    if listed_s + ROUNDING_S < boundary_s {
        out.add(&SKIP_BOUNDARY, url, skip.line, format!("less than {boundary_s} s are listed"));
    }
}

/// Whether there was something to skip in `full` and `answer`, which was asked to skip, is whole.
pub fn check_given(full: &Playlist, answer: &Playlist, out: &mut Findings) {
    let boundary_s = full.control.as_ref().and_then(|control| control.can_skip_until_s);
    let Some(boundary_s) = boundary_s.filter(|_| !full.is_ended && !answer.is_ended) else { return };
    let skippable_s = full.duration_s() - boundary_s;
    // Two segments of room: the window moves between two requests.
    if answer.skip.is_none() && skippable_s > 2.0 * full.target_s.unwrap_or_default() as f64 {
        out.add(&SKIP_GIVEN, &answer.url, None, "the whole playlist came");
    }
}

/// `delta` with what it skips taken from `base`; nothing when `base` lacks some of it.
pub fn merge(base: &Playlist, delta: &Playlist) -> Option<Playlist> {
    let Some(skipped) = delta.skip.and_then(|skip| skip.segments) else { return Some(delta.clone()) };
    let mut merged = delta.clone();
    merged.skip = None;
    merged.segments.clear();
    let end = delta.media_sequence.saturating_add(skipped);
    let known = base.segments.iter().filter(|segment| (delta.media_sequence..end).contains(&segment.msn));
    merged.segments.extend(known.cloned());
    if merged.segments.len() as u64 != skipped {
        return None;
    }
    // What holds for the last one skipped holds on, unless the delta says otherwise.
    let map = merged.segments.last().and_then(|segment| segment.map.clone());
    for mut segment in delta.segments.iter().cloned() {
        segment.map = segment.map.or_else(|| map.clone());
        merged.segments.push(segment);
    }
    merged.open.map = merged.open.map.or(map);
    Some(merged)
}

/// `merged` came before `full`, from the same edge or a little earlier.
pub fn check_merge(merged: &Playlist, full: &Playlist, out: &mut Findings) {
    let first = merged.media_sequence.max(full.media_sequence);
    for segment in merged.segments.iter().filter(|segment| segment.msn >= first) {
        let Some(other) = full.segment(segment.msn) else {
            out.add(&SKIP_MERGE, &full.url, None, format!("{} ({}) is not in the full one", segment.uri, segment.msn));
            return;
        };
        if let Some(difference) = segment.difference(other) {
            out.add(&SKIP_MERGE, &full.url, other.line, format!("{} ({}): {difference}", segment.uri, segment.msn));
            return;
        }
    }
}
