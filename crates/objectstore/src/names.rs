//! How a key becomes a path, and back.
//!
//! A key's segments are folders, its last one a file. A segment is kept as it is but for what a file system would take
//! for something else: control bytes and `%` become `%XX`, `.` and `..` likewise, and an empty segment is `%_`. An
//! object's file ends in a bare `%`, which no folder does: so the key `a` and the folder of the key `a/b` lie side by
//! side, and nothing of a key ever leaves its bucket.

use std::path::PathBuf;

use crate::error::{Result, StoreError};

/// S3's limit.
pub(crate) const KEY_BYTES_MAX: usize = 1_024;
/// What Linux's file systems take as one name.
const NAME_BYTES_MAX: usize = 255;
const OBJECT_MARK: char = '%';
const EMPTY: &str = "%_";

/// A name in a bucket's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Object(String),
    Folder(String),
}

/// The path of an object below its bucket's folder.
pub(crate) fn object_path(key: &str) -> Result<PathBuf> {
    if key.is_empty() {
        return Err(StoreError::BadKey);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(StoreError::KeyTooLong);
    }
    let (folders, last) = key.rsplit_once('/').map_or((None, key), |(folders, last)| (Some(folders), last));
    let mut path = folders.map(folder_path).transpose()?.unwrap_or_default();
    let mut name = escape(last);
    name.push(OBJECT_MARK);
    path.push(checked(name)?);
    Ok(path)
}

/// The path of the folder that holds every key below `segments` and a slash.
pub(crate) fn folder_path(segments: &str) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for segment in segments.split('/') {
        path.push(checked(escape(segment))?);
    }
    Ok(path)
}

/// The path the store before this one gave a key, when it could have given one.
pub(crate) fn legacy_path(key: &str) -> Option<PathBuf> {
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains('\0');
    key.split('/').all(is_plain).then(|| PathBuf::from(key))
}

/// What a name in a bucket's folder stands for; `None` when this store did not write it.
pub(crate) fn read_name(name: &str) -> Option<Name> {
    let (escaped, is_object) = match name.strip_suffix(OBJECT_MARK) {
        Some(escaped) => (escaped, true),
        None => (name, false),
    };
    let segment = unescape(escaped)?;
    // Two names never stand for one key.
    (escape(&segment) == escaped).then_some(if is_object { Name::Object(segment) } else { Name::Folder(segment) })
}

fn checked(name: String) -> Result<String> {
    if name.len() > NAME_BYTES_MAX { Err(StoreError::KeyTooLong) } else { Ok(name) }
}

fn escape(segment: &str) -> String {
    match segment {
        "" => return EMPTY.to_owned(),
        "." => return "%2E".to_owned(),
        ".." => return "%2E%2E".to_owned(),
        _ => {}
    }
    let mut name = String::with_capacity(segment.len() + 1);
    for letter in segment.chars() {
        if letter == '%' || letter.is_ascii_control() {
            name.push_str(&format!("%{:02X}", u32::from(letter)));
        } else {
            name.push(letter);
        }
    }
    name
}

fn unescape(name: &str) -> Option<String> {
    if name == EMPTY {
        return Some(String::new());
    }
    let mut segment = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, coded)) = rest.split_once('%') {
        segment.push_str(plain);
        let digits = coded.get(..2)?;
        segment.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        rest = &coded[2..];
    }
    segment.push_str(rest);
    (!segment.is_empty()).then_some(segment)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;

    const KEYS: [&str; 14] = [
        "a",
        "a/b",
        "a/",
        "/a",
        "a//b",
        "//",
        "..",
        "../../etc/passwd",
        "./a/../b",
        "50%/a%2Fb",
        "%_",
        "nul\0and\nline",
        "ü b/+",
        "a%",
    ];

    #[test]
    fn no_key_leaves_its_bucket_and_no_two_share_a_file() {
        let mut seen = std::collections::HashSet::new();
        for key in KEYS {
            let path = object_path(key).expect(key);
            assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{key:?}: {path:?}");
            assert!(!path.to_string_lossy().contains('\0'));
            assert!(seen.insert(path.clone()), "{key:?}: {path:?}");
        }
    }

    #[test]
    fn a_path_gives_its_key_back() {
        for key in KEYS {
            let path = object_path(key).expect(key);
            let names: Vec<Name> =
                path.iter().map(|name| read_name(name.to_str().expect("text")).expect("a name of ours")).collect();
            let segments: Vec<&str> = names
                .iter()
                .map(|name| match name {
                    Name::Object(segment) | Name::Folder(segment) => segment.as_str(),
                })
                .collect();
            assert_eq!(segments.join("/"), key);
            assert!(matches!(names.last(), Some(Name::Object(_))));
        }
    }

    #[test]
    fn an_object_and_a_folder_of_one_name_differ() {
        assert_ne!(object_path("a").expect("a key"), folder_path("a").expect("a folder"));
        assert_eq!(read_name("a%"), Some(Name::Object("a".to_owned())));
        assert_eq!(read_name("a"), Some(Name::Folder("a".to_owned())));
    }

    #[test]
    fn names_of_others_are_nobodys_keys() {
        for name in ["a%2", "a%zz%", "%41", "", "%", "a%0a"] {
            assert_eq!(read_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(object_path(&"k".repeat(254)).is_ok());
        assert!(matches!(object_path(&"k".repeat(255)), Err(StoreError::KeyTooLong)));
        assert!(matches!(object_path(&"a/".repeat(600)), Err(StoreError::KeyTooLong)));
        assert!(matches!(object_path(&"%".repeat(100)), Err(StoreError::KeyTooLong)));
        assert!(matches!(object_path(""), Err(StoreError::BadKey)));
    }

    #[test]
    fn the_store_before_had_no_odd_keys() {
        assert_eq!(legacy_path("a/b.m4s"), Some(PathBuf::from("a/b.m4s")));
        for key in ["", "/etc/passwd", "a//b", "../b", "a/./b", "a/"] {
            assert_eq!(legacy_path(key), None, "{key:?}");
        }
    }
}
