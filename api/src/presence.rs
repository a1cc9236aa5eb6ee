//! Who is there, as lists of members show it. Changes come over the socket (`presence:watch`).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::UserId;
use live::fanout::{Push, SIGHT, Target};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

use crate::account::Account;
use crate::state::App;

/// How long an answer waits for its news to be told.
const TELL_WAIT_MAX: Duration = Duration::from_millis(500);

/// Whether a member is there, and when they were there last.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Presence)]
pub(crate) struct PresenceView {
    is_online: bool,
    /// To the minute; not of who is there.
    last_seen_at: Option<DateTime<Utc>>,
}

/// What the caller may know of these members. Who is left out hides it, or nobody can say now.
pub(crate) async fn of(
    app: &App,
    account: &Account,
    members: impl IntoIterator<Item = UserId>,
) -> Result<HashMap<UserId, PresenceView>, db::DbError> {
    let pairs: Vec<_> = members.into_iter().map(|member| (account.id, member)).collect();
    if pairs.is_empty() {
        return Ok(HashMap::new());
    }
    let mut conn = app.pool.acquire().await?;
    let seen = db::presence::seen(&mut conn, &pairs).await?;
    drop(conn);
    let users: Vec<UserId> = seen.iter().map(|seen| seen.member).collect();
    let counts = app.presence.connections(&users).await.unwrap_or_default();
    let shown = seen.into_iter().filter_map(|seen| {
        let is_online = counts.get(&seen.member).copied().flatten()? > 0;
        Some((seen.member, PresenceView { is_online, last_seen_at: seen.seen_at.filter(|_| !is_online) }))
    });
    Ok(shown.collect())
}

/// Tells every node that a member shows themselves to others than before. What is lost here is only late.
pub(crate) async fn tell_sight(app: &App, user: UserId) {
    let push =
        Push { target: Target::Site, event: SIGHT.to_owned(), payload: json!({ "user_id": user }), origin: None };
    let told = tokio::time::timeout(TELL_WAIT_MAX, live::fanout::publish(&app.live, &push)).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("a change of who may know of whom was not told");
    }
}
