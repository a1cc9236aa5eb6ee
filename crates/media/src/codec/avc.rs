//! AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1) and the cleaning of access units.

use bytes::{BufMut, Bytes, BytesMut};

use super::sps::{FrameRate, Sps};
use super::{CodecError, nal};

/// A longer record is not one.
const RECORD_BYTES_MAX: usize = 16_384;

/// A checked avcC record and what its first SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    /// The record itself, as it goes into the `avcC` box.
    pub record: Bytes,
    /// Bytes of each NAL unit's length prefix: 1, 2 or 4.
    pub length_size: u8,
    pub profile: u8,
    /// The constraint flags' byte (`profile_compatibility`).
    pub constraints: u8,
    pub level: u8,
    /// Coded size after cropping.
    pub width: u32,
    pub height: u32,
    /// Width and height of one sample; (1, 1) when square or untold.
    pub sample_aspect: (u32, u32),
    /// From the VUI, when the encoder tells. A hint: senders are known to be wrong about it.
    pub frame_rate: Option<FrameRate>,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
}

/// An access unit made ready for CMAF: by [`AvcConfig::clean`] and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned<C = AvcConfig> {
    /// Without parameter sets, delimiters and filler; empty when nothing else was in it.
    pub data: Bytes,
    /// Whether decoding can begin here: an IDR picture, any random access picture of HEVC, a shown key frame of AV1.
    pub is_idr: bool,
    /// The configuration that holds from this access unit on, when its in-band parameter sets differ.
    pub new_config: Option<C>,
}

impl<C> Cleaned<C> {
    /// The same with the configuration in another form.
    pub(super) fn map<D>(self, change: impl FnOnce(C) -> D) -> Cleaned<D> {
        Cleaned { data: self.data, is_idr: self.is_idr, new_config: self.new_config.map(change) }
    }
}

impl AvcConfig {
    /// Reads and checks an avcC record.
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(CodecError::Invalid("avcC too long"));
        }
        let [version, profile, constraints, level, length, sps_count, sets @ ..] = record else {
            return Err(CodecError::Truncated);
        };
        if *version != 1 {
            return Err(CodecError::Invalid("configurationVersion"));
        }
        let length_size = (length & 0x03) + 1;
        if length_size == 3 {
            return Err(CodecError::Invalid("lengthSizeMinusOne"));
        }
        let mut rest = sets;
        let sps = take_sets(&mut rest, sps_count & 0x1f)?;
        let pps_count = take(&mut rest, 1)?[0];
        let pps = take_sets(&mut rest, pps_count)?;
        let first = sps.first().ok_or(CodecError::Invalid("no SPS"))?;
        if pps.is_empty() {
            return Err(CodecError::Invalid("no PPS"));
        }
        let told = Sps::parse(first)?;
        Ok(Self {
            record: Bytes::copy_from_slice(record),
            length_size,
            profile: *profile,
            constraints: *constraints,
            level: *level,
            width: told.width,
            height: told.height,
            sample_aspect: told.sample_aspect,
            frame_rate: told.frame_rate,
            sps,
            pps,
        })
    }

    /// Builds the record from parameter sets (NAL units without prefix), for encoders that only give those.
    pub fn from_sets(sps: &[&[u8]], pps: &[&[u8]], length_size: u8) -> Result<Self, CodecError> {
        let told = Sps::parse(sps.first().ok_or(CodecError::Invalid("no SPS"))?)?;
        if sps.len() > 31 || pps.len() > 255 || !matches!(length_size, 1 | 2 | 4) {
            return Err(CodecError::Invalid("parameter sets"));
        }
        let mut record = BytesMut::with_capacity(64);
        record.put_slice(&[1, told.profile, told.constraints, told.level, 0xfc | (length_size - 1)]);
        record.put_u8(0xe0 | sps.len() as u8);
        put_sets(&mut record, sps)?;
        record.put_u8(pps.len() as u8);
        put_sets(&mut record, pps)?;
        if matches!(told.profile, 100 | 110 | 122 | 144) {
            // 4:2:0 at 8 bits: the only thing such a record is built for.
            record.put_slice(&[0xfd, 0xf8, 0xf8, 0]);
        }
        Self::parse(&record)
    }

    /// The RFC 6381 name: `avc1.` and profile, constraints and level in hex.
    pub fn codecs(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile, self.constraints, self.level)
    }

    /// Takes out of an access unit what CMAF does not want, tells whether it is an IDR picture, and notices new in-band
    /// parameter sets (they would otherwise be lost, since `avc1` keeps them in the init segment).
    pub fn clean(&self, sample: &Bytes) -> Cleaned {
        let mut is_idr = false;
        let mut is_changed = false;
        for unit in nal::nals(sample, self.length_size) {
            match unit.kind {
                nal::IDR => is_idr = true,
                nal::SPS => is_changed |= !self.sps.iter().any(|known| known == unit.data),
                nal::PPS => is_changed |= !self.pps.iter().any(|known| known == unit.data),
                _ => {}
            }
        }
        let new_config = if is_changed { self.changed(sample) } else { None };
        Cleaned { data: nal::strip(sample, self.length_size), is_idr, new_config }
    }

    /// The configuration after the sets in `sample`; `None` when they are unusable. Sets of a kind that is not in it stay.
    fn changed(&self, sample: &Bytes) -> Option<Self> {
        let of_kind =
            |kind| nal::nals(sample, self.length_size).filter(move |unit| unit.kind == kind).map(|unit| unit.data);
        let mut sps: Vec<&[u8]> = of_kind(nal::SPS).collect();
        let mut pps: Vec<&[u8]> = of_kind(nal::PPS).collect();
        if sps.is_empty() {
            sps = self.sps.iter().map(|set| &set[..]).collect();
        }
        if pps.is_empty() {
            pps = self.pps.iter().map(|set| &set[..]).collect();
        } else {
            // Pictures may still name a set that is not repeated here.
            pps.extend(self.pps.iter().map(|set| &set[..]).filter(|old| !shares_pps_id(old, &pps)).collect::<Vec<_>>());
        }
        Self::from_sets(&sps, &pps, self.length_size).ok()
    }
}

fn shares_pps_id(old: &[u8], new: &[&[u8]]) -> bool {
    let id = |set: &[u8]| crate::bits::BitReader::new(set.get(1..).unwrap_or_default()).ue().ok();
    new.iter().any(|set| id(set) == id(old))
}

pub(super) fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], CodecError> {
    let (head, tail) = rest.split_at_checked(count).ok_or(CodecError::Truncated)?;
    *rest = tail;
    Ok(head)
}

fn take_sets(rest: &mut &[u8], count: u8) -> Result<Vec<Bytes>, CodecError> {
    (0..count)
        .map(|_| {
            let length = take(rest, 2)?;
            let length = usize::from(length[0]) << 8 | usize::from(length[1]);
            Ok(Bytes::copy_from_slice(take(rest, length)?))
        })
        .collect()
}

fn put_sets(record: &mut BytesMut, sets: &[&[u8]]) -> Result<(), CodecError> {
    for set in sets {
        let length = u16::try_from(set.len()).map_err(|_| CodecError::Invalid("parameter set too long"))?;
        record.put_u16(length);
        record.put_slice(set);
    }
    Ok(())
}
