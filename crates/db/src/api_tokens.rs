//! SQL for tokens of members' programs. Each is a sign-in of its own kind: what ends sign-ins ends them.

use domain::api_token::{Scope, TOKENS_MAX};
use domain::{SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;
use crate::sessions::TokenHash;

/// A token to be.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    pub id: SessionId,
    pub user: UserId,
    pub name: &'a str,
    pub hash: &'a TokenHash,
    pub hint: &'a str,
    pub scopes: &'a [Scope],
    pub expires_at: Timestamp,
}

/// A token as its member sees it.
#[derive(Debug, Clone)]
pub struct ApiToken {
    pub id: Uuid,
    pub name: String,
    pub hint: String,
    pub scopes: Vec<Scope>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// To ten minutes.
    pub used_at: Option<Timestamp>,
    pub used_addr: Option<String>,
}

/// Whom a token speaks for, and for what.
#[derive(Debug, Clone)]
pub struct Bearer {
    pub session: SessionId,
    pub user: UserId,
    pub scopes: Vec<Scope>,
    pub expires_at: Timestamp,
}

fn scopes(words: &[String]) -> Vec<Scope> {
    // One that a newer version knows allows nothing here, and is not lost by being read.
    words.iter().filter_map(|word| Scope::parse(word)).collect()
}

/// Adds a token. False: the member has as many as there may be.
pub async fn add(conn: &mut Conn, new: NewToken<'_>) -> Result<bool> {
    // Of two at once the second counts the first.
    sqlx::query!("SELECT user_id FROM users WHERE user_id = $1 FOR NO KEY UPDATE", new.user.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    let words: Vec<String> = new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let done = sqlx::query!(
        r#"
        WITH opened AS (
            INSERT INTO sessions (session_id, user_id, name, expires_at, is_token)
            SELECT $1, $2, $3, $4, true
             WHERE (SELECT count(*) FROM sessions
                     WHERE user_id = $2 AND is_token AND revoked_at IS NULL AND expires_at > now()) < $8
            RETURNING session_id
        )
        INSERT INTO api_tokens (session_id, token_hash, hint, scopes)
        SELECT session_id, $5, $6, $7 FROM opened
        "#,
        new.id.as_uuid(),
        new.user.as_uuid(),
        new.name,
        new.expires_at,
        &new.hash[..],
        new.hint,
        &words,
        TOKENS_MAX as i64,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A member's tokens, the latest first: those that are good, and those that ran out and were not forgotten yet.
pub async fn list(conn: &mut Conn, user: UserId, limit: i64) -> Result<Vec<ApiToken>> {
    let rows = sqlx::query!(
        r#"
        SELECT session_id, s.name AS "name!", t.hint, t.scopes, s.created_at, s.expires_at, t.used_at, t.used_addr
          FROM sessions s JOIN api_tokens t USING (session_id)
         WHERE s.user_id = $1 AND s.revoked_at IS NULL
         ORDER BY s.expires_at > now() DESC, s.created_at DESC, session_id DESC
         LIMIT $2
        "#,
        user.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let tokens = rows.into_iter().map(|row| ApiToken {
        id: row.session_id,
        name: row.name,
        hint: row.hint,
        scopes: scopes(&row.scopes),
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
        used_addr: row.used_addr,
    });
    Ok(tokens.collect())
}

/// Ends one of a member's tokens, and says what it was called. `None`: there is none of theirs.
pub async fn revoke(conn: &mut Conn, user: UserId, id: SessionId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        r#"
        UPDATE sessions SET revoked_at = now(), revoke_reason = 'ended'
         WHERE session_id = $2 AND user_id = $1 AND is_token AND revoked_at IS NULL
        RETURNING name AS "name!"
        "#,
        user.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?)
}

/// Whom a token speaks for, if it is good. Notes now and then that it was used, and where.
pub async fn find(conn: &mut Conn, hash: &TokenHash, addr: &str) -> Result<Option<Bearer>> {
    let row = sqlx::query!(
        r#"
        WITH used AS (
            UPDATE api_tokens SET used_at = now(), used_addr = $2
             WHERE token_hash = $1 AND (used_at IS NULL OR used_at < now() - interval '10 minutes')
        )
        SELECT s.session_id, s.user_id, t.scopes, s.expires_at
          FROM api_tokens t JOIN sessions s USING (session_id) JOIN users u USING (user_id)
         WHERE t.token_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > now() AND NOT u.is_suspended
        "#,
        &hash[..],
        addr,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Bearer {
        session: SessionId::from_uuid(row.session_id),
        user: UserId::from_uuid(row.user_id),
        scopes: scopes(&row.scopes),
        expires_at: row.expires_at,
    }))
}
