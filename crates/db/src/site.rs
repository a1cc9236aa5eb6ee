//! SQL for members as the site's staff finds them and acts on them. What was done is in [`crate::audit`].

use domain::user::{Role, Username};
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::{Person, username};

/// Somebody who is about to be acted on, and held until the end of the transaction.
#[derive(Debug, Clone)]
pub struct Subject {
    pub id: UserId,
    pub name: Username,
    pub role: Role,
    /// By the site's staff.
    pub is_barred: bool,
}

/// A member by name, whoever they are.
pub async fn hold(conn: &mut Conn, name: &Username) -> Result<Option<Subject>> {
    let row = sqlx::query!(
        "SELECT user_id, username, role, is_barred FROM users WHERE username = $1 FOR NO KEY UPDATE",
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Subject {
            id: UserId::from_uuid(row.user_id),
            name: username(row.username)?,
            role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
            is_barred: row.is_barred,
        })
    })
    .transpose()
}

/// A member's id, whoever they are.
pub async fn id_of(conn: &mut Conn, name: &Username) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!("SELECT user_id FROM users WHERE username = $1", name.as_str());
    Ok(id.fetch_optional(conn).await?.map(UserId::from_uuid))
}

/// The last suspension of somebody who is suspended.
#[derive(Debug, Clone)]
pub struct Suspension {
    pub reason: String,
    /// Nobody: the operator.
    pub by: Option<String>,
    pub at: Timestamp,
}

/// A member as the site's staff sees them in a list.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: UserId,
    pub person: Person,
    pub role: Role,
    /// By the site's staff.
    pub is_barred: bool,
    /// By themselves.
    pub is_closed: bool,
    pub suspension: Option<Suspension>,
    /// A code is asked after their password.
    pub has_two_factor: bool,
    pub created_at: Timestamp,
}

/// Which members.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Part of a username or display name.
    pub query: Option<&'a str>,
    pub only_suspended: bool,
    pub before: Option<UserId>,
}

/// Members, who joined last first.
pub async fn members(conn: &mut Conn, wanted: Wanted<'_>, limit: i64) -> Result<Vec<Member>> {
    let rows = sqlx::query!(
        r#"
        SELECT u.user_id, u.username, u.display_name, u.avatar_key, u.role, u.is_barred, u.closed_at IS NOT NULL AS "is_closed!", u.created_at,
               EXISTS (SELECT FROM two_factor t WHERE t.user_id = u.user_id AND t.confirmed_at IS NOT NULL) AS "has_two_factor!",
               l.reason AS "reason?", l.actor AS "actor?", l.at AS "at?"
          FROM users u
          LEFT JOIN LATERAL (SELECT reason, CASE WHEN actor_kind = 'user' THEN actor END AS actor, at
                               FROM audit_log
                              WHERE member_id = u.user_id AND action = 'user.suspended'
                              ORDER BY at DESC, entry_id DESC
                              LIMIT 1) AS l ON u.is_barred
         WHERE ($1::text IS NULL OR strpos(u.username, lower($1)) > 0 OR strpos(lower(u.display_name), lower($1)) > 0)
           AND (NOT $2 OR u.is_barred)
           AND ($3::uuid IS NULL OR u.user_id < $3)
         ORDER BY u.user_id DESC
         LIMIT $4
        "#,
        wanted.query,
        wanted.only_suspended,
        wanted.before.map(UserId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                id: UserId::from_uuid(row.user_id),
                person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
                role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
                is_barred: row.is_barred,
                is_closed: row.is_closed,
                suspension: row.at.map(|at| Suspension { reason: row.reason.unwrap_or_default(), by: row.actor, at }),
                has_two_factor: row.has_two_factor,
                created_at: row.created_at,
            })
        })
        .collect()
}
