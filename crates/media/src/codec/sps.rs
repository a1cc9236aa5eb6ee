//! The sequence parameter set of H.264 (ITU-T H.264 7.3.2.1.1 and annex E.1.1), as far as a packager cares.

use super::CodecError;
use crate::bits::BitReader;
use crate::sample::VIDEO_TIMESCALE;

/// No decoder a viewer has takes more (level 6.2 ends at 8192 × 4320).
pub(super) const DIMENSION_MAX: u32 = 16_384;
/// A longer SPS is not one.
pub(super) const SPS_BYTES_MAX: usize = 4_096;

/// Frames per second as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    pub num: u32,
    pub den: u32,
}

impl FrameRate {
    /// The rate a header tells, unless no camera or encoder has such a rate.
    pub(super) fn plausible(num: u32, den: u32) -> Option<Self> {
        let rate = Self { num, den };
        (den > 0 && (1.0..=300.0).contains(&rate.as_f64())).then_some(rate)
    }

    /// Frames per second.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den.max(1))
    }

    /// The length of `frames` frames in ticks of [`VIDEO_TIMESCALE`], rounded to the nearest.
    pub fn ticks(self, frames: i64) -> i64 {
        let num = i128::from(self.num.max(1));
        let ticks = i128::from(frames) * i128::from(self.den) * i128::from(VIDEO_TIMESCALE);
        (ticks + num / 2).div_euclid(num).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

/// What an SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) profile: u8,
    pub(super) constraints: u8,
    pub(super) level: u8,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sample_aspect: (u32, u32),
    pub(super) frame_rate: Option<FrameRate>,
}

impl Sps {
    /// Reads an SPS NAL unit, header byte included.
    pub(super) fn parse(nal: &[u8]) -> Result<Self, CodecError> {
        if nal.len() > SPS_BYTES_MAX {
            return Err(CodecError::Invalid("SPS too long"));
        }
        if nal.first().is_none_or(|header| header & 0x1f != super::nal::SPS) {
            return Err(CodecError::Invalid("not an SPS"));
        }
        let payload = without_emulation_prevention(&nal[1..]);
        let mut bits = BitReader::new(&payload);
        let (profile, constraints, level) = (bits.bits(8)? as u8, bits.bits(8)? as u8, bits.bits(8)? as u8);
        if bits.ue()? > 31 {
            return Err(CodecError::Invalid("seq_parameter_set_id"));
        }
        let chroma = read_chroma(&mut bits, profile)?;
        skip_order_and_references(&mut bits)?;
        let (width, height) = read_dimensions(&mut bits, chroma)?;
        // A VUI cut short spoils only what it would have told: the stream plays without.
        let vui = if bits.bit().unwrap_or(false) { read_vui(&mut bits) } else { Vui::default() };
        Ok(Self {
            profile,
            constraints,
            level,
            width,
            height,
            sample_aspect: vui.sample_aspect.unwrap_or((1, 1)),
            frame_rate: vui.frame_rate,
        })
    }
}

/// Chroma layout: `chroma_format_idc`, monochrome and separate planes count as 0 for cropping.
fn read_chroma(bits: &mut BitReader<'_>, profile: u8) -> Result<u32, CodecError> {
    if !matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        return Ok(1);
    }
    let chroma = bits.ue()?;
    if chroma > 3 {
        return Err(CodecError::Invalid("chroma_format_idc"));
    }
    let is_separate = chroma == 3 && bits.bit()?;
    let (luma_depth, chroma_depth) = (bits.ue()?, bits.ue()?);
    if luma_depth > 6 || chroma_depth > 6 {
        return Err(CodecError::Invalid("bit depth"));
    }
    bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.bit()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.bit()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(if is_separate { 0 } else { chroma })
}

fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Result<(), CodecError> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

fn skip_order_and_references(bits: &mut BitReader<'_>) -> Result<(), CodecError> {
    bits.ue()?; // log2_max_frame_num_minus4
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            let cycle = bits.ue()?;
            if cycle > 255 {
                return Err(CodecError::Invalid("num_ref_frames_in_pic_order_cnt_cycle"));
            }
            for _ in 0..cycle {
                bits.se()?;
            }
        }
        2 => {}
        _ => return Err(CodecError::Invalid("pic_order_cnt_type")),
    }
    bits.ue()?; // max_num_ref_frames
    bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    Ok(())
}

fn read_dimensions(bits: &mut BitReader<'_>, chroma: u32) -> Result<(u32, u32), CodecError> {
    let invalid = || CodecError::Invalid("picture dimensions");
    let width_mbs = bits.ue()?.checked_add(1).ok_or_else(invalid)?;
    let height_units = bits.ue()?.checked_add(1).ok_or_else(invalid)?;
    let frame_mbs_only = u32::from(bits.bit()?);
    if frame_mbs_only == 0 {
        bits.skip(1)?; // mb_adaptive_frame_field_flag
    }
    bits.skip(1)?; // direct_8x8_inference_flag
    let width = width_mbs.checked_mul(16).ok_or_else(invalid)?;
    let height = height_units.checked_mul(16 * (2 - frame_mbs_only)).ok_or_else(invalid)?;
    if width > DIMENSION_MAX || height > DIMENSION_MAX {
        return Err(invalid());
    }
    if !bits.bit()? {
        return Ok((width, height));
    }
    let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 } * (2 - frame_mbs_only);
    let crop = |size: u32, one: u32, two: u32, unit: u32| {
        let cropped = one.checked_add(two)?.checked_mul(unit)?;
        size.checked_sub(cropped).filter(|size| *size > 0)
    };
    let width = crop(width, left, right, unit_x).ok_or_else(invalid)?;
    let height = crop(height, top, bottom, unit_y).ok_or_else(invalid)?;
    Ok((width, height))
}

#[derive(Default)]
struct Vui {
    sample_aspect: Option<(u32, u32)>,
    frame_rate: Option<FrameRate>,
}

fn read_vui(bits: &mut BitReader<'_>) -> Vui {
    let mut vui = Vui::default();
    // What was read before the end still counts.
    let _ = read_vui_fields(bits, &mut vui);
    vui
}

/// `aspect_ratio_idc` and what follows it, which H.264 and HEVC have in common.
pub(super) fn read_aspect(bits: &mut BitReader<'_>) -> Result<Option<(u32, u32)>, CodecError> {
    const EXTENDED_SAR: u32 = 255;
    /// Table E-1, from aspect_ratio_idc 1.
    const ASPECTS: [(u32, u32); 16] = [
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    let aspect = match bits.bits(8)? {
        EXTENDED_SAR => Some((bits.bits(16)?, bits.bits(16)?)),
        idc => (idc as usize).checked_sub(1).and_then(|index| ASPECTS.get(index)).copied(),
    };
    Ok(aspect.filter(|(width, height)| *width > 0 && *height > 0))
}

fn read_vui_fields(bits: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), CodecError> {
    if bits.bit()? {
        vui.sample_aspect = read_aspect(bits)?;
    }
    if bits.bit()? {
        bits.skip(1)?; // overscan_appropriate_flag
    }
    if bits.bit()? {
        bits.skip(4)?; // video_format, video_full_range_flag
        if bits.bit()? {
            bits.skip(24)?;
        }
    }
    if bits.bit()? {
        bits.ue()?;
        bits.ue()?;
    }
    if bits.bit()? {
        let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
        // A tick is a field: two make a frame.
        vui.frame_rate = tick.checked_mul(2).and_then(|frame| FrameRate::plausible(scale, frame));
    }
    Ok(())
}

/// Drops the 3 of every 0 0 3 (ITU-T H.264 7.4.1).
pub(super) fn without_emulation_prevention(payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_give_exact_ticks() {
        let ntsc = FrameRate { num: 30_000, den: 1_001 };
        assert_eq!(ntsc.ticks(1), 3_003);
        assert_eq!(FrameRate { num: 24_000, den: 1_001 }.ticks(4), 15_015);
        assert_eq!(FrameRate { num: 24_000, den: 1_001 }.ticks(1), 3_754);
    }

    #[test]
    fn emulation_prevention_goes() {
        assert_eq!(without_emulation_prevention(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn hostile_sets_are_refused() {
        assert_eq!(Sps::parse(&[]), Err(CodecError::Invalid("not an SPS")));
        assert_eq!(Sps::parse(&[0x67, 66, 0, 30]), Err(CodecError::Truncated));
        assert!(Sps::parse(&[0x67; 40]).is_err());
        assert!(Sps::parse(&vec![0x67; SPS_BYTES_MAX + 1]).is_err());
    }
}
