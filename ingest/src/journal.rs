//! Ends of publishes that could not be written to Postgres: one small file each, delivered in order when it is back.
//!
//! Survives the process. Bounded by nature: while Postgres is away nobody new is accepted, so there is at most one entry per
//! publisher that was on air.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use db::publish::{Done, Rules};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use tracing::{error, info};

/// Longest one entry's transaction may take.
const DELIVERY_WAIT_MAX: Duration = Duration::from_secs(2);
const EXTENSION: &str = "json";

/// The journal's folder.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    waiting: AtomicUsize,
    /// One delivery at a time, or entries would overtake each other.
    delivery: Mutex<()>,
}

impl Journal {
    /// Opens the folder below `data_dir`, with what an earlier run left in it.
    pub(crate) async fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = data_dir.join("spool").join("hooks");
        tokio::fs::create_dir_all(&folder).await.with_context(|| format!("cannot make {}", folder.display()))?;
        let journal = Self { folder, waiting: AtomicUsize::new(0), delivery: Mutex::new(()) };
        let left = journal.entries().await?.len();
        journal.waiting.store(left, Ordering::Relaxed);
        if left > 0 {
            info!(entries = left, "ends of publishes wait for the database");
        }
        Ok(journal)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Writes an entry so that it outlives the process and the machine.
    pub(crate) async fn append(&self, done: &Done) -> anyhow::Result<()> {
        // Names sort by time.
        let name = format!("{}.{EXTENSION}", kit::ids::uuid());
        let (path, unfinished) = (self.folder.join(&name), self.folder.join(format!("{name}.new")));
        let mut file = tokio::fs::File::create(&unfinished).await?;
        file.write_all(&serde_json::to_vec(done)?).await?;
        file.sync_all().await?;
        tokio::fs::rename(&unfinished, &path).await?;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Delivers every entry, oldest first. An error means that Postgres is still away; nothing is lost.
    pub(crate) async fn deliver(&self, pool: &db::Pool, rules: Rules) -> db::Result<usize> {
        if self.is_empty() {
            return Ok(0);
        }
        let _turn = self.delivery.lock().await;
        let mut delivered = 0;
        for path in self.entries().await.unwrap_or_default() {
            match self.deliver_one(pool, &path, rules).await {
                Ok(()) => delivered += 1,
                Err(Failure::Database(error)) if error.is_unavailable() => return Err(error),
                Err(failure) => {
                    error!(entry = %path.display(), error = %failure, "an entry cannot be delivered; it is set aside");
                    let _ = tokio::fs::rename(&path, path.with_extension("bad")).await;
                }
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if delivered > 0 {
            info!(entries = delivered, "ends of publishes delivered late");
        }
        Ok(delivered)
    }

    async fn deliver_one(&self, pool: &db::Pool, path: &Path, rules: Rules) -> Result<(), Failure> {
        let done: Done = serde_json::from_slice(&tokio::fs::read(path).await?)?;
        write(pool, &done, rules).await.map_err(Failure::Database)?;
        // Delivering twice is harmless, so the file goes after the commit.
        tokio::fs::remove_file(path).await?;
        Ok(())
    }

    async fn entries(&self) -> std::io::Result<Vec<PathBuf>> {
        let (mut folder, mut entries) = (tokio::fs::read_dir(&self.folder).await?, Vec::new());
        while let Some(entry) = folder.next_entry().await? {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                entries.push(path);
            }
        }
        entries.sort();
        Ok(entries)
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Database(#[source] db::DbError),
    #[error("not readable: {0}")]
    File(#[from] std::io::Error),
    #[error("not understood: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes one end to Postgres, within a bounded time.
pub(crate) async fn write(pool: &db::Pool, done: &Done, rules: Rules) -> db::Result<()> {
    bounded(DELIVERY_WAIT_MAX, async {
        let mut tx = db::begin(pool).await?;
        db::publish::done(&mut tx, done, rules).await?;
        db::commit(tx).await
    })
    .await
}

/// Gives up on Postgres after `wait`: a server that hangs is as good as away.
pub(crate) async fn bounded<T>(wait: Duration, work: impl Future<Output = db::Result<T>>) -> db::Result<T> {
    match tokio::time::timeout(wait, work).await {
        Ok(result) => result,
        Err(_) => Err(db::DbError::timed_out()),
    }
}

#[cfg(test)]
mod tests {
    use domain::stream::PublishEnd;
    use domain::{PublishId, StreamId};

    use super::*;

    fn done() -> Done {
        Done {
            publish_id: PublishId::from_uuid(kit::ids::uuid()),
            stream_id: StreamId::from_uuid(kit::ids::uuid()),
            epoch: 1,
            end: PublishEnd::Unpublished,
            has_delivered: true,
            at: kit::clock::now(),
        }
    }

    fn nowhere() -> db::Pool {
        let url = kit::Secret::new("postgres://nobody@127.0.0.1:1/none");
        db::pool::connect(&kit::config::DatabaseConfig { url, connections_max: 1 }).expect("lazy")
    }

    #[tokio::test]
    async fn entries_survive_a_restart_in_order_and_stay_while_postgres_is_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).await.expect("opens");
        let written = [done(), done(), done()];
        for entry in &written {
            journal.append(entry).await.expect("writes");
        }
        let journal = Journal::open(folder.path()).await.expect("opens again");
        assert!(!journal.is_empty());
        let rules = Rules { reconnect_window_s: 60, owes_done_hook: false };
        assert!(journal.deliver(&nowhere(), rules).await.expect_err("nobody there").is_unavailable());
        let mut read = Vec::new();
        for path in journal.entries().await.expect("lists") {
            read.push(serde_json::from_slice::<Done>(&std::fs::read(path).expect("reads")).expect("JSON"));
        }
        assert_eq!(read, written);
    }
}
