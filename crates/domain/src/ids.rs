//! Identifiers. All are UUIDv7, made in `kit::ids`; here they only get their types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A member. A member's channel has the same id: each member has exactly one.
    UserId,
    /// One session of being on air, reconnects included.
    StreamId,
    /// One recording. Each stream has exactly one.
    VodId,
    /// A moment cut out of a recording.
    ClipId,
    /// One chat message.
    MessageId,
    /// A conversation between members.
    RoomId,
    /// A picture or file of a message in a conversation.
    AttachmentId,
    /// A member's file, whatever its bytes are now.
    FileId,
    /// What a file was at one time; also the upload that made it.
    VersionId,
    /// Bytes of a member in the bucket.
    BlobId,
    /// A link by which a member shares something.
    ShareId,
    /// An emote of a channel.
    EmoteId,
    /// One line in a member's notification list.
    NotificationId,
    /// One sign-in on one device; the family of its refresh tokens.
    SessionId,
    /// One RTMP connection that was allowed to publish. A stream has one per reconnect.
    PublishId,
    /// A member's own server that is told of what happens on their channel.
    WebhookId,
    /// One message to one of those.
    DeliveryId,
    /// One request to be let pay for a plan, whatever becomes of it.
    PaymentId,
    /// A picture that proves a payment.
    ProofId,
}

/// A category's name in URLs, such as `just-chatting`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategorySlug(String);

impl CategorySlug {
    pub const LEN_MAX: usize = 40;

    pub fn parse(text: &str) -> Result<Self, crate::error::Invalid> {
        let legal = !text.is_empty()
            && text.len() <= Self::LEN_MAX
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if legal {
            Ok(Self(text.to_owned()))
        } else {
            Err(crate::error::Invalid::new("slug", "must be 1 to 40 lower-case letters, digits and inner hyphens"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
