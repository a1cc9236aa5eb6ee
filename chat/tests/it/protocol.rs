//! Engine.IO 4 and Socket.IO 5 as their specifications' own test suites check them, on both transports.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::socket::{self, SocketClient};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::site::{Node, Site, join, say};

async fn status(node: &Node, query: &str) -> u16 {
    reqwest::get(format!("{}/socket.io/{query}", node.url)).await.unwrap().status().as_u16()
}

/// A polling session.
struct Polling {
    client: Client,
    url: String,
}

impl Polling {
    async fn open(node: &Node) -> Self {
        let client = Client::new();
        let base = format!("{}/socket.io/?EIO=4&transport=polling", node.url);
        let answer = client.get(&base).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.text().await.unwrap();
        let open: Value = serde_json::from_str(body.strip_prefix('0').expect("an open packet")).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        assert_eq!(
            (&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]),
            (&json!(10_000), &json!(8_000), &json!(16_384))
        );
        Self { url: format!("{base}&sid={}", open["sid"].as_str().unwrap()), client }
    }

    async fn post(&self, body: impl Into<String>) -> (u16, String) {
        let answer = self.client.post(&self.url).body(body.into()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Polls until that text came. Returns everything that came.
    async fn until(&self, text: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(text) {
            let (status, body) = self.get().await;
            assert_eq!(status, 200, "{body}");
            if body.split('\u{1e}').any(|packet| packet == "2") {
                self.post("3").await;
            }
            heard.push_str(&body);
        }
        heard
    }

    async fn get(&self) -> (u16, String) {
        let answer = self.client.get(&self.url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_as_the_protocol_says() {
    let site = Site::start().await;
    let node = site.node().await;
    assert_eq!(status(&node, "?transport=polling").await, 400, "no version");
    assert_eq!(status(&node, "?EIO=abc&transport=polling").await, 400);
    assert_eq!(status(&node, "?EIO=4").await, 400, "no transport");
    assert_eq!(status(&node, "?EIO=4&transport=abc").await, 400);
    assert_eq!(status(&node, "?EIO=4&transport=polling&sid=abc").await, 400);
    assert_eq!(status(&node, "?EIO=4&transport=websocket").await, 400, "not an upgrade");
    assert_eq!(status(&node, "?EIO=4&transport=websocket&sid=abc").await, 400);
    let url = format!("{}/socket.io/?EIO=4&transport=polling", node.url);
    for method in [reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE] {
        let answer = Client::new().request(method.clone(), &url).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{method}");
    }
    for bad in
        ["transport=websocket", "EIO=abc&transport=websocket", "EIO=3&transport=websocket", "EIO=4&transport=abc"]
    {
        let url = format!("{}/socket.io/?{bad}", node.url.replace("http", "ws"));
        assert!(connect_async(url).await.is_err(), "{bad}");
    }
    let elsewhere = reqwest::get(format!("{}/socket.iox", node.url)).await.unwrap();
    assert_eq!(elsewhere.text().await.unwrap(), "not chat");
}

#[tokio::test]
async fn a_client_chats_over_polling() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let polling = Polling::open(&node).await;
    assert_eq!(polling.post(format!("40{}", json!({ "token": alice.token }))).await, (200, "ok".to_owned()));
    polling.until(r#"40{"sid":"#).await;
    let send = r#"421["chat:send",{"username":"alice","text":"by post","client_id":"c"}]"#;
    let join = r#"420["stream:join",{"username":"alice"}]"#;
    assert_eq!(polling.post(format!("{join}\x1e{send}")).await.0, 200);
    let heard = polling.until("chat:message").await;
    assert!(heard.contains("430[") && heard.contains("431[") && heard.contains("by post"), "{heard}");
    let (status, _) = polling.post("x".repeat(16 * 1024 + 1)).await;
    assert_eq!(status, 413);
    assert_eq!(polling.post("abc").await.0, 400);
    assert_eq!(polling.get().await.0, 400, "a session that spoke nonsense is over");
}

#[tokio::test]
async fn a_polling_session_moves_to_a_websocket() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let polling = Polling::open(&node).await;
    polling.post("40{}").await;
    polling.until("40").await;
    let url = polling.url.replace("http", "ws").replace("transport=polling", "transport=websocket");
    let (mut socket, _) = connect_async(&url).await.unwrap();
    socket.send(Message::text("2probe")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("3probe"));
    socket.send(Message::text("5")).await.unwrap();
    socket.send(Message::text(r#"420["stream:join",{"username":"alice"}]"#)).await.unwrap();
    let answer = loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("not a text") };
        if text.starts_with("430") {
            break text;
        }
    };
    assert!(answer.contains(r#""ok":true"#), "{answer}");
    let speaker = node.sign_in(&alice).await;
    say(&speaker, &alice, "still there").await;
    loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("not a text") };
        if text.contains("still there") {
            break;
        }
    }
    assert!(
        connect_async(&url).await.is_err()
            || connect_async(&url).await.unwrap().0.next().await.is_none_or(|m| m.is_err())
    );
}

#[tokio::test]
async fn namespaces_acknowledgements_and_goodbyes_follow_the_protocol() {
    let site = Site::start().await;
    let node = site.node().await;
    let mut raw = socket::open(&node.url, None).await.unwrap();
    raw.send("40/admin,").await.unwrap();
    assert_eq!(raw.read().await.unwrap(), r#"44/admin,{"message":"Invalid namespace"}"#);
    raw.send("40").await.unwrap();
    let connected = raw.read().await.unwrap();
    let body: Value = serde_json::from_str(connected.strip_prefix("40").unwrap()).unwrap();
    assert!(body["sid"].is_string());
    raw.send(r#"42456["no:such"]"#).await.unwrap();
    assert!(raw.read().await.unwrap().starts_with("43456[{"));
    raw.send(r#"42["no:such",{}]"#).await.unwrap();
    raw.send(r#"421["no:such",{}]"#).await.unwrap();
    assert!(raw.read().await.unwrap().starts_with("431["), "an event without an id is not acknowledged");
    raw.send("41").await.unwrap();
    raw.send(r#"422["no:such",{}]"#).await.unwrap();
    raw.read_to_end(Duration::from_secs(3)).await.unwrap();
}

#[tokio::test]
async fn the_server_pings_and_a_client_that_answers_stays() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let client: SocketClient = node.anonymous().await;
    // The client answers pings by itself; one that does not is in `hostile`.
    join(&client, &alice).await;
    let mut silent = socket::open(&node.url, None).await.unwrap();
    silent.send("40{}").await.unwrap();
    let texts = silent.read_to_end(Duration::from_secs(22)).await.unwrap();
    assert!(texts.iter().any(|text| text == "2"), "{texts:?}");
    assert_eq!(join(&client, &alice).await["ok"], true);
}
