//! One supervisor with a real child, fed at a chosen pace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use domain::StreamId;
use kit::Stop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;
use transcoder::worker::{Encoder, Mask, RESTORE_AFTER, Rung, Supervisor, WorkerEvent, WorkerInput, WorkerSpec};

use super::clip::{Clip, SourceUnit};

/// No test waits longer for one event.
pub(crate) const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) input: Option<WorkerInput>,
    pub(crate) events: Receiver<WorkerEvent>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: Stop,
    /// When each picture went in.
    pub(crate) offered: Vec<(i64, Instant)>,
}

/// What came back, sorted by kind.
#[derive(Debug, Default)]
pub(crate) struct Yield {
    /// Of the first rung.
    pub(crate) codec_data: Vec<Bytes>,
    pub(crate) units: Vec<Coded>,
    /// Of the others, by their numbers.
    pub(crate) others: BTreeMap<usize, (Vec<Bytes>, Vec<Coded>)>,
    /// Which rungs ran, each time that changed.
    pub(crate) running: Vec<(Mask, Instant)>,
    pub(crate) thumbnails: Vec<Bytes>,
    pub(crate) tiles: Vec<(i64, Bytes)>,
    pub(crate) lost: Vec<String>,
    pub(crate) gave_up: Option<String>,
    pub(crate) unable: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Coded {
    pub(crate) pts: i64,
    pub(crate) is_sync: bool,
    pub(crate) data: Bytes,
    pub(crate) at: Instant,
}

impl Yield {
    pub(crate) fn take(&mut self, event: WorkerEvent) {
        match event {
            WorkerEvent::Config { rung, codec_data } => self.rung(rung).0.push(codec_data),
            WorkerEvent::Unit { rung, dts, pts, is_sync, data } => {
                assert_eq!(dts, pts, "the rendition has no B-frames");
                self.rung(rung).1.push(Coded { pts, is_sync, data, at: Instant::now() });
            }
            WorkerEvent::Rungs { running } => self.running.push((running, Instant::now())),
            WorkerEvent::Thumbnail(jpeg) => self.thumbnails.push(jpeg),
            WorkerEvent::Tile { pts, jpeg } => self.tiles.push((pts, jpeg)),
            WorkerEvent::Lost { reason } => self.lost.push(reason),
            WorkerEvent::GaveUp { reason } => self.gave_up = Some(reason),
            WorkerEvent::Unable { reason } => self.unable = Some(reason),
        }
    }

    fn rung(&mut self, number: usize) -> (&mut Vec<Bytes>, &mut Vec<Coded>) {
        if number == 0 {
            return (&mut self.codec_data, &mut self.units);
        }
        let (codec_data, units) = self.others.entry(number).or_default();
        (codec_data, units)
    }

    /// What came of one rung, as if there were no others.
    pub(crate) fn only(&self, number: usize) -> Self {
        let (codec_data, units) =
            if number == 0 { (self.codec_data.clone(), self.units.clone()) } else { self.others[&number].clone() };
        Self { codec_data, units, ..Self::default() }
    }

    pub(crate) fn pictures(&self) -> Vec<(i64, bool)> {
        self.units.iter().map(|unit| (unit.pts, unit.is_sync)).collect()
    }
}

pub(crate) fn spec(clip: &Clip) -> WorkerSpec {
    WorkerSpec {
        stream_id: StreamId::from_uuid(kit::ids::uuid()),
        exe: PathBuf::from(env!("CARGO_BIN_EXE_media-worker")),
        codec: clip.config.codec(),
        codec_data: clip.config.record().clone(),
        width: clip.config.size().0,
        height: clip.config.size().1,
        frame_rate: (30, 1),
        encoder: Encoder::Software,
        rungs: vec![rung(480, 1_200)],
        thumbnail_every_s: 2,
        tile_every_s: 1,
        memory_mib: 512,
        share: None,
        restore_after: RESTORE_AFTER,
    }
}

pub(crate) fn rung(height: u32, bitrate_kbps: u32) -> Rung {
    Rung { name: format!("{height}p"), height, bitrate_kbps, fps_max: 30 }
}

impl Rig {
    pub(crate) fn start(spec: WorkerSpec) -> Self {
        let (tasks, stop) = (TaskTracker::new(), Stop::new());
        let (input, events) = Supervisor::start(spec, &tasks, stop.clone());
        Self { input: Some(input), events, tasks, stop, offered: Vec::new() }
    }

    pub(crate) fn input(&mut self) -> &mut WorkerInput {
        self.input.as_mut().expect("the input is open")
    }

    pub(crate) fn offer(&mut self, unit: &SourceUnit) {
        let SourceUnit { dts, pts, is_sync, data } = unit.clone();
        self.offered.push((pts, Instant::now()));
        self.input().offer(dts, pts, is_sync, data);
    }

    /// Feeds `units` at `speed` times their own pace, collecting what comes meanwhile.
    pub(crate) async fn feed(&mut self, units: &[SourceUnit], speed: u32, taken: &mut Yield) {
        let mut pace = interval(Duration::from_secs(1) / 30 / speed);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for unit in units {
            loop {
                tokio::select! {
                    biased;
                    _ = pace.tick() => break,
                    Some(event) = self.events.recv() => taken.take(event),
                }
            }
            self.offer(unit);
        }
    }

    /// The next event within the bound, or `None` at the end of events.
    pub(crate) async fn next(&mut self) -> Option<WorkerEvent> {
        timeout(EVENT_WAIT_MAX, self.events.recv()).await.expect("an event in time")
    }

    /// Ends the input and collects the rest.
    pub(crate) async fn finish(mut self, taken: &mut Yield) {
        self.input = None;
        while let Some(event) = self.next().await {
            taken.take(event);
        }
        self.tasks.close();
        timeout(Duration::from_secs(5), self.tasks.wait()).await.expect("the supervisor ends with its input");
    }

    pub(crate) fn pid(&mut self) -> Pid {
        let pid = self.input().child_pid().expect("a child runs");
        Pid::from_raw(i32::try_from(pid).expect("a pid"))
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Pid {
        let pid = self.pid();
        kill(pid, signal).expect("the child can be signalled");
        pid
    }
}
