//! Whether a token of a program is good, and good for what is asked. Its row is the truth; a yes is remembered for a moment.

use std::time::Duration;

use axum::extract::MatchedPath;
use db::api_tokens::Bearer;
use domain::api_token::Scope;
use domain::{Classify, Kind};
use http::request::Parts;
use kit::Problem;
use kit::api_tokens::{ApiTokens, Minted, TokenHash};
use moka::future::Cache;

use crate::account::AccessError;
use crate::net::Client;
use crate::scopes::{self, Access};
use crate::state::App;

/// A token that was ended elsewhere is felt this much later.
const YES_TTL: Duration = Duration::from_millis(1_000);
const YES_MAX: u64 = 50_000;

#[derive(Debug, thiserror::Error)]
enum ScopeError {
    #[error("this is for signed-in people, not for tokens of programs")]
    SessionOnly,
    #[error("this token has not the scope {}", .0.as_str())]
    Missing(Scope),
}

impl Classify for ScopeError {
    fn kind(&self) -> Kind {
        Kind::Forbidden
    }

    fn code(&self) -> &'static str {
        match self {
            Self::SessionOnly => "api-token.session-only",
            Self::Missing(_) => "api-token.scope",
        }
    }
}

/// What this process knows of tokens.
pub(crate) struct Bearers {
    tokens: ApiTokens,
    yes: Cache<TokenHash, Bearer>,
}

impl Bearers {
    pub(crate) fn new(secret: &kit::Secret) -> Self {
        Self {
            tokens: ApiTokens::new(secret),
            yes: Cache::builder().max_capacity(YES_MAX).time_to_live(YES_TTL).build(),
        }
    }

    pub(crate) fn mint(&self) -> Minted {
        self.tokens.mint()
    }

    pub(crate) fn hash_of(&self, text: &str) -> Option<TokenHash> {
        self.tokens.hash_of(text)
    }
}

/// Whom a request with a program's token speaks for, if it may ask what it asks.
///
/// # Errors
/// When the token is not good, or not for this: then nothing is told of what was asked.
pub(crate) async fn judge(app: &App, parts: &Parts, hash: &TokenHash) -> Result<Bearer, Problem> {
    let bearer = match app.bearers.yes.get(hash).await {
        Some(known) => known,
        None => {
            let addr = Client::of(&app.proxies, &parts.extensions, &parts.headers).addr.to_string();
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let found = db::api_tokens::find(&mut conn, hash, &addr).await?.ok_or(AccessError::Revoked)?;
            app.bearers.yes.insert(*hash, found.clone()).await;
            found
        }
    };
    if app.revoked.is_over(bearer.session) || bearer.expires_at <= kit::clock::now() {
        return Err(AccessError::Revoked.into());
    }
    let pattern = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match scopes::of(&parts.method, pattern) {
        Some(Access::With(scope)) if bearer.scopes.contains(&scope) => Ok(bearer),
        Some(Access::With(scope)) => Err(ScopeError::Missing(scope).into()),
        Some(Access::Session | Access::Anybody) | None => Err(ScopeError::SessionOnly.into()),
    }
}
