//! Which version of an answer somebody has (`ETag`), so that what has not changed is not sent again (`If-None-Match`), and what has changed
//! meanwhile is not written over (`If-Match`).
//!
//! Tags are digests of the answer's JSON. They are weak, as answers may be compressed on their way; `If-Match` takes them nevertheless.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::Kind;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use kit::Problem;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A larger answer has no tag.
const BYTES_MAX: u64 = 256 * 1024;

fn tag_of(body: &[u8]) -> String {
    format!("W/\"{}\"", hex::encode(&Sha256::digest(body)[..12]))
}

/// The layer: gives answers to GET a tag, and leaves out the body for whoever has it.
pub(crate) async fn tell(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let asked = request.headers().clone();
    let response = next.run(request).await;
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|mime| mime.as_bytes().starts_with(b"application/json"));
    let is_small = response.body().size_hint().exact().is_some_and(|bytes| bytes <= BYTES_MAX);
    if response.status() != StatusCode::OK || !is_json || !is_small || response.headers().contains_key(ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::try_from(BYTES_MAX).unwrap_or(usize::MAX)).await else {
        return Problem::new(Kind::Internal, "internal", "try again later").into_response();
    };
    let tag = tag_of(&body);
    if let Ok(value) = HeaderValue::try_from(&tag) {
        parts.headers.insert(ETAG, value);
    }
    if kit::negotiation::is_unchanged(&asked, &tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether a change may go on, by what its sender has seen. Without `If-Match` it may.
pub(crate) fn is_as_seen(headers: &HeaderMap, now: &impl Serialize) -> bool {
    let mut given = headers.get_all(IF_MATCH).iter().peekable();
    if given.peek().is_none() {
        return true;
    }
    let tag = serde_json::to_vec(now).map(|body| tag_of(&body)).unwrap_or_default();
    let tag = tag.trim_start_matches("W/");
    let words = given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.map(str::trim).any(|word| word == "*" || word.trim_start_matches("W/") == tag)
}

/// What is answered when it may not.
pub(crate) fn changed_meanwhile() -> Response {
    let detail = "this was changed meanwhile; ask for it again".to_owned();
    crate::layers::problem(StatusCode::PRECONDITION_FAILED, "request.changed-meanwhile", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_goes_on_only_over_what_was_seen() {
        let now = serde_json::json!({ "name": "b" });
        let tag = tag_of(&serde_json::to_vec(&now).unwrap());
        let may = |given: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append(IF_MATCH, value.parse().unwrap());
            }
            is_as_seen(&headers, &now)
        };
        let strong = tag.trim_start_matches("W/").to_owned();
        let listed = format!("\"else\", {tag}");
        assert!(may(&[]) && may(&[&tag]) && may(&[&strong]) && may(&["*"]) && may(&[&listed]) && may(&["\"x\"", &tag]));
        assert!(!may(&["\"else\""]) && !may(&[""]));
    }
}
