//! Slash commands: a line that does something instead of being said.

use domain::chat::command::{Command, CommandError, USAGE};
use serde_json::json;

use super::say::{Caller, text};
use super::{Answered, done};
use crate::gateway::{Answer, Gateway};
use crate::message::Message;
use crate::order::acts::{Deed, ModesBody};
use crate::refusal::Refusal;

impl Gateway {
    /// Does what a line asks for. `reply_to` is the message it was written under.
    pub(super) async fn obey(&self, caller: &Caller<'_>, command: Command, reply_to: Option<&Message>) -> Answered {
        let name = command.name();
        let meant = || Refusal::new("chat.command-usage", "answer the message you mean, or give its id");
        let answer = match command {
            Command::Help => return done(json!({ "ok": true, "command": { "name": name, "detail": help() } })),
            Command::Delete { id } => {
                let id = id.or(reply_to.map(|message| message.id)).ok_or_else(meant)?;
                self.delete_message(caller.member, caller.author.clone(), id).await?
            }
            Command::Pin { id } => {
                let id = id.or(reply_to.map(|message| message.id)).ok_or_else(meant)?;
                self.set_pin(caller.member, &caller.author, caller.channel, &caller.name, Some(id)).await?
            }
            Command::Unpin => self.set_pin(caller.member, &caller.author, caller.channel, &caller.name, None).await?,
            Command::Announce { text: said } => {
                self.announce_text(caller, text(&said)?, kit::ids::random_token::<8>()).await?
            }
            command => {
                let (deed, why) = deed(command).ok_or(CommandError::Unknown)?;
                self.perform(caller.member, caller.name.as_str(), deed, &why.unwrap_or_default()).await?
            }
        };
        let mut body = json!({ "ok": true, "command": { "name": name, "detail": "done" } });
        // What was done may be taken back.
        for field in ["act_id", "undo_until"] {
            if let Some(value) = answer.body.get(field) {
                body[field] = value.clone();
            }
        }
        Ok(Answer { body, then: answer.then })
    }
}

/// What a moderator's command is to do, and why. Who is silenced by one loses their lines too.
fn deed(command: Command) -> Option<(Deed, Option<String>)> {
    let modes = |modes| Some((Deed::Modes { modes }, None));
    match command {
        Command::Timeout { user, seconds, reason } => {
            Some((Deed::Timeout { member: user.to_string(), seconds, strike: true }, reason))
        }
        Command::Ban { user, reason } => Some((Deed::Ban { member: user.to_string(), strike: true }, reason)),
        Command::Unban { user } => Some((Deed::Unban { member: user.to_string() }, None)),
        Command::Mod { user } => Some((Deed::Appoint { member: user.to_string() }, None)),
        Command::Unmod { user } => Some((Deed::Dismiss { member: user.to_string() }, None)),
        Command::Clear => Some((Deed::Clear { member: None }, None)),
        Command::Slow { seconds } => modes(ModesBody { slow_s: Some(seconds), ..ModesBody::default() }),
        Command::Followers { seconds } => modes(ModesBody { followers_only_s: Some(seconds), ..ModesBody::default() }),
        Command::EmoteOnly { is_on } => modes(ModesBody { emote_only: Some(is_on), ..ModesBody::default() }),
        Command::Unique { is_on } => modes(ModesBody { unique: Some(is_on), ..ModesBody::default() }),
        Command::Delete { .. } | Command::Pin { .. } | Command::Unpin | Command::Announce { .. } | Command::Help => {
            None
        }
    }
}

/// How every command is written, one a line.
fn help() -> String {
    let lines: Vec<&str> = USAGE.iter().map(|(_, usage)| *usage).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_what_there_is() {
        assert_eq!(help().lines().count(), USAGE.len());
    }
}
