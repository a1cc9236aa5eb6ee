//! The bytes of a file, for whoever may have them. What is shown in place is what cannot act; everything else is saved.

use axum::extract::State;
use axum::response::Response;
use domain::file::{FileError, FileKind};
use domain::{BlobId, FileId};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method};
use kit::Problem;
use kit::problem::ProblemBody;
use objects::keys::{self, BlobPart};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use super::FilePath;
use crate::account::Account;
use crate::extract::{Path, Query};
use crate::rooms::attachments::disposition;
use crate::state::App;
use crate::stored::{range_of, serve};

const KEEP: &str = "private, no-cache";
const ANY_BYTES: &str = "application/octet-stream";
/// Should something be opened as a page after all, it is one that can do nothing.
const HARMLESS: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'";
const SAME_SITE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContentQuery {
    /// A version of its own instead of what is served now: for the owner and administrators.
    version: Option<i32>,
    /// To be saved rather than shown.
    #[serde(default)]
    download: bool,
}

/// A file's bytes; a part of them by `Range`. Pictures, sound and plain text can be shown in place, all else is to be saved.
#[utoipa::path(
    get,
    path = "/api/v1/files/{id}/content",
    operation_id = "file_content",
    params(FilePath, ContentQuery),
    responses(
        (status = 200, description = "Its bytes, of whatever type they are", content_type = "*/*"),
        (status = 206, description = "A part of its bytes", content_type = "*/*"),
        (status = 304, description = "What the caller has is still right"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn file_content(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<FilePath>,
    Query(query): Query<ContentQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let is_saved = query.download;
    give(&app, account.as_ref(), &path, &query, Wish { is_small: false, is_saved, method, headers }).await
}

/// A file's thumbnail, of at most 480 pixels.
#[utoipa::path(
    get,
    path = "/api/v1/files/{id}/thumbnail",
    operation_id = "file_thumbnail",
    params(FilePath, ContentQuery),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg"),
        (status = 304, description = "What the caller has is still right"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn file_thumbnail(
    State(app): State<App>,
    account: Option<Account>,
    Path(path): Path<FilePath>,
    Query(query): Query<ContentQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    give(&app, account.as_ref(), &path, &query, Wish { is_small: true, is_saved: false, method, headers }).await
}

/// How somebody would have a file.
pub(crate) struct Wish {
    /// Its thumbnail.
    pub is_small: bool,
    /// To be saved rather than shown.
    pub is_saved: bool,
    pub method: Method,
    pub headers: HeaderMap,
}

/// A file that may be had: where it lies and as what it is served.
pub(crate) struct Found<'a> {
    pub blob: BlobId,
    pub lock: &'a str,
    pub name: &'a str,
    pub kind: FileKind,
    pub mime: &'a str,
    pub is_developed: bool,
    pub has_thumb: bool,
}

async fn give(
    app: &App,
    account: Option<&Account>,
    path: &FilePath,
    query: &ContentQuery,
    wish: Wish,
) -> Result<Response, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let viewer = account.map(|account| account.id);
    let found = db::files::served(&mut conn, FileId::from_uuid(path.id), viewer, query.version).await?;
    drop(conn);
    let found = found.ok_or(FileError::NotFound)?;
    if !wish.is_small && found.is_withheld {
        return Err(FileError::Withheld.into());
    }
    let lying = Found {
        blob: found.blob,
        lock: &found.lock,
        name: &found.name,
        kind: found.kind,
        mime: &found.mime,
        is_developed: found.is_developed,
        has_thumb: found.has_thumb,
    };
    deliver(app, &lying, wish).await
}

/// Answers with a file's bytes, dressed so that they cannot act.
pub(crate) async fn deliver(app: &App, found: &Found<'_>, wish: Wish) -> Result<Response, Problem> {
    let (part, mime) = match (wish.is_small, found.has_thumb, found.is_developed) {
        (true, true, _) => (BlobPart::Thumbnail, thumb_mime(app, found).await?),
        (true, false, _) => return Err(FileError::NotFound.into()),
        (false, _, true) => (BlobPart::Picture, found.mime.to_owned()),
        (false, _, false) => (BlobPart::Upload, found.mime.to_owned()),
    };
    let key = keys::blob(found.blob, found.lock, part);
    // A blob's bytes never change: its key is the version.
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(key.as_bytes())[..12]));
    if kit::negotiation::is_unchanged(&wish.headers, &etag) {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        return Ok(dressed(response, &etag));
    }
    let is_shown = wish.is_small || !wish.is_saved && is_harmless(found.kind);
    let mime = if is_shown { mime.as_str() } else { ANY_BYTES };
    let range = range_of(&wish.headers, &etag);
    let response = serve(&app.objects, &key, &wish.method, range, &etag, KEEP, mime).await;
    let response = response
        .map_err(|error| if error.is_not_found() { FileError::NotFound.into() } else { Problem::from(error) })?;
    let mut response = dressed(response, &etag);
    let how = if is_shown { "inline" } else { "attachment" };
    response.headers_mut().insert(CONTENT_DISPOSITION, disposition(how, found.name));
    Ok(response)
}

/// What cannot act when it is shown: our own pictures, and what a browser only plays or prints.
pub(crate) const fn is_harmless(kind: FileKind) -> bool {
    matches!(kind, FileKind::Image | FileKind::Audio | FileKind::Text | FileKind::Video)
}

/// A thumbnail with clear pixels is WebP, others JPEG: the bucket knows.
async fn thumb_mime(app: &App, found: &Found<'_>) -> Result<String, Problem> {
    let meta = app.objects.head(&keys::blob(found.blob, found.lock, BlobPart::Thumbnail)).await;
    let meta =
        meta.map_err(|error| if error.is_not_found() { FileError::NotFound.into() } else { Problem::from(error) })?;
    Ok(meta.content_type.filter(|mime| mime == "image/webp").unwrap_or_else(|| "image/jpeg".to_owned()))
}

fn dressed(mut response: Response, etag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(HARMLESS));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(SAME_SITE, HeaderValue::from_static("same-origin"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(http::header::ETAG, etag);
    }
    response
}
