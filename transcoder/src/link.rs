//! The link server: where ingest nodes hand streams over.
//!
//! Owns the listener, the greeting and its deadlines, and the pump from a socket into a stream's task. Only nodes that know
//! the cluster's secret get past the greeting; a greeting is small, short-lived and few wait at a time.

mod connection;
mod peer;

use std::sync::Arc;
use std::time::Duration;

use kit::lanes::Lanes;
use kit::{Secret, Stop, inproc};
use media::link::Passed;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::stream::Streams;
use peer::Peer;

/// Connections that deliver, at a time.
const CONNECTIONS_MAX: usize = 10_000;
/// Connections that have not said who they are, at a time.
const STRANGERS_MAX: usize = 256;
/// After a failed `accept` (out of file descriptors), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The cluster's secret, kept as a hash so that comparing tells nothing of its length.
#[derive(Clone)]
struct Token([u8; 32]);

impl Token {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    fn is(&self, offered: &str) -> bool {
        self.0.ct_eq(&Self::of(offered).0).into()
    }
}

/// Accepts connections until `stop`; those that are open go on until their streams end or `hard` is given.
pub(crate) async fn serve(
    listener: TcpListener,
    mut local: inproc::Listener<Passed>,
    secret: &Secret,
    streams: Arc<Streams>,
    lanes: &Lanes,
    stop: Stop,
    hard: Stop,
) {
    let token = Token::of(secret.expose());
    let (turns, strangers) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(Semaphore::new(STRANGERS_MAX)));
    let connections = TaskTracker::new();
    loop {
        let (Ok(turn), Ok(stranger)) =
            (Arc::clone(&turns).acquire_owned().await, Arc::clone(&strangers).acquire_owned().await)
        else {
            break;
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            (pipe, lane) = local.accept() => Ok((Peer::near(pipe), None, lane)),
            accepted = listener.accept() => accepted.map(|(socket, addr)| (Peer::far(socket), Some(addr), lanes.pick())),
        };
        let (peer, addr, lane) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the link could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (token, streams, hard) = (token.clone(), Arc::clone(&streams), hard.clone());
        let span = tracing::info_span!("link", peer = addr.map(tracing::field::display));
        // The stream's own task is begun from there and stays on the lane as well.
        connections.spawn_on(
            async move {
                connection::run(peer, &token, &streams, stranger, hard).await;
                drop(turn);
            }
            .instrument(span),
            lane.handle(),
        );
    }
    connections.close();
    connections.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_is_the_token() {
        let token = Token::of("secret");
        assert!(token.is("secret"));
        assert!(!token.is("Secret") && !token.is("") && !token.is("secret\0"));
    }
}
