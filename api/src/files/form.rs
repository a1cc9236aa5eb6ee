//! A small file, sent as one form.

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use domain::file::sort::Sorted;
use domain::file::{FileError, HEAD_BYTES};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use objects::FileUpload;
use objects::keys::{self, BlobPart};
use utoipa::ToSchema;

use super::chunked::{Wanted, abandon, arrived, largest, reserve};
use super::shapes::FileView;
use crate::account::Account;
use crate::extract::Json;
use crate::intake::{self, IntakeError};
use crate::state::App;

const ANY_BYTES: &str = "application/octet-stream";
const KEEP: &str = "private, no-store";

/// The form, for the document. Its words stand before the file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FileForm {
    /// The folder; `/` unless said.
    path: Option<String>,
    /// `private` (unless said), `unlisted` or `public`.
    visibility: Option<String>,
    /// With its name and its type, which must agree with its bytes.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Takes in a file of at most `files.form_mib_max`. A name that is there already makes a new version of that file.
#[utoipa::path(
    post,
    path = "/api/v1/files/upload",
    operation_id = "upload_file",
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "It is here, and will be looked into", body = FileView),
        (status = "4XX", description = "What went wrong: `file.full`, `.too-large`, `.not-what-it-says`, `.media-only` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn upload_file(
    State(app): State<App>,
    account: Account,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<FileView>), Problem> {
    let limits = &app.config.files;
    let mib_max = limits.form_mib_max;
    let _place = app.intake.enter(account.id).ok_or(FileError::Busy)?;
    let declared: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > limits.form_bytes_max() + intake::FORM_BYTES_MAX) {
        return Err(FileError::TooLarge(u64::from(mib_max)).into());
    }
    let form = form.map_err(|_| FileError::NoFile)?;
    let received = intake::receive(form, &app.config.data_dir, mib_max, HEAD_BYTES).await;
    let received = received.map_err(|error| match error {
        IntakeError::TooLarge => FileError::TooLarge(u64::from(mib_max)),
        IntakeError::NoFile => FileError::NoFile,
        IntakeError::Empty => FileError::Empty,
        IntakeError::Busy => FileError::Busy,
    })?;
    let word = |name: &str| received.words.get(name).map(String::as_str);
    let said = (received.name.as_str(), word("path").unwrap_or_default(), received.mime.as_str());
    let mib_max = largest(&app, &account).await?;
    let wanted = Wanted::judge(&app, mib_max, said, received.bytes, word("visibility"))?;
    // Looked into again later; but whoever sends it hears of it now.
    Sorted::judge(wanted.name.as_str(), &wanted.mime, &received.head)?;
    let place = reserve(&app, &account, &wanted, None).await?;
    let upload = FileUpload {
        key: &keys::blob(place.blob, &place.lock, BlobPart::Upload),
        file: &received.file,
        bytes: received.bytes,
        sha256: received.sha256,
        content_type: ANY_BYTES,
        cache_control: KEEP,
    };
    if let Err(error) = app.objects.put_file(&upload).await {
        abandon(&app, &account, place.version).await?;
        return Err(error.into());
    }
    if !arrived(&app, &account, place.version).await? {
        return Err(FileError::NoUpload.into());
    }
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let file = db::files::find(&mut conn, account.id, place.file).await?.ok_or(FileError::NotFound)?;
    Ok((StatusCode::CREATED, Json(file.into())))
}
