//! What a link runs on: bytes over a socket, or frames through a pipe within the process.
//!
//! Owns the writing of both and the deadline of each write. What is said when belongs to [`super`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kit::inproc::Pipe;
use media::link::{self, Frame, FrameKind, Hello, HelloReply, Passed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::route::Way;

/// A transcoder that takes no byte for this long is lost.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Payloads up to this size are copied next to their header: cheaper than a slice of their own.
const COPY_BYTES_MAX: usize = 512;

#[derive(Debug)]
pub(super) enum Transport {
    Socket(TcpStream),
    Pipe(Pipe<Passed>),
}

/// The incoming half.
#[derive(Debug)]
pub(super) enum Ear {
    Socket(OwnedReadHalf),
    Pipe(mpsc::Receiver<Passed>),
}

/// The outgoing half.
#[derive(Debug)]
pub(super) enum Mouth {
    Socket(OwnedWriteHalf),
    Pipe(mpsc::Sender<Passed>),
}

impl Transport {
    pub(super) async fn connect(way: &Way) -> io::Result<Self> {
        match way {
            Way::Here(dialer) => dialer.connect().await.map(Self::Pipe),
            Way::Over(addr) => {
                let socket = TcpStream::connect(addr).await?;
                socket.set_nodelay(true)?;
                Ok(Self::Socket(socket))
            }
        }
    }

    pub(super) async fn greet(&mut self, hello: &Hello) -> anyhow::Result<HelloReply> {
        const HUNG_UP: &str = "the transcoder hung up during the greeting";
        match self {
            Self::Socket(socket) => {
                socket.write_all(&link::encode_json(hello)?).await?;
                let mut buffer = BytesMut::with_capacity(512);
                loop {
                    if let Some(reply) = link::decode_json(&mut buffer)? {
                        return Ok(reply);
                    }
                    anyhow::ensure!(socket.read_buf(&mut buffer).await? > 0, HUNG_UP);
                }
            }
            Self::Pipe(pipe) => {
                pipe.sender.send(Passed::Hello(hello.clone())).await.map_err(|_| anyhow::anyhow!(HUNG_UP))?;
                match pipe.receiver.recv().await {
                    Some(Passed::Reply(reply)) => Ok(reply),
                    _ => anyhow::bail!(HUNG_UP),
                }
            }
        }
    }

    pub(super) fn split(self) -> (Ear, Mouth) {
        match self {
            Self::Socket(socket) => {
                let (reader, writer) = socket.into_split();
                (Ear::Socket(reader), Mouth::Socket(writer))
            }
            Self::Pipe(Pipe { sender, receiver }) => (Ear::Pipe(receiver), Mouth::Pipe(sender)),
        }
    }
}

impl Ear {
    /// Resolves when the transcoder says anything or hangs up: before the end it has nothing to say but goodbye. Cancel safe.
    pub(super) async fn any(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(reader) => reader.read(&mut [0; 64]).await.map(|_| ()),
            Self::Pipe(receiver) => {
                let _ = receiver.recv().await;
                Ok(())
            }
        }
    }

    /// Waits for the word that the last segment is closed.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        const HUNG_UP: &str = "the transcoder hung up before its last word";
        match self {
            Self::Socket(reader) => {
                let (mut decoder, mut buffer) = (link::Decoder::new(), BytesMut::with_capacity(64));
                loop {
                    match decoder.decode(&mut buffer)? {
                        Some(frame) if frame.kind == FrameKind::Ended => return Ok(()),
                        Some(_) => {}
                        None => anyhow::ensure!(reader.read_buf(&mut buffer).await? > 0, HUNG_UP),
                    }
                }
            }
            Self::Pipe(receiver) => loop {
                match receiver.recv().await {
                    Some(Passed::Frames(frames)) if frames.iter().any(|frame| frame.kind == FrameKind::Ended) => {
                        return Ok(());
                    }
                    Some(_) => {}
                    None => anyhow::bail!(HUNG_UP),
                }
            },
        }
    }
}

impl Mouth {
    pub(super) async fn send(&mut self, frames: Vec<Frame>) -> anyhow::Result<()> {
        const DEAF: &str = "the transcoder does not take our media";
        match self {
            Self::Socket(writer) => {
                let mut slices = Slices::of(frames);
                while slices.has_remaining() {
                    // The deadline is per write, not per batch: slow is not dead.
                    match timeout(WRITE_WAIT_MAX, writer.write_buf(&mut slices)).await {
                        Ok(Ok(0)) | Err(_) => anyhow::bail!(DEAF),
                        Ok(result) => result?,
                    };
                }
                Ok(())
            }
            Self::Pipe(sender) => match timeout(WRITE_WAIT_MAX, sender.send(Passed::Frames(frames))).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => anyhow::bail!("the transcoder hung up"),
                Err(_) => anyhow::bail!(DEAF),
            },
        }
    }

    pub(super) async fn close(self) -> io::Result<()> {
        match self {
            Self::Socket(mut writer) => writer.shutdown().await,
            Self::Pipe(_) => Ok(()),
        }
    }
}

/// Headers and payloads of a batch, written with one call and without joining them.
struct Slices(VecDeque<Bytes>);

impl Slices {
    fn of(frames: Vec<Frame>) -> Self {
        let (mut slices, mut small) = (VecDeque::with_capacity(frames.len() * 2), BytesMut::new());
        for Frame { kind, timestamp_ms, payload } in frames {
            small.extend_from_slice(&link::encode_header(kind, payload.len() as u32, timestamp_ms));
            if payload.len() <= COPY_BYTES_MAX {
                small.extend_from_slice(&payload);
            } else {
                slices.push_back(small.split().freeze());
                slices.push_back(payload);
            }
        }
        if !small.is_empty() {
            slices.push_back(small.freeze());
        }
        Self(slices)
    }
}

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |bytes| &bytes[..])
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, bytes) in slices.iter_mut().zip(&self.0) {
            *slot = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let Some(front) = self.0.front_mut() else { return };
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if front.is_empty() {
                self.0.pop_front();
            }
        }
    }
}
