//! Writing down what the bucket has confirmed, and completing recordings.
//!
//! One task: rows go in batches and in order, a file goes only after its row is there, and a recording becomes ready in
//! the transaction that finds nothing missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use db::recordings::{self, NewSegment, Rendition};
use db::{DbError, begin, commit};
use domain::StreamId;
use kit::Stop;
use kit::retry::Backoff;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::backlog::Phase;
use super::handle::{RecordingInfo, RenditionInfo, Shared};
use super::points;
use super::writer::{Command, StoredItem};

/// Confirmed uploads that wait for their rows.
pub(super) const QUEUE_LEN: usize = 256;
/// What is confirmed within this time is written down together while nobody waits for it.
const GATHER: Duration = Duration::from_millis(400);
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Short, so that a returning database is noticed soon (reliability C3).
const RETRY_MAX: Duration = Duration::from_secs(2);
const LOG_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Commit {
    pub(super) info: RecordingInfo,
    pub(super) rendition: String,
    pub(super) what: What,
}

pub(super) enum What {
    Rendition(RenditionInfo),
    Init(u32),
    Segment(NewSegment),
    /// Its recording was discarded meanwhile.
    Nothing,
}

pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: mpsc::Receiver<Commit>,
}

impl Committer {
    pub(super) async fn run(mut self, stop: Stop) {
        let mut batch = Vec::with_capacity(QUEUE_LEN);
        loop {
            tokio::select! {
                biased;
                count = self.queue.recv_many(&mut batch, QUEUE_LEN) => if count == 0 {
                    return;
                },
                () = self.shared.backlog.settle.notified() => {}
                () = stop.cancelled() => return,
            }
            self.gather(&mut batch, &stop).await;
            let settled = async {
                self.store(&mut batch).await;
                self.complete().await;
            };
            tokio::select! {
                () = settled => {}
                // What is not written down now is uploaded again by the next run; nothing is lost by it.
                () = stop.cancelled() => return,
            }
        }
    }

    /// Lets rows of running recordings wait for company: a transaction for each would cost more than its rows.
    async fn gather(&mut self, batch: &mut Vec<Commit>, stop: &Stop) {
        let until = Instant::now() + GATHER;
        while !batch.is_empty() && batch.len() < QUEUE_LEN && self.shared.backlog.is_all_open() {
            tokio::select! {
                biased;
                count = self.queue.recv_many(batch, QUEUE_LEN) => if count == 0 {
                    return;
                },
                // Perhaps one of them has just ended.
                () = self.shared.backlog.settle.notified() => {}
                () = sleep_until(until) => return,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Writes the batch down, however long that takes, and lets the files go.
    async fn store(&self, batch: &mut Vec<Commit>) {
        if batch.is_empty() {
            return;
        }
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut logged_at: Option<Instant> = None;
        while let Err(error) = self.write(batch).await {
            if logged_at.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                logged_at = Some(Instant::now());
                tracing::warn!(error = %Chain(&error), waiting = batch.len(), "stored segments wait for the database");
            }
            sleep(backoff.next_wait()).await;
        }
        let mut counts: HashMap<StreamId, usize> = HashMap::new();
        for Commit { info, rendition, what } in batch.drain(..) {
            *counts.entry(info.stream_id).or_default() += 1;
            let item = match what {
                What::Init(no) => StoredItem::Init(no),
                What::Segment(segment) => StoredItem::Segment(u64::try_from(segment.seq).unwrap_or(0)),
                What::Rendition(_) | What::Nothing => continue,
            };
            let stored = Command::Stored { stream_id: info.stream_id, rendition, item };
            if self.shared.commands.send(stored).await.is_err() {
                return;
            }
        }
        for (stream_id, count) in counts {
            self.shared.backlog.committed(stream_id, count);
        }
    }

    async fn write(&self, batch: &[Commit]) -> db::Result<()> {
        points::ROWS_BEFORE.pass();
        let mut tx = begin(&self.shared.pool).await?;
        for commit in batch {
            if let What::Rendition(info) = &commit.what {
                recordings::upsert_rendition(&mut tx, commit.info.vod_id, &row_of(info)).await?;
            }
        }
        let segments: Vec<NewSegment> = batch
            .iter()
            .filter_map(|commit| match &commit.what {
                What::Segment(segment) => Some(segment.clone()),
                _ => None,
            })
            .collect();
        if !segments.is_empty() {
            recordings::insert_segments(&mut tx, &segments).await?;
        }
        points::ROWS_OPEN.pass();
        commit(tx).await?;
        points::ROWS_AFTER.pass();
        Ok(())
    }

    /// Completes what has nothing left to wait for. What fails is tried again at the next tick.
    async fn complete(&self) {
        for (info, phase) in self.shared.backlog.drained() {
            let done = match phase {
                Phase::Discarded => self.discard(&info).await,
                _ => self.finalise(&info).await,
            };
            match done {
                Ok(()) => {
                    self.shared.backlog.remove(info.stream_id);
                    if self.shared.commands.send(Command::Forget { stream_id: info.stream_id }).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let cause = format!("{error:#}");
                    tracing::warn!(stream.id = %info.stream_id, cause, "a recording could not be completed yet");
                }
            }
        }
    }

    async fn finalise(&self, info: &RecordingInfo) -> anyhow::Result<()> {
        points::FINALISE_BEFORE.pass();
        let mut tx = begin(&self.shared.pool).await?;
        let outcome = recordings::finalise(&mut tx, info.vod_id).await?;
        points::FINALISE_OPEN.pass();
        commit(tx).await?;
        points::FINALISE_AFTER.pass();
        tracing::info!(stream.id = %info.stream_id, vod.id = %info.vod_id, ?outcome, "a recording is complete");
        Ok(())
    }

    /// Its rows are gone and nobody else knows of its objects.
    async fn discard(&self, info: &RecordingInfo) -> anyhow::Result<()> {
        let gone = self.shared.objects.delete_prefix(&objects::keys::vod_prefix(info.vod_id)).await?;
        tracing::info!(stream.id = %info.stream_id, vod.id = %info.vod_id, objects = gone, "an unwanted recording is gone");
        Ok(())
    }
}

fn row_of(info: &RenditionInfo) -> Rendition {
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    Rendition {
        name: info.name.clone(),
        kind: info.kind,
        codecs: info.codecs.clone(),
        width: number(info.width),
        height: number(info.height),
        frame_rate_mhz: info.frame_rate_mhz.and_then(|rate| i64::try_from(rate).ok()),
        channels: number(info.channels),
        sample_rate: number(info.sample_rate),
    }
}

/// An error with its cause on one line.
struct Chain<'a>(&'a DbError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::error::Error::source(self.0).map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}
