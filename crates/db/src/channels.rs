//! SQL for channels: stream keys, settings of the next stream, and what visitors see.

use domain::notification::Bell;
use domain::{Permission, Timestamp, UserId, Visibility};

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::Person;

/// SHA-256 of a stream key.
pub type KeyHash = [u8; 32];

/// A channel's public face.
#[derive(Debug, Clone)]
pub struct Channel {
    pub id: UserId,
    pub owner: Person,
    pub bio: String,
    pub followers_count: i64,
    pub created_at: Timestamp,
    /// How much the asking member hears of it; none when they do not follow it.
    pub bell: Option<Bell>,
    /// Whether the asking member is of the site's staff.
    pub is_viewer_staff: bool,
}

/// What the next or current stream is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub title: String,
    pub description: String,
    pub category_slug: Option<String>,
    pub tags: Vec<String>,
    pub visibility: Visibility,
}

struct SettingsRow {
    title: String,
    description: String,
    category_slug: Option<String>,
    tags: Vec<String>,
    visibility: String,
}

impl TryFrom<SettingsRow> for Settings {
    type Error = DbError;

    fn try_from(row: SettingsRow) -> Result<Self> {
        let SettingsRow { title, description, category_slug, tags, visibility } = row;
        let visibility = crate::access::visibility(&visibility)?;
        Ok(Self { title, description, category_slug, tags, visibility })
    }
}

/// What to change in [`Settings`]; `None` leaves as is, `Some(None)` empties.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    pub title: Option<String>,
    pub description: Option<String>,
    pub category_slug: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
    pub visibility: Option<Visibility>,
}

/// Opens the channel of a new member.
pub async fn insert(conn: &mut Conn, id: UserId, key: &KeyHash, key_sealed: &[u8]) -> Result<()> {
    sqlx::query!(
        "INSERT INTO channels (channel_id, stream_key_hash, stream_key_sealed) VALUES ($1, $2, $3)",
        id.as_uuid(),
        &key[..],
        key_sealed,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A channel by its owner's name, as `viewer` sees it. Suspended members' channels are not there.
pub async fn find(conn: &mut Conn, username: &str, viewer: Option<UserId>) -> Result<Option<Channel>> {
    let row = sqlx::query!(
        r#"
        SELECT u.user_id, u.username, u.display_name, u.avatar_key, u.bio, u.created_at, c.followers_count,
               (SELECT f.bell FROM follows f WHERE f.channel_id = c.channel_id AND f.follower_id = $2) AS bell,
               EXISTS (SELECT FROM users e
                        WHERE e.user_id = $2 AND NOT e.is_suspended AND e.role = ANY($3)) AS "is_viewer_staff!"
          FROM users u
          JOIN channels c ON c.channel_id = u.user_id
         WHERE u.username = $1
           AND NOT u.is_suspended
        "#,
        username,
        viewer.map(UserId::as_uuid),
        &Permission::SeeHidden.role_names(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let bell =
        row.bell.as_deref().map(|bell| Bell::parse(bell).ok_or(DbError::Corrupt { what: "bell" })).transpose()?;
    Ok(Some(Channel {
        id: UserId::from_uuid(row.user_id),
        owner: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
        bio: row.bio,
        followers_count: row.followers_count,
        created_at: row.created_at,
        bell,
        is_viewer_staff: row.is_viewer_staff,
    }))
}

/// The id behind a channel's name.
pub async fn id_of(conn: &mut Conn, username: &str) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!("SELECT user_id FROM users WHERE username = $1 AND NOT is_suspended", username)
        .fetch_optional(conn)
        .await?;
    Ok(id.map(UserId::from_uuid))
}

/// The sealed stream key.
pub async fn sealed_key(conn: &mut Conn, id: UserId) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!("SELECT stream_key_sealed FROM channels WHERE channel_id = $1", id.as_uuid())
        .fetch_optional(conn)
        .await?)
}

/// Replaces the stream key. False when there is no such channel.
pub async fn set_key(conn: &mut Conn, id: UserId, key: &KeyHash, key_sealed: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE channels SET stream_key_hash = $2, stream_key_sealed = $3, key_rotated_at = now()
         WHERE channel_id = $1
        "#,
        id.as_uuid(),
        &key[..],
        key_sealed,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn settings(conn: &mut Conn, id: UserId) -> Result<Option<Settings>> {
    sqlx::query_as!(
        SettingsRow,
        "SELECT title, description, category_slug, tags, visibility FROM channels WHERE channel_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Settings::try_from)
    .transpose()
}

/// Changes what is given and returns the result. An unknown category is a constraint error.
pub async fn update_settings(conn: &mut Conn, id: UserId, change: &SettingsChange) -> Result<Option<Settings>> {
    sqlx::query_as!(
        SettingsRow,
        r#"
        UPDATE channels
           SET title = coalesce($2, title),
               description = coalesce($3, description),
               category_slug = CASE WHEN $4 THEN $5 ELSE category_slug END,
               tags = coalesce($6, tags),
               visibility = coalesce($7, visibility)
         WHERE channel_id = $1
        RETURNING title, description, category_slug, tags, visibility
        "#,
        id.as_uuid(),
        change.title.as_deref(),
        change.description.as_deref(),
        change.category_slug.is_some(),
        change.category_slug.clone().flatten(),
        change.tags.as_deref(),
        change.visibility.map(Visibility::as_str),
    )
    .fetch_optional(conn)
    .await?
    .map(Settings::try_from)
    .transpose()
}
