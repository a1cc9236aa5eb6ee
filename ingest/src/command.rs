//! What an RTMP command means: the few commands of a publisher, out of checked AMF values.
//!
//! Owns the names and argument positions of commands, and how app and stream name make a key. Decides nothing about order:
//! that is the session's.

use std::collections::HashMap;
use std::fmt;

use domain::stream::Priority;
use rml_amf0::Amf0Value;

use crate::amf::{self, AmfError};

/// Longest text of `connect` that is kept for the operator's hooks.
const TEXT_BYTES_MAX: usize = 1_024;
/// Longest query arguments that are kept for the operator's hooks.
const ARGS_BYTES_MAX: usize = 2_048;
/// Applications publishers may name.
const APPS: [&str; 2] = ["live", "app"];

/// Why a command message was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Amf(#[from] AmfError),
    #[error("a command without a name and a transaction")]
    NoName,
    #[error("a command without its arguments")]
    NoArguments,
}

/// A command of a publisher.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Connect {
        transaction: f64,
        connect: Box<Connect>,
    },
    CreateStream {
        transaction: f64,
    },
    /// `releaseStream`, `FCPublish` and what else only wants to hear that all is well.
    Courtesy {
        transaction: f64,
        is_fc_publish: bool,
    },
    /// Any publish type, or none: they all mean live here.
    Publish {
        name: String,
    },
    /// `FCUnpublish`, `deleteStream` or `closeStream`.
    Unpublish,
    Play,
    /// An answer to something, or a word we do not know. Needs no reply.
    Other,
}

/// The connection's own description of itself.
#[derive(Clone, PartialEq, Default)]
pub struct Connect {
    pub app: String,
    pub tc_url: String,
    pub flash_ver: String,
    pub swf_url: String,
    pub page_url: String,
}

impl fmt::Debug for Connect {
    /// App and addresses may contain the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("flash_ver", &self.flash_ver).finish_non_exhaustive()
    }
}

/// Reads the payload of a command message.
pub fn parse(payload: &[u8]) -> Result<Command, CommandError> {
    let mut values = amf::decode(payload)?.into_iter();
    let (Some(Amf0Value::Utf8String(name)), Some(Amf0Value::Number(transaction))) = (values.next(), values.next())
    else {
        return Err(CommandError::NoName);
    };
    if !transaction.is_finite() {
        return Err(CommandError::NoName);
    }
    let object = values.next();
    Ok(match name.as_str() {
        "connect" => {
            let Some(Amf0Value::Object(properties)) = object else { return Err(CommandError::NoArguments) };
            Command::Connect { transaction, connect: Box::new(Connect::of(properties)) }
        }
        "createStream" => Command::CreateStream { transaction },
        "publish" => match values.next() {
            Some(Amf0Value::Utf8String(name)) => Command::Publish { name },
            // Some encoders put everything into the app.
            None | Some(Amf0Value::Null | Amf0Value::Undefined) => Command::Publish { name: String::new() },
            Some(_) => return Err(CommandError::NoArguments),
        },
        "FCPublish" => Command::Courtesy { transaction, is_fc_publish: true },
        "releaseStream" | "_checkbw" | "checkBandwidth" | "FCSubscribe" | "getStreamLength" => {
            Command::Courtesy { transaction, is_fc_publish: false }
        }
        "FCUnpublish" | "deleteStream" | "closeStream" => Command::Unpublish,
        "play" | "play2" => Command::Play,
        _ => Command::Other,
    })
}

impl Connect {
    fn of(mut properties: HashMap<String, Amf0Value>) -> Self {
        let mut text = |name: &str, max: usize| match properties.remove(name) {
            Some(Amf0Value::Utf8String(text)) if text.len() <= max => text,
            _ => String::new(),
        };
        Self {
            // The key may be in here: nothing is cut off, or a long key would answer differently.
            app: text("app", amf::BYTES_MAX),
            tc_url: text("tcUrl", TEXT_BYTES_MAX),
            flash_ver: text("flashVer", TEXT_BYTES_MAX),
            swf_url: text("swfUrl", TEXT_BYTES_MAX),
            page_url: text("pageUrl", TEXT_BYTES_MAX),
        }
    }
}

/// Where somebody wants to publish, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Without slashes or arguments; one of the known applications.
    pub app: &'static str,
    /// The stream key as the broadcaster gave it.
    pub key: String,
    /// Query arguments of app and stream name, verbatim, joined by `&`.
    pub args: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("app", &self.app).finish_non_exhaustive()
    }
}

/// Takes app and stream name apart. The key is the stream name, or what follows the application when that is empty:
/// encoders with a single field for the address send `live/KEY` as app. `None` for an unknown application.
pub fn target(app: &str, name: &str) -> Option<Target> {
    let (app_path, app_args) = split_args(app);
    let (name_path, name_args) = split_args(name);
    let (first, rest) = match app_path.split_once('/') {
        Some((first, rest)) => (first, rest.trim_start_matches('/')),
        None => (app_path, ""),
    };
    let app = *APPS.iter().find(|known| **known == first)?;
    let key = match (name_path, rest) {
        ("", rest) => rest.to_owned(),
        (name, "") => name.to_owned(),
        // `live/a` with the name `b`: one path, cut at another place.
        (name, rest) => format!("{rest}/{name}"),
    };
    let mut args = String::new();
    for part in [app_args, name_args] {
        if !part.is_empty() && args.len() + part.len() < ARGS_BYTES_MAX {
            if !args.is_empty() {
                args.push('&');
            }
            args.push_str(part);
        }
    }
    Some(Target { app, key, args })
}

/// What an encoder says it is worth, as `priority=7` among its arguments; the first counts.
pub fn priority(args: &str) -> Priority {
    let said = args.split('&').find_map(|argument| argument.strip_prefix("priority="));
    said.and_then(Priority::parse).unwrap_or_default()
}

/// Path without its outer slashes, and what follows the first question mark.
fn split_args(text: &str) -> (&str, &str) {
    let (path, args) = text.split_once('?').unwrap_or((text, ""));
    (path.trim_matches('/'), args)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(values: Vec<Amf0Value>) -> Vec<u8> {
        rml_amf0::serialize(&values).expect("serializes")
    }

    fn text(text: &str) -> Amf0Value {
        Amf0Value::Utf8String(text.to_owned())
    }

    #[test]
    fn keys_are_found_wherever_encoders_put_them() {
        for (app, name, key, args) in [
            ("live", "KEY", "KEY", ""),
            ("live/", "/KEY/", "KEY", ""),
            ("app", "KEY?a=1&b=2", "KEY", "a=1&b=2"),
            ("live/KEY", "", "KEY", ""),
            ("live/KEY/?x=y", "", "KEY", "x=y"),
            ("live?x=y", "KEY?z", "KEY", "x=y&z"),
            ("/live//KEY", "?q", "KEY", "q"),
            ("live", "", "", ""),
            ("live/a", "b", "a/b", ""),
        ] {
            let found = target(app, name).expect("a known app");
            assert_eq!((found.key.as_str(), found.args.as_str()), (key, args), "{app} {name}");
        }
        for unknown in ["", "vod", "LIVE", "livekey", "../live"] {
            assert_eq!(target(unknown, "KEY"), None, "{unknown}");
        }
    }

    #[test]
    fn a_priority_is_found_among_other_arguments() {
        for (args, expected) in [
            ("", 0),
            ("priority=7", 7),
            ("token=a&priority=7&x", 7),
            ("priority=7&priority=9", 7),
            ("priority=high", 0),
            ("priority=&priority=9", 0),
            ("apriority=7", 0),
            ("priority=1000", 100),
        ] {
            assert_eq!(priority(args).as_i16(), expected, "{args}");
        }
    }

    #[test]
    fn any_publish_type_or_none_is_a_publish() {
        for tail in
            [vec![], vec![text("live")], vec![text("LIVE")], vec![Amf0Value::Null], vec![Amf0Value::Number(1.0)]]
        {
            let mut values = vec![text("publish"), Amf0Value::Number(5.0), Amf0Value::Null, text("KEY")];
            values.extend(tail);
            assert_eq!(parse(&payload(values)), Ok(Command::Publish { name: "KEY".to_owned() }));
        }
        let bare = vec![text("publish"), Amf0Value::Number(5.0)];
        assert_eq!(parse(&payload(bare)), Ok(Command::Publish { name: String::new() }));
    }

    /// R1, and its neighbours.
    #[test]
    fn commands_without_name_or_transaction_are_errors() {
        assert_eq!(parse(&[]), Err(CommandError::NoName));
        assert_eq!(parse(&payload(vec![text("connect")])), Err(CommandError::NoName));
        assert_eq!(parse(&payload(vec![text("connect"), Amf0Value::Number(f64::NAN)])), Err(CommandError::NoName));
        assert_eq!(
            parse(&payload(vec![text("connect"), Amf0Value::Number(1.0), Amf0Value::Null])),
            Err(CommandError::NoArguments)
        );
    }

    #[test]
    fn debug_output_holds_no_key() {
        let connect =
            Connect { app: "live/KEY".to_owned(), tc_url: "rtmp://h/live/KEY".to_owned(), ..Connect::default() };
        assert!(!format!("{connect:?}").contains("KEY"));
        assert!(!format!("{:?}", target("live", "KEY")).contains("KEY"));
    }
}
