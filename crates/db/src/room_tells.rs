//! SQL for telling members what happened in their rooms while they were away.

use domain::attachment::AttachmentKind;
use domain::{RoomId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// Takes up to `limit` rooms in which something was said a while ago. One in which something was said a moment ago as well is looked at
/// again. To be called in the transaction that tells it.
pub async fn take_due(conn: &mut Conn, limit: i64) -> Result<Vec<RoomId>> {
    let rooms = sqlx::query_scalar!(
        r#"
        DELETE FROM room_tells
         WHERE room_id IN (SELECT room_id FROM room_tells WHERE due_at <= now()
                            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING room_id
        "#,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO room_tells (room_id, due_at)
        SELECT room_id, now() + interval '30 seconds'
          FROM unnest($1::uuid[]) AS taken (room_id)
         WHERE EXISTS (SELECT FROM room_lines l
                        WHERE l.room_id = taken.room_id AND NOT l.is_deleted AND l.sent_at > now() - interval '25 seconds')
        ON CONFLICT DO NOTHING
        "#,
        &rooms,
    )
    .execute(conn)
    .await?;
    Ok(rooms.into_iter().map(RoomId::from_uuid).collect())
}

/// Somebody has not read for a while what another said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    pub room: RoomId,
    pub user: UserId,
    pub author: UserId,
    /// A group's name.
    pub name: Option<String>,
    /// What they sent, where they said nothing with it.
    pub sent: Option<AttachmentKind>,
}

/// Who in these rooms has not read for a while what others said there, by room and author. What was said by somebody from whom they are
/// apart is not counted.
pub async fn away(conn: &mut Conn, rooms: &[RoomId]) -> Result<Vec<Away>> {
    let rooms: Vec<Uuid> = rooms.iter().map(|room| room.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT r.room_id, m.user_id, said.user_id AS author_id, r.name,
               (SELECT a.kind FROM attachments a
                 WHERE a.message_id = said.message_id AND said.excerpt = '' AND a.gone_at IS NULL) AS sent
          FROM rooms r
          JOIN room_members m ON m.room_id = r.room_id AND m.state = 'active'
          JOIN users u ON u.user_id = m.user_id AND NOT u.is_suspended
         CROSS JOIN LATERAL (SELECT l.user_id, l.message_id, l.excerpt
                               FROM room_lines l
                              WHERE l.room_id = r.room_id AND NOT l.is_deleted AND l.user_id <> m.user_id
                                AND l.message_id > coalesce(m.read_id, '00000000-0000-0000-0000-000000000000')
                                AND l.sent_at <= now() - interval '25 seconds'
                                AND NOT are_apart(m.user_id, l.user_id)
                              ORDER BY l.message_id DESC
                              LIMIT 1) AS said
         WHERE r.room_id = ANY($1) AND r.archived_at IS NULL
         ORDER BY r.room_id, said.user_id, said.message_id, m.user_id
        "#,
        &rooms,
    )
    .fetch_all(conn)
    .await?;
    let away = rows.into_iter().map(|row| Away {
        room: RoomId::from_uuid(row.room_id),
        user: UserId::from_uuid(row.user_id),
        author: UserId::from_uuid(row.author_id),
        name: row.name,
        sent: row.sent.as_deref().and_then(AttachmentKind::parse),
    });
    Ok(away.collect())
}

/// Makes room for a new notification of messages in a room: the last one was read.
pub async fn forget_read(conn: &mut Conn, room: RoomId, users: &[UserId]) -> Result<()> {
    let users: Vec<Uuid> = users.iter().map(|user| user.as_uuid()).collect();
    sqlx::query!(
        "DELETE FROM notifications WHERE user_id = ANY($1) AND type = 'message' AND entity_id = $2 AND is_read",
        &users,
        room.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The group a member is invited to and by whom, while the invitation waits. An older notification of the same is forgotten.
pub async fn invitation(conn: &mut Conn, room: RoomId, user: UserId) -> Result<Option<(String, UserId)>> {
    let row = sqlx::query!(
        r#"
        SELECT r.name AS "name!", i.invited_by, i.created_at
          FROM room_invites i JOIN rooms r USING (room_id)
         WHERE i.room_id = $1 AND i.user_id = $2 AND r.archived_at IS NULL
        "#,
        room.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let at: Timestamp = row.created_at;
    sqlx::query!(
        "DELETE FROM notifications WHERE user_id = $1 AND type = 'room_invite' AND entity_id = $2 AND created_at < $3",
        user.as_uuid(),
        room.as_uuid(),
        at,
    )
    .execute(conn)
    .await?;
    Ok(Some((row.name, UserId::from_uuid(row.invited_by))))
}
