//! Pictures of messages: whatever was sent, decoded under limits, kept as our own encoding.

use std::fs::File;
use std::io::{BufReader, Seek};

use db::attachments::Picture;
use domain::attachment::{AttachmentError, PictureFormat};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

/// Width or height of what is sent.
const SIDE_MAX: u32 = 12_000;
/// Judged from the header, before a pixel is decoded: 24 million pixels are at most 96 MB.
const PIXELS_MAX: u64 = 24_000_000;
const DECODER_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// The longer side of what is kept, and of what is shown in a conversation.
const SIDE: u32 = 2_560;
const THUMB_SIDE: u32 = 480;
const JPEG_QUALITY: u8 = 88;
const THUMB_QUALITY: u8 = 80;
/// What came without loss stays so up to this, or if it has clear pixels.
const LOSSLESS_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A picture of ours.
pub(super) struct Encoded {
    pub bytes: Vec<u8>,
    pub mime: &'static str,
}

pub(super) struct Made {
    pub picture: Encoded,
    pub thumbnail: Encoded,
    width: u32,
    height: u32,
}

impl Made {
    /// All it takes in the bucket.
    pub(super) fn bytes(&self) -> u64 {
        (self.picture.bytes.len() + self.thumbnail.bytes.len()) as u64
    }

    pub(super) fn row(&self) -> Picture<'_> {
        Picture { width: self.width.cast_signed(), height: self.height.cast_signed(), thumb_mime: self.thumbnail.mime }
    }
}

/// Makes our own picture, at most [`SIDE`] pixels long, and its thumbnail. Of what moves the first frame; nothing of a file but its
/// pixels.
pub(super) fn develop(mut file: File, format: PictureFormat) -> Result<Made, AttachmentError> {
    file.rewind().map_err(|_| AttachmentError::Busy)?;
    let known = match format {
        PictureFormat::Jpeg => ImageFormat::Jpeg,
        PictureFormat::Png => ImageFormat::Png,
        PictureFormat::WebP => ImageFormat::WebP,
        PictureFormat::Gif => ImageFormat::Gif,
    };
    let mut reader = ImageReader::with_format(BufReader::new(file), known);
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(sort)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX || width == 0 || height == 0 {
        return Err(AttachmentError::TooManyPixels);
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(sort)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let (width, height) = fit(&picture, SIDE);
    if (width, height) != (picture.width(), picture.height()) {
        // A box filter: the fine ones need 16 bytes for each pixel they start from.
        picture = picture.thumbnail_exact(width, height);
    }
    let has_holes = picture.color().has_alpha() && picture.to_rgba8().pixels().any(|pixel| pixel.0[3] != u8::MAX);
    let is_lossless = format != PictureFormat::Jpeg;
    let small = small(&picture);
    let made = || -> Result<Made, ImageError> {
        let thumbnail = if has_holes { webp(&small, true)? } else { jpeg(&small, THUMB_QUALITY)? };
        let kept = if has_holes || is_lossless { Some(webp(&picture, has_holes)?) } else { None };
        let kept = kept.filter(|webp| has_holes || webp.bytes.len() <= LOSSLESS_BYTES_MAX);
        let picture = match kept {
            Some(webp) => webp,
            None => jpeg(&picture, JPEG_QUALITY)?,
        };
        Ok(Made { picture, thumbnail, width, height })
    };
    made().map_err(|error| {
        tracing::warn!(%error, "a picture could not be encoded");
        AttachmentError::Busy
    })
}

/// Width and height with a longer side of at most so many pixels.
fn fit(picture: &DynamicImage, side: u32) -> (u32, u32) {
    let (width, height) = (picture.width(), picture.height());
    let longest = width.max(height);
    if longest <= side {
        return (width, height);
    }
    // At most 12,000 by 2,560: no product of two lengths is too large.
    let scaled = |length: u32| (length * side / longest).clamp(1, side);
    (scaled(width), scaled(height))
}

fn small(picture: &DynamicImage) -> DynamicImage {
    let (width, height) = fit(picture, THUMB_SIDE);
    let longest = picture.width().max(picture.height());
    if longest > 4 * THUMB_SIDE {
        return picture.thumbnail_exact(2 * width, 2 * height).resize_exact(width, height, FilterType::CatmullRom);
    }
    picture.resize_exact(width, height, FilterType::CatmullRom)
}

fn webp(picture: &DynamicImage, has_holes: bool) -> Result<Encoded, ImageError> {
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    match has_holes {
        true => picture.to_rgba8().write_with_encoder(encoder)?,
        false => picture.to_rgb8().write_with_encoder(encoder)?,
    }
    Ok(Encoded { bytes, mime: "image/webp" })
}

fn jpeg(picture: &DynamicImage, quality: u8) -> Result<Encoded, ImageError> {
    let mut bytes = Vec::new();
    picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(Encoded { bytes, mime: "image/jpeg" })
}

fn sort(error: ImageError) -> AttachmentError {
    match error {
        ImageError::Limits(_) => AttachmentError::TooManyPixels,
        _ => AttachmentError::NotAPicture,
    }
}
