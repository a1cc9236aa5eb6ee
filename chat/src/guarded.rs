//! A WebSocket as the Socket.IO library sees it: one whose client sends without end or takes nothing is ended here, where a
//! blocked write can still be woken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::bytes::BytesMut;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::greeting::{Greeting, PONG};
use crate::limits::{READ_BURST_BYTES, READ_BYTES_PER_S, WRITE_STALL_MAX};
use crate::line::Line;
use crate::pace::Pace;
use crate::wire::Wire;

/// All that the library sees of a connection.
pub(crate) struct Guarded {
    wire: Arc<Wire>,
    greeting: Greeting,
    /// What is read before anything else: our answer to the library's first ping, and what came with the handshake.
    early: BytesMut,
    // Reads and writes are polled by different tasks, so each waits for the cut with a waker of its own.
    cut_read: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_write: Pin<Box<WaitForCancellationFutureOwned>>,
    stalled: Option<Pin<Box<Sleep>>>,
    pace: Pace,
    _line: Arc<Line>,
}

impl Guarded {
    /// `greeting` says whether the library greets this one, which it does unless a polling session moves to it.
    pub(crate) fn new(wire: Arc<Wire>, greeting: Greeting, early: &[u8], line: Arc<Line>) -> Self {
        Self {
            wire,
            greeting,
            early: BytesMut::from(early),
            cut_read: Box::pin(line.cancelled()),
            cut_write: Box::pin(line.cancelled()),
            stalled: None,
            pace: Pace::new(READ_BYTES_PER_S, READ_BURST_BYTES, Instant::now()),
            _line: line,
        }
    }

    /// Sends what waits, and errs when none of it could be sent for too long.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let (drained, has_sent) = self.wire.drain(context);
        if has_sent || drained.is_ready() {
            self.stalled = None;
        }
        match drained {
            Poll::Ready(result) => result,
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_MAX)));
                match stalled.as_mut().poll(context) {
                    Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
                    Poll::Pending => Ok(()),
                }
            }
        }
    }

    fn poll_take(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.holds(context) {
            return Poll::Pending;
        }
        if !self.early.is_empty() {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        self.wire.poll_read(context, buffer)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.wire.end();
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut_read.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.poll_drain(context)?;
        let before = buffer.filled().len();
        ready!(self.poll_take(context, buffer))?;
        let read = buffer.filled().len() - before;
        if self.pace.take(read, Instant::now()).is_err() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the client sends too much")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    /// Takes everything, which is always whole frames, or waits.
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(ping) = self.greeting.find_ping(frames) {
            self.early = [PONG, &self.early].concat().as_slice().into();
            let without = [&frames[..ping.start], &frames[ping.end..]].concat();
            // The connection is new: nothing waits yet, so it takes them.
            return self.wire.poll_put(context, &without).map_ok(|()| frames.len());
        }
        match self.wire.poll_put(context, frames) {
            Poll::Ready(put) => Poll::Ready(put.map(|()| frames.len())),
            // Only here: the last answers to a client that is cut still go out.
            Poll::Pending => {
                self.cut_write.as_mut().poll(context).map(|()| Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    /// What the kernel did not take is the reading task's to send.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.end();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt, StreamExt};
    use serde_json::value::to_raw_value;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::limits::WAITING_BYTES_MAX;
    use crate::line::Slots;
    use crate::wire::{Full, push_frame};

    fn line() -> Arc<Line> {
        Line::new(Slots::new(1, 1).take("a".to_owned()).unwrap())
    }

    /// A guarded connection and its client, with little room in the kernel.
    async fn pair(line: Arc<Line>) -> (Guarded, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let (client, server) =
            tokio::join!(socket.connect(listener.local_addr().unwrap()), async { listener.accept().await.unwrap().0 });
        (Guarded::new(Wire::new(server), Greeting::Over, b"", line), client.unwrap())
    }

    fn frame_of(text: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        push_frame(&mut frame, "e", &to_raw_value(text).unwrap());
        frame
    }

    #[tokio::test]
    async fn a_frame_of_any_length_is_read_as_it_was_meant() {
        let (server, client) = pair(line()).await;
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        for length in [0, 1, 116, 117, 118, 65_526, 65_527, 65_528] {
            let text = "x".repeat(length);
            server.wire.send(&frame_of(&text)).unwrap();
            // What the kernel did not take is sent by whoever reads.
            let sent = std::future::poll_fn(|context| server.wire.drain(context).0);
            let (message, sent) = tokio::join!(client.next(), sent);
            sent.unwrap();
            assert_eq!(message.unwrap().unwrap(), Message::text(format!(r#"42["e","{text}"]"#)), "{length}");
        }
    }

    #[tokio::test]
    async fn frames_of_both_writers_never_mix_and_keep_their_order() {
        let (server, client) = pair(line()).await;
        let wire = Arc::clone(&server.wire);
        let (mut library, mut reads) = WebSocketStream::from_raw_socket(server, Role::Server, None).await.split();
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let direct = async {
            let mut number = 0;
            while number < 400 {
                match wire.send(&frame_of(&format!("direct {number} {}", "d".repeat(number * 7)))) {
                    Ok(()) => number += 1,
                    Err(Full) => tokio::task::yield_now().await,
                }
            }
        };
        let queued = async {
            for number in 0..400 {
                library.send(Message::text(format!("queued {number} {}", "q".repeat(number * 5)))).await.unwrap();
            }
        };
        let heard = async {
            let (mut direct, mut queued) = (0, 0);
            while (direct, queued) != (400, 400) {
                let message = client.next().await.unwrap().unwrap().into_text().unwrap();
                if message.starts_with("queued") {
                    assert_eq!(*message, format!("queued {queued} {}", "q".repeat(queued * 5)));
                    queued += 1;
                } else {
                    assert_eq!(*message, format!(r#"42["e","direct {direct} {}"]"#, "d".repeat(direct * 7)));
                    direct += 1;
                }
            }
        };
        tokio::select! {
            ((), (), ()) = async { tokio::join!(direct, queued, heard) } => {}
            read = reads.next() => panic!("the client said nothing, but {read:?}"),
        }
    }

    #[tokio::test]
    async fn more_than_the_limit_does_not_wait_for_a_client_that_reads_nothing() {
        let (server, _client) = pair(line()).await;
        let frame = frame_of(&"x".repeat(10_000));
        let mut taken = 0;
        while server.wire.send(&frame) == Ok(()) {
            taken += frame.len();
            assert!(taken < 64 * 1024 * 1024, "never full");
        }
        assert!(server.wire.waiting() <= WAITING_BYTES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_after_the_stall_limit() {
        let (mut server, _client) = pair(line()).await;
        while server.wire.send(&frame_of(&"x".repeat(10_000))) == Ok(()) {}
        let begun = Instant::now();
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= WRITE_STALL_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_and_a_waiting_read_end_when_the_line_is_cut() {
        let line = line();
        let (server, _client) = pair(Arc::clone(&line)).await;
        let (mut read, mut write) = tokio::io::split(server);
        let writes = async {
            loop {
                if let Err(error) = write.write_all(&[0; 64 * 1024]).await {
                    return error;
                }
            }
        };
        let cut = async {
            tokio::time::sleep(WRITE_STALL_MAX / 2).await;
            line.cut();
        };
        let (wrote, was_read, ()) = tokio::join!(writes, async { read.read_u8().await }, cut);
        assert_eq!(was_read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(wrote.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_client_that_sends_without_end_is_cut() {
        let (mut server, mut client) = pair(line()).await;
        let flood = async {
            let chunk = [0; 16 * 1024];
            while client.write_all(&chunk).await.is_ok() {}
        };
        let reader = async {
            let mut total = 0;
            let mut buffer = [0; 16 * 1024];
            loop {
                match server.read(&mut buffer).await {
                    Ok(read) => total += read,
                    Err(error) => {
                        drop(server);
                        return (total, error.kind());
                    }
                }
            }
        };
        let (_, (total, kind)) = tokio::join!(flood, reader);
        assert_eq!(kind, io::ErrorKind::QuotaExceeded);
        assert!(total <= READ_BURST_BYTES as usize + 16 * 1024);
    }

    #[tokio::test]
    async fn what_came_with_the_handshake_is_read_first() {
        let (mut server, mut client) = pair(line()).await;
        server.early = BytesMut::from(&b"ear"[..]);
        client.write_all(b"ly").await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"early");
    }

    #[tokio::test]
    async fn the_first_ping_is_answered_here_before_what_the_client_says() {
        let (mut server, mut client) = pair(line()).await;
        (server.greeting, server.early) = (Greeting::awaited(), BytesMut::from(&b"ear"[..]));
        client.write_all(b"ly").await.unwrap();
        let (mut read, mut write) = tokio::io::split(server);
        let reads = async {
            let mut heard = [0; PONG.len() + 5];
            read.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, *[PONG, b"early"].concat());
        };
        let writes = async {
            tokio::task::yield_now().await;
            for frames in [&[0x81, 1, b'0'][..], &[0x81, 1, b'2', 0x81, 1, b'4'], &[0x81, 1, b'2']] {
                write.write_all(frames).await.unwrap();
            }
        };
        tokio::join!(reads, writes);
        let mut sent = [0; 9];
        client.read_exact(&mut sent).await.unwrap();
        assert_eq!(sent, [0x81, 1, b'0', 0x81, 1, b'4', 0x81, 1, b'2'], "the second ping is the client's");
    }
}
