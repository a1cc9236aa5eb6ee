//! One member as administrators see them: devices, room taken up, role.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::audit::Entry;
use db::sessions::RevokeReason;
use db::users::RoleSet;
use domain::audit::{Action, Actor};
use domain::user::{Role, Username};
use domain::{Classify, Kind, Permission};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::AdminError;
use super::members::{Because, MemberPath, because};
use crate::account::Account;
use crate::extract::{Json, Path};
use crate::moderation::OrderError;
use crate::net::Client;
use crate::revoked;
use crate::shapes::RoleName;
use crate::sign_ins::{self, EndedSignIns, SignIn};
use crate::state::App;

#[derive(Debug, thiserror::Error)]
enum RoleError {
    #[error("somebody has to look after the site: they are its last administrator")]
    LastAdmin,
    #[error("that is their role already")]
    Same,
}

impl Classify for RoleError {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }

    fn code(&self) -> &'static str {
        match self {
            Self::LastAdmin => "role.last-admin",
            Self::Same => "role.same",
        }
    }
}

/// What a member takes up in the bucket, in bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberStorage {
    recording_bytes: i64,
    /// What recordings may take up. Null: as much as there is.
    recording_quota_bytes: Option<i64>,
    file_bytes: i64,
    /// Null: as much as there is.
    file_quota_bytes: Option<i64>,
    /// Of conversations.
    attachment_bytes: i64,
}

/// A member as administrators see them.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdminMemberDetail {
    username: String,
    email: String,
    role: RoleName,
    created_at: DateTime<Utc>,
    storage: MemberStorage,
    /// Where they are signed in, what was used last first; 100 at most.
    sign_ins: Vec<SignIn>,
    /// Whether the caller may end these.
    may_end_sign_ins: bool,
    /// Whether the caller may give them another role.
    may_set_role: bool,
}

fn named(path: &MemberPath) -> Result<Username, Problem> {
    Ok(Username::parse(&path.username).map_err(|_| OrderError::NoMember)?)
}

/// A member's devices, the room they take up, and their role. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users/{username}",
    operation_id = "admin_member",
    params(MemberPath),
    responses(
        (status = 200, description = "What is known", body = AdminMemberDetail),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn admin_member(
    State(app): State<App>,
    account: Account,
    Path(path): Path<MemberPath>,
) -> Result<Json<AdminMemberDetail>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let staff = account.require(&mut conn, Permission::EndSignIns).await?;
    let name = named(&path)?;
    let id = db::site::id_of(&mut conn, &name).await?.ok_or(OrderError::NoMember)?;
    let user = db::users::find(&mut conn, id).await?.ok_or(OrderError::NoMember)?;
    let rules = &app.config.recordings;
    let plan = db::plans::of(&mut conn, id).await?;
    let taken = db::overview::taken_by(&mut conn, id).await?;
    let room = db::keeping::room(&mut conn, id, (app.config.recording_rooms(), rules.keep_days())).await?;
    let found = db::sessions::of_member(&mut conn, id, account.session, sign_ins::SHOWN_MAX).await?;
    let limit = |bytes: i64| Some(bytes).filter(|bytes| *bytes > 0);
    Ok(Json(AdminMemberDetail {
        username: user.username.as_str().to_owned(),
        email: user.email,
        role: user.role.into(),
        created_at: user.created_at,
        storage: MemberStorage {
            recording_bytes: taken.recording_bytes,
            recording_quota_bytes: room.and_then(|room| limit(room.quota_bytes)),
            file_bytes: taken.file_bytes,
            file_quota_bytes: limit(app.config.offer(plan).storage_bytes()),
            attachment_bytes: taken.attachment_bytes,
        },
        sign_ins: found.into_iter().map(|one| SignIn::of(&app, one, &account)).collect(),
        may_end_sign_ins: staff.id == id || staff.role.outranks(user.role),
        may_set_role: staff.role.may(Permission::SetRoles) && (staff.id == id || staff.role.outranks(user.role)),
    }))
}

/// Signs a member out everywhere. For administrators, where the member is none.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/users/{username}/sessions",
    operation_id = "end_sign_ins_of",
    params(MemberPath),
    request_body = Because,
    responses(
        (status = 200, description = "How many there were", body = EndedSignIns),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn end_sign_ins_of(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<MemberPath>,
    Json(body): Json<Because>,
) -> Result<Json<EndedSignIns>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::EndSignIns).await?;
    let (why, name) = (because(&body)?, named(&path)?);
    let subject = db::site::hold(&mut tx, &name).await?.ok_or(OrderError::NoMember)?;
    if subject.id != staff.id && !staff.role.outranks(subject.role) {
        return Err(AdminError::Outranked.into());
    }
    let ended = db::sessions::revoke_all(&mut tx, subject.id, RevokeReason::Admin).await?;
    let entry = Entry {
        reason: &why,
        addr: Some(client.addr),
        details: json!({ "ended": ended.len() }),
        ..Entry::of_member(Actor::Member(staff.id), Action::SessionsEnded, subject.id)
    };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    let count = ended.len();
    revoked::announce_all(&app, ended).await;
    Ok(Json(EndedSignIns { ended: count }))
}

/// The roles there are to give.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NewRole {
    User,
    Moderator,
    Admin,
}

impl From<NewRole> for Role {
    fn from(role: NewRole) -> Self {
        match role {
            NewRole::User => Self::User,
            NewRole::Moderator => Self::Moderator,
            NewRole::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetRole {
    role: NewRole,
    /// 1 to 500 characters.
    reason: String,
}

/// Gives a member another role, and signs them out everywhere: tokens carry the role. For administrators; of other administrators only they
/// themselves give the role up, and the last one cannot.
#[utoipa::path(
    put,
    path = "/api/v1/admin/users/{username}/role",
    operation_id = "set_role",
    params(MemberPath),
    request_body = SetRole,
    responses(
        (status = 204, description = "Done"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn set_role(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<MemberPath>,
    Json(body): Json<SetRole>,
) -> Result<StatusCode, Problem> {
    let role = Role::from(body.role);
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::SetRoles).await?;
    let (why, name) = (because(&Because { reason: body.reason })?, named(&path)?);
    let id = db::site::id_of(&mut tx, &name).await?.ok_or(OrderError::NoMember)?;
    let was = match db::users::give_role(&mut tx, id, role, (staff.id, staff.role)).await? {
        RoleSet::Done(was) => was,
        RoleSet::Same => return Err(RoleError::Same.into()),
        RoleSet::LastAdmin => return Err(RoleError::LastAdmin.into()),
        RoleSet::Outranked => return Err(AdminError::Outranked.into()),
    };
    let entry = Entry {
        reason: &why,
        addr: Some(client.addr),
        details: json!({ "from": was.as_str(), "to": role.as_str() }),
        ..Entry::of_member(Actor::Member(staff.id), Action::RoleChanged, id)
    };
    db::audit::write(&mut tx, entry).await?;
    let ended = db::sessions::revoke_all(&mut tx, id, RevokeReason::Admin).await?;
    db::commit(tx).await?;
    revoked::announce_all(&app, ended).await;
    Ok(StatusCode::NO_CONTENT)
}
