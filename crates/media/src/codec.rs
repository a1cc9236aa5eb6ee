//! Codec headers: what a stream says about itself, checked, and the little we look at inside access units.
//!
//! Owns avcC, SPS and AudioSpecificConfig parsing, NAL unit walking and silent AAC frames. Decodes no picture.

mod aac;
mod avc;
pub mod nal;
mod sps;

pub use aac::AacConfig;
pub use avc::{AvcConfig, Cleaned};
pub use sps::FrameRate;

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
