//! Bytes that lie in an open file, whether or not the file still has a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

/// Reads from disk at a time.
const READS_MAX: usize = 32;

/// A stretch of a file. The file's space is given back with the last place in it.
#[derive(Debug, Clone)]
pub(crate) struct OnDisk {
    file: Arc<File>,
    at: u64,
    pub(crate) length: u64,
}

impl PartialEq for OnDisk {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && (self.at, self.length) == (other.at, other.length)
    }
}

impl OnDisk {
    pub(crate) fn new(file: Arc<File>, at: u64, length: u64) -> Self {
        Self { file, at, length }
    }

    pub(crate) fn slice(&self, offset: u64, length: u64) -> Self {
        Self { file: Arc::clone(&self.file), at: self.at + offset, length }
    }

    /// Reads it on this thread.
    pub(crate) fn read_now(&self) -> io::Result<Bytes> {
        let mut buffer = vec![0; usize::try_from(self.length).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut buffer, self.at)?;
        Ok(buffer.into())
    }

    /// Reads it off the async threads, a bounded number at a time.
    pub(crate) async fn read(self) -> io::Result<Bytes> {
        static READS: Semaphore = Semaphore::const_new(READS_MAX);
        let _turn = READS.acquire().await.map_err(io::Error::other)?;
        tokio::task::spawn_blocking(move || self.read_now()).await.map_err(io::Error::other)?
    }
}
