//! SQL for chat: its history (when no MongoDB is configured) and the few facts a chat room needs of members, channels and
//! streams.

use domain::user::{Role, Username};
use domain::{MessageId, SessionId, StreamId, Timestamp, UserId, Visibility, VodId};

use crate::Conn;
use crate::error::{DbError, Result};

/// A chat line as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    pub id: MessageId,
    pub channel: UserId,
    pub stream: Option<StreamId>,
    pub user: UserId,
    pub username: String,
    pub display_name: String,
    pub badges: Vec<String>,
    pub text: String,
    pub client_id: String,
    pub sent_at: Timestamp,
    pub offset_ms: Option<i64>,
}

/// Which part of a list is meant. Pages are always in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span<T> {
    /// The last ones.
    Latest,
    /// The last ones before this.
    Before(T),
    /// The first ones after this.
    After(T),
}

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

macro_rules! message {
    ($row:expr) => {
        MessageRow {
            id: MessageId::from_uuid($row.message_id),
            channel: UserId::from_uuid($row.channel_id),
            stream: $row.stream_id.map(StreamId::from_uuid),
            user: UserId::from_uuid($row.user_id),
            username: $row.username,
            display_name: $row.display_name,
            badges: $row.badges,
            text: $row.text,
            client_id: $row.client_id,
            sent_at: $row.sent_at,
            offset_ms: $row.offset_ms,
        }
    };
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

/// The stream a recording was made of. A deleted recording is not there.
pub async fn vod_room(conn: &mut Conn, vod: VodId) -> Result<Option<VodRoom>> {
    let row = sqlx::query!(
        r#"
        SELECT v.stream_id, v.channel_id, v.visibility, u.username
          FROM vods v JOIN users u ON u.user_id = v.channel_id
         WHERE v.vod_id = $1 AND v.deleted_at IS NULL
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

/// Stores a message. `None`: this member already sent one under this `client_id`.
pub async fn insert(conn: &mut Conn, message: &MessageRow) -> Result<Option<MessageId>> {
    let id = sqlx::query_scalar!(
        r#"
        INSERT INTO chat_messages (message_id, channel_id, stream_id, user_id, username, display_name, badges, text,
                                   client_id, sent_at, offset_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (user_id, client_id) DO NOTHING
        RETURNING message_id
        "#,
        message.id.as_uuid(),
        message.channel.as_uuid(),
        message.stream.map(StreamId::as_uuid),
        message.user.as_uuid(),
        message.username,
        message.display_name,
        &message.badges,
        message.text,
        message.client_id,
        message.sent_at,
        message.offset_ms,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(MessageId::from_uuid))
}

/// What a member sent under this `client_id`, deleted or not.
pub async fn by_client_id(conn: &mut Conn, user: UserId, client_id: &str) -> Result<Option<MessageRow>> {
    let row = sqlx::query!(
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
               offset_ms
          FROM chat_messages
         WHERE user_id = $1 AND client_id = $2
        "#,
        user.as_uuid(),
        client_id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| message!(row)))
}

/// A message that has not been deleted.
pub async fn find(conn: &mut Conn, id: MessageId) -> Result<Option<MessageRow>> {
    let row = sqlx::query!(
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
               offset_ms
          FROM chat_messages
         WHERE message_id = $1 AND deleted_at IS NULL
        "#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| message!(row)))
}

/// Where in its stream a message was written, deleted or not. `None`: no stream was on air, or there is no such message.
pub async fn point(conn: &mut Conn, id: MessageId) -> Result<Option<StreamPoint>> {
    let offset_ms = sqlx::query_scalar!(
        r#"SELECT offset_ms AS "offset_ms!" FROM chat_messages WHERE message_id = $1 AND offset_ms IS NOT NULL"#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(offset_ms.map(|offset_ms| StreamPoint { offset_ms, id }))
}

/// Part of a channel's chat, in the order of ids.
pub async fn channel_page(
    conn: &mut Conn,
    channel: UserId,
    span: Span<MessageId>,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    if let Span::After(after) = span {
        let rows = sqlx::query!(
            r#"
            SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
                   offset_ms
              FROM chat_messages
             WHERE channel_id = $1 AND message_id > $2 AND deleted_at IS NULL
             ORDER BY message_id
             LIMIT $3
            "#,
            channel.as_uuid(),
            after.as_uuid(),
            limit,
        )
        .fetch_all(conn)
        .await?;
        return Ok(rows.into_iter().map(|row| message!(row)).collect());
    }
    let before = if let Span::Before(before) = span { Some(before.as_uuid()) } else { None };
    let rows = sqlx::query!(
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
               offset_ms
          FROM chat_messages
         WHERE channel_id = $1 AND message_id < COALESCE($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
           AND deleted_at IS NULL
         ORDER BY message_id DESC
         LIMIT $3
        "#,
        channel.as_uuid(),
        before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().rev().map(|row| message!(row)).collect())
}

/// Part of a stream's chat, in the order of (offset, id). A bound is such a pair; see [`StreamPoint`].
pub async fn stream_page(
    conn: &mut Conn,
    stream: StreamId,
    span: Span<StreamPoint>,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    if let Span::After(after) = span {
        let rows = sqlx::query!(
            r#"
            SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
                   offset_ms
              FROM chat_messages
             WHERE stream_id = $1 AND (offset_ms, message_id) > ($2, $3) AND deleted_at IS NULL
             ORDER BY offset_ms, message_id
             LIMIT $4
            "#,
            stream.as_uuid(),
            after.offset_ms,
            after.id.as_uuid(),
            limit,
        )
        .fetch_all(conn)
        .await?;
        return Ok(rows.into_iter().map(|row| message!(row)).collect());
    }
    let before = if let Span::Before(before) = span { before } else { StreamPoint::END };
    let rows = sqlx::query!(
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
               offset_ms
          FROM chat_messages
         WHERE stream_id = $1 AND (offset_ms, message_id) < ($2, $3) AND deleted_at IS NULL
         ORDER BY offset_ms DESC, message_id DESC
         LIMIT $4
        "#,
        stream.as_uuid(),
        before.offset_ms,
        before.id.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().rev().map(|row| message!(row)).collect())
}

/// A place in a stream's chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPoint {
    pub offset_ms: i64,
    pub id: MessageId,
}

impl StreamPoint {
    /// After every message.
    pub const END: Self = Self { offset_ms: i64::MAX, id: MessageId::from_uuid(uuid::Uuid::from_u128(u128::MAX)) };

    /// Before every message of that offset.
    pub const fn at(offset_ms: i64) -> Self {
        Self { offset_ms, id: MessageId::from_uuid(uuid::Uuid::nil()) }
    }
}

/// Hides a message. False: it was not there, or hidden before.
pub async fn delete(conn: &mut Conn, id: MessageId, by: UserId, at: Timestamp) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE chat_messages SET deleted_at = $3, deleted_by = $2 WHERE message_id = $1 AND deleted_at IS NULL",
        id.as_uuid(),
        by.as_uuid(),
        at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
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
