//! AV1CodecConfigurationRecord (AV1 in ISO BMFF 2.3), the sequence header (AV1 specification 5.5), and the cleaning of
//! temporal units.

use bytes::{BufMut, Bytes, BytesMut};

use super::sps::{DIMENSION_MAX, FrameRate};
use super::{Cleaned, CodecError, obu};
use crate::bits::BitReader;

/// A longer record is not one.
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Bytes in front of the record's units.
const FIXED_BYTES: usize = 4;
/// Marker and version 1.
const MARKER: u8 = 0x81;

/// A checked av1C record and what its sequence header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Av1Config {
    /// The record as it goes into the `av1C` box.
    pub record: Bytes,
    /// The largest frame of the sequence.
    pub width: u32,
    pub height: u32,
    pub frame_rate: Option<FrameRate>,
    profile: u8,
    level: u8,
    is_high_tier: bool,
    bit_depth: u8,
    /// The sequence header's payload.
    header: Bytes,
}

/// What a sequence header says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sequence {
    profile: u8,
    level: u8,
    is_high_tier: bool,
    width: u32,
    height: u32,
    frame_rate: Option<FrameRate>,
    color: Color,
}

/// The record's third byte, as far as it is told by `color_config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Color {
    is_high_depth: bool,
    is_twelve_bit: bool,
    is_monochrome: bool,
    subsampling: (bool, bool),
    chroma_position: u8,
}

impl Av1Config {
    /// Reads and checks an av1C record. It must hold the sequence header, as all encoders' do.
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(CodecError::Invalid("av1C too long"));
        }
        let Some((fixed, units)) = record.split_first_chunk::<FIXED_BYTES>() else { return Err(CodecError::Truncated) };
        if fixed[0] != MARKER {
            return Err(CodecError::Invalid("marker or version"));
        }
        let header = obu::obus(units)
            .find(|unit| unit.kind == obu::SEQUENCE_HEADER)
            .ok_or(CodecError::Invalid("no sequence header"))?;
        Self::of(header.payload)
    }

    /// The configuration a sequence header tells. The record is written anew: senders are known to leave fields of theirs
    /// empty.
    fn of(header: &[u8]) -> Result<Self, CodecError> {
        let told = Sequence::parse(header)?;
        let length = u16::try_from(header.len()).map_err(|_| CodecError::Invalid("sequence header too long"))?;
        let color = told.color;
        let mut record = BytesMut::with_capacity(FIXED_BYTES + 4 + header.len());
        record.put_u8(MARKER);
        record.put_u8(told.profile << 5 | told.level);
        record.put_u8(
            u8::from(told.is_high_tier) << 7
                | u8::from(color.is_high_depth) << 6
                | u8::from(color.is_twelve_bit) << 5
                | u8::from(color.is_monochrome) << 4
                | u8::from(color.subsampling.0) << 3
                | u8::from(color.subsampling.1) << 2
                | color.chroma_position,
        );
        record.put_u8(0);
        record.put_u8(obu::SEQUENCE_HEADER << 3 | 2);
        put_leb128(&mut record, length);
        record.put_slice(header);
        Ok(Self {
            record: record.freeze(),
            width: told.width,
            height: told.height,
            frame_rate: told.frame_rate,
            profile: told.profile,
            level: told.level,
            is_high_tier: told.is_high_tier,
            bit_depth: if color.is_twelve_bit {
                12
            } else if color.is_high_depth {
                10
            } else {
                8
            },
            header: Bytes::copy_from_slice(header),
        })
    }

    /// The RFC 6381 name (AV1 in ISO BMFF 5): `av01.0.04M.08`.
    pub fn codecs(&self) -> String {
        let tier = if self.is_high_tier { 'H' } else { 'M' };
        format!("av01.{}.{:02}{tier}.{:02}", self.profile, self.level, self.bit_depth)
    }

    /// Takes out of a temporal unit what CMAF does not want, tells whether decoding can begin with it, and notices another
    /// sequence header.
    pub fn clean(&self, sample: &Bytes) -> Cleaned<Self> {
        let mut header = None;
        let mut is_key = None;
        for unit in obu::obus(sample) {
            match unit.kind {
                obu::SEQUENCE_HEADER => header = Some(unit.payload),
                obu::FRAME | obu::FRAME_HEADER if is_key.is_none() => is_key = Some(is_shown_key(unit.payload)),
                _ => {}
            }
        }
        // A decoder that begins here needs the header: it stands in front of each key frame it can begin with.
        let is_idr = is_key == Some(true) && header.is_some();
        let new_config = header.filter(|header| *header != self.header).and_then(|header| Self::of(header).ok());
        Cleaned { data: obu::strip(sample), is_idr, new_config }
    }
}

/// Whether a frame header (5.9.2) opens a key frame that is shown at once.
fn is_shown_key(payload: &[u8]) -> bool {
    const SHOWS_EXISTING: u8 = 0x80;
    const KIND: u8 = 0x60;
    const IS_SHOWN: u8 = 0x10;
    payload.first().is_some_and(|byte| byte & (SHOWS_EXISTING | KIND | IS_SHOWN) == IS_SHOWN)
}

fn put_leb128(record: &mut BytesMut, mut value: u16) {
    while value > 0x7f {
        record.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    record.put_u8(value as u8);
}

impl Sequence {
    fn parse(header: &[u8]) -> Result<Self, CodecError> {
        let mut bits = BitReader::new(header);
        let profile = bits.bits(3)? as u8;
        if profile > 2 {
            return Err(CodecError::Invalid("seq_profile"));
        }
        bits.skip(1)?; // still_picture
        if bits.bit()? {
            return Err(CodecError::Unsupported("AV1 still pictures"));
        }
        let (frame_rate, level, is_high_tier) = read_operating_points(&mut bits)?;
        let (width, height) = read_size(&mut bits)?;
        skip_tools(&mut bits)?;
        let color = read_color(&mut bits, profile)?;
        Ok(Self { profile, level, is_high_tier, width, height, frame_rate, color })
    }
}

/// Timing and operating points: the frame rate, and level and tier of the first point, which is the whole stream.
fn read_operating_points(bits: &mut BitReader<'_>) -> Result<(Option<FrameRate>, u8, bool), CodecError> {
    let mut frame_rate = None;
    let mut delay_bits = None;
    if bits.bit()? {
        let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
        if bits.bit()? {
            let ticks = bits.ue()?.saturating_add(1);
            frame_rate = tick.checked_mul(ticks).and_then(|picture| FrameRate::plausible(scale, picture));
        }
        if bits.bit()? {
            delay_bits = Some(bits.bits(5)? as usize + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let tells_delay = bits.bit()?;
    let mut first = None;
    for _point in 0..=bits.bits(5)? {
        bits.skip(12)?; // operating_point_idc
        let level = bits.bits(5)? as u8;
        let is_high_tier = level > 7 && bits.bit()?;
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if tells_delay && bits.bit()? {
            bits.skip(4)?;
        }
        first.get_or_insert((level, is_high_tier));
    }
    let (level, is_high_tier) = first.unwrap_or_default();
    Ok((frame_rate, level, is_high_tier))
}

fn read_size(bits: &mut BitReader<'_>) -> Result<(u32, u32), CodecError> {
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    let (width, height) = (bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1);
    if width > DIMENSION_MAX || height > DIMENSION_MAX {
        return Err(CodecError::Invalid("picture dimensions"));
    }
    Ok((width, height))
}

/// Everything between the size and the colours.
fn skip_tools(bits: &mut BitReader<'_>) -> Result<(), CodecError> {
    if bits.bit()? {
        bits.skip(4 + 3)?; // lengths of frame ids
    }
    bits.skip(3)?; // superblocks, filter and edge of intra prediction
    bits.skip(4)?; // compound modes, warped motion, dual filter
    let has_order = bits.bit()?;
    if has_order {
        bits.skip(2)?;
    }
    let forces_screen_content = if bits.bit()? { true } else { bits.bit()? };
    if forces_screen_content && !bits.bit()? {
        bits.skip(1)?; // seq_force_integer_mv
    }
    if has_order {
        bits.skip(3)?;
    }
    bits.skip(3)?; // superres, cdef, restoration
    Ok(())
}

fn read_color(bits: &mut BitReader<'_>, profile: u8) -> Result<Color, CodecError> {
    const SRGB: (u32, u32, u32) = (1, 13, 0);

    let mut color = Color { is_high_depth: bits.bit()?, ..Color::default() };
    color.is_twelve_bit = profile == 2 && color.is_high_depth && bits.bit()?;
    color.is_monochrome = profile != 1 && bits.bit()?;
    let told = if bits.bit()? { Some((bits.bits(8)?, bits.bits(8)?, bits.bits(8)?)) } else { None };
    if color.is_monochrome {
        color.subsampling = (true, true);
        return Ok(color);
    }
    if told == Some(SRGB) {
        return Ok(color);
    }
    bits.skip(1)?; // color_range
    color.subsampling = match profile {
        0 => (true, true),
        1 => (false, false),
        _ if color.is_twelve_bit => {
            let horizontal = bits.bit()?;
            (horizontal, horizontal && bits.bit()?)
        }
        _ => (true, false),
    };
    if color.subsampling == (true, true) {
        color.chroma_position = bits.bits(2)? as u8;
    }
    Ok(color)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real encoder sends for 320 × 180.
    const RECORD: &[u8] = include_bytes!("av1_record.bin");

    #[test]
    fn a_real_record_is_understood() {
        let av1 = Av1Config::parse(RECORD).expect("parses");
        assert_eq!((av1.width, av1.height, av1.bit_depth), (320, 180, 8));
        assert_eq!(av1.codecs(), "av01.0.00M.08");
        assert_eq!(av1.record, RECORD, "what the encoder wrote is what we write");
        assert_eq!(Av1Config::parse(&av1.record), Ok(av1));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_survived() {
        for length in 0..RECORD.len() {
            let _ = Av1Config::parse(&RECORD[..length]);
        }
        assert_eq!(Av1Config::parse(&RECORD[..FIXED_BYTES]), Err(CodecError::Invalid("no sequence header")));
        assert!(Av1Config::parse(&[MARKER; RECORD_BYTES_MAX + 1]).is_err());
        for at in 0..RECORD.len() * 8 {
            let mut flipped = RECORD.to_vec();
            flipped[at / 8] ^= 1 << (at % 8);
            let _ = Av1Config::parse(&flipped).map(|config| config.codecs());
        }
    }

    #[test]
    fn decoding_begins_at_shown_key_frames_that_bring_their_header() {
        let av1 = Av1Config::parse(RECORD).expect("parses");
        let header = &RECORD[FIXED_BYTES..];
        let with = |units: &[&[u8]]| av1.clean(&Bytes::from(units.concat()));
        let (key, inter, hidden) = (&[0x32, 1, 0x10][..], &[0x32, 1, 0x30][..], &[0x32, 1, 0x00][..]);
        let begun = with(&[&[0x12, 0], header, key]);
        assert!(begun.is_idr && begun.new_config.is_none());
        assert_eq!(begun.data, [header, key].concat(), "only the delimiter goes");
        assert!(!with(&[key]).is_idr, "nothing to begin with");
        assert!(!with(&[header, inter]).is_idr);
        assert!(!with(&[header, hidden, key]).is_idr, "shown later");
        assert_eq!(with(&[&[0x12, 0]]).data, Bytes::new());
    }
}
