//! SQL for a channel's moderators.

use domain::order::MODERATORS_MAX;
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::Result;
use crate::users::Person;

/// A channel's moderator.
#[derive(Debug, Clone)]
pub struct Moderator {
    pub id: UserId,
    pub person: Person,
    pub appointed_at: Timestamp,
}

/// What became of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appointed {
    Done,
    /// They were one.
    Before,
    /// The channel has as many as it may have.
    Full,
}

/// A channel's moderators, the first appointed first. Suspended members are not shown; they may do nothing.
pub async fn moderators(conn: &mut Conn, channel: UserId) -> Result<Vec<Moderator>> {
    let rows = sqlx::query!(
        r#"
        SELECT m.user_id, m.appointed_at, u.username, u.display_name, u.avatar_key
          FROM channel_moderators m
          JOIN users u USING (user_id)
         WHERE m.channel_id = $1 AND NOT u.is_suspended
         ORDER BY m.appointed_at, m.user_id
        "#,
        channel.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Moderator {
            id: UserId::from_uuid(row.user_id),
            person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            appointed_at: row.appointed_at,
        })
        .collect())
}

/// Appoints in a channel that is [`lock`](super::lock)ed.
pub async fn appoint(conn: &mut Conn, channel: UserId, user: UserId) -> Result<Appointed> {
    let now = sqlx::query!(
        r#"
        SELECT count(*) AS "count!", coalesce(bool_or(user_id = $2), false) AS "is_one!"
          FROM channel_moderators
         WHERE channel_id = $1
        "#,
        channel.as_uuid(),
        user.as_uuid(),
    )
    .fetch_one(&mut *conn)
    .await?;
    if now.is_one {
        return Ok(Appointed::Before);
    }
    if usize::try_from(now.count).unwrap_or(usize::MAX) >= MODERATORS_MAX {
        return Ok(Appointed::Full);
    }
    sqlx::query!(
        "INSERT INTO channel_moderators (channel_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        channel.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(Appointed::Done)
}

/// Dismisses. True when this made a difference.
pub async fn dismiss(conn: &mut Conn, channel: UserId, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM channel_moderators WHERE channel_id = $1 AND user_id = $2",
        channel.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
