//! Rooms: conversations of two, and groups. What is said in them goes over the socket; who sits in them is decided here.
//!
//! For whoever does not sit in a room it is not there.

pub(crate) mod attachments;
pub(crate) mod members;
pub(crate) mod shapes;

use std::time::Duration;

use axum::extract::State;
use db::rooms::Which;
use domain::error::FieldError;
use domain::rooms::{RoomError, RoomKind, RoomName, Writing};
use domain::user::Username;
use domain::{Classify, RoomId, Timestamp, UserId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{Push, Target};
use live::limits::Quota;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::attachments::AttachmentLimits;
use self::shapes::{Room, RoomPage};
use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::presence;
use crate::state::App;

/// Rooms a member may begin, whatever came of it.
const BEGIN: Quota = Quota::new(30, Duration::from_secs(3_600));
/// How long an answer waits for its news to be told.
const TELL_WAIT_MAX: Duration = Duration::from_millis(500);
/// A group one sits in, or a conversation with one member.
const BEGUN_BY: &str = "give username for a conversation of two, or name for a group";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomPath {
    /// The room's id.
    id: Uuid,
}

impl RoomPath {
    fn room(&self) -> RoomId {
        RoomId::from_uuid(self.id)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RoomsQuery {
    /// Archived groups instead of the others.
    #[serde(default)]
    archived: bool,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which room to begin: with `username` a conversation of two, with `name` a group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRoom {
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    #[schema(max_length = 60)]
    name: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateRoom {
    /// By owner and admins.
    #[serde(default)]
    #[schema(max_length = 60)]
    name: Option<String>,
    /// By the owner. An archived group can be read and nothing more.
    #[serde(default)]
    is_archived: Option<bool>,
}

/// The caller's seat, or: there is no such room.
async fn seat(conn: &mut db::Conn, account: &Account, room: RoomId) -> Result<db::rooms::Seat, Problem> {
    Ok(db::rooms::seat(conn, room, account.id).await?.ok_or(RoomError::NotFound)?)
}

/// The caller's seat in a group.
async fn group_seat(conn: &mut db::Conn, account: &Account, room: RoomId) -> Result<db::rooms::Seat, Problem> {
    let seat = seat(conn, account, room).await?;
    match seat.kind {
        RoomKind::Group => Ok(seat),
        RoomKind::Private => Err(RoomError::Private.into()),
    }
}

/// Whom a name stands for.
async fn member_named(conn: &mut db::Conn, name: &str) -> Result<UserId, Problem> {
    let name = Username::parse(name).map_err(|_| RoomError::NoMember)?;
    Ok(db::channels::id_of(conn, name.as_str()).await?.ok_or(RoomError::NoMember)?)
}

/// Tells these members' tabs that a room is not what it was. The lists are the truth; what is lost here is only late.
async fn tell(app: &App, room: RoomId, users: Vec<UserId>) {
    let push = Push {
        target: Target::Users(users),
        event: "room:changed".to_owned(),
        payload: json!({ "room_id": room }),
        origin: None,
    };
    let told = tokio::time::timeout(TELL_WAIT_MAX, live::fanout::publish(&app.live, &push)).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("a change of a room was not told");
    }
}

/// A room as the caller sees it, with why nothing can be said in it now, if so.
async fn shown(app: &App, conn: &mut db::Conn, account: &Account, room: RoomId) -> Result<Room, Problem> {
    let which = Which { room: Some(room), ..Which::default() };
    let listed = db::rooms::list(&mut *conn, account.id, which, 1).await?.pop().ok_or(RoomError::NotFound)?;
    let writing = match &listed.with {
        Some(other) if listed.kind == RoomKind::Private => db::rooms::writing(conn, account.id, other.id).await?,
        _ => Writing::Open,
    };
    let refusal = match writing.refusal() {
        Ok(()) if listed.is_archived => Some(RoomError::Archived),
        Ok(()) => None,
        Err(refusal) => Some(refusal),
    };
    let mut shown = Room::from(listed);
    shown.attachments = Some(AttachmentLimits::of(app));
    shown.refusal = refusal.map(|refusal| refusal.code().to_owned());
    Ok(shown)
}

async fn throttle(app: &App, what: &str, account: &Account, quota: Quota) -> Result<(), Problem> {
    let verdict = app.limits.hit(&format!("{what}:{}", account.id), quota).await;
    if verdict.is_allowed { Ok(()) } else { Err(RoomError::Throttled(verdict.retry_after).into()) }
}

/// The caller's rooms, the one where something was said last first.
#[utoipa::path(
    get,
    path = "/api/v1/rooms",
    operation_id = "rooms",
    params(RoomsQuery),
    responses(
        (status = 200, description = "A page of rooms", body = RoomPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn rooms(
    State(app): State<App>,
    account: Account,
    Query(query): Query<RoomsQuery>,
) -> Result<Json<RoomPage>, Problem> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let which = Which { room: None, is_archived: query.archived, after: page.after::<(Timestamp, RoomId)>()? };
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::rooms::list(&mut conn, account.id, which, page::rows(limit)).await?;
    let unread_count = db::rooms::unread_rooms(&mut conn, account.id).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.at(), row.room));
    drop(conn);
    let mut items: Vec<Room> = rows.into_iter().map(Room::from).collect();
    let mut present = presence::of(&app, &account, items.iter().filter_map(Room::other)).await?;
    for room in &mut items {
        room.show(room.other().and_then(|other| present.remove(&other)));
    }
    Ok(Json(RoomPage { items, next_cursor, unread_count }))
}

/// Opens the conversation with a member, which there is once, or makes a group.
#[utoipa::path(
    post,
    path = "/api/v1/rooms",
    operation_id = "begin_room",
    request_body = NewRoom,
    responses(
        (status = 200, description = "The conversation with this member", body = Room),
        (status = 201, description = "The new group", body = Room),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn begin_room(
    State(app): State<App>,
    account: Account,
    Json(body): Json<NewRoom>,
) -> Result<(StatusCode, Json<Room>), Problem> {
    match (body.username, body.name) {
        (Some(username), None) => open_pair(&app, &account, &username).await,
        (None, Some(name)) => {
            let name = RoomName::parse(&name)?;
            throttle(&app, "room", &account, BEGIN).await?;
            let room = RoomId::from_uuid(kit::ids::uuid());
            let mut tx = db::begin(&app.pool).await?;
            if !db::rooms::create_group(&mut tx, room, account.id, &name).await? {
                return Err(RoomError::TooManyGroups.into());
            }
            let shown = shown(&app, &mut tx, &account, room).await?;
            db::commit(tx).await?;
            tell(&app, room, vec![account.id]).await;
            Ok((StatusCode::CREATED, Json(shown)))
        }
        _ => Err(Problem::invalid(vec![FieldError::new("username", BEGUN_BY)])),
    }
}

/// A conversation that is there is opened whoever takes messages now.
async fn open_pair(app: &App, account: &Account, username: &str) -> Result<(StatusCode, Json<Room>), Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let other = member_named(&mut conn, username).await?;
    if other == account.id {
        return Err(RoomError::Myself.into());
    }
    if let Some(room) = db::rooms::of_pair(&mut conn, account.id, other).await? {
        return Ok((StatusCode::OK, Json(shown(app, &mut conn, account, room).await?)));
    }
    // Before anything is known: who asks around learns no more than who may write.
    throttle(app, "room", account, BEGIN).await?;
    db::rooms::writing(&mut conn, account.id, other).await?.refusal()?;
    drop(conn);
    let mut tx = db::begin(&app.pool).await?;
    let room = db::rooms::open_pair(&mut tx, account.id, other).await?;
    let shown = shown(app, &mut tx, account, room).await?;
    db::commit(tx).await?;
    Ok((StatusCode::OK, Json(shown)))
}

/// One of the caller's rooms.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{id}",
    operation_id = "room",
    params(RoomPath),
    responses(
        (status = 200, description = "The room", body = Room),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn room(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
) -> Result<Json<Room>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut room = shown(&app, &mut conn, &account, path.room()).await?;
    drop(conn);
    if let Some(other) = room.other() {
        room.show(presence::of(&app, &account, [other]).await?.remove(&other));
    }
    Ok(Json(room))
}

/// Names a group, archives it or opens it again.
#[utoipa::path(
    patch,
    path = "/api/v1/rooms/{id}",
    operation_id = "update_room",
    params(RoomPath),
    request_body = UpdateRoom,
    responses(
        (status = 200, description = "The room now", body = Room),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn update_room(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
    Json(body): Json<UpdateRoom>,
) -> Result<Json<Room>, Problem> {
    let room = path.room();
    let name = body.name.as_deref().map(RoomName::parse).transpose()?;
    let mut tx = db::begin(&app.pool).await?;
    let seat = group_seat(&mut tx, &account, room).await?;
    if let Some(name) = &name {
        if !seat.role.keeps_order() {
            return Err(RoomError::Forbidden.into());
        }
        db::rooms::rename(&mut tx, room, name).await?;
    }
    if let Some(is_archived) = body.is_archived {
        if seat.role != domain::rooms::RoomRole::Owner {
            return Err(RoomError::Forbidden.into());
        }
        db::rooms::archive(&mut tx, room, is_archived).await?;
    }
    let shown = shown(&app, &mut tx, &account, room).await?;
    let audience = db::rooms::audience(&mut tx, room).await?;
    db::commit(tx).await?;
    tell(&app, room, audience).await;
    Ok(Json(shown))
}
