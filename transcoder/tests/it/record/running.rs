//! While the stream runs, and when it ends as it should.

use std::time::Duration;

use bytes::Bytes;
use testkit::s3::S3Server;
use transcoder::record::{RecordError, RecordedPart, RecordingEnd};

use super::rig::{Rig, SEGMENT_US, Sent, announce, open, part_bytes, segment, until};

#[tokio::test]
async fn segments_are_stored_while_the_stream_runs_and_the_recording_is_ready_at_its_end() {
    let rig = Rig::with(S3Server::start_like_b2().await.expect("bucket")).await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, resume) = open(&node, &live).await;
    assert_eq!((resume.next_msn, resume.next_init, resume.is_resumed), (0, 0, false));

    let mut sent = Sent::default();
    for msn in 0..4 {
        segment(&recording, &mut sent, msn, 0);
    }
    recording.thumbnail(Bytes::from_static(b"a picture"));
    until("the closed segments have rows", || async { rig.segment_rows(&live).await == 8 }).await;
    assert_eq!(rig.vod(&live).await.expect("row")["status"], "recording");
    rig.assert_stored(&live, &sent).await;

    segment(&recording, &mut sent, 4, 0);
    recording.close(RecordingEnd::Ended);
    let took = rig.until_ready(&live).await;
    assert!(took < Duration::from_secs(1), "ready after {took:?}");
    rig.assert_stored(&live, &sent).await;

    let vod = rig.vod(&live).await.expect("row");
    assert_eq!(vod["duration_ms"].as_u64(), Some(5 * SEGMENT_US / 1_000));
    let size: usize = sent.0.values().map(Vec::len).sum();
    assert_eq!(vod["byte_size"].as_u64(), u64::try_from(size).ok());
    let picture = vod["thumbnail_key"].as_str().expect("a picture").to_owned();
    assert_eq!(rig.s3.read(&picture).expect("picture"), b"a picture");
    assert_eq!(rig.told("vod_ready").await, 1);
    until("the spool is empty", || async { !rig.spool(&live).exists() && node.recorder.spool_bytes() == 0 }).await;
    node.stop().await;
}

#[tokio::test]
async fn a_second_handle_makes_the_first_one_deaf() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let mut sent = Sent::default();
    let (first, _) = open(&node, &live).await;
    segment(&first, &mut sent, 0, 0);
    let (second, resume) = open(&node, &live).await;
    assert_eq!((resume.next_msn, resume.next_init, resume.is_resumed), (1, 1, true));

    segment(&first, &mut Sent::default(), 0, 0);
    first.close(RecordingEnd::Ended);
    segment(&second, &mut sent, 1, 1);
    second.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    rig.assert_stored(&live, &sent).await;
    node.stop().await;
}

#[tokio::test]
async fn numbers_another_node_may_have_used_are_left_free() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let elsewhere = rig.node();
    let mut sent = Sent::default();
    let (recording, _) = open(&elsewhere, &live).await;
    segment(&recording, &mut sent, 0, 0);
    until("the other node's segment is stored", || async { rig.segment_rows(&live).await == 2 }).await;
    // Not uploaded when the stream moves here.
    rig.s3.set_down(true);
    segment(&recording, &mut sent, 1, 0);
    drop(recording);

    let other_folder = tempfile::tempdir().expect("folder");
    let here = rig.node_in(other_folder.path(), 1 << 30);
    let (recording, resume) = here.recorder.open(live.info.clone()).await.expect("opens");
    assert!(resume.is_resumed && resume.next_msn > 1_000 && resume.next_init > 10, "{resume:?}");
    announce(&recording, resume.next_init);
    segment(&recording, &mut sent, resume.next_msn, resume.next_init);
    rig.s3.set_down(false);
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    until("the late segment of the other node is there too", || async { rig.segment_rows(&live).await == 6 }).await;
    rig.assert_stored(&live, &sent).await;
    here.stop().await;
    drop(elsewhere);
}

/// It died before anything of it was stored, so no row tells.
#[tokio::test]
async fn numbers_of_a_node_that_had_the_publish_a_moment_ago_are_left_free_though_nothing_is_stored() {
    let rig = Rig::new().await;
    let live = rig.go_live("alice").await;
    let here = rig.node();
    let (recording, resume) = here.recorder.open_moved(live.info.clone()).await.expect("opens");
    assert!(resume.is_resumed && resume.next_msn > 1_000 && resume.next_init > 10, "{resume:?}");
    drop(recording);
    let (_recording, again) = here.recorder.open_moved(live.info.clone()).await.expect("opens");
    assert_eq!(again.next_msn, resume.next_msn, "it was here all the time");
    here.stop().await;
}

#[tokio::test]
async fn a_complete_recording_is_not_opened_again() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, _) = open(&node, &live).await;
    segment(&recording, &mut Sent::default(), 0, 0);
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    let again = node.recorder.open(live.info.clone()).await.err();
    assert!(matches!(again, Some(RecordError::Ended)), "{again:?}");
    node.stop().await;
}

/// Segments lie one after another in files of some size; a file goes when all of it is stored, whichever went first.
#[tokio::test]
async fn a_file_of_the_spool_goes_when_all_in_it_is_stored() {
    let rig = Rig::new().await;
    let node = rig.node();
    let live = rig.go_live("alice").await;
    let (recording, _) = open(&node, &live).await;
    let mut part = part_bytes("source", 0, 0).to_vec();
    let mdat = 9 * 1024 * 1024_u32;
    part.extend_from_slice(&mdat.to_be_bytes());
    part.extend_from_slice(b"mdat");
    part.resize(part.len() + mdat as usize - 8, 7);
    let rolls = || {
        std::fs::read_dir(rig.spool(&live).join("source")).map_or(0, |folder| {
            folder.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("roll")).count()
        })
    };
    rig.s3.set_down(true);
    for msn in 0..5 {
        recording.part(RecordedPart {
            rendition: "source",
            msn,
            bytes: part.clone().into(),
            duration_us: SEGMENT_US,
            program_at: kit::clock::now(),
            init_no: 0,
            is_discontinuity: false,
            is_independent: true,
            starts_at_us: None,
            iframe_len: None,
        });
        recording.segment_end("source", msn, SEGMENT_US);
    }
    let sent = part.len() as u64 * 5;
    until("all is on disk", || async { node.recorder.spool_bytes() == sent }).await;
    assert_eq!(rolls(), 3, "two segments fill a file");
    rig.s3.set_down(false);
    until("all is stored", || async { node.recorder.spool_bytes() == 0 }).await;
    until("only the file that is written to stays", || async { rolls() == 1 }).await;
    for msn in 0..5 {
        let stored = rig.s3.read(&objects::keys::vod_segment(live.info.vod_id, "source", msn)).expect("object");
        assert!(stored == part, "segment {msn} is what was sent");
    }
    recording.close(RecordingEnd::Ended);
    rig.until_ready(&live).await;
    node.stop().await;
}
