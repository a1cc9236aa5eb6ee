//! What Postgres knows of rooms: who sits in them, who may write, what was read. Nothing of it is remembered here, so that somebody who
//! was shown out or blocked is so with the next event.

use std::collections::HashMap;

use db::attachments::{self, Claim, Claimed};
use db::rooms::{Face, Line, Listed, Marked, Seat, Which};
use domain::attachment::{AttachmentError, Shown};
use domain::rooms::Writing;
use domain::{AttachmentId, MessageId, RoomId, Timestamp, UserId};
use serde_json::{Value, json};

use crate::rooms::store::RoomMessage;

pub(crate) struct Ledger {
    pool: db::Pool,
}

impl Ledger {
    pub(crate) fn new(pool: db::Pool) -> Self {
        Self { pool }
    }

    /// A member's place in a room. `None`: not in it, or there is no such room.
    pub(crate) async fn seat(&self, room: RoomId, user: UserId) -> db::Result<Option<Seat>> {
        db::rooms::seat(&mut *self.pool.acquire().await?, room, user).await
    }

    pub(crate) async fn writing(&self, writer: UserId, other: UserId) -> db::Result<Writing> {
        db::rooms::writing(&mut *self.pool.acquire().await?, writer, other).await
    }

    /// A member's rooms, the one where something was said last first.
    pub(crate) async fn list(&self, user: UserId, limit: i64) -> db::Result<(Vec<Listed>, i64)> {
        let mut conn = self.pool.acquire().await?;
        let rooms = db::rooms::list(&mut conn, user, Which::default(), limit).await?;
        Ok((rooms, db::rooms::unread_rooms(&mut conn, user).await?))
    }

    /// Notes that something was said. Who is to hear it.
    pub(crate) async fn said(&self, message: &RoomMessage) -> db::Result<Vec<UserId>> {
        let excerpt = domain::chat::excerpt(&message.text);
        let line = Line {
            id: message.id,
            room: message.room,
            author: message.author,
            excerpt: &excerpt,
            sent_at: message.sent_at,
        };
        db::rooms::said(&mut *self.pool.acquire().await?, line).await
    }

    pub(crate) async fn reword(&self, message: &RoomMessage) -> db::Result<()> {
        let excerpt = domain::chat::excerpt(&message.text);
        db::rooms::reword(&mut *self.pool.acquire().await?, message.id, &excerpt).await
    }

    /// Nothing of a message stays, and what went out with it goes too.
    pub(crate) async fn redact(&self, id: MessageId) -> db::Result<()> {
        let mut tx = db::begin(&self.pool).await?;
        db::rooms::redact(&mut tx, id).await?;
        attachments::discard(&mut tx, id).await?;
        db::commit(tx).await
    }

    /// Binds something to a message: the message's id.
    pub(crate) async fn claim(&self, claim: Claim<'_>) -> db::Result<Result<MessageId, AttachmentError>> {
        let claimed = attachments::claim(&mut *self.pool.acquire().await?, claim).await?;
        Ok(match claimed {
            Claimed::Bound(message) => Ok(message),
            Claimed::Absent => Err(AttachmentError::NotFound),
            Claimed::Taken => Err(AttachmentError::Sent),
            Claimed::Infected => Err(AttachmentError::Infected),
            Claimed::Failed => Err(AttachmentError::Failed),
        })
    }

    pub(crate) async fn release(&self, id: AttachmentId, message: MessageId) -> db::Result<()> {
        attachments::release(&mut *self.pool.acquire().await?, id, message).await
    }

    /// What went out with these messages.
    pub(crate) async fn attachments(&self, messages: &[MessageId]) -> db::Result<HashMap<MessageId, Shown>> {
        if messages.is_empty() {
            return Ok(HashMap::new());
        }
        let found = attachments::of_messages(&mut *self.pool.acquire().await?, messages).await?;
        Ok(found.into_iter().filter_map(|one| Some((one.message?, one.shown()))).collect())
    }

    /// `[{message_id, attachment}]`: what was said in a room and is in another state since then.
    pub(crate) async fn settled(&self, room: RoomId, since: Timestamp, limit: i64) -> db::Result<Value> {
        let found = attachments::changed_since(&mut *self.pool.acquire().await?, room, since, limit).await?;
        Ok(found.iter().map(|one| json!({ "message_id": one.message, "attachment": one.shown() })).collect())
    }

    /// The rooms a member may look through, or one of them.
    pub(crate) async fn readable(&self, user: UserId, room: Option<RoomId>, limit: i64) -> db::Result<Vec<RoomId>> {
        db::rooms::readable(&mut *self.pool.acquire().await?, user, room, limit).await
    }

    pub(crate) async fn audience(&self, room: RoomId) -> db::Result<Vec<UserId>> {
        db::rooms::audience(&mut *self.pool.acquire().await?, room).await
    }

    pub(crate) async fn read(&self, room: RoomId, user: UserId, id: MessageId) -> db::Result<Marked> {
        db::rooms::read(&mut *self.pool.acquire().await?, room, user, id).await
    }

    /// How many notifications a member has not read.
    pub(crate) async fn unread_notifications(&self, user: UserId) -> db::Result<i64> {
        db::notifications::unread_count(&mut *self.pool.acquire().await?, user).await
    }

    /// Members as others see them. Those whose account is gone are left out.
    pub(crate) async fn faces(&self, mut users: Vec<UserId>) -> db::Result<HashMap<UserId, Face>> {
        users.sort_unstable();
        users.dedup();
        let faces = db::rooms::faces(&mut *self.pool.acquire().await?, &users).await?;
        Ok(faces.into_iter().map(|face| (face.id, face)).collect())
    }
}
