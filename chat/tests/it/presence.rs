//! Who is there: right within five seconds, told to those who may know it and to nobody else, and unknown rather than wrong.

use std::time::Duration;

use domain::people::{Letters, Sight};
use domain::rooms::RoomName;
use domain::{RoomId, UserId};
use live::fanout::{Push, SIGHT, Target, publish};
use serde_json::{Value, json};
use testkit::services;
use testkit::socket::SocketClient;
use tokio::time::{Instant, sleep};

use crate::site::{Account, Node, Relay, Site, until};

/// What is promised.
const RIGHT_WITHIN: Duration = Duration::from_secs(5);
/// From a start of all nodes until somebody can be said not to be there.
const SETTLED_WITHIN: Duration = Duration::from_secs(8);

async fn befriend(site: &Site, one: &Account, other: &Account) {
    let mut conn = site.pool.acquire().await.unwrap();
    for (asker, asked) in [(one, other), (other, one)] {
        db::friends::ask(&mut conn, asker.id, asked.id).await.unwrap();
    }
}

async fn group(site: &Site, members: &[&Account]) -> RoomId {
    let room = RoomId::from_uuid(kit::ids::uuid());
    let mut conn = site.pool.acquire().await.unwrap();
    db::rooms::create_group(&mut conn, room, members[0].id, &RoomName::parse("A group").unwrap()).await.unwrap();
    for member in &members[1..] {
        db::rooms::invite(&mut conn, room, member.id, members[0].id).await.unwrap();
        db::rooms::join(&mut conn, room, member.id).await.unwrap();
    }
    room
}

/// What a socket is told of the members it shows from now on.
async fn watch(client: &SocketClient, members: &[&Account]) -> Vec<Value> {
    let ids: Vec<UserId> = members.iter().map(|member| member.id).collect();
    let items = loop {
        let answer = client.ask("presence:watch", json!({ "user_ids": ids })).await.unwrap();
        match answer["retry_after_ms"].as_u64() {
            Some(wait) if answer["code"] == "chat.throttled" => sleep(Duration::from_millis(wait)).await,
            _ => {
                assert_eq!(answer["ok"], true, "{answer}");
                break answer["items"].as_array().unwrap().clone();
            }
        }
    };
    let of = |id: &UserId| items.iter().find(|item| item["user_id"] == json!(id)).unwrap()["presence"].clone();
    ids.iter().map(of).collect()
}

/// Asks until it is so of each.
async fn watch_until(client: &SocketClient, members: &[&Account], holds: impl Fn(&Value) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let all = watch(client, members).await;
        if all.iter().all(&holds) {
            return all;
        }
        assert!(Instant::now() < deadline, "still {all:?}");
        sleep(Duration::from_millis(300)).await;
    }
}

/// Watches until everybody is there.
async fn watch_online(client: &SocketClient, members: &[&Account]) {
    watch_until(client, members, |one| one["is_online"] == true).await;
}

/// The next thing said of somebody.
async fn told(client: &SocketClient, member: &Account) -> Value {
    let is_theirs = |item: &&Value| item["user_id"] == json!(member.id);
    let about = |event: &Value| event["items"].as_array().unwrap().iter().any(|item| is_theirs(&item));
    let event = client.next_where("presence:changed", about).await.unwrap();
    event["items"].as_array().unwrap().iter().find(is_theirs).unwrap()["presence"].clone()
}

fn is_online(presence: &Value) -> bool {
    presence["is_online"].as_bool().expect("known")
}

async fn set_sight(site: &Site, member: &Account, sight: Sight) {
    db::presence::set_sight(&mut site.pool.acquire().await.unwrap(), member.id, sight).await.unwrap();
    let payload = json!({ "user_id": member.id });
    let push = Push { target: Target::Site, event: SIGHT.to_owned(), payload, origin: None };
    publish(&site.live(), &push).await.unwrap();
}

async fn tell_friends(site: &Site, one: &Account, other: &Account) {
    for user in [one.id, other.id] {
        let event = "friends:changed".to_owned();
        let push = Push { target: Target::User(user), event, payload: json!({}), origin: None };
        publish(&site.live(), &push).await.unwrap();
    }
}

#[tokio::test]
async fn a_friend_comes_and_goes_with_the_first_and_the_last_of_their_tabs_on_any_node() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    befriend(&site, &alice, &bob).await;
    let (first, second) = (site.node().await, site.node().await);
    let watcher = first.sign_in(&alice).await;
    let before = watch_until(&watcher, &[&bob], |one| !one.is_null()).await.remove(0);
    assert_eq!(before, json!({ "is_online": false, "last_seen_at": null }), "never seen");

    let came = Instant::now();
    let one = second.sign_in(&bob).await;
    let mut news = told(&watcher, &bob).await;
    if news == before {
        // That they are friends was news to the node as well.
        news = told(&watcher, &bob).await;
    }
    assert_eq!(news, json!({ "is_online": true, "last_seen_at": null }));
    assert!(came.elapsed() < RIGHT_WITHIN, "{:?}", came.elapsed());
    let other = first.sign_in(&bob).await;
    until(RIGHT_WITHIN, async || connections(&site, &bob).await, |count| *count == 2).await;
    drop(one);
    until(RIGHT_WITHIN, async || connections(&site, &bob).await, |count| *count == 1).await;
    let left = Instant::now();
    drop(other);
    let gone = told(&watcher, &bob).await;
    assert!(left.elapsed() < RIGHT_WITHIN, "{:?}", left.elapsed());
    assert!(!is_online(&gone) && gone["last_seen_at"].is_string(), "{gone}");
    assert!(watcher.drain("presence:changed").await.is_empty(), "one tab of two is no news");
}

async fn connections(site: &Site, member: &Account) -> u64 {
    live::presence::connections(&site.live(), &[member.id]).await.unwrap()[&member.id]
}

#[tokio::test]
async fn the_members_of_a_killed_node_are_away_within_five_seconds() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    befriend(&site, &alice, &bob).await;
    befriend(&site, &alice, &carol).await;
    let (first, mut second) = (site.node().await, site.node().await);
    let (watcher, _orphan, _other) =
        (first.sign_in(&alice).await, second.sign_in(&bob).await, first.sign_in(&carol).await);
    watch_online(&watcher, &[&bob, &carol]).await;
    let killed = Instant::now();
    second.kill();
    assert!(!is_online(&told(&watcher, &bob).await));
    assert!(killed.elapsed() < RIGHT_WITHIN, "{:?}", killed.elapsed());
    assert!(is_online(&watch(&watcher, &[&carol]).await[0]), "her node lives");
}

#[tokio::test]
async fn loading_a_page_anew_is_no_news() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    befriend(&site, &alice, &bob).await;
    let node = site.node().await;
    let (watcher, tab) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    watch_online(&watcher, &[&bob]).await;
    tab.disconnect().await;
    let _again = node.sign_in(&bob).await;
    let news = tokio::time::timeout(Duration::from_secs(4), watcher.next("presence:changed")).await;
    assert!(news.is_err(), "{news:?}");
}

#[tokio::test]
async fn strangers_and_those_who_hide_it_learn_nothing() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    befriend(&site, &alice, &bob).await;
    let node = site.node().await;
    let (one, other, stranger) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&carol).await);
    watch_online(&one, &[&bob]).await;
    watch_online(&other, &[&alice]).await;
    assert_eq!(watch(&stranger, &[&alice, &bob, &carol]).await, [json!(null), json!(null), json!(null)]);
    let refused = node.anonymous().await.ask("presence:watch", json!({ "user_ids": [alice.id] })).await.unwrap();
    assert_eq!(refused["code"], "chat.unauthenticated");

    // Bob hides: nobody knows of him, and he of nobody.
    set_sight(&site, &bob, Sight::Nobody).await;
    assert_eq!(told(&one, &bob).await, json!(null));
    assert_eq!(told(&other, &alice).await, json!(null));
    assert_eq!(watch(&one, &[&bob]).await, [json!(null)]);
    set_sight(&site, &bob, Sight::Friends).await;
    assert!(is_online(&told(&one, &bob).await));
    assert!(is_online(&told(&other, &alice).await));
    assert!(stranger.drain("presence:changed").await.is_empty());
}

#[tokio::test]
async fn a_block_hides_both_and_looks_like_hiding() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    group(&site, &[&alice, &bob, &carol]).await;
    let node = site.node().await;
    let (one, other, third) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&carol).await);
    for (client, members) in [(&one, [&bob, &carol]), (&other, [&alice, &carol]), (&third, [&alice, &bob])] {
        watch_online(client, &members).await;
    }
    db::friends::block(&mut site.pool.acquire().await.unwrap(), alice.id, bob.id).await.unwrap();
    tell_friends(&site, &alice, &bob).await;
    assert_eq!(told(&one, &bob).await, json!(null));
    let blocked = told(&other, &alice).await;
    set_sight(&site, &carol, Sight::Nobody).await;
    let hidden = told(&other, &carol).await;
    assert_eq!(blocked, hidden, "the one cannot be told from the other");
    assert_eq!(watch(&other, &[&alice, &carol]).await, [json!(null), json!(null)]);
    // Carol sees nobody while she hides; of the block she hears nothing either way.
    assert_eq!(told(&third, &alice).await, json!(null));
    set_sight(&site, &carol, Sight::Friends).await;
    assert!(is_online(&told(&third, &bob).await));
}

#[tokio::test]
async fn who_only_opened_a_conversation_does_not_see_who_never_answered() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let mut conn = site.pool.acquire().await.unwrap();
    for member in [&alice, &bob] {
        db::friends::set_letters(&mut conn, member.id, Letters::Everybody).await.unwrap();
    }
    let room = db::rooms::open_pair(&mut conn, alice.id, bob.id).await.unwrap();
    let node = site.node().await;
    let (one, other) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let write = async |client: &SocketClient, client_id: &str| {
        let body = json!({ "room_id": room, "text": "hello", "client_id": client_id });
        assert_eq!(client.ask("room:send", body).await.unwrap()["ok"], true);
    };
    write(&one, "a").await;
    watch_online(&other, &[&alice]).await;
    assert_eq!(watch(&one, &[&bob]).await, [json!(null)], "he has said nothing");
    write(&other, "b").await;
    assert!(is_online(&watch(&one, &[&bob]).await[0]));
    // Who takes no messages from somebody is not there for them either.
    db::friends::set_letters(&mut conn, bob.id, Letters::Friends).await.unwrap();
    assert_eq!(watch(&one, &[&bob]).await, [json!(null)]);
}

#[tokio::test]
async fn while_redis_is_away_nobody_is_said_to_be_away() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    befriend(&site, &alice, &bob).await;
    let (relay, through) = Relay::to_url(&services::redis_url()).await;
    let mut config = site.config.clone();
    config.redis.url = kit::Secret::new(through);
    let node = Node::start(config).await;
    let (watcher, _there) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    watch_online(&watcher, &[&bob]).await;
    relay.cut();
    assert_eq!(told(&watcher, &bob).await, json!(null), "unknown");
    assert_eq!(watch(&watcher, &[&bob]).await, [json!(null)]);
    // Long enough for everything in Redis to expire.
    sleep(live::viewers::SOCKET_LIFE).await;
    relay.mend();
    assert!(is_online(&told(&watcher, &bob).await), "at no time away");
}

#[tokio::test]
async fn a_list_is_bounded_and_replaces_the_one_before() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    befriend(&site, &alice, &bob).await;
    befriend(&site, &alice, &carol).await;
    let node = site.node().await;
    let watcher = node.sign_in(&alice).await;
    let many: Vec<_> = (0..201).map(|_| kit::ids::uuid()).collect();
    for bad in [json!({ "user_ids": many }), json!({ "user_ids": ["bob"] }), json!({}), json!([bob.id])] {
        assert_eq!(watcher.ask("presence:watch", bad).await.unwrap()["code"], "request.invalid");
    }
    watch_until(&watcher, &[&bob, &carol], |one| one["is_online"] == false).await;
    watch(&watcher, &[&carol]).await;
    let (_one, _other) = (node.sign_in(&bob).await, node.sign_in(&carol).await);
    // That she was away when the first list was asked for may still be on its way.
    while !is_online(&told(&watcher, &carol).await) {}
    assert!(watch(&watcher, &[]).await.is_empty());
    let heard = watcher.drain("presence:changed").await;
    let of_bob =
        heard.iter().flat_map(|event| event["items"].as_array().unwrap()).filter(|i| i["user_id"] == json!(bob.id));
    assert_eq!(of_bob.count(), 0, "he is not shown any more");
    let throttled = until(
        RIGHT_WITHIN,
        async || watcher.ask("presence:watch", json!({ "user_ids": [bob.id] })).await.unwrap(),
        |answer| answer["ok"] == false,
    )
    .await;
    assert_eq!(throttled["code"], "chat.throttled");
    assert!(throttled["retry_after_ms"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn when_somebody_was_there_is_written_down_to_the_minute_and_not_of_who_hides_it() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    befriend(&site, &alice, &bob).await;
    set_sight(&site, &carol, Sight::Nobody).await;
    let node = site.node().await;
    let (tab, _hidden) = (node.sign_in(&bob).await, node.sign_in(&carol).await);
    let others = format!("SELECT user_id, seen_at FROM last_seen WHERE user_id <> '{}'", alice.id);
    let rows = async || db::testing::rows(&site.pool, &others).await.unwrap();
    let kept = until(Duration::from_secs(12), &rows, |rows| !rows.is_empty()).await;
    assert_eq!((kept.len(), &kept[0]["user_id"]), (1, &json!(bob.id)));
    drop(tab);
    let watcher = node.sign_in(&alice).await;
    let seen = watch_until(&watcher, &[&bob], |one| one["is_online"] == false).await.remove(0);
    assert!(seen["last_seen_at"].is_string(), "{seen}");

    let mut conn = site.pool.acquire().await.unwrap();
    let mut note = async |after_s: i64| {
        let at = kit::clock::now() + chrono::TimeDelta::seconds(after_s);
        db::presence::note(&mut conn, &[(bob.id, at), (carol.id, at), (UserId::from_uuid(kit::ids::uuid()), at)]).await
    };
    assert_eq!(note(30).await.unwrap(), 0, "not again within a minute");
    assert_eq!(note(120).await.unwrap(), 1);
    assert_eq!(note(60).await.unwrap(), 0, "nobody was there before they were there");
    set_sight(&site, &bob, Sight::Nobody).await;
    assert_eq!(rows().await, Vec::<Value>::new(), "nothing is kept of who hides it");
}
