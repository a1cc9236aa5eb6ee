//! Two nodes of one site, which share Postgres and Redis.

use std::time::Duration;

use live::fanout::{Push, Target, publish};
use serde_json::{Value, json};
use testkit::services;
use testkit::socket::SocketClient;

use crate::site::{Account, Relay, Site, join, say, until};

/// Speaks on one node until the listener on the other hears: subscriptions take a moment to be made.
async fn connected(speaker: &SocketClient, listener: &SocketClient, channel: &Account) {
    until(
        Duration::from_secs(5),
        async || {
            assert_eq!(say(speaker, channel, "warm up").await["ok"], true);
            tokio::time::timeout(Duration::from_millis(100), listener.next("chat:message")).await.is_ok()
        },
        |heard| *heard,
    )
    .await;
}

#[tokio::test]
async fn what_is_said_on_one_node_is_heard_on_the_other_once() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (first, second) = (site.node().await, site.node().await);
    let (speaker, listener) = (first.sign_in(&alice).await, second.anonymous().await);
    join(&speaker, &alice).await;
    join(&listener, &alice).await;
    connected(&speaker, &listener, &alice).await;

    let said = say(&speaker, &alice, "across").await["message"].clone();
    let heard = listener.next_where("chat:message", |message| message["text"] == "across").await.unwrap();
    assert_eq!(heard, said);
    let deleted = speaker.ask("chat:delete", json!({ "id": said["id"] })).await.unwrap();
    assert_eq!(deleted["ok"], true);
    assert_eq!(listener.next("chat:deleted").await.unwrap()["id"], said["id"]);
    // What came back from Redis to its own node was not told a second time.
    let mine: Vec<Value> = speaker.drain("chat:message").await;
    assert_eq!(mine.iter().filter(|message| message["id"] == said["id"]).count(), 1);
    assert!(listener.drain("chat:message").await.iter().all(|message| message["id"] != said["id"]));
}

#[tokio::test]
async fn pushes_reach_members_channels_and_everybody() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (first, second) = (site.node().await, site.node().await);
    let (member, guest) = (second.sign_in(&bob).await, second.anonymous().await);
    let speaker = first.sign_in(&alice).await;
    join(&guest, &alice).await;
    connected(&speaker, &guest, &alice).await;
    let push = |target, event: &str, payload| Push { target, event: event.to_owned(), payload, origin: None };

    let notification = json!({ "id": "1", "type": "new_follower", "message": "x", "is_read": false });
    publish(&first.live, &push(Target::User(bob.id), "notification", notification.clone())).await.unwrap();
    assert_eq!(member.next("notification").await.unwrap(), notification);
    let reconnecting = json!({ "username": "alice", "stream_id": "s" });
    publish(&first.live, &push(Target::Channel(alice.name.clone()), "stream:reconnecting", reconnecting.clone()))
        .await
        .unwrap();
    assert_eq!(guest.next("stream:reconnecting").await.unwrap(), reconnecting);
    let online = json!({ "username": "alice", "stream_id": "s" });
    publish(&first.live, &push(Target::Site, "stream:online", online.clone())).await.unwrap();
    assert_eq!(guest.next("stream:online").await.unwrap(), online);
    assert_eq!(member.next("stream:online").await.unwrap(), online);
    assert_eq!(speaker.next("stream:online").await.unwrap(), online);
    assert!(guest.drain("notification").await.is_empty());
    assert!(member.drain("stream:reconnecting").await.is_empty());
}

#[tokio::test]
async fn what_was_said_while_a_node_was_deaf_is_told_when_it_hears_again() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (relay, through) = Relay::to_url(&services::redis_url()).await;
    let first = site.node().await;
    let mut config = site.config.clone();
    config.redis.url = kit::Secret::new(through);
    let second = crate::site::Node::start(config).await;
    let (speaker, listener) = (first.sign_in(&alice).await, second.anonymous().await);
    join(&listener, &alice).await;
    connected(&speaker, &listener, &alice).await;

    relay.cut();
    let missed = say(&speaker, &alice, "did you miss me").await["message"].clone();
    relay.mend();
    let heard = listener.next_where("chat:message", |message| message["id"] == missed["id"]).await.unwrap();
    assert_eq!(heard, missed);
    let next = say(&speaker, &alice, "and again").await["message"].clone();
    let heard = listener.next_where("chat:message", |message| message["id"] == next["id"]).await.unwrap();
    assert_eq!(heard, next);
    assert!(listener.drain("chat:message").await.is_empty(), "nothing was told twice");
}

#[tokio::test]
async fn a_stopping_node_closes_its_sockets_and_takes_no_new_ones() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let url = node.url.clone();
    let client = node.sign_in(&alice).await;
    join(&client, &alice).await;
    let server = node.stop_keeping_server().await;
    client.closed().await.unwrap();
    let answer = reqwest::get(format!("{url}/socket.io/?EIO=4&transport=polling")).await.unwrap();
    assert_eq!(answer.status(), 503);
    let counts = live::viewers::counts(&site.live(), std::slice::from_ref(&alice.name)).await.unwrap();
    assert_eq!(counts[&alice.name], 0, "its viewers left with it");
    drop(server);
}
