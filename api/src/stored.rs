//! Objects of the bucket, streamed as they come: ranges, validators, HEAD.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use objects::{Meta, Objects, ObjectsError};

/// Answers with an object, or the part of it that is asked for, as it comes. `range` is what [`range_of`] found; an empty `etag` is not told.
pub(crate) async fn serve(
    objects: &Objects,
    key: &str,
    method: &Method,
    range: Option<&str>,
    etag: &str,
    life: &str,
    mime: &str,
) -> Result<Response, ObjectsError> {
    if *method == Method::HEAD {
        let meta = objects.head(key).await?;
        return Ok(with_meta(Response::new(Body::empty()), &meta, etag, life, mime));
    }
    match objects.get(key, range).await {
        Ok(object) => {
            let mut response = Response::new(Body::from_stream(object.body));
            if let Some(content_range) = object.content_range {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                response = dress(response, &[(CONTENT_RANGE, content_range)]);
            }
            Ok(with_meta(response, &object.meta, etag, life, mime))
        }
        Err(ObjectsError::RangeNotSatisfiable { .. }) => {
            let length = objects.head(key).await?.content_length;
            let response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            Ok(dress(response, &[(CONTENT_RANGE, format!("bytes */{length}"))]))
        }
        Err(error) => Err(error),
    }
}

fn with_meta(response: Response, meta: &Meta, etag: &str, life: &str, mime: &str) -> Response {
    let length = (CONTENT_LENGTH, meta.content_length.to_string());
    let response = dress(response, &[length, cache(life), (CONTENT_TYPE, mime.to_owned())]);
    let response = dress(response, &[(ACCEPT_RANGES, "bytes".to_owned())]);
    if etag.is_empty() { response } else { dress(response, &[(ETAG, etag.to_owned())]) }
}

pub(crate) fn cache(life: &str) -> (HeaderName, String) {
    (CACHE_CONTROL, life.to_owned())
}

pub(crate) fn dress(mut response: Response, headers: &[(HeaderName, String)]) -> Response {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value.as_str()) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

/// The range asked for, if it is one the bucket should hear of: one range of bytes, of the version we have
/// (RFC 9110 14.2; anything else is answered with the whole file).
pub(crate) fn range_of<'a>(headers: &'a HeaderMap, etag: &str) -> Option<&'a str> {
    if headers.get(IF_RANGE).is_some_and(|version| version.as_bytes() != etag.as_bytes()) {
        return None;
    }
    let range = headers.get(RANGE)?.to_str().ok()?.trim();
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let is_number = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_ordered = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => first <= last,
        (Err(_), Err(_)) => false,
        _ => true,
    };
    (is_number(first) && is_number(last) && is_ordered).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_one_sensible_range_reaches_the_bucket() {
        for good in ["bytes=0-0", "bytes=5-", "bytes=-7"] {
            assert_eq!(range_of(&with(RANGE, good), "\"e\""), Some(good));
        }
        for bad in [
            "bytes=",
            "bytes=-",
            "bytes=1-2,4-5",
            "bytes=9-3",
            "items=0-1",
            "bytes=a-b",
            "bytes=0-99999999999999999999",
        ] {
            assert_eq!(range_of(&with(RANGE, bad), "\"e\""), None, "{bad}");
        }
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole_file() {
        let mut headers = with(RANGE, "bytes=0-1");
        headers.insert(IF_RANGE, HeaderValue::from_static("\"other\""));
        assert_eq!(range_of(&headers, "\"e\""), None);
        headers.insert(IF_RANGE, HeaderValue::from_static("\"e\""));
        assert_eq!(range_of(&headers, "\"e\""), Some("bytes=0-1"));
    }
}
