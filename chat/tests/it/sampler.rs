//! What is written down of who watches: by one node, without making anything up.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use domain::StreamId;
use live::audience::{Audience, HOSTS_MAX, HOSTS_SEEN_MAX, OTHER_HOSTS, Seats, Way};
use live::viewers::{Touches, Viewers, playlist_life};
use serde_json::{Value, json};
use testkit::services;

use crate::site::{Account, Node, Relay, Site, join, say, until};

/// A slot that does not end while a test runs.
const AGE_S: u32 = 100_000_000;
const SOON: Duration = Duration::from_secs(10);
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

async fn rows(site: &Site, query: &str) -> Vec<Value> {
    db::testing::rows(&site.pool, query).await.unwrap()
}

async fn watch(site: &Site, channel: &Account, viewers: &[&str]) {
    let watching: Vec<_> = viewers.iter().map(|viewer| (channel.name.clone(), Arc::from(*viewer))).collect();
    assert!(Viewers::new(site.live()).beat(&watching).await);
}

fn ids(names: impl IntoIterator<Item = usize>) -> Vec<Arc<str>> {
    names.into_iter().map(|name| format!("viewer-{name}").into()).collect()
}

#[tokio::test]
async fn two_nodes_write_one_row_a_minute() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (stream, _) = site.go_live(&alice, Duration::from_secs(30)).await;
    let touches = Touches::new(site.live(), playlist_life(10_000), 2_000);
    for player in ["tab-1", "tab-2", "vlc"] {
        touches.touch("alice", player, ADDRESS);
    }
    assert!(touches.flush().await);
    watch(&site, &bob, &["tab-3"]).await;
    let (_one, _other) = tokio::join!(site.node(), site.node());
    let counted = "SELECT stream_id, viewers FROM stream_minutes WHERE viewers IS NOT NULL";
    let found = until(SOON, async || rows(&site, counted).await, |rows| !rows.is_empty()).await;
    assert_eq!(found[0], json!({"stream_id": stream, "viewers": 3}), "who is off air is not counted");
    let twice = "SELECT minute FROM stream_minutes GROUP BY stream_id, minute HAVING count(*) > 1";
    assert_eq!(rows(&site, twice).await, Vec::<Value>::new());
}

#[tokio::test]
async fn one_node_has_the_turn_and_another_takes_it_when_that_one_fails_or_dies() {
    let site = Site::start().await;
    let (one, other) = (Audience::new(site.live(), "one"), Audience::new(site.live(), "other"));
    let slot = one.turn("t", AGE_S, 60_000).await.expect("the first has it");
    assert_eq!(other.turn("t", AGE_S, 60_000).await, None);
    one.settle("t", slot, false).await;
    assert_eq!(other.turn("t", AGE_S, 60_000).await, Some(slot), "given back");
    one.settle("t", slot, false).await;
    assert_eq!(one.turn("t", AGE_S, 60_000).await, None, "who does not have it cannot give it back");
    other.settle("t", slot, true).await;
    assert_eq!(one.turn("t", AGE_S, 60_000).await, None, "done");
    assert_eq!(one.turn("u", AGE_S, 50).await, Some(slot));
    until(SOON, async || other.turn("u", AGE_S, 50).await, |turn| *turn == Some(slot)).await;
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_written_and_afterwards_it_goes_on() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    site.go_live(&alice, Duration::from_secs(30)).await;
    let (relay, through) = Relay::to_url(&services::redis_url()).await;
    relay.cut();
    let mut config = site.config.clone();
    config.redis.url = kit::Secret::new(through);
    let _node = Node::start(config).await;
    // Longer than a node waits between two attempts.
    let wait = tokio::time::timeout(
        Duration::from_secs(6),
        until(Duration::from_secs(60), async || rows(&site, "SELECT 1 FROM stream_minutes").await, |r| !r.is_empty()),
    );
    assert!(wait.await.is_err(), "a gap is a gap");
    relay.mend();
    let written = "SELECT viewers FROM stream_minutes WHERE viewers IS NOT NULL";
    let found = until(Duration::from_secs(20), async || rows(&site, written).await, |rows| !rows.is_empty()).await;
    assert_eq!(found[0], json!({"viewers": 0}));
    let gaps = "SELECT 1 FROM stream_minutes WHERE viewers IS NULL AND minute > (SELECT max(minute) FROM stream_minutes \
                WHERE viewers IS NOT NULL)";
    assert_eq!(rows(&site, gaps).await, Vec::<Value>::new());
}

#[tokio::test]
async fn lines_said_on_air_are_counted_by_minute() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (stream, _) = site.go_live(&alice, Duration::from_secs(30)).await;
    let node = site.node().await;
    let speaker = node.sign_in(&alice).await;
    for channel in [&alice, &bob] {
        join(&speaker, channel).await;
    }
    let began = kit::clock::now().timestamp();
    for channel in [&alice, &bob, &alice, &alice] {
        assert_eq!(say(&speaker, channel, "hello").await["ok"], true);
    }
    let audience = Audience::new(site.live(), "test");
    let known = async || {
        let mut known = Vec::new();
        for minute in [began - began.rem_euclid(60), began - began.rem_euclid(60) + 60] {
            known.extend(audience.lines(minute).await.expect("redis"));
        }
        known
    };
    let sum = |known: &Vec<(StreamId, i64)>| known.iter().map(|(_, count)| count).sum::<i64>();
    let lines = until(SOON, known, |known| sum(known) >= 3).await;
    assert!(lines.iter().all(|(of, _)| *of == stream), "what is said off air is not counted: {lines:?}");
    assert_eq!(sum(&lines), 3);
}

#[tokio::test]
async fn an_audience_is_told_apart_by_way_and_host_and_hosts_have_an_end() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let stream = StreamId::from_uuid(kit::ids::uuid());
    let audience = Audience::new(site.live(), "test");
    assert_eq!(audience.reach(stream).await, Some(None), "nothing is known yet");
    assert!(audience.note(stream, Way::Page, None, &ids(0..5)).await);
    assert!(audience.note(stream, Way::Page, Some("news.example"), &ids(3..5)).await);
    assert!(audience.note(stream, Way::Embed, Some("blog.example"), &ids(5..8)).await);
    assert!(audience.note(stream, Way::Embed, Some("blog.example"), &ids(5..8)).await, "seen again, counted once");
    watch(&site, &alice, &["viewer-0", "vlc"]).await;
    assert!(audience.gather(&[(stream, alice.name.clone())]).await);
    let reach = audience.reach(stream).await.flatten().expect("known");
    assert_eq!((reach.viewers, reach.pages, reach.embeds, reach.players), (9, 5, 3, 1));
    assert_eq!(reach.hosts, [("blog.example".to_owned(), 3), ("news.example".to_owned(), 2)]);

    for host in 0..HOSTS_SEEN_MAX + 20 {
        assert!(audience.note(stream, Way::Embed, Some(&format!("h{host}.example")), &ids([1_000 + host])).await);
    }
    assert!(audience.note(stream, Way::Embed, Some(OTHER_HOSTS), &ids([5_000])).await);
    let reach = audience.reach(stream).await.flatten().expect("known");
    assert_eq!(reach.hosts.len(), HOSTS_MAX);
    assert_eq!(reach.hosts[0].0, "blog.example");
    let others = (HOSTS_SEEN_MAX + 20 - (HOSTS_MAX - 2) + 1) as u64;
    assert!(reach.others.abs_diff(others) <= 5, "{} and not {others}", reach.others);
    let names: Vec<String> = reach.hosts.into_iter().map(|(host, _)| host).collect();
    audience.forget(stream, &names).await;
    assert_eq!(audience.reach(stream).await, Some(None));
}

#[tokio::test]
async fn many_viewers_are_gathered_in_bites() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let stream = StreamId::from_uuid(kit::ids::uuid());
    let audience = Audience::new(site.live(), "test");
    let touches = Touches::new(site.live(), Duration::from_secs(30), 2_000);
    for viewer in 0..1_200 {
        touches.touch("alice", &format!("v{viewer}"), ADDRESS);
    }
    assert!(touches.flush().await);
    assert!(audience.gather(&[(stream, alice.name.clone())]).await);
    let reach = audience.reach(stream).await.flatten().expect("known");
    assert!(reach.viewers.abs_diff(1_200) < 40, "{}", reach.viewers);
    assert_eq!(reach.players, reach.viewers);
}

#[tokio::test]
async fn sockets_of_all_nodes_are_added_up() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (one, other) = (Audience::new(site.live(), "one"), Audience::new(site.live(), "other"));
    let seats = |sockets, viewers| Seats { sockets, viewers };
    assert!(one.report(&[(alice.name.clone(), seats(3, 2)), (bob.name.clone(), seats(1, 1))]).await);
    assert!(other.report(&[(alice.name.clone(), seats(2, 2))]).await);
    let names = [alice.name.clone(), bob.name.clone()];
    assert_eq!(one.seats(&names).await, Some(vec![seats(5, 4), seats(1, 1)]));
    assert!(one.report(&[(alice.name.clone(), seats(1, 1))]).await, "in place of what it said before");
    assert_eq!(other.seats(&names).await, Some(vec![seats(3, 3), seats(0, 0)]));
}

#[tokio::test]
async fn who_joins_says_how_they_came() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (stream, _) = site.go_live(&alice, Duration::from_secs(3_600)).await;
    let node = site.node().await;
    let tab = node.connect(json!({ "viewer_id": "tab-1" })).await;
    let from = json!({ "username": alice.name, "from": "embed", "host": "blog.example" });
    assert_eq!(tab.ask("stream:join", from).await.unwrap()["ok"], true);
    let page = node.connect(json!({ "viewer_id": "tab-2" })).await;
    join(&page, &alice).await;
    let audience = Audience::new(site.live(), "test");
    // Looked at every 15 s.
    let reach = until(
        Duration::from_secs(25),
        async || audience.reach(stream).await.flatten().unwrap_or_default(),
        |reach| reach.viewers == 2 && reach.embeds == 1,
    )
    .await;
    assert_eq!((reach.pages, reach.players), (1, 0));
    assert_eq!(reach.hosts, [("blog.example".to_owned(), 1)]);
}

#[tokio::test]
async fn whom_a_stream_reached_is_written_after_its_end() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (stream, _) = site.go_live(&alice, Duration::from_secs(3_600)).await;
    site.execute("UPDATE streams SET status = 'ended', ended_at = now() - interval '5 minutes'").await;
    let audience = Audience::new(site.live(), "test");
    assert!(audience.note(stream, Way::Embed, Some("blog.example"), &ids(0..1)).await);
    watch(&site, &alice, &["viewer-0", "vlc"]).await;
    assert!(audience.gather(&[(stream, alice.name.clone())]).await);
    let _node = site.node().await;
    let written = "SELECT viewers, pages, embeds, players, hosts, others FROM stream_audiences";
    let found = until(SOON, async || rows(&site, written).await, |rows| !rows.is_empty()).await;
    let hosts = json!([{"host": "blog.example", "viewers": 1}]);
    assert_eq!(found[0], json!({"viewers": 2, "pages": 0, "embeds": 1, "players": 1, "hosts": hosts, "others": 0}));
    until(SOON, async || audience.reach(stream).await, |reach| *reach == Some(None)).await;
}
