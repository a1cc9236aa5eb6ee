//! Share links, as their owners have them: made, listed, changed and taken back. What those get who come by one is in [`visit`] and [`content`].

pub(crate) mod content;
mod shapes;
pub(crate) mod visit;

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::audit::Entry;
use db::shares::{Change, Filter, NewShare, Share, Thing};
use domain::audit::{Action, Actor};
use domain::error::Invalid;
use domain::file::Folder;
use domain::share::{self, ShareError, ShareKind};
use domain::{ShareId, UserId};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use uuid::Uuid;

use self::shapes::{AccessPage, AccessView, NewShareLink, ShareLinkPage, ShareView, UpdateShareLink};
use crate::account::{AccessError, Account};
use crate::extract::{Fields, Json, Path, Query};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::qr;
use crate::state::App;

pub(crate) const SEAL_PURPOSE: &str = "share-link";
/// Bytes of a token: nobody guesses 160 bits.
const TOKEN_BYTES: usize = 20;
/// Links a member may make and change in an hour. Each password costs a hash.
const CHANGES: Quota = Quota::new(200, Duration::from_secs(3_600));

/// By what a token is found.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SharePath {
    /// The link's id.
    id: Uuid,
}

impl SharePath {
    fn link(&self) -> ShareId {
        ShareId::from_uuid(self.id)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SharesQuery {
    /// Only links of this file or recording.
    resource_id: Option<Uuid>,
    /// Only links of this folder itself.
    path: Option<String>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

async fn count(app: &App, account: &Account) -> Result<(), ShareError> {
    let verdict = app.limits.hit(&format!("share-links:{}", account.id), CHANGES).await;
    if verdict.is_allowed { Ok(()) } else { Err(ShareError::Throttled(verdict.retry_after)) }
}

/// An entry of the audit log about a link. Never its token or its password.
fn entry<'a>(account: &Account, client: &Client, action: Action, share: &'a Share) -> Entry<'a> {
    Entry {
        member: Some(account.id),
        details: json!({
            "kind": share.kind.as_str(),
            "permission": share.permission.as_str(),
            "has_password": share.password_hash.is_some(),
            "expires_at": share.expires_at,
            "max_accesses": share.max_accesses,
        }),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(account.id), action, share.id, &share.name)
    }
}

fn view(app: &App, share: Share) -> ShareView {
    let token = app.share_links.open(&share.token_sealed, share.id.as_uuid().as_bytes());
    ShareView::of(share, token.and_then(|bytes| String::from_utf8(bytes).ok()), &app.site_url)
}

/// The caller's links, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/share-links",
    operation_id = "share_links",
    params(SharesQuery),
    responses(
        (status = 200, description = "A page of links", body = ShareLinkPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn share_links(
    State(app): State<App>,
    account: Account,
    Query(query): Query<SharesQuery>,
) -> Result<Json<ShareLinkPage>, Problem> {
    let mut fields = Fields::default();
    let folder = query.path.as_deref().and_then(|path| fields.take(Folder::parse(path)));
    fields.check()?;
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (paging.limit()?, paging.after()?);
    let filter = Filter { resource: query.resource_id, folder: folder.as_ref().map(Folder::as_str) };
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut found = db::shares::list(&mut conn, account.id, &filter, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut found, limit, |share| share.id);
    Ok(Json(ShareLinkPage { items: found.into_iter().map(|share| view(&app, share)).collect(), next_cursor }))
}

/// What the caller would share, and what it is called.
async fn thing(
    conn: &mut db::Conn,
    owner: UserId,
    resource: Option<Uuid>,
    folder: Option<Folder>,
    wanted: Option<ShareKind>,
) -> Result<(Thing, String), Problem> {
    let found = match (resource, folder) {
        (Some(id), None) => db::shares::resource(conn, owner, id).await?,
        (None, Some(folder)) => {
            let name = folder.as_str().trim_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            db::shares::is_folder(conn, owner, &folder).await?.then_some((Thing::Folder(folder), name))
        }
        _ => None,
    };
    let is_wanted = |thing: &Thing| wanted.is_none_or(|kind| kind == thing.kind());
    Ok(found.filter(|(thing, _)| is_wanted(thing)).ok_or(ShareError::NoResource)?)
}

/// Makes a link to a file, a folder or a recording of the caller's, for whoever has it.
#[utoipa::path(
    post,
    path = "/api/v1/share-links",
    operation_id = "create_share_link",
    request_body = NewShareLink,
    responses(
        (status = 201, description = "The link", body = ShareView),
        (status = "4XX", description = "What went wrong: `share.no-resource`, `share.too-many` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn create_share_link(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<NewShareLink>,
) -> Result<(StatusCode, Json<ShareView>), Problem> {
    let mut fields = Fields::default();
    let folder = body.path.as_deref().and_then(|path| fields.take(Folder::parse(path)));
    if body.resource_id.is_some() == body.path.is_some() {
        fields.push("resource_id", "name either a resource or a folder's path");
    }
    if folder == Some(Folder::root()) {
        fields.push("path", "must name a folder: not everything can be shared at once");
    }
    let expires_at = body.expires_at.and_then(|at| fields.take(share::expiry(at, kit::clock::now())));
    let max_accesses = body.max_accesses.and_then(|count| fields.take(share::max_accesses(count)));
    let password = body.password.as_deref().and_then(|text| fields.take(share::password(text)));
    fields.check()?;
    count(&app, &account).await?;
    let password_hash = match password {
        Some(password) => Some(app.passwords.hash(password.to_owned()).await?),
        None => None,
    };

    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    let wanted = body.resource_type.map(ShareKind::from);
    let (thing, name) = thing(&mut tx, account.id, body.resource_id, folder, wanted).await?;
    let id = ShareId::from_uuid(kit::ids::uuid());
    let token = kit::ids::random_token::<TOKEN_BYTES>();
    let new = NewShare {
        id,
        owner: account.id,
        token_hash: &digest(&token),
        token_sealed: &app.share_links.seal(token.as_bytes(), id.as_uuid().as_bytes()),
        thing: &thing,
        name: &name,
        permission: body.permission.into(),
        password_hash: password_hash.as_deref(),
        expires_at,
        max_accesses,
        notify_on_access: body.notify_on_access,
    };
    if !db::shares::add(&mut tx, &new).await? {
        return Err(ShareError::TooMany.into());
    }
    let made = db::shares::find(&mut tx, account.id, id).await?.ok_or(ShareError::NotFound)?;
    db::audit::write(&mut tx, entry(&account, &client, Action::ShareCreated, &made)).await?;
    db::commit(tx).await?;
    Ok((StatusCode::CREATED, Json(view(&app, made))))
}

async fn own(conn: &mut db::Conn, account: &Account, link: ShareId) -> Result<Share, Problem> {
    Ok(db::shares::find(conn, account.id, link).await?.ok_or(ShareError::NotFound)?)
}

/// One of the caller's links.
#[utoipa::path(
    get,
    path = "/api/v1/share-links/{id}",
    operation_id = "share_link",
    params(SharePath),
    responses(
        (status = 200, description = "The link", body = ShareView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn share_link(
    State(app): State<App>,
    account: Account,
    Path(path): Path<SharePath>,
) -> Result<Json<ShareView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = own(&mut conn, &account, path.link()).await?;
    Ok(Json(view(&app, found)))
}

/// Changes what may be done with a link, until when, how often and with which password. With another password, visits of before are over.
#[utoipa::path(
    patch,
    path = "/api/v1/share-links/{id}",
    operation_id = "update_share_link",
    params(SharePath),
    request_body = UpdateShareLink,
    responses(
        (status = 200, description = "The changed link", body = ShareView),
        (status = "4XX", description = "What went wrong: `share.revoked` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn update_share_link(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<SharePath>,
    Json(body): Json<UpdateShareLink>,
) -> Result<Json<ShareView>, Problem> {
    let mut fields = Fields::default();
    let now = kit::clock::now();
    let expires_at = inner(&mut fields, body.expires_at, |at| share::expiry(at, now));
    let max_accesses = inner(&mut fields, body.max_accesses, share::max_accesses);
    let password = inner(&mut fields, body.password, |text| share::password(&text).map(str::to_owned));
    fields.check()?;
    count(&app, &account).await?;
    let password_hash = match password {
        Some(Some(password)) => Some(Some(app.passwords.hash(password).await?)),
        Some(None) => Some(None),
        None => None,
    };
    let change = Change {
        permission: body.permission.map(Into::into),
        password_hash: password_hash.as_ref().map(Option::as_deref),
        expires_at,
        max_accesses,
        notify_on_access: body.notify_on_access,
    };

    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    own(&mut tx, &account, path.link()).await?;
    if !db::shares::change(&mut tx, account.id, path.link(), &change).await? {
        return Err(ShareError::Revoked.into());
    }
    let changed = own(&mut tx, &account, path.link()).await?;
    db::audit::write(&mut tx, entry(&account, &client, Action::ShareChanged, &changed)).await?;
    db::commit(tx).await?;
    if password_hash.is_some() || expires_at.is_some() {
        app.gate.end_share(path.link()).await;
    }
    Ok(Json(view(&app, changed)))
}

/// What is said of a field that can be taken away.
fn inner<T, U>(
    fields: &mut Fields,
    said: Option<Option<T>>,
    parse: impl FnOnce(T) -> Result<U, Invalid>,
) -> Option<Option<U>> {
    match said {
        Some(Some(value)) => fields.take(parse(value)).map(Some),
        Some(None) => Some(None),
        None => None,
    }
}

/// Takes a link back, for good: it opens nothing any more, and whoever is in sees nothing more. Done again, it is done.
#[utoipa::path(
    delete,
    path = "/api/v1/share-links/{id}",
    operation_id = "revoke_share_link",
    params(SharePath),
    responses(
        (status = 204, description = "It is good for nothing any more"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn revoke_share_link(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<SharePath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let found = own(&mut tx, &account, path.link()).await?;
    if db::shares::revoke(&mut tx, account.id, path.link()).await? {
        db::audit::write(&mut tx, entry(&account, &client, Action::ShareRevoked, &found)).await?;
    }
    db::commit(tx).await?;
    app.gate.end_share(path.link()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Who came by a link, and what became of it: the last 200 visits and 200 refusals, for 90 days.
#[utoipa::path(
    get,
    path = "/api/v1/share-links/{id}/accesses",
    operation_id = "share_link_accesses",
    params(SharePath, PageQuery),
    responses(
        (status = 200, description = "A page of visits, the latest first", body = AccessPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn share_link_accesses(
    State(app): State<App>,
    account: Account,
    Path(path): Path<SharePath>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<AccessPage>, Problem> {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    own(&mut conn, &account, path.link()).await?;
    let mut found = db::shares::accesses(&mut conn, account.id, path.link(), after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut found, limit, |access| access.id);
    Ok(Json(AccessPage { items: found.into_iter().map(AccessView::from).collect(), next_cursor }))
}

/// A link as a QR code.
#[utoipa::path(
    get,
    path = "/api/v1/share-links/{id}/qr",
    operation_id = "share_link_qr",
    params(SharePath),
    responses(
        (status = 200, description = "SVG", content_type = "image/svg+xml"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "shares",
)]
pub(crate) async fn share_link_qr(
    State(app): State<App>,
    account: Account,
    Path(path): Path<SharePath>,
) -> Result<Response, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = own(&mut conn, &account, path.link()).await?;
    drop(conn);
    let picture = view(&app, found).url().and_then(qr::picture).ok_or(ShareError::NotFound)?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], picture).into_response())
}
