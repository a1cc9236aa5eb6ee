//! SQL for clips. Who may see one is decided by its recording, in the same words as in [`crate::vods`]; what it is played from is in
//! [`crate::recordings`].

use domain::clip::{CLIPS_PER_RECORDING_MAX, Clippers, Span};
use domain::{ClipId, Permission, Timestamp, UserId, Visibility, VodId};

use crate::Conn;
use crate::access;
use crate::error::{DbError, Result};
use crate::users::Person;

/// A clip, whose it is, and where the viewer stands.
#[derive(Debug, Clone)]
pub struct Clip {
    pub id: ClipId,
    pub vod: VodId,
    pub vod_title: String,
    pub channel: UserId,
    pub owner: Person,
    pub creator: UserId,
    pub creator_person: Person,
    pub title: String,
    pub span: Span,
    pub views: i64,
    pub created_at: Timestamp,
    /// The recording's.
    pub visibility: Visibility,
    pub has_picture: bool,
    pub has_storyboard: bool,
    /// The viewer keeps order in the channel's chat.
    pub is_moderator: bool,
    /// The viewer is of the site's staff.
    pub is_staff: bool,
}

struct Row {
    clip_id: uuid::Uuid,
    vod_id: uuid::Uuid,
    channel_id: uuid::Uuid,
    creator_id: uuid::Uuid,
    title: String,
    start_ms: i64,
    end_ms: i64,
    views: i64,
    created_at: Timestamp,
    visibility: String,
    vod_title: String,
    has_picture: bool,
    has_storyboard: bool,
    username: String,
    display_name: String,
    avatar_key: Option<String>,
    creator: String,
    creator_display_name: String,
    creator_avatar_key: Option<String>,
    is_moderator: bool,
    is_staff: bool,
}

impl TryFrom<Row> for Clip {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: ClipId::from_uuid(row.clip_id),
            vod: VodId::from_uuid(row.vod_id),
            vod_title: row.vod_title,
            channel: UserId::from_uuid(row.channel_id),
            owner: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            creator: UserId::from_uuid(row.creator_id),
            creator_person: Person {
                username: row.creator,
                display_name: row.creator_display_name,
                avatar_key: row.creator_avatar_key,
            },
            title: row.title,
            span: Span { start_ms: row.start_ms, end_ms: row.end_ms },
            views: row.views,
            created_at: row.created_at,
            visibility: access::visibility(&row.visibility)?,
            has_picture: row.has_picture,
            has_storyboard: row.has_storyboard,
            is_moderator: row.is_moderator,
            is_staff: row.is_staff,
        })
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Of one recording, for whoever knows where that is. Without it: of what lists show.
    pub vod: Option<VodId>,
    pub channel: Option<&'a str>,
    pub viewer: Option<UserId>,
}

/// A clip, for whoever may see its recording.
pub async fn find(conn: &mut Conn, id: ClipId, viewer: Option<UserId>) -> Result<Option<Clip>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT k.clip_id, k.vod_id, k.channel_id, k.creator_id, k.title, k.start_ms, k.end_ms, k.views, k.created_at,
               v.visibility, v.title AS vod_title,
               (v.thumbnail_key IS NOT NULL OR EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id)) AS "has_picture!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!",
               u.username, u.display_name, u.avatar_key,
               m.username AS creator, m.display_name AS creator_display_name, m.avatar_key AS creator_avatar_key,
               EXISTS (SELECT FROM channel_moderators o
                        WHERE o.channel_id = k.channel_id AND o.user_id = $1) AS "is_moderator!",
               eye.is_staff AS "is_staff!"
          FROM clips k
          JOIN vods v ON v.vod_id = k.vod_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          JOIN users u ON u.user_id = k.channel_id
          JOIN users m ON m.user_id = k.creator_id
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM users e
                                            WHERE e.user_id = $1 AND NOT e.is_suspended
                                              AND e.role = ANY($3)) AS is_staff) AS eye
         WHERE k.deleted_at IS NULL
           AND v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND k.clip_id = $2
           AND ((NOT u.is_suspended AND NOT m.is_suspended) OR eye.is_staff)
           AND (v.status NOT IN ('failed', 'processing') OR v.channel_id = $1 OR eye.is_staff)
           AND is_visible_to(v.visibility, v.channel_id, $1, eye.is_staff)
        "#,
        viewer.map(UserId::as_uuid),
        id.as_uuid(),
        &Permission::SeeHidden.role_names(),
    )
    .fetch_optional(conn)
    .await?
    .map(Clip::try_from)
    .transpose()
}

/// Latest first, after (creation, id).
pub async fn recent(
    conn: &mut Conn,
    filter: Filter<'_>,
    after: Option<(Timestamp, ClipId)>,
    limit: i64,
) -> Result<Vec<Clip>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    sqlx::query_as!(
        Row,
        r#"
        SELECT k.clip_id, k.vod_id, k.channel_id, k.creator_id, k.title, k.start_ms, k.end_ms, k.views, k.created_at,
               v.visibility, v.title AS vod_title,
               (v.thumbnail_key IS NOT NULL OR EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id)) AS "has_picture!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!",
               u.username, u.display_name, u.avatar_key,
               m.username AS creator, m.display_name AS creator_display_name, m.avatar_key AS creator_avatar_key,
               EXISTS (SELECT FROM channel_moderators o
                        WHERE o.channel_id = k.channel_id AND o.user_id = $1) AS "is_moderator!",
               eye.is_staff AS "is_staff!"
          FROM clips k
          JOIN vods v ON v.vod_id = k.vod_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          JOIN users u ON u.user_id = k.channel_id
          JOIN users m ON m.user_id = k.creator_id
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM users e
                                            WHERE e.user_id = $1 AND NOT e.is_suspended
                                              AND e.role = ANY($7)) AS is_staff) AS eye
         WHERE k.deleted_at IS NULL
           AND v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND NOT u.is_suspended
           AND NOT m.is_suspended
           AND v.status NOT IN ('failed', 'processing')
           AND CASE WHEN $2::uuid IS NULL THEN is_listed_for(v.visibility, v.channel_id, $1)
                    ELSE k.vod_id = $2 AND is_visible_to(v.visibility, v.channel_id, $1, eye.is_staff) END
           AND ($3::text IS NULL OR u.username = $3)
           AND ($4::timestamptz IS NULL OR (k.created_at, k.clip_id) < ($4, $5))
         ORDER BY k.created_at DESC, k.clip_id DESC
         LIMIT $6
        "#,
        filter.viewer.map(UserId::as_uuid),
        filter.vod.map(VodId::as_uuid),
        filter.channel,
        at,
        id,
        limit,
        &Permission::SeeHidden.role_names(),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Clip::try_from)
    .collect()
}

/// Most viewed first, after (views, id).
pub async fn most_viewed(
    conn: &mut Conn,
    filter: Filter<'_>,
    after: Option<(i64, ClipId)>,
    limit: i64,
) -> Result<Vec<Clip>> {
    let (views, id) = after.map(|(views, id)| (views, id.as_uuid())).unzip();
    sqlx::query_as!(
        Row,
        r#"
        SELECT k.clip_id, k.vod_id, k.channel_id, k.creator_id, k.title, k.start_ms, k.end_ms, k.views, k.created_at,
               v.visibility, v.title AS vod_title,
               (v.thumbnail_key IS NOT NULL OR EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id)) AS "has_picture!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!",
               u.username, u.display_name, u.avatar_key,
               m.username AS creator, m.display_name AS creator_display_name, m.avatar_key AS creator_avatar_key,
               EXISTS (SELECT FROM channel_moderators o
                        WHERE o.channel_id = k.channel_id AND o.user_id = $1) AS "is_moderator!",
               eye.is_staff AS "is_staff!"
          FROM clips k
          JOIN vods v ON v.vod_id = k.vod_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          JOIN users u ON u.user_id = k.channel_id
          JOIN users m ON m.user_id = k.creator_id
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM users e
                                            WHERE e.user_id = $1 AND NOT e.is_suspended
                                              AND e.role = ANY($7)) AS is_staff) AS eye
         WHERE k.deleted_at IS NULL
           AND v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND NOT u.is_suspended
           AND NOT m.is_suspended
           AND v.status NOT IN ('failed', 'processing')
           AND CASE WHEN $2::uuid IS NULL THEN is_listed_for(v.visibility, v.channel_id, $1)
                    ELSE k.vod_id = $2 AND is_visible_to(v.visibility, v.channel_id, $1, eye.is_staff) END
           AND ($3::text IS NULL OR u.username = $3)
           AND ($4::bigint IS NULL OR (k.views, k.clip_id) < ($4, $5))
         ORDER BY k.views DESC, k.clip_id DESC
         LIMIT $6
        "#,
        filter.viewer.map(UserId::as_uuid),
        filter.vod.map(VodId::as_uuid),
        filter.channel,
        views,
        id,
        limit,
        &Permission::SeeHidden.role_names(),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Clip::try_from)
    .collect()
}

/// How many clips go with a recording.
pub async fn count(conn: &mut Conn, vod: VodId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM clips WHERE vod_id = $1 AND deleted_at IS NULL"#,
        vod.as_uuid(),
    );
    Ok(count.fetch_one(conn).await?)
}

/// A clip to be.
#[derive(Debug, Clone)]
pub struct NewClip<'a> {
    pub id: ClipId,
    pub vod: VodId,
    pub creator: UserId,
    pub title: &'a str,
    pub span: Span,
}

/// Keeps a clip. False when its creator has as many of this recording as they may, or the recording is gone. Two clips of one
/// member at once are one after the other until the transaction ends.
pub async fn insert(conn: &mut Conn, new: &NewClip<'_>) -> Result<bool> {
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", new.creator.as_uuid())
        .execute(&mut *conn)
        .await?;
    let done = sqlx::query!(
        r#"
        INSERT INTO clips (clip_id, vod_id, channel_id, creator_id, title, start_ms, end_ms)
        SELECT $1, v.vod_id, v.channel_id, $3, $4, $5, $6
          FROM vods v
         WHERE v.vod_id = $2
           AND v.deleted_at IS NULL
           AND (SELECT count(*) FROM clips k
                 WHERE k.vod_id = $2 AND k.creator_id = $3 AND k.deleted_at IS NULL) < $7
        "#,
        new.id.as_uuid(),
        new.vod.as_uuid(),
        new.creator.as_uuid(),
        new.title,
        new.span.start_ms,
        new.span.end_ms,
        CLIPS_PER_RECORDING_MAX,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Calls a clip something else. False when it is not there.
pub async fn rename(conn: &mut Conn, id: ClipId, title: &str) -> Result<bool> {
    let done =
        sqlx::query!("UPDATE clips SET title = $2 WHERE clip_id = $1 AND deleted_at IS NULL", id.as_uuid(), title,)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Hides a clip for good. False when it was gone already.
pub async fn delete(conn: &mut Conn, id: ClipId) -> Result<bool> {
    let done =
        sqlx::query!("UPDATE clips SET deleted_at = now() WHERE clip_id = $1 AND deleted_at IS NULL", id.as_uuid(),)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Adds counted views. Within the transaction that remembers their batch ([`crate::notify::apply_view_batch`]).
pub async fn add_views(conn: &mut Conn, counts: &[(ClipId, i64)]) -> Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    let clips: Vec<uuid::Uuid> = counts.iter().map(|(clip, _)| clip.as_uuid()).collect();
    let views: Vec<i64> = counts.iter().map(|(_, views)| *views).collect();
    sqlx::query!(
        r#"
        UPDATE clips
           SET views = clips.views + fresh.views
          FROM unnest($1::uuid[], $2::bigint[]) AS fresh (clip_id, views)
         WHERE clips.clip_id = fresh.clip_id
        "#,
        &clips,
        &views,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a clip is played from: its recording and the span. `None` when it is gone, or whoever made it was suspended.
pub async fn playable(conn: &mut Conn, id: ClipId) -> Result<Option<(VodId, Span)>> {
    let row = sqlx::query!(
        r#"
        SELECT k.vod_id, k.start_ms, k.end_ms
          FROM clips k
          JOIN users m ON m.user_id = k.creator_id
         WHERE k.clip_id = $1 AND k.deleted_at IS NULL AND NOT m.is_suspended
        "#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (VodId::from_uuid(row.vod_id), Span { start_ms: row.start_ms, end_ms: row.end_ms })))
}

/// Who may make clips of a channel. `None`: there is no such channel.
pub async fn clippers(conn: &mut Conn, channel: UserId) -> Result<Option<Clippers>> {
    let stored = sqlx::query_scalar!("SELECT clips FROM channels WHERE channel_id = $1", channel.as_uuid());
    let stored = stored.fetch_optional(conn).await?;
    stored.map(|who| Clippers::parse(&who).ok_or(DbError::Corrupt { what: "clippers" })).transpose()
}

/// False when there is no such channel.
pub async fn set_clippers(conn: &mut Conn, channel: UserId, who: Clippers) -> Result<bool> {
    let done = sqlx::query!("UPDATE channels SET clips = $2 WHERE channel_id = $1", channel.as_uuid(), who.as_str())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}
