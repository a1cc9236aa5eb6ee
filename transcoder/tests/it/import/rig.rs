//! A node, files to give it, and what came of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use db::imports::New;
use domain::import::Container;
use domain::{UserId, Visibility, VodId};
use kit::Config;
use objects::{NewObject, Objects};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::live::rig::{Node, Rig};

const PATIENCE: Duration = Duration::from_secs(40);

pub(super) struct Desk {
    pub(super) rig: Rig,
    pub(super) objects: Objects,
    pub(super) channel: UserId,
    files: TempDir,
}

/// What ffprobe says of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) frames: u64,
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    pub(super) codec: String,
}

impl Desk {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let rig = Rig::with(|config| {
            config.hls.segment_ms = 2_000;
            change(config);
        })
        .await;
        let digest: [u8; 32] = kit::ids::random_bytes();
        let channel = db::testing::add_channel(&rig.pool, "alice", &digest).await.expect("a channel");
        let objects = Objects::new(&rig.s3().config()).expect("settings");
        Self { rig, objects, channel, files: tempfile::tempdir().expect("a folder") }
    }

    pub(super) fn node(&self) -> Node {
        self.rig.node()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// A file made by ffmpeg.
    pub(super) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]).args(arguments.split_whitespace()).arg(&path);
        let output = command.output().expect("ffmpeg runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// Puts a file into the bucket and queues it.
    pub(super) async fn queue(&self, path: &Path, container: Container) -> VodId {
        self.queue_bytes(Bytes::from(std::fs::read(path).expect("the file")), container).await
    }

    pub(super) async fn queue_bytes(&self, body: Bytes, container: Container) -> VodId {
        let vod = VodId::from_uuid(kit::ids::uuid());
        let (key, source_bytes) = (format!("files/{vod}"), i64::try_from(body.len()).expect("small"));
        let object = NewObject { key: &key, body, content_type: "application/octet-stream", cache_control: "no-store" };
        self.objects.put(object).await.expect("put");
        let new = New {
            vod,
            channel: self.channel,
            title: "Holiday",
            visibility: Visibility::Public,
            source_key: &key,
            source_bytes,
            container,
        };
        let mut tx = db::begin(&self.rig.pool).await.expect("a transaction");
        db::imports::queue(&mut tx, &new).await.expect("queued");
        db::commit(tx).await.expect("committed");
        vod
    }

    pub(super) async fn row(&self, query: &str) -> Value {
        let rows = db::testing::rows(&self.rig.pool, query).await.expect("a query");
        rows.into_iter().next().unwrap_or_default()
    }

    pub(super) async fn vod(&self, vod: VodId) -> Value {
        self.row(&format!("SELECT * FROM vods WHERE vod_id = '{vod}'")).await
    }

    pub(super) async fn import(&self, vod: VodId) -> Value {
        self.row(&format!("SELECT * FROM vod_imports WHERE vod_id = '{vod}'")).await
    }

    pub(super) async fn segments(&self, vod: VodId, rendition: &str) -> Vec<Value> {
        let query =
            format!("SELECT * FROM vod_segments WHERE vod_id = '{vod}' AND rendition = '{rendition}' ORDER BY seq");
        db::testing::rows(&self.rig.pool, &query).await.expect("a query")
    }

    /// Waits for the import to be in a state. Returns how long that took.
    pub(super) async fn until(&self, vod: VodId, state: &str) -> Duration {
        let began = Instant::now();
        loop {
            let import = self.import(vod).await;
            if import["state"] == state {
                return began.elapsed();
            }
            let is_over = ["done", "failed", "cancelled"].iter().any(|end| import["state"] == *end);
            assert!(!is_over && began.elapsed() < PATIENCE, "never {state}: {import}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn told(&self, kind: &str, vod: VodId) -> usize {
        let query = format!("SELECT 1 FROM outbox WHERE kind = '{kind}' AND payload ->> 'vod_id' = '{vod}'");
        db::testing::rows(&self.rig.pool, &query).await.expect("a query").len()
    }

    /// Objects of the recording.
    pub(super) fn objects_of(&self, vod: VodId) -> usize {
        let prefix = format!("vod/{vod}/");
        self.rig.s3().keys().iter().filter(|key| key.starts_with(&prefix)).count()
    }

    /// Copies of files that lie on the node's disk.
    pub(super) fn copies(&self) -> usize {
        std::fs::read_dir(self.rig.data.path().join("import")).map_or(0, Iterator::count)
    }

    /// A rendition as one file: its init segment and its segments.
    pub(super) async fn joined(&self, vod: VodId, rendition: &str) -> PathBuf {
        let rows = self.segments(vod, rendition).await;
        assert!(!rows.is_empty(), "nothing of {rendition}");
        let key = |row: &Value, name: &str| row[name].as_str().expect("a key").to_owned();
        let mut whole = self.rig.s3().read(&key(&rows[0], "init_key")).expect("the init");
        for row in &rows {
            whole.extend(self.rig.s3().read(&key(row, "object_key")).expect("the segment"));
        }
        let path = self.path(&format!("{vod}-{rendition}.mp4"));
        std::fs::write(&path, whole).expect("written");
        path
    }
}

/// Every frame of a file's first stream of a kind (`v` or `a`), decoded.
pub(super) fn probe(path: &Path, kind: &str) -> Stream {
    let entries = "stream=codec_name:frame=best_effort_timestamp_time,pkt_duration_time,duration_time";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", &format!("{kind}:0"), "-show_frames", "-show_entries", entries])
        .args(["-of", "json"])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let frames = told["frames"].as_array().cloned().unwrap_or_default();
    let number = |frame: &Value, name: &str| frame[name].as_str().and_then(|text| text.parse::<f64>().ok());
    let times: Vec<f64> = frames.iter().filter_map(|frame| number(frame, "best_effort_timestamp_time")).collect();
    let last = frames.last().expect("frames");
    let length = number(last, "pkt_duration_time").or(number(last, "duration_time")).unwrap_or(0.0);
    Stream {
        frames: frames.len() as u64,
        start_s: times.iter().copied().fold(f64::MAX, f64::min),
        end_s: times.iter().copied().fold(f64::MIN, f64::max) + length,
        codec: told["streams"][0]["codec_name"].as_str().unwrap_or_default().to_owned(),
    }
}
