//! A peer that sends whatever bytes a test wants, for hostile input.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rml_amf0::Amf0Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::handshake;

/// A bare connection.
pub struct RawPeer {
    socket: TcpStream,
}

impl RawPeer {
    /// Connects and says nothing.
    pub async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { socket: TcpStream::connect(addr).await? })
    }

    /// Connects and shakes hands: what follows are chunks.
    pub async fn shaken(addr: SocketAddr) -> anyhow::Result<Self> {
        let mut peer = Self::connect(addr).await?;
        handshake(&mut peer.socket).await?;
        Ok(peer)
    }

    /// Sends bytes; a server that has hung up is no error here.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// Sends until the server hangs up or stops taking bytes for `stall`. Returns the bytes it took.
    pub async fn flood(&mut self, bytes: &[u8], stall: Duration) -> usize {
        let mut sent = 0;
        loop {
            match timeout(stall, self.socket.write(bytes)).await {
                Ok(Ok(n)) if n > 0 => sent += n,
                _ => return sent,
            }
        }
    }

    /// Reads, dropping everything, until the server hangs up; how long that took, or `None` after `within`.
    pub async fn closed(&mut self, within: Duration) -> Option<Duration> {
        let begun = Instant::now();
        let mut buffer = [0; 4_096];
        let read = async { while matches!(self.socket.read(&mut buffer).await, Ok(1..)) {} };
        timeout(within, read).await.ok().map(|()| begun.elapsed())
    }

    /// Reads what there is within `wait`.
    pub async fn read(&mut self, wait: Duration) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 4_096];
        let _ = timeout(wait, async {
            while let Ok(n @ 1..) = self.socket.read(&mut buffer).await {
                all.extend_from_slice(&buffer[..n]);
            }
        })
        .await;
        all
    }
}

/// A message in chunks of 128 bytes, with a full header and one-byte continuations.
pub fn chunks(chunk_stream: u8, kind: u8, timestamp_ms: u32, message_stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(chunk_stream, kind, timestamp_ms, payload.len() as u32, message_stream);
    for (at, part) in payload.chunks(128).enumerate() {
        if at > 0 {
            bytes.push(0xc0 | chunk_stream);
        }
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A type 0 chunk header.
pub fn header(chunk_stream: u8, kind: u8, timestamp_ms: u32, length: u32, message_stream: u32) -> Vec<u8> {
    let mut bytes = vec![chunk_stream];
    bytes.extend_from_slice(&timestamp_ms.to_be_bytes()[1..]);
    bytes.extend_from_slice(&length.to_be_bytes()[1..]);
    bytes.push(kind);
    bytes.extend_from_slice(&message_stream.to_le_bytes());
    bytes
}

/// A command message.
pub fn command(name: &str, transaction: f64, rest: Vec<Amf0Value>) -> Vec<u8> {
    let mut values = vec![Amf0Value::Utf8String(name.to_owned()), Amf0Value::Number(transaction)];
    values.extend(rest);
    chunks(3, 20, 0, 0, &rml_amf0::serialize(&values).unwrap_or_default())
}

/// `connect` to an app.
pub fn connect(app: &str) -> Vec<u8> {
    let properties = [("app".to_owned(), Amf0Value::Utf8String(app.to_owned()))];
    command("connect", 1.0, vec![Amf0Value::Object(properties.into_iter().collect())])
}
