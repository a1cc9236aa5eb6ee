//! A disk that is really full: a small file system of the child's own.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::stream::PublishEnd;
use testkit::s3::S3Server;
use tokio::process::Command;
use transcoder::record::{Recorder, RecordingEnd};

use super::child::{Case, Hand, PARTS_PER_SEGMENT, Task, make_media, reel};
use super::rig::{RULES, Rig, until};

/// Of the child's file system.
const DISK: &str = "size=2m";
/// A segment has some 75 kB: these are more than fit.
const SEGMENTS: u64 = 60;

/// The child: records until nothing fits any more and beyond, then dies on the full disk.
pub(super) async fn fill(hand: &mut Hand, recorder: &Recorder) {
    let (recording, first_msn, init_no) = hand.open(recorder).await.expect("opens");
    let mut longest = Duration::ZERO;
    for msn in first_msn..first_msn + SEGMENTS {
        longest = longest.max(hand.segment(&recording, msn, init_no));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until("no new stream is taken", || async { !recorder.accepts_new() }).await;
    std::fs::write(hand.desk.join("longest_us"), longest.as_micros().to_string()).expect("file");
    recording.close(RecordingEnd::Ended);
    std::process::abort();
}

/// At 100 % live goes on, nothing that waits is thrown away, and a restart on the full disk brings it to the bucket.
#[tokio::test]
async fn a_full_disk_keeps_what_waits_and_a_restart_on_it_stores_it() {
    let rig = Rig::with(S3Server::start().await.expect("bucket")).await;
    let media = tempfile::tempdir().expect("folder");
    make_media(media.path());
    let folder = tempfile::tempdir().expect("folder");
    let live = rig.go_live("alice").await;
    let data = folder.path().join("disk");
    std::fs::create_dir_all(&data).expect("folder");
    let desk = folder.path().join("desk");
    let case = Case { rig: &rig, live: &live, media: media.path(), data, desk };

    // Both processes see the same small file system; it goes with the shell.
    let (fill, recover) = (case.command(Task::Fill), case.command(Task::Recover));
    let mut shell = Command::new("unshare");
    let script = r#"
        mount -t tmpfs -o "$1" tmpfs "$2" || exit 90
        shift 2
        RILLCAST_TEST_CHILD="$FILL" "$@"
        head -c 4000000 /dev/zero > "$DATA/ballast" 2>/dev/null
        df --output=avail "$DATA" | tail -1 | tr -d ' ' > "$DESK/available"
        : > "$DESK/filled"
        while [ ! -e "$DESK/go" ]; do sleep 0.05; done
        RILLCAST_TEST_CHILD="$RECOVER" "$@""#;
    shell.args(["--mount", "--map-root-user", "sh", "-c", script, "sh", DISK]).arg(&case.data);
    shell.arg(fill.as_std().get_program()).args(fill.as_std().get_args());
    shell.env("DATA", &case.data).env("DESK", &case.desk);
    shell.env("FILL", case.desk.join("fill.json")).env("RECOVER", case.desk.join("recover.json"));
    drop((fill, recover));

    rig.s3.set_down(true);
    let conduct = async {
        let started = std::time::Instant::now();
        while !case.desk.join("filled").exists() {
            assert!(started.elapsed() < Duration::from_secs(30), "the disk is not full: {}", case.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;
        rig.s3.set_down(false);
        std::fs::write(case.desk.join("go"), "").expect("file");
    };
    let (status, ()) = tokio::join!(case.finish(shell), conduct);
    assert!(status.success(), "{status}: {}", case.said());
    let number = |name: &str| std::fs::read_to_string(case.desk.join(name)).expect("file").trim().parse::<u64>();
    assert_eq!(number("available"), Ok(0), "the restart had a full disk: {}", case.said());
    assert!(number("longest_us").expect("a number") < 100_000, "the full disk held the stream");

    rig.until_ready(&live).await;
    let source = reel(media.path(), "source");
    let rows = rig.rows("SELECT seq, object_key FROM vod_segments WHERE rendition = 'source' ORDER BY seq").await;
    let stored: BTreeSet<u64> = rows.iter().map(|row| row["seq"].as_u64().expect("a number")).collect();
    assert!(stored.len() >= 20 && stored.len() < SEGMENTS as usize, "{} fit", stored.len());
    assert_eq!(stored.iter().copied().take(20).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>(), "none is thrown away");
    for row in &rows {
        let segment = row["seq"].as_u64().expect("a number") as usize % 5 * PARTS_PER_SEGMENT;
        let object = rig.s3.read(row["object_key"].as_str().expect("text")).expect("object");
        assert_eq!(object, source.parts[segment..segment + PARTS_PER_SEGMENT].concat(), "{row}");
    }
}
