//! SQL for rooms: who sits in them, who may write, what is new to whom.
//!
//! Who sits in a room is asked whenever it matters and never remembered: somebody shown out hears nothing from then on.

mod lines;
mod members;
mod messages;
mod search;

use domain::attachment::AttachmentKind;
use domain::rooms::{RoomKind, RoomRole, UNREAD_MAX, Writing};
use domain::{MessageId, RoomId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::Person;

pub use lines::{Line, Marked, read, redact, reword, said};
pub use members::{
    Invitation, Invited, Joined, Left, Seated, archive, audience, create_group, decline, hand_over, invitations,
    invite, invited_to, is_invited, join, leave, members, remove, rename, role_of, set_role,
};
pub use messages::{RoomMessageRow, by_client_id, changed_since, delete, edit, find_all, insert, page, react};
pub use search::{readable, search};

/// A member's place in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    pub kind: RoomKind,
    pub role: RoomRole,
    /// The other one of a private room.
    pub other: Option<UserId>,
    pub is_archived: bool,
}

/// A member as others see them: the face, and whether the account is in use.
#[derive(Debug, Clone)]
pub struct Face {
    pub id: UserId,
    pub person: Person,
    pub is_active: bool,
}

/// The last message of a room.
#[derive(Debug, Clone)]
pub struct Last {
    pub id: MessageId,
    pub user: UserId,
    /// How it begins; nothing where only something went out with it.
    pub excerpt: String,
    /// What went out with it.
    pub attachment: Option<AttachmentKind>,
    pub sent_at: Timestamp,
}

/// A room as one of its members sees it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub room: RoomId,
    pub kind: RoomKind,
    pub name: Option<String>,
    /// The other one of a private room.
    pub with: Option<Face>,
    pub other_read: Option<MessageId>,
    pub role: RoomRole,
    pub members: i64,
    pub is_archived: bool,
    pub created_at: Timestamp,
    pub last: Option<Last>,
    pub read: Option<MessageId>,
    /// Counted up to [`UNREAD_MAX`].
    pub unread: i64,
}

impl Listed {
    /// What the list is ordered by.
    pub fn at(&self) -> Timestamp {
        self.last.as_ref().map_or(self.created_at, |last| last.sent_at)
    }
}

/// Which of a member's rooms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which {
    /// One of them, whatever else is said here.
    pub room: Option<RoomId>,
    pub is_archived: bool,
    pub after: Option<(Timestamp, RoomId)>,
}

fn role(text: &str) -> Result<RoomRole> {
    RoomRole::parse(text).ok_or(DbError::Corrupt { what: "role in a room" })
}

fn kind(text: &str) -> Result<RoomKind> {
    RoomKind::parse(text).ok_or(DbError::Corrupt { what: "kind of a room" })
}

/// A member's place in a room. `None`: there is no such room, or they do not sit in it.
pub async fn seat(conn: &mut Conn, room: RoomId, user: UserId) -> Result<Option<Seat>> {
    let row = sqlx::query!(
        r#"
        SELECT r.kind, me.role, CASE r.low_id WHEN $2 THEN r.high_id ELSE r.low_id END AS other_id,
               r.archived_at IS NOT NULL AS "is_archived!"
          FROM room_members me JOIN rooms r USING (room_id)
         WHERE me.room_id = $1 AND me.user_id = $2 AND me.state = 'active'
        "#,
        room.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Seat {
            kind: kind(&row.kind)?,
            role: role(&row.role)?,
            other: row.other_id.map(UserId::from_uuid),
            is_archived: row.is_archived,
        })
    })
    .transpose()
}

/// The room of two members, if there is one.
pub async fn of_pair(conn: &mut Conn, one: UserId, other: UserId) -> Result<Option<RoomId>> {
    let room = sqlx::query_scalar!(
        "SELECT room_id FROM rooms WHERE low_id = least($1::uuid, $2::uuid) AND high_id = greatest($1::uuid, $2::uuid)",
        one.as_uuid(),
        other.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(room.map(RoomId::from_uuid))
}

/// The room of two members, which is made if there is none. To be called in a transaction.
pub async fn open_pair(conn: &mut Conn, one: UserId, other: UserId) -> Result<RoomId> {
    sqlx::query!(
        r#"
        INSERT INTO rooms (room_id, kind, low_id, high_id)
        VALUES ($1, 'private', least($2::uuid, $3::uuid), greatest($2::uuid, $3::uuid))
        ON CONFLICT ON CONSTRAINT rooms_one_per_pair DO NOTHING
        "#,
        kit::ids::uuid(),
        one.as_uuid(),
        other.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    let room = of_pair(&mut *conn, one, other).await?.ok_or(DbError::Corrupt { what: "room" })?;
    sqlx::query!(
        "INSERT INTO room_members (room_id, user_id) VALUES ($1, $2), ($1, $3) ON CONFLICT DO NOTHING",
        room.as_uuid(),
        one.as_uuid(),
        other.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(room)
}

/// Whether `writer` may write to `other` now.
pub async fn writing(conn: &mut Conn, writer: UserId, other: UserId) -> Result<Writing> {
    let row = sqlx::query!(
        r#"
        SELECT takes_messages($2, $1) AS "is_taken!",
               takes_messages($1, $2) AS "takes!",
               EXISTS (SELECT FROM bond_sides
                        WHERE user_id = $1 AND other_id = $2 AND blocked_at IS NOT NULL) AS "blocks!"
        "#,
        writer.as_uuid(),
        other.as_uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(match row {
        row if row.blocks => Writing::Blocked,
        row if !row.is_taken => Writing::NotAccepted,
        row if !row.takes => Writing::ClosedHere,
        _ => Writing::Open,
    })
}

/// A member's rooms, the one where something was said last first. Those with somebody they blocked are left out, and private ones in which
/// nobody has said anything yet, unless one is asked for by its id.
pub async fn list(conn: &mut Conn, user: UserId, which: Which, limit: i64) -> Result<Vec<Listed>> {
    let (at, id) = which.after.map(|(at, id)| (at, id.as_uuid())).unzip();
    let rows = sqlx::query!(
        r#"
        SELECT r.room_id, r.kind, r.name, r.created_at, r.archived_at IS NOT NULL AS "is_archived!", me.role, me.read_id,
               other.user_id AS "other_id?", other.read_id AS "other_read_id?",
               u.username AS "username?", u.display_name AS "display_name?", u.avatar_key AS "avatar_key?",
               u.is_suspended AS "is_suspended?",
               said.message_id AS "last_id?", said.user_id AS "last_user_id?", said.excerpt AS "excerpt?",
               said.sent_at AS "sent_at?",
               (SELECT a.kind FROM attachments a WHERE a.message_id = said.message_id AND a.gone_at IS NULL) AS attachment,
               (SELECT count(*) FROM room_members m WHERE m.room_id = r.room_id AND m.state = 'active') AS "members!",
               (SELECT count(*) FROM (SELECT FROM room_lines l
                                       WHERE l.room_id = r.room_id AND NOT l.is_deleted AND l.user_id <> $1
                                         AND l.message_id > coalesce(me.read_id, '00000000-0000-0000-0000-000000000000')
                                       LIMIT $7) AS counted) AS "unread!"
          FROM room_members me
          JOIN rooms r ON r.room_id = me.room_id
          LEFT JOIN room_members other
            ON r.kind = 'private' AND other.room_id = r.room_id AND other.user_id <> me.user_id
          LEFT JOIN users u ON u.user_id = other.user_id
          LEFT JOIN LATERAL (SELECT l.message_id, l.user_id, l.excerpt, l.sent_at
                               FROM room_lines l
                              WHERE l.room_id = r.room_id AND NOT l.is_deleted
                              ORDER BY l.message_id DESC
                              LIMIT 1) AS said ON true
         WHERE me.user_id = $1 AND me.state = 'active'
           AND ($2::uuid IS NULL OR r.room_id = $2)
           AND ($2::uuid IS NOT NULL
                OR ((r.archived_at IS NOT NULL) = $3
                    AND (r.kind = 'group' OR said.message_id IS NOT NULL)
                    AND NOT EXISTS (SELECT FROM bond_sides b
                                     WHERE b.user_id = $1 AND b.other_id = other.user_id AND b.blocked_at IS NOT NULL)))
           AND ($4::timestamptz IS NULL OR (coalesce(said.sent_at, r.created_at), r.room_id) < ($4, $5))
         ORDER BY coalesce(said.sent_at, r.created_at) DESC, r.room_id DESC
         LIMIT $6
        "#,
        user.as_uuid(),
        which.room.map(RoomId::as_uuid),
        which.is_archived,
        at,
        id,
        limit,
        UNREAD_MAX,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let with = match (row.other_id, row.username, row.display_name) {
                (Some(id), Some(username), Some(display_name)) => Some(Face {
                    id: UserId::from_uuid(id),
                    person: Person { username, display_name, avatar_key: row.avatar_key },
                    is_active: row.is_suspended == Some(false),
                }),
                _ => None,
            };
            let last = match (row.last_id, row.last_user_id, row.excerpt, row.sent_at) {
                (Some(id), Some(user), Some(excerpt), Some(sent_at)) => {
                    let attachment = row.attachment.as_deref().and_then(AttachmentKind::parse);
                    let (id, user) = (MessageId::from_uuid(id), UserId::from_uuid(user));
                    Some(Last { id, user, excerpt, attachment, sent_at })
                }
                _ => None,
            };
            Ok(Listed {
                room: RoomId::from_uuid(row.room_id),
                kind: kind(&row.kind)?,
                name: row.name,
                with,
                other_read: row.other_read_id.map(MessageId::from_uuid),
                role: role(&row.role)?,
                members: row.members,
                is_archived: row.is_archived,
                created_at: row.created_at,
                last,
                read: row.read_id.map(MessageId::from_uuid),
                unread: row.unread,
            })
        })
        .collect()
}

/// In how many of a member's rooms there is something new.
pub async fn unread_rooms(conn: &mut Conn, user: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
          FROM room_members me
          JOIN rooms r ON r.room_id = me.room_id
         WHERE me.user_id = $1 AND me.state = 'active' AND r.archived_at IS NULL
           AND NOT EXISTS (SELECT FROM bond_sides b
                            WHERE b.user_id = $1 AND b.blocked_at IS NOT NULL
                              AND b.other_id = CASE r.low_id WHEN $1 THEN r.high_id ELSE r.low_id END)
           AND EXISTS (SELECT FROM room_lines l
                        WHERE l.room_id = r.room_id AND NOT l.is_deleted AND l.user_id <> $1
                          AND l.message_id > coalesce(me.read_id, '00000000-0000-0000-0000-000000000000'))
        "#,
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// These members as others see them. Those whose account is gone are left out.
pub async fn faces(conn: &mut Conn, users: &[UserId]) -> Result<Vec<Face>> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT user_id, username, display_name, avatar_key, is_suspended FROM users WHERE user_id = ANY($1)",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let faces = rows.into_iter().map(|row| Face {
        id: UserId::from_uuid(row.user_id),
        person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
        is_active: !row.is_suspended,
    });
    Ok(faces.collect())
}
