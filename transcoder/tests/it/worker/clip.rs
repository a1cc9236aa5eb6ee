//! Clips made by ffmpeg, as the access units an encoder would have published.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use media::codec::VideoConfig;
use media::flv::{TagKind, VideoPacket, file_tags, parse_video};
use testkit::stack::modern_ffmpeg;

pub(crate) const TICKS_PER_MS: i64 = 90;

#[derive(Debug, Clone)]
pub(crate) struct SourceUnit {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    pub(crate) is_sync: bool,
    pub(crate) data: Bytes,
}

#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) config: VideoConfig,
    pub(crate) units: Vec<SourceUnit>,
}

impl Clip {
    /// Presentation times in the order of presentation, and which of them are key frames.
    pub(crate) fn pictures(&self) -> Vec<(i64, bool)> {
        let mut pictures: Vec<_> = self.units.iter().map(|unit| (unit.pts, unit.is_sync)).collect();
        pictures.sort_unstable();
        pictures
    }

    pub(crate) fn keys(&self) -> Vec<i64> {
        self.units.iter().filter(|unit| unit.is_sync).map(|unit| unit.pts).collect()
    }
}

/// A test pattern of 30 frames a second with a key frame each second.
pub(crate) fn pattern(size: &str, seconds: u32, bframes: u32) -> Clip {
    pattern_at(30, size, seconds, bframes)
}

/// The same at another frame rate.
pub(crate) fn pattern_at(fps: u32, size: &str, seconds: u32, bframes: u32) -> Clip {
    let gop = fps.to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clip.flv");
    let input = format!("testsrc2=s={size}:r={fps}:d={seconds}");
    run(Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &input, "-an", "-c:v", "libx264", "-preset", "veryfast"])
        .args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0", "-b:v", "2M", "-pix_fmt", "yuv420p"])
        .args(["-bf", &bframes.to_string(), "-f", "flv"])
        .arg(&path));
    read_flv(&path)
}

/// The same pattern by a newer encoder, cleaned as the stream's task cleans it.
pub(crate) fn encoded(encoder: &[&str], size: &str, seconds: u32) -> Clip {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clip.flv");
    let input = format!("testsrc2=s={size}:r=30:d={seconds}");
    run(Command::new(modern_ffmpeg())
        .args(["-v", "error", "-f", "lavfi", "-i", &input, "-an"])
        .args(encoder)
        .args(["-g", "30", "-b:v", "3M", "-f", "flv"])
        .arg(&path));
    let mut clip = read_flv(&path);
    for unit in &mut clip.units {
        let cleaned = clip.config.clean(&unit.data);
        (unit.data, unit.is_sync) = (cleaned.data, cleaned.is_idr);
    }
    clip.units.retain(|unit| !unit.data.is_empty());
    clip
}

fn read_flv(path: &Path) -> Clip {
    let file = Bytes::from(std::fs::read(path).expect("ffmpeg wrote the clip"));
    let (mut config, mut units) = (None, Vec::new());
    for tag in file_tags(&file).expect("an FLV file").filter(|tag| tag.kind == TagKind::Video) {
        let video = parse_video(&tag.body).expect("a video tag");
        match video.packet {
            VideoPacket::SequenceHeader { codec, config: record } => {
                config = Some(VideoConfig::parse(codec, &record).expect("a record"));
            }
            VideoPacket::Frame { cts_ms, data, .. } => {
                let dts = i64::from(tag.timestamp_ms) * TICKS_PER_MS;
                let pts = dts + i64::from(cts_ms) * TICKS_PER_MS;
                units.push(SourceUnit { dts, pts, is_sync: video.is_key, data });
            }
            VideoPacket::EndOfSequence | VideoPacket::Ignored => {}
        }
    }
    Clip { config: config.expect("a sequence header"), units }
}

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
