//! The sequence parameter set of HEVC (ITU-T H.265 7.3.2.2 and annex E), as far as a packager cares.

use super::CodecError;
use super::sps::{DIMENSION_MAX, FrameRate, SPS_BYTES_MAX, read_aspect, without_emulation_prevention};
use crate::bits::BitReader;

const SPS: u8 = 33;
/// `num_short_term_ref_pic_sets` ends here.
const REFERENCE_SETS_MAX: u32 = 64;
/// Pictures in one direction of a reference set.
const REFERENCES_MAX: u32 = 16;
const LONG_TERM_MAX: u32 = 32;

/// What an SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HevcSps {
    /// `general_profile_space` to `general_level_idc`, as hvcC has them.
    pub(super) profile_tier_level: [u8; 12],
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sample_aspect: (u32, u32),
    pub(super) frame_rate: Option<FrameRate>,
}

#[derive(Default)]
struct Vui {
    sample_aspect: Option<(u32, u32)>,
    frame_rate: Option<FrameRate>,
}

impl HevcSps {
    /// Reads an SPS NAL unit, header included.
    pub(super) fn parse(nal: &[u8]) -> Result<Self, CodecError> {
        let payload = payload_of(nal)?;
        let mut bits = BitReader::new(&payload);
        let (profile_tier_level, layers) = read_front(&mut bits)?;
        bits.ue()?; // sps_seq_parameter_set_id
        let chroma = bits.ue()?;
        if chroma > 3 {
            return Err(CodecError::Invalid("chroma_format_idc"));
        }
        let is_separate = chroma == 3 && bits.bit()?;
        let (width, height) = read_dimensions(&mut bits, if is_separate { 0 } else { chroma })?;
        let mut vui = Vui::default();
        // What stands behind the dimensions is for the VUI only: a set cut short there still plays.
        let _ = read_to_vui(&mut bits, layers, &mut vui);
        Ok(Self {
            profile_tier_level,
            width,
            height,
            sample_aspect: vui.sample_aspect.unwrap_or((1, 1)),
            frame_rate: vui.frame_rate,
        })
    }

    /// The set's own number.
    pub(super) fn number(nal: &[u8]) -> Option<u32> {
        let payload = payload_of(nal).ok()?;
        let mut bits = BitReader::new(&payload);
        read_front(&mut bits).ok()?;
        bits.ue().ok()
    }
}

fn payload_of(nal: &[u8]) -> Result<Vec<u8>, CodecError> {
    if nal.len() > SPS_BYTES_MAX {
        return Err(CodecError::Invalid("SPS too long"));
    }
    match nal {
        [header, _, payload @ ..] if header >> 1 & 0x3f == SPS => Ok(without_emulation_prevention(payload)),
        _ => Err(CodecError::Invalid("not an SPS")),
    }
}

/// Profile, tier and level, and `sps_max_sub_layers_minus1`.
fn read_front(bits: &mut BitReader<'_>) -> Result<([u8; 12], u32), CodecError> {
    const PROFILE_BITS: usize = 88;
    const LEVEL_BITS: usize = 8;

    bits.skip(4)?; // sps_video_parameter_set_id
    let layers = bits.bits(3)?;
    if layers > 6 {
        return Err(CodecError::Invalid("sps_max_sub_layers_minus1"));
    }
    bits.skip(1)?; // sps_temporal_id_nesting_flag
    let mut told = [0; 12];
    for byte in &mut told {
        *byte = bits.bits(8)? as u8;
    }
    let mut has = [(false, false); 6];
    for layer in has.iter_mut().take(layers as usize) {
        *layer = (bits.bit()?, bits.bit()?);
    }
    if layers > 0 {
        bits.skip(2 * (8 - layers as usize))?;
    }
    for (has_profile, has_level) in has {
        bits.skip(if has_profile { PROFILE_BITS } else { 0 } + if has_level { LEVEL_BITS } else { 0 })?;
    }
    Ok((told, layers))
}

fn read_dimensions(bits: &mut BitReader<'_>, chroma: u32) -> Result<(u32, u32), CodecError> {
    let invalid = || CodecError::Invalid("picture dimensions");
    let (width, height) = (bits.ue()?, bits.ue()?);
    if !(1..=DIMENSION_MAX).contains(&width) || !(1..=DIMENSION_MAX).contains(&height) {
        return Err(invalid());
    }
    if !bits.bit()? {
        return Ok((width, height));
    }
    let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    let (unit_x, unit_y) = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
    let crop = |size: u32, one: u32, two: u32, unit: u32| {
        let cropped = one.checked_add(two)?.checked_mul(unit)?;
        size.checked_sub(cropped).filter(|size| *size > 0)
    };
    let width = crop(width, left, right, unit_x).ok_or_else(invalid)?;
    let height = crop(height, top, bottom, unit_y).ok_or_else(invalid)?;
    Ok((width, height))
}

/// Everything between the dimensions and the VUI, and of that what a packager wants.
fn read_to_vui(bits: &mut BitReader<'_>, layers: u32, vui: &mut Vui) -> Result<(), CodecError> {
    bits.ue()?; // bit_depth_luma_minus8
    bits.ue()?; // bit_depth_chroma_minus8
    let order_bits = bits.ue()?.saturating_add(4);
    if order_bits > 16 {
        return Err(CodecError::Invalid("log2_max_pic_order_cnt_lsb_minus4"));
    }
    let is_told_for_each = bits.bit()?;
    for _layer in 0..if is_told_for_each { layers + 1 } else { 1 } {
        for _value in 0..3 {
            bits.ue()?;
        }
    }
    for _value in 0..6 {
        bits.ue()?; // block sizes and transform depths
    }
    if bits.bit()? && bits.bit()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.bit()? {
        bits.skip(8)?; // pcm bit depths
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    skip_reference_sets(bits)?;
    if bits.bit()? {
        let count = bits.ue()?;
        if count > LONG_TERM_MAX {
            return Err(CodecError::Invalid("num_long_term_ref_pics_sps"));
        }
        bits.skip(count as usize * (order_bits as usize + 1))?;
    }
    bits.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if bits.bit()? { read_vui(bits, vui) } else { Ok(()) }
}

fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Result<(), CodecError> {
    for size in 0..4_u32 {
        for _matrix in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.bit()? {
                bits.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _coefficient in 0..(1_u32 << (4 + (size << 1))).min(64) {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// `st_ref_pic_set` (7.3.7) of the whole set: each may be told by its difference to the one before.
fn skip_reference_sets(bits: &mut BitReader<'_>) -> Result<(), CodecError> {
    let sets = bits.ue()?;
    if sets > REFERENCE_SETS_MAX {
        return Err(CodecError::Invalid("num_short_term_ref_pic_sets"));
    }
    let mut pictures = 0_u32;
    for set in 0..sets {
        if set > 0 && bits.bit()? {
            bits.skip(1)?; // delta_rps_sign
            bits.ue()?; // abs_delta_rps_minus1
            let mut kept = 0;
            for _picture in 0..=pictures {
                let is_used = bits.bit()?;
                if is_used || bits.bit()? {
                    kept += 1;
                }
            }
            pictures = kept;
        } else {
            let (negative, positive) = (bits.ue()?, bits.ue()?);
            if negative > REFERENCES_MAX || positive > REFERENCES_MAX {
                return Err(CodecError::Invalid("num_negative_pics"));
            }
            pictures = negative + positive;
            for _picture in 0..pictures {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
        if pictures > 2 * REFERENCES_MAX {
            return Err(CodecError::Invalid("NumDeltaPocs"));
        }
    }
    Ok(())
}

fn read_vui(bits: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), CodecError> {
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
    bits.skip(1)?; // neutral_chroma_indication_flag
    let is_field = bits.bit()?;
    bits.skip(1)?; // frame_field_info_present_flag
    if bits.bit()? {
        for _edge in 0..4 {
            bits.ue()?;
        }
    }
    if bits.bit()? {
        let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
        let frame = if is_field { tick.checked_mul(2) } else { Some(tick) };
        vui.frame_rate = frame.and_then(|frame| FrameRate::plausible(scale, frame));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_sets_are_refused() {
        assert_eq!(HevcSps::parse(&[]), Err(CodecError::Invalid("not an SPS")));
        assert_eq!(HevcSps::parse(&[0x42, 1]), Err(CodecError::Truncated));
        assert!(HevcSps::parse(&[0x42; 60]).is_err());
        assert!(HevcSps::parse(&vec![0x42; SPS_BYTES_MAX + 1]).is_err());
    }
}
