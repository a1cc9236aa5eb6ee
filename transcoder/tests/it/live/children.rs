//! GStreamer children in trouble, seen by viewers: one that hangs (A2), and one stream's that die of what they are fed (A3).

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use media::link::FrameKind;
use testkit::stack::{children_of, signal};
use testkit::viewer::{PartName, Seen, Until};
use tokio::join;
use tokio::time::{Instant, sleep};

use super::rig::{Clip, ClipPlan, Node, PATIENCE, Pace, Rig};

fn plan(seconds: u32) -> ClipPlan {
    ClipPlan { seconds, size: Some("854x480"), ..ClipPlan::default() }
}

async fn rig() -> Rig {
    Rig::with(|config| {
        config.transcoder.ladder = "360p".to_owned();
        config.transcoder.cpu_budget = 8.0;
    })
    .await
}

async fn watch(node: &Node, username: &str, name: &str) -> Seen {
    let path = node.viewer.rendition(username, name, PATIENCE).await.expect("it appears");
    node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
}

fn worst_ms(seen: &Seen) -> i64 {
    seen.parts.values().map(|part| part.latency_ms).max().unwrap_or(0)
}

fn assert_untouched(seen: &Seen, seconds: f64) {
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    assert!(seen.lost.is_empty() && seen.gaps.is_empty() && seen.discontinuities.is_empty(), "{:?}", seen.lost);
    assert!((seen.duration_s() - seconds).abs() < 0.1, "{}", seen.duration_s());
    assert!(worst_ms(seen) < 1_500, "no part was late: {} ms", worst_ms(seen));
}

/// Asks for the next part of a rendition again and again; the longest answer, and what was neither yes nor "not in time".
async fn ask_ahead(node: &Node, username: &str, name: &str, lasting: Duration) -> (Duration, Vec<u16>) {
    let path = node.viewer.rendition(username, name, PATIENCE).await.expect("it appears");
    let (mut longest, mut odd) = (Duration::ZERO, Vec::new());
    let mut watch = node.viewer.begin(&path);
    let until = Instant::now() + lasting;
    while Instant::now() < until {
        watch.step().await.expect("it can be followed");
        let Some(PartName { msn, index }) = watch.seen.parts.keys().next_back().copied() else { continue };
        let asked = Instant::now();
        let answer = node.viewer.get(&format!("{path}?_HLS_msn={msn}&_HLS_part={}", index + 1)).await;
        let status = answer.expect("an answer").status().as_u16();
        longest = longest.max(asked.elapsed());
        if !matches!(status, 200 | 503) {
            odd.push(status);
        }
    }
    (longest, odd)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_hangs_costs_the_source_nothing_and_no_request_hangs_with_it() {
    let rig = rig().await;
    let node = rig.node();
    let clip = plan(13).make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let freeze = async {
        node.viewer.rendition("alice", "360p", PATIENCE).await.expect("it appears");
        sleep(Duration::from_millis(1_500)).await;
        let children = children_of(std::process::id(), "media-worker");
        assert_eq!(children.len(), 1);
        let frozen = Instant::now();
        signal(children[0], 19);
        while children_of(std::process::id(), "media-worker").iter().all(|child| *child == children[0]) {
            assert!(frozen.elapsed() < Duration::from_secs(5), "the watch-dog sleeps");
            sleep(Duration::from_millis(20)).await;
        }
        frozen.elapsed()
    };
    let ((), replaced, source, lower, (longest, odd)) = join!(
        publish,
        freeze,
        watch(&node, "alice", "source"),
        watch(&node, "alice", "360p"),
        ask_ahead(&node, "alice", "360p", Duration::from_secs(9))
    );
    println!(
        "A2: replaced after {replaced:?}, lower rendition late by {} ms, longest request {longest:?}",
        worst_ms(&lower)
    );
    assert_untouched(&source, 13.0);
    assert!(lower.violations.is_empty(), "{:#?}", lower.violations);
    assert!(worst_ms(&lower) < 6_000, "it is back: {} ms", worst_ms(&lower));
    assert_eq!(lower.msns().last(), source.msns().last(), "and goes on to the end");
    // Three target durations of one second, and what the test machine adds.
    assert!(longest < Duration::from_millis(4_000), "{longest:?}");
    assert!(odd.is_empty(), "{odd:?}");
    node.stop().await;
}

/// The clip with a broken parameter set before each key frame, and noise where the pictures were.
fn poisoned(clip: &Clip) -> Clip {
    let mut noise = 1_u32;
    let mut byte = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    };
    let header = clip.tags.iter().find(|(kind, _, body)| *kind == FrameKind::Video && body[1] == 0).expect("a header");
    let mut tags = Vec::new();
    for (kind, timestamp_ms, body) in &clip.tags {
        let is_picture = *kind == FrameKind::Video && body[1] == 1 && *timestamp_ms > 1_000;
        if !is_picture {
            tags.push((*kind, *timestamp_ms, body.clone()));
            continue;
        }
        let is_key = body[0] >> 4 == 1;
        if is_key {
            // Its profile, level and length stay: a parser gets far.
            let mut config = BytesMut::from(&header.2[..]);
            let length = config.len();
            for at in (17..length - 8).step_by(3) {
                config[at] ^= byte();
            }
            tags.push((*kind, *timestamp_ms, config.freeze()));
        }
        let mut picture = BytesMut::from(&body[..5]);
        let length = body.len() - 9;
        picture.put_u32(length as u32);
        picture.put_u8(if is_key { 0x65 } else { 0x41 });
        picture.extend((1..length).map(|_| byte()));
        tags.push((*kind, *timestamp_ms, picture.freeze()));
    }
    Clip { tags }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_kills_its_children_is_given_few_and_its_neighbour_loses_no_part() {
    let rig = rig().await;
    let node = rig.node();
    let clip = plan(12).make();
    let poison = poisoned(&clip);
    let (alice, bob) = (rig.cast("alice").await, rig.cast("bob").await);
    let mut good = node.connect(&bob.hello).await.expect("accepted");
    let mut bad = node.connect(&alice.hello).await.expect("accepted");
    let (mut children, over) = (BTreeSet::new(), tokio::sync::Notify::new());
    let publish = async {
        join!(good.send(&clip, Pace::Real, 0), bad.send(&poison, Pace::Real, 0));
        join!(good.end("unpublished"), bad.end("unpublished"));
        over.notify_one();
    };
    let count = async {
        let mut is_over = std::pin::pin!(over.notified());
        loop {
            children.extend(children_of(std::process::id(), "media-worker"));
            tokio::select! {
                () = &mut is_over => return,
                () = sleep(Duration::from_millis(20)) => {}
            }
        }
    };
    let ((), (), neighbour) = join!(publish, count, watch(&node, "bob", "source"));
    println!("A3: {} children for two streams", children.len());
    assert_untouched(&neighbour, 12.0);
    // One for each stream, and no more than five in a minute in place of those that died.
    assert!(children.len() <= 2 + 5, "{} children", children.len());
    node.stop().await;
}
