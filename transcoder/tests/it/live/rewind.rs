//! The stream from its beginning, while it runs: playlists, manifests, and media that has left the live window.

use std::time::Duration;

use media::playlist::{ParsedMedia, parse_media, parse_multivariant};
use testkit::viewer::decode::decode;
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use super::rig::{Clip, ClipPlan, Feed, Node, PATIENCE, Pace, Rig, until};

/// A clip at its own pace from now on, its timestamps `offset_ms` later.
async fn go_on(feed: &mut Feed, clip: &Clip, offset_ms: u32) {
    let began = Instant::now();
    for (kind, timestamp_ms, body) in &clip.tags {
        sleep_until(began + Duration::from_millis(u64::from(*timestamp_ms))).await;
        feed.frame(*kind, timestamp_ms + offset_ms, body).await;
    }
}

async fn playlist(node: &Node, path: &str) -> ParsedMedia {
    let (status, text) = node.viewer.text(path).await.expect("an answer");
    assert!(status.is_success(), "{path}: {status} {text}");
    parse_media(&text).expect("parses")
}

/// Init segment and all segments of a playlist, as one file.
async fn fetch(node: &Node, folder: &str, playlist: &ParsedMedia) -> Vec<u8> {
    let mut file = Vec::new();
    let names = playlist.segments[0].map.iter().chain(playlist.segments.iter().map(|segment| &segment.uri));
    for name in names {
        let answer = node.viewer.get(&format!("{folder}{name}")).await.expect("an answer");
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
        file.extend_from_slice(&answer.bytes().await.expect("its bytes"));
    }
    file
}

/// Pictures ffmpeg gets out of `seconds` of a manifest, and what it complains about.
async fn dash_frames(url: &str, seconds: u32) -> (u64, String) {
    let seconds = seconds.to_string();
    let run = Command::new("ffmpeg")
        .args([
            "-v",
            "warning",
            "-nostdin",
            "-i",
            url,
            "-t",
            &seconds,
            "-map",
            "0:v:0",
            "-f",
            "null",
            "-progress",
            "-",
            "-",
        ])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").expect("ffmpeg runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let frames = told.lines().filter_map(|line| line.strip_prefix("frame=")).next_back();
    let frames = frames.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    (frames, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_stream_plays_from_its_beginning_with_and_without_its_bucket() {
    let rig = Rig::with(|config| config.hls.window_segments = 6).await;
    let node = rig.node();
    rig.s3().set_down(true);
    let clip = ClipPlan { seconds: 14, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    // Long enough for the first segments to leave the live window for good.
    go_on(&mut feed, &clip, 14_000).await;

    let (_, text) = node.viewer.text("/live/alice/index.m3u8?dvr=1").await.expect("an answer");
    let multivariant = parse_multivariant(&text).expect("parses");
    let path = format!("/live/alice/{}", multivariant.variants[0].uri);
    assert!(path.ends_with("/source/index.m3u8?dvr=1"), "{path}");
    let folder = path.trim_end_matches("index.m3u8?dvr=1").to_owned();
    let live = playlist(&node, &format!("{folder}index.m3u8")).await;
    let whole = playlist(&node, &path).await;
    assert_eq!((live.segments.len(), whole.media_sequence), (6, 0));
    assert!(whole.segments.len() >= 27, "{}", whole.segments.len());
    assert_eq!(whole.segments.last().map(|line| &line.uri), live.segments.last().map(|line| &line.uri));
    assert!(whole.segments.iter().all(|line| !line.is_gap));
    assert_eq!(whole.preload_hint, live.preload_hint, "the live edge is the same");
    assert!(whole.rendition_reports.iter().all(|report| report.uri.ends_with("?dvr=1")));

    let delta = playlist(&node, &format!("{path}&_HLS_skip=YES")).await;
    assert_eq!(delta.skipped_segments as usize + delta.segments.len(), whole.segments.len());
    assert!(delta.segments.len() <= 8, "a delta is short: {}", delta.segments.len());

    let media = fetch(&node, &folder, &whole).await;
    let file = rig.data.path().join("spooled.mp4");
    std::fs::write(&file, &media).expect("written");
    let decoded = decode(&file).await.expect("it decodes");
    assert_eq!(decoded.complaints, "");
    assert_eq!(decoded.frames, whole.segments.len() as u64 * 30, "every picture, from the spool");

    let iframes = playlist(&node, &format!("{folder}iframes.m3u8?dvr=1")).await;
    assert!(iframes.is_iframes_only);
    assert_eq!(iframes.segments.len(), whole.segments.len());
    assert!(iframes.segments.iter().all(|line| line.byte_range.is_some()));

    let url = |query: &str| format!("{}/live/alice/index.mpd{query}", node.base);
    let (frames, complaints) = dash_frames(&url("?dvr=1"), 10).await;
    assert!(frames >= 29 * 10, "{frames} pictures of ten seconds: {complaints}");

    // The bucket is back: what it has is let go here and read from there.
    rig.s3().set_down(false);
    let count = format!("SELECT count(*) AS n FROM vod_segments WHERE vod_id = '{}'", cast.hello.vod_id);
    let wanted = whole.segments.len() as i64 * 2;
    until("all is stored", || async {
        db::testing::rows(&rig.pool, &count).await.expect("a query")[0]["n"].as_i64() >= Some(wanted)
    })
    .await;
    let short = ClipPlan { seconds: 3, ..ClipPlan::default() }.make();
    go_on(&mut feed, &short, 28_000).await;
    assert!(fetch(&node, &folder, &whole).await == media, "the same bytes from the bucket");
    let range = reqwest::Client::new().get(node.viewer.url(&format!("{folder}seg0.m4s"))).header("range", "bytes=0-9");
    let range = range.send().await.expect("an answer");
    assert_eq!((range.status().as_u16(), range.bytes().await.expect("its bytes").len()), (206, 10));

    rig.s3().set_down(true);
    let answer = node.viewer.get(&format!("{folder}seg0.m4s")).await.expect("an answer");
    assert_eq!(answer.status(), 503, "it is nowhere else any more");
    rig.s3().set_down(false);
    feed.end("unpublished").await;
    let ended = playlist(&node, &path).await;
    assert!(ended.is_ended && ended.media_sequence == 0);
    let (_, text) = node.viewer.text("/live/alice/index.mpd").await.expect("an answer");
    assert!(text.contains("mediaPresentationDuration=") && !text.contains("minimumUpdatePeriod"), "{text}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_took_the_stream_up_again_lists_what_was_before() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 5, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let count = format!("SELECT count(*) AS n FROM vod_segments WHERE vod_id = '{}'", cast.hello.vod_id);
    until("it is stored", || async {
        db::testing::rows(&rig.pool, &count).await.expect("a query")[0]["n"].as_i64() >= Some(8)
    })
    .await;
    node.stop().await;

    let node = rig.node();
    let mut again = cast.hello.clone();
    (again.epoch, again.publish_id) = (2, kit::ids::uuid().to_string());
    let mut feed = node.connect(&again).await.expect("it may go on");
    feed.send(&clip, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    let path = format!("{path}?dvr=1");
    until("the new segments are there", || async { playlist(&node, &path).await.segments.len() >= 8 }).await;
    let whole = playlist(&node, &path).await;
    assert_eq!(whole.discontinuity_sequence, Some(0));
    assert_eq!(whole.segments.iter().filter(|line| line.is_discontinuity).count(), 1);
    assert_eq!(whole.segments[0].uri, "seg0.m4s");
    let folder = path.trim_end_matches("index.m3u8?dvr=1");
    let answer = node.viewer.get(&format!("{folder}seg0.m4s")).await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    let answer = node.viewer.get(&format!("{folder}init0.mp4")).await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    feed.end("unpublished").await;
    node.stop().await;
}
