//! What is done to a file once it is there: how long a picture takes, and how much of a processor a gibibyte costs besides clamd's.

use bytes::Bytes;
use serde_json::{Value, json};
use testkit::clamd::Clamd;
use testkit::minio::Minio;
use tokio::time::Instant;

use super::sender::Sender;
use crate::process;

const PICTURES: usize = 40;
const LARGE_MIB: u32 = 1_024;

pub async fn run() -> anyhow::Result<Value> {
    let clamd = Clamd::start_with_stream_mib(LARGE_MIB + 1);
    let settings = [("scan.clamd", clamd.address()), ("scan.stream_mib_max", (LARGE_MIB + 1).to_string())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let site = process::site_with(None, &settings).await?;
    let sender = Sender::new(&site, "sender").await?;

    let mut took = Vec::new();
    for number in 0..PICTURES {
        let picture = picture(number).await?;
        let id = sender.send(&format!("picture{number}.jpg"), "image/jpeg", &picture).await?;
        let completed = Instant::now();
        sender.until_completed(&id).await?;
        took.push(completed.elapsed().as_secs_f64());
    }
    let (middle_s, p95_s) = super::spread(took);
    println!("a picture of 1 MiB, complete to completed with its scan: {middle_s:.3} s, 95 of 100 within {p95_s:.3} s");

    site.stop().await;

    // The store is a process of its own: what is measured is the reading of it.
    let minio = Minio::start().await;
    let site = process::site_with(Some(&minio.config), &settings).await?;
    let sender = Sender::new(&site, "sender").await?;
    let id = sender.send("noise.bin", "application/octet-stream", &Bytes::from(super::noise(1 << 30))).await?;
    let (before, started) = (process::cpu(site.process.pid())?, Instant::now());
    sender.until_completed(&id).await?;
    let (cpu_s, took_s) = ((process::cpu(site.process.pid())? - before).as_secs_f64(), started.elapsed().as_secs_f64());
    println!("1 GiB hashed and scanned in {took_s:.2} s, for {cpu_s:.2} s of processor besides clamd's");
    site.stop().await;
    Ok(json!({
        "picture": { "median_s": middle_s, "p95_s": p95_s, "count": PICTURES },
        "gibibyte": { "cpu_s": cpu_s, "took_s": took_s },
    }))
}

/// About 1 MiB of JPEG, another one each time.
async fn picture(number: usize) -> anyhow::Result<Bytes> {
    let noise = format!("noise=alls=40:all_seed={number}");
    let output = tokio::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=1", "-frames:v", "1", "-vf", &noise])
        .args(["-q:v", "4", "-pix_fmt", "yuvj420p", "-f", "mjpeg", "-"])
        .output()
        .await?;
    anyhow::ensure!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!((800_000..1_400_000).contains(&output.stdout.len()), "a picture of {} bytes", output.stdout.len());
    Ok(output.stdout.into())
}
