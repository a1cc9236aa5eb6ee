//! Getting a channel's slot: the first publish of a new stream, the return of a lost one, and taking over from one that delivers.

use domain::stream::{Priority, PublishEnd};
use domain::user::Username;
use domain::{PublishId, StreamId, Timestamp, UserId, Visibility, VodId};

use super::{OpenPublish, OpenStream, Rules, close_publish, end_stream, lock_open, open_publishes, username};
use crate::error::Result;
use crate::{Conn, access};

/// How long a broadcaster who has come back may take to send a picture before the window may close on him.
const RESUME_GRACE_S: f64 = 15.0;

/// The channel a stream key belongs to.
#[derive(Debug, Clone)]
pub struct Channel {
    pub channel_id: UserId,
    pub username: Username,
    pub key_digest: Vec<u8>,
    pub is_suspended: bool,
    /// Its owner asked that the next encoder take over. Only [`claim`] knows whether that still holds.
    pub is_takeover_offered: bool,
}

/// Finds the channel of a stream key by its SHA-256 digest.
pub async fn authorize(conn: &mut Conn, key_digest: &[u8; 32]) -> Result<Option<Channel>> {
    let row = sqlx::query!(
        r#"
        SELECT c.channel_id, u.username, c.stream_key_hash, u.is_suspended,
               coalesce(c.takeover_until > now(), false) AS "is_takeover_offered!"
          FROM channels c
          JOIN users u ON u.user_id = c.channel_id
         WHERE c.stream_key_hash = $1
        "#,
        &key_digest[..],
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Channel {
            channel_id: UserId::from_uuid(row.channel_id),
            username: username(&row.username)?,
            key_digest: row.stream_key_hash,
            is_suspended: row.is_suspended,
            is_takeover_offered: row.is_takeover_offered,
        })
    })
    .transpose()
}

/// One publisher asking for its channel's slot.
#[derive(Debug, Clone)]
pub struct NewPublish<'a> {
    pub channel_id: UserId,
    /// The ingest node that has the connection.
    pub node: &'a str,
    pub addr: &'a str,
    pub client_id: &'a str,
    /// The publisher's own query arguments, verbatim.
    pub args: &'a str,
    pub app: &'a str,
    pub at: Timestamp,
    /// Whom it may take the slot from.
    pub priority: Priority,
    /// A session of the same `node` delivers for the channel: it is to be outranked, not merely replaced.
    pub is_challenge: bool,
}

/// A slot held by one connection: proof that it may publish, until a higher epoch supersedes it.
#[derive(Debug, Clone)]
pub struct Claim {
    pub stream_id: StreamId,
    pub vod_id: VodId,
    pub publish_id: PublishId,
    pub channel_id: UserId,
    pub username: Username,
    pub title: String,
    pub epoch: i32,
    pub started_at: Timestamp,
    /// The stream was there before this connection.
    pub is_resumed: bool,
    /// What a newcomer has to outrank.
    pub priority: Priority,
    /// Whom it is for.
    pub visibility: Visibility,
}

/// Takes the channel's slot, or answers `None` when another connection holds it.
///
/// Makes a new stream with its recording, or goes on with the one that is open: inside its reconnect window, after its node
/// was lost, or when its holder is a silent connection of the same `node`. One that delivers is replaced by a publish of higher
/// priority, or by the first one after its owner offered that.
pub async fn claim(conn: &mut Conn, new: &NewPublish<'_>, rules: Rules) -> Result<Option<Claim>> {
    // First of all: rows of `channels` are locked before rows of `streams` everywhere.
    let is_invited = spend_offer(conn, new.channel_id).await?;
    // Twice at most: an expired window found on the way is closed first.
    for _ in 0..2 {
        if let Some(claim) = start(conn, new).await? {
            return Ok(Some(claim));
        }
        let Some(open) = lock_open(conn, new.channel_id).await? else { continue };
        let held = open_publishes(conn, open.stream_id).await?;
        let Some(taking) = judge(new, &open, &held, is_invited) else { return Ok(None) };
        if held.is_empty() && open.is_window_over {
            end_stream(conn, &open, "window_over").await?;
            continue;
        }
        for publish in held {
            close_publish(conn, publish.id, taking.end, new.at, rules).await?;
        }
        return resume(conn, new, &open, taking.priority).await.map(Some);
    }
    Ok(None)
}

/// How an open stream gets its next publisher.
struct Taking {
    /// How the one before ended.
    end: PublishEnd,
    priority: Priority,
}

fn judge(new: &NewPublish<'_>, open: &OpenStream, held: &[OpenPublish], is_invited: bool) -> Option<Taking> {
    let delivers = if open.node == new.node { new.is_challenge } else { !open.is_stale };
    let Some(holder) = held.iter().map(|publish| publish.priority).max().filter(|_| delivers) else {
        return Some(Taking { end: PublishEnd::ConnectionLost, priority: new.priority });
    };
    // The owner's word is not undone by an encoder of higher priority that tries again by itself.
    let priority = if is_invited { new.priority.max(holder) } else { new.priority };
    (is_invited || new.priority > holder).then_some(Taking { end: PublishEnd::Superseded, priority })
}

async fn start(conn: &mut Conn, new: &NewPublish<'_>) -> Result<Option<Claim>> {
    let row = sqlx::query!(
        r#"
        INSERT INTO streams (stream_id, channel_id, title, description, category_slug, tags, status, ingest_node, started_at,
                             visibility)
        SELECT $1, c.channel_id, coalesce(nullif(c.title, ''), u.display_name || ' live'), c.description, c.category_slug,
               c.tags, 'starting', $3, $4, c.visibility
          FROM channels c
          JOIN users u ON u.user_id = c.channel_id
         WHERE c.channel_id = $2
        ON CONFLICT (channel_id) WHERE status <> 'ended' DO NOTHING
        RETURNING stream_id, title, epoch, visibility, (SELECT username FROM users WHERE user_id = $2) AS "username!"
        "#,
        kit::ids::uuid(),
        new.channel_id.as_uuid(),
        new.node,
        new.at,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let vod_id = kit::ids::uuid();
    sqlx::query!(
        r#"
        INSERT INTO vods (vod_id, stream_id, channel_id, title, description, category_slug, tags, status, object_prefix,
                          created_at, visibility)
        SELECT $1, stream_id, channel_id, title, description, category_slug, tags, 'recording', $3, started_at, visibility
          FROM streams
         WHERE stream_id = $2
        "#,
        vod_id,
        row.stream_id,
        format!("vod/{vod_id}/"),
    )
    .execute(&mut *conn)
    .await?;
    let stream_id = StreamId::from_uuid(row.stream_id);
    Ok(Some(Claim {
        stream_id,
        vod_id: VodId::from_uuid(vod_id),
        publish_id: insert_publish(conn, new, stream_id, row.epoch, new.priority).await?,
        channel_id: new.channel_id,
        username: username(&row.username)?,
        title: row.title,
        epoch: row.epoch,
        started_at: new.at,
        is_resumed: false,
        priority: new.priority,
        visibility: access::visibility(&row.visibility)?,
    }))
}

async fn resume(conn: &mut Conn, new: &NewPublish<'_>, open: &OpenStream, priority: Priority) -> Result<Claim> {
    let row = sqlx::query!(
        r#"
        UPDATE streams s
           SET epoch = epoch + 1, ingest_node = $2, heartbeat_at = now(),
               reconnect_until = CASE WHEN status = 'reconnecting'
                                      THEN greatest(reconnect_until, now() + make_interval(secs => $3)) END
         WHERE stream_id = $1
        RETURNING epoch, title, started_at, visibility, (SELECT vod_id FROM vods v WHERE v.stream_id = s.stream_id) AS "vod_id!"
        "#,
        open.stream_id.as_uuid(),
        new.node,
        RESUME_GRACE_S,
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(Claim {
        stream_id: open.stream_id,
        vod_id: VodId::from_uuid(row.vod_id),
        publish_id: insert_publish(conn, new, open.stream_id, row.epoch, priority).await?,
        channel_id: open.channel_id,
        username: open.username.clone(),
        title: row.title,
        epoch: row.epoch,
        started_at: row.started_at,
        is_resumed: true,
        priority,
        visibility: access::visibility(&row.visibility)?,
    })
}

async fn insert_publish(
    conn: &mut Conn,
    new: &NewPublish<'_>,
    stream_id: StreamId,
    epoch: i32,
    priority: Priority,
) -> Result<PublishId> {
    let publish_id = kit::ids::uuid();
    sqlx::query!(
        r#"
        INSERT INTO publishes (publish_id, stream_id, epoch, addr, client_id, args, app, started_at, priority)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        publish_id,
        stream_id.as_uuid(),
        epoch,
        new.addr,
        new.client_id,
        new.args,
        new.app,
        new.at,
        priority.as_i16(),
    )
    .execute(conn)
    .await?;
    Ok(PublishId::from_uuid(publish_id))
}

/// Whether the owner's offer stands; it is gone with the answer.
async fn spend_offer(conn: &mut Conn, channel: UserId) -> Result<bool> {
    let spent = sqlx::query!(
        "UPDATE channels SET takeover_until = NULL WHERE channel_id = $1 AND takeover_until > now()",
        channel.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(spent.rows_affected() == 1)
}

/// The next encoder may take the channel's stream over for so many seconds from now. Returns until when, or `None` when nobody
/// publishes: then the next one is let in anyway.
pub async fn offer_takeover(conn: &mut Conn, channel: UserId, seconds: u32) -> Result<Option<Timestamp>> {
    let until = sqlx::query_scalar!(
        r#"
        UPDATE channels c SET takeover_until = now() + make_interval(secs => $2)
         WHERE c.channel_id = $1
           AND EXISTS (SELECT FROM streams s
                         JOIN publishes p ON p.stream_id = s.stream_id AND p.ended_at IS NULL
                        WHERE s.channel_id = c.channel_id AND s.status <> 'ended')
        RETURNING takeover_until AS "until!"
        "#,
        channel.as_uuid(),
        f64::from(seconds),
    )
    .fetch_optional(conn)
    .await?;
    Ok(until)
}

/// Takes the owner's offer back, if it stands.
pub async fn withdraw_takeover(conn: &mut Conn, channel: UserId) -> Result<()> {
    spend_offer(conn, channel).await.map(|_| ())
}

/// The encoder a channel is published by now.
#[derive(Debug, Clone)]
pub struct EncoderAtWork {
    pub epoch: i32,
    pub since: Timestamp,
    pub addr: String,
    pub priority: Priority,
    /// Until when the next one may take over, when the owner offered that.
    pub takeover_until: Option<Timestamp>,
}

/// Who publishes for a channel now, if anybody does.
pub async fn encoder_at_work(conn: &mut Conn, channel: UserId) -> Result<Option<EncoderAtWork>> {
    let row = sqlx::query!(
        r#"
        SELECT p.epoch, p.started_at, p.addr, p.priority,
               CASE WHEN c.takeover_until > now() THEN c.takeover_until END AS takeover_until
          FROM channels c
          JOIN streams s ON s.channel_id = c.channel_id AND s.status <> 'ended'
          JOIN publishes p ON p.stream_id = s.stream_id AND p.ended_at IS NULL
         WHERE c.channel_id = $1
         ORDER BY p.epoch DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| EncoderAtWork {
        epoch: row.epoch,
        since: row.started_at,
        addr: row.addr,
        priority: Priority::clamped(row.priority.into()),
        takeover_until: row.takeover_until,
    }))
}
