//! What the ladder costs: processor time of a stream's GStreamer child beside ffmpeg's, which decodes the same clip, scales
//! it to the same rungs and encodes them with the same settings of the same x264.
//!
//! ffmpeg is measured as people write it (each rung scaled from the source) and at its best (each from the one above it).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use domain::StreamId;
use kit::Stop;
use media::codec::{AvcConfig, VideoCodec};
use media::flv::{TagKind, VideoPacket, file_tags, parse_video};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use transcoder::worker::{Encoder, RESTORE_AFTER, Rung, Supervisor, WorkerEvent, WorkerSpec};

use crate::process;

const CLIP_S: u32 = 30;
const ROUNDS: usize = 2;
const WIDTH: u32 = 1_280;
const HEIGHT: u32 = 720;
/// The rungs of the usual ladder below 720p.
const LADDER: &str = "480p,360p";
/// Pictures under way to the child and back.
const UNDER_WAY_TICKS: i64 = 90_000;
const SILENCE_MAX: Duration = Duration::from_secs(10);

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(CLIP_S).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("clip.flv");
    std::fs::write(&file, &clip)?;
    let (mut ours, mut usual, mut best) = (0.0, 0.0, 0.0);
    for _ in 0..ROUNDS {
        ours += child(&clip).await?.as_secs_f64();
        usual += ffmpeg(&file, false).await?.as_secs_f64();
        best += ffmpeg(&file, true).await?.as_secs_f64();
    }
    let (ours, usual, best) = (ours / ROUNDS as f64, usual / ROUNDS as f64, best / ROUNDS as f64);
    println!("{CLIP_S} s of 720p30 decoded and made into {LADDER}      processor time   ratio");
    println!("  rillcast's GStreamer child                          {ours:>8.2} s");
    println!("  ffmpeg, each rung scaled from the source            {usual:>8.2} s        {:.3}", ours / usual);
    println!("  ffmpeg, each rung scaled from the one above         {best:>8.2} s        {:.3}", ours / best);
    Ok(
        json!({ "rillcast_s": ours, "ffmpeg_s": usual, "ffmpeg_cascade_s": best, "ratio": ours / usual, "ratio_cascade": ours / best }),
    )
}

fn rungs() -> anyhow::Result<Vec<Rung>> {
    let ladder = kit::config::ladder::parse(LADDER).map_err(anyhow::Error::msg)?;
    Ok(Rung::below(&ladder, WIDTH, HEIGHT))
}

/// Feeds a child as fast as it gives and reads its processor time while it is idle at the end.
async fn child(clip: &Bytes) -> anyhow::Result<Duration> {
    let (mut config, mut units) = (None, Vec::new());
    for tag in file_tags(clip)?.filter(|tag| tag.kind == TagKind::Video) {
        let video = parse_video(&tag.body)?;
        match video.packet {
            VideoPacket::SequenceHeader { config: record, .. } => config = Some(AvcConfig::parse(&record)?),
            VideoPacket::Frame { cts_ms, data, .. } => {
                let dts = i64::from(tag.timestamp_ms) * 90;
                units.push((dts, dts + i64::from(cts_ms) * 90, video.is_key, data));
            }
            VideoPacket::EndOfSequence | VideoPacket::Ignored => {}
        }
    }
    let config = config.context("the clip has no configuration")?;
    let rungs = rungs()?;
    let spec = WorkerSpec {
        stream_id: StreamId::from_uuid(kit::ids::uuid()),
        exe: process::rillcast()?.into(),
        codec: VideoCodec::Avc,
        codec_data: config.record.clone(),
        width: config.width,
        height: config.height,
        frame_rate: (30, 1),
        encoder: Encoder::Software,
        rungs: rungs.clone(),
        thumbnail_every_s: 10,
        tile_every_s: 5,
        memory_mib: 1_024,
        share: None,
        restore_after: RESTORE_AFTER,
    };
    let (tasks, stop) = (TaskTracker::new(), Stop::new());
    let (mut input, mut events) = Supervisor::start(spec, &tasks, stop);
    let total = units.len() * rungs.len();
    let (mut returned, mut newest) = (0, i64::MIN);
    let mut waiting = units.into_iter().peekable();
    let began = waiting.peek().map_or(0, |(dts, ..)| *dts);
    while returned < total {
        while let Some((dts, pts, is_sync, data)) =
            waiting.next_if(|(dts, ..)| dts - newest.max(began) < UNDER_WAY_TICKS)
        {
            input.offer(dts, pts, is_sync, data);
        }
        match timeout(SILENCE_MAX, events.recv()).await {
            Ok(Some(WorkerEvent::Unit { pts, .. })) => (returned, newest) = (returned + 1, newest.max(pts)),
            Ok(Some(
                WorkerEvent::Lost { reason } | WorkerEvent::GaveUp { reason } | WorkerEvent::Unable { reason },
            )) => {
                anyhow::bail!("the child: {reason}")
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => anyhow::bail!("{returned} of {total} pictures came back"),
        }
    }
    process::cpu(input.child_pid().context("no child")?)
}

/// Runs ffmpeg and reads its processor time when it has ended.
async fn ffmpeg(file: &Path, is_cascade: bool) -> anyhow::Result<Duration> {
    let rungs = rungs()?;
    let scale = |rung: &Rung| {
        let (width, height) = rung.output_size(WIDTH, HEIGHT);
        format!("scale={width}:{height}:flags=bilinear")
    };
    let (first, second) = (scale(&rungs[0]), scale(&rungs[1]));
    let graph = if is_cascade {
        format!("[0:v]{first},split=2[a][x];[x]{second}[b]")
    } else {
        format!("[0:v]split=2[x][y];[x]{first}[a];[y]{second}[b]")
    };
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-threads", "1", "-i"]).arg(file);
    command.args(["-filter_complex_threads", "1", "-filter_complex", &graph]);
    for (rung, pad) in rungs.iter().zip(["[a]", "[b]"]) {
        let rate = format!("{}k", rung.bitrate_kbps);
        command.args(["-map", pad, "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-bf", "0", "-g", "60"]);
        command.args(["-x264-params", "scenecut=0:rc-lookahead=0:sync-lookahead=0:mbtree=0"]);
        command.args(["-b:v", &rate, "-maxrate", &rate, "-bufsize", &rate, "-f", "null", "-"]);
    }
    let mut child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().context("ffmpeg is not installed")?;
    let pid = child.id().context("ffmpeg has no number")?;
    // Until it is waited for, what it used can be read.
    while !process::has_ended(pid)? {
        sleep(Duration::from_millis(20)).await;
    }
    let used = process::cpu(pid)?;
    ensure!(child.wait().await?.success(), "ffmpeg failed");
    Ok(used)
}
