//! The clock of one connection against senders of all kinds.

use media::codec::FrameRate;
use media::timeline::{Placed, Timeline};
use proptest::prelude::*;

use crate::rig::aac;

fn timeline() -> Timeline {
    let mut timeline = Timeline::new(0);
    timeline.set_audio(&aac(48_000));
    timeline
}

fn ntsc(n: u64) -> u32 {
    (n * 1_001 / 30) as u32
}

#[test]
fn a_told_rate_is_exact_from_the_first_frame() {
    let mut timeline = timeline();
    timeline.set_video_rate(Some(FrameRate { num: 30_000, den: 1_001 }));
    for n in 0..10_000 {
        let placed = timeline.video(ntsc(n), 0);
        assert_eq!(placed, Placed { dts: n as i64 * 3_003, cts: 0, duration: 3_003, gap: false, fill: 0 });
    }
}

#[test]
fn an_untold_rate_is_found() {
    let mut timeline = timeline();
    let placed: Vec<_> = (0..20_000).map(|n| timeline.video(ntsc(n), 0)).collect();
    for pair in placed[5_000..].windows(2) {
        assert_eq!(pair[1].dts - pair[0].dts, 3_003);
        assert_eq!(pair[0].duration, 3_003);
    }
    let error = placed[19_999].dts - 19_999 * 3_003;
    assert!(error.abs() <= 3 * 90, "{error}");
}

#[test]
fn a_wrongly_told_rate_is_dropped() {
    let mut timeline = timeline();
    timeline.set_video_rate(Some(FrameRate { num: 60, den: 1 }));
    let placed: Vec<_> = (0..100_u32).map(|n| timeline.video(n * 40, 0)).collect();
    assert_eq!(placed[1].dts, 3_600);
    assert!(placed[20..].iter().all(|placed| placed.duration == 3_600));
}

#[test]
fn offsets_follow_the_grid() {
    let mut timeline = timeline();
    timeline.set_video_rate(Some(FrameRate { num: 30, den: 1 }));
    timeline.video(0, 67);
    assert_eq!(timeline.video(33, 67).cts, 6_000);
    assert_eq!(timeline.video(67, 33).cts, 3_000);
    assert_eq!(timeline.video(100, 50).cts, 4_500, "an offset that is no whole frame stays");
}

#[test]
fn the_32_bit_clock_wraps_without_a_mark() {
    let mut timeline = timeline();
    let start = u32::MAX - 1_000;
    for n in 0..100_u32 {
        let placed = timeline.video(start.wrapping_add(n * 40), 0);
        assert_eq!((placed.dts, placed.gap), (i64::from(n) * 3_600, false));
        let heard = timeline.audio(start.wrapping_add(n * 40));
        assert!(heard.is_none_or(|heard| !heard.gap));
    }
}

#[test]
fn both_tracks_jump_together_and_stay_in_step() {
    let mut timeline = timeline();
    let mut heard = 0;
    for n in 0..400_u64 {
        let jump = if n >= 100 { 3_600_000 } else { 0 };
        let at = (n * 1_024 / 48) as u32 + jump;
        let video = timeline.video(at, 0);
        let Some(audio) = timeline.audio(at) else { continue };
        heard += 1;
        let apart = video.dts as f64 / 90.0 - audio.dts as f64 / 48.0;
        assert!(apart.abs() < 60.0, "frame {n}: {apart} ms apart");
        assert!(video.dts < 90 * 10_000, "the jump was taken out");
    }
    assert!(heard > 390);
}

#[test]
fn a_clock_set_back_goes_on() {
    let mut timeline = timeline();
    let mut last = -1;
    for at in (0..5_000).step_by(40).chain((0..5_000).step_by(40)) {
        let placed = timeline.video(at, 0);
        assert!(placed.dts > last && placed.dts - last < 10_000);
        last = placed.dts;
    }
}

#[test]
fn a_hole_in_the_video_is_reported() {
    let mut timeline = timeline();
    for n in 0..50_u32 {
        timeline.video(n * 40, 0);
    }
    for n in 0..300_u32 {
        timeline.audio(n * 1_024 / 48);
    }
    let placed = timeline.video(6_000, 0);
    assert!(placed.gap);
    assert_eq!(placed.dts, 540_000, "audio went on, so the time is real");
    assert!(!timeline.video(6_040, 0).gap);
}

#[test]
fn lost_audio_asks_for_silence() {
    let mut timeline = timeline();
    for n in 0..50_u32 {
        timeline.audio(n * 1_024 / 48);
    }
    let placed = timeline.audio(60 * 1_024 / 48).expect("kept");
    assert_eq!((placed.fill, placed.dts), (10, 60 * 1_024));
    assert_eq!(timeline.audio(1_000), None, "audio from the past is dropped");
}

#[test]
fn audio_that_never_comes_again_is_stood_in_for() {
    let mut timeline = timeline();
    timeline.video(0, 0);
    timeline.audio(0);
    for n in 1..100_u32 {
        timeline.video(n * 40, 0);
    }
    let silent: Vec<_> = std::iter::from_fn(|| timeline.missing_audio(300)).collect();
    assert!(silent.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1_024));
    let end_ms = silent.last().expect("some").dts / 48 + 21;
    assert!((3_640..=3_700).contains(&end_ms), "{end_ms}");
}

#[test]
fn at_the_end_audio_is_carried_to_the_end_of_the_picture() {
    let mut timeline = timeline();
    for n in 0..50_u32 {
        timeline.video(n * 40, 0);
    }
    assert_eq!(timeline.closing_audio(), None, "there is no audio to carry on");
    for n in 0..90_u32 {
        timeline.audio(n * 1_024 / 48);
    }
    let silent: Vec<_> = std::iter::from_fn(|| timeline.closing_audio()).map(|placed| placed.dts / 1_024).collect();
    assert_eq!(silent, [90, 91, 92, 93], "the fewest frames that reach 2 s");
    assert!((2_000..2_022).contains(&timeline.end_ms()), "{}", timeline.end_ms());
}

#[test]
fn a_drifting_sound_card_is_followed_in_small_steps() {
    let mut timeline = timeline();
    // 0.1 % too fast: a second in 1000.
    for n in 0..60_000_u64 {
        let at = n * 1_024 * 999 / 48_000;
        let placed = timeline.audio(at as u32).expect("nothing is dropped");
        assert_eq!(placed.fill, 0);
        assert!((1_024 - 48..=1_024 + 48).contains(&placed.duration));
        let apart = placed.dts / 48 - at as i64;
        assert!(apart.abs() <= 25, "frame {n}: {apart} ms");
    }
}

#[test]
fn a_resumed_stream_begins_where_the_last_connection_ended() {
    let mut first = timeline();
    for n in 0..100_u32 {
        first.video(n * 40, 0);
    }
    let end = first.end_ms();
    assert!((4_000..4_005).contains(&end), "{end}");
    let mut second = Timeline::new(end);
    assert_eq!(second.video(77_777, 0).dts, end * 90);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn decode_times_always_grow(events in prop::collection::vec((any::<bool>(), any::<u32>(), -200..200_i32, any::<bool>()), 1..400)) {
        let mut timeline = timeline();
        let (mut video, mut audio, mut at) = (-1, -1, 0_u32);
        for (is_video, raw, step, is_wild) in events {
            at = if is_wild { raw } else { at.wrapping_add_signed(step) };
            if is_video {
                let placed = timeline.video(at, raw as i32);
                prop_assert!(placed.dts > video && placed.dts >= 0);
                video = placed.dts;
            } else if let Some(placed) = timeline.audio(at) {
                prop_assert!(placed.dts - i64::from(placed.fill) * 1_024 >= audio);
                audio = placed.dts + i64::from(placed.duration);
            }
        }
    }
}
