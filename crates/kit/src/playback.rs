//! Playback tokens: short, signed permissions to fetch the media of one stream or one recording.
//!
//! They stand in URLs, so they say as little as they can, are good for that one object only and live for minutes. Whom the
//! object is for now, and whether the permission was taken back, is the caller's to check.

use domain::visibility::Standing;
use domain::{SessionId, ShareId, StreamId, UserId, VodId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::{clock, seal};

/// Seconds a token lives. With the leeway it is less than five minutes.
pub const TTL_S: u64 = 240;
/// Clocks of nodes may differ by this much, in seconds.
const LEEWAY_S: u64 = 5;
/// Longer input is refused before it is parsed. Ours have about 400.
const TOKEN_BYTES_MAX: usize = 768;
const TYP: &str = "playback";
/// The query argument that carries one.
pub const ARGUMENT: &str = "token";
/// The query argument that carries the id of an unlisted stream: knowing it is having the link.
pub const LINK_ARGUMENT: &str = "stream";

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Stream(StreamId),
    Vod(VodId),
}

impl Subject {
    fn audience(self) -> String {
        match self {
            Self::Stream(id) => format!("stream:{id}"),
            Self::Vod(id) => format!("vod:{id}"),
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaybackClaims {
    /// `stream:{id}` or `vod:{id}`.
    pub aud: String,
    /// Who asked for it.
    pub sub: UserId,
    /// The sign-in it was given to; it ends with it.
    pub sid: SessionId,
    /// Whose media it is.
    pub chn: UserId,
    /// Why it was given.
    pub via: Standing,
    pub exp: u64,
    pub iat: u64,
    pub typ: String,
}

/// Why a token was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not one of ours, or another object's.
    Invalid,
    /// It was good once.
    Expired,
}

/// Who gets a token.
#[derive(Debug, Clone, Copy)]
pub struct Bearer {
    pub user: UserId,
    pub session: SessionId,
    pub standing: Standing,
}

/// Signs and verifies playback tokens.
#[derive(Clone)]
pub struct PlaybackTokens {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl PlaybackTokens {
    pub fn new(site_secret: &Secret) -> Self {
        let key = seal::derive_key(site_secret, "playback-token");
        Self { signing: EncodingKey::from_secret(&key), verifying: DecodingKey::from_secret(&key) }
    }

    /// A token for one object of a channel, good from now for [`TTL_S`].
    pub fn issue(&self, subject: Subject, channel: UserId, bearer: Bearer) -> String {
        self.issue_at(subject, channel, bearer, clock::unix_seconds())
    }

    /// A token for whoever was let in by a share link of the channel's owner: it ends with the link (`until`, in seconds since 1970), whose
    /// id stands where a sign-in's does.
    pub fn issue_shared(&self, subject: Subject, channel: UserId, link: ShareId, until: Option<u64>) -> String {
        let at = clock::unix_seconds();
        let exp = until.map_or(at + TTL_S, |until| until.min(at + TTL_S));
        self.sign(&PlaybackClaims {
            aud: subject.audience(),
            sub: channel,
            sid: SessionId::from_uuid(link.as_uuid()),
            chn: channel,
            via: Standing::Shared,
            exp,
            iat: at,
            typ: TYP.to_owned(),
        })
    }

    /// The same, made at another moment. For tests.
    pub fn issue_at(&self, subject: Subject, channel: UserId, bearer: Bearer, at: u64) -> String {
        self.sign(&PlaybackClaims {
            aud: subject.audience(),
            sub: bearer.user,
            sid: bearer.session,
            chn: channel,
            via: bearer.standing,
            exp: at + TTL_S,
            iat: at,
            typ: TYP.to_owned(),
        })
    }

    fn sign(&self, claims: &PlaybackClaims) -> String {
        // Signing plain claims with an HMAC cannot fail.
        encode(&Header::new(Algorithm::HS256), claims, &self.signing).unwrap_or_default()
    }

    /// Checks signature, purpose, object and times.
    pub fn verify(&self, token: &str, subject: Subject) -> Result<PlaybackClaims, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        // Looked at below: an expired token of ours is told from a forged one.
        validation.validate_exp = false;
        validation.set_audience(&[subject.audience()]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        let claims =
            decode::<PlaybackClaims>(token, &self.verifying, &validation).map_err(|_| Refused::Invalid)?.claims;
        if claims.typ != TYP {
            return Err(Refused::Invalid);
        }
        let now = clock::unix_seconds();
        if claims.exp + LEEWAY_S < now || claims.iat > now + LEEWAY_S {
            return Err(Refused::Expired);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use domain::user::Role;

    use super::*;
    use crate::ids;
    use crate::tokens::AccessTokens;

    fn bearer() -> Bearer {
        Bearer {
            user: UserId::from_uuid(ids::uuid()),
            session: SessionId::from_uuid(ids::uuid()),
            standing: Standing::Follower,
        }
    }

    #[test]
    fn a_token_opens_its_own_object_only() {
        let tokens = PlaybackTokens::new(&Secret::new("one"));
        let channel = UserId::from_uuid(ids::uuid());
        let (stream, vod) = (StreamId::from_uuid(ids::uuid()), VodId::from_uuid(ids::uuid()));
        let token = tokens.issue(Subject::Stream(stream), channel, bearer());
        assert!(token.len() < TOKEN_BYTES_MAX, "{} bytes", token.len());
        assert_eq!(tokens.verify(&token, Subject::Stream(stream)).unwrap().chn, channel);
        assert_eq!(tokens.verify(&token, Subject::Stream(StreamId::from_uuid(ids::uuid()))), Err(Refused::Invalid));
        assert_eq!(tokens.verify(&token, Subject::Vod(vod)), Err(Refused::Invalid));
        let same_number = Subject::Vod(VodId::from_uuid(stream.as_uuid()));
        assert_eq!(tokens.verify(&token, same_number), Err(Refused::Invalid), "a stream's id is no recording's");
        let elsewhere = PlaybackTokens::new(&Secret::new("two"));
        assert_eq!(elsewhere.verify(&token, Subject::Stream(stream)), Err(Refused::Invalid));
        assert_eq!(tokens.verify(&"x".repeat(TOKEN_BYTES_MAX + 1), Subject::Stream(stream)), Err(Refused::Invalid));
    }

    #[test]
    fn it_ends_within_five_minutes() {
        let tokens = PlaybackTokens::new(&Secret::new("one"));
        let (stream, channel) = (Subject::Stream(StreamId::from_uuid(ids::uuid())), UserId::from_uuid(ids::uuid()));
        let now = clock::unix_seconds();
        let issued = |ago: u64| tokens.verify(&tokens.issue_at(stream, channel, bearer(), now - ago), stream);
        assert!(issued(TTL_S - 2).is_ok());
        assert_eq!(issued(300), Err(Refused::Expired));
        let early = tokens.issue_at(stream, channel, bearer(), now + 60);
        assert_eq!(tokens.verify(&early, stream), Err(Refused::Expired));
    }

    #[test]
    fn tokens_of_other_purposes_do_not_stand_in() {
        let secret = Secret::new("one");
        let (access, playback) = (AccessTokens::new(&secret, 900), PlaybackTokens::new(&secret));
        let (stream, channel) = (Subject::Stream(StreamId::from_uuid(ids::uuid())), UserId::from_uuid(ids::uuid()));
        let who = bearer();
        let token = access.issue(who.user, who.session, Role::User);
        assert_eq!(playback.verify(&token, stream), Err(Refused::Invalid));
        assert!(access.verify(&playback.issue(stream, channel, who)).is_err());
        // The same claims without a signature, and under another algorithm.
        let claims = playback.verify(&playback.issue(stream, channel, who), stream).unwrap();
        let other = encode(&Header::new(Algorithm::HS512), &claims, &playback.signing).unwrap();
        assert_eq!(playback.verify(&other, stream), Err(Refused::Invalid));
        let none = "eyJhbGciOiJub25lIn0.e30.";
        assert_eq!(playback.verify(none, stream), Err(Refused::Invalid));
    }
}
