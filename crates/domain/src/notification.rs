//! What a member is told, and about what.

use serde::{Deserialize, Serialize};

/// The kinds of notification. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationType {
    StreamOnline,
    VodReady,
    NewFollower,
    /// The owner's room is full.
    RecordingStopped,
}

impl NotificationType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamOnline => "stream_online",
            Self::VodReady => "vod_ready",
            Self::NewFollower => "new_follower",
            Self::RecordingStopped => "recording_stopped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::StreamOnline, Self::VodReady, Self::NewFollower, Self::RecordingStopped]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// What `entity_id` of such a notification names.
    pub const fn entity_type(self) -> &'static str {
        match self {
            Self::StreamOnline | Self::RecordingStopped => "stream",
            Self::VodReady => "vod",
            Self::NewFollower => "user",
        }
    }
}
