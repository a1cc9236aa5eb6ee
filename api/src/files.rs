//! Members' files: listed, named, shared, thrown away and had back. How one comes in is in [`chunked`] and [`form`], its bytes in [`content`],
//! several at once in [`bulk`]; what is done to it in between is `jobs`'.

pub(crate) mod bulk;
pub(crate) mod chunked;
pub(crate) mod content;
pub(crate) mod form;
pub(crate) mod shapes;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::audit::Entry;
use db::files::{Change, Changed, Filter};
use domain::audit::{Action, Actor};
use domain::file::{self, FileError, FileName, Folder};
use domain::{FileId, Permission, UserId};
use http::{HeaderMap, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{Push, Target};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::shapes::{FileKindName, FileLimits, FilePage, FileView, FolderView, UpdateFile, VersionList, VersionView};
use crate::account::{AccessError, Account};
use crate::extract::{Fields, Json, Path, Query, storable};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::state::App;
use crate::validators;

/// Folders one list names.
const FOLDERS_MAX: i64 = 1_000;
/// What is searched for.
const WORDS_CHARS_MAX: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct FilePath {
    /// The file's id.
    id: Uuid,
}

impl FilePath {
    fn file(&self) -> FileId {
        FileId::from_uuid(self.id)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VersionPath {
    /// The file's id.
    id: Uuid,
    /// The version's number, from 1.
    number: i32,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileSort {
    /// `a` first.
    #[default]
    Name,
    /// What changed last first.
    Recent,
    /// The largest first.
    Size,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilesQuery {
    /// Only what lies in this folder itself, such as `/` or `/a/b/`. Without it: everywhere.
    path: Option<String>,
    /// Part of the name.
    q: Option<String>,
    #[param(inline)]
    kind: Option<FileKindName>,
    tag: Option<String>,
    /// What was thrown away instead of what was not.
    #[serde(default)]
    trash: bool,
    /// `name` (unless said), `recent` or `size`.
    #[param(inline)]
    sort: Option<FileSort>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Without a scanner only that is taken of which nothing is served but what we make of it.
fn is_media_only(app: &App) -> bool {
    app.config.scan.address().is_none() && !app.config.files.unscanned
}

/// The caller's files.
#[utoipa::path(
    get,
    path = "/api/v1/files",
    operation_id = "files",
    params(FilesQuery),
    responses(
        (status = 200, description = "A page of files, and the folders below the one asked for", body = FilePage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn files(
    State(app): State<App>,
    account: Account,
    Query(query): Query<FilesQuery>,
) -> Result<Json<FilePage>, Problem> {
    let mut fields = Fields::default();
    let folder = query.path.as_deref().and_then(|path| fields.take(Folder::parse(path)));
    if query.q.as_ref().is_some_and(|words| words.chars().count() > WORDS_CHARS_MAX) {
        fields.push("q", "must have at most 100 characters");
    }
    fields.check()?;
    let words = query.q.as_deref().map(storable);
    let tag = query.tag.as_deref().map(|tag| storable(&tag.to_lowercase()));
    let filter = Filter {
        folder: folder.as_ref().map(Folder::as_str),
        words: words.as_deref(),
        kind: query.kind.map(Into::into),
        tag: tag.as_deref(),
        is_trash: query.trash,
    };
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = paging.limit()?;
    let rows = page::rows(limit);
    let owner = account.id;
    let (items, next_cursor, is_first, mut conn) = match query.sort.unwrap_or_default() {
        FileSort::Name => {
            let after = paging.after()?;
            let is_first = after.is_none();
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut items = db::files::by_name(&mut conn, owner, &filter, after, rows).await?;
            let next = page::cut(&mut items, limit, |file| (file.name.clone(), file.id));
            (items, next, is_first, conn)
        }
        FileSort::Recent => {
            let after = paging.after()?;
            let is_first = after.is_none();
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut items = db::files::by_time(&mut conn, owner, &filter, after, rows).await?;
            let next = page::cut(&mut items, limit, |file| (file.changed_at, file.id));
            (items, next, is_first, conn)
        }
        FileSort::Size => {
            let after = paging.after()?;
            let is_first = after.is_none();
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let mut items = db::files::by_size(&mut conn, owner, &filter, after, rows).await?;
            let next = page::cut(&mut items, limit, |file| (file.bytes, file.id));
            (items, next, is_first, conn)
        }
    };
    let folders = match &folder {
        Some(folder) if is_first && !query.trash => {
            let below = db::files::folders(&mut conn, owner, folder, FOLDERS_MAX).await?;
            below.into_iter().map(|below| FolderView::of(below, folder.as_str())).collect()
        }
        _ => Vec::new(),
    };
    Ok(Json(FilePage { items: items.into_iter().map(FileView::from).collect(), folders, next_cursor }))
}

/// What the caller may send, and what room is left.
#[utoipa::path(
    get,
    path = "/api/v1/me/files",
    operation_id = "file_limits",
    responses(
        (status = 200, description = "The limits", body = FileLimits),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn file_limits(State(app): State<App>, account: Account) -> Result<Json<FileLimits>, Problem> {
    let config = &app.config.files;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let offer = app.config.offer(db::plans::of(&mut conn, account.id).await?);
    Ok(Json(FileLimits {
        plan: offer.plan.into(),
        plan_name: offer.name.to_owned(),
        used_bytes: db::files::used(&mut conn, account.id).await?,
        quota_bytes: Some(offer.storage_bytes()).filter(|bytes| *bytes > 0),
        file_bytes_max: offer.upload_bytes(),
        form_bytes_max: config.form_bytes_max(),
        media_only: is_media_only(&app),
        trash_days: config.trash_days,
    }))
}

/// Whose file it is: the caller's, or anybody's for an administrator.
async fn owner(conn: &mut db::Conn, account: &Account, file: FileId) -> Result<UserId, Problem> {
    let role = account.role(conn).await?.ok_or(AccessError::Suspended)?;
    let owner = db::files::owner(conn, file).await?.ok_or(FileError::NotFound)?;
    let may = owner == account.id || role.may(Permission::SeeFiles);
    if may { Ok(owner) } else { Err(FileError::NotFound.into()) }
}

async fn view(conn: &mut db::Conn, owner: UserId, file: FileId) -> Result<Json<FileView>, Problem> {
    let found = db::files::find(conn, owner, file).await?.ok_or(FileError::NotFound)?;
    Ok(Json(found.into()))
}

/// One file, for its owner and administrators.
#[utoipa::path(
    get,
    path = "/api/v1/files/{id}",
    operation_id = "file",
    params(FilePath),
    responses(
        (status = 200, description = "The file", body = FileView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn file(
    State(app): State<App>,
    account: Account,
    Path(path): Path<FilePath>,
) -> Result<Json<FileView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let owner = owner(&mut conn, &account, path.file()).await?;
    view(&mut conn, owner, path.file()).await
}

/// Renames or moves a file, tags it, or changes whom it is for.
#[utoipa::path(
    patch,
    path = "/api/v1/files/{id}",
    operation_id = "update_file",
    params(
        FilePath,
        ("If-Match" = Option<String>, Header, description = "The file's `ETag` as it was read: 412 when it was changed meanwhile"),
    ),
    request_body = UpdateFile,
    responses(
        (status = 200, description = "The changed file", body = FileView),
        (status = "4XX", description = "What went wrong: `file.name-taken` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn update_file(
    State(app): State<App>,
    account: Account,
    client: Client,
    headers: HeaderMap,
    Path(path): Path<FilePath>,
    Json(body): Json<UpdateFile>,
) -> Result<Response, Problem> {
    let mut fields = Fields::default();
    let name = body.name.as_deref().and_then(|name| fields.take(FileName::parse(name)));
    let folder = body.path.as_deref().and_then(|path| fields.take(Folder::parse(path)));
    let visibility = body.visibility.as_deref().and_then(|text| fields.take(file::visibility(text)));
    let tags = body.tags.as_deref().and_then(|tags| fields.take(file::tags(tags)));
    fields.check()?;
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    db::files::lock(&mut tx, account.id, path.file()).await?;
    let before = db::files::find(&mut tx, account.id, path.file()).await?.ok_or(FileError::NotFound)?;
    if !validators::is_as_seen(&headers, &FileView::from(before.clone())) {
        return Ok(validators::changed_meanwhile());
    }
    let change = Change {
        name: name.as_ref().map(FileName::as_str),
        folder: folder.as_ref().map(Folder::as_str),
        visibility,
        tags: tags.as_deref(),
    };
    match db::files::change(&mut tx, account.id, path.file(), &change).await? {
        Changed::Done => {}
        Changed::Absent => return Err(FileError::NotFound.into()),
        Changed::NameTaken => return Err(FileError::NameTaken.into()),
    }
    if let Some(now) = visibility.filter(|now| *now != before.visibility) {
        let mut entry = Entry::new(Actor::Member(account.id), Action::FileVisibilityChanged, before.id, &before.name);
        entry.details = json!({ "from": before.visibility, "to": now });
        entry.addr = Some(client.addr);
        db::audit::write(&mut tx, entry).await?;
    }
    let changed = view(&mut tx, account.id, path.file()).await?;
    db::commit(tx).await?;
    tell(&app, account.id).await;
    Ok(changed.into_response())
}

/// Throws a file away; it can be had back. For its owner and administrators.
#[utoipa::path(
    delete,
    path = "/api/v1/files/{id}",
    operation_id = "trash_file",
    params(FilePath),
    responses(
        (status = 204, description = "It is in the trash"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn trash_file(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<FilePath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let owner = owner(&mut tx, &account, path.file()).await?;
    let found = db::files::find(&mut tx, owner, path.file()).await?.ok_or(FileError::NotFound)?;
    let done = db::files::trash(&mut tx, owner, &[path.file()]).await?;
    if !done.is_empty() {
        let mut entry = Entry::new(Actor::Member(account.id), Action::FileTrashed, found.id, &found.name);
        entry.member = Some(owner);
        entry.addr = Some(client.addr);
        db::audit::write(&mut tx, entry).await?;
    }
    db::commit(tx).await?;
    tell(&app, owner).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a file out of the trash, to where it was. If its name was given away there, it gets another.
#[utoipa::path(
    post,
    path = "/api/v1/files/{id}/restore",
    operation_id = "restore_file",
    params(FilePath),
    responses(
        (status = 200, description = "The file", body = FileView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn restore_file(
    State(app): State<App>,
    account: Account,
    Path(path): Path<FilePath>,
) -> Result<Json<FileView>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    db::files::find(&mut tx, account.id, path.file()).await?.ok_or(FileError::NotFound)?;
    match db::files::restore(&mut tx, account.id, path.file()).await? {
        Changed::Done => {}
        Changed::Absent => return Err(FileError::NotInTrash.into()),
        Changed::NameTaken => return Err(FileError::NameTaken.into()),
    }
    let restored = view(&mut tx, account.id, path.file()).await?;
    db::commit(tx).await?;
    tell(&app, account.id).await;
    Ok(restored)
}

/// Gives up what is being done to a file's newest version. What was served before still is.
#[utoipa::path(
    post,
    path = "/api/v1/files/{id}/cancel",
    operation_id = "cancel_file",
    params(FilePath),
    responses(
        (status = 200, description = "The file", body = FileView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn cancel_file(
    State(app): State<App>,
    account: Account,
    Path(path): Path<FilePath>,
) -> Result<Json<FileView>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    db::files::find(&mut tx, account.id, path.file()).await?.ok_or(FileError::NotFound)?;
    db::files::pipeline::cancel(&mut tx, account.id, path.file()).await?.ok_or(FileError::NothingToCancel)?;
    let cancelled = view(&mut tx, account.id, path.file()).await?;
    db::commit(tx).await?;
    tell(&app, account.id).await;
    Ok(cancelled)
}

/// A file's versions, the newest first; twenty at most.
#[utoipa::path(
    get,
    path = "/api/v1/files/{id}/versions",
    operation_id = "file_versions",
    params(FilePath),
    responses(
        (status = 200, description = "The versions", body = VersionList),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn file_versions(
    State(app): State<App>,
    account: Account,
    Path(path): Path<FilePath>,
) -> Result<Json<VersionList>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let owner = owner(&mut conn, &account, path.file()).await?;
    let found = db::files::find(&mut conn, owner, path.file()).await?.ok_or(FileError::NotFound)?;
    let served = found.current.map(|current| current.number);
    let versions = db::files::versions(&mut conn, owner, path.file()).await?;
    Ok(Json(VersionList { items: versions.into_iter().map(|version| VersionView::of(version, served)).collect() }))
}

/// Serves an earlier version again. Nothing is lost: the later ones stay.
#[utoipa::path(
    post,
    path = "/api/v1/files/{id}/versions/{number}/restore",
    operation_id = "restore_file_version",
    params(VersionPath),
    responses(
        (status = 200, description = "The file", body = FileView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn restore_file_version(
    State(app): State<App>,
    account: Account,
    Path(path): Path<VersionPath>,
) -> Result<Json<FileView>, Problem> {
    let file = FileId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    if !db::files::serve_version(&mut tx, account.id, file, path.number).await? {
        return Err(FileError::NotFound.into());
    }
    let restored = view(&mut tx, account.id, file).await?;
    db::commit(tx).await?;
    tell(&app, account.id).await;
    Ok(restored)
}

/// Tells the owner's other open pages that their list has changed. They ask again.
async fn tell(app: &App, owner: UserId) {
    let push = Push { target: Target::User(owner), event: "file:changed".to_owned(), payload: json!({}), origin: None };
    if let Err(error) = live::fanout::publish(&app.live, &push).await {
        tracing::debug!(%error, "a change of a file was not told");
    }
}
