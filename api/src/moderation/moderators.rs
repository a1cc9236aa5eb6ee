//! Who keeps order in a channel for its owner.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::Appointed;
use domain::UserId;
use domain::user::Username;
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{Push, Target};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{Bench, DeskPath, For, MemberRef, OrderError, desk, tell};
use crate::account::Account;
use crate::extract::{Json, Path};
use crate::state::App;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ModeratorPath {
    /// The channel's name.
    username: String,
    /// The member's name.
    member: String,
}

/// Somebody who keeps order in a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moderator {
    user: MemberRef,
    appointed_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ModeratorPage {
    /// The first appointed first; at most 100, all of them.
    items: Vec<Moderator>,
    next_cursor: Option<String>,
}

/// The channel's moderators. For its owner and moderators.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderators",
    operation_id = "moderators",
    params(DeskPath),
    responses(
        (status = 200, description = "All of them", body = ModeratorPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn moderators(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
) -> Result<Json<ModeratorPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let found = db::moderation::moderators(&mut conn, desk.channel).await?;
    let items = found
        .into_iter()
        .map(|one| Moderator { user: MemberRef::new(one.id, one.person), appointed_at: one.appointed_at })
        .collect();
    Ok(Json(ModeratorPage { items, next_cursor: None }))
}

/// The member a path names. One who is suspended may be dismissed, and not appointed.
async fn member(tx: &mut db::Conn, path: &ModeratorPath) -> Result<(UserId, Username), Problem> {
    let name = Username::parse(&path.member).map_err(|_| OrderError::NoMember)?;
    Ok(db::moderation::find_member(tx, &name).await?.ok_or(OrderError::NoMember)?)
}

/// Lets the member's tabs know what they may do now.
async fn tell_member(app: &App, user: UserId, channel: &Username, is_moderator: bool) {
    let push = Push {
        target: Target::User(user),
        event: "chat:office".to_owned(),
        payload: json!({ "username": channel, "is_moderator": is_moderator }),
        origin: None,
    };
    tell(app, &[push]).await;
}

/// Appoints a moderator. For the channel's owner. Doing it again changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/channels/{username}/moderators/{member}",
    operation_id = "appoint_moderator",
    params(ModeratorPath),
    responses(
        (status = 204, description = "They are a moderator"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn appoint_moderator(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ModeratorPath>,
) -> Result<StatusCode, Problem> {
    let mut bench = Bench::open(&app, &account, &path.username, For::Owner).await?;
    let (user, name) = member(&mut bench.tx, &path).await?;
    if user == bench.desk.channel {
        return Err(OrderError::IsOwner.into());
    }
    if db::users::current_role(&mut bench.tx, user).await?.is_none() {
        return Err(OrderError::NoMember.into());
    }
    let standing = db::moderation::standing(&mut bench.tx, bench.desk.channel, user).await?;
    if standing.is_none_or(|standing| standing.sanction.is_some()) {
        return Err(OrderError::IsSanctioned.into());
    }
    match db::moderation::appoint(&mut bench.tx, bench.desk.channel, user).await? {
        Appointed::Done => {}
        Appointed::Before => return Ok(StatusCode::NO_CONTENT),
        Appointed::Full => return Err(OrderError::TooManyModerators.into()),
    }
    let channel = bench.desk.name.clone();
    bench.conclude(&app, "mod", Some((user, &name)), json!({})).await?;
    tell_member(&app, user, &channel, true).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Dismisses a moderator. For the channel's owner. Doing it again changes nothing.
#[utoipa::path(
    delete,
    path = "/api/v1/channels/{username}/moderators/{member}",
    operation_id = "dismiss_moderator",
    params(ModeratorPath),
    responses(
        (status = 204, description = "They are no moderator"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn dismiss_moderator(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ModeratorPath>,
) -> Result<StatusCode, Problem> {
    let mut bench = Bench::open(&app, &account, &path.username, For::Owner).await?;
    let (user, name) = member(&mut bench.tx, &path).await?;
    if !db::moderation::dismiss(&mut bench.tx, bench.desk.channel, user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let channel = bench.desk.name.clone();
    bench.conclude(&app, "unmod", Some((user, &name)), json!({})).await?;
    tell_member(&app, user, &channel, false).await;
    Ok(StatusCode::NO_CONTENT)
}
