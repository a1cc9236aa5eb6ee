//! Publishers with odd clocks and odd structure. Each is followed by viewers, judged by the rules and decoded to the last
//! frame. They run side by side: most of their time is waiting.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use media::flv::{VideoPacket, file_tags, parse_video};
use media::link::FrameKind;
use testkit::viewer::decode::decode;
use testkit::viewer::{Seen, Until};
use tokio::time::{Duration, Instant, sleep_until};

use super::rig::{Clip, ClipPlan, Node, PATIENCE, Rig, tags_of};

/// A clip, and the timestamps it is sent with instead of its own.
struct Odd {
    name: &'static str,
    clip: Clip,
    told: fn(FrameKind, u32) -> u32,
    discontinuities: usize,
}

impl Odd {
    fn new(name: &'static str, plan: ClipPlan, told: fn(FrameKind, u32) -> u32) -> Self {
        Self { name, clip: plan.make(), told, discontinuities: 0 }
    }

    fn pictures(&self) -> u64 {
        let is_picture = |body| matches!(parse_video(body), Ok(tag) if matches!(tag.packet, VideoPacket::Frame { .. }));
        self.clip.tags.iter().filter(|(kind, _, body)| *kind == FrameKind::Video && is_picture(body)).count() as u64
    }

    fn seconds(&self) -> f64 {
        f64::from(self.clip.tags.iter().map(|(_, at, _)| *at).max().unwrap_or(0)) / 1_000.0
    }

    /// Sends it in real time and watches what comes out.
    async fn play(&self, rig: &Rig, node: &Node) -> (Seen, Seen) {
        let cast = rig.cast(self.name).await;
        let mut feed = node.connect(&cast.hello).await.expect("accepted");
        let publish = async {
            let began = Instant::now();
            for (kind, at, body) in &self.clip.tags {
                sleep_until(began + Duration::from_millis(u64::from(*at))).await;
                feed.frame(*kind, (self.told)(*kind, *at), body).await;
            }
            feed.end("unpublished").await;
        };
        let watch = |rendition: &'static str| async move {
            let path = node.viewer.rendition(self.name, rendition, PATIENCE).await.expect("it appears");
            node.viewer.watch(&path, Until::Ended).await.expect("it can be followed")
        };
        let ((), video, audio) = tokio::join!(publish, watch("source"), watch("audio"));
        (video, audio)
    }

    async fn is_whole(&self, rig: &Rig, node: &Node) -> Result<(Seen, Seen), String> {
        let (video, audio) = self.play(rig, node).await;
        let name = self.name;
        for seen in [&video, &audio] {
            if !seen.violations.is_empty() || !seen.lost.is_empty() || !seen.gaps.is_empty() {
                return Err(format!("{name}: {:?} {:?} {:?}", seen.violations, seen.lost, seen.gaps));
            }
            if seen.discontinuities.len() != self.discontinuities {
                return Err(format!("{name}: discontinuities {:?}", seen.discontinuities));
            }
            if (seen.duration_s() - self.seconds()).abs() > 0.2 {
                return Err(format!("{name}: {} s of {}", seen.duration_s(), self.seconds()));
            }
        }
        if video.discontinuities != audio.discontinuities || video.msns() != audio.msns() {
            return Err(format!("{name}: picture and sound are cut at different places"));
        }
        let frames = decoded(rig.data.path(), name, &video).await.map_err(|error| format!("{name}: {error}"))?;
        if frames != self.pictures() {
            return Err(format!("{name}: {frames} of {} pictures", self.pictures()));
        }
        decoded(rig.data.path(), name, &audio).await.map_err(|error| format!("{name} (sound): {error}"))?;
        Ok((video, audio))
    }
}

/// Frames a decoder gets out of what was seen, period by period.
async fn decoded(folder: &Path, name: &str, seen: &Seen) -> Result<u64, String> {
    let inits: BTreeSet<&String> = seen.parts.values().map(|part| &part.init).collect();
    let mut frames = 0;
    for init in inits {
        let path = folder.join(format!("{name}.mp4"));
        seen.write_period(&path, init).map_err(|error| error.to_string())?;
        let decoded = decode(&path).await.map_err(|error| error.to_string())?;
        if !decoded.complaints.is_empty() {
            return Err(decoded.complaints);
        }
        frames += decoded.frames;
    }
    Ok(frames)
}

/// When the first of what was seen is shown, in seconds.
fn begins_at(folder: &Path, seen: &Seen) -> f64 {
    let path = folder.join("begin.mp4");
    seen.write(&path).expect("written");
    let told = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).fold(f64::INFINITY, f64::min)
}

fn truthful(_kind: FrameKind, at_ms: u32) -> u32 {
    at_ms
}

/// Steps of 10 to 57 ms where the camera made one every 33; the sum stays right.
fn wandering(kind: FrameKind, at_ms: u32) -> u32 {
    if kind == FrameKind::Video { at_ms + at_ms.wrapping_mul(2_654_435_761) % 24 } else { at_ms }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_clocks_cost_no_frame_and_break_no_rule() {
    let rig = Rig::new().await;
    let node = rig.node();
    let plan = ClipPlan { seconds: 5, ..ClipPlan::default() };
    let odd = [
        Odd::new("wraps", plan, |_, at| (u32::MAX - 2_500).wrapping_add(at)),
        Odd::new("jumps_ahead", plan, |_, at| if at < 2_500 { at } else { at + 3_600_000 }),
        Odd::new("set_back", plan, |_, at| if at < 2_500 { at + 100_000 } else { at + 20_000 }),
        Odd::new("falls_below_zero", plan, |_, at| at.wrapping_sub(1_500)),
        Odd::new("wanders", ClipPlan { bframes: 0, ..plan }, wandering),
        Odd::new("fast", ClipPlan { fps: "120", gop: 120, ..plan }, truthful),
        Odd::new("slow", ClipPlan { fps: "5", gop: 5, bframes: 0, ..plan }, truthful),
        Odd::new("in_step", plan, truthful),
    ];
    let all = futures::future::join_all(odd.iter().map(|odd| odd.is_whole(&rig, &node))).await;
    let wrong: Vec<_> = all.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (video, audio) = all.last().and_then(|outcome| outcome.as_ref().ok()).expect("the last one");
    let apart = begins_at(rig.data.path(), audio) - begins_at(rig.data.path(), video);
    assert!(apart.abs() <= 0.034, "picture and sound began together and are {apart} s apart");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_half_a_second_late_stays_so() {
    let rig = Rig::new().await;
    let node = rig.node();
    let mut clip = ClipPlan { seconds: 5, bframes: 0, ..ClipPlan::default() }.make();
    for (kind, at, _) in &mut clip.tags {
        *at += if *kind == FrameKind::Audio { 500 } else { 0 };
    }
    clip.tags.sort_by_key(|(_, at, _)| *at);
    let odd = Odd { name: "late", clip, told: truthful, discontinuities: 0 };
    let (video, audio) = odd.play(&rig, &node).await;
    for seen in [&video, &audio] {
        assert!(seen.violations.is_empty() && seen.lost.is_empty(), "{:#?}", seen.violations);
    }
    let apart = begins_at(rig.data.path(), &audio) - begins_at(rig.data.path(), &video);
    assert!((apart - 0.5).abs() <= 0.034, "{apart} s");
    assert_eq!(decoded(rig.data.path(), "late", &video).await, Ok(odd.pictures()));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_size_or_codec_begins_a_period_with_a_map_of_its_own() {
    let rig = Rig::new().await;
    let node = rig.node();
    let plan = ClipPlan { seconds: 3, ..ClipPlan::default() };
    let first = plan.make();
    let larger = ClipPlan { size: Some("640x360"), ..plan }.make();
    let hevc = hevc_clip(rig.data.path());
    let odd = [("resized", larger), ("recoded", hevc)].map(|(name, second)| {
        let mut clip = first.clone();
        clip.tags.extend(second.tags.into_iter().map(|(kind, at, body)| (kind, at + 3_000, body)));
        Odd { name, clip, told: truthful, discontinuities: 1 }
    });
    let all = futures::future::join_all(odd.iter().map(|odd| odd.is_whole(&rig, &node))).await;
    let wrong: Vec<_> = all.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (video, _) in all.iter().flatten() {
        assert_eq!(video.inits.len(), 2);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_seconds_without_a_key_frame_are_played_and_decoded() {
    let rig = Rig::new().await;
    let node = rig.node();
    let odd = Odd::new("patient", ClipPlan { seconds: 22, gop: 5_000, ..ClipPlan::default() }, truthful);
    if let Err(wrong) = odd.is_whole(&rig, &node).await {
        panic!("{wrong}");
    }
    node.stop().await;
}

/// Three seconds of HEVC as Enhanced RTMP carries it.
fn hevc_clip(folder: &Path) -> Clip {
    let path = folder.join("hevc.flv");
    let made = Command::new(testkit::stack::modern_ffmpeg())
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=3"])
        .args(["-f", "lavfi", "-i", "sine=f=440:r=48000:d=3", "-c:v", "libx265", "-preset", "ultrafast"])
        .args(["-x265-params", "log-level=none:keyint=30:min-keyint=30:scenecut=0", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-b:a", "64k", "-ac", "2", "-f", "flv"])
        .arg(&path)
        .output()
        .expect("ffmpeg runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = bytes::Bytes::from(std::fs::read(&path).expect("the clip"));
    tags_of(file_tags(&file).expect("FLV"))
}
