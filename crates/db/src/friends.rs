//! SQL for friendships, blocks and whom a member lets near. One row per pair decides every race.

use domain::people::{BLOCKS_MAX, Bond, Circle, Letters, REQUESTS_WAITING_MAX};
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::Person;

/// What came of asking for a friendship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The other has a new request.
    Waiting,
    /// The other had asked before: friends now.
    Accepted,
    /// It stood like this before.
    Unchanged(Bond),
    /// The other takes no requests, from nobody or not from this member. Which of it is not told.
    Refused,
    /// This member has blocked the other.
    Blocked,
    /// Too many requests wait.
    TooMany,
}

/// One line of a list of friends, requests or blocks.
#[derive(Debug, Clone)]
pub struct Side {
    pub id: UserId,
    pub person: Person,
    pub bond: Bond,
    /// When it came to stand like this.
    pub since: Timestamp,
}

/// Which of a member's bonds a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Accepted,
    Incoming,
    Outgoing,
    Blocked,
}

impl Of {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Blocked => "blocked",
        }
    }

    const fn bond(self) -> Bond {
        match self {
            Self::Accepted => Bond::Accepted,
            Self::Incoming => Bond::Incoming,
            Self::Outgoing => Bond::Outgoing,
            Self::Blocked => Bond::Blocked,
        }
    }
}

/// What `user` has with `other`, as the first may see it.
pub async fn bond(conn: &mut Conn, user: UserId, other: UserId) -> Result<Bond> {
    let row = sqlx::query!(
        r#"
        SELECT friendship AS "friendship!", asked_by, blocked_at IS NOT NULL AS "blocks!"
          FROM bond_sides
         WHERE user_id = $1 AND other_id = $2
        "#,
        user.as_uuid(),
        other.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Bond::None) };
    match (row.friendship.as_str(), row.asked_by) {
        ("none", _) if row.blocks => Ok(Bond::Blocked),
        ("none", _) => Ok(Bond::None),
        ("accepted", _) => Ok(Bond::Accepted),
        ("pending", Some(by)) if by == user.as_uuid() => Ok(Bond::Outgoing),
        ("pending", Some(_)) => Ok(Bond::Incoming),
        _ => Err(DbError::Corrupt { what: "friendship" }),
    }
}

/// Whether either has blocked the other: then nothing of one may reach the other.
pub async fn are_apart(conn: &mut Conn, one: UserId, other: UserId) -> Result<bool> {
    let apart = sqlx::query_scalar!(r#"SELECT are_apart($1, $2) AS "apart!""#, one.as_uuid(), other.as_uuid());
    Ok(apart.fetch_one(conn).await?)
}

/// Whether `user`'s own settings let `other` ask for a friendship.
pub async fn may_ask(conn: &mut Conn, user: UserId, other: UserId) -> Result<bool> {
    let may = sqlx::query_scalar!(
        r#"
        SELECT NOT are_apart($1, $2)
               AND CASE coalesce((SELECT friend_requests FROM privacy WHERE user_id = $1), 'everybody')
                   WHEN 'everybody' THEN true
                   WHEN 'followed' THEN EXISTS (SELECT FROM follows WHERE channel_id = $2 AND follower_id = $1)
                   ELSE false
                   END AS "may!"
        "#,
        user.as_uuid(),
        other.as_uuid(),
    );
    Ok(may.fetch_one(conn).await?)
}

/// One at a time of what a member begins: until the transaction ends, what was counted stays true.
async fn hold(conn: &mut Conn, user: UserId) -> Result<()> {
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Asks for a friendship, or says yes to the other's request: whichever of two that ask at once comes second makes them friends.
/// To be called in a transaction, which holds the asker's other requests back meanwhile.
pub async fn ask(conn: &mut Conn, asker: UserId, other: UserId) -> Result<Asked> {
    hold(&mut *conn, asker).await?;
    let waiting = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM bond_sides WHERE user_id = $1 AND asked_by = $1
        "#,
        asker.as_uuid(),
    )
    .fetch_one(&mut *conn)
    .await?;
    let may_begin = may_ask(&mut *conn, other, asker).await?;
    let has_room = waiting < REQUESTS_WAITING_MAX;
    let friendship = sqlx::query_scalar!(
        r#"
        INSERT INTO bonds AS b (low_id, high_id, friendship, asked_by)
        SELECT least($1::uuid, $2::uuid), greatest($1::uuid, $2::uuid), 'pending', $1::uuid
         WHERE $3 OR EXISTS (SELECT FROM bond_sides WHERE user_id = $1 AND other_id = $2)
        ON CONFLICT (low_id, high_id) DO UPDATE
           SET friendship = CASE b.friendship WHEN 'pending' THEN 'accepted' ELSE 'pending' END,
               asked_by = CASE b.friendship WHEN 'pending' THEN NULL ELSE $1::uuid END,
               changed_at = now()
         WHERE coalesce(b.low_blocked_at, b.high_blocked_at) IS NULL
           AND ((b.friendship = 'pending' AND b.asked_by <> $1) OR (b.friendship = 'none' AND $3))
        RETURNING friendship
        "#,
        asker.as_uuid(),
        other.as_uuid(),
        may_begin && has_room,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match friendship.as_deref() {
        Some("accepted") => return Ok(Asked::Accepted),
        Some("pending") => return Ok(Asked::Waiting),
        _ => {}
    }
    Ok(match bond(conn, asker, other).await? {
        Bond::Blocked => Asked::Blocked,
        Bond::None if may_begin && !has_room => Asked::TooMany,
        Bond::None => Asked::Refused,
        before => Asked::Unchanged(before),
    })
}

/// Takes a request back, says no to one, or ends a friendship. What there was before, for the news of it.
pub async fn part(conn: &mut Conn, user: UserId, other: UserId) -> Result<Bond> {
    let before = bond(&mut *conn, user, other).await?;
    sqlx::query!(
        r#"
        UPDATE bonds SET friendship = 'none', asked_by = NULL, changed_at = now()
         WHERE low_id = least($1::uuid, $2::uuid) AND high_id = greatest($1::uuid, $2::uuid) AND friendship <> 'none'
        "#,
        user.as_uuid(),
        other.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    forget_request(conn, user, other).await?;
    Ok(before)
}

/// A request that waits no more is not in the lists of either, and one made later is news again.
async fn forget_request(conn: &mut Conn, user: UserId, other: UserId) -> Result<()> {
    sqlx::query!(
        r#"
        DELETE FROM notifications
         WHERE type = 'friend_request'
           AND ((user_id = $1 AND entity_id = $2) OR (user_id = $2 AND entity_id = $1))
        "#,
        user.as_uuid(),
        other.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What came of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    Done,
    TooMany,
}

/// Blocks: ends what there was between the two, and takes the news of each out of the other's list. To be called in a transaction.
pub async fn block(conn: &mut Conn, user: UserId, other: UserId) -> Result<Blocking> {
    hold(&mut *conn, user).await?;
    let done = sqlx::query!(
        r#"
        INSERT INTO bonds AS b (low_id, high_id, low_blocked_at, high_blocked_at)
        SELECT least($1::uuid, $2::uuid), greatest($1::uuid, $2::uuid),
               CASE WHEN $1::uuid < $2::uuid THEN now() END, CASE WHEN $1::uuid > $2::uuid THEN now() END
         WHERE (SELECT count(*) FROM bond_sides
                 WHERE user_id = $1 AND blocked_at IS NOT NULL AND other_id <> $2) < $3
        ON CONFLICT (low_id, high_id) DO UPDATE
           SET low_blocked_at = coalesce(b.low_blocked_at, EXCLUDED.low_blocked_at),
               high_blocked_at = coalesce(b.high_blocked_at, EXCLUDED.high_blocked_at),
               friendship = 'none',
               asked_by = NULL,
               changed_at = now()
        "#,
        user.as_uuid(),
        other.as_uuid(),
        BLOCKS_MAX,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(Blocking::TooMany);
    }
    sqlx::query!(
        r#"
        DELETE FROM notifications
         WHERE (entity_type = 'user' AND ((user_id = $1 AND entity_id = $2) OR (user_id = $2 AND entity_id = $1)))
            OR (actor_id = $2 AND user_id = $1)
            OR (actor_id = $1 AND user_id = $2)
        "#,
        user.as_uuid(),
        other.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(Blocking::Done)
}

/// Takes a block back. What the two had before does not come back with it.
pub async fn unblock(conn: &mut Conn, user: UserId, other: UserId) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE bonds
           SET low_blocked_at = CASE WHEN low_id <> $1 THEN low_blocked_at END,
               high_blocked_at = CASE WHEN high_id <> $1 THEN high_blocked_at END
         WHERE low_id = least($1::uuid, $2::uuid) AND high_id = greatest($1::uuid, $2::uuid)
        "#,
        user.as_uuid(),
        other.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A member's friends, requests or blocks, the latest first, after (time, id).
pub async fn list(
    conn: &mut Conn,
    user: UserId,
    of: Of,
    after: Option<(Timestamp, UserId)>,
    limit: i64,
) -> Result<Vec<Side>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    let rows = sqlx::query!(
        r#"
        SELECT other_id AS "other_id!", since AS "since!", username, display_name, avatar_key
          FROM (SELECT b.*, CASE $2::text WHEN 'blocked' THEN b.blocked_at ELSE b.changed_at END AS since,
                       u.username, u.display_name, u.avatar_key, u.is_suspended
                  FROM bond_sides b JOIN users u ON u.user_id = b.other_id
                 WHERE b.user_id = $1) AS side
         WHERE CASE $2::text
               WHEN 'blocked' THEN blocked_at IS NOT NULL
               WHEN 'accepted' THEN friendship = 'accepted'
               WHEN 'outgoing' THEN asked_by = $1
               ELSE friendship = 'pending' AND asked_by <> $1
               END
           AND (NOT is_suspended OR $2 = 'blocked')
           AND ($3::timestamptz IS NULL OR (since, other_id) < ($3, $4))
         ORDER BY since DESC, other_id DESC
         LIMIT $5
        "#,
        user.as_uuid(),
        of.as_str(),
        at,
        id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Side {
            id: UserId::from_uuid(row.other_id),
            person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            bond: of.bond(),
            since: row.since,
        })
        .collect())
}

/// How many requests wait for this member's answer.
pub async fn incoming_count(conn: &mut Conn, user: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
          FROM bond_sides b JOIN users u ON u.user_id = b.other_id
         WHERE b.user_id = $1 AND b.friendship = 'pending' AND b.asked_by <> $1 AND NOT u.is_suspended
        "#,
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Who may ask this member for a friendship.
pub async fn circle(conn: &mut Conn, user: UserId) -> Result<Circle> {
    let kept = sqlx::query_scalar!("SELECT friend_requests FROM privacy WHERE user_id = $1", user.as_uuid())
        .fetch_optional(conn)
        .await?;
    kept.map_or(Ok(Circle::default()), |text| Circle::parse(&text).ok_or(DbError::Corrupt { what: "circle" }))
}

pub async fn set_circle(conn: &mut Conn, user: UserId, circle: Circle) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO privacy (user_id, friend_requests) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET friend_requests = EXCLUDED.friend_requests
        "#,
        user.as_uuid(),
        circle.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Who may write to this member.
pub async fn letters(conn: &mut Conn, user: UserId) -> Result<Letters> {
    let kept = sqlx::query_scalar!("SELECT messages FROM privacy WHERE user_id = $1", user.as_uuid())
        .fetch_optional(conn)
        .await?;
    kept.map_or(Ok(Letters::default()), |text| Letters::parse(&text).ok_or(DbError::Corrupt { what: "letters" }))
}

pub async fn set_letters(conn: &mut Conn, user: UserId, letters: Letters) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO privacy (user_id, messages) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET messages = EXCLUDED.messages
        "#,
        user.as_uuid(),
        letters.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
