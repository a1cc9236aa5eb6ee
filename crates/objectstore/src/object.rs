//! An object's file: the body, then a trailer that says what else S3 knows of it.
//!
//! ```text
//! body | JSON (Stored) | JSON's length, u32 | body's length, u64 | MAGIC
//! ```
//! Numbers are little-endian. The trailer is last, so a body is written as it comes and a reader finds the trailer from
//! the end. A file whose trailer does not add up was torn by a power cut before it was confirmed: it is no object.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use s3s::dto;
use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};

const MAGIC: [u8; 8] = *b"RILLOBJ1";
const FOOTER_BYTES: usize = 20;
/// User metadata, names and values together: S3's limit.
const METADATA_BYTES_MAX: usize = 2 * 1_024;
/// The trailer's JSON.
const JSON_BYTES_MAX: usize = 16 * 1_024;
/// Read in one go from the end: holds the usual trailer.
const TAIL_BYTES: usize = 1_024;

/// What a client said of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<dto::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<dto::Metadata>,
}

/// The trailer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub etag: String,
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// An object, open for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub file: File,
    /// Bytes of the body.
    pub size: u64,
    pub modified: SystemTime,
    pub stored: Stored,
}

impl Attributes {
    /// Refuses more than may be kept.
    pub(crate) fn check(&self) -> Result<()> {
        let metadata = self.metadata.iter().flatten().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let json = serde_json::to_vec(self).map_err(|_| StoreError::MetadataTooLarge)?;
        // The ETag comes to it.
        if metadata > METADATA_BYTES_MAX || json.len() + TAIL_BYTES > JSON_BYTES_MAX {
            return Err(StoreError::MetadataTooLarge);
        }
        Ok(())
    }
}

impl Stored {
    /// The trailer of a body of `size` bytes.
    pub(crate) fn trailer(&self, size: u64) -> Result<Vec<u8>> {
        let mut trailer = serde_json::to_vec(self).map_err(|_| StoreError::MetadataTooLarge)?;
        let length = u32::try_from(trailer.len()).map_err(|_| StoreError::MetadataTooLarge)?;
        trailer.extend_from_slice(&length.to_le_bytes());
        trailer.extend_from_slice(&size.to_le_bytes());
        trailer.extend_from_slice(&MAGIC);
        Ok(trailer)
    }
}

/// Opens an object's file.
///
/// # Errors
/// `NoSuchKey` when there is none or it is torn.
pub(crate) fn open(path: &Path) -> Result<Opened> {
    let (file, length, modified) = open_file(path)?;
    let failed = |source| StoreError::disk("reading", path, source);
    match read_trailer(&file, length).map_err(failed)? {
        Some((stored, size)) => Ok(Opened { file, size, modified, stored }),
        None => {
            tracing::warn!(path = %path.display(), length, "an object's file is torn; it is left out");
            Err(StoreError::NoSuchKey)
        }
    }
}

/// Opens a file of the store before: all of it is body, and what it is its name says.
pub(crate) fn open_legacy(path: &Path) -> Result<Opened> {
    let (file, size, modified) = open_file(path)?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let content_type = mime_guess::from_path(path).first_or_octet_stream().to_string();
    let attributes = Attributes { content_type: Some(content_type), ..Attributes::default() };
    let stored = Stored { etag: format!("{size:x}-{:x}", since.as_nanos()), attributes };
    Ok(Opened { file, size, modified, stored })
}

fn open_file(path: &Path) -> Result<(File, u64, SystemTime)> {
    let sorted = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::NoSuchKey,
        _ => StoreError::disk("opening", path, source),
    };
    let file = File::open(path).map_err(sorted)?;
    let about = file.metadata().map_err(sorted)?;
    if !about.is_file() {
        return Err(StoreError::NoSuchKey);
    }
    let modified = about.modified().map_err(sorted)?;
    Ok((file, about.len(), modified))
}

fn read_trailer(file: &File, length: u64) -> io::Result<Option<(Stored, u64)>> {
    let read_tail = |bytes: usize| -> io::Result<Vec<u8>> {
        let mut tail = vec![0; bytes];
        file.read_exact_at(&mut tail, length - bytes as u64)?;
        Ok(tail)
    };
    let at_most = |bytes: usize| usize::try_from(length).unwrap_or(usize::MAX).min(bytes);
    let mut tail = read_tail(at_most(TAIL_BYTES))?;
    let Some((size, json_bytes)) = read_footer(&tail) else { return Ok(None) };
    let trailer_bytes = json_bytes + FOOTER_BYTES;
    if json_bytes > JSON_BYTES_MAX || size.checked_add(trailer_bytes as u64) != Some(length) {
        return Ok(None);
    }
    if trailer_bytes > tail.len() {
        tail = read_tail(trailer_bytes)?;
    }
    let json = &tail[tail.len() - trailer_bytes..tail.len() - FOOTER_BYTES];
    Ok(serde_json::from_slice(json).ok().map(|stored| (stored, size)))
}

/// The body's length and the JSON's.
fn read_footer(tail: &[u8]) -> Option<(u64, usize)> {
    let (_, footer) = tail.split_last_chunk::<FOOTER_BYTES>()?;
    let (json, rest) = footer.split_first_chunk::<4>()?;
    let (size, magic) = rest.split_first_chunk::<8>()?;
    if magic != MAGIC {
        return None;
    }
    Some((u64::from_le_bytes(*size), usize::try_from(u32::from_le_bytes(*json)).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn stored() -> Stored {
        let metadata = Some([("who".to_owned(), "x".repeat(1_500))].into_iter().collect());
        let attributes = Attributes { content_type: Some("video/mp4".to_owned()), metadata, ..Attributes::default() };
        Stored { etag: "e".repeat(64), attributes }
    }

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        file
    }

    #[test]
    fn what_was_sealed_is_read_and_what_was_cut_is_not() {
        for body in [&b""[..], b"body", &[7; 5_000]] {
            let mut bytes = body.to_vec();
            bytes.extend(stored().trailer(body.len() as u64).expect("a trailer"));
            let opened = open(file_of(&bytes).path()).expect("an object");
            assert_eq!((opened.size, &opened.stored), (body.len() as u64, &stored()));
            for cut in [1, 10, 500] {
                let torn = file_of(&bytes[..bytes.len() - cut]);
                assert!(matches!(open(torn.path()), Err(StoreError::NoSuchKey)), "{cut} bytes are missing");
            }
            let mut longer = bytes.clone();
            longer.insert(0, 0);
            assert!(matches!(open(file_of(&longer).path()), Err(StoreError::NoSuchKey)));
        }
        assert!(matches!(open(file_of(b"").path()), Err(StoreError::NoSuchKey)));
    }

    #[test]
    fn metadata_has_a_bound() {
        let with = |bytes: usize| Attributes {
            metadata: Some([("k".to_owned(), "v".repeat(bytes - 1))].into_iter().collect()),
            ..Attributes::default()
        };
        assert!(with(METADATA_BYTES_MAX).check().is_ok());
        assert!(matches!(with(METADATA_BYTES_MAX + 1).check(), Err(StoreError::MetadataTooLarge)));
        let long = Attributes { cache_control: Some("x".repeat(JSON_BYTES_MAX)), ..Attributes::default() };
        assert!(matches!(long.check(), Err(StoreError::MetadataTooLarge)));
    }
}
