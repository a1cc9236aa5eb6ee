//! SQL for who follows whom. A trigger keeps the channels' counts.

use domain::notification::Bell;
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::Result;
use crate::users::Person;

/// One line of a list of followers or followed channels.
#[derive(Debug, Clone)]
pub struct Follow {
    /// The other side: the follower, or the channel.
    pub id: UserId,
    pub person: Person,
    pub created_at: Timestamp,
}

/// Follows. True when this made a difference.
pub async fn insert(conn: &mut Conn, channel: UserId, follower: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO follows (channel_id, follower_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        channel.as_uuid(),
        follower.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stops following. True when this made a difference.
pub async fn delete(conn: &mut Conn, channel: UserId, follower: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM follows WHERE channel_id = $1 AND follower_id = $2",
        channel.as_uuid(),
        follower.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets how much a follower hears of a channel. False when they do not follow it.
pub async fn set_bell(conn: &mut Conn, channel: UserId, follower: UserId, bell: Bell) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE follows SET bell = $3 WHERE channel_id = $1 AND follower_id = $2",
        channel.as_uuid(),
        follower.as_uuid(),
        bell.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A channel's followers, latest first, after (time, id).
pub async fn followers(
    conn: &mut Conn,
    channel: UserId,
    after: Option<(Timestamp, UserId)>,
    limit: i64,
) -> Result<Vec<Follow>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    let rows = sqlx::query!(
        r#"
        SELECT f.follower_id, f.created_at, u.username, u.display_name, u.avatar_key
          FROM follows f
          JOIN users u ON u.user_id = f.follower_id
         WHERE f.channel_id = $1
           AND NOT u.is_suspended
           AND ($2::timestamptz IS NULL OR (f.created_at, f.follower_id) < ($2, $3))
         ORDER BY f.created_at DESC, f.follower_id DESC
         LIMIT $4
        "#,
        channel.as_uuid(),
        at,
        id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Follow {
            id: UserId::from_uuid(row.follower_id),
            person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            created_at: row.created_at,
        })
        .collect())
}

/// One followed channel and whether it is on air.
#[derive(Debug, Clone)]
pub struct Followed {
    pub follow: Follow,
    pub is_live: bool,
}

/// Where a list of followed channels goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedCursor {
    pub is_live: bool,
    pub at: Timestamp,
    pub id: UserId,
}

/// The channels a member follows: those on air first, then the latest follow first.
pub async fn following(
    conn: &mut Conn,
    follower: UserId,
    after: Option<FollowedCursor>,
    limit: i64,
) -> Result<Vec<Followed>> {
    let rows = sqlx::query!(
        r#"
        SELECT channel_id, created_at, username, display_name, avatar_key, is_live AS "is_live!"
          FROM (SELECT f.channel_id, f.created_at, u.username, u.display_name, u.avatar_key,
                       EXISTS (SELECT FROM streams s
                                WHERE s.channel_id = f.channel_id
                                  AND s.status IN ('live', 'reconnecting')
                                  AND is_listed_for(s.visibility, s.channel_id, $1)) AS is_live
                  FROM follows f
                  JOIN users u ON u.user_id = f.channel_id
                 WHERE f.follower_id = $1
                   AND NOT u.is_suspended) AS followed
         WHERE $2::bool IS NULL OR (is_live, created_at, channel_id) < ($2, $3, $4)
         ORDER BY is_live DESC, created_at DESC, channel_id DESC
         LIMIT $5
        "#,
        follower.as_uuid(),
        after.map(|after| after.is_live),
        after.map(|after| after.at),
        after.map(|after| after.id.as_uuid()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Followed {
            follow: Follow {
                id: UserId::from_uuid(row.channel_id),
                person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
                created_at: row.created_at,
            },
            is_live: row.is_live,
        })
        .collect())
}
