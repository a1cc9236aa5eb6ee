//! SQL for files that become recordings: queueing one, the lease a node works under, and every way it may end.
//!
//! Whoever works on one says its fence with each word; a node that was away for too long finds that a higher one is at work. What an
//! import stores are the same rows as those of a recorded stream, see [`crate::recordings`].

use domain::event::Event;
use domain::import::{ATTEMPTS_MAX, Container, ImportFail, ImportState};
use domain::stream::VodStatus;
use domain::user::Username;
use domain::{Classify, Timestamp, UserId, Visibility, VodId};

use crate::error::{DbError, Result};
use crate::recordings::{self, Finalised, NewSegment, Rendition};
use crate::{Conn, outbox};

/// A file that is to become a recording.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub vod: VodId,
    pub channel: UserId,
    /// Cut to what a title may be; one that is empty becomes a plain word.
    pub title: &'a str,
    pub visibility: Visibility,
    /// An object of the bucket that stays as it is, outside the recording's own folder.
    pub source_key: &'a str,
    pub source_bytes: i64,
    /// By its first bytes.
    pub container: Container,
}

/// Makes the recording's row and queues the work.
pub async fn queue(conn: &mut Conn, new: &New<'_>) -> Result<()> {
    let id = new.vod.as_uuid();
    sqlx::query!(
        r#"
        INSERT INTO vods (vod_id, channel_id, title, status, object_prefix, created_at, visibility)
        VALUES ($1, $2, left(coalesce(nullif(trim($3::text), ''), 'Video'), 140), 'processing', $4, now(), $5)
        "#,
        id,
        new.channel.as_uuid(),
        new.title,
        format!("vod/{}/", new.vod),
        new.visibility.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO vod_imports (vod_id, source_key, source_bytes, container) VALUES ($1, $2, $3, $4)",
        id,
        new.source_key,
        new.source_bytes,
        new.container.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stops making it, for its owner. False when there is nothing to stop: it is there already, or has ended, or is somebody else's.
pub async fn cancel(conn: &mut Conn, vod: VodId, owner: UserId) -> Result<bool> {
    let stopped = sqlx::query!(
        r#"
        UPDATE vod_imports i
           SET state = 'cancelled', fail_code = $3, ended_at = now(), owes_cleanup = true
          FROM vods v
         WHERE i.vod_id = $1 AND v.vod_id = i.vod_id AND v.channel_id = $2 AND v.deleted_at IS NULL
           AND v.status = 'processing' AND i.state IN ('queued', 'running')
        "#,
        vod.as_uuid(),
        owner.as_uuid(),
        ImportFail::Cancelled.code(),
    )
    .execute(&mut *conn)
    .await?;
    if stopped.rows_affected() == 0 {
        return Ok(false);
    }
    set_failed(conn, vod, ImportFail::Cancelled).await?;
    Ok(true)
}

/// Queues it again after it failed or was cancelled, for its owner. False when it did neither, or what was stored before is still being
/// taken away.
pub async fn retry(conn: &mut Conn, vod: VodId, owner: UserId) -> Result<bool> {
    let queued = sqlx::query!(
        r#"
        UPDATE vod_imports i
           SET state = 'queued', fail_code = NULL, progress = 0, attempts = 0, node = NULL, lease_until = NULL,
               queued_at = now(), started_at = NULL, ended_at = NULL
          FROM vods v
         WHERE i.vod_id = $1 AND v.vod_id = i.vod_id AND v.channel_id = $2 AND v.deleted_at IS NULL
           AND v.status = 'failed' AND i.state IN ('failed', 'cancelled') AND NOT i.owes_cleanup
        "#,
        vod.as_uuid(),
        owner.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if queued.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE vods SET status = 'processing', fail_reason = NULL, duration_ms = 0, byte_size = 0 WHERE vod_id = $1",
        vod.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// A node's right to work on one import.
#[derive(Debug, Clone)]
pub struct Lease {
    pub vod: VodId,
    pub channel: UserId,
    pub fence: i64,
    pub source_key: String,
    pub source_bytes: i64,
    pub container: Container,
    /// Where it stood when it was taken: `queued` and `running` are to be made, of the others leftovers are to be taken away.
    pub state: ImportState,
    pub vod_status: VodStatus,
    /// Its owner deleted it.
    pub is_deleted: bool,
    /// This is one more beginning than there may be.
    pub is_worn_out: bool,
    pub created_at: Timestamp,
}

/// Takes the oldest import nobody works on, for `lease_s` seconds: of those whose recording plays already and lacks its lower renditions, or of
/// all others.
pub async fn take(conn: &mut Conn, node: &str, lease_s: f64, plays: bool) -> Result<Option<Lease>> {
    let row = sqlx::query!(
        r#"
        WITH due AS (
            SELECT d.vod_id, d.state
              FROM vod_imports d JOIN vods w ON w.vod_id = d.vod_id
             WHERE (d.state IN ('queued', 'running') OR d.owes_cleanup)
               AND (d.lease_until IS NULL OR d.lease_until <= now())
               AND (w.status = 'ready') = $3
             ORDER BY d.queued_at
             LIMIT 1
               FOR UPDATE OF d SKIP LOCKED)
        UPDATE vod_imports i
           SET state = CASE WHEN i.state = 'queued' THEN 'running' ELSE i.state END, node = $1, fence = i.fence + 1,
               attempts = i.attempts + CASE WHEN i.state IN ('queued', 'running') THEN 1 ELSE 0 END,
               started_at = coalesce(i.started_at, now()), lease_until = now() + make_interval(secs => $2)
          FROM due, vods v
         WHERE i.vod_id = due.vod_id AND v.vod_id = i.vod_id
        RETURNING i.vod_id, v.channel_id, i.fence, i.source_key, i.source_bytes, i.container, due.state, i.attempts,
                  v.status, v.deleted_at IS NOT NULL AS "is_deleted!", v.created_at
        "#,
        node,
        lease_s,
        plays,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Lease {
            vod: VodId::from_uuid(row.vod_id),
            channel: UserId::from_uuid(row.channel_id),
            fence: row.fence,
            source_key: row.source_key,
            source_bytes: row.source_bytes,
            container: Container::parse(&row.container).ok_or(DbError::Corrupt { what: "container" })?,
            state: ImportState::parse(&row.state).ok_or(DbError::Corrupt { what: "state of an import" })?,
            vod_status: VodStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "vod status" })?,
            is_deleted: row.is_deleted,
            is_worn_out: row.attempts > ATTEMPTS_MAX,
            created_at: row.created_at,
        })
    })
    .transpose()
}

/// What became of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Yes,
    /// The owner deleted the recording.
    Deleted,
    /// The owner cancelled it.
    Cancelled,
    /// Another node has it.
    Lost,
}

/// Keeps the lease for another `lease_s` seconds and says how far it is, in thousandths.
pub async fn renew(conn: &mut Conn, lease: &Lease, lease_s: f64, progress: i16) -> Result<Held> {
    let row = sqlx::query!(
        r#"
        UPDATE vod_imports i
           SET lease_until = now() + make_interval(secs => $3), progress = greatest(i.progress, $4)
          FROM vods v
         WHERE i.vod_id = $1 AND v.vod_id = i.vod_id AND i.fence = $2
        RETURNING i.state, v.deleted_at IS NOT NULL AS "is_deleted!"
        "#,
        lease.vod.as_uuid(),
        lease.fence,
        lease_s,
        progress,
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        None => Held::Lost,
        Some(row) if row.is_deleted => Held::Deleted,
        Some(row) if row.state == ImportState::Running.as_str() => Held::Yes,
        Some(_) => Held::Cancelled,
    })
}

/// Whether the node still has it, until the transaction ends. Nobody cancels it or takes it over in between.
async fn hold(conn: &mut Conn, lease: &Lease) -> Result<bool> {
    let held = sqlx::query!(
        "SELECT vod_id FROM vod_imports WHERE vod_id = $1 AND fence = $2 AND state = 'running' FOR NO KEY UPDATE",
        lease.vod.as_uuid(),
        lease.fence,
    )
    .fetch_optional(conn)
    .await?;
    Ok(held.is_some())
}

/// Forgets what an earlier beginning had stored and nobody has been shown. False when the lease is lost.
pub async fn begin(conn: &mut Conn, lease: &Lease) -> Result<bool> {
    if !hold(conn, lease).await? {
        return Ok(false);
    }
    forget(conn, lease.vod).await?;
    Ok(true)
}

/// The rows of what is not shown: of renditions that were never whole.
async fn forget(conn: &mut Conn, vod: VodId) -> Result<()> {
    sqlx::query!(
        r#"
        DELETE FROM vod_segments g
         WHERE g.vod_id = $1
           AND NOT EXISTS (SELECT FROM vod_renditions r WHERE r.vod_id = g.vod_id AND r.name = g.rendition)
        "#,
        vod.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes segments down that the bucket has. They are shown with their rendition. False when the lease is lost.
pub async fn add_segments(conn: &mut Conn, lease: &Lease, segments: &[NewSegment]) -> Result<bool> {
    if !hold(conn, lease).await? {
        return Ok(false);
    }
    recordings::insert_segments(conn, segments).await?;
    Ok(true)
}

/// Shows renditions that are whole. With the first of them the recording is ready, and those who follow its channel hear of it, once.
/// False when the lease is lost or the recording is gone.
pub async fn show(conn: &mut Conn, lease: &Lease, renditions: &[Rendition]) -> Result<bool> {
    if !hold(conn, lease).await? {
        return Ok(false);
    }
    for rendition in renditions {
        recordings::upsert_rendition(conn, lease.vod, rendition).await?;
    }
    let done = recordings::finalise(conn, lease.vod).await?;
    Ok(matches!(done, Finalised::Ready | Finalised::Refreshed))
}

/// It is all there. `note` says what is missing, if anything is: a code.
pub async fn finish(conn: &mut Conn, lease: &Lease, note: Option<ImportFail>) -> Result<bool> {
    if !hold(conn, lease).await? {
        return Ok(false);
    }
    forget(conn, lease.vod).await?;
    let done = sqlx::query!(
        r#"
        UPDATE vod_imports
           SET state = 'done', progress = 1000, lease_until = NULL, ended_at = now(), fail_code = $3
         WHERE vod_id = $1 AND fence = $2
        "#,
        lease.vod.as_uuid(),
        lease.fence,
        note.map(|note| note.code()),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It cannot be made. Its owner is told once, and what it had stored is to be taken away. False when the lease is lost.
pub async fn fail(conn: &mut Conn, lease: &Lease, why: ImportFail) -> Result<bool> {
    if !hold(conn, lease).await? {
        return Ok(false);
    }
    sqlx::query!(
        r#"
        UPDATE vod_imports SET state = 'failed', fail_code = $3, ended_at = now(), owes_cleanup = true
         WHERE vod_id = $1 AND fence = $2
        "#,
        lease.vod.as_uuid(),
        lease.fence,
        why.code(),
    )
    .execute(&mut *conn)
    .await?;
    set_failed(conn, lease.vod, why).await?;
    let username = sqlx::query_scalar!("SELECT username FROM users WHERE user_id = $1", lease.channel.as_uuid())
        .fetch_one(&mut *conn)
        .await?;
    let username = Username::parse(&username).map_err(|_| DbError::Corrupt { what: "username" })?;
    outbox::push(conn, &Event::VodFailed { vod_id: lease.vod, channel_id: lease.channel, username }).await?;
    Ok(true)
}

async fn set_failed(conn: &mut Conn, vod: VodId, why: ImportFail) -> Result<()> {
    let id = vod.as_uuid();
    sqlx::query!(
        r#"
        UPDATE vods SET status = 'failed', fail_reason = $2, duration_ms = 0, byte_size = 0, thumbnail_key = NULL
         WHERE vod_id = $1
        "#,
        id,
        why.code(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM vod_segments WHERE vod_id = $1", id).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM vod_renditions WHERE vod_id = $1", id).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM vod_sheets WHERE vod_id = $1", id).execute(conn).await?;
    Ok(())
}

/// What it had stored is gone.
pub async fn cleaned(conn: &mut Conn, lease: &Lease) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE vod_imports SET owes_cleanup = false, lease_until = NULL
         WHERE vod_id = $1 AND fence = $2 AND state IN ('failed', 'cancelled')
        "#,
        lease.vod.as_uuid(),
        lease.fence,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The recording was deleted and nothing more is stored of it from here on: what came in between goes as well.
pub async fn bury(conn: &mut Conn, lease: &Lease) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE vod_imports
           SET state = CASE WHEN state = 'done' THEN state ELSE 'cancelled' END, owes_cleanup = false, lease_until = NULL,
               ended_at = coalesce(ended_at, now())
         WHERE vod_id = $1 AND fence = $2
        "#,
        lease.vod.as_uuid(),
        lease.fence,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let prefix = sqlx::query_scalar!(
        r#"
        UPDATE vods
           SET status = CASE WHEN status = 'processing' THEN 'failed' ELSE status END,
               fail_reason = coalesce(fail_reason, CASE WHEN status = 'processing' THEN $2 END)
         WHERE vod_id = $1 AND deleted_at IS NOT NULL
        RETURNING object_prefix
        "#,
        lease.vod.as_uuid(),
        ImportFail::Cancelled.code(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(object_prefix) = prefix {
        outbox::push(conn, &Event::VodDeleted { vod_id: lease.vod, object_prefix }).await?;
    }
    Ok(true)
}

/// Gives it back: somebody takes it up in `wait_s` seconds. A beginning `is_counted` unless it was no fault of the file's.
pub async fn give_back(conn: &mut Conn, lease: &Lease, wait_s: f64, is_counted: bool) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE vod_imports
           SET state = CASE WHEN state = 'running' THEN 'queued' ELSE state END, node = NULL,
               lease_until = now() + make_interval(secs => $3),
               attempts = greatest(attempts - CASE WHEN $4 THEN 0 ELSE 1 END, 0)
         WHERE vod_id = $1 AND fence = $2 AND (state = 'running' OR owes_cleanup)
        "#,
        lease.vod.as_uuid(),
        lease.fence,
        wait_s,
        is_counted,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many wait for a node, and how many are worked on.
pub async fn waiting(conn: &mut Conn) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"
        SELECT count(*) FILTER (WHERE state = 'queued') AS "queued!", count(*) FILTER (WHERE state = 'running') AS "running!"
          FROM vod_imports
         WHERE state IN ('queued', 'running')
        "#,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.queued, row.running))
}
