//! SQL for requests that are done once however often they are sent: whose turn it is, and what was answered.

use domain::UserId;
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// Hours an answer is kept.
pub const KEEP_HOURS: i32 = 24;
/// How long one attempt may hold its key. Longer than any request is allowed to take.
pub const CLAIM_S: i32 = 30;
/// Rows that one [`prune`] forgets at most.
pub const PRUNE_ROWS: u32 = 5_000;

/// A request under its member's key.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    pub user: UserId,
    /// 1 to 255 characters.
    pub key: &'a str,
    /// SHA-256 of what is asked.
    pub digest: &'a [u8; 32],
    /// This attempt's own id.
    pub claim: Uuid,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The attempt has it: nobody has asked yet, or whoever did never finished.
    Ours,
    /// Something else was asked under this key.
    Other,
    Running,
    /// Status and sealed answer.
    Done(i16, Vec<u8>),
}

/// Takes the key for this attempt, or says who has it.
pub async fn claim(conn: &mut Conn, attempt: &Attempt<'_>) -> Result<Found> {
    let taken = sqlx::query_scalar!(
        r#"
        INSERT INTO idempotency_keys AS k (user_id, key, digest, claim, claimed_until)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
        ON CONFLICT (user_id, key) DO UPDATE
           SET digest = EXCLUDED.digest, claim = EXCLUDED.claim, claimed_until = EXCLUDED.claimed_until,
               status = NULL, answer = NULL, created_at = now()
         WHERE k.created_at < now() - make_interval(hours => $6)
            OR (k.status IS NULL AND k.claimed_until < now() AND k.digest = EXCLUDED.digest)
        RETURNING k.claim
        "#,
        attempt.user.as_uuid(),
        attempt.key,
        &attempt.digest[..],
        attempt.claim,
        f64::from(CLAIM_S),
        KEEP_HOURS,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if taken.is_some() {
        return Ok(Found::Ours);
    }
    let row = sqlx::query!(
        "SELECT digest, status, answer FROM idempotency_keys WHERE user_id = $1 AND key = $2",
        attempt.user.as_uuid(),
        attempt.key,
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        // Given back between the two statements: the next look takes it.
        None => Found::Running,
        Some(row) if row.digest != attempt.digest => Found::Other,
        Some(row) => match row.status.zip(row.answer) {
            Some((status, answer)) => Found::Done(status, answer),
            None => Found::Running,
        },
    })
}

/// Keeps what was answered. False when the claim was lost meanwhile.
pub async fn finish(conn: &mut Conn, attempt: &Attempt<'_>, status: i16, answer: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE idempotency_keys SET status = $4, answer = $5 WHERE user_id = $1 AND key = $2 AND claim = $3",
        attempt.user.as_uuid(),
        attempt.key,
        attempt.claim,
        status,
        answer,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the key back: nothing came of the attempt, and the next one may try.
pub async fn release(conn: &mut Conn, attempt: &Attempt<'_>) -> Result<()> {
    sqlx::query!(
        "DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND claim = $3 AND status IS NULL",
        attempt.user.as_uuid(),
        attempt.key,
        attempt.claim,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a bite of what is older than a day. Returns how many went.
pub async fn prune(conn: &mut Conn) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        DELETE FROM idempotency_keys
         WHERE (user_id, key) IN (SELECT user_id, key FROM idempotency_keys
                                   WHERE created_at < now() - make_interval(hours => $1) LIMIT $2)
        "#,
        KEEP_HOURS,
        i64::from(PRUNE_ROWS),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
