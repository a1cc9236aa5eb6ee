//! Chat history in Postgres: the default, where no MongoDB is configured.

use std::collections::HashMap;

use async_trait::async_trait;
use db::chat::MessageRow;
use domain::chat::reaction::KINDS_MAX;
use domain::{MessageId, StreamId, Timestamp, UserId};

use super::{Edit, History, HistoryError, Kept, Reacted, Result, Span, Stored, StreamPoint};
use crate::fanout::floor_of;
use crate::limits::{CLEAR_LINES_MAX, CLEAR_REACH, RESTORE_REACH};
use crate::message::{Author, Message, Reaction};

/// The table `chat_messages`.
#[derive(Debug, Clone)]
pub struct PostgresHistory {
    pool: db::Pool,
}

impl PostgresHistory {
    pub fn new(pool: db::Pool) -> Self {
        Self { pool }
    }

    async fn connection(&self) -> Result<impl std::ops::DerefMut<Target = db::Conn>> {
        self.pool.acquire().await.map_err(HistoryError::new)
    }
}

impl From<db::DbError> for HistoryError {
    fn from(error: db::DbError) -> Self {
        Self::new(error)
    }
}

#[async_trait]
impl History for PostgresHistory {
    async fn insert(&self, message: &Message) -> Result<Stored> {
        let mut connection = self.connection().await?;
        if db::chat::insert(&mut connection, &row_of(message)).await?.is_some() {
            return Ok(Stored::New);
        }
        let before = db::chat::by_client_id(&mut connection, message.author.id, &message.client_id).await?;
        before
            .map(|row| Stored::Before(Box::new(message_of(row))))
            .ok_or_else(|| HistoryError::new("a stored message vanished"))
    }

    async fn channel_page(&self, channel: UserId, span: Span<MessageId>, limit: u32) -> Result<Vec<Message>> {
        let mut connection = self.connection().await?;
        let rows = db::chat::channel_page(&mut connection, channel, span, i64::from(limit)).await?;
        Ok(rows.into_iter().map(message_of).collect())
    }

    async fn stream_page(&self, stream: StreamId, span: Span<StreamPoint>, limit: u32) -> Result<Vec<Message>> {
        let mut connection = self.connection().await?;
        let rows = db::chat::stream_page(&mut connection, stream, span, i64::from(limit)).await?;
        Ok(rows.into_iter().map(message_of).collect())
    }

    async fn find(&self, id: MessageId) -> Result<Option<Message>> {
        let mut connection = self.connection().await?;
        Ok(db::chat::find(&mut connection, id).await?.map(message_of))
    }

    async fn find_all(&self, ids: &[MessageId]) -> Result<Vec<Kept>> {
        let mut connection = self.connection().await?;
        Ok(db::chat::find_all(&mut connection, ids).await?.into_iter().map(kept_of).collect())
    }

    async fn thread(&self, root: MessageId, limit: u32) -> Result<Vec<Message>> {
        let mut connection = self.connection().await?;
        let rows = db::chat::thread(&mut connection, root, i64::from(limit)).await?;
        Ok(rows.into_iter().map(message_of).collect())
    }

    async fn said_by(&self, channel: UserId, user: UserId, limit: u32) -> Result<Vec<Kept>> {
        let mut connection = self.connection().await?;
        let rows = db::chat::said_by(&mut connection, channel, user, i64::from(limit)).await?;
        Ok(rows.into_iter().map(kept_of).collect())
    }

    async fn said_count(&self, channel: UserId, user: UserId, most: u32) -> Result<u64> {
        let mut connection = self.connection().await?;
        let count = db::chat::said_count(&mut connection, channel, user, i64::from(most)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn changed_since(&self, channel: UserId, since: Timestamp, limit: u32) -> Result<Vec<Kept>> {
        let mut connection = self.connection().await?;
        let rows = db::chat::changed_since(&mut connection, channel, since, i64::from(limit)).await?;
        Ok(rows.into_iter().map(kept_of).collect())
    }

    async fn edit(&self, id: MessageId, author: UserId, edit: &Edit, at: Timestamp) -> Result<Option<Message>> {
        let mut connection = self.connection().await?;
        Ok(db::chat::edit(&mut connection, id, author, edit, at).await?.map(message_of))
    }

    async fn react(&self, id: MessageId, by: UserId, emoji: &str, is_on: bool, at: Timestamp) -> Result<Reacted> {
        Ok(db::chat::react(&self.pool, (id, by), emoji, is_on, KINDS_MAX as i64, at).await?)
    }

    async fn reactions(&self, ids: &[MessageId], asker: Option<UserId>) -> Result<HashMap<MessageId, Vec<Reaction>>> {
        let mut connection = self.connection().await?;
        let mut reactions: HashMap<MessageId, Vec<Reaction>> = HashMap::new();
        for row in db::chat::reactions(&mut connection, ids, asker).await? {
            let reaction = Reaction { emoji: row.emoji, count: row.count, is_mine: row.is_mine };
            reactions.entry(row.message).or_default().push(reaction);
        }
        Ok(reactions)
    }

    async fn point(&self, id: MessageId) -> Result<Option<StreamPoint>> {
        let mut connection = self.connection().await?;
        Ok(db::chat::point(&mut connection, id).await?)
    }

    async fn delete(&self, id: MessageId, by: UserId, at: Timestamp) -> Result<bool> {
        let mut connection = self.connection().await?;
        Ok(db::chat::delete(&mut connection, id, by, at).await?)
    }

    async fn clear(&self, channel: UserId, user: Option<UserId>, by: UserId, at: Timestamp) -> Result<u64> {
        let mut connection = self.connection().await?;
        let after = floor_of(at - CLEAR_REACH);
        let limit = i64::from(CLEAR_LINES_MAX);
        Ok(db::chat::clear(&mut connection, channel, user, after, (by, at), limit).await?)
    }

    async fn restore(&self, channel: UserId, by: UserId, at: Timestamp, now: Timestamp) -> Result<u64> {
        let mut connection = self.connection().await?;
        Ok(db::chat::restore(&mut connection, channel, floor_of(at - RESTORE_REACH), (by, at), now).await?)
    }

    async fn ping(&self) -> Result<()> {
        Ok(db::pool::ping(&self.pool).await?)
    }
}

fn row_of(message: &Message) -> MessageRow {
    MessageRow {
        id: message.id,
        channel: message.channel,
        stream: message.stream,
        user: message.author.id,
        username: message.author.username.clone(),
        display_name: message.author.display_name.clone(),
        badges: message.author.badges.clone(),
        text: message.text.clone(),
        client_id: message.client_id.clone(),
        sent_at: message.sent_at,
        offset_ms: message.offset_ms,
        kind: message.kind,
        reply_to: message.reply_to,
        thread: message.thread,
        mentions: message.mentions.clone(),
        emotes: message.emotes.clone(),
        edited_at: message.edited_at,
        changed_at: message.changed_at,
        is_deleted: false,
    }
}

fn kept_of(row: MessageRow) -> Kept {
    Kept { is_deleted: row.is_deleted, message: message_of(row) }
}

fn message_of(row: MessageRow) -> Message {
    Message {
        id: row.id,
        channel: row.channel,
        stream: row.stream,
        author: Author { id: row.user, username: row.username, display_name: row.display_name, badges: row.badges },
        text: row.text,
        client_id: row.client_id,
        sent_at: row.sent_at,
        offset_ms: row.offset_ms,
        kind: row.kind,
        reply_to: row.reply_to,
        thread: row.thread,
        mentions: row.mentions,
        emotes: row.emotes,
        edited_at: row.edited_at,
        changed_at: row.changed_at,
    }
}
