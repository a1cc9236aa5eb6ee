//! A site for one test: its own database, Redis prefix and (when asked for) bucket, and a client that keeps no cookies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use domain::UserId;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use kit::config::{Config, DatabaseConfig, RedisConfig, StorageConfig};
use kit::origin::{Asked, LocalOrigin};
use kit::{Secret, Stop};
use serde_json::{Value, json};
use testkit::services::{self, DatabaseGuard};
use tokio::task::JoinSet;
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse battery";
pub const SECRET: &str = "a site secret for tests";

pub struct Site {
    pub router: Router,
    pub pool: db::Pool,
    pub live: live::Live,
    pub config: Arc<Config>,
    stop: Stop,
    _tasks: JoinSet<anyhow::Result<()>>,
    _database: Option<DatabaseGuard>,
}

/// What differs from the usual site.
pub struct Setup {
    pub config: Config,
    pub database_url: Option<String>,
    pub redis_url: Option<String>,
    pub local_origin: Option<Router>,
    pub site_url: String,
    pub runs_upkeep: bool,
    /// The product's own pool, of so many connections, instead of the tests' small one.
    pub connections: Option<u32>,
}

/// An origin made of routes.
struct Routes(Router);

impl LocalOrigin for Routes {
    fn answer<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Response> {
        let address = format!("/live/{}?{}", asked.path, asked.query.unwrap_or_default());
        let request = Request::get(address).body(Body::empty()).expect("a request");
        let answer = self.0.clone().oneshot(request);
        Box::pin(async move { answer.await.unwrap_or_else(|never| match never {}) })
    }
}

impl Setup {
    pub fn new() -> Self {
        let mut config = Config::default();
        config.auth.secret = Secret::new(SECRET);
        config.limits.register_per_ip_per_hour = 10_000;
        config.limits.login_per_ip_per_minute = 10_000;
        config.storage = StorageConfig { endpoint: "http://127.0.0.1:9".to_owned(), ..StorageConfig::default() };
        Self {
            config,
            database_url: None,
            redis_url: None,
            local_origin: None,
            site_url: "http://tv.test".to_owned(),
            runs_upkeep: false,
            connections: None,
        }
    }

    pub async fn start(self) -> Site {
        let mut config = self.config;
        let (url, guard) = match self.database_url {
            Some(url) => (url, None),
            None => {
                let (url, guard) = services::database().await;
                (url, Some(guard))
            }
        };
        config.redis = RedisConfig {
            url: Secret::new(self.redis_url.unwrap_or_else(services::redis_url)),
            prefix: services::redis_prefix(),
        };
        let config = Arc::new(config);
        let pool = match self.connections {
            Some(connections_max) => {
                db::pool::connect(&DatabaseConfig { url: Secret::new(url.clone()), connections_max }).expect("a pool")
            }
            None => db::testing::pool(&url).expect("a pool"),
        };
        let live = live::Live::new(&config.redis).expect("a redis address");
        let api = api::Api::new(api::Deps {
            config: Arc::clone(&config),
            pool: pool.clone(),
            live: live.clone(),
            objects: objects::Objects::new(&config.storage).expect("storage settings"),
            health: kit::health::Health::default(),
            metrics: kit::telemetry::metrics(),
            node: "node-here".to_owned(),
            chat_lines: Arc::new(FewWords(pool.clone())),
            lights: Arc::new(OneLight),
            local_origin: self.local_origin.map(|router| Arc::new(Routes(router)) as Arc<dyn LocalOrigin>),
            rtmp_url: "rtmp://tv.test/live".to_owned(),
            rtmps_url: Some("rtmps://tv.test:1936/live".to_owned()),
            site_url: self.site_url,
        })
        .expect("a site");
        let router = api.router();
        let stop = Stop::new();
        let mut tasks = JoinSet::new();
        if self.runs_upkeep {
            tasks.spawn(api.run(stop.clone()));
        }
        Site { router, pool, live, config, stop, _tasks: tasks, _database: guard }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A store in which everybody has said one thing, and which finds what tests put into the chat's table.
struct FewWords(db::Pool);

impl std::fmt::Debug for FewWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FewWords")
    }
}

/// A site that lacks one thing.
#[derive(Debug)]
struct OneLight;

impl api::lights::Lights for OneLight {
    fn look(&self) -> std::pin::Pin<Box<dyn Future<Output = Vec<api::lights::Light>> + Send + '_>> {
        let state = api::lights::LightState::Warn;
        let light =
            api::lights::Light { name: "mail".to_owned(), state, detail: "off".to_owned(), hint: String::new() };
        Box::pin(std::future::ready(vec![light]))
    }
}

impl api::lines::ChatLines for FewWords {
    fn said_by(&self, _: UserId, member: UserId, _: u32) -> api::lines::Asked<'_, api::lines::Said> {
        let line = api::lines::SaidLine {
            id: kit::ids::uuid(),
            text: format!("a line of {member}"),
            sent_at: kit::clock::now(),
            stream_id: None,
            is_deleted: true,
        };
        Box::pin(std::future::ready(Ok(api::lines::Said { count: 1, lines: vec![line] })))
    }

    fn line(&self, id: domain::MessageId) -> api::lines::Asked<'_, Option<api::lines::FoundLine>> {
        Box::pin(async move {
            let found = format!(
                "SELECT channel_id::text, user_id::text, username, text FROM chat_messages WHERE message_id = '{id}'"
            );
            let row = db::testing::rows(&self.0, &found).await?.pop();
            let id = |row: &Value, field: &str| row[field].as_str().and_then(|id| id.parse().ok()).expect("an id");
            Ok(row.map(|row| api::lines::FoundLine {
                channel: id(&row, "channel_id"),
                author: id(&row, "user_id"),
                author_name: row["username"].as_str().expect("a name").to_owned(),
                text: row["text"].as_str().expect("a text").to_owned(),
                sent_at: kit::clock::now(),
            }))
        })
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub json: Value,
}

impl Answer {
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// A refusal with this status and code.
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(answer.json["code"], code, "{}", answer.json);
        assert_eq!(answer.json["status"], status);
        answer
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The refresh cookie that was set: its value and its attributes.
    pub fn cookie(&self) -> Option<(String, String)> {
        self.cookie_named("rillcast_refresh")
    }

    /// Another cookie that was set.
    pub fn cookie_named(&self, name: &str) -> Option<(String, String)> {
        self.headers.get_all(SET_COOKIE).iter().find_map(|line| {
            let (pair, attributes) = line.to_str().ok()?.split_once(';')?;
            let value = pair.strip_prefix(name)?.strip_prefix('=')?;
            Some((value.to_owned(), attributes.to_owned()))
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request being put together.
pub struct Call {
    router: Router,
    request: http::request::Builder,
    body: Body,
    peer: IpAddr,
}

impl Call {
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub fn cookie(self, value: &str) -> Self {
        self.header(COOKIE.as_str(), &format!("rillcast_refresh={value}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::from(body.to_string());
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub fn from(mut self, peer: &str) -> Self {
        self.peer = peer.parse().expect("an address");
        self
    }

    pub async fn send(self) -> Answer {
        let mut request: Request<Body> = self.request.body(self.body).expect("a request");
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.peer, 50_000)));
        let response = self.router.oneshot(request).await.expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, json }
    }
}

/// Someone who is signed in.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: String,
    pub username: String,
    pub token: String,
    pub cookie: String,
}

impl Site {
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        Call {
            router: self.router.clone(),
            request: Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path),
            body: Body::empty(),
            peer: "203.0.113.7".parse().expect("an address"),
        }
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub async fn register(&self, username: &str) -> Member {
        let email = format!("{username}@mail.test");
        let answer = self
            .post("/api/v1/auth/register")
            .json(json!({"username": username, "email": email, "password": PASSWORD}))
            .send()
            .await
            .expect(201);
        member(&answer)
    }

    pub async fn login(&self, login: &str) -> Member {
        let body = json!({"login": login, "password": PASSWORD});
        member(&self.post("/api/v1/auth/login").json(body).send().await.expect(200))
    }

    /// A member with a role, signed in after they got it.
    pub async fn register_as(&self, username: &str, role: &str) -> Member {
        let member = self.register(username).await;
        self.sql(&format!("UPDATE users SET role = '{role}' WHERE user_id = '{}'", member.id)).await;
        member
    }

    pub async fn sql(&self, statements: &str) {
        db::testing::execute(&self.pool, statements).await.expect("the statements are good");
    }

    pub async fn rows(&self, query: &str) -> Vec<Value> {
        db::testing::rows(&self.pool, query).await.expect("the query is good")
    }

    /// A stream in some state with its recording; returns (stream id, vod id).
    pub async fn stream(&self, owner: &Member, title: &str, status: &str, vod_status: &str) -> (String, String) {
        let (stream, vod) = (kit::ids::uuid().to_string(), kit::ids::uuid().to_string());
        let ended = if status == "ended" { "now()" } else { "NULL" };
        let until = if status == "reconnecting" { "now() + interval '1 minute'" } else { "NULL" };
        self.sql(&format!(
            "INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at, ended_at, \
             reconnect_until, renditions_note) \
             VALUES ('{stream}', '{}', '{title}', '{status}', 'n', clock_timestamp(), {ended}, {until}, 'source-only: busy'); \
             INSERT INTO vods (vod_id, stream_id, channel_id, title, status, object_prefix, created_at, duration_ms) \
             VALUES ('{vod}', '{stream}', '{}', '{title}', '{vod_status}', 'vod/{vod}/', clock_timestamp(), 61500)",
            owner.id, owner.id
        ))
        .await;
        (stream, vod)
    }
}

fn member(answer: &Answer) -> Member {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Member {
        id: text(&answer.json["user"]["id"]),
        username: text(&answer.json["user"]["username"]),
        token: text(&answer.json["access_token"]),
        cookie: answer.cookie().expect("a refresh cookie").0,
    }
}

/// Names of all items' field, in order.
pub fn names(answer: &Answer, field: &str) -> Vec<String> {
    let items = answer.json["items"].as_array().expect("items");
    items.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}
