//! Where a member is signed in: the list of devices, their names, and ending them from another.

use axum::extract::State;
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, Utc};
use db::audit::Entry;
use db::sessions::RevokeReason;
use domain::audit::{Action, Actor};
use domain::device::{Agent, DeviceKind, DeviceName};
use domain::{Classify, Kind, SessionId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::auth::tokens;
use crate::extract::{Fields, Json, Path};
use crate::net::Client;
use crate::places::Place;
use crate::revoked;
use crate::state::App;

/// Shown at most. Scripts that sign in at each run have more.
pub(crate) const SHOWN_MAX: i64 = 100;

/// Also for one that is not the caller's, and for one that is over.
#[derive(Debug, thiserror::Error)]
#[error("there is no such sign-in")]
struct NoSignIn;

impl Classify for NoSignIn {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn code(&self) -> &'static str {
        "session.not-found"
    }
}

/// What kind of device it is, as far as its program tells.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeviceKind)]
pub(crate) enum DeviceKindName {
    Computer,
    Phone,
    Tablet,
    Tv,
    Console,
    /// No browser: a script, a bot, an app.
    Program,
    Unknown,
}

impl From<DeviceKind> for DeviceKindName {
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Computer => Self::Computer,
            DeviceKind::Phone => Self::Phone,
            DeviceKind::Tablet => Self::Tablet,
            DeviceKind::Tv => Self::Tv,
            DeviceKind::Console => Self::Console,
            DeviceKind::Program => Self::Program,
            DeviceKind::Unknown => Self::Unknown,
        }
    }
}

/// A device on which the caller is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignIn {
    id: Uuid,
    /// What the caller calls it.
    name: Option<String>,
    kind: DeviceKindName,
    /// Its operating system, such as `Windows`.
    system: Option<&'static str>,
    /// Its browser, such as `Firefox`; of a program the name it gives itself.
    browser: Option<String>,
    /// Where it was when it was last used.
    address: Option<String>,
    /// Where that is, as far as the site knows: see `geoip.database`.
    place: Option<Place>,
    created_at: DateTime<Utc>,
    /// When it last asked for an access token, which it does every quarter of an hour.
    last_used_at: DateTime<Utc>,
    /// Whether this request comes from it.
    is_current: bool,
}

impl SignIn {
    pub(crate) fn of(app: &App, found: db::sessions::SignIn, account: &Account) -> Self {
        let agent = Agent::parse(&found.user_agent);
        Self {
            place: found.addr.parse().ok().and_then(|addr| app.places.of(addr)),
            id: found.id,
            name: found.name,
            kind: agent.kind.into(),
            system: agent.system,
            browser: agent.browser,
            address: Some(found.addr).filter(|addr| !addr.is_empty()),
            created_at: found.created_at,
            last_used_at: found.last_used_at,
            is_current: found.id == account.session.as_uuid(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignInPage {
    /// The one this request comes from, then those used last; 100 at most.
    items: Vec<SignIn>,
    next_cursor: Option<String>,
    /// How many there are.
    total: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SignInPath {
    /// The sign-in's id.
    id: Uuid,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameSignIn {
    /// 1 to 60 characters; null takes the name away.
    #[serde(deserialize_with = "said")]
    #[schema(required)]
    name: Option<String>,
}

/// Null has to be written out: a request that says nothing takes no name away.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndedSignIns {
    /// How many there were.
    pub(crate) ended: usize,
}

/// The devices on which the caller is signed in.
#[utoipa::path(
    get,
    path = "/api/v1/me/sessions",
    operation_id = "sign_ins",
    responses(
        (status = 200, description = "The sign-ins that are not over", body = SignInPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn sign_ins(State(app): State<App>, account: Account) -> Result<Json<SignInPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = db::sessions::of_member(&mut conn, account.id, account.session, SHOWN_MAX).await?;
    let shown = i64::try_from(found.len()).unwrap_or(SHOWN_MAX);
    let total = if shown < SHOWN_MAX { shown } else { db::sessions::count(&mut conn, account.id).await? };
    let items = found.into_iter().map(|one| SignIn::of(&app, one, &account)).collect();
    Ok(Json(SignInPage { items, next_cursor: None, total }))
}

/// An entry of the audit log about a sign-in that its member ended.
fn ended_by(account: &Account, client: &Client, session: SessionId) -> Entry<'static> {
    Entry {
        member: Some(account.id),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(account.id), Action::SessionEnded, session, "")
    }
}

/// Calls a device something.
#[utoipa::path(
    patch,
    path = "/api/v1/me/sessions/{id}",
    operation_id = "name_sign_in",
    params(SignInPath),
    request_body = NameSignIn,
    responses(
        (status = 200, description = "The sign-in as it is now", body = SignIn),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn name_sign_in(
    State(app): State<App>,
    account: Account,
    Path(path): Path<SignInPath>,
    Json(body): Json<NameSignIn>,
) -> Result<Json<SignIn>, Problem> {
    let mut fields = Fields::default();
    let name = body.name.and_then(|name| fields.take(DeviceName::parse(&name)));
    fields.check()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let session = SessionId::from_uuid(path.id);
    let named = db::sessions::set_name(&mut conn, account.id, session, name.as_ref()).await?.ok_or(NoSignIn)?;
    Ok(Json(SignIn::of(&app, named, &account)))
}

/// Signs a device out: its tokens are refused from then on and its chat is closed.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions/{id}",
    operation_id = "end_sign_in",
    params(SignInPath),
    responses(
        (status = 204, description = "It is over"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn end_sign_in(
    State(app): State<App>,
    account: Account,
    client: Client,
    jar: CookieJar,
    Path(path): Path<SignInPath>,
) -> Result<(StatusCode, CookieJar), Problem> {
    let session = SessionId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    if !db::sessions::revoke_own(&mut tx, account.id, session, RevokeReason::Ended).await? {
        return Err(NoSignIn.into());
    }
    db::audit::write(&mut tx, ended_by(&account, &client, session)).await?;
    db::commit(tx).await?;
    revoked::announce(&app, session, None).await;
    // Whoever ends their own has no use for the cookie.
    let jar = if session == account.session { jar.add(tokens::empty_cookie(&app, &client)) } else { jar };
    Ok((StatusCode::NO_CONTENT, jar))
}

/// Signs all of the caller's other devices out.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions",
    operation_id = "end_other_sign_ins",
    responses(
        (status = 200, description = "All but this one are over", body = EndedSignIns),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn end_other_sign_ins(
    State(app): State<App>,
    account: Account,
    client: Client,
) -> Result<Json<EndedSignIns>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let over = db::sessions::revoke_others(&mut tx, account.id, account.session, RevokeReason::Ended).await?;
    let ended = over.len();
    if ended > 0 {
        // One line however many they were.
        let details = json!({ "kept": account.session, "ended": ended });
        let entry = Entry { details, ..ended_by(&account, &client, account.session) };
        db::audit::write(&mut tx, entry).await?;
    }
    db::commit(tx).await?;
    revoked::announce_all(&app, over).await;
    Ok(Json(EndedSignIns { ended }))
}
