//! SQL for when members are left alone and when their collected mail comes, and for what waits until then.

use domain::UserId;
use domain::quiet::{Digest, Every, QuietHours, ZoneName};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

/// When a member is told what is not told in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    pub time_zone: String,
    pub quiet: Option<QuietHours>,
    pub digest: Digest,
}

impl Default for Times {
    fn default() -> Self {
        Self { time_zone: "UTC".to_owned(), quiet: None, digest: Digest::default() }
    }
}

pub async fn of(conn: &mut Conn, user: UserId) -> Result<Times> {
    let row = sqlx::query!(
        r#"
        SELECT time_zone, quiet_from, quiet_to, digest, digest_hour, digest_day
          FROM notification_times
         WHERE user_id = $1
        "#,
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Times::default()) };
    let corrupt = || DbError::Corrupt { what: "times of notifications" };
    let minute = |minute: i32| u16::try_from(minute).map_err(|_| corrupt());
    let quiet = match (row.quiet_from, row.quiet_to) {
        (Some(from), Some(to)) => QuietHours::of_minutes(minute(from)?, minute(to)?),
        _ => None,
    };
    let digest = Digest {
        every: Every::parse(&row.digest).ok_or_else(corrupt)?,
        hour: u8::try_from(row.digest_hour).map_err(|_| corrupt())?,
        day: u8::try_from(row.digest_day).map_err(|_| corrupt())?,
    };
    Ok(Times { time_zone: row.time_zone, quiet, digest })
}

/// Whether the database knows a time zone of that name.
pub async fn is_zone(conn: &mut Conn, zone: &ZoneName) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT is_time_zone($1) AS "is_zone!""#, zone.as_str()).fetch_one(conn).await?)
}

/// Stores a member's times. What waits for them waits as the new ones say. To be called in a transaction.
pub async fn set(conn: &mut Conn, user: UserId, times: &Times) -> Result<()> {
    let (from, to) = times.quiet.map(QuietHours::minutes).unzip();
    sqlx::query!(
        r#"
        INSERT INTO notification_times (user_id, time_zone, quiet_from, quiet_to, digest, digest_hour, digest_day)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (user_id) DO UPDATE
           SET time_zone = EXCLUDED.time_zone, quiet_from = EXCLUDED.quiet_from, quiet_to = EXCLUDED.quiet_to,
               digest = EXCLUDED.digest, digest_hour = EXCLUDED.digest_hour, digest_day = EXCLUDED.digest_day
        "#,
        user.as_uuid(),
        times.time_zone,
        from.map(i32::from),
        to.map(i32::from),
        times.digest.every.as_str(),
        i32::from(times.digest.hour),
        i32::from(times.digest.day),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        UPDATE push_deliveries d
           SET due_at = coalesce(push_waits_until(t, now()), now())
          FROM notifications n, notification_times t
         WHERE d.batch_id IS NULL AND n.notification_id = d.notification_id AND n.user_id = $1 AND t.user_id = $1
        "#,
        user.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        UPDATE mail_deliveries d
           SET due_at = coalesce(mail_waits_until(t, false, now()), now())
          FROM notification_times t
         WHERE d.batch_id IS NULL AND d.user_id = $1 AND t.user_id = $1
        "#,
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes up to `limit` pushes a batch whose time has come. Returns how many.
pub async fn release_pushes(conn: &mut Conn, batch: Uuid, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE push_deliveries SET batch_id = $1
         WHERE (notification_id, subscription_id) IN
               (SELECT notification_id, subscription_id FROM push_deliveries
                 WHERE batch_id IS NULL AND due_at <= now()
                 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        "#,
        batch,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Makes the mails of up to `limit` members a batch whose time has come: all that is due to one is one letter. Returns how many notifications
/// they tell of.
pub async fn release_mails(conn: &mut Conn, batch: Uuid, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        UPDATE mail_deliveries SET batch_id = $1
         WHERE notification_id IN
               (SELECT notification_id FROM mail_deliveries
                 WHERE batch_id IS NULL AND due_at <= now()
                   AND user_id IN (SELECT user_id FROM mail_deliveries
                                    WHERE batch_id IS NULL AND due_at <= now()
                                    GROUP BY user_id ORDER BY min(due_at) LIMIT $2)
                   FOR UPDATE SKIP LOCKED)
        "#,
        batch,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
