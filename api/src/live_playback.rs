//! Live media: from the transcoder in this process, else from the node that owns the stream. No SQL, ever.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use domain::{Classify, Kind};
use http::{HeaderMap, StatusCode, Uri};
use kit::Problem;
use kit::origin::Asked;
use kit::problem::ProblemBody;

use crate::edge::ask::{self, Place};
use crate::net::Client;
use crate::state::App;
use crate::viewers::anonymous_id;

#[derive(Debug, thiserror::Error)]
#[error("this channel is offline")]
pub(crate) struct Offline;

impl Classify for Offline {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn code(&self) -> &'static str {
        "stream.offline"
    }
}

/// Playlists, parts, segments and the thumbnail of a live stream.
///
/// `{username}/index.m3u8` is the multivariant playlist, with `?dvr=1` from the stream's beginning; `{username}/index.mpd` is the same
/// as MPEG-DASH. Everything else is named by them.
#[utoipa::path(
    get,
    path = "/live/{*path}",
    operation_id = "live_media",
    params(("path" = String, Path, description = "`{username}/index.m3u8`, `{username}/index.mpd`, `{username}/thumbnail.jpg`, or what a playlist names")),
    responses(
        (status = 200, description = "The playlist, part, segment or picture", content_type = "application/vnd.apple.mpegurl"),
        (status = 404, description = "`stream.offline`, or no such part", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The node that has the stream does not answer", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
pub(crate) async fn live_media(
    State(app): State<App>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let place = ask::place(&path).ok_or(Offline)?;
    if path.ends_with(".m3u8") || path.ends_with(".mpd") {
        touch(&app, place.username, &request);
    }
    let (parts, _body) = request.into_parts();
    if let Some(origin) = &app.local_origin {
        let viewer = Some(Client::of(&app.proxies, &parts.extensions, &parts.headers).addr);
        let asked = Asked { path: &path, query: parts.uri.query(), headers: &parts.headers, viewer };
        let response = origin.answer(asked).await;
        if response.status() != StatusCode::NOT_FOUND || is_only_here(&app, &place) {
            return Ok(response);
        }
    }
    app.edge.answer(&app, &path, place, parts).await
}

/// The time, for players that must know which segment is the newest (MPEG-DASH, `UTCTiming`).
#[utoipa::path(
    get,
    path = "/api/v1/time",
    operation_id = "time",
    responses((status = 200, description = "RFC 3339, UTC", content_type = "text/plain", body = String)),
    tag = "playback",
)]
pub(crate) async fn time() -> Response {
    let now = kit::clock::now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    ([(http::header::CACHE_CONTROL, "no-store"), (http::header::CONTENT_TYPE, "text/plain; charset=utf-8")], now)
        .into_response()
}

/// Nobody else has it: what the local origin says is all there is to say.
fn is_only_here(app: &App, place: &Place<'_>) -> bool {
    app.directory.owner(place.username, ask::stream_of(place)).is_none_or(|owner| *owner.node == *app.node)
}

/// Notes who reads playlists, in memory; told to Redis by a task.
fn touch(app: &App, username: &str, request: &Request) {
    let headers: &HeaderMap = request.headers();
    let client = Client::of(&app.proxies, request.extensions(), headers);
    match viewer_in(request.uri()) {
        Some(viewer) => app.viewers.touches.touch(username, viewer, client.addr),
        None => app.viewers.touches.touch(username, &anonymous_id(app, &client, headers), client.addr),
    }
}

/// The viewer's id from `?vs=` or `?session=`.
fn viewer_in(uri: &Uri) -> Option<&str> {
    uri.query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| matches!(*name, "vs" | "session"))
        .map(|(_, value)| value)
        .filter(|value| live::viewers::is_viewer_id(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_says_who_it_is_in_the_query() {
        assert_eq!(viewer_in(&"/x?_HLS_msn=1&vs=abc-1".parse().unwrap()), Some("abc-1"));
        assert_eq!(viewer_in(&"/x?session=s.1".parse().unwrap()), Some("s.1"));
        assert_eq!(viewer_in(&"/x?vs=%20".parse().unwrap()), None);
        assert_eq!(viewer_in(&"/x".parse().unwrap()), None);
    }
}
