//! Small pictures along a recording: stored in sheets while the stream runs, whatever happens to the child.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::stack::{children_of, signal};
use testkit::viewer::Until;
use tokio::join;
use tokio::time::sleep;

use super::rig::{Cast, ClipPlan, Node, PATIENCE, Pace, Rig, until};

async fn sheets(rig: &Rig, cast: &Cast) -> Vec<Value> {
    let query = format!("SELECT * FROM vod_sheets WHERE vod_id = '{}' ORDER BY seq", cast.hello.vod_id);
    db::testing::rows(&rig.pool, &query).await.expect("a query")
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// Size of a picture, and its pixels in ffmpeg's `format`.
fn decoded(file: &Path, format: &str) -> ((usize, usize), Vec<u8>) {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe");
    let text = String::from_utf8(probe.stdout).expect("text");
    let sides: Vec<usize> = text.trim().split(',').map(|side| side.parse().expect("a side")).collect();
    let pixels = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        .args(["-f", "rawvideo", "-pix_fmt", format, "-"])
        .output()
        .expect("ffmpeg");
    assert!(pixels.status.success() && pixels.stderr.is_empty(), "{}", String::from_utf8_lossy(&pixels.stderr));
    ((sides[0], sides[1]), pixels.stdout)
}

/// The segments of a recording's small pictures, and the pictures, decoded.
async fn tiles_of(rig: &Rig, cast: &Cast, format: &str) -> Vec<(u64, Vec<u8>)> {
    let mut tiles = Vec::new();
    for sheet in sheets(rig, cast).await {
        let seqs = numbers(&sheet["seqs"]);
        assert_eq!(seqs.first(), sheet["seq"].as_u64().as_ref());
        assert!(numbers(&sheet["offsets_ms"]).iter().all(|offset| *offset < 1_100), "{sheet}");
        let side = |name: &str| sheet[name].as_u64().and_then(|side| usize::try_from(side).ok()).expect("a side");
        let (width, height, step) = (side("tile_width"), side("tile_height"), side("tile_step"));
        assert_eq!((width, height, step), (160, 90, 96));
        let key = objects::keys::vod_sheet(cast.claim.vod_id, seqs[0]);
        let file = rig.data.path().join("sheet.jpg");
        std::fs::write(&file, rig.s3().read(&key).expect("the object")).expect("written");
        let (size, pixels) = decoded(&file, format);
        assert_eq!(size, (width, step * seqs.len()));
        let row = pixels.len() / size.1;
        tiles.extend(seqs.into_iter().zip(pixels.chunks_exact(row * step).map(|tile| tile[..row * height].to_vec())));
    }
    tiles
}

/// The child is killed in the middle: pictures of before and after are there, and each differs from the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sheets_of_pictures_are_stored_as_they_fill_and_survive_a_killed_child() {
    let rig = Rig::with(|config| {
        config.transcoder.ladder = "240p".to_owned();
        config.transcoder.cpu_budget = 8.0;
    })
    .await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 34, size: Some("854x480"), fps: "15", gop: 15, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        assert_eq!(sheets(&rig, &cast).await.len(), 1, "the first sheet is there while the stream runs");
        feed.end("unpublished").await;
    };
    let murder = async {
        node.viewer.rendition("alice", "240p", PATIENCE).await.expect("it appears");
        sleep(Duration::from_secs(7)).await;
        let children = children_of(std::process::id(), "media-worker");
        assert_eq!(children.len(), 1);
        signal(children[0], 9);
    };
    join!(publish, murder);
    rig.publish_done(&cast, domain::stream::PublishEnd::Unpublished).await;
    rig.until_ready(&cast).await;
    until("the last sheet is stored", || async { sheets(&rig, &cast).await.len() == 2 }).await;

    let (seen, tiles): (Vec<u64>, Vec<Vec<u8>>) = tiles_of(&rig, &cast, "gray").await.into_iter().unzip();
    println!("pictures of segments {seen:?}");
    // Segments last a second: a picture every five of them, one lost with the child at most.
    assert!(seen.first() == Some(&0) && seen.last() >= Some(&29), "{seen:?}");
    assert!(seen.windows(2).all(|pair| (4..=11).contains(&(pair[1] - pair[0]))), "{seen:?}");
    assert!(seen.len() >= 6, "{seen:?}");
    // Neighbours only: the test picture nearly repeats itself every twelve seconds.
    for (number, pair) in tiles.windows(2).enumerate() {
        let differing = pair[0].iter().zip(&pair[1]).filter(|(a, b)| a.abs_diff(**b) > 16).count();
        assert!(differing > pair[0].len() / 50, "picture {number} shows what the next one shows");
    }
    node.stop().await;
}

/// The pattern at each second, as small pictures have it.
fn pattern_seconds(seconds: usize) -> Vec<Vec<u8>> {
    let pattern = format!("testsrc2=s=854x480:r=15:d={seconds}");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &pattern])
        .args(["-vf", r"select=not(mod(n\,15)),scale=160:90:flags=area", "-vsync", "0"])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("ffmpeg");
    made.stdout.chunks_exact(160 * 90 * 3).map(<[u8]>::to_vec).collect()
}

/// The pictures show the seconds whose segments they are said to belong to.
fn assert_shown(tiles: &[(u64, Vec<u8>)], seconds: &[Vec<u8>]) {
    let apart = |one: &[u8], other: &[u8]| one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    for (seq, tile) in tiles {
        let own = usize::try_from(*seq).expect("small");
        let distance = apart(tile, &seconds[own]);
        assert!(distance < 25 * tile.len() as u64, "picture of segment {seq} shows something else");
        for other in [own.wrapping_sub(2), own.wrapping_sub(1), own + 1, own + 2] {
            let is_nearer = seconds.get(other).is_none_or(|second| apart(tile, second) > distance);
            assert!(is_nearer, "picture of segment {seq} shows second {other}");
        }
    }
}

async fn thumbnail(node: &Node, username: &str) -> Option<bytes::Bytes> {
    let answer = node.viewer.get(&format!("/live/{username}/thumbnail.jpg")).await.ok()?;
    if answer.status() == 200 { answer.bytes().await.ok() } else { None }
}

/// One stream's child is killed; the other has a key frame every 22 seconds, between which its child has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_lower_renditions_have_pictures_and_lose_nothing_by_them() {
    let rig = Rig::with(|config| config.transcoder.pictures = true).await;
    let node = rig.node();
    let plan = ClipPlan { seconds: 32, size: Some("854x480"), fps: "15", gop: 15, ..ClipPlan::default() };
    let (quick, slow) = (plan.make(), ClipPlan { seconds: 24, gop: 330, ..plan }.make());
    let (alice, bob) = (rig.cast("alice").await, rig.cast("bob").await);
    let mut first = node.connect(&alice.hello).await.expect("accepted");
    let mut second = node.connect(&bob.hello).await.expect("accepted");
    let begun = tokio::sync::Notify::new();
    let children = || children_of(std::process::id(), "media-worker");
    let publish_first = async {
        first.send(&quick, Pace::Real, 0).await;
        first.end("unpublished").await;
    };
    let publish_second = async {
        begun.notified().await;
        second.send(&slow, Pace::Real, 0).await;
        second.end("unpublished").await;
    };
    let look = async {
        until("alice has a picture", || async { thumbnail(&node, "alice").await.is_some() }).await;
        let killed = children();
        assert_eq!(killed.len(), 1);
        begun.notify_one();
        until("bob has a picture", || async { thumbnail(&node, "bob").await.is_some() }).await;
        let idle: Vec<u32> = children().into_iter().filter(|child| *child != killed[0]).collect();
        sleep(Duration::from_secs(8)).await;
        let before = thumbnail(&node, "alice").await.expect("a picture");
        signal(killed[0], 9);
        until("its picture changes", || async { thumbnail(&node, "alice").await.is_some_and(|now| now != before) })
            .await;
        assert!(!children().contains(&killed[0]));
        sleep(Duration::from_secs(4)).await;
        assert!(children().contains(&idle[0]), "a child that has nothing to do is left alone");
        let path = rig.data.path().join("thumbnail.jpg");
        std::fs::write(&path, thumbnail(&node, "alice").await.expect("a picture")).expect("written");
        assert_eq!(decoded(&path, "gray").0, (640, 360));
    };
    let watch = async |username: &str| {
        let path = node.viewer.rendition(username, "source", PATIENCE).await.expect("it appears");
        node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
    };
    let ((), (), (), seen) = join!(publish_first, publish_second, look, watch("alice"));
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    assert!(seen.lost.is_empty() && seen.gaps.is_empty() && seen.discontinuities.is_empty(), "{:?}", seen.lost);
    assert!((seen.duration_s() - 32.0).abs() < 0.1, "{}", seen.duration_s());
    for cast in [&alice, &bob] {
        rig.publish_done(cast, domain::stream::PublishEnd::Unpublished).await;
        rig.until_ready(cast).await;
    }
    let seconds = pattern_seconds(32);
    let tiles = tiles_of(&rig, &alice, "rgb24").await;
    let seqs: Vec<u64> = tiles.iter().map(|(seq, _)| *seq).collect();
    println!("pictures of segments {seqs:?}");
    assert!(seqs.first() == Some(&0) && seqs.last() >= Some(&29), "{seqs:?}");
    assert!(seqs.windows(2).all(|pair| (4..=11).contains(&(pair[1] - pair[0]))), "{seqs:?}");
    assert_shown(&tiles, &seconds);
    // Its segments are cut without a key frame where there is none, and are not a second long.
    let tiles = tiles_of(&rig, &bob, "rgb24").await.into_iter().map(|(_, tile)| tile);
    let tiles: Vec<(u64, Vec<u8>)> = [0, 22].into_iter().zip(tiles).collect();
    assert_eq!(tiles.len(), 2);
    assert_shown(&tiles, &seconds);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_setting_streams_without_lower_renditions_have_no_child() {
    let rig = Rig::new().await;
    let node = rig.node();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&ClipPlan { seconds: 3, ..ClipPlan::default() }.make(), Pace::Real, 0).await;
    assert_eq!(children_of(std::process::id(), "media-worker"), [0_u32; 0]);
    assert!(thumbnail(&node, "alice").await.is_none());
    feed.end("unpublished").await;
    node.stop().await;
}
