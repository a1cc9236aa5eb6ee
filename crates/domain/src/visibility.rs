//! Who may see a stream or a recording: the rule, in one place.

use serde::{Deserialize, Serialize};

/// Who a stream or a recording is for. A recording begins with its stream's.
///
/// `Public` is listed and announced. `Unlisted` is for whoever has its link, and in no list. `Followers` exists for the channel's
/// followers only: they find it in lists, others do not. `Private` is for its owner. Moderators and administrators of the site may see everything,
/// and are shown in lists what any member is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Visibility {
    #[default]
    Public = 0,
    Unlisted = 1,
    Followers = 2,
    Private = 3,
}

/// Why somebody may see what is not public. Playback tokens carry it, so that a narrower visibility is felt at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Owner,
    Staff,
    Follower,
    /// Knows the link, which names the object by its id.
    Link,
    /// Was let in by a share link of the owner's, whoever the object is for otherwise.
    Shared,
}

impl Visibility {
    pub const ALL: [Self; 4] = [Self::Public, Self::Unlisted, Self::Followers, Self::Private];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
            Self::Followers => "followers",
            Self::Private => "private",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text)
    }

    /// Whether media is given only to holders of a playback token.
    pub const fn needs_token(self) -> bool {
        matches!(self, Self::Followers | Self::Private)
    }

    /// Whether somebody of this standing may see it.
    pub const fn admits(self, standing: Standing) -> bool {
        match (self, standing) {
            (_, Standing::Owner | Standing::Staff | Standing::Shared) | (Self::Public | Self::Unlisted, _) => true,
            (Self::Followers, Standing::Follower) => true,
            (Self::Followers, Standing::Link) | (Self::Private, Standing::Follower | Standing::Link) => false,
        }
    }

    /// The standing by which somebody may see it, the strongest first. `None`: for them it does not exist.
    pub fn standing(self, is_owner: bool, is_staff: bool, is_follower: bool) -> Option<Standing> {
        let candidates = [
            (is_owner, Standing::Owner),
            (is_staff, Standing::Staff),
            (is_follower, Standing::Follower),
            (true, Standing::Link),
        ];
        candidates.into_iter().filter(|(is_so, _)| *is_so).map(|(_, standing)| standing).find(|it| self.admits(*it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_visibility_admits_whom_it_names() {
        use Standing as S;
        let admitted = |visibility: Visibility| -> Vec<S> {
            [S::Owner, S::Staff, S::Follower, S::Link]
                .into_iter()
                .filter(|standing| visibility.admits(*standing))
                .collect()
        };
        assert_eq!(admitted(Visibility::Public), [S::Owner, S::Staff, S::Follower, S::Link]);
        assert_eq!(admitted(Visibility::Unlisted), [S::Owner, S::Staff, S::Follower, S::Link]);
        assert_eq!(admitted(Visibility::Followers), [S::Owner, S::Staff, S::Follower]);
        assert_eq!(admitted(Visibility::Private), [S::Owner, S::Staff]);
        assert!(Visibility::ALL.into_iter().all(|visibility| visibility.admits(S::Shared)));
    }

    #[test]
    fn the_strongest_standing_is_the_one_that_counts() {
        assert_eq!(Visibility::Private.standing(true, true, true), Some(Standing::Owner));
        assert_eq!(Visibility::Private.standing(false, false, true), None);
        assert_eq!(Visibility::Followers.standing(false, false, true), Some(Standing::Follower));
        assert_eq!(Visibility::Followers.standing(false, false, false), None);
        assert_eq!(Visibility::Unlisted.standing(false, false, false), Some(Standing::Link));
        for visibility in Visibility::ALL {
            assert_eq!(Visibility::parse(visibility.as_str()), Some(visibility));
        }
    }
}
