//! Members' pictures: taken in as whatever they claim to be, decoded under limits, kept only as our own encoding.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::{Classify, Kind};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use kit::Problem;
use kit::problem::ProblemBody;
use objects::{NewObject, Objects};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use crate::account::Account;
use crate::extract::Path;
use crate::me::MeError;
use crate::shapes::User;
use crate::state::App;

pub(crate) const UPLOAD_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Width or height.
const SIDE_MAX: u32 = 12_000;
/// Judged from the header, before a pixel is decoded: 24 million pixels are at most 96 MB.
const PIXELS_MAX: u64 = 24_000_000;
const DECODER_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Width and height of what is kept.
const SIDE: u32 = 512;
const JPEG_QUALITY: u8 = 88;
/// Pictures decoded at a time: with their limits this bounds our memory.
const TURNS: usize = 1;
const TURN_WAIT_MAX: Duration = Duration::from_secs(3);
/// Pictures larger than this were not made by us.
const STORED_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AvatarError {
    #[error("the picture is larger than 5 MiB")]
    TooLarge,
    #[error("the picture has too many pixels")]
    TooManyPixels,
    #[error("this is not a JPEG, PNG, WebP or GIF picture")]
    NotAPicture,
    #[error("send the picture as the form's field named file")]
    NoFile,
    #[error("too many pictures at this moment")]
    Busy,
    #[error("the picture could not be encoded")]
    Failed(#[source] image::ImageError),
}

impl Classify for AvatarError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::TooLarge,
            Self::TooManyPixels | Self::NotAPicture | Self::NoFile => Kind::Invalid,
            Self::Busy => Kind::Unavailable,
            Self::Failed(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "avatar.too-large",
            Self::TooManyPixels => "avatar.too-many-pixels",
            Self::NotAPicture => "avatar.not-a-picture",
            Self::NoFile => "avatar.no-file",
            Self::Busy => "avatar.busy",
            Self::Failed(_) => "internal",
        }
    }
}

/// Decodes and encodes pictures, off the async threads and one at a time.
#[derive(Clone)]
pub(crate) struct Studio(Arc<Semaphore>);

/// A picture of ours.
pub(crate) struct Picture {
    bytes: Vec<u8>,
    extension: &'static str,
}

impl Studio {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TURNS)))
    }

    /// Makes a square of [`SIDE`] pixels from whatever was sent.
    pub(crate) async fn develop(&self, upload: Bytes) -> Result<Picture, AvatarError> {
        // A decoder that panicked on it did not find a picture.
        self.work(move || develop(&upload)).await.ok_or(AvatarError::Busy)?.unwrap_or(Err(AvatarError::NotAPicture))
    }

    /// Works on a picture when it is its turn. `None` when there was none in time, an error within when the work panicked.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, tokio::task::JoinError>> {
        let turn = timeout(TURN_WAIT_MAX, Arc::clone(&self.0).acquire_owned()).await.ok()?.ok()?;
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        Some(work.await)
    }
}

fn develop(upload: &[u8]) -> Result<Picture, AvatarError> {
    let mut reader =
        ImageReader::new(Cursor::new(upload)).with_guessed_format().map_err(|_| AvatarError::NotAPicture)?;
    if reader.format().is_none() {
        return Err(AvatarError::NotAPicture);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(sort)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX || width == 0 || height == 0 {
        return Err(AvatarError::TooManyPixels);
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(sort)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let side = picture.width().min(picture.height());
    let (x, y) = ((picture.width() - side) / 2, (picture.height() - side) / 2);
    let square = picture.crop_imm(x, y, side, side);
    drop(picture);
    // A cheap box filter first: the fine one needs 16 bytes for each pixel it starts from.
    let square = if side > 4 * SIDE { square.thumbnail_exact(2 * SIDE, 2 * SIDE) } else { square };
    let square = square.resize_exact(SIDE, SIDE, FilterType::CatmullRom);
    encode(&square).map_err(AvatarError::Failed)
}

fn encode(square: &DynamicImage) -> Result<Picture, image::ImageError> {
    let mut bytes = Vec::new();
    let has_holes = square.color().has_alpha() && square.to_rgba8().pixels().any(|pixel| pixel.0[3] != u8::MAX);
    if has_holes {
        square.to_rgba8().write_with_encoder(PngEncoder::new(&mut bytes))?;
        return Ok(Picture { bytes, extension: "png" });
    }
    square.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
    Ok(Picture { bytes, extension: "jpg" })
}

fn sort(error: image::ImageError) -> AvatarError {
    match error {
        image::ImageError::Limits(_) => AvatarError::TooManyPixels,
        _ => AvatarError::NotAPicture,
    }
}

/// The form, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct AvatarForm {
    /// A JPEG, PNG, WebP or GIF of at most 5 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Replaces the caller's picture.
#[utoipa::path(
    post,
    path = "/api/v1/me/avatar",
    operation_id = "upload_avatar",
    request_body(content = AvatarForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The changed account", body = User),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "me",
)]
pub(crate) async fn upload_avatar(
    State(app): State<App>,
    account: Account,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<crate::extract::Json<User>, Problem> {
    let form = form.map_err(|_| AvatarError::NoFile)?;
    let picture = app.studio.develop(read_file(form).await?).await?;
    let key = format!("avatar/{}/{}.{}", account.id, kit::ids::random_token::<16>(), picture.extension);
    let object = NewObject {
        key: &key,
        body: picture.bytes.into(),
        content_type: content_type(&key),
        cache_control: objects::CACHE_IMMUTABLE,
    };
    app.objects.put(object).await?;
    let changed = swap(&app, &account, &key).await;
    // Whichever picture nobody points to any more is litter.
    let litter = match &changed {
        Ok((_, old)) => old.clone(),
        Err(_) => Some(key),
    };
    if let Some(litter) = litter
        && let Err(error) = app.objects.delete(&litter).await
    {
        tracing::warn!(%error, key = litter, "an unused picture is left in the bucket");
    }
    Ok(crate::extract::Json(changed?.0.into()))
}

async fn swap(app: &App, account: &Account, key: &str) -> Result<(db::users::User, Option<String>), Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let old = db::users::set_avatar(&mut tx, account.id, key).await?;
    let user = db::users::find(&mut tx, account.id).await?.ok_or(MeError::Gone)?;
    db::commit(tx).await?;
    Ok((user, old))
}

async fn read_file(mut form: Multipart) -> Result<Bytes, AvatarError> {
    let sort = |error: MultipartError| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE { AvatarError::TooLarge } else { AvatarError::NoFile }
    };
    while let Some(field) = form.next_field().await.map_err(sort)? {
        if field.name() != Some("file") {
            continue;
        }
        let bytes = field.bytes().await.map_err(sort)?;
        return if bytes.len() > UPLOAD_BYTES_MAX { Err(AvatarError::TooLarge) } else { Ok(bytes) };
    }
    Err(AvatarError::NoFile)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AvatarPath {
    /// The member's id.
    user: uuid::Uuid,
    /// The file, as `avatar_url` names it.
    file: String,
}

/// A member's picture. Its name changes with it, so it may be kept for ever.
#[utoipa::path(
    get,
    path = "/media/avatars/{user}/{file}",
    operation_id = "avatar",
    params(AvatarPath),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "media",
)]
pub(crate) async fn avatar(State(app): State<App>, Path(path): Path<AvatarPath>) -> Result<Response, Problem> {
    let (stem, extension) = path.file.split_once('.').ok_or_else(Problem::not_found)?;
    let is_ours = stem.len() == 32
        && stem.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && matches!(extension, "jpg" | "png");
    if !is_ours {
        return Err(Problem::not_found());
    }
    serve(&app.objects, &format!("avatar/{}/{}", path.user, path.file)).await
}

pub(crate) async fn serve(objects: &Objects, key: &str) -> Result<Response, Problem> {
    let object = objects
        .get(key, None)
        .await
        .map_err(|error| if error.is_not_found() { Problem::not_found() } else { error.into() })?;
    if object.meta.content_length > STORED_BYTES_MAX {
        return Err(Problem::not_found());
    }
    let mut response = Body::from_stream(object.body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(key)));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(object.meta.content_length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(objects::CACHE_IMMUTABLE));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(etag) = object.meta.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        _ => "image/jpeg",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, pixel: [u8; 4]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let image = image::RgbaImage::from_pixel(width, height, image::Rgba(pixel));
        image.write_with_encoder(PngEncoder::new(&mut bytes)).unwrap();
        bytes
    }

    #[test]
    fn any_picture_becomes_our_square() {
        let picture = develop(&png(700, 300, [10, 200, 30, 255])).unwrap();
        assert_eq!(picture.extension, "jpg");
        let back = image::load_from_memory(&picture.bytes).unwrap();
        assert_eq!((back.width(), back.height()), (SIDE, SIDE));
        assert!(back.to_rgb8().get_pixel(256, 256).0[1] > 180);
        assert_eq!(develop(&png(30, 30, [0, 0, 0, 0])).unwrap().extension, "png");
        assert!(develop(&png(2_500, 2_400, [9, 9, 9, 255])).is_ok());
    }

    #[test]
    fn bombs_and_disguises_are_refused() {
        // A header that promises 50,000 by 50,000 pixels costs 40 bytes to write.
        let mut bomb = png(1, 1, [0; 4]);
        bomb[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
        assert!(develop(&bomb).is_err());
        assert!(matches!(develop(&png(6_000, 5_000, [0; 4])), Err(AvatarError::TooManyPixels)));
        for disguise in
            [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"#EXTM3U", b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"]
        {
            assert!(matches!(develop(disguise), Err(AvatarError::NotAPicture)), "{disguise:?}");
        }
    }
}
