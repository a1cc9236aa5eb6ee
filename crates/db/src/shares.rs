//! SQL for share links, as their owners see them. What those get who come by one is in [`visits`].

pub mod visits;

use domain::file::Folder;
use domain::share::{ACCESSES_MAX, Facts, KEEP_DAYS, LINKS_MAX, OVER_MAX, Outcome, Permission, ShareKind};
use domain::{FileId, ShareId, Timestamp, UserId, VodId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

/// Rows that go at once when they were kept long enough.
pub const PRUNE_ROWS: i64 = 1_000;

/// What a link opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    File(FileId),
    Folder(Folder),
    Vod(VodId),
}

impl Thing {
    pub const fn kind(&self) -> ShareKind {
        match self {
            Self::File(_) => ShareKind::File,
            Self::Folder(_) => ShareKind::Folder,
            Self::Vod(_) => ShareKind::Vod,
        }
    }
}

/// A link to be made.
#[derive(Debug, Clone)]
pub struct NewShare<'a> {
    pub id: ShareId,
    pub owner: UserId,
    pub token_hash: &'a [u8; 32],
    pub token_sealed: &'a [u8],
    pub thing: &'a Thing,
    pub name: &'a str,
    pub permission: Permission,
    pub password_hash: Option<&'a str>,
    pub expires_at: Option<Timestamp>,
    pub max_accesses: Option<i32>,
    pub notify_on_access: bool,
}

/// A link, as its owner sees it.
#[derive(Debug, Clone)]
pub struct Share {
    pub id: ShareId,
    pub owner: UserId,
    pub token_sealed: Vec<u8>,
    pub kind: ShareKind,
    /// The file's or recording's. `None`: a folder's, or it is gone.
    pub resource: Option<Uuid>,
    pub folder: Option<String>,
    /// What it is called now; what it was called, once it is gone.
    pub name: String,
    pub permission: Permission,
    pub password_hash: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub max_accesses: Option<i32>,
    pub accesses: i32,
    pub notify_on_access: bool,
    pub created_at: Timestamp,
    pub last_access_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub facts: Facts,
}

pub(crate) fn kind(text: &str) -> Result<ShareKind> {
    ShareKind::parse(text).ok_or(DbError::Corrupt { what: "kind of a share link" })
}

pub(crate) fn permission(text: &str) -> Result<Permission> {
    Permission::parse(text).ok_or(DbError::Corrupt { what: "permission of a share link" })
}

/// A row of the statements below.
struct Row {
    link_id: Uuid,
    owner_id: Uuid,
    token_sealed: Vec<u8>,
    kind: String,
    resource_id: Option<Uuid>,
    folder: Option<String>,
    name: String,
    permission: String,
    password_hash: Option<String>,
    expires_at: Option<Timestamp>,
    max_accesses: Option<i32>,
    accesses: i32,
    notify_on_access: bool,
    created_at: Timestamp,
    last_access_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    is_expired: bool,
    has_thing: bool,
}

impl TryFrom<Row> for Share {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: ShareId::from_uuid(row.link_id),
            owner: UserId::from_uuid(row.owner_id),
            token_sealed: row.token_sealed,
            kind: kind(&row.kind)?,
            resource: row.resource_id,
            folder: row.folder,
            name: row.name,
            permission: permission(&row.permission)?,
            password_hash: row.password_hash,
            expires_at: row.expires_at,
            max_accesses: row.max_accesses,
            accesses: row.accesses,
            notify_on_access: row.notify_on_access,
            created_at: row.created_at,
            last_access_at: row.last_access_at,
            revoked_at: row.revoked_at,
            facts: Facts {
                is_revoked: row.revoked_at.is_some(),
                is_expired: row.is_expired,
                is_exhausted: row.max_accesses.is_some_and(|max| row.accesses >= max),
                has_thing: row.has_thing,
            },
        })
    }
}

/// What a member has under this id that can be shared: something of theirs that is served. A file comes before a recording.
pub async fn resource(conn: &mut Conn, owner: UserId, id: Uuid) -> Result<Option<(Thing, String)>> {
    let row = sqlx::query!(
        r#"
        SELECT 'file' AS "kind!", f.name AS "name!"
          FROM files f
          JOIN file_versions v ON v.version_id = f.version_id
          JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
         WHERE f.file_id = $2 AND f.owner_id = $1 AND f.trashed_at IS NULL
         UNION ALL
        SELECT 'vod', title
          FROM vods
         WHERE vod_id = $2 AND channel_id = $1 AND deleted_at IS NULL AND status IN ('recording', 'ready')
         LIMIT 1
        "#,
        owner.as_uuid(),
        id,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(match kind(&row.kind)? {
        ShareKind::File => Some((Thing::File(FileId::from_uuid(id)), row.name)),
        ShareKind::Vod => Some((Thing::Vod(VodId::from_uuid(id)), row.name)),
        ShareKind::Folder => None,
    })
}

/// Whether something that is served lies in a folder of a member's, however deep.
pub async fn is_folder(conn: &mut Conn, owner: UserId, folder: &Folder) -> Result<bool> {
    let is_there = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM files f
                         JOIN file_versions v ON v.version_id = f.version_id
                         JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
                        WHERE f.owner_id = $1 AND f.trashed_at IS NULL AND starts_with(f.folder, $2)) AS "is_there!"
        "#,
        owner.as_uuid(),
        folder.as_str(),
    );
    Ok(is_there.fetch_one(conn).await?)
}

/// Makes a link. False: the member has as many as one may. Of those that are over the oldest go.
pub async fn add(conn: &mut Conn, new: &NewShare<'_>) -> Result<bool> {
    let (file, vod, folder) = match new.thing {
        Thing::File(file) => (Some(file.as_uuid()), None, None),
        Thing::Vod(vod) => (None, Some(vod.as_uuid()), None),
        Thing::Folder(folder) => (None, None, Some(folder.as_str())),
    };
    // One after another of a member, so that the count holds.
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", new.owner.as_uuid())
        .execute(&mut *conn)
        .await?;
    let done = sqlx::query!(
        r#"
        INSERT INTO share_links (link_id, owner_id, token_hash, token_sealed, kind, file_id, vod_id, folder, name, permission,
                                 password_hash, expires_at, max_accesses, notify_on_access)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         WHERE (SELECT count(*) FROM share_links
                 WHERE owner_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) < $15
        "#,
        new.id.as_uuid(),
        new.owner.as_uuid(),
        new.token_hash.as_slice(),
        new.token_sealed,
        new.thing.kind().as_str(),
        file,
        vod,
        folder,
        new.name,
        new.permission.as_str(),
        new.password_hash,
        new.expires_at,
        new.max_accesses,
        new.notify_on_access,
        LINKS_MAX,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        r#"
        DELETE FROM share_links
         WHERE link_id IN (SELECT link_id FROM share_links
                            WHERE owner_id = $1 AND (revoked_at IS NOT NULL OR expires_at <= now())
                            ORDER BY link_id DESC
                           OFFSET $2)
        "#,
        new.owner.as_uuid(),
        OVER_MAX,
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// Which of a member's links.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Of this file or recording.
    pub resource: Option<Uuid>,
    /// Of this folder itself.
    pub folder: Option<&'a str>,
}

/// A member's links, the latest first, after the given one.
pub async fn list(
    conn: &mut Conn,
    owner: UserId,
    filter: &Filter<'_>,
    after: Option<ShareId>,
    limit: i64,
) -> Result<Vec<Share>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT l.link_id, l.owner_id, l.token_sealed, l.kind, coalesce(l.file_id, l.vod_id) AS resource_id, l.folder,
               coalesce(f.name, v.title, l.name) AS "name!", l.permission, l.password_hash, l.expires_at, l.max_accesses,
               l.accesses, l.notify_on_access, l.created_at, l.last_access_at, l.revoked_at,
               coalesce(l.expires_at <= now(), false) AS "is_expired!",
               coalesce(share_has_thing(l), false) AS "has_thing!"
          FROM share_links l
          LEFT JOIN files f ON f.file_id = l.file_id
          LEFT JOIN vods v ON v.vod_id = l.vod_id AND v.deleted_at IS NULL
         WHERE l.owner_id = $1
           AND ($2::uuid IS NULL OR l.file_id = $2 OR l.vod_id = $2)
           AND ($3::text IS NULL OR l.folder = $3)
           AND ($4::uuid IS NULL OR l.link_id < $4)
         ORDER BY l.link_id DESC
         LIMIT $5
        "#,
        owner.as_uuid(),
        filter.resource,
        filter.folder,
        after.map(ShareId::as_uuid),
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Share::try_from)
    .collect()
}

/// One link of a member's.
pub async fn find(conn: &mut Conn, owner: UserId, link: ShareId) -> Result<Option<Share>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT l.link_id, l.owner_id, l.token_sealed, l.kind, coalesce(l.file_id, l.vod_id) AS resource_id, l.folder,
               coalesce(f.name, v.title, l.name) AS "name!", l.permission, l.password_hash, l.expires_at, l.max_accesses,
               l.accesses, l.notify_on_access, l.created_at, l.last_access_at, l.revoked_at,
               coalesce(l.expires_at <= now(), false) AS "is_expired!",
               coalesce(share_has_thing(l), false) AS "has_thing!"
          FROM share_links l
          LEFT JOIN files f ON f.file_id = l.file_id
          LEFT JOIN vods v ON v.vod_id = l.vod_id AND v.deleted_at IS NULL
         WHERE l.owner_id = $1 AND l.link_id = $2
        "#,
        owner.as_uuid(),
        link.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Share::try_from)
    .transpose()
}

/// What a link is to be. `None` leaves it; of what can be absent the inner `None` takes it away.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    pub permission: Option<Permission>,
    pub password_hash: Option<Option<&'a str>>,
    pub expires_at: Option<Option<Timestamp>>,
    pub max_accesses: Option<Option<i32>>,
    pub notify_on_access: Option<bool>,
}

/// Changes a link that was not taken back. With another password the visits of before are over. False: there is none.
pub async fn change(conn: &mut Conn, owner: UserId, link: ShareId, change: &Change<'_>) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE share_links
           SET permission = coalesce($3, permission),
               password_hash = CASE WHEN $4 THEN $5 ELSE password_hash END,
               epoch = epoch + CASE WHEN $4 THEN 1 ELSE 0 END,
               expires_at = CASE WHEN $6 THEN $7 ELSE expires_at END,
               max_accesses = CASE WHEN $8 THEN $9 ELSE max_accesses END,
               notify_on_access = coalesce($10, notify_on_access)
         WHERE owner_id = $1 AND link_id = $2 AND revoked_at IS NULL
        "#,
        owner.as_uuid(),
        link.as_uuid(),
        change.permission.map(Permission::as_str),
        change.password_hash.is_some(),
        change.password_hash.flatten(),
        change.expires_at.is_some(),
        change.expires_at.flatten(),
        change.max_accesses.is_some(),
        change.max_accesses.flatten(),
        change.notify_on_access,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a link back, for good. False: it was, or there is none.
pub async fn revoke(conn: &mut Conn, owner: UserId, link: ShareId) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE share_links SET revoked_at = now() WHERE owner_id = $1 AND link_id = $2 AND revoked_at IS NULL",
        owner.as_uuid(),
        link.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Links of a folder go where it goes.
pub(crate) async fn follow_folder(conn: &mut Conn, owner: UserId, from: &Folder, to: &Folder) -> Result<()> {
    sqlx::query!(
        r#"
        UPDATE share_links SET folder = $3 || substr(folder, char_length($2) + 1)
         WHERE owner_id = $1 AND starts_with(folder, $2) AND $3 <> '/'
        "#,
        owner.as_uuid(),
        from.as_str(),
        to.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Somebody who came by a link.
#[derive(Debug, Clone)]
pub struct Access {
    pub id: Uuid,
    pub at: Timestamp,
    pub outcome: Outcome,
    pub network: String,
    pub device: String,
    pub system: Option<String>,
    pub browser: Option<String>,
}

/// Who came by a link of a member's, the latest first, after the given one.
pub async fn accesses(
    conn: &mut Conn,
    owner: UserId,
    link: ShareId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Access>> {
    let rows = sqlx::query!(
        r#"
        SELECT a.access_id, a.at, a.outcome, a.network, a.device, a.system, a.browser
          FROM share_accesses a
          JOIN share_links l USING (link_id)
         WHERE l.owner_id = $1 AND a.link_id = $2 AND ($3::uuid IS NULL OR a.access_id < $3)
         ORDER BY a.access_id DESC
         LIMIT $4
        "#,
        owner.as_uuid(),
        link.as_uuid(),
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Access {
                id: row.access_id,
                at: row.at,
                outcome: Outcome::parse(&row.outcome).ok_or(DbError::Corrupt { what: "outcome of a visit" })?,
                network: row.network,
                device: row.device,
                system: row.system,
                browser: row.browser,
            })
        })
        .collect()
}

/// Who comes by.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub network: String,
    pub device: &'static str,
    pub system: Option<&'static str>,
    pub browser: Option<String>,
}

/// Writes down who came by and what became of it. Visits and refusals are remembered apart: refusals never push a visit out.
pub async fn note(conn: &mut Conn, link: ShareId, outcome: Outcome, visitor: &Visitor) -> Result<Uuid> {
    let id = kit::ids::uuid();
    sqlx::query!(
        r#"
        INSERT INTO share_accesses (access_id, link_id, outcome, network, device, system, browser)
        SELECT $1, link_id, $3, $4, $5, $6, $7 FROM share_links WHERE link_id = $2
        "#,
        id,
        link.as_uuid(),
        outcome.as_str(),
        visitor.network,
        visitor.device,
        visitor.system,
        visitor.browser,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        DELETE FROM share_accesses
         WHERE access_id IN (SELECT access_id FROM share_accesses
                              WHERE link_id = $1 AND (outcome = 'granted') = $2
                              ORDER BY access_id DESC
                             OFFSET $3)
        "#,
        link.as_uuid(),
        outcome == Outcome::Granted,
        ACCESSES_MAX,
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// Lets go of a bite of what was remembered long enough. Returns how many rows went.
pub async fn prune(conn: &mut Conn) -> Result<u64> {
    let links = sqlx::query!(
        r#"
        DELETE FROM share_links
         WHERE link_id IN (SELECT link_id FROM share_links
                            WHERE coalesce(revoked_at, expires_at) < now() - make_interval(days => $1)
                              AND (revoked_at IS NOT NULL OR expires_at IS NOT NULL)
                            LIMIT $2)
        "#,
        KEEP_DAYS,
        PRUNE_ROWS,
    )
    .execute(&mut *conn)
    .await?;
    let accesses = sqlx::query!(
        r#"
        DELETE FROM share_accesses
         WHERE access_id IN (SELECT access_id FROM share_accesses WHERE at < now() - make_interval(days => $1) LIMIT $2)
        "#,
        KEEP_DAYS,
        PRUNE_ROWS,
    )
    .execute(conn)
    .await?;
    Ok(links.rows_affected().max(accesses.rows_affected()))
}
