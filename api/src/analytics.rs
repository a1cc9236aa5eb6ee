//! Who watched: a channel over days, and one stream minute by minute. For its owner; one stream also for administrators.

mod csv;
mod shapes;

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Days, NaiveDate, TimeDelta};
use db::analytics::{Audience, DayRow, HostCount, MinuteRow, Reached, StreamHead};
use domain::error::Invalid;
use domain::stream::StreamStatus;
use domain::{Classify, Kind, Permission, StreamId, Timestamp};
use http::HeaderMap;
use http::header::ACCEPT;
use kit::Problem;
use kit::problem::ProblemBody;
use live::audience::HOSTS_MAX;
use live::limits::Quota;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::csv::{range_csv, steps_csv};
use self::shapes::{ChannelAnalytics, Period, Sources, Step, StreamAnalytics, StreamLine};
use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::state::App;

/// Days of a range unless it is said, and at most.
const DAYS_DEFAULT: u64 = 28;
const DAYS_MAX: i64 = 366;
/// Streams of a range that are listed, the latest of them. Sums are of all.
const STREAMS_MAX: usize = 200;
/// Steps of one stream: of an answer that is drawn, and of a table.
const STEPS_MAX: i64 = 1_500;
const ROWS_MAX: i64 = 10_080;
/// Minutes a step may have.
const STEPS: [i32; 10] = [1, 2, 5, 10, 15, 30, 60, 180, 720, 1_440];
/// Each costs a look at up to two years of rows.
const QUESTIONS: Quota = Quota::new(60, Duration::from_secs(60));
/// Nobody streamed before, and Postgres's calendar goes on for long after.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();

#[derive(Debug, thiserror::Error)]
enum AnalyticsError {
    #[error("there is no such stream")]
    NoStream,
    #[error("too many questions; wait a while")]
    Throttled(Duration),
}

impl Classify for AnalyticsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoStream => Kind::NotFound,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoStream => "stream.not-found",
            Self::Throttled(_) => "analytics.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::NoStream => None,
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AnalyticsFormat)]
pub(crate) enum Format {
    Json,
    Csv,
}

/// Which table of a range is written as CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AnalyticsTable)]
pub(crate) enum Table {
    #[default]
    Days,
    Streams,
    Sources,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RangeQuery {
    /// The first day (UTC), such as `2026-01-31`; 28 days before the end unless said.
    from: Option<NaiveDate>,
    /// The last day, included; today unless said. A range has at most 366 days.
    to: Option<NaiveDate>,
    /// `csv`, as a file; so does `Accept: text/csv`.
    #[param(inline)]
    format: Option<Format>,
    /// Of a CSV: the days, the streams or where viewers came from.
    #[param(inline)]
    table: Option<Table>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// `csv`, as a file; so does `Accept: text/csv`.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StreamPath {
    /// The stream's id.
    id: Uuid,
}

/// Who watched the caller's channel over a range of days, beside as many days before.
#[utoipa::path(
    get,
    path = "/api/v1/me/analytics",
    operation_id = "my_analytics",
    params(RangeQuery),
    responses(
        (status = 200, description = "Sums, days, streams and sources; or one table as CSV", content((ChannelAnalytics = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn my_analytics(
    State(app): State<App>,
    account: Account,
    headers: HeaderMap,
    Query(query): Query<RangeQuery>,
) -> Result<Response, Problem> {
    let range = range(&query, kit::clock::now().date_naive())?;
    throttle(&app, &account).await?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let id = account.id;
    let (days, reached) = period(&mut conn, id, range).await?;
    let limit = i64::try_from(STREAMS_MAX + 1).unwrap_or(i64::MAX);
    let mut streams = db::analytics::streams(&mut conn, id, range, limit).await?;
    if wants_csv(query.format, &headers) {
        drop(conn);
        streams.truncate(STREAMS_MAX);
        return Ok(range_csv(range, query.table.unwrap_or_default(), days, streams, reached.audience));
    }
    let before = before(range);
    let (days_before, reached_before) = period(&mut conn, id, before).await?;
    drop(conn);
    let is_cut = streams.len() > STREAMS_MAX;
    streams.truncate(STREAMS_MAX);
    Ok(Json(ChannelAnalytics {
        before: Period::of(before, days_before, &reached_before),
        range: Period::of(range, days, &reached),
        sources: reached.audience.into(),
        streams: streams.into_iter().map(StreamLine::from).collect(),
        is_cut,
    })
    .into_response())
}

/// Who watched one stream, minute by minute. For its broadcaster and administrators; for others there is no such stream.
#[utoipa::path(
    get,
    path = "/api/v1/me/analytics/streams/{id}",
    operation_id = "my_stream_analytics",
    params(StreamPath, StreamQuery),
    responses(
        (status = 200, description = "Sums, minutes and sources; or the minutes as CSV", content((StreamAnalytics = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn my_stream_analytics(
    State(app): State<App>,
    account: Account,
    headers: HeaderMap,
    Path(path): Path<StreamPath>,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Problem> {
    throttle(&app, &account).await?;
    let id = StreamId::from_uuid(path.id);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let head = db::analytics::head(&mut conn, id).await?.ok_or(AnalyticsError::NoStream)?;
    if head.channel != account.id && !account.may(&mut conn, Permission::SeeAnalytics).await? {
        return Err(AnalyticsError::NoStream.into());
    }
    let is_csv = wants_csv(query.format, &headers);
    let now = kit::clock::now();
    let step = step_of(&head, now, if is_csv { ROWS_MAX } else { STEPS_MAX });
    let rows = db::analytics::minutes(&mut conn, id, step).await?;
    drop(conn);
    let items = filled(&head, rows, step, now);
    if is_csv {
        return Ok(steps_csv(&head, items));
    }
    let sources = match head.audience.clone() {
        Some(audience) => Some(audience),
        None => so_far(&app, id).await,
    };
    let mut stream = StreamLine::from(head.row);
    if stream.totals.unique_viewers.is_none() {
        stream.totals.unique_viewers = sources.as_ref().map(|audience| audience.viewers);
    }
    Ok(Json(StreamAnalytics {
        stream,
        is_live: head.status != StreamStatus::Ended,
        step_minutes: step,
        items,
        is_thinned: head.is_thinned,
        sources: sources.map(Sources::from),
    })
    .into_response())
}

async fn throttle(app: &App, account: &Account) -> Result<(), AnalyticsError> {
    let verdict = app.limits.hit(&format!("analytics:{}", account.id), QUESTIONS).await;
    if verdict.is_allowed { Ok(()) } else { Err(AnalyticsError::Throttled(verdict.retry_after)) }
}

fn wants_csv(format: Option<Format>, headers: &HeaderMap) -> bool {
    let accepts = || {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        accept.split(',').any(|one| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/csv"))
    };
    format.map_or_else(accepts, |format| format == Format::Csv)
}

type Range = (NaiveDate, NaiveDate);

fn range(query: &RangeQuery, today: NaiveDate) -> Result<Range, Invalid> {
    let to = query.to.unwrap_or(today);
    let from = query.from.or_else(|| to.checked_sub_days(Days::new(DAYS_DEFAULT - 1))).unwrap_or(to);
    if from > to {
        return Err(Invalid::new("from", "must not be after to"));
    }
    if from < FIRST_DAY || to > LAST_DAY {
        return Err(Invalid::new("from", "must be a day of our calendar"));
    }
    if (to - from).num_days() >= DAYS_MAX {
        return Err(Invalid::new("to", format!("must be at most {DAYS_MAX} days from from")));
    }
    Ok((from, to))
}

/// As many days, just before.
fn before((from, to): Range) -> Range {
    let length = TimeDelta::days((to - from).num_days() + 1);
    (from - length, to - length)
}

async fn period(conn: &mut db::Conn, channel: domain::UserId, range: Range) -> db::Result<(Vec<DayRow>, Reached)> {
    let days = db::analytics::days(conn, channel, range.0, range.1).await?;
    let hosts_max = i64::try_from(HOSTS_MAX).unwrap_or(i64::MAX);
    let reached = db::analytics::reached(conn, channel, range, hosts_max).await?;
    Ok((days, reached))
}

/// Whom a stream has reached that is not closed. Nothing while Redis is away.
async fn so_far(app: &App, stream: StreamId) -> Option<Audience> {
    let reach = app.audience.reach(stream).await??;
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(Audience {
        viewers: whole(reach.viewers),
        pages: whole(reach.pages),
        embeds: whole(reach.embeds),
        players: whole(reach.players),
        hosts: reach.hosts.into_iter().map(|(host, count)| HostCount { host, viewers: whole(count) }).collect(),
        others: whole(reach.others),
    })
}

/// The finest step with which a stream has at most so many.
fn step_of(head: &StreamHead, now: Timestamp, most: i64) -> i32 {
    let minutes = (head.row.ended_at.unwrap_or(now) - head.row.started_at).num_minutes() + 2;
    STEPS.into_iter().find(|step| minutes <= most * i64::from(*step)).unwrap_or(STEPS[STEPS.len() - 1])
}

/// Every step of the stream, those nobody wrote as gaps. Of a stream whose older minutes are gone, from the first that is left.
fn filled(head: &StreamHead, rows: Vec<MinuteRow>, step: i32, now: Timestamp) -> Vec<Step> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let step_s = i64::from(step) * 60;
    let floor = |at: Timestamp| at.timestamp() - at.timestamp().rem_euclid(step_s);
    let begin = if head.is_thinned { floor(first.at) } else { floor(head.row.started_at).min(floor(first.at)) };
    // The step that runs is there once somebody has counted in it.
    let end = head.row.ended_at.map_or_else(|| floor(now) - step_s, floor).max(floor(last.at));
    let mut known: HashMap<i64, MinuteRow> = rows.into_iter().map(|row| (row.at.timestamp(), row)).collect();
    let mut steps = Vec::new();
    let mut at = begin;
    while at <= end {
        let row = known.remove(&at);
        steps.push(Step {
            at: DateTime::from_timestamp(at, 0).unwrap_or_default(),
            viewers: row.as_ref().and_then(|row| row.viewers),
            players: row.as_ref().and_then(|row| row.players),
            connections: row.as_ref().and_then(|row| row.sockets),
            chat_lines: row.as_ref().and_then(|row| row.lines),
            new_followers: row.as_ref().and_then(|row| row.follows),
        });
        at += step_s;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn asked(from: Option<&str>, to: Option<&str>) -> Result<Range, Invalid> {
        let query = RangeQuery { from: from.map(day), to: to.map(day), format: None, table: None };
        range(&query, day("2026-11-22"))
    }

    #[test]
    fn a_range_has_an_end_and_the_one_before_it_is_as_long() {
        let usual = asked(None, None).expect("a range");
        assert_eq!(usual, (day("2026-10-26"), day("2026-11-22")));
        assert_eq!(before(usual), (day("2026-09-28"), day("2026-10-25")));
        let one = asked(Some("2026-11-22"), Some("2026-11-22")).expect("a range");
        assert_eq!(before(one), (day("2026-11-21"), day("2026-11-21")));
        assert!(asked(Some("2024-01-01"), Some("2024-12-31")).is_ok(), "366 days");
        assert!(asked(Some("2024-01-01"), Some("2025-01-01")).is_err(), "367 days");
        assert!(asked(Some("2026-11-23"), None).is_err(), "it ends before it begins");
        assert!(asked(Some("0001-01-01"), Some("0001-01-02")).is_err());
    }

    fn head(started_at: &str, ended_at: Option<&str>) -> StreamHead {
        let at = |text: &str| text.parse::<Timestamp>().expect("a moment");
        StreamHead {
            channel: domain::UserId::from_uuid(kit::ids::uuid()),
            status: StreamStatus::Ended,
            row: db::analytics::StreamRow {
                id: StreamId::from_uuid(kit::ids::uuid()),
                title: "a stream".to_owned(),
                started_at: at(started_at),
                ended_at: ended_at.map(at),
                minutes: 0,
                counted: 0,
                viewer_minutes: 0,
                peak: None,
                lines: None,
                follows: 0,
                unique: None,
            },
            is_thinned: false,
            audience: None,
        }
    }

    fn row(at: &str, viewers: i64) -> MinuteRow {
        let at = at.parse().expect("a moment");
        MinuteRow { at, viewers: Some(viewers), players: None, sockets: None, lines: None, follows: None }
    }

    #[test]
    fn what_nobody_wrote_is_a_gap_and_not_a_zero() {
        let head = head("2026-11-22T10:00:40Z", Some("2026-11-22T10:04:10Z"));
        let rows = vec![row("2026-11-22T10:01:00Z", 5), row("2026-11-22T10:03:00Z", 7)];
        let viewers: Vec<Option<i64>> =
            filled(&head, rows, 1, kit::clock::now()).into_iter().map(|step| step.viewers).collect();
        assert_eq!(viewers, [None, Some(5), None, Some(7), None]);
        assert_eq!(filled(&head, Vec::new(), 1, kit::clock::now()), []);
    }

    #[test]
    fn of_a_stream_that_is_partly_days_only_what_is_left_is_drawn() {
        let mut head = head("2026-01-01T00:00:00Z", Some("2026-11-22T10:04:10Z"));
        head.is_thinned = true;
        let rows = vec![row("2026-11-22T10:03:00Z", 7)];
        assert_eq!(filled(&head, rows, 1, kit::clock::now()).len(), 2);
    }

    #[test]
    fn a_long_stream_never_has_more_steps_than_a_screen() {
        for (ended_at, step) in [
            ("2026-01-02T00:00:00Z", 1),
            ("2026-01-03T00:00:00Z", 2),
            ("2026-01-08T00:00:00Z", 10),
            ("2027-01-01T00:00:00Z", 720),
        ] {
            let head = head("2026-01-01T00:00:00Z", Some(ended_at));
            assert_eq!(step_of(&head, kit::clock::now(), STEPS_MAX), step, "{ended_at}");
        }
    }

    #[test]
    fn csv_is_asked_for_by_name_or_by_type() {
        let mut headers = HeaderMap::new();
        assert!(!wants_csv(None, &headers) && wants_csv(Some(Format::Csv), &headers));
        headers.insert(ACCEPT, "text/html, text/csv;q=0.9".parse().expect("a header"));
        assert!(wants_csv(None, &headers) && !wants_csv(Some(Format::Json), &headers));
    }
}
