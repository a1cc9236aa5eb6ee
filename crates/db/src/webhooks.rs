//! SQL for members' endpoints: what they are, for their owners. What is sent to them is in [`deliveries`], how in [`turns`].

pub mod deliveries;
pub mod turns;

use domain::event::Event;
use domain::webhook::{ENDPOINTS_MAX, Happening, OLD_SECRET_HOURS, OffBecause};
use domain::{Timestamp, UserId, WebhookId};
use uuid::Uuid;

use crate::error::{DbError, Result};
use crate::{Conn, outbox};

/// An endpoint, as its member sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: String,
    pub description: String,
    /// None named: all.
    pub events: Vec<Happening>,
    pub is_enabled: bool,
    pub disabled_because: Option<OffBecause>,
    /// Until when the key before the last rotation signs too.
    pub old_secret_until: Option<Timestamp>,
    pub failing_since: Option<Timestamp>,
    pub overflowed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Messages that wait for it.
    pub waiting: i64,
}

struct Row {
    webhook_id: Uuid,
    url: String,
    description: String,
    events: Vec<String>,
    is_enabled: bool,
    disabled_because: Option<String>,
    old_secret_until: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    overflowed_at: Option<Timestamp>,
    created_at: Timestamp,
    waiting: i64,
}

impl TryFrom<Row> for Webhook {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        let because = |text: String| OffBecause::parse(&text).ok_or(DbError::Corrupt { what: "webhook" });
        Ok(Self {
            id: WebhookId::from_uuid(row.webhook_id),
            url: row.url,
            description: row.description,
            // One that a newer version knows is not lost by being read.
            events: row.events.iter().filter_map(|text| Happening::parse(text)).collect(),
            is_enabled: row.is_enabled,
            disabled_because: row.disabled_because.map(because).transpose()?,
            old_secret_until: row.old_secret_until,
            failing_since: row.failing_since,
            overflowed_at: row.overflowed_at,
            created_at: row.created_at,
            waiting: row.waiting,
        })
    }
}

/// A member's endpoints in the order they were made.
pub async fn list(conn: &mut Conn, owner: UserId) -> Result<Vec<Webhook>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT w.webhook_id, w.url, w.description, w.events, w.is_enabled, w.disabled_because,
               CASE WHEN w.old_secret_until > now() THEN w.old_secret_until END AS old_secret_until,
               w.failing_since, w.overflowed_at, w.created_at,
               (SELECT count(*) FROM webhook_deliveries d
                 WHERE d.webhook_id = w.webhook_id AND d.state = 'waiting') AS "waiting!"
          FROM webhooks w
         WHERE w.channel_id = $1
         ORDER BY w.webhook_id
        "#,
        owner.as_uuid(),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Webhook::try_from)
    .collect()
}

/// One of a member's endpoints.
pub async fn find(conn: &mut Conn, owner: UserId, id: WebhookId) -> Result<Option<Webhook>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT w.webhook_id, w.url, w.description, w.events, w.is_enabled, w.disabled_because,
               CASE WHEN w.old_secret_until > now() THEN w.old_secret_until END AS old_secret_until,
               w.failing_since, w.overflowed_at, w.created_at,
               (SELECT count(*) FROM webhook_deliveries d
                 WHERE d.webhook_id = w.webhook_id AND d.state = 'waiting') AS "waiting!"
          FROM webhooks w
         WHERE w.channel_id = $1 AND w.webhook_id = $2
        "#,
        owner.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Webhook::try_from)
    .transpose()
}

/// An endpoint somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct NewWebhook<'a> {
    pub id: WebhookId,
    pub url: &'a str,
    pub description: &'a str,
    pub events: &'a [Happening],
    pub is_enabled: bool,
    /// Sealed.
    pub secret: &'a [u8],
}

fn names(events: &[Happening]) -> Vec<String> {
    events.iter().map(|happening| happening.as_str().to_owned()).collect()
}

/// Adds an endpoint. False: its member has as many as they may have.
pub async fn add(conn: &mut Conn, owner: UserId, new: NewWebhook<'_>) -> Result<bool> {
    // Of two at once the second counts the first.
    sqlx::query!("SELECT channel_id FROM channels WHERE channel_id = $1 FOR UPDATE", owner.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    let done = sqlx::query!(
        r#"
        INSERT INTO webhooks (webhook_id, channel_id, url, description, events, is_enabled, secret)
        SELECT $2, $1, $3, $4, $5, $6, $7
         WHERE (SELECT count(*) FROM webhooks WHERE channel_id = $1) < $8
        "#,
        owner.as_uuid(),
        new.id.as_uuid(),
        new.url,
        new.description,
        &names(new.events),
        new.is_enabled,
        new.secret,
        ENDPOINTS_MAX as i64,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What changes of an endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    pub url: Option<&'a str>,
    pub description: Option<&'a str>,
    pub events: Option<&'a [Happening]>,
    pub is_enabled: Option<bool>,
}

/// Changes one of a member's endpoints. One that is switched on, or moved, begins anew; of one that is switched off nothing waits
/// any more. False: there is no such endpoint.
pub async fn change(conn: &mut Conn, owner: UserId, id: WebhookId, change: Change<'_>) -> Result<bool> {
    let events = change.events.map(names);
    let row = sqlx::query!(
        r#"
        UPDATE webhooks
           SET url = coalesce($3, url),
               description = coalesce($4, description),
               events = coalesce($5, events),
               is_enabled = coalesce($6, is_enabled),
               disabled_because = CASE WHEN $6 IS NULL THEN disabled_because END,
               failures = CASE WHEN $6 OR $3 <> url THEN 0 ELSE failures END,
               failing_since = CASE WHEN $6 OR $3 <> url THEN NULL ELSE failing_since END,
               rests_until = CASE WHEN $6 OR $3 <> url THEN NULL ELSE rests_until END,
               overflowed_at = CASE WHEN $6 THEN NULL ELSE overflowed_at END
         WHERE channel_id = $1 AND webhook_id = $2
        RETURNING is_enabled
        "#,
        owner.as_uuid(),
        id.as_uuid(),
        change.url,
        change.description,
        events.as_deref(),
        change.is_enabled,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(false) };
    if !row.is_enabled {
        deliveries::give_up(conn, id).await?;
    } else if change.url.is_some() || change.is_enabled.is_some() {
        outbox::push(conn, &Event::WebhookDue { webhook_id: id }).await?;
    }
    Ok(true)
}

/// Removes one of a member's endpoints, its log with it. False: there is no such endpoint.
pub async fn remove(conn: &mut Conn, owner: UserId, id: WebhookId) -> Result<bool> {
    let done =
        sqlx::query!("DELETE FROM webhooks WHERE channel_id = $1 AND webhook_id = $2", owner.as_uuid(), id.as_uuid())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives one of a member's endpoints another (sealed) key; the one before signs too for a day. Until when, or `None`: there is no
/// such endpoint.
pub async fn rotate(conn: &mut Conn, owner: UserId, id: WebhookId, secret: &[u8]) -> Result<Option<Timestamp>> {
    Ok(sqlx::query_scalar!(
        r#"
        UPDATE webhooks
           SET old_secret = secret, old_secret_until = now() + make_interval(hours => $4), secret = $3
         WHERE channel_id = $1 AND webhook_id = $2
        RETURNING old_secret_until AS "until!"
        "#,
        owner.as_uuid(),
        id.as_uuid(),
        secret,
        OLD_SECRET_HOURS,
    )
    .fetch_optional(conn)
    .await?)
}

/// Tells the channel's endpoints that want to hear of it what a moderator did, in the transaction that does it. Most channels have
/// none, and then nothing is written.
pub async fn tell_act(conn: &mut Conn, channel: UserId, act_id: Uuid) -> Result<()> {
    let is_wanted = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM webhooks
                        WHERE channel_id = $1 AND is_enabled AND (events = '{}' OR $2 = ANY(events))) AS "is_wanted!"
        "#,
        channel.as_uuid(),
        Happening::ChatModerated.as_str(),
    )
    .fetch_one(&mut *conn)
    .await?;
    if is_wanted {
        outbox::push(conn, &Event::ChatModerated { channel_id: channel, act_id }).await?;
    }
    Ok(())
}
