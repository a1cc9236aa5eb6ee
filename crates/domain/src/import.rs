//! Files that become recordings: what they may be, where the work stands, and why one is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Classify, Kind};

/// Nodes that may begin one import before it is given up: each but the last was lost in the middle.
pub const ATTEMPTS_MAX: i16 = 3;
/// Longest media of one file.
pub const DURATION_MAX: Duration = Duration::from_secs(12 * 3_600);
/// Most tracks of one file. One of picture and one of sound are taken.
pub const TRACKS_MAX: usize = 8;
/// Largest picture, by its longer and its shorter side.
pub const SIDES_MAX: (u32, u32) = (7_680, 4_320);
/// Most pictures a second.
pub const FRAME_RATE_MAX: u32 = 240;
/// Largest file.
pub const SOURCE_BYTES_MAX: i64 = 256 * 1024 * 1024 * 1024;

/// What a file is, by its first bytes. Says which parser is let at it, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    Mp4,
    Mov,
    Matroska,
    #[serde(rename = "webm")]
    WebM,
}

impl Container {
    pub const ALL: [Self; 4] = [Self::Mp4, Self::Mov, Self::Matroska, Self::WebM];
    /// What decides lies in so many first bytes.
    pub const HEAD_BYTES: usize = 64;

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::WebM => "webm",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|container| container.as_str() == text)
    }

    /// What a file that begins like this is; `None` for what is no video file we know. `head` are its first
    /// [`Self::HEAD_BYTES`], or all of it.
    pub fn of(head: &[u8]) -> Option<Self> {
        const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];
        if head.starts_with(EBML) {
            let is_webm = head.windows(4).any(|window| window == b"webm");
            return Some(if is_webm { Self::WebM } else { Self::Matroska });
        }
        match head.get(4..8)? {
            b"ftyp" => Some(if head.get(8..12) == Some(b"qt  ") { Self::Mov } else { Self::Mp4 }),
            // QuickTime files from before there was a brand.
            b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => Some(Self::Mov),
            _ => None,
        }
    }
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl ImportState {
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Why a file does not become a recording. The codes are API: the owner's pages have words for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum ImportFail {
    #[error("the file cannot be read as what it says it is")]
    Unreadable,
    #[error("the file ends before its media does")]
    Truncated,
    #[error("there is neither picture nor sound in the file")]
    Empty,
    #[error("the file's picture or sound has a format that is not understood here")]
    Codec,
    #[error("the format of the picture changes within the file")]
    FormatChanges,
    #[error("the file's edit list cannot be followed")]
    EditList,
    #[error("picture and sound lie too far apart in the file")]
    Interleaving,
    #[error("the file is longer than twelve hours")]
    TooLong,
    #[error("the file has too many tracks")]
    TooManyTracks,
    #[error("the picture is too large, or has too many frames a second")]
    TooLarge,
    #[error("the program that reads the file died of it, twice")]
    Crashed,
    #[error("reading the file took too long")]
    TooSlow,
    #[error("the file is gone from the storage")]
    SourceGone,
    #[error("it was begun again and again and never finished")]
    GaveUp,
    #[error("it was cancelled")]
    Cancelled,
}

impl ImportFail {
    pub const ALL: [Self; 15] = [
        Self::Unreadable,
        Self::Truncated,
        Self::Empty,
        Self::Codec,
        Self::FormatChanges,
        Self::EditList,
        Self::Interleaving,
        Self::TooLong,
        Self::TooManyTracks,
        Self::TooLarge,
        Self::Crashed,
        Self::TooSlow,
        Self::SourceGone,
        Self::GaveUp,
        Self::Cancelled,
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fail| fail.code() == text)
    }
}

impl Classify for ImportFail {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "import.unreadable",
            Self::Truncated => "import.truncated",
            Self::Empty => "import.empty",
            Self::Codec => "import.codec",
            Self::FormatChanges => "import.format-changes",
            Self::EditList => "import.edit-list",
            Self::Interleaving => "import.interleaving",
            Self::TooLong => "import.too-long",
            Self::TooManyTracks => "import.too-many-tracks",
            Self::TooLarge => "import.too-large",
            Self::Crashed => "import.crashed",
            Self::TooSlow => "import.too-slow",
            Self::SourceGone => "import.source-gone",
            Self::GaveUp => "import.gave-up",
            Self::Cancelled => "import.cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        let of = |head: &[u8]| Container::of(head).map(Container::as_str);
        assert_eq!(of(b"\0\0\0\x20ftypisom\0\0\x02\0"), Some("mp4"));
        assert_eq!(of(b"\0\0\0\x14ftypqt  \0\0\x02\0"), Some("mov"));
        assert_eq!(of(b"\0\0\x10\0moov\0\0\0\x6cmvhd"), Some("mov"));
        assert_eq!(of(b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm"), Some("webm"));
        assert_eq!(of(b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska"), Some("matroska"));
        for head in [&b"ffconcat version 1.0\n"[..], b"#EXTM3U\n#EXTINF:1,\n", b"<html>", b"", b"\0\0\0\x20fty"] {
            assert_eq!(of(head), None);
        }
    }

    #[test]
    fn every_name_means_one_thing() {
        for fail in ImportFail::ALL {
            assert_eq!(ImportFail::parse(fail.code()), Some(fail));
            assert!(fail.code().starts_with("import."));
        }
        for state in ImportState::ALL {
            assert_eq!(ImportState::parse(state.as_str()), Some(state));
        }
        for container in Container::ALL {
            assert_eq!(Container::parse(container.as_str()), Some(container));
        }
    }
}
