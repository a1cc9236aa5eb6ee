//! The journal's lines: JSON behind a checksum, one fact a line, appended only.
//!
//! A line that was torn by a crash does not match its checksum and counts for nothing; those around it stay good.

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::handle::{RecordingInfo, RenditionInfo};

/// Hex digits of the checksum before each line.
const SUM_LEN: usize = 8;

/// One fact. Field names are short: five of these are written per second and rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(super) enum Line {
    Start {
        info: RecordingInfo,
    },
    /// Numbers below these are taken.
    Floor {
        msn: u64,
        init: u32,
        discontinuities: u64,
    },
    Rendition {
        info: RenditionInfo,
    },
    /// The init segment's file is whole.
    Init {
        r: String,
        no: u32,
    },
    /// `len` more bytes of the segment are whole. The segment's head comes with its first part.
    Part {
        r: String,
        msn: u64,
        len: u64,
        us: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        head: Option<Head>,
    },
    /// The segment is complete.
    Closed {
        r: String,
        msn: u64,
        us: u64,
    },
    /// The segment was given up.
    Dropped {
        r: String,
        msn: u64,
    },
    /// Object and row are there; the file may go or is gone.
    Stored {
        r: String,
        msn: u64,
    },
    InitStored {
        r: String,
        no: u32,
    },
    /// The stream is over; only uploads are left.
    Ended,
}

/// What is known of a segment from its first part on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) at: Timestamp,
    pub(super) init: u32,
    pub(super) disc: bool,
    pub(super) key: bool,
    /// Presentation time of its first sample, on the stream's clock, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pts: Option<i64>,
    /// Bytes to the end of its first picture, if that is a key frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iframe: Option<u64>,
    /// Where its bytes are.
    pub(super) spot: Spot,
}

/// Where a segment begins: in which of its rendition's files, after how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Spot {
    pub(super) roll: u32,
    pub(super) at: u64,
}

/// The line as it is written, with its end.
pub(super) fn encode(line: &Line) -> String {
    let json = serde_json::to_string(line).unwrap_or_default();
    format!("{} {json}\n", sum(&json))
}

/// All whole lines of a journal, in order, and how many were torn.
pub(super) fn decode(text: &[u8]) -> (Vec<Line>, usize) {
    let mut lines = Vec::new();
    let mut torn = 0;
    for raw in text.split(|byte| *byte == b'\n').filter(|raw| !raw.is_empty()) {
        match decode_line(raw) {
            Some(line) => lines.push(line),
            None => torn += 1,
        }
    }
    (lines, torn)
}

fn decode_line(raw: &[u8]) -> Option<Line> {
    let (expected, json) = std::str::from_utf8(raw).ok()?.split_once(' ')?;
    (sum(json) == expected).then(|| serde_json::from_str(json).ok())?
}

fn sum(json: &str) -> String {
    hex::encode(&Sha256::digest(json.as_bytes())[..SUM_LEN / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(msn: u64) -> Line {
        Line::Closed { r: "source".to_owned(), msn, us: 2_000_000 }
    }

    #[test]
    fn a_torn_last_line_counts_for_nothing() {
        let mut text = format!("{}{}", encode(&line(1)), encode(&line(2)));
        text.truncate(text.len() - 3);
        assert_eq!(decode(text.as_bytes()), (vec![line(1)], 1));
    }

    #[test]
    fn a_line_torn_in_the_middle_of_the_journal_spares_the_rest() {
        let torn = encode(&line(2));
        let text = format!("{}{}\n{}", encode(&line(1)), &torn[..20], encode(&line(3)));
        assert_eq!(decode(text.as_bytes()), (vec![line(1), line(3)], 1));
        assert_eq!(decode(b"\0\0\0\0\n\xff\n"), (vec![], 2));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let text = encode(&line(7)).replace("\"msn\":7", "\"msn\":8");
        assert_eq!(decode(text.as_bytes()), (vec![], 1));
    }
}
