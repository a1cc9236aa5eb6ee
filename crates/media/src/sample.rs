//! The unit of media: one access unit with its times.

use bytes::Bytes;

/// A moment or a length in a track's timescale.
pub type Ticks = i64;

/// Ticks per second of every video track.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// One access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Decode time in the track's timescale.
    pub dts: Ticks,
    /// Presentation time minus decode time.
    pub cts: i32,
    /// The expected length in ticks, or 0 when it shows only with the next sample. It is a forecast that lets a part
    /// close early; the segmenter corrects it when the next sample comes and says otherwise.
    pub duration: u32,
    /// Whether decoding can start here (an IDR picture; every audio frame).
    pub is_sync: bool,
    /// Length-prefixed NAL units, or one raw AAC frame.
    pub data: Bytes,
}

impl Sample {
    /// Presentation time in the track's timescale.
    pub fn pts(&self) -> Ticks {
        self.dts.saturating_add(i64::from(self.cts))
    }
}

/// Converts `ticks` from one timescale to another, rounding to the nearest. A timescale of 0 counts as 1.
pub fn rescale(ticks: Ticks, from: u32, to: u32) -> Ticks {
    let from = i128::from(from.max(1));
    let scaled = i128::from(ticks) * i128::from(to);
    let rounded = (scaled + from / 2).div_euclid(from);
    rounded.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescaling_rounds_to_the_nearest_tick() {
        assert_eq!(rescale(180_000, 90_000, 48_000), 96_000);
        assert_eq!(rescale(1, 90_000, 44_100), 0);
        assert_eq!(rescale(-90, 90_000, 1_000), -1);
        assert_eq!(rescale(i64::MAX, 1, u32::MAX), i64::MAX);
        assert_eq!(rescale(5, 0, 1), 5);
    }
}
