//! The init segment: `ftyp` and `moov` of one track.

use bytes::{BufMut, Bytes, BytesMut};

use super::TrackConfig;
use crate::codec::{AacConfig, VideoCodec, VideoConfig};

const TRACK_ID: u32 = 1;
/// No rotation, no scaling (ISO/IEC 14496-12 6.2.2).
const UNITY_MATRIX: [u32; 9] = [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000];
/// `und`, packed.
const LANGUAGE_UNDETERMINED: u16 = 0x55c4;

/// `ftyp` and `moov` for one rendition.
pub fn init_segment(track: &TrackConfig) -> Bytes {
    let mut out = BytesMut::with_capacity(1_024);
    put_box(&mut out, b"ftyp", |out| {
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6cmfcmp41");
    });
    put_box(&mut out, b"moov", |out| {
        put_full(out, b"mvhd", 0, 0, |out| {
            out.put_bytes(0, 8);
            out.put_u32(track.timescale());
            out.put_u32(0); // the length shows with the fragments
            out.put_u32(0x0001_0000);
            out.put_u16(0x0100);
            out.put_bytes(0, 10);
            put_matrix(out);
            out.put_bytes(0, 24);
            out.put_u32(TRACK_ID + 1);
        });
        put_box(out, b"trak", |out| put_trak(out, track));
        put_box(out, b"mvex", |out| {
            put_full(out, b"trex", 0, 0, |out| {
                out.put_u32(TRACK_ID);
                out.put_u32(1);
                out.put_bytes(0, 12);
            });
        });
    });
    out.freeze()
}

fn put_trak(out: &mut BytesMut, track: &TrackConfig) {
    const ENABLED_IN_MOVIE: u32 = 3;

    put_full(out, b"tkhd", 0, ENABLED_IN_MOVIE, |out| {
        out.put_bytes(0, 8);
        out.put_u32(TRACK_ID);
        out.put_bytes(0, 8);
        out.put_bytes(0, 12);
        let (volume, (width, height)) = match track {
            TrackConfig::Video(video) => (0, video.display_size()),
            TrackConfig::Audio(_) => (0x0100, (0, 0)),
        };
        out.put_u16(volume);
        out.put_u16(0);
        put_matrix(out);
        out.put_u32(width.min(0xffff) << 16);
        out.put_u32(height.min(0xffff) << 16);
    });
    put_box(out, b"mdia", |out| {
        put_full(out, b"mdhd", 0, 0, |out| {
            out.put_bytes(0, 8);
            out.put_u32(track.timescale());
            out.put_u32(0);
            out.put_u16(LANGUAGE_UNDETERMINED);
            out.put_u16(0);
        });
        put_full(out, b"hdlr", 0, 0, |out| {
            out.put_u32(0);
            out.put_slice(if track.is_video() { b"vide" } else { b"soun" });
            out.put_bytes(0, 12);
            out.put_slice(if track.is_video() { b"Video\0" } else { b"Audio\0" });
        });
        put_box(out, b"minf", |out| put_minf(out, track));
    });
}

fn put_minf(out: &mut BytesMut, track: &TrackConfig) {
    const DATA_IN_THIS_FILE: u32 = 1;

    match track {
        TrackConfig::Video(_) => put_full(out, b"vmhd", 0, 1, |out| out.put_bytes(0, 8)),
        TrackConfig::Audio(_) => put_full(out, b"smhd", 0, 0, |out| out.put_bytes(0, 4)),
    }
    put_box(out, b"dinf", |out| {
        put_full(out, b"dref", 0, 0, |out| {
            out.put_u32(1);
            put_full(out, b"url ", 0, DATA_IN_THIS_FILE, |_| {});
        });
    });
    put_box(out, b"stbl", |out| {
        put_full(out, b"stsd", 0, 0, |out| {
            out.put_u32(1);
            match track {
                TrackConfig::Video(video) => put_visual(out, video),
                TrackConfig::Audio(aac) => put_mp4a(out, aac),
            }
        });
        put_full(out, b"stts", 0, 0, |out| out.put_u32(0));
        put_full(out, b"stsc", 0, 0, |out| out.put_u32(0));
        put_full(out, b"stsz", 0, 0, |out| out.put_u64(0));
        put_full(out, b"stco", 0, 0, |out| out.put_u32(0));
    });
}

/// The visual sample entry: `avc1` and `hvc1` have their parameter sets here and nowhere else.
fn put_visual(out: &mut BytesMut, video: &VideoConfig) {
    let (entry, configuration) = match video.codec() {
        VideoCodec::Avc => (b"avc1", b"avcC"),
        VideoCodec::Hevc => (b"hvc1", b"hvcC"),
        VideoCodec::Av1 => (b"av01", b"av1C"),
    };
    let ((width, height), aspect) = (video.size(), video.sample_aspect());
    put_box(out, entry, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1); // data_reference_index
        out.put_bytes(0, 16);
        out.put_u16(width as u16);
        out.put_u16(height as u16);
        out.put_u32(0x0048_0000); // 72 dpi, as the standard fixes it
        out.put_u32(0x0048_0000);
        out.put_u32(0);
        out.put_u16(1); // frame_count
        out.put_bytes(0, 32); // compressorname
        out.put_u16(0x0018);
        out.put_i16(-1);
        put_box(out, configuration, |out| out.put_slice(video.record()));
        if aspect != (1, 1) {
            put_box(out, b"pasp", |out| {
                out.put_u32(aspect.0);
                out.put_u32(aspect.1);
            });
        }
    });
}

fn put_mp4a(out: &mut BytesMut, aac: &AacConfig) {
    put_box(out, b"mp4a", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1); // data_reference_index
        out.put_bytes(0, 8);
        out.put_u16(u16::from(aac.channels));
        out.put_u16(16); // samplesize
        out.put_u32(0);
        // 16.16 fixed point; a rate that does not fit is told by the header alone.
        out.put_u32(u16::try_from(aac.sample_rate).map_or(0, u32::from) << 16);
        put_full(out, b"esds", 0, 0, |out| put_descriptors(out, &aac.config));
    });
}

/// ES_Descriptor with the decoder's configuration (ISO/IEC 14496-1 7.2.6).
fn put_descriptors(out: &mut BytesMut, config: &[u8]) {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    const SYNC_LAYER: u8 = 6;
    const AAC: u8 = 0x40;
    /// Audio stream, not upstream, reserved bit set.
    const STREAM_TYPE: u8 = 5 << 2 | 1;

    let decoder_bytes = 13 + descriptor_bytes(config.len());
    put_descriptor_header(out, ES, 3 + descriptor_bytes(decoder_bytes) + descriptor_bytes(1));
    out.put_u16(TRACK_ID as u16);
    out.put_u8(0);
    put_descriptor_header(out, DECODER_CONFIG, decoder_bytes);
    out.put_u8(AAC);
    out.put_u8(STREAM_TYPE);
    out.put_bytes(0, 11); // buffer size, maximum and average bit rate: unknown
    put_descriptor_header(out, DECODER_SPECIFIC, config.len());
    out.put_slice(config);
    put_descriptor_header(out, SYNC_LAYER, 1);
    out.put_u8(2); // as MP4 files fix it
}

/// Tag and the length in four bytes of seven bits.
fn put_descriptor_header(out: &mut BytesMut, tag: u8, length: usize) {
    out.put_u8(tag);
    for shift in [21, 14, 7] {
        out.put_u8(0x80 | (length >> shift & 0x7f) as u8);
    }
    out.put_u8((length & 0x7f) as u8);
}

fn descriptor_bytes(length: usize) -> usize {
    5 + length
}

fn put_matrix(out: &mut BytesMut) {
    for value in UNITY_MATRIX {
        out.put_u32(value);
    }
}

/// Writes a box and fills its length in afterwards.
fn put_box(out: &mut BytesMut, kind: &[u8; 4], body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    body(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_full(out: &mut BytesMut, kind: &[u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut BytesMut)) {
    put_box(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        body(out);
    });
}
