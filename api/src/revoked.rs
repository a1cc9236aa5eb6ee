//! Whether a token that verifies is still to be believed: this process's memory, then Redis, then the sign-in's row.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::SessionId;
use kit::tokens::AccessClaims;
use moka::future::Cache;
use tokio::time::Instant;
use uuid::Uuid;

use crate::state::App;

/// How long a yes is repeated without asking again; a logout elsewhere is felt this much later.
const YES_TTL: Duration = Duration::from_millis(1_000);
const YES_MAX: u64 = 100_000;
const REVOKED_MAX: u64 = 100_000;
/// Revocations that Redis has not been told of yet.
const OWED_MAX: usize = 10_000;

/// What this process knows of tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RevokedCache {
    yes: Cache<Uuid, ()>,
    revoked: Cache<SessionId, ()>,
    owed: Arc<Mutex<VecDeque<(SessionId, Instant)>>>,
    ttl: Duration,
}

impl RevokedCache {
    pub(crate) fn new(access_ttl_s: u64) -> Self {
        let ttl = Duration::from_secs(access_ttl_s + 10);
        Self {
            yes: Cache::builder().max_capacity(YES_MAX).time_to_live(YES_TTL).build(),
            revoked: Cache::builder().max_capacity(REVOKED_MAX).time_to_live(ttl).build(),
            owed: Arc::default(),
            ttl,
        }
    }

    fn owe(&self, session: SessionId) {
        let mut owed = self.owed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if owed.len() >= OWED_MAX {
            owed.pop_front();
        }
        owed.push_back((session, Instant::now() + self.ttl));
    }

    fn next_owed(&self) -> Option<SessionId> {
        let mut owed = self.owed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while let Some((session, until)) = owed.pop_front() {
            if until > Instant::now() {
                return Some(session);
            }
        }
        None
    }
}

/// Whether the token is still good. An error when neither Redis nor Postgres can say.
pub(crate) async fn is_good(app: &App, claims: &AccessClaims) -> Result<bool, db::DbError> {
    if app.revoked.revoked.contains_key(&claims.sid) {
        return Ok(false);
    }
    if app.revoked.yes.contains_key(&claims.jti) {
        return Ok(true);
    }
    let is_good = match app.revocations.is_revoked(claims.sid, claims.jti).await {
        Some(is_revoked) => !is_revoked,
        None => {
            let mut conn = app.pool.acquire().await?;
            db::sessions::is_active(&mut conn, claims.sid).await?
        }
    };
    if is_good {
        app.revoked.yes.insert(claims.jti, ()).await;
    }
    Ok(is_good)
}

/// Tells everybody that a sign-in is over. Its row says so already; this makes it felt at once.
pub(crate) async fn announce(app: &App, session: SessionId, jti: Option<Uuid>) {
    app.revoked.revoked.insert(session, ()).await;
    app.gate.end_session(session).await;
    let mut told = app.revocations.revoke_session(session).await;
    if let (Ok(()), Some(jti)) = (&told, jti) {
        told = app.revocations.revoke_token(jti).await;
    }
    if let Err(error) = told {
        tracing::warn!(%error, session.id = %session, "the revocation is told when Redis is back");
        app.revoked.owe(session);
    }
}

/// Tells Redis what it missed while it was away.
pub(crate) async fn settle(app: &App) {
    while let Some(session) = app.revoked.next_owed() {
        if app.revocations.revoke_session(session).await.is_err() {
            app.revoked.owe(session);
            return;
        }
    }
}
