//! What viewers must not notice. Parts are followed as a player follows them: by blocking reload, each part by name.

use std::time::Duration;

use testkit::stack::{Ffmpeg, Plan, Stack, children_of, decode, signal};
use tokio::time::{Instant, sleep};

use crate::EXE;

/// What a viewer of one rendition saw.
#[derive(Debug, Default)]
struct Seen {
    parts: usize,
    /// Longest time between two parts' arrival.
    slowest: Duration,
    faults: Vec<String>,
}

/// Follows the source rendition by blocking reload for a while and downloads each part.
async fn follow(stack: &Stack, username: &str, lasting: Duration) -> Seen {
    let multivariant = stack
        .until_text(&format!("/live/{username}/index.m3u8"), Duration::from_secs(10), |text| {
            text.contains("source/index.m3u8")
        })
        .await;
    let child = multivariant.lines().find(|line| line.contains("source/index.m3u8")).expect("the source rendition");
    let child = child.split('?').next().expect("a path");
    let base = format!("/live/{username}/{}", child.trim_end_matches("index.m3u8"));
    let mut seen = Seen::default();
    let first = stack.get(&format!("{base}index.m3u8")).await;
    let (mut msn, mut part) = next_of(&first.text);
    let until = Instant::now() + lasting;
    let mut last = Instant::now();
    while Instant::now() < until {
        let asked = format!("{base}index.m3u8?_HLS_msn={msn}&_HLS_part={part}");
        let playlist = stack.get(&asked).await;
        if playlist.status != 200 {
            seen.faults.push(format!("{asked}: {} {}", playlist.status, playlist.text));
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        let next = next_of(&playlist.text);
        if next <= (msn, part) {
            seen.faults.push(format!("{asked} answered a playlist that ends before it: {next:?}"));
            break;
        }
        let wanted = format!("part{msn}.{part}.m4s");
        if playlist.text.contains(&wanted) {
            let bytes = stack.get(&format!("{base}{wanted}")).await;
            if bytes.status != 200 {
                seen.faults.push(format!("{wanted}: {}", bytes.status));
            }
            seen.parts += 1;
            seen.slowest = seen.slowest.max(last.elapsed());
            last = Instant::now();
        }
        (msn, part) = next;
    }
    seen
}

/// The media sequence number and part number that come next after a playlist.
pub fn next_of(playlist: &str) -> (u64, u64) {
    let number = |tag: &str| playlist.lines().find_map(|line| line.strip_prefix(tag)?.trim().parse::<u64>().ok());
    let first = number("#EXT-X-MEDIA-SEQUENCE:").unwrap_or(0);
    let segments = playlist.lines().filter(|line| line.starts_with("#EXTINF:")).count() as u64;
    let after_last = playlist.rsplit_once("#EXTINF:").map_or(playlist, |(_, tail)| tail);
    let open_parts = after_last.lines().filter(|line| line.starts_with("#EXT-X-PART:")).count() as u64;
    (first + segments, open_parts)
}

/// 200 ms parts; a busy test machine may add some, a lost part would add seconds.
const PART_WAIT_MAX: Duration = Duration::from_millis(900);

fn assert_smooth(seen: &Seen, at_least: usize) {
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    assert!(seen.parts >= at_least, "only {} parts", seen.parts);
    assert!(seen.slowest < PART_WAIT_MAX, "a part came after {:?}", seen.slowest);
}

async fn live(plan: Plan) -> (Stack, testkit::stack::Member, Ffmpeg) {
    let stack = plan.start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish_with(
        &stack.publish_url(&alice),
        300.0,
        &["-g", "60", "-bf", "0"],
        "testsrc2=size=640x480:rate=30",
    );
    stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;
    (stack, alice, encoder)
}

#[tokio::test]
async fn killing_the_gstreamer_child_delays_no_part_of_the_source() {
    let (stack, _, encoder) = live(Plan::quick(EXE).await.set("hls.part_ms", "200")).await;
    let workers = || children_of(stack.process.pid(), "media-worker");
    let started = tokio::time::timeout(Duration::from_secs(10), async {
        while workers().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    if started.await.is_err() {
        panic!("no worker was started");
    }
    let kills = async {
        for _ in 0..2 {
            sleep(Duration::from_secs(2)).await;
            let killed = workers();
            killed.iter().for_each(|pid| signal(*pid, libc_sigkill()));
            let at = Instant::now();
            while workers().iter().all(|pid| killed.contains(pid)) {
                assert!(at.elapsed() < Duration::from_secs(5), "the child is not back");
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let (seen, ()) = tokio::join!(follow(&stack, "alice", Duration::from_secs(8)), kills);
    assert_smooth(&seen, 30);
    stack.until_status("alice", Some("live"), Duration::from_secs(1)).await;
    encoder.stop().await;
    stack.stop().await;
}

fn libc_sigkill() -> i32 {
    9
}

#[tokio::test]
async fn after_a_kill_of_everything_the_recording_is_finished_with_what_was_spooled() {
    let plan = Plan::embedded(EXE).set("transcoder.ladder", "none").set("ingest.reconnect_window_s", "3");
    let (mut stack, _, encoder) = live(plan).await;
    let path = "/api/v1/vods?channel=alice";
    let watched = Instant::now();
    sleep(Duration::from_secs(6)).await;
    let list = stack
        .until(path, None, Duration::from_secs(10), |list| list["items"][0]["duration_s"].as_f64() > Some(1.0))
        .await;
    assert_eq!(list["items"][0]["status"], "recording");
    let delivered_s = watched.elapsed().as_secs_f64();
    stack.process.kill().await;
    encoder.kill().await;
    stack.restart().await;
    let list = stack.until(path, None, Duration::from_secs(40), |list| list["items"][0]["status"] == "ready").await;
    let vod = &list["items"][0];
    let decoded = decode(&stack.url(vod["playback"]["hls"].as_str().unwrap())).await;
    assert_eq!(decoded.errors, "");
    assert!(decoded.video_duration_s > delivered_s - 1.0, "{decoded:?} of {delivered_s} s that were delivered");
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    stack.until_status("alice", None, Duration::from_secs(5)).await;
    stack.stop().await;
}

#[tokio::test]
async fn losing_redis_is_not_noticed_by_viewers_and_the_count_comes_back() {
    let (stack, alice, encoder) = live(Plan::embedded(EXE).set("transcoder.ladder", "none")).await;
    let redis = children_of(stack.process.pid(), "redis");
    assert_eq!(redis.len(), 1);
    let outage = async {
        sleep(Duration::from_secs(2)).await;
        signal(redis[0], libc_sigkill());
        // While it is away, the API keeps answering.
        let me = stack.send(reqwest::Method::GET, "/api/v1/me", Some(&alice.token), None).await;
        assert_eq!(me.status, 200, "{}", me.text);
    };
    let (seen, ()) = tokio::join!(follow(&stack, "alice", Duration::from_secs(7)), outage);
    assert_smooth(&seen, 25);
    // Followed by playlist alone, this viewer is counted again.
    let counted = async {
        stack
            .until("/api/v1/channels/alice", None, Duration::from_secs(15), |channel| {
                channel["live"]["viewers"].as_i64() >= Some(1)
            })
            .await
    };
    let (_, channel) = tokio::join!(follow(&stack, "alice", Duration::from_secs(8)), counted);
    assert_eq!(channel["live"]["viewers"], 1);
    encoder.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn losing_postgres_is_not_noticed_by_viewers_and_the_stream_ends_as_it_should() {
    let (stack, _, encoder) = live(Plan::embedded(EXE).set("transcoder.ladder", "none")).await;
    let postgres = children_of(stack.process.pid(), "postgres");
    assert_eq!(postgres.len(), 1);
    let outage = async {
        sleep(Duration::from_secs(2)).await;
        // Stopped first: nobody answers, as when a machine hangs. Then killed.
        signal(postgres[0], 19);
        let asked = Instant::now();
        let answer = stack.get("/api/v1/vods").await;
        let took = asked.elapsed();
        signal(postgres[0], libc_sigkill());
        (answer.status, took)
    };
    let (seen, (_status, took)) = tokio::join!(follow(&stack, "alice", Duration::from_secs(8)), outage);
    assert!(took < Duration::from_secs(12), "an answer took {took:?}");
    assert_smooth(&seen, 30);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    encoder.stop().await;
    let list = stack
        .until("/api/v1/vods?channel=alice", None, Duration::from_secs(10), |list| {
            list["items"][0]["status"] == "ready"
        })
        .await;
    assert!(list["items"][0]["duration_s"].as_f64() > Some(8.0), "{list}");
    stack.stop().await;
}
