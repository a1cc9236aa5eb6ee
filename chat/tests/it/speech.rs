//! What can be said besides plain words, and what becomes of it.

use std::time::Duration;

use domain::user::Role;
use live::fanout::{ORDER, Push, Target};
use serde_json::{Value, json};
use testkit::socket::SocketClient;

use crate::site::{Account, Site, join, say, until};

async fn send(client: &SocketClient, channel: &Account, text: &str, extra: Value) -> Value {
    let mut body = json!({ "username": channel.name, "text": text, "client_id": kit::ids::random_token::<8>() });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    client.ask("chat:send", body).await.unwrap()
}

#[tokio::test]
async fn replies_make_threads_and_follow_what_becomes_of_their_parents() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&bob).await, node.anonymous().await);
    join(&listener, &alice).await;
    let root = say(&speaker, &alice, &"a long way to say hello ".repeat(10)).await["message"].clone();
    let reply = send(&speaker, &alice, "hello", json!({ "reply_to": root["id"] })).await["message"].clone();
    assert_eq!(reply["reply_to"]["id"], root["id"], "{reply}");
    assert_eq!(reply["reply_to"]["user"]["username"], "bob");
    assert_eq!(reply["reply_to"]["is_deleted"], false);
    assert_eq!(reply["reply_to"]["text"].as_str().unwrap().chars().count(), 100);
    assert_eq!(reply["thread_id"], root["id"]);
    let second = send(&speaker, &alice, "again", json!({ "reply_to": reply["id"] })).await["message"].clone();
    assert_eq!((&second["reply_to"]["id"], &second["thread_id"]), (&reply["id"], &root["id"]));
    let heard = listener.next_where("chat:message", |message| message["id"] == reply["id"]).await.unwrap();
    assert_eq!(heard, reply);

    let thread = listener.ask("chat:thread", json!({ "id": second["id"] })).await.unwrap();
    assert_eq!(thread["items"], json!([root, reply, second]));
    speaker.ask("chat:delete", json!({ "id": root["id"] })).await.unwrap();
    let history = join(&node.anonymous().await, &alice).await["history"].clone();
    let hidden = json!({ "id": root["id"], "user": null, "text": "", "is_deleted": true });
    assert_eq!(history[0]["reply_to"], hidden);
    assert_eq!(
        listener.ask("chat:thread", json!({ "id": second["id"] })).await.unwrap()["items"][0]["id"],
        reply["id"]
    );

    let late = send(&speaker, &alice, "too late", json!({ "reply_to": root["id"] })).await;
    assert_eq!(late["code"], "chat.reply-gone");
    let elsewhere = send(&speaker, &bob, "elsewhere", json!({ "reply_to": reply["id"] })).await;
    assert_eq!(elsewhere["code"], "chat.reply-gone", "a message of another channel");
}

#[tokio::test]
async fn members_and_emotes_in_a_line_are_found() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let speaker = node.sign_in(&bob).await;
    let said = say(&speaker, &alice, "@ALICE @nobody :gg: :none: hi").await["message"].clone();
    assert_eq!(said["mentions"], json!([{ "id": alice.id, "username": "alice" }]));
    assert_eq!(said["emotes"], json!({ "gg": "/emotes/gg.svg" }));
    assert_eq!(said["text"], "@ALICE @nobody :gg: :none: hi");
    assert_eq!(said["kind"], "message");
    assert!(said.get("reactions").is_none() && said.get("reply_to").is_none(), "what is empty is left out: {said}");
    let crowd: String = (0..100).map(|n| format!("@x{n:02} ")).collect();
    assert_eq!(say(&speaker, &alice, &crowd).await["ok"], true);
}

#[tokio::test]
async fn authors_change_their_words_for_a_minute() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (speaker, listener) = (node.sign_in(&bob).await, node.anonymous().await);
    join(&listener, &alice).await;
    let said = say(&speaker, &alice, "helo").await["message"].clone();
    let edit = |text: &str| json!({ "id": said["id"], "text": text });
    let answer = speaker.ask("chat:edit", edit("hello @alice")).await.unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    let heard = listener.next("chat:edited").await.unwrap()["message"].clone();
    assert_eq!(heard, answer["message"]);
    assert_eq!(
        (&heard["text"], &heard["id"], &heard["sent_at"]),
        (&json!("hello @alice"), &said["id"], &said["sent_at"])
    );
    assert!(heard["edited_at"].is_string() && heard["mentions"][0]["username"] == "alice");
    let owner = node.sign_in(&alice).await;
    assert_eq!(owner.ask("chat:edit", edit("mine now")).await.unwrap()["code"], "chat.forbidden");
    assert_eq!(listener.ask("chat:edit", edit("x")).await.unwrap()["code"], "chat.unauthenticated");
    assert_eq!(speaker.ask("chat:edit", edit("  ")).await.unwrap()["code"], "request.invalid");
    site.execute("UPDATE chat_messages SET sent_at = sent_at - interval '61 seconds'").await;
    assert_eq!(speaker.ask("chat:edit", edit("hullo")).await.unwrap()["code"], "chat.too-late");
    assert_eq!(join(&listener, &alice).await["history"][0]["text"], "hello @alice");
}

#[tokio::test]
async fn reactions_are_counted_and_told_together() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (first, second, listener) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.anonymous().await);
    join(&listener, &alice).await;
    let id = say(&first, &alice, "react").await["message"]["id"].clone();
    let react = |emoji: &str, on: bool| json!({ "id": id, "emoji": emoji, "on": on });
    let answer = first.ask("chat:react", react("❤", true)).await.unwrap();
    assert_eq!(answer["emoji"], "❤\u{fe0f}", "{answer}");
    assert_eq!(answer["reactions"], json!([{ "emoji": "❤\u{fe0f}", "count": 1, "is_mine": true }]));
    assert_eq!(second.ask("chat:react", react("❤\u{fe0f}", true)).await.unwrap()["ok"], true);
    assert_eq!(second.ask("chat:react", react(":gg:", true)).await.unwrap()["ok"], true);
    let told = listener.next_where("chat:reactions", |told| told["reactions"].as_array().unwrap().len() == 2).await;
    let both = json!([{ "emoji": "❤\u{fe0f}", "count": 2 }, { "emoji": ":gg:", "count": 1 }]);
    assert_eq!(told.unwrap(), json!({ "id": id, "username": "alice", "reactions": both }));
    let seen = join(&second, &alice).await["history"][0]["reactions"].clone();
    assert_eq!(seen[0], json!({ "emoji": "❤\u{fe0f}", "count": 2, "is_mine": true }));
    for (emoji, code) in [("x", "request.invalid"), ("👍👍", "request.invalid"), (":none:", "chat.unknown-emote")] {
        assert_eq!(first.ask("chat:react", react(emoji, true)).await.unwrap()["code"], code, "{emoji}");
    }
    assert_eq!(listener.ask("chat:react", react("👍", true)).await.unwrap()["code"], "chat.unauthenticated");
    let nothing = json!({ "id": kit::ids::uuid(), "emoji": "👍", "on": true });
    assert_eq!(first.ask("chat:react", nothing).await.unwrap()["code"], "not-found");
    // Twenty of them at once are at most two tellings a second.
    listener.drain("chat:reactions").await;
    for index in 0..12 {
        first.ask("chat:react", react("👍", index % 2 == 0)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let told = listener.drain("chat:reactions").await;
    assert!((1..=3).contains(&told.len()), "{told:?}");
    assert_eq!(told.last().unwrap()["reactions"], both);
}

#[tokio::test]
async fn keepers_pin_and_announce_and_nobody_else() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let dora = site.member_as("dora", Role::Moderator).await;
    let (node, other) = (site.node().await, site.node().await);
    let (owner, member, staff) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.sign_in(&dora).await);
    let far = other.anonymous().await;
    assert_eq!(join(&far, &alice).await["pinned"], Value::Null);
    let said = say(&member, &alice, "pin me").await["message"].clone();
    let pin = |id: &Value| json!({ "username": "alice", "id": id });
    assert_eq!(member.ask("chat:pin", pin(&said["id"])).await.unwrap()["code"], "chat.forbidden");
    assert_eq!(owner.ask("chat:pin", pin(&said["id"])).await.unwrap(), json!({ "ok": true }));
    let heard = far.next("chat:pinned").await.unwrap();
    assert_eq!(heard, json!({ "username": "alice", "message": said }));
    assert_eq!(join(&far, &alice).await["pinned"], said, "the other node's memory was told");
    assert_eq!(staff.ask("chat:pin", pin(&Value::Null)).await.unwrap(), json!({ "ok": true }));
    assert_eq!(far.next("chat:pinned").await.unwrap()["message"], Value::Null);
    assert_eq!(join(&far, &alice).await["pinned"], Value::Null);
    let elsewhere = say(&owner, &bob, "elsewhere").await["message"]["id"].clone();
    assert_eq!(owner.ask("chat:pin", pin(&elsewhere)).await.unwrap()["code"], "not-found");

    owner.ask("chat:pin", pin(&said["id"])).await.unwrap();
    member.ask("chat:delete", json!({ "id": said["id"] })).await.unwrap();
    assert_eq!(join(&far, &alice).await["pinned"], Value::Null, "a deleted message is not pinned");

    let announce = json!({ "username": "alice", "text": "we begin" });
    assert_eq!(member.ask("chat:announce", announce.clone()).await.unwrap()["code"], "chat.forbidden");
    let answer = owner.ask("chat:announce", announce).await.unwrap();
    assert_eq!(answer["message"]["kind"], "announcement", "{answer}");
    let heard = far.next_where("chat:message", |message| message["kind"] == "announcement").await.unwrap();
    assert_eq!(heard, answer["message"]);
}

#[tokio::test]
async fn a_line_with_a_slash_does_something_or_is_refused() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, member, listener) = (node.sign_in(&alice).await, node.sign_in(&bob).await, node.anonymous().await);
    join(&listener, &alice).await;
    let said = say(&member, &alice, "//shrug").await["message"].clone();
    assert_eq!(said["text"], "/shrug");
    assert_eq!(say(&member, &alice, "/dance").await["code"], "chat.unknown-command");
    assert_eq!(say(&member, &alice, "/pin nothing").await["code"], "chat.command-usage");
    assert_eq!(say(&owner, &alice, "/pin").await["code"], "chat.command-usage");
    assert_eq!(send(&member, &alice, "/pin", json!({ "reply_to": said["id"] })).await["code"], "chat.forbidden");
    let help = say(&member, &alice, "/help").await;
    assert!(help["command"]["detail"].as_str().unwrap().contains("/announce text"), "{help}");
    let pinned = send(&owner, &alice, "/pin", json!({ "reply_to": said["id"] })).await;
    assert_eq!(pinned, json!({ "ok": true, "command": { "name": "pin", "detail": "done" } }));
    assert_eq!(listener.next("chat:pinned").await.unwrap()["message"]["id"], said["id"]);
    assert_eq!(say(&owner, &alice, "/announce hear hear").await["command"]["name"], "announce");
    let heard = listener.next_where("chat:message", |message| message["kind"] == "announcement").await.unwrap();
    assert_eq!(heard["text"], "hear hear");
    let deleted = say(&owner, &alice, &format!("/delete {}", said["id"].as_str().unwrap())).await;
    assert_eq!(deleted["command"]["name"], "delete");
    assert_eq!(listener.next("chat:deleted").await.unwrap()["id"], said["id"]);
    let texts: Vec<Value> = join(&listener, &alice).await["history"].as_array().unwrap().clone();
    assert_eq!(texts.len(), 1, "commands are not said: {texts:?}");
}

/// A client leaves in the middle of a burst that comes over two nodes, and comes back to another one.
async fn nothing_is_missed_and_nothing_comes_twice(site: Site) {
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (first, second) = (site.node().await, site.node().await);
    let (one, two) = (first.sign_in(&alice).await, second.sign_in(&bob).await);
    let listener = first.anonymous().await;
    let mut since = join(&listener, &alice).await["now"].clone();
    let mut said = Vec::new();
    let mut burst = async |range: std::ops::Range<u32>| {
        for n in range {
            let speaker = if n % 2 == 0 { &one } else { &two };
            said.push(say(speaker, &alice, &format!("line {n}")).await["message"].clone());
        }
        said.clone()
    };
    let all = burst(0..20).await;
    until(
        Duration::from_secs(5),
        async || listener.ask("chat:history", json!({ "username": "alice" })).await.unwrap()["items"].clone(),
        |items| items.as_array().unwrap().len() == 20,
    )
    .await;
    let last_id = all[19]["id"].clone();
    drop(listener);
    let all = burst(20..60).await;
    let edit = json!({ "id": all[2]["id"], "text": "changed" });
    assert_eq!(one.ask("chat:edit", edit).await.unwrap()["ok"], true);
    assert_eq!(
        two.ask("chat:react", json!({ "id": all[4]["id"], "emoji": "👍", "on": true })).await.unwrap()["ok"],
        true
    );
    for gone in [&all[6], &all[30]] {
        assert_eq!(one.ask("chat:delete", json!({ "id": gone["id"] })).await.unwrap()["ok"], true);
    }
    let back = second.anonymous().await;
    let ask = async |last_id: &Value, since: &Value| {
        let body = json!({ "username": "alice", "last_id": last_id, "since": since });
        back.ask("stream:join", body).await.unwrap()
    };
    let answer = ask(&last_id, &since).await;
    assert_eq!((&answer["ok"], &answer["is_gap"]), (&json!(true), &json!(false)), "{answer}");
    let expected: Vec<Value> = all[20..].iter().filter(|message| message["id"] != all[30]["id"]).cloned().collect();
    assert_eq!(answer["missed"], json!(expected), "in order, each once");
    let ids = |list: &Value| list.as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    let changes = ids(&answer["changes"]);
    assert!(changes.contains(&all[2]["id"]) && changes.contains(&all[4]["id"]), "{changes:?}");
    let edited = answer["changes"].as_array().unwrap().iter().find(|one| one["id"] == all[2]["id"]).unwrap();
    assert_eq!(edited["text"], "changed");
    let reacted = answer["changes"].as_array().unwrap().iter().find(|one| one["id"] == all[4]["id"]).unwrap();
    assert_eq!(reacted["reactions"], json!([{ "emoji": "👍", "count": 1 }]));
    let removed = answer["removed"].as_array().unwrap();
    assert!(removed.contains(&all[6]["id"]) && removed.contains(&all[30]["id"]), "{removed:?}");
    let mut every = ids(&answer["missed"]);
    every.extend(changes);
    let unique: std::collections::HashSet<String> = every.iter().map(ToString::to_string).collect();
    assert_eq!(unique.len(), every.len(), "nothing is told twice");
    since = answer["now"].clone();
    assert_eq!(ask(&all[59]["id"], &since).await["missed"], json!([]));
}

#[tokio::test]
async fn a_client_that_was_away_hears_what_it_missed() {
    nothing_is_missed_and_nothing_comes_twice(Site::start().await).await;
}

#[tokio::test]
async fn a_client_that_was_away_hears_what_it_missed_from_mongodb() {
    let server = testkit::mongo::MongoServer::start();
    let mut site = Site::start().await;
    site.config.chat.mongodb_url = kit::Secret::new(server.url());
    site.config.chat.mongodb_database = server.database();
    nothing_is_missed_and_nothing_comes_twice(site).await;
}

#[tokio::test]
async fn who_missed_too_much_begins_anew() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    site.execute(&format!(
        "INSERT INTO chat_messages (message_id, channel_id, user_id, username, display_name, text, client_id, sent_at)
         SELECT ('0193e6a0-1c1e-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{id}', '{id}', 'alice', 'alice', n::text,
                'c' || n, now() FROM generate_series(1, 800) n",
        id = alice.id
    ))
    .await;
    let node = site.node().await;
    let client = node.anonymous().await;
    let ask = async |number: u32| {
        let last_id = format!("0193e6a0-1c1e-7000-8000-{number:012x}");
        client.ask("stream:join", json!({ "username": "alice", "last_id": last_id })).await.unwrap()
    };
    let wide = ask(1).await;
    assert_eq!((&wide["is_gap"], wide["history"].as_array().unwrap().len()), (&json!(true), 50));
    assert!(wide["missed"].as_array().unwrap().len() <= 500);
    let bad = client.ask("stream:join", json!({ "username": "alice", "last_id": "x" })).await.unwrap();
    assert_eq!(bad["code"], "request.invalid");
}

#[tokio::test]
async fn a_channels_own_emotes_are_shown_in_its_chat_and_nowhere_else() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    join(&speaker, &alice).await;
    let none = say(&speaker, &alice, ":my_cat:").await["message"].clone();
    assert_eq!(none["emotes"], Value::Null, "{none}");

    let emote = kit::ids::uuid();
    site.execute(&format!(
        "INSERT INTO emotes (emote_id, channel_id, name) VALUES ('{emote}', '{}', 'my_cat')",
        alice.id
    ))
    .await;
    let changed = async || {
        let payload = json!({ "channel": alice.id, "user": null });
        let target = Target::Channel(alice.name.clone());
        let push =
            |event: &str, payload| Push { target: target.clone(), event: event.to_owned(), payload, origin: None };
        let told = push("chat:emotes", json!({ "username": alice.name }));
        live::fanout::publish_all(&site.live(), &[push(ORDER, payload), told]).await.unwrap();
    };
    changed().await;
    assert_eq!(speaker.next("chat:emotes").await.unwrap(), json!({ "username": "alice" }));
    let picture = json!({ "my_cat": format!("/media/emotes/{emote}/56.webp") });
    let said = say(&speaker, &alice, "look :my_cat:").await["message"].clone();
    assert_eq!(said["emotes"], picture, "{said}");
    assert_eq!(say(&speaker, &bob, ":my_cat:").await["message"]["emotes"], Value::Null, "it is alice's");
    let edited = speaker.ask("chat:edit", json!({ "id": none["id"], "text": "now :my_cat:" })).await.unwrap();
    assert_eq!(edited["message"]["emotes"], picture, "{edited}");
    let react = async |id: &Value, on: bool| {
        speaker.ask("chat:react", json!({ "id": id, "emoji": ":my_cat:", "on": on })).await.unwrap()
    };
    assert_eq!(react(&said["id"], true).await["emoji"], ":my_cat:");
    let elsewhere = say(&speaker, &bob, "hi").await["message"]["id"].clone();
    assert_eq!(react(&elsewhere, true).await["code"], "chat.unknown-emote");

    // Where only emotes may be sent, names nobody has are words.
    let modes = json!({ "username": "alice", "action": "modes", "modes": { "emote_only": true } });
    assert_eq!(owner.ask("mod:act", modes).await.unwrap()["ok"], true);
    speaker.next("chat:modes").await.unwrap();
    assert_eq!(say(&speaker, &alice, ":my_cat: :gg: 🎉").await["ok"], true);
    assert_eq!(say(&speaker, &alice, ":my_dog:").await["code"], "chat.emote-only");

    // Taken away: what was said keeps its picture's address, what is said next has none.
    site.execute(&format!("DELETE FROM emotes WHERE emote_id = '{emote}'")).await;
    changed().await;
    speaker.next("chat:emotes").await.unwrap();
    assert_eq!(say(&speaker, &alice, ":my_cat:").await["code"], "chat.emote-only");
    let history = join(&node.anonymous().await, &alice).await["history"].clone();
    let kept = history.as_array().unwrap().iter().find(|message| message["id"] == said["id"]).unwrap();
    assert_eq!(kept["emotes"], picture);
}
