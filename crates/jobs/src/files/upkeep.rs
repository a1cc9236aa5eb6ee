//! What is owed to files that are gone, and to those nobody goes on with.

use std::time::Duration;

use db::files::upkeep::{self, Owed};
use domain::file::Failure;
use kit::Stop;
use objects::UploadInParts;
use objects::keys::{self, BlobPart};
use tokio::time::{MissedTickBehavior, interval};

use crate::Deps;
use crate::strays::Strays;

const LOOK_EVERY: Duration = Duration::from_secs(2);
const BATCH: i64 = 20;
/// Nobody else takes what is being worked on: longer than deleting three objects takes.
const LEASE_S: f64 = 120.0;
const TRASH_BATCH: i64 = 500;
const STRAYS_EVERY: Duration = Duration::from_secs(6 * 3_600);

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            done = look(&deps) => done,
        };
        if let Err(error) = done {
            tracing::debug!(error = format!("{error:#}"), "what is owed to files waits");
        }
    }
}

async fn look(deps: &Deps) -> anyhow::Result<()> {
    while tidy(deps).await? > 0 {}
    let mut conn = deps.pool.acquire().await?;
    let is_our_turn = db::keeping::take_turn(&mut conn, "files", STRAYS_EVERY.as_secs_f64()).await?;
    drop(conn);
    if is_our_turn {
        empty_trash(deps).await?;
        let objects = sweep_strays(deps, crate::storage::STRAY_AGE).await?;
        if objects > 0 {
            tracing::info!(objects, "objects of files nobody knows of are gone");
        }
    }
    Ok(())
}

/// Ends what is overdue and deletes what is gone, a few of each. Returns how many those were. For tests; nodes do it all the time.
pub async fn tidy(deps: &Deps) -> anyhow::Result<usize> {
    let mut tx = db::begin(&deps.pool).await?;
    let overdue = upkeep::overdue(&mut tx, BATCH).await?;
    for (version, is_uploading) in &overdue {
        let failure = if *is_uploading { Failure::Expired } else { Failure::Internal };
        super::end(&mut tx, *version, failure).await?;
    }
    db::commit(tx).await?;
    let owed = upkeep::take_due(&mut *deps.pool.acquire().await?, BATCH, LEASE_S).await?;
    for one in &owed {
        if let Err(error) = settle(deps, one).await {
            tracing::warn!(blob.id = %one.blob, error = format!("{error:#}"), "objects of a file wait to be deleted");
        }
    }
    Ok(overdue.len() + owed.len())
}

async fn settle(deps: &Deps, owed: &Owed) -> anyhow::Result<()> {
    let upload = keys::blob(owed.blob, &owed.lock, BlobPart::Upload);
    if !owed.is_gone {
        // Ours is served.
        deps.objects.delete(&upload).await?;
        return Ok(upkeep::rest(&mut *deps.pool.acquire().await?, owed.blob).await?);
    }
    if let Some(id) = &owed.multipart {
        deps.objects.abort_parts(UploadInParts { key: &upload, id }).await?;
    }
    deps.objects.delete_prefix(&keys::blob_prefix(owed.blob)).await?;
    Ok(upkeep::erased(&mut *deps.pool.acquire().await?, owed.blob).await?)
}

async fn empty_trash(deps: &Deps) -> anyhow::Result<()> {
    let days = i32::try_from(deps.config.files.trash_days).unwrap_or(i32::MAX);
    loop {
        let mut tx = db::begin(&deps.pool).await?;
        let gone = upkeep::empty_trash(&mut tx, days, TRASH_BATCH).await?;
        db::commit(tx).await?;
        if gone < TRASH_BATCH.cast_unsigned() {
            return Ok(());
        }
    }
}

/// Deletes objects of blobs that have no row, once all of them are older than `age`: of accounts that are no more, and of work that was
/// going on while its file was taken away. Returns how many objects went.
pub async fn sweep_strays(deps: &Deps, age: Duration) -> anyhow::Result<u64> {
    let strays = Strays { folder: keys::FILES, of_folder: keys::blob_of_folder, prefix: keys::blob_prefix };
    strays.sweep(deps, age, upkeep::unknown).await
}
