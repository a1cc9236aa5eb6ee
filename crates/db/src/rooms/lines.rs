//! One line for each message of a room, wherever its text is kept, and how far each member has read.

use domain::{MessageId, NotificationId, RoomId, Timestamp, UserId};

use crate::Conn;
use crate::error::Result;

/// That something was said.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub id: MessageId,
    pub room: RoomId,
    pub author: UserId,
    /// How it begins.
    pub excerpt: &'a str,
    pub sent_at: Timestamp,
}

/// Notes that something was said and that its author has read up to it, both once, and that whoever has not read it in half a minute is to
/// be told. Who sits in the room, and so is to hear it.
pub async fn said(conn: &mut Conn, line: Line<'_>) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        r#"
        WITH line AS (
            INSERT INTO room_lines (message_id, room_id, user_id, excerpt, sent_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (message_id) DO NOTHING
            RETURNING room_id
        ), tell AS (
            INSERT INTO room_tells (room_id, due_at) SELECT room_id, now() + interval '30 seconds' FROM line
            ON CONFLICT (room_id) DO NOTHING
        ), marked AS (
            UPDATE room_members SET read_id = greatest(read_id, $1), has_spoken = true
             WHERE room_id = $2 AND user_id = $3 AND (read_id IS NULL OR read_id < $1 OR NOT has_spoken)
        )
        SELECT user_id FROM room_members WHERE room_id = $2 AND state = 'active'
        "#,
        line.id.as_uuid(),
        line.room.as_uuid(),
        line.author.as_uuid(),
        line.excerpt,
        line.sent_at,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

/// A message begins otherwise now.
pub async fn reword(conn: &mut Conn, id: MessageId, excerpt: &str) -> Result<()> {
    sqlx::query!("UPDATE room_lines SET excerpt = $2 WHERE message_id = $1 AND NOT is_deleted", id.as_uuid(), excerpt)
        .execute(conn)
        .await?;
    Ok(())
}

/// A message is gone: nothing of it stays here, and nobody has it unread.
pub async fn redact(conn: &mut Conn, id: MessageId) -> Result<()> {
    sqlx::query!("UPDATE room_lines SET excerpt = '', is_deleted = true WHERE message_id = $1", id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// What became of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// The notification that told of messages in the room is read as well, if there was one.
    Moved { told: Option<NotificationId> },
    /// It was there or further already.
    Behind,
    /// No such message was said in the room: a marker ahead of everything would hide what comes.
    NoLine,
}

/// Moves a member's marker forward. A notification that something was said in the room has served its purpose then.
pub async fn read(conn: &mut Conn, room: RoomId, user: UserId, id: MessageId) -> Result<Marked> {
    let row = sqlx::query!(
        r#"
        WITH line AS (
            SELECT message_id FROM room_lines WHERE message_id = $3 AND room_id = $1
        ), moved AS (
            UPDATE room_members m SET read_id = line.message_id
              FROM line
             WHERE m.room_id = $1 AND m.user_id = $2 AND (m.read_id IS NULL OR m.read_id < line.message_id)
            RETURNING m.user_id
        ), told AS (
            UPDATE notifications n SET is_read = true
              FROM moved
             WHERE n.user_id = moved.user_id AND n.type = 'message' AND n.entity_id = $1 AND NOT n.is_read
            RETURNING n.notification_id
        )
        SELECT EXISTS (SELECT FROM line) AS "is_there!", EXISTS (SELECT FROM moved) AS "is_moved!",
               (SELECT notification_id FROM told) AS told
        "#,
        room.as_uuid(),
        user.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(match row {
        row if row.is_moved => Marked::Moved { told: row.told.map(NotificationId::from_uuid) },
        row if row.is_there => Marked::Behind,
        _ => Marked::NoLine,
    })
}
