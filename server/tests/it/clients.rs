//! The programs people publish and watch with, each against each (`./dev e2e`).

mod obs;
mod players;

use std::process::Stdio;
use std::time::Duration;

use testkit::stack::{Ffmpeg, Member, Plan, Stack, modern_ffmpeg};
use tokio::process::{Child, Command};

use crate::EXE;
use crate::broadcast::ready_vod;

/// Something that publishes until it is stopped.
enum Publisher {
    Ffmpeg(Ffmpeg),
    GStreamer(Child),
    Obs(Box<obs::Obs>),
}

impl Publisher {
    const NAMES: [&str; 4] = ["ffmpeg of today", "ffmpeg 5", "GStreamer", "OBS"];

    async fn start(name: &str, stack: &Stack, member: &Member) -> Self {
        let url = stack.publish_url(member);
        let encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "800k", "-g", "60", "-bf", "2"];
        match name {
            "ffmpeg 5" => Self::Ffmpeg(Ffmpeg::publish(&url, 600.0)),
            "ffmpeg of today" => Self::Ffmpeg(Ffmpeg::publish_enhanced(&url, 600.0, &encoder)),
            "GStreamer" => Self::GStreamer(gstreamer(&url)),
            "OBS" => {
                let settings = obs::Settings::default();
                Self::Obs(Box::new(obs::Obs::start(&stack.process.rtmp, &member.stream_key, settings).await))
            }
            unknown => panic!("no publisher {unknown}"),
        }
    }

    /// Ends it as its user would.
    async fn stop(self) {
        match self {
            Self::Ffmpeg(ffmpeg) => ffmpeg.stop().await,
            Self::Obs(obs) => obs.stop().await,
            Self::GStreamer(child) => end(child).await,
        }
    }
}

fn gstreamer(url: &str) -> Child {
    let pipeline = format!(
        "flvmux name=mux streamable=true ! rtmp2sink location={url} \
         videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! x264enc tune=zerolatency \
         speed-preset=ultrafast bitrate=800 key-int-max=60 ! h264parse ! queue ! mux. \
         audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! queue ! mux."
    );
    Command::new("gst-launch-1.0")
        .arg("-e")
        .args(pipeline.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("gst-launch-1.0 is installed")
}

/// Control-C, and a while to say goodbye.
async fn end(mut child: Child) {
    testkit::stack::signal(child.id().expect("it runs"), libc::SIGINT);
    tokio::time::timeout(Duration::from_secs(20), child.wait()).await.expect("it ends").expect("it is waited for");
}

/// G10.
#[tokio::test]
#[ignore = "needs OBS and VLC: ./dev e2e"]
async fn whoever_publishes_is_played_by_everybody_live_and_recorded() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    // So that it is there: the later ones are the interesting ones.
    modern_ffmpeg();
    let mut told = Vec::new();
    for (number, name) in Publisher::NAMES.iter().enumerate() {
        let member = stack.member(&format!("caster{number}")).await;
        let publisher = Publisher::start(name, &stack, &member).await;
        stack.until_status(&member.username, Some("live"), Duration::from_secs(30)).await;
        let live = format!("/live/{}/index.m3u8", member.username);
        // Three finished segments: players of today begin at parts, others need some.
        let source = testkit::viewer::Viewer::new(stack.http())
            .rendition(&member.username, "source", Duration::from_secs(10))
            .await
            .expect("it appears");
        stack.until_text(&source, Duration::from_secs(40), |text| text.matches("#EXTINF").count() >= 3).await;
        told.extend(players::all(&stack, &format!("{name}, live"), &live).await);
        publisher.stop().await;
        let vod = ready_vod(&stack, &member.username, Duration::from_secs(15)).await;
        let recorded = vod["playback"]["hls"].as_str().expect("an address").to_owned();
        told.extend(players::all(&stack, &format!("{name}, recorded"), &recorded).await);
    }
    for line in &told {
        println!("G10: {line}");
    }
    let bad: Vec<_> = told.iter().filter(|line| line.contains("NOTHING")).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    stack.stop().await;
}

/// OBS stops, and begins again within the window with another size and rate: the same stream, one more period, and a recording
/// that has both.
#[tokio::test]
#[ignore = "needs OBS: ./dev e2e"]
async fn obs_goes_live_is_lost_and_comes_back_with_other_settings() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let first = obs::Obs::start(&stack.process.rtmp, &alice.stream_key, obs::Settings::default()).await;
    let before = stack.until_status("alice", Some("live"), Duration::from_secs(30)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    first.kill().await;
    stack.until_status("alice", Some("reconnecting"), Duration::from_secs(15)).await;
    let other = obs::Settings { width: 480, height: 270, fps: 24, bitrate_kbps: 700 };
    let second = obs::Obs::start(&stack.process.rtmp, &alice.stream_key, other).await;
    let after = stack.until_status("alice", Some("live"), Duration::from_secs(30)).await;
    assert_eq!(before["live"]["id"], after["live"]["id"], "the same stream");
    stack
        .until_text("/live/alice/index.m3u8", Duration::from_secs(15), |text| text.contains("RESOLUTION=480x270"))
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    second.stop().await;
    // Stopped by its user: over at once, without waiting for the window.
    stack.until_status("alice", None, Duration::from_secs(5)).await;
    let vod = ready_vod(&stack, "alice", Duration::from_secs(10)).await;
    let url = vod["playback"]["hls"].as_str().expect("an address");
    let source = stack.get(&url.replace("index.m3u8", "source/index.m3u8")).await;
    assert_eq!(source.text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{}", source.text);
    assert_eq!(source.text.matches("#EXT-X-MAP:").count(), 2, "{}", source.text);
    let frames = players::ffmpeg_frames(&stack.url(url), 60).await;
    println!("OBS: {frames} pictures in the recording of both");
    assert!(frames > 2 * 4 * 20, "{frames}");
    stack.stop().await;
}
