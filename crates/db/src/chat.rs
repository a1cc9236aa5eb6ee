//! SQL for chat: its history (when no MongoDB is configured) and the few facts a chat room needs of members, channels and
//! streams.

mod messages;
mod reactions;

use domain::chat::Mention;
use domain::user::{Role, Username};
use domain::{MessageId, SessionId, StreamId, Timestamp, UserId, Visibility, VodId};

use crate::Conn;
use crate::error::{DbError, Result};

pub use messages::{
    Edit, MessageRow, Span, StreamPoint, by_client_id, changed_since, channel_page, delete, edit, find, find_all,
    insert, point, said_by, said_count, stream_page, thread,
};
pub use reactions::{Reacted, Reaction, react, reactions};

/// What a chat room knows of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chatter {
    pub id: UserId,
    pub username: Username,
    pub display_name: String,
    pub role: Role,
    pub is_suspended: bool,
}

/// A stream that is on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnAir {
    pub id: StreamId,
    pub started_at: Timestamp,
}

/// Whose recording it is, and of which stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VodRoom {
    pub stream: StreamId,
    pub channel: UserId,
    pub username: Username,
    pub visibility: Visibility,
}

fn username(text: &str) -> Result<Username> {
    Username::parse(text).map_err(|_| DbError::Corrupt { what: "username" })
}

/// A member, as a chat room sees one.
pub async fn chatter(conn: &mut Conn, user: UserId) -> Result<Option<Chatter>> {
    let row = sqlx::query!(
        "SELECT user_id, username, display_name, role, is_suspended FROM users WHERE user_id = $1",
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Chatter {
            id: UserId::from_uuid(row.user_id),
            username: username(&row.username)?,
            display_name: row.display_name,
            role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
            is_suspended: row.is_suspended,
        })
    })
    .transpose()
}

/// The channel of that name. A suspended member's channel is not there.
pub async fn channel_by_username(conn: &mut Conn, name: &Username) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!(
        r#"
        SELECT c.channel_id
          FROM channels c JOIN users u ON u.user_id = c.channel_id
         WHERE u.username = $1 AND NOT u.is_suspended
        "#,
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(UserId::from_uuid))
}

/// A channel's name.
pub async fn username_of(conn: &mut Conn, channel: UserId) -> Result<Option<Username>> {
    let name = sqlx::query_scalar!("SELECT username FROM users WHERE user_id = $1", channel.as_uuid())
        .fetch_optional(conn)
        .await?;
    name.as_deref().map(username).transpose()
}

/// The stream a channel has on air, if any.
pub async fn on_air(conn: &mut Conn, channel: UserId) -> Result<Option<OnAir>> {
    let row = sqlx::query!(
        r#"
        SELECT stream_id, started_at
          FROM streams
         WHERE channel_id = $1 AND status IN ('live', 'reconnecting')
        "#,
        channel.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| OnAir { id: StreamId::from_uuid(row.stream_id), started_at: row.started_at }))
}

/// The stream a recording was made of. A deleted recording is not there, nor is one that was made from a file.
pub async fn vod_room(conn: &mut Conn, vod: VodId) -> Result<Option<VodRoom>> {
    let row = sqlx::query!(
        r#"
        SELECT v.stream_id AS "stream_id!", v.channel_id, v.visibility, u.username
          FROM vods v JOIN users u ON u.user_id = v.channel_id
         WHERE v.vod_id = $1 AND v.deleted_at IS NULL AND v.stream_id IS NOT NULL
        "#,
        vod.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(VodRoom {
            stream: StreamId::from_uuid(row.stream_id),
            channel: UserId::from_uuid(row.channel_id),
            username: username(&row.username)?,
            visibility: crate::access::visibility(&row.visibility)?,
        })
    })
    .transpose()
}

/// Which of these sign-ins are over, or belong to a suspended member.
pub async fn dead_sessions(conn: &mut Conn, sessions: &[SessionId]) -> Result<Vec<SessionId>> {
    let asked: Vec<uuid::Uuid> = sessions.iter().map(|session| session.as_uuid()).collect();
    let dead = sqlx::query_scalar!(
        r#"
        SELECT asked.id AS "id!"
          FROM unnest($1::uuid[]) AS asked (id)
         WHERE NOT EXISTS (SELECT 1
                             FROM sessions s JOIN users u USING (user_id)
                            WHERE s.session_id = asked.id
                              AND s.revoked_at IS NULL
                              AND s.expires_at > now()
                              AND NOT u.is_suspended)
        "#,
        &asked,
    )
    .fetch_all(conn)
    .await?;
    Ok(dead.into_iter().map(SessionId::from_uuid).collect())
}

/// Pins a message, in place of the one before, or none.
pub async fn pin(
    conn: &mut Conn,
    channel: UserId,
    message: Option<MessageId>,
    by: UserId,
    at: Timestamp,
) -> Result<()> {
    let Some(message) = message else {
        sqlx::query!("DELETE FROM chat_pins WHERE channel_id = $1", channel.as_uuid()).execute(conn).await?;
        return Ok(());
    };
    sqlx::query!(
        r#"
        INSERT INTO chat_pins (channel_id, message_id, pinned_by, pinned_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (channel_id) DO UPDATE SET message_id = $2, pinned_by = $3, pinned_at = $4
        "#,
        channel.as_uuid(),
        message.as_uuid(),
        by.as_uuid(),
        at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The message a channel has pinned. It may have been deleted since.
pub async fn pinned(conn: &mut Conn, channel: UserId) -> Result<Option<MessageId>> {
    let id = sqlx::query_scalar!("SELECT message_id FROM chat_pins WHERE channel_id = $1", channel.as_uuid())
        .fetch_optional(conn)
        .await?;
    Ok(id.map(MessageId::from_uuid))
}

/// Which of these names are members'.
pub async fn members_named(conn: &mut Conn, names: &[Username]) -> Result<Vec<Mention>> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let rows = sqlx::query!(
        "SELECT user_id, username FROM users WHERE username = ANY($1) AND NOT is_suspended",
        &names as &[String],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Mention { id: UserId::from_uuid(row.user_id), username: username(&row.username)? }))
        .collect()
}

/// Hides the last lines of a channel after `after`, of all or of one member. Returns how many.
pub async fn clear(
    conn: &mut Conn,
    channel: UserId,
    user: Option<UserId>,
    after: MessageId,
    (by, at): (UserId, Timestamp),
    limit: i64,
) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE chat_messages
           SET deleted_at = $5, deleted_by = $4, changed_at = $5
         WHERE message_id IN (SELECT message_id
                                FROM chat_messages
                               WHERE channel_id = $1
                                 AND ($2::uuid IS NULL OR user_id = $2)
                                 AND message_id > $3
                                 AND deleted_at IS NULL
                               ORDER BY message_id DESC
                               LIMIT $6)
        "#,
        channel.as_uuid(),
        user.map(UserId::as_uuid),
        after.as_uuid(),
        by.as_uuid(),
        at,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Shows again what one member hid after `after`, at exactly that time. Returns how many.
pub async fn restore(
    conn: &mut Conn,
    channel: UserId,
    after: MessageId,
    (by, at): (UserId, Timestamp),
    now: Timestamp,
) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE chat_messages
           SET deleted_at = NULL, deleted_by = NULL, changed_at = $5
         WHERE channel_id = $1 AND message_id > $2 AND deleted_by = $3 AND deleted_at = $4
        "#,
        channel.as_uuid(),
        after.as_uuid(),
        by.as_uuid(),
        at,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The channels on air.
pub async fn channels_on_air(conn: &mut Conn, limit: i64) -> Result<Vec<Username>> {
    let names = sqlx::query_scalar!(
        r#"
        SELECT u.username
          FROM streams s JOIN users u ON u.user_id = s.channel_id
         WHERE s.status IN ('live', 'reconnecting')
         ORDER BY s.started_at
         LIMIT $1
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    names.iter().map(|name| username(name)).collect()
}

/// Raises the most viewers each channel's present stream has had. Never lowers one.
pub async fn raise_peaks(conn: &mut Conn, peaks: &[(Username, u64)]) -> Result<u64> {
    let names: Vec<String> = peaks.iter().map(|(name, _)| name.to_string()).collect();
    let counts: Vec<i64> = peaks.iter().map(|(_, count)| i64::try_from(*count).unwrap_or(i64::MAX)).collect();
    let done = sqlx::query!(
        r#"
        UPDATE streams s
           SET peak_viewers = p.count
          FROM unnest($1::text[], $2::bigint[]) AS p (username, count)
          JOIN users u ON u.username = p.username
         WHERE s.channel_id = u.user_id AND s.status IN ('live', 'reconnecting') AND s.peak_viewers < p.count
        "#,
        &names,
        &counts,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
