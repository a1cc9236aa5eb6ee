//! Lines kept back until a moderator has looked at them. Approved, they are said by their authors, in the order of approval.

use std::sync::Arc;

use chrono::SubsecRound;
use db::moderation::held::{Decision, Held, Holding, decide};
use domain::chat::{MessageKind, MessageText};
use domain::order::{HELD_FOR, HeldFor};
use domain::user::Username;
use kit::Stop;
use live::fanout::Target;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::acts::{Bench, already};
use crate::events::say::{Caller, Draft, Reply};
use crate::events::{Answered, done};
use crate::gateway::{Answer, Gateway, News};
use crate::history::Stored;
use crate::limits::{HELD_SWEEP_EVERY, HELD_SWEEP_MAX};
use crate::refusal::Refusal;

/// What a line that would be kept back is told where it cannot be.
pub(crate) fn refused(why: HeldFor) -> Refusal {
    match why {
        HeldFor::Filter => Refusal::new("chat.filtered", "the channel does not allow what the message says"),
        HeldFor::Links => Refusal::new("chat.links", "links may not be sent here"),
        HeldFor::Review => reviewed(),
    }
}

/// What a line is told that the operator's own review does not let through.
pub(crate) fn reviewed() -> Refusal {
    Refusal::new("chat.reviewed", "the site does not allow what the message says")
}

/// A line as moderators get it.
fn held_view(held: &Held, name: &Username) -> Value {
    json!({
        "id": held.id,
        "username": name,
        "user": { "id": held.user, "username": held.username, "display_name": held.display_name },
        "text": held.text,
        "why": held.why,
        "held_at": held.held_at,
        "expires_at": held.expires_at,
    })
}

/// Drops lines that nobody looked at in time, until the stop.
pub(crate) async fn expire(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(HELD_SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        match gateway.facts.expire_held(HELD_SWEEP_MAX).await {
            Ok(expired) => {
                for (held, name) in expired {
                    gateway.tell_gone(&name, &held, None).await;
                    gateway.tell_denied(&name, &held).await;
                }
            }
            Err(error) => tracing::debug!(%error, "lines kept back are dropped later"),
        }
    }
}

impl Gateway {
    /// Keeps a line back instead of saying it.
    pub(crate) async fn hold(&self, caller: &Caller<'_>, draft: Draft, why: HeldFor) -> Answered {
        let now = kit::clock::now().trunc_subsecs(3);
        let held = Held {
            id: kit::ids::uuid(),
            channel: caller.channel,
            user: caller.author.id,
            username: caller.author.username.clone(),
            display_name: caller.author.display_name.clone(),
            text: draft.text.into_string(),
            client_id: draft.client_id,
            reply_to: draft.reply.map(|reply| reply.to),
            thread: draft.reply.map(|reply| reply.thread),
            why,
            held_at: now,
            expires_at: now + HELD_FOR,
        };
        match self.facts.hold(&held).await? {
            Holding::Done => {
                metrics::counter!("rillcast_chat_held_total", "why" => why.as_str()).increment(1);
                self.tell_desk(&caller.name, "mod:held", held_view(&held, &caller.name)).await;
            }
            Holding::Before => {}
            Holding::Full => return Err(refused(why)),
        }
        done(json!({ "ok": true, "held": true }))
    }

    /// Lets a line be said that was kept back.
    pub(super) async fn approve(&self, mut bench: Bench, id: Uuid, why: String) -> Answered {
        let mut act = bench.entry("approve", None, &why, Value::Null);
        let held = take(&mut bench, id, Decision::Approved, act.id).await?;
        let author = self.facts.member(held.user).await?.filter(|author| !author.is_suspended);
        let author = author.ok_or_else(|| Refusal::not_found("member"))?;
        let standing = self.standing(bench.channel, author.id).await?;
        let reply = held.reply_to.zip(held.thread).map(|(to, thread)| Reply { to, thread });
        let draft = Draft {
            kind: MessageKind::Message,
            text: MessageText::parse(&held.text)?,
            client_id: held.client_id.clone(),
            reply,
        };
        let message = self.compose(bench.channel, &author, draft, standing.is_moderator).await;
        let message = match self.history.insert(&message).await? {
            Stored::New => {
                self.count_line(&message);
                message
            }
            // It was said before, when nothing kept it back.
            Stored::Before(before) => *before,
        };
        act.target = Some(held.user);
        act.target_name = Some(held.username.to_string());
        act.detail = json!({ "held_id": held.id, "message_id": message.id, "text": held.text });
        let (by, at) = (bench.actor, act.at);
        let by_name = bench.actor_name.clone();
        let closed = match self.conclude(bench, act, None).await {
            Ok(closed) => closed,
            Err(refusal) => {
                // What is not in the log must not have happened.
                let _undone = self.history.delete(message.id, by, at).await;
                return Err(refusal);
            }
        };
        self.tell_gone(&closed.name, &held, Some(&by_name)).await;
        let is_news = !self.told.contains_key(&message.id);
        if is_news {
            self.calls.note(&message);
        }
        let news = News {
            payload: self.view(&message, &closed.name).await?,
            target: Target::Channel(closed.name),
            event: "chat:message",
            message: Some(message.id),
        };
        Ok(Answer { body: closed.body, then: is_news.then_some(news) })
    }

    /// Drops a line that was kept back.
    pub(super) async fn deny(&self, mut bench: Bench, id: Uuid, why: String) -> Answered {
        let mut act = bench.entry("deny", None, &why, Value::Null);
        let held = take(&mut bench, id, Decision::Denied, act.id).await?;
        act.target = Some(held.user);
        act.target_name = Some(held.username.to_string());
        act.detail = json!({ "held_id": held.id, "text": held.text });
        let by = bench.actor_name.clone();
        let closed = self.conclude(bench, act, None).await?;
        self.tell_gone(&closed.name, &held, Some(&by)).await;
        self.tell_denied(&closed.name, &held).await;
        done(closed.body)
    }

    pub(super) async fn tell_held(&self, name: &Username, held: &Held) {
        self.tell_desk(name, "mod:held", held_view(held, name)).await;
    }

    /// A line waits no more. Without `by` its time was over.
    pub(super) async fn tell_gone(&self, name: &Username, held: &Held, by: Option<&Username>) {
        let gone = json!({ "id": held.id, "username": name, "by": by });
        self.tell_desk(name, "mod:held-gone", gone).await;
    }

    /// Tells an author that a line will not be said.
    pub(super) async fn tell_denied(&self, name: &Username, held: &Held) {
        let told = json!({ "username": name, "client_id": held.client_id });
        self.tell_member(held.user, "chat:denied", told).await;
    }
}

async fn take(bench: &mut Bench, id: Uuid, decision: Decision, act: Uuid) -> Result<Held, Refusal> {
    if let Some(held) = decide(&mut bench.tx, bench.channel, id, decision, act).await? {
        return Ok(held);
    }
    let by = db::moderation::decided_by(&mut bench.tx, bench.channel, id).await?;
    Err(if by.is_some() { already(by) } else { Refusal::not_found("line that waits") })
}
