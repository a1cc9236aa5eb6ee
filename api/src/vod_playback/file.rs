//! Files of a recording.

use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use http::{HeaderMap, Method, StatusCode};
use kit::Problem;
use kit::negotiation::is_unchanged;
use objects::{CACHE_IMMUTABLE, Objects, ObjectsError};
use sha2::{Digest, Sha256};

use super::PlaybackError;
use crate::stored::{cache, dress, range_of, serve};

const PICTURE_CACHE: &str = "public, max-age=10";

/// A file whose bytes never change under its name.
pub(super) async fn immutable(
    objects: &Objects,
    key: &str,
    mime: &'static str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    // The name is the version, so the validator needs no look at the bucket.
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(key.as_bytes())[..12]));
    if is_unchanged(headers, &etag) {
        return Ok(dress(StatusCode::NOT_MODIFIED.into_response(), &[(ETAG, etag), cache(CACHE_IMMUTABLE)]));
    }
    serve(objects, key, method, range_of(headers, &etag), &etag, CACHE_IMMUTABLE, mime).await.map_err(missing)
}

/// A picture that is renewed now and then.
pub(super) async fn picture(
    objects: &Objects,
    key: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let meta = objects.head(key).await.map_err(missing)?;
    let etag = meta.etag.unwrap_or_default();
    if !etag.is_empty() && is_unchanged(headers, &etag) {
        return Ok(dress(StatusCode::NOT_MODIFIED.into_response(), &[(ETAG, etag), cache(PICTURE_CACHE)]));
    }
    serve(objects, key, method, None, &etag, PICTURE_CACHE, "image/jpeg").await.map_err(missing)
}

/// What the bucket does not have is no file of the recording.
fn missing(error: ObjectsError) -> Problem {
    if error.is_not_found() { PlaybackError::NoFile.into() } else { PlaybackError::Bucket(error).into() }
}
