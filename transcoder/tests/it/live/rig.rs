//! A transcoder with a database, a bucket and a folder of its own, and an ingest node to feed it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use db::publish::{Done, NewPublish, Rules};
use domain::Visibility;
use domain::stream::PublishEnd;
use kit::config::RedisConfig;
use kit::{Config, Secret, Stop};
use media::flv::{FileTag, TagKind, file_tags};
use media::link::{self, Decoder, End, FrameKind, Hello, HelloReply};
use objects::Objects;
use tempfile::TempDir;
use testkit::s3::S3Server;
use testkit::services::{self, DatabaseGuard, database};
use testkit::viewer::Viewer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use transcoder::{Deps, Transcoder};

const SECRET: &str = "between nodes";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How to make a clip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClipPlan {
    pub(crate) seconds: u32,
    pub(crate) size: Option<&'static str>,
    pub(crate) fps: &'static str,
    /// Frames between key frames.
    pub(crate) gop: u32,
    pub(crate) bframes: u32,
    pub(crate) has_audio: bool,
    /// Samples a second and channels.
    pub(crate) sound: (u32, u32),
}

impl Default for ClipPlan {
    fn default() -> Self {
        Self { seconds: 4, size: Some("320x180"), fps: "30", gop: 30, bframes: 2, has_audio: true, sound: (48_000, 2) }
    }
}

/// FLV tags as RTMP messages carry them.
#[derive(Debug, Clone)]
pub(crate) struct Clip {
    pub(crate) tags: Vec<(FrameKind, u32, Bytes)>,
}

impl ClipPlan {
    pub(crate) fn make(self) -> Clip {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clip.flv");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin"]);
        let seconds = self.seconds;
        if let Some(size) = self.size {
            command.args(["-f", "lavfi", "-i", &format!("testsrc2=s={size}:r={}:d={seconds}", self.fps)]);
        }
        if self.has_audio {
            command.args(["-f", "lavfi", "-i", &format!("sine=f=440:r=48000:d={seconds}")]);
        }
        if self.size.is_some() {
            let gop = self.gop.to_string();
            command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0"]);
            command.args(["-g", &gop, "-keyint_min", &gop, "-bf", &self.bframes.to_string(), "-b:v", "500k"]);
        }
        if self.has_audio {
            command.args(["-c:a", "aac", "-b:a", "64k", "-ac", &self.sound.1.to_string()]);
            command.args(["-ar", &self.sound.0.to_string()]);
        }
        let output = command.args(["-f", "flv"]).arg(&path).output().expect("ffmpeg runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = Bytes::from(std::fs::read(&path).expect("the clip"));
        tags_of(file_tags(&file).expect("FLV"))
    }
}

/// The tags of a file as frames of the link.
pub(crate) fn tags_of(tags: impl Iterator<Item = FileTag>) -> Clip {
    let tags = tags.filter_map(|tag| {
        let kind = match tag.kind {
            TagKind::Video => FrameKind::Video,
            TagKind::Audio => FrameKind::Audio,
            TagKind::Script => FrameKind::Data,
            TagKind::Other(_) => return None,
        };
        Some((kind, tag.timestamp_ms, tag.body))
    });
    Clip { tags: tags.collect() }
}

pub(crate) struct Rig {
    pub(crate) pool: db::Pool,
    pub(crate) data: TempDir,
    pub(crate) config: Config,
    url: String,
    redis: RedisConfig,
    live: live::Live,
    s3: S3Server,
    _database: DatabaseGuard,
}

/// A running node, in a runtime of its own so that it can be killed.
pub(crate) struct Node {
    pub(crate) viewer: Viewer,
    pub(crate) base: String,
    link: SocketAddr,
    stop: Stop,
    runtime: Option<Runtime>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// A stream's rows, and what its next connection says.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) claim: db::publish::Claim,
    pub(crate) hello: Hello,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (url, guard) = database().await;
        let s3 = S3Server::start().await.expect("a bucket");
        let data = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.cluster.secret = Secret::new(SECRET);
        config.data_dir = data.path().to_owned();
        config.transcoder.ladder = "none".to_owned();
        config.transcoder.pictures = false;
        config.hls.segment_ms = 1_000;
        change(&mut config);
        let redis = RedisConfig { url: Secret::new(services::redis_url()), prefix: services::redis_prefix() };
        Self {
            pool: db::testing::pool(&url).expect("a pool"),
            live: live::Live::new(&redis).expect("settings"),
            url,
            redis,
            data,
            config,
            s3,
            _database: guard,
        }
    }

    pub(crate) async fn sql(&self, statements: &str) {
        db::testing::execute(&self.pool, statements).await.expect("the statements are good");
    }

    /// The gate of an api node of this site.
    pub(crate) fn gate(&self) -> live::playback::Gate {
        live::playback::Gate::new(self.live.clone(), &self.config.auth.secret)
    }

    pub(crate) fn live(&self) -> &live::Live {
        &self.live
    }

    pub(crate) fn s3(&self) -> &S3Server {
        &self.s3
    }

    pub(crate) fn node(&self) -> Node {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let within = runtime.enter();
        let bind = || {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
            listener.set_nonblocking(true).expect("a socket");
            TcpListener::from_std(listener).expect("a socket")
        };
        let deps = Deps {
            lanes: kit::lanes::Lanes::here(),
            config: Arc::new(self.config.clone()),
            pool: db::testing::pool(&self.url).expect("a pool"),
            live: live::Live::new(&self.redis).expect("settings"),
            objects: Objects::new(&self.s3.config()).expect("settings"),
            health: kit::health::Health::default(),
            node: "node-1".to_owned(),
            exe: PathBuf::from(env!("CARGO_BIN_EXE_media-worker")),
        };
        let transcoder = Transcoder::new(deps, bind(), bind()).expect("it is put together");
        let (link, base) = (transcoder.link_addr(), format!("http://{}", transcoder.origin_addr()));
        let stop = Stop::new();
        let task = runtime.spawn(transcoder.run(stop.clone()));
        drop(within);
        Node { viewer: Viewer::new(&base), base, link, stop, runtime: Some(runtime), task }
    }

    /// A channel's new stream, as ingest would have claimed it.
    pub(crate) async fn cast(&self, username: &str) -> Cast {
        self.cast_for(username, Visibility::Public).await
    }

    /// The same of a channel whose streams are for these.
    pub(crate) async fn cast_for(&self, username: &str, visibility: Visibility) -> Cast {
        let digest: [u8; 32] = kit::ids::random_bytes();
        let channel = db::testing::add_channel(&self.pool, username, &digest).await.expect("a channel");
        self.sql(&format!("UPDATE channels SET visibility = '{}' WHERE channel_id = '{channel}'", visibility.as_str()))
            .await;
        let claim = claim(&self.pool, channel).await;
        let hello = Hello {
            is_moved: false,
            token: SECRET.to_owned(),
            stream_id: claim.stream_id.to_string(),
            vod_id: claim.vod_id.to_string(),
            username: username.to_owned(),
            title: None,
            publish_id: claim.publish_id.to_string(),
            epoch: 1,
            started_at: kit::clock::now().to_rfc3339(),
            remote_addr: "192.0.2.1:5000".to_owned(),
            visibility: Some(claim.visibility.as_str().to_owned()),
        };
        Cast { claim, hello }
    }

    /// The publisher is gone for the given reason, as ingest writes it down.
    pub(crate) async fn publish_done(&self, cast: &Cast, end: PublishEnd) {
        let done = Done {
            publish_id: cast.claim.publish_id,
            stream_id: cast.claim.stream_id,
            epoch: cast.claim.epoch,
            end,
            has_delivered: true,
            at: kit::clock::now(),
        };
        let mut tx = db::begin(&self.pool).await.expect("a transaction");
        db::publish::done(&mut tx, &done, RULES).await.expect("the row moves");
        db::commit(tx).await.expect("committed");
    }

    /// What the recording's row says.
    pub(crate) async fn vod(&self, cast: &Cast) -> serde_json::Value {
        let query = format!("SELECT * FROM vods WHERE vod_id = '{}'", cast.hello.vod_id);
        let rows = db::testing::rows(&self.pool, &query).await.expect("a query");
        rows.into_iter().next().unwrap_or_default()
    }

    pub(crate) async fn until_ready(&self, cast: &Cast) {
        until("the recording is ready", || async { self.vod(cast).await["status"] == "ready" }).await;
    }
}

const RULES: Rules = Rules { reconnect_window_s: 60, owes_done_hook: false };

async fn claim(pool: &db::Pool, channel: domain::UserId) -> db::publish::Claim {
    let mut tx = db::begin(pool).await.expect("a transaction");
    let new = NewPublish {
        channel_id: channel,
        node: "ingest-1",
        addr: "192.0.2.1:5000",
        client_id: "1",
        args: "",
        app: "live",
        at: kit::clock::now(),
        priority: domain::stream::Priority::default(),
        is_challenge: false,
    };
    let claim = db::publish::claim(&mut tx, &new, RULES).await.expect("a claim").expect("the slot is free");
    db::publish::online(&mut tx, claim.stream_id, claim.publish_id, claim.epoch).await.expect("online");
    db::commit(tx).await.expect("committed");
    claim
}

impl Node {
    /// Connects as ingest does.
    pub(crate) async fn connect(&self, hello: &Hello) -> Result<Feed, (String, String)> {
        let mut stream = TcpStream::connect(self.link).await.expect("the link listens");
        stream.set_nodelay(true).expect("a socket");
        stream.write_all(&link::encode_json(hello).expect("encodes")).await.expect("it is read");
        let mut buffer = BytesMut::new();
        let reply = loop {
            if let Some(reply) = link::decode_json(&mut buffer).expect("JSON") {
                break reply;
            }
            let read = timeout(PATIENCE, stream.read_buf(&mut buffer)).await.expect("in time").expect("a reply");
            assert!(read > 0, "closed without a reply");
        };
        match reply {
            HelloReply::Accepted => Ok(Feed { stream, buffer, began: Instant::now() }),
            HelloReply::Refused { code, reason } => Err((code, reason)),
        }
    }

    pub(crate) fn link_addr(&self) -> SocketAddr {
        self.link
    }

    /// Tasks of the node's runtime that have not ended.
    pub(crate) fn alive_tasks(&self) -> usize {
        self.runtime.as_ref().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    /// Stops properly and tells how long it took.
    pub(crate) async fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.cancel();
        let ended = timeout(PATIENCE, &mut self.task).await.expect("it stops in time");
        ended.expect("no panic").expect("a clean end");
        began.elapsed()
    }

    /// Ends it as `kill -9` would: nothing is put away.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection of an ingest node.
#[derive(Debug)]
pub(crate) struct Feed {
    stream: TcpStream,
    buffer: BytesMut,
    began: Instant,
}

/// How fast to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As an encoder would.
    Real,
    /// As fast as it is taken.
    Fast,
}

impl Feed {
    pub(crate) async fn frame(&mut self, kind: FrameKind, timestamp_ms: u32, body: &[u8]) {
        let header = link::encode_header(kind, body.len() as u32, timestamp_ms);
        self.stream.write_all(&header).await.expect("the link reads");
        self.stream.write_all(body).await.expect("the link reads");
    }

    pub(crate) async fn raw(&mut self, bytes: Bytes) {
        self.stream.write_all(&bytes).await.expect("the link reads");
    }

    /// Sends a clip with `offset_ms` added to its timestamps.
    pub(crate) async fn send(&mut self, clip: &Clip, pace: Pace, offset_ms: u32) {
        for (kind, timestamp_ms, body) in &clip.tags {
            if pace == Pace::Real {
                let due = Duration::from_millis(u64::from(timestamp_ms + offset_ms));
                sleep_until(self.began + due).await;
            }
            self.frame(*kind, timestamp_ms + offset_ms, body).await;
        }
    }

    /// Says that the publisher has left and waits for the answer. How long that took.
    pub(crate) async fn end(mut self, reason: &str) -> Duration {
        let began = Instant::now();
        let body = serde_json::to_vec(&End { reason: reason.to_owned() }).expect("JSON");
        self.frame(FrameKind::End, 0, &body).await;
        let mut decoder = Decoder::new();
        loop {
            if let Some(frame) = decoder.decode(&mut self.buffer).expect("a frame") {
                assert_eq!(frame.kind, FrameKind::Ended);
                return began.elapsed();
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("in time");
            assert!(read.expect("a reply") > 0, "closed without Ended");
        }
    }

    /// Waits until the other side closes.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("closed in time");
        // A reset is a close as well.
        let _ = read;
    }

    pub(crate) fn hang_up(self) {}
}

/// Polls until `is_true`.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_true: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
