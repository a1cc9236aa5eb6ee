//! What stands between two members, and whom a member lets near.

use serde::{Deserialize, Serialize};

/// Most requests a member may have waiting for answers.
pub const REQUESTS_WAITING_MAX: i64 = 100;
/// Most members one may have blocked.
pub const BLOCKS_MAX: i64 = 1_000;

/// What one member has with another, as the first sees it. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bond {
    None,
    /// The member asked and waits.
    Outgoing,
    /// The other asked and waits.
    Incoming,
    Accepted,
    /// The member has blocked the other. Of being blocked nobody hears.
    Blocked,
}

/// Who may ask for a friendship. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Circle {
    #[default]
    Everybody,
    /// Those whose channel the member follows.
    Followed,
    Nobody,
}

impl Circle {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Followed => "followed",
            Self::Nobody => "nobody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Everybody, Self::Followed, Self::Nobody].into_iter().find(|circle| circle.as_str() == text)
    }
}

/// Who may write to a member, and invite them into a group. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letters {
    Everybody,
    /// Friends, and those whose channel the member follows.
    Followed,
    #[default]
    Friends,
    Nobody,
}

impl Letters {
    pub const ALL: [Self; 4] = [Self::Everybody, Self::Followed, Self::Friends, Self::Nobody];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Followed => "followed",
            Self::Friends => "friends",
            Self::Nobody => "nobody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|letters| letters.as_str() == text)
    }
}

/// Who may know when a member is there. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Friends, and those who sit in the same rooms.
    #[default]
    Friends,
    /// And the member does not see it of others.
    Nobody,
}

impl Sight {
    pub const ALL: [Self; 2] = [Self::Friends, Self::Nobody];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Friends => "friends",
            Self::Nobody => "nobody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sight| sight.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_stored_under_its_public_name() {
        for circle in [Circle::Everybody, Circle::Followed, Circle::Nobody] {
            assert_eq!(Circle::parse(circle.as_str()), Some(circle));
            assert_eq!(serde_json::to_value(circle).unwrap(), circle.as_str());
        }
        assert_eq!(Circle::parse("friends"), None);
        for letters in Letters::ALL {
            assert_eq!(Letters::parse(letters.as_str()), Some(letters));
            assert_eq!(serde_json::to_value(letters).unwrap(), letters.as_str());
        }
        for sight in Sight::ALL {
            assert_eq!(Sight::parse(sight.as_str()), Some(sight));
            assert_eq!(serde_json::to_value(sight).unwrap(), sight.as_str());
        }
    }
}
