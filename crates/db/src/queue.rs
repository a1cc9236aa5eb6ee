//! SQL on the job queue's own tables: what the queue library does not offer. Unchecked at compile time, since those
//! tables belong to the library's migrations; `jobs`' tests run every statement. Which queues are paused is a table of ours.

use domain::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Conn;
use crate::error::Result;

/// Taken by whoever adds to the library's tables.
const SCHEMA_LOCK: i64 = 0x7269_6c6c_6a6f_6273;

/// One row of the queue.
#[derive(Debug, Clone)]
pub struct QueueRow {
    pub id: String,
    pub queue: String,
    pub payload: Vec<u8>,
    /// `waiting`, `scheduled`, `running`, `failing`, `dead`, `cancelled` or `done`.
    pub state: String,
    pub attempts: i32,
    pub attempts_max: i32,
    pub run_at: Timestamp,
    /// When a worker took it last.
    pub taken_at: Option<Timestamp>,
    pub done_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// The columns of a [`QueueRow`], of jobs for which something holds.
macro_rules! jobs_where {
    ($rule:literal) => {
        concat!(
            "SELECT id, job_type, job, state, attempts, max_attempts, run_at, lock_at, done_at, last_error
               FROM (SELECT id, job_type, job, attempts, max_attempts, run_at, lock_at, done_at,
                            last_result ->> 'Err' AS last_error,
                            CASE WHEN status = 'Done' THEN 'done'
                                 WHEN status = 'Killed' THEN 'cancelled'
                                 WHEN status IN ('Running', 'Queued') THEN 'running'
                                 WHEN status = 'Failed' AND attempts >= max_attempts THEN 'dead'
                                 WHEN status = 'Failed' THEN 'failing'
                                 WHEN run_at > now() THEN 'scheduled'
                                 ELSE 'waiting' END AS state
                       FROM apalis.jobs
                      WHERE ",
            $rule,
            ") AS jobs"
        )
    };
}

fn row(row: PgRow) -> Result<QueueRow> {
    Ok(QueueRow {
        id: row.try_get("id")?,
        queue: row.try_get("job_type")?,
        payload: row.try_get("job")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        attempts_max: row.try_get("max_attempts")?,
        run_at: row.try_get("run_at")?,
        taken_at: row.try_get("lock_at")?,
        done_at: row.try_get("done_at")?,
        last_error: row.try_get("last_error")?,
    })
}

/// Adds to the library's tables what our own questions need: what is not done is found without what is.
pub async fn prepare(conn: &mut Conn) -> Result<()> {
    // One after another: two nodes that start together would both make it.
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SCHEMA_LOCK).execute(&mut *conn).await?;
    let index = "CREATE INDEX IF NOT EXISTS rillcast_jobs_open ON apalis.jobs (job_type, id) WHERE status <> 'Done'";
    sqlx::query(index).execute(conn).await?;
    Ok(())
}

/// How a queue stands.
#[derive(Debug, Clone)]
pub struct QueueSums {
    pub queue: String,
    pub waiting: i64,
    pub scheduled: i64,
    pub running: i64,
    pub failing: i64,
    pub dead: i64,
    /// Seconds since the first of those that wait became due.
    pub oldest_s: Option<f64>,
}

/// The sums of queues in which something is not done. The others are empty.
pub async fn sums(conn: &mut Conn, queues: &[&str]) -> Result<Vec<QueueSums>> {
    let rows = sqlx::query(concat!(
        "SELECT job_type,
                count(*) FILTER (WHERE state = 'waiting') AS waiting,
                count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
                count(*) FILTER (WHERE state = 'running') AS running,
                count(*) FILTER (WHERE state = 'failing') AS failing,
                count(*) FILTER (WHERE state = 'dead') AS dead,
                extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'waiting'))::float8 AS oldest_s
           FROM (",
        jobs_where!("job_type = ANY($1) AND status <> 'Done'"),
        ") AS open GROUP BY job_type"
    ))
    .bind(queues)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(QueueSums {
                queue: row.try_get("job_type")?,
                waiting: row.try_get("waiting")?,
                scheduled: row.try_get("scheduled")?,
                running: row.try_get("running")?,
                failing: row.try_get("failing")?,
                dead: row.try_get("dead")?,
                oldest_s: row.try_get("oldest_s")?,
            })
        })
        .collect()
}

/// Jobs, the newest first, after `before`. Those that are done only when that is the state asked for.
pub async fn page(
    conn: &mut Conn,
    queues: &[&str],
    state: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<QueueRow>> {
    const OPEN: &str = concat!(
        jobs_where!("job_type = ANY($1) AND status <> 'Done' AND ($3::text IS NULL OR id < $3)"),
        " WHERE $2::text IS NULL OR state = $2 ORDER BY id DESC LIMIT $4"
    );
    const DONE: &str = concat!(
        jobs_where!("job_type = ANY($1) AND status = 'Done' AND ($3::text IS NULL OR id < $3)"),
        " WHERE state = $2 ORDER BY id DESC LIMIT $4"
    );
    let statement = if state == Some("done") { DONE } else { OPEN };
    let rows = sqlx::query(statement).bind(queues).bind(state).bind(before).bind(limit).fetch_all(conn).await?;
    rows.into_iter().map(row).collect()
}

/// One job, held until the end of the transaction: no worker takes it meanwhile.
pub async fn hold(conn: &mut Conn, queues: &[&str], id: &str) -> Result<Option<QueueRow>> {
    const HELD: &str = jobs_where!("job_type = ANY($1) AND id = $2 FOR UPDATE");
    sqlx::query(HELD).bind(queues).bind(id).fetch_optional(conn).await?.map(row).transpose()
}

/// Makes a job that waits or failed due at once. What it has tried counts.
pub async fn run_now(conn: &mut Conn, id: &str) -> Result<()> {
    sqlx::query("UPDATE apalis.jobs SET run_at = now() - interval '1 second' WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a job out of its queue. It stays in the list, and can be put back.
pub async fn cancel(conn: &mut Conn, id: &str) -> Result<()> {
    let statement =
        "UPDATE apalis.jobs SET status = 'Killed', done_at = now(), lock_by = NULL, lock_at = NULL WHERE id = $1";
    sqlx::query(statement).bind(id).execute(conn).await?;
    Ok(())
}

/// Gives back what a worker that has ended had taken and not begun. Returns how many.
pub async fn release(conn: &mut Conn, worker: &str) -> Result<u64> {
    let statement = "UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL WHERE lock_by = $1 AND status = 'Queued'";
    Ok(sqlx::query(statement).bind(worker).execute(conn).await?.rows_affected())
}

/// A queue that is paused.
#[derive(Debug, Clone)]
pub struct PausedQueue {
    pub queue: String,
    /// A member's name as it was.
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

pub async fn paused(conn: &mut Conn) -> Result<Vec<PausedQueue>> {
    Ok(sqlx::query_as!(
        PausedQueue,
        r#"SELECT queue, paused_by AS "by", reason, paused_at AS "at" FROM paused_queues ORDER BY queue"#
    )
    .fetch_all(conn)
    .await?)
}

/// False when it is paused already.
pub async fn pause(conn: &mut Conn, queue: &str, by: &str, reason: &str) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO paused_queues (queue, paused_by, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        queue,
        by,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// False when it is not paused.
pub async fn resume(conn: &mut Conn, queue: &str) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM paused_queues WHERE queue = $1", queue).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Seconds since 1970 by the database's clock, by which jobs become due. Ours may differ.
pub async fn unix_seconds(conn: &mut Conn) -> Result<u64> {
    let seconds: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(conn).await?;
    Ok(u64::try_from(seconds).unwrap_or(0))
}

/// Keeps a job from being handed out for some seconds.
pub async fn postpone(conn: &mut Conn, id: &str, wait_s: i64) -> Result<()> {
    sqlx::query("UPDATE apalis.jobs SET run_at = now() + make_interval(secs => $2) WHERE id = $1")
        .bind(id)
        .bind(wait_s as f64)
        .execute(conn)
        .await?;
    Ok(())
}

/// Jobs by when they are due, the latest first.
pub async fn list(conn: &mut Conn, queues: &[&str], with_done: bool, limit: i64) -> Result<Vec<QueueRow>> {
    const LIST: &str =
        concat!(jobs_where!("job_type = ANY($1) AND ($2 OR status <> 'Done')"), " ORDER BY run_at DESC LIMIT $3");
    let rows = sqlx::query(LIST).bind(queues).bind(with_done).bind(limit).fetch_all(conn).await?;
    rows.into_iter().map(row).collect()
}

/// Gives a job that failed or was cancelled a fresh set of attempts, now. False when there is no such job.
pub async fn retry(conn: &mut Conn, queues: &[&str], id: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE apalis.jobs
            SET status = 'Pending', attempts = 0, run_at = now(), done_at = NULL, lock_by = NULL, lock_at = NULL
          WHERE job_type = ANY($1) AND id = $2 AND status IN ('Failed', 'Killed')",
    )
    .bind(queues)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many jobs wait or fail, for the lag metric.
pub async fn backlog(conn: &mut Conn, queues: &[&str]) -> Result<i64> {
    let row = sqlx::query(
        "SELECT count(*) AS waiting FROM apalis.jobs
          WHERE job_type = ANY($1) AND (status = 'Pending' OR (status = 'Failed' AND attempts < max_attempts))",
    )
    .bind(queues)
    .fetch_one(conn)
    .await?;
    Ok(row.try_get("waiting")?)
}

/// Drops jobs of a queue that were done a day ago, in bounded bites. Returns how many went.
pub async fn prune(conn: &mut Conn, queue: &str) -> Result<u64> {
    let done = sqlx::query(
        "DELETE FROM apalis.jobs
          WHERE id IN (SELECT id FROM apalis.jobs
                        WHERE job_type = $1 AND status = 'Done' AND done_at < now() - interval '1 day' LIMIT 5000)",
    )
    .bind(queue)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
