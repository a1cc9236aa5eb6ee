//! What the stream's task holds: a recorder to open recordings with, and a recording to hand parts to. Nothing here waits
//! for a disk, a bucket or (but for [`Recorder::open`], bounded) a database.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use domain::stream::{StreamStatus, VodStatus};
use domain::{Classify, Kind, StreamId, Timestamp, VodId};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::backlog::{Backlog, Gauge};
use super::inbox::{BEAT, Inbox, Refused};
use super::rolls::ROLL_BYTES;
use super::task::RecorderTask;
use super::writer::{Command, Floor, Key};
use super::{RenditionKind, Sheet, spool};
use crate::origin::shelf::Segment;

/// Kept free for what must not be lost: ends, inits, closes.
const QUEUE_RESERVE: usize = 1_024;
/// Media waiting in memory for the writer; beyond it the disk is too slow and segments are given up.
const QUEUED_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// Inits and renditions of one recording that found the queue full.
const UNSENT_MAX: usize = 64;
/// How long [`Recorder::open`] waits for the start-up scan, and for the writer.
const READY_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long it waits for Postgres to tell what other nodes have recorded.
const EXTENT_WAIT_MAX: Duration = Duration::from_millis(2_000);
const UNWANTED_AFTER: Duration = Duration::from_secs(600);
/// Of `spool_bytes_max`: from here on no new stream is taken.
const FULL_PERCENT: u64 = 90;

/// What a recorder works with.
pub struct RecordDeps {
    pub pool: db::Pool,
    pub objects: objects::Objects,
    /// The node's folder; recordings wait in `spool/` below it.
    pub data_dir: PathBuf,
    /// Most bytes that may wait on disk. Beyond it segments are given up, never live.
    pub spool_bytes_max: u64,
    /// Room one channel's recordings may take, in bytes, by its owner's plan, unless it has a rule of its own; 0: no limit.
    pub rooms: [i64; 3],
    pub pace: Pace,
}

/// How the spool is written. Tests that would take minutes have their own.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Length of the files segments lie in.
    pub roll_bytes: u64,
    /// From one visit of the writer to the next.
    pub beat: Duration,
    /// A recording whose stream has had no row for so long is nobody's. Long: a database may be back from a backup, or
    /// behind for a while.
    pub unwanted_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { roll_bytes: ROLL_BYTES, beat: BEAT, unwanted_after: UNWANTED_AFTER }
    }
}

/// The node's recorder. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    pub(super) shared: Arc<Shared>,
}

/// What handles and tasks have in common.
pub(super) struct Shared {
    pub(super) commands: Inbox,
    pub(super) backlog: Backlog,
    pub(super) gauge: Arc<Gauge>,
    pub(super) pool: db::Pool,
    pub(super) objects: objects::Objects,
    pub(super) spool_dir: PathBuf,
    pub(super) spool_bytes_max: u64,
    pub(super) roll_bytes: u64,
    pub(super) unwanted_after: Duration,
    pub(super) rooms: [i64; 3],
    /// True once the spool of an earlier run has been read.
    pub(super) ready: watch::Sender<bool>,
    /// The task is over; the writer leaves.
    pub(super) is_halted: AtomicBool,
    /// Closes that found the queue full; the sweeper delivers them.
    pub(super) late: Mutex<Vec<Command>>,
}

/// Whose recording it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingInfo {
    pub stream_id: StreamId,
    pub vod_id: VodId,
    pub username: String,
}

/// Where a recording goes on. All zero and false for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Higher than any sequence number of any rendition so far.
    pub next_msn: u64,
    /// Higher than any init segment's number of any rendition so far.
    pub next_init: u32,
    /// Discontinuities recorded so far.
    pub discontinuity_sequence: u64,
    /// The stream was recorded before: its first segment now follows a discontinuity.
    pub is_resumed: bool,
}

/// One rendition, as playlists describe it. Say it again when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenditionInfo {
    /// `source`, `480p`, `audio`: lower-case letters, digits, `-` and `_`.
    pub name: String,
    #[serde(with = "kind")]
    pub kind: RenditionKind,
    pub codecs: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Frames per 1,000 seconds.
    pub frame_rate_mhz: Option<u64>,
    pub channels: Option<u32>,
    pub sample_rate: Option<u32>,
}

/// One part of a segment, whole: `moof` and `mdat`.
#[derive(Debug, Clone)]
pub struct RecordedPart<'a> {
    pub rendition: &'a str,
    pub msn: u64,
    pub bytes: Bytes,
    pub duration_us: u64,
    /// Wall-clock time of the segment's (not the part's) first sample.
    pub program_at: Timestamp,
    pub init_no: u32,
    /// A discontinuity precedes the segment.
    pub is_discontinuity: bool,
    /// The segment begins with a key frame (true for audio). Read from its first part.
    pub is_independent: bool,
    /// Presentation time of the segment's first sample, on the stream's clock, in microseconds. Read from its first part.
    pub starts_at_us: Option<i64>,
    /// Bytes from the segment's start to the end of its first picture, if that is a key frame. Read from its first part.
    pub iframe_len: Option<u64>,
}

/// How a recording is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingEnd {
    /// The stream is over: the recording becomes ready.
    Ended,
    /// The publisher or this node is gone: it can be opened again until the stream's row says `ended`.
    Interrupted,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the recording of this stream is already complete")]
    Ended,
    #[error("the recorder is not ready")]
    NotReady,
    #[error("the recording cannot be written to disk")]
    Disk(#[source] std::io::Error),
}

impl Classify for RecordError {
    fn kind(&self) -> Kind {
        match self {
            Self::Ended => Kind::Gone,
            Self::NotReady | Self::Disk(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Ended => "recording.ended",
            Self::NotReady | Self::Disk(_) => "recording.unavailable",
        }
    }
}

impl Recorder {
    /// A recorder and the task that does its work. Nothing is recorded until the task runs.
    pub fn new(deps: RecordDeps) -> (Self, RecorderTask) {
        let shared = Arc::new(Shared {
            commands: Inbox::new(deps.pace.beat),
            backlog: Backlog::default(),
            gauge: Arc::new(Gauge::default()),
            pool: deps.pool,
            objects: deps.objects,
            spool_dir: deps.data_dir.join("spool"),
            spool_bytes_max: deps.spool_bytes_max.max(1),
            roll_bytes: deps.pace.roll_bytes,
            unwanted_after: deps.pace.unwanted_after,
            rooms: deps.rooms,
            ready: watch::Sender::new(false),
            is_halted: AtomicBool::new(false),
            late: Mutex::default(),
        });
        (Self { shared: shared.clone() }, RecorderTask::new(shared))
    }

    /// Opens the recording of a stream, or goes on with it. A handle that is still open for it goes deaf.
    ///
    /// Waits for the start-up scan and briefly for Postgres; goes on without the latter.
    pub async fn open(&self, info: RecordingInfo) -> Result<(Recording, Resume), RecordError> {
        self.go_on(info, false).await
    }

    /// The same where another node may have had the stream a moment ago, and used names the database knows nothing of yet.
    pub async fn open_moved(&self, info: RecordingInfo) -> Result<(Recording, Resume), RecordError> {
        self.go_on(info, true).await
    }

    async fn go_on(&self, info: RecordingInfo, is_moved: bool) -> Result<(Recording, Resume), RecordError> {
        let mut ready = self.shared.ready.subscribe();
        if !matches!(timeout(READY_WAIT_MAX, ready.wait_for(|ready| *ready)).await, Ok(Ok(_))) {
            return Err(RecordError::NotReady);
        }
        let mut floor = self.floor(&info).await?;
        floor.may_be_elsewhere |= is_moved;
        let (reply, answer) = oneshot::channel();
        let stream_id = info.stream_id;
        let open = Command::Open { info, floor, reply };
        if timeout(READY_WAIT_MAX, self.shared.commands.send(open)).await.is_err() {
            return Err(RecordError::NotReady);
        }
        let (generation, resume) = match timeout(READY_WAIT_MAX, answer).await {
            Ok(Ok(answer)) => answer?,
            _ => return Err(RecordError::NotReady),
        };
        let key = Key { stream_id, generation };
        Ok((Recording { shared: self.shared.clone(), key, local: Mutex::default(), is_closed: false }, resume))
    }

    /// What Postgres knows of the recording: other nodes may have made a part of it.
    async fn floor(&self, info: &RecordingInfo) -> Result<Floor, RecordError> {
        let ask = async {
            let mut conn = self.shared.pool.acquire().await.map_err(db::DbError::from)?;
            let state = db::recordings::stream_state(&mut conn, info.stream_id).await?;
            let extent = db::recordings::extent(&mut conn, info.vod_id).await?;
            let room = db::keeping::room_of_stream(&mut conn, info.stream_id, self.shared.rooms).await?;
            Ok::<_, db::DbError>((state, extent, room))
        };
        let (state, extent, room) = match timeout(EXTENT_WAIT_MAX, ask).await {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => {
                tracing::warn!(stream.id = %info.stream_id, %error, "recording goes on without asking the database");
                return Ok(Floor { may_be_elsewhere: true, ..Floor::default() });
            }
            Err(_) => return Ok(Floor { may_be_elsewhere: true, ..Floor::default() }),
        };
        if let Some(state) = state
            && (state.status == StreamStatus::Ended || state.vod_status != VodStatus::Recording)
        {
            return Err(RecordError::Ended);
        }
        Ok(Floor {
            next_msn: extent.seq_max.map_or(0, |seq| u64::try_from(seq).unwrap_or(0) + 1),
            next_init: extent.init_max.map_or(0, |no| u32::try_from(no).unwrap_or(0) + 1),
            discontinuities: u64::try_from(extent.discontinuities).unwrap_or(0),
            may_be_elsewhere: state.is_some_and(|state| state.epoch > 1),
            is_without_room: room.is_some_and(|(room, is_stopped)| is_stopped || room.is_full()),
        })
    }

    /// Whether new streams may begin: false when the spool or its disk is nearly full.
    pub fn accepts_new(&self) -> bool {
        let full = self.spool_bytes() >= self.shared.spool_bytes_max / 100 * FULL_PERCENT;
        !full && !self.shared.gauge.is_disk_tight.load(Ordering::Relaxed)
    }

    /// Bytes on disk that the bucket has not confirmed yet.
    pub fn spool_bytes(&self) -> u64 {
        self.shared.gauge.spool_bytes.load(Ordering::Relaxed)
    }
}

/// The recording of one running stream. Dropping it is an interruption.
///
/// When the disk cannot follow, whole segments are left out of the recording and counted; the caller never waits.
pub struct Recording {
    shared: Arc<Shared>,
    key: Key,
    local: Mutex<Local>,
    is_closed: bool,
}

#[derive(Default)]
struct Local {
    /// What must arrive but found the queue full. Nothing overtakes it.
    unsent: VecDeque<Command>,
    /// Segments with a hole: the rest of them is not sent either.
    holed: HashSet<(String, u64)>,
    /// The highest number of any rendition.
    msn_max: Option<u64>,
}

impl Recording {
    /// Announces a rendition, before its first init.
    pub fn rendition(&self, info: RenditionInfo) {
        if spool::is_safe_name(&info.name) {
            self.send_surely(Command::Rendition { key: self.key, info });
        }
    }

    /// An initialisation segment, before the first part that needs it. Numbers are never reused.
    pub fn init(&self, rendition: &str, init_no: u32, bytes: Bytes) {
        if spool::is_safe_name(rendition) {
            self.send_surely(Command::Init { key: self.key, rendition: rendition.to_owned(), init_no, bytes });
        }
    }

    /// The next part of a segment.
    pub fn part(&self, part: RecordedPart<'_>) {
        if !spool::is_safe_name(part.rendition) {
            return;
        }
        let mut local = lock(&self.local);
        let segment = (part.rendition.to_owned(), part.msn);
        if local.holed.contains(&segment) {
            return;
        }
        let len = u64::try_from(part.bytes.len()).unwrap_or(u64::MAX);
        let queued = &self.shared.gauge.queued_bytes;
        let has_room = self.flush(&mut local)
            && self.shared.commands.capacity() > QUEUE_RESERVE
            && queued.load(Ordering::Relaxed).saturating_add(len) <= QUEUED_BYTES_MAX;
        if has_room {
            queued.fetch_add(len, Ordering::Relaxed);
            let is_new_number = local.msn_max.is_none_or(|max| part.msn > max);
            local.msn_max = local.msn_max.max(Some(part.msn));
            if self.shared.commands.try_send(Command::part(self.key, part, is_new_number)).is_ok() {
                return;
            }
            queued.fetch_sub(len, Ordering::Relaxed);
        }
        metrics::counter!("rillcast_recording_segments_lost_total", "reason" => "queue").increment(1);
        tracing::warn!(stream.id = %self.key.stream_id, rendition = segment.0, msn = segment.1,
            "the disk cannot follow: a segment is left out of the recording");
        local.holed.insert(segment);
    }

    /// The segment is complete.
    pub fn segment_end(&self, rendition: &str, msn: u64, duration_us: u64) {
        self.segment_end_of(rendition, msn, duration_us, Weak::new());
    }

    /// The same for a segment that the live window holds too: it may lie in the spool's file instead of in memory.
    pub(crate) fn segment_end_of(&self, rendition: &str, msn: u64, duration_us: u64, live: Weak<Segment>) {
        let mut local = lock(&self.local);
        if local.holed.remove(&(rendition.to_owned(), msn)) {
            return;
        }
        let end = Command::SegmentEnd { key: self.key, rendition: rendition.to_owned(), msn, duration_us, live };
        if self.flush(&mut local) && self.shared.commands.try_send(end).is_err() {
            metrics::counter!("rillcast_recording_segments_lost_total", "reason" => "queue").increment(1);
        }
    }

    /// The newest picture of the stream. Only the latest is kept.
    pub fn thumbnail(&self, jpeg: Bytes) {
        self.shared.backlog.thumbnail(self.key.stream_id, jpeg);
    }

    /// The next sheet of the storyboard. Missing ones are no fault of the recording.
    pub fn sheet(&self, sheet: Sheet, jpeg: Bytes) {
        self.shared.backlog.sheet(self.key.stream_id, sheet, jpeg);
    }

    /// Closes the recording. Segments that were not ended keep the parts they have.
    pub fn close(mut self, end: RecordingEnd) {
        self.close_once(end);
    }

    fn close_once(&mut self, end: RecordingEnd) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        let mut local = lock(&self.local);
        let close = Command::Close { key: self.key, end };
        if !self.flush(&mut local) {
            let mut late = lock(&self.shared.late);
            late.extend(local.unsent.drain(..));
            late.push(close);
            return;
        }
        if let Err(Refused::Full(close)) = self.shared.commands.try_send(close) {
            lock(&self.shared.late).push(close);
        }
    }

    fn send_surely(&self, command: Command) {
        let mut local = lock(&self.local);
        if local.unsent.len() < UNSENT_MAX {
            local.unsent.push_back(command);
        }
        self.flush(&mut local);
    }

    /// Sends what waits. True when nothing waits any more.
    fn flush(&self, local: &mut Local) -> bool {
        while let Some(command) = local.unsent.pop_front() {
            if let Err(Refused::Full(command)) = self.shared.commands.try_send(command) {
                local.unsent.push_front(command);
                return false;
            }
        }
        true
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.close_once(RecordingEnd::Interrupted);
    }
}

/// A lock whose holder panicked still guards usable data: every change under it is a single step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

mod kind {
    use db::recordings::RenditionKind;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(kind: &RenditionKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RenditionKind, D::Error> {
        let text = String::deserialize(deserializer)?;
        RenditionKind::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown kind of rendition"))
    }
}
