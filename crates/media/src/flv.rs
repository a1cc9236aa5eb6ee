//! FLV tag bodies as RTMP carries them: the classic layout and the Enhanced-RTMP extension headers.
//!
//! Owns the layout of tag bodies; what is inside a sequence header belongs to [`crate::codec`]. Sources: Adobe's Video File
//! Format 10.1 annex E, Enhanced RTMP v2. Payload is sliced from the input, never copied.

mod file;

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use crate::codec::VideoCodec;
pub use file::{FileTag, FileTags, TagKind, file_tags};

/// Why a tag body was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlvError {
    #[error("the tag ends too early")]
    Truncated,

    /// The name of a codec, or of a form of one.
    #[error("the codec {0} is not supported")]
    UnsupportedCodec(String),

    #[error("the tag breaks its standard: {0}")]
    Invalid(&'static str),

    #[error("not an FLV file")]
    NotFlv,
}

/// Numbers of the tracks beside track 0 that a tag holds.
pub type OtherTracks = SmallVec<[u8; 4]>;

/// Tracks of one tag. Encoders send up to six.
const TRACKS_MAX: usize = 64;
/// `ModEx` prefixes of one tag. One is defined.
const MOD_EX_MAX: usize = 16;

/// One parsed video tag body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTag {
    /// What the sender says; [`crate::codec::VideoConfig::clean`] finds out whether decoding can begin with it.
    pub is_key: bool,
    /// Of track 0, or of a tag that knows no tracks.
    pub packet: VideoPacket,
    /// What else is in the tag and left out.
    pub other_tracks: OtherTracks,
}

/// What a video tag carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoPacket {
    /// `config` is the codec's decoder configuration record.
    SequenceHeader {
        codec: VideoCodec,
        config: Bytes,
    },
    /// `data` is length-prefixed NAL units, or the open bitstream units of an AV1 temporal unit.
    Frame {
        codec: VideoCodec,
        cts_ms: i32,
        data: Bytes,
    },
    EndOfSequence,
    /// A tag without media: a command frame, metadata, another track, an empty body.
    Ignored,
}

/// One parsed audio tag body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTag {
    pub packet: AudioPacket,
    /// What else is in the tag and left out.
    pub other_tracks: OtherTracks,
}

/// What an audio tag carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioPacket {
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

const FRAME_KEY: u8 = 1;
const FRAME_COMMAND: u8 = 5;

/// `CodecID`s of the classic layout (E.4.3.1). The number of HEVC was never Adobe's, but encoders from before Enhanced RTMP
/// agree on it.
mod classic {
    pub(super) const H263: u8 = 2;
    pub(super) const SCREEN: u8 = 3;
    pub(super) const VP6: u8 = 4;
    pub(super) const VP6_ALPHA: u8 = 5;
    pub(super) const SCREEN_2: u8 = 6;
    pub(super) const AVC: u8 = 7;
    pub(super) const HEVC: u8 = 12;
}

/// Packet types of Enhanced RTMP; the numbers differ between audio and video where noted.
mod packet {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    pub(super) const VIDEO_CODED_FRAMES_X: u8 = 3;
    pub(super) const VIDEO_METADATA: u8 = 4;
    pub(super) const VIDEO_MPEG2_TS_SEQUENCE_START: u8 = 5;
    pub(super) const AUDIO_MULTITRACK: u8 = 5;
    pub(super) const VIDEO_MULTITRACK: u8 = 6;
    pub(super) const MOD_EX: u8 = 7;
}

impl VideoTag {
    fn of(is_key: bool, packet: VideoPacket) -> Self {
        Self { is_key, packet, other_tracks: OtherTracks::new() }
    }

    fn ignored() -> Self {
        Self::of(false, VideoPacket::Ignored)
    }
}

impl From<AudioPacket> for AudioTag {
    fn from(packet: AudioPacket) -> Self {
        Self { packet, other_tracks: OtherTracks::new() }
    }
}

/// Reads the body of an RTMP video message.
pub fn parse_video(body: &Bytes) -> Result<VideoTag, FlvError> {
    let mut rest = body.clone();
    if rest.is_empty() {
        return Ok(VideoTag::ignored());
    }
    let first = rest.get_u8();
    if first & 0x80 != 0 {
        return parse_ex_video(first, rest);
    }
    let frame_type = first >> 4;
    if frame_type == FRAME_COMMAND {
        return Ok(VideoTag::ignored());
    }
    let codec = match first & 0x0f {
        classic::AVC => VideoCodec::Avc,
        classic::HEVC => VideoCodec::Hevc,
        classic::H263 => return Err(unsupported("Sorenson H.263")),
        classic::SCREEN | classic::SCREEN_2 => return Err(unsupported("Screen Video")),
        classic::VP6 | classic::VP6_ALPHA => return Err(unsupported("VP6")),
        other => return Err(FlvError::UnsupportedCodec(format!("video {other}"))),
    };
    let kind = take_u8(&mut rest)?;
    let cts_ms = take_i24(&mut rest)?;
    let packet = match kind {
        0 if rest.is_empty() => VideoPacket::Ignored,
        0 => VideoPacket::SequenceHeader { codec, config: rest },
        1 => VideoPacket::Frame { codec, cts_ms, data: rest },
        2 => VideoPacket::EndOfSequence,
        _ => return Ok(VideoTag::ignored()),
    };
    Ok(VideoTag::of(frame_type == FRAME_KEY, packet))
}

fn parse_ex_video(first: u8, mut rest: Bytes) -> Result<VideoTag, FlvError> {
    let frame_type = first >> 4 & 0x07;
    let kind = skip_mod_ex(first & 0x0f, &mut rest)?;
    if frame_type == FRAME_COMMAND && kind != packet::VIDEO_METADATA {
        return Ok(VideoTag::ignored());
    }
    let (track, other_tracks) = take_track(kind, packet::VIDEO_MULTITRACK, rest)?;
    let Some(track) = track.filter(|track| track.kind != packet::VIDEO_METADATA) else {
        return Ok(VideoTag { other_tracks, ..VideoTag::ignored() });
    };
    let codec = video_codec(track.fourcc)?;
    let mut data = track.data;
    let packet = match track.kind {
        // An encoder that learns its header from its first frame announces itself with an empty one (ffmpeg with libaom).
        packet::SEQUENCE_START if data.is_empty() => VideoPacket::Ignored,
        packet::SEQUENCE_START => VideoPacket::SequenceHeader { codec, config: data },
        // AV1 has no offset: its temporal units come in the order they are shown.
        packet::CODED_FRAMES if codec == VideoCodec::Av1 => VideoPacket::Frame { codec, cts_ms: 0, data },
        packet::CODED_FRAMES => VideoPacket::Frame { codec, cts_ms: take_i24(&mut data)?, data },
        packet::VIDEO_CODED_FRAMES_X => VideoPacket::Frame { codec, cts_ms: 0, data },
        packet::SEQUENCE_END => VideoPacket::EndOfSequence,
        packet::VIDEO_MPEG2_TS_SEQUENCE_START => return Err(unsupported("AV1 in the form of MPEG-2 TS")),
        _ => VideoPacket::Ignored,
    };
    Ok(VideoTag { is_key: frame_type == FRAME_KEY, packet, other_tracks })
}

fn video_codec(fourcc: [u8; 4]) -> Result<VideoCodec, FlvError> {
    Ok(match &fourcc {
        b"avc1" => VideoCodec::Avc,
        b"hvc1" | b"hev1" => VideoCodec::Hevc,
        b"av01" => VideoCodec::Av1,
        b"vp08" => return Err(unsupported("VP8")),
        b"vp09" => return Err(unsupported("VP9")),
        b"vvc1" | b"vvi1" => return Err(unsupported("VVC")),
        _ => return Err(unsupported_fourcc(fourcc)),
    })
}

/// Reads the body of an RTMP audio message.
pub fn parse_audio(body: &Bytes) -> Result<AudioTag, FlvError> {
    let mut rest = body.clone();
    if rest.is_empty() {
        return Ok(AudioPacket::Ignored.into());
    }
    let first = rest.get_u8();
    match first >> 4 {
        10 => Ok(match take_u8(&mut rest)? {
            0 if !rest.is_empty() => AudioPacket::SequenceHeader { config: rest },
            1 if !rest.is_empty() => AudioPacket::Frame { data: rest },
            _ => AudioPacket::Ignored,
        }
        .into()),
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
    let (track, other_tracks) = take_track(kind, packet::AUDIO_MULTITRACK, rest)?;
    let Some(track) = track else { return Ok(AudioTag { packet: AudioPacket::Ignored, other_tracks }) };
    match &track.fourcc {
        b"mp4a" => {}
        b"Opus" => return Err(unsupported("Opus")),
        b"fLaC" => return Err(unsupported("FLAC")),
        b".mp3" => return Err(unsupported("MP3")),
        b"ac-3" => return Err(unsupported("AC-3")),
        b"ec-3" => return Err(unsupported("E-AC-3")),
        _ => return Err(unsupported_fourcc(track.fourcc)),
    }
    let packet = match track.kind {
        _ if track.data.is_empty() => AudioPacket::Ignored,
        packet::SEQUENCE_START => AudioPacket::SequenceHeader { config: track.data },
        packet::CODED_FRAMES => AudioPacket::Frame { data: track.data },
        _ => AudioPacket::Ignored,
    };
    Ok(AudioTag { packet, other_tracks })
}

/// The part of an extended tag that belongs to one track.
struct Track {
    kind: u8,
    fourcc: [u8; 4],
    data: Bytes,
}

/// Reads the FourCC, and of a multitrack tag picks track 0 and counts the others.
fn take_track(kind: u8, multitrack: u8, mut rest: Bytes) -> Result<(Option<Track>, OtherTracks), FlvError> {
    const ONE_TRACK: u8 = 0;
    const MANY_CODECS: u8 = 2;

    if kind != multitrack {
        return Ok((Some(Track { kind, fourcc: take_fourcc(&mut rest)?, data: rest }), OtherTracks::new()));
    }
    let layout = take_u8(&mut rest)?;
    let (layout, kind) = (layout >> 4, layout & 0x0f);
    if layout > MANY_CODECS || kind == multitrack {
        return Err(FlvError::Invalid("a multitrack layout that is not defined"));
    }
    let shared = if layout == MANY_CODECS { None } else { Some(take_fourcc(&mut rest)?) };
    let (mut first, mut others) = (None, OtherTracks::new());
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
        if id == 0 && first.is_none() {
            first = Some(Track { kind, fourcc, data });
        } else if others.len() < TRACKS_MAX {
            others.push(id);
        } else {
            return Err(FlvError::Invalid("too many tracks in a tag"));
        }
    }
    Ok((first, others))
}

/// Steps over `ModEx` prefixes (the only one defined tells nanoseconds, which no track of ours can carry) and returns the
/// packet type behind them.
fn skip_mod_ex(mut kind: u8, rest: &mut Bytes) -> Result<u8, FlvError> {
    for _prefix in 0..MOD_EX_MAX {
        if kind != packet::MOD_EX {
            return Ok(kind);
        }
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
    Err(FlvError::Invalid("too many ModEx prefixes"))
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

    fn frame(cts_ms: i32, data: &'static str) -> VideoPacket {
        VideoPacket::Frame { codec: VideoCodec::Avc, cts_ms, data: Bytes::from(data) }
    }

    #[test]
    fn a_classic_frame_is_sliced_with_its_signed_offset() {
        let body = bytes(&[&[0x27, 1, 0xff, 0xff, 0xd7], b"nal"]);
        let tag = parse_video(&body).expect("parses");
        assert_eq!(tag, VideoTag::of(false, frame(-41, "nal")));
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
        assert_eq!(with_offset.packet, frame(40, "x"));
        assert!(with_offset.is_key);
        let without = parse_video(&bytes(&[&[0xa3], b"avc1", b"x"])).expect("parses");
        assert_eq!(without.packet, frame(0, "x"));
    }

    #[test]
    fn mod_ex_prefixes_are_stepped_over() {
        let body = bytes(&[&[0x97, 2, 9, 9, 9, 0x03], b"avc1", b"x"]);
        assert_eq!(parse_video(&body).map(|tag| tag.packet), Ok(frame(0, "x")));
        assert_eq!(parse_video(&bytes(&[&[0x97, 0xff, 0xff, 0xff, 1]])), Err(FlvError::Truncated));
    }

    #[test]
    fn of_many_tracks_the_first_is_taken() {
        // Two tracks of one codec, track 1 before track 0.
        let body = bytes(&[&[0x96, 0x13], b"avc1", &[1, 0, 0, 2], b"no", &[0, 0, 0, 3], b"yes"]);
        let tag = parse_video(&body).expect("parses");
        assert_eq!(tag.packet, frame(0, "yes"));
        assert_eq!(tag.other_tracks[..], [1]);
        let other = parse_video(&bytes(&[&[0x96, 0x03], b"avc1", &[1], b"no"])).expect("parses");
        assert_eq!((other.packet, &other.other_tracks[..]), (VideoPacket::Ignored, &[1][..]));
        // Each track with a codec of its own, one of which we do not know: it is not track 0.
        let many = bytes(&[&[0x96, 0x21], b"vvc1", &[1, 0, 0, 1, 9], b"hvc1", &[0, 0, 0, 4, 0, 0, 7], b"x"]);
        let packet = VideoPacket::Frame { codec: VideoCodec::Hevc, cts_ms: 7, data: Bytes::from("x") };
        assert_eq!(parse_video(&many).map(|tag| tag.packet), Ok(packet));
        let sounds = parse_audio(&bytes(&[&[0x95, 0x11], b"mp4a", &[0, 0, 0, 1, 7, 3, 0, 0, 1, 8]])).expect("parses");
        assert_eq!(sounds.packet, AudioPacket::Frame { data: Bytes::from_static(&[7]) });
        assert_eq!(sounds.other_tracks[..], [3]);
    }

    #[test]
    fn hostile_multitrack_tags_are_refused() {
        assert_eq!(
            parse_video(&bytes(&[&[0x96, 0x31], b"avc1"])),
            Err(FlvError::Invalid("a multitrack layout that is not defined"))
        );
        assert_eq!(
            parse_video(&bytes(&[&[0x96, 0x06], b"avc1"])),
            Err(FlvError::Invalid("a multitrack layout that is not defined"))
        );
        assert_eq!(parse_video(&bytes(&[&[0x96, 0x11], b"avc1", &[0, 0xff, 0xff, 0xff]])), Err(FlvError::Truncated));
        let many = [&[0x96, 0x11][..], b"avc1", &[1, 0, 0, 0].repeat(1_000)].concat();
        assert_eq!(parse_video(&many.into()), Err(FlvError::Invalid("too many tracks in a tag")));
        let nested = [&[0x97][..], &[0, 0, 0x07].repeat(100_000)].concat();
        assert_eq!(parse_video(&nested.into()), Err(FlvError::Invalid("too many ModEx prefixes")));
    }

    #[test]
    fn hevc_and_av1_are_read_in_all_their_forms() {
        let hevc = |cts_ms| VideoPacket::Frame { codec: VideoCodec::Hevc, cts_ms, data: Bytes::from("x") };
        for (body, packet) in [
            (bytes(&[&[0x91], b"hvc1", &[0, 0, 67], b"x"]), hevc(67)),
            (bytes(&[&[0x91], b"hev1", &[0, 0, 67], b"x"]), hevc(67)),
            (bytes(&[&[0xa3], b"hvc1", b"x"]), hevc(0)),
            (bytes(&[&[0x1c, 1, 0, 0, 67], b"x"]), hevc(67)),
            (bytes(&[&[0x92], b"hvc1"]), VideoPacket::EndOfSequence),
            (bytes(&[&[0x90], b"av01"]), VideoPacket::Ignored),
            (
                bytes(&[&[0x90], b"av01", b"av1C"]),
                VideoPacket::SequenceHeader { codec: VideoCodec::Av1, config: Bytes::from("av1C") },
            ),
            (
                bytes(&[&[0x91], b"av01", b"unit"]),
                VideoPacket::Frame { codec: VideoCodec::Av1, cts_ms: 0, data: Bytes::from("unit") },
            ),
            (bytes(&[&[0xd4], b"hvc1", b"amf"]), VideoPacket::Ignored),
            (bytes(&[&[0xd1, 0]]), VideoPacket::Ignored),
        ] {
            assert_eq!(parse_video(&body).map(|tag| tag.packet), Ok(packet), "{body:x?}");
        }
    }

    #[test]
    fn codecs_we_do_not_take_are_named() {
        for (name, body) in [
            ("VVC", bytes(&[&[0x91], b"vvc1", b"x"])),
            ("VP9", bytes(&[&[0x91], b"vp09"])),
            ("zzzz", bytes(&[&[0x91], b"zzzz"])),
            ("AV1 in the form of MPEG-2 TS", bytes(&[&[0x95], b"av01", b"x"])),
            ("VP6", bytes(&[&[0x14, 1]])),
            ("Sorenson H.263", bytes(&[&[0x22, 1]])),
        ] {
            assert_eq!(parse_video(&body), Err(FlvError::UnsupportedCodec(name.to_owned())));
        }
        assert_eq!(parse_audio(&bytes(&[&[0x2f, 1]])), Err(FlvError::UnsupportedCodec("MP3".to_owned())));
        assert_eq!(parse_audio(&bytes(&[&[0x91], b"Opus", b"x"])), Err(FlvError::UnsupportedCodec("Opus".to_owned())));
    }

    #[test]
    fn aac_is_read_in_both_layouts() {
        assert_eq!(
            parse_audio(&bytes(&[&[0xaf, 0, 0x11, 0x90]])),
            Ok(AudioPacket::SequenceHeader { config: Bytes::from_static(&[0x11, 0x90]) }.into())
        );
        assert_eq!(
            parse_audio(&bytes(&[&[0xaf, 1, 7]])),
            Ok(AudioPacket::Frame { data: Bytes::from_static(&[7]) }.into())
        );
        assert_eq!(
            parse_audio(&bytes(&[&[0x91], b"mp4a", &[7]])),
            Ok(AudioPacket::Frame { data: Bytes::from_static(&[7]) }.into())
        );
    }

    #[test]
    fn short_bodies_are_errors_and_empty_ones_nothing() {
        assert_eq!(parse_video(&Bytes::new()), Ok(VideoTag::ignored()));
        assert_eq!(parse_audio(&Bytes::new()), Ok(AudioPacket::Ignored.into()));
        assert_eq!(parse_video(&bytes(&[&[0x17, 1, 0]])), Err(FlvError::Truncated));
        assert_eq!(parse_audio(&bytes(&[&[0xaf]])), Err(FlvError::Truncated));
        assert_eq!(parse_video(&bytes(&[&[0x57, 0]])), Ok(VideoTag::ignored()), "a command frame");
    }
}
