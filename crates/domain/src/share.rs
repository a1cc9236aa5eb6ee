//! Links by which a member gives something to people without an account: what may be done with one, and where one stands.

use std::net::IpAddr;
use std::time::Duration;

use crate::Timestamp;
use crate::error::{Classify, Invalid, Kind};

/// Links of one member that are good for something.
pub const LINKS_MAX: i64 = 500;
/// Links of one member that are not any more; of more the oldest go.
pub const OVER_MAX: i64 = 500;
/// Visits of one link that are remembered, and as many refusals.
pub const ACCESSES_MAX: i64 = 200;
/// Days they, and links that are over, are remembered.
pub const KEEP_DAYS: i32 = 90;
/// The owner who wants to know hears of visits this often at most.
pub const NOTICE_EVERY: Duration = Duration::from_secs(3_600);
/// Most visits a limit can allow.
pub const VISITS_MAX: i32 = 1_000_000;

/// The token has 160 random bits, so a password only keeps those out who were passed the link: it may be short.
const PASSWORD_CHARS_MIN: usize = 4;
const PASSWORD_BYTES_MAX: usize = 512;
const LIFE_DAYS_MAX: i64 = 5 * 366;

/// An enum of words: all of them, as text, and back.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$inner])* $variant,)+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words! {
    /// What a link opens. The names are API.
    ShareKind {
        File = "file",
        /// And what lies below it.
        Folder = "folder",
        Vod = "vod",
    }
}

words! {
    /// What may be done with it. The names are API.
    Permission {
        View = "view",
        /// And saved.
        Download = "download",
    }
}

words! {
    /// What became of somebody who came by a link. The names are API.
    Outcome {
        Granted = "granted",
        WrongPassword = "wrong_password",
        Expired = "expired",
        Exhausted = "exhausted",
        Revoked = "revoked",
        Gone = "gone",
    }
}

words! {
    /// Where a link stands. The names are API.
    ShareState {
        Active = "active",
        Expired = "expired",
        /// Opened as often as it may be.
        Exhausted = "exhausted",
        Revoked = "revoked",
        /// What it was for is not there any more.
        Gone = "gone",
    }
}

/// What decides where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    pub is_revoked: bool,
    pub is_expired: bool,
    pub is_exhausted: bool,
    pub has_thing: bool,
}

impl Facts {
    /// What its owner said last comes first.
    pub const fn state(self) -> ShareState {
        match self {
            Self { is_revoked: true, .. } => ShareState::Revoked,
            Self { is_expired: true, .. } => ShareState::Expired,
            Self { has_thing: false, .. } => ShareState::Gone,
            Self { is_exhausted: true, .. } => ShareState::Exhausted,
            _ => ShareState::Active,
        }
    }
}

impl ShareState {
    /// Why a link is good for nothing, and what is written down of whoever came by it. `None`: it is good.
    pub const fn refusal(self) -> Option<(ShareError, Outcome)> {
        match self {
            Self::Active => None,
            Self::Expired => Some((ShareError::Expired, Outcome::Expired)),
            Self::Exhausted => Some((ShareError::Exhausted, Outcome::Exhausted)),
            Self::Revoked => Some((ShareError::Revoked, Outcome::Revoked)),
            Self::Gone => Some((ShareError::Gone, Outcome::Gone)),
        }
    }
}

/// A link's password: at least four characters.
pub fn password(text: &str) -> Result<&str, Invalid> {
    if text.chars().count() < PASSWORD_CHARS_MIN {
        Err(Invalid::new("password", "must have at least 4 characters"))
    } else if !is_password(text) {
        Err(Invalid::new("password", "must have at most 512 bytes"))
    } else {
        Ok(text)
    }
}

/// Whether it is worth trying.
pub const fn is_password(text: &str) -> bool {
    text.len() <= PASSWORD_BYTES_MAX
}

/// The end of a link: to come, and within five years.
pub fn expiry(at: Timestamp, now: Timestamp) -> Result<Timestamp, Invalid> {
    if at <= now {
        Err(Invalid::new("expires_at", "must be in the future"))
    } else if at > now + chrono::Duration::days(LIFE_DAYS_MAX) {
        Err(Invalid::new("expires_at", "must be within five years"))
    } else {
        Ok(at)
    }
}

/// How often a link may be opened.
pub fn max_accesses(count: i64) -> Result<i32, Invalid> {
    i32::try_from(count)
        .ok()
        .filter(|count| (1..=VISITS_MAX).contains(count))
        .ok_or_else(|| Invalid::new("max_accesses", "must be 1 to 1000000"))
}

/// From where somebody came, coarsely: enough to tell an office from a stranger, too little to find anybody.
pub fn network(addr: IpAddr) -> String {
    match addr.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// Why nothing is shared, or nothing is shown of what is. The codes are API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The same for a link there never was, a password that is missing and one that is wrong; to members also for another's link.
    #[error("there is no such link, or it asks for another password")]
    NotFound,
    #[error("this link has expired")]
    Expired,
    #[error("this link was opened as often as it may be")]
    Exhausted,
    #[error("this link was taken back")]
    Revoked,
    #[error("what this link was for is not there any more")]
    Gone,
    #[error("the visit has ended; open the link again")]
    Over,
    #[error("this link is for looking only")]
    ViewOnly,
    /// Also for what is another member's.
    #[error("you have nothing like that to share, or not yet")]
    NoResource,
    #[error("you have as many links as one may")]
    TooMany,
    #[error("too many attempts; wait a while")]
    Throttled(Duration),
}

impl Classify for ShareError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoResource => Kind::NotFound,
            Self::Expired | Self::Exhausted | Self::Revoked | Self::Gone => Kind::Gone,
            Self::Over | Self::ViewOnly => Kind::Forbidden,
            Self::TooMany => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "share.not-found",
            Self::Expired => "share.expired",
            Self::Exhausted => "share.exhausted",
            Self::Revoked => "share.revoked",
            Self::Gone => "share.gone",
            Self::Over => "share.over",
            Self::ViewOnly => "share.view-only",
            Self::NoResource => "share.no-resource",
            Self::TooMany => "share.too-many",
            Self::Throttled(_) => "share.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_owner_said_comes_before_what_happened() {
        let good = Facts { has_thing: true, ..Facts::default() };
        assert_eq!(good.state(), ShareState::Active);
        assert_eq!(good.state().refusal(), None);
        assert_eq!(Facts { is_exhausted: true, ..good }.state(), ShareState::Exhausted);
        assert_eq!(Facts { is_exhausted: true, has_thing: false, ..good }.state(), ShareState::Gone);
        assert_eq!(Facts { is_expired: true, has_thing: false, ..good }.state(), ShareState::Expired);
        let all = Facts { is_revoked: true, is_expired: true, is_exhausted: true, has_thing: false };
        assert_eq!(all.state(), ShareState::Revoked);
        for state in ShareState::ALL.iter().filter(|state| **state != ShareState::Active) {
            let (error, outcome) = state.refusal().expect("a reason");
            assert_eq!(error.kind(), Kind::Gone);
            assert_eq!((error.code(), outcome.as_str()), (&*format!("share.{}", state.as_str()), state.as_str()));
        }
    }

    #[test]
    fn a_link_ends_within_five_years_and_after_now() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(expiry(now, now).is_err());
        assert!(expiry(now + chrono::Duration::seconds(1), now).is_ok());
        assert!(expiry(now + chrono::Duration::days(5 * 366), now).is_ok());
        assert!(expiry(now + chrono::Duration::days(5 * 366 + 1), now).is_err());
        for count in [0, -1, 1_000_001, i64::MAX] {
            assert!(max_accesses(count).is_err(), "{count}");
        }
        assert_eq!(max_accesses(1).ok(), Some(1));
    }

    #[test]
    fn passwords_may_be_short_and_not_endless() {
        for bad in ["", "abc", &"x".repeat(513)] {
            assert!(password(bad).is_err());
        }
        assert!(password("1234").is_ok());
    }

    #[test]
    fn addresses_are_told_coarsely() {
        for (addr, told) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ] {
            assert_eq!(network(addr.parse().expect("an address")), told);
        }
    }

    #[test]
    fn words_are_read_back_as_written() {
        assert!(ShareKind::ALL.iter().all(|kind| ShareKind::parse(kind.as_str()) == Some(*kind)));
        assert!(Permission::ALL.iter().all(|it| Permission::parse(it.as_str()) == Some(*it)));
        assert!(Outcome::ALL.iter().all(|it| Outcome::parse(it.as_str()) == Some(*it)));
        assert_eq!(ShareState::parse("Active"), None);
    }
}
