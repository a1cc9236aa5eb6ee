//! Members: names, roles and what they may be called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// Names that would collide with the site's own paths or mislead people.
const RESERVED: &[&str] = &[
    "admin",
    "administrator",
    "api",
    "moderator",
    "mod",
    "rillcast",
    "root",
    "settings",
    "studio",
    "support",
    "system",
    "live",
    "vod",
    "me",
    "null",
    "undefined",
    "anonymous",
];

/// A member's unique name: 3 to 30 of `a-z 0-9 _`, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    pub const LEN_MIN: usize = 3;
    pub const LEN_MAX: usize = 30;

    /// Upper case is folded, not refused: people type `Alice` and mean `alice`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = text.to_ascii_lowercase();
        let legal = (Self::LEN_MIN..=Self::LEN_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !legal {
            return Err(Invalid::new("username", "must be 3 to 30 letters, digits or underscores"));
        }
        Ok(Self(name))
    }

    /// [`Username::parse`], and not one of the names kept for the site itself.
    pub fn parse_new(text: &str) -> Result<Self, Invalid> {
        let name = Self::parse(text)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(Invalid::new("username", "is reserved"));
        }
        Ok(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address a letter could reach: one `@`, a dotted host, no spaces. Delivery is the only full proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    pub const LEN_MAX: usize = 254;

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim().to_lowercase();
        let error = || Invalid::new("email", "is not an e-mail address");
        if text.len() > Self::LEN_MAX || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(error());
        }
        let (local, host) = text.split_once('@').ok_or_else(error)?;
        let dotted = host.split('.').count() >= 2 && host.split('.').all(|label| !label.is_empty());
        if local.is_empty() || local.len() > 64 || host.contains('@') || !dotted {
            return Err(error());
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name people see: 1 to 50 characters, no control or bidirectional override characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisplayName(String);

impl DisplayName {
    pub const CHARS_MAX: usize = 50;

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = crate::chat::normalise_line(text);
        if text.is_empty() || text.chars().count() > Self::CHARS_MAX {
            return Err(Invalid::new("display_name", "must be 1 to 50 characters"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a member may do on the whole site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Moderator,
    Admin,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "moderator" => Some(Self::Moderator),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// Whether they may act on somebody of that role, such as suspend them from the site, if they may do such things at all
    /// ([`crate::Permission`]). Nobody acts on an equal.
    pub fn outranks(self, other: Self) -> bool {
        self > other
    }
}

/// Where the site serves the avatar under a key of the bucket, as a path of its own.
pub fn avatar_url(key: &str) -> String {
    format!("/media/avatars/{}", key.strip_prefix("avatar/").unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_staff_acts_on_who_stands_below_them() {
        use Role::{Admin, Moderator, User};
        let may = |actor: Role| [User, Moderator, Admin].map(|target| actor.outranks(target));
        assert_eq!((may(User), may(Moderator), may(Admin)), ([false; 3], [true, false, false], [true, true, false]));
    }

    #[test]
    fn a_username_is_folded_to_lower_case() {
        assert_eq!(Username::parse("Alice_9").unwrap().as_str(), "alice_9");
    }

    #[test]
    fn illegal_and_reserved_usernames_are_refused() {
        for bad in ["ab", "", "a b c", "näme", "a/../b", "x".repeat(31).as_str(), "a\0bc"] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Username::parse_new("Admin").is_err());
    }

    #[test]
    fn an_email_needs_a_local_part_and_a_dotted_host() {
        assert_eq!(Email::parse(" A@B.example ").unwrap().as_str(), "a@b.example");
        for bad in ["a", "@b.c", "a@b", "a@b..c", "a@b@c.d", "a b@c.d", "a@.c"] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_display_name_loses_what_would_mislead() {
        assert_eq!(DisplayName::parse(" A\u{202e}li\u{200b}ce ").unwrap().as_str(), "Alice");
        assert!(DisplayName::parse("\u{200b}").is_err());
    }
}
