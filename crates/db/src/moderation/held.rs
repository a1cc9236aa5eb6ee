//! SQL for lines kept back until a moderator has looked at them.

use domain::order::{HELD_MAX, HELD_PER_MEMBER_MAX, HeldFor};
use domain::user::Username;
use domain::{MessageId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::username;

/// A line kept back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub id: Uuid,
    pub channel: UserId,
    pub user: UserId,
    pub username: Username,
    pub display_name: String,
    pub text: String,
    pub client_id: String,
    pub reply_to: Option<MessageId>,
    pub thread: Option<MessageId>,
    pub why: HeldFor,
    pub held_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What became of a line that was to be kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    Done,
    /// It was kept back before under the same `client_id`, whatever became of it.
    Before,
    /// Too many wait, of this member or in this channel.
    Full,
}

/// What a moderator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Approved,
    Denied,
}

impl Decision {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

macro_rules! held {
    ($row:expr) => {
        (|| {
            Ok::<_, DbError>(Held {
                id: $row.held_id,
                channel: UserId::from_uuid($row.channel_id),
                user: UserId::from_uuid($row.user_id),
                username: username($row.username.clone())?,
                display_name: $row.display_name.clone(),
                text: $row.text.clone(),
                client_id: $row.client_id.clone(),
                reply_to: $row.reply_to.map(MessageId::from_uuid),
                thread: $row.thread_id.map(MessageId::from_uuid),
                why: HeldFor::parse(&$row.why).ok_or(DbError::Corrupt { what: "held line" })?,
                held_at: $row.held_at,
                expires_at: $row.expires_at,
            })
        })()
    };
}

/// Keeps a line back.
pub async fn hold(conn: &mut Conn, line: &Held) -> Result<Holding> {
    let done = sqlx::query!(
        r#"
        INSERT INTO chat_held (held_id, channel_id, user_id, text, client_id, reply_to, thread_id, why, held_at, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
          FROM (SELECT count(*) AS all_of_them, count(*) FILTER (WHERE user_id = $3) AS theirs
                  FROM chat_held
                 WHERE channel_id = $2 AND state = 'waiting' AND expires_at > now()) AS waiting
         WHERE all_of_them < $11 AND theirs < $12
            ON CONFLICT DO NOTHING
        "#,
        line.id,
        line.channel.as_uuid(),
        line.user.as_uuid(),
        line.text,
        line.client_id,
        line.reply_to.map(MessageId::as_uuid),
        line.thread.map(MessageId::as_uuid),
        line.why.as_str(),
        line.held_at,
        line.expires_at,
        HELD_MAX,
        HELD_PER_MEMBER_MAX,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Holding::Done);
    }
    let is_known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM chat_held WHERE user_id = $1 AND client_id = $2) AS "is_known!""#,
        line.user.as_uuid(),
        line.client_id,
    )
    .fetch_one(conn)
    .await?;
    Ok(if is_known { Holding::Before } else { Holding::Full })
}

/// The lines that wait in a channel, the oldest first.
pub async fn held(conn: &mut Conn, channel: UserId) -> Result<Vec<Held>> {
    let rows = sqlx::query!(
        r#"
        SELECT h.held_id, h.channel_id, h.user_id, u.username, u.display_name, h.text, h.client_id, h.reply_to,
               h.thread_id, h.why, h.held_at, h.expires_at
          FROM chat_held h
          JOIN users u USING (user_id)
         WHERE h.channel_id = $1 AND h.state = 'waiting' AND h.expires_at > now()
         ORDER BY h.held_id
         LIMIT $2
        "#,
        channel.as_uuid(),
        HELD_MAX,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| held!(row)).collect()
}

/// Decides about a line, by an act. `None`: it does not wait in this channel, or not any more.
pub async fn decide(conn: &mut Conn, channel: UserId, id: Uuid, decision: Decision, act: Uuid) -> Result<Option<Held>> {
    let row = sqlx::query!(
        r#"
        UPDATE chat_held h
           SET state = $3, act_id = $4
          FROM users u
         WHERE h.held_id = $2 AND h.channel_id = $1 AND h.state = 'waiting' AND h.expires_at > now()
           AND u.user_id = h.user_id
        RETURNING h.held_id, h.channel_id, h.user_id, u.username, u.display_name, h.text, h.client_id, h.reply_to,
                  h.thread_id, h.why, h.held_at, h.expires_at
        "#,
        channel.as_uuid(),
        id,
        decision.as_str(),
        act,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| held!(row)).transpose()
}

/// Denies every line of a member that waits in a channel.
pub async fn deny_all(conn: &mut Conn, channel: UserId, user: UserId, act: Uuid) -> Result<Vec<Held>> {
    let rows = sqlx::query!(
        r#"
        UPDATE chat_held h
           SET state = 'denied', act_id = $3
          FROM users u
         WHERE h.channel_id = $1 AND h.user_id = $2 AND h.state = 'waiting' AND u.user_id = h.user_id
        RETURNING h.held_id, h.channel_id, h.user_id, u.username, u.display_name, h.text, h.client_id, h.reply_to,
                  h.thread_id, h.why, h.held_at, h.expires_at
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        act,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| held!(row)).collect()
}

/// Keeps back again what an act denied, if its time is not over.
pub async fn hold_again(conn: &mut Conn, act: Uuid) -> Result<Vec<Held>> {
    let rows = sqlx::query!(
        r#"
        UPDATE chat_held h
           SET state = 'waiting', act_id = NULL
          FROM users u
         WHERE h.act_id = $1 AND h.state = 'denied' AND h.expires_at > now() AND u.user_id = h.user_id
        RETURNING h.held_id, h.channel_id, h.user_id, u.username, u.display_name, h.text, h.client_id, h.reply_to,
                  h.thread_id, h.why, h.held_at, h.expires_at
        "#,
        act,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| held!(row)).collect()
}

/// Drops lines whose time is over, each told to one caller only, with the name of its channel.
pub async fn expire(conn: &mut Conn, limit: i64) -> Result<Vec<(Held, Username)>> {
    let rows = sqlx::query!(
        r#"
        UPDATE chat_held h
           SET state = 'expired'
          FROM users u, users c
         WHERE h.held_id IN (SELECT held_id
                               FROM chat_held
                              WHERE state = 'waiting' AND expires_at <= now()
                              ORDER BY expires_at
                              LIMIT $1
                                FOR UPDATE SKIP LOCKED)
           AND u.user_id = h.user_id AND c.user_id = h.channel_id
        RETURNING h.held_id, h.channel_id, h.user_id, u.username, u.display_name, h.text, h.client_id, h.reply_to,
                  h.thread_id, h.why, h.held_at, h.expires_at, c.username AS channel
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((held!(row)?, username(row.channel.clone())?))).collect()
}

/// Forgets what was over a day ago.
pub async fn forget(conn: &mut Conn, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        DELETE FROM chat_held
         WHERE held_id IN (SELECT held_id
                             FROM chat_held
                            WHERE state <> 'waiting' AND expires_at < now() - interval '1 day'
                            LIMIT $1)
        "#,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
