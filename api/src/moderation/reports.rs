//! What members reported of a channel's chat, as its moderators decide about it.

use axum::extract::State;
use db::moderation::reports::{self, Case, Queue};
use domain::order::{ReportDesk, ReportState, remark};
use domain::user::Username;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Bench, Deed, DeskPath, For, desk, tell};
use crate::account::Account;
use crate::extract::{Fields, Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::reports::{CaseState, CaseView, ReportError, desk_push};
use crate::state::App;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ReportPath {
    /// The channel's name.
    username: String,
    id: Uuid,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportParams {
    /// `open` unless said.
    #[serde(default)]
    #[param(inline)]
    pub state: CaseState,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportPage)]
pub(crate) struct CasePage {
    /// The latest first.
    pub items: Vec<CaseView>,
    pub next_cursor: Option<String>,
}

/// Lines of the channel's chat that members reported. For its owner and moderators.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderation/reports",
    operation_id = "channel_reports",
    params(DeskPath, ReportParams),
    responses(
        (status = 200, description = "A page of what is reported", body = CasePage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn channel_reports(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
    Query(params): Query<ReportParams>,
) -> Result<Json<CasePage>, Problem> {
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let before = page.after::<Uuid>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let queue = Queue::Channel(desk.channel);
    let mut rows = reports::cases(&mut conn, queue, params.state.into(), before, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    Ok(Json(CasePage { items: rows.into_iter().map(CaseView::for_channel).collect(), next_cursor }))
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReportAction {
    /// Something was done.
    Resolve,
    /// Nothing needs to be done.
    Dismiss,
    /// The site's staff is to decide.
    Escalate,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideReport {
    action: ReportAction,
    /// At most 500 characters.
    #[serde(default)]
    note: String,
}

/// Why nothing changed: it is somebody else's to decide, or was decided.
pub(crate) fn why_not(case: Option<Case>, is_ours: impl Fn(&Case) -> bool) -> ReportError {
    match case.filter(is_ours) {
        Some(Case { decided_by: Some(by), .. } | Case { escalated_by: Some(by), .. }) => ReportError::Decided(by),
        _ => ReportError::NotFound,
    }
}

/// Decides about what is reported, or hands it to the site's staff. For the channel's owner and moderators.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{username}/moderation/reports/{id}",
    operation_id = "decide_channel_report",
    params(ReportPath),
    request_body = DecideReport,
    responses(
        (status = 200, description = "The report as it is now", body = CaseView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn decide_channel_report(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ReportPath>,
    Json(body): Json<DecideReport>,
) -> Result<Json<CaseView>, Problem> {
    let mut fields = Fields::default();
    let note = fields.take(remark("note", &body.note)).unwrap_or_default();
    fields.check()?;
    let mut bench = Bench::open(&app, &account, &path.username, For::Moderators).await?;
    let (channel, by) = (bench.desk.channel, bench.desk.actor_name.clone());
    let queue = Queue::Channel(channel);
    let (is_done, action) = match body.action {
        ReportAction::Resolve => {
            let is = reports::decide(&mut bench.tx, queue, path.id, ReportState::Resolved, (by.as_str(), &note));
            (is.await?, "report_resolve")
        }
        ReportAction::Dismiss => {
            let is = reports::decide(&mut bench.tx, queue, path.id, ReportState::Dismissed, (by.as_str(), &note));
            (is.await?, "report_dismiss")
        }
        ReportAction::Escalate => {
            (reports::escalate(&mut bench.tx, channel, path.id, by.as_str()).await?, "report_escalate")
        }
    };
    let name = bench.desk.name.clone();
    let case = reports::case(&mut bench.tx, path.id).await?;
    let is_ours = |case: &Case| case.channel.as_deref() == Some(name.as_str()) && is_of_channel(case);
    let case = match case {
        Some(case) if is_done => case,
        case => return Err(why_not(case, is_ours).into()),
    };
    let accused = Username::parse(&case.accused_name).ok();
    let deed = Deed {
        action,
        target: accused.as_ref().map(|name| (case.accused, name)),
        reason: &note,
        detail: json!({ "report_id": case.id, "text": case.excerpt }),
    };
    bench.close(&app, deed).await?;
    tell(&app, &[desk_push(&name, "mod:report-gone", json!({ "id": case.id, "username": name, "by": by }))]).await;
    Ok(Json(CaseView::for_channel(case)))
}

/// Whether a case is or was the channel's to decide.
fn is_of_channel(case: &Case) -> bool {
    case.desk == ReportDesk::Channel || case.escalated_by.is_some()
}
