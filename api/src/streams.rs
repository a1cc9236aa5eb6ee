//! Streams: what is on air, most watched first, and what was.

use axum::extract::State;
use domain::user::Username;
use domain::{Classify, Kind, StreamId, Timestamp};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Eyes, PlaybackToken};
use crate::account::Account;
use crate::extract::{Json, Path, Query, storable};
use crate::page::{self, PageQuery};
use crate::shapes::Stream;
use crate::state::App;
use crate::viewers::Count;

/// Longer searches find nothing anyway.
const SEARCH_CHARS_MAX: usize = 100;

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
pub(crate) struct StreamsQuery {
    /// True (unless said): on air, reconnecting included. False: over.
    live: Option<bool>,
    /// Only of this category.
    category: Option<String>,
    /// Words in the title or the channel's name.
    q: Option<String>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct StreamPage {
    items: Vec<Stream>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StreamPath {
    /// The stream's id.
    id: uuid::Uuid,
}

/// What was typed into a search box, or nothing.
pub(crate) fn search_text(q: Option<&str>) -> Option<String> {
    let text: String = domain::chat::normalise_line(q?).chars().take(SEARCH_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

/// Streams on air, most watched first; or those that are over, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/streams",
    operation_id = "streams",
    params(StreamsQuery),
    responses(
        (status = 200, description = "A page of streams", body = StreamPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "streams",
)]
pub(crate) async fn streams(
    State(app): State<App>,
    account: Option<Account>,
    Query(query): Query<StreamsQuery>,
) -> Result<Json<StreamPage>, Problem> {
    let eyes = Eyes::of_member(&app, account.as_ref());
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = paging.limit()?;
    let text = search_text(query.q.as_deref());
    let category = query.category.as_deref().map(storable);
    let filter = db::streams::Filter { category: category.as_deref(), query: text.as_deref(), viewer: eyes.id() };
    if query.live == Some(false) {
        let after = paging.after::<(Timestamp, StreamId)>()?;
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let mut rows = db::streams::ended(&mut conn, filter, after, page::rows(limit)).await?;
        let next_cursor = page::cut(&mut rows, limit, |row| (row.started_at, row.id));
        let items = rows.into_iter().map(|row| Stream::of(row, Count::default(), &eyes)).collect();
        return Ok(Json(StreamPage { items, next_cursor }));
    }

    let after = paging.after::<(u64, StreamId)>()?;
    let rows = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::streams::on_air(&mut conn, filter).await?
    };
    let names: Vec<Username> = rows.iter().filter_map(|row| Username::parse(&row.owner.username).ok()).collect();
    let counts = app.viewers.of(&names).await;
    let mut rows: Vec<(Count, db::streams::Stream)> = rows
        .into_iter()
        .map(|row| {
            let count = Username::parse(&row.owner.username).ok().and_then(|name| counts.get(&name).copied());
            (count.unwrap_or_default(), row)
        })
        // Counts move between two pages; a stream may then be seen twice or be missed once, which a reload mends.
        .filter(|(count, row)| after.is_none_or(|(viewers, id)| (count.viewers, row.id) < (viewers, id)))
        .collect();
    rows.sort_unstable_by_key(|(count, row)| std::cmp::Reverse((count.viewers, row.id)));
    rows.truncate(limit + 1);
    let next_cursor = page::cut(&mut rows, limit, |(count, row)| (count.viewers, row.id));
    let items = rows.into_iter().map(|(count, row)| Stream::of(row, count, &eyes)).collect();
    Ok(Json(StreamPage { items, next_cursor }))
}

/// One stream, on air or over.
#[utoipa::path(
    get,
    path = "/api/v1/streams/{id}",
    operation_id = "stream",
    params(StreamPath),
    responses(
        (status = 200, description = "The stream", body = Stream),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "streams",
)]
pub(crate) async fn stream(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<StreamPath>,
) -> Result<Json<Stream>, Problem> {
    let (stream, eyes) = find(&app, account.as_ref(), &path).await?;
    let count = app.viewers.of_stream(&stream).await;
    Ok(Json(Stream::of(stream, count, &eyes)))
}

/// A stream as the caller may see it.
async fn find<'a>(
    app: &'a App,
    account: Option<&'a Account>,
    path: &StreamPath,
) -> Result<(db::streams::Stream, Eyes<'a>), Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let id = account.map(|account| account.id);
    let found = db::streams::find(&mut conn, StreamId::from_uuid(path.id), id).await?;
    let (stream, is_staff) = found.ok_or(NoStream)?;
    Ok((stream, Eyes::of_standing(app, account, is_staff)))
}

/// A fresh permission to play a stream, for those it is for. It is good for less than five minutes.
#[utoipa::path(
    post,
    path = "/api/v1/streams/{id}/playback-token",
    operation_id = "stream_playback_token",
    params(StreamPath),
    responses(
        (status = 200, description = "The token, and the URLs that carry it", body = PlaybackToken),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "playback",
)]
pub(crate) async fn stream_playback_token(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<StreamPath>,
) -> Result<Json<PlaybackToken>, Problem> {
    let (stream, eyes) = find(&app, account.as_ref(), &path).await?;
    Ok(Json(eyes.stream_token(&stream)))
}
