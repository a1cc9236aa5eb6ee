//! The caller's own account: profile, stream key, and what the next stream is called.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::access::Viewer;
use db::audit::Entry;
use domain::audit::{Action, Actor};
use domain::stream::{DESCRIPTION_CHARS_MAX, Title, parse_tags};
use domain::user::DisplayName;
use domain::{CategorySlug, Classify, Kind};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Eyes, VisibilityName};
use crate::account::Account;
use crate::accounts::StreamKey;
use crate::extract::{Fields, Json, mentioned};
use crate::net::Client;
use crate::shapes::{Stream, User};
use crate::state::App;

const BIO_CHARS_MAX: usize = 1_000;

/// What can be wrong with a channel's own data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeError {
    #[error("the account is gone")]
    Gone,
    /// Sealed under another `auth.secret`.
    #[error("the stream key cannot be shown; rotate it")]
    KeyUnreadable,
}

impl Classify for MeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Gone => Kind::Unauthenticated,
            Self::KeyUnreadable => Kind::Gone,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Gone => "auth.invalid-token",
            Self::KeyUnreadable => "stream-key.unreadable",
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateMe {
    /// 1 to 50 characters.
    #[serde(default)]
    display_name: Option<String>,
    /// Up to 1,000 characters.
    #[serde(default)]
    bio: Option<String>,
}

/// Where to publish, and with which key.
#[derive(Serialize, ToSchema)]
#[schema(as = StreamKey)]
pub(crate) struct StreamKeyView {
    /// OBS calls it "Server".
    rtmp_url: String,
    /// The same over TLS, where the site serves RTMPS.
    rtmps_url: Option<String>,
    /// Whoever has it can go live on this channel.
    stream_key: String,
}

/// Room the caller's recordings take, and the rules for them.
#[derive(Serialize, ToSchema)]
pub(crate) struct StorageUse {
    used_bytes: i64,
    /// Null: no limit. When it is reached, a stream goes on and is recorded no further.
    quota_bytes: Option<i64>,
    /// Days a recording is kept after it was made. Null: for ever.
    keep_days: Option<i32>,
}

/// What the next or current stream is called.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamSettings {
    title: String,
    description: String,
    category_slug: Option<String>,
    tags: Vec<String>,
    /// Whom the next or current stream and its recording are for.
    visibility: VisibilityName,
    /// The stream on air now.
    current: Option<Stream>,
    /// What publishes now.
    encoder: Option<Encoder>,
    /// Until when the next encoder may take over, after `POST /api/v1/me/stream/takeover`.
    takeover_until: Option<DateTime<Utc>>,
    /// How the last stream came to its end.
    last: Option<LastStream>,
}

/// The encoder a channel is published by.
#[derive(Serialize, ToSchema)]
pub(crate) struct Encoder {
    /// Grows with each accepted publish of a stream, from 1.
    epoch: i32,
    connected_at: DateTime<Utc>,
    address: String,
    /// Another encoder takes over with a higher one, as `?priority=N` behind the key: 0 to 100, 0 unless said.
    priority: i16,
}

/// The end of a stream.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastStream {
    id: Uuid,
    title: String,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    /// `unpublished`: its broadcaster stopped it. `window_over`: its broadcaster did not come back in time. `cut`, `server_stopping`:
    /// the server ended it. `never_delivered`: nothing arrived. Others as in `encoder_end_reason`, on a site without a reconnect window.
    end_reason: Option<String>,
    /// How the last connection ended: `unpublished`, `connection_lost`, `went_silent`, `protocol_error`, `codec_refused`,
    /// `server_stopping`, `cut` or `superseded`.
    encoder_end_reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateStreamSettings {
    /// 1 to 140 characters.
    #[serde(default)]
    title: Option<String>,
    /// Up to 5,000 characters.
    #[serde(default)]
    description: Option<String>,
    /// Null for none.
    #[serde(default, deserialize_with = "mentioned")]
    #[schema(value_type = Option<String>)]
    category_slug: Option<Option<String>>,
    /// At most ten of at most 25 characters.
    #[serde(default)]
    tags: Option<Vec<String>>,
    /// Whom it is for. A stream on air and its recording change with it.
    #[serde(default)]
    visibility: Option<VisibilityName>,
}

impl UpdateStreamSettings {
    fn parse(self) -> Result<db::channels::SettingsChange, Problem> {
        let change = parse_change(self.title, self.description, self.category_slug, self.tags)?;
        Ok(db::channels::SettingsChange { visibility: self.visibility.map(Into::into), ..change })
    }
}

/// The rules that streams and recordings share.
pub(crate) fn parse_change(
    title: Option<String>,
    description: Option<String>,
    category_slug: Option<Option<String>>,
    tags: Option<Vec<String>>,
) -> Result<db::channels::SettingsChange, Problem> {
    let mut fields = Fields::default();
    let title = title.and_then(|title| fields.take(Title::parse(&title)));
    if description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX || text.contains('\0')) {
        fields.push("description", "must be at most 5,000 characters of text");
    }
    let category_slug = category_slug.map(|slug| {
        let parsed = slug.filter(|slug| !slug.is_empty()).map(|slug| {
            CategorySlug::parse(&slug).map_err(|_| domain::error::Invalid::new("category_slug", "is not a category"))
        });
        parsed.and_then(|parsed| fields.take(parsed)).map(|slug| slug.as_str().to_owned())
    });
    let tags = tags.and_then(|tags| fields.take(parse_tags(&tags)));
    fields.check()?;
    let title = title.map(|title| title.as_str().to_owned());
    Ok(db::channels::SettingsChange { title, description, category_slug, tags, visibility: None })
}

/// A category that is not there is the client's mistake, not a conflict.
pub(crate) fn explain_category(error: db::DbError) -> Problem {
    if error.constraint().is_some_and(|name| db::categories::CATEGORY_FOREIGN_KEYS.contains(&name)) {
        return domain::error::Invalid::new("category_slug", "is not a category").into();
    }
    error.into()
}

/// The caller.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    operation_id = "me",
    responses(
        (status = 200, description = "The caller's account", body = User),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn me(State(app): State<App>, account: Account) -> Result<Json<User>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let user = db::users::find(&mut conn, account.id).await?.ok_or(MeError::Gone)?;
    Ok(Json(user.into()))
}

/// Changes the caller's profile.
#[utoipa::path(
    patch,
    path = "/api/v1/me",
    operation_id = "update_me",
    request_body = UpdateMe,
    responses(
        (status = 200, description = "The changed account", body = User),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn update_me(
    State(app): State<App>,
    account: Account,
    Json(body): Json<UpdateMe>,
) -> Result<Json<User>, Problem> {
    let mut fields = Fields::default();
    let name = body.display_name.and_then(|name| fields.take(DisplayName::parse(&name)));
    if body.bio.as_ref().is_some_and(|bio| bio.chars().count() > BIO_CHARS_MAX || bio.contains('\0')) {
        fields.push("bio", "must be at most 1,000 characters of text");
    }
    fields.check()?;
    let mut tx = db::begin(&app.pool).await?;
    db::users::update_profile(&mut tx, account.id, name.as_ref(), body.bio.as_deref()).await?;
    let user = db::users::find(&mut tx, account.id).await?.ok_or(MeError::Gone)?;
    db::commit(tx).await?;
    Ok(Json(user.into()))
}

/// Where to publish, and with which key.
#[utoipa::path(
    get,
    path = "/api/v1/me/stream-key",
    operation_id = "stream_key",
    responses(
        (status = 200, description = "Server and key for the encoder", body = StreamKeyView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn stream_key(State(app): State<App>, account: Account) -> Result<Json<StreamKeyView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let sealed = db::channels::sealed_key(&mut conn, account.id).await?.ok_or(MeError::Gone)?;
    let key = StreamKey::open(&sealed, &app.stream_keys, account.id).ok_or(MeError::KeyUnreadable)?;
    Ok(Json(key_view(&app, &key)))
}

/// Room the caller's recordings take, and the rules for them.
#[utoipa::path(
    get,
    path = "/api/v1/me/storage",
    operation_id = "storage",
    responses(
        (status = 200, description = "Room taken, its limit, and how long recordings are kept", body = StorageUse),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn storage(State(app): State<App>, account: Account) -> Result<Json<StorageUse>, Problem> {
    let rules = &app.config.recordings;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let room = db::keeping::room(&mut conn, account.id, (app.config.recording_rooms(), rules.keep_days())).await?;
    let room = room.ok_or(MeError::Gone)?;
    Ok(Json(StorageUse {
        used_bytes: room.used_bytes,
        quota_bytes: Some(room.quota_bytes).filter(|bytes| *bytes > 0),
        keep_days: Some(room.keep_days).filter(|days| *days > 0),
    }))
}

/// Replaces the stream key. The old one is refused from now on; a stream on air with it goes on.
#[utoipa::path(
    post,
    path = "/api/v1/me/stream-key/rotate",
    operation_id = "rotate_stream_key",
    responses(
        (status = 200, description = "The new key", body = StreamKeyView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn rotate_stream_key(
    State(app): State<App>,
    account: Account,
    client: Client,
) -> Result<Json<StreamKeyView>, Problem> {
    let key = StreamKey::random();
    let sealed = key.seal(&app.stream_keys, account.id);
    let mut tx = db::begin(&app.pool).await?;
    if !db::channels::set_key(&mut tx, account.id, &key.hash(), &sealed).await? {
        return Err(MeError::Gone.into());
    }
    let entry = Entry::of_member(Actor::Member(account.id), Action::StreamKeyRotated, account.id);
    db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    tracing::info!(channel.id = %account.id, "stream key rotated");
    Ok(Json(key_view(&app, &key)))
}

fn key_view(app: &App, key: &StreamKey) -> StreamKeyView {
    StreamKeyView {
        rtmp_url: app.rtmp_url.clone(),
        rtmps_url: app.rtmps_url.clone(),
        stream_key: key.expose().to_owned(),
    }
}

/// What the next or current stream is called, and the stream on air.
#[utoipa::path(
    get,
    path = "/api/v1/me/stream",
    operation_id = "stream_settings",
    responses(
        (status = 200, description = "The settings", body = StreamSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn stream_settings(State(app): State<App>, account: Account) -> Result<Json<StreamSettings>, Problem> {
    let settings = async {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::channels::settings(&mut conn, account.id).await
    };
    let air = async {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        Air::of(&mut conn, &account).await
    };
    let (settings, air) = tokio::try_join!(settings, air)?;
    let settings = settings.ok_or(MeError::Gone)?;
    Ok(Json(settings_view(&app, &account, settings, air).await))
}

/// Names the next stream; renames the current one and its recording.
#[utoipa::path(
    patch,
    path = "/api/v1/me/stream",
    operation_id = "update_stream_settings",
    request_body = UpdateStreamSettings,
    responses(
        (status = 200, description = "The changed settings", body = StreamSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn update_stream_settings(
    State(app): State<App>,
    account: Account,
    Json(body): Json<UpdateStreamSettings>,
) -> Result<Json<StreamSettings>, Problem> {
    let change = body.parse()?;
    let mut tx = db::begin(&app.pool).await?;
    let settings = db::channels::update_settings(&mut tx, account.id, &change)
        .await
        .map_err(explain_category)?
        .ok_or(MeError::Gone)?;
    db::streams::retitle_open(&mut tx, account.id, &change).await?;
    let air = Air::of(&mut tx, &account).await?;
    db::commit(tx).await?;
    Ok(Json(settings_view(&app, &account, settings, air).await))
}

/// What is on air, by whom, and what was.
struct Air {
    current: Option<db::streams::Stream>,
    encoder: Option<db::publish::EncoderAtWork>,
    last: Option<db::streams::LastEnd>,
}

impl Air {
    async fn of(conn: &mut db::Conn, account: &Account) -> db::Result<Self> {
        Ok(Self {
            current: db::streams::live_of(conn, &[account.id], Viewer::member(account.id)).await?.pop(),
            encoder: db::publish::encoder_at_work(conn, account.id).await?,
            last: db::streams::last_end(conn, account.id).await?,
        })
    }
}

async fn settings_view(app: &App, account: &Account, settings: db::channels::Settings, air: Air) -> StreamSettings {
    let current = match air.current {
        Some(stream) => {
            let count = app.viewers.of_stream(&stream).await;
            Some(Stream::of(stream, count, &Eyes::of_member(app, Some(account))))
        }
        None => None,
    };
    StreamSettings {
        title: settings.title,
        description: settings.description,
        category_slug: settings.category_slug,
        tags: settings.tags,
        visibility: settings.visibility.into(),
        current,
        takeover_until: air.encoder.as_ref().and_then(|encoder| encoder.takeover_until),
        encoder: air.encoder.map(|encoder| Encoder {
            epoch: encoder.epoch,
            connected_at: encoder.since,
            address: encoder.addr,
            priority: encoder.priority.as_i16(),
        }),
        last: air.last.map(|last| LastStream {
            id: last.stream.as_uuid(),
            title: last.title,
            started_at: last.started_at,
            ended_at: last.ended_at,
            end_reason: last.reason,
            encoder_end_reason: last.encoder_reason,
        }),
    }
}
