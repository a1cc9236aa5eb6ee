//! Planes of pictures made smaller, on the processor, without GStreamer.
//!
//! A crate of its own because the work is generic code that is compiled where it is used: here it is optimised in every
//! profile. Bilinear with the kernel widened by the ratio: no pixel of the source is passed over, whatever the step.

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// How a plane lies in memory: eight bits a pixel, rows one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub width: u32,
    pub height: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// Why a plane cannot be scaled.
#[derive(Debug, thiserror::Error)]
#[error("a plane of {shape:?} in {bytes} bytes cannot be scaled: {reason}")]
pub struct BadPlane {
    shape: Shape,
    bytes: usize,
    reason: String,
}

impl BadPlane {
    fn of<E: std::fmt::Display>(shape: Shape, bytes: usize) -> impl FnOnce(E) -> Self {
        move |reason| Self { shape, bytes, reason: reason.to_string() }
    }
}

/// Scales planes, and keeps its memory from one to the next.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: Resizer,
}

impl Scaler {
    /// Fills the plane `to` with the picture in the plane `from`.
    pub fn plane(&mut self, from: &[u8], shape: Shape, to: &mut [u8], target: Shape) -> Result<(), BadPlane> {
        let (length, to_length) = (from.len(), to.len());
        let source = TypedImageRef::<U8>::from_buffer(shape.stride, rows(shape, length), from)
            .map_err(BadPlane::of(shape, length))?;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .use_alpha(false)
            .crop(0.0, 0.0, f64::from(shape.width), f64::from(shape.height));
        let whole = TypedImage::<U8>::from_buffer(target.stride, rows(target, to_length), to)
            .map_err(BadPlane::of(target, to_length))?;
        let mut part = TypedCroppedImageMut::new(whole, 0, 0, target.width, target.height)
            .map_err(BadPlane::of(target, to_length))?;
        self.resizer.resize_typed(&source, &mut part, &options).map_err(BadPlane::of(shape, length))
    }
}

/// Whole rows in so many bytes, at most the plane's: with fewer the plane is refused further on.
fn rows(shape: Shape, bytes: usize) -> u32 {
    let there = bytes / (shape.stride as usize).max(1);
    shape.height.min(u32::try_from(there).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: u32, height: u32, stride: u32) -> Shape {
        Shape { width, height, stride }
    }

    fn scaled(from: Shape, to: Shape, pixel: impl Fn(u32, u32) -> u8) -> Vec<u8> {
        let mut source = vec![255; (from.stride * from.height) as usize];
        for row in 0..from.height {
            for column in 0..from.width {
                source[(row * from.stride + column) as usize] = pixel(column, row);
            }
        }
        let mut target = vec![9; (to.stride * to.height) as usize];
        Scaler::default().plane(&source, from, &mut target, to).expect("scaled");
        target
    }

    #[test]
    fn a_ramp_stays_a_ramp_and_what_lies_between_rows_is_left_alone() {
        let (from, to) = (shape(1_282, 721, 1_344), shape(854, 480, 856));
        let luma = scaled(from, to, |column, _| (column / 6) as u8);
        for row in [0, 239, 479] {
            for column in (3..851).step_by(7) {
                let expected = f64::from(column) * 1_282.0 / 854.0 / 6.0;
                let found = f64::from(luma[(row * to.stride + column) as usize]);
                assert!((found - expected).abs() <= 1.5, "{found} for {expected} at {column},{row}");
            }
            assert_eq!(luma[(row * to.stride + 854) as usize..][..2], [9, 9]);
        }
    }

    #[test]
    fn every_pixel_counts_where_the_step_is_large() {
        // Columns of black and white: a scaler that passes pixels over would give one or the other.
        let luma = scaled(shape(640, 360, 640), shape(160, 90, 160), |column, _| if column % 2 == 0 { 0 } else { 200 });
        assert!(luma.iter().all(|value| (90..=110).contains(value)), "{:?}", &luma[..16]);
    }

    #[test]
    fn planes_that_are_not_all_there_are_refused() {
        let (from, to) = (shape(64, 64, 64), shape(32, 32, 32));
        let mut target = vec![0; 32 * 32];
        assert!(Scaler::default().plane(&[0; 64 * 63], from, &mut target, to).is_err());
        assert!(Scaler::default().plane(&[0; 64 * 64], from, &mut target[..32 * 31], to).is_err());
        assert!(Scaler::default().plane(&[0; 64 * 64], shape(65, 64, 64), &mut target, to).is_err());
        assert!(Scaler::default().plane(&[], shape(64, 64, 0), &mut target, to).is_err());
    }
}
