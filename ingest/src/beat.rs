//! A publisher's socket, read on a beat instead of at every packet.
//!
//! Encoders send each frame by itself, some eighty a second. A server woken by each of them does little but wake up. So all
//! publishers of a process are looked at together, at the same moments: the runtime wakes once for all of them, and one read
//! brings what came since. It costs a frame half a beat on average.
//!
//! The socket leaves the runtime's poller for that, which would wake up for every packet even if nobody waited.

use std::cell::RefCell;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::net::TcpStream as Std;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::socket::{Socket, TlsSocket, plaintext};

/// From one look to the next.
pub(crate) const BEAT: Duration = Duration::from_millis(30);

/// Most bytes of one read: what a publisher of 40 Mbit/s sends in a beat.
pub(crate) const READ_BYTES: usize = 128 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Beats are counted from here, so that everybody's fall together.
static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Resolves at the next beat.
pub(crate) fn next(now: Instant) -> Sleep {
    let beats = now.saturating_duration_since(*FIRST).as_nanos() / BEAT.as_nanos() + 1;
    sleep_until(*FIRST + BEAT.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX)))
}

/// The socket, outside the poller.
#[derive(Debug)]
pub(crate) struct BeatSocket {
    tcp: Std,
    tls: Option<Box<ServerConnection>>,
}

impl BeatSocket {
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Plain(tcp) => Self { tcp: tcp.into_std()?, tls: None },
            Socket::Tls(socket) => Self { tcp: socket.tcp.into_std()?, tls: Some(Box::new(socket.tls)) },
        })
    }

    /// Back to the poller.
    pub(crate) fn into_polled(self) -> io::Result<Socket> {
        let tcp = TcpStream::from_std(self.tcp)?;
        Ok(match self.tls {
            None => Socket::Plain(tcp),
            Some(tls) => Socket::Tls(Box::new(TlsSocket::new(tcp, *tls))),
        })
    }

    /// Appends what is there to `input`, of a plain socket at most [`READ_BYTES`] and of TLS what so many were encrypted; 0 when the peer has closed, an error of the kind
    /// [`ErrorKind::WouldBlock`] when nothing is there.
    ///
    /// It is read into a buffer of the thread and copied: frames are slices of `input` and keep what it has reserved alive, so
    /// it had better be no larger than they are.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        SCRATCH.with_borrow_mut(|scratch| {
            if let Some(tls) = &mut self.tls {
                send(&mut self.tcp, tls)?;
                // What was decrypted before the socket left the poller comes first.
                let before = decrypted(tls, input)?;
                if before > 0 {
                    return Ok(before);
                }
            }
            let read = loop {
                match self.tcp.read(scratch) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
            match &mut self.tls {
                None => {
                    input.extend_from_slice(&scratch[..read]);
                    Ok(read)
                }
                Some(_) if read == 0 => Ok(0),
                Some(tls) => decrypt(tls, &scratch[..read], input),
            }
        })
    }

    /// Writes what the peer takes at once; an error of the kind [`ErrorKind::WouldBlock`] when that is nothing.
    pub(crate) fn write(&mut self, pending: &mut BytesMut) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let written = self.tcp.write(pending)?;
            pending.advance(written);
            return Ok(written);
        };
        send(&mut self.tcp, tls)?;
        let written = tls.writer().write(pending)?;
        pending.advance(written);
        send(&mut self.tcp, tls)?;
        if written == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }
}

/// Sends what TLS wants to say, as far as the peer takes it at once.
fn send(tcp: &mut Std, tls: &mut ServerConnection) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Decrypts what was read, which may be less than a record: then nothing is there yet.
fn decrypt(tls: &mut ServerConnection, read: &[u8], input: &mut BytesMut) -> io::Result<usize> {
    let (mut encrypted, mut total) = (Cursor::new(read), 0);
    while (encrypted.position() as usize) < read.len() {
        tls.read_tls(&mut encrypted)?;
        let state = tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        total += decrypted(tls, input)?;
        if state.peer_has_closed() {
            return Ok(total);
        }
    }
    if total == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(total) }
}

/// Appends what has been decrypted.
fn decrypted(tls: &mut ServerConnection, input: &mut BytesMut) -> io::Result<usize> {
    let (mut step, mut total) = ([0; 4 * 1024], 0);
    loop {
        match plaintext(tls, &mut step) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                input.extend_from_slice(&step[..read]);
                total += read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_came_since_the_last_beat_is_read_at_once_and_the_end_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (socket, _) = listener.accept().await.expect("accepted");
        let mut socket = BeatSocket::new(Socket::Plain(socket)).expect("taken from the poller");
        let mut input = BytesMut::new();
        let nothing = socket.read(&mut input).expect_err("nothing is there");
        assert_eq!((nothing.kind(), input.len()), (ErrorKind::WouldBlock, 0));
        for word in [&b"one "[..], b"two ", b"three"] {
            peer.write_all(word).await.expect("sent");
        }
        let read = async {
            while input.len() < 13 {
                next(Instant::now()).await;
                let _ = socket.read(&mut input);
            }
        };
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("it arrives");
        assert_eq!(&input[..], b"one two three");
        socket.write(&mut BytesMut::from(&b"yes"[..])).expect("taken");
        let mut answer = [0; 3];
        peer.read_exact(&mut answer).await.expect("answered");
        drop(peer);
        let mut socket = socket.into_polled().expect("back to the poller");
        assert_eq!(socket.read(&mut answer).await.expect("closed"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn beats_fall_together() {
        let (first, second) = (next(Instant::now()), next(Instant::now() + BEAT / 4));
        assert!(second.deadline() - first.deadline() <= BEAT);
        let gap = (second.deadline() - first.deadline()).as_nanos();
        assert_eq!(gap % BEAT.as_nanos(), 0);
    }
}
