//! HEVC and AV1 over Enhanced RTMP, from an encoder of today to a player: passed through as they came, with H.264 beside them.

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

/// What a multivariant playlist says of each picture: codec, size and frames a second.
fn variants(playlist: &str) -> Vec<String> {
    let attribute = |line: &str, name: &str| {
        let rest = line.split(&format!("{name}=")).nth(1).unwrap_or_default();
        rest.trim_start_matches('"').split([',', '"']).next().unwrap_or_default().to_owned()
    };
    let lines = playlist.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF:") && line.contains("RESOLUTION="));
    lines
        .map(|line| {
            let codec = attribute(line, "CODECS");
            format!("{} {} {}", &codec[..4], attribute(line, "RESOLUTION"), attribute(line, "FRAME-RATE"))
        })
        .collect()
}

/// The same picture in H.264 beside the source, and the ladder's rungs below, all with the source's numbers; decoded live
/// and from the recording.
async fn has_h264_beside_it(encoder: &[&str], codec: &str) {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "240p:500").set("transcoder.cpu_budget", "8.0");
    let stack = plan.start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish_enhanced(&stack.publish_url(&alice), SECONDS, encoder);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    let expected = [format!("{codec} 640x360 30.000"), "avc1 640x360 30.000".into(), "avc1 426x240 30.000".into()];
    let mut told = Vec::new();
    let complete = async {
        while told != expected {
            told = variants(&stack.get("/live/alice/index.m3u8").await.text);
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(Duration::from_secs(14), complete).await.is_ok(), "{told:?}");
    let checker =
        Command::new(EXE).args(["hls-check", "--seconds", "4", &stack.url("/live/alice/index.m3u8")]).output();
    let checked = timeout(Duration::from_secs(40), checker).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("0 MUST, 0 APPLE"), "{said}");
    encoder.finish().await.expect("the encoder heard no error");

    let list = stack
        .until("/api/v1/vods?channel=alice", None, Duration::from_secs(8), |list| list["items"][0]["status"] == "ready")
        .await;
    let path = list["items"][0]["playback"]["hls"].as_str().expect("an address");
    let playlist = stack.get(path).await.text;
    // In an order of its own, and with frame rates as far as headers tell them.
    let mut recorded: Vec<_> = variants(&playlist);
    recorded.sort_by_key(|variant| expected.iter().position(|live| live.starts_with(variant.trim())));
    let is_told = |(live, recorded): (&String, &String)| live.starts_with(recorded.trim());
    assert!(expected.len() == recorded.len() && expected.iter().zip(&recorded).all(is_told), "{playlist}");
    let folder = path.trim_end_matches("index.m3u8");
    for rendition in ["360p", "240p"] {
        let decoded = decode(&stack.url(&format!("{folder}{rendition}/index.m3u8"))).await;
        assert_eq!(decoded.errors, "", "{rendition}");
        let missing = (SECONDS * 30.0) as u64 - decoded.video_frames;
        assert!(missing < 5 * 30, "{rendition} joins within seconds: {decoded:?}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn hevc_has_h264_beside_it() {
    let x265 = "log-level=none:keyint=30:min-keyint=30:scenecut=0:bframes=3:open-gop=0";
    has_h264_beside_it(&["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265], "hvc1").await;
}

#[tokio::test]
async fn av1_has_h264_beside_it() {
    has_h264_beside_it(&["-c:v", "libsvtav1", "-preset", "12", "-g", "60"], "av01").await;
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
