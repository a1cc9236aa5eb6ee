//! SQL for who watched: minutes of streams, days that are left of them, and whom each stream reached.

mod reading;

use domain::{StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

pub use reading::{DayRow, MinuteRow, Reached, StreamHead, StreamRow, days, head, minutes, reached, streams};

/// Rows of minutes looked at for one bite of thinning.
pub const THIN_ROWS: i64 = 5_000;
/// A stream's audience is written down this long after its end, when its last minute has been counted.
pub const CLOSE_AFTER_S: f64 = 240.0;
/// Streams that ended longer ago are not looked at again: Redis has forgotten them.
const CLOSE_WITHIN_S: f64 = 2.0 * 86_400.0;

/// A stream on air.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Airing {
    pub stream: StreamId,
    pub username: String,
}

/// Who watched at one moment. What is not known is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub stream: StreamId,
    pub viewers: u64,
    /// Of them those who only read playlists.
    pub players: Option<u64>,
    pub sockets: Option<u64>,
}

/// A minute whose lines and follows are to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The minute's beginning.
    pub minute: Timestamp,
    /// Lines said; a stream that is not named has none. `None`: nobody knows.
    pub lines: Option<Vec<(StreamId, i64)>>,
}

/// Where viewers came from, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCount {
    pub host: String,
    pub viewers: i64,
}

/// Whom a stream reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    pub viewers: i64,
    pub pages: i64,
    pub embeds: i64,
    pub players: i64,
    pub hosts: Vec<HostCount>,
    pub others: i64,
}

fn small(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// What is on air, the longest first.
pub async fn on_air(conn: &mut Conn, limit: i64) -> Result<Vec<Airing>> {
    let rows = sqlx::query!(
        r#"
        SELECT s.stream_id, u.username
          FROM streams s JOIN users u ON u.user_id = s.channel_id
         WHERE s.status IN ('live', 'reconnecting')
         ORDER BY s.started_at
         LIMIT $1
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let airing =
        rows.into_iter().map(|row| Airing { stream: StreamId::from_uuid(row.stream_id), username: row.username });
    Ok(airing.collect())
}

/// Writes one minute of many streams. Of two writers the greater number holds; streams that are gone are left out.
pub async fn note(conn: &mut Conn, minute: Timestamp, samples: &[Sample]) -> Result<()> {
    let streams: Vec<Uuid> = samples.iter().map(|sample| sample.stream.as_uuid()).collect();
    let viewers: Vec<i32> = samples.iter().map(|sample| small(sample.viewers)).collect();
    let players: Vec<Option<i32>> = samples.iter().map(|sample| sample.players.map(small)).collect();
    let sockets: Vec<Option<i32>> = samples.iter().map(|sample| sample.sockets.map(small)).collect();
    sqlx::query!(
        r#"
        INSERT INTO stream_minutes (stream_id, minute, viewers, players, sockets)
        SELECT fresh.stream_id, $1::timestamptz, fresh.viewers, fresh.players, fresh.sockets
          FROM UNNEST($2::uuid[], $3::int[], $4::int[], $5::int[]) AS fresh (stream_id, viewers, players, sockets)
         WHERE EXISTS (SELECT FROM streams s WHERE s.stream_id = fresh.stream_id)
            ON CONFLICT (stream_id, minute) DO UPDATE
           SET viewers = greatest(stream_minutes.viewers, excluded.viewers),
               players = greatest(stream_minutes.players, excluded.players),
               sockets = greatest(stream_minutes.sockets, excluded.sockets)
        "#,
        minute,
        &streams,
        &viewers,
        &players as &[Option<i32>],
        &sockets as &[Option<i32>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the lines said and the followers won in whole minutes, for every stream that was on air in them. Of two writers the
/// greater number holds.
pub async fn tally(conn: &mut Conn, tallies: &[Tally], limit: i64) -> Result<()> {
    let minutes: Vec<Timestamp> = tallies.iter().map(|tally| tally.minute).collect();
    let known: Vec<bool> = tallies.iter().map(|tally| tally.lines.is_some()).collect();
    let (mut said_in, mut said_on, mut said) = (Vec::new(), Vec::new(), Vec::new());
    for tally in tallies {
        for (stream, count) in tally.lines.iter().flatten() {
            said_in.push(tally.minute);
            said_on.push(stream.as_uuid());
            said.push(i32::try_from(*count).unwrap_or(i32::MAX));
        }
    }
    sqlx::query!(
        r#"
        WITH aired AS (
        (SELECT stream_id, channel_id, started_at, ended_at
           FROM streams
          WHERE status IN ('live', 'reconnecting')
          ORDER BY started_at
          LIMIT $6)
        UNION ALL
        (SELECT stream_id, channel_id, started_at, ended_at
           FROM streams
          WHERE status = 'ended'
            AND ended_at > (SELECT min(m) FROM UNNEST($1::timestamptz[]) AS m)
            AND end_reason IS DISTINCT FROM 'never_delivered'
          LIMIT $6)
        )
        INSERT INTO stream_minutes (stream_id, minute, lines, follows)
        SELECT a.stream_id, m.minute,
               CASE WHEN m.is_known THEN coalesce(said.count, 0) END,
               (SELECT count(*)::int
                  FROM follows f
                 WHERE f.channel_id = a.channel_id
                   AND f.created_at >= greatest(m.minute, a.started_at)
                   AND f.created_at < least(m.minute + interval '1 minute', a.ended_at))
          FROM UNNEST($1::timestamptz[], $2::bool[]) AS m (minute, is_known)
          JOIN aired a ON a.started_at < m.minute + interval '1 minute' AND coalesce(a.ended_at > m.minute, true)
          LEFT JOIN UNNEST($3::timestamptz[], $4::uuid[], $5::int[]) AS said (minute, stream_id, count)
                 ON said.minute = m.minute AND said.stream_id = a.stream_id
            ON CONFLICT (stream_id, minute) DO UPDATE
           SET lines = greatest(stream_minutes.lines, excluded.lines),
               follows = greatest(stream_minutes.follows, excluded.follows)
        "#,
        &minutes,
        &known,
        &said_in,
        &said_on,
        &said,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Streams that are over and whose audience is not written down, the first to end first.
pub async fn unclosed(conn: &mut Conn, limit: i64) -> Result<Vec<StreamId>> {
    let ids = sqlx::query_scalar!(
        r#"
        SELECT s.stream_id
          FROM streams s
         WHERE s.status = 'ended'
           AND s.ended_at < now() - make_interval(secs => $1)
           AND s.ended_at > now() - make_interval(secs => $2)
           AND NOT EXISTS (SELECT FROM stream_audiences a WHERE a.stream_id = s.stream_id)
         ORDER BY s.ended_at
         LIMIT $3
        "#,
        CLOSE_AFTER_S,
        CLOSE_WITHIN_S,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(StreamId::from_uuid).collect())
}

/// Writes down whom a stream reached, once. `None`: nobody knows. Returns whether this made a difference.
pub async fn close(conn: &mut Conn, stream: StreamId, audience: Option<&Audience>) -> Result<bool> {
    let hosts = audience.map(|audience| audience.hosts.as_slice()).unwrap_or_default();
    let hosts = serde_json::to_value(hosts).map_err(|_| DbError::Corrupt { what: "hosts" })?;
    let done = sqlx::query!(
        r#"
        INSERT INTO stream_audiences (stream_id, viewers, pages, embeds, players, hosts, others)
        SELECT s.stream_id, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::jsonb, $7::bigint
          FROM streams s
         WHERE s.stream_id = $1
            ON CONFLICT DO NOTHING
        "#,
        stream.as_uuid(),
        audience.map(|audience| audience.viewers),
        audience.map(|audience| audience.pages),
        audience.map(|audience| audience.embeds),
        audience.map(|audience| audience.players),
        hosts,
        audience.map_or(0, |audience| audience.others),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes whole days (UTC) of minutes older than so many days, in a bounded bite. Returns how many minutes went. Interrupted or
/// done by two at once, no minute is lost or counted twice: it goes in the statement that adds it to its day.
pub async fn thin(conn: &mut Conn, keep_days: i32) -> Result<u64> {
    let gone = sqlx::query_scalar!(
        r#"
        WITH cut AS (
        SELECT date_trunc('day', now(), 'UTC') - make_interval(days => $1) AS at
        ), old AS (
        SELECT DISTINCT stream_id, date_trunc('day', minute, 'UTC') AS day
          FROM (SELECT stream_id, minute
                  FROM stream_minutes
                 WHERE minute < (SELECT at FROM cut)
                 ORDER BY minute
                 LIMIT $2) AS bite
        ), gone AS (
        DELETE FROM stream_minutes m
         USING old
         WHERE m.stream_id = old.stream_id
           AND m.minute >= old.day
           AND m.minute < old.day + interval '24 hours'
        RETURNING m.stream_id, old.day, m.viewers, m.lines, m.follows
        ), kept AS (
        INSERT INTO stream_days (stream_id, day, minutes, counted, viewer_minutes, peak, lines, follows)
        SELECT stream_id, (day AT TIME ZONE 'UTC')::date, count(*), count(viewers), coalesce(sum(viewers), 0), max(viewers),
               sum(lines), coalesce(sum(follows), 0)
          FROM gone
         GROUP BY 1, 2
            ON CONFLICT (stream_id, day) DO UPDATE
           SET minutes = stream_days.minutes + excluded.minutes,
               counted = stream_days.counted + excluded.counted,
               viewer_minutes = stream_days.viewer_minutes + excluded.viewer_minutes,
               peak = greatest(stream_days.peak, excluded.peak),
               lines = CASE WHEN stream_days.lines IS NULL THEN excluded.lines
                            ELSE stream_days.lines + coalesce(excluded.lines, 0) END,
               follows = stream_days.follows + excluded.follows
        )
        SELECT count(*) AS "count!" FROM gone
        "#,
        keep_days,
        THIN_ROWS,
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(gone).unwrap_or(0))
}
