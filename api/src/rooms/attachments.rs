//! Pictures and files of a room's messages: taken in, served to who sits there, taken back while they are in no message.
//!
//! Nothing lies in the bucket without a row, and a row decides whether something is served. Of a picture only our own encoding ever is; a
//! file only after a scanner called it clean, and only to be saved.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::response::{IntoResponse, Response};
use db::attachments::{New, Picture, Reserved};
use domain::attachment::{AttachmentError, AttachmentKind, AttachmentState, HEAD_BYTES, Offer, Shown};
use domain::{AttachmentId, RoomId};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use objects::keys::{self, AttachmentPart};
use objects::{FileUpload, NewObject};
use pictures::{Made, PictureError, Use};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::RoomPath;
use crate::account::{AccessError, Account};
use crate::extract::{Json, Path};
use crate::intake::{self, IntakeError, Received};
use crate::state::App;

/// Uploads a member may begin, whatever came of them.
const UPLOADS: Quota = Quota::new(60, Duration::from_secs(600));
/// Nobody but who asked keeps it, and only while they look.
const KEEP: &str = "private, no-store";
/// Should something be opened as a page after all, it is one that can do nothing.
const HARMLESS: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
const SAME_SITE: (HeaderName, &str) = (HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
const ANY_BYTES: &str = "application/octet-stream";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AttachmentPath {
    /// The room's id.
    id: Uuid,
    /// The attachment's id.
    attachment: Uuid,
}

impl AttachmentPath {
    fn room(&self) -> RoomId {
        RoomId::from_uuid(self.id)
    }

    fn attachment(&self) -> AttachmentId {
        AttachmentId::from_uuid(self.attachment)
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttachmentKind)]
pub(crate) enum AttachmentKindName {
    /// Shown in the message.
    Image,
    /// Saved only.
    File,
}

impl From<AttachmentKind> for AttachmentKindName {
    fn from(kind: AttachmentKind) -> Self {
        match kind {
            AttachmentKind::Image => Self::Image,
            AttachmentKind::File => Self::File,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttachmentState)]
pub(crate) enum AttachmentStateName {
    /// A scanner has not said yet that it is clean; it is served to nobody.
    Checking,
    Ready,
    /// A scanner found something. It is gone.
    Infected,
    /// Nobody could say for days whether it is clean. It is gone.
    Failed,
}

/// A picture or file of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attachment {
    id: Uuid,
    name: String,
    r#type: AttachmentKindName,
    /// Of a picture: of what is served. Of a file: what its sender called it; it is served as bytes.
    mime: String,
    bytes: i64,
    /// A picture's, in pixels.
    width: Option<i32>,
    height: Option<i32>,
    state: AttachmentStateName,
    /// A picture of at most 480 pixels, once it is ready.
    thumbnail_url: Option<String>,
    /// Once it is ready.
    url: Option<String>,
}

impl From<Shown> for Attachment {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.id.as_uuid(),
            name: shown.name,
            r#type: shown.kind.into(),
            mime: shown.mime,
            bytes: shown.bytes,
            width: shown.width,
            height: shown.height,
            state: match shown.state {
                AttachmentState::Storing | AttachmentState::Checking => AttachmentStateName::Checking,
                AttachmentState::Ready => AttachmentStateName::Ready,
                AttachmentState::Infected => AttachmentStateName::Infected,
                AttachmentState::Failed => AttachmentStateName::Failed,
            },
            thumbnail_url: shown.thumbnail_url,
            url: shown.url,
        }
    }
}

/// What may be sent here.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct AttachmentLimits {
    /// Most bytes of one file.
    bytes_max: u64,
    /// Only JPEG, PNG, WebP and GIF pictures: the site has no virus scanner.
    images_only: bool,
}

impl AttachmentLimits {
    pub(super) fn of(app: &App) -> Self {
        Self { bytes_max: app.config.attachments.bytes_max(), images_only: !has_scanner(app) }
    }
}

/// The form, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct AttachmentForm {
    /// With its name and its type. Of a picture (JPEG, PNG, WebP, GIF) name, type and bytes must agree.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

fn has_scanner(app: &App) -> bool {
    app.config.scan.address().is_some()
}

/// Takes in a picture or file for a message, which `room:send` then names. What is in no message after an hour is deleted.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{id}/attachments",
    operation_id = "upload_attachment",
    params(RoomPath),
    request_body(content = AttachmentForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "What was taken in", body = Attachment),
        (status = "4XX", description = "What went wrong: `attachment.too-large`, `.not-a-picture`, `.images-only`, `.full`, `.infected` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn upload_attachment(
    State(app): State<App>,
    account: Account,
    Path(path): Path<RoomPath>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<Attachment>), Problem> {
    let room = path.room();
    may_send(&app, &account, room).await?;
    let verdict = app.limits.hit(&format!("attachment:{}", account.id), UPLOADS).await;
    if !verdict.is_allowed {
        return Err(AttachmentError::Throttled(verdict.retry_after).into());
    }
    let limits = app.config.attachments.clone();
    let _place = app.intake.enter(account.id).ok_or(AttachmentError::Busy)?;
    let declared: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > limits.bytes_max() + intake::FORM_BYTES_MAX) {
        return Err(AttachmentError::TooLarge(limits.file_mib_max).into());
    }
    let form = form.map_err(|_| AttachmentError::NoFile)?;
    let received = intake::receive(form, &app.config.data_dir, limits.file_mib_max, HEAD_BYTES).await;
    let received = received.map_err(|error| match error {
        IntakeError::TooLarge => AttachmentError::TooLarge(limits.file_mib_max),
        IntakeError::NoFile => AttachmentError::NoFile,
        IntakeError::Empty => AttachmentError::Empty,
        IntakeError::Busy => AttachmentError::Busy,
    })?;
    let offer = Offer::judge(&received.name, &received.mime, &received.head)?;
    let made = match offer.picture {
        Some(format) => {
            let file = received.file.try_clone().map_err(|_| AttachmentError::Busy)?;
            let made = app
                .studio
                .work(move || pictures::develop(file, format, Use::Message))
                .await
                .ok_or(AttachmentError::Busy)?;
            // A decoder that panicked on it did not find a picture.
            Some(made.unwrap_or(Err(PictureError::NotAPicture)).map_err(not_taken)?)
        }
        None if has_scanner(&app) => None,
        None => return Err(AttachmentError::ImagesOnly.into()),
    };
    let kept = keep(&app, &account, room, (&received, &offer), made).await?;
    Ok((StatusCode::CREATED, Json(kept.into())))
}

fn not_taken(error: PictureError) -> AttachmentError {
    match error {
        PictureError::NotAPicture => AttachmentError::NotAPicture,
        PictureError::TooManyPixels => AttachmentError::TooManyPixels,
        PictureError::Failed => AttachmentError::Busy,
    }
}

fn row(made: &Made) -> Picture<'_> {
    Picture { width: made.width.cast_signed(), height: made.height.cast_signed(), thumb_mime: made.thumbnail.mime }
}

/// An error unless the caller may say something in the room now.
async fn may_send(app: &App, account: &Account, room: RoomId) -> Result<(), Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.role(&mut conn).await?.ok_or(AccessError::Suspended)?;
    let seat = super::seat(&mut conn, account, room).await?;
    if seat.is_archived {
        return Err(domain::rooms::RoomError::Archived.into());
    }
    if let Some(other) = seat.other {
        db::rooms::writing(&mut conn, account.id, other).await?.refusal()?;
    }
    Ok(())
}

/// Makes a row, then the objects, then says that they are there. Whatever breaks off in between, the row has them go.
async fn keep(
    app: &App,
    account: &Account,
    room: RoomId,
    (received, offer): (&Received, &Offer),
    made: Option<Made>,
) -> Result<Shown, Problem> {
    let id = AttachmentId::from_uuid(kit::ids::uuid());
    let lock = kit::ids::random_token::<16>();
    let is_scanned = has_scanner(app);
    // Our own encoding of a picture takes nothing over from what was sent; what was sent is kept for the scanner only.
    let has_upload = made.is_some() && is_scanned;
    let new = New {
        id,
        room,
        user: account.id,
        lock: &lock,
        name: &offer.name,
        mime: made.as_ref().map_or(&offer.mime, |made| made.picture.mime),
        bytes: made.as_ref().map_or(received.bytes, |made| made.picture.bytes.len() as u64).cast_signed(),
        picture: made.as_ref().map(row),
        sha256: &received.sha256,
        stored_bytes: made.as_ref().map_or(received.bytes, Made::bytes).cast_signed(),
        has_upload,
    };
    let mut tx = db::begin(&app.pool).await?;
    let reserved = db::attachments::reserve(&mut tx, &new, app.config.attachments.quota_bytes()).await?;
    db::commit(tx).await?;
    match reserved {
        Reserved::Done => {}
        Reserved::TooManyUnsent => return Err(AttachmentError::TooManyUnsent.into()),
        Reserved::Full => return Err(AttachmentError::Full.into()),
        Reserved::Infected => return Err(AttachmentError::Infected.into()),
    }
    let key = |part| keys::attachment(id, &lock, part);
    let stored = async {
        if let Some(made) = made {
            for (part, encoded) in
                [(AttachmentPart::Picture, made.picture), (AttachmentPart::Thumbnail, made.thumbnail)]
            {
                let key = key(part);
                let body = encoded.bytes.into();
                app.objects.put(NewObject { key: &key, body, content_type: encoded.mime, cache_control: KEEP }).await?;
            }
        }
        if is_scanned {
            let upload = FileUpload {
                key: &key(AttachmentPart::Upload),
                file: &received.file,
                bytes: received.bytes,
                sha256: received.sha256,
                content_type: ANY_BYTES,
                cache_control: KEEP,
            };
            app.objects.put_file(&upload).await?;
        }
        Ok::<(), Problem>(())
    };
    let outcome = stored.await;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if let Err(error) = outcome {
        db::attachments::abandon(&mut conn, id).await?;
        return Err(error);
    }
    let kept = db::attachments::stored(&mut conn, id, is_scanned).await?.ok_or(AttachmentError::NotFound)?;
    metrics::counter!("rillcast_attachments_total", "type" => kept.kind.as_str()).increment(1);
    Ok(kept.shown())
}

/// A picture as it is shown large, or a file to be saved.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{id}/attachments/{attachment}",
    operation_id = "attachment",
    params(AttachmentPath),
    responses(
        (status = 200, description = "Its bytes", content_type = "*/*"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn attachment(
    State(app): State<App>,
    account: Account,
    Path(path): Path<AttachmentPath>,
) -> Result<Response, Problem> {
    serve(&app, &account, &path, false).await
}

/// A picture of at most 480 pixels.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{id}/attachments/{attachment}/thumbnail",
    operation_id = "attachment_thumbnail",
    params(AttachmentPath),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn attachment_thumbnail(
    State(app): State<App>,
    account: Account,
    Path(path): Path<AttachmentPath>,
) -> Result<Response, Problem> {
    serve(&app, &account, &path, true).await
}

async fn serve(app: &App, account: &Account, path: &AttachmentPath, is_small: bool) -> Result<Response, Problem> {
    let missing = AttachmentError::NotFound;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = db::attachments::served(&mut conn, path.room(), path.attachment(), account.id).await?;
    drop(conn);
    let found = found.ok_or(AttachmentError::NotFound)?;
    let (part, mime) = match (found.kind, is_small, &found.thumb_mime) {
        (AttachmentKind::Image, false, _) => (AttachmentPart::Picture, found.mime.as_str()),
        (AttachmentKind::Image, true, Some(mime)) => (AttachmentPart::Thumbnail, mime.as_str()),
        (AttachmentKind::File, false, _) => (AttachmentPart::Upload, ANY_BYTES),
        _ => return Err(missing.into()),
    };
    let object = app.objects.get(&keys::attachment(found.id, &found.lock, part), None).await;
    let object = object.map_err(|error| if error.is_not_found() { missing.into() } else { Problem::from(error) })?;
    let disposition = match found.kind {
        AttachmentKind::Image => disposition("inline", &picture_name(&found.name, mime)),
        AttachmentKind::File => disposition("attachment", &found.name),
    };
    let mut response = Body::from_stream(object.body).into_response();
    let headers = response.headers_mut();
    let (name, value) = SAME_SITE;
    headers.insert(name, HeaderValue::from_static(value));
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(mime).unwrap_or(HeaderValue::from_static(ANY_BYTES)));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(object.meta.content_length));
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(HARMLESS));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
    Ok(response)
}

/// What was sent as one kind of picture is served as another.
fn picture_name(name: &str, mime: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}.{}", if mime == "image/webp" { "webp" } else { "jpg" })
}

/// RFC 6266: the name in UTF-8, percent-encoded, and without what is not ASCII for who does not know that.
pub(crate) fn disposition(how: &str, name: &str) -> HeaderValue {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let ascii: String =
        name.chars().map(|c| u8::try_from(c).ok().filter(|b| is_plain(*b)).map_or('_', char::from)).collect();
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    let text = format!("{how}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Takes back what the caller has uploaded and not sent.
#[utoipa::path(
    delete,
    path = "/api/v1/rooms/{id}/attachments/{attachment}",
    operation_id = "take_attachment_back",
    params(AttachmentPath),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "rooms",
)]
pub(crate) async fn take_attachment_back(
    State(app): State<App>,
    account: Account,
    Path(path): Path<AttachmentPath>,
) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let is_done = db::attachments::take_back(&mut conn, path.room(), path.attachment(), account.id).await?;
    if is_done { Ok(StatusCode::NO_CONTENT) } else { Err(AttachmentError::NotFound.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        let said = disposition("attachment", "Hóa \"đơn\";\r\n x.pdf");
        assert_eq!(
            said.to_str().unwrap(),
            "attachment; filename=\"H_a____n_____x.pdf\"; filename*=UTF-8''H%C3%B3a%20%22%C4%91%C6%A1n%22%3B%0D%0A%20x.pdf"
        );
        assert_eq!(picture_name("cat.png", "image/webp"), "cat.webp");
        assert_eq!(picture_name("cat", "image/jpeg"), "cat.jpg");
    }
}
