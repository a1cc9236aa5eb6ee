//! What is made of a file besides its source: lower renditions, pictures, and all of it where players could not play the file.

use domain::import::Container;
use serde_json::Value;

use super::rig::{Desk, probe};

const SOUND: &str = "-f lavfi -i sine=f=440:r=48000:d=6";

fn numbers(rows: &[Value]) -> Vec<(i64, i64)> {
    let number = |row: &Value, name: &str| row[name].as_i64().expect("a number");
    rows.iter().map(|row| (number(row, "seq"), number(row, "duration_us"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lower_renditions_and_pictures_follow_cut_where_the_source_is() {
    let desk = Desk::with(|config| config.transcoder.ladder = "240p,160p".to_owned()).await;
    let node = desk.node();
    let clip = "-f lavfi -i testsrc2=s=640x360:r=30:d=6 -c:a aac -c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 2 -g 75 \
                -keyint_min 75 -sc_threshold 0";
    let path = desk.make("clip.mp4", &format!("{SOUND} {clip}"));
    let vod = desk.queue(&path, Container::Mp4).await;
    desk.until(vod, "done").await;
    assert!(desk.import(vod).await["fail_code"].is_null());
    assert_eq!(desk.told("vod_ready", vod).await, 1, "told once, when the source was there");
    let source = desk.segments(vod, "source").await;
    for (name, height) in [("240p", 240), ("160p", 160)] {
        let rung = desk.segments(vod, name).await;
        assert_eq!(numbers(&rung), numbers(&source), "{name}");
        assert!(rung.iter().all(|row| row["is_independent"] == true), "{name}");
        let made = probe(&desk.joined(vod, name).await, "v");
        assert_eq!((made.frames, made.codec.as_str()), (180, "h264"), "{name}");
        let row = desk.row(&format!("SELECT * FROM vod_renditions WHERE vod_id = '{vod}' AND name = '{name}'")).await;
        assert_eq!((row["height"].as_i64(), row["frame_rate_mhz"].as_i64()), (Some(height), Some(30_000)));
    }
    let row = desk.vod(vod).await;
    let jpeg = desk.rig.s3().read(row["thumbnail_key"].as_str().expect("a picture")).expect("it is there");
    assert!(jpeg.starts_with(&[0xff, 0xd8]));
    let sheet = desk.row(&format!("SELECT * FROM vod_sheets WHERE vod_id = '{vod}'")).await;
    let places: Vec<i64> = sheet["seqs"].as_array().expect("places").iter().filter_map(Value::as_i64).collect();
    assert_eq!(places.first(), Some(&0), "{sheet}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webm_becomes_what_everybody_plays() {
    let desk = Desk::with(|config| config.transcoder.ladder = "160p".to_owned()).await;
    let node = desk.node();
    let clip =
        "-f lavfi -i testsrc2=s=320x180:r=25:d=6 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 250 -c:a libopus";
    let path = desk.make("clip.webm", &format!("{SOUND} {clip}"));
    let vod = desk.queue(&path, Container::WebM).await;
    desk.until(vod, "done").await;
    let (picture, sound) =
        (probe(&desk.joined(vod, "source").await, "v"), probe(&desk.joined(vod, "audio").await, "a"));
    assert_eq!((picture.codec.as_str(), sound.codec.as_str()), ("h264", "aac"));
    assert_eq!(picture.frames, 150, "every picture");
    assert!((picture.end_s - picture.start_s - 6.0).abs() < 0.05, "{picture:?}");
    assert!((sound.end_s - sound.start_s - 6.0).abs() < 0.08, "{sound:?}");
    assert!((sound.start_s - picture.start_s).abs() < 0.05, "{picture:?} {sound:?}");
    // The file's key frames were ten seconds apart; segments are not.
    assert_eq!(desk.segments(vod, "source").await.len(), 3);
    assert_eq!(probe(&desk.joined(vod, "160p").await, "v").frames, 150);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_alone_is_heard_whatever_it_was_coded_as() {
    let desk = Desk::new().await;
    let node = desk.node();
    for (name, codec) in [("a.mka", "libopus"), ("b.mka", "libvorbis")] {
        let path = desk.make(name, &format!("{SOUND} -c:a {codec}"));
        let vod = desk.queue(&path, Container::Matroska).await;
        desk.until(vod, "done").await;
        let sound = probe(&desk.joined(vod, "audio").await, "a");
        assert!((sound.end_s - sound.start_s - 6.0).abs() < 0.08, "{codec}: {sound:?}");
    }
    node.stop().await;
}

/// The same MP4 with its picture's track turned a quarter clockwise (ISO/IEC 14496-12 8.3.2): versions of ffmpeg differ in how they are
/// asked for that.
fn turned(mut file: Vec<u8>) -> Vec<u8> {
    const MATRIX_AT: usize = 44;
    const SIZE_AT: usize = MATRIX_AT + 36;
    const ONE: i32 = 1 << 16;
    let places: Vec<usize> = (0..file.len() - SIZE_AT - 4).filter(|at| file[*at..].starts_with(b"tkhd")).collect();
    let picture =
        places.into_iter().find(|at| file[at + SIZE_AT..at + SIZE_AT + 4] != [0; 4]).expect("a track of pictures");
    for (at, value) in [0, ONE, 0, -ONE, 0, 0, 180 * ONE, 0, 1 << 30].into_iter().enumerate() {
        let place = picture + MATRIX_AT + 4 * at;
        file[place..place + 4].copy_from_slice(&value.to_be_bytes());
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_on_its_side_stands_upright() {
    let desk = Desk::new().await;
    let node = desk.node();
    let clip = "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:a aac -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let flat = desk.make("flat.mp4", &format!("{SOUND} {clip} -shortest"));
    let path = flat.with_file_name("turned.mp4");
    std::fs::write(&path, turned(std::fs::read(&flat).expect("a file"))).expect("a file");
    let vod = desk.queue(&path, Container::Mp4).await;
    desk.until(vod, "done").await;
    let row = desk.row(&format!("SELECT * FROM vod_renditions WHERE vod_id = '{vod}' AND name = 'source'")).await;
    assert_eq!((row["width"].as_i64(), row["height"].as_i64()), (Some(180), Some(320)), "{row}");
    assert_eq!(probe(&desk.joined(vod, "source").await, "v").frames, 75);
    node.stop().await;
}
