//! Codec headers: what a stream says about itself, checked, and the little we look at inside access units.
//!
//! Owns avcC, hvcC, av1C, their parameter sets and AudioSpecificConfig parsing, NAL unit and OBU walking and silent AAC
//! frames. Decodes no picture.

mod aac;
mod av1;
mod avc;
mod hevc;
mod hevc_sps;
pub mod nal;
pub mod obu;
mod sps;
mod video;

pub use aac::AacConfig;
pub use av1::Av1Config;
pub use avc::{AvcConfig, Cleaned};
pub use hevc::HevcConfig;
pub use sps::FrameRate;
pub use video::{VideoCodec, VideoConfig};

use crate::bits::OutOfBits;

/// Why a codec header was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("the header ends too early")]
    Truncated,

    #[error("the header breaks its standard: {0}")]
    Invalid(&'static str),

    #[error("not supported: {0}")]
    Unsupported(&'static str),
}

impl From<OutOfBits> for CodecError {
    fn from(_: OutOfBits) -> Self {
        Self::Truncated
    }
}
