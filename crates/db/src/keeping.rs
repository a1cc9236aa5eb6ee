//! SQL for what becomes of recordings once they are made: how long they are kept, how much room they may take, whether the
//! bucket still has what the rows say, and what is left of deleted ones.

use std::collections::BTreeSet;

use domain::audit::{Action, Actor};
use domain::event::Event;
use domain::user::Username;
use domain::{StreamId, Timestamp, UserId, VodId};
use uuid::Uuid;

use crate::audit::{self, Entry};
use crate::error::{DbError, Result};
use crate::{Conn, outbox};

/// A recording is compared with the bucket at the earliest this long after it was completed: late nodes may still add to it.
const CHECK_AFTER_S: f64 = 600.0;

/// Takes a turn at a round of upkeep. `false` when somebody did within the last `every_s` seconds.
pub async fn take_turn(conn: &mut Conn, name: &str, every_s: f64) -> Result<bool> {
    let taken = sqlx::query_scalar!(
        r#"
        INSERT INTO upkeep_turns (name, taken_at) VALUES ($1, now())
        ON CONFLICT (name) DO UPDATE SET taken_at = now()
         WHERE upkeep_turns.taken_at <= now() - make_interval(secs => $2)
        RETURNING name
        "#,
        name,
        every_s,
    )
    .fetch_optional(conn)
    .await?;
    Ok(taken.is_some())
}

/// Deletes recordings that were kept long enough, at most `limit` of them, and tells so. `keep_days` is the site's rule;
/// channels may have their own. 0 keeps for ever.
pub async fn expire(conn: &mut Conn, keep_days: i32, limit: i64) -> Result<Vec<VodId>> {
    let rows = sqlx::query!(
        r#"
        WITH due AS (
        SELECT v.vod_id
          FROM vods v
          JOIN channels c ON c.channel_id = v.channel_id
         WHERE v.deleted_at IS NULL AND v.status NOT IN ('recording', 'processing') AND coalesce(c.keep_days, $1) > 0
           AND coalesce(v.ready_at, v.created_at) < now() - make_interval(days => coalesce(c.keep_days, $1))
         LIMIT $2
           FOR UPDATE OF v SKIP LOCKED
        )
        UPDATE vods SET deleted_at = now() FROM due WHERE vods.vod_id = due.vod_id
        RETURNING vods.vod_id, vods.object_prefix, vods.title, vods.channel_id
        "#,
        keep_days,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut gone = Vec::with_capacity(rows.len());
    for row in rows {
        let vod_id = VodId::from_uuid(row.vod_id);
        outbox::push(conn, &Event::VodDeleted { vod_id, object_prefix: row.object_prefix }).await?;
        let entry = Entry {
            member: Some(UserId::from_uuid(row.channel_id)),
            ..Entry::new(Actor::Worker("recordings"), Action::VodExpired, vod_id, &row.title)
        };
        audit::write(conn, entry).await?;
        gone.push(vod_id);
    }
    Ok(gone)
}

/// Room a channel's recordings take, and may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub used_bytes: i64,
    /// 0: no limit.
    pub quota_bytes: i64,
    /// Days recordings are kept; 0: for ever.
    pub keep_days: i32,
}

impl Room {
    pub const fn is_full(&self) -> bool {
        self.quota_bytes > 0 && self.used_bytes >= self.quota_bytes
    }
}

/// How much room a channel has, by the site's rules for its owner's plan, and its own.
pub async fn room(conn: &mut Conn, channel: UserId, site: ([i64; 3], i32)) -> Result<Option<Room>> {
    Ok(sqlx::query_as!(
        Room,
        r#"
        SELECT coalesce((SELECT sum(v.byte_size) FROM vods v
                          WHERE v.channel_id = c.channel_id AND v.deleted_at IS NULL), 0)::bigint AS "used_bytes!",
               coalesce(c.quota_bytes, plan_share(c.channel_id, $2)) AS "quota_bytes!", coalesce(c.keep_days, $3) AS "keep_days!"
          FROM channels c
         WHERE c.channel_id = $1
        "#,
        channel.as_uuid(),
        &site.0[..],
        site.1,
    )
    .fetch_optional(conn)
    .await?)
}

/// The same for the channel a stream belongs to, and whether its recording was stopped already.
pub async fn room_of_stream(conn: &mut Conn, stream: StreamId, rooms: [i64; 3]) -> Result<Option<(Room, bool)>> {
    let row = sqlx::query!(
        "SELECT channel_id, stop_reason IS NOT NULL AS \"is_stopped!\" FROM vods WHERE stream_id = $1",
        stream.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let room = room(conn, UserId::from_uuid(row.channel_id), (rooms, 0)).await?;
    Ok(room.map(|room| (room, row.is_stopped)))
}

/// Writes down that a recording stopped because its channel's room is full, and tells its owner, once.
pub async fn stop_for_quota(conn: &mut Conn, stream: StreamId) -> Result<bool> {
    let row = sqlx::query!(
        r#"
        UPDATE vods v SET stop_reason = 'quota'
          FROM users u
         WHERE v.stream_id = $1 AND u.user_id = v.channel_id AND v.status = 'recording' AND v.stop_reason IS NULL
        RETURNING v.channel_id, u.username
        "#,
        stream.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let username = Username::parse(&row.username).map_err(|_| DbError::Corrupt { what: "username" })?;
    let channel_id = UserId::from_uuid(row.channel_id);
    outbox::push(conn, &Event::RecordingStopped { stream_id: stream, channel_id, username }).await?;
    Ok(true)
}

/// Sets a channel's own rules. `None` goes back to the site's. False when there is no such channel.
pub async fn set_rules(
    conn: &mut Conn,
    username: &str,
    keep_days: Option<i32>,
    quota_bytes: Option<i64>,
) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE channels SET keep_days = $2, quota_bytes = $3
          FROM users u
         WHERE u.user_id = channels.channel_id AND u.username = $1
        "#,
        username,
        keep_days,
        quota_bytes,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes recordings whose objects were not compared with their rows for `every_s` seconds, so that nobody else does.
pub async fn claim_checks(conn: &mut Conn, every_s: f64, limit: i64) -> Result<Vec<VodId>> {
    let rows = sqlx::query_scalar!(
        r#"
        WITH due AS (
        SELECT vod_id
          FROM vods
         WHERE status NOT IN ('recording', 'processing') AND deleted_at IS NULL
           AND coalesce(ready_at, created_at) < now() - make_interval(secs => least($1::float8, $3::float8))
           AND (checked_at IS NULL OR checked_at <= now() - make_interval(secs => $1::float8))
         ORDER BY checked_at NULLS FIRST
         LIMIT $2
           FOR UPDATE SKIP LOCKED
        )
        UPDATE vods SET checked_at = now() FROM due WHERE vods.vod_id = due.vod_id RETURNING vods.vod_id
        "#,
        every_s,
        limit,
        CHECK_AFTER_S,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(VodId::from_uuid).collect())
}

/// A segment's row, as far as a comparison with the bucket goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    pub rendition: String,
    pub seq: i64,
    pub init_key: String,
    pub object_key: String,
    pub byte_size: i64,
    pub is_missing: bool,
}

/// All segments of a recording, those that are missing included.
pub async fn shelved(conn: &mut Conn, vod_id: VodId) -> Result<Vec<Shelved>> {
    Ok(sqlx::query_as!(
        Shelved,
        "SELECT rendition, seq, init_key, object_key, byte_size, is_missing FROM vod_segments WHERE vod_id = $1",
        vod_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?)
}

/// What the owner reads when nothing is left of a recording.
const ALL_MISSING: &str = "its media is gone from the storage";

/// Writes down which segments the bucket has lost and which it has again. A recording nothing is left of has failed, and
/// is ready again when something comes back.
pub async fn mark_missing(conn: &mut Conn, vod_id: VodId, lost: &[String], found: &[String]) -> Result<()> {
    let id = vod_id.as_uuid();
    for (keys, is_missing) in [(lost, true), (found, false)] {
        sqlx::query!(
            "UPDATE vod_segments SET is_missing = $3 WHERE vod_id = $1 AND object_key = ANY($2)",
            id,
            keys,
            is_missing,
        )
        .execute(&mut *conn)
        .await?;
    }
    let failed = sqlx::query!(
        r#"
        UPDATE vods v
           SET status = CASE WHEN rest.have THEN 'ready' ELSE 'failed' END,
               fail_reason = CASE WHEN rest.have THEN NULL ELSE $2 END
          FROM (SELECT EXISTS (SELECT 1 FROM vod_segments WHERE vod_id = $1 AND NOT is_missing) AS have) rest, users u
         WHERE v.vod_id = $1 AND u.user_id = v.channel_id
           AND (v.status = 'ready' AND NOT rest.have OR v.status = 'failed' AND rest.have AND v.fail_reason = $2)
        RETURNING v.channel_id, u.username, v.status = 'failed' AS "is_failed!"
        "#,
        id,
        ALL_MISSING,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = failed.filter(|row| row.is_failed) else { return Ok(()) };
    let username = Username::parse(&row.username).map_err(|_| DbError::Corrupt { what: "username" })?;
    outbox::push(conn, &Event::VodFailed { vod_id, channel_id: UserId::from_uuid(row.channel_id), username }).await
}

/// Deleted recordings of which something may be left: their job has had `grace_s` seconds, and nobody records them any more.
pub async fn unpurged(conn: &mut Conn, grace_s: f64, limit: i64) -> Result<Vec<(VodId, String)>> {
    let rows = sqlx::query!(
        r#"
        SELECT vod_id, object_prefix
          FROM vods
         WHERE deleted_at < now() - make_interval(secs => $1) AND purged_at IS NULL AND status NOT IN ('recording', 'processing')
         ORDER BY deleted_at
         LIMIT $2
        "#,
        grace_s,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (VodId::from_uuid(row.vod_id), row.object_prefix)).collect())
}

/// A deleted recording's objects are gone: the rows of its segments and pictures go too. The recording's own row stays, for its number of views
/// and for whoever asks.
pub async fn purge(conn: &mut Conn, vod_id: VodId) -> Result<()> {
    let id = vod_id.as_uuid();
    let gone = sqlx::query!("UPDATE vods SET purged_at = now() WHERE vod_id = $1 AND deleted_at IS NOT NULL", id)
        .execute(&mut *conn)
        .await?;
    if gone.rows_affected() == 1 {
        sqlx::query!("DELETE FROM vod_segments WHERE vod_id = $1", id).execute(&mut *conn).await?;
        sqlx::query!("DELETE FROM vod_renditions WHERE vod_id = $1", id).execute(&mut *conn).await?;
        sqlx::query!("DELETE FROM vod_sheets WHERE vod_id = $1", id).execute(conn).await?;
    }
    Ok(())
}

/// Those of the given recordings that have no row at all.
pub async fn unknown(conn: &mut Conn, vods: &[VodId]) -> Result<BTreeSet<VodId>> {
    let ids: Vec<Uuid> = vods.iter().map(|vod| vod.as_uuid()).collect();
    let known = sqlx::query_scalar!("SELECT vod_id FROM vods WHERE vod_id = ANY($1)", &ids).fetch_all(conn).await?;
    let known: BTreeSet<VodId> = known.into_iter().map(VodId::from_uuid).collect();
    Ok(vods.iter().copied().filter(|vod| !known.contains(vod)).collect())
}

/// A recording an operator should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub vod_id: VodId,
    pub username: String,
    pub status: String,
    pub fail_reason: Option<String>,
    pub stop_reason: Option<String>,
    pub stream_ended_at: Option<Timestamp>,
    pub missing_segments: i64,
    /// Deleted, and not everything of it is known to be gone.
    pub is_unpurged: bool,
}

/// Recordings that are not as they should be: unfinished though their stream is over, failed, stopped, with segments the
/// bucket has lost, or deleted and not gone.
pub async fn findings(conn: &mut Conn, limit: i64) -> Result<Vec<Finding>> {
    let rows = sqlx::query!(
        r#"
        SELECT v.vod_id, u.username, v.status, v.fail_reason, v.stop_reason, s.ended_at AS "ended_at?", m.missing AS "missing!",
               (v.deleted_at IS NOT NULL AND v.purged_at IS NULL) AS "is_unpurged!"
          FROM vods v
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          JOIN users u ON u.user_id = v.channel_id
         CROSS JOIN LATERAL (SELECT count(*) AS missing FROM vod_segments g WHERE g.vod_id = v.vod_id AND g.is_missing) m
         WHERE v.deleted_at IS NULL
           AND (v.status = 'recording' AND s.status = 'ended' OR v.status = 'failed' OR v.stop_reason IS NOT NULL
                OR m.missing > 0)
            OR v.deleted_at IS NOT NULL AND v.purged_at IS NULL
         ORDER BY v.created_at DESC
         LIMIT $1
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Finding {
            vod_id: VodId::from_uuid(row.vod_id),
            username: row.username,
            status: row.status,
            fail_reason: row.fail_reason,
            stop_reason: row.stop_reason,
            stream_ended_at: row.ended_at,
            missing_segments: row.missing,
            is_unpurged: row.is_unpurged,
        })
        .collect())
}
