//! The JSON of members, channels, streams and recordings, as every list and page shows them.

use chrono::{DateTime, Utc};
use db::users::Person;
use db::vods::Making;
use domain::import::ImportState;
use domain::stream::{StreamStatus, VodStatus};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Eyes, VisibilityName};
use crate::viewers::Count;

/// The caller's own account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    id: Uuid,
    username: String,
    display_name: String,
    email: String,
    role: RoleName,
    avatar_url: Option<String>,
    bio: String,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub(crate) enum RoleName {
    User,
    Moderator,
    Admin,
}

impl From<domain::user::Role> for RoleName {
    fn from(role: domain::user::Role) -> Self {
        match role {
            domain::user::Role::User => Self::User,
            domain::user::Role::Moderator => Self::Moderator,
            domain::user::Role::Admin => Self::Admin,
        }
    }
}

impl From<db::users::User> for User {
    fn from(user: db::users::User) -> Self {
        Self {
            id: user.id.as_uuid(),
            username: user.username.to_string(),
            display_name: user.display_name,
            email: user.email,
            role: user.role.into(),
            avatar_url: user.avatar_key.as_deref().map(objects::keys::avatar_url),
            bio: user.bio,
            created_at: user.created_at,
        }
    }
}

/// A channel's name and face.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ChannelRef {
    pub username: String,
    pub display_name: String,
    pub avatar_url: Option<String>,
}

impl From<Person> for ChannelRef {
    fn from(person: Person) -> Self {
        Self {
            username: person.username,
            display_name: person.display_name,
            avatar_url: person.avatar_key.as_deref().map(objects::keys::avatar_url),
        }
    }
}

/// A category's name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CategoryRef {
    pub slug: String,
    pub name: String,
}

/// Where to play it. Paths on this site. Of what is not for everybody they carry a `token` that lives for minutes; the object's
/// `playback-token` makes a fresh one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Playback {
    pub hls: String,
    /// MPEG-DASH of the same segments.
    pub dash: Option<String>,
}

impl Playback {
    pub(crate) fn below(base: &str, query: &str) -> Self {
        Self { hls: format!("{base}/index.m3u8{query}"), dash: Some(format!("{base}/index.mpd{query}")) }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StreamStatus)]
pub(crate) enum StreamState {
    Live,
    /// The broadcaster's connection is lost; the stream waits until `reconnect_until`.
    Reconnecting,
    Ended,
}

/// A stream.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Stream {
    pub id: Uuid,
    pub channel: ChannelRef,
    pub title: String,
    pub description: String,
    pub category: Option<CategoryRef>,
    pub tags: Vec<String>,
    pub status: StreamState,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub reconnect_until: Option<DateTime<Utc>>,
    /// Unique viewers now.
    pub viewers: u64,
    /// The count is the last one known: the live service is away.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub viewers_stale: bool,
    pub thumbnail_url: Option<String>,
    pub visibility: VisibilityName,
    pub playback: Playback,
    /// What the server decided about lower renditions and why. Only the broadcaster sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renditions_note: Option<String>,
}

impl Stream {
    /// A stream that was found for the caller.
    pub(crate) fn of(stream: db::streams::Stream, count: Count, eyes: &Eyes<'_>) -> Self {
        let is_over = stream.status == StreamStatus::Ended;
        let base = format!("/live/{}", stream.owner.username);
        let query = eyes.stream_query(stream.id, stream.channel, stream.visibility);
        Self {
            id: stream.id.as_uuid(),
            title: stream.title,
            description: stream.description,
            category: stream.category.map(|(slug, name)| CategoryRef { slug, name }),
            tags: stream.tags,
            status: match stream.status {
                StreamStatus::Starting | StreamStatus::Live => StreamState::Live,
                StreamStatus::Reconnecting => StreamState::Reconnecting,
                StreamStatus::Ended => StreamState::Ended,
            },
            started_at: stream.started_at,
            ended_at: stream.ended_at,
            reconnect_until: stream.reconnect_until,
            viewers: if is_over { 0 } else { count.viewers },
            viewers_stale: !is_over && count.is_stale,
            thumbnail_url: (!is_over).then(|| format!("{base}/thumbnail.jpg{query}")),
            visibility: stream.visibility.into(),
            playback: Playback::below(&base, &query),
            renditions_note: stream.renditions_note.filter(|_| eyes.id() == Some(stream.channel)),
            channel: stream.owner.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = VodStatus)]
pub(crate) enum VodState {
    /// The stream still runs; what there is can be played.
    Recording,
    /// It is made from a file: nothing can be played yet. Only the owner and moderators see such recordings.
    Processing,
    Ready,
    Failed,
}

/// A recording.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Vod {
    pub id: Uuid,
    /// Null for one that was made from a file.
    pub stream_id: Option<Uuid>,
    pub channel: ChannelRef,
    pub title: String,
    pub description: String,
    pub category: Option<CategoryRef>,
    pub tags: Vec<String>,
    pub status: VodState,
    /// Of one that is made from a file: how much of it is done, 0 to 100. Also while lower renditions are added to one that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// Of one that is made from a file: whether it can be tried again now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_retry: Option<bool>,
    /// Why it failed: a sentence, or for one made from a file a code (`import.…`). Only the owner and moderators see failed recordings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_reason: Option<String>,
    /// `quota`: the channel's room was full, and the stream was recorded no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    pub duration_s: f64,
    pub views: i64,
    pub thumbnail_url: Option<String>,
    pub storyboard_url: Option<String>,
    pub visibility: VisibilityName,
    pub playback: Playback,
    pub created_at: DateTime<Utc>,
}

/// Hundredths that are done, while anything is.
fn progress(making: Making) -> Option<u8> {
    let is_under_way = matches!(making.state, ImportState::Queued | ImportState::Running);
    is_under_way.then(|| u8::try_from(making.progress / 10).unwrap_or(0).min(100))
}

impl Vod {
    /// A recording that was found for the caller.
    pub(crate) fn of(vod: db::vods::Vod, eyes: &Eyes<'_>) -> Self {
        let base = format!("/vod/{}", vod.id);
        let query = eyes.vod_query(vod.id, vod.channel, vod.visibility);
        Self {
            id: vod.id.as_uuid(),
            stream_id: vod.stream.map(domain::StreamId::as_uuid),
            channel: vod.owner.into(),
            title: vod.title,
            description: vod.description,
            category: vod.category.map(|(slug, name)| CategoryRef { slug, name }),
            tags: vod.tags,
            status: match vod.status {
                VodStatus::Recording => VodState::Recording,
                VodStatus::Processing => VodState::Processing,
                VodStatus::Ready => VodState::Ready,
                VodStatus::Failed => VodState::Failed,
            },
            progress: vod.import.and_then(progress),
            may_retry: vod.import.map(|making| {
                making.is_settled && matches!(making.state, ImportState::Failed | ImportState::Cancelled)
            }),
            fail_reason: vod.fail_reason,
            stop_reason: vod.stop_reason,
            duration_s: vod.duration_ms as f64 / 1_000.0,
            views: vod.views,
            thumbnail_url: vod.thumbnail_key.map(|_| format!("{base}/thumbnail.jpg{query}")),
            storyboard_url: vod.has_storyboard.then(|| format!("{base}/storyboard.vtt{query}")),
            visibility: vod.visibility.into(),
            playback: Playback::below(&base, &query),
            created_at: vod.created_at,
        }
    }
}
