//! Uploads in parts: begun here, sent by the browser to the bucket or through this node, put together here.
//!
//! The store's own name of an upload is told to nobody. What the caller holds is the version's id and links, each good for one part of one
//! length.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use db::files::uploads::{self, Begun, New, Upload};
use domain::event::Event;
use domain::file::{self, DONE_WITHIN, FileError, FileName, Folder, Parts, sort};
use domain::{BlobId, FileId, VersionId};
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use kit::Problem;
use kit::config::Delivery;
use kit::part_links::Part;
use kit::problem::ProblemBody;
use live::limits::Quota;
use objects::keys::{self, BlobPart};
use objects::{PartHere, UploadInParts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::shapes::FileView;
use crate::account::{AccessError, Account};
use crate::extract::{Fields, Json, Path, Query};
use crate::state::App;

/// Uploads a member may begin, whatever comes of them.
const UPLOADS: Quota = Quota::new(600, Duration::from_secs(3_600));
/// For how long a link to a part is good. Whoever comes back later asks for new ones.
const LINK_TTL: Duration = Duration::from_secs(6 * 3_600);
const ANY_BYTES: &str = "application/octet-stream";
/// Nobody but who asked keeps it.
const KEEP: &str = "private, no-store";

/// A file that is to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUpload {
    /// 1 to 255 characters, no slashes. A name that is there already makes a new version of that file.
    name: String,
    /// The folder, such as `/` or `/a/b/`. `/` unless said.
    #[serde(default)]
    path: String,
    /// In bytes.
    size: u64,
    #[serde(default)]
    mime_type: String,
    /// `private` (unless said), `unlisted` or `public`. Of a file that is there already it stays what it was.
    visibility: Option<String>,
}

/// Where one part goes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartUrl {
    /// From 1.
    part_number: u32,
    /// `PUT` of exactly the part's bytes; the answer's `ETag` is what completing names.
    url: String,
}

/// An upload that may begin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadBegun {
    file_id: Uuid,
    upload_id: Uuid,
    /// Bytes of every part but the last.
    part_size: u64,
    upload_urls: Vec<PartUrl>,
    /// What is not whole by then is given up.
    expires_at: DateTime<Utc>,
}

/// A part that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartView {
    part_number: u32,
    etag: String,
    size: u64,
}

/// An upload under way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadView {
    file_id: Uuid,
    upload_id: Uuid,
    name: String,
    size: i64,
    part_size: u64,
    /// What is there.
    parts: Vec<PartView>,
    /// New links for what is not.
    upload_urls: Vec<PartUrl>,
    expires_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartSent {
    part_number: u32,
    /// As the answer to its `PUT` said, with or without quotes.
    etag: String,
}

/// That all parts are there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteUpload {
    file_id: Uuid,
    upload_id: Uuid,
    /// Every part, in any order.
    parts: Vec<PartSent>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UploadPath {
    /// The upload's id.
    upload_id: Uuid,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PartPath {
    /// The upload's id.
    upload_id: Uuid,
    /// The part's number, from 1.
    part_number: u32,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PartQuery {
    /// Bytes of the part.
    bytes: u64,
    /// Until when the link is good, in seconds since 1970.
    expires: u64,
    /// Ours.
    signature: String,
}

/// An upload that is to be taken in, judged by what is said of it.
pub(super) struct Wanted {
    pub name: FileName,
    pub folder: Folder,
    pub mime: String,
    pub bytes: u64,
    pub visibility: domain::Visibility,
}

impl Wanted {
    /// `mib_max`: what the caller's plan lets one file take.
    pub(super) fn judge(
        app: &App,
        mib_max: u32,
        (name, path, mime): (&str, &str, &str),
        bytes: u64,
        visibility: Option<&str>,
    ) -> Result<Self, Problem> {
        let mut fields = Fields::default();
        let name = fields.take(FileName::parse(name));
        let folder = fields.take(Folder::parse(path));
        let visibility = fields.take(file::visibility(visibility.unwrap_or("private")));
        fields.check()?;
        let (Some(name), Some(folder), Some(visibility)) = (name, folder, visibility) else {
            return Err(FileError::NotFound.into());
        };
        let mime = file::mime(mime);
        if bytes == 0 {
            return Err(FileError::Empty.into());
        }
        if bytes > u64::from(mib_max) << 20 {
            return Err(FileError::TooLarge(u64::from(mib_max)).into());
        }
        if super::is_media_only(app) && !sort::may_be_remade(name.as_str(), &mime) {
            return Err(FileError::MediaOnly.into());
        }
        Ok(Self { name, folder, mime, bytes, visibility })
    }
}

/// Rows of an upload that has begun.
pub(super) struct Place {
    pub file: FileId,
    pub version: VersionId,
    pub blob: BlobId,
    pub lock: String,
}

/// Makes room for an upload; nothing lies in the bucket without a row.
pub(super) async fn reserve(
    app: &App,
    account: &Account,
    wanted: &Wanted,
    parts: Option<&Parts>,
) -> Result<Place, Problem> {
    let verdict = app.limits.hit(&format!("file:{}", account.id), UPLOADS).await;
    if !verdict.is_allowed {
        return Err(FileError::Throttled(verdict.retry_after).into());
    }
    let version = VersionId::from_uuid(kit::ids::uuid());
    let blob = BlobId::from_uuid(kit::ids::uuid());
    let lock = kit::ids::random_token::<16>();
    let new = New {
        version,
        file: FileId::from_uuid(kit::ids::uuid()),
        blob,
        lock: &lock,
        owner: account.id,
        folder: wanted.folder.as_str(),
        name: wanted.name.as_str(),
        mime: &wanted.mime,
        bytes: wanted.bytes.cast_signed(),
        visibility: wanted.visibility,
        part_bytes: parts.map(|parts| parts.part_bytes.cast_signed()),
    };
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    let begun = uploads::begin(&mut tx, &new, app.config.file_rooms()).await?;
    let file = match begun {
        Begun::Done(file) => file,
        Begun::Full => return Err(FileError::Full.into()),
        Begun::TooManyUploads => return Err(FileError::TooManyUploads.into()),
        Begun::TooManyFiles => return Err(FileError::TooMany.into()),
    };
    db::commit(tx).await?;
    Ok(Place { file, version, blob, lock })
}

/// The largest file the caller's plan takes, in MiB.
pub(super) async fn largest(app: &App, account: &Account) -> Result<u32, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    Ok(app.config.offer(db::plans::of(&mut conn, account.id).await?).upload_mib)
}

/// Says that an upload is here, whole: it is looked into from now on.
pub(super) async fn arrived(app: &App, account: &Account, version: VersionId) -> Result<bool, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let is_here = uploads::arrived(&mut tx, account.id, version, DONE_WITHIN.as_secs_f64()).await?;
    if is_here {
        db::outbox::push(&mut tx, &Event::FileArrived { version_id: version }).await?;
    }
    db::commit(tx).await?;
    Ok(is_here)
}

/// Gives up what did not get here.
pub(super) async fn abandon(app: &App, account: &Account, version: VersionId) -> Result<bool, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let is_over = uploads::abort(&mut tx, account.id, version).await?;
    db::commit(tx).await?;
    Ok(is_over)
}

/// Begins an upload: reserves its room, and says where its parts go.
#[utoipa::path(
    post,
    path = "/api/v1/files/chunked-upload/initiate",
    operation_id = "begin_upload",
    request_body = NewUpload,
    responses(
        (status = 201, description = "Where the parts go", body = UploadBegun),
        (status = "4XX", description = "What went wrong: `file.full`, `.too-large`, `.media-only`, `.too-many-uploads` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn begin_upload(
    State(app): State<App>,
    account: Account,
    Json(body): Json<NewUpload>,
) -> Result<(StatusCode, Json<UploadBegun>), Problem> {
    let said = (body.name.as_str(), body.path.as_str(), body.mime_type.as_str());
    let mib_max = largest(&app, &account).await?;
    let wanted = Wanted::judge(&app, mib_max, said, body.size, body.visibility.as_deref())?;
    let parts = Parts::of(wanted.bytes);
    let place = reserve(&app, &account, &wanted, Some(&parts)).await?;
    let key = keys::blob(place.blob, &place.lock, BlobPart::Upload);
    let begun = async {
        let id = app.objects.begin_parts(&key, ANY_BYTES, KEEP).await?;
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        uploads::named(&mut conn, place.blob, &id).await?;
        let upload = uploads::find(&mut conn, Some(account.id), place.version).await?.ok_or(FileError::NoUpload)?;
        drop(conn);
        let urls = links(&app, &upload, &HashMap::new()).await?;
        Ok::<_, Problem>((upload, urls))
    };
    match begun.await {
        Ok((upload, upload_urls)) => {
            let begun = UploadBegun {
                file_id: upload.file.as_uuid(),
                upload_id: upload.version.as_uuid(),
                part_size: parts.part_bytes,
                upload_urls,
                expires_at: upload.expires_at,
            };
            Ok((StatusCode::CREATED, Json(begun)))
        }
        Err(problem) => {
            abandon(&app, &account, place.version).await?;
            Err(problem)
        }
    }
}

/// Links for the parts that are not there yet.
async fn links(app: &App, upload: &Upload, there: &HashMap<u32, PartHere>) -> Result<Vec<PartUrl>, Problem> {
    let plan = plan(upload)?;
    let (key, id) = named(upload)?;
    let expires = kit::clock::unix_seconds() + LINK_TTL.as_secs();
    let mut urls = Vec::with_capacity(plan.count as usize);
    for part_number in (1..=plan.count).filter(|number| !there.contains_key(number)) {
        let Some(bytes) = plan.bytes_of(part_number) else { continue };
        let url = match app.config.storage.delivery {
            Delivery::Proxy | Delivery::Public => {
                let part = Part { upload: upload.version, number: part_number, bytes, expires };
                let (site, version, signature) = (&app.site_url, upload.version, app.part_links.sign(&part));
                format!(
                    "{site}/api/v1/files/chunked-upload/{version}/parts/{part_number}?bytes={bytes}&expires={expires}&signature={signature}"
                )
            }
            Delivery::Presigned => {
                app.objects.presign_part(UploadInParts { key: &key, id }, part_number, bytes, LINK_TTL).await?
            }
        };
        urls.push(PartUrl { part_number, url });
    }
    Ok(urls)
}

fn plan(upload: &Upload) -> Result<Parts, FileError> {
    let part_bytes = upload.part_bytes.ok_or(FileError::NoUpload)?;
    Ok(Parts::with(upload.bytes.cast_unsigned(), part_bytes.cast_unsigned()))
}

/// The store's key and name of an upload.
fn named(upload: &Upload) -> Result<(String, &str), FileError> {
    let id = upload.multipart.as_deref().ok_or(FileError::NoUpload)?;
    Ok((keys::blob(upload.blob, &upload.lock, BlobPart::Upload), id))
}

async fn own(app: &App, account: &Account, upload: Uuid) -> Result<Upload, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = uploads::find(&mut conn, Some(account.id), VersionId::from_uuid(upload)).await?;
    Ok(found.ok_or(FileError::NoUpload)?)
}

async fn parts_there(app: &App, upload: &Upload) -> Result<HashMap<u32, PartHere>, Problem> {
    let (key, id) = named(upload)?;
    let parts = app.objects.parts(UploadInParts { key: &key, id }).await;
    let parts =
        parts.map_err(|error| if error.is_not_found() { FileError::NoUpload.into() } else { Problem::from(error) })?;
    Ok(parts.into_iter().map(|part| (part.number, part)).collect())
}

/// What is there of an upload, and links for the rest: for whoever comes back to it.
#[utoipa::path(
    get,
    path = "/api/v1/files/chunked-upload/{upload_id}",
    operation_id = "upload",
    params(UploadPath),
    responses(
        (status = 200, description = "The upload", body = UploadView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn upload(
    State(app): State<App>,
    account: Account,
    Path(path): Path<UploadPath>,
) -> Result<Json<UploadView>, Problem> {
    let upload = own(&app, &account, path.upload_id).await?;
    let mut there = parts_there(&app, &upload).await?;
    // Completing names each part's ETag: one that nobody can tell is sent again.
    there.retain(|_, part| part.etag.is_some());
    let upload_urls = links(&app, &upload, &there).await?;
    let mut parts: Vec<_> = there
        .into_values()
        .filter_map(|part| Some(PartView { part_number: part.number, etag: part.etag?, size: part.bytes }))
        .collect();
    parts.sort_unstable_by_key(|part| part.part_number);
    Ok(Json(UploadView {
        file_id: upload.file.as_uuid(),
        upload_id: upload.version.as_uuid(),
        part_size: plan(&upload)?.part_bytes,
        name: upload.name,
        size: upload.bytes,
        parts,
        upload_urls,
        expires_at: upload.expires_at,
    }))
}

/// Takes one part in, for who has its link, and passes it on to the bucket as it comes.
#[utoipa::path(
    put,
    path = "/api/v1/files/chunked-upload/{upload_id}/parts/{part_number}",
    operation_id = "put_part",
    params(PartPath, PartQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It is there; the header `ETag` is what completing names"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
    tag = "files",
)]
pub(crate) async fn put_part(
    State(app): State<App>,
    Path(path): Path<PartPath>,
    Query(query): Query<PartQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let version = VersionId::from_uuid(path.upload_id);
    let part = Part { upload: version, number: path.part_number, bytes: query.bytes, expires: query.expires };
    if !app.part_links.is_good(&part, &query.signature) {
        return Err(FileError::NoUpload.into());
    }
    let declared: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared != Some(part.bytes) {
        return Err(FileError::Incomplete("a part has another length than its link says").into());
    }
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let upload = uploads::find(&mut conn, None, version).await?.ok_or(FileError::NoUpload)?;
    drop(conn);
    let _place = app.parts.enter(upload.owner).ok_or(FileError::Busy)?;
    let (key, id) = named(&upload)?;
    let pieces = body.into_data_stream().map(|piece| piece.map_err(axum::BoxError::from));
    let sent = app.objects.put_part(UploadInParts { key: &key, id }, part.number, part.bytes, pieces).await;
    let etag =
        sent.map_err(|error| if error.is_not_found() { FileError::NoUpload.into() } else { Problem::from(error) })?;
    let mut response = StatusCode::OK.into_response();
    let etag = HeaderValue::try_from(etag).map_err(|_| FileError::Busy)?;
    response.headers_mut().insert(ETAG, etag);
    Ok(response)
}

/// Puts the parts together. They are compared with what was declared and with what the bucket has; then the file is looked into.
#[utoipa::path(
    post,
    path = "/api/v1/files/chunked-upload/complete",
    operation_id = "complete_upload",
    request_body = CompleteUpload,
    responses(
        (status = 202, description = "It is here, and will be looked into", body = FileView),
        (status = "4XX", description = "What went wrong: `file.incomplete`, `.no-upload` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn complete_upload(
    State(app): State<App>,
    account: Account,
    Json(body): Json<CompleteUpload>,
) -> Result<(StatusCode, Json<FileView>), Problem> {
    let upload = own(&app, &account, body.upload_id).await?;
    if upload.file.as_uuid() != body.file_id {
        return Err(FileError::NoUpload.into());
    }
    match parts_there(&app, &upload).await {
        Ok(there) => put_together(&app, &account, &upload, &there, &body.parts).await?,
        // Put together before, and nobody was told: it is here if it is as long as it was to be.
        Err(_) if is_whole(&app, &upload).await? => {}
        Err(problem) => return Err(problem),
    }
    if !arrived(&app, &account, upload.version).await? {
        return Err(FileError::NoUpload.into());
    }
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let file = db::files::find(&mut conn, account.id, upload.file).await?.ok_or(FileError::NotFound)?;
    Ok((StatusCode::ACCEPTED, Json(file.into())))
}

/// Compares what was named, what is there and what was declared, and makes it one object.
async fn put_together(
    app: &App,
    account: &Account,
    upload: &Upload,
    there: &HashMap<u32, PartHere>,
    sent: &[PartSent],
) -> Result<(), Problem> {
    let plan = plan(upload)?;
    let said: HashMap<u32, &str> = sent.iter().map(|part| (part.part_number, part.etag.trim_matches('"'))).collect();
    if said.len() != sent.len() || said.len() != plan.count as usize {
        return Err(FileError::Incomplete("not every part was named once").into());
    }
    let mut parts = Vec::with_capacity(said.len());
    for number in 1..=plan.count {
        let (Some(part), Some(etag)) = (there.get(&number), said.get(&number)) else {
            return Err(FileError::Incomplete("a part is missing").into());
        };
        if part.etag.as_ref().is_some_and(|there| there.trim_matches('"') != *etag) {
            return Err(FileError::Incomplete("a part is another one than was sent").into());
        }
        if Some(part.bytes) != plan.bytes_of(number) {
            abandon(app, account, upload.version).await?;
            return Err(FileError::Incomplete("a part has another length than was declared").into());
        }
        parts.push(PartHere { etag: Some((*etag).to_owned()), ..part.clone() });
    }
    let (key, id) = named(upload)?;
    match app.objects.complete_parts(UploadInParts { key: &key, id }, &parts).await {
        Ok(()) => Ok(()),
        // Another request for the same was faster.
        Err(error) if error.is_not_found() && is_whole(app, upload).await? => Ok(()),
        Err(error) if error.is_not_found() => Err(FileError::NoUpload.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the bucket has all of an upload as one object.
async fn is_whole(app: &App, upload: &Upload) -> Result<bool, Problem> {
    match app.objects.head(&keys::blob(upload.blob, &upload.lock, BlobPart::Upload)).await {
        Ok(meta) => Ok(meta.content_length == upload.bytes.cast_unsigned()),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives an upload up. Its room is free at once.
#[utoipa::path(
    delete,
    path = "/api/v1/files/chunked-upload/{upload_id}",
    operation_id = "abort_upload",
    params(UploadPath),
    responses(
        (status = 204, description = "It is over"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn abort_upload(
    State(app): State<App>,
    account: Account,
    Path(path): Path<UploadPath>,
) -> Result<StatusCode, Problem> {
    let is_over = abandon(&app, &account, VersionId::from_uuid(path.upload_id)).await?;
    if is_over { Ok(StatusCode::NO_CONTENT) } else { Err(FileError::NoUpload.into()) }
}
