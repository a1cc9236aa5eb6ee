//! What moderators do: timeout, ban, unban, warn, strike lines, set modes. Each is one transaction with its entry in the log, and
//! one after the other in a channel.

use chrono::SubsecRound;
use db::moderation::held::deny_all;
use db::moderation::{Act, Rules, Sanction, Standing};
use domain::order::{Links, Modes, ModesChange, Rank, TIMEOUT_S_MAX, UNDO_FOR, is_undoable, reason};
use domain::user::Username;
use domain::{MessageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{forbidden, modes_view, rank, sanction_view};
use crate::events::{Answered, done};
use crate::gateway::Gateway;
use crate::message::Message;
use crate::refusal::Refusal;
use crate::registry::Member;

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    /// The channel.
    username: String,
    #[serde(flatten)]
    deed: Deed,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Deed {
    Timeout {
        member: String,
        seconds: u32,
        /// Whether their lines are struck too.
        #[serde(default)]
        strike: bool,
    },
    Ban {
        member: String,
        #[serde(default)]
        strike: bool,
    },
    Unban {
        member: String,
    },
    Warn {
        member: String,
    },
    Delete {
        message_id: MessageId,
    },
    /// All lines, or those of one member.
    Clear {
        member: Option<String>,
    },
    Modes {
        modes: ModesBody,
    },
    Shield {
        on: bool,
    },
    /// A line that was kept back: it is said, or dropped.
    Approve {
        held_id: Uuid,
    },
    Deny {
        held_id: Uuid,
    },
    #[serde(skip)]
    Appoint {
        member: String,
    },
    #[serde(skip)]
    Dismiss {
        member: String,
    },
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ModesBody {
    pub slow_s: Option<u32>,
    #[serde(default, deserialize_with = "mentioned")]
    pub followers_only_s: Option<Option<u32>>,
    pub emote_only: Option<bool>,
    pub unique: Option<bool>,
    pub links: Option<Links>,
}

/// Tells "not mentioned" from "null".
fn mentioned<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::<u32>::deserialize(deserializer).map(Some)
}

/// A sanction as the log keeps it, to be put back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    act: Uuid,
    ends_at: Option<Timestamp>,
    reason: String,
    by: UserId,
    at: Timestamp,
}

impl From<Sanction> for Kept {
    fn from(Sanction { act, ends_at, reason, by, at }: Sanction) -> Self {
        Self { act, ends_at, reason, by, at }
    }
}

impl From<Kept> for Sanction {
    fn from(Kept { act, ends_at, reason, by, at }: Kept) -> Self {
        Self { act, ends_at, reason, by, at }
    }
}

/// Somebody who acts in a channel, and the transaction they hold it with.
pub(super) struct Bench {
    pub tx: db::Tx,
    pub rules: Rules,
    pub name: Username,
    pub channel: UserId,
    pub actor: UserId,
    pub actor_name: Username,
    pub rank: Rank,
}

impl Bench {
    /// An entry for the log, with the time all of the act happens at.
    pub(super) fn entry(&self, action: &str, target: Option<&Target>, reason: &str, detail: Value) -> Act {
        Act {
            id: kit::ids::uuid(),
            channel: self.channel,
            actor: self.actor,
            actor_name: self.actor_name.to_string(),
            action: action.to_owned(),
            target: target.map(|target| target.id),
            target_name: target.map(|target| target.name.to_string()),
            reason: reason.to_owned(),
            detail,
            undoes: None,
            // In milliseconds: what every store of messages keeps without rounding.
            at: kit::clock::now().trunc_subsecs(3),
        }
    }

    /// Somebody to act on, if the actor may.
    async fn target(&mut self, member: &str) -> Result<Target, Refusal> {
        let target = self.find(member).await?;
        let theirs = rank(&target.standing, target.id, self.channel);
        if self.rank.outranks(theirs) { Ok(target) } else { Err(outranked()) }
    }

    pub(super) async fn find(&mut self, member: &str) -> Result<Target, Refusal> {
        let name = Username::parse(member)?;
        let found = db::moderation::find_member(&mut self.tx, &name).await?;
        let (id, name) = found.ok_or_else(|| Refusal::not_found("member"))?;
        let standing = db::moderation::standing(&mut self.tx, self.channel, id).await?;
        Ok(Target { id, name, standing: standing.ok_or_else(|| Refusal::not_found("member"))? })
    }

    async fn name_of(&mut self, user: UserId) -> Result<Option<String>, Refusal> {
        Ok(db::chat::username_of(&mut self.tx, user).await?.map(|name| name.to_string()))
    }
}

pub(super) struct Target {
    pub id: UserId,
    pub name: Username,
    pub standing: Standing,
}

fn outranked() -> Refusal {
    Refusal::new("mod.outranked", "you cannot act on somebody who keeps order here as you do")
}

/// Somebody else was faster.
pub(super) fn already(by: Option<String>) -> Refusal {
    Refusal::new(
        "mod.already",
        match by {
            Some(by) => format!("{by} has done that already"),
            None => "somebody has done that already".to_owned(),
        },
    )
}

/// An act as moderators see it.
pub(super) fn act_view(act: &Act, name: &Username) -> Value {
    json!({
        "act_id": act.id,
        "username": name,
        "actor": act.actor_name,
        "action": act.action,
        "target": act.target_name,
        "reason": act.reason,
        "detail": act.detail,
        "undoes": act.undoes,
        "at": act.at,
        "undo_until": is_undoable(&act.action).then(|| act.at + UNDO_FOR),
    })
}

impl Gateway {
    /// Opens a transaction in which nobody else acts in the channel, for somebody who may.
    pub(super) async fn bench(&self, member: &Member, username: &str) -> Result<Bench, Refusal> {
        let identity = self.current(member).await?;
        let name = Username::parse(username)?;
        let actor = self.author(identity.user).await?;
        let channel = self.channel(&name).await?;
        let verdict = self.limits.hit(&format!("acts:{}", actor.id), self.acts_quota).await;
        if !verdict.is_allowed {
            let refusal = Refusal::new("chat.throttled", "you are acting too fast");
            return Err(refusal.later(verdict.retry_after));
        }
        let mut tx = self.facts.begin().await?;
        let standing = db::moderation::standing(&mut tx, channel, actor.id).await?;
        let standing = standing.ok_or_else(Refusal::unauthenticated)?;
        let rank = rank(&standing, actor.id, channel);
        if !rank.may_moderate() {
            return Err(forbidden());
        }
        if let Some(refusal) = super::barred(&standing, rank) {
            return Err(refusal);
        }
        let rules = db::moderation::lock(&mut tx, channel).await?;
        Ok(Bench { tx, rules, name, channel, actor: actor.id, actor_name: actor.username, rank })
    }

    pub(crate) async fn act(&self, member: &Member, order: Order) -> Answered {
        self.perform(member, &order.username, order.deed, &order.reason).await
    }

    /// Does what a moderator asks for, by an event or a slash command.
    pub(crate) async fn perform(&self, member: &Member, channel: &str, deed: Deed, why: &str) -> Answered {
        let why = reason(why)?;
        let bench = self.bench(member, channel).await?;
        match deed {
            Deed::Timeout { member, seconds, strike } => {
                if !(1..=TIMEOUT_S_MAX).contains(&seconds) {
                    return Err(Refusal::invalid("seconds must be 1 to 2419200 (28 days)"));
                }
                self.silence(bench, &member, Some(seconds), strike, why).await
            }
            Deed::Ban { member, strike } => self.silence(bench, &member, None, strike, why).await,
            Deed::Unban { member } => self.pardon(bench, &member, why).await,
            Deed::Warn { member } => self.warn(bench, &member, why).await,
            Deed::Delete { message_id } => {
                let message = self.history.find(message_id).await?;
                match message.filter(|message| message.channel == bench.channel) {
                    Some(message) => self.strike_line(bench, &message, why).await,
                    None => {
                        let mut bench = bench;
                        let by = db::moderation::struck_by(&mut bench.tx, bench.channel, message_id).await?;
                        Err(if by.is_some() { already(by) } else { Refusal::not_found("message") })
                    }
                }
            }
            Deed::Clear { member } => self.clear_lines(bench, member.as_deref(), why).await,
            Deed::Modes { modes } => {
                let change = ModesChange {
                    slow_s: modes.slow_s,
                    followers_only_s: modes.followers_only_s,
                    emote_only: modes.emote_only,
                    unique: modes.unique,
                    links: modes.links,
                    shield: None,
                };
                self.set_modes(bench, "modes", change, why).await
            }
            Deed::Shield { on } => {
                let change = ModesChange { shield: Some(on), ..ModesChange::default() };
                self.set_modes(bench, "shield", change, why).await
            }
            Deed::Approve { held_id } => self.approve(bench, held_id, why).await,
            Deed::Deny { held_id } => self.deny(bench, held_id, why).await,
            Deed::Appoint { member } => self.set_office(bench, &member, true).await,
            Deed::Dismiss { member } => self.set_office(bench, &member, false).await,
        }
    }

    /// A timeout, or without `seconds` a ban.
    async fn silence(
        &self,
        mut bench: Bench,
        member: &str,
        seconds: Option<u32>,
        strike: bool,
        why: String,
    ) -> Answered {
        let target = bench.target(member).await?;
        let before = target.standing.sanction.clone();
        if let Some(before) = &before {
            let is_banned = before.ends_at.is_none();
            // Two who saw the same line: the second one's timeout would only replace the first one's.
            let is_race = seconds.is_some() && before.by != bench.actor && before.at + UNDO_FOR > kit::clock::now();
            if is_banned || is_race {
                let by = bench.name_of(before.by).await?;
                return Err(already(by));
            }
        }
        let mut act = bench.entry(if seconds.is_some() { "timeout" } else { "ban" }, Some(&target), &why, Value::Null);
        let ends_at = seconds.map(|seconds| act.at + std::time::Duration::from_secs(u64::from(seconds)));
        act.detail =
            json!({ "ends_at": ends_at, "seconds": seconds, "struck": strike, "before": before.map(Kept::from) });
        let sanction = Sanction { act: act.id, ends_at, reason: why, by: bench.actor, at: act.at };
        db::moderation::impose(&mut bench.tx, bench.channel, target.id, &sanction).await?;
        let denied = deny_all(&mut bench.tx, bench.channel, target.id, act.id).await?;
        let by = bench.actor_name.clone();
        let lines = strike.then_some(Some(target.id));
        let answer = self.conclude(bench, act, lines).await?;
        let mut told = sanction_view(&sanction);
        told["username"] = json!(answer.name);
        self.tell_member(target.id, "chat:sanctioned", told).await;
        for held in &denied {
            self.tell_gone(&answer.name, held, Some(&by)).await;
            self.tell_denied(&answer.name, held).await;
        }
        if strike {
            let cleared = json!({ "username": answer.name, "user_id": target.id });
            self.tell_room_of(&answer.name, "chat:cleared", cleared).await;
        }
        done(answer.body)
    }

    async fn pardon(&self, mut bench: Bench, member: &str, why: String) -> Answered {
        let target = bench.target(member).await?;
        let Some(before) = target.standing.sanction.clone() else {
            let by = db::moderation::last_lifted_by(&mut bench.tx, bench.channel, target.id).await?;
            return Err(already(by));
        };
        let act = bench.entry("unban", Some(&target), &why, json!({ "before": Kept::from(before) }));
        db::moderation::lift(&mut bench.tx, bench.channel, target.id).await?;
        let answer = self.conclude(bench, act, None).await?;
        self.tell_member(target.id, "chat:pardoned", json!({ "username": answer.name })).await;
        done(answer.body)
    }

    async fn warn(&self, mut bench: Bench, member: &str, why: String) -> Answered {
        let target = bench.target(member).await?;
        let act = bench.entry("warn", Some(&target), &why, json!({}));
        db::moderation::warn(&mut bench.tx, bench.channel, target.id, act.id, &why).await?;
        let answer = self.conclude(bench, act, None).await?;
        self.tell_member(target.id, "chat:warned", json!({ "username": answer.name, "reason": why })).await;
        done(answer.body)
    }

    /// One line of somebody else. The site's staff and the owner strike anybody's.
    async fn strike_line(&self, mut bench: Bench, message: &Message, why: String) -> Answered {
        if bench.rank != Rank::Keeper && message.author.id != bench.actor {
            let standing = db::moderation::standing(&mut bench.tx, bench.channel, message.author.id).await?;
            let theirs = standing.map_or(Rank::Viewer, |standing| rank(&standing, message.author.id, bench.channel));
            if !bench.rank.outranks(theirs) {
                return Err(outranked());
            }
        }
        let mut act = bench.entry("delete", None, &why, json!({ "message_id": message.id, "text": message.text }));
        act.target = Some(message.author.id);
        act.target_name = Some(message.author.username.clone());
        if !self.history.delete(message.id, bench.actor, act.at).await? {
            let by = db::moderation::struck_by(&mut bench.tx, bench.channel, message.id).await?;
            return Err(already(by));
        }
        let answer = self.conclude(bench, act, None).await?;
        let deleted = json!({ "id": message.id, "username": answer.name });
        self.tell_room_of(&answer.name, "chat:deleted", deleted).await;
        done(answer.body)
    }

    /// `chat:delete` by somebody who is not the author: for who keeps order, and written down like any act.
    pub(crate) async fn delete_for_order(&self, member: &Member, message: &Message, name: &Username) -> Answered {
        let bench = self.bench(member, name.as_str()).await?;
        self.strike_line(bench, message, String::new()).await
    }

    async fn clear_lines(&self, mut bench: Bench, member: Option<&str>, why: String) -> Answered {
        let target = match member {
            Some(member) => Some(bench.target(member).await?),
            None => None,
        };
        let of = target.as_ref().map(|target| target.id);
        let act = bench.entry("clear", target.as_ref(), &why, json!({}));
        let answer = self.conclude(bench, act, Some(of)).await?;
        let cleared = match of {
            Some(user) => json!({ "username": answer.name, "user_id": user }),
            None => json!({ "username": answer.name }),
        };
        self.tell_room_of(&answer.name, "chat:cleared", cleared).await;
        done(answer.body)
    }

    async fn set_modes(&self, mut bench: Bench, action: &str, change: ModesChange, why: String) -> Answered {
        let before: Modes = bench.rules.modes;
        let after = before.with(&change)?;
        if after == before {
            return done(json!({ "ok": true, "modes": modes_view(after) }));
        }
        db::moderation::set_modes(&mut bench.tx, bench.channel, after).await?;
        let act = bench.entry(action, None, &why, json!({ "before": before, "after": after }));
        let mut answer = self.conclude(bench, act, None).await?;
        self.tell_modes(&answer.name, after).await;
        answer.body["modes"] = modes_view(after);
        done(answer.body)
    }

    pub(super) async fn tell_modes(&self, name: &Username, modes: Modes) {
        let mut told = modes_view(modes);
        told["username"] = json!(name);
        self.tell_room_of(name, "chat:modes", told).await;
    }

    /// Writes the act down and lets it hold; with `lines`, strikes those of all or of one first.
    pub(super) async fn conclude(
        &self,
        bench: Bench,
        act: Act,
        lines: Option<Option<UserId>>,
    ) -> Result<Closed, Refusal> {
        let Bench { mut tx, name, channel, actor, .. } = bench;
        db::moderation::log(&mut tx, &act).await?;
        if let Some(of) = lines {
            self.history.clear(channel, of, actor, act.at).await?;
        }
        if let Err(error) = db::commit(tx).await {
            // What is not in the log must not have happened.
            let _undone = self.history.restore(channel, actor, act.at, kit::clock::now().trunc_subsecs(3)).await;
            return Err(error.into());
        }
        metrics::counter!("rillcast_chat_acts_total", "action" => act.action.clone()).increment(1);
        let is_about_rules = matches!(act.action.as_str(), "modes" | "shield");
        if is_about_rules {
            self.order_changed(&name, channel, None);
        } else if let Some(target) = act.target {
            self.order_changed(&name, channel, Some(target));
        }
        let view = act_view(&act, &name);
        self.tell_desk(&name, "mod:action", view.clone()).await;
        let body = json!({ "ok": true, "act_id": act.id, "undo_until": view["undo_until"], "act": view });
        Ok(Closed { name, body })
    }
}

/// An act that holds.
pub(super) struct Closed {
    pub name: Username,
    pub body: Value,
}
