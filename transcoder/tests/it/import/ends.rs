//! Imports that do not go on: cancelled, deleted, or by a process that died.

use std::time::Duration;

use domain::VodId;
use domain::import::Container;
use tokio::time::Instant;

use super::rig::{Desk, probe};
use crate::live::rig::until;

const LONG: &str = "-f lavfi -i testsrc2=s=320x180:r=30:d=60 -f lavfi -i sine=f=440:r=48000:d=60 -c:v libx264 -preset ultrafast \
                    -pix_fmt yuv420p -g 60 -keyint_min 60 -sc_threshold 0 -c:a aac";

/// An import that has stored something and is far from its end: the bucket is slow.
async fn under_way(desk: &Desk) -> VodId {
    let path = desk.make("long.mp4", LONG);
    desk.rig.s3().set_delay(Duration::from_millis(400));
    let vod = desk.queue(&path, Container::Mp4).await;
    until("something is stored", || async { desk.objects_of(vod) > 3 }).await;
    assert_eq!(desk.import(vod).await["state"], "running");
    vod
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_stops_within_seconds_and_can_be_tried_again() {
    let desk = Desk::new().await;
    let node = desk.node();
    let vod = under_way(&desk).await;
    let began = Instant::now();
    let mut tx = db::begin(&desk.rig.pool).await.expect("a transaction");
    assert!(db::imports::cancel(&mut tx, vod, desk.channel).await.expect("asked"));
    assert!(!db::imports::cancel(&mut tx, vod, desk.channel).await.expect("asked"), "once");
    db::commit(tx).await.expect("committed");
    until("it is put away", || async { desk.import(vod).await["owes_cleanup"] == false }).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((desk.objects_of(vod), desk.copies()), (0, 0));
    assert_eq!(desk.vod(vod).await["fail_reason"], "import.cancelled");
    assert_eq!(desk.told("vod_failed", vod).await, 0, "whoever cancelled it knows");

    desk.rig.s3().set_delay(Duration::ZERO);
    let mut tx = db::begin(&desk.rig.pool).await.expect("a transaction");
    let nobody = domain::UserId::from_uuid(kit::ids::uuid());
    assert!(!db::imports::retry(&mut tx, vod, nobody).await.expect("asked"), "not by others");
    assert!(db::imports::retry(&mut tx, vod, desk.channel).await.expect("asked"));
    db::commit(tx).await.expect("committed");
    desk.until(vod, "done").await;
    assert_eq!(probe(&desk.joined(vod, "source").await, "v").frames, 1_800);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_deleted_in_the_middle_stays_deleted() {
    let desk = Desk::new().await;
    let node = desk.node();
    let vod = under_way(&desk).await;
    let mut tx = db::begin(&desk.rig.pool).await.expect("a transaction");
    db::vods::delete(&mut tx, vod).await.expect("asked").expect("it was there");
    db::commit(tx).await.expect("committed");
    desk.until(vod, "cancelled").await;
    // Its last word: what came after the deletion goes as well.
    assert_eq!(desk.told("vod_deleted", vod).await, 1);
    assert_eq!(desk.vod(vod).await["status"], "failed");
    let count = desk.objects_of(vod);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(desk.objects_of(vod), count, "nothing more is stored");
    assert_eq!(desk.told("vod_ready", vod).await, 0);
    node.stop().await;
}

/// Process ids of the children that read files.
fn readers() -> Vec<i32> {
    let own = std::process::id();
    let children = std::fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        (parent == own).then_some(pid)
    });
    children.collect()
}

async fn kill_reader() {
    let kill = |pid: i32| {
        let _gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    };
    until("a child reads", || async { !readers().is_empty() }).await;
    readers().into_iter().for_each(kill);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_once_is_replaced_and_one_that_dies_twice_ends_it() {
    let desk = Desk::new().await;
    let node = desk.node();
    let vod = under_way(&desk).await;
    kill_reader().await;
    until("another reads", || async { !readers().is_empty() }).await;
    desk.rig.s3().set_delay(Duration::ZERO);
    desk.until(vod, "done").await;
    assert_eq!(probe(&desk.joined(vod, "source").await, "v").frames, 1_800, "none twice, none missing");
    assert_eq!(desk.told("vod_ready", vod).await, 1);

    let vod = under_way(&desk).await;
    kill_reader().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    kill_reader().await;
    desk.rig.s3().set_delay(Duration::ZERO);
    desk.until(vod, "failed").await;
    assert_eq!(desk.vod(vod).await["fail_reason"], "import.crashed");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_goes_on_where_one_was_killed() {
    let desk = Desk::new().await;
    let node = desk.node();
    let vod = under_way(&desk).await;
    node.kill();
    let killed = Instant::now();
    desk.rig.s3().set_delay(Duration::ZERO);
    let node = desk.node();
    desk.until(vod, "done").await;
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    assert_eq!(desk.import(vod).await["attempts"], 2);
    assert_eq!(desk.told("vod_ready", vod).await, 1);
    assert_eq!(probe(&desk.joined(vod, "source").await, "v").frames, 1_800);
    assert_eq!(desk.copies(), 0, "what the killed node had copied is gone too");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_gives_it_back_at_once() {
    let desk = Desk::new().await;
    let node = desk.node();
    let vod = under_way(&desk).await;
    let took = node.stop().await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    let row = desk.import(vod).await;
    assert_eq!((row["state"].as_str(), row["attempts"].as_i64()), (Some("queued"), Some(0)));
    desk.rig.s3().set_delay(Duration::ZERO);
    let node = desk.node();
    desk.until(vod, "done").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_film_waits_for_anothers_renditions() {
    let desk = Desk::with(|config| config.transcoder.ladder = "160p".to_owned()).await;
    let node = desk.node();
    let long = desk.queue(&desk.make("long.mp4", LONG), Container::Mp4).await;
    let plays = |vod| {
        let desk = &desk;
        async move { desk.vod(vod).await["status"] == "ready" }
    };
    until("the first plays", || plays(long)).await;
    // Thirty segments, four at a time: seconds more than the second takes.
    desk.rig.s3().set_delay(Duration::from_secs(1));
    let short = "-f lavfi -i testsrc2=s=320x180:r=30:d=3 -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let short = desk.queue(&desk.make("short.mp4", short), Container::Mp4).await;
    until("the second plays", || plays(short)).await;
    assert_ne!(desk.import(long).await["state"], "done", "the first lacks its renditions still");
    desk.rig.s3().set_delay(Duration::ZERO);
    for vod in [long, short] {
        desk.until(vod, "done").await;
        assert_eq!(desk.told("vod_ready", vod).await, 1);
    }
    assert_eq!((desk.segments(long, "160p").await.len(), desk.segments(short, "160p").await.len()), (30, 1));
    assert_eq!((desk.import(long).await["attempts"].clone(), desk.copies()), (1.into(), 0));
    node.stop().await;
}
