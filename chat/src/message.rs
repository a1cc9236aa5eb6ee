//! One chat message: what is stored, and what clients see.

use std::collections::BTreeMap;

use domain::chat::{Mention, MessageKind};
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
    pub kind: MessageKind,
    /// The message it answers, in the same channel.
    pub reply_to: Option<MessageId>,
    /// The first message of the thread it belongs to, itself not being that.
    pub thread: Option<MessageId>,
    pub mentions: Vec<Mention>,
    /// Where the picture of each emote in it is.
    pub emotes: BTreeMap<String, String>,
    pub edited_at: Option<Timestamp>,
    /// The last edit or reaction, or its deletion.
    pub changed_at: Option<Timestamp>,
}

/// How many reacted with one emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reaction {
    pub emoji: String,
    pub count: u64,
    /// Told only to whoever asked, never to a whole room.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_mine: bool,
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
pub(crate) fn badges(user: UserId, role: Role, channel: UserId, is_moderator: bool) -> Vec<String> {
    let mut badges = Vec::new();
    if user == channel {
        badges.push("broadcaster".to_owned());
    }
    match role {
        Role::Admin => badges.push("admin".to_owned()),
        Role::Moderator => badges.push("moderator".to_owned()),
        Role::User if is_moderator => badges.push("moderator".to_owned()),
        Role::User => {}
    }
    badges
}

/// What a message answers, as its readers get it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answered {
    pub id: MessageId,
    /// Nobody, when it was deleted or is not for this reader.
    pub user: Option<AnsweredUser>,
    pub text: String,
    pub is_deleted: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct AnsweredUser {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
}

impl Answered {
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            id: message.id,
            user: Some(AnsweredUser {
                id: message.author.id,
                username: message.author.username.clone(),
                display_name: message.author.display_name.clone(),
            }),
            text: domain::chat::excerpt(&message.text),
            is_deleted: false,
        }
    }

    pub(crate) fn hidden(id: MessageId) -> Self {
        Self { id, user: None, text: String::new(), is_deleted: true }
    }
}

/// A message as clients get it. What is empty is left out.
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
    pub kind: MessageKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<&'a Answered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<MessageId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub mentions: &'a [Mention],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub emotes: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub reactions: &'a [Reaction],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
}

/// A moment as clients get it.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

impl Message {
    pub(crate) fn view<'a>(
        &'a self,
        channel: &'a Username,
        reply_to: Option<&'a Answered>,
        reactions: &'a [Reaction],
    ) -> MessageView<'a> {
        MessageView {
            id: self.id,
            username: channel,
            user: &self.author,
            text: &self.text,
            client_id: &self.client_id,
            sent_at: moment(self.sent_at),
            stream_id: self.stream,
            offset_ms: self.offset_ms,
            kind: self.kind,
            reply_to,
            thread_id: self.thread,
            mentions: &self.mentions,
            emotes: &self.emotes,
            reactions,
            edited_at: self.edited_at.map(moment),
            changed_at: self.changed_at.map(moment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badges_say_whose_channel_it_is_and_who_keeps_order() {
        let (a, b) = (UserId::from_uuid(kit::ids::uuid()), UserId::from_uuid(kit::ids::uuid()));
        assert_eq!(badges(a, Role::Admin, a, false), ["broadcaster", "admin"]);
        assert_eq!(badges(a, Role::Moderator, b, false), ["moderator"]);
        assert_eq!(badges(a, Role::User, b, true), ["moderator"]);
        assert!(badges(a, Role::User, b, false).is_empty());
    }
}
