//! Channels: their public page, and following them.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::event::Event;
use domain::notification::Bell;
use domain::user::Username;
use domain::{Classify, Kind, Timestamp, UserId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Eyes;
use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::shapes::{ChannelRef, Stream};
use crate::state::App;
use objects::keys::avatar_url;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("there is no such channel")]
    NotFound,
    #[error("you cannot follow yourself")]
    FollowSelf,
    #[error("you do not follow this channel")]
    NotFollowed,
}

impl Classify for ChannelError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NotFollowed => Kind::NotFound,
            Self::FollowSelf => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "channel.not-found",
            Self::FollowSelf => "follow.self",
            Self::NotFollowed => "follow.not-followed",
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChannelPath {
    /// The channel's name, as it appears in its address.
    username: String,
}

impl ChannelPath {
    pub(crate) fn parse(&self) -> Result<Username, ChannelError> {
        Username::parse(&self.username).map_err(|_| ChannelError::NotFound)
    }
}

/// A channel and what it airs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Channel {
    username: String,
    display_name: String,
    bio: String,
    avatar_url: Option<String>,
    followers_count: i64,
    /// Whether the caller follows it.
    is_following: bool,
    /// How much the caller hears of it. Null when they do not follow it.
    bell: Option<BellName>,
    created_at: DateTime<Utc>,
    live: Option<Stream>,
}

/// How much a follower hears of a channel.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Bell)]
pub(crate) enum BellName {
    /// Streams and recordings.
    All,
    /// Streams.
    LiveOnly,
    /// Nothing.
    None,
}

impl From<Bell> for BellName {
    fn from(bell: Bell) -> Self {
        match bell {
            Bell::All => Self::All,
            Bell::LiveOnly => Self::LiveOnly,
            Bell::None => Self::None,
        }
    }
}

impl From<BellName> for Bell {
    fn from(name: BellName) -> Self {
        match name {
            BellName::All => Self::All,
            BellName::LiveOnly => Self::LiveOnly,
            BellName::None => Self::None,
        }
    }
}

/// What a follower changes about following.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateFollow {
    bell: BellName,
}

/// A channel in the caller's list.
#[derive(Serialize, ToSchema)]
pub(crate) struct FollowedChannel {
    username: String,
    display_name: String,
    avatar_url: Option<String>,
    followed_at: DateTime<Utc>,
    live: Option<Stream>,
}

/// A follower in a channel's list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Follower {
    username: String,
    display_name: String,
    avatar_url: Option<String>,
    followed_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FollowerPage {
    items: Vec<Follower>,
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FollowingPage {
    items: Vec<FollowedChannel>,
    next_cursor: Option<String>,
}

/// A channel and what it airs.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}",
    operation_id = "channel",
    params(ChannelPath),
    responses(
        (status = 200, description = "The channel", body = Channel),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "channels",
)]
pub(crate) async fn channel(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<ChannelPath>,
) -> Result<Json<Channel>, Problem> {
    let username = path.parse()?;
    let id = account.as_ref().map(|account| account.id);
    let found = async {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let channel = db::channels::find(&mut conn, username.as_str(), id).await?.ok_or(ChannelError::NotFound)?;
        let eyes = Eyes::of_standing(&app, account.as_ref(), channel.is_viewer_staff);
        let live = db::streams::live_of(&mut conn, &[channel.id], eyes.viewer()).await?.pop();
        Ok::<_, Problem>((channel, live, eyes))
    };
    // Counted beside, whether it is on air or not: nobody waits for one after the other.
    let (found, count) = tokio::join!(found, app.viewers.of_one(&username));
    let (channel, live, eyes) = found?;
    let live = live.map(|stream| Stream::of(stream, count, &eyes));
    let face = ChannelRef::from(channel.owner);
    Ok(Json(Channel {
        username: face.username,
        display_name: face.display_name,
        avatar_url: face.avatar_url,
        bio: channel.bio,
        followers_count: channel.followers_count,
        is_following: channel.bell.is_some(),
        bell: channel.bell.map(BellName::from),
        created_at: channel.created_at,
        live,
    }))
}

/// Follows a channel. Doing it again changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/channels/{username}/follow",
    operation_id = "follow",
    params(ChannelPath),
    responses(
        (status = 204, description = "Followed"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "channels",
)]
pub(crate) async fn follow(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ChannelPath>,
) -> Result<StatusCode, Problem> {
    let username = path.parse()?;
    let mut tx = db::begin(&app.pool).await?;
    let channel = db::channels::id_of(&mut tx, username.as_str()).await?.ok_or(ChannelError::NotFound)?;
    if channel == account.id {
        return Err(ChannelError::FollowSelf.into());
    }
    if db::follows::insert(&mut tx, channel, account.id).await? {
        // Only a follow that was none before is news.
        db::outbox::push(&mut tx, &Event::Followed { channel_id: channel, follower_id: account.id }).await?;
    }
    db::commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets how much the caller hears of a channel they follow.
#[utoipa::path(
    patch,
    path = "/api/v1/channels/{username}/follow",
    operation_id = "update_follow",
    params(ChannelPath),
    request_body = UpdateFollow,
    responses(
        (status = 204, description = "Set"),
        (status = "4XX", description = "What went wrong; `follow.not-followed` when the caller does not follow it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "channels",
)]
pub(crate) async fn update_follow(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ChannelPath>,
    Json(body): Json<UpdateFollow>,
) -> Result<StatusCode, Problem> {
    let username = path.parse()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let channel = db::channels::id_of(&mut conn, username.as_str()).await?.ok_or(ChannelError::NotFound)?;
    if db::follows::set_bell(&mut conn, channel, account.id, body.bell.into()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ChannelError::NotFollowed.into())
    }
}

/// Stops following a channel. Doing it again changes nothing.
#[utoipa::path(
    delete,
    path = "/api/v1/channels/{username}/follow",
    operation_id = "unfollow",
    params(ChannelPath),
    responses(
        (status = 204, description = "Not followed"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "channels",
)]
pub(crate) async fn unfollow(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ChannelPath>,
) -> Result<StatusCode, Problem> {
    let username = path.parse()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let channel = db::channels::id_of(&mut conn, username.as_str()).await?.ok_or(ChannelError::NotFound)?;
    let has_followed = db::follows::delete(&mut conn, channel, account.id).await?;
    drop(conn);
    if has_followed {
        app.gate.end_follow(channel, account.id).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A channel's followers, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/followers",
    operation_id = "followers",
    params(ChannelPath, PageQuery),
    responses(
        (status = 200, description = "A page of followers", body = FollowerPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "channels",
)]
pub(crate) async fn followers(
    State(app): State<App>,
    Path(path): Path<ChannelPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<FollowerPage>, Problem> {
    let username = path.parse()?;
    let limit = query.limit()?;
    let after = query.after::<(Timestamp, UserId)>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let channel = db::channels::id_of(&mut conn, username.as_str()).await?.ok_or(ChannelError::NotFound)?;
    let mut rows = db::follows::followers(&mut conn, channel, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.created_at, row.id));
    let items = rows
        .into_iter()
        .map(|row| Follower {
            username: row.person.username,
            display_name: row.person.display_name,
            avatar_url: row.person.avatar_key.as_deref().map(avatar_url),
            followed_at: row.created_at,
        })
        .collect();
    Ok(Json(FollowerPage { items, next_cursor }))
}

/// Channels the caller follows: those on air first, then the latest follow first.
#[utoipa::path(
    get,
    path = "/api/v1/me/following",
    operation_id = "following",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of channels", body = FollowingPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn following(
    State(app): State<App>,
    account: Account,
    Query(query): Query<PageQuery>,
) -> Result<Json<FollowingPage>, Problem> {
    let limit = query.limit()?;
    let after = query.after::<(bool, Timestamp, UserId)>()?.map(|(is_live, at, id)| db::follows::FollowedCursor {
        is_live,
        at,
        id,
    });
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::follows::following(&mut conn, account.id, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.is_live, row.follow.created_at, row.follow.id));
    let on_air: Vec<UserId> = rows.iter().filter(|row| row.is_live).map(|row| row.follow.id).collect();
    let eyes = Eyes::of_member(&app, Some(&account));
    let streams =
        if on_air.is_empty() { Vec::new() } else { db::streams::live_of(&mut conn, &on_air, eyes.viewer()).await? };
    drop(conn);
    let names: Vec<Username> = streams.iter().filter_map(|s| Username::parse(&s.owner.username).ok()).collect();
    let counts = app.viewers.of(&names).await;
    let mut streams: std::collections::HashMap<UserId, db::streams::Stream> =
        streams.into_iter().map(|stream| (stream.channel, stream)).collect();
    let items = rows
        .into_iter()
        .map(|row| FollowedChannel {
            live: streams.remove(&row.follow.id).map(|stream| {
                let count = Username::parse(&stream.owner.username).ok().and_then(|name| counts.get(&name).copied());
                Stream::of(stream, count.unwrap_or_default(), &eyes)
            }),
            username: row.follow.person.username,
            display_name: row.follow.person.display_name,
            avatar_url: row.follow.person.avatar_key.as_deref().map(avatar_url),
            followed_at: row.follow.created_at,
        })
        .collect();
    Ok(Json(FollowingPage { items, next_cursor }))
}
