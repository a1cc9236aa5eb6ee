//! A site for one test: a database, a Redis prefix, members, and as many chat nodes as wanted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chat::{Chat, Deps};
use domain::user::{Role, Username};
use domain::{SessionId, StreamId, UserId, VodId};
use kit::health::Health;
use kit::tokens::AccessTokens;
use kit::{Config, Secret, Stop};
use live::Live;
use serde_json::{Value, json};
use testkit::services::{self, DatabaseGuard};
use testkit::socket::{ConnectOptions, SocketClient};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub const TTL_S: u64 = 900;

pub struct Site {
    pub config: Config,
    pub pool: db::Pool,
    pub tokens: AccessTokens,
    _database: DatabaseGuard,
}

/// A member with a sign-in.
pub struct Account {
    pub id: UserId,
    pub name: Username,
    pub session: SessionId,
    pub token: String,
}

pub struct Node {
    pub url: String,
    pub live: Live,
    pub health: Health,
    stop: Stop,
    gateway: JoinSet<anyhow::Result<()>>,
    server: JoinSet<()>,
}

impl Site {
    pub async fn start() -> Self {
        let (url, database) = services::database().await;
        let mut config = Config::default();
        config.auth.secret = Secret::new("a secret of tests");
        config.auth.access_ttl_s = TTL_S;
        config.database.url = Secret::new(&*url);
        config.redis.url = Secret::new(services::redis_url());
        config.redis.prefix = services::redis_prefix();
        // Most tests are not about being throttled.
        config.limits.chat_per_user_per_3s = 1_000;
        config.limits.chat_per_room_per_s = 10_000;
        config.limits.viewers_per_ip = 10_000;
        let tokens = AccessTokens::new(&config.auth.secret, TTL_S);
        Self { pool: db::testing::pool(&url).unwrap(), config, tokens, _database: database }
    }

    pub async fn node(&self) -> Node {
        Node::start(self.config.clone()).await
    }

    pub fn live(&self) -> Live {
        Live::new(&self.config.redis).unwrap()
    }

    pub async fn member(&self, name: &str) -> Account {
        self.member_as(name, Role::User).await
    }

    pub async fn member_as(&self, name: &str, role: Role) -> Account {
        let digest: [u8; 32] = kit::ids::random_bytes();
        let id = db::testing::add_channel(&self.pool, name, &digest).await.unwrap();
        let session = SessionId::from_uuid(kit::ids::uuid());
        self.execute(&format!(
            "UPDATE users SET role = '{}' WHERE user_id = '{id}';
             INSERT INTO sessions (session_id, user_id, expires_at) VALUES ('{session}', '{id}', now() + interval '1 day')",
            role.as_str()
        ))
        .await;
        let token = self.tokens.issue(id, session, role);
        Account { id, name: Username::parse(name).unwrap(), session, token }
    }

    /// Puts a channel on air, as if its stream had started `age` ago. Its recording has the second id.
    pub async fn go_live(&self, channel: &Account, age: Duration) -> (StreamId, VodId) {
        let (stream, vod) = (kit::ids::uuid(), kit::ids::uuid());
        self.execute(&format!(
            "INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at)
             VALUES ('{stream}', '{id}', 'a stream', 'live', 'n', now() - interval '{age} milliseconds');
             INSERT INTO vods (vod_id, stream_id, channel_id, title, status, object_prefix, created_at)
             VALUES ('{vod}', '{stream}', '{id}', 'a stream', 'recording', 'vod/{vod}/', now())",
            id = channel.id,
            age = age.as_millis(),
        ))
        .await;
        (StreamId::from_uuid(stream), VodId::from_uuid(vod))
    }

    pub async fn execute(&self, statements: &str) {
        db::testing::execute(&self.pool, statements).await.unwrap();
    }
}

impl Node {
    pub async fn start(config: Config) -> Self {
        let live = Live::new(&config.redis).unwrap();
        let health = Health::default();
        let deps = Deps {
            pool: db::testing::pool(config.database.url.expose()).unwrap(),
            config: Arc::new(config),
            live: live.clone(),
            health: health.clone(),
            node: kit::ids::random_token::<4>(),
        };
        let chat = Chat::new(deps).await.unwrap();
        let router = axum::Router::new().fallback(|| async { "not chat" }).layer(chat.layer());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
        let stop = Stop::new();
        let mut gateway = JoinSet::new();
        gateway.spawn(chat.run(stop.clone()));
        Self { url: format!("http://{address}"), live, health, stop, gateway, server }
    }

    pub async fn anonymous(&self) -> SocketClient {
        self.connect(json!({})).await
    }

    pub async fn sign_in(&self, account: &Account) -> SocketClient {
        self.connect(json!({ "token": account.token })).await
    }

    pub async fn connect(&self, auth: Value) -> SocketClient {
        SocketClient::connect(&self.url, ConnectOptions { auth, origin: None }).await.expect("connected")
    }

    /// Ends its tasks without a word, as `kill -9` does. Its sockets stay open and say nothing.
    pub fn kill(&mut self) {
        self.gateway.abort_all();
    }

    /// Stops properly.
    pub async fn stop(self) {
        self.stop_keeping_server().await;
    }

    /// Stops the gateway; the HTTP server in front of it stays until what is returned is dropped.
    pub async fn stop_keeping_server(mut self) -> JoinSet<()> {
        self.stop.cancel();
        let ended = timeout(Duration::from_secs(8), self.gateway.join_next()).await.expect("stops in time");
        ended.expect("one task").expect("no panic").expect("no error");
        self.server
    }
}

/// Joins and returns the acknowledgement.
pub async fn join(client: &SocketClient, channel: &Account) -> Value {
    let answer = client.ask("stream:join", json!({ "username": channel.name })).await.unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    answer
}

/// Sends a line under a fresh client id.
pub async fn say(client: &SocketClient, channel: &Account, text: &str) -> Value {
    let client_id = kit::ids::random_token::<8>();
    let body = json!({ "username": channel.name, "text": text, "client_id": client_id });
    client.ask("chat:send", body).await.unwrap()
}

/// Asks until `holds`, at most for `wait`.
pub async fn until<T: std::fmt::Debug>(wait: Duration, ask: impl AsyncFn() -> T, holds: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + wait;
    loop {
        let answer = ask().await;
        if holds(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?} after {wait:?}");
        sleep(Duration::from_millis(25)).await;
    }
}

/// A TCP relay that can be cut: what stands behind it is away then, for whoever goes through it.
pub struct Relay {
    pub address: SocketAddr,
    up: tokio::sync::watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (up, watch) = tokio::sync::watch::channel(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut watch = watch.clone();
                relays.spawn(async move {
                    if !*watch.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(to).await else { return };
                    let cut = CancellationToken::new();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = watch.wait_for(|up| !up) => cut.cancel(),
                    }
                });
            }
        });
        Self { address, up, _tasks: tasks }
    }

    /// To the host and port of a URL such as `redis://127.0.0.1:6379`.
    pub async fn to_url(url: &str) -> (Self, String) {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(a, p)| (a, format!("/{p}")));
        let (user, host) = authority.split_once('@').map_or((String::new(), authority), |(u, h)| (format!("{u}@"), h));
        let relay = Self::start(host.parse().expect("an address with a port")).await;
        let through = format!("{scheme}://{user}{}{path}", relay.address);
        (relay, through)
    }

    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}
