//! A running ingest node with everything around it that it talks to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kit::health::Health;
use kit::{Config, Secret, Stop};
use media::link::{self, Frame, FrameKind, Hello, HelloReply};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::rtmp::Encoder;
use testkit::services::{self, DatabaseGuard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub const KEY: &str = "alices-secret-stream-key";
pub const OTHER_KEY: &str = "bobs-secret-stream-key";

/// Longest wait for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Rig {
    pub rtmp: SocketAddr,
    /// Where RTMPS is served, when the configuration names a certificate.
    pub rtmps: Option<SocketAddr>,
    pub pool: db::Pool,
    pub transcoder: Transcoder,
    pub config: Config,
    pub stop: Stop,
    pub tasks: JoinSet<anyhow::Result<()>>,
    data: tempfile::TempDir,
    guard: DatabaseGuard,
}

impl Rig {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Channels `alice` and `bob` with [`KEY`] and [`OTHER_KEY`].
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        // Shown by the test runner when a test fails.
        static LOG: std::sync::Once = std::sync::Once::new();
        LOG.call_once(|| kit::telemetry::init(&Config::default().log));
        let (url, guard) = services::database().await;
        let data = tempfile::tempdir().expect("a folder");
        let mut config = Config { data_dir: data.path().to_owned(), ..Config::default() };
        config.database.url = Secret::new(&url);
        config.redis.url = Secret::new(services::redis_url());
        config.redis.prefix = services::redis_prefix();
        config.cluster.secret = Secret::new("cluster-secret");
        change(&mut config);
        let pool = db::testing::pool(&url).expect("a pool");
        for (name, key) in [("alice", KEY), ("bob", OTHER_KEY)] {
            db::testing::add_channel(&pool, name, &digest(key)).await.expect("a channel");
        }
        let mut rig = Self {
            rtmp: SocketAddr::from(([127, 0, 0, 1], 0)),
            rtmps: None,
            pool,
            transcoder: Transcoder::start().await,
            config,
            stop: Stop::new(),
            tasks: JoinSet::new(),
            data,
            guard,
        };
        rig.serve().await;
        rig
    }

    /// Starts the node; again, after [`Rig::kill`].
    pub async fn serve(&mut self) {
        self.stop = Stop::new();
        self.rtmp = self.serve_as("node-1").await;
    }

    /// Starts a node of this name on the same services, and returns where it takes publishers.
    pub async fn serve_as(&mut self, node: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let rtmp = listener.local_addr().expect("an address");
        let mut rtmps = None;
        if !self.config.ingest.rtmps.certificate.as_os_str().is_empty() {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            self.rtmps = Some(listener.local_addr().expect("an address"));
            rtmps = Some((listener, ingest::Tls::load(&self.config.ingest.rtmps).expect("a certificate")));
        }
        let deps = ingest::Deps {
            rtmps,
            lanes: kit::lanes::Lanes::here(),
            config: Arc::new(self.config.clone()),
            pool: db::pool::connect(&self.config.database).expect("lazy"),
            live: live::Live::new(&self.config.redis).expect("an address"),
            health: Health::default(),
            node: node.to_owned(),
            link: Some(ingest::Fixed::At(self.transcoder.addr)),
        };
        self.tasks.spawn(ingest::serve(listener, deps, self.stop.clone()));
        rtmp
    }

    /// Stops the node as SIGTERM does.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic").expect("no error");
        }
        self.pool.close().await;
        drop((self.data, self.guard));
    }

    pub fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    pub async fn rows(&self, query: &str) -> Vec<Value> {
        db::testing::rows(&self.pool, query).await.expect("the query runs")
    }

    pub async fn execute(&self, statement: &str) {
        db::testing::execute(&self.pool, statement).await.expect("the statement runs");
    }

    /// Waits until a query yields exactly these rows.
    pub async fn until(&self, query: &str, expected: Value) {
        let expected = expected.as_array().cloned().expect("an array of rows");
        eventually(query, async || {
            let rows = self.rows(query).await;
            if rows == expected { Ok(()) } else { Err(format!("{rows:?} instead of {expected:?}")) }
        })
        .await;
    }

    /// The kinds of all events of the outbox, in order.
    pub async fn events(&self) -> Vec<String> {
        let rows = self.rows("SELECT kind FROM outbox ORDER BY outbox_id").await;
        rows.iter().filter_map(|row| row["kind"].as_str().map(str::to_owned)).collect()
    }

    pub async fn publish(&self, key: &str) -> Encoder {
        Encoder::publish(self.rtmp, key).await.unwrap_or_else(|refusal| panic!("not on air: {refusal}"))
    }
}

/// Asks again and again until the answer is right; panics with the last wrong one.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> Result<(), String>) {
    let begun = tokio::time::Instant::now();
    loop {
        match check().await {
            Ok(()) => return,
            Err(wrong) if begun.elapsed() > PATIENCE => panic!("{what}: {wrong}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// One connection an ingest node made.
#[derive(Debug, Clone)]
pub struct Received {
    pub hello: Hello,
    pub frames: Vec<Frame>,
    pub is_closed: bool,
}

impl Received {
    pub fn count(&self, kind: FrameKind) -> usize {
        self.frames.iter().filter(|frame| frame.kind == kind).count()
    }

    pub fn payloads(&self, kind: FrameKind) -> Vec<Bytes> {
        self.frames.iter().filter(|frame| frame.kind == kind).map(|frame| frame.payload.clone()).collect()
    }

    pub fn has_ended(&self) -> bool {
        self.count(FrameKind::End) == 1
    }
}

/// How the transcoder meets new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Healthy,
    /// Hangs up.
    Broken,
    /// Refuses properly.
    Full,
    /// Somebody newer delivers.
    Taken,
}

/// The receiving end of the link: accepts all, keeps every frame.
#[derive(Clone)]
pub struct Transcoder {
    pub addr: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    /// Each change cuts all connections.
    mood: watch::Sender<Mood>,
    _tasks: Arc<JoinSet<()>>,
}

impl Transcoder {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (received, mood) = (Arc::<Mutex<Vec<Received>>>::default(), watch::Sender::new(Mood::Healthy));
        let mut tasks = JoinSet::new();
        let (log, breaks) = (Arc::clone(&received), mood.subscribe());
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                links.spawn(link(socket, Arc::clone(&log), breaks.clone()));
            }
        });
        Self { addr, received, mood, _tasks: Arc::new(tasks) }
    }

    /// Cuts all links and takes no new ones, until [`Transcoder::mend`].
    pub fn fail(&self) {
        self.mood.send_replace(Mood::Broken);
    }

    pub fn mend(&self) {
        self.mood.send_replace(Mood::Healthy);
    }

    /// Takes no new streams from now on.
    pub fn fill(&self) {
        self.mood.send_replace(Mood::Full);
    }

    /// Cuts all links and says that newer ones have their streams.
    pub fn take(&self) {
        self.mood.send_replace(Mood::Taken);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    /// Waits until the connections satisfy the check.
    pub async fn until(&self, what: &str, check: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        eventually(what, async || {
            let received = self.received();
            let short = |r: &Received| (r.hello.username.clone(), r.frames.len(), r.is_closed, r.has_ended());
            if check(&received) { Ok(()) } else { Err(format!("{:?}", received.iter().map(short).collect::<Vec<_>>())) }
        })
        .await;
        self.received()
    }
}

async fn link(mut socket: TcpStream, log: Arc<Mutex<Vec<Received>>>, mut moods: watch::Receiver<Mood>) {
    let mood = *moods.borrow_and_update();
    if mood == Mood::Broken {
        return;
    }
    let (mut buffer, mut decoder) = (BytesMut::new(), link::Decoder::new());
    let hello: Hello = loop {
        if let Some(hello) = link::decode_json(&mut buffer).expect("a greeting") {
            break hello;
        }
        if socket.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
    };
    assert_eq!(hello.token, "cluster-secret");
    if let Mood::Full | Mood::Taken = mood {
        let (code, reason) = match mood {
            Mood::Full => ("link.full", "there is no room"),
            _ => ("link.stale-epoch", "a newer connection delivers this stream"),
        };
        let refused = HelloReply::Refused { code: code.to_owned(), reason: reason.to_owned() };
        let _ = socket.write_all(&link::encode_json(&refused).expect("encodes")).await;
        return;
    }
    let accepted = link::encode_json(&HelloReply::Accepted).expect("encodes");
    socket.write_all(&accepted).await.expect("the node listens");
    let at = {
        let mut log = log.lock().expect("not poisoned");
        log.push(Received { hello, frames: Vec::new(), is_closed: false });
        log.len() - 1
    };
    loop {
        while let Some(frame) = decoder.decode(&mut buffer).expect("legal frames") {
            let is_end = frame.kind == FrameKind::End;
            log.lock().expect("not poisoned")[at].frames.push(frame);
            if is_end {
                let _ = socket.write_all(&link::encode_header(FrameKind::Ended, 0, 0)).await;
            }
        }
        let read = tokio::select! {
            read = socket.read_buf(&mut buffer) => read.unwrap_or(0),
            _ = moods.changed() => 0,
        };
        if read == 0 {
            log.lock().expect("not poisoned")[at].is_closed = true;
            return;
        }
    }
}
