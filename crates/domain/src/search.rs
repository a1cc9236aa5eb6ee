//! What is looked for on the whole site: channels, recordings, and one's own files. How their words are kept, and what a question asks of them.
//! Words are those of [`crate::words`]: without case and marks, so that Vietnamese is found however it is typed.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::UserId;
use crate::error::Invalid;
use crate::words::words;

/// Longest question, in characters.
pub const QUESTION_CHARS_MAX: usize = 100;
/// Words kept of one text; what comes after is not found by.
const WORDS_MAX: usize = 300;

/// What a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SearchKind {
    Channel,
    Vod,
    File,
}

impl SearchKind {
    pub const ALL: [Self; 3] = [Self::Channel, Self::Vod, Self::File];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Vod => "vod",
            Self::File => "file",
        }
    }
}

/// What words are kept behind: a search looks among those of its kind only, and among a member's own files, whatever else there is. Those of
/// names stand behind a mark of their own as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    all: String,
    names: String,
}

impl Mark {
    pub fn channels() -> Self {
        Self { all: "c".to_owned(), names: "d".to_owned() }
    }

    pub fn vods() -> Self {
        Self { all: "v".to_owned(), names: "w".to_owned() }
    }

    /// Of two members who share one, the rows' owner decides.
    pub fn files_of(owner: UserId) -> Self {
        let owner = &owner.as_uuid().simple().to_string()[20..];
        Self { all: format!("f{owner}"), names: format!("g{owner}") }
    }
}

/// What a word is worth by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A name or title.
    Name,
    /// A tag.
    Tag,
    /// Whose it is.
    Owner,
    /// A description.
    Text,
}

impl Weight {
    const fn letter(self) -> char {
        match self {
            Self::Name => 'A',
            Self::Tag => 'B',
            Self::Owner => 'C',
            Self::Text => 'D',
        }
    }
}

/// The words of a document as Postgres keeps them (the text form of `tsvector`), each behind a mark.
pub fn indexed(mark: &Mark, parts: &[(Weight, &str)]) -> String {
    let mut places: BTreeMap<String, Vec<(usize, Weight)>> = BTreeMap::new();
    let mut place = 0;
    for (weight, text) in parts {
        for word in words(text).into_iter().take(WORDS_MAX) {
            place += 1;
            if *weight == Weight::Name {
                places.entry(format!("{}{word}", mark.names)).or_default().push((place, *weight));
            }
            places.entry(format!("{}{word}", mark.all)).or_default().push((place, *weight));
        }
    }
    let mut written = String::new();
    for (word, at) in places {
        let _written = write!(written, "'{word}':");
        for (place, weight) in at {
            let _written = write!(written, "{place}{},", weight.letter());
        }
        written.pop();
        written.push(' ');
    }
    written
}

/// A title as it is compared with a whole question: who types all of it means it.
pub fn title(text: &str) -> Option<String> {
    let words = words(text);
    (!words.is_empty()).then(|| words.join(" "))
}

/// What somebody looks for: documents that have all of its words, and one that begins with the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question(Vec<String>);

impl Question {
    /// # Errors
    /// When there is nothing in it, or more than [`QUESTION_CHARS_MAX`] characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > QUESTION_CHARS_MAX {
            return Err(Invalid::new("q", format!("1 to {QUESTION_CHARS_MAX} characters")));
        }
        Ok(Self(words(text)))
    }

    /// There is no letter or digit in it: nothing has what it asks for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a title has to be to be just what is looked for.
    pub fn exactly(&self) -> String {
        self.0.join(" ")
    }

    /// As the text form of `tsquery`. Words are letters and digits, so nothing in them means anything to the parser. What one or two letters
    /// begin is looked for in names only: in texts they would begin a word of nearly each. One letter alone is a word and no beginning.
    pub fn asked(&self, mark: &Mark) -> String {
        let (Mark { all, names }, last) = (mark, self.0.len().saturating_sub(1));
        let of = |(at, word): (usize, &String)| {
            let length = word.chars().count();
            if at < last || (last == 0 && length == 1) {
                format!("'{all}{word}'")
            } else if length <= 2 {
                format!("('{all}{word}'|'{names}{word}':*)")
            } else {
                format!("'{all}{word}':*")
            }
        };
        self.0.iter().enumerate().map(of).collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_behind_a_mark_with_their_places_and_worth() {
        let kept = indexed(
            &Mark::vods(),
            &[(Weight::Name, "Phở gà, ngày mưa"), (Weight::Tag, "nấu ăn"), (Weight::Text, "Bún và phở")],
        );
        assert_eq!(
            kept.trim_end(),
            "'van':6B 'vbun':7D 'vga':2A 'vmua':4A 'vnau':5B 'vngay':3A 'vpho':1A,9D 'vva':8D \
             'wga':2A 'wmua':4A 'wngay':3A 'wpho':1A"
        );
        assert_eq!(indexed(&Mark::channels(), &[(Weight::Name, "🦀 !")]), "");
        let long: String = (0..2_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(indexed(&Mark::vods(), &[(Weight::Text, &long)]).split_whitespace().count(), WORDS_MAX);
    }

    #[test]
    fn a_question_asks_for_all_words_and_a_beginning_of_the_last() {
        let asked = |text: &str| Question::parse(text).unwrap().asked(&Mark::channels());
        assert_eq!(asked("Đà Nẵng lin"), "'cda'&'cnang'&'clin':*");
        assert_eq!(asked("linh_m"), "'clinh'&('cm'|'dm':*)");
        assert_eq!((asked("li").as_str(), asked("m").as_str()), ("('cli'|'dli':*)", "'cm'"));
        assert_eq!(asked("直播"), "'c直'&('c播'|'d播':*)");
        for hostile in ["ab' | 'x", "ab:*&!|(", "ab\\ <-> cd", "'&|!:* ab"] {
            let question = Question::parse(hostile).unwrap();
            assert!(question.0.iter().all(|word| word.chars().all(char::is_alphanumeric)), "{hostile}");
        }
    }

    #[test]
    fn a_question_is_neither_nothing_nor_too_long() {
        for bad in ["", "  ", &"x".repeat(101)] {
            assert!(Question::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Question::parse(&"ạ".repeat(100)).is_ok());
        assert!(Question::parse("'&|!:*").unwrap().is_empty());
    }

    #[test]
    fn titles_are_compared_without_case_marks_and_signs() {
        assert_eq!(title("Phở gà — ngày mưa!").as_deref(), Some("pho ga ngay mua"));
        assert_eq!(Question::parse("PHO GA, ngay mưa").unwrap().exactly(), "pho ga ngay mua");
        assert_eq!(title("…"), None);
    }

    #[test]
    fn files_of_two_members_are_apart() {
        let [one, other] = [7, 8].map(|n: u128| Mark::files_of(UserId::from_uuid(uuid::Uuid::from_u128(n))));
        assert_eq!((one.all.as_str(), one.names.as_str()), ("f000000000007", "g000000000007"));
        assert_ne!(one, other);
    }
}
