//! SQL for messages to endpoints: writing them, once each, and the log of what came of them.

use domain::event::Event;
use domain::webhook::{DeliveryState, Fault, Happening, LOG_DAYS, LOG_MAX, WAITING_MAX};
use domain::{DeliveryId, Timestamp, UserId, WebhookId};
use uuid::Uuid;

use crate::error::{DbError, Result};
use crate::{Conn, outbox};

/// The enabled endpoints of a channel that want to hear of such a thing, locked until the transaction ends, each with the number its
/// next message has. None for a suspended member.
pub async fn listeners(conn: &mut Conn, channel: UserId, happening: Happening) -> Result<Vec<(WebhookId, i64)>> {
    let rows = sqlx::query!(
        r#"
        SELECT w.webhook_id, w.sequence + 1 AS "sequence!"
          FROM webhooks w
          JOIN users u ON u.user_id = w.channel_id
         WHERE w.channel_id = $1 AND w.is_enabled AND NOT u.is_suspended
           AND (w.events = '{}' OR $2 = ANY(w.events))
         ORDER BY w.webhook_id
           FOR UPDATE OF w
        "#,
        channel.as_uuid(),
        happening.as_str(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (WebhookId::from_uuid(row.webhook_id), row.sequence)).collect())
}

/// A message to be written.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub event_id: Uuid,
    pub happening: Happening,
    /// The stream it is about.
    pub subject: Option<Uuid>,
    pub sequence: i64,
    pub body: &'a str,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Now(DeliveryId),
    /// The event had become this endpoint's message already.
    Before,
    /// Too many wait. Its number is used up, so that the receiver can see that something is missing.
    Overflow,
}

/// Writes a message for an endpoint that is locked.
pub async fn write(conn: &mut Conn, webhook: WebhookId, message: Message<'_>) -> Result<Written> {
    let counted = sqlx::query!(
        r#"
        SELECT (SELECT count(*) FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'waiting') >= $3 AS "is_full!",
               EXISTS (SELECT FROM webhook_deliveries WHERE webhook_id = $1 AND event_id = $2) AS "is_there!"
        "#,
        webhook.as_uuid(),
        message.event_id,
        WAITING_MAX,
    )
    .fetch_one(&mut *conn)
    .await?;
    if counted.is_there {
        return Ok(Written::Before);
    }
    sqlx::query!(
        r#"
        UPDATE webhooks
           SET sequence = $2, overflowed_at = CASE WHEN $3 THEN now() ELSE overflowed_at END
         WHERE webhook_id = $1
        "#,
        webhook.as_uuid(),
        message.sequence,
        counted.is_full,
    )
    .execute(&mut *conn)
    .await?;
    if counted.is_full {
        return Ok(Written::Overflow);
    }
    let id = kit::ids::uuid();
    let done = sqlx::query!(
        r#"
        INSERT INTO webhook_deliveries (delivery_id, webhook_id, event_id, type, subject_id, sequence, body, next_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, now())
        ON CONFLICT (webhook_id, event_id) DO NOTHING
        "#,
        id,
        webhook.as_uuid(),
        message.event_id,
        message.happening.as_str(),
        message.subject,
        message.sequence,
        message.body,
    )
    .execute(conn)
    .await?;
    Ok(if done.rows_affected() == 1 { Written::Now(DeliveryId::from_uuid(id)) } else { Written::Before })
}

/// Locks one of a member's endpoints: whether it is enabled, and the number its next message has.
pub async fn lock(conn: &mut Conn, owner: UserId, id: WebhookId) -> Result<Option<(bool, i64)>> {
    let row = sqlx::query!(
        r#"
        SELECT is_enabled, sequence + 1 AS "sequence!"
          FROM webhooks
         WHERE channel_id = $1 AND webhook_id = $2
           FOR UPDATE
        "#,
        owner.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.is_enabled, row.sequence)))
}

/// Has a locked endpoint looked at now, though it rests.
pub async fn wake(conn: &mut Conn, id: WebhookId) -> Result<()> {
    sqlx::query!("UPDATE webhooks SET rests_until = NULL WHERE webhook_id = $1", id.as_uuid())
        .execute(&mut *conn)
        .await?;
    outbox::push(conn, &Event::WebhookDue { webhook_id: id }).await
}

/// Sends a message of a locked endpoint again, now and from the beginning of its attempts. False: there is no such message.
pub async fn replay(conn: &mut Conn, webhook: WebhookId, id: DeliveryId) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, next_at = now()
         WHERE webhook_id = $1 AND delivery_id = $2
        "#,
        webhook.as_uuid(),
        id.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    wake(conn, webhook).await?;
    Ok(true)
}

/// Ends the waiting of all that wait for an endpoint that was switched off.
pub async fn give_up(conn: &mut Conn, webhook: WebhookId) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE webhook_deliveries SET state = 'failed', next_at = NULL, fault = $2
         WHERE webhook_id = $1 AND state = 'waiting'
        "#,
        webhook.as_uuid(),
        Fault::SwitchedOff.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// A line of an endpoint's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    /// As the stored name has it; a newer version may know more.
    pub happening: String,
    pub sequence: i64,
    pub state: DeliveryState,
    pub attempts: i32,
    pub next_at: Option<Timestamp>,
    pub attempted_at: Option<Timestamp>,
    pub status: Option<i32>,
    pub fault: Option<Fault>,
    pub latency_ms: Option<i32>,
    pub created_at: Timestamp,
}

macro_rules! delivery {
    ($row:expr) => {
        (|| {
            Ok::<_, DbError>(Delivery {
                id: DeliveryId::from_uuid($row.delivery_id),
                happening: $row.r#type.clone(),
                sequence: $row.sequence,
                state: DeliveryState::parse(&$row.state).ok_or(DbError::Corrupt { what: "webhook delivery" })?,
                attempts: $row.attempts,
                next_at: $row.next_at,
                attempted_at: $row.attempted_at,
                status: $row.status,
                fault: $row.fault.as_deref().and_then(Fault::parse),
                latency_ms: $row.latency_ms,
                created_at: $row.created_at,
            })
        })()
    };
}

/// The log of one of a member's endpoints, the latest first, behind a message.
pub async fn log(
    conn: &mut Conn,
    owner: UserId,
    webhook: WebhookId,
    state: Option<DeliveryState>,
    after: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let rows = sqlx::query!(
        r#"
        SELECT d.delivery_id, d.type, d.sequence, d.state, d.attempts, d.next_at, d.attempted_at, d.status, d.fault,
               d.latency_ms, d.created_at
          FROM webhook_deliveries d
          JOIN webhooks w USING (webhook_id)
         WHERE w.channel_id = $1 AND d.webhook_id = $2
           AND ($3::text IS NULL OR d.state = $3)
           AND ($4::uuid IS NULL OR d.delivery_id < $4)
         ORDER BY d.delivery_id DESC
         LIMIT $5
        "#,
        owner.as_uuid(),
        webhook.as_uuid(),
        state.map(DeliveryState::as_str),
        after.map(DeliveryId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| delivery!(row)).collect()
}

/// One message of one of a member's endpoints: the log's line, the body, and the beginning of the last answer.
pub async fn find(
    conn: &mut Conn,
    owner: UserId,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Option<(Delivery, String, Option<String>)>> {
    let row = sqlx::query!(
        r#"
        SELECT d.delivery_id, d.type, d.sequence, d.state, d.attempts, d.next_at, d.attempted_at, d.status, d.fault,
               d.latency_ms, d.created_at, d.body, d.answer
          FROM webhook_deliveries d
          JOIN webhooks w USING (webhook_id)
         WHERE w.channel_id = $1 AND d.webhook_id = $2 AND d.delivery_id = $3
        "#,
        owner.as_uuid(),
        webhook.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((delivery!(row)?, row.body, row.answer))).transpose()
}

/// Drops what the logs keep no longer, in bounded bites. Returns how many lines went.
pub async fn prune(conn: &mut Conn) -> Result<u64> {
    let old = sqlx::query!(
        r#"
        DELETE FROM webhook_deliveries
         WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries
                                WHERE state <> 'waiting' AND created_at < now() - make_interval(days => $1) LIMIT 5000)
        "#,
        LOG_DAYS,
    )
    .execute(&mut *conn)
    .await?;
    let many = sqlx::query!(
        r#"
        DELETE FROM webhook_deliveries
         WHERE delivery_id IN (SELECT d.delivery_id
                                 FROM webhooks w
                                CROSS JOIN LATERAL (SELECT delivery_id FROM webhook_deliveries
                                                     WHERE webhook_id = w.webhook_id AND state <> 'waiting'
                                                     ORDER BY delivery_id DESC OFFSET $1) d
                                LIMIT 5000)
        "#,
        LOG_MAX,
    )
    .execute(conn)
    .await?;
    Ok(old.rows_affected() + many.rows_affected())
}
