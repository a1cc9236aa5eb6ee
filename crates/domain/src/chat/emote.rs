//! Emotes: small pictures written as `:name:`.

use crate::error::Invalid;
use crate::ids::EmoteId;

/// The ones every channel has. Their pictures are part of the web app: `/emotes/{name}.svg`.
pub const BUILT_IN: [&str; 12] =
    ["rill", "wave", "hype", "gg", "lol", "cry", "love", "think", "wow", "rip", "clap", "sip"];

pub const NAME_CHARS_MIN: usize = 2;
pub const NAME_CHARS_MAX: usize = 24;
/// Different emotes one message can show.
pub const EMOTES_MAX: usize = 20;
/// Emotes a channel can have of its own.
pub const CHANNEL_EMOTES_MAX: usize = 50;
/// Width and height of the pictures of a channel's emote, in pixels.
pub const SIDES: [u32; 3] = [28, 56, 112];

/// Whether this can be an emote's name: small letters, digits and `_`, and not digits alone, which are times of the day.
pub fn is_name(text: &str) -> bool {
    (NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && text.bytes().any(|b| b.is_ascii_lowercase())
}

/// Where a built-in emote's picture is.
pub fn built_in(name: &str) -> Option<String> {
    BUILT_IN.contains(&name).then(|| format!("/emotes/{name}.svg"))
}

/// Whether a channel may call an emote of its own so.
///
/// # Errors
/// When it is no name, or one that every channel has.
pub fn check_own(name: &str) -> Result<(), Invalid> {
    if !is_name(name) {
        return Err(Invalid::new("name", "must be 2 to 24 small letters, digits and _, and not digits alone"));
    }
    if BUILT_IN.contains(&name) {
        return Err(Invalid::new("name", "is the name of an emote every channel has"));
    }
    Ok(())
}

/// Where the picture of a channel's emote is, so many pixels wide and high. It never changes.
pub fn picture(emote: EmoteId, side: u32) -> String {
    format!("/media/emotes/{emote}/{side}.webp")
}

/// The one messages name: sharp wherever an emote stands in a line.
pub fn picture_in_line(emote: EmoteId) -> String {
    picture(emote, 56)
}

/// The names written as `:name:`, each once, at most [`EMOTES_MAX`].
pub fn named(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        rest = &rest[at + 1..];
        let Some(end) = rest.find(':') else { break };
        let name = &rest[..end];
        if !is_name(name) {
            // What closes nothing may open the next one.
            continue;
        }
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() == EMOTES_MAX {
            break;
        }
        rest = &rest[end + 1..];
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emotes_are_found_between_colons() {
        assert_eq!(named(":gg: at 10:30:wave: :GG: :gg::rip:"), ["gg", "wave", "rip"]);
        assert_eq!(named("a: b :c d: ::"), Vec::<&str>::new());
        let many: String = (0..100).map(|n| format!(":e{n}:")).collect();
        assert_eq!(named(&many).len(), EMOTES_MAX);
    }

    #[test]
    fn built_in_names_are_names() {
        assert!(BUILT_IN.iter().all(|name| is_name(name)));
        assert_eq!(built_in("gg").as_deref(), Some("/emotes/gg.svg"));
        assert_eq!(built_in("../x"), None);
    }

    #[test]
    fn a_channels_own_names_are_short_plain_and_its_own() {
        for good in ["ab", "7up", "_a", "a_very_long_name_of_24ch"] {
            assert!(check_own(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "12", "__", "Ab", "a b", "a-b", "é1", "../x", "gg", "a_very_long_name_of_25chr"] {
            assert!(check_own(bad).is_err(), "{bad}");
        }
    }
}
