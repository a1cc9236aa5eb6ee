//! `GET /api/v1/events`: the gateway's events for clients without Socket.IO (server-sent events).
//!
//! A feed is a member of the registry like a socket, so whoever tells rooms, members or the site tells feeds, by the same rules.
//! It sends nothing, counts as no viewer, and shows nobody as being there.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use domain::api_token::Scope;
use domain::user::Username;
use domain::{Kind, StreamId};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Uri};
use kit::Problem;
use kit::api_tokens::TokenHash;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::socket::Sid;

use crate::feed::{Feed, Flow};
use crate::gateway::Gateway;
use crate::limits::{FEED_NAMES_MAX, FEEDS_PER_MEMBER_MAX, ROOMS_MAX};
use crate::line::Line;
use crate::message::moment;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::registry::{JoinRefusal, Member};
use crate::session::{Identity, Session};

pub(crate) const PATH: &str = "/api/v1/events";

/// What a feed is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Names of channels with commas between; `name@stream` where the link to an unlisted stream is known.
    #[serde(default)]
    channels: String,
    /// Names of events with commas between; all without.
    #[serde(default)]
    events: String,
}

/// A channel, and the link to what it airs if the reader has one.
type Named = (Username, Option<StreamId>);

impl Wish {
    fn channels(&self) -> Result<Vec<Named>, Refusal> {
        let mut named: Vec<Named> = Vec::new();
        for word in words(&self.channels) {
            let (name, link) = match word.split_once('@') {
                Some((name, link)) => {
                    let link = link.parse().map_err(|_| Refusal::invalid("what follows @ is no stream's id"))?;
                    (name, Some(link))
                }
                None => (word, None),
            };
            let name = Username::parse(name)?;
            if !named.iter().any(|(known, _)| *known == name) {
                named.push((name, link));
            }
            if named.len() > ROOMS_MAX {
                return Err(Refusal::invalid(format!("at most {ROOMS_MAX} channels can be named")));
            }
        }
        Ok(named)
    }

    fn events(&self) -> Result<Option<Vec<String>>, Refusal> {
        let names: Vec<String> = words(&self.events).map(str::to_owned).collect();
        if names.len() > FEED_NAMES_MAX {
            return Err(Refusal::invalid(format!("at most {FEED_NAMES_MAX} events can be named")));
        }
        Ok((!names.is_empty()).then_some(names))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Takes a feed out of everything when its reader is gone.
struct Leaving {
    gateway: Arc<Gateway>,
    id: Sid,
    session: Arc<Session>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.gateway.depart(self.id, &self.session);
    }
}

/// A request for a feed.
pub(crate) struct Asked<'a> {
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    pub addr: IpAddr,
    pub line: Arc<Line>,
}

/// Answers with a feed, or says why not.
pub(crate) async fn open(gateway: Arc<Gateway>, asked: Asked<'_>) -> Response {
    match begin(gateway, asked).await {
        Ok(flow) => {
            let headers = [
                (CONTENT_TYPE, "text/event-stream"),
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                // nginx would gather what is to be read at once.
                (HeaderName::from_static("x-accel-buffering"), "no"),
            ];
            (headers, Body::from_stream(flow)).into_response()
        }
        Err(refusal) => problem(refusal).into_response(),
    }
}

async fn begin(gateway: Arc<Gateway>, asked: Asked<'_>) -> Result<Flow<Leaving>, Refusal> {
    let Asked { uri, headers, addr, line } = asked;
    let Query(wish) = Query::<Wish>::try_from_uri(uri).map_err(|error| Refusal::invalid(error.body_text()))?;
    let (channels, events) = (wish.channels()?, wish.events()?);
    let identity = who(&gateway, headers, addr).await?;
    let feed = Feed::new(events);
    let peer = Peer::from(Arc::clone(&feed));
    let name: Arc<str> = peer.id.to_string().into();
    let session = Arc::new(Session::new(Arc::clone(&name), name, identity, Some(line)));
    let member = Member { socket: peer.clone(), session: Arc::clone(&session) };
    if !gateway.registry.add_feed(member.clone(), FEEDS_PER_MEMBER_MAX) {
        let detail = format!("at most {FEEDS_PER_MEMBER_MAX} feeds of one member are open at a time");
        return Err(Refusal::new("events.too-many", detail).later(std::time::Duration::from_secs(5)));
    }
    // From here on whatever ends this takes the feed out again.
    let leaving = Leaving { gateway: Arc::clone(&gateway), id: peer.id, session };
    let mut shown = Vec::with_capacity(channels.len());
    for (name, link) in channels {
        shown.push(gateway.follow(&member, &name, link).await?);
    }
    let ready = json!({ "now": moment(kit::clock::now()), "channels": shown, "is_resumed": false });
    let _first = peer.emit("ready", &ready);
    Ok(Flow::new(feed, leaving))
}

/// Whom the request speaks for. A token that is not good is refused: the reader is to renew it, not to hear less.
async fn who(gateway: &Gateway, headers: &HeaderMap, addr: IpAddr) -> Result<Option<Identity>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    match gateway.api_tokens.hash_of(token) {
        Some(hash) => gateway.identify_program(&hash, addr).await.map(Some),
        None => gateway.identify(token).await.map(Some),
    }
}

impl Gateway {
    /// Whom a program's token speaks for, if it may listen.
    async fn identify_program(&self, hash: &TokenHash, addr: IpAddr) -> Result<Identity, Refusal> {
        let found = self.facts.bearer(hash, &addr.to_string()).await?;
        let bearer = found.ok_or_else(|| Refusal::new("auth.invalid-token", "the token is not valid"))?;
        if !bearer.scopes.contains(&Scope::EventsRead) {
            let detail = format!("this token has not the scope {}", Scope::EventsRead.as_str());
            return Err(Refusal::new("api-token.scope", detail));
        }
        Ok(Identity {
            user: bearer.user,
            session: bearer.session,
            // It has no tokens of its own that could be called back one by one.
            jti: bearer.session.as_uuid(),
            expires_at: u64::try_from(bearer.expires_at.timestamp()).unwrap_or(0),
        })
    }

    /// Lets a feed into a channel's room, and says how it stands there.
    async fn follow(&self, member: &Member, name: &Username, link: Option<StreamId>) -> Result<Value, Refusal> {
        let channel = self.channel(name).await?;
        self.admit(member, name, link).await?;
        self.registry.join(member.socket.id, name).map_err(|refusal| match refusal {
            JoinRefusal::Gone => Refusal::unavailable(),
            JoinRefusal::TooManyRooms => Refusal::invalid(format!("at most {ROOMS_MAX} channels can be named")),
        })?;
        let (count, on_air) = tokio::join!(self.count_now(name), self.facts.on_air(channel));
        let stream = on_air?.map(|on_air| on_air.id);
        let mut shown = json!({ "username": name, "viewers": count.count, "stream_id": stream });
        if count.is_stale {
            shown["stale"] = json!(true);
        }
        Ok(shown)
    }
}

/// A refusal in HTTP's words.
fn problem(refusal: Refusal) -> Problem {
    let kind = match refusal.code {
        "not-found" => Kind::NotFound,
        "chat.closed" | "api-token.scope" => Kind::Forbidden,
        "auth.invalid-token" => Kind::Unauthenticated,
        "events.too-many" | "chat.throttled" => Kind::Throttled,
        "chat.unavailable" => Kind::Unavailable,
        _ => Kind::Invalid,
    };
    let problem = Problem::new(kind, refusal.code, refusal.detail);
    match refusal.retry_after_ms {
        Some(wait) => problem.retry_after_ms(wait),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(query: &str) -> Wish {
        let uri: Uri = format!("{PATH}?{query}").parse().unwrap();
        Query::<Wish>::try_from_uri(&uri).unwrap().0
    }

    #[test]
    fn channels_are_named_once_with_or_without_a_link() {
        let id = kit::ids::uuid();
        let named = wish(&format!("channels=alice,%20bob@{id},,alice")).channels().unwrap();
        assert_eq!(named.len(), 2);
        assert_eq!((named[0].0.as_str(), named[0].1), ("alice", None));
        assert_eq!((named[1].0.as_str(), named[1].1), ("bob", Some(StreamId::from_uuid(id))));
        assert!(wish("channels=bob@moon").channels().is_err());
        let many: Vec<String> = (0..=ROOMS_MAX).map(|n| format!("member{n}")).collect();
        assert!(wish(&format!("channels={}", many.join(","))).channels().is_err());
        assert!(wish(&format!("events={}", "e,".repeat(FEED_NAMES_MAX + 1))).events().is_err());
    }
}
