//! One client's connection: how many an address may have, how fast it may send, and how it is cut.
//!
//! The Socket.IO library sees a WebSocket only through [`Guarded`]: a client that sends without end or takes nothing is
//! cut here, where a blocked write can still be woken.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::limits::{READ_BURST_BYTES, READ_BYTES_PER_S, WRITE_STALL_MAX};
use crate::pace::Pace;

/// Counts connections by address.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    taken: Mutex<HashMap<String, usize>>,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// One more connection of `key`, or `None` when it has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, key: String) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Slot { slots: Arc::clone(self), key })
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    key: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// What a socket and its connection share. Lives as long as either.
#[derive(Debug)]
pub(crate) struct Line {
    cut: CancellationToken,
    _slot: Slot,
}

impl Line {
    pub(crate) fn new(slot: Slot) -> Arc<Self> {
        Arc::new(Self { cut: CancellationToken::new(), _slot: slot })
    }

    /// Ends the connection now, whatever it is waiting for.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

/// A WebSocket's byte stream under guard.
pub(crate) struct Guarded<T> {
    inner: T,
    // Reads and writes are polled by different tasks, so each waits for the cut with a waker of its own.
    cut_read: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_write: Pin<Box<WaitForCancellationFutureOwned>>,
    stalled: Option<Pin<Box<Sleep>>>,
    pace: Pace,
    _line: Arc<Line>,
}

impl<T> Guarded<T> {
    pub(crate) fn new(inner: T, line: Arc<Line>) -> Self {
        Self {
            inner,
            cut_read: Box::pin(line.cut.clone().cancelled_owned()),
            cut_write: Box::pin(line.cut.clone().cancelled_owned()),
            stalled: None,
            pace: Pace::new(READ_BYTES_PER_S, READ_BURST_BYTES, Instant::now()),
            _line: line,
        }
    }

    /// Turns a write that waits too long, or whose line was cut, into an error.
    fn watch_write<R>(&mut self, context: &mut Context<'_>, answer: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if answer.is_ready() {
            self.stalled = None;
            return answer;
        }
        if self.cut_write.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_MAX)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut_read.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        if self.pace.take(read, Instant::now()).is_err() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the client sends too much")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch_write(context, answer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_flush(context);
        self.watch_write(context, answer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch_write(context, answer)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.watch_write(context, answer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn line() -> Arc<Line> {
        Line::new(Slots::new(1).take("a".to_owned()).unwrap())
    }

    #[test]
    fn an_address_gets_its_slots_back() {
        let slots = Slots::new(2);
        let first = slots.take("a".to_owned()).unwrap();
        let _second = slots.take("a".to_owned()).unwrap();
        assert!(slots.take("a".to_owned()).is_none());
        assert!(slots.take("b".to_owned()).is_some());
        drop(first);
        assert!(slots.take("a".to_owned()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_after_the_stall_limit() {
        let (server, _client) = duplex(8);
        let mut guarded = Guarded::new(server, line());
        let begun = Instant::now();
        let error = guarded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= WRITE_STALL_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_and_a_waiting_read_end_when_the_line_is_cut() {
        let (server, _client) = duplex(8);
        let line = line();
        let (mut read, mut write) = tokio::io::split(Guarded::new(server, Arc::clone(&line)));
        let (wrote, was_read, ()) =
            tokio::join!(async { write.write_all(&[0; 64]).await }, async { read.read_u8().await }, async {
                tokio::task::yield_now().await;
                line.cut();
            });
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(was_read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_without_end_is_cut() {
        let (server, mut client) = duplex(64 * 1024);
        let mut guarded = Guarded::new(server, line());
        let flood = async {
            let chunk = [0; 16 * 1024];
            while client.write_all(&chunk).await.is_ok() {}
        };
        let reader = async {
            let mut total = 0;
            let mut buffer = [0; 16 * 1024];
            loop {
                match guarded.read(&mut buffer).await {
                    Ok(read) => total += read,
                    Err(error) => {
                        drop(guarded);
                        return (total, error.kind());
                    }
                }
            }
        };
        let (_, (total, kind)) = tokio::join!(flood, reader);
        assert_eq!(kind, io::ErrorKind::QuotaExceeded);
        assert!(total <= READ_BURST_BYTES as usize);
    }
}
