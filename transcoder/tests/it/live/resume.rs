//! Broken connections, changed formats, restarted nodes: one stream goes on.

use std::time::Duration;

use domain::stream::PublishEnd;
use media::playlist::parse_media;
use testkit::viewer::Until;
use testkit::viewer::decode::decode;
use tokio::join;

use super::rig::{ClipPlan, PATIENCE, Pace, Rig, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_comes_back_goes_on_after_one_discontinuity() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 3, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.hang_up();
        let mut again = cast.hello.clone();
        (again.epoch, again.publish_id) = (2, kit::ids::uuid().to_string());
        let mut feed = node.connect(&again).await.expect("it may go on");
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| async {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let ((), video, audio) = join!(publish, watch("source"), watch("audio"));
    for seen in [&video, &audio] {
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert!(seen.lost.is_empty());
        assert_eq!(seen.discontinuities.len(), 1);
        assert!((seen.duration_s() - 6.0).abs() < 0.2, "{}", seen.duration_s());
    }
    assert_eq!(video.discontinuities, audio.discontinuities, "at the same number everywhere");
    assert_eq!(video.msns(), (0..video.msns().len() as u64).collect::<Vec<_>>());
    let file = rig.data.path().join("all.mp4");
    video.write(&file).expect("written");
    assert_eq!(decode(&file).await.expect("it decodes").frames, 180);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_publisher_keeps_its_playlist_until_the_row_says_ended() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 3, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    feed.hang_up();
    rig.publish_done(&cast, PublishEnd::ConnectionLost).await;
    until("everything sent is there", || async {
        let text = node.viewer.text(&path).await.expect("an answer").1;
        let playlist = parse_media(&text).expect("a playlist");
        playlist.segments.iter().map(|segment| segment.duration_s).sum::<f64>() > 2.9
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (status, text) = node.viewer.text(&path).await.expect("an answer");
    assert!(status.is_success() && !text.contains("ENDLIST"), "it waits for the publisher");
    db::testing::execute(&rig.pool, "UPDATE streams SET reconnect_until = now() - interval '1 s'").await.expect("sql");
    until("the stream has ended", || async {
        node.viewer.text(&path).await.expect("an answer").1.contains("#EXT-X-ENDLIST")
    })
    .await;
    rig.until_ready(&cast).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_picture_size_begins_a_period_with_its_own_init() {
    let rig = Rig::new().await;
    let node = rig.node();
    let small = ClipPlan { seconds: 3, ..ClipPlan::default() }.make();
    let large = ClipPlan { seconds: 3, size: Some("640x360"), ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&small, Pace::Real, 0).await;
        feed.send(&large, Pace::Real, 3_020).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| async {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let ((), video, audio) = join!(publish, watch("source"), watch("audio"));
    for seen in [&video, &audio] {
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert_eq!(seen.discontinuities.len(), 1);
    }
    assert_eq!(video.discontinuities, audio.discontinuities);
    assert_eq!(video.inits.len(), 2);
    assert_eq!(audio.inits.len(), 1, "the sound is what it was");
    for (init, width) in [("init0.mp4", 320), ("init1.mp4", 640)] {
        let file = rig.data.path().join(init);
        video.write_period(&file, init).expect("written");
        let decoded = decode(&file).await.expect("it decodes");
        assert_eq!((decoded.width, decoded.frames, decoded.complaints.as_str()), (width, 90, ""));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_go_on_after_the_node_was_killed() {
    let rig = Rig::new().await;
    let clip = ClipPlan { seconds: 4, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let node = rig.node();
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    let before = node.viewer.watch(&path, Until::Msn(3)).await.expect("it can be followed");
    node.kill();

    let node = rig.node();
    let mut again = cast.hello.clone();
    (again.epoch, again.publish_id) = (2, kit::ids::uuid().to_string());
    let mut feed = node.connect(&again).await.expect("the new node takes it");
    feed.send(&clip, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    let (status, text) = node.viewer.text(&path).await.expect("an answer");
    assert!(status.is_success());
    let playlist = parse_media(&text).expect("a playlist");
    let last_before = *before.msns().last().expect("some");
    assert!(playlist.media_sequence > last_before, "{} after {last_before}", playlist.media_sequence);
    assert!(playlist.segments.first().is_some_and(|first| first.is_discontinuity), "{text}");
    assert!(!text.contains("init0.mp4"), "names are never used again: {text}");
    feed.end("unpublished").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_goodbyes_and_not_for_the_silent() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 2, ..ClipPlan::default() }.make();
    let (one, two) = (rig.cast("alice").await, rig.cast("bob").await);
    let mut polite = node.connect(&one.hello).await.expect("accepted");
    let mut silent = node.connect(&two.hello).await.expect("accepted");
    polite.send(&clip, Pace::Fast, 0).await;
    silent.send(&clip, Pace::Fast, 0).await;
    let (goodbye, stopped) = join!(polite.end("server_stopping"), node.stop());
    assert!(goodbye < Duration::from_secs(2), "{goodbye:?}");
    assert!(stopped < Duration::from_secs(9), "{stopped:?}");
}
