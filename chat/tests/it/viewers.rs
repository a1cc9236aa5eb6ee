//! Unique viewers and connections: right, and right soon.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use domain::user::Username;
use live::viewers::{Touches, Viewers, counts, playlist_life};
use serde_json::json;
use testkit::services;
use tokio::time::Instant;

use crate::site::{Account, Node, Relay, Site, join, until};

/// The promise of the contract.
const RIGHT_WITHIN: Duration = Duration::from_secs(5);

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

async fn count(site: &Site, channel: &Account) -> u64 {
    counts(&site.live(), std::slice::from_ref(&channel.name)).await.unwrap()[&channel.name]
}

#[tokio::test]
async fn a_viewer_with_many_sockets_on_many_nodes_counts_once() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (first, second) = (site.node().await, site.node().await);
    let tab = json!({ "viewer_id": "tab-1" });
    let (one, two, other) = (first.connect(tab.clone()).await, second.connect(tab).await, second.sign_in(&alice).await);
    assert_eq!(join(&one, &alice).await["viewers"], 1);
    assert_eq!(join(&two, &alice).await["viewers"], 1);
    assert_eq!(join(&other, &alice).await["viewers"], 2);
    assert_eq!(
        join(&first.sign_in(&alice).await, &alice).await["viewers"],
        2,
        "a member without a viewer id counts once"
    );
    one.next_where("viewers", |event| *event == json!({ "username": "alice", "count": 2 })).await.unwrap();

    // One of its two sockets goes: it still watches.
    drop(one);
    other.disconnect().await;
    two.next_where("viewers", |event| event["count"] == 1).await.unwrap();
    two.ask("stream:leave", json!({ "username": "alice" })).await.unwrap();
    until(RIGHT_WITHIN, async || count(&site, &alice).await, |count| *count == 0).await;
}

#[tokio::test]
async fn a_killed_tab_is_gone_within_five_seconds() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let (watcher, doomed) = (node.anonymous().await, node.anonymous().await);
    join(&watcher, &alice).await;
    join(&doomed, &alice).await;
    watcher.next_where("viewers", |event| event["count"] == 2).await.unwrap();
    let killed = Instant::now();
    drop(doomed);
    watcher.next_where("viewers", |event| event["count"] == 1).await.unwrap();
    assert!(killed.elapsed() < RIGHT_WITHIN, "{:?}", killed.elapsed());
}

#[tokio::test]
async fn the_viewers_of_a_killed_node_are_gone_within_five_seconds() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (first, mut second) = (site.node().await, site.node().await);
    let (watcher, orphan) = (first.anonymous().await, second.anonymous().await);
    join(&watcher, &alice).await;
    join(&orphan, &alice).await;
    watcher.next_where("viewers", |event| event["count"] == 2).await.unwrap();
    let killed = Instant::now();
    second.kill();
    watcher.next_where("viewers", |event| event["count"] == 1).await.unwrap();
    assert!(killed.elapsed() < RIGHT_WITHIN, "{:?}", killed.elapsed());
}

#[tokio::test]
async fn counts_come_at_most_once_a_second_and_only_when_they_change() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let watcher = node.anonymous().await;
    join(&watcher, &alice).await;
    watcher.next("viewers").await.unwrap();
    let begun = Instant::now();
    let mut crowd = Vec::new();
    while begun.elapsed() < Duration::from_millis(2_500) {
        let client = node.anonymous().await;
        join(&client, &alice).await;
        crowd.push(client);
    }
    let told = watcher.drain("viewers").await;
    assert!((1..=3).contains(&told.len()), "{told:?}");
    let last = crowd.len() as u64 + 1;
    if told.last().is_none_or(|event| event["count"] != last) {
        watcher.next_where("viewers", |event| event["count"] == last).await.unwrap();
    }
    let quiet = tokio::time::timeout(Duration::from_millis(1_500), watcher.next("viewers")).await;
    assert!(quiet.is_err(), "nothing changed: {quiet:?}");
}

#[tokio::test]
async fn a_player_and_its_tab_are_one_viewer_and_a_player_alone_is_one_too() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let touches = Touches::new(site.live(), playlist_life(1_000), 100);
    touches.touch("alice", "tab-1", ADDRESS);
    touches.touch("alice", "vlc", ADDRESS);
    touches.touch("alice", "not an id", ADDRESS);
    assert!(touches.flush().await);
    assert_eq!(count(&site, &alice).await, 2);
    let tab = node.connect(json!({ "viewer_id": "tab-1" })).await;
    assert_eq!(join(&tab, &alice).await["viewers"], 2);
    // The player without a tab stops asking.
    until(RIGHT_WITHIN, async || count(&site, &alice).await, |count| *count == 1).await;
}

#[tokio::test]
async fn viewers_invented_behind_one_address_count_as_its_share() {
    let mut site = Site::start().await;
    site.config.limits.viewers_per_ip = 3;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let mut forged = Vec::new();
    for n in 0..8 {
        let socket = node.connect(json!({ "viewer_id": format!("forged-{n}") })).await;
        let viewers = join(&socket, &alice).await["viewers"].clone();
        assert_eq!(viewers, (n + 1).min(3));
        forged.push(socket);
    }
    assert_eq!(count(&site, &alice).await, 3);
    // The same people are still there while one of them has a socket.
    forged.truncate(4);
    assert_eq!(join(&forged[0], &alice).await["viewers"], 3);
    forged.clear();
    until(RIGHT_WITHIN, async || count(&site, &alice).await, |count| *count == 0).await;
    let touches = Touches::new(site.live(), playlist_life(1_000), 3);
    for n in 0..1_000 {
        touches.touch("alice", &format!("forged-{n}"), ADDRESS);
    }
    assert!(touches.flush().await);
    assert_eq!(count(&site, &alice).await, 3);
}

#[tokio::test]
async fn a_late_report_does_not_bring_a_killed_tab_back() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let viewers = Viewers::new(site.live());
    let touches = Touches::new(site.live(), playlist_life(2_000), 100);
    let tab = [(alice.name.clone(), "tab-1".into())];
    viewers.beat(&tab).await;
    touches.touch("alice", "tab-1", ADDRESS);
    tokio::time::sleep(Duration::from_millis(20)).await;
    viewers.leave(&tab).await;
    assert!(touches.flush().await);
    assert_eq!(count(&site, &alice).await, 0, "it asked before it left");
    touches.touch("alice", "tab-1", ADDRESS);
    assert!(touches.flush().await);
    assert_eq!(count(&site, &alice).await, 1, "it asked again");
}

#[tokio::test]
async fn connections_are_counted_by_member() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (first, mut second) = (site.node().await, site.node().await);
    let connections = async || live::presence::connections(&site.live(), &[alice.id, bob.id]).await.unwrap();
    let (one, _two, _three) = (first.sign_in(&alice).await, first.sign_in(&alice).await, second.sign_in(&alice).await);
    let _guest = first.anonymous().await;
    until(RIGHT_WITHIN, &connections, |counts| counts[&alice.id] == 3 && counts[&bob.id] == 0).await;
    drop(one);
    until(RIGHT_WITHIN, &connections, |counts| counts[&alice.id] == 2).await;
    second.kill();
    until(RIGHT_WITHIN, &connections, |counts| counts[&alice.id] == 1).await;
}

#[tokio::test]
async fn while_redis_is_away_the_last_count_stays_and_it_is_right_again_after() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (relay, through) = Relay::to_url(&services::redis_url()).await;
    let mut config = site.config.clone();
    config.redis.url = kit::Secret::new(through);
    let node = Node::start(config).await;
    let (watcher, leaver) = (node.anonymous().await, node.anonymous().await);
    join(&watcher, &alice).await;
    join(&leaver, &alice).await;
    watcher.next_where("viewers", |event| *event == json!({ "username": "alice", "count": 2 })).await.unwrap();
    relay.cut();
    let stale = json!({ "username": "alice", "count": 2, "stale": true });
    watcher.next_where("viewers", |event| *event == stale).await.unwrap();
    drop(leaver);
    let joined = join(&node.anonymous().await, &alice).await;
    assert_eq!((&joined["viewers"], &joined["stale"]), (&json!(2), &json!(true)));
    relay.mend();
    watcher.next_where("viewers", |event| *event == json!({ "username": "alice", "count": 1 })).await.unwrap();
}

#[tokio::test]
async fn after_redis_lost_everything_counts_are_back_at_the_next_heartbeat() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let watcher = node.anonymous().await;
    join(&watcher, &alice).await;
    let viewers = Viewers::new(site.live());
    // What FLUSHALL would leave of this site, in a Redis that others use too.
    viewers.leave(&[(alice.name.clone(), watcher.sid.as_str().into())]).await;
    assert_eq!(count(&site, &alice).await, 0);
    until(RIGHT_WITHIN, async || count(&site, &alice).await, |count| *count == 1).await;
}

#[tokio::test]
async fn the_peak_of_a_stream_is_written_down_and_never_falls() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    site.go_live(&alice, Duration::ZERO).await;
    let node = site.node().await;
    let (one, two) = (node.anonymous().await, node.anonymous().await);
    join(&one, &alice).await;
    join(&two, &alice).await;
    let peak = async || {
        let rows = db::testing::rows(&site.pool, "SELECT peak_viewers FROM streams").await.unwrap();
        rows[0]["peak_viewers"].as_u64().unwrap()
    };
    until(Duration::from_secs(8), &peak, |peak| *peak == 2).await;
    drop(two);
    until(RIGHT_WITHIN, async || count(&site, &alice).await, |count| *count == 1).await;
    let mut conn = site.pool.acquire().await.unwrap();
    let lower: HashMap<Username, u64> = HashMap::from([(alice.name.clone(), 1)]);
    db::chat::raise_peaks(&mut conn, &lower.into_iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(peak().await, 2);
}
