//! Links by which a browser sends one part of a file through this site: good for that part of that upload, of that length, until then.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::VersionId;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;
use crate::{clock, seal};

/// A signature's length in text.
const SIGNATURE_CHARS: usize = 43;

/// One part of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub upload: VersionId,
    /// From 1.
    pub number: u32,
    pub bytes: u64,
    /// Seconds since 1970.
    pub expires: u64,
}

/// Signs and judges them.
#[derive(Clone)]
pub struct PartLinks([u8; 32]);

impl PartLinks {
    pub fn new(site_secret: &Secret) -> Self {
        Self(seal::derive_key(site_secret, "upload-part"))
    }

    pub fn sign(&self, part: &Part) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(part).finalize().into_bytes())
    }

    /// Whether this is the link we gave, and still good.
    pub fn is_good(&self, part: &Part, signature: &str) -> bool {
        if signature.len() != SIGNATURE_CHARS || part.expires <= clock::unix_seconds() {
            return false;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.mac(part).verify_slice(&bytes).is_ok()
    }

    fn mac(&self, part: &Part) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        let Part { upload, number, bytes, expires } = part;
        mac.update(format!("{upload}\n{number}\n{bytes}\n{expires}").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_own_part_only() {
        let links = PartLinks::new(&Secret::new("site"));
        let part = Part {
            upload: VersionId::from_uuid(crate::ids::uuid()),
            number: 2,
            bytes: 5,
            expires: clock::unix_seconds() + 60,
        };
        let signature = links.sign(&part);
        assert_eq!(signature.len(), SIGNATURE_CHARS);
        assert!(links.is_good(&part, &signature));
        for other in [
            Part { number: 3, ..part },
            Part { bytes: 6, ..part },
            Part { expires: part.expires + 1, ..part },
            Part { upload: VersionId::from_uuid(crate::ids::uuid()), ..part },
        ] {
            assert!(!links.is_good(&other, &signature), "{other:?}");
        }
        let over = Part { expires: clock::unix_seconds(), ..part };
        assert!(!links.is_good(&over, &links.sign(&over)));
        for odd in ["", "x", &"A".repeat(43), &"!".repeat(43)] {
            assert!(!links.is_good(&part, odd));
        }
        assert!(!PartLinks::new(&Secret::new("another")).is_good(&part, &signature));
    }
}
