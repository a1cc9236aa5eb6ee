//! Media is judged by decoding it: ffprobe and ffmpeg look at what a viewer got.

use std::path::Path;

use anyhow::{Context, bail};
use tokio::process::Command;

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    pub codec: String,
    pub width: u32,
    pub height: u32,
    /// Pictures or audio frames decoded.
    pub frames: u64,
    /// From the first to the end of the last packet.
    pub duration_s: f64,
    /// Whatever ffmpeg complained about; empty when the file is sound.
    pub complaints: String,
}

/// Decodes the only stream of a file.
pub async fn decode(path: &Path) -> anyhow::Result<Decoded> {
    let entries = "stream=codec_name,width,height,nb_read_frames:packet=pts_time,duration_time";
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", entries, "-of", "json"])
        .arg(path)
        .kill_on_drop(true)
        .output()
        .await
        .context("ffprobe")?;
    if !probe.status.success() {
        bail!("ffprobe: {}", String::from_utf8_lossy(&probe.stderr));
    }
    let told: serde_json::Value = serde_json::from_slice(&probe.stdout)?;
    let stream = &told["streams"][0];
    let number = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let packets = told["packets"].as_array().cloned().unwrap_or_default();
    let times = packets.iter().filter_map(|packet| {
        let at = number(&packet["pts_time"])?;
        Some((at, at + number(&packet["duration_time"]).unwrap_or(0.0)))
    });
    let (first, last) = times.fold((f64::MAX, f64::MIN), |(first, last), (at, end)| (first.min(at), last.max(end)));
    Ok(Decoded {
        codec: stream["codec_name"].as_str().unwrap_or_default().to_owned(),
        width: stream["width"].as_u64().unwrap_or(0) as u32,
        height: stream["height"].as_u64().unwrap_or(0) as u32,
        frames: number(&stream["nb_read_frames"]).unwrap_or(0.0) as u64,
        duration_s: (last - first).max(0.0),
        complaints: String::from_utf8_lossy(&probe.stderr).into_owned(),
    })
}
