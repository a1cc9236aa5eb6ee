//! Hardware encoders, with encoders in software standing for them: which is chosen, what its child may do, and what becomes of
//! a stream whose encoder fails.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::codec::{AvcConfig, VideoCodec};
use transcoder::worker::{Admission, CheckStatus, Encoder, Source, WorkerSpec, choose_among, doctor_of};

use super::clip::{Clip, pattern};
use super::media::decoded;
use super::rig::{Rig, Yield, rung, spec};

const EXE: &str = env!("CARGO_BIN_EXE_media-worker");
const MEMORY_MIB: u64 = 512;

fn hardware(name: &str) -> Encoder {
    Encoder::Hardware(name.to_owned())
}

#[test]
fn the_first_encoder_that_does_its_work_is_chosen_and_its_child_reaches_nothing_else() {
    let names = ["nobodysh264enc", "vah264enc-without-device", "jpegenc", "x264-deaf", "openh264enc", "x264-good"];
    let choice = choose_among(Path::new(EXE), &names, MEMORY_MIB);
    assert_eq!(choice.encoder, hardware("openh264enc"), "{}", choice.reason);
    assert!(choice.reason.starts_with("24 pictures of avc1."), "{}", choice.reason);
    let walls = doctor_of(Path::new(EXE));
    let stands = |name: &str| walls.iter().any(|wall| wall.name == name && wall.status == CheckStatus::Ok);
    if stands("sandbox: seccomp") && stands("sandbox: landlock") {
        assert_eq!(choice.escapes, [] as [String; 0]);
    }
}

#[test]
fn without_one_that_works_x264_stays_and_every_reason_is_told() {
    let started = Instant::now();
    let choice = choose_among(Path::new(EXE), &["nobodysh264enc", "jpegenc", "x264-lacks", "x264-hangs"], MEMORY_MIB);
    assert_eq!(choice.encoder, Encoder::Software);
    for reason in [
        "libgstnobody.so is missing",
        "jpegenc: it does not turn pictures into H.264",
        "x264-lacks: it has no property rate-control",
        "x264-hangs: ",
    ] {
        assert!(choice.reason.contains(reason), "{reason}: {}", choice.reason);
    }
    assert!(started.elapsed() < Duration::from_secs(12), "one that hangs is not waited for");
    let killed = choose_among(Path::new("/bin/true"), &["x264-good"], MEMORY_MIB);
    assert_eq!(killed.encoder, Encoder::Software, "{}", killed.reason);
}

async fn streamed(clip: &Clip, spec: WorkerSpec) -> Yield {
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec);
    rig.feed(&clip.units, 1, &mut taken).await;
    rig.finish(&mut taken).await;
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_encoded_by_the_hardware_that_was_chosen() {
    let clip = pattern("640x360", 4, 2);
    let spec = WorkerSpec { encoder: hardware("openh264enc"), rungs: vec![rung(240, 400)], ..spec(&clip) };
    let taken = streamed(&clip, spec).await;
    assert_eq!(taken.lost, Vec::<String>::new());
    assert_eq!(taken.pictures(), clip.pictures(), "same times, key frames in the same places");
    assert_eq!(taken.codec_data.len(), 1);
    let config = AvcConfig::parse(&taken.codec_data[0]).expect("an avcC");
    assert_eq!((config.width, config.height), (426, 240));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(decoded(dir.path(), &taken), (426, 240, clip.units.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_hardware_encoder_fails_goes_on_with_x264_and_misses_no_picture() {
    let clip = pattern("640x360", 6, 0);
    let rungs = vec![rung(240, 400), rung(160, 250)];
    let admission = Admission::new(4.0);
    admission.encode_with(hardware("x264-breaks"));
    let source = Source { codec: VideoCodec::Avc, width: 640, height: 360, fps: 30.0 };
    let share = Arc::new(admission.try_admit(source, rungs.clone()).expect("room"));
    let small = admission.used_cores();
    let spec = WorkerSpec { encoder: share.encoder(), rungs, share: Some(Arc::clone(&share)), ..spec(&clip) };
    let taken = streamed(&clip, spec).await;
    assert_eq!(taken.lost.len(), 1, "{:?}", taken.lost);
    assert_eq!((taken.gave_up.as_deref(), taken.unable.as_deref()), (None, None));
    assert_eq!(share.encoder(), Encoder::Software, "it stays with x264");
    assert!(admission.used_cores() > small, "and takes the room for it");
    let sent: Vec<_> = clip.pictures().into_iter().map(|(pts, _)| pts).collect();
    for number in 0..2 {
        let rung = taken.only(number);
        let times: Vec<_> = rung.units.iter().map(|unit| unit.pts).collect();
        assert_eq!(times, sent, "rung {number}: no picture is missing, none comes twice");
        let keys: Vec<_> = rung.units.iter().filter(|unit| unit.is_sync).map(|unit| unit.pts).collect();
        assert!(clip.keys().iter().all(|key| keys.contains(key)), "rung {number} has the source's key frames");
        assert!((1..=2).contains(&rung.codec_data.len()), "rung {number}: each encoder has its own codec data");
    }
}
