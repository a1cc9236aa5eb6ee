//! The JSON of clips.

use chrono::{DateTime, Utc};
use domain::clip::Clippers;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Eyes, VisibilityName};
use crate::shapes::{ChannelRef, Playback};

/// Who may make clips of a channel's recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Clippers)]
pub(crate) enum ClippersName {
    /// Every member who may see the recording.
    Everybody,
    /// The channel's followers and its moderators.
    Followers,
    Moderators,
    /// But the channel's owner.
    Nobody,
}

impl From<Clippers> for ClippersName {
    fn from(who: Clippers) -> Self {
        match who {
            Clippers::Everybody => Self::Everybody,
            Clippers::Followers => Self::Followers,
            Clippers::Moderators => Self::Moderators,
            Clippers::Nobody => Self::Nobody,
        }
    }
}

impl From<ClippersName> for Clippers {
    fn from(name: ClippersName) -> Self {
        match name {
            ClippersName::Everybody => Self::Everybody,
            ClippersName::Followers => Self::Followers,
            ClippersName::Moderators => Self::Moderators,
            ClippersName::Nobody => Self::Nobody,
        }
    }
}

/// A moment cut out of a recording.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Clip)]
pub(crate) struct ClipView {
    pub id: Uuid,
    pub vod_id: Uuid,
    pub vod_title: String,
    /// Whose recording it is.
    pub channel: ChannelRef,
    /// Who made the clip.
    pub creator: ChannelRef,
    pub title: String,
    /// From the recording's beginning.
    pub start_ms: i64,
    pub duration_ms: i64,
    pub views: i64,
    pub thumbnail_url: Option<String>,
    /// The recording's: its times are the recording's, too.
    pub storyboard_url: Option<String>,
    /// The recording's.
    pub visibility: VisibilityName,
    /// Of what is not for everybody with a `token`; the recording's `playback-token` makes a fresh one. There is no `dash`.
    pub playback: Playback,
    pub created_at: DateTime<Utc>,
    /// Whether the caller may call it something else.
    pub may_rename: bool,
    pub may_delete: bool,
}

impl ClipView {
    /// A clip that was found for the caller.
    pub(crate) fn of(clip: db::clips::Clip, eyes: &Eyes<'_>) -> Self {
        // In lists the caller's eyes are a member's; whom the token is for is decided as for the recording.
        let query = eyes.vod_query(clip.vod, clip.channel, clip.visibility);
        let base = format!("/clip/{}", clip.id);
        let rights = Rights::of(&clip, eyes.id());
        Self {
            id: clip.id.as_uuid(),
            vod_id: clip.vod.as_uuid(),
            vod_title: clip.vod_title,
            channel: clip.owner.into(),
            creator: clip.creator_person.into(),
            title: clip.title,
            start_ms: clip.span.start_ms,
            duration_ms: clip.span.duration_ms(),
            views: clip.views,
            thumbnail_url: clip.has_picture.then(|| format!("{base}/thumbnail.jpg{query}")),
            storyboard_url: clip.has_storyboard.then(|| format!("/vod/{}/storyboard.vtt{query}", clip.vod)),
            visibility: clip.visibility.into(),
            playback: Playback { hls: format!("{base}/index.m3u8{query}"), dash: None },
            created_at: clip.created_at,
            may_rename: rights.may_rename,
            may_delete: rights.may_delete,
        }
    }
}

/// What a member may do with a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    pub may_rename: bool,
    pub may_delete: bool,
    /// It is theirs: nobody else need know what becomes of it.
    pub is_creator: bool,
}

impl Rights {
    pub(crate) fn of(clip: &db::clips::Clip, member: Option<domain::UserId>) -> Self {
        let is_creator = member == Some(clip.creator);
        let may_rename = is_creator || member == Some(clip.channel) || clip.is_staff;
        Self { may_rename, may_delete: may_rename || clip.is_moderator, is_creator }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ClipPage {
    pub items: Vec<ClipView>,
    pub next_cursor: Option<String>,
}

/// Clips of one recording, and whether the caller may make another.
#[derive(Serialize, ToSchema)]
pub(crate) struct VodClips {
    pub items: Vec<ClipView>,
    pub next_cursor: Option<String>,
    /// All of them: so many go with the recording.
    pub total: i64,
    /// Whom the channel's owner lets make clips.
    pub clips_for: ClippersName,
    /// Whether the caller is among them, and signed in.
    pub may_create: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClipBody {
    /// 1 to 100 characters.
    pub title: String,
    /// From the recording's beginning, in its own time.
    pub start_ms: i64,
    /// 5 to 90 seconds later. Of a recording that is still made it may be up to 20 seconds ahead of what is stored.
    pub end_ms: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateClip {
    /// 1 to 100 characters.
    pub title: String,
}

/// Who may make clips of the caller's recordings.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClipSettings {
    pub clips_for: ClippersName,
}
