//! One connection of an ingest node: greeting, frames, end.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::Classify;
use domain::user::Username;
use kit::Stop;
use media::link::{self, Decoder, End, Frame, FrameKind, Hello, HelloReply};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout};

use super::Token;
use crate::stream::task::Command;
use crate::stream::{Attachment, Claim, ClaimedStream, Streams};

/// From `accept` to a complete greeting.
const HELLO_WAIT_MAX: Duration = Duration::from_secs(5);
/// Ingest gives a silent publisher up after 10 s; a link silent for longer has lost its other end.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Answers are a few bytes: who does not take them in this time is gone.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// From `End` to the last segment being closed.
const ENDED_WAIT_MAX: Duration = Duration::from_secs(5);
/// What is read at once.
const READ_BYTES: usize = 32 * 1024;
/// Frames are handed over together up to this many bytes; with a longest frame on top it stays below what may wait.
const BATCH_BYTES: usize = 256 * 1024;

/// What connections run on: a socket, or a pipe within the process.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Over {
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

/// Runs a connection to its end.
pub(super) async fn run(
    mut stream: impl Transport,
    token: &Token,
    streams: &Arc<Streams>,
    stranger: OwnedSemaphorePermit,
    hard: Stop,
) {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let greeting = tokio::select! {
        greeting = timeout(HELLO_WAIT_MAX, hello(&mut stream, &mut buffer)) => greeting,
        () = hard.cancelled() => return,
    };
    let hello = match greeting {
        Ok(Ok(hello)) => hello,
        Ok(Err(error)) => return tracing::warn!(%error, "a link connection did not greet properly"),
        Err(_) => return tracing::warn!("a link connection did not greet in time"),
    };
    let attachment = match admit(&hello, token, streams) {
        Ok(attachment) => attachment,
        Err(reply) => {
            tracing::warn!(?hello, ?reply, "a link connection was refused");
            let _ = answer(&mut stream, &reply).await;
            return;
        }
    };
    drop(stranger);
    if answer(&mut stream, &HelloReply::Accepted).await.is_err() {
        // Nothing was attached yet: the claim stays with the stream until the next connection.
        return;
    }
    tracing::info!(?hello, "a stream arrives");
    let connection = attachment.connection;
    let commands = attachment.commands.clone();
    if commands.send(Command::Attach { connection }).await.is_err() {
        return;
    }
    let over = tokio::select! {
        over = pump(&mut stream, buffer, attachment) => over,
        () = hard.cancelled() => Over::Stopping,
    };
    tracing::info!(reason = %over, "a link connection is over");
    // A task that has ended needs no telling.
    let _ = commands.send(Command::Gone { connection }).await;
}

async fn hello(stream: &mut impl Transport, buffer: &mut BytesMut) -> Result<Hello, Over> {
    loop {
        if let Some(hello) = link::decode_json(buffer)? {
            return Ok(hello);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(Over::Closed);
        }
    }
}

fn admit(hello: &Hello, token: &Token, streams: &Arc<Streams>) -> Result<Attachment, HelloReply> {
    let refused = |code: &str, reason: &str| HelloReply::Refused { code: code.to_owned(), reason: reason.to_owned() };
    if !token.is(&hello.token) {
        return Err(refused("link.token", "the cluster's secret is another one here"));
    }
    let claim = claim(hello).ok_or_else(|| refused("link.bad-hello", "the greeting's ids or name are not valid"))?;
    streams.attach(&claim).map_err(|error| refused(error.code(), &error.to_string()))
}

fn claim(hello: &Hello) -> Option<Claim> {
    let info = ClaimedStream {
        stream_id: hello.stream_id.parse().ok()?,
        vod_id: hello.vod_id.parse().ok()?,
        username: Username::parse(&hello.username).ok()?,
    };
    Some(Claim { info, publish_id: hello.publish_id.clone(), epoch: hello.epoch })
}

async fn answer(stream: &mut impl Transport, reply: &HelloReply) -> Result<(), Over> {
    write(stream, &link::encode_json(reply)?).await
}

async fn write(stream: &mut impl Transport, bytes: &Bytes) -> Result<(), Over> {
    timeout(WRITE_WAIT_MAX, stream.write_all(bytes)).await.map_err(|_| Over::Silent)??;
    Ok(())
}

/// Moves frames from the socket to the stream's task until one of them ends. What arrived together goes over together.
async fn pump(stream: &mut impl Transport, mut buffer: BytesMut, attachment: Attachment) -> Over {
    let mut decoder = Decoder::new();
    let Attachment { connection, commands, room, cut, connected: _connected } = attachment;
    loop {
        loop {
            let (frames, last) = match arrived_frames(&mut decoder, &mut buffer) {
                Ok(arrived) => arrived,
                Err(error) => return error.into(),
            };
            if !frames.is_empty() {
                let bytes = frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
                let arrived = Instant::now();
                let hand_over = async {
                    let room =
                        Arc::clone(&room).acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX)).await.ok()?;
                    commands.send(Command::Frames { connection, frames, arrived, room }).await.ok()
                };
                let is_taken = tokio::select! {
                    biased;
                    taken = hand_over => taken.is_some(),
                    () = cut.cancelled() => false,
                };
                if !is_taken {
                    return Over::Cut;
                }
            }
            match last {
                Last::End(frame) => return end(stream, &frame, connection, &commands).await,
                Last::More => {}
                Last::NeedsBytes => break,
            }
        }
        buffer.reserve(decoder.wanted(&buffer).max(READ_BYTES));
        let read = tokio::select! {
            biased;
            () = cut.cancelled() => return Over::Cut,
            read = timeout(SILENCE_MAX, stream.read_buf(&mut buffer)) => read,
        };
        match read {
            Ok(Ok(0)) => return Over::Closed,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return Over::Silent,
        }
    }
}

/// Why no further frame was taken from the buffer.
enum Last {
    /// The publisher has left.
    End(Frame),
    /// Enough for one go.
    More,
    NeedsBytes,
}

/// The whole frames at the front of `buffer`, up to [`BATCH_BYTES`] of them or one that is longer.
fn arrived_frames(decoder: &mut Decoder, buffer: &mut BytesMut) -> Result<(Vec<Frame>, Last), link::LinkError> {
    let (mut frames, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES {
        match decoder.decode(buffer)? {
            Some(frame) if frame.kind == FrameKind::End => return Ok((frames, Last::End(frame))),
            Some(frame) => {
                bytes += frame.payload.len();
                frames.push(frame);
            }
            None => return Ok((frames, Last::NeedsBytes)),
        }
    }
    Ok((frames, Last::More))
}

/// The publisher has left: answers once the stream's last segment is closed.
async fn end(
    stream: &mut impl Transport,
    frame: &Frame,
    connection: u64,
    commands: &tokio::sync::mpsc::Sender<Command>,
) -> Over {
    let reason =
        serde_json::from_slice(&frame.payload).map_or_else(|_| "unpublished".to_owned(), |end: End| end.reason);
    let (done, closed) = oneshot::channel();
    let told = async {
        commands.send(Command::End { connection, reason, done }).await.ok()?;
        closed.await.ok()
    };
    if !matches!(timeout(ENDED_WAIT_MAX, told).await, Ok(Some(()))) {
        return Over::Cut;
    }
    let header = link::encode_header(FrameKind::Ended, 0, frame.timestamp_ms);
    match write(stream, &Bytes::copy_from_slice(&header)).await {
        Ok(()) => Over::Closed,
        Err(over) => over,
    }
}
