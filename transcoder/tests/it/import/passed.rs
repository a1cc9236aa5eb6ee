//! What players can play is passed on as it is: every picture, in its place, with its sound.

use domain::VodId;
use domain::import::Container;

use super::rig::{Desk, Stream, probe};

const CLIP: &str = "-f lavfi -i testsrc2=s=320x180:r=30:d=6 -f lavfi -i sine=f=440:r=48000:d=6 -c:v libx264 -preset ultrafast \
                    -pix_fmt yuv420p -bf 2 -c:a aac -ac 2";

/// Within a frame of sound or two of picture.
const NEAR_S: f64 = 0.05;

struct Made {
    picture: Stream,
    sound: Stream,
}

async fn made(desk: &Desk, vod: VodId) -> Made {
    desk.until(vod, "done").await;
    assert_eq!(desk.vod(vod).await["status"], "ready");
    assert_eq!((desk.told("vod_ready", vod).await, desk.told("vod_failed", vod).await), (1, 0));
    assert_eq!(desk.copies(), 0, "the copy is gone");
    Made { picture: probe(&desk.joined(vod, "source").await, "v"), sound: probe(&desk.joined(vod, "audio").await, "a") }
}

fn assert_same(made: &Made, picture: &Stream, sound: &Stream) {
    assert_eq!(made.picture.frames, picture.frames, "every picture, once");
    assert_eq!(made.picture.codec, picture.codec);
    let length = |stream: &Stream| stream.end_s - stream.start_s;
    assert!((length(&made.picture) - length(picture)).abs() < NEAR_S, "{:?} {picture:?}", made.picture);
    assert!((length(&made.sound) - length(sound)).abs() < NEAR_S, "{:?} {sound:?}", made.sound);
    let lead = |picture: &Stream, sound: &Stream| sound.start_s - picture.start_s;
    let moved = lead(&made.picture, &made.sound) - lead(picture, sound);
    assert!(moved.abs() < 0.03, "sound moved by {moved} s: {:?} {:?}", made.picture, made.sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_is_the_same_pictures_and_sound_in_segments_at_its_key_frames() {
    let desk = Desk::new().await;
    let node = desk.node();
    // Key frames are further apart than segments should be.
    let path = desk.make("clip.mp4", &format!("{CLIP} -g 75 -keyint_min 75 -sc_threshold 0"));
    let vod = desk.queue(&path, Container::Mp4).await;
    let made = made(&desk, vod).await;
    assert_same(&made, &probe(&path, "v"), &probe(&path, "a"));
    let segments = desk.segments(vod, "source").await;
    let lengths: Vec<i64> = segments.iter().map(|row| row["duration_us"].as_i64().expect("a number")).collect();
    assert_eq!(lengths, [2_500_000, 2_500_000, 1_000_000]);
    assert!(segments.iter().all(|row| row["is_independent"] == true && row["iframe_bytes"].is_number()));
    assert_eq!(desk.segments(vod, "audio").await.len(), 3, "the sound is cut where the picture is");
    let row = desk.vod(vod).await;
    assert!((row["duration_ms"].as_i64().expect("a number") - 6_000).abs() < 50, "{row}");
    assert!(row["stream_id"].is_null());
    let rate = desk.row(&format!("SELECT * FROM vod_renditions WHERE vod_id = '{vod}' AND name = 'source'")).await;
    assert_eq!((rate["frame_rate_mhz"].as_i64(), rate["width"].as_i64()), (Some(30_000), Some(320)));
    assert_eq!(desk.import(vod).await["progress"], 1_000);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matroska_file_without_decode_times_is_the_same_too() {
    let desk = Desk::new().await;
    let node = desk.node();
    let path = desk.make("clip.mkv", &format!("{CLIP} -g 60"));
    let vod = desk.queue(&path, Container::Matroska).await;
    let made = made(&desk, vod).await;
    assert_same(&made, &probe(&path, "v"), &probe(&path, "a"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_goes_through_and_the_index_may_come_first_or_last() {
    let desk = Desk::new().await;
    let node = desk.node();
    let hevc = "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=f=440:r=44100:d=4 -c:v libx265 -preset ultrafast \
                -x265-params log-level=error -tag:v hvc1 -pix_fmt yuv420p -c:a aac -movflags +faststart";
    let path = desk.make("clip.mp4", hevc);
    let vod = desk.queue(&path, Container::Mp4).await;
    let made = made(&desk, vod).await;
    assert_same(&made, &probe(&path, "v"), &probe(&path, "a"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_without_coding_it_anew_keeps_its_sound_in_step() {
    let desk = Desk::new().await;
    let node = desk.node();
    let whole = desk.make("whole.mp4", &format!("{CLIP} -g 60 -keyint_min 60"));
    // Begins in the middle of a group of pictures: the edit list hides what is only there to be decoded.
    let path = desk.make("cut.mov", &format!("-ss 1.3 -i {} -c copy", whole.display()));
    let vod = desk.queue(&path, Container::Mov).await;
    let made = made(&desk, vod).await;
    let lead = made.sound.start_s - made.picture.start_s;
    let length = made.picture.end_s - made.picture.start_s;
    // What was hidden may show; picture and sound belong together all the same.
    assert!((4.6..=6.1).contains(&length), "{length}");
    assert!((made.sound.end_s - made.picture.end_s).abs() < 0.1, "{:?} {:?}", made.picture, made.sound);
    assert!(lead.abs() < 1.4, "{lead}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_without_sound_and_sound_without_a_picture_are_recordings() {
    let desk = Desk::new().await;
    let node = desk.node();
    let silent = desk.make("silent.mp4", "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -pix_fmt yuv420p");
    let blind = desk.make("blind.m4a", "-f lavfi -i sine=f=440:r=48000:d=7 -c:a aac");
    let (picture, sound) = (desk.queue(&silent, Container::Mp4).await, desk.queue(&blind, Container::Mp4).await);
    desk.until(picture, "done").await;
    desk.until(sound, "done").await;
    assert_eq!(probe(&desk.joined(picture, "source").await, "v").frames, 75);
    let heard = probe(&desk.joined(sound, "audio").await, "a");
    assert!((heard.end_s - heard.start_s - 7.0).abs() < NEAR_S, "{heard:?}");
    assert_eq!(desk.segments(sound, "audio").await.len(), 4);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_stands_still_for_long_stays_for_as_long() {
    let desk = Desk::new().await;
    let node = desk.node();
    // Frames at 0 to 1 s, then one for four seconds, then on.
    let vary = "-f lavfi -i testsrc2=s=320x180:r=10:d=6 -vf select='not(between(t,1.05,4.95))' -vsync vfr -c:v libx264 -g 10 \
                -pix_fmt yuv420p";
    let path = desk.make("vary.mp4", vary);
    let vod = desk.queue(&path, Container::Mp4).await;
    desk.until(vod, "done").await;
    let (before, after) = (probe(&path, "v"), probe(&desk.joined(vod, "source").await, "v"));
    assert_eq!(after.frames, before.frames);
    assert!(((after.end_s - after.start_s) - (before.end_s - before.start_s)).abs() < 0.15, "{before:?} {after:?}");
    node.stop().await;
}
