//! SQL for channels' own emotes.

use domain::chat::emote::CHANNEL_EMOTES_MAX;
use domain::{EmoteId, Timestamp, UserId};

use crate::Conn;
use crate::error::Result;

/// Who takes a name that is taken breaks this.
const ONE_NAME: &str = "emotes_one_name";

/// An emote of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emote {
    pub id: EmoteId,
    pub name: String,
    pub created_at: Timestamp,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Done(Emote),
    /// Another emote of the channel is called so.
    Taken,
    /// The channel has as many as it may have.
    Full,
    /// There is no such emote.
    Absent,
}

macro_rules! emote {
    ($row:expr) => {
        Emote { id: EmoteId::from_uuid($row.emote_id), name: $row.name, created_at: $row.created_at }
    };
}

/// A channel's emotes, by name.
pub async fn list(conn: &mut Conn, channel: UserId) -> Result<Vec<Emote>> {
    let rows = sqlx::query!(
        "SELECT emote_id, name, created_at FROM emotes WHERE channel_id = $1 ORDER BY name LIMIT $2",
        channel.as_uuid(),
        CHANNEL_EMOTES_MAX as i64,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| emote!(row)).collect())
}

/// Adds an emote. Two at once are one after the other until the transaction ends.
pub async fn add(conn: &mut Conn, channel: UserId, id: EmoteId, name: &str) -> Result<Named> {
    sqlx::query!("SELECT FROM channels WHERE channel_id = $1 FOR NO KEY UPDATE", channel.as_uuid())
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query!(
        r#"
        INSERT INTO emotes (emote_id, channel_id, name)
        SELECT $2::uuid, $1::uuid, $3::text
         WHERE (SELECT count(*) FROM emotes WHERE channel_id = $1) < $4
        ON CONFLICT ON CONSTRAINT emotes_one_name DO NOTHING
        RETURNING emote_id, name, created_at
        "#,
        channel.as_uuid(),
        id.as_uuid(),
        name,
        CHANNEL_EMOTES_MAX as i64,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = row {
        return Ok(Named::Done(emote!(row)));
    }
    let is_taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM emotes WHERE channel_id = $1 AND name = $2) AS "is_taken!""#,
        channel.as_uuid(),
        name,
    )
    .fetch_one(conn)
    .await?;
    Ok(if is_taken { Named::Taken } else { Named::Full })
}

/// Calls an emote of the channel something else.
pub async fn rename(conn: &mut Conn, channel: UserId, id: EmoteId, name: &str) -> Result<Named> {
    let row = sqlx::query!(
        r#"
        UPDATE emotes
           SET name = $3
         WHERE channel_id = $1 AND emote_id = $2
        RETURNING emote_id, name, created_at
        "#,
        channel.as_uuid(),
        id.as_uuid(),
        name,
    )
    .fetch_optional(conn)
    .await
    .map_err(crate::DbError::from);
    match row {
        Ok(Some(row)) => Ok(Named::Done(emote!(row))),
        Ok(None) => Ok(Named::Absent),
        Err(error) if error.constraint() == Some(ONE_NAME) => Ok(Named::Taken),
        Err(error) => Err(error),
    }
}

/// Takes an emote away from a channel. What it was, if it was there.
pub async fn remove(conn: &mut Conn, channel: UserId, id: EmoteId) -> Result<Option<Emote>> {
    let row = sqlx::query!(
        "DELETE FROM emotes WHERE channel_id = $1 AND emote_id = $2 RETURNING emote_id, name, created_at",
        channel.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| emote!(row)))
}
