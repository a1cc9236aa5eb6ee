//! What each event does, on one node.

use std::time::Duration;

use domain::user::Role;
use serde_json::{Value, json};

use crate::site::{Site, join, say};

#[tokio::test]
async fn what_one_says_is_stored_acknowledged_and_heard_by_all() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (stream, _) = site.go_live(&alice, Duration::from_secs(60)).await;
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&bob).await, node.anonymous().await);
    let joined = join(&listener, &alice).await;
    assert_eq!(joined["history"], json!([]));
    assert_eq!(joined["viewers"], 1);
    let none = json!({ "slow_s": 0, "followers_only_s": null, "emote_only": false, "unique": false, "links": "allow",
        "shield": false });
    assert_eq!((&joined["modes"], &joined["me"]), (&none, &Value::Null));
    join(&speaker, &alice).await;

    let body = json!({ "username": "ALICE", "text": "  hi\n there ", "client_id": "c1" });
    let answer = speaker.ask("chat:send", body).await.unwrap();

    assert_eq!(answer["ok"], true, "{answer}");
    let message = &answer["message"];
    assert_eq!(message["text"], "hi there");
    assert_eq!(message["username"], "alice");
    assert_eq!(message["client_id"], "c1");
    assert_eq!(message["stream_id"], stream.to_string());
    assert_eq!(message["user"], json!({ "id": bob.id, "username": "bob", "display_name": "bob", "badges": [] }));
    let offset = message["offset_ms"].as_i64().unwrap();
    assert!((60_000..70_000).contains(&offset), "{offset}");
    assert!(message["sent_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(&listener.next("chat:message").await.unwrap(), message);
    assert_eq!(&speaker.next("chat:message").await.unwrap(), message);
    let later = node.anonymous().await;
    assert_eq!(join(&later, &alice).await["history"], json!([message]));
    node.stop().await;
}

#[tokio::test]
async fn a_line_sent_twice_is_stored_and_told_once() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&bob).await, node.anonymous().await);
    join(&listener, &alice).await;
    let body = json!({ "username": "alice", "text": "once", "client_id": "same" });
    let first = speaker.ask("chat:send", body.clone()).await.unwrap();
    let changed = json!({ "username": "alice", "text": "changed", "client_id": "same" });
    let second = speaker.ask("chat:send", changed).await.unwrap();
    assert_eq!(first["message"], second["message"], "the first one stands");
    // From another connection, as after a lost line.
    let again = node.sign_in(&bob).await.ask("chat:send", body).await.unwrap();
    assert_eq!(first["message"], again["message"]);
    let last = say(&speaker, &alice, "last").await;
    assert_eq!(listener.next("chat:message").await.unwrap(), first["message"]);
    assert_eq!(listener.next("chat:message").await.unwrap(), last["message"]);
    // Somebody else may use the same client_id.
    let other = node.sign_in(&alice).await;
    let answer =
        other.ask("chat:send", json!({ "username": "alice", "text": "mine", "client_id": "same" })).await.unwrap();
    assert_eq!(answer["message"]["text"], "mine");
    assert_eq!(answer["message"]["user"]["badges"], json!(["broadcaster"]));
}

#[tokio::test]
async fn anonymous_clients_watch_and_do_not_write() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let guest = node.anonymous().await;
    join(&guest, &alice).await;
    assert_eq!(say(&guest, &alice, "hello?").await["code"], "chat.unauthenticated");
    let answer = guest.ask("chat:delete", json!({ "id": kit::ids::uuid() })).await.unwrap();
    assert_eq!(answer["code"], "chat.unauthenticated");
    assert_eq!(join(&guest, &alice).await["history"], json!([]));
}

#[tokio::test]
async fn pages_of_history_join_without_gap_or_overlap() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (_, vod) = site.go_live(&alice, Duration::from_secs(5)).await;
    let node = site.node().await;
    let client = node.sign_in(&alice).await;
    let mut said = Vec::new();
    for index in 0..25 {
        said.push(say(&client, &alice, &format!("line {index}")).await["message"].clone());
    }
    for room in [json!({ "username": "alice" }), json!({ "vod_id": vod })] {
        let client = node.anonymous().await;
        let ask = async |extra: Value| {
            let mut body = room.clone();
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let answer = client.ask("chat:history", body).await.unwrap();
            assert_eq!(answer["ok"], true, "{answer}");
            answer["items"].as_array().unwrap().clone()
        };
        assert_eq!(ask(json!({})).await, said);
        assert_eq!(ask(json!({ "limit": 4 })).await, said[21..]);
        let (mut back, mut before) = (Vec::new(), said[24]["id"].clone());
        loop {
            let page = ask(json!({ "before": before, "limit": 7 })).await;
            let Some(first) = page.first() else { break };
            before = first["id"].clone();
            back.splice(0..0, page);
        }
        assert_eq!(back, said[..24]);
        let (mut forth, mut after) = (Vec::new(), said[0]["id"].clone());
        loop {
            let page = ask(json!({ "after": after, "limit": 7 })).await;
            let Some(last) = page.last() else { break };
            after = last["id"].clone();
            forth.extend(page);
        }
        assert_eq!(forth, said[1..]);
    }
    let from = said[10]["offset_ms"].clone();
    let body = json!({ "vod_id": vod, "after": from, "limit": 100 });
    let items = client.ask("chat:history", body).await.unwrap()["items"].as_array().unwrap().clone();
    assert!(items.iter().all(|item| item["offset_ms"].as_i64() >= from.as_i64()) && items.contains(&said[10]));
    let body = json!({ "vod_id": vod, "before": from, "limit": 100 });
    let items = client.ask("chat:history", body).await.unwrap()["items"].as_array().unwrap().clone();
    assert!(items.iter().all(|item| item["offset_ms"].as_i64() < from.as_i64()));
}

#[tokio::test]
async fn a_page_has_at_most_a_hundred_and_a_join_fifty() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    site.execute(&format!(
        "INSERT INTO chat_messages (message_id, channel_id, user_id, username, display_name, text, client_id, sent_at)
         SELECT ('0193e6a0-1c1e-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{id}', '{id}', 'alice', 'alice', n::text,
                'c' || n, now() FROM generate_series(1, 150) n",
        id = alice.id
    ))
    .await;
    let node = site.node().await;
    let client = node.anonymous().await;
    let joined = join(&client, &alice).await;
    let texts: Vec<_> =
        joined["history"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, (101..=150).map(|n| n.to_string()).collect::<Vec<_>>());
    let page = client.ask("chat:history", json!({ "username": "alice", "limit": 5_000 })).await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn moderators_owners_and_authors_delete_and_nobody_else() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let dora = site.member_as("dora", Role::Moderator).await;
    let admin = site.member_as("boss", Role::Admin).await;
    let node = site.node().await;
    let (speaker, listener, stranger) = (node.sign_in(&bob).await, node.anonymous().await, node.sign_in(&carol).await);
    join(&listener, &alice).await;
    for account in [&alice, &bob, &dora, &admin] {
        let id = say(&speaker, &alice, "delete me").await["message"]["id"].clone();
        let refused = stranger.ask("chat:delete", json!({ "id": id })).await.unwrap();
        assert_eq!(refused["code"], "chat.forbidden", "{refused}");
        let answer = node.sign_in(account).await.ask("chat:delete", json!({ "id": id })).await.unwrap();
        assert_eq!(answer["ok"], true, "{}", account.name);
        assert_eq!(listener.next("chat:deleted").await.unwrap(), json!({ "id": id, "username": "alice" }));
        let again = node.sign_in(account).await.ask("chat:delete", json!({ "id": id })).await.unwrap();
        assert_eq!(again["code"], "not-found");
    }
    assert_eq!(join(&stranger, &alice).await["history"], json!([]));
    let staff = node.sign_in(&dora).await;
    assert_eq!(say(&staff, &alice, "hi").await["message"]["user"]["badges"], json!(["moderator"]));
}

#[tokio::test]
async fn whoever_writes_too_fast_waits() {
    let mut site = Site::start().await;
    site.config.limits.chat_per_user_per_3s = 3;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (client, other) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    for _ in 0..3 {
        assert_eq!(say(&client, &alice, "x").await["ok"], true);
    }
    let refused = say(&client, &alice, "x").await;
    assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!("chat.throttled")));
    assert!((1..=1_000).contains(&refused["retry_after_ms"].as_u64().unwrap()), "{refused}");
    assert_eq!(say(&node.sign_in(&alice).await, &alice, "x").await["code"], "chat.throttled", "by user, not by socket");
    assert_eq!(say(&other, &alice, "x").await["ok"], true);
}

#[tokio::test]
async fn a_channel_takes_so_much_of_all_together_and_its_keepers_may_always_speak() {
    let mut site = Site::start().await;
    site.config.limits.chat_per_room_per_s = 4;
    let alice = site.member("alice").await;
    let (bob, carol) = (site.member("bob").await, site.member("carol").await);
    let node = site.node().await;
    let (owner, one, other) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&carol).await);
    for client in [&one, &one, &other, &other] {
        assert_eq!(say(client, &alice, "x").await["ok"], true);
    }
    for client in [&one, &other] {
        let refused = say(client, &alice, "x").await;
        assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!("chat.crowded")), "{refused}");
        assert!((1..=1_000).contains(&refused["retry_after_ms"].as_u64().unwrap()), "{refused}");
    }
    assert_eq!(say(&owner, &alice, "one by one, please").await["ok"], true);
    assert_eq!(say(&one, &bob, "another channel").await["ok"], true);
    assert_eq!(join(&other, &alice).await["history"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn nonsense_is_answered_with_a_code_and_the_socket_lives() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let client = node.sign_in(&alice).await;
    let deep = format!(r#"["chat:send",{}{}]"#, "[".repeat(4_000), "]".repeat(4_000));
    let long = "x".repeat(501);
    for (payload, code) in [
        (r#"["no:such",{}]"#.to_owned(), "request.unknown-event"),
        (r#"["chat:send"]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",5]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",null]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",{"username":5,"text":"x","client_id":"c"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",{"username":"alice","text":["x"],"client_id":"c"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",{"username":"alice","text":"x"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",{"username":"../x","text":"x","client_id":"c"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",{"username":"alice","text":" ","client_id":"c"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:send",{"username":"nobody","text":"x","client_id":"c"}]"#.to_owned(), "not-found"),
        (format!(r#"["chat:send",{{"username":"alice","text":"{long}","client_id":"c"}}]"#), "chat.too-long"),
        (deep, "request.invalid"),
        (r#"["stream:join",{"username":"nobody"}]"#.to_owned(), "not-found"),
        (r#"["stream:join",["alice"]]"#.to_owned(), "request.invalid"),
        (r#"["chat:history",{}]"#.to_owned(), "request.invalid"),
        (r#"["chat:history",{"username":"alice","before":"x"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:history",{"username":"alice","limit":-1}]"#.to_owned(), "request.invalid"),
        (r#"["chat:history",{"vod_id":"x"}]"#.to_owned(), "request.invalid"),
        (r#"["chat:delete",{"id":"x"}]"#.to_owned(), "request.invalid"),
    ] {
        let answer = client.ask_raw(&payload).await.unwrap_or_else(|error| panic!("{payload:.100}: {error:#}"));
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!(code)), "{payload:.100}: {answer}");
    }
    assert_eq!(say(&client, &alice, "still here").await["ok"], true);
}

#[tokio::test]
async fn a_socket_hears_the_rooms_it_sits_in_and_no_other() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&alice).await, node.anonymous().await);
    join(&listener, &alice).await;
    join(&listener, &bob).await;
    assert_eq!(listener.ask("stream:leave", json!({ "username": "alice" })).await.unwrap(), json!({ "ok": true }));
    say(&speaker, &alice, "not for you").await;
    say(&speaker, &bob, "for you").await;
    assert_eq!(listener.next("chat:message").await.unwrap()["text"], "for you");
    for index in 0..25 {
        let name = format!("channel_{index}");
        site.member(&name).await;
        let answer = listener.ask("stream:join", json!({ "username": name })).await.unwrap();
        if index >= 19 {
            assert_eq!(answer["code"], "chat.too-many-rooms");
        } else {
            assert_eq!(answer["ok"], true);
        }
    }
}
