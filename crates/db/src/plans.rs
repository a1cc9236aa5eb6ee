//! SQL for plans: what runs for a member, from when to when, and what is told of its end.
//!
//! Which plan counts is the word of `plan_of` in the schema, by the clock: a plan whose grace is over is over, whether or not anybody has
//! written that down.

use domain::audit::{Action, Actor};
use domain::event::Event;
use domain::payment::{Bought, Plan, Running, Term};
use domain::{Timestamp, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::audit::{self, Entry};
use crate::error::{DbError, Result};
use crate::{Conn, outbox};

/// What runs for a member, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub plan: Plan,
    pub since: Timestamp,
    pub ends_at: Timestamp,
    /// Until then it still counts.
    pub grace_until: Timestamp,
    /// It counts.
    pub is_running: bool,
    pub(crate) days: i32,
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
}

impl Subscription {
    /// As what is bought now in some currency finds it.
    pub fn running(&self, currency: &str) -> Running {
        Running {
            plan: self.plan,
            since: self.since,
            ends_at: self.ends_at,
            days: self.days.unsigned_abs(),
            amount_minor: self.amount_minor,
            is_same_currency: self.currency == currency,
        }
    }
}

pub(crate) fn plan(text: &str) -> Result<Plan> {
    Plan::parse(text).ok_or(DbError::Corrupt { what: "plan" })
}

/// Which plan counts for a member now.
pub async fn of(conn: &mut Conn, user: UserId) -> Result<Plan> {
    let text = sqlx::query_scalar!(r#"SELECT plan_of($1) AS "plan!""#, user.as_uuid()).fetch_one(conn).await?;
    plan(&text)
}

/// The last plan a member had, whether or not it is over.
pub async fn subscription(conn: &mut Conn, user: UserId) -> Result<Option<Subscription>> {
    let row = sqlx::query!(
        r#"
        SELECT plan, since, ends_at, grace_until, grace_until > now() AS "is_running!", days, amount_minor, currency
          FROM subscriptions
         WHERE user_id = $1
        "#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Subscription {
            plan: plan(&row.plan)?,
            since: row.since,
            ends_at: row.ends_at,
            grace_until: row.grace_until,
            is_running: row.is_running,
            days: row.days,
            amount_minor: row.amount_minor,
            currency: row.currency,
        })
    })
    .transpose()
}

/// What would run for a member after they bought something now. Nobody else changes it until the transaction ends.
pub async fn after(conn: &mut Conn, user: UserId, bought: Bought, currency: &str) -> Result<Term> {
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user.as_uuid()).execute(&mut *conn).await?;
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *conn).await?;
    let running = subscription(conn, user).await?.map(|old| old.running(currency));
    Ok(bought.after(running, now))
}

/// Lets a member have what they bought, from now on.
pub async fn begin(
    conn: &mut Conn,
    user: UserId,
    term: Term,
    bought: Bought,
    (currency, grace_days): (&str, u32),
) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO subscriptions (user_id, plan, since, ends_at, grace_until, days, amount_minor, currency)
        VALUES ($1, $2, $3, $4, $4::timestamptz + make_interval(days => $5), $6, $7, $8)
        ON CONFLICT (user_id) DO UPDATE
           SET plan = EXCLUDED.plan, since = EXCLUDED.since, ends_at = EXCLUDED.ends_at, grace_until = EXCLUDED.grace_until,
               days = EXCLUDED.days, amount_minor = EXCLUDED.amount_minor, currency = EXCLUDED.currency, ended_at = NULL
        "#,
        user.as_uuid(),
        term.plan.as_str(),
        term.since,
        term.ends_at,
        i32::try_from(grace_days).unwrap_or(i32::MAX),
        i32::try_from(bought.days).unwrap_or(i32::MAX),
        bought.amount_minor,
        currency,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells members whose plan ends within so many days, each end once, and not at all what a later telling has said. Returns how many.
pub async fn remind(conn: &mut Conn, days: u32, limit: i64) -> Result<usize> {
    let rows = sqlx::query!(
        r#"
        WITH told AS (
            INSERT INTO plan_notices (user_id, ends_at, days_before, notice_id)
            SELECT s.user_id, s.ends_at, $1, gen_random_uuid()
              FROM subscriptions s
             WHERE s.ended_at IS NULL AND s.ends_at > now() AND s.ends_at <= now() + make_interval(days => $1)
               AND NOT EXISTS (SELECT FROM plan_notices n
                                WHERE n.user_id = s.user_id AND n.ends_at = s.ends_at AND n.days_before <= $1)
             LIMIT $2
            ON CONFLICT DO NOTHING
            RETURNING user_id, ends_at, notice_id
        )
        SELECT told.user_id, told.ends_at, told.notice_id, s.plan FROM told JOIN subscriptions s USING (user_id)
        "#,
        i32::try_from(days).unwrap_or(i32::MAX),
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in &rows {
        tell(conn, UserId::from_uuid(row.user_id), row.notice_id, (plan(&row.plan)?, row.ends_at), false).await?;
    }
    Ok(rows.len())
}

async fn tell(
    conn: &mut Conn,
    user_id: UserId,
    notice_id: Uuid,
    (plan, ends_at): (Plan, Timestamp),
    is_over: bool,
) -> Result<()> {
    outbox::push(conn, &Event::PlanNotice { user_id, notice_id, plan, ends_at, is_over }).await
}

/// Writes down which plans are over, their grace too, and tells whose they were. Nothing of theirs goes. Returns how many.
pub async fn end(conn: &mut Conn, limit: i64) -> Result<usize> {
    let rows = sqlx::query!(
        r#"
        WITH over AS (
            UPDATE subscriptions s SET ended_at = now()
             WHERE s.user_id IN (SELECT user_id FROM subscriptions
                                  WHERE ended_at IS NULL AND ends_at <= now() AND grace_until <= now()
                                  LIMIT $1 FOR UPDATE SKIP LOCKED)
            RETURNING s.user_id, s.plan, s.ends_at
        ), told AS (
            INSERT INTO plan_notices (user_id, ends_at, days_before, notice_id)
            SELECT user_id, ends_at, 0, gen_random_uuid() FROM over
            ON CONFLICT DO NOTHING
            RETURNING user_id, notice_id
        )
        SELECT over.user_id, over.plan, over.ends_at, told.notice_id FROM over JOIN told USING (user_id)
        "#,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in &rows {
        let user = UserId::from_uuid(row.user_id);
        let mut entry = Entry::of_member(Actor::Worker("plans"), Action::PlanEnded, user);
        entry.details = json!({ "plan": row.plan, "ends_at": row.ends_at });
        audit::write(conn, entry).await?;
        tell(conn, user, row.notice_id, (plan(&row.plan)?, row.ends_at), true).await?;
    }
    Ok(rows.len())
}

/// Forgets what was told of ends long ago.
pub async fn forget_notices(conn: &mut Conn) -> Result<()> {
    sqlx::query!("DELETE FROM plan_notices WHERE ends_at < now() - interval '400 days'").execute(conn).await?;
    Ok(())
}
