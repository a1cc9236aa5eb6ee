//! Mail: asking for it, showing that the address is one's own, and ending it with one click.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::event::Event;
use domain::notification::{NotificationType, Reach};
use domain::{Classify, Kind};
use http::StatusCode;
use kit::Problem;
use kit::mail_links::MailLinks;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::account::Account;
use crate::extract::{Json, Query};
use crate::state::App;

/// Questions to one member's address: whoever reads it may not be the member.
const QUESTIONS: Quota = Quota::new(3, Duration::from_secs(24 * 3_600));

#[derive(Debug, thiserror::Error)]
enum MailError {
    #[error("this site sends no mail")]
    Off,
    #[error("too many mails were asked for; look for one of them, or wait")]
    TooMany,
    #[error("this link is not one of ours, or too old")]
    BadLink,
}

impl Classify for MailError {
    fn kind(&self) -> Kind {
        match self {
            Self::Off => Kind::Conflict,
            Self::TooMany => Kind::Throttled,
            Self::BadLink => Kind::NotFound,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Off => "mail.off",
            Self::TooMany => "mail.too-many",
            Self::BadLink => "mail.bad-link",
        }
    }
}

/// What a link in a mail carries.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmMail {
    token: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MailConfirmed {
    /// Where mail goes from now on.
    address: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UnsubscribeQuery {
    /// What the link in a mail carries.
    token: String,
    /// Ends mail of every kind, whatever the link was for.
    all: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MailStopped {
    /// The kind that comes no more; null when none does.
    r#type: Option<&'static str>,
}

/// Asks for mail. A question with a link goes to the caller's address; mail begins when the link was used.
#[utoipa::path(
    post,
    path = "/api/v1/me/mail",
    operation_id = "ask_for_mail",
    responses(
        (status = 202, description = "A question is on its way, unless the address is confirmed already"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn ask_for_mail(State(app): State<App>, account: Account) -> Result<StatusCode, Problem> {
    if app.config.mail.url.is_empty() {
        return Err(MailError::Off.into());
    }
    let verdict = app.limits.hit(&format!("mail:{}", account.id), QUESTIONS).await;
    if !verdict.is_allowed {
        let wait = u64::try_from(verdict.retry_after.as_millis()).unwrap_or(u64::MAX);
        return Err(Problem::from(MailError::TooMany).retry_after_ms(wait));
    }
    let mut tx = db::begin(&app.pool).await?;
    db::outbox::push(&mut tx, &Event::MailAsked { user_id: account.id }).await?;
    db::commit(tx).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Ends all mail to the caller.
#[utoipa::path(
    delete,
    path = "/api/v1/me/mail",
    operation_id = "stop_mail",
    responses(
        (status = 204, description = "No more mail"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn stop_mail(State(app): State<App>, account: Account) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    db::mail::stop(&mut conn, &[account.id]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Confirms an address with what the question's link carries. No sign-in: mail is often read elsewhere.
#[utoipa::path(
    post,
    path = "/api/v1/mail/confirm",
    operation_id = "confirm_mail",
    request_body = ConfirmMail,
    responses(
        (status = 200, description = "Mail goes there from now on", body = MailConfirmed),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "notifications",
)]
pub(crate) async fn confirm_mail(
    State(app): State<App>,
    Json(body): Json<ConfirmMail>,
) -> Result<Json<MailConfirmed>, Problem> {
    let said = MailLinks::new(&app.config.auth.secret).read_confirm(&body.token).ok_or(MailError::BadLink)?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if !db::mail::confirm(&mut conn, said.user, &said.address).await? {
        return Err(MailError::BadLink.into());
    }
    Ok(Json(MailConfirmed { address: said.address }))
}

/// Ends mail of the kind the link was for, or all (RFC 8058: mail programs send `List-Unsubscribe=One-Click` here; what the body
/// says does not matter).
#[utoipa::path(
    post,
    path = "/api/v1/mail/unsubscribe",
    operation_id = "unsubscribe",
    params(UnsubscribeQuery),
    responses(
        (status = 200, description = "It comes no more", body = MailStopped),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "notifications",
)]
pub(crate) async fn unsubscribe(
    State(app): State<App>,
    Query(query): Query<UnsubscribeQuery>,
) -> Result<Json<MailStopped>, Problem> {
    let said = MailLinks::new(&app.config.auth.secret).read_unsubscribe(&query.token).ok_or(MailError::BadLink)?;
    let kind = said.kind.filter(|_| !query.all.unwrap_or(false));
    let mut tx = db::begin(&app.pool).await?;
    match kind {
        // A suspended member's wish counts too, for when they are back.
        Some(kind) if db::chat::username_of(&mut tx, said.user).await?.is_some() => {
            db::notification_choices::set_reaches(&mut tx, said.user, &[(kind, Reach::Mail, false)]).await?;
        }
        // A member who is gone hears nothing anyway.
        Some(_) => {}
        None => db::mail::stop(&mut tx, &[said.user]).await?,
    }
    db::commit(tx).await?;
    Ok(Json(MailStopped { r#type: kind.map(NotificationType::as_str) }))
}

/// The page for people whose mail program opens the link instead. Looking at it ends nothing.
#[utoipa::path(
    get,
    path = "/api/v1/mail/unsubscribe",
    operation_id = "unsubscribe_page",
    params(UnsubscribeQuery),
    responses(
        (status = 303, description = "The page that asks"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "notifications",
)]
pub(crate) async fn unsubscribe_page(Query(query): Query<UnsubscribeQuery>) -> Response {
    // Our tokens have no other characters; nobody else's are carried on.
    let is_ours = query.token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let token = if is_ours { query.token.as_str() } else { "" };
    Redirect::to(&format!("/unsubscribe?token={token}")).into_response()
}
