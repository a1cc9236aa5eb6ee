//! Sealing small secrets for storage: XChaCha20-Poly1305 under keys derived from the site's secret.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;

const NONCE_BYTES: usize = 24;

/// Seals and opens values for one purpose; a value sealed for one purpose does not open for another.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    /// `purpose` separates keys: `stream-key`, `refresh-successor`.
    pub fn new(site_secret: &Secret, purpose: &str) -> Self {
        let key = derive_key(site_secret, purpose);
        Self { cipher: XChaCha20Poly1305::new(&key.into()) }
    }

    /// Binds the value to `context` (such as its owner's id): it opens only with the same one.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = crate::ids::random_bytes();
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: context })
            .expect("inputs are far below the cipher's limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// `None` when the value was tampered with, sealed under another secret or for another context.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_BYTES)?;
        self.cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: context }).ok()
    }
}

/// A 32-byte key for one purpose.
pub fn derive_key(site_secret: &Secret, purpose: &str) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as Mac>::new_from_slice(site_secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_for_its_purpose_and_context() {
        let secret = Secret::new("s");
        let sealer = Sealer::new(&secret, "stream-key");
        let sealed = sealer.seal(b"key", b"alice");
        assert_eq!(sealer.open(&sealed, b"alice").as_deref(), Some(b"key".as_slice()));
        assert_eq!(sealer.open(&sealed, b"bob"), None);
        assert_eq!(Sealer::new(&secret, "other").open(&sealed, b"alice"), None);
        assert_eq!(sealer.open(b"short", b"alice"), None);
    }
}
