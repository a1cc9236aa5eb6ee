//! Chat, presence and viewer counts over Socket.IO.
//!
//! Owns the gateway at `/socket.io/` and the chat history. Does not own accounts, streams or notifications: it reads the
//! first two and forwards what other parts push through [`live::fanout`].

mod access;
mod calls;
mod counts;
mod door;
mod dress;
mod events;
mod facts;
mod fanout;
mod feed;
mod feeds;
mod gateway;
mod greeting;
mod guarded;
pub mod history;
mod limits;
mod line;
pub mod message;
mod order;
mod origin;
mod pace;
mod peer;
mod presence;
mod refusal;
mod registry;
mod review;
pub mod rooms;
mod sampler;
mod saying;
mod session;
mod speaker;
#[cfg(test)]
mod suite;
mod sweep;
mod tail;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
pub use door::{ChatLayer, ChatService};
use kit::health::Health;
use kit::net::TrustedProxies;
use kit::tokens::AccessTokens;
use kit::{Config, Stop};
use live::Live;
use live::claims::Claims;
use live::fanout::Push;
use live::limits::{Limits, Quota};
use live::presence::Presence;
use live::revocations::Revocations;
use live::viewers::Viewers;
use serde_json::Value;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo, SocketIoBuilder, TransportType};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;

use crate::calls::Calls;
use crate::counts::Counts;
use crate::door::{Door, NotOurs, PATH};
use crate::facts::Facts;
use crate::fanout::Outward;
use crate::gateway::Gateway;
use crate::limits::*;
use crate::line::Slots;
use crate::origin::Origins;
use crate::presence::{LastSeen, Watchers};
use crate::registry::Registry;
use crate::rooms::ledger::Ledger;
use crate::speaker::Speaker;
use crate::tail::Tails;

const HEALTH_PART: &str = "chat-history";
const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// Ids of messages remembered as told, and for how long.
const TOLD_MAX: u64 = 100_000;
const TOLD_FOR: Duration = Duration::from_secs(600);

/// What the gateway needs from its process.
#[derive(Clone)]
pub struct Deps {
    pub config: Arc<Config>,
    pub pool: db::Pool,
    pub live: Live,
    pub health: Health,
    /// This node's name, unlike any other's.
    pub node: String,
}

/// The gateway of one node.
pub struct Chat {
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    io: SocketIo,
    live: Live,
    health: Health,
    waiting: mpsc::Receiver<(Instant, Push)>,
    closing: Stop,
}

impl Chat {
    /// Makes the gateway. Nothing needs to be reachable yet.
    ///
    /// # Errors
    /// When an address in the configuration cannot be understood.
    pub async fn new(deps: Deps) -> anyhow::Result<Self> {
        let config = &deps.config;
        let (history, rooms) =
            history::open_both(config, &deps.pool).await.context("chat.mongodb_url cannot be used")?;
        deps.health.expect(HEALTH_PART);
        let (outward, waiting) = Outward::new();
        let registry = Arc::new(Registry::default());
        let tracker = TaskTracker::new();
        let node = deps.node;
        let gateway = Arc::new(Gateway {
            node: node.clone(),
            facts: Facts::new(deps.pool.clone()),
            ledger: Ledger::new(deps.pool.clone()),
            last_seen: LastSeen::new(deps.pool),
            watchers: Watchers::default(),
            history,
            rooms,
            tokens: AccessTokens::new(&config.auth.secret, config.auth.access_ttl_s),
            api_tokens: kit::api_tokens::ApiTokens::new(&config.auth.secret),
            revocations: Revocations::new(deps.live.clone(), config.auth.access_ttl_s),
            limits: Limits::new(deps.live.clone()),
            chat_quota: Quota::new(config.limits.chat_per_user_per_3s, CHAT_WINDOW),
            room_quota: Quota::new(config.limits.chat_per_room_per_s, ROOM_WINDOW),
            member_paces: moka::sync::Cache::builder().max_capacity(MEMBERS_MAX).time_to_idle(MEMBER_IDLE_MAX).build(),
            flooders: moka::sync::Cache::builder().max_capacity(MEMBERS_MAX).time_to_live(FLOODED_REST).build(),
            acts_quota: Quota::new(domain::order::ACTS_MAX, domain::order::ACTS_WINDOW),
            claims: Claims::new(deps.live.clone()),
            desks: order::desk::Desks::default(),
            review: review::Review::new(&config.chat.review)?,
            secret: config.auth.secret.clone(),
            viewers: Viewers::new(deps.live.clone()),
            presence: Presence::new(deps.live.clone()),
            speaker: Arc::new(Speaker::new(Arc::clone(&registry))),
            registry: Arc::clone(&registry),
            counts: Counts::default(),
            audience: live::audience::Audience::new(deps.live.clone(), &node),
            said: sampler::Said::default(),
            tails: Tails::default(),
            outward,
            calls: Calls::default(),
            told: moka::sync::Cache::builder().max_capacity(TOLD_MAX).time_to_live(TOLD_FOR).build(),
            reacting: events::marks::Reacting::default(),
            tracker: tracker.clone(),
        });
        let (service, io) = library().build_with_inner_svc(NotOurs);
        open(&io, &gateway);
        let closing = Stop::new();
        let door = Arc::new(Door {
            io: service,
            gateway: Some(Arc::clone(&gateway)),
            origins: Origins::new(config),
            proxies: TrustedProxies::parse(&config.http.trusted_proxies)?,
            slots: Slots::new(config.chat.connections_per_ip_max, config.limits.viewers_per_ip as usize),
            registry,
            tracker,
            stop: closing.clone(),
        });
        Ok(Self { gateway, door, io, live: deps.live, health: deps.health, waiting, closing })
    }

    /// Puts the gateway in front of a router.
    pub fn layer(&self) -> ChatLayer {
        ChatLayer { door: Arc::clone(&self.door) }
    }

    /// Runs everything behind the sockets until the stop, then closes them.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let Self { gateway, io, live, health, waiting, closing, .. } = self;
        let mut tasks = JoinSet::new();
        let child = stop.child_token();
        tasks.spawn(fanout::tell_others(live.clone(), waiting, child.clone()));
        tasks.spawn(fanout::hear_others(Arc::clone(&gateway), live, child.clone()));
        tasks.spawn(fanout::beat(Arc::clone(&gateway), child.clone()));
        tasks.spawn(calls::tell(Arc::clone(&gateway), child.clone()));
        tasks.spawn(Arc::clone(&gateway.speaker).run(child.clone()));
        tasks.spawn(counts::tell(Arc::clone(&gateway), child.clone()));
        tasks.spawn(counts::vouch(Arc::clone(&gateway), child.clone()));
        tasks.spawn(presence::tell(Arc::clone(&gateway), child.clone()));
        tasks.spawn(presence::note(Arc::clone(&gateway), child.clone()));
        tasks.spawn(counts::note_peaks(Arc::clone(&gateway), child.clone()));
        tasks.spawn(sampler::run(Arc::clone(&gateway), child.clone()));
        tasks.spawn(events::marks::tell_reactions(Arc::clone(&gateway), child.clone()));
        tasks.spawn(order::held::expire(Arc::clone(&gateway), child.clone()));
        tasks.spawn(sweep::run(Arc::clone(&gateway), child.clone()));
        tasks.spawn(watch_history(Arc::clone(&gateway), health, child.clone()));
        let failed = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            Some(ended) = tasks.join_next() => Some(ended),
        };
        child.cancel();
        closing.cancel();
        while tasks.join_next().await.is_some() {}
        close(&gateway, &io).await;
        match failed {
            None => Ok(()),
            Some(ended) => {
                ended.context("a part of the chat gateway failed")??;
                anyhow::bail!("a part of the chat gateway ended before the stop")
            }
        }
    }
}

/// The Socket.IO library with our limits.
fn library() -> SocketIoBuilder {
    let parser = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS_MAX)
        .max_incoming_binary_buf_size(MESSAGE_BYTES_MAX)
        .packet_completion_timeout(CONNECT_WAIT_MAX);
    SocketIo::builder()
        .req_path(PATH)
        .with_parser(parser)
        .transports([TransportType::Polling, TransportType::Websocket])
        .max_payload(MESSAGE_BYTES_MAX as u64)
        .ws_max_message_size(MESSAGE_BYTES_MAX)
        .ws_max_frame_size(MESSAGE_BYTES_MAX)
        .ws_read_buffer_size(READ_BUFFER_BYTES)
        .max_buffer_size(BUFFER_PACKETS)
        .connect_timeout(CONNECT_WAIT_MAX)
        .upgrade_timeout(CONNECT_WAIT_MAX)
        .ping_interval(PING_EVERY)
        .ping_timeout(PONG_WAIT_MAX)
}

fn open(io: &SocketIo, gateway: &Arc<Gateway>) {
    let host = Arc::clone(gateway);
    let announce = move |socket: SocketRef| {
        host.announce(socket);
        std::future::ready(())
    };
    let host = Arc::clone(gateway);
    let welcome = move |socket: SocketRef, auth: TryData<Value>| Arc::clone(&host).welcome(socket, auth);
    io.ns("/", announce.with(welcome));
}

/// Closes every socket, and takes its viewers out of the counts.
async fn close(gateway: &Arc<Gateway>, io: &SocketIo) {
    let watching = gateway.registry.watching();
    if !watching.is_empty() {
        gateway.viewers.leave(&watching).await;
    }
    let members = gateway.registry.all();
    for member in members.iter().filter(|member| !member.socket.is_somebody()) {
        member.socket.disconnect();
    }
    if timeout(CLOSE_WAIT_MAX, io.close()).await.is_err() {
        for member in members {
            member.session.cut(&member.socket);
        }
    }
    gateway.tracker.close();
    if timeout(CLOSE_WAIT_MAX, gateway.tracker.wait()).await.is_err() {
        tracing::warn!(left = gateway.tracker.len(), "chat events were still under way at the stop");
    }
    // Those of the last events among them.
    if timeout(CALLS_STOP_WAIT_MAX, calls::tell_rest(gateway)).await.is_err() {
        tracing::warn!("members named in the last chat lines are not told");
    }
}

async fn watch_history(gateway: Arc<Gateway>, health: Health, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(HEALTH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        match timeout(ACK_WAIT_MAX, gateway.history.ping()).await {
            Ok(Ok(())) => health.up(HEALTH_PART),
            Ok(Err(_)) | Err(_) => health.down(HEALTH_PART, "the chat history does not answer"),
        }
    }
}
