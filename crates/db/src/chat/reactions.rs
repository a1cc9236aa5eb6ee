//! SQL for reactions to chat messages.

use domain::{MessageId, Timestamp, UserId};

use crate::error::Result;
use crate::{Conn, Pool};

/// How many reacted with one emoji, and whether the asker did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    pub message: MessageId,
    pub emoji: String,
    pub count: u64,
    pub is_mine: bool,
}

/// What became of a reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reacted {
    /// It is as was asked, perhaps before already.
    Done,
    /// There is no such message.
    Gone,
    /// The message carries as many different emoji as it can.
    TooMany,
}

/// Adds or takes back a member's reaction. A message carries at most `kinds_max` different emoji.
pub async fn react(
    pool: &Pool,
    (message, user): (MessageId, UserId),
    emoji: &str,
    is_on: bool,
    kinds_max: i64,
    at: Timestamp,
) -> Result<Reacted> {
    let mut tx = crate::begin(pool).await?;
    // Holds the row: whoever reacts to it too comes after.
    let touched = sqlx::query!(
        "UPDATE chat_messages SET changed_at = $2 WHERE message_id = $1 AND deleted_at IS NULL",
        message.as_uuid(),
        at,
    )
    .execute(&mut *tx)
    .await?;
    if touched.rows_affected() == 0 {
        return Ok(Reacted::Gone);
    }
    if !is_on {
        sqlx::query!(
            "DELETE FROM chat_reactions WHERE message_id = $1 AND emoji = $2 AND user_id = $3",
            message.as_uuid(),
            emoji,
            user.as_uuid(),
        )
        .execute(&mut *tx)
        .await?;
        crate::commit(tx).await?;
        return Ok(Reacted::Done);
    }
    let others = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT emoji) AS "count!" FROM chat_reactions WHERE message_id = $1 AND emoji <> $2"#,
        message.as_uuid(),
        emoji,
    )
    .fetch_one(&mut *tx)
    .await?;
    if others >= kinds_max {
        return Ok(Reacted::TooMany);
    }
    sqlx::query!(
        r#"
        INSERT INTO chat_reactions (message_id, emoji, user_id, reacted_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING
        "#,
        message.as_uuid(),
        emoji,
        user.as_uuid(),
        at,
    )
    .execute(&mut *tx)
    .await?;
    crate::commit(tx).await?;
    Ok(Reacted::Done)
}

/// The reactions to these messages, each message's in the order in which its emoji first came.
pub async fn reactions(conn: &mut Conn, messages: &[MessageId], asker: Option<UserId>) -> Result<Vec<Reaction>> {
    let ids: Vec<uuid::Uuid> = messages.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT message_id, emoji, count(*) AS "count!", COALESCE(bool_or(user_id = $2), false) AS "is_mine!"
          FROM chat_reactions
         WHERE message_id = ANY($1)
         GROUP BY message_id, emoji
         ORDER BY message_id, min(reacted_at), emoji
        "#,
        &ids,
        asker.map(UserId::as_uuid),
    )
    .fetch_all(conn)
    .await?;
    let reactions = rows.into_iter().map(|row| Reaction {
        message: MessageId::from_uuid(row.message_id),
        emoji: row.emoji,
        count: u64::try_from(row.count).unwrap_or(0),
        is_mine: row.is_mine,
    });
    Ok(reactions.collect())
}
