//! SQL for order in chat: moderators, modes, filters, what stands against a member, and the log of what was done.

pub mod cards;
mod filters;
pub mod held;
mod layouts;
mod log;
mod moderators;
pub mod pleas;
pub mod reports;

use domain::order::{Links, Modes, Rank};
use domain::user::{Role, Username};
use domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::{Person, username};

pub use filters::{Added, Filter, NewFilter, add_filter, filters, remove_filter};
pub use layouts::{keep_layout, layout};
pub use log::{Act, LogQuery, UNDONE, act, decided_by, last_lifted_by, log, log_page, struck_by};
pub use moderators::{Appointed, Moderator, appoint, dismiss, moderators};

/// What stands against a member. Without an end it is a ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sanction {
    pub act: Uuid,
    pub ends_at: Option<Timestamp>,
    pub reason: String,
    pub by: UserId,
    pub at: Timestamp,
}

/// A member as a channel's order sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub is_moderator: bool,
    pub follows_since: Option<Timestamp>,
    /// One that is over counts as none.
    pub sanction: Option<Sanction>,
    /// The reason of a warning that has not been read.
    pub warning: Option<String>,
}

/// A channel's modes, and which filters go with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    pub modes: Modes,
    pub filters_version: i64,
}

/// Where a member stands in a channel. `None` when there is no such member.
pub async fn standing(conn: &mut Conn, channel: UserId, user: UserId) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"
        SELECT u.role,
               EXISTS (SELECT FROM channel_moderators m WHERE m.channel_id = $1 AND m.user_id = $2) AS "is_moderator!",
               f.created_at AS "follows_since?",
               s.act_id AS "act_id?", s.ends_at AS "ends_at?", s.reason AS "reason?", s.imposed_by AS "imposed_by?",
               s.imposed_at AS "imposed_at?",
               w.reason AS "warning?"
          FROM users u
          LEFT JOIN follows f ON f.channel_id = $1 AND f.follower_id = u.user_id
          LEFT JOIN chat_sanctions s
                 ON s.channel_id = $1 AND s.user_id = u.user_id AND (s.ends_at IS NULL OR s.ends_at > now())
          LEFT JOIN chat_warnings w ON w.channel_id = $1 AND w.user_id = u.user_id
         WHERE u.user_id = $2
        "#,
        channel.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let sanction = match (row.act_id, row.reason, row.imposed_by, row.imposed_at) {
            (Some(act), Some(reason), Some(by), Some(at)) => {
                Some(Sanction { act, ends_at: row.ends_at, reason, by: UserId::from_uuid(by), at })
            }
            _ => None,
        };
        Ok(Standing {
            role: Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?,
            is_moderator: row.is_moderator,
            follows_since: row.follows_since,
            sanction,
            warning: row.warning,
        })
    })
    .transpose()
}

macro_rules! rules {
    ($row:expr) => {
        Rules {
            modes: Modes {
                slow_s: seconds($row.slow_s),
                followers_only_s: $row.followers_only_s.map(seconds),
                emote_only: $row.is_emote_only,
                unique: $row.is_unique,
                links: Links::parse(&$row.links).ok_or(DbError::Corrupt { what: "chat mode" })?,
                shield: $row.is_shielded,
            },
            filters_version: $row.filters_version,
        }
    };
}

fn seconds(stored: i32) -> u32 {
    u32::try_from(stored).unwrap_or(0)
}

fn stored(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

pub async fn rules(conn: &mut Conn, channel: UserId) -> Result<Rules> {
    let row = sqlx::query!(
        r#"
        SELECT slow_s, followers_only_s, is_emote_only, is_unique, links, is_shielded, filters_version
          FROM chat_modes
         WHERE channel_id = $1
        "#,
        channel.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map_or(Ok(Rules::default()), |row| Ok(rules!(row)))
}

/// The same, and until the end of the transaction nobody else acts in the channel.
pub async fn lock(conn: &mut Conn, channel: UserId) -> Result<Rules> {
    sqlx::query!("INSERT INTO chat_modes (channel_id) VALUES ($1) ON CONFLICT DO NOTHING", channel.as_uuid())
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query!(
        r#"
        SELECT slow_s, followers_only_s, is_emote_only, is_unique, links, is_shielded, filters_version
          FROM chat_modes
         WHERE channel_id = $1
           FOR UPDATE
        "#,
        channel.as_uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(rules!(row))
}

/// Sets the modes of a channel that is [`lock`]ed.
pub async fn set_modes(conn: &mut Conn, channel: UserId, modes: Modes) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE chat_modes
           SET slow_s = $2, followers_only_s = $3, is_emote_only = $4, is_unique = $5, links = $6, is_shielded = $7
         WHERE channel_id = $1
        "#,
        channel.as_uuid(),
        stored(modes.slow_s),
        modes.followers_only_s.map(stored),
        modes.emote_only,
        modes.unique,
        modes.links.as_str(),
        modes.shield,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts a sanction on a member of a channel that is [`lock`]ed, whatever stood there.
pub async fn impose(conn: &mut Conn, channel: UserId, user: UserId, sanction: &Sanction) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO chat_sanctions (channel_id, user_id, act_id, ends_at, reason, imposed_by, imposed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (channel_id, user_id) DO UPDATE
           SET act_id = EXCLUDED.act_id, ends_at = EXCLUDED.ends_at, reason = EXCLUDED.reason,
               imposed_by = EXCLUDED.imposed_by, imposed_at = EXCLUDED.imposed_at
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        sanction.act,
        sanction.ends_at,
        sanction.reason,
        sanction.by.as_uuid(),
        sanction.at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn lift(conn: &mut Conn, channel: UserId, user: UserId) -> Result<()> {
    sqlx::query!(
        "DELETE FROM chat_sanctions WHERE channel_id = $1 AND user_id = $2",
        channel.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Warns a member. A warning that has not been read is replaced.
pub async fn warn(conn: &mut Conn, channel: UserId, user: UserId, act: Uuid, reason: &str) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO chat_warnings (channel_id, user_id, act_id, reason) VALUES ($1, $2, $3, $4)
        ON CONFLICT (channel_id, user_id) DO UPDATE
           SET act_id = EXCLUDED.act_id, reason = EXCLUDED.reason, warned_at = now()
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        act,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The warning was read, or, with `act`, that one is taken back. True when this made a difference.
pub async fn unwarn(conn: &mut Conn, channel: UserId, user: UserId, act: Option<Uuid>) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM chat_warnings WHERE channel_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR act_id = $3)",
        channel.as_uuid(),
        user.as_uuid(),
        act,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody who may not speak in a channel now.
#[derive(Debug, Clone)]
pub struct Silenced {
    pub id: UserId,
    pub person: Person,
    pub sanction: Sanction,
    /// The name of who did it, if they are still there.
    pub by: Option<String>,
}

/// Who may not speak in a channel now, the latest first, before (time, act).
pub async fn silenced(
    conn: &mut Conn,
    channel: UserId,
    before: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Silenced>> {
    let (at, act) = before.unzip();
    let rows = sqlx::query!(
        r#"
        SELECT s.user_id, s.act_id, s.ends_at, s.reason, s.imposed_by, s.imposed_at,
               u.username, u.display_name, u.avatar_key, b.username AS "by?"
          FROM chat_sanctions s
          JOIN users u USING (user_id)
          LEFT JOIN users b ON b.user_id = s.imposed_by
         WHERE s.channel_id = $1
           AND (s.ends_at IS NULL OR s.ends_at > now())
           AND ($2::timestamptz IS NULL OR (s.imposed_at, s.act_id) < ($2, $3))
         ORDER BY s.imposed_at DESC, s.act_id DESC
         LIMIT $4
        "#,
        channel.as_uuid(),
        at,
        act,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Silenced {
            id: UserId::from_uuid(row.user_id),
            person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            sanction: Sanction {
                act: row.act_id,
                ends_at: row.ends_at,
                reason: row.reason,
                by: UserId::from_uuid(row.imposed_by),
                at: row.imposed_at,
            },
            by: row.by,
        })
        .collect())
}

/// A channel, and where somebody who wants to act or read there stands.
#[derive(Debug, Clone)]
pub struct Desk {
    pub channel: UserId,
    pub name: Username,
    pub actor: UserId,
    pub actor_name: Username,
    pub rank: Rank,
    /// Whether they may not speak there now themselves.
    pub is_silenced: bool,
}

/// The desk of a channel, as a member stands before it. `None`: there is no such channel, or no such member any more.
pub async fn desk(conn: &mut Conn, channel: &Username, user: UserId) -> Result<Option<Desk>> {
    let row = sqlx::query!(
        r#"
        SELECT c.channel_id, o.username, a.username AS actor, a.role,
               EXISTS (SELECT FROM channel_moderators m
                        WHERE m.channel_id = c.channel_id AND m.user_id = a.user_id) AS "is_moderator!",
               EXISTS (SELECT FROM chat_sanctions s
                        WHERE s.channel_id = c.channel_id AND s.user_id = a.user_id
                          AND (s.ends_at IS NULL OR s.ends_at > now())) AS "is_silenced!"
          FROM channels c
          JOIN users o ON o.user_id = c.channel_id
          JOIN users a ON a.user_id = $2
         WHERE o.username = $1 AND NOT o.is_suspended AND NOT a.is_suspended
        "#,
        channel.as_str(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let role = Role::parse(&row.role).ok_or(DbError::Corrupt { what: "role" })?;
        let channel = UserId::from_uuid(row.channel_id);
        Ok(Desk {
            channel,
            name: username(row.username)?,
            actor: user,
            actor_name: username(row.actor)?,
            rank: Rank::of(role, user == channel, row.is_moderator),
            is_silenced: row.is_silenced,
        })
    })
    .transpose()
}

/// A member by name, whoever they are.
pub async fn find_member(conn: &mut Conn, name: &Username) -> Result<Option<(UserId, Username)>> {
    let row = sqlx::query!("SELECT user_id, username FROM users WHERE username = $1", name.as_str())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((UserId::from_uuid(row.user_id), username(row.username)?))).transpose()
}
