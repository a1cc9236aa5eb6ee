//! Identifiers and random strings, in one place.

use rand::RngCore;
use uuid::Uuid;

/// A fresh time-ordered id.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn uuid() -> Uuid {
    Uuid::now_v7()
}

/// `N` unguessable bytes from the operating system's generator.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rngs::ThreadRng::default().fill_bytes(&mut bytes);
    bytes
}

/// An unguessable token of `N` random bytes, in lower-case hex.
pub fn random_token<const N: usize>() -> String {
    hex::encode(random_bytes::<N>())
}

/// A fraction in `0.0..1.0`, for jitter.
pub fn jitter() -> f64 {
    rand::random::<f64>()
}
