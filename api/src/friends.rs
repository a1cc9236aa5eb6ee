//! Friendships and blocks.
//!
//! Of a block nobody hears: whoever was blocked gets the answers of somebody who takes no requests.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::friends::{Asked, Blocking, Of, Side};
use domain::event::Event;
use domain::people::Bond;
use domain::user::Username;
use domain::{Classify, Kind, Timestamp, UserId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{Push, Target};
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::presence::{self, PresenceView};
use crate::shapes::ChannelRef;
use crate::state::App;

/// Requests a member may begin, whatever came of them.
const ASK: Quota = Quota::new(20, Duration::from_secs(3_600));
/// How long an answer waits for its news to be told.
const TELL_WAIT_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub(crate) enum FriendError {
    #[error("there is no such member")]
    NotFound,
    #[error("that is you")]
    Myself,
    #[error("this member takes no requests from you")]
    NotAccepting,
    #[error("you have blocked this member")]
    Blocked,
    #[error("too many of your requests wait for an answer")]
    TooMany,
    #[error("your list of blocked members is full")]
    TooManyBlocks,
    #[error("too many requests; wait a while")]
    Throttled(Duration),
}

impl Classify for FriendError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::NotAccepting => Kind::Forbidden,
            Self::Myself | Self::Blocked | Self::TooMany | Self::TooManyBlocks => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "member.not-found",
            Self::Myself => "friend.self",
            Self::NotAccepting => "friend.not-accepting",
            Self::Blocked => "friend.blocked",
            Self::TooMany => "friend.too-many",
            Self::TooManyBlocks => "block.too-many",
            Self::Throttled(_) => "friend.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    /// The member's name.
    username: String,
}

/// What the caller has with another member.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Bond)]
pub(crate) enum BondName {
    None,
    /// The caller asked and waits.
    Outgoing,
    /// The other asked and waits.
    Incoming,
    Accepted,
    /// By the caller.
    Blocked,
}

impl From<Bond> for BondName {
    fn from(bond: Bond) -> Self {
        match bond {
            Bond::None => Self::None,
            Bond::Outgoing => Self::Outgoing,
            Bond::Incoming => Self::Incoming,
            Bond::Accepted => Self::Accepted,
            Bond::Blocked => Self::Blocked,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BondView {
    state: BondName,
    /// Whether a request of the caller would be taken now.
    may_ask: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FriendsOf {
    #[default]
    Accepted,
    Incoming,
    Outgoing,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FriendsQuery {
    /// `accepted` unless said: friends. `incoming`: who asks the caller. `outgoing`: whom the caller asked.
    #[serde(default)]
    #[param(inline)]
    state: FriendsOf,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A member in one of the caller's lists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Friend {
    id: Uuid,
    username: String,
    display_name: String,
    avatar_url: Option<String>,
    state: BondName,
    since: DateTime<Utc>,
    /// Of friends: null when they hide it, or nobody can say now.
    presence: Option<PresenceView>,
}

impl From<Side> for Friend {
    fn from(side: Side) -> Self {
        let face = ChannelRef::from(side.person);
        Self {
            id: side.id.as_uuid(),
            username: face.username,
            display_name: face.display_name,
            avatar_url: face.avatar_url,
            state: side.bond.into(),
            since: side.since,
            presence: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FriendPage {
    items: Vec<Friend>,
    next_cursor: Option<String>,
    /// Requests that wait for the caller's answer; of all, not of this page.
    incoming_count: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BlockPage {
    items: Vec<Friend>,
    next_cursor: Option<String>,
}

/// Whom a path names, who is not the caller.
async fn other(conn: &mut db::Conn, account: &Account, path: &MemberPath) -> Result<UserId, Problem> {
    let name = Username::parse(&path.username).map_err(|_| FriendError::NotFound)?;
    let id = db::channels::id_of(conn, name.as_str()).await?.ok_or(FriendError::NotFound)?;
    if id == account.id {
        return Err(FriendError::Myself.into());
    }
    Ok(id)
}

/// Tells both sides' tabs that their lists changed. The lists are the truth; what is lost here is only late.
async fn tell(app: &App, users: [UserId; 2]) {
    let told = async {
        for user in users {
            let push = Push {
                target: Target::User(user),
                event: "friends:changed".to_owned(),
                payload: json!({}),
                origin: None,
            };
            live::fanout::publish(&app.live, &push).await?;
        }
        Ok::<_, live::LiveError>(())
    };
    if !matches!(tokio::time::timeout(TELL_WAIT_MAX, told).await, Ok(Ok(()))) {
        tracing::debug!("a change of friends was not told");
    }
}

/// The caller's friends, or requests, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/friends",
    operation_id = "friends",
    params(FriendsQuery),
    responses(
        (status = 200, description = "A page of members", body = FriendPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn friends(
    State(app): State<App>,
    account: Account,
    Query(query): Query<FriendsQuery>,
) -> Result<Json<FriendPage>, Problem> {
    let of = match query.state {
        FriendsOf::Accepted => Of::Accepted,
        FriendsOf::Incoming => Of::Incoming,
        FriendsOf::Outgoing => Of::Outgoing,
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let after = page.after::<(Timestamp, UserId)>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::friends::list(&mut conn, account.id, of, after, page::rows(limit)).await?;
    let incoming_count = db::friends::incoming_count(&mut conn, account.id).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.since, row.id));
    drop(conn);
    let mut present = match of {
        Of::Accepted => presence::of(&app, &account, rows.iter().map(|row| row.id)).await?,
        Of::Incoming | Of::Outgoing | Of::Blocked => HashMap::new(),
    };
    let items = rows.into_iter().map(|row| {
        let presence = present.remove(&row.id);
        Friend { presence, ..Friend::from(row) }
    });
    Ok(Json(FriendPage { items: items.collect(), next_cursor, incoming_count }))
}

/// What the caller has with a member.
#[utoipa::path(
    get,
    path = "/api/v1/friends/{username}",
    operation_id = "friend",
    params(MemberPath),
    responses(
        (status = 200, description = "What there is", body = BondView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn friend(
    State(app): State<App>,
    account: Account,
    Path(path): Path<MemberPath>,
) -> Result<Json<BondView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let other = other(&mut conn, &account, &path).await?;
    let bond = db::friends::bond(&mut conn, account.id, other).await?;
    let may_ask = bond == Bond::None && db::friends::may_ask(&mut conn, other, account.id).await?;
    Ok(Json(BondView { state: bond.into(), may_ask }))
}

/// Asks a member for a friendship, or says yes to theirs. Doing it again changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/friends/{username}",
    operation_id = "ask_friend",
    params(MemberPath),
    responses(
        (status = 200, description = "What there is now", body = BondView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn ask_friend(
    State(app): State<App>,
    account: Account,
    Path(path): Path<MemberPath>,
) -> Result<Json<BondView>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let user_id = other(&mut tx, &account, &path).await?;
    let asked = db::friends::ask(&mut tx, account.id, user_id).await?;
    if matches!(asked, Asked::Waiting | Asked::Refused) {
        // Before anything is known: who asks around learns no more than who is asked.
        let verdict = app.limits.hit(&format!("friend:{}", account.id), ASK).await;
        if !verdict.is_allowed {
            return Err(FriendError::Throttled(verdict.retry_after).into());
        }
    }
    let (bond, event) = match asked {
        Asked::Waiting => (Bond::Outgoing, Some(Event::FriendAsked { user_id, asker_id: account.id })),
        Asked::Accepted => (Bond::Accepted, Some(Event::FriendAccepted { user_id: account.id, asker_id: user_id })),
        Asked::Unchanged(bond) => (bond, None),
        Asked::Refused => return Err(FriendError::NotAccepting.into()),
        Asked::Blocked => return Err(FriendError::Blocked.into()),
        Asked::TooMany => return Err(FriendError::TooMany.into()),
    };
    if let Some(event) = &event {
        db::outbox::push(&mut tx, event).await?;
    }
    db::commit(tx).await?;
    if event.is_some() {
        tell(&app, [account.id, user_id]).await;
    }
    Ok(Json(BondView { state: bond.into(), may_ask: false }))
}

/// Takes a request back, says no to one, or ends a friendship. Nobody is notified.
#[utoipa::path(
    delete,
    path = "/api/v1/friends/{username}",
    operation_id = "end_friend",
    params(MemberPath),
    responses(
        (status = 204, description = "There is none"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn end_friend(
    State(app): State<App>,
    account: Account,
    Path(path): Path<MemberPath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let other = other(&mut tx, &account, &path).await?;
    let before = db::friends::part(&mut tx, account.id, other).await?;
    db::commit(tx).await?;
    if !matches!(before, Bond::None | Bond::Blocked) {
        tell(&app, [account.id, other]).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whom the caller has blocked, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/me/blocks",
    operation_id = "blocks",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of members", body = BlockPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn blocks(
    State(app): State<App>,
    account: Account,
    Query(query): Query<PageQuery>,
) -> Result<Json<BlockPage>, Problem> {
    let limit = query.limit()?;
    let after = query.after::<(Timestamp, UserId)>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::friends::list(&mut conn, account.id, Of::Blocked, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.since, row.id));
    Ok(Json(BlockPage { items: rows.into_iter().map(Friend::from).collect(), next_cursor }))
}

/// Blocks a member: what there was between the two ends, and neither's requests or notifications reach the other. They are not told.
#[utoipa::path(
    put,
    path = "/api/v1/me/blocks/{username}",
    operation_id = "block",
    params(MemberPath),
    responses(
        (status = 204, description = "Blocked"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn block(
    State(app): State<App>,
    account: Account,
    Path(path): Path<MemberPath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let other = other(&mut tx, &account, &path).await?;
    if db::friends::block(&mut tx, account.id, other).await? == Blocking::TooMany {
        return Err(FriendError::TooManyBlocks.into());
    }
    db::commit(tx).await?;
    tell(&app, [account.id, other]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a block back.
#[utoipa::path(
    delete,
    path = "/api/v1/me/blocks/{username}",
    operation_id = "unblock",
    params(MemberPath),
    responses(
        (status = 204, description = "Not blocked"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn unblock(
    State(app): State<App>,
    account: Account,
    Path(path): Path<MemberPath>,
) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let other = other(&mut conn, &account, &path).await?;
    db::friends::unblock(&mut conn, account.id, other).await?;
    Ok(StatusCode::NO_CONTENT)
}
