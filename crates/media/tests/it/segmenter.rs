//! Cutting, looked at closely: forecasts, wrong forecasts, late cuts, breaks.

use bytes::Bytes;
use media::Sample;
use media::cmaf::TrackConfig;
use media::segmenter::{CutReason, Output, Outputs, Part, Role, SegmentEnd, Segmenter, SegmenterConfig};

use crate::rig::{aac, avc};

fn config(track: TrackConfig, role: Role) -> SegmenterConfig {
    SegmenterConfig {
        part_ms: 200,
        segment_ms: 2_000,
        target_duration_s: 2,
        track,
        role,
        first_msn: 5,
        starts_at_pts: None,
    }
}

fn leader() -> Segmenter {
    Segmenter::new(config(TrackConfig::Video(avc().into()), Role::Leader))
}

fn sound() -> Segmenter {
    Segmenter::new(config(TrackConfig::Audio(aac(48_000)), Role::Follower))
}

fn frame(n: i64) -> Sample {
    Sample { dts: n * 3_000, cts: 0, duration: 3_000, is_sync: n % 60 == 0, data: Bytes::from_static(b"frame") }
}

fn note(n: i64) -> Sample {
    Sample { dts: n * 1_024, cts: 0, duration: 1_024, is_sync: true, data: Bytes::from_static(b"note") }
}

fn parts(outputs: &Outputs) -> Vec<Part> {
    let part = |output: &Output| if let Output::Part(part) = output { Some(part.clone()) } else { None };
    outputs.iter().filter_map(part).collect()
}

fn ends(outputs: &Outputs) -> Vec<SegmentEnd> {
    let end = |output: &Output| if let Output::Segment(end) = output { Some(end.clone()) } else { None };
    outputs.iter().filter_map(end).collect()
}

#[test]
fn a_part_comes_out_with_its_last_frame() {
    let mut segmenter = leader();
    for n in 0..5 {
        assert!(segmenter.push(frame(n)).is_empty());
    }
    let out = segmenter.push(frame(5));
    assert_eq!(parts(&out).iter().map(|part| part.duration_ticks).collect::<Vec<_>>(), [18_000]);
    assert_eq!(segmenter.part_target_s(), Some(0.2));
}

#[test]
fn a_wrong_forecast_is_made_good_by_the_next_frame() {
    let mut segmenter = leader();
    for n in 0..6 {
        segmenter.push(frame(n));
    }
    // The seventh comes a third of a frame late.
    let late = Sample { dts: 19_000, ..frame(6) };
    segmenter.push(late);
    let mut out = Outputs::new();
    for n in 7..12 {
        out.extend(segmenter.push(frame(n)));
    }
    let part = &parts(&out)[0];
    assert_eq!((part.starts_at_dts, part.starts_at_pts), (18_000, 19_000), "no hole, and the picture is on time");
    assert_eq!(part.duration_ticks, 18_000, "the error is gone with the next frame");
}

#[test]
fn frames_lost_behind_a_published_part_leave_no_hole() {
    let mut segmenter = leader();
    for n in 0..6 {
        segmenter.push(frame(n));
    }
    let mut out = Outputs::new();
    for n in 9..20 {
        out.extend(segmenter.push(frame(n)));
    }
    let part = &parts(&out)[0];
    assert_eq!((part.starts_at_dts, part.starts_at_pts), (18_000, 18_000), "shown early rather than missing");
    let total: i64 = parts(&out).iter().map(|part| part.duration_ticks).sum();
    assert_eq!(18_000 + total, parts(&out).last().map_or(0, |part| part.starts_at_dts + part.duration_ticks));
}

#[test]
fn a_follower_ends_its_segment_with_the_frame_that_reaches_the_cut() {
    let mut audio = sound();
    let mut out = Outputs::new();
    out.extend(audio.cut_at(96_000));
    for n in 0..94 {
        out.extend(audio.push(note(n)));
    }
    let ends = ends(&out);
    assert_eq!(ends.len(), 1);
    assert_eq!((ends[0].msn, ends[0].reason, ends[0].duration_ticks), (5, CutReason::Followed, 94 * 1_024));
}

#[test]
fn a_cut_among_pending_frames_parts_them() {
    let mut audio = sound();
    for n in 0..96 {
        audio.push(note(n));
    }
    // Frames 90 to 95 are pending; the boundary lies before frame 93.
    let out = audio.cut_at(93 * 1_024);
    let end = &ends(&out)[0];
    assert_eq!((end.duration_ticks, end.next_pts), (93 * 1_024, 93 * 1_024));
    let mut later = Outputs::new();
    for n in 96..104 {
        later.extend(audio.push(note(n)));
    }
    assert_eq!((parts(&later)[0].msn, parts(&later)[0].starts_at_dts), (6, 93 * 1_024));
}

#[test]
fn a_cut_behind_published_media_happens_at_once() {
    let mut audio = sound();
    for n in 0..90 {
        audio.push(note(n));
    }
    let out = audio.cut_at(80 * 1_024);
    assert_eq!(ends(&out)[0].duration_ticks, 90 * 1_024);
    assert_eq!(audio.msn(), 6);
}

#[test]
fn a_break_ends_the_segment_in_every_rendition_at_one_number() {
    let (mut video, mut audio) = (leader(), sound());
    for n in 0..70 {
        for end in ends(&video.push(frame(n))) {
            audio.cut_at(end.next_pts * 48 / 90);
        }
    }
    // Audio never came as far as the first cut.
    for n in 0..80 {
        audio.push(note(n));
    }
    let out = video.discontinuity(None, None);
    assert_eq!(ends(&out).iter().map(|end| (end.msn, end.reason)).collect::<Vec<_>>(), [(6, CutReason::Discontinuity)]);
    let out = audio.discontinuity(Some(TrackConfig::Audio(aac(44_100))), Some(video.msn()));
    let numbers: Vec<_> = ends(&out).iter().map(|end| (end.msn, end.part_count > 0)).collect();
    assert_eq!(numbers, [(5, true), (6, false)], "a segment without samples still has its number");
    assert_eq!((video.msn(), audio.msn(), audio.timescale()), (7, 7, 44_100));

    let mut out = Outputs::new();
    for n in 1_000..1_010 {
        out.extend(video.push(Sample { is_sync: n == 1_000, ..frame(n) }));
    }
    let part = &parts(&out)[0];
    assert!(part.is_discontinuity);
    assert_eq!((part.msn, part.starts_at_dts), (7, 3_000_000), "a new period has its own time");
}

#[test]
fn a_rendition_that_broke_off_goes_on_at_a_later_number() {
    let mut lower = Segmenter::new(config(TrackConfig::Video(avc().into()), Role::Follower));
    for n in 0..20 {
        lower.push(frame(n));
    }
    let out = lower.restart_at(9, 240 * 3_000, None);
    assert_eq!((ends(&out)[0].msn, ends(&out)[0].reason), (5, CutReason::Abandoned));
    let mut out = Outputs::new();
    for n in 230..250 {
        out.extend(lower.push(frame(n)));
    }
    let part = &parts(&out)[0];
    assert_eq!((part.msn, part.starts_at_dts), (9, 240 * 3_000));
    assert!(part.is_independent && part.is_discontinuity);
}

#[test]
fn a_hostile_clock_never_grows_a_part_without_end() {
    let mut segmenter = leader();
    let mut out = Outputs::new();
    for n in 0..5_000 {
        // Every frame at the same time.
        out.extend(segmenter.push(Sample { dts: 0, is_sync: n == 0, duration: 0, ..frame(n) }));
    }
    out.extend(segmenter.finish());
    let parts = parts(&out);
    assert!(parts.len() >= 9);
    assert!(parts.windows(2).all(|pair| pair[1].starts_at_dts == pair[0].starts_at_dts + pair[0].duration_ticks));
}
