//! The files segments are appended to, one after another: one file at a time for each rendition, followed by another when
//! it is full.
//!
//! Segments share files because a file of its own for each would cost more than what is in it. What a file holds, and
//! when it may go, is the journal's to say.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::journal::Spot;
use super::points;
use super::spool::Layout;

/// A file that grew to this is followed by another. Its space is given back when all of it is stored.
pub(super) const ROLL_BYTES: u64 = 16 * 1024 * 1024;

/// The files of one recording that are being written.
pub(super) struct Rolls {
    current: HashMap<String, Roll>,
    /// Numbers are unique in the recording and never used twice.
    next_no: u32,
    /// A file this long is full.
    bytes_max: u64,
}

struct Roll {
    no: u32,
    file: Arc<File>,
    len: u64,
}

/// Where a new segment begins, and which file was full before it.
pub(super) struct Begun {
    pub(super) spot: Spot,
    pub(super) full: Option<u32>,
}

impl Rolls {
    pub(super) fn starting_at(next_no: u32, bytes_max: u64) -> Self {
        Self { current: HashMap::new(), next_no, bytes_max }
    }

    /// Makes sure there is a file for a new segment of the rendition.
    pub(super) fn begin(&mut self, layout: &Layout, rendition: &str) -> io::Result<Begun> {
        if let Some(roll) = self.current.get(rendition).filter(|roll| roll.len < self.bytes_max) {
            return Ok(Begun { spot: Spot { roll: roll.no, at: roll.len }, full: None });
        }
        let (no, path) = (self.next_no, layout.roll(rendition, self.next_no));
        let create = || OpenOptions::new().create(true).read(true).write(true).truncate(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(layout.rendition(rendition))?;
                create()?
            }
            created => created?,
        };
        points::ROLL_CREATED.pass();
        self.next_no += 1;
        let full = self.current.insert(rendition.to_owned(), Roll { no, file: Arc::new(file), len: 0 });
        Ok(Begun { spot: Spot { roll: no, at: 0 }, full: full.map(|roll| roll.no) })
    }

    /// Adds bytes to the rendition's file. After a failure it ends where it ended before.
    pub(super) fn append(&mut self, rendition: &str, bytes: &[u8]) -> io::Result<()> {
        let Some(roll) = self.current.get_mut(rendition) else { return Err(io::ErrorKind::NotFound.into()) };
        roll.file.write_all_at(bytes, roll.len)?;
        roll.len += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// Takes back what was appended from `at` on.
    pub(super) fn cut(&mut self, rendition: &str, at: u64) {
        if let Some(roll) = self.current.get_mut(rendition) {
            roll.len = at;
            // A full disk wants its space back; otherwise the next segment is written over it.
            let _shortened = roll.file.set_len(at);
        }
    }

    /// The file the rendition is appended to.
    pub(super) fn file(&self, rendition: &str) -> Option<Arc<File>> {
        self.current.get(rendition).map(|roll| Arc::clone(&roll.file))
    }

    pub(super) fn is_current(&self, rendition: &str, no: u32) -> bool {
        self.current.get(rendition).is_some_and(|roll| roll.no == no)
    }
}
