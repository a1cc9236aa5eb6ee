//! SQL for the search's documents: what they are made of, as it is now, and writing them. Looking for something is in [`reading`].
//!
//! A document is made of its subject's present row and written in the same transaction, by one at a time ([`alone`]): however often
//! and in whatever order changes are heard of, the last one written is of the last row.

mod reading;

use domain::search::SearchKind;
use domain::{FileId, StreamId, UserId, VersionId, Visibility, VodId};
use uuid::Uuid;

use crate::Conn;
use crate::access;
use crate::error::Result;

pub use reading::{Found, FoundChannel, Place, channels, files, vods};

/// Taken by whoever writes documents, until their transaction ends.
const WRITER_LOCK: i64 = 0x7269_6c6c_7365_6172;

/// Has others wait who write documents: what is read from here on is what they left.
pub async fn alone(conn: &mut Conn) -> Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", WRITER_LOCK).execute(conn).await?;
    Ok(())
}

/// What is said of a subject.
#[derive(Debug, Clone)]
pub struct Document {
    pub kind: SearchKind,
    pub subject: Uuid,
    pub owner: UserId,
    pub visibility: Visibility,
    pub is_hidden: bool,
    pub titles: Vec<String>,
    /// The text form of a `tsvector`.
    pub words: String,
}

/// A channel, as it is found.
#[derive(Debug, Clone)]
pub struct ChannelSubject {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub bio: String,
    pub is_hidden: bool,
}

/// A recording that some list shows, if only its owner's.
#[derive(Debug, Clone)]
pub struct VodSubject {
    pub id: VodId,
    pub channel: UserId,
    pub username: String,
    pub display_name: String,
    pub title: String,
    pub description: String,
    pub tags: Vec<String>,
    /// Private while nobody else could play it.
    pub visibility: Visibility,
    pub is_hidden: bool,
}

/// A file that is not in the trash.
#[derive(Debug, Clone)]
pub struct FileSubject {
    pub id: FileId,
    pub owner: UserId,
    pub name: String,
    pub tags: Vec<String>,
    pub visibility: Visibility,
}

/// Those of these channels that are there.
pub async fn channel_subjects(conn: &mut Conn, ids: &[UserId]) -> Result<Vec<ChannelSubject>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT u.user_id, u.username, u.display_name, u.bio, u.is_suspended
          FROM users u
          JOIN channels c ON c.channel_id = u.user_id
         WHERE u.user_id = ANY($1)
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ChannelSubject {
            id: UserId::from_uuid(row.user_id),
            username: row.username,
            display_name: row.display_name,
            bio: row.bio,
            is_hidden: row.is_suspended,
        })
        .collect())
}

/// Those of these recordings that are there. The recording of a stream nobody was told of is not.
pub async fn vod_subjects(conn: &mut Conn, ids: &[VodId]) -> Result<Vec<VodSubject>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT v.vod_id, v.channel_id, u.username, u.display_name, v.title, v.description, v.tags, u.is_suspended,
               CASE WHEN v.status IN ('failed', 'processing') THEN 'private' ELSE v.visibility END AS "visibility!"
          FROM vods v
          JOIN users u ON u.user_id = v.channel_id
          LEFT JOIN streams s ON s.stream_id = v.stream_id
         WHERE v.vod_id = ANY($1) AND v.deleted_at IS NULL AND s.status IS DISTINCT FROM 'starting'
        "#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(VodSubject {
                id: VodId::from_uuid(row.vod_id),
                channel: UserId::from_uuid(row.channel_id),
                username: row.username,
                display_name: row.display_name,
                title: row.title,
                description: row.description,
                tags: row.tags,
                visibility: access::visibility(&row.visibility)?,
                is_hidden: row.is_suspended,
            })
        })
        .collect()
}

/// Those of these files that are there and not in the trash.
pub async fn file_subjects(conn: &mut Conn, ids: &[FileId]) -> Result<Vec<FileSubject>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT file_id, owner_id, name, tags, visibility FROM files WHERE file_id = ANY($1) AND trashed_at IS NULL",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(FileSubject {
                id: FileId::from_uuid(row.file_id),
                owner: UserId::from_uuid(row.owner_id),
                name: row.name,
                tags: row.tags,
                visibility: access::visibility(&row.visibility)?,
            })
        })
        .collect()
}

/// The recordings of these streams.
pub async fn vods_of_streams(conn: &mut Conn, streams: &[StreamId]) -> Result<Vec<VodId>> {
    let ids: Vec<Uuid> = streams.iter().map(|id| id.as_uuid()).collect();
    let vods = sqlx::query_scalar!("SELECT vod_id FROM vods WHERE stream_id = ANY($1)", &ids).fetch_all(conn).await?;
    Ok(vods.into_iter().map(VodId::from_uuid).collect())
}

/// The files these are versions of.
pub async fn files_of_versions(conn: &mut Conn, versions: &[VersionId]) -> Result<Vec<FileId>> {
    let ids: Vec<Uuid> = versions.iter().map(|id| id.as_uuid()).collect();
    let files = sqlx::query_scalar!("SELECT DISTINCT file_id FROM file_versions WHERE version_id = ANY($1)", &ids)
        .fetch_all(conn)
        .await?;
    Ok(files.into_iter().map(FileId::from_uuid).collect())
}

/// What channels are called in their documents, by their ids. Those without one are left out.
pub async fn channel_titles(conn: &mut Conn, ids: &[UserId]) -> Result<Vec<(UserId, Vec<String>)>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT subject_id, titles FROM search_documents WHERE kind = 'channel' AND subject_id = ANY($1)",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId::from_uuid(row.subject_id), row.titles)).collect())
}

/// Writes documents, in the place of those there are of their subjects.
pub async fn write(conn: &mut Conn, documents: &[Document]) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let of = |part: fn(&Document) -> String| documents.iter().map(part).collect::<Vec<_>>();
    let subjects: Vec<Uuid> = documents.iter().map(|one| one.subject).collect();
    let owners: Vec<Uuid> = documents.iter().map(|one| one.owner.as_uuid()).collect();
    let hidden: Vec<bool> = documents.iter().map(|one| one.is_hidden).collect();
    sqlx::query!(
        r#"
        INSERT INTO search_documents AS d (kind, subject_id, owner_id, visibility, is_hidden, titles, words)
        SELECT kind, subject_id, owner_id, visibility, is_hidden, string_to_array(titles, E'\n'), words::tsvector
          FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[], $6::text[], $7::text[])
               AS fresh (kind, subject_id, owner_id, visibility, is_hidden, titles, words)
            ON CONFLICT (kind, subject_id) DO UPDATE
           SET owner_id = EXCLUDED.owner_id, visibility = EXCLUDED.visibility, is_hidden = EXCLUDED.is_hidden,
               titles = EXCLUDED.titles, words = EXCLUDED.words
         WHERE (d.owner_id, d.visibility, d.is_hidden, d.titles, d.words)
               IS DISTINCT FROM (EXCLUDED.owner_id, EXCLUDED.visibility, EXCLUDED.is_hidden, EXCLUDED.titles, EXCLUDED.words)
        "#,
        &of(|one| one.kind.as_str().to_owned()),
        &subjects,
        &owners,
        &of(|one| one.visibility.as_str().to_owned()),
        &hidden,
        &of(|one| one.titles.join("\n")),
        &of(|one| one.words.clone()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the documents of what is not there any more.
pub async fn remove(conn: &mut Conn, kind: SearchKind, subjects: &[Uuid]) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    sqlx::query!("DELETE FROM search_documents WHERE kind = $1 AND subject_id = ANY($2)", kind.as_str(), subjects,)
        .execute(conn)
        .await?;
    Ok(())
}

/// Hides or shows all that is found of members.
pub async fn hide(conn: &mut Conn, owners: &[UserId], is_hidden: bool) -> Result<()> {
    let owners: Vec<Uuid> = owners.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "UPDATE search_documents SET is_hidden = $2 WHERE owner_id = ANY($1) AND kind <> 'file' AND is_hidden <> $2",
        &owners,
        is_hidden,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Where a walk over everything goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// What there is.
    Subjects,
    /// What there is a document of.
    Documents,
}

/// A step of a walk: ids of a kind after one, in their order.
pub async fn step(conn: &mut Conn, walk: Walk, kind: SearchKind, after: Uuid, limit: i64) -> Result<Vec<Uuid>> {
    let ids = match (walk, kind) {
        (Walk::Documents, _) => {
            sqlx::query_scalar!(
                r#"
                SELECT subject_id FROM search_documents WHERE kind = $1 AND subject_id > $2
                 ORDER BY subject_id LIMIT $3
                "#,
                kind.as_str(),
                after,
                limit,
            )
            .fetch_all(conn)
            .await?
        }
        (Walk::Subjects, SearchKind::Channel) => {
            sqlx::query_scalar!(
                "SELECT channel_id FROM channels WHERE channel_id > $1 ORDER BY channel_id LIMIT $2",
                after,
                limit,
            )
            .fetch_all(conn)
            .await?
        }
        (Walk::Subjects, SearchKind::Vod) => {
            sqlx::query_scalar!("SELECT vod_id FROM vods WHERE vod_id > $1 ORDER BY vod_id LIMIT $2", after, limit)
                .fetch_all(conn)
                .await?
        }
        (Walk::Subjects, SearchKind::File) => {
            sqlx::query_scalar!("SELECT file_id FROM files WHERE file_id > $1 ORDER BY file_id LIMIT $2", after, limit)
                .fetch_all(conn)
                .await?
        }
    };
    Ok(ids)
}

/// A channel's recordings after one, in the order of their ids.
pub async fn vods_of_channel(conn: &mut Conn, channel: UserId, after: VodId, limit: i64) -> Result<Vec<VodId>> {
    let vods = sqlx::query_scalar!(
        "SELECT vod_id FROM vods WHERE channel_id = $1 AND deleted_at IS NULL AND vod_id > $2 ORDER BY vod_id LIMIT $3",
        channel.as_uuid(),
        after.as_uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(vods.into_iter().map(VodId::from_uuid).collect())
}
