//! One connection of an ingest node: greeting, frames, end.

use std::sync::Arc;
use std::time::Duration;

use domain::user::Username;
use domain::{Classify, Visibility};
use kit::Stop;
use media::link::{End, Frame, FrameKind, Hello, HelloReply};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout};

use super::Token;
use super::peer::{Over, Peer};
use crate::stream::task::Command;
use crate::stream::{Attachment, BYTES_WAITING_MAX, Claim, ClaimedStream, Streams};

/// From `accept` to a complete greeting.
const HELLO_WAIT_MAX: Duration = Duration::from_secs(5);
/// Ingest gives a silent publisher up after 10 s; a link silent for longer has lost its other end.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// From `End` to the last segment being closed.
const ENDED_WAIT_MAX: Duration = Duration::from_secs(5);

/// Runs a connection to its end.
pub(super) async fn run(
    mut peer: Peer,
    token: &Token,
    streams: &Arc<Streams>,
    stranger: OwnedSemaphorePermit,
    hard: Stop,
) {
    let greeting = tokio::select! {
        greeting = timeout(HELLO_WAIT_MAX, peer.hello()) => greeting,
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
            let _ = peer.answer(reply).await;
            return;
        }
    };
    drop(stranger);
    if peer.answer(HelloReply::Accepted).await.is_err() {
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
        over = pump(&mut peer, attachment) => over,
        () = hard.cancelled() => Over::Stopping,
    };
    tracing::info!(reason = %over, "a link connection is over");
    // A task that has ended needs no telling.
    let _ = commands.send(Command::Gone { connection }).await;
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
        visibility: match &hello.visibility {
            // Older ingest nodes know of nothing else; Postgres is asked within a second.
            None => Visibility::Public,
            Some(text) => Visibility::parse(text)?,
        },
    };
    Some(Claim { info, publish_id: hello.publish_id.clone(), epoch: hello.epoch, is_moved: hello.is_moved })
}

/// Moves frames to the stream's task until one of them ends. What arrived together goes over together.
async fn pump(peer: &mut Peer, attachment: Attachment) -> Over {
    let Attachment { connection, commands, room, cut, connected: _connected } = attachment;
    loop {
        let arrived = tokio::select! {
            biased;
            () = cut.cancelled() => return Over::Cut,
            arrived = timeout(SILENCE_MAX, peer.frames()) => arrived,
        };
        let mut frames = match arrived {
            Ok(Ok(frames)) => frames,
            Ok(Err(over)) => return over,
            Err(_) => return Over::Silent,
        };
        let end = frames.iter().position(|frame| frame.kind == FrameKind::End);
        let end = end.and_then(|index| frames.drain(index..).next());
        let arrived = Instant::now();
        while !frames.is_empty() {
            let (first, rest) = as_many_as_fit(frames);
            frames = rest;
            let bytes = first.iter().map(|frame| frame.payload.len()).sum::<usize>();
            let hand_over = async {
                let room = Arc::clone(&room).acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX)).await.ok()?;
                commands.send(Command::Frames { connection, frames: first, arrived, room }).await.ok()
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
        if let Some(frame) = end {
            return self::end(peer, &frame, connection, &commands).await;
        }
    }
}

/// Splits off what may wait at once; mostly that is all of it.
fn as_many_as_fit(mut frames: Vec<Frame>) -> (Vec<Frame>, Vec<Frame>) {
    let mut bytes = 0;
    let count = frames
        .iter()
        .take_while(|frame| {
            bytes += frame.payload.len();
            bytes <= BYTES_WAITING_MAX / 2
        })
        .count();
    // A single frame always fits.
    let rest = frames.split_off(count.max(1));
    (frames, rest)
}

/// The publisher has left: answers once the stream's last segment is closed.
async fn end(peer: &mut Peer, frame: &Frame, connection: u64, commands: &tokio::sync::mpsc::Sender<Command>) -> Over {
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
    match peer.ended(frame.timestamp_ms).await {
        Ok(()) => Over::Closed,
        Err(over) => over,
    }
}
