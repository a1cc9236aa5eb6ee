//! How fast finished segments go out: Rillcast beside nginx with sendfile, each on the first processor while wrk asks from the
//! others.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use media::flv::file_tags;
use media::playlist::parse_media;
use serde_json::{Value, json};
use testkit::rtmp::{Encoder, Pace};
use testkit::viewer::{Until, Viewer};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::nginx::Nginx;
use crate::process;

const CLIP_S: u32 = 45;
const SECONDS: u32 = 8;
const CONNECTIONS: u32 = 16;

struct Rate {
    requests_per_s: f64,
    bytes_per_s: f64,
}

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(CLIP_S).await?;
    let site = process::site(None).await?;
    let alice = site.member("alice").await;
    let addr = site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?;
    let mut encoder =
        Encoder::publish(addr, &alice.stream_key).await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let tags: Vec<_> = file_tags(&clip)?.collect();
    let mut publisher = JoinSet::new();
    publisher.spawn(async move {
        encoder.send(tags, Pace::RealTime).await?;
        anyhow::Ok(encoder)
    });
    let viewer = Viewer::new(site.http());
    let path = viewer.rendition("alice", "source", Duration::from_secs(10)).await?;
    let folder = path.rsplit_once('/').context("a path")?.0.to_owned();
    viewer.watch(&path, Until::Msn(10)).await?;
    let (_, text) = viewer.text(&path).await?;
    let playlist = parse_media(&text)?;
    let newest = playlist.segments.last().context("no segment")?.uri.clone();
    let segment = viewer.get(&format!("{folder}/{newest}")).await?.error_for_status()?.bytes().await?;
    let nginx = Nginx::start().await?;
    nginx.publish_file("segment.m4s", &segment)?;
    pin(site.process.pid()).await?;
    pin(nginx.pid()).await?;
    let ours = wrk(&format!("{}{folder}/{newest}", site.http())).await.context("rillcast")?;
    let theirs = wrk(&format!("{}/segment.m4s", nginx.http)).await.context("nginx")?;
    publisher.shutdown().await;
    site.stop().await;
    let ratio = ours.bytes_per_s / theirs.bytes_per_s;
    println!("a live segment of {} kB, server on one core   requests      bytes     ratio", segment.len() / 1_000);
    for (name, rate, ratio) in [("rillcast", &ours, ratio), ("nginx static, sendfile", &theirs, 1.0)] {
        println!("  {name:<40} {:>8.0} /s {:>6.2} GB/s   {ratio:.3}", rate.requests_per_s, rate.bytes_per_s / 1e9);
    }
    let told = |rate: &Rate| json!({ "requests_per_s": rate.requests_per_s, "bytes_per_s": rate.bytes_per_s });
    Ok(json!({ "segment_bytes": segment.len(), "rillcast": told(&ours), "nginx": told(&theirs), "bytes_ratio": ratio }))
}

/// All threads of a process on the first processor.
async fn pin(pid: u32) -> anyhow::Result<()> {
    let output = Command::new("taskset").args(["-a", "-p", "0x1", &pid.to_string()]).output().await?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn wrk(url: &str) -> anyhow::Result<Rate> {
    let output = Command::new("taskset")
        .args([
            "0xfffffffe",
            "wrk",
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{SECONDS}s"),
            "--timeout",
            "5s",
            url,
        ])
        .output()
        .await
        .context("wrk is not installed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {text} {}", String::from_utf8_lossy(&output.stderr));
    ensure!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "requests failed: {text}");
    let field = |name: &str| -> anyhow::Result<f64> {
        let line =
            text.lines().find_map(|line| line.trim().strip_prefix(name)).with_context(|| format!("wrk: {text}"))?;
        number(line.trim())
    };
    Ok(Rate { requests_per_s: field("Requests/sec:")?, bytes_per_s: field("Transfer/sec:")? })
}

/// wrk's numbers: powers of 1,024.
fn number(text: &str) -> anyhow::Result<f64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let factor = match &text[digits.len()..] {
        "" | "B" => 1.0,
        "KB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        unit => bail!("an unknown unit {unit}"),
    };
    Ok(digits.parse::<f64>()? * factor)
}
