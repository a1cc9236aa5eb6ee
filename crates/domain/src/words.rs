//! The words of what was said, as they are looked for: without case and marks above or below letters, in every store alike.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::error::Invalid;

/// Longest word that is kept apart; longer ones are found by how they begin.
pub const WORD_CHARS_MAX: usize = 32;
/// Longest text to look for, and most words in it.
pub const SOUGHT_CHARS_MAX: usize = 100;
pub const SOUGHT_WORDS_MAX: usize = 8;

/// Each word of a text once, in the order in which they come.
pub fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let keep = |word: &mut String, found: &mut Vec<String>| {
        let word = std::mem::take(word);
        if !word.is_empty() && !found.contains(&word) {
            found.push(word);
        }
    };
    let mut length = 0;
    for c in text.nfkd().flat_map(char::to_lowercase).filter(|c| !is_combining_mark(*c)).map(plain) {
        if !c.is_alphanumeric() {
            keep(&mut word, &mut found);
            length = 0;
            continue;
        }
        if stands_alone(c) {
            keep(&mut word, &mut found);
            length = 0;
            word.push(c);
            keep(&mut word, &mut found);
            continue;
        }
        length += 1;
        if length <= WORD_CHARS_MAX {
            word.push(c);
        }
    }
    keep(&mut word, &mut found);
    found
}

/// Letters with a stroke are no letter and a mark to Unicode.
const fn plain(c: char) -> char {
    match c {
        'đ' => 'd',
        'ł' => 'l',
        'ø' => 'o',
        other => other,
    }
}

/// Written without spaces between words: each sign is one.
const fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2fa1f}')
}

/// What is looked for: messages that have, for each of these, a word that begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought(Vec<String>);

impl Sought {
    /// # Errors
    /// When it is longer than [`SOUGHT_CHARS_MAX`], has more than [`SOUGHT_WORDS_MAX`] words, or none of two letters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > SOUGHT_CHARS_MAX {
            return Err(Invalid::new("q", format!("at most {SOUGHT_CHARS_MAX} characters")));
        }
        let words = words(text);
        if words.len() > SOUGHT_WORDS_MAX {
            return Err(Invalid::new("q", format!("at most {SOUGHT_WORDS_MAX} words")));
        }
        let is_enough = |word: &String| word.chars().count() >= 2 || word.chars().all(stands_alone);
        if !words.iter().any(is_enough) {
            return Err(Invalid::new("q", "at least one word of two letters"));
        }
        Ok(Self(words))
    }

    /// At least one; letters and digits only.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_neither_case_nor_marks() {
        assert_eq!(words("Chào các bạn, ĐÀ NẴNG!"), ["chao", "cac", "ban", "da", "nang"]);
        assert_eq!(words("ＦＵＬＬ width, full"), ["full", "width"]);
        assert_eq!(words("naïve e\u{301}tude Łódź"), ["naive", "etude", "lodz"]);
        assert_eq!(words("https://a.example/x?y=1"), ["https", "a", "example", "x", "y", "1"]);
        assert_eq!(words("直播 live"), ["直", "播", "live"]);
        assert_eq!(words("🦀 ... "), Vec::<String>::new());
        assert_eq!(words(&"x".repeat(500)), ["x".repeat(WORD_CHARS_MAX)]);
    }

    #[test]
    fn what_is_looked_for_is_neither_nothing_nor_too_much() {
        assert_eq!(Sought::parse(" Hello  wor").unwrap().words(), ["hello", "wor"]);
        assert_eq!(Sought::parse("播").unwrap().words(), ["播"]);
        assert_eq!(Sought::parse("a ab").unwrap().words(), ["a", "ab"]);
        let many = "ab ".repeat(33);
        assert!(Sought::parse(&many).is_ok(), "the same word is one");
        for bad in ["", "  ", "a", "' & |", &"x".repeat(101), "aa bb cc dd ee ff gg hh ii"] {
            assert!(Sought::parse(bad).is_err(), "{bad:?}");
        }
        for hostile in ["aa'b:*", "ab\\", "ab <-> cd", "$where ab", "^ab.*"] {
            let sought = Sought::parse(hostile).unwrap();
            assert!(sought.words().iter().all(|word| word.chars().all(char::is_alphanumeric)), "{hostile}");
        }
    }
}
