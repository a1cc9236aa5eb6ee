//! The 32 cases of Socket.IO's own protocol test suite (revision 5, with Engine.IO 4 beneath), in our words: row G9.
//!
//! They speak to our door, wire and library with an echo behind them instead of the chat. Pings come faster than the chat's and
//! attachments are let in, because the suite is made for a server with those settings; the chat's own are in `tests/it/protocol.rs`.
//! [`stands_for_the_suite_itself`] is there for running the original against.

use std::fmt::Formatter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use kit::Stop;
use kit::net::TrustedProxies;
use reqwest::{Client, Method};
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use socketioxide::ParserConfig;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::task::TaskTracker;

use crate::door::{ChatLayer, Door};
use crate::line::Slots;
use crate::origin::Origins;
use crate::registry::Registry;

const PING_EVERY: Duration = Duration::from_millis(300);
const PONG_WAIT: Duration = Duration::from_millis(200);
const PAYLOAD_BYTES: u64 = 1_000_000;
/// Longest a case waits for what it is owed.
const WAIT: Duration = Duration::from_secs(5);

struct Echo {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    async fn at(address: &str) -> Self {
        let (service, io) = crate::library()
            .with_parser(ParserConfig::common())
            .ping_interval(PING_EVERY)
            .ping_timeout(PONG_WAIT)
            .connect_timeout(Duration::from_secs(1))
            .max_payload(PAYLOAD_BYTES)
            .build_with_inner_svc(crate::door::NotOurs);
        for namespace in ["/", "/custom"] {
            io.ns(namespace, greet);
        }
        let config = kit::Config::default();
        let door = Door {
            io: service,
            gateway: None,
            origins: Origins::new(&config),
            proxies: TrustedProxies::parse(&config.http.trusted_proxies).unwrap(),
            slots: Slots::new(1_000, 1_000),
            registry: Arc::new(Registry::default()),
            tracker: TaskTracker::new(),
            stop: Stop::new(),
        };
        let router = axum::Router::new().layer(ChatLayer { door: Arc::new(door) });
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
        Self { address, _server: server }
    }

    fn url(&self, query: &str) -> String {
        format!("http://{}/socket.io/?{query}", self.address)
    }

    async fn status(&self, method: Method, query: &str) -> u16 {
        Client::new().request(method, self.url(query)).send().await.unwrap().status().as_u16()
    }

    /// A polling session: its query from now on.
    async fn poll_session(&self) -> String {
        let (status, opened) = self.get("EIO=4&transport=polling").await;
        assert_eq!(status, 200);
        format!("EIO=4&transport=polling&sid={}", greeting(&opened)["sid"].as_str().unwrap())
    }

    async fn get(&self, query: &str) -> (u16, String) {
        let answer = Client::new().get(self.url(query)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, query: &str, body: &'static str) -> u16 {
        Client::new().post(self.url(query)).body(body).send().await.unwrap().status().as_u16()
    }

    /// A WebSocket and what greeted it.
    async fn socket(&self) -> (Socket, String) {
        let mut socket = self.knock("EIO=4&transport=websocket").await.expect("let in");
        let opened = socket.text().await;
        (socket, opened)
    }

    async fn knock(&self, query: &str) -> Option<Socket> {
        let (socket, _) = connect_async(self.url(query).replacen("http", "ws", 1)).await.ok()?;
        Some(Socket(socket))
    }

    /// In the main namespace.
    async fn connected(&self) -> Socket {
        let (mut socket, _) = self.socket().await;
        socket.say("40").await;
        assert!(socket.text().await.starts_with("40{"));
        assert_eq!(socket.text().await, r#"42["auth",{}]"#);
        socket
    }
}

async fn greet(socket: SocketRef, TryData(auth): TryData<Value>) {
    socket.emit("auth", &auth.unwrap_or_else(|_| json!({}))).unwrap();
    socket.on("message", async |socket: SocketRef, Data(said): Data<Said>| {
        socket.emit("message-back", &said).unwrap();
    });
    socket.on("message-with-ack", async |Data(said): Data<Said>, ack: AckSender| ack.send(&said).unwrap());
}

/// All that follows an event's name. The library takes what is (de)serialized as a tuple for that.
struct Said(Vec<rmpv::Value>);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Said;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("what was said")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Said, A::Error> {
                let mut all = Vec::new();
                while let Some(value) = from.next_element()? {
                    all.push(value);
                }
                Ok(Said(all))
            }
        }
        from.deserialize_tuple(16, All)
    }
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tuple = to.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|value| tuple.serialize_element(value))?;
        tuple.end()
    }
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        timeout(WAIT, self.0.next()).await.expect("something").expect("open").unwrap()
    }

    /// The next text that is no ping.
    async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Message::Text(text) if text == "2" => self.say("3").await,
                Message::Text(text) => return text.to_string(),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn bytes(&mut self) -> Bytes {
        loop {
            match self.next().await {
                Message::Binary(bytes) => return bytes,
                Message::Text(text) if text == "2" => self.say("3").await,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for the end, answering no pings.
    async fn end(mut self) {
        let end = async { while matches!(self.0.next().await, Some(Ok(message)) if !message.is_close()) {} };
        timeout(WAIT, end).await.expect("the server closes");
    }
}

fn greeting(opened: &str) -> Value {
    let value: Value = serde_json::from_str(opened.strip_prefix('0').expect("an open packet")).unwrap();
    let mut keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert_eq!((&value["pingInterval"], &value["pingTimeout"]), (&json!(300), &json!(200)));
    assert_eq!(value["maxPayload"], PAYLOAD_BYTES);
    value
}

#[tokio::test]
async fn handshake_over_polling() {
    let echo = Echo::start().await;
    let (status, opened) = echo.get("EIO=4&transport=polling").await;
    assert_eq!((status, &greeting(&opened)["upgrades"]), (200, &json!(["websocket"])));
    for (method, query) in [
        (Method::GET, "transport=polling"),
        (Method::GET, "EIO=abc&transport=polling"),
        (Method::GET, "EIO=4"),
        (Method::GET, "EIO=4&transport=abc"),
        (Method::POST, "EIO=4&transport=polling"),
        (Method::PUT, "EIO=4&transport=polling"),
    ] {
        assert_eq!(echo.status(method.clone(), query).await, 400, "{method} {query}");
    }
}

#[tokio::test]
async fn handshake_over_websocket() {
    let echo = Echo::start().await;
    let (_socket, opened) = echo.socket().await;
    assert_eq!(greeting(&opened)["upgrades"], json!([]));
    for query in ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"] {
        assert!(echo.knock(query).await.is_none(), "{query}");
    }
}

#[tokio::test]
async fn heartbeat_over_polling() {
    let echo = Echo::start().await;
    let session = echo.poll_session().await;
    for _ in 0..3 {
        assert_eq!(echo.get(&session).await, (200, "2".to_owned()));
        assert_eq!(echo.post(&session, "3").await, 200);
    }
    let silent = echo.poll_session().await;
    let gone = async { while echo.get(&silent).await.0 != 400 {} };
    timeout(WAIT, gone).await.expect("who answers no ping is forgotten");
}

#[tokio::test]
async fn heartbeat_over_websocket() {
    let echo = Echo::start().await;
    let (mut socket, _) = echo.socket().await;
    for _ in 0..3 {
        assert_eq!(socket.next().await, Message::text("2"));
        socket.say("3").await;
    }
    socket.end().await;
}

#[tokio::test]
async fn close_over_both() {
    let echo = Echo::start().await;
    let session = echo.poll_session().await;
    let (polled, _) = tokio::join!(echo.get(&session), echo.post(&session, "1"));
    assert_eq!(polled, (200, "6".to_owned()));
    assert_eq!(echo.get(&session).await.0, 400);
    let (mut socket, _) = echo.socket().await;
    socket.say("1").await;
    socket.end().await;
}

#[tokio::test]
async fn upgrade_from_polling() {
    let echo = Echo::start().await;
    let session = echo.poll_session().await;
    let upgraded = session.replace("polling", "websocket");
    let mut socket = echo.knock(&upgraded).await.expect("let in");
    socket.say("2probe").await;
    assert_eq!(socket.next().await, Message::text("3probe"));
    socket.say("5").await;
    // Answered over the WebSocket: the session has moved.
    socket.say("40").await;
    assert!(socket.text().await.starts_with("40{"));
    assert_eq!(echo.get(&session).await.0, 400, "polls of a session that moved");
    if let Some(second) = echo.knock(&upgraded).await {
        second.end().await;
    }
    assert_eq!(socket.text().await, r#"42["auth",{}]"#, "the first one is still there");
}

#[tokio::test]
async fn connect_to_namespaces() {
    let echo = Echo::start().await;
    for (packet, prefix, auth) in [
        ("40", "40{", r#"42["auth",{}]"#),
        (r#"40{"token":"123"}"#, "40{", r#"42["auth",{"token":"123"}]"#),
        ("40/custom,", "40/custom,{", r#"42/custom,["auth",{}]"#),
        (r#"40/custom,{"token":"abc"}"#, "40/custom,{", r#"42/custom,["auth",{"token":"abc"}]"#),
    ] {
        let (mut socket, _) = echo.socket().await;
        socket.say(packet).await;
        let connected = socket.text().await;
        let body = connected.strip_prefix(&prefix[..prefix.len() - 1]).expect(packet);
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(connected.starts_with(prefix) && body["sid"].is_string(), "{connected}");
        assert_eq!(body.as_object().unwrap().len(), 1);
        assert_eq!(socket.text().await, auth);
    }
    let (mut socket, _) = echo.socket().await;
    socket.say("40/random").await;
    assert_eq!(socket.text().await, r#"44/random,{"message":"Invalid namespace"}"#);
    let (mut socket, _) = echo.socket().await;
    socket.say("4abc").await;
    socket.end().await;
    let (mut socket, _) = echo.socket().await;
    let idle = async {
        loop {
            match socket.0.next().await {
                Some(Ok(Message::Text(text))) if text == "2" => socket.say("3").await,
                Some(Ok(Message::Text(text))) if text != "1" => panic!("{text}"),
                Some(Ok(Message::Text(_))) => {}
                _ => break,
            }
        }
    };
    timeout(WAIT, idle).await.expect("who never says connect is closed, also one that answers pings");
}

#[tokio::test]
async fn disconnect_from_namespaces() {
    let echo = Echo::start().await;
    let mut socket = echo.connected().await;
    socket.say("41").await;
    assert_eq!(socket.next().await, Message::text("2"), "the connection beneath goes on");
    let mut socket = echo.connected().await;
    socket.say("40/custom").await;
    assert!(socket.text().await.starts_with("40/custom,{"));
    assert_eq!(socket.text().await, r#"42/custom,["auth",{}]"#);
    socket.say("41/custom").await;
    socket.say(r#"42["message","message to main namespace"]"#).await;
    assert_eq!(socket.text().await, r#"42["message-back","message to main namespace"]"#);
}

#[tokio::test]
async fn messages_and_acknowledgements() {
    const TWO: &str = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    let echo = Echo::start().await;
    let mut socket = echo.connected().await;
    for (said, answered) in [
        (r#"42["message",1,"2",{"3":[true]}]"#, r#"42["message-back",1,"2",{"3":[true]}]"#),
        (r#"42456["message-with-ack",1,"2",{"3":[false]}]"#, r#"43456[1,"2",{"3":[false]}]"#),
    ] {
        socket.say(said).await;
        assert_eq!(socket.text().await, answered);
    }
    for (said, answered) in [
        (format!(r#"452-["message",{TWO}]"#), format!(r#"452-["message-back",{TWO}]"#)),
        (format!(r#"452-789["message-with-ack",{TWO}]"#), format!("462-789[{TWO}]")),
    ] {
        socket.say(&said).await;
        let attachments = [Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[4, 5, 6])];
        for attachment in &attachments {
            socket.0.send(Message::Binary(attachment.clone())).await.unwrap();
        }
        assert_eq!(socket.text().await, answered);
        assert_eq!([socket.bytes().await, socket.bytes().await], attachments);
    }
}

#[tokio::test]
async fn malformed_packets_close_the_connection() {
    let echo = Echo::start().await;
    for malformed in ["4abc", "42{}", r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#] {
        let mut socket = echo.connected().await;
        socket.say(malformed).await;
        socket.end().await;
    }
}

/// Where the original suite looks for its server, for two minutes.
#[tokio::test]
#[ignore = "for the original suite, by hand"]
async fn stands_for_the_suite_itself() {
    let _echo = Echo::at("127.0.0.1:3000").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
}
