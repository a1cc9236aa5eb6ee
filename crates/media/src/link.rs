//! Framing of the link that carries one stream from ingest to a transcoder.
//!
//! Owns the bytes on the wire; connecting, deadlines and queues belong to the two ends. A connection opens with a
//! [`Hello`] and its [`HelloReply`], each a length-prefixed JSON text, and goes on with [`Frame`]s:
//! kind (1 byte), payload length (4), timestamp in milliseconds (4), payload. Numbers are big-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes in front of each frame's payload.
pub const FRAME_HEADER_BYTES: usize = 9;
/// No frame is longer; the RTMP side has the same limit for a message.
pub const FRAME_BYTES_MAX: usize = 10 * 1024 * 1024;
/// No greeting is longer.
pub const HELLO_BYTES_MAX: usize = 64 * 1024;

/// The first words of ingest: whose stream follows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The cluster's shared secret.
    pub token: String,
    pub stream_id: String,
    pub vod_id: String,
    pub username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub publish_id: String,
    /// Counts the connections of one stream, from 0; a higher one supersedes a lower.
    pub epoch: u32,
    /// When the stream began, RFC 3339.
    pub started_at: String,
    pub remote_addr: String,
    /// Whom the stream is for: `public` and so on. Absent from nodes that know nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// An earlier connection of this publish was accepted, perhaps by another node: names of media may be taken.
    #[serde(default)]
    pub is_moved: bool,
}

impl std::fmt::Debug for Hello {
    /// Leaves the token out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("stream_id", &self.stream_id)
            .field("vod_id", &self.vod_id)
            .field("username", &self.username)
            .field("publish_id", &self.publish_id)
            .field("epoch", &self.epoch)
            .field("remote_addr", &self.remote_addr)
            .finish_non_exhaustive()
    }
}

/// The transcoder's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum HelloReply {
    Accepted,
    /// `code` is stable, `reason` is for people.
    Refused {
        code: String,
        reason: String,
    },
}

/// Payload of an [`FrameKind::End`] frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub reason: String,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// An FLV video tag body.
    Video,
    /// An FLV audio tag body.
    Audio,
    /// An AMF script data body.
    Data,
    /// The publisher ended the stream; payload is [`End`].
    End,
    /// The transcoder's answer to `End`: the last segment is closed.
    Ended,
}

impl FrameKind {
    fn to_byte(self) -> u8 {
        match self {
            Self::Video => 1,
            Self::Audio => 2,
            Self::Data => 3,
            Self::End => 4,
            Self::Ended => 5,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Video,
            2 => Self::Audio,
            3 => Self::Data,
            4 => Self::End,
            5 => Self::Ended,
            _ => return None,
        })
    }
}

/// One frame after the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: FrameKind,
    /// The RTMP message's timestamp, which wraps after 2³² ms.
    pub timestamp_ms: u32,
    pub payload: Bytes,
}

/// What goes over a link within one process, where nothing has to become bytes.
#[derive(Debug)]
pub enum Passed {
    Hello(Hello),
    Reply(HelloReply),
    Frames(Vec<Frame>),
}

/// Why the peer's bytes were refused. The connection is of no use after it.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),

    #[error("{bytes} bytes announced, at most {max} allowed")]
    TooLong { bytes: usize, max: usize },

    #[error("a greeting that is not the JSON it should be")]
    Json(#[from] serde_json::Error),
}

/// The nine bytes that stand before a frame's payload of `len` bytes.
pub fn encode_header(kind: FrameKind, len: u32, timestamp_ms: u32) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    header[0] = kind.to_byte();
    header[1..5].copy_from_slice(&len.to_be_bytes());
    header[5..9].copy_from_slice(&timestamp_ms.to_be_bytes());
    header
}

/// A greeting ([`Hello`], [`HelloReply`]) as it goes over the wire: length (4 bytes) and JSON.
pub fn encode_json<T: Serialize>(value: &T) -> Result<Bytes, LinkError> {
    let json = serde_json::to_vec(value)?;
    if json.len() > HELLO_BYTES_MAX {
        return Err(LinkError::TooLong { bytes: json.len(), max: HELLO_BYTES_MAX });
    }
    let mut bytes = BytesMut::with_capacity(4 + json.len());
    bytes.put_u32(json.len() as u32);
    bytes.put_slice(&json);
    Ok(bytes.freeze())
}

/// Takes a greeting from the front of `buffer`; `None` until it is complete.
pub fn decode_json<T: DeserializeOwned>(buffer: &mut BytesMut) -> Result<Option<T>, LinkError> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > HELLO_BYTES_MAX {
        return Err(LinkError::TooLong { bytes: length, max: HELLO_BYTES_MAX });
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(serde_json::from_slice(&buffer.split_to(length))?))
}

/// Cuts frames out of a receive buffer.
///
/// The caller reads from its socket into one `BytesMut` and calls [`Decoder::decode`] until it answers `None`. Payloads are
/// split off that buffer, not copied. Keeps no bytes itself, so the greeting's left-over needs no hand-over.
#[derive(Debug, Default, Clone, Copy)]
pub struct Decoder {
    header: Option<(FrameKind, usize, u32)>,
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next complete frame at the front of `buffer`.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, LinkError> {
        let (kind, length, timestamp_ms) = match self.header {
            Some(header) => header,
            None => {
                let Some(header) = buffer.first_chunk::<FRAME_HEADER_BYTES>().copied() else { return Ok(None) };
                let [kind, l0, l1, l2, l3, t0, t1, t2, t3] = header;
                let kind = FrameKind::from_byte(kind).ok_or(LinkError::UnknownKind(kind))?;
                let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
                if length > FRAME_BYTES_MAX {
                    return Err(LinkError::TooLong { bytes: length, max: FRAME_BYTES_MAX });
                }
                buffer.advance(FRAME_HEADER_BYTES);
                *self.header.insert((kind, length, u32::from_be_bytes([t0, t1, t2, t3])))
            }
        };
        if buffer.len() < length {
            return Ok(None);
        }
        self.header = None;
        Ok(Some(Frame { kind, timestamp_ms, payload: buffer.split_to(length).freeze() }))
    }

    /// How many more bytes the frame begun needs at least: a good size for the next read's reserve.
    pub fn wanted(&self, buffer: &BytesMut) -> usize {
        self.header.map_or(FRAME_HEADER_BYTES, |(_, length, _)| length).saturating_sub(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            is_moved: false,
            token: "secret".into(),
            stream_id: "s".into(),
            vod_id: "v".into(),
            username: "alice".into(),
            title: None,
            publish_id: "p".into(),
            epoch: 2,
            started_at: "2026-01-01T00:00:00Z".into(),
            remote_addr: "192.0.2.1:5000".into(),
            visibility: Some("public".into()),
        }
    }

    #[test]
    fn frames_survive_any_split() {
        let mut wire = BytesMut::new();
        for (kind, payload) in [(FrameKind::Video, &b"picture"[..]), (FrameKind::Ended, b""), (FrameKind::Data, b"x")] {
            wire.put_slice(&encode_header(kind, payload.len() as u32, 0xffff_fffe));
            wire.put_slice(payload);
        }
        for step in 1..=wire.len() {
            let (mut decoder, mut buffer, mut frames) = (Decoder::new(), BytesMut::new(), Vec::new());
            for chunk in wire.chunks(step) {
                buffer.put_slice(chunk);
                while let Some(frame) = decoder.decode(&mut buffer).expect("valid") {
                    frames.push(frame);
                }
            }
            let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
            assert_eq!(kinds, [FrameKind::Video, FrameKind::Ended, FrameKind::Data]);
            assert_eq!(frames[0].payload, Bytes::from("picture"));
            assert_eq!(frames[0].timestamp_ms, 0xffff_fffe);
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_buffered() {
        let mut buffer = BytesMut::from(&encode_header(FrameKind::Video, FRAME_BYTES_MAX as u32 + 1, 0)[..]);
        assert!(matches!(Decoder::new().decode(&mut buffer), Err(LinkError::TooLong { .. })));
        let mut buffer = BytesMut::from(&[9_u8; FRAME_HEADER_BYTES][..]);
        assert!(matches!(Decoder::new().decode(&mut buffer), Err(LinkError::UnknownKind(9))));
    }

    #[test]
    fn greetings_round_trip_and_leave_what_follows() {
        let mut buffer = BytesMut::from(&encode_json(&hello()).expect("encodes")[..]);
        buffer.put_slice(b"next");
        assert_eq!(decode_json::<Hello>(&mut buffer).expect("valid"), Some(hello()));
        assert_eq!(&buffer[..], b"next");
        let refused = HelloReply::Refused { code: "link.token".into(), reason: "wrong token".into() };
        let mut buffer = BytesMut::from(&encode_json(&refused).expect("encodes")[..]);
        assert_eq!(decode_json(&mut buffer).expect("valid"), Some(refused));
        let mut huge = BytesMut::from(&u32::MAX.to_be_bytes()[..]);
        assert!(matches!(decode_json::<Hello>(&mut huge), Err(LinkError::TooLong { .. })));
    }

    #[test]
    fn a_hello_in_a_log_keeps_the_token() {
        assert!(!format!("{:?}", hello()).contains("secret"));
    }
}
