//! Pictures that prove payments: their rows, whom they are shown to, and what is owed to them.

use domain::payment::PaymentStatus;
use domain::{PaymentId, ProofId, UserId};
use uuid::Uuid;

use super::told;
use crate::Conn;
use crate::error::Result;

/// What does not get into the bucket by then goes again.
const STORED_WITHIN_S: f64 = 3_600.0;
/// For so long a scanner is asked.
const CHECKED_FOR_S: f64 = 7.0 * 24.0 * 3_600.0;

/// A picture that is to be taken in.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    pub proof: ProofId,
    pub payment: PaymentId,
    pub owner: UserId,
    pub lock: &'a str,
    pub mime: &'a str,
    /// What was sent is kept for the scanner.
    pub has_upload: bool,
}

/// Makes a row before there are objects. False: the payment is not the owner's.
pub async fn reserve(conn: &mut Conn, new: New<'_>) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payment_proofs (proof_id, payment_id, lock, state, mime, has_upload, due_at)
        SELECT $1, payment_id, $4, 'storing', $5, $6, now() + make_interval(secs => $7)
          FROM payments
         WHERE payment_id = $2 AND user_id = $3
        "#,
        new.proof.as_uuid(),
        new.payment.as_uuid(),
        new.owner.as_uuid(),
        new.lock,
        new.mime,
        new.has_upload,
        STORED_WITHIN_S,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It did not get there, or nobody wants it: its objects go.
pub async fn abandon(conn: &mut Conn, proof: ProofId) -> Result<()> {
    sqlx::query!(
        "UPDATE payment_proofs SET state = 'gone', due_at = now() WHERE proof_id = $1 AND state = 'storing'",
        proof.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Where a picture lies.
#[derive(Debug, Clone)]
pub struct Served {
    pub proof: ProofId,
    pub lock: String,
    pub mime: String,
    /// A scanner has not said yet that it is clean.
    pub is_checking: bool,
}

/// The picture of a payment, for its payer and for administrators.
pub async fn served(conn: &mut Conn, payment: PaymentId, viewer: UserId) -> Result<Option<Served>> {
    let row = sqlx::query!(
        r#"
        SELECT f.proof_id, f.lock, f.mime, f.state = 'checking' AS "is_checking!"
          FROM payments p
          JOIN payment_proofs f ON f.proof_id = p.proof_id AND f.state IN ('checking', 'ready')
         WHERE p.payment_id = $1
           AND (p.user_id = $2
                OR EXISTS (SELECT FROM users WHERE user_id = $2 AND role = 'admin' AND NOT is_suspended))
        "#,
        payment.as_uuid(),
        viewer.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Served {
        proof: ProofId::from_uuid(row.proof_id),
        lock: row.lock,
        mime: row.mime,
        is_checking: row.is_checking,
    }))
}

/// A picture whose turn has come.
#[derive(Debug, Clone)]
pub struct Owed {
    pub proof: ProofId,
    pub payment: PaymentId,
    pub lock: String,
    pub step: Step,
    pub tries: i32,
    /// The scanner was asked for long enough.
    pub is_old: bool,
}

/// What is owed to it. Each may be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Scan,
    /// What was sent goes; ours stays.
    DropUpload,
    /// All of it goes.
    Erase,
}

/// Takes up to `limit` whose turn has come. Nobody else gets them for `lease_s` seconds.
pub async fn take_due(conn: &mut Conn, limit: i64, lease_s: f64) -> Result<Vec<Owed>> {
    let rows = sqlx::query!(
        r#"
        UPDATE payment_proofs
           SET due_at = now() + make_interval(secs => $2), state = CASE state WHEN 'storing' THEN 'gone' ELSE state END
         WHERE proof_id IN (SELECT proof_id FROM payment_proofs WHERE due_at <= now()
                             ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING proof_id, payment_id, lock, state, tries, created_at <= now() - make_interval(secs => $3) AS "is_old!"
        "#,
        limit,
        lease_s,
        CHECKED_FOR_S,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Owed {
            proof: ProofId::from_uuid(row.proof_id),
            payment: PaymentId::from_uuid(row.payment_id),
            lock: row.lock,
            step: match row.state.as_str() {
                "checking" => Step::Scan,
                "ready" => Step::DropUpload,
                _ => Step::Erase,
            },
            tries: row.tries,
            is_old: row.is_old,
        })
        .collect())
}

/// It is clean: it may be looked at, and what was sent goes. Returns whose payment it is of.
pub async fn pass(conn: &mut Conn, proof: ProofId) -> Result<Option<UserId>> {
    let payer = sqlx::query_scalar!(
        r#"
        WITH clean AS (
            UPDATE payment_proofs SET state = 'ready', due_at = now() WHERE proof_id = $1 AND state = 'checking'
            RETURNING payment_id
        )
        SELECT p.user_id FROM payments p JOIN clean USING (payment_id)
        "#,
        proof.as_uuid(),
    );
    Ok(payer.fetch_optional(conn).await?.map(UserId::from_uuid))
}

/// It is not clean, or nobody can say whether it is: it goes, and its payer is asked for another. `reason` is what they read.
pub async fn refuse(conn: &mut Conn, owed: &Owed, reason: &str, ttl_s: u64) -> Result<()> {
    sqlx::query!("UPDATE payment_proofs SET state = 'gone', due_at = now() WHERE proof_id = $1", owed.proof.as_uuid())
        .execute(&mut *conn)
        .await?;
    let user = sqlx::query_scalar!(
        r#"
        UPDATE payments
           SET status = 'asked_again', reason = $3, changed_at = now(), expires_at = now() + make_interval(secs => $4)
         WHERE payment_id = $1 AND proof_id = $2 AND status = 'submitted'
        RETURNING user_id
        "#,
        owed.payment.as_uuid(),
        owed.proof.as_uuid(),
        reason,
        u32::try_from(ttl_s).map_or(f64::from(u32::MAX), f64::from),
    )
    .fetch_optional(&mut *conn)
    .await?;
    match user {
        Some(user) => told(conn, owed.payment, UserId::from_uuid(user), PaymentStatus::AskedAgain).await,
        None => Ok(()),
    }
}

/// It is looked at again in so many seconds.
pub async fn postpone(conn: &mut Conn, proof: ProofId, wait_s: f64) -> Result<()> {
    sqlx::query!(
        "UPDATE payment_proofs SET tries = tries + 1, due_at = now() + make_interval(secs => $2) WHERE proof_id = $1",
        proof.as_uuid(),
        wait_s,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was sent is gone. Nothing is owed, unless ours is to go by now.
pub async fn dropped(conn: &mut Conn, proof: ProofId) -> Result<()> {
    sqlx::query!(
        "UPDATE payment_proofs SET has_upload = false, due_at = NULL WHERE proof_id = $1 AND state = 'ready'",
        proof.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Its objects are gone, and so is it.
pub async fn erased(conn: &mut Conn, proof: ProofId) -> Result<()> {
    sqlx::query!("DELETE FROM payment_proofs WHERE proof_id = $1 AND state = 'gone'", proof.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets go of pictures of payments that were over for so many days. Returns how many.
pub async fn let_go(conn: &mut Conn, days: i32, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE payment_proofs SET state = 'gone', due_at = now()
         WHERE proof_id IN (SELECT f.proof_id
                              FROM payment_proofs f
                              JOIN payments p USING (payment_id)
                             WHERE f.state = 'ready' AND p.status NOT IN ('pending', 'submitted', 'asked_again')
                               AND p.changed_at < now() - make_interval(days => $1)
                             LIMIT $2)
        "#,
        days,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Which of these are of no row.
pub async fn unknown(conn: &mut Conn, proofs: &[ProofId]) -> Result<Vec<ProofId>> {
    let ids: Vec<Uuid> = proofs.iter().map(|proof| proof.as_uuid()).collect();
    let rows = sqlx::query_scalar!(
        r#"
        SELECT wanted.id AS "id!" FROM unnest($1::uuid[]) AS wanted (id)
         WHERE NOT EXISTS (SELECT FROM payment_proofs f WHERE f.proof_id = wanted.id)
        "#,
        &ids,
    );
    Ok(rows.fetch_all(conn).await?.into_iter().map(ProofId::from_uuid).collect())
}
