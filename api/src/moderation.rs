//! A channel's order as its owner and moderators read and set it: moderators, the log, who may not speak, filters, lines kept
//! back, reports, requests to be let in again.
//!
//! What moderators do in the moment (timeouts, bans, modes) goes through the chat's sockets.

pub(crate) mod card;
pub(crate) mod filters;
pub(crate) mod layout;
pub(crate) mod log;
pub(crate) mod moderators;
pub(crate) mod pleas;
pub(crate) mod reports;
pub(crate) mod waiting;

use std::time::Duration;

use db::moderation::{Act, Desk};
use domain::order::{ACTS_MAX, ACTS_WINDOW, FILTERS_MAX, MODERATORS_MAX, NOTES_MAX, Rank};
use domain::user::Username;
use domain::{Classify, Kind, UserId};
use kit::Problem;
use live::fanout::{DESK, ORDER, Push, Target};
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::channels::ChannelError;
use crate::moderation::log::LogEntry;
use crate::state::App;

/// The same acts count here and in chat.
const ACTS: Quota = Quota::new(ACTS_MAX, ACTS_WINDOW);
/// How long an answer waits for its news to be told.
const TELL_WAIT_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("that is for the channel's owner and moderators")]
    NotModerator,
    #[error("that is for the channel's owner")]
    NotOwner,
    #[error("you may not act here now")]
    Silenced,
    #[error("there is no such member")]
    NoMember,
    #[error("the owner keeps order anyway")]
    IsOwner,
    #[error("lift what stands against them first")]
    IsSanctioned,
    #[error("a channel has at most {MODERATORS_MAX} moderators")]
    TooManyModerators,
    #[error("that filter is there")]
    FilterExists,
    #[error("there is no such filter")]
    NoFilter,
    #[error("a channel has at most {FILTERS_MAX} filters")]
    TooManyFilters,
    #[error("the channel's expressions are too large together: shorten some, or write them as words")]
    FiltersTooLarge,
    #[error("there is no such note")]
    NoNote,
    #[error("there are at most {NOTES_MAX} notes about a member")]
    TooManyNotes,
    #[error("you are not banned from this chat")]
    NotBanned,
    #[error("your request waits for an answer")]
    Asked,
    #[error("the moderators have said no; ask again later")]
    AskedTooSoon(Duration),
    #[error("there is no such request")]
    NoPlea,
    #[error("{0} has answered that already")]
    Answered(String),
    #[error("you are acting too fast")]
    Throttled(Duration),
}

impl Classify for OrderError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotModerator | Self::NotOwner | Self::Silenced => Kind::Forbidden,
            Self::NoMember | Self::NoFilter | Self::NoNote | Self::NoPlea => Kind::NotFound,
            Self::Throttled(_) => Kind::Throttled,
            Self::IsOwner
            | Self::IsSanctioned
            | Self::TooManyModerators
            | Self::FilterExists
            | Self::TooManyFilters
            | Self::FiltersTooLarge
            | Self::TooManyNotes
            | Self::NotBanned
            | Self::Asked
            | Self::AskedTooSoon(_)
            | Self::Answered(_) => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            // The codes of the chat's sockets.
            Self::NotModerator | Self::NotOwner | Self::Silenced => "chat.forbidden",
            Self::Throttled(_) => "chat.throttled",
            Self::NoMember => "member.not-found",
            Self::IsOwner => "moderator.owner",
            Self::IsSanctioned => "moderator.sanctioned",
            Self::TooManyModerators => "moderator.too-many",
            Self::FilterExists => "filter.exists",
            Self::NoFilter => "filter.not-found",
            Self::NoNote => "note.not-found",
            Self::TooManyNotes => "note.too-many",
            Self::TooManyFilters => "filter.too-many",
            Self::FiltersTooLarge => "filter.too-large",
            Self::NotBanned => "unban.not-banned",
            Self::Asked => "unban.asked",
            Self::AskedTooSoon(_) => "unban.too-soon",
            Self::NoPlea => "unban.not-found",
            Self::Answered(_) => "mod.already",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) | Self::AskedTooSoon(wait) => {
                Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
            }
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DeskPath {
    /// The channel's name.
    username: String,
}

/// A member in a moderators' list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MemberRef {
    pub id: Uuid,
    pub username: String,
    pub display_name: String,
    pub avatar_url: Option<String>,
}

impl MemberRef {
    pub(crate) fn new(id: UserId, person: db::users::Person) -> Self {
        Self {
            id: id.as_uuid(),
            username: person.username,
            display_name: person.display_name,
            avatar_url: person.avatar_key.as_deref().map(objects::keys::avatar_url),
        }
    }
}

/// The channel's desk, for somebody who may sit there: owner, moderators, the site's staff.
pub(crate) async fn desk(conn: &mut db::Conn, account: &Account, channel: &str) -> Result<Desk, Problem> {
    let name = Username::parse(channel).map_err(|_| ChannelError::NotFound)?;
    let desk = db::moderation::desk(conn, &name, account.id).await?.ok_or(ChannelError::NotFound)?;
    if desk.rank.may_moderate() { Ok(desk) } else { Err(OrderError::NotModerator.into()) }
}

/// Somebody about to act at a desk, holding it until the end of the transaction.
pub(crate) struct Bench {
    pub tx: db::Tx,
    pub desk: Desk,
    /// The id of the act to be.
    pub act: Uuid,
}

/// What somebody did at a desk.
pub(crate) struct Deed<'a> {
    pub action: &'a str,
    pub target: Option<(UserId, &'a Username)>,
    pub reason: &'a str,
    pub detail: Value,
}

/// Who may do something at a desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Owner,
    Moderators,
}

impl Bench {
    pub(crate) async fn open(app: &App, account: &Account, channel: &str, who: For) -> Result<Self, Problem> {
        let verdict = app.limits.hit(&format!("acts:{}", account.id), ACTS).await;
        if !verdict.is_allowed {
            return Err(OrderError::Throttled(verdict.retry_after).into());
        }
        let mut tx = db::begin(&app.pool).await?;
        let desk = desk(&mut tx, account, channel).await?;
        if who == For::Owner && desk.actor != desk.channel {
            return Err(OrderError::NotOwner.into());
        }
        if desk.is_silenced && desk.rank != Rank::Keeper {
            return Err(OrderError::Silenced.into());
        }
        db::moderation::lock(&mut tx, desk.channel).await?;
        Ok(Self { tx, desk, act: kit::ids::uuid() })
    }

    /// Writes an act without a reason down, lets it hold, and tells moderators and nodes.
    pub(crate) async fn conclude(
        self,
        app: &App,
        action: &str,
        target: Option<(UserId, &Username)>,
        detail: Value,
    ) -> Result<(), Problem> {
        self.close(app, Deed { action, target, reason: "", detail }).await?;
        Ok(())
    }

    /// Writes the act down, lets it hold, and tells moderators and nodes.
    pub(crate) async fn close(mut self, app: &App, deed: Deed<'_>) -> Result<LogEntry, Problem> {
        let Deed { action, target, reason, detail } = deed;
        let act = Act {
            id: self.act,
            channel: self.desk.channel,
            actor: self.desk.actor,
            actor_name: self.desk.actor_name.to_string(),
            action: action.to_owned(),
            target: target.map(|(id, _)| id),
            target_name: target.map(|(_, name)| name.to_string()),
            reason: reason.to_owned(),
            detail,
            undoes: None,
            at: kit::clock::now(),
        };
        db::moderation::log(&mut self.tx, &act).await?;
        db::commit(self.tx).await?;
        let Desk { channel, name, .. } = self.desk;
        let entry = LogEntry::new(act, &name);
        let node = |event: &str, payload: Value| Push {
            target: Target::Channel(name.clone()),
            event: event.to_owned(),
            payload,
            origin: None,
        };
        let user = target.map(|(id, _)| id);
        let pushes = [
            node(ORDER, json!({ "channel": channel, "user": user })),
            node(DESK, json!({ "event": "mod:action", "payload": entry })),
        ];
        tell(app, &pushes).await;
        Ok(entry)
    }
}

/// Tells every node. What is lost here is only late: rows are the truth, and what nodes remember ages.
pub(crate) async fn tell(app: &App, pushes: &[Push]) {
    let told = tokio::time::timeout(TELL_WAIT_MAX, live::fanout::publish_all(&app.live, pushes)).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("a change of order was not told");
    }
}
