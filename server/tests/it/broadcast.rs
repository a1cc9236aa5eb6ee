use std::time::Duration;

use serde_json::json;
use testkit::stack::{Ffmpeg, Plan, Stack, decode};
use tokio::time::{Instant, sleep};

use crate::EXE;

/// Waits for the channel's recording to be ready, and returns it.
pub async fn ready_vod(stack: &Stack, username: &str, within: Duration) -> serde_json::Value {
    let path = format!("/api/v1/vods?channel={username}");
    let list = stack.until(&path, None, within, |list| list["items"][0]["status"] == "ready").await;
    list["items"][0].clone()
}

#[tokio::test]
async fn a_clean_stop_ends_the_stream_and_the_recording_is_ready_within_a_second() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let seconds = 6.0;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), seconds);
    let channel = stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    assert_eq!(channel["live"]["playback"]["hls"], "/live/alice/index.m3u8");
    // It can be watched while it grows.
    let list = stack
        .until("/api/v1/vods?channel=alice", None, Duration::from_secs(10), |list| {
            list["items"][0]["duration_s"].as_f64() > Some(1.0)
        })
        .await;
    assert_eq!(list["items"][0]["status"], "recording");
    encoder.finish().await.unwrap();
    let stopped = Instant::now();
    stack.until_status("alice", None, Duration::from_secs(5)).await;
    let vod = ready_vod(&stack, "alice", Duration::from_secs(5)).await;
    let took = stopped.elapsed();
    assert!(took < Duration::from_secs(1), "ready after {took:?}");

    let decoded = decode(&stack.url(vod["playback"]["hls"].as_str().unwrap())).await;
    assert_eq!(decoded.errors, "");
    assert_eq!(decoded.video_frames, (seconds * 30.0) as u64);
    assert!((decoded.video_duration_s - seconds).abs() < 0.1, "{decoded:?}");
    assert!((vod["duration_s"].as_f64().unwrap() - seconds).abs() < 0.1, "{vod}");
    assert_eq!(stack.get("/live/alice/index.m3u8").await.status, 404);
    stack.stop().await;
}

#[tokio::test]
async fn a_lost_encoder_comes_back_into_the_same_stream_and_followers_hear_of_it_once() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let (alice, bob) = (stack.member("alice").await, stack.member("bob").await);
    stack.follow(&bob, &alice).await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 60.0);
    let first = stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    let told = |list: &serde_json::Value| {
        list["items"].as_array().map_or(0, |items| items.iter().filter(|item| item["type"] == "stream_online").count())
    };
    stack.until("/api/v1/notifications", Some(&bob.token), Duration::from_secs(10), |list| told(list) == 1).await;
    sleep(Duration::from_secs(3)).await;
    encoder.kill().await;
    stack.until_status("alice", Some("reconnecting"), Duration::from_secs(10)).await;
    assert_eq!(stack.get("/live/alice/index.m3u8").await.status, 200, "viewers keep their playlist meanwhile");

    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 4.0);
    let second = stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    assert_eq!(first["live"]["id"], second["live"]["id"]);
    encoder.finish().await.unwrap();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(5)).await;
    let decoded = decode(&stack.url(vod["playback"]["hls"].as_str().unwrap())).await;
    assert_eq!(decoded.errors, "");
    assert!(decoded.video_frames > 30 * 6, "{decoded:?}");
    let list = stack.send(reqwest::Method::GET, "/api/v1/notifications", Some(&bob.token), None).await.json();
    assert_eq!(told(&list), 1, "{list}");
    stack.stop().await;
}

#[tokio::test]
async fn a_second_encoder_is_refused_while_the_first_delivers() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let first = Ffmpeg::publish(&stack.publish_url(&alice), 60.0);
    let before = stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    let refused = Ffmpeg::publish(&stack.publish_url(&alice), 60.0).finish().await;
    assert!(refused.is_err(), "the second encoder was let in");
    let after = stack.until_status("alice", Some("live"), Duration::from_secs(1)).await;
    assert_eq!(before["live"]["id"], after["live"]["id"]);
    first.stop().await;
    stack.until_status("alice", None, Duration::from_secs(5)).await;
    stack.stop().await;
}

#[tokio::test]
async fn sigterm_closes_the_stream_and_its_recording_properly() {
    let mut stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 60.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    sleep(Duration::from_secs(3)).await;
    let (status, took) = stack.process.terminate().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    drop(encoder);
    stack.restart().await;
    let vod = ready_vod(&stack, "alice", Duration::from_secs(5)).await;
    assert!(vod["duration_s"].as_f64() > Some(2.0), "{vod}");
    stack.stop().await;
}

#[tokio::test]
async fn the_480p_rendition_joins_the_source_and_both_decode() {
    let stack = Plan::quick(EXE).await.start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish_with(
        &stack.publish_url(&alice),
        14.0,
        &["-g", "60", "-bf", "2"],
        "testsrc2=size=1280x720:rate=30",
    );
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let playlist = stack.get("/live/alice/index.m3u8").await;
        if playlist.text.contains("RESOLUTION=854x480") || playlist.text.contains("RESOLUTION=852x480") {
            assert!(playlist.text.contains("RESOLUTION=1280x720"), "{}", playlist.text);
            break;
        }
        assert!(Instant::now() < until, "no lower rendition: {}", playlist.text);
        sleep(Duration::from_millis(100)).await;
    }
    encoder.finish().await.unwrap();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(10)).await;
    let id = vod["id"].as_str().unwrap();
    let lower = decode(&stack.url(&format!("/vod/{id}/480p/index.m3u8"))).await;
    assert_eq!(lower.errors, "");
    assert!(lower.video_frames > 30 * 8, "{lower:?}");
    let source = decode(&stack.url(&format!("/vod/{id}/source/index.m3u8"))).await;
    assert_eq!((source.errors.as_str(), source.video_frames), ("", 14 * 30));
    let picture = stack.get(&format!("/vod/{id}/thumbnail.jpg")).await;
    assert_eq!(picture.status, 200);
    stack.stop().await;
}

#[tokio::test]
async fn deleting_a_recording_removes_its_objects() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    Ffmpeg::publish(&stack.publish_url(&alice), 3.0).finish().await.unwrap();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(5)).await;
    let id = vod["id"].as_str().unwrap().to_owned();
    let objects = stack.data_dir().join(format!("objects/v2/rillcast%/vod/{id}"));
    let count = || walk(&objects);
    assert!(count() > 2, "{}", objects.display());
    let bob = stack.member("bob").await;
    let path = format!("/api/v1/vods/{id}");
    let refused = stack.send(reqwest::Method::DELETE, &path, Some(&bob.token), None).await;
    assert!(matches!(refused.status, 403 | 404), "{}", refused.status);
    let done = stack.send(reqwest::Method::DELETE, &path, Some(&alice.token), None).await;
    assert_eq!(done.status, 204, "{}", done.text);
    assert_eq!(stack.get(&path).await.status, 404);
    let gone = tokio::time::timeout(Duration::from_secs(10), async {
        while count() > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    });
    gone.await.expect("the objects go");
    assert_eq!(stack.get(&format!("/vod/{id}/index.m3u8")).await.status, 404);
    stack.stop().await;
}

fn walk(dir: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn a_view_counts_once_in_five_minutes() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let (alice, bob) = (stack.member("alice").await, stack.member("bob").await);
    Ffmpeg::publish(&stack.publish_url(&alice), 2.5).finish().await.unwrap();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(5)).await;
    let path = format!("/api/v1/vods/{}/views", vod["id"].as_str().unwrap());
    let view = |token: Option<String>| {
        let (stack, path) = (&stack, path.clone());
        async move { stack.send(reqwest::Method::POST, &path, token.as_deref(), Some(json!({}))).await.json() }
    };
    assert_eq!(view(Some(bob.token.clone())).await["counted"], true);
    assert_eq!(view(Some(bob.token.clone())).await["counted"], false);
    let anonymous = view(None).await;
    assert_eq!((&anonymous["counted"], &anonymous["views"]), (&json!(true), &json!(2)));
    let path = format!("/api/v1/vods/{}", vod["id"].as_str().unwrap());
    stack.until(&path, None, Duration::from_secs(10), |vod| vod["views"] == 2).await;
    stack.stop().await;
}
