//! How a stream's media arrives, for its broadcaster and for moderators: the newest verdict, and the seconds behind it.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::ingest::{IngestFindings, IngestIssue, IngestSample, IngestVerdict, STALE_AFTER_MS, Severity};
use domain::stream::StreamStatus;
use domain::{Classify, Kind, Permission, StreamId};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::state::App;

const MINUTES_DEFAULT: u32 = 10;
/// As long as it is kept.
const MINUTES_MAX: u32 = 7 * 24 * 60;
/// Up to here every second is given.
const SECONDS_MINUTES_MAX: u32 = 60;
/// Points of an answer, about.
const POINTS: u32 = 3_600;
/// What one stored row holds, and so the finest step of a long range.
const ROW_S: u32 = 10;
/// Stored seconds come in rows, so the newest stored one is older than the newest one told.
const STORED_STALE_AFTER_MS: i64 = STALE_AFTER_MS + 2 * 1_000 * ROW_S as i64;

#[derive(Debug, thiserror::Error)]
#[error("there is no such stream")]
struct NoStream;

impl Classify for NoStream {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn code(&self) -> &'static str {
        "stream.not-found"
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HealthQuery {
    /// How far back: 1 to 10080 (seven days), 10 unless said. Of an ended stream, from its end.
    #[param(minimum = 1, maximum = 10_080)]
    minutes: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct HealthPath {
    /// The stream's id.
    id: Uuid,
}

/// How a stream's media arrives.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestHealth)]
pub(crate) struct IngestHealth {
    /// Null when the caller has never been on air.
    stream_id: Option<Uuid>,
    /// Of now: `noData` while nothing arrives, while the broadcaster reconnects, and once the stream is over.
    #[schema(value_type = VerdictSchema)]
    verdict: IngestVerdict,
    /// What is wrong now, the worst first.
    #[schema(value_type = Vec<FindingSchema>)]
    issues: IngestFindings,
    /// Seconds from one item to the next. 1: every second. More: of each step the worst ten seconds.
    step_s: u32,
    /// In order of time; seconds in which nothing was measured are left out.
    #[schema(value_type = Vec<SampleSchema>)]
    items: Vec<IngestSample>,
}

/// The words of [`IngestVerdict`].
struct VerdictSchema;

/// The words of [`IngestIssue`].
struct IssueSchema;

/// The words of [`Severity`].
struct SeveritySchema;

macro_rules! words {
    ($schema:ident, $name:literal, $words:ty, $description:literal) => {
        impl PartialSchema for $schema {
            fn schema() -> RefOr<Schema> {
                let words = <$words>::ALL.map(<$words>::as_str);
                let object = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
                object.description(Some($description)).build().into()
            }
        }

        impl ToSchema for $schema {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
        }
    };
}

words!(VerdictSchema, "IngestVerdict", IngestVerdict, "How well a broadcaster's media arrives.");
words!(IssueSchema, "IngestIssue", IngestIssue, "What can be wrong with what arrives.");
words!(SeveritySchema, "IngestSeverity", Severity, "`info` does not change the verdict.");

/// One issue that holds. The shape of `domain::ingest::IngestFinding`, for the document.
#[derive(ToSchema)]
#[schema(as = IngestFinding)]
#[expect(dead_code, reason = "only described, never made")]
struct FindingSchema {
    #[schema(rename = "type")]
    issue: IssueSchema,
    severity: SeveritySchema,
}

/// One second of a publish. The shape of `domain::ingest::IngestSample`, for the document; also what `ingest:health` carries.
#[derive(ToSchema)]
#[schema(as = IngestSample)]
#[expect(dead_code, reason = "only described, never made")]
struct SampleSchema {
    /// The second's end.
    at: DateTime<Utc>,
    /// Grows with each reconnect, from 1.
    epoch: i32,
    verdict: VerdictSchema,
    issues: Vec<FindingSchema>,
    video_kbps: u32,
    audio_kbps: u32,
    /// Frames that arrived in the second.
    fps: f64,
    /// The last distance between two key frames, or the time since the last one when that is longer.
    #[schema(required)]
    keyframe_ms: Option<u32>,
    /// How far the newest picture is ahead of the newest sound.
    #[schema(required)]
    av_offset_ms: Option<i32>,
    /// Sound delivered beyond what its timestamps say.
    #[schema(required)]
    audio_drift_ms: Option<i32>,
    /// How much later than its timestamps media arrived.
    #[schema(required)]
    delay_ms: Option<u32>,
    /// Media time per real time over ten seconds.
    #[schema(required)]
    pace: Option<f64>,
    /// Media waiting inside the server.
    queue_ms: u32,
}

/// How the caller's stream arrives: the one on air, else the last one.
#[utoipa::path(
    get,
    path = "/api/v1/me/stream/health",
    operation_id = "my_ingest_health",
    params(HealthQuery),
    responses(
        (status = 200, description = "Verdict and seconds", body = IngestHealth),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn my_ingest_health(
    State(app): State<App>,
    account: Account,
    Query(query): Query<HealthQuery>,
) -> Result<Json<IngestHealth>, Problem> {
    let minutes = minutes(&query)?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let Some(head) = db::health::latest_of(&mut conn, account.id).await? else {
        return Ok(Json(IngestHealth {
            stream_id: None,
            verdict: IngestVerdict::NoData,
            issues: IngestFindings::default(),
            step_s: step_s(minutes),
            items: Vec::new(),
        }));
    };
    let items = stored(&mut conn, head, minutes).await?;
    drop(conn);
    Ok(Json(health(&app, head, step_s(minutes), items).await))
}

/// How a stream arrives. Its broadcaster and moderators may ask; for others there is no such stream.
#[utoipa::path(
    get,
    path = "/api/v1/streams/{id}/health",
    operation_id = "ingest_health",
    params(HealthPath, HealthQuery),
    responses(
        (status = 200, description = "Verdict and seconds", body = IngestHealth),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "streams",
)]
pub(crate) async fn ingest_health(
    State(app): State<App>,
    account: Account,
    Path(path): Path<HealthPath>,
    Query(query): Query<HealthQuery>,
) -> Result<Json<IngestHealth>, Problem> {
    let minutes = minutes(&query)?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let head = db::health::head(&mut conn, StreamId::from_uuid(path.id)).await?.ok_or(NoStream)?;
    if head.channel != account.id && !account.may(&mut conn, Permission::SeeStreams).await? {
        return Err(NoStream.into());
    }
    let items = stored(&mut conn, head, minutes).await?;
    drop(conn);
    Ok(Json(health(&app, head, step_s(minutes), items).await))
}

fn minutes(query: &HealthQuery) -> Result<u32, Problem> {
    match query.minutes.unwrap_or(MINUTES_DEFAULT) {
        minutes @ 1..=MINUTES_MAX => Ok(minutes),
        _ => Err(domain::error::Invalid::new("minutes", "must be 1 to 10080").into()),
    }
}

/// Every second of an hour; of longer ranges as few steps as a screen can show.
fn step_s(minutes: u32) -> u32 {
    match minutes {
        0..=SECONDS_MINUTES_MAX => 1,
        minutes => (minutes * 60).div_ceil(POINTS).next_multiple_of(ROW_S),
    }
}

async fn stored(conn: &mut db::Conn, head: db::health::Head, minutes: u32) -> db::Result<Vec<IngestSample>> {
    let until = head.ended_at.unwrap_or_else(kit::clock::now);
    let since = until - chrono::TimeDelta::minutes(i64::from(minutes));
    match step_s(minutes) {
        1 => db::health::seconds(conn, head.stream, since).await,
        step_s => db::health::steps(conn, head.stream, since, step_s).await,
    }
}

async fn health(app: &App, head: db::health::Head, step_s: u32, items: Vec<IngestSample>) -> IngestHealth {
    let current = match head.status {
        StreamStatus::Starting | StreamStatus::Live => current(app, head.stream, &items).await,
        StreamStatus::Reconnecting | StreamStatus::Ended => None,
    };
    IngestHealth {
        stream_id: Some(head.stream.as_uuid()),
        verdict: current.map_or(IngestVerdict::NoData, |sample| sample.verdict),
        issues: current.map(|sample| sample.issues).unwrap_or_default(),
        step_s,
        items,
    }
}

/// The newest second anybody knows of, unless it is too old to speak for now.
async fn current(app: &App, stream: StreamId, stored: &[IngestSample]) -> Option<IngestSample> {
    let now = kit::clock::now();
    let age_ms = |sample: &IngestSample| (now - sample.at).num_milliseconds();
    match live::health::newest(&app.live, stream).await {
        Ok(told) => told.filter(|sample| age_ms(sample) <= STALE_AFTER_MS),
        Err(error) => {
            tracing::debug!(%error, "the newest second is not known; a stored one stands in");
            stored.last().copied().filter(|sample| age_ms(sample) <= STORED_STALE_AFTER_MS)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn properties(schema: RefOr<Schema>) -> BTreeSet<String> {
        let RefOr::T(Schema::Object(object)) = schema else { panic!("an object") };
        object.properties.keys().cloned().collect()
    }

    fn keys(value: &serde_json::Value) -> BTreeSet<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn the_document_describes_what_is_sent() {
        let mut sample = IngestSample::no_data(kit::clock::now(), 1);
        sample.issues.add(IngestIssue::BFrames, Severity::Info);
        let sent = serde_json::to_value(sample).expect("JSON");
        assert_eq!(properties(SampleSchema::schema()), keys(&sent));
        assert_eq!(properties(FindingSchema::schema()), keys(&sent["issues"][0]));
    }

    #[test]
    fn a_range_never_has_more_points_than_a_screen() {
        assert_eq!([1, 60, 61, 600, 601, MINUTES_MAX].map(step_s), [1, 1, 10, 10, 20, 170]);
    }
}
