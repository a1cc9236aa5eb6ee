//! What goes in comes back smaller, at the same times, with key frames in the same places.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use media::codec::AvcConfig;
use transcoder::worker::WorkerSpec;

use super::clip::{Clip, pattern, pattern_at, run};
use super::rig::{Rig, Yield, rung, spec};

/// Writes the units as an elementary stream and lets ffprobe decode it: size and frame count.
pub(super) fn decoded(dir: &Path, taken: &Yield) -> (u32, u32, usize) {
    let path = elementary_stream(dir, taken);
    let text = run(Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=width,height,nb_read_frames"])
        .args(["-of", "csv=p=0"])
        .arg(&path));
    let numbers: Vec<u32> = text.trim().split(',').map(|field| field.parse().expect("a number")).collect();
    let complaints = Command::new("ffmpeg")
        .args(["-v", "warning", "-i"])
        .arg(&path)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg starts");
    assert_eq!(String::from_utf8_lossy(&complaints.stderr), "", "it decodes without a complaint");
    (numbers[0], numbers[1], numbers[2] as usize)
}

pub(super) fn elementary_stream(dir: &Path, taken: &Yield) -> PathBuf {
    let path = dir.join("out.h264");
    let mut file = std::fs::File::create(&path).expect("a file");
    let record = taken.codec_data.first().expect("codec data");
    for set in parameter_sets(record) {
        file.write_all(&[&[0, 0, 0, 1], set].concat()).expect("written");
    }
    for unit in &taken.units {
        let mut rest = &unit.data[..];
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (nal, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
            file.write_all(&[&[0, 0, 0, 1], nal].concat()).expect("written");
            rest = tail;
        }
    }
    path
}

/// SPS and PPS of an avcC with one of each.
fn parameter_sets(record: &[u8]) -> [&[u8]; 2] {
    let take = |at: usize| {
        let len = usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
        (&record[at + 2..at + 2 + len], at + 2 + len)
    };
    let (sps, end) = take(6);
    let (pps, _) = take(end + 1);
    [sps, pps]
}

async fn transcoded(clip: &Clip, speed: u32) -> Yield {
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec(clip));
    rig.feed(&clip.units, speed, &mut taken).await;
    rig.finish(&mut taken).await;
    taken
}

async fn every_picture_comes_back(bframes: u32) {
    let clip = pattern("1280x720", 5, bframes);
    assert_eq!(clip.units.iter().any(|unit| unit.pts != unit.dts), bframes > 0, "the clip is what the test is about");
    let taken = transcoded(&clip, 3).await;

    assert_eq!(taken.lost, Vec::<String>::new());
    assert_eq!(taken.codec_data.len(), 1);
    let config = AvcConfig::parse(&taken.codec_data[0]).expect("an avcC");
    assert_eq!((config.width, config.height, config.length_size), (854, 480, 4));
    assert_eq!(taken.pictures(), clip.pictures(), "same times, key frames in the same places");
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(decoded(dir.path(), &taken), (854, 480, clip.units.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_picture_of_a_stream_without_b_frames_comes_back_at_its_time() {
    every_picture_comes_back(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_picture_of_a_stream_with_b_frames_comes_back_at_its_time() {
    every_picture_comes_back(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rung_has_every_picture_and_the_sources_key_frames() {
    let clip = pattern("1280x720", 5, 2);
    let rungs = vec![rung(540, 2_000), rung(360, 800), rung(240, 400)];
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { rungs, ..spec(&clip) });
    rig.feed(&clip.units, 1, &mut taken).await;
    rig.finish(&mut taken).await;
    assert_eq!(taken.lost, Vec::<String>::new());
    for (number, size) in [(0, (960, 540)), (1, (640, 360)), (2, (426, 240))] {
        let taken = taken.only(number);
        assert_eq!(taken.pictures(), clip.pictures(), "rung {number}");
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(decoded(dir.path(), &taken), (size.0, size.1, clip.units.len()), "rung {number}");
    }
}

/// Mean difference of luma between the source and a rung blown up again, as ffmpeg's PSNR filter sees it.
#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_rung_of_a_cascade_still_looks_like_the_source() {
    let clip = pattern("1280x720", 3, 0);
    let rungs = vec![rung(540, 4_000), rung(480, 4_000), rung(360, 4_000)];
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { rungs, ..spec(&clip) });
    rig.feed(&clip.units, 2, &mut taken).await;
    rig.finish(&mut taken).await;
    let dir = tempfile::tempdir().expect("a folder");
    let path = elementary_stream(dir.path(), &taken.only(2));
    let compared = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-r", "30", "-i"])
        .arg(&path)
        .args(["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=3"])
        .args(["-lavfi", "[1:v]format=yuv420p,scale=640:360:flags=area[b];[0:v][b]psnr", "-f", "null", "-"])
        .output()
        .expect("ffmpeg starts");
    let told = String::from_utf8_lossy(&compared.stderr).into_owned();
    let psnr = told.split("PSNR y:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    println!("PSNR of luma: {psnr:?}");
    assert!(psnr.expect("a figure") > 28.0, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rung_takes_every_second_picture_of_a_fast_source_and_all_its_key_frames() {
    let clip = pattern_at(60, "640x360", 4, 2);
    let mut taken = Yield::default();
    let rungs = vec![transcoder::worker::Rung { fps_max: 60, ..rung(240, 600) }, rung(160, 250)];
    let mut rig = Rig::start(WorkerSpec { rungs, frame_rate: (60, 1), ..spec(&clip) });
    rig.feed(&clip.units, 3, &mut taken).await;
    rig.finish(&mut taken).await;
    assert_eq!(taken.lost, Vec::<String>::new());
    assert_eq!(taken.pictures(), clip.pictures());
    let slow = taken.only(1);
    let every_second: Vec<_> = clip.pictures().into_iter().step_by(2).collect();
    assert_eq!(slow.pictures(), every_second, "key frames stand at even places");
    let config = AvcConfig::parse(&slow.codec_data[0]).expect("an avcC");
    assert_eq!(config.frame_rate.map(|rate| rate.as_f64()), Some(30.0));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(decoded(dir.path(), &slow), (284, 160, clip.units.len() / 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rendition_keeps_to_its_bit_rate_and_a_portrait_stays_one() {
    let clip = pattern("720x1280", 4, 0);
    let taken = transcoded(&clip, 3).await;
    let config = AvcConfig::parse(&taken.codec_data[0]).expect("an avcC");
    assert_eq!((config.width, config.height), (480, 854));
    let bits: usize = taken.units.iter().map(|unit| unit.data.len() * 8).sum();
    let kbps = bits / 4 / 1_000;
    assert!((300..1_500).contains(&kbps), "{kbps} kbit/s for 1200");
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbnails_are_jpegs_of_640_pixels_at_their_interval() {
    let clip = pattern("1280x720", 5, 0);
    let taken = transcoded(&clip, 3).await;
    // Two seconds apart in the stream's time: at 0, 2 and 4 seconds.
    assert_eq!(taken.thumbnails.len(), 3);
    for jpeg in &taken.thumbnails {
        assert_eq!(jpeg_size(jpeg), (640, 360));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_are_small_jpegs_with_the_times_of_their_pictures_and_fit_into_one_strip() {
    let clip = pattern("1280x720", 5, 0);
    let taken = transcoded(&clip, 3).await;
    let times: Vec<_> = taken.tiles.iter().map(|(pts, _)| (pts - clip.units[0].pts) / 90_000).collect();
    assert_eq!(times, [0, 1, 2, 3, 4]);
    let mut tiles = taken.tiles.iter().map(|(_, jpeg)| media::strip::Tile::parse(jpeg).expect("a tile"));
    let mut strip = media::strip::Strip::new(tiles.next().expect("some"));
    assert!(tiles.all(|tile| strip.push(tile).is_none()), "the encoder's tables do not change");
    assert_eq!(strip.tile_size(), (160, 90, 96));
    assert_eq!(jpeg_size(&strip.jpeg()), (160, 5 * 96));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_encoding_there_are_thumbnails_of_key_frames_and_nothing_else() {
    let clip = pattern("1280x720", 5, 2);
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { rungs: Vec::new(), ..spec(&clip) });
    rig.feed(&clip.units, 3, &mut taken).await;
    rig.finish(&mut taken).await;
    assert_eq!(taken.lost, Vec::<String>::new());
    assert!(taken.units.is_empty() && taken.codec_data.is_empty());
    assert_eq!(taken.thumbnails.len(), 3);
    assert_eq!(jpeg_size(&taken.thumbnails[2]), (640, 360));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_comes_back_soon_after_it_went_in() {
    let clip = pattern("1280x720", 3, 0);
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec(&clip));
    rig.feed(&clip.units, 1, &mut taken).await;
    // The first second starts the process; it is not what is measured.
    let offered = rig.offered.split_off(30);
    rig.finish(&mut taken).await;
    let wait = |(pts, at): &(i64, tokio::time::Instant)| {
        let unit = taken.units.iter().find(|unit| unit.pts == *pts).expect("it came back");
        unit.at.saturating_duration_since(*at)
    };
    let mut waits: Vec<_> = offered.iter().map(wait).collect();
    waits.sort_unstable();
    println!("latency of a 720p30 picture: median {:?}, most {:?}", waits[30], waits[59]);
    assert!(waits[30] < std::time::Duration::from_millis(200), "median {:?}", waits[30]);
}

fn jpeg_size(jpeg: &[u8]) -> (u32, u32) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("thumbnail.jpg");
    std::fs::write(&path, jpeg).expect("written");
    let text = run(Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"])
        .arg(&path));
    let mut fields = text.trim().split(',');
    assert_eq!(fields.next(), Some("mjpeg"));
    let mut side = || fields.next().and_then(|field| field.parse().ok()).expect("a side");
    (side(), side())
}
