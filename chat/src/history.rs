//! Where messages are kept. Two stores, one contract: `tests/it/history.rs` holds both to it.

mod gather;
pub(crate) mod mongo;
mod postgres;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
pub use db::chat::{Edit, Reacted, Span, StreamPoint};
use domain::{Classify, Kind, MessageId, StreamId, Timestamp, UserId};
pub use mongo::MongoHistory;
pub use postgres::PostgresHistory;

use crate::message::{Message, Reaction};
use crate::rooms::store::{PostgresRooms, RoomHistory};

/// The store did not do what it was asked. Nothing finer is of use to a caller.
#[derive(Debug, thiserror::Error)]
#[error("the chat history is not available")]
pub struct HistoryError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl HistoryError {
    pub(crate) fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl Classify for HistoryError {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn code(&self) -> &'static str {
        "chat.unavailable"
    }

    fn retry_after_ms(&self) -> Option<u64> {
        Some(2_000)
    }
}

pub type Result<T> = std::result::Result<T, HistoryError>;

/// What became of a message that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is stored now.
    New,
    /// The author had stored this one before under the same `client_id`; the new one was dropped.
    Before(Box<Message>),
}

/// A message, and whether it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub message: Message,
    pub is_deleted: bool,
}

/// The store that is configured. Nothing needs to be reachable yet.
///
/// # Errors
/// When `chat.mongodb_url` cannot be understood.
pub async fn open(config: &kit::Config, pool: &db::Pool) -> Result<Arc<dyn History>> {
    let (history, _rooms) = open_both(config, pool).await?;
    Ok(history)
}

/// The same, and the store of what is said in rooms beside it. In MongoDB both share one client.
pub(crate) async fn open_both(
    config: &kit::Config,
    pool: &db::Pool,
) -> Result<(Arc<dyn History>, Arc<dyn RoomHistory>)> {
    if config.chat.mongodb_url.is_empty() {
        return Ok((Arc::new(PostgresHistory::new(pool.clone())), Arc::new(PostgresRooms::new(pool.clone()))));
    }
    let mongo = MongoHistory::new(&config.chat.mongodb_url, &config.chat.mongodb_database).await?;
    let rooms = mongo.rooms();
    Ok((Arc::new(mongo), Arc::new(rooms)))
}

/// A store of messages. Pages are ascending, hold no deleted message, and leave no gap between one and the next.
#[async_trait]
pub trait History: fmt::Debug + Send + Sync + 'static {
    /// Stores a message; once this returns, no crash loses it. At most one per author and `client_id`.
    async fn insert(&self, message: &Message) -> Result<Stored>;

    /// Part of a channel's messages, in the order of their ids.
    async fn channel_page(&self, channel: UserId, span: Span<MessageId>, limit: u32) -> Result<Vec<Message>>;

    /// Part of the messages written while a stream was on air, in the order of (offset, id).
    async fn stream_page(&self, stream: StreamId, span: Span<StreamPoint>, limit: u32) -> Result<Vec<Message>>;

    /// A message that has not been deleted.
    async fn find(&self, id: MessageId) -> Result<Option<Message>>;

    /// Messages of these ids, deleted ones too, in no order.
    async fn find_all(&self, ids: &[MessageId]) -> Result<Vec<Kept>>;

    /// The last messages of a thread after its first, in the order of their ids.
    async fn thread(&self, root: MessageId, limit: u32) -> Result<Vec<Message>>;

    /// The last messages of a member in a channel, in the order of their ids.
    async fn said_by(&self, channel: UserId, user: UserId, limit: u32) -> Result<Vec<Kept>>;

    /// How many messages a member has sent in a channel, deleted ones too. Counted up to `most`.
    async fn said_count(&self, channel: UserId, user: UserId, most: u32) -> Result<u64>;

    /// What was edited, reacted to or deleted in a channel at or after a moment, the oldest change first.
    async fn changed_since(&self, channel: UserId, since: Timestamp, limit: u32) -> Result<Vec<Kept>>;

    /// Changes an author's message. `None`: it is gone, or somebody else's.
    async fn edit(&self, id: MessageId, author: UserId, edit: &Edit, at: Timestamp) -> Result<Option<Message>>;

    /// Adds or takes back a member's reaction. Asked twice, done once.
    async fn react(&self, id: MessageId, by: UserId, emoji: &str, is_on: bool, at: Timestamp) -> Result<Reacted>;

    /// The reactions to these messages, each message's in the order in which its emoji first came. Those without are left out.
    async fn reactions(&self, ids: &[MessageId], asker: Option<UserId>) -> Result<HashMap<MessageId, Vec<Reaction>>>;

    /// Where in its stream a message was written, deleted or not.
    async fn point(&self, id: MessageId) -> Result<Option<StreamPoint>>;

    /// Hides a message for good. False: it was not there, or hidden before.
    async fn delete(&self, id: MessageId, by: UserId, at: Timestamp) -> Result<bool>;

    /// Hides the last [`CLEAR_LINES_MAX`](crate::limits) lines of the last day, of all or of one member. Returns how many.
    async fn clear(&self, channel: UserId, user: Option<UserId>, by: UserId, at: Timestamp) -> Result<u64>;

    /// Shows again, at `now`, what `by` hid at exactly the time `at`, in milliseconds. Returns how many.
    async fn restore(&self, channel: UserId, by: UserId, at: Timestamp, now: Timestamp) -> Result<u64>;

    /// Asks for a sign of life.
    async fn ping(&self) -> Result<()>;
}
