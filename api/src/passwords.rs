//! Passwords: how strong they must be, and argon2id off the async threads with a bounded queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use domain::error::Invalid;
use domain::{Classify, Kind};
use tokio::sync::Semaphore;
use tokio::time::timeout;

const CHARS_MIN: usize = 8;
const BYTES_MAX: usize = 512;
/// zxcvbn's 0 to 4; 1 withstands guessing at the rate sign-in allows. More would send people to sticky notes.
const SCORE_MIN: u8 = 1;
/// zxcvbn's work grows faster than its input.
const JUDGED_CHARS_MAX: usize = 72;
/// Requests that may wait for a turn. Each hash takes about 20 ms and 19 MiB.
const QUEUE_MAX: usize = 64;
const TURN_WAIT_MAX: Duration = Duration::from_millis(1_800);

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins at this moment")]
    Busy,
    #[error("the password could not be hashed")]
    Failed,
}

impl Classify for PasswordError {
    fn kind(&self) -> Kind {
        match self {
            Self::Busy => Kind::Unavailable,
            Self::Failed => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Busy => "auth.busy",
            Self::Failed => "internal",
        }
    }
}

/// Hashes and verifies, a few at a time. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// What an unknown login is verified against, so that it takes as long as a known one.
    decoy: Arc<str>,
}

impl Passwords {
    pub fn new() -> Self {
        let turns = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 8);
        let decoy = hash(&kit::ids::random_token::<16>()).unwrap_or_default();
        Self { turns: Arc::new(Semaphore::new(turns)), waiting: Arc::default(), decoy: decoy.into() }
    }

    /// A hash for storage.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move || hash(&password)).await?
    }

    /// Whether the password is the hashed one. `None` takes as long and is false.
    pub async fn verify(&self, password: String, hashed: Option<String>) -> Result<bool, PasswordError> {
        let is_known = hashed.is_some();
        let hashed = hashed.unwrap_or_else(|| self.decoy.to_string());
        let matches = self.run(move || verify(&password, &hashed)).await?;
        Ok(matches && is_known)
    }

    /// The rules for new passwords. `words` are what the password must not be made of: the name, the address.
    pub async fn judge(&self, password: String, words: Vec<String>) -> Result<Result<(), Invalid>, PasswordError> {
        self.run(move || judge(&password, &words)).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let _place = Place::take(&self.waiting)?;
        let turn = timeout(TURN_WAIT_MAX, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| PasswordError::Busy)?
            .map_err(|_| PasswordError::Busy)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work and not by the request: a client that hangs up does not free a turn that is in use.
            let _turn = turn;
            work()
        })
        .await
        .map_err(|_| PasswordError::Failed)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// One place in the queue; given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, PasswordError> {
        if waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(PasswordError::Busy);
        }
        Ok(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash(password: &str) -> Result<String, PasswordError> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|error| {
        tracing::error!(%error, "argon2 failed");
        PasswordError::Failed
    })
}

fn verify(password: &str, hashed: &str) -> bool {
    PasswordHash::new(hashed).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn judge(password: &str, words: &[String]) -> Result<(), Invalid> {
    if password.chars().count() < CHARS_MIN {
        return Err(Invalid::new("password", "must have at least 8 characters"));
    }
    if password.len() > BYTES_MAX {
        return Err(Invalid::new("password", "must have at most 512 bytes"));
    }
    let judged: String = password.chars().take(JUDGED_CHARS_MAX).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let estimate = zxcvbn::zxcvbn(&judged, &words);
    if u8::from(estimate.score()) >= SCORE_MIN {
        return Ok(());
    }
    let why = estimate.feedback().and_then(|feedback| feedback.warning());
    Err(Invalid::new(
        "password",
        why.map_or_else(|| "is too easy to guess".to_owned(), |why| format!("is too easy to guess. {why}")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_common_and_personal_passwords_are_refused() {
        let words = ["marguerite".to_owned()];
        for bad in ["short", "password", "12345678", "marguerite", "x".repeat(513).as_str()] {
            assert!(judge(bad, &words).is_err(), "{bad}");
        }
        assert!(judge("correct horse battery", &words).is_ok());
    }

    #[tokio::test]
    async fn an_unknown_member_never_matches_and_costs_the_same_work() {
        let passwords = Passwords::new();
        let hashed = passwords.hash("open sesame".to_owned()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        assert!(passwords.verify("open sesame".to_owned(), Some(hashed.clone())).await.unwrap());
        assert!(!passwords.verify("open barley".to_owned(), Some(hashed)).await.unwrap());
        assert!(!passwords.verify("open sesame".to_owned(), None).await.unwrap());
        assert!(passwords.decoy.starts_with("$argon2id$"));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_instead_of_growing() {
        let passwords = Passwords::new();
        let places: Vec<_> = (0..QUEUE_MAX).map(|_| Place::take(&passwords.waiting).unwrap()).collect();
        assert!(matches!(passwords.hash("x".to_owned()).await, Err(PasswordError::Busy)));
        drop(places);
        assert!(passwords.hash("x".to_owned()).await.is_ok());
    }
}
