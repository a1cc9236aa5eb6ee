//! What the chat does while something it leans on is away (reliability C1, C3, C5).

use std::time::Duration;

use kit::health::Condition;
use serde_json::json;
use testkit::mongo::MongoServer;
use tokio::time::Instant;

use crate::site::{Node, Relay, Site, join, say, until};

/// What a sender waits at most.
const ACK_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn one_node_works_without_redis() {
    let mut site = Site::start().await;
    site.config.redis.url = kit::Secret::new("redis://127.0.0.1:1");
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&alice).await, node.anonymous().await);
    let begun = Instant::now();
    join(&listener, &alice).await;
    let joined = join(&speaker, &alice).await;
    assert_eq!((&joined["viewers"], &joined["stale"]), (&json!(2), &json!(true)), "what this node sees by itself");
    let said = say(&speaker, &alice, "who needs Redis").await;
    assert_eq!(said["ok"], true, "{said}");
    assert_eq!(listener.next("chat:message").await.unwrap(), said["message"]);
    assert!(begun.elapsed() < ACK_WITHIN * 3, "{:?}", begun.elapsed());
    // Limits hold in the process.
    let mut config = site.config.clone();
    config.limits.chat_per_user_per_3s = 1;
    let strict = Node::start(config).await;
    let client = strict.sign_in(&bob).await;
    assert_eq!(say(&client, &alice, "one").await["ok"], true);
    assert_eq!(say(&client, &alice, "two").await["code"], "chat.throttled");
    node.stop().await;
}

#[tokio::test]
async fn without_its_store_a_line_is_refused_in_time_and_told_to_nobody() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (relay, through) = Relay::to_url(site.config.database.url.expose()).await;
    let mut config = site.config.clone();
    config.database.url = kit::Secret::new(through);
    let node = Node::start(config).await;
    let (speaker, listener) = (node.sign_in(&alice).await, node.anonymous().await);
    join(&listener, &alice).await;
    let before = say(&speaker, &alice, "before").await["message"].clone();
    assert_eq!(listener.next("chat:message").await.unwrap(), before);

    relay.cut();
    for number in 0..3 {
        let begun = Instant::now();
        let body = json!({ "username": "alice", "text": "lost?", "client_id": format!("c{number}") });
        let answer = speaker.ask("chat:send", body).await.unwrap();
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("chat.unavailable")));
        assert!(answer["retry_after_ms"].as_u64().is_some());
        assert!(begun.elapsed() < ACK_WITHIN, "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let joined = node.anonymous().await.ask("stream:join", json!({ "username": "alice" })).await.unwrap();
    assert!(begun.elapsed() < ACK_WITHIN);
    assert_eq!(
        (&joined["ok"], &joined["is_history_missing"]),
        (&json!(true), &json!(true)),
        "watching goes on: {joined}"
    );

    relay.mend();
    let body = json!({ "username": "alice", "text": "lost?", "client_id": "c0" });
    let again = until(
        Duration::from_secs(5),
        async || speaker.ask("chat:send", body.clone()).await.unwrap(),
        |answer| answer["ok"] == true,
    )
    .await;
    assert_eq!(listener.next("chat:message").await.unwrap(), again["message"], "nothing was told in between");
    let page = listener.ask("chat:history", json!({ "username": "alice" })).await.unwrap();
    assert_eq!(page["items"], json!([before, again["message"]]), "no gap and no double");
}

#[tokio::test]
async fn mongodb_may_go_and_come_back() {
    let mut server = MongoServer::start();
    let mut site = Site::start().await;
    site.config.chat.mongodb_url = kit::Secret::new(server.url());
    site.config.chat.mongodb_database = server.database();
    let alice = site.member("alice").await;
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&alice).await, node.anonymous().await);
    join(&listener, &alice).await;
    let before = say(&speaker, &alice, "before").await["message"].clone();
    assert_eq!(listener.next("chat:message").await.unwrap(), before);
    assert_eq!(join(&node.anonymous().await, &alice).await["history"], json!([before]));
    assert!(db::testing::rows(&site.pool, "SELECT * FROM chat_messages").await.unwrap().is_empty(), "MongoDB has it");
    if !server.is_own() {
        return;
    }

    server.stop();
    let begun = Instant::now();
    let refused = say(&speaker, &alice, "lost").await;
    assert_eq!(refused["code"], "chat.unavailable", "{refused}");
    assert!(begun.elapsed() < ACK_WITHIN, "{:?}", begun.elapsed());
    let down = async || node.health.snapshot()["chat-history"].clone();
    until(Duration::from_secs(8), &down, |state| matches!(state, Condition::Down { .. })).await;

    server.start_again();
    let again =
        until(Duration::from_secs(8), async || say(&speaker, &alice, "after").await, |answer| answer["ok"] == true)
            .await;
    assert_eq!(listener.next("chat:message").await.unwrap(), again["message"]);
    let page = listener.ask("chat:history", json!({ "username": "alice" })).await.unwrap();
    assert_eq!(page["items"], json!([before, again["message"]]));
    until(Duration::from_secs(8), &down, |state| *state == Condition::Up).await;
}

#[tokio::test]
async fn with_its_history_elsewhere_the_chat_outlives_postgres() {
    let server = MongoServer::start();
    let mut site = Site::start().await;
    site.config.chat.mongodb_url = kit::Secret::new(server.url());
    site.config.chat.mongodb_database = server.database();
    let alice = site.member("alice").await;
    let (relay, through) = Relay::to_url(site.config.database.url.expose()).await;
    site.config.database.url = kit::Secret::new(through);
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&alice).await, node.anonymous().await);
    join(&listener, &alice).await;
    assert_eq!(say(&speaker, &alice, "before").await["ok"], true);
    relay.cut();
    let answer =
        until(Duration::from_secs(10), async || say(&speaker, &alice, "during").await, |answer| answer["ok"] == true)
            .await;
    assert_eq!(answer["message"]["user"]["username"], "alice");
    listener.next_where("chat:message", |message| message["text"] == "during").await.unwrap();
}
