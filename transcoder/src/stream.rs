//! Live streams of this node: who may deliver which, and the task that makes renditions of it.
//!
//! Owns the registry and its fencing: of two connections for one stream the one with the higher epoch delivers, and a
//! lower one is refused. The stream's life is in [`task`], its renditions in [`publisher`].

pub(crate) mod clock;
pub(crate) mod earlier;
pub(crate) mod gather;
pub(crate) mod helpers;
pub(crate) mod lower;
pub(crate) mod publisher;
pub(crate) mod rendition;
pub(crate) mod session;
pub(crate) mod storyboard;
pub(crate) mod tape;
pub(crate) mod task;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Classify, Kind, StreamId, Visibility};
use kit::config::ladder::LadderRung;
use kit::{Config, Stop};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::origin::cold::Cellar;
use crate::origin::shelf::{Index, Shelf, StreamInfo};
use crate::record::{RecordError, Recorder, RecordingInfo, Resume};
use crate::worker::Admission;
use publisher::{Cutting, Parts, Publisher};
use tape::Tape;
use task::{Command, StreamTask};

/// Frames between a connection and its stream's task: about two seconds. Beyond it the connection is not read.
const FRAMES_WAITING_MAX: usize = 256;
/// Bytes of frames that wait, per stream. More than the longest frame.
pub(crate) const BYTES_WAITING_MAX: usize = 24 * 1024 * 1024;
/// Streams of one node.
const STREAMS_MAX: usize = 10_000;

/// What every stream's task needs.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) pool: db::Pool,
    pub(crate) recorder: Recorder,
    pub(crate) admission: Admission,
    pub(crate) ladder: Vec<LadderRung>,
    pub(crate) cellar: Cellar,
    pub(crate) exe: PathBuf,
    pub(crate) cutting: Cutting,
    /// Stream tasks, children and notes.
    pub(crate) tasks: TaskTracker,
    /// Ends every stream as it is. Given after publishers had time to leave properly.
    pub(crate) stop: Stop,
}

/// Why a connection may not deliver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a newer connection delivers this stream")]
    StaleEpoch,
    #[error("the stream has ended")]
    Ended,
    #[error("recordings wait for the bucket and the disk is nearly full")]
    SpoolFull,
    #[error("this node has all the streams it can carry")]
    Full,
    #[error("this node is stopping")]
    Stopping,
}

impl Classify for Refused {
    fn kind(&self) -> Kind {
        match self {
            Self::StaleEpoch => Kind::Conflict,
            Self::Ended => Kind::Gone,
            Self::SpoolFull | Self::Full | Self::Stopping => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::StaleEpoch => "link.stale-epoch",
            Self::Ended => "link.stream-ended",
            Self::SpoolFull => "link.spool-full",
            Self::Full => "link.full",
            Self::Stopping => "link.stopping",
        }
    }
}

/// A connection's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) info: ClaimedStream,
    pub(crate) publish_id: String,
    pub(crate) epoch: u32,
    /// Another node may have had a part of this publish.
    pub(crate) is_moved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimedStream {
    pub(crate) stream_id: StreamId,
    pub(crate) vod_id: domain::VodId,
    pub(crate) username: domain::user::Username,
    /// Whom it is for, as the publish was told.
    pub(crate) visibility: Visibility,
}

/// What a connection that was let in works with.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) connection: u64,
    pub(crate) commands: mpsc::Sender<Command>,
    /// Bytes this stream may have waiting.
    pub(crate) room: Arc<Semaphore>,
    /// Cancelled when another connection took over or the stream has ended.
    pub(crate) cut: Stop,
    pub(crate) connected: Connected,
}

/// Counts a connection for as long as it is held: among the node's, and its stream's.
#[derive(Debug)]
pub(crate) struct Connected([Arc<AtomicUsize>; 2]);

impl Connected {
    fn count(counters: [Arc<AtomicUsize>; 2]) -> Self {
        counters.iter().for_each(|counter| {
            counter.fetch_add(1, Ordering::AcqRel);
        });
        Self(counters)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.iter().for_each(|counter| {
            counter.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

struct Handle {
    commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    epoch: u32,
    publish_id: String,
    /// Of the connection that delivers now.
    cut: Stop,
    ended: Stop,
    connected: Arc<AtomicUsize>,
}

/// A stream that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) stream_id: StreamId,
    pub(crate) epoch: u32,
    /// An ingest node delivers it here now.
    pub(crate) is_connected: bool,
}

/// All streams of this node.
pub(crate) struct Streams {
    shared: Arc<Shared>,
    index: Arc<Index>,
    inner: Mutex<Inner>,
    connected: Arc<AtomicUsize>,
    /// Something the other nodes should hear of soon.
    pub(crate) changed: tokio::sync::Notify,
}

#[derive(Default)]
struct Inner {
    handles: HashMap<StreamId, Handle>,
    connections: u64,
    is_stopping: bool,
}

impl Streams {
    pub(crate) fn new(shared: Arc<Shared>, index: Arc<Index>) -> Self {
        Self { shared, index, inner: Mutex::default(), connected: Arc::default(), changed: tokio::sync::Notify::new() }
    }

    /// Lets a connection deliver, or says why not. A connection that delivered before is cut.
    pub(crate) fn attach(self: &Arc<Self>, claim: &Claim) -> Result<Attachment, Refused> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.is_stopping {
            return Err(Refused::Stopping);
        }
        inner.connections += 1;
        let connection = inner.connections;
        let id = claim.info.stream_id;
        let count = inner.handles.len();
        if let Some(handle) = inner.handles.get_mut(&id) {
            if handle.ended.is_cancelled() {
                return Err(Refused::Ended);
            }
            let is_same_publish = claim.epoch == handle.epoch && claim.publish_id == handle.publish_id;
            if claim.epoch <= handle.epoch && !is_same_publish {
                return Err(Refused::StaleEpoch);
            }
            handle.cut.cancel();
            handle.cut = handle.ended.child_token();
            (handle.epoch, handle.publish_id) = (claim.epoch, claim.publish_id.clone());
            // It may have been announced by another node in between.
            self.changed.notify_one();
            if let Some(shelf) = self.index.of_stream(&claim.info.username, id) {
                shelf.set_visibility(claim.info.visibility);
            }
            return Ok(handle.attachment(connection, &self.connected));
        }
        if count >= STREAMS_MAX {
            return Err(Refused::Full);
        }
        if !self.shared.recorder.accepts_new() {
            return Err(Refused::SpoolFull);
        }
        let handle = self.begin(claim);
        let attachment = handle.attachment(connection, &self.connected);
        inner.handles.insert(id, handle);
        drop(inner);
        self.changed.notify_one();
        Ok(attachment)
    }

    /// Starts the task of a stream that is new here.
    fn begin(self: &Arc<Self>, claim: &Claim) -> Handle {
        let (commands, waiting) = mpsc::channel(FRAMES_WAITING_MAX);
        let ended = Stop::new();
        let ClaimedStream { stream_id, vod_id, username, visibility } = claim.info.clone();
        let info = StreamInfo { stream_id, vod_id, username };
        let shelf = Arc::new(Shelf::new(info.clone(), self.shared.cutting.target_duration_s()));
        // Before anybody can ask for it.
        shelf.set_visibility(visibility);
        self.index.add(Arc::clone(&shelf));
        let span = tracing::info_span!("stream", stream.id = %stream_id, channel = %info.username);
        let (streams, is_moved, over) = (Arc::clone(self), claim.is_moved, ended.clone());
        self.shared.tasks.spawn(
            async move {
                streams.live(info, shelf, waiting, is_moved, over).await;
            }
            .instrument(span),
        );
        Handle {
            commands,
            room: Arc::new(Semaphore::new(BYTES_WAITING_MAX)),
            epoch: claim.epoch,
            publish_id: claim.publish_id.clone(),
            cut: ended.child_token(),
            ended,
            connected: Arc::default(),
        }
    }

    async fn live(
        self: Arc<Self>,
        info: StreamInfo,
        shelf: Arc<Shelf>,
        commands: mpsc::Receiver<Command>,
        is_moved: bool,
        ended: Stop,
    ) {
        let shared = &self.shared;
        if let Some((tape, resume)) = self.open_recording(&info, is_moved).await {
            let earlier = if resume.is_resumed { earlier::lines_of(shared, &info).await } else { HashMap::new() };
            let publisher = Publisher::new(Parts {
                shelf,
                tape,
                cellar: shared.cellar.clone(),
                cutting: shared.cutting,
                window_segments: shared.config.hls.window_segments,
                earlier,
                audio_language: shared.config.hls.audio_language.clone(),
                resume,
            });
            let task = StreamTask::new(info.clone(), Arc::clone(shared), publisher);
            task.run(commands, ended.clone(), shared.stop.clone()).await;
        }
        ended.cancel();
        self.index.remove(&info);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.handles.remove(&info.stream_id);
        drop(inner);
        self.changed.notify_one();
    }

    /// `None`: the recording is complete, so the stream must be over.
    async fn open_recording(&self, info: &StreamInfo, is_moved: bool) -> Option<(Tape, Resume)> {
        let asked = RecordingInfo {
            stream_id: info.stream_id,
            vod_id: info.vod_id,
            username: info.username.as_str().to_owned(),
        };
        let recorder = &self.shared.recorder;
        let opened = if is_moved { recorder.open_moved(asked).await } else { recorder.open(asked).await };
        match opened {
            Ok((recording, resume)) => Some((Tape::new(Some(recording)), resume)),
            Err(error @ RecordError::Ended) => {
                tracing::warn!(%error, "a publisher came for a stream that is over");
                None
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the stream is live without being recorded");
                let resume = Resume { next_msn: 0, next_init: 0, discontinuity_sequence: 0, is_resumed: false };
                Some((Tape::default(), resume))
            }
        }
    }

    /// From now on nobody is let in.
    pub(crate) fn close_doors(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).is_stopping = true;
    }

    /// Whether any ingest node delivers now.
    pub(crate) fn is_any_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire) > 0
    }

    /// Streams that have not ended.
    pub(crate) fn running(&self) -> Vec<Running> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = inner.handles.iter().filter(|(_, handle)| !handle.ended.is_cancelled());
        let running = |(id, handle): (&StreamId, &Handle)| Running {
            stream_id: *id,
            epoch: handle.epoch,
            is_connected: handle.connected.load(Ordering::Acquire) > 0,
        };
        alive.map(running).collect()
    }
}

impl Handle {
    fn attachment(&self, connection: u64, connected: &Arc<AtomicUsize>) -> Attachment {
        Attachment {
            connection,
            commands: self.commands.clone(),
            room: Arc::clone(&self.room),
            cut: self.cut.clone(),
            connected: Connected::count([Arc::clone(connected), Arc::clone(&self.connected)]),
        }
    }
}
