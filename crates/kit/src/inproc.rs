//! Connections within a process, for roles that speak TCP to each other when they live apart.
//!
//! Both ends read and write bytes as with a socket; nothing of it passes through the kernel. The accepting end is told where
//! the other runs, so that both can run on the same thread.

use std::io;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::lanes::Lane;

/// Bytes one end may be ahead of the other: a large key frame, so that it goes over in one piece.
const BUFFER_BYTES: usize = 512 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 128;

/// Connects to the [`Listener`] it was made with.
#[derive(Debug, Clone)]
pub struct Dialer(mpsc::Sender<(DuplexStream, Lane)>);

/// Accepts what its [`Dialer`]s open.
#[derive(Debug)]
pub struct Listener(mpsc::Receiver<(DuplexStream, Lane)>);

/// A listener and the way to it.
pub fn listener() -> (Dialer, Listener) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (Dialer(sender), Listener(receiver))
}

impl Dialer {
    /// Opens a connection; waits while the backlog is full.
    ///
    /// # Errors
    /// `ConnectionRefused` when the listener is gone.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        self.0.send((theirs, Lane::here())).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}

impl Listener {
    /// The next connection, and where its other end runs. Pending for ever once all dialers are gone. Cancel safe.
    pub async fn accept(&mut self) -> (DuplexStream, Lane) {
        match self.0.recv().await {
            Some(opened) => opened,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn both_ends_hear_each_other_and_the_end() {
        let (dialer, mut listener) = listener();
        let mut ours = dialer.connect().await.expect("it listens");
        let (mut theirs, _) = listener.accept().await;
        ours.write_all(b"ping").await.expect("taken");
        theirs.write_all(b"pong").await.expect("taken");
        let (mut heard, mut answer) = ([0; 4], [0; 4]);
        theirs.read_exact(&mut heard).await.expect("sent");
        ours.read_exact(&mut answer).await.expect("sent");
        assert_eq!((&heard, &answer), (b"ping", b"pong"));
        drop(theirs);
        assert_eq!(ours.read(&mut answer).await.expect("closed"), 0);
        drop(listener);
        assert_eq!(dialer.connect().await.expect_err("gone").kind(), io::ErrorKind::ConnectionRefused);
    }
}
