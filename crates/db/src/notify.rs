//! SQL behind notifications' fan-out: who must hear of a thing, and writing it into their lists once.

use domain::notification::{Bell, NotificationType};
use domain::{NotificationId, PublishId, StreamId, Timestamp, UserId, Visibility, VodId};
use uuid::Uuid;

use crate::Conn;
use crate::access;
use crate::error::Result;
use crate::users::Person;

/// What to write into many members' lists.
#[derive(Debug, Clone)]
pub struct NewNotification {
    pub kind: NotificationType,
    pub message: String,
    pub entity_id: Uuid,
    /// Whose doing it was, and in whose channel, where the entity does not say.
    pub actor: Option<UserId>,
    pub channel: Option<UserId>,
    /// What is said besides names.
    pub detail: Option<String>,
}

/// A row that was written now, not one that was there already.
#[derive(Debug, Clone)]
pub struct Written {
    pub notification_id: NotificationId,
    pub user_id: UserId,
    pub created_at: Timestamp,
}

/// Up to `limit` followers of a channel whose bell rings for such a thing, in the order of their ids, after the given one.
pub async fn followers_after(
    conn: &mut Conn,
    channel: UserId,
    kind: NotificationType,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>> {
    let bells: Vec<String> =
        Bell::ALL.into_iter().filter(|bell| bell.rings_for(kind)).map(|bell| bell.as_str().to_owned()).collect();
    let rows = sqlx::query_scalar!(
        r#"
        SELECT follower_id
          FROM follows
         WHERE channel_id = $1
           AND bell = ANY($2)
           AND ($3::uuid IS NULL OR follower_id > $3)
         ORDER BY follower_id
         LIMIT $4
        "#,
        channel.as_uuid(),
        &bells,
        after.map(UserId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(UserId::from_uuid).collect())
}

/// Behind which follower a job that was cut short goes on.
pub async fn place(conn: &mut Conn, job: &str) -> Result<Option<UserId>> {
    let place = sqlx::query_scalar!("SELECT follower_id FROM fanout_places WHERE job_id = $1", job)
        .fetch_optional(conn)
        .await?;
    Ok(place.map(UserId::from_uuid))
}

/// Moves a job's place, in the transaction that wrote to everybody up to it. It never goes back: of two workers with one job
/// the slower changes nothing.
pub async fn keep_place(conn: &mut Conn, job: &str, follower: UserId) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO fanout_places (job_id, follower_id) VALUES ($1, $2)
        ON CONFLICT (job_id) DO UPDATE
           SET follower_id = greatest(fanout_places.follower_id, EXCLUDED.follower_id), moved_at = now()
        "#,
        job,
        follower.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the place of a job that is done, and those of jobs nobody has moved for a week.
pub async fn drop_place(conn: &mut Conn, job: &str) -> Result<()> {
    sqlx::query!("DELETE FROM fanout_places WHERE job_id = $1 OR moved_at < now() - interval '7 days'", job)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes one notification to each member who wants such and does not have it yet, and returns those rows.
///
/// The unique key (member, type, entity) makes a repeated call write nothing.
pub async fn insert(conn: &mut Conn, new: &NewNotification, users: &[UserId]) -> Result<Vec<Written>> {
    let ids: Vec<Uuid> = users.iter().map(|_| kit::ids::uuid()).collect();
    let users: Vec<Uuid> = users.iter().map(|user| user.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        INSERT INTO notifications
               (notification_id, user_id, type, message, entity_type, entity_id, actor_id, channel_id, detail)
        SELECT fresh.id, fresh.user_id, $3, $4, $5, $6, $8, $9, $10
          FROM unnest($1::uuid[], $2::uuid[]) AS fresh (id, user_id)
          JOIN users USING (user_id)
         WHERE NOT $7 OR NOT EXISTS (SELECT FROM notification_choices c
                                      WHERE c.user_id = fresh.user_id AND c.type = $3 AND NOT c.is_wanted)
        ON CONFLICT (user_id, type, entity_id) DO NOTHING
        RETURNING notification_id, user_id, created_at
        "#,
        &ids,
        &users,
        new.kind.as_str(),
        new.message,
        new.kind.entity_type(),
        new.entity_id,
        new.kind.is_optional(),
        new.actor.map(UserId::as_uuid),
        new.channel.map(UserId::as_uuid),
        new.detail,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Written {
            notification_id: NotificationId::from_uuid(row.notification_id),
            user_id: UserId::from_uuid(row.user_id),
            created_at: row.created_at,
        })
        .collect())
}

/// Whose doing a notification is about.
pub async fn person(conn: &mut Conn, user: UserId) -> Result<Option<Person>> {
    Ok(sqlx::query_as!(
        Person,
        "SELECT username, display_name, avatar_key FROM users WHERE user_id = $1",
        user.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A stream's title and whom it is for, for the notification that it began.
pub async fn stream_title(conn: &mut Conn, stream: StreamId) -> Result<Option<(String, Visibility)>> {
    let row = sqlx::query!("SELECT title, visibility FROM streams WHERE stream_id = $1", stream.as_uuid())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((row.title, access::visibility(&row.visibility)?))).transpose()
}

/// A recording's title and whom it is for, unless it was deleted meanwhile.
pub async fn vod_title(conn: &mut Conn, vod: VodId) -> Result<Option<(String, Visibility)>> {
    let row =
        sqlx::query!("SELECT title, visibility FROM vods WHERE vod_id = $1 AND deleted_at IS NULL", vod.as_uuid())
            .fetch_optional(conn)
            .await?;
    row.map(|row| Ok((row.title, access::visibility(&row.visibility)?))).transpose()
}

/// What `on_publish_done` tells the operator.
#[derive(Debug, Clone)]
pub struct PublishFacts {
    pub app: String,
    pub username: String,
    pub addr: String,
    pub client_id: String,
    pub args: String,
}

pub async fn publish_facts(conn: &mut Conn, publish: PublishId) -> Result<Option<PublishFacts>> {
    let row = sqlx::query!(
        r#"
        SELECT p.app, p.addr, p.client_id, p.args, u.username
          FROM publishes p
          JOIN streams s USING (stream_id)
          JOIN users u ON u.user_id = s.channel_id
         WHERE p.publish_id = $1
        "#,
        publish.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| PublishFacts {
        app: row.app,
        username: row.username,
        addr: row.addr,
        client_id: row.client_id,
        args: row.args,
    }))
}

/// What `on_record_done` tells the operator.
#[derive(Debug, Clone)]
pub struct RecordFacts {
    pub publish_id: PublishId,
    pub username: String,
    pub object_prefix: String,
}

/// The recording's facts, tied to the last publish of its stream.
pub async fn record_facts(conn: &mut Conn, vod: VodId) -> Result<Option<RecordFacts>> {
    let row = sqlx::query!(
        r#"
        SELECT p.publish_id, u.username, v.object_prefix
          FROM vods v
          JOIN publishes p ON p.stream_id = v.stream_id
          JOIN users u ON u.user_id = v.channel_id
         WHERE v.vod_id = $1
         ORDER BY p.epoch DESC
         LIMIT 1
        "#,
        vod.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| RecordFacts {
        publish_id: PublishId::from_uuid(row.publish_id),
        username: row.username,
        object_prefix: row.object_prefix,
    }))
}

/// Where a hook's delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    pub is_delivered: bool,
    pub attempts: i32,
}

/// Opens the delivery (once) and says where it stands.
pub async fn open_delivery(conn: &mut Conn, publish: PublishId, hook: &str) -> Result<Delivery> {
    let row = sqlx::query!(
        r#"
        INSERT INTO hook_deliveries (publish_id, hook) VALUES ($1, $2)
        ON CONFLICT (publish_id, hook) DO UPDATE SET hook = EXCLUDED.hook
        RETURNING delivered_at IS NOT NULL AS "is_delivered!", attempts
        "#,
        publish.as_uuid(),
        hook,
    )
    .fetch_one(conn)
    .await?;
    Ok(Delivery { is_delivered: row.is_delivered, attempts: row.attempts })
}

/// Notes an attempt's outcome: `None` means delivered.
pub async fn close_attempt(conn: &mut Conn, publish: PublishId, hook: &str, error: Option<&str>) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE hook_deliveries
           SET attempts = attempts + 1,
               last_error = $3,
               delivered_at = CASE WHEN $3::text IS NULL THEN now() ELSE delivered_at END
         WHERE publish_id = $1 AND hook = $2
        "#,
        publish.as_uuid(),
        hook,
        error,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a batch of counted views, unless this very batch was added before. True when it was added now.
pub async fn apply_view_batch(conn: &mut Conn, batch: Uuid, counts: &[(VodId, i64)]) -> Result<bool> {
    let fresh = sqlx::query!("INSERT INTO view_batches (batch_id) VALUES ($1) ON CONFLICT DO NOTHING", batch)
        .execute(&mut *conn)
        .await?;
    if fresh.rows_affected() == 0 {
        return Ok(false);
    }
    let vods: Vec<Uuid> = counts.iter().map(|(vod, _)| vod.as_uuid()).collect();
    let views: Vec<i64> = counts.iter().map(|(_, views)| *views).collect();
    sqlx::query!(
        r#"
        UPDATE vods
           SET views = vods.views + fresh.views
          FROM unnest($1::uuid[], $2::bigint[]) AS fresh (vod_id, views)
         WHERE vods.vod_id = fresh.vod_id
        "#,
        &vods,
        &views,
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// A connection that hears the outbox being written to.
pub struct OutboxListener(sqlx::postgres::PgListener);

impl OutboxListener {
    pub async fn connect(pool: &crate::Pool) -> Result<Self> {
        let mut listener = sqlx::postgres::PgListener::connect_with(pool).await?;
        listener.listen(crate::outbox::CHANNEL).await?;
        Ok(Self(listener))
    }

    /// Resolves when something was written; an error means the connection is gone.
    pub async fn heard(&mut self) -> Result<()> {
        self.0.recv().await?;
        Ok(())
    }
}
