//! Tokens that must not be believed any more although their signature is good.
//!
//! Entries live as long as the tokens they cancel. When Redis is away the answer is "unknown" and the caller asks the
//! `sessions` table, which is the truth.

use std::sync::Arc;

use domain::SessionId;
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::client::{Live, LiveError};
use crate::fanout::{self, AUTH_REVOKED, Push, Target};

/// Asks and tells about revoked tokens. Cheap to clone.
#[derive(Clone)]
pub struct Revocations {
    live: Live,
    breaker: Arc<Breaker>,
    ttl_s: u64,
}

impl Revocations {
    /// `ttl_s`: how long an access token lives; nothing needs to be remembered longer.
    pub fn new(live: Live, access_ttl_s: u64) -> Self {
        // The leeway of token checks, twice.
        Self { live, breaker: Arc::default(), ttl_s: access_ttl_s + 10 }
    }

    /// Cancels every access token of a sign-in.
    pub async fn revoke_session(&self, session: SessionId) -> Result<(), LiveError> {
        self.put(&session_key(session)).await?;
        // Its open sockets are closed by whoever hears this. Who does not finds out by asking, a moment later.
        let push = Push {
            target: Target::Site,
            event: AUTH_REVOKED.to_owned(),
            payload: serde_json::json!({ "sid": session }),
            origin: None,
        };
        if let Err(error) = fanout::publish(&self.live, &push).await {
            tracing::debug!(%error, session.id = %session, "a revocation was not told");
        }
        Ok(())
    }

    /// Cancels one access token.
    pub async fn revoke_token(&self, jti: Uuid) -> Result<(), LiveError> {
        self.put(&token_key(jti)).await
    }

    async fn put(&self, name: &str) -> Result<(), LiveError> {
        let mut connection = self.live.connection().await?;
        let () = redis::cmd("SET")
            .arg(self.live.key(name))
            .arg(1)
            .arg("EX")
            .arg(self.ttl_s)
            .query_async(&mut connection)
            .await?;
        Ok(())
    }

    /// Whether a token or its sign-in was cancelled. `None`: Redis is away, ask the table.
    pub async fn is_revoked(&self, session: SessionId, jti: Uuid) -> Option<bool> {
        let keys = [self.live.key(&session_key(session)), self.live.key(&token_key(jti))];
        self.breaker
            .run(&self.live, |mut connection| async move {
                let found: u8 = redis::cmd("EXISTS").arg(&keys[..]).query_async(&mut connection).await?;
                Ok(found > 0)
            })
            .await
    }
}

fn session_key(session: SessionId) -> String {
    format!("revoked:sid:{session}")
}

fn token_key(jti: Uuid) -> String {
    format!("revoked:jti:{jti}")
}
