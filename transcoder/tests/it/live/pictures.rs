//! Small pictures along a recording: stored in sheets while the stream runs, whatever happens to the child.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::stack::{children_of, signal};
use tokio::join;
use tokio::time::sleep;

use super::rig::{Cast, ClipPlan, PATIENCE, Pace, Rig, until};

async fn sheets(rig: &Rig, cast: &Cast) -> Vec<Value> {
    let query = format!("SELECT * FROM vod_sheets WHERE vod_id = '{}' ORDER BY seq", cast.hello.vod_id);
    db::testing::rows(&rig.pool, &query).await.expect("a query")
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// Size of a picture, and the pixels of `rows` of it as one grey byte each.
fn decoded(file: &Path) -> ((usize, usize), Vec<u8>) {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe");
    let text = String::from_utf8(probe.stdout).expect("text");
    let sides: Vec<usize> = text.trim().split(',').map(|side| side.parse().expect("a side")).collect();
    let grey = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .expect("ffmpeg");
    assert!(grey.status.success() && grey.stderr.is_empty(), "{}", String::from_utf8_lossy(&grey.stderr));
    ((sides[0], sides[1]), grey.stdout)
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

    let (mut tiles, mut seen) = (Vec::new(), Vec::new());
    for sheet in sheets(&rig, &cast).await {
        let seqs = numbers(&sheet["seqs"]);
        assert_eq!(seqs.first(), sheet["seq"].as_u64().as_ref());
        assert!(numbers(&sheet["offsets_ms"]).iter().all(|offset| *offset < 1_100), "{sheet}");
        let side = |name: &str| sheet[name].as_u64().and_then(|side| usize::try_from(side).ok()).expect("a side");
        let (width, height, step) = (side("tile_width"), side("tile_height"), side("tile_step"));
        assert_eq!((width, height, step), (160, 90, 96));
        let key = objects::keys::vod_sheet(cast.claim.vod_id, seqs[0]);
        let file = rig.data.path().join("sheet.jpg");
        std::fs::write(&file, rig.s3().read(&key).expect("the object")).expect("written");
        let (size, grey) = decoded(&file);
        assert_eq!(size, (width, step * seqs.len()));
        tiles.extend(grey.chunks_exact(width * step).map(|tile| tile[..width * height].to_vec()));
        seen.extend(seqs);
    }
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
