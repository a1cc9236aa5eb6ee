//! SQL for members: who they are and how they prove it.

use domain::event::Event;
use domain::user::{DisplayName, Email, Role, Username};
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};
use crate::outbox;

/// The unique key a taken username violates.
pub const USERNAME_TAKEN: &str = "users_username_key";
/// The unique key a taken e-mail address violates.
pub const EMAIL_TAKEN: &str = "users_email_key";

/// A member as they may see themselves.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub username: Username,
    pub display_name: String,
    pub email: String,
    pub role: Role,
    pub bio: String,
    pub avatar_key: Option<String>,
    pub is_suspended: bool,
    pub created_at: Timestamp,
}

/// What every list shows of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub username: String,
    pub display_name: String,
    pub avatar_key: Option<String>,
}

/// A member to be.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    pub id: UserId,
    pub username: &'a Username,
    pub email: &'a Email,
    pub display_name: &'a DisplayName,
    pub password_hash: &'a str,
    pub role: Role,
}

/// What a sign-in is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub id: UserId,
    pub password_hash: String,
    /// By the site's staff.
    pub is_barred: bool,
    /// By themselves.
    pub is_closed: bool,
    /// A code is asked after the password.
    pub has_two_factor: bool,
    pub role: Role,
}

pub(crate) fn username(text: String) -> Result<Username> {
    Username::parse(&text).map_err(|_| DbError::Corrupt { what: "username" })
}

fn role(text: &str) -> Result<Role> {
    Role::parse(text).ok_or(DbError::Corrupt { what: "role" })
}

/// Leaves it to be told that what is seen of a member is not what it was.
async fn tell_changed(conn: &mut Conn, id: UserId) -> Result<()> {
    outbox::push(conn, &Event::ChannelChanged { user_id: id }).await
}

/// Adds a member, and tells so. A taken name or address is a constraint error: [`USERNAME_TAKEN`], [`EMAIL_TAKEN`].
pub async fn insert(conn: &mut Conn, new: &NewUser<'_>) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO users (user_id, username, email, display_name, password_hash, role)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        new.id.as_uuid(),
        new.username.as_str(),
        new.email.as_str(),
        new.display_name.as_str(),
        new.password_hash,
        new.role.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    tell_changed(conn, new.id).await
}

/// Finds whom a sign-in names: a username, or an e-mail address. Both are kept in lower case.
pub async fn credentials(conn: &mut Conn, login: &str) -> Result<Option<Credentials>> {
    let row = sqlx::query!(
        r#"
        SELECT user_id, password_hash, is_barred, closed_at IS NOT NULL AS "is_closed!", role,
               EXISTS (SELECT FROM two_factor t WHERE t.user_id = users.user_id AND t.confirmed_at IS NOT NULL) AS "has_two_factor!"
          FROM users
         WHERE username = $1 OR email = $1
        "#,
        login,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Credentials {
            id: UserId::from_uuid(row.user_id),
            password_hash: row.password_hash,
            is_barred: row.is_barred,
            is_closed: row.is_closed,
            has_two_factor: row.has_two_factor,
            role: role(&row.role)?,
        })
    })
    .transpose()
}

pub async fn find(conn: &mut Conn, id: UserId) -> Result<Option<User>> {
    let row = sqlx::query!(
        r#"
        SELECT user_id, username, display_name, email, role, bio, avatar_key, is_suspended, created_at
          FROM users
         WHERE user_id = $1
        "#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(User {
            id: UserId::from_uuid(row.user_id),
            username: username(row.username)?,
            display_name: row.display_name,
            email: row.email,
            role: role(&row.role)?,
            bio: row.bio,
            avatar_key: row.avatar_key,
            is_suspended: row.is_suspended,
            created_at: row.created_at,
        })
    })
    .transpose()
}

/// What a member may do now, whatever an older token says. `None` when gone or suspended.
pub async fn current_role(conn: &mut Conn, id: UserId) -> Result<Option<Role>> {
    let text = sqlx::query_scalar!("SELECT role FROM users WHERE user_id = $1 AND NOT is_suspended", id.as_uuid())
        .fetch_optional(conn)
        .await?;
    text.map(|text| role(&text)).transpose()
}

/// Changes what is given, and tells so. False when there is no such member.
pub async fn update_profile(
    conn: &mut Conn,
    id: UserId,
    display_name: Option<&DisplayName>,
    bio: Option<&str>,
) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE users
           SET display_name = coalesce($2, display_name),
               bio = coalesce($3, bio),
               updated_at = now()
         WHERE user_id = $1
        "#,
        id.as_uuid(),
        display_name.map(DisplayName::as_str),
        bio,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    tell_changed(conn, id).await?;
    Ok(true)
}

/// Sets the picture and returns the key of the one it replaces, for the caller to delete.
pub async fn set_avatar(conn: &mut Conn, id: UserId, key: &str) -> Result<Option<String>> {
    let old = sqlx::query_scalar!(
        r#"
        UPDATE users
           SET avatar_key = $2, updated_at = now()
          FROM (SELECT user_id, avatar_key AS old_key FROM users WHERE user_id = $1 FOR UPDATE) AS before
         WHERE users.user_id = before.user_id
        RETURNING before.old_key
        "#,
        id.as_uuid(),
        key,
    )
    .fetch_optional(conn)
    .await?;
    Ok(old.flatten())
}

/// Sets the password. False when there is no such member.
pub async fn set_password_hash(conn: &mut Conn, id: UserId, hash: &str) -> Result<bool> {
    let done =
        sqlx::query!("UPDATE users SET password_hash = $2, updated_at = now() WHERE user_id = $1", id.as_uuid(), hash,)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// The hash of a member's password, unless the staff has shown them the door.
pub async fn password_hash(conn: &mut Conn, id: UserId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!("SELECT password_hash FROM users WHERE user_id = $1 AND NOT is_barred", id.as_uuid())
        .fetch_optional(conn)
        .await?)
}

/// Whether this is a member's password still. Until the transaction ends it stays so: a sign-in by an old password is either refused, or
/// there to be ended by whoever changes it.
pub async fn holds_password(conn: &mut Conn, id: UserId, hash: &str) -> Result<bool> {
    let found = sqlx::query_scalar!(
        "SELECT user_id FROM users WHERE user_id = $1 AND password_hash = $2 FOR SHARE",
        id.as_uuid(),
        hash,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.is_some())
}

/// Puts a new password in the place of the one it was proven by. False when that is not the password any more: of two changes at once
/// one wins, and a link is good once.
pub async fn replace_password(conn: &mut Conn, id: UserId, old_hash: &str, new_hash: &str) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE users SET password_hash = $3, updated_at = now()
         WHERE user_id = $1 AND password_hash = $2 AND NOT is_barred
        "#,
        id.as_uuid(),
        old_hash,
        new_hash,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets the role. False when there is no such member.
pub async fn set_role(conn: &mut Conn, id: UserId, role: Role) -> Result<bool> {
    let done =
        sqlx::query!("UPDATE users SET role = $2, updated_at = now() WHERE user_id = $1", id.as_uuid(), role.as_str())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// What became of the wish to give somebody a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleSet {
    /// Instead of this one.
    Done(Role),
    Same,
    /// Nobody would be left to look after the site.
    LastAdmin,
    /// They stand level with whoever asks, who is not they themselves.
    Outranked,
}

/// Gives a member another role, on the word of `by`. To be called in a transaction: two administrators must not leave at once.
pub async fn give_role(conn: &mut Conn, id: UserId, to: Role, by: (UserId, Role)) -> Result<RoleSet> {
    let admins = sqlx::query_scalar!(
        "SELECT user_id FROM users WHERE role = 'admin' AND NOT is_suspended ORDER BY user_id FOR NO KEY UPDATE"
    )
    .fetch_all(&mut *conn)
    .await?;
    let was = sqlx::query_scalar!("SELECT role FROM users WHERE user_id = $1 FOR NO KEY UPDATE", id.as_uuid())
        .fetch_one(&mut *conn)
        .await?;
    let was = role(&was)?;
    if was == to {
        return Ok(RoleSet::Same);
    }
    if id != by.0 && !by.1.outranks(was) {
        return Ok(RoleSet::Outranked);
    }
    if admins == [id.as_uuid()] {
        return Ok(RoleSet::LastAdmin);
    }
    set_role(conn, id, to).await?;
    Ok(RoleSet::Done(was))
}

/// What became of the wish to close an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Done,
    /// Their stream runs, or its encoder may come back.
    OnAir,
    /// Nobody would be left to look after the site.
    LastAdmin,
}

/// Closes a member's account, as they asked. To be called in a transaction: two administrators must not leave at once.
pub async fn close(conn: &mut Conn, id: UserId) -> Result<Closed> {
    let admins = sqlx::query_scalar!(
        "SELECT user_id FROM users WHERE role = 'admin' AND NOT is_suspended ORDER BY user_id FOR NO KEY UPDATE"
    )
    .fetch_all(&mut *conn)
    .await?;
    if admins == [id.as_uuid()] {
        return Ok(Closed::LastAdmin);
    }
    let done = sqlx::query!(
        r#"
        UPDATE users SET closed_at = coalesce(closed_at, now()), updated_at = now()
         WHERE user_id = $1
           AND NOT EXISTS (SELECT FROM streams WHERE channel_id = $1 AND status <> 'ended')
        "#,
        id.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(Closed::OnAir);
    }
    tell_changed(conn, id).await?;
    Ok(Closed::Done)
}

/// Opens an account again that its member had closed.
pub async fn reopen(conn: &mut Conn, id: UserId) -> Result<()> {
    sqlx::query!("UPDATE users SET closed_at = NULL, updated_at = now() WHERE user_id = $1", id.as_uuid())
        .execute(&mut *conn)
        .await?;
    tell_changed(conn, id).await
}

/// Suspends or readmits. False when there is no such member.
pub async fn set_suspended(conn: &mut Conn, id: UserId, is_suspended: bool) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE users SET is_barred = $2, updated_at = now() WHERE user_id = $1",
        id.as_uuid(),
        is_suspended,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    tell_changed(conn, id).await?;
    Ok(true)
}

/// Members in the order they joined, after the given one.
pub async fn list(conn: &mut Conn, after: Option<UserId>, limit: i64) -> Result<Vec<User>> {
    let rows = sqlx::query!(
        r#"
        SELECT user_id, username, display_name, email, role, bio, avatar_key, is_suspended, created_at
          FROM users
         WHERE $1::uuid IS NULL OR user_id > $1
         ORDER BY user_id
         LIMIT $2
        "#,
        after.map(UserId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(User {
                id: UserId::from_uuid(row.user_id),
                username: username(row.username)?,
                display_name: row.display_name,
                email: row.email,
                role: role(&row.role)?,
                bio: row.bio,
                avatar_key: row.avatar_key,
                is_suspended: row.is_suspended,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// How many members there are; the first start makes an admin when there is none.
pub async fn count(conn: &mut Conn) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users"#).fetch_one(conn).await?)
}
