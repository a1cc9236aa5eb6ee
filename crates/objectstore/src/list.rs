//! Keys in S3's order: that of their bytes.
//!
//! A folder is sorted as if each folder in it ended in a slash; walking it depth first then gives keys in order. Only
//! folders that may hold keys below the prefix and past the marker are read, one at a time, each of them whole.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::disk::Disk;
use crate::error::{Result, StoreError};
use crate::names::{self, Name};
use crate::object;

/// S3's limit for one answer.
pub(crate) const PAGE_LEN_MAX: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub prefix: String,
    /// Keys that have it after the prefix are folded into one.
    pub delimiter: Option<String>,
    /// Only what sorts after it.
    pub after: Marker,
    pub max: usize,
}

/// Where the page before ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Marker {
    #[default]
    Start,
    Key(String),
    /// A folded prefix: all below it was told.
    Prefix(String),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub size: u64,
    /// None of a torn file: it can be deleted, not read.
    pub etag: Option<String>,
    pub modified: SystemTime,
}

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub entries: Vec<Entry>,
    pub prefixes: Vec<String>,
    /// Where the next page begins, when there is one.
    pub next: Option<Marker>,
}

impl Marker {
    /// As opaque text.
    pub(crate) fn to_token(&self) -> String {
        let (kind, text) = match self {
            Self::Start => ("s", ""),
            Self::Key(key) => ("k", key.as_str()),
            Self::Prefix(prefix) => ("p", prefix.as_str()),
        };
        format!("{kind}{}", hex::encode(text))
    }

    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(hex::decode(token.get(1..)?).ok()?).ok()?;
        match token.as_bytes().first()? {
            b's' => Some(Self::Start),
            b'k' => Some(Self::Key(text)),
            b'p' => Some(Self::Prefix(text)),
            _ => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Start => "",
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }

    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Start => String::new(),
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }
}

/// One page of a bucket.
pub(crate) fn page(disk: &Disk, bucket: &str, query: &Query) -> Result<Page> {
    disk.check_bucket(bucket)?;
    let mut page = Page::default();
    if query.max == 0 {
        return Ok(page);
    }
    let mut walks = [
        Walk::new(disk.bucket_dir(bucket), Naming::Ours, query)?,
        Walk::new(disk.legacy_dir(bucket), Naming::Legacy, query)?,
    ];
    let mut last = Marker::Start;
    while let Some(found) = next_of(&mut walks)? {
        if page.entries.len() + page.prefixes.len() == query.max {
            page.next = Some(last);
            break;
        }
        let folded = query.delimiter.as_ref().and_then(|delimiter| fold(&found.key, &query.prefix, delimiter));
        if let Some(prefix) = folded {
            walks.iter_mut().for_each(|walk| walk.skip = Some(prefix.clone()));
            page.prefixes.push(prefix.clone());
            last = Marker::Prefix(prefix);
        } else if let Some(entry) = look(&found)? {
            page.entries.push(entry);
            last = Marker::Key(found.key);
        }
    }
    Ok(page)
}

fn fold(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    let at = key[prefix.len()..].find(delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_owned())
}

/// The next key of both stores; ours stands before one of the same name in the other.
fn next_of(walks: &mut [Walk<'_>; 2]) -> Result<Option<Found>> {
    let [ours, legacy] = walks;
    ours.fill()?;
    legacy.fill()?;
    let (a, b) = (ours.head.as_ref(), legacy.head.as_ref());
    match (a, b) {
        (Some(a), Some(b)) if a.key == b.key => {
            legacy.head = None;
            Ok(ours.head.take())
        }
        (Some(a), Some(b)) if a.key > b.key => Ok(legacy.head.take()),
        (None, _) => Ok(legacy.head.take()),
        (Some(_), _) => Ok(ours.head.take()),
    }
}

fn look(found: &Found) -> Result<Option<Entry>> {
    let opened = match found.naming {
        Naming::Ours => object::open(&found.path),
        Naming::Legacy => object::open_legacy(&found.path),
    };
    let key = found.key.clone();
    match opened {
        Ok(opened) => {
            Ok(Some(Entry { key, size: opened.size, etag: Some(opened.stored.etag), modified: opened.modified }))
        }
        // Gone since the folder was read, or torn.
        Err(StoreError::NoSuchKey) => {
            let about = fs::metadata(&found.path).and_then(|about| about.modified());
            Ok(about.ok().map(|modified| Entry { key, size: 0, etag: None, modified }))
        }
        Err(error) => Err(error),
    }
}

#[derive(Debug, Clone, Copy)]
enum Naming {
    Ours,
    /// Of the store before: names are segments.
    Legacy,
}

#[derive(Debug)]
struct Found {
    key: String,
    path: PathBuf,
    naming: Naming,
}

#[derive(Debug)]
struct Item {
    /// A segment; a folder's with a slash.
    text: String,
    path: PathBuf,
}

#[derive(Debug)]
struct Level {
    /// What all keys in it begin with.
    prefix: String,
    /// The next one last.
    items: Vec<Item>,
}

struct Walk<'a> {
    naming: Naming,
    query: &'a Query,
    /// What is folded already.
    skip: Option<String>,
    levels: Vec<Level>,
    head: Option<Found>,
}

impl<'a> Walk<'a> {
    fn new(bucket_dir: PathBuf, naming: Naming, query: &'a Query) -> Result<Self> {
        let skip = match &query.after {
            Marker::Prefix(prefix) => Some(prefix.clone()),
            _ => None,
        };
        let mut walk = Self { naming, query, skip, levels: Vec::new(), head: None };
        let start = query.prefix.rfind('/').map_or("", |at| &query.prefix[..=at]);
        let folder = match (start.strip_suffix('/'), naming) {
            (None, _) => Some(PathBuf::new()),
            // A prefix no key can have.
            (Some(segments), Naming::Ours) => names::folder_path(segments).ok(),
            (Some(segments), Naming::Legacy) => names::legacy_path(segments),
        };
        if let Some(folder) = folder {
            walk.enter(bucket_dir.join(folder), start.to_owned())?;
        }
        Ok(walk)
    }

    /// Sees to it that `head` is the next key, if there is one that is not folded.
    fn fill(&mut self) -> Result<()> {
        if self.head.as_ref().is_some_and(|head| self.is_skipped(&head.key)) {
            self.head = None;
        }
        while self.head.is_none() {
            let Some(level) = self.levels.last_mut() else { return Ok(()) };
            let Some(item) = level.items.pop() else {
                self.levels.pop();
                continue;
            };
            let key = format!("{}{}", level.prefix, item.text);
            if self.is_skipped(&key) {
                continue;
            }
            if item.text.ends_with('/') {
                self.enter(item.path, key)?;
            } else {
                self.head = Some(Found { key, path: item.path, naming: self.naming });
            }
        }
        Ok(())
    }

    fn is_skipped(&self, key: &str) -> bool {
        self.skip.as_ref().is_some_and(|skip| key.starts_with(skip))
    }

    fn enter(&mut self, folder: PathBuf, prefix: String) -> Result<()> {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(StoreError::disk("listing", &folder, error)),
        };
        let mut items = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::disk("listing", &folder, error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let text = match (self.naming, is_folder) {
                (Naming::Ours, _) => match (names::read_name(name), is_folder) {
                    (Some(Name::Object(segment)), false) => segment,
                    (Some(Name::Folder(segment)), true) => segment + "/",
                    _ => continue,
                },
                (Naming::Legacy, false) => name.to_owned(),
                (Naming::Legacy, true) => format!("{name}/"),
            };
            if self.may_hold(&prefix, &text) {
                items.push(Item { text, path: entry.path() });
            }
        }
        items.sort_unstable_by(|a, b| b.text.cmp(&a.text));
        self.levels.push(Level { prefix, items });
        Ok(())
    }

    /// Whether an object is asked for, or a folder may hold one that is.
    fn may_hold(&self, prefix: &str, text: &str) -> bool {
        let key = format!("{prefix}{text}");
        let (wanted, after) = (self.query.prefix.as_str(), self.query.after.text());
        if text.ends_with('/') {
            (key.starts_with(wanted) || wanted.starts_with(&key)) && (key.as_str() > after || after.starts_with(&key))
        } else {
            key.starts_with(wanted) && key.as_str() > after
        }
    }
}
