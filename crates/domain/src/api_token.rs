//! What a member's program may do with a token of its own. The words are API.

use chrono::TimeDelta;

/// Tokens one member may have at a time.
pub const TOKENS_MAX: usize = 50;
/// How long a token is good when nothing is said, and at most.
pub const GOOD_FOR: TimeDelta = TimeDelta::days(90);
pub const GOOD_FOR_MAX: TimeDelta = TimeDelta::days(366);

/// One kind of thing a token may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// What the site shows its member: channels, streams, recordings, clips, also those that are theirs alone.
    ContentRead,
    /// Their recordings and clips: titles, visibility, deletion.
    ContentWrite,
    /// Their channel's settings, analytics, ingest health, emotes and webhooks.
    ChannelRead,
    /// Settings of the next or running stream, clips and emotes.
    ChannelWrite,
    /// The key encoders publish with.
    StreamKeyRead,
    /// Logs, filters, reports and requests of the channels they keep in order.
    ModerationRead,
    /// Acting on those.
    ModerationWrite,
    FilesRead,
    FilesWrite,
    NotificationsRead,
    /// Marking them as read.
    NotificationsWrite,
    /// `GET /api/v1/events`.
    EventsRead,
}

impl Scope {
    pub const ALL: [Self; 12] = [
        Self::ContentRead,
        Self::ContentWrite,
        Self::ChannelRead,
        Self::ChannelWrite,
        Self::StreamKeyRead,
        Self::ModerationRead,
        Self::ModerationWrite,
        Self::FilesRead,
        Self::FilesWrite,
        Self::NotificationsRead,
        Self::NotificationsWrite,
        Self::EventsRead,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContentRead => "content:read",
            Self::ContentWrite => "content:write",
            Self::ChannelRead => "channel:read",
            Self::ChannelWrite => "channel:write",
            Self::StreamKeyRead => "stream-key:read",
            Self::ModerationRead => "moderation:read",
            Self::ModerationWrite => "moderation:write",
            Self::FilesRead => "files:read",
            Self::FilesWrite => "files:write",
            Self::NotificationsRead => "notifications:read",
            Self::NotificationsWrite => "notifications:write",
            Self::EventsRead => "events:read",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_a_word_of_its_own() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("admin:write"), None);
    }
}
