//! What may be said: normalisation and limits of one chat line, and what is written inside it.

pub mod command;
pub mod emote;
pub mod reaction;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::error::Invalid;
use crate::ids::UserId;
use crate::user::Username;

/// Longest message, in characters, after normalisation.
pub const MESSAGE_CHARS_MAX: usize = 500;
/// More combining marks than this on one base character is Zalgo, not language.
const COMBINING_MARKS_MAX: usize = 3;

/// Members one message can name. Beyond them a mention is only a word.
pub const MENTIONS_MAX: usize = 10;
/// How much of a message is shown above a reply to it, in characters.
pub const EXCERPT_CHARS_MAX: usize = 100;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    #[default]
    Message,
    /// Said to everybody in the channel by those who keep order in it.
    Announcement,
}

impl MessageKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Announcement => "announcement",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Message, Self::Announcement].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A member named in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    pub id: UserId,
    pub username: Username,
}

/// The first names written as `@name`, each once. Whether there are such members is not known here.
pub fn mentioned(text: &str) -> Vec<Username> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices('@') {
        // In an address of mail the name before the sign is part of the word.
        if text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let Ok(name) = Username::parse(&rest[..end]) else { continue };
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() == MENTIONS_MAX {
            break;
        }
    }
    names
}

/// The beginning of a text, whole characters only.
pub fn excerpt(text: &str) -> String {
    if text.chars().count() <= EXCERPT_CHARS_MAX {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(EXCERPT_CHARS_MAX - 1).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// One chat message's text, ready to be stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText(String);

impl MessageText {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Cheap bound first: normalising can at most shorten what survives, never what is judged.
        if text.len() > MESSAGE_CHARS_MAX * 16 {
            return Err(Invalid::new("text", "is too long"));
        }
        let text = normalise_line(text);
        if text.is_empty() {
            return Err(Invalid::new("text", "is empty"));
        }
        if text.chars().count() > MESSAGE_CHARS_MAX {
            return Err(Invalid::new("text", "is longer than 500 characters"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// One line in NFC: no controls, no bidirectional overrides, no invisible padding, no towers of marks, single spaces.
///
/// The zero-width joiner stays where it joins two visible characters: emoji and several scripts need it.
pub fn normalise_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut pending_joiner = false;
    for c in text.nfc() {
        if c == '\u{200d}' {
            pending_joiner = !out.is_empty() && !out.ends_with(' ');
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if is_combining_mark(c) {
            marks += 1;
            if marks > COMBINING_MARKS_MAX {
                continue;
            }
        } else {
            marks = 0;
        }
        let space = c.is_whitespace() || c.is_control();
        if space {
            pending_joiner = false;
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
            continue;
        }
        if pending_joiner {
            out.push('\u{200d}');
            pending_joiner = false;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

/// Format characters that hide, reorder or pad text.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_words_and_loses_its_tricks() {
        assert_eq!(MessageText::parse("  hi\u{202e}\n\tthere\u{200b}! ").unwrap().as_str(), "hi there!");
    }

    #[test]
    fn a_family_emoji_keeps_its_joiners() {
        assert_eq!(normalise_line("👨\u{200d}👩\u{200d}👧"), "👨\u{200d}👩\u{200d}👧");
        assert_eq!(normalise_line("\u{200d}a\u{200d}"), "a");
    }

    #[test]
    fn vietnamese_survives_and_zalgo_does_not() {
        assert_eq!(normalise_line("Tiê\u{0301}ng Viê\u{0323}t"), "Tiếng Việt");
        let tower = format!("a{}", "\u{0300}".repeat(50));
        assert!(normalise_line(&tower).chars().count() <= 1 + COMBINING_MARKS_MAX + 1);
    }

    #[test]
    fn the_first_ten_names_are_mentioned_once_each() {
        let names = |text: &str| mentioned(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("hi @Bob, @bob and (@ana_1)! mail me@home.example"), ["bob", "ana_1"]);
        assert_eq!(names("@ @x @!"), Vec::<String>::new());
        let crowd: String = (0..10_000).map(|n| format!("@user{n} ")).collect();
        assert_eq!(names(&crowd).len(), MENTIONS_MAX);
    }

    #[test]
    fn an_excerpt_is_short_and_whole() {
        assert_eq!(excerpt("short"), "short");
        let cut = excerpt(&"ế".repeat(200));
        assert_eq!(cut.chars().count(), EXCERPT_CHARS_MAX);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn empty_and_overlong_lines_are_refused() {
        assert!(MessageText::parse("\u{200b}\u{3164}").is_err());
        assert!(MessageText::parse(&"x".repeat(501)).is_err());
        assert!(MessageText::parse(&"x".repeat(500)).is_ok());
    }
}
