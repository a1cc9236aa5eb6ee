//! What members said in chat, as this room asks for it. The store is the chat's; whoever composes the rooms brings it along.

use std::fmt;
use std::pin::Pin;

use domain::{MessageId, StreamId, Timestamp, UserId};
use uuid::Uuid;

/// One line of a member.
#[derive(Debug, Clone)]
pub struct SaidLine {
    pub id: Uuid,
    pub text: String,
    pub sent_at: Timestamp,
    pub stream_id: Option<StreamId>,
    pub is_deleted: bool,
}

/// A line that somebody names.
#[derive(Debug, Clone)]
pub struct FoundLine {
    pub channel: UserId,
    pub author: UserId,
    pub author_name: String,
    pub text: String,
    pub sent_at: Timestamp,
}

/// What a member said in one channel.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// How many lines, deleted ones too; the store may stop counting at 10,000.
    pub count: u64,
    /// The last ones, in order.
    pub lines: Vec<SaidLine>,
}

/// An answer on its way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = anyhow::Result<T>> + Send + 'a>>;

/// Asks the chat's store.
pub trait ChatLines: fmt::Debug + Send + Sync + 'static {
    /// The last `limit` lines of a member in a channel. An error when the store does not answer in time.
    fn said_by(&self, channel: UserId, member: UserId, limit: u32) -> Asked<'_, Said>;

    /// One line, deleted or not. An error when the store does not answer in time.
    fn line(&self, id: MessageId) -> Asked<'_, Option<FoundLine>>;
}
