//! Planes of pictures made smaller, on the processor, without GStreamer.
//!
//! A crate of its own because the work is done pixel by pixel: here it is optimised in every profile. Bilinear with the
//! kernel widened by the ratio, so that no pixel of the source is passed over: halved for as long as the ratio is two or
//! more, then four weighted pixels each way. A row at a time, down first, so that what lies between stays in the fastest
//! cache. With AVX2 where the processor has it.

mod halve;
mod kernel;
mod taps;

use kernel::Kernel;

/// Why a plane cannot be scaled.
#[derive(Debug, thiserror::Error)]
#[error("a plane of {width}x{height}, {stride} bytes a row, is not in {bytes} bytes")]
pub struct BadPlane {
    width: usize,
    height: usize,
    stride: usize,
    bytes: usize,
}

/// How a plane lies in memory: eight bits a pixel, rows one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub width: usize,
    pub height: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
}

impl Shape {
    /// Whether all its pixels are in so many bytes.
    fn check(self, bytes: usize) -> Result<(), BadPlane> {
        let Self { width, height, stride } = self;
        let needed = height.checked_sub(1).and_then(|rows| rows.checked_mul(stride)?.checked_add(width));
        let is_whole = width > 0 && width <= stride && needed.is_some_and(|needed| needed <= bytes);
        if is_whole { Ok(()) } else { Err(BadPlane { width, height, stride, bytes }) }
    }
}

/// Scales planes of one size to another size.
#[derive(Debug)]
pub struct PlaneScaler {
    from: (usize, usize),
    to: (usize, usize),
    /// The halves, largest first.
    halves: Vec<Halved>,
    kernel: Option<Kernel>,
}

#[derive(Debug)]
struct Halved {
    shape: Shape,
    pixels: Vec<u8>,
}

impl PlaneScaler {
    /// Width and height of both planes. `None` when there is nothing of one. A side may grow, though what is made here is smaller: pictures
    /// of pixels that are not square do.
    pub fn new(from: (usize, usize), to: (usize, usize)) -> Option<Self> {
        if [from.0, from.1, to.0, to.1].contains(&0) {
            return None;
        }
        let mut halves = Vec::new();
        let (mut width, mut height) = from;
        while width >= 2 * to.0 && height >= 2 * to.1 {
            (width, height) = (width / 2, height / 2);
            let shape = Shape { width, height, stride: width };
            halves.push(Halved { shape, pixels: vec![0; width * height] });
        }
        let is_rest = (width, height) != to;
        let kernel = is_rest.then(|| Kernel::new((width, height), to));
        Some(Self { from, to, halves, kernel })
    }

    /// Fills the plane `to` with the picture in the plane `from`. What lies between the rows of `to` is left alone.
    pub fn scale(
        &mut self,
        (from, from_stride): (&[u8], usize),
        (to, to_stride): (&mut [u8], usize),
    ) -> Result<(), BadPlane> {
        let mut shape = Shape { width: self.from.0, height: self.from.1, stride: from_stride };
        let target = Shape { width: self.to.0, height: self.to.1, stride: to_stride };
        shape.check(from.len())?;
        target.check(to.len())?;
        let mut picture = from;
        for Halved { shape: half, pixels } in &mut self.halves {
            halve::halve(picture, shape, pixels, *half);
            (picture, shape) = (pixels, *half);
        }
        match &mut self.kernel {
            Some(kernel) => kernel.run(picture, shape.stride, to, target),
            None => {
                for (to, from) in to.chunks_mut(target.stride).zip(picture.chunks(shape.stride)).take(target.height) {
                    to[..target.width].copy_from_slice(&from[..target.width]);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
