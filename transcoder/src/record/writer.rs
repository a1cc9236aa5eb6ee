//! The one thread that touches the spool: it appends parts and writes the journal line after each, and deletes what is stored.
//!
//! Segments lie one after another in files of some size: a file of its own for each would cost more than what is in it.
//! A failing disk costs segments of the recording, never the thread: what cannot be written is dropped and counted.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{StreamId, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::backlog::{Item, Phase};
use super::book::{Book, Shelf};
use super::handle::{RecordError, RecordedPart, RecordingEnd, RecordingInfo, RenditionInfo, Resume, Shared};
use super::journal::{Head, Line, Spot, encode};
use super::spool::{self, Layout};
use crate::origin::shelf::Segment;
use crate::place::OnDisk;

/// A file that grew to this is followed by another. Its space is given back when all of it is stored.
const ROLL_BYTES: u64 = 16 * 1024 * 1024;
/// Lines that a failing disk did not take, kept for the next line.
const OWED_BYTES_MAX: usize = 64 * 1024;
/// A journal that grew to this is rewritten with what still matters.
const JOURNAL_COMPACT_BYTES: u64 = 2 * 1024 * 1024;
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
    pub(super) fn part(key: Key, part: RecordedPart<'_>) -> Self {
        let at: Timestamp = part.program_at;
        let spot = Spot::default();
        let head = Head { at, init: part.init_no, disc: part.is_discontinuity, key: part.is_independent, spot };
        let RecordedPart { rendition, msn, bytes, duration_us, .. } = part;
        Self::Part { key, rendition: rendition.to_owned(), msn, bytes, duration_us, head }
    }
}

/// One recording on disk.
struct Reel {
    layout: Layout,
    book: Book,
    journal: File,
    journal_len: u64,
    compact_at: u64,
    /// The last line may be torn: the next one begins on a fresh line.
    is_journal_torn: bool,
    /// What the disk did not take when it should have.
    owed: String,
    generation: u64,
    /// The file each rendition is appended to, and the number of the next one.
    rolls: HashMap<String, Roll>,
    next_roll: u32,
    /// The segments being written.
    open: HashMap<String, OpenSegment>,
    /// The segment of a rendition that was given up; its further parts are passed over.
    given_up: HashMap<String, u64>,
}

struct Roll {
    no: u32,
    file: Arc<File>,
    len: u64,
}

struct OpenSegment {
    msn: u64,
    at: u64,
    len: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    reels: BTreeMap<StreamId, Reel>,
    next_generation: u64,
    disk_fault_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, reels: BTreeMap::new(), next_generation: 1, disk_fault_at: None }
    }

    /// Reads what an earlier run left, then writes until told to stop.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) -> io::Result<()> {
        for stream_id in spool::scan(&self.shared.spool_dir)? {
            if let Err(error) = self.recover(stream_id) {
                // Left as it is: a person, or the next start, may have more luck.
                tracing::error!(stream.id = %stream_id, %error, "a spooled recording cannot be read");
            }
        }
        self.shared.ready.send_replace(true);
        while let Some(command) = queue.blocking_recv() {
            if matches!(command, Command::Stop) || self.shared.is_halted.load(Ordering::SeqCst) {
                break;
            }
            self.perform(command);
        }
        for reel in self.reels.values() {
            // Best effort at a quiet moment: a clean stop survives a power cut too.
            let _synced = reel.journal.sync_data();
        }
        Ok(())
    }

    fn recover(&mut self, stream_id: StreamId) -> io::Result<()> {
        let layout = Layout::new(&self.shared.spool_dir, stream_id);
        let Some(book) = spool::recover(&layout)? else {
            tracing::warn!(stream.id = %stream_id, "a spool folder without a usable journal is removed");
            return fs::remove_dir_all(&layout.folder);
        };
        let bytes = book.renditions.values().flat_map(|shelf| shelf.closed.values()).map(|closed| closed.bytes).sum();
        self.shared.gauge.spool_bytes.fetch_add(bytes, Ordering::Relaxed);
        tracing::info!(stream.id = %stream_id, bytes, is_ended = book.is_ended, "a spooled recording is taken up again");
        let generation = self.new_generation();
        let phase = if book.is_ended { Phase::Ended } else { Phase::Interrupted };
        self.shared.backlog.open(&book.info, generation, phase);
        let mut reel = Reel::start(layout, book, generation)?;
        reel.requeue(&self.shared);
        self.reels.insert(stream_id, reel);
        Ok(())
    }

    fn new_generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation
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
            Command::Part { key, rendition, msn, bytes, duration_us, head } => {
                let len = u64::try_from(bytes.len()).unwrap_or(0);
                self.shared.gauge.queued_bytes.fetch_sub(len, Ordering::Relaxed);
                self.with(key, |shared, reel| reel.part(shared, &rendition, msn, &bytes, duration_us, head));
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
            let reel = Reel::start(layout, Book::new(info.clone()), generation).map_err(RecordError::Disk)?;
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
        let waiting = reel.book.renditions.values().flat_map(|shelf| shelf.closed.values()).map(|one| one.bytes);
        let open = reel.open.values().map(|open| open.len);
        self.shared.gauge.release(waiting.chain(open).sum());
        if let Err(error) = fs::remove_dir_all(&reel.layout.folder) {
            tracing::warn!(stream.id = %stream_id, %error, "a finished recording's spool folder stays behind");
        }
    }
}

impl Reel {
    /// Begins a journal with what the book says.
    fn start(layout: Layout, book: Book, generation: u64) -> io::Result<Self> {
        fs::create_dir_all(&layout.folder)?;
        let (journal, journal_len) = write_journal(&layout, &book)?;
        let next_roll = book.renditions.values().flat_map(Shelf::rolls).max().map_or(0, |last| last + 1);
        Ok(Self {
            layout,
            book,
            journal,
            journal_len,
            compact_at: JOURNAL_COMPACT_BYTES.max(journal_len * 2),
            is_journal_torn: false,
            owed: String::new(),
            generation,
            rolls: HashMap::new(),
            next_roll,
            open: HashMap::new(),
            given_up: HashMap::new(),
        })
    }

    /// Queues everything that waits on disk for the bucket.
    fn requeue(&mut self, shared: &Shared) {
        let stream_id = self.book.info.stream_id;
        for (name, shelf) in &self.book.renditions {
            if let Some(info) = &shelf.info {
                shared.backlog.push(stream_id, name, Item::Rendition(info.clone()));
            }
            for no in &shelf.inits {
                shared.backlog.push(stream_id, name, Item::Init { no: *no, path: self.layout.init(name, *no) });
            }
            for msn in shelf.closed.keys() {
                if let Some(item) = self.segment_item(name, *msn) {
                    shared.backlog.push(stream_id, name, item);
                }
            }
        }
    }

    fn segment_item(&self, rendition: &str, msn: u64) -> Option<Item> {
        let closed = self.book.renditions.get(rendition)?.closed.get(&msn)?;
        Some(Item::Segment {
            msn,
            path: self.layout.roll(rendition, closed.head.spot.roll),
            bytes: closed.bytes,
            head: closed.head.clone(),
            duration_us: closed.duration_us,
        })
    }

    /// Writes a line down and counts it. After a failure the journal ends where it ended before.
    fn log(&mut self, line: &Line) -> io::Result<()> {
        let mut text = String::new();
        if self.is_journal_torn {
            text.push('\n');
        }
        text.push_str(&self.owed);
        text.push_str(&encode(line));
        match self.journal.write_all(text.as_bytes()) {
            Ok(()) => {
                self.is_journal_torn = false;
                self.owed.clear();
                self.journal_len += u64::try_from(text.len()).unwrap_or(0);
                self.book.apply(line);
            }
            Err(error) => {
                self.is_journal_torn = self.journal.set_len(self.journal_len).is_err();
                return Err(error);
            }
        }
        if self.journal_len > self.compact_at
            && let Ok((journal, len)) = write_journal(&self.layout, &self.book)
        {
            (self.journal, self.journal_len) = (journal, len);
            // Much waiting makes a long journal; it is not rewritten at every line.
            self.compact_at = JOURNAL_COMPACT_BYTES.max(len * 2);
        }
        Ok(())
    }

    /// Counts a line whether or not the disk takes it; if not, it is written before the next one.
    fn log_surely(&mut self, line: &Line) -> io::Result<()> {
        let logged = self.log(line);
        if logged.is_err() {
            self.book.apply(line);
            let text = encode(line);
            if self.owed.len() + text.len() <= OWED_BYTES_MAX {
                self.owed.push_str(&text);
            }
        }
        logged
    }

    fn rendition(&mut self, shared: &Shared, info: RenditionInfo) -> io::Result<()> {
        fs::create_dir_all(self.layout.rendition(&info.name))?;
        self.log(&Line::Rendition { info: info.clone() })?;
        let name = info.name.clone();
        shared.backlog.push(self.book.info.stream_id, &name, Item::Rendition(info));
        Ok(())
    }

    fn init(&mut self, shared: &Shared, rendition: &str, no: u32, bytes: &[u8]) -> io::Result<()> {
        let path = self.layout.init(rendition, no);
        fs::create_dir_all(self.layout.rendition(rendition))?;
        let draft = path.with_extension("new");
        fs::write(&draft, bytes)?;
        fs::rename(&draft, &path)?;
        self.log(&Line::Init { r: rendition.to_owned(), no })?;
        shared.backlog.push(self.book.info.stream_id, rendition, Item::Init { no, path });
        Ok(())
    }

    fn part(
        &mut self,
        shared: &Shared,
        rendition: &str,
        msn: u64,
        bytes: &[u8],
        duration_us: u64,
        head: Head,
    ) -> io::Result<()> {
        if self.given_up.get(rendition) == Some(&msn) {
            return Ok(());
        }
        if let Some(before) = self.open.get(rendition).map(|open| open.msn).filter(|before| *before != msn) {
            // It was never ended: its rest was lost on the way here, and a hole would shift everything after it.
            self.give_up(shared, rendition, before, "queue");
        }
        let waiting = shared.gauge.spool_bytes.load(Ordering::Relaxed);
        if waiting.saturating_add(u64::try_from(bytes.len()).unwrap_or(0)) > shared.spool_bytes_max {
            self.give_up(shared, rendition, msn, "spool-full");
            return Ok(());
        }
        let appended = self.append(shared, rendition, msn, bytes, duration_us, head);
        if appended.is_err() {
            self.give_up(shared, rendition, msn, "disk");
        }
        appended
    }

    fn append(
        &mut self,
        shared: &Shared,
        rendition: &str,
        msn: u64,
        bytes: &[u8],
        duration_us: u64,
        head: Head,
    ) -> io::Result<()> {
        let is_first = !self.open.contains_key(rendition);
        if is_first {
            let at = self.roll_for(rendition)?;
            self.open.insert(rendition.to_owned(), OpenSegment { msn, at, len: 0 });
        }
        let (Some(open), Some(roll)) = (self.open.get_mut(rendition), self.rolls.get_mut(rendition)) else {
            return Ok(());
        };
        roll.file.write_all_at(bytes, roll.len)?;
        let len = u64::try_from(bytes.len()).unwrap_or(0);
        roll.len += len;
        open.len += len;
        shared.gauge.spool_bytes.fetch_add(len, Ordering::Relaxed);
        let spot = Spot { roll: roll.no, at: open.at };
        let head = is_first.then_some(Head { spot, ..head });
        self.log(&Line::Part { r: rendition.to_owned(), msn, len, us: duration_us, head })
    }

    /// Makes sure there is a file for a new segment of the rendition, and says where in it the segment begins.
    fn roll_for(&mut self, rendition: &str) -> io::Result<u64> {
        if let Some(roll) = self.rolls.get(rendition).filter(|roll| roll.len < ROLL_BYTES) {
            return Ok(roll.len);
        }
        let (no, path) = (self.next_roll, self.layout.roll(rendition, self.next_roll));
        let create = || OpenOptions::new().create(true).read(true).write(true).truncate(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.layout.rendition(rendition))?;
                create()?
            }
            created => created?,
        };
        self.next_roll += 1;
        let full = self.rolls.insert(rendition.to_owned(), Roll { no, file: Arc::new(file), len: 0 });
        if let Some(full) = full {
            self.remove_if_stored(rendition, full.no);
        }
        Ok(0)
    }

    /// Removes a file nothing of which waits any more.
    fn remove_if_stored(&self, rendition: &str, no: u32) {
        let is_current = self.rolls.get(rendition).is_some_and(|roll| roll.no == no);
        if is_current || self.book.renditions.get(rendition).is_some_and(|shelf| shelf.waits_in(no)) {
            return;
        }
        remove(&self.layout.roll(rendition, no));
    }

    /// Leaves a segment out of the recording.
    fn give_up(&mut self, shared: &Shared, rendition: &str, msn: u64, reason: &'static str) {
        metrics::counter!("rillcast_recording_segments_lost_total", "reason" => reason).increment(1);
        tracing::warn!(stream.id = %self.book.info.stream_id, rendition, msn, reason,
            "a segment is left out of the recording");
        self.given_up.insert(rendition.to_owned(), msn);
        if self.open.get(rendition).is_some_and(|open| open.msn == msn)
            && let Some(open) = self.open.remove(rendition)
        {
            shared.gauge.release(open.len);
            if let Some(roll) = self.rolls.get_mut(rendition) {
                roll.len = open.at;
                // A full disk wants its space back; otherwise the next segment is written over it.
                let _shortened = roll.file.set_len(open.at);
            }
            // Recovery drops what is not in the file, so this need not succeed.
            let _logged = self.log_surely(&Line::Dropped { r: rendition.to_owned(), msn });
        }
    }

    /// Completes a segment. Without a duration its parts' sum is taken.
    fn segment_end(
        &mut self,
        shared: &Shared,
        rendition: &str,
        msn: u64,
        duration_us: Option<u64>,
        live: &Weak<Segment>,
    ) -> io::Result<()> {
        if self.open.get(rendition).is_none_or(|open| open.msn != msn) {
            return Ok(());
        }
        let known = self.book.renditions.get(rendition).and_then(|shelf| shelf.open.as_ref());
        let sum = known.map_or(0, super::book::OpenSegment::duration_us);
        let us = duration_us.filter(|us| *us > 0).unwrap_or(sum);
        if us == 0 {
            self.give_up(shared, rendition, msn, "empty");
            return Ok(());
        }
        if let (Some(open), Some(roll), Some(live)) =
            (self.open.remove(rendition), self.rolls.get(rendition), live.upgrade())
        {
            live.lies_at(OnDisk::new(Arc::clone(&roll.file), open.at, open.len));
        }
        let logged = self.log_surely(&Line::Closed { r: rendition.to_owned(), msn, us });
        if let Some(item) = self.segment_item(rendition, msn) {
            shared.backlog.push(self.book.info.stream_id, rendition, item);
        }
        logged
    }

    /// Closes every open segment with the parts it has.
    fn seal(&mut self, shared: &Shared) {
        let open: Vec<(String, u64)> = self.open.iter().map(|(name, open)| (name.clone(), open.msn)).collect();
        for (rendition, msn) in open {
            if self.segment_end(shared, &rendition, msn, None, &Weak::new()).is_err() {
                self.give_up(shared, &rendition, msn, "disk");
            }
        }
    }

    fn close(&mut self, shared: &Shared, end: RecordingEnd) -> io::Result<()> {
        self.seal(shared);
        let stream_id = self.book.info.stream_id;
        match end {
            RecordingEnd::Interrupted => {
                shared.backlog.set_phase(stream_id, Phase::Interrupted);
                Ok(())
            }
            RecordingEnd::Ended => {
                let logged = self.log(&Line::Ended);
                self.book.is_ended = true;
                shared.backlog.set_phase(stream_id, Phase::Ended);
                logged
            }
        }
    }

    /// Object and row are there: what lies here may go. A missing line is made up for by the next upload, which changes nothing.
    fn stored(&mut self, shared: &Shared, rendition: &str, item: StoredItem) {
        let r = rendition.to_owned();
        match item {
            StoredItem::Init(no) => {
                remove(&self.layout.init(rendition, no));
                let _logged = self.log_surely(&Line::InitStored { r, no });
            }
            StoredItem::Segment(msn) => {
                let shelf = self.book.renditions.get(rendition);
                let waited = shelf.and_then(|shelf| shelf.closed.get(&msn)).map(|one| (one.bytes, one.head.spot.roll));
                let _logged = self.log_surely(&Line::Stored { r, msn });
                if let Some((bytes, roll)) = waited {
                    shared.gauge.release(bytes);
                    self.remove_if_stored(rendition, roll);
                }
            }
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a stored file stays behind");
    }
}

/// Writes the book as a fresh journal in the old one's place.
fn write_journal(layout: &Layout, book: &Book) -> io::Result<(File, u64)> {
    let text: String = book.compact().iter().map(encode).collect();
    let draft = layout.folder.join("journal.new");
    fs::write(&draft, &text)?;
    fs::rename(&draft, layout.journal())?;
    let journal = OpenOptions::new().append(true).open(layout.journal())?;
    Ok((journal, u64::try_from(text.len()).unwrap_or(0)))
}
