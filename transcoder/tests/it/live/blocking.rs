//! Blocking reloads and hinted parts, and what is refused at once.

use std::time::Duration;

use media::link::FrameKind;
use media::playlist::{ParsedMedia, parse_media};
use tokio::time::{Instant, timeout};

use super::rig::{Clip, ClipPlan, Feed, Node, PATIENCE, Rig};

/// A stream of which the frames up to a timestamp have been sent.
struct Held {
    node: Node,
    feed: Feed,
    clip: Clip,
    sent: usize,
    path: String,
}

impl Held {
    async fn new(rig: &Rig, until_ms: u32) -> Self {
        let node = rig.node();
        let clip = ClipPlan { seconds: 8, bframes: 0, ..ClipPlan::default() }.make();
        let cast = rig.cast("alice").await;
        let feed = node.connect(&cast.hello).await.expect("accepted");
        let mut held = Self { node, feed, clip, sent: 0, path: String::new() };
        held.send(until_ms).await;
        held.path = held.node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
        held
    }

    async fn send(&mut self, until_ms: u32) {
        while let Some((kind, timestamp_ms, body)) = self.clip.tags.get(self.sent).filter(|tag| tag.1 < until_ms) {
            self.feed.frame(*kind, *timestamp_ms, body).await;
            self.sent += 1;
        }
    }

    async fn playlist(&self, query: &str) -> ParsedMedia {
        let (status, text) = self.node.viewer.text(&format!("{}{query}", self.path)).await.expect("an answer");
        assert!(status.is_success(), "{status}: {text}");
        parse_media(&text).expect("a playlist")
    }

    /// The playlist once it has come to that part.
    async fn settled(&self, msn: u64, part: usize) -> ParsedMedia {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let playlist = self.playlist("").await;
            let open = playlist.segments.last().map_or(playlist.media_sequence, |last| last.msn + 1);
            if open > msn || (open == msn && playlist.open_parts.len() > part) {
                return playlist;
            }
            assert!(Instant::now() < deadline, "never came to part {part} of segment {msn}: {playlist:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn status(&self, query: &str) -> u16 {
        self.node.viewer.get(&format!("{}{query}", self.path)).await.expect("an answer").status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_and_the_far_future_are_refused_at_once() {
    let rig = Rig::new().await;
    // Segments 0 and 1 are finished, segment 2 has begun.
    let held = Held::new(&rig, 2_500).await;
    held.settled(2, 0).await;
    let began = Instant::now();
    for query in [
        "?_HLS_msn=-1",
        "?_HLS_msn=1e9",
        "?_HLS_msn=",
        "?_HLS_part=0",
        "?_HLS_msn=x&_HLS_part=0",
        "?_HLS_msn=4",
        "?_HLS_msn=18446744073709551615",
        "?_HLS_msn=18446744073709551616",
        "?_HLS_msn=2&_HLS_part=40",
    ] {
        assert_eq!(held.status(query).await, 400, "{query}");
    }
    for query in ["?_HLS_msn=0", "?_HLS_msn=1&_HLS_part=99999", "?_HLS_unknown=1", "?_HLS_skip=maybe"] {
        assert_eq!(held.status(query).await, 200, "{query}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "none of them waited");
    held.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_reload_is_answered_by_the_part_it_asks_for() {
    let rig = Rig::new().await;
    let mut held = Held::new(&rig, 1_500).await;
    let now = held.settled(1, 0).await;
    assert_eq!(now.segments.len(), 1);
    let parts = held.playlist("").await.open_parts.len();
    let path = format!("{}?_HLS_msn=1&_HLS_part={parts}", held.path);
    let viewer = held.node.viewer.clone();
    let waiting = spawned(async move { viewer.text(&path).await.expect("an answer").1 });
    let mut waiting = std::pin::pin!(waiting);
    assert!(timeout(Duration::from_millis(300), waiting.as_mut()).await.is_err(), "it waits");
    held.send(2_000).await;
    let text = timeout(PATIENCE, waiting).await.expect("in time");
    let answer = parse_media(&text).expect("a playlist");
    assert!(answer.open_parts.len() > parts || answer.segments.len() > 1);
    // A whole segment is waited for as well.
    let viewer = held.node.viewer.clone();
    let path = format!("{}?_HLS_msn=2", held.path);
    let whole = spawned(async move { viewer.text(&path).await.expect("an answer").1 });
    held.send(3_200).await;
    let answer = parse_media(&timeout(PATIENCE, whole).await.expect("in time")).expect("a playlist");
    assert!(answer.segments.iter().any(|segment| segment.msn == 2));
    held.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hinted_part_is_waited_for_and_stays_the_same() {
    let rig = Rig::new().await;
    let mut held = Held::new(&rig, 1_500).await;
    let now = held.settled(1, 1).await;
    let hint = now.preload_hint.clone().expect("a hint");
    let folder = held.path.rsplit_once('/').expect("a folder").0.to_owned();
    let (viewer, path) = (held.node.viewer.clone(), format!("{folder}/{hint}"));
    let fetch = {
        let (viewer, path) = (viewer.clone(), path.clone());
        spawned(async move { viewer.get(&path).await.expect("an answer").bytes().await.expect("a body") })
    };
    let mut fetch = std::pin::pin!(fetch);
    assert!(timeout(Duration::from_millis(200), fetch.as_mut()).await.is_err(), "{hint} is not there yet");
    held.send(3_000).await;
    let early = timeout(PATIENCE, fetch).await.expect("in time");
    let later = viewer.get(&path).await.expect("an answer").bytes().await.expect("a body");
    assert!(!early.is_empty());
    assert_eq!(early, later);
    let listed = held.settled(2, 0).await;
    assert!(
        listed.segments.iter().flat_map(|segment| &segment.parts).any(|part| part.uri == hint),
        "{hint} was listed"
    );
    assert_eq!(viewer.get(&format!("{folder}/part1.99.m4s")).await.expect("an answer").status(), 404);
    held.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_in_vain_ends_with_503() {
    let rig = Rig::new().await;
    let held = Held::new(&rig, 1_500).await;
    held.settled(1, 0).await;
    let began = Instant::now();
    assert_eq!(held.status("?_HLS_msn=2").await, 503);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited < Duration::from_secs(5), "{waited:?}");
    held.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_update_and_what_was_known_make_the_whole() {
    let rig = Rig::with(|config| config.hls.segment_ms = 1_000).await;
    let mut held = Held::new(&rig, 7_900).await;
    held.send(7_950).await;
    let whole = held.settled(7, 0).await;
    let delta = held.playlist("?_HLS_skip=YES").await;
    let known: Vec<_> = whole.segments.iter().take(delta.skipped_segments as usize).map(|s| s.uri.clone()).collect();
    let merged: Vec<_> = known.into_iter().chain(delta.segments.iter().map(|s| s.uri.clone())).collect();
    assert_eq!(merged, whole.segments.iter().map(|s| s.uri.clone()).collect::<Vec<_>>());
    let (_, text) = held.node.viewer.text(&held.path).await.expect("an answer");
    assert!(!text.contains("EXT-X-SKIP"), "only when asked");
    held.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_of_the_site_reach_children_and_directives_never_do() {
    let rig = Rig::new().await;
    let held = Held::new(&rig, 2_500).await;
    held.settled(2, 0).await;
    let (_, text) =
        held.node.viewer.text("/live/alice/index.m3u8?vs=7&token=x&_HLS_skip=YES").await.expect("an answer");
    assert!(
        text.contains("/source/index.m3u8?vs=7&token=x\n") && text.contains("/audio/index.m3u8?vs=7&token=x\""),
        "{text}"
    );
    let path = format!("{}?_HLS_msn=1&_HLS_part=0&vs=7&token=x", held.path);
    let (_, text) = held.node.viewer.text(&path).await.expect("an answer");
    assert!(text.contains("init0.mp4?token=x\"") && text.contains("seg0.m4s?token=x\n"), "{text}");
    assert!(!text.contains("_HLS_") && !text.contains("vs=7"), "{text}");
    held.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_a_picture_yet_is_starting_and_a_strangers_is_offline() {
    let rig = Rig::new().await;
    let node = rig.node();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.frame(FrameKind::Data, 0, b"\x02\x00\x0aonMetaData").await;
    let (status, text) = node.viewer.text("/live/alice/index.m3u8").await.expect("an answer");
    assert_eq!((status.as_u16(), text.contains("stream.starting")), (404, true), "{text}");
    for path in ["/live/bob/index.m3u8", "/live/..%2f/index.m3u8", "/live/a%00b/index.m3u8"] {
        let (status, text) = node.viewer.text(path).await.expect("an answer");
        assert_eq!((status.as_u16(), text.contains("stream.offline")), (404, true), "{text}");
    }
    node.stop().await;
}

/// Runs a request beside the test.
async fn spawned<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> T {
    let mut set = tokio::task::JoinSet::new();
    set.spawn(request);
    set.join_next().await.expect("one task").expect("no panic")
}
