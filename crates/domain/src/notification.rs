//! What a member is told, and about what.

use serde::{Deserialize, Serialize};

/// Of the members one line names, so many are told. The others see it where it stands.
pub const MENTIONS_TOLD_MAX: usize = 5;
/// Mentions by one member that are told within a minute, whomever they name.
pub const MENTIONS_PER_MINUTE: i64 = 10;

/// The kinds of notification. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationType {
    StreamOnline,
    VodReady,
    /// Nothing can be played of a recording of the owner's.
    VodFailed,
    NewFollower,
    /// Somebody asks for a friendship.
    FriendRequest,
    /// Somebody said yes to a friendship.
    FriendAccepted,
    /// The owner's room is full.
    RecordingStopped,
    /// A member's own server is told no more.
    WebhookDisabled,
    /// Somebody named the member in a chat.
    Mention,
    /// Somebody would have the member in a group.
    RoomInvite,
    /// Something was said in a room of the member's, and they have not read it for a while.
    Message,
    /// A channel's moderators have answered the member's request to be let in again.
    UnbanAnswer,
    /// A file of the member's was looked into and can be used.
    FileReady,
    /// Nothing became of a file of the member's.
    FileFailed,
    /// A member says that they have paid. For the site's administrators.
    PaymentSubmitted,
    /// The member's payment was found.
    PaymentApproved,
    /// The member's payment was not found.
    PaymentRejected,
    /// Another proof of the member's payment is asked for.
    PaymentAskedAgain,
    /// The member's plan ends soon.
    PlanEnding,
    /// The member's plan is over.
    PlanEnded,
    /// Somebody opened a share link whose member wants to know.
    ShareAccessed,
    /// Somebody signed in as the member from where the member has not been seen before.
    NewSignIn,
    /// A copy of a sign-in of the member's was used, and both are over.
    SignInStolen,
}

impl NotificationType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamOnline => "stream_online",
            Self::VodReady => "vod_ready",
            Self::VodFailed => "vod_failed",
            Self::NewFollower => "new_follower",
            Self::FriendRequest => "friend_request",
            Self::FriendAccepted => "friend_accepted",
            Self::RecordingStopped => "recording_stopped",
            Self::WebhookDisabled => "webhook_disabled",
            Self::Mention => "mention",
            Self::RoomInvite => "room_invite",
            Self::Message => "message",
            Self::UnbanAnswer => "unban_answer",
            Self::FileReady => "file_ready",
            Self::FileFailed => "file_failed",
            Self::PaymentSubmitted => "payment_submitted",
            Self::PaymentApproved => "payment_approved",
            Self::PaymentRejected => "payment_rejected",
            Self::PaymentAskedAgain => "payment_asked_again",
            Self::PlanEnding => "plan_ending",
            Self::PlanEnded => "plan_ended",
            Self::ShareAccessed => "share_accessed",
            Self::NewSignIn => "new_sign_in",
            Self::SignInStolen => "sign_in_stolen",
        }
    }

    pub const ALL: [Self; 23] = [
        Self::StreamOnline,
        Self::VodReady,
        Self::VodFailed,
        Self::NewFollower,
        Self::FriendRequest,
        Self::FriendAccepted,
        Self::RecordingStopped,
        Self::WebhookDisabled,
        Self::Mention,
        Self::RoomInvite,
        Self::Message,
        Self::UnbanAnswer,
        Self::FileReady,
        Self::FileFailed,
        Self::PaymentSubmitted,
        Self::PaymentApproved,
        Self::PaymentRejected,
        Self::PaymentAskedAgain,
        Self::PlanEnding,
        Self::PlanEnded,
        Self::ShareAccessed,
        Self::NewSignIn,
        Self::SignInStolen,
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether a member may turn it off. What costs a broadcaster their recording, ends what they set up, is about their money or endangers
    /// their account is always told.
    pub const fn is_optional(self) -> bool {
        !matches!(
            self,
            Self::RecordingStopped
                | Self::VodFailed
                | Self::WebhookDisabled
                | Self::PaymentApproved
                | Self::PaymentRejected
                | Self::PaymentAskedAgain
                | Self::PlanEnding
                | Self::PlanEnded
                | Self::NewSignIn
                | Self::SignInStolen
        )
    }

    /// Whether a member who said nothing about it is told of such a thing in this way. A mail is for what cannot wait.
    pub const fn reaches_by_default(self, reach: Reach) -> bool {
        match reach {
            // Whoever sends a file sees on their page what becomes of it.
            Reach::Push => !matches!(self, Self::FileReady),
            Reach::Mail => {
                matches!(
                    self,
                    Self::StreamOnline
                        | Self::FriendRequest
                        | Self::RecordingStopped
                        | Self::VodFailed
                        | Self::WebhookDisabled
                        | Self::PaymentSubmitted
                        | Self::PaymentApproved
                        | Self::PaymentRejected
                        | Self::PaymentAskedAgain
                        | Self::PlanEnding
                        | Self::PlanEnded
                        | Self::NewSignIn
                        | Self::SignInStolen
                )
            }
        }
    }

    /// What `entity_id` of such a notification names.
    pub const fn entity_type(self) -> &'static str {
        match self {
            Self::StreamOnline | Self::RecordingStopped => "stream",
            Self::VodReady | Self::VodFailed => "vod",
            Self::NewFollower | Self::FriendRequest | Self::FriendAccepted => "user",
            // The one it was switched off at: it may be switched off more than once.
            Self::WebhookDisabled => "webhook_delivery",
            Self::Mention => "message",
            Self::RoomInvite | Self::Message => "room",
            Self::UnbanAnswer => "unban_request",
            // The version: a file may have news more than once.
            Self::FileReady | Self::FileFailed => "file_version",
            Self::PaymentSubmitted | Self::PaymentApproved | Self::PaymentRejected | Self::PaymentAskedAgain => {
                "payment"
            }
            // One telling: a plan ends more than once.
            Self::PlanEnding | Self::PlanEnded => "plan_notice",
            // The visit: a link is opened more than once.
            Self::ShareAccessed => "share_access",
            Self::NewSignIn | Self::SignInStolen => "session",
        }
    }
}

/// How what is in a member's list reaches them elsewhere. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Their browsers, while no page is open.
    Push,
    Mail,
}

impl Reach {
    pub const ALL: [Self; 2] = [Self::Push, Self::Mail];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Mail => "mail",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reach| reach.as_str() == text)
    }
}

/// In which language a member is written to. The names are API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[default]
    En,
    Vi,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::En, Self::Vi];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Vi => "vi",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.as_str() == text)
    }
}

/// How much a follower wants to hear of one channel. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bell {
    /// Streams and recordings.
    All,
    /// Streams.
    LiveOnly,
    /// Nothing.
    None,
}

impl Bell {
    pub const ALL: [Self; 3] = [Self::All, Self::LiveOnly, Self::None];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::LiveOnly => "live_only",
            Self::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bell| bell.as_str() == text)
    }

    /// Whether a follower with this level hears of such a thing from the channel.
    pub const fn rings_for(self, kind: NotificationType) -> bool {
        match self {
            Self::All => true,
            Self::LiveOnly => matches!(kind, NotificationType::StreamOnline),
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_written() {
        for kind in NotificationType::ALL {
            assert_eq!(NotificationType::parse(kind.as_str()), Some(kind));
        }
        for bell in Bell::ALL {
            assert_eq!(Bell::parse(bell.as_str()), Some(bell));
        }
        for reach in Reach::ALL {
            assert_eq!(Reach::parse(reach.as_str()), Some(reach));
        }
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Some(language));
        }
        assert_eq!(Bell::parse("ALL"), None);
    }

    #[test]
    fn a_bell_that_rings_less_rings_for_less() {
        for kind in NotificationType::ALL {
            assert!(Bell::All.rings_for(kind));
            assert!(!Bell::None.rings_for(kind));
        }
        assert!(Bell::LiveOnly.rings_for(NotificationType::StreamOnline));
        assert!(!Bell::LiveOnly.rings_for(NotificationType::VodReady));
    }
}
