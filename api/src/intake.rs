//! Taking a file in: piece by piece into a file without a name, which goes with its last handle.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Multipart;
use axum::extract::multipart::MultipartError;
use domain::UserId;
use http::StatusCode;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

/// What a form takes beside its file.
pub(crate) const FORM_BYTES_MAX: u64 = 16 * 1024;
/// Uploads at a time: with the largest file this bounds what they take on disk. And of one member.
const PLACES: usize = 32;
const PLACES_EACH: usize = 3;
/// What a name and a type may take before they are read.
const WORD_BYTES_MAX: usize = 2_048;
/// Fields of a form beside its file.
const WORDS_MAX: usize = 8;

/// The same of parts of files, which are passed on as they come.
pub(crate) const PARTS: usize = 64;
pub(crate) const PARTS_EACH: usize = 6;

/// Who uploads now.
#[derive(Clone)]
pub(crate) struct Intake {
    here: Arc<Mutex<HashMap<UserId, usize>>>,
    places: usize,
    places_each: usize,
}

impl Default for Intake {
    fn default() -> Self {
        Self::new(PLACES, PLACES_EACH)
    }
}

/// A place at the intake, until it is dropped.
pub(crate) struct Place {
    intake: Intake,
    user: UserId,
}

impl Intake {
    /// With so many places in all, and so many for one member.
    pub(crate) fn new(places: usize, places_each: usize) -> Self {
        Self { here: Arc::default(), places, places_each }
    }

    /// `None`: there is none at this moment.
    pub(crate) fn enter(&self, user: UserId) -> Option<Place> {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (here.values().sum::<usize>(), here.get(&user).copied().unwrap_or(0));
        if all >= self.places || own >= self.places_each {
            return None;
        }
        here.insert(user, own + 1);
        Some(Place { intake: self.clone(), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut here = self.intake.here.lock().unwrap_or_else(PoisonError::into_inner);
        match here.get_mut(&self.user) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(here.remove(&self.user)),
        }
    }
}

/// Why a form was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntakeError {
    TooLarge,
    NoFile,
    Empty,
    /// It could not be kept on disk.
    Busy,
}

/// A file that is here, whole.
pub(crate) struct Received {
    pub file: std::fs::File,
    pub bytes: u64,
    pub sha256: [u8; 32],
    pub head: Vec<u8>,
    /// As they were declared.
    pub name: String,
    pub mime: String,
    /// What the form said before its file, by its fields' names.
    pub words: BTreeMap<String, String>,
}

/// Reads the form's field `file`, of so many MiB at most; `head_bytes` of it are kept for a look. Other fields count if they come before
/// it.
pub(crate) async fn receive(
    mut form: Multipart,
    dir: &Path,
    mib_max: u32,
    head_bytes: usize,
) -> Result<Received, IntakeError> {
    let sort = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => IntakeError::TooLarge,
        _ => IntakeError::NoFile,
    };
    let lost = |error: io::Error| {
        tracing::warn!(%error, "an upload could not be kept on disk");
        IntakeError::Busy
    };
    let mut words = BTreeMap::new();
    loop {
        let Some(mut field) = form.next_field().await.map_err(sort)? else { return Err(IntakeError::NoFile) };
        if field.name() != Some("file") {
            let name = word(field.name());
            let mut text = Vec::new();
            while let Some(piece) = field.chunk().await.map_err(sort)? {
                if words.len() == WORDS_MAX || text.len() + piece.len() > WORD_BYTES_MAX {
                    return Err(IntakeError::TooLarge);
                }
                text.extend_from_slice(&piece);
            }
            words.insert(name, String::from_utf8_lossy(&text).into_owned());
            continue;
        }
        let (name, mime) = (word(field.file_name()), word(field.content_type()));
        let folder = dir.join("uploads");
        tokio::fs::create_dir_all(&folder).await.map_err(lost)?;
        let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
        let mut file = tokio::fs::File::from_std(file.map_err(|error| lost(error.into()))?.map_err(lost)?);
        let (mut bytes, mut hash, mut head) = (0_u64, Sha256::new(), Vec::with_capacity(head_bytes));
        while let Some(piece) = field.chunk().await.map_err(sort)? {
            bytes += piece.len() as u64;
            if bytes > u64::from(mib_max) << 20 {
                return Err(IntakeError::TooLarge);
            }
            hash.update(&piece);
            head.extend_from_slice(&piece[..piece.len().min(head_bytes - head.len())]);
            file.write_all(&piece).await.map_err(lost)?;
        }
        file.flush().await.map_err(lost)?;
        if bytes == 0 {
            return Err(IntakeError::Empty);
        }
        let (file, sha256) = (file.into_std().await, hash.finalize().into());
        return Ok(Received { file, bytes, sha256, head, name, mime, words });
    }
}

fn word(text: Option<&str>) -> String {
    text.filter(|text| text.len() <= WORD_BYTES_MAX).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_three_places_and_gives_them_back() {
        let intake = Intake::default();
        let ids = || UserId::from_uuid(kit::ids::uuid());
        let one = ids();
        let places: Vec<Place> = std::iter::from_fn(|| intake.enter(one)).collect();
        assert_eq!(places.len(), PLACES_EACH);
        let others: Vec<Place> = std::iter::from_fn(|| intake.enter(ids())).collect();
        assert_eq!(others.len(), PLACES - PLACES_EACH, "all of them bound the disk");
        drop(places);
        assert!(intake.enter(one).is_some());
        drop(others);
        assert!(intake.here.lock().unwrap().is_empty());
    }
}
