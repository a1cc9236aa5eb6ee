//! `GET /api/v1/events`: what sockets are told, for clients without Socket.IO.

use std::time::Duration;

use db::api_tokens::NewToken;
use domain::SessionId;
use domain::api_token::Scope;
use kit::tokens::AccessTokens;
use live::fanout::{Push, Target, publish};
use live::revocations::Revocations;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use testkit::socket::{ConnectFailure, ConnectOptions, SocketClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::site::{Account, Node, Site, TTL_S, join, say, until};

const WAIT: Duration = Duration::from_secs(5);

/// One reader.
struct Feed {
    answer: reqwest::Response,
    text: String,
}

impl Feed {
    /// The next event and its data; `None` when the feed ended as it should.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                // A comment says only that the line lives.
                let Some((event, data)) = block.split_once('\n') else { continue };
                let event = event.strip_prefix("event: ").expect("an event's name").to_owned();
                let data = data.strip_prefix("data: ").expect("its data");
                return Some((event, serde_json::from_str(data).expect("JSON")));
            }
            let chunk = timeout(WAIT, self.answer.chunk()).await.expect("in time").expect("not broken")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    /// Passes over what is called otherwise.
    async fn find(&mut self, wanted: &str) -> Value {
        loop {
            let (event, data) = self.next().await.expect("not over");
            if event == wanted {
                return data;
            }
        }
    }
}

async fn get(node: &Node, query: &str, token: Option<&str>) -> reqwest::Response {
    let mut request = reqwest::Client::new().get(format!("{}/api/v1/events?{query}", node.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

async fn open(node: &Node, query: &str, reader: Option<&Account>) -> (Feed, Value) {
    let answer = get(node, query, reader.map(|reader| reader.token.as_str())).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/event-stream");
    let mut feed = Feed { answer, text: String::new() };
    let (event, ready) = feed.next().await.unwrap();
    assert_eq!(event, "ready");
    (feed, ready)
}

fn push(target: Target, event: &str, payload: Value) -> Push {
    Push { target, event: event.to_owned(), payload, origin: None }
}

/// Tells until heard: the node may not have subscribed yet.
async fn hears(node: &Node, feed: &mut Feed, told: Push) -> Value {
    let telling = async {
        loop {
            publish(&node.live, &told).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        heard = feed.find(&told.event) => heard,
        () = telling => unreachable!(),
    }
}

async fn refused(node: &Node, query: &str, token: Option<&str>) -> (u16, String) {
    let answer = get(node, query, token).await;
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_feed_hears_what_a_socket_hears_and_is_no_viewer() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (stream, _) = site.go_live(&alice, Duration::ZERO).await;
    let node = site.node().await;
    let speaker = node.sign_in(&alice).await;
    join(&speaker, &alice).await;

    let (mut feed, ready) = open(&node, "channels=alice", Some(&bob)).await;
    assert_eq!(ready["is_resumed"], false);
    assert_eq!(ready["channels"], json!([{ "username": "alice", "viewers": 1, "stream_id": stream }]));
    let said = say(&speaker, &alice, "hello").await["message"].clone();
    assert_eq!(feed.find("chat:message").await, said);
    let notification = json!({ "id": "1", "type": "new_follower" });
    assert_eq!(
        hears(&node, &mut feed, push(Target::User(bob.id), "notification", notification.clone())).await,
        notification
    );
    let online = json!({ "username": "carol", "stream_id": "s" });
    assert_eq!(hears(&node, &mut feed, push(Target::Site, "stream:online", online.clone())).await, online);

    // A visitor who names nothing hears what everybody hears, and nothing of members or rooms.
    let (mut visitor, ready) = open(&node, "", None).await;
    assert_eq!(ready["channels"], json!([]));
    say(&speaker, &alice, "for the room").await;
    publish(&node.live, &push(Target::User(bob.id), "notification", notification)).await.unwrap();
    publish(&node.live, &push(Target::Site, "stream:offline", online.clone())).await.unwrap();
    assert_eq!(visitor.next().await.unwrap(), ("stream:offline".to_owned(), online));

    // Neither of the two readers is counted, and the socket is.
    assert_eq!(join(&speaker, &alice).await["viewers"], 1);
}

#[tokio::test]
async fn viewers_are_told_and_what_was_not_asked_for_is_left_out() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let (mut feed, ready) = open(&node, "channels=alice&events=viewers,stream:offline", None).await;
    assert_eq!(ready["channels"][0]["viewers"], 0);
    let speaker = node.sign_in(&alice).await;
    join(&speaker, &alice).await;
    assert_eq!(say(&speaker, &alice, "not for it").await["ok"], true);
    loop {
        let (event, data) = feed.next().await.unwrap();
        assert_eq!(event, "viewers");
        if data == json!({ "username": "alice", "count": 1 }) {
            break;
        }
    }
}

#[tokio::test]
async fn who_may_not_hear_is_told_why() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let (stream, _) = site.go_live(&alice, Duration::ZERO).await;
    site.execute(&format!("UPDATE streams SET visibility = 'private' WHERE stream_id = '{stream}'")).await;
    let (link, _) = site.go_live(&carol, Duration::ZERO).await;
    site.execute(&format!("UPDATE streams SET visibility = 'unlisted' WHERE stream_id = '{link}'")).await;
    let node = site.node().await;
    let unknown = refused(&node, "channels=nobody", None).await;
    assert_eq!(unknown, (404, "not-found".to_owned()));
    assert_eq!(refused(&node, "channels=alice", Some(&bob.token)).await, (403, "chat.closed".to_owned()));
    assert_eq!(refused(&node, "channels=carol", None).await, (403, "chat.closed".to_owned()));
    assert_eq!(refused(&node, "", Some("garbage")).await, (401, "auth.invalid-token".to_owned()));
    assert_eq!(refused(&node, "room=alice", None).await, (422, "request.invalid".to_owned()));
    assert_eq!(refused(&node, "channels=a%20b", None).await.0, 422);
    open(&node, "channels=alice", Some(&alice)).await;
    open(&node, &format!("channels=carol@{link}"), None).await;
    let foreign =
        reqwest::Client::new().get(format!("{}/api/v1/events", node.url)).header("origin", "https://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    // Other methods, and other paths, are not the gateway's.
    let posted = reqwest::Client::new().post(format!("{}/api/v1/events", node.url)).send().await.unwrap();
    assert_eq!(posted.text().await.unwrap(), "not chat");
}

#[tokio::test]
async fn a_member_and_an_address_have_so_many_feeds() {
    let mut site = Site::start().await;
    site.config.chat.connections_per_ip_max = 10;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let mut feeds = Vec::new();
    for _ in 0..8 {
        feeds.push(open(&node, "", Some(&alice)).await);
    }
    let answer = get(&node, "", Some(&alice.token)).await;
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key(RETRY_AFTER));
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "events.too-many");
    feeds.push(open(&node, "", None).await);
    feeds.push(open(&node, "", None).await);
    assert_eq!(refused(&node, "", None).await, (429, "chat.too-many-connections".to_owned()));
    feeds.clear();
    // Places are free again when their readers are gone.
    let retry = async || get(&node, "", Some(&alice.token)).await.status().as_u16();
    until(WAIT, retry, |status| *status == 200).await;
}

#[tokio::test]
async fn a_feed_ends_with_its_sign_in() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (mut feed, _) = open(&node, "", Some(&alice)).await;
    let (mut other, _) = open(&node, "", Some(&bob)).await;
    let revocations = Revocations::new(site.live(), TTL_S);
    let telling = async {
        loop {
            revocations.revoke_session(alice.session).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        ended = feed.next() => assert_eq!(ended.unwrap(), ("auth:expired".to_owned(), json!({ "code": "auth.revoked" }))),
        () = telling => {}
    }
    assert_eq!(feed.next().await, None);
    // Nobody told of this one: the rows say so.
    site.execute(&format!("UPDATE users SET is_barred = true WHERE user_id = '{}'", bob.id)).await;
    let ended = timeout(Duration::from_secs(2), other.next()).await.expect("within two seconds");
    assert_eq!(ended.unwrap().0, "auth:expired");
    assert_eq!(other.next().await, None);
    // A token that runs out.
    let carol = site.member("carol").await;
    let short = AccessTokens::new(&site.config.auth.secret, 1).issue(carol.id, carol.session, domain::user::Role::User);
    let mut brief = Feed { answer: get(&node, "", Some(&short)).await, text: String::new() };
    assert_eq!(brief.find("auth:expired").await, json!({ "code": "auth.expired" }));
    while let Some((event, _)) = timeout(Duration::from_secs(10), brief.next()).await.expect("it ends") {
        assert_ne!(event, "notification");
    }
}

#[tokio::test]
async fn a_programs_token_listens_where_it_may() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let tokens = kit::api_tokens::ApiTokens::new(&site.config.auth.secret);
    let mut made = Vec::new();
    for scope in [Scope::EventsRead, Scope::FilesRead] {
        let (minted, id) = (tokens.mint(), SessionId::from_uuid(kit::ids::uuid()));
        let new = NewToken {
            id,
            user: alice.id,
            name: "a bot",
            hash: &minted.hash,
            hint: &minted.hint,
            scopes: &[scope],
            expires_at: kit::clock::now() + Duration::from_secs(60),
        };
        assert!(db::api_tokens::add(&mut site.pool.acquire().await.unwrap(), new).await.unwrap());
        made.push((minted.token.expose().to_owned(), id));
    }
    assert_eq!(refused(&node, "", Some(&made[1].0)).await, (403, "api-token.scope".to_owned()));
    let answer = get(&node, "", Some(&made[0].0)).await;
    let mut feed = Feed { answer, text: String::new() };
    feed.find("ready").await;
    let told = json!({ "id": "1" });
    assert_eq!(hears(&node, &mut feed, push(Target::User(alice.id), "notification", told.clone())).await, told);
    // Sockets are for people.
    let auth = json!({ "token": made[0].0 });
    let refused_socket = SocketClient::connect(&node.url, ConnectOptions { auth, origin: None }).await;
    assert!(matches!(refused_socket, Err(ConnectFailure::Refused(code)) if code == "auth.invalid-token"));
    site.execute(&format!("UPDATE sessions SET revoked_at = now() WHERE session_id = '{}'", made[0].1)).await;
    assert_eq!(feed.find("auth:expired").await, json!({ "code": "auth.revoked" }));
    while timeout(Duration::from_secs(2), feed.next()).await.expect("it ends").is_some() {}
    assert_eq!(refused(&node, "", Some(&made[0].0)).await, (401, "auth.invalid-token".to_owned()));
}

#[tokio::test]
async fn a_feed_is_shown_out_of_a_room_that_is_not_for_it_any_more() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (stream, _) = site.go_live(&alice, Duration::ZERO).await;
    let node = site.node().await;
    let (mut feed, _) = open(&node, "channels=alice", Some(&bob)).await;
    site.execute(&format!("UPDATE streams SET visibility = 'private' WHERE stream_id = '{stream}'")).await;
    assert_eq!(feed.find("chat:closed").await, json!({ "username": "alice" }));
    let speaker = node.sign_in(&alice).await;
    join(&speaker, &alice).await;
    assert_eq!(say(&speaker, &alice, "among ourselves").await["ok"], true);
    let told = push(Target::User(bob.id), "notification", json!({ "id": "1" }));
    let mut heard = Vec::new();
    publish(&node.live, &told).await.unwrap();
    loop {
        let (event, _) = feed.next().await.unwrap();
        if event == "notification" {
            break;
        }
        heard.push(event);
    }
    assert!(!heard.contains(&"chat:message".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_cut_and_others_go_on() {
    let site = Site::start().await;
    let node = site.node().await;
    let (mut other, _) = open(&node, "", None).await;
    hears(&node, &mut other, push(Target::Site, "stream:online", json!({}))).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket.connect(node.url.trim_start_matches("http://").parse().unwrap()).await.unwrap();
    slow.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut head = [0; 1_024];
    let read = slow.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200"));
    // More than the kernel holds for it, and the waiting limit on top.
    let (count, text) = (2_000, "x".repeat(8 * 1024));
    let telling = async {
        for number in 0..count {
            let told = push(Target::Site, "stream:offline", json!({ "number": number, "text": text }));
            publish(&node.live, &told).await.unwrap();
        }
    };
    let hearing = async {
        for number in 0..count {
            assert_eq!(other.find("stream:offline").await["number"], number);
        }
    };
    tokio::join!(telling, hearing);
    let mut rest = Vec::new();
    // Broken off, which may be seen as an error or as an end without the last chunk.
    let _ended = timeout(WAIT, slow.read_to_end(&mut rest)).await.expect("the connection ends");
    assert!(rest.len() < count * text.len());
    assert!(!rest.ends_with(b"0\r\n\r\n"), "what was left out must not look complete");
}

#[tokio::test]
async fn feeds_end_when_the_node_stops() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let (mut feed, _) = open(&node, "", Some(&alice)).await;
    let stopping = node.stop_keeping_server();
    let (_server, ended) = tokio::join!(stopping, async { while feed.next().await.is_some() {} });
    assert_eq!(ended, ());
}
