//! SQL for payments: begun, said to be paid, decided, run out. Pictures that prove them are in [`proofs`].
//!
//! A payment moves by a statement that names the states it may move from (`domain::payment::PaymentAct`) and whether its time is up: of two who
//! act at once one changes a row, and the other hears that there is none to change.

pub mod proofs;

use domain::audit::Actor;
use domain::event::Event;
use domain::notification::NotificationType;
use domain::payment::{Bought, Method, PaymentAct, PaymentStatus, Plan, Term};
use domain::{PaymentId, ProofId, Timestamp, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit::{self, Entry};
use crate::error::{DbError, Result};
use crate::plans::{Subscription, plan};
use crate::users::Person;
use crate::{Conn, outbox};

/// Other payments that are named beside one that looks like them.
const TWINS_MAX: i64 = 5;

/// A payment, whatever became of it.
#[derive(Debug, Clone)]
pub struct Payment {
    pub id: PaymentId,
    pub user: UserId,
    pub reference: String,
    pub plan: Plan,
    pub days: i32,
    pub amount_minor: i64,
    pub currency: String,
    pub method: Method,
    pub status: PaymentStatus,
    pub stated_payer: String,
    pub stated_amount_minor: Option<i64>,
    pub stated_reference: String,
    /// Whether there is a picture, and it may be looked at.
    pub proof: Option<ProofState>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub submitted_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
    pub reason: String,
    /// What it bought: from when to when.
    pub term: Option<(Timestamp, Timestamp)>,
}

/// How far a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofState {
    Checking,
    Ready,
}

impl Payment {
    pub fn bought(&self) -> Bought {
        Bought { plan: self.plan, days: self.days.unsigned_abs(), amount_minor: self.amount_minor }
    }
}

struct Row {
    payment_id: Uuid,
    user_id: Uuid,
    reference: String,
    plan: String,
    days: i32,
    amount_minor: i64,
    currency: String,
    method: String,
    status: String,
    stated_payer: String,
    stated_amount_minor: Option<i64>,
    stated_reference: String,
    proof_state: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    submitted_at: Option<Timestamp>,
    decided_at: Option<Timestamp>,
    reason: String,
    term_since: Option<Timestamp>,
    term_ends_at: Option<Timestamp>,
}

impl TryFrom<Row> for Payment {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: PaymentId::from_uuid(row.payment_id),
            user: UserId::from_uuid(row.user_id),
            reference: row.reference,
            plan: plan(&row.plan)?,
            days: row.days,
            amount_minor: row.amount_minor,
            currency: row.currency,
            method: Method::parse(&row.method).ok_or(DbError::Corrupt { what: "way of paying" })?,
            status: PaymentStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "state of a payment" })?,
            stated_payer: row.stated_payer,
            stated_amount_minor: row.stated_amount_minor,
            stated_reference: row.stated_reference,
            proof: match row.proof_state.as_deref() {
                Some("checking") => Some(ProofState::Checking),
                Some("ready") => Some(ProofState::Ready),
                _ => None,
            },
            created_at: row.created_at,
            expires_at: row.expires_at,
            submitted_at: row.submitted_at,
            decided_at: row.decided_at,
            reason: row.reason,
            term: row.term_since.zip(row.term_ends_at),
        })
    }
}

/// Payments of somebody or of everybody, one of them or all, the latest first.
async fn select(
    conn: &mut Conn,
    user: Option<UserId>,
    one: Option<PaymentId>,
    before: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Payment>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT p.payment_id, p.user_id, p.reference, p.plan, p.days, p.amount_minor, p.currency, p.method, p.status, p.stated_payer,
               p.stated_amount_minor, p.stated_reference, f.state AS "proof_state?", p.created_at, p.expires_at, p.submitted_at,
               p.decided_at, p.reason, p.term_since, p.term_ends_at
          FROM payments p
          LEFT JOIN payment_proofs f ON f.proof_id = p.proof_id
         WHERE ($1::uuid IS NULL OR p.user_id = $1) AND ($2::uuid IS NULL OR p.payment_id = $2)
           AND ($3::uuid IS NULL OR p.payment_id < $3)
         ORDER BY p.payment_id DESC
         LIMIT $4
        "#,
        user.map(UserId::as_uuid),
        one.map(PaymentId::as_uuid),
        before.map(PaymentId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Payment::try_from)
    .collect()
}

/// A member's payments, the latest first, before the given one.
pub async fn list(conn: &mut Conn, user: UserId, before: Option<PaymentId>, limit: i64) -> Result<Vec<Payment>> {
    select(conn, Some(user), None, before, limit).await
}

/// One payment: a member's, or whosever it is.
pub async fn find(conn: &mut Conn, user: Option<UserId>, payment: PaymentId) -> Result<Option<Payment>> {
    Ok(select(conn, user, Some(payment), None, 1).await?.pop())
}

/// A member's open payment.
pub async fn open(conn: &mut Conn, user: UserId) -> Result<Option<Payment>> {
    let id = sqlx::query_scalar!(
        "SELECT payment_id FROM payments WHERE user_id = $1 AND status IN ('pending', 'submitted', 'asked_again')",
        user.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => find(conn, Some(user), PaymentId::from_uuid(id)).await,
        None => Ok(None),
    }
}

/// What is to be paid.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub id: PaymentId,
    pub user: UserId,
    pub reference: &'a str,
    pub bought: Bought,
    pub currency: &'a str,
    pub method: Method,
    pub ttl_s: u64,
}

/// Begins a payment. False: the member has an open one, or another payment has that reference.
pub async fn begin(conn: &mut Conn, new: &New<'_>) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments (payment_id, user_id, reference, plan, days, amount_minor, currency, method, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9))
        ON CONFLICT DO NOTHING
        "#,
        new.id.as_uuid(),
        new.user.as_uuid(),
        new.reference,
        new.bought.plan.as_str(),
        i32::try_from(new.bought.days).unwrap_or(i32::MAX),
        new.bought.amount_minor,
        new.currency,
        new.method.as_str(),
        u32::try_from(new.ttl_s).map_or(f64::from(u32::MAX), f64::from),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody who decides, or has it run out.
#[derive(Debug, Clone)]
pub struct Move<'a> {
    pub payment: PaymentId,
    pub act: PaymentAct,
    /// Only if it is theirs.
    pub owner: Option<UserId>,
    pub by: Option<UserId>,
    pub reason: &'a str,
    /// What it buys.
    pub term: Option<Term>,
    /// For so long more a proof may be sent.
    pub ttl_s: Option<u64>,
}

/// Moves a payment, if it may be moved so. False: it may not, or is not there. What its payer was told before of the same is forgotten, so that
/// they are told again.
pub async fn act(conn: &mut Conn, step: &Move<'_>) -> Result<bool> {
    let status = step.act.to();
    let decides = matches!(step.act, PaymentAct::Approve | PaymentAct::Reject);
    let user = sqlx::query_scalar!(
        r#"
        UPDATE payments
           SET status = $3, changed_at = now(), reason = $5,
               decided_by = CASE WHEN $6 THEN $7 ELSE decided_by END, decided_at = CASE WHEN $6 THEN now() ELSE decided_at END,
               term_since = $8, term_ends_at = $9,
               expires_at = coalesce(now() + make_interval(secs => $10), expires_at)
         WHERE payment_id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND status = ANY ($4)
           AND (status = 'submitted' OR expires_at > now())
        RETURNING user_id
        "#,
        step.payment.as_uuid(),
        step.owner.map(UserId::as_uuid),
        status.as_str(),
        &step.act.from(),
        step.reason,
        decides,
        step.by.map(UserId::as_uuid),
        step.term.map(|term| term.since),
        step.term.map(|term| term.ends_at),
        step.ttl_s.map(|ttl_s| u32::try_from(ttl_s).map_or(f64::from(u32::MAX), f64::from)),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(user) = user else { return Ok(false) };
    told(conn, step.payment, UserId::from_uuid(user), status).await?;
    Ok(true)
}

/// Leaves behind that a payment is elsewhere.
async fn told(conn: &mut Conn, payment: PaymentId, user: UserId, status: PaymentStatus) -> Result<()> {
    let again = match status {
        PaymentStatus::Submitted => Some((NotificationType::PaymentSubmitted, deciders(conn).await?)),
        PaymentStatus::AskedAgain => Some((NotificationType::PaymentAskedAgain, vec![user])),
        _ => None,
    };
    if let Some((kind, readers)) = again {
        let readers: Vec<Uuid> = readers.iter().map(|reader| reader.as_uuid()).collect();
        sqlx::query!(
            "DELETE FROM notifications WHERE user_id = ANY ($1) AND type = $2 AND entity_id = $3",
            &readers,
            kind.as_str(),
            payment.as_uuid(),
        )
        .execute(&mut *conn)
        .await?;
    }
    outbox::push(conn, &Event::PaymentChanged { payment_id: payment, user_id: user, status }).await
}

/// What is written down of a payment.
pub fn entry(actor: Actor, act: PaymentAct, payment: &Payment) -> Entry<'_> {
    Entry {
        member: Some(payment.user),
        details: facts(payment),
        ..Entry::new(actor, act.action(), payment.id, &payment.reference)
    }
}

/// The same of one that was begun now.
pub fn facts(payment: &Payment) -> Value {
    json!({ "plan": payment.plan, "amount_minor": payment.amount_minor, "currency": payment.currency, "method": payment.method })
}

/// Lets payments run out whose time is up: of one member, or of all. Returns how many.
pub async fn expire(conn: &mut Conn, user: Option<UserId>, limit: i64) -> Result<usize> {
    let ids = sqlx::query_scalar!(
        r#"
        UPDATE payments SET status = 'expired', changed_at = now()
         WHERE payment_id IN (SELECT payment_id FROM payments
                               WHERE ($1::uuid IS NULL OR user_id = $1) AND status = ANY ($2) AND expires_at <= now()
                               ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING payment_id
        "#,
        user.map(UserId::as_uuid),
        &PaymentAct::Expire.from(),
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    for id in &ids {
        let Some(payment) = find(conn, None, PaymentId::from_uuid(*id)).await? else { continue };
        audit::write(conn, entry(Actor::Worker("payments"), PaymentAct::Expire, &payment)).await?;
        told(conn, payment.id, payment.user, PaymentStatus::Expired).await?;
    }
    Ok(ids.len())
}

/// An open payment, as whoever decides about it sees it.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub payment: Payment,
    pub payer: Person,
    /// What runs for its payer, or did.
    pub running: Option<Subscription>,
    /// References of other payments that the same picture is to prove.
    pub same_proof: Vec<String>,
    /// References of other payments whose payers gave the same number of a transfer.
    pub same_transfer: Vec<String>,
}

/// Open payments, the oldest first, after the given one; `status`: only of this one.
pub async fn waiting(
    conn: &mut Conn,
    status: Option<PaymentStatus>,
    after: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Waiting>> {
    let rows = sqlx::query!(
        r#"
        SELECT p.payment_id, u.username, u.display_name, u.avatar_key,
               ARRAY (SELECT o.reference FROM payments o
                       WHERE o.proof_sha256 = p.proof_sha256 AND o.payment_id <> p.payment_id
                       ORDER BY o.payment_id DESC LIMIT $4) AS "same_proof!",
               ARRAY (SELECT o.reference FROM payments o
                       WHERE o.stated_reference <> '' AND lower(o.stated_reference) = lower(p.stated_reference)
                         AND o.payment_id <> p.payment_id
                       ORDER BY o.payment_id DESC LIMIT $4) AS "same_transfer!"
          FROM payments p
          JOIN users u USING (user_id)
         WHERE p.status IN ('pending', 'submitted', 'asked_again') AND ($1::text IS NULL OR p.status = $1)
           AND (p.status = 'submitted' OR p.expires_at > now())
           AND ($2::uuid IS NULL OR p.payment_id > $2)
         ORDER BY p.payment_id
         LIMIT $3
        "#,
        status.map(PaymentStatus::as_str),
        after.map(PaymentId::as_uuid),
        limit,
        TWINS_MAX,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(payment) = find(conn, None, PaymentId::from_uuid(row.payment_id)).await? else { continue };
        found.push(Waiting {
            running: crate::plans::subscription(conn, payment.user).await?,
            payment,
            payer: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            same_proof: row.same_proof,
            same_transfer: row.same_transfer,
        });
    }
    Ok(found)
}

/// Who decides about payments: the site's administrators.
pub async fn deciders(conn: &mut Conn) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!("SELECT user_id FROM users WHERE role = 'admin' AND NOT is_suspended");
    Ok(ids.fetch_all(conn).await?.into_iter().map(UserId::from_uuid).collect())
}

/// What its payer says, and the picture that is to prove it.
#[derive(Debug, Clone)]
pub struct Submission<'a> {
    pub payment: PaymentId,
    pub owner: UserId,
    pub proof: ProofId,
    pub sha256: &'a [u8],
    pub payer: &'a str,
    pub amount_minor: Option<i64>,
    pub reference: &'a str,
}

/// Takes a proof for a payment, whose earlier one goes. False: it may not be proven any more, or is not theirs.
pub async fn submit(conn: &mut Conn, sent: &Submission<'_>) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        WITH old AS (
            SELECT payment_id, proof_id FROM payments WHERE payment_id = $1 FOR UPDATE
        ), taken AS (
            UPDATE payments p
               SET status = 'submitted', proof_id = $3, proof_sha256 = $4, stated_payer = $5, stated_amount_minor = $6,
                   stated_reference = $7, submitted_at = now(), changed_at = now()
              FROM old
             WHERE p.payment_id = old.payment_id AND p.user_id = $2 AND p.status = ANY ($8)
               AND (p.status = 'submitted' OR p.expires_at > now())
            RETURNING p.payment_id
        ), gone AS (
            UPDATE payment_proofs SET state = 'gone', due_at = now()
             WHERE proof_id = (SELECT proof_id FROM old) AND EXISTS (SELECT FROM taken)
        )
        UPDATE payment_proofs
           SET state = CASE WHEN has_upload THEN 'checking' ELSE 'ready' END, due_at = CASE WHEN has_upload THEN now() END
         WHERE proof_id = $3 AND state = 'storing' AND EXISTS (SELECT FROM taken)
        "#,
        sent.payment.as_uuid(),
        sent.owner.as_uuid(),
        sent.proof.as_uuid(),
        sent.sha256,
        sent.payer,
        sent.amount_minor,
        sent.reference,
        &PaymentAct::Submit.from(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    told(conn, sent.payment, sent.owner, PaymentStatus::Submitted).await?;
    Ok(true)
}
