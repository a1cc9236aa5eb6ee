//! An emote's pictures, made from whatever somebody sent: decoded under limits, kept only as our own encoding.

use std::io::Cursor;

use domain::chat::emote::SIDES;
use image::codecs::webp::WebPEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbaImage};

use super::EmoteError;

/// Width or height.
const SIDE_MAX: u32 = 4_096;
/// Smaller ones would only be blurred.
const SIDE_MIN: u32 = 28;
/// Judged from the header, before a pixel is decoded: four million pixels are at most 32 MB.
const PIXELS_MAX: u64 = 4_000_000;
const DECODER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const FORMATS: [ImageFormat; 4] = [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Jpeg];

/// WebP pictures of [`SIDES`], each the whole of what was sent with nothing around it but clear pixels. Of something animated it is
/// the first frame; what a file says beside its pixels is left behind.
pub(super) fn develop(upload: &[u8]) -> Result<[Vec<u8>; 3], EmoteError> {
    let mut reader =
        ImageReader::new(Cursor::new(upload)).with_guessed_format().map_err(|_| EmoteError::NotAPicture)?;
    if !reader.format().is_some_and(|format| FORMATS.contains(&format)) {
        return Err(EmoteError::NotAPicture);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(sort)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(EmoteError::TooManyPixels);
    }
    if width.max(height) < SIDE_MIN {
        return Err(EmoteError::TooSmall);
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(sort)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let [mut small, mut middle, mut large] = [const { Vec::new() }; 3];
    for (side, bytes) in SIDES.into_iter().zip([&mut small, &mut middle, &mut large]) {
        square(&picture, side).write_with_encoder(WebPEncoder::new_lossless(bytes)).map_err(EmoteError::Failed)?;
    }
    Ok([small, middle, large])
}

/// The whole picture in the middle of a clear square.
fn square(picture: &DynamicImage, side: u32) -> RgbaImage {
    let longest = picture.width().max(picture.height()).max(1);
    // At most 4,096 by 112: no product of two lengths is too large.
    let fit = |length: u32| (length * side / longest).clamp(1, side);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    // A cheap box filter first: the fine one needs 16 bytes for each pixel it starts from.
    let near = if longest > 4 * side { &picture.thumbnail_exact(2 * width, 2 * height) } else { picture };
    let scaled = near.resize_exact(width, height, FilterType::CatmullRom).to_rgba8();
    let mut square = RgbaImage::new(side, side);
    imageops::replace(&mut square, &scaled, i64::from((side - width) / 2), i64::from((side - height) / 2));
    square
}

fn sort(error: image::ImageError) -> EmoteError {
    match error {
        image::ImageError::Limits(_) => EmoteError::TooManyPixels,
        _ => EmoteError::NotAPicture,
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::codecs::jpeg::JpegEncoder;
    use image::codecs::png::PngEncoder;
    use image::{Frame, Rgba};

    use super::*;

    fn png(width: u32, height: u32, pixel: [u8; 4]) -> Vec<u8> {
        let mut bytes = Vec::new();
        RgbaImage::from_pixel(width, height, Rgba(pixel)).write_with_encoder(PngEncoder::new(&mut bytes)).unwrap();
        bytes
    }

    fn back(bytes: &[u8]) -> RgbaImage {
        assert_eq!(&bytes[..4], b"RIFF");
        image::load_from_memory_with_format(bytes, ImageFormat::WebP).unwrap().to_rgba8()
    }

    #[test]
    fn whatever_was_sent_becomes_three_squares_of_ours() {
        let mut jpeg = Vec::new();
        let plain = image::RgbImage::from_pixel(300, 300, image::Rgb([10, 200, 30]));
        plain.write_with_encoder(JpegEncoder::new(&mut jpeg)).unwrap();
        let mut webp = Vec::new();
        let green = RgbaImage::from_pixel(64, 64, Rgba([10, 200, 30, 255]));
        green.write_with_encoder(WebPEncoder::new_lossless(&mut webp)).unwrap();
        for sent in [png(2_000, 2_000, [10, 200, 30, 255]), png(28, 28, [10, 200, 30, 255]), jpeg, webp] {
            let made = develop(&sent).unwrap();
            for (side, bytes) in SIDES.into_iter().zip(&made) {
                let picture = back(bytes);
                assert_eq!((picture.width(), picture.height()), (side, side));
                let Rgba([red, green, _, alpha]) = *picture.get_pixel(side / 2, side / 2);
                assert!(red < 40 && green > 180 && alpha == 255);
            }
        }
    }

    #[test]
    fn a_wide_picture_is_whole_and_clear_around() {
        let [_, _, large] = develop(&png(400, 100, [200, 0, 0, 255])).unwrap();
        let picture = back(&large);
        assert_eq!(picture.get_pixel(56, 2).0[3], 0);
        assert_eq!(picture.get_pixel(56, 109).0[3], 0);
        assert!(picture.get_pixel(2, 56).0[3] == 255 && picture.get_pixel(109, 56).0[3] == 255);
        assert!(develop(&png(4_000, 30, [1; 4])).is_ok(), "a thin one too");
    }

    #[test]
    fn of_what_moves_the_first_frame_is_kept() {
        let mut gif = Vec::new();
        let mut encoder = GifEncoder::new(&mut gif);
        for pixel in [[200, 0, 0, 255], [0, 0, 200, 255]] {
            encoder.encode_frame(Frame::new(RgbaImage::from_pixel(60, 60, Rgba(pixel)))).unwrap();
        }
        drop(encoder);
        let [small, ..] = develop(&gif).unwrap();
        let Rgba([red, _, blue, _]) = *back(&small).get_pixel(14, 14);
        assert!(red > 150 && blue < 60);
    }

    #[test]
    fn what_a_file_says_beside_its_pixels_is_left_behind() {
        let mut sent = png(64, 64, [9, 9, 9, 255]);
        // A text chunk right after the header, as cameras and editors leave them.
        let text = b"tEXtComment\0a secret place";
        let mut chunk = u32::try_from(text.len() - 4).unwrap().to_be_bytes().to_vec();
        chunk.extend_from_slice(text);
        chunk.extend_from_slice(&crc(text).to_be_bytes());
        sent.splice(33..33, chunk);
        let made = develop(&sent).unwrap();
        for bytes in made {
            assert!(!bytes.windows(6).any(|at| at == b"secret"));
        }
    }

    /// Of PNG (ISO 15948, annex D).
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
        })
    }

    #[test]
    fn bombs_disguises_and_crumbs_are_refused() {
        // A header that promises 50,000 by 50,000 pixels costs 40 bytes to write; one of 4,096 by 4,096 not many more.
        for side in [50_000_u32, 4_096] {
            let mut bomb = png(1, 1, [0; 4]);
            bomb[16..20].copy_from_slice(&side.to_be_bytes());
            bomb[20..24].copy_from_slice(&side.to_be_bytes());
            let crc = crc(&bomb[12..29]).to_be_bytes();
            bomb[29..33].copy_from_slice(&crc);
            assert!(matches!(develop(&bomb), Err(EmoteError::TooManyPixels)), "{side}");
        }
        assert!(matches!(develop(&png(2_100, 2_000, [0; 4])), Err(EmoteError::TooManyPixels)));
        assert!(matches!(develop(&png(5_000, 30, [0; 4])), Err(EmoteError::TooManyPixels)));
        assert!(matches!(develop(&png(27, 27, [0; 4])), Err(EmoteError::TooSmall)));
        // A screen of 65,535 by 65,535, and a frame to match.
        let gif = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;";
        assert!(matches!(develop(gif), Err(EmoteError::TooManyPixels | EmoteError::NotAPicture)));
        let mut torn = png(200, 200, [7, 7, 7, 255]);
        torn.truncate(torn.len() / 2);
        assert!(matches!(develop(&torn), Err(EmoteError::NotAPicture)));
        let disguises: [&[u8]; 9] = [
            b"<svg xmlns='http://www.w3.org/2000/svg' width='56' height='56'/>",
            b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
            b"#EXTM3U",
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"RIFF\xff\xff\xff\xffWEBPVP8 ",
            b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0",
            b"MZ\x90\0",
        ];
        for disguise in disguises {
            assert!(matches!(develop(disguise), Err(EmoteError::NotAPicture)), "{disguise:?}");
        }
    }
}
