//! The folder, and the threads that may work in it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{Result, StoreError};
use crate::names;
use crate::object::{self, Opened};

/// Threads that read and write at once. More wait their turn: a disk is no faster for more.
const WORKERS_MAX: usize = 32;
/// Bodies held in memory on their way to disk, all together.
const GATHERED_BYTES_MAX: usize = 128 * 1_024 * 1_024;
/// The unit in which they are counted.
const GATHER_UNIT: usize = 64 * 1_024;
/// A request that waits longer for a thread or for memory is told to slow down.
const TURN_WAIT_MAX: Duration = Duration::from_secs(30);
/// Locks that keys share: whoever looks before it writes holds its key's.
const KEY_LOCKS: usize = 64;

/// How the store keeps its promises.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether a write is confirmed only when it is on the platter, and so survives a power cut.
    pub sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: true }
    }
}

/// Buckets in a folder. Only one store may have a folder open.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) disk: Arc<Disk>,
    workers: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

#[derive(Debug)]
pub(crate) struct Disk {
    /// Where the store before this one kept its objects.
    legacy: PathBuf,
    root: PathBuf,
    pub(crate) sync: bool,
    pub(crate) temp_count: AtomicU64,
    /// Buckets known to be there. None ever goes.
    buckets: RwLock<HashSet<String>>,
    key_locks: Vec<Mutex<()>>,
    /// Uploads that are being completed or removed.
    pub(crate) busy_uploads: Mutex<HashSet<String>>,
}

impl Store {
    /// Opens a folder, and makes it what it must be. Blocks for as long as the disk does.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(folder: &Path, options: Options) -> io::Result<Self> {
        let root = folder.join("v2");
        fs::create_dir_all(&root)?;
        match fs::remove_dir_all(root.join("tmp")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(root.join("tmp"))?;
        fs::create_dir_all(root.join("uploads"))?;
        let disk = Disk {
            legacy: folder.to_owned(),
            root,
            sync: options.sync,
            temp_count: AtomicU64::new(0),
            buckets: RwLock::default(),
            key_locks: (0..KEY_LOCKS).map(|_| Mutex::new(())).collect(),
            busy_uploads: Mutex::default(),
        };
        Ok(Self {
            disk: Arc::new(disk),
            workers: Arc::new(Semaphore::new(WORKERS_MAX)),
            memory: Arc::new(Semaphore::new(GATHERED_BYTES_MAX / GATHER_UNIT)),
        })
    }

    /// Does blocking work on a thread for it, when one is free. Work that has begun ends, even when nobody waits for it.
    pub(crate) async fn work<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Disk) -> Result<T> + Send + 'static,
    {
        let turn = turn(&self.workers, 1).await?;
        let disk = Arc::clone(&self.disk);
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&disk);
            drop(turn);
            done
        });
        done.await.unwrap_or(Err(StoreError::Saturated))
    }

    /// Room in memory for that many bytes of a body.
    pub(crate) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let units = bytes.div_ceil(GATHER_UNIT).clamp(1, GATHERED_BYTES_MAX / GATHER_UNIT);
        turn(&self.memory, u32::try_from(units).unwrap_or(u32::MAX)).await
    }
}

async fn turn(of: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(of).try_acquire_many_owned(permits) {
        return Ok(permit);
    }
    match timeout(TURN_WAIT_MAX, Arc::clone(of).acquire_many_owned(permits)).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(StoreError::Saturated),
    }
}

impl Disk {
    pub(crate) fn temp_dir(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn uploads_dir(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Where a bucket's objects lie.
    pub(crate) fn bucket_dir(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket_folder(bucket))
    }

    /// Where the store before kept a bucket's objects.
    pub(crate) fn legacy_dir(&self, bucket: &str) -> PathBuf {
        self.legacy.join(bucket)
    }

    pub(crate) fn object_path(&self, bucket: &str, key: &str) -> Result<PathBuf> {
        Ok(self.bucket_dir(bucket).join(names::object_path(key)?))
    }

    pub(crate) fn legacy_path(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        names::legacy_path(key).map(|path| self.legacy_dir(bucket).join(path))
    }

    /// The two files beside each object of the store before.
    pub(crate) fn legacy_sidecars(&self, bucket: &str, key: &str) -> [PathBuf; 2] {
        use base64::Engine;
        let coded = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        ["metadata", "internal"]
            .map(|kind| self.legacy.join(format!(".bucket-{}.object-{}.{kind}.json", coded(bucket), coded(key))))
    }

    /// # Errors
    /// `NoSuchBucket` when nobody made it.
    pub(crate) fn check_bucket(&self, bucket: &str) -> Result<()> {
        if self.buckets.read().unwrap_or_else(PoisonError::into_inner).contains(bucket) {
            return Ok(());
        }
        if !self.bucket_dir(bucket).is_dir() {
            if !self.legacy_dir(bucket).is_dir() {
                return Err(StoreError::NoSuchBucket);
            }
            self.make_bucket_dir(bucket)?;
        }
        self.buckets.write().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned());
        Ok(())
    }

    /// Makes a bucket's folder; whether it is a new one.
    pub(crate) fn make_bucket_dir(&self, bucket: &str) -> Result<bool> {
        let path = self.bucket_dir(bucket);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(StoreError::disk("making", &path, error)),
        }
        self.sync_dir(&self.root)?;
        Ok(true)
    }

    /// The names of all buckets, sorted.
    pub(crate) fn buckets(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for (folder, suffix) in [(&self.root, BUCKET_MARK), (&self.legacy, "")] {
            let entries = fs::read_dir(folder).map_err(|error| StoreError::disk("listing", folder, error))?;
            for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                let bucket = name.strip_suffix(suffix).filter(|bucket| bucket.len() > 2 && !bucket.starts_with('.'));
                names.extend(bucket.map(str::to_owned));
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Opens an object of either store.
    pub(crate) fn open(&self, bucket: &str, key: &str) -> Result<Opened> {
        match object::open(&self.object_path(bucket, key)?) {
            Err(StoreError::NoSuchKey) => {}
            other => return other,
        }
        self.check_bucket(bucket)?;
        self.legacy_path(bucket, key).map_or(Err(StoreError::NoSuchKey), |path| object::open_legacy(&path))
    }

    /// Keeps others from changing the key between a look and a write.
    pub(crate) fn lock_key(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        let lock = usize::try_from(hasher.finish() % KEY_LOCKS as u64).unwrap_or(0);
        self.key_locks[lock].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the names in a folder on the platter, when that is promised.
    pub(crate) fn sync_dir(&self, path: &Path) -> Result<()> {
        if !self.sync {
            return Ok(());
        }
        match fs::File::open(path).and_then(|folder| folder.sync_all()) {
            // It was pruned meanwhile: nothing of ours is in it any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(|error| StoreError::disk("syncing", path, error)),
        }
    }
}

/// Ends the name of a bucket's folder. No bucket's own name has it, so `tmp` and `uploads` stay ours.
const BUCKET_MARK: &str = "%";

fn bucket_folder(bucket: &str) -> String {
    format!("{bucket}{BUCKET_MARK}")
}
