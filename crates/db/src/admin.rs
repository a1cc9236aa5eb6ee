//! SQL of the operator's commands on members.

use domain::user::{Role, Username};
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};

/// Whether anybody can administer the site.
pub async fn has_admin(conn: &mut Conn) -> Result<bool> {
    let row = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin') AS "there!""#)
        .fetch_one(conn)
        .await?;
    Ok(row)
}

/// Gives a member another role. `None` when there is no such member.
pub async fn set_role(conn: &mut Conn, username: &Username, role: Role) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!(
        "UPDATE users SET role = $2, updated_at = now() WHERE username = $1 RETURNING user_id",
        username.as_str(),
        role.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(UserId::from_uuid))
}

/// Replaces a member's password and ends their sign-ins. `None` when there is no such member.
pub async fn set_password(conn: &mut Conn, username: &Username, password_hash: &str) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!(
        r#"
        WITH changed AS (
            UPDATE users SET password_hash = $2, updated_at = now() WHERE username = $1 RETURNING user_id
        ), ended AS (
            UPDATE sessions SET revoked_at = now(), revoke_reason = 'password'
             WHERE user_id IN (SELECT user_id FROM changed) AND revoked_at IS NULL
        )
        SELECT user_id FROM changed
        "#,
        username.as_str(),
        password_hash,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(UserId::from_uuid))
}

/// One line of the list of members.
#[derive(Debug, Clone)]
pub struct Member {
    pub user_id: UserId,
    pub username: String,
    pub email: String,
    pub role: Role,
    pub created_at: Timestamp,
}

pub async fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Member>> {
    let rows = sqlx::query!(
        "SELECT user_id, username, email, role, created_at FROM users ORDER BY user_id DESC LIMIT $1",
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                user_id: UserId::from_uuid(row.user_id),
                role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
                username: row.username,
                email: row.email,
                created_at: row.created_at,
            })
        })
        .collect()
}
