//! SQL for whom of those named in a chat line its author's naming reaches.

use domain::notification::MENTIONS_PER_MINUTE;
use domain::{StreamId, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// A line that names members.
#[derive(Debug, Clone)]
pub struct Naming<'a> {
    pub channel: UserId,
    pub author: UserId,
    pub stream: Option<StreamId>,
    pub users: &'a [UserId],
}

/// Whom of those named to tell, in their order. To be called in the transaction that tells them: one line of an author is looked at at
/// a time.
///
/// Left out are the author, members of whom one has blocked the other, those who are banned from the channel, those for whom the
/// stream is not, whoever was named by this author in this channel within five minutes and has not read it, and all beyond what an author
/// may have told in a minute. A banned author names nobody.
pub async fn reached(conn: &mut Conn, naming: &Naming<'_>) -> Result<Vec<UserId>> {
    let users: Vec<Uuid> = naming.users.iter().map(|user| user.as_uuid()).collect();
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", naming.author.as_uuid())
        .execute(&mut *conn)
        .await?;
    let ids = sqlx::query_scalar!(
        r#"
        SELECT named.user_id AS "user_id!"
          FROM unnest($4::uuid[]) WITH ORDINALITY AS named (user_id, place)
          JOIN users u ON u.user_id = named.user_id AND NOT u.is_suspended
          JOIN users a ON a.user_id = $1 AND NOT a.is_suspended
         WHERE named.user_id <> $1
           AND NOT are_apart(named.user_id, $1)
           AND NOT EXISTS (SELECT FROM chat_sanctions b
                            WHERE b.channel_id = $2 AND b.user_id IN (named.user_id, $1) AND b.ends_at IS NULL)
           AND ($3::uuid IS NULL
                OR EXISTS (SELECT FROM streams s
                            WHERE s.stream_id = $3 AND is_listed_for(s.visibility, s.channel_id, named.user_id)))
           AND NOT EXISTS (SELECT FROM notifications n
                            WHERE n.actor_id = $1 AND n.created_at > now() - interval '5 minutes'
                              AND n.type = 'mention' AND n.user_id = named.user_id AND n.channel_id = $2 AND NOT n.is_read)
         ORDER BY named.place
         LIMIT greatest(0, $5 - (SELECT count(*) FROM notifications n
                                  WHERE n.actor_id = $1 AND n.created_at > now() - interval '1 minute'
                                    AND n.type = 'mention'))
        "#,
        naming.author.as_uuid(),
        naming.channel.as_uuid(),
        naming.stream.map(StreamId::as_uuid),
        &users,
        MENTIONS_PER_MINUTE,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}
