//! SQL for the second step of a sign-in: an app's secret, which of its codes are spent, and recovery codes.

use domain::user::Role;
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};

/// Minutes in which a new secret has to be confirmed.
pub const SETUP_MIN: i32 = 30;

/// Keyed digest of a recovery code.
pub type CodeHash = [u8; 32];

/// What a member is told of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub since: Timestamp,
    /// Recovery codes that were not used yet.
    pub codes_left: i64,
}

/// `None` when nothing is asked at the sign-in.
pub async fn state(conn: &mut Conn, user: UserId) -> Result<Option<State>> {
    let row = sqlx::query!(
        r#"
        SELECT t.confirmed_at AS "since!",
               (SELECT count(*) FROM recovery_codes r WHERE r.user_id = t.user_id AND r.used_at IS NULL) AS "codes_left!"
          FROM two_factor t
         WHERE t.user_id = $1 AND t.confirmed_at IS NOT NULL
        "#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| State { since: row.since, codes_left: row.codes_left }))
}

/// Keeps a secret to be confirmed, in the place of one that was not. False when there is a confirmed one.
pub async fn begin(conn: &mut Conn, user: UserId, secret: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        INSERT INTO two_factor AS t (user_id, secret) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET secret = EXCLUDED.secret, begun_at = now(), last_step = 0
         WHERE t.confirmed_at IS NULL
        "#,
        user.as_uuid(),
        secret,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The sealed secret that waits to be confirmed. `None` when there is none, or it waits for too long.
pub async fn pending(conn: &mut Conn, user: UserId) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT secret FROM two_factor
         WHERE user_id = $1 AND confirmed_at IS NULL AND begun_at > now() - make_interval(mins => $2)
        "#,
        user.as_uuid(),
        SETUP_MIN,
    )
    .fetch_optional(conn)
    .await?)
}

/// From now on it is asked at the sign-in. `step`: that of the code which confirmed it. False when `secret` waits no more.
pub async fn confirm(conn: &mut Conn, user: UserId, secret: &[u8], step: i64) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE two_factor SET confirmed_at = now(), last_step = $3
         WHERE user_id = $1 AND secret = $2 AND confirmed_at IS NULL
        "#,
        user.as_uuid(),
        secret,
        step,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The sealed secret whose codes are asked for. `None` when nothing is asked.
pub async fn secret(conn: &mut Conn, user: UserId) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(
        "SELECT secret FROM two_factor WHERE user_id = $1 AND confirmed_at IS NOT NULL",
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?)
}

/// Takes a code's time step. False when it, or a later one, is taken already, or `secret` is not the member's any more: of two who
/// come with the same code one has it.
pub async fn spend_step(conn: &mut Conn, user: UserId, secret: &[u8], step: i64) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE two_factor SET last_step = $3
         WHERE user_id = $1 AND secret = $2 AND confirmed_at IS NOT NULL AND last_step < $3
        "#,
        user.as_uuid(),
        secret,
        step,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Uses a recovery code up. False when there is no such code, or it was used.
pub async fn spend_code(conn: &mut Conn, user: UserId, hash: &CodeHash) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE recovery_codes r SET used_at = now()
          FROM two_factor t
         WHERE r.user_id = $1 AND r.code_hash = $2 AND r.used_at IS NULL
           AND t.user_id = r.user_id AND t.confirmed_at IS NOT NULL
        "#,
        user.as_uuid(),
        &hash[..],
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a member these recovery codes and takes all others away.
pub async fn replace_codes(conn: &mut Conn, user: UserId, hashes: &[CodeHash]) -> Result<()> {
    // Two at once must not leave the codes of both.
    sqlx::query!("SELECT user_id FROM two_factor WHERE user_id = $1 FOR UPDATE", user.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", user.as_uuid()).execute(&mut *conn).await?;
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
    sqlx::query!(
        "INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, hash FROM unnest($2::bytea[]) AS hash",
        user.as_uuid(),
        &hashes,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Nothing is asked of this member any more. False when nothing was.
pub async fn remove(conn: &mut Conn, user: UserId) -> Result<bool> {
    let was_on = sqlx::query_scalar!(
        r#"DELETE FROM two_factor WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL AS "was_on!""#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(was_on.unwrap_or(false))
}

/// What the second step of a sign-in is judged by.
#[derive(Debug, Clone)]
pub struct Challenge {
    pub secret: Vec<u8>,
    pub password_hash: String,
    pub role: Role,
    /// By the site's staff.
    pub is_barred: bool,
    /// By themselves.
    pub is_closed: bool,
}

/// `None` when there is no such member, or nothing is asked of them.
pub async fn challenge(conn: &mut Conn, user: UserId) -> Result<Option<Challenge>> {
    let row = sqlx::query!(
        r#"
        SELECT t.secret, u.password_hash, u.role, u.is_barred, u.closed_at IS NOT NULL AS "is_closed!"
          FROM two_factor t
          JOIN users u USING (user_id)
         WHERE t.user_id = $1 AND t.confirmed_at IS NOT NULL
        "#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Challenge {
            secret: row.secret,
            password_hash: row.password_hash,
            role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
            is_barred: row.is_barred,
            is_closed: row.is_closed,
        })
    })
    .transpose()
}
