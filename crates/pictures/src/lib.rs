//! Pictures of members: whatever was sent, decoded under limits, kept as our own encoding.

use std::fs::File;
use std::io::{BufReader, Seek};

use domain::attachment::PictureFormat;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
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
/// Of what is kept as a file: what it loses is not seen.
const FILE_QUALITY: u8 = 94;
/// What came without loss stays so up to this, or if it has clear pixels.
const LOSSLESS_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("these bytes are no picture of that format")]
    NotAPicture,
    #[error("the picture has too many pixels: 24 million and 12,000 on a side at most")]
    TooManyPixels,
    /// It may be done another time.
    #[error("the picture could not be read or encoded")]
    Failed,
}

/// What is made of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To be shown in a conversation: of a size for screens, as small as can be.
    Message,
    /// To be kept: every pixel, in the format it came in.
    File,
}

/// A picture of ours.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub mime: &'static str,
}

/// A picture and its thumbnail.
pub struct Made {
    pub picture: Encoded,
    pub thumbnail: Encoded,
    pub width: u32,
    pub height: u32,
}

impl Made {
    /// All it takes in the bucket.
    pub fn bytes(&self) -> u64 {
        (self.picture.bytes.len() + self.thumbnail.bytes.len()) as u64
    }
}

/// Makes our own picture and its thumbnail, of a file that is read from its beginning. Of what moves the first frame; nothing of a file but
/// its pixels. Blocks for as long as that takes, seconds at most; what it holds is bounded by the limits above.
pub fn develop(mut file: File, format: PictureFormat, wanted: Use) -> Result<Made, PictureError> {
    file.rewind().map_err(|_| PictureError::Failed)?;
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
        return Err(PictureError::TooManyPixels);
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(sort)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let (width, height) = match wanted {
        Use::Message => fit(&picture, SIDE),
        Use::File => (picture.width(), picture.height()),
    };
    if (width, height) != (picture.width(), picture.height()) {
        // A box filter: the fine ones need 16 bytes for each pixel they start from.
        picture = picture.thumbnail_exact(width, height);
    }
    let has_holes = picture.color().has_alpha() && picture.to_rgba8().pixels().any(|pixel| pixel.0[3] != u8::MAX);
    let is_lossless = format != PictureFormat::Jpeg;
    let small = small(&picture);
    let made = || -> Result<Made, ImageError> {
        let thumbnail = if has_holes { webp(&small, true)? } else { jpeg(&small, THUMB_QUALITY)? };
        if wanted == Use::File {
            let picture = match format {
                PictureFormat::Jpeg => jpeg(&picture, FILE_QUALITY)?,
                PictureFormat::Png => png(&picture)?,
                PictureFormat::WebP | PictureFormat::Gif => webp(&picture, has_holes)?,
            };
            return Ok(Made { picture, thumbnail, width, height });
        }
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
        PictureError::Failed
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

fn png(picture: &DynamicImage) -> Result<Encoded, ImageError> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(PngEncoder::new(&mut bytes))?;
    Ok(Encoded { bytes, mime: "image/png" })
}

fn jpeg(picture: &DynamicImage, quality: u8) -> Result<Encoded, ImageError> {
    let mut bytes = Vec::new();
    picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(Encoded { bytes, mime: "image/jpeg" })
}

fn sort(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooManyPixels,
        _ => PictureError::NotAPicture,
    }
}
