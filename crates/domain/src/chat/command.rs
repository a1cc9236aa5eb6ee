//! Lines that begin with a slash: what they ask for. Who may ask is decided by whoever does it.

use crate::error::{Classify, Kind};
use crate::ids::MessageId;
use crate::user::Username;

/// A timeout without a duration.
pub const TIMEOUT_DEFAULT_S: u32 = 600;
/// Two weeks: a longer one is a ban.
pub const TIMEOUT_MAX_S: u32 = 14 * 86_400;
/// Between two messages of one member in slow mode.
pub const SLOW_DEFAULT_S: u32 = 30;
pub const SLOW_MAX_S: u32 = 3_600;
/// How long one must have followed: 90 days at most.
pub const FOLLOWERS_MAX_S: u32 = 90 * 86_400;
const REASON_CHARS_MAX: usize = 200;

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Timeout {
        user: Username,
        seconds: u32,
        reason: Option<String>,
    },
    Ban {
        user: Username,
        reason: Option<String>,
    },
    Unban {
        user: Username,
    },
    /// Without an id: the message the line replies to.
    Delete {
        id: Option<MessageId>,
    },
    /// Zero: off.
    Slow {
        seconds: u32,
    },
    /// How long one must have followed; `None`: everybody may write.
    Followers {
        seconds: Option<u32>,
    },
    EmoteOnly {
        is_on: bool,
    },
    Unique {
        is_on: bool,
    },
    Clear,
    Mod {
        user: Username,
    },
    Unmod {
        user: Username,
    },
    /// Without an id: the message the line replies to.
    Pin {
        id: Option<MessageId>,
    },
    Unpin,
    Announce {
        text: String,
    },
    Help,
}

/// Every command and how it is written, as `/help` tells it.
pub const USAGE: [(&str, &str); 15] = [
    ("timeout", "/timeout user [duration] [reason]"),
    ("ban", "/ban user [reason]"),
    ("unban", "/unban user"),
    ("delete", "/delete [message id], or as a reply"),
    ("slow", "/slow [seconds | off]"),
    ("followers", "/followers [duration | off]"),
    ("emoteonly", "/emoteonly [on | off]"),
    ("unique", "/unique [on | off]"),
    ("clear", "/clear"),
    ("mod", "/mod user"),
    ("unmod", "/unmod user"),
    ("pin", "/pin [message id], or as a reply"),
    ("unpin", "/unpin"),
    ("announce", "/announce text"),
    ("help", "/help"),
];

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("there is no such command; begin with // to say a line that begins with a slash")]
    Unknown,
    #[error("write {0}")]
    Usage(&'static str),
}

impl Classify for CommandError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "chat.unknown-command",
            Self::Usage(_) => "chat.command-usage",
        }
    }
}

/// What a normalised line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// To be said. A doubled slash at its beginning has become one.
    Said(&'a str),
    Command(Command),
}

impl Command {
    /// Its name, as it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Ban { .. } => "ban",
            Self::Unban { .. } => "unban",
            Self::Delete { .. } => "delete",
            Self::Slow { .. } => "slow",
            Self::Followers { .. } => "followers",
            Self::EmoteOnly { .. } => "emoteonly",
            Self::Unique { .. } => "unique",
            Self::Clear => "clear",
            Self::Mod { .. } => "mod",
            Self::Unmod { .. } => "unmod",
            Self::Pin { .. } => "pin",
            Self::Unpin => "unpin",
            Self::Announce { .. } => "announce",
            Self::Help => "help",
        }
    }
}

/// Tells commands from what is to be said. `line` is normalised: single spaces, none at its ends.
pub fn read(line: &str) -> Result<Line<'_>, CommandError> {
    let Some(rest) = line.strip_prefix('/') else { return Ok(Line::Said(line)) };
    if rest.starts_with('/') {
        return Ok(Line::Said(rest));
    }
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let name = name.to_ascii_lowercase();
    let usage = USAGE.iter().find(|(known, _)| *known == name).ok_or(CommandError::Unknown)?.1;
    parse(&name, rest).map(Line::Command).ok_or(CommandError::Usage(usage))
}

fn parse(name: &str, rest: &str) -> Option<Command> {
    let (first, tail) = rest.split_once(' ').unwrap_or((rest, ""));
    let user = || Username::parse(first.strip_prefix('@').unwrap_or(first)).ok();
    let alone = |command: Command| rest.is_empty().then_some(command);
    Some(match name {
        "timeout" => {
            let user = user()?;
            let (second, reason) = tail.split_once(' ').unwrap_or((tail, ""));
            match duration(second) {
                Some(seconds) if (1..=TIMEOUT_MAX_S).contains(&seconds) => {
                    Command::Timeout { user, seconds, reason: reason_of(reason)? }
                }
                // A number that is not a duration we give is a mistake, not a reason.
                _ if second.starts_with(|c: char| c.is_ascii_digit()) => return None,
                _ => Command::Timeout { user, seconds: TIMEOUT_DEFAULT_S, reason: reason_of(tail)? },
            }
        }
        "ban" => Command::Ban { user: user()?, reason: reason_of(tail)? },
        "unban" if tail.is_empty() => Command::Unban { user: user()? },
        "mod" if tail.is_empty() => Command::Mod { user: user()? },
        "unmod" if tail.is_empty() => Command::Unmod { user: user()? },
        "delete" => Command::Delete { id: message(rest)? },
        "pin" => Command::Pin { id: message(rest)? },
        "unpin" => alone(Command::Unpin)?,
        "clear" => alone(Command::Clear)?,
        "help" => alone(Command::Help)?,
        "announce" if !rest.is_empty() => Command::Announce { text: rest.to_owned() },
        "slow" => {
            let seconds = if rest.is_empty() { SLOW_DEFAULT_S } else { off_or(rest, duration)?.unwrap_or(0) };
            (seconds <= SLOW_MAX_S).then_some(Command::Slow { seconds })?
        }
        "followers" => {
            let seconds = if rest.is_empty() { Some(0) } else { off_or(rest, duration)? };
            (seconds.unwrap_or(0) <= FOLLOWERS_MAX_S).then_some(Command::Followers { seconds })?
        }
        "emoteonly" => Command::EmoteOnly { is_on: switch(rest)? },
        "unique" => Command::Unique { is_on: switch(rest)? },
        _ => return None,
    })
}

/// `90`, `90s`, `10m`, `2h`, `1d`, `1w`, in seconds.
pub fn duration(text: &str) -> Option<u32> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u32 = text[..split].parse().ok()?;
    let unit = match &text[split..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// `Some(None)`: off.
fn off_or(text: &str, value: impl Fn(&str) -> Option<u32>) -> Option<Option<u32>> {
    if text == "off" { Some(None) } else { value(text).map(Some) }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "" | "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `Some(None)`: none was given.
fn message(text: &str) -> Option<Option<MessageId>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

/// `None`: it is too long. `Some(None)`: none was given.
fn reason_of(text: &str) -> Option<Option<String>> {
    (text.chars().count() <= REASON_CHARS_MAX).then(|| (!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Command, CommandError> {
        match read(line)? {
            Line::Command(command) => Ok(command),
            Line::Said(said) => panic!("{said:?} is no command"),
        }
    }

    fn bob() -> Username {
        Username::parse("bob").unwrap()
    }

    #[test]
    fn a_doubled_slash_is_said_with_one() {
        assert_eq!(read("//shrug"), Ok(Line::Said("/shrug")));
        assert_eq!(read("a /ban bob"), Ok(Line::Said("a /ban bob")));
    }

    #[test]
    fn a_timeout_has_a_length_and_perhaps_a_reason() {
        let timeout = |seconds, reason: Option<&str>| {
            Ok(Command::Timeout { user: bob(), seconds, reason: reason.map(str::to_owned) })
        };
        assert_eq!(command("/timeout bob"), timeout(TIMEOUT_DEFAULT_S, None));
        assert_eq!(command("/TIMEOUT @Bob 10m"), timeout(600, None));
        assert_eq!(command("/timeout bob 1h too loud"), timeout(3_600, Some("too loud")));
        assert_eq!(command("/timeout bob too loud"), timeout(TIMEOUT_DEFAULT_S, Some("too loud")));
        for bad in ["/timeout", "/timeout bob 0", "/timeout bob 99w", "/timeout bob 10x", "/timeout b!b"] {
            assert_eq!(command(bad), Err(CommandError::Usage("/timeout user [duration] [reason]")), "{bad}");
        }
        assert!(command(&format!("/ban bob {}", "x".repeat(201))).is_err());
    }

    #[test]
    fn every_command_is_understood_as_written() {
        let id: MessageId = "0193e6a0-1c1e-7000-8000-000000000001".parse().unwrap();
        for (line, expected) in [
            ("/ban bob", Command::Ban { user: bob(), reason: None }),
            ("/unban bob", Command::Unban { user: bob() }),
            ("/mod @bob", Command::Mod { user: bob() }),
            ("/unmod bob", Command::Unmod { user: bob() }),
            ("/delete", Command::Delete { id: None }),
            ("/delete 0193e6a0-1c1e-7000-8000-000000000001", Command::Delete { id: Some(id) }),
            ("/pin 0193e6a0-1c1e-7000-8000-000000000001", Command::Pin { id: Some(id) }),
            ("/unpin", Command::Unpin),
            ("/clear", Command::Clear),
            ("/help", Command::Help),
            ("/slow", Command::Slow { seconds: SLOW_DEFAULT_S }),
            ("/slow 5", Command::Slow { seconds: 5 }),
            ("/slow off", Command::Slow { seconds: 0 }),
            ("/followers", Command::Followers { seconds: Some(0) }),
            ("/followers 10m", Command::Followers { seconds: Some(600) }),
            ("/followers off", Command::Followers { seconds: None }),
            ("/emoteonly", Command::EmoteOnly { is_on: true }),
            ("/unique off", Command::Unique { is_on: false }),
            ("/announce hi all", Command::Announce { text: "hi all".to_owned() }),
        ] {
            let name = expected.name();
            assert_eq!(command(line), Ok(expected), "{line}");
            assert!(USAGE.iter().any(|(known, _)| *known == name));
        }
    }

    #[test]
    fn what_is_not_understood_is_told_apart() {
        assert_eq!(command("/dance"), Err(CommandError::Unknown));
        assert_eq!(command("/"), Err(CommandError::Unknown));
        for bad in ["/slow 2h", "/slow fast", "/clear all", "/pin me", "/announce", "/unique maybe", "/unban bob now"] {
            assert!(matches!(command(bad), Err(CommandError::Usage(_))), "{bad}");
        }
    }
}
