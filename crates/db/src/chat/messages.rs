//! SQL for the history of chat, where no MongoDB is configured.

use std::collections::BTreeMap;

use domain::chat::{Mention, MessageKind};
use domain::{MessageId, StreamId, Timestamp, UserId};

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
    pub kind: MessageKind,
    pub reply_to: Option<MessageId>,
    pub thread: Option<MessageId>,
    pub mentions: Vec<Mention>,
    /// Where the picture of each emote in it is.
    pub emotes: BTreeMap<String, String>,
    pub edited_at: Option<Timestamp>,
    pub changed_at: Option<Timestamp>,
    pub is_deleted: bool,
}

/// What an edit makes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub text: String,
    pub mentions: Vec<Mention>,
    pub emotes: BTreeMap<String, String>,
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

/// The columns of a message, as every query here names them.
struct Row {
    message_id: uuid::Uuid,
    channel_id: uuid::Uuid,
    stream_id: Option<uuid::Uuid>,
    user_id: uuid::Uuid,
    username: String,
    display_name: String,
    badges: Vec<String>,
    text: String,
    client_id: String,
    sent_at: Timestamp,
    offset_ms: Option<i64>,
    kind: String,
    reply_to: Option<uuid::Uuid>,
    thread_id: Option<uuid::Uuid>,
    mentions: serde_json::Value,
    emotes: serde_json::Value,
    edited_at: Option<Timestamp>,
    changed_at: Option<Timestamp>,
    is_deleted: bool,
}

impl TryFrom<Row> for MessageRow {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: MessageId::from_uuid(row.message_id),
            channel: UserId::from_uuid(row.channel_id),
            stream: row.stream_id.map(StreamId::from_uuid),
            user: UserId::from_uuid(row.user_id),
            username: row.username,
            display_name: row.display_name,
            badges: row.badges,
            text: row.text,
            client_id: row.client_id,
            sent_at: row.sent_at,
            offset_ms: row.offset_ms,
            kind: MessageKind::parse(&row.kind).ok_or(DbError::Corrupt { what: "kind of a message" })?,
            reply_to: row.reply_to.map(MessageId::from_uuid),
            thread: row.thread_id.map(MessageId::from_uuid),
            mentions: serde_json::from_value(row.mentions).map_err(|_| DbError::Corrupt { what: "mentions" })?,
            emotes: serde_json::from_value(row.emotes).map_err(|_| DbError::Corrupt { what: "emotes" })?,
            edited_at: row.edited_at,
            changed_at: row.changed_at,
            is_deleted: row.is_deleted,
        })
    }
}

fn messages(rows: Vec<Row>) -> Result<Vec<MessageRow>> {
    rows.into_iter().map(MessageRow::try_from).collect()
}

fn json(value: &impl serde::Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|_| DbError::Corrupt { what: "part of a message" })
}

/// Stores a message. `None`: this member already sent one under this `client_id`.
pub async fn insert(conn: &mut Conn, message: &MessageRow) -> Result<Option<MessageId>> {
    let id = sqlx::query_scalar!(
        r#"
        INSERT INTO chat_messages (message_id, channel_id, stream_id, user_id, username, display_name, badges, text,
                                   client_id, sent_at, offset_ms, kind, reply_to, thread_id, mentions, emotes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
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
        message.kind.as_str(),
        message.reply_to.map(MessageId::as_uuid),
        message.thread.map(MessageId::as_uuid),
        json(&message.mentions)?,
        json(&message.emotes)?,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(MessageId::from_uuid))
}

/// What a member sent under this `client_id`, deleted or not.
pub async fn by_client_id(conn: &mut Conn, user: UserId, client_id: &str) -> Result<Option<MessageRow>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
          FROM chat_messages
         WHERE user_id = $1 AND client_id = $2
        "#,
        user.as_uuid(),
        client_id,
    )
    .fetch_optional(conn)
    .await?;
    row.map(MessageRow::try_from).transpose()
}

/// A message that has not been deleted.
pub async fn find(conn: &mut Conn, id: MessageId) -> Result<Option<MessageRow>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
          FROM chat_messages
         WHERE message_id = $1 AND deleted_at IS NULL
        "#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(MessageRow::try_from).transpose()
}

/// Messages of these ids, deleted ones too, in no order.
pub async fn find_all(conn: &mut Conn, ids: &[MessageId]) -> Result<Vec<MessageRow>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
          FROM chat_messages
         WHERE message_id = ANY($1)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    messages(rows)
}

/// The last messages of a thread after its first, in the order of ids.
pub async fn thread(conn: &mut Conn, root: MessageId, limit: i64) -> Result<Vec<MessageRow>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
          FROM chat_messages
         WHERE thread_id = $1 AND deleted_at IS NULL
         ORDER BY message_id DESC
         LIMIT $2
        "#,
        root.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().rev().map(MessageRow::try_from).collect()
}

/// The last messages of a member in a channel, deleted ones too, in the order of ids.
pub async fn said_by(conn: &mut Conn, channel: UserId, user: UserId, limit: i64) -> Result<Vec<MessageRow>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
          FROM chat_messages
         WHERE channel_id = $1 AND user_id = $2
         ORDER BY message_id DESC
         LIMIT $3
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().rev().map(MessageRow::try_from).collect()
}

/// How many messages a member has sent in a channel, deleted ones too; counted up to `most`.
pub async fn said_count(conn: &mut Conn, channel: UserId, user: UserId, most: i64) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
          FROM (SELECT FROM chat_messages WHERE channel_id = $1 AND user_id = $2 LIMIT $3) AS said
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        most,
    );
    Ok(count.fetch_one(conn).await?)
}

/// What was edited, reacted to or deleted in a channel since then, the oldest change first.
pub async fn changed_since(conn: &mut Conn, channel: UserId, since: Timestamp, limit: i64) -> Result<Vec<MessageRow>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
          FROM chat_messages
         WHERE channel_id = $1 AND changed_at >= $2
         ORDER BY changed_at
         LIMIT $3
        "#,
        channel.as_uuid(),
        since,
        limit,
    )
    .fetch_all(conn)
    .await?;
    messages(rows)
}

/// Changes an author's message. `None`: it is gone, or somebody else's.
pub async fn edit(
    conn: &mut Conn,
    id: MessageId,
    author: UserId,
    edit: &Edit,
    at: Timestamp,
) -> Result<Option<MessageRow>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        UPDATE chat_messages
           SET text = $3, mentions = $4, emotes = $5, edited_at = $6, changed_at = $6
         WHERE message_id = $1 AND user_id = $2 AND deleted_at IS NULL
        RETURNING message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at,
                  offset_ms, kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, false AS "is_deleted!"
        "#,
        id.as_uuid(),
        author.as_uuid(),
        edit.text,
        json(&edit.mentions)?,
        json(&edit.emotes)?,
        at,
    )
    .fetch_optional(conn)
    .await?;
    row.map(MessageRow::try_from).transpose()
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
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
                   kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
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
        return messages(rows);
    }
    let before = if let Span::Before(before) = span { Some(before.as_uuid()) } else { None };
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
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
    rows.into_iter().rev().map(MessageRow::try_from).collect()
}

/// Part of a stream's chat, in the order of (offset, id). A bound is such a pair; see [`StreamPoint`].
pub async fn stream_page(
    conn: &mut Conn,
    stream: StreamId,
    span: Span<StreamPoint>,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    if let Span::After(after) = span {
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
                   kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
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
        return messages(rows);
    }
    let before = if let Span::Before(before) = span { before } else { StreamPoint::END };
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, channel_id, stream_id, user_id, username, display_name, badges, text, client_id, sent_at, offset_ms,
               kind, reply_to, thread_id, mentions, emotes, edited_at, changed_at, deleted_at IS NOT NULL AS "is_deleted!"
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
    rows.into_iter().rev().map(MessageRow::try_from).collect()
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
        r#"
        UPDATE chat_messages SET deleted_at = $3, changed_at = $3, deleted_by = $2
         WHERE message_id = $1 AND deleted_at IS NULL
        "#,
        id.as_uuid(),
        by.as_uuid(),
        at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
