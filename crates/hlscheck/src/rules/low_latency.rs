//! Rules of one playlist with parts: their durations, server control, hints, reports.

use super::{
    BLOCK_RELOAD, CAN_SKIP, Findings, HINT_ATTRIBUTES, HINT_ONE, HINT_THERE, HOLD_BACK, PART_ATTRIBUTES,
    PART_HOLD_BACK, PART_HOLD_BACK_THREE, PART_LONG, PART_NEWEST, PART_OLD, PART_SHORT, PART_SUM, PART_TARGET,
    REPORT_ATTRIBUTES, ROUNDING_S, SKIP_UNTIL,
};
use crate::playlist::{Part, Playlist, Segment};

/// A part shorter than this share of the target breaks a rule.
const PART_SHARE_MIN: f64 = 0.85;
/// Parts are listed for so many target durations from the end.
const PARTS_LISTED_TARGETS: f64 = 3.0;

pub fn check(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    control(playlist, out);
    hints(playlist, out);
    for report in &playlist.reports {
        let has_part = !playlist.is_low_latency() || report.last_part.is_some();
        if report.uri.is_none() || report.last_msn.is_none() || !has_part {
            out.add(&REPORT_ATTRIBUTES, url, report.line, format!("of {}", report.uri.as_deref().unwrap_or("nobody")));
        }
    }
    if !playlist.is_low_latency() {
        return;
    }
    let Some(target_s) = playlist.part_target_s else {
        out.add(&PART_TARGET, url, None, "parts without PART-TARGET");
        return;
    };
    for segment in &playlist.segments {
        parts(playlist, segment, true, target_s, out);
        sum(playlist, segment, out);
    }
    parts(playlist, &playlist.open, false, target_s, out);
    age(playlist, out);
}

fn control(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    let control = playlist.control.clone().unwrap_or_default();
    let line = playlist.control.as_ref().map(|control| control.line);
    let target_s = playlist.target_s.unwrap_or_default() as f64;
    if control.hold_back_s.is_some_and(|seconds| seconds + ROUNDING_S < 3.0 * target_s) {
        out.add(&HOLD_BACK, url, line, format!("{:?} with a target of {target_s}", control.hold_back_s));
    }
    if control.can_skip_until_s.is_some_and(|seconds| seconds + ROUNDING_S < 6.0 * target_s) {
        out.add(&SKIP_UNTIL, url, line, format!("{:?} with a target of {target_s}", control.can_skip_until_s));
    }
    if !playlist.is_low_latency() {
        return;
    }
    if let Some(part_s) = playlist.part_target_s {
        let seconds = control.part_hold_back_s.unwrap_or_default() + ROUNDING_S;
        if seconds < 2.0 * part_s {
            out.add(&PART_HOLD_BACK, url, line, format!("{:?} with parts of {part_s}", control.part_hold_back_s));
        } else if seconds < 3.0 * part_s {
            out.add(&PART_HOLD_BACK_THREE, url, line, format!("{:?} with parts of {part_s}", control.part_hold_back_s));
        }
    }
    if playlist.is_ended {
        return;
    }
    if !control.can_block_reload {
        out.add(&BLOCK_RELOAD, url, line, "it is not said");
    }
    if control.can_skip_until_s.is_none() {
        out.add(&CAN_SKIP, url, line, "no CAN-SKIP-UNTIL");
    }
}

fn hints(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    for (index, hint) in playlist.hints.iter().enumerate() {
        let is_known = matches!(hint.kind.as_deref(), Some("PART" | "MAP"));
        if !is_known || hint.uri.is_none() {
            out.add(&HINT_ATTRIBUTES, url, hint.line, format!("{:?} {:?}", hint.kind, hint.uri));
        }
        if playlist.hints[..index].iter().any(|earlier| earlier.kind == hint.kind) {
            out.add(&HINT_ONE, url, hint.line, "a second hint");
        }
    }
    if playlist.is_low_latency() && !playlist.is_ended && playlist.hints.is_empty() {
        out.add(&HINT_THERE, url, None, "no hint");
    }
}

fn parts(playlist: &Playlist, segment: &Segment, is_closed: bool, target_s: f64, out: &mut Findings) {
    let (url, last) = (&playlist.url, segment.parts.len().saturating_sub(1));
    for (index, part) in segment.parts.iter().enumerate() {
        let Some(duration_s) = part.duration_s.filter(|_| !part.uri.is_empty()) else {
            out.add(&PART_ATTRIBUTES, url, part.line, format!("part {index} of {}", segment.msn));
            continue;
        };
        if duration_s > target_s + ROUNDING_S {
            out.add(&PART_LONG, url, part.line, format!("{} lasts {duration_s} s of {target_s}", part.uri));
        }
        // The newest part may turn out to be its segment's last.
        let may_be_short = index == last || part.is_gap;
        if !may_be_short && duration_s + ROUNDING_S < PART_SHARE_MIN * target_s {
            let place = if is_closed { "segment" } else { "open segment" };
            let what = format!("{} in {place} {} lasts {duration_s} s of {target_s}", part.uri, segment.msn);
            out.add(&PART_SHORT, url, part.line, what);
        }
    }
}

fn sum(playlist: &Playlist, segment: &Segment, out: &mut Findings) {
    let Some(duration_s) = segment.duration_s.filter(|_| !segment.parts.is_empty() && !segment.is_gap) else { return };
    let known: Option<Vec<f64>> = segment.parts.iter().map(|part: &Part| part.duration_s).collect();
    let Some(known) = known else { return };
    let (count, sum) = (known.len() as f64, known.iter().sum::<f64>());
    if (sum - duration_s).abs() > 0.001 + ROUNDING_S * count {
        let what = format!("{} lasts {duration_s} s, its {count} parts {sum:.5}", segment.uri);
        out.add(&PART_SUM, &playlist.url, segment.line, what);
    }
}

/// Which segments list their parts: the newest do, the old do not.
fn age(playlist: &Playlist, out: &mut Findings) {
    let Some(target) = playlist.target_s else { return };
    let limit_s = PARTS_LISTED_TARGETS * target as f64;
    let open_s: f64 = playlist.open.parts.iter().filter_map(|part| part.duration_s).sum();
    let mut left_s = playlist.duration_s() + open_s;
    for (index, segment) in playlist.segments.iter().enumerate() {
        let begins_s = left_s;
        left_s -= segment.duration_s.unwrap_or_default();
        let is_last = index + 1 == playlist.segments.len();
        let is_near = is_last || begins_s < limit_s - ROUNDING_S;
        let wants_parts = is_near && !playlist.is_ended && !segment.is_gap;
        if wants_parts && segment.parts.is_empty() {
            out.add(&PART_NEWEST, &playlist.url, segment.line, format!("{} has no parts", segment.uri));
        }
        // One more segment is room for servers that count whole segments.
        if !segment.parts.is_empty() && left_s > limit_s + target as f64 && !playlist.is_ended {
            out.add(&PART_OLD, &playlist.url, segment.line, format!("{} lists its parts", segment.uri));
        }
    }
}
