//! A WebSocket's TCP connection, written to from two sides.
//!
//! The Socket.IO library writes its own packets through `Guarded`, which is all of the connection it sees. What many sockets
//! get alike is encoded once ([`push_frame`]) and put on each connection by [`Wire::send`], in the caller's task: no queue, no
//! waking, no encoding per socket. Both sides write whole frames or nothing, so frames never mix. What the kernel does not
//! take at once waits here, bounded, and is sent by the task that reads.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use serde_json::value::RawValue;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_util::bytes::{Buf, BytesMut};

use crate::limits::WAITING_BYTES_MAX;

/// The connection takes no more: its client reads too slowly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Adds one event as an unmasked WebSocket text frame: Engine.IO's message, Socket.IO's event of the namespace `/`.
///
/// An event's name is one of ours: it needs no escaping.
pub(crate) fn push_frame(out: &mut Vec<u8>, event: &str, payload: &RawValue) {
    let parts = [b"42[\"", event.as_bytes(), b"\",", payload.get().as_bytes(), b"]"];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(length + 10);
    // RFC 6455 5.2: FIN and the opcode of text.
    out.push(0x81);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..126), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The connection, shared by whoever writes to it.
pub(crate) struct Wire {
    tcp: TcpStream,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whole frames, the first perhaps begun, that the kernel had no room for.
    waiting: BytesMut,
    /// Nothing is written any more.
    is_over: bool,
    /// The task that reads, and sends what waits.
    reader: Option<Waker>,
    /// The library's writer, while too much waits.
    writer: Option<Waker>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(tcp: TcpStream) -> Arc<Self> {
        Arc::new(Self { tcp, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts whole frames on the connection without waiting. One that is over takes them and forgets them.
    ///
    /// # Errors
    /// When too much waits already: nothing was taken.
    pub(crate) fn send(&self, frames: &[u8]) -> Result<(), Full> {
        let mut state = self.state();
        if !state.waiting.is_empty() && state.waiting.len() + frames.len() > WAITING_BYTES_MAX {
            return Err(Full);
        }
        self.put(&mut state, frames);
        Ok(())
    }

    fn put(&self, state: &mut State, frames: &[u8]) {
        if state.is_over {
            return;
        }
        let taken = if state.waiting.is_empty() { self.tcp.try_write(frames) } else { Ok(0) };
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                // The reading side learns of it by itself.
                state.is_over = true;
                return;
            }
        };
        if taken == frames.len() {
            return;
        }
        state.waiting.extend_from_slice(&frames[taken..]);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Sends what waits. Ready when nothing does; otherwise `context` is woken when there is room. Tells whether anything went.
    pub(crate) fn drain(&self, context: &mut Context<'_>) -> (Poll<io::Result<()>>, bool) {
        let mut state = self.state();
        let mut has_sent = false;
        while !state.waiting.is_empty() && !state.is_over {
            match self.tcp.poll_write_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return (Poll::Ready(Err(error)), has_sent),
                Poll::Pending => {
                    keep(&mut state.reader, context);
                    return (Poll::Pending, has_sent);
                }
            }
            match self.tcp.try_write(&state.waiting) {
                Ok(taken) => {
                    state.waiting.advance(taken);
                    has_sent |= taken > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return (Poll::Ready(Err(error)), has_sent),
            }
        }
        // What a burst needed is given back.
        state.waiting = BytesMut::new();
        keep(&mut state.reader, context);
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        (Poll::Ready(Ok(())), has_sent)
    }

    /// Reads what there is.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.tcp.poll_read_ready(context))?;
            match self.tcp.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Takes whole frames, or has `context` woken when less waits.
    pub(crate) fn poll_put(&self, context: &mut Context<'_>, frames: &[u8]) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.is_over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.waiting.len() > WAITING_BYTES_MAX {
            keep(&mut state.writer, context);
            return Poll::Pending;
        }
        self.put(&mut state, frames);
        Poll::Ready(Ok(()))
    }

    /// Forgets what waits, and takes nothing more.
    pub(crate) fn end(&self) {
        // Wakers hold the tasks that hold this.
        *self.state() = State { is_over: true, ..State::default() };
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }
}

fn keep(slot: &mut Option<Waker>, context: &Context<'_>) {
    if !slot.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        *slot = Some(context.waker().clone());
    }
}
