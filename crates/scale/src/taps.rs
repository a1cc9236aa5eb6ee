//! Which pixels of a row or column make one of a smaller one, and how much each counts.

/// Weights of one pixel add up to this.
pub(crate) const ONE: i32 = 128;
/// Pixels that make one.
pub(crate) const TAPS: usize = 4;

/// One entry for each pixel of the smaller side.
#[derive(Debug, Clone)]
pub(crate) struct Taps {
    /// The first of the four.
    pub(crate) starts: Vec<u32>,
    /// In 128ths; none is more than 127, so that they fit a signed byte.
    pub(crate) weights: Vec<[u8; TAPS]>,
}

impl Taps {
    /// For a side of `from` pixels made `to` pixels long. With more than twice as many some are passed over.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sides of pictures, clamped")]
    pub(crate) fn new(from: usize, to: usize) -> Self {
        let ratio = from as f64 / to.max(1) as f64;
        let half = ratio.clamp(1.0, 2.0);
        let last = from.saturating_sub(1) as i64;
        let (mut starts, mut weights) = (Vec::with_capacity(to), Vec::with_capacity(to));
        for pixel in 0..to {
            let centre = (pixel as f64 + 0.5) * ratio - 0.5;
            let begin = (centre - half).floor() as i64 + 1;
            let start = begin.clamp(0, (last + 1 - TAPS as i64).max(0));
            let mut shares = [0.0; TAPS];
            // Beyond the edge there is nothing.
            for tap in begin.max(0)..(begin + TAPS as i64).min(last + 1) {
                let place = (tap - start).clamp(0, TAPS as i64 - 1) as usize;
                shares[place] += (1.0 - (tap as f64 - centre).abs() / half).max(0.0);
            }
            starts.push(start as u32);
            weights.push(whole(shares));
        }
        Self { starts, weights }
    }
}

/// Shares in 128ths that add up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 128")]
fn whole(shares: [f64; TAPS]) -> [u8; TAPS] {
    let sum: f64 = shares.iter().sum();
    let mut whole = shares.map(|share| (share / sum * f64::from(ONE)).round() as i32);
    let missing = ONE - whole.iter().sum::<i32>();
    let largest = (0..TAPS).max_by_key(|tap| whole[*tap]).unwrap_or(0);
    whole[largest] += missing;
    if whole[largest] == ONE {
        whole[largest] -= 1;
        whole[if largest + 1 < TAPS { largest + 1 } else { largest - 1 }] += 1;
    }
    whole.map(|weight| weight as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_stay_on_the_picture() {
        for (from, to) in [(1_280, 854), (1_280, 640), (640, 427), (721, 480), (5, 3), (4, 4), (3, 2), (2, 1), (1, 1)] {
            let taps = Taps::new(from, to);
            assert_eq!(taps.starts.len(), to);
            for (start, weights) in taps.starts.iter().zip(&taps.weights) {
                assert_eq!(weights.iter().map(|weight| i32::from(*weight)).sum::<i32>(), ONE, "{from} to {to}");
                assert!(weights.iter().all(|weight| *weight < 128), "{weights:?}");
                let last = weights.iter().rposition(|weight| *weight > 0).unwrap();
                assert!(*start as usize + last < from.max(TAPS), "{start} {weights:?} of {from}");
            }
            assert!(taps.starts.is_sorted());
        }
    }
}
