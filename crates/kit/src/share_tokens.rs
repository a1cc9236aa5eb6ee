//! What somebody who opened a share link is given: a visit, and permissions to fetch one file each. They stand in URLs, so they are good for
//! that link and that file only, and live for minutes. Whether the link still stands is the caller's to check.

use domain::{FileId, ShareId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::{clock, seal};

/// Seconds a token lives. With the leeway it is less than five minutes.
pub const TTL_S: u64 = 240;
/// Seconds after which a visit cannot be renewed: the link has to be opened again.
pub const VISIT_S: u64 = 12 * 3_600;
/// Clocks of nodes may differ by this much, in seconds.
const LEEWAY_S: u64 = 5;
/// Longer input is refused before it is parsed. Ours have about 300.
const TOKEN_BYTES_MAX: usize = 768;
const TYP: &str = "share";

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Looking around, and being given all of this anew.
    Visit,
    /// The bytes of one file.
    File(FileId),
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareClaims {
    /// `share:{link}`, or `share:{link}:{file}`.
    aud: String,
    exp: u64,
    iat: u64,
    typ: String,
    /// The link's epoch: it changes with its password.
    pub epo: i32,
    /// When the visit began, in seconds since 1970.
    pub beg: u64,
}

/// Why a token was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not one of ours, or for something else.
    Invalid,
    /// It was good once.
    Expired,
}

/// A visit that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub link: ShareId,
    pub epoch: i32,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// The link's own end, in seconds since 1970: nothing outlives it.
    pub until: Option<u64>,
}

/// Signs and verifies them.
#[derive(Clone)]
pub struct ShareTokens {
    signing: EncodingKey,
    verifying: DecodingKey,
}

fn audience(link: ShareId, subject: Subject) -> String {
    match subject {
        Subject::Visit => format!("share:{link}"),
        Subject::File(file) => format!("share:{link}:{file}"),
    }
}

impl ShareTokens {
    pub fn new(site_secret: &Secret) -> Self {
        let key = seal::derive_key(site_secret, "share-token");
        Self { signing: EncodingKey::from_secret(&key), verifying: DecodingKey::from_secret(&key) }
    }

    /// A token of this visit, good from now for [`TTL_S`].
    pub fn issue(&self, visit: &Visit, subject: Subject) -> String {
        self.issue_at(visit, subject, clock::unix_seconds())
    }

    fn issue_at(&self, visit: &Visit, subject: Subject, at: u64) -> String {
        let claims = ShareClaims {
            aud: audience(visit.link, subject),
            exp: visit.until.map_or(at + TTL_S, |until| until.min(at + TTL_S)),
            iat: at,
            typ: TYP.to_owned(),
            epo: visit.epoch,
            beg: visit.began,
        };
        // Signing plain claims with an HMAC cannot fail.
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing).unwrap_or_default()
    }

    /// Checks signature, purpose, link, object and times.
    pub fn verify(&self, token: &str, link: ShareId, subject: Subject) -> Result<ShareClaims, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // Looked at below: an expired token of ours is told from a forged one.
        validation.validate_exp = false;
        validation.set_audience(&[audience(link, subject)]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        let claims = decode::<ShareClaims>(token, &self.verifying, &validation).map_err(|_| Refused::Invalid)?.claims;
        if claims.typ != TYP {
            return Err(Refused::Invalid);
        }
        let now = clock::unix_seconds();
        let is_over = claims.exp + LEEWAY_S < now || claims.iat > now + LEEWAY_S || claims.beg + VISIT_S < now;
        if is_over { Err(Refused::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests {
    use domain::user::Role;
    use domain::{SessionId, StreamId, UserId};

    use super::*;
    use crate::playback::{self, PlaybackTokens};
    use crate::tokens::AccessTokens;
    use crate::{ids, second_step};

    fn visit() -> Visit {
        Visit { link: ShareId::from_uuid(ids::uuid()), epoch: 3, began: clock::unix_seconds(), until: None }
    }

    fn file() -> FileId {
        FileId::from_uuid(ids::uuid())
    }

    #[test]
    fn a_token_is_good_for_its_own_link_and_file_only() {
        let tokens = ShareTokens::new(&Secret::new("one"));
        let (visit, mine) = (visit(), file());
        let token = tokens.issue(&visit, Subject::File(mine));
        assert!(token.len() < TOKEN_BYTES_MAX, "{} bytes", token.len());
        assert_eq!(tokens.verify(&token, visit.link, Subject::File(mine)).map(|claims| claims.epo), Ok(3));
        let invalid = Err(Refused::Invalid);
        assert_eq!(tokens.verify(&token, visit.link, Subject::File(file())), invalid);
        assert_eq!(tokens.verify(&token, visit.link, Subject::Visit), invalid);
        assert_eq!(tokens.verify(&token, ShareId::from_uuid(ids::uuid()), Subject::File(mine)), invalid);
        let round = tokens.issue(&visit, Subject::Visit);
        assert!(tokens.verify(&round, visit.link, Subject::Visit).is_ok());
        assert_eq!(tokens.verify(&round, visit.link, Subject::File(mine)), invalid);
        assert_eq!(ShareTokens::new(&Secret::new("two")).verify(&token, visit.link, Subject::File(mine)), invalid);
        assert_eq!(tokens.verify(&"x".repeat(TOKEN_BYTES_MAX + 1), visit.link, Subject::Visit), invalid);
    }

    #[test]
    fn it_ends_within_five_minutes_with_its_link_and_with_the_visit() {
        let tokens = ShareTokens::new(&Secret::new("one"));
        let (now, mine) = (clock::unix_seconds(), Subject::File(file()));
        let judged = |visit: Visit, at: u64| tokens.verify(&tokens.issue_at(&visit, mine, at), visit.link, mine);
        assert!(judged(visit(), now - TTL_S + 2).is_ok());
        assert_eq!(judged(visit(), now - 300), Err(Refused::Expired));
        assert_eq!(judged(visit(), now + 60), Err(Refused::Expired));
        assert_eq!(judged(Visit { until: Some(now - 10), ..visit() }, now), Err(Refused::Expired));
        assert_eq!(judged(Visit { began: now - VISIT_S - 10, ..visit() }, now), Err(Refused::Expired));
    }

    #[test]
    fn tokens_of_other_purposes_do_not_stand_in() {
        let secret = Secret::new("one");
        let (tokens, visit) = (ShareTokens::new(&secret), visit());
        let (user, session) = (UserId::from_uuid(ids::uuid()), SessionId::from_uuid(ids::uuid()));
        let (access, playing) = (AccessTokens::new(&secret, 900), PlaybackTokens::new(&secret));
        let stream = playback::Subject::Stream(StreamId::from_uuid(ids::uuid()));
        let ours = tokens.issue(&visit, Subject::Visit);
        assert!(access.verify(&ours).is_err());
        assert!(playing.verify(&ours, stream).is_err());
        assert!(second_step::SecondStep::new(&secret).verify(&ours).is_none());
        let theirs = access.issue(user, session, Role::User);
        assert_eq!(tokens.verify(&theirs, visit.link, Subject::Visit), Err(Refused::Invalid));
        // The same claims under another algorithm, and under none.
        let claims = tokens.verify(&ours, visit.link, Subject::Visit).expect("good");
        let other = encode(&Header::new(Algorithm::HS512), &claims, &tokens.signing).expect("a token");
        assert_eq!(tokens.verify(&other, visit.link, Subject::Visit), Err(Refused::Invalid));
        assert_eq!(tokens.verify("eyJhbGciOiJub25lIn0.e30.", visit.link, Subject::Visit), Err(Refused::Invalid));
    }
}
