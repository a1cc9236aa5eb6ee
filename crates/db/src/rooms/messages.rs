//! SQL for what was said in rooms, where no MongoDB is configured.

use domain::{MessageId, RoomId, Timestamp, UserId};
use uuid::Uuid;

use crate::chat::{Reacted, Span};
use crate::error::{DbError, Result};
use crate::{Conn, Pool};

/// Something said, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMessageRow {
    pub id: MessageId,
    pub room: RoomId,
    pub user: UserId,
    pub text: String,
    pub client_id: String,
    pub sent_at: Timestamp,
    pub reply_to: Option<MessageId>,
    pub edited_at: Option<Timestamp>,
    pub changed_at: Option<Timestamp>,
    pub is_deleted: bool,
    /// Who reacted with what, in the order in which they did.
    pub reactions: Vec<(String, UserId)>,
}

/// The columns of a message, as every query here names them.
pub(super) struct Row {
    pub(super) message_id: Uuid,
    pub(super) room_id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) text: String,
    pub(super) client_id: String,
    pub(super) sent_at: Timestamp,
    pub(super) reply_to: Option<Uuid>,
    pub(super) edited_at: Option<Timestamp>,
    pub(super) changed_at: Option<Timestamp>,
    pub(super) is_deleted: bool,
    pub(super) reactions: Option<serde_json::Value>,
}

impl TryFrom<Row> for RoomMessageRow {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        let reactions = row.reactions.map(serde_json::from_value).transpose();
        Ok(Self {
            id: MessageId::from_uuid(row.message_id),
            room: RoomId::from_uuid(row.room_id),
            user: UserId::from_uuid(row.user_id),
            text: row.text,
            client_id: row.client_id,
            sent_at: row.sent_at,
            reply_to: row.reply_to.map(MessageId::from_uuid),
            edited_at: row.edited_at,
            changed_at: row.changed_at,
            is_deleted: row.is_deleted,
            reactions: reactions.map_err(|_| DbError::Corrupt { what: "reactions" })?.unwrap_or_default(),
        })
    }
}

pub(super) fn messages(rows: Vec<Row>) -> Result<Vec<RoomMessageRow>> {
    rows.into_iter().map(RoomMessageRow::try_from).collect()
}

/// Stores a message. False: this member already sent one under this `client_id`.
pub async fn insert(conn: &mut Conn, message: &RoomMessageRow) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        INSERT INTO room_messages (message_id, room_id, user_id, text, client_id, sent_at, reply_to, words)
        VALUES ($1, $2, $3, $4, $5, $6, $7,
                array_to_tsvector(ARRAY(SELECT right(replace($2::uuid::text, '-', ''), 12) || word
                                          FROM unnest($8::text[]) AS word)))
        ON CONFLICT DO NOTHING
        "#,
        message.id.as_uuid(),
        message.room.as_uuid(),
        message.user.as_uuid(),
        message.text,
        message.client_id,
        message.sent_at,
        message.reply_to.map(MessageId::as_uuid),
        &domain::words::words(&message.text),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What a member sent under this `client_id`, deleted or not.
pub async fn by_client_id(conn: &mut Conn, user: UserId, client_id: &str) -> Result<Option<RoomMessageRow>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
               deleted_at IS NOT NULL AS "is_deleted!",
               (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                  FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
          FROM room_messages m
         WHERE user_id = $1 AND client_id = $2
        "#,
        user.as_uuid(),
        client_id,
    )
    .fetch_optional(conn)
    .await?;
    row.map(RoomMessageRow::try_from).transpose()
}

/// Messages of these ids, deleted ones too, in no order.
pub async fn find_all(conn: &mut Conn, ids: &[MessageId]) -> Result<Vec<RoomMessageRow>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
               deleted_at IS NOT NULL AS "is_deleted!",
               (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                  FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
          FROM room_messages m
         WHERE message_id = ANY($1)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    messages(rows)
}

/// Part of what was said in a room, in the order of ids.
pub async fn page(conn: &mut Conn, room: RoomId, span: Span<MessageId>, limit: i64) -> Result<Vec<RoomMessageRow>> {
    if let Span::After(after) = span {
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
                   deleted_at IS NOT NULL AS "is_deleted!",
                   (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                      FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
              FROM room_messages m
             WHERE room_id = $1 AND message_id > $2 AND deleted_at IS NULL
             ORDER BY message_id
             LIMIT $3
            "#,
            room.as_uuid(),
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
        SELECT message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
               deleted_at IS NOT NULL AS "is_deleted!",
               (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                  FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
          FROM room_messages m
         WHERE room_id = $1 AND message_id < COALESCE($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
           AND deleted_at IS NULL
         ORDER BY message_id DESC
         LIMIT $3
        "#,
        room.as_uuid(),
        before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().rev().map(RoomMessageRow::try_from).collect()
}

/// What was edited, reacted to or deleted in a room since then, the oldest change first.
pub async fn changed_since(conn: &mut Conn, room: RoomId, since: Timestamp, limit: i64) -> Result<Vec<RoomMessageRow>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
               deleted_at IS NOT NULL AS "is_deleted!",
               (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                  FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
          FROM room_messages m
         WHERE room_id = $1 AND changed_at >= $2
         ORDER BY changed_at
         LIMIT $3
        "#,
        room.as_uuid(),
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
    text: &str,
    at: Timestamp,
) -> Result<Option<RoomMessageRow>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        UPDATE room_messages m
           SET text = $3, edited_at = $4, changed_at = $4,
               words = array_to_tsvector(ARRAY(SELECT right(replace(m.room_id::text, '-', ''), 12) || word
                                                 FROM unnest($5::text[]) AS word))
         WHERE message_id = $1 AND user_id = $2 AND deleted_at IS NULL
        RETURNING message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
                  false AS "is_deleted!",
                  (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                     FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
        "#,
        id.as_uuid(),
        author.as_uuid(),
        text,
        at,
        &domain::words::words(text),
    )
    .fetch_optional(conn)
    .await?;
    row.map(RoomMessageRow::try_from).transpose()
}

/// Adds or takes back a member's reaction. A message carries at most `kinds_max` different emoji.
pub async fn react(
    pool: &Pool,
    (message, user): (MessageId, UserId),
    emoji: &str,
    is_on: bool,
    kinds_max: i64,
    at: Timestamp,
) -> Result<Reacted> {
    let mut tx = crate::begin(pool).await?;
    // Holds the row: whoever reacts to it too comes after.
    let touched = sqlx::query!(
        "UPDATE room_messages SET changed_at = $2 WHERE message_id = $1 AND deleted_at IS NULL",
        message.as_uuid(),
        at,
    )
    .execute(&mut *tx)
    .await?;
    if touched.rows_affected() == 0 {
        return Ok(Reacted::Gone);
    }
    if !is_on {
        sqlx::query!(
            "DELETE FROM room_reactions WHERE message_id = $1 AND emoji = $2 AND user_id = $3",
            message.as_uuid(),
            emoji,
            user.as_uuid(),
        )
        .execute(&mut *tx)
        .await?;
        crate::commit(tx).await?;
        return Ok(Reacted::Done);
    }
    let others = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT emoji) AS "count!" FROM room_reactions WHERE message_id = $1 AND emoji <> $2"#,
        message.as_uuid(),
        emoji,
    )
    .fetch_one(&mut *tx)
    .await?;
    if others >= kinds_max {
        return Ok(Reacted::TooMany);
    }
    sqlx::query!(
        "INSERT INTO room_reactions (message_id, emoji, user_id, reacted_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        message.as_uuid(),
        emoji,
        user.as_uuid(),
        at,
    )
    .execute(&mut *tx)
    .await?;
    crate::commit(tx).await?;
    Ok(Reacted::Done)
}

/// Hides a message. False: it was not there, or hidden before.
pub async fn delete(conn: &mut Conn, id: MessageId, at: Timestamp) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE room_messages SET deleted_at = $2, changed_at = $2 WHERE message_id = $1 AND deleted_at IS NULL",
        id.as_uuid(),
        at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
