//! SQL for the audit log: who did what to what. It only grows, until what was kept long enough goes.

use std::net::IpAddr;

use domain::audit::{Action, Actor, NAME_CHARS_MAX, fit};
use domain::{Timestamp, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// Entries that go at once when they were kept long enough.
pub const PRUNE_ROWS: i32 = 5_000;

/// What is to be written down. Never a secret: details name what changed, not keys, passwords or whole addresses of webhooks.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub actor: Actor,
    pub action: Action,
    /// The id of what it was done to; what kind of thing that is the action says.
    pub id: String,
    /// Its name; a member's is known.
    pub name: &'a str,
    /// Whom it concerns.
    pub member: Option<UserId>,
    pub reason: &'a str,
    /// An object of at most [`domain::audit::DETAILS_BYTES_MAX`] bytes; of a larger one only that it was too large is kept.
    pub details: Value,
    /// Where the actor was.
    pub addr: Option<IpAddr>,
}

impl<'a> Entry<'a> {
    pub fn new(actor: Actor, action: Action, id: impl ToString, name: &'a str) -> Self {
        Self { actor, action, id: id.to_string(), name, member: None, reason: "", details: json!({}), addr: None }
    }

    /// What is done to a member.
    pub fn of_member(actor: Actor, action: Action, member: UserId) -> Self {
        Self { member: Some(member), ..Self::new(actor, action, member, "") }
    }
}

/// An entry as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub entry_id: Uuid,
    pub at: Timestamp,
    /// `user`, `system` or `worker`.
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor: Option<String>,
    /// Also one that a later release knows.
    pub action: String,
    pub entity_type: String,
    pub entity_id: String,
    pub entity: String,
    pub member: Option<String>,
    pub reason: String,
    pub details: Value,
    pub addr: Option<String>,
}

/// Writes an entry, in the transaction of the act: what is rolled back was not done, and what was done is written down.
pub async fn write(conn: &mut Conn, entry: Entry<'_>) -> Result<Record> {
    let actor_id = match entry.actor {
        Actor::Member(id) => Some(id.as_uuid()),
        Actor::Operator | Actor::Site | Actor::Worker(_) => None,
    };
    let name: String = entry.name.chars().take(NAME_CHARS_MAX).collect();
    Ok(sqlx::query_as!(
        Record,
        r#"
        INSERT INTO audit_log (entry_id, actor_kind, actor_id, actor, action, entity_type, entity_id, entity,
                               member_id, member, reason, details, addr)
        VALUES ($1, $2, $3, coalesce($4, (SELECT username FROM users WHERE user_id = $3)), $5, $6, $7,
                coalesce(nullif($8, ''), (SELECT username FROM users WHERE user_id = $9 AND $6 IN ('user', 'channel')), ''),
                $9, (SELECT username FROM users WHERE user_id = $9), $10, $11, $12)
        RETURNING entry_id, at, actor_kind, actor_id, actor, action, entity_type, entity_id, entity, member, reason, details, addr
        "#,
        kit::ids::uuid(),
        entry.actor.kind().as_str(),
        actor_id,
        entry.actor.name(),
        entry.action.as_str(),
        entry.action.entity().as_str(),
        entry.id,
        name,
        entry.member.map(UserId::as_uuid),
        entry.reason,
        fit(entry.details),
        entry.addr.map(|addr| addr.to_canonical().to_string()),
    )
    .fetch_one(conn)
    .await?)
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A name as it was then, or `system` or `worker`.
    pub actor: Option<String>,
    /// Any of these.
    pub actions: Option<Vec<String>>,
    pub entity_type: Option<String>,
    pub entity_id: Option<String>,
    /// Whom it concerns.
    pub member: Option<UserId>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
}

/// Where a page ends.
pub type Spot = (Timestamp, Uuid);

/// Entries, the latest first.
pub async fn page(conn: &mut Conn, wanted: &Wanted, after: Option<Spot>, limit: i64) -> Result<Vec<Record>> {
    let (after_at, after_id) = after.unzip();
    Ok(sqlx::query_as!(
        Record,
        r#"
        SELECT entry_id, at, actor_kind, actor_id, actor, action, entity_type, entity_id, entity, member, reason, details, addr
          FROM audit_log
         WHERE ($1::text IS NULL OR actor = $1 OR actor_kind = $1)
           AND ($2::text[] IS NULL OR action = ANY ($2))
           AND ($3::text IS NULL OR entity_type = $3)
           AND ($4::text IS NULL OR entity_id = $4)
           AND ($5::uuid IS NULL OR member_id = $5)
           AND ($6::timestamptz IS NULL OR at >= $6)
           AND ($7::timestamptz IS NULL OR at < $7)
           AND ($8::timestamptz IS NULL OR (at, entry_id) < ($8, $9::uuid))
         ORDER BY at DESC, entry_id DESC
         LIMIT $10
        "#,
        wanted.actor.as_deref(),
        wanted.actions.as_deref(),
        wanted.entity_type.as_deref(),
        wanted.entity_id.as_deref(),
        wanted.member.map(UserId::as_uuid),
        wanted.since,
        wanted.until,
        after_at,
        after_id,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// Lets go of a bite of what was kept for so many days. Returns how many entries went.
pub async fn prune(conn: &mut Conn, keep_days: i32) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT audit_prune($1, $2) AS "gone!""#, keep_days, PRUNE_ROWS).fetch_one(conn).await?)
}
