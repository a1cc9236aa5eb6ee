//! The queue: apalis on Postgres.
//!
//! A failed job waits longer after each attempt: the worker itself moves the job's `run_at`, since the storage would
//! hand it out again at once. A dead worker's jobs are taken over after three missed heartbeats.

use std::time::Duration;

use apalis::prelude::*;
use apalis_core::backend::ext::poll_strategy::Strategy;
use apalis_postgres::{Config as QueueConfig, PostgresStorage};
use kit::Stop;
use kit::retry::Backoff;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Deps;
use crate::job::Job;

pub(crate) const QUEUE: &str = "rillcast";
/// Members' own servers are slow or away as they please: their jobs wait for nobody else's, and nobody else's for them.
pub(crate) const WEBHOOKS: &str = "rillcast-webhooks";
/// Files take minutes, and hold up nobody's news.
pub(crate) const FILES: &str = "rillcast-files";
pub(crate) const QUEUES: [&str; 3] = [QUEUE, WEBHOOKS, FILES];
/// A worker that is silent for three of these is dead (reliability C6: within 20 s).
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
const HEARTBEATS_MISSED_MAX: usize = 3;
/// How often idle workers look for work.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How often each node looks which queues are paused: a pause is felt within this, on every node.
const PAUSES_EVERY: Duration = Duration::from_secs(2);
/// Jobs one process runs at a time.
const CONCURRENCY: usize = 4;
/// Files one process looks into at a time.
const FILES_CONCURRENCY: usize = 2;
/// Endpoints one process sends to at a time.
const WEBHOOKS_CONCURRENCY: usize = 16;
/// The queues' own connections to Postgres: fetching, acknowledging, heartbeat, listening.
const CONNECTIONS_MAX: u32 = 8;
/// Longest a message on its way to a member's server holds up the end of the process. It is sent again elsewhere.
const WEBHOOK_GRACE: Duration = Duration::from_secs(3);

/// The queue did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("the job queue did not answer")]
    Queue(#[from] apalis_postgres::Error),
    #[error("the job queue's tables could not be read")]
    Database(#[from] db::DbError),
    #[error("what the job began could not be undone")]
    Undo(#[source] anyhow::Error),
}

/// Creates or updates the queue's own tables.
pub async fn migrate(pool: &db::Pool) -> Result<(), JobError> {
    PostgresStorage::setup(pool).await?;
    let mut tx = db::begin(pool).await?;
    db::queue::prepare(&mut tx).await?;
    Ok(db::commit(tx).await?)
}

/// Which queue a job waits in.
const fn queue_of(job: &Job) -> &'static str {
    match job {
        Job::DeliverWebhook { .. } => WEBHOOKS,
        Job::ProcessFile { .. } => FILES,
        _ => QUEUE,
    }
}

/// Enqueues in the caller's transaction.
pub(crate) async fn push(conn: &mut db::Conn, jobs: Vec<Job>) -> Result<(), JobError> {
    // A second ago: what is due now must not wait for the next one.
    push_at(conn, jobs, -1).await
}

/// Enqueues in the caller's transaction what is to run so many seconds from now.
pub(crate) async fn push_in(conn: &mut db::Conn, job: Job, wait_s: u32) -> Result<(), JobError> {
    push_at(conn, vec![job], i64::from(wait_s)).await
}

async fn push_at(conn: &mut db::Conn, jobs: Vec<Job>, wait_s: i64) -> Result<(), JobError> {
    if jobs.is_empty() {
        return Ok(());
    }
    // By the clock it will be compared with: a node whose own is an hour ahead would have its jobs wait for an hour.
    let run_at = db::queue::unix_seconds(conn).await?.saturating_add_signed(wait_s);
    for queue in QUEUES {
        let tasks: Vec<_> = jobs
            .iter()
            .filter(|job| queue_of(job) == queue)
            .map(|job| {
                let args = serde_json::to_vec(job).expect("a job is plain JSON");
                TaskBuilder::new(args).max_attempts(job.attempts_max()).run_at_timestamp(run_at + job.wait_s()).build()
            })
            .collect();
        if !tasks.is_empty() {
            apalis_postgres::queries::push_tasks(conn, queue, tasks).await?;
        }
    }
    Ok(())
}

/// Runs a worker for each queue until the stop.
pub(crate) async fn work(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let pool = db::pool::beside(&deps.pool, CONNECTIONS_MAX);
    let (tell, pauses) = watch::channel(paused(&deps).await.unwrap_or_default());
    // A task for each: a worker looks for jobs whenever it is woken, and two in one task would wake each other for ever.
    let mut workers = JoinSet::new();
    for (queue, concurrency) in [(QUEUE, CONCURRENCY), (WEBHOOKS, WEBHOOKS_CONCURRENCY), (FILES, FILES_CONCURRENCY)] {
        let here = Here { queue, pool: pool.clone(), pauses: pauses.clone() };
        workers.spawn(work_on(here, concurrency, deps.clone(), stop.clone()));
    }
    workers.spawn(look_for_pauses(tell, deps, stop));
    while let Some(worker) = workers.join_next().await {
        worker?;
    }
    Ok(())
}

/// The queues that are paused. What is not known is told as an error.
async fn paused(deps: &Deps) -> Result<Vec<String>, db::DbError> {
    let mut conn = deps.pool.acquire().await?;
    Ok(db::queue::paused(&mut conn).await?.into_iter().map(|one| one.queue).collect())
}

/// Keeps this node's workers told. While the database is away what was known last holds.
async fn look_for_pauses(tell: watch::Sender<Vec<String>>, deps: Deps, stop: Stop) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(PAUSES_EVERY) => {}
        }
        match paused(&deps).await {
            Ok(found) => {
                _ = tell.send_if_modified(|known| {
                    *known != found && {
                        *known = found;
                        true
                    }
                })
            }
            Err(error) => tracing::debug!(%error, "which queues are paused is not known"),
        }
    }
}

/// What a worker of one queue works with.
#[derive(Clone)]
struct Here {
    queue: &'static str,
    pool: db::Pool,
    pauses: watch::Receiver<Vec<String>>,
}

impl Here {
    /// Resolves once the queue is, or is no longer, paused. Never when nobody tells any more.
    async fn until(&self, is_paused: bool) {
        let mut pauses = self.pauses.clone();
        let reached = pauses.wait_for(|known| known.iter().any(|one| one == self.queue) == is_paused).await.is_ok();
        if !reached {
            std::future::pending::<()>().await;
        }
    }
}

/// A worker that loses the database starts over under a new name. One whose queue is paused ends what it has begun, gives back what it
/// has not, and starts over when the queue goes on.
async fn work_on(here: Here, concurrency: usize, deps: Deps, stop: Stop) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = here.until(false) => {}
        }
        let name = format!("{}-{}", deps.node, kit::ids::random_token::<4>());
        let config = QueueConfig::default()
            .queue(here.queue)
            .batch_size(concurrency)
            .heartbeat_interval(HEARTBEAT_EVERY)
            .missed_heartbeats(HEARTBEATS_MISSED_MAX);
        let storage = PostgresStorage::<Job>::new(&here.pool)
            .with_config(config)
            .poll_with_strategy(Strategy::new().interval(POLL_EVERY));
        let worker = WorkerBuilder::new(name.as_str())
            .backend(storage)
            .concurrency(concurrency)
            .data(deps.clone())
            .data(Ending(stop.clone()))
            .build(perform);
        let (stopping, queue) = (stop.clone(), here.clone());
        let signal = async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = queue.until(true) => {}
            }
            Ok::<(), WorkerError>(())
        };
        match worker.run_until(signal).await {
            Ok(()) => backoff.reset(),
            Err(error) => tracing::warn!(%error, "job worker ended; starting another"),
        }
        if !stop.is_cancelled()
            && let Ok(mut conn) = deps.pool.acquire().await
            && let Err(error) = db::queue::release(&mut conn, &name).await
        {
            tracing::debug!(%error, "what a worker had taken is given back when it is missed");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff.next_wait()) => {}
        }
    }
}

/// Tells jobs that the process ends.
#[derive(Clone)]
struct Ending(Stop);

impl Ending {
    /// Resolves when such a job may take no longer.
    async fn of(&self, is_webhook: bool) {
        if !is_webhook {
            return std::future::pending().await;
        }
        self.0.cancelled().await;
        sleep(WEBHOOK_GRACE).await;
    }
}

/// One job: bounded in time, counted, and postponed when it fails.
async fn perform(
    job: Job,
    deps: Data<Deps>,
    ending: Data<Ending>,
    task: TaskId,
    attempt: Attempt,
) -> Result<(), BoxDynError> {
    let name = job.name();
    let started = tokio::time::Instant::now();
    let (is_webhook, id) = (queue_of(&job) == WEBHOOKS, task.to_string());
    let (run_max, attempts_max, again) = (job.run_max(), job.attempts_max(), job.clone());
    let outcome = tokio::select! {
        outcome = job.perform(&deps, &id) => outcome,
        () = sleep(run_max) => Err(anyhow::anyhow!("ran longer than {} s", run_max.as_secs())),
        () = ending.of(is_webhook) => Err(anyhow::anyhow!("the process ends; it goes on elsewhere")),
    };
    metrics::histogram!("rillcast_job_seconds", "job" => name).record(started.elapsed().as_secs_f64());
    metrics::counter!("rillcast_jobs_total", "job" => name, "ok" => outcome.is_ok().to_string()).increment(1);
    let Err(error) = outcome else { return Ok(()) };
    let attempts = attempt.current();
    let wait_s = wait_after(attempts);
    tracing::warn!(job = name, attempts, wait_s, error = format!("{error:#}"), "job failed");
    if attempts >= attempts_max
        && let Err(error) = again.give_up(&deps).await
    {
        tracing::warn!(job = name, error = format!("{error:#}"), "what a job began is undone later");
    }
    if let Ok(mut conn) = deps.pool.acquire().await {
        let _kept_where_it_was = db::queue::postpone(&mut conn, &id, wait_s).await;
    }
    Err(error.into())
}

/// Seconds until the next attempt: 2, 4, 8 ... capped at two hours.
fn wait_after(attempts: usize) -> i64 {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).clamp(1, 13);
    2_i64.pow(doublings).min(7_200)
}

/// How many jobs wait or fail.
pub(crate) async fn backlog(conn: &mut db::Conn) -> Result<i64, JobError> {
    Ok(db::queue::backlog(conn, &QUEUES).await?)
}

/// Drops the rows of jobs that were done a day ago, in bounded bites.
pub(crate) async fn prune(conn: &mut db::Conn) -> Result<u64, JobError> {
    let mut gone = 0;
    for queue in QUEUES {
        gone += db::queue::prune(conn, queue).await?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_hours() {
        assert_eq!([1, 2, 3].map(wait_after), [2, 4, 8]);
        assert_eq!(wait_after(25), 7_200);
    }
}
