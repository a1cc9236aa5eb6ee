//! SQL for web push: members' browsers, and what is owed to them.

use domain::notification::{NotificationType, Reach};
use domain::{NotificationId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;

/// A browser that wants to be told.
#[derive(Debug, Clone)]
pub struct Device {
    pub id: Uuid,
    pub label: String,
    pub created_at: Timestamp,
}

/// What a browser's subscription consists of.
#[derive(Debug, Clone, Copy)]
pub struct Subscription<'a> {
    pub endpoint: &'a str,
    pub public_key: &'a [u8],
    pub auth: &'a [u8],
    pub label: &'a str,
}

/// Adds a browser, or renews it. Of a member's browsers the `keep` latest stay.
pub async fn subscribe(conn: &mut Conn, user: UserId, new: Subscription<'_>, keep: i64) -> Result<Device> {
    let row = sqlx::query!(
        r#"
        INSERT INTO push_subscriptions (subscription_id, user_id, endpoint, public_key, auth, label)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (endpoint) DO UPDATE
           SET user_id = EXCLUDED.user_id, public_key = EXCLUDED.public_key, auth = EXCLUDED.auth, label = EXCLUDED.label
        RETURNING subscription_id, label, created_at
        "#,
        kit::ids::uuid(),
        user.as_uuid(),
        new.endpoint,
        new.public_key,
        new.auth,
        new.label,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        DELETE FROM push_subscriptions
         WHERE subscription_id IN (SELECT subscription_id FROM push_subscriptions
                                    WHERE user_id = $1 ORDER BY subscription_id DESC OFFSET $2)
        "#,
        user.as_uuid(),
        keep,
    )
    .execute(conn)
    .await?;
    Ok(Device { id: row.subscription_id, label: row.label, created_at: row.created_at })
}

/// A member's browsers, the latest first.
pub async fn devices(conn: &mut Conn, user: UserId) -> Result<Vec<Device>> {
    Ok(sqlx::query_as!(
        Device,
        r#"
        SELECT subscription_id AS id, label, created_at
          FROM push_subscriptions
         WHERE user_id = $1
         ORDER BY subscription_id DESC
        "#,
        user.as_uuid(),
    )
    .fetch_all(conn)
    .await?)
}

/// Removes a browser. False when the member has no such one.
pub async fn unsubscribe(conn: &mut Conn, user: UserId, device: Uuid) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM push_subscriptions WHERE subscription_id = $1 AND user_id = $2",
        device,
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes browsers whose push services do not know them any more.
pub async fn forget(conn: &mut Conn, devices: &[Uuid]) -> Result<()> {
    sqlx::query!("DELETE FROM push_subscriptions WHERE subscription_id = ANY($1)", devices).execute(conn).await?;
    Ok(())
}

/// Writes down what is owed to the browsers of those who were just notified of one kind of thing. Returns how many deliveries
/// make up the batch; others wait until their members' quiet hours are over.
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
            INSERT INTO push_deliveries (notification_id, subscription_id, batch_id, due_at)
            SELECT n.notification_id, p.subscription_id, CASE WHEN wait.until IS NULL THEN $1::uuid END, coalesce(wait.until, now())
              FROM notifications n
              JOIN push_subscriptions p USING (user_id)
              LEFT JOIN notification_reaches r ON r.user_id = n.user_id AND r.type = n.type AND r.reach = 'push'
              LEFT JOIN notification_times t ON t.user_id = n.user_id
             CROSS JOIN LATERAL (SELECT push_waits_until(t, now()) AS until) AS wait
             WHERE n.notification_id = ANY($2) AND coalesce(r.is_wanted, $3)
            ON CONFLICT DO NOTHING
            RETURNING batch_id)
        SELECT count(batch_id) AS "count!" FROM owed
        "#,
        batch,
        &ids,
        kind.reaches_by_default(Reach::Push),
    )
    .fetch_one(conn)
    .await?)
}

/// One push to be sent.
#[derive(Debug, Clone)]
pub struct Owed {
    pub notification_id: Uuid,
    pub subscription_id: Uuid,
    pub endpoint: String,
    pub public_key: Vec<u8>,
    pub auth: Vec<u8>,
    pub kind: String,
    pub message: String,
    pub entity_id: Uuid,
    /// Whose doing it was: name in addresses, and name as shown.
    pub username: Option<String>,
    pub display_name: Option<String>,
    /// In whose channel it was.
    pub channel_username: Option<String>,
    pub channel_name: Option<String>,
    pub detail: Option<String>,
    /// It is read, over, too old, or not for its member any more.
    pub is_moot: bool,
}

/// Takes up to `limit` deliveries of a batch. What was taken and neither sent nor given up may be taken again after a minute and
/// a half: its worker has died, or its push service did not answer.
pub async fn claim(conn: &mut Conn, batch: Uuid, limit: i64) -> Result<Vec<Owed>> {
    Ok(sqlx::query_as!(
        Owed,
        r#"
        WITH mine AS (
            UPDATE push_deliveries SET claimed_at = now()
             WHERE (notification_id, subscription_id) IN
                   (SELECT notification_id, subscription_id FROM push_deliveries
                     WHERE batch_id = $1
                       AND (claimed_at IS NULL OR claimed_at < now() - interval '90 seconds')
                     LIMIT $2
                       FOR UPDATE SKIP LOCKED)
            RETURNING notification_id, subscription_id, due_at)
        SELECT n.notification_id, p.subscription_id, p.endpoint, p.public_key, p.auth, n.type AS kind, n.message, n.entity_id, n.detail,
               u.username AS "username?", u.display_name AS "display_name?",
               c.username AS "channel_username?", c.display_name AS "channel_name?",
               (n.is_read
                OR p.user_id <> n.user_id
                OR mine.due_at < now() - interval '4 hours'
                OR (n.type = 'stream_online' AND coalesce(s.status = 'ended', true))
                OR (s.stream_id IS NOT NULL AND NOT is_listed_for(s.visibility, s.channel_id, n.user_id))
                OR (v.vod_id IS NOT NULL AND NOT is_listed_for(v.visibility, v.channel_id, n.user_id))) AS "is_moot!"
          FROM mine
          JOIN notifications n USING (notification_id)
          JOIN push_subscriptions p USING (subscription_id)
          LEFT JOIN streams s ON n.entity_type = 'stream' AND s.stream_id = n.entity_id
          LEFT JOIN vods v ON n.entity_type = 'vod' AND v.vod_id = n.entity_id
          LEFT JOIN users u ON u.user_id = coalesce(n.actor_id, s.channel_id, v.channel_id,
                                                    CASE WHEN n.entity_type = 'user' THEN n.entity_id END)
          LEFT JOIN users c ON c.user_id = n.channel_id
        "#,
        batch,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// Strikes deliveries off: (notification, browser) each.
pub async fn settle(conn: &mut Conn, done: &[(Uuid, Uuid)]) -> Result<()> {
    let (notifications, devices): (Vec<Uuid>, Vec<Uuid>) = done.iter().copied().unzip();
    sqlx::query!(
        r#"
        DELETE FROM push_deliveries d
         USING unnest($1::uuid[], $2::uuid[]) AS done (notification_id, subscription_id)
         WHERE d.notification_id = done.notification_id AND d.subscription_id = done.subscription_id
        "#,
        &notifications,
        &devices,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many deliveries of a batch are still owed.
pub async fn left(conn: &mut Conn, batch: Uuid) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM push_deliveries WHERE batch_id = $1"#, batch)
        .fetch_one(conn)
        .await?)
}
