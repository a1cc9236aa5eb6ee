//! SQL of the operator's commands on members.

use domain::user::Role;
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
