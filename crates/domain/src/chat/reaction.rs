//! What one can react with: one emoji, or an emote by its name.

use super::emote;
use crate::error::Invalid;

/// Different emoji one message can carry.
pub const KINDS_MAX: usize = 20;
/// Code points of the longest emoji we take: a family with skin tones has eleven.
const POINTS_MAX: usize = 16;

const JOINER: char = '\u{200d}';
const AS_PICTURE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// One emoji in the form we store, so that the same picture is counted once, or `:name:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    Emoji(String),
    /// The name, without colons.
    Emote(String),
}

impl Reaction {
    /// # Errors
    /// When it is neither one emoji nor shaped like an emote.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("emoji", "must be one emoji or :emote:");
        if let Some(name) = text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')) {
            return if emote::is_name(name) { Ok(Self::Emote(name.to_owned())) } else { Err(invalid()) };
        }
        let points: Vec<char> = text.chars().take(POINTS_MAX + 1).collect();
        if points.len() > POINTS_MAX {
            return Err(invalid());
        }
        emoji(&points).map(Self::Emoji).ok_or_else(invalid)
    }

    /// As it is stored and shown.
    pub fn into_text(self) -> String {
        match self {
            Self::Emoji(emoji) => emoji,
            Self::Emote(name) => format!(":{name}:"),
        }
    }
}

/// One emoji sequence (UTS #51, ED-17), each of its old symbols marked to be shown as a picture.
fn emoji(points: &[char]) -> Option<String> {
    if let [first, second] = points
        && is_flag_letter(*first)
        && is_flag_letter(*second)
    {
        return Some(points.iter().collect());
    }
    if let [digit @ ('0'..='9' | '#' | '*'), AS_PICTURE, KEYCAP] | [digit @ ('0'..='9' | '#' | '*'), KEYCAP] = points {
        return Some([*digit, AS_PICTURE, KEYCAP].iter().collect());
    }
    let mut out = String::new();
    let mut at = 0;
    loop {
        let base = *points.get(at)?;
        if !is_picture(base) {
            return None;
        }
        at += 1;
        out.push(base);
        let is_marked = points.get(at) == Some(&AS_PICTURE);
        at += usize::from(is_marked);
        let tone = points.get(at).copied().filter(|c| ('\u{1f3fb}'..='\u{1f3ff}').contains(c));
        if let Some(tone) = tone {
            out.push(tone);
            at += 1;
        } else if is_marked || base < '\u{1f000}' {
            // Every old symbol gets the mark, a newer one keeps it only where it is part of the usual spelling.
            if base < '\u{1f000}' || needs_mark(base) {
                out.push(AS_PICTURE);
            }
        }
        // Flags of regions are spelt in tags, which end with one of their own.
        if base == '\u{1f3f4}' && points.get(at).is_some_and(|c| is_tag(*c)) {
            let tags: String = points[at..].iter().collect();
            let is_ended = points[at..].iter().all(|c| is_tag(*c)) && tags.ends_with('\u{e007f}');
            return is_ended.then(|| out + &tags);
        }
        match points.get(at) {
            None => return Some(out),
            Some(&JOINER) => {
                out.push(JOINER);
                at += 1;
            }
            Some(_) => return None,
        }
    }
}

fn is_flag_letter(c: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&c)
}

fn is_tag(c: char) -> bool {
    ('\u{e0020}'..='\u{e007f}').contains(&c)
}

/// Pictures of the newer planes that are text unless marked.
fn needs_mark(c: char) -> bool {
    matches!(c, '\u{1f170}'..='\u{1f171}' | '\u{1f17e}'..='\u{1f17f}' | '\u{1f202}' | '\u{1f237}' | '\u{1f321}'
        | '\u{1f324}'..='\u{1f32c}' | '\u{1f336}' | '\u{1f37d}' | '\u{1f396}'..='\u{1f397}' | '\u{1f399}'..='\u{1f39b}'
        | '\u{1f39e}'..='\u{1f39f}' | '\u{1f3cb}'..='\u{1f3ce}' | '\u{1f3d4}'..='\u{1f3df}' | '\u{1f3f3}' | '\u{1f3f5}'
        | '\u{1f3f7}' | '\u{1f43f}' | '\u{1f441}' | '\u{1f4fd}' | '\u{1f549}'..='\u{1f54a}' | '\u{1f56f}'..='\u{1f570}'
        | '\u{1f573}'..='\u{1f579}' | '\u{1f587}' | '\u{1f58a}'..='\u{1f58d}' | '\u{1f590}' | '\u{1f5a5}' | '\u{1f5a8}'
        | '\u{1f5b1}'..='\u{1f5b2}' | '\u{1f5bc}' | '\u{1f5c2}'..='\u{1f5c4}' | '\u{1f5d1}'..='\u{1f5d3}'
        | '\u{1f5dc}'..='\u{1f5de}' | '\u{1f5e1}' | '\u{1f5e3}' | '\u{1f5e8}' | '\u{1f5ef}' | '\u{1f5f3}' | '\u{1f5fa}'
        | '\u{1f6cb}' | '\u{1f6cd}'..='\u{1f6cf}' | '\u{1f6e0}'..='\u{1f6e5}' | '\u{1f6e9}' | '\u{1f6f0}' | '\u{1f6f3}')
}

/// Blocks whose characters are, or may be shown as, pictures.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{2199}'
        | '\u{21a9}'..='\u{21aa}' | '\u{231a}'..='\u{231b}' | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23f3}'
        | '\u{23f8}'..='\u{23fa}' | '\u{24c2}' | '\u{25aa}'..='\u{25ab}' | '\u{25b6}' | '\u{25c0}'
        | '\u{25fb}'..='\u{25fe}' | '\u{2600}'..='\u{2604}' | '\u{260e}' | '\u{2611}' | '\u{2614}'..='\u{2615}'
        | '\u{2618}' | '\u{261d}' | '\u{2620}' | '\u{2622}'..='\u{2623}' | '\u{2626}' | '\u{262a}'
        | '\u{262e}'..='\u{262f}' | '\u{2638}'..='\u{263a}' | '\u{2640}' | '\u{2642}' | '\u{2648}'..='\u{2653}'
        | '\u{265f}'..='\u{2660}' | '\u{2663}' | '\u{2665}'..='\u{2666}' | '\u{2668}' | '\u{267b}'
        | '\u{267e}'..='\u{267f}' | '\u{2692}'..='\u{2697}' | '\u{2699}' | '\u{269b}'..='\u{269c}'
        | '\u{26a0}'..='\u{26a1}' | '\u{26a7}' | '\u{26aa}'..='\u{26ab}' | '\u{26b0}'..='\u{26b1}'
        | '\u{26bd}'..='\u{26be}' | '\u{26c4}'..='\u{26c5}' | '\u{26c8}' | '\u{26ce}'..='\u{26cf}' | '\u{26d1}'
        | '\u{26d3}'..='\u{26d4}' | '\u{26e9}'..='\u{26ea}' | '\u{26f0}'..='\u{26f5}' | '\u{26f7}'..='\u{26fa}'
        | '\u{26fd}' | '\u{2702}' | '\u{2705}' | '\u{2708}'..='\u{270d}' | '\u{270f}' | '\u{2712}' | '\u{2714}'
        | '\u{2716}' | '\u{271d}' | '\u{2721}' | '\u{2728}' | '\u{2733}'..='\u{2734}' | '\u{2744}' | '\u{2747}'
        | '\u{274c}' | '\u{274e}' | '\u{2753}'..='\u{2755}' | '\u{2757}' | '\u{2763}'..='\u{2764}'
        | '\u{2795}'..='\u{2797}' | '\u{27a1}' | '\u{27b0}' | '\u{27bf}' | '\u{2934}'..='\u{2935}'
        | '\u{2b05}'..='\u{2b07}' | '\u{2b1b}'..='\u{2b1c}' | '\u{2b50}' | '\u{2b55}' | '\u{3030}' | '\u{303d}'
        | '\u{3297}' | '\u{3299}' | '\u{1f004}' | '\u{1f0cf}' | '\u{1f170}'..='\u{1f171}'
        | '\u{1f17e}'..='\u{1f17f}' | '\u{1f18e}' | '\u{1f191}'..='\u{1f19a}' | '\u{1f201}'..='\u{1f202}'
        | '\u{1f21a}' | '\u{1f22f}' | '\u{1f232}'..='\u{1f23a}' | '\u{1f250}'..='\u{1f251}'
        | '\u{1f300}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f7e0}'..='\u{1f7eb}' | '\u{1f7f0}' | '\u{1f90c}'..='\u{1f9ff}' | '\u{1fa70}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        Reaction::parse(text).ok().map(Reaction::into_text)
    }

    #[test]
    fn one_emoji_is_taken_whatever_it_is_made_of() {
        for emoji in
            ["👍", "👍🏽", "👨\u{200d}👩\u{200d}👧", "🇻🇳", "1\u{fe0f}\u{20e3}", "🏴\u{200d}☠\u{fe0f}", "🫶🏿", ":gg:"]
        {
            assert_eq!(text(emoji).as_deref(), Some(emoji));
        }
        let wales = "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}";
        assert_eq!(text(wales).as_deref(), Some(wales));
    }

    #[test]
    fn spellings_of_one_picture_are_one() {
        assert_eq!(text("❤"), text("❤\u{fe0f}"));
        assert_eq!(text("⭐"), text("⭐\u{fe0f}"));
        assert_eq!(text("👍"), text("👍\u{fe0f}"));
        assert_eq!(text("1\u{20e3}"), text("1\u{fe0f}\u{20e3}"));
    }

    #[test]
    fn anything_else_is_refused() {
        let tower = "👨\u{200d}".repeat(500);
        for bad in
            ["", "a", "1", "👍👍", "👍a", "\u{200d}", "\u{fe0f}", "👍\u{200d}", "🏽", "<b>", ":GG:", "::", "🇻", &tower]
        {
            assert_eq!(text(bad), None, "{bad:?}");
        }
    }
}
