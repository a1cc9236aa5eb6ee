//! SQL for those who come by a share link: finding it, letting them in, and what they are shown. Whatever they ask for is looked for
//! through the link, so that nothing beside it can be found.

use domain::file::FileKind;
use domain::share::{Facts, NOTICE_EVERY, Permission, ShareKind};
use domain::stream::VodStatus;
use domain::{BlobId, FileId, ShareId, Timestamp, UserId, Visibility, VodId};

use super::{kind, permission};
use crate::Conn;
use crate::access;
use crate::error::{DbError, Result};

/// What a token leads to, before anybody has proven anything.
#[derive(Debug, Clone)]
pub struct Door {
    pub link: ShareId,
    pub owner: UserId,
    pub password_hash: Option<String>,
}

/// The link of a token's digest.
pub async fn door(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<Option<Door>> {
    let row = sqlx::query!(
        "SELECT link_id, owner_id, password_hash FROM share_links WHERE token_hash = $1",
        token_hash.as_slice(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Door {
        link: ShareId::from_uuid(row.link_id),
        owner: UserId::from_uuid(row.owner_id),
        password_hash: row.password_hash,
    }))
}

/// Where a link stands.
pub async fn facts(conn: &mut Conn, link: ShareId) -> Result<Option<Facts>> {
    let row = sqlx::query!(
        r#"
        SELECT revoked_at IS NOT NULL AS "is_revoked!", coalesce(expires_at <= now(), false) AS "is_expired!",
               coalesce(accesses >= max_accesses, false) AS "is_exhausted!",
               coalesce(share_has_thing(l), false) AS "has_thing!"
          FROM share_links l
         WHERE link_id = $1
        "#,
        link.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Facts {
        is_revoked: row.is_revoked,
        is_expired: row.is_expired,
        is_exhausted: row.is_exhausted,
        has_thing: row.has_thing,
    }))
}

/// Lets somebody in who has proven this password, and counts them. One statement: of those who come at once no more get in than may.
/// `None`: the link does not stand any more, or was opened as often as it may be, or has another password by now.
pub async fn enter(conn: &mut Conn, link: ShareId, password_hash: Option<&str>) -> Result<Option<i32>> {
    let epoch = sqlx::query_scalar!(
        r#"
        UPDATE share_links SET accesses = accesses + 1, last_access_at = now()
         WHERE link_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
           AND (max_accesses IS NULL OR accesses < max_accesses)
           AND password_hash IS NOT DISTINCT FROM $2
        RETURNING epoch
        "#,
        link.as_uuid(),
        password_hash,
    );
    Ok(epoch.fetch_optional(conn).await?)
}

/// Whether the owner is to be told of a visit: they want to know, and have not been told for a while. Says so once.
pub async fn is_news(conn: &mut Conn, link: ShareId) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE share_links SET notified_at = now()
         WHERE link_id = $1 AND notify_on_access
           AND (notified_at IS NULL OR notified_at < now() - make_interval(secs => $2))
        "#,
        link.as_uuid(),
        NOTICE_EVERY.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A link that stands, for somebody who was let in.
#[derive(Debug, Clone)]
pub struct Open {
    pub link: ShareId,
    pub epoch: i32,
    pub owner: UserId,
    pub kind: ShareKind,
    pub file: Option<FileId>,
    pub vod: Option<VodId>,
    /// `/a/b/` of the owner's files.
    pub folder: Option<String>,
    pub permission: Permission,
    pub expires_at: Option<Timestamp>,
}

/// The link of a visit. `None`: it does not stand any more, or has another password. How often it was opened does not matter any more.
pub async fn open(conn: &mut Conn, link: ShareId, epoch: i32) -> Result<Option<Open>> {
    let row = sqlx::query!(
        r#"
        SELECT link_id, epoch, owner_id, kind, file_id, vod_id, folder, permission, expires_at
          FROM share_links l
         WHERE link_id = $1 AND epoch = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
           AND share_has_thing(l)
        "#,
        link.as_uuid(),
        epoch,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Open {
            link: ShareId::from_uuid(row.link_id),
            epoch: row.epoch,
            owner: UserId::from_uuid(row.owner_id),
            kind: kind(&row.kind)?,
            file: row.file_id.map(FileId::from_uuid),
            vod: row.vod_id.map(VodId::from_uuid),
            folder: row.folder,
            permission: permission(&row.permission)?,
            expires_at: row.expires_at,
        })
    })
    .transpose()
}

/// A file, as a visitor sees it.
#[derive(Debug, Clone)]
pub struct SharedFile {
    pub id: FileId,
    pub name: String,
    pub kind: FileKind,
    pub mime: String,
    pub bytes: i64,
    pub size: Option<(i32, i32)>,
    pub has_thumb: bool,
    pub changed_at: Timestamp,
}

/// A row of the statements below.
struct FileRow {
    file_id: uuid::Uuid,
    name: String,
    kind: String,
    mime: String,
    bytes: i64,
    width: Option<i32>,
    height: Option<i32>,
    has_thumb: bool,
    changed_at: Timestamp,
}

impl TryFrom<FileRow> for SharedFile {
    type Error = DbError;

    fn try_from(row: FileRow) -> Result<Self> {
        Ok(Self {
            id: FileId::from_uuid(row.file_id),
            name: row.name,
            kind: FileKind::parse(&row.kind).ok_or(DbError::Corrupt { what: "kind of a file" })?,
            mime: row.mime,
            bytes: row.bytes,
            size: row.width.zip(row.height),
            has_thumb: row.has_thumb,
            changed_at: row.changed_at,
        })
    }
}

/// The file of a link for one file.
pub async fn file(conn: &mut Conn, open: &Open) -> Result<Option<SharedFile>> {
    sqlx::query_as!(
        FileRow,
        r#"
        SELECT f.file_id, f.name, b.kind, b.mime, b.bytes, b.width, b.height, b.has_thumb, f.changed_at
          FROM files f
          JOIN file_versions v ON v.version_id = f.version_id
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
         WHERE f.file_id = $1 AND f.owner_id = $2 AND f.trashed_at IS NULL
        "#,
        open.file.map(FileId::as_uuid),
        open.owner.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(SharedFile::try_from)
    .transpose()
}

/// Where a page of files ends: the last one's name and id.
pub type Spot = (String, FileId);

/// The files that lie in a folder itself, by name. `folder` is the link's own or one below it; of any other there are none.
pub async fn files(
    conn: &mut Conn,
    open: &Open,
    folder: &str,
    after: Option<Spot>,
    limit: i64,
) -> Result<Vec<SharedFile>> {
    let (name, id) = after.map(|(name, id)| (name, id.as_uuid())).unzip();
    sqlx::query_as!(
        FileRow,
        r#"
        SELECT f.file_id, f.name, b.kind, b.mime, b.bytes, b.width, b.height, b.has_thumb, f.changed_at
          FROM files f
          JOIN file_versions v ON v.version_id = f.version_id
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
         WHERE f.owner_id = $1 AND f.trashed_at IS NULL AND f.folder = $2 AND starts_with($2, $3)
           AND ($4::text IS NULL OR (lower(f.name), f.file_id) > (lower($4), $5::uuid))
         ORDER BY lower(f.name), f.file_id
         LIMIT $6
        "#,
        open.owner.as_uuid(),
        folder,
        open.folder,
        name,
        id,
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(SharedFile::try_from)
    .collect()
}

/// The folders right below one, with how many files can be had in each, however deep.
pub async fn folders(conn: &mut Conn, open: &Open, folder: &str, limit: i64) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"
        SELECT split_part(substr(f.folder, char_length($2) + 1), '/', 1) AS "name!", count(*) AS "files!"
          FROM files f
          JOIN file_versions v ON v.version_id = f.version_id
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
         WHERE f.owner_id = $1 AND f.trashed_at IS NULL AND starts_with(f.folder, $2) AND f.folder <> $2
           AND starts_with($2, $3)
         GROUP BY 1
         ORDER BY lower(split_part(substr(f.folder, char_length($2) + 1), '/', 1)), 1
         LIMIT $4
        "#,
        open.owner.as_uuid(),
        folder,
        open.folder,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.files)).collect())
}

/// What lies in the bucket of a shared file.
#[derive(Debug, Clone)]
pub struct Served {
    pub name: String,
    pub blob: BlobId,
    pub lock: String,
    pub kind: FileKind,
    pub mime: String,
    pub is_developed: bool,
    pub has_thumb: bool,
    pub permission: Permission,
}

/// What is served of a file through a link that stands: the link's own file, or one in its folder, as it is at this moment.
pub async fn served(conn: &mut Conn, link: ShareId, epoch: i32, file: FileId) -> Result<Option<Served>> {
    let row = sqlx::query!(
        r#"
        SELECT f.name, b.blob_id, b.lock, b.kind, b.mime, b.is_developed, b.has_thumb, l.permission
          FROM share_links l
          JOIN users u ON u.user_id = l.owner_id AND NOT u.is_suspended
          JOIN files f ON f.owner_id = l.owner_id AND f.trashed_at IS NULL
           AND (f.file_id = l.file_id OR starts_with(f.folder, l.folder))
          JOIN file_versions v ON v.version_id = f.version_id
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
         WHERE l.link_id = $1 AND l.epoch = $2 AND l.revoked_at IS NULL AND (l.expires_at IS NULL OR l.expires_at > now())
           AND f.file_id = $3
        "#,
        link.as_uuid(),
        epoch,
        file.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Served {
            name: row.name,
            blob: BlobId::from_uuid(row.blob_id),
            lock: row.lock,
            kind: FileKind::parse(&row.kind).ok_or(DbError::Corrupt { what: "kind of a file" })?,
            mime: row.mime,
            is_developed: row.is_developed,
            has_thumb: row.has_thumb,
            permission: permission(&row.permission)?,
        })
    })
    .transpose()
}

/// A recording, as a visitor sees it.
#[derive(Debug, Clone)]
pub struct SharedVod {
    pub id: VodId,
    pub channel: UserId,
    pub visibility: Visibility,
    pub title: String,
    pub description: String,
    pub status: VodStatus,
    pub duration_ms: i64,
    pub has_thumbnail: bool,
    pub has_storyboard: bool,
    pub created_at: Timestamp,
}

/// The recording of a link for one.
pub async fn vod(conn: &mut Conn, open: &Open) -> Result<Option<SharedVod>> {
    let row = sqlx::query!(
        r#"
        SELECT v.vod_id, v.channel_id, v.visibility, v.title, v.description, v.status, v.duration_ms,
               v.thumbnail_key IS NOT NULL AS "has_thumbnail!", v.created_at,
               EXISTS (SELECT FROM vod_sheets p WHERE p.vod_id = v.vod_id) AS "has_storyboard!"
          FROM vods v
         WHERE v.vod_id = $1 AND v.channel_id = $2 AND v.deleted_at IS NULL AND v.status IN ('recording', 'ready')
        "#,
        open.vod.map(VodId::as_uuid),
        open.owner.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(SharedVod {
            id: VodId::from_uuid(row.vod_id),
            channel: UserId::from_uuid(row.channel_id),
            visibility: access::visibility(&row.visibility)?,
            title: row.title,
            description: row.description,
            status: VodStatus::parse(&row.status).ok_or(DbError::Corrupt { what: "recording status" })?,
            duration_ms: row.duration_ms,
            has_thumbnail: row.has_thumbnail,
            has_storyboard: row.has_storyboard,
            created_at: row.created_at,
        })
    })
    .transpose()
}
