//! What a file is: what its name, its declared type and its first bytes say together.

use crate::attachment::PictureFormat;
use crate::file::{FileError, FileKind};
use crate::import::Container;

pub(crate) const ANY_MIME: &str = "application/octet-stream";

/// Sorts of files that can be told by their first bytes. Two names of one sort are told apart by nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Picture(PictureFormat),
    Video(Container),
    Mp3,
    Ogg,
    Wav,
    Flac,
    M4a,
    Pdf,
    /// And what is packed into one: documents, books, programs.
    Zip,
    Gzip,
    SevenZip,
    Rar,
    Program,
}

/// Endings, types and what they stand for. A type may stand in several lines.
const KNOWN: &[(Format, &[&str], &[&str])] = &[
    (Format::Picture(PictureFormat::Jpeg), &["jpg", "jpeg", "jpe", "jfif"], &["image/jpeg", "image/jpg"]),
    (Format::Picture(PictureFormat::Png), &["png"], &["image/png"]),
    (Format::Picture(PictureFormat::WebP), &["webp"], &["image/webp"]),
    (Format::Picture(PictureFormat::Gif), &["gif"], &["image/gif"]),
    (Format::Video(Container::Mp4), &["mp4", "m4v"], &["video/mp4", "video/x-m4v"]),
    (Format::Video(Container::Mov), &["mov", "qt"], &["video/quicktime"]),
    (Format::Video(Container::Matroska), &["mkv"], &["video/x-matroska", "video/matroska"]),
    (Format::Video(Container::WebM), &["webm"], &["video/webm", "audio/webm"]),
    (Format::Mp3, &["mp3"], &["audio/mpeg", "audio/mp3"]),
    (Format::Ogg, &["ogg", "oga", "opus"], &["audio/ogg", "application/ogg", "audio/opus"]),
    (Format::Wav, &["wav"], &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"]),
    (Format::Flac, &["flac"], &["audio/flac", "audio/x-flac"]),
    (Format::M4a, &["m4a", "m4b"], &["audio/mp4", "audio/x-m4a", "audio/m4a"]),
    (Format::Pdf, &["pdf"], &["application/pdf"]),
    (
        Format::Zip,
        &["zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "jar", "apk", "cbz", "kmz"],
        &["application/zip", "application/x-zip-compressed", "application/epub+zip", "application/java-archive"],
    ),
    (Format::Gzip, &["gz", "tgz"], &["application/gzip", "application/x-gzip"]),
    (Format::SevenZip, &["7z"], &["application/x-7z-compressed"]),
    (Format::Rar, &["rar"], &["application/vnd.rar", "application/x-rar-compressed"]),
    (
        Format::Program,
        &["exe", "dll", "elf", "so", "com", "scr", "msi"],
        &["application/x-msdownload", "application/x-executable", "application/vnd.microsoft.portable-executable"],
    ),
];

/// Endings of plain text.
const TEXT: &[&str] = &[
    "txt", "md", "csv", "tsv", "json", "log", "srt", "vtt", "ini", "toml", "yaml", "yml", "xml", "rs", "py", "c", "h",
    "cpp", "go", "java", "ts", "sh", "sql",
];

impl Format {
    /// By a file's first bytes.
    fn of_head(head: &[u8]) -> Option<Self> {
        if let Some(picture) = PictureFormat::of_head(head) {
            return Some(Self::Picture(picture));
        }
        Some(match head {
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Video(ebml(head)?),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => iso(brand.get(..4)?),
            // QuickTime before it had a file type box.
            [_, _, _, _, b'm', b'o', b'o', b'v', ..] | [_, _, _, _, b'w', b'i', b'd', b'e', ..] => {
                Self::Video(Container::Mov)
            }
            [b'I', b'D', b'3', ..] => Self::Mp3,
            [b'O', b'g', b'g', b'S', ..] => Self::Ogg,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Self::Wav,
            [b'f', b'L', b'a', b'C', ..] => Self::Flac,
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Pdf,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Self::SevenZip,
            [b'R', b'a', b'r', b'!', 0x1a, 0x07, ..] => Self::Rar,
            [b'M', b'Z', ..] | [0x7f, b'E', b'L', b'F', ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => Self::Program,
            // MPEG audio without a tag: layer III, and a bit rate and a sample rate there are.
            [0xff, second, third, ..]
                if second & 0xe6 == 0xe2 && third & 0xf0 != 0xf0 && third & 0xf0 != 0 && third & 0x0c != 0x0c =>
            {
                Self::Mp3
            }
            _ => return None,
        })
    }

    fn of_name(name: &str) -> Option<Self> {
        let ending = ending(name)?;
        KNOWN.iter().find(|(_, endings, _)| endings.contains(&ending.as_str())).map(|(format, ..)| *format)
    }

    fn of_mime(mime: &str) -> Option<Self> {
        KNOWN.iter().find(|(.., mimes)| mimes.contains(&mime)).map(|(format, ..)| *format)
    }

    /// Whether what said one may as well mean the other: programs that write a file are not that exact.
    fn agrees(self, other: Self) -> bool {
        use Container as V;
        let iso = |format| matches!(format, Self::Video(V::Mp4 | V::Mov) | Self::M4a);
        let ebml = |format| matches!(format, Self::Video(V::Matroska | V::WebM));
        self == other || iso(self) && iso(other) || ebml(self) && ebml(other)
    }

    const fn kind(self) -> FileKind {
        match self {
            Self::Picture(_) => FileKind::Image,
            Self::Video(_) => FileKind::Video,
            Self::Mp3 | Self::Ogg | Self::Wav | Self::Flac | Self::M4a => FileKind::Audio,
            Self::Pdf => FileKind::Pdf,
            Self::Zip | Self::Gzip | Self::SevenZip | Self::Rar | Self::Program => FileKind::File,
        }
    }

    fn mime(self) -> &'static str {
        KNOWN
            .iter()
            .find(|(format, ..)| *format == self)
            .and_then(|(.., mimes)| mimes.first())
            .copied()
            .unwrap_or(ANY_MIME)
    }
}

/// By the brand of an ISO base media file.
fn iso(brand: &[u8]) -> Format {
    match brand {
        b"qt  " => Format::Video(Container::Mov),
        b"M4A " | b"M4B " => Format::M4a,
        _ => Format::Video(Container::Mp4),
    }
}

/// By the document type in an EBML header.
fn ebml(head: &[u8]) -> Option<Container> {
    let head = &head[..head.len().min(128)];
    let says = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    match () {
        () if says(b"webm") => Some(Container::WebM),
        () if says(b"matroska") => Some(Container::Matroska),
        () => None,
    }
}

fn ending(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted {
    pub kind: FileKind,
    /// As which it is served, if it is.
    pub mime: String,
    pub picture: Option<PictureFormat>,
    pub container: Option<Container>,
}

impl Sorted {
    /// Judges by the name, the declared type (as [`crate::file::mime`] leaves it) and the first bytes, up to [`crate::file::HEAD_BYTES`] of
    /// them. What any of them says, the others must not gainsay; and what has a mark in its bytes must have that mark.
    pub fn judge(name: &str, mime: &str, head: &[u8]) -> Result<Self, FileError> {
        let (bytes, named, declared) = (Format::of_head(head), Format::of_name(name), Format::of_mime(mime));
        let is_agreed = match bytes {
            Some(bytes) => [named, declared].into_iter().flatten().all(|other| bytes.agrees(other)),
            // These all begin with a mark, and it does not.
            None => [named, declared].into_iter().flatten().all(|other| other == Format::Mp3),
        };
        // A page or a script is none, whatever it is called; a picture that is named like one neither.
        let is_text_named = ending(name).is_some_and(|ending| TEXT.contains(&ending.as_str()));
        if !is_agreed || is_text_named && bytes.is_some() {
            return Err(FileError::NotWhatItSays);
        }
        let Some(format) = bytes else {
            let is_text = is_text_named && is_text(head);
            let kind = if is_text { FileKind::Text } else { FileKind::File };
            let mime = if is_text { "text/plain" } else { ANY_MIME };
            return Ok(Self { kind, mime: mime.to_owned(), picture: None, container: None });
        };
        // Sound alone in a container that can hold pictures, or the other way round: what it is called decides how it is shown.
        let format = match (format, named) {
            (Format::Video(Container::Mp4), Some(Format::M4a)) => Format::M4a,
            (Format::M4a, Some(named @ Format::Video(_))) => named,
            (format, _) => format,
        };
        Ok(Self {
            kind: format.kind(),
            mime: format.mime().to_owned(),
            picture: match format {
                Format::Picture(picture) => Some(picture),
                _ => None,
            },
            container: match format {
                Format::Video(container) => Some(container),
                _ => None,
            },
        })
    }

    /// What is served is made by us: nothing of what was sent is.
    pub fn is_remade(&self) -> bool {
        self.container.is_some() || self.picture.is_some_and(|picture| picture != PictureFormat::Gif)
    }
}

/// Whether a file so named may be one of which only what we make is served. Its bytes decide.
pub fn may_be_remade(name: &str, mime: &str) -> bool {
    let said = [Format::of_name(name), Format::of_mime(mime)];
    said.iter().flatten().any(|format| match format {
        Format::Picture(picture) => *picture != PictureFormat::Gif,
        Format::Video(_) => true,
        _ => false,
    })
}

/// UTF-8, as far as it goes, and no control characters but those of text.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last letter may be cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    valid.chars().all(|letter| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MP4: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
    const MOV: &[u8] = b"\0\0\0\x14ftypqt  \0\0\x02\0qt  ";
    const WEBM: &[u8] =
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm";
    const MKV: &[u8] =
        b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x88matroska";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";

    fn kind(name: &str, mime: &str, head: &[u8]) -> Result<FileKind, FileError> {
        Sorted::judge(name, mime, head).map(|sorted| sorted.kind)
    }

    #[test]
    fn a_file_is_what_name_type_and_bytes_agree_on() {
        for (name, mime, head, is) in [
            ("a.mp4", "video/mp4", MP4, FileKind::Video),
            ("a.MOV", "video/quicktime", MOV, FileKind::Video),
            ("a.mov", "video/quicktime", MP4, FileKind::Video),
            ("a.webm", "video/webm", WEBM, FileKind::Video),
            ("a.mkv", "", MKV, FileKind::Video),
            ("a.m4a", "audio/mp4", MP4, FileKind::Audio),
            ("a.jpg", "image/jpeg", JPEG, FileKind::Image),
            ("a.pdf", "application/pdf", b"%PDF-1.7\n", FileKind::Pdf),
            (
                "a.docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                b"PK\x03\x04....",
                FileKind::File,
            ),
            ("notes.txt", "text/plain", "chào\n".as_bytes(), FileKind::Text),
            ("notes.txt", "text/plain", b"\0\x01\x02", FileKind::File),
            ("page.html", "text/html", b"<!DOCTYPE html>", FileKind::File),
            ("drawing.svg", "image/svg+xml", b"<svg xmlns=", FileKind::File),
            ("a.mp3", "audio/mpeg", b"ID3\x04", FileKind::Audio),
            ("a.mp3", "audio/mpeg", b"\xff\xfb\x90\x44", FileKind::Audio),
            ("data", "application/octet-stream", b"anything", FileKind::File),
            ("setup.exe", "application/octet-stream", b"MZ\x90\0", FileKind::File),
        ] {
            assert_eq!(kind(name, mime, head), Ok(is), "{name} {mime}");
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        for (name, mime, head) in [
            ("a.jpg", "image/jpeg", b"<svg xmlns='http".as_slice()),
            ("a.jpg", "image/jpeg", b"<!DOCTYPE html>"),
            ("a.mp4", "video/mp4", b"#EXTM3U\n#EXT-X-VERSION:3"),
            ("a.mp4", "video/mp4", b"ffconcat version 1.0\nfile "),
            ("a.mp4", "video/mp4", JPEG),
            ("a.mp4", "video/mp4", MKV),
            ("a.bin", "video/mp4", b"x"),
            ("a.jpg", "image/jpeg", b"MZ\x90\0"),
            ("a.pdf", "application/pdf", b"PK\x03\x04"),
            ("a.txt", "text/plain", JPEG),
            ("a.png", "image/png", JPEG),
            ("a.exe", "image/jpeg", JPEG),
            ("a.zip", "application/zip", b""),
        ] {
            assert_eq!(kind(name, mime, head), Err(FileError::NotWhatItSays), "{name} {mime}");
        }
    }

    #[test]
    fn pictures_and_videos_are_remade_and_moving_pictures_kept() {
        let remade = |name, head| Sorted::judge(name, "", head).unwrap().is_remade();
        assert!(remade("a.jpg", JPEG) && remade("a.mp4", MP4));
        assert!(!remade("a.gif", b"GIF89a") && !remade("a.pdf", b"%PDF-1.4"));
        assert_eq!(Sorted::judge("a.mkv", "", MKV).unwrap().container, Some(Container::Matroska));
    }
}
