//! FLV files: the tags one after another. Used for fixtures and tools; RTMP itself never carries the file layout.

use bytes::{Buf, Bytes};

use super::FlvError;

const FILE_HEADER_BYTES: usize = 9;
const TAG_HEADER_BYTES: usize = 11;

/// What kind of RTMP message a tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind {
    Audio,
    Video,
    Script,
    Other(u8),
}

/// One tag of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTag {
    pub kind: TagKind,
    pub timestamp_ms: u32,
    pub body: Bytes,
}

/// The tags of an FLV file. A file cut off in the middle of a tag ends before that tag.
pub fn file_tags(file: &Bytes) -> Result<FileTags, FlvError> {
    if file.len() < FILE_HEADER_BYTES || !file.starts_with(b"FLV") {
        return Err(FlvError::NotFlv);
    }
    let header = u32::from_be_bytes([file[5], file[6], file[7], file[8]]) as usize;
    // The header is followed by the length of a tag that is not there: four zero bytes.
    let start = header.checked_add(4).filter(|start| *start <= file.len()).ok_or(FlvError::Truncated)?;
    Ok(FileTags { rest: file.slice(start..) })
}

/// Iterator over [`FileTag`]s.
#[derive(Debug, Clone)]
pub struct FileTags {
    rest: Bytes,
}

impl Iterator for FileTags {
    type Item = FileTag;

    fn next(&mut self) -> Option<FileTag> {
        if self.rest.len() < TAG_HEADER_BYTES {
            return None;
        }
        let kind = match self.rest.get_u8() & 0x1f {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            other => TagKind::Other(other),
        };
        let length = self.rest.get_uint(3) as usize;
        let low = self.rest.get_uint(3) as u32;
        let high = u32::from(self.rest.get_u8());
        self.rest.advance(3);
        if self.rest.len() < length {
            self.rest.clear();
            return None;
        }
        let body = self.rest.split_to(length);
        self.rest.advance(self.rest.len().min(4));
        Some(FileTag { kind, timestamp_ms: high << 24 | low, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_out_in_order_and_a_torn_tail_is_left_out() {
        let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        file.extend([8, 0, 0, 2, 0, 0, 5, 1, 0, 0, 0, 0xaf, 1, 0, 0, 0, 13]);
        file.extend([9, 0, 0, 9, 0, 0, 6, 0, 0, 0, 0, 0x17]);
        let tags: Vec<_> = file_tags(&file.into()).expect("a file").collect();
        assert_eq!(tags.len(), 1);
        assert_eq!((tags[0].kind, tags[0].timestamp_ms), (TagKind::Audio, 0x0100_0005));
        assert_eq!(tags[0].body, Bytes::from_static(&[0xaf, 1]));
        assert_eq!(file_tags(&Bytes::from("FLX")).map(|_| ()), Err(FlvError::NotFlv));
    }
}
