//! One chat message: what is stored, and what clients see.

use domain::user::{Role, Username};
use domain::{MessageId, StreamId, Timestamp, UserId};
use serde::Serialize;

/// A message as it is stored. The channel's name is not: the room a message is read in knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub channel: UserId,
    pub stream: Option<StreamId>,
    pub author: Author,
    pub text: String,
    /// The sender's own name for it: sent twice, stored once.
    pub client_id: String,
    /// In milliseconds: what every store keeps without rounding.
    pub sent_at: Timestamp,
    /// Milliseconds since the stream started, if one was on air.
    pub offset_ms: Option<i64>,
}

/// Who wrote it, as they were then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub badges: Vec<String>,
}

/// What a member of this role wears in a channel.
pub(crate) fn badges(user: UserId, role: Role, channel: UserId) -> Vec<String> {
    let mut badges = Vec::new();
    if user == channel {
        badges.push("broadcaster".to_owned());
    }
    match role {
        Role::Admin => badges.push("admin".to_owned()),
        Role::Moderator => badges.push("moderator".to_owned()),
        Role::User => {}
    }
    badges
}

/// A message as clients get it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MessageView<'a> {
    pub id: MessageId,
    /// The channel.
    pub username: &'a Username,
    pub user: &'a Author,
    pub text: &'a str,
    pub client_id: &'a str,
    pub sent_at: String,
    pub stream_id: Option<StreamId>,
    pub offset_ms: Option<i64>,
}

impl Message {
    pub(crate) fn view<'a>(&'a self, channel: &'a Username) -> MessageView<'a> {
        MessageView {
            id: self.id,
            username: channel,
            user: &self.author,
            text: &self.text,
            client_id: &self.client_id,
            sent_at: self.sent_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            stream_id: self.stream,
            offset_ms: self.offset_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badges_say_whose_channel_it_is_and_who_keeps_order() {
        let (a, b) = (UserId::from_uuid(kit::ids::uuid()), UserId::from_uuid(kit::ids::uuid()));
        assert_eq!(badges(a, Role::Admin, a), ["broadcaster", "admin"]);
        assert_eq!(badges(a, Role::Moderator, b), ["moderator"]);
        assert!(badges(a, Role::User, b).is_empty());
    }
}
