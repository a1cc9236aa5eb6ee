//! Rooms as their members meet them: what is said reaches who sits there, on all their tabs and nodes, and nobody else.

use std::time::Duration;

use domain::people::Letters;
use domain::rooms::{RoomName, RoomRole};
use domain::{MessageId, RoomId};
use serde_json::{Value, json};
use testkit::mongo::MongoServer;
use testkit::services;
use testkit::socket::SocketClient;

use crate::site::{Account, Relay, Site, until};

async fn befriend(site: &Site, one: &Account, other: &Account) {
    let mut conn = site.pool.acquire().await.unwrap();
    for (asker, asked) in [(one, other), (other, one)] {
        db::friends::ask(&mut conn, asker.id, asked.id).await.unwrap();
    }
}

/// The room of two friends.
pub(crate) async fn pair(site: &Site, one: &Account, other: &Account) -> RoomId {
    befriend(site, one, other).await;
    db::rooms::open_pair(&mut site.pool.acquire().await.unwrap(), one.id, other.id).await.unwrap()
}

/// A group; the first owns it.
pub(crate) async fn group(site: &Site, members: &[&Account]) -> RoomId {
    let room = RoomId::from_uuid(kit::ids::uuid());
    let mut conn = site.pool.acquire().await.unwrap();
    let name = RoomName::parse("A group").unwrap();
    assert!(db::rooms::create_group(&mut conn, room, members[0].id, &name).await.unwrap());
    for member in &members[1..] {
        db::rooms::invite(&mut conn, room, member.id, members[0].id).await.unwrap();
        assert_eq!(db::rooms::join(&mut conn, room, member.id).await.unwrap(), db::rooms::Joined::Done);
    }
    room
}

async fn try_write(client: &SocketClient, room: RoomId, text: &str) -> Value {
    let client_id = kit::ids::random_token::<8>();
    client.ask("room:send", json!({ "room_id": room, "text": text, "client_id": client_id })).await.unwrap()
}

async fn write(client: &SocketClient, room: RoomId, text: &str) -> Value {
    let answer = try_write(client, room, text).await;
    assert_eq!(answer["ok"], true, "{answer}");
    answer["message"].clone()
}

pub(crate) async fn ask(client: &SocketClient, event: &str, body: Value) -> Value {
    let answer = client.ask(event, body).await.unwrap();
    assert_eq!(answer["ok"], true, "{event}: {answer}");
    answer
}

pub(crate) async fn code(client: &SocketClient, event: &str, body: Value) -> String {
    let answer = client.ask(event, body).await.unwrap();
    assert_eq!(answer["ok"], false, "{event}: {answer}");
    answer["code"].as_str().unwrap().to_owned()
}

/// How many messages are new to a member in their only room.
async fn unread(client: &SocketClient) -> Value {
    ask(client, "room:list", json!({})).await["items"][0]["unread_count"].clone()
}

/// Until the nodes of both hear each other: subscriptions take a moment to be made.
pub(crate) async fn connected(writer: &SocketClient, reader: &SocketClient, room: RoomId) {
    until(
        Duration::from_secs(5),
        async || {
            let said = write(writer, room, "warm up").await;
            let heard = reader.next_where("room:message", |message| message["id"] == said["id"]);
            tokio::time::timeout(Duration::from_millis(200), heard).await.is_ok()
        },
        |heard| *heard,
    )
    .await;
}

#[tokio::test]
async fn what_one_says_everybody_in_the_room_hears_on_all_tabs_and_nodes_and_nobody_else() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let room = pair(&site, &alice, &bob).await;
    let (first, second) = (site.node().await, site.node().await);
    let (writer, reader, tab) = (first.sign_in(&alice).await, second.sign_in(&bob).await, first.sign_in(&bob).await);
    let stranger = second.sign_in(&carol).await;
    connected(&writer, &reader, room).await;
    let said = write(&writer, room, "  hi\u{202e} bob ").await;
    assert_eq!((&said["text"], &said["user"]["username"]), (&json!("hi bob"), &json!("alice")));
    for listener in [&reader, &tab, &writer] {
        let heard = listener.next_where("room:message", |message| message["id"] == said["id"]).await.unwrap();
        assert_eq!(heard, said);
    }
    let answer = json!({ "room_id": room, "text": "hi alice", "client_id": "answer", "reply_to": said["id"] });
    let answer = ask(&reader, "room:send", answer).await["message"].clone();
    assert_eq!(answer["reply_to"]["text"], "hi bob");
    assert_eq!(writer.next_where("room:message", |m| m["id"] == answer["id"]).await.unwrap(), answer);

    // For everybody else the room is not there, whatever is asked.
    for (event, body) in [
        ("room:send", json!({ "room_id": room, "text": "x", "client_id": "c" })),
        ("room:history", json!({ "room_id": room })),
        ("room:typing", json!({ "room_id": room })),
        ("room:read", json!({ "room_id": room, "id": said["id"] })),
    ] {
        assert_eq!(code(&stranger, event, body).await, "room.not-found", "{event}");
    }
    for (event, body) in [
        ("room:edit", json!({ "id": said["id"], "text": "x" })),
        ("room:delete", json!({ "id": said["id"] })),
        ("room:react", json!({ "id": said["id"], "emoji": "👍", "on": true })),
    ] {
        assert_eq!(code(&stranger, event, body).await, "not-found", "{event}");
    }
    assert_eq!(ask(&stranger, "room:list", json!({})).await["items"], json!([]));
    assert_eq!(code(&first.anonymous().await, "room:list", json!({})).await, "chat.unauthenticated");
    assert!(stranger.drain("room:message").await.is_empty());
}

#[tokio::test]
async fn unread_messages_are_counted_alike_everywhere_and_a_marker_only_moves_forward() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(&site, &alice, &bob).await;
    let node = site.node().await;
    let (writer, reader, tab) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&bob).await);
    let mut said = Vec::new();
    for n in 0..4 {
        said.push(write(&writer, room, &format!("line {n}")).await);
    }
    assert_eq!((unread(&reader).await, unread(&tab).await, unread(&writer).await), (json!(4), json!(4), json!(0)));
    let mark = |n: usize| json!({ "room_id": room, "id": said[n]["id"] });
    ask(&reader, "room:read", mark(1)).await;
    for listener in [&writer, &tab] {
        let told = listener.next("room:read").await.unwrap();
        assert_eq!(told, json!({ "room_id": room, "user_id": bob.id, "id": said[1]["id"] }));
    }
    assert_eq!(unread(&tab).await, 2);
    ask(&reader, "room:read", mark(3)).await;
    assert_eq!(writer.next("room:read").await.unwrap()["id"], said[3]["id"]);
    ask(&reader, "room:read", mark(0)).await;
    assert_eq!(unread(&reader).await, 0, "it does not go back");
    assert!(writer.drain("room:read").await.is_empty());
    let ahead = json!({ "room_id": room, "id": MessageId::from_uuid(kit::ids::uuid()) });
    assert_eq!(code(&reader, "room:read", ahead).await, "not-found");

    // What is deleted is not unread; whoever speaks has read what was said before.
    let last = write(&writer, room, "a mistake").await;
    ask(&writer, "room:delete", json!({ "id": last["id"] })).await;
    assert_eq!(reader.next("room:deleted").await.unwrap(), json!({ "room_id": room, "id": last["id"] }));
    assert_eq!(unread(&reader).await, 0);
    write(&writer, room, "news").await;
    assert_eq!(ask(&reader, "room:list", json!({})).await["unread_count"], 1);
    write(&reader, room, "I saw it").await;
    assert_eq!(unread(&reader).await, 0);
    let back = node.sign_in(&alice).await;
    assert_eq!(unread(&back).await, 1, "who comes back is told the same");
}

#[tokio::test]
async fn a_message_sent_again_is_stored_and_told_once() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let (room, elsewhere) = (pair(&site, &alice, &bob).await, pair(&site, &alice, &carol).await);
    let node = site.node().await;
    let (writer, reader) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let body = json!({ "room_id": room, "text": "once", "client_id": "the-same" });
    let first = ask(&writer, "room:send", body.clone()).await;
    assert_eq!(ask(&writer, "room:send", body.clone()).await, first);
    assert_eq!(reader.next("room:message").await.unwrap(), first["message"]);
    assert_eq!(unread(&reader).await, 1);
    ask(&writer, "room:delete", json!({ "id": first["message"]["id"] })).await;
    ask(&writer, "room:send", body).await;
    let list = ask(&reader, "room:list", json!({})).await;
    assert_eq!(list["unread_count"], 0, "what was deleted does not come back");
    assert!(reader.drain("room:message").await.is_empty());
    for (body, expected) in [
        (json!({ "room_id": elsewhere, "text": "once", "client_id": "the-same" }), "request.invalid"),
        (json!({ "room_id": room, "text": "x".repeat(501), "client_id": "long" }), "chat.too-long"),
        (json!({ "room_id": room, "text": "\u{200b}", "client_id": "empty" }), "request.invalid"),
        (json!({ "room_id": "7", "text": "x", "client_id": "no-room" }), "request.invalid"),
        (json!({ "room_id": room, "text": 5, "client_id": "number" }), "request.invalid"),
        (json!({ "room_id": room, "text": "x", "client_id": "r", "reply_to": kit::ids::uuid() }), "chat.reply-gone"),
    ] {
        assert_eq!(code(&writer, "room:send", body).await, expected);
    }
}

#[tokio::test]
async fn who_may_write_is_everybodys_own_choice_and_of_a_block_nobody_hears() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(&site, &alice, &bob).await;
    let node = site.node().await;
    let (writer, other) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    write(&writer, room, "hello").await;
    let set = async |who: &Account, letters| {
        db::friends::set_letters(&mut site.pool.acquire().await.unwrap(), who.id, letters).await.unwrap();
    };
    let refused = async || try_write(&writer, room, "are you there").await["code"].clone();
    // At once: nothing of it is remembered.
    set(&bob, Letters::Nobody).await;
    assert_eq!(refused().await, "room.not-accepting");
    set(&bob, Letters::Everybody).await;
    set(&alice, Letters::Nobody).await;
    assert_eq!(refused().await, "room.closed-here", "there could be no answer");
    set(&alice, Letters::Friends).await;
    write(&writer, room, "hello again").await;

    let mut conn = site.pool.acquire().await.unwrap();
    db::friends::part(&mut conn, alice.id, bob.id).await.unwrap();
    assert_eq!(refused().await, "room.closed-here", "friends no more, and she takes only friends'");
    set(&alice, Letters::Everybody).await;
    write(&writer, room, "he takes everybody's").await;
    let before = try_write(&writer, room, "x").await["message"].clone();
    db::friends::block(&mut conn, bob.id, alice.id).await.unwrap();
    let at_block = refused().await;
    db::friends::unblock(&mut conn, bob.id, alice.id).await.unwrap();
    set(&bob, Letters::Nobody).await;
    assert_eq!((at_block, refused().await), (json!("room.not-accepting"), json!("room.not-accepting")));
    db::friends::block(&mut conn, bob.id, alice.id).await.unwrap();
    drop(conn);

    other.next_where("room:message", |message| message["id"] == before["id"]).await.unwrap();
    for (event, body) in [
        ("room:typing", json!({ "room_id": room })),
        ("room:edit", json!({ "id": before["id"], "text": "y" })),
        ("room:react", json!({ "id": before["id"], "emoji": "👍", "on": true })),
    ] {
        assert_eq!(code(&writer, event, body).await, "room.not-accepting", "{event}");
    }
    assert_eq!(try_write(&other, room, "x").await["code"], "friend.blocked");
    assert_eq!(ask(&other, "room:list", json!({})).await["items"], json!([]), "who blocks sees it no more");
    // Reading goes on, and the other does not hear of it.
    ask(&other, "room:read", json!({ "room_id": room, "id": before["id"] })).await;
    other.next("room:read").await.unwrap();
    for event in ["room:typing", "room:edited", "room:reactions"] {
        assert!(other.drain(event).await.is_empty(), "{event}");
    }
    assert!(writer.drain("room:read").await.is_empty());
}

#[tokio::test]
async fn who_was_shown_out_hears_and_says_nothing_from_the_next_event_on() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let room = group(&site, &[&alice, &bob, &carol]).await;
    let (first, second) = (site.node().await, site.node().await);
    let (owner, stays, goes) = (first.sign_in(&alice).await, second.sign_in(&bob).await, second.sign_in(&carol).await);
    connected(&owner, &goes, room).await;
    let mut conn = site.pool.acquire().await.unwrap();
    assert!(db::rooms::remove(&mut conn, room, carol.id, RoomRole::Owner).await.unwrap());
    let secret = write(&owner, room, "now we are two").await;
    ask(&owner, "room:typing", json!({ "room_id": room })).await;
    stays.next_where("room:message", |message| message["id"] == secret["id"]).await.unwrap();
    stays.next("room:typing").await.unwrap();
    let heard = goes.drain("room:message").await;
    assert!(heard.iter().all(|message| message["id"] != secret["id"]));
    assert!(goes.drain("room:typing").await.is_empty());
    for (event, body) in [
        ("room:send", json!({ "room_id": room, "text": "x", "client_id": "c" })),
        ("room:history", json!({ "room_id": room })),
    ] {
        assert_eq!(code(&goes, event, body).await, "room.not-found");
    }
    // Who comes back reads what was said meanwhile, and has none of it unread.
    db::rooms::invite(&mut conn, room, carol.id, alice.id).await.unwrap();
    db::rooms::join(&mut conn, room, carol.id).await.unwrap();
    assert_eq!(unread(&goes).await, 0);
    let back = write(&goes, room, "hello again").await;
    assert_eq!(back["user"]["username"], "carol");

    db::rooms::archive(&mut conn, room, true).await.unwrap();
    assert_eq!(try_write(&owner, room, "x").await["code"], "room.archived");
    assert_eq!(code(&owner, "room:typing", json!({ "room_id": room })).await, "room.archived");
    ask(&owner, "room:history", json!({ "room_id": room })).await;
}

#[tokio::test]
async fn messages_are_changed_by_their_authors_and_hidden_by_who_keeps_order() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let room = group(&site, &[&alice, &bob, &carol]).await;
    let node = site.node().await;
    let (owner, author, other) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&carol).await);
    let said = write(&author, room, "frist").await;
    let edit = json!({ "id": said["id"], "text": "first" });
    for client in [&owner, &other] {
        assert_eq!(code(client, "room:edit", edit.clone()).await, "chat.forbidden");
    }
    let edited = ask(&author, "room:edit", edit.clone()).await["message"].clone();
    assert_eq!((&edited["text"], edited["edited_at"].is_string()), (&json!("first"), true));
    assert_eq!(other.next("room:edited").await.unwrap()["message"], edited);
    let list = db::rooms::list(&mut site.pool.acquire().await.unwrap(), carol.id, db::rooms::Which::default(), 9).await;
    assert_eq!(list.unwrap()[0].last.as_ref().unwrap().excerpt, "first");

    let react = |on: bool| json!({ "id": said["id"], "emoji": "👍", "on": on });
    ask(&owner, "room:react", react(true)).await;
    let answer = ask(&other, "room:react", react(true)).await;
    assert_eq!(answer["reactions"], json!([{ "emoji": "👍", "user_ids": [alice.id, carol.id] }]));
    ask(&owner, "room:react", react(false)).await;
    let told = author.next_where("room:reactions", |told| told["reactions"][0]["user_ids"] == json!([carol.id])).await;
    assert_eq!(told.unwrap()["room_id"], json!(room));
    assert_eq!(
        code(&other, "room:react", json!({ "id": said["id"], "emoji": "no", "on": true })).await,
        "request.invalid"
    );

    let answer = json!({ "room_id": room, "text": "an answer", "client_id": "a", "reply_to": said["id"] });
    ask(&other, "room:send", answer).await;
    assert_eq!(code(&other, "room:delete", json!({ "id": said["id"] })).await, "chat.forbidden");
    ask(&owner, "room:delete", json!({ "id": said["id"] })).await;
    other.next("room:deleted").await.unwrap();
    assert_eq!(code(&author, "room:edit", edit).await, "not-found");
    assert_eq!(code(&other, "room:react", react(true)).await, "not-found");
    let history = ask(&other, "room:history", json!({ "room_id": room })).await;
    let [left] = &history["items"].as_array().unwrap()[..] else { panic!("{history}") };
    assert_eq!(left["reply_to"], json!({ "id": said["id"], "user": null, "text": "", "is_deleted": true }));

    // An old one stays as it is, and a member whose account is not in use has no name.
    site.execute("UPDATE room_messages SET sent_at = now() - interval '16 minutes'").await;
    assert_eq!(code(&other, "room:edit", json!({ "id": left["id"], "text": "x" })).await, "room.too-late");
    site.execute(&format!("UPDATE users SET is_barred = true WHERE user_id = '{}'", carol.id)).await;
    let history = ask(&owner, "room:history", json!({ "room_id": room })).await;
    assert_eq!(history["items"][0]["user"]["username"], Value::Null);
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_hears_what_changed() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(&site, &alice, &bob).await;
    let node = site.node().await;
    let (writer, reader) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let (one, two, three) =
        (write(&writer, room, "one").await, write(&writer, room, "two").await, write(&writer, room, "three").await);
    let before = ask(&reader, "room:history", json!({ "room_id": room })).await;
    assert_eq!(before["items"], json!([one, two, three]));
    drop(reader);
    ask(&writer, "room:edit", json!({ "id": one["id"], "text": "one more" })).await;
    ask(&writer, "room:delete", json!({ "id": two["id"] })).await;
    ask(&writer, "room:react", json!({ "id": three["id"], "emoji": "👍", "on": true })).await;
    let four = write(&writer, room, "four").await;
    let back = node.sign_in(&bob).await;
    let ask_again = json!({ "room_id": room, "after": three["id"], "since": before["now"] });
    let missed = ask(&back, "room:history", ask_again).await;
    assert_eq!(missed["items"], json!([four]));
    assert_eq!((&missed["removed"], &missed["is_gap"]), (&json!([two["id"]]), &json!(false)));
    let mut changes: Vec<_> = missed["changes"].as_array().unwrap().iter().map(|change| change["id"].clone()).collect();
    changes.sort_by_key(ToString::to_string);
    assert_eq!(changes, [one["id"].clone(), three["id"].clone()]);
    let page = ask(&back, "room:history", json!({ "room_id": room, "before": four["id"], "limit": 1 })).await;
    assert_eq!(page["items"][0]["id"], three["id"]);
    assert_eq!(page["items"][0]["reactions"], json!([{ "emoji": "👍", "user_ids": [alice.id] }]));
}

#[tokio::test]
async fn typing_is_told_to_the_others_and_not_too_often() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(&site, &alice, &bob).await;
    let node = site.node().await;
    let (writer, reader, own_tab) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&alice).await);
    for _ in 0..4 {
        ask(&writer, "room:typing", json!({ "room_id": room })).await;
    }
    let told = reader.next("room:typing").await.unwrap();
    assert_eq!((&told["room_id"], &told["user"]["username"]), (&json!(room), &json!("alice")));
    write(&writer, room, "there").await;
    reader.next("room:message").await.unwrap();
    assert!(reader.drain("room:typing").await.is_empty(), "at most every three seconds");
    assert!(own_tab.drain("room:typing").await.is_empty());
}

#[tokio::test]
async fn a_node_that_was_deaf_has_its_members_ask_again() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(&site, &alice, &bob).await;
    let (relay, through) = Relay::to_url(&services::redis_url()).await;
    let first = site.node().await;
    let mut config = site.config.clone();
    config.redis.url = kit::Secret::new(through);
    let second = crate::site::Node::start(config).await;
    let (writer, reader) = (first.sign_in(&alice).await, second.sign_in(&bob).await);
    connected(&writer, &reader, room).await;
    let known = write(&writer, room, "heard").await;
    reader.next_where("room:message", |message| message["id"] == known["id"]).await.unwrap();
    relay.cut();
    let missed = write(&writer, room, "missed").await;
    relay.mend();
    reader.next("room:changed").await.unwrap();
    let after = json!({ "room_id": room, "after": known["id"] });
    assert_eq!(ask(&reader, "room:history", after).await["items"], json!([missed]));
}

#[tokio::test]
async fn with_mongodb_rooms_are_the_same_and_while_it_is_away_nothing_is_taken() {
    let mut site = Site::start().await;
    let server = MongoServer::start();
    let (relay, through) = Relay::to_url(server.url()).await;
    site.config.chat.mongodb_url = kit::Secret::new(through);
    site.config.chat.mongodb_database = server.database();
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(&site, &alice, &bob).await;
    let node = site.node().await;
    let (writer, reader) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let said =
        until(Duration::from_secs(10), async || try_write(&writer, room, "hello").await, |a| a["ok"] == true).await;
    reader.next_where("room:message", |message| message["id"] == said["message"]["id"]).await.unwrap();
    relay.cut();
    let body = json!({ "room_id": room, "text": "lost?", "client_id": "again" });
    assert_eq!(code(&writer, "room:send", body.clone()).await, "chat.unavailable");
    relay.mend();
    let again = async || writer.ask("room:send", body.clone()).await.unwrap();
    let stored = until(Duration::from_secs(15), again, |answer| answer["ok"] == true).await;
    let heard = reader.next_where("room:message", |message| message["text"] == "lost?").await.unwrap();
    assert_eq!(heard, stored["message"]);
    let history = ask(&reader, "room:history", json!({ "room_id": room })).await;
    let texts: Vec<_> = history["items"].as_array().unwrap().iter().map(|item| item["text"].clone()).collect();
    assert_eq!(texts.iter().filter(|text| *text == "lost?").count(), 1);
}

#[tokio::test]
async fn one_finds_what_was_said_where_one_sits_and_nothing_else() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let (pair, crowd) = (pair(&site, &alice, &bob).await, group(&site, &[&bob, &alice]).await);
    let elsewhere = group(&site, &[&carol, &bob]).await;
    let node = site.node().await;
    let (one, other, third) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&carol).await);
    let in_pair = write(&other, pair, "a secret harbour").await;
    let in_crowd = write(&other, crowd, "the harbour, all of you").await;
    write(&third, elsewhere, "another harbour").await;
    let search = async |client: &SocketClient, body: Value| {
        let answer = ask(client, "room:search", body).await;
        let ids: Vec<Value> = answer["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        (ids, answer["next"].clone())
    };
    let all = || json!({ "q": "harbour" });
    let both = vec![in_crowd["id"].clone(), in_pair["id"].clone()];
    assert_eq!(search(&one, all()).await, (both.clone(), Value::Null));
    let found = ask(&one, "room:search", all()).await["items"][1].clone();
    assert_eq!(found, in_pair, "as the room has it");
    assert_eq!(search(&one, json!({ "q": "harbour", "room_id": pair })).await.0, [in_pair["id"].clone()]);
    let (page, next) = search(&one, json!({ "q": "harbour", "limit": 1 })).await;
    assert_eq!((page, &next), (vec![both[0].clone()], &both[0]));
    assert_eq!(
        search(&one, json!({ "q": "harbour", "limit": 1, "before": next })).await,
        (vec![both[1].clone()], Value::Null)
    );

    // Not in rooms of others, whatever is asked, nor where one sits no more, nor what was deleted.
    assert_eq!(search(&one, json!({ "q": "harbour", "room_id": elsewhere })).await.0, Vec::<Value>::new());
    assert_eq!(search(&third, all()).await.0.len(), 1);
    ask(&other, "room:delete", json!({ "id": in_pair["id"] })).await;
    assert_eq!(search(&one, all()).await.0, [in_crowd["id"].clone()]);
    db::rooms::remove(&mut site.pool.acquire().await.unwrap(), crowd, alice.id, RoomRole::Owner).await.unwrap();
    assert_eq!(search(&one, all()).await.0, Vec::<Value>::new());
    assert_eq!(search(&other, all()).await.0.len(), 2);
    // Nor in a conversation with somebody one has blocked.
    write(&one, pair, "one more harbour").await;
    db::friends::block(&mut site.pool.acquire().await.unwrap(), alice.id, bob.id).await.unwrap();
    assert_eq!(search(&one, all()).await.0, Vec::<Value>::new());

    for bad in [json!({ "q": "" }), json!({ "q": "x" }), json!({ "q": "y".repeat(101) }), json!({})] {
        assert_eq!(code(&one, "room:search", bad).await, "request.invalid");
    }
    assert_eq!(code(&node.anonymous().await, "room:search", all()).await, "chat.unauthenticated");
    let throttled = until(
        Duration::from_secs(10),
        async || one.ask("room:search", all()).await.unwrap(),
        |answer| answer["ok"] == false,
    )
    .await;
    assert_eq!(throttled["code"], "chat.throttled");
}
