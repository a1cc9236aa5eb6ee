//! What a channel's owner and moderators do beside silencing: offices, slash commands, and lines kept back.

use std::time::Duration;

use db::moderation::pleas;
use domain::order::{FilterAction, FilterKind};
use serde_json::{Value, json};
use testkit::socket::SocketClient;

use crate::site::{Account, Site, join, say, until};

const HOLDS_WITHIN: Duration = Duration::from_secs(2);

async fn act(client: &SocketClient, order: Value) -> Value {
    let mut body = json!({ "username": "alice" });
    body.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
    client.ask("mod:act", body).await.unwrap()
}

async fn acted(client: &SocketClient, order: Value) -> Value {
    let answer = act(client, order).await;
    assert_eq!(answer["ok"], true, "{answer}");
    answer
}

async fn sit_down(client: &SocketClient) {
    assert_eq!(client.ask("mod:join", json!({ "username": "alice" })).await.unwrap()["ok"], true);
}

async fn add_filter(site: &Site, channel: &Account, pattern: &str, action: FilterAction) {
    let mut tx = db::begin(&site.pool).await.unwrap();
    db::moderation::lock(&mut tx, channel.id).await.unwrap();
    let new = db::moderation::NewFilter { kind: FilterKind::Words, pattern, action };
    let added = db::moderation::add_filter(&mut tx, channel.id, channel.id, new).await.unwrap();
    assert!(matches!(added, db::moderation::Added::Done(_)));
    db::commit(tx).await.unwrap();
}

#[tokio::test]
async fn an_appointed_moderator_acts_on_every_node_and_a_dismissed_one_on_none() {
    let site = Site::start().await;
    let (alice, bob, mia) = (site.member("alice").await, site.member("bob").await, site.member("mia").await);
    let (first, second) = (site.node().await, site.node().await);
    let (owner, deputy) = (first.sign_in(&alice).await, second.sign_in(&mia).await);
    join(&deputy, &alice).await;
    assert_eq!(act(&deputy, json!({ "action": "clear" })).await["code"], "chat.forbidden");
    assert_eq!(say(&deputy, &alice, "/mod bob").await["code"], "chat.forbidden");

    let answer = say(&owner, &alice, "/mod @Mia").await;
    assert_eq!(answer["command"], json!({ "name": "mod", "detail": "done" }), "{answer}");
    let office = |is: bool| json!({ "username": "alice", "is_moderator": is });
    assert_eq!(deputy.next("chat:office").await.unwrap(), office(true));
    let line = until(
        HOLDS_WITHIN,
        async || say(&deputy, &alice, "hello").await,
        |a| a["message"]["user"]["badges"] == json!(["moderator"]),
    );
    line.await;
    assert_eq!(join(&deputy, &alice).await["me"]["is_moderator"], true);
    sit_down(&deputy).await;
    acted(&deputy, json!({ "action": "timeout", "member": "bob", "seconds": 60 })).await;
    assert_eq!(say(&owner, &alice, "/mod mia").await["code"], "mod.already");
    assert_eq!(say(&deputy, &alice, "/mod bob").await["code"], "chat.forbidden", "the owner appoints");
    assert_eq!(say(&owner, &alice, "/mod bob").await["code"], "moderator.sanctioned");
    assert_eq!(say(&owner, &alice, "/mod alice").await["code"], "moderator.owner");
    assert_eq!(say(&owner, &alice, "/mod nobody").await["code"], "not-found");

    // Who is silenced does not silence others.
    acted(&owner, json!({ "action": "timeout", "member": "mia", "seconds": 60 })).await;
    assert_eq!(act(&deputy, json!({ "action": "clear" })).await["code"], "chat.timed-out");
    acted(&owner, json!({ "action": "unban", "member": "mia" })).await;

    assert_eq!(say(&owner, &alice, "/unmod mia").await["ok"], true);
    assert_eq!(deputy.next("chat:office").await.unwrap(), office(false));
    assert_eq!(act(&deputy, json!({ "action": "clear" })).await["code"], "chat.forbidden");
    let plain = async || say(&deputy, &alice, "still here").await["message"]["user"]["badges"].clone();
    until(HOLDS_WITHIN, plain, |badges| *badges == json!([])).await;
    deputy.drain("mod:action").await;
    say(&owner, &alice, "/unban bob").await;
    assert!(deputy.drain("mod:action").await.is_empty(), "shown out of the desk");
    let log = db::testing::rows(&site.pool, "SELECT action, target FROM mod_log ORDER BY act_id").await.unwrap();
    let done: Vec<_> = log.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(done, ["mod", "timeout", "timeout", "unban", "unmod", "unban"]);
    let _ = bob;
}

#[tokio::test]
async fn slash_commands_do_what_moderators_do() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    join(&speaker, &alice).await;
    let line = say(&speaker, &alice, "foul").await["message"]["id"].clone();
    let command = async |line: &str| {
        let answer = say(&owner, &alice, line).await;
        assert_eq!(answer["ok"], true, "{line}: {answer}");
        answer
    };
    let answer = command("/timeout @bob 5m mind your words").await;
    assert!(answer["undo_until"].is_string());
    let told = speaker.next("chat:sanctioned").await.unwrap();
    assert_eq!(told["reason"], "mind your words");
    assert_eq!(speaker.next("chat:cleared").await.unwrap()["user_id"], json!(bob.id));
    let refused = say(&speaker, &alice, "more").await;
    assert!((290_000..=300_000).contains(&refused["retry_after_ms"].as_u64().unwrap()), "{refused}");
    let undo = json!({ "username": "alice", "act_id": answer["act_id"] });
    assert_eq!(owner.ask("mod:undo", undo).await.unwrap()["ok"], true);
    assert!(join(&speaker, &alice).await["history"].as_array().unwrap().iter().any(|m| m["id"] == line));
    command("/ban bob").await;
    assert_eq!(say(&speaker, &alice, "more").await["code"], "chat.banned");
    command("/unban bob").await;

    for (line, field, value) in [
        ("/slow 5", "slow_s", json!(5)),
        ("/slow off", "slow_s", json!(0)),
        ("/followers 10m", "followers_only_s", json!(600)),
        ("/followers off", "followers_only_s", Value::Null),
        ("/emoteonly", "emote_only", json!(true)),
        ("/emoteonly off", "emote_only", json!(false)),
        ("/unique", "unique", json!(true)),
        ("/unique off", "unique", json!(false)),
    ] {
        command(line).await;
        assert_eq!(speaker.next("chat:modes").await.unwrap()[field], value, "{line}");
    }
    command("/clear").await;
    assert_eq!(join(&speaker, &alice).await["history"], json!([]));
    for line in ["/ban alice", "/slow 5", "/clear", "/emoteonly"] {
        assert_eq!(say(&speaker, &alice, line).await["code"], "chat.forbidden", "{line}");
    }
    let help = say(&speaker, &alice, "/help").await["command"]["detail"].clone();
    assert!(help.as_str().unwrap().contains("/timeout user [duration] [reason]"));
}

#[tokio::test]
async fn a_line_kept_back_is_said_when_a_moderator_approves_it() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    add_filter(&site, &alice, "spoiler", FilterAction::Hold).await;
    let (first, second) = (site.node().await, site.node().await);
    let (owner, speaker, listener) =
        (first.sign_in(&alice).await, second.sign_in(&bob).await, second.anonymous().await);
    sit_down(&owner).await;
    join(&listener, &alice).await;
    let send = async |text: &str, id: &str| {
        let body = json!({ "username": "alice", "text": text, "client_id": id });
        speaker.ask("chat:send", body).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(send("a sp0iler: he lives", "c1").await, json!({ "ok": true, "held": true }));
    }
    let held = owner.next("mod:held").await.unwrap();
    assert_eq!((&held["username"], &held["text"]), (&json!("alice"), &json!("a sp0iler: he lives")));
    assert_eq!(held["user"], json!({ "id": bob.id, "username": "bob", "display_name": "bob" }));
    assert_eq!(held["why"], "filter");
    assert!(owner.drain("mod:held").await.is_empty(), "sent twice, kept back once");
    assert!(listener.drain("chat:message").await.is_empty());
    assert_eq!(join(&listener, &alice).await["history"], json!([]));

    let approve = json!({ "action": "approve", "held_id": held["id"] });
    assert_eq!(act(&speaker, approve.clone()).await["code"], "chat.forbidden");
    let done = acted(&owner, approve.clone()).await;
    let said = listener.next("chat:message").await.unwrap();
    assert_eq!((&said["text"], &said["client_id"]), (&held["text"], &json!("c1")));
    assert_eq!(said["user"]["username"], "bob");
    let gone = owner.next("mod:held-gone").await.unwrap();
    assert_eq!(gone, json!({ "id": held["id"], "username": "alice", "by": "alice" }));
    let again = act(&owner, approve).await;
    assert_eq!((&again["code"], &again["detail"]), (&json!("mod.already"), &json!("alice has done that already")));
    assert_eq!(send("a sp0iler: he lives", "c1").await["held"], true, "its answer may have been lost");

    // Approval is taken back: the line is struck.
    let undo = json!({ "username": "alice", "act_id": done["act_id"] });
    assert_eq!(owner.ask("mod:undo", undo).await.unwrap()["ok"], true);
    assert_eq!(listener.next("chat:deleted").await.unwrap()["id"], said["id"]);
    assert_eq!(join(&listener, &alice).await["history"], json!([]));
}

#[tokio::test]
async fn a_line_kept_back_is_denied_by_a_moderator_by_a_ban_or_by_time() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    acted(&owner, json!({ "action": "modes", "modes": { "links": "hold" } })).await;
    sit_down(&owner).await;
    let hold = async |id: &str| {
        let body = json!({ "username": "alice", "text": format!("{id}: https://a.example"), "client_id": id });
        assert_eq!(speaker.ask("chat:send", body).await.unwrap()["held"], true);
        let held = owner.next("mod:held").await.unwrap();
        assert_eq!(held["why"], "links");
        held
    };
    let denied = |id: &str| json!({ "username": "alice", "client_id": id });

    let first = hold("c1").await;
    let done = acted(&owner, json!({ "action": "deny", "held_id": first["id"] })).await;
    assert_eq!(owner.next("mod:held-gone").await.unwrap()["by"], "alice");
    assert_eq!(speaker.next("chat:denied").await.unwrap(), denied("c1"));
    let undo = json!({ "username": "alice", "act_id": done["act_id"] });
    assert_eq!(owner.ask("mod:undo", undo).await.unwrap()["ok"], true);
    assert_eq!(owner.next("mod:held").await.unwrap()["id"], first["id"], "it waits again");

    let ban = acted(&owner, json!({ "action": "ban", "member": "bob" })).await;
    assert_eq!(owner.next("mod:held-gone").await.unwrap()["id"], first["id"]);
    assert_eq!(speaker.next("chat:denied").await.unwrap(), denied("c1"));
    let undo = json!({ "username": "alice", "act_id": ban["act_id"] });
    assert_eq!(owner.ask("mod:undo", undo).await.unwrap()["ok"], true);
    assert_eq!(owner.next("mod:held").await.unwrap()["id"], first["id"]);

    for id in ["c2", "c3", "c4", "c5"] {
        hold(id).await;
    }
    let body = json!({ "username": "alice", "text": "c6 https://a.example", "client_id": "c6" });
    assert_eq!(speaker.ask("chat:send", body).await.unwrap()["code"], "chat.links", "five of one member wait");
    site.execute("UPDATE chat_held SET expires_at = now() WHERE client_id = 'c2'").await;
    let gone = owner.next("mod:held-gone").await.unwrap();
    assert_eq!(gone["by"], Value::Null);
    assert_eq!(speaker.next("chat:denied").await.unwrap(), denied("c2"));
    let late = act(&owner, json!({ "action": "approve", "held_id": gone["id"] })).await;
    assert_eq!(late["code"], "not-found");
    // What stands is not changed into what would be kept back.
    let line = say(&speaker, &alice, "fine").await["message"]["id"].clone();
    let edit = json!({ "id": line, "text": "https://b.example" });
    assert_eq!(speaker.ask("chat:edit", edit).await.unwrap()["code"], "chat.links");
}

#[tokio::test]
async fn a_request_waits_again_when_lifting_its_ban_is_taken_back() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let owner = node.sign_in(&alice).await;
    let ban =
        acted(&owner, json!({ "action": "ban", "member": "bob" })).await["act_id"].as_str().unwrap().parse().unwrap();
    let mut conn = site.pool.acquire().await.unwrap();
    let request = pleas::ask(&mut conn, alice.id, bob.id, ban, "please").await.unwrap().unwrap();
    assert_eq!(pleas::ask(&mut conn, alice.id, bob.id, ban, "please").await.unwrap(), None, "one waits");
    let lifted = acted(&owner, json!({ "action": "unban", "member": "bob" })).await;
    assert!(pleas::waiting(&mut conn, alice.id, None, 10).await.unwrap().is_empty());
    let act = lifted["act_id"].as_str().unwrap().parse().unwrap();
    let answered = pleas::answer(&mut conn, (alice.id, request), true, act, ("alice", "welcome")).await.unwrap();
    assert_eq!(answered.unwrap().ban, ban);
    let undo = json!({ "username": "alice", "act_id": lifted["act_id"] });
    assert_eq!(owner.ask("mod:undo", undo).await.unwrap()["ok"], true);
    let own = pleas::own(&mut conn, alice.id, bob.id, ban).await.unwrap().unwrap();
    assert_eq!((own.state.as_str(), own.answer.as_str(), own.again_at()), ("open", "", None));
    assert_eq!(pleas::waiting(&mut conn, alice.id, None, 10).await.unwrap().len(), 1);
}
