//! A frame's way: from the moment the publisher wrote it to the moment a viewer had it, on both servers with the same
//! publisher. A frame of a part or segment is there when the whole part or segment was downloaded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use media::flv::{FileTag, TagKind, file_tags};
use media::playlist::parse_media;
use serde_json::{Value, json};
use testkit::rtmp::Encoder;
use testkit::viewer::Viewer;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::nginx::Nginx;
use crate::process;

const SECONDS: u32 = 30;
/// Frames per second of the clip.
pub const FRAME_RATE: f64 = 30.0;
/// How often a plain HLS player that wants to be quick would look.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// When each video frame was written, in order.
pub type Sent = Arc<Mutex<Vec<Instant>>>;

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(SECONDS).await?;
    let ours = rillcast(&clip).await.context("rillcast")?;
    let theirs = nginx(&clip).await.context("nginx-rtmp")?;
    let (our_median, our_p95) = percentiles(ours.clone());
    let (their_median, their_p95) = percentiles(theirs);
    println!("a frame's way to downloadable   rillcast (200 ms parts)   nginx-rtmp (2 s fragments)   ratio");
    println!(
        "  median                        {our_median:>8.3} s                {their_median:>8.3} s                  {:.3}",
        our_median / their_median
    );
    println!(
        "  95 of 100                     {our_p95:>8.3} s                {their_p95:>8.3} s                  {:.3}",
        our_p95 / their_p95
    );
    Ok(json!({
        "rillcast": { "median_s": our_median, "p95_s": our_p95, "frames": ours.len() },
        "nginx_rtmp": { "median_s": their_median, "p95_s": their_p95 },
    }))
}

fn percentiles(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    (at(0.5), at(0.95))
}

/// Publishes in real time and notes when each video frame went out.
pub async fn publish(mut encoder: Encoder, clip: Bytes, sent: Sent) -> anyhow::Result<()> {
    let tags: Vec<FileTag> = file_tags(&clip)?.collect();
    let start = Instant::now();
    for tag in tags {
        sleep_until(start + Duration::from_millis(u64::from(tag.timestamp_ms))).await;
        encoder.tag(&tag).await?;
        // The first video tag is the decoder's configuration.
        if tag.kind == TagKind::Video && tag.body.get(1) == Some(&1) {
            sent.lock().expect("no writer panics").push(Instant::now());
        }
    }
    encoder.unpublish().await
}

/// The ways of the frames that `seconds` of media from `from_s` on hold, had at `at`.
fn ways(sent: &Sent, from_s: f64, seconds: f64, at: Instant) -> Vec<f64> {
    let first = (from_s * FRAME_RATE).round() as usize;
    let last = ((from_s + seconds) * FRAME_RATE).round() as usize;
    let sent = sent.lock().expect("no writer panics");
    (first..last).filter_map(|frame| sent.get(frame)).map(|sent| at.duration_since(*sent).as_secs_f64()).collect()
}

async fn rillcast(clip: &Bytes) -> anyhow::Result<Vec<f64>> {
    let site = process::site(None).await?;
    let alice = site.member("alice").await;
    let addr = site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?;
    let sent = Sent::default();
    let encoder = Encoder::publish(addr, &alice.stream_key).await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let mut publisher = JoinSet::new();
    publisher.spawn(publish(encoder, clip.clone(), sent.clone()));
    let viewer = Viewer::new(site.http());
    let path = viewer.rendition("alice", "source", Duration::from_secs(10)).await?;
    let mut watch = viewer.begin(&path);
    let (mut all, mut had) = (Vec::new(), 0);
    while !watch.seen.is_ended {
        watch.step().await?;
        let at = Instant::now();
        let mut from_s = 0.0;
        for (index, part) in watch.seen.parts.values().enumerate() {
            if index >= had {
                all.extend(ways(&sent, from_s, part.duration_s, at));
            }
            from_s += part.duration_s;
        }
        had = watch.seen.parts.len();
    }
    anyhow::ensure!(watch.seen.lost.is_empty() && watch.seen.violations.is_empty(), "{:?}", watch.seen.violations);
    publisher.join_next().await.context("no publisher")???;
    site.stop().await;
    Ok(all)
}

async fn nginx(clip: &Bytes) -> anyhow::Result<Vec<f64>> {
    let server = Nginx::start().await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let sent = Sent::default();
    let encoder = Encoder::publish(server.rtmp, "bench").await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let mut publisher = JoinSet::new();
    publisher.spawn(publish(encoder, clip.clone(), sent.clone()));
    let (mut all, mut had, mut from_s) = (Vec::new(), 0, 0.0);
    while publisher.try_join_next().is_none() {
        sleep(POLL_EVERY).await;
        let answer = client.get(format!("{}/bench.m3u8", server.http)).send().await?;
        if !answer.status().is_success() {
            continue;
        }
        let playlist = parse_media(&answer.text().await?)?;
        for segment in playlist.segments {
            if segment.msn < had {
                continue;
            }
            let url = format!("{}/{}", server.http, segment.uri);
            let _whole = client.get(url).send().await?.error_for_status()?.bytes().await?;
            all.extend(ways(&sent, from_s, segment.duration_s, Instant::now()));
            from_s += segment.duration_s;
            had = segment.msn + 1;
        }
    }
    Ok(all)
}
