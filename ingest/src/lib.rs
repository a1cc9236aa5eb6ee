//! RTMP in: takes publishers, asks whether they may, hands their media to a transcoder, and keeps the rows of what happened.
//!
//! Everything a peer can send has a limit and a deadline here. Owns no media beyond a bounded queue per publisher, no HTTP and
//! no playlist. The life of a connection is [`session`]; its bytes are read by [`chunk`] and [`amf`], which are public so that
//! they can be fuzzed.

pub mod amf;
mod beat;
pub mod chunk;
pub mod command;
mod delivery;
mod desk;
mod driver;
mod farewell;
mod feed;
mod guesses;
pub mod handshake;
mod hooks;
mod journal;
mod keeper;
mod node;
mod registry;
mod scribe;
pub mod session;
mod socket;
mod tls;
mod vitals;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use db::publish::Rules;
use kit::Stop;
use kit::health::Health;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::desk::Desk;
use crate::driver::Connection;
pub use crate::feed::Fixed;
use crate::feed::Route;
use crate::hooks::Hooks;
use crate::journal::Journal;
use crate::node::{Doors, LogGate, Meters, Node};
use crate::scribe::Scribe;
use crate::socket::{Socket, TlsSocket};
pub use crate::tls::{Tls, TlsError};

/// How long sessions may take to say goodbye once the stop is given.
const STOP_WAIT_MAX: Duration = Duration::from_secs(6);
/// When the process is out of file descriptors, asking again at once would only burn its CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What ingest needs from its process.
pub struct Deps {
    pub config: Arc<kit::Config>,
    pub pool: db::Pool,
    pub live: live::Live,
    pub health: Health,
    /// Where publishers are read.
    pub lanes: kit::lanes::Lanes,
    /// This node's lasting name; streams of an earlier run are found by it.
    pub node: String,
    /// The transcoder to hand media to; `None`: choose by [`live::directory`].
    pub link: Option<Fixed>,
    /// Where RTMPS is served, if it is.
    pub rtmps: Option<(TcpListener, Tls)>,
}

/// Serves publishers until the stop, then says goodbye to each, within six seconds.
pub async fn serve(listener: TcpListener, deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let Deps { config, pool, live, health, lanes, node, link, rtmps } = deps;
    health.expect("ingest");
    let began = kit::clock::now();
    let rules = Rules {
        reconnect_window_s: config.ingest.reconnect_window_s,
        owes_done_hook: !config.hooks.on_publish_done.is_empty(),
    };
    let (hooks, journal) = (Hooks::new(&config.hooks)?, Journal::open(&config.data_dir).await?);
    let guesses_max = config.limits.publish_failures_per_ip_per_minute;
    let (pen, mut scribe) = Scribe::new(pool.clone(), live.clone());
    let desk = Arc::new(Desk::new(pool, node, rules, hooks, journal, guesses_max));
    let node = Arc::new(Node {
        desk: Arc::clone(&desk),
        route: Arc::new(Route::new(link, live)),
        meters: Meters::new(),
        log_gate: LogGate::new(),
        lanes,
        pen,
        config,
    });
    info!(addr = %listener.local_addr()?, "RTMP is served");
    if let Some((listener, _)) = &rtmps {
        info!(addr = %listener.local_addr()?, "RTMPS is served");
    }
    let sessions = TaskTracker::new();
    let keeping = keeper::run(Arc::clone(&desk), began, health, stop.clone());
    let doors = Doors::new(node.config.ingest.connections_max, node.config.ingest.connections_per_ip_max);
    let plain = Entrance { listener, tls: None, doors: Arc::clone(&doors) };
    let secure = async {
        let Some((listener, tls)) = rtmps else { return };
        let fresh = tls.clone().keep_fresh(stop.clone());
        let entrance = Entrance { listener, tls: Some(tls), doors };
        tokio::join!(entrance.accept(&node, &sessions, &stop), fresh);
    };
    tokio::join!(plain.accept(&node, &sessions, &stop), secure, keeping, scribe.run(&stop));
    drop(plain);
    sessions.close();
    desk.tasks.close();
    let farewell = async {
        sessions.wait().await;
        desk.tasks.wait().await;
    };
    if tokio::time::timeout(STOP_WAIT_MAX, farewell).await.is_err() {
        warn!(sessions = sessions.len(), "some sessions did not end in time");
    }
    scribe.close().await;
    Ok(())
}

/// A door of this node.
struct Entrance {
    listener: TcpListener,
    tls: Option<Tls>,
    doors: Arc<Doors>,
}

impl Entrance {
    async fn accept(&self, node: &Arc<Node>, sessions: &TaskTracker, stop: &Stop) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (tcp, addr) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(pass) = self.doors.enter(addr.ip()) else {
                node.meters.refused("connection.too-many");
                continue;
            };
            let socket = match self.greet(tcp) {
                Ok(socket) => socket,
                Err(error) => {
                    debug!(%addr, %error, "a connection was gone before it began");
                    continue;
                }
            };
            let (node, stop) = (Arc::clone(node), stop.clone());
            // Boxed: a waiting stranger costs what he needs, not what a publisher's farewell would.
            sessions.spawn(Box::pin(async move {
                let _pass = pass;
                node.meters.connections.increment(1.0);
                connection(socket, addr, Arc::clone(&node), &stop).await;
                node.meters.connections.decrement(1.0);
            }));
        }
    }

    fn greet(&self, tcp: TcpStream) -> anyhow::Result<Socket> {
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Socket::Plain(tcp),
            Some(tls) => Socket::Tls(Box::new(TlsSocket::new(tcp, tls.accept()?))),
        })
    }
}

async fn connection(socket: Socket, addr: SocketAddr, node: Arc<Node>, stop: &Stop) {
    let connection = Box::new(Connection::new(addr, node));
    let Some((connection, socket)) = connection.serve(socket, stop).await else { return };
    Box::pin(farewell::part(connection, socket)).await;
}
