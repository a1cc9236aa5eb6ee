//! What each client event does. Contract: "Socket.IO".

mod commands;
pub(crate) mod marks;
mod rejoin;
pub(crate) mod say;

use db::chat::Chatter;
use domain::order::Modes;
use domain::user::Username;
use domain::{MessageId, StreamId, Timestamp, UserId, VodId};
use live::audience::{Way, is_host};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::rejoin::Stand;
use crate::dress::Reader;
use crate::gateway::{Answer, Gateway};
use crate::history::{Span, StreamPoint};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX, ROOMS_MAX};
use crate::message::moment;
use crate::order::modes_view;
use crate::refusal::Refusal;
use crate::registry::{JoinRefusal, Member};
use crate::sampler::Arrival;
use crate::tail;

pub(crate) type Answered = Result<Answer, Refusal>;

#[derive(Debug, Deserialize)]
struct Room {
    username: String,
    /// The stream's id: the link to an unlisted one.
    stream_id: Option<StreamId>,
    /// `embed`: the player in somebody else's page; anything else is a page of this site.
    from: Option<String>,
    /// The host whose page embeds the player, or had the link that led here. Nothing else of the address.
    host: Option<String>,
    /// The last message a client that was away has, and `now` of the last answer it had.
    last_id: Option<String>,
    since: Option<Timestamp>,
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
struct Renew {
    token: String,
}

/// What is no host's name is none.
fn arrival(from: Option<&str>, host: Option<&str>) -> Arrival {
    let way = if from == Some("embed") { Way::Embed } else { Way::Page };
    Arrival { way, host: host.filter(|host| is_host(host)).map(Into::into) }
}

pub(crate) fn done(body: Value) -> Answered {
    Ok(Answer { body, then: None })
}

fn id_of(id: &str) -> Result<MessageId, Refusal> {
    id.parse().map_err(|_| Refusal::invalid("an id is not an id"))
}

pub(crate) fn parse<T: DeserializeOwned>(data: Value) -> Result<T, Refusal> {
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
            "chat:edit" => self.edit(member, parse(data)?).await,
            "chat:react" => self.react(member, parse(data)?).await,
            "chat:pin" => self.pin(member, parse(data)?).await,
            "chat:announce" => self.proclaim(member, parse(data)?).await,
            "chat:thread" => self.thread(member, parse(data)?).await,
            "chat:delete" => self.delete(member, parse(data)?).await,
            "chat:warning-read" => self.warning_read(member, parse(data)?).await,
            "mod:join" => self.sit_down(member, parse(data)?).await,
            "mod:leave" => self.rise(member, &parse(data)?),
            "mod:act" => self.act(member, parse(data)?).await,
            "mod:undo" => self.undo(member, parse(data)?).await,
            "auth:renew" => self.renew(member, parse(data)?).await,
            event if event.starts_with("presence:") => self.presence_event(member, event, data).await,
            event if event.starts_with("room:") => self.room_event(member, event, data).await,
            _ => Err(Refusal::new("request.unknown-event", "there is no such event")),
        }
    }

    async fn join(&self, member: &Member, room: Room) -> Answered {
        let name = Username::parse(&room.username)?;
        let last = room.last_id.as_deref().map(id_of).transpose()?;
        let channel = self.channel(&name).await?;
        self.admit(member, &name, room.stream_id).await?;
        self.registry.join(member.socket.id, &name).map_err(|refusal| match refusal {
            JoinRefusal::Gone => Refusal::unavailable(),
            JoinRefusal::TooManyRooms => {
                Refusal::new("chat.too-many-rooms", format!("a socket may sit in {ROOMS_MAX} channels"))
            }
        })?;
        member.session.arrive(&name, arrival(room.from.as_deref(), room.host.as_deref()));
        let watching = [(name.clone(), member.session.viewer.clone())];
        let count = async {
            self.viewers.beat(&watching).await;
            self.count_now(&name).await
        };
        // Before anything was read: what changes meanwhile is told twice rather than not at all.
        let now = kit::clock::now() - tail::KEPT;
        let latest = self.tails.of(&name, channel, &*self.history);
        let pinned = self.pinned(member, channel, &name);
        let (count, latest, pinned, order) = tokio::join!(count, latest, pinned, self.order_of(member, channel));
        let is_order_known = order.is_ok();
        // Who only watches need not know: who writes is judged by what holds.
        let (modes, me) = order.unwrap_or_else(|_logged| (modes_view(Modes::default()), Value::Null));
        let mut body = json!({
            "ok": true,
            "viewers": count.count,
            "modes": modes,
            "me": me,
            "pinned": pinned,
            "now": moment(now),
        });
        let past = async {
            let latest = self.readable(member, latest?.to_vec()).await?;
            body["history"] = self.views(&latest, &name, Reader::Member(member)).await?.into();
            if last.is_some() || room.since.is_some() {
                let stand = Stand { last, since: room.since };
                self.add_missed(&mut body, stand, member, (channel, &name)).await?;
            }
            Ok::<_, Refusal>(())
        };
        match past.await {
            Ok(()) => {}
            // Watching goes on without the past; the client may ask for it again.
            Err(_logged) => {
                body["history"] = json!([]);
                body["is_history_missing"] = json!(true);
            }
        }
        if count.is_stale || !is_order_known {
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
                self.views(&self.readable(member, said).await?, &name, Reader::Member(member)).await?
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
                let said = self.history.stream_page(room.stream, span, limit).await?;
                self.views(&said, &room.username, Reader::Member(member)).await?
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

    async fn renew(&self, member: &Member, renew: Renew) -> Answered {
        let identity = self.identify(&renew.token).await?;
        self.set_identity(member, Some(identity));
        done(json!({ "ok": true, "expires_at": identity.expires_at }))
    }

    pub(crate) async fn channel(&self, name: &Username) -> Result<UserId, Refusal> {
        self.facts.channel(name).await?.ok_or_else(|| Refusal::not_found("channel"))
    }

    /// The member behind a sign-in, if they may write at all.
    pub(crate) async fn author(&self, user: UserId) -> Result<Chatter, Refusal> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_kept_if_it_is_one() {
        let came = |from, host| {
            let Arrival { way, host } = arrival(from, host);
            (way, host.as_deref().map(str::to_owned))
        };
        assert_eq!(came(Some("embed"), Some("blog.example")), (Way::Embed, Some("blog.example".to_owned())));
        assert_eq!(came(None, Some("https://blog.example/a?b=c")), (Way::Page, None));
        assert_eq!(came(Some("moon"), Some("*")), (Way::Page, None));
    }

    #[test]
    fn one_object_is_expected() {
        assert!(parse::<Room>(json!(["alice"])).is_err());
        assert!(parse::<Room>(Value::Null).is_err());
        assert!(parse::<Room>(json!({ "username": "alice", "since": "yesterday" })).is_err());
    }
}
