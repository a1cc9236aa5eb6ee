//! Rules a live playlist must keep (RFC 8216, draft-pantos-hls-rfc8216bis, Apple's authoring specification). Pure.

use media::playlist::{ParsedMedia, ParsedSegment, parse_date_time};

/// One frame at 24 per second, and a millisecond of rounding.
const FRAME_MS: f64 = 43.0;
/// Rounding of printed durations, per part.
const ROUNDING_S: f64 = 0.000_02;

/// Every rule that `now` breaks, by itself or as the successor of `before`. `text` is `now` as it was sent.
pub fn check(before: Option<&ParsedMedia>, now: &ParsedMedia, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    alone(now, text, &mut broken);
    dates(now, &mut broken);
    parts(now, &mut broken);
    if let Some(before) = before {
        succession(before, now, &mut broken);
    }
    broken
}

fn alone(now: &ParsedMedia, text: &str, broken: &mut Vec<String>) {
    let mut rule = |holds: bool, words: &str| {
        if !holds {
            broken.push(words.to_owned());
        }
    };
    rule(text.starts_with("#EXTM3U\n"), "the first line is #EXTM3U");
    rule(text.matches("#EXT-X-VERSION:").count() == 1, "one EXT-X-VERSION");
    rule(now.version.is_some_and(|version| version >= 9), "version 9 or more");
    rule(text.matches("#EXT-X-TARGETDURATION:").count() == 1, "one EXT-X-TARGETDURATION");
    rule(text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:"), "EXT-X-DISCONTINUITY-SEQUENCE is there");
    let target = f64::from(now.target_duration_s);
    let too_long = now.segments.iter().find(|segment| segment.duration_s.round() > target);
    rule(
        too_long.is_none(),
        &format!("rounded EXTINF at most the target: {:?}", too_long.map(|s| (s.msn, s.duration_s))),
    );
    rule(now.segments.iter().all(|segment| segment.duration_s > 0.0), "EXTINF above zero");
    let has_maps = now.skipped_segments > 0 || now.segments.iter().all(|segment| segment.map.is_some());
    rule(has_maps, "EXT-X-MAP holds for every segment");
    rule(!(now.is_ended && now.preload_hint.is_some()), "no PRELOAD-HINT with ENDLIST");
    rule(now.server_control.can_block_reload, "CAN-BLOCK-RELOAD=YES");
    rule(now.server_control.can_skip_until_s.is_some_and(|skip| skip >= 6.0 * target), "CAN-SKIP-UNTIL six targets");
    if let Some(part_target) = now.part_target_s {
        let hold_back = now.server_control.part_hold_back_s.unwrap_or(0.0);
        rule(hold_back + ROUNDING_S >= 3.0 * part_target, "PART-HOLD-BACK three part targets");
    }
}

/// Dates exist, grow, and differ by what segments last.
fn dates(now: &ParsedMedia, broken: &mut Vec<String>) {
    let date = |segment: &ParsedSegment| segment.program_date_time.as_deref().and_then(parse_date_time);
    if now.segments.iter().any(|segment| date(segment).is_none()) {
        broken.push("every segment has a PROGRAM-DATE-TIME".to_owned());
        return;
    }
    for pair in now.segments.windows(2) {
        let (Some(first), Some(second)) = (date(&pair[0]), date(&pair[1])) else { continue };
        let distance = (second - first) as f64;
        let wanted = pair[0].duration_s * 1_000.0;
        if distance <= 0.0 {
            broken.push(format!("dates grow: {} and {}", pair[0].uri, pair[1].uri));
        } else if !pair[1].is_discontinuity && (distance - wanted).abs() > FRAME_MS {
            broken.push(format!("{} lasts {wanted} ms and {} begins {distance} ms later", pair[0].uri, pair[1].uri));
        }
    }
}

fn parts(now: &ParsedMedia, broken: &mut Vec<String>) {
    let Some(target) = now.part_target_s else { return };
    let open = std::iter::once(("the open segment", &now.open_parts, false));
    let closed = now.segments.iter().map(|segment| (segment.uri.as_str(), &segment.parts, true));
    for (name, parts, is_closed) in closed.chain(open) {
        for (index, part) in parts.iter().enumerate() {
            let is_last = is_closed && index + 1 == parts.len();
            if part.duration_s > target + ROUNDING_S {
                broken.push(format!("part {index} of {name} lasts {} s, target {target}", part.duration_s));
            }
            // The open segment's newest part may turn out to be its last.
            let may_be_short = is_last || (!is_closed && index + 1 == parts.len());
            if !may_be_short && part.duration_s + ROUNDING_S < 0.85 * target {
                broken.push(format!("part {index} of {name} lasts only {} s of {target}", part.duration_s));
            }
        }
    }
    for segment in now.segments.iter().filter(|segment| !segment.parts.is_empty() && !segment.is_gap) {
        let sum: f64 = segment.parts.iter().map(|part| part.duration_s).sum();
        if (sum - segment.duration_s).abs() > 0.001 + ROUNDING_S * segment.parts.len() as f64 {
            broken.push(format!("{} lasts {} s, its parts {sum}", segment.uri, segment.duration_s));
        }
    }
}

/// Lines are only added at the end and removed at the front.
fn succession(before: &ParsedMedia, now: &ParsedMedia, broken: &mut Vec<String>) {
    if now.target_duration_s != before.target_duration_s {
        broken.push("the target duration never changes".to_owned());
    }
    if before.part_target_s.is_some() && now.part_target_s != before.part_target_s {
        broken.push("the part target never changes".to_owned());
    }
    if now.media_sequence < before.media_sequence {
        broken.push(format!("the media sequence went from {} to {}", before.media_sequence, now.media_sequence));
        return;
    }
    let removed = before.segments.iter().filter(|segment| segment.msn < now.media_sequence);
    let tags = removed.filter(|segment| segment.is_discontinuity).count() as u64;
    let known_all = before.segments.last().is_some_and(|last| last.msn + 1 >= now.media_sequence);
    if known_all && now.discontinuity_sequence != before.discontinuity_sequence.map(|sequence| sequence + tags) {
        broken.push(format!(
            "discontinuity sequence {:?} after {:?} with {tags} removed",
            now.discontinuity_sequence, before.discontinuity_sequence
        ));
    }
    for old in before.segments.iter().filter(|segment| segment.msn >= now.media_sequence) {
        let Some(new) = now.segments.iter().find(|segment| segment.msn == old.msn) else {
            if now.skipped_segments == 0 {
                broken.push(format!("{} disappeared", old.uri));
            }
            continue;
        };
        let is_same = new.uri == old.uri
            && new.duration_s == old.duration_s
            && new.program_date_time == old.program_date_time
            && new.is_discontinuity == old.is_discontinuity
            && new.is_gap == old.is_gap
            && (new.parts == old.parts || new.parts.is_empty());
        if !is_same {
            broken.push(format!("{} changed", old.uri));
        }
    }
    let open_msn = before.segments.last().map_or(before.media_sequence, |last| last.msn + 1);
    let became = now.segments.iter().find(|segment| segment.msn == open_msn);
    let still = became.map_or(now.open_parts.as_slice(), |segment| segment.parts.as_slice());
    let is_recent = became.is_none_or(|_| now.segments.last().is_some_and(|last| last.msn <= open_msn + 1));
    // A node that took the stream over lists what is its own: the open segment may have gone from the window.
    let is_there = now.media_sequence <= open_msn;
    if is_there && is_recent && !before.open_parts.is_empty() && !still.starts_with(&before.open_parts) && !now.is_ended
    {
        broken.push(format!("the parts of segment {open_msn} changed"));
    }
}
