//! Who is there, in lists: only for those who may know it, and never guessed.

use std::sync::Arc;
use std::time::Duration;

use domain::UserId;
use live::presence::Presence;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Member, Setup, Site};

/// From the first heartbeat until somebody can be said not to be there.
const SETTLED_WITHIN: Duration = Duration::from_secs(8);

async fn call(site: &Site, method: &str, who: &Member, path: &str, body: Value) -> Value {
    let call = site.call(method, &format!("/api/v1{path}")).bearer(&who.token);
    let answer = if body.is_null() { call.send().await } else { call.json(body).send().await };
    assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
    answer.json
}

async fn get(site: &Site, who: &Member, path: &str) -> Value {
    call(site, "GET", who, path, Value::Null).await
}

async fn befriend(site: &Site, one: &Member, other: &Member) {
    for (asker, asked) in [(one, other), (other, one)] {
        call(site, "PUT", asker, &format!("/friends/{}", asked.username), Value::Null).await;
    }
}

fn id(member: &Member) -> UserId {
    member.id.to_string().parse().unwrap()
}

/// What a list of friends says of somebody.
async fn of_friend(site: &Site, who: &Member, friend: &Member) -> Value {
    let list = get(site, who, "/friends").await;
    let item = list["items"].as_array().unwrap().iter().find(|item| item["username"] == friend.username.as_str());
    let item = item.expect("a friend");
    assert_eq!(item["id"], json!(friend.id));
    item["presence"].clone()
}

/// Has a node vouch for these members, as the chat does, until the list says what it should.
async fn vouching(site: &Site, here: &[&Member], ask: impl AsyncFn() -> Value, expected: &Value) {
    let presence = Presence::new(site.live.clone());
    let sockets: Vec<(UserId, Arc<str>)> = here.iter().map(|member| (id(member), "socket".into())).collect();
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        assert!(presence.beat(&sockets).await);
        let found = ask().await;
        if found == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "still {found}, not {expected}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_who_is_there_and_since_when_others_are_not() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    befriend(&site, &alice, &bob).await;
    befriend(&site, &alice, &carol).await;
    assert_eq!(of_friend(&site, &alice, &bob).await, Value::Null, "no chat has said anything: unknown");

    let online = json!({"is_online": true, "last_seen_at": null});
    Presence::new(site.live.clone()).beat(&[(id(&bob), "socket".into())]).await;
    assert_eq!(of_friend(&site, &alice, &bob).await, online);
    assert_eq!(of_friend(&site, &alice, &carol).await, Value::Null, "her node may not have said so yet");
    site.sql(&format!("INSERT INTO last_seen VALUES ('{}', '2026-01-02T03:04:05Z')", carol.id)).await;
    let away = json!({"is_online": false, "last_seen_at": "2026-01-02T03:04:05Z"});
    vouching(&site, &[&bob], async || of_friend(&site, &alice, &carol).await, &away).await;
    assert_eq!(of_friend(&site, &alice, &bob).await, online);

    // The same where they write to each other, and to nobody else.
    let room = call(&site, "POST", &alice, "/rooms", json!({"username": "bob"})).await;
    let room = format!("/rooms/{}", room["id"].as_str().unwrap());
    assert_eq!(get(&site, &alice, &room).await["with"]["presence"], online);
    let members = get(&site, &alice, &format!("{room}/members")).await;
    let of = |name: &str| {
        let item = members["items"].as_array().unwrap().iter().find(|item| item["username"] == name);
        item.unwrap()["presence"].clone()
    };
    assert_eq!((of("bob"), of("alice")), (online.clone(), Value::Null));
    site.sql(&format!(
        "INSERT INTO room_lines SELECT gen_random_uuid(), room_id, '{}', 'hi', now() FROM rooms WHERE kind = 'private'",
        bob.id
    ))
    .await;
    assert_eq!(get(&site, &alice, "/rooms").await["items"][0]["with"]["presence"], online);
    // Who asks or is asked for a friendship learns nothing.
    let dave = site.register("dave").await;
    call(&site, "PUT", &dave, "/friends/bob", Value::Null).await;
    assert_eq!(get(&site, &dave, "/friends?state=outgoing").await["items"][0]["presence"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hides_it_is_seen_by_nobody_and_sees_nobody() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    befriend(&site, &alice, &bob).await;
    assert_eq!(get(&site, &alice, "/me/privacy").await["presence"], "friends");
    let presence = Presence::new(site.live.clone());
    let sockets = [(id(&alice), "a".into()), (id(&bob), "b".into())];
    presence.beat(&sockets).await;
    assert_eq!(of_friend(&site, &bob, &alice).await["is_online"], true);
    site.sql(&format!("INSERT INTO last_seen VALUES ('{}', now())", alice.id)).await;

    let now = call(&site, "PATCH", &alice, "/me/privacy", json!({"presence": "nobody"})).await;
    assert_eq!(now, json!({"friend_requests": "everybody", "messages": "friends", "presence": "nobody"}));
    assert_eq!(site.rows("SELECT 1 AS one FROM last_seen").await.len(), 0, "nothing is kept of it");
    presence.beat(&sockets).await;
    assert_eq!(of_friend(&site, &bob, &alice).await, Value::Null);
    assert_eq!(of_friend(&site, &alice, &bob).await, Value::Null);
    call(&site, "PATCH", &alice, "/me/privacy", json!({"presence": "friends"})).await;
    presence.beat(&sockets).await;
    assert_eq!(of_friend(&site, &alice, &bob).await["is_online"], true);
    let bad = site.call("PATCH", "/api/v1/me/privacy").bearer(&alice.token).json(json!({"presence": "everybody"}));
    assert_eq!(bad.send().await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_lists_are_answered_and_nobody_is_said_to_be_away() {
    let setup = Setup { redis_url: Some("redis://127.0.0.1:1".to_owned()), ..Setup::new() };
    let site = setup.start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    befriend(&site, &alice, &bob).await;
    site.sql(&format!("INSERT INTO last_seen VALUES ('{}', now())", bob.id)).await;
    assert_eq!(of_friend(&site, &alice, &bob).await, Value::Null);
}
