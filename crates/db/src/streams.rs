//! SQL for reading streams as viewers see them. `starting` streams do not exist here. Their life is in `publish.rs`.

use domain::event::Event;
use domain::stream::StreamStatus;
use domain::user::Username;
use domain::{Permission, StreamId, Timestamp, UserId, Visibility};

use crate::access::{self, Viewer};
use crate::channels::SettingsChange;
use crate::error::{DbError, Result};
use crate::users::Person;
use crate::{Conn, outbox};

/// Most streams on air that are looked at to find the most watched.
pub const LIVE_MAX: i64 = 5_000;

/// A stream and whom it belongs to.
#[derive(Debug, Clone)]
pub struct Stream {
    pub id: StreamId,
    pub channel: UserId,
    pub owner: Person,
    pub title: String,
    pub description: String,
    /// Slug and name.
    pub category: Option<(String, String)>,
    pub tags: Vec<String>,
    pub status: StreamStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub reconnect_until: Option<Timestamp>,
    pub peak_viewers: i64,
    pub renditions_note: Option<String>,
    pub visibility: Visibility,
}

struct Row {
    visibility: String,
    stream_id: uuid::Uuid,
    channel_id: uuid::Uuid,
    username: String,
    display_name: String,
    avatar_key: Option<String>,
    title: String,
    description: String,
    category_slug: Option<String>,
    category_name: Option<String>,
    tags: Vec<String>,
    status: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    reconnect_until: Option<Timestamp>,
    peak_viewers: i64,
    renditions_note: Option<String>,
}

impl TryFrom<Row> for Stream {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: StreamId::from_uuid(row.stream_id),
            channel: UserId::from_uuid(row.channel_id),
            owner: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            title: row.title,
            description: row.description,
            category: row.category_slug.zip(row.category_name),
            tags: row.tags,
            status: StreamStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "stream status" })?,
            started_at: row.started_at,
            ended_at: row.ended_at,
            reconnect_until: row.reconnect_until,
            peak_viewers: row.peak_viewers,
            renditions_note: row.renditions_note,
            visibility: access::visibility(&row.visibility)?,
        })
    }
}

/// What a list is narrowed to. `query` is looked for in titles and names, as written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    pub category: Option<&'a str>,
    pub query: Option<&'a str>,
    /// Who asks: a list shows what is for them.
    pub viewer: Option<UserId>,
}

/// A stream, for whoever may see it and knows its id, and whether they are of the site's staff.
pub async fn find(conn: &mut Conn, id: StreamId, viewer: Option<UserId>) -> Result<Option<(Stream, bool)>> {
    let row = sqlx::query!(
        r#"
        SELECT s.visibility, s.stream_id, s.channel_id, u.username, u.display_name, u.avatar_key, s.title, s.description,
               s.category_slug, c.name AS "category_name?", s.tags, s.status, s.started_at, s.ended_at,
               s.reconnect_until, s.peak_viewers, s.renditions_note, eye.is_staff AS "is_staff!"
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
          LEFT JOIN categories c ON c.slug = s.category_slug
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM users e
                                            WHERE e.user_id = $2 AND NOT e.is_suspended
                                              AND e.role = ANY($3)) AS is_staff) AS eye
         WHERE s.stream_id = $1
           AND s.status <> 'starting'
           AND NOT u.is_suspended
           AND is_visible_to(s.visibility, s.channel_id, $2, eye.is_staff)
        "#,
        id.as_uuid(),
        viewer.map(UserId::as_uuid),
        &Permission::SeeHidden.role_names(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let is_staff = row.is_staff;
    let stream = Stream::try_from(Row {
        visibility: row.visibility,
        stream_id: row.stream_id,
        channel_id: row.channel_id,
        username: row.username,
        display_name: row.display_name,
        avatar_key: row.avatar_key,
        title: row.title,
        description: row.description,
        category_slug: row.category_slug,
        category_name: row.category_name,
        tags: row.tags,
        status: row.status,
        started_at: row.started_at,
        ended_at: row.ended_at,
        reconnect_until: row.reconnect_until,
        peak_viewers: row.peak_viewers,
        renditions_note: row.renditions_note,
    })?;
    Ok(Some((stream, is_staff)))
}

/// What these channels air now for this viewer, in no order. A channel has at most one. What is unlisted is its owner's and the staff's.
pub async fn live_of(conn: &mut Conn, channels: &[UserId], viewer: Viewer) -> Result<Vec<Stream>> {
    let ids: Vec<uuid::Uuid> = channels.iter().map(|id| id.as_uuid()).collect();
    sqlx::query_as!(
        Row,
        r#"
        SELECT s.visibility, s.stream_id, s.channel_id, u.username, u.display_name, u.avatar_key, s.title, s.description,
               s.category_slug, c.name AS "category_name?", s.tags, s.status, s.started_at, s.ended_at,
               s.reconnect_until, s.peak_viewers, s.renditions_note
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
          LEFT JOIN categories c ON c.slug = s.category_slug
         WHERE s.channel_id = ANY($1)
           AND s.status IN ('live', 'reconnecting')
           AND NOT u.is_suspended
           AND ($3 OR is_listed_for(s.visibility, s.channel_id, $2))
        "#,
        &ids,
        viewer.id.map(UserId::as_uuid),
        viewer.is_staff,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Stream::try_from)
    .collect()
}

/// How a channel's last stream came to its end.
#[derive(Debug, Clone)]
pub struct LastEnd {
    pub stream: StreamId,
    pub title: String,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// Why it is over. `window_over`: its broadcaster did not come back in time.
    pub reason: Option<String>,
    /// How the last connection of its broadcaster ended.
    pub encoder_reason: Option<String>,
}

/// The end of a channel's last stream, for its owner.
pub async fn last_end(conn: &mut Conn, channel: UserId) -> Result<Option<LastEnd>> {
    let row = sqlx::query!(
        r#"
        SELECT s.stream_id, s.title, s.started_at, s.ended_at AS "ended_at!", s.end_reason,
               (SELECT p.end_reason FROM publishes p WHERE p.stream_id = s.stream_id ORDER BY p.epoch DESC LIMIT 1)
                   AS encoder_reason
          FROM streams s
         WHERE s.channel_id = $1
           AND s.status = 'ended'
         ORDER BY s.started_at DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| LastEnd {
        stream: StreamId::from_uuid(row.stream_id),
        title: row.title,
        started_at: row.started_at,
        ended_at: row.ended_at,
        reason: row.end_reason,
        encoder_reason: row.encoder_reason,
    }))
}

/// Everything on air that passes the filter, latest first. The most watched are found by the caller: counts are in Redis.
pub async fn on_air(conn: &mut Conn, filter: Filter<'_>) -> Result<Vec<Stream>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT s.visibility, s.stream_id, s.channel_id, u.username, u.display_name, u.avatar_key, s.title, s.description,
               s.category_slug, c.name AS "category_name?", s.tags, s.status, s.started_at, s.ended_at,
               s.reconnect_until, s.peak_viewers, s.renditions_note
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
          LEFT JOIN categories c ON c.slug = s.category_slug
         WHERE s.status IN ('live', 'reconnecting')
           AND NOT u.is_suspended
           AND ($1::text IS NULL OR s.category_slug = $1)
           AND ($2::text IS NULL OR s.title ILIKE $2 OR u.username ILIKE $2 OR u.display_name ILIKE $2)
           AND is_listed_for(s.visibility, s.channel_id, $4)
         ORDER BY s.started_at DESC
         LIMIT $3
        "#,
        filter.category,
        filter.query.map(contains),
        LIVE_MAX,
        filter.viewer.map(UserId::as_uuid),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Stream::try_from)
    .collect()
}

/// Streams that are over, latest first, after (start, id).
pub async fn ended(
    conn: &mut Conn,
    filter: Filter<'_>,
    after: Option<(Timestamp, StreamId)>,
    limit: i64,
) -> Result<Vec<Stream>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    sqlx::query_as!(
        Row,
        r#"
        SELECT s.visibility, s.stream_id, s.channel_id, u.username, u.display_name, u.avatar_key, s.title, s.description,
               s.category_slug, c.name AS "category_name?", s.tags, s.status, s.started_at, s.ended_at,
               s.reconnect_until, s.peak_viewers, s.renditions_note
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
          LEFT JOIN categories c ON c.slug = s.category_slug
         WHERE s.status = 'ended'
           AND NOT u.is_suspended
           AND ($1::text IS NULL OR s.category_slug = $1)
           AND ($2::text IS NULL OR s.title ILIKE $2 OR u.username ILIKE $2 OR u.display_name ILIKE $2)
           AND is_listed_for(s.visibility, s.channel_id, $6)
           AND ($3::timestamptz IS NULL OR (s.started_at, s.stream_id) < ($3, $4))
         ORDER BY s.started_at DESC, s.stream_id DESC
         LIMIT $5
        "#,
        filter.category,
        filter.query.map(contains),
        at,
        id,
        limit,
        filter.viewer.map(UserId::as_uuid),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Stream::try_from)
    .collect()
}

/// Renames what a channel airs now, `starting` included, and the recording of it; whom both are for changes with it, and is told.
/// An empty title keeps the old one: a stream on air always has one.
pub async fn retitle_open(conn: &mut Conn, channel: UserId, change: &SettingsChange) -> Result<()> {
    let title = change.title.as_deref().filter(|title| !title.is_empty());
    let visibility = change.visibility.map(Visibility::as_str);
    let stream = sqlx::query!(
        r#"
        WITH open AS (
        SELECT stream_id, visibility, title, description, category_slug, tags
          FROM streams
         WHERE channel_id = $1
           AND status <> 'ended'
           FOR UPDATE
        )
        UPDATE streams s
           SET title = coalesce($2, s.title),
               description = coalesce($3, s.description),
               category_slug = CASE WHEN $4 THEN $5 ELSE s.category_slug END,
               tags = coalesce($6, s.tags),
               visibility = coalesce($7, s.visibility)
          FROM open, users u
         WHERE s.stream_id = open.stream_id
           AND u.user_id = $1
        RETURNING s.stream_id, s.status, u.username, open.visibility AS was, s.visibility AS now,
               (s.title, s.description, s.category_slug, s.tags, s.visibility) IS DISTINCT FROM
               (open.title, open.description, open.category_slug, open.tags, open.visibility) AS "is_changed!"
        "#,
        channel.as_uuid(),
        title,
        change.description.as_deref(),
        change.category_slug.is_some(),
        change.category_slug.clone().flatten(),
        change.tags.as_deref(),
        visibility,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(stream) = stream else { return Ok(()) };
    sqlx::query!(
        r#"
        UPDATE vods
           SET title = coalesce($2, title),
               description = coalesce($3, description),
               category_slug = CASE WHEN $4 THEN $5 ELSE category_slug END,
               tags = coalesce($6, tags),
               visibility = coalesce($7, visibility)
         WHERE stream_id = $1
           AND status = 'recording'
        "#,
        stream.stream_id,
        title,
        change.description.as_deref(),
        change.category_slug.is_some(),
        change.category_slug.clone().flatten(),
        change.tags.as_deref(),
        visibility,
    )
    .execute(&mut *conn)
    .await?;
    let (was, now) = (access::visibility(&stream.was)?, access::visibility(&stream.now)?);
    if !stream.is_changed || stream.status == StreamStatus::Starting.as_str() {
        return Ok(());
    }
    let username = Username::parse(&stream.username).map_err(|_| DbError::Corrupt { what: "username" })?;
    let stream_id = StreamId::from_uuid(stream.stream_id);
    let told = Event::StreamUpdated { stream_id, channel_id: channel, username: username.clone() };
    outbox::push(conn, &told).await?;
    if was == now {
        return Ok(());
    }
    outbox::push(conn, &Event::StreamAccess { stream_id, channel_id: channel, username, was, now }).await
}

/// An ILIKE pattern that finds `text` itself anywhere, whatever signs it contains.
pub(crate) fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_for_signs_finds_the_signs() {
        assert_eq!(contains(r"100%_\"), r"%100\%\_\\%");
    }
}
