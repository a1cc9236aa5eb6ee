//! The frames that the parent and the child exchange over the child's standard input and output.
//!
//! `[kind u8][length u32 BE][payload]`. Both directions are bounded: a length beyond the bound ends the conversation,
//! so neither side can make the other buffer without end.

use std::path::PathBuf;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use domain::import::Container;
use media::codec::VideoCodec;
use serde::{Deserialize, Serialize};

/// Longest access unit that is fed to a child: what an RTMP message can hold.
pub(crate) const UNIT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Longest frame towards the child: an access unit and its timestamps.
pub(crate) const INPUT_BYTES_MAX: usize = UNIT_BYTES_MAX + UNIT_HEADER_LEN;
/// Longest frame of a child that reads a file: the file's own access units.
pub(crate) const READER_BYTES_MAX: usize = INPUT_BYTES_MAX + 1;
/// Longest frame a child may send: far above a key frame of the largest rung or a thumbnail.
pub(crate) const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) const FRAME_HEADER_LEN: usize = 5;
const UNIT_HEADER_LEN: usize = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Parent to child, first frame: [`Task`] as JSON.
    Task = 1,
    /// Parent to child: timestamps and one AVCC access unit.
    Unit = 2,
    /// Child to parent: sandboxed and ready for media; [`Report`] as JSON.
    Ready = 3,
    /// Child to parent: a rung's number and its encoder's codec data.
    Config = 4,
    /// Child to parent: one JPEG.
    Thumbnail = 5,
    /// Child to parent: media was decoded although nothing of it is sent.
    Progress = 6,
    /// Child to parent: a sentence about why it cannot go on.
    Failed = 7,
    /// Child to parent: a rung's number, timestamps and one AVCC access unit.
    Picture = 8,
    /// Parent to child: the rungs that are to run from the next key frame on, a bit for each.
    Rungs = 9,
    /// Child to parent: what it used; [`super::Usage`] as JSON.
    Usage = 10,
    /// Child to parent: a picture's presentation time and its small JPEG.
    Tile = 11,
    /// Child to parent: a sentence about what this machine lacks; another child would lack it too.
    Unable = 12,
    /// Child to parent: what is in the file; [`Contents`] as JSON.
    Contents = 13,
    /// Child to parent: all of the file was read.
    Ended = 14,
    /// Child to parent: why the file is refused; a code of `domain::import::ImportFail`.
    Refused = 15,
}

impl Kind {
    fn parse(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Task,
            2 => Self::Unit,
            3 => Self::Ready,
            4 => Self::Config,
            5 => Self::Thumbnail,
            6 => Self::Progress,
            7 => Self::Failed,
            8 => Self::Picture,
            9 => Self::Rungs,
            10 => Self::Usage,
            11 => Self::Tile,
            12 => Self::Unable,
            13 => Self::Contents,
            14 => Self::Ended,
            15 => Self::Refused,
            _ => return None,
        })
    }
}

/// What the child is asked to do; its first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    Work(Work),
    /// Read a file, and give what is asked for of it.
    Demux(Demux),
    /// Build everything, enter the sandbox, try what must fail, report and exit.
    SelfCheck {
        memory_mib: u64,
        parent_pid: i32,
    },
    /// Encode some pictures with the hardware encoder of that name, inside the sandbox, report and exit.
    TryEncoder {
        name: String,
        memory_mib: u64,
        parent_pid: i32,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) codec: VideoCodec,
    pub(crate) codec_data: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: (u32, u32),
    pub(crate) encoder: super::Encoder,
    pub(crate) rungs: Vec<WorkRung>,
    /// Those of them that run from the beginning.
    pub(crate) running: super::Mask,
    pub(crate) thumbnail_every_s: u32,
    /// 0: none.
    pub(crate) tile_every_s: u32,
    /// Others are served first.
    pub(crate) is_patient: bool,
    pub(crate) memory_mib: u64,
    pub(crate) parent_pid: i32,
}

/// A file to be read. Its access units come as [`Kind::Picture`] with the track's number, their times in nanoseconds from the
/// beginning of the presentation; [`NO_TIME`] where the file has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Demux {
    /// Opened before the walls go up.
    pub(crate) path: PathBuf,
    /// Says which parser is let at it.
    pub(crate) container: Container,
    /// Numbers of the tracks that are wanted, as [`Contents`] has them, and what is to be made of each. Empty: only what is in it.
    pub(crate) takes: Vec<(u8, Option<Recode>)>,
    pub(crate) memory_mib: u64,
    pub(crate) parent_pid: i32,
}

/// A track that is decoded and encoded anew. Its codec data comes as [`Kind::Config`] with the track's number before its first unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Recode {
    Picture {
        decoder: String,
        /// As [`Track::orientation`].
        orientation: String,
        width: u32,
        height: u32,
        frame_rate: (u32, u32),
    },
    /// Without a decoder for what is not coded at all.
    Sound { decoder: String },
}

/// The file does not say when.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// What is in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    pub(crate) tracks: Vec<Track>,
    pub(crate) duration_ns: Option<u64>,
}

/// One track of a file, as its parser understands it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) number: u8,
    /// GStreamer's name of the format, such as `video/x-h264`.
    pub(crate) format: String,
    /// How its units are laid out, such as `avc`.
    pub(crate) layout: String,
    /// Of MPEG audio and video; 0 otherwise.
    pub(crate) mpeg_version: i32,
    pub(crate) codec_data: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: (u32, u32),
    pub(crate) sample_rate: u32,
    pub(crate) channels: u32,
    /// How the picture is to be turned to be seen upright, as GStreamer says it: `rotate-90`. Empty: not at all.
    pub(crate) orientation: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkRung {
    pub(crate) rung: super::Rung,
    /// Only pictures later than this are encoded: the ones before were delivered by an earlier child.
    pub(crate) encode_after: Option<i64>,
}

/// What the child found and did before it was ready.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The plugins, of a self-check only.
    pub(crate) plugins: Vec<FoundPlugin>,
    pub(crate) measures: Vec<Measure>,
    pub(crate) probes: Vec<Probe>,
    /// Of a hardware encoder that was tried.
    pub(crate) trial: Option<Trial>,
}

/// What a hardware encoder showed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) pictures: usize,
    pub(crate) codecs: String,
    pub(crate) took_ms: u64,
}

/// One plugin of the allow-list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FoundPlugin {
    pub(crate) elements: String,
    pub(crate) path: String,
    pub(crate) failure: Option<String>,
    pub(crate) hint: String,
    /// Whether only some streams need it.
    pub(crate) is_optional: bool,
}

/// One wall of the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measure {
    pub(crate) name: String,
    /// Why it does not stand, if it does not.
    pub(crate) failure: Option<String>,
    pub(crate) detail: String,
}

/// One forbidden thing, tried from inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) name: String,
    pub(crate) is_denied: bool,
    pub(crate) detail: String,
}

/// An access unit with its place on the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    pub(crate) is_sync: bool,
    pub(crate) data: Bytes,
}

impl Unit {
    /// The frame up to the data, which follows without being copied.
    pub(crate) fn header(&self) -> Bytes {
        let mut header = BytesMut::with_capacity(FRAME_HEADER_LEN + UNIT_HEADER_LEN);
        put_frame_header(&mut header, Kind::Unit, UNIT_HEADER_LEN + self.data.len());
        self.put_times(&mut header);
        header.freeze()
    }

    /// The same for a picture of a rung.
    pub(crate) fn picture_header(&self, rung: u8) -> Bytes {
        let mut header = BytesMut::with_capacity(FRAME_HEADER_LEN + 1 + UNIT_HEADER_LEN);
        put_frame_header(&mut header, Kind::Picture, 1 + UNIT_HEADER_LEN + self.data.len());
        header.put_u8(rung);
        self.put_times(&mut header);
        header.freeze()
    }

    fn put_times(&self, header: &mut BytesMut) {
        header.put_i64(self.dts);
        header.put_i64(self.pts);
        header.put_u8(u8::from(self.is_sync));
    }

    pub(crate) fn parse_picture(mut payload: Bytes) -> Result<(usize, Self), WireError> {
        if payload.is_empty() {
            return Err(WireError::Malformed);
        }
        let rung = usize::from(payload.get_u8());
        Ok((rung, Self::parse(payload)?))
    }

    pub(crate) fn parse(mut payload: Bytes) -> Result<Self, WireError> {
        if payload.len() <= UNIT_HEADER_LEN {
            return Err(WireError::Malformed);
        }
        let (dts, pts, is_sync) = (payload.get_i64(), payload.get_i64(), payload.get_u8() != 0);
        Ok(Self { dts, pts, is_sync, data: payload })
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a frame of an unknown kind ({0})")]
    UnknownKind(u8),
    #[error("a frame of {len} bytes, more than {max}")]
    TooLong { len: usize, max: usize },
    #[error("a frame that is not what its kind says")]
    Malformed,
}

/// A whole frame with its payload copied in. For everything but access units on their way to the child.
pub(crate) fn frame(kind: Kind, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(FRAME_HEADER_LEN + payload.len());
    put_frame_header(&mut bytes, kind, payload.len());
    bytes.put_slice(payload);
    bytes.freeze()
}

pub(crate) fn json_frame<T: Serialize>(kind: Kind, value: &T) -> Bytes {
    // Structs of numbers, strings and lists always serialize.
    frame(kind, &serde_json::to_vec(value).unwrap_or_default())
}

fn put_frame_header(bytes: &mut BytesMut, kind: Kind, len: usize) {
    bytes.put_u8(kind as u8);
    bytes.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
}

/// Kind and length of the payload, from a frame's first five bytes.
pub(crate) fn parse_header(mut header: &[u8], max: usize) -> Result<(Kind, usize), WireError> {
    if header.len() < FRAME_HEADER_LEN {
        return Err(WireError::Malformed);
    }
    let kind = header.get_u8();
    let kind = Kind::parse(kind).ok_or(WireError::UnknownKind(kind))?;
    let len = usize::try_from(header.get_u32()).unwrap_or(usize::MAX);
    if len > max { Err(WireError::TooLong { len, max }) } else { Ok((kind, len)) }
}

/// Takes one whole frame off the front of `buffer`, or says that more bytes are needed.
pub(crate) fn decode(buffer: &mut BytesMut, max: usize) -> Result<Option<(Kind, Bytes)>, WireError> {
    if buffer.len() < FRAME_HEADER_LEN {
        return Ok(None);
    }
    let (kind, len) = parse_header(buffer, max)?;
    if buffer.len() < FRAME_HEADER_LEN + len {
        buffer.reserve(FRAME_HEADER_LEN + len - buffer.len());
        return Ok(None);
    }
    buffer.advance(FRAME_HEADER_LEN);
    Ok(Some((kind, buffer.split_to(len).freeze())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_survives_the_wire_in_any_split() {
        let unit = Unit { dts: -3, pts: i64::MAX, is_sync: true, data: Bytes::from_static(b"\0\0\0\x01e") };
        let whole = [unit.header(), unit.data.clone()].concat();
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert!(decode(&mut buffer, INPUT_BYTES_MAX).unwrap().is_none());
            buffer.extend_from_slice(&whole[cut..]);
            let (kind, payload) = decode(&mut buffer, INPUT_BYTES_MAX).unwrap().unwrap();
            assert_eq!(kind, Kind::Unit);
            assert_eq!(Unit::parse(payload).unwrap(), unit);
            assert!(buffer.is_empty());
        }
        let mut buffer = BytesMut::from(&[unit.picture_header(3), unit.data.clone()].concat()[..]);
        let (kind, payload) = decode(&mut buffer, OUTPUT_BYTES_MAX).unwrap().unwrap();
        assert_eq!(kind, Kind::Picture);
        assert_eq!(Unit::parse_picture(payload).unwrap(), (3, unit));
        assert!(matches!(Unit::parse_picture(Bytes::new()), Err(WireError::Malformed)));
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_it_is_buffered() {
        let mut buffer = BytesMut::from(&[2, 0xff, 0xff, 0xff, 0xff][..]);
        assert!(matches!(decode(&mut buffer, OUTPUT_BYTES_MAX), Err(WireError::TooLong { .. })));
        let mut buffer = BytesMut::from(&[99, 0, 0, 0, 0][..]);
        assert!(matches!(decode(&mut buffer, OUTPUT_BYTES_MAX), Err(WireError::UnknownKind(99))));
    }

    #[test]
    fn a_unit_without_data_is_malformed() {
        assert!(matches!(Unit::parse(Bytes::from_static(&[0; 17])), Err(WireError::Malformed)));
        assert!(matches!(Unit::parse(Bytes::from_static(&[0; 3])), Err(WireError::Malformed)));
    }
}
