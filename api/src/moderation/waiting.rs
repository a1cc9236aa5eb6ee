//! What waits for a channel's moderators.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::held::Held;
use domain::order::HeldFor;
use domain::user::Username;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{DeskPath, desk};
use crate::account::Account;
use crate::extract::{Json, Path};
use crate::state::App;

/// Why a line is kept back.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HeldWhy {
    Filter,
    Links,
    /// The operator's own review wants somebody to look at it.
    Review,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldAuthor {
    id: Uuid,
    username: String,
    display_name: String,
}

/// A line kept back, as `mod:held` tells it too.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldLine {
    id: Uuid,
    /// The channel.
    username: String,
    user: HeldAuthor,
    text: String,
    why: HeldWhy,
    held_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl HeldLine {
    fn new(held: Held, channel: &Username) -> Self {
        Self {
            id: held.id,
            username: channel.to_string(),
            user: HeldAuthor {
                id: held.user.as_uuid(),
                username: held.username.to_string(),
                display_name: held.display_name,
            },
            text: held.text,
            why: match held.why {
                HeldFor::Filter => HeldWhy::Filter,
                HeldFor::Links => HeldWhy::Links,
                HeldFor::Review => HeldWhy::Review,
            },
            held_at: held.held_at,
            expires_at: held.expires_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HeldPage {
    /// The oldest first; at most 200, all of them.
    items: Vec<HeldLine>,
    next_cursor: Option<String>,
}

/// Lines kept back in the channel. For its owner and moderators, who approve and deny them by `mod:act`.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderation/held",
    operation_id = "held_lines",
    params(DeskPath),
    responses(
        (status = 200, description = "All that wait", body = HeldPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn held_lines(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
) -> Result<Json<HeldPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let held = db::moderation::held::held(&mut conn, desk.channel).await?;
    let items = held.into_iter().map(|held| HeldLine::new(held, &desk.name)).collect();
    Ok(Json(HeldPage { items, next_cursor: None }))
}
