//! What a room's message is shown with: who wrote it, what it answers, how people reacted to it.

use std::collections::HashMap;

use db::rooms::Face;
use domain::attachment::Shown;
use domain::chat::excerpt;
use domain::{MessageId, UserId};
use serde_json::{Value, json};

use super::store::RoomMessage;
use crate::gateway::Gateway;
use crate::message::moment;
use crate::refusal::Refusal;

impl Gateway {
    /// Messages of one room as its members get them, all alike.
    pub(super) async fn room_views(&self, messages: &[RoomMessage]) -> Result<Vec<Value>, Refusal> {
        let mut asked: Vec<MessageId> = messages.iter().filter_map(|message| message.reply_to).collect();
        asked.sort_unstable();
        asked.dedup();
        let kept = if asked.is_empty() { Vec::new() } else { self.rooms.find_all(&asked).await? };
        let answered: HashMap<MessageId, RoomMessage> =
            kept.into_iter().filter(|kept| !kept.is_deleted).map(|kept| (kept.message.id, kept.message)).collect();
        let authors = messages.iter().chain(answered.values()).map(|message| message.author).collect();
        let faces = self.ledger.faces(authors).await?;
        let ids: Vec<MessageId> = messages.iter().map(|message| message.id).chain(answered.keys().copied()).collect();
        let attached = self.ledger.attachments(&ids).await?;
        Ok(messages.iter().map(|message| view(message, &answered, &faces, &attached)).collect())
    }

    pub(super) async fn room_view(&self, message: &RoomMessage) -> Result<Value, Refusal> {
        Ok(self.room_views(std::slice::from_ref(message)).await?.pop().unwrap_or_default())
    }
}

fn view(
    message: &RoomMessage,
    answered: &HashMap<MessageId, RoomMessage>,
    faces: &HashMap<UserId, Face>,
    attached: &HashMap<MessageId, Shown>,
) -> Value {
    let mut view = json!({
        "id": message.id,
        "room_id": message.room,
        "user": person(message.author, faces),
        "text": message.text,
        "client_id": message.client_id,
        "sent_at": moment(message.sent_at),
    });
    if let Some(attachment) = attached.get(&message.id) {
        view["attachment"] = json!(attachment);
    }
    if let Some(id) = message.reply_to {
        // Only of its own room: what it answers was checked when it was said.
        view["reply_to"] = match answered.get(&id).filter(|answered| answered.room == message.room) {
            Some(answered) => json!({
                "id": id,
                "user": person(answered.author, faces),
                "text": excerpt(&answered.text),
                "attachment": attached.get(&id).map(|attachment| attachment.kind),
                "is_deleted": false,
            }),
            None => json!({ "id": id, "user": null, "text": "", "is_deleted": true }),
        };
    }
    if !message.reactions.is_empty() {
        view["reactions"] = reactions(message);
    }
    for (name, at) in [("edited_at", message.edited_at), ("changed_at", message.changed_at)] {
        if let Some(at) = at {
            view[name] = json!(moment(at));
        }
    }
    view
}

/// Without a name: the account is gone, or not in use.
fn person(id: UserId, faces: &HashMap<UserId, Face>) -> Value {
    match faces.get(&id).filter(|face| face.is_active) {
        Some(face) => json!({
            "id": id,
            "username": face.person.username,
            "display_name": face.person.display_name,
            "avatar_url": face.person.avatar_key.as_deref().map(domain::user::avatar_url),
        }),
        None => json!({ "id": id, "username": null, "display_name": null, "avatar_url": null }),
    }
}

/// `[{emoji, user_ids}]` in the order in which each emoji first came.
pub(super) fn reactions(message: &RoomMessage) -> Value {
    let mut given: Vec<(&str, Vec<UserId>)> = Vec::new();
    for (emoji, user) in &message.reactions {
        match given.iter_mut().find(|(known, _)| known == emoji) {
            Some((_, users)) => users.push(*user),
            None => given.push((emoji, vec![*user])),
        }
    }
    given.into_iter().map(|(emoji, user_ids)| json!({ "emoji": emoji, "user_ids": user_ids })).collect()
}
