//! Whether a token that verifies is still to be believed: this process's memory, then Redis, then the sign-in's row.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::SessionId;
use futures::StreamExt;
use kit::tokens::AccessClaims;
use moka::future::Cache;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::state::App;

/// How long a yes is repeated without asking again; a logout elsewhere is felt this much later.
const YES_TTL: Duration = Duration::from_millis(1_000);
/// Redis has this long to answer before the row is asked as well.
const LIST_HEAD_START: Duration = Duration::from_millis(100);
const YES_MAX: u64 = 100_000;
const REVOKED_MAX: u64 = 100_000;
/// Revocations that Redis is told of at a time: a member may have been signed in often.
const TOLD_AT_ONCE: usize = 16;
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

    /// Whether this process has heard that a sign-in is over.
    pub(crate) fn is_over(&self, session: SessionId) -> bool {
        self.revoked.contains_key(&session)
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

/// What this process's memory says of a token, if anything.
pub(crate) fn remembered(app: &App, claims: &AccessClaims) -> Option<bool> {
    if app.revoked.revoked.contains_key(&claims.sid) {
        return Some(false);
    }
    app.revoked.yes.contains_key(&claims.jti).then_some(true)
}

/// Whether the token is still good. An error when neither Redis nor Postgres can say.
pub(crate) async fn is_good(app: &App, claims: &AccessClaims) -> Result<bool, db::DbError> {
    if let Some(is_good) = remembered(app, claims) {
        return Ok(is_good);
    }
    let list = app.revocations.is_revoked(claims.sid, claims.jti);
    let row = in_its_row(app, claims);
    tokio::pin!(list, row);
    let is_good = match timeout(LIST_HEAD_START, &mut list).await {
        Ok(Some(is_revoked)) => !is_revoked,
        Ok(None) => row.await?,
        // The row is the truth behind the list: whichever speaks first is believed.
        Err(_slow) => tokio::select! {
            told = &mut list => match told {
                Some(is_revoked) => !is_revoked,
                None => row.await?,
            },
            found = &mut row => match found {
                Ok(is_active) => is_active,
                Err(error) => list.await.map(|is_revoked| !is_revoked).ok_or(error)?,
            },
        },
    };
    if is_good {
        app.revoked.yes.insert(claims.jti, ()).await;
    }
    Ok(is_good)
}

async fn in_its_row(app: &App, claims: &AccessClaims) -> Result<bool, db::DbError> {
    let mut conn = app.pool.acquire().await?;
    db::sessions::is_active(&mut conn, claims.sid).await
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

/// [`announce`] of many.
pub(crate) async fn announce_all(app: &App, sessions: Vec<SessionId>) {
    futures::stream::iter(sessions).for_each_concurrent(TOLD_AT_ONCE, |session| announce(app, session, None)).await;
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
