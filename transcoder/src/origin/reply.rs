//! Answers of the origin: their headers, lifetimes and problems.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE,
    CONTENT_TYPE, RANGE, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use kit::negotiation::{Asked, ByteRange, asked};

use super::body;
use super::shelf::Content;

pub(crate) const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
pub(crate) const MEDIA_TYPE: &str = "video/mp4";

/// How long an answer may be kept by caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// A playlist that was asked for without waiting: half a target duration.
    Playlist {
        target_s: u32,
    },
    /// A playlist that answers for one part: whoever asks with the same URL wants the same answer.
    Blocking {
        target_s: u32,
    },
    /// Media: names are never reused.
    Forever,
    Seconds(u32),
}

impl Life {
    pub(super) fn header(self) -> HeaderValue {
        let text = match self {
            Self::Playlist { target_s } => format!("public, max-age={}", target_s / 2),
            Self::Blocking { target_s } => format!("public, max-age={}", target_s * 6),
            Self::Forever => return HeaderValue::from_static("public, max-age=31536000, immutable"),
            Self::Seconds(seconds) => format!("public, max-age={seconds}"),
        };
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-store"))
    }
}

pub(crate) fn playlist(text: Bytes, is_gzip: bool, life: Life) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PLAYLIST_TYPE));
    headers.insert(CACHE_CONTROL, life.header());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

pub(crate) fn picture(jpeg: Bytes) -> Response {
    let mut response = Response::new(Body::from(jpeg));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    response.headers_mut().insert(CACHE_CONTROL, Life::Seconds(5).header());
    response
}

/// A media file, or the range of it that was asked for.
pub(crate) async fn media(content: Content, request: &HeaderMap) -> Response {
    let length = content.len();
    let range = request.get(RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match asked(range, length) {
        Asked::Whole => (StatusCode::OK, None),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        Asked::Unsatisfiable => return unsatisfiable(length),
    };
    let body = match (content, range) {
        (Content::Memory(chunks), None) => body::chunks(chunks),
        (Content::Memory(chunks), Some(range)) => body::chunks(body::cut(&chunks, range)),
        (Content::Disk(place), range) => {
            let place = range.map_or(place.clone(), |range| place.slice(range.first, range.length()));
            match place.read().await {
                Ok(bytes) => Body::from(bytes),
                Err(error) => {
                    tracing::error!(%error, "a segment could not be read back from disk");
                    return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the segment could not be read", 0);
                }
            }
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, Life::Forever.header());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(ByteRange { first, last }) = range {
        insert_text(headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
    }
    response
}

fn unsatisfiable(length: u64) -> Response {
    let mut response =
        problem(StatusCode::RANGE_NOT_SATISFIABLE, "request.range", "the file is shorter than the range asked for", 0);
    insert_text(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{length}"));
    response
}

/// RFC 9457. `max_age_s` is how long caches may repeat it.
pub(crate) fn problem(status: StatusCode, code: &'static str, detail: &str, max_age_s: u32) -> Response {
    let body = serde_json::json!({
        "type": format!("/problems/{code}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    let life = if max_age_s == 0 { HeaderValue::from_static("no-store") } else { Life::Seconds(max_age_s).header() };
    headers.insert(CACHE_CONTROL, life);
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// What was given for a token is for its bearer: no cache keeps it, and no other site's page reads it.
pub(crate) fn for_one_viewer(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// Public media may be read from any site, errors included.
pub(crate) fn open_to_all_sites(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "Accept-Ranges, Age, Cache-Control, Content-Encoding, Content-Length, Content-Range, Date",
        ),
    );
    response
}

/// The answer to a preflight.
pub(crate) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers
        .insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Range, If-None-Match, Cache-Control, Pragma"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn insert_text(headers: &mut HeaderMap, name: axum::http::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_playlist_lives_for_at_most_half_a_target() {
        assert_eq!(Life::Playlist { target_s: 2 }.header(), "public, max-age=1");
        assert_eq!(Life::Playlist { target_s: 5 }.header(), "public, max-age=2");
        assert_eq!(Life::Blocking { target_s: 2 }.header(), "public, max-age=12");
    }
}
