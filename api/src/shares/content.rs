//! The bytes of a shared file: for whoever holds a token of that link and that file, as long as the link stands.

use axum::extract::State;
use axum::response::Response;
use domain::file::{FileError, FileKind};
use domain::share::{Permission, ShareError};
use domain::{Classify, FileId, ShareId};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, Method};
use kit::Problem;
use kit::problem::ProblemBody;
use kit::share_tokens::{Refused, Subject};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::shapes::is_shown;
use crate::extract::{Path, Query};
use crate::files::content::{Found, Wish, deliver};
use crate::rooms::attachments::disposition;
use crate::state::App;

/// For a PDF in the browser's own viewer, which a sandbox would keep from opening: nothing else runs, and only our page frames it.
const PDF_ONLY: &str = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'";
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SharedPath {
    /// The link's id.
    link: Uuid,
    /// The file's id.
    file: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SharedQuery {
    /// As the address that was given carries it.
    #[serde(default)]
    token: String,
    /// To be saved rather than shown.
    #[serde(default)]
    download: bool,
}

/// A shared file's bytes; a part of them by `Range`. The address is given by the link's `access`.
#[utoipa::path(
    get,
    path = "/api/v1/shared/{link}/files/{file}/content",
    operation_id = "shared_content",
    params(SharedPath, SharedQuery),
    responses(
        (status = 200, description = "Its bytes", content_type = "*/*"),
        (status = 206, description = "A part of its bytes", content_type = "*/*"),
        (status = 304, description = "What the caller has is still right"),
        (status = "4XX", description = "What went wrong: `share.over`, `share.view-only` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "shares",
)]
pub(crate) async fn shared_content(
    State(app): State<App>,
    Path(path): Path<SharedPath>,
    Query(query): Query<SharedQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let is_saved = query.download;
    give(&app, &path, &query.token, Wish { is_small: false, is_saved, method, headers }).await
}

/// A shared file's thumbnail, of at most 480 pixels.
#[utoipa::path(
    get,
    path = "/api/v1/shared/{link}/files/{file}/thumbnail",
    operation_id = "shared_thumbnail",
    params(SharedPath, SharedQuery),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg"),
        (status = 304, description = "What the caller has is still right"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "shares",
)]
pub(crate) async fn shared_thumbnail(
    State(app): State<App>,
    Path(path): Path<SharedPath>,
    Query(query): Query<SharedQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    give(&app, &path, &query.token, Wish { is_small: true, is_saved: false, method, headers }).await
}

async fn give(app: &App, path: &SharedPath, token: &str, wish: Wish) -> Result<Response, Problem> {
    let (link, file) = (ShareId::from_uuid(path.link), FileId::from_uuid(path.file));
    let claims = app.share_tokens.verify(token, link, Subject::File(file)).map_err(|refused| match refused {
        Refused::Invalid => ShareError::NotFound,
        Refused::Expired => ShareError::Over,
    })?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = db::shares::visits::served(&mut conn, link, claims.epo, file).await?;
    drop(conn);
    let found = found.ok_or(ShareError::Gone)?;
    // Saving is asked for by the page, or is all that a browser could do with it.
    let is_saved = wish.is_saved || !is_shown(found.kind);
    if !wish.is_small && is_saved && found.permission != Permission::Download {
        return Err(ShareError::ViewOnly.into());
    }
    let is_pdf = !wish.is_small && !is_saved && found.kind == FileKind::Pdf;
    let lying = Found {
        blob: found.blob,
        lock: &found.lock,
        name: &found.name,
        kind: found.kind,
        mime: &found.mime,
        is_developed: found.is_developed,
        has_thumb: found.has_thumb,
    };
    let response = deliver(app, &lying, wish).await;
    let mut response = response.map_err(|problem| {
        if problem.code() == FileError::NotFound.code() { ShareError::Gone.into() } else { problem }
    })?;
    let headers = response.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
    if is_pdf {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/pdf"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PDF_ONLY));
        headers.insert(CONTENT_DISPOSITION, disposition("inline", &found.name));
    }
    Ok(response)
}
