//! Measured bit rates of a rendition, for the `BANDWIDTH` and `AVERAGE-BANDWIDTH` of a multivariant playlist.

/// Headroom of a declared rate over what was measured, in percent. Segments to come may be larger than those seen; Apple's
/// checks let a live stream exceed the declared peak by 25 % and the average by 10 %.
const PEAK_MARGIN: u64 = 10;
const AVERAGE_MARGIN: u64 = 5;

/// Rates of one rendition over its finished segments.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bandwidth {
    peak_bps: u64,
    bytes: u64,
    duration_us: u64,
}

impl Bandwidth {
    /// Counts a finished segment. Segments under half a second tell nothing about a peak and count for the average only.
    pub fn push(&mut self, bytes: u64, duration_s: f64) {
        let duration_us = (duration_s.clamp(0.0, 3_600.0) * 1e6) as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        self.duration_us = self.duration_us.saturating_add(duration_us);
        if duration_us >= 500_000 {
            self.peak_bps = self.peak_bps.max(rate(bytes, duration_us));
        }
    }

    /// Peak bits per second to declare, at least 1.
    pub fn peak(&self) -> u64 {
        with_margin(self.peak_bps.max(rate(self.bytes, self.duration_us)), PEAK_MARGIN)
    }

    /// Average bits per second to declare, at least 1.
    pub fn average(&self) -> u64 {
        with_margin(rate(self.bytes, self.duration_us), AVERAGE_MARGIN)
    }
}

/// Bits per second to declare for a playlist of key frames one of which has `bytes` and is shown for `duration_s`. Scraps of
/// segments count as a fifth of a second: their key frame is as large as any other.
pub fn iframe_bps(bytes: u64, duration_s: f64) -> u64 {
    with_margin(rate(bytes, (duration_s.clamp(0.2, 3_600.0) * 1e6) as u64), PEAK_MARGIN)
}

fn rate(bytes: u64, duration_us: u64) -> u64 {
    let bits = u128::from(bytes) * 8 * 1_000_000;
    u64::try_from(bits / u128::from(duration_us.max(1))).unwrap_or(u64::MAX)
}

fn with_margin(bps: u64, percent: u64) -> u64 {
    bps.saturating_add(bps / 100 * percent).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_and_average_follow_the_segments() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.push(250_000, 2.0);
        bandwidth.push(500_000, 2.0);
        assert_eq!(bandwidth.peak(), 2_200_000);
        assert_eq!(bandwidth.average(), 1_575_000);
        bandwidth.push(1_000_000, 0.1);
        assert_eq!(bandwidth.peak(), 3_756_094, "an average above the peak lifts it; a scrap of a segment does not");
    }

    #[test]
    fn nothing_measured_is_still_a_legal_rate() {
        assert_eq!((Bandwidth::default().peak(), Bandwidth::default().average()), (1, 1));
    }
}
