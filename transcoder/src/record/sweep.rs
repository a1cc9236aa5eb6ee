//! The recorder's slow clock: asks what became of interrupted streams, closes what nobody else will, watches the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use db::keeping;
use db::recordings::{self, StreamState};
use db::{begin, commit};
use domain::StreamId;
use domain::stream::StreamStatus;
use kit::Stop;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::backlog::Phase;
use super::handle::{RecordingEnd, RecordingInfo, Shared, lock};
use super::writer::{Command, Key};

const TICK: Duration = Duration::from_secs(1);
/// Ticks between looks at recordings that run undisturbed: were they deleted?
const OPEN_EVERY: u64 = 10;
/// Ticks between looks for recordings no node closes.
const ORPHANS_EVERY: u64 = 15;
/// The bucket must have answered for this long before recordings without a spool here are closed: after an outage
/// other nodes still bring what they hold.
const BUCKET_CALM: Duration = Duration::from_secs(60);
/// A disk this full refuses new streams, unless this much is free all the same.
const DISK_PERCENT_MAX: u64 = 90;
const DISK_FREE_ENOUGH: u64 = 4 * 1024 * 1024 * 1024;

pub(super) struct Sweeper {
    shared: Arc<Shared>,
    bucket_up_since: Option<Instant>,
    was_tight: bool,
}

impl Sweeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, bucket_up_since: None, was_tight: false }
    }

    pub(super) async fn run(mut self, stop: Stop) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in 0_u64.. {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round(round) => {}
            }
        }
    }

    async fn round(&mut self, round: u64) {
        self.deliver_late().await;
        self.watch_disk().await;
        if let Err(error) = self.ask_after_interrupted().await {
            tracing::debug!(%error, "interrupted recordings are asked after later");
        }
        if round % OPEN_EVERY == OPEN_EVERY - 1
            && let Err(error) = self.ask_after_open().await
        {
            tracing::debug!(%error, "running recordings are asked after later");
        }
        if round % ORPHANS_EVERY == ORPHANS_EVERY - 1 {
            self.watch_bucket().await;
            if let Err(error) = self.close_orphans().await {
                tracing::debug!(%error, "orphaned recordings are looked for later");
            }
        }
        // Thumbnails and sheets that are due by the clock, for which nobody else wakes an uploader; and completions that
        // failed before.
        self.shared.backlog.work.notify_one();
        self.shared.backlog.settle.notify_one();
    }

    async fn deliver_late(&self) {
        let late = std::mem::take(&mut *lock(&self.shared.late));
        for command in late {
            if self.shared.commands.send(command).await.is_err() {
                return;
            }
        }
    }

    async fn ask_after_interrupted(&self) -> db::Result<()> {
        let interrupted = self.shared.backlog.in_phase(Phase::Interrupted);
        if interrupted.is_empty() {
            return Ok(());
        }
        let mut conn = self.shared.pool.acquire().await?;
        for (info, generation) in interrupted {
            let state = recordings::stream_state(&mut conn, info.stream_id).await?;
            match state {
                None => self.missing(&info),
                Some(StreamState { status: StreamStatus::Ended, .. }) => {
                    let key = Key { stream_id: info.stream_id, generation };
                    let _stopped = self.shared.commands.send(Command::Close { key, end: RecordingEnd::Ended }).await;
                }
                Some(state) => {
                    self.shared.backlog.found(info.stream_id);
                    if state.is_window_over {
                        self.end_expired(&info).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The ingest that should write the end down may be gone as well.
    async fn end_expired(&self, info: &RecordingInfo) -> db::Result<()> {
        let mut tx = begin(&self.shared.pool).await?;
        recordings::end_if_expired(&mut tx, info.stream_id).await?;
        commit(tx).await
    }

    fn missing(&self, info: &RecordingInfo) {
        if self.shared.backlog.missed(info.stream_id) >= self.shared.unwanted_after {
            tracing::warn!(stream.id = %info.stream_id, "a recording without a stream is discarded");
            self.shared.backlog.set_phase(info.stream_id, Phase::Discarded);
        }
    }

    /// A recording deleted while it runs is not stored any further, nor is one whose channel has no room left.
    async fn ask_after_open(&self) -> db::Result<()> {
        let open = self.shared.backlog.in_phase(Phase::Open);
        if open.is_empty() {
            return Ok(());
        }
        let mut conn = self.shared.pool.acquire().await?;
        for (info, _) in open {
            match recordings::stream_state(&mut conn, info.stream_id).await? {
                Some(state) if state.is_deleted => {
                    tracing::info!(stream.id = %info.stream_id, "a recording was deleted while it runs");
                    self.shared.backlog.set_phase(info.stream_id, Phase::Discarded);
                }
                Some(_) => {
                    self.shared.backlog.found(info.stream_id);
                    self.look_at_room(&mut conn, info.stream_id).await?;
                }
                None => self.missing(&info),
            }
        }
        Ok(())
    }

    async fn look_at_room(&self, conn: &mut db::Conn, stream_id: StreamId) -> db::Result<()> {
        let room = keeping::room_of_stream(conn, stream_id, self.shared.rooms).await?;
        let Some((room, is_stopped)) = room else { return Ok(()) };
        if !is_stopped {
            if !room.is_full() {
                return Ok(());
            }
            let mut tx = begin(&self.shared.pool).await?;
            keeping::stop_for_quota(&mut tx, stream_id).await?;
            commit(tx).await?;
            tracing::info!(stream.id = %stream_id, used = room.used_bytes, "a channel has no room: its stream is recorded no further");
        }
        // Said again to a node that does not know, as after a restart without the database.
        let _stopped = self.shared.commands.send(Command::StopRecording { stream_id }).await;
        Ok(())
    }

    async fn watch_bucket(&mut self) {
        match self.shared.objects.ping().await {
            Ok(()) => {
                self.bucket_up_since.get_or_insert_with(Instant::now);
            }
            Err(_) => self.bucket_up_since = None,
        }
    }

    async fn close_orphans(&self) -> db::Result<()> {
        if self.bucket_up_since.is_none_or(|since| since.elapsed() < BUCKET_CALM) {
            return Ok(());
        }
        let mut conn = self.shared.pool.acquire().await?;
        let orphans = recordings::orphans(&mut conn).await?;
        drop(conn);
        for (vod_id, stream_id) in orphans {
            if self.shared.backlog.contains(stream_id) {
                continue;
            }
            let mut tx = begin(&self.shared.pool).await?;
            let outcome = recordings::close_orphan(&mut tx, vod_id).await?;
            commit(tx).await?;
            tracing::info!(stream.id = %stream_id, vod.id = %vod_id, ?outcome, "a recording nobody closed is complete");
        }
        Ok(())
    }

    async fn watch_disk(&mut self) {
        let folder = self.shared.spool_dir.clone();
        let used = tokio::task::spawn_blocking(move || {
            // A fresh node has no spool yet, which is no reason to call its disk full.
            std::fs::create_dir_all(&folder)?;
            nix::sys::statvfs::statvfs(&folder).map_err(std::io::Error::from)
        })
        .await;
        let is_full = match used {
            Ok(Ok(disk)) => {
                let size = disk.fragment_size();
                is_nearly_full(disk.blocks() * size, disk.blocks_available() * size)
            }
            // A folder that cannot be asked about cannot be written to either.
            _ => true,
        };
        let is_tight = is_full || self.shared.gauge.has_disk_fault();
        if is_tight != self.was_tight {
            self.was_tight = is_tight;
            if is_tight {
                tracing::error!(folder = %self.shared.spool_dir.display(), "the spool's disk is nearly full: no new streams");
            } else {
                tracing::info!("the spool's disk has room again");
            }
        }
        self.shared.gauge.is_disk_tight.store(is_tight, Ordering::Relaxed);
        metrics::gauge!("rillcast_spool_bytes").set(self.shared.gauge.spool_bytes.load(Ordering::Relaxed) as f64);
        metrics::gauge!("rillcast_spool_waiting").set(self.shared.backlog.waiting() as f64);
    }
}

fn is_nearly_full(total: u64, free: u64) -> bool {
    let used = total.saturating_sub(free);
    total > 0 && used / (total / 100).max(1) >= DISK_PERCENT_MAX && free < DISK_FREE_ENOUGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_is_full_at_ninety_percent_and_a_large_one_while_it_has_gigabytes_is_not() {
        const GIB: u64 = 1024 * 1024 * 1024;
        assert!(!is_nearly_full(GIB, GIB / 2));
        assert!(is_nearly_full(GIB, GIB / 20));
        assert!(!is_nearly_full(200 * GIB, 10 * GIB));
        assert!(is_nearly_full(200 * GIB, 3 * GIB));
    }
}
