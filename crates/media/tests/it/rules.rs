//! The rules of HLS over synthetic streams: every playlist ever rendered is read back and checked.

use std::collections::HashMap;

use media::playlist::{ParsedMedia, ParsedPart, parse_date_time, parse_media};
use media::segmenter::CutReason;

use crate::rig::{Frame, Rendition, Rig, TARGET_S, audio_times, run, steady};

/// Rounding of a printed duration.
const PRINTED: f64 = 0.000_011;

/// Checks everything that holds for any stream.
fn check(rig: &Rig) {
    for rendition in &rig.renditions {
        check_media(rendition);
        check_playlists(rendition);
    }
    check_boundaries(rig);
}

/// Decode times and numbers, from the bytes' own makers.
fn check_media(rendition: &Rendition) {
    let mut until = None;
    for part in &rendition.parts {
        assert!(part.starts_at_dts >= 0);
        assert!(
            until.is_none_or(|until| until == part.starts_at_dts),
            "tfdt continues in part {}.{}",
            part.msn,
            part.index
        );
        until = Some(part.starts_at_dts + part.duration_ticks);
    }
    for (n, end) in rendition.ends.iter().enumerate() {
        assert_eq!(end.msn, n as u64, "numbers grow by one");
        let parts = rendition.parts.iter().filter(|part| part.msn == end.msn);
        let (count, ticks, bytes) = parts.fold((0, 0, 0), |(count, ticks, bytes), part| {
            assert_eq!(part.index, count);
            (count + 1, ticks + part.duration_ticks, bytes + part.bytes.len() as u64)
        });
        assert_eq!((count, ticks, bytes), (end.part_count, end.duration_ticks, end.bytes_len), "parts are the segment");
        let length = rendition.seconds(end.duration_ticks);
        assert!(length <= f64::from(TARGET_S) + 0.5, "segment {n} lasts {length}");
    }
}

/// Every playlist as a player would have seen it, one after another.
fn check_playlists(rendition: &Rendition) {
    let mut parts_seen: HashMap<String, ParsedPart> = HashMap::new();
    let mut segments_seen: HashMap<u64, (String, f64, Option<String>)> = HashMap::new();
    let mut before: Option<ParsedMedia> = None;
    assert!(rendition.renders.len() > 20, "too little to check");
    for (full, delta) in &rendition.renders {
        let media = parse_media(full).expect("a media playlist");
        check_head(full, &media);
        let target = media.part_target_s.expect("a part target");
        for segment in &media.segments {
            assert!(segment.duration_s.round() as u32 <= media.target_duration_s);
            assert!(segment.map.is_some() && segment.program_date_time.is_some());
            let line = (segment.uri.clone(), segment.duration_s, segment.program_date_time.clone());
            assert_eq!(segments_seen.entry(segment.msn).or_insert_with(|| line.clone()), &line, "a line never changes");
            let sum: f64 = segment.parts.iter().map(|part| part.duration_s).sum();
            assert!(segment.parts.is_empty() || (sum - segment.duration_s).abs() < 0.000_2);
            check_parts(&segment.parts, target, true, &mut parts_seen);
        }
        check_parts(&media.open_parts, target, false, &mut parts_seen);
        check_dates(&media);
        if let Some(before) = &before {
            check_growth(before, &media);
        }
        assert_eq!(&merge(full, delta), full, "a delta update merges to the full playlist");
        before = Some(media);
    }
    assert!(rendition.renders.iter().any(|(_, delta)| delta.contains("#EXT-X-SKIP:")), "a delta was seen");
}

fn check_head(text: &str, media: &ParsedMedia) {
    assert!(text.starts_with("#EXTM3U\n"));
    assert_eq!(text.matches("#EXT-X-VERSION:").count(), 1);
    assert_eq!((media.version, media.target_duration_s), (Some(9), TARGET_S));
    assert!(media.discontinuity_sequence.is_some());
    let (target, control) = (media.part_target_s.expect("a part target"), media.server_control);
    assert!(control.can_block_reload);
    assert!(control.part_hold_back_s.is_some_and(|held| held >= 3.0 * target - 1e-9));
    assert!(control.hold_back_s.is_some_and(|held| held >= 3.0 * f64::from(TARGET_S)));
    assert!(control.can_skip_until_s.is_some_and(|until| until >= 6.0 * f64::from(TARGET_S)));
    assert!(media.preload_hint.is_some() != media.is_ended);
}

fn check_parts(parts: &[ParsedPart], target: f64, is_complete: bool, seen: &mut HashMap<String, ParsedPart>) {
    for (index, part) in parts.iter().enumerate() {
        assert!(part.duration_s <= target + PRINTED, "{} lasts {} of {target}", part.uri, part.duration_s);
        let is_last = is_complete && index + 1 == parts.len();
        assert!(
            is_last || !is_complete || part.duration_s >= 0.85 * target,
            "{} lasts {} of {target}, parts {parts:?}",
            part.uri,
            part.duration_s
        );
        assert_eq!(seen.entry(part.uri.clone()).or_insert_with(|| part.clone()), part, "a part never changes");
    }
}

/// PDT(n+1) − PDT(n) = EXTINF(n), within a millisecond of rounding each.
fn check_dates(media: &ParsedMedia) {
    for pair in media.segments.windows(2) {
        let date = |text: &Option<String>| text.as_deref().and_then(parse_date_time).expect("a date");
        let step = date(&pair[1].program_date_time) - date(&pair[0].program_date_time);
        assert!((step as f64 / 1_000.0 - pair[0].duration_s).abs() < 0.035, "{step} ms after {}", pair[0].duration_s);
    }
}

fn check_growth(before: &ParsedMedia, now: &ParsedMedia) {
    assert!(now.media_sequence >= before.media_sequence);
    assert_eq!(now.part_target_s, before.part_target_s, "the part target never changes");
    let removed = before.segments.iter().filter(|segment| segment.msn < now.media_sequence).count() as u64;
    assert_eq!(now.media_sequence - before.media_sequence, removed);
    if now.media_sequence > 0 {
        assert!(now.segments.len() >= 6);
    }
}

/// What a player makes of a delta: the skipped lines come from the playlist it has.
fn merge(full: &str, delta: &str) -> String {
    let Some(skip) = delta.lines().find(|line| line.starts_with("#EXT-X-SKIP:")) else { return delta.to_owned() };
    let skipped: usize = skip.trim_start_matches("#EXT-X-SKIP:SKIPPED-SEGMENTS=").parse().expect("a number");
    let (head, tail) = delta.split_once(&format!("{skip}\n")).expect("a skip line");
    let mut old = String::new();
    let mut left = skipped;
    for line in full.strip_prefix(head).expect("the same head").lines() {
        if left == 0 {
            break;
        }
        old.push_str(line);
        old.push('\n');
        left -= usize::from(!line.starts_with('#'));
    }
    format!("{head}{old}{tail}")
}

/// All renditions begin each segment at the same time, within a frame. The first begins with whatever came first.
fn check_boundaries(rig: &Rig) {
    let leader = &rig.renditions[0];
    for follower in &rig.renditions[1..] {
        assert!(follower.ends.len().abs_diff(leader.ends.len()) <= 1);
        for (ours, theirs) in leader.ends.iter().zip(&follower.ends).skip(1) {
            let (ours, theirs) = (leader.seconds(ours.starts_at_pts), follower.seconds(theirs.starts_at_pts));
            assert!((ours - theirs).abs() <= 0.035, "{ours} against {theirs}");
        }
    }
}

fn segment_lengths(rendition: &Rendition) -> Vec<f64> {
    rendition.ends.iter().map(|end| rendition.seconds(end.duration_ticks)).collect()
}

#[test]
fn two_second_gops_at_30_fps_give_two_second_segments_of_ten_parts() {
    let rig = run(&steady(30, 1, 60, 60), 48_000);
    check(&rig);
    let leader = &rig.renditions[0];
    assert!(segment_lengths(leader).iter().all(|length| (length - 2.0).abs() < 0.002));
    assert!(leader.ends.iter().all(|end| end.part_count == 10 && end.is_independent && end.iframe_len.is_some()));
    assert!(leader.ends.iter().all(|end| matches!(end.reason, CutReason::KeyFrame | CutReason::Finished)));
    assert!(leader.segmenter.part_target_s().is_some_and(|target| (0.2..0.205).contains(&target)));
}

#[test]
fn usual_rates_keep_the_rules() {
    for (num, den, gop) in [
        (24, 1, 48),
        (25, 1, 50),
        (30_000, 1_001, 60),
        (60, 1, 120),
        (24_000, 1_001, 48),
        (50, 1, 100),
        (15, 1, 30),
        (10, 1, 20),
        (120, 1, 240),
    ] {
        for audio in [44_100, 48_000] {
            let rig = run(&steady(num, den, gop, 40), audio);
            check(&rig);
            let lengths = segment_lengths(&rig.renditions[0]);
            assert!(lengths.iter().rev().skip(1).all(|length| (length - 2.0).abs() < 0.01), "{num}/{den}: {lengths:?}");
        }
    }
}

#[test]
fn an_offset_between_rounding_and_truncating_senders_does_not_matter() {
    for offset in [0, 1] {
        let frames: Vec<_> = (0..1_800_u64)
            .map(|n| Frame { timestamp_ms: (n * 1_001 / 30 + offset) as u32, cts_ms: 0, is_key: n % 60 == 0 })
            .collect();
        check(&run(&frames, 48_000));
    }
}

#[test]
fn half_second_gops_are_gathered_into_segments() {
    let rig = run(&steady(30, 1, 15, 40), 48_000);
    check(&rig);
    assert!(segment_lengths(&rig.renditions[0]).iter().all(|length| (length - 2.0).abs() < 0.01));
}

#[test]
fn gops_that_do_not_fit_are_cut_before_they_overshoot() {
    // 1.5 s: two would be 3 s. 0.8 s: three are 2.4 s.
    let rig = run(&steady(30, 1, 45, 60), 48_000);
    check(&rig);
    assert!(rig.renditions[0].ends.iter().all(|end| end.is_independent));
    let rig = run(&steady(30, 1, 24, 60), 48_000);
    check(&rig);
    assert!(rig.renditions[0].ends.iter().skip(1).all(|end| end.is_independent));
}

#[test]
fn a_long_gop_is_cut_by_force_and_says_so() {
    let rig = run(&steady(30, 1, 249, 60), 48_000);
    check(&rig);
    let ends = &rig.renditions[0].ends;
    assert!(ends.iter().any(|end| end.reason == CutReason::Forced));
    for pair in ends.windows(2) {
        assert_eq!(pair[1].is_independent, pair[0].reason == CutReason::KeyFrame);
        assert_eq!(pair[1].iframe_len.is_some(), pair[1].is_independent);
    }
}

#[test]
fn frames_out_of_order_keep_their_presentation_times() {
    // I P b b: decode order 0 3 1 2, offsets of two frames.
    let frames: Vec<_> = (0..1_800_u64)
        .map(|n| {
            // The last two of a group have nothing behind them to refer to.
            let shown = match n % 60 {
                0 | 58 | 59 => n,
                place if place % 3 == 1 => n + 2,
                _ => n - 1,
            };
            Frame {
                timestamp_ms: ((n * 1_000 + 15) / 30) as u32,
                cts_ms: ((shown + 2) * 1_000 / 30) as i32 - (n * 1_000 / 30) as i32,
                is_key: n % 60 == 0,
            }
        })
        .collect();
    let rig = run(&frames, 44_100);
    check(&rig);
    assert!(segment_lengths(&rig.renditions[0]).iter().all(|length| (length - 2.0).abs() < 0.002));
}

#[test]
fn a_varying_rate_keeps_what_can_be_kept() {
    // 20, 33 and 50 ms in no order a forecast could know.
    let mut at = 0;
    let mut seed = 7_u32;
    let frames: Vec<_> = (0..1_800)
        .map(|n| {
            let frame = Frame { timestamp_ms: at, cts_ms: 0, is_key: n % 55 == 0 };
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            at += [20, 33, 50][(seed >> 16) as usize % 3];
            frame
        })
        .collect();
    check(&run(&frames, 48_000));
}

#[test]
fn audio_alone_is_cut_by_time() {
    for rate in [44_100, 48_000] {
        let mut rig = Rig::audio_only(rate);
        for at in audio_times(rate).take(60 * rate as usize / 1_024) {
            rig.audio(at);
        }
        rig.finish();
        check(&rig);
        let lengths = segment_lengths(&rig.renditions[0]);
        assert!(lengths.iter().rev().skip(1).all(|length| (length - 2.0).abs() < 0.025), "{lengths:?}");
        assert!(rig.renditions[0].parts.iter().all(|part| part.is_independent));
    }
}

#[test]
fn total_length_is_what_was_sent() {
    let rig = run(&steady(30_000, 1_001, 60, 120), 48_000);
    for rendition in &rig.renditions {
        let total: f64 = segment_lengths(rendition).iter().sum();
        assert!((total - 120.0).abs() < 0.05, "{total}");
    }
}

#[test]
fn hints_of_a_steady_stream_come_true() {
    let rig = run(&steady(30, 1, 60, 40), 48_000);
    let leader = &rig.renditions[0];
    let names: Vec<_> = leader.parts.iter().map(|part| format!("part{}.{}.m4s", part.msn, part.index)).collect();
    let hints = leader.renders.iter().map(|(full, _)| parse_media(full).expect("parses").preload_hint.expect("a hint"));
    let mut wrong: Vec<_> = hints.filter(|hint| !names.contains(hint)).collect();
    wrong.dedup();
    // Nothing follows the end; from the first group of pictures on, everything else was foreseen.
    assert_eq!(wrong, ["part20.0.m4s"]);
}
