//! What was written, as its broadcaster reads it. Days are those of UTC.

use chrono::NaiveDate;
use domain::stream::StreamStatus;
use domain::{StreamId, Timestamp, UserId};

use super::{Audience, HostCount};
use crate::Conn;
use crate::error::{DbError, Result};

/// One day of a channel. A day without a stream has no minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    pub day: NaiveDate,
    /// Minutes on air, and those of them in which viewers were counted.
    pub minutes: i64,
    pub counted: i64,
    pub viewer_minutes: i64,
    pub peak: Option<i64>,
    pub lines: Option<i64>,
    /// Who followed on this day and still does, on air or not.
    pub follows: i64,
}

/// One stream and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    pub id: StreamId,
    pub title: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub minutes: i64,
    pub counted: i64,
    pub viewer_minutes: i64,
    /// The most viewers at any moment, not only at those that were written down.
    pub peak: Option<i64>,
    pub lines: Option<i64>,
    pub follows: i64,
    pub unique: Option<i64>,
}

/// One step of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteRow {
    pub at: Timestamp,
    pub viewers: Option<i64>,
    pub players: Option<i64>,
    pub sockets: Option<i64>,
    pub lines: Option<i64>,
    pub follows: Option<i64>,
}

/// Whose a stream is, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHead {
    pub channel: UserId,
    pub status: StreamStatus,
    pub row: StreamRow,
    /// Minutes that are kept only as days.
    pub is_thinned: bool,
    /// Written after the stream's end, and only if anybody knew.
    pub audience: Option<Audience>,
}

/// Whom several streams reached, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Streams whose audience is known, and those whose is not.
    pub known: i64,
    pub unknown: i64,
    /// The most viewers any of them had at one moment.
    pub peak: Option<i64>,
    pub audience: Audience,
}

/// Each day of a channel from `from` to `to`, both included.
pub async fn days(conn: &mut Conn, channel: UserId, from: NaiveDate, to: NaiveDate) -> Result<Vec<DayRow>> {
    let rows = sqlx::query_as!(
        DayRow,
        r#"
        WITH span AS (
        SELECT $2::date::timestamp AT TIME ZONE 'UTC' AS since,
               ($3::date + 1)::timestamp AT TIME ZONE 'UTC' AS until
        ), parts AS (
        SELECT (m.minute AT TIME ZONE 'UTC')::date AS day, 1::bigint AS minutes, (m.viewers IS NOT NULL)::int::bigint AS counted,
               coalesce(m.viewers, 0)::bigint AS viewer_minutes, m.viewers AS peak, m.lines::bigint AS lines
          FROM span
          JOIN streams s ON s.channel_id = $1 AND s.started_at < span.until AND coalesce(s.ended_at >= span.since, true)
          JOIN stream_minutes m ON m.stream_id = s.stream_id AND m.minute >= span.since AND m.minute < span.until
        UNION ALL
        SELECT d.day, d.minutes, d.counted, d.viewer_minutes, d.peak, d.lines
          FROM streams s JOIN stream_days d USING (stream_id)
         WHERE s.channel_id = $1 AND d.day BETWEEN $2 AND $3
        ), sums AS (
        SELECT day, sum(minutes) AS minutes, sum(counted) AS counted, sum(viewer_minutes) AS viewer_minutes,
               max(peak) AS peak, sum(lines) AS lines
          FROM parts
         GROUP BY day
        ), fresh AS (
        SELECT (f.created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS follows
          FROM span JOIN follows f ON f.channel_id = $1 AND f.created_at >= span.since AND f.created_at < span.until
         GROUP BY 1
        )
        SELECT each.day::date AS "day!", coalesce(sums.minutes, 0)::bigint AS "minutes!",
               coalesce(sums.counted, 0)::bigint AS "counted!", coalesce(sums.viewer_minutes, 0)::bigint AS "viewer_minutes!",
               sums.peak::bigint AS peak, sums.lines::bigint AS lines, coalesce(fresh.follows, 0) AS "follows!"
          FROM generate_series($2::date::timestamp, $3::date::timestamp, interval '1 day') AS each (day)
          LEFT JOIN sums ON sums.day = each.day::date
          LEFT JOIN fresh ON fresh.day = each.day::date
         ORDER BY each.day
        "#,
        channel.as_uuid(),
        from,
        to,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The channel's streams that began on these days, latest first.
pub async fn streams(
    conn: &mut Conn,
    channel: UserId,
    (from, to): (NaiveDate, NaiveDate),
    limit: i64,
) -> Result<Vec<StreamRow>> {
    let rows = sqlx::query!(
        r#"
        SELECT s.stream_id, s.title, s.started_at, s.ended_at, s.peak_viewers, a.viewers AS "unique?",
               t.minutes AS "minutes!", t.counted AS "counted!", t.viewer_minutes AS "viewer_minutes!", t.peak AS "peak?",
               t.lines AS "lines?", t.follows AS "follows!"
          FROM streams s
          LEFT JOIN stream_audiences a USING (stream_id)
         CROSS JOIN LATERAL stream_totals(s.stream_id) AS t
         WHERE s.channel_id = $1
           AND s.status <> 'starting'
           AND s.end_reason IS DISTINCT FROM 'never_delivered'
           AND s.started_at >= $2::date::timestamp AT TIME ZONE 'UTC'
           AND s.started_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
         ORDER BY s.started_at DESC
         LIMIT $4
        "#,
        channel.as_uuid(),
        from,
        to,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let streams = rows.into_iter().map(|row| StreamRow {
        id: StreamId::from_uuid(row.stream_id),
        title: row.title,
        started_at: row.started_at,
        ended_at: row.ended_at,
        minutes: row.minutes,
        counted: row.counted,
        viewer_minutes: row.viewer_minutes,
        peak: peak(row.peak, row.peak_viewers),
        lines: row.lines,
        follows: row.follows,
        unique: row.unique,
    });
    Ok(streams.collect())
}

/// A stream that nobody counted has a peak of 0, which says nothing.
fn peak(written: Option<i64>, seen: i64) -> Option<i64> {
    written.max((seen > 0).then_some(seen))
}

/// One stream, whoever's it is.
pub async fn head(conn: &mut Conn, stream: StreamId) -> Result<Option<StreamHead>> {
    let row = sqlx::query!(
        r#"
        SELECT s.channel_id, s.status, s.title, s.started_at, s.ended_at, s.peak_viewers, a.viewers AS "viewers?",
               a.pages AS "pages?", a.embeds AS "embeds?", a.players AS "players?", a.hosts AS "hosts?", a.others AS "others?",
               t.minutes AS "minutes!", t.counted AS "counted!", t.viewer_minutes AS "viewer_minutes!", t.peak AS "peak?",
               t.lines AS "lines?", t.follows AS "follows!",
               EXISTS (SELECT FROM stream_days d WHERE d.stream_id = s.stream_id) AS "is_thinned!"
          FROM streams s
          LEFT JOIN stream_audiences a USING (stream_id)
         CROSS JOIN LATERAL stream_totals(s.stream_id) AS t
         WHERE s.stream_id = $1
           AND s.status <> 'starting'
        "#,
        stream.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let audience = row.viewers.map(|viewers| {
        Ok::<_, DbError>(Audience {
            viewers,
            pages: row.pages.unwrap_or(0),
            embeds: row.embeds.unwrap_or(0),
            players: row.players.unwrap_or(0),
            hosts: row.hosts.map(hosts).transpose()?.unwrap_or_default(),
            others: row.others.unwrap_or(0),
        })
    });
    Ok(Some(StreamHead {
        channel: UserId::from_uuid(row.channel_id),
        status: StreamStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "stream status" })?,
        row: StreamRow {
            id: stream,
            title: row.title,
            started_at: row.started_at,
            ended_at: row.ended_at,
            minutes: row.minutes,
            counted: row.counted,
            viewer_minutes: row.viewer_minutes,
            peak: peak(row.peak, row.peak_viewers),
            lines: row.lines,
            follows: row.follows,
            unique: row.viewers,
        },
        is_thinned: row.is_thinned,
        audience: audience.transpose()?,
    }))
}

fn hosts(value: serde_json::Value) -> Result<Vec<HostCount>> {
    serde_json::from_value(value).map_err(|_| DbError::Corrupt { what: "hosts" })
}

/// What is kept of a stream's minutes, `step` of them as one: the most viewers of each step, lines and follows added up. Steps
/// nobody wrote are left out.
pub async fn minutes(conn: &mut Conn, stream: StreamId, step: i32) -> Result<Vec<MinuteRow>> {
    let rows = sqlx::query_as!(
        MinuteRow,
        r#"
        SELECT date_bin(make_interval(mins => $2), minute, 'epoch'::timestamptz) AS "at!", max(viewers)::bigint AS viewers,
               max(players)::bigint AS players, max(sockets)::bigint AS sockets, sum(lines)::bigint AS lines,
               sum(follows)::bigint AS follows
          FROM stream_minutes
         WHERE stream_id = $1
         GROUP BY 1
         ORDER BY 1
        "#,
        stream.as_uuid(),
        step,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Whom the streams of a channel that began on these days reached, added up: who came to two of them counts twice.
pub async fn reached(
    conn: &mut Conn,
    channel: UserId,
    (from, to): (NaiveDate, NaiveDate),
    hosts_max: i64,
) -> Result<Reached> {
    let sums = sqlx::query!(
        r#"
        SELECT count(a.viewers) AS "known!", count(*) - count(a.viewers) AS "unknown!",
               coalesce(sum(a.viewers), 0)::bigint AS "viewers!", coalesce(sum(a.pages), 0)::bigint AS "pages!",
               coalesce(sum(a.embeds), 0)::bigint AS "embeds!", coalesce(sum(a.players), 0)::bigint AS "players!",
               coalesce(sum(a.others), 0)::bigint AS "others!", max(s.peak_viewers) AS peak
          FROM streams s
          LEFT JOIN stream_audiences a USING (stream_id)
         WHERE s.channel_id = $1
           AND s.status <> 'starting'
           AND s.end_reason IS DISTINCT FROM 'never_delivered'
           AND s.started_at >= $2::date::timestamp AT TIME ZONE 'UTC'
           AND s.started_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
        "#,
        channel.as_uuid(),
        from,
        to,
    )
    .fetch_one(&mut *conn)
    .await?;
    let hosts = sqlx::query!(
        r#"
        SELECT h.host AS "host!", sum(h.viewers)::bigint AS "viewers!", sum(sum(h.viewers)) OVER ()::bigint AS "all!"
          FROM streams s
          JOIN stream_audiences a USING (stream_id)
         CROSS JOIN LATERAL jsonb_to_recordset(a.hosts) AS h (host text, viewers bigint)
         WHERE s.channel_id = $1
           AND s.started_at >= $2::date::timestamp AT TIME ZONE 'UTC'
           AND s.started_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
         GROUP BY h.host
         ORDER BY 2 DESC, 1
         LIMIT $4
        "#,
        channel.as_uuid(),
        from,
        to,
        hosts_max,
    )
    .fetch_all(conn)
    .await?;
    let all = hosts.first().map_or(0, |host| host.all);
    let hosts: Vec<HostCount> =
        hosts.into_iter().map(|host| HostCount { host: host.host, viewers: host.viewers }).collect();
    let named: i64 = hosts.iter().map(|host| host.viewers).sum();
    Ok(Reached {
        known: sums.known,
        unknown: sums.unknown,
        peak: peak(None, sums.peak.unwrap_or(0)),
        audience: Audience {
            viewers: sums.viewers,
            pages: sums.pages,
            embeds: sums.embeds,
            players: sums.players,
            hosts,
            others: sums.others + (all - named),
        },
    })
}
