//! Viewers of one LL-HLS stream, each with a connection of its own: a blocking reload per part, then the part. What they cost
//! the server, and how long a part takes to reach them.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use testkit::rtmp::Encoder;
use testkit::viewer::{PartName, Viewer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::latency::{FRAME_RATE, Sent, publish};
use crate::process;

const WARM_UP: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(20);
const CLIP_S: u32 = 32;
/// A server may block for three target durations.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(10);

/// What one viewer saw.
#[derive(Default)]
struct Watched {
    parts: Vec<(PartName, Instant)>,
    requests: Vec<Instant>,
}

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(CLIP_S).await?;
    println!("LL-HLS viewers of one stream     requests   share of a core   a request   a part's delivery, 95 of 100");
    let mut told = Vec::new();
    for viewers in [200, 1_000] {
        told.push(crowd(viewers, &clip).await.with_context(|| format!("{viewers} viewers"))?);
    }
    Ok(told.into())
}

async fn crowd(viewers: usize, clip: &Bytes) -> anyhow::Result<Value> {
    let site = process::site(None).await?;
    let alice = site.member("alice").await;
    let addr = site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?;
    let sent = Sent::default();
    let encoder = Encoder::publish(addr, &alice.stream_key).await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let mut publisher = JoinSet::new();
    publisher.spawn(publish(encoder, clip.clone(), sent.clone()));
    let first = Viewer::new(site.http());
    let path = first.rendition("alice", "source", Duration::from_secs(10)).await?;
    // Where each part's media begins, from somebody who saw all of them.
    let begins: Arc<Mutex<HashMap<PartName, f64>>> = Arc::default();
    let mut watching = JoinSet::new();
    watching.spawn(note_parts(first, path.clone(), Arc::clone(&begins)));
    let host = site.http().trim_start_matches("http://").to_owned();
    let stop = Arc::new(tokio::sync::Notify::new());
    let mut audience = JoinSet::new();
    for number in 0..viewers {
        let (host, path, stop) = (host.clone(), path.clone(), Arc::clone(&stop));
        audience.spawn(async move { Person::connect(&host, &path).await?.watch(&stop).await });
        if number % 50 == 49 {
            sleep(Duration::from_millis(50)).await;
        }
    }
    sleep(WARM_UP).await;
    let (before, from) = (process::cpu(site.process.pid())?, Instant::now());
    sleep(MEASURED).await;
    let (used, until) = (process::cpu(site.process.pid())? - before, Instant::now());
    stop.notify_waiters();
    let mut requests = 0;
    let mut deliveries = Vec::new();
    let (sent, begins) =
        (sent.lock().expect("no writer panics").clone(), begins.lock().expect("no writer panics").clone());
    while let Some(watched) = audience.join_next().await {
        let watched = watched?.context("a viewer")?;
        requests += watched.requests.iter().filter(|at| (from..until).contains(at)).count();
        for (name, had) in watched.parts.iter().filter(|(_, had)| (from..until).contains(had)) {
            let Some(began) = begins.get(name) else { continue };
            if let Some(first) = sent.get((began * FRAME_RATE).round() as usize) {
                deliveries.push(had.duration_since(*first).as_secs_f64());
            }
        }
    }
    publisher.shutdown().await;
    watching.shutdown().await;
    site.stop().await;
    ensure!(deliveries.len() > viewers * 4 * MEASURED.as_secs() as usize, "viewers missed parts: {}", deliveries.len());
    deliveries.sort_by(f64::total_cmp);
    let p95_s = deliveries[deliveries.len() * 95 / 100];
    let core = used.as_secs_f64() / MEASURED.as_secs_f64();
    let per_s = requests as f64 / MEASURED.as_secs_f64();
    let request_us = used.as_secs_f64() / requests as f64 * 1e6;
    println!(
        "  {viewers:>5}                      {per_s:>8.0} /s   {:>9.1} %   {request_us:>8.1} µs   {p95_s:>10.3} s",
        core * 100.0
    );
    Ok(json!({ "viewers": viewers, "requests_per_s": per_s, "core": core, "request_us": request_us,
        "part_delivery_p95_s": p95_s, "errors": 0 }))
}

async fn note_parts(viewer: Viewer, path: String, begins: Arc<Mutex<HashMap<PartName, f64>>>) -> anyhow::Result<()> {
    let (mut watch, mut at_s, mut had) = (viewer.begin(&path), 0.0, 0);
    while !watch.seen.is_ended {
        watch.step().await?;
        let mut begins = begins.lock().expect("no reader panics");
        for (name, part) in watch.seen.parts.iter().skip(had) {
            begins.insert(*name, at_s);
            at_s += part.duration_s;
        }
        had = watch.seen.parts.len();
    }
    Ok(())
}

/// A viewer with one connection.
struct Person {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    path: String,
    folder: String,
    _connection: JoinSet<()>,
}

impl Person {
    async fn connect(host: &str, path: &str) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(host).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its end shows in the requests.
            let _ended = connection.await;
        });
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        Ok(Self { sender, host: host.to_owned(), path: path.to_owned(), folder, _connection: driver })
    }

    async fn watch(mut self, stop: &tokio::sync::Notify) -> anyhow::Result<Watched> {
        let (mut watched, mut next, mut last) = (Watched::default(), None, None::<PartName>);
        let mut stopped = std::pin::pin!(stop.notified());
        loop {
            let path = match next {
                Some(PartName { msn, index }) => format!("{}?_HLS_msn={msn}&_HLS_part={index}", self.path),
                None => self.path.clone(),
            };
            let text = tokio::select! {
                text = self.get(&path) => text?,
                () = stopped.as_mut() => return Ok(watched),
            };
            watched.requests.push(Instant::now());
            let listed = listed(std::str::from_utf8(&text)?)?;
            next = Some(listed.next);
            let fresh = listed.parts.iter().filter(|(name, _)| last.is_some_and(|last| *name > last)).cloned();
            let fresh: Vec<(PartName, String)> = fresh.collect();
            last = listed.parts.last().map(|(name, _)| *name).max(last);
            for (name, uri) in fresh {
                let path = format!("{}/{uri}", self.folder);
                let part = tokio::select! {
                    part = self.get(&path) => part?,
                    () = stopped.as_mut() => return Ok(watched),
                };
                ensure!(!part.is_empty(), "an empty part");
                let now = Instant::now();
                watched.requests.push(now);
                watched.parts.push((name, now));
            }
        }
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let request = Request::get(path).header(HOST, &self.host).header(ACCEPT_ENCODING, "gzip");
        let answered = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request.body(Empty::new())?).await?;
            ensure!(answer.status() == 200, "{path} answers {}", answer.status());
            let is_packed = answer.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
            let body = answer.into_body().collect().await?.to_bytes();
            if !is_packed {
                return Ok(body);
            }
            let mut text = Vec::with_capacity(8 * 1024);
            GzDecoder::new(&body[..]).read_to_end(&mut text)?;
            Ok(Bytes::from(text))
        };
        timeout(REQUEST_WAIT_MAX, answered).await.with_context(|| format!("no answer to {path}"))?
    }
}

struct Listed {
    parts: Vec<(PartName, String)>,
    /// What comes next.
    next: PartName,
}

/// The least of parsing that tells what is new: the generator is not to cost more than what it measures.
fn listed(text: &str) -> anyhow::Result<Listed> {
    let (mut msn, mut index, mut parts) = (0, 0, Vec::new());
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            msn = number.parse()?;
        } else if let Some(attributes) = line.strip_prefix("#EXT-X-PART:") {
            let uri = attributes
                .split_once("URI=\"")
                .and_then(|(_, rest)| rest.split_once('"'))
                .context("a part without URI")?;
            parts.push((PartName { msn, index }, uri.0.to_owned()));
            index += 1;
        } else if line.starts_with("#EXTINF:") {
            (msn, index) = (msn + 1, 0);
        }
    }
    Ok(Listed { parts, next: PartName { msn, index } })
}
