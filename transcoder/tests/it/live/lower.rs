//! The lower rendition beside the source: same numbers, same boundaries, and nobody waits for it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::stack::{children_of, signal};
use testkit::viewer::decode::decode;
use testkit::viewer::{Seen, Until};
use tokio::join;
use tokio::time::sleep;

use super::rig::{ClipPlan, PATIENCE, Pace, Rig};

fn plan(seconds: u32) -> ClipPlan {
    ClipPlan { seconds, size: Some("854x480"), ..ClipPlan::default() }
}

async fn rig(ladder: &str) -> Rig {
    Rig::with(|config| {
        config.transcoder.ladder = ladder.to_owned();
        config.transcoder.cpu_budget = 8.0;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lower_rendition_has_the_sources_numbers_and_dates() {
    let rig = rig("360p").await;
    let node = rig.node();
    let clip = plan(8).make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| async {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let ((), source, lower) = join!(publish, watch("source"), watch("360p"));
    for seen in [&source, &lower] {
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert!(seen.lost.is_empty(), "{:?}", seen.lost);
    }
    assert!(lower.msns().len() >= 5, "{:?}", lower.msns());
    for segment in &lower.last.segments {
        let same = source.last.segments.iter().find(|other| other.msn == segment.msn).expect("the same number");
        assert_eq!(same.program_date_time, segment.program_date_time, "segment {}", segment.msn);
        assert!((same.duration_s - segment.duration_s).abs() < 0.05, "segment {}", segment.msn);
    }
    let file = rig.data.path().join("lower.mp4");
    lower.write(&file).expect("written");
    assert_eq!(decode(&file).await.expect("it decodes").complaints, "");
    let pictures = node.viewer.text("/live/alice/thumbnail.jpg").await.expect("an answer");
    assert_eq!(pictures.0, 404, "the stream is over");
    node.stop().await;
}

/// Presentation times of the key frames in a file, in seconds.
fn key_times(file: &Path) -> Vec<f64> {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-skip_frame", "nokey"])
        .args(["-show_entries", "frame=pts_time", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe");
    let text = String::from_utf8(probe.stdout).expect("text");
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// A source of 60 frames a second, one rung with as many and one with half of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rungs_share_key_frames_numbers_and_durations_and_say_truly_what_they_are() {
    let rig = rig("360p60:900,240p30:400,480p").await;
    let node = rig.node();
    let clip = ClipPlan { fps: "60", gop: 60, ..plan(8) }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let listed = async {
        node.viewer.rendition("alice", "240p", PATIENCE).await.expect("it appears");
        sleep(Duration::from_secs(3)).await;
        node.viewer.multivariant("alice", PATIENCE).await.expect("a playlist")
    };
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| async {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let ((), listed, source, fast, slow) = join!(publish, listed, watch("source"), watch("360p"), watch("240p"));
    let shown: Vec<_> =
        listed.variants.iter().map(|variant| (variant.resolution, variant.frame_rate.map(f64::round))).collect();
    let size = |width, height| Some((width, height));
    assert_eq!(
        shown,
        [(size(854, 480), Some(60.0)), (size(640, 360), Some(60.0)), (size(428, 240), Some(30.0)), (None, None)],
        "tallest first, none as tall as the source, the sound alone last"
    );
    assert!(listed.variants.iter().all(|variant| variant.bandwidth >= variant.average_bandwidth.unwrap_or(u64::MAX)));
    let folder = rig.data.path();
    let write = |seen: &Seen, name: &str| {
        let file = folder.join(name);
        seen.write(&file).expect("written");
        file
    };
    let source_keys = key_times(&write(&source, "source.mp4"));
    for (seen, name, fps) in [(&fast, "fast.mp4", 60), (&slow, "slow.mp4", 30)] {
        assert!(seen.violations.is_empty() && seen.lost.is_empty(), "{:#?} {:?}", seen.violations, seen.lost);
        for segment in &seen.last.segments {
            let same = source.last.segments.iter().find(|other| other.msn == segment.msn).expect("the same number");
            assert_eq!(same.program_date_time, segment.program_date_time, "{name} segment {}", segment.msn);
            assert!((same.duration_s - segment.duration_s).abs() < 0.05, "{name} segment {}", segment.msn);
        }
        let file = write(seen, name);
        let decoded = decode(&file).await.expect("it decodes");
        assert_eq!(decoded.complaints, "");
        let expected = seen.duration_s() * f64::from(fps);
        assert!((decoded.frames as f64 - expected).abs() <= 2.0, "{name}: {} of {expected}", decoded.frames);
        let keys = key_times(&file);
        assert!(keys.len() >= 5, "{keys:?}");
        for key in &keys {
            let is_there = source_keys.iter().any(|other| (other - key).abs() < 0.5 / 60.0);
            assert!(is_there, "{name} has a key frame at {key}, the source {source_keys:?}");
        }
    }
    node.stop().await;
}

/// Longest wait between two parts of a rendition, by the dates and latencies a viewer saw.
fn worst_ms(seen: &Seen) -> i64 {
    seen.parts.values().map(|part| part.latency_ms).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_child_costs_the_source_nothing_and_it_is_back_soon() {
    let rig = rig("360p").await;
    let node = rig.node();
    let clip = plan(12).make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| async {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let murder = async {
        node.viewer.rendition("alice", "360p", PATIENCE).await.expect("it appears");
        sleep(Duration::from_millis(1_500)).await;
        let children = children_of(std::process::id(), "media-worker");
        assert_eq!(children.len(), 1);
        signal(children[0], 9);
    };
    let ((), (), source, lower) = join!(publish, murder, watch("source"), watch("360p"));
    assert!(source.violations.is_empty(), "{:#?}", source.violations);
    assert!(source.lost.is_empty() && source.gaps.is_empty());
    assert!((source.duration_s() - 12.0).abs() < 0.1);
    assert!(worst_ms(&source) < 1_500, "no part of the source was late: {} ms", worst_ms(&source));
    assert!(lower.violations.is_empty(), "{:#?}", lower.violations);
    assert!(worst_ms(&lower) < 6_000, "it is back: {} ms", worst_ms(&lower));
    let last = *lower.msns().last().expect("some");
    assert_eq!(Some(&last), source.msns().last(), "and goes on to the end");
    node.stop().await;
}

/// A twentieth of the time is too little for the ladder: the tallest rung goes, legally, and the rest goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rung_that_is_dropped_lists_gaps_and_leaves_the_multivariant_playlist() {
    let rig = rig("360p,240p").await;
    let node = rig.node();
    let clip = plan(20).make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let watch = |name: &'static str| async {
        let path = node.viewer.rendition("alice", name, PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let is_listed = async |name: &str| {
        let playlist = node.viewer.multivariant("alice", PATIENCE).await.expect("a playlist");
        playlist.variants.iter().any(|variant| variant.uri.contains(name))
    };
    let slow_down = async {
        node.viewer.rendition("alice", "360p", PATIENCE).await.expect("it appears");
        let children = children_of(std::process::id(), "media-worker");
        assert_eq!(children.len(), 1);
        let began = tokio::time::Instant::now();
        while is_listed("360p").await {
            assert!(began.elapsed() < PATIENCE, "it is never dropped");
            signal(children[0], 19);
            sleep(Duration::from_millis(190)).await;
            signal(children[0], 18);
            sleep(Duration::from_millis(10)).await;
        }
        assert!(is_listed("240p").await && is_listed("source").await);
    };
    let ((), (), source, tall, small) = join!(publish, slow_down, watch("source"), watch("360p"), watch("240p"));
    for seen in [&source, &tall, &small] {
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    }
    assert!(source.gaps.is_empty() && source.lost.is_empty());
    assert!(worst_ms(&source) < 1_500, "no part of the source was late: {} ms", worst_ms(&source));
    assert!(!tall.gaps.is_empty(), "the rung that was dropped lists gaps");
    let ends = |seen: &Seen| seen.last.segments.last().map(|segment| segment.msn);
    assert_eq!(ends(&tall), ends(&source), "and goes on to count");
    assert_eq!(small.msns().last(), source.msns().last(), "the other goes on to the end");
    node.stop().await;
}
