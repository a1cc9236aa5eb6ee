//! Files that members brought along become recordings.
//!
//! A node works on two imports at most, each under a lease that another takes over when it dies: one that cannot be played yet, and one that
//! can and lacks its lower renditions. So no film waits for another's renditions. The file is copied next to us, read by a child behind
//! walls, and its access units go through the packager live streams use into the bucket and the rows every recording has. What players
//! can play is passed on as it is. Nothing is shown before it is whole.
//!
//! Does not own the file, the decision to import it, or what a recording is once it is there.
//!
//! ```text
//! lease ▶ copy ▶ child: what is in it ▶ plan ▶ child: access units ▶ lay (times) ▶ packager (segments) ▶ store (bucket, rows) ▶ ready
//! ```

mod lay;
mod lower;
mod make;
mod packager;
mod plan;
mod scratch;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use db::imports::{self, Held, Lease};
use domain::Classify;
use domain::import::{ImportFail, ImportState};
use domain::stream::VodStatus;
use kit::retry::Backoff;
use kit::{Config, Stop};
use objects::keys;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use crate::worker::Admission;
use make::{Making, Stopped};
use scratch::Kept;

/// Nobody else takes an import for so long after its node was last heard of.
const LEASE: Duration = Duration::from_secs(10);
/// How often a node says that it is still at it, and hears whether it should be.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often an idle node looks for work.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From an import that cannot go on just now to its next beginning.
const WAIT: Duration = Duration::from_secs(15);

/// What importing takes.
pub(crate) struct ImportDeps {
    pub(crate) config: Arc<Config>,
    pub(crate) pool: db::Pool,
    pub(crate) objects: objects::Objects,
    pub(crate) node: String,
    pub(crate) exe: PathBuf,
    /// Live streams are served first.
    pub(crate) admission: Admission,
}

/// What of an import a lane is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Until it can be played.
    Source,
    /// What follows: its lower renditions and its pictures.
    Lower,
}

/// What the lanes of a node share.
struct Lanes {
    deps: ImportDeps,
    folder: PathBuf,
    /// What the first lane copied and the second goes on with.
    kept: Kept,
    /// Something can be played now and lacks the rest.
    handed_over: Notify,
}

/// Imports files until the stop.
pub(crate) async fn run(deps: ImportDeps, stop: Stop) {
    let folder = deps.config.data_dir.join("import");
    if let Err(error) = scratch::sweep(&folder) {
        tracing::warn!(%error, "what an earlier run copied is still there");
    }
    let lanes = Arc::new(Lanes { deps, folder, kept: Kept::default(), handed_over: Notify::new() });
    let mut tasks = JoinSet::new();
    for lane in [Lane::Source, Lane::Lower] {
        tasks.spawn(follow(Arc::clone(&lanes), lane, stop.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

async fn follow(lanes: Arc<Lanes>, lane: Lane, stop: Stop) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !stop.is_cancelled() {
        let wait = match take(&lanes.deps, lane).await {
            Ok(Some(lease)) => {
                backoff.reset();
                let span = tracing::info_span!("import", vod.id = %lease.vod);
                settle(&lanes, lease, &stop).instrument(span).await;
                continue;
            }
            Ok(None) => {
                backoff.reset();
                if lane == Lane::Lower {
                    // Another node goes on with it, or nobody.
                    lanes.kept.clear();
                }
                LOOK_EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "imports wait for the database");
                backoff.next_wait()
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = lanes.handed_over.notified(), if lane == Lane::Lower => {}
            () = sleep(wait) => {}
        }
    }
}

async fn take(deps: &ImportDeps, lane: Lane) -> Result<Option<Lease>, db::DbError> {
    let mut conn = deps.pool.acquire().await.map_err(db::DbError::from)?;
    imports::take(&mut conn, &deps.node, LEASE.as_secs_f64(), lane == Lane::Lower).await
}

/// Does what is to be done about one import, and writes down what came of it.
async fn settle(lanes: &Lanes, lease: Lease, stop: &Stop) {
    let began = Instant::now();
    let copy = lanes.kept.take(lease.vod);
    let mut end = if lease.is_deleted {
        Err(Stopped::Ended(Held::Deleted))
    } else if !matches!(lease.state, ImportState::Queued | ImportState::Running) {
        Err(Stopped::Ended(Held::Cancelled))
    } else if lease.is_worn_out {
        Err(Stopped::Failed(ImportFail::GaveUp))
    } else {
        Making::new(&lanes.deps, &lanes.folder, &lease, copy).run(stop).await
    };
    let is_handed_over = matches!(end, Err(Stopped::Plays(_)));
    if let Err(Stopped::Plays(copy)) = &mut end {
        lanes.kept.put(lease.vod, copy.take());
    }
    let outcome = match &end {
        Ok(()) => "done",
        Err(Stopped::Partly(_)) => "partly",
        Err(Stopped::Failed(_)) => "failed",
        Err(Stopped::Ended(Held::Lost)) => "lost",
        Err(Stopped::Ended(_)) => "cancelled",
        Err(Stopped::Plays(_)) => "plays",
        Err(Stopped::Waits { .. } | Stopped::Leaving) => "waits",
    };
    metrics::counter!("rillcast_imports_total", "outcome" => outcome).increment(1);
    match &end {
        Ok(()) => tracing::info!(took_ms = began.elapsed().as_millis(), "a file became a recording"),
        Err(Stopped::Partly(why)) => tracing::warn!(code = why.code(), "a recording has only its source's rendition"),
        Err(Stopped::Failed(why)) => tracing::warn!(code = why.code(), "a file does not become a recording"),
        Err(Stopped::Ended(held)) => tracing::info!(?held, "an import was stopped"),
        Err(Stopped::Plays(_)) => tracing::info!(took_ms = began.elapsed().as_millis(), "a file can be played"),
        Err(Stopped::Waits { reason, .. }) => tracing::warn!(reason, "an import waits"),
        Err(Stopped::Leaving) => tracing::info!("an import is given back"),
    }
    if let Err(error) = write_down(&lanes.deps, &lease, end).await {
        // The lease ends by itself, and whoever takes it finds the same.
        tracing::warn!(error = format!("{error:#}"), "what came of an import is not written down yet");
    }
    if is_handed_over {
        lanes.handed_over.notify_one();
    }
}

async fn write_down(deps: &ImportDeps, lease: &Lease, end: Result<(), Stopped>) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    let owed = match end {
        Ok(()) if imports::finish(&mut tx, lease, None).await? => Owed::Source,
        // What is there already stays.
        Err(Stopped::Partly(why)) if imports::finish(&mut tx, lease, Some(why)).await? => Owed::Source,
        Err(Stopped::Failed(why)) if lease.vod_status == VodStatus::Ready => {
            imports::finish(&mut tx, lease, Some(why)).await?;
            Owed::Source
        }
        Err(Stopped::Failed(why)) if imports::fail(&mut tx, lease, why).await? => Owed::Cleanup,
        Err(Stopped::Ended(Held::Cancelled)) => Owed::Cleanup,
        Err(Stopped::Ended(Held::Deleted)) => {
            imports::bury(&mut tx, lease).await?;
            Owed::Nothing
        }
        Err(Stopped::Waits { is_counted, .. }) => {
            imports::give_back(&mut tx, lease, WAIT.as_secs_f64(), is_counted).await?;
            Owed::Nothing
        }
        Err(Stopped::Leaving | Stopped::Plays(_)) => {
            imports::give_back(&mut tx, lease, 0.0, false).await?;
            Owed::Nothing
        }
        Ok(()) | Err(Stopped::Failed(_) | Stopped::Partly(_) | Stopped::Ended(Held::Lost | Held::Yes)) => Owed::Nothing,
    };
    db::commit(tx).await?;
    match owed {
        Owed::Nothing => {}
        // An operator's file is nobody else's.
        Owed::Source if lease.source_key == keys::import_source(lease.vod) => {
            deps.objects.delete(&lease.source_key).await?;
        }
        Owed::Source => {}
        Owed::Cleanup => {
            deps.objects.delete_prefix(&keys::vod_prefix(lease.vod)).await?;
            imports::cleaned(&mut *deps.pool.acquire().await?, lease).await?;
        }
    }
    Ok(())
}

/// What is left to be done in the bucket.
enum Owed {
    Nothing,
    Source,
    Cleanup,
}

/// What its metrics mean.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!("rillcast_imports_total", "Beginnings of files becoming recordings, by outcome.");
    metrics::describe_counter!("rillcast_import_readers_lost_total", "Children that died of a file.");
    metrics::describe_histogram!("rillcast_import_seconds", "From taking a file up to its recording being ready.");
}
