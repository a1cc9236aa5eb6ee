//! Recordings: lists, one, changes by their owner, and counting views. Playing them is in `vod_playback`.

use axum::extract::State;
use db::audit::Entry;
use domain::audit::{Action, Actor};
use domain::event::Event;
use domain::{Classify, Kind, Permission, Timestamp, VodId};
use http::{HeaderMap, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use live::views::Viewed;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::access::{Eyes, PlaybackToken, VisibilityName};
use crate::account::Account;
use crate::extract::{Json, Path, Query, mentioned, storable};
use crate::me::{explain_category, parse_change};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::shapes::Vod;
use crate::state::App;
use crate::streams::search_text;
use crate::viewers::anonymous_id;

/// Recordings one viewer may have counted in a minute; more is a machine.
const VIEWS_PER_CLIENT: live::limits::Quota = live::limits::Quota::new(60, std::time::Duration::from_secs(60));

/// Tries of one member at making recordings from files.
const RETRIES: live::limits::Quota = live::limits::Quota::new(20, std::time::Duration::from_secs(3_600));

#[derive(Debug, thiserror::Error)]
pub(crate) enum VodError {
    /// Also for a recording that is not the caller's to change.
    #[error("there is no such recording")]
    NotFound,
    #[error("this recording belongs to somebody else")]
    NotYours,
    #[error("nothing is being made of this recording that could be stopped")]
    NothingToCancel,
    #[error("this recording cannot be tried again now")]
    NothingToRetry,
    #[error("that was tried too often; wait before the next try")]
    Throttled(std::time::Duration),
}

impl Classify for VodError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::NotYours => Kind::Forbidden,
            Self::NothingToCancel | Self::NothingToRetry => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "vod.not-found",
            Self::NotYours => "vod.not-yours",
            Self::NothingToCancel => "import.nothing-to-cancel",
            Self::NothingToRetry => "import.nothing-to-retry",
            Self::Throttled(_) => "import.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => u64::try_from(wait.as_millis()).ok(),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VodSort {
    #[default]
    Recent,
    Views,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VodsQuery {
    /// Only of this channel, by its name.
    channel: Option<String>,
    /// Only of this category.
    category: Option<String>,
    /// Words in the title or the channel's name.
    q: Option<String>,
    /// `recent` (unless said) or `views`.
    #[param(inline)]
    sort: Option<VodSort>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VodPage {
    items: Vec<Vod>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VodPath {
    /// The recording's id.
    pub id: uuid::Uuid,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateVod {
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
    /// Whom it is for.
    #[serde(default)]
    visibility: Option<VisibilityName>,
}

/// Whether a view counted, and how many there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct ViewCounted {
    counted: bool,
    views: i64,
}

impl ViewCounted {
    /// Counts a view of a recording or clip that has `stored` of them, if this viewer's is due.
    pub(crate) async fn count(
        app: &App,
        account: Option<&Account>,
        (client, headers): (&Client, &HeaderMap),
        (viewed, stored): (Viewed, i64),
    ) -> Self {
        // A new User-Agent makes a new anonymous client; one address does not get to make many.
        let bucket = format!("views:{}", crate::net::limit_key(client.addr));
        if account.is_none() && !app.limits.hit(&bucket, VIEWS_PER_CLIENT).await.is_allowed {
            return Self { counted: false, views: stored };
        }
        let viewer = match account {
            Some(account) => format!("u-{}", account.id),
            None => anonymous_id(app, client, headers),
        };
        match app.views.count(viewed, &viewer).await {
            Some(counted) => Self { counted: counted.is_counted, views: stored + counted.waiting },
            // Redis is away: not counted rather than counted twice.
            None => Self { counted: false, views: stored },
        }
    }
}

/// Recordings, latest or most viewed first.
#[utoipa::path(
    get,
    path = "/api/v1/vods",
    operation_id = "vods",
    params(VodsQuery),
    responses(
        (status = 200, description = "A page of recordings", body = VodPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn vods(
    State(app): State<App>,
    account: Option<Account>,
    Query(query): Query<VodsQuery>,
) -> Result<Json<VodPage>, Problem> {
    let eyes = Eyes::of_member(&app, account.as_ref());
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = paging.limit()?;
    let text = search_text(query.q.as_deref());
    let channel = query.channel.map(|name| storable(&name.to_ascii_lowercase()));
    let category = query.category.as_deref().map(storable);
    let filter = db::vods::Filter {
        channel: channel.as_deref(),
        category: category.as_deref(),
        query: text.as_deref(),
        viewer: eyes.id(),
    };
    let (rows, next_cursor) = match query.sort.unwrap_or_default() {
        VodSort::Recent => {
            let after = paging.after::<(Timestamp, VodId)>()?;
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut rows = db::vods::recent(&mut conn, filter, after, page::rows(limit)).await?;
            let next = page::cut(&mut rows, limit, |row| (row.created_at, row.id));
            (rows, next)
        }
        VodSort::Views => {
            let after = paging.after::<(i64, VodId)>()?;
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut rows = db::vods::most_viewed(&mut conn, filter, after, page::rows(limit)).await?;
            let next = page::cut(&mut rows, limit, |row| (row.views, row.id));
            (rows, next)
        }
    };
    Ok(Json(VodPage { items: rows.into_iter().map(|row| Vod::of(row, &eyes)).collect(), next_cursor }))
}

/// One recording.
#[utoipa::path(
    get,
    path = "/api/v1/vods/{id}",
    operation_id = "vod",
    params(VodPath),
    responses(
        (status = 200, description = "The recording", body = Vod),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn vod(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<VodPath>,
) -> Result<Json<Vod>, Problem> {
    let (vod, eyes) = find(&app, account.as_ref(), &path).await?;
    Ok(Json(Vod::of(vod, &eyes)))
}

/// A recording as the caller may see it.
async fn find<'a>(
    app: &'a App,
    account: Option<&'a Account>,
    path: &VodPath,
) -> Result<(db::vods::Vod, Eyes<'a>), Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let id = account.map(|account| account.id);
    let found = db::vods::find(&mut conn, VodId::from_uuid(path.id), id).await?;
    let (vod, is_staff) = found.ok_or(VodError::NotFound)?;
    Ok((vod, Eyes::of_standing(app, account, is_staff)))
}

/// A fresh permission to play a recording, for those it is for. It is good for less than five minutes.
#[utoipa::path(
    post,
    path = "/api/v1/vods/{id}/playback-token",
    operation_id = "vod_playback_token",
    params(VodPath),
    responses(
        (status = 200, description = "The token, and the URLs that carry it", body = PlaybackToken),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "playback",
)]
pub(crate) async fn vod_playback_token(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<VodPath>,
) -> Result<Json<PlaybackToken>, Problem> {
    let (vod, eyes) = find(&app, account.as_ref(), &path).await?;
    Ok(Json(eyes.vod_token(&vod)))
}

/// Changes a recording. For its owner and for moderators.
#[utoipa::path(
    patch,
    path = "/api/v1/vods/{id}",
    operation_id = "update_vod",
    params(VodPath),
    request_body = UpdateVod,
    responses(
        (status = 200, description = "The changed recording", body = Vod),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn update_vod(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<VodPath>,
    Json(body): Json<UpdateVod>,
) -> Result<Json<Vod>, Problem> {
    let change = parse_change(body.title, body.description, body.category_slug, body.tags)?;
    let change = db::channels::SettingsChange { visibility: body.visibility.map(Into::into), ..change };
    let id = VodId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    let before = may_change(&mut tx, &account, id).await?;
    db::vods::update(&mut tx, id, &change).await.map_err(explain_category)?;
    let (vod, is_staff) = db::vods::find(&mut tx, id, Some(account.id)).await?.ok_or(VodError::NotFound)?;
    if vod.visibility != before.visibility {
        let details = json!({ "from": before.visibility.as_str(), "to": vod.visibility.as_str() });
        let entry = Entry { details, ..of_vod(&account, &client, Action::VodVisibilityChanged, &vod) };
        db::audit::write(&mut tx, entry).await?;
    }
    let eyes = Eyes::of_standing(&app, Some(&account), is_staff);
    db::commit(tx).await?;
    Ok(Json(Vod::of(vod, &eyes)))
}

/// Deletes a recording and its objects. For its owner and for moderators.
#[utoipa::path(
    delete,
    path = "/api/v1/vods/{id}",
    operation_id = "delete_vod",
    params(VodPath),
    responses(
        (status = 204, description = "Deleted"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn delete_vod(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<VodPath>,
) -> Result<StatusCode, Problem> {
    let id = VodId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    let vod = may_change(&mut tx, &account, id).await?;
    let object_prefix = db::vods::delete(&mut tx, id).await?.ok_or(VodError::NotFound)?;
    // Same transaction: objects go if and only if the row did.
    db::outbox::push(&mut tx, &Event::VodDeleted { vod_id: id, object_prefix }).await?;
    db::audit::write(&mut tx, of_vod(&account, &client, Action::VodDeleted, &vod)).await?;
    db::commit(tx).await?;
    tracing::info!(vod.id = %id, by = %account.id, "recording deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Stops making a recording from a file. For its owner. What was stored of it goes; it can be tried again afterwards.
#[utoipa::path(
    post,
    path = "/api/v1/vods/{id}/cancel-import",
    operation_id = "cancel_import",
    params(VodPath),
    responses(
        (status = 200, description = "The recording, which has failed with `import.cancelled`", body = Vod),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn cancel_import(
    State(app): State<App>,
    account: Account,
    Path(path): Path<VodPath>,
) -> Result<Json<Vod>, Problem> {
    let id = VodId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    is_owner(&mut tx, &account, id).await?;
    if !db::imports::cancel(&mut tx, id, account.id).await? {
        return Err(VodError::NothingToCancel.into());
    }
    changed(&app, tx, &account, id).await
}

/// Tries again to make a recording from its file. For its owner, once what an earlier attempt had stored is gone.
#[utoipa::path(
    post,
    path = "/api/v1/vods/{id}/retry-import",
    operation_id = "retry_import",
    params(VodPath),
    responses(
        (status = 200, description = "The recording, which is `processing` again", body = Vod),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn retry_import(
    State(app): State<App>,
    account: Account,
    Path(path): Path<VodPath>,
) -> Result<Json<Vod>, Problem> {
    let id = VodId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    is_owner(&mut tx, &account, id).await?;
    let verdict = app.limits.hit(&format!("retries:{}", account.id), RETRIES).await;
    if !verdict.is_allowed {
        return Err(VodError::Throttled(verdict.retry_after).into());
    }
    if !db::imports::retry(&mut tx, id, account.id).await? {
        return Err(VodError::NothingToRetry.into());
    }
    changed(&app, tx, &account, id).await
}

/// An error unless the recording is the caller's own.
async fn is_owner(conn: &mut db::Conn, account: &Account, id: VodId) -> Result<(), Problem> {
    let vod = may_change(conn, account, id).await?;
    if vod.channel == account.id { Ok(()) } else { Err(VodError::NotYours.into()) }
}

/// Commits, and shows the recording as it is then.
async fn changed(app: &App, mut tx: db::Tx, account: &Account, id: VodId) -> Result<Json<Vod>, Problem> {
    let (vod, is_staff) = db::vods::find(&mut tx, id, Some(account.id)).await?.ok_or(VodError::NotFound)?;
    let eyes = Eyes::of_standing(app, Some(account), is_staff);
    db::commit(tx).await?;
    Ok(Json(Vod::of(vod, &eyes)))
}

/// An entry of the audit log about a recording.
fn of_vod<'a>(account: &Account, client: &Client, action: Action, vod: &'a db::vods::Vod) -> Entry<'a> {
    Entry {
        member: Some(vod.channel),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(account.id), action, vod.id, &vod.title)
    }
}

/// The recording as it is. An error unless the caller owns it or is staff. What the caller cannot see is not there.
async fn may_change(conn: &mut db::Conn, account: &Account, id: VodId) -> Result<db::vods::Vod, Problem> {
    let role = account.role(conn).await?.ok_or(crate::account::AccessError::Suspended)?;
    let (vod, _) = db::vods::find(conn, id, Some(account.id)).await?.ok_or(VodError::NotFound)?;
    let is_owner = vod.channel == account.id;
    if is_owner || role.may(Permission::ChangeMedia) { Ok(vod) } else { Err(VodError::NotYours.into()) }
}

/// Counts a view: once per member or anonymous client in five minutes.
#[utoipa::path(
    post,
    path = "/api/v1/vods/{id}/views",
    operation_id = "count_view",
    params(VodPath),
    responses(
        (status = 200, description = "Whether it counted", body = ViewCounted),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "vods",
)]
pub(crate) async fn count_view(
    State(app): State<App>,
    account: Option<Account>,
    client: Client,
    headers: HeaderMap,
    Path(path): Path<VodPath>,
) -> Result<Json<ViewCounted>, Problem> {
    let id = VodId::from_uuid(path.id);
    let stored = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let viewer = account.as_ref().map(|account| account.id);
        db::vods::views(&mut conn, id, viewer).await?.ok_or(VodError::NotFound)?
    };
    let counted = ViewCounted::count(&app, account.as_ref(), (&client, &headers), (id.into(), stored)).await;
    Ok(Json(counted))
}
