//! The other end of a link, however its words travel: bytes over a socket, or frames through a pipe within the process.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kit::inproc::Pipe;
use media::link::{self, Decoder, Frame, FrameKind, Hello, HelloReply, LinkError, Passed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Answers are a few bytes: who does not take them in this time is gone.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// What is read at once.
const READ_BYTES: usize = 32 * 1024;
/// Frames that came over a socket are taken together up to this many bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Over {
    #[error("it said nothing in time")]
    Silent,
    #[error("it was closed")]
    Closed,
    #[error("another connection took over, or the stream has ended")]
    Cut,
    #[error("this node is stopping")]
    Stopping,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Link(#[from] link::LinkError),
}

pub(super) enum Peer {
    Far { socket: TcpStream, buffer: BytesMut, decoder: Decoder },
    Near(Pipe<Passed>),
}

impl Peer {
    pub(super) fn far(socket: TcpStream) -> Self {
        // Answers are single small writes; the option only saves a moment.
        let _ = socket.set_nodelay(true);
        Self::Far { socket, buffer: BytesMut::new(), decoder: Decoder::new() }
    }

    pub(super) fn near(pipe: Pipe<Passed>) -> Self {
        Self::Near(pipe)
    }

    pub(super) async fn hello(&mut self) -> Result<Hello, Over> {
        match self {
            Self::Far { socket, buffer, .. } => loop {
                if let Some(hello) = link::decode_json(buffer)? {
                    return Ok(hello);
                }
                if socket.read_buf(buffer).await? == 0 {
                    return Err(Over::Closed);
                }
            },
            Self::Near(pipe) => match pipe.receiver.recv().await {
                Some(Passed::Hello(hello)) => Ok(hello),
                _ => Err(Over::Closed),
            },
        }
    }

    pub(super) async fn answer(&mut self, reply: HelloReply) -> Result<(), Over> {
        match self {
            Self::Far { socket, .. } => write(socket, &link::encode_json(&reply)?).await,
            Self::Near(pipe) => pipe.sender.send(Passed::Reply(reply)).await.map_err(|_| Over::Closed),
        }
    }

    /// The frames that have arrived, at least one. Cancel safe.
    pub(super) async fn frames(&mut self) -> Result<Vec<Frame>, Over> {
        match self {
            Self::Far { socket, buffer, decoder } => loop {
                let frames = arrived(decoder, buffer)?;
                if !frames.is_empty() {
                    return Ok(frames);
                }
                buffer.reserve(decoder.wanted(buffer).max(READ_BYTES));
                if socket.read_buf(buffer).await? == 0 {
                    return Err(Over::Closed);
                }
            },
            Self::Near(pipe) => match pipe.receiver.recv().await {
                Some(Passed::Frames(frames)) => Ok(frames),
                _ => Err(Over::Closed),
            },
        }
    }

    /// Tells that the last segment is closed.
    pub(super) async fn ended(&mut self, timestamp_ms: u32) -> Result<(), Over> {
        match self {
            Self::Far { socket, .. } => write(socket, &link::encode_header(FrameKind::Ended, 0, timestamp_ms)).await,
            Self::Near(pipe) => {
                let frame = Frame { kind: FrameKind::Ended, timestamp_ms, payload: Bytes::new() };
                pipe.sender.send(Passed::Frames(vec![frame])).await.map_err(|_| Over::Closed)
            }
        }
    }
}

fn arrived(decoder: &mut Decoder, buffer: &mut BytesMut) -> Result<Vec<Frame>, LinkError> {
    let (mut frames, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES {
        let Some(frame) = decoder.decode(buffer)? else { break };
        bytes += frame.payload.len();
        frames.push(frame);
    }
    Ok(frames)
}

async fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), Over> {
    timeout(WRITE_WAIT_MAX, socket.write_all(bytes)).await.map_err(|_| Over::Silent)??;
    Ok(())
}
