//! Tokens of members' programs: how they look, and the digest they are found by. Random, so unlike sign-ins' access tokens nothing can
//! be read out of one; the prefix lets scanners of code and logs know one when they see it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::seal;
use crate::secret::Secret;

/// What every token begins with.
pub const PREFIX: &str = "rillcast_pat_";
/// Of 32 random bytes.
const HEX_CHARS: usize = 64;
/// Characters shown again, so that a member knows which one it is.
const HINT_CHARS: usize = 4;

/// What tokens are found by. Keyed: who has the table cannot tell whether a token they have is in it.
pub type TokenHash = [u8; 32];

/// Makes tokens and finds digests.
#[derive(Clone)]
pub struct ApiTokens {
    key: [u8; 32],
}

/// A new token.
pub struct Minted {
    pub token: Secret,
    pub hash: TokenHash,
    pub hint: String,
}

impl ApiTokens {
    pub fn new(site_secret: &Secret) -> Self {
        Self { key: seal::derive_key(site_secret, "api-token") }
    }

    pub fn mint(&self) -> Minted {
        let token = format!("{PREFIX}{}", crate::ids::random_token::<32>());
        let hint = token[token.len() - HINT_CHARS..].to_owned();
        Minted { hash: self.digest(&token), hint, token: Secret::new(token) }
    }

    /// The digest of something that looks like a token; `None` for everything else, an access token among it.
    pub fn hash_of(&self, text: &str) -> Option<TokenHash> {
        let rest = text.strip_prefix(PREFIX)?;
        let is_one = rest.len() == HEX_CHARS && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| self.digest(text))
    }

    fn digest(&self, text: &str) -> TokenHash {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_under_its_own_secret_only() {
        let tokens = ApiTokens::new(&Secret::new("one"));
        let minted = tokens.mint();
        let text = minted.token.expose();
        assert!(text.starts_with(PREFIX) && text.ends_with(&minted.hint));
        assert_eq!(tokens.hash_of(text), Some(minted.hash));
        assert_ne!(ApiTokens::new(&Secret::new("two")).hash_of(text), Some(minted.hash));
        for bad in ["", PREFIX, "eyJhbGciOiJIUzI1NiJ9.e30.x", &text[1..], &text[..text.len() - 1], &text.to_uppercase()]
        {
            assert_eq!(tokens.hash_of(bad), None, "{bad}");
        }
    }
}
