//! Closing one's own account. Signing in with `reopen` opens it again; nothing is deleted.

use axum::extract::State;
use axum_extra::extract::cookie::CookieJar;
use db::audit::Entry;
use db::sessions::RevokeReason;
use db::users::Closed;
use domain::audit::{Action, Actor};
use domain::{Classify, Kind};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::account::Account;
use crate::auth::{self, tokens};
use crate::extract::Json;
use crate::net::Client;
use crate::revoked;
use crate::state::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseError {
    #[error("that is not your password")]
    WrongPassword,
    #[error("end your stream first")]
    OnAir,
    #[error("you are the last administrator of this site")]
    LastAdmin,
}

impl Classify for CloseError {
    fn kind(&self) -> Kind {
        match self {
            Self::WrongPassword => Kind::Forbidden,
            Self::OnAir | Self::LastAdmin => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::WrongPassword => "account.wrong-password",
            Self::OnAir => "account.on-air",
            Self::LastAdmin => "account.last-admin",
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseAccount {
    password: String,
}

/// Closes the caller's account: they are signed out everywhere and nobody sees their channel, recordings or name in lists any more.
/// What they said in chats and rooms stays. Nothing is deleted; `POST /api/v1/auth/login` with `reopen` brings all of it back.
#[utoipa::path(
    post,
    path = "/api/v1/me/close",
    operation_id = "close_account",
    request_body = CloseAccount,
    responses(
        (status = 204, description = "Closed; the browser forgets its cookie"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn close_account(
    State(app): State<App>,
    account: Account,
    client: Client,
    jar: CookieJar,
    Json(body): Json<CloseAccount>,
) -> Result<(StatusCode, CookieJar), Problem> {
    let name = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::users::find(&mut conn, account.id).await?.ok_or_else(Problem::unauthenticated)?.username
    };
    // The same count of failures as for signing in: a stolen token must not become a way to try passwords.
    if auth::prove(&app, name.as_str(), body.password).await?.is_none() {
        return Err(CloseError::WrongPassword.into());
    }
    let mut tx = db::begin(&app.pool).await?;
    match db::users::close(&mut tx, account.id).await? {
        Closed::Done => {}
        Closed::OnAir => return Err(CloseError::OnAir.into()),
        Closed::LastAdmin => return Err(CloseError::LastAdmin.into()),
    }
    let ended = db::sessions::revoke_all(&mut tx, account.id, RevokeReason::Closed).await?;
    let entry = Entry::of_member(Actor::Member(account.id), Action::AccountClosed, account.id);
    db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    revoked::announce_all(&app, ended).await;
    Ok((StatusCode::NO_CONTENT, jar.add(tokens::empty_cookie(&app, &client))))
}
