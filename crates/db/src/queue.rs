//! SQL on the job queue's own tables: what the queue library does not offer. Unchecked at compile time, since those
//! tables belong to the library's migrations; `jobs`' tests run every statement.

use domain::Timestamp;
use sqlx::Row;

use crate::Conn;
use crate::error::Result;

/// One row of the queue.
#[derive(Debug, Clone)]
pub struct QueueRow {
    pub id: String,
    pub payload: Vec<u8>,
    pub status: String,
    pub attempts: i32,
    pub attempts_max: i32,
    pub run_at: Timestamp,
    pub last_error: Option<String>,
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

pub async fn list(conn: &mut Conn, queues: &[&str], with_done: bool, limit: i64) -> Result<Vec<QueueRow>> {
    let rows = sqlx::query(
        "SELECT id, job, status, attempts, max_attempts, run_at, last_result ->> 'Err' AS last_error
           FROM apalis.jobs
          WHERE job_type = ANY($1) AND ($2 OR status <> 'Done')
          ORDER BY run_at DESC LIMIT $3",
    )
    .bind(queues)
    .bind(with_done)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(QueueRow {
                id: row.try_get("id")?,
                payload: row.try_get("job")?,
                status: row.try_get("status")?,
                attempts: row.try_get("attempts")?,
                attempts_max: row.try_get("max_attempts")?,
                run_at: row.try_get("run_at")?,
                last_error: row.try_get("last_error")?,
            })
        })
        .collect()
}

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
