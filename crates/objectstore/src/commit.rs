//! How a file becomes an object, and when that is true after a power cut.
//!
//! A body goes to a temporary name, its bytes to the platter, then it is renamed and the folder's names go to the
//! platter. Only then is the client told. So a reader finds whole objects only, and a confirmed one survives. With
//! `sync` off, both steps to the platter are left out: `kill -9` still loses nothing, a power cut half a minute.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use s3s::dto::{ETag, ETagCondition};

use crate::disk::Disk;
use crate::error::{Result, StoreError};

/// A folder may be pruned as often between making it and moving a file there.
const MOVE_TRIES_MAX: usize = 16;

/// What must hold for a write to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

/// A file that goes when it is dropped, until it was moved to its place.
#[derive(Debug)]
pub(crate) struct Temp {
    pub file: File,
    path: PathBuf,
    is_moved: bool,
}

impl Temp {
    pub(crate) fn create(disk: &Disk) -> Result<Self> {
        let number = disk.temp_count.fetch_add(1, Ordering::Relaxed);
        let path = disk.temp_dir().join(number.to_string());
        let file = File::create_new(&path).map_err(|error| StoreError::disk("creating", &path, error))?;
        Ok(Self { file, path, is_moved: false })
    }

    /// Takes over a file that already is somewhere. It does not go when this is dropped.
    pub(crate) fn adopt(file: File, path: PathBuf) -> Self {
        Self { file, path, is_moved: true }
    }

    /// Writes pieces, and takes as few calls for it as the system allows.
    pub(crate) fn write(&mut self, pieces: &[Bytes], trailer: &[u8]) -> Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        slices.push(IoSlice::new(trailer));
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(self.failed(io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    pub(crate) fn failed(&self, error: io::Error) -> StoreError {
        StoreError::disk("writing", &self.path, error)
    }

    /// Makes it the object of a key.
    pub(crate) fn commit(mut self, disk: &Disk, bucket: &str, key: &str, condition: &Condition) -> Result<()> {
        let path = disk.object_path(bucket, key)?;
        self.sync(disk)?;
        let made = {
            let _nobody_else = disk.lock_key(bucket, key);
            condition.check(disk, bucket, key)?;
            self.move_to(&path)?
        };
        // From the bucket downwards: a name is on the platter before what lies below it is confirmed.
        for folder in made.iter().rev().filter_map(|folder| folder.parent()) {
            disk.sync_dir(folder)?;
        }
        path.parent().map_or(Ok(()), |folder| disk.sync_dir(folder))
    }

    /// Makes it a file in a folder that is there.
    pub(crate) fn place(mut self, disk: &Disk, path: &Path) -> io::Result<()> {
        if disk.sync {
            self.file.sync_data()?;
        }
        fs::rename(&self.path, path)?;
        self.is_moved = true;
        match path.parent() {
            Some(folder) if disk.sync => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn sync(&self, disk: &Disk) -> Result<()> {
        if disk.sync { self.file.sync_data().map_err(|error| self.failed(error)) } else { Ok(()) }
    }

    /// Moves it, and returns the folders that had to be made for it, the innermost first.
    fn move_to(&mut self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut made = Vec::new();
        let mut tried = 0;
        loop {
            tried += 1;
            match fs::rename(&self.path, path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound && tried < MOVE_TRIES_MAX => {
                    made.clear();
                    make_folders(path, &mut made)?;
                }
                Err(error) => return Err(StoreError::disk("moving to", path, error)),
            }
        }
        self.is_moved = true;
        Ok(made)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.is_moved {
            let _emptied_at_the_next_start = fs::remove_file(&self.path);
        }
    }
}

fn make_folders(path: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
    for folder in missing.iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => made.insert(0, folder.to_path_buf()),
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
            Err(error) => return Err(StoreError::disk("making", folder, error)),
        }
    }
    Ok(())
}

impl Condition {
    /// `If-None-Match: *` and `If-Match`: what S3 knows for writes.
    pub(crate) fn check(&self, disk: &Disk, bucket: &str, key: &str) -> Result<()> {
        if self.if_match.is_none() && self.if_none_match.is_none() {
            return Ok(());
        }
        let there = match disk.open(bucket, key) {
            Ok(opened) => Some(ETag::Strong(opened.stored.etag)),
            Err(StoreError::NoSuchKey) => None,
            Err(error) => return Err(error),
        };
        match &self.if_none_match {
            Some(ETagCondition::Any) if there.is_some() => return Err(StoreError::PreconditionFailed),
            Some(ETagCondition::ETag(_)) => return Err(StoreError::NotImplemented("If-None-Match with an ETag")),
            _ => {}
        }
        match (&self.if_match, there) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(StoreError::NoSuchKey),
            (Some(ETagCondition::ETag(wanted)), Some(there)) if !wanted.strong_cmp(&there) => {
                Err(StoreError::PreconditionFailed)
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

/// Removes keys. Those that are not there are no error; `touched` collects the folders that names went from.
pub(crate) fn remove(disk: &Disk, bucket: &str, key: &str, touched: &mut BTreeSet<PathBuf>) -> Result<()> {
    let _nobody_else = disk.lock_key(bucket, key);
    let path = disk.object_path(bucket, key)?;
    if remove_file(&path)? {
        prune(&path, &disk.bucket_dir(bucket), touched);
    }
    if let Some(path) = disk.legacy_path(bucket, key)
        && path.is_file()
        && remove_file(&path)?
    {
        prune(&path, &disk.legacy_dir(bucket), touched);
        for sidecar in disk.legacy_sidecars(bucket, key) {
            remove_file(&sidecar)?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(StoreError::disk("removing", path, error)),
    }
}

/// Removes the folders above a path that are empty, up to the bucket's own.
fn prune(path: &Path, bucket_dir: &Path, touched: &mut BTreeSet<PathBuf>) {
    for folder in path.ancestors().skip(1) {
        // The system removes none that holds something.
        if folder == bucket_dir || fs::remove_dir(folder).is_err() {
            touched.insert(folder.to_owned());
            return;
        }
        touched.remove(folder);
    }
}
