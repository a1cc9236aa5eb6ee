//! What the publishers send: 720p at 30 frames and about 2.6 Mbit/s, a key frame every two seconds, AAC stereo.

use anyhow::{Context, ensure};
use bytes::Bytes;

/// Made by ffmpeg, as an FLV file.
pub async fn flv(seconds: u32) -> anyhow::Result<Bytes> {
    let output = tokio::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", &seconds.to_string()])
        .args(["-vf", "noise=alls=12:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-bf", "0"])
        .args(["-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-ac", "2", "-b:a", "128k", "-f", "flv", "-"])
        .output()
        .await
        .context("ffmpeg is not installed")?;
    ensure!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout.into())
}
