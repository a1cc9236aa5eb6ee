//! Slash commands: a line that does something instead of being said.

use domain::chat::command::{Command, CommandError, USAGE};
use serde_json::json;

use super::say::{Caller, text};
use super::{Answered, done};
use crate::gateway::{Answer, Gateway};
use crate::message::Message;
use crate::refusal::Refusal;

/// The commands there are now.
const KNOWN: [&str; 5] = ["delete", "pin", "unpin", "announce", "help"];

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
            _ => return Err(CommandError::Unknown.into()),
        };
        let body = json!({ "ok": true, "command": { "name": name, "detail": "done" } });
        Ok(Answer { body, then: answer.then })
    }
}

/// How every command is written, one a line.
fn help() -> String {
    let lines: Vec<&str> = USAGE.iter().filter(|(name, _)| KNOWN.contains(name)).map(|(_, usage)| *usage).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_what_there_is() {
        assert_eq!(help().lines().count(), KNOWN.len());
    }
}
