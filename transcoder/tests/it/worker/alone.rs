//! Pictures alone, as streams without lower renditions have them: at once, of the right moment, and cheap.

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;
use transcoder::worker::{WorkerEvent, WorkerSpec};

use super::clip::{Clip, SourceUnit, encoded, pattern};
use super::rig::{Rig, spec};

fn alone(clip: &Clip) -> Rig {
    Rig::start(WorkerSpec { rungs: Vec::new(), thumbnail_every_s: 1, tile_every_s: 1, ..spec(clip) })
}

/// Offers a key frame and nothing after it, and waits for its small picture.
async fn picture_of(rig: &mut Rig, key: &SourceUnit) -> (Vec<u8>, Duration) {
    rig.offer(key);
    let offered = Instant::now();
    loop {
        match rig.next().await.expect("an event") {
            WorkerEvent::Tile { pts, jpeg } => {
                assert_eq!(pts, key.pts);
                return (jpeg.to_vec(), offered.elapsed());
            }
            WorkerEvent::Thumbnail(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn colours(arguments: &[&str]) -> Vec<u8> {
    let command = Command::new("ffmpeg").args(["-v", "error"]).args(arguments).output().expect("ffmpeg starts");
    assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
    command.stdout
}

/// How far two pictures' colours are apart, of 255.
fn apart(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / one.len() as f64
}

/// Each picture comes without waiting for what follows, and shows its own second rather than another one.
async fn come_at_once(clip: &Clip, seconds: usize) {
    let pattern = format!("testsrc2=s=640x360:r=30:d={seconds}");
    let scaled = r"select=not(mod(n\,30)),scale=160:90:flags=area";
    let raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    let seen = colours(&[&["-f", "lavfi", "-i", &pattern, "-vf", scaled, "-vsync", "0"][..], &raw].concat());
    let seconds: Vec<&[u8]> = seen.chunks_exact(160 * 90 * 3).collect();
    let mut rig = alone(clip);
    let folder = tempfile::tempdir().expect("a folder");
    for (second, key) in clip.units.iter().filter(|unit| unit.is_sync).enumerate() {
        let (jpeg, took) = picture_of(&mut rig, key).await;
        let path = folder.path().join("picture.jpg");
        std::fs::write(&path, jpeg).expect("written");
        let picture = colours(&[&["-i", path.to_str().expect("text")][..], &raw].concat());
        let distances: Vec<f64> = seconds.iter().map(|other| apart(&picture, other)).collect();
        println!("second {second}: after {took:?}, {distances:.1?}");
        assert!(distances[second] < 25.0);
        assert!(distances.iter().enumerate().all(|(at, distance)| at == second || *distance > distances[second]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_h264_with_b_frames_they_come_at_once() {
    come_at_once(&pattern("640x360", 4, 3), 4).await;
}

/// Its key frames bump out nothing, and the decoder may hold sixteen.
#[tokio::test(flavor = "multi_thread")]
async fn of_hevc_with_open_groups_they_come_at_once() {
    let x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=4:open-gop=1"];
    come_at_once(&encoded(&[&x265[..], &["-pix_fmt", "yuv420p"]].concat(), "640x360", 4), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_av1_they_come_at_once() {
    let av1 = ["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "log-level=0", "-pix_fmt", "yuv420p"];
    come_at_once(&encoded(&av1, "640x360", 4), 4).await;
}

fn cpu(pid: i32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    let ns = tasks.map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).expect("schedstat");
        text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0_u64)
    });
    Duration::from_nanos(ns.sum())
}

fn memory_kib(pid: i32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_cost_next_to_nothing() {
    for size in ["1280x720", "1920x1080"] {
        let clip = pattern(size, 6, 2);
        let keys: Vec<&SourceUnit> = clip.units.iter().filter(|unit| unit.is_sync).collect();
        let mut rigs = [alone(&clip), alone(&clip), alone(&clip)];
        let mut used = Vec::new();
        for rig in &mut rigs {
            picture_of(rig, keys[0]).await;
            let (pid, began) = (rig.pid().as_raw(), cpu(rig.pid().as_raw()));
            for key in &keys[1..] {
                picture_of(rig, key).await;
            }
            used.push((cpu(pid) - began) / u32::try_from(keys.len() - 1).expect("few"));
        }
        for (rig, used) in rigs.iter_mut().zip(used) {
            let pid = rig.pid().as_raw();
            let resident = memory_kib(pid, "status", "VmRSS:");
            let (own, share) =
                (memory_kib(pid, "smaps_rollup", "Private_Dirty:"), memory_kib(pid, "smaps_rollup", "Pss:"));
            let core = used.as_secs_f64() / 5.0 * 100.0;
            println!(
                "{size}: {used:?} a picture, {core:.3} % of a core; {resident} KiB resident, {share} KiB of them its share, {own} KiB its own"
            );
            assert!(used < Duration::from_millis(150), "{used:?}");
            assert!(resident < 120 * 1024, "{resident} KiB");
        }
    }
}
