//! What happens to every request around its handler: an id, a log line, numbers, deadlines, headers, panics.

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::Kind;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName,
    VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use tokio::time::{Instant, timeout};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tracing::{Instrument, debug, info_span};
use uuid::Uuid;

use crate::net::Client;
use crate::state::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;
/// A JSON call that takes longer than this has failed.
pub(crate) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// A picture may come over a slow line.
pub(crate) const UPLOAD_WAIT_MAX: Duration = Duration::from_secs(60);
/// A line slower than this, in bytes a second, is too slow for a large file.
const UPLOAD_BYTES_PER_S_MIN: usize = 64 * 1024;
const COMPRESS_BYTES_MIN: u64 = 860;

/// How long an upload of so many bytes may take.
pub(crate) fn upload_wait(bytes: usize) -> Duration {
    UPLOAD_WAIT_MAX + Duration::from_secs((bytes / UPLOAD_BYTES_PER_S_MIN) as u64)
}

/// Gives the request an id, a span and a line in the access log, and counts it.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|value| is_request_id(value.as_bytes()))
        .cloned()
        .or_else(|| HeaderValue::from_str(kit::ids::uuid().simple().encode_lower(&mut Uuid::encode_buffer())).ok())
        .unwrap_or_else(|| HeaderValue::from_static("none"));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let client = Client::of(&app.proxies, request.extensions(), request.headers());
    // At info, so that what goes wrong carries the id whatever the filter.
    let path = told(request.uri().path());
    let span = info_span!("request", id = id.to_str().unwrap_or_default(), %method, path = &*path);
    drop(path);

    let began = Instant::now();
    async move {
        let mut response = next.run(request).await;
        let took = began.elapsed();
        let status = response.status();
        debug!(status = status.as_u16(), took_ms = took.as_millis(), client.addr = %client.addr, "answered");
        app.meters.of(&method, route.as_ref().map_or("other", MatchedPath::as_str), status).note(took);
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
    .instrument(span)
    .await
}

/// A path as it is written down: whoever has a share link's token has the link.
fn told(path: &str) -> Cow<'_, str> {
    let Some(before) = SHARE_PATHS.into_iter().find(|before| path.starts_with(before)) else { return path.into() };
    let after = path[before.len()..].find('/').map_or("", |slash| &path[before.len() + slash..]);
    format!("{before}…{after}").into()
}

/// What stands before such a token.
const SHARE_PATHS: [&str; 2] = ["/share/", "/api/v1/share-links/token/"];

fn is_request_id(text: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
        && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What an answer of the JSON API may be kept by: nothing that was made for one caller.
pub(crate) async fn caching(request: Request, next: Next) -> Response {
    let is_personal = request.headers().contains_key(AUTHORIZATION)
        || request.uri().path().starts_with(crate::auth::tokens::COOKIE_PATH);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("authorization"));
    let word = HeaderValue::from_static(if is_personal { "no-store" } else { "no-cache" });
    headers.entry(CACHE_CONTROL).or_insert(word);
    response
}

/// 503 instead of an endless wait.
pub(crate) async fn deadline(State(wait): State<Duration>, request: Request, next: Next) -> Response {
    match timeout(wait, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::Unavailable, "request.timeout", "this took too long; try again")
            .retry_after_ms(2_000)
            .into_response(),
    }
}

/// A handler that panicked is our fault; the next request is not harmed.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    Problem::new(Kind::Internal, "internal", "try again later").into_response()
}

pub(crate) async fn method_not_allowed() -> Response {
    let detail = "this address does not take this method".to_owned();
    problem(StatusCode::METHOD_NOT_ALLOWED, "request.method", detail)
}

/// A problem of HTTP itself, for whose status there is no kind of error.
pub(crate) fn problem(status: StatusCode, code: &'static str, detail: String) -> Response {
    let body = ProblemBody {
        r#type: format!("/problems/{code}"),
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        code,
        detail,
        errors: Vec::new(),
    };
    let headers = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
    (status, headers, axum::Json(body)).into_response()
}

/// Anybody's page may play public media. What is given for a playback token is for its bearer: no cache keeps it, and no other
/// site's page may read it.
pub(crate) async fn open(request: Request, next: Next) -> Response {
    // A preflight, which no route takes.
    if request.method() == Method::OPTIONS {
        return PREFLIGHT.into_response();
    }
    let is_personal = live::playback::argument(request.uri().query(), kit::playback::ARGUMENT).is_some();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if is_personal {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    } else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// What other sites' scripts may read of an answer, besides what the Fetch standard lets them.
const EXPOSED: &str = "content-length,content-range,etag,date,x-request-id";
const PREFLIGHT: [(HeaderName, &str); 4] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET,HEAD"),
    (ACCESS_CONTROL_ALLOW_HEADERS, "range,if-none-match,content-type"),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
];

/// Compresses JSON and the web app's page. Media and stored files come compressed or not at all.
pub(crate) fn compression() -> CompressionLayer<impl Predicate> {
    let is_text = |_: StatusCode, _: http::Version, headers: &http::HeaderMap, _: &http::Extensions| {
        headers.get(CONTENT_TYPE).and_then(|mime| mime.to_str().ok()).is_some_and(|mime| {
            ["application/json", "application/problem+json", "text/html"].iter().any(|kind| mime.starts_with(kind))
        })
    };
    CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(COMPRESS_BYTES_MIN).and(is_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_share_links_are_not_written_down() {
        for (path, written) in [
            ("/share/0123abcd", "/share/…"),
            ("/share/0123abcd/more", "/share/…/more"),
            ("/api/v1/share-links/token/0123abcd/access", "/api/v1/share-links/token/…/access"),
            ("/api/v1/share-links/0199", "/api/v1/share-links/0199"),
            ("/files/shared", "/files/shared"),
        ] {
            assert_eq!(told(path), written);
        }
    }
}
