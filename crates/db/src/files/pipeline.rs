//! SQL for what is done to a file that is here: each step names the state it starts from, so that done twice it is done once.

use domain::event::Event;
use domain::file::{Failure, FileKind, VERSIONS_MAX, VersionState};
use domain::{BlobId, FileId, UserId, VersionId, Visibility, VodId};

use crate::Conn;
use crate::access;
use crate::error::Result;
use crate::files::{state, upkeep, uploads};
use crate::outbox;

/// A version whose turn it is.
#[derive(Debug, Clone)]
pub struct Work {
    pub version: VersionId,
    pub file: FileId,
    pub owner: UserId,
    pub blob: BlobId,
    pub lock: String,
    pub name: String,
    pub mime: String,
    /// Of what was sent.
    pub bytes: i64,
    pub visibility: Visibility,
    /// Seconds since it was sent.
    pub age_s: f64,
}

/// Takes a version in hand. `None`: it is done, or was taken away.
pub async fn take(conn: &mut Conn, version: VersionId) -> Result<Option<Work>> {
    let row = sqlx::query!(
        r#"
        UPDATE file_versions v
           SET state = 'processing', changed_at = now()
          FROM blobs b, files f
         WHERE v.version_id = $1 AND v.state IN ('queued', 'processing')
           AND b.blob_id = v.blob_id AND b.state = 'checking' AND f.file_id = v.file_id
        RETURNING v.version_id, v.file_id, b.owner_id, b.blob_id, b.lock, v.name, v.mime, v.bytes, f.visibility,
                  extract(epoch FROM now() - v.created_at)::double precision AS "age_s!"
        "#,
        version.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Work {
            version: VersionId::from_uuid(row.version_id),
            file: FileId::from_uuid(row.file_id),
            owner: UserId::from_uuid(row.owner_id),
            blob: BlobId::from_uuid(row.blob_id),
            lock: row.lock,
            name: row.name,
            mime: row.mime,
            bytes: row.bytes,
            visibility: access::visibility(&row.visibility)?,
            age_s: row.age_s,
        })
    })
    .transpose()
}

/// How far it is, in hundredths. False: it was taken away.
pub async fn progress(conn: &mut Conn, version: VersionId, hundredths: i16) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE file_versions SET progress = $2 WHERE version_id = $1 AND state = 'processing'",
        version.as_uuid(),
        hundredths.clamp(0, 100),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It waits for a scanner: longer than its turn was to last.
pub async fn wait(conn: &mut Conn, version: VersionId, done_within_s: f64) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE file_versions
           SET state = 'queued', progress = 0, changed_at = now(), expires_at = now() + make_interval(secs => $2)
         WHERE version_id = $1 AND state = 'processing'
        "#,
        version.as_uuid(),
        done_within_s,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a scanner found something in these bytes before.
pub async fn is_refused(conn: &mut Conn, sha256: &[u8]) -> Result<bool> {
    let known =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM refused_files WHERE sha256 = $1) AS "known!""#, sha256);
    Ok(known.fetch_one(conn).await?)
}

/// What a scanner found something in is not taken in again, by nobody.
pub async fn refuse(conn: &mut Conn, sha256: &[u8], signature: &str) -> Result<()> {
    sqlx::query!(
        "INSERT INTO refused_files (sha256, signature) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        sha256,
        signature,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a version became when its bytes were known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// Nobody of this member has these bytes.
    New,
    /// Another file, or another version, of the member had them: they are kept once.
    Shared,
    /// The file had these bytes already.
    Duplicate,
    /// It was taken away.
    Over,
}

/// Looks whether the member has these bytes already, and has the version share them if so. What came goes then.
pub async fn link(conn: &mut Conn, work: &Work, sha256: &[u8]) -> Result<Linked> {
    uploads::in_turn(conn, work.owner).await?;
    let known = sqlx::query!(
        r#"
        SELECT b.blob_id, EXISTS (SELECT FROM files f JOIN file_versions c ON c.version_id = f.version_id
                                   WHERE f.file_id = $3 AND c.blob_id = b.blob_id) AS "is_served!",
               (SELECT f.vod_id FROM files f JOIN file_versions c ON c.version_id = f.version_id
                 WHERE c.blob_id = b.blob_id AND f.vod_id IS NOT NULL LIMIT 1) AS vod_id
          FROM blobs b
         WHERE b.owner_id = $1 AND b.sha256 = $2 AND b.state = 'clean'
        "#,
        work.owner.as_uuid(),
        sha256,
        work.file.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(known) = known else { return Ok(Linked::New) };
    let state = if known.is_served { VersionState::Duplicate } else { VersionState::Completed };
    let done = sqlx::query!(
        r#"
        UPDATE file_versions SET state = $3, blob_id = $4, progress = 100, changed_at = now(), expires_at = NULL
         WHERE version_id = $1 AND state = 'processing' AND blob_id = $2
        "#,
        work.version.as_uuid(),
        work.blob.as_uuid(),
        state.as_str(),
        known.blob_id,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(Linked::Over);
    }
    upkeep::discard(conn, work.blob).await?;
    if known.is_served {
        return Ok(Linked::Duplicate);
    }
    serve(conn, work, known.vod_id.map(VodId::from_uuid)).await?;
    Ok(Linked::Shared)
}

/// What was made of a file.
#[derive(Debug, Clone)]
pub struct Made<'a> {
    pub sha256: &'a [u8],
    pub kind: FileKind,
    pub mime: &'a str,
    /// Of what is served.
    pub bytes: i64,
    /// Of all that is in the bucket.
    pub stored_bytes: i64,
    pub size: Option<(i32, i32)>,
    pub is_developed: bool,
    pub has_thumb: bool,
    pub is_withheld: bool,
    pub vod: Option<VodId>,
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    Done,
    /// What was made of it is larger than the member has room for.
    Full,
    /// It was taken away.
    Over,
}

/// The version is clean and complete, and is what the file is from now on. An error when the same bytes became clean meanwhile: done
/// again, [`link`] finds them. `rooms` are in bytes, by the owner's plan; 0: no limit.
pub async fn finish(conn: &mut Conn, work: &Work, made: &Made<'_>, rooms: [i64; 3]) -> Result<Finished> {
    uploads::in_turn(conn, work.owner).await?;
    let blob = sqlx::query!(
        r#"
        UPDATE blobs
           SET state = 'clean', sha256 = $2, kind = $3, mime = $4, bytes = $5, stored_bytes = $6, width = $7, height = $8,
               is_developed = $9, has_thumb = $10, is_withheld = $11, due_at = CASE WHEN $9 THEN now() END
         WHERE blob_id = $1 AND state = 'checking'
        RETURNING (SELECT coalesce(sum(o.stored_bytes), 0)::bigint FROM blobs o
                    WHERE o.owner_id = $12 AND o.state <> 'gone' AND o.blob_id <> $1) + $6 AS "used!",
                  plan_share($12, $13) AS "quota!"
        "#,
        work.blob.as_uuid(),
        made.sha256,
        made.kind.as_str(),
        made.mime,
        made.bytes,
        made.stored_bytes,
        made.size.map(|(width, _)| width),
        made.size.map(|(_, height)| height),
        made.is_developed,
        made.has_thumb,
        made.is_withheld,
        work.owner.as_uuid(),
        &rooms[..],
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(blob) = blob else { return Ok(Finished::Over) };
    // What was reserved was there; only what grew may not fit.
    if blob.quota > 0 && made.stored_bytes > work.bytes && blob.used > blob.quota {
        return Ok(Finished::Full);
    }
    let done = sqlx::query!(
        r#"
        UPDATE file_versions SET state = 'completed', progress = 100, changed_at = now(), expires_at = NULL
         WHERE version_id = $1 AND state = 'processing' AND blob_id = $2
        "#,
        work.version.as_uuid(),
        work.blob.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(Finished::Over);
    }
    serve(conn, work, made.vod).await?;
    Ok(Finished::Done)
}

/// The version is what its file is, unless a newer one is that already; the oldest of too many goes.
async fn serve(conn: &mut Conn, work: &Work, vod: Option<VodId>) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE files f
           SET version_id = v.version_id, kind = b.kind, bytes = b.bytes, changed_at = now(), vod_id = coalesce($2, f.vod_id)
          FROM file_versions v
          JOIN blobs b ON b.blob_id = v.blob_id
         WHERE v.version_id = $1 AND f.file_id = v.file_id
           AND NOT EXISTS (SELECT FROM file_versions c WHERE c.version_id = f.version_id AND c.number > v.number)
        "#,
        work.version.as_uuid(),
        vod.map(VodId::as_uuid),
    )
    .execute(&mut *conn)
    .await?;
    let pruned = sqlx::query!(
        r#"
        DELETE FROM file_versions v
         USING files f
         WHERE v.file_id = $1 AND f.file_id = v.file_id AND v.number < f.versions AND v.version_id IS DISTINCT FROM f.version_id
           AND v.state NOT IN ('uploading', 'queued', 'processing')
           AND v.number <= (SELECT min(kept.number)
                              FROM (SELECT number FROM file_versions WHERE file_id = $1 ORDER BY number DESC LIMIT $2) AS kept) - 1
        "#,
        work.file.as_uuid(),
        VERSIONS_MAX,
    )
    .execute(&mut *conn)
    .await?;
    if pruned.rows_affected() > 0 {
        upkeep::let_go(conn, work.owner).await?;
    }
    outbox::push(conn, &Event::FileReady { file_id: work.file, version_id: work.version, owner_id: work.owner }).await
}

/// What was undone.
#[derive(Debug, Clone)]
pub struct Undone {
    pub file: FileId,
    pub owner: UserId,
    pub name: String,
}

/// Nothing becomes of a version: its room is free, its bytes go, its owner is told. Once, however often it is asked for.
pub async fn fail(conn: &mut Conn, version: VersionId, failure: Failure) -> Result<Option<Undone>> {
    let undone = end(conn, version, failure.state(), Some(failure.code())).await?;
    if let Some(undone) = &undone {
        let event = Event::FileFailed { file_id: undone.file, version_id: version, owner_id: undone.owner };
        outbox::push(conn, &event).await?;
    }
    Ok(undone)
}

/// A member does not want it done any more.
pub async fn cancel(conn: &mut Conn, owner: UserId, file: FileId) -> Result<Option<VersionId>> {
    let open = sqlx::query!(
        r#"
        SELECT v.version_id, v.state
          FROM files f
          JOIN file_versions v ON v.file_id = f.file_id AND v.number = f.versions
         WHERE f.owner_id = $1 AND f.file_id = $2 AND v.state IN ('queued', 'processing')
        "#,
        owner.as_uuid(),
        file.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(open) = open else { return Ok(None) };
    debug_assert!(state(&open.state).is_ok_and(VersionState::is_open));
    let version = VersionId::from_uuid(open.version_id);
    Ok(end(conn, version, VersionState::Cancelled, None).await?.map(|_| version))
}

async fn end(conn: &mut Conn, version: VersionId, to: VersionState, code: Option<&str>) -> Result<Option<Undone>> {
    let row = sqlx::query!(
        r#"
        WITH over AS (
            UPDATE file_versions v
               SET state = $2, fail_code = $3, changed_at = now(), expires_at = NULL, blob_id = NULL
              FROM file_versions w
             WHERE v.version_id = $1 AND w.version_id = v.version_id AND v.state IN ('uploading', 'queued', 'processing')
            RETURNING v.file_id, v.name, w.blob_id
        ), gone AS (
            UPDATE blobs SET state = 'gone', due_at = now()
             WHERE blob_id IN (SELECT blob_id FROM over) AND state IN ('taking', 'checking')
        )
        SELECT o.file_id, o.name, f.owner_id FROM over o JOIN files f USING (file_id)
        "#,
        version.as_uuid(),
        to.as_str(),
        code,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Undone {
        file: FileId::from_uuid(row.file_id),
        owner: UserId::from_uuid(row.owner_id),
        name: row.name,
    }))
}
