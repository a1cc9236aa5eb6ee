//! SQL for groups: who is in them, as what, and who is invited. What is counted holds until the transaction ends: see [`hold`].

use domain::rooms::{GROUPS_MAX, INVITES_WAITING_MAX, MEMBERS_MAX, RoomName, RoomRole};
use domain::{MessageId, RoomId, Timestamp, UserId};

use super::{Face, role};
use crate::Conn;
use crate::error::Result;
use crate::users::Person;

/// One who sits in a room.
#[derive(Debug, Clone)]
pub struct Seated {
    pub face: Face,
    pub role: RoomRole,
    pub joined_at: Timestamp,
    pub read: Option<MessageId>,
}

/// What came of inviting somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invited {
    Done,
    /// They were before.
    Unchanged,
    IsMember,
    TooMany,
}

/// What came of an invitation that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    Done,
    NotInvited,
    Full,
    TooManyGroups,
}

/// What became of a group that somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Done,
    /// The owner left, and this member is the owner now.
    HandedOver(UserId),
    /// Nobody is left: it is archived.
    Empty,
}

/// An invitation that waits, as the invited one sees it.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub room: RoomId,
    pub name: String,
    pub members: i64,
    pub by: Person,
    pub created_at: Timestamp,
}

/// One at a time of what changes who is in a group.
async fn hold(conn: &mut Conn, room: RoomId) -> Result<()> {
    sqlx::query!("SELECT FROM rooms WHERE room_id = $1 FOR NO KEY UPDATE", room.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Makes a group with its owner in it. False: they sit in too many. To be called in a transaction.
pub async fn create_group(conn: &mut Conn, room: RoomId, owner: UserId, name: &RoomName) -> Result<bool> {
    hold_member(&mut *conn, owner).await?;
    if groups(&mut *conn, owner).await? >= GROUPS_MAX {
        return Ok(false);
    }
    sqlx::query!("INSERT INTO rooms (room_id, kind, name) VALUES ($1, 'group', $2)", room.as_uuid(), name.as_str())
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO room_members (room_id, user_id, role) VALUES ($1, $2, 'owner')",
        room.as_uuid(),
        owner.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(true)
}

async fn hold_member(conn: &mut Conn, user: UserId) -> Result<()> {
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user.as_uuid()).execute(conn).await?;
    Ok(())
}

async fn groups(conn: &mut Conn, user: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
          FROM room_members m JOIN rooms r USING (room_id)
         WHERE m.user_id = $1 AND m.state = 'active' AND r.kind = 'group'
        "#,
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Everybody who sits in a room: the owner, admins, then the others, in the order in which they came.
pub async fn members(conn: &mut Conn, room: RoomId) -> Result<Vec<Seated>> {
    let rows = sqlx::query!(
        r#"
        SELECT m.user_id, m.role, m.joined_at, m.read_id, u.username, u.display_name, u.avatar_key, u.is_suspended
          FROM room_members m JOIN users u USING (user_id)
         WHERE m.room_id = $1 AND m.state = 'active'
         ORDER BY array_position(ARRAY['owner', 'admin', 'member'], m.role), m.joined_at, m.user_id
        "#,
        room.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Seated {
                face: Face {
                    id: UserId::from_uuid(row.user_id),
                    person: Person {
                        username: row.username,
                        display_name: row.display_name,
                        avatar_key: row.avatar_key,
                    },
                    is_active: !row.is_suspended,
                },
                role: role(&row.role)?,
                joined_at: row.joined_at,
                read: row.read_id.map(MessageId::from_uuid),
            })
        })
        .collect()
}

/// Who is to hear what happens in a room now.
pub async fn audience(conn: &mut Conn, room: RoomId) -> Result<Vec<UserId>> {
    let ids =
        sqlx::query_scalar!("SELECT user_id FROM room_members WHERE room_id = $1 AND state = 'active'", room.as_uuid())
            .fetch_all(conn)
            .await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

/// What somebody is in a room. `None`: they do not sit in it.
pub async fn role_of(conn: &mut Conn, room: RoomId, user: UserId) -> Result<Option<RoomRole>> {
    let kept = sqlx::query_scalar!(
        "SELECT role FROM room_members WHERE room_id = $1 AND user_id = $2 AND state = 'active'",
        room.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    kept.as_deref().map(role).transpose()
}

pub async fn rename(conn: &mut Conn, room: RoomId, name: &RoomName) -> Result<()> {
    sqlx::query!("UPDATE rooms SET name = $2 WHERE room_id = $1 AND kind = 'group'", room.as_uuid(), name.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Closes a group to new messages, or opens it again.
pub async fn archive(conn: &mut Conn, room: RoomId, is_archived: bool) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE rooms SET archived_at = CASE WHEN $2 THEN coalesce(archived_at, now()) END
         WHERE room_id = $1 AND kind = 'group'
        "#,
        room.as_uuid(),
        is_archived,
    )
    .execute(&mut *conn)
    .await?;
    // What was said can be read; what was not cannot be said any more.
    if is_archived { crate::attachments::discard_room(conn, room, false).await } else { Ok(()) }
}

/// Makes a member an admin, or one like the others again. False: they do not sit in the group, or own it.
pub async fn set_role(conn: &mut Conn, room: RoomId, user: UserId, role: RoomRole) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE room_members SET role = $3
         WHERE room_id = $1 AND user_id = $2 AND state = 'active' AND role <> 'owner'
        "#,
        room.as_uuid(),
        user.as_uuid(),
        role.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes another member the owner; who was it becomes an admin. False: `from` is not the owner any more, or `to` not there. To be called
/// in a transaction, which is not to be committed then.
pub async fn hand_over(conn: &mut Conn, room: RoomId, from: UserId, to: UserId) -> Result<bool> {
    hold(&mut *conn, room).await?;
    let stepped_down = sqlx::query!(
        "UPDATE room_members SET role = 'admin' WHERE room_id = $1 AND user_id = $2 AND role = 'owner' AND state = 'active'",
        room.as_uuid(),
        from.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if stepped_down.rows_affected() == 0 {
        return Ok(false);
    }
    let risen = sqlx::query!(
        "UPDATE room_members SET role = 'owner' WHERE room_id = $1 AND user_id = $2 AND state = 'active'",
        room.as_uuid(),
        to.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(risen.rows_affected() == 1)
}

/// Shows somebody out whose role is one of these. False: they do not sit there in such a role.
pub async fn remove(conn: &mut Conn, room: RoomId, user: UserId, below: RoomRole) -> Result<bool> {
    let roles: Vec<String> =
        RoomRole::ALL.into_iter().filter(|role| below.outranks(*role)).map(|role| role.as_str().to_owned()).collect();
    let done = sqlx::query!(
        r#"
        UPDATE room_members SET state = 'removed', role = 'member'
         WHERE room_id = $1 AND user_id = $2 AND state = 'active' AND role = ANY($3)
        "#,
        room.as_uuid(),
        user.as_uuid(),
        &roles,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Leaves a group. An owner leaves it to the admin who came first, or else to whoever did; one that nobody sits in is archived. To be called
/// in a transaction.
pub async fn leave(conn: &mut Conn, room: RoomId, user: UserId) -> Result<Left> {
    hold(&mut *conn, room).await?;
    let before = role_of(&mut *conn, room, user).await?;
    sqlx::query!(
        "UPDATE room_members SET state = 'left', role = 'member' WHERE room_id = $1 AND user_id = $2 AND state = 'active'",
        room.as_uuid(),
        user.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if before != Some(RoomRole::Owner) {
        return Ok(Left::Done);
    }
    let heir = sqlx::query_scalar!(
        r#"
        UPDATE room_members SET role = 'owner'
         WHERE room_id = $1
           AND user_id = (SELECT m.user_id
                            FROM room_members m
                           WHERE m.room_id = $1 AND m.state = 'active'
                           ORDER BY m.role <> 'admin', m.joined_at, m.user_id
                           LIMIT 1)
        RETURNING user_id
        "#,
        room.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(heir) = heir {
        return Ok(Left::HandedOver(UserId::from_uuid(heir)));
    }
    sqlx::query!("DELETE FROM room_invites WHERE room_id = $1", room.as_uuid()).execute(&mut *conn).await?;
    archive(&mut *conn, room, true).await?;
    // Nobody can come back to read it.
    crate::attachments::discard_room(conn, room, true).await?;
    Ok(Left::Empty)
}

/// Invites somebody. To be called in a transaction.
pub async fn invite(conn: &mut Conn, room: RoomId, user: UserId, by: UserId) -> Result<Invited> {
    hold(&mut *conn, room).await?;
    if role_of(&mut *conn, room, user).await?.is_some() {
        return Ok(Invited::IsMember);
    }
    let done = sqlx::query!(
        r#"
        INSERT INTO room_invites (room_id, user_id, invited_by)
        SELECT $1, $2, $3
         WHERE (SELECT count(*) FROM room_invites WHERE room_id = $1) < $4
        ON CONFLICT DO NOTHING
        "#,
        room.as_uuid(),
        user.as_uuid(),
        by.as_uuid(),
        INVITES_WAITING_MAX,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Invited::Done);
    }
    Ok(if is_invited(conn, room, user).await? { Invited::Unchanged } else { Invited::TooMany })
}

/// Whether an invitation waits for somebody's answer.
pub async fn is_invited(conn: &mut Conn, room: RoomId, user: UserId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM room_invites WHERE room_id = $1 AND user_id = $2) AS "is_invited!""#,
        room.as_uuid(),
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Takes an invitation back, or says no to it. False: there was none.
pub async fn decline(conn: &mut Conn, room: RoomId, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        WITH told AS (
            DELETE FROM notifications WHERE user_id = $2 AND type = 'room_invite' AND entity_id = $1
        )
        DELETE FROM room_invites WHERE room_id = $1 AND user_id = $2
        "#,
        room.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says yes to an invitation. What was said before counts as read. To be called in a transaction, which is only to be committed when it is done.
pub async fn join(conn: &mut Conn, room: RoomId, user: UserId) -> Result<Joined> {
    hold_member(&mut *conn, user).await?;
    hold(&mut *conn, room).await?;
    if !decline(&mut *conn, room, user).await? {
        return Ok(Joined::NotInvited);
    }
    if groups(&mut *conn, user).await? >= GROUPS_MAX {
        return Ok(Joined::TooManyGroups);
    }
    let done = sqlx::query!(
        r#"
        INSERT INTO room_members AS m (room_id, user_id, read_id)
        SELECT $1, $2, (SELECT l.message_id FROM room_lines l
                         WHERE l.room_id = $1 AND NOT l.is_deleted
                         ORDER BY l.message_id DESC
                         LIMIT 1)
         WHERE (SELECT count(*) FROM room_members WHERE room_id = $1 AND state = 'active') < $3
        ON CONFLICT (room_id, user_id) DO UPDATE
           SET state = 'active', role = 'member', joined_at = now(), read_id = greatest(m.read_id, EXCLUDED.read_id)
        "#,
        room.as_uuid(),
        user.as_uuid(),
        MEMBERS_MAX,
    )
    .execute(conn)
    .await?;
    Ok(if done.rows_affected() == 1 { Joined::Done } else { Joined::Full })
}

/// Who is invited to a group, the latest first.
pub async fn invited_to(conn: &mut Conn, room: RoomId) -> Result<Vec<(Face, Timestamp)>> {
    let rows = sqlx::query!(
        r#"
        SELECT i.user_id, i.created_at, u.username, u.display_name, u.avatar_key, u.is_suspended
          FROM room_invites i JOIN users u USING (user_id)
         WHERE i.room_id = $1
         ORDER BY i.created_at DESC, i.user_id DESC
        "#,
        room.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let invited = rows.into_iter().map(|row| {
        let person = Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key };
        (Face { id: UserId::from_uuid(row.user_id), person, is_active: !row.is_suspended }, row.created_at)
    });
    Ok(invited.collect())
}

/// Invitations that wait for a member's answer, the latest first. Those of somebody they have blocked, or who blocked them, are left out.
pub async fn invitations(conn: &mut Conn, user: UserId, limit: i64) -> Result<Vec<Invitation>> {
    let rows = sqlx::query!(
        r#"
        SELECT i.room_id, i.created_at, r.name AS "name!", u.username, u.display_name, u.avatar_key,
               (SELECT count(*) FROM room_members m WHERE m.room_id = r.room_id AND m.state = 'active') AS "members!"
          FROM room_invites i
          JOIN rooms r USING (room_id)
          JOIN users u ON u.user_id = i.invited_by
         WHERE i.user_id = $1 AND r.archived_at IS NULL AND NOT are_apart(i.user_id, i.invited_by)
         ORDER BY i.created_at DESC, i.room_id DESC
         LIMIT $2
        "#,
        user.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let invitations = rows.into_iter().map(|row| Invitation {
        room: RoomId::from_uuid(row.room_id),
        name: row.name,
        members: row.members,
        by: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
        created_at: row.created_at,
    });
    Ok(invitations.collect())
}
