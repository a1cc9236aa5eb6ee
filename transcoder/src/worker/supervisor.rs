//! The parent's side of a child: start it, feed it, watch it, replace it.
//!
//! One task per stream. The caller never waits: what it offers goes into a bounded queue, and a child that is slow, hung
//! or dead costs the stream its lower rendition for a moment and nothing else.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kit::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use super::recent::Recent;
use super::respawn::{RESPAWNS_MAX, Respawns};
use super::session::{Backlog, Watchdog};
use super::spawn;
use super::wire::{self, Kind, OUTPUT_BYTES_MAX, Report, Task, UNIT_BYTES_MAX, Unit, Work};
use super::{WorkerEvent, WorkerSpec};

/// Access units between the caller and the supervisor's task.
const INPUT_QUEUE_MAX: usize = 64;
/// Events the caller has not taken yet.
const EVENT_QUEUE_MAX: usize = 64;
/// Events read from the child for which the caller's queue has no room. Beyond it the child waits.
const OUTBOX_MAX: usize = 64;
/// From starting a child to its word that it is ready.
const START_MAX: Duration = Duration::from_secs(5);
/// How long a child may take to give its last pictures once the input has ended.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// From killing a child, or its last word, to its exit.
const EXIT_MAX: Duration = Duration::from_secs(2);
/// What is kept of a child's complaints.
const STDERR_TAIL_BYTES: usize = 2_048;

/// The caller's end: where the source's access units go in. Dropping it ends the input; the child then gives its last
/// pictures and exits, and the events end.
#[derive(Debug)]
pub struct WorkerInput {
    units: Sender<Unit>,
    needs_key: bool,
    key_only: bool,
    pid: Arc<AtomicU32>,
}

impl WorkerInput {
    /// Offers one access unit (90 kHz, AVCC). Never blocks. What the child cannot take is dropped up to a key frame.
    pub fn offer(&mut self, dts: i64, pts: i64, is_sync: bool, data: Bytes) {
        if !is_sync && (self.needs_key || self.key_only) {
            return;
        }
        let fits = !data.is_empty() && data.len() <= UNIT_BYTES_MAX;
        let is_taken = fits && self.units.try_send(Unit { dts, pts, is_sync, data }).is_ok();
        if !is_taken {
            metrics::counter!("rillcast_worker_units_dropped_total").increment(1);
        }
        self.needs_key = !is_taken;
    }

    /// The process id of the child that is running now, if one is.
    pub fn child_pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }
}

/// Keeps a child alive for one stream.
#[derive(Debug)]
pub struct Supervisor {
    spec: WorkerSpec,
    input: Receiver<Unit>,
    events: Sender<WorkerEvent>,
    outbox: VecDeque<WorkerEvent>,
    stop: Stop,
    recent: Recent,
    /// What the caller has been given last, and the latest it can be given.
    delivered: Option<i64>,
    newest: Option<i64>,
    codec_data: Option<Bytes>,
    respawns: Respawns,
    pid: Arc<AtomicU32>,
}

/// Why the supervisor stopped caring for one child.
enum End {
    /// Nothing is left to do.
    Finished,
    Lost(String),
}

impl Supervisor {
    /// Starts the task that keeps a child working on `spec` until the input is dropped or the stop is given.
    pub fn start(spec: WorkerSpec, tasks: &TaskTracker, stop: Stop) -> (WorkerInput, Receiver<WorkerEvent>) {
        let (units, input) = mpsc::channel(INPUT_QUEUE_MAX);
        let (events, outcome) = mpsc::channel(EVENT_QUEUE_MAX);
        let pid = Arc::new(AtomicU32::new(0));
        let worker_input = WorkerInput { units, needs_key: true, key_only: !spec.encode, pid: pid.clone() };
        let span = info_span!("worker", stream.id = %spec.stream_id);
        let supervisor = Self {
            spec,
            input,
            events,
            outbox: VecDeque::new(),
            stop,
            recent: Recent::default(),
            delivered: None,
            newest: None,
            codec_data: None,
            respawns: Respawns::new(),
            pid,
        };
        tasks.spawn(supervisor.run().instrument(span));
        (worker_input, outcome)
    }

    async fn run(mut self) {
        loop {
            let ended = self.one_child().await;
            self.pid.store(0, Ordering::Relaxed);
            let End::Lost(reason) = ended else { break };
            metrics::counter!("rillcast_worker_lost_total").increment(1);
            let Some(wait) = self.respawns.next(Instant::now()) else {
                warn!(reason, "the GStreamer process keeps dying, the stream goes on without it");
                let reason = format!("{} GStreamer processes died within a minute: {reason}", RESPAWNS_MAX + 1);
                self.outbox.push_back(WorkerEvent::GaveUp { reason });
                break;
            };
            warn!(reason, respawn_in_ms = wait.as_millis(), "the GStreamer process was lost");
            self.outbox.push_back(WorkerEvent::Lost { reason });
            if !self.wait(wait).await {
                break;
            }
        }
        self.input.close();
        let flush = async {
            for event in self.outbox.drain(..) {
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
        };
        if timeout(DRAIN_MAX, flush).await.is_err() {
            debug!("the stream did not take the last events");
        }
    }

    /// Waits before the next child, and goes on taking input and giving events. False when there is no use for one.
    async fn wait(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return false,
                () = self.events.closed() => return false,
                unit = self.input.recv() => match unit {
                    Some(unit) => self.keep(&unit),
                    None => return false,
                },
                () = give(&self.events, &mut self.outbox), if !self.outbox.is_empty() => {}
                () = sleep_until(until) => return true,
            }
        }
    }

    fn keep(&mut self, unit: &Unit) {
        self.recent.push(unit, self.delivered);
        self.newest = self.newest.max(Some(unit.pts));
    }

    async fn one_child(&mut self) -> End {
        // A child that stands by while the source is silent costs memory for nothing.
        while self.newest.is_none() {
            if !self.wait_for_first().await {
                return End::Finished;
            }
        }
        let child = match spawn::spawn(&self.spec.exe).await {
            Ok(child) => child,
            Err(error) => return End::Lost(format!("it cannot be started: {error}")),
        };
        self.pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
        match Running::new(child, self) {
            Ok(running) => running.run(self).await,
            Err(error) => End::Lost(format!("it cannot be talked to: {error}")),
        }
    }

    async fn wait_for_first(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = self.events.closed() => false,
            unit = self.input.recv() => unit.inspect(|unit| self.keep(unit)).is_some(),
        }
    }

    fn task(&self) -> Task {
        Task::Work(Work {
            codec_data: self.spec.codec_data.to_vec(),
            width: self.spec.width,
            height: self.spec.height,
            frame_rate: self.spec.frame_rate,
            rung: self.spec.rung.clone(),
            thumbnail_every_s: self.spec.thumbnail_every_s,
            memory_mib: self.spec.memory_mib,
            encode: self.spec.encode,
            encode_after: self.delivered,
            parent_pid: nix::unistd::getpid().as_raw(),
        })
    }
}

/// Hands over the oldest event as soon as the caller has room. Nothing is lost when this is cancelled.
async fn give(events: &Sender<WorkerEvent>, outbox: &mut VecDeque<WorkerEvent>) {
    if let (Ok(permit), Some(event)) = (events.reserve().await, outbox.pop_front()) {
        permit.send(event);
    }
}

/// A child that runs.
struct Running {
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
    has_key: bool,
    /// Until when it must be ready; later, until when it must have exited.
    deadline: Option<Instant>,
    is_draining: bool,
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
    Deadline,
}

impl Running {
    fn new(mut child: Child, owner: &Supervisor) -> io::Result<Self> {
        let gone = || io::Error::other("a standard stream is missing");
        let stdin = child.stdin.take().ok_or_else(gone)?;
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let stderr = child.stderr.take().ok_or_else(gone)?;
        let now = Instant::now();
        let mut backlog = Backlog::default();
        let mut watchdog = Watchdog::new(owner.spec.encode);
        backlog.push_frame(wire::json_frame(Kind::Task, &owner.task()));
        for unit in owner.recent.units() {
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
            has_key: false,
            deadline: Some(now + START_MAX),
            is_draining: false,
        })
    }

    async fn run(mut self, owner: &mut Supervisor) -> End {
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
                Input::Read(Ok(_)) => self.take(owner).err().map(End::Lost),
                Input::Complained(Ok(len)) if len > 0 => {
                    self.trim_complaints();
                    None
                }
                Input::Complained(_) => {
                    self.has_stderr = false;
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
            Kind::Ready if !self.is_ready => self.ready(&payload),
            Kind::Failed => return Err(printable(&payload)),
            _ if !self.is_ready => return Err("it sent media before it was ready".to_owned()),
            Kind::Progress => self.watchdog.answered(),
            Kind::Thumbnail => owner.outbox.push_back(WorkerEvent::Thumbnail(payload)),
            Kind::Config => {
                if owner.codec_data.as_ref() != Some(&payload) {
                    owner.codec_data = Some(payload.clone());
                    owner.outbox.push_back(WorkerEvent::Config { codec_data: payload });
                }
            }
            Kind::Unit => self.take_unit(payload, owner)?,
            Kind::Task | Kind::Ready => return Err("it sent a frame out of turn".to_owned()),
        }
        Ok(())
    }

    fn take_unit(&mut self, payload: Bytes, owner: &mut Supervisor) -> Result<(), String> {
        let Unit { dts, pts, is_sync, data } = Unit::parse(payload).map_err(|error| error.to_string())?;
        if owner.codec_data.is_none() || dts != pts || Some(pts) > owner.newest {
            return Err("it sent a picture that nobody asked for".to_owned());
        }
        self.watchdog.answered();
        self.has_key |= is_sync;
        if self.has_key && Some(pts) > owner.delivered {
            owner.delivered = Some(pts);
            owner.outbox.push_back(WorkerEvent::Unit { dts, pts, is_sync, data });
        }
        Ok(())
    }

    fn ready(&mut self, payload: &[u8]) {
        self.is_ready = true;
        let report: Report = serde_json::from_slice(payload).unwrap_or_default();
        let missing: Vec<_> = report.measures.iter().filter(|m| m.failure.is_some()).map(|m| m.name.as_str()).collect();
        info!(pid = self.child.id(), missing = missing.join(", "), "the GStreamer process is ready");
        self.watchdog.restart(Instant::now());
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

/// The last line of what a child said, fit for a log and a page.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next_back().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(queue: usize, key_only: bool) -> (WorkerInput, Receiver<Unit>) {
        let (units, taken) = mpsc::channel(queue);
        (WorkerInput { units, needs_key: true, key_only, pid: Arc::default() }, taken)
    }

    fn taken(taken: &mut Receiver<Unit>) -> Vec<i64> {
        std::iter::from_fn(|| taken.try_recv().ok()).map(|unit| unit.dts).collect()
    }

    #[test]
    fn what_does_not_fit_is_dropped_up_to_the_next_key_frame() {
        let (mut input, mut queue) = input(2, false);
        let data = || Bytes::from_static(b"x");
        for (dts, is_sync) in [(0, false), (1, true), (2, false), (3, false)] {
            input.offer(dts, dts, is_sync, data());
        }
        assert_eq!(taken(&mut queue), [1, 2]);
        input.offer(4, 4, false, data());
        input.offer(5, 5, true, data());
        input.offer(6, 6, false, data());
        assert_eq!(taken(&mut queue), [5, 6]);
    }

    #[test]
    fn without_encoding_only_key_frames_reach_the_child() {
        let (mut input, mut queue) = input(8, true);
        for (dts, is_sync) in [(0, true), (1, false), (2, true)] {
            input.offer(dts, dts, is_sync, Bytes::from_static(b"x"));
        }
        assert_eq!(taken(&mut queue), [0, 2]);
    }

    #[test]
    fn a_childs_words_are_cut_and_cleaned() {
        assert_eq!(printable(b"one\ntwo\x1b[31m\x07"), "two[31m");
        assert_eq!(printable(&[b'a'; 5_000]).len(), 300);
    }
}
