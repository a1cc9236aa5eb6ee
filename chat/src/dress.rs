//! What a message is shown with: what it answers, and how people reacted to it.

use std::collections::HashMap;

use domain::MessageId;
use domain::user::Username;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::message::{Answered, Message};
use crate::refusal::Refusal;
use crate::registry::Member;

/// Whose eyes a message is for.
#[derive(Clone, Copy)]
pub(crate) enum Reader<'a> {
    Member(&'a Member),
    /// Everybody who sits in the channel now.
    Room,
}

impl Gateway {
    /// Messages of one channel as clients get them.
    pub(crate) async fn views(
        &self,
        messages: &[Message],
        channel: &Username,
        reader: Reader<'_>,
    ) -> Result<Vec<Value>, Refusal> {
        let changed: Vec<MessageId> =
            messages.iter().filter(|message| message.changed_at.is_some()).map(|message| message.id).collect();
        let asker = match reader {
            Reader::Member(member) => member.session.identity().map(|identity| identity.user),
            Reader::Room => None,
        };
        let reactions = async {
            match changed.is_empty() {
                true => Ok(HashMap::new()),
                false => self.history.reactions(&changed, asker).await.map_err(Refusal::from),
            }
        };
        let (reactions, answered) = tokio::try_join!(reactions, self.answered(messages, channel, reader))?;
        let views = messages.iter().map(|message| {
            let reply_to = message.reply_to.and_then(|id| answered.get(&id));
            let reactions = reactions.get(&message.id).map_or(&[][..], Vec::as_slice);
            json!(message.view(channel, reply_to, reactions))
        });
        Ok(views.collect())
    }

    /// One message as everybody in the room gets it.
    pub(crate) async fn view(&self, message: &Message, channel: &Username) -> Result<Value, Refusal> {
        if message.reply_to.is_none() && message.changed_at.is_none() {
            return Ok(json!(message.view(channel, None, &[])));
        }
        let mut views = self.views(std::slice::from_ref(message), channel, Reader::Room).await?;
        Ok(views.pop().unwrap_or_default())
    }

    /// What these messages answer, as it is now: edited, deleted, or not for this reader.
    async fn answered(
        &self,
        messages: &[Message],
        channel: &Username,
        reader: Reader<'_>,
    ) -> Result<HashMap<MessageId, Answered>, Refusal> {
        let mut asked: Vec<MessageId> = messages.iter().filter_map(|message| message.reply_to).collect();
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let kept = self.history.find_all(&asked).await?;
        let there = kept.into_iter().filter(|kept| !kept.is_deleted).map(|kept| kept.message).collect();
        let shown = match reader {
            Reader::Member(member) => self.readable(member, there).await?,
            Reader::Room => {
                let mut shown = Vec::new();
                for message in there {
                    if self.is_for_room(channel, message.stream).await {
                        shown.push(message);
                    }
                }
                shown
            }
        };
        let mut answered: HashMap<_, _> = asked.into_iter().map(|id| (id, Answered::hidden(id))).collect();
        answered.extend(shown.iter().map(|message| (message.id, Answered::of(message))));
        Ok(answered)
    }
}
