//! An S3 server inside the test's process, which can be told to behave badly.
//!
//! Objects lie in a folder of their own ([`S3Server::read`], [`S3Server::keys`] look past the protocol). It can speak
//! like Backblaze B2, which refuses what AWS added lately, and it can be down, slow, or answer 500 to what it did.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kit::Secret;
use kit::config::StorageConfig;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ACCESS_KEY: &str = "rillcast-test";
const SECRET_KEY: &str = "rillcast-test-secret";
const BUCKET: &str = "rillcast-test";
/// Requests remembered for [`S3Server::requests`].
const LOG_LEN_MAX: usize = 20_000;

/// One server with one empty bucket. Dropping it ends it and removes its folder.
pub struct S3Server {
    addr: SocketAddr,
    root: TempDir,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

struct Shared {
    s3: S3Service,
    refuse_like_b2: AtomicBool,
    is_down: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes a second of one write's body; 0: as fast as it goes.
    write_rate: AtomicU64,
    fail_after: AtomicUsize,
    fail_before: AtomicUsize,
    garble: AtomicUsize,
    log: std::sync::Mutex<VecDeque<String>>,
}

/// Settings for the server at an address: of another process, too.
pub fn config_at(endpoint: String) -> StorageConfig {
    StorageConfig {
        endpoint,
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: Secret::new(ACCESS_KEY),
        secret_key: Secret::new(SECRET_KEY),
        path_style: true,
        ..StorageConfig::default()
    }
}

impl S3Server {
    /// Starts on a port the kernel picks.
    pub async fn start() -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        std::fs::create_dir(root.path().join(BUCKET))?;
        let files = s3s_fs::FileSystem::new(root.path()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            s3: builder.build(),
            refuse_like_b2: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            write_rate: AtomicU64::new(0),
            fail_after: AtomicUsize::new(0),
            fail_before: AtomicUsize::new(0),
            garble: AtomicUsize::new(0),
            log: std::sync::Mutex::default(),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, shared.clone()));
        Ok(Self { addr, root, shared, _accepting: accepting })
    }

    /// Starts one that refuses what Backblaze B2 refuses.
    pub async fn start_like_b2() -> anyhow::Result<Self> {
        let server = Self::start().await?;
        server.shared.refuse_like_b2.store(true, Ordering::SeqCst);
        Ok(server)
    }

    /// The settings that reach it.
    pub fn config(&self) -> StorageConfig {
        config_at(format!("http://{}", self.addr))
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// While down, connections are cut before they are answered.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Lets every answer wait this long first.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Takes the body of each write at so many bytes a second; 0 lifts that.
    pub fn set_write_rate(&self, bytes_per_s: u64) {
        self.shared.write_rate.store(bytes_per_s, Ordering::SeqCst);
    }

    /// The next `count` writes are carried out, and answered with 500 all the same.
    pub fn fail_after_next_writes(&self, count: usize) {
        self.shared.fail_after.store(count, Ordering::SeqCst);
    }

    /// The next `count` writes are answered with 503 SlowDown and not carried out.
    pub fn slow_down_next_writes(&self, count: usize) {
        self.shared.fail_before.store(count, Ordering::SeqCst);
    }

    /// The bodies of the next `count` writes arrive with a bit changed.
    pub fn garble_next_writes(&self, count: usize) {
        self.shared.garble.store(count, Ordering::SeqCst);
    }

    /// The latest requests as `PUT /bucket/key`, oldest first.
    pub fn requests(&self) -> Vec<String> {
        self.shared.log.lock().map(|log| log.iter().cloned().collect()).unwrap_or_default()
    }

    /// What the store holds under `key`, read past the protocol.
    pub fn read(&self, key: &str) -> anyhow::Result<Vec<u8>> {
        std::fs::read(self.bucket_dir().join(key)).with_context(|| format!("no object {key}"))
    }

    /// The keys of all objects, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let bucket = self.bucket_dir();
        walk(&bucket, &bucket, &mut keys);
        keys.sort();
        keys
    }

    fn bucket_dir(&self) -> PathBuf {
        self.root.path().join(BUCKET)
    }
}

fn walk(root: &Path, folder: &Path, keys: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, keys);
        } else if let Ok(key) = path.strip_prefix(root) {
            keys.push(key.to_string_lossy().into_owned());
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) if !shared.is_down.load(Ordering::SeqCst) => {
                    connections.spawn(serve(socket, shared.clone()));
                }
                _ => {}
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { answer(&shared, request).await }
    });
    // A peer that goes away in the middle is none of the test's business.
    let _ended = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}

/// An error cuts the connection.
async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    if shared.is_down.load(Ordering::SeqCst) {
        return Err(Broken);
    }
    let delay = Duration::from_millis(shared.delay_ms.load(Ordering::SeqCst));
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if let Ok(mut log) = shared.log.lock() {
        if log.len() == LOG_LEN_MAX {
            log.pop_front();
        }
        log.push_back(format!("{} {}", request.method(), request.uri()));
    }
    if shared.refuse_like_b2.load(Ordering::SeqCst)
        && let Some((status, code, message)) = refusal_of_b2(&request)
    {
        return Ok(error(status, code, &message));
    }
    let is_write = request.method() == Method::PUT;
    if is_write && take_one(&shared.fail_before) {
        return Ok(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."));
    }
    let rate = shared.write_rate.load(Ordering::SeqCst);
    if is_write && rate > 0 {
        let length = request.headers().get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(length * 1_000 / rate)).await;
    }
    let request = if is_write && take_one(&shared.garble) {
        let (head, body) = request.into_parts();
        let mut bytes = body.collect().await.map_err(|_| Broken)?.to_bytes().to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        Request::from_parts(head, Body::from(Bytes::from(bytes)))
    } else {
        request.map(Body::from)
    };
    let answer = shared.s3.call(request).await.map_err(|_| Broken)?;
    if is_write && take_one(&shared.fail_after) {
        return Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The answer was lost."));
    }
    Ok(answer)
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

/// What Backblaze B2 does not take, and what it says then.
fn refusal_of_b2(request: &Request<Incoming>) -> Option<(StatusCode, &'static str, String)> {
    let headers = request.headers();
    let unsupported = headers.keys().find(|name| {
        let name = name.as_str();
        name.starts_with("x-amz-checksum-") || name == "x-amz-sdk-checksum-algorithm" || name == "x-amz-trailer"
    });
    if let Some(name) = unsupported {
        let message = format!("Unsupported header '{name}' received for this API call.");
        return Some((StatusCode::BAD_REQUEST, "InvalidArgument", message));
    }
    let has = |name: &str, word: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(word))
    };
    if has("content-encoding", "aws-chunked") || has("x-amz-content-sha256", "STREAMING-") {
        return Some((StatusCode::NOT_IMPLEMENTED, "NotImplemented", "aws-chunked is not supported".to_owned()));
    }
    if request.method() == Method::POST && has("content-type", "multipart/form-data") {
        return Some((StatusCode::NOT_IMPLEMENTED, "NotImplemented", "POST policies are not supported".to_owned()));
    }
    let is_delete_objects = request.method() == Method::POST && request.uri().query().unwrap_or("").contains("delete");
    if is_delete_objects && !headers.contains_key("content-md5") {
        let message = "Missing required header for this request: Content-MD5".to_owned();
        return Some((StatusCode::BAD_REQUEST, "InvalidRequest", message));
    }
    None
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    response
}

/// The connection is cut without an answer.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the test cuts this connection")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
