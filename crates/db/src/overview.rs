//! SQL for the console: what is live, sums of everything, and the end of a stream by the staff.

use domain::stream::StreamStatus;
use domain::user::{Role, Username};
use domain::{StreamId, Timestamp, UserId};

use crate::error::{DbError, Result};
use crate::streams::Stream;
use crate::users::{Person, username};
use crate::{Conn, access};

/// A stream on air, whoever it is for.
#[derive(Debug, Clone)]
pub struct OnAir {
    pub stream: Stream,
    pub owner_role: Role,
    /// It is being ended.
    pub is_cut: bool,
}

/// What is on air, latest first.
pub async fn on_air(conn: &mut Conn, limit: i64) -> Result<Vec<OnAir>> {
    let rows = sqlx::query!(
        r#"
        SELECT s.visibility, s.stream_id, s.channel_id, u.username, u.display_name, u.avatar_key, u.role, s.title, s.description,
               s.category_slug, c.name AS "category_name?", s.tags, s.status, s.started_at, s.reconnect_until, s.peak_viewers,
               s.renditions_note, s.cut_at IS NOT NULL AS "is_cut!"
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
          LEFT JOIN categories c ON c.slug = s.category_slug
         WHERE s.status IN ('live', 'reconnecting')
         ORDER BY s.started_at DESC, s.stream_id DESC
         LIMIT $1
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(OnAir {
                owner_role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
                is_cut: row.is_cut,
                stream: Stream {
                    id: StreamId::from_uuid(row.stream_id),
                    channel: UserId::from_uuid(row.channel_id),
                    owner: Person {
                        username: row.username,
                        display_name: row.display_name,
                        avatar_key: row.avatar_key,
                    },
                    title: row.title,
                    description: row.description,
                    category: row.category_slug.zip(row.category_name),
                    tags: row.tags,
                    status: StreamStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "stream status" })?,
                    started_at: row.started_at,
                    ended_at: None,
                    reconnect_until: row.reconnect_until,
                    peak_viewers: row.peak_viewers,
                    renditions_note: row.renditions_note,
                    visibility: access::visibility(&row.visibility)?,
                },
            })
        })
        .collect()
}

/// A stream that is about to be cut, held until the end of the transaction.
#[derive(Debug, Clone)]
pub struct Held {
    pub channel: UserId,
    pub name: Username,
    pub role: Role,
    pub title: String,
    pub started_at: Timestamp,
    /// It is over, or is being cut.
    pub is_over: bool,
}

pub async fn hold(conn: &mut Conn, stream: StreamId) -> Result<Option<Held>> {
    let row = sqlx::query!(
        r#"
        SELECT s.channel_id, u.username, u.role, s.title, s.started_at,
               (s.status = 'ended' OR s.cut_at IS NOT NULL) AS "is_over!"
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
         WHERE s.stream_id = $1
           FOR NO KEY UPDATE OF s
        "#,
        stream.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Held {
            channel: UserId::from_uuid(row.channel_id),
            name: username(row.username)?,
            role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
            title: row.title,
            started_at: row.started_at,
            is_over: row.is_over,
        })
    })
    .transpose()
}

/// Ends a stream: its node hangs up at its next heartbeat. One that waits for its broadcaster waits no longer.
pub async fn cut(conn: &mut Conn, stream: StreamId) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE streams
           SET cut_at = now(),
               reconnect_until = CASE WHEN status = 'reconnecting' THEN now() ELSE reconnect_until END
         WHERE stream_id = $1
        "#,
        stream.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What there is of everything, and the bytes it takes up in the bucket.
#[derive(Debug, Clone)]
pub struct Sums {
    pub members: i64,
    pub suspended: i64,
    pub recordings: i64,
    pub clips: i64,
    pub files: i64,
    pub open_reports: i64,
    /// Payments whose proof waits for somebody's word.
    pub waiting_payments: i64,
    /// Of streams on air and what they have recorded so far.
    pub live_bytes: i64,
    pub recording_bytes: i64,
    /// Video files on their way to becoming recordings.
    pub import_bytes: i64,
    pub file_bytes: i64,
    pub attachment_bytes: i64,
}

/// Counts whole tables: to be kept for a while.
pub async fn sums(conn: &mut Conn) -> Result<Sums> {
    Ok(sqlx::query_as!(
        Sums,
        r#"
        SELECT u.members AS "members!", u.suspended AS "suspended!", v.recordings AS "recordings!", v.live_bytes AS "live_bytes!",
               v.recording_bytes AS "recording_bytes!",
               (SELECT count(*) FROM clips WHERE deleted_at IS NULL) AS "clips!",
               (SELECT count(*) FROM files WHERE trashed_at IS NULL) AS "files!",
               (SELECT count(*) FROM report_cases WHERE state = 'open' AND desk = 'site') AS "open_reports!",
               (SELECT count(*) FROM payments WHERE status = 'submitted') AS "waiting_payments!",
               (SELECT coalesce(sum(source_bytes), 0)::bigint FROM vod_imports WHERE state IN ('queued', 'running')) AS "import_bytes!",
               (SELECT coalesce(sum(stored_bytes), 0)::bigint FROM blobs WHERE state <> 'gone') AS "file_bytes!",
               (SELECT coalesce(sum(stored_bytes), 0)::bigint FROM attachments WHERE gone_at IS NULL) AS "attachment_bytes!"
          FROM (SELECT count(*) AS members, count(*) FILTER (WHERE is_barred) AS suspended FROM users) AS u,
               (SELECT count(*) FILTER (WHERE deleted_at IS NULL) AS recordings,
                       coalesce(sum(byte_size) FILTER (WHERE status = 'recording'), 0)::bigint AS live_bytes,
                       coalesce(sum(byte_size) FILTER (WHERE status <> 'recording'), 0)::bigint AS recording_bytes
                  FROM vods WHERE purged_at IS NULL) AS v
        "#,
    )
    .fetch_one(conn)
    .await?)
}

/// What a member takes up, in bytes.
#[derive(Debug, Clone)]
pub struct Taken {
    pub recording_bytes: i64,
    pub file_bytes: i64,
    pub attachment_bytes: i64,
}

pub async fn taken_by(conn: &mut Conn, user: UserId) -> Result<Taken> {
    Ok(sqlx::query_as!(
        Taken,
        r#"
        SELECT (SELECT coalesce(sum(byte_size), 0)::bigint FROM vods WHERE channel_id = $1 AND purged_at IS NULL) AS "recording_bytes!",
               (SELECT coalesce(sum(stored_bytes), 0)::bigint FROM blobs WHERE owner_id = $1 AND state <> 'gone') AS "file_bytes!",
               (SELECT coalesce(sum(stored_bytes), 0)::bigint FROM attachments WHERE user_id = $1 AND gone_at IS NULL) AS "attachment_bytes!"
        "#,
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}
