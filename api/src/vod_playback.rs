//! Playing recordings and clips of them: playlists made from what is stored, and media from the bucket.
//!
//! Owns nothing that changes a recording (see `vods`). Every playlist asks the recording's row, so a deleted one is gone
//! at once; what was asked last answers while Postgres is away. Media is streamed through, or, as the operator chose,
//! fetched by players from the bucket itself: then a playlist is kept for less time than its links live.

mod clip;
mod file;
mod manifest;
mod reel;
mod shelf;
mod storyboard;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{Classify, Kind, VodId};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use kit::Problem;
use kit::negotiation::{is_unchanged, takes_gzip};
use kit::problem::ProblemBody;
use media::playlist::uri::{self, MediaFile};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Path;
use crate::state::App;
use shelf::{Page, Shelf, Text, Wanted};

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaybackError {
    #[error("there is no such recording")]
    NotFound,
    #[error("nothing of this recording can be played yet")]
    Empty,
    #[error("the recording has no such rendition")]
    NoRendition,
    #[error("the recording has no such file")]
    NoFile,
    /// Found by somebody else who asked for the same at the same time.
    #[error("the recording's rows could not be read")]
    Rows(#[source] Arc<db::DbError>),
    /// Told only to those who were given a token for this very recording.
    #[error("the permission to play this has ended; ask for a new one")]
    Over,
    #[error("the bucket did not answer")]
    Bucket(#[from] objects::ObjectsError),
}

impl PlaybackError {
    /// The error of whoever asked first, for everybody who asked with it.
    fn clone_of(error: &Self) -> Self {
        match error {
            Self::Empty => Self::Empty,
            Self::NoRendition => Self::NoRendition,
            Self::Rows(error) => Self::Rows(error.clone()),
            Self::Bucket(_) => Self::Bucket(objects::ObjectsError::Settings("links cannot be made")),
            Self::Over => Self::Over,
            Self::NoFile => Self::NoFile,
            Self::NotFound => Self::NotFound,
        }
    }
}

impl Classify for PlaybackError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::Empty | Self::NoRendition | Self::NoFile => Kind::NotFound,
            Self::Over => Kind::Forbidden,
            Self::Rows(error) => error.kind(),
            Self::Bucket(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "vod.not-found",
            Self::Empty => "vod.empty",
            Self::NoRendition => "vod.no-rendition",
            Self::NoFile => "vod.no-file",
            Self::Over => "playback.over",
            Self::Rows(error) => error.code(),
            Self::Bucket(error) => error.code(),
        }
    }
}

/// The routes, with the memory they share.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(multivariant))
        .routes(routes!(mpd))
        .routes(routes!(thumbnail))
        .routes(routes!(storyboard_vtt))
        .routes(routes!(storyboard_sheet))
        .routes(routes!(rendition_file))
        .routes(routes!(clip::clip_multivariant))
        .routes(routes!(clip::clip_thumbnail))
        .routes(routes!(clip::clip_file))
        .layer(Extension(Shelf::new()))
}

/// The recording's renditions. Also while it is still being made.
#[utoipa::path(
    get,
    path = "/vod/{id}/index.m3u8",
    operation_id = "vod_playlist",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, description = "HLS multivariant playlist", content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "`vod.not-found` or `vod.empty`", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
async fn multivariant(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path(id): Path<VodId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = shelf.page(&app, id, Wanted::Multivariant, uri.query().unwrap_or_default()).await?;
    Ok(text(&page, &headers))
}

/// The recording as MPEG-DASH, of the same segments. Also while it is still being made.
#[utoipa::path(
    get,
    path = "/vod/{id}/index.mpd",
    operation_id = "vod_manifest",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, description = "MPEG-DASH manifest", content_type = "application/dash+xml"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "`vod.not-found`, `vod.empty`, or `vod.no-file` for one made before DASH was offered", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
async fn mpd(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path(id): Path<VodId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = shelf.page(&app, id, Wanted::Manifest, uri.query().unwrap_or_default()).await?;
    Ok(text(&page, &headers))
}

/// A rendition's playlist (`index.m3u8`), that of its key frames (`iframes.m3u8`), or one of the files it names.
///
/// `EVENT` while the stream runs, `VOD` afterwards. Segments and inits never change under their names.
#[utoipa::path(
    get,
    path = "/vod/{id}/{rendition}/{file}",
    operation_id = "vod_file",
    params(
        ("id" = String, Path, description = "The recording"),
        ("rendition" = String, Path, description = "As the multivariant playlist names it"),
        ("file" = String, Path, description = "`index.m3u8`, `iframes.m3u8`, `init{n}.mp4` or `seg{n}.m4s`"),
    ),
    responses(
        (status = 200, description = "The playlist or the file", content_type = "video/mp4"),
        (status = 206, description = "A range of the file", content_type = "video/mp4"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such recording, rendition or file", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "The range lies outside the file; `Content-Range` says how long it is"),
    ),
    tag = "playback",
)]
async fn rendition_file(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path((id, rendition, name)): Path<(VodId, String, String)>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    if !reel::is_rendition_name(&rendition) {
        return Err(PlaybackError::NoRendition.into());
    }
    let wanted = match name.as_str() {
        uri::PLAYLIST => Some(Wanted::Rendition(rendition.clone())),
        uri::IFRAMES => Some(Wanted::IFrames(rendition.clone())),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let page = shelf.page(&app, id, wanted, uri.query().unwrap_or_default()).await?;
        return Ok(text(&page, &headers));
    }
    let key = match uri::parse(&name) {
        Some(MediaFile::Segment(msn)) => objects::keys::vod_segment(id, &rendition, msn),
        Some(MediaFile::Init(number)) => objects::keys::vod_init(id, &rendition, number),
        Some(MediaFile::Part(..)) | None => return Err(PlaybackError::NoFile.into()),
    };
    shelf.recent(&app, id, uri.query()).await?;
    file::immutable(&app.objects, &key, "video/mp4", &method, &headers).await
}

/// A picture of the recording, renewed while it is made.
#[utoipa::path(
    get,
    path = "/vod/{id}/thumbnail.jpg",
    operation_id = "vod_thumbnail",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, description = "JPEG", content_type = "image/jpeg"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such recording, or no picture yet", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
async fn thumbnail(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path(id): Path<VodId>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let known = shelf.recent(&app, id, uri.query()).await?;
    let key = known.thumbnail_key.as_deref().ok_or(PlaybackError::NoFile)?;
    file::picture(&app.objects, key, &method, &headers).await
}

/// Small pictures along the recording, for its timeline: cues that name parts of sheets (`storyboard/sheet0.jpg#xywh=0,0,160,90`).
#[utoipa::path(
    get,
    path = "/vod/{id}/storyboard.vtt",
    operation_id = "vod_storyboard",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, description = "WebVTT", content_type = "text/vtt"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such recording, or it has no pictures", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
async fn storyboard_vtt(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path(id): Path<VodId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = shelf.page(&app, id, Wanted::Storyboard, uri.query().unwrap_or_default()).await?;
    Ok(text(&page, &headers))
}

/// Pictures of a recording, one below the other. Never changes under its name.
#[utoipa::path(
    get,
    path = "/vod/{id}/storyboard/{file}",
    operation_id = "vod_storyboard_sheet",
    params(
        ("id" = String, Path, description = "The recording"),
        ("file" = String, Path, description = "As the cues of `storyboard.vtt` name it"),
    ),
    responses(
        (status = 200, description = "JPEG", content_type = "image/jpeg"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such recording or sheet", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
async fn storyboard_sheet(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path((id, name)): Path<(VodId, String)>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let seq = objects::keys::sheet_of_name(&name).ok_or(PlaybackError::NoFile)?;
    shelf.recent(&app, id, uri.query()).await?;
    file::immutable(&app.objects, &objects::keys::vod_sheet(id, seq), "image/jpeg", &method, &headers).await
}

fn text(page: &Page, headers: &HeaderMap) -> Response {
    let Text { plain, gzip, etag, gzip_etag } = &*page.text;
    let wants_gzip = takes_gzip(headers);
    let (body, tag) = if wants_gzip { (gzip, gzip_etag) } else { (plain, etag) };
    let mut response = if is_unchanged(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body.clone().into_response()
    };
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(page.mime));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::try_from(tag.as_str()) {
        out.insert(ETAG, tag);
    }
    if let Ok(life) = HeaderValue::try_from(format!("public, max-age={}", page.max_age_s)) {
        out.insert(CACHE_CONTROL, life);
    }
    if wants_gzip && response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
