//! Where what was said in rooms is kept. Two stores, one contract: `tests/it/room_history.rs` holds both to it.

mod mongo;
mod postgres;

use std::fmt;

use async_trait::async_trait;
pub use db::chat::{Reacted, Span};
use domain::words::Sought;
use domain::{MessageId, RoomId, Timestamp, UserId};
pub use mongo::MongoRooms;
pub use postgres::PostgresRooms;

use crate::history::Result;

/// Something said in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMessage {
    pub id: MessageId,
    pub room: RoomId,
    pub author: UserId,
    pub text: String,
    /// The sender's own name for it: sent twice, stored once.
    pub client_id: String,
    /// In milliseconds: what every store keeps without rounding.
    pub sent_at: Timestamp,
    /// The message it answers, in the same room.
    pub reply_to: Option<MessageId>,
    pub edited_at: Option<Timestamp>,
    /// The last edit or reaction, or its deletion.
    pub changed_at: Option<Timestamp>,
    /// Who reacted with what, in the order in which they did.
    pub reactions: Vec<(String, UserId)>,
}

/// A message, and whether it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub message: RoomMessage,
    pub is_deleted: bool,
}

/// What became of a message that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is stored now.
    New,
    /// The author had stored this one before under the same `client_id`; the new one was dropped.
    Before(Box<Kept>),
}

/// A store of what was said in rooms. Pages are ascending, hold no deleted message, and leave no gap between one and the next.
#[async_trait]
pub trait RoomHistory: fmt::Debug + Send + Sync + 'static {
    /// Stores a message; once this returns, no crash loses it. At most one per author and `client_id`.
    async fn insert(&self, message: &RoomMessage) -> Result<Stored>;

    /// Part of a room's messages, in the order of their ids.
    async fn page(&self, room: RoomId, span: Span<MessageId>, limit: u32) -> Result<Vec<RoomMessage>>;

    /// Messages of these rooms that have what is sought, the latest first. An error when it takes longer than about a second.
    async fn search(
        &self,
        rooms: &[RoomId],
        sought: &Sought,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<RoomMessage>>;

    /// Messages of these ids, deleted ones too, in no order.
    async fn find_all(&self, ids: &[MessageId]) -> Result<Vec<Kept>>;

    /// What was edited, reacted to or deleted in a room at or after a moment, the oldest change first.
    async fn changed_since(&self, room: RoomId, since: Timestamp, limit: u32) -> Result<Vec<Kept>>;

    /// Changes an author's message. `None`: it is gone, or somebody else's.
    async fn edit(&self, id: MessageId, author: UserId, text: &str, at: Timestamp) -> Result<Option<RoomMessage>>;

    /// Adds or takes back a member's reaction. Asked twice, done once.
    async fn react(&self, id: MessageId, by: UserId, emoji: &str, is_on: bool, at: Timestamp) -> Result<Reacted>;

    /// Hides a message for good. False: it was not there, or hidden before.
    async fn delete(&self, id: MessageId, at: Timestamp) -> Result<bool>;
}
