//! MPEG-DASH of a broadcast and of its recording, played by programs that are not ours.

use std::process::Stdio;
use std::time::Duration;

use testkit::stack::{Ffmpeg, Plan};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::EXE;
use crate::broadcast::ready_vod;

/// Runs a player to its end and returns what it printed, errors last. One that does not come to its end within a minute is ended,
/// and what it said until then is shown.
async fn run(program: &str, arguments: &[&str]) -> String {
    let mut child = Command::new("timeout");
    child.args(["60", program]).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(70), child.output()).await.expect("it ends").expect("it is installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Pictures that ffmpeg decodes.
async fn frames(url: &str, seconds: &str) -> u64 {
    let said = run(
        "ffmpeg",
        &["-v", "warning", "-nostdin", "-i", url, "-t", seconds, "-map", "0:v:0", "-f", "null", "-progress", "-", "-"],
    )
    .await;
    let last = said.lines().filter_map(|line| line.strip_prefix("frame=")).next_back().expect("it counts");
    last.trim().parse().expect("a number")
}

/// How much of its first track a manifest lists, in microseconds.
fn listed_us(manifest: &str) -> u64 {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.split_once(&format!(" {name}=\""))?.1.split('"').next()?.parse().ok()
    };
    let timeline =
        manifest.split("<SegmentTimeline>").nth(1).unwrap_or_default().split("</").next().unwrap_or_default();
    let spans = timeline.lines().filter_map(|line| Some(number(line, "d")? * (number(line, "r").unwrap_or(0) + 1)));
    spans.sum()
}

#[tokio::test]
async fn a_broadcast_and_its_recording_play_as_dash() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 14.0);
    // ffmpeg passes over what is not there yet when it asks, and then waits for what comes after the end.
    let is_there = async {
        while listed_us(&stack.get("/live/alice/index.mpd?dvr=1").await.text) < 4_500_000 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(15), is_there).await.expect("it has a manifest");
    let (status, told) = {
        let answer = stack.get("/api/v1/streams?live=true").await;
        (answer.status, answer.text)
    };
    assert!(status == 200 && told.contains("\"dash\":\"/live/alice/index.mpd\""), "{told}");
    let seen = frames(&stack.url("/live/alice/index.mpd?dvr=1"), "4").await;
    assert!(seen >= 4 * 30 - 2, "four seconds of a running broadcast: {seen} pictures");
    encoder.finish().await.unwrap();

    let vod = ready_vod(&stack, "alice", Duration::from_secs(10)).await;
    let id = vod["id"].as_str().expect("an id");
    let recorded = stack.url(&format!("/vod/{id}/index.mpd"));
    let (dash, hls) = (frames(&recorded, "60").await, frames(&stack.url(&format!("/vod/{id}/index.m3u8")), "60").await);
    assert_eq!(dash, hls, "the same pictures either way");
    assert!(dash >= 13 * 30, "{dash}");

    // Another demuxer: GStreamer counts what leaves the decoder.
    let location = format!("location={recorded}");
    let said = run(
        "gst-launch-1.0",
        &[
            "-v",
            "souphttpsrc",
            &location,
            "!",
            "dashdemux",
            "!",
            "qtdemux",
            "!",
            "h264parse",
            "!",
            "avdec_h264",
            "!",
            "identity",
            "name=count",
            "silent=false",
            "!",
            "fakesink",
            "sync=false",
        ],
    )
    .await;
    let pictures = said.lines().filter(|line| line.contains("count") && line.contains("chain")).count() as u64;
    assert_eq!(pictures, hls, "by GStreamer too");
    stack.stop().await;
}
