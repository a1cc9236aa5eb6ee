//! SQL for the life of a publish: who may, who holds a channel's slot, going on air, and every way it ends. Getting the slot
//! is in `claim.rs`.
//!
//! Owns the transitions of `streams.status` that a publisher's connection causes, with the events they owe; the caller opens
//! the transaction. Each function locks the stream's row first, so that what follows reads what the last writer committed.

use domain::event::Event;
use domain::stream::{Priority, PublishEnd, StreamStatus};
use domain::user::Username;
use domain::{PublishId, StreamId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod claim;

pub use claim::{
    Channel, Claim, EncoderAtWork, NewPublish, authorize, claim, encoder_at_work, offer_takeover, withdraw_takeover,
};

use crate::error::{DbError, Result};
use crate::{Conn, outbox};

/// A node whose heartbeat is this old no longer holds its channels' slots.
const HOLDER_STALE_S: f64 = 10.0;
/// A node whose heartbeat is this old has lost its publishers (reliability A4).
const NODE_LOST_S: f64 = 15.0;
/// What is left of the window, at least, when our own outage kept the loss from being written down.
const LATE_GRACE_S: f64 = 10.0;
/// Rows one sweep handles, so that its transaction stays short.
const SWEEP_ROWS_MAX: i64 = 100;

/// The operator's choices these transitions depend on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Seconds a lost broadcaster may take to come back; 0 ends the stream at once.
    pub reconnect_window_s: u64,
    /// Whether each ended publish owes the operator an `on_publish_done`.
    pub owes_done_hook: bool,
}

/// Puts a claimed stream on air: its first picture has arrived. Tells followers of a new one, viewers of a resumed one.
///
/// `false` when the claim is no longer valid; nothing has changed then.
pub async fn online(conn: &mut Conn, stream_id: StreamId, publish_id: PublishId, epoch: i32) -> Result<bool> {
    let Some(stream) = lock(conn, stream_id).await? else { return Ok(false) };
    if stream.epoch != epoch || !open_publishes(conn, stream_id).await?.iter().any(|open| open.id == publish_id) {
        return Ok(false);
    }
    go_live(conn, &stream).await?;
    Ok(true)
}

async fn go_live(conn: &mut Conn, stream: &OpenStream) -> Result<()> {
    let OpenStream { stream_id, channel_id, .. } = *stream;
    let username = stream.username.clone();
    let event = match stream.status {
        StreamStatus::Starting => Event::StreamOnline { stream_id, channel_id, username },
        StreamStatus::Reconnecting => Event::StreamResumed { stream_id, channel_id, username },
        StreamStatus::Live | StreamStatus::Ended => return Ok(()),
    };
    sqlx::query!(
        "UPDATE streams SET status = 'live', reconnect_until = NULL, heartbeat_at = now() WHERE stream_id = $1",
        stream_id.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    outbox::push(conn, &event).await
}

/// The end of one publish, as it is written down: at once, or later from the ingest node's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub publish_id: PublishId,
    pub stream_id: StreamId,
    pub epoch: i32,
    pub end: PublishEnd,
    /// Whether a picture (or, without video, sound) has arrived.
    pub has_delivered: bool,
    pub at: Timestamp,
}

/// Writes the end of a publish down, once, and what follows for its stream: over, waiting for its broadcaster, or, when it
/// never delivered anything, gone. Harmless when repeated or late.
pub async fn done(conn: &mut Conn, done: &Done, rules: Rules) -> Result<()> {
    let Some(stream) = lock(conn, done.stream_id).await? else { return Ok(()) };
    if !close_publish(conn, done.publish_id, done.end, done.at, rules).await? {
        return Ok(());
    }
    if stream.epoch != done.epoch || stream.status == StreamStatus::Ended {
        return Ok(());
    }
    if stream.status == StreamStatus::Starting && !done.has_delivered {
        return forget(conn, &stream, rules).await;
    }
    if done.has_delivered {
        // Does nothing unless Postgres was away when the first picture came.
        go_live(conn, &stream).await?;
    }
    if done.end.ends_stream() || rules.reconnect_window_s == 0 {
        return end_stream(conn, &stream, done.end.as_str()).await;
    }
    if stream.status == StreamStatus::Reconnecting && !done.has_delivered {
        return Ok(());
    }
    await_return(conn, &stream, done.at, rules).await
}

/// Opens the reconnect window.
async fn await_return(conn: &mut Conn, stream: &OpenStream, lost_at: Timestamp, rules: Rules) -> Result<()> {
    let until = sqlx::query_scalar!(
        r#"
        UPDATE streams
           SET status = 'reconnecting',
               reconnect_until = greatest($2::timestamptz + make_interval(secs => $3), now() + make_interval(secs => least($3, $4)))
         WHERE stream_id = $1
        RETURNING reconnect_until AS "until!"
        "#,
        stream.stream_id.as_uuid(),
        lost_at,
        rules.reconnect_window_s as f64,
        LATE_GRACE_S,
    )
    .fetch_one(&mut *conn)
    .await?;
    let OpenStream { stream_id, channel_id, .. } = *stream;
    outbox::push(conn, &Event::StreamReconnecting { stream_id, channel_id, username: stream.username.clone(), until })
        .await
}

/// Takes back a stream that never delivered. Its row stays when the operator is still to be told of its publish.
async fn forget(conn: &mut Conn, stream: &OpenStream, rules: Rules) -> Result<()> {
    let id = stream.stream_id.as_uuid();
    if !rules.owes_done_hook {
        sqlx::query!("DELETE FROM streams WHERE stream_id = $1", id).execute(conn).await?;
        return Ok(());
    }
    sqlx::query!("DELETE FROM vods WHERE stream_id = $1", id).execute(&mut *conn).await?;
    sqlx::query!(
        r#"
        UPDATE streams SET status = 'ended', ended_at = now(), reconnect_until = NULL, end_reason = 'never_delivered'
         WHERE stream_id = $1
        "#,
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One stream of an ingest node's heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    pub stream_id: StreamId,
    pub epoch: i32,
    /// How long ago its last media arrived.
    pub silent_ms: i64,
}

/// Renews a node's streams and returns those that are still its own. A missing one was ended, also by the staff, taken over, or its owner
/// may no longer stream: its connection must be cut.
pub async fn heartbeat(conn: &mut Conn, node: &str, beats: &[Beat]) -> Result<Vec<StreamId>> {
    let ids: Vec<Uuid> = beats.iter().map(|beat| beat.stream_id.as_uuid()).collect();
    let epochs: Vec<i32> = beats.iter().map(|beat| beat.epoch).collect();
    let silences: Vec<f64> = beats.iter().map(|beat| beat.silent_ms as f64 / 1_000.0).collect();
    let kept = sqlx::query_scalar!(
        r#"
        UPDATE streams s
           SET heartbeat_at = now() - make_interval(secs => b.silence)
          FROM unnest($2::uuid[], $3::int[], $4::float8[]) AS b (stream_id, epoch, silence), users u
         WHERE s.stream_id = b.stream_id AND s.epoch = b.epoch AND s.ingest_node = $1 AND s.status <> 'ended'
           AND s.cut_at IS NULL AND u.user_id = s.channel_id AND NOT u.is_suspended
        RETURNING s.stream_id
        "#,
        node,
        &ids,
        &epochs,
        &silences,
    )
    .fetch_all(conn)
    .await?;
    Ok(kept.into_iter().map(StreamId::from_uuid).collect())
}

/// The epoch of a stream that is there, to tell why a heartbeat missed it.
pub async fn epoch_of(conn: &mut Conn, stream_id: StreamId) -> Result<Option<i32>> {
    let epoch = sqlx::query_scalar!("SELECT epoch FROM streams WHERE stream_id = $1", stream_id.as_uuid());
    Ok(epoch.fetch_optional(conn).await?)
}

/// Frees what a node's earlier run left behind: publishes from before `began`, except the streams in `keep`. Returns how many.
pub async fn recover(conn: &mut Conn, node: &str, began: Timestamp, keep: &[StreamId], rules: Rules) -> Result<usize> {
    let keep: Vec<Uuid> = keep.iter().map(|id| id.as_uuid()).collect();
    // Not locked yet: a broadcaster who comes back in this moment has raised the epoch by the time the row is.
    let lost = sqlx::query_as!(
        Lost,
        r#"
        SELECT stream_id, epoch
          FROM streams s
         WHERE status <> 'ended' AND ingest_node = $1 AND NOT stream_id = ANY($2)
           AND (status <> 'reconnecting' OR EXISTS (SELECT 1 FROM publishes p
                                                     WHERE p.stream_id = s.stream_id AND p.ended_at IS NULL))
           AND NOT EXISTS (SELECT 1 FROM publishes p WHERE p.stream_id = s.stream_id AND p.started_at >= $3)
        "#,
        node,
        &keep,
        began,
    )
    .fetch_all(&mut *conn)
    .await?;
    lose(conn, &lost, rules).await
}

/// What one sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Streams whose ingest node is gone.
    pub lost: usize,
    /// Streams whose reconnect window is over.
    pub over: usize,
}

/// Opens the window for streams of dead nodes and ends those whose window is over. A bite at a time; any node may do it.
pub async fn sweep(conn: &mut Conn, rules: Rules) -> Result<Swept> {
    let lost = sqlx::query_as!(
        Lost,
        r#"
        SELECT stream_id, epoch
          FROM streams s
         WHERE status <> 'ended' AND heartbeat_at < now() - make_interval(secs => $1)
           AND (status <> 'reconnecting' OR EXISTS (SELECT 1 FROM publishes p
                                                     WHERE p.stream_id = s.stream_id AND p.ended_at IS NULL))
         LIMIT $2
           FOR UPDATE SKIP LOCKED
        "#,
        NODE_LOST_S,
        SWEEP_ROWS_MAX,
    )
    .fetch_all(&mut *conn)
    .await?;
    let lost = lose(conn, &lost, rules).await?;
    let over = sqlx::query_scalar!(
        r#"
        SELECT stream_id
          FROM streams s
         WHERE status = 'reconnecting' AND reconnect_until <= now()
           AND NOT EXISTS (SELECT 1 FROM publishes p WHERE p.stream_id = s.stream_id AND p.ended_at IS NULL)
         LIMIT $1
           FOR UPDATE SKIP LOCKED
        "#,
        SWEEP_ROWS_MAX,
    )
    .fetch_all(&mut *conn)
    .await?;
    for id in &over {
        if let Some(stream) = lock(conn, StreamId::from_uuid(*id)).await? {
            end_stream(conn, &stream, "window_over").await?;
        }
    }
    Ok(Swept { lost, over: over.len() })
}

/// A stream whose publisher was last seen under this epoch.
struct Lost {
    stream_id: Uuid,
    epoch: i32,
}

/// The publishers of these streams are gone with their node. Returns how many really were.
async fn lose(conn: &mut Conn, lost: &[Lost], rules: Rules) -> Result<usize> {
    let mut gone = 0;
    for Lost { stream_id, epoch } in lost {
        let Some(stream) = lock(conn, StreamId::from_uuid(*stream_id)).await? else { continue };
        if stream.epoch != *epoch {
            continue;
        }
        gone += 1;
        let now = kit::clock::now();
        for publish in open_publishes(conn, stream.stream_id).await? {
            close_publish(conn, publish.id, PublishEnd::ConnectionLost, now, rules).await?;
        }
        match stream.status {
            StreamStatus::Starting => forget(conn, &stream, rules).await?,
            StreamStatus::Live if rules.reconnect_window_s == 0 => {
                end_stream(conn, &stream, PublishEnd::ConnectionLost.as_str()).await?;
            }
            StreamStatus::Live => await_return(conn, &stream, now, rules).await?,
            StreamStatus::Reconnecting | StreamStatus::Ended => {}
        }
    }
    Ok(gone)
}

struct OpenStream {
    stream_id: StreamId,
    channel_id: UserId,
    username: Username,
    status: StreamStatus,
    epoch: i32,
    node: String,
    is_stale: bool,
    is_window_over: bool,
}

async fn lock_open(conn: &mut Conn, channel_id: UserId) -> Result<Option<OpenStream>> {
    let found = sqlx::query_scalar!(
        "SELECT stream_id FROM streams WHERE channel_id = $1 AND status <> 'ended' FOR UPDATE",
        channel_id.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    match found {
        Some(id) => lock(conn, StreamId::from_uuid(id)).await,
        None => Ok(None),
    }
}

async fn lock(conn: &mut Conn, stream_id: StreamId) -> Result<Option<OpenStream>> {
    let row = sqlx::query!(
        r#"
        SELECT s.channel_id, u.username, s.status, s.epoch, s.ingest_node,
               s.heartbeat_at < now() - make_interval(secs => $2) AS "is_stale!",
               coalesce(s.reconnect_until <= now(), false) AS "is_window_over!"
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
         WHERE s.stream_id = $1
           FOR UPDATE OF s
        "#,
        stream_id.as_uuid(),
        HOLDER_STALE_S,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(OpenStream {
            stream_id,
            channel_id: UserId::from_uuid(row.channel_id),
            username: username(&row.username)?,
            status: StreamStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "stream status" })?,
            epoch: row.epoch,
            node: row.ingest_node,
            is_stale: row.is_stale,
            is_window_over: row.is_window_over,
        })
    })
    .transpose()
}

/// A publish whose end is not written down.
struct OpenPublish {
    id: PublishId,
    priority: Priority,
}

async fn open_publishes(conn: &mut Conn, stream_id: StreamId) -> Result<Vec<OpenPublish>> {
    let open = sqlx::query!(
        "SELECT publish_id, priority FROM publishes WHERE stream_id = $1 AND ended_at IS NULL",
        stream_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let open = open.into_iter();
    Ok(open
        .map(|row| OpenPublish {
            id: PublishId::from_uuid(row.publish_id),
            priority: Priority::clamped(row.priority.into()),
        })
        .collect())
}

/// Ends a publish once; the operator's hook is owed from then on. `false` when it had ended before.
async fn close_publish(
    conn: &mut Conn,
    publish_id: PublishId,
    end: PublishEnd,
    at: Timestamp,
    rules: Rules,
) -> Result<bool> {
    let ended = sqlx::query!(
        "UPDATE publishes SET ended_at = $2, end_reason = $3 WHERE publish_id = $1 AND ended_at IS NULL",
        publish_id.as_uuid(),
        at,
        end.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    if rules.owes_done_hook {
        sqlx::query!(
            "INSERT INTO hook_deliveries (publish_id, hook) VALUES ($1, 'on_publish_done') ON CONFLICT DO NOTHING",
            publish_id.as_uuid(),
        )
        .execute(&mut *conn)
        .await?;
    }
    outbox::push(conn, &Event::PublishDone { publish_id }).await?;
    Ok(true)
}

async fn end_stream(conn: &mut Conn, stream: &OpenStream, reason: &str) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE streams SET status = 'ended', ended_at = now(), reconnect_until = NULL, end_reason = $2
         WHERE stream_id = $1
        "#,
        stream.stream_id.as_uuid(),
        reason,
    )
    .execute(&mut *conn)
    .await?;
    let OpenStream { stream_id, channel_id, .. } = *stream;
    outbox::push(conn, &Event::StreamOffline { stream_id, channel_id, username: stream.username.clone() }).await
}

fn username(stored: &str) -> Result<Username> {
    Username::parse(stored).map_err(|_| DbError::Corrupt { what: "username" })
}
