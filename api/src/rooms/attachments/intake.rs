//! Taking a file in: piece by piece into a file without a name, which goes with its last handle.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Multipart;
use axum::extract::multipart::MultipartError;
use domain::UserId;
use domain::attachment::{AttachmentError, HEAD_BYTES, Offer};
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

/// Who uploads now.
#[derive(Clone, Default)]
pub(crate) struct Intake(Arc<Mutex<HashMap<UserId, usize>>>);

/// A place at the intake, until it is dropped.
pub(crate) struct Place {
    intake: Intake,
    user: UserId,
}

impl Intake {
    /// `None`: there is none at this moment.
    pub(crate) fn enter(&self, user: UserId) -> Option<Place> {
        let mut here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (here.values().sum::<usize>(), here.get(&user).copied().unwrap_or(0));
        if all >= PLACES || own >= PLACES_EACH {
            return None;
        }
        here.insert(user, own + 1);
        Some(Place { intake: self.clone(), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut here = self.intake.0.lock().unwrap_or_else(PoisonError::into_inner);
        match here.get_mut(&self.user) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(here.remove(&self.user)),
        }
    }
}

/// A file that is here, whole.
pub(super) struct Received {
    pub file: std::fs::File,
    pub bytes: u64,
    pub sha256: [u8; 32],
    pub offer: Offer,
}

/// Reads the form's field `file`, of `mib_max` MiB at most.
pub(super) async fn receive(mut form: Multipart, dir: &Path, mib_max: u32) -> Result<Received, AttachmentError> {
    let sort = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => AttachmentError::TooLarge(mib_max),
        _ => AttachmentError::NoFile,
    };
    let lost = |error: io::Error| {
        tracing::warn!(%error, "an upload could not be kept on disk");
        AttachmentError::Busy
    };
    loop {
        let Some(mut field) = form.next_field().await.map_err(sort)? else { return Err(AttachmentError::NoFile) };
        if field.name() != Some("file") {
            continue;
        }
        let (name, mime) = (word(field.file_name()), word(field.content_type()));
        let folder = dir.join("uploads");
        tokio::fs::create_dir_all(&folder).await.map_err(lost)?;
        let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
        let mut file = tokio::fs::File::from_std(file.map_err(|error| lost(error.into()))?.map_err(lost)?);
        let (mut bytes, mut hash, mut head) = (0_u64, Sha256::new(), Vec::with_capacity(HEAD_BYTES));
        while let Some(piece) = field.chunk().await.map_err(sort)? {
            bytes += piece.len() as u64;
            if bytes > u64::from(mib_max) << 20 {
                return Err(AttachmentError::TooLarge(mib_max));
            }
            hash.update(&piece);
            head.extend_from_slice(&piece[..piece.len().min(HEAD_BYTES - head.len())]);
            file.write_all(&piece).await.map_err(lost)?;
        }
        file.flush().await.map_err(lost)?;
        if bytes == 0 {
            return Err(AttachmentError::Empty);
        }
        let offer = Offer::judge(&name, &mime, &head)?;
        return Ok(Received { file: file.into_std().await, bytes, sha256: hash.finalize().into(), offer });
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
        assert!(intake.0.lock().unwrap().is_empty());
    }
}
