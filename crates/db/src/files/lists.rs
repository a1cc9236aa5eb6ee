//! SQL for lists of a member's files, in every order they are shown in.

use domain::file::{FileKind, Folder};
use domain::{FileId, Timestamp, UserId};

use uuid::Uuid;

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

/// One page. Where to look and in what order are written into the statement, and a page always begins after something: so each of them is a
/// range of one index, however the statement was planned.
macro_rules! page {
    ($conn:ident, $owner:ident, $filter:ident, $after:ident, $limit:ident, $range:literal, $order:literal) => {{
        let (value, id) = ($after.0, $after.1);
        let (words, kind) = ($filter.pattern(), $filter.kind.map(FileKind::as_str));
        let ids = match ($filter.folder, $filter.is_trash) {
            (Some(folder), false) => page!(
                @ $conn, "folder = $2 AND trashed_at IS NULL AND ", $range, $order,
                ($owner.as_uuid(), folder, words, kind, $filter.tag, value, id.as_uuid(), $limit)
            ),
            (folder, false) => page!(
                @ $conn, "$2::text IS NULL AND trashed_at IS NULL AND ", $range, $order,
                ($owner.as_uuid(), folder, words, kind, $filter.tag, value, id.as_uuid(), $limit)
            ),
            (folder, true) => page!(
                @ $conn, "($2::text IS NULL OR folder = $2) AND trashed_at IS NOT NULL AND ", $range, $order,
                ($owner.as_uuid(), folder, words, kind, $filter.tag, value, id.as_uuid(), $limit)
            ),
        };
        load($conn, $owner, &ids.into_iter().map(FileId::from_uuid).collect::<Vec<_>>()).await
    }};
    (@ $conn:ident, $place:literal, $range:literal, $order:literal, ($($bind:expr),*)) => {
        sqlx::query_scalar!(
            "SELECT file_id FROM files WHERE owner_id = $1 AND "
                + $place
                + $range
                + " AND ($3::text IS NULL OR lower(name) LIKE $3)"
                + " AND ($4::text IS NULL OR kind = $4)"
                + " AND ($5::text IS NULL OR $5 = ANY (tags))"
                + $order
                + " LIMIT $8",
            $($bind),*
        )
        .fetch_all(&mut *$conn)
        .await?
    };
}

/// By name, `a` first.
pub async fn by_name(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<ByName>,
    limit: i64,
) -> Result<Vec<File>> {
    let after = after.unwrap_or((String::new(), FileId::from_uuid(Uuid::nil())));
    page!(
        conn,
        owner,
        filter,
        after,
        limit,
        "(lower(name), file_id) > (lower($6::text), $7::uuid)",
        " ORDER BY lower(name), file_id"
    )
}

/// What changed last first.
pub async fn by_time(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<ByTime>,
    limit: i64,
) -> Result<Vec<File>> {
    let after = after.unwrap_or((Timestamp::MAX_UTC, FileId::from_uuid(Uuid::max())));
    page!(
        conn,
        owner,
        filter,
        after,
        limit,
        "(changed_at, file_id) < ($6::timestamptz, $7::uuid)",
        " ORDER BY changed_at DESC, file_id DESC"
    )
}

/// The largest first.
pub async fn by_size(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<BySize>,
    limit: i64,
) -> Result<Vec<File>> {
    let after = after.unwrap_or((i64::MAX, FileId::from_uuid(Uuid::max())));
    page!(
        conn,
        owner,
        filter,
        after,
        limit,
        "(bytes, file_id) < ($6::bigint, $7::uuid)",
        " ORDER BY bytes DESC, file_id DESC"
    )
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
        SELECT split_part(substr(folder, char_length($2) + 1), '/', 1) AS "name!", sum(files)::bigint AS "files!",
               sum(bytes)::bigint AS "bytes!"
          FROM (SELECT folder, count(*) AS files, sum(bytes) AS bytes
                  FROM files
                 WHERE owner_id = $1 AND trashed_at IS NULL AND starts_with(folder, $2) AND folder <> $2
                 GROUP BY folder) AS each
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
