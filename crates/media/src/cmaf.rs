//! CMAF bytes: init segments and fragments (ISO/IEC 14496-12, 14496-14, 14496-15, 23000-19).
//!
//! Owns the boxes we write. They are written by hand: a fragment is one allocation of the exact size with one copy of the
//! payload, and the init segment passes codec headers through byte for byte (`mp4-atom` models an AudioSpecificConfig
//! in fewer bits than senders use). `mp4-atom` reads both back in the tests. Reads no boxes itself.

mod fragment;
mod init;

use bytes::Bytes;

pub use fragment::{FragmentMeta, fragment};
pub use init::init_segment;

use crate::codec::{AacConfig, VideoConfig};
use crate::sample::VIDEO_TIMESCALE;

/// What a track carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackConfig {
    Video(VideoConfig),
    Audio(AacConfig),
}

impl TrackConfig {
    /// Ticks per second of the track: 90 000 for video, the sampling rate for audio.
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Video(_) => VIDEO_TIMESCALE,
            Self::Audio(aac) => aac.sample_rate,
        }
    }

    /// The RFC 6381 name of the codec.
    pub fn codecs(&self) -> String {
        match self {
            Self::Video(video) => video.codecs(),
            Self::Audio(aac) => aac.codecs(),
        }
    }

    pub fn is_video(&self) -> bool {
        matches!(self, Self::Video(_))
    }

    /// The init segment; same as [`init_segment`].
    pub fn init(&self) -> Bytes {
        init_segment(self)
    }
}
