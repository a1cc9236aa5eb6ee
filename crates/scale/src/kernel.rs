//! Four weighted pixels down, then four across, a row of the target at a time.

use super::Shape;
use super::taps::{ONE, TAPS, Taps};

/// Rounds a sum of weighted pixels.
const HALF: u16 = ONE.cast_unsigned() as u16 / 2;
const SHIFT: u32 = ONE.trailing_zeros();
/// Pixels of the target that are made at once, and of the source that may be looked at for four of them.
const GROUP: usize = 8;
const WINDOW: usize = 16;

/// Scales by less than two, or thereabouts.
#[derive(Debug)]
pub(crate) struct Kernel {
    across: Taps,
    down: Taps,
    /// The source's size, in pixels.
    from: (usize, usize),
    /// Weighted rows, with room behind the last pixel for a whole window.
    line: Vec<u8>,
    groups: Vec<Group>,
    is_wide: bool,
}

/// Eight pixels of a row: where their two windows begin, which byte goes where, and how much it counts.
#[derive(Debug, Clone)]
struct Group {
    starts: [u32; 2],
    places: [[u8; WINDOW]; 2],
    weights: [[u8; WINDOW]; 2],
}

impl Kernel {
    pub(crate) fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        let (across, down) = (Taps::new(from.0, to.0), Taps::new(from.1, to.1));
        let groups: Option<Vec<Group>> = across
            .starts
            .chunks_exact(GROUP)
            .zip(across.weights.chunks_exact(GROUP))
            .map(|(starts, weights)| Group::new(starts, weights))
            .collect();
        let is_wide = has_avx2() && groups.is_some();
        let line = vec![0; from.0 + WINDOW];
        Self { across, down, from, line, groups: groups.unwrap_or_default(), is_wide }
    }

    /// Both planes have been seen to hold what their shapes say.
    pub(crate) fn run(&mut self, picture: &[u8], stride: usize, to: &mut [u8], target: Shape) {
        #[cfg(target_arch = "x86_64")]
        if self.is_wide {
            #[expect(unsafe_code, reason = "a function for processors with AVX2")]
            // SAFETY: the processor was asked whether it has AVX2 when `is_wide` was set.
            unsafe {
                self.run_wide(picture, stride, to, target);
            }
            return;
        }
        self.run_with(picture, stride, to, target, across_plain);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_wide(&mut self, picture: &[u8], stride: usize, to: &mut [u8], target: Shape) {
        self.run_with(picture, stride, to, target, |kernel, row| {
            for (group, pixels) in kernel.groups.iter().zip(row.chunks_exact_mut(GROUP)) {
                pixels.copy_from_slice(&wide::eight(&kernel.line, group));
            }
            let done = kernel.groups.len() * GROUP;
            weigh(&kernel.line, &kernel.across, done, &mut row[done..]);
        });
    }

    #[inline(always)]
    fn run_with(
        &mut self,
        picture: &[u8],
        stride: usize,
        to: &mut [u8],
        target: Shape,
        across: impl Fn(&Self, &mut [u8]),
    ) {
        let (width, height) = self.from;
        let (keeps_width, keeps_height) = (width == target.width, height == target.height);
        for number in 0..target.height {
            let row = &mut to[number * target.stride..][..target.width];
            let (start, weights) = (self.down.starts[number] as usize, self.down.weights[number]);
            let rows: [&[u8]; TAPS] =
                std::array::from_fn(|tap| &picture[(start + tap).min(height - 1) * stride..][..width]);
            if keeps_height {
                self.line[..width].copy_from_slice(&picture[number * stride..][..width]);
            } else {
                blend(&mut self.line[..width], rows, weights);
            }
            self.line[width] = self.line[width - 1];
            if keeps_width {
                row.copy_from_slice(&self.line[..width]);
            } else {
                across(self, row);
            }
        }
    }
}

impl Group {
    /// `None` where four pixels are made of more of the source than fits a window.
    fn new(starts: &[u32], weights: &[[u8; TAPS]]) -> Option<Self> {
        let mut group = Self { starts: [0; 2], places: [[0; WINDOW]; 2], weights: [[0; WINDOW]; 2] };
        for (pixel, (start, weight)) in starts.iter().zip(weights).enumerate() {
            let (half, within) = (pixel / TAPS, pixel % TAPS);
            let begin = *starts.get(half * TAPS)?;
            group.starts[half] = begin;
            for (tap, weight) in weight.iter().enumerate() {
                let place = (start - begin) as usize + tap;
                let at = within * TAPS + tap;
                group.places[half][at] = u8::try_from(place).ok().filter(|place| usize::from(*place) < WINDOW)?;
                group.weights[half][at] = *weight;
            }
        }
        Some(group)
    }
}

fn across_plain(kernel: &Kernel, row: &mut [u8]) {
    weigh(&kernel.line, &kernel.across, 0, row);
}

/// Pixels of a row from number `first` on.
#[inline(always)]
fn weigh(line: &[u8], across: &Taps, first: usize, row: &mut [u8]) {
    let taps = across.starts[first..].iter().zip(&across.weights[first..]);
    for (pixel, (start, weights)) in row.iter_mut().zip(taps) {
        let window = &line[*start as usize..][..TAPS];
        let weighted = window.iter().zip(weights).map(|(pixel, weight)| u16::from(*pixel) * u16::from(*weight));
        *pixel = ((weighted.sum::<u16>() + HALF) >> SHIFT) as u8;
    }
}

/// The weighted mean of four rows, of three where the fourth counts nothing.
#[inline(always)]
fn blend(line: &mut [u8], rows: [&[u8]; TAPS], weights: [u8; TAPS]) {
    let [a, b, c, d] = rows.map(|row| &row[..line.len()]);
    let [wa, wb, wc, wd] = weights.map(u16::from);
    if wd == 0 {
        for (((pixel, a), b), c) in line.iter_mut().zip(a).zip(b).zip(c) {
            *pixel = ((u16::from(*a) * wa + u16::from(*b) * wb + u16::from(*c) * wc + HALF) >> SHIFT) as u8;
        }
    } else {
        for ((((pixel, a), b), c), d) in line.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let sum = u16::from(*a) * wa + u16::from(*b) * wb + u16::from(*c) * wc + u16::from(*d) * wd;
            *pixel = ((sum + HALF) >> SHIFT) as u8;
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use super::{GROUP, Group, HALF, SHIFT, WINDOW};

    /// Eight pixels of a row: bytes are put beside their weights, multiplied and added in pairs, twice.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn eight(line: &[u8], group: &Group) -> [u8; GROUP] {
        let half = |number: usize| {
            let window = load(&line[group.starts[number] as usize..]);
            let spread = _mm_shuffle_epi8(window, load(&group.places[number]));
            _mm_maddubs_epi16(spread, load(&group.weights[number]))
        };
        let sums = _mm_hadd_epi16(half(0), half(1));
        let rounded = _mm_add_epi16(sums, _mm_set1_epi16(HALF.cast_signed()));
        let pixels = _mm_srli_epi16::<{ SHIFT.cast_signed() }>(rounded);
        _mm_cvtsi128_si64(_mm_packus_epi16(pixels, pixels)).to_le_bytes()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8]) -> __m128i {
        let eight = |from: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[from..from + 8]);
            i64::from_le_bytes(eight)
        };
        let _ = &bytes[..WINDOW];
        _mm_set_epi64x(eight(8), eight(0))
    }
}

#[cfg(test)]
impl Kernel {
    /// The same without the processor's help.
    pub(crate) fn plain(mut self) -> Self {
        self.is_wide = false;
        self
    }
}
