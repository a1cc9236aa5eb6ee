//! A stretch of network between a program and a service it depends on, which a test can make slow or cut.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Pieces on their way in one direction of one connection.
const PIECES_MAX: usize = 1_024;

#[derive(Debug, Clone, Copy, Default)]
struct Mood {
    /// What each answer is late by.
    delay: Duration,
    is_cut: bool,
}

/// Passes connections on to one service.
pub struct Proxy {
    addr: SocketAddr,
    mood: watch::Sender<Mood>,
    _task: JoinSet<()>,
}

impl Proxy {
    /// Listens on a port of the kernel's choice for `target`, a `host:port`.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let mood = watch::Sender::new(Mood::default());
        let (moods, target, mut task) = (mood.subscribe(), target.to_owned(), JoinSet::new());
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, target.clone(), moods.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { addr, mood, _task: task }
    }

    /// The address of a service behind a proxy of its own: `url` with another host and port.
    ///
    /// # Panics
    /// When `url` names no host and port.
    pub async fn before(url: &str) -> (Self, String) {
        let (_, rest) = url.split_once("://").expect("a URL");
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let target = authority.rsplit('@').next().unwrap_or_default().to_owned();
        let proxy = Self::start(&target).await;
        let through = url.replacen(&target, &proxy.addr.to_string(), 1);
        (proxy, through)
    }

    /// From now on each answer comes so much later.
    pub fn delay(&self, delay: Duration) {
        self.mood.send_modify(|mood| mood.delay = delay);
    }

    /// Cuts all connections and takes no new ones, or takes them again.
    pub fn cut(&self, is_cut: bool) {
        self.mood.send_modify(|mood| mood.is_cut = is_cut);
    }
}

async fn pass(mut client: TcpStream, target: String, mut moods: watch::Receiver<Mood>) {
    if moods.borrow_and_update().is_cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let delay = moods.clone();
    let carried = async {
        tokio::join!(
            carry(from_client, to_server, || Duration::ZERO),
            carry(from_server, to_client, || delay.borrow().delay)
        )
    };
    tokio::select! {
        _ = carried => {}
        _ = moods.wait_for(|mood| mood.is_cut) => {}
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: impl Fn() -> Duration) {
    let (pieces, mut due) = mpsc::channel::<(Instant, Bytes)>(PIECES_MAX);
    let read = async move {
        loop {
            let mut piece = BytesMut::with_capacity(64 * 1_024);
            match from.read_buf(&mut piece).await {
                Ok(1..) if pieces.send((Instant::now() + delay(), piece.freeze())).await.is_ok() => {}
                _ => return,
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
