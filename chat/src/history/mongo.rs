//! Chat history in MongoDB. Only this and `rooms/store/mongo.rs` name its driver.
//!
//! Asks for nothing a single server lacks: no transactions, no change streams. How many members of a replica set must
//! confirm a write is the address's to say (`?w=majority`); without it the server's default holds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use domain::chat::reaction::KINDS_MAX;
use domain::chat::{Mention, MessageKind};
use domain::user::Username;
use domain::{MessageId, StreamId, Timestamp, UserId};
use futures::TryStreamExt;
use kit::Secret;
use mongodb::bson::{DateTime, Document, Uuid, doc};
use mongodb::error::{Error, ErrorKind, InsertManyError, WriteFailure};
use mongodb::options::{ClientOptions, IndexOptions, ReturnDocument};
use mongodb::{Client, Collection, Database, IndexModel};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::gather::Gather;
use super::{Edit, History, HistoryError, Kept, Reacted, Result, Span, Stored, StreamPoint};
use crate::fanout::floor_of;
use crate::limits::{CLEAR_LINES_MAX, CLEAR_REACH, RESTORE_REACH};
use crate::message::{Author, Message, Reaction};
use crate::rooms::store::MongoRooms;

const MESSAGES: &str = "chat_messages";
const REACTIONS: &str = "chat_reactions";
/// Together below the two seconds a sender waits at most for an answer.
const SERVER_WAIT_MAX: Duration = Duration::from_millis(1_200);
const CONNECT_WAIT_MAX: Duration = Duration::from_millis(1_000);
const CONNECTIONS_MAX: u32 = 32;
/// MongoDB's code for a violated unique index.
const DUPLICATE_KEY: i32 = 11_000;

/// The collections `chat_messages` and `chat_reactions`.
#[derive(Debug)]
pub struct MongoHistory {
    database: Database,
    messages: Collection<Stone>,
    reactions: Collection<Pebble>,
    indexed: OnceCell<()>,
    arriving: Gather<Stone, std::result::Result<Placed, Error>>,
}

/// What the store says of one message.
#[derive(Debug, Clone, Copy)]
enum Placed {
    New,
    /// There is one by the same author and `client_id`.
    Before,
}

/// A message as it lies in the collection.
#[derive(Debug, Serialize, Deserialize)]
struct Stone {
    #[serde(rename = "_id")]
    id: Uuid,
    channel_id: Uuid,
    stream_id: Option<Uuid>,
    user_id: Uuid,
    username: String,
    display_name: String,
    badges: Vec<String>,
    text: String,
    client_id: String,
    sent_at: DateTime,
    offset_ms: Option<i64>,
    deleted_at: Option<DateTime>,
    deleted_by: Option<Uuid>,
    #[serde(default)]
    kind: MessageKind,
    #[serde(default)]
    reply_to: Option<Uuid>,
    #[serde(default)]
    thread_id: Option<Uuid>,
    #[serde(default)]
    mentions: Vec<Named>,
    #[serde(default)]
    emotes: BTreeMap<String, String>,
    #[serde(default)]
    edited_at: Option<DateTime>,
    #[serde(default)]
    changed_at: Option<DateTime>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    id: Uuid,
    username: String,
}

/// A reaction as it lies in its collection. Its id holds everything that makes it one: given twice, stored once.
#[derive(Debug, Serialize, Deserialize)]
struct Pebble {
    #[serde(rename = "_id")]
    id: String,
    message_id: Uuid,
    user_id: Uuid,
    emoji: String,
    reacted_at: DateTime,
}

impl From<Error> for HistoryError {
    fn from(error: Error) -> Self {
        Self::new(error)
    }
}

impl MongoHistory {
    /// Reads the address. Connects when first needed, so this succeeds while the server is away.
    pub async fn new(url: &Secret, database: &str) -> Result<Self> {
        let database = open(url, database).await?;
        let (messages, reactions) = (database.collection(MESSAGES), database.collection(REACTIONS));
        Ok(Self { database, messages, reactions, indexed: OnceCell::new(), arriving: Gather::default() })
    }

    /// What is said in rooms, through the same client.
    pub(crate) fn rooms(&self) -> MongoRooms {
        MongoRooms::within(&self.database)
    }

    /// The collection, with its indexes: without the unique one nothing may be inserted.
    async fn messages(&self) -> Result<&Collection<Stone>> {
        let index = || async {
            let unique = IndexOptions::builder().unique(true).build();
            self.messages
                .create_indexes([
                    IndexModel::builder().keys(doc! { "user_id": 1, "client_id": 1 }).options(unique).build(),
                    IndexModel::builder().keys(doc! { "channel_id": 1, "_id": -1 }).build(),
                    IndexModel::builder().keys(doc! { "stream_id": 1, "offset_ms": 1, "_id": 1 }).build(),
                    IndexModel::builder().keys(doc! { "thread_id": 1, "_id": -1 }).build(),
                    IndexModel::builder().keys(doc! { "channel_id": 1, "changed_at": 1 }).build(),
                    IndexModel::builder().keys(doc! { "channel_id": 1, "user_id": 1, "_id": -1 }).build(),
                ])
                .await?;
            self.reactions.create_index(IndexModel::builder().keys(doc! { "message_id": 1 }).build()).await.map(drop)
        };
        self.indexed.get_or_try_init(index).await?;
        Ok(&self.messages)
    }

    async fn stones(&self, filter: Document, sort: Document, limit: u32) -> Result<Vec<Stone>> {
        let found = self.messages().await?.find(filter).sort(sort).limit(i64::from(limit)).await?;
        Ok(found.try_collect().await?)
    }

    async fn page(&self, filter: Document, sort: Document, limit: u32) -> Result<Vec<Message>> {
        Ok(self.stones(filter, sort, limit).await?.into_iter().map(message_of).collect())
    }
}

/// A database, through a client with our limits. Connects when first needed.
pub(crate) async fn open(url: &Secret, database: &str) -> Result<Database> {
    let mut options = ClientOptions::parse(url.expose()).await?;
    options.app_name.get_or_insert_with(|| "rillcast".to_owned());
    options.server_selection_timeout = Some(SERVER_WAIT_MAX);
    options.connect_timeout = Some(CONNECT_WAIT_MAX);
    options.max_pool_size.get_or_insert(CONNECTIONS_MAX);
    Ok(Client::with_options(options)?.database(database))
}

#[async_trait]
impl History for MongoHistory {
    async fn insert(&self, message: &Message) -> Result<Stored> {
        let messages = self.messages().await?;
        let placed = loop {
            let placed = self.arriving.write(stone_of(message), |stones| place(messages.clone(), stones)).await;
            // Whoever wrote it for us gave up. Written again it is found, if it was.
            if let Some(placed) = placed {
                break placed?;
            }
        };
        match placed {
            Placed::New => Ok(Stored::New),
            Placed::Before => {
                let filter = doc! { "user_id": id(message.author.id.as_uuid()), "client_id": &message.client_id };
                let before = messages.find_one(filter).await?;
                before
                    .map(|stone| Stored::Before(Box::new(message_of(stone))))
                    .ok_or_else(|| HistoryError::new("a stored message vanished"))
            }
        }
    }

    async fn channel_page(&self, channel: UserId, span: Span<MessageId>, limit: u32) -> Result<Vec<Message>> {
        let mut filter = doc! { "channel_id": id(channel.as_uuid()), "deleted_at": null };
        if let Span::After(after) = span {
            filter.insert("_id", doc! { "$gt": id(after.as_uuid()) });
            return self.page(filter, doc! { "_id": 1 }, limit).await;
        }
        if let Span::Before(before) = span {
            filter.insert("_id", doc! { "$lt": id(before.as_uuid()) });
        }
        let mut page = self.page(filter, doc! { "_id": -1 }, limit).await?;
        page.reverse();
        Ok(page)
    }

    async fn stream_page(&self, stream: StreamId, span: Span<StreamPoint>, limit: u32) -> Result<Vec<Message>> {
        let mut filter = doc! { "stream_id": id(stream.as_uuid()), "deleted_at": null };
        if let Span::After(after) = span {
            filter.insert("$or", beyond("$gt", after));
            return self.page(filter, doc! { "offset_ms": 1, "_id": 1 }, limit).await;
        }
        if let Span::Before(before) = span {
            filter.insert("$or", beyond("$lt", before));
        }
        let mut page = self.page(filter, doc! { "offset_ms": -1, "_id": -1 }, limit).await?;
        page.reverse();
        Ok(page)
    }

    async fn find(&self, message: MessageId) -> Result<Option<Message>> {
        let filter = doc! { "_id": id(message.as_uuid()), "deleted_at": null };
        Ok(self.messages().await?.find_one(filter).await?.map(message_of))
    }

    async fn find_all(&self, ids: &[MessageId]) -> Result<Vec<Kept>> {
        let filter = doc! { "_id": { "$in": ids_of(ids) } };
        let found = self.messages().await?.find(filter).await?;
        let stones: Vec<Stone> = found.try_collect().await?;
        Ok(stones.into_iter().map(kept_of).collect())
    }

    async fn thread(&self, root: MessageId, limit: u32) -> Result<Vec<Message>> {
        let filter = doc! { "thread_id": id(root.as_uuid()), "deleted_at": null };
        let mut page = self.page(filter, doc! { "_id": -1 }, limit).await?;
        page.reverse();
        Ok(page)
    }

    async fn said_by(&self, channel: UserId, user: UserId, limit: u32) -> Result<Vec<Kept>> {
        let filter = doc! { "channel_id": id(channel.as_uuid()), "user_id": id(user.as_uuid()) };
        let stones = self.stones(filter, doc! { "_id": -1 }, limit).await?;
        Ok(stones.into_iter().rev().map(kept_of).collect())
    }

    async fn said_count(&self, channel: UserId, user: UserId, most: u32) -> Result<u64> {
        let filter = doc! { "channel_id": id(channel.as_uuid()), "user_id": id(user.as_uuid()) };
        Ok(self.messages().await?.count_documents(filter).limit(u64::from(most)).await?)
    }

    async fn changed_since(&self, channel: UserId, since: Timestamp, limit: u32) -> Result<Vec<Kept>> {
        let filter = doc! { "channel_id": id(channel.as_uuid()), "changed_at": { "$gte": moment(since) } };
        let stones = self.stones(filter, doc! { "changed_at": 1 }, limit).await?;
        Ok(stones.into_iter().map(kept_of).collect())
    }

    async fn edit(&self, message: MessageId, author: UserId, edit: &Edit, at: Timestamp) -> Result<Option<Message>> {
        let filter = doc! { "_id": id(message.as_uuid()), "user_id": id(author.as_uuid()), "deleted_at": null };
        let mentions: Vec<Document> =
            edit.mentions.iter().map(|m| doc! { "id": id(m.id.as_uuid()), "username": m.username.as_str() }).collect();
        let emotes: Document = edit.emotes.iter().map(|(name, url)| (name.clone(), url.into())).collect();
        let change = doc! { "$set": {
            "text": &edit.text, "mentions": mentions, "emotes": emotes,
            "edited_at": moment(at), "changed_at": moment(at),
        } };
        let messages = self.messages().await?;
        let after = messages.find_one_and_update(filter, change).return_document(ReturnDocument::After).await?;
        Ok(after.map(message_of))
    }

    async fn react(&self, message: MessageId, by: UserId, emoji: &str, is_on: bool, at: Timestamp) -> Result<Reacted> {
        let messages = self.messages().await?;
        let here = doc! { "_id": id(message.as_uuid()), "deleted_at": null };
        let pebble = format!("{message}:{by}:{emoji}");
        if !is_on {
            let touched = messages.update_one(here, doc! { "$set": { "changed_at": moment(at) } }).await?;
            if touched.matched_count == 0 {
                return Ok(Reacted::Gone);
            }
            self.reactions.delete_one(doc! { "_id": pebble }).await?;
            return Ok(Reacted::Done);
        }
        // The message remembers every emoji it ever carried: one document decides how many there can be.
        let mut with_room = here.clone();
        with_room.insert(
            "$or",
            [doc! { "emoji": emoji }, doc! { format!("emoji.{}", KINDS_MAX - 1): { "$exists": false } }],
        );
        let change = doc! { "$addToSet": { "emoji": emoji }, "$set": { "changed_at": moment(at) } };
        if messages.update_one(with_room, change).await?.matched_count == 0 {
            let is_here = messages.find_one(here).await?.is_some();
            return Ok(if is_here { Reacted::TooMany } else { Reacted::Gone });
        }
        let pebble = Pebble {
            id: pebble,
            message_id: id(message.as_uuid()),
            user_id: id(by.as_uuid()),
            emoji: emoji.to_owned(),
            reacted_at: moment(at),
        };
        match self.reactions.insert_one(pebble).await {
            Ok(_) => Ok(Reacted::Done),
            Err(error) if is_duplicate(&error) => Ok(Reacted::Done),
            Err(error) => Err(error.into()),
        }
    }

    async fn reactions(&self, ids: &[MessageId], asker: Option<UserId>) -> Result<HashMap<MessageId, Vec<Reaction>>> {
        self.messages().await?;
        let ids = ids_of(ids);
        let mut counted = self
            .reactions
            .aggregate([
                doc! { "$match": { "message_id": { "$in": &ids } } },
                doc! { "$group": {
                    "_id": { "message_id": "$message_id", "emoji": "$emoji" },
                    "count": { "$sum": 1_i64 },
                    "first_at": { "$min": "$reacted_at" },
                } },
                doc! { "$sort": { "first_at": 1, "_id.emoji": 1 } },
            ])
            .with_type::<Count>()
            .await?;
        let mut mine = HashSet::new();
        if let Some(asker) = asker {
            let filter = doc! { "message_id": { "$in": &ids }, "user_id": id(asker.as_uuid()) };
            let found: Vec<Pebble> = self.reactions.find(filter).await?.try_collect().await?;
            mine.extend(found.into_iter().map(|pebble| (pebble.message_id, pebble.emoji)));
        }
        let mut reactions: HashMap<MessageId, Vec<Reaction>> = HashMap::new();
        while let Some(Count { of, count }) = counted.try_next().await? {
            let message = MessageId::from_uuid(uuid_of(of.message_id));
            let key = (of.message_id, of.emoji);
            let is_mine = mine.contains(&key);
            let reaction = Reaction { emoji: key.1, count: u64::try_from(count).unwrap_or(0), is_mine };
            reactions.entry(message).or_default().push(reaction);
        }
        Ok(reactions)
    }

    async fn point(&self, message: MessageId) -> Result<Option<StreamPoint>> {
        let stone = self.messages().await?.find_one(doc! { "_id": id(message.as_uuid()) }).await?;
        Ok(stone.and_then(|stone| stone.offset_ms).map(|offset_ms| StreamPoint { offset_ms, id: message }))
    }

    async fn delete(&self, message: MessageId, by: UserId, at: Timestamp) -> Result<bool> {
        let filter = doc! { "_id": id(message.as_uuid()), "deleted_at": null };
        let hide =
            doc! { "$set": { "deleted_at": moment(at), "changed_at": moment(at), "deleted_by": id(by.as_uuid()) } };
        Ok(self.messages().await?.update_one(filter, hide).await?.modified_count == 1)
    }

    async fn clear(&self, channel: UserId, user: Option<UserId>, by: UserId, at: Timestamp) -> Result<u64> {
        let messages = self.messages().await?;
        let after = id(floor_of(at - CLEAR_REACH).as_uuid());
        let mut filter = doc! { "channel_id": id(channel.as_uuid()), "_id": { "$gt": after }, "deleted_at": null };
        if let Some(user) = user {
            filter.insert("user_id", id(user.as_uuid()));
        }
        let found = messages.find(filter).sort(doc! { "_id": -1 }).limit(i64::from(CLEAR_LINES_MAX)).await?;
        let lines: Vec<Uuid> = found.map_ok(|stone| stone.id).try_collect().await?;
        let filter = doc! { "_id": { "$in": lines }, "deleted_at": null };
        let hide =
            doc! { "$set": { "deleted_at": moment(at), "changed_at": moment(at), "deleted_by": id(by.as_uuid()) } };
        Ok(messages.update_many(filter, hide).await?.modified_count)
    }

    async fn restore(&self, channel: UserId, by: UserId, at: Timestamp, now: Timestamp) -> Result<u64> {
        let after = id(floor_of(at - RESTORE_REACH).as_uuid());
        let mut filter = doc! { "channel_id": id(channel.as_uuid()), "_id": { "$gt": after } };
        filter.extend(doc! { "deleted_at": moment(at), "deleted_by": id(by.as_uuid()) });
        let show = doc! { "$set": { "deleted_at": null, "deleted_by": null, "changed_at": moment(now) } };
        Ok(self.messages().await?.update_many(filter, show).await?.modified_count)
    }

    async fn ping(&self) -> Result<()> {
        self.messages().await?.find_one(doc! { "_id": Uuid::from_bytes([0; 16]) }).await?;
        Ok(())
    }
}

/// How often one emoji was given to one message.
#[derive(Debug, Deserialize)]
struct Count {
    #[serde(rename = "_id")]
    of: CountOf,
    count: i64,
}

#[derive(Debug, Deserialize)]
struct CountOf {
    message_id: Uuid,
    emoji: String,
}

/// Points of a stream on one side of `point`.
fn beyond(side: &str, point: StreamPoint) -> [Document; 2] {
    [
        doc! { "offset_ms": { side: point.offset_ms } },
        doc! { "offset_ms": point.offset_ms, "_id": { side: id(point.id.as_uuid()) } },
    ]
}

/// Stores messages in one question; none is kept back by another that is refused.
async fn place(messages: Collection<Stone>, stones: Vec<Stone>) -> Vec<std::result::Result<Placed, Error>> {
    let mut placed = vec![Ok(Placed::New); stones.len()];
    let Err(error) = messages.insert_many(stones).ordered(false).await else { return placed };
    let ErrorKind::InsertMany(InsertManyError { write_errors: Some(refused), write_concern_error: None, .. }) =
        &*error.kind
    else {
        placed.fill(Err(error));
        return placed;
    };
    for one in refused {
        if let Some(placed) = placed.get_mut(one.index) {
            *placed = if one.code == DUPLICATE_KEY { Ok(Placed::Before) } else { Err(error.clone()) };
        }
    }
    placed
}

pub(crate) fn is_duplicate(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY)
}

pub(crate) fn id(id: uuid::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(crate) fn moment(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.timestamp_millis())
}

fn stone_of(message: &Message) -> Stone {
    Stone {
        id: id(message.id.as_uuid()),
        channel_id: id(message.channel.as_uuid()),
        stream_id: message.stream.map(|stream| id(stream.as_uuid())),
        user_id: id(message.author.id.as_uuid()),
        username: message.author.username.clone(),
        display_name: message.author.display_name.clone(),
        badges: message.author.badges.clone(),
        text: message.text.clone(),
        client_id: message.client_id.clone(),
        sent_at: moment(message.sent_at),
        offset_ms: message.offset_ms,
        deleted_at: None,
        deleted_by: None,
        kind: message.kind,
        reply_to: message.reply_to.map(|reply_to| id(reply_to.as_uuid())),
        thread_id: message.thread.map(|thread| id(thread.as_uuid())),
        mentions: message
            .mentions
            .iter()
            .map(|mention| Named { id: id(mention.id.as_uuid()), username: mention.username.to_string() })
            .collect(),
        emotes: message.emotes.clone(),
        edited_at: message.edited_at.map(moment),
        changed_at: message.changed_at.map(moment),
    }
}

pub(crate) fn uuid_of(id: Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(id.bytes())
}

pub(crate) fn timestamp(at: DateTime) -> Timestamp {
    Timestamp::from_timestamp_millis(at.timestamp_millis()).unwrap_or_default()
}

pub(crate) fn ids_of(ids: &[MessageId]) -> Vec<Uuid> {
    ids.iter().map(|message| id(message.as_uuid())).collect()
}

fn kept_of(stone: Stone) -> Kept {
    Kept { is_deleted: stone.deleted_at.is_some(), message: message_of(stone) }
}

fn message_of(stone: Stone) -> Message {
    let mentions = stone.mentions.into_iter().filter_map(|named| {
        let username = Username::parse(&named.username).ok()?;
        Some(Mention { id: UserId::from_uuid(uuid_of(named.id)), username })
    });
    Message {
        id: MessageId::from_uuid(uuid_of(stone.id)),
        channel: UserId::from_uuid(uuid_of(stone.channel_id)),
        stream: stone.stream_id.map(|id| StreamId::from_uuid(uuid_of(id))),
        author: Author {
            id: UserId::from_uuid(uuid_of(stone.user_id)),
            username: stone.username,
            display_name: stone.display_name,
            badges: stone.badges,
        },
        text: stone.text,
        client_id: stone.client_id,
        sent_at: timestamp(stone.sent_at),
        offset_ms: stone.offset_ms,
        kind: stone.kind,
        reply_to: stone.reply_to.map(|id| MessageId::from_uuid(uuid_of(id))),
        thread: stone.thread_id.map(|id| MessageId::from_uuid(uuid_of(id))),
        mentions: mentions.collect(),
        emotes: stone.emotes,
        edited_at: stone.edited_at.map(timestamp),
        changed_at: stone.changed_at.map(timestamp),
    }
}
