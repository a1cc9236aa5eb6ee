//! One fragment: `moof` and `mdat`.

use bytes::{BufMut, Bytes, BytesMut};

use crate::sample::{Sample, Ticks};

const TRACK_ID: u32 = 1;

/// `sample_flags` of a frame that depends on nothing, and of one that does (ISO/IEC 14496-12 8.8.3.1).
const FLAGS_SYNC: u32 = 0x0200_0000;
const FLAGS_NON_SYNC: u32 = 0x0101_0000;

const TFHD_DEFAULT_DURATION: u32 = 0x00_0008;
const TFHD_DEFAULT_FLAGS: u32 = 0x00_0020;
const TFHD_BASE_IS_MOOF: u32 = 0x02_0000;

const TRUN_DATA_OFFSET: u32 = 0x001;
const TRUN_FIRST_FLAGS: u32 = 0x004;
const TRUN_DURATION: u32 = 0x100;
const TRUN_SIZE: u32 = 0x200;
const TRUN_FLAGS: u32 = 0x400;
const TRUN_OFFSET: u32 = 0x800;

const BOX: usize = 8;
const FULL_BOX: usize = 12;
const MFHD: usize = FULL_BOX + 4;
const TFDT: usize = FULL_BOX + 8;

/// What stands beside the samples in a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentMeta {
    /// `mfhd`'s sequence number: grows with each fragment of a rendition.
    pub sequence: u32,
    /// Decode time of the first sample; negative counts as 0.
    pub base_dts: Ticks,
    pub is_video: bool,
}

/// How much of the sample table can be said once for all samples.
struct Layout {
    tfhd_flags: u32,
    trun_flags: u32,
    /// Bytes of one sample's row in `trun`.
    row: usize,
}

impl Layout {
    fn of(samples: &[Sample], is_video: bool) -> Self {
        let first = samples.first().map_or(0, |sample| sample.duration);
        let mut layout = Self {
            tfhd_flags: TFHD_BASE_IS_MOOF | TFHD_DEFAULT_FLAGS,
            trun_flags: TRUN_DATA_OFFSET | TRUN_SIZE,
            row: 4,
        };
        if samples.iter().all(|sample| sample.duration == first) {
            layout.tfhd_flags |= TFHD_DEFAULT_DURATION;
        } else {
            layout.trun_flags |= TRUN_DURATION;
            layout.row += 4;
        }
        if is_video {
            // Non-sync is the default; a sync sample at the front is the usual exception.
            if samples.iter().skip(1).any(|sample| sample.is_sync) {
                layout.trun_flags |= TRUN_FLAGS;
                layout.row += 4;
            } else if samples.first().is_some_and(|sample| sample.is_sync) {
                layout.trun_flags |= TRUN_FIRST_FLAGS;
            }
            if samples.iter().any(|sample| sample.cts != 0) {
                layout.trun_flags |= TRUN_OFFSET;
                layout.row += 4;
            }
        }
        layout
    }

    fn tfhd_bytes(&self) -> usize {
        FULL_BOX + 4 + 4 + if self.tfhd_flags & TFHD_DEFAULT_DURATION != 0 { 4 } else { 0 }
    }

    fn trun_bytes(&self, samples: usize) -> usize {
        FULL_BOX + 4 + 4 + if self.trun_flags & TRUN_FIRST_FLAGS != 0 { 4 } else { 0 } + samples * self.row
    }
}

/// `moof` and `mdat` of `samples`, in one allocation. Each sample's `duration` must be known by now. Fragments one after
/// another make a segment.
pub fn fragment(meta: FragmentMeta, samples: &[Sample]) -> Bytes {
    let layout = Layout::of(samples, meta.is_video);
    let (tfhd, trun) = (layout.tfhd_bytes(), layout.trun_bytes(samples.len()));
    let traf = BOX + tfhd + TFDT + trun;
    let moof = BOX + MFHD + traf;
    let payload: usize = samples.iter().map(|sample| sample.data.len()).sum();
    let mut out = BytesMut::with_capacity(moof + BOX + payload);

    put_header(&mut out, moof, b"moof");
    put_full_header(&mut out, MFHD, b"mfhd", 0);
    out.put_u32(meta.sequence);
    put_header(&mut out, traf, b"traf");
    put_full_header(&mut out, tfhd, b"tfhd", layout.tfhd_flags);
    out.put_u32(TRACK_ID);
    if layout.tfhd_flags & TFHD_DEFAULT_DURATION != 0 {
        out.put_u32(samples.first().map_or(0, |sample| sample.duration));
    }
    out.put_u32(if meta.is_video { FLAGS_NON_SYNC } else { FLAGS_SYNC });
    put_full_header(&mut out, TFDT, b"tfdt", 1 << 24);
    out.put_u64(meta.base_dts.max(0) as u64);
    put_full_header(&mut out, trun, b"trun", 1 << 24 | layout.trun_flags);
    out.put_u32(samples.len() as u32);
    out.put_u32((moof + BOX) as u32);
    if layout.trun_flags & TRUN_FIRST_FLAGS != 0 {
        out.put_u32(FLAGS_SYNC);
    }
    for sample in samples {
        put_row(&mut out, layout.trun_flags, sample);
    }
    put_header(&mut out, BOX + payload, b"mdat");
    for sample in samples {
        out.put_slice(&sample.data);
    }
    out.freeze()
}

fn put_row(out: &mut BytesMut, flags: u32, sample: &Sample) {
    if flags & TRUN_DURATION != 0 {
        out.put_u32(sample.duration);
    }
    out.put_u32(sample.data.len() as u32);
    if flags & TRUN_FLAGS != 0 {
        out.put_u32(if sample.is_sync { FLAGS_SYNC } else { FLAGS_NON_SYNC });
    }
    if flags & TRUN_OFFSET != 0 {
        out.put_i32(sample.cts);
    }
}

fn put_header(out: &mut BytesMut, length: usize, kind: &[u8; 4]) {
    out.put_u32(length as u32);
    out.put_slice(kind);
}

fn put_full_header(out: &mut BytesMut, length: usize, kind: &[u8; 4], version_and_flags: u32) {
    put_header(out, length, kind);
    out.put_u32(version_and_flags);
}
