//! SQL for the outbox's consumers: what each has done, how far behind it is, and doing it again.

use std::collections::HashSet;

use domain::Timestamp;
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// Which of these events which consumers are done with.
pub async fn done(conn: &mut Conn, events: &[Uuid]) -> Result<HashSet<(String, Uuid)>> {
    let rows = sqlx::query!("SELECT consumer, event_id FROM processed_events WHERE event_id = ANY($1)", events)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.consumer, row.event_id)).collect())
}

/// Writes down that these consumers are done with these events, in the transaction of what they did.
pub async fn note(conn: &mut Conn, consumers: &[&str], events: &[Uuid]) -> Result<()> {
    let consumers: Vec<String> = consumers.iter().map(|name| (*name).to_owned()).collect();
    sqlx::query!(
        r#"
        INSERT INTO processed_events (consumer, event_id)
        SELECT consumer, event_id FROM unnest($1::text[]) AS consumer, unnest($2::uuid[]) AS event_id
        ON CONFLICT (event_id, consumer) DO NOTHING
        "#,
        &consumers,
        events,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How far behind a consumer is.
#[derive(Debug, Clone, PartialEq)]
pub struct Lag {
    pub consumer: String,
    pub waiting: i64,
    /// How many seconds ago the oldest event was written that it has not heard; 0 when there is none.
    pub oldest_s: f64,
}

/// Of each of these consumers.
pub async fn lags(conn: &mut Conn, consumers: &[&str]) -> Result<Vec<Lag>> {
    let consumers: Vec<String> = consumers.iter().map(|name| (*name).to_owned()).collect();
    Ok(sqlx::query_as!(
        Lag,
        r#"
        SELECT c.consumer AS "consumer!", count(o.outbox_id) AS "waiting!",
               COALESCE(EXTRACT(EPOCH FROM now() - min(o.created_at)), 0)::float8 AS "oldest_s!"
          FROM unnest($1::text[]) AS c (consumer)
          LEFT JOIN outbox o ON o.dispatched_at IS NULL
                            AND NOT EXISTS (SELECT FROM processed_events p
                                             WHERE p.event_id = o.event_id AND p.consumer = c.consumer)
         GROUP BY c.consumer
        "#,
        &consumers,
    )
    .fetch_all(conn)
    .await?)
}

/// An event, as the operator lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub event_id: Uuid,
    pub kind: String,
    pub created_at: Timestamp,
    pub dispatched_at: Option<Timestamp>,
    /// The consumers that are done with it.
    pub done: Vec<String>,
}

/// The latest events, or of those that wait the oldest.
pub async fn list(conn: &mut Conn, is_waiting_only: bool, limit: i64) -> Result<Vec<Listed>> {
    Ok(sqlx::query_as!(
        Listed,
        r#"
        SELECT event_id, kind, created_at, dispatched_at,
               ARRAY(SELECT p.consumer FROM processed_events p
                      WHERE p.event_id = o.event_id ORDER BY p.consumer) AS "done!"
          FROM outbox o
         WHERE NOT $1 OR dispatched_at IS NULL
         ORDER BY CASE WHEN $1 THEN outbox_id ELSE -outbox_id END
         LIMIT $2
        "#,
        is_waiting_only,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// Has one consumer hear dispatched events again, since a moment or all that are kept. The others are done with them and stay so.
/// Returns how many.
pub async fn replay(conn: &mut Conn, consumer: &str, since: Option<Timestamp>) -> Result<u64> {
    sqlx::query!(
        r#"
        DELETE FROM processed_events p USING outbox o
         WHERE p.event_id = o.event_id AND p.consumer = $1
           AND o.dispatched_at IS NOT NULL AND ($2::timestamptz IS NULL OR o.created_at >= $2)
        "#,
        consumer,
        since,
    )
    .execute(&mut *conn)
    .await?;
    let again = sqlx::query!(
        r#"
        UPDATE outbox o SET dispatched_at = NULL
         WHERE o.dispatched_at IS NOT NULL AND ($2::timestamptz IS NULL OR o.created_at >= $2)
           AND NOT EXISTS (SELECT FROM processed_events p WHERE p.event_id = o.event_id AND p.consumer = $1)
        "#,
        consumer,
        since,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    // Relays look once a second anyway.
    sqlx::query!("SELECT pg_notify('outbox', '')").execute(conn).await?;
    Ok(again)
}
