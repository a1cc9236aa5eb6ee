//! SQL for looking for what was said in rooms: in which a member may look, and what is found where no MongoDB is configured.

use domain::words::Sought;
use domain::{MessageId, RoomId, UserId};

use super::messages::{RoomMessageRow, Row, messages};
use crate::Pool;
use crate::error::Result;

/// Longest a search may take.
const SEARCH_MS_MAX: &str = "1200";

/// What a room's words are kept behind, as the statements of [`super::messages`] have it. Of two rooms that share one, the room itself decides.
fn mark(room: RoomId) -> String {
    room.as_uuid().simple().to_string()[20..].to_owned()
}

/// In any of the rooms, each word as the beginning of one. Words are letters and digits, so nothing in them means anything to the parser.
fn question(rooms: &[RoomId], sought: &Sought) -> String {
    let of_room = |room: &RoomId| {
        let mark = mark(*room);
        let words: Vec<String> = sought.words().iter().map(|word| format!("'{mark}{word}':*")).collect();
        format!("({})", words.join("&"))
    };
    rooms.iter().map(of_room).collect::<Vec<_>>().join("|")
}

/// The rooms a member sits in, or one of them, the one where something was said last first. Those with somebody they blocked are left out, as
/// in their list.
pub async fn readable(conn: &mut crate::Conn, user: UserId, room: Option<RoomId>, limit: i64) -> Result<Vec<RoomId>> {
    let ids = sqlx::query_scalar!(
        r#"
        SELECT r.room_id
          FROM room_members me
          JOIN rooms r ON r.room_id = me.room_id
          LEFT JOIN LATERAL (SELECT l.sent_at FROM room_lines l
                              WHERE l.room_id = r.room_id AND NOT l.is_deleted
                              ORDER BY l.message_id DESC
                              LIMIT 1) AS said ON true
         WHERE me.user_id = $1 AND me.state = 'active' AND ($2::uuid IS NULL OR r.room_id = $2)
           AND NOT EXISTS (SELECT FROM bond_sides b
                            WHERE b.user_id = $1 AND b.blocked_at IS NOT NULL
                              AND b.other_id = CASE r.low_id WHEN $1 THEN r.high_id ELSE r.low_id END)
         ORDER BY said.sent_at DESC NULLS LAST, r.room_id
         LIMIT $3
        "#,
        user.as_uuid(),
        room.map(RoomId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(RoomId::from_uuid).collect())
}

/// Messages of these rooms that have what is sought, the latest first. An error when it takes too long.
pub async fn search(
    pool: &Pool,
    rooms: &[RoomId],
    sought: &Sought,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<RoomMessageRow>> {
    let ids: Vec<_> = rooms.iter().map(|room| room.as_uuid()).collect();
    let mut tx = crate::begin(pool).await?;
    sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", SEARCH_MS_MAX).fetch_one(&mut *tx).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT message_id, room_id, user_id, text, client_id, sent_at, reply_to, edited_at, changed_at,
               deleted_at IS NOT NULL AS "is_deleted!",
               (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.reacted_at, r.emoji, r.user_id)
                  FROM room_reactions r WHERE r.message_id = m.message_id) AS reactions
          FROM room_messages m
         WHERE words @@ ($1::text)::tsquery AND room_id = ANY($2) AND deleted_at IS NULL
           AND message_id < COALESCE($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
         ORDER BY message_id DESC
         LIMIT $4
        "#,
        question(rooms, sought),
        &ids,
        before.map(MessageId::as_uuid),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    crate::commit(tx).await?;
    messages(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_each_room_with_each_word() {
        let rooms = [RoomId::from_uuid(kit::ids::uuid()), RoomId::from_uuid(kit::ids::uuid())];
        let [one, other] = rooms.map(mark);
        let asked = question(&rooms, &Sought::parse("O'Neil ab").unwrap());
        assert_eq!(
            asked,
            format!("('{one}o':*&'{one}neil':*&'{one}ab':*)|('{other}o':*&'{other}neil':*&'{other}ab':*)")
        );
    }
}
