//! Who sits in a room, as what, and who is invited.

use std::time::Duration;

use axum::extract::State;
use db::rooms::{Invited, Joined};
use domain::event::Event;
use domain::rooms::{RoomError, RoomRole};
use domain::{RoomId, UserId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::shapes::{InvitationPage, InvitedPage, Room, RoomMember, RoomMemberPage, RoomRoleName};
use super::{RoomPath, group_seat, member_named, seat, shown, tell, throttle};
use crate::account::Account;
use crate::extract::{Json, Path};
use crate::presence;
use crate::state::App;

/// Invitations a member may make, whatever came of them.
const INVITE: Quota = Quota::new(100, Duration::from_secs(3_600));
const INVITATIONS_MAX: i64 = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomMemberPath {
    /// The room's id.
    id: Uuid,
    /// The member's name.
    username: String,
}

impl RoomMemberPath {
    fn room(&self) -> RoomId {
        RoomId::from_uuid(self.id)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateRoomMember {
    /// `owner` hands the group over: the caller becomes an admin.
    role: RoomRoleName,
}

/// Everybody who sits in a room.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{id}/members",
    operation_id = "room_members",
    params(RoomPath),
    responses(
        (status = 200, description = "The members", body = RoomMemberPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn room_members(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
) -> Result<Json<RoomMemberPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    seat(&mut conn, &account, path.room()).await?;
    let members = db::rooms::members(&mut conn, path.room()).await?;
    drop(conn);
    let mut present = presence::of(&app, &account, members.iter().map(|member| member.face.id)).await?;
    let items = members.into_iter().map(|member| {
        let shown = present.remove(&member.face.id);
        RoomMember::from(member).showing(shown)
    });
    Ok(Json(RoomMemberPage { items: items.collect(), next_cursor: None }))
}

/// Makes a member an admin, one like the others again, or the owner. By the owner.
#[utoipa::path(
    patch,
    path = "/api/v1/rooms/{id}/members/{username}",
    operation_id = "update_room_member",
    params(RoomMemberPath),
    request_body = UpdateRoomMember,
    responses(
        (status = 204, description = "Done"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn update_room_member(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomMemberPath>,
    Json(body): Json<UpdateRoomMember>,
) -> Result<StatusCode, Problem> {
    let room = path.room();
    let mut tx = db::begin(&app.pool).await?;
    let seat = group_seat(&mut tx, &account, room).await?;
    if seat.role != RoomRole::Owner {
        return Err(RoomError::Forbidden.into());
    }
    let user = member_named(&mut tx, &path.username).await?;
    if user == account.id {
        return Err(RoomError::Myself.into());
    }
    let is_done = match body.role {
        RoomRoleName::Owner => db::rooms::hand_over(&mut tx, room, account.id, user).await?,
        role => db::rooms::set_role(&mut tx, room, user, role.into()).await?,
    };
    if !is_done {
        // Of two who are made the owner at once, for the second it is not the caller's to give any more.
        let is_there = db::rooms::role_of(&mut tx, room, user).await?.is_some();
        return Err(if is_there { RoomError::Forbidden } else { RoomError::NoMember }.into());
    }
    changed(&app, tx, room, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows somebody out, or leaves. An owner who leaves hands the group over to whoever was there longest, admins first.
#[utoipa::path(
    delete,
    path = "/api/v1/rooms/{id}/members/{username}",
    operation_id = "remove_room_member",
    params(RoomMemberPath),
    responses(
        (status = 204, description = "They do not sit in it any more"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn remove_room_member(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomMemberPath>,
) -> Result<StatusCode, Problem> {
    let room = path.room();
    let mut tx = db::begin(&app.pool).await?;
    let seat = group_seat(&mut tx, &account, room).await?;
    let user = member_named(&mut tx, &path.username).await?;
    if user == account.id {
        db::rooms::leave(&mut tx, room, user).await?;
    } else if !db::rooms::remove(&mut tx, room, user, seat.role).await? {
        let is_there = db::rooms::role_of(&mut tx, room, user).await?.is_some();
        return Err(if is_there { RoomError::Forbidden } else { RoomError::NoMember }.into());
    }
    changed(&app, tx, room, Some(user)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Commits, and tells everybody in the room and the one it was done to.
async fn changed(app: &App, mut tx: db::Tx, room: RoomId, besides: Option<UserId>) -> Result<(), Problem> {
    let mut audience = db::rooms::audience(&mut tx, room).await?;
    db::commit(tx).await?;
    audience.extend(besides.filter(|user| !audience.contains(user)));
    tell(app, room, audience).await;
    Ok(())
}

/// Who is invited and has not answered.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{id}/invites",
    operation_id = "room_invites",
    params(RoomPath),
    responses(
        (status = 200, description = "The invited", body = InvitedPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn room_invites(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
) -> Result<Json<InvitedPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if !group_seat(&mut conn, &account, path.room()).await?.role.keeps_order() {
        return Err(RoomError::Forbidden.into());
    }
    let invited = db::rooms::invited_to(&mut conn, path.room()).await?;
    Ok(Json(InvitedPage { items: invited.into_iter().map(Into::into).collect(), next_cursor: None }))
}

/// Invites a member, if they take messages from the caller. By owner and admins. Doing it again changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/rooms/{id}/invites/{username}",
    operation_id = "invite_to_room",
    params(RoomMemberPath),
    responses(
        (status = 204, description = "Invited"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn invite_to_room(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomMemberPath>,
) -> Result<StatusCode, Problem> {
    let room = path.room();
    let mut tx = db::begin(&app.pool).await?;
    let seat = group_seat(&mut tx, &account, room).await?;
    if !seat.role.keeps_order() {
        return Err(RoomError::Forbidden.into());
    }
    if seat.is_archived {
        return Err(RoomError::Archived.into());
    }
    // Before anything is known: who asks around learns no more than who is invited.
    throttle(&app, "room-invite", &account, INVITE).await?;
    let user = member_named(&mut tx, &path.username).await?;
    if user == account.id {
        return Err(RoomError::Myself.into());
    }
    db::rooms::writing(&mut tx, account.id, user).await?.refusal()?;
    match db::rooms::invite(&mut tx, room, user, account.id).await? {
        Invited::Done => {
            db::outbox::push(&mut tx, &Event::RoomInvited { room_id: room, user_id: user }).await?;
            db::commit(tx).await?;
            tell(&app, room, vec![user]).await;
        }
        Invited::Unchanged => {}
        Invited::IsMember => return Err(RoomError::IsMember.into()),
        Invited::TooMany => return Err(RoomError::TooManyInvites.into()),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an invitation back. By owner and admins.
#[utoipa::path(
    delete,
    path = "/api/v1/rooms/{id}/invites/{username}",
    operation_id = "withdraw_room_invite",
    params(RoomMemberPath),
    responses(
        (status = 204, description = "Not invited"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn withdraw_room_invite(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomMemberPath>,
) -> Result<StatusCode, Problem> {
    let room = path.room();
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if !group_seat(&mut conn, &account, room).await?.role.keeps_order() {
        return Err(RoomError::Forbidden.into());
    }
    let user = member_named(&mut conn, &path.username).await?;
    if db::rooms::decline(&mut conn, room, user).await? {
        tell(&app, room, vec![user]).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Groups the caller is invited to, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/me/room-invites",
    operation_id = "my_room_invites",
    responses(
        (status = 200, description = "The invitations", body = InvitationPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn my_room_invites(State(app): State<App>, account: Account) -> Result<Json<InvitationPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let invitations = db::rooms::invitations(&mut conn, account.id, INVITATIONS_MAX).await?;
    Ok(Json(InvitationPage { items: invitations.into_iter().map(Into::into).collect(), next_cursor: None }))
}

/// Says yes to an invitation.
#[utoipa::path(
    put,
    path = "/api/v1/me/room-invites/{id}",
    operation_id = "join_room",
    params(RoomPath),
    responses(
        (status = 200, description = "The room", body = Room),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn join_room(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
) -> Result<Json<Room>, Problem> {
    let room = path.room();
    let mut tx = db::begin(&app.pool).await?;
    match db::rooms::join(&mut tx, room, account.id).await? {
        Joined::Done => {}
        // Asked again after a lost answer: whoever sits in it has said yes.
        Joined::NotInvited => return Ok(Json(shown(&app, &mut tx, &account, room).await?)),
        Joined::Full => return Err(RoomError::Full.into()),
        Joined::TooManyGroups => return Err(RoomError::TooManyGroups.into()),
    }
    let shown = shown(&app, &mut tx, &account, room).await?;
    changed(&app, tx, room, None).await?;
    Ok(Json(shown))
}

/// Says no to an invitation. Nobody is told.
#[utoipa::path(
    delete,
    path = "/api/v1/me/room-invites/{id}",
    operation_id = "decline_room",
    params(RoomPath),
    responses(
        (status = 204, description = "Not invited"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn decline_room(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if db::rooms::decline(&mut conn, path.room(), account.id).await? {
        tell(&app, path.room(), vec![account.id]).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
