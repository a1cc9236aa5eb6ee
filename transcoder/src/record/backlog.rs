//! What waits for the bucket: one lane per rendition, in order, and where each recording stands.
//!
//! Shared between the writer, which adds, the uploaders, which take, and the committer, which settles. Holds names, not
//! media, so its size follows the spool's.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use domain::StreamId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Sheet;
use super::handle::{RecordingInfo, RenditionInfo, lock};
use super::journal::Head;
use crate::origin::shelf::Segment;

/// A recording's picture is written at most this often.
const THUMBNAIL_EVERY: Duration = Duration::from_secs(10);
/// Larger pictures are not ours.
const THUMBNAIL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Sheets of one recording that wait in memory for the bucket: of most of an hour.
const SHEETS_MAX: usize = 16;
/// Larger sheets are not ours.
const SHEET_BYTES_MAX: usize = 4 * 1024 * 1024;
/// From a sheet that could not be stored to the next try.
const SHEET_RETRY: Duration = Duration::from_secs(2);
/// Tries in a row, after which a recording that is complete but for its pictures goes without them.
const SHEET_TRIES_MAX: u32 = 5;

/// Numbers everybody reads and nobody waits for.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// Bytes on disk the bucket has not confirmed.
    pub(super) spool_bytes: AtomicU64,
    /// Bytes in the writer's queue.
    pub(super) queued_bytes: AtomicU64,
    /// The spool's disk is nearly full, or failed a moment ago.
    pub(super) is_disk_tight: AtomicBool,
    disk_fault_until: Mutex<Option<std::time::Instant>>,
}

impl Gauge {
    pub(super) fn release(&self, bytes: u64) {
        let lower = |have: u64| Some(have.saturating_sub(bytes));
        let _previous = self.spool_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lower);
    }

    pub(super) fn note_disk_fault(&self, hold: Duration) {
        *lock(&self.disk_fault_until) = Some(std::time::Instant::now() + hold);
        self.is_disk_tight.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_disk_fault(&self) -> bool {
        lock(&self.disk_fault_until).is_some_and(|until| std::time::Instant::now() < until)
    }
}

/// Where a recording stands on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A handle is held.
    Open,
    /// No handle; the stream's row decides whether it goes on.
    Interrupted,
    /// Only what waits is left; then it becomes ready.
    Ended,
    /// Nobody wants it any more.
    Discarded,
}

/// One thing to be brought to the bucket or the database.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Rendition(RenditionInfo),
    Init {
        no: u32,
        path: PathBuf,
    },
    /// While the live window has it in memory, it need not be read from disk.
    Segment {
        msn: u64,
        path: PathBuf,
        bytes: u64,
        head: Head,
        duration_us: u64,
        live: Weak<Segment>,
    },
}

/// What an uploader is to do next.
pub(super) enum Job {
    Item { info: RecordingInfo, rendition: String, item: Item },
    Thumbnail { info: RecordingInfo, jpeg: Bytes },
    Sheet { info: RecordingInfo, sheet: Sheet, jpeg: Bytes },
}

#[derive(Default)]
pub(super) struct Backlog {
    recordings: Mutex<BTreeMap<StreamId, Entry>>,
    /// There may be something to take.
    pub(super) work: Notify,
    /// There may be something to settle.
    pub(super) settle: Notify,
}

struct Entry {
    info: RecordingInfo,
    generation: u64,
    phase: Phase,
    lanes: BTreeMap<String, Lane>,
    /// Taken by the committer but not in the database yet.
    uncommitted: usize,
    thumbnail: Option<Bytes>,
    thumbnail_at: Option<Instant>,
    is_thumbnail_busy: bool,
    sheets: VecDeque<(Sheet, Bytes)>,
    /// The first sheet is with an uploader.
    is_sheet_busy: bool,
    sheet_failures: u32,
    sheet_retry_at: Option<Instant>,
    /// Segments from this number on are left out, and sheets that begin with one.
    stop_at: Option<u64>,
    /// Since when checks find no row of the stream.
    missing_since: Option<Instant>,
}

#[derive(Default)]
struct Lane {
    items: VecDeque<Item>,
    /// Its first item is with an uploader.
    is_busy: bool,
}

impl Entry {
    fn is_thumbnail_due(&self) -> bool {
        let due = self.thumbnail_at.is_none_or(|at| at.elapsed() >= THUMBNAIL_EVERY);
        self.thumbnail.is_some() && !self.is_thumbnail_busy && due && self.phase != Phase::Discarded
    }

    fn is_drained(&self) -> bool {
        let is_quiet = self.uncommitted == 0 && !self.is_thumbnail_busy && !self.is_sheet_busy;
        // The first picture is worth a try; a newer one than the stored is not worth a wait.
        let is_pictured = self.thumbnail.is_none() || self.thumbnail_at.is_some();
        is_quiet && is_pictured && self.sheets.is_empty() && self.has_empty_lanes()
    }

    fn has_empty_lanes(&self) -> bool {
        self.lanes.values().all(|lane| lane.items.is_empty() && !lane.is_busy)
    }

    fn next_sheet(&mut self) -> Option<(Sheet, Bytes)> {
        let is_due = self.sheet_retry_at.is_none_or(|at| Instant::now() >= at);
        let next = self.sheets.front().filter(|_| is_due && !self.is_sheet_busy).cloned()?;
        self.is_sheet_busy = true;
        Some(next)
    }
}

impl Backlog {
    /// Notes a recording, or a new handle on it.
    pub(super) fn open(&self, info: &RecordingInfo, generation: u64, phase: Phase) {
        let mut recordings = lock(&self.recordings);
        let entry = recordings.entry(info.stream_id).or_insert_with(|| Entry {
            info: info.clone(),
            generation,
            phase,
            lanes: BTreeMap::new(),
            uncommitted: 0,
            thumbnail: None,
            thumbnail_at: None,
            is_thumbnail_busy: false,
            sheets: VecDeque::new(),
            is_sheet_busy: false,
            sheet_failures: 0,
            sheet_retry_at: None,
            stop_at: None,
            missing_since: None,
        });
        (entry.generation, entry.phase, entry.missing_since) = (generation, phase, None);
        drop(recordings);
        self.settle.notify_one();
    }

    pub(super) fn set_phase(&self, stream_id: StreamId, phase: Phase) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.phase = phase;
            if phase == Phase::Discarded {
                entry.thumbnail = None;
                entry.sheets.clear();
                // A lane whose item is out keeps that one until the uploader brings it back.
                entry.lanes.values_mut().for_each(|lane| lane.items.truncate(usize::from(lane.is_busy)));
            }
        }
        self.settle.notify_one();
        self.work.notify_one();
    }

    /// The channel's room is full: nothing from this segment on is recorded.
    pub(super) fn stop(&self, stream_id: StreamId, at: u64) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.stop_at = Some(at);
        }
    }

    pub(super) fn push(&self, stream_id: StreamId, rendition: &str, item: Item) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id)
            && entry.phase != Phase::Discarded
        {
            entry.lanes.entry(rendition.to_owned()).or_default().items.push_back(item);
        }
        self.work.notify_one();
    }

    pub(super) fn thumbnail(&self, stream_id: StreamId, jpeg: Bytes) {
        if jpeg.len() > THUMBNAIL_BYTES_MAX {
            return;
        }
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.thumbnail = Some(jpeg);
        }
        self.work.notify_one();
    }

    pub(super) fn sheet(&self, stream_id: StreamId, sheet: Sheet, jpeg: Bytes) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id)
            && entry.phase != Phase::Discarded
            && jpeg.len() <= SHEET_BYTES_MAX
            && entry.stop_at.is_none_or(|stop_at| u64::try_from(sheet.seq).is_ok_and(|seq| seq < stop_at))
        {
            if entry.sheets.len() < SHEETS_MAX {
                entry.sheets.push_back((sheet, jpeg));
            } else {
                metrics::counter!("rillcast_storyboard_sheets_lost_total").increment(1);
            }
        }
        self.work.notify_one();
    }

    /// The next job, and whether there is another beside it. Recordings take turns: `after` is whose turn was last.
    pub(super) fn take(&self, after: &mut Option<StreamId>) -> Option<Job> {
        let mut recordings = lock(&self.recordings);
        let turn =
            after.and_then(|id| recordings.range((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded)).next());
        let first = turn.map(|(id, _)| *id);
        let mut order: Vec<StreamId> = Vec::with_capacity(recordings.len());
        if let Some(first) = first {
            order.extend(recordings.range(first..).map(|(id, _)| *id));
            order.extend(recordings.range(..first).map(|(id, _)| *id));
        } else {
            order.extend(recordings.keys().copied());
        }
        for id in order {
            let Some(entry) = recordings.get_mut(&id) else { continue };
            if entry.is_thumbnail_due()
                && let Some(jpeg) = entry.thumbnail.take()
            {
                entry.is_thumbnail_busy = true;
                *after = Some(id);
                return Some(Job::Thumbnail { info: entry.info.clone(), jpeg });
            }
            if let Some((sheet, jpeg)) = entry.next_sheet() {
                *after = Some(id);
                return Some(Job::Sheet { info: entry.info.clone(), sheet, jpeg });
            }
            for (rendition, lane) in &mut entry.lanes {
                if let (false, Some(item)) = (lane.is_busy, lane.items.front()) {
                    lane.is_busy = true;
                    *after = Some(id);
                    let (rendition, item) = (rendition.clone(), item.clone());
                    return Some(Job::Item { info: entry.info.clone(), rendition, item });
                }
            }
        }
        None
    }

    /// The lane's first item is on its way to the database, or was given up.
    pub(super) fn finish(&self, stream_id: StreamId, rendition: &str, is_committing: bool) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.uncommitted += usize::from(is_committing);
            if let Some(lane) = entry.lanes.get_mut(rendition) {
                lane.items.pop_front();
                lane.is_busy = false;
            }
        }
        self.work.notify_one();
        self.settle.notify_one();
    }

    /// The lane's first item stays first.
    pub(super) fn put_back(&self, stream_id: StreamId, rendition: &str) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            let is_unwanted = entry.phase == Phase::Discarded;
            if let Some(lane) = entry.lanes.get_mut(rendition) {
                lane.is_busy = false;
                if is_unwanted {
                    lane.items.clear();
                }
            }
        }
        self.work.notify_one();
        self.settle.notify_one();
    }

    pub(super) fn thumbnail_done(&self, stream_id: StreamId) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.is_thumbnail_busy = false;
            entry.thumbnail_at = Some(Instant::now());
        }
        self.settle.notify_one();
    }

    pub(super) fn sheet_done(&self, stream_id: StreamId, is_stored: bool) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.is_sheet_busy = false;
            if is_stored {
                entry.sheets.pop_front();
                (entry.sheet_failures, entry.sheet_retry_at) = (0, None);
            } else {
                entry.sheet_failures += 1;
                entry.sheet_retry_at = Some(Instant::now() + SHEET_RETRY);
                let is_late = entry.phase == Phase::Ended && entry.has_empty_lanes();
                if is_late && entry.sheet_failures >= SHEET_TRIES_MAX {
                    let lost = u64::try_from(entry.sheets.len()).unwrap_or(0);
                    metrics::counter!("rillcast_storyboard_sheets_lost_total").increment(lost);
                    entry.sheets.clear();
                }
            }
        }
        self.settle.notify_one();
    }

    pub(super) fn committed(&self, stream_id: StreamId, count: usize) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.uncommitted = entry.uncommitted.saturating_sub(count);
        }
    }

    pub(super) fn is_discarded(&self, stream_id: StreamId) -> bool {
        lock(&self.recordings).get(&stream_id).is_none_or(|entry| entry.phase == Phase::Discarded)
    }

    /// Recordings with nothing left to wait for, of which the stream is over or nobody wants them.
    pub(super) fn drained(&self) -> Vec<(RecordingInfo, Phase)> {
        let recordings = lock(&self.recordings);
        let done = recordings.values().filter(|entry| matches!(entry.phase, Phase::Ended | Phase::Discarded));
        done.filter(|entry| entry.is_drained()).map(|entry| (entry.info.clone(), entry.phase)).collect()
    }

    pub(super) fn remove(&self, stream_id: StreamId) {
        lock(&self.recordings).remove(&stream_id);
    }

    /// Everything in one phase, with its generation.
    pub(super) fn in_phase(&self, phase: Phase) -> Vec<(RecordingInfo, u64)> {
        let recordings = lock(&self.recordings);
        let those = recordings.values().filter(|entry| entry.phase == phase);
        those.map(|entry| (entry.info.clone(), entry.generation)).collect()
    }

    pub(super) fn contains(&self, stream_id: StreamId) -> bool {
        lock(&self.recordings).contains_key(&stream_id)
    }

    /// Notes a check that found no row. Returns for how long none did.
    pub(super) fn missed(&self, stream_id: StreamId) -> Duration {
        lock(&self.recordings)
            .get_mut(&stream_id)
            .map_or(Duration::ZERO, |entry| entry.missing_since.get_or_insert_with(Instant::now).elapsed())
    }

    pub(super) fn found(&self, stream_id: StreamId) {
        if let Some(entry) = lock(&self.recordings).get_mut(&stream_id) {
            entry.missing_since = None;
        }
    }

    /// Every recording is running: nobody waits for one to become ready.
    pub(super) fn is_all_open(&self) -> bool {
        lock(&self.recordings).values().all(|entry| entry.phase == Phase::Open)
    }

    /// Nothing is held and nothing waits, as far as uploads go.
    pub(super) fn is_quiet(&self) -> bool {
        let busy = |entry: &Entry| match entry.phase {
            Phase::Open | Phase::Ended | Phase::Discarded => true,
            Phase::Interrupted => !entry.is_drained(),
        };
        !lock(&self.recordings).values().any(busy)
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.recordings).values().flat_map(|entry| entry.lanes.values()).map(|lane| lane.items.len()).sum()
    }
}
