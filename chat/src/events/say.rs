//! Saying something: messages, announcements, edits, deletions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::SubsecRound;
use db::chat::Chatter;
use domain::chat::command::{Line, read};
use domain::chat::{MESSAGE_CHARS_MAX, Mention, MessageKind, MessageText, emote, mentioned, normalise_line};
use domain::order::HeldFor;
use domain::user::Username;
use domain::{MessageId, UserId};
use live::fanout::Target;
use serde::Deserialize;
use serde_json::json;

use super::{Answered, id_of};
use crate::gateway::{Answer, Gateway, News};
use crate::history::{Edit, Stored};
use crate::limits::{CLIENT_ID_BYTES_MAX, EDIT_FOR};
use crate::message::{Author, Message, badges};
use crate::order::Judged;
use crate::refusal::Refusal;
use crate::registry::Member;
use crate::review::{self, Verdict};

#[derive(Debug, Deserialize)]
pub(super) struct Send {
    username: String,
    text: String,
    client_id: String,
    reply_to: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Announce {
    username: String,
    text: String,
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    id: String,
    text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delete {
    id: String,
}

/// Who does something in a channel, after everything was asked that every line is asked.
pub(crate) struct Caller<'a> {
    pub member: &'a Member,
    pub author: Chatter,
    pub channel: UserId,
    pub name: Username,
}

/// A message to be.
pub(crate) struct Draft {
    pub kind: MessageKind,
    pub text: MessageText,
    pub client_id: String,
    pub reply: Option<Reply>,
}

/// Under which message another is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply {
    pub to: MessageId,
    /// The first message of the thread.
    pub thread: MessageId,
}

impl Reply {
    fn to(message: &Message) -> Self {
        Self { to: message.id, thread: message.thread.unwrap_or(message.id) }
    }
}

pub(crate) fn too_fast(wait: Duration) -> Refusal {
    Refusal::new("chat.throttled", "you are writing too fast").later(wait)
}

impl Gateway {
    pub(super) async fn send(&self, member: &Member, send: Send) -> Answered {
        let text = text(&send.text)?;
        let client_id = client_id(send.client_id)?;
        let reply_to = send.reply_to.as_deref().map(id_of).transpose()?;
        let caller = self.caller(member, &send.username).await?;
        let reply_to = match reply_to {
            Some(id) => Some(self.answerable(&caller, id).await?),
            None => None,
        };
        let text = match read(text.as_str())? {
            Line::Command(command) => return self.obey(&caller, command, reply_to.as_ref()).await,
            Line::Said(said) => MessageText::parse(said)?,
        };
        self.say(
            &caller,
            Draft { kind: MessageKind::Message, text, client_id, reply: reply_to.as_ref().map(Reply::to) },
        )
        .await
    }

    pub(super) async fn proclaim(&self, member: &Member, announce: Announce) -> Answered {
        let text = text(&announce.text)?;
        let client_id = client_id(announce.client_id.unwrap_or_else(kit::ids::random_token::<8>))?;
        let caller = self.caller(member, &announce.username).await?;
        self.announce_text(&caller, text, client_id).await
    }

    pub(super) async fn announce_text(&self, caller: &Caller<'_>, text: MessageText, client_id: String) -> Answered {
        self.keeper(&caller.author, caller.channel).await?;
        self.say(caller, Draft { kind: MessageKind::Announcement, text, client_id, reply: None }).await
    }

    /// Who writes into which channel, if they may come in and do not write too fast.
    async fn caller<'a>(&self, member: &'a Member, channel: &str) -> Result<Caller<'a>, Refusal> {
        let identity = self.current(member).await?;
        let name = Username::parse(channel)?;
        let author = self.author(identity.user).await?;
        let channel = self.channel(&name).await?;
        self.admit(member, &name, None).await?;
        self.pace(identity.user).await?;
        Ok(Caller { member, author, channel, name })
    }

    pub(crate) async fn pace(&self, user: UserId) -> Result<(), Refusal> {
        let verdict = self.limits.hit(&format!("chat:{user}"), self.chat_quota).await;
        if verdict.is_allowed { Ok(()) } else { Err(too_fast(verdict.retry_after)) }
    }

    /// What a channel or room takes of all its people together, whatever they may say each: what is stored and told to everybody
    /// has a bound that no number of members moves.
    pub(crate) async fn room_pace(&self, room: impl std::fmt::Display) -> Result<(), Refusal> {
        let verdict = self.limits.hit(&format!("chat-room:{room}"), self.room_quota).await;
        if verdict.is_allowed {
            return Ok(());
        }
        metrics::counter!("rillcast_chat_crowded_total").increment(1);
        Err(Refusal::new("chat.crowded", "too much is being said here at once").later(verdict.retry_after))
    }

    /// The message of this channel that is to be answered.
    async fn answerable(&self, caller: &Caller<'_>, id: MessageId) -> Result<Message, Refusal> {
        let found = self.history.find(id).await?.filter(|message| message.channel == caller.channel);
        let found = self.readable(caller.member, found.into_iter().collect()).await?.pop();
        found.ok_or_else(|| Refusal::new("chat.reply-gone", "the message you answer is gone"))
    }

    async fn say(&self, caller: &Caller<'_>, draft: Draft) -> Answered {
        let mut judged = self.judge(caller.channel, &caller.author, draft.text.as_str(), &draft.client_id).await?;
        let line = review::Line {
            channel: &caller.name,
            author: &caller.author,
            text: draft.text.as_str(),
            name: &draft.client_id,
            is_edit: false,
        };
        let room = async {
            if judged.is_under_rules() {
                self.room_pace(caller.channel).await?;
            }
            self.reviewed(&mut judged, line).await
        };
        if let Err(refusal) = room.await {
            self.give_back(&judged, caller.author.id, &draft.client_id).await;
            return Err(refusal);
        }
        if let Some(why) = judged.held {
            return self.hold(caller, draft, why).await;
        }
        let message = self.compose(caller.channel, &caller.author, draft, judged.standing.is_moderator).await;
        let (message, is_new) = match self.history.insert(&message).await? {
            Stored::New => (message, true),
            Stored::Before(before) => (*before, false),
        };
        if message.channel != caller.channel {
            return Err(Refusal::invalid("client_id was used for a message in another channel"));
        }
        if is_new {
            metrics::counter!("rillcast_chat_messages_total").increment(1);
            self.count_line(&message);
        }
        let payload = self.view(&message, &caller.name).await?;
        // A message that was stored while its answer was lost may not have been told to anybody yet.
        let is_news = is_new || !self.told.contains_key(&message.id);
        if is_news {
            self.calls.note(&message);
        }
        let news = News {
            target: Target::Channel(caller.name.clone()),
            event: "chat:message",
            payload: payload.clone(),
            message: Some(message.id),
        };
        Ok(Answer { body: json!({ "ok": true, "message": payload }), then: is_news.then_some(news) })
    }

    /// Shows a line to the operator's server, unless a moderator will look at it anyway or its author keeps order here.
    async fn reviewed(&self, judged: &mut Judged, line: review::Line<'_>) -> Result<(), Refusal> {
        if judged.held.is_some() || !judged.is_under_rules() {
            return Ok(());
        }
        match self.review.of(line).await {
            Verdict::Allow => Ok(()),
            Verdict::Hold => {
                judged.held = Some(HeldFor::Review);
                Ok(())
            }
            Verdict::Refuse => Err(crate::order::held::reviewed()),
        }
    }

    pub(crate) async fn compose(&self, channel: UserId, author: &Chatter, draft: Draft, is_moderator: bool) -> Message {
        let sent_at = kit::clock::now().trunc_subsecs(3);
        // Without an answer the message is stored all the same, only not tied to the recording.
        let on_air = self.facts.on_air(channel).await.ok().flatten();
        Message {
            id: MessageId::from_uuid(kit::ids::uuid()),
            channel,
            stream: on_air.map(|stream| stream.id),
            author: Author {
                badges: badges(author.id, author.role, channel, is_moderator),
                id: author.id,
                username: author.username.to_string(),
                display_name: author.display_name.clone(),
            },
            mentions: self.mentions(draft.text.as_str()).await,
            emotes: self.emotes(channel, draft.text.as_str()).await,
            text: draft.text.into_string(),
            client_id: draft.client_id,
            sent_at,
            offset_ms: on_air.map(|stream| (sent_at - stream.started_at).num_milliseconds().max(0)),
            kind: draft.kind,
            reply_to: draft.reply.map(|reply| reply.to),
            thread: draft.reply.map(|reply| reply.thread),
            edited_at: None,
            changed_at: None,
        }
    }

    /// The members a text names. While nobody can say, they are words.
    async fn mentions(&self, text: &str) -> Vec<Mention> {
        let names = mentioned(text);
        if names.is_empty() {
            return Vec::new();
        }
        self.facts.members_named(&names).await.unwrap_or_default()
    }

    /// The emotes a text shows, everybody's and the channel's own. While nobody can say which those are, they are words.
    async fn emotes(&self, channel: UserId, text: &str) -> BTreeMap<String, String> {
        let names = emote::named(text);
        let own = match names.iter().all(|name| emote::built_in(name).is_some()) {
            true => Arc::default(),
            false => self.facts.emotes(channel).await.unwrap_or_default(),
        };
        let picture = |name: &str| emote::built_in(name).or_else(|| own.get(name).cloned());
        names.into_iter().filter_map(|name| Some((name.to_owned(), picture(name)?))).collect()
    }

    pub(super) async fn edit(&self, member: &Member, change: Change) -> Answered {
        let identity = self.current(member).await?;
        let text = text(&change.text)?;
        let id = id_of(&change.id)?;
        let author = self.author(identity.user).await?;
        let (message, name) = self.message_for(member, id).await?;
        if message.author.id != identity.user {
            return Err(Refusal::new("chat.forbidden", "only its author changes a message"));
        }
        let now = kit::clock::now().trunc_subsecs(3);
        if now - message.sent_at > EDIT_FOR {
            let detail = format!("a message can be changed for {} seconds", EDIT_FOR.num_seconds());
            return Err(Refusal::new("chat.too-late", detail));
        }
        self.pace(identity.user).await?;
        let mut judged = self.judge_words(message.channel, &author, text.as_str()).await?;
        let line =
            review::Line { channel: &name, author: &author, text: text.as_str(), name: &change.id, is_edit: true };
        self.reviewed(&mut judged, line).await?;
        if let Some(why) = judged.held {
            // What was said cannot wait for a moderator.
            return Err(crate::order::held::refused(why));
        }
        let edit = Edit {
            mentions: self.mentions(text.as_str()).await,
            emotes: self.emotes(message.channel, text.as_str()).await,
            text: text.into_string(),
        };
        let edited = self.history.edit(id, identity.user, &edit, now).await?;
        let edited = edited.ok_or_else(|| Refusal::not_found("message"))?;
        let view = self.view(&edited, &name).await?;
        let news = News {
            target: Target::Channel(name),
            event: "chat:edited",
            payload: json!({ "message": view }),
            message: None,
        };
        Ok(Answer { body: json!({ "ok": true, "message": view }), then: Some(news) })
    }

    pub(super) async fn delete(&self, member: &Member, delete: Delete) -> Answered {
        let identity = self.current(member).await?;
        self.delete_message(member, self.author(identity.user).await?, id_of(&delete.id)?).await
    }

    pub(super) async fn delete_message(&self, member: &Member, actor: Chatter, id: MessageId) -> Answered {
        let message = self.history.find(id).await?.ok_or_else(|| Refusal::not_found("message"))?;
        let name = self.facts.name_of(message.channel).await?.ok_or_else(|| Refusal::not_found("channel"))?;
        if actor.id != message.author.id {
            return self.delete_for_order(member, &message, &name).await;
        }
        self.history.delete(id, actor.id, kit::clock::now().trunc_subsecs(3)).await?;
        let news = News {
            payload: json!({ "id": id, "username": name }),
            target: Target::Channel(name),
            event: "chat:deleted",
            message: None,
        };
        Ok(Answer { body: json!({ "ok": true }), then: Some(news) })
    }

    /// A message this member may read, and its channel's name.
    pub(super) async fn message_for(&self, member: &Member, id: MessageId) -> Result<(Message, Username), Refusal> {
        let gone = || Refusal::not_found("message");
        let message = self.history.find(id).await?.ok_or_else(gone)?;
        let name = self.facts.name_of(message.channel).await?.ok_or_else(gone)?;
        self.admit(member, &name, None).await?;
        let message = self.readable(member, vec![message]).await?.pop().ok_or_else(gone)?;
        Ok((message, name))
    }

    /// An error unless the member keeps order in the channel.
    pub(crate) async fn keeper(&self, actor: &Chatter, channel: UserId) -> Result<(), Refusal> {
        let standing = self.standing(channel, actor.id).await?;
        if crate::order::rank(&standing, actor.id, channel).may_moderate() {
            return Ok(());
        }
        Err(Refusal::new("chat.forbidden", "that is for moderators and the channel's owner"))
    }
}

pub(crate) fn text(text: &str) -> Result<MessageText, Refusal> {
    MessageText::parse(text).map_err(|invalid| {
        if normalise_line(text).chars().count() > MESSAGE_CHARS_MAX {
            Refusal::new("chat.too-long", format!("a message has at most {MESSAGE_CHARS_MAX} characters"))
        } else {
            invalid.into()
        }
    })
}

pub(crate) fn client_id(id: String) -> Result<String, Refusal> {
    let is_plain = (1..=CLIENT_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if is_plain { Ok(id) } else { Err(Refusal::invalid("client_id must be 1 to 64 visible ASCII characters")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_are_named() {
        let refusal = super::super::parse::<Send>(json!({ "username": 5, "text": "x", "client_id": "c" })).unwrap_err();
        assert_eq!(refusal.code, "request.invalid");
    }

    #[test]
    fn an_overlong_text_has_a_code_of_its_own() {
        assert_eq!(text(&"x".repeat(MESSAGE_CHARS_MAX + 1)).unwrap_err().code, "chat.too-long");
        assert_eq!(text(&"x".repeat(MESSAGE_CHARS_MAX * 20)).unwrap_err().code, "chat.too-long");
        assert_eq!(text("\u{200b}").unwrap_err().code, "request.invalid");
    }

    #[test]
    fn a_client_id_is_short_and_plain() {
        assert!(client_id("0193e6a0-1c1e".to_owned()).is_ok());
        for bad in ["", "a b", "ä", "x".repeat(CLIENT_ID_BYTES_MAX + 1).as_str()] {
            assert!(client_id(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
