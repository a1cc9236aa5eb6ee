//! SQL for order in chat: moderators, modes, filters, what stands against a member, and the log of what was done.

use domain::order::{FilterKind, Links, Modes};
use domain::user::{Role, Username};
use domain::{MessageId, Timestamp, UserId};
use serde_json::Value;
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};
use crate::users::{Person, username};

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

/// One filter of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub id: Uuid,
    pub kind: FilterKind,
    pub pattern: String,
    pub created_at: Timestamp,
}

/// A channel's filters in the order they were made.
pub async fn filters(conn: &mut Conn, channel: UserId) -> Result<Vec<Filter>> {
    let rows = sqlx::query!(
        "SELECT filter_id, kind, pattern, created_at FROM chat_filters WHERE channel_id = $1 ORDER BY filter_id",
        channel.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Filter {
                id: row.filter_id,
                kind: FilterKind::parse(&row.kind).ok_or(DbError::Corrupt { what: "filter" })?,
                pattern: row.pattern,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Adds a filter to a channel that is [`lock`]ed. `None`: it is there already.
pub async fn add_filter(
    conn: &mut Conn,
    channel: UserId,
    by: UserId,
    kind: FilterKind,
    pattern: &str,
) -> Result<Option<Filter>> {
    let row = sqlx::query!(
        r#"
        INSERT INTO chat_filters (filter_id, channel_id, kind, pattern, created_by)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        RETURNING filter_id, created_at
        "#,
        kit::ids::uuid(),
        channel.as_uuid(),
        kind.as_str(),
        pattern,
        by.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    filters_changed(conn, channel).await?;
    Ok(Some(Filter { id: row.filter_id, kind, pattern: pattern.to_owned(), created_at: row.created_at }))
}

/// Takes a filter away from a channel that is [`lock`]ed. Its pattern, if it was there.
pub async fn remove_filter(conn: &mut Conn, channel: UserId, id: Uuid) -> Result<Option<String>> {
    let pattern = sqlx::query_scalar!(
        "DELETE FROM chat_filters WHERE channel_id = $1 AND filter_id = $2 RETURNING pattern",
        channel.as_uuid(),
        id,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if pattern.is_some() {
        filters_changed(conn, channel).await?;
    }
    Ok(pattern)
}

async fn filters_changed(conn: &mut Conn, channel: UserId) -> Result<()> {
    sqlx::query!(
        "UPDATE chat_modes SET filters_version = filters_version + 1 WHERE channel_id = $1",
        channel.as_uuid(),
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

/// A channel's moderator.
#[derive(Debug, Clone)]
pub struct Moderator {
    pub id: UserId,
    pub person: Person,
    pub appointed_at: Timestamp,
}

/// A channel's moderators, the first appointed first, after (time, id).
pub async fn moderators(
    conn: &mut Conn,
    channel: UserId,
    after: Option<(Timestamp, UserId)>,
    limit: i64,
) -> Result<Vec<Moderator>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    let rows = sqlx::query!(
        r#"
        SELECT m.user_id, m.appointed_at, u.username, u.display_name, u.avatar_key
          FROM channel_moderators m
          JOIN users u USING (user_id)
         WHERE m.channel_id = $1
           AND ($2::timestamptz IS NULL OR (m.appointed_at, m.user_id) > ($2, $3))
         ORDER BY m.appointed_at, m.user_id
         LIMIT $4
        "#,
        channel.as_uuid(),
        at,
        id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Moderator {
            id: UserId::from_uuid(row.user_id),
            person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            appointed_at: row.appointed_at,
        })
        .collect())
}

pub async fn count_moderators(conn: &mut Conn, channel: UserId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM channel_moderators WHERE channel_id = $1"#,
        channel.as_uuid(),
    );
    Ok(count.fetch_one(conn).await?)
}

/// Appoints. True when this made a difference.
pub async fn appoint(conn: &mut Conn, channel: UserId, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO channel_moderators (channel_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        channel.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Dismisses. True when this made a difference.
pub async fn dismiss(conn: &mut Conn, channel: UserId, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM channel_moderators WHERE channel_id = $1 AND user_id = $2",
        channel.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody who may not speak in a channel now.
#[derive(Debug, Clone)]
pub struct Silenced {
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
        SELECT s.act_id, s.ends_at, s.reason, s.imposed_by, s.imposed_at,
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

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub id: Uuid,
    pub channel: UserId,
    pub actor: UserId,
    pub actor_name: String,
    pub action: String,
    pub target: Option<UserId>,
    pub target_name: Option<String>,
    pub reason: String,
    /// What the act changed, enough to take it back.
    pub detail: Value,
    pub undoes: Option<Uuid>,
    pub at: Timestamp,
}

/// The unique key that lets an act be taken back once.
pub const UNDONE: &str = "mod_log_undoes_key";

/// Writes an act down, in the transaction that does it.
pub async fn log(conn: &mut Conn, act: &Act) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO mod_log (act_id, channel_id, actor_id, actor, action, target_id, target, reason, detail, undoes, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        "#,
        act.id,
        act.channel.as_uuid(),
        act.actor.as_uuid(),
        act.actor_name,
        act.action,
        act.target.map(UserId::as_uuid),
        act.target_name,
        act.reason,
        act.detail,
        act.undoes,
        act.at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! act {
    ($row:expr) => {
        Act {
            id: $row.act_id,
            channel: UserId::from_uuid($row.channel_id),
            actor: UserId::from_uuid($row.actor_id),
            actor_name: $row.actor,
            action: $row.action,
            target: $row.target_id.map(UserId::from_uuid),
            target_name: $row.target,
            reason: $row.reason,
            detail: $row.detail,
            undoes: $row.undoes,
            at: $row.at,
        }
    };
}

pub async fn act(conn: &mut Conn, id: Uuid) -> Result<Option<Act>> {
    let row = sqlx::query!(
        r#"
        SELECT act_id, channel_id, actor_id, actor, action, target_id, target, reason, detail, undoes, at
          FROM mod_log
         WHERE act_id = $1
        "#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| act!(row)))
}

/// Who last lifted what stood against a member.
pub async fn last_lifted_by(conn: &mut Conn, channel: UserId, user: UserId) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        r#"
        SELECT actor FROM mod_log
         WHERE channel_id = $1 AND target_id = $2 AND action = 'unban'
         ORDER BY act_id DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(name)
}

/// Who struck a line of a channel within the last day.
pub async fn struck_by(conn: &mut Conn, channel: UserId, message: MessageId) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        r#"
        SELECT actor FROM mod_log
         WHERE channel_id = $1
           AND action = 'delete'
           AND detail->>'message_id' = $2
           AND at > now() - interval '1 day'
         ORDER BY act_id DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
        message.to_string(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(name)
}

/// Which part of a channel's log is wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery<'a> {
    pub action: Option<&'a str>,
    /// Who did it, or to whom it was done.
    pub member: Option<&'a Username>,
    pub before: Option<Uuid>,
}

/// A channel's log, the latest first.
pub async fn log_page(conn: &mut Conn, channel: UserId, query: &LogQuery<'_>, limit: i64) -> Result<Vec<Act>> {
    let rows = sqlx::query!(
        r#"
        SELECT act_id, channel_id, actor_id, actor, action, target_id, target, reason, detail, undoes, at
          FROM mod_log
         WHERE channel_id = $1
           AND ($2::text IS NULL OR action = $2)
           AND ($3::text IS NULL OR actor = $3 OR target = $3)
           AND ($4::uuid IS NULL OR act_id < $4)
         ORDER BY act_id DESC
         LIMIT $5
        "#,
        channel.as_uuid(),
        query.action,
        query.member.map(Username::as_str),
        query.before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| act!(row)).collect())
}

/// A member by name, whoever they are.
pub async fn find_member(conn: &mut Conn, name: &Username) -> Result<Option<(UserId, Username)>> {
    let row = sqlx::query!("SELECT user_id, username FROM users WHERE username = $1", name.as_str())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((UserId::from_uuid(row.user_id), username(row.username)?))).transpose()
}
