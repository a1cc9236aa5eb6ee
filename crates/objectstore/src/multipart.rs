//! Uploads in parts.
//!
//! An upload is a folder with its `upload.json` and its parts. Completing writes down the plan, makes the first part the
//! object's file, appends each next part and removes it: never more than one part lies on disk twice, and a completion
//! that was cut off — by a crash, by a full disk — goes on where it stopped when it is asked for again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use s3s::crypto::{Checksum as _, Sha256};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::commit::{Condition, Temp};
use crate::disk::{Disk, Store};
use crate::error::{Result, StoreError};
use crate::object::{self, Attributes, Stored};

pub(crate) const PART_NUMBER_MAX: i32 = 10_000;
/// All parts but the last: S3's limit.
const PART_BYTES_MIN: u64 = 5 * 1_024 * 1_024;
/// Uploads open at once.
const UPLOADS_MAX: usize = 10_000;
/// An upload is given up after this.
const UPLOAD_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
const ABOUT: &str = "upload.json";
const PLAN: &str = "plan.json";
const ASSEMBLED: &str = "assembled";

/// What was said when an upload was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    pub bucket: String,
    pub key: String,
    pub began_ms: i64,
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// A part as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub number: i32,
    pub etag: String,
    pub size: u64,
}

/// What an object is made of, written down before the first part is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    parts: Vec<Part>,
}

/// An upload nobody else completes or removes meanwhile.
struct Claim<'a> {
    disk: &'a Disk,
    id: &'a str,
}

impl<'a> Claim<'a> {
    fn take(disk: &'a Disk, id: &'a str) -> Result<Self> {
        let mut busy = disk.busy_uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(id.to_owned()) { Ok(Self { disk, id }) } else { Err(StoreError::UploadBusy) }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.disk.busy_uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// The folder of an upload. An id that is none of ours has none.
fn folder(disk: &Disk, id: &str) -> Result<PathBuf> {
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_id { Ok(disk.uploads_dir().join(id)) } else { Err(StoreError::NoSuchUpload) }
}

fn part_path(folder: &Path, number: i32) -> PathBuf {
    folder.join(format!("{number:05}.part"))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(StoreError::disk("reading", path, error)),
    }
}

fn write_json<T: Serialize>(disk: &Disk, path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_vec(value).map_err(|_| StoreError::MetadataTooLarge)?;
    let mut temp = Temp::create(disk)?;
    temp.write(&[], &text)?;
    temp.place(disk, path).map_err(|error| StoreError::disk("writing", path, error))
}

/// Begins an upload; its id.
pub(crate) fn begin(disk: &Disk, about: &About) -> Result<String> {
    let uploads = disk.uploads_dir();
    let there = fs::read_dir(&uploads).map_err(|error| StoreError::disk("listing", &uploads, error))?;
    if there.count() >= UPLOADS_MAX {
        return Err(StoreError::Saturated);
    }
    let id = kit::ids::random_token::<16>();
    let folder = folder(disk, &id)?;
    fs::create_dir(&folder).map_err(|error| StoreError::disk("making", &folder, error))?;
    write_json(disk, &folder.join(ABOUT), about)?;
    disk.sync_dir(&uploads)?;
    Ok(id)
}

/// The folder and beginnings of an upload of that key.
pub(crate) fn find(disk: &Disk, bucket: &str, key: &str, id: &str) -> Result<(PathBuf, About)> {
    let folder = folder(disk, id)?;
    match read_json::<About>(&folder.join(ABOUT))? {
        Some(about) if about.bucket == bucket && about.key == key => Ok((folder, about)),
        _ => Err(StoreError::NoSuchUpload),
    }
}

/// Puts a part in its place, over an earlier one of its number.
pub(crate) fn put_part(disk: &Disk, folder: &Path, number: i32, temp: Temp) -> Result<()> {
    if folder.join(PLAN).exists() {
        return Err(StoreError::UploadBusy);
    }
    let path = part_path(folder, number);
    temp.place(disk, &path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::NoSuchUpload,
        _ => StoreError::disk("writing", &path, error),
    })
}

/// The parts that lie there, in order, with the time each was written.
pub(crate) fn parts(folder: &Path) -> Result<Vec<(Part, SystemTime)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::NoSuchUpload),
        Err(error) => return Err(StoreError::disk("listing", folder, error)),
    };
    let mut parts = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".part")?.parse().ok());
        let Some(number) = number else { continue };
        match object::open(&entry.path()) {
            Ok(part) => parts.push((Part { number, etag: part.stored.etag, size: part.size }, part.modified)),
            Err(StoreError::NoSuchKey) => {}
            Err(error) => return Err(error),
        }
    }
    parts.sort_unstable_by_key(|(part, _)| part.number);
    Ok(parts)
}

/// Makes an upload's parts an object; its ETag. `wanted` are numbers and ETags as the client sent them.
pub(crate) fn complete(
    disk: &Disk,
    (bucket, key, id): (&str, &str, &str),
    wanted: &[(i32, String)],
    condition: &Condition,
) -> Result<String> {
    let _nobody_else = Claim::take(disk, id)?;
    let (folder, about) = find(disk, bucket, key, id)?;
    condition.check(disk, bucket, key)?;
    let plan = plan(disk, &folder, wanted)?;
    let etag = etag(&plan)?;
    let assembled = assemble(disk, &folder, &plan)?;
    let size = plan.parts.iter().map(|part| part.size).sum();
    let path = folder.join(ASSEMBLED);
    let failed = |error| StoreError::disk("writing", &path, error);
    assembled.set_len(size).map_err(failed)?;
    (&assembled).seek(SeekFrom::End(0)).map_err(failed)?;
    let mut object = Temp::adopt(assembled, path.clone());
    object.write(&[], &Stored { etag: etag.clone(), attributes: about.attributes }.trailer(size)?)?;
    object.commit(disk, bucket, key, condition)?;
    remove_folder(disk, &folder)?;
    Ok(etag)
}

/// The plan that is written down, or a new one. Another one than the first is refused.
fn plan(disk: &Disk, folder: &Path, wanted: &[(i32, String)]) -> Result<Plan> {
    if wanted.is_empty() {
        return Err(StoreError::InvalidPart);
    }
    if !wanted.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(StoreError::InvalidPartOrder);
    }
    let path = folder.join(PLAN);
    if let Some(plan) = read_json::<Plan>(&path)? {
        let planned = plan.parts.iter().map(|part| (part.number, part.etag.as_str()));
        let is_the_same = planned.eq(wanted.iter().map(|(number, etag)| (*number, etag.as_str())));
        return if is_the_same { Ok(plan) } else { Err(StoreError::InvalidPart) };
    }
    let mut plan = Plan { parts: Vec::with_capacity(wanted.len()) };
    for (number, etag) in wanted {
        let part = match object::open(&part_path(folder, *number)) {
            Ok(part) if part.stored.etag == *etag => part,
            Ok(_) | Err(StoreError::NoSuchKey) => return Err(StoreError::InvalidPart),
            Err(error) => return Err(error),
        };
        plan.parts.push(Part { number: *number, etag: etag.clone(), size: part.size });
    }
    let is_small = |part: &Part| part.size < PART_BYTES_MIN;
    if plan.parts.split_last().is_some_and(|(_last, parts)| parts.iter().any(is_small)) {
        return Err(StoreError::PartTooSmall);
    }
    write_json(disk, &path, &plan)?;
    Ok(plan)
}

/// As S3's: a digest of the parts' digests, and how many there are.
fn etag(plan: &Plan) -> Result<String> {
    let mut digest = Sha256::new();
    for part in &plan.parts {
        digest.update(&hex::decode(&part.etag).map_err(|_| StoreError::InvalidPart)?);
    }
    Ok(format!("{}-{}", hex::encode(digest.finalize()), plan.parts.len()))
}

/// Joins the parts that are not joined yet. A part's file goes once its bytes are in.
fn assemble(disk: &Disk, folder: &Path, plan: &Plan) -> Result<File> {
    let path = folder.join(ASSEMBLED);
    let failed = |error| StoreError::disk("joining parts in", folder, error);
    let first = plan.parts.first().map(|part| part_path(folder, part.number)).ok_or(StoreError::InvalidPart)?;
    if !path.exists() {
        // Its trailer is cut off or written over below.
        fs::rename(first, &path).map_err(failed)?;
    }
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
    let mut start = 0;
    for part in &plan.parts {
        let from = part_path(folder, part.number);
        match File::open(&from) {
            Ok(source) => {
                file.set_len(start).map_err(failed)?;
                (&file).seek(SeekFrom::Start(start)).map_err(failed)?;
                let copied = io::copy(&mut source.take(part.size), &mut &file).map_err(failed)?;
                if copied != part.size {
                    return Err(StoreError::InvalidPart);
                }
                if disk.sync {
                    file.sync_data().map_err(failed)?;
                }
                fs::remove_file(&from).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if file.metadata().map_err(failed)?.len() < start + part.size {
                    return Err(StoreError::InvalidPart);
                }
            }
            Err(error) => return Err(failed(error)),
        }
        start += part.size;
    }
    Ok(file)
}

/// Gives an upload up.
pub(crate) fn abort(disk: &Disk, bucket: &str, key: &str, id: &str) -> Result<()> {
    let _nobody_else = Claim::take(disk, id)?;
    let (folder, _) = find(disk, bucket, key, id)?;
    remove_folder(disk, &folder)
}

fn remove_folder(disk: &Disk, folder: &Path) -> Result<()> {
    // First what makes it an upload: half removed, it is none.
    match fs::remove_file(folder.join(ABOUT)).and_then(|()| fs::remove_dir_all(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::disk("removing", folder, error)),
        _ => disk.sync_dir(&disk.uploads_dir()),
    }
}

/// All uploads of a bucket, by key and id.
pub(crate) fn uploads(disk: &Disk, bucket: &str) -> Result<Vec<(About, String)>> {
    let folder = disk.uploads_dir();
    let entries = fs::read_dir(&folder).map_err(|error| StoreError::disk("listing", &folder, error))?;
    let mut uploads = Vec::new();
    for entry in entries.flatten() {
        let Some(id) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if let Some(about) = read_json::<About>(&entry.path().join(ABOUT))?
            && about.bucket == bucket
        {
            uploads.push((about, id));
        }
    }
    uploads.sort_unstable_by(|(a, a_id), (b, b_id)| (&a.key, a_id).cmp(&(&b.key, b_id)));
    Ok(uploads)
}

impl Store {
    /// Removes uploads begun more than seven days before `now`, and what is left of others; how many.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) async fn sweep(&self, now: impl Into<SystemTime>) -> Result<usize> {
        let oldest = now.into() - UPLOAD_AGE_MAX;
        self.work(move |disk| {
            let folder = disk.uploads_dir();
            let entries = fs::read_dir(&folder).map_err(|error| StoreError::disk("listing", &folder, error))?;
            let mut count = 0;
            for entry in entries.flatten() {
                let Some(id) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let began = match read_json::<About>(&entry.path().join(ABOUT))? {
                    Some(about) => {
                        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(about.began_ms).unwrap_or(0))
                    }
                    None => entry.metadata().and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH),
                };
                let Ok(_nobody_else) = Claim::take(disk, &id) else { continue };
                if began < oldest {
                    fs::remove_dir_all(entry.path())
                        .map_err(|error| StoreError::disk("removing", &entry.path(), error))?;
                    count += 1;
                }
            }
            Ok(count)
        })
        .await
    }
}
