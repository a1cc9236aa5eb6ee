//! Web push, the sender's side: who we are (VAPID, RFC 8292) and messages only one browser can read (RFC 8291, 8188).

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use sha2::Sha256;

use crate::seal::derive_key;
use crate::secret::Secret;

/// How long a push service may believe one signature. RFC 8292 allows a day.
const LIFE_S: u64 = 12 * 3_600;
/// An uncompressed point of the curve.
pub const PUBLIC_KEY_BYTES: usize = 65;
/// What RFC 8291 3.2 calls the authentication secret.
pub const AUTH_BYTES: usize = 16;
/// Longest message: with its frame it stays within the 4,096 bytes every push service takes.
pub const MESSAGE_BYTES_MAX: usize = 3_000;
const RECORD_BYTES: u32 = 4_096;

/// The site as push services know it. Made from the site's secret: the same on every node, and kept nowhere.
pub struct Vapid {
    key: SigningKey,
    public: Vec<u8>,
}

impl Vapid {
    pub fn new(site_secret: &Secret) -> Self {
        let key = (0_u32..)
            .find_map(|n| SecretKey::from_slice(&derive_key(site_secret, &format!("web-push-{n}"))).ok())
            .expect("all but one of 2^32 digests are keys");
        Self { public: point(&key.public_key()), key: SigningKey::from(key) }
    }

    /// What a browser subscribes with (`applicationServerKey`), in base64url.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.public)
    }

    /// The `Authorization` header for a push service at `origin`, such as `https://push.example`.
    pub fn authorization(&self, origin: &str, contact: Option<&str>) -> String {
        let mut claims = serde_json::json!({ "aud": origin, "exp": crate::clock::unix_seconds() + LIFE_S });
        if let Some(contact) = contact {
            claims["sub"] = contact.into();
        }
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature: Signature = self.key.sign(text.as_bytes());
        format!("vapid t={text}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.to_bytes()), self.public_key())
    }
}

/// Whether these bytes are a browser's public key.
pub fn is_public_key(bytes: &[u8]) -> bool {
    bytes.len() == PUBLIC_KEY_BYTES && PublicKey::from_sec1_bytes(bytes).is_ok()
}

/// A message as the body of a push, for the holder of the subscription's keys only. `None` when the keys are none.
pub fn seal(message: &[u8], public_key: &[u8], auth: &[u8]) -> Option<Vec<u8>> {
    let theirs = PublicKey::from_sec1_bytes(public_key).ok()?;
    let ours = std::iter::repeat_with(crate::ids::random_bytes::<32>)
        .take(8)
        .find_map(|bytes| SecretKey::from_slice(&bytes).ok())?;
    let our_point = point(&ours.public_key());
    let shared = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    let info = [b"WebPush: info\0".as_slice(), public_key, &our_point].concat();
    let salt: [u8; 16] = crate::ids::random_bytes();
    let (key, nonce) = keys(&hkdf(auth, shared.raw_secret_bytes(), &info), &salt);

    // The delimiter of the last record (RFC 8188 2).
    let plain = [message, b"\x02"].concat();
    let cipher = Aes128Gcm::new_from_slice(&key).ok()?;
    let sealed = cipher.encrypt(Nonce::from_slice(&nonce), plain.as_slice()).ok()?;
    let length = [u8::try_from(our_point.len()).ok()?];
    Some([salt.as_slice(), &RECORD_BYTES.to_be_bytes(), &length, &our_point, &sealed].concat())
}

/// Key and nonce of the one record (RFC 8188 2.2, 2.3).
fn keys(input: &[u8], salt: &[u8]) -> ([u8; 16], [u8; 12]) {
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    key.copy_from_slice(&hkdf(salt, input, b"Content-Encoding: aes128gcm\0")[..16]);
    nonce.copy_from_slice(&hkdf(salt, input, b"Content-Encoding: nonce\0")[..12]);
    (key, nonce)
}

/// HKDF-SHA-256 (RFC 5869) for one block of output.
fn hkdf(salt: &[u8], input: &[u8], info: &[u8]) -> [u8; 32] {
    mac(&mac(salt, &[input]), &[info, b"\x01"])
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn point(key: &PublicKey) -> Vec<u8> {
    key.to_encoded_point(false).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;

    use super::*;

    fn unbase64(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// What a browser does, from the other side of the agreement.
    fn open(body: &[u8], browser: &SecretKey, auth: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(16);
        let (head, rest) = rest.split_at(5);
        assert_eq!((u32::from_be_bytes(head[..4].try_into().unwrap()), head[4]), (RECORD_BYTES, 65));
        let (theirs, sealed) = rest.split_at(65);
        let sender = PublicKey::from_sec1_bytes(theirs).unwrap();
        let shared = p256::ecdh::diffie_hellman(browser.to_nonzero_scalar(), sender.as_affine());
        let info = [b"WebPush: info\0".as_slice(), &point(&browser.public_key()), theirs].concat();
        let (key, nonce) = keys(&hkdf(auth, shared.raw_secret_bytes(), &info), salt);
        let cipher = Aes128Gcm::new_from_slice(&key).unwrap();
        let mut plain = cipher.decrypt(Nonce::from_slice(&nonce), sealed).unwrap();
        assert_eq!(plain.pop(), Some(2));
        plain
    }

    /// RFC 8291, appendix A: a message that another implementation sealed.
    #[test]
    fn the_standards_own_message_is_read() {
        let browser = SecretKey::from_slice(&unbase64("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap();
        let body = unbase64(concat!(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz",
            "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        ));
        let plain = open(&body, &browser, &unbase64("BTBZMqHH6r4Tts7J_aSIgg"));
        assert_eq!(plain, b"When I grow up, I want to be a watermelon");
    }

    #[test]
    fn only_the_browser_reads_what_is_sealed_for_it() {
        let browser = SecretKey::from_slice(&crate::ids::random_bytes::<32>()).unwrap();
        let auth: [u8; AUTH_BYTES] = crate::ids::random_bytes();
        let public = point(&browser.public_key());
        assert!(is_public_key(&public));
        let (first, second) = (seal(b"hello", &public, &auth).unwrap(), seal(b"hello", &public, &auth).unwrap());
        assert_ne!(first, second, "no message is like another");
        assert_eq!(open(&first, &browser, &auth), b"hello");
        assert!(seal(&[0; MESSAGE_BYTES_MAX], &public, &auth).unwrap().len() <= 4_096);
        for none in [&public[..64], &[4; 65][..], b""] {
            assert!(!is_public_key(none) && seal(b"x", none, &auth).is_none());
        }
    }

    #[test]
    fn a_push_service_can_check_who_we_are() {
        let vapid = Vapid::new(&Secret::new("a site secret"));
        assert_eq!(vapid.public_key(), Vapid::new(&Secret::new("a site secret")).public_key());
        assert_ne!(vapid.public_key(), Vapid::new(&Secret::new("another")).public_key());
        let header = vapid.authorization("https://push.example", Some("mailto:a@b.example"));
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let key = VerifyingKey::from_sec1_bytes(&unbase64(key)).unwrap();
        key.verify(text.as_bytes(), &Signature::from_slice(&unbase64(signature)).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&unbase64(text.split_once('.').unwrap().1)).unwrap();
        assert_eq!(
            (claims["aud"].as_str(), claims["sub"].as_str()),
            (Some("https://push.example"), Some("mailto:a@b.example"))
        );
        let left = claims["exp"].as_u64().unwrap() - crate::clock::unix_seconds();
        assert!((3_600..86_400).contains(&left));
    }
}
