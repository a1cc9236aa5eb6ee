//! The caller's browsers that are told of notifications while no page is open (Web Push).

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use db::push::Subscription;
use domain::{Classify, Kind};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use kit::vapid::{self, AUTH_BYTES, Vapid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Fields, Json, Path, storable};
use crate::reachable::is_reachable;
use crate::state::App;

/// Browsers of one member. A new one takes the place of the oldest.
const DEVICES_MAX: i64 = 20;
const LABEL_CHARS_MAX: usize = 100;

#[derive(Debug, thiserror::Error)]
#[error("there is no such device")]
struct NoDevice;

impl Classify for NoDevice {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn code(&self) -> &'static str {
        "push.no-device"
    }
}

/// A browser that is told.
#[derive(Serialize, ToSchema)]
pub(crate) struct PushDevice {
    id: Uuid,
    /// What it called itself.
    label: String,
    created_at: DateTime<Utc>,
}

impl From<db::push::Device> for PushDevice {
    fn from(device: db::push::Device) -> Self {
        Self { id: device.id, label: device.label, created_at: device.created_at }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PushSettings {
    /// What a browser subscribes with: `applicationServerKey`, in base64url.
    public_key: String,
    /// The latest first, 20 at most.
    devices: Vec<PushDevice>,
}

/// As `PushSubscription.toJSON()` says it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushKeys {
    p256dh: String,
    auth: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddPushDevice {
    /// The browser's address at its push service: https, and on the public internet.
    endpoint: String,
    keys: PushKeys,
    /// What to call it in the list, such as `Firefox on Linux`.
    label: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PushDevicePath {
    /// The device's id.
    id: Uuid,
}

/// The caller's browsers, and what a new one needs.
#[utoipa::path(
    get,
    path = "/api/v1/me/push",
    operation_id = "push_settings",
    responses(
        (status = 200, description = "The site's key and the caller's browsers", body = PushSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn push_settings(State(app): State<App>, account: Account) -> Result<Json<PushSettings>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let devices = db::push::devices(&mut conn, account.id).await?;
    Ok(Json(PushSettings {
        public_key: Vapid::new(&app.config.auth.secret).public_key(),
        devices: devices.into_iter().map(PushDevice::from).collect(),
    }))
}

/// Adds a browser, or renews it.
#[utoipa::path(
    post,
    path = "/api/v1/me/push/devices",
    operation_id = "add_push_device",
    request_body = AddPushDevice,
    responses(
        (status = 201, description = "It is told from now on", body = PushDevice),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn add_push_device(
    State(app): State<App>,
    account: Account,
    Json(body): Json<AddPushDevice>,
) -> Result<(StatusCode, Json<PushDevice>), Problem> {
    let mut fields = Fields::default();
    let unpacked = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default();
    let (public_key, auth) = (unpacked(&body.keys.p256dh), unpacked(&body.keys.auth));
    if !vapid::is_public_key(&public_key) {
        fields.push("keys.p256dh", "is no public key of P-256 in base64url");
    }
    if auth.len() != AUTH_BYTES {
        fields.push("keys.auth", "is not 16 bytes in base64url");
    }
    if !is_reachable(&app, &body.endpoint).await {
        fields.push("endpoint", "is not an https address on the public internet");
    }
    let label: String = storable(body.label.trim()).chars().take(LABEL_CHARS_MAX).collect();
    if label.is_empty() {
        fields.push("label", "must not be empty");
    }
    fields.check()?;
    let new = Subscription { endpoint: &body.endpoint, public_key: &public_key, auth: &auth, label: &label };
    let mut tx = db::begin(&app.pool).await?;
    let device = db::push::subscribe(&mut tx, account.id, new, DEVICES_MAX).await?;
    db::commit(tx).await?;
    Ok((StatusCode::CREATED, Json(device.into())))
}

/// Removes a browser.
#[utoipa::path(
    delete,
    path = "/api/v1/me/push/devices/{id}",
    operation_id = "remove_push_device",
    params(PushDevicePath),
    responses(
        (status = 204, description = "It is told no more"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn remove_push_device(
    State(app): State<App>,
    account: Account,
    Path(path): Path<PushDevicePath>,
) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if db::push::unsubscribe(&mut conn, account.id, path.id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NoDevice.into())
    }
}
