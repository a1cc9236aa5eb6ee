//! SQL for mail: who may be written to, and what is owed to them.

use domain::notification::{Language, NotificationType, Reach};
use domain::{NotificationId, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// How a member is written to.
#[derive(Debug, Clone)]
pub struct Settings {
    pub username: String,
    pub address: String,
    pub is_confirmed: bool,
    pub language: Language,
}

/// `None` when there is no such member, or nobody may act in their name.
pub async fn settings(conn: &mut Conn, user: UserId) -> Result<Option<Settings>> {
    let row = sqlx::query!(
        r#"
        SELECT u.username, u.email, m.confirmed_address = u.email AS is_confirmed, m.language AS "language?"
          FROM users u
          LEFT JOIN mail_settings m USING (user_id)
         WHERE u.user_id = $1 AND NOT u.is_suspended
        "#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Settings {
        username: row.username,
        address: row.email,
        is_confirmed: row.is_confirmed.unwrap_or(false),
        language: row.language.and_then(|text| Language::parse(&text)).unwrap_or_default(),
    }))
}

/// How a member is written to about the account itself: whether they asked for mail or not, and also while they have closed it. `None`
/// when there is no such member, or the staff has shown them the door.
pub async fn holder(conn: &mut Conn, user: UserId) -> Result<Option<Settings>> {
    let row = sqlx::query!(
        r#"
        SELECT u.username, u.email, m.confirmed_address = u.email AS is_confirmed, m.language AS "language?"
          FROM users u
          LEFT JOIN mail_settings m USING (user_id)
         WHERE u.user_id = $1 AND NOT u.is_barred
        "#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Settings {
        username: row.username,
        address: row.email,
        is_confirmed: row.is_confirmed.unwrap_or(false),
        language: row.language.and_then(|text| Language::parse(&text)).unwrap_or_default(),
    }))
}

pub async fn set_language(conn: &mut Conn, user: UserId, language: Language) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO mail_settings (user_id, language) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET language = EXCLUDED.language
        "#,
        user.as_uuid(),
        language.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// From now on the member is written to at this address. False when it is not theirs any more.
pub async fn confirm(conn: &mut Conn, user: UserId, address: &str) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        INSERT INTO mail_settings (user_id, confirmed_address)
        SELECT user_id, email FROM users WHERE user_id = $1 AND email = $2
        ON CONFLICT (user_id) DO UPDATE SET confirmed_address = EXCLUDED.confirmed_address
        "#,
        user.as_uuid(),
        address,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// No more mail to these members, of any kind.
pub async fn stop(conn: &mut Conn, users: &[UserId]) -> Result<()> {
    let users: Vec<Uuid> = users.iter().map(|user| user.as_uuid()).collect();
    sqlx::query!("UPDATE mail_settings SET confirmed_address = NULL WHERE user_id = ANY($1)", &users)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes down what is owed by mail to those who were just notified of one kind of thing. Returns how many
/// notifications make up the batch; others wait until their members want mail.
pub async fn owe(
    conn: &mut Conn,
    batch: Uuid,
    kind: NotificationType,
    notifications: &[NotificationId],
) -> Result<i64> {
    let ids: Vec<Uuid> = notifications.iter().map(|id| id.as_uuid()).collect();
    Ok(sqlx::query_scalar!(
        r#"
        WITH owed AS (
            INSERT INTO mail_deliveries (notification_id, user_id, batch_id, due_at)
            SELECT n.notification_id, n.user_id, CASE WHEN wait.until IS NULL THEN $1::uuid END, coalesce(wait.until, now())
              FROM notifications n
              JOIN mail_settings m USING (user_id)
              JOIN users u ON u.user_id = n.user_id AND u.email = m.confirmed_address AND NOT u.is_suspended
              LEFT JOIN notification_reaches r ON r.user_id = n.user_id AND r.type = n.type AND r.reach = 'mail'
              LEFT JOIN notification_times t ON t.user_id = n.user_id
             CROSS JOIN LATERAL (SELECT mail_waits_until(t, $4, now()) AS until) AS wait
             WHERE n.notification_id = ANY($2) AND coalesce(r.is_wanted, $3)
            ON CONFLICT DO NOTHING
            RETURNING batch_id)
        SELECT count(batch_id) AS "count!" FROM owed
        "#,
        batch,
        &ids,
        kind.reaches_by_default(Reach::Mail),
        !kind.is_optional(),
    )
    .fetch_one(conn)
    .await?)
}

/// One notification to be told by mail.
#[derive(Debug, Clone)]
pub struct Owed {
    pub notification_id: Uuid,
    pub user_id: Uuid,
    pub username: String,
    pub address: String,
    pub language: String,
    pub kind: String,
    pub message: String,
    pub entity_id: Uuid,
    /// Of the stream or the recording, if it is about one.
    pub title: Option<String>,
    /// Whose doing it was: name in addresses, and name as shown.
    pub actor_username: Option<String>,
    pub actor_name: Option<String>,
    /// In whose channel it was: name in addresses, and name as shown.
    pub channel_username: Option<String>,
    pub channel_name: Option<String>,
    pub detail: Option<String>,
    /// It is read, over, too old, or not wanted by or for its member any more.
    pub is_moot: bool,
}

/// Takes the deliveries to up to `limit` members of a batch. What was taken and neither settled nor released may be taken again after two
/// minutes: its worker has died.
pub async fn claim(conn: &mut Conn, batch: Uuid, limit: i64) -> Result<Vec<Owed>> {
    Ok(sqlx::query_as!(
        Owed,
        r#"
        WITH mine AS (
            UPDATE mail_deliveries SET claimed_at = now()
             WHERE notification_id IN
                   (SELECT notification_id FROM mail_deliveries
                     WHERE batch_id = $1
                       AND (claimed_at IS NULL OR claimed_at < now() - interval '2 minutes')
                       AND user_id IN (SELECT user_id FROM mail_deliveries
                                        WHERE batch_id = $1
                                          AND (claimed_at IS NULL OR claimed_at < now() - interval '2 minutes')
                                        GROUP BY user_id ORDER BY user_id LIMIT $2)
                     ORDER BY user_id, notification_id
                     LIMIT 1000
                       FOR UPDATE SKIP LOCKED)
            RETURNING notification_id, due_at)
        SELECT n.notification_id, n.user_id, u.username, u.email AS address, coalesce(m.language, 'en') AS "language!",
               n.type AS kind, n.message, n.entity_id, n.detail, coalesce(s.title, v.title) AS title,
               a.username AS "actor_username?", a.display_name AS "actor_name?",
               c.username AS "channel_username?", c.display_name AS "channel_name?",
               (n.is_read
                OR u.is_suspended
                OR m.confirmed_address IS DISTINCT FROM u.email
                OR r.is_wanted IS NOT DISTINCT FROM false
                OR mine.due_at < now() - interval '2 days'
                OR (n.type = 'stream_online' AND coalesce(s.status = 'ended', true))
                OR (n.type = 'vod_ready' AND coalesce(v.deleted_at IS NOT NULL, true))
                OR (s.stream_id IS NOT NULL AND NOT is_listed_for(s.visibility, s.channel_id, n.user_id))
                OR (v.vod_id IS NOT NULL AND NOT is_listed_for(v.visibility, v.channel_id, n.user_id))) AS "is_moot!"
          FROM mine
          JOIN notifications n USING (notification_id)
          JOIN users u ON u.user_id = n.user_id
          LEFT JOIN mail_settings m ON m.user_id = n.user_id
          LEFT JOIN notification_reaches r ON r.user_id = n.user_id AND r.type = n.type AND r.reach = 'mail'
          LEFT JOIN streams s ON n.entity_type = 'stream' AND s.stream_id = n.entity_id
          LEFT JOIN vods v ON n.entity_type = 'vod' AND v.vod_id = n.entity_id
          LEFT JOIN users a ON a.user_id = coalesce(n.actor_id, s.channel_id, v.channel_id,
                                                    CASE WHEN n.entity_type = 'user' THEN n.entity_id END)
          LEFT JOIN users c ON c.user_id = n.channel_id
         ORDER BY n.user_id, n.notification_id
        "#,
        batch,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// Strikes deliveries off.
pub async fn settle(conn: &mut Conn, notifications: &[Uuid]) -> Result<()> {
    sqlx::query!("DELETE FROM mail_deliveries WHERE notification_id = ANY($1)", notifications).execute(conn).await?;
    Ok(())
}

/// Gives back what was taken and could not be sent.
pub async fn release(conn: &mut Conn, notifications: &[Uuid]) -> Result<()> {
    sqlx::query!("UPDATE mail_deliveries SET claimed_at = NULL WHERE notification_id = ANY($1)", notifications)
        .execute(conn)
        .await?;
    Ok(())
}

/// How many deliveries of a batch are still owed.
pub async fn left(conn: &mut Conn, batch: Uuid) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM mail_deliveries WHERE batch_id = $1"#, batch)
        .fetch_one(conn)
        .await?)
}

/// Strikes a whole batch off, unsent.
pub async fn give_up(conn: &mut Conn, batch: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM mail_deliveries WHERE batch_id = $1", batch).execute(conn).await?;
    Ok(())
}
