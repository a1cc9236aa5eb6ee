//! SQL for what a recording consists of: its renditions and segments, its completion, and what playback reads.
//!
//! Segment rows arrive while the stream runs, each after the bucket has confirmed its object, so whatever is listed here
//! can be fetched. Titles, views and deletion of recordings belong to [`crate::vods`].

use domain::event::Event;
use domain::stream::{StreamStatus, VodStatus};
use domain::user::Username;
use domain::{StreamId, Timestamp, UserId, Visibility, VodId};
use uuid::Uuid;

use crate::error::{DbError, Result};
use crate::{Conn, access, outbox};

/// A recording without any spool we know of is closed from its rows this long after its stream ended.
const ORPHAN_AFTER_S: f64 = 60.0;
/// Rows one sweep looks at, so that its transaction stays short.
const SWEEP_ROWS_MAX: i64 = 100;

/// Where a stream and its recording stand, as far as a recorder cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    pub status: StreamStatus,
    /// Grows with each accepted publish; the first has 1.
    pub epoch: i32,
    pub vod_id: VodId,
    pub vod_status: VodStatus,
    pub is_deleted: bool,
    /// The reconnect window is over, though nobody has written that down yet.
    pub is_window_over: bool,
}

/// Where a stream stands. `None` when it, or its recording, is gone.
pub async fn stream_state(conn: &mut Conn, stream_id: StreamId) -> Result<Option<StreamState>> {
    let row = sqlx::query!(
        r#"
        SELECT s.status, s.epoch, v.vod_id, v.status AS vod_status, v.deleted_at IS NOT NULL AS "is_deleted!",
               coalesce(s.reconnect_until <= now(), false) AS "is_window_over!"
          FROM streams s
          JOIN vods v ON v.stream_id = s.stream_id
         WHERE s.stream_id = $1
        "#,
        stream_id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(StreamState {
            status: StreamStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "stream status" })?,
            epoch: row.epoch,
            vod_id: VodId::from_uuid(row.vod_id),
            vod_status: VodStatus::parse(&row.vod_status).ok_or(DbError::Corrupt { what: "recording status" })?,
            is_deleted: row.is_deleted,
            is_window_over: row.is_window_over,
        })
    })
    .transpose()
}

/// Ends a stream whose reconnect window is over and tells so, once. `false` when somebody was faster or it goes on.
///
/// The same rule as [`crate::publish::sweep`], for one stream: a broadcaster who returns moves `reconnect_until`, and
/// the update sees that even when it had to wait for him.
pub async fn end_if_expired(conn: &mut Conn, stream_id: StreamId) -> Result<bool> {
    let row = sqlx::query!(
        r#"
        UPDATE streams s
           SET status = 'ended', ended_at = now(), reconnect_until = NULL, end_reason = 'window_over'
          FROM users u
         WHERE s.stream_id = $1 AND u.user_id = s.channel_id
           AND s.status = 'reconnecting' AND s.reconnect_until <= now()
           AND NOT EXISTS (SELECT 1 FROM publishes p WHERE p.stream_id = s.stream_id AND p.ended_at IS NULL)
        RETURNING s.channel_id, u.username
        "#,
        stream_id.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let (channel_id, username) = (UserId::from_uuid(row.channel_id), username(&row.username)?);
    outbox::push(conn, &Event::StreamOffline { stream_id, channel_id, username }).await?;
    Ok(true)
}

/// Notes for the broadcaster which lower renditions the machine decided on, and why. `None` clears it.
pub async fn set_renditions_note(conn: &mut Conn, stream_id: StreamId, note: Option<&str>) -> Result<()> {
    sqlx::query!("UPDATE streams SET renditions_note = $2 WHERE stream_id = $1", stream_id.as_uuid(), note)
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenditionKind {
    Video,
    Audio,
}

impl RenditionKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "video" => Some(Self::Video),
            "audio" => Some(Self::Audio),
            _ => None,
        }
    }
}

/// One rendition of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    pub name: String,
    pub kind: RenditionKind,
    /// As in `EXT-X-STREAM-INF:CODECS`.
    pub codecs: String,
    pub width: Option<i32>,
    pub height: Option<i32>,
    /// Frames per 1,000 seconds: 29.97 is 29970.
    pub frame_rate_mhz: Option<i64>,
    pub channels: Option<i32>,
    pub sample_rate: Option<i32>,
}

/// Writes a rendition down, or what became of it after a reconnect.
pub async fn upsert_rendition(conn: &mut Conn, vod_id: VodId, rendition: &Rendition) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO vod_renditions (vod_id, name, kind, codecs, width, height, frame_rate_mhz, channels, sample_rate)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (vod_id, name) DO UPDATE
           SET codecs = excluded.codecs, width = excluded.width, height = excluded.height,
               frame_rate_mhz = excluded.frame_rate_mhz, channels = excluded.channels,
               sample_rate = excluded.sample_rate
        "#,
        vod_id.as_uuid(),
        rendition.name,
        rendition.kind.as_str(),
        rendition.codecs,
        rendition.width,
        rendition.height,
        rendition.frame_rate_mhz,
        rendition.channels,
        rendition.sample_rate,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One segment whose object the bucket has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSegment {
    pub vod_id: VodId,
    pub rendition: String,
    /// The media sequence number it had live.
    pub seq: i64,
    pub is_discontinuity: bool,
    pub is_independent: bool,
    pub init_key: String,
    pub object_key: String,
    pub byte_size: i64,
    pub duration_us: i64,
    pub program_at: Timestamp,
    /// Presentation time of its first sample on the stream's media clock, in microseconds.
    pub starts_at_us: Option<i64>,
    /// Bytes from its start to the end of its first picture, if that is a key frame.
    pub iframe_bytes: Option<i64>,
    pub sha256: [u8; 32],
}

/// Writes segments down. Those that are there already stay as they are; those of a recording whose row is gone are
/// passed over.
pub async fn insert_segments(conn: &mut Conn, segments: &[NewSegment]) -> Result<u64> {
    let vods: Vec<Uuid> = segments.iter().map(|segment| segment.vod_id.as_uuid()).collect();
    let renditions: Vec<String> = segments.iter().map(|segment| segment.rendition.clone()).collect();
    let seqs: Vec<i64> = segments.iter().map(|segment| segment.seq).collect();
    let discontinuities: Vec<bool> = segments.iter().map(|segment| segment.is_discontinuity).collect();
    let independents: Vec<bool> = segments.iter().map(|segment| segment.is_independent).collect();
    let inits: Vec<String> = segments.iter().map(|segment| segment.init_key.clone()).collect();
    let keys: Vec<String> = segments.iter().map(|segment| segment.object_key.clone()).collect();
    let sizes: Vec<i64> = segments.iter().map(|segment| segment.byte_size).collect();
    let durations: Vec<i64> = segments.iter().map(|segment| segment.duration_us).collect();
    let times: Vec<Timestamp> = segments.iter().map(|segment| segment.program_at).collect();
    let starts: Vec<Option<i64>> = segments.iter().map(|segment| segment.starts_at_us).collect();
    let iframes: Vec<Option<i64>> = segments.iter().map(|segment| segment.iframe_bytes).collect();
    let hashes: Vec<Vec<u8>> = segments.iter().map(|segment| segment.sha256.to_vec()).collect();
    let done = sqlx::query!(
        r#"
        WITH fresh AS (
        INSERT INTO vod_segments (vod_id, rendition, seq, is_discontinuity, is_independent, init_key, object_key,
                                  byte_size, duration_us, program_at, starts_at_us, iframe_bytes, sha256)
        SELECT n.*
          FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bool[], $5::bool[], $6::text[], $7::text[],
                      $8::bigint[], $9::bigint[], $10::timestamptz[], $11::bigint[], $12::bigint[], $13::bytea[])
               AS n (vod_id, rendition, seq, is_discontinuity, is_independent, init_key, object_key, byte_size,
                     duration_us, program_at, starts_at_us, iframe_bytes, sha256)
          JOIN vods v ON v.vod_id = n.vod_id AND v.purged_at IS NULL
        ON CONFLICT (vod_id, rendition, seq) DO NOTHING
        RETURNING vod_id, rendition, byte_size, duration_us
        ), grown AS (
        SELECT f.vod_id, sum(f.byte_size)::bigint AS bytes,
               coalesce(sum(f.duration_us) FILTER (WHERE f.rendition = lead.name), 0)::bigint / 1000 AS ms
          FROM fresh f
          CROSS JOIN LATERAL (
               SELECT CASE WHEN EXISTS (SELECT 1 FROM vod_renditions r WHERE r.vod_id = f.vod_id AND r.name = 'source')
                           THEN 'source' ELSE 'audio' END AS name) lead
         GROUP BY f.vod_id
        ), told AS (
        UPDATE vods v
           SET duration_ms = v.duration_ms + grown.ms, byte_size = v.byte_size + grown.bytes
          FROM grown
         WHERE v.vod_id = grown.vod_id AND v.status = 'recording'
        )
        SELECT count(*) AS "written!" FROM fresh
        "#,
        &vods,
        &renditions,
        &seqs,
        &discontinuities,
        &independents,
        &inits,
        &keys,
        &sizes,
        &durations,
        &times,
        &starts as &[Option<i64>],
        &iframes as &[Option<i64>],
        &hashes,
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(done.written).unwrap_or(0))
}

/// What is stored of a recording so far, for a node that goes on with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// The highest sequence number stored, if any.
    pub seq_max: Option<i64>,
    /// Discontinuities so far, in the rendition that has most.
    pub discontinuities: i64,
    /// The highest init segment in use, if any.
    pub init_max: Option<i64>,
}

pub async fn extent(conn: &mut Conn, vod_id: VodId) -> Result<Extent> {
    let row = sqlx::query!(
        r#"
        SELECT max(seq_max) AS seq_max, max(discontinuities) AS discontinuities, max(init_max) AS init_max
          FROM (SELECT max(seq) AS seq_max, count(*) FILTER (WHERE is_discontinuity) AS discontinuities,
                       max(substring(init_key FROM 'init(\d{1,9})\.mp4$')::bigint) AS init_max
                  FROM vod_segments
                 WHERE vod_id = $1
                 GROUP BY rendition) per_rendition
        "#,
        vod_id.as_uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(Extent { seq_max: row.seq_max, discontinuities: row.discontinuities.unwrap_or(0), init_max: row.init_max })
}

/// Notes that the recording has a picture. The first call wins.
pub async fn set_thumbnail(conn: &mut Conn, vod_id: VodId, key: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE vods SET thumbnail_key = $2 WHERE vod_id = $1 AND thumbnail_key IS NULL",
        vod_id.as_uuid(),
        key,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What [`finalise`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalised {
    /// The recording became ready now, and its owner's followers will hear of it.
    Ready,
    /// It was ready before; its length and size are right again.
    Refreshed,
    /// Nothing of it is stored, and nobody here knows more: its owner sees why.
    Waiting,
    /// Nothing was ever recorded: the row is gone and its leftovers in the bucket will go.
    Empty,
    /// Its owner deleted it while it was made: whatever was stored since will go.
    Deleted,
    /// There is no such recording.
    Missing,
}

/// What the owner reads while nothing of a recording has come.
const NOTHING_STORED: &str = "nothing of it has reached the storage";

/// Closes a recording nobody closed, by what is stored of it. Its node may come back with more: of one nothing is stored of,
/// the row stays, and it becomes ready when something arrives.
pub async fn close_orphan(conn: &mut Conn, vod_id: VodId) -> Result<Finalised> {
    let is_open = sqlx::query_scalar!(
        "SELECT status = 'recording' AS \"is_open!\" FROM vods WHERE vod_id = $1 FOR UPDATE",
        vod_id.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    match is_open {
        None => return Ok(Finalised::Missing),
        // Somebody was faster.
        Some(false) => return Ok(Finalised::Refreshed),
        Some(true) => {}
    }
    let waits = sqlx::query!(
        r#"
        UPDATE vods SET status = 'failed', fail_reason = $2
          FROM users u
         WHERE vods.vod_id = $1 AND u.user_id = vods.channel_id AND vods.status = 'recording' AND vods.deleted_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM vod_segments s WHERE s.vod_id = vods.vod_id)
        RETURNING vods.channel_id, u.username
        "#,
        vod_id.as_uuid(),
        NOTHING_STORED,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = waits {
        let (channel_id, username) = (UserId::from_uuid(row.channel_id), username(&row.username)?);
        outbox::push(conn, &Event::VodFailed { vod_id, channel_id, username }).await?;
        return Ok(Finalised::Waiting);
    }
    finalise(conn, vod_id).await
}

/// Completes a recording whose last segment's row is there. One aggregate, whatever the length.
///
/// The row's lock makes the transition happen once: `VodReady` leaves with the first call only. A recording without a
/// single segment is not kept as `failed`: there is nothing its owner could do with it, so its row goes.
pub async fn finalise(conn: &mut Conn, vod_id: VodId) -> Result<Finalised> {
    let id = vod_id.as_uuid();
    let row = sqlx::query!(
        r#"
        SELECT v.ready_at, v.channel_id, v.object_prefix, v.deleted_at IS NOT NULL AS "is_deleted!", u.username
          FROM vods v
          JOIN users u ON u.user_id = v.channel_id
         WHERE v.vod_id = $1
           FOR UPDATE OF v
        "#,
        id,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(Finalised::Missing) };
    let (duration_ms, media_bytes, sheet_bytes) = totals(conn, vod_id).await?;
    let byte_size = media_bytes + sheet_bytes;
    let gone = Event::VodDeleted { vod_id, object_prefix: row.object_prefix };
    if row.is_deleted {
        sqlx::query!(
            r#"
            UPDATE vods SET status = 'failed', fail_reason = 'deleted while it was being made'
             WHERE vod_id = $1 AND status IN ('recording', 'processing')
            "#,
            id,
        )
        .execute(&mut *conn)
        .await?;
        outbox::push(conn, &gone).await?;
        return Ok(Finalised::Deleted);
    }
    if duration_ms == 0 && media_bytes == 0 && row.ready_at.is_none() {
        sqlx::query!("DELETE FROM vods WHERE vod_id = $1", id).execute(&mut *conn).await?;
        outbox::push(conn, &gone).await?;
        return Ok(Finalised::Empty);
    }
    sqlx::query!(
        r#"
        UPDATE vods
           SET status = 'ready', fail_reason = NULL, duration_ms = $2, byte_size = $3, ready_at = coalesce(ready_at, now())
         WHERE vod_id = $1
        "#,
        id,
        duration_ms,
        byte_size,
    )
    .execute(&mut *conn)
    .await?;
    if row.ready_at.is_some() {
        return Ok(Finalised::Refreshed);
    }
    let (channel_id, username) = (UserId::from_uuid(row.channel_id), username(&row.username)?);
    outbox::push(conn, &Event::VodReady { vod_id, channel_id, username }).await?;
    Ok(Finalised::Ready)
}

/// Length of the longest rendition in milliseconds, and the sizes of all of them and of the sheets of pictures in bytes.
async fn totals(conn: &mut Conn, vod_id: VodId) -> Result<(i64, i64, i64)> {
    let row = sqlx::query!(
        r#"
        SELECT coalesce(max(duration_us), 0)::bigint / 1000 AS "duration_ms!", coalesce(sum(bytes), 0)::bigint AS "bytes!",
               (SELECT coalesce(sum(byte_size), 0) FROM vod_sheets WHERE vod_id = $1)::bigint AS "sheet_bytes!"
          FROM (SELECT sum(duration_us) AS duration_us, sum(byte_size) AS bytes
                  FROM vod_segments
                 WHERE vod_id = $1
                 GROUP BY rendition) per_rendition
        "#,
        vod_id.as_uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok((row.duration_ms, row.bytes, row.sheet_bytes))
}

/// Recordings nobody has closed although their streams ended a while ago, oldest first.
pub async fn orphans(conn: &mut Conn) -> Result<Vec<(VodId, StreamId)>> {
    let rows = sqlx::query!(
        r#"
        SELECT v.vod_id, s.stream_id
          FROM vods v
          JOIN streams s ON s.stream_id = v.stream_id
         WHERE v.status = 'recording' AND s.status = 'ended' AND s.ended_at < now() - make_interval(secs => $1)
         ORDER BY s.ended_at
         LIMIT $2
        "#,
        ORPHAN_AFTER_S,
        SWEEP_ROWS_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (VodId::from_uuid(row.vod_id), StreamId::from_uuid(row.stream_id))).collect())
}

/// What playback needs of a recording that viewers may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playable {
    pub status: VodStatus,
    pub thumbnail_key: Option<String>,
    pub renditions: Vec<Rendition>,
    pub channel: UserId,
    pub visibility: Visibility,
}

/// A recording's renditions. `None` when it is unknown, deleted, failed or not made yet.
pub async fn playable(conn: &mut Conn, vod_id: VodId) -> Result<Option<Playable>> {
    let row = sqlx::query!(
        r#"
        SELECT status, thumbnail_key, channel_id, visibility
          FROM vods
         WHERE vod_id = $1 AND deleted_at IS NULL AND status NOT IN ('failed', 'processing')
        "#,
        vod_id.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let status = VodStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "recording status" })?;
    let renditions = sqlx::query!(
        r#"
        SELECT name, kind, codecs, width, height, frame_rate_mhz, channels, sample_rate
          FROM vod_renditions
         WHERE vod_id = $1
         ORDER BY height DESC NULLS LAST, name
        "#,
        vod_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Rendition {
            name: row.name,
            kind: RenditionKind::parse(&row.kind).ok_or(DbError::Corrupt { what: "rendition kind" })?,
            codecs: row.codecs,
            width: row.width,
            height: row.height,
            frame_rate_mhz: row.frame_rate_mhz,
            channels: row.channels,
            sample_rate: row.sample_rate,
        })
    })
    .collect::<Result<Vec<_>>>()?;
    let (channel, visibility) = (UserId::from_uuid(row.channel_id), access::visibility(&row.visibility)?);
    Ok(Some(Playable { status, thumbnail_key: row.thumbnail_key, renditions, channel, visibility }))
}

/// One stored segment, as a playlist needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub rendition: String,
    pub seq: i64,
    pub is_discontinuity: bool,
    pub is_independent: bool,
    pub init_key: String,
    pub object_key: String,
    pub byte_size: i64,
    pub duration_us: i64,
    pub program_at: Timestamp,
    /// See [`NewSegment::starts_at_us`]; `None` in recordings made before it was kept.
    pub starts_at_us: Option<i64>,
    /// See [`NewSegment::iframe_bytes`].
    pub iframe_bytes: Option<i64>,
}

/// All segments of a recording, all renditions, in playing order.
pub async fn segments(conn: &mut Conn, vod_id: VodId) -> Result<Vec<Segment>> {
    Ok(sqlx::query_as!(
        Segment,
        r#"
        SELECT rendition, seq, is_discontinuity, is_independent, init_key, object_key, byte_size, duration_us, program_at,
               starts_at_us, iframe_bytes
          FROM vod_segments
         WHERE vod_id = $1 AND NOT is_missing
         ORDER BY seq, rendition
        "#,
        vod_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?)
}

fn username(stored: &str) -> Result<Username> {
    Username::parse(stored).map_err(|_| DbError::Corrupt { what: "username" })
}
