//! The parent's end of a child that reads a file: starts it, takes what it gives, and notices its death.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::import::{Container, ImportFail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::spawn;
use super::wire::{self, Contents, Demux, Kind, READER_BYTES_MAX, Recode, Report, Task, Unit};

/// From starting a child to its word that it is ready.
const START_MAX: Duration = Duration::from_secs(10);
/// A child that is silent for so long although somebody listens hangs.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// What is read of it at a time.
const READ_BYTES: usize = 256 * 1024;
/// What is kept of its complaints.
const COMPLAINTS_BYTES: usize = 2_048;

/// The file to be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The executable whose `media-worker` argument runs [`super::child_main`].
    pub(crate) exe: PathBuf,
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) container: Container,
    pub(crate) memory_mib: u64,
}

/// What a child gives.
#[derive(Debug)]
pub(crate) enum Event {
    Contents(Contents),
    /// Times in nanoseconds; see [`Demux`].
    Unit {
        track: usize,
        unit: Unit,
    },
    /// Codec data of a track that is coded anew.
    Config {
        track: usize,
        codec_data: Bytes,
    },
    Refused(ImportFail),
    Ended,
}

/// The child is gone, or does not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Died(String);

impl Died {
    pub(super) const fn of(reason: String) -> Self {
        Self(reason)
    }
}

/// A child that reads a file. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Demuxer {
    child: Child,
    /// It ends when this does.
    _stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    received: BytesMut,
    complaints: BytesMut,
}

impl Demuxer {
    /// Starts one that gives the units of the tracks in `takes`; without any it says what is in the file and ends.
    pub(crate) async fn start(source: &Source, takes: Vec<(u8, Option<Recode>)>) -> Result<Self, Died> {
        let task = Task::Demux(Demux {
            path: source.path.clone(),
            container: source.container,
            takes,
            memory_mib: source.memory_mib,
            parent_pid: nix::unistd::getpid().as_raw(),
        });
        let started = timeout(START_MAX, Self::begin(&source.exe, &task)).await;
        started.unwrap_or_else(|_| Err(Died("it did not become ready".to_owned())))
    }

    async fn begin(exe: &Path, task: &Task) -> Result<Self, Died> {
        let failed = |error: io::Error| Died(format!("it cannot be started: {error}"));
        let mut child = spawn::spawn(exe).await.map_err(failed)?;
        let gone = || Died("a standard stream is missing".to_owned());
        let mut stdin = child.stdin.take().ok_or_else(gone)?;
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let stderr = Some(child.stderr.take().ok_or_else(gone)?);
        stdin.write_all(&wire::json_frame(Kind::Task, task)).await.map_err(failed)?;
        let (received, complaints) = (BytesMut::new(), BytesMut::new());
        let mut demuxer = Self { child, _stdin: stdin, stdout, stderr, received, complaints };
        match demuxer.frame().await? {
            (Kind::Ready, report) => {
                let report: Report = serde_json::from_slice(&report).map_err(|error| Died(error.to_string()))?;
                for wall in report.measures.iter().filter(|wall| wall.failure.is_some()) {
                    tracing::debug!(wall = wall.name, reason = wall.failure, "a wall around a reader does not stand");
                }
                Ok(demuxer)
            }
            (Kind::Failed, reason) => Err(Died(String::from_utf8_lossy(&reason).into_owned())),
            _ => Err(Died("it spoke before it was ready".to_owned())),
        }
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Event, Died> {
        let frame = timeout(SILENCE_MAX, self.frame()).await;
        let (kind, payload) = frame.unwrap_or_else(|_| Err(Died("it was silent for too long".to_owned())))?;
        match kind {
            Kind::Contents => {
                serde_json::from_slice(&payload).map(Event::Contents).map_err(|error| Died(error.to_string()))
            }
            Kind::Picture => {
                let (track, unit) = Unit::parse_picture(payload).map_err(|error| Died(error.to_string()))?;
                Ok(Event::Unit { track, unit })
            }
            Kind::Config => {
                let track = usize::from(payload.first().copied().unwrap_or(u8::MAX));
                Ok(Event::Config { track, codec_data: payload.slice(payload.len().min(1)..) })
            }
            Kind::Refused => {
                let why = std::str::from_utf8(&payload).ok().and_then(ImportFail::parse);
                Ok(Event::Refused(why.unwrap_or(ImportFail::Unreadable)))
            }
            Kind::Ended => Ok(Event::Ended),
            Kind::Failed => Err(Died(String::from_utf8_lossy(&payload).into_owned())),
            _ => Err(Died("it sent something that nobody asked for".to_owned())),
        }
    }

    /// Its process, while it lives.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn frame(&mut self) -> Result<(Kind, Bytes), Died> {
        loop {
            if let Some(frame) =
                wire::decode(&mut self.received, READER_BYTES_MAX).map_err(|error| Died(error.to_string()))?
            {
                return Ok(frame);
            }
            self.received.reserve(READ_BYTES);
            let read = match &mut self.stderr {
                Some(stderr) => tokio::select! {
                    biased;
                    read = self.stdout.read_buf(&mut self.received) => read,
                    said = stderr.read_buf(&mut self.complaints) => {
                        if !matches!(said, Ok(1..)) {
                            self.stderr = None;
                        }
                        let over = self.complaints.len().saturating_sub(COMPLAINTS_BYTES);
                        let _forgotten = self.complaints.split_to(over);
                        continue;
                    }
                },
                None => self.stdout.read_buf(&mut self.received).await,
            };
            if !matches!(read, Ok(1..)) {
                return Err(self.death().await);
            }
        }
    }

    async fn death(&mut self) -> Died {
        let status = timeout(Duration::from_secs(2), self.child.wait()).await;
        let status = status.ok().and_then(Result::ok).map_or("it closed its output".to_owned(), |it| it.to_string());
        let said = String::from_utf8_lossy(&self.complaints);
        let last = said.trim().lines().last().unwrap_or_default();
        Died(if last.is_empty() { status } else { format!("{status}: {last}") })
    }
}
