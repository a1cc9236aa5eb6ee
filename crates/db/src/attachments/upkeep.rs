//! What is owed to attachments: who looks at which one next, and what came of it.

use domain::attachment::{AttachmentState, CHECKED_FOR, Standing};
use domain::{AttachmentId, RoomId, UserId};
use uuid::Uuid;

use super::{Attachment, Row, state, unsent_s};
use crate::Conn;
use crate::error::Result;

/// Something whose turn has come.
#[derive(Debug, Clone)]
pub struct Owed {
    pub id: AttachmentId,
    pub room: RoomId,
    pub user: UserId,
    pub lock: String,
    pub bytes: i64,
    pub standing: Standing,
    pub tries: i32,
    /// The scanner was asked for long enough.
    pub is_old: bool,
}

/// Takes up to `limit` whose turn has come: those to be scanned, or the others. Nobody else gets them for `lease_s` seconds.
pub async fn take_due(conn: &mut Conn, is_scan: bool, limit: i64, lease_s: f64) -> Result<Vec<Owed>> {
    let rows = sqlx::query!(
        r#"
        UPDATE attachments a SET due_at = now() + make_interval(secs => $3)
         WHERE attachment_id IN (SELECT attachment_id
                                   FROM attachments
                                  WHERE due_at <= now() AND (state = 'checking' AND gone_at IS NULL) = $1
                                  ORDER BY due_at
                                  LIMIT $2
                                    FOR UPDATE SKIP LOCKED)
        RETURNING attachment_id, room_id, user_id, lock, bytes, state, tries, has_upload,
                  stored_bytes > 0 AS "has_objects!",
                  created_at <= now() - make_interval(secs => $5) AS "is_old!",
                  (gone_at IS NOT NULL
                   OR message_id IS NULL AND created_at <= now() - make_interval(secs => $4)
                   OR message_id IS NOT NULL AND bound_at <= now() - make_interval(secs => $4)
                      AND NOT EXISTS (SELECT FROM room_lines l WHERE l.message_id = a.message_id)) AS "is_over!"
        "#,
        is_scan,
        limit,
        lease_s,
        unsent_s(),
        CHECKED_FOR.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Owed {
                id: AttachmentId::from_uuid(row.attachment_id),
                room: RoomId::from_uuid(row.room_id),
                user: UserId::from_uuid(row.user_id),
                lock: row.lock,
                bytes: row.bytes,
                standing: Standing {
                    state: state(&row.state)?,
                    is_over: row.is_over,
                    has_objects: row.has_objects,
                    has_upload: row.has_upload,
                },
                tries: row.tries,
                is_old: row.is_old,
            })
        })
        .collect()
}

/// Says for good that something is over. False: it is not, it went out with a message meanwhile.
pub async fn give_up(conn: &mut Conn, id: AttachmentId) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE attachments a SET gone_at = coalesce(gone_at, now())
         WHERE attachment_id = $1
           AND (gone_at IS NOT NULL
                OR message_id IS NULL AND created_at <= now() - make_interval(secs => $2)
                OR bound_at <= now() - make_interval(secs => $2)
                   AND NOT EXISTS (SELECT FROM room_lines l WHERE l.message_id = a.message_id))
        "#,
        id.as_uuid(),
        unsent_s(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Its objects are gone, and so is it.
pub async fn erase(conn: &mut Conn, id: AttachmentId) -> Result<()> {
    sqlx::query!("DELETE FROM attachments WHERE attachment_id = $1 AND gone_at IS NOT NULL", id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// Its objects are gone; the row stays with its message.
pub async fn empty(conn: &mut Conn, id: AttachmentId) -> Result<()> {
    sqlx::query!(
        "UPDATE attachments SET stored_bytes = 0, has_upload = false WHERE attachment_id = $1 AND state IN ('infected', 'failed')",
        id.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    rest(conn, id).await
}

/// The picture as it was sent is gone.
pub async fn drop_upload(conn: &mut Conn, id: AttachmentId) -> Result<()> {
    sqlx::query!("UPDATE attachments SET has_upload = false WHERE attachment_id = $1", id.as_uuid())
        .execute(&mut *conn)
        .await?;
    rest(conn, id).await
}

/// Nothing is owed now: what is in no message is looked at when its time is over, and what is in one when that should have been said.
pub async fn rest(conn: &mut Conn, id: AttachmentId) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE attachments a
           SET due_at = CASE WHEN message_id IS NULL THEN created_at + make_interval(secs => $2)
                             WHEN EXISTS (SELECT FROM room_lines l WHERE l.message_id = a.message_id) THEN NULL
                             ELSE bound_at + make_interval(secs => $2) END
         WHERE attachment_id = $1 AND gone_at IS NULL AND state <> 'checking'
        "#,
        id.as_uuid(),
        unsent_s(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The scanner could not say: it is asked again in a while.
pub async fn postpone(conn: &mut Conn, id: AttachmentId, wait_s: f64) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE attachments SET tries = tries + 1, due_at = now() + make_interval(secs => $2)
         WHERE attachment_id = $1 AND state = 'checking' AND gone_at IS NULL
        "#,
        id.as_uuid(),
        wait_s,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn settle(conn: &mut Conn, id: AttachmentId, state: AttachmentState) -> Result<Option<Attachment>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        UPDATE attachments SET state = $2, changed_at = now(), due_at = now()
         WHERE attachment_id = $1 AND state = 'checking' AND gone_at IS NULL
        RETURNING attachment_id, room_id, user_id, lock, kind, name, mime, thumb_mime, bytes, width, height, state, message_id
        "#,
        id.as_uuid(),
        state.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Attachment::try_from).transpose()
}

/// The scanner says it is clean. `None`: somebody else has settled it.
pub async fn pass(conn: &mut Conn, id: AttachmentId) -> Result<Option<Attachment>> {
    settle(conn, id, AttachmentState::Ready).await
}

/// Nobody can say whether it is clean.
pub async fn fail(conn: &mut Conn, id: AttachmentId) -> Result<Option<Attachment>> {
    settle(conn, id, AttachmentState::Failed).await
}

/// The scanner found something: the same bytes are not taken in again. To be called in a transaction.
pub async fn refuse(conn: &mut Conn, id: AttachmentId, signature: &str) -> Result<Option<Attachment>> {
    sqlx::query!(
        r#"
        INSERT INTO refused_files (sha256, signature)
        SELECT sha256, $2 FROM attachments WHERE attachment_id = $1
        ON CONFLICT DO NOTHING
        "#,
        id.as_uuid(),
        signature,
    )
    .execute(&mut *conn)
    .await?;
    settle(conn, id, AttachmentState::Infected).await
}

/// Which of these are in no row.
pub async fn unknown(conn: &mut Conn, ids: &[AttachmentId]) -> Result<Vec<AttachmentId>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_scalar!(
        r#"
        SELECT id AS "id!"
          FROM unnest($1::uuid[]) AS asked (id)
         WHERE NOT EXISTS (SELECT FROM attachments a WHERE a.attachment_id = asked.id)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(AttachmentId::from_uuid).collect())
}

/// A step did not succeed: it is done again in a while.
pub async fn again(conn: &mut Conn, id: AttachmentId, wait_s: f64) -> Result<()> {
    sqlx::query!(
        "UPDATE attachments SET tries = tries + 1, due_at = now() + make_interval(secs => $2) WHERE attachment_id = $1",
        id.as_uuid(),
        wait_s,
    )
    .execute(conn)
    .await?;
    Ok(())
}
