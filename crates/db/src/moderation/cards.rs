//! SQL for what moderators know of a member.

use domain::order::NOTES_MAX;
use domain::user::Username;
use domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;
use crate::users::Person;

/// A member as their card begins.
#[derive(Debug, Clone)]
pub struct Face {
    pub id: UserId,
    pub person: Person,
    pub created_at: Timestamp,
}

/// A member by name, whoever they are.
pub async fn face(conn: &mut Conn, name: &Username) -> Result<Option<Face>> {
    let row = sqlx::query!(
        "SELECT user_id, username, display_name, avatar_key, created_at FROM users WHERE username = $1",
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Face {
        id: UserId::from_uuid(row.user_id),
        person: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
        created_at: row.created_at,
    }))
}

/// What a moderator wrote about a member, for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub id: Uuid,
    pub by: String,
    pub text: String,
    pub at: Timestamp,
}

/// The notes about a member in a channel, the latest first.
pub async fn notes(conn: &mut Conn, channel: UserId, user: UserId) -> Result<Vec<Note>> {
    let rows = sqlx::query!(
        r#"
        SELECT note_id, writer, text, written_at
          FROM chat_notes
         WHERE channel_id = $1 AND user_id = $2
         ORDER BY note_id DESC
         LIMIT $3
        "#,
        channel.as_uuid(),
        user.as_uuid(),
        NOTES_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Note { id: row.note_id, by: row.writer, text: row.text, at: row.written_at })
        .collect())
}

/// Writes a note in a channel that is [`lock`](super::lock)ed. `None`: there are as many as there may be.
pub async fn add_note(
    conn: &mut Conn,
    (channel, user): (UserId, UserId),
    (by, name): (UserId, &Username),
    text: &str,
) -> Result<Option<Note>> {
    let row = sqlx::query!(
        r#"
        INSERT INTO chat_notes (note_id, channel_id, user_id, written_by, writer, text)
        SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM chat_notes WHERE channel_id = $2 AND user_id = $3) < $7
        RETURNING note_id, writer, text, written_at
        "#,
        kit::ids::uuid(),
        channel.as_uuid(),
        user.as_uuid(),
        by.as_uuid(),
        name.as_str(),
        text,
        NOTES_MAX,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Note { id: row.note_id, by: row.writer, text: row.text, at: row.written_at }))
}

/// Takes a note away. True when it was there.
pub async fn remove_note(conn: &mut Conn, channel: UserId, user: UserId, id: Uuid) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM chat_notes WHERE channel_id = $1 AND user_id = $2 AND note_id = $3",
        channel.as_uuid(),
        user.as_uuid(),
        id,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
