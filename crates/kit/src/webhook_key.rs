//! Messages of Standard Webhooks 1.0: the key a receiver shares with us, the signature made with it, and the headers that carry it.
//! The operator's review of chat and members' endpoints both send them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;

use crate::secret::Secret;

/// What keys are sealed for where they are stored, with the id of what they belong to as context.
pub const SEAL_PURPOSE: &str = "webhook-key";
const PREFIX: &str = "whsec_";
/// Of those we make ourselves.
const OWN_BYTES: usize = 32;
/// What the standard allows.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One receiver's key.
pub struct WebhookKey(Vec<u8>);

impl WebhookKey {
    /// A fresh key, as its member writes it down.
    pub fn random() -> Secret {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(crate::ids::random_bytes::<OWN_BYTES>())))
    }

    /// `whsec_` and 24 to 64 bytes in base64. `None` for anything else.
    pub fn parse(text: &Secret) -> Option<Self> {
        let bytes = STANDARD.decode(text.expose().strip_prefix(PREFIX)?).ok()?;
        BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// One signature of `webhook-signature`, over the message's id, the seconds of `webhook-timestamp` and the body.
    pub fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The headers of a message, signed with each of the keys: the one that is good, and the one before while it still is.
/// `id` stays the same over attempts, `at` is the attempt's own moment in seconds.
///
/// # Panics
/// Where the id is not visible ASCII: ids are ours.
pub fn headers<'k>(keys: impl IntoIterator<Item = &'k WebhookKey>, id: &str, at: u64, body: &str) -> HeaderMap {
    let signatures: Vec<_> = keys.into_iter().map(|key| key.sign(id, at, body)).collect();
    let value = |text: &str| HeaderValue::from_str(text).expect("ids and signatures are visible ASCII");
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Rillcast/", env!("CARGO_PKG_VERSION"))));
    headers.insert("webhook-id", value(id));
    headers.insert("webhook-timestamp", HeaderValue::from(at));
    headers.insert("webhook-signature", value(&signatures.join(" ")));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standards_libraries() {
        let key = WebhookKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_fresh_key_is_one_and_two_sign_beside_each_other() {
        let (one, two) = (WebhookKey::random(), WebhookKey::random());
        assert_ne!(one.expose(), two.expose());
        let keys = [&one, &two].map(|text| WebhookKey::parse(text).unwrap());
        let headers = headers(&keys, "msg_1", 7, "{}");
        let expected = format!("{} {}", keys[0].sign("msg_1", 7, "{}"), keys[1].sign("msg_1", 7, "{}"));
        assert_eq!(headers["webhook-signature"], expected.as_str());
        assert_eq!(
            (&headers["webhook-id"], &headers["webhook-timestamp"]),
            (&"msg_1".parse().unwrap(), &"7".parse().unwrap())
        );
    }

    #[test]
    fn what_the_standard_does_not_allow_is_no_key() {
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_not base64"] {
            assert!(WebhookKey::parse(&Secret::new(text)).is_none(), "{text:?}");
        }
    }
}
