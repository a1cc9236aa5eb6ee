//! Members' files: names and folders, how one is taken in, where a version stands, and why something is refused.

pub mod sort;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Classify, Invalid, Kind};
use crate::visibility::Visibility;

/// What is not whole by then is given up.
pub const UPLOAD_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Uploads of one member that are under way.
pub const UPLOADS_MAX: i64 = 50;
/// Versions one file keeps; of more the oldest go.
pub const VERSIONS_MAX: i64 = 20;
/// Files of one member, those in the trash included.
pub const FILES_MAX: i64 = 200_000;
/// What is here is looked into by then, or given up: waits for other files included, those for a scanner not.
pub const DONE_WITHIN: Duration = Duration::from_secs(4 * 3_600);
/// For so long a scanner is asked again.
pub const CHECKED_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// S3's smallest part, its last aside.
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// S3's most parts of one upload.
pub const PARTS_MAX: u64 = 10_000;
/// What decides what a file is lies in its first bytes.
pub const HEAD_BYTES: usize = 8_192;

const NAME_CHARS_MAX: usize = 255;
const FOLDER_CHARS_MAX: usize = 1_024;
const DEPTH_MAX: usize = 20;
const TAGS_MAX: usize = 20;
const TAG_CHARS_MAX: usize = 40;
const MIME_BYTES_MAX: usize = 100;

/// Where a version stands. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// On its way here.
    Uploading,
    /// Here, whole, and waiting for its turn.
    Queued,
    Processing,
    Completed,
    /// The file had these very bytes already.
    Duplicate,
    /// A scanner found something. Its bytes are gone.
    VirusFailed,
    /// It is not what it said, or nobody could say what it is. Its bytes are gone.
    Failed,
    Cancelled,
}

impl VersionState {
    pub const ALL: [Self; 8] = [
        Self::Uploading,
        Self::Queued,
        Self::Processing,
        Self::Completed,
        Self::Duplicate,
        Self::VirusFailed,
        Self::Failed,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Duplicate => "duplicate",
            Self::VirusFailed => "virus_failed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Something is still going to happen to it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Uploading | Self::Queued | Self::Processing)
    }
}

/// How a file is shown. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    Image,
    Video,
    Audio,
    Pdf,
    Text,
    File,
}

impl FileKind {
    pub const ALL: [Self; 6] = [Self::Image, Self::Video, Self::Audio, Self::Pdf, Self::Text, Self::File];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Pdf => "pdf",
            Self::Text => "text",
            Self::File => "file",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A file's name: one line, no path, nothing that hides or reorders letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = segment("name", text)?;
        if name.chars().count() > NAME_CHARS_MAX {
            Err(Invalid::new("name", "must have at most 255 characters"))
        } else {
            Ok(Self(name))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a file lies: `/`, or names between slashes, such as `/holidays/2026/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(String);

impl Folder {
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Takes `a/b`, `/a/b` and `/a/b/` for the same.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > FOLDER_CHARS_MAX {
            return Err(Invalid::new("path", "must have at most 1024 characters"));
        }
        let inner = text.strip_prefix('/').unwrap_or(text);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() {
            return Ok(Self::root());
        }
        let mut folder = String::from("/");
        for (depth, name) in inner.split('/').enumerate() {
            if depth == DEPTH_MAX {
                return Err(Invalid::new("path", "must be at most 20 folders deep"));
            }
            let name = segment("path", name)?;
            if name.chars().count() > NAME_CHARS_MAX {
                return Err(Invalid::new("path", "must have folders of at most 255 characters"));
            }
            folder.push_str(&name);
            folder.push('/');
        }
        Ok(Self(folder))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this folder or lies in it.
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

/// One name of a path. What could lead elsewhere, or reads as something else, is refused and not mended: the caller must know the name.
fn segment(field: &'static str, text: &str) -> Result<String, Invalid> {
    if text.chars().any(|letter| matches!(letter, '/' | '\\') || letter.is_control()) {
        return Err(Invalid::new(field, "must not have slashes or control characters in a name"));
    }
    let name = crate::chat::normalise_line(text);
    if name.is_empty() || name == "." || name == ".." {
        return Err(Invalid::new(field, "must not have an empty name, `.` or `..`"));
    }
    Ok(name)
}

/// A file's tags: lower case, each once, in order.
pub fn tags(words: &[String]) -> Result<Vec<String>, Invalid> {
    let mut tags: Vec<String> = words
        .iter()
        .map(|word| crate::chat::normalise_line(word).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.chars().count() > TAG_CHARS_MAX) {
        return Err(Invalid::new("tags", "must be at most 20, of at most 40 characters each"));
    }
    Ok(tags)
}

/// Whom a file can be for.
pub fn visibility(text: &str) -> Result<Visibility, Invalid> {
    match Visibility::parse(text) {
        Some(it @ (Visibility::Private | Visibility::Unlisted | Visibility::Public)) => Ok(it),
        _ => Err(Invalid::new("visibility", "must be private, unlisted or public")),
    }
}

/// A type as it was declared, in words that are safe to repeat; `application/octet-stream` for what is none.
pub fn mime(text: &str) -> String {
    let plain = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'))
    };
    let is_mime =
        plain.len() <= MIME_BYTES_MAX && plain.split_once('/').is_some_and(|(kind, sub)| is_word(kind) && is_word(sub));
    if is_mime { plain } else { sort::ANY_MIME.to_owned() }
}

/// How a file comes in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// All but the last have this many bytes.
    pub part_bytes: u64,
    pub count: u32,
    bytes: u64,
}

impl Parts {
    /// Parts of 5 MiB, or larger ones for what would have too many.
    pub fn of(bytes: u64) -> Self {
        let least = bytes.div_ceil(PARTS_MAX).div_ceil(1 << 20) << 20;
        Self::with(bytes, least.max(PART_BYTES_MIN))
    }

    /// The same again, from what is stored of it.
    pub fn with(bytes: u64, part_bytes: u64) -> Self {
        let count = u32::try_from(bytes.div_ceil(part_bytes.max(1))).unwrap_or(u32::MAX).max(1);
        Self { part_bytes, count, bytes }
    }

    /// Bytes of a part, numbered from 1. `None`: there is no such part.
    pub fn bytes_of(&self, number: u32) -> Option<u64> {
        match number {
            0 => None,
            number if number < self.count => Some(self.part_bytes),
            number if number == self.count => Some(self.bytes - u64::from(self.count - 1) * self.part_bytes),
            _ => None,
        }
    }
}

/// Why a file is not taken in, changed or shown. The codes are API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Also for whoever it is not for.
    #[error("there is no such file")]
    NotFound,
    #[error("there is no such upload, or it is over")]
    NoUpload,
    #[error("a file may have {0} MiB at most")]
    TooLarge(u64),
    #[error("the file is empty")]
    Empty,
    #[error("send the file as the form's field named file")]
    NoFile,
    #[error("its name, its type and its bytes do not say the same")]
    NotWhatItSays,
    #[error("only pictures and videos are taken here: the site has no virus scanner")]
    MediaOnly,
    #[error("your room for files is full")]
    Full,
    #[error("you have too many uploads under way")]
    TooManyUploads,
    #[error("you have as many files as one may")]
    TooMany,
    #[error("there is a file of that name already")]
    NameTaken,
    #[error("what is here is not what was declared: {0}")]
    Incomplete(&'static str),
    #[error("its parts are being put together already")]
    Completing,
    #[error("it is not in the trash")]
    NotInTrash,
    #[error("this file cannot be downloaded")]
    Withheld,
    #[error("nothing is being done to this file")]
    NothingToCancel,
    #[error("a folder cannot be moved into itself")]
    IntoItself,
    #[error("too many uploads at this moment")]
    Busy,
    #[error("too many uploads; wait a while")]
    Throttled(Duration),
}

impl Classify for FileError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoUpload => Kind::NotFound,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::Busy => Kind::Unavailable,
            Self::Throttled(_) => Kind::Throttled,
            Self::Withheld => Kind::Forbidden,
            Self::Empty | Self::NoFile | Self::NotWhatItSays | Self::MediaOnly => Kind::Invalid,
            Self::Full
            | Self::TooManyUploads
            | Self::TooMany
            | Self::NameTaken
            | Self::Incomplete(_)
            | Self::Completing
            | Self::NotInTrash
            | Self::NothingToCancel
            | Self::IntoItself => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "file.not-found",
            Self::NoUpload => "file.no-upload",
            Self::TooLarge(_) => "file.too-large",
            Self::Empty => "file.empty",
            Self::NoFile => "file.no-file",
            Self::NotWhatItSays => "file.not-what-it-says",
            Self::MediaOnly => "file.media-only",
            Self::Full => "file.full",
            Self::TooManyUploads => "file.too-many-uploads",
            Self::TooMany => "file.too-many",
            Self::NameTaken => "file.name-taken",
            Self::Incomplete(_) => "file.incomplete",
            Self::Completing => "file.completing",
            Self::NotInTrash => "file.not-in-trash",
            Self::Withheld => "file.withheld",
            Self::NothingToCancel => "file.nothing-to-cancel",
            Self::IntoItself => "file.into-itself",
            Self::Busy => "file.busy",
            Self::Throttled(_) => "file.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

/// Why a version failed, as its owner is told. The codes are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Name, type and bytes do not agree.
    NotWhatItSays,
    TooManyPixels,
    Infected,
    /// Too large for the scanner, or nobody could say for days what it is.
    Unscannable,
    Full,
    Expired,
    /// It was tried as often as things are.
    Internal,
}

impl Failure {
    pub const ALL: [Self; 7] = [
        Self::NotWhatItSays,
        Self::TooManyPixels,
        Self::Infected,
        Self::Unscannable,
        Self::Full,
        Self::Expired,
        Self::Internal,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::NotWhatItSays => "file.not-what-it-says",
            Self::TooManyPixels => "file.too-many-pixels",
            Self::Infected => "file.infected",
            Self::Unscannable => "file.unscannable",
            Self::Full => "file.full",
            Self::Expired => "file.expired",
            Self::Internal => "file.internal",
        }
    }

    /// The state it ends in.
    pub const fn state(self) -> VersionState {
        match self {
            Self::Infected => VersionState::VirusFailed,
            _ => VersionState::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_in_as_few_parts_as_its_size_needs() {
        let parts = |bytes| {
            let parts = Parts::of(bytes);
            (parts.part_bytes, parts.count, parts.bytes_of(parts.count))
        };
        assert_eq!(parts(1), (PART_BYTES_MIN, 1, Some(1)));
        assert_eq!(parts(PART_BYTES_MIN), (PART_BYTES_MIN, 1, Some(PART_BYTES_MIN)));
        assert_eq!(parts(PART_BYTES_MIN + 1), (PART_BYTES_MIN, 2, Some(1)));
        assert_eq!(parts(PART_BYTES_MIN * PARTS_MAX), (PART_BYTES_MIN, 10_000, Some(PART_BYTES_MIN)));
        let large = Parts::of(100 << 30);
        assert!(u64::from(large.count) <= PARTS_MAX && large.part_bytes == 11 << 20);
        let sum: u64 = (1..=large.count).filter_map(|number| large.bytes_of(number)).sum();
        assert_eq!(sum, 100 << 30);
        assert_eq!((large.bytes_of(0), large.bytes_of(large.count + 1)), (None, None));
        assert_eq!(Parts::with(100 << 30, large.part_bytes), large);
    }

    #[test]
    fn a_path_leads_nowhere_else() {
        for (text, folder) in
            [("", "/"), ("/", "/"), ("a", "/a/"), ("/a/b", "/a/b/"), ("/a/b/", "/a/b/"), ("/Ảnh 2026/", "/Ảnh 2026/")]
        {
            assert_eq!(Folder::parse(text).unwrap().as_str(), folder);
        }
        for text in
            ["..", "/a/../b", "/./", "a//b", "/a\\b", "/a/\0", &"x/".repeat(21), &"x".repeat(300), &"a".repeat(2_000)]
        {
            assert!(Folder::parse(text).is_err(), "{text:?}");
        }
        for text in ["", ".", "..", "a/b", "..\\x", &"x".repeat(256)] {
            assert!(FileName::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(FileName::parse("invoice\u{202e}fdp.exe").unwrap().as_str(), "invoicefdp.exe");
        let (a, b) = (Folder::parse("/a").unwrap(), Folder::parse("/ab").unwrap());
        assert!(a.holds(&a) && !a.holds(&b) && Folder::root().holds(&a));
    }

    #[test]
    fn tags_are_few_short_and_each_once() {
        let words = |words: &[&str]| tags(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["B ", "a", "b", ""]).unwrap(), ["a", "b"]);
        assert!(words(&["x"; 21]).is_ok(), "one, said often");
        assert!(tags(&(0..21).map(|n| n.to_string()).collect::<Vec<_>>()).is_err());
        assert!(words(&[&"x".repeat(41)]).is_err());
    }

    #[test]
    fn states_and_failures_are_words_of_their_own() {
        for state in VersionState::ALL {
            assert_eq!(VersionState::parse(state.as_str()), Some(state));
        }
        for kind in FileKind::ALL {
            assert_eq!(FileKind::parse(kind.as_str()), Some(kind));
        }
        let codes: std::collections::BTreeSet<_> = Failure::ALL.iter().map(|failure| failure.code()).collect();
        assert_eq!(codes.len(), Failure::ALL.len());
        assert!(visibility("followers").is_err() && visibility("private").is_ok());
    }
}
