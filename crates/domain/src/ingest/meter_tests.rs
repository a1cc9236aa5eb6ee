//! Publishers made of numbers.

use super::super::{IngestIssue, IngestVerdict, Severity};
use super::*;

/// A publisher and the second-by-second view of it.
struct Sender {
    meter: Meter,
    now_ms: i64,
    /// Media sent so far.
    video_ms: f64,
    audio_ms: f64,
    frames: u32,
    audio_frames: u32,
    samples: Vec<IngestSample>,
    habits: Habits,
}

#[derive(Clone, Copy)]
struct Habits {
    fps: f64,
    gop: u32,
    frame_bytes: usize,
    /// Added to every RTMP timestamp.
    base: u32,
    has_video: bool,
    has_audio: bool,
    /// Media time per real time.
    speed: f64,
    /// Audio timestamps behind video's.
    audio_behind_ms: u32,
    /// Length that audio's timestamps claim for a frame, against its real one.
    audio_stretch: f64,
    /// One frame of so many is left out.
    drops_every: u32,
}

const GOOD: Habits = Habits {
    fps: 30.0,
    gop: 60,
    frame_bytes: 15_000,
    base: 0,
    has_video: true,
    has_audio: true,
    speed: 1.0,
    audio_behind_ms: 0,
    audio_stretch: 1.0,
    drops_every: u32::MAX,
};

const AUDIO_FRAME_MS: f64 = 1_024.0 / 48.0;

impl Sender {
    fn new(habits: Habits) -> Self {
        let mut meter = Meter::new(Limits { kbps_max: 10_000 }, 0);
        let format = VideoFormat { width: 1_280, height: 720, fps_milli: Some(30_000), is_efficient: false };
        meter.video_format(Some(format));
        meter.audio_format(Some(AudioFormat { sample_rate: 48_000, frame_samples: 1_024, channels: 2 }));
        Self { meter, now_ms: 0, video_ms: 0.0, audio_ms: 0.0, frames: 0, audio_frames: 0, samples: Vec::new(), habits }
    }

    fn run(habits: Habits, seconds: i64) -> Self {
        let mut sender = Self::new(habits);
        sender.send(seconds);
        sender
    }

    /// Sends for a while, in beats of 20 ms.
    fn send(&mut self, seconds: i64) {
        for _beat in 0..seconds * 50 {
            self.beat(20.0 * self.habits.speed);
        }
    }

    /// Nothing is sent for a while; with `makes_up` it follows at once.
    fn stall(&mut self, seconds: i64, makes_up: bool) {
        for _beat in 0..seconds * 50 {
            self.beat(0.0);
        }
        if makes_up {
            self.deliver(seconds as f64 * 1_000.0);
        }
    }

    fn beat(&mut self, media_ms: f64) {
        self.now_ms += 20;
        self.deliver(media_ms);
        if self.now_ms % 1_000 == 0 {
            let at = Timestamp::from_timestamp_millis(self.now_ms).unwrap();
            self.samples.push(self.meter.tick(self.now_ms, at, 1, 0));
        }
    }

    fn deliver(&mut self, media_ms: f64) {
        let Habits { fps, gop, frame_bytes, base, audio_behind_ms, audio_stretch, .. } = self.habits;
        self.video_ms += media_ms;
        self.audio_ms += media_ms;
        while self.habits.has_video && f64::from(self.frames) * 1_000.0 / fps < self.video_ms {
            let timestamp_ms = base.wrapping_add((f64::from(self.frames) * 1_000.0 / fps) as u32);
            let message = Message { arrived_ms: self.now_ms, timestamp_ms, bytes: frame_bytes };
            let is_key = self.frames.is_multiple_of(gop);
            if is_key || self.frames % self.habits.drops_every != 1 {
                self.meter.video(message, is_key, 66);
            }
            self.frames += 1;
        }
        while self.habits.has_audio && f64::from(self.audio_frames) * AUDIO_FRAME_MS < self.audio_ms {
            let claimed = f64::from(self.audio_frames) * AUDIO_FRAME_MS * audio_stretch;
            let timestamp_ms = base.wrapping_add(claimed as u32).wrapping_sub(audio_behind_ms);
            self.meter.audio(Message { arrived_ms: self.now_ms, timestamp_ms, bytes: 400 });
            self.audio_frames += 1;
        }
    }

    /// What was not said so far is never said.
    fn skip_audio(&mut self) {
        self.audio_frames = (self.audio_ms / AUDIO_FRAME_MS) as u32;
    }

    fn last(&self) -> &IngestSample {
        self.samples.last().expect("a second has passed")
    }

    fn severity(&self, issue: IngestIssue) -> Option<Severity> {
        self.last().issues.get(issue)
    }

    fn ever(&self, issue: IngestIssue) -> bool {
        self.samples.iter().any(|sample| sample.issues.get(issue).is_some())
    }
}

#[test]
fn a_good_publisher_is_good_from_the_first_second_on() {
    let sender = Sender::run(GOOD, 60);
    for sample in &sender.samples {
        assert_eq!((sample.verdict, sample.issues.iter().count()), (IngestVerdict::Good, 0), "{sample:?}");
    }
    let last = sender.last();
    assert_eq!((last.video_kbps, last.fps, last.keyframe_ms), (3_600, 30.0, Some(2_000)));
    assert!(last.audio_kbps.abs_diff(150) < 5 && last.queue_ms == 0, "{last:?}");
    assert!(last.delay_ms.is_some_and(|ms| ms <= 40) && last.pace == Some(1.0), "{last:?}");
    assert!(last.av_offset_ms.is_some_and(|ms| ms.abs() < 50), "{last:?}");
    assert!(last.audio_drift_ms.is_some_and(|ms| ms.abs() < 5), "{last:?}");
}

#[test]
fn the_wrap_of_timestamps_is_no_event() {
    let sender = Sender::run(Habits { base: u32::MAX - 10_000, ..GOOD }, 30);
    assert!(sender.samples.iter().all(|sample| sample.verdict == IngestVerdict::Good));
    assert_eq!(sender.last().keyframe_ms, Some(2_000));
}

#[test]
fn a_clock_that_is_set_anew_begins_everything_anew() {
    let mut sender = Sender::run(GOOD, 20);
    sender.habits.base = 3_600_000;
    sender.send(20);
    sender.habits.base = 5;
    sender.send(20);
    assert!(sender.samples.iter().all(|sample| sample.verdict == IngestVerdict::Good), "{:?}", sender.last());
}

#[test]
fn silence_is_no_data_and_the_stall_is_told_before_and_after_it() {
    let mut sender = Sender::run(GOOD, 20);
    sender.stall(5, true);
    let verdicts: Vec<_> = sender.samples[20..].iter().map(|sample| sample.verdict).collect();
    use IngestVerdict::{Good, NoData, Ok};
    assert_eq!(verdicts[..2], [Good, Good]);
    assert!(matches!(verdicts[2..], [NoData | Good | Ok, NoData, NoData]), "{verdicts:?}");
    assert_eq!(sender.last().issues.iter().count(), 0, "there is nothing to judge");
    sender.send(1);
    assert!(sender.last().delay_ms.is_some_and(|ms| ms > 4_000), "{:?}", sender.last());
    sender.send(20);
    assert_eq!(sender.last().delay_ms.map(|ms| ms <= 60), Some(true));
    assert_eq!(sender.severity(IngestIssue::VideoIngestionStarved), None);
}

#[test]
fn a_publisher_that_is_slower_than_time_falls_behind() {
    let mut sender = Sender::run(GOOD, 20);
    sender.habits.speed = 0.8;
    sender.send(14);
    assert!(sender.severity(IngestIssue::VideoIngestionStarved).is_some(), "{:?}", sender.last());
    assert!(sender.last().delay_ms.is_some_and(|ms| ms > 2_500), "{:?}", sender.last());
    assert_eq!(sender.last().pace, Some(0.8));
    assert!(!sender.ever(IngestIssue::FrameRateLow), "its own timestamps are in order");
}

#[test]
fn clocks_that_differ_a_little_are_not_late_after_hours() {
    let mut sender = Sender::new(Habits { has_audio: false, speed: 0.999_95, ..GOOD });
    sender.send(4 * 3_600);
    assert!(sender.last().delay_ms.is_some_and(|ms| ms < 100), "{:?}", sender.last());
}

#[test]
fn a_file_sent_as_fast_as_possible_is_told() {
    let mut sender = Sender::run(GOOD, 5);
    sender.habits.speed = 1.5;
    sender.send(15);
    assert!(sender.severity(IngestIssue::VideoIngestionFasterThanRealtime).is_some(), "{:?}", sender.last());
    assert!(!sender.ever(IngestIssue::VideoIngestionStarved));
}

#[test]
fn catching_up_after_a_stall_is_not_faster_than_time() {
    let mut sender = Sender::run(GOOD, 15);
    sender.stall(2, true);
    sender.send(20);
    assert!(!sender.ever(IngestIssue::VideoIngestionFasterThanRealtime));
}

#[test]
fn key_frames_far_apart_are_told_and_judged_by_how_far() {
    let long = Sender::run(Habits { gop: 150, ..GOOD }, 30);
    assert_eq!(long.severity(IngestIssue::GopSizeLong), Some(Severity::Warning));
    assert_eq!((long.last().keyframe_ms, long.last().verdict), (Some(5_000), IngestVerdict::Ok));
    let never = Sender::run(Habits { gop: 1_000_000, ..GOOD }, 30);
    assert_eq!(never.severity(IngestIssue::GopSizeLong), Some(Severity::Error));
    let allowed = Sender::run(Habits { gop: 120, ..GOOD }, 30);
    assert!(!allowed.ever(IngestIssue::GopSizeLong), "four seconds are allowed");
    let short = Sender::run(Habits { gop: 10, ..GOOD }, 30);
    assert!(short.severity(IngestIssue::GopSizeShort).is_some());
}

#[test]
fn uneven_key_frames_are_a_hint() {
    let mut sender = Sender::new(GOOD);
    for second in 0..20 {
        sender.habits.gop = if second % 5 == 0 { 15 } else { 75 };
        sender.send(1);
    }
    assert_eq!(sender.severity(IngestIssue::GopIrregular), Some(Severity::Info), "{:?}", sender.last());
    assert_eq!(sender.last().verdict, IngestVerdict::Good);
}

#[test]
fn a_publisher_without_sound_is_told_and_one_who_lost_it_is_bad() {
    let never = Sender::run(Habits { has_audio: false, ..GOOD }, 10);
    assert_eq!(never.severity(IngestIssue::NoAudioStream), Some(Severity::Warning));
    assert_eq!((never.last().verdict, never.last().av_offset_ms), (IngestVerdict::Ok, None));
    let mut lost = Sender::run(GOOD, 10);
    lost.habits.has_audio = false;
    lost.send(7);
    assert_eq!(lost.severity(IngestIssue::NoAudioStream), Some(Severity::Error));
    assert_eq!(lost.last().verdict, IngestVerdict::Bad);
}

#[test]
fn a_picture_that_stops_is_not_a_late_line() {
    let mut sender = Sender::run(GOOD, 12);
    sender.habits.has_video = false;
    sender.send(12);
    assert_eq!(sender.severity(IngestIssue::NoVideoStream), Some(Severity::Error));
    assert!(!sender.ever(IngestIssue::VideoIngestionStarved), "{:?}", sender.last());
}

#[test]
fn frames_left_out_lower_the_rate_and_keep_the_clock() {
    let sender = Sender::run(Habits { drops_every: 4, ..GOOD }, 20);
    assert!(sender.severity(IngestIssue::FrameRateLow).is_some(), "{:?}", sender.last());
    assert!(!sender.ever(IngestIssue::VideoIngestionStarved));
    let mut slower = Sender::run(Habits { fps: 15.0, gop: 30, ..GOOD }, 20);
    assert!(!slower.ever(IngestIssue::FrameRateLow), "a header that says twice the rate is not believed");
    slower.send(1);
}

#[test]
fn offset_and_drift_between_picture_and_sound_are_told_apart() {
    let offset = Sender::run(Habits { audio_behind_ms: 800, ..GOOD }, 20);
    assert_eq!(offset.severity(IngestIssue::AudioVideoOffset), Some(Severity::Warning));
    assert!(offset.last().av_offset_ms.is_some_and(|ms| (ms - 800).abs() < 60), "{:?}", offset.last());
    assert!(!offset.ever(IngestIssue::AudioVideoDrift));
    let drift = Sender::run(Habits { audio_stretch: 0.97, ..GOOD }, 30);
    assert_eq!(drift.severity(IngestIssue::AudioVideoDrift), Some(Severity::Warning));
    assert!(drift.last().audio_drift_ms.is_some_and(|ms| (ms - 900).abs() < 60), "{:?}", drift.last());
}

#[test]
fn a_pause_in_sound_is_no_drift() {
    let mut sender = Sender::run(GOOD, 10);
    for _pause in 0..10 {
        sender.habits.has_audio = false;
        sender.send(1);
        sender.skip_audio();
        sender.habits.has_audio = true;
        sender.send(2);
    }
    assert!(sender.last().audio_drift_ms.is_some_and(|ms| ms.abs() < 60), "{:?}", sender.last());
}

#[test]
fn a_line_that_breaks_down_again_and_again_is_unstable() {
    let steady = Sender::run(GOOD, 60);
    assert!(!steady.ever(IngestIssue::BitrateUnstable));
    let mut sender = Sender::new(GOOD);
    for _round in 0..5 {
        sender.habits.frame_bytes = 15_000;
        sender.send(8);
        sender.habits.frame_bytes = 3_000;
        sender.send(4);
    }
    assert!(sender.ever(IngestIssue::BitrateUnstable), "{:?}", sender.last());
}

#[test]
fn rates_at_both_ends_are_told() {
    let low = Sender::run(Habits { frame_bytes: 1_000, ..GOOD }, 20);
    assert!(low.severity(IngestIssue::BitrateLow).is_some());
    let high = Sender::run(Habits { frame_bytes: 40_000, ..GOOD }, 20);
    assert_eq!(high.severity(IngestIssue::BitrateHigh), Some(Severity::Error));
}

#[test]
fn other_tracks_and_deep_b_frames_are_hints() {
    let mut sender = Sender::run(GOOD, 10);
    for _second in 0..4 {
        sender.meter.extra_track(true);
        let message = Message { arrived_ms: sender.now_ms, timestamp_ms: sender.video_ms as u32, bytes: 10 };
        sender.meter.video(message, false, 200);
        sender.send(1);
    }
    assert_eq!(sender.severity(IngestIssue::MultipleVideoStreams), Some(Severity::Info));
    assert_eq!(sender.severity(IngestIssue::BFrames), Some(Severity::Info));
    assert_eq!(sender.last().verdict, IngestVerdict::Good);
}

#[test]
fn nothing_a_peer_sends_makes_it_panic() {
    let mut meter = Meter::new(Limits { kbps_max: u64::MAX / 200 }, 0);
    let at = Timestamp::from_timestamp(0, 0).unwrap();
    let mut noise = 0x9e37_79b9_u32;
    for step in 0..200_000_i64 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let message =
            Message { arrived_ms: step * 7, timestamp_ms: noise.rotate_left(noise & 31), bytes: 1 << (noise & 23) };
        match noise >> 28 {
            0..=7 => meter.video(message, noise & 64 == 0, noise as i32 >> 8),
            8..=14 => meter.audio(message),
            _ => meter.audio_format(Some(AudioFormat { sample_rate: noise, frame_samples: noise >> 3, channels: 255 })),
        }
        if step % 143 == 0 {
            let _sample = meter.tick(step * 7, at, i32::MAX, u32::MAX);
        }
    }
}
