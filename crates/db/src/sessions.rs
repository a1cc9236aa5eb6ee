//! SQL for sign-ins and their refresh tokens. Tokens of programs are rows here too (`is_token`); see `api_tokens`. Only digests of tokens are kept.

use domain::device::DeviceName;
use domain::user::Role;
use domain::{SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

/// SHA-256 of a refresh token.
pub type TokenHash = [u8; 32];

/// A sign-in to be.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    pub id: SessionId,
    pub user: UserId,
    pub user_agent: &'a str,
    pub addr: &'a str,
    pub expires_at: Timestamp,
    /// The digest of what the browser is known by.
    pub device: Option<&'a [u8; 32]>,
}

/// Why a sign-in ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeReason {
    Logout,
    /// A refresh token was used a second time: one of its two holders is a thief.
    Reuse,
    Password,
    Admin,
    /// The account was closed by its member.
    Closed,
    /// By its member, from another device.
    Ended,
}

impl RevokeReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Password => "password",
            Self::Admin => "admin",
            Self::Closed => "closed",
            Self::Ended => "ended",
        }
    }
}

/// A presented refresh token with its sign-in, locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct Presented {
    pub session: SessionId,
    pub user: UserId,
    pub role: Role,
    pub is_suspended: bool,
    pub is_revoked: bool,
    pub is_expired: bool,
    /// Milliseconds since it was used, by the database's clock; `None` when it is unused.
    pub used_ms_ago: Option<i64>,
    pub successor_sealed: Option<Vec<u8>>,
}

/// Opens a sign-in with its first refresh token.
pub async fn open(conn: &mut Conn, new: &NewSession<'_>, token: &TokenHash) -> Result<()> {
    sqlx::query!(
        r#"
        WITH session AS (
            INSERT INTO sessions (session_id, user_id, user_agent, addr, expires_at, device_hash)
            VALUES ($1, $2, $3, $4, $5, $7)
        )
        INSERT INTO refresh_tokens (token_hash, session_id) VALUES ($6, $1)
        "#,
        new.id.as_uuid(),
        new.user.as_uuid(),
        new.user_agent,
        new.addr,
        new.expires_at,
        &token[..],
        new.device.map(|hash| &hash[..]),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// From where a member signed in before.
#[derive(Debug, Clone)]
pub struct Earlier {
    pub user_agent: String,
    /// Empty when it is not known.
    pub addr: String,
    pub device_hash: Option<Vec<u8>>,
}

/// A member's latest sign-ins, those that are over as well.
pub async fn earlier(conn: &mut Conn, user: UserId, limit: i64) -> Result<Vec<Earlier>> {
    Ok(sqlx::query_as!(
        Earlier,
        "SELECT user_agent, addr, device_hash FROM sessions WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2",
        user.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// Finds a refresh token and locks its sign-in: parallel uses of one family wait for each other here.
pub async fn present(conn: &mut Conn, hash: &TokenHash) -> Result<Option<Presented>> {
    // The family is locked first and the token read after: a token read before the wait would be stale.
    let session = sqlx::query_scalar!(
        r#"
        SELECT session_id
          FROM sessions
         WHERE session_id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1)
           FOR UPDATE
        "#,
        &hash[..],
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(session) = session else { return Ok(None) };
    let row = sqlx::query!(
        r#"
        SELECT s.user_id, u.role, u.is_suspended,
               s.revoked_at IS NOT NULL AS "is_revoked!",
               s.expires_at < clock_timestamp() AS "is_expired!",
               (extract(epoch FROM clock_timestamp() - t.used_at) * 1000)::bigint AS used_ms_ago,
               t.successor_sealed
          FROM refresh_tokens t
          JOIN sessions s USING (session_id)
          JOIN users u USING (user_id)
         WHERE t.token_hash = $1
           AND t.session_id = $2
        "#,
        &hash[..],
        session,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Presented {
            session: SessionId::from_uuid(session),
            user: UserId::from_uuid(row.user_id),
            role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
            is_suspended: row.is_suspended,
            is_revoked: row.is_revoked,
            is_expired: row.is_expired,
            used_ms_ago: row.used_ms_ago,
            successor_sealed: row.successor_sealed,
        })
    })
    .transpose()
}

/// What follows a token that is used.
#[derive(Debug, Clone)]
pub struct Next<'a> {
    pub token: &'a TokenHash,
    pub sealed: &'a [u8],
    /// The device as it is now: browsers are renewed and people travel.
    pub user_agent: &'a str,
    pub addr: &'a str,
    pub expires_at: Timestamp,
}

/// Marks a token as used, remembers its sealed successor, and keeps the sign-in alive.
pub async fn rotate(conn: &mut Conn, session: SessionId, used: &TokenHash, next: &Next<'_>) -> Result<()> {
    sqlx::query!(
        r#"
        WITH used AS (
            UPDATE refresh_tokens SET used_at = clock_timestamp(), successor_sealed = $2 WHERE token_hash = $1
        ), kept AS (
            UPDATE sessions SET last_used_at = now(), expires_at = $5, user_agent = $6, addr = $7 WHERE session_id = $4
        )
        INSERT INTO refresh_tokens (token_hash, session_id) VALUES ($3, $4)
        "#,
        &used[..],
        next.sealed,
        &next.token[..],
        session.as_uuid(),
        next.expires_at,
        next.user_agent,
        next.addr,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a sign-in and with it every token of its family. False when it was over already.
pub async fn revoke(conn: &mut Conn, session: SessionId, reason: RevokeReason) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE sessions SET revoked_at = now(), revoke_reason = $2 WHERE session_id = $1 AND revoked_at IS NULL",
        session.as_uuid(),
        reason.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all of a member's sign-ins and returns them.
pub async fn revoke_all(conn: &mut Conn, user: UserId, reason: RevokeReason) -> Result<Vec<SessionId>> {
    let ids = sqlx::query_scalar!(
        r#"
        UPDATE sessions SET revoked_at = now(), revoke_reason = $2
         WHERE user_id = $1 AND revoked_at IS NULL
        RETURNING session_id
        "#,
        user.as_uuid(),
        reason.as_str(),
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(SessionId::from_uuid).collect())
}

/// Ends all of a member's sign-ins but one, and returns those. With a new password go the tokens of their programs too.
pub async fn revoke_others(
    conn: &mut Conn,
    user: UserId,
    kept: SessionId,
    reason: RevokeReason,
) -> Result<Vec<SessionId>> {
    let ids = sqlx::query_scalar!(
        r#"
        UPDATE sessions SET revoked_at = now(), revoke_reason = $3
         WHERE user_id = $1 AND session_id <> $2 AND revoked_at IS NULL AND (NOT is_token OR $4)
        RETURNING session_id
        "#,
        user.as_uuid(),
        kept.as_uuid(),
        reason.as_str(),
        reason == RevokeReason::Password,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(SessionId::from_uuid).collect())
}

/// Ends one of a member's own sign-ins. False when there is none of theirs, or it is over.
pub async fn revoke_own(conn: &mut Conn, user: UserId, session: SessionId, reason: RevokeReason) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE sessions SET revoked_at = now(), revoke_reason = $3
         WHERE session_id = $2 AND user_id = $1 AND NOT is_token AND revoked_at IS NULL AND expires_at > now()
        "#,
        user.as_uuid(),
        session.as_uuid(),
        reason.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A sign-in as its member sees it.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub id: Uuid,
    pub name: Option<String>,
    pub user_agent: String,
    /// Empty when it is not known.
    pub addr: String,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
}

/// A member's sign-ins that are not over: `current` first, then those used last.
pub async fn of_member(conn: &mut Conn, user: UserId, current: SessionId, limit: i64) -> Result<Vec<SignIn>> {
    Ok(sqlx::query_as!(
        SignIn,
        r#"
        SELECT session_id AS id, name, user_agent, addr, created_at, last_used_at
          FROM sessions
         WHERE user_id = $1 AND NOT is_token AND revoked_at IS NULL AND expires_at > now()
         ORDER BY session_id = $2 DESC, last_used_at DESC, session_id DESC
         LIMIT $3
        "#,
        user.as_uuid(),
        current.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// How many of a member's sign-ins are not over.
pub async fn count(conn: &mut Conn, user: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM sessions
         WHERE user_id = $1 AND NOT is_token AND revoked_at IS NULL AND expires_at > now()
        "#,
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Calls a member's own sign-in something, or nothing any more. `None` when there is none of theirs, or it is over.
pub async fn set_name(
    conn: &mut Conn,
    user: UserId,
    session: SessionId,
    name: Option<&DeviceName>,
) -> Result<Option<SignIn>> {
    Ok(sqlx::query_as!(
        SignIn,
        r#"
        UPDATE sessions SET name = $3
         WHERE session_id = $2 AND user_id = $1 AND NOT is_token AND revoked_at IS NULL AND expires_at > now()
        RETURNING session_id AS id, name, user_agent, addr, created_at, last_used_at
        "#,
        user.as_uuid(),
        session.as_uuid(),
        name.map(DeviceName::as_str),
    )
    .fetch_optional(conn)
    .await?)
}

/// The sign-in a refresh token belongs to, used or not.
pub async fn session_of(conn: &mut Conn, hash: &TokenHash) -> Result<Option<SessionId>> {
    let id = sqlx::query_scalar!("SELECT session_id FROM refresh_tokens WHERE token_hash = $1", &hash[..])
        .fetch_optional(conn)
        .await?;
    Ok(id.map(SessionId::from_uuid))
}

/// Whether tokens of this sign-in may still be believed. The truth behind the list of revoked tokens in Redis.
pub async fn is_active(conn: &mut Conn, session: SessionId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM sessions s JOIN users u USING (user_id)
                        WHERE s.session_id = $1 AND s.revoked_at IS NULL AND NOT u.is_suspended) AS "is_active!"
        "#,
        session.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Drops sign-ins that ended more than a month ago, in bounded bites. Returns how many went.
pub async fn prune(conn: &mut Conn) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        DELETE FROM sessions
         WHERE session_id IN (SELECT session_id FROM sessions
                               WHERE expires_at < now() - interval '30 days' LIMIT 5000)
        "#,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
