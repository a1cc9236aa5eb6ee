//! Walking the open bitstream units of an AV1 temporal unit (AV1 specification 5.3).

use bytes::Bytes;

pub const SEQUENCE_HEADER: u8 = 1;
pub const TEMPORAL_DELIMITER: u8 = 2;
pub const FRAME_HEADER: u8 = 3;
pub const FRAME: u8 = 6;
pub const REDUNDANT_FRAME_HEADER: u8 = 7;
pub const TILE_LIST: u8 = 8;
pub const PADDING: u8 = 15;

/// No length is written in more bytes.
const LENGTH_BYTES_MAX: usize = 8;

/// One unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obu<'a> {
    pub kind: u8,
    /// Where its header starts and where it ends.
    pub start: usize,
    pub end: usize,
    pub payload: &'a [u8],
}

/// The units of `data`. A unit that reaches past the end stops the walk.
pub fn obus(data: &[u8]) -> Obus<'_> {
    Obus { data, at: 0 }
}

/// Iterator over [`Obu`]s.
#[derive(Debug, Clone)]
pub struct Obus<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Obus<'a> {
    type Item = Obu<'a>;

    fn next(&mut self) -> Option<Obu<'a>> {
        const FORBIDDEN: u8 = 0x80;
        const HAS_EXTENSION: u8 = 0x04;
        const HAS_SIZE: u8 = 0x02;

        let start = self.at;
        let header = *self.data.get(start)?;
        if header & FORBIDDEN != 0 {
            return None;
        }
        let mut from = start + if header & HAS_EXTENSION != 0 { 2 } else { 1 };
        let end = if header & HAS_SIZE != 0 {
            let (length, used) = leb128(self.data.get(from..)?)?;
            from += used;
            from.checked_add(length)?
        } else {
            // Only the last unit may leave its size out.
            self.data.len()
        };
        let payload = self.data.get(from..end)?;
        self.at = end;
        Some(Obu { kind: header >> 3 & 0x0f, start, end, payload })
    }
}

/// A length in little-endian groups of seven bits, and the bytes it takes.
fn leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in data.iter().take(LENGTH_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            // The specification allows no more than 32 bits.
            return Some((u32::try_from(value).ok()? as usize, index + 1));
        }
    }
    None
}

/// Whether CMAF does not want a unit (AV1 in ISO BMFF 2.4).
fn is_ballast(kind: u8) -> bool {
    matches!(kind, TEMPORAL_DELIMITER | REDUNDANT_FRAME_HEADER | TILE_LIST | PADDING)
}

/// The temporal unit without ballast and without a torn tail; usually a slice, since the delimiter comes first.
pub(crate) fn strip(sample: &Bytes) -> Bytes {
    let mut kept = obus(sample).filter(|unit| !is_ballast(unit.kind));
    let Some(first) = kept.next() else { return Bytes::new() };
    let mut end = first.end;
    for unit in kept {
        if unit.start != end {
            let units = obus(sample).filter(|unit| !is_ballast(unit.kind));
            return units.flat_map(|unit| sample[unit.start..unit.end].to_vec()).collect::<Vec<_>>().into();
        }
        end = unit.end;
    }
    sample.slice(first.start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_walked_with_and_without_sizes() {
        let data = [0x12, 0, 0x0a, 2, 7, 8, 0x30, 9, 9];
        let found: Vec<_> = obus(&data).map(|unit| (unit.kind, unit.payload)).collect();
        assert_eq!(found, [(TEMPORAL_DELIMITER, &[][..]), (SEQUENCE_HEADER, &[7, 8]), (FRAME, &[9, 9])]);
        assert_eq!(strip(&Bytes::copy_from_slice(&data)), data[2..]);
    }

    #[test]
    fn ballast_in_the_middle_goes_and_lies_about_lengths_stop_the_walk() {
        let sample = Bytes::from_static(&[0x0a, 1, 5, 0x7a, 1, 0, 0x32, 1, 6]);
        assert_eq!(strip(&sample), [0x0a, 1, 5, 0x32, 1, 6][..]);
        for lie in [&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0x0a, 0xff], &[0x0e], &[0x8a, 0], &[0x0a, 5, 1]] {
            assert_eq!(obus(lie).next(), None, "{lie:x?}");
        }
        assert_eq!(obus(&[0x0a; 9]).count(), 0, "a length beyond the end");
    }
}
