//! What a line says beneath its disguise: words compared in a folded form, regular expressions of bounded cost, links, emotes.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::PATTERN_CHARS_MAX;
use crate::error::Invalid;

/// What one compiled expression may take. Matching is linear in the line's length, whatever the expression.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// What all of a channel's expressions may take together. It bounds their memory, and the time of a line too: 35 ms for the
/// worst found by search, microseconds for a hundred expressions such as people write.
const SET_BYTES_MAX: usize = 512 * 1024;
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

fn set(patterns: &[&str]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns)
        .case_insensitive(true)
        .size_limit(SET_BYTES_MAX)
        .dfa_size_limit(SET_BYTES_MAX)
        .nest_limit(32)
        .build()
}

/// A channel's filters, ready to be asked.
#[derive(Debug, Default)]
pub struct Filters {
    words: Vec<(Words, FilterAction)>,
    expressions: RegexSet,
    /// What each expression asks for.
    actions: Vec<FilterAction>,
    left_out: usize,
}

impl Filters {
    /// Of expressions that are too large together the first ones count, as many as fit; what cannot be compiled (any more) is
    /// left out. Both were checked when they were set.
    pub fn compile<'a>(patterns: impl IntoIterator<Item = (FilterKind, &'a str, FilterAction)>) -> Self {
        let mut filters = Self::default();
        let mut expressions = Vec::new();
        for (kind, pattern, action) in patterns {
            match kind {
                FilterKind::Words => match Words::new(pattern) {
                    Some(words) => filters.words.push((words, action)),
                    None => filters.left_out += 1,
                },
                FilterKind::Regex if expression(pattern).is_ok() => {
                    expressions.push(pattern);
                    filters.actions.push(action);
                }
                FilterKind::Regex => filters.left_out += 1,
            }
        }
        filters.expressions = set(&expressions).unwrap_or_else(|_| {
            let (mut fit, mut too_many) = (0, expressions.len());
            let mut compiled = RegexSet::empty();
            while too_many - fit > 1 {
                let half = fit.midpoint(too_many);
                match set(&expressions[..half]) {
                    Ok(set) => (fit, compiled) = (half, set),
                    Err(_) => too_many = half,
                }
            }
            filters.actions.truncate(fit);
            filters.left_out += expressions.len() - fit;
            compiled
        });
        filters
    }

    /// How many of the patterns are not asked.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// What is to become of a line. One filter that refuses it is enough.
    pub fn find(&self, text: &str) -> Option<FilterAction> {
        let folded = (!self.words.is_empty()).then(|| Folded::new(text));
        let words = self.words.iter().filter(|(words, _)| folded.as_ref().is_some_and(|line| words.is_in(line)));
        let expressions = self.expressions.matches(text);
        let asked = expressions.iter().filter_map(|at| self.actions.get(at)).chain(words.map(|(_, action)| action));
        asked.copied().reduce(|one, other| if one == FilterAction::Refuse { one } else { other })
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

/// The same, where every `:name:` must also be one of an emote.
pub fn is_only_emotes_of(text: &str, is_known: impl Fn(&str) -> bool) -> bool {
    // In such a line colons stand around names and nowhere else.
    is_only_emotes(text) && text.split(':').skip(1).step_by(2).all(is_known)
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
    fn expressions_are_bounded_together() {
        let plain: Vec<String> = (0..100).map(|n| format!(r"\b(buy|sell)\s+item{n}\b")).collect();
        let all = |patterns: &[String]| {
            Filters::compile(patterns.iter().map(|pattern| (FilterKind::Regex, pattern.as_str(), FilterAction::Hold)))
        };
        let filters = all(&plain);
        assert!(filters.left_out() == 0 && filters.matches("sell item99") && !filters.matches("sell item100"));

        // Each may be; a hundred of them would take a second of a core for every line.
        let large: Vec<String> = (0..100).map(|n| format!("(a|b)*a(a|b){{900}}x{n:03}")).collect();
        FilterKind::Regex.check(&large[0]).unwrap();
        let filters = all(&large);
        let kept = 100 - filters.left_out();
        assert!((1..100).contains(&kept), "{kept}");
        let line = |n: usize| format!("{}x{n:03}", "a".repeat(901));
        assert!(filters.matches(&line(kept - 1)) && !filters.matches(&line(99)), "the first ones count");
    }

    #[test]
    fn one_filter_that_refuses_is_enough() {
        let both = [FilterAction::Hold, FilterAction::Refuse];
        for (first, second) in [(0, 1), (1, 0)] {
            for kinds in [[FilterKind::Words; 2], [FilterKind::Regex; 2], [FilterKind::Words, FilterKind::Regex]] {
                let filters = Filters::compile([(kinds[0], "one", both[first]), (kinds[1], "two", both[second])]);
                assert_eq!(filters.find("one two"), Some(FilterAction::Refuse));
                assert_eq!(filters.find("one"), Some(both[first]));
                assert_eq!(filters.find("two"), Some(both[second]));
                assert_eq!(filters.find("three"), None);
            }
        }
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
    fn a_name_nobody_has_is_a_word() {
        let known = |name: &str| ["gg", "wave"].contains(&name);
        for line in [":gg:", ":gg::wave: 👍", " :wave:  :gg: "] {
            assert!(is_only_emotes_of(line, known), "{line}");
        }
        for line in [":buy_now:", ":gg: :at: :my_shop:", ":GG:", "gg", ":gg: word :gg:"] {
            assert!(!is_only_emotes_of(line, known), "{line}");
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
