//! Chat history in MongoDB. The only code that names its driver.
//!
//! Asks for nothing a single server lacks: no transactions, no change streams. How many members of a replica set must
//! confirm a write is the address's to say (`?w=majority`); without it the server's default holds.

use std::time::Duration;

use async_trait::async_trait;
use domain::{MessageId, StreamId, Timestamp, UserId};
use futures::TryStreamExt;
use kit::Secret;
use mongodb::bson::{DateTime, Document, Uuid, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{ClientOptions, IndexOptions};
use mongodb::{Client, Collection, IndexModel};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::{History, HistoryError, Result, Span, Stored, StreamPoint};
use crate::message::{Author, Message};

const COLLECTION: &str = "chat_messages";
/// Together below the two seconds a sender waits at most for an answer.
const SERVER_WAIT_MAX: Duration = Duration::from_millis(1_200);
const CONNECT_WAIT_MAX: Duration = Duration::from_millis(1_000);
const CONNECTIONS_MAX: u32 = 32;
/// MongoDB's code for a violated unique index.
const DUPLICATE_KEY: i32 = 11_000;

/// The collection `chat_messages`.
#[derive(Debug)]
pub struct MongoHistory {
    messages: Collection<Stone>,
    indexed: OnceCell<()>,
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
}

impl From<Error> for HistoryError {
    fn from(error: Error) -> Self {
        Self::new(error)
    }
}

impl MongoHistory {
    /// Reads the address. Connects when first needed, so this succeeds while the server is away.
    pub async fn new(url: &Secret, database: &str) -> Result<Self> {
        let mut options = ClientOptions::parse(url.expose()).await?;
        options.app_name.get_or_insert_with(|| "rillcast".to_owned());
        options.server_selection_timeout = Some(SERVER_WAIT_MAX);
        options.connect_timeout = Some(CONNECT_WAIT_MAX);
        options.max_pool_size.get_or_insert(CONNECTIONS_MAX);
        let messages = Client::with_options(options)?.database(database).collection(COLLECTION);
        Ok(Self { messages, indexed: OnceCell::new() })
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
                ])
                .await
                .map(drop)
        };
        self.indexed.get_or_try_init(index).await?;
        Ok(&self.messages)
    }

    async fn page(&self, filter: Document, sort: Document, limit: u32) -> Result<Vec<Message>> {
        let found = self.messages().await?.find(filter).sort(sort).limit(i64::from(limit)).await?;
        let stones: Vec<Stone> = found.try_collect().await?;
        Ok(stones.into_iter().map(message_of).collect())
    }
}

#[async_trait]
impl History for MongoHistory {
    async fn insert(&self, message: &Message) -> Result<Stored> {
        let messages = self.messages().await?;
        match messages.insert_one(stone_of(message)).await {
            Ok(_) => Ok(Stored::New),
            Err(error) if is_duplicate(&error) => {
                let filter = doc! { "user_id": id(message.author.id.as_uuid()), "client_id": &message.client_id };
                let before = messages.find_one(filter).await?;
                before
                    .map(|stone| Stored::Before(Box::new(message_of(stone))))
                    .ok_or_else(|| HistoryError::new("a stored message vanished"))
            }
            Err(error) => Err(error.into()),
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

    async fn point(&self, message: MessageId) -> Result<Option<StreamPoint>> {
        let stone = self.messages().await?.find_one(doc! { "_id": id(message.as_uuid()) }).await?;
        Ok(stone.and_then(|stone| stone.offset_ms).map(|offset_ms| StreamPoint { offset_ms, id: message }))
    }

    async fn delete(&self, message: MessageId, by: UserId, at: Timestamp) -> Result<bool> {
        let filter = doc! { "_id": id(message.as_uuid()), "deleted_at": null };
        let hide = doc! { "$set": { "deleted_at": moment(at), "deleted_by": id(by.as_uuid()) } };
        Ok(self.messages().await?.update_one(filter, hide).await?.modified_count == 1)
    }

    async fn ping(&self) -> Result<()> {
        self.messages().await?.find_one(doc! { "_id": Uuid::from_bytes([0; 16]) }).await?;
        Ok(())
    }
}

/// Points of a stream on one side of `point`.
fn beyond(side: &str, point: StreamPoint) -> [Document; 2] {
    [
        doc! { "offset_ms": { side: point.offset_ms } },
        doc! { "offset_ms": point.offset_ms, "_id": { side: id(point.id.as_uuid()) } },
    ]
}

fn is_duplicate(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY)
}

fn id(id: uuid::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

fn moment(at: Timestamp) -> DateTime {
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
    }
}

fn message_of(stone: Stone) -> Message {
    let uuid = |id: Uuid| uuid::Uuid::from_bytes(id.bytes());
    Message {
        id: MessageId::from_uuid(uuid(stone.id)),
        channel: UserId::from_uuid(uuid(stone.channel_id)),
        stream: stone.stream_id.map(|id| StreamId::from_uuid(uuid(id))),
        author: Author {
            id: UserId::from_uuid(uuid(stone.user_id)),
            username: stone.username,
            display_name: stone.display_name,
            badges: stone.badges,
        },
        text: stone.text,
        client_id: stone.client_id,
        sent_at: Timestamp::from_timestamp_millis(stone.sent_at.timestamp_millis()).unwrap_or_default(),
        offset_ms: stone.offset_ms,
    }
}
