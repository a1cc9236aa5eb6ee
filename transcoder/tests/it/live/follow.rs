//! A viewer at the live edge gets every frame, in legal playlists, and can decode what it got.

use testkit::viewer::decode::decode;
use testkit::viewer::{Seen, Until};
use tokio::join;

use super::rig::{Clip, ClipPlan, Node, PATIENCE, Pace, Rig, until};

/// Sends a clip and lets one viewer per rendition watch it to its end.
async fn play(rig: &Rig, node: &Node, clip: &Clip, pace: Pace, renditions: &[&str]) -> Vec<Seen> {
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(clip, pace, 0).await;
        feed.end("unpublished").await;
    };
    let watch = futures::future::join_all(renditions.iter().map(|name| async move {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("the rendition appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    }));
    let ((), seen) = join!(publish, watch);
    seen
}

fn assert_sound(seen: &Seen, seconds: f64) {
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    assert!(seen.lost.is_empty(), "{:?}", seen.lost);
    let msns = seen.msns();
    assert_eq!(msns, (0..msns.len() as u64).collect::<Vec<_>>(), "every number once, in order");
    assert!((seen.duration_s() - seconds).abs() < 0.1, "{} s of {seconds}", seen.duration_s());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_of_picture_and_sound_arrives_decodes_and_is_recorded() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan::default().make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await
    };
    let watch = |name: &'static str| {
        let viewer = node.viewer.clone();
        async move {
            let path = viewer.rendition("alice", name, PATIENCE).await.expect("the rendition appears");
            (path.clone(), viewer.watch(&path, Until::Ended).await.expect("it can be followed"))
        }
    };
    let (ended_after, (path, video), (_, audio)) = join!(publish, watch("source"), watch("audio"));

    assert_sound(&video, 4.0);
    assert_sound(&audio, 4.0);
    assert_eq!(video.msns(), audio.msns());
    let video_file = rig.data.path().join("video.mp4");
    video.write(&video_file).expect("written");
    let decoded = decode(&video_file).await.expect("it decodes");
    assert_eq!((decoded.frames, decoded.complaints.as_str()), (120, ""));
    assert_eq!((decoded.codec.as_str(), decoded.width, decoded.height), ("h264", 320, 180));
    let audio_file = rig.data.path().join("audio.mp4");
    audio.write(&audio_file).expect("written");
    let decoded = decode(&audio_file).await.expect("it decodes");
    assert_eq!((decoded.codec.as_str(), decoded.complaints.as_str()), ("aac", ""));
    assert!((decoded.duration_s - 4.0).abs() < 0.1, "{decoded:?}");

    eprintln!("latency p50 {} ms p95 {} ms, end {ended_after:?}", video.latency_ms(50), video.latency_ms(95));
    assert!(video.latency_ms(50) < 500, "a frame is there soon: {} ms", video.latency_ms(50));
    let (status, text) = node.viewer.text("/live/alice/index.m3u8").await.expect("an answer");
    assert_eq!((status.as_u16(), text.contains("stream.offline")), (404, true), "{text}");
    let (status, text) = node.viewer.text(&path).await.expect("an answer");
    assert!(status.is_success() && text.contains("#EXT-X-ENDLIST"), "the ended playlist can still be read");
    rig.publish_done(&cast, domain::stream::PublishEnd::Unpublished).await;
    rig.until_ready(&cast).await;
    let vod = rig.vod(&cast).await;
    assert!((vod["duration_ms"].as_i64().expect("a number") - 4_000).abs() < 100, "{vod}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_without_sound_is_a_stream() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { has_audio: false, ..ClipPlan::default() }.make();
    let seen = play(&rig, &node, &clip, Pace::Real, &["source"]).await;
    assert_sound(&seen[0], 4.0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_without_a_picture_is_a_stream() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { size: None, ..ClipPlan::default() }.make();
    let seen = play(&rig, &node, &clip, Pace::Real, &["audio"]).await;
    assert_sound(&seen[0], 4.0);
    let file = rig.data.path().join("audio.mp4");
    seen[0].write(&file).expect("written");
    assert_eq!(decode(&file).await.expect("it decodes").complaints, "");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_frames_far_apart_still_give_legal_playlists() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 6, gop: 250, ..ClipPlan::default() }.make();
    let seen = play(&rig, &node, &clip, Pace::Real, &["source", "audio"]).await;
    assert_sound(&seen[0], 6.0);
    assert_sound(&seen[1], 6.0);
    assert!(
        seen[0].parts.values().filter(|part| part.is_independent).count() == 1,
        "one key frame, one independent part"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_frame_rates_keep_their_part_targets() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { fps: "24000/1001", gop: 24, ..ClipPlan::default() }.make();
    let seen = play(&rig, &node, &clip, Pace::Real, &["source", "audio"]).await;
    assert_sound(&seen[0], 4.0);
    assert_sound(&seen[1], 4.0);
    let target = seen[0].last.part_target_s.expect("a part target");
    assert!((target - 5.0 * 1_001.0 / 24_000.0).abs() < 0.002, "whole frames: {target}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_faster_than_time_loses_nothing() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 10, ..ClipPlan::default() }.make();
    let seen = play(&rig, &node, &clip, Pace::Fast, &[]).await;
    assert!(seen.is_empty());
    until("all of it is recorded", || async {
        let rows =
            db::testing::rows(&rig.pool, "SELECT sum(duration_us) AS us FROM vod_segments WHERE rendition = 'source'");
        let us = rows.await.expect("a query")[0]["us"].as_f64().unwrap_or(0.0);
        (us / 1e6 - 10.0).abs() < 0.1
    })
    .await;
    node.stop().await;
}

/// Sound is passed through as it is, and the init segment says what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_of_any_rate_and_of_one_channel_passes_and_decodes_to_its_length() {
    for sound in [(44_100, 1), (22_050, 1), (11_025, 2), (32_000, 2)] {
        let rig = Rig::new().await;
        let node = rig.node();
        let clip = ClipPlan { sound, ..ClipPlan::default() }.make();
        let seen = play(&rig, &node, &clip, Pace::Real, &["source", "audio"]).await;
        let audio = &seen[1];
        assert!(audio.violations.is_empty(), "{sound:?}: {:#?}", audio.violations);
        let file = rig.data.path().join("audio.mp4");
        audio.write(&file).expect("written");
        let decoded = decode(&file).await.expect("it decodes");
        assert_eq!((decoded.codec.as_str(), decoded.complaints.as_str()), ("aac", ""), "{sound:?}");
        let seconds = decoded.frames as f64 * 1_024.0 / f64::from(sound.0);
        assert!((seconds - 4.0).abs() < 0.3, "{sound:?}: {seconds} s");
        node.stop().await;
    }
}
