//! Signing up, in and out.

mod known;
pub(crate) mod origin;
pub(crate) mod tokens;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use db::audit::Entry;
use db::users::Credentials;
use domain::audit::{Action, Actor};
use domain::event::Event;
use domain::user::Role;
use domain::{Classify, Kind, UserId};
use http::{HeaderMap, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use utoipa::ToSchema;

use crate::account;
use crate::accounts::{Checked, NewUser};
use crate::auth::known::DeviceToken;
use crate::auth::origin::SameOrigin;
use crate::auth::tokens::{Device, Granted, RefreshToken, Rotation};
use crate::extract::{Json, storable};
use crate::net::Client;
use crate::revoked;
use crate::shapes::User;
use crate::state::App;
use crate::two_factor::SecondStep;

const LOGIN_FAILURES_PER: Duration = Duration::from_secs(15 * 60);

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("registration is closed on this site")]
    RegistrationClosed,
    /// The same for an unknown name and a wrong password.
    #[error("the name or the password is wrong")]
    WrongCredentials,
    #[error("this account is suspended")]
    Suspended,
    /// Told only to who knows the password.
    #[error("you closed this account; sign in with `reopen` to open it again")]
    Closed,
    #[error("too many failed attempts; wait a while")]
    TooManyFailures { retry_after_ms: u64 },
    #[error("sign in again")]
    SessionOver,
    /// The same for one that is wrong and one that was used.
    #[error("the code is wrong, or was used already")]
    WrongCode,
    /// The same for a forged token, an old one, and one since which something has changed.
    #[error("begin again with your password")]
    SecondStepOver,
}

impl Classify for AuthError {
    fn kind(&self) -> Kind {
        match self {
            Self::RegistrationClosed | Self::Suspended | Self::Closed => Kind::Forbidden,
            Self::WrongCredentials | Self::SessionOver | Self::WrongCode | Self::SecondStepOver => {
                Kind::Unauthenticated
            }
            Self::TooManyFailures { .. } => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::RegistrationClosed => "auth.registration-closed",
            Self::WrongCredentials => "auth.wrong-credentials",
            Self::Suspended => "account.suspended",
            Self::Closed => "account.closed",
            Self::TooManyFailures { .. } => "auth.throttled",
            Self::SessionOver => "auth.session-over",
            Self::WrongCode => "auth.wrong-code",
            Self::SecondStepOver => "auth.second-step-over",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::TooManyFailures { retry_after_ms } => Some(*retry_after_ms),
            _ => None,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    /// 3 to 30 letters, digits or underscores.
    username: String,
    email: String,
    /// At least 8 characters, and not easy to guess.
    password: String,
    /// The username unless given.
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// Username or e-mail address.
    login: String,
    password: String,
    /// Opens an account again that its member had closed. Without it such a sign-in is refused with `account.closed`.
    #[serde(default)]
    reopen: bool,
}

/// A fresh sign-in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    user: User,
    access_token: String,
    /// Seconds the access token lives.
    expires_in: u64,
}

/// A fresh access token.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessToken {
    access_token: String,
    /// Seconds the access token lives.
    expires_in: u64,
}

/// Creates an account and signs it in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    operation_id = "register",
    request_body = Register,
    responses(
        (status = 201, description = "The account, signed in; the refresh token is in a cookie", body = Session),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "auth",
)]
pub(crate) async fn register(
    State(app): State<App>,
    _same: SameOrigin,
    client: Client,
    headers: HeaderMap,
    jar: CookieJar,
    Json(body): Json<Register>,
) -> Result<Response, Problem> {
    if !app.config.auth.is_registration_open {
        return Err(AuthError::RegistrationClosed.into());
    }
    let new = NewUser {
        username: body.username,
        email: body.email,
        password: kit::Secret::new(body.password),
        display_name: body.display_name,
        role: Role::User,
    };
    let checked = Checked::of(&app.passwords, new, false).await?;
    let (device, token) = (Device::of(&client, &headers), DeviceToken::of(&jar));
    let mut tx = db::begin(&app.pool).await?;
    let created = checked.insert(&mut tx, &app.stream_keys).await?;
    let granted = tokens::open(&app, &mut tx, created.id, created.role, (&device, &token)).await?;
    let user = db::users::find(&mut tx, created.id).await?.ok_or_else(Problem::not_found)?;
    db::commit(tx).await?;
    metrics::counter!("rillcast_registrations_total").increment(1);
    Ok((StatusCode::CREATED, signed_in(&app, &client, jar.add(token.cookie(&app, &client)), user, granted))
        .into_response())
}

/// Signs in with a username or e-mail address. Whoever has turned two-factor sign-in on is asked for a code then.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    operation_id = "login",
    request_body = Login,
    responses(
        (status = 200, description = "Signed in; the refresh token is in a cookie", body = Session),
        (status = 202, description = "The password is right, and a code is asked; nobody is signed in yet", body = SecondStep),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "auth",
)]
pub(crate) async fn login(
    State(app): State<App>,
    _same: SameOrigin,
    client: Client,
    headers: HeaderMap,
    jar: CookieJar,
    Json(body): Json<Login>,
) -> Result<Response, Problem> {
    let login = storable(&body.login.trim().to_lowercase());
    let Some(known) = prove(&app, &login, body.password).await? else {
        metrics::counter!("rillcast_logins_total", "outcome" => "refused").increment(1);
        return Err(AuthError::WrongCredentials.into());
    };
    if known.is_barred {
        return Err(AuthError::Suspended.into());
    }
    if known.is_closed && !body.reopen {
        return Err(AuthError::Closed.into());
    }
    if known.has_two_factor {
        metrics::counter!("rillcast_logins_total", "outcome" => "asked").increment(1);
        let step = SecondStep::ask(&app, known.id, &known.password_hash, body.reopen);
        return Ok((StatusCode::ACCEPTED, Json(step)).into_response());
    }

    let mut tx = db::begin(&app.pool).await?;
    // It may have been changed since it was looked at.
    if !db::users::holds_password(&mut tx, known.id, &known.password_hash).await? {
        return Err(AuthError::WrongCredentials.into());
    }
    let who = Entering { user: known.id, role: known.role, is_closed: known.is_closed };
    enter(&app, (&client, &headers), jar, tx, who).await
}

/// Somebody who has proven all that is asked of them.
pub(crate) struct Entering {
    pub user: UserId,
    pub role: Role,
    /// Their account, which is opened again.
    pub is_closed: bool,
}

/// Signs in, in the transaction in which it was proven.
pub(crate) async fn enter(
    app: &App,
    (client, headers): (&Client, &HeaderMap),
    jar: CookieJar,
    mut tx: db::Tx,
    who: Entering,
) -> Result<Response, Problem> {
    if who.is_closed {
        db::users::reopen(&mut tx, who.user).await?;
        let entry = Entry::of_member(Actor::Member(who.user), Action::AccountReopened, who.user);
        db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    }
    let user = db::users::find(&mut tx, who.user).await?.ok_or(AuthError::WrongCredentials)?;
    let (device, token) = (Device::of(client, headers), DeviceToken::of(&jar));
    let earlier = db::sessions::earlier(&mut tx, who.user, known::EARLIER_MAX).await?;
    let granted = tokens::open(app, &mut tx, who.user, who.role, (&device, &token)).await?;
    if let Some(from) = known::unfamiliar(app, client, device.user_agent(), &token, &earlier) {
        let event = Event::SignedInAnew { user_id: who.user, session_id: granted.session, from };
        db::outbox::push(&mut tx, &event).await?;
    }
    db::commit(tx).await?;
    metrics::counter!("rillcast_logins_total", "outcome" => "granted").increment(1);
    Ok(signed_in(app, client, jar.add(token.cookie(app, client)), user, granted))
}

/// Whose name and password these are. `None`: nobody's. So many failures of one name are waited for, whether there is such a name or not.
pub(crate) async fn prove(app: &App, login: &str, password: String) -> Result<Option<Credentials>, Problem> {
    // Unknown names are counted like known ones: the answer must not tell them apart.
    let bucket = format!("login-failures:{}", hex::encode(&Sha256::digest(login.as_bytes())[..16]));
    let quota = Quota::new(app.config.limits.login_failures_per_account, LOGIN_FAILURES_PER);
    let known = async {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::users::credentials(&mut conn, login).await
    };
    // Beside each other: what is found of a name that may not be tried is told to nobody.
    let (verdict, known) = tokio::join!(app.limits.look(&bucket, quota), known);
    if !verdict.is_allowed {
        let retry_after_ms = u64::try_from(verdict.retry_after.as_millis()).unwrap_or(u64::MAX);
        return Err(AuthError::TooManyFailures { retry_after_ms }.into());
    }

    let known = known?;
    // No connection is held while hashing: sign-ins would starve everything else.
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let matches = app.passwords.verify(password, hash).await?;
    let known = known.filter(|_| matches);
    if known.is_none() {
        let _verdict = app.limits.hit_silently(&bucket, quota).await;
    }
    Ok(known)
}

/// Trades the refresh cookie for a new access token.
///
/// The cookie is replaced at each use. Using an old one again within ten seconds repeats the answer; later it ends the
/// sign-in on every device that shares it.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    operation_id = "refresh",
    responses(
        (status = 200, description = "A new access token; the cookie is replaced", body = AccessToken),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("refresh_cookie" = [])),
    tag = "auth",
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    _same: SameOrigin,
    client: Client,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Response, Problem> {
    let Some(token) = jar.get(tokens::COOKIE).and_then(|cookie| RefreshToken::of(cookie.value())) else {
        return Err(AuthError::SessionOver.into());
    };
    let mut tx = db::begin(&app.pool).await?;
    let rotation = tokens::rotate(&app, &mut tx, &token, &Device::of(&client, &headers)).await?;
    db::commit(tx).await?;
    match rotation {
        Rotation::Granted(granted) => {
            let jar = jar.add(tokens::cookie(&app, &client, &granted.refresh));
            let body = AccessToken { access_token: granted.access_token, expires_in: app.tokens.ttl_s() };
            Ok((jar, Json(body)).into_response())
        }
        Rotation::Refused => Ok(session_over(&app, &client, jar)),
        Rotation::Stolen(session) => {
            revoked::announce(&app, session, None).await;
            metrics::counter!("rillcast_refresh_reuse_total").increment(1);
            tracing::warn!(session.id = %session, client.addr = %client.addr, "a refresh token was used twice; its sign-in is over");
            Ok(session_over(&app, &client, jar))
        }
    }
}

/// Ends the sign-in. The access token is refused from then on.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    operation_id = "logout",
    responses(
        (status = 204, description = "Signed out"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("refresh_cookie" = [])),
    tag = "auth",
)]
pub(crate) async fn logout(
    State(app): State<App>,
    _same: SameOrigin,
    client: Client,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Response, Problem> {
    // Either proof will do: whoever leaves after the access token has expired still leaves.
    let claims = account::claims(&app, &headers).ok().flatten();
    let token = jar.get(tokens::COOKIE).and_then(|cookie| RefreshToken::of(cookie.value()));
    let mut tx = db::begin(&app.pool).await?;
    let mut sessions = Vec::with_capacity(2);
    if let Some(claims) = &claims {
        sessions.push((claims.sid, Some(claims.jti)));
    }
    if let Some(token) = &token
        && let Some(session) = db::sessions::session_of(&mut tx, &token.hash()).await?
        && claims.as_ref().is_none_or(|claims| claims.sid != session)
    {
        sessions.push((session, None));
    }
    if sessions.is_empty() {
        return Err(Problem::unauthenticated());
    }
    for (session, _) in &sessions {
        db::sessions::revoke(&mut tx, *session, db::sessions::RevokeReason::Logout).await?;
    }
    db::commit(tx).await?;
    for (session, jti) in sessions {
        revoked::announce(&app, session, jti).await;
    }
    Ok((StatusCode::NO_CONTENT, jar.add(tokens::empty_cookie(&app, &client))).into_response())
}

fn signed_in(app: &App, client: &Client, jar: CookieJar, user: db::users::User, granted: Granted) -> Response {
    let jar = jar.add(tokens::cookie(app, client, &granted.refresh));
    let body = Session { user: user.into(), access_token: granted.access_token, expires_in: app.tokens.ttl_s() };
    (jar, Json(body)).into_response()
}

/// 401, and the browser forgets the useless cookie.
fn session_over(app: &App, client: &Client, jar: CookieJar) -> Response {
    (jar.add(tokens::empty_cookie(app, client)), Problem::from(AuthError::SessionOver)).into_response()
}
