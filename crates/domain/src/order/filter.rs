//! What a line says beneath its disguise: words compared in a folded form, regular expressions of bounded cost, links, emotes.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::PATTERN_CHARS_MAX;
use crate::error::Invalid;

/// What one compiled expression may take. Matching is linear in the line's length, whatever the expression.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// This many single letters in a row are one word, spelled out.
const SPELLED_MIN: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterKind {
    /// A word or phrase. `*` at an end stands for the rest of a word.
    Words,
    Regex,
}

impl FilterKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Regex => "regex",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "words" => Some(Self::Words),
            "regex" => Some(Self::Regex),
            _ => None,
        }
    }

    /// An error unless `pattern` can be a filter of this kind.
    pub fn check(self, pattern: &str) -> Result<(), Invalid> {
        let length = pattern.chars().count();
        if length == 0 || length > PATTERN_CHARS_MAX || pattern.contains('\0') {
            return Err(Invalid::new("pattern", "must be 1 to 200 characters"));
        }
        match self {
            Self::Words if Words::new(pattern).is_none() => {
                Err(Invalid::new("pattern", "must have a letter or digit beside the *"))
            }
            Self::Regex => match expression(pattern) {
                Ok(expression) if expression.is_match("") => Err(Invalid::new("pattern", "matches every line")),
                Ok(_) => Ok(()),
                Err(_) => Err(Invalid::new("pattern", "is not a regular expression, or too large a one")),
            },
            Self::Words => Ok(()),
        }
    }
}

/// What becomes of a line that a filter matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterAction {
    #[default]
    Refuse,
    /// It is kept back for a moderator.
    Hold,
}

impl FilterAction {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Hold => "hold",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "refuse" => Some(Self::Refuse),
            "hold" => Some(Self::Hold),
            _ => None,
        }
    }
}

fn expression(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .nest_limit(32)
        .build()
}

/// A channel's filters, ready to be asked.
#[derive(Debug, Default)]
pub struct Filters {
    refusing: Patterns,
    holding: Patterns,
}

impl Filters {
    /// What cannot be compiled (any more) is left out: it was checked when it was set.
    pub fn compile<'a>(patterns: impl IntoIterator<Item = (FilterKind, &'a str, FilterAction)>) -> Self {
        let mut filters = Self::default();
        for (kind, pattern, action) in patterns {
            let patterns = match action {
                FilterAction::Refuse => &mut filters.refusing,
                FilterAction::Hold => &mut filters.holding,
            };
            match kind {
                FilterKind::Words => patterns.words.extend(Words::new(pattern)),
                FilterKind::Regex => patterns.expressions.extend(expression(pattern)),
            }
        }
        filters
    }

    /// What is to become of a line. One filter that refuses it is enough.
    pub fn find(&self, text: &str) -> Option<FilterAction> {
        let needs_folding = !self.refusing.words.is_empty() || !self.holding.words.is_empty();
        let folded = needs_folding.then(|| Folded::new(text));
        if self.refusing.match_line(text, folded.as_ref()) {
            return Some(FilterAction::Refuse);
        }
        self.holding.match_line(text, folded.as_ref()).then_some(FilterAction::Hold)
    }
}

#[derive(Debug, Default)]
struct Patterns {
    words: Vec<Words>,
    expressions: Vec<Regex>,
}

impl Patterns {
    fn match_line(&self, text: &str, folded: Option<&Folded>) -> bool {
        self.expressions.iter().any(|expression| expression.is_match(text))
            || folded.is_some_and(|folded| self.words.iter().any(|words| words.is_in(folded)))
    }
}

/// A line as the eye reads it. A `1` may be read as `i` and as `l`, so there are two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded([String; 2]);

impl Folded {
    pub fn new(text: &str) -> Self {
        Self(['i', 'l'].map(|one| spelled_together(&folded(text, one))))
    }

    /// One reading, to compare lines by.
    pub fn as_str(&self) -> &str {
        self.0[0].trim()
    }
}

/// One word or phrase.
#[derive(Debug)]
struct Words {
    /// With a space on each side that must be the edge of a word.
    needles: [String; 2],
}

impl Words {
    fn new(pattern: &str) -> Option<Self> {
        let pattern = pattern.trim();
        let (opens, closes) = (pattern.starts_with('*'), pattern.ends_with('*'));
        let folded = Folded::new(pattern.trim_matches('*'));
        if folded.as_str().is_empty() {
            return None;
        }
        let edge = |is_open: bool| if is_open { "" } else { " " };
        let needles = folded.0.map(|words| format!("{}{}{}", edge(opens), words.trim(), edge(closes)));
        Some(Self { needles })
    }

    fn is_in(&self, line: &Folded) -> bool {
        line.0.iter().any(|line| self.needles.iter().any(|needle| line.contains(needle.as_str())))
    }
}

/// Lower case letters and digits in words, a space before and after each: no accents, no look-alikes, nothing invisible.
fn folded(text: &str, one: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    let lower = text.nfkd().filter(|c| !is_combining_mark(*c) && !is_joiner(*c)).flat_map(char::to_lowercase);
    // Lower case can bring marks of its own: İ.
    let lower: Vec<char> = lower.filter(|c| !is_combining_mark(*c)).collect();
    for (at, c) in lower.iter().copied().enumerate() {
        let c = match c {
            '1' => one,
            // A sign is a letter within a word, and a sign at its edge.
            '!' | '|' | '@' | '$' | '€' => {
                let is_within = !out.ends_with(' ') && lower.get(at + 1).is_some_and(|next| next.is_alphanumeric());
                if is_within { look_alike(c) } else { ' ' }
            }
            c => look_alike(c),
        };
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

/// `b a d` is `bad`.
fn spelled_together(folded: &str) -> String {
    let words: Vec<&str> = folded.split_whitespace().collect();
    let is_single = |word: &&str| word.chars().count() == 1;
    let mut out = String::with_capacity(folded.len());
    out.push(' ');
    let mut at = 0;
    while at < words.len() {
        let run = words[at..].iter().take_while(|word| is_single(word)).count();
        if run >= SPELLED_MIN {
            out.extend(words[at..at + run].iter().copied());
            at += run;
        } else {
            out.push_str(words[at]);
            at += 1;
        }
        out.push(' ');
    }
    out
}

/// Invisible inside a word, where a line's normalisation leaves it or an operator's pattern has it.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{00ad}')
}

/// The Latin letter a lower case character is mistaken for: Cyrillic, Greek and other look-alikes, digits and signs read as letters.
fn look_alike(c: char) -> char {
    match c {
        '0' | 'о' | 'ο' | 'ø' | 'օ' => 'o',
        '3' | 'е' | 'ε' | 'є' | 'ҽ' | '€' => 'e',
        '4' | '@' | 'а' | 'α' => 'a',
        '5' | '$' | 'ѕ' | 'ß' => 's',
        '7' | 'т' | 'τ' => 't',
        '8' | 'в' | 'β' => 'b',
        '!' | '|' | 'і' | 'ι' | 'ı' => 'i',
        'с' | 'ϲ' => 'c',
        'р' | 'ρ' => 'p',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'н' | 'һ' => 'h',
        'ν' => 'v',
        'ԁ' | 'đ' | 'ð' => 'd',
        'ј' => 'j',
        'ԛ' => 'q',
        'ѡ' | 'ω' => 'w',
        'ł' => 'l',
        'ո' | 'η' => 'n',
        'г' => 'r',
        other => other,
    }
}

/// Whether a line has something people would click or type into an address bar.
pub fn has_link(text: &str) -> bool {
    static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // A scheme; `www.`; a dotted name with a path or port; a dotted name under a domain that is not an everyday word.
        Regex::new(concat!(
            r"(?i)\b[a-z][a-z0-9+.-]{1,15}://\S|\bwww\.[^\s.]|\b(?:[a-z0-9-]+\.)+[a-z]{2,24}(?:/|:\d)|",
            r"\b(?:[a-z0-9-]+\.)+(?:com|net|org|info|biz|xyz|top|site|online|shop|store|app|dev|live|stream|club|gg|tv|",
            r"io|ru|cn|vn|de|uk|eu|fr|jp|kr|br|pl|nl|tk|ml|ga|cf|cc|ly|link|click|vip|icu|pro|win|bet|casino)\b",
        ))
        .ok()
    });
    // `example . com` and `example (dot) com` are left to a channel's own filters.
    LINK.as_ref().is_some_and(|link| link.is_match(text))
}

/// Whether a line is emoji and `:names:` of emotes and nothing else.
pub fn is_only_emotes(text: &str) -> bool {
    static EMOTES: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:\s|:[A-Za-z0-9_]{2,24}:|[0-9#*]\x{fe0f}?\x{20e3}|\p{Extended_Pictographic}|\p{Emoji_Modifier}|",
            r"\p{Regional_Indicator}|\x{200d}|\x{fe0f})+$",
        ))
        .ok()
    });
    EMOTES.as_ref().is_some_and(|emotes| emotes.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(kind: FilterKind, pattern: &str) -> Filters {
        Filters::compile([(kind, pattern, FilterAction::Refuse)])
    }

    fn words(pattern: &str) -> Filters {
        FilterKind::Words.check(pattern).unwrap();
        only(FilterKind::Words, pattern)
    }

    impl Filters {
        fn matches(&self, text: &str) -> bool {
            self.find(text).is_some()
        }
    }

    #[test]
    fn a_word_is_found_under_every_disguise() {
        let filter = words("badword");
        let disguises = [
            "badword",
            "you BADWORD!",
            "bádwörd",
            "b\u{200d}adword",
            "bаdwоrd",
            "b4dw0rd",
            "b@dword",
            "ｂａｄｗｏｒｄ",
            "𝐛𝐚𝐝𝐰𝐨𝐫𝐝",
            "b a d w o r d",
            "b.a.d.w.o.r.d",
            "βadword",
        ];
        for line in disguises {
            assert!(filter.matches(line), "{line}");
        }
        for line in ["bad word", "badwords", "a fine line", "embadworded", ""] {
            assert!(!filter.matches(line), "{line}");
        }
        assert!(words("1diot").matches("idiot") && words("idiot").matches("1d10t") && words("lol").matches("1o1"));
        assert!(!words("ail").matches("all"), "i and l are two letters");
    }

    #[test]
    fn vietnamese_words_are_compared_without_their_marks() {
        assert!(words("đồ ngốc").matches("ĐỒ NGỐC quá"));
        assert!(words("đồ ngốc").matches("do ngoc"));
    }

    #[test]
    fn a_star_is_the_rest_of_a_word() {
        assert!(words("spam*").matches("spammers here") && !words("spam*").matches("antispam"));
        assert!(words("*spam*").matches("antispammer"));
        assert!(FilterKind::Words.check("**").is_err() && FilterKind::Words.check(" ").is_err());
    }

    #[test]
    fn an_expression_is_bounded() {
        assert!(FilterKind::Regex.check(r"buy\s+followers").is_ok());
        let filter = only(FilterKind::Regex, r"buy\s+followers");
        assert!(filter.matches("BUY  followers now") && !filter.matches("buy bread"));
        for bad in ["(", ".*", r"(\w{1000}){1000}", "", "x".repeat(201).as_str()] {
            assert!(FilterKind::Regex.check(bad).is_err(), "{bad:.20}");
        }
        // The classic catastrophe is linear here.
        let evil = only(FilterKind::Regex, r"^(a+)+$");
        assert!(!evil.matches(&format!("{}!", "a".repeat(499))));
    }

    #[test]
    fn links_are_what_one_could_click() {
        for line in [
            "https://a.example/x",
            "go www.site now",
            "example.com",
            "bit.ly/x",
            "join discord.gg/abc",
            "x.y.example/z",
        ] {
            assert!(has_link(line), "{line}");
        }
        for line in ["no links", "I like it.Really", "1.5 or 2.5", "e.g. this", "what...ever", "a/b"] {
            assert!(!has_link(line), "{line}");
        }
    }

    #[test]
    fn emotes_alone() {
        for line in ["🎉", "👨‍👩‍👧 🎉", ":wave: :rill_love:", "❤️", "👍🏽", "🇻🇳", "1️⃣"]
        {
            assert!(is_only_emotes(line), "{line}");
        }
        for line in ["hi 🎉", "123", ":x", "", "::"] {
            assert!(!is_only_emotes(line), "{line}");
        }
    }
}
