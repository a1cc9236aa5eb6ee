//! Tracks that stop for a while.

use media::link::FrameKind;
use testkit::viewer::decode::decode;
use testkit::viewer::{Seen, Until};
use tokio::join;

use super::rig::{Clip, ClipPlan, PATIENCE, Pace, Rig};

/// Plays a clip in real time without the tags `is_lost` picks, and returns what was seen of the picture and the sound.
async fn play_without(rig: &Rig, seconds: u32, is_lost: impl Fn(FrameKind, u32) -> bool) -> (Seen, Seen) {
    let node = rig.node();
    let mut clip: Clip = ClipPlan { seconds, bframes: 0, ..ClipPlan::default() }.make();
    clip.tags.retain(|(kind, timestamp_ms, _)| !is_lost(*kind, *timestamp_ms));
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| {
        let viewer = node.viewer.clone();
        async move {
            let path = viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
            viewer.watch(&path, Until::Ended).await.expect("it can be followed")
        }
    };
    let ((), video, audio) = join!(publish, watch("source"), watch("audio"));
    node.stop().await;
    (video, audio)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_that_stops_is_replaced_by_silence() {
    let rig = Rig::new().await;
    let (video, audio) =
        play_without(&rig, 6, |kind, at_ms| kind == FrameKind::Audio && (2_000..4_500).contains(&at_ms)).await;
    for seen in [&video, &audio] {
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert!(seen.discontinuities.is_empty() && seen.lost.is_empty() && seen.gaps.is_empty());
        assert!((seen.duration_s() - 6.0).abs() < 0.1, "{}", seen.duration_s());
    }
    let file = rig.data.path().join("audio.mp4");
    audio.write(&file).expect("written");
    assert_eq!(decode(&file).await.expect("it decodes").complaints, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_that_ends_early_is_carried_to_the_end_of_the_picture() {
    let rig = Rig::new().await;
    let (video, audio) = play_without(&rig, 4, |kind, at_ms| kind == FrameKind::Audio && at_ms >= 3_500).await;
    assert!(video.violations.is_empty() && audio.violations.is_empty(), "{:#?}", audio.violations);
    let longer = audio.duration_s() - video.duration_s();
    assert!((0.0..0.025).contains(&longer), "less than a frame longer, and it is {longer} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_stops_ends_the_period_and_begins_one_when_it_is_back() {
    let rig = Rig::new().await;
    let (video, audio) =
        play_without(&rig, 7, |kind, at_ms| kind == FrameKind::Video && (2_500..4_900).contains(&at_ms)).await;
    for seen in [&video, &audio] {
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert_eq!(seen.discontinuities.len(), 1);
        assert!(seen.lost.is_empty() && seen.gaps.is_empty());
        assert!((seen.duration_s() - 4.5).abs() < 0.6, "{}", seen.duration_s());
    }
    assert_eq!(video.discontinuities, audio.discontinuities);
    assert_eq!(video.msns(), audio.msns());
    let file = rig.data.path().join("video.mp4");
    video.write(&file).expect("written");
    assert_eq!(decode(&file).await.expect("it decodes").complaints, "");
}
