//! Conversations between members: what each `room:` event does. What is said is in [`store`], who sits in a room and may say it in Postgres.
//!
//! For whoever does not sit in a room it is not there, whatever is asked. What happens in one is told to those who sit in it at that moment.

mod dress;
pub(crate) mod ledger;
mod search;
pub mod store;

use std::collections::HashSet;

use chrono::SubsecRound;
use db::attachments::Claim;
use db::rooms::{Marked, Seat};
use domain::chat::reaction::Reaction;
use domain::chat::{emote, normalise_line};
use domain::rooms::RoomError;
use domain::{AttachmentId, MessageId, NotificationId, RoomId, Timestamp, UserId};
use live::fanout::Target;
use live::limits::Quota;
use serde::Deserialize;
use serde_json::{Value, json};

use self::store::{Kept, Reacted, RoomMessage, Span, Stored};
use crate::events::say::{client_id, text};
use crate::events::{Answered, done, parse};
use crate::fanout::{floor_of, made_at};
use crate::gateway::{Answer, Gateway, News};
use crate::limits::*;
use crate::message::moment;
use crate::refusal::Refusal;
use crate::registry::Member;

#[derive(Debug, Deserialize)]
struct Room {
    room_id: RoomId,
}

#[derive(Debug, Deserialize)]
struct Send {
    room_id: RoomId,
    #[serde(default)]
    text: String,
    client_id: String,
    reply_to: Option<MessageId>,
    /// What goes out with it, uploaded before. The text may be empty then.
    attachment_id: Option<AttachmentId>,
}

#[derive(Debug, Deserialize)]
struct Page {
    room_id: RoomId,
    before: Option<MessageId>,
    after: Option<MessageId>,
    /// `now` of the last answer the client had.
    since: Option<Timestamp>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Mark {
    room_id: RoomId,
    id: MessageId,
}

#[derive(Debug, Deserialize)]
struct Change {
    id: MessageId,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Delete {
    id: MessageId,
}

#[derive(Debug, Deserialize)]
struct React {
    id: MessageId,
    emoji: String,
    on: bool,
}

/// A message and its asker's place in its room.
struct Found {
    kept: Kept,
    me: UserId,
    seat: Seat,
}

impl Gateway {
    pub(crate) async fn room_event(&self, member: &Member, event: &str, data: Value) -> Answered {
        match event {
            "room:list" => self.room_list(member).await,
            "room:send" => self.room_send(member, parse(data)?).await,
            "room:history" => self.room_history(member, parse(data)?).await,
            "room:search" => self.room_search(member, parse(data)?).await,
            "room:edit" => self.room_edit(member, parse(data)?).await,
            "room:delete" => self.room_delete(member, parse(data)?).await,
            "room:react" => self.room_react(member, parse(data)?).await,
            "room:typing" => self.room_typing(member, parse(data)?).await,
            "room:read" => self.room_read(member, parse(data)?).await,
            _ => Err(Refusal::new("request.unknown-event", "there is no such event")),
        }
    }

    /// Who asks, and their place in the room.
    async fn seat(&self, member: &Member, room: RoomId) -> Result<(UserId, Seat), Refusal> {
        let me = self.current(member).await?.user;
        let seat = self.ledger.seat(room, me).await?.ok_or(RoomError::NotFound)?;
        Ok((me, seat))
    }

    /// A message in a room the asker sits in. It may have been deleted.
    async fn found(&self, member: &Member, id: MessageId) -> Result<Found, Refusal> {
        let me = self.current(member).await?.user;
        let missing = || Refusal::not_found("message");
        let kept = self.rooms.find_all(&[id]).await?.pop().ok_or_else(missing)?;
        let seat = self.ledger.seat(kept.message.room, me).await?.ok_or_else(missing)?;
        Ok(Found { kept, me, seat })
    }

    /// An error unless something may be said, or done to what was said, in the room now.
    async fn may_write(&self, me: UserId, seat: &Seat) -> Result<(), Refusal> {
        self.author(me).await?;
        if seat.is_archived {
            return Err(RoomError::Archived.into());
        }
        if let Some(other) = seat.other {
            self.ledger.writing(me, other).await?.refusal()?;
        }
        Ok(())
    }

    /// What is new in each room, without what was said there: for a client that comes back.
    async fn room_list(&self, member: &Member) -> Answered {
        let me = self.current(member).await?.user;
        let (rooms, unread) = self.ledger.list(me, ROOM_LIST_MAX).await?;
        let items = rooms.iter().map(|room| {
            json!({
                "room_id": room.room,
                "unread_count": room.unread,
                "read_id": room.read,
                "last_id": room.last.as_ref().map(|last| last.id),
            })
        });
        done(json!({ "ok": true, "items": items.collect::<Vec<_>>(), "unread_count": unread }))
    }

    async fn room_send(&self, member: &Member, send: Send) -> Answered {
        let is_silent = send.attachment_id.is_some() && normalise_line(&send.text).is_empty();
        let text = if is_silent { String::new() } else { text(&send.text)?.into_string() };
        let client_id = client_id(send.client_id)?;
        let (me, seat) = self.seat(member, send.room_id).await?;
        self.may_write(me, &seat).await?;
        if let Some(id) = send.reply_to {
            let kept = self.rooms.find_all(&[id]).await?.pop();
            let is_there = kept.is_some_and(|kept| !kept.is_deleted && kept.message.room == send.room_id);
            if !is_there {
                return Err(Refusal::new("chat.reply-gone", "the message you answer is gone"));
            }
        }
        self.pace(me).await?;
        self.room_pace(send.room_id).await?;
        let mut id = MessageId::from_uuid(kit::ids::uuid());
        if let Some(attachment) = send.attachment_id {
            // The same id however often it is asked: a message that was not stored is stored under it the next time.
            let claim = Claim { id: attachment, room: send.room_id, user: me, client_id: &client_id, message: id };
            id = self.ledger.claim(claim).await??;
        }
        let message = RoomMessage {
            id,
            room: send.room_id,
            author: me,
            text,
            client_id,
            sent_at: kit::clock::now().trunc_subsecs(3),
            reply_to: send.reply_to,
            edited_at: None,
            changed_at: None,
            reactions: Vec::new(),
        };
        let stored = self.rooms.insert(&message).await?;
        if let (Some(attachment), Stored::Before(before)) = (send.attachment_id, &stored)
            && before.message.id != id
        {
            // An earlier message has this name: nothing goes out with it any more.
            self.ledger.release(attachment, id).await?;
        }
        let (message, is_new) = match stored {
            Stored::New => (message, true),
            Stored::Before(before) if before.message.room != send.room_id => {
                return Err(Refusal::invalid("client_id was used for a message in another room"));
            }
            Stored::Before(before) if before.is_deleted => {
                return done(json!({ "ok": true, "message": self.room_view(&before.message).await? }));
            }
            Stored::Before(before) => (before.message, false),
        };
        let audience = self.ledger.said(&message).await?;
        if !audience.contains(&me) {
            // Shown out between the question and the message: it was not said.
            self.rooms.delete(message.id, kit::clock::now().trunc_subsecs(3)).await?;
            self.ledger.redact(message.id).await?;
            return Err(RoomError::NotFound.into());
        }
        if is_new {
            metrics::counter!("rillcast_room_messages_total").increment(1);
        }
        let view = self.room_view(&message).await?;
        // A message that was stored while its answer was lost may not have been told to anybody yet.
        let is_news = is_new || !self.told.contains_key(&message.id);
        let news = News {
            target: Target::Users(audience),
            event: "room:message",
            payload: view.clone(),
            message: Some(message.id),
        };
        Ok(Answer { body: json!({ "ok": true, "message": view }), then: is_news.then_some(news) })
    }

    async fn room_history(&self, member: &Member, page: Page) -> Answered {
        self.seat(member, page.room_id).await?;
        let limit = page.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let span = match (page.before, page.after) {
            (None, None) => Span::Latest,
            (Some(before), None) => Span::Before(before),
            (None, Some(after)) => Span::After(after),
            (Some(_), Some(_)) => return Err(Refusal::invalid("give before or after, not both")),
        };
        // Before anything is read: what changes meanwhile is told twice rather than not at all.
        let now = kit::clock::now();
        let items = self.rooms.page(page.room_id, span, limit).await?;
        let mut body = json!({ "ok": true, "now": moment(now), "items": self.room_views(&items).await? });
        if let (Some(last), Some(since)) = (page.after, page.since) {
            self.add_room_changes(&mut body, page.room_id, last, since, &items).await?;
        }
        done(body)
    }

    /// Adds what a client that was away must hear besides new messages: those that became known late, and those that changed.
    async fn add_room_changes(
        &self,
        body: &mut Value,
        room: RoomId,
        last: MessageId,
        since: Timestamp,
        items: &[RoomMessage],
    ) -> Result<(), Refusal> {
        let from = floor_of(made_at(last) - LATE_MARGIN);
        let late = self.rooms.page(room, Span::After(from), LATE_MAX).await?;
        let changed = self.rooms.changed_since(room, since - CHANGE_MARGIN, CHANGES_MAX + 1).await?;
        body["is_gap"] = json!(changed.len() > CHANGES_MAX as usize);
        let mut known: HashSet<MessageId> = items.iter().map(|message| message.id).chain([last]).collect();
        let mut changes: Vec<RoomMessage> =
            late.into_iter().filter(|message| message.id < last && known.insert(message.id)).collect();
        let mut removed = Vec::new();
        // What the client has already may have changed since, the last one too.
        known.remove(&last);
        for kept in changed {
            if kept.is_deleted {
                removed.push(kept.message.id);
            } else if known.insert(kept.message.id) {
                changes.push(kept.message);
            }
        }
        body["changes"] = self.room_views(&changes).await?.into();
        body["removed"] = json!(removed);
        // What a scanner said meanwhile changes no message.
        body["attachments"] = self.ledger.settled(room, since - CHANGE_MARGIN, i64::from(CHANGES_MAX)).await?;
        Ok(())
    }

    async fn room_edit(&self, member: &Member, change: Change) -> Answered {
        let text = text(&change.text)?;
        let found = self.found(member, change.id).await?;
        let missing = || Refusal::not_found("message");
        if found.kept.is_deleted {
            return Err(missing());
        }
        if found.kept.message.author != found.me {
            return Err(Refusal::new("chat.forbidden", "only its author changes a message"));
        }
        self.may_write(found.me, &found.seat).await?;
        let now = kit::clock::now().trunc_subsecs(3);
        if now - found.kept.message.sent_at > ROOM_EDIT_FOR {
            let detail = format!("a message can be changed for {} minutes", ROOM_EDIT_FOR.num_minutes());
            return Err(Refusal::new("room.too-late", detail));
        }
        self.pace(found.me).await?;
        let edited = self.rooms.edit(change.id, found.me, text.as_str(), now).await?.ok_or_else(missing)?;
        self.ledger.reword(&edited).await?;
        let view = self.room_view(&edited).await?;
        let news = self.room_news(edited.room, "room:edited", json!({ "message": view })).await?;
        Ok(Answer { body: json!({ "ok": true, "message": view }), then: Some(news) })
    }

    /// By its author, or by who keeps order in a group. Asked again it is done again: a line that outlived its text goes too.
    async fn room_delete(&self, member: &Member, delete: Delete) -> Answered {
        let found = self.found(member, delete.id).await?;
        let message = found.kept.message;
        if message.author != found.me && !found.seat.role.keeps_order() {
            return Err(Refusal::new("chat.forbidden", "that is for its author and who keeps order in the room"));
        }
        self.rooms.delete(message.id, kit::clock::now().trunc_subsecs(3)).await?;
        self.ledger.redact(message.id).await?;
        let payload = json!({ "room_id": message.room, "id": message.id });
        let news = self.room_news(message.room, "room:deleted", payload).await?;
        Ok(Answer { body: json!({ "ok": true }), then: Some(news) })
    }

    async fn room_react(&self, member: &Member, react: React) -> Answered {
        let reaction = Reaction::parse(&react.emoji)?;
        if let Reaction::Emote(name) = &reaction
            && react.on
            && emote::built_in(name).is_none()
        {
            return Err(Refusal::new("chat.unknown-emote", "there is no such emote"));
        }
        let found = self.found(member, react.id).await?;
        self.may_write(found.me, &found.seat).await?;
        let quota = Quota::new(REACTIONS_PER_WINDOW, CHAT_WINDOW);
        let verdict = self.limits.hit(&format!("react:{}", found.me), quota).await;
        if !verdict.is_allowed {
            return Err(Refusal::new("chat.throttled", "you are reacting too fast").later(verdict.retry_after));
        }
        let emoji = reaction.into_text();
        let missing = || Refusal::not_found("message");
        match self.rooms.react(react.id, found.me, &emoji, react.on, kit::clock::now().trunc_subsecs(3)).await? {
            Reacted::Done => {}
            Reacted::Gone => return Err(missing()),
            Reacted::TooMany => {
                return Err(Refusal::new("chat.too-many-reactions", "this message carries no more different emoji"));
            }
        }
        let message = self.rooms.find_all(&[react.id]).await?.pop().ok_or_else(missing)?.message;
        let reactions = dress::reactions(&message);
        let payload = json!({ "room_id": message.room, "id": message.id, "reactions": reactions });
        let news = self.room_news(message.room, "room:reactions", payload).await?;
        Ok(Answer { body: json!({ "ok": true, "emoji": emoji, "reactions": reactions }), then: Some(news) })
    }

    /// The others hear it, at most every three seconds; what they heard holds for five.
    async fn room_typing(&self, member: &Member, room: Room) -> Answered {
        let (me, seat) = self.seat(member, room.room_id).await?;
        self.may_write(me, &seat).await?;
        let verdict = self.limits.hit(&format!("typing:{}:{me}", room.room_id), TYPING_TOLD).await;
        if !verdict.is_allowed {
            return done(json!({ "ok": true }));
        }
        let author = self.author(me).await?;
        let user = json!({ "id": me, "username": author.username, "display_name": author.display_name });
        let mut others = self.ledger.audience(room.room_id).await?;
        others.retain(|user| *user != me);
        let payload = json!({ "room_id": room.room_id, "user": user });
        let news = News { target: Target::Users(others), event: "room:typing", payload, message: None };
        Ok(Answer { body: json!({ "ok": true }), then: Some(news) })
    }

    async fn room_read(&self, member: &Member, mark: Mark) -> Answered {
        let (me, seat) = self.seat(member, mark.room_id).await?;
        match self.ledger.read(mark.room_id, me, mark.id).await? {
            Marked::Moved { told: None } => {}
            Marked::Moved { told: Some(id) } => self.tell_read(me, id).await?,
            Marked::Behind => return done(json!({ "ok": true })),
            Marked::NoLine => return Err(Refusal::not_found("message")),
        }
        let payload = json!({ "room_id": mark.room_id, "user_id": me, "id": mark.id });
        // Somebody who is not let near is not told when their words are read.
        let target = match self.may_write(me, &seat).await {
            Ok(()) => Target::Users(self.ledger.audience(mark.room_id).await?),
            Err(_not_near) => Target::User(me),
        };
        let news = News { target, event: "room:read", payload, message: None };
        Ok(Answer { body: json!({ "ok": true }), then: Some(news) })
    }

    /// All of a member's tabs hear that a notification was read by reading what it was about.
    async fn tell_read(&self, me: UserId, id: NotificationId) -> Result<(), Refusal> {
        let unread_count = self.ledger.unread_notifications(me).await?;
        let payload = json!({ "ids": [id], "unread_count": unread_count });
        self.tell(News { target: Target::User(me), event: "notification:read", payload, message: None }).await;
        Ok(())
    }

    /// News for everybody who sits in the room now.
    async fn room_news(&self, room: RoomId, event: &'static str, payload: Value) -> Result<News, Refusal> {
        Ok(News { target: Target::Users(self.ledger.audience(room).await?), event, payload, message: None })
    }

    /// Has everybody who is signed in here ask again what was said in their rooms: this node could not hear it.
    pub(crate) fn recall_rooms(&self) {
        for (member, _) in self.registry.signed_in() {
            let _told = member.socket.emit("room:changed", &json!({}));
        }
    }
}
