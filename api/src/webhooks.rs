//! The caller's own servers that are told of what happens on their channel. What is sent, and when, is `jobs`'.

pub(crate) mod deliveries;

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::audit::Entry;
use db::webhooks::{Change, NewWebhook, Webhook};
use domain::audit::{Action, Actor};
use domain::webhook::{DESCRIPTION_CHARS_MAX, Happening, OffBecause};
use domain::{Classify, Kind, WebhookId};
use http::StatusCode;
use kit::problem::ProblemBody;
use kit::webhook_key::WebhookKey;
use kit::{Problem, Secret};
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Fields, Json, Path, storable};
use crate::net::Client;
use crate::reachable::is_reachable;
use crate::state::App;

/// Endpoints a member may add, move and give other keys in an hour. Each address is looked up.
const CHANGES: Quota = Quota::new(60, Duration::from_secs(3_600));

#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// Also for one that is not the caller's.
    #[error("there is no such webhook")]
    NotFound,
    #[error("there is no such delivery")]
    NoDelivery,
    #[error("you have as many webhooks as you may have")]
    TooMany,
    #[error("this webhook is switched off")]
    Disabled,
    #[error("too many messages wait for this webhook")]
    Full,
    #[error("too many requests; wait a while")]
    Throttled(Duration),
}

impl Classify for WebhookError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoDelivery => Kind::NotFound,
            Self::TooMany | Self::Disabled | Self::Full => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "webhook.not-found",
            Self::NoDelivery => "webhook.no-delivery",
            Self::TooMany => "webhook.too-many",
            Self::Disabled => "webhook.disabled",
            Self::Full => "webhook.full",
            Self::Throttled(_) => "webhook.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

/// What an endpoint may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookEvent)]
pub(crate) enum EventName {
    /// A stream has its first picture.
    #[serde(rename = "stream.online")]
    StreamOnline,
    /// A stream on air has another title, category, tags or visibility.
    #[serde(rename = "stream.updated")]
    StreamUpdated,
    /// A stream is over.
    #[serde(rename = "stream.offline")]
    StreamOffline,
    /// A recording is complete.
    #[serde(rename = "vod.ready")]
    VodReady,
    /// Nothing can be played of a recording.
    #[serde(rename = "vod.failed")]
    VodFailed,
    /// Somebody follows the channel for the first time.
    #[serde(rename = "channel.followed")]
    ChannelFollowed,
    /// A moderator did something in the channel's chat.
    #[serde(rename = "chat.moderated")]
    ChatModerated,
    /// Sent when its member asks for it. Every endpoint takes it.
    #[serde(rename = "ping")]
    Ping,
}

impl From<Happening> for EventName {
    fn from(happening: Happening) -> Self {
        match happening {
            Happening::StreamOnline => Self::StreamOnline,
            Happening::StreamUpdated => Self::StreamUpdated,
            Happening::StreamOffline => Self::StreamOffline,
            Happening::VodReady => Self::VodReady,
            Happening::VodFailed => Self::VodFailed,
            Happening::ChannelFollowed => Self::ChannelFollowed,
            Happening::ChatModerated => Self::ChatModerated,
            Happening::Ping => Self::Ping,
        }
    }
}

impl From<EventName> for Happening {
    fn from(name: EventName) -> Self {
        match name {
            EventName::StreamOnline => Self::StreamOnline,
            EventName::StreamUpdated => Self::StreamUpdated,
            EventName::StreamOffline => Self::StreamOffline,
            EventName::VodReady => Self::VodReady,
            EventName::VodFailed => Self::VodFailed,
            EventName::ChannelFollowed => Self::ChannelFollowed,
            EventName::ChatModerated => Self::ChatModerated,
            EventName::Ping => Self::Ping,
        }
    }
}

/// Why an endpoint is off although its member did not say so.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookOffBecause)]
pub(crate) enum OffBecauseName {
    /// Its server answered 410.
    Gone,
    /// Its server took nothing for three days.
    Failing,
}

impl From<OffBecause> for OffBecauseName {
    fn from(because: OffBecause) -> Self {
        match because {
            OffBecause::Gone => Self::Gone,
            OffBecause::Failing => Self::Failing,
        }
    }
}

/// A server of the caller's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    id: Uuid,
    url: String,
    description: String,
    /// What it is told of. Empty: everything, of later releases too.
    events: Vec<EventName>,
    is_enabled: bool,
    disabled_because: Option<OffBecauseName>,
    /// Until when messages carry a signature of the key before the last rotation too.
    old_secret_until: Option<DateTime<Utc>>,
    /// Since when it takes nothing.
    failing_since: Option<DateTime<Utc>>,
    /// When a message was last left out because a thousand waited.
    overflowed_at: Option<DateTime<Utc>>,
    /// Messages that wait for it.
    waiting_count: i64,
    created_at: DateTime<Utc>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id.as_uuid(),
            url: webhook.url,
            description: webhook.description,
            events: webhook.events.into_iter().map(EventName::from).collect(),
            is_enabled: webhook.is_enabled,
            disabled_because: webhook.disabled_because.map(OffBecauseName::from),
            old_secret_until: webhook.old_secret_until,
            failing_since: webhook.failing_since,
            overflowed_at: webhook.overflowed_at,
            waiting_count: webhook.waiting,
            created_at: webhook.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookPage {
    /// In the order they were made; at most 10, all of them.
    items: Vec<WebhookView>,
    next_cursor: Option<String>,
}

/// A new endpoint with its key, which is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookWithSecret {
    webhook: WebhookView,
    /// `whsec_` and 32 bytes in base64.
    secret: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhookBody {
    /// https, and on the public internet. At most 1,024 characters.
    url: String,
    /// At most 200 characters.
    #[serde(default)]
    description: String,
    /// Empty: everything.
    #[serde(default)]
    events: Vec<EventName>,
    #[serde(default = "yes")]
    is_enabled: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateWebhook {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    events: Option<Vec<EventName>>,
    /// Switched off, what waits for it is given up; it can be sent again by hand.
    #[serde(default)]
    is_enabled: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct WebhookPath {
    /// The webhook's id.
    id: Uuid,
}

impl WebhookPath {
    fn id(&self) -> WebhookId {
        WebhookId::from_uuid(self.id)
    }
}

async fn hit(app: &App, account: &Account, name: &str, quota: Quota) -> Result<(), WebhookError> {
    let verdict = app.limits.hit(&format!("{name}:{}", account.id), quota).await;
    if verdict.is_allowed { Ok(()) } else { Err(WebhookError::Throttled(verdict.retry_after)) }
}

/// Each once, in the order of the list of events.
fn wanted(events: &[EventName]) -> Vec<Happening> {
    Happening::ALL.into_iter().filter(|happening| events.contains(&EventName::from(*happening))).collect()
}

fn described(fields: &mut Fields, text: &str) -> String {
    let text = storable(text.trim());
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        fields.push("description", "must be at most 200 characters");
    }
    text
}

async fn check_url(app: &App, fields: &mut Fields, url: &str) {
    if !is_reachable(app, url).await {
        fields.push("url", "is not an https address on the public internet");
    }
}

fn fresh_key(app: &App, id: WebhookId) -> (Secret, Vec<u8>) {
    let key = WebhookKey::random();
    let sealed = app.webhook_keys.seal(key.expose().as_bytes(), id.as_uuid().as_bytes());
    (key, sealed)
}

/// An entry of the audit log about a webhook: its host, as the rest of an address may be a secret, and what it is told of.
fn entry(account: &Account, client: &Client, action: Action, webhook: &Webhook) -> Entry<'static> {
    let host = webhook.url.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_owned));
    let events: Vec<_> = webhook.events.iter().map(|event| event.as_str()).collect();
    Entry {
        member: Some(account.id),
        details: json!({ "host": host, "events": events, "is_enabled": webhook.is_enabled }),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(account.id), action, webhook.id, "")
    }
}

/// The caller's webhooks.
#[utoipa::path(
    get,
    path = "/api/v1/me/webhooks",
    operation_id = "webhooks",
    responses(
        (status = 200, description = "All of them", body = WebhookPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn webhooks(State(app): State<App>, account: Account) -> Result<Json<WebhookPage>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = db::webhooks::list(&mut conn, account.id).await?;
    Ok(Json(WebhookPage { items: found.into_iter().map(WebhookView::from).collect(), next_cursor: None }))
}

/// Adds a webhook. The answer has its key, which is not shown again.
#[utoipa::path(
    post,
    path = "/api/v1/me/webhooks",
    operation_id = "add_webhook",
    request_body = NewWebhookBody,
    responses(
        (status = 201, description = "The webhook and its key", body = WebhookWithSecret),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn add_webhook(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<NewWebhookBody>,
) -> Result<(StatusCode, Json<WebhookWithSecret>), Problem> {
    hit(&app, &account, "webhook-change", CHANGES).await?;
    let mut fields = Fields::default();
    let description = described(&mut fields, &body.description);
    check_url(&app, &mut fields, &body.url).await;
    fields.check()?;
    let id = WebhookId::from_uuid(kit::ids::uuid());
    let (key, secret) = fresh_key(&app, id);
    let new = NewWebhook {
        id,
        url: &body.url,
        description: &description,
        events: &wanted(&body.events),
        is_enabled: body.is_enabled,
        secret: &secret,
    };
    let mut tx = db::begin(&app.pool).await?;
    if !db::webhooks::add(&mut tx, account.id, new).await? {
        return Err(WebhookError::TooMany.into());
    }
    let webhook = db::webhooks::find(&mut tx, account.id, id).await?.ok_or(WebhookError::NotFound)?;
    db::audit::write(&mut tx, entry(&account, &client, Action::WebhookAdded, &webhook)).await?;
    db::commit(tx).await?;
    tracing::info!(channel.id = %account.id, webhook.id = %id, "webhook added");
    Ok((StatusCode::CREATED, Json(WebhookWithSecret { webhook: webhook.into(), secret: key.expose().to_owned() })))
}

/// One of the caller's webhooks.
#[utoipa::path(
    get,
    path = "/api/v1/me/webhooks/{id}",
    operation_id = "webhook",
    params(WebhookPath),
    responses(
        (status = 200, description = "The webhook", body = WebhookView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn webhook(
    State(app): State<App>,
    account: Account,
    Path(path): Path<WebhookPath>,
) -> Result<Json<WebhookView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = db::webhooks::find(&mut conn, account.id, path.id()).await?.ok_or(WebhookError::NotFound)?;
    Ok(Json(found.into()))
}

/// Changes a webhook, or switches it on or off.
#[utoipa::path(
    patch,
    path = "/api/v1/me/webhooks/{id}",
    operation_id = "update_webhook",
    params(WebhookPath),
    request_body = UpdateWebhook,
    responses(
        (status = 200, description = "The changed webhook", body = WebhookView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn update_webhook(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<WebhookPath>,
    Json(body): Json<UpdateWebhook>,
) -> Result<Json<WebhookView>, Problem> {
    hit(&app, &account, "webhook-change", CHANGES).await?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let before = db::webhooks::find(&mut conn, account.id, path.id()).await?.ok_or(WebhookError::NotFound)?;
    drop(conn);
    let mut fields = Fields::default();
    let description = body.description.map(|text| described(&mut fields, &text));
    let url = body.url.filter(|url| *url != before.url);
    if let Some(url) = &url {
        check_url(&app, &mut fields, url).await;
    }
    fields.check()?;
    let events = body.events.as_deref().map(wanted);
    let change = Change {
        url: url.as_deref(),
        description: description.as_deref(),
        events: events.as_deref(),
        is_enabled: body.is_enabled,
    };
    let mut tx = db::begin(&app.pool).await?;
    if !db::webhooks::change(&mut tx, account.id, path.id(), change).await? {
        return Err(WebhookError::NotFound.into());
    }
    let after = db::webhooks::find(&mut tx, account.id, path.id()).await?.ok_or(WebhookError::NotFound)?;
    db::audit::write(&mut tx, entry(&account, &client, Action::WebhookChanged, &after)).await?;
    db::commit(tx).await?;
    Ok(Json(after.into()))
}

/// Removes a webhook and its log. What waits for it is not sent.
#[utoipa::path(
    delete,
    path = "/api/v1/me/webhooks/{id}",
    operation_id = "remove_webhook",
    params(WebhookPath),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn remove_webhook(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<WebhookPath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let webhook = db::webhooks::find(&mut tx, account.id, path.id()).await?.ok_or(WebhookError::NotFound)?;
    if !db::webhooks::remove(&mut tx, account.id, path.id()).await? {
        return Err(WebhookError::NotFound.into());
    }
    db::audit::write(&mut tx, entry(&account, &client, Action::WebhookRemoved, &webhook)).await?;
    db::commit(tx).await?;
    tracing::info!(channel.id = %account.id, webhook.id = %path.id(), "webhook removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Another key, which is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RotatedSecret {
    /// `whsec_` and 32 bytes in base64.
    secret: String,
    /// Until then messages carry a signature of the key before too.
    old_secret_until: DateTime<Utc>,
}

/// Gives a webhook another key. For a day messages are signed with the one before too; one before that signs no more.
#[utoipa::path(
    post,
    path = "/api/v1/me/webhooks/{id}/secret/rotate",
    operation_id = "rotate_webhook_secret",
    params(WebhookPath),
    responses(
        (status = 200, description = "The new key", body = RotatedSecret),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "webhooks",
)]
pub(crate) async fn rotate_webhook_secret(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<WebhookPath>,
) -> Result<Json<RotatedSecret>, Problem> {
    hit(&app, &account, "webhook-change", CHANGES).await?;
    let (key, sealed) = fresh_key(&app, path.id());
    let mut tx = db::begin(&app.pool).await?;
    let until = db::webhooks::rotate(&mut tx, account.id, path.id(), &sealed).await?;
    let old_secret_until = until.ok_or(WebhookError::NotFound)?;
    let webhook = db::webhooks::find(&mut tx, account.id, path.id()).await?.ok_or(WebhookError::NotFound)?;
    db::audit::write(&mut tx, entry(&account, &client, Action::WebhookSecretRotated, &webhook)).await?;
    db::commit(tx).await?;
    tracing::info!(channel.id = %account.id, webhook.id = %path.id(), "webhook key rotated");
    Ok(Json(RotatedSecret { secret: key.expose().to_owned(), old_secret_until }))
}
