//! Emotes: small pictures written as `:name:`.

/// The ones every channel has. Their pictures are part of the web app: `/emotes/{name}.svg`.
pub const BUILT_IN: [&str; 12] =
    ["rill", "wave", "hype", "gg", "lol", "cry", "love", "think", "wow", "rip", "clap", "sip"];

pub const NAME_CHARS_MIN: usize = 2;
pub const NAME_CHARS_MAX: usize = 24;
/// Different emotes one message can show.
pub const EMOTES_MAX: usize = 20;

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
}
