//! Who may sit in a channel's room, and read what was said there, while what it airs is not for everybody.
//!
//! A room is the channel's. As long as nothing is on air, or something public, anybody may come in. Otherwise it holds those whom the
//! stream is for: whoever sat there before is shown out, at once when the news arrives and by the sweep when it was lost.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use db::access::Closed;
use domain::user::Username;
use domain::visibility::Standing;
use domain::{StreamId, UserId, Visibility};
use live::fanout::{Push, Target};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::message::Message;
use crate::refusal::Refusal;
use crate::registry::Member;

fn closed() -> Refusal {
    Refusal::new("chat.closed", "this channel's chat is not open to you now")
}

impl Gateway {
    /// An error unless the member may be in the channel's room now. `link` is the stream's id, if the client was given it.
    pub(crate) async fn admit(&self, member: &Member, name: &Username, link: Option<StreamId>) -> Result<(), Refusal> {
        let Some(airing) = self.facts.closed(name).await? else { return Ok(()) };
        if let Some(link) = link.filter(|link| airing.visibility == Visibility::Unlisted && *link == airing.stream) {
            member.session.keep_link(link);
        }
        let has_link = member.session.has_link(airing.stream);
        let may = self.may(member, airing.channel, airing.visibility, has_link).await?;
        if may { Ok(()) } else { Err(closed()) }
    }

    /// Whether a member may see something of a channel.
    async fn may(
        &self,
        member: &Member,
        channel: UserId,
        visibility: Visibility,
        has_link: bool,
    ) -> Result<bool, Refusal> {
        if visibility == Visibility::Public || (has_link && visibility.admits(Standing::Link)) {
            return Ok(true);
        }
        let Some(identity) = member.session.identity() else { return Ok(false) };
        let for_followers = visibility.admits(Standing::Follower) && visibility != Visibility::Unlisted;
        Ok(self.facts.is_admitted(channel, identity.user, for_followers).await?)
    }

    /// An error unless the member may see a recording. Its link is known to whoever names it.
    pub(crate) async fn admit_to_vod(&self, member: &Member, room: &db::chat::VodRoom) -> Result<(), Refusal> {
        match self.may(member, room.channel, room.visibility, true).await? {
            true => Ok(()),
            false => Err(Refusal::not_found("recording")),
        }
    }

    /// What of a channel's history this member may read: what was said while something was on air that is not for them is left out.
    pub(crate) async fn readable(&self, member: &Member, messages: Vec<Message>) -> Result<Vec<Message>, Refusal> {
        let mut verdicts: HashMap<StreamId, bool> = HashMap::new();
        for message in &messages {
            let Some(stream) = message.stream.filter(|stream| !verdicts.contains_key(stream)) else { continue };
            // Whom a stream was for that nobody knows any more cannot be told: it is for nobody else.
            let visibility = self.facts.visibility(stream).await?.unwrap_or(Visibility::Private);
            let has_link = member.session.has_link(stream);
            verdicts.insert(stream, self.may(member, message.channel, visibility, has_link).await?);
        }
        let is_readable =
            |message: &Message| message.stream.is_none_or(|stream| verdicts.get(&stream).copied().unwrap_or(false));
        Ok(messages.into_iter().filter(is_readable).collect())
    }

    /// Whether a message said meanwhile is for everybody who sits in the room now.
    pub(crate) async fn is_for_room(&self, name: &Username, stream: Option<StreamId>) -> bool {
        let Some(stream) = stream else { return true };
        match self.facts.visibility(stream).await {
            Ok(Some(Visibility::Public)) => true,
            // The room was cleared for it.
            Ok(Some(_)) => matches!(self.facts.closed(name).await, Ok(Some(airing)) if airing.stream == stream),
            Ok(None) | Err(_) => false,
        }
    }

    /// Shows out of these rooms whoever may not be there any more.
    pub(crate) async fn clear_rooms(&self, names: &[Username]) {
        if names.is_empty() {
            return;
        }
        let airing = match self.facts.closed_among(names).await {
            Ok(airing) => airing,
            Err(error) => return tracing::debug!(%error, "whom rooms are for was not asked"),
        };
        for airing in airing {
            if let Err(error) = self.clear(&airing).await {
                tracing::debug!(%error, channel = %airing.username, "a room was not cleared");
            }
        }
    }

    async fn clear(&self, airing: &Closed) -> db::Result<()> {
        let members = self.registry.in_room(&airing.username);
        let users: HashSet<UserId> =
            members.iter().filter_map(|member| Some(member.session.identity()?.user)).collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let for_followers = airing.visibility == Visibility::Followers;
        let admitted: HashSet<UserId> =
            self.facts.admitted_among(airing.channel, &users, for_followers).await?.into_iter().collect();
        let is_unlisted = airing.visibility == Visibility::Unlisted;
        for member in members {
            let is_known = member.session.identity().is_some_and(|identity| admitted.contains(&identity.user));
            if is_known || (is_unlisted && member.session.has_link(airing.stream)) {
                continue;
            }
            if let Some(watching) = self.registry.leave(member.socket.id, &airing.username) {
                self.viewers.leave(&[watching]).await;
            }
            let _told = member.socket.emit("chat:closed", &json!({ "username": airing.username }));
        }
        Ok(())
    }

    /// Tells a channel's room that something is on air, after showing out those whom it is not for.
    pub(crate) fn tell_room(self: &Arc<Self>, name: Username, push: Push) {
        let gateway = Arc::clone(self);
        self.tracker.spawn(async move {
            gateway.clear_rooms(std::slice::from_ref(&name)).await;
            gateway.emit(&push.target, &push.event, &push.payload);
        });
    }

    /// Whom a stream on air is for was changed: those for whom it is no more see it end, those for whom it is now see it begin.
    pub(crate) fn access_changed(self: &Arc<Self>, name: Username, payload: Value) {
        let gateway = Arc::clone(self);
        self.tracker.spawn(async move {
            gateway.clear_rooms(std::slice::from_ref(&name)).await;
            let visibility =
                |field: &str| payload[field].as_str().and_then(Visibility::parse).unwrap_or(Visibility::Private);
            let (was, now) = (visibility("was"), visibility("now"));
            let stream_id = &payload["stream_id"];
            if was == Visibility::Public {
                // Everybody knew of it.
                gateway.emit(&Target::Site, "stream:offline", &json!({ "username": name, "stream_id": stream_id }));
            }
            let target = if now == Visibility::Public { Target::Site } else { Target::Channel(name.clone()) };
            let is_resumed = now != Visibility::Public;
            let body = json!({ "username": name, "stream_id": stream_id, "is_resumed": is_resumed });
            gateway.emit(&target, "stream:online", &body);
        });
    }

    fn emit(&self, target: &Target, event: &str, payload: &Value) {
        if let Ok(raw) = serde_json::value::to_raw_value(payload) {
            self.speaker.say(target, event, &raw);
        }
    }
}
