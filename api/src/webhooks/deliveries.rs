//! What was sent to the caller's webhooks: the log, a message to try, and sending one again.

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::webhooks::deliveries::{self as sent, Delivery, Message, Written};
use domain::webhook::{self, DeliveryState, Fault, Happening};
use domain::{DeliveryId, WebhookId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{WebhookError, WebhookPath, hit};
use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::state::App;

/// Messages a member may have sent by hand in a minute.
const BY_HAND: Quota = Quota::new(30, Duration::from_secs(60));

/// Where a message stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookDeliveryState)]
pub(crate) enum StateName {
    /// It is tried at `next_at`.
    Waiting,
    /// The receiver answered 2xx.
    Delivered,
    /// It is not tried again, unless the caller says so.
    Failed,
}

impl From<DeliveryState> for StateName {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Waiting => Self::Waiting,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Failed => Self::Failed,
        }
    }
}

impl From<StateName> for DeliveryState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Waiting => Self::Waiting,
            StateName::Delivered => Self::Delivered,
            StateName::Failed => Self::Failed,
        }
    }
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookFault)]
pub(crate) enum FaultName {
    /// The name has no address.
    UnknownHost,
    /// The address is not one of the public internet, or not asked without TLS.
    Refused,
    /// Nobody took the connection, or TLS failed.
    Unreachable,
    /// No answer within 15 seconds.
    TimedOut,
    /// An answer that is not 2xx.
    Status,
    /// The receiver sent us elsewhere; redirects are not followed.
    Redirected,
    /// The webhook was switched off before.
    SwitchedOff,
}

impl From<Fault> for FaultName {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::UnknownHost => Self::UnknownHost,
            Fault::Refused => Self::Refused,
            Fault::Unreachable => Self::Unreachable,
            Fault::TimedOut => Self::TimedOut,
            Fault::Status => Self::Status,
            Fault::Redirected => Self::Redirected,
            Fault::SwitchedOff => Self::SwitchedOff,
        }
    }
}

/// A message to a webhook, and what came of its last attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDelivery {
    id: Uuid,
    /// What happened, such as `stream.online`.
    r#type: String,
    /// The webhook's number of the message, as its body has it.
    sequence: i64,
    state: StateName,
    attempts: i32,
    next_at: Option<DateTime<Utc>>,
    attempted_at: Option<DateTime<Utc>>,
    /// HTTP status of the answer.
    status: Option<i32>,
    fault: Option<FaultName>,
    latency_ms: Option<i32>,
    created_at: DateTime<Utc>,
}

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.as_uuid(),
            r#type: delivery.happening,
            sequence: delivery.sequence,
            state: delivery.state.into(),
            attempts: delivery.attempts,
            next_at: delivery.next_at,
            attempted_at: delivery.attempted_at,
            status: delivery.status,
            fault: delivery.fault.map(FaultName::from),
            latency_ms: delivery.latency_ms,
            created_at: delivery.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookDeliveryPage {
    items: Vec<WebhookDelivery>,
    next_cursor: Option<String>,
}

/// A message in full.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookDeliveryDetail {
    delivery: WebhookDelivery,
    /// What is sent, as it is signed.
    body: String,
    /// The first 1,024 bytes of the last answer.
    answer: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// Only those that stand there.
    #[param(inline)]
    state: Option<StateName>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DeliveryPath {
    /// The webhook's id.
    id: Uuid,
    /// The delivery's id.
    delivery_id: Uuid,
}

/// What was sent to a webhook, the latest first: its last 1,000 messages, 30 days back, and those that wait.
#[utoipa::path(
    get,
    path = "/api/v1/me/webhooks/{id}/deliveries",
    operation_id = "webhook_deliveries",
    params(WebhookPath, DeliveriesQuery),
    responses(
        (status = 200, description = "A page of the log", body = WebhookDeliveryPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn webhook_deliveries(
    State(app): State<App>,
    account: Account,
    Path(path): Path<WebhookPath>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<WebhookDeliveryPage>, Problem> {
    let asked = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = asked.limit()?;
    let after = asked.after::<Uuid>()?.map(DeliveryId::from_uuid);
    let state = query.state.map(DeliveryState::from);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let webhook = db::webhooks::find(&mut conn, account.id, path.id()).await?.ok_or(WebhookError::NotFound)?;
    let mut found = sent::log(&mut conn, account.id, webhook.id, state, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut found, limit, |delivery| delivery.id);
    Ok(Json(WebhookDeliveryPage { items: found.into_iter().map(WebhookDelivery::from).collect(), next_cursor }))
}

/// One message in full.
#[utoipa::path(
    get,
    path = "/api/v1/me/webhooks/{id}/deliveries/{delivery_id}",
    operation_id = "webhook_delivery",
    params(DeliveryPath),
    responses(
        (status = 200, description = "The message", body = WebhookDeliveryDetail),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn webhook_delivery(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeliveryPath>,
) -> Result<Json<WebhookDeliveryDetail>, Problem> {
    let (webhook, id) = (WebhookId::from_uuid(path.id), DeliveryId::from_uuid(path.delivery_id));
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let (delivery, body, answer) =
        sent::find(&mut conn, account.id, webhook, id).await?.ok_or(WebhookError::NoDelivery)?;
    Ok(Json(WebhookDeliveryDetail { delivery: delivery.into(), body, answer }))
}

/// Sends a message again, now, as if it had never been tried. Its `webhook-id` stays.
#[utoipa::path(
    post,
    path = "/api/v1/me/webhooks/{id}/deliveries/{delivery_id}/replay",
    operation_id = "replay_webhook_delivery",
    params(DeliveryPath),
    responses(
        (status = 202, description = "It will be sent", body = WebhookDelivery),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn replay_webhook_delivery(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeliveryPath>,
) -> Result<(StatusCode, Json<WebhookDelivery>), Problem> {
    hit(&app, &account, "webhook-by-hand", BY_HAND).await?;
    let (webhook, id) = (WebhookId::from_uuid(path.id), DeliveryId::from_uuid(path.delivery_id));
    let mut tx = db::begin(&app.pool).await?;
    let (is_enabled, _) = sent::lock(&mut tx, account.id, webhook).await?.ok_or(WebhookError::NotFound)?;
    if !is_enabled {
        return Err(WebhookError::Disabled.into());
    }
    if !sent::replay(&mut tx, webhook, id).await? {
        return Err(WebhookError::NoDelivery.into());
    }
    let (delivery, ..) = sent::find(&mut tx, account.id, webhook, id).await?.ok_or(WebhookError::NoDelivery)?;
    db::commit(tx).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}

/// Sends a `ping`, whatever events the webhook is for.
#[utoipa::path(
    post,
    path = "/api/v1/me/webhooks/{id}/ping",
    operation_id = "ping_webhook",
    params(WebhookPath),
    responses(
        (status = 202, description = "It will be sent", body = WebhookDelivery),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn ping_webhook(
    State(app): State<App>,
    account: Account,
    Path(path): Path<WebhookPath>,
) -> Result<(StatusCode, Json<WebhookDelivery>), Problem> {
    hit(&app, &account, "webhook-by-hand", BY_HAND).await?;
    let webhook = path.id();
    let mut tx = db::begin(&app.pool).await?;
    let (is_enabled, sequence) = sent::lock(&mut tx, account.id, webhook).await?.ok_or(WebhookError::NotFound)?;
    if !is_enabled {
        return Err(WebhookError::Disabled.into());
    }
    let body = webhook::body(Happening::Ping, kit::clock::now(), sequence, Map::new());
    let message =
        Message { event_id: kit::ids::uuid(), happening: Happening::Ping, subject: None, sequence, body: &body };
    let Written::Now(id) = sent::write(&mut tx, webhook, message).await? else {
        return Err(WebhookError::Full.into());
    };
    sent::wake(&mut tx, webhook).await?;
    let (delivery, ..) = sent::find(&mut tx, account.id, webhook, id).await?.ok_or(WebhookError::NoDelivery)?;
    db::commit(tx).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
