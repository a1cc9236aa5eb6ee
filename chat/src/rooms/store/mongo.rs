//! Rooms in MongoDB, beside the channels' chat and through the same client.

use async_trait::async_trait;
use std::time::Duration;

use domain::chat::reaction::KINDS_MAX;
use domain::words::{Sought, words};
use domain::{MessageId, RoomId, Timestamp, UserId};
use futures::TryStreamExt;
use kit::Secret;
use mongodb::bson::{DateTime, Document, Uuid, doc};
use mongodb::options::{IndexOptions, ReturnDocument};
use mongodb::{Collection, Database, IndexModel};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::{Kept, Reacted, RoomHistory, RoomMessage, Span, Stored};
use crate::history::mongo::{id, ids_of, is_duplicate, moment, open, timestamp, uuid_of};
use crate::history::{HistoryError, Result};

const COLLECTION: &str = "room_messages";
/// Longest a search may take.
const SEARCH_MAX: Duration = Duration::from_millis(1_200);

/// The collection `room_messages`.
#[derive(Debug)]
pub struct MongoRooms {
    messages: Collection<Stone>,
    indexed: OnceCell<()>,
}

/// A message as it lies in the collection. A room has so few members that their reactions fit into it.
#[derive(Debug, Serialize, Deserialize)]
struct Stone {
    #[serde(rename = "_id")]
    id: Uuid,
    room_id: Uuid,
    user_id: Uuid,
    text: String,
    /// As they are looked for.
    #[serde(default)]
    words: Vec<String>,
    client_id: String,
    sent_at: DateTime,
    reply_to: Option<Uuid>,
    edited_at: Option<DateTime>,
    changed_at: Option<DateTime>,
    deleted_at: Option<DateTime>,
    /// Every emoji it ever carried: how many there can be is decided by it.
    #[serde(default)]
    emoji: Vec<String>,
    #[serde(default)]
    reactions: Vec<Pebble>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pebble {
    emoji: String,
    user_id: Uuid,
}

impl MongoRooms {
    /// Reads the address. Connects when first needed, so this succeeds while the server is away.
    pub async fn new(url: &Secret, database: &str) -> Result<Self> {
        Ok(Self::within(&open(url, database).await?))
    }

    pub(crate) fn within(database: &Database) -> Self {
        Self { messages: database.collection(COLLECTION), indexed: OnceCell::new() }
    }

    /// The collection, with its indexes: without the unique one nothing may be inserted.
    async fn messages(&self) -> Result<&Collection<Stone>> {
        let index = || async {
            let unique = IndexOptions::builder().unique(true).build();
            self.messages
                .create_indexes([
                    IndexModel::builder().keys(doc! { "user_id": 1, "client_id": 1 }).options(unique).build(),
                    IndexModel::builder().keys(doc! { "room_id": 1, "_id": -1 }).build(),
                    IndexModel::builder().keys(doc! { "room_id": 1, "changed_at": 1 }).build(),
                    IndexModel::builder().keys(doc! { "room_id": 1, "words": 1 }).build(),
                ])
                .await
                .map(drop)
        };
        self.indexed.get_or_try_init(index).await?;
        Ok(&self.messages)
    }

    async fn stones(&self, filter: Document, sort: Document, limit: u32) -> Result<Vec<Stone>> {
        let found = self.messages().await?.find(filter).sort(sort).limit(i64::from(limit)).await?;
        Ok(found.try_collect().await?)
    }

    async fn some(&self, filter: Document, sort: Document, limit: u32) -> Result<Vec<RoomMessage>> {
        Ok(self.stones(filter, sort, limit).await?.into_iter().map(message_of).collect())
    }
}

#[async_trait]
impl RoomHistory for MongoRooms {
    async fn insert(&self, message: &RoomMessage) -> Result<Stored> {
        let messages = self.messages().await?;
        match messages.insert_one(stone_of(message)).await {
            Ok(_) => Ok(Stored::New),
            Err(error) if is_duplicate(&error) => {
                let filter = doc! { "user_id": id(message.author.as_uuid()), "client_id": &message.client_id };
                let before = messages.find_one(filter).await?;
                before
                    .map(|stone| Stored::Before(Box::new(kept_of(stone))))
                    .ok_or_else(|| HistoryError::new("a stored message vanished"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn page(&self, room: RoomId, span: Span<MessageId>, limit: u32) -> Result<Vec<RoomMessage>> {
        let mut filter = doc! { "room_id": id(room.as_uuid()), "deleted_at": null };
        if let Span::After(after) = span {
            filter.insert("_id", doc! { "$gt": id(after.as_uuid()) });
            return self.some(filter, doc! { "_id": 1 }, limit).await;
        }
        if let Span::Before(before) = span {
            filter.insert("_id", doc! { "$lt": id(before.as_uuid()) });
        }
        let mut page = self.some(filter, doc! { "_id": -1 }, limit).await?;
        page.reverse();
        Ok(page)
    }

    async fn search(
        &self,
        rooms: &[RoomId],
        sought: &Sought,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<RoomMessage>> {
        let rooms: Vec<_> = rooms.iter().map(|room| id(room.as_uuid())).collect();
        // Words are letters and digits: nothing in them means anything to an expression. The longest first: an index serves one of them.
        let mut words: Vec<&String> = sought.words().iter().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let begins = words.into_iter().map(|word| doc! { "words": { "$regex": format!("^{word}") } });
        let mut filter = doc! { "room_id": { "$in": rooms }, "deleted_at": null, "$and": begins.collect::<Vec<_>>() };
        if let Some(before) = before {
            filter.insert("_id", doc! { "$lt": id(before.as_uuid()) });
        }
        let found = self.messages().await?.find(filter).sort(doc! { "_id": -1 }).limit(i64::from(limit));
        let stones: Vec<Stone> = found.max_time(SEARCH_MAX).await?.try_collect().await?;
        Ok(stones.into_iter().map(message_of).collect())
    }

    async fn find_all(&self, ids: &[MessageId]) -> Result<Vec<Kept>> {
        let found = self.messages().await?.find(doc! { "_id": { "$in": ids_of(ids) } }).await?;
        let stones: Vec<Stone> = found.try_collect().await?;
        Ok(stones.into_iter().map(kept_of).collect())
    }

    async fn changed_since(&self, room: RoomId, since: Timestamp, limit: u32) -> Result<Vec<Kept>> {
        let filter = doc! { "room_id": id(room.as_uuid()), "changed_at": { "$gte": moment(since) } };
        let stones = self.stones(filter, doc! { "changed_at": 1 }, limit).await?;
        Ok(stones.into_iter().map(kept_of).collect())
    }

    async fn edit(&self, message: MessageId, author: UserId, text: &str, at: Timestamp) -> Result<Option<RoomMessage>> {
        let filter = doc! { "_id": id(message.as_uuid()), "user_id": id(author.as_uuid()), "deleted_at": null };
        let change =
            doc! { "$set": { "text": text, "words": words(text), "edited_at": moment(at), "changed_at": moment(at) } };
        let messages = self.messages().await?;
        let after = messages.find_one_and_update(filter, change).return_document(ReturnDocument::After).await?;
        Ok(after.map(message_of))
    }

    async fn react(&self, message: MessageId, by: UserId, emoji: &str, is_on: bool, at: Timestamp) -> Result<Reacted> {
        let messages = self.messages().await?;
        let here = doc! { "_id": id(message.as_uuid()), "deleted_at": null };
        let pebble = doc! { "emoji": emoji, "user_id": id(by.as_uuid()) };
        let touch = doc! { "changed_at": moment(at) };
        if !is_on {
            let change = doc! { "$pull": { "reactions": pebble }, "$set": touch };
            let done = messages.update_one(here, change).await?;
            return Ok(if done.matched_count == 0 { Reacted::Gone } else { Reacted::Done });
        }
        let mut with_room = here.clone();
        let has_room = doc! { format!("emoji.{}", KINDS_MAX - 1): { "$exists": false } };
        with_room.insert("$or", [doc! { "emoji": emoji }, has_room]);
        let change = doc! { "$addToSet": { "emoji": emoji, "reactions": pebble }, "$set": touch };
        if messages.update_one(with_room, change).await?.matched_count == 1 {
            return Ok(Reacted::Done);
        }
        let is_here = messages.find_one(here).await?.is_some();
        Ok(if is_here { Reacted::TooMany } else { Reacted::Gone })
    }

    async fn delete(&self, message: MessageId, at: Timestamp) -> Result<bool> {
        let filter = doc! { "_id": id(message.as_uuid()), "deleted_at": null };
        let hide = doc! { "$set": { "deleted_at": moment(at), "changed_at": moment(at) } };
        Ok(self.messages().await?.update_one(filter, hide).await?.modified_count == 1)
    }
}

fn stone_of(message: &RoomMessage) -> Stone {
    Stone {
        id: id(message.id.as_uuid()),
        room_id: id(message.room.as_uuid()),
        user_id: id(message.author.as_uuid()),
        text: message.text.clone(),
        words: words(&message.text),
        client_id: message.client_id.clone(),
        sent_at: moment(message.sent_at),
        reply_to: message.reply_to.map(|reply_to| id(reply_to.as_uuid())),
        edited_at: message.edited_at.map(moment),
        changed_at: message.changed_at.map(moment),
        deleted_at: None,
        emoji: Vec::new(),
        reactions: Vec::new(),
    }
}

fn kept_of(stone: Stone) -> Kept {
    Kept { is_deleted: stone.deleted_at.is_some(), message: message_of(stone) }
}

fn message_of(stone: Stone) -> RoomMessage {
    let reactions =
        stone.reactions.into_iter().map(|pebble| (pebble.emoji, UserId::from_uuid(uuid_of(pebble.user_id))));
    RoomMessage {
        id: MessageId::from_uuid(uuid_of(stone.id)),
        room: RoomId::from_uuid(uuid_of(stone.room_id)),
        author: UserId::from_uuid(uuid_of(stone.user_id)),
        text: stone.text,
        client_id: stone.client_id,
        sent_at: timestamp(stone.sent_at),
        reply_to: stone.reply_to.map(|id| MessageId::from_uuid(uuid_of(id))),
        edited_at: stone.edited_at.map(timestamp),
        changed_at: stone.changed_at.map(timestamp),
        reactions: reactions.collect(),
    }
}
