//! The many ways a recording ends, each telling the world at most once.

use std::time::Duration;

use db::publish::Rules;
use db::recordings::{Finalised, NewSegment};
use domain::stream::PublishEnd;
use transcoder::record::RecordingEnd;

use super::rig::{RULES, Rig, SEGMENT_US, Sent, announce, open, segment, until};

/// The figure of the README: from stop to ready, whatever the length.
#[tokio::test]
async fn a_minute_and_four_hours_in_three_renditions_are_ready_within_a_second_of_their_end() {
    let rig = Rig::new().await;
    for (username, segments) in [("minute", 30), ("half_hour", 900), ("four_hours", 7_200)] {
        let took = end_after(&rig, username, segments).await;
        println!("{username}: ready {:.3} s after its end", took.as_secs_f64());
        assert!(took <= Duration::from_secs(1), "{username}: ready {took:?} after the end");
    }
}

/// A stream of so many segments of two seconds whose last one ends now. Returns how long the recording took to be ready.
async fn end_after(rig: &Rig, username: &str, segments: i64) -> Duration {
    let data = tempfile::tempdir().expect("folder");
    let node = rig.node_in(data.path(), 1 << 30);
    let live = rig.go_live(username).await;
    let mut rows = Vec::new();
    for seq in 0..segments - 1 {
        rows.extend(["source", "480p", "audio"].map(|rendition| stored_segment(&live, rendition, seq)));
    }
    let mut conn = rig.pool.acquire().await.expect("connection");
    for chunk in rows.chunks(500) {
        db::recordings::insert_segments(&mut conn, chunk).await.expect("rows");
    }
    drop(conn);

    let (recording, resume) = open(&node, &live).await;
    segment(&recording, &mut Sent::default(), resume.next_msn, resume.next_init);
    recording.close(RecordingEnd::Ended);
    let took = rig.until_ready(&live).await;
    let vod = rig.vod(&live).await.expect("row");
    assert_eq!(vod["duration_ms"].as_i64(), Some((segments - 1) * 2_000 + 1_000));
    node.stop().await;
    took
}

/// After four hours without a bucket: the start reads 7,200 waiting segments in each of three renditions.
#[tokio::test]
async fn a_journal_of_four_hours_is_read_within_a_second() {
    const SEGMENTS: u64 = 7_200;
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let node = rig.node();
    rig.s3.set_down(true);
    let (recording, _) = open(&node, &live).await;
    for msn in 0..SEGMENTS {
        for name in ["source", "480p", "audio"] {
            super::rig::parts(&recording, &mut Sent::default(), (name, msn, 0), 1, false);
            recording.segment_end(name, msn, SEGMENT_US);
        }
        if msn % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let segment: usize = ["source", "480p", "audio"].map(|name| super::rig::part_bytes(name, 0, 0).len()).iter().sum();
    let bytes = segment as u64 * SEGMENTS;
    until("all of it is on disk", || async { node.recorder.spool_bytes() == bytes }).await;
    recording.close(RecordingEnd::Interrupted);
    node.stop().await;

    let started = std::time::Instant::now();
    let node = rig.node();
    until("the journal is read", || async { node.recorder.spool_bytes() == bytes }).await;
    let took = started.elapsed();
    println!("a journal of {} waiting segments is read in {:.3} s", SEGMENTS * 3, took.as_secs_f64());
    assert!(took < Duration::from_secs(3), "{took:?}");
    drop(node);
}

fn stored_segment(live: &super::rig::Live, rendition: &str, seq: i64) -> NewSegment {
    NewSegment {
        vod_id: live.info.vod_id,
        rendition: rendition.to_owned(),
        seq,
        is_discontinuity: false,
        is_independent: true,
        init_key: objects::keys::vod_init(live.info.vod_id, rendition, 0),
        object_key: objects::keys::vod_segment(live.info.vod_id, rendition, seq.unsigned_abs()),
        byte_size: 500_000,
        duration_us: 2_000_000,
        program_at: kit::clock::now(),
        starts_at_us: None,
        iframe_bytes: None,
        sha256: [7; 32],
    }
}

#[tokio::test]
async fn ten_finalisers_at_once_tell_of_the_recording_once() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut Sent::default(), 0, 0);
    until("the segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;
    recording.close(RecordingEnd::Ended);
    let finalise = || async {
        let mut tx = db::begin(&rig.pool).await.expect("tx");
        let outcome = db::recordings::finalise(&mut tx, live.info.vod_id).await.expect("finalise");
        db::commit(tx).await.expect("commit");
        outcome
    };
    let outcomes = futures::future::join_all((0..10).map(|_| finalise())).await;
    rig.until_ready(&live).await;
    node.stop().await;
    assert!(outcomes.iter().filter(|outcome| **outcome == Finalised::Ready).count() <= 1, "{outcomes:?}");
    assert_eq!(rig.told("vod_ready").await, 1);
}

#[tokio::test]
async fn a_recording_nothing_was_recorded_of_leaves_no_row() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, _) = open(&node, &live).await;
    recording.close(RecordingEnd::Ended);
    until("the row is gone", || async { rig.vod(&live).await.is_none() }).await;
    assert_eq!((rig.told("vod_ready").await, rig.told("vod_deleted").await), (0, 1));
    node.stop().await;
}

#[tokio::test]
async fn a_lost_publisher_who_stays_away_ends_the_recording() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut sent, 0, 0);
    recording.close(RecordingEnd::Interrupted);
    rig.publisher_gone(&live, PublishEnd::ConnectionLost, RULES).await;
    until("the segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;
    assert_eq!(rig.vod(&live).await.expect("row")["status"], "recording", "the window is open");

    let over = "UPDATE streams SET reconnect_until = now() - interval '1 second'";
    db::testing::execute(&rig.pool, over).await.expect("the window closes");
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    assert_eq!((rig.told("stream_offline").await, rig.told("vod_ready").await), (1, 1));
    node.stop().await;
}

#[tokio::test]
async fn a_publisher_who_returns_goes_on_in_the_same_recording() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut sent, 0, 0);
    super::rig::parts(&recording, &mut sent, ("source", 1, 0), 2, false);
    recording.close(RecordingEnd::Interrupted);
    rig.publisher_gone(&live, PublishEnd::ConnectionLost, RULES).await;

    let (recording, resume) = node.recorder.open(live.info.clone()).await.expect("opens");
    assert_eq!((resume.next_msn, resume.next_init, resume.is_resumed), (2, 1, true));
    announce(&recording, 1);
    super::rig::parts(&recording, &mut sent, ("source", 2, 1), 5, true);
    recording.segment_end("source", 2, 1_000_000);
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    let breaks = rig.rows("SELECT seq FROM vod_segments WHERE is_discontinuity").await;
    assert_eq!(breaks.iter().map(|row| row["seq"].as_u64()).collect::<Vec<_>>(), [Some(2)]);
    assert_eq!(rig.vod(&live).await.expect("row")["duration_ms"].as_u64(), Some(1_000 + 400 + 1_000));
    node.stop().await;
}

#[tokio::test]
async fn a_recording_deleted_while_it_is_made_is_not_told_of_and_its_objects_are_claimed_back() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut Sent::default(), 0, 0);
    until("the segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;
    db::testing::execute(&rig.pool, "UPDATE vods SET deleted_at = now()").await.expect("deleted");
    segment(&recording, &mut Sent::default(), 1, 0);
    recording.close(RecordingEnd::Ended);
    until("the deletion is told", || async { rig.told("vod_deleted").await == 1 }).await;
    assert_eq!(rig.told("vod_ready").await, 0);
    // What the job of that event does.
    let prefix = objects::keys::vod_prefix(live.info.vod_id);
    rig.objects.delete_prefix(&prefix).await.expect("deleted");
    assert!(rig.s3.keys().iter().all(|key| !key.starts_with(&prefix)), "{:?}", rig.s3.keys());
    node.stop().await;
}

#[tokio::test]
async fn a_recording_whose_stream_is_gone_is_discarded_with_its_objects() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut Sent::default(), 0, 0);
    until("the segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;
    recording.close(RecordingEnd::Interrupted);
    db::testing::execute(&rig.pool, "DELETE FROM streams").await.expect("gone");
    until("the spool is gone", || async { !rig.spool(&live).exists() }).await;
    assert!(rig.s3.keys().iter().all(|key| !key.starts_with("vod/")), "{:?}", rig.s3.keys());
    node.stop().await;
}

/// A node that is gone for good must not leave recordings that are never ready.
#[tokio::test]
async fn rows_nobody_closes_are_found() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let none = Rules { reconnect_window_s: 0, ..RULES };
    rig.publisher_gone(&live, PublishEnd::ConnectionLost, none).await;
    let mut conn = rig.pool.acquire().await.expect("connection");
    assert_eq!(db::recordings::orphans(&mut conn).await.expect("query"), [], "too early");
    let later = "UPDATE streams SET ended_at = now() - interval '2 minutes'";
    db::testing::execute(&rig.pool, later).await.expect("time passes");
    let found = db::recordings::orphans(&mut conn).await.expect("query");
    assert_eq!(found, [(live.info.vod_id, live.info.stream_id)]);
}

/// The first of two streams fills the channel's room.
#[tokio::test]
async fn a_full_room_stops_the_recording_at_a_boundary_and_tells_the_owner_once() {
    let rig = Rig::new().await;
    let node = rig.node_with(rig.data.path(), 1 << 30, 100_000);
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    for msn in 0..3 {
        segment(&recording, &mut sent, msn, 0);
    }
    // Both renditions are in the middle of a segment when the room is found to be full: those are finished.
    super::rig::parts(&recording, &mut sent, ("source", 3, 0), 2, false);
    until("the owner is told", || async { rig.told("recording_stopped").await == 1 }).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let more = &mut Sent::default();
    super::rig::parts(&recording, more, ("source", 4, 0), 5, false);
    recording.segment_end("source", 4, SEGMENT_US);
    for msn in 3..6 {
        super::rig::sheet(&recording, msn);
    }
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    assert_eq!(rig.sheet_rows(&live).await, [3], "no pictures of what is not recorded");
    rig.assert_stored(&live, &sent).await;
    assert_eq!(rig.vod(&live).await.expect("row")["stop_reason"], "quota");

    rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;
    let mut conn = rig.pool.acquire().await.expect("connection");
    let room = db::keeping::room_of_stream(&mut conn, live.info.stream_id, [100_000; 3]).await.expect("query");
    assert!(room.is_some_and(|(room, is_stopped)| room.is_full() && is_stopped));
    drop(conn);
    node.stop().await;
    assert_eq!(rig.told("recording_stopped").await, 1);
}
