//! Sources of newer codecs, ten bits among them: the same pictures come back as H.264 that every browser decodes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use media::codec::AvcConfig;
use transcoder::worker::{CheckStatus, WorkerSpec, doctor_of};

use super::clip::{Clip, encoded, run};
use super::media::{decoded, elementary_stream};
use super::rig::{Rig, Yield, rung, spec};

const SECONDS: u32 = 4;
/// With B-frames, and key frames that pictures before them in time are decoded after: an open group.
const X265: &[&str] =
    &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=4:open-gop=1"];
const AV1: &[&str] = &["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "log-level=0"];

fn clip(encoder: &[&str], pixels: &str) -> Clip {
    encoded(&[encoder, &["-pix_fmt", pixels]].concat(), "640x360", SECONDS)
}

/// Difference to the pattern the clip was made of, in decibels of luma.
fn likeness(dir: &Path, taken: &Yield, (width, height): (u32, u32)) -> f64 {
    let compared = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-r", "30", "-i"])
        .arg(elementary_stream(dir, taken))
        .args(["-f", "lavfi", "-i", &format!("testsrc2=s=640x360:r=30:d={SECONDS}")])
        .args(["-lavfi", &format!("[1:v]format=yuv420p,scale={width}:{height}:flags=area[b];[0:v][b]psnr")])
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg starts");
    let told = String::from_utf8_lossy(&compared.stderr).into_owned();
    let psnr = told.split("PSNR y:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    psnr.unwrap_or_else(|| panic!("{told}"))
}

/// A rung as large as the source and a smaller one, judged by decoding both.
async fn comes_back_as_h264(clip: &Clip) {
    let mut taken = Yield::default();
    let rungs = vec![rung(360, 2_500), rung(240, 1_200)];
    let mut rig = Rig::start(WorkerSpec { rungs, ..spec(clip) });
    rig.feed(&clip.units, 2, &mut taken).await;
    rig.finish(&mut taken).await;
    assert_eq!((taken.lost.clone(), taken.unable.clone()), (Vec::new(), None));
    for (number, size) in [(0, (640, 360)), (1, (426, 240))] {
        let taken = taken.only(number);
        let config = AvcConfig::parse(&taken.codec_data[0]).expect("an avcC");
        assert!(
            ["avc1.64", "avc1.4d"].iter().any(|profile| config.codecs().starts_with(profile)),
            "eight bits of 4:2:0"
        );
        assert_eq!(taken.pictures(), clip.pictures(), "same times, key frames in the same places");
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(decoded(dir.path(), &taken), (size.0, size.1, clip.units.len()));
        let likeness = likeness(dir.path(), &taken, size);
        println!("rung {number}: {likeness} dB");
        assert!(likeness > 26.0, "{likeness} dB");
    }
    assert!(!taken.thumbnails.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_comes_back_as_h264() {
    let clip = clip(X265, "yuv420p");
    assert!(clip.units.iter().any(|unit| unit.pts != unit.dts), "the clip is what the test is about");
    comes_back_as_h264(&clip).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_of_ten_bits_comes_back_as_h264_of_eight() {
    let clip = clip(X265, "yuv420p10le");
    assert!(clip.config.codecs().starts_with("hvc1.2."), "Main 10: {}", clip.config.codecs());
    comes_back_as_h264(&clip).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av1_comes_back_as_h264() {
    comes_back_as_h264(&clip(AV1, "yuv420p")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av1_of_ten_bits_comes_back_as_h264_of_eight() {
    let clip = clip(AV1, "yuv420p10le");
    assert!(clip.config.codecs().ends_with(".10"), "{}", clip.config.codecs());
    comes_back_as_h264(&clip).await;
}

/// Key frames alone, none of which bumps out the one before: the decoder may keep several, and is not taken for hung.
#[tokio::test(flavor = "multi_thread")]
async fn thumbnails_of_hevc_come_of_key_frames_alone() {
    let clip = encoded(&[X265, &["-pix_fmt", "yuv420p"]].concat(), "320x180", 8);
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { rungs: Vec::new(), ..spec(&clip) });
    rig.feed(&clip.units, 1, &mut taken).await;
    rig.finish(&mut taken).await;
    assert_eq!(taken.lost, Vec::<String>::new());
    assert!(taken.thumbnails.len() >= 3, "{}", taken.thumbnails.len());
    assert!(taken.units.is_empty());
}

/// A child for which GStreamer has all plugins but those of AV1: a copy of the library beside links to the others.
fn child_without_av1(dir: &Path) -> PathBuf {
    let worker = env!("CARGO_BIN_EXE_media-worker");
    let linked = run(Command::new("ldd").arg(worker));
    let library = linked
        .lines()
        .find_map(|line| line.trim().strip_prefix("libgstreamer-1.0.so.0 => ")?.split_whitespace().next())
        .expect("the child is linked with GStreamer");
    fs::copy(library, dir.join("libgstreamer-1.0.so.0")).expect("copied");
    let plugins = dir.join("gstreamer-1.0");
    fs::create_dir(&plugins).expect("a folder");
    let installed = Path::new(library).parent().expect("a folder").join("gstreamer-1.0");
    for entry in fs::read_dir(installed).expect("plugins") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if !["libgstaom.so", "libgstdav1d.so"].contains(&name.as_str()) {
            symlink(&path, plugins.join(name)).expect("linked");
        }
    }
    let exe = dir.join("child");
    let script = format!("#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{worker}' \"$@\"\n", dir.display());
    fs::write(&exe, script).expect("written");
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o755)).expect("executable");
    exe
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_decoder_the_child_says_so_once_and_other_streams_go_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let exe = child_without_av1(dir.path());
    let av1 = clip(AV1, "yuv420p");
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { exe: exe.clone(), ..spec(&av1) });
    rig.feed(&av1.units[..30], 2, &mut taken).await;
    rig.finish(&mut taken).await;
    let reason = taken.unable.expect("it says what is missing");
    assert!(reason.contains("AV1 is not decoded here") && reason.contains("gstreamer1.0-plugins-bad"), "{reason}");
    assert_eq!((taken.lost, taken.gave_up), (Vec::new(), None), "no child is tried again");

    let hevc = clip(X265, "yuv420p");
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { exe: exe.clone(), rungs: vec![rung(240, 800)], ..spec(&hevc) });
    rig.feed(&hevc.units[..60], 2, &mut taken).await;
    rig.finish(&mut taken).await;
    assert_eq!((taken.unable, taken.units.len()), (None, 60));

    let checks = doctor_of(&exe);
    let check = checks.iter().find(|check| check.name == "GStreamer decoder for AV1").expect("a line");
    assert_eq!(check.status, CheckStatus::Warn, "{check:?}");
    assert!(check.hint.as_ref().is_some_and(|hint| hint.contains("gstreamer1.0-plugins-bad")), "{check:?}");
    assert!(checks.iter().all(|check| check.status != CheckStatus::Fail), "{checks:?}");
}
