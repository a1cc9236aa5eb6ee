//! One node's recorder with a database and a bucket of its own, and segments whose bytes are known.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use db::publish::{Done, NewPublish, Rules};
use domain::stream::PublishEnd;
use kit::Stop;
use objects::Objects;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use testkit::s3::S3Server;
use testkit::services::{DatabaseGuard, database};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use transcoder::record::{
    Pace, RecordDeps, RecordedPart, Recorder, Recording, RecordingInfo, RenditionInfo, RenditionKind, Resume, Sheet,
};

pub(super) const RULES: Rules = Rules { reconnect_window_s: 60, owes_done_hook: false };
const PART_US: u64 = 200_000;
const PARTS: u64 = 5;
/// Length of the segments made here.
pub(super) const SEGMENT_US: u64 = PART_US * PARTS;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    pub(super) pool: db::Pool,
    pub(super) s3: S3Server,
    pub(super) objects: Objects,
    pub(super) data: TempDir,
    pub(super) database_url: String,
    _database: DatabaseGuard,
}

/// A running recorder. Dropping it cuts its tasks off where they are.
pub(super) struct Node {
    pub(super) recorder: Recorder,
    pub(super) tasks: JoinSet<anyhow::Result<()>>,
    pub(super) stop: Stop,
}

impl Node {
    /// Stops it the proper way.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic").expect("a clean end");
        }
    }
}

/// A stream with its rows.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) info: RecordingInfo,
    claim: db::publish::Claim,
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::with(S3Server::start().await.expect("bucket")).await
    }

    pub(super) async fn with(s3: S3Server) -> Self {
        let (database_url, guard) = database().await;
        let pool = db::testing::pool(&database_url).expect("pool");
        let objects = Objects::new(&s3.config()).expect("settings");
        let data = tempfile::tempdir().expect("folder");
        Self { pool, s3, objects, data, database_url, _database: guard }
    }

    pub(super) fn node(&self) -> Node {
        self.node_in(self.data.path(), 1 << 30)
    }

    pub(super) fn node_in(&self, data_dir: &Path, spool_bytes_max: u64) -> Node {
        self.node_with(data_dir, spool_bytes_max, 0)
    }

    pub(super) fn node_with(&self, data_dir: &Path, spool_bytes_max: u64, quota_bytes: i64) -> Node {
        let (recorder, task) = Recorder::new(RecordDeps {
            pool: self.pool.clone(),
            objects: self.objects.clone(),
            data_dir: data_dir.to_owned(),
            spool_bytes_max,
            rooms: [quota_bytes; 3],
            pace: Pace { unwanted_after: Duration::from_secs(2), ..Pace::default() },
        });
        let stop = Stop::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run(stop.clone()));
        Node { recorder, tasks, stop }
    }

    /// A member goes live.
    pub(super) async fn go_live(&self, username: &str) -> Live {
        let digest: [u8; 32] = Sha256::digest(username.as_bytes()).into();
        let channel_id = db::testing::add_channel(&self.pool, username, &digest).await.expect("channel");
        let mut tx = db::begin(&self.pool).await.expect("tx");
        let new = NewPublish {
            channel_id,
            node: "node-1",
            addr: "127.0.0.1:5000",
            client_id: "1",
            args: "",
            app: "live",
            at: kit::clock::now(),
            priority: domain::stream::Priority::default(),
            is_challenge: false,
        };
        let claim = db::publish::claim(&mut tx, &new, RULES).await.expect("claim").expect("the slot is free");
        db::publish::online(&mut tx, claim.stream_id, claim.publish_id, claim.epoch).await.expect("online");
        db::commit(tx).await.expect("commit");
        let info = RecordingInfo { stream_id: claim.stream_id, vod_id: claim.vod_id, username: username.to_owned() };
        Live { info, claim }
    }

    /// The publisher's connection ends, this way or that.
    pub(super) async fn publisher_gone(&self, live: &Live, end: PublishEnd, rules: Rules) {
        let done = Done {
            publish_id: live.claim.publish_id,
            stream_id: live.claim.stream_id,
            epoch: live.claim.epoch,
            end,
            has_delivered: true,
            at: kit::clock::now(),
        };
        let mut tx = db::begin(&self.pool).await.expect("tx");
        db::publish::done(&mut tx, &done, rules).await.expect("done");
        db::commit(tx).await.expect("commit");
    }

    pub(super) async fn rows(&self, query: &str) -> Vec<Value> {
        db::testing::rows(&self.pool, query).await.expect("query")
    }

    /// The recording's row, if there is one.
    pub(super) async fn vod(&self, live: &Live) -> Option<Value> {
        let query = format!("SELECT * FROM vods WHERE vod_id = '{}'", live.info.vod_id);
        self.rows(&query).await.into_iter().next()
    }

    pub(super) async fn segment_rows(&self, live: &Live) -> usize {
        let query = format!("SELECT seq FROM vod_segments WHERE vod_id = '{}'", live.info.vod_id);
        self.rows(&query).await.len()
    }

    /// The first segments of the sheets that have rows.
    pub(super) async fn sheet_rows(&self, live: &Live) -> Vec<u64> {
        let query = format!("SELECT seq FROM vod_sheets WHERE vod_id = '{}' ORDER BY seq", live.info.vod_id);
        self.rows(&query).await.iter().map(|row| row["seq"].as_u64().expect("a number")).collect()
    }

    /// How often an event was left in the outbox.
    pub(super) async fn told(&self, kind: &str) -> usize {
        self.rows(&format!("SELECT outbox_id FROM outbox WHERE kind = '{kind}'")).await.len()
    }

    /// Waits until the recording is ready. Returns how long that took.
    pub(super) async fn until_ready(&self, live: &Live) -> Duration {
        let started = Instant::now();
        until("the recording is ready", || async { self.vod(live).await.is_some_and(|vod| vod["status"] == "ready") })
            .await;
        started.elapsed()
    }

    pub(super) fn spool(&self, live: &Live) -> PathBuf {
        self.data.path().join("spool").join(live.info.stream_id.to_string())
    }

    /// Every segment in the bucket and in the database is, byte for byte, what was sent.
    pub(super) async fn assert_stored(&self, live: &Live, sent: &Sent) {
        let query = format!(
            "SELECT rendition, seq, object_key, init_key, byte_size, encode(sha256, 'hex') AS sha256
               FROM vod_segments WHERE vod_id = '{}' ORDER BY rendition, seq",
            live.info.vod_id
        );
        let rows = self.rows(&query).await;
        let found: Vec<(String, u64)> = rows
            .iter()
            .map(|row| (row["rendition"].as_str().expect("text").to_owned(), row["seq"].as_u64().expect("number")))
            .collect();
        assert_eq!(found, sent.0.keys().cloned().collect::<Vec<_>>(), "exactly the segments that were sent");
        for row in &rows {
            let id = (row["rendition"].as_str().expect("text").to_owned(), row["seq"].as_u64().expect("number"));
            let bytes = &sent.0[&id];
            let stored = self.s3.read(row["object_key"].as_str().expect("text")).expect("object");
            assert_eq!(hex::encode(Sha256::digest(&stored)), hex::encode(Sha256::digest(bytes)), "{id:?}");
            assert_eq!(row["sha256"].as_str(), Some(hex::encode(Sha256::digest(bytes)).as_str()), "{id:?}");
            assert_eq!(row["byte_size"].as_u64(), u64::try_from(bytes.len()).ok());
            self.s3.read(row["init_key"].as_str().expect("text")).expect("the init it needs");
        }
    }
}

/// Bytes of each segment, as they were handed to the recorder.
#[derive(Default, Clone)]
pub(super) struct Sent(pub(super) BTreeMap<(String, u64), Vec<u8>>);

pub(super) async fn open(node: &Node, live: &Live) -> (Recording, Resume) {
    let (recording, resume) = node.recorder.open(live.info.clone()).await.expect("opens");
    announce(&recording, resume.next_init);
    (recording, resume)
}

pub(super) fn announce(recording: &Recording, init_no: u32) {
    for name in ["source", "audio"] {
        recording.rendition(rendition(name));
        recording.init(name, init_no, Bytes::from(format!("init {init_no} of {name}")));
    }
}

pub(super) fn rendition(name: &str) -> RenditionInfo {
    let is_audio = name == "audio";
    RenditionInfo {
        name: name.to_owned(),
        kind: if is_audio { RenditionKind::Audio } else { RenditionKind::Video },
        codecs: if is_audio { "mp4a.40.2" } else { "avc1.64001f" }.to_owned(),
        width: (!is_audio).then_some(1_280),
        height: (!is_audio).then_some(720),
        frame_rate_mhz: (!is_audio).then_some(30_000),
        channels: is_audio.then_some(2),
        sample_rate: is_audio.then_some(48_000),
    }
}

/// One whole segment in each of the two renditions.
pub(super) fn segment(recording: &Recording, sent: &mut Sent, msn: u64, init_no: u32) {
    for name in ["source", "audio"] {
        parts(recording, sent, (name, msn, init_no), PARTS, false);
        recording.segment_end(name, msn, SEGMENT_US);
    }
}

/// The first parts of a segment, which stays open.
pub(super) fn parts(
    recording: &Recording,
    sent: &mut Sent,
    (name, msn, init_no): (&str, u64, u32),
    count: u64,
    is_discontinuity: bool,
) {
    for index in 0..count {
        let bytes = part_bytes(name, msn, index);
        sent.0.entry((name.to_owned(), msn)).or_default().extend_from_slice(&bytes);
        recording.part(RecordedPart {
            rendition: name,
            msn,
            bytes,
            duration_us: PART_US,
            program_at: kit::clock::now(),
            init_no,
            is_discontinuity,
            is_independent: true,
            starts_at_us: None,
            iframe_len: None,
        });
    }
}

/// A sheet of one picture that belongs to the segment. Its bytes are no JPEG, which nobody here looks at.
pub(super) fn sheet(recording: &Recording, msn: u64) -> Bytes {
    let jpeg = Bytes::from(format!("the picture of segment {msn}"));
    let seq = i64::try_from(msn).expect("small");
    let sheet = Sheet {
        seq,
        tile_width: 160,
        tile_height: 90,
        tile_step: 96,
        seqs: vec![seq],
        offsets_ms: vec![0],
        byte_size: i64::try_from(jpeg.len()).expect("small"),
    };
    recording.sheet(sheet, jpeg.clone());
    jpeg
}

/// Something with the outer shape of a CMAF chunk, different for each part.
pub(super) fn part_bytes(name: &str, msn: u64, index: u64) -> Bytes {
    let mut out = Vec::new();
    for (kind, len) in [(b"moof", 64_usize), (b"mdat", if name == "audio" { 700 } else { 9_000 })] {
        out.extend_from_slice(&u32::try_from(len + 8).expect("small").to_be_bytes());
        out.extend_from_slice(kind);
        let seed = Sha256::digest(format!("{name}/{msn}/{index}").as_bytes());
        out.extend(seed.iter().cycle().take(len));
    }
    out.into()
}

/// Waits for a fact that comes about by itself.
pub(super) async fn until<F, T>(what: &str, mut is_so: T)
where
    F: Future<Output = bool>,
    T: FnMut() -> F,
{
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Copies what a killed process would leave on disk.
pub(super) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("read folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}
