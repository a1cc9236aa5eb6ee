//! Playing clips: playlists of the recording's segments that a clip overlaps, and a picture of its beginning. Whoever may play the
//! recording may play its clips, with the same tokens.

use std::io::Cursor;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use db::recordings::Playable;
use domain::clip::Span;
use domain::{ClipId, VodId};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use kit::Problem;
use kit::negotiation::is_unchanged;
use kit::problem::ProblemBody;
use media::playlist::uri;
use sha2::{Digest, Sha256};

use super::shelf::{Shelf, Wanted};
use super::{PlaybackError, file, reel, storyboard, text};
use crate::extract::Path;
use crate::state::App;

/// A sheet larger than this was not made by us.
const SHEET_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Forty pictures one below the other are far fewer.
const SHEET_SIDE_MAX: u32 = 65_500;
const DECODER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const JPEG_QUALITY: u8 = 86;
const PICTURE_CACHE: &str = "public, max-age=60";

/// The clip's renditions. Also while the recording is still being made.
#[utoipa::path(
    get,
    path = "/clip/{id}/index.m3u8",
    operation_id = "clip_playlist",
    params(("id" = String, Path, description = "The clip")),
    responses(
        (status = 200, description = "HLS multivariant playlist", content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "`vod.not-found` or `vod.empty`", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
pub(super) async fn clip_multivariant(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path(id): Path<ClipId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let clip = shelf.clip(&app, id).await?;
    let page = shelf.clip_page(&app, clip, Wanted::Multivariant, uri.query().unwrap_or_default()).await?;
    Ok(text(&page, &headers))
}

/// A rendition's playlist of a clip (`index.m3u8`), or that of its key frames (`iframes.m3u8`). Their files are the recording's.
///
/// `EVENT` until all of the clip is stored, `VOD` from then on. `EXT-X-START` says where in the first segment it begins.
#[utoipa::path(
    get,
    path = "/clip/{id}/{rendition}/{file}",
    operation_id = "clip_file",
    params(
        ("id" = String, Path, description = "The clip"),
        ("rendition" = String, Path, description = "As the multivariant playlist names it"),
        ("file" = String, Path, description = "`index.m3u8` or `iframes.m3u8`"),
    ),
    responses(
        (status = 200, description = "The playlist", content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such clip, rendition or file", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
pub(super) async fn clip_file(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path((id, rendition, name)): Path<(ClipId, String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    if !reel::is_rendition_name(&rendition) {
        return Err(PlaybackError::NoRendition.into());
    }
    let wanted = match name.as_str() {
        uri::PLAYLIST => Wanted::Rendition(rendition),
        uri::IFRAMES => Wanted::IFrames(rendition),
        _ => return Err(PlaybackError::NoFile.into()),
    };
    let clip = shelf.clip(&app, id).await?;
    let page = shelf.clip_page(&app, clip, wanted, uri.query().unwrap_or_default()).await?;
    Ok(text(&page, &headers))
}

/// A picture of the clip's beginning: of the recording's storyboard, or else the recording's own.
#[utoipa::path(
    get,
    path = "/clip/{id}/thumbnail.jpg",
    operation_id = "clip_thumbnail",
    params(("id" = String, Path, description = "The clip")),
    responses(
        (status = 200, description = "JPEG", content_type = "image/jpeg"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such clip, or no picture", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "playback",
)]
pub(super) async fn clip_thumbnail(
    State(app): State<App>,
    Extension(shelf): Extension<Shelf>,
    Path(id): Path<ClipId>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (vod, span) = shelf.clip(&app, id).await?;
    let known = shelf.recent(&app, vod, uri.query()).await?;
    let made = shelf.pictures.try_get_with((vod, span.start_ms), draw(&app, &shelf, &known, (vod, span))).await;
    if let Some(picture) = made.map_err(|error| PlaybackError::clone_of(&error))? {
        return Ok(answer(picture, &method, &headers));
    }
    let key = known.thumbnail_key.as_deref().ok_or(PlaybackError::NoFile)?;
    file::picture(&app.objects, key, &method, &headers).await
}

/// The storyboard's picture nearest to a clip's beginning. `None`: there is none, or it cannot be read.
async fn draw(
    app: &App,
    shelf: &Shelf,
    known: &Playable,
    (vod, span): (VodId, Span),
) -> Result<Option<Bytes>, PlaybackError> {
    let sheets = async {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::storyboards::of(&mut conn, vod).await
    };
    let sheets = sheets.await.map_err(|error| PlaybackError::Rows(error.into()))?;
    if sheets.is_empty() {
        return Ok(None);
    }
    let reel = shelf.reel(app, vod, known).await?;
    let Some((sheet, row)) = storyboard::nearest(&reel, &known.renditions, &sheets, span.start_ms) else {
        return Ok(None);
    };
    let key = objects::keys::vod_sheet(vod, u64::try_from(sheet.seq).unwrap_or(0));
    let object = match app.objects.get(&key, None).await {
        Ok(object) => object,
        Err(error) => {
            // The recording's picture is asked for next: whether the bucket is away is told there.
            tracing::debug!(%error, key, "no picture of a clip's own");
            return Ok(None);
        }
    };
    let Ok(bytes) = object.collect(SHEET_BYTES_MAX).await else { return Ok(None) };
    let side = |length: i32| u32::try_from(length).unwrap_or(0);
    let place = Place {
        top: row.saturating_mul(side(sheet.tile_step)),
        width: side(sheet.tile_width),
        height: side(sheet.tile_height),
    };
    // Without a turn in time, and of a sheet no decoder likes, there is the recording's picture.
    let cut = app.studio.work(move || cut_out(&bytes, place)).await;
    Ok(cut.and_then(Result::ok).flatten().map(Bytes::from))
}

/// Where in a sheet a picture is, in pixels.
#[derive(Debug, Clone, Copy)]
struct Place {
    top: u32,
    width: u32,
    height: u32,
}

/// One picture of a sheet, as a JPEG of its own.
fn cut_out(sheet: &[u8], place: Place) -> Option<Vec<u8>> {
    let mut reader = ImageReader::with_format(Cursor::new(sheet), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(SHEET_SIDE_MAX);
    limits.max_image_height = Some(SHEET_SIDE_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    if decoder.total_bytes() > DECODER_BYTES_MAX {
        return None;
    }
    let whole = DynamicImage::from_decoder(decoder).ok()?;
    let bottom = place.top.checked_add(place.height)?;
    if place.width == 0 || place.height == 0 || place.width > whole.width() || bottom > whole.height() {
        return None;
    }
    let mut bytes = Vec::new();
    let picture = whole.crop_imm(0, place.top, place.width, place.height).to_rgb8();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)).ok()?;
    Some(bytes)
}

fn answer(picture: Bytes, method: &Method, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&picture)[..12]));
    let length = picture.len();
    let mut response = if is_unchanged(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if *method == Method::HEAD {
        ().into_response()
    } else {
        picture.into_response()
    };
    let is_whole = response.status() == StatusCode::OK;
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static(PICTURE_CACHE));
    if is_whole {
        out.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Ok(etag) = HeaderValue::try_from(etag) {
        out.insert(ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// Four pictures of 32 by 18, each of another grey.
    fn sheet() -> Vec<u8> {
        let sheet = RgbImage::from_fn(32, 18 * 4, |_, y| Rgb([40 + 50 * (y / 18) as u8; 3]));
        let mut bytes = Vec::new();
        sheet.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 95)).expect("encodes");
        bytes
    }

    #[test]
    fn one_picture_is_cut_out_of_its_sheet() {
        for row in 0..4 {
            let place = Place { top: row * 18, width: 32, height: 18 };
            let picture = image::load_from_memory(&cut_out(&sheet(), place).expect("it is there")).expect("a picture");
            assert_eq!((picture.width(), picture.height()), (32, 18));
            let grey = i32::from(picture.to_rgb8().get_pixel(16, 9).0[0]);
            assert!((grey - (40 + 50 * row as i32)).abs() < 8, "row {row}: {grey}");
        }
    }

    #[test]
    fn what_is_not_in_the_sheet_is_no_picture() {
        let outside = [(18 * 4, 32, 18), (0, 33, 18), (u32::MAX, 32, 18), (0, 0, 18), (0, 32, 0)];
        for (top, width, height) in outside {
            assert!(cut_out(&sheet(), Place { top, width, height }).is_none());
        }
        assert!(cut_out(b"no picture", Place { top: 0, width: 1, height: 1 }).is_none());
    }
}
