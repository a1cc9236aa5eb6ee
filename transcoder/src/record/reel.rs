//! One recording on disk: its journal, what the journal adds up to, and the segments being written.
//!
//! A failing disk costs segments of the recording: what cannot be written is dropped and counted.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::backlog::{Item, Phase};
use super::book::{Book, Shelf};
use super::handle::{RecordingEnd, RenditionInfo, Shared};
use super::journal::{Head, Line, Spot, encode};
use super::points;
use super::rolls::Rolls;
use super::spool::Layout;
use super::writer::StoredItem;
use crate::origin::shelf::Segment;
use crate::place::OnDisk;

/// Lines that a failing disk did not take, kept for the next line.
const OWED_BYTES_MAX: usize = 64 * 1024;
/// A journal that grew to this is rewritten with what still matters.
const JOURNAL_COMPACT_BYTES: u64 = 2 * 1024 * 1024;

/// One part on its way to disk.
pub(super) struct Part<'a> {
    pub(super) rendition: &'a str,
    pub(super) msn: u64,
    pub(super) bytes: &'a [u8],
    pub(super) duration_us: u64,
    pub(super) head: Head,
}

pub(super) struct Reel {
    pub(super) layout: Layout,
    pub(super) book: Book,
    journal: File,
    journal_len: u64,
    compact_at: u64,
    /// The last line may be torn: the next one begins on a fresh line.
    is_journal_torn: bool,
    /// What the disk did not take when it should have.
    owed: String,
    pub(super) generation: u64,
    rolls: Rolls,
    /// The segments being written.
    open: HashMap<String, OpenSegment>,
    /// Segments from this number on are left out: the channel's room is full.
    stop_at: Option<u64>,
    /// The segment of a rendition that was given up; its further parts are passed over.
    given_up: HashMap<String, u64>,
    /// Segments the live shelf is told of when the bucket has them.
    live: HashMap<(String, u64), Weak<Segment>>,
}

struct OpenSegment {
    msn: u64,
    spot: Spot,
    len: u64,
}

impl Reel {
    /// Begins a journal with what the book says.
    pub(super) fn start(layout: Layout, book: Book, generation: u64, roll_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(&layout.folder)?;
        let (journal, journal_len, is_journal_torn) = match write_journal(&layout, &book) {
            Ok((journal, len)) => (journal, len, false),
            // A full disk takes no new journal, and its recordings must be brought away all the same. The old one says
            // what the book says, once a reader has settled it with the files as this one did.
            Err(error) => {
                let old = OpenOptions::new().append(true).open(layout.journal()).map_err(|_| error)?;
                let len = old.metadata()?.len();
                (old, len, true)
            }
        };
        let next_roll = book.renditions.values().flat_map(Shelf::rolls).max().map_or(0, |last| last + 1);
        Ok(Self {
            layout,
            book,
            journal,
            journal_len,
            compact_at: JOURNAL_COMPACT_BYTES.max(journal_len * 2),
            is_journal_torn,
            owed: String::new(),
            generation,
            rolls: Rolls::starting_at(next_roll, roll_bytes),
            open: HashMap::new(),
            stop_at: None,
            given_up: HashMap::new(),
            live: HashMap::new(),
        })
    }

    /// Records no further than the segments that have begun, the same ones in all renditions, and their pictures.
    pub(super) fn stop(&mut self, shared: &Shared) {
        let stop_at = *self.stop_at.get_or_insert(self.book.next_msn);
        shared.backlog.stop(self.book.info.stream_id, stop_at);
    }

    /// Bytes of media that lie here and are not stored.
    pub(super) fn bytes(&self) -> u64 {
        let waiting = self.book.renditions.values().flat_map(|shelf| shelf.closed.values()).map(|one| one.bytes);
        waiting.chain(self.open.values().map(|open| open.len)).sum()
    }

    /// Brings the journal through to the disk, as well as that goes.
    pub(super) fn sync(&self) {
        let _synced = self.journal.sync_data();
    }

    /// Queues everything that waits on disk for the bucket.
    pub(super) fn requeue(&mut self, shared: &Shared) {
        let stream_id = self.book.info.stream_id;
        for (name, shelf) in &self.book.renditions {
            if let Some(info) = &shelf.info {
                shared.backlog.push(stream_id, name, Item::Rendition(info.clone()));
            }
            for no in &shelf.inits {
                shared.backlog.push(stream_id, name, Item::Init { no: *no, path: self.layout.init(name, *no) });
            }
            for msn in shelf.closed.keys() {
                if let Some(item) = self.segment_item(name, *msn, &Weak::new()) {
                    shared.backlog.push(stream_id, name, item);
                }
            }
        }
    }

    fn segment_item(&self, rendition: &str, msn: u64, live: &Weak<Segment>) -> Option<Item> {
        let closed = self.book.renditions.get(rendition)?.closed.get(&msn)?;
        Some(Item::Segment {
            msn,
            path: self.layout.roll(rendition, closed.head.spot.roll),
            bytes: closed.bytes,
            head: closed.head.clone(),
            duration_us: closed.duration_us,
            live: Weak::clone(live),
        })
    }

    /// Writes a line down and counts it. After a failure the journal ends where it ended before.
    pub(super) fn log(&mut self, line: &Line) -> io::Result<()> {
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

    pub(super) fn rendition(&mut self, shared: &Shared, info: RenditionInfo) -> io::Result<()> {
        fs::create_dir_all(self.layout.rendition(&info.name))?;
        self.log(&Line::Rendition { info: info.clone() })?;
        points::RENDITION_LOGGED.pass();
        let name = info.name.clone();
        shared.backlog.push(self.book.info.stream_id, &name, Item::Rendition(info));
        Ok(())
    }

    pub(super) fn init(&mut self, shared: &Shared, rendition: &str, no: u32, bytes: &[u8]) -> io::Result<()> {
        let path = self.layout.init(rendition, no);
        fs::create_dir_all(self.layout.rendition(rendition))?;
        let draft = path.with_extension("new");
        fs::write(&draft, bytes)?;
        fs::rename(&draft, &path)?;
        points::INIT_WRITTEN.pass();
        self.log(&Line::Init { r: rendition.to_owned(), no })?;
        points::INIT_LOGGED.pass();
        shared.backlog.push(self.book.info.stream_id, rendition, Item::Init { no, path });
        Ok(())
    }

    pub(super) fn part(&mut self, shared: &Shared, part: Part<'_>) -> io::Result<()> {
        let Part { rendition, msn, .. } = part;
        if self.stop_at.is_some_and(|stop_at| msn >= stop_at) {
            return Ok(());
        }
        if self.given_up.get(rendition) == Some(&msn) {
            return Ok(());
        }
        if let Some(before) = self.open.get(rendition).map(|open| open.msn).filter(|before| *before != msn) {
            // It was never ended: its rest was lost on the way here, and a hole would shift everything after it.
            self.give_up(shared, rendition, before, "queue");
        }
        let waiting = shared.gauge.spool_bytes.load(Ordering::Relaxed);
        if waiting.saturating_add(u64::try_from(part.bytes.len()).unwrap_or(0)) > shared.spool_bytes_max {
            self.give_up(shared, rendition, msn, "spool-full");
            return Ok(());
        }
        let appended = self.append(shared, part);
        if appended.is_err() {
            self.give_up(shared, rendition, msn, "disk");
        }
        appended
    }

    fn append(&mut self, shared: &Shared, part: Part<'_>) -> io::Result<()> {
        let Part { rendition, msn, bytes, duration_us, head } = part;
        let is_first = !self.open.contains_key(rendition);
        if is_first {
            let begun = self.rolls.begin(&self.layout, rendition)?;
            if let Some(full) = begun.full {
                self.remove_if_stored(rendition, full);
            }
            self.open.insert(rendition.to_owned(), OpenSegment { msn, spot: begun.spot, len: 0 });
        }
        let Some(open) = self.open.get_mut(rendition) else { return Ok(()) };
        self.rolls.append(rendition, bytes)?;
        points::PART_APPENDED.pass();
        let len = u64::try_from(bytes.len()).unwrap_or(0);
        open.len += len;
        let head = is_first.then_some(Head { spot: open.spot, ..head });
        shared.gauge.spool_bytes.fetch_add(len, Ordering::Relaxed);
        self.log(&Line::Part { r: rendition.to_owned(), msn, len, us: duration_us, head })?;
        points::PART_LOGGED.pass();
        Ok(())
    }

    /// Removes a file nothing of which waits any more.
    fn remove_if_stored(&self, rendition: &str, no: u32) {
        if self.rolls.is_current(rendition, no)
            || self.book.renditions.get(rendition).is_some_and(|shelf| shelf.waits_in(no))
        {
            return;
        }
        remove(&self.layout.roll(rendition, no));
        points::ROLL_REMOVED.pass();
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
            self.rolls.cut(rendition, open.spot.at);
            // Recovery drops what is not in the file, so this need not succeed.
            let _logged = self.log_surely(&Line::Dropped { r: rendition.to_owned(), msn });
        }
    }

    /// Completes a segment. Without a duration its parts' sum is taken.
    pub(super) fn segment_end(
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
        if let (Some(open), Some(file), Some(live)) =
            (self.open.remove(rendition), self.rolls.file(rendition), live.upgrade())
        {
            self.live.insert((rendition.to_owned(), msn), Arc::downgrade(&live));
            live.lies_at(OnDisk::new(file, open.spot.at, open.len));
        }
        let logged = self.log_surely(&Line::Closed { r: rendition.to_owned(), msn, us });
        points::SEGMENT_CLOSED.pass();
        if let Some(item) = self.segment_item(rendition, msn, live) {
            shared.backlog.push(self.book.info.stream_id, rendition, item);
        }
        logged
    }

    /// Closes every open segment with the parts it has.
    pub(super) fn seal(&mut self, shared: &Shared) {
        let open: Vec<(String, u64)> = self.open.iter().map(|(name, open)| (name.clone(), open.msn)).collect();
        for (rendition, msn) in open {
            if self.segment_end(shared, &rendition, msn, None, &Weak::new()).is_err() {
                self.give_up(shared, &rendition, msn, "disk");
            }
        }
    }

    pub(super) fn close(&mut self, shared: &Shared, end: RecordingEnd) -> io::Result<()> {
        self.seal(shared);
        let stream_id = self.book.info.stream_id;
        match end {
            RecordingEnd::Interrupted => {
                shared.backlog.set_phase(stream_id, Phase::Interrupted);
                Ok(())
            }
            RecordingEnd::Ended => {
                let logged = self.log(&Line::Ended);
                points::ENDED_LOGGED.pass();
                self.book.is_ended = true;
                shared.backlog.set_phase(stream_id, Phase::Ended);
                logged
            }
        }
    }

    /// Object and row are there: what lies here may go. A missing line is made up for by the next upload, which changes nothing.
    pub(super) fn stored(&mut self, shared: &Shared, rendition: &str, item: StoredItem) {
        let r = rendition.to_owned();
        match item {
            StoredItem::Init(no) => {
                remove(&self.layout.init(rendition, no));
                points::INIT_REMOVED.pass();
                let _logged = self.log_surely(&Line::InitStored { r, no });
            }
            StoredItem::Segment(msn) => {
                let shelf = self.book.renditions.get(rendition);
                let waited = shelf.and_then(|shelf| shelf.closed.get(&msn)).map(|one| (one.bytes, one.head.spot.roll));
                let _logged = self.log_surely(&Line::Stored { r: r.clone(), msn });
                points::STORED_LOGGED.pass();
                if let Some(live) = self.live.remove(&(r, msn)).and_then(|live| live.upgrade()) {
                    live.set_stored();
                }
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
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    if book.waits() {
        // A power cut must not leave an empty file in the place of one that speaks of media.
        file.sync_data()?;
    }
    points::JOURNAL_DRAFTED.pass();
    fs::rename(&draft, layout.journal())?;
    points::JOURNAL_REPLACED.pass();
    let journal = OpenOptions::new().append(true).open(layout.journal())?;
    Ok((journal, u64::try_from(text.len()).unwrap_or(0)))
}
