//! SQL for lists of a member's files, in every order they are shown in.

use domain::file::{FileKind, Folder};
use domain::{FileId, Timestamp, UserId};

use crate::Conn;
use crate::error::Result;
use crate::files::{File, load};

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// In this folder itself. Without it: anywhere.
    pub folder: Option<&'a str>,
    /// Part of the name, in whatever case.
    pub words: Option<&'a str>,
    pub kind: Option<FileKind>,
    pub tag: Option<&'a str>,
    /// What was thrown away instead of what was not.
    pub is_trash: bool,
}

impl Filter<'_> {
    /// As a pattern of LIKE.
    fn pattern(&self) -> Option<String> {
        let words = self.words.map(str::to_lowercase).filter(|words| !words.is_empty())?;
        let escaped = words.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        Some(format!("%{escaped}%"))
    }
}

/// Where a page ends: the last file's name, moment or size, and its id.
pub type ByName = (String, FileId);
pub type ByTime = (Timestamp, FileId);
pub type BySize = (i64, FileId);

/// By name, `a` first.
pub async fn by_name(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<ByName>,
    limit: i64,
) -> Result<Vec<File>> {
    let (name, id) = after.map(|(name, id)| (name, id.as_uuid())).unzip();
    let ids = sqlx::query_scalar!(
        r#"
        SELECT file_id
          FROM files
         WHERE owner_id = $1 AND (trashed_at IS NOT NULL) = $2
           AND ($3::text IS NULL OR folder = $3)
           AND ($4::text IS NULL OR lower(name) LIKE $4)
           AND ($5::text IS NULL OR kind = $5)
           AND ($6::text IS NULL OR $6 = ANY (tags))
           AND ($7::text IS NULL OR (lower(name), file_id) > (lower($7), $8::uuid))
         ORDER BY lower(name), file_id
         LIMIT $9
        "#,
        owner.as_uuid(),
        filter.is_trash,
        filter.folder,
        filter.pattern(),
        filter.kind.map(FileKind::as_str),
        filter.tag,
        name,
        id,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, owner, &ids.into_iter().map(FileId::from_uuid).collect::<Vec<_>>()).await
}

/// What changed last first.
pub async fn by_time(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<ByTime>,
    limit: i64,
) -> Result<Vec<File>> {
    let (at, id) = after.map(|(at, id)| (at, id.as_uuid())).unzip();
    let ids = sqlx::query_scalar!(
        r#"
        SELECT file_id
          FROM files
         WHERE owner_id = $1 AND (trashed_at IS NOT NULL) = $2
           AND ($3::text IS NULL OR folder = $3)
           AND ($4::text IS NULL OR lower(name) LIKE $4)
           AND ($5::text IS NULL OR kind = $5)
           AND ($6::text IS NULL OR $6 = ANY (tags))
           AND ($7::timestamptz IS NULL OR (changed_at, file_id) < ($7, $8::uuid))
         ORDER BY changed_at DESC, file_id DESC
         LIMIT $9
        "#,
        owner.as_uuid(),
        filter.is_trash,
        filter.folder,
        filter.pattern(),
        filter.kind.map(FileKind::as_str),
        filter.tag,
        at,
        id,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, owner, &ids.into_iter().map(FileId::from_uuid).collect::<Vec<_>>()).await
}

/// The largest first.
pub async fn by_size(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<BySize>,
    limit: i64,
) -> Result<Vec<File>> {
    let (bytes, id) = after.map(|(bytes, id)| (bytes, id.as_uuid())).unzip();
    let ids = sqlx::query_scalar!(
        r#"
        SELECT file_id
          FROM files
         WHERE owner_id = $1 AND (trashed_at IS NOT NULL) = $2
           AND ($3::text IS NULL OR folder = $3)
           AND ($4::text IS NULL OR lower(name) LIKE $4)
           AND ($5::text IS NULL OR kind = $5)
           AND ($6::text IS NULL OR $6 = ANY (tags))
           AND ($7::bigint IS NULL OR (bytes, file_id) < ($7, $8::uuid))
         ORDER BY bytes DESC, file_id DESC
         LIMIT $9
        "#,
        owner.as_uuid(),
        filter.is_trash,
        filter.folder,
        filter.pattern(),
        filter.kind.map(FileKind::as_str),
        filter.tag,
        bytes,
        id,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, owner, &ids.into_iter().map(FileId::from_uuid).collect::<Vec<_>>()).await
}

/// A folder right below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    pub name: String,
    /// Of all files in it, however deep.
    pub files: i64,
    pub bytes: i64,
}

/// The folders right below one, by name. A folder is there as long as something lies in it.
pub async fn folders(conn: &mut Conn, owner: UserId, folder: &Folder, limit: i64) -> Result<Vec<Below>> {
    Ok(sqlx::query_as!(
        Below,
        r#"
        SELECT split_part(substr(folder, char_length($2) + 1), '/', 1) AS "name!", count(*) AS "files!",
               coalesce(sum(bytes), 0)::bigint AS "bytes!"
          FROM files
         WHERE owner_id = $1 AND trashed_at IS NULL AND starts_with(folder, $2) AND folder <> $2
         GROUP BY 1
         ORDER BY lower(split_part(substr(folder, char_length($2) + 1), '/', 1)), 1
         LIMIT $3
        "#,
        owner.as_uuid(),
        folder.as_str(),
        limit,
    )
    .fetch_all(conn)
    .await?)
}
