//! What members report, why, and who decides about it.

use std::time::Duration;

use super::Rank;

/// What one member may report: reports in [`REPORTS_WINDOW`].
pub const REPORTS_MAX: u32 = 20;
pub const REPORTS_WINDOW: Duration = Duration::from_secs(3_600);
/// How long whoever was denied waits before asking again to be let in.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(7 * 86_400);

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

names!(
    /// What is reported. The names are API.
    ReportKind { Line = "line", Member = "member", Recording = "recording", Stream = "stream" }
);

names!(
    /// Why. The names are API.
    ReportReason {
        Spam = "spam",
        Harassment = "harassment",
        Hate = "hate",
        Violence = "violence",
        Sexual = "sexual",
        SelfHarm = "self_harm",
        Impersonation = "impersonation",
        Copyright = "copyright",
        Other = "other",
    }
);

names!(
    /// What became of it. The names are API.
    ReportState { Open = "open", Resolved = "resolved", Dismissed = "dismissed" }
);

names!(
    /// Who decides.
    ReportDesk {
        /// The channel's moderators.
        Channel = "channel",
        /// The site's staff.
        Site = "site",
    }
);

impl ReportDesk {
    /// Who decides about a line of somebody who stands so in the channel. Nobody is judge of themselves or of who appointed them.
    pub fn of_line_by(author: Rank) -> Self {
        if author.may_moderate() { Self::Site } else { Self::Channel }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_who_keeps_order_are_for_the_site() {
        assert_eq!(ReportDesk::of_line_by(Rank::Viewer), ReportDesk::Channel);
        for keeper in [Rank::Moderator, Rank::Keeper] {
            assert_eq!(ReportDesk::of_line_by(keeper), ReportDesk::Site);
        }
    }

    #[test]
    fn every_name_is_read_as_it_is_written() {
        assert!(ReportReason::ALL.iter().all(|one| ReportReason::parse(one.as_str()) == Some(*one)));
        assert!(ReportState::ALL.iter().all(|one| ReportState::parse(one.as_str()) == Some(*one)));
        assert_eq!(ReportKind::parse("everything"), None);
    }
}
