//! The JSON of files.

use chrono::{DateTime, Utc};
use db::files::{Below, File, Version};
use domain::file::{FileKind, VersionState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::VisibilityName;
use crate::plans::PlanWord;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FileKind)]
pub(crate) enum FileKindName {
    Image,
    Video,
    Audio,
    Pdf,
    Text,
    File,
}

impl From<FileKind> for FileKindName {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Image => Self::Image,
            FileKind::Video => Self::Video,
            FileKind::Audio => Self::Audio,
            FileKind::Pdf => Self::Pdf,
            FileKind::Text => Self::Text,
            FileKind::File => Self::File,
        }
    }
}

impl From<FileKindName> for FileKind {
    fn from(kind: FileKindName) -> Self {
        match kind {
            FileKindName::Image => Self::Image,
            FileKindName::Video => Self::Video,
            FileKindName::Audio => Self::Audio,
            FileKindName::Pdf => Self::Pdf,
            FileKindName::Text => Self::Text,
            FileKindName::File => Self::File,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = VersionState)]
pub(crate) enum VersionStateName {
    /// On its way here.
    Uploading,
    /// Here, whole, and waiting for its turn, or for the virus scanner.
    Queued,
    Processing,
    Completed,
    /// The file had these very bytes already.
    Duplicate,
    /// A scanner found something. Its bytes are gone.
    VirusFailed,
    /// See `fail_code`. Its bytes are gone.
    Failed,
    Cancelled,
}

impl From<VersionState> for VersionStateName {
    fn from(state: VersionState) -> Self {
        match state {
            VersionState::Uploading => Self::Uploading,
            VersionState::Queued => Self::Queued,
            VersionState::Processing => Self::Processing,
            VersionState::Completed => Self::Completed,
            VersionState::Duplicate => Self::Duplicate,
            VersionState::VirusFailed => Self::VirusFailed,
            VersionState::Failed => Self::Failed,
            VersionState::Cancelled => Self::Cancelled,
        }
    }
}

/// A member's file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileView {
    id: Uuid,
    name: String,
    /// The folder it lies in: `/`, or `/a/b/`.
    path: String,
    kind: FileKindName,
    /// As which it is served; null before it is.
    mime: Option<String>,
    /// Of what is served, or of what is on its way.
    bytes: i64,
    /// A picture's, in pixels.
    width: Option<i32>,
    height: Option<i32>,
    visibility: VisibilityName,
    tags: Vec<String>,
    /// Of its newest version.
    state: VersionStateName,
    /// How far the newest version is, in hundredths.
    progress: i16,
    /// Why nothing became of the newest version, such as `file.infected`.
    fail_code: Option<String>,
    /// The newest version's number.
    version: i32,
    /// Of the newest version: what an upload under way is called.
    upload_id: Uuid,
    /// The number of the version that is served. Null: none is yet.
    served_version: Option<i32>,
    /// Where its bytes are served; null when they are not.
    url: Option<String>,
    /// A picture of at most 480 pixels.
    thumbnail_url: Option<String>,
    /// What its video became.
    vod_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    /// When it was thrown away.
    trashed_at: Option<DateTime<Utc>>,
}

impl From<File> for FileView {
    fn from(file: File) -> Self {
        let current = file.current.as_ref();
        let place = format!("/api/v1/files/{}", file.id);
        let size = current.and_then(|current| current.size);
        Self {
            id: file.id.as_uuid(),
            path: file.folder,
            kind: file.kind.into(),
            mime: current.map(|current| current.mime.clone()),
            bytes: file.bytes,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            visibility: file.visibility.into(),
            tags: file.tags,
            state: file.newest.state.into(),
            progress: file.newest.progress,
            fail_code: file.newest.fail_code,
            version: file.newest.number,
            upload_id: file.newest.id.as_uuid(),
            served_version: current.map(|current| current.number),
            url: current.filter(|current| !current.is_withheld).map(|_| format!("{place}/content")),
            thumbnail_url: current.filter(|current| current.has_thumb).map(|_| format!("{place}/thumbnail")),
            vod_id: file.vod.map(domain::VodId::as_uuid),
            created_at: file.created_at,
            changed_at: file.changed_at,
            trashed_at: file.trashed_at,
            name: file.name,
        }
    }
}

/// A folder, which is there as long as something lies in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Folder)]
pub(crate) struct FolderView {
    name: String,
    path: String,
    /// Of all files in it, however deep.
    files: i64,
    bytes: i64,
}

impl FolderView {
    pub(super) fn of(below: Below, within: &str) -> Self {
        Self { path: format!("{within}{}/", below.name), name: below.name, files: below.files, bytes: below.bytes }
    }
}

/// A page of files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilePage {
    pub(super) items: Vec<FileView>,
    /// Right below the folder that was asked for; on the first page only.
    pub(super) folders: Vec<FolderView>,
    pub(super) next_cursor: Option<String>,
}

/// What may be sent, and what room is left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileLimits {
    /// The caller's plan, of which the limits are.
    pub(super) plan: PlanWord,
    /// As the operator calls it.
    pub(super) plan_name: String,
    /// What the caller's files take, those in the trash and on their way included.
    pub(super) used_bytes: i64,
    /// What they may take. Null: no limit.
    pub(super) quota_bytes: Option<i64>,
    /// Most bytes of one file.
    pub(super) file_bytes_max: u64,
    /// Most bytes of a file that is sent as one form.
    pub(super) form_bytes_max: u64,
    /// Only pictures and videos are taken: the site has no virus scanner.
    pub(super) media_only: bool,
    /// Days that what was thrown away can be had back.
    pub(super) trash_days: u32,
}

/// What a file was, or is to be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileVersion)]
pub(crate) struct VersionView {
    number: i32,
    state: VersionStateName,
    progress: i16,
    fail_code: Option<String>,
    bytes: i64,
    created_at: DateTime<Utc>,
    /// Its bytes are there: it can be downloaded and served again.
    is_kept: bool,
    /// It is what is served.
    is_served: bool,
}

impl VersionView {
    pub(super) fn of(version: Version, served: Option<i32>) -> Self {
        Self {
            is_served: served == Some(version.number),
            number: version.number,
            state: version.state.into(),
            progress: version.progress,
            fail_code: version.fail_code,
            bytes: version.bytes,
            created_at: version.created_at,
            is_kept: version.is_kept,
        }
    }
}

/// A file's versions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionList {
    pub(super) items: Vec<VersionView>,
}

/// What is changed of a file; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateFile {
    /// 1 to 255 characters, no slashes.
    pub(super) name: Option<String>,
    /// The folder to move it to.
    pub(super) path: Option<String>,
    /// `private`, `unlisted` or `public`.
    pub(super) visibility: Option<String>,
    /// At most 20, of at most 40 characters each.
    pub(super) tags: Option<Vec<String>>,
}

/// What to do with several files, or with folders and all in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BulkAction {
    /// Into the trash.
    Trash,
    /// Out of the trash.
    Restore,
    /// For good; only what is in the trash.
    Erase,
    /// To the folder `path`.
    Move,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bulk {
    pub(super) action: BulkAction,
    /// Files, at most 500 in one request.
    #[serde(default)]
    pub(super) ids: Vec<Uuid>,
    /// Folders, for `trash` and `move`; at most 20.
    #[serde(default)]
    pub(super) folders: Vec<String>,
    /// Where `move` moves to.
    pub(super) path: Option<String>,
}

/// What was done to several files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkDone {
    /// Files it was done to.
    pub(super) done: usize,
    /// Files it was not done to, because one of that name is there already.
    pub(super) name_taken: Vec<Uuid>,
}
