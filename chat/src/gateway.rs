//! The gateway of one node: who connects, what becomes of an event, and when a sign-in ends.
//!
//! What each event means is in [`crate::events`]; how nodes hear of each other is in [`crate::fanout`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{MessageId, SessionId, UserId};
use kit::Secret;
use kit::api_tokens::ApiTokens;
use kit::tokens::AccessTokens;
use live::audience::Audience;
use live::claims::Claims;
use live::fanout::Target;
use live::limits::{Limits, Quota};
use live::presence::Presence;
use live::revocations::Revocations;
use live::viewers::{Viewers, is_viewer_id};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Event, SocketRef, TryData};
use socketioxide::socket::Sid;
use socketioxide::{SendError, SocketError};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use crate::calls::Calls;
use crate::counts::Counts;
use crate::events::marks::Reacting;
use crate::events::say::too_fast;
use crate::facts::Facts;
use crate::fanout::Outward;
use crate::history::History;
use crate::limits::{ACK_WAIT_MAX, AUTH_WAIT_MAX, FLOODED_REST, MEMBER_EVENTS_BURST, MEMBER_EVENTS_PER_S, RENEW_GRACE};
use crate::line::Line;
use crate::order::desk::Desks;
use crate::pace::Pace;
use crate::peer::Peer;
use crate::presence::{LastSeen, Watchers};
use crate::refusal::Refusal;
use crate::registry::{Member, Registry};
use crate::review::Review;
use crate::rooms::ledger::Ledger;
use crate::rooms::store::RoomHistory;
use crate::sampler::Said;
use crate::session::{Admission, Identity, Session};
use crate::speaker::Speaker;
use crate::tail::Tails;

/// How long a goodbye may take to reach the client before the connection is cut.
const GOODBYE_WAIT: Duration = Duration::from_secs(1);

pub(crate) struct Gateway {
    pub node: String,
    pub facts: Facts,
    pub ledger: Ledger,
    pub history: Arc<dyn History>,
    pub rooms: Arc<dyn RoomHistory>,
    pub tokens: AccessTokens,
    pub api_tokens: ApiTokens,
    pub revocations: Revocations,
    pub limits: Limits,
    pub chat_quota: Quota,
    pub room_quota: Quota,
    /// What a member's sockets may ask of this node together: many sockets are not many members.
    pub member_paces: Cache<UserId, Arc<MemberPace>>,
    /// Members of whom a socket was cut for a flood: they wait before they come back.
    pub flooders: Cache<UserId, ()>,
    pub acts_quota: Quota,
    pub claims: Claims,
    pub desks: Desks,
    pub review: Review,
    /// Keys digests of what was said.
    pub secret: Secret,
    pub viewers: Viewers,
    pub presence: Presence,
    pub watchers: Watchers,
    pub last_seen: LastSeen,
    pub registry: Arc<Registry>,
    pub speaker: Arc<Speaker>,
    pub counts: Counts,
    /// Whom streams reach, and lines on their way to be counted.
    pub audience: Audience,
    pub said: Said,
    pub tails: Tails,
    pub outward: Outward,
    /// Lines that name members, of which those have not been told.
    pub calls: Calls,
    /// Messages this node's sockets have been told of.
    pub told: Cache<MessageId, ()>,
    /// Messages reacted to, of which rooms have not heard yet.
    pub reacting: Reacting,
    pub tracker: TaskTracker,
}

/// What a client sends when it connects. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
struct Auth {
    #[serde(default)]
    token: Option<String>,
    /// The id under which the same person's player reads playlists: both count as one viewer.
    #[serde(default)]
    viewer_id: Option<String>,
}

/// A refused connection. Clients see the code as the message of their `connect_error`.
#[derive(Debug)]
pub(crate) struct Refused(&'static str);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.code)
    }
}

/// What all of a member's sockets on this node have together.
pub(crate) struct MemberPace {
    /// Events of any kind.
    events: Mutex<Pace>,
    /// Lines of chat. Redis counts them exactly; this keeps a flood from becoming one of questions to it.
    lines: Mutex<Pace>,
}

/// Why a sign-in is not believed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The token ran out; `auth:renew` within the grace goes on without a reconnect.
    Expired,
    /// Signed out, suspended or revoked.
    Revoked,
}

impl Gateway {
    /// Decides about a connection and prepares its socket. Runs before the client is told that it is connected.
    pub(crate) async fn welcome(self: Arc<Self>, socket: SocketRef, auth: TryData<Value>) -> Result<(), Refused> {
        let auth = auth.0.ok().filter(Value::is_object).and_then(|auth| serde_json::from_value::<Auth>(auth).ok());
        let auth = auth.ok_or(Refused("request.invalid"))?;
        let identity = match auth.token.as_deref() {
            None | Some("") => None,
            Some(token) => Some(self.identify(token).await?),
        };
        let viewer = match (auth.viewer_id, identity) {
            (Some(viewer), _) if is_viewer_id(&viewer) => viewer,
            (Some(_), _) => return Err(Refused("request.invalid")),
            (None, Some(identity)) => identity.user.to_string(),
            (None, None) => socket.id.to_string(),
        };
        let line = socket.req_parts().extensions.get::<Arc<Line>>().cloned();
        let viewer = line.as_ref().map_or_else(|| viewer.as_str().into(), |line| line.viewer(&viewer));
        let name = socket.id.to_string().into();
        let session = Arc::new(Session::new(name, viewer, identity, line));
        socket.extensions.insert(Arc::clone(&session));
        let gateway = Arc::clone(&self);
        socket.on_fallback(move |socket: SocketRef, Event(event), TryData(data): TryData<Value>, ack: AckSender| {
            gateway.receive(socket, event, data.ok(), ack);
            std::future::ready(())
        });
        let gateway = self;
        socket.on_disconnect(move |socket: SocketRef| {
            gateway.depart(socket.id, &session);
            std::future::ready(())
        });
        Ok(())
    }

    /// Takes a connected socket in.
    pub(crate) fn announce(&self, socket: SocketRef) {
        let Some(session) = socket.extensions.get::<Arc<Session>>() else { return };
        self.registry.add(Member { socket: socket.into(), session });
    }

    /// A socket or a feed is gone.
    pub(crate) fn depart(self: &Arc<Self>, id: Sid, session: &Arc<Session>) {
        let left = self.registry.remove(id, session);
        self.desks.remove(id);
        self.watchers.forget(id);
        if left.user.is_none() && left.watching.is_empty() {
            return;
        }
        let gateway = Arc::clone(self);
        let name = Arc::clone(&session.name);
        self.tracker.spawn(async move {
            if !left.watching.is_empty() {
                gateway.viewers.leave(&left.watching).await;
            }
            if let Some(user) = left.user {
                gateway.last_seen.note_left(user, kit::clock::now());
                gateway.presence.leave(&[(user, name)]).await;
            }
        });
    }

    /// Whom a token speaks for, if it is to be believed.
    pub(crate) async fn identify(&self, token: &str) -> Result<Identity, Refusal> {
        let claims = self.tokens.verify(token)?;
        let identity = Identity::from(&claims);
        if self.flooders.contains_key(&identity.user) {
            return Err(Refusal::new("chat.throttled", "wait a moment").later(FLOODED_REST));
        }
        let alive = tokio::time::timeout(AUTH_WAIT_MAX, self.is_alive(identity)).await;
        match alive.map_err(|_elapsed| Refusal::unavailable())?? {
            true => Ok(identity),
            false => Err(Refusal::new("auth.invalid-token", "the sign-in is over")),
        }
    }

    /// Whether a sign-in has been neither revoked nor suspended: Redis says so first, Postgres is the truth. One of the two
    /// must answer.
    async fn is_alive(&self, identity: Identity) -> Result<bool, Refusal> {
        let quick = self.revocations.is_revoked(identity.session, identity.jti).await;
        if quick == Some(true) {
            return Ok(false);
        }
        match self.facts.dead_sessions(&[identity.session]).await {
            Ok(dead) => Ok(dead.is_empty()),
            Err(_) if quick == Some(false) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The member a socket speaks for at this moment. Ends the sign-in when it is over.
    pub(crate) async fn current(&self, member: &Member) -> Result<Identity, Refusal> {
        let identity = member.session.identity().ok_or_else(Refusal::unauthenticated)?;
        if identity.expires_at <= kit::clock::unix_seconds() {
            self.expire(member, Expiry::Expired);
            return Err(Refusal::unauthenticated());
        }
        // A sweep asks Postgres every moment; per event the quick answer is enough, if there is one.
        let is_alive = match self.revocations.is_revoked(identity.session, identity.jti).await {
            Some(is_revoked) => !is_revoked,
            None => self.is_alive(identity).await?,
        };
        if !is_alive {
            self.expire(member, Expiry::Revoked);
            return Err(Refusal::unauthenticated());
        }
        Ok(identity)
    }

    /// Makes a socket anonymous and tells it so. It is closed at once, or after the grace for renewal.
    pub(crate) fn expire(&self, member: &Member, why: Expiry) {
        let user = self.set_identity(member, None);
        if user.is_none() {
            return;
        }
        let code = match why {
            Expiry::Expired => "auth.expired",
            Expiry::Revoked => "auth.revoked",
        };
        let _told = member.socket.emit("auth:expired", &json!({ "code": code }));
        match why {
            // A feed has no way to show another token.
            Expiry::Expired if member.socket.is_somebody() => {
                member.session.set_close_at(Some(Instant::now() + RENEW_GRACE));
            }
            Expiry::Expired | Expiry::Revoked => self.close(member),
        }
    }

    /// Says for whom a socket speaks from now on.
    pub(crate) fn set_identity(&self, member: &Member, identity: Option<Identity>) -> Option<UserId> {
        let before = self.registry.set_identity(member.socket.id, identity);
        if identity.is_some() {
            member.session.set_close_at(None);
        }
        let is_news = |user: &UserId| identity.is_none_or(|identity| identity.user != *user);
        if let Some(user) = before.filter(is_news).filter(|_| member.socket.is_somebody()) {
            self.watchers.forget(member.socket.id);
            self.last_seen.note_left(user, kit::clock::now());
            let (presence, name) = (self.presence.clone(), Arc::clone(&member.session.name));
            self.tracker.spawn(async move { presence.leave(&[(user, name)]).await });
        }
        before
    }

    /// Ends every sign-in named, wherever its sockets are.
    pub(crate) fn revoke(&self, session: SessionId) {
        for (member, identity) in self.registry.signed_in() {
            if identity.session == session {
                self.expire(&member, Expiry::Revoked);
            }
        }
    }

    /// Says goodbye, and cuts the connection if the client does not.
    pub(crate) fn close(&self, member: &Member) {
        let member = member.clone();
        self.tracker.spawn(async move {
            // Events under way get their answers first.
            let _in_time = timeout_at(Instant::now() + ACK_WAIT_MAX, member.session.idle()).await;
            member.socket.disconnect();
            sleep(GOODBYE_WAIT).await;
            member.session.cut(&member.socket);
        });
    }

    /// One event of a client. Never waits: the work is done by a task, in the client's order.
    fn receive(self: &Arc<Self>, socket: SocketRef, event: String, data: Option<Value>, ack: AckSender) {
        let Some(session) = socket.extensions.get::<Arc<Session>>() else { return };
        let socket = Peer::from(socket);
        // The client knows that it is connected a moment before we are told, and may be quick.
        if !self.registry.knows(socket.id) {
            self.registry.add(Member { socket: socket.clone(), session: Arc::clone(&session) });
        }
        let shared =
            session.identity().map(|identity| self.member_paces.get_with(identity.user, || self.member_pace()));
        let permit = match session.admit(shared.as_ref().map(|shared| &shared.events)) {
            Admission::Go(permit) => permit,
            Admission::Later(wait) => {
                let refusal = Refusal::new("chat.throttled", "you are asking too fast").later(wait);
                return acknowledge(&socket, &session, ack, &refusal);
            }
            Admission::Cut => {
                metrics::counter!("rillcast_chat_cut_total", "reason" => "flood").increment(1);
                if let Some(identity) = session.identity() {
                    self.flooders.insert(identity.user, ());
                }
                return session.cut(&socket);
            }
        };
        if event == "chat:send"
            && let Some(wait) = shared.and_then(|shared| take(&shared.lines))
        {
            return acknowledge(&socket, &session, ack, &too_fast(wait));
        }
        let deadline = Instant::now() + ACK_WAIT_MAX;
        let gateway = Arc::clone(self);
        self.tracker.spawn(async move {
            let member = Member { socket, session };
            let answer = timeout_at(deadline, async {
                let _turn = member.session.turn.lock().await;
                gateway.answer(&member, &event, data.unwrap_or(Value::Null)).await
            });
            match answer.await {
                Ok(Ok(answer)) => {
                    acknowledge(&member.socket, &member.session, ack, &answer.body);
                    if let Some(news) = answer.then {
                        gateway.tell(news).await;
                    }
                }
                Ok(Err(refusal)) => acknowledge(&member.socket, &member.session, ack, &refusal),
                Err(_elapsed) => {
                    tracing::warn!(event, "a chat event was not answered in time");
                    acknowledge(&member.socket, &member.session, ack, &Refusal::unavailable());
                }
            }
            drop(permit);
        });
    }

    /// Never less than a member may say by the configuration.
    fn member_pace(&self) -> Arc<MemberPace> {
        let (said, now) = (self.chat_quota.events, Instant::now());
        Arc::new(MemberPace {
            events: Mutex::new(Pace::new(MEMBER_EVENTS_PER_S.max(said), MEMBER_EVENTS_BURST.max(said), now)),
            lines: Mutex::new(Pace::about(self.chat_quota, now)),
        })
    }

    /// Tells this node's sockets at once, and every other node.
    pub(crate) async fn tell(&self, news: News) {
        if let Some(id) = news.message {
            self.told.insert(id, ());
        }
        if let Target::Channel(name) = &news.target {
            self.tails.forget(name);
        }
        let Ok(raw) = serde_json::value::to_raw_value(&news.payload) else { return };
        self.speaker.say(&news.target, news.event, &raw);
        self.outward.send(live::fanout::Push {
            target: news.target,
            event: news.event.to_owned(),
            payload: news.payload,
            origin: Some(self.node.clone()),
        });
    }
}

/// Takes one, or says how long to wait for it.
fn take(pace: &Mutex<Pace>) -> Option<Duration> {
    pace.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take(1, Instant::now()).err()
}

/// An answered event.
pub(crate) struct Answer {
    pub body: Value,
    /// What others are told once the sender has its answer.
    pub then: Option<News>,
}

/// Something every socket concerned is to hear.
pub(crate) struct News {
    pub target: Target,
    pub event: &'static str,
    pub payload: Value,
    /// The message it is about, when it is a new one.
    pub message: Option<MessageId>,
}

/// Sends an acknowledgement. A client whose buffer is full takes nothing and is cut.
fn acknowledge(socket: &Peer, session: &Session, ack: AckSender, body: &impl serde::Serialize) {
    if let Err(SendError::Socket(SocketError::InternalChannelFull)) = ack.send(body) {
        metrics::counter!("rillcast_chat_cut_total", "reason" => "slow").increment(1);
        session.cut(socket);
    }
}
