//! A publisher for tests: real RTMP over a real socket, well-behaved ([`Encoder`]) or not at all ([`RawPeer`]).
//!
//! Owns the client's side only. Replies are read with another implementation than the one under test.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use media::flv::{FileTag, TagKind};
use rml_amf0::Amf0Value;
use rml_rtmp::chunk_io::{ChunkDeserializer, ChunkSerializer};
use rml_rtmp::messages::{MessagePayload, RtmpMessage};
use rml_rtmp::time::RtmpTimestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

pub use raw::{RawPeer, chunks, command, connect, header};

#[path = "rtmp_raw.rs"]
mod raw;

/// Longest wait for anything a healthy server says. Its own longest deadline is ten seconds.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
const HANDSHAKE_PACKET: usize = 1_536;
const CHUNK_BYTES: u32 = 4_096;

/// How fast tags are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As their timestamps say.
    RealTime,
    AsFastAsPossible,
}

/// An `onStatus` of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub code: String,
    pub description: String,
}

/// What the publisher says beyond address and key.
#[derive(Debug, Clone)]
pub struct Manners {
    pub app: String,
    /// Goes out as it is, also when empty.
    pub stream_name: String,
    /// `None` leaves the argument out.
    pub publish_type: Option<String>,
}

impl Manners {
    /// Like OBS: `/live` and the key.
    pub fn obs(key: &str) -> Self {
        Self { app: "live".to_owned(), stream_name: key.to_owned(), publish_type: Some("live".to_owned()) }
    }
}

/// A publisher.
pub struct Encoder {
    socket: TcpStream,
    serializer: ChunkSerializer,
    deserializer: ChunkDeserializer,
    manners: Manners,
    stream: u32,
    statuses: Vec<Status>,
}

impl Encoder {
    /// Connects, shakes hands, creates a stream and publishes; fails with the server's words when it refuses.
    pub async fn publish(addr: SocketAddr, key: &str) -> Result<Self, Refusal> {
        Self::publish_as(addr, Manners::obs(key)).await
    }

    pub async fn publish_as(addr: SocketAddr, manners: Manners) -> Result<Self, Refusal> {
        let mut encoder = Self::connect(addr, manners).await.map_err(Refusal::Failed)?;
        encoder.say_publish().await.map_err(Refusal::Failed)?;
        match encoder.next_status().await {
            Ok(Some(status)) if status.code == "NetStream.Publish.Start" => Ok(encoder),
            Ok(Some(status)) => Err(Refusal::Said(status)),
            Ok(None) => Err(Refusal::Failed(anyhow::anyhow!("the server hung up without a word"))),
            Err(error) => Err(Refusal::Failed(error)),
        }
    }

    /// Everything up to `publish`.
    pub async fn connect(addr: SocketAddr, manners: Manners) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        timeout(ANSWER_WAIT_MAX, handshake(&mut socket)).await.context("no handshake")??;
        let mut encoder = Self {
            socket,
            serializer: ChunkSerializer::new(),
            deserializer: ChunkDeserializer::new(),
            manners,
            stream: 1,
            statuses: Vec::new(),
        };
        let packet = encoder.serializer.set_max_chunk_size(CHUNK_BYTES, RtmpTimestamp::new(0)).map_err(failed)?;
        encoder.socket.write_all(&packet.bytes).await?;
        let tc_url = format!("rtmp://{addr}/{}", encoder.manners.app);
        let properties = [
            ("app", text(&encoder.manners.app)),
            ("type", text("nonprivate")),
            ("flashVer", text("FMLE/3.0 (compatible; FMSc/1.0)")),
            ("swfUrl", text(&tc_url)),
            ("tcUrl", text(&tc_url)),
        ];
        let object = Amf0Value::Object(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        encoder.command("connect", 1.0, object, vec![], 0).await?;
        encoder.result_of(1.0).await?;
        let name = encoder.manners.stream_name.clone();
        encoder.command("releaseStream", 2.0, Amf0Value::Null, vec![text(&name)], 0).await?;
        encoder.command("FCPublish", 3.0, Amf0Value::Null, vec![text(&name)], 0).await?;
        encoder.command("createStream", 4.0, Amf0Value::Null, vec![], 0).await?;
        let created = encoder.result_of(4.0).await?;
        let Some(Amf0Value::Number(stream)) = created.first() else { bail!("no stream was created: {created:?}") };
        encoder.stream = *stream as u32;
        Ok(encoder)
    }

    pub async fn say_publish(&mut self) -> anyhow::Result<()> {
        let mut arguments = vec![text(&self.manners.stream_name)];
        arguments.extend(self.manners.publish_type.as_deref().map(text));
        self.command("publish", 5.0, Amf0Value::Null, arguments, self.stream).await
    }

    /// Sends tags; the first goes out at once, whatever its timestamp.
    pub async fn send(&mut self, tags: impl IntoIterator<Item = FileTag>, pace: Pace) -> anyhow::Result<()> {
        let mut start: Option<(Instant, u32)> = None;
        for tag in tags {
            let (begun, first) = *start.get_or_insert((Instant::now(), tag.timestamp_ms));
            if pace == Pace::RealTime {
                let after = Duration::from_millis(u64::from(tag.timestamp_ms.saturating_sub(first)));
                sleep_until(begun + after).await;
            }
            self.tag(&tag).await?;
        }
        Ok(())
    }

    pub async fn tag(&mut self, tag: &FileTag) -> anyhow::Result<()> {
        let (type_id, data) = match tag.kind {
            TagKind::Audio => (8, tag.body.clone()),
            TagKind::Video => (9, tag.body.clone()),
            TagKind::Script => (18, [&b"\x02\x00\x0d@setDataFrame"[..], &tag.body].concat().into()),
            TagKind::Other(_) => return Ok(()),
        };
        let timestamp = RtmpTimestamp::new(tag.timestamp_ms);
        self.message(MessagePayload { timestamp, type_id, message_stream_id: self.stream, data }).await
    }

    /// Stops like OBS does, and waits for the server to hang up.
    pub async fn unpublish(mut self) -> anyhow::Result<()> {
        let name = self.manners.stream_name.clone();
        self.command("FCUnpublish", 6.0, Amf0Value::Null, vec![text(&name)], 0).await?;
        // The server may have hung up on the first word already.
        let stream = Amf0Value::Number(f64::from(self.stream));
        let _ = self.command("deleteStream", 7.0, Amf0Value::Null, vec![stream], 0).await;
        let _ = self.socket.shutdown().await;
        self.closed().await.map(|_| ())
    }

    /// Goes away without a word, as a crashed encoder does.
    pub fn hang_up(self) {
        drop(self);
    }

    /// Waits for the server to hang up and returns what it said before.
    pub async fn closed(&mut self) -> anyhow::Result<Vec<Status>> {
        while self.next_status().await?.is_some() {}
        Ok(std::mem::take(&mut self.statuses))
    }

    /// The next `onStatus`, or `None` when the server has hung up.
    pub async fn next_status(&mut self) -> anyhow::Result<Option<Status>> {
        while let Some((name, _, arguments)) = timeout(ANSWER_WAIT_MAX, self.next_command()).await?? {
            if name != "onStatus" {
                continue;
            }
            let Some(Amf0Value::Object(properties)) = arguments.into_iter().next() else { continue };
            let get = |name: &str| properties.get(name).cloned().and_then(Amf0Value::get_string).unwrap_or_default();
            let status = Status { code: get("code"), description: get("description") };
            self.statuses.push(status.clone());
            return Ok(Some(status));
        }
        Ok(None)
    }

    async fn result_of(&mut self, transaction: f64) -> anyhow::Result<Vec<Amf0Value>> {
        let answer = async {
            while let Some((name, id, arguments)) = self.next_command().await? {
                if id == transaction {
                    ensure!(name == "_result", "the server answered {name}");
                    return Ok(arguments);
                }
            }
            bail!("the server hung up")
        };
        timeout(ANSWER_WAIT_MAX, answer).await.context("no answer")?
    }

    async fn next_command(&mut self) -> anyhow::Result<Option<(String, f64, Vec<Amf0Value>)>> {
        let mut fresh: Bytes = Bytes::new();
        loop {
            while let Some(payload) = self.deserializer.get_next_message(&fresh).map_err(failed)? {
                fresh = Bytes::new();
                match payload.to_rtmp_message().map_err(failed)? {
                    RtmpMessage::SetChunkSize { size } => {
                        self.deserializer.set_max_chunk_size(size as usize).map_err(failed)?;
                    }
                    RtmpMessage::Amf0Command { command_name, transaction_id, additional_arguments, .. } => {
                        return Ok(Some((command_name, transaction_id, additional_arguments)));
                    }
                    _ => {}
                }
            }
            let mut buffer = BytesMut::with_capacity(4_096);
            match self.socket.read_buf(&mut buffer).await {
                Ok(0) => return Ok(None),
                Ok(_) => fresh = buffer.freeze(),
                // A server that closes on unread bytes resets; that is hanging up, too.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn command(
        &mut self,
        name: &str,
        transaction_id: f64,
        command_object: Amf0Value,
        additional_arguments: Vec<Amf0Value>,
        stream: u32,
    ) -> anyhow::Result<()> {
        let command_name = name.to_owned();
        let message = RtmpMessage::Amf0Command { command_name, transaction_id, command_object, additional_arguments };
        let payload = message.into_message_payload(RtmpTimestamp::new(0), stream).map_err(failed)?;
        self.message(payload).await
    }

    async fn message(&mut self, payload: MessagePayload) -> anyhow::Result<()> {
        let packet = self.serializer.serialize(&payload, false, false).map_err(failed)?;
        self.socket.write_all(&packet.bytes).await?;
        Ok(())
    }
}

/// Why an encoder is not on air.
#[derive(Debug)]
pub enum Refusal {
    /// The server said no.
    Said(Status),
    /// Something else went wrong.
    Failed(anyhow::Error),
}

impl Refusal {
    /// The server's words.
    ///
    /// # Panics
    /// When it said none.
    pub fn said(self) -> Status {
        match self {
            Self::Said(status) => status,
            Self::Failed(error) => panic!("not refused but failed: {error:#}"),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(status) => write!(f, "{}: {}", status.code, status.description),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Refusal {}

async fn handshake(socket: &mut TcpStream) -> anyhow::Result<()> {
    let mut hello = vec![3];
    hello.extend_from_slice(&[0; 8]);
    hello.extend((0..HANDSHAKE_PACKET - 8).map(|at| at as u8));
    socket.write_all(&hello).await?;
    let mut answer = vec![0; 1 + 2 * HANDSHAKE_PACKET];
    socket.read_exact(&mut answer).await?;
    ensure!(answer[0] == 3, "version {}", answer[0]);
    ensure!(answer[1 + HANDSHAKE_PACKET..] == hello[1..], "S2 does not repeat C1");
    socket.write_all(&answer[1..=HANDSHAKE_PACKET]).await?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

/// Made-up media: sequence headers, then 30 pictures and 43 sounds a second, a key frame each second. Every body says which
/// tag it is, so that a receiver can tell what is missing. No decoder understands it; recordings need a real file.
pub fn made_up_tags(seconds: u32) -> Vec<FileTag> {
    // A real 320x180 baseline configuration, so that headers parse.
    const AVC: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x0d\xff\xe1\0\x17\x67\x42\xc0\x0d\xda\x05\x06\x7e\x78\x40\0\0\x03\0\x40\0\0\x0f\x03\xc5\x0a\xa8\x01\0\x04\x68\xce\x0f\x2c";
    let mut tags = vec![
        FileTag {
            kind: TagKind::Script,
            timestamp_ms: 0,
            body: Bytes::from_static(b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09"),
        },
        FileTag { kind: TagKind::Video, timestamp_ms: 0, body: Bytes::from_static(AVC) },
        FileTag { kind: TagKind::Audio, timestamp_ms: 0, body: Bytes::from_static(&[0xaf, 0, 0x11, 0x90]) },
    ];
    let (pictures, sounds) = (seconds * 30, seconds * 43);
    for n in 0..pictures {
        let is_key = n % 30 == 0;
        let mut body = BytesMut::new();
        body.put_slice(&[if is_key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
        let length = if is_key { 20_000 } else { 5_000 };
        // One NAL unit: IDR or not, its number, and a pattern.
        body.put_u32(length);
        body.put_u8(if is_key { 0x65 } else { 0x41 });
        body.put_u32(n);
        body.extend((0..length - 5).map(|at| (at as u8).wrapping_mul(7).wrapping_add(n as u8)));
        tags.push(FileTag { kind: TagKind::Video, timestamp_ms: n * 1_000 / 30, body: body.freeze() });
    }
    for n in 0..sounds {
        let mut body = BytesMut::from(&[0xaf, 1][..]);
        body.put_u32(n);
        body.extend((0..300).map(|at: u32| (at as u8) ^ n as u8));
        tags.push(FileTag { kind: TagKind::Audio, timestamp_ms: n * 1_000 / 43, body: body.freeze() });
    }
    // Stable: headers stay in front.
    tags.sort_by_key(|tag| tag.timestamp_ms);
    tags
}

/// A real file: H.264 and AAC of a test picture, made by ffmpeg, a key frame each second.
pub async fn flv_file(seconds: u32) -> anyhow::Result<Bytes> {
    let length = seconds.to_string();
    let arguments = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=30",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:sample_rate=48000",
        "-t",
        &length,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "30",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        "-ac",
        "2",
        "-f",
        "flv",
        "-",
    ];
    let made = tokio::process::Command::new("ffmpeg").args(arguments).output().await.context("ffmpeg is needed")?;
    ensure!(made.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&made.stderr));
    Ok(made.stdout.into())
}
