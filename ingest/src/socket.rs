//! A peer's socket, plain or under TLS, in the runtime's poller.
//!
//! Owns the TLS half of a connection; its certificate belongs to [`crate::tls`], its life outside the poller to
//! [`crate::beat`]. The handshake needs no care of its own: it happens while the peer's first bytes are read, within the
//! deadline a stranger has for his RTMP handshake.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What TLS keeps for a peer that does not read, before its writer is told to wait.
const UNSENT_BYTES_MAX: usize = 16 * 1024;

/// A peer's socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

/// A socket and the TLS spoken on it.
#[derive(Debug)]
pub(crate) struct TlsSocket {
    pub(crate) tcp: TcpStream,
    pub(crate) tls: ServerConnection,
}

impl TlsSocket {
    pub(crate) fn new(tcp: TcpStream, mut tls: ServerConnection) -> Self {
        tls.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        Self { tcp, tls }
    }

    /// Sends what TLS wants to say. Pending when the peer does not take it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Trying(&self.tcp)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.tcp.poll_write_ready(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match plaintext(&mut self.tls, out.initialize_unfilled()) {
                Ok(read) => {
                    out.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            // Whether the answer of the handshake goes out at once or later: what comes in is read meanwhile.
            if let Poll::Ready(sent) = self.poll_send(cx) {
                sent?;
            }
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.tls.read_tls(&mut Trying(&self.tcp)) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => {
                    if let Err(error) = self.tls.process_new_packets() {
                        // The alert is a courtesy; a peer that does not take it at once goes without.
                        let _ = self.tls.write_tls(&mut Trying(&self.tcp));
                        return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, error)));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let taken = self.tls.writer().write(data)?;
            let sent = self.poll_send(cx);
            if taken > 0 || data.is_empty() {
                if let Poll::Ready(sent) = sent {
                    sent?;
                }
                return Poll::Ready(Ok(taken));
            }
            ready!(sent)?;
        }
    }
}

/// What has been decrypted: 0 bytes once the peer has closed, with TLS's own farewell or, as encoders do, without.
pub(crate) fn plaintext(tls: &mut ServerConnection, out: &mut [u8]) -> io::Result<usize> {
    match tls.reader().read(out) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

/// Reads and writes that never wait.
struct Trying<'a>(&'a TcpStream);

impl Read for Trying<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(out)
    }
}

impl Write for Trying<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.try_write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, out),
            Self::Tls(socket) => socket.poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, data),
            Self::Tls(socket) => socket.poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(socket) => socket.poll_send(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(socket) => {
                socket.tls.send_close_notify();
                ready!(socket.poll_send(cx))?;
                Pin::new(&mut socket.tcp).poll_shutdown(cx)
            }
        }
    }
}
