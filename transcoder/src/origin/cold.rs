//! The older half of a live window, on disk.
//!
//! Players at the live edge fetch the last few segments; the rest of the window, and what left it lately, is there for
//! those who are behind. Keeping all of it in memory would be most of what a stream costs. The recording has written the same
//! bytes already, so a cooled segment is read from there; where there is no recording, one task moves segments into files that
//! have no name any more: they vanish with their last reader, and nothing is left behind by a crash. When the disk refuses,
//! segments simply stay in memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use kit::Stop;
use tokio::sync::mpsc;

use super::shelf::Segment;
use crate::place::OnDisk;

/// Segments that wait to be written. When it is full, a segment stays in memory.
const WAITING_MAX: usize = 256;
/// A file takes this much before the next one is begun. Its space is given back when its last segment expires.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where streams hand over segments that have cooled.
#[derive(Debug, Clone)]
pub(crate) struct Cellar {
    queue: mpsc::Sender<Weak<Segment>>,
}

impl Cellar {
    /// The handle, and the task that does the writing below `folder`.
    pub(crate) fn new(folder: PathBuf) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        (Self { queue }, run(folder, waiting))
    }

    /// Moves a segment out of memory when there is time. Never waits.
    pub(crate) fn store(&self, segment: &Arc<Segment>) {
        if !segment.rests_in_spool() {
            let _stays_in_memory = self.queue.try_send(Arc::downgrade(segment));
        }
    }
}

async fn run(folder: PathBuf, mut waiting: mpsc::Receiver<Weak<Segment>>) {
    let mut shelf = Current { folder, file: None, is_failing: false };
    while let Some(segment) = waiting.recv().await {
        // Who writes is whoever runs next; the order does not matter.
        let Ok(next) = tokio::task::spawn_blocking(move || {
            if let Some(segment) = segment.upgrade() {
                shelf.put(&segment);
            }
            shelf
        })
        .await
        else {
            tracing::error!("writing the live window to disk panicked; it stays in memory from here on");
            return;
        };
        shelf = next;
    }
}

struct Current {
    folder: PathBuf,
    file: Option<(Arc<File>, u64)>,
    is_failing: bool,
}

impl Current {
    fn put(&mut self, segment: &Segment) {
        let Some(parts) = segment.in_memory() else { return };
        match self.write(&parts, segment.len()) {
            Ok(place) => {
                segment.moved_to(place);
                self.is_failing = false;
            }
            Err(error) => {
                self.file = None;
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, folder = %self.folder.display(), "the live window stays in memory");
                }
            }
        }
    }

    fn write(&mut self, parts: &[Bytes], length: u64) -> std::io::Result<OnDisk> {
        let (file, at) = match self.file.take() {
            Some((file, at)) if at + length <= FILE_BYTES_MAX => (file, at),
            _ => (Arc::new(nameless(&self.folder)?), 0),
        };
        let mut end = at;
        for part in parts {
            file.write_all_at(part, end)?;
            end += part.len() as u64;
        }
        self.file = Some((Arc::clone(&file), end));
        Ok(OnDisk::new(file, at, length))
    }
}

fn nameless(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(kit::ids::random_token::<8>());
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Runs the cellar's task until `stop`; then memory is all there is.
pub(crate) async fn until(stop: Stop, task: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = task => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::shelf::Content;

    #[test]
    fn a_cooled_segment_reads_back_whole_and_in_parts_and_leaves_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut current = Current { folder: folder.path().to_owned(), file: None, is_failing: false };
        let first = Segment::new(1, vec![Bytes::from_static(b"xx")]);
        let segment = Segment::new(2, vec![Bytes::from_static(b"abc"), Bytes::from_static(b"de")]);
        current.put(&first);
        current.put(&segment);
        let read = |content| match content {
            Content::Disk(place) => place.read_now().unwrap(),
            Content::Memory(_) => panic!("it was moved"),
        };
        assert_eq!(read(segment.content()), "abcde");
        assert_eq!(read(segment.part(1).unwrap()), "de");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_recording_has_on_disk_is_not_written_again() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"before abcde after").unwrap();
        let file = Arc::new(file);
        let segment = Segment::new(3, vec![Bytes::from_static(b"abc"), Bytes::from_static(b"de")]);
        assert!(!segment.rests_in_spool(), "nobody has said where");
        segment.lies_at(OnDisk::new(Arc::clone(&file), 7, 4));
        assert!(!segment.rests_in_spool(), "a part of it is not it");
        segment.lies_at(OnDisk::new(file, 7, 5));
        assert!(segment.rests_in_spool());
        let Some(Content::Disk(place)) = segment.part(1) else { panic!("it has moved") };
        assert_eq!(place.read_now().unwrap(), "de");
    }

    #[test]
    fn a_refusing_disk_leaves_the_segment_in_memory() {
        let folder = tempfile::NamedTempFile::new().unwrap();
        let mut current = Current { folder: folder.path().to_owned(), file: None, is_failing: false };
        let segment = Segment::new(1, vec![Bytes::from_static(b"abc")]);
        current.put(&segment);
        assert!(current.is_failing);
        assert_eq!(segment.content(), Content::Memory(vec![Bytes::from_static(b"abc")]));
    }
}
