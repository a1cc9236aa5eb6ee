//! The picture format of a stream, whichever codec it has: one type for what a packager asks of all of them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Av1Config, AvcConfig, Cleaned, CodecError, FrameRate, HevcConfig};

/// Video codecs we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VideoCodec {
    Avc,
    Hevc,
    Av1,
}

impl VideoCodec {
    /// The name people know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avc => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
        }
    }
}

/// A checked sequence header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoConfig {
    Avc(AvcConfig),
    Hevc(HevcConfig),
    Av1(Av1Config),
}

impl VideoConfig {
    /// Reads and checks the decoder configuration record of `codec`.
    pub fn parse(codec: VideoCodec, record: &[u8]) -> Result<Self, CodecError> {
        Ok(match codec {
            VideoCodec::Avc => Self::Avc(AvcConfig::parse(record)?),
            VideoCodec::Hevc => Self::Hevc(HevcConfig::parse(record)?),
            VideoCodec::Av1 => Self::Av1(Av1Config::parse(record)?),
        })
    }

    pub fn codec(&self) -> VideoCodec {
        match self {
            Self::Avc(_) => VideoCodec::Avc,
            Self::Hevc(_) => VideoCodec::Hevc,
            Self::Av1(_) => VideoCodec::Av1,
        }
    }

    /// The record as it goes into the sample entry.
    pub fn record(&self) -> &Bytes {
        match self {
            Self::Avc(avc) => &avc.record,
            Self::Hevc(hevc) => &hevc.record,
            Self::Av1(av1) => &av1.record,
        }
    }

    /// Coded size after cropping.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Avc(avc) => (avc.width, avc.height),
            Self::Hevc(hevc) => (hevc.width, hevc.height),
            Self::Av1(av1) => (av1.width, av1.height),
        }
    }

    /// Width and height of one sample; (1, 1) when square or untold.
    pub fn sample_aspect(&self) -> (u32, u32) {
        match self {
            Self::Avc(avc) => avc.sample_aspect,
            Self::Hevc(hevc) => hevc.sample_aspect,
            Self::Av1(_) => (1, 1),
        }
    }

    /// What the header says. A hint: senders are known to be wrong about it.
    pub fn frame_rate(&self) -> Option<FrameRate> {
        match self {
            Self::Avc(avc) => avc.frame_rate,
            Self::Hevc(hevc) => hevc.frame_rate,
            Self::Av1(av1) => av1.frame_rate,
        }
    }

    /// The RFC 6381 name.
    pub fn codecs(&self) -> String {
        match self {
            Self::Avc(avc) => avc.codecs(),
            Self::Hevc(hevc) => hevc.codecs(),
            Self::Av1(av1) => av1.codecs(),
        }
    }

    /// Display size: the coded size stretched by the sample aspect ratio.
    pub fn display_size(&self) -> (u32, u32) {
        let ((width, height), (num, den)) = (self.size(), self.sample_aspect());
        let stretched = (u64::from(width) * u64::from(num) + u64::from(den) / 2) / u64::from(den.max(1));
        (u32::try_from(stretched).unwrap_or(width), height)
    }

    /// Makes an access unit ready for CMAF and tells whether decoding can begin with it.
    pub fn clean(&self, sample: &Bytes) -> Cleaned<Self> {
        match self {
            Self::Avc(avc) => avc.clean(sample).map(Self::Avc),
            Self::Hevc(hevc) => hevc.clean(sample).map(Self::Hevc),
            Self::Av1(av1) => av1.clean(sample).map(Self::Av1),
        }
    }
}

impl From<AvcConfig> for VideoConfig {
    fn from(avc: AvcConfig) -> Self {
        Self::Avc(avc)
    }
}

impl From<HevcConfig> for VideoConfig {
    fn from(hevc: HevcConfig) -> Self {
        Self::Hevc(hevc)
    }
}

impl From<Av1Config> for VideoConfig {
    fn from(av1: Av1Config) -> Self {
        Self::Av1(av1)
    }
}
