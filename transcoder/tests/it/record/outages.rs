//! The bucket, the database and the disk fail; the recording does not.

use std::time::Duration;

use transcoder::record::RecordingEnd;

use super::rig::{Rig, Sent, open, segment, sheet, until};

#[tokio::test]
async fn what_was_recorded_while_the_bucket_was_down_arrives_when_it_is_back() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut sent, 0, 0);
    until("the first segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;

    rig.s3.set_down(true);
    for msn in 1..30 {
        segment(&recording, &mut sent, msn, 0);
    }
    let media: usize = sent.0.iter().filter(|((_, msn), _)| *msn > 0).map(|(_, bytes)| bytes.len()).sum();
    let media = u64::try_from(media).expect("small");
    until("all of it waits on disk", || async { node.recorder.spool_bytes() == media }).await;
    recording.close(RecordingEnd::Ended);
    assert_eq!(rig.segment_rows(&live).await, 2, "no row without its object");

    rig.s3.set_down(false);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    until("local copies go once all is confirmed", || async { !rig.spool(&live).exists() }).await;
    assert_eq!(node.recorder.spool_bytes(), 0);
    assert_eq!(rig.told("vod_ready").await, 1);
    node.stop().await;
}

/// Only pictures are left when the bucket goes: nothing else comes that would wake an uploader when they are due again.
#[tokio::test]
async fn sheets_of_pictures_that_found_the_bucket_down_at_the_end_arrive_soon_after_it_is_back() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    for msn in 0..4 {
        segment(&recording, &mut sent, msn, 0);
    }
    until("the media is stored", || async { rig.segment_rows(&live).await == 8 }).await;
    rig.s3.set_down(true);
    let sheets = [sheet(&recording, 0), sheet(&recording, 2)];
    recording.close(RecordingEnd::Ended);
    // Long enough for the uploader's own patience to be over before the sheet is due.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(rig.sheet_rows(&live).await, [0_u64; 0], "no row without its object");
    rig.s3.set_down(false);
    let took = rig.until_ready(&live).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(rig.sheet_rows(&live).await, [0, 2]);
    for (seq, jpeg) in [0, 2].into_iter().zip(&sheets) {
        assert_eq!(rig.s3.read(&objects::keys::vod_sheet(live.info.vod_id, seq)).expect("the sheet"), jpeg[..]);
    }
    let media: usize = sent.0.values().map(Vec::len).sum();
    let bytes = media + sheets.iter().map(bytes::Bytes::len).sum::<usize>();
    let size = rig.vod(&live).await.expect("row")["byte_size"].as_u64();
    assert_eq!(size, u64::try_from(bytes).ok(), "pictures count");
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

#[tokio::test]
async fn an_answer_lost_after_the_write_makes_no_second_segment() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    rig.s3.fail_after_next_writes(5);
    for msn in 0..3 {
        segment(&recording, &mut sent, msn, 0);
    }
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    let objects = rig.s3.keys().iter().filter(|key| key.starts_with("vod/")).count();
    assert_eq!(objects, 6 + 2, "six segments, two inits");
    let puts = rig.s3.requests().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts, 8 + 5, "each lost answer cost one more write of the same bytes");
    node.stop().await;
}

#[tokio::test]
async fn a_slow_bucket_never_slows_the_caller() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    rig.s3.set_delay(Duration::from_millis(300));
    let started = std::time::Instant::now();
    for msn in 0..10 {
        segment(&recording, &mut sent, msn, 0);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_millis(200), "a hundred parts took the caller {took:?}");
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

/// Reliability A13: 50 kB a second, `SlowDown`, answers lost after the write, bodies changed on the way, all at once.
#[tokio::test]
async fn a_bucket_that_is_slow_busy_and_forgetful_holds_each_segment_once_and_whole() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    rig.s3.set_write_rate(50_000);
    rig.s3.slow_down_next_writes(6);
    rig.s3.fail_after_next_writes(3);
    rig.s3.garble_next_writes(2);
    for msn in 0..6 {
        segment(&recording, &mut sent, msn, 0);
    }
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    let objects = rig.s3.keys().iter().filter(|key| key.starts_with("vod/")).count();
    assert_eq!(objects, sent.0.len() + 2, "an object for each segment and init");
    assert_eq!(rig.told("vod_ready").await, 1);
    node.stop().await;
}

#[tokio::test]
async fn rows_wait_for_the_database_and_files_for_their_rows() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut sent, 0, 0);
    until("the first segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;

    let admin = db::testing::pool(&testkit::services::admin_database_url()).expect("pool");
    let name = rig.database_url.rsplit('/').next().expect("a name").to_owned();
    let away = format!(r#"ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false"#);
    db::testing::execute(&admin, &away).await.expect("closed");
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    db::testing::execute(&admin, &cut).await.expect("cut");

    for msn in 1..5 {
        segment(&recording, &mut sent, msn, 0);
    }
    until("the objects are in the bucket", || async {
        rig.s3.keys().iter().filter(|key| key.ends_with(".m4s")).count() == 10
    })
    .await;
    let kept = rig.spool(&live).join("source").join("roll0");
    assert!(kept.exists(), "no file goes before its row is there");
    recording.close(RecordingEnd::Ended);

    let back = format!(r#"ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true"#);
    db::testing::execute(&admin, &back).await.expect("open");
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

#[tokio::test]
async fn a_full_spool_costs_segments_refuses_new_streams_and_recovers_alone() {
    let rig = Rig::new().await;
    let node = rig.node_in(rig.data.path(), 300_000);
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    assert!(node.recorder.accepts_new());
    rig.s3.set_down(true);
    // A segment of both renditions has about 49 kB: six fit.
    for msn in 0..12 {
        segment(&recording, &mut sent, msn, 0);
    }
    until("the spool is full", || async { !node.recorder.accepts_new() }).await;
    assert!(node.recorder.spool_bytes() <= 300_000, "never over its bound: {}", node.recorder.spool_bytes());

    rig.s3.set_down(false);
    until("what waited is stored", || async { node.recorder.spool_bytes() == 0 }).await;
    assert!(node.recorder.accepts_new());
    segment(&recording, &mut sent, 12, 0);
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    let rows = rig.rows("SELECT rendition, seq FROM vod_segments ORDER BY seq").await;
    sent.0.retain(|(rendition, msn), _| {
        rows.iter().any(|row| row["rendition"] == rendition.as_str() && row["seq"].as_u64() == Some(*msn))
    });
    assert!(sent.0.contains_key(&("source".to_owned(), 0)) && sent.0.contains_key(&("source".to_owned(), 12)));
    assert!(!sent.0.contains_key(&("source".to_owned(), 11)), "segments that did not fit are left out whole");
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}
