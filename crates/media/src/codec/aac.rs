//! AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and silent frames.

use bytes::Bytes;

use super::CodecError;
use crate::bits::{BitReader, BitWriter};

/// Sampling rates by `samplingFrequencyIndex`.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// `samplingFrequencyIndex` that is followed by the rate itself.
const RATE_EXPLICIT: u32 = 15;
/// A longer header is not one (a program config element ends far below).
const CONFIG_BYTES_MAX: usize = 512;

const LC: u8 = 2;
const SBR: u8 = 5;
const PS: u8 = 29;

/// A checked AudioSpecificConfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    /// The header itself, as it goes into the `esds` box.
    pub config: Bytes,
    /// 2 (LC), 5 (HE) or 29 (HE v2): what a decoder must be able to do.
    pub object_type: u8,
    /// Rate of the core codec, and the track's timescale. HE-AAC plays at [`Self::output_rate`].
    pub sample_rate: u32,
    pub output_rate: u32,
    pub channels: u8,
    /// Samples of the core codec in a frame: 1024, rarely 960.
    pub frame_samples: u32,
}

impl AacConfig {
    /// Reads and checks an AudioSpecificConfig.
    pub fn parse(config: &[u8]) -> Result<Self, CodecError> {
        if config.len() > CONFIG_BYTES_MAX {
            return Err(CodecError::Invalid("AudioSpecificConfig too long"));
        }
        let mut bits = BitReader::new(config);
        let mut object_type = read_object_type(&mut bits)?;
        let sample_rate = read_rate(&mut bits)?;
        let channel_config = bits.bits(4)?;
        let mut output_rate = sample_rate;
        let mut core = object_type;
        if matches!(object_type, SBR | PS) {
            output_rate = read_rate(&mut bits)?;
            core = read_object_type(&mut bits)?;
        }
        if core != LC {
            return Err(CodecError::Unsupported("AAC other than LC, HE and HE v2"));
        }
        let frame_samples = if bits.bit()? { 960 } else { 1_024 };
        if bits.bit()? {
            bits.skip(14)?; // coreCoderDelay
        }
        let has_extension = bits.bit()?;
        let channels = match channel_config {
            0 => read_program_channels(&mut bits)?,
            1..=6 => channel_config as u8,
            7 | 12 | 14 => 8,
            11 => 7,
            _ => return Err(CodecError::Invalid("channelConfiguration")),
        };
        if has_extension {
            // extensionFlag3; nothing follows it for LC.
            let _ = bits.bit();
        }
        if object_type == LC
            && let Some((extended, rate)) = read_backward_compatible_extension(&mut bits)
        {
            object_type = extended;
            output_rate = rate;
        }
        Ok(Self {
            config: Bytes::copy_from_slice(config),
            object_type,
            sample_rate,
            output_rate,
            channels,
            frame_samples,
        })
    }

    /// The RFC 6381 name, `mp4a.40.2` for LC.
    pub fn codecs(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }

    /// A frame of silence to fill a hole with; `None` for layouts other than mono and stereo.
    pub fn silent_frame(&self) -> Option<Bytes> {
        const SINGLE_CHANNEL: u32 = 0;
        const CHANNEL_PAIR: u32 = 1;
        const END: u32 = 7;

        let mut bits = BitWriter::default();
        let (element, streams) = match self.channels {
            1 => (SINGLE_CHANNEL, 1),
            2 => (CHANNEL_PAIR, 2),
            _ => return None,
        };
        bits.put(element, 3);
        bits.put(0, 4); // element_instance_tag
        if element == CHANNEL_PAIR {
            bits.put(0, 1); // common_window
        }
        for _ in 0..streams {
            bits.put(0, 8); // global_gain
            bits.put(0, 4); // reserved bit, ONLY_LONG_SEQUENCE, window shape
            bits.put(0, 6); // max_sfb: no band carries anything
            bits.put(0, 1); // predictor_data_present
            bits.put(0, 3); // no pulses, no noise shaping, no gain control
        }
        bits.put(END, 3);
        Some(bits.finish().into())
    }
}

fn read_object_type(bits: &mut BitReader<'_>) -> Result<u8, CodecError> {
    const ESCAPE: u32 = 31;
    let object_type = match bits.bits(5)? {
        ESCAPE => 32 + bits.bits(6)?,
        small => small,
    };
    Ok(object_type as u8)
}

fn read_rate(bits: &mut BitReader<'_>) -> Result<u32, CodecError> {
    let rate = match bits.bits(4)? {
        RATE_EXPLICIT => bits.bits(24)?,
        index => *RATES.get(index as usize).ok_or(CodecError::Invalid("samplingFrequencyIndex"))?,
    };
    if !(7_350..=96_000).contains(&rate) {
        return Err(CodecError::Invalid("sampling frequency"));
    }
    Ok(rate)
}

/// Channels of a program_config_element (ISO/IEC 14496-3 4.4.1.1).
fn read_program_channels(bits: &mut BitReader<'_>) -> Result<u8, CodecError> {
    bits.skip(4 + 2 + 4)?;
    let mut channels = 0_u8;
    let (front, side, back) = (bits.bits(4)?, bits.bits(4)?, bits.bits(4)?);
    let (low, data, coupling) = (bits.bits(2)?, bits.bits(3)?, bits.bits(4)?);
    for mixdown_bits in [4, 4, 3] {
        if bits.bit()? {
            bits.skip(mixdown_bits)?;
        }
    }
    for _ in 0..front + side + back {
        channels += if bits.bit()? { 2 } else { 1 };
        bits.skip(4)?;
    }
    channels += low as u8;
    bits.skip((low + data) as usize * 4 + coupling as usize * 5)?;
    bits.align();
    let comment = bits.bits(8)? as usize;
    bits.skip(comment * 8)?;
    match channels {
        1..=8 => Ok(channels),
        _ => Err(CodecError::Invalid("channels")),
    }
}

/// SBR and PS told behind the end of an LC header (ISO/IEC 14496-3 1.6.5).
fn read_backward_compatible_extension(bits: &mut BitReader<'_>) -> Option<(u8, u32)> {
    const SYNC: u32 = 0x2b7;
    const SYNC_PS: u32 = 0x548;

    if bits.left() < 16 || bits.bits(11).ok()? != SYNC || read_object_type(bits).ok()? != SBR || !bits.bit().ok()? {
        return None;
    }
    let rate = read_rate(bits).ok()?;
    let has_ps = bits.left() >= 12 && bits.bits(11).ok()? == SYNC_PS && bits.bit().ok()?;
    Some((if has_ps { PS } else { SBR }, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_obs_sends_is_plain_stereo_at_48_khz() {
        let aac = AacConfig::parse(&[0x11, 0x90, 0x56, 0xe5, 0x00]).expect("parses");
        assert_eq!((aac.object_type, aac.sample_rate, aac.channels, aac.frame_samples), (2, 48_000, 2, 1_024));
        assert_eq!(aac.codecs(), "mp4a.40.2");
    }

    #[test]
    fn high_efficiency_is_seen_in_both_signallings() {
        // Explicit: AOT 5, core 24 kHz (6), stereo, output 48 kHz (3), core AOT 2.
        let mut bits = BitWriter::default();
        for (value, count) in [(5, 5), (6, 4), (2, 4), (3, 4), (2, 5), (0, 3)] {
            bits.put(value, count);
        }
        let explicit = AacConfig::parse(&bits.finish()).expect("parses");
        assert_eq!((explicit.object_type, explicit.sample_rate, explicit.output_rate), (5, 24_000, 48_000));
        // Backward compatible: AOT 2, 24 kHz, stereo, then the sync extension with 48 kHz.
        let mut bits = BitWriter::default();
        for (value, count) in [(2, 5), (6, 4), (2, 4), (0, 3), (0x2b7, 11), (5, 5), (1, 1), (3, 4)] {
            bits.put(value, count);
        }
        let implicit = AacConfig::parse(&bits.finish()).expect("parses");
        assert_eq!((implicit.object_type, implicit.sample_rate, implicit.output_rate), (5, 24_000, 48_000));
    }

    #[test]
    fn hostile_headers_are_refused() {
        assert_eq!(AacConfig::parse(&[]), Err(CodecError::Truncated));
        assert_eq!(AacConfig::parse(&[0x11]), Err(CodecError::Truncated));
        assert!(matches!(AacConfig::parse(&[0x0a, 0x10]), Err(CodecError::Unsupported(_))), "AAC Main");
        assert!(matches!(AacConfig::parse(&[0x16, 0x90]), Err(CodecError::Invalid(_))), "reserved rate");
        assert!(AacConfig::parse(&[0xff; 600]).is_err());
    }

    #[test]
    fn silence_exists_for_mono_and_stereo_only() {
        let stereo = AacConfig::parse(&[0x11, 0x90]).expect("parses");
        assert_eq!(stereo.silent_frame().map(|frame| frame.len()), Some(7));
        let surround = AacConfig::parse(&[0x11, 0xb0]).expect("parses");
        assert_eq!((surround.channels, surround.silent_frame()), (6, None));
    }
}
