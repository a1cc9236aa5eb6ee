//! SQL for requests of banned members to be let in again. A request is about one ban: when that is lifted otherwise, the request
//! waits for nothing.

use domain::order::ASK_AGAIN_AFTER;
use domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;
use crate::users::Person;

/// A request that waits.
#[derive(Debug, Clone)]
pub struct Plea {
    pub id: Uuid,
    pub user: UserId,
    pub person: Person,
    pub text: String,
    pub asked_at: Timestamp,
    /// The reason of the ban, when it was, and who it was by, if they are still there.
    pub ban_reason: String,
    pub banned_at: Timestamp,
    pub banned_by: Option<String>,
}

/// The last request of a member about a ban, as they see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPlea {
    pub id: Uuid,
    pub text: String,
    /// `open`, `accepted` or `denied`.
    pub state: String,
    pub asked_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub answer: String,
}

impl OwnPlea {
    /// From when on another may be made. `None`: this one waits.
    pub fn again_at(&self) -> Option<Timestamp> {
        self.decided_at.map(|at| if self.state == "denied" { at + ASK_AGAIN_AFTER } else { at })
    }
}

/// The last request of a member about the ban `ban`.
pub async fn own(conn: &mut Conn, channel: UserId, user: UserId, ban: Uuid) -> Result<Option<OwnPlea>> {
    let row = sqlx::query_as!(
        OwnPlea,
        r#"
        SELECT request_id AS id, text, state, asked_at, decided_at, answer
          FROM unban_requests
         WHERE channel_id = $1 AND user_id = $2 AND ban_id = $3
         ORDER BY request_id DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        ban,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Asks about the ban `ban`. `None`: it stands no more, or one about it waits.
pub async fn ask(conn: &mut Conn, channel: UserId, user: UserId, ban: Uuid, text: &str) -> Result<Option<Uuid>> {
    let id = sqlx::query_scalar!(
        r#"
        INSERT INTO unban_requests (request_id, channel_id, user_id, ban_id, text)
        SELECT $1, channel_id, user_id, act_id, $5
          FROM chat_sanctions
         WHERE channel_id = $2 AND user_id = $3 AND act_id = $4 AND ends_at IS NULL
        ON CONFLICT (channel_id, user_id, ban_id) WHERE state = 'open' DO NOTHING
        RETURNING request_id
        "#,
        kit::ids::uuid(),
        channel.as_uuid(),
        user.as_uuid(),
        ban,
        text,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id)
}

struct Row {
    request_id: Uuid,
    user_id: Uuid,
    username: String,
    display_name: String,
    avatar_key: Option<String>,
    text: String,
    asked_at: Timestamp,
    ban_reason: String,
    banned_at: Timestamp,
    banned_by: Option<String>,
}

impl From<Row> for Plea {
    fn from(row: Row) -> Self {
        Self {
            id: row.request_id,
            user: UserId::from_uuid(row.user_id),
            person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            text: row.text,
            asked_at: row.asked_at,
            ban_reason: row.ban_reason,
            banned_at: row.banned_at,
            banned_by: row.banned_by,
        }
    }
}

/// Requests that wait in a channel, the oldest first, after one.
pub async fn waiting(conn: &mut Conn, channel: UserId, after: Option<Uuid>, limit: i64) -> Result<Vec<Plea>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT r.request_id, r.user_id, u.username, u.display_name, u.avatar_key, r.text, r.asked_at,
               s.reason AS ban_reason, s.imposed_at AS banned_at, b.username AS "banned_by?"
          FROM unban_requests r
          JOIN chat_sanctions s ON s.channel_id = r.channel_id AND s.user_id = r.user_id AND s.act_id = r.ban_id
          JOIN users u ON u.user_id = r.user_id
          LEFT JOIN users b ON b.user_id = s.imposed_by
         WHERE r.channel_id = $1 AND r.state = 'open' AND ($2::uuid IS NULL OR r.request_id > $2)
         ORDER BY r.request_id
         LIMIT $3
        "#,
        channel.as_uuid(),
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Plea::from).collect())
}

/// One that waits.
pub async fn plea(conn: &mut Conn, id: Uuid) -> Result<Option<Plea>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT r.request_id, r.user_id, u.username, u.display_name, u.avatar_key, r.text, r.asked_at,
               s.reason AS ban_reason, s.imposed_at AS banned_at, b.username AS "banned_by?"
          FROM unban_requests r
          JOIN chat_sanctions s ON s.channel_id = r.channel_id AND s.user_id = r.user_id AND s.act_id = r.ban_id
          JOIN users u ON u.user_id = r.user_id
          LEFT JOIN users b ON b.user_id = s.imposed_by
         WHERE r.request_id = $1 AND r.state = 'open'
        "#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Plea::from))
}

/// Who asked, and about which ban.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    pub user: UserId,
    pub ban: Uuid,
}

/// Answers a request, by an act. `None`: it does not wait in this channel, or not any more.
pub async fn answer(
    conn: &mut Conn,
    (channel, id): (UserId, Uuid),
    is_accepted: bool,
    act: Uuid,
    (by, answer): (&str, &str),
) -> Result<Option<Answered>> {
    let row = sqlx::query!(
        r#"
        UPDATE unban_requests
           SET state = CASE WHEN $3 THEN 'accepted' ELSE 'denied' END, act_id = $4, decided_by = $5, answer = $6, decided_at = now()
         WHERE channel_id = $1 AND request_id = $2 AND state = 'open'
        RETURNING user_id, ban_id
        "#,
        channel.as_uuid(),
        id,
        is_accepted,
        act,
        by,
        answer,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Answered { user: UserId::from_uuid(row.user_id), ban: row.ban_id }))
}

/// How a request was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    pub channel: UserId,
    pub user: UserId,
    pub is_accepted: bool,
}

/// `None`: it waits, or there is no such request.
pub async fn decided(conn: &mut Conn, id: Uuid) -> Result<Option<Decided>> {
    let row = sqlx::query!(
        "SELECT channel_id, user_id, state FROM unban_requests WHERE request_id = $1 AND state <> 'open'",
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Decided {
        channel: UserId::from_uuid(row.channel_id),
        user: UserId::from_uuid(row.user_id),
        is_accepted: row.state == "accepted",
    }))
}

/// The name of who answered a request, if somebody did.
pub async fn answered_by(conn: &mut Conn, channel: UserId, id: Uuid) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        "SELECT decided_by FROM unban_requests WHERE channel_id = $1 AND request_id = $2 AND state <> 'open'",
        channel.as_uuid(),
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(name.flatten())
}

/// Lets a request wait again that an act answered: the act is taken back.
pub async fn ask_again(conn: &mut Conn, act: Uuid) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE unban_requests
           SET state = 'open', act_id = NULL, decided_by = NULL, decided_at = NULL, answer = ''
         WHERE act_id = $1
        "#,
        act,
    )
    .execute(conn)
    .await?;
    Ok(())
}
