//! A clip of a real recording, judged by what decoders make of it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use testkit::stack::{Ffmpeg, Plan, decode};
use tokio::process::Command;
use tokio::time::timeout;

use crate::EXE;
use crate::broadcast::ready_vod;
use crate::check::checked;

/// Digests of so many pictures of a playlist from a moment on, as ffmpeg decodes them.
async fn pictures(url: &str, from_s: f64, count: u32) -> Vec<String> {
    let (from, count) = (format!("{from_s:.3}"), count.to_string());
    // Decoded from the beginning and dropped until then: the moment is met to the picture.
    let arguments = ["-v", "error", "-nostdin", "-i", url, "-ss", &from, "-map", "0:v:0", "-frames:v", &count];
    let child = Command::new("ffmpeg")
        .args(arguments)
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), child).await.expect("it ends").expect("ffmpeg is installed");
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(',').next().map(|digest| digest.trim().to_owned())).collect()
}

#[tokio::test]
async fn six_seconds_of_a_recording_play_as_a_clip() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let bob = stack.member("bob").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 20.0);

    // While the stream runs: what was just seen, ahead of what is stored.
    let stored = stack
        .until("/api/v1/vods?channel=alice", None, Duration::from_secs(20), |list| {
            list["items"][0]["duration_s"].as_f64() > Some(4.0)
        })
        .await;
    let vod = stored["items"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/vods/{vod}/clips");
    let make = |body| stack.send(reqwest::Method::POST, &path, Some(&bob.token), Some(body));
    let live = make(json!({"title": "Just now", "start_ms": 3_000, "end_ms": 9_000})).await;
    assert_eq!(live.status, 201, "{}", live.text);
    let live = live.json()["id"].as_str().expect("an id").to_owned();
    let growing = format!("/clip/{live}/source/index.m3u8");
    let text = stack.until_text(&growing, Duration::from_secs(30), |text| text.contains("#EXT-X-ENDLIST")).await;
    assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD") && text.contains("#EXT-X-START:TIME-OFFSET="), "{text}");
    let whole = stack.get(&format!("/vod/{vod}/source/index.m3u8")).await.text;
    assert!(!whole.contains("#EXT-X-ENDLIST"), "the stream goes on, the clip is whole");

    encoder.finish().await.unwrap();
    ready_vod(&stack, "alice", Duration::from_secs(10)).await;
    let start_ms = 7_300;
    let clip = make(json!({"title": "Six seconds", "start_ms": start_ms, "end_ms": start_ms + 6_000})).await;
    assert_eq!(clip.status, 201, "{}", clip.text);
    let clip = clip.json();
    let id = clip["id"].as_str().expect("an id");
    let url = stack.url(clip["playback"]["hls"].as_str().expect("an address"));
    let text = stack.get(&format!("/clip/{id}/source/index.m3u8")).await.text;
    let offset = text.lines().find_map(|line| line.strip_prefix("#EXT-X-START:TIME-OFFSET="));
    let offset: f64 = offset.and_then(|rest| rest.split(',').next()?.parse().ok()).expect("where it begins");

    // Whole segments around the six seconds: less than one more at each end.
    let decoded = decode(&url).await;
    assert_eq!(decoded.errors, "", "{text}");
    assert!((6.0..10.1).contains(&decoded.video_duration_s), "{decoded:?}");
    assert!((decoded.video_duration_s - decoded.audio_duration_s).abs() < 0.1, "{decoded:?}");
    assert!((0.0..2.1).contains(&offset) && decoded.video_duration_s >= offset + 5.96, "{offset} of {decoded:?}");

    // The pictures are the recording's, from that moment on: half a second of it before them is 15 pictures at 30 a second.
    let recorded = stack.url(&format!("/vod/{vod}/index.m3u8"));
    let clipped = pictures(&url, offset, 176).await;
    let original = pictures(&recorded, f64::from(start_ms) / 1_000.0 - 0.5, 200).await;
    assert_eq!((clipped.len(), original.len()), (176, 200));
    let begins_at = original.iter().position(|picture| *picture == clipped[0]).expect("its first picture is in there");
    assert!((14..=16).contains(&begins_at), "{begins_at}");
    assert_eq!(clipped, original[begins_at..begins_at + 176]);

    for url in [url, stack.url(&format!("/clip/{live}/index.m3u8"))] {
        let told = checked(url, 2).await;
        assert!(told.contains("0 MUST, 0 APPLE"), "{told}");
    }
    stack.stop().await;
}
