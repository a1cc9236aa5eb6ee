//! What `kill -9` leaves on disk is enough to finish the recording.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use domain::stream::PublishEnd;
use tempfile::TempDir;
use transcoder::record::RecordingEnd;

use super::rig::{Live, RULES, Rig, SEGMENT_US, Sent, announce, copy_tree, open, part_bytes, parts, segment, until};

/// A node is killed with two segments on disk and the third half written: its folder as it was at that moment, with the
/// torn tails a crash leaves. The bucket was away, so nothing was stored.
async fn killed_in_the_middle(rig: &Rig, live: &Live, sent: &mut Sent) -> TempDir {
    let node = rig.node();
    rig.s3.set_down(true);
    let (recording, _) = open(&node, live).await;
    segment(&recording, sent, 0, 0);
    segment(&recording, sent, 1, 0);
    parts(&recording, sent, ("source", 2, 0), 3, false);
    parts(&recording, sent, ("audio", 2, 0), 2, false);
    let waiting: usize = sent.0.values().map(Vec::len).sum();
    let waiting = u64::try_from(waiting).expect("small");
    until("everything is on disk", || async { node.recorder.spool_bytes() == waiting }).await;

    let left = tempfile::tempdir().expect("folder");
    copy_tree(rig.data.path(), left.path());
    let folder = left.path().join("spool").join(live.info.stream_id.to_string());
    append(&folder.join("source/roll0"), &part_bytes("source", 2, 3)[..500]);
    append(&folder.join("journal"), b"5f5f5f5f {\"t\":\"part\",\"r\":\"sou");
    drop((recording, node));
    rig.s3.set_down(false);
    left
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).expect("the file is there");
    file.write_all(bytes).expect("written");
}

#[tokio::test]
async fn a_restart_finishes_the_recording_with_every_whole_part() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let left = killed_in_the_middle(&rig, &live, &mut sent).await;
    rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;

    let node = rig.node_in(left.path(), 1 << 30);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    let vod = rig.vod(&live).await.expect("row");
    assert_eq!(vod["duration_ms"].as_u64(), Some((2 * SEGMENT_US + 3 * 200_000) / 1_000), "to the last whole part");
    assert_eq!(rig.told("vod_ready").await, 1);
    node.stop().await;
    assert_eq!(std::fs::read_dir(left.path().join("spool")).expect("folder").count(), 0);
}

/// What only a power cut does: lines of the journal outlive the bytes they speak of.
#[tokio::test]
async fn a_file_cut_short_costs_its_segments_and_not_the_recording() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let left = killed_in_the_middle(&rig, &live, &mut sent).await;
    let roll = left.path().join("spool").join(live.info.stream_id.to_string()).join("source/roll0");
    let first = sent.0[&("source".to_owned(), 0)].len() as u64;
    OpenOptions::new().write(true).open(roll).and_then(|file| file.set_len(first + 100)).expect("cut");
    sent.0.retain(|(rendition, msn), _| rendition == "audio" || *msn == 0);
    rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;

    let node = rig.node_in(left.path(), 1 << 30);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

#[tokio::test]
async fn a_restart_within_the_window_goes_on_after_what_is_on_disk() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let left = killed_in_the_middle(&rig, &live, &mut sent).await;

    let node = rig.node_in(left.path(), 1 << 30);
    let (recording, resume) = node.recorder.open(live.info.clone()).await.expect("opens");
    assert_eq!((resume.next_msn, resume.next_init, resume.is_resumed), (3, 1, true));
    announce(&recording, 1);
    segment(&recording, &mut sent, 3, 1);
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

#[tokio::test]
async fn a_restart_twice_over_stores_everything_once() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let left = killed_in_the_middle(&rig, &live, &mut sent).await;
    rig.s3.set_down(true);
    // Killed again before anything could be brought away, then once more right after.
    for _ in 0..2 {
        let node = rig.node_in(left.path(), 1 << 30);
        until("the spool is read", || async { node.recorder.spool_bytes() > 0 }).await;
        drop(node);
    }
    rig.s3.set_down(false);
    rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;
    let node = rig.node_in(left.path(), 1 << 30);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

#[tokio::test]
async fn a_crash_between_the_object_and_its_row_repeats_harmlessly() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let left = killed_in_the_middle(&rig, &live, &mut sent).await;
    // The first run had stored these two, object and row, and died before it deleted the files.
    let node = rig.node_in(left.path(), 1 << 30);
    let copy = tempfile::tempdir().expect("folder");
    copy_tree(left.path(), copy.path());
    until("all is stored", || async { rig.segment_rows(&live).await == 6 }).await;
    node.stop().await;

    rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;
    let node = rig.node_in(copy.path(), 1 << 30);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    assert_eq!(rig.told("vod_ready").await, 1);
    node.stop().await;
}

#[tokio::test]
async fn rubbish_in_the_spool_stops_nobody() {
    let rig = Rig::new().await;
    let spool = rig.data.path().join("spool");
    let stray = spool.join(kit::ids::uuid().to_string());
    std::fs::create_dir_all(stray.join("source")).expect("folder");
    std::fs::write(stray.join("journal"), b"\0\0\0 not a journal \xff\n").expect("file");
    std::fs::write(stray.join("source/roll0"), b"what").expect("file");
    std::fs::create_dir_all(spool.join("hooks")).expect("folder");
    std::fs::write(spool.join("hooks/journal"), b"somebody else's").expect("file");

    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut sent, 0, 0);
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    assert!(!stray.exists() && spool.join("hooks/journal").exists());
    let aside = stray.with_extension("set-aside").join("source/roll0");
    assert_eq!(std::fs::read(aside).expect("kept"), b"what", "media is not thrown away because its journal is");
    node.stop().await;
}
