//! Clips: made of recordings, listed, renamed, deleted, counted. Playing them is in `vod_playback`.

pub(crate) mod shapes;

use std::time::Duration;

use axum::extract::State;
use db::clips::{Filter, NewClip};
use domain::clip::{ClipTitle, Span};
use domain::order::Rank;
use domain::stream::VodStatus;
use domain::user::Username;
use domain::{Classify, ClipId, Kind, Timestamp, VodId};
use http::{HeaderMap, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::access::Eyes;
use crate::account::{AccessError, Account};
use crate::clips::shapes::{ClipPage, ClipSettings, ClipView, NewClipBody, Rights, UpdateClip, VodClips};
use crate::extract::{Fields, Json, Path, Query, storable};
use crate::me::MeError;
use crate::moderation::{Bench, For};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::state::App;
use crate::vods::{ViewCounted, VodError, VodPath, VodSort};

/// Clips one member may make.
const CLIPS: Quota = Quota::new(20, Duration::from_secs(3_600));

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClipError {
    #[error("there is no such clip")]
    NotFound,
    #[error("this clip belongs to somebody else")]
    NotYours,
    #[error("the channel's owner lets others make clips")]
    NotAmongThem,
    #[error("you may not make clips here while you may not write in the chat")]
    Silenced,
    #[error("nothing of this recording can be played")]
    NothingToClip,
    #[error("you have made as many clips of this recording as one may")]
    TooMany,
    #[error("you have made many clips within the hour; wait a while")]
    Throttled(Duration),
}

impl Classify for ClipError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::NotYours | Self::NotAmongThem | Self::Silenced => Kind::Forbidden,
            Self::NothingToClip | Self::TooMany => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "clip.not-found",
            Self::NotYours => "clip.not-yours",
            Self::NotAmongThem => "clip.not-allowed",
            Self::Silenced => "clip.silenced",
            Self::NothingToClip => "clip.nothing-there",
            Self::TooMany => "clip.too-many",
            Self::Throttled(_) => "clip.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ClipPath {
    /// The clip's id.
    id: uuid::Uuid,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClipsQuery {
    /// Only of this channel's recordings, by its name.
    channel: Option<String>,
    /// `recent` (unless said) or `views`.
    #[param(inline)]
    sort: Option<VodSort>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Clips of recordings that lists show, latest or most viewed first.
#[utoipa::path(
    get,
    path = "/api/v1/clips",
    operation_id = "clips",
    params(ClipsQuery),
    responses(
        (status = 200, description = "A page of clips", body = ClipPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn clips(
    State(app): State<App>,
    account: Option<Account>,
    Query(query): Query<ClipsQuery>,
) -> Result<Json<ClipPage>, Problem> {
    let eyes = Eyes::of_member(&app, account.as_ref());
    let channel = query.channel.map(|name| storable(&name.to_ascii_lowercase()));
    let filter = Filter { vod: None, channel: channel.as_deref(), viewer: eyes.id() };
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let (rows, next_cursor) = list(&app, filter, &paging, query.sort.unwrap_or_default()).await?;
    Ok(Json(ClipPage { items: rows.into_iter().map(|row| ClipView::of(row, &eyes)).collect(), next_cursor }))
}

async fn list(
    app: &App,
    filter: Filter<'_>,
    paging: &PageQuery,
    sort: VodSort,
) -> Result<(Vec<db::clips::Clip>, Option<String>), Problem> {
    let limit = paging.limit()?;
    match sort {
        VodSort::Recent => {
            let after = paging.after::<(Timestamp, ClipId)>()?;
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut rows = db::clips::recent(&mut conn, filter, after, page::rows(limit)).await?;
            let next = page::cut(&mut rows, limit, |row| (row.created_at, row.id));
            Ok((rows, next))
        }
        VodSort::Views => {
            let after = paging.after::<(i64, ClipId)>()?;
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut rows = db::clips::most_viewed(&mut conn, filter, after, page::rows(limit)).await?;
            let next = page::cut(&mut rows, limit, |row| (row.views, row.id));
            Ok((rows, next))
        }
    }
}

/// A recording's clips, latest first, for whoever may see the recording.
#[utoipa::path(
    get,
    path = "/api/v1/vods/{id}/clips",
    operation_id = "vod_clips",
    params(VodPath, PageQuery),
    responses(
        (status = 200, description = "A page of clips, and whether the caller may make another", body = VodClips),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn vod_clips(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<VodPath>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<VodClips>, Problem> {
    let id = VodId::from_uuid(path.id);
    let viewer = account.as_ref().map(|account| account.id);
    let (is_staff, total, clips_for, may_create) = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let (vod, is_staff) = db::vods::find(&mut conn, id, viewer).await?.ok_or(VodError::NotFound)?;
        let total = db::clips::count(&mut conn, id).await?;
        let clips_for = db::clips::clippers(&mut conn, vod.channel).await?.unwrap_or_default();
        let may_create = match &account {
            Some(account) if !matches!(vod.status, VodStatus::Failed | VodStatus::Processing) => {
                may_clip(&mut conn, account, vod.channel).await?.is_ok()
            }
            _ => false,
        };
        (is_staff, total, clips_for, may_create)
    };
    let filter = Filter { vod: Some(id), channel: None, viewer };
    let (rows, next_cursor) = list(&app, filter, &paging, VodSort::Recent).await?;
    let eyes = Eyes::of_standing(&app, account.as_ref(), is_staff);
    let items = rows.into_iter().map(|row| ClipView::of(row, &eyes)).collect();
    Ok(Json(VodClips { items, next_cursor, total, clips_for: clips_for.into(), may_create }))
}

/// Whether a member may make clips of a channel's recordings, as far as they may see them.
async fn may_clip(
    conn: &mut db::Conn,
    account: &Account,
    channel: domain::UserId,
) -> Result<Result<(), ClipError>, db::DbError> {
    let clips_for = db::clips::clippers(conn, channel).await?.unwrap_or_default();
    let Some(standing) = db::moderation::standing(conn, channel, account.id).await? else {
        return Ok(Err(ClipError::NotAmongThem));
    };
    let is_owner = account.id == channel;
    let rank = Rank::of(standing.role, is_owner, standing.is_moderator);
    if !clips_for.admits(rank, is_owner, standing.follows_since.is_some()) {
        return Ok(Err(ClipError::NotAmongThem));
    }
    // As in chat: whoever keeps the site or the channel is not kept out by a moderator.
    if standing.sanction.is_some() && rank != Rank::Keeper {
        return Ok(Err(ClipError::Silenced));
    }
    Ok(Ok(()))
}

/// Makes a clip of a recording, finished or still being made. For members who may see it, and whom its owner lets.
#[utoipa::path(
    post,
    path = "/api/v1/vods/{id}/clips",
    operation_id = "create_clip",
    params(VodPath),
    request_body = NewClipBody,
    responses(
        (status = 201, description = "The clip", body = ClipView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn create_clip(
    State(app): State<App>,
    account: Account,
    Path(path): Path<VodPath>,
    Json(body): Json<NewClipBody>,
) -> Result<(StatusCode, Json<ClipView>), Problem> {
    let vod_id = VodId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    let (vod, is_staff) = db::vods::find(&mut tx, vod_id, Some(account.id)).await?.ok_or(VodError::NotFound)?;
    if matches!(vod.status, VodStatus::Failed | VodStatus::Processing) {
        return Err(ClipError::NothingToClip.into());
    }
    may_clip(&mut tx, &account, vod.channel).await??;
    let is_growing = vod.status == VodStatus::Recording;
    let mut fields = Fields::default();
    let title = fields.take(ClipTitle::parse(&body.title));
    let span = fields.take(Span::within(body.start_ms, body.end_ms, vod.duration_ms, is_growing));
    fields.check()?;
    let (Some(title), Some(span)) = (title, span) else { return Err(ClipError::NotFound.into()) };
    let verdict = app.limits.hit(&format!("clips:{}", account.id), CLIPS).await;
    if !verdict.is_allowed {
        return Err(ClipError::Throttled(verdict.retry_after).into());
    }
    let id = ClipId::from_uuid(kit::ids::uuid());
    let new = NewClip { id, vod: vod_id, creator: account.id, title: title.as_str(), span };
    if !db::clips::insert(&mut tx, &new).await? {
        return Err(ClipError::TooMany.into());
    }
    let clip = db::clips::find(&mut tx, id, Some(account.id)).await?.ok_or(ClipError::NotFound)?;
    db::commit(tx).await?;
    tracing::info!(clip.id = %id, vod.id = %vod_id, by = %account.id, "clip made");
    let eyes = Eyes::of_standing(&app, Some(&account), is_staff);
    Ok((StatusCode::CREATED, Json(ClipView::of(clip, &eyes))))
}

/// One clip, for whoever may see its recording.
#[utoipa::path(
    get,
    path = "/api/v1/clips/{id}",
    operation_id = "clip",
    params(ClipPath),
    responses(
        (status = 200, description = "The clip", body = ClipView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn clip(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<ClipPath>,
) -> Result<Json<ClipView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let viewer = account.as_ref().map(|account| account.id);
    let clip = db::clips::find(&mut conn, ClipId::from_uuid(path.id), viewer).await?.ok_or(ClipError::NotFound)?;
    let eyes = Eyes::of_standing(&app, account.as_ref(), clip.is_staff);
    Ok(Json(ClipView::of(clip, &eyes)))
}

/// Calls a clip something else. For who made it, the channel's owner and the site's staff.
#[utoipa::path(
    patch,
    path = "/api/v1/clips/{id}",
    operation_id = "update_clip",
    params(ClipPath),
    request_body = UpdateClip,
    responses(
        (status = 200, description = "The changed clip", body = ClipView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn update_clip(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ClipPath>,
    Json(body): Json<UpdateClip>,
) -> Result<Json<ClipView>, Problem> {
    let title = ClipTitle::parse(&body.title)?;
    let id = ClipId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    let clip = db::clips::find(&mut tx, id, Some(account.id)).await?.ok_or(ClipError::NotFound)?;
    if !Rights::of(&clip, Some(account.id)).may_rename {
        return Err(ClipError::NotYours.into());
    }
    db::clips::rename(&mut tx, id, title.as_str()).await?;
    let clip = db::clips::find(&mut tx, id, Some(account.id)).await?.ok_or(ClipError::NotFound)?;
    db::commit(tx).await?;
    let eyes = Eyes::of_standing(&app, Some(&account), clip.is_staff);
    Ok(Json(ClipView::of(clip, &eyes)))
}

/// Deletes a clip. For who made it, the channel's owner and moderators, and the site's staff: what they take away from somebody else
/// is written to the channel's log.
#[utoipa::path(
    delete,
    path = "/api/v1/clips/{id}",
    operation_id = "delete_clip",
    params(ClipPath),
    responses(
        (status = 204, description = "Deleted"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn delete_clip(
    State(app): State<App>,
    account: Account,
    Path(path): Path<ClipPath>,
) -> Result<StatusCode, Problem> {
    let id = ClipId::from_uuid(path.id);
    let clip = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        account.role(&mut conn).await?.ok_or(AccessError::Suspended)?;
        db::clips::find(&mut conn, id, Some(account.id)).await?.ok_or(ClipError::NotFound)?
    };
    let rights = Rights::of(&clip, Some(account.id));
    if !rights.may_delete {
        return Err(ClipError::NotYours.into());
    }
    if rights.is_creator {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        if !db::clips::delete(&mut conn, id).await? {
            return Err(ClipError::NotFound.into());
        }
    } else {
        let mut bench = Bench::open(&app, &account, &clip.owner.username, For::Moderators).await?;
        if !db::clips::delete(&mut bench.tx, id).await? {
            return Err(ClipError::NotFound.into());
        }
        let name = Username::parse(&clip.creator_person.username).map_err(|_| ClipError::NotFound)?;
        let detail = json!({ "clip": id, "vod": clip.vod, "text": clip.title });
        bench.conclude(&app, "clip_remove", Some((clip.creator, &name)), detail).await?;
    }
    tracing::info!(clip.id = %id, by = %account.id, "clip deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Counts a view of a clip, as of a recording: once per member or anonymous client in five minutes.
#[utoipa::path(
    post,
    path = "/api/v1/clips/{id}/views",
    operation_id = "count_clip_view",
    params(ClipPath),
    responses(
        (status = 200, description = "Whether it counted", body = ViewCounted),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "clips",
)]
pub(crate) async fn count_clip_view(
    State(app): State<App>,
    account: Option<Account>,
    client: Client,
    headers: HeaderMap,
    Path(path): Path<ClipPath>,
) -> Result<Json<ViewCounted>, Problem> {
    let id = ClipId::from_uuid(path.id);
    let stored = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let viewer = account.as_ref().map(|account| account.id);
        db::clips::find(&mut conn, id, viewer).await?.ok_or(ClipError::NotFound)?.views
    };
    let counted = ViewCounted::count(&app, account.as_ref(), (&client, &headers), (id.into(), stored)).await;
    Ok(Json(counted))
}

/// Who may make clips of the caller's recordings.
#[utoipa::path(
    get,
    path = "/api/v1/me/clips",
    operation_id = "clip_settings",
    responses(
        (status = 200, description = "Whom the caller lets make clips", body = ClipSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn clip_settings(State(app): State<App>, account: Account) -> Result<Json<ClipSettings>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let who = db::clips::clippers(&mut conn, account.id).await?.ok_or(MeError::Gone)?;
    Ok(Json(ClipSettings { clips_for: who.into() }))
}

/// Changes who may. Clips that were made stay.
#[utoipa::path(
    patch,
    path = "/api/v1/me/clips",
    operation_id = "update_clip_settings",
    request_body = ClipSettings,
    responses(
        (status = 200, description = "Whom the caller lets make clips now", body = ClipSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn update_clip_settings(
    State(app): State<App>,
    account: Account,
    Json(body): Json<ClipSettings>,
) -> Result<Json<ClipSettings>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if !db::clips::set_clippers(&mut conn, account.id, body.clips_for.into()).await? {
        return Err(MeError::Gone.into());
    }
    Ok(Json(body))
}
