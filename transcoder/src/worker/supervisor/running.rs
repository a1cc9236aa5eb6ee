//! One child while it lives: what is written to it and read from it, how late it may be, and how it ends.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::super::regulator::LOOK_EVERY;
use super::super::session::{Backlog, Watchdog};
use super::super::wire::{self, Kind, OUTPUT_BYTES_MAX, Report, Unit};
use super::super::{Usage, WorkerEvent};
use super::{DRAIN_MAX, End, OUTBOX_MAX, Supervisor, give};

/// From starting a child to its word that it is ready.
const START_MAX: Duration = Duration::from_secs(5);
/// From killing a child, or its last word, to its exit.
const EXIT_MAX: Duration = Duration::from_secs(2);
/// What is kept of a child's complaints.
const STDERR_TAIL_BYTES: usize = 2_048;
/// Why a child that invents pictures is ended.
const NOBODY_ASKED: &str = "it sent a picture that nobody asked for";

/// A child that runs.
pub(super) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: ChildStderr,
    backlog: Backlog,
    watchdog: Watchdog,
    received: BytesMut,
    complaints: BytesMut,
    has_stderr: bool,
    is_ready: bool,
    /// It said so itself.
    is_unable: bool,
    /// Of each rung, whether this child's first key frame has come.
    has_key: Vec<bool>,
    /// Until when it must be ready; later, until when it must have exited.
    deadline: Option<Instant>,
    is_draining: bool,
    /// When it is looked at again, and when it last told what it used.
    look_at: Instant,
    told_at: Instant,
}

/// One thing that happened in a child's life.
enum Input {
    Nothing,
    Stop,
    ReceiverGone,
    Offered(Option<Unit>),
    Written(io::Result<usize>),
    Read(io::Result<usize>),
    Complained(io::Result<usize>),
    Look,
    Deadline,
}

impl Running {
    pub(super) fn new(mut child: Child, owner: &Supervisor) -> io::Result<Self> {
        let gone = || io::Error::other("a standard stream is missing");
        let stdin = child.stdin.take().ok_or_else(gone)?;
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let stderr = child.stderr.take().ok_or_else(gone)?;
        let now = Instant::now();
        let mut backlog = Backlog::default();
        let mut watchdog = Watchdog::new(owner.spec.codec, !owner.running.is_empty());
        backlog.push_frame(wire::json_frame(Kind::Task, &owner.task()));
        // Of pictures alone only the last one is made again.
        let past = if owner.running.is_empty() { owner.recent.units().count().saturating_sub(1) } else { 0 };
        for unit in owner.recent.units().skip(past) {
            if backlog.push_unit(unit) {
                watchdog.fed(now);
            }
        }
        Ok(Self {
            child,
            stdin: Some(stdin),
            stdout,
            stderr,
            backlog,
            watchdog,
            received: BytesMut::new(),
            complaints: BytesMut::new(),
            has_stderr: true,
            is_ready: false,
            is_unable: false,
            has_key: vec![false; owner.rungs.len()],
            deadline: Some(now + START_MAX),
            is_draining: false,
            look_at: now + LOOK_EVERY,
            told_at: now,
        })
    }

    pub(super) async fn run(mut self, owner: &mut Supervisor) -> End {
        loop {
            let ended = match self.next(owner).await {
                Input::Nothing => None,
                // What was offered before the stop is still taken.
                Input::Stop => {
                    owner.input.close();
                    None
                }
                Input::Offered(None) => {
                    self.drain();
                    None
                }
                Input::ReceiverGone => Some(End::Finished),
                Input::Offered(Some(unit)) => {
                    self.feed(&unit, owner);
                    None
                }
                Input::Written(Ok(_)) => {
                    self.backlog.advance();
                    None
                }
                // It may still have something to say; the end of its output is its end.
                Input::Written(Err(_)) => {
                    self.stdin = None;
                    None
                }
                Input::Read(Ok(0) | Err(_)) => Some(self.ended().await),
                Input::Read(Ok(_)) => self.take(owner).err().map(|reason| self.broken(reason)),
                Input::Complained(Ok(len)) if len > 0 => {
                    self.trim_complaints();
                    None
                }
                Input::Complained(_) => {
                    self.has_stderr = false;
                    None
                }
                Input::Look => {
                    self.look(owner);
                    None
                }
                Input::Deadline => self.overdue(owner),
            };
            if self.is_draining && self.backlog.is_empty() {
                self.stdin = None;
            }
            if let Some(ended) = ended {
                return self.bury(ended).await;
            }
        }
    }

    async fn next(&mut self, owner: &mut Supervisor) -> Input {
        // A child that has exited takes nothing; what it left unread goes with it.
        let deadline = self.deadline.or_else(|| self.watchdog.deadline());
        // Only where there are rungs that could be dropped or come back.
        let is_regulated = self.is_ready && !self.is_draining && !owner.rungs.is_empty();
        let write = async {
            match (self.stdin.as_mut(), self.backlog.front()) {
                (Some(stdin), Some(front)) => stdin.write_buf(front).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = owner.stop.cancelled(), if !owner.input.is_closed() => Input::Stop,
            () = owner.events.closed() => Input::ReceiverGone,
            unit = owner.input.recv(), if !self.is_draining => Input::Offered(unit),
            () = give(&owner.events, &mut owner.outbox), if !owner.outbox.is_empty() => Input::Nothing,
            written = write => Input::Written(written),
            read = self.stdout.read_buf(&mut self.received), if owner.outbox.len() < OUTBOX_MAX => Input::Read(read),
            read = self.stderr.read_buf(&mut self.complaints), if self.has_stderr => Input::Complained(read),
            () = sleep_until(self.look_at), if is_regulated => Input::Look,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Input::Deadline,
        }
    }

    fn feed(&mut self, unit: &Unit, owner: &mut Supervisor) {
        owner.keep(unit);
        if self.backlog.push_unit(unit) {
            self.watchdog.fed(Instant::now());
        } else {
            metrics::counter!("rillcast_worker_units_dropped_total").increment(1);
        }
    }

    fn look(&mut self, owner: &mut Supervisor) {
        let now = Instant::now();
        self.look_at = now + LOOK_EVERY;
        // Where the caller does not take pictures, their being late says nothing about the child.
        if owner.outbox.len() < OUTBOX_MAX / 2
            && let Some(frame) = owner.regulate(now)
        {
            self.backlog.push_frame(frame);
        }
    }

    /// Lets the child finish what it was given.
    fn drain(&mut self) {
        self.is_draining = true;
        self.deadline = Some(Instant::now() + DRAIN_MAX);
    }

    fn overdue(&mut self, owner: &Supervisor) -> Option<End> {
        if self.is_draining {
            return Some(End::Finished);
        }
        if !self.is_ready {
            return Some(End::Lost(format!("it was not ready after {START_MAX:?}")));
        }
        if owner.outbox.len() >= OUTBOX_MAX {
            // Not the child is late but whoever takes its pictures.
            self.watchdog.restart(Instant::now());
            return None;
        }
        Some(End::Lost("it takes pictures and gives none: hung".to_owned()))
    }

    /// Reads every whole frame that has arrived.
    fn take(&mut self, owner: &mut Supervisor) -> Result<(), String> {
        loop {
            match wire::decode(&mut self.received, OUTPUT_BYTES_MAX) {
                Ok(None) => return Ok(()),
                Ok(Some((kind, payload))) => self.take_frame(kind, payload, owner)?,
                Err(error) => return Err(format!("it broke the protocol: {error}")),
            }
        }
    }

    fn take_frame(&mut self, kind: Kind, payload: Bytes, owner: &mut Supervisor) -> Result<(), String> {
        match kind {
            Kind::Ready if !self.is_ready => self.ready(&payload, owner),
            Kind::Failed => return Err(printable(&payload)),
            Kind::Unable if !self.is_ready => {
                self.is_unable = true;
                return Err(printable(&payload));
            }
            _ if !self.is_ready => return Err("it sent media before it was ready".to_owned()),
            Kind::Progress => self.watchdog.answered(),
            Kind::Thumbnail => owner.outbox.push_back(WorkerEvent::Thumbnail(payload)),
            Kind::Tile => take_tile(payload, owner)?,
            Kind::Config => take_config(payload, owner)?,
            Kind::Picture => self.take_picture(payload, owner)?,
            Kind::Usage => self.take_usage(&payload, owner)?,
            Kind::Task
            | Kind::Ready
            | Kind::Unit
            | Kind::Rungs
            | Kind::Unable
            | Kind::Contents
            | Kind::Ended
            | Kind::Refused => {
                return Err("it sent a frame out of turn".to_owned());
            }
        }
        Ok(())
    }

    fn broken(&self, reason: String) -> End {
        if self.is_unable { End::Unable(reason) } else { End::Lost(reason) }
    }

    fn take_picture(&mut self, payload: Bytes, owner: &mut Supervisor) -> Result<(), String> {
        let (rung, unit) = Unit::parse_picture(payload).map_err(|error| error.to_string())?;
        let Unit { dts, pts, is_sync, data } = unit;
        let returned = owner.rungs.get_mut(rung).filter(|returned| returned.codec_data.is_some());
        let (Some(returned), Some(has_key)) = (returned, self.has_key.get_mut(rung)) else {
            return Err(NOBODY_ASKED.to_owned());
        };
        if dts != pts || Some(pts) > owner.newest {
            return Err(NOBODY_ASKED.to_owned());
        }
        self.watchdog.answered();
        *has_key |= is_sync;
        if *has_key && Some(pts) > returned.delivered {
            (returned.delivered, returned.is_awaited) = (Some(pts), false);
            owner.outbox.push_back(WorkerEvent::Unit { rung, dts, pts, is_sync, data });
        }
        Ok(())
    }

    fn take_usage(&mut self, payload: &[u8], owner: &Supervisor) -> Result<(), String> {
        let usage: Usage = serde_json::from_slice(payload).map_err(|error| format!("an unreadable report: {error}"))?;
        let now = Instant::now();
        let wall = now.duration_since(std::mem::replace(&mut self.told_at, now));
        if let Some(share) = &owner.spec.share {
            share.learn(&usage, wall);
        }
        Ok(())
    }

    fn ready(&mut self, payload: &[u8], owner: &mut Supervisor) {
        let now = Instant::now();
        owner.regulator.restart(now);
        self.told_at = now;
        self.is_ready = true;
        let report: Report = serde_json::from_slice(payload).unwrap_or_default();
        let missing: Vec<_> = report.measures.iter().filter(|m| m.failure.is_some()).map(|m| m.name.as_str()).collect();
        info!(pid = self.child.id(), missing = missing.join(", "), "the GStreamer process is ready");
        self.watchdog.restart(now);
        if !self.is_draining {
            self.deadline = None;
        }
    }

    fn trim_complaints(&mut self) {
        let excess = self.complaints.len().saturating_sub(STDERR_TAIL_BYTES);
        let _ = self.complaints.split_to(excess);
    }

    /// The child closed its output: it is exiting, or dead already.
    async fn ended(&mut self) -> End {
        if self.is_draining && self.stdin.is_none() {
            return End::Finished;
        }
        let how = match timeout(EXIT_MAX, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its output".to_owned(),
        };
        while self.has_stderr {
            // What it said last may still be in the pipe; a dead process's pipe ends at once.
            let read = timeout(Duration::from_millis(50), self.stderr.read_buf(&mut self.complaints)).await;
            self.has_stderr = matches!(read, Ok(Ok(1..)));
            self.trim_complaints();
        }
        let said = printable(self.complaints.trim_ascii());
        End::Lost(if said.is_empty() { how } else { format!("{how}: {said}") })
    }

    async fn bury(mut self, ended: End) -> End {
        self.stdin = None;
        if let Ok(None) = self.child.try_wait() {
            // An exit after draining is near; everybody else is killed.
            let patience =
                if matches!(ended, End::Finished) && self.is_draining { EXIT_MAX / 4 } else { Duration::ZERO };
            if timeout(patience, self.child.wait()).await.is_err() {
                let _ = self.child.start_kill();
                let _ = timeout(EXIT_MAX, self.child.wait()).await;
            }
        }
        ended
    }
}

fn take_tile(mut payload: Bytes, owner: &mut Supervisor) -> Result<(), String> {
    let pts = payload.try_get_i64().ok().filter(|pts| Some(*pts) <= owner.newest);
    let pts = pts.ok_or_else(|| NOBODY_ASKED.to_owned())?;
    owner.outbox.push_back(WorkerEvent::Tile { pts, jpeg: payload });
    Ok(())
}

fn take_config(mut payload: Bytes, owner: &mut Supervisor) -> Result<(), String> {
    let rung = payload.try_get_u8().map_or(usize::MAX, usize::from);
    let Some(returned) = owner.rungs.get_mut(rung) else { return Err(NOBODY_ASKED.to_owned()) };
    if returned.codec_data.as_ref() != Some(&payload) {
        returned.codec_data = Some(payload.clone());
        owner.outbox.push_back(WorkerEvent::Config { rung, codec_data: payload });
    }
    Ok(())
}

/// The last line of what a child said, fit for a log and a page.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next_back().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_words_are_cut_and_cleaned() {
        assert_eq!(printable(b"one\ntwo\x1b[31m\x07"), "two[31m");
        assert_eq!(printable(&[b'a'; 5_000]).len(), 300);
    }
}
