//! Signed tokens. Each kind has its own `typ` and key, so that one can never stand in for another.

use domain::user::Role;
use domain::{Classify, Kind, SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::secret::Secret;
use crate::{clock, ids, seal};

const ISSUER: &str = "rillcast";
const AUDIENCE: &str = "rillcast";
/// Clocks of nodes may differ by this much, in seconds.
const LEEWAY_S: u64 = 5;
/// Longer input is refused before it is parsed.
const TOKEN_BYTES_MAX: usize = 2_048;

/// What an access token says. It lives for `auth.access_ttl_s`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub exp: u64,
    pub nbf: u64,
    pub iat: u64,
    pub jti: Uuid,
    pub typ: String,
    /// The sign-in this token belongs to; revoking it revokes the token.
    pub sid: SessionId,
    pub role: Role,
}

/// Why a token was not believed. The client is told nothing finer.
#[derive(Debug, thiserror::Error)]
#[error("the token is not valid")]
pub struct TokenError(#[source] Option<jsonwebtoken::errors::Error>);

impl Classify for TokenError {
    fn kind(&self) -> Kind {
        Kind::Unauthenticated
    }

    fn code(&self) -> &'static str {
        "auth.invalid-token"
    }
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct AccessTokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    ttl_s: u64,
}

impl AccessTokens {
    pub fn new(site_secret: &Secret, ttl_s: u64) -> Self {
        let key = seal::derive_key(site_secret, "access-token");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        Self { signing: EncodingKey::from_secret(&key), verifying: DecodingKey::from_secret(&key), validation, ttl_s }
    }

    /// Seconds a token made now will live.
    pub fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    pub fn issue(&self, user: UserId, session: SessionId, role: Role) -> String {
        let now = clock::unix_seconds();
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            exp: now + self.ttl_s,
            nbf: now,
            iat: now,
            jti: ids::uuid(),
            typ: "access".to_owned(),
            sid: session,
            role,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing).expect("claims are plain JSON")
    }

    /// Checks signature, times, issuer, audience and purpose. Revocation is the caller's to check.
    pub fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError(None));
        }
        let claims = decode::<AccessClaims>(token, &self.verifying, &self.validation)
            .map_err(|error| TokenError(Some(error)))?
            .claims;
        if claims.typ == "access" { Ok(claims) } else { Err(TokenError(None)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(tokens: &AccessTokens) -> String {
        tokens.issue(UserId::from_uuid(ids::uuid()), SessionId::from_uuid(ids::uuid()), Role::User)
    }

    #[test]
    fn a_token_verifies_under_its_own_secret_only() {
        let tokens = AccessTokens::new(&Secret::new("one"), 900);
        let token = issue(&tokens);
        assert!(tokens.verify(&token).is_ok());
        assert!(AccessTokens::new(&Secret::new("two"), 900).verify(&token).is_err());
        let mut forged = token.clone();
        forged.truncate(token.len() - 2);
        assert!(tokens.verify(&forged).is_err());
        assert!(tokens.verify(&"x".repeat(TOKEN_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_token_of_another_purpose_or_algorithm_is_refused() {
        let tokens = AccessTokens::new(&Secret::new("one"), 900);
        let mut claims = tokens.verify(&issue(&tokens)).unwrap();
        claims.typ = "playback".to_owned();
        let other = encode(&Header::new(Algorithm::HS256), &claims, &tokens.signing).unwrap();
        assert!(tokens.verify(&other).is_err());
        claims.typ = "access".to_owned();
        let hs512 = encode(&Header::new(Algorithm::HS512), &claims, &tokens.signing).unwrap();
        assert!(tokens.verify(&hs512).is_err());
        claims.exp = clock::unix_seconds() - 60;
        let expired = encode(&Header::new(Algorithm::HS256), &claims, &tokens.signing).unwrap();
        assert!(tokens.verify(&expired).is_err());
        claims.exp += 600;
        claims.aud = "elsewhere".to_owned();
        let elsewhere = encode(&Header::new(Algorithm::HS256), &claims, &tokens.signing).unwrap();
        assert!(tokens.verify(&elsewhere).is_err());
    }
}
