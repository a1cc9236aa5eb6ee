//! What a client missed while it was away.
//!
//! Ids are in the order of time, but not quite in the order in which messages become known: one may be stored a moment after
//! another that has a greater id. So a little of what came before the client's last message is told again, among the changes.

use std::collections::HashSet;

use domain::user::Username;
use domain::{MessageId, Timestamp, UserId};
use serde_json::{Value, json};

use crate::dress::Reader;
use crate::fanout::{floor_of, made_at};
use crate::gateway::Gateway;
use crate::history::Span;
use crate::limits::{CHANGE_MARGIN, CHANGES_MAX, LATE_MARGIN, LATE_MAX, MISSED_MAX};
use crate::message::Message;
use crate::refusal::Refusal;
use crate::registry::Member;

/// Where a client stood.
pub(super) struct Stand {
    /// The last message it has.
    pub last: Option<MessageId>,
    /// `now` of the last answer it had.
    pub since: Option<Timestamp>,
}

#[derive(Default)]
struct Missed {
    messages: Vec<Message>,
    changes: Vec<Message>,
    removed: Vec<MessageId>,
    is_gap: bool,
}

impl Gateway {
    /// Adds to a join's answer what the client missed.
    pub(super) async fn add_missed(
        &self,
        body: &mut Value,
        stand: Stand,
        member: &Member,
        (channel, name): (UserId, &Username),
    ) -> Result<(), Refusal> {
        let mut missed = Missed::default();
        let mut known = HashSet::new();
        if let Some(last) = stand.last {
            let from = floor_of(made_at(last) - LATE_MARGIN);
            let page_max = MISSED_MAX + LATE_MAX;
            let page = self.history.channel_page(channel, Span::After(from), page_max + 1).await?;
            missed.is_gap = page.len() > page_max as usize;
            let (late, new): (Vec<_>, Vec<_>) = page.into_iter().partition(|message| message.id <= last);
            missed.is_gap |= new.len() > MISSED_MAX as usize;
            missed.messages = new.into_iter().take(MISSED_MAX as usize).collect();
            missed.changes = late.into_iter().filter(|message| message.id != last).collect();
            known.extend(missed.messages.iter().chain(&missed.changes).map(|message| message.id));
        }
        if let Some(since) = stand.since {
            let changed = self.history.changed_since(channel, since - CHANGE_MARGIN, CHANGES_MAX + 1).await?;
            missed.is_gap |= changed.len() > CHANGES_MAX as usize;
            for kept in changed {
                if kept.is_deleted {
                    missed.removed.push(kept.message.id);
                } else if known.insert(kept.message.id) {
                    missed.changes.push(kept.message);
                }
            }
        }
        let reader = Reader::Member(member);
        let messages = self.readable(member, missed.messages).await?;
        let changes = self.readable(member, missed.changes).await?;
        body["missed"] = self.views(&messages, name, reader).await?.into();
        body["changes"] = self.views(&changes, name, reader).await?.into();
        body["removed"] = json!(missed.removed);
        body["is_gap"] = json!(missed.is_gap);
        Ok(())
    }
}
