//! Taking an act back: by whoever did it, within ten seconds, once, and only while nobody has acted on top of it.

use db::moderation::held::{Held, hold_again};
use db::moderation::{Act, Sanction, UNDONE};
use domain::MessageId;
use domain::order::{Modes, UNDO_FOR};
use domain::user::Username;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::acts::{Bench, Kept, act_view, already};
use super::{forbidden, sanction_view};
use crate::events::{Answered, done};
use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::registry::Member;

#[derive(Debug, Deserialize)]
pub(crate) struct Undo {
    username: String,
    act_id: Uuid,
}

/// What everybody is told when the act is taken back.
#[derive(Default)]
struct Amends {
    sanction: Option<Option<Sanction>>,
    has_lines: bool,
    modes: Option<Modes>,
    /// Lines that wait again.
    held: Vec<Held>,
    /// A line that was approved, and is struck.
    struck: Option<MessageId>,
}

fn kept<T: serde::de::DeserializeOwned>(act: &Act, field: &str) -> Result<T, Refusal> {
    serde_json::from_value(act.detail[field].clone()).map_err(|_| Refusal::invalid("that act cannot be taken back"))
}

impl Gateway {
    pub(crate) async fn undo(&self, member: &Member, undo: Undo) -> Answered {
        let mut bench = self.bench(member, &undo.username).await?;
        let act = db::moderation::act(&mut bench.tx, undo.act_id).await?;
        let act = act.filter(|act| act.channel == bench.channel).ok_or_else(|| Refusal::not_found("act"))?;
        if act.actor != bench.actor || act.undoes.is_some() {
            return Err(forbidden());
        }
        if act.at + UNDO_FOR < kit::clock::now() {
            return Err(Refusal::new("mod.too-late", "an act can be taken back for ten seconds"));
        }
        let amends = Self::take_back(&mut bench, &act).await?;
        let mut entry = bench.entry("undo", None, "", json!({ "action": act.action }));
        entry.target = act.target;
        entry.target_name.clone_from(&act.target_name);
        entry.undoes = Some(act.id);
        if let Err(error) = db::moderation::log(&mut bench.tx, &entry).await {
            return Err(if error.constraint() == Some(UNDONE) { already(None) } else { error.into() });
        }
        if amends.has_lines {
            self.history.restore(bench.channel, act.actor, act.at, entry.at).await?;
        }
        if let Some(line) = amends.struck {
            self.history.delete(line, bench.actor, entry.at).await?;
        }
        let Bench { tx, name, channel, .. } = bench;
        db::commit(tx).await?;
        self.order_changed(&name, channel, act.target);
        if amends.modes.is_some() {
            self.order_changed(&name, channel, None);
        }
        self.tell_amends(&name, &act, amends).await;
        self.tell_desk(&name, "mod:action", act_view(&entry, &name)).await;
        done(json!({ "ok": true, "act_id": entry.id }))
    }

    /// Puts back what stood before the act.
    async fn take_back(bench: &mut Bench, act: &Act) -> Result<Amends, Refusal> {
        let channel = bench.channel;
        let mut amends = Amends { has_lines: act.detail["struck"] == json!(true), ..Amends::default() };
        match (act.action.as_str(), act.target) {
            ("timeout" | "ban" | "unban", Some(target)) => {
                let now = db::moderation::standing(&mut bench.tx, channel, target).await?;
                let now = now.and_then(|standing| standing.sanction);
                let is_ours = if act.action == "unban" {
                    now.is_none()
                } else {
                    // One that has run out in the meantime was still ours.
                    now.as_ref().is_none_or(|sanction| sanction.act == act.id)
                };
                if !is_ours {
                    return Err(already(None));
                }
                let before: Option<Kept> = kept(act, "before")?;
                let before = before.map(Sanction::from);
                match &before {
                    Some(before) => db::moderation::impose(&mut bench.tx, channel, target, before).await?,
                    None => db::moderation::lift(&mut bench.tx, channel, target).await?,
                }
                db::moderation::pleas::ask_again(&mut bench.tx, act.id).await?;
                amends.sanction = Some(before);
                amends.held = hold_again(&mut bench.tx, act.id).await?;
            }
            ("deny", _) => {
                amends.held = hold_again(&mut bench.tx, act.id).await?;
                if amends.held.is_empty() {
                    return Err(Refusal::new("mod.too-late", "the line's time is over"));
                }
            }
            ("approve", _) => amends.struck = Some(kept(act, "message_id")?),
            ("warn", Some(target)) => {
                if !db::moderation::unwarn(&mut bench.tx, channel, target, Some(act.id)).await? {
                    return Err(Refusal::new("mod.too-late", "the warning has been read"));
                }
                amends.sanction = None;
            }
            ("delete" | "clear", _) => amends.has_lines = true,
            ("modes" | "shield", _) => {
                let (before, after): (Modes, Modes) = (kept(act, "before")?, kept(act, "after")?);
                if bench.rules.modes != after {
                    return Err(already(None));
                }
                db::moderation::set_modes(&mut bench.tx, channel, before).await?;
                amends.modes = Some(before);
            }
            _ => return Err(Refusal::invalid("that act cannot be taken back")),
        }
        Ok(amends)
    }

    async fn tell_amends(&self, name: &Username, act: &Act, amends: Amends) {
        match (amends.sanction, act.target) {
            (Some(Some(sanction)), Some(target)) => {
                let mut told: Value = sanction_view(&sanction);
                told["username"] = json!(name);
                self.tell_member(target, "chat:sanctioned", told).await;
            }
            (Some(None), Some(target)) => {
                self.tell_member(target, "chat:pardoned", json!({ "username": name })).await;
            }
            _ => {}
        }
        if act.action == "warn"
            && let Some(target) = act.target
        {
            self.tell_member(target, "chat:pardoned", json!({ "username": name })).await;
        }
        if amends.has_lines {
            self.tell_room_of(name, "chat:restored", json!({ "username": name })).await;
        }
        if let Some(modes) = amends.modes {
            self.tell_modes(name, modes).await;
        }
        for held in &amends.held {
            self.tell_held(name, held).await;
        }
        if let Some(line) = amends.struck {
            self.tell_room_of(name, "chat:deleted", json!({ "id": line, "username": name })).await;
        }
    }
}
