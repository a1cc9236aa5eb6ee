//! SQL for reading one's notifications. Writing them is in `notify.rs`.

use domain::notification::NotificationType;
use domain::{NotificationId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;
use crate::users::Person;

#[derive(Debug, Clone)]
pub struct Notification {
    pub id: NotificationId,
    pub kind: String,
    pub message: String,
    pub entity_type: String,
    pub entity_id: Uuid,
    pub is_read: bool,
    pub created_at: Timestamp,
    /// Whose doing it was: the streamer, or the follower.
    pub actor: Option<Person>,
    /// In whose channel it happened, where that is not said by what it is about.
    pub channel: Option<Person>,
    pub detail: Option<String>,
}

/// Which of a member's notifications.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub kind: Option<NotificationType>,
    pub is_unread_only: bool,
}

/// A member's notifications, latest first, after the given one. Those of what is not for the member any more are left out.
pub async fn list(
    conn: &mut Conn,
    user: UserId,
    filter: Filter,
    after: Option<NotificationId>,
    limit: i64,
) -> Result<Vec<Notification>> {
    let rows = sqlx::query!(
        r#"
        SELECT n.notification_id, n.type AS kind, n.message, n.entity_type, n.entity_id, n.is_read, n.created_at, n.detail,
               u.username AS "username?", u.display_name AS "display_name?", u.avatar_key AS "avatar_key?",
               c.username AS "channel_username?", c.display_name AS "channel_display_name?",
               c.avatar_key AS "channel_avatar_key?"
          FROM notifications n
          LEFT JOIN streams s ON n.entity_type = 'stream' AND s.stream_id = n.entity_id
          LEFT JOIN vods v ON n.entity_type = 'vod' AND v.vod_id = n.entity_id
          LEFT JOIN users u ON u.user_id = coalesce(n.actor_id, s.channel_id, v.channel_id,
                                                    CASE WHEN n.entity_type = 'user' THEN n.entity_id END)
          LEFT JOIN users c ON c.user_id = n.channel_id
         WHERE n.user_id = $1
           AND (s.stream_id IS NULL OR is_listed_for(s.visibility, s.channel_id, $1))
           AND (v.vod_id IS NULL OR is_listed_for(v.visibility, v.channel_id, $1))
           AND ($2::uuid IS NULL OR n.notification_id < $2)
           AND ($4::text IS NULL OR n.type = $4)
           AND NOT ($5 AND n.is_read)
         ORDER BY n.notification_id DESC
         LIMIT $3
        "#,
        user.as_uuid(),
        after.map(NotificationId::as_uuid),
        limit,
        filter.kind.map(NotificationType::as_str),
        filter.is_unread_only,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Notification {
            id: NotificationId::from_uuid(row.notification_id),
            kind: row.kind,
            message: row.message,
            entity_type: row.entity_type,
            entity_id: row.entity_id,
            is_read: row.is_read,
            created_at: row.created_at,
            actor: row.username.zip(row.display_name).map(|(username, display_name)| Person {
                username,
                display_name,
                avatar_key: row.avatar_key,
            }),
            detail: row.detail,
            channel: row.channel_username.zip(row.channel_display_name).map(|(username, display_name)| Person {
                username,
                display_name,
                avatar_key: row.channel_avatar_key,
            }),
        })
        .collect())
}

pub async fn unread_count(conn: &mut Conn, user: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
          FROM notifications n
          LEFT JOIN streams s ON n.entity_type = 'stream' AND s.stream_id = n.entity_id
          LEFT JOIN vods v ON n.entity_type = 'vod' AND v.vod_id = n.entity_id
         WHERE n.user_id = $1
           AND NOT n.is_read
           AND (s.stream_id IS NULL OR is_listed_for(s.visibility, s.channel_id, $1))
           AND (v.vod_id IS NULL OR is_listed_for(v.visibility, v.channel_id, $1))
        "#,
        user.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Marks these as read. Returns how many of them the member has, read before or not.
pub async fn mark_read(conn: &mut Conn, user: UserId, ids: &[NotificationId]) -> Result<u64> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let done = sqlx::query!(
        "UPDATE notifications SET is_read = true WHERE notification_id = ANY($1) AND user_id = $2",
        &ids,
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Marks all as read. Returns how many were not.
pub async fn mark_all_read(conn: &mut Conn, user: UserId) -> Result<u64> {
    let done =
        sqlx::query!("UPDATE notifications SET is_read = true WHERE user_id = $1 AND NOT is_read", user.as_uuid())
            .execute(conn)
            .await?;
    Ok(done.rows_affected())
}
