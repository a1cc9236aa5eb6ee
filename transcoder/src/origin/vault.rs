//! Segments that have left this node: from the bucket, streamed as they come.

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use objects::{CACHE_IMMUTABLE, Objects, ObjectsError};

use super::reply::{MEDIA_TYPE, problem};

/// A media file, or the range of it that was asked for.
pub(crate) async fn media(objects: &Objects, key: &str, request: &HeaderMap) -> Response {
    let range = request.get(RANGE).and_then(|value| value.to_str().ok()).map(str::trim).filter(|range| is_plain(range));
    let object = match objects.get(key, range).await {
        Ok(object) => object,
        Err(error) => return refusal(&error),
    };
    let mut response = Response::new(Body::from_stream(object.body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHE_IMMUTABLE));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, object.meta.content_length.into());
    if let Some(range) = object.content_range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(CONTENT_RANGE, range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn refusal(error: &ObjectsError) -> Response {
    match error {
        ObjectsError::RangeNotSatisfiable { .. } => problem(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "request.range",
            "the file is shorter than the range asked for",
            0,
        ),
        error if error.is_not_found() => {
            problem(StatusCode::NOT_FOUND, "not-found", "there is nothing here, or not any more", 1)
        }
        error => {
            tracing::debug!(%error, "a segment of a running stream could not be read from the bucket");
            problem(StatusCode::SERVICE_UNAVAILABLE, "stream.past-unavailable", "the bucket does not answer", 0)
        }
    }
}

/// One range of bytes; anything else is answered with the whole file (RFC 9110 14.2).
fn is_plain(range: &str) -> bool {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return false;
    };
    let is_number = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(first)
        && is_number(last)
        && match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) => first <= last,
            (Err(_), Err(_)) => false,
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_plain_range_reaches_the_bucket() {
        assert!(["bytes=0-0", "bytes=5-", "bytes=-7"].into_iter().all(is_plain));
        let odd = ["bytes=", "bytes=-", "bytes=1-2,4-5", "bytes=9-3", "items=0-1", "bytes=0-99999999999999999999"];
        assert!(!odd.into_iter().any(is_plain));
    }
}
