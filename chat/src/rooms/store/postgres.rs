//! Rooms in Postgres: the default, where no MongoDB is configured.

use async_trait::async_trait;
use db::rooms::RoomMessageRow;
use domain::chat::reaction::KINDS_MAX;
use domain::words::Sought;
use domain::{MessageId, RoomId, Timestamp, UserId};

use super::{Kept, Reacted, RoomHistory, RoomMessage, Span, Stored};
use crate::history::{HistoryError, Result};

/// The tables `room_messages` and `room_reactions`.
#[derive(Debug, Clone)]
pub struct PostgresRooms {
    pool: db::Pool,
}

impl PostgresRooms {
    pub fn new(pool: db::Pool) -> Self {
        Self { pool }
    }

    async fn connection(&self) -> Result<impl std::ops::DerefMut<Target = db::Conn>> {
        self.pool.acquire().await.map_err(HistoryError::new)
    }
}

#[async_trait]
impl RoomHistory for PostgresRooms {
    async fn insert(&self, message: &RoomMessage) -> Result<Stored> {
        let mut connection = self.connection().await?;
        if db::rooms::insert(&mut connection, &row_of(message)).await? {
            return Ok(Stored::New);
        }
        let before = db::rooms::by_client_id(&mut connection, message.author, &message.client_id).await?;
        before
            .map(|row| Stored::Before(Box::new(kept_of(row))))
            .ok_or_else(|| HistoryError::new("a stored message vanished"))
    }

    async fn page(&self, room: RoomId, span: Span<MessageId>, limit: u32) -> Result<Vec<RoomMessage>> {
        let mut connection = self.connection().await?;
        let rows = db::rooms::page(&mut connection, room, span, i64::from(limit)).await?;
        Ok(rows.into_iter().map(message_of).collect())
    }

    async fn search(
        &self,
        rooms: &[RoomId],
        sought: &Sought,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<RoomMessage>> {
        let rows = db::rooms::search(&self.pool, rooms, sought, before, i64::from(limit)).await?;
        Ok(rows.into_iter().map(message_of).collect())
    }

    async fn find_all(&self, ids: &[MessageId]) -> Result<Vec<Kept>> {
        let mut connection = self.connection().await?;
        Ok(db::rooms::find_all(&mut connection, ids).await?.into_iter().map(kept_of).collect())
    }

    async fn changed_since(&self, room: RoomId, since: Timestamp, limit: u32) -> Result<Vec<Kept>> {
        let mut connection = self.connection().await?;
        let rows = db::rooms::changed_since(&mut connection, room, since, i64::from(limit)).await?;
        Ok(rows.into_iter().map(kept_of).collect())
    }

    async fn edit(&self, id: MessageId, author: UserId, text: &str, at: Timestamp) -> Result<Option<RoomMessage>> {
        let mut connection = self.connection().await?;
        Ok(db::rooms::edit(&mut connection, id, author, text, at).await?.map(message_of))
    }

    async fn react(&self, id: MessageId, by: UserId, emoji: &str, is_on: bool, at: Timestamp) -> Result<Reacted> {
        Ok(db::rooms::react(&self.pool, (id, by), emoji, is_on, KINDS_MAX as i64, at).await?)
    }

    async fn delete(&self, id: MessageId, at: Timestamp) -> Result<bool> {
        let mut connection = self.connection().await?;
        Ok(db::rooms::delete(&mut connection, id, at).await?)
    }
}

fn row_of(message: &RoomMessage) -> RoomMessageRow {
    RoomMessageRow {
        id: message.id,
        room: message.room,
        user: message.author,
        text: message.text.clone(),
        client_id: message.client_id.clone(),
        sent_at: message.sent_at,
        reply_to: message.reply_to,
        edited_at: message.edited_at,
        changed_at: message.changed_at,
        is_deleted: false,
        reactions: Vec::new(),
    }
}

fn kept_of(row: RoomMessageRow) -> Kept {
    Kept { is_deleted: row.is_deleted, message: message_of(row) }
}

fn message_of(row: RoomMessageRow) -> RoomMessage {
    RoomMessage {
        id: row.id,
        room: row.room,
        author: row.user,
        text: row.text,
        client_id: row.client_id,
        sent_at: row.sent_at,
        reply_to: row.reply_to,
        edited_at: row.edited_at,
        changed_at: row.changed_at,
        reactions: row.reactions,
    }
}
