//! HEVC and AV1 over Enhanced RTMP, from an encoder of today to a player: passed through as they came.

use std::time::Duration;

use testkit::stack::{Ffmpeg, Plan, decode, modern_ffmpeg};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::EXE;

const SECONDS: f64 = 16.0;

/// Publishes with `encoder` and judges what comes out by its names, by the rules of HLS and by decoding all of it.
async fn passes_through(encoder: &[&str], codecs: &str) {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish_enhanced(&stack.publish_url(&alice), SECONDS, encoder);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    let settled = async {
        loop {
            let playlist = stack.get("/live/alice/index.m3u8").await;
            if ["#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-I-FRAME-STREAM-INF"]
                .iter()
                .all(|tag| playlist.text.contains(tag))
            {
                return playlist.text;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let playlist = timeout(Duration::from_secs(12), settled).await.expect("it has key frames");
    let named = format!("CODECS=\"{codecs},mp4a.40.2\"");
    assert!(playlist.contains(&named), "{playlist}");
    let checker =
        Command::new(EXE).args(["hls-check", "--seconds", "5", &stack.url("/live/alice/index.m3u8")]).output();
    let checked = timeout(Duration::from_secs(40), checker).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("0 MUST, 0 APPLE"), "{said}");
    encoder.finish().await.expect("the encoder heard no error");

    let list = stack
        .until("/api/v1/vods?channel=alice", None, Duration::from_secs(8), |list| list["items"][0]["status"] == "ready")
        .await;
    let url = stack.url(list["items"][0]["playback"]["hls"].as_str().expect("an address"));
    let decoded = decode(&url).await;
    assert_eq!(decoded.errors, "");
    assert_eq!(decoded.video_frames, (SECONDS * 30.0) as u64);
    assert!((decoded.video_duration_s - SECONDS).abs() < 0.1, "{decoded:?}");
    assert!((decoded.audio_duration_s - SECONDS).abs() < 0.1, "{decoded:?}");
    let modern = Command::new(modern_ffmpeg()).args(["-v", "error", "-i", &url, "-f", "null", "-"]).output();
    let modern = timeout(Duration::from_secs(60), modern).await.expect("it ends").expect("it runs");
    assert_eq!(String::from_utf8_lossy(&modern.stderr), "", "a decoder of today has nothing to say");
    stack.stop().await;
}

#[tokio::test]
async fn hevc_reaches_viewers_as_it_came() {
    let x265 = "log-level=none:keyint=30:min-keyint=30:scenecut=0:bframes=3:open-gop=0";
    passes_through(&["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265], "hvc1.1.6.L63.90").await;
}

#[tokio::test]
async fn av1_reaches_viewers_as_it_came() {
    passes_through(&["-c:v", "libsvtav1", "-preset", "12", "-g", "30"], "av01.0.01M.08").await;
}
