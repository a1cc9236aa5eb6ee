//! Walking the length-prefixed NAL units of an access unit, of H.264 and of HEVC.

use bytes::Bytes;

pub const SLICE: u8 = 1;
pub const IDR: u8 = 5;
pub const SEI: u8 = 6;
pub const SPS: u8 = 7;
pub const PPS: u8 = 8;
pub const AUD: u8 = 9;
pub const END_OF_SEQUENCE: u8 = 10;
pub const END_OF_STREAM: u8 = 11;
pub const FILLER: u8 = 12;

/// One NAL unit inside an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a> {
    /// `nal_unit_type` (ITU-T H.264 table 7-1); 0 for an empty unit.
    pub kind: u8,
    /// Where the unit's length prefix starts.
    pub start: usize,
    /// Header byte and payload, without the length prefix.
    pub data: &'a [u8],
}

impl Nal<'_> {
    /// `nal_unit_type` of an HEVC unit (ITU-T H.265 table 7-1); `None` for an empty unit.
    pub fn hevc_kind(&self) -> Option<u8> {
        self.data.first().map(|header| header >> 1 & 0x3f)
    }

    /// Where the unit ends inside the access unit.
    fn end(&self, length_size: u8) -> usize {
        self.start + usize::from(length_size) + self.data.len()
    }
}

/// The NAL units of `sample`. A length that reaches past the end stops the walk.
pub fn nals(sample: &[u8], length_size: u8) -> Nals<'_> {
    Nals { sample, at: 0, length_size: usize::from(length_size.clamp(1, 4)) }
}

/// Iterator over [`Nal`]s.
#[derive(Debug, Clone)]
pub struct Nals<'a> {
    sample: &'a [u8],
    at: usize,
    length_size: usize,
}

impl<'a> Iterator for Nals<'a> {
    type Item = Nal<'a>;

    fn next(&mut self) -> Option<Nal<'a>> {
        let start = self.at;
        let prefix = self.sample.get(start..start.checked_add(self.length_size)?)?;
        let length = prefix.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let from = start + self.length_size;
        let data = self.sample.get(from..from.checked_add(length)?)?;
        self.at = from + length;
        Some(Nal { kind: data.first().map_or(0, |header| header & 0x1f), start, data })
    }
}

/// Whether the access unit holds a slice of an IDR picture.
pub fn is_idr(sample: &[u8], length_size: u8) -> bool {
    nals(sample, length_size).any(|nal| nal.kind == IDR)
}

/// Whether a unit only costs bytes inside CMAF: delimiters, filler, ends, and parameter sets (they stand in the init
/// segment).
fn is_ballast(kind: u8) -> bool {
    matches!(kind, 0 | SPS | PPS | AUD | END_OF_SEQUENCE | END_OF_STREAM | FILLER)
}

/// The H.264 access unit without ballast; see [`strip_if`].
pub(crate) fn strip(sample: &Bytes, length_size: u8) -> Bytes {
    strip_if(sample, length_size, |nal| is_ballast(nal.kind))
}

/// The access unit without ballast and without a torn tail. Usually a slice: encoders put parameter sets in front of the
/// picture and filler behind it. Only ballast between units that stay forces a copy.
pub(crate) fn strip_if(sample: &Bytes, length_size: u8, is_ballast: impl Fn(&Nal<'_>) -> bool) -> Bytes {
    let mut kept = nals(sample, length_size).filter(|nal| !is_ballast(nal));
    let Some(first) = kept.next() else { return Bytes::new() };
    let mut end = first.end(length_size);
    for nal in kept {
        if nal.start != end {
            return copy_kept(sample, length_size, is_ballast);
        }
        end = nal.end(length_size);
    }
    sample.slice(first.start..end)
}

fn copy_kept(sample: &Bytes, length_size: u8, is_ballast: impl Fn(&Nal<'_>) -> bool) -> Bytes {
    let mut copy = Vec::with_capacity(sample.len());
    for nal in nals(sample, length_size).filter(|nal| !is_ballast(nal)) {
        copy.extend_from_slice(&sample[nal.start..nal.end(length_size)]);
    }
    copy.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(kinds: &[u8]) -> Bytes {
        kinds.iter().flat_map(|kind| [0, 0, 0, 2, *kind, 0xaa]).collect::<Vec<_>>().into()
    }

    #[test]
    fn ballast_at_the_edges_goes_without_a_copy() {
        let sample = unit(&[AUD, SPS, PPS, SEI, IDR, IDR, FILLER]);
        let kept = strip(&sample, 4);
        assert_eq!(kept, unit(&[SEI, IDR, IDR]));
        assert_eq!(kept.as_ptr(), sample[18..].as_ptr());
    }

    #[test]
    fn ballast_in_the_middle_goes_too() {
        assert_eq!(strip(&unit(&[SEI, FILLER, SLICE, AUD, SLICE]), 4), unit(&[SEI, SLICE, SLICE]));
        assert_eq!(strip(&unit(&[FILLER, AUD]), 4), Bytes::new());
    }

    #[test]
    fn a_length_past_the_end_stops_the_walk() {
        let mut torn = unit(&[SLICE]).to_vec();
        torn.extend([0xff, 0xff, 0xff, 0xff, IDR]);
        assert!(!is_idr(&torn, 4));
        assert_eq!(strip(&torn.into(), 4), unit(&[SLICE]));
        assert_eq!(nals(&[2, 0x65, 0], 1).map(|nal| nal.kind).collect::<Vec<_>>(), [IDR]);
    }
}
