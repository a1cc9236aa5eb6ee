//! SQL for ingest health: seconds of streams in rows of about ten, kept for seven days.

use domain::ingest::IngestSample;
use domain::stream::StreamStatus;
use domain::{StreamId, Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};

/// How far one row's samples may lie behind its beginning.
const ROW_SPAN_S: i64 = 60;
/// Rows dropped in one statement.
pub const PRUNE_ROWS: u64 = 5_000;

/// Seconds of one stream that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    pub stream: StreamId,
    pub samples: Vec<IngestSample>,
}

/// Whose a stream is and whether it runs.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub stream: StreamId,
    pub channel: UserId,
    pub status: StreamStatus,
    pub ended_at: Option<Timestamp>,
}

struct HeadRow {
    stream_id: uuid::Uuid,
    channel_id: uuid::Uuid,
    status: String,
    ended_at: Option<Timestamp>,
}

impl TryFrom<HeadRow> for Head {
    type Error = DbError;

    fn try_from(row: HeadRow) -> Result<Self> {
        Ok(Self {
            stream: StreamId::from_uuid(row.stream_id),
            channel: UserId::from_uuid(row.channel_id),
            status: StreamStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "stream status" })?,
            ended_at: row.ended_at,
        })
    }
}

/// Stores stretches; those of streams that are gone are left out, and a stretch that is there already changes nothing.
pub async fn insert(conn: &mut Conn, stretches: &[Stretch]) -> Result<()> {
    let (mut streams, mut begins, mut samples, mut summaries, mut ranks) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for stretch in stretches {
        let (Some(first), Some(summary)) = (stretch.samples.first(), IngestSample::summary(&stretch.samples)) else {
            continue;
        };
        streams.push(stretch.stream.as_uuid());
        begins.push(first.at);
        samples.push(json(&stretch.samples)?);
        summaries.push(json(&summary)?);
        ranks.push(i16::from(summary.verdict.rank()));
    }
    sqlx::query!(
        r#"
        INSERT INTO ingest_health (stream_id, began_at, samples, summary, rank)
        SELECT fresh.*
          FROM UNNEST($1::uuid[], $2::timestamptz[], $3::jsonb[], $4::jsonb[], $5::smallint[])
            AS fresh (stream_id, began_at, samples, summary, rank)
         WHERE EXISTS (SELECT FROM streams s WHERE s.stream_id = fresh.stream_id)
            ON CONFLICT DO NOTHING
        "#,
        &streams,
        &begins,
        &samples,
        &summaries,
        &ranks,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A stream, `starting` ones included.
pub async fn head(conn: &mut Conn, stream: StreamId) -> Result<Option<Head>> {
    sqlx::query_as!(
        HeadRow,
        "SELECT stream_id, channel_id, status, ended_at FROM streams WHERE stream_id = $1",
        stream.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Head::try_from)
    .transpose()
}

/// A channel's stream that is not over, else its last one.
pub async fn latest_of(conn: &mut Conn, channel: UserId) -> Result<Option<Head>> {
    sqlx::query_as!(
        HeadRow,
        r#"
        SELECT stream_id, channel_id, status, ended_at
          FROM streams
         WHERE channel_id = $1
         ORDER BY started_at DESC
         LIMIT 1
        "#,
        channel.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Head::try_from)
    .transpose()
}

/// Every stored second of a stream after `since`, in order.
pub async fn seconds(conn: &mut Conn, stream: StreamId, since: Timestamp) -> Result<Vec<IngestSample>> {
    let rows = sqlx::query_scalar!(
        r#"
        SELECT samples
          FROM ingest_health
         WHERE stream_id = $1
           AND began_at > $2::timestamptz - make_interval(secs => $3::float8)
         ORDER BY began_at
        "#,
        stream.as_uuid(),
        since,
        ROW_SPAN_S as f64,
    )
    .fetch_all(conn)
    .await?;
    let mut seconds = Vec::with_capacity(rows.len() * 10);
    for row in rows {
        let samples: Vec<IngestSample> = sample(row)?;
        seconds.extend(samples.into_iter().filter(|sample| sample.at > since));
    }
    Ok(seconds)
}

/// Of each `step_s` seconds after `since` the worst stretch as one sample, in order.
pub async fn steps(conn: &mut Conn, stream: StreamId, since: Timestamp, step_s: u32) -> Result<Vec<IngestSample>> {
    let rows = sqlx::query_scalar!(
        r#"
        SELECT summary
          FROM (SELECT DISTINCT ON (step) step, summary
                  FROM (SELECT date_bin(make_interval(secs => $3::float8), began_at, 'epoch'::timestamptz) AS step,
                               began_at, rank, summary
                          FROM ingest_health
                         WHERE stream_id = $1
                           AND began_at > $2) AS stretches
                 ORDER BY step, rank DESC, began_at) AS worst
         ORDER BY step
        "#,
        stream.as_uuid(),
        since,
        f64::from(step_s),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(sample).collect()
}

/// Drops what is older than seven days, in a bounded bite. Returns how many rows went.
pub async fn prune(conn: &mut Conn) -> Result<u64> {
    let done = sqlx::query!(
        r#"
        DELETE FROM ingest_health
         WHERE (stream_id, began_at) IN (SELECT stream_id, began_at FROM ingest_health
                                          WHERE began_at < now() - interval '7 days' LIMIT $1)
        "#,
        PRUNE_ROWS as i64,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

fn json(value: &impl serde::Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|_| DbError::Corrupt { what: "ingest sample" })
}

fn sample<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|_| DbError::Corrupt { what: "ingest sample" })
}
