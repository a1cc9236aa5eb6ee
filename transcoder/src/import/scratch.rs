//! The copy of a file that a child reads: parsers want to jump about in it.
//!
//! A copy goes when its import ends, however it ends; what a killed process left goes at the next start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use db::imports::Lease;
use domain::VodId;
use domain::import::{ImportFail, SOURCE_BYTES_MAX};
use futures::StreamExt;
use objects::{Objects, ObjectsError};
use tokio::io::AsyncWriteExt;

use super::make::Stopped;

/// Left free on the disk: recordings of live streams wait there.
const SPARE_BYTES: u64 = 512 * 1024 * 1024;

/// A file of ours. Dropping it deletes it.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) path: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "the copy of an imported file stays until the next start");
        }
    }
}

/// The last copy one lane left for the other: there is no use in bringing it twice.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<(VodId, Scratch)>>);

impl Kept {
    /// Puts one there; what was there before goes.
    pub(super) fn put(&self, vod: VodId, copy: Option<Scratch>) {
        *self.slot() = copy.map(|copy| (vod, copy));
    }

    /// The one of this recording.
    pub(super) fn take(&self, vod: VodId) -> Option<Scratch> {
        self.slot().take_if(|(whose, _)| *whose == vod).map(|(_, copy)| copy)
    }

    pub(super) fn clear(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> MutexGuard<'_, Option<(VodId, Scratch)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes what an earlier run left.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().try_for_each(|entry| std::fs::remove_file(entry.path())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies the file out of the bucket. `told` hears how many bytes are there.
pub(super) async fn fetch(
    objects: &Objects,
    folder: &Path,
    lease: &Lease,
    mut told: impl FnMut(u64),
) -> Result<Scratch, Stopped> {
    let length = u64::try_from(lease.source_bytes).unwrap_or(u64::MAX);
    if lease.source_bytes > SOURCE_BYTES_MAX {
        return Err(Stopped::Failed(ImportFail::TooLarge));
    }
    let disk = |error: io::Error| Stopped::waits(format!("the disk: {error}"));
    tokio::fs::create_dir_all(folder).await.map_err(disk)?;
    let folder = tokio::fs::canonicalize(folder).await.map_err(disk)?;
    if free(&folder).is_some_and(|free| free < length.saturating_add(SPARE_BYTES)) {
        return Err(Stopped::waits("there is no room on the disk for a copy of it".to_owned()));
    }
    let bucket = |error: ObjectsError| match error {
        ObjectsError::NotFound { .. } => Stopped::Failed(ImportFail::SourceGone),
        error => Stopped::waits(error.to_string()),
    };
    let mut object = objects.get(&lease.source_key, None).await.map_err(bucket)?;
    if object.meta.content_length != length {
        return Err(Stopped::Failed(ImportFail::SourceGone));
    }
    let path = folder.join(format!("{}.{}", lease.vod, lease.fence));
    let mut file = tokio::fs::File::create(&path).await.map_err(disk)?;
    let scratch = Scratch { path };
    let mut copied = 0;
    while let Some(piece) = object.body.next().await {
        let piece = piece.map_err(|error| Stopped::waits(format!("the bucket: {error}")))?;
        file.write_all(&piece).await.map_err(disk)?;
        copied += piece.len() as u64;
        told(copied);
    }
    file.flush().await.map_err(disk)?;
    if copied == length {
        Ok(scratch)
    } else {
        Err(Stopped::waits("the bucket gave less than the whole file".to_owned()))
    }
}

/// Bytes that may still be written there.
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
