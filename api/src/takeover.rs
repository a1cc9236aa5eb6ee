//! Letting another encoder take a running stream over, on its owner's word.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::{Classify, Kind};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::Account;
use crate::extract::Json;
use crate::state::App;

/// How long the next encoder may take to come.
const TAKEOVER_S: u32 = 30;

#[derive(Debug, thiserror::Error)]
#[error("no encoder is connected: the next one is let in anyway")]
struct NoEncoder;

impl Classify for NoEncoder {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }

    fn code(&self) -> &'static str {
        "takeover.no-encoder"
    }
}

/// An open offer to the next encoder.
#[derive(Serialize, ToSchema)]
pub(crate) struct Takeover {
    /// The first encoder that publishes before then takes over; later ones are refused as before.
    until: DateTime<Utc>,
}

/// Lets the next encoder take the running stream over, once, within 30 seconds. The one that publishes now goes on until then; then
/// it is sent away, and the stream, its recording and its address go on with the new one. Asking again renews the half minute.
#[utoipa::path(
    post,
    path = "/api/v1/me/stream/takeover",
    operation_id = "offer_takeover",
    responses(
        (status = 200, description = "The next encoder may take over", body = Takeover),
        (status = "4XX", description = "What went wrong; `takeover.no-encoder` when nobody publishes", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn offer_takeover(State(app): State<App>, account: Account) -> Result<Json<Takeover>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let until = db::publish::offer_takeover(&mut conn, account.id, TAKEOVER_S).await?.ok_or(NoEncoder)?;
    tracing::info!(channel.id = %account.id, "the next encoder may take over");
    Ok(Json(Takeover { until }))
}

/// Takes that back. Nothing happens when no offer is open.
#[utoipa::path(
    delete,
    path = "/api/v1/me/stream/takeover",
    operation_id = "withdraw_takeover",
    responses(
        (status = 204, description = "A second encoder is refused again"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn withdraw_takeover(State(app): State<App>, account: Account) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    db::publish::withdraw_takeover(&mut conn, account.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
