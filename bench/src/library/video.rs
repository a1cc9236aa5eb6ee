//! From the last part of a film to a recording that plays.

use anyhow::{Context, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::sender::Sender;
use crate::process;

const CLIP_S: u32 = 60;
const ROUNDS: usize = 5;

pub async fn run() -> anyhow::Result<Value> {
    let film = mp4(&crate::clip::flv(CLIP_S).await?).await?;
    let site = process::site_with(None, &[("files.unscanned", "true")]).await?;
    let sender = Sender::new(&site, "sender").await?;
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        // Other bytes each time: what is the same is not made twice.
        let mut bytes = film.to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 9, b'f', b'r', b'e', b'e', u8::try_from(round)?]);
        let id = sender.send(&format!("film{round}.mp4"), "video/mp4", &bytes.into()).await?;
        let completed = Instant::now();
        let file = sender.until(&format!("/api/v1/files/{id}"), |file| Ok(file["vod_id"].is_string())).await?;
        let vod = file["vod_id"].as_str().context("no recording")?.to_owned();
        sender
            .until(&format!("/api/v1/vods/{vod}"), |vod| {
                ensure!(vod["status"] != "failed", "it failed: {vod}");
                Ok(vod["status"] == "ready")
            })
            .await?;
        took.push(completed.elapsed().as_secs_f64());
    }
    site.stop().await;
    let (middle_s, p95_s) = super::spread(took);
    println!("a film of {CLIP_S} s, complete to a recording that plays: {middle_s:.2} s, at most {p95_s:.2} s");
    Ok(json!({ "median_s": middle_s, "max_s": p95_s, "film_s": CLIP_S, "mib": film.len() >> 20 }))
}

async fn mp4(flv: &[u8]) -> anyhow::Result<Bytes> {
    let folder = tempfile::tempdir()?;
    let (from, to) = (folder.path().join("film.flv"), folder.path().join("film.mp4"));
    std::fs::write(&from, flv)?;
    let status = tokio::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&from)
        .args(["-c", "copy"])
        .arg(&to)
        .status()
        .await?;
    ensure!(status.success(), "ffmpeg ended with {status}");
    Ok(std::fs::read(&to)?.into())
}
