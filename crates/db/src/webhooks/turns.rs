//! SQL for sending: whose turn it is with an endpoint, which message is next, and what came of it.
//!
//! One job at a time has the turn, so that messages leave one after another and a slow endpoint holds up nobody else. A turn
//! belongs to the job and not to the worker: when a worker dies, the queue gives the job to another, which goes on.

use domain::event::Event;
use domain::webhook::{Fault, OffBecause};
use domain::{DeliveryId, Timestamp, UserId, WebhookId};
use uuid::Uuid;

use crate::error::Result;
use crate::webhooks::deliveries;
use crate::{Conn, outbox};

/// How long a turn holds unless it is renewed: longer than an attempt may take. It ends without its job only when that was given
/// up for good.
const TURN_S: f64 = 60.0;
/// What is due within this is due: jobs are woken by whole seconds.
const SLACK_S: f64 = 1.0;

/// A message that is due.
#[derive(Debug, Clone)]
pub struct Due {
    pub delivery: DeliveryId,
    /// Stays the same over attempts and endpoints.
    pub event_id: Uuid,
    pub happening: String,
    pub body: String,
    pub attempts: i32,
    pub url: String,
    /// Sealed; the first is the one that is good, the second the one before while it still signs.
    pub secrets: Vec<Vec<u8>>,
}

/// What there is to do.
#[derive(Debug, Clone)]
pub enum Next {
    Send(Box<Due>),
    /// Nothing now. The turn, if it was this job's, is over.
    Nothing,
    /// Another job has the turn. It looks again before it ends.
    Busy,
}

/// Takes or renews a job's turn with an endpoint, and finds the next message: the one with the lowest number that is due, about a
/// stream of which nothing earlier waits.
pub async fn next(conn: &mut Conn, webhook: WebhookId, job: &str) -> Result<Next> {
    let endpoint = sqlx::query!(
        r#"
        SELECT w.url, w.secret, CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret,
               coalesce(w.turn_of <> $2 AND w.turn_until > now(), false) AS "is_busy!",
               (w.is_enabled AND NOT u.is_suspended
                AND coalesce(w.rests_until <= now() + make_interval(secs => $3), true)) AS "is_ready!"
          FROM webhooks w
          JOIN users u ON u.user_id = w.channel_id
         WHERE w.webhook_id = $1
           FOR UPDATE OF w
        "#,
        webhook.as_uuid(),
        job,
        SLACK_S,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(endpoint) = endpoint else { return Ok(Next::Nothing) };
    if endpoint.is_busy {
        return Ok(Next::Busy);
    }
    let due = sqlx::query!(
        r#"
        SELECT d.delivery_id, d.event_id, d.type, d.body, d.attempts
          FROM webhook_deliveries d
         WHERE d.webhook_id = $1 AND d.state = 'waiting' AND $2
           AND d.next_at <= now() + make_interval(secs => $3)
           AND (d.subject_id IS NULL
                OR NOT EXISTS (SELECT FROM webhook_deliveries e
                                WHERE e.webhook_id = $1 AND e.state = 'waiting' AND e.subject_id = d.subject_id
                                  AND e.sequence < d.sequence))
         ORDER BY d.sequence
         LIMIT 1
        "#,
        webhook.as_uuid(),
        endpoint.is_ready,
        SLACK_S,
    )
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        UPDATE webhooks
           SET turn_of = CASE WHEN $3 THEN $2 END,
               turn_until = CASE WHEN $3 THEN now() + make_interval(secs => $4) END
         WHERE webhook_id = $1
        "#,
        webhook.as_uuid(),
        job,
        due.is_some(),
        TURN_S,
    )
    .execute(conn)
    .await?;
    Ok(due.map_or(Next::Nothing, |due| {
        Next::Send(Box::new(Due {
            delivery: DeliveryId::from_uuid(due.delivery_id),
            event_id: due.event_id,
            happening: due.r#type,
            body: due.body,
            attempts: due.attempts,
            url: endpoint.url,
            secrets: std::iter::once(endpoint.secret).chain(endpoint.old_secret).collect(),
        }))
    }))
}

/// Ends a job's turn although there may be more to do.
pub async fn end(conn: &mut Conn, webhook: WebhookId, job: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE webhooks SET turn_of = NULL, turn_until = NULL WHERE webhook_id = $1 AND turn_of = $2",
        webhook.as_uuid(),
        job,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was seen of an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub at: Timestamp,
    pub status: Option<u16>,
    pub fault: Option<Fault>,
    pub latency_ms: i32,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Delivered,
    /// It is tried again after so many seconds; the endpoint is left alone for so many.
    Again {
        wait_s: i32,
        rest_s: i32,
    },
    /// It is not tried again; the endpoint is left alone for so many seconds.
    Failed {
        rest_s: i32,
    },
    /// It is not tried again, and the endpoint is switched off.
    Off(OffBecause),
}

/// Writes down what came of an attempt. False: somebody else was faster, or the endpoint is gone, and nothing was written.
pub async fn settle(conn: &mut Conn, webhook: WebhookId, due: &Due, attempt: &Attempt, then: Then) -> Result<bool> {
    let (state, wait_s) = match then {
        Then::Delivered => ("delivered", None),
        Then::Again { wait_s, .. } => ("waiting", Some(f64::from(wait_s))),
        Then::Failed { .. } | Then::Off(_) => ("failed", None),
    };
    let done = sqlx::query!(
        r#"
        UPDATE webhook_deliveries
           SET state = $4, attempts = attempts + 1,
               next_at = now() + make_interval(secs => $5), attempted_at = $6, status = $7, fault = $8, latency_ms = $9,
               answer = $10
         WHERE webhook_id = $1 AND delivery_id = $2 AND state = 'waiting' AND attempts = $3
        "#,
        webhook.as_uuid(),
        due.delivery.as_uuid(),
        due.attempts,
        state,
        wait_s,
        attempt.at,
        attempt.status.map(i32::from),
        attempt.fault.map(Fault::as_str),
        attempt.latency_ms,
        attempt.answer,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    match then {
        Then::Delivered => took(conn, webhook).await?,
        Then::Again { rest_s, .. } | Then::Failed { rest_s } => rest(conn, webhook, rest_s).await?,
        Then::Off(because) => switch_off(conn, webhook, due.delivery, because).await?,
    }
    Ok(true)
}

async fn took(conn: &mut Conn, webhook: WebhookId) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE webhooks SET failures = 0, failing_since = NULL, rests_until = NULL
         WHERE webhook_id = $1 AND (failures > 0 OR rests_until IS NOT NULL)
        "#,
        webhook.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn rest(conn: &mut Conn, webhook: WebhookId, rest_s: i32) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE webhooks
           SET failures = least(failures + 1, 1000000), failing_since = coalesce(failing_since, now()),
               rests_until = now() + make_interval(secs => $2)
         WHERE webhook_id = $1
        "#,
        webhook.as_uuid(),
        f64::from(rest_s),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Its member is told, once: of two only one finds it on.
async fn switch_off(conn: &mut Conn, webhook: WebhookId, delivery: DeliveryId, because: OffBecause) -> Result<()> {
    let row = sqlx::query!(
        r#"
        UPDATE webhooks
           SET is_enabled = false, disabled_because = $2, failures = least(failures + 1, 1000000),
               failing_since = coalesce(failing_since, now()), rests_until = NULL
         WHERE webhook_id = $1 AND is_enabled
        RETURNING channel_id
        "#,
        webhook.as_uuid(),
        because.as_str(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    deliveries::give_up(conn, webhook).await?;
    if let Some(row) = row {
        let channel_id = UserId::from_uuid(row.channel_id);
        let event = Event::WebhookDisabled { channel_id, webhook_id: webhook, delivery_id: delivery };
        outbox::push(conn, &event).await?;
    }
    Ok(())
}

/// How an endpoint has done lately: failures in a row, and seconds since the first of them. Locks it, before [`settle`] does:
/// whoever needs both takes the endpoint before its messages.
pub async fn record(conn: &mut Conn, webhook: WebhookId) -> Result<(u32, f64)> {
    let row = sqlx::query!(
        r#"
        SELECT failures, coalesce(extract(epoch FROM now() - failing_since), 0)::float8 AS "failing_s!"
          FROM webhooks
         WHERE webhook_id = $1
           FOR UPDATE
        "#,
        webhook.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map_or((0, 0.0), |row| (u32::try_from(row.failures).unwrap_or(0), row.failing_s)))
}

/// Endpoints for which something has been due for so many seconds, though nobody has the turn: their job was lost.
pub async fn forgotten(conn: &mut Conn, late_s: f64, limit: i64) -> Result<Vec<WebhookId>> {
    let rows = sqlx::query_scalar!(
        r#"
        SELECT w.webhook_id
          FROM webhooks w
          JOIN users u ON u.user_id = w.channel_id
         WHERE w.is_enabled AND NOT u.is_suspended
           AND coalesce(w.turn_until < now(), true)
           AND coalesce(w.rests_until < now() - make_interval(secs => $1), true)
           AND EXISTS (SELECT FROM webhook_deliveries d
                        WHERE d.webhook_id = w.webhook_id AND d.state = 'waiting'
                          AND d.next_at < now() - make_interval(secs => $1)
                          AND (d.subject_id IS NULL
                               OR NOT EXISTS (SELECT FROM webhook_deliveries e
                                               WHERE e.webhook_id = d.webhook_id AND e.state = 'waiting'
                                                 AND e.subject_id = d.subject_id AND e.sequence < d.sequence)))
         LIMIT $2
        "#,
        late_s,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(WebhookId::from_uuid).collect())
}
