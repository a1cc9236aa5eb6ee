//! SQL for the log of what moderators did. It only grows.

use domain::user::Username;
use domain::{MessageId, Timestamp, UserId};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Result;
use crate::{Conn, webhooks};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub id: Uuid,
    pub channel: UserId,
    pub actor: UserId,
    pub actor_name: String,
    pub action: String,
    pub target: Option<UserId>,
    pub target_name: Option<String>,
    pub reason: String,
    /// What the act changed, enough to take it back.
    pub detail: Value,
    pub undoes: Option<Uuid>,
    pub at: Timestamp,
}

/// The unique key that lets an act be taken back once.
pub const UNDONE: &str = "mod_log_undoes_key";

/// Writes an act down, in the transaction that does it.
pub async fn log(conn: &mut Conn, act: &Act) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO mod_log (act_id, channel_id, actor_id, actor, action, target_id, target, reason, detail, undoes, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        "#,
        act.id,
        act.channel.as_uuid(),
        act.actor.as_uuid(),
        act.actor_name,
        act.action,
        act.target.map(UserId::as_uuid),
        act.target_name,
        act.reason,
        act.detail,
        act.undoes,
        act.at,
    )
    .execute(&mut *conn)
    .await?;
    webhooks::tell_act(conn, act.channel, act.id).await
}

macro_rules! act {
    ($row:expr) => {
        Act {
            id: $row.act_id,
            channel: UserId::from_uuid($row.channel_id),
            actor: UserId::from_uuid($row.actor_id),
            actor_name: $row.actor,
            action: $row.action,
            target: $row.target_id.map(UserId::from_uuid),
            target_name: $row.target,
            reason: $row.reason,
            detail: $row.detail,
            undoes: $row.undoes,
            at: $row.at,
        }
    };
}

pub async fn act(conn: &mut Conn, id: Uuid) -> Result<Option<Act>> {
    let row = sqlx::query!(
        r#"
        SELECT act_id, channel_id, actor_id, actor, action, target_id, target, reason, detail, undoes, at
          FROM mod_log
         WHERE act_id = $1
        "#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| act!(row)))
}

/// Who last lifted what stood against a member.
pub async fn last_lifted_by(conn: &mut Conn, channel: UserId, user: UserId) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        r#"
        SELECT actor FROM mod_log
         WHERE channel_id = $1 AND target_id = $2 AND action = 'unban'
         ORDER BY act_id DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(name)
}

/// Who struck a line of a channel within the last day.
pub async fn struck_by(conn: &mut Conn, channel: UserId, message: MessageId) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        r#"
        SELECT actor FROM mod_log
         WHERE channel_id = $1
           AND action = 'delete'
           AND detail->>'message_id' = $2
           AND at > now() - interval '1 day'
         ORDER BY act_id DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
        message.to_string(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(name)
}

/// Who decided about a line that was kept back.
pub async fn decided_by(conn: &mut Conn, channel: UserId, held: Uuid) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        r#"
        SELECT actor FROM mod_log
         WHERE channel_id = $1
           AND action IN ('approve', 'deny')
           AND detail->>'held_id' = $2
           AND at > now() - interval '1 day'
         ORDER BY act_id DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
        held.to_string(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(name)
}

/// Which part of a channel's log is wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery<'a> {
    pub action: Option<&'a str>,
    /// Who did it.
    pub actor: Option<&'a Username>,
    /// To whom it was done.
    pub target: Option<&'a Username>,
    pub before: Option<Uuid>,
}

/// A channel's log, the latest first.
pub async fn log_page(conn: &mut Conn, channel: UserId, query: &LogQuery<'_>, limit: i64) -> Result<Vec<Act>> {
    let rows = sqlx::query!(
        r#"
        SELECT act_id, channel_id, actor_id, actor, action, target_id, target, reason, detail, undoes, at
          FROM mod_log
         WHERE channel_id = $1
           AND ($2::text IS NULL OR action = $2)
           AND ($3::text IS NULL OR actor = $3)
           AND ($4::text IS NULL OR target = $4)
           AND ($5::uuid IS NULL OR act_id < $5)
         ORDER BY act_id DESC
         LIMIT $6
        "#,
        channel.as_uuid(),
        query.action,
        query.actor.map(Username::as_str),
        query.target.map(Username::as_str),
        query.before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| act!(row)).collect())
}
