//! Bringing files to the bucket: a few uploads at a time, in order within a rendition, for as long as it takes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use db::recordings::NewSegment;
use kit::Stop;
use kit::retry::Backoff;
use objects::{CACHE_IMMUTABLE, ObjectsError, Upload, keys};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::backlog::{Item, Job};
use super::commit::{Commit, What};
use super::handle::{RecordingInfo, Shared};
use super::{Sheet, points};
use crate::origin::shelf::Segment;

/// Uploads in flight on one node.
pub(super) const UPLOADS_IN_FLIGHT: usize = 4;
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Short, so that a returning bucket is noticed soon (reliability A12).
const RETRY_MAX: Duration = Duration::from_secs(4);
/// A failing bucket is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(30);
/// What is hashed without a thread of its own: about a millisecond's work.
const HASH_HERE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Viewers see a new picture of a running stream this late at most.
const THUMBNAIL_CACHE: &str = "public, max-age=10";

pub(super) struct Uploader {
    pub(super) shared: Arc<Shared>,
    pub(super) commits: mpsc::Sender<Commit>,
}

/// Why one try did not succeed.
enum Failure {
    /// The bytes are gone: there is nothing left to try with.
    Lost(io::Error),
    Disk(io::Error),
    Bucket(ObjectsError),
}

impl Uploader {
    pub(super) async fn run(self, stop: Stop) {
        let mut turn = None;
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut logged_at: Option<Instant> = None;
        loop {
            let Some(job) = self.shared.backlog.take(&mut turn) else {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.shared.backlog.work.notified() => continue,
                }
            };
            // One wake-up may stand for several things to do.
            self.shared.backlog.work.notify_one();
            let is_done = tokio::select! {
                () = stop.cancelled() => return,
                is_done = self.perform(job, &mut logged_at) => is_done,
            };
            if is_done {
                backoff.reset();
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(backoff.next_wait()) => {}
            }
        }
    }

    /// True unless it must be tried again.
    async fn perform(&self, job: Job, logged_at: &mut Option<Instant>) -> bool {
        match job {
            Job::Thumbnail { info, jpeg } => {
                let outcome = self.put_thumbnail(&info, jpeg).await;
                if let Err(error) = &outcome {
                    tracing::debug!(stream.id = %info.stream_id, %error, "a picture was not stored");
                }
                self.shared.backlog.thumbnail_done(info.stream_id);
                outcome.is_ok()
            }
            Job::Sheet { info, sheet, jpeg } => {
                let outcome = self.put_sheet(&info, &sheet, jpeg).await;
                if let Err(error) = &outcome {
                    tracing::debug!(stream.id = %info.stream_id, %error, "a sheet of pictures was not stored yet");
                }
                self.shared.backlog.sheet_done(info.stream_id, outcome.is_ok());
                outcome.is_ok()
            }
            Job::Item { info, rendition, item } => {
                let started = Instant::now();
                match self.put(&info, &rendition, item).await {
                    Ok(what) => {
                        metrics::histogram!("rillcast_upload_seconds").record(started.elapsed().as_secs_f64());
                        let commit = Commit { info, rendition, what };
                        self.hand_over(commit).await
                    }
                    Err(failure) => self.fail(&info, &rendition, failure, logged_at),
                }
            }
        }
    }

    /// The item counts as uncommitted before its lane moves on, so the recording is never taken for drained too early.
    async fn hand_over(&self, commit: Commit) -> bool {
        let (stream_id, rendition) = (commit.info.stream_id, commit.rendition.clone());
        match self.commits.reserve().await {
            Ok(permit) => {
                self.shared.backlog.finish(stream_id, &rendition, true);
                permit.send(commit);
                true
            }
            Err(_) => {
                self.shared.backlog.put_back(stream_id, &rendition);
                false
            }
        }
    }

    fn fail(&self, info: &RecordingInfo, rendition: &str, failure: Failure, logged_at: &mut Option<Instant>) -> bool {
        let error: &dyn std::error::Error = match &failure {
            Failure::Lost(error) => {
                tracing::error!(stream.id = %info.stream_id, rendition, %error, "a spooled file is gone before it was stored");
                metrics::counter!("rillcast_recording_segments_lost_total", "reason" => "file").increment(1);
                self.shared.backlog.finish(info.stream_id, rendition, false);
                return true;
            }
            Failure::Disk(error) => error,
            Failure::Bucket(error) => error,
        };
        metrics::counter!("rillcast_upload_failures_total").increment(1);
        if logged_at.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged_at = Some(Instant::now());
            let waiting = self.shared.backlog.waiting();
            tracing::warn!(stream.id = %info.stream_id, %error, waiting, "an upload failed; recordings wait on disk");
        }
        self.shared.backlog.put_back(info.stream_id, rendition);
        false
    }

    async fn put(&self, info: &RecordingInfo, rendition: &str, item: Item) -> Result<What, Failure> {
        if self.shared.backlog.is_discarded(info.stream_id) {
            return Ok(What::Nothing);
        }
        match item {
            Item::Rendition(rendition) => Ok(What::Rendition(rendition)),
            Item::Init { no, path } => {
                let (bytes, sha256) = read(path, None).await?;
                self.store(&keys::vod_init(info.vod_id, rendition, no), &[bytes], sha256).await?;
                Ok(What::Init(no))
            }
            Item::Segment { msn, path, bytes, head, duration_us, live } => {
                let object_key = keys::vod_segment(info.vod_id, rendition, msn);
                let byte_size = i64::try_from(bytes).unwrap_or(i64::MAX);
                let sha256 = match in_memory(&live, bytes) {
                    Some(parts) => {
                        let sha256 = hash(Arc::clone(&parts), bytes).await?;
                        self.store(&object_key, &parts, sha256).await?;
                        sha256
                    }
                    None => {
                        let (read, sha256) = read(path, Some((head.spot.at, bytes))).await?;
                        self.store(&object_key, &[read], sha256).await?;
                        sha256
                    }
                };
                Ok(What::Segment(NewSegment {
                    vod_id: info.vod_id,
                    rendition: rendition.to_owned(),
                    seq: i64::try_from(msn).unwrap_or(i64::MAX),
                    is_discontinuity: head.disc,
                    is_independent: head.key,
                    init_key: keys::vod_init(info.vod_id, rendition, head.init),
                    object_key,
                    byte_size,
                    duration_us: i64::try_from(duration_us).unwrap_or(i64::MAX).max(1),
                    program_at: head.at,
                    starts_at_us: head.pts,
                    iframe_bytes: head.iframe.and_then(|length| i64::try_from(length).ok()),
                    sha256,
                }))
            }
        }
    }

    async fn store(&self, key: &str, chunks: &[Bytes], sha256: [u8; 32]) -> Result<(), Failure> {
        let upload = Upload { key, chunks, sha256, content_type: "video/mp4", cache_control: CACHE_IMMUTABLE };
        points::PUT_BEFORE.pass();
        self.shared.objects.put_once(&upload).await.map_err(Failure::Bucket)?;
        points::PUT_AFTER.pass();
        Ok(())
    }

    async fn put_thumbnail(&self, info: &RecordingInfo, jpeg: Bytes) -> anyhow::Result<()> {
        let key = keys::vod_thumbnail(info.vod_id);
        let (chunks, content_type, cache_control) = ([jpeg], "image/jpeg", THUMBNAIL_CACHE);
        let sha256 = objects::sha256(&chunks);
        let upload = Upload { key: &key, chunks: &chunks, sha256, content_type, cache_control };
        self.shared.objects.put_once(&upload).await?;
        let mut conn = self.shared.pool.acquire().await?;
        db::recordings::set_thumbnail(&mut conn, info.vod_id, &key).await?;
        Ok(())
    }

    async fn put_sheet(&self, info: &RecordingInfo, sheet: &Sheet, jpeg: Bytes) -> anyhow::Result<()> {
        let key = keys::vod_sheet(info.vod_id, u64::try_from(sheet.seq)?);
        let chunks = [jpeg];
        let sha256 = objects::sha256(&chunks);
        let (content_type, cache_control) = ("image/jpeg", CACHE_IMMUTABLE);
        self.shared
            .objects
            .put_once(&Upload { key: &key, chunks: &chunks, sha256, content_type, cache_control })
            .await?;
        let mut conn = self.shared.pool.acquire().await?;
        db::storyboards::insert(&mut conn, info.vod_id, sheet).await?;
        Ok(())
    }
}

/// The segment's parts, if the live window still has them in memory and they are what lies on disk.
fn in_memory(live: &Weak<Segment>, bytes: u64) -> Option<Arc<[Bytes]>> {
    live.upgrade().filter(|segment| segment.len() == bytes)?.in_memory()
}

/// Small ones are hashed where the caller runs: a thread's wake-up costs as much.
async fn hash(parts: Arc<[Bytes]>, bytes: u64) -> Result<[u8; 32], Failure> {
    if bytes <= HASH_HERE_BYTES_MAX {
        return Ok(objects::sha256(&parts));
    }
    let hashed = tokio::task::spawn_blocking(move || objects::sha256(&parts)).await;
    hashed.map_err(|join| Failure::Disk(io::Error::other(join)))
}

/// A file's bytes, or a stretch of them by offset and length, and their SHA-256, computed once in a recording's life.
async fn read(path: PathBuf, stretch: Option<(u64, u64)>) -> Result<(Bytes, [u8; 32]), Failure> {
    let read = tokio::task::spawn_blocking(move || {
        let bytes = match stretch {
            None => std::fs::read(path)?,
            Some((at, length)) => {
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                File::open(path)?.read_exact_at(&mut bytes, at)?;
                bytes
            }
        };
        let sha256 = Sha256::digest(&bytes).into();
        Ok::<_, io::Error>((Bytes::from(bytes), sha256))
    });
    match read.await {
        Ok(Ok(read)) => Ok(read),
        // A power cut may take the end of a file whose lines it spares.
        Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            Err(Failure::Lost(error))
        }
        Ok(Err(error)) => Err(Failure::Disk(error)),
        Err(join) => Err(Failure::Disk(io::Error::other(join))),
    }
}
