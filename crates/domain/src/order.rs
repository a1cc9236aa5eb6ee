//! Order in a channel's chat: who may act on whom, which modes hold, and whether a line may be said.

mod filter;
mod report;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::permission::Permission;
use crate::user::Role;
pub use filter::{FilterAction, FilterKind, Filters, Folded, has_link, is_only_emotes, is_only_emotes_of};
pub use report::{ASK_AGAIN_AFTER, REPORTS_MAX, REPORTS_WINDOW, ReportDesk, ReportKind, ReportReason, ReportState};

/// Longest reason of an act, note of a report and answer to one, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Longest timeout: four weeks. What should last longer is a ban.
pub const TIMEOUT_S_MAX: u32 = 28 * 86_400;
/// Most filters of a channel.
pub const FILTERS_MAX: usize = 100;
/// Longest word, phrase or regular expression of a filter, in characters.
pub const PATTERN_CHARS_MAX: usize = 200;
/// A line said in a channel whose lines must differ may be said again after this.
pub const UNIQUE_FOR: Duration = Duration::from_secs(300);
/// How long whoever acted may take it back.
pub const UNDO_FOR: Duration = Duration::from_secs(10);
/// Most moderators of a channel.
pub const MODERATORS_MAX: usize = 100;
/// What one moderator may do: acts in [`ACTS_WINDOW`], on one channel or many.
pub const ACTS_MAX: u32 = 30;
pub const ACTS_WINDOW: Duration = Duration::from_secs(10);
/// How long a line is kept back for a moderator before it is dropped.
pub const HELD_FOR: Duration = Duration::from_secs(600);
/// Most lines kept back in a channel, and of one member in it. Those beyond are refused.
pub const HELD_MAX: i64 = 200;
pub const HELD_PER_MEMBER_MAX: i64 = 5;

/// Most notes of moderators about one member in a channel, and the longest, in characters.
pub const NOTES_MAX: i64 = 50;
pub const NOTE_CHARS_MAX: usize = 1_000;

const SLOW_S_MAX: u32 = 3_600;
const FOLLOWERS_S_MAX: u32 = 90 * 86_400;
const SHIELD_FOLLOWERS_S: u32 = 600;
const SHIELD_SLOW_S: u32 = 10;

/// Where a member stands in one channel's chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Viewer,
    /// Appointed by the channel's owner.
    Moderator,
    /// The owner, and the site's moderators and administrators. They stand level: none of them silences another in a channel.
    /// For that there is suspension from the site.
    Keeper,
}

impl Rank {
    pub fn of(role: Role, is_owner: bool, is_moderator: bool) -> Self {
        match (role.may(Permission::KeepChats) || is_owner, is_moderator) {
            (true, _) => Self::Keeper,
            (false, true) => Self::Moderator,
            (false, false) => Self::Viewer,
        }
    }

    /// Whether modes and filters do not hold for them, and they may act on others.
    pub fn may_moderate(self) -> bool {
        self >= Self::Moderator
    }

    /// Whether they may silence, warn or strike lines of somebody who stands there. Nobody acts on an equal.
    pub fn outranks(self, other: Self) -> bool {
        self.may_moderate() && self > other
    }
}

/// What becomes of links in a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Links {
    #[default]
    Allow,
    Block,
    /// Lines with one are kept back for a moderator.
    Hold,
}

impl Links {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Hold => "hold",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "allow" => Some(Self::Allow),
            "block" => Some(Self::Block),
            "hold" => Some(Self::Hold),
            _ => None,
        }
    }
}

/// How a channel's chat is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// Seconds between two lines of one member.
    pub slow_s: u32,
    /// How long a member must have followed; zero: any follower. `None`: everybody may write.
    pub followers_only_s: Option<u32>,
    pub emote_only: bool,
    /// No line may be said twice.
    pub unique: bool,
    pub links: Links,
    /// Against a raid: stricter modes over those that are set, until it is put down.
    pub shield: bool,
}

/// A change of some modes. `followers_only_s`: `Some(None)` puts it off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModesChange {
    pub slow_s: Option<u32>,
    pub followers_only_s: Option<Option<u32>>,
    pub emote_only: Option<bool>,
    pub unique: Option<bool>,
    pub links: Option<Links>,
    pub shield: Option<bool>,
}

impl Modes {
    /// What holds now: the shield over what is set.
    pub fn effective(self) -> Self {
        if !self.shield {
            return self;
        }
        Self {
            slow_s: self.slow_s.max(SHIELD_SLOW_S),
            followers_only_s: Some(self.followers_only_s.unwrap_or(0).max(SHIELD_FOLLOWERS_S)),
            links: Links::Block,
            ..self
        }
    }

    /// These modes with a change made.
    pub fn with(self, change: &ModesChange) -> Result<Self, Invalid> {
        let next = Self {
            slow_s: change.slow_s.unwrap_or(self.slow_s),
            followers_only_s: change.followers_only_s.unwrap_or(self.followers_only_s),
            emote_only: change.emote_only.unwrap_or(self.emote_only),
            unique: change.unique.unwrap_or(self.unique),
            links: change.links.unwrap_or(self.links),
            shield: change.shield.unwrap_or(self.shield),
        };
        if next.slow_s > SLOW_S_MAX {
            return Err(Invalid::new("slow_s", "must be 0 to 3600"));
        }
        if next.followers_only_s.is_some_and(|s| s > FOLLOWERS_S_MAX) {
            return Err(Invalid::new("followers_only_s", "must be at most 7776000 (90 days)"));
        }
        Ok(next)
    }
}

/// Why a line may not be said, by its words alone or by how long its author has followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// Only followers may write; how much longer they must have followed, if they follow.
    NotFollowing,
    FollowsTooShort(Duration),
    NotOnlyEmotes,
    Link,
    Filtered,
}

/// Why a line is kept back for a moderator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldFor {
    Filter,
    Links,
    /// The operator's own review wants somebody to look at it.
    Review,
}

impl HeldFor {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Links => "links",
            Self::Review => "review",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "filter" => Some(Self::Filter),
            "links" => Some(Self::Links),
            "review" => Some(Self::Review),
            _ => None,
        }
    }
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Said,
    Refused(Objection),
    Held(HeldFor),
}

/// Judges a line by the modes and filters that hold. `follows_for`: how long its author has followed. What refuses it counts
/// before what only keeps it back.
pub fn judge(modes: Modes, filters: &Filters, text: &str, follows_for: Option<Duration>) -> Verdict {
    let modes = modes.effective();
    if let Some(least) = modes.followers_only_s {
        let least = Duration::from_secs(u64::from(least));
        match follows_for {
            None => return Verdict::Refused(Objection::NotFollowing),
            Some(long) if long < least => return Verdict::Refused(Objection::FollowsTooShort(least - long)),
            Some(_) => {}
        }
    }
    if modes.emote_only && !is_only_emotes(text) {
        return Verdict::Refused(Objection::NotOnlyEmotes);
    }
    let has_link = modes.links != Links::Allow && has_link(text);
    if has_link && modes.links == Links::Block {
        return Verdict::Refused(Objection::Link);
    }
    match filters.find(text) {
        Some(FilterAction::Refuse) => Verdict::Refused(Objection::Filtered),
        Some(FilterAction::Hold) => Verdict::Held(HeldFor::Filter),
        None if has_link => Verdict::Held(HeldFor::Links),
        None => Verdict::Said,
    }
}

/// Whether an act of this name in the log can be taken back.
pub fn is_undoable(action: &str) -> bool {
    matches!(
        action,
        "timeout" | "ban" | "unban" | "warn" | "delete" | "clear" | "modes" | "shield" | "approve" | "deny"
    )
}

/// A reason as it is kept: one line, of bounded length.
pub fn reason(text: &str) -> Result<String, Invalid> {
    remark("reason", text)
}

/// What somebody adds to what they do, in a field of this name: one line, of bounded length.
pub fn remark(field: &'static str, text: &str) -> Result<String, Invalid> {
    let text = if text.len() > REASON_CHARS_MAX * 16 { None } else { Some(crate::chat::normalise_line(text)) };
    text.filter(|text| text.chars().count() <= REASON_CHARS_MAX)
        .ok_or_else(|| Invalid::new(field, "must have at most 500 characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_act_on_whom_is_this_table() {
        use Role::{Admin, Moderator, User};
        // Role on the site, owner, moderator of the channel.
        let people = [
            (User, false, false),
            (User, false, true),
            (User, true, false),
            (Moderator, false, false),
            (Admin, false, false),
            (Moderator, false, true),
        ];
        // Who acts in rows, on whom in columns.
        let table = [
            [false, false, false, false, false, false],
            [true, false, false, false, false, false],
            [true, true, false, false, false, false],
            [true, true, false, false, false, false],
            [true, true, false, false, false, false],
            [true, true, false, false, false, false],
        ];
        for (actor, row) in people.iter().zip(table) {
            for (target, may) in people.iter().zip(row) {
                let rank = |(role, is_owner, is_moderator): (Role, bool, bool)| Rank::of(role, is_owner, is_moderator);
                assert_eq!(rank(*actor).outranks(rank(*target)), may, "{actor:?} on {target:?}");
            }
        }
    }

    #[test]
    fn a_shield_is_stricter_than_what_is_set_and_gives_it_back() {
        let set = Modes { slow_s: 30, emote_only: true, ..Modes::default() };
        let shielded = Modes { shield: true, ..set };
        let effective = shielded.effective();
        assert_eq!((effective.slow_s, effective.followers_only_s), (30, Some(600)));
        assert_eq!((effective.links, effective.emote_only), (Links::Block, true));
        assert_eq!(Modes { shield: false, ..shielded }.effective(), set);
    }

    #[test]
    fn only_what_is_named_changes_and_within_bounds() {
        let set = Modes { slow_s: 5, followers_only_s: Some(60), ..Modes::default() };
        let next = set.with(&ModesChange { unique: Some(true), ..ModesChange::default() }).unwrap();
        assert_eq!(next, Modes { unique: true, ..set });
        let off = ModesChange { followers_only_s: Some(None), ..ModesChange::default() };
        assert_eq!(set.with(&off).unwrap().followers_only_s, None);
        assert!(set.with(&ModesChange { slow_s: Some(3_601), ..ModesChange::default() }).is_err());
        assert!(set.with(&ModesChange { followers_only_s: Some(Some(u32::MAX)), ..ModesChange::default() }).is_err());
    }

    #[test]
    fn a_line_meets_the_first_rule_it_breaks() {
        let refused = |objection| Verdict::Refused(objection);
        let none = Filters::default();
        let followers = Modes { followers_only_s: Some(600), ..Modes::default() };
        assert_eq!(judge(followers, &none, "hi", None), refused(Objection::NotFollowing));
        let waits = Objection::FollowsTooShort(Duration::from_secs(540));
        assert_eq!(judge(followers, &none, "hi", Some(Duration::from_secs(60))), refused(waits));
        assert_eq!(judge(followers, &none, "hi", Some(Duration::from_secs(600))), Verdict::Said);
        let quiet = Modes { emote_only: true, links: Links::Block, ..Modes::default() };
        assert_eq!(judge(quiet, &none, "see example.com", None), refused(Objection::NotOnlyEmotes));
        assert_eq!(judge(quiet, &none, "🎉 :wave:", None), Verdict::Said);
        let words = Filters::compile([(FilterKind::Words, "spoiler", FilterAction::Refuse)]);
        assert_eq!(judge(Modes::default(), &words, "a Sp0iler!", None), refused(Objection::Filtered));
    }

    #[test]
    fn what_refuses_a_line_counts_before_what_keeps_it_back() {
        let wary = Modes { links: Links::Hold, ..Modes::default() };
        let filters = Filters::compile([
            (FilterKind::Words, "spoiler", FilterAction::Hold),
            (FilterKind::Words, "foul", FilterAction::Refuse),
        ]);
        assert_eq!(judge(wary, &filters, "see example.com", None), Verdict::Held(HeldFor::Links));
        assert_eq!(judge(wary, &filters, "spoiler: example.com", None), Verdict::Held(HeldFor::Filter));
        let both = judge(wary, &filters, "a foul spoiler: example.com", None);
        assert_eq!(both, Verdict::Refused(Objection::Filtered));
        let shielded = judge(Modes { shield: true, ..wary }, &filters, "example.com", Some(Duration::from_secs(9_999)));
        assert_eq!(shielded, Verdict::Refused(Objection::Link));
        assert_eq!(judge(wary, &filters, "fine", None), Verdict::Said);
    }
}
