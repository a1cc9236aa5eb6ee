//! Rules of two successive versions of one live playlist. Both are whole: a delta update is merged first.

use super::{
    AFTER_END, DISCONTINUITY_COUNT, Findings, HINT_TRUE, LATE, LINE_CHANGED, LINE_GONE, PART_CHANGED,
    PART_TARGET_CONSTANT, SEQUENCE_BACK, SEQUENCE_COUNT, SIX_SEGMENTS, TARGET_CONSTANT, THREE_TARGETS, TYPE_CONSTANT,
};
use crate::playlist::Playlist;

/// Fewer segments are no live window.
const WINDOW_MIN: usize = 6;
/// How long a request and a busy server may take beyond what the format allows, in seconds.
const LATE_SLACK_S: f64 = 1.0;

pub fn check(before: &Playlist, now: &Playlist, out: &mut Findings) {
    let url = &now.url;
    if now.target_s != before.target_s {
        let line = now.with_tag("#EXT-X-TARGETDURATION").next().map(|line| line.number);
        out.add(&TARGET_CONSTANT, url, line, format!("{:?} became {:?}", before.target_s, now.target_s));
    }
    if before.part_target_s.is_some() && now.part_target_s.is_some() && before.part_target_s != now.part_target_s {
        let line = now.with_tag("#EXT-X-PART-INF").next().map(|line| line.number);
        out.add(&PART_TARGET_CONSTANT, url, line, format!("{:?} became {:?}", before.part_target_s, now.part_target_s));
    }
    if before.is_ended {
        if before.segments != now.segments || !now.is_ended {
            out.add(&AFTER_END, url, None, "the playlist changed");
        }
        return;
    }
    if before.playlist_type.as_deref() == Some("EVENT") {
        let stays = matches!(now.playlist_type.as_deref(), Some("EVENT")) || now.is_ended;
        if !stays || now.media_sequence != before.media_sequence {
            out.add(&TYPE_CONSTANT, url, None, format!("{:?}, from {}", now.playlist_type, now.media_sequence));
            return;
        }
    }
    let line = now.with_tag("#EXT-X-MEDIA-SEQUENCE").next().map(|line| line.number);
    if now.media_sequence < before.media_sequence {
        out.add(&SEQUENCE_BACK, url, line, format!("{} became {}", before.media_sequence, now.media_sequence));
        return;
    }
    if let Some(what) = miscounted(before, now) {
        out.add(&SEQUENCE_COUNT, url, line, what);
        return;
    }
    segments(before, now, out);
    discontinuities(before, now, out);
    parts(before, now, out);
    window(before, now, out);
}

/// `since_s` is the time since the newest segment was first seen; a version without a newer one may be late.
pub fn check_pace(now: &Playlist, since_s: f64, out: &mut Findings) {
    let Some(target) = now.target_s else { return };
    let is_late = since_s > 1.5 * target as f64 + LATE_SLACK_S;
    if is_late && !now.is_ended {
        let newest = now.segments.last().map_or("nothing", |segment| segment.uri.as_str());
        out.add(&LATE, &now.url, None, format!("nothing after {newest}"));
    }
}

/// Whether the same addresses carry other numbers now.
fn miscounted(before: &Playlist, now: &Playlist) -> Option<String> {
    // Byte ranges of one file share an address.
    let is_plain = |playlist: &Playlist| playlist.segments.iter().all(|segment| segment.byte_range.is_none());
    if !is_plain(before) || !is_plain(now) {
        return None;
    }
    let first = now.segments.first()?;
    let was = before.segments.iter().rev().find(|segment| segment.uri == first.uri)?;
    (was.msn != first.msn).then(|| format!("{} was {} and is {}", first.uri, was.msn, first.msn))
}

fn segments(before: &Playlist, now: &Playlist, out: &mut Findings) {
    for old in before.segments.iter().filter(|segment| segment.msn >= now.media_sequence) {
        let Some(new) = now.segment(old.msn) else {
            out.add(&LINE_GONE, &now.url, None, format!("{} ({})", old.uri, old.msn));
            continue;
        };
        if let Some(difference) = old.difference(new) {
            out.add(&LINE_CHANGED, &now.url, new.line, format!("{} ({}): {difference}", old.uri, old.msn));
        }
    }
}

fn discontinuities(before: &Playlist, now: &Playlist, out: &mut Findings) {
    let removed = before.segments.iter().filter(|segment| segment.msn < now.media_sequence);
    let tags = removed.filter(|segment| segment.is_discontinuity).count() as u64;
    let knows_all = before.segments.last().is_some_and(|last| last.msn + 1 >= now.media_sequence);
    let (was, is) = (before.discontinuity_sequence.unwrap_or_default(), now.discontinuity_sequence.unwrap_or_default());
    if knows_all && is != was.saturating_add(tags) {
        let line = now.with_tag("#EXT-X-DISCONTINUITY-SEQUENCE").next().map(|line| line.number);
        out.add(&DISCONTINUITY_COUNT, &now.url, line, format!("{was} became {is} with {tags} removed"));
    }
}

fn parts(before: &Playlist, now: &Playlist, out: &mut Findings) {
    for old in before.segments.iter().chain([&before.open]) {
        let new = now.parts_of(old.msn);
        // They may go when they are old; a playlist that ended drops what was not finished.
        let is_listed = old.msn <= now.open.msn && !new.is_empty();
        if !is_listed {
            continue;
        }
        let same = new.len() >= old.parts.len() && old.parts.iter().zip(new).all(|(old, new)| old.says_same(new));
        if !same {
            let line = new.first().map(|part| part.line);
            out.add(&PART_CHANGED, &now.url, line, format!("the parts of {}", old.msn));
            return;
        }
    }
    let Some(hinted) = before.part_hint().filter(|hint| !hint.is_range).and_then(|hint| hint.uri.as_ref()) else {
        return;
    };
    // The hinted part goes on with the open segment or begins the one behind it.
    let next = now.parts_of(before.open.msn).get(before.open.parts.len());
    let is_closed = now.segment(before.open.msn).is_some();
    let next = next.or_else(|| now.parts_of(before.open.msn + 1).first().filter(|_| is_closed));
    if let Some(next) = next.filter(|next| next.uri != *hinted) {
        out.add(&HINT_TRUE, &now.url, next.line, format!("{hinted} was hinted, {} came", next.uri));
    }
}

fn window(before: &Playlist, now: &Playlist, out: &mut Findings) {
    if now.media_sequence == before.media_sequence || now.is_ended || now.segments.is_empty() {
        return;
    }
    let line = now.with_tag("#EXT-X-MEDIA-SEQUENCE").next().map(|line| line.number);
    if now.segments.len() < WINDOW_MIN {
        out.add(&SIX_SEGMENTS, &now.url, line, format!("{} segments", now.segments.len()));
    }
    let floor_s = 3.0 * now.target_s.unwrap_or_default() as f64;
    // Removed together with a segment's coming: what is left is what counts.
    if now.duration_s() + 0.1 < floor_s {
        out.add(&THREE_TARGETS, &now.url, line, format!("{:.3} s are left of {floor_s}", now.duration_s()));
    }
}
