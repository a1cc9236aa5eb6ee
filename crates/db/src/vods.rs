//! SQL for recordings as viewers and owners see them. How one comes to be is in `recordings.rs`.

use domain::event::Event;
use domain::import::ImportState;
use domain::stream::VodStatus;
use domain::{Permission, StreamId, Timestamp, UserId, Visibility, VodId};

use crate::Conn;
use crate::access;
use crate::channels::SettingsChange;
use crate::error::{DbError, Result};
use crate::outbox;
use crate::streams::contains;
use crate::users::Person;

/// A recording and whom it belongs to.
#[derive(Debug, Clone)]
pub struct Vod {
    pub visibility: Visibility,
    pub id: VodId,
    /// `None`: it was made from a file.
    pub stream: Option<StreamId>,
    pub channel: UserId,
    pub owner: Person,
    pub title: String,
    pub description: String,
    /// Slug and name.
    pub category: Option<(String, String)>,
    pub tags: Vec<String>,
    pub status: VodStatus,
    pub fail_reason: Option<String>,
    pub duration_ms: i64,
    pub byte_size: i64,
    pub views: i64,
    pub thumbnail_key: Option<String>,
    /// There are pictures along it.
    pub has_storyboard: bool,
    pub created_at: Timestamp,
    pub ready_at: Option<Timestamp>,
    /// Why recording stopped while the stream went on.
    pub stop_reason: Option<String>,
    /// Of one that is made from a file.
    pub import: Option<Making>,
}

/// How far a recording is that is made from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Making {
    pub state: ImportState,
    /// Of a thousand.
    pub progress: i16,
    /// Nothing of an earlier attempt is left to be taken away.
    pub is_settled: bool,
}

struct Row {
    visibility: String,
    vod_id: uuid::Uuid,
    stream_id: Option<uuid::Uuid>,
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
    fail_reason: Option<String>,
    duration_ms: i64,
    byte_size: i64,
    views: i64,
    thumbnail_key: Option<String>,
    has_storyboard: bool,
    created_at: Timestamp,
    ready_at: Option<Timestamp>,
    stop_reason: Option<String>,
    progress: Option<i16>,
    import_state: Option<String>,
    owes_cleanup: bool,
}

impl TryFrom<Row> for Vod {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            visibility: access::visibility(&row.visibility)?,
            id: VodId::from_uuid(row.vod_id),
            stream: row.stream_id.map(StreamId::from_uuid),
            channel: UserId::from_uuid(row.channel_id),
            owner: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            title: row.title,
            description: row.description,
            category: row.category_slug.zip(row.category_name),
            tags: row.tags,
            status: VodStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "vod status" })?,
            fail_reason: row.fail_reason,
            duration_ms: row.duration_ms,
            byte_size: row.byte_size,
            views: row.views,
            thumbnail_key: row.thumbnail_key,
            has_storyboard: row.has_storyboard,
            created_at: row.created_at,
            ready_at: row.ready_at,
            stop_reason: row.stop_reason,
            import: making(row.import_state.as_deref(), row.progress, row.owes_cleanup)?,
        })
    }
}

fn making(state: Option<&str>, progress: Option<i16>, owes_cleanup: bool) -> Result<Option<Making>> {
    let Some(state) = state else { return Ok(None) };
    let state = ImportState::parse(state).ok_or(DbError::Corrupt { what: "state of an import" })?;
    Ok(Some(Making { state, progress: progress.unwrap_or(0), is_settled: !owes_cleanup }))
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    pub channel: Option<&'a str>,
    pub category: Option<&'a str>,
    pub query: Option<&'a str>,
    /// Who asks: a list shows what is for them, to owners their failed and unfinished recordings too.
    pub viewer: Option<UserId>,
}

/// A recording that was not deleted, and whether the viewer is of the site's staff. Failed ones, and those that are made from a
/// file, are for their owner and the staff only; the recording of a stream nobody was told of is nobody's.
pub async fn find(conn: &mut Conn, id: VodId, viewer: Option<UserId>) -> Result<Option<(Vod, bool)>> {
    let row = sqlx::query!(
        r#"
        SELECT v.visibility, v.vod_id, v.stream_id, v.channel_id, u.username, u.display_name, u.avatar_key, v.title, v.description,
               v.category_slug, c.name AS "category_name?", v.tags, v.status, v.fail_reason, v.duration_ms,
               v.byte_size, v.views, v.thumbnail_key, v.created_at, v.ready_at, v.stop_reason,
               i.progress AS "progress?", i.state AS "import_state?", coalesce(i.owes_cleanup, false) AS "owes_cleanup!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!",
               eye.is_staff AS "is_staff!"
          FROM vods v
          JOIN users u ON u.user_id = v.channel_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          LEFT JOIN vod_imports i ON i.vod_id = v.vod_id
          LEFT JOIN categories c ON c.slug = v.category_slug
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM users e
                                            WHERE e.user_id = $2 AND NOT e.is_suspended
                                              AND e.role = ANY($3)) AS is_staff) AS eye
         WHERE v.vod_id = $1
           AND v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND (NOT u.is_suspended OR eye.is_staff)
           AND (v.status NOT IN ('failed', 'processing') OR v.channel_id = $2 OR eye.is_staff)
           AND is_visible_to(v.visibility, v.channel_id, $2, eye.is_staff)
        "#,
        id.as_uuid(),
        viewer.map(UserId::as_uuid),
        &Permission::SeeHidden.role_names(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let is_staff = row.is_staff;
    let vod = Vod::try_from(Row {
        visibility: row.visibility,
        vod_id: row.vod_id,
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
        fail_reason: row.fail_reason,
        duration_ms: row.duration_ms,
        byte_size: row.byte_size,
        views: row.views,
        thumbnail_key: row.thumbnail_key,
        has_storyboard: row.has_storyboard,
        created_at: row.created_at,
        ready_at: row.ready_at,
        stop_reason: row.stop_reason,
        progress: row.progress,
        import_state: row.import_state,
        owes_cleanup: row.owes_cleanup,
    })?;
    Ok(Some((vod, is_staff)))
}

/// Latest first, after (creation, id).
pub async fn recent(
    conn: &mut Conn,
    filter: Filter<'_>,
    after: Option<(Timestamp, VodId)>,
    limit: i64,
) -> Result<Vec<Vod>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    sqlx::query_as!(
        Row,
        r#"
        SELECT v.visibility, v.vod_id, v.stream_id, v.channel_id, u.username, u.display_name, u.avatar_key, v.title, v.description,
               v.category_slug, c.name AS "category_name?", v.tags, v.status, v.fail_reason, v.duration_ms,
               v.byte_size, v.views, v.thumbnail_key, v.created_at, v.ready_at, v.stop_reason,
               i.progress AS "progress?", i.state AS "import_state?", coalesce(i.owes_cleanup, false) AS "owes_cleanup!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!"
          FROM vods v
          JOIN users u ON u.user_id = v.channel_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          LEFT JOIN vod_imports i ON i.vod_id = v.vod_id
          LEFT JOIN categories c ON c.slug = v.category_slug
         WHERE v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND NOT u.is_suspended
           AND (v.status NOT IN ('failed', 'processing') OR v.channel_id = $4)
           AND is_listed_for(v.visibility, v.channel_id, $4)
           AND ($1::text IS NULL OR u.username = $1)
           AND ($2::text IS NULL OR v.category_slug = $2)
           AND ($3::text IS NULL OR v.title ILIKE $3 OR u.username ILIKE $3 OR u.display_name ILIKE $3)
           AND ($5::timestamptz IS NULL OR (v.created_at, v.vod_id) < ($5, $6))
         ORDER BY v.created_at DESC, v.vod_id DESC
         LIMIT $7
        "#,
        filter.channel,
        filter.category,
        filter.query.map(contains),
        filter.viewer.map(UserId::as_uuid),
        at,
        id,
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Vod::try_from)
    .collect()
}

/// Of these recordings those that lists show the viewer, in this order.
pub async fn load(conn: &mut Conn, ids: &[VodId], viewer: Option<UserId>) -> Result<Vec<Vod>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query_as!(
        Row,
        r#"
        SELECT v.visibility, v.vod_id, v.stream_id, v.channel_id, u.username, u.display_name, u.avatar_key, v.title, v.description,
               v.category_slug, c.name AS "category_name?", v.tags, v.status, v.fail_reason, v.duration_ms,
               v.byte_size, v.views, v.thumbnail_key, v.created_at, v.ready_at, v.stop_reason,
               i.progress AS "progress?", i.state AS "import_state?", coalesce(i.owes_cleanup, false) AS "owes_cleanup!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!"
          FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (vod_id, place)
          JOIN vods v ON v.vod_id = wanted.vod_id
          JOIN users u ON u.user_id = v.channel_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          LEFT JOIN vod_imports i ON i.vod_id = v.vod_id
          LEFT JOIN categories c ON c.slug = v.category_slug
         WHERE v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND NOT u.is_suspended
           AND (v.status NOT IN ('failed', 'processing') OR v.channel_id = $2)
           AND is_listed_for(v.visibility, v.channel_id, $2)
         ORDER BY wanted.place
        "#,
        &ids,
        viewer.map(UserId::as_uuid),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Vod::try_from)
    .collect()
}

/// Most viewed first, after (views, id).
pub async fn most_viewed(
    conn: &mut Conn,
    filter: Filter<'_>,
    after: Option<(i64, VodId)>,
    limit: i64,
) -> Result<Vec<Vod>> {
    let (views, id) = after.map(|(views, id)| (views, id.as_uuid())).unzip();
    sqlx::query_as!(
        Row,
        r#"
        SELECT v.visibility, v.vod_id, v.stream_id, v.channel_id, u.username, u.display_name, u.avatar_key, v.title, v.description,
               v.category_slug, c.name AS "category_name?", v.tags, v.status, v.fail_reason, v.duration_ms,
               v.byte_size, v.views, v.thumbnail_key, v.created_at, v.ready_at, v.stop_reason,
               i.progress AS "progress?", i.state AS "import_state?", coalesce(i.owes_cleanup, false) AS "owes_cleanup!",
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!"
          FROM vods v
          JOIN users u ON u.user_id = v.channel_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
          LEFT JOIN vod_imports i ON i.vod_id = v.vod_id
          LEFT JOIN categories c ON c.slug = v.category_slug
         WHERE v.deleted_at IS NULL
           AND s.status IS DISTINCT FROM 'starting'
           AND NOT u.is_suspended
           AND (v.status NOT IN ('failed', 'processing') OR v.channel_id = $4)
           AND is_listed_for(v.visibility, v.channel_id, $4)
           AND ($1::text IS NULL OR u.username = $1)
           AND ($2::text IS NULL OR v.category_slug = $2)
           AND ($3::text IS NULL OR v.title ILIKE $3 OR u.username ILIKE $3 OR u.display_name ILIKE $3)
           AND ($5::bigint IS NULL OR (v.views, v.vod_id) < ($5, $6))
         ORDER BY v.views DESC, v.vod_id DESC
         LIMIT $7
        "#,
        filter.channel,
        filter.category,
        filter.query.map(contains),
        filter.viewer.map(UserId::as_uuid),
        views,
        id,
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Vod::try_from)
    .collect()
}

/// Changes what is given, and tells so. An unknown category is a constraint error. False when it is not there.
pub async fn update(conn: &mut Conn, id: VodId, change: &SettingsChange) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE vods
           SET title = coalesce($2, title),
               description = coalesce($3, description),
               category_slug = CASE WHEN $4 THEN $5 ELSE category_slug END,
               tags = coalesce($6, tags),
               visibility = coalesce($7, visibility)
         WHERE vod_id = $1
           AND deleted_at IS NULL
        "#,
        id.as_uuid(),
        change.title.as_deref(),
        change.description.as_deref(),
        change.category_slug.is_some(),
        change.category_slug.clone().flatten(),
        change.tags.as_deref(),
        change.visibility.map(Visibility::as_str),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    outbox::push(conn, &Event::VodChanged { vod_id: id }).await?;
    Ok(true)
}

/// Hides a recording for good and returns where its objects are. `None` when it was gone already.
pub async fn delete(conn: &mut Conn, id: VodId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "UPDATE vods SET deleted_at = now() WHERE vod_id = $1 AND deleted_at IS NULL RETURNING object_prefix",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?)
}

/// Views as Postgres knows them. `None` when there is no such recording to view.
pub async fn views(conn: &mut Conn, id: VodId, viewer: Option<UserId>) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT v.views
          FROM vods v
          LEFT JOIN streams s USING (stream_id)
          JOIN users u ON u.user_id = v.channel_id
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM users e
                                            WHERE e.user_id = $2 AND NOT e.is_suspended
                                              AND e.role = ANY($3)) AS is_staff) AS eye
         WHERE v.vod_id = $1
           AND v.deleted_at IS NULL
           AND v.status NOT IN ('failed', 'processing')
           AND s.status IS DISTINCT FROM 'starting'
           AND NOT u.is_suspended
           AND is_visible_to(v.visibility, v.channel_id, $2, eye.is_staff)
        "#,
        id.as_uuid(),
        viewer.map(UserId::as_uuid),
        &Permission::SeeHidden.role_names(),
    )
    .fetch_optional(conn)
    .await?)
}
