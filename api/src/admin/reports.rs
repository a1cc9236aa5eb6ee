//! Reports the site's staff decides about: members, recordings, streams, and lines that were handed to it.

use axum::extract::State;
use db::audit::Entry;
use db::moderation::reports::{self, Queue};
use domain::Permission;
use domain::audit::{Action, Actor};
use domain::order::{ReportDesk, ReportState, remark};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Fields, Json, Path, Query};
use crate::moderation::reports::{CasePage, ReportParams, why_not};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::reports::CaseView;
use crate::state::App;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CasePath {
    id: Uuid,
}

/// What members reported, and who did. For the site's moderators and administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/reports",
    operation_id = "site_reports",
    params(ReportParams),
    responses(
        (status = 200, description = "A page of what is reported", body = CasePage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn site_reports(
    State(app): State<App>,
    account: Account,
    Query(params): Query<ReportParams>,
) -> Result<Json<CasePage>, Problem> {
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let before = page.after::<Uuid>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.require(&mut conn, Permission::DecideReports).await?;
    let mut rows = reports::cases(&mut conn, Queue::Site, params.state.into(), before, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    Ok(Json(CasePage { items: rows.into_iter().map(CaseView::for_site).collect(), next_cursor }))
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SiteReportAction {
    /// Something was done.
    Resolve,
    /// Nothing needs to be done.
    Dismiss,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideSiteReport {
    action: SiteReportAction,
    /// At most 500 characters.
    #[serde(default)]
    note: String,
}

/// Decides about what is reported. For the site's moderators and administrators.
#[utoipa::path(
    post,
    path = "/api/v1/admin/reports/{id}",
    operation_id = "decide_site_report",
    params(CasePath),
    request_body = DecideSiteReport,
    responses(
        (status = 200, description = "The report as it is now", body = CaseView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn decide_site_report(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<CasePath>,
    Json(body): Json<DecideSiteReport>,
) -> Result<Json<CaseView>, Problem> {
    let mut fields = Fields::default();
    let note = fields.take(remark("note", &body.note)).unwrap_or_default();
    fields.check()?;
    let (state, action) = match body.action {
        SiteReportAction::Resolve => (ReportState::Resolved, Action::ReportResolved),
        SiteReportAction::Dismiss => (ReportState::Dismissed, Action::ReportDismissed),
    };
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::DecideReports).await?;
    let is_done = reports::decide(&mut tx, Queue::Site, path.id, state, (staff.name.as_str(), &note)).await?;
    let case = match reports::case(&mut tx, path.id).await? {
        Some(case) if is_done => case,
        case => return Err(why_not(case, |case| case.desk == ReportDesk::Site && case.decided_by.is_some()).into()),
    };
    let entry = Entry {
        member: Some(case.accused),
        reason: &note,
        details: json!({ "kind": case.kind.as_str(), "text": case.excerpt }),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(staff.id), action, case.id, &case.accused_name)
    };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    Ok(Json(CaseView::for_site(case)))
}
