//! A kept answer, made into what one viewer asked for: a range of it, compressed or not, with the viewer's own arguments.

use std::io::Write;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_RANGE, ETAG, RANGE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use kit::negotiation::{Asked, asked, is_unchanged, takes_gzip};

use super::ask::File;
use super::entry::Entry;

/// `stamp` goes into the holes of a text.
pub(super) fn of(entry: &Entry, file: File, stamp: &str, request: &HeaderMap) -> Response {
    let mut response = match (entry.status, file.is_text()) {
        (StatusCode::OK, true) => text(entry, file, stamp, request),
        (StatusCode::OK, false) => bytes(entry, file, request),
        (status, _) => {
            let mut response = Response::new(Body::from(entry.body.clone()));
            *response.status_mut() = status;
            response
        }
    };
    let headers = response.headers_mut();
    for (name, value) in &entry.headers {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    let age_s = entry.at.elapsed().as_secs();
    if age_s > 0 {
        headers.insert(AGE, age_s.into());
    }
    response
}

fn text(entry: &Entry, file: File, stamp: &str, request: &HeaderMap) -> Response {
    let is_gzip = takes_gzip(request);
    let body = if stamp.is_empty() {
        entry.packed.clone().filter(|_| is_gzip)
    } else {
        let plain = std::str::from_utf8(&entry.body).unwrap_or_default();
        let stamped = match file {
            File::Manifest => media::dash::stamp(plain, stamp),
            _ => media::playlist::stamp(plain, stamp),
        };
        Some(if is_gzip { gzip(stamped.as_bytes()) } else { stamped.into() })
    };
    let is_gzip = is_gzip && body.is_some();
    let body = body.unwrap_or_else(|| entry.body.clone());
    // A stamped text is one viewer's: nobody will ask whether it has changed.
    let etag = entry.etag.as_ref().filter(|_| stamp.is_empty());
    let etag = etag.map(|tag| if is_gzip { tag.trim_end_matches('"').to_owned() + "-gz\"" } else { tag.clone() });
    let is_known = etag.as_ref().is_some_and(|etag| is_unchanged(request, etag));
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(body) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(etag) = etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
        headers.insert(ETAG, etag);
    }
    if is_gzip && !is_known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn bytes(entry: &Entry, file: File, request: &HeaderMap) -> Response {
    let length = entry.body.len() as u64;
    // Pictures are small and whole.
    let range = request.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| file != File::Thumbnail);
    let (status, body, told) = match asked(range, length) {
        Asked::Whole => (StatusCode::OK, entry.body.clone(), None),
        Asked::Part(range) => {
            let end = usize::try_from(range.last + 1).unwrap_or(usize::MAX);
            let body = entry.body.slice(usize::try_from(range.first).unwrap_or(end)..end);
            (StatusCode::PARTIAL_CONTENT, body, Some(format!("bytes {}-{}/{length}", range.first, range.last)))
        }
        Asked::Unsatisfiable => return unsatisfiable(length),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(range) = told.and_then(|range| HeaderValue::try_from(range).ok()) {
        headers.insert(CONTENT_RANGE, range);
    }
    if file != File::Thumbnail {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    response
}

fn unsatisfiable(length: u64) -> Response {
    let detail = "the file is shorter than the range asked for".to_owned();
    let mut response = crate::layers::problem(StatusCode::RANGE_NOT_SATISFIABLE, "request.range", detail);
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{length}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4 + 64), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default().into()
}
