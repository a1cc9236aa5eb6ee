//! Whom a member lets near: who may ask for a friendship, who may write, and who sees that they are there.

use axum::extract::State;
use domain::people::{Circle, Letters, Sight};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::Account;
use crate::extract::Json;
use crate::presence;
use crate::state::App;

/// Who may ask the caller for a friendship.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Circle)]
pub(crate) enum CircleName {
    Everybody,
    /// Those whose channels the caller follows.
    Followed,
    Nobody,
}

impl From<Circle> for CircleName {
    fn from(circle: Circle) -> Self {
        match circle {
            Circle::Everybody => Self::Everybody,
            Circle::Followed => Self::Followed,
            Circle::Nobody => Self::Nobody,
        }
    }
}

impl From<CircleName> for Circle {
    fn from(name: CircleName) -> Self {
        match name {
            CircleName::Everybody => Self::Everybody,
            CircleName::Followed => Self::Followed,
            CircleName::Nobody => Self::Nobody,
        }
    }
}

/// Who may write to the caller, and invite them into a group.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Letters)]
pub(crate) enum LettersName {
    Everybody,
    /// Friends, and those whose channels the caller follows.
    Followed,
    Friends,
    Nobody,
}

impl From<Letters> for LettersName {
    fn from(letters: Letters) -> Self {
        match letters {
            Letters::Everybody => Self::Everybody,
            Letters::Followed => Self::Followed,
            Letters::Friends => Self::Friends,
            Letters::Nobody => Self::Nobody,
        }
    }
}

impl From<LettersName> for Letters {
    fn from(name: LettersName) -> Self {
        match name {
            LettersName::Everybody => Self::Everybody,
            LettersName::Followed => Self::Followed,
            LettersName::Friends => Self::Friends,
            LettersName::Nobody => Self::Nobody,
        }
    }
}

/// Who may know when the caller is there.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Sight)]
pub(crate) enum SightName {
    /// Friends, and those who sit in the same rooms.
    Friends,
    /// And the caller does not see it of others.
    Nobody,
}

impl From<Sight> for SightName {
    fn from(sight: Sight) -> Self {
        match sight {
            Sight::Friends => Self::Friends,
            Sight::Nobody => Self::Nobody,
        }
    }
}

impl From<SightName> for Sight {
    fn from(name: SightName) -> Self {
        match name {
            SightName::Friends => Self::Friends,
            SightName::Nobody => Self::Nobody,
        }
    }
}

/// Whom the caller lets near.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Privacy {
    friend_requests: CircleName,
    messages: LettersName,
    presence: SightName,
}

impl Privacy {
    async fn of(conn: &mut db::Conn, account: &Account) -> Result<Self, db::DbError> {
        Ok(Self {
            friend_requests: db::friends::circle(&mut *conn, account.id).await?.into(),
            messages: db::friends::letters(&mut *conn, account.id).await?.into(),
            presence: db::presence::sight(conn, account.id).await?.into(),
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdatePrivacy {
    #[serde(default)]
    friend_requests: Option<CircleName>,
    #[serde(default)]
    messages: Option<LettersName>,
    #[serde(default)]
    presence: Option<SightName>,
}

/// Whom the caller lets near.
#[utoipa::path(
    get,
    path = "/api/v1/me/privacy",
    operation_id = "privacy",
    responses(
        (status = 200, description = "The settings", body = Privacy),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn privacy(State(app): State<App>, account: Account) -> Result<Json<Privacy>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    Ok(Json(Privacy::of(&mut conn, &account).await?))
}

/// Changes whom the caller lets near. Requests that wait already stay.
#[utoipa::path(
    patch,
    path = "/api/v1/me/privacy",
    operation_id = "update_privacy",
    request_body = UpdatePrivacy,
    responses(
        (status = 200, description = "The settings now", body = Privacy),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "friends",
)]
pub(crate) async fn update_privacy(
    State(app): State<App>,
    account: Account,
    Json(body): Json<UpdatePrivacy>,
) -> Result<Json<Privacy>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    if let Some(circle) = body.friend_requests {
        db::friends::set_circle(&mut tx, account.id, circle.into()).await?;
    }
    if let Some(letters) = body.messages {
        db::friends::set_letters(&mut tx, account.id, letters.into()).await?;
    }
    if let Some(sight) = body.presence {
        db::presence::set_sight(&mut tx, account.id, sight.into()).await?;
    }
    let now = Privacy::of(&mut tx, &account).await?;
    db::commit(tx).await?;
    // Whom one takes messages from decides it too.
    if body.presence.is_some() || body.messages.is_some() {
        presence::tell_sight(&app, account.id).await;
    }
    Ok(Json(now))
}
