//! The operator's own review of lines: a real server on loopback that allows, holds, refuses, fails and sleeps.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use futures::future::join_all;
use http::{HeaderMap, StatusCode};
use kit::Secret;
use kit::config::ReviewFailure;
use kit::webhook_key::WebhookKey;
use serde_json::{Value, json};
use testkit::socket::SocketClient;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::site::{Site, join, say, until};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WAIT: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<(HeaderMap, String)>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    _task: JoinSet<()>,
}

/// Does what a line asks for.
async fn judge(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let text = serde_json::from_str::<Value>(&body).unwrap()["data"]["text"].as_str().unwrap().to_owned();
    let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most.fetch_max(now, Ordering::SeqCst);
    seen.requests.lock().unwrap().push((headers, body));
    if text.contains("sleep") {
        sleep(WAIT * 4).await;
    }
    if text.contains("crowd") {
        sleep(WAIT / 10).await;
    }
    seen.now.fetch_sub(1, Ordering::SeqCst);
    let verdict = |name: &str| (StatusCode::OK, json!({ "verdict": name, "more": "is ignored" }).to_string());
    match text.as_str() {
        text if text.contains("vile") => verdict("refuse"),
        text if text.contains("odd") => verdict("hold"),
        text if text.contains("fail") => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        text if text.contains("garbage") => (StatusCode::OK, "perhaps".to_owned()),
        text if text.contains("endless") => (StatusCode::OK, format!("{}{}", verdict("allow").1, " ".repeat(100_000))),
        text if text.contains("elsewhere") => (StatusCode::FOUND, verdict("allow").1),
        _ => verdict("allow"),
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let router = Router::new().fallback(judge).with_state(Arc::clone(&seen));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, _task: task }
    }

    fn asked(&self) -> usize {
        self.seen.requests.lock().unwrap().len()
    }
}

async fn site(server: &Server, on_failure: ReviewFailure) -> Site {
    let mut site = Site::start().await;
    let review = &mut site.config.chat.review;
    review.url = format!("http://{}/review", server.address);
    review.secret = Secret::new(KEY);
    review.timeout_ms = WAIT.as_millis() as u64;
    review.on_failure = on_failure;
    site
}

async fn act(client: &SocketClient, order: Value) -> Value {
    let mut body = json!({ "username": "alice" });
    body.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
    client.ask("mod:act", body).await.unwrap()
}

#[tokio::test]
async fn a_line_is_said_held_or_refused_as_the_operators_server_says() {
    let server = Server::start().await;
    let site = site(&server, ReviewFailure::Refuse).await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    join(&owner, &alice).await;
    assert_eq!(owner.ask("mod:join", json!({ "username": "alice" })).await.unwrap()["ok"], true);

    let said = say(&speaker, &alice, "good morning").await;
    assert_eq!(said["ok"], true, "{said}");
    let (headers, body) = server.seen.requests.lock().unwrap()[0].clone();
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let at: u64 = text("webhook-timestamp").parse().unwrap();
    let key = WebhookKey::parse(&Secret::new(KEY)).unwrap();
    assert_eq!(text("webhook-signature"), key.sign(&text("webhook-id"), at, &body));
    assert!(kit::clock::unix_seconds().abs_diff(at) < 10);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["type"], &body["data"]["channel"]), (&json!("chat.review"), &json!("alice")));
    assert_eq!(body["data"]["user"]["id"], json!(bob.id));
    assert_eq!((&body["data"]["text"], &body["data"]["is_edit"]), (&json!("good morning"), &json!(false)));

    assert_eq!(say(&speaker, &alice, "something vile").await["code"], "chat.reviewed");
    let held = say(&speaker, &alice, "something odd").await;
    assert_eq!((&held["ok"], &held["held"]), (&json!(true), &json!(true)));
    let waits = owner.next("mod:held").await.unwrap();
    assert_eq!((&waits["why"], &waits["text"]), (&json!("review"), &json!("something odd")));
    assert_eq!(act(&owner, json!({ "action": "approve", "held_id": waits["id"] })).await["ok"], true);
    let heard = async || join(&owner, &alice).await["history"].clone();
    until(Duration::from_secs(2), heard, |lines| lines.as_array().unwrap().len() == 2).await;

    // What was said is reviewed again when it is changed.
    let edit = async |text: &str| {
        speaker.ask("chat:edit", json!({ "id": said["message"]["id"], "text": text })).await.unwrap()
    };
    for text in ["vile after all", "odd after all"] {
        assert_eq!(edit(text).await["code"], "chat.reviewed", "{text}");
    }
    assert_eq!(edit("good evening").await["ok"], true);
    let asked = server.asked();
    // Who keeps order is not.
    assert_eq!(say(&owner, &alice, "vile, says the owner").await["ok"], true);
    assert_eq!(server.asked(), asked);
}

#[tokio::test]
async fn a_refused_line_costs_neither_its_turn_nor_its_words_and_is_judged_once() {
    let server = Server::start().await;
    let site = site(&server, ReviewFailure::Allow).await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let modes = json!({ "action": "modes", "modes": { "slow_s": 60, "unique": true } });
    assert_eq!(act(&owner, modes).await["ok"], true);
    for _ in 0..2 {
        assert_eq!(say(&speaker, &alice, "something vile").await["code"], "chat.reviewed");
    }
    let line = json!({ "username": "alice", "text": "fine", "client_id": "once" });
    for _ in 0..3 {
        let answer = speaker.ask("chat:send", line.clone()).await.unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
    }
    assert_eq!(server.asked(), 3, "sent again, not asked again");
    assert_eq!(say(&speaker, &alice, "more").await["code"], "chat.slow");
    assert_eq!(server.asked(), 3, "what is refused anyway is not shown");
}

#[tokio::test]
async fn without_an_answer_the_operators_choice_holds_and_nobody_waits_for_it() {
    for (on_failure, ok, code) in [
        (ReviewFailure::Allow, json!(true), Value::Null),
        (ReviewFailure::Hold, json!(true), Value::Null),
        (ReviewFailure::Refuse, json!(false), json!("chat.reviewed")),
    ] {
        let server = Server::start().await;
        let site = site(&server, on_failure).await;
        let (alice, bob) = (site.member("alice").await, site.member("bob").await);
        let node = site.node().await;
        let speaker = node.sign_in(&bob).await;
        for (n, text) in ["sleep on it", "fail", "garbage", "endless", "elsewhere"].into_iter().enumerate() {
            // An answer between keeps the server from being left alone.
            assert_eq!(say(&speaker, &alice, &format!("vile {n}")).await["code"], "chat.reviewed");
            let begun = Instant::now();
            let answer = say(&speaker, &alice, text).await;
            assert_eq!((&answer["ok"], &answer["code"]), (&ok, &code), "{on_failure:?} {text}: {answer}");
            assert_eq!(answer["held"] == json!(true), on_failure == ReviewFailure::Hold, "{answer}");
            assert!(begun.elapsed() < WAIT + Duration::from_secs(1), "{:?}", begun.elapsed());
        }
    }
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_and_tried_again() {
    let server = Server::start().await;
    let site = site(&server, ReviewFailure::Allow).await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let speaker = node.sign_in(&bob).await;
    for n in 0..5 {
        assert_eq!(say(&speaker, &alice, &format!("fail {n}")).await["ok"], true);
    }
    let begun = Instant::now();
    for n in 0..5 {
        assert_eq!(say(&speaker, &alice, &format!("vile {n}")).await["ok"], true, "nobody is asked");
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "within the rest");
    assert_eq!(server.asked(), 5);
    let again = async || say(&speaker, &alice, &format!("vile {}", kit::ids::random_token::<4>())).await;
    until(Duration::from_secs(10), again, |answer| answer["code"] == "chat.reviewed").await;
    assert!(begun.elapsed() >= Duration::from_secs(4));
}

#[tokio::test]
async fn few_lines_are_under_review_at_a_time() {
    let server = Server::start().await;
    let site = site(&server, ReviewFailure::Allow).await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let mut speakers = Vec::new();
    for n in 0..60 {
        speakers.push(node.sign_in(&site.member(&format!("bob{n}")).await).await);
    }
    let answers = join_all(speakers.iter().enumerate().map(|(n, speaker)| {
        let (alice, text) = (&alice, format!("crowd {n}"));
        async move { say(speaker, alice, &text).await }
    }));
    assert!(answers.await.iter().all(|answer| answer["ok"] == true));
    let most = server.seen.most.load(Ordering::SeqCst);
    assert!((2..=32).contains(&most), "{most}");
}
