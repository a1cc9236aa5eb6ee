//! A Socket.IO client that costs next to nothing: the generator is not to cost more than what it measures.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Whatever is asked is answered within this.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// One connection, with the bytes that were read and not looked at yet.
pub struct Client {
    tcp: TcpStream,
    buffer: Vec<u8>,
    seen: usize,
}

impl Client {
    /// Connects to `host` and says hello in the namespace.
    pub async fn connect(host: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let connected = async {
            let mut tcp = TcpStream::connect(host).await?;
            tcp.set_nodelay(true)?;
            let request = format!(
                "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            tcp.write_all(request.as_bytes()).await?;
            let mut buffer = Vec::new();
            let end = loop {
                ensure!(tcp.read_buf(&mut buffer).await? > 0, "closed in the handshake");
                if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
            };
            ensure!(buffer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&buffer));
            let mut client = Self { tcp, buffer, seen: end };
            let hello = token.map_or_else(|| "40{}".to_owned(), |token| format!(r#"40{{"token":"{token}"}}"#));
            client.send(&hello).await?;
            loop {
                let text = client.next().await?;
                match text.get(..2) {
                    Some("40") => break,
                    Some("44") => bail!("refused: {text}"),
                    _ => {}
                }
            }
            Ok(client)
        };
        timeout(WAIT_MAX, connected).await.context("no connection")?
    }

    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length @ ..126) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(text.len())?.to_be_bytes());
            }
        }
        // A mask of zeros changes nothing.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.tcp.write_all(&frame).await?)
    }

    /// The next text; pings are answered on the way.
    pub async fn next(&mut self) -> anyhow::Result<&str> {
        loop {
            if let Some((from, to)) = self.whole_frame() {
                self.seen = to;
                if &self.buffer[from..to] == b"2" {
                    self.send("3").await?;
                    continue;
                }
                return Ok(std::str::from_utf8(&self.buffer[from..to])?);
            }
            if self.seen == self.buffer.len() {
                // An idle client keeps no memory: ten thousand of them are idle.
                self.buffer = Vec::new();
            } else {
                self.buffer.drain(..self.seen);
            }
            self.seen = 0;
            self.tcp.readable().await?;
            let mut chunk = [0; 8 * 1024];
            match self.tcp.try_read(&mut chunk) {
                Ok(0) => bail!("closed"),
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn whole_frame(&self) -> Option<(usize, usize)> {
        let bytes = &self.buffer[self.seen..];
        let (head, length) = match bytes.get(1)? {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
            length => (2, usize::from(*length)),
        };
        let from = self.seen + head;
        (from + length <= self.buffer.len()).then_some((from, from + length))
    }

    /// Asks and waits for the answer; what else comes meanwhile is dropped.
    pub async fn ask(&mut self, event: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(&format!(r#"420["{event}",{body}]"#)).await?;
        let answered = async {
            loop {
                if let Some(answer) = self.next().await?.strip_prefix("430") {
                    let mut answer: Vec<Value> = serde_json::from_str(answer)?;
                    return answer.pop().context("an empty answer");
                }
            }
        };
        let answer: anyhow::Result<Value> = timeout(WAIT_MAX, answered).await.context("no answer")?;
        let answer = answer?;
        ensure!(answer["ok"] == true, "{event} is refused: {answer}");
        Ok(answer)
    }

    /// Joins a room and tells how long that took.
    pub async fn join(&mut self, username: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.ask("stream:join", &serde_json::json!({ "username": username })).await?;
        Ok(begun.elapsed())
    }
}
