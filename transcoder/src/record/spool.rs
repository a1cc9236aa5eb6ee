//! The spool's folders and files, and making sense of them after a crash.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use domain::StreamId;

use super::book::Book;
use super::journal::{self, Line, Spot};
use super::points;

const NAME_LEN_MAX: usize = 32;
/// Ends the name of a folder that was set aside. It is no stream's name, so no start looks at it again.
const ASIDE: &str = "set-aside";
/// A compacted journal holds at most what waits; a larger one is not ours.
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Whether a rendition's name can be a folder, a part of a key and of a URL.
pub(super) fn is_safe_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= NAME_LEN_MAX && name.bytes().all(is_legal)
}

/// The files of one recording.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) folder: PathBuf,
}

impl Layout {
    pub(super) fn new(spool: &Path, stream_id: StreamId) -> Self {
        Self { folder: spool.join(stream_id.to_string()) }
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    pub(super) fn rendition(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file of segments, one after another.
    pub(super) fn roll(&self, rendition: &str, no: u32) -> PathBuf {
        self.folder.join(rendition).join(format!("roll{no}"))
    }

    pub(super) fn init(&self, rendition: &str, no: u32) -> PathBuf {
        self.folder.join(rendition).join(objects::keys::init_name(no))
    }
}

/// The recordings an earlier run left behind.
pub(super) fn scan(spool: &Path) -> io::Result<Vec<StreamId>> {
    fs::create_dir_all(spool)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(spool)? {
        // Other things may be spooled beside ours.
        if let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<StreamId>().ok()) {
            found.push(id);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a recording back and makes its journal agree with its files: half-written segments keep their whole parts, and
/// files no line speaks of go. `None` when nothing of it is usable.
pub(super) fn recover(layout: &Layout) -> io::Result<Option<Book>> {
    let mut text = Vec::new();
    match fs::File::open(layout.journal()) {
        Ok(file) => file.take(JOURNAL_BYTES_MAX).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (lines, torn) = journal::decode(&text);
    if torn > 0 {
        tracing::warn!(folder = %layout.folder.display(), torn, "a recording's journal has torn lines");
    }
    let Some(mut book) = Book::replay(&lines) else { return Ok(None) };
    points::RECOVERY_READ.pass();
    for line in settle(layout, &book)? {
        book.apply(&line);
    }
    remove_strays(layout, &book)?;
    points::RECOVERY_SETTLED.pass();
    Ok(Some(book))
}

/// Takes a folder whose journal says nothing out of the way. Without media in it, it goes; media is kept for a person to
/// look at, since nobody else knows what it is.
pub(super) fn set_aside(layout: &Layout) -> io::Result<()> {
    if !has_media(&layout.folder)? {
        tracing::warn!(folder = %layout.folder.display(), "a spool folder without a usable journal is removed");
        return fs::remove_dir_all(&layout.folder);
    }
    let aside = layout.folder.with_extension(ASIDE);
    tracing::error!(folder = %aside.display(), "media without a usable journal is set aside");
    fs::rename(&layout.folder, aside)
}

fn has_media(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            for file in fs::read_dir(&path)? {
                let file = file?;
                let is_roll = file.file_name().to_string_lossy().starts_with("roll");
                if is_roll && file.metadata()?.len() > 0 {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// What the files add to the journal: the lines that would have been written had the process lived a little longer.
fn settle(layout: &Layout, book: &Book) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, shelf) in &book.renditions {
        let r = || name.clone();
        for (msn, closed) in &shelf.closed {
            if !layout.roll(name, closed.head.spot.roll).exists() {
                // Files go only after object and row are there.
                lines.push(Line::Stored { r: r(), msn: *msn });
            }
        }
        for no in &shelf.inits {
            if !layout.init(name, *no).exists() {
                lines.push(Line::InitStored { r: r(), no: *no });
            }
        }
        let Some(segment) = &shelf.open else { continue };
        let Spot { roll, at } = segment.head.spot;
        let whole = whole_parts(&layout.roll(name, roll), at, &segment.parts)?;
        if whole.0 == 0 || whole.1 == 0 {
            lines.push(Line::Dropped { r: r(), msn: segment.msn });
            continue;
        }
        // The head comes with a first part of the whole length: this replaces what the lines before had said.
        let head = Some(segment.head.clone());
        lines.push(Line::Part { r: r(), msn: segment.msn, len: whole.0, us: whole.1, head });
        lines.push(Line::Closed { r: r(), msn: segment.msn, us: whole.1 });
    }
    Ok(lines)
}

/// Bytes and duration of the leading parts that are wholly in the file from `at` on and look like parts.
fn whole_parts(path: &Path, at: u64, parts: &[(u64, u64)]) -> io::Result<(u64, u64)> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(parts.iter().map(|part| part.0).sum()).read_to_end(&mut bytes)?;
    let (mut end, mut duration_us) = (0_usize, 0);
    for (len, us) in parts {
        let next = usize::try_from(*len).ok().and_then(|len| end.checked_add(len));
        let Some(part) = next.and_then(|next| bytes.get(end..next)) else { break };
        if !is_whole_fragment(part) {
            break;
        }
        end += part.len();
        duration_us += us;
    }
    Ok((u64::try_from(end).unwrap_or(0), duration_us))
}

/// Boxes that fill the bytes exactly, with a `moof` and an `mdat` among them (ISO/IEC 14496-12 4.2).
fn is_whole_fragment(mut bytes: &[u8]) -> bool {
    let (mut has_moof, mut has_mdat) = (false, false);
    while !bytes.is_empty() {
        let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return false };
        let Some((kind, rest)) = rest.split_first_chunk::<4>() else { return false };
        let len = match u32::from_be_bytes(*size) {
            1 => rest.first_chunk::<8>().and_then(|large| usize::try_from(u64::from_be_bytes(*large)).ok()),
            size => usize::try_from(size).ok(),
        };
        let Some(next) = len.filter(|len| *len >= 8).and_then(|len| bytes.get(len..)) else { return false };
        has_moof |= kind == b"moof";
        has_mdat |= kind == b"mdat";
        bytes = next;
    }
    has_moof && has_mdat
}

/// Removes files no line speaks of: torn inits, segments whose first line never made it or that are all stored, leftovers of
/// compaction.
fn remove_strays(layout: &Layout, book: &Book) -> io::Result<()> {
    for entry in fs::read_dir(&layout.folder)? {
        let entry = entry?;
        let path = entry.path();
        if path == layout.journal() {
            continue;
        }
        let name = entry.file_name();
        let Some(shelf) = name.to_str().and_then(|name| book.renditions.get(name)) else {
            if path.is_dir() {
                fs::remove_dir_all(&path)?
            } else {
                fs::remove_file(&path)?
            }
            continue;
        };
        let rendition = name.to_string_lossy();
        let rolls = shelf.rolls();
        let rolls = rolls.iter().map(|no| layout.roll(&rendition, *no));
        let known: HashSet<PathBuf> = rolls.chain(shelf.inits.iter().map(|no| layout.init(&rendition, *no))).collect();
        for file in fs::read_dir(&path)? {
            let file = file?.path();
            if !known.contains(&file) {
                fs::remove_file(&file)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], payload: usize) -> Vec<u8> {
        let mut out = u32::try_from(payload + 8).unwrap_or(0).to_be_bytes().to_vec();
        out.extend_from_slice(kind);
        out.resize(payload + 8, 0);
        out
    }

    #[test]
    fn only_whole_boxes_with_moof_and_mdat_are_a_part() {
        let part = [boxed(b"moof", 20), boxed(b"mdat", 50)].concat();
        assert!(is_whole_fragment(&part));
        assert!(is_whole_fragment(&[boxed(b"styp", 4), part.clone()].concat()));
        assert!(!is_whole_fragment(&part[..part.len() - 1]));
        assert!(!is_whole_fragment(&boxed(b"moof", 20)));
        assert!(!is_whole_fragment(&vec![0; part.len()]), "a block the disk never wrote");
        assert!(!is_whole_fragment(&[]));
    }

    #[test]
    fn a_rendition_name_cannot_leave_its_folder() {
        for bad in ["", "..", "a/b", "A", "x".repeat(33).as_str(), "a.b", "a\0"] {
            assert!(!is_safe_name(bad), "{bad:?}");
        }
        assert!(is_safe_name("480p") && is_safe_name("source_2"));
    }
}
