//! The caller: who a request's bearer token says it is, and what they may do now.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::user::{Role, Username};
use domain::{Classify, Kind, Permission, SessionId, UserId};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method};
use kit::Problem;
use kit::tokens::AccessClaims;
use tokio::sync::oneshot;

use crate::api_tokens::bearer;
use crate::revoked;
use crate::state::App;

/// Why the caller may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("the token is not valid")]
    Revoked,
    #[error("this account is suspended")]
    Suspended,
    #[error("that is for the site's staff")]
    NotPermitted,
}

impl Classify for AccessError {
    fn kind(&self) -> Kind {
        match self {
            Self::Revoked => Kind::Unauthenticated,
            Self::Suspended | Self::NotPermitted => Kind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            // The same words as for a forged one.
            Self::Revoked => "auth.invalid-token",
            Self::Suspended => "account.suspended",
            Self::NotPermitted => "auth.forbidden",
        }
    }
}

/// Somebody of the site's staff who is about to act.
pub(crate) struct Staff {
    pub id: UserId,
    pub name: Username,
    pub role: Role,
}

/// A signed-in caller.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub id: UserId,
    pub session: SessionId,
    /// A program of the member's, with a token of its own, and not the member.
    pub is_program: bool,
}

impl Account {
    /// The caller's role as it is now; the token's may be minutes old. `None` when suspended or gone. A program has no more than any
    /// member's, whoever it belongs to: what the staff may do, people do.
    pub(crate) async fn role(&self, conn: &mut db::Conn) -> Result<Option<Role>, db::DbError> {
        Ok(db::users::current_role(conn, self.id).await?.map(|role| self.acting(role)))
    }

    /// What a caller with a role acts as.
    fn acting(&self, role: Role) -> Role {
        if self.is_program { Role::User } else { role }
    }

    /// Whether the caller's role has a permission now.
    pub(crate) async fn may(&self, conn: &mut db::Conn, permission: Permission) -> Result<bool, db::DbError> {
        Ok(self.role(conn).await?.is_some_and(|role| role.may(permission)))
    }

    /// Who asks, as they are now. An error unless their role has a permission, and they ask themselves: what the staff may do, no
    /// program does.
    pub(crate) async fn require(&self, conn: &mut db::Conn, permission: Permission) -> Result<Staff, Problem> {
        let user = db::users::find(conn, self.id).await?.filter(|user| !user.is_suspended);
        let user = user.ok_or(AccessError::Suspended)?;
        let role = self.acting(user.role);
        if !role.may(permission) {
            return Err(AccessError::NotPermitted.into());
        }
        Ok(Staff { id: user.id, name: user.username, role })
    }
}

impl FromRequestParts<App> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        <Self as OptionalFromRequestParts<App>>::from_request_parts(parts, app)
            .await?
            .ok_or_else(Problem::unauthenticated)
    }
}

/// Without a token a visitor; with a bad one an error, so that the client renews it instead of seeing less.
impl OptionalFromRequestParts<App> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        let Some(text) = bearer_of(&parts.headers) else { return Ok(None) };
        if let Some(hash) = app.bearers.hash_of(text) {
            let bearer = bearer::judge(app, parts, &hash).await?;
            return Ok(Some(Self { id: bearer.user, session: bearer.session, is_program: true }));
        }
        let claims = app.tokens.verify(text)?;
        let account = Self { id: claims.sub, session: claims.sid, is_program: false };
        let is_good = match revoked::remembered(app, &claims) {
            Some(is_good) => is_good,
            // Judged while the handler works, by whoever runs it; or here and now.
            None if Beside::leave(parts, &claims) => true,
            None => revoked::is_good(app, &claims).await?,
        };
        if is_good { Ok(Some(account)) } else { Err(AccessError::Revoked.into()) }
    }
}

/// Where a handler that only reads leaves its caller's claims, to be judged while it works.
#[derive(Clone)]
struct Beside(Arc<Mutex<Option<oneshot::Sender<AccessClaims>>>>);

impl Beside {
    /// False when nobody is there to judge them, or has judged others.
    fn leave(parts: &Parts, claims: &AccessClaims) -> bool {
        let judge = parts.extensions.get::<Self>();
        let judge = judge.and_then(|judge| judge.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        judge.is_some_and(|judge| judge.send(claims.clone()).is_ok())
    }
}

/// Lets handlers that only read go on while it is found out whether the caller's sign-in is over. Nothing of what they found is
/// told before that: whoever is signed out gets the same refusal, whatever they asked for.
pub(crate) async fn beside(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (judge, asked) = oneshot::channel();
    request.extensions_mut().insert(Beside(Arc::new(Mutex::new(Some(judge)))));
    let verdict = async {
        match asked.await {
            Ok(claims) if !revoked::is_good(&app, &claims).await? => Err(AccessError::Revoked.into()),
            // The request is gone and with it the wish to know who made it.
            Ok(_) | Err(_) => Ok(()),
        }
    };
    let answer = async { Ok::<_, Problem>(next.run(request).await) };
    match tokio::try_join!(answer, verdict) {
        Ok((answer, ())) => answer,
        Err(problem) => problem.into_response(),
    }
}

/// The claims of the bearer token: signature and times checked, revocation not.
pub(crate) fn claims(app: &App, headers: &HeaderMap) -> Result<Option<AccessClaims>, Problem> {
    Ok(bearer_of(headers).map(|token| app.tokens.verify(token)).transpose()?)
}

/// What the request shows as its bearer's; empty when it cannot be read.
fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?;
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_the_staffs_is_a_members() {
        let account = |is_program| Account {
            id: UserId::from_uuid(uuid::Uuid::nil()),
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            is_program,
        };
        assert!(account(false).acting(Role::Admin).may(Permission::SetRoles));
        for role in [Role::User, Role::Moderator, Role::Admin] {
            assert_eq!(account(true).acting(role), Role::User);
        }
    }
}
