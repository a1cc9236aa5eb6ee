//! The one thread that touches the spool: it appends parts and writes the journal line after each, and deletes what is stored.
//!
//! A failing disk costs segments of the recording, never the thread.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{StreamId, Timestamp};
use tokio::sync::oneshot;

use super::backlog::Phase;
use super::book::Book;
use super::handle::{RecordError, RecordedPart, RecordingEnd, RecordingInfo, RenditionInfo, Resume, Shared};
use super::journal::{Head, Line, Spot};
use super::points;
use super::reel::{Part, Reel};
use super::spool::{self, Layout};
use crate::origin::shelf::Segment;

/// Numbers left free when another node may have recorded what it has not uploaded yet: names are never used twice.
const ELSEWHERE_GAP: u64 = 100_000;
const ELSEWHERE_INIT_GAP: u32 = 1_000;
/// After a failed write new streams are refused for this long.
const DISK_FAULT_HOLD: Duration = Duration::from_secs(10);

/// A handle's claim on a recording. A later open has a higher generation and makes earlier handles deaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) stream_id: StreamId,
    pub(super) generation: u64,
}

/// Numbers other nodes have taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floor {
    pub(super) next_msn: u64,
    pub(super) next_init: u32,
    pub(super) discontinuities: u64,
    /// Another node may have recorded more than the database knows.
    pub(super) may_be_elsewhere: bool,
    /// The channel's room is full: nothing is recorded from here on.
    pub(super) is_without_room: bool,
}

type Opened = Result<(u64, Resume), RecordError>;

pub(super) enum Command {
    Open {
        info: RecordingInfo,
        floor: Floor,
        reply: oneshot::Sender<Opened>,
    },
    Rendition {
        key: Key,
        info: RenditionInfo,
    },
    Init {
        key: Key,
        rendition: String,
        init_no: u32,
        bytes: Bytes,
    },
    Part {
        key: Key,
        rendition: String,
        msn: u64,
        bytes: Bytes,
        duration_us: u64,
        head: Head,
        /// No rendition had a part of this number before.
        is_new_number: bool,
    },
    SegmentEnd {
        key: Key,
        rendition: String,
        msn: u64,
        duration_us: u64,
        /// The same segment on the live shelf, which may lie here instead of in memory.
        live: Weak<Segment>,
    },
    Close {
        key: Key,
        end: RecordingEnd,
    },
    /// Object and row are there.
    Stored {
        stream_id: StreamId,
        rendition: String,
        item: StoredItem,
    },
    /// The channel's room is full: segments begun from now on are left out.
    StopRecording {
        stream_id: StreamId,
    },
    /// Nothing of the recording is wanted here any more.
    Forget {
        stream_id: StreamId,
    },
    Stop,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum StoredItem {
    Init(u32),
    Segment(u64),
}

impl Command {
    pub(super) fn part(key: Key, part: RecordedPart<'_>, is_new_number: bool) -> Self {
        let at: Timestamp = part.program_at;
        let spot = Spot::default();
        let head = Head {
            at,
            init: part.init_no,
            disc: part.is_discontinuity,
            key: part.is_independent,
            pts: part.starts_at_us,
            iframe: part.iframe_len,
            spot,
        };
        let RecordedPart { rendition, msn, bytes, duration_us, .. } = part;
        Self::Part { key, rendition: rendition.to_owned(), msn, bytes, duration_us, head, is_new_number }
    }

    /// Whether somebody waits for what follows from it, or a crash must not forget it: a number that viewers have seen is
    /// never used for other bytes.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Init { .. } | Self::Close { .. } | Self::Stop => true,
            Self::Part { is_new_number, .. } => *is_new_number,
            Self::Rendition { .. }
            | Self::SegmentEnd { .. }
            | Self::StopRecording { .. }
            | Self::Stored { .. }
            | Self::Forget { .. } => false,
        }
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    reels: BTreeMap<StreamId, Reel>,
    next_generation: u64,
    disk_fault_at: Option<Instant>,
}

/// However the writer leaves: nobody hands it anything any more.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.commands.close();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, reels: BTreeMap::new(), next_generation: 1, disk_fault_at: None }
    }

    /// Reads what an earlier run left, then writes until told to stop.
    pub(super) fn run(mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let _closed = Closing(&shared);
        for stream_id in spool::scan(&self.shared.spool_dir)? {
            if let Err(error) = self.recover(stream_id) {
                // Left as it is: a person, or the next start, may have more luck.
                tracing::error!(stream.id = %stream_id, %error, "a spooled recording cannot be read");
            }
        }
        self.shared.ready.send_replace(true);
        let mut taken = VecDeque::new();
        while !self.shared.is_halted.load(Ordering::SeqCst) {
            self.shared.commands.take(&mut taken);
            if self.perform_all(&mut taken).is_break() {
                break;
            }
        }
        for reel in self.reels.values() {
            // Best effort at a quiet moment: a clean stop survives a power cut too.
            reel.sync();
        }
        Ok(())
    }

    fn recover(&mut self, stream_id: StreamId) -> io::Result<()> {
        let layout = Layout::new(&self.shared.spool_dir, stream_id);
        let Some(book) = spool::recover(&layout)? else {
            return spool::set_aside(&layout);
        };
        let bytes = book.renditions.values().flat_map(|shelf| shelf.closed.values()).map(|closed| closed.bytes).sum();
        self.shared.gauge.spool_bytes.fetch_add(bytes, Ordering::Relaxed);
        tracing::info!(stream.id = %stream_id, bytes, is_ended = book.is_ended, "a spooled recording is taken up again");
        let generation = self.new_generation();
        let is_ended = book.is_ended;
        let info = book.info.clone();
        let mut reel = Reel::start(layout, book, generation, self.shared.roll_bytes)?;
        // Not as ended yet: with nothing queued it would look complete, and be forgotten with all that waits.
        self.shared.backlog.open(&info, generation, Phase::Interrupted);
        reel.requeue(&self.shared);
        points::RECOVERY_QUEUED.pass();
        if is_ended {
            self.shared.backlog.set_phase(stream_id, Phase::Ended);
        }
        self.reels.insert(stream_id, reel);
        Ok(())
    }

    fn new_generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation
    }

    /// Breaks off at the stop.
    fn perform_all(&mut self, taken: &mut VecDeque<Command>) -> ControlFlow<()> {
        for command in taken.drain(..) {
            if matches!(command, Command::Stop) || self.shared.is_halted.load(Ordering::SeqCst) {
                return ControlFlow::Break(());
            }
            self.perform(command);
        }
        ControlFlow::Continue(())
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Open { info, floor, reply } => {
                let opened = self.open(info, floor);
                // An opener that gave up waiting: its recording is interrupted until it is opened again.
                if let Err(Ok((generation, _))) = reply.send(opened) {
                    self.close_stale(generation);
                }
            }
            Command::Rendition { key, info } => self.with(key, |shared, reel| reel.rendition(shared, info)),
            Command::Init { key, rendition, init_no, bytes } => {
                self.with(key, |shared, reel| reel.init(shared, &rendition, init_no, &bytes));
            }
            Command::Part { key, rendition, msn, bytes, duration_us, head, .. } => {
                let len = u64::try_from(bytes.len()).unwrap_or(0);
                self.shared.gauge.queued_bytes.fetch_sub(len, Ordering::Relaxed);
                self.with(key, |shared, reel| {
                    reel.part(shared, Part { rendition: &rendition, msn, bytes: &bytes, duration_us, head })
                });
            }
            Command::SegmentEnd { key, rendition, msn, duration_us, live } => {
                self.with(key, |shared, reel| reel.segment_end(shared, &rendition, msn, Some(duration_us), &live));
            }
            Command::Close { key, end } => self.with(key, |shared, reel| reel.close(shared, end)),
            Command::Stored { stream_id, rendition, item } => {
                if let Some(reel) = self.reels.get_mut(&stream_id) {
                    reel.stored(&self.shared, &rendition, item);
                }
            }
            Command::StopRecording { stream_id } => {
                if let Some(reel) = self.reels.get_mut(&stream_id) {
                    reel.stop(&self.shared);
                }
            }
            Command::Forget { stream_id } => self.forget(stream_id),
            Command::Stop => {}
        }
    }

    /// Runs `work` on the recording unless the key is stale; a failing disk is noted.
    fn with(&mut self, key: Key, work: impl FnOnce(&Shared, &mut Reel) -> io::Result<()>) {
        let Some(reel) = self.reels.get_mut(&key.stream_id).filter(|reel| reel.generation == key.generation) else {
            return;
        };
        if let Err(error) = work(&self.shared, reel) {
            if self.disk_fault_at.is_none_or(|at| at.elapsed() > DISK_FAULT_HOLD) {
                tracing::error!(stream.id = %key.stream_id, %error, "the recording's disk fails; live goes on without it");
            }
            self.disk_fault_at = Some(Instant::now());
            self.shared.gauge.note_disk_fault(DISK_FAULT_HOLD);
        }
    }

    fn open(&mut self, info: RecordingInfo, floor: Floor) -> Opened {
        let generation = self.new_generation();
        let is_known = self.reels.contains_key(&info.stream_id);
        if !is_known {
            let layout = Layout::new(&self.shared.spool_dir, info.stream_id);
            let reel = Reel::start(layout, Book::new(info.clone()), generation, self.shared.roll_bytes)
                .map_err(RecordError::Disk)?;
            self.reels.insert(info.stream_id, reel);
        }
        let Some(reel) = self.reels.get_mut(&info.stream_id) else { return Err(RecordError::NotReady) };
        if reel.book.is_ended {
            return Err(RecordError::Ended);
        }
        reel.seal(&self.shared);
        reel.generation = generation;
        let is_elsewhere = floor.next_msn > reel.book.next_msn || !is_known && floor.may_be_elsewhere;
        let (msn_gap, init_gap) = if is_elsewhere { (ELSEWHERE_GAP, ELSEWHERE_INIT_GAP) } else { (0, 0) };
        let raised = Line::Floor {
            msn: floor.next_msn.max(reel.book.next_msn) + msn_gap,
            init: floor.next_init.max(reel.book.next_init) + init_gap,
            discontinuities: if is_known { 0 } else { floor.discontinuities },
        };
        reel.log(&raised).map_err(RecordError::Disk)?;
        self.shared.backlog.open(&reel.book.info, generation, Phase::Open);
        if floor.is_without_room {
            reel.stop(&self.shared);
        }
        let resume = Resume {
            next_msn: reel.book.next_msn,
            next_init: reel.book.next_init,
            discontinuity_sequence: reel.book.discontinuities().max(floor.discontinuities),
            is_resumed: is_known || is_elsewhere,
        };
        Ok((generation, resume))
    }

    fn close_stale(&mut self, generation: u64) {
        let stale = self.reels.iter().find(|(_, reel)| reel.generation == generation).map(|(id, _)| *id);
        if let Some(stream_id) = stale {
            self.with(Key { stream_id, generation }, |shared, reel| reel.close(shared, RecordingEnd::Interrupted));
        }
    }

    fn forget(&mut self, stream_id: StreamId) {
        let Some(reel) = self.reels.remove(&stream_id) else { return };
        points::FORGET_BEFORE.pass();
        self.shared.gauge.release(reel.bytes());
        if let Err(error) = fs::remove_dir_all(&reel.layout.folder) {
            tracing::warn!(stream.id = %stream_id, %error, "a finished recording's spool folder stays behind");
        }
        points::FORGET_AFTER.pass();
    }
}
