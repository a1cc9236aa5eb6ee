//! What a sign-in hands out between its two steps: proof of the password, good for the second step and for nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::UserId;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::secret::Secret;
use crate::{clock, ids, seal};

/// Seconds in which the second step has to be taken.
pub const TTL_S: u64 = 300;
const TYPE: &str = "second-step";
const ISSUER: &str = "rillcast";
/// Not that of access tokens.
const AUDIENCE: &str = "rillcast-second-step";
/// Clocks of nodes may differ by this much, in seconds.
const LEEWAY_S: u64 = 5;
/// Longer input is refused before it is parsed.
const TOKEN_BYTES_MAX: usize = 2_048;

/// Somebody has proven their password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    iss: String,
    aud: String,
    #[serde(rename = "sub")]
    pub user: UserId,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: Uuid,
    typ: String,
    mark: String,
    /// They want their closed account opened again.
    pub reopen: bool,
}

/// Signs and verifies such proofs.
#[derive(Clone)]
pub struct SecondStep {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    marks: [u8; 32],
}

impl SecondStep {
    pub fn new(site_secret: &Secret) -> Self {
        let key = seal::derive_key(site_secret, "second-step-token");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        Self {
            signing: EncodingKey::from_secret(&key),
            verifying: DecodingKey::from_secret(&key),
            validation,
            marks: seal::derive_key(site_secret, "second-step-mark"),
        }
    }

    /// `password_hash`: the one that was proven.
    pub fn issue(&self, user: UserId, password_hash: &str, reopen: bool) -> String {
        let now = clock::unix_seconds();
        self.sign(&Proven {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            user,
            exp: now + TTL_S,
            nbf: now,
            iat: now,
            jti: ids::uuid(),
            typ: TYPE.to_owned(),
            mark: self.mark(user, password_hash),
            reopen,
        })
    }

    fn sign(&self, proven: &Proven) -> String {
        encode(&Header::new(Algorithm::HS256), proven, &self.signing).expect("claims are plain JSON")
    }

    /// `None` when it is not one of ours, or too old. Whether it is still good, [`SecondStep::fits`] tells.
    pub fn verify(&self, token: &str) -> Option<Proven> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let proven = decode::<Proven>(token, &self.verifying, &self.validation).ok()?.claims;
        (proven.typ == TYPE).then_some(proven)
    }

    /// Whether the password is still the one that was proven.
    pub fn fits(&self, proven: &Proven, password_hash: &str) -> bool {
        proven.mark == self.mark(proven.user, password_hash)
    }

    /// What a token tells of a stored password: nothing to whoever lacks the site's secret.
    fn mark(&self, user: UserId, password_hash: &str) -> String {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.marks).expect("HMAC takes keys of any length");
        mac.update(user.as_uuid().as_bytes());
        mac.update(password_hash.as_bytes());
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
    }
}

#[cfg(test)]
mod tests {
    use domain::SessionId;
    use domain::user::Role;

    use super::*;
    use crate::tokens::AccessTokens;

    #[test]
    fn a_proof_is_good_for_its_site_its_password_and_five_minutes() {
        let (one, two) = (SecondStep::new(&Secret::new("one")), SecondStep::new(&Secret::new("two")));
        let user = UserId::from_uuid(ids::uuid());
        let token = one.issue(user, "$argon2id$old", true);
        let proven = one.verify(&token).unwrap();
        assert_eq!((proven.user, proven.reopen), (user, true));
        assert!(one.fits(&proven, "$argon2id$old") && !one.fits(&proven, "$argon2id$new"));
        assert!(!token.contains("argon2id"));
        assert_eq!(two.verify(&token), None);
        assert_eq!(one.verify(&token[..token.len() - 2]), None);
        assert_eq!(one.verify(&"x".repeat(TOKEN_BYTES_MAX + 1)), None);
        let old = Proven { exp: clock::unix_seconds() - 60, ..proven.clone() };
        assert_eq!(one.verify(&one.sign(&old)), None);
        let other = Proven { typ: "access".to_owned(), ..proven };
        assert_eq!(one.verify(&one.sign(&other)), None);
    }

    #[test]
    fn neither_kind_of_token_stands_in_for_the_other() {
        let secret = Secret::new("one");
        let (step, access) = (SecondStep::new(&secret), AccessTokens::new(&secret, 900));
        let user = UserId::from_uuid(ids::uuid());
        assert!(access.verify(&step.issue(user, "$argon2id$", false)).is_err());
        assert_eq!(step.verify(&access.issue(user, SessionId::from_uuid(ids::uuid()), Role::User)), None);
    }
}
