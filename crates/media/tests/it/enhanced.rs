//! HEVC and AV1 as a current encoder sends them over Enhanced RTMP, judged by decoding and by another packager's words.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use media::cmaf::TrackConfig;
use media::codec::VideoCodec;

use crate::decode::{decoded, receive, segment, tool, write_whole};

const SECONDS: usize = 4;

/// An ffmpeg that knows Enhanced RTMP; `./dev test` puts it there.
fn ffmpeg() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ffmpeg/bin/ffmpeg");
    assert!(path.exists(), "{} is missing: ./dev tools", path.display());
    path
}

fn encode(directory: &Path, codec: &[&str]) -> Bytes {
    let (picture, tone) =
        (format!("testsrc2=size=320x180:rate=30:duration={SECONDS}"), "sine=frequency=440:duration=4");
    let path = directory.join("sent.flv");
    #[rustfmt::skip]
    let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", tone];
    arguments.extend(codec);
    arguments.extend(["-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv", path.to_str().expect("plain")]);
    let output = std::process::Command::new(ffmpeg()).args(arguments).output().expect("ffmpeg runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(path).expect("a file").into()
}

/// What ffmpeg's own packager calls such media.
fn codecs_of(directory: &Path, codec: &[&str], tag: &str) -> String {
    let manifest = directory.join("other.mpd");
    let mut arguments = vec!["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=1"];
    arguments.extend(codec);
    arguments.extend(["-pix_fmt", "yuv420p", "-tag:v", tag, "-f", "dash", manifest.to_str().expect("plain")]);
    std::process::Command::new(ffmpeg()).args(arguments).output().expect("ffmpeg runs");
    let text = fs::read_to_string(manifest).expect("a manifest");
    text.split("codecs=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("codecs").to_owned()
}

fn passes_through(codec: VideoCodec, arguments: &[&str], tag: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = encode(directory.path(), arguments);
    let sent = receive(&file);
    let (video, frames) = sent.video.expect("video");
    assert_eq!((video.codec(), video.size()), (codec, (320, 180)));
    assert_eq!(frames.len(), 30 * SECONDS);
    assert_eq!(frames.iter().filter(|frame| frame.is_sync).count(), SECONDS, "a key frame each second");
    let track = TrackConfig::Video(video.clone());
    let (parts, ends) = segment(track.clone(), &frames);
    assert_eq!(ends.len(), SECONDS / 2);
    let path = directory.path().join("video.mp4");
    write_whole(&path, &track, &parts);
    let path = path.to_str().expect("plain");
    let (count, duration) = decoded(path, "v:0");
    assert_eq!(count, 30 * SECONDS);
    assert!((duration - SECONDS as f64).abs() < 0.1, "{duration}");
    // A modern decoder has nothing to complain of either.
    tool(ffmpeg().to_str().expect("plain"), &["-v", "error", "-xerror", "-i", path, "-f", "null", "-"]);
    let told = tool(
        "ffprobe",
        &["-v", "error", "-show_entries", "stream=codec_tag_string,width,height", "-of", "csv=p=0", path],
    );
    assert_eq!(told, format!("{tag},320,180"));
    assert_eq!(video.codecs(), codecs_of(directory.path(), arguments, tag));
    // Each segment can be decoded from its own beginning.
    for end in &ends {
        assert!(end.is_independent);
        let path = directory.path().join("one.mp4");
        let own: Vec<_> = parts.iter().filter(|part| part.msn == end.msn).cloned().collect();
        write_whole(&path, &track, &own);
        assert_eq!(decoded(path.to_str().expect("plain"), "v:0").0, 60);
    }
}

#[test]
fn hevc_passes_through() {
    let x265 = "log-level=none:keyint=30:min-keyint=30:scenecut=0:bframes=3:open-gop=0";
    passes_through(VideoCodec::Hevc, &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265], "hvc1");
}

#[test]
fn av1_passes_through() {
    passes_through(VideoCodec::Av1, &["-c:v", "libsvtav1", "-preset", "12", "-g", "30"], "av01");
}

#[test]
fn av1_of_another_encoder_passes_through_too() {
    let arguments = ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "30", "-lag-in-frames", "0"];
    passes_through(VideoCodec::Av1, &arguments, "av01");
}
