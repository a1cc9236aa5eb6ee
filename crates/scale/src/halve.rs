//! Every pixel the mean of four.

use super::Shape;

/// Fills `half`, whose sides are half of `shape`'s, rounded down.
pub(crate) fn halve(picture: &[u8], shape: Shape, half: &mut [u8], target: Shape) {
    for (number, row) in half.chunks_exact_mut(target.stride).take(target.height).enumerate() {
        let upper = &picture[2 * number * shape.stride..][..shape.width];
        let lower = &picture[(2 * number + 1) * shape.stride..][..shape.width];
        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for (pixel, (upper, lower)) in row.iter_mut().zip(pairs) {
            let sum = u16::from(upper[0]) + u16::from(upper[1]) + u16::from(lower[0]) + u16::from(lower[1]);
            *pixel = ((sum + 2) >> 2) as u8;
        }
    }
}
