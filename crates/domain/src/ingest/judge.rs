//! When a measurement is called an issue. Each threshold says why it is where it is.
//!
//! An issue is raised after it held for [`RAISE_S`] seconds in a row and taken back after it did not for [`CLEAR_S`], so that
//! a lamp does not flicker at a threshold.

use super::{IngestFindings, IngestIssue, IngestVerdict, Severity};

/// Seconds an issue must hold before it is told: a single late packet is nobody's business.
const RAISE_S: u8 = 3;
/// Seconds it must be gone before it is taken back: longer, so that who looks up from the game can still read it.
const CLEAR_S: u8 = 8;
/// An encoder sends its first moments as fast as it can, and windows are not full yet.
const SETTLE_MS: i64 = 5_000;

/// Bits per pixel, in 1/1000, below which H.264 visibly falls apart even on calm pictures: 1080p30 at 1.2 Mbit/s.
const BITS_PER_KILOPIXEL_MIN: u64 = 20;
/// Without a known picture size: less than any moving picture needs.
const VIDEO_KBPS_FLOOR: u32 = 100;
/// Of the limit at which the server hangs up: time to turn it down.
const LIMIT_WARNING_PERCENT: u64 = 80;
const LIMIT_ERROR_PERCENT: u64 = 95;
/// Spread of four-second means, as a percentage of their mean. Four seconds hold a whole group of pictures, so that key frames
/// do not count; constant bit rate stays below 30, a line that breaks down for a few seconds goes above 80.
const SPREAD_PERCENT_MAX: u32 = 60;
/// A still picture coded by quality is uneven by nature.
const SPREAD_KBPS_MIN: u32 = 300;

/// Below it AAC-LC stereo is audibly poor. Silence is small too, hence no more than a hint.
const AUDIO_KBPS_MIN: u32 = 48;
/// What encoders offer at most; more is spent in vain.
const AUDIO_KBPS_MAX: u32 = 400;

/// A tenth of the frames missing is what viewers begin to see.
const FPS_WARNING_PERCENT: u32 = 90;
const FPS_ERROR_PERCENT: u32 = 60;
/// What screens and the lower renditions show, with room for rounding.
const FPS_MILLI_MAX: u32 = 61_000;
/// Uneven seconds of the last ten.
const UNEVEN_SECONDS_MAX: u8 = 3;

/// Recommended is 2 s; twice that still allows a segment per group. A little more for timestamps in milliseconds.
const KEYFRAME_WARNING_MS: i64 = 4_100;
/// Joining viewers wait for a key frame, and segments are cut without one.
const KEYFRAME_ERROR_MS: i64 = 10_100;
/// Key frames this close take most of the bits.
const KEYFRAME_MS_MIN: i64 = 500;
/// Differences below this leave segments even.
const KEYFRAME_SPREAD_MS_MIN: i64 = 500;

/// Three B-frames with a pyramid at 30 frames a second come to 133 ms; more adds delay and little quality.
const REORDER_MS_MAX: i32 = 140;

/// Beyond it a viewer's player must buffer one track for the other; lips go out of step at a tenth of it.
const AV_WARNING_MS: u32 = 500;
const AV_ERROR_MS: u32 = 2_000;

/// A part is 200 ms and players hold back three: what comes a second late stalls low-latency viewers.
const DELAY_WARNING_MS: i64 = 1_000;
/// Stalls viewers who hold back three segments of 2 s sooner or later.
const DELAY_ERROR_MS: i64 = 3_000;
/// Falling behind by a tenth is an encoder or a line that does not keep up.
const PACE_PERCENT_MIN: i64 = 90;
/// Gained on the clock within ten seconds: a file sent without `-re`.
const LEAD_MS_MAX: i64 = 1_000;

/// The way to the transcoder takes milliseconds; a second of media waiting means it hangs.
const QUEUE_WARNING_MS: u32 = 1_000;
const QUEUE_ERROR_MS: u32 = 3_000;

/// What the server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The bit rate at which it hangs up.
    pub kbps_max: u64,
}

/// A second's measurements as the rules need them.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Since the first message.
    pub age_ms: i64,
    pub has_data: bool,
    /// How long ago; `None`: never.
    pub video_ago_ms: Option<i64>,
    pub audio_ago_ms: Option<i64>,
    /// Means of the last ten seconds.
    pub video_kbps: u32,
    pub audio_kbps: u32,
    /// Largest minus smallest of six means of four seconds, and their mean.
    pub spread: Option<(u32, u32)>,
    pub pixels: Option<u64>,
    /// Of the last ten seconds by the frames' own timestamps, in 1/1000.
    pub fps_milli: Option<u32>,
    pub nominal_fps_milli: u32,
    pub uneven_seconds: u8,
    pub keyframe_ms: Option<i64>,
    /// Of the last key frame intervals: how many, the shortest, the longest.
    pub keyframes: (usize, i64, i64),
    pub reorder_ms: i32,
    pub av_offset_ms: Option<i32>,
    pub audio_drift_ms: Option<i32>,
    pub delay_ms: Option<i64>,
    pub pace_percent: Option<i64>,
    pub lead_ms: i64,
    pub queue_ms: u32,
    pub sample_rate: Option<u32>,
    pub channels: Option<u8>,
    pub has_extra_video: bool,
    pub has_extra_audio: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Latch {
    is_on: bool,
    /// Seconds in a row that say otherwise.
    against: u8,
}

impl Latch {
    fn update(&mut self, holds: bool) {
        if holds == self.is_on {
            self.against = 0;
            return;
        }
        self.against += 1;
        if self.against >= if self.is_on { CLEAR_S } else { RAISE_S } {
            *self = Self { is_on: holds, against: 0 };
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    at_all: Latch,
    error: Latch,
}

/// Which issues hold, and since when.
#[derive(Debug, Default)]
pub(super) struct Judge {
    holds: [Hold; IngestIssue::ALL.len()],
}

impl Judge {
    /// Judges one second.
    pub(super) fn judge(&mut self, limits: Limits, facts: &Facts) -> (IngestVerdict, IngestFindings) {
        let mut findings = IngestFindings::default();
        for issue in IngestIssue::ALL {
            let seen = if facts.has_data { severity(issue, limits, facts) } else { None };
            let hold = &mut self.holds[issue as usize];
            hold.at_all.update(seen.is_some());
            hold.error.update(seen == Some(Severity::Error));
            if hold.at_all.is_on {
                findings.add(issue, if hold.error.is_on { Severity::Error } else { issue.least_severity() });
            }
        }
        if !facts.has_data {
            return (IngestVerdict::NoData, IngestFindings::default());
        }
        let verdict = match findings.worst() {
            Some(Severity::Error) => IngestVerdict::Bad,
            Some(Severity::Warning) => IngestVerdict::Ok,
            Some(Severity::Info) | None => IngestVerdict::Good,
        };
        (verdict, findings)
    }
}

/// Whether an issue shows in this second, and how much.
fn severity(issue: IngestIssue, limits: Limits, facts: &Facts) -> Option<Severity> {
    use IngestIssue as I;

    let least = issue.least_severity();
    let when = |holds: bool| holds.then_some(least);
    let graded = |warning: bool, error: bool| if error { Some(Severity::Error) } else { when(warning) };
    let is_settled = facts.age_ms >= SETTLE_MS;
    match issue {
        I::NoAudioStream => missing(facts, facts.audio_ago_ms),
        I::NoVideoStream => missing(facts, facts.video_ago_ms),
        I::MultipleVideoStreams => when(facts.has_extra_video),
        I::MultipleAudioStreams => when(facts.has_extra_audio),
        I::AudioSampleRate => when(facts.sample_rate.is_some_and(|rate| !matches!(rate, 44_100 | 48_000))),
        I::AudioTooManyChannels => when(facts.channels.is_some_and(|channels| channels > 2)),
        I::GopSizeLong => {
            let longer_than = |ms| facts.keyframe_ms.is_some_and(|interval| interval > ms);
            graded(longer_than(KEYFRAME_WARNING_MS), longer_than(KEYFRAME_ERROR_MS))
        }
        I::ServerQueue => graded(facts.queue_ms > QUEUE_WARNING_MS, facts.queue_ms > QUEUE_ERROR_MS),
        _ if !is_settled => None,
        I::BitrateLow => when(flows(facts.video_ago_ms) && facts.video_kbps < enough_kbps(facts)),
        I::BitrateHigh => {
            let above =
                |percent| (u64::from(facts.video_kbps) + u64::from(facts.audio_kbps)) * 100 > limits.kbps_max * percent;
            graded(above(LIMIT_WARNING_PERCENT), above(LIMIT_ERROR_PERCENT))
        }
        I::BitrateUnstable => when(facts.spread.is_some_and(|(spread, mean)| {
            mean >= SPREAD_KBPS_MIN && spread > mean.saturating_mul(SPREAD_PERCENT_MAX) / 100
        })),
        I::AudioBitrateLow => when(flows(facts.audio_ago_ms) && facts.audio_kbps < AUDIO_KBPS_MIN),
        I::AudioBitrateHigh => when(facts.audio_kbps > AUDIO_KBPS_MAX),
        I::FrameRateLow => {
            let below = |percent| facts.fps_milli.is_some_and(|fps| fps < facts.nominal_fps_milli / 100 * percent);
            graded(below(FPS_WARNING_PERCENT), below(FPS_ERROR_PERCENT))
        }
        I::FrameRateUnstable => when(facts.uneven_seconds >= UNEVEN_SECONDS_MAX),
        I::FrameRateHigh => when(facts.fps_milli.is_some_and(|fps| fps > FPS_MILLI_MAX)),
        I::GopSizeShort => when(facts.keyframes.0 >= 4 && facts.keyframes.2 < KEYFRAME_MS_MIN),
        I::GopIrregular => {
            let (count, shortest, longest) = facts.keyframes;
            when(count >= 5 && longest > 2 * shortest && longest - shortest > KEYFRAME_SPREAD_MS_MIN)
        }
        I::BFrames => when(facts.reorder_ms > REORDER_MS_MAX),
        I::AudioVideoOffset => apart(facts.av_offset_ms, least),
        I::AudioVideoDrift => apart(facts.audio_drift_ms, least),
        I::VideoIngestionStarved => {
            let later_than = |ms| facts.delay_ms.is_some_and(|delay| delay > ms);
            let is_slow = facts.pace_percent.is_some_and(|pace| pace < PACE_PERCENT_MIN);
            graded(later_than(DELAY_WARNING_MS) || is_slow, later_than(DELAY_ERROR_MS))
        }
        I::VideoIngestionFasterThanRealtime => when(facts.lead_ms > LEAD_MS_MAX),
    }
}

fn flows(ago_ms: Option<i64>) -> bool {
    ago_ms.is_some_and(|ago_ms| ago_ms < super::NO_DATA_AFTER_MS)
}

/// A track that never came may be meant so; one that stopped is not.
fn missing(facts: &Facts, ago_ms: Option<i64>) -> Option<Severity> {
    match ago_ms {
        None => (facts.age_ms >= super::NO_DATA_AFTER_MS).then_some(Severity::Warning),
        Some(ago_ms) => (ago_ms >= super::NO_DATA_AFTER_MS).then_some(Severity::Error),
    }
}

fn apart(ms: Option<i32>, least: Severity) -> Option<Severity> {
    match ms?.unsigned_abs() {
        ms if ms > AV_ERROR_MS => Some(Severity::Error),
        ms if ms > AV_WARNING_MS => Some(least),
        _ => None,
    }
}

fn enough_kbps(facts: &Facts) -> u32 {
    let Some((pixels, fps)) = facts.pixels.zip(facts.fps_milli) else { return VIDEO_KBPS_FLOOR };
    let bits = pixels.saturating_mul(u64::from(fps)) / 1_000 * BITS_PER_KILOPIXEL_MIN / 1_000;
    u32::try_from(bits / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { kbps_max: 10_000 };

    fn healthy() -> Facts {
        Facts {
            age_ms: 60_000,
            has_data: true,
            video_ago_ms: Some(10),
            audio_ago_ms: Some(10),
            video_kbps: 4_500,
            audio_kbps: 160,
            spread: Some((300, 4_500)),
            pixels: Some(1_920 * 1_080),
            fps_milli: Some(30_000),
            nominal_fps_milli: 30_000,
            keyframe_ms: Some(2_000),
            keyframes: (8, 2_000, 2_000),
            reorder_ms: 66,
            av_offset_ms: Some(20),
            audio_drift_ms: Some(-3),
            delay_ms: Some(40),
            pace_percent: Some(100),
            sample_rate: Some(48_000),
            channels: Some(2),
            ..Facts::default()
        }
    }

    fn settled(facts: &Facts) -> (IngestVerdict, Vec<(IngestIssue, Severity)>) {
        let mut judge = Judge::default();
        for _second in 1..RAISE_S {
            judge.judge(LIMITS, facts);
        }
        let (verdict, findings) = judge.judge(LIMITS, facts);
        (verdict, findings.iter().map(|finding| (finding.issue, finding.severity)).collect())
    }

    #[test]
    fn a_healthy_stream_is_good() {
        assert_eq!(settled(&healthy()), (IngestVerdict::Good, vec![]));
    }

    #[test]
    fn each_issue_is_raised_by_its_own_measurement_and_by_no_other() {
        use IngestIssue as I;
        use Severity::{Error, Info, Warning};
        type Case = (I, Severity, fn(&mut Facts));
        let cases: [Case; 33] = [
            (I::BitrateLow, Warning, |f| f.video_kbps = 1_200),
            (I::BitrateLow, Warning, |f| (f.pixels, f.video_kbps) = (None, 99)),
            (I::BitrateHigh, Warning, |f| f.video_kbps = 8_000),
            (I::BitrateHigh, Error, |f| f.video_kbps = 9_500),
            (I::BitrateUnstable, Warning, |f| f.spread = Some((5_000, 4_500))),
            (I::AudioBitrateLow, Info, |f| f.audio_kbps = 32),
            (I::AudioBitrateHigh, Info, |f| f.audio_kbps = 500),
            (I::AudioSampleRate, Warning, |f| f.sample_rate = Some(22_050)),
            (I::AudioTooManyChannels, Info, |f| f.channels = Some(6)),
            (I::NoAudioStream, Warning, |f| f.audio_ago_ms = None),
            (I::NoAudioStream, Error, |f| f.audio_ago_ms = Some(3_000)),
            (I::NoVideoStream, Warning, |f| f.video_ago_ms = None),
            (I::NoVideoStream, Error, |f| f.video_ago_ms = Some(3_000)),
            (I::MultipleVideoStreams, Info, |f| f.has_extra_video = true),
            (I::MultipleAudioStreams, Info, |f| f.has_extra_audio = true),
            (I::FrameRateLow, Warning, |f| f.fps_milli = Some(26_900)),
            (I::FrameRateLow, Error, |f| f.fps_milli = Some(17_900)),
            (I::FrameRateUnstable, Warning, |f| f.uneven_seconds = 3),
            (I::FrameRateHigh, Info, |f| {
                (f.fps_milli, f.nominal_fps_milli, f.video_kbps) = (Some(62_000), 62_000, 7_000)
            }),
            (I::GopSizeLong, Warning, |f| f.keyframe_ms = Some(5_000)),
            (I::GopSizeLong, Error, |f| f.keyframe_ms = Some(10_200)),
            (I::GopSizeShort, Warning, |f| f.keyframes = (8, 300, 400)),
            (I::GopIrregular, Info, |f| f.keyframes = (8, 500, 2_000)),
            (I::BFrames, Info, |f| f.reorder_ms = 166),
            (I::AudioVideoOffset, Warning, |f| f.av_offset_ms = Some(-501)),
            (I::AudioVideoOffset, Error, |f| f.av_offset_ms = Some(2_001)),
            (I::AudioVideoDrift, Warning, |f| f.audio_drift_ms = Some(501)),
            (I::VideoIngestionStarved, Warning, |f| f.delay_ms = Some(1_001)),
            (I::VideoIngestionStarved, Warning, |f| f.pace_percent = Some(89)),
            (I::VideoIngestionStarved, Error, |f| f.delay_ms = Some(3_001)),
            (I::VideoIngestionFasterThanRealtime, Warning, |f| f.lead_ms = 1_001),
            (I::ServerQueue, Warning, |f| f.queue_ms = 1_001),
            (I::ServerQueue, Error, |f| f.queue_ms = 3_001),
        ];
        let mut raised = std::collections::HashSet::new();
        for (issue, severity, spoil) in cases {
            let mut facts = healthy();
            spoil(&mut facts);
            let verdict = match severity {
                Info => IngestVerdict::Good,
                Warning => IngestVerdict::Ok,
                Error => IngestVerdict::Bad,
            };
            assert_eq!(settled(&facts), (verdict, vec![(issue, severity)]));
            raised.insert(issue);
        }
        assert_eq!(raised.len(), IngestIssue::ALL.len(), "every issue has its case");
    }

    #[test]
    fn an_issue_comes_after_three_seconds_and_goes_after_eight() {
        let (mut judge, healthy, mut late) = (Judge::default(), healthy(), healthy());
        late.delay_ms = Some(2_000);
        let mut verdicts = Vec::new();
        for second in 0..24 {
            let facts = if (2..6).contains(&second) || second == 9 { &late } else { &healthy };
            verdicts.push(judge.judge(LIMITS, facts).0 == IngestVerdict::Ok);
        }
        let on: Vec<usize> = verdicts.iter().enumerate().filter_map(|(second, on)| on.then_some(second)).collect();
        assert_eq!(on, (4..17).collect::<Vec<_>>(), "one late second keeps it, but does not raise it");
    }

    #[test]
    fn without_data_nothing_is_judged() {
        let facts = Facts { has_data: false, queue_ms: 9_000, ..healthy() };
        assert_eq!(settled(&facts), (IngestVerdict::NoData, vec![]));
    }

    #[test]
    fn the_first_moments_are_not_held_against_anybody() {
        let facts = Facts { age_ms: 4_000, video_kbps: 0, lead_ms: 5_000, delay_ms: Some(9_000), ..healthy() };
        assert_eq!(settled(&facts).0, IngestVerdict::Good);
    }
}
