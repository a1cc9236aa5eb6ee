//! Emotes of a channel's own: small pictures its chat shows for `:name:`.

mod picture;

use std::time::Duration;

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{Multipart, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use db::audit::Entry;
use db::emotes::{Emote, Named};
use domain::audit::{Action, Actor};
use domain::chat::emote::{self, SIDES};
use domain::order::reason;
use domain::user::Username;
use domain::{Classify, EmoteId, Kind, Permission, UserId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{ORDER, Push, Target};
use live::limits::Quota;
use objects::{NewObject, keys};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::admin::members::Because;
use crate::avatar;
use crate::channels::ChannelPath;
use crate::extract::{Fields, Json, Path};
use crate::moderation::{OrderError, tell};
use crate::net::Client;
use crate::state::App;

pub(crate) const UPLOAD_BYTES_MAX: usize = 512 * 1024;
/// What a name in a form may take before it is read.
const NAME_BYTES_MAX: usize = 64;
/// Changes of one member: enough for a channel that begins with all it may have.
const CHANGES: Quota = Quota::new(120, Duration::from_secs(3_600));

#[derive(Debug, thiserror::Error)]
pub(crate) enum EmoteError {
    #[error("the picture is larger than 512 KiB")]
    TooLarge,
    #[error("the picture has too many pixels: 4,096 on a side and four million in all at most")]
    TooManyPixels,
    #[error("the picture is smaller than 28 pixels")]
    TooSmall,
    #[error("this is not a PNG, WebP, GIF or JPEG picture")]
    NotAPicture,
    #[error("send the form's fields name and file")]
    NoFile,
    #[error("too many pictures at this moment")]
    Busy,
    #[error("the channel has an emote of this name")]
    NameTaken,
    #[error("the channel has as many emotes as it may have")]
    TooMany,
    #[error("there is no such emote")]
    NotFound,
    #[error("too many changes; wait a while")]
    Throttled(Duration),
    #[error("the picture could not be encoded")]
    Failed(#[source] image::ImageError),
}

impl Classify for EmoteError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::TooLarge,
            Self::TooManyPixels | Self::TooSmall | Self::NotAPicture | Self::NoFile => Kind::Invalid,
            Self::Busy => Kind::Unavailable,
            Self::NameTaken | Self::TooMany => Kind::Conflict,
            Self::NotFound => Kind::NotFound,
            Self::Throttled(_) => Kind::Throttled,
            Self::Failed(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "emote.too-large",
            Self::TooManyPixels => "emote.too-many-pixels",
            Self::TooSmall => "emote.too-small",
            Self::NotAPicture => "emote.not-a-picture",
            Self::NoFile => "emote.no-file",
            Self::Busy => "emote.busy",
            Self::NameTaken => "emote.name-taken",
            Self::TooMany => "emote.too-many",
            Self::NotFound => "emote.not-found",
            Self::Throttled(_) => "emote.throttled",
            Self::Failed(_) => "internal",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

/// An emote of a channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Emote)]
pub(crate) struct EmoteView {
    id: Uuid,
    /// Written `:name:`.
    name: String,
    /// Its picture of 56 pixels, as messages name it. The last part may also be `28.webp` and `112.webp`.
    url: String,
    created_at: DateTime<Utc>,
}

impl From<Emote> for EmoteView {
    fn from(emote: Emote) -> Self {
        Self {
            id: emote.id.as_uuid(),
            url: emote::picture_in_line(emote.id),
            name: emote.name,
            created_at: emote.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EmotePage {
    /// By name; at most 50, all of them.
    items: Vec<EmoteView>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EmotePath {
    id: Uuid,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberEmotePath {
    /// The channel's name.
    username: String,
    id: Uuid,
}

/// The form, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct EmoteForm {
    /// 2 to 24 small letters, digits and `_`, not digits alone; none that every channel has.
    name: String,
    /// A PNG, WebP, GIF or JPEG of at most 512 KiB, 28 to 4,096 pixels on its longer side.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameEmote {
    /// As of a new one.
    name: String,
}

/// The emotes a channel has of its own. Everybody's twelve are not among them.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/emotes",
    operation_id = "channel_emotes",
    params(ChannelPath),
    responses(
        (status = 200, description = "All of them", body = EmotePage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "channels",
)]
pub(crate) async fn channel_emotes(
    State(app): State<App>,
    Path(path): Path<ChannelPath>,
) -> Result<Json<EmotePage>, Problem> {
    let username = path.parse()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let channel = db::channels::id_of(&mut conn, username.as_str()).await?;
    let channel = channel.ok_or(crate::channels::ChannelError::NotFound)?;
    let found = db::emotes::list(&mut conn, channel).await?;
    Ok(Json(EmotePage { items: found.into_iter().map(EmoteView::from).collect(), next_cursor: None }))
}

/// Adds an emote to the caller's channel.
#[utoipa::path(
    post,
    path = "/api/v1/me/emotes",
    operation_id = "add_emote",
    request_body(content = EmoteForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The emote", body = EmoteView),
        (status = "4XX", description = "What went wrong; `emote.name-taken` and `emote.too-many` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn add_emote(
    State(app): State<App>,
    account: Account,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<EmoteView>), Problem> {
    count(&app, account.id).await?;
    let (name, upload) = read(form.map_err(|_| EmoteError::NoFile)?).await?;
    check(&name)?;
    let made = app.studio.work(move || picture::develop(&upload)).await.ok_or(EmoteError::Busy)?;
    // A decoder that panicked on it did not find a picture.
    let pictures = made.unwrap_or(Err(EmoteError::NotAPicture))?;
    let id = EmoteId::from_uuid(kit::ids::uuid());
    store(&app, id, pictures).await?;
    // Nobody is told of an emote whose pictures are not there.
    let added = keep(&app, account.id, id, &name).await;
    if added.is_err() {
        discard(&app, id, &SIDES).await;
    }
    let emote = added?;
    announce(&app, account.id).await;
    Ok((StatusCode::CREATED, Json(emote.into())))
}

/// Stores all pictures of an emote or none.
async fn store(app: &App, id: EmoteId, pictures: [Vec<u8>; 3]) -> Result<(), Problem> {
    for (at, picture) in pictures.into_iter().enumerate() {
        let key = keys::emote(id, SIDES[at]);
        let object = NewObject {
            key: &key,
            body: picture.into(),
            content_type: "image/webp",
            cache_control: objects::CACHE_IMMUTABLE,
        };
        if let Err(error) = app.objects.put(object).await {
            discard(app, id, &SIDES[..at]).await;
            return Err(error.into());
        }
    }
    Ok(())
}

async fn keep(app: &App, owner: UserId, id: EmoteId, name: &str) -> Result<Emote, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let named = db::emotes::add(&mut tx, owner, id, name).await?;
    db::commit(tx).await?;
    Ok(done(named)?)
}

/// Calls one of the caller's emotes something else. What was said with it keeps the name it was said with.
#[utoipa::path(
    patch,
    path = "/api/v1/me/emotes/{id}",
    operation_id = "rename_emote",
    params(EmotePath),
    request_body = RenameEmote,
    responses(
        (status = 200, description = "The emote", body = EmoteView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn rename_emote(
    State(app): State<App>,
    account: Account,
    Path(path): Path<EmotePath>,
    Json(body): Json<RenameEmote>,
) -> Result<Json<EmoteView>, Problem> {
    check(&body.name)?;
    count(&app, account.id).await?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let named = db::emotes::rename(&mut conn, account.id, EmoteId::from_uuid(path.id), &body.name).await?;
    drop(conn);
    let emote = done(named)?;
    announce(&app, account.id).await;
    Ok(Json(emote.into()))
}

/// Takes an emote away from the caller's channel. Where it was used its name stands as text.
#[utoipa::path(
    delete,
    path = "/api/v1/me/emotes/{id}",
    operation_id = "remove_emote",
    params(EmotePath),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn remove_emote(
    State(app): State<App>,
    account: Account,
    Path(path): Path<EmotePath>,
) -> Result<StatusCode, Problem> {
    let id = EmoteId::from_uuid(path.id);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let gone = db::emotes::remove(&mut conn, account.id, id).await?;
    drop(conn);
    gone.ok_or(EmoteError::NotFound)?;
    discard(&app, id, &SIDES).await;
    announce(&app, account.id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an emote away from somebody's channel. For the site's moderators and administrators, where they stand above the owner.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{username}/emotes/{id}/remove",
    operation_id = "remove_emote_of",
    params(MemberEmotePath),
    request_body = Because,
    responses(
        (status = 204, description = "It is gone, and the log says why"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn remove_emote_of(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<MemberEmotePath>,
    Json(body): Json<Because>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let why = fields.take(reason(&body.reason)).unwrap_or_default();
    if why.is_empty() {
        fields.push("reason", "must be 1 to 500 characters");
    }
    fields.check()?;
    let id = EmoteId::from_uuid(path.id);
    let name = Username::parse(&path.username).map_err(|_| OrderError::NoMember)?;
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::RemoveEmotes).await?;
    let subject = db::site::hold(&mut tx, &name).await?.ok_or(OrderError::NoMember)?;
    if !staff.role.outranks(subject.role) {
        return Err(crate::admin::AdminError::Outranked.into());
    }
    let gone = db::emotes::remove(&mut tx, subject.id, id).await?.ok_or(EmoteError::NotFound)?;
    let entry = Entry {
        member: Some(subject.id),
        reason: &why,
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(staff.id), Action::EmoteRemoved, id, &gone.name)
    };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    discard(&app, id, &SIDES).await;
    announce(&app, subject.id).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PicturePath {
    id: Uuid,
    /// `28.webp`, `56.webp` or `112.webp`.
    file: String,
}

/// A picture of an emote. It never changes, so it may be kept for ever.
#[utoipa::path(
    get,
    path = "/media/emotes/{id}/{file}",
    operation_id = "emote_picture",
    params(PicturePath),
    responses(
        (status = 200, description = "The picture", content_type = "image/webp"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "media",
)]
pub(crate) async fn emote_picture(State(app): State<App>, Path(path): Path<PicturePath>) -> Result<Response, Problem> {
    let side = path.file.strip_suffix(".webp").and_then(|side| side.parse().ok());
    let side = side.filter(|side| SIDES.contains(side) && format!("{side}.webp") == path.file);
    let side = side.ok_or_else(Problem::not_found)?;
    avatar::serve(&app.objects, &keys::emote(EmoteId::from_uuid(path.id), side)).await
}

fn done(named: Named) -> Result<Emote, EmoteError> {
    match named {
        Named::Done(emote) => Ok(emote),
        Named::Taken => Err(EmoteError::NameTaken),
        Named::Full => Err(EmoteError::TooMany),
        Named::Absent => Err(EmoteError::NotFound),
    }
}

fn check(name: &str) -> Result<(), Problem> {
    let mut fields = Fields::default();
    fields.take(emote::check_own(name));
    fields.check()
}

async fn count(app: &App, member: UserId) -> Result<(), EmoteError> {
    let verdict = app.limits.hit(&format!("emotes:{member}"), CHANGES).await;
    if verdict.is_allowed { Ok(()) } else { Err(EmoteError::Throttled(verdict.retry_after)) }
}

async fn read(mut form: Multipart) -> Result<(String, Bytes), EmoteError> {
    let sort = |error: MultipartError| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE { EmoteError::TooLarge } else { EmoteError::NoFile }
    };
    let (mut name, mut file) = (None, None);
    while let Some(field) = form.next_field().await.map_err(sort)? {
        match field.name() {
            Some("name") if name.is_none() => {
                let bytes = field.bytes().await.map_err(sort)?;
                if bytes.len() > NAME_BYTES_MAX {
                    return Err(EmoteError::NoFile);
                }
                name = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            Some("file") if file.is_none() => {
                let bytes = field.bytes().await.map_err(sort)?;
                if bytes.len() > UPLOAD_BYTES_MAX {
                    return Err(EmoteError::TooLarge);
                }
                file = Some(bytes);
            }
            _ => {}
        }
    }
    name.zip(file).ok_or(EmoteError::NoFile)
}

/// Removes an emote's pictures from the bucket. What stays there is litter that nothing names.
async fn discard(app: &App, id: EmoteId, sides: &[u32]) {
    for side in sides {
        let key = keys::emote(id, *side);
        if let Err(error) = app.objects.delete(&key).await {
            tracing::warn!(%error, key, "an unused picture is left in the bucket");
        }
    }
}

/// Tells nodes, and who sits in the channel's chat, that its emotes are not what they were. They find out by themselves if it is lost.
async fn announce(app: &App, channel: UserId) {
    let name = async { db::chat::username_of(&mut *app.pool.acquire().await?, channel).await };
    let Ok(Some(name)) = name.await else { return };
    let push = |event: &str, payload| Push {
        target: Target::Channel(name.clone()),
        event: event.to_owned(),
        payload,
        origin: None,
    };
    let pushes =
        [push(ORDER, json!({ "channel": channel, "user": null })), push("chat:emotes", json!({ "username": name }))];
    tell(app, &pushes).await;
}
