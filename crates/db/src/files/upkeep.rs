//! SQL for what is owed to what is gone: objects to delete, uploads nobody goes on with, the end of the trash.

use std::collections::BTreeMap;

use domain::{BlobId, FileId, UserId, VersionId};
use uuid::Uuid;

use crate::Conn;
use crate::error::Result;
use crate::files::{tell_changed, uploads};

/// A blob goes: it counts no more, its objects go soon.
pub(super) async fn discard(conn: &mut Conn, blob: BlobId) -> Result<()> {
    sqlx::query!("UPDATE blobs SET state = 'gone', due_at = now() WHERE blob_id = $1", blob.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets go of a member's blobs that no version has. In turn: a version that is about to share one has it then.
pub(super) async fn let_go(conn: &mut Conn, owner: UserId) -> Result<()> {
    uploads::in_turn(conn, owner).await?;
    sqlx::query!(
        r#"
        UPDATE blobs b SET state = 'gone', due_at = now()
         WHERE b.owner_id = $1 AND b.state <> 'gone'
           AND NOT EXISTS (SELECT FROM file_versions v WHERE v.blob_id = b.blob_id)
        "#,
        owner.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A file that never was anything, and is to be nothing, goes without the trash.
pub(super) async fn forget_empty(conn: &mut Conn, file: FileId) -> Result<()> {
    let owner = sqlx::query_scalar!(
        r#"
        DELETE FROM files f
         WHERE f.file_id = $1 AND f.version_id IS NULL
           AND NOT EXISTS (SELECT FROM file_versions v WHERE v.file_id = f.file_id AND v.state <> 'cancelled')
        RETURNING f.owner_id
        "#,
        file.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    match owner {
        Some(owner) => tell_changed(conn, UserId::from_uuid(owner), &[file]).await,
        None => Ok(()),
    }
}

/// Versions that should be here or done by now, and whether they are still on their way here. Others pass those by until the
/// transaction ends.
pub async fn overdue(conn: &mut Conn, limit: i64) -> Result<Vec<(VersionId, bool)>> {
    let rows = sqlx::query!(
        r#"
        SELECT version_id, state = 'uploading' AS "is_uploading!"
          FROM file_versions
         WHERE state IN ('uploading', 'queued', 'processing') AND expires_at < now()
         ORDER BY expires_at
         LIMIT $1
           FOR UPDATE SKIP LOCKED
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (VersionId::from_uuid(row.version_id), row.is_uploading)).collect())
}

/// A blob to which something is owed.
#[derive(Debug, Clone)]
pub struct Owed {
    pub blob: BlobId,
    pub lock: String,
    /// All of it goes; else only what was sent, beside what was made of it.
    pub is_gone: bool,
    /// The store's name of an upload in parts.
    pub multipart: Option<String>,
}

/// Takes a few blobs whose turn it is; for so long nobody else does.
pub async fn take_due(conn: &mut Conn, limit: i64, lease_s: f64) -> Result<Vec<Owed>> {
    let rows = sqlx::query!(
        r#"
        UPDATE blobs SET due_at = now() + make_interval(secs => $2)
         WHERE blob_id IN (SELECT blob_id FROM blobs WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING blob_id, lock, state = 'gone' AS "is_gone!", multipart
        "#,
        limit,
        lease_s,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Owed {
            blob: BlobId::from_uuid(row.blob_id),
            lock: row.lock,
            is_gone: row.is_gone,
            multipart: row.multipart,
        })
        .collect())
}

/// Nothing of it is in the bucket any more.
pub async fn erased(conn: &mut Conn, blob: BlobId) -> Result<()> {
    sqlx::query!("DELETE FROM blobs WHERE blob_id = $1 AND state = 'gone'", blob.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Nothing is owed to it.
pub async fn rest(conn: &mut Conn, blob: BlobId) -> Result<()> {
    sqlx::query!("UPDATE blobs SET due_at = NULL WHERE blob_id = $1 AND state = 'clean'", blob.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes what lay in the trash for so many days, in bounded bites. Returns how many files went.
pub async fn empty_trash(conn: &mut Conn, days: i32, limit: i64) -> Result<u64> {
    let old = sqlx::query!(
        r#"
        DELETE FROM files
         WHERE file_id IN (SELECT file_id FROM files WHERE trashed_at < now() - make_interval(days => $1) LIMIT $2)
        RETURNING owner_id, file_id
        "#,
        days,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    let gone = old.len() as u64;
    let mut each: BTreeMap<Uuid, Vec<FileId>> = BTreeMap::new();
    for row in old {
        each.entry(row.owner_id).or_default().push(FileId::from_uuid(row.file_id));
    }
    for (owner, files) in each {
        let owner = UserId::from_uuid(owner);
        let_go(conn, owner).await?;
        tell_changed(conn, owner, &files).await?;
    }
    Ok(gone)
}

/// Which of these blobs have no row.
pub async fn unknown(conn: &mut Conn, blobs: &[BlobId]) -> Result<Vec<BlobId>> {
    let ids: Vec<Uuid> = blobs.iter().map(|blob| blob.as_uuid()).collect();
    let rows = sqlx::query_scalar!(
        r#"
        SELECT known.id AS "id!"
          FROM unnest($1::uuid[]) AS known (id)
         WHERE NOT EXISTS (SELECT FROM blobs b WHERE b.blob_id = known.id)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(BlobId::from_uuid).collect())
}
