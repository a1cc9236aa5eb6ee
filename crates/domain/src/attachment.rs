//! Pictures and files in messages of rooms: what is taken in as what, what becomes of it, and why it is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Classify, Kind};
use crate::{AttachmentId, RoomId};

/// Uploads of one member that are in no message yet.
pub const UNSENT_MAX: i64 = 10;
/// What is in no message by then is deleted.
pub const UNSENT_FOR: Duration = Duration::from_secs(3_600);
/// For so long a scanner is asked again.
pub const CHECKED_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// What decides what a file is lies in its first bytes.
pub const HEAD_BYTES: usize = 16;

const NAME_CHARS_MAX: usize = 120;
const MIME_BYTES_MAX: usize = 100;
const ANY_MIME: &str = "application/octet-stream";

/// How something is shown. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// In the message, as our own encoding.
    Image,
    /// As a row; it is only ever saved.
    File,
}

impl AttachmentKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::File => "file",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Image, Self::File].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where something stands. The names are API, except the first, which nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// On its way into the bucket.
    Storing,
    /// There, and served to nobody: the scanner has not said yet that it is clean.
    Checking,
    Ready,
    /// The scanner found something. Its objects are gone or go.
    Infected,
    /// Nobody could say for days whether it is clean. Its objects are gone or go.
    Failed,
}

impl AttachmentState {
    pub const ALL: [Self; 5] = [Self::Storing, Self::Checking, Self::Ready, Self::Infected, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storing => "storing",
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Infected => "infected",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What is known of something when its turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: AttachmentState,
    /// It was taken away, was in no message in time, or its message was never said.
    pub is_over: bool,
    /// Objects of it are in the bucket.
    pub has_objects: bool,
    /// A picture as it was sent is there beside ours.
    pub has_upload: bool,
}

/// What is to be done next. Each may be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The objects go, then the row.
    Erase,
    /// The objects go; the message goes on saying what became of them.
    Empty,
    /// The picture as it was sent goes; ours stays.
    DropUpload,
    Scan,
    /// Nothing now.
    Rest,
}

impl Standing {
    pub const fn step(self) -> Step {
        match self.state {
            _ if self.is_over => Step::Erase,
            AttachmentState::Checking => Step::Scan,
            AttachmentState::Ready if self.has_upload => Step::DropUpload,
            AttachmentState::Infected | AttachmentState::Failed if self.has_objects => Step::Empty,
            _ => Step::Rest,
        }
    }
}

/// What pictures are taken in as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    Jpeg,
    Png,
    WebP,
    Gif,
}

impl PictureFormat {
    /// By a file's first bytes.
    pub fn of_head(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            "webp" => Some(Self::WebP),
            "gif" => Some(Self::Gif),
            _ => None,
        }
    }

    fn of_mime(mime: &str) -> Option<Self> {
        match mime {
            "image/jpeg" | "image/jpg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            "image/webp" => Some(Self::WebP),
            "image/gif" => Some(Self::Gif),
            _ => None,
        }
    }
}

/// A file that is offered: its name and type in words that are safe to repeat, and the picture it is, if it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub name: String,
    pub mime: String,
    pub picture: Option<PictureFormat>,
}

impl Offer {
    /// A picture is what its name, its declared type and its first bytes all say is the same; what only some of them say is refused.
    pub fn judge(name: &str, mime: &str, head: &[u8]) -> Result<Self, AttachmentError> {
        let (name, mime) = (clean_name(name), clean_mime(mime));
        let said = [PictureFormat::of_head(head), PictureFormat::of_name(&name), PictureFormat::of_mime(&mime)];
        if said.iter().any(|one| *one != said[0]) {
            return Err(AttachmentError::NotAPicture);
        }
        Ok(Self { name, mime, picture: said[0] })
    }
}

/// The last part of a path, one line, without what hides or reorders letters.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let line: String = crate::chat::normalise_line(&last.chars().take(NAME_CHARS_MAX * 8).collect::<String>());
    let line: String =
        line.chars().filter(|letter| !matches!(letter, '"' | '<' | '>' | '|' | '*' | '?' | ':')).collect();
    let line = line.trim_matches(['.', ' ']);
    let count = line.chars().count();
    match (line, count) {
        ("", _) => "file".to_owned(),
        (line, ..=NAME_CHARS_MAX) => line.to_owned(),
        // What comes last says what it is.
        (line, count) => line.chars().skip(count - NAME_CHARS_MAX).collect(),
    }
}

fn clean_mime(mime: &str) -> String {
    let plain = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'))
    };
    let is_mime =
        plain.len() <= MIME_BYTES_MAX && plain.split_once('/').is_some_and(|(kind, sub)| is_word(kind) && is_word(sub));
    if is_mime { plain } else { ANY_MIME.to_owned() }
}

/// Something in a message, as members of its room are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub id: AttachmentId,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: AttachmentKind,
    /// Of a picture: of what is served. Of a file: what its sender called it; it is served as bytes.
    pub mime: String,
    pub bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    pub state: AttachmentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Shown {
    /// Says where it is served, if it is.
    pub fn placed(mut self, room: RoomId) -> Self {
        if self.state == AttachmentState::Ready {
            let url = format!("/api/v1/rooms/{room}/attachments/{}", self.id);
            self.thumbnail_url = (self.kind == AttachmentKind::Image).then(|| format!("{url}/thumbnail"));
            self.url = Some(url);
        }
        self
    }
}

/// Why something is not taken in, sent or shown. The codes are API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// Also for whoever it is not for.
    #[error("there is no such attachment")]
    NotFound,
    #[error("the file is larger than {0} MiB")]
    TooLarge(u32),
    #[error("the picture has too many pixels: 24 million and 12,000 on a side at most")]
    TooManyPixels,
    #[error("its name, its type and its bytes do not say the same picture")]
    NotAPicture,
    #[error("only JPEG, PNG, WebP and GIF pictures are taken here")]
    ImagesOnly,
    #[error("send the file as the form's field named file")]
    NoFile,
    #[error("the file is empty")]
    Empty,
    #[error("too many uploads at this moment")]
    Busy,
    #[error("send or remove what you have uploaded first")]
    TooManyUnsent,
    #[error("your room for pictures and files is full")]
    Full,
    #[error("a scanner found something in this file")]
    Infected,
    #[error("this file could not be checked")]
    Failed,
    #[error("it went out with another message already")]
    Sent,
    #[error("too many uploads; wait a while")]
    Throttled(Duration),
}

impl Classify for AttachmentError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::Busy => Kind::Unavailable,
            Self::TooManyUnsent | Self::Full | Self::Sent => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
            _ => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "attachment.not-found",
            Self::TooLarge(_) => "attachment.too-large",
            Self::TooManyPixels => "attachment.too-many-pixels",
            Self::NotAPicture => "attachment.not-a-picture",
            Self::ImagesOnly => "attachment.images-only",
            Self::NoFile => "attachment.no-file",
            Self::Empty => "attachment.empty",
            Self::Busy => "attachment.busy",
            Self::TooManyUnsent => "attachment.too-many-unsent",
            Self::Full => "attachment.full",
            Self::Infected => "attachment.infected",
            Self::Failed => "attachment.failed",
            Self::Sent => "attachment.sent",
            Self::Throttled(_) => "attachment.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn a_picture_is_what_name_type_and_bytes_agree_on() {
        let picture = |name, mime, head| Offer::judge(name, mime, head).map(|offer| offer.picture);
        assert_eq!(picture("a.JPG", "image/jpeg", JPEG), Ok(Some(PictureFormat::Jpeg)));
        assert_eq!(picture("a.png", "image/png; q=1", PNG), Ok(Some(PictureFormat::Png)));
        assert_eq!(picture("a.pdf", "application/pdf", b"%PDF-1.7"), Ok(None));
        assert_eq!(picture("a.svg", "image/svg+xml", b"<svg xmlns="), Ok(None), "a file like any other");
        for (name, mime, head) in [
            ("a.jpg", "image/jpeg", b"<svg xmlns='http".as_slice()),
            ("a.jpg", "image/jpeg", b"<!DOCTYPE html>"),
            ("a.jpg", "image/jpeg", PNG),
            ("a.html", "text/html", JPEG),
            ("a.html", "image/jpeg", JPEG),
            ("a.jpg", "text/html", JPEG),
            ("a.jpg", "", JPEG),
            ("jpg", "image/jpeg", JPEG),
            ("a.exe", "application/octet-stream", b"GIF89a"),
            ("a.gif", "image/gif", b""),
        ] {
            assert_eq!(picture(name, mime, head), Err(AttachmentError::NotAPicture), "{name} {mime}");
        }
    }

    #[test]
    fn a_name_is_one_line_without_a_path_and_a_type_is_a_type() {
        let name = |name: &str| Offer::judge(name, "", b"").unwrap().name;
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("C:\\x\\Hóa đơn.pdf"), "Hóa đơn.pdf");
        assert_eq!(name("invoice\u{202e}fdp.exe\r\nX: y"), "invoicefdp.exe X y");
        assert_eq!((name(""), name("..."), name("a/")), ("file".to_owned(), "file".to_owned(), "file".to_owned()));
        let long = name(&format!("{}.pdf", "x".repeat(400)));
        assert!(long.chars().count() == 120 && long.ends_with(".pdf"));
        let mime = |mime: &str| Offer::judge("a.bin", mime, b"").unwrap().mime;
        assert_eq!(mime("Text/Plain; charset=utf-8"), "text/plain");
        for odd in ["", "text", "text/", "text/pla in", "text/html\r\nX: y", "a/b/c"] {
            assert_eq!(mime(odd), ANY_MIME, "{odd:?}");
        }
    }

    #[test]
    fn what_is_over_goes_and_nothing_unchecked_rests() {
        let standing = |state, is_over| Standing { state, is_over, has_objects: true, has_upload: true };
        for state in AttachmentState::ALL {
            assert_eq!(standing(state, true).step(), Step::Erase);
            assert_eq!(AttachmentState::parse(state.as_str()), Some(state));
        }
        let steps = AttachmentState::ALL.map(|state| standing(state, false).step());
        assert_eq!(steps, [Step::Rest, Step::Scan, Step::DropUpload, Step::Empty, Step::Empty]);
        let emptied = Standing { has_objects: false, ..standing(AttachmentState::Infected, false) };
        assert_eq!(emptied.step(), Step::Rest);
        let ready = Standing { has_upload: false, ..standing(AttachmentState::Ready, false) };
        assert_eq!(ready.step(), Step::Rest);
    }

    #[test]
    fn only_what_is_ready_has_a_place() {
        let shown = |state| Shown {
            id: AttachmentId::from_uuid(uuid::Uuid::nil()),
            name: "a.jpg".to_owned(),
            kind: AttachmentKind::Image,
            mime: "image/jpeg".to_owned(),
            bytes: 1,
            width: Some(1),
            height: Some(1),
            state,
            thumbnail_url: None,
            url: None,
        };
        for state in AttachmentState::ALL {
            let placed = shown(state).placed(RoomId::from_uuid(uuid::Uuid::nil()));
            assert_eq!(placed.url.is_some(), state == AttachmentState::Ready);
            assert_eq!(placed.thumbnail_url.is_some(), state == AttachmentState::Ready);
        }
    }
}
