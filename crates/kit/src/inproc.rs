//! Connections within a process, for roles that speak TCP to each other when they live apart.
//!
//! What goes over is handed on as it is: nothing is turned into bytes, and nothing passes through the kernel. The accepting end
//! is told where the other runs, so that both can run on the same thread.

use std::io;

use tokio::sync::mpsc;

use crate::lanes::Lane;

/// What may be under way in each direction. Whoever sends more waits.
const UNDER_WAY: usize = 2;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 128;

/// One end of a connection. The other end hears of its drop by [`mpsc::Receiver::recv`] answering `None`.
#[derive(Debug)]
pub struct Pipe<T> {
    pub sender: mpsc::Sender<T>,
    pub receiver: mpsc::Receiver<T>,
}

/// Connects to the [`Listener`] it was made with.
#[derive(Debug)]
pub struct Dialer<T>(mpsc::Sender<(Pipe<T>, Lane)>);

/// Accepts what its [`Dialer`]s open.
#[derive(Debug)]
pub struct Listener<T>(mpsc::Receiver<(Pipe<T>, Lane)>);

/// A listener and the way to it.
pub fn listener<T>() -> (Dialer<T>, Listener<T>) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (Dialer(sender), Listener(receiver))
}

impl<T> Clone for Dialer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Dialer<T> {
    /// Opens a connection; waits while the backlog is full.
    ///
    /// # Errors
    /// `ConnectionRefused` when the listener is gone.
    pub async fn connect(&self) -> io::Result<Pipe<T>> {
        let ((sender, theirs), (back, receiver)) = (mpsc::channel(UNDER_WAY), mpsc::channel(UNDER_WAY));
        let far = Pipe { sender: back, receiver: theirs };
        self.0.send((far, Lane::here())).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Pipe { sender, receiver })
    }
}

impl<T> Listener<T> {
    /// The next connection, and where its other end runs. Pending for ever once all dialers are gone. Cancel safe.
    pub async fn accept(&mut self) -> (Pipe<T>, Lane) {
        match self.0.recv().await {
            Some(opened) => opened,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_ends_hear_each_other_and_the_end() {
        let (dialer, mut listener) = listener();
        let mut ours = dialer.connect().await.expect("it listens");
        let (mut theirs, _) = listener.accept().await;
        ours.sender.send("ping").await.expect("taken");
        theirs.sender.send("pong").await.expect("taken");
        assert_eq!((theirs.receiver.recv().await, ours.receiver.recv().await), (Some("ping"), Some("pong")));
        drop(theirs);
        assert_eq!(ours.receiver.recv().await, None);
        drop(listener);
        assert_eq!(dialer.connect().await.expect_err("gone").kind(), io::ErrorKind::ConnectionRefused);
    }
}
