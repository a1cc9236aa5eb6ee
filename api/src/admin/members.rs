//! Members as the site's staff finds, suspends and readmits them.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::audit::{Record, Spot};
use db::site::{Member, Wanted};
use domain::audit::{Action, Actor};
use domain::event::TwoFactorChange;
use domain::order::reason;
use domain::user::Username;
use domain::{Permission, UserId};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::AdminError;
use crate::account::Account;
use crate::accounts::{self, By};
use crate::extract::{Fields, Json, Path, Query, storable};
use crate::moderation::{MemberRef, OrderError};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::revoked;
use crate::shapes::RoleName;
use crate::state::App;
use crate::two_factor::{self, TwoFactorError};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    /// The member's name.
    pub(crate) username: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberParams {
    /// Part of a username or display name.
    q: Option<String>,
    /// Only those who are suspended.
    #[serde(default)]
    suspended: bool,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Why and since when somebody is suspended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Suspension {
    reason: String,
    /// Null: the operator, at the command line.
    by: Option<String>,
    at: DateTime<Utc>,
}

/// A member as the site's staff sees them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminMember {
    user: MemberRef,
    role: RoleName,
    /// By the staff.
    is_suspended: bool,
    /// They closed their account, and may open it again.
    is_closed: bool,
    /// Null when they are not suspended, or it was done before there was a log.
    suspension: Option<Suspension>,
    created_at: DateTime<Utc>,
    /// Whether the caller may suspend and readmit them.
    may_suspend: bool,
    /// Whether the caller may turn their two-factor sign-in off; false where it is off.
    may_reset_two_factor: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AdminMemberPage {
    /// Who joined last first.
    items: Vec<AdminMember>,
    next_cursor: Option<String>,
}

/// Members. For the site's moderators and administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users",
    operation_id = "admin_members",
    params(MemberParams),
    responses(
        (status = 200, description = "A page of members", body = AdminMemberPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn admin_members(
    State(app): State<App>,
    account: Account,
    Query(params): Query<MemberParams>,
) -> Result<Json<AdminMemberPage>, Problem> {
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let before = page.after::<Uuid>()?.map(UserId::from_uuid);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let staff = account.require(&mut conn, Permission::SeeMembers).await?;
    let query = params.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(storable);
    let query = query.as_deref().map(|q| q.trim_start_matches('@'));
    let wanted = Wanted { query, only_suspended: params.suspended, before };
    let mut rows = db::site::members(&mut conn, wanted, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id.as_uuid());
    let may = |what, member: &Member| staff.role.may(what) && staff.role.outranks(member.role);
    let view = |member: Member| AdminMember {
        may_suspend: may(Permission::SuspendMembers, &member),
        may_reset_two_factor: member.has_two_factor && may(Permission::ResetTwoFactor, &member),
        role: member.role.into(),
        is_suspended: member.is_barred,
        is_closed: member.is_closed,
        suspension: member.suspension.map(|one| Suspension { reason: one.reason, by: one.by, at: one.at }),
        created_at: member.created_at,
        user: MemberRef::new(member.id, member.person),
    };
    Ok(Json(AdminMemberPage { items: rows.into_iter().map(view).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    /// 1 to 500 characters.
    pub(crate) reason: String,
}

/// What the site's staff did, as the audit log has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteLogEntry {
    act_id: Uuid,
    /// Null: the operator, at the command line.
    actor: Option<String>,
    /// `user.suspended`, `user.unsuspended`, `report.resolved`, `report.dismissed`, `emote.removed`, `stream.cut`, `stream_key.blocked`.
    action: String,
    target: Option<String>,
    reason: String,
    #[schema(value_type = Object)]
    detail: Value,
    at: DateTime<Utc>,
}

impl From<Record> for SiteLogEntry {
    fn from(record: Record) -> Self {
        Self {
            act_id: record.entry_id,
            action: record.action,
            target: record.member,
            reason: record.reason,
            detail: record.details,
            at: record.at,
            // Of the operator there is no name to be told.
            actor: record.actor_id.and(record.actor),
        }
    }
}

/// A reason, which nobody may leave out.
pub(crate) fn because(body: &Because) -> Result<String, Problem> {
    let mut fields = Fields::default();
    let why = fields.take(reason(&body.reason)).unwrap_or_default();
    if why.is_empty() {
        fields.push("reason", "must be 1 to 500 characters");
    }
    fields.check()?;
    Ok(why)
}

async fn set(
    app: &App,
    (account, client): (&Account, &Client),
    path: &MemberPath,
    body: &Because,
    is_suspended: bool,
) -> Result<Json<SiteLogEntry>, Problem> {
    let why = because(body)?;
    let name = Username::parse(&path.username).map_err(|_| OrderError::NoMember)?;
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::SuspendMembers).await?;
    let subject = db::site::hold(&mut tx, &name).await?.ok_or(OrderError::NoMember)?;
    if !staff.role.outranks(subject.role) {
        return Err(AdminError::Outranked.into());
    }
    if subject.is_barred == is_suspended {
        return Err(if is_suspended { AdminError::Suspended } else { AdminError::NotSuspended }.into());
    }
    let by = By { actor: Actor::Member(staff.id), reason: why, addr: Some(client.addr) };
    let (record, ended) = accounts::suspend(&mut tx, subject.id, is_suspended, by).await?;
    db::commit(tx).await?;
    revoked::announce_all(app, ended).await;
    Ok(Json(record.into()))
}

/// Suspends a member: their sign-ins end, their chat closes, what they broadcast is cut. For administrators, and for the site's
/// moderators where the member is neither.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{username}/suspend",
    operation_id = "suspend_member",
    params(MemberPath),
    request_body = Because,
    responses(
        (status = 200, description = "What the log says of it", body = SiteLogEntry),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn suspend_member(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<MemberPath>,
    Json(body): Json<Because>,
) -> Result<Json<SiteLogEntry>, Problem> {
    set(&app, (&account, &client), &path, &body, true).await
}

/// Lets a suspended member in again. For who may suspend them.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{username}/unsuspend",
    operation_id = "unsuspend_member",
    params(MemberPath),
    request_body = Because,
    responses(
        (status = 200, description = "What the log says of it", body = SiteLogEntry),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn unsuspend_member(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<MemberPath>,
    Json(body): Json<Because>,
) -> Result<Json<SiteLogEntry>, Problem> {
    set(&app, (&account, &client), &path, &body, false).await
}

/// Turns a member's two-factor sign-in off, for whoever lost their app and their recovery codes: the password alone is enough then. Nobody
/// is signed out; where there is mail the member is told. For administrators, where the member is none.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{username}/two-factor/reset",
    operation_id = "reset_two_factor",
    params(MemberPath),
    request_body = Because,
    responses(
        (status = 200, description = "What the log says of it", body = SiteLogEntry),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn reset_two_factor(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<MemberPath>,
    Json(body): Json<Because>,
) -> Result<Json<SiteLogEntry>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::ResetTwoFactor).await?;
    let why = because(&body)?;
    let name = Username::parse(&path.username).map_err(|_| OrderError::NoMember)?;
    let subject = db::site::hold(&mut tx, &name).await?.ok_or(OrderError::NoMember)?;
    if !staff.role.outranks(subject.role) {
        return Err(AdminError::Outranked.into());
    }
    if !db::two_factor::remove(&mut tx, subject.id).await? {
        return Err(TwoFactorError::Off.into());
    }
    let by = two_factor::By { actor: Actor::Member(account.id), client: Some(&client), reason: &why };
    let record = two_factor::changed(&app, &mut tx, subject.id, TwoFactorChange::Reset, by).await?;
    db::commit(tx).await?;
    Ok(Json(record.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SiteLogParams {
    /// Only what was done about this member.
    target: Option<String>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SiteLogPage {
    /// The latest first.
    items: Vec<SiteLogEntry>,
    next_cursor: Option<String>,
}

/// What the site's staff did about members and reports: those entries of the audit log, without addresses. For the site's moderators
/// and administrators. Nobody changes it.
#[utoipa::path(
    get,
    path = "/api/v1/admin/log",
    operation_id = "site_log",
    params(SiteLogParams),
    responses(
        (status = 200, description = "A page of acts", body = SiteLogPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn site_log(
    State(app): State<App>,
    account: Account,
    Query(params): Query<SiteLogParams>,
) -> Result<Json<SiteLogPage>, Problem> {
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let after = page.after::<Spot>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.require(&mut conn, Permission::SeeStaffLog).await?;
    let member = match params.target.as_deref().filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => {
            let name = Username::parse(name).map_err(|_| OrderError::NoMember)?;
            Some(db::moderation::find_member(&mut conn, &name).await?.ok_or(OrderError::NoMember)?.0)
        }
    };
    let actions = Some(Action::OF_STAFF.map(|action| action.as_str().to_owned()).to_vec());
    let wanted = db::audit::Wanted { actions, member, ..db::audit::Wanted::default() };
    let mut rows = db::audit::page(&mut conn, &wanted, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.at, row.entry_id));
    Ok(Json(SiteLogPage { items: rows.into_iter().map(SiteLogEntry::from).collect(), next_cursor }))
}
