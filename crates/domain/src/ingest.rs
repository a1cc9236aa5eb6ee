//! How well a broadcaster's media arrives: the words that ingest, API, webhooks and studio share.
//!
//! Owns what is measured once a second, what can be wrong with it, and when it is called wrong. [`Meter`] is fed with numbers
//! only; it reads no clock, no bytes and no network. Names are public and stored: add, never rename.

mod judge;
mod meter;

use std::fmt;

use serde::de::IgnoredAny;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

pub use judge::Limits;
pub use meter::{AudioFormat, Message, Meter, VideoFormat};

/// Nothing arrived for this long: there is nothing to judge. Longer than a hiccup, shorter than the ten seconds after which a
/// silent publisher is given up. Also the age from which a reader no longer believes the newest sample.
pub const NO_DATA_AFTER_MS: i64 = 3_000;
/// A reader hears of a second with this delay at most when all is well: lane, queue, Redis, socket.
pub const STALE_AFTER_MS: i64 = 5_000;

/// The sum of it, for a lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IngestVerdict {
    Good,
    /// Viewers can watch; something should be changed.
    Ok,
    /// Viewers notice.
    Bad,
    /// Nothing arrives, or the broadcaster is reconnecting.
    NoData,
}

impl IngestVerdict {
    pub const ALL: [Self; 4] = [Self::Good, Self::Ok, Self::Bad, Self::NoData];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::NoData => "noData",
        }
    }

    /// The larger, the more a broadcaster should look at it.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Ok => 1,
            Self::NoData => 2,
            Self::Bad => 3,
        }
    }
}

/// How much an issue hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; does not change the verdict.
    Info,
    Warning,
    Error,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! issues {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What can be wrong with what arrives. The words are those of YouTube's Live API where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum IngestIssue {
            $($(#[$doc])* #[serde(rename = $text)] $name),+
        }

        impl IngestIssue {
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

issues! {
    /// Too few bits for so many pixels.
    BitrateLow = "bitrateLow",
    /// Near the limit at which the server hangs up.
    BitrateHigh = "bitrateHigh",
    BitrateUnstable = "bitrateUnstable",
    AudioBitrateLow = "audioBitrateLow",
    AudioBitrateHigh = "audioBitrateHigh",
    AudioSampleRate = "audioSampleRate",
    AudioTooManyChannels = "audioTooManyChannels",
    NoAudioStream = "noAudioStream",
    NoVideoStream = "noVideoStream",
    /// Only the first video track is used.
    MultipleVideoStreams = "multipleVideoStreams",
    /// Only the first audio track is used.
    MultipleAudioStreams = "multipleAudioStreams",
    /// The encoder leaves frames out.
    FrameRateLow = "frameRateLow",
    /// Frames come at uneven times.
    FrameRateUnstable = "frameRateUnstable",
    FrameRateHigh = "frameRateHigh",
    /// Key frames are too far apart.
    GopSizeLong = "gopSizeLong",
    GopSizeShort = "gopSizeShort",
    /// Key frames are now near, now far from each other.
    GopIrregular = "gopIrregular",
    /// Reordered frames cost delay.
    BFrames = "bFrames",
    /// Picture and sound of the same moment are sent at different times.
    AudioVideoOffset = "audioVideoOffset",
    /// There is more or less sound than its timestamps have room for.
    AudioVideoDrift = "audioVideoDrift",
    /// Media arrives later and later: the line or the encoder cannot keep up.
    VideoIngestionStarved = "videoIngestionStarved",
    VideoIngestionFasterThanRealtime = "videoIngestionFasterThanRealtime",
    /// What arrived waits inside the server. Not the broadcaster's fault.
    ServerQueue = "serverQueue",
}

impl IngestIssue {
    /// How much it hurts at least.
    pub const fn least_severity(self) -> Severity {
        match self {
            Self::AudioBitrateLow
            | Self::AudioBitrateHigh
            | Self::AudioTooManyChannels
            | Self::MultipleVideoStreams
            | Self::MultipleAudioStreams
            | Self::FrameRateHigh
            | Self::GopIrregular
            | Self::BFrames => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for IngestIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One issue that holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestFinding {
    #[serde(rename = "type")]
    pub issue: IngestIssue,
    pub severity: Severity,
}

/// All issues that hold now. A list on the wire, the worst first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestFindings([Option<Severity>; IngestIssue::ALL.len()]);

impl IngestFindings {
    pub fn add(&mut self, issue: IngestIssue, severity: Severity) {
        let slot = &mut self.0[issue as usize];
        *slot = (*slot).max(Some(severity));
    }

    pub fn get(&self, issue: IngestIssue) -> Option<Severity> {
        self.0[issue as usize]
    }

    /// The worst first.
    pub fn iter(&self) -> impl Iterator<Item = IngestFinding> {
        [Severity::Error, Severity::Warning, Severity::Info].into_iter().flat_map(move |severity| {
            let of_severity = IngestIssue::ALL.into_iter().filter(move |issue| self.get(*issue) == Some(severity));
            of_severity.map(move |issue| IngestFinding { issue, severity })
        })
    }

    pub fn merge(&mut self, other: &Self) {
        for finding in other.iter() {
            self.add(finding.issue, finding.severity);
        }
    }

    pub fn worst(&self) -> Option<Severity> {
        self.0.iter().copied().max().flatten()
    }
}

impl Serialize for IngestFindings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.iter().count()))?;
        for finding in self.iter() {
            list.serialize_element(&finding)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for IngestFindings {
    /// Issues of a newer version are left out: nodes of two versions run side by side during an upgrade.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Item {
            Known(IngestFinding),
            Unknown(IgnoredAny),
        }
        let mut findings = Self::default();
        for item in Vec::<Item>::deserialize(deserializer)? {
            match item {
                Item::Known(finding) => findings.add(finding.issue, finding.severity),
                Item::Unknown(IgnoredAny) => {}
            }
        }
        Ok(findings)
    }
}

/// One second of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IngestSample {
    /// The second's end, on the server's clock.
    pub at: Timestamp,
    /// Which publish of the stream: grows with each reconnect, from 1.
    pub epoch: i32,
    pub verdict: IngestVerdict,
    pub issues: IngestFindings,
    pub video_kbps: u32,
    pub audio_kbps: u32,
    /// Frames that arrived.
    pub fps: f64,
    /// The last distance between two key frames, or the time since the last one when that is longer.
    pub keyframe_ms: Option<u32>,
    /// How far the newest picture is ahead of the newest sound.
    pub av_offset_ms: Option<i32>,
    /// Sound delivered beyond what its timestamps say, since the connection began.
    pub audio_drift_ms: Option<i32>,
    /// How much later than its timestamp media arrived, measured against the most punctual frame.
    pub delay_ms: Option<u32>,
    /// Media time per real time over ten seconds; 1 is as it should be.
    pub pace: Option<f64>,
    /// Media waiting for the transcoder.
    pub queue_ms: u32,
}

impl IngestSample {
    /// A second in which nothing came.
    pub const fn no_data(at: Timestamp, epoch: i32) -> Self {
        Self {
            at,
            epoch,
            verdict: IngestVerdict::NoData,
            issues: IngestFindings([None; IngestIssue::ALL.len()]),
            video_kbps: 0,
            audio_kbps: 0,
            fps: 0.0,
            keyframe_ms: None,
            av_offset_ms: None,
            audio_drift_ms: None,
            delay_ms: None,
            pace: None,
            queue_ms: 0,
        }
    }

    /// Several seconds as one: rates are averaged, of everything else the worst is kept. `None` for no seconds.
    pub fn summary(samples: &[Self]) -> Option<Self> {
        let last = samples.last()?;
        let count = samples.len();
        let mean = |of: fn(&Self) -> u32| {
            let sum: u64 = samples.iter().map(|sample| u64::from(of(sample))).sum();
            u32::try_from(sum / count as u64).unwrap_or(u32::MAX)
        };
        let widest =
            |of: fn(&Self) -> Option<i32>| samples.iter().filter_map(of).max_by_key(|value| value.unsigned_abs());
        let most = |of: fn(&Self) -> Option<u32>| samples.iter().filter_map(of).max();
        let mut issues = IngestFindings::default();
        samples.iter().for_each(|sample| issues.merge(&sample.issues));
        let worst = samples.iter().max_by_key(|sample| sample.verdict.rank()).unwrap_or(last);
        Some(Self {
            verdict: worst.verdict,
            issues,
            video_kbps: mean(|sample| sample.video_kbps),
            audio_kbps: mean(|sample| sample.audio_kbps),
            fps: tenths(samples.iter().map(|sample| sample.fps).sum::<f64>() / count as f64),
            keyframe_ms: most(|sample| sample.keyframe_ms),
            av_offset_ms: widest(|sample| sample.av_offset_ms),
            audio_drift_ms: widest(|sample| sample.audio_drift_ms),
            delay_ms: most(|sample| sample.delay_ms),
            queue_ms: samples.iter().map(|sample| sample.queue_ms).max().unwrap_or(0),
            ..*last
        })
    }
}

/// One decimal is what anybody reads.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_those_in_the_code() {
        for issue in IngestIssue::ALL {
            assert_eq!(serde_json::to_value(issue).unwrap(), issue.as_str());
        }
        for verdict in IngestVerdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
    }

    #[test]
    fn findings_are_a_list_with_the_worst_first_and_strange_ones_are_left_out() {
        let mut findings = IngestFindings::default();
        findings.add(IngestIssue::BFrames, Severity::Info);
        findings.add(IngestIssue::GopSizeLong, Severity::Warning);
        findings.add(IngestIssue::GopSizeLong, Severity::Error);
        let text = serde_json::to_string(&findings).unwrap();
        assert_eq!(text, r#"[{"type":"gopSizeLong","severity":"error"},{"type":"bFrames","severity":"info"}]"#);
        assert_eq!(serde_json::from_str::<IngestFindings>(&text).unwrap(), findings);
        let newer = r#"[{"type":"smellsOdd","severity":"dire"},{"type":"bFrames","severity":"info"}]"#;
        assert_eq!(serde_json::from_str::<IngestFindings>(newer).unwrap().iter().count(), 1);
    }

    #[test]
    fn a_summary_keeps_the_worst_and_averages_rates() {
        let at = Timestamp::from_timestamp(1_000, 0).unwrap();
        let mut good = IngestSample { verdict: IngestVerdict::Good, ..IngestSample::no_data(at, 2) };
        good.video_kbps = 1_000;
        let mut bad = good;
        bad.verdict = IngestVerdict::Bad;
        bad.video_kbps = 2_000;
        bad.av_offset_ms = Some(-700);
        bad.issues.add(IngestIssue::AudioVideoOffset, Severity::Warning);
        let mut later = good;
        later.at = Timestamp::from_timestamp(1_002, 0).unwrap();
        later.av_offset_ms = Some(20);
        let summary = IngestSample::summary(&[good, bad, later]).unwrap();
        assert_eq!((summary.verdict, summary.video_kbps), (IngestVerdict::Bad, 1_333));
        assert_eq!((summary.av_offset_ms, summary.at), (Some(-700), later.at));
        assert_eq!(summary.issues.get(IngestIssue::AudioVideoOffset), Some(Severity::Warning));
        assert_eq!(IngestSample::summary(&[]), None);
    }
}
