//! SQL for files on their way here.
//!
//! Room is reserved before a byte is sent, of one member one upload after another: whatever comes at once, the sum never passes the quota.

use domain::file::{FILES_MAX, UPLOAD_FOR, UPLOADS_MAX};
use domain::{BlobId, FileId, Timestamp, UserId, VersionId, Visibility};

use crate::Conn;
use crate::error::Result;
use crate::files::upkeep;

/// What is to be taken in.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub version: VersionId,
    /// The file's id, unless there is one of that name.
    pub file: FileId,
    pub blob: BlobId,
    pub lock: &'a str,
    pub owner: UserId,
    pub folder: &'a str,
    pub name: &'a str,
    pub mime: &'a str,
    pub bytes: i64,
    /// Of a file that is there already it stays what it was.
    pub visibility: Visibility,
    /// `None`: it comes as a whole.
    pub part_bytes: Option<i64>,
}

/// What became of the wish to send something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// As a version of this file.
    Done(FileId),
    Full,
    TooManyUploads,
    TooManyFiles,
}

/// An upload under way.
#[derive(Debug, Clone)]
pub struct Upload {
    pub owner: UserId,
    pub version: VersionId,
    pub file: FileId,
    pub blob: BlobId,
    pub lock: String,
    pub name: String,
    pub mime: String,
    pub bytes: i64,
    pub part_bytes: Option<i64>,
    /// The store's name of it.
    pub multipart: Option<String>,
    pub expires_at: Timestamp,
}

/// One after another of a member, until the transaction ends.
pub(super) async fn in_turn(conn: &mut Conn, owner: UserId) -> Result<()> {
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", owner.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Makes room for an upload, and its rows. `rooms` are in bytes, by the owner's plan; 0: no limit.
pub async fn begin(conn: &mut Conn, new: &New<'_>, rooms: [i64; 3]) -> Result<Begun> {
    in_turn(conn, new.owner).await?;
    let held = sqlx::query!(
        r#"
        SELECT (SELECT coalesce(sum(stored_bytes), 0)::bigint FROM blobs WHERE owner_id = $1 AND state <> 'gone') AS "bytes!",
               (SELECT count(*) FROM blobs WHERE owner_id = $1 AND state = 'taking') AS "uploads!",
               (SELECT count(*) FROM files WHERE owner_id = $1) AS "files!",
               (SELECT file_id FROM files
                 WHERE owner_id = $1 AND folder = $2 AND lower(name) = lower($3) AND trashed_at IS NULL) AS file_id,
               plan_share($1, $4) AS "quota!"
        "#,
        new.owner.as_uuid(),
        new.folder,
        new.name,
        &rooms[..],
    )
    .fetch_one(&mut *conn)
    .await?;
    if held.uploads >= UPLOADS_MAX {
        return Ok(Begun::TooManyUploads);
    }
    if held.file_id.is_none() && held.files >= FILES_MAX {
        return Ok(Begun::TooManyFiles);
    }
    if held.quota > 0 && held.bytes.saturating_add(new.bytes) > held.quota {
        return Ok(Begun::Full);
    }
    sqlx::query!(
        "INSERT INTO blobs (blob_id, owner_id, lock, state, stored_bytes, bytes) VALUES ($1, $2, $3, 'taking', $4, $4)",
        new.blob.as_uuid(),
        new.owner.as_uuid(),
        new.lock,
        new.bytes,
    )
    .execute(&mut *conn)
    .await?;
    let file = match held.file_id {
        Some(file) => {
            sqlx::query!("UPDATE files SET versions = versions + 1, changed_at = now() WHERE file_id = $1", file)
                .execute(&mut *conn)
                .await?;
            FileId::from_uuid(file)
        }
        None => {
            sqlx::query!(
                r#"
                INSERT INTO files (file_id, owner_id, folder, name, visibility, versions, bytes)
                VALUES ($1, $2, $3, $4, $5, 1, $6)
                "#,
                new.file.as_uuid(),
                new.owner.as_uuid(),
                new.folder,
                new.name,
                new.visibility.as_str(),
                new.bytes,
            )
            .execute(&mut *conn)
            .await?;
            new.file
        }
    };
    sqlx::query!(
        r#"
        INSERT INTO file_versions (version_id, file_id, number, blob_id, state, name, mime, bytes, part_bytes, expires_at)
        SELECT $1, file_id, versions, $3, 'uploading', $4, $5, $6, $7, now() + make_interval(secs => $8)
          FROM files
         WHERE file_id = $2
        "#,
        new.version.as_uuid(),
        file.as_uuid(),
        new.blob.as_uuid(),
        new.name,
        new.mime,
        new.bytes,
        new.part_bytes,
        UPLOAD_FOR.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(Begun::Done(file))
}

/// Writes down what the store calls an upload in parts.
pub async fn named(conn: &mut Conn, blob: BlobId, multipart: &str) -> Result<()> {
    sqlx::query!("UPDATE blobs SET multipart = $2 WHERE blob_id = $1", blob.as_uuid(), multipart).execute(conn).await?;
    Ok(())
}

/// An upload under way: a member's, or whosever it is for who has a link to a part of it.
pub async fn find(conn: &mut Conn, owner: Option<UserId>, version: VersionId) -> Result<Option<Upload>> {
    let row = sqlx::query!(
        r#"
        SELECT v.version_id, v.file_id, b.blob_id, b.lock, v.name, v.mime, v.bytes, v.part_bytes, b.multipart,
               v.expires_at AS "expires_at!", b.owner_id
          FROM file_versions v
          JOIN blobs b ON b.blob_id = v.blob_id AND ($1::uuid IS NULL OR b.owner_id = $1) AND b.state = 'taking'
         WHERE v.version_id = $2 AND v.state = 'uploading' AND v.expires_at > now()
        "#,
        owner.map(UserId::as_uuid),
        version.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Upload {
        owner: UserId::from_uuid(row.owner_id),
        version: VersionId::from_uuid(row.version_id),
        file: FileId::from_uuid(row.file_id),
        blob: BlobId::from_uuid(row.blob_id),
        lock: row.lock,
        name: row.name,
        mime: row.mime,
        bytes: row.bytes,
        part_bytes: row.part_bytes,
        multipart: row.multipart,
        expires_at: row.expires_at,
    }))
}

/// It is here, whole: it waits for its turn, of so many seconds at most. False: it is over, or was here before.
pub async fn arrived(conn: &mut Conn, owner: UserId, version: VersionId, done_within_s: f64) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        WITH here AS (
            UPDATE file_versions v
               SET state = 'queued', changed_at = now(), expires_at = now() + make_interval(secs => $3)
              FROM blobs b
             WHERE v.version_id = $2 AND v.state = 'uploading' AND b.blob_id = v.blob_id AND b.owner_id = $1
               AND b.state = 'taking'
            RETURNING v.blob_id
        )
        UPDATE blobs SET state = 'checking', multipart = NULL WHERE blob_id IN (SELECT blob_id FROM here)
        "#,
        owner.as_uuid(),
        version.as_uuid(),
        done_within_s,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives an upload up: its room is free at once, its bytes go. A file that never was anything goes too. False: there is none.
pub async fn abort(conn: &mut Conn, owner: UserId, version: VersionId) -> Result<bool> {
    let file = sqlx::query_scalar!(
        r#"
        WITH over AS (
            UPDATE file_versions v
               SET state = 'cancelled', changed_at = now(), blob_id = NULL
              FROM file_versions w
              JOIN blobs b ON b.blob_id = w.blob_id AND b.owner_id = $1
             WHERE v.version_id = $2 AND w.version_id = v.version_id AND v.state = 'uploading'
            RETURNING v.file_id, b.blob_id
        ), gone AS (
            UPDATE blobs SET state = 'gone', due_at = now() WHERE blob_id IN (SELECT blob_id FROM over)
        )
        SELECT file_id FROM over
        "#,
        owner.as_uuid(),
        version.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(file) = file else { return Ok(false) };
    upkeep::forget_empty(conn, FileId::from_uuid(file)).await?;
    Ok(true)
}
