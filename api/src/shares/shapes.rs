//! The JSON of share links.

use chrono::{DateTime, Utc};
use db::shares::visits::{SharedFile, SharedVod};
use db::shares::{Access, Share};
use domain::share::{Outcome, Permission, ShareKind, ShareState};
use domain::stream::VodStatus;
use kit::share_tokens::{ShareTokens, Subject, Visit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::mentioned;
use crate::files::content::is_harmless;
use crate::files::shapes::FileKindName;
use crate::shapes::Playback;

/// Names of the API for an enum of `domain`, both ways.
macro_rules! names {
    ($(#[$outer:meta])* $name:ident = $of:ident as $schema:ident { $($(#[$inner:meta])* $variant:ident,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $schema)]
        pub(crate) enum $name { $($(#[$inner])* $variant,)+ }

        impl From<$of> for $name {
            fn from(it: $of) -> Self {
                match it { $($of::$variant => Self::$variant,)+ }
            }
        }

        impl From<$name> for $of {
            fn from(it: $name) -> Self {
                match it { $($name::$variant => Self::$variant,)+ }
            }
        }
    };
}

names! {
    /// What a link opens.
    ShareKindName = ShareKind as ShareKind {
        File,
        /// And what lies below it.
        Folder,
        /// A recording.
        Vod,
    }
}

names! {
    /// What may be done with it.
    PermissionName = Permission as SharePermission {
        View,
        /// And saved. A recording is only played, whatever is said here.
        Download,
    }
}

names! {
    /// What became of somebody who came by a link.
    OutcomeName = Outcome as ShareOutcome {
        Granted,
        WrongPassword,
        Expired,
        Exhausted,
        Revoked,
        Gone,
    }
}

names! {
    /// Where a link stands.
    ShareStateName = ShareState as ShareState {
        Active,
        Expired,
        /// Opened as often as it may be.
        Exhausted,
        Revoked,
        /// What it was for is not there any more.
        Gone,
    }
}

const fn view() -> PermissionName {
    PermissionName::View
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShareLink {
    /// A file or a recording of the caller's. Either this or `path`.
    pub(super) resource_id: Option<Uuid>,
    /// What is expected under that id; without it, what is found.
    pub(super) resource_type: Option<ShareKindName>,
    /// A folder of the caller's files, such as `/a/b/`, with all that lies below it now and later. Not `/`.
    pub(super) path: Option<String>,
    #[serde(default = "view")]
    pub(super) permission: PermissionName,
    /// Within five years. Without it the link stands until it is taken back.
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// At least 4 characters.
    pub(super) password: Option<String>,
    /// How often it may be opened: 1 to 1,000,000.
    pub(super) max_accesses: Option<i64>,
    /// The caller is told when it is opened, once an hour at most.
    #[serde(default)]
    pub(super) notify_on_access: bool,
}

/// What is changed of a link; what is left out stays, and null takes away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateShareLink {
    pub(super) permission: Option<PermissionName>,
    #[serde(default, deserialize_with = "mentioned")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub(super) expires_at: Option<Option<DateTime<Utc>>>,
    #[serde(default, deserialize_with = "mentioned")]
    #[schema(value_type = Option<String>)]
    pub(super) password: Option<Option<String>>,
    #[serde(default, deserialize_with = "mentioned")]
    #[schema(value_type = Option<i64>)]
    pub(super) max_accesses: Option<Option<i64>>,
    pub(super) notify_on_access: Option<bool>,
}

/// A link, as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = ShareLink)]
pub(crate) struct ShareView {
    id: Uuid,
    /// The page to pass on. Null once the site's secret has changed: then nobody can tell it again.
    url: Option<String>,
    /// The last part of it.
    token: Option<String>,
    resource_type: ShareKindName,
    /// Null for a folder, and once it is gone.
    resource_id: Option<Uuid>,
    /// A folder's.
    path: Option<String>,
    /// What it is called.
    name: String,
    permission: PermissionName,
    has_password: bool,
    expires_at: Option<DateTime<Utc>>,
    max_accesses: Option<i32>,
    /// How often it was opened.
    accesses: i32,
    notify_on_access: bool,
    state: ShareStateName,
    created_at: DateTime<Utc>,
    last_access_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl ShareView {
    pub(super) fn of(share: Share, token: Option<String>, site_url: &str) -> Self {
        Self {
            id: share.id.as_uuid(),
            url: token.as_deref().map(|token| format!("{site_url}/share/{token}")),
            token,
            resource_type: share.kind.into(),
            resource_id: share.resource,
            path: share.folder,
            name: share.name,
            permission: share.permission.into(),
            has_password: share.password_hash.is_some(),
            expires_at: share.expires_at,
            max_accesses: share.max_accesses,
            accesses: share.accesses,
            notify_on_access: share.notify_on_access,
            state: share.facts.state().into(),
            created_at: share.created_at,
            last_access_at: share.last_access_at,
            revoked_at: share.revoked_at,
        }
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ShareLinkPage {
    pub(super) items: Vec<ShareView>,
    pub(super) next_cursor: Option<String>,
}

/// Somebody who came by a link.
#[derive(Serialize, ToSchema)]
#[schema(as = ShareAccess)]
pub(crate) struct AccessView {
    id: Uuid,
    at: DateTime<Utc>,
    outcome: OutcomeName,
    /// From where, coarsely, such as `203.0.113.0/24`.
    network: String,
    /// `computer`, `phone`, `tablet`, `tv`, `console`, `program` or `unknown`, as its program says of itself.
    device: String,
    system: Option<String>,
    browser: Option<String>,
}

impl From<Access> for AccessView {
    fn from(access: Access) -> Self {
        Self {
            id: access.id,
            at: access.at,
            outcome: access.outcome.into(),
            network: access.network,
            device: access.device,
            system: access.system,
            browser: access.browser,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShareAccessPage)]
pub(crate) struct AccessPage {
    pub(super) items: Vec<AccessView>,
    pub(super) next_cursor: Option<String>,
}

/// A file, as whoever has a link to it sees it. Its addresses are good for minutes; a renewed visit gives new ones.
#[derive(Serialize, ToSchema)]
#[schema(as = SharedFile)]
pub(crate) struct SharedFileView {
    id: Uuid,
    name: String,
    kind: FileKindName,
    mime: String,
    bytes: i64,
    /// A picture's, in pixels.
    width: Option<i32>,
    height: Option<i32>,
    /// Where it can be shown in place. Null for what cannot.
    url: Option<String>,
    /// Where it can be saved from. Null when the link is for looking only.
    download_url: Option<String>,
    /// A picture of at most 480 pixels.
    thumbnail_url: Option<String>,
    changed_at: DateTime<Utc>,
}

impl SharedFileView {
    pub(super) fn of(tokens: &ShareTokens, visit: &Visit, permission: Permission, file: SharedFile) -> Self {
        let token = tokens.issue(visit, Subject::File(file.id));
        let place = format!("/api/v1/shared/{}/files/{}", visit.link, file.id);
        let is_saved = permission == Permission::Download;
        Self {
            id: file.id.as_uuid(),
            url: is_shown(file.kind).then(|| format!("{place}/content?token={token}")),
            download_url: is_saved.then(|| format!("{place}/content?token={token}&download=true")),
            thumbnail_url: file.has_thumb.then(|| format!("{place}/thumbnail?token={token}")),
            name: file.name,
            kind: file.kind.into(),
            mime: file.mime,
            bytes: file.bytes,
            width: file.size.map(|(width, _)| width),
            height: file.size.map(|(_, height)| height),
            changed_at: file.changed_at,
        }
    }
}

/// What a visitor's browser shows in place. A PDF has a viewer of the browser's own around it.
pub(super) const fn is_shown(kind: domain::file::FileKind) -> bool {
    is_harmless(kind) || matches!(kind, domain::file::FileKind::Pdf)
}

/// A folder right below.
#[derive(Serialize, ToSchema)]
pub(crate) struct SharedFolder {
    pub(super) name: String,
    /// From the shared folder on, which is `/`.
    pub(super) path: String,
    /// Of all that can be had in it, however deep.
    pub(super) files: i64,
}

/// What lies in a shared folder.
#[derive(Serialize, ToSchema)]
pub(crate) struct SharedFolderPage {
    /// Where it is: `/` is the shared folder itself.
    pub(super) path: String,
    pub(super) items: Vec<SharedFileView>,
    /// Right below; on the first page only, 500 at most.
    pub(super) folders: Vec<SharedFolder>,
    pub(super) next_cursor: Option<String>,
}

/// A recording, as whoever has a link to it sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = SharedVod)]
pub(crate) struct SharedVodView {
    id: Uuid,
    title: String,
    description: String,
    /// It is still being made.
    is_recording: bool,
    duration_s: f64,
    thumbnail_url: Option<String>,
    storyboard_url: Option<String>,
    playback: Playback,
    /// The `token` argument of media URLs, good for minutes. Null when none is needed.
    token: Option<String>,
    created_at: DateTime<Utc>,
}

impl SharedVodView {
    pub(super) fn of(vod: SharedVod, token: Option<String>) -> Self {
        let base = format!("/vod/{}", vod.id);
        let query = token.as_deref().map(|token| format!("?token={token}")).unwrap_or_default();
        Self {
            id: vod.id.as_uuid(),
            thumbnail_url: vod.has_thumbnail.then(|| format!("{base}/thumbnail.jpg{query}")),
            storyboard_url: vod.has_storyboard.then(|| format!("{base}/storyboard.vtt{query}")),
            playback: Playback::below(&base, &query),
            title: vod.title,
            description: vod.description,
            is_recording: vod.status == VodStatus::Recording,
            duration_s: vod.duration_ms as f64 / 1_000.0,
            token,
            created_at: vod.created_at,
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenShareLink {
    pub(super) password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenewVisit {
    /// `visit` of the answer before.
    pub(super) visit: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharedItems {
    /// `visit` of the answer before.
    pub(super) visit: String,
    /// A folder: `/` is the shared one.
    #[serde(default)]
    pub(super) path: String,
    /// Most items in the answer: 1 to 100, 24 unless said.
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// What is behind a link, for whoever was let in. One of `file`, `folder` and `vod` is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct Shared {
    pub(super) resource_type: ShareKindName,
    pub(super) name: String,
    pub(super) permission: PermissionName,
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// Renews this answer, without opening the link again.
    pub(super) visit: String,
    /// Seconds it and all addresses in here live. Renew before.
    pub(super) expires_in: u64,
    pub(super) file: Option<SharedFileView>,
    /// The shared folder's first page.
    pub(super) folder: Option<SharedFolderPage>,
    pub(super) vod: Option<SharedVodView>,
}
