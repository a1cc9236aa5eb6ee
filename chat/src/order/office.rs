//! Who keeps order in a channel for its owner: appointed and dismissed by the owner alone.

use db::moderation::Appointed;
use domain::order::MODERATORS_MAX;
use serde_json::json;

use super::acts::{Bench, already};
use crate::events::{Answered, done};
use crate::gateway::Gateway;
use crate::refusal::Refusal;

impl Gateway {
    pub(super) async fn set_office(&self, mut bench: Bench, member: &str, is_on: bool) -> Answered {
        if bench.actor != bench.channel {
            return Err(Refusal::new("chat.forbidden", "that is for the channel's owner"));
        }
        let target = bench.find(member).await?;
        if target.id == bench.channel {
            return Err(Refusal::new("moderator.owner", "the owner keeps order anyway"));
        }
        if is_on {
            if target.standing.sanction.is_some() {
                let detail = "lift what stands against them first";
                return Err(Refusal::new("moderator.sanctioned", detail));
            }
            match db::moderation::appoint(&mut bench.tx, bench.channel, target.id).await? {
                Appointed::Done => {}
                Appointed::Before => return Err(already(None)),
                Appointed::Full => {
                    let detail = format!("a channel has at most {MODERATORS_MAX} moderators");
                    return Err(Refusal::new("moderator.too-many", detail));
                }
            }
        } else if !db::moderation::dismiss(&mut bench.tx, bench.channel, target.id).await? {
            return Err(already(None));
        }
        let act = bench.entry(if is_on { "mod" } else { "unmod" }, Some(&target), "", json!({}));
        let closed = self.conclude(bench, act, None).await?;
        let told = json!({ "username": closed.name, "is_moderator": is_on });
        self.tell_member(target.id, "chat:office", told).await;
        done(closed.body)
    }
}
