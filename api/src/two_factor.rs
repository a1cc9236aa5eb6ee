//! Two-factor sign-in: a member turns it on and off, gets recovery codes, and takes the second step after the password.
//!
//! A code is judged against the secret, then taken in the transaction of what it is for: of two who come with the same code one gets
//! in, and what fails afterwards leaves the code as it was.

mod codes;

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, Utc};
use db::audit::Entry;
use domain::audit::{Action, Actor};
use domain::event::{Event, TwoFactorChange};
use domain::{Classify, Kind, UserId};
use http::{HeaderMap, StatusCode};
use kit::problem::ProblemBody;
use kit::{Problem, second_step};
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::codes::Codes;
use self::codes::Typed;
use crate::account::Account;
use crate::auth::origin::SameOrigin;
use crate::auth::{self, AuthError, Entering, Session};
use crate::extract::Json;
use crate::net::Client;
use crate::state::App;

/// Codes of one member that are judged, right or wrong: three in a million are right at any moment.
const ATTEMPTS: Quota = Quota::new(10, Duration::from_secs(15 * 60));

#[derive(Debug, thiserror::Error)]
pub(crate) enum TwoFactorError {
    #[error("that is not your password")]
    WrongPassword,
    /// The same for one that is wrong and one that was used.
    #[error("the code is wrong, or was used already")]
    WrongCode,
    #[error("two-factor sign-in is on already")]
    On,
    #[error("two-factor sign-in is off")]
    Off,
    #[error("nothing waits to be confirmed; begin again")]
    NothingPending,
}

impl Classify for TwoFactorError {
    fn kind(&self) -> Kind {
        match self {
            Self::WrongPassword | Self::WrongCode => Kind::Forbidden,
            Self::On | Self::Off | Self::NothingPending => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::WrongPassword => "account.wrong-password",
            Self::WrongCode => "two-factor.wrong-code",
            Self::On => "two-factor.on",
            Self::Off => "two-factor.off",
            Self::NothingPending => "two-factor.nothing-pending",
        }
    }
}

/// How the caller's sign-ins are secured.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TwoFactor)]
pub(crate) struct TwoFactorView {
    /// Whether the sign-in asks for a code after the password.
    is_on: bool,
    /// Null while it is off.
    since: Option<DateTime<Utc>>,
    /// Recovery codes that were not used yet.
    recovery_codes_left: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeginTwoFactor {
    /// The caller's password.
    password: String,
}

/// A secret for an app that makes codes. Shown this once, and not in force until a code confirms it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TwoFactorSetup {
    /// In base32, for whoever cannot scan.
    secret: String,
    /// The `otpauth:` address an app understands.
    otpauth_url: String,
    /// The same as a QR code: an SVG document.
    qr_svg: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmTwoFactor {
    /// Six digits, as the app shows them.
    code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordAndCode {
    password: String,
    /// Of the app, or a recovery code.
    code: String,
}

/// Codes for when the app is lost. Each is good once; they are shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondStepBody {
    /// `second_step_token` of the first step's answer.
    token: String,
    /// Of the app, or a recovery code.
    code: String,
}

/// How the caller's sign-ins are secured.
#[utoipa::path(
    get,
    path = "/api/v1/me/two-factor",
    operation_id = "two_factor",
    responses(
        (status = 200, description = "How it is", body = TwoFactorView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn two_factor(State(app): State<App>, account: Account) -> Result<Json<TwoFactorView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let state = db::two_factor::state(&mut conn, account.id).await?;
    Ok(Json(TwoFactorView {
        is_on: state.is_some(),
        since: state.map(|state| state.since),
        recovery_codes_left: state.map_or(0, |state| state.codes_left),
    }))
}

/// Begins to turn two-factor sign-in on: a fresh secret, to be confirmed with a code of it within half an hour. Begun again, the secret
/// before is forgotten.
#[utoipa::path(
    post,
    path = "/api/v1/me/two-factor",
    operation_id = "begin_two_factor",
    request_body = BeginTwoFactor,
    responses(
        (status = 200, description = "What to tell the app", body = TwoFactorSetup),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn begin_two_factor(
    State(app): State<App>,
    account: Account,
    Json(body): Json<BeginTwoFactor>,
) -> Result<Json<TwoFactorSetup>, Problem> {
    let username = prove(&app, account.id, body.password).await?;
    let (secret, sealed) = app.codes.fresh(account.id);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if !db::two_factor::begin(&mut conn, account.id, &sealed).await? {
        return Err(TwoFactorError::On.into());
    }
    let site = app.site_url.parse::<http::Uri>().ok();
    let site = site.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let address = secret.address(site, &username);
    let picture = address.as_deref().and_then(crate::qr::picture);
    let (Some(otpauth_url), Some(qr_svg)) = (address, picture) else {
        return Err(Problem::new(Kind::Internal, "internal", "try again later"));
    };
    Ok(Json(TwoFactorSetup { secret: secret.text(), otpauth_url, qr_svg }))
}

/// Turns two-factor sign-in on, with a code that shows that the app has the secret. Nobody is signed out.
#[utoipa::path(
    post,
    path = "/api/v1/me/two-factor/confirm",
    operation_id = "confirm_two_factor",
    request_body = ConfirmTwoFactor,
    responses(
        (status = 200, description = "It is on; the recovery codes, this once", body = RecoveryCodes),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn confirm_two_factor(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<ConfirmTwoFactor>,
) -> Result<Json<RecoveryCodes>, Problem> {
    count(&app, account.id).await?;
    let sealed = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::two_factor::pending(&mut conn, account.id).await?.ok_or(TwoFactorError::NothingPending)?
    };
    let secret = app.codes.open(&sealed, account.id).ok_or(TwoFactorError::NothingPending)?;
    let step = match Typed::parse(&body.code) {
        Some(Typed::App(code)) => secret.step_of(&code, kit::clock::unix_seconds()),
        _ => None,
    };
    let step = step.ok_or(TwoFactorError::WrongCode)?;
    let (recovery_codes, hashes) = app.codes.recovery(account.id);
    let mut tx = db::begin(&app.pool).await?;
    if !db::two_factor::confirm(&mut tx, account.id, &sealed, step).await? {
        return Err(TwoFactorError::NothingPending.into());
    }
    db::two_factor::replace_codes(&mut tx, account.id, &hashes).await?;
    let by = By { actor: Actor::Member(account.id), client: Some(&client), reason: "" };
    changed(&app, &mut tx, account.id, TwoFactorChange::On, by).await?;
    db::commit(tx).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Makes ten new recovery codes. Those from before are good for nothing any more.
#[utoipa::path(
    post,
    path = "/api/v1/me/two-factor/recovery-codes",
    operation_id = "renew_recovery_codes",
    request_body = PasswordAndCode,
    responses(
        (status = 200, description = "The new codes, this once", body = RecoveryCodes),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn renew_recovery_codes(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<PasswordAndCode>,
) -> Result<Json<RecoveryCodes>, Problem> {
    prove(&app, account.id, body.password).await?;
    count(&app, account.id).await?;
    let (recovery_codes, hashes) = app.codes.recovery(account.id);
    let mut tx = db::begin(&app.pool).await?;
    spend_own(&app, &mut tx, account.id, &body.code).await?;
    db::two_factor::replace_codes(&mut tx, account.id, &hashes).await?;
    let by = By { actor: Actor::Member(account.id), client: Some(&client), reason: "" };
    changed(&app, &mut tx, account.id, TwoFactorChange::NewCodes, by).await?;
    db::commit(tx).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Turns two-factor sign-in off: the password is enough from now on.
#[utoipa::path(
    post,
    path = "/api/v1/me/two-factor/off",
    operation_id = "end_two_factor",
    request_body = PasswordAndCode,
    responses(
        (status = 204, description = "It is off"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn end_two_factor(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<PasswordAndCode>,
) -> Result<StatusCode, Problem> {
    prove(&app, account.id, body.password).await?;
    count(&app, account.id).await?;
    let mut tx = db::begin(&app.pool).await?;
    spend_own(&app, &mut tx, account.id, &body.code).await?;
    if !db::two_factor::remove(&mut tx, account.id).await? {
        return Err(TwoFactorError::Off.into());
    }
    let by = By { actor: Actor::Member(account.id), client: Some(&client), reason: "" };
    changed(&app, &mut tx, account.id, TwoFactorChange::Off, by).await?;
    db::commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The second step of a sign-in: a code of the app, or a recovery code.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login/second-step",
    operation_id = "second_step",
    request_body = SecondStepBody,
    responses(
        (status = 200, description = "Signed in; the refresh token is in a cookie", body = Session),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "auth",
)]
pub(crate) async fn second_step(
    State(app): State<App>,
    _same: SameOrigin,
    client: Client,
    headers: HeaderMap,
    jar: CookieJar,
    Json(body): Json<SecondStepBody>,
) -> Result<Response, Problem> {
    let proven = app.second_step.verify(&body.token).ok_or(AuthError::SecondStepOver)?;
    count(&app, proven.user).await?;
    let challenge = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::two_factor::challenge(&mut conn, proven.user).await?
    };
    // Whatever has changed since the first step ends it, and nobody hears what it was.
    let is_good = |found: &db::two_factor::Challenge| {
        !found.is_barred && (!found.is_closed || proven.reopen) && app.second_step.fits(&proven, &found.password_hash)
    };
    let challenge = challenge.filter(is_good).ok_or(AuthError::SecondStepOver)?;

    let mut tx = db::begin(&app.pool).await?;
    if !db::users::holds_password(&mut tx, proven.user, &challenge.password_hash).await? {
        return Err(AuthError::SecondStepOver.into());
    }
    let Some(way) = spend(&app, &mut tx, proven.user, &challenge.secret, &body.code).await? else {
        metrics::counter!("rillcast_logins_total", "outcome" => "refused").increment(1);
        return Err(AuthError::WrongCode.into());
    };
    if way == Way::Recovery {
        let by = By { actor: Actor::Member(proven.user), client: Some(&client), reason: "" };
        changed(&app, &mut tx, proven.user, TwoFactorChange::RecoveryUsed, by).await?;
    }
    let who = Entering { user: proven.user, role: challenge.role, is_closed: challenge.is_closed };
    auth::enter(&app, (&client, &headers), jar, tx, who).await
}

/// What the first step answers to whoever has turned it on.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecondStep {
    /// For `POST /api/v1/auth/login/second-step`, and for nothing else.
    second_step_token: String,
    /// Seconds it is good for.
    expires_in: u64,
}

impl SecondStep {
    pub(crate) fn ask(app: &App, user: UserId, password_hash: &str, reopen: bool) -> Self {
        Self { second_step_token: app.second_step.issue(user, password_hash, reopen), expires_in: second_step::TTL_S }
    }
}

/// How a code was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    App,
    Recovery,
}

/// On whose word something changes, and where from.
pub(crate) struct By<'a> {
    pub actor: Actor,
    pub client: Option<&'a Client>,
    pub reason: &'a str,
}

/// Writes a change down and has the member told by mail, in the change's own transaction.
pub(crate) async fn changed(
    app: &App,
    conn: &mut db::Conn,
    user: UserId,
    change: TwoFactorChange,
    by: By<'_>,
) -> Result<db::audit::Record, db::DbError> {
    let sends_mail = !app.config.mail.url.is_empty();
    note(conn, user, change, by, sends_mail).await
}

/// The same for whoever has no site around them.
pub(crate) async fn note(
    conn: &mut db::Conn,
    user: UserId,
    change: TwoFactorChange,
    by: By<'_>,
    sends_mail: bool,
) -> Result<db::audit::Record, db::DbError> {
    let action = match change {
        TwoFactorChange::On => Action::TwoFactorEnabled,
        TwoFactorChange::Off => Action::TwoFactorDisabled,
        TwoFactorChange::NewCodes => Action::RecoveryCodesRenewed,
        TwoFactorChange::RecoveryUsed => Action::RecoveryCodeUsed,
        TwoFactorChange::Reset => Action::TwoFactorReset,
    };
    let entry = Entry::of_member(by.actor, action, user);
    let entry = Entry { addr: by.client.map(|client| client.addr), reason: by.reason, ..entry };
    let record = db::audit::write(conn, entry).await?;
    if sends_mail {
        db::outbox::push(conn, &Event::TwoFactorChanged { user_id: user, change }).await?;
    }
    Ok(record)
}

/// Counts an attempt before it is judged: many at once are no way around.
async fn count(app: &App, user: UserId) -> Result<(), AuthError> {
    let verdict = app.limits.hit(&format!("second-step:{user}"), ATTEMPTS).await;
    if verdict.is_allowed {
        return Ok(());
    }
    let retry_after_ms = u64::try_from(verdict.retry_after.as_millis()).unwrap_or(u64::MAX);
    Err(AuthError::TooManyFailures { retry_after_ms })
}

/// The caller's name, if this is their password. The same count of failures as for signing in.
pub(crate) async fn prove(app: &App, user: UserId, password: String) -> Result<String, Problem> {
    let name = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::users::find(&mut conn, user).await?.ok_or_else(Problem::unauthenticated)?.username
    };
    auth::prove(app, name.as_str(), password).await?.ok_or(TwoFactorError::WrongPassword)?;
    Ok(name.as_str().to_owned())
}

/// Takes a code of the caller's, or says why not.
async fn spend_own(app: &App, conn: &mut db::Conn, user: UserId, code: &str) -> Result<(), Problem> {
    let secret = db::two_factor::secret(conn, user).await?.ok_or(TwoFactorError::Off)?;
    spend(app, conn, user, &secret, code).await?.ok_or(TwoFactorError::WrongCode)?;
    Ok(())
}

/// Takes a code. `None`: it is wrong, or taken already.
async fn spend(
    app: &App,
    conn: &mut db::Conn,
    user: UserId,
    sealed: &[u8],
    code: &str,
) -> Result<Option<Way>, db::DbError> {
    Ok(match Typed::parse(code) {
        Some(Typed::App(code)) => {
            let Some(secret) = app.codes.open(sealed, user) else {
                tracing::error!(user.id = %user, "a two-factor secret was sealed with another secret of the site");
                return Ok(None);
            };
            match secret.step_of(&code, kit::clock::unix_seconds()) {
                Some(step) => db::two_factor::spend_step(conn, user, sealed, step).await?.then_some(Way::App),
                None => None,
            }
        }
        Some(Typed::Recovery(code)) => {
            db::two_factor::spend_code(conn, user, &app.codes.hash(user, &code)).await?.then_some(Way::Recovery)
        }
        None => None,
    })
}
