//! SQL for pictures and files in messages of rooms: taking them in, binding each to one message, and what is owed to them.
//!
//! A row decides whether something is served, to whom, and when its objects go. Every change of state names the state it starts from, so
//! that done twice it is done once.

mod upkeep;

use domain::attachment::{AttachmentKind, AttachmentState, Shown, UNSENT_FOR, UNSENT_MAX};
use domain::{AttachmentId, MessageId, RoomId, Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

pub use upkeep::{
    Owed, again, drop_upload, empty, erase, fail, give_up, pass, postpone, refuse, rest, take_due, unknown,
};

/// What is to be taken in.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub id: AttachmentId,
    pub room: RoomId,
    pub user: UserId,
    pub lock: &'a str,
    pub name: &'a str,
    /// Of what is served.
    pub mime: &'a str,
    pub bytes: i64,
    pub picture: Option<Picture<'a>>,
    pub sha256: &'a [u8],
    /// All of its objects.
    pub stored_bytes: i64,
    /// The picture as it was sent is kept too.
    pub has_upload: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    pub width: i32,
    pub height: i32,
    pub thumb_mime: &'a str,
}

/// What became of something that was to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    Done,
    /// The member has too much that is in no message.
    TooManyUnsent,
    /// The member's room is full.
    Full,
    /// A scanner found something in the same bytes before.
    Infected,
}

/// Something taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub id: AttachmentId,
    pub room: RoomId,
    pub user: UserId,
    pub lock: String,
    pub kind: AttachmentKind,
    pub name: String,
    pub mime: String,
    pub thumb_mime: Option<String>,
    pub bytes: i64,
    pub size: Option<(i32, i32)>,
    pub state: AttachmentState,
    pub message: Option<MessageId>,
}

impl Attachment {
    pub fn shown(&self) -> Shown {
        let shown = Shown {
            id: self.id,
            name: self.name.clone(),
            kind: self.kind,
            mime: self.mime.clone(),
            bytes: self.bytes,
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            state: self.state,
            thumbnail_url: None,
            url: None,
        };
        shown.placed(self.room)
    }
}

struct Row {
    attachment_id: Uuid,
    room_id: Uuid,
    user_id: Uuid,
    lock: String,
    kind: String,
    name: String,
    mime: String,
    thumb_mime: Option<String>,
    bytes: i64,
    width: Option<i32>,
    height: Option<i32>,
    state: String,
    message_id: Option<Uuid>,
}

impl TryFrom<Row> for Attachment {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: AttachmentId::from_uuid(row.attachment_id),
            room: RoomId::from_uuid(row.room_id),
            user: UserId::from_uuid(row.user_id),
            lock: row.lock,
            kind: AttachmentKind::parse(&row.kind).ok_or(DbError::Corrupt { what: "kind of an attachment" })?,
            name: row.name,
            mime: row.mime,
            thumb_mime: row.thumb_mime,
            bytes: row.bytes,
            size: row.width.zip(row.height),
            state: state(&row.state)?,
            message: row.message_id.map(MessageId::from_uuid),
        })
    }
}

fn state(text: &str) -> Result<AttachmentState> {
    AttachmentState::parse(text).ok_or(DbError::Corrupt { what: "state of an attachment" })
}

fn unsent_s() -> f64 {
    UNSENT_FOR.as_secs_f64()
}

/// Makes room for something, which is in the bucket only after this: nothing lies there without a row. Of one member one after another,
/// until the transaction ends. `quota` is in bytes; 0: no limit.
pub async fn reserve(conn: &mut Conn, new: &New<'_>, quota: i64) -> Result<Reserved> {
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", new.user.as_uuid())
        .execute(&mut *conn)
        .await?;
    let held = sqlx::query!(
        r#"
        SELECT count(*) FILTER (WHERE message_id IS NULL AND gone_at IS NULL) AS "unsent!",
               coalesce(sum(stored_bytes), 0)::bigint AS "bytes!",
               EXISTS (SELECT FROM refused_files WHERE sha256 = $2) AS "is_refused!"
          FROM attachments
         WHERE user_id = $1 AND (stored_bytes > 0 OR message_id IS NULL)
        "#,
        new.user.as_uuid(),
        new.sha256,
    )
    .fetch_one(&mut *conn)
    .await?;
    if held.is_refused {
        return Ok(Reserved::Infected);
    }
    if held.unsent >= UNSENT_MAX {
        return Ok(Reserved::TooManyUnsent);
    }
    if quota > 0 && held.bytes.saturating_add(new.stored_bytes) > quota {
        return Ok(Reserved::Full);
    }
    let kind = if new.picture.is_some() { AttachmentKind::Image } else { AttachmentKind::File };
    sqlx::query!(
        r#"
        INSERT INTO attachments (attachment_id, room_id, user_id, lock, kind, name, mime, thumb_mime, bytes, width, height,
                                 sha256, stored_bytes, has_upload, state, due_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'storing', now() + make_interval(secs => $15))
        "#,
        new.id.as_uuid(),
        new.room.as_uuid(),
        new.user.as_uuid(),
        new.lock,
        kind.as_str(),
        new.name,
        new.mime,
        new.picture.map(|picture| picture.thumb_mime),
        new.bytes,
        new.picture.map(|picture| picture.width),
        new.picture.map(|picture| picture.height),
        new.sha256,
        new.stored_bytes,
        new.has_upload,
        unsent_s(),
    )
    .execute(conn)
    .await?;
    Ok(Reserved::Done)
}

/// All of its objects are in the bucket. `None`: it took too long, or was taken away meanwhile.
pub async fn stored(conn: &mut Conn, id: AttachmentId, is_to_be_scanned: bool) -> Result<Option<Attachment>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        UPDATE attachments
           SET state = CASE WHEN $2 THEN 'checking' ELSE 'ready' END, changed_at = now(),
               due_at = CASE WHEN $2 THEN now() ELSE created_at + make_interval(secs => $3) END
         WHERE attachment_id = $1 AND state = 'storing' AND gone_at IS NULL
        RETURNING attachment_id, room_id, user_id, lock, kind, name, mime, thumb_mime, bytes, width, height, state, message_id
        "#,
        id.as_uuid(),
        is_to_be_scanned,
        unsent_s(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Attachment::try_from).transpose()
}

/// Has what did not get into the bucket go.
pub async fn abandon(conn: &mut Conn, id: AttachmentId) -> Result<()> {
    sqlx::query!(
        "UPDATE attachments SET gone_at = now(), due_at = now() WHERE attachment_id = $1 AND gone_at IS NULL",
        id.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Has a member's upload go that is in no message. False: there is none.
pub async fn take_back(conn: &mut Conn, room: RoomId, id: AttachmentId, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE attachments SET gone_at = now(), due_at = now()
         WHERE attachment_id = $1 AND room_id = $2 AND user_id = $3 AND message_id IS NULL AND gone_at IS NULL
        "#,
        id.as_uuid(),
        room.as_uuid(),
        user.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Something that may be served to this member now: they sit in its room, it is ready, and said there or their own.
pub async fn served(conn: &mut Conn, room: RoomId, id: AttachmentId, user: UserId) -> Result<Option<Attachment>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT a.attachment_id, a.room_id, a.user_id, a.lock, a.kind, a.name, a.mime, a.thumb_mime, a.bytes, a.width,
               a.height, a.state, a.message_id
          FROM attachments a
          JOIN room_members me ON me.room_id = a.room_id AND me.user_id = $3 AND me.state = 'active'
         WHERE a.attachment_id = $1 AND a.room_id = $2 AND a.state = 'ready' AND a.gone_at IS NULL
           AND (a.user_id = $3
                OR EXISTS (SELECT FROM room_lines l WHERE l.message_id = a.message_id AND NOT l.is_deleted))
        "#,
        id.as_uuid(),
        room.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Attachment::try_from).transpose()
}

/// What became of the wish to send something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It goes out with the message of this id, which is the same however often it is asked for under one `client_id`.
    Bound(MessageId),
    /// It is not there, somebody else's, or of another room.
    Absent,
    /// It went out with another message.
    Taken,
    Infected,
    Failed,
}

/// Whose message something is to go out with.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub id: AttachmentId,
    pub room: RoomId,
    pub user: UserId,
    pub client_id: &'a str,
    /// The message's id, unless it has one from before.
    pub message: MessageId,
}

/// Binds a member's upload to one message.
pub async fn claim(conn: &mut Conn, claim: Claim<'_>) -> Result<Claimed> {
    let bound = sqlx::query_scalar!(
        r#"
        UPDATE attachments
           SET message_id = coalesce(message_id, $5), client_id = $4, bound_at = coalesce(bound_at, now())
         WHERE attachment_id = $1 AND room_id = $2 AND user_id = $3 AND gone_at IS NULL
           AND (client_id = $4 OR (client_id IS NULL AND state IN ('checking', 'ready')))
        RETURNING message_id AS "message_id!"
        "#,
        claim.id.as_uuid(),
        claim.room.as_uuid(),
        claim.user.as_uuid(),
        claim.client_id,
        claim.message.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(id) = bound {
        return Ok(Claimed::Bound(MessageId::from_uuid(id)));
    }
    let there = sqlx::query!(
        r#"
        SELECT state, message_id IS NOT NULL AS "is_bound!"
          FROM attachments
         WHERE attachment_id = $1 AND room_id = $2 AND user_id = $3 AND gone_at IS NULL
        "#,
        claim.id.as_uuid(),
        claim.room.as_uuid(),
        claim.user.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(match there {
        Some(row) if row.is_bound => Claimed::Taken,
        Some(row) => match state(&row.state)? {
            AttachmentState::Infected => Claimed::Infected,
            AttachmentState::Failed => Claimed::Failed,
            _ => Claimed::Absent,
        },
        None => Claimed::Absent,
    })
}

/// Takes back that something goes out with a message that is not to be.
pub async fn release(conn: &mut Conn, id: AttachmentId, message: MessageId) -> Result<()> {
    sqlx::query!(
        "UPDATE attachments SET message_id = NULL, client_id = NULL, bound_at = NULL WHERE attachment_id = $1 AND message_id = $2",
        id.as_uuid(),
        message.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What went out with these messages and was not taken away, in no order.
pub async fn of_messages(conn: &mut Conn, messages: &[MessageId]) -> Result<Vec<Attachment>> {
    let ids: Vec<Uuid> = messages.iter().map(|message| message.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT attachment_id, room_id, user_id, lock, kind, name, mime, thumb_mime, bytes, width, height, state, message_id
          FROM attachments
         WHERE message_id = ANY($1) AND gone_at IS NULL
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Attachment::try_from).collect()
}

/// What was said in a room and became something else since then, the first change first.
pub async fn changed_since(conn: &mut Conn, room: RoomId, since: Timestamp, limit: i64) -> Result<Vec<Attachment>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT attachment_id, room_id, user_id, lock, kind, name, mime, thumb_mime, bytes, width, height, state, message_id
          FROM attachments
         WHERE room_id = $1 AND message_id IS NOT NULL AND changed_at >= $2 AND gone_at IS NULL
         ORDER BY changed_at
         LIMIT $3
        "#,
        room.as_uuid(),
        since,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Attachment::try_from).collect()
}

/// A message is gone: so is what went out with it.
pub async fn discard(conn: &mut Conn, message: MessageId) -> Result<()> {
    sqlx::query!(
        "UPDATE attachments SET gone_at = now(), due_at = now() WHERE message_id = $1 AND gone_at IS NULL",
        message.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Nobody can read in a room any more, or nobody can write: all goes, or what is in no message.
pub async fn discard_room(conn: &mut Conn, room: RoomId, is_sent_too: bool) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE attachments SET gone_at = now(), due_at = now()
         WHERE room_id = $1 AND gone_at IS NULL AND ($2 OR message_id IS NULL)
        "#,
        room.as_uuid(),
        is_sent_too,
    )
    .execute(conn)
    .await?;
    Ok(())
}
