//! The parent's side of a child: start it, feed it, watch it, replace it.
//!
//! One task per stream. The caller never waits: what it offers goes into a bounded queue, and a child that is slow, hung
//! or dead costs the stream its lower renditions for a moment and nothing else.

mod running;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kit::Stop;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use super::input::WorkerInput;
use super::recent::Recent;
use super::regulator::{Advice, Regulator};
use super::respawn::{RESPAWNS_MAX, Respawns};
use super::spawn;
use super::wire::{self, Kind, Task, Unit, Work, WorkRung};
use super::{Encoder, Mask, Rung, TICKS_PER_SECOND, WorkerEvent, WorkerSpec};
use running::Running;

/// Access units between the caller and the supervisor's task.
const INPUT_QUEUE_MAX: usize = 64;
/// Events the caller has not taken yet.
const EVENT_QUEUE_MAX: usize = 128;
/// Events read from the child for which the caller's queue has no room. Beyond it the child waits.
const OUTBOX_MAX: usize = 192;
/// How long a child may take to give its last pictures once the input has ended.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Keeps a child alive for one stream.
#[derive(Debug)]
pub struct Supervisor {
    spec: WorkerSpec,
    input: Receiver<Unit>,
    events: Sender<WorkerEvent>,
    outbox: VecDeque<WorkerEvent>,
    stop: Stop,
    recent: Recent,
    /// What came back of each rung.
    rungs: Vec<Returned>,
    /// The rungs that are to run.
    running: Mask,
    key_only: Arc<AtomicBool>,
    regulator: Regulator,
    /// The latest picture that can come back.
    newest: Option<i64>,
    respawns: Respawns,
    pid: Arc<AtomicU32>,
}

/// What the caller has been given of one rung.
#[derive(Debug, Clone, Default)]
struct Returned {
    codec_data: Option<Bytes>,
    /// The last picture's presentation time.
    delivered: Option<i64>,
    /// It was brought back and waits for a key frame of the source.
    is_awaited: bool,
}

/// Why the supervisor stopped caring for one child.
enum End {
    /// Nothing is left to do.
    Finished,
    Lost(String),
    /// It cannot do what it is asked, nor can any other child on this machine.
    Unable(String),
}

impl Supervisor {
    /// Starts the task that keeps a child working on `spec` until the input is dropped or the stop is given.
    pub fn start(spec: WorkerSpec, tasks: &TaskTracker, stop: Stop) -> (WorkerInput, Receiver<WorkerEvent>) {
        let (units, input) = mpsc::channel(INPUT_QUEUE_MAX);
        let (events, outcome) = mpsc::channel(EVENT_QUEUE_MAX);
        let pid = Arc::new(AtomicU32::new(0));
        let running = spec.share.as_ref().map_or(Mask::all(spec.rungs.len()), |share| share.mask());
        let key_only = Arc::new(AtomicBool::new(running.is_empty()));
        let worker_input = WorkerInput::new(units, key_only.clone(), apart(&spec), pid.clone());
        let span = info_span!("worker", stream.id = %spec.stream_id);
        let supervisor = Self {
            rungs: vec![Returned::default(); spec.rungs.len()],
            running,
            key_only,
            regulator: Regulator::new(Instant::now(), spec.restore_after),
            spec,
            input,
            events,
            outbox: VecDeque::new(),
            stop,
            recent: Recent::default(),
            newest: None,
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
            let reason = match ended {
                End::Finished => break,
                End::Lost(reason) => reason,
                End::Unable(reason) => {
                    warn!(reason, "this machine cannot make renditions of this source");
                    self.outbox.push_back(WorkerEvent::Unable { reason });
                    break;
                }
            };
            metrics::counter!("rillcast_worker_lost_total").increment(1);
            self.leave_hardware(&reason);
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

    /// What all running rungs have got at least.
    fn delivered(&self) -> Option<i64> {
        let running = self.running.indices().filter_map(|rung| self.rungs.get(rung));
        running.filter(|rung| !rung.is_awaited).map(|rung| rung.delivered).min().flatten()
    }

    /// Looks whether the child keeps up. The frame for it, when rungs change.
    fn regulate(&mut self, now: Instant) -> Option<Bytes> {
        let share = self.spec.share.clone()?;
        let lag = self.newest.zip(self.delivered()).map_or(0, |(newest, delivered)| newest - delivered);
        let has_more = self.running != Mask::all(self.rungs.len());
        match self.regulator.step(now, lag, has_more) {
            Advice::Keep => return None,
            Advice::Drop => {
                let rung = share.costliest()?;
                share.drop_rung(rung);
                metrics::counter!("rillcast_worker_rungs_dropped_total").increment(1);
                warn!(rung = self.spec.rungs[rung].name, "the machine is too slow for this rendition, it is dropped");
            }
            Advice::Restore => {
                let rung = share.cheapest_missing().filter(|rung| share.try_restore(*rung))?;
                self.regulator.restored(now);
                // What it gave before is long past: it begins anew.
                if let Some(returned) = self.rungs.get_mut(rung) {
                    (returned.delivered, returned.is_awaited) = (self.newest, true);
                }
                info!(rung = self.spec.rungs[rung].name, "there is room for this rendition");
            }
        }
        self.running = share.mask();
        self.key_only.store(self.running.is_empty(), Ordering::Relaxed);
        self.outbox.push_back(WorkerEvent::Rungs { running: self.running });
        Some(wire::frame(Kind::Rungs, &[self.running.0]))
    }

    /// A card may have no session left, a driver may crash: whatever it was, x264 is tried next, and stays.
    fn leave_hardware(&mut self, reason: &str) {
        let Encoder::Hardware(name) = std::mem::take(&mut self.spec.encoder) else { return };
        metrics::counter!("rillcast_worker_hardware_lost_total").increment(1);
        warn!(encoder = name, reason, "the hardware encoder is left, the stream goes on with x264");
        let Some(share) = &self.spec.share else { return };
        share.leave_hardware();
        let running = share.mask();
        if running != self.running {
            self.running = running;
            self.key_only.store(running.is_empty(), Ordering::Relaxed);
            self.outbox.push_back(WorkerEvent::Rungs { running });
        }
    }

    fn keep(&mut self, unit: &Unit) {
        // Where pictures alone are made nothing comes back, and nothing before the last key frame is of use.
        let delivered = if self.running.is_empty() { self.newest } else { self.delivered() };
        self.recent.push(unit, delivered);
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
            codec: self.spec.codec,
            codec_data: self.spec.codec_data.to_vec(),
            width: self.spec.width,
            height: self.spec.height,
            frame_rate: self.spec.frame_rate,
            encoder: self.spec.encoder.clone(),
            rungs: self.spec.rungs.iter().zip(&self.rungs).map(plan).collect(),
            running: self.running,
            thumbnail_every_s: self.spec.thumbnail_every_s,
            tile_every_s: self.spec.tile_every_s,
            is_patient: false,
            memory_mib: self.spec.memory_mib,
            parent_pid: nix::unistd::getpid().as_raw(),
        })
    }
}

/// Ticks between the key frames of which pictures alone are made, a tenth less than asked for: encoders do not count exactly.
fn apart(spec: &WorkerSpec) -> u64 {
    let seconds = [spec.thumbnail_every_s, spec.tile_every_s].into_iter().filter(|seconds| *seconds > 0).min();
    u64::from(seconds.unwrap_or(0)) * TICKS_PER_SECOND.unsigned_abs() * 9 / 10
}

fn plan((rung, returned): (&Rung, &Returned)) -> WorkRung {
    WorkRung { rung: rung.clone(), encode_after: returned.delivered }
}

/// Hands over the oldest event as soon as the caller has room. Nothing is lost when this is cancelled.
async fn give(events: &Sender<WorkerEvent>, outbox: &mut VecDeque<WorkerEvent>) {
    if let (Ok(permit), Some(event)) = (events.reserve().await, outbox.pop_front()) {
        permit.send(event);
    }
}
