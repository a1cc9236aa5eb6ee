//! Who may speak in a channel, what moderators do about it, and that it holds on every node.

use std::time::Duration;

use db::moderation::{Added, NewFilter};
use domain::order::{FilterAction, FilterKind};
use domain::user::Role;
use serde_json::{Value, json};
use testkit::services;
use testkit::socket::SocketClient;
use tokio::time::Instant;

use crate::site::{Account, Node, Relay, Site, join, say, until};

/// What is promised for every node.
const HOLDS_WITHIN: Duration = Duration::from_secs(2);

async fn act(client: &SocketClient, channel: &Account, order: Value) -> Value {
    let mut body = json!({ "username": channel.name });
    body.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
    client.ask("mod:act", body).await.unwrap()
}

async fn acted(client: &SocketClient, channel: &Account, order: Value) -> Value {
    let answer = act(client, channel, order).await;
    assert_eq!(answer["ok"], true, "{answer}");
    answer
}

async fn undo(client: &SocketClient, channel: &Account, act: &Value) -> Value {
    client.ask("mod:undo", json!({ "username": channel.name, "act_id": act["act_id"] })).await.unwrap()
}

async fn appoint(site: &Site, channel: &Account, member: &Account) {
    site.execute(&format!(
        "INSERT INTO channel_moderators (channel_id, user_id) VALUES ('{}', '{}')",
        channel.id, member.id
    ))
    .await;
}

async fn log(site: &Site) -> Vec<Value> {
    db::testing::rows(&site.pool, "SELECT actor, action, target, reason FROM mod_log ORDER BY act_id").await.unwrap()
}

#[tokio::test]
async fn a_timeout_silences_on_the_other_node_is_told_and_taken_back() {
    let site = Site::start().await;
    let (alice, bob, mia) = (site.member("alice").await, site.member("bob").await, site.member("mia").await);
    appoint(&site, &alice, &mia).await;
    let (first, second) = (site.node().await, site.node().await);
    let (moderator, speaker, listener) =
        (first.sign_in(&mia).await, second.sign_in(&bob).await, second.anonymous().await);
    let joined = join(&moderator, &alice).await;
    assert_eq!(joined["me"]["is_moderator"], true);
    join(&speaker, &alice).await;
    join(&listener, &alice).await;
    let line = say(&speaker, &alice, "something foul").await["message"].clone();
    listener.next("chat:message").await.unwrap();

    let order = json!({ "action": "timeout", "member": "bob", "seconds": 600, "strike": true, "reason": "language" });
    let done = acted(&moderator, &alice, order).await;
    let at = Instant::now();
    let told = speaker.next("chat:sanctioned").await.unwrap();
    assert_eq!((&told["username"], &told["reason"]), (&json!("alice"), &json!("language")));
    assert!(told["until"].is_string());
    assert_eq!(listener.next("chat:cleared").await.unwrap(), json!({ "username": "alice", "user_id": bob.id }));
    let refused = until(HOLDS_WITHIN, async || say(&speaker, &alice, "more").await, |a| a["ok"] == false).await;
    assert_eq!(refused["code"], "chat.timed-out");
    assert!((590_000..=600_000).contains(&refused["retry_after_ms"].as_u64().unwrap()), "{refused}");
    assert!(at.elapsed() < HOLDS_WITHIN);
    // Reading stays open, and joining again says why one is silent.
    let joined = join(&second.sign_in(&bob).await, &alice).await;
    assert_eq!(joined["me"]["sanction"]["reason"], "language");
    assert!(!joined["history"].as_array().unwrap().iter().any(|message| message["id"] == line["id"]));

    let back = undo(&moderator, &alice, &done).await;
    assert_eq!(back["ok"], true, "{back}");
    assert_eq!(speaker.next("chat:pardoned").await.unwrap(), json!({ "username": "alice" }));
    assert_eq!(listener.next("chat:restored").await.unwrap(), json!({ "username": "alice" }));
    until(HOLDS_WITHIN, async || say(&speaker, &alice, "sorry").await, |a| a["ok"] == true).await;
    let history = join(&listener, &alice).await["history"].clone();
    assert!(history.as_array().unwrap().iter().any(|message| message["id"] == line["id"]), "{history}");
    assert_eq!(undo(&moderator, &alice, &done).await["code"], "mod.already");
    let row =
        |action: &str, reason: &str| json!({ "actor": "mia", "action": action, "target": "bob", "reason": reason });
    assert_eq!(log(&site).await, [row("timeout", "language"), row("undo", "")]);
}

#[tokio::test]
async fn a_ban_holds_within_two_seconds_also_when_the_news_of_it_was_lost() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (relay, through) = Relay::to_url(&services::redis_url()).await;
    let first = site.node().await;
    let mut config = site.config.clone();
    config.redis.url = kit::Secret::new(through);
    let deaf = Node::start(config).await;
    let (owner, speaker) = (first.sign_in(&alice).await, deaf.sign_in(&bob).await);
    join(&speaker, &alice).await;
    assert_eq!(say(&speaker, &alice, "before").await["ok"], true);
    relay.cut();
    acted(&owner, &alice, json!({ "action": "ban", "member": "bob" })).await;
    let at = Instant::now();
    let refused = until(HOLDS_WITHIN, async || say(&speaker, &alice, "after").await, |a| a["ok"] == false).await;
    assert_eq!(refused["code"], "chat.banned", "after {:?}", at.elapsed());
}

#[tokio::test]
async fn of_two_moderators_the_second_hears_who_was_faster() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let (mia, max) = (site.member("mia").await, site.member("max").await);
    appoint(&site, &alice, &mia).await;
    appoint(&site, &alice, &max).await;
    let (first, second) = (site.node().await, site.node().await);
    let (one, other) = (first.sign_in(&mia).await, second.sign_in(&max).await);
    let ban = json!({ "action": "ban", "member": "bob" });
    let (a, b) = tokio::join!(act(&one, &alice, ban.clone()), act(&other, &alice, ban));
    let (won, lost, winner) = if a["ok"] == true { (&a, &b, "mia") } else { (&b, &a, "max") };
    assert_eq!(won["ok"], true, "{a} {b}");
    assert_eq!(
        (&lost["code"], &lost["detail"]),
        (&json!("mod.already"), &json!(format!("{winner} has done that already")))
    );
    assert_eq!(log(&site).await.len(), 1);
    let timeout = json!({ "action": "timeout", "member": "bob", "seconds": 60 });
    assert_eq!(act(&one, &alice, timeout).await["code"], "mod.already", "a ban is not made shorter by a timeout");
    acted(&other, &alice, json!({ "action": "unban", "member": "bob" })).await;
    let again = act(&one, &alice, json!({ "action": "unban", "member": "bob" })).await;
    assert_eq!(again["detail"], "max has done that already");

    let line = say(&first.sign_in(&bob).await, &alice, "strike me").await["message"]["id"].clone();
    let strike = json!({ "action": "delete", "message_id": line });
    let (a, b) = tokio::join!(act(&one, &alice, strike.clone()), act(&other, &alice, strike));
    let codes = [a["code"].clone(), b["code"].clone()];
    assert!(codes.contains(&Value::Null) && codes.contains(&json!("mod.already")), "{a} {b}");
}

#[tokio::test]
async fn nobody_acts_on_an_equal_and_a_lost_office_is_lost_at_once() {
    let site = Site::start().await;
    let (alice, bob, mia) = (site.member("alice").await, site.member("bob").await, site.member("mia").await);
    let boss = site.member_as("boss", Role::Admin).await;
    appoint(&site, &alice, &mia).await;
    let node = site.node().await;
    let (moderator, stranger) = (node.sign_in(&mia).await, node.sign_in(&bob).await);
    for target in ["alice", "boss", "mia"] {
        let answer = act(&moderator, &alice, json!({ "action": "ban", "member": target })).await;
        assert_eq!(answer["code"], "mod.outranked", "{target}");
    }
    let answer = act(&node.sign_in(&alice).await, &alice, json!({ "action": "ban", "member": "boss" })).await;
    assert_eq!(answer["code"], "mod.outranked");
    let staff = node.sign_in(&boss).await;
    acted(&staff, &alice, json!({ "action": "timeout", "member": "mia", "seconds": 5 })).await;
    acted(&staff, &alice, json!({ "action": "unban", "member": "mia" })).await;
    for order in [
        json!({ "action": "ban", "member": "mia" }),
        json!({ "action": "clear" }),
        json!({ "action": "shield", "on": true }),
    ] {
        assert_eq!(act(&stranger, &alice, order).await["code"], "chat.forbidden");
    }
    assert_eq!(stranger.ask("mod:join", json!({ "username": "alice" })).await.unwrap()["code"], "chat.forbidden");
    for nonsense in
        [json!({ "action": "explode" }), json!({}), json!({ "action": "timeout", "member": "bob", "seconds": 0 })]
    {
        assert_eq!(act(&moderator, &alice, nonsense.clone()).await["code"], "request.invalid", "{nonsense}");
    }
    // At the desk, what others do is told; without the office it is not any more.
    assert_eq!(moderator.ask("mod:join", json!({ "username": "alice" })).await.unwrap()["ok"], true);
    let owner = node.sign_in(&alice).await;
    acted(&owner, &alice, json!({ "action": "warn", "member": "bob", "reason": "be kind" })).await;
    let told = moderator.next("mod:action").await.unwrap();
    assert_eq!((&told["actor"], &told["action"], &told["target"]), (&json!("alice"), &json!("warn"), &json!("bob")));
    site.execute("DELETE FROM channel_moderators").await;
    tokio::time::sleep(HOLDS_WITHIN).await;
    acted(&owner, &alice, json!({ "action": "clear" })).await;
    assert_eq!(act(&moderator, &alice, json!({ "action": "clear" })).await["code"], "chat.forbidden");
    assert!(moderator.drain("mod:action").await.is_empty());
}

#[tokio::test]
async fn a_warning_is_read_before_one_writes_on() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    join(&speaker, &alice).await;
    acted(&owner, &alice, json!({ "action": "warn", "member": "bob", "reason": "be kind" })).await;
    assert_eq!(speaker.next("chat:warned").await.unwrap(), json!({ "username": "alice", "reason": "be kind" }));
    assert_eq!(say(&speaker, &alice, "what?").await["code"], "chat.warned");
    assert_eq!(join(&speaker, &alice).await["me"]["warning"], json!({ "reason": "be kind" }));
    assert_eq!(speaker.ask("chat:warning-read", json!({ "username": "alice" })).await.unwrap()["ok"], true);
    assert_eq!(say(&speaker, &alice, "understood").await["ok"], true);
}

#[tokio::test]
async fn modes_hold_for_viewers_and_not_for_who_keeps_order() {
    let site = Site::start().await;
    let (alice, bob, mia) = (site.member("alice").await, site.member("bob").await, site.member("mia").await);
    appoint(&site, &alice, &mia).await;
    let (first, second) = (site.node().await, site.node().await);
    let owner = first.sign_in(&alice).await;
    let (speaker, moderator) = (second.sign_in(&bob).await, second.sign_in(&mia).await);
    join(&speaker, &alice).await;
    let set = async |modes: Value| {
        let answer = acted(&owner, &alice, json!({ "action": "modes", "modes": modes })).await;
        let told = speaker.next("chat:modes").await.unwrap();
        assert_eq!(told["slow_s"], answer["modes"]["slow_s"]);
        answer
    };
    let refused = async |text: &str, code: &str| {
        let answer = until(HOLDS_WITHIN, async || say(&speaker, &alice, text).await, |a| a["ok"] == false).await;
        assert_eq!(answer["code"], code, "{answer}");
        assert_eq!(say(&moderator, &alice, text).await["ok"], true, "moderators are not held to it");
        answer
    };
    set(json!({ "links": "block" })).await;
    refused("see https://spam.example", "chat.links").await;
    assert_eq!(say(&speaker, &alice, "no link").await["ok"], true);
    set(json!({ "links": "allow", "emote_only": true })).await;
    refused("words", "chat.emote-only").await;
    assert_eq!(say(&speaker, &alice, "🎉").await["ok"], true);
    set(json!({ "emote_only": false, "followers_only_s": 600 })).await;
    refused("hello", "chat.followers-only").await;
    site.execute(&format!(
        "INSERT INTO follows (channel_id, follower_id, created_at) VALUES ('{}', '{}', now() - interval '1 minute')",
        alice.id, bob.id
    ))
    .await;
    let answer = until(
        HOLDS_WITHIN,
        async || say(&speaker, &alice, "hello").await,
        |answer| answer["retry_after_ms"].is_number(),
    )
    .await;
    assert!((500_000..=540_000).contains(&answer["retry_after_ms"].as_u64().unwrap()), "{answer}");
    set(json!({ "followers_only_s": null, "unique": true })).await;
    until(HOLDS_WITHIN, async || say(&speaker, &alice, "GG").await, |a| a["ok"] == true).await;
    assert_eq!(say(&speaker, &alice, "gg!").await["code"], "chat.not-unique");
    let answer = set(json!({ "unique": false, "slow_s": 30 })).await;
    assert_eq!(answer["modes"]["slow_s"], 30);
    let slow = refused("again and again", "chat.slow").await;
    assert!((20_000..=30_000).contains(&slow["retry_after_ms"].as_u64().unwrap()), "{slow}");
    // What was stored while its answer was lost is answered as stored, whatever holds.
    set(json!({ "slow_s": 3_000 })).await;
    let body = json!({ "username": "alice", "text": "once", "client_id": "same" });
    let stored =
        until(HOLDS_WITHIN, async || speaker.ask("chat:send", body.clone()).await.unwrap(), |a| a["ok"] == true).await;
    assert_eq!(speaker.ask("chat:send", body).await.unwrap(), stored);
    let joined = join(&first.anonymous().await, &alice).await;
    assert_eq!(joined["modes"]["slow_s"], 3_000);
}

#[tokio::test]
async fn a_shield_goes_up_and_down_and_leaves_what_was_set() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    acted(&owner, &alice, json!({ "action": "modes", "modes": { "slow_s": 3 } })).await;
    let up = acted(&owner, &alice, json!({ "action": "shield", "on": true })).await;
    assert_eq!((&up["modes"]["slow_s"], &up["modes"]["followers_only_s"]), (&json!(10), &json!(600)));
    assert_eq!(say(&speaker, &alice, "raid").await["code"], "chat.followers-only");
    let over = act(&owner, &alice, json!({ "action": "modes", "modes": { "slow_s": 4_000 } })).await;
    assert_eq!(over["code"], "request.invalid");
    assert_eq!(undo(&owner, &alice, &up).await["ok"], true);
    let modes = join(&speaker, &alice).await["modes"].clone();
    assert_eq!(
        modes,
        json!({ "slow_s": 3, "followers_only_s": null, "emote_only": false, "unique": false,
        "links": "allow", "shield": false })
    );
}

#[tokio::test]
async fn a_filter_finds_its_word_under_a_disguise_and_the_log_cannot_be_rewritten() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let mut tx = db::begin(&site.pool).await.unwrap();
    db::moderation::lock(&mut tx, alice.id).await.unwrap();
    for (kind, pattern) in [(FilterKind::Words, "badword"), (FilterKind::Regex, "buy +now")] {
        let new = NewFilter { kind, pattern, action: FilterAction::Refuse };
        let added = db::moderation::add_filter(&mut tx, alice.id, alice.id, new).await.unwrap();
        assert!(matches!(added, Added::Done(_)));
        let again = db::moderation::add_filter(&mut tx, alice.id, alice.id, new).await.unwrap();
        assert_eq!(again, Added::Before);
    }
    db::commit(tx).await.unwrap();
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    for text in ["badword", "b\u{430}dw0rd", "b a d w o r d", "BUY   NOW"] {
        assert_eq!(say(&speaker, &alice, text).await["code"], "chat.filtered", "{text}");
    }
    assert_eq!(say(&speaker, &alice, "a good word").await["ok"], true);
    assert_eq!(say(&owner, &alice, "badword").await["ok"], true);

    acted(&owner, &alice, json!({ "action": "ban", "member": "bob" })).await;
    for statement in ["UPDATE mod_log SET reason = 'x'", "DELETE FROM mod_log", "TRUNCATE mod_log"] {
        let refused = db::testing::execute(&site.pool, statement).await.unwrap_err();
        assert!(format!("{:?}", refused).contains("never changed"), "{statement}");
    }
    assert_eq!(log(&site).await.len(), 1);
}

#[tokio::test]
async fn who_comes_back_hears_what_was_struck_and_what_was_given_back() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (owner, speaker) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let first = say(&speaker, &alice, "one").await["message"]["id"].clone();
    let last = say(&owner, &alice, "two").await["message"]["id"].clone();
    let back = async |since: &Value| {
        let body = json!({ "username": "alice", "last_id": last, "since": since });
        speaker.ask("stream:join", body).await.unwrap()
    };
    let since = join(&speaker, &alice).await["now"].clone();
    let clear = acted(&owner, &alice, json!({ "action": "clear", "member": "bob" })).await;
    assert_eq!(back(&since).await["removed"], json!([first]));
    assert_eq!(undo(&owner, &alice, &clear).await["ok"], true);
    let missed = back(&since).await;
    assert_eq!(missed["removed"], json!([]));
    assert_eq!((&missed["changes"][0]["id"], &missed["changes"][0]["text"]), (&first, &json!("one")), "{missed}");
}

#[tokio::test]
async fn a_hasty_moderator_is_slowed_down() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    // In two tabs: each socket has a limit of its own.
    let tabs = [node.sign_in(&alice).await, node.sign_in(&alice).await];
    let begun = Instant::now();
    let mut codes = Vec::new();
    for tab in tabs.iter().cycle().take(90) {
        codes.push(act(tab, &alice, json!({ "action": "clear" })).await["code"].clone());
    }
    let done = codes.iter().filter(|code| code.is_null()).count();
    // Thirty at once, and then three a second.
    let most = 31.0 + 3.0 * begun.elapsed().as_secs_f64();
    assert!((30.0..=most).contains(&(done as f64)), "{done} in {:?}", begun.elapsed());
    assert!(codes.contains(&json!("chat.throttled")), "{codes:?}");
}
