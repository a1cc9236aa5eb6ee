//! What a channel's chat does not take, or keeps back.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::{Added, Filter, NewFilter};
use domain::order::{FilterAction, FilterKind, Filters};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Bench, DeskPath, For, OrderError, desk};
use crate::account::Account;
use crate::extract::{Fields, Json, Path};
use crate::state::App;

/// How a pattern is read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FilterKind)]
pub(crate) enum KindName {
    /// A word or phrase, found under disguises. `*` at an end stands for the rest of a word.
    Words,
    /// A regular expression, in any case of letters.
    Regex,
}

/// What becomes of a line that matches.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FilterAction)]
pub(crate) enum ActionName {
    #[default]
    Refuse,
    /// It is kept back for a moderator.
    Hold,
}

impl From<KindName> for FilterKind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Words => Self::Words,
            KindName::Regex => Self::Regex,
        }
    }
}

impl From<ActionName> for FilterAction {
    fn from(name: ActionName) -> Self {
        match name {
            ActionName::Refuse => Self::Refuse,
            ActionName::Hold => Self::Hold,
        }
    }
}

/// A filter of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilterEntry {
    id: Uuid,
    kind: KindName,
    pattern: String,
    action: ActionName,
    created_at: DateTime<Utc>,
}

impl From<Filter> for FilterEntry {
    fn from(filter: Filter) -> Self {
        Self {
            id: filter.id,
            kind: match filter.kind {
                FilterKind::Words => KindName::Words,
                FilterKind::Regex => KindName::Regex,
            },
            pattern: filter.pattern,
            action: match filter.action {
                FilterAction::Refuse => ActionName::Refuse,
                FilterAction::Hold => ActionName::Hold,
            },
            created_at: filter.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FilterPage {
    /// In the order they were made; at most 100, all of them.
    items: Vec<FilterEntry>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFilterBody {
    kind: KindName,
    /// 1 to 200 characters.
    pattern: String,
    #[serde(default)]
    #[schema(inline)]
    action: ActionName,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct FilterPath {
    /// The channel's name.
    username: String,
    id: Uuid,
}

fn detail(filter: &Filter) -> Value {
    json!({ "id": filter.id, "kind": filter.kind, "pattern": filter.pattern, "filter_action": filter.action })
}

/// The channel's filters. For its owner and moderators.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderation/filters",
    operation_id = "filters",
    params(DeskPath),
    responses(
        (status = 200, description = "All of them", body = FilterPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn filters(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
) -> Result<Json<FilterPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let found = db::moderation::filters(&mut conn, desk.channel).await?;
    Ok(Json(FilterPage { items: found.into_iter().map(FilterEntry::from).collect(), next_cursor: None }))
}

/// Adds a filter. For the channel's owner and moderators.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{username}/moderation/filters",
    operation_id = "add_filter",
    params(DeskPath),
    request_body = NewFilterBody,
    responses(
        (status = 201, description = "The filter", body = FilterEntry),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn add_filter(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
    Json(body): Json<NewFilterBody>,
) -> Result<(StatusCode, Json<FilterEntry>), Problem> {
    let kind = FilterKind::from(body.kind);
    let pattern = body.pattern.trim();
    let mut fields = Fields::default();
    fields.take(kind.check(pattern));
    fields.check()?;
    let mut bench = Bench::open(&app, &account, &path.username, For::Moderators).await?;
    let new = NewFilter { kind, pattern, action: body.action.into() };
    let filter = match db::moderation::add_filter(&mut bench.tx, bench.desk.channel, account.id, new).await? {
        Added::Done(filter) => filter,
        Added::Before => return Err(OrderError::FilterExists.into()),
        Added::Full => return Err(OrderError::TooManyFilters.into()),
    };
    if kind == FilterKind::Regex {
        let all = db::moderation::filters(&mut bench.tx, bench.desk.channel).await?;
        let all = all.iter().map(|filter| (filter.kind, filter.pattern.as_str(), filter.action));
        if Filters::compile(all).left_out() > 0 {
            return Err(OrderError::FiltersTooLarge.into());
        }
    }
    bench.conclude(&app, "filter_add", None, detail(&filter)).await?;
    Ok((StatusCode::CREATED, Json(filter.into())))
}

/// Takes a filter away. For the channel's owner and moderators.
#[utoipa::path(
    delete,
    path = "/api/v1/channels/{username}/moderation/filters/{id}",
    operation_id = "remove_filter",
    params(FilterPath),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn remove_filter(
    State(app): State<App>,
    account: Account,
    Path(path): Path<FilterPath>,
) -> Result<StatusCode, Problem> {
    let mut bench = Bench::open(&app, &account, &path.username, For::Moderators).await?;
    let filter = db::moderation::remove_filter(&mut bench.tx, bench.desk.channel, path.id).await?;
    let filter = filter.ok_or(OrderError::NoFilter)?;
    bench.conclude(&app, "filter_remove", None, detail(&filter)).await?;
    Ok(StatusCode::NO_CONTENT)
}
