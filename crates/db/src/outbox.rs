//! SQL for the outbox: the events a transaction leaves behind and the relay picks up.

use domain::UserId;
use domain::event::Event;
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

/// The channel of `LISTEN` on which each insert is announced.
pub const CHANNEL: &str = "outbox";

/// One event waiting to be dispatched.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub outbox_id: i64,
    pub event_id: Uuid,
    pub event: Event,
}

/// Leaves an event behind in the caller's transaction: it is told if and only if the fact commits.
pub async fn push(conn: &mut Conn, event: &Event) -> Result<()> {
    let payload = serde_json::to_value(event).map_err(|_| DbError::Corrupt { what: "event" })?;
    sqlx::query!(
        "INSERT INTO outbox (event_id, kind, payload) VALUES ($1, $2, $3)",
        kit::ids::uuid(),
        event.kind(),
        payload,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes up to `limit` waiting events in order, skipping those another relay holds. They stay locked until the
/// transaction ends.
pub async fn take(conn: &mut Conn, limit: i64) -> Result<Vec<Waiting>> {
    let rows = sqlx::query!(
        r#"
        SELECT outbox_id, event_id, payload
          FROM outbox
         WHERE dispatched_at IS NULL
         ORDER BY outbox_id
         LIMIT $1
           FOR UPDATE SKIP LOCKED
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let event = serde_json::from_value(row.payload).map_err(|_| DbError::Corrupt { what: "event" })?;
            Ok(Waiting { outbox_id: row.outbox_id, event_id: row.event_id, event })
        })
        .collect()
}

/// Whether an earlier event of a channel is in another relay's hands: told now, this one would come before it.
pub async fn is_overtaking(conn: &mut Conn, channel: UserId, outbox_id: i64, mine: &[i64]) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM outbox
                        WHERE dispatched_at IS NULL AND outbox_id < $2 AND outbox_id <> ALL($3)
                          AND payload->>'channel_id' = $1) AS "is_overtaking!"
        "#,
        channel.to_string(),
        outbox_id,
        mine,
    )
    .fetch_one(conn)
    .await?)
}

/// Marks events as dispatched.
pub async fn mark(conn: &mut Conn, outbox_ids: &[i64]) -> Result<()> {
    sqlx::query!("UPDATE outbox SET dispatched_at = now() WHERE outbox_id = ANY($1)", outbox_ids).execute(conn).await?;
    Ok(())
}

/// Drops events dispatched more than a week ago, in bounded bites. Returns how many went.
pub async fn prune(conn: &mut Conn) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        DELETE FROM outbox
         WHERE outbox_id IN (SELECT outbox_id FROM outbox
                              WHERE dispatched_at < now() - interval '7 days' LIMIT 5000)
        "#,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
