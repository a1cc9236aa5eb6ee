//! The life of a stream and of its recording.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Classify, Invalid, Kind};
use crate::user::Username;

/// Where a stream stands. States only move forward, except that `live` and `reconnecting` alternate.
///
/// `starting` is an accepted publisher who has not sent a picture yet: it holds the channel's slot, and nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamStatus {
    Starting,
    Live,
    Reconnecting,
    Ended,
}

impl StreamStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Reconnecting => "reconnecting",
            Self::Ended => "ended",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "starting" => Some(Self::Starting),
            "live" => Some(Self::Live),
            "reconnecting" => Some(Self::Reconnecting),
            "ended" => Some(Self::Ended),
            _ => None,
        }
    }
}

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VodStatus {
    Recording,
    /// It is made from a file; nothing of it can be played yet.
    Processing,
    Ready,
    Failed,
}

impl VodStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "recording" => Some(Self::Recording),
            "processing" => Some(Self::Processing),
            "ready" => Some(Self::Ready),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// Why a publisher's connection stopped delivering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishEnd {
    /// FCUnpublish, deleteStream or closeStream: the broadcaster pressed stop.
    Unpublished,
    ConnectionLost,
    WentSilent,
    ProtocolError,
    /// It sent a codec that nobody here understands.
    CodecRefused,
    ServerStopping,
    /// A moderator or the owner ended it.
    Cut,
    /// Another encoder took the stream over.
    Superseded,
}

impl PublishEnd {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::ConnectionLost => "connection_lost",
            Self::WentSilent => "went_silent",
            Self::ProtocolError => "protocol_error",
            Self::CodecRefused => "codec_refused",
            Self::ServerStopping => "server_stopping",
            Self::Cut => "cut",
            Self::Superseded => "superseded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Unpublished,
            Self::ConnectionLost,
            Self::WentSilent,
            Self::ProtocolError,
            Self::CodecRefused,
            Self::ServerStopping,
            Self::Cut,
            Self::Superseded,
        ]
        .into_iter()
        .find(|end| end.as_str() == text)
    }

    /// Whether the stream ends with the connection, or waits for its broadcaster to come back.
    pub const fn ends_stream(self) -> bool {
        matches!(self, Self::Unpublished | Self::Cut | Self::ServerStopping)
    }
}

impl fmt::Display for PublishEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a publisher is worth against another with the same key. The higher one takes over; equals are refused while the first
/// delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Priority(u8);

impl Priority {
    pub const MAX: i64 = 100;

    /// The nearest priority there is.
    pub fn clamped(value: i64) -> Self {
        Self(value.clamp(0, Self::MAX) as u8)
    }

    /// What an encoder wrote behind its key. What is no whole number says nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let value = text.parse::<i64>();
        let is_too_long = |error: &std::num::ParseIntError| *error.kind() == std::num::IntErrorKind::PosOverflow;
        match value {
            Ok(value) => Some(Self::clamped(value)),
            Err(error) => is_too_long(&error).then_some(Self::clamped(i64::MAX)),
        }
    }

    pub const fn as_i16(self) -> i16 {
        self.0 as i16
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an encoder may not go on air.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("no channel answers to this stream key")]
    UnknownKey,
    #[error("this channel is already live from another encoder")]
    AlreadyLive { channel: Username },
    #[error("this account may not stream")]
    Suspended,
    #[error("the operator's publish hook refused this stream")]
    RefusedByHook,
    #[error("too many failed attempts; wait a while")]
    Throttled,
    #[error("the server cannot start a stream now; try again in a few seconds")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for PublishError {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownKey => Kind::Unauthenticated,
            Self::AlreadyLive { .. } => Kind::Conflict,
            Self::Suspended | Self::RefusedByHook => Kind::Forbidden,
            Self::Throttled => Kind::Throttled,
            Self::Unavailable(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey => "publish.unknown-key",
            Self::AlreadyLive { .. } => "publish.already-live",
            Self::Suspended => "publish.suspended",
            Self::RefusedByHook => "publish.refused-by-hook",
            Self::Throttled => "publish.throttled",
            Self::Unavailable(_) => "publish.unavailable",
        }
    }
}

/// A stream's or recording's title: 1 to 140 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Title(String);

impl Title {
    pub const CHARS_MAX: usize = 140;

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = crate::chat::normalise_line(text);
        if text.is_empty() || text.chars().count() > Self::CHARS_MAX {
            return Err(Invalid::new("title", "must be 1 to 140 characters"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub const DESCRIPTION_CHARS_MAX: usize = 5_000;
pub const TAGS_MAX: usize = 10;
pub const TAG_CHARS_MAX: usize = 25;

/// Tags as people type them: trimmed, lower case, unique, at most ten of at most 25 characters.
pub fn parse_tags(tags: &[String]) -> Result<Vec<String>, Invalid> {
    let mut out: Vec<String> = Vec::new();
    for tag in tags {
        let tag = crate::chat::normalise_line(tag).trim_start_matches('#').to_lowercase();
        if tag.is_empty() || tag.chars().count() > TAG_CHARS_MAX {
            return Err(Invalid::new("tags", "each must be 1 to 25 characters"));
        }
        if !out.contains(&tag) {
            out.push(tag);
        }
    }
    if out.len() > TAGS_MAX {
        return Err(Invalid::new("tags", "may be at most ten"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_a_small_number_whatever_is_written() {
        for (text, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("+7", Some(7)),
            ("100", Some(100)),
            ("101", Some(100)),
            ("99999999999999999999", Some(100)),
            ("-1", Some(0)),
            ("", None),
            ("high", None),
            ("1.5", None),
            (" 1", None),
        ] {
            assert_eq!(Priority::parse(text).map(Priority::as_i16), expected, "{text}");
        }
    }
}
