//! The lower rendition beside the source: same numbers, same boundaries, and nobody waits for it.

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

async fn rig() -> Rig {
    Rig::with(|config| {
        config.transcoder.ladder = "480p".to_owned();
        config.transcoder.cpu_budget = 8.0;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lower_rendition_has_the_sources_numbers_and_dates() {
    let rig = rig().await;
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
    let ((), source, lower) = join!(publish, watch("source"), watch("480p"));
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

/// Longest wait between two parts of a rendition, by the dates and latencies a viewer saw.
fn worst_ms(seen: &Seen) -> i64 {
    seen.parts.values().map(|part| part.latency_ms).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_child_costs_the_source_nothing_and_it_is_back_soon() {
    let rig = rig().await;
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
        node.viewer.rendition("alice", "480p", PATIENCE).await.expect("it appears");
        sleep(Duration::from_millis(1_500)).await;
        let children = children_of(std::process::id(), "media-worker");
        assert_eq!(children.len(), 1);
        signal(children[0], 9);
    };
    let ((), (), source, lower) = join!(publish, murder, watch("source"), watch("480p"));
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
