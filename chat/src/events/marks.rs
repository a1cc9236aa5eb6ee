//! What is done to a message by others: reactions, the pin, and reading its thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::SubsecRound;
use db::chat::Chatter;
use domain::chat::emote;
use domain::chat::reaction::Reaction;
use domain::user::Username;
use domain::{MessageId, UserId};
use kit::Stop;
use live::fanout::Target;
use live::limits::Quota;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{Answered, done, id_of};
use crate::dress::Reader;
use crate::gateway::{Answer, Gateway, News};
use crate::history::Reacted;
use crate::limits::{CHAT_WINDOW, PAGE_MAX, REACTED_MAX, REACTIONS_EVERY, REACTIONS_PER_WINDOW};
use crate::refusal::Refusal;
use crate::registry::Member;

#[derive(Debug, Deserialize)]
pub(super) struct React {
    id: String,
    emoji: String,
    on: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pin {
    username: String,
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Thread {
    id: String,
}

/// Messages reacted to, whose rooms are told soon: not once for each reaction.
#[derive(Default)]
pub(crate) struct Reacting(Mutex<HashMap<MessageId, Username>>);

impl Reacting {
    /// When there are too many, rooms learn of it when they join anew.
    fn add(&self, message: MessageId, channel: Username) {
        let mut waiting = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if waiting.len() < REACTED_MAX {
            waiting.insert(message, channel);
        }
    }

    fn take(&self) -> HashMap<MessageId, Username> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// Tells rooms how their messages stand, until the stop.
pub(crate) async fn tell_reactions(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(REACTIONS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let waiting = gateway.reacting.take();
        if waiting.is_empty() {
            continue;
        }
        let ids: Vec<MessageId> = waiting.keys().copied().collect();
        match gateway.history.reactions(&ids, None).await {
            Ok(mut reactions) => {
                for (id, name) in waiting {
                    let reactions = reactions.remove(&id).unwrap_or_default();
                    let payload = json!({ "id": id, "username": name, "reactions": reactions });
                    let target = Target::Channel(name);
                    gateway.tell(News { target, event: "chat:reactions", payload, message: None }).await;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "reactions are told later");
                waiting.into_iter().for_each(|(id, name)| gateway.reacting.add(id, name));
            }
        }
    }
}

impl Gateway {
    pub(super) async fn react(&self, member: &Member, react: React) -> Answered {
        let identity = self.current(member).await?;
        let id = id_of(&react.id)?;
        let reaction = Reaction::parse(&react.emoji)?;
        self.author(identity.user).await?;
        let (message, name) = self.message_for(member, id).await?;
        if let Reaction::Emote(emote) = &reaction
            && react.on
            && emote::built_in(emote).is_none()
            && !self.facts.emotes(message.channel).await?.contains_key(emote)
        {
            return Err(Refusal::new("chat.unknown-emote", "there is no such emote"));
        }
        let quota = Quota::new(REACTIONS_PER_WINDOW, CHAT_WINDOW);
        let verdict = self.limits.hit(&format!("react:{}", identity.user), quota).await;
        if !verdict.is_allowed {
            return Err(Refusal::new("chat.throttled", "you are reacting too fast").later(verdict.retry_after));
        }
        let emoji = reaction.into_text();
        let now = kit::clock::now().trunc_subsecs(3);
        match self.history.react(id, identity.user, &emoji, react.on, now).await? {
            Reacted::Done => {}
            Reacted::Gone => return Err(Refusal::not_found("message")),
            Reacted::TooMany => {
                return Err(Refusal::new("chat.too-many-reactions", "this message carries no more different emoji"));
            }
        }
        self.reacting.add(id, name);
        let reactions = self.history.reactions(&[id], Some(identity.user)).await?.remove(&id).unwrap_or_default();
        done(json!({ "ok": true, "emoji": emoji, "reactions": reactions }))
    }

    pub(super) async fn pin(&self, member: &Member, pin: Pin) -> Answered {
        let identity = self.current(member).await?;
        let name = Username::parse(&pin.username)?;
        let id = pin.id.as_deref().map(id_of).transpose()?;
        let actor = self.author(identity.user).await?;
        let channel = self.channel(&name).await?;
        self.set_pin(member, &actor, channel, &name, id).await
    }

    pub(super) async fn set_pin(
        &self,
        member: &Member,
        actor: &Chatter,
        channel: UserId,
        name: &Username,
        id: Option<MessageId>,
    ) -> Answered {
        self.keeper(actor, channel).await?;
        let message = match id {
            None => None,
            Some(id) => {
                let (message, _) = self.message_for(member, id).await?;
                Some(message)
                    .filter(|message| message.channel == channel)
                    .ok_or_else(|| Refusal::not_found("message"))?
                    .into()
            }
        };
        self.facts.pin(channel, id, actor.id).await?;
        let view = match &message {
            Some(message) => self.view(message, name).await?,
            None => Value::Null,
        };
        let payload = json!({ "username": name, "message": view });
        let news = News { target: Target::Channel(name.clone()), event: "chat:pinned", payload, message: None };
        Ok(Answer { body: json!({ "ok": true }), then: Some(news) })
    }

    /// The message a channel has pinned, as this member may see it. Null without one, or when nobody can say.
    pub(super) async fn pinned(&self, member: &Member, channel: UserId, name: &Username) -> Value {
        let Ok(Some(id)) = self.facts.pinned(channel).await else { return Value::Null };
        let Ok(Some(message)) = self.history.find(id).await else { return Value::Null };
        let Ok(message) = self.readable(member, vec![message]).await else { return Value::Null };
        let views = self.views(&message, name, Reader::Member(member)).await;
        views.ok().and_then(|mut views| views.pop()).unwrap_or_default()
    }

    pub(super) async fn thread(&self, member: &Member, thread: Thread) -> Answered {
        let (message, name) = self.message_for(member, id_of(&thread.id)?).await?;
        let root = message.thread.unwrap_or(message.id);
        let (first, replies) = tokio::try_join!(self.history.find(root), self.history.thread(root, PAGE_MAX))?;
        let all: Vec<_> = first.into_iter().chain(replies).collect();
        let all = self.readable(member, all).await?;
        done(json!({ "ok": true, "items": self.views(&all, &name, Reader::Member(member)).await? }))
    }
}
