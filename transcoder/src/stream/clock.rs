//! Which wall-clock time a moment of media has (`EXT-X-PROGRAM-DATE-TIME`).
//!
//! Anchored when the first frame of a connection arrives and then counted in media time, so that dates differ by exactly what
//! segments last. The wall clock is looked at again only where a discontinuity stands anyway.

/// A new period keeps the anchor when the wall clock agrees with it to this much.
const DRIFT_MS_MAX: i64 = 2_000;

/// The stream's dates. Media moments are microseconds on the stream's clock.
#[derive(Debug, Default)]
pub(crate) struct ProgramClock {
    anchor: Option<Anchor>,
    /// The latest date at which published media ends.
    end_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    unix_us: i64,
    media_us: i64,
}

impl ProgramClock {
    /// Begins a period at `media_us`, `now_ms` being the present. Dates never go back.
    pub(crate) fn begin_period(&mut self, media_us: i64, now_ms: i64, is_new_connection: bool) {
        let kept = self.anchor.map(|anchor| anchor.date_us(media_us)).filter(|date_us| {
            !is_new_connection && (date_us / 1_000 - now_ms).abs() <= DRIFT_MS_MAX && *date_us >= self.end_us
        });
        if kept.is_none() {
            self.anchor = Some(Anchor { unix_us: (now_ms * 1_000).max(self.end_us), media_us });
        }
    }

    /// The date of a moment, Unix microseconds.
    pub(crate) fn date_us(&self, media_us: i64) -> i64 {
        self.anchor.map_or(0, |anchor| anchor.date_us(media_us))
    }

    /// Tells that media up to `media_us` was published.
    pub(crate) fn published_until(&mut self, media_us: i64) {
        self.end_us = self.end_us.max(self.date_us(media_us));
    }
}

impl Anchor {
    fn date_us(self, media_us: i64) -> i64 {
        self.unix_us + (media_us - self.media_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_advance_with_the_media_and_not_with_the_wall() {
        let mut clock = ProgramClock::default();
        clock.begin_period(500_000, 1_000_000, true);
        assert_eq!(clock.date_us(500_000), 1_000_000_000);
        assert_eq!(clock.date_us(2_500_000), 1_002_000_000);
        clock.published_until(2_500_000);
        clock.begin_period(2_500_000, 1_002_300, false);
        assert_eq!(clock.date_us(2_500_000), 1_002_000_000, "a small difference moves nothing");
    }

    #[test]
    fn a_new_connection_is_anchored_anew_but_never_in_the_past() {
        let mut clock = ProgramClock::default();
        clock.begin_period(0, 1_000_000, true);
        clock.published_until(60_000_000);
        clock.begin_period(60_000_000, 1_030_000, true);
        assert_eq!(clock.date_us(60_000_000), 1_060_000_000, "it was fed faster than time passes");
        clock.begin_period(60_000_000, 1_090_000, true);
        assert_eq!(clock.date_us(60_000_000), 1_090_000_000);
    }
}
