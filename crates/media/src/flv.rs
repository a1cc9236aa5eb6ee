//! FLV tag bodies as RTMP carries them: the classic layout and the Enhanced-RTMP extension headers.
//!
//! Owns the layout of tag bodies; what is inside a sequence header belongs to [`crate::codec`]. Sources: Adobe's Video File
//! Format 10.1 annex E, Enhanced RTMP v2. Payload is sliced from the input, never copied.

mod file;

use bytes::{Buf, Bytes};

pub use file::{FileTag, FileTags, TagKind, file_tags};

/// Why a tag body was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlvError {
    #[error("the tag ends too early")]
    Truncated,

    /// A codec's FourCC, or the name of a codec from before FourCCs.
    #[error("the codec {0} is not supported")]
    UnsupportedCodec(String),

    #[error("not an FLV file")]
    NotFlv,
}

/// Video codecs we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    Avc,
}

/// One parsed video tag body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTag {
    /// What the sender says; [`crate::codec::AvcConfig::clean`] finds out whether it is an IDR picture.
    pub is_key: bool,
    pub packet: VideoPacket,
}

/// What a video tag carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoPacket {
    /// `config` is an AVCDecoderConfigurationRecord.
    SequenceHeader {
        codec: VideoCodec,
        config: Bytes,
    },
    /// `data` is length-prefixed NAL units.
    Frame {
        cts_ms: i32,
        data: Bytes,
    },
    EndOfSequence,
    /// A tag without media: a command frame, metadata, another track, an empty body.
    Ignored,
}

/// One parsed audio tag body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioTag {
    /// `config` is an AudioSpecificConfig.
    SequenceHeader {
        config: Bytes,
    },
    /// `data` is one raw AAC frame, without ADTS header.
    Frame {
        data: Bytes,
    },
    Ignored,
}

const IGNORED: VideoTag = VideoTag { is_key: false, packet: VideoPacket::Ignored };

const FRAME_KEY: u8 = 1;
const FRAME_COMMAND: u8 = 5;
const AVC1: [u8; 4] = *b"avc1";
const MP4A: [u8; 4] = *b"mp4a";

/// Packet types of Enhanced RTMP; the numbers differ between audio and video where noted.
mod packet {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    pub(super) const VIDEO_CODED_FRAMES_X: u8 = 3;
    pub(super) const AUDIO_MULTITRACK: u8 = 5;
    pub(super) const VIDEO_MULTITRACK: u8 = 6;
    pub(super) const MOD_EX: u8 = 7;
}

/// Reads the body of an RTMP video message.
pub fn parse_video(body: &Bytes) -> Result<VideoTag, FlvError> {
    let mut rest = body.clone();
    if rest.is_empty() {
        return Ok(IGNORED);
    }
    let first = rest.get_u8();
    if first & 0x80 != 0 {
        return parse_ex_video(first, rest);
    }
    let frame_type = first >> 4;
    if frame_type == FRAME_COMMAND {
        return Ok(IGNORED);
    }
    match first & 0x0f {
        7 => {}
        2 => return Err(unsupported("H.263")),
        4 | 5 => return Err(unsupported("VP6")),
        12 => return Err(unsupported("hvc1")),
        13 => return Err(unsupported("av01")),
        other => return Err(FlvError::UnsupportedCodec(format!("video {other}"))),
    }
    let kind = take_u8(&mut rest)?;
    let cts_ms = take_i24(&mut rest)?;
    let packet = match kind {
        0 => VideoPacket::SequenceHeader { codec: VideoCodec::Avc, config: rest },
        1 => VideoPacket::Frame { cts_ms, data: rest },
        2 => VideoPacket::EndOfSequence,
        _ => return Ok(IGNORED),
    };
    Ok(VideoTag { is_key: frame_type == FRAME_KEY, packet })
}

fn parse_ex_video(first: u8, mut rest: Bytes) -> Result<VideoTag, FlvError> {
    let frame_type = first >> 4 & 0x07;
    let kind = skip_mod_ex(first & 0x0f, &mut rest)?;
    if frame_type == FRAME_COMMAND && kind <= packet::VIDEO_CODED_FRAMES_X {
        return Ok(IGNORED);
    }
    let Some(track) = take_track(kind, packet::VIDEO_MULTITRACK, rest)? else { return Ok(IGNORED) };
    if track.fourcc != AVC1 {
        return Err(unsupported_fourcc(track.fourcc));
    }
    let mut data = track.data;
    let packet = match track.kind {
        packet::SEQUENCE_START => VideoPacket::SequenceHeader { codec: VideoCodec::Avc, config: data },
        packet::CODED_FRAMES => VideoPacket::Frame { cts_ms: take_i24(&mut data)?, data },
        packet::VIDEO_CODED_FRAMES_X => VideoPacket::Frame { cts_ms: 0, data },
        packet::SEQUENCE_END => VideoPacket::EndOfSequence,
        _ => return Ok(IGNORED),
    };
    Ok(VideoTag { is_key: frame_type == FRAME_KEY, packet })
}

/// Reads the body of an RTMP audio message.
pub fn parse_audio(body: &Bytes) -> Result<AudioTag, FlvError> {
    let mut rest = body.clone();
    if rest.is_empty() {
        return Ok(AudioTag::Ignored);
    }
    let first = rest.get_u8();
    match first >> 4 {
        10 => match take_u8(&mut rest)? {
            0 => Ok(AudioTag::SequenceHeader { config: rest }),
            1 if rest.is_empty() => Ok(AudioTag::Ignored),
            1 => Ok(AudioTag::Frame { data: rest }),
            _ => Ok(AudioTag::Ignored),
        },
        9 => parse_ex_audio(first & 0x0f, rest),
        0 | 3 => Err(unsupported("PCM")),
        1 => Err(unsupported("ADPCM")),
        2 | 14 => Err(unsupported("MP3")),
        4..=6 => Err(unsupported("Nellymoser")),
        7 | 8 => Err(unsupported("G.711")),
        11 => Err(unsupported("Speex")),
        other => Err(FlvError::UnsupportedCodec(format!("audio {other}"))),
    }
}

fn parse_ex_audio(kind: u8, mut rest: Bytes) -> Result<AudioTag, FlvError> {
    let kind = skip_mod_ex(kind, &mut rest)?;
    let Some(track) = take_track(kind, packet::AUDIO_MULTITRACK, rest)? else { return Ok(AudioTag::Ignored) };
    if track.fourcc != MP4A {
        return Err(unsupported_fourcc(track.fourcc));
    }
    Ok(match track.kind {
        packet::SEQUENCE_START => AudioTag::SequenceHeader { config: track.data },
        packet::CODED_FRAMES if !track.data.is_empty() => AudioTag::Frame { data: track.data },
        _ => AudioTag::Ignored,
    })
}

/// The part of an extended tag that belongs to one track.
struct Track {
    kind: u8,
    fourcc: [u8; 4],
    data: Bytes,
}

/// Reads the FourCC, and of a multitrack tag picks track 0; `None` when the tag has only other tracks.
fn take_track(kind: u8, multitrack: u8, mut rest: Bytes) -> Result<Option<Track>, FlvError> {
    const ONE_TRACK: u8 = 0;
    const MANY_CODECS: u8 = 2;

    if kind != multitrack {
        return Ok(Some(Track { kind, fourcc: take_fourcc(&mut rest)?, data: rest }));
    }
    let layout = take_u8(&mut rest)?;
    let (layout, kind) = (layout >> 4, layout & 0x0f);
    let shared = if layout == MANY_CODECS { None } else { Some(take_fourcc(&mut rest)?) };
    while !rest.is_empty() {
        let fourcc = match shared {
            Some(fourcc) => fourcc,
            None => take_fourcc(&mut rest)?,
        };
        let id = take_u8(&mut rest)?;
        let data = if layout == ONE_TRACK {
            std::mem::take(&mut rest)
        } else {
            let length = take_u24(&mut rest)? as usize;
            if rest.len() < length {
                return Err(FlvError::Truncated);
            }
            rest.split_to(length)
        };
        if id == 0 {
            return Ok(Some(Track { kind, fourcc, data }));
        }
    }
    Ok(None)
}

/// Steps over `ModEx` prefixes and returns the packet type behind them.
fn skip_mod_ex(mut kind: u8, rest: &mut Bytes) -> Result<u8, FlvError> {
    while kind == packet::MOD_EX {
        let mut length = usize::from(take_u8(rest)?) + 1;
        if length == 256 {
            length = (usize::from(take_u8(rest)?) << 8 | usize::from(take_u8(rest)?)) + 1;
        }
        if rest.len() < length {
            return Err(FlvError::Truncated);
        }
        rest.advance(length);
        kind = take_u8(rest)? & 0x0f;
    }
    Ok(kind)
}

fn take_u8(rest: &mut Bytes) -> Result<u8, FlvError> {
    rest.try_get_u8().map_err(|_| FlvError::Truncated)
}

fn take_u24(rest: &mut Bytes) -> Result<u32, FlvError> {
    rest.try_get_uint(3).map(|value| value as u32).map_err(|_| FlvError::Truncated)
}

fn take_i24(rest: &mut Bytes) -> Result<i32, FlvError> {
    // Shifted up and down again to carry the sign over.
    take_u24(rest).map(|value| (value << 8) as i32 >> 8)
}

fn take_fourcc(rest: &mut Bytes) -> Result<[u8; 4], FlvError> {
    rest.try_get_u32().map(u32::to_be_bytes).map_err(|_| FlvError::Truncated)
}

fn unsupported(name: &str) -> FlvError {
    FlvError::UnsupportedCodec(name.to_owned())
}

fn unsupported_fourcc(fourcc: [u8; 4]) -> FlvError {
    FlvError::UnsupportedCodec(fourcc.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(parts: &[&[u8]]) -> Bytes {
        parts.concat().into()
    }

    #[test]
    fn a_classic_frame_is_sliced_with_its_signed_offset() {
        let body = bytes(&[&[0x27, 1, 0xff, 0xff, 0xd7], b"nal"]);
        let tag = parse_video(&body).expect("parses");
        assert_eq!(
            tag,
            VideoTag { is_key: false, packet: VideoPacket::Frame { cts_ms: -41, data: Bytes::from("nal") } }
        );
        let VideoPacket::Frame { data, .. } = tag.packet else { panic!("a frame") };
        assert_eq!(data.as_ptr(), body[5..].as_ptr(), "no copy");
    }

    #[test]
    fn a_classic_sequence_header_yields_its_record() {
        let tag = parse_video(&bytes(&[&[0x17, 0, 0, 0, 0], b"avcC"])).expect("parses");
        assert!(tag.is_key);
        assert_eq!(
            tag.packet,
            VideoPacket::SequenceHeader { codec: VideoCodec::Avc, config: Bytes::from_static(b"avcC") }
        );
        assert_eq!(parse_video(&bytes(&[&[0x17, 2, 0, 0, 0]])).map(|tag| tag.packet), Ok(VideoPacket::EndOfSequence));
    }

    #[test]
    fn enhanced_avc_is_read_in_both_frame_forms() {
        let with_offset = parse_video(&bytes(&[&[0x91], b"avc1", &[0, 0, 40], b"x"])).expect("parses");
        assert_eq!(with_offset.packet, VideoPacket::Frame { cts_ms: 40, data: Bytes::from("x") });
        assert!(with_offset.is_key);
        let without = parse_video(&bytes(&[&[0xa3], b"avc1", b"x"])).expect("parses");
        assert_eq!(without.packet, VideoPacket::Frame { cts_ms: 0, data: Bytes::from("x") });
    }

    #[test]
    fn mod_ex_prefixes_are_stepped_over() {
        let body = bytes(&[&[0x97, 2, 9, 9, 9, 0x03], b"avc1", b"x"]);
        assert_eq!(
            parse_video(&body).map(|tag| tag.packet),
            Ok(VideoPacket::Frame { cts_ms: 0, data: Bytes::from("x") })
        );
        assert_eq!(parse_video(&bytes(&[&[0x97, 0xff, 0xff, 0xff, 1]])), Err(FlvError::Truncated));
    }

    #[test]
    fn of_many_tracks_the_first_is_taken() {
        // Two tracks of one codec, track 1 before track 0.
        let body = bytes(&[&[0x96, 0x13], b"avc1", &[1, 0, 0, 2], b"no", &[0, 0, 0, 3], b"yes"]);
        let tag = parse_video(&body).expect("parses");
        assert_eq!(tag.packet, VideoPacket::Frame { cts_ms: 0, data: Bytes::from("yes") });
        let other = bytes(&[&[0x96, 0x03], b"avc1", &[1], b"no"]);
        assert_eq!(parse_video(&other).map(|tag| tag.packet), Ok(VideoPacket::Ignored));
    }

    #[test]
    fn codecs_we_do_not_take_are_named() {
        for (fourcc, body) in [
            ("hvc1", bytes(&[&[0x91], b"hvc1", b"x"])),
            ("av01", bytes(&[&[0x90], b"av01"])),
            ("vp09", bytes(&[&[0x91], b"vp09"])),
            ("hvc1", bytes(&[&[0x1c, 1, 0, 0, 0]])),
        ] {
            assert_eq!(parse_video(&body), Err(FlvError::UnsupportedCodec(fourcc.to_owned())));
        }
        assert_eq!(parse_audio(&bytes(&[&[0x2f, 1]])), Err(FlvError::UnsupportedCodec("MP3".to_owned())));
        assert_eq!(parse_audio(&bytes(&[&[0x91], b"Opus", b"x"])), Err(FlvError::UnsupportedCodec("Opus".to_owned())));
    }

    #[test]
    fn aac_is_read_in_both_layouts() {
        assert_eq!(
            parse_audio(&bytes(&[&[0xaf, 0, 0x11, 0x90]])),
            Ok(AudioTag::SequenceHeader { config: Bytes::from_static(&[0x11, 0x90]) })
        );
        assert_eq!(parse_audio(&bytes(&[&[0xaf, 1, 7]])), Ok(AudioTag::Frame { data: Bytes::from_static(&[7]) }));
        assert_eq!(
            parse_audio(&bytes(&[&[0x91], b"mp4a", &[7]])),
            Ok(AudioTag::Frame { data: Bytes::from_static(&[7]) })
        );
    }

    #[test]
    fn short_bodies_are_errors_and_empty_ones_nothing() {
        assert_eq!(parse_video(&Bytes::new()), Ok(IGNORED));
        assert_eq!(parse_audio(&Bytes::new()), Ok(AudioTag::Ignored));
        assert_eq!(parse_video(&bytes(&[&[0x17, 1, 0]])), Err(FlvError::Truncated));
        assert_eq!(parse_audio(&bytes(&[&[0xaf]])), Err(FlvError::Truncated));
        assert_eq!(parse_video(&bytes(&[&[0x57, 0]])), Ok(IGNORED), "a command frame");
    }
}
