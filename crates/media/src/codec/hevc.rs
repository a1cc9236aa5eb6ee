//! HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1) and the cleaning of HEVC access units.

use bytes::{BufMut, Bytes, BytesMut};

use super::avc::take;
use super::hevc_sps::HevcSps;
use super::sps::FrameRate;
use super::{Cleaned, CodecError, nal};
use crate::bits::BitReader;

/// A longer record is not one.
const RECORD_BYTES_MAX: usize = 32 * 1024;
/// Arrays and parameter sets of one record; encoders send three or four.
const SETS_MAX: usize = 64;
/// Bytes in front of the arrays.
const FIXED_BYTES: usize = 22;
/// `array_completeness`: all sets of this kind are here. The `hvc1` sample entry demands it.
const IS_COMPLETE: u8 = 0x80;

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
/// Delimiter, ends and filler follow the parameter sets in table 7-1.
const FILLER: u8 = 38;
/// IRAP pictures: BLA, IDR and CRA, without the two reserved kinds.
const RANDOM_ACCESS: std::ops::RangeInclusive<u8> = 16..=21;

/// A checked hvcC record and what its first SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HevcConfig {
    /// The record as it goes into the `hvcC` box of an `hvc1` sample entry.
    pub record: Bytes,
    /// Bytes of each NAL unit's length prefix: 1, 2 or 4.
    pub length_size: u8,
    /// Coded size after cropping.
    pub width: u32,
    pub height: u32,
    /// Width and height of one sample; (1, 1) when square or untold.
    pub sample_aspect: (u32, u32),
    /// From the VUI, when the encoder tells.
    pub frame_rate: Option<FrameRate>,
    sets: Vec<Set>,
}

/// A NAL unit that stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    kind: u8,
    data: Bytes,
}

impl HevcConfig {
    /// Reads and checks an hvcC record.
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(CodecError::Invalid("hvcC too long"));
        }
        let mut rest = record;
        let fixed = take(&mut rest, FIXED_BYTES)?;
        if fixed[0] != 1 {
            return Err(CodecError::Invalid("configurationVersion"));
        }
        let length_size = (fixed[21] & 0x03) + 1;
        if length_size == 3 {
            return Err(CodecError::Invalid("lengthSizeMinusOne"));
        }
        let mut sets = Vec::new();
        for _array in 0..take(&mut rest, 1)?[0] {
            let head = take(&mut rest, 3)?;
            for _unit in 0..u16::from_be_bytes([head[1], head[2]]) {
                let length = take(&mut rest, 2)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let data = Bytes::copy_from_slice(take(&mut rest, length)?);
                sets.push(Set { kind: head[0] & 0x3f, data });
                if sets.len() > SETS_MAX {
                    return Err(CodecError::Invalid("too many parameter sets"));
                }
            }
        }
        Self::of(fixed, length_size, sets)
    }

    /// The configuration of these sets; `fixed` is the record's front.
    fn of(fixed: &[u8], length_size: u8, mut sets: Vec<Set>) -> Result<Self, CodecError> {
        // In the record's order, so that a configuration equals what its record says.
        sets.sort_by_key(|set| set.kind);
        for (kind, missing) in [(VPS, "no VPS"), (SPS, "no SPS"), (PPS, "no PPS")] {
            if !sets.iter().any(|set| set.kind == kind) {
                return Err(CodecError::Invalid(missing));
            }
        }
        let first = sets.iter().find(|set| set.kind == SPS).map_or(&[][..], |set| &set.data);
        let told = HevcSps::parse(first)?;
        let mut record = BytesMut::with_capacity(RECORD_BYTES_MAX / 64);
        record.put_slice(fixed);
        // Profile, tier and level as the SPS has them: it is what decoders go by, and records are known to be wrong.
        record[1..13].copy_from_slice(&told.profile_tier_level);
        put_arrays(&mut record, &sets)?;
        Ok(Self {
            record: record.freeze(),
            length_size,
            width: told.width,
            height: told.height,
            sample_aspect: told.sample_aspect,
            frame_rate: told.frame_rate,
            sets,
        })
    }

    /// The RFC 6381 name (ISO/IEC 14496-15 annex E.3): profile, compatibility in reversed bits, tier and level,
    /// constraints; `hvc1.1.6.L93.B0`.
    pub fn codecs(&self) -> String {
        let [_, profile, c0, c1, c2, c3, constraints @ .., level] = self.front();
        let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
        let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
        let compatibility = u32::from_be_bytes([c0, c1, c2, c3]).reverse_bits();
        let mut name = format!("hvc1.{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1f);
        let told = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for byte in &constraints[..told] {
            name.push_str(&format!(".{byte:X}"));
        }
        name
    }

    /// Version, profile, compatibility, constraints, level: the record's first bytes.
    fn front(&self) -> [u8; 13] {
        self.record.first_chunk().copied().unwrap_or_default()
    }

    /// Takes out of an access unit what CMAF does not want, tells whether it is a random access picture, and notices new
    /// in-band parameter sets.
    pub fn clean(&self, sample: &Bytes) -> Cleaned<Self> {
        let mut is_idr = false;
        let mut is_changed = false;
        for unit in nal::nals(sample, self.length_size) {
            match unit.hevc_kind() {
                Some(kind) if RANDOM_ACCESS.contains(&kind) => is_idr = true,
                Some(kind @ VPS..=PPS) => {
                    is_changed |= !self.sets.iter().any(|set| set.kind == kind && set.data == unit.data)
                }
                _ => {}
            }
        }
        let new_config = if is_changed { self.changed(sample) } else { None };
        let data = nal::strip_if(sample, self.length_size, |unit| {
            unit.hevc_kind().is_none_or(|kind| (VPS..=FILLER).contains(&kind))
        });
        Cleaned { data, is_idr, new_config }
    }

    /// The configuration after the sets in `sample`; `None` when they are unusable. A set replaces one of its kind and
    /// number; others stay.
    fn changed(&self, sample: &Bytes) -> Option<Self> {
        let mut sets: Vec<Set> = Vec::new();
        let fresh = nal::nals(sample, self.length_size)
            .filter_map(|unit| Some((unit.hevc_kind().filter(|kind| (VPS..=PPS).contains(kind))?, unit.data)));
        for (kind, data) in fresh.take(SETS_MAX) {
            sets.push(Set { kind, data: Bytes::copy_from_slice(data) });
        }
        for old in &self.sets {
            let is_replaced = sets.iter().any(|set| set.kind == old.kind && set.number() == old.number());
            if !is_replaced && sets.len() < SETS_MAX {
                sets.push(old.clone());
            }
        }
        Self::of(self.record.get(..FIXED_BYTES)?, self.length_size, sets).ok()
    }
}

impl Set {
    /// The parameter set's own number.
    fn number(&self) -> Option<u32> {
        let payload = self.data.get(2..)?;
        match self.kind {
            VPS => Some(u32::from(payload.first()? >> 4)),
            SPS => HevcSps::number(&self.data),
            PPS => BitReader::new(payload).ue().ok(),
            _ => None,
        }
    }
}

/// Writes the sets as arrays, one for each kind, in the order of their kinds.
fn put_arrays(record: &mut BytesMut, sets: &[Set]) -> Result<(), CodecError> {
    let mut kinds: Vec<u8> = sets.iter().map(|set| set.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    record.put_u8(kinds.len() as u8);
    for kind in kinds {
        let of_kind = || sets.iter().filter(|set| set.kind == kind);
        record.put_u8(if (VPS..=PPS).contains(&kind) { IS_COMPLETE | kind } else { kind });
        record.put_u16(of_kind().count() as u16);
        for set in of_kind() {
            let length = u16::try_from(set.data.len()).map_err(|_| CodecError::Invalid("parameter set too long"))?;
            record.put_u16(length);
            record.put_slice(&set.data);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real encoder sends for 320 × 180 at 30 frames.
    const RECORD: &[u8] = include_bytes!("hevc_record.bin");

    #[test]
    fn a_real_record_is_understood() {
        let hevc = HevcConfig::parse(RECORD).expect("parses");
        assert_eq!((hevc.width, hevc.height, hevc.length_size), (320, 180, 4));
        assert_eq!(hevc.frame_rate.map(FrameRate::as_f64), Some(30.0));
        assert_eq!(hevc.sample_aspect, (1, 1));
        assert_eq!(hevc.codecs(), "hvc1.1.6.L60.90");
        assert_eq!(HevcConfig::parse(&hevc.record), Ok(hevc.clone()), "what we write we read");
    }

    #[test]
    fn every_cut_is_refused_without_panic() {
        for length in 0..RECORD.len() {
            let _ = HevcConfig::parse(&RECORD[..length]);
        }
        assert_eq!(HevcConfig::parse(&RECORD[..FIXED_BYTES]), Err(CodecError::Truncated));
        assert!(HevcConfig::parse(&[1; RECORD_BYTES_MAX + 1]).is_err());
        for at in 0..RECORD.len() * 8 {
            let mut flipped = RECORD.to_vec();
            flipped[at / 8] ^= 1 << (at % 8);
            let _ = HevcConfig::parse(&flipped).map(|config| config.codecs());
        }
    }

    #[test]
    fn access_units_are_cleaned_and_random_access_is_seen() {
        let hevc = HevcConfig::parse(RECORD).expect("parses");
        let unit = |kinds: &[u8]| -> Bytes {
            kinds.iter().flat_map(|kind| [0, 0, 0, 3, kind << 1, 1, 0xaa]).collect::<Vec<_>>().into()
        };
        let key = hevc.clean(&unit(&[35, 39, 19, FILLER]));
        assert!(key.is_idr && key.new_config.is_none());
        assert_eq!(key.data, unit(&[39, 19]));
        assert!(hevc.clean(&unit(&[21])).is_idr, "CRA");
        assert!(!hevc.clean(&unit(&[1, 0])).is_idr);
        assert_eq!(hevc.clean(&unit(&[35])).data, Bytes::new());
    }

    #[test]
    fn known_sets_in_band_change_nothing_and_others_make_a_new_configuration() {
        let hevc = HevcConfig::parse(RECORD).expect("parses");
        let prefixed = |set: &[u8]| [&(set.len() as u32).to_be_bytes()[..], set].concat();
        let sps = hevc.sets.iter().find(|set| set.kind == SPS).expect("one").data.clone();
        let same: Bytes = [prefixed(&sps), prefixed(&[19 << 1, 1, 9])].concat().into();
        let cleaned = hevc.clean(&same);
        assert_eq!((cleaned.new_config, cleaned.data), (None, Bytes::from(prefixed(&[19 << 1, 1, 9]))));
        // Another level in an otherwise equal set.
        let mut other = sps.to_vec();
        let level = other.iter().position(|byte| *byte == 60).expect("the level");
        other[level] = 63;
        let changed = hevc.clean(&prefixed(&other).into()).new_config.expect("a new configuration");
        assert_eq!(changed.codecs(), "hvc1.1.6.L63.90");
        assert_eq!(changed.sets.len(), hevc.sets.len(), "the old set is gone");
        // A further picture parameter set comes before sets that come first in a record.
        let pps = hevc.clean(&prefixed(&[PPS << 1, 1, 0x12]).into()).new_config.expect("a new configuration");
        assert_eq!(HevcConfig::parse(&pps.record), Ok(pps.clone()), "it is what its record says");
    }
}
