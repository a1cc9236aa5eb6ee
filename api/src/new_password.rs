//! Another password: for whoever knows the old one, and by mail for whoever has forgotten it.
//!
//! Asking for such a mail does the same work whether anybody has the address or not: it writes the address down, and a job looks.

use std::time::Duration;

use axum::extract::State;
use db::audit::Entry;
use db::sessions::RevokeReason;
use domain::audit::{Action, Actor};
use domain::event::Event;
use domain::user::Email;
use domain::{Classify, Kind, UserId};
use http::StatusCode;
use kit::Problem;
use kit::mail_links::MailLinks;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::account::Account;
use crate::accounts;
use crate::auth::{self, AuthError};
use crate::extract::{Fields, Json};
use crate::net::Client;
use crate::revoked;
use crate::state::App;

const PER_HOUR: Duration = Duration::from_secs(3_600);
/// Changes of one member's password, whether they succeed or not: each costs two hashes.
const CHANGES: Quota = Quota::new(10, PER_HOUR);
/// Mails to one address.
const MAILS: Quota = Quota::new(3, PER_HOUR);

#[derive(Debug, thiserror::Error)]
enum PasswordError {
    #[error("that is not your password")]
    Wrong,
    #[error("this site sends no mail")]
    NoMail,
    /// Also for one that was used: it is not told apart from any other that does not fit.
    #[error("this link is not one of ours, or was used, or is too old")]
    BadLink,
}

impl Classify for PasswordError {
    fn kind(&self) -> Kind {
        match self {
            Self::Wrong => Kind::Forbidden,
            Self::NoMail => Kind::Conflict,
            Self::BadLink => Kind::NotFound,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Wrong => "account.wrong-password",
            Self::NoMail => "mail.off",
            Self::BadLink => "auth.bad-reset-link",
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    current_password: String,
    /// At least 8 characters, and not easy to guess.
    new_password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgottenPassword {
    /// The address of the account.
    email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPassword {
    /// What the link in the mail carries.
    token: String,
    /// At least 8 characters, and not easy to guess.
    new_password: String,
}

/// What a page for signing in offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthOptions {
    /// Whether strangers may register.
    is_registration_open: bool,
    /// Whether whoever has forgotten their password is helped by mail.
    is_reset_offered: bool,
}

/// What a page for signing in offers on this site.
#[utoipa::path(
    get,
    path = "/api/v1/auth/options",
    operation_id = "auth_options",
    responses((status = 200, description = "What there is", body = AuthOptions)),
    tag = "auth",
)]
pub(crate) async fn auth_options(State(app): State<App>) -> Json<AuthOptions> {
    Json(AuthOptions { is_registration_open: app.config.auth.is_registration_open, is_reset_offered: sends_mail(&app) })
}

/// Changes the caller's password. All their other devices are signed out, and where there is mail they are told.
#[utoipa::path(
    post,
    path = "/api/v1/me/password",
    operation_id = "change_password",
    request_body = ChangePassword,
    responses(
        (status = 204, description = "Changed; only this device is still signed in"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let verdict = app.limits.hit(&format!("password:{}", account.id), CHANGES).await;
    if !verdict.is_allowed {
        let retry_after_ms = u64::try_from(verdict.retry_after.as_millis()).unwrap_or(u64::MAX);
        return Err(AuthError::TooManyFailures { retry_after_ms }.into());
    }
    let user = find(&app, account.id).await?.ok_or_else(Problem::unauthenticated)?;
    // The same count of failures as for signing in: a stolen token must not become a way to try passwords.
    let known = auth::prove(&app, user.username.as_str(), body.current_password).await?.ok_or(PasswordError::Wrong)?;
    let hash = accounts::next_hash(&app.passwords, &user, body.new_password).await?;
    let mut tx = db::begin(&app.pool).await?;
    if !replace(&app, &mut tx, account.id, &known.password_hash, &hash).await? {
        return Err(PasswordError::Wrong.into());
    }
    let ended = db::sessions::revoke_others(&mut tx, account.id, account.session, RevokeReason::Password).await?;
    let entry = Entry::of_member(Actor::Member(account.id), Action::PasswordChanged, account.id);
    db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    revoked::announce_all(&app, ended).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a link to choose a new password, if anybody has this address. The answer is the same if nobody has.
#[utoipa::path(
    post,
    path = "/api/v1/auth/forgot",
    operation_id = "forgot_password",
    request_body = ForgottenPassword,
    responses(
        (status = 202, description = "If anybody has this address, a mail is on its way. Its link is good for an hour"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "auth",
)]
pub(crate) async fn forgot_password(
    State(app): State<App>,
    Json(body): Json<ForgottenPassword>,
) -> Result<StatusCode, Problem> {
    if !sends_mail(&app) {
        return Err(PasswordError::NoMail.into());
    }
    let mut fields = Fields::default();
    let email = fields.take(Email::parse(&body.email));
    fields.check()?;
    let Some(email) = email else { return Ok(StatusCode::ACCEPTED) };
    let bucket = format!("forgot-mail:{}", hex::encode(&Sha256::digest(email.as_str().as_bytes())[..16]));
    // Nobody is told how often others asked for their mail.
    if app.limits.hit_silently(&bucket, MAILS).await.is_allowed {
        let mut tx = db::begin(&app.pool).await?;
        db::outbox::push(&mut tx, &Event::ResetAsked { email, at: kit::clock::now() }).await?;
        db::commit(tx).await?;
    }
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password with what the link in a mail carries. All of the member's devices are signed out.
#[utoipa::path(
    post,
    path = "/api/v1/auth/reset",
    operation_id = "reset_password",
    request_body = ResetPassword,
    responses(
        (status = 204, description = "Sign in with it"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "auth",
)]
pub(crate) async fn reset_password(
    State(app): State<App>,
    client: Client,
    Json(body): Json<ResetPassword>,
) -> Result<StatusCode, Problem> {
    let links = MailLinks::new(&app.config.auth.secret);
    let said = links.read_reset(&body.token).ok_or(PasswordError::BadLink)?;
    let user = find(&app, said.user).await?.ok_or(PasswordError::BadLink)?;
    let old_hash = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::users::password_hash(&mut conn, user.id).await?
    };
    let old_hash = old_hash.filter(|hash| links.fits(&said, &user.email, hash)).ok_or(PasswordError::BadLink)?;
    let hash = accounts::next_hash(&app.passwords, &user, body.new_password).await?;
    let mut tx = db::begin(&app.pool).await?;
    if !replace(&app, &mut tx, user.id, &old_hash, &hash).await? {
        return Err(PasswordError::BadLink.into());
    }
    let ended = db::sessions::revoke_all(&mut tx, user.id, RevokeReason::Password).await?;
    let entry = Entry::of_member(Actor::Member(user.id), Action::PasswordChanged, user.id);
    let details = json!({ "by_mail": true });
    db::audit::write(&mut tx, Entry { details, addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    revoked::announce_all(&app, ended).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, user: UserId) -> Result<Option<db::users::User>, db::DbError> {
    let mut conn = app.pool.acquire().await?;
    db::users::find(&mut conn, user).await
}

/// Puts a new password in the place of the old one and has its member told. False when the old one is not the password any more.
async fn replace(
    app: &App,
    conn: &mut db::Conn,
    user: UserId,
    old_hash: &str,
    new_hash: &str,
) -> Result<bool, db::DbError> {
    if !db::users::replace_password(conn, user, old_hash, new_hash).await? {
        return Ok(false);
    }
    if sends_mail(app) {
        db::outbox::push(conn, &Event::PasswordChanged { user_id: user }).await?;
    }
    Ok(true)
}

fn sends_mail(app: &App) -> bool {
    !app.config.mail.url.is_empty()
}
