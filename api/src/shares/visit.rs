//! Coming by a share link: the password, the count, and what is shown then.
//!
//! Until the right password was given, a link there never was answers as one with another password does, after the same work. Of a link
//! without a password its end is told: whoever has its 160 random bits was given them.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use db::shares::Visitor;
use db::shares::visits::{self, Door, Open};
use domain::device::{Agent, DeviceKind};
use domain::event::Event;
use domain::file::Folder;
use domain::share::{self, Outcome, ShareError, ShareState};
use http::HeaderMap;
use http::header::USER_AGENT;
use kit::Problem;
use kit::problem::ProblemBody;
use kit::share_tokens::{Refused, Subject, TTL_S, Visit};
use live::limits::Quota;
use serde::Deserialize;
use utoipa::IntoParams;

use super::digest;
use super::shapes::{
    OpenShareLink, RenewVisit, Shared, SharedFileView, SharedFolder, SharedFolderPage, SharedItems, SharedVodView,
};
use crate::extract::{Json, Path, Unreadable};
use crate::net::{Client, limit_key};
use crate::page::{self, PageQuery};
use crate::state::App;

/// Links that are opened from one address.
const OPENINGS: Quota = Quota::new(120, Duration::from_secs(60));
/// Pages that are turned, and visits that are renewed, from one address.
const LOOKS: Quota = Quota::new(600, Duration::from_secs(60));
/// Wrong passwords of one link, from wherever.
const FAILURES: Quota = Quota::new(20, Duration::from_secs(15 * 60));
/// Folders one answer names.
const FOLDERS_MAX: i64 = 500;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenPath {
    /// The link's token.
    token: String,
}

async fn hit(app: &App, bucket: &str, quota: Quota) -> Result<(), ShareError> {
    let verdict = app.limits.hit(bucket, quota).await;
    if verdict.is_allowed {
        Ok(())
    } else {
        metrics::counter!("rillcast_throttled_total", "limit" => "share").increment(1);
        Err(ShareError::Throttled(verdict.retry_after))
    }
}

fn visitor(client: &Client, headers: &HeaderMap) -> Visitor {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = Agent::parse(agent);
    let device = match agent.kind {
        DeviceKind::Computer => "computer",
        DeviceKind::Phone => "phone",
        DeviceKind::Tablet => "tablet",
        DeviceKind::Tv => "tv",
        DeviceKind::Console => "console",
        DeviceKind::Program => "program",
        DeviceKind::Unknown => "unknown",
    };
    Visitor { network: share::network(client.addr), device, system: agent.system, browser: agent.browser }
}

/// The link of a token, for whoever has proven its password. Whoever has not hears the same in every case.
async fn prove(app: &App, token: &[u8; 32], password: Option<String>) -> Result<Proof, Problem> {
    let bucket = format!("share-failures:{}", hex::encode(&token[..16]));
    // Links there are not are counted like those there are.
    let verdict = app.limits.look(&bucket, FAILURES).await;
    if !verdict.is_allowed {
        return Err(ShareError::Throttled(verdict.retry_after).into());
    }
    let door = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        visits::door(&mut conn, token).await?
    };
    let Some(password) = password.filter(|text| share::is_password(text)) else {
        return match door {
            Some(door) if door.password_hash.is_none() => Ok(Proof::Given(door)),
            _ => Err(ShareError::NotFound.into()),
        };
    };
    // No connection is held while hashing.
    let hash = door.as_ref().and_then(|door| door.password_hash.clone());
    let is_asked = hash.is_some();
    let matches = app.passwords.verify(password, hash).await?;
    match door {
        Some(door) if matches || !is_asked => Ok(Proof::Given(door)),
        door => {
            // The attempt that is one too many is told so.
            hit(app, &bucket, FAILURES).await?;
            Ok(Proof::Wrong(door))
        }
    }
}

enum Proof {
    Given(Door),
    /// Of a link there is, or of none.
    Wrong(Option<Door>),
}

/// Writes a refusal down beside the answer, which takes as long as if there were nothing to write down.
fn note_later(app: &App, door: Door, outcome: Outcome, visitor: Visitor) {
    metrics::counter!("rillcast_share_accesses_total", "outcome" => outcome.as_str()).increment(1);
    let keeper = app.clone();
    app.errands.spawn(async move {
        let noted = async {
            let mut conn = keeper.pool.acquire().await?;
            db::shares::note(&mut conn, door.link, outcome, &visitor).await
        };
        if let Err(error) = noted.await {
            tracing::debug!(%error, "a refusal of a share link was not written down");
        }
    });
}

/// Opens a link: what is behind it, and what is needed to fetch that for some minutes. Counts as one access.
///
/// A link there is not, a missing password and a wrong one are all `share.not-found`.
#[utoipa::path(
    post,
    path = "/api/v1/share-links/token/{token}/access",
    operation_id = "open_share_link",
    params(TokenPath),
    request_body = OpenShareLink,
    responses(
        (status = 200, description = "What is behind it", body = Shared),
        (status = 404, description = "`share.not-found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "`share.expired`, `share.exhausted`, `share.revoked` or `share.gone`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`share.throttled`", body = ProblemBody, content_type = "application/problem+json"),
        (status = "4XX", description = "What else went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "shares",
)]
pub(crate) async fn open_share_link(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Path(path): Path<TokenPath>,
    body: Bytes,
) -> Result<Json<Shared>, Problem> {
    hit(&app, &format!("share-openings:{}", limit_key(client.addr)), OPENINGS).await?;
    // No body says no password.
    let body: OpenShareLink = match body.is_empty() {
        true => OpenShareLink::default(),
        false => serde_json::from_slice(&body).map_err(|error| Unreadable::Malformed(error.to_string()))?,
    };
    let visitor = visitor(&client, &headers);
    let door = match prove(&app, &digest(&path.token), body.password).await? {
        Proof::Given(door) => door,
        Proof::Wrong(door) => {
            if let Some(door) = door {
                note_later(&app, door, Outcome::WrongPassword, visitor);
            }
            return Err(ShareError::NotFound.into());
        }
    };

    let mut tx = db::begin(&app.pool).await?;
    let state = visits::facts(&mut tx, door.link).await?.ok_or(ShareError::NotFound)?.state();
    let epoch = match state {
        ShareState::Active => visits::enter(&mut tx, door.link, door.password_hash.as_deref()).await?,
        _ => None,
    };
    let Some(epoch) = epoch else {
        // Good a moment ago, it is as it is now.
        let facts = visits::facts(&mut tx, door.link).await?.ok_or(ShareError::NotFound)?;
        drop(tx);
        let (error, outcome) = facts.state().refusal().ok_or(ShareError::NotFound)?;
        note_later(&app, door, outcome, visitor);
        return Err(error.into());
    };
    let access = db::shares::note(&mut tx, door.link, Outcome::Granted, &visitor).await?;
    if visits::is_news(&mut tx, door.link).await? {
        let event = Event::ShareAccessed { link_id: door.link, access_id: access, owner_id: door.owner };
        db::outbox::push(&mut tx, &event).await?;
    }
    let open = visits::open(&mut tx, door.link, epoch).await?.ok_or(ShareError::Gone)?;
    let shown = show(&app, &mut tx, open, kit::clock::unix_seconds()).await?;
    db::commit(tx).await?;
    metrics::counter!("rillcast_share_accesses_total", "outcome" => "granted").increment(1);
    Ok(Json(shown))
}

fn visit_of(open: &Open, began: u64) -> Visit {
    let until = open.expires_at.map(|at| u64::try_from(at.timestamp()).unwrap_or(0));
    Visit { link: open.link, epoch: open.epoch, began, until }
}

/// What a visitor sees of a link that stands.
async fn show(app: &App, conn: &mut db::Conn, open: Open, began: u64) -> Result<Shared, Problem> {
    let visit = visit_of(&open, began);
    let (mut file, mut folder, mut vod) = (None, None, None);
    let name = if let Some(path) = &open.folder {
        folder = Some(folder_page(app, conn, (&open, &visit), &Folder::root(), &PageQuery::default()).await?);
        path.trim_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
    } else if open.vod.is_some() {
        let found = visits::vod(conn, &open).await?.ok_or(ShareError::Gone)?;
        let subject = kit::playback::Subject::Vod(found.id);
        let token = found
            .visibility
            .needs_token()
            .then(|| app.gate.tokens().issue_shared(subject, found.channel, open.link, visit.until));
        let title = found.title.clone();
        vod = Some(SharedVodView::of(found, token));
        title
    } else {
        let found = visits::file(conn, &open).await?.ok_or(ShareError::Gone)?;
        let name = found.name.clone();
        file = Some(SharedFileView::of(&app.share_tokens, &visit, open.permission, found));
        name
    };
    Ok(Shared {
        resource_type: open.kind.into(),
        name,
        permission: open.permission.into(),
        expires_at: open.expires_at,
        visit: app.share_tokens.issue(&visit, Subject::Visit),
        expires_in: TTL_S,
        file,
        folder,
        vod,
    })
}

/// A page of what lies in a folder: `below` is a path from the shared folder on.
async fn folder_page(
    app: &App,
    conn: &mut db::Conn,
    (open, visit): (&Open, &Visit),
    below: &Folder,
    paging: &PageQuery,
) -> Result<SharedFolderPage, Problem> {
    let (limit, after) = (paging.limit()?, paging.after::<visits::Spot>()?);
    let is_first = after.is_none();
    let root = open.folder.as_deref().ok_or(ShareError::Gone)?;
    let whole = format!("{root}{}", below.as_str().trim_start_matches('/'));
    let mut items = visits::files(conn, open, &whole, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut items, limit, |file| (file.name.clone(), file.id));
    let folders = match is_first {
        true => visits::folders(conn, open, &whole, FOLDERS_MAX).await?,
        false => Vec::new(),
    };
    let path = below.as_str();
    Ok(SharedFolderPage {
        items: items
            .into_iter()
            .map(|file| SharedFileView::of(&app.share_tokens, visit, open.permission, file))
            .collect(),
        folders: folders
            .into_iter()
            .map(|(name, files)| SharedFolder { path: format!("{path}{name}/"), name, files })
            .collect(),
        path: path.to_owned(),
        next_cursor,
    })
}

/// The link of somebody who was let in, as it stands now.
async fn inside(app: &App, conn: &mut db::Conn, token: &str, visit: &str) -> Result<(Open, u64), Problem> {
    let door = visits::door(conn, &digest(token)).await?.ok_or(ShareError::NotFound)?;
    let claims = app.share_tokens.verify(visit, door.link, Subject::Visit).map_err(|refused| match refused {
        Refused::Invalid => ShareError::NotFound,
        Refused::Expired => ShareError::Over,
    })?;
    match visits::open(conn, door.link, claims.epo).await? {
        Some(open) => Ok((open, claims.beg)),
        None => {
            let facts = visits::facts(conn, door.link).await?.ok_or(ShareError::NotFound)?;
            // They were let in: what became of the link is told. If it stands, its password is another now.
            let ended = facts.state().refusal().map(|(error, _)| error);
            Err(ended.filter(|error| *error != ShareError::Exhausted).unwrap_or(ShareError::Over).into())
        }
    }
}

/// Gives all of it anew while the link stands, for twelve hours after it was opened. Does not count as an access.
#[utoipa::path(
    post,
    path = "/api/v1/share-links/token/{token}/renew",
    operation_id = "renew_share_visit",
    params(TokenPath),
    request_body = RenewVisit,
    responses(
        (status = 200, description = "What is behind it", body = Shared),
        (status = "4XX", description = "What went wrong: `share.over` when the link has to be opened again", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "shares",
)]
pub(crate) async fn renew_visit(
    State(app): State<App>,
    client: Client,
    Path(path): Path<TokenPath>,
    Json(body): Json<RenewVisit>,
) -> Result<Json<Shared>, Problem> {
    hit(&app, &format!("share-looks:{}", limit_key(client.addr)), LOOKS).await?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let (open, began) = inside(&app, &mut conn, &path.token, &body.visit).await?;
    Ok(Json(show(&app, &mut conn, open, began).await?))
}

/// What lies in a shared folder, or in one below it.
#[utoipa::path(
    post,
    path = "/api/v1/share-links/token/{token}/items",
    operation_id = "shared_items",
    params(TokenPath),
    request_body = SharedItems,
    responses(
        (status = 200, description = "A page of files, and the folders right below", body = SharedFolderPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "shares",
)]
pub(crate) async fn shared_items(
    State(app): State<App>,
    client: Client,
    Path(path): Path<TokenPath>,
    Json(body): Json<SharedItems>,
) -> Result<Json<SharedFolderPage>, Problem> {
    hit(&app, &format!("share-looks:{}", limit_key(client.addr)), LOOKS).await?;
    let below = Folder::parse(&body.path)?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let (open, began) = inside(&app, &mut conn, &path.token, &body.visit).await?;
    let visit = visit_of(&open, began);
    let paging = PageQuery { limit: body.limit, cursor: body.cursor };
    Ok(Json(folder_page(&app, &mut conn, (&open, &visit), &below, &paging).await?))
}
