//! Clips: spans of a recording's own time. How long one may be, what it may be called, and who may make one.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::order::Rank;

/// Shortest and longest clip, in milliseconds.
pub const CLIP_MS_MIN: i64 = 5_000;
pub const CLIP_MS_MAX: i64 = 90_000;
/// How far behind what is stored a clip of a running recording may end: what a viewer saw is stored some seconds later.
pub const AHEAD_MS_MAX: i64 = 20_000;
/// Clips of one recording by one member.
pub const CLIPS_PER_RECORDING_MAX: i64 = 30;

/// What a clip is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipTitle(String);

impl ClipTitle {
    pub const CHARS_MAX: usize = 100;

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = crate::chat::normalise_line(text);
        if text.is_empty() || text.chars().count() > Self::CHARS_MAX {
            return Err(Invalid::new("title", "must be 1 to 100 characters"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// From where to where, in milliseconds of the recording's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Span {
    /// A span of a recording of which `stored_ms` are stored. While it still grows, the end may be a little ahead of that; in a
    /// finished one an end beyond the last picture is that picture.
    pub fn within(start_ms: i64, end_ms: i64, stored_ms: i64, is_growing: bool) -> Result<Self, Invalid> {
        if start_ms < 0 || start_ms >= stored_ms {
            return Err(Invalid::new("start_ms", "must lie within the recording"));
        }
        let reach = if is_growing { stored_ms.saturating_add(AHEAD_MS_MAX) } else { stored_ms };
        // Players round, and the last picture's end is known to the millisecond only here.
        if end_ms > reach.saturating_add(if is_growing { 0 } else { 1_000 }) {
            return Err(Invalid::new("end_ms", "must lie within the recording"));
        }
        let span = Self { start_ms, end_ms: end_ms.min(reach) };
        if (CLIP_MS_MIN..=CLIP_MS_MAX).contains(&span.end_ms.saturating_sub(start_ms)) {
            Ok(span)
        } else {
            Err(Invalid::new("end_ms", "must be 5 to 90 seconds after the start"))
        }
    }

    pub fn duration_ms(self) -> i64 {
        self.end_ms - self.start_ms
    }
}

/// Who may make clips of a channel's recordings. Whoever may not see a recording cuts nothing out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clippers {
    #[default]
    Everybody,
    Followers,
    Moderators,
    /// But the channel's owner.
    Nobody,
}

impl Clippers {
    pub const ALL: [Self; 4] = [Self::Everybody, Self::Followers, Self::Moderators, Self::Nobody];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Followers => "followers",
            Self::Moderators => "moderators",
            Self::Nobody => "nobody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.as_str() == text)
    }

    /// Whether a member of this rank is among them.
    pub fn admits(self, rank: Rank, is_owner: bool, is_follower: bool) -> bool {
        match self {
            _ if is_owner => true,
            Self::Everybody => true,
            Self::Followers => is_follower || rank.may_moderate(),
            Self::Moderators => rank.may_moderate(),
            Self::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_five_to_ninety_seconds_of_what_there_is() {
        let ready = |start, end| Span::within(start, end, 60_000, false).map_err(|error| error.0.field);
        assert_eq!(ready(0, 5_000), Ok(Span { start_ms: 0, end_ms: 5_000 }));
        assert_eq!(ready(0, 60_400), Ok(Span { start_ms: 0, end_ms: 60_000 }), "cut to the last picture");
        assert_eq!(ready(56_000, 60_900), Err("end_ms"), "and then it is too short");
        for (start, end) in [(0, 4_999), (10_000, 9_000), (0, 61_001), (i64::MIN, i64::MAX), (0, i64::MIN)] {
            assert!(ready(start, end).is_err(), "{start} to {end}");
        }
        assert_eq!(ready(60_000, 66_000), Err("start_ms"));
        let long = |end| Span::within(0, end, 600_000, false).is_ok();
        assert!(long(90_000) && !long(90_001));
    }

    #[test]
    fn a_growing_recording_is_clipped_a_little_ahead_of_what_is_stored() {
        let live = |end| Span::within(50_000, end, 60_000, true);
        assert_eq!(live(80_000).map(|span| span.end_ms).ok(), Some(80_000));
        assert!(live(80_001).is_err());
        assert!(Span::within(60_000, 66_000, 60_000, true).is_err(), "it begins in what is stored");
    }

    #[test]
    fn whom_the_owner_lets_clip() {
        let admitted = |who: Clippers| {
            [
                who.admits(Rank::Viewer, false, false),
                who.admits(Rank::Viewer, false, true),
                who.admits(Rank::Moderator, false, false),
                who.admits(Rank::Keeper, false, false),
                who.admits(Rank::Keeper, true, false),
            ]
        };
        assert_eq!(admitted(Clippers::Everybody), [true; 5]);
        assert_eq!(admitted(Clippers::Followers), [false, true, true, true, true]);
        assert_eq!(admitted(Clippers::Moderators), [false, false, true, true, true]);
        assert_eq!(admitted(Clippers::Nobody), [false, false, false, false, true]);
        for who in Clippers::ALL {
            assert_eq!(Clippers::parse(who.as_str()), Some(who));
        }
    }

    #[test]
    fn titles_are_single_lines_of_at_most_a_hundred() {
        assert_eq!(ClipTitle::parse("  that\n drop ").map(|title| title.0).ok().as_deref(), Some("that drop"));
        assert!(ClipTitle::parse("\u{200b} ").is_err());
        assert!(ClipTitle::parse(&"x".repeat(100)).is_ok() && ClipTitle::parse(&"x".repeat(101)).is_err());
    }
}
