//! The end of a connection: the last words, the closing of the socket, and the end of what it had claimed.
//!
//! A publisher's socket, its transcoder and its rows are seen off at the same time, each within a bound of its own.

use std::time::Duration;

use domain::Classify;
use domain::stream::PublishEnd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use crate::driver::{Connection, Outcome};
use crate::socket::Socket;

/// Longest wait for a peer to take our last words.
const FLUSH_WAIT_MAX: Duration = Duration::from_millis(1_000);
/// Longest wait for a peer to hang up by itself. Closing on unread bytes would take our last words back, and encoders that
/// pressed stop themselves report an error when the server is quicker (GStreamer's do).
const LINGER_MAX: Duration = Duration::from_millis(1_000);

/// Ends a connection whose session has ended. There is no socket when it broke on its way back to the poller.
pub(crate) async fn part(mut connection: Box<Connection>, socket: Option<Socket>) {
    let now = Instant::now();
    match std::mem::replace(&mut connection.outcome, Outcome::Dropped) {
        Outcome::Dropped => {
            let reason = connection.reason.as_deref().unwrap_or("closed");
            if connection.node.log_gate.admits() {
                info!(addr = %connection.addr, reason, "RTMP connection closed");
            } else {
                debug!(addr = %connection.addr, reason, "RTMP connection closed");
            }
        }
        Outcome::Refused(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            if connection.node.log_gate.admits() {
                info!(addr = %connection.addr, code = error.code(), source, "publisher refused");
            }
            let _ = connection.output.publish_refused(connection.publish_stream, &error.to_string(), now);
            hang_up(&mut connection, socket, First::We).await;
        }
        Outcome::Finished(end) => finish(connection, socket, end).await,
    }
}

async fn finish(mut connection: Box<Connection>, socket: Option<Socket>, end: PublishEnd) {
    let Some(grant) = connection.grant.take() else { return };
    grant.presence.begin_ending();
    let claim = grant.claim();
    info!(channel = %claim.username, stream = %claim.stream_id, epoch = claim.epoch, end = end.as_str(),
          reason = connection.reason.as_deref(), bytes = connection.media_bytes, "publisher gone");
    say_goodbye(&mut connection, end);
    let is_over = end.ends_stream() || connection.node.desk.rules.reconnect_window_s == 0;
    // Of a stream that was taken over the newcomer speaks.
    let is_lost = !is_over && end != PublishEnd::Superseded;
    if let Some(vitals) = connection.vitals.take().filter(|_| is_lost) {
        vitals.lost();
    }
    let (feed, has_delivered) = (connection.feed.take(), connection.delivery.has_delivered());
    if feed.is_some() {
        connection.node.meters.streams.decrement(1.0);
    }
    let desk = std::sync::Arc::clone(&connection.node.desk);
    tokio::join!(
        hang_up(&mut connection, socket, if end == PublishEnd::Unpublished { First::Peer } else { First::We }),
        async {
            if let Some(feed) = feed {
                feed.finish(is_over.then_some(end.as_str())).await;
            }
        },
        desk.finish(&grant.presence, end, has_delivered),
    );
}

fn say_goodbye(connection: &mut Connection, end: PublishEnd) {
    let (stream, now) = (connection.publish_stream, Instant::now());
    // Whether it still fits or not, the socket is closed next.
    let _ = match (end, connection.reason.as_deref()) {
        (PublishEnd::ConnectionLost, None) => Ok(()),
        (PublishEnd::Unpublished, _) => connection.output.unpublished(stream, now),
        (PublishEnd::WentSilent, None) => {
            connection.output.publish_failed(stream, "no picture or sound arrived for nine seconds", now)
        }
        (PublishEnd::CodecRefused, Some(reason)) => connection.output.publish_rejected(stream, reason, now),
        (_, reason) => connection.output.publish_failed(stream, reason.unwrap_or("the stream was ended"), now),
    };
}

/// Who closes the connection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// An encoder that is sent away waits for us.
    We,
    /// One that leaves by itself closes by itself.
    Peer,
}

/// Says what is left to say, and gives the peer a moment to close his side.
async fn hang_up(connection: &mut Connection, socket: Option<Socket>, first: First) {
    let Some(mut socket) = socket else { return };
    let flushed = timeout(FLUSH_WAIT_MAX, async {
        socket.write_all_buf(connection.output.pending()).await?;
        socket.flush().await?;
        match first {
            First::We => socket.shutdown().await,
            First::Peer => Ok(()),
        }
    });
    if !matches!(flushed.await, Ok(Ok(()))) {
        return;
    }
    let mut rest = [0_u8; 4 * 1024];
    let _ = timeout(LINGER_MAX, async { while matches!(socket.read(&mut rest).await, Ok(1..)) {} }).await;
}
