//! Rooms: conversations of two members, and groups. What they are called, who may do what in them, and why something is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Classify, Invalid, Kind};

/// Most members a group has.
pub const MEMBERS_MAX: i64 = 100;
/// Most invitations of one group that wait for an answer.
pub const INVITES_WAITING_MAX: i64 = 100;
/// Most groups one member sits in.
pub const GROUPS_MAX: i64 = 200;
/// Unread messages of one room are counted up to this.
pub const UNREAD_MAX: i64 = 100;

/// What a room is. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Of exactly two, of whom none can leave.
    Private,
    Group,
}

impl RoomKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Private, Self::Group].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a member may do in a group; in a private room both are members. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomRole {
    Member,
    Admin,
    Owner,
}

impl RoomRole {
    pub const ALL: [Self; 3] = [Self::Member, Self::Admin, Self::Owner];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Invites, names the group, and hides what others said.
    pub const fn keeps_order(self) -> bool {
        matches!(self, Self::Admin | Self::Owner)
    }

    /// May show somebody of that role out.
    pub fn outranks(self, other: Self) -> bool {
        self.keeps_order() && self > other
    }
}

/// A group's name: 1 to 60 characters, without what hides or reorders them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomName(String);

impl RoomName {
    pub const CHARS_MAX: usize = 60;

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("name", "must be 1 to 60 characters");
        if text.len() > Self::CHARS_MAX * 16 {
            return Err(invalid());
        }
        let text = crate::chat::normalise_line(text);
        if text.is_empty() || text.chars().count() > Self::CHARS_MAX {
            return Err(invalid());
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether one member may write to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    Open,
    /// The other takes no messages, from nobody or not from this member, or blocks them. Which of it is not told.
    NotAccepted,
    /// The writer takes none from the other: there could be no answer.
    ClosedHere,
    /// The writer has blocked the other.
    Blocked,
}

impl Writing {
    /// Why not, if not.
    pub const fn refusal(self) -> Result<(), RoomError> {
        match self {
            Self::Open => Ok(()),
            Self::NotAccepted => Err(RoomError::NotAccepting),
            Self::ClosedHere => Err(RoomError::ClosedHere),
            Self::Blocked => Err(RoomError::Blocked),
        }
    }
}

/// Why something is not done in a room. The codes are API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// Also for whoever does not sit in it.
    #[error("there is no such room")]
    NotFound,
    #[error("there is no such member")]
    NoMember,
    #[error("that is you")]
    Myself,
    #[error("this member takes no messages from you")]
    NotAccepting,
    #[error("by your own settings this member could not answer")]
    ClosedHere,
    #[error("you have blocked this member")]
    Blocked,
    #[error("this room is archived")]
    Archived,
    #[error("a conversation of two stays one of two")]
    Private,
    #[error("your role in this room does not allow that")]
    Forbidden,
    #[error("this member sits in the room already")]
    IsMember,
    #[error("a room has at most 100 members")]
    Full,
    #[error("too many invitations wait for an answer")]
    TooManyInvites,
    #[error("a member sits in at most 200 groups")]
    TooManyGroups,
    #[error("too many at once; wait a while")]
    Throttled(Duration),
}

impl Classify for RoomError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoMember => Kind::NotFound,
            Self::NotAccepting | Self::ClosedHere | Self::Forbidden => Kind::Forbidden,
            Self::Throttled(_) => Kind::Throttled,
            _ => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "room.not-found",
            Self::NoMember => "member.not-found",
            Self::Myself => "friend.self",
            Self::NotAccepting => "room.not-accepting",
            Self::ClosedHere => "room.closed-here",
            Self::Blocked => "friend.blocked",
            Self::Archived => "room.archived",
            Self::Private => "room.private",
            Self::Forbidden => "room.forbidden",
            Self::IsMember => "room.is-member",
            Self::Full => "room.full",
            Self::TooManyInvites => "room.too-many-invites",
            Self::TooManyGroups => "room.too-many-groups",
            Self::Throttled(_) => "room.throttled",
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
    fn names_are_read_back_as_written() {
        for role in RoomRole::ALL {
            assert_eq!(RoomRole::parse(role.as_str()), Some(role));
        }
        for kind in [RoomKind::Private, RoomKind::Group] {
            assert_eq!(RoomKind::parse(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn only_who_keeps_order_shows_out_and_only_those_below() {
        let pairs = RoomRole::ALL.map(|one| RoomRole::ALL.map(|other| one.outranks(other)));
        assert_eq!(pairs, [[false, false, false], [true, false, false], [true, true, false]]);
    }

    #[test]
    fn a_groups_name_is_one_line_that_can_be_seen() {
        assert_eq!(RoomName::parse("  Chủ nhật\u{202e}\n ").unwrap().as_str(), "Chủ nhật");
        for bad in ["", "\u{200b}", "x".repeat(61).as_str(), "x".repeat(10_000).as_str()] {
            assert!(RoomName::parse(bad).is_err());
        }
    }
}
