//! What is counted per message, and what is made of it once a second.
//!
//! A message costs a few additions and comparisons of integers. Moments are milliseconds since any fixed moment of the caller's;
//! RTMP timestamps are milliseconds modulo 2^32 and only ever compared with their neighbours.

use super::judge::{Facts, Judge};
use super::{IngestSample, Limits, NO_DATA_AFTER_MS, tenths};
use crate::Timestamp;

/// A track behind itself by more than this, or ahead of real time by more than [`JUMP_FORWARD_MS`] from one message to the
/// next: the sender's clock was set anew, and everything measured against it begins anew.
const JUMP_BACK_MS: i64 = 1_000;
const JUMP_FORWARD_MS: i64 = 10_000;
/// A pause in audio that is a pause and not drift.
const AUDIO_PAUSE_MS: i64 = 500;
/// How far crystal clocks differ at most, as parts of a million: what the most punctual frame is forgiven per time.
const SKEW_PPM: i64 = 100;
/// Rates are judged over this many seconds.
const WINDOW: usize = 10;
/// Bit rates of this many seconds tell whether they are steady: six groups of four.
const SPREAD_WINDOW: usize = 24;
const SPREAD_GROUP: usize = 4;
/// Key frame intervals that are compared.
const KEYFRAMES: usize = 8;
/// A window says something from this many seconds on.
const WINDOW_MIN: usize = 5;
/// Extra tracks are remembered for this long.
const EXTRA_MEMORY_S: u8 = 10;

/// A media message of the publisher.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub arrived_ms: i64,
    /// As RTMP says it.
    pub timestamp_ms: u32,
    pub bytes: usize,
}

/// What a video header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoFormat {
    pub width: u32,
    pub height: u32,
    /// Frames per 1,000 seconds, when it is said.
    pub fps_milli: Option<u32>,
    /// A codec that needs half the bits of H.264.
    pub is_efficient: bool,
}

impl VideoFormat {
    /// Pixels of H.264 that take as many bits.
    fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height) / if self.is_efficient { 2 } else { 1 }
    }
}

/// What an audio header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioFormat {
    pub sample_rate: u32,
    /// Samples per message; 0 when that varies.
    pub frame_samples: u32,
    pub channels: u8,
}

/// The last `N` seconds of something.
#[derive(Debug)]
struct Ring<T, const N: usize> {
    items: [T; N],
    count: usize,
}

impl<T: Copy + Default, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self { items: [T::default(); N], count: 0 }
    }
}

impl<T: Copy, const N: usize> Ring<T, N> {
    fn push(&mut self, item: T) {
        self.items[self.count % N] = item;
        self.count += 1;
    }

    fn len(&self) -> usize {
        self.count.min(N)
    }

    /// In no order.
    fn all(&self) -> &[T] {
        &self.items[..self.len()]
    }

    /// The `number` newest, newest first.
    fn newest(&self, number: usize) -> impl Iterator<Item = T> {
        (1..=number.min(self.len())).map(|back| self.items[(self.count - back) % N])
    }
}

/// The clock of one track.
#[derive(Debug, Default)]
struct Track {
    last: Option<u32>,
    arrived_ms: i64,
    /// Timestamps without wraps, from 0.
    at_ms: i64,
}

/// What a message means for its track's clock.
enum Step {
    First,
    Jump,
    By(i64),
}

impl Track {
    fn step(&mut self, message: Message) -> Step {
        let before = self.last.replace(message.timestamp_ms);
        let waited_ms = message.arrived_ms - std::mem::replace(&mut self.arrived_ms, message.arrived_ms);
        let Some(before) = before else { return Step::First };
        // The difference as a signed number is right across the wrap.
        let by = i64::from(message.timestamp_ms.wrapping_sub(before) as i32);
        if by < -JUMP_BACK_MS || by - waited_ms > JUMP_FORWARD_MS {
            return Step::Jump;
        }
        self.at_ms += by;
        Step::By(by)
    }

    fn ago_ms(&self, now_ms: i64) -> Option<i64> {
        self.last.map(|_| now_ms - self.arrived_ms)
    }
}

/// Counted since the last tick.
#[derive(Debug, Default)]
struct Second {
    video_bytes: u64,
    audio_bytes: u64,
    frames: u32,
    /// Messages of the leading track.
    led: u32,
    /// Its clock began, or began anew.
    has_begun: bool,
    advance_ms: i64,
    pause_ms_max: i64,
    lag_ms_max: i64,
    lead_us: i64,
    reorder_ms_max: i32,
}

/// A second that is over, as windows keep it.
#[derive(Debug, Clone, Copy, Default)]
struct Past {
    elapsed_ms: i64,
    frames: u32,
    video_advance_ms: i64,
    advance_ms: i64,
    lead_us: i64,
    video_bytes: u64,
    audio_bytes: u64,
    is_uneven: bool,
}

/// Measures one connection of a publisher.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    judge: Judge,
    video: Track,
    audio: Track,
    video_format: Option<VideoFormat>,
    audio_format: Option<AudioFormat>,
    second: Second,
    /// Of the picture alone, since the last tick.
    video_advance_ms: i64,
    /// Punctuality is measured by the picture, or by the sound while there is no picture.
    is_led_by_audio: bool,
    first_ms: Option<i64>,
    ticked_ms: i64,
    /// Arrival minus timestamp of the most punctual message, in microseconds.
    punctual_us: Option<i64>,
    since_key_ms: i64,
    has_key: bool,
    keyframe_ms: Option<i64>,
    /// Audio messages, and the pauses between them, since the audio clock began.
    audio_messages: i64,
    audio_begin_ms: i64,
    offset_ms: Option<i32>,
    best_fps_milli: u32,
    extra_video_s: u8,
    extra_audio_s: u8,
    past: Ring<Past, WINDOW>,
    kbps: Ring<u32, SPREAD_WINDOW>,
    keyframes: Ring<i64, KEYFRAMES>,
}

impl Meter {
    /// Begins at `now_ms`.
    pub fn new(limits: Limits, now_ms: i64) -> Self {
        Self {
            limits,
            judge: Judge::default(),
            video: Track::default(),
            audio: Track::default(),
            video_format: None,
            audio_format: None,
            second: Second::default(),
            video_advance_ms: 0,
            is_led_by_audio: false,
            first_ms: None,
            ticked_ms: now_ms,
            punctual_us: None,
            since_key_ms: 0,
            has_key: false,
            keyframe_ms: None,
            audio_messages: 0,
            audio_begin_ms: 0,
            offset_ms: None,
            best_fps_milli: 0,
            extra_video_s: 0,
            extra_audio_s: 0,
            past: Ring::default(),
            kbps: Ring::default(),
            keyframes: Ring::default(),
        }
    }

    /// A frame of video. `reorder_ms` is its composition offset.
    pub fn video(&mut self, message: Message, is_key: bool, reorder_ms: i32) {
        self.second.video_bytes += message.bytes as u64;
        self.second.frames += 1;
        self.second.reorder_ms_max = self.second.reorder_ms_max.max(reorder_ms);
        match self.video.step(message) {
            Step::By(by) => {
                self.second.pause_ms_max = self.second.pause_ms_max.max(by);
                self.video_advance_ms += by;
                self.since_key_ms += by;
                match self.is_led_by_audio {
                    true => self.begin(message.arrived_ms, self.video.at_ms),
                    false => self.lead(message.arrived_ms, self.video.at_ms, by),
                }
            }
            Step::First | Step::Jump => {
                (self.has_key, self.since_key_ms) = (false, 0);
                self.offset_ms = None;
                self.begin(message.arrived_ms, self.video.at_ms);
            }
        }
        self.is_led_by_audio = false;
        if is_key {
            if std::mem::replace(&mut self.has_key, true) {
                self.keyframe_ms = Some(self.since_key_ms);
                self.keyframes.push(self.since_key_ms);
            }
            self.since_key_ms = 0;
        }
    }

    /// A frame of audio.
    pub fn audio(&mut self, message: Message) {
        self.second.audio_bytes += message.bytes as u64;
        let is_alone = self.video.ago_ms(message.arrived_ms).is_none_or(|ago| ago > NO_DATA_AFTER_MS);
        match self.audio.step(message) {
            Step::By(by) => {
                if by > AUDIO_PAUSE_MS {
                    // This message takes the place of the last one, moved behind the pause.
                    self.audio_begin_ms += by;
                    self.audio_messages -= 1;
                }
                match is_alone {
                    true if self.is_led_by_audio => self.lead(message.arrived_ms, self.audio.at_ms, by),
                    true => self.begin(message.arrived_ms, self.audio.at_ms),
                    false => {}
                }
            }
            Step::First | Step::Jump => {
                (self.audio_messages, self.audio_begin_ms) = (0, self.audio.at_ms);
                self.offset_ms = None;
                if is_alone {
                    self.begin(message.arrived_ms, self.audio.at_ms);
                }
            }
        }
        self.is_led_by_audio = is_alone;
        self.audio_messages += 1;
    }

    pub fn video_format(&mut self, format: Option<VideoFormat>) {
        self.video_format = format;
    }

    pub fn audio_format(&mut self, format: Option<AudioFormat>) {
        if self.audio_format != format {
            self.audio_format = format;
            (self.audio_messages, self.audio_begin_ms) = (0, self.audio.at_ms);
        }
    }

    /// A message with tracks besides the first came.
    pub fn extra_track(&mut self, is_video: bool) {
        *(if is_video { &mut self.extra_video_s } else { &mut self.extra_audio_s }) = EXTRA_MEMORY_S;
    }

    /// The leading track's clock begins, or begins anew: nothing is late yet.
    fn begin(&mut self, arrived_ms: i64, at_ms: i64) {
        self.first_ms.get_or_insert(arrived_ms);
        self.punctual_us = Some((arrived_ms - at_ms) * 1_000);
        self.second.led += 1;
        self.second.has_begun = true;
    }

    fn lead(&mut self, arrived_ms: i64, at_ms: i64, by: i64) {
        self.second.led += 1;
        self.second.advance_ms += by;
        let lag_us = (arrived_ms - at_ms) * 1_000;
        let punctual_us = *self.punctual_us.get_or_insert(lag_us);
        if lag_us < punctual_us {
            self.second.lead_us += punctual_us - lag_us;
            self.punctual_us = Some(lag_us);
        } else {
            self.second.lag_ms_max = self.second.lag_ms_max.max((lag_us - punctual_us) / 1_000);
        }
    }

    /// Closes the second. `queue_ms` is the media that waits inside the server.
    pub fn tick(&mut self, now_ms: i64, at: Timestamp, epoch: i32, queue_ms: u32) -> IngestSample {
        let elapsed_ms = (now_ms - std::mem::replace(&mut self.ticked_ms, now_ms)).max(1);
        let second = std::mem::take(&mut self.second);
        let video_advance_ms = std::mem::take(&mut self.video_advance_ms);
        let (video_ago_ms, audio_ago_ms) = (self.video.ago_ms(now_ms), self.audio.ago_ms(now_ms));
        let has_data = [video_ago_ms, audio_ago_ms].into_iter().flatten().any(|ago| ago < NO_DATA_AFTER_MS);
        let age_ms = self.first_ms.map_or(0, |first| now_ms - first);

        let delay_ms = self.delay_ms(now_ms, elapsed_ms, &second);
        let per_second = |bytes: u64| (bytes * 8).checked_div(elapsed_ms as u64).unwrap_or(0) as u32;
        let (video_kbps, audio_kbps) = (per_second(second.video_bytes), per_second(second.audio_bytes));
        let nominal = self.nominal_fps_milli();
        // A clock that began in this second says nothing about it, nor does a picture that stopped while sound goes on.
        let tells_pace = !second.has_begun && (second.led > 0 || second.audio_bytes == 0);
        self.past.push(Past {
            elapsed_ms,
            frames: second.frames,
            video_advance_ms,
            advance_ms: if tells_pace { second.advance_ms } else { elapsed_ms },
            lead_us: second.lead_us,
            video_bytes: second.video_bytes,
            audio_bytes: second.audio_bytes,
            is_uneven: nominal > 0 && second.pause_ms_max * i64::from(nominal) > 3_500_000,
        });
        if self.first_ms.is_some() {
            self.kbps.push(video_kbps);
        }
        self.offset_ms = self.offset(video_ago_ms, audio_ago_ms);
        let mut facts = self.facts(age_ms);
        (facts.has_data, facts.video_ago_ms, facts.audio_ago_ms) = (has_data, video_ago_ms, audio_ago_ms);
        (facts.delay_ms, facts.queue_ms, facts.reorder_ms) = (delay_ms, queue_ms, second.reorder_ms_max);
        self.extra_video_s = self.extra_video_s.saturating_sub(1);
        self.extra_audio_s = self.extra_audio_s.saturating_sub(1);
        let (verdict, issues) = self.judge.judge(self.limits, &facts);
        IngestSample {
            at,
            epoch,
            verdict,
            issues,
            video_kbps,
            audio_kbps,
            fps: tenths(f64::from(second.frames) * 1_000.0 / elapsed_ms as f64),
            keyframe_ms: facts.keyframe_ms.map(|ms| u32::try_from(ms).unwrap_or(0)),
            av_offset_ms: facts.av_offset_ms,
            audio_drift_ms: facts.audio_drift_ms,
            delay_ms: delay_ms.map(|ms| u32::try_from(ms).unwrap_or(0)),
            pace: facts.pace_percent.map(|percent| percent as f64 / 100.0),
            queue_ms,
        }
    }

    /// The latest of what came; of a silence, how long it lasts.
    fn delay_ms(&mut self, now_ms: i64, elapsed_ms: i64, second: &Second) -> Option<i64> {
        let punctual_us = self.punctual_us.as_mut()?;
        *punctual_us += elapsed_ms * SKEW_PPM / 1_000;
        if second.led > 0 {
            return Some(second.lag_ms_max);
        }
        if second.audio_bytes > 0 {
            // The picture stopped alone, which is another matter.
            return None;
        }
        let at_ms = if self.is_led_by_audio { self.audio.at_ms } else { self.video.at_ms };
        Some((now_ms - at_ms - *punctual_us / 1_000).max(0))
    }

    /// Smoothed over four seconds: senders interleave in lumps.
    fn offset(&self, video_ago_ms: Option<i64>, audio_ago_ms: Option<i64>) -> Option<i32> {
        let is_there = |ago: Option<i64>| ago.is_some_and(|ago| ago < NO_DATA_AFTER_MS);
        if !is_there(video_ago_ms) || !is_there(audio_ago_ms) {
            return None;
        }
        let now = self.video.last?.wrapping_sub(self.audio.last?) as i32;
        let before = i64::from(self.offset_ms.unwrap_or(now));
        Some(((before * 3 + i64::from(now)) / 4) as i32)
    }

    /// What the header says where it is believable, else the best seen: some headers count fields, or a rate that is never
    /// reached.
    fn nominal_fps_milli(&self) -> u32 {
        let best = self.best_fps_milli;
        let said = self.video_format.and_then(|format| format.fps_milli);
        said.filter(|said| *said >= best / 100 * 95 && *said / 100 * 62 <= best).unwrap_or(best)
    }

    fn facts(&mut self, age_ms: i64) -> Facts {
        let sum = |of: fn(&Past) -> i64| self.past.all().iter().map(of).sum::<i64>();
        let elapsed_ms = sum(|past| past.elapsed_ms).max(1);
        let (frames, video_advance_ms) = (sum(|past| i64::from(past.frames)), sum(|past| past.video_advance_ms));
        let is_full = self.past.len() >= WINDOW_MIN;
        let kbps = |bytes: i64| u32::try_from(bytes * 8 / elapsed_ms).unwrap_or(u32::MAX);
        let (video_kbps, audio_kbps) =
            (kbps(sum(|past| past.video_bytes as i64)), kbps(sum(|past| past.audio_bytes as i64)));
        let pace_percent = (is_full && age_ms >= elapsed_ms).then(|| sum(|past| past.advance_ms) * 100 / elapsed_ms);
        let lead_ms = if age_ms >= elapsed_ms { sum(|past| past.lead_us) / 1_000 } else { 0 };
        let uneven_seconds = self.past.all().iter().filter(|past| past.is_uneven).count() as u8;
        let fps_milli = (is_full && video_advance_ms > 4_000).then(|| (frames * 1_000_000 / video_advance_ms) as u32);
        if let Some(fps) = fps_milli {
            // Forgets half in about ten minutes, so that a rate chosen anew in mid-stream is accepted some time.
            self.best_fps_milli = (self.best_fps_milli - self.best_fps_milli / 1_000).max(fps);
        }
        // Before the second key frame the time since the first is no interval, unless it is a long one.
        let is_telling = self.keyframe_ms.is_some() || self.since_key_ms > NO_DATA_AFTER_MS;
        let since_key_ms = is_telling.then_some(self.since_key_ms);
        Facts {
            age_ms,
            video_kbps,
            audio_kbps,
            spread: self.spread(),
            pixels: self.video_format.map(VideoFormat::pixels),
            fps_milli,
            nominal_fps_milli: self.nominal_fps_milli(),
            uneven_seconds,
            keyframe_ms: self.keyframe_ms.max(since_key_ms),
            keyframes: (
                self.keyframes.len(),
                self.keyframes.all().iter().copied().min().unwrap_or(0),
                self.keyframes.all().iter().copied().max().unwrap_or(0),
            ),
            av_offset_ms: self.offset_ms,
            audio_drift_ms: self.audio_drift(),
            pace_percent,
            lead_ms,
            sample_rate: self.audio_format.map(|format| format.sample_rate),
            channels: self.audio_format.map(|format| format.channels),
            has_extra_video: self.extra_video_s > 0,
            has_extra_audio: self.extra_audio_s > 0,
            ..Facts::default()
        }
    }

    fn spread(&self) -> Option<(u32, u32)> {
        if self.kbps.len() < SPREAD_WINDOW {
            return None;
        }
        let mut groups = [0_u32; SPREAD_WINDOW / SPREAD_GROUP];
        for (index, kbps) in self.kbps.newest(SPREAD_WINDOW).enumerate() {
            groups[index / SPREAD_GROUP] += kbps / SPREAD_GROUP as u32;
        }
        let (least, most) = (groups.iter().min()?, groups.iter().max()?);
        Some((most - least, groups.iter().sum::<u32>() / groups.len() as u32))
    }

    fn audio_drift(&self) -> Option<i32> {
        let format = self.audio_format.filter(|format| format.frame_samples > 0 && format.sample_rate > 0)?;
        let before_last = self.audio_messages.checked_sub(1).filter(|count| *count > 0)?;
        let sounded_ms = before_last * i64::from(format.frame_samples) * 1_000 / i64::from(format.sample_rate);
        i32::try_from(sounded_ms - (self.audio.at_ms - self.audio_begin_ms)).ok()
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
