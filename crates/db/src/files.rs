//! SQL for members' files: finding, listing, naming and throwing them away. How one comes in is in [`uploads`], what is done to it in
//! [`pipeline`], what is owed to what is gone in [`upkeep`].
//!
//! Every statement names the owner, or decides in its own words whether the viewer may see the file.

mod lists;
pub mod pipeline;
pub mod upkeep;
pub mod uploads;

use domain::event::{Event, FILES_PER_EVENT};
use domain::file::{FileKind, Folder, VersionState};
use domain::{BlobId, FileId, Permission, Timestamp, UserId, VersionId, Visibility, VodId};
use uuid::Uuid;

use crate::Conn;
use crate::access;
use crate::error::{DbError, Result};
use crate::{imports, outbox};

pub use lists::{Below, ByName, BySize, ByTime, Filter, by_name, by_size, by_time, folders};

/// A file as its owner sees it.
#[derive(Debug, Clone)]
pub struct File {
    pub id: FileId,
    pub owner: UserId,
    pub folder: String,
    pub name: String,
    pub visibility: Visibility,
    pub tags: Vec<String>,
    pub kind: FileKind,
    /// Of what is served, or of what is on its way.
    pub bytes: i64,
    /// What its video became.
    pub vod: Option<VodId>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    pub trashed_at: Option<Timestamp>,
    /// What is served. `None` before the first version is complete.
    pub current: Option<Current>,
    /// The newest version.
    pub newest: Version,
}

/// What is served of a file.
#[derive(Debug, Clone)]
pub struct Current {
    pub version: VersionId,
    pub number: i32,
    pub mime: String,
    pub size: Option<(i32, i32)>,
    pub has_thumb: bool,
    /// Nothing of it is served but what was made of it.
    pub is_withheld: bool,
}

/// What a file was, or is to be.
#[derive(Debug, Clone)]
pub struct Version {
    pub id: VersionId,
    pub number: i32,
    pub state: VersionState,
    /// Hundredths of what is being done to it.
    pub progress: i16,
    pub fail_code: Option<String>,
    pub bytes: i64,
    pub created_at: Timestamp,
    /// Its bytes are there and clean.
    pub is_kept: bool,
}

struct Row {
    file_id: Uuid,
    owner_id: Uuid,
    folder: String,
    name: String,
    visibility: String,
    tags: Vec<String>,
    kind: String,
    bytes: i64,
    vod_id: Option<Uuid>,
    created_at: Timestamp,
    changed_at: Timestamp,
    trashed_at: Option<Timestamp>,
    current_id: Option<Uuid>,
    current_number: Option<i32>,
    mime: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    has_thumb: Option<bool>,
    is_withheld: Option<bool>,
    newest_id: Uuid,
    newest_number: i32,
    newest_state: String,
    newest_progress: i16,
    newest_fail_code: Option<String>,
    newest_bytes: i64,
    newest_at: Timestamp,
    newest_is_kept: bool,
}

fn state(text: &str) -> Result<VersionState> {
    VersionState::parse(text).ok_or(DbError::Corrupt { what: "state of a version" })
}

fn kind(text: &str) -> Result<FileKind> {
    FileKind::parse(text).ok_or(DbError::Corrupt { what: "kind of a file" })
}

impl TryFrom<Row> for File {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        let current = row.current_id.zip(row.current_number).map(|(id, number)| Current {
            version: VersionId::from_uuid(id),
            number,
            mime: row.mime.unwrap_or_default(),
            size: row.width.zip(row.height),
            has_thumb: row.has_thumb.unwrap_or(false),
            is_withheld: row.is_withheld.unwrap_or(true),
        });
        Ok(Self {
            id: FileId::from_uuid(row.file_id),
            owner: UserId::from_uuid(row.owner_id),
            folder: row.folder,
            name: row.name,
            visibility: access::visibility(&row.visibility)?,
            tags: row.tags,
            kind: kind(&row.kind)?,
            bytes: row.bytes,
            vod: row.vod_id.map(VodId::from_uuid),
            created_at: row.created_at,
            changed_at: row.changed_at,
            trashed_at: row.trashed_at,
            current,
            newest: Version {
                id: VersionId::from_uuid(row.newest_id),
                number: row.newest_number,
                state: state(&row.newest_state)?,
                progress: row.newest_progress,
                fail_code: row.newest_fail_code,
                bytes: row.newest_bytes,
                created_at: row.newest_at,
                is_kept: row.newest_is_kept,
            },
        })
    }
}

/// Files of a member by their ids, in the order of those. Of others there are none.
pub async fn load(conn: &mut Conn, owner: UserId, files: &[FileId]) -> Result<Vec<File>> {
    let ids: Vec<Uuid> = files.iter().map(|file| file.as_uuid()).collect();
    sqlx::query_as!(
        Row,
        r#"
        SELECT f.file_id, f.owner_id, f.folder, f.name, f.visibility, f.tags, f.kind, f.bytes, f.vod_id, f.created_at,
               f.changed_at, f.trashed_at, c.version_id AS "current_id?", c.number AS "current_number?", b.mime AS "mime?",
               b.width, b.height, b.has_thumb AS "has_thumb?", b.is_withheld AS "is_withheld?", n.version_id AS newest_id,
               n.number AS newest_number, n.state AS newest_state, n.progress AS newest_progress,
               n.fail_code AS newest_fail_code, n.bytes AS newest_bytes, n.created_at AS newest_at,
               (n.blob_id IS NOT NULL AND n.state = 'completed') AS "newest_is_kept!"
          FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (file_id, place)
          JOIN files f ON f.file_id = wanted.file_id AND f.owner_id = $1
          JOIN file_versions n ON n.file_id = f.file_id AND n.number = f.versions
          LEFT JOIN file_versions c ON c.version_id = f.version_id
          LEFT JOIN blobs b ON b.blob_id = c.blob_id
         ORDER BY wanted.place
        "#,
        owner.as_uuid(),
        &ids,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(File::try_from)
    .collect()
}

/// One file of a member.
pub async fn find(conn: &mut Conn, owner: UserId, file: FileId) -> Result<Option<File>> {
    Ok(load(conn, owner, &[file]).await?.pop())
}

/// Whose a file is, for an administrator.
pub async fn owner(conn: &mut Conn, file: FileId) -> Result<Option<UserId>> {
    let owner = sqlx::query_scalar!("SELECT owner_id FROM files WHERE file_id = $1", file.as_uuid());
    Ok(owner.fetch_optional(conn).await?.map(UserId::from_uuid))
}

/// What a member's files take, in bytes: those in the trash and those on their way too.
pub async fn used(conn: &mut Conn, owner: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(sum(stored_bytes), 0)::bigint AS "bytes!" FROM blobs WHERE owner_id = $1 AND state <> 'gone'"#,
        owner.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Leaves it to be told that these are not what they were, or are not there any more.
async fn tell_changed(conn: &mut Conn, owner_id: UserId, files: &[FileId]) -> Result<()> {
    for some in files.chunks(FILES_PER_EVENT) {
        outbox::push(conn, &Event::FilesChanged { owner_id, file_ids: some.to_vec() }).await?;
    }
    Ok(())
}

/// What is changed of a file; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    pub name: Option<&'a str>,
    pub folder: Option<&'a str>,
    pub visibility: Option<Visibility>,
    pub tags: Option<&'a [String]>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Done,
    Absent,
    /// Another file has that name there.
    NameTaken,
}

/// Says whether a change ran into a name that is taken.
fn changed(done: sqlx::Result<sqlx::postgres::PgQueryResult>) -> Result<Changed> {
    match done {
        Ok(done) if done.rows_affected() > 0 => Ok(Changed::Done),
        Ok(_) => Ok(Changed::Absent),
        Err(error) if error.as_database_error().is_some_and(|error| error.constraint() == Some("files_by_name")) => {
            Ok(Changed::NameTaken)
        }
        Err(error) => Err(error.into()),
    }
}

/// Holds a file's row until the transaction ends: what is read of it then is what a change is made to.
pub async fn lock(conn: &mut Conn, owner: UserId, file: FileId) -> Result<()> {
    sqlx::query!(
        "SELECT file_id FROM files WHERE owner_id = $1 AND file_id = $2 FOR UPDATE",
        owner.as_uuid(),
        file.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// Renames, moves, tags, or changes whom it is for, and tells of all but a move. A transaction that hears of a taken name is over.
pub async fn change(conn: &mut Conn, owner: UserId, file: FileId, change: &Change<'_>) -> Result<Changed> {
    let done = sqlx::query!(
        r#"
        UPDATE files
           SET name = coalesce($3, name), folder = coalesce($4, folder), visibility = coalesce($5, visibility),
               tags = coalesce($6, tags), changed_at = now()
         WHERE owner_id = $1 AND file_id = $2 AND trashed_at IS NULL
        "#,
        owner.as_uuid(),
        file.as_uuid(),
        change.name,
        change.folder,
        change.visibility.map(Visibility::as_str),
        change.tags,
    )
    .execute(&mut *conn)
    .await;
    let done = changed(done)?;
    // Where it lies is nothing it is looked for by.
    let is_told = change.name.is_some() || change.tags.is_some() || change.visibility.is_some();
    if done == Changed::Done && is_told {
        tell_changed(conn, owner, &[file]).await?;
    }
    Ok(done)
}

/// Moves everything in a folder, however deep, to another. A transaction that hears of a taken name is over. Nobody is told: files are
/// not looked for by where they lie.
pub async fn move_folder(conn: &mut Conn, owner: UserId, from: &Folder, to: &Folder) -> Result<Changed> {
    let done = sqlx::query!(
        r#"
        UPDATE files SET folder = $3 || substr(folder, char_length($2) + 1), changed_at = now()
         WHERE owner_id = $1 AND starts_with(folder, $2) AND trashed_at IS NULL
        "#,
        owner.as_uuid(),
        from.as_str(),
        to.as_str(),
    )
    .execute(&mut *conn)
    .await;
    let done = changed(done)?;
    if done == Changed::Done {
        crate::shares::follow_folder(conn, owner, from, to).await?;
    }
    Ok(done)
}

/// Throws files away, and tells so; they can be had back. Returns which.
pub async fn trash(conn: &mut Conn, owner: UserId, files: &[FileId]) -> Result<Vec<FileId>> {
    let ids: Vec<Uuid> = files.iter().map(|file| file.as_uuid()).collect();
    let done = sqlx::query_scalar!(
        r#"
        UPDATE files SET trashed_at = now(), changed_at = now()
         WHERE owner_id = $1 AND file_id = ANY ($2) AND trashed_at IS NULL
        RETURNING file_id
        "#,
        owner.as_uuid(),
        &ids,
    );
    let gone: Vec<FileId> = done.fetch_all(&mut *conn).await?.into_iter().map(FileId::from_uuid).collect();
    tell_changed(conn, owner, &gone).await?;
    Ok(gone)
}

/// Throws everything in a folder away, however deep, and tells so. Returns which files.
pub async fn trash_folder(conn: &mut Conn, owner: UserId, folder: &Folder) -> Result<Vec<FileId>> {
    let done = sqlx::query_scalar!(
        r#"
        UPDATE files SET trashed_at = now(), changed_at = now()
         WHERE owner_id = $1 AND starts_with(folder, $2) AND trashed_at IS NULL
        RETURNING file_id
        "#,
        owner.as_uuid(),
        folder.as_str(),
    );
    let gone: Vec<FileId> = done.fetch_all(&mut *conn).await?.into_iter().map(FileId::from_uuid).collect();
    tell_changed(conn, owner, &gone).await?;
    Ok(gone)
}

/// Takes a file out of the trash, to where it was, and tells so. If its name was given away there, it gets another.
pub async fn restore(conn: &mut Conn, owner: UserId, file: FileId) -> Result<Changed> {
    let done = sqlx::query!(
        r#"
        UPDATE files f
           SET trashed_at = NULL, changed_at = now(),
               name = CASE WHEN EXISTS (SELECT FROM files o
                                         WHERE o.owner_id = f.owner_id AND o.folder = f.folder
                                           AND lower(o.name) = lower(f.name) AND o.trashed_at IS NULL)
                           THEN left(to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24.MI.SS.US ') || f.name, 255) ELSE f.name END
         WHERE owner_id = $1 AND file_id = $2 AND trashed_at IS NOT NULL
        "#,
        owner.as_uuid(),
        file.as_uuid(),
    )
    .execute(&mut *conn)
    .await;
    let done = changed(done)?;
    if done == Changed::Done {
        tell_changed(conn, owner, &[file]).await?;
    }
    Ok(done)
}

/// Deletes files for good: rows at once, objects soon. Only what lies in the trash; a recording that is being made of one is made no
/// further, one that is there stays. Returns their names.
pub async fn erase(conn: &mut Conn, owner: UserId, files: &[FileId]) -> Result<Vec<(FileId, String)>> {
    let ids: Vec<Uuid> = files.iter().map(|file| file.as_uuid()).collect();
    let rows = sqlx::query!(
        "DELETE FROM files WHERE owner_id = $1 AND file_id = ANY ($2) AND trashed_at IS NOT NULL RETURNING file_id, name, vod_id",
        owner.as_uuid(),
        &ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    for vod in rows.iter().filter_map(|row| row.vod_id) {
        imports::cancel(conn, VodId::from_uuid(vod), owner).await?;
    }
    if !rows.is_empty() {
        upkeep::let_go(conn, owner).await?;
        let gone: Vec<FileId> = rows.iter().map(|row| FileId::from_uuid(row.file_id)).collect();
        tell_changed(conn, owner, &gone).await?;
    }
    Ok(rows.into_iter().map(|row| (FileId::from_uuid(row.file_id), row.name)).collect())
}

/// A file's versions, the newest first.
pub async fn versions(conn: &mut Conn, owner: UserId, file: FileId) -> Result<Vec<Version>> {
    sqlx::query!(
        r#"
        SELECT v.version_id, v.number, v.state, v.progress, v.fail_code, v.bytes, v.created_at,
               (v.blob_id IS NOT NULL AND v.state = 'completed') AS "is_kept!"
          FROM file_versions v
          JOIN files f USING (file_id)
         WHERE f.owner_id = $1 AND v.file_id = $2
         ORDER BY v.number DESC
        "#,
        owner.as_uuid(),
        file.as_uuid(),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Version {
            id: VersionId::from_uuid(row.version_id),
            number: row.number,
            state: state(&row.state)?,
            progress: row.progress,
            fail_code: row.fail_code,
            bytes: row.bytes,
            created_at: row.created_at,
            is_kept: row.is_kept,
        })
    })
    .collect()
}

/// Has an earlier version served again. False: there is none, or its bytes are gone.
pub async fn serve_version(conn: &mut Conn, owner: UserId, file: FileId, number: i32) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE files f
           SET version_id = v.version_id, kind = b.kind, bytes = b.bytes, changed_at = now()
          FROM file_versions v
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean'
         WHERE f.owner_id = $1 AND f.file_id = $2 AND f.trashed_at IS NULL
           AND v.file_id = f.file_id AND v.number = $3 AND v.state = 'completed'
        "#,
        owner.as_uuid(),
        file.as_uuid(),
        number,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What lies in the bucket of a file, for whoever may have it.
#[derive(Debug, Clone)]
pub struct Served {
    pub owner: UserId,
    pub name: String,
    pub visibility: Visibility,
    pub blob: BlobId,
    pub lock: String,
    pub kind: FileKind,
    pub mime: String,
    pub is_developed: bool,
    pub has_thumb: bool,
    pub is_withheld: bool,
}

/// What is served of a file to this viewer: its owner, an administrator, or anybody unless it is private. `number`: a version of its own
/// rather than what is served now, for the owner and administrators.
pub async fn served(
    conn: &mut Conn,
    file: FileId,
    viewer: Option<UserId>,
    number: Option<i32>,
) -> Result<Option<Served>> {
    let row = sqlx::query!(
        r#"
        SELECT f.owner_id, f.name, f.visibility, b.blob_id, b.lock, b.kind, b.mime, b.is_developed, b.has_thumb, b.is_withheld
          FROM files f
          JOIN users u ON u.user_id = f.owner_id
         CROSS JOIN LATERAL (SELECT (f.owner_id = $2) IS TRUE
                                 OR EXISTS (SELECT FROM users a
                                             WHERE a.user_id = $2 AND a.role = ANY($4) AND NOT a.is_suspended) AS is_keeper) AS eye
          JOIN file_versions v ON v.file_id = f.file_id
           AND CASE WHEN $3::integer IS NULL THEN v.version_id = f.version_id
                    ELSE v.number = $3 AND v.state = 'completed' AND eye.is_keeper END
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean'
         WHERE f.file_id = $1
           AND (eye.is_keeper OR (f.visibility <> 'private' AND f.trashed_at IS NULL AND NOT u.is_suspended))
        "#,
        file.as_uuid(),
        viewer.map(UserId::as_uuid),
        number,
        &Permission::SeeFiles.role_names(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Served {
            owner: UserId::from_uuid(row.owner_id),
            name: row.name,
            visibility: access::visibility(&row.visibility)?,
            blob: BlobId::from_uuid(row.blob_id),
            lock: row.lock,
            kind: kind(&row.kind)?,
            mime: row.mime,
            is_developed: row.is_developed,
            has_thumb: row.has_thumb,
            is_withheld: row.is_withheld,
        })
    })
    .transpose()
}
