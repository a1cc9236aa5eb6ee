//! Tokens of members' programs: their list, making one, ending one. How one is judged is in [`bearer`].

pub(crate) mod bearer;

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::api_tokens::{ApiToken, NewToken};
use db::audit::Entry;
use domain::api_token::{GOOD_FOR, GOOD_FOR_MAX, Scope, TOKENS_MAX};
use domain::audit::{Action, Actor};
use domain::device::DeviceName;
use domain::{Classify, Kind, SessionId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Fields, Json, Path};
use crate::net::Client;
use crate::state::App;
use crate::{revoked, two_factor};

/// Tokens a member may make.
const MADE: Quota = Quota::new(20, Duration::from_secs(3_600));
/// Those that ran out are shown too, for a month.
const SHOWN_MAX: i64 = 200;

#[derive(Debug, thiserror::Error)]
enum TokenError {
    /// Also for one that is not the caller's.
    #[error("there is no such token")]
    NotFound,
    #[error("at most {TOKENS_MAX} tokens are good at a time; end one first")]
    TooMany,
    #[error("too many tokens were made; wait a while")]
    Throttled(Duration),
}

impl Classify for TokenError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::TooMany => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "api-token.not-found",
            Self::TooMany => "api-token.too-many",
            Self::Throttled(_) => "api-token.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            Self::NotFound | Self::TooMany => None,
        }
    }
}

/// What a token may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiScope)]
pub(crate) enum ScopeName {
    #[serde(rename = "content:read")]
    ContentRead,
    #[serde(rename = "content:write")]
    ContentWrite,
    #[serde(rename = "channel:read")]
    ChannelRead,
    #[serde(rename = "channel:write")]
    ChannelWrite,
    #[serde(rename = "stream-key:read")]
    StreamKeyRead,
    #[serde(rename = "moderation:read")]
    ModerationRead,
    #[serde(rename = "moderation:write")]
    ModerationWrite,
    #[serde(rename = "files:read")]
    FilesRead,
    #[serde(rename = "files:write")]
    FilesWrite,
    #[serde(rename = "notifications:read")]
    NotificationsRead,
    #[serde(rename = "notifications:write")]
    NotificationsWrite,
    #[serde(rename = "events:read")]
    EventsRead,
}

impl From<Scope> for ScopeName {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::ContentRead => Self::ContentRead,
            Scope::ContentWrite => Self::ContentWrite,
            Scope::ChannelRead => Self::ChannelRead,
            Scope::ChannelWrite => Self::ChannelWrite,
            Scope::StreamKeyRead => Self::StreamKeyRead,
            Scope::ModerationRead => Self::ModerationRead,
            Scope::ModerationWrite => Self::ModerationWrite,
            Scope::FilesRead => Self::FilesRead,
            Scope::FilesWrite => Self::FilesWrite,
            Scope::NotificationsRead => Self::NotificationsRead,
            Scope::NotificationsWrite => Self::NotificationsWrite,
            Scope::EventsRead => Self::EventsRead,
        }
    }
}

/// A token of one of the caller's programs. The token itself was shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiTokenView {
    id: Uuid,
    name: String,
    /// The token's last characters.
    hint: String,
    scopes: Vec<ScopeName>,
    created_at: DateTime<Utc>,
    /// Of one that ran out, in the past.
    expires_at: DateTime<Utc>,
    /// To ten minutes; null before its first use.
    last_used_at: Option<DateTime<Utc>>,
    last_used_address: Option<String>,
}

impl From<ApiToken> for ApiTokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            hint: token.hint,
            scopes: token.scopes.into_iter().map(ScopeName::from).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.used_at,
            last_used_address: token.used_addr.filter(|addr| !addr.is_empty()),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiTokenPage {
    /// Those that are good, the latest first, then those that ran out within a month; all of them.
    items: Vec<ApiTokenView>,
    next_cursor: Option<String>,
}

/// A new token, which is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiToken {
    /// `rillcast_pat_` and 64 characters.
    token: String,
    api_token: ApiTokenView,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiTokenBody {
    /// 1 to 60 characters.
    name: String,
    /// At least one.
    scopes: Vec<ScopeName>,
    /// In 366 days at the latest; without it in 90.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    /// The caller's password: a token outlives the sign-in it is made with.
    password: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApiTokenPath {
    /// The token's id.
    id: Uuid,
}

/// Tokens of the caller's programs.
#[utoipa::path(
    get,
    path = "/api/v1/me/api-tokens",
    operation_id = "api_tokens",
    responses(
        (status = 200, description = "All of them", body = ApiTokenPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn api_tokens(State(app): State<App>, account: Account) -> Result<Json<ApiTokenPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let items = db::api_tokens::list(&mut conn, account.id, SHOWN_MAX).await?;
    Ok(Json(ApiTokenPage { items: items.into_iter().map(ApiTokenView::from).collect(), next_cursor: None }))
}

/// Makes a token for a program. It is shown this once, does no more than its scopes say, and ends with the caller's password, with a
/// suspension, and with the account.
#[utoipa::path(
    post,
    path = "/api/v1/me/api-tokens",
    operation_id = "add_api_token",
    request_body = NewApiTokenBody,
    responses(
        (status = 201, description = "The token, this once", body = NewApiToken),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn add_api_token(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<NewApiTokenBody>,
) -> Result<(StatusCode, Json<NewApiToken>), Problem> {
    let mut fields = Fields::default();
    let name = fields.take(DeviceName::parse(&body.name));
    // Each once, in the order of the list of scopes.
    let scopes: Vec<Scope> =
        Scope::ALL.into_iter().filter(|scope| body.scopes.contains(&ScopeName::from(*scope))).collect();
    if scopes.is_empty() {
        fields.push("scopes", "must name at least one");
    }
    let now = kit::clock::now();
    let expires_at = body.expires_at.unwrap_or(now + GOOD_FOR);
    if expires_at <= now || expires_at > now + GOOD_FOR_MAX {
        fields.push("expires_at", format!("must be within the next {} days", GOOD_FOR_MAX.num_days()));
    }
    fields.check()?;
    let Some(name) = name else { return Err(Problem::invalid(Vec::new())) };
    let verdict = app.limits.hit(&format!("api-token:{}", account.id), MADE).await;
    if !verdict.is_allowed {
        return Err(TokenError::Throttled(verdict.retry_after).into());
    }
    two_factor::prove(&app, account.id, body.password).await?;

    let id = SessionId::from_uuid(kit::ids::uuid());
    let minted = app.bearers.mint();
    let new = NewToken {
        id,
        user: account.id,
        name: name.as_str(),
        hash: &minted.hash,
        hint: &minted.hint,
        scopes: &scopes,
        expires_at,
    };
    let mut tx = db::begin(&app.pool).await?;
    if !db::api_tokens::add(&mut tx, new).await? {
        return Err(TokenError::TooMany.into());
    }
    let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let details = json!({ "scopes": words, "expires_at": expires_at });
    let entry = Entry { details, ..entry(&account, &client, Action::ApiTokenCreated, id, name.as_str()) };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    let api_token = ApiTokenView {
        id: id.as_uuid(),
        name: name.as_str().to_owned(),
        hint: minted.hint,
        scopes: scopes.into_iter().map(ScopeName::from).collect(),
        created_at: now,
        expires_at,
        last_used_at: None,
        last_used_address: None,
    };
    Ok((StatusCode::CREATED, Json(NewApiToken { token: minted.token.expose().to_owned(), api_token })))
}

/// Ends a token. It is refused from then on, and what it listens to ends.
#[utoipa::path(
    delete,
    path = "/api/v1/me/api-tokens/{id}",
    operation_id = "remove_api_token",
    params(ApiTokenPath),
    responses(
        (status = 204, description = "It is over"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn remove_api_token(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<ApiTokenPath>,
) -> Result<StatusCode, Problem> {
    let id = SessionId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    let name = db::api_tokens::revoke(&mut tx, account.id, id).await?.ok_or(TokenError::NotFound)?;
    db::audit::write(&mut tx, entry(&account, &client, Action::ApiTokenRevoked, id, &name)).await?;
    db::commit(tx).await?;
    revoked::announce(&app, id, None).await;
    Ok(StatusCode::NO_CONTENT)
}

fn entry<'a>(account: &Account, client: &Client, action: Action, id: SessionId, name: &'a str) -> Entry<'a> {
    Entry {
        member: Some(account.id),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(account.id), action, id, name)
    }
}
