//! The parent's end of a child that makes lower renditions and pictures of a file: no clock drives it, so it is fed no faster than it
//! takes, and nothing is ever left out.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes, BytesMut};
use media::codec::VideoCodec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::demux::Died;
use super::wire::{self, Kind, OUTPUT_BYTES_MAX, Task, Unit, Work, WorkRung};
use super::{Encoder, Mask, Rung};

/// Units that wait to be written.
const WAITING_MAX: usize = 16;
const READ_BYTES: usize = 256 * 1024;
/// A child that neither takes nor gives anything for so long hangs: the largest pictures take seconds on a busy machine.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What is to be made.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) codec: VideoCodec,
    pub(crate) codec_data: Bytes,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// A zero on either side means unknown.
    pub(crate) frame_rate: (u32, u32),
    pub(crate) rungs: Vec<Rung>,
    /// Seconds between the small pictures of a storyboard.
    pub(crate) tile_every_s: u32,
    pub(crate) memory_mib: u64,
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Coded {
    /// A rung's decoder configuration.
    Config {
        rung: usize,
        codec_data: Bytes,
    },
    Unit {
        rung: usize,
        unit: Unit,
    },
    Thumbnail(Bytes),
    Tile {
        pts: i64,
        jpeg: Bytes,
    },
    /// A unit went in.
    Taken,
    /// The child has given everything.
    Ended,
    /// This machine cannot decode it.
    Unable(String),
}

/// A child that codes. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Coder {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    waiting: VecDeque<Chain<Bytes, Bytes>>,
    received: BytesMut,
    said: BytesMut,
    is_over: bool,
}

impl Coder {
    pub(crate) async fn start(exe: &Path, order: &Order) -> Result<Self, Died> {
        // One thumbnail, of the beginning.
        const ONCE_S: u32 = 1_000_000;
        let rungs = order.rungs.iter().map(|rung| WorkRung { rung: rung.clone(), encode_after: None }).collect();
        let task = Task::Work(Work {
            codec: order.codec,
            codec_data: order.codec_data.to_vec(),
            width: order.width,
            height: order.height,
            frame_rate: order.frame_rate,
            encoder: Encoder::Software,
            rungs,
            running: Mask::all(order.rungs.len()),
            thumbnail_every_s: ONCE_S,
            tile_every_s: order.tile_every_s,
            is_patient: true,
            memory_mib: order.memory_mib,
            parent_pid: nix::unistd::getpid().as_raw(),
        });
        let failed = |error: io::Error| Died::of(format!("it cannot be started: {error}"));
        let mut child = super::spawn::spawn(exe).await.map_err(failed)?;
        let gone = || Died::of("a standard stream is missing".to_owned());
        let stdin = Some(child.stdin.take().ok_or_else(gone)?);
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let stderr = Some(child.stderr.take().ok_or_else(gone)?);
        let waiting = VecDeque::from([wire::json_frame(Kind::Task, &task).chain(Bytes::new())]);
        let (received, said) = (BytesMut::new(), BytesMut::new());
        Ok(Self { child, stdin, stdout, stderr, waiting, received, said, is_over: false })
    }

    /// Takes a unit. Ask [`Coder::is_full`] before.
    pub(crate) fn push(&mut self, unit: &Unit) {
        self.waiting.push_back(unit.header().chain(unit.data.clone()));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Nothing more comes: what is left follows, and then the end.
    pub(crate) fn finish(&mut self) {
        self.is_over = true;
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Coded, Died> {
        timeout(SILENCE_MAX, self.step()).await.unwrap_or_else(|_| Err(Died::of("it hangs".to_owned())))
    }

    async fn step(&mut self) -> Result<Coded, Died> {
        loop {
            while let Some((kind, payload)) =
                wire::decode(&mut self.received, OUTPUT_BYTES_MAX).map_err(|error| Died::of(error.to_string()))?
            {
                if let Some(coded) = take(kind, payload)? {
                    return Ok(coded);
                }
            }
            if self.is_over && self.waiting.is_empty() {
                self.stdin = None;
            }
            self.received.reserve(READ_BYTES);
            let front = self.waiting.front_mut();
            tokio::select! {
                read = self.stdout.read_buf(&mut self.received) => if !matches!(read, Ok(1..)) {
                    return self.ended().await;
                },
                written = write(&mut self.stdin, front) => {
                    if written.is_err() {
                        // It may still have something to say.
                        self.stdin = None;
                        self.waiting.clear();
                    } else if self.waiting.front().is_some_and(|front| !front.has_remaining()) {
                        self.waiting.pop_front();
                        return Ok(Coded::Taken);
                    }
                }
                said = complain(&mut self.stderr, &mut self.said) => if !said {
                    self.stderr = None;
                },
            }
        }
    }

    async fn ended(&mut self) -> Result<Coded, Died> {
        let status = timeout(Duration::from_secs(2), self.child.wait()).await.ok().and_then(Result::ok);
        match status {
            Some(status) if status.success() && self.is_over && self.waiting.is_empty() => Ok(Coded::Ended),
            status => {
                let said = String::from_utf8_lossy(&self.said);
                let last = said.trim().lines().last().unwrap_or_default();
                Err(Died::of(format!("{}: {last}", status.map_or("gone".to_owned(), |status| status.to_string()))))
            }
        }
    }
}

fn take(kind: Kind, payload: Bytes) -> Result<Option<Coded>, Died> {
    let odd = || Died::of("it sent something that nobody asked for".to_owned());
    Ok(match kind {
        Kind::Ready | Kind::Progress | Kind::Usage => None,
        Kind::Thumbnail => Some(Coded::Thumbnail(payload)),
        Kind::Tile => {
            let (pts, jpeg) = payload.split_first_chunk::<8>().ok_or_else(odd)?;
            Some(Coded::Tile { pts: i64::from_be_bytes(*pts), jpeg: payload.slice_ref(jpeg) })
        }
        Kind::Config => {
            let rung = usize::from(*payload.first().ok_or_else(odd)?);
            Some(Coded::Config { rung, codec_data: payload.slice(1..) })
        }
        Kind::Picture => {
            let (rung, unit) = Unit::parse_picture(payload).map_err(|error| Died::of(error.to_string()))?;
            Some(Coded::Unit { rung, unit })
        }
        Kind::Unable => Some(Coded::Unable(String::from_utf8_lossy(&payload).into_owned())),
        Kind::Failed => return Err(Died::of(String::from_utf8_lossy(&payload).into_owned())),
        _ => return Err(odd()),
    })
}

async fn write(stdin: &mut Option<ChildStdin>, front: Option<&mut Chain<Bytes, Bytes>>) -> io::Result<()> {
    match (stdin, front) {
        (Some(stdin), Some(front)) => stdin.write_buf(front).await.map(drop),
        _ => std::future::pending().await,
    }
}

/// False when nothing more is said.
async fn complain(stderr: &mut Option<ChildStderr>, said: &mut BytesMut) -> bool {
    const KEPT: usize = 2_048;
    let Some(stderr) = stderr else { return std::future::pending().await };
    let read = stderr.read_buf(said).await;
    let over = said.len().saturating_sub(KEPT);
    let _forgotten = said.split_to(over);
    matches!(read, Ok(1..))
}
