//! Reading RTMP chunks: bytes in, whole messages out. Sans I/O, total over any input.
//!
//! Owns the chunk stream protocol (Adobe's RTMP specification 1.0, 5.3 and 5.4): one buffer per chunk stream, every header
//! format, Set Chunk Size and Abort, and all its limits. What a message means belongs to [`crate::command`] and the session;
//! deadlines belong to the session. A message that arrives in one chunk is sliced out of the input, not copied.

use bytes::{Buf, Bytes, BytesMut};

/// Chunk size before anybody says otherwise.
const CHUNK_BYTES_DEFAULT: usize = 128;
/// Largest chunk size we let a peer choose.
pub const CHUNK_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most chunk streams of one connection. Encoders use five.
pub const CHUNK_STREAMS_MAX: usize = 64;
/// Longest chunk header: basic 3, message 11, extended timestamp 4.
const HEADER_BYTES_MAX: usize = 18;
/// The value of a timestamp field that announces an extended timestamp.
const EXTENDED: u32 = 0x00ff_ffff;
/// A message's buffer starts no larger than this, whatever length its header claims.
const FIRST_RESERVE_MAX: usize = 64 * 1024;

/// Message types the chunk layer or its users know (5.4, 6.1).
pub mod kind {
    pub const SET_CHUNK_SIZE: u8 = 1;
    pub const ABORT: u8 = 2;
    pub const ACKNOWLEDGEMENT: u8 = 3;
    pub const USER_CONTROL: u8 = 4;
    pub const WINDOW_ACK_SIZE: u8 = 5;
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    pub const AUDIO: u8 = 8;
    pub const VIDEO: u8 = 9;
    pub const DATA_AMF3: u8 = 15;
    pub const COMMAND_AMF3: u8 = 17;
    pub const DATA_AMF0: u8 = 18;
    pub const COMMAND_AMF0: u8 = 20;
}

/// How much a peer may make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message.
    pub message_bytes_max: usize,
    /// Most bytes of unfinished messages, over all chunk streams.
    pub buffered_bytes_max: usize,
}

impl Limits {
    /// For a peer that has not said who it is.
    pub const STRANGER: Self = Self { message_bytes_max: 256 * 1024, buffered_bytes_max: 512 * 1024 };
    /// For an accepted publisher.
    pub const PUBLISHER: Self = Self { message_bytes_max: 10 * 1024 * 1024, buffered_bytes_max: 12 * 1024 * 1024 };
}

/// Why the peer's bytes are not a chunk stream we go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("a message of {bytes} bytes, at most {max} allowed")]
    MessageTooLong { bytes: usize, max: usize },
    #[error("more than {max} bytes of unfinished messages")]
    TooMuchBuffered { max: usize },
    #[error("more than {CHUNK_STREAMS_MAX} chunk streams")]
    TooManyStreams,
    #[error("a chunk size of {0}")]
    ChunkSize(u32),
    #[error("a chunk that continues nothing on chunk stream {0}")]
    NothingToContinue(u32),
    #[error("a new message inside another on chunk stream {0}")]
    MessageInsideMessage(u32),
    #[error("a control message of {0} bytes")]
    ControlLength(usize),
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub chunk_stream: u32,
    /// One of [`kind`], or something newer.
    pub kind: u8,
    pub message_stream: u32,
    /// Milliseconds; wraps after 2³².
    pub timestamp_ms: u32,
    pub payload: Bytes,
}

/// What is remembered of one chunk stream.
#[derive(Debug, Default)]
struct ChunkStream {
    id: u32,
    /// The last header's timestamp or delta: what a type 3 header repeats for a new message.
    delta: u32,
    /// The last header carried its timestamp in the extended field.
    is_extended: bool,
    timestamp_ms: u32,
    length: usize,
    kind: u8,
    message_stream: u32,
    /// A message has begun and waits for more chunks.
    is_open: bool,
    buffer: BytesMut,
}

/// A chunk in the middle of which the input ended.
#[derive(Debug, Clone, Copy)]
struct OpenChunk {
    index: usize,
    left: usize,
}

/// Turns a connection's bytes into messages.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    chunk_bytes: usize,
    streams: Vec<ChunkStream>,
    open_chunk: Option<OpenChunk>,
    buffered: usize,
}

impl Reader {
    pub fn new(limits: Limits) -> Self {
        Self { limits, chunk_bytes: CHUNK_BYTES_DEFAULT, streams: Vec::new(), open_chunk: None, buffered: 0 }
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Bytes of unfinished messages it holds.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Takes chunks from the front of `input` until a message is whole; `None` when the input has no more to give.
    ///
    /// Set Chunk Size and Abort take effect here and are not returned. After an error the connection is of no use.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        loop {
            let chunk = match self.open_chunk.take() {
                Some(chunk) => chunk,
                None => match self.begin_chunk(input)? {
                    Some(chunk) => chunk,
                    None => return Ok(None),
                },
            };
            let Some(message) = self.take_payload(chunk, input)? else {
                if self.open_chunk.is_some() {
                    return Ok(None);
                }
                continue;
            };
            match message.kind {
                kind::SET_CHUNK_SIZE => {
                    let size = control_value(&message.payload)?;
                    if size == 0 || size as usize > CHUNK_BYTES_MAX {
                        return Err(ChunkError::ChunkSize(size));
                    }
                    self.chunk_bytes = size as usize;
                }
                kind::ABORT => self.abort(control_value(&message.payload)?),
                _ => return Ok(Some(message)),
            }
        }
    }

    /// Drops the unfinished message of a chunk stream (5.4.2).
    fn abort(&mut self, chunk_stream: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == chunk_stream) {
            self.buffered -= stream.buffer.len();
            stream.buffer = BytesMut::new();
            stream.is_open = false;
        }
    }

    /// Reads a chunk's header. `None`, and nothing consumed, when it is not complete.
    fn begin_chunk(&mut self, input: &mut BytesMut) -> Result<Option<OpenChunk>, ChunkError> {
        let head = &input[..input.len().min(HEADER_BYTES_MAX)];
        let Some((format, id, basic)) = basic_header(head) else { return Ok(None) };
        let index = self.find(id, format)?;
        let stream = &mut self.streams[index];
        if format < 3 && stream.is_open {
            return Err(ChunkError::MessageInsideMessage(id));
        }
        let header_bytes = [11, 7, 3, 0][usize::from(format)];
        let Some(header) = head.get(basic..basic + header_bytes) else { return Ok(None) };
        let rest = &head[basic + header_bytes..];
        let Some(time) = chunk_time(stream, format, header, rest) else { return Ok(None) };
        let length = if format < 2 { be24(&header[3..]) as usize } else { stream.length };
        if length > self.limits.message_bytes_max {
            return Err(ChunkError::MessageTooLong { bytes: length, max: self.limits.message_bytes_max });
        }
        if format < 2 {
            stream.kind = header[6];
        }
        if format == 0 {
            stream.message_stream = u32::from_le_bytes([header[7], header[8], header[9], header[10]]);
        }
        if !stream.is_open {
            stream.timestamp_ms = if format == 0 { time.value } else { stream.timestamp_ms.wrapping_add(time.value) };
            stream.delta = time.value;
            stream.is_extended = time.is_extended;
            stream.length = length;
            stream.is_open = true;
        }
        let left = self.chunk_bytes.min(stream.length - stream.buffer.len());
        input.advance(basic + header_bytes + time.bytes);
        Ok(Some(OpenChunk { index, left }))
    }

    fn find(&mut self, id: u32, format: u8) -> Result<usize, ChunkError> {
        if let Some(index) = self.streams.iter().position(|stream| stream.id == id) {
            return Ok(index);
        }
        // Type 1 opens a chunk stream in librtmp's control messages; types 2 and 3 would have no length.
        if format > 1 {
            return Err(ChunkError::NothingToContinue(id));
        }
        if self.streams.len() >= CHUNK_STREAMS_MAX {
            return Err(ChunkError::TooManyStreams);
        }
        self.streams.push(ChunkStream { id, ..ChunkStream::default() });
        Ok(self.streams.len() - 1)
    }

    /// Moves the chunk's payload from the input to its message. `None` while the message or the chunk is not complete; the
    /// latter leaves the chunk open.
    fn take_payload(&mut self, chunk: OpenChunk, input: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        let stream = &mut self.streams[chunk.index];
        let is_whole_message = stream.buffer.is_empty() && chunk.left == stream.length;
        let payload = if is_whole_message && input.len() >= chunk.left {
            input.split_to(chunk.left).freeze()
        } else {
            let now = chunk.left.min(input.len());
            if self.buffered + now > self.limits.buffered_bytes_max {
                return Err(ChunkError::TooMuchBuffered { max: self.limits.buffered_bytes_max });
            }
            if stream.buffer.capacity() == 0 {
                stream.buffer.reserve(stream.length.min(FIRST_RESERVE_MAX));
            }
            stream.buffer.extend_from_slice(&input[..now]);
            input.advance(now);
            self.buffered += now;
            if now < chunk.left {
                self.open_chunk = Some(OpenChunk { left: chunk.left - now, ..chunk });
                return Ok(None);
            }
            if stream.buffer.len() < stream.length {
                return Ok(None);
            }
            self.buffered -= stream.length;
            std::mem::take(&mut stream.buffer).freeze()
        };
        stream.is_open = false;
        Ok(Some(Message {
            chunk_stream: stream.id,
            kind: stream.kind,
            message_stream: stream.message_stream,
            timestamp_ms: stream.timestamp_ms,
            payload,
        }))
    }
}

/// A header's timestamp or delta and how many bytes its extended field took.
struct ChunkTime {
    value: u32,
    is_extended: bool,
    bytes: usize,
}

/// `None` until enough bytes are there to decide.
fn chunk_time(stream: &ChunkStream, format: u8, header: &[u8], rest: &[u8]) -> Option<ChunkTime> {
    if format < 3 {
        let field = be24(header);
        if field < EXTENDED {
            return Some(ChunkTime { value: field, is_extended: false, bytes: 0 });
        }
        let value = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        return Some(ChunkTime { value, is_extended: true, bytes: 4 });
    }
    if !stream.is_extended {
        return Some(ChunkTime { value: stream.delta, is_extended: false, bytes: 0 });
    }
    if !stream.is_open {
        let value = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        return Some(ChunkTime { value, is_extended: true, bytes: 4 });
    }
    // A continuation repeats the extended field, says 5.3.1.3; encoders exist that do not. The bytes tell.
    let expected = stream.delta.to_be_bytes();
    let common = rest.len().min(4);
    let repeats = rest[..common] == expected[..common];
    if repeats && common < 4 {
        return None;
    }
    Some(ChunkTime { value: stream.delta, is_extended: true, bytes: if repeats { 4 } else { 0 } })
}

/// Format, chunk stream id and length of the basic header (5.3.1.1).
fn basic_header(input: &[u8]) -> Option<(u8, u32, usize)> {
    let first = *input.first()?;
    let format = first >> 6;
    match first & 0x3f {
        0 => Some((format, 64 + u32::from(*input.get(1)?), 2)),
        1 => Some((format, 64 + u32::from(*input.get(1)?) + 256 * u32::from(*input.get(2)?), 3)),
        id => Some((format, u32::from(id), 1)),
    }
}

fn control_value(payload: &[u8]) -> Result<u32, ChunkError> {
    match payload.first_chunk::<4>() {
        Some(value) if payload.len() == 4 => Ok(u32::from_be_bytes(*value)),
        _ => Err(ChunkError::ControlLength(payload.len())),
    }
}

fn be24(bytes: &[u8]) -> u32 {
    u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2])
}

#[cfg(test)]
mod tests;
