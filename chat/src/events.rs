//! What each client event does. Contract: "Socket.IO".

use chrono::SubsecRound;
use db::chat::Chatter;
use domain::chat::{MESSAGE_CHARS_MAX, MessageText, normalise_line};
use domain::user::Username;
use domain::{MessageId, StreamId, UserId, VodId};
use live::fanout::Target;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, News};
use crate::history::{Span, Stored, StreamPoint};
use crate::limits::{CLIENT_ID_BYTES_MAX, JOIN_HISTORY, PAGE_DEFAULT, PAGE_MAX, ROOMS_MAX};
use crate::message::{Author, Message, badges};
use crate::refusal::Refusal;
use crate::registry::{JoinRefusal, Member};

type Answered = Result<Answer, Refusal>;

#[derive(Debug, Deserialize)]
struct Room {
    username: String,
    /// The stream's id: the link to an unlisted one.
    stream_id: Option<StreamId>,
}

#[derive(Debug, Deserialize)]
struct Send {
    username: String,
    text: String,
    client_id: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    username: Option<String>,
    vod_id: Option<String>,
    /// A message's id; in a recording also milliseconds from its beginning.
    before: Option<Cursor>,
    after: Option<Cursor>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Cursor {
    Offset(i64),
    Id(String),
}

#[derive(Debug, Deserialize)]
struct Delete {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Renew {
    token: String,
}

fn done(body: Value) -> Answered {
    Ok(Answer { body, then: None })
}

fn parse<T: DeserializeOwned>(data: Value) -> Result<T, Refusal> {
    if !data.is_object() {
        return Err(Refusal::invalid("one object is expected"));
    }
    serde_json::from_value(data).map_err(|error| Refusal::invalid(error.to_string()))
}

impl Gateway {
    /// Works on one event.
    pub(crate) async fn answer(&self, member: &Member, event: &str, data: Value) -> Answered {
        match event {
            "stream:join" => self.join(member, parse(data)?).await,
            "stream:leave" => self.leave(member, parse(data)?).await,
            "chat:send" => self.send(member, parse(data)?).await,
            "chat:history" => self.page(member, parse(data)?).await,
            "chat:delete" => self.delete(member, parse(data)?).await,
            "auth:renew" => self.renew(member, parse(data)?).await,
            _ => Err(Refusal::new("request.unknown-event", "there is no such event")),
        }
    }

    async fn join(&self, member: &Member, room: Room) -> Answered {
        let name = Username::parse(&room.username)?;
        let channel = self.channel(&name).await?;
        self.admit(member, &name, room.stream_id).await?;
        self.registry.join(member.socket.id, &name).map_err(|refusal| match refusal {
            JoinRefusal::Gone => Refusal::unavailable(),
            JoinRefusal::TooManyRooms => {
                Refusal::new("chat.too-many-rooms", format!("a socket may sit in {ROOMS_MAX} channels"))
            }
        })?;
        let watching = [(name.clone(), member.session.viewer.clone())];
        let count = async {
            self.viewers.beat(&watching).await;
            self.count_now(&name).await
        };
        let (count, latest) = tokio::join!(count, self.history.channel_page(channel, Span::Latest, JOIN_HISTORY));
        let mut body = json!({
            "ok": true,
            "viewers": count.count,
            "modes": { "slow_s": 0, "followers_only_s": null, "emote_only": false, "unique": false },
        });
        let latest = match latest {
            Ok(latest) => self.readable(member, latest).await,
            Err(error) => Err(Refusal::from(error)),
        };
        match latest {
            Ok(latest) => body["history"] = views(&latest, &name),
            // Watching goes on without the past; the client may ask for it again.
            Err(_logged) => {
                body["history"] = json!([]);
                body["is_history_missing"] = json!(true);
            }
        }
        if count.is_stale {
            body["stale"] = json!(true);
        }
        done(body)
    }

    async fn leave(&self, member: &Member, room: Room) -> Answered {
        let name = Username::parse(&room.username)?;
        if let Some(watching) = self.registry.leave(member.socket.id, &name) {
            self.viewers.leave(&[watching]).await;
        }
        done(json!({ "ok": true }))
    }

    async fn send(&self, member: &Member, send: Send) -> Answered {
        let identity = self.current(member).await?;
        let name = Username::parse(&send.username)?;
        let text = text(&send.text)?;
        let client_id = client_id(send.client_id)?;
        let author = self.author(identity.user).await?;
        let channel = self.channel(&name).await?;
        self.admit(member, &name, None).await?;
        let verdict = self.limits.hit(&format!("chat:{}", identity.user), self.chat_quota).await;
        if !verdict.is_allowed {
            let refusal = Refusal::new("chat.throttled", "you are writing too fast");
            return Err(refusal.later(verdict.retry_after));
        }
        let message = self.compose(author, channel, text, client_id).await;
        let (message, is_new) = match self.history.insert(&message).await? {
            Stored::New => (message, true),
            Stored::Before(before) => (*before, false),
        };
        if message.channel != channel {
            return Err(Refusal::invalid("client_id was used for a message in another channel"));
        }
        if is_new {
            metrics::counter!("rillcast_chat_messages_total").increment(1);
        }
        let payload = json!(message.view(&name));
        // A message that was stored while its answer was lost may not have been told to anybody yet.
        let is_news = is_new || !self.told.contains_key(&message.id);
        let news = News {
            target: Target::Channel(name),
            event: "chat:message",
            payload: payload.clone(),
            message: Some(message.id),
        };
        Ok(Answer { body: json!({ "ok": true, "message": payload }), then: is_news.then_some(news) })
    }

    async fn compose(&self, author: Chatter, channel: UserId, text: MessageText, client_id: String) -> Message {
        let sent_at = kit::clock::now().trunc_subsecs(3);
        // Without an answer the message is stored all the same, only not tied to the recording.
        let on_air = self.facts.on_air(channel).await.ok().flatten();
        Message {
            id: MessageId::from_uuid(kit::ids::uuid()),
            channel,
            stream: on_air.map(|stream| stream.id),
            author: Author {
                badges: badges(author.id, author.role, channel),
                id: author.id,
                username: author.username.to_string(),
                display_name: author.display_name,
            },
            text: text.into_string(),
            client_id,
            sent_at,
            offset_ms: on_air.map(|stream| (sent_at - stream.started_at).num_milliseconds().max(0)),
        }
    }

    async fn page(&self, member: &Member, page: Page) -> Answered {
        let limit = page.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let span = match (page.before, page.after) {
            (None, None) => Span::Latest,
            (Some(before), None) => Span::Before(before),
            (None, Some(after)) => Span::After(after),
            (Some(_), Some(_)) => return Err(Refusal::invalid("give before or after, not both")),
        };
        let items = match (page.username, page.vod_id) {
            (Some(username), None) => {
                let name = Username::parse(&username)?;
                let channel = self.channel(&name).await?;
                self.admit(member, &name, None).await?;
                let span = match span {
                    Span::Latest => Span::Latest,
                    Span::Before(cursor) => Span::Before(cursor.into_id()?),
                    Span::After(cursor) => Span::After(cursor.into_id()?),
                };
                let said = self.history.channel_page(channel, span, limit).await?;
                views(&self.readable(member, said).await?, &name)
            }
            (None, Some(vod)) => {
                let vod: VodId = vod.parse().map_err(|_| Refusal::invalid("vod_id is not an id"))?;
                let room = self.facts.vod(vod).await?.ok_or_else(|| Refusal::not_found("recording"))?;
                self.admit_to_vod(member, &room).await?;
                let span = match span {
                    Span::Latest => Span::Latest,
                    Span::Before(cursor) => Span::Before(self.point(cursor).await?),
                    Span::After(cursor) => Span::After(self.point(cursor).await?),
                };
                views(&self.history.stream_page(room.stream, span, limit).await?, &room.username)
            }
            _ => return Err(Refusal::invalid("give username or vod_id, one of them")),
        };
        done(json!({ "ok": true, "items": items }))
    }

    /// A place in a recording's chat. An offset stands before the messages of its millisecond.
    async fn point(&self, cursor: Cursor) -> Result<StreamPoint, Refusal> {
        match cursor {
            Cursor::Offset(offset_ms) => Ok(StreamPoint::at(offset_ms)),
            Cursor::Id(_) => {
                let id = cursor.into_id()?;
                let point = self.history.point(id).await?;
                point.ok_or_else(|| Refusal::invalid("that message is not part of the recording"))
            }
        }
    }

    async fn delete(&self, member: &Member, delete: Delete) -> Answered {
        let identity = self.current(member).await?;
        let id: MessageId = delete.id.parse().map_err(|_| Refusal::invalid("id is not an id"))?;
        let actor = self.author(identity.user).await?;
        let message = self.history.find(id).await?.ok_or_else(|| Refusal::not_found("message"))?;
        let is_allowed = actor.role.is_staff() || actor.id == message.channel || actor.id == message.author.id;
        if !is_allowed {
            return Err(Refusal::new("chat.forbidden", "that is for moderators, the channel's owner or the author"));
        }
        self.history.delete(id, actor.id, kit::clock::now()).await?;
        let name = self.facts.name_of(message.channel).await?.ok_or_else(|| Refusal::not_found("channel"))?;
        let news = News {
            payload: json!({ "id": id, "username": name }),
            target: Target::Channel(name),
            event: "chat:deleted",
            message: None,
        };
        Ok(Answer { body: json!({ "ok": true }), then: Some(news) })
    }

    async fn renew(&self, member: &Member, renew: Renew) -> Answered {
        let identity = self.identify(&renew.token).await?;
        self.set_identity(member, Some(identity));
        done(json!({ "ok": true, "expires_at": identity.expires_at }))
    }

    async fn channel(&self, name: &Username) -> Result<UserId, Refusal> {
        self.facts.channel(name).await?.ok_or_else(|| Refusal::not_found("channel"))
    }

    /// The member behind a sign-in, if they may write at all.
    async fn author(&self, user: UserId) -> Result<Chatter, Refusal> {
        let member = self.facts.member(user).await?.ok_or_else(Refusal::unauthenticated)?;
        if member.is_suspended {
            return Err(Refusal::new("chat.banned", "your account is suspended"));
        }
        Ok(member)
    }
}

impl Cursor {
    fn into_id(self) -> Result<MessageId, Refusal> {
        match self {
            Self::Id(id) => id.parse().map_err(|_| Refusal::invalid("before and after are ids of messages")),
            Self::Offset(_) => Err(Refusal::invalid("before and after are ids of messages")),
        }
    }
}

fn views(messages: &[Message], channel: &Username) -> Value {
    messages.iter().map(|message| json!(message.view(channel))).collect()
}

fn text(text: &str) -> Result<MessageText, Refusal> {
    MessageText::parse(text).map_err(|invalid| {
        if normalise_line(text).chars().count() > MESSAGE_CHARS_MAX {
            Refusal::new("chat.too-long", format!("a message has at most {MESSAGE_CHARS_MAX} characters"))
        } else {
            invalid.into()
        }
    })
}

fn client_id(id: String) -> Result<String, Refusal> {
    let is_plain = (1..=CLIENT_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if is_plain { Ok(id) } else { Err(Refusal::invalid("client_id must be 1 to 64 visible ASCII characters")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_are_named() {
        let refusal = parse::<Send>(json!({ "username": 5, "text": "x", "client_id": "c" })).unwrap_err();
        assert_eq!(refusal.code, "request.invalid");
        assert!(parse::<Room>(json!(["alice"])).is_err());
        assert!(parse::<Room>(Value::Null).is_err());
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
