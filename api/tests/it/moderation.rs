//! What a channel's owner and moderators read and set, and that nobody else does.

use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, Site, names};

const PAGES: [&str; 5] =
    ["moderators", "moderation/log", "moderation/sanctions", "moderation/filters", "moderation/held"];

async fn get(site: &Site, who: &Member, page: &str) -> Answer {
    site.get(&format!("/api/v1/channels/alice/{page}")).bearer(&who.token).send().await
}

async fn office(site: &Site, method: &str, who: &Member, member: &str) -> Answer {
    site.call(method, &format!("/api/v1/channels/alice/moderators/{member}")).bearer(&who.token).send().await
}

async fn add_filter(site: &Site, who: &Member, body: Value) -> Answer {
    site.post("/api/v1/channels/alice/moderation/filters").bearer(&who.token).json(body).send().await
}

async fn cast() -> (Site, Member, Member, Member) {
    let site = Site::start().await;
    let (alice, mia, bob) = (site.register("alice").await, site.register("mia").await, site.register("bob").await);
    (site, alice, mia, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_appoints_and_dismisses_and_every_node_hears_of_it() {
    let (site, alice, mia, bob) = cast().await;
    let mut heard = live::fanout::subscribe(&site.live).await.unwrap();
    for _ in 0..2 {
        office(&site, "PUT", &alice, "MIA").await.expect(204);
    }
    let order = heard.next().await.unwrap();
    assert_eq!((order.event.as_str(), &order.payload["user"]), ("node:order", &json!(mia.id)));
    let desk = heard.next().await.unwrap();
    let told = &desk.payload["payload"];
    assert_eq!((desk.event.as_str(), &desk.payload["event"]), ("node:desk", &json!("mod:action")));
    assert_eq!((&told["actor"], &told["action"], &told["target"]), (&json!("alice"), &json!("mod"), &json!("mia")));
    assert_eq!(told["undo_until"], Value::Null);
    let office_told = heard.next().await.unwrap();
    assert_eq!(office_told.payload, json!({ "username": "alice", "is_moderator": true }));
    assert_eq!(office_told.event, "chat:office");

    let list = get(&site, &mia, "moderators").await.expect(200).json;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let first = &list["items"][0];
    let user = json!({ "id": mia.id, "username": "mia", "display_name": "mia", "avatar_url": null });
    assert_eq!(first["user"], user);
    assert!(first["appointed_at"].is_string());

    office(&site, "PUT", &mia, "bob").await.refused(403, "chat.forbidden");
    office(&site, "PUT", &bob, "bob").await.refused(403, "chat.forbidden");
    let boss = site.register_as("boss", "admin").await;
    office(&site, "PUT", &boss, "bob").await.refused(403, "chat.forbidden");
    office(&site, "PUT", &alice, "alice").await.refused(409, "moderator.owner");
    office(&site, "PUT", &alice, "nobody").await.refused(404, "member.not-found");
    site.sql(&format!(
        "INSERT INTO chat_sanctions (channel_id, user_id, act_id, imposed_by) VALUES ('{}', '{}', gen_random_uuid(), '{}')",
        alice.id, bob.id, alice.id
    ))
    .await;
    office(&site, "PUT", &alice, "bob").await.refused(409, "moderator.sanctioned");
    for _ in 0..2 {
        office(&site, "DELETE", &alice, "mia").await.expect(204);
    }
    get(&site, &mia, "moderators").await.refused(403, "chat.forbidden");
    let log = get(&site, &alice, "moderation/log").await.expect(200);
    assert_eq!(names(&log, "action"), ["unmod", "mod"], "what changes nothing is not written down");

    site.sql(&format!(
        "INSERT INTO users (user_id, username, display_name, email, password_hash) \
         SELECT gen_random_uuid(), 'mod_' || n, 'm', 'mod_' || n || '@mail.test', 'x' FROM generate_series(1, 100) n; \
         INSERT INTO channel_moderators (channel_id, user_id) SELECT '{}', user_id FROM users WHERE username ~ '^mod_[0-9]+$'",
        alice.id
    ))
    .await;
    office(&site, "PUT", &alice, "mia").await.refused(409, "moderator.too-many");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_is_for_who_keeps_order_there() {
    let (site, alice, mia, bob) = cast().await;
    office(&site, "PUT", &alice, "mia").await.expect(204);
    let staff = site.register_as("keeper", "moderator").await;
    for page in PAGES {
        for who in [&alice, &mia, &staff] {
            get(&site, who, page).await.expect(200);
        }
        get(&site, &bob, page).await.refused(403, "chat.forbidden");
        site.get(&format!("/api/v1/channels/alice/{page}")).send().await.refused(401, "auth.required");
        let elsewhere = site.get(&format!("/api/v1/channels/bob/{page}")).bearer(&mia.token).send().await;
        elsewhere.refused(403, "chat.forbidden");
        let nowhere = site.get(&format!("/api/v1/channels/nobody/{page}")).bearer(&mia.token).send().await;
        nowhere.refused(404, "channel.not-found");
    }
    add_filter(&site, &bob, json!({ "kind": "words", "pattern": "x" })).await.refused(403, "chat.forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_added_once_checked_and_written_down() {
    let (site, alice, mia, _) = cast().await;
    office(&site, "PUT", &alice, "mia").await.expect(204);
    let first = add_filter(&site, &mia, json!({ "kind": "words", "pattern": " Foul " })).await.expect(201).json;
    assert_eq!((&first["pattern"], &first["action"]), (&json!("Foul"), &json!("refuse")));
    let held = json!({ "kind": "regex", "pattern": "buy +now", "action": "hold" });
    let second = add_filter(&site, &alice, held.clone()).await.expect(201).json;
    add_filter(&site, &alice, held).await.refused(409, "filter.exists");
    for body in [
        json!({ "kind": "regex", "pattern": "(" }),
        json!({ "kind": "words", "pattern": "**" }),
        json!({ "kind": "words", "pattern": "x".repeat(201) }),
    ] {
        let refused = add_filter(&site, &alice, body).await.refused(422, "request.invalid");
        assert_eq!(refused.json["errors"][0]["field"], "pattern");
    }
    let list = get(&site, &mia, "moderation/filters").await.expect(200).json;
    assert_eq!(list["items"], json!([first, second]));

    // A line must pass all of them: together they may take so much and no more.
    let large = |n: usize| json!({ "kind": "regex", "pattern": format!("(a|b)*a(a|b){{900}}x{n}") });
    let mut answers = Vec::new();
    while answers.len() < 20 {
        let answer = add_filter(&site, &alice, large(answers.len())).await;
        answers.push(answer.status);
        if answer.status != 201 {
            answer.refused(409, "filter.too-large");
            break;
        }
    }
    assert!(answers.len() > 1 && answers.last().is_some_and(|last| *last == 409), "{answers:?}");
    let kept = get(&site, &mia, "moderation/filters").await.expect(200).json;
    assert_eq!(kept["items"].as_array().unwrap().len(), 2 + answers.len() - 1, "what was refused is not there");
    add_filter(&site, &alice, json!({ "kind": "words", "pattern": "plain" })).await.expect(201);

    let path = format!("/api/v1/channels/alice/moderation/filters/{}", first["id"].as_str().unwrap());
    site.call("DELETE", &path).bearer(&mia.token).send().await.expect(204);
    site.call("DELETE", &path).bearer(&mia.token).send().await.refused(404, "filter.not-found");
    let log = get(&site, &alice, "moderation/log?actor=mia&action=filter_remove").await.expect(200).json;
    assert_eq!(log["items"][0]["detail"]["pattern"], "Foul");
    site.sql(&format!(
        "INSERT INTO chat_filters (filter_id, channel_id, kind, pattern, created_by) \
         SELECT gen_random_uuid(), '{0}', 'words', 'w' || n, '{0}' FROM generate_series(1, 100 - (SELECT count(*) FROM chat_filters)) n",
        alice.id
    ))
    .await;
    add_filter(&site, &alice, json!({ "kind": "words", "pattern": "more" })).await.refused(409, "filter.too-many");
    let more = || add_filter(&site, &alice, json!({ "kind": "words", "pattern": "more" }));
    let answers = join_all((0..60).map(|_| more())).await;
    let codes: Vec<_> = answers.iter().map(|answer| answer.json["code"].clone()).collect();
    assert!(codes.contains(&json!("chat.throttled")), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_sanctions_and_lines_kept_back_are_read_page_by_page() {
    let (site, alice, mia, bob) = cast().await;
    for (n, (action, actor, target)) in
        [("ban", &alice, &bob), ("unban", &mia, &bob), ("timeout", &mia, &alice)].into_iter().enumerate()
    {
        site.sql(&format!(
            "INSERT INTO mod_log (act_id, channel_id, actor_id, actor, action, target_id, target, reason) \
             VALUES ('00000000-0000-7000-8000-00000000000{n}', '{}', '{}', '{}', '{action}', '{}', '{}', 'why')",
            alice.id, actor.id, actor.username, target.id, target.username
        ))
        .await;
    }
    let page = get(&site, &alice, "moderation/log?limit=2").await.expect(200);
    assert_eq!(names(&page, "action"), ["timeout", "unban"]);
    let next = page.json["next_cursor"].as_str().unwrap().to_owned();
    let page = get(&site, &alice, &format!("moderation/log?limit=2&cursor={next}")).await.expect(200);
    assert_eq!(names(&page, "action"), ["ban"]);
    let entry = &page.json["items"][0];
    assert_eq!((&entry["username"], &entry["reason"]), (&json!("alice"), &json!("why")));
    assert!(entry["undo_until"].is_string() && page.json["next_cursor"].is_null());
    for (query, found) in [
        ("target=bob", vec!["unban", "ban"]),
        ("actor=MIA&target=bob", vec!["unban"]),
        ("action=ban", vec!["ban"]),
        ("actor=not+a+name", vec![]),
        ("action=%00", vec![]),
    ] {
        let page = get(&site, &alice, &format!("moderation/log?{query}")).await.expect(200);
        assert_eq!(names(&page, "action"), found, "{query}");
    }

    site.sql(&format!(
        "INSERT INTO chat_sanctions (channel_id, user_id, act_id, reason, imposed_by, ends_at) VALUES \
         ('{0}', '{1}', gen_random_uuid(), 'loud', '{0}', NULL), \
         ('{0}', '{2}', gen_random_uuid(), '', '{0}', now() - interval '1 second'); \
         INSERT INTO chat_held (held_id, channel_id, user_id, text, client_id, why, expires_at) VALUES \
         (gen_random_uuid(), '{0}', '{1}', 'a line', 'c1', 'links', now() + interval '1 minute'), \
         (gen_random_uuid(), '{0}', '{1}', 'too late', 'c2', 'links', now())",
        alice.id, bob.id, mia.id
    ))
    .await;
    let page = get(&site, &alice, "moderation/sanctions").await.expect(200).json;
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "what is over stands against nobody: {page}");
    let sanction = &page["items"][0];
    assert_eq!((&sanction["user"]["username"], &sanction["until"]), (&json!("bob"), &Value::Null));
    assert_eq!((&sanction["by"], &sanction["reason"]), (&json!({ "username": "alice" }), &json!("loud")));
    let page = get(&site, &alice, "moderation/held").await.expect(200).json;
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    let held = &page["items"][0];
    assert_eq!((&held["text"], &held["why"], &held["username"]), (&json!("a line"), &json!("links"), &json!("alice")));
    assert_eq!(held["user"], json!({ "id": bob.id, "username": "bob", "display_name": "bob" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_shows_what_is_known_of_a_member_and_notes_are_the_moderators_own() {
    let (site, alice, mia, bob) = cast().await;
    office(&site, "PUT", &alice, "mia").await.expect(204);
    site.sql(&format!(
        "INSERT INTO follows (channel_id, follower_id) VALUES ('{0}', '{1}'); \
         INSERT INTO chat_sanctions (channel_id, user_id, act_id, reason, imposed_by) VALUES \
         ('{0}', '{1}', gen_random_uuid(), 'loud', '{0}'); \
         INSERT INTO mod_log (act_id, channel_id, actor_id, actor, action, target_id, target) VALUES \
         (gen_random_uuid(), '{0}', '{0}', 'alice', 'ban', '{1}', 'bob'), \
         (gen_random_uuid(), '{0}', '{0}', 'alice', 'clear', NULL, NULL)",
        alice.id, bob.id
    ))
    .await;
    let notes = "/api/v1/channels/alice/chatters/bob/notes";
    let note = site.post(notes).bearer(&mia.token).json(json!({ "text": " keeps at it " })).send().await.expect(201);
    assert_eq!((&note.json["by"], &note.json["text"]), (&json!("mia"), &json!("keeps at it")));
    let card = get(&site, &alice, "chatters/BOB").await.expect(200).json;
    assert_eq!((&card["user"]["username"], &card["messages"]), (&json!("bob"), &json!(1)));
    assert_eq!(card["recent"][0]["text"], format!("a line of {}", bob.id));
    assert!(card["created_at"].is_string() && card["follows_since"].is_string());
    let sanction = json!({ "until": null, "reason": "loud" });
    assert_eq!(card["standing"], json!({ "is_moderator": false, "sanction": sanction, "warning": null }));
    assert_eq!(card["sanctions"].as_array().unwrap().len(), 1);
    assert_eq!((&card["sanctions"][0]["action"], &card["notes"]), (&json!("ban"), &json!([note.json])));

    for (page, who) in [("chatters/bob", &bob), ("chatters/mia", &bob)] {
        get(&site, who, page).await.refused(403, "chat.forbidden");
    }
    get(&site, &alice, "chatters/nobody").await.refused(404, "member.not-found");
    let body = json!({ "text": "me" });
    site.post(notes).bearer(&bob.token).json(body).send().await.refused(403, "chat.forbidden");
    for text in ["  ".to_owned(), "x".repeat(1_001), "\0".to_owned()] {
        let refused = site.post(notes).bearer(&mia.token).json(json!({ "text": text })).send().await;
        refused.refused(422, "request.invalid");
    }
    let one = format!("{notes}/{}", note.json["id"].as_str().unwrap());
    let elsewhere = one.replace("/bob/", "/mia/");
    site.call("DELETE", &elsewhere).bearer(&alice.token).send().await.refused(404, "note.not-found");
    site.call("DELETE", &one).bearer(&alice.token).send().await.expect(204);
    assert_eq!(get(&site, &mia, "chatters/bob").await.expect(200).json["notes"], json!([]));
    site.sql(&format!(
        "INSERT INTO chat_notes (note_id, channel_id, user_id, written_by, writer, text) \
         SELECT gen_random_uuid(), '{0}', '{1}', '{0}', 'alice', 'n' FROM generate_series(1, 50)",
        alice.id, bob.id
    ))
    .await;
    let full = site.post(notes).bearer(&mia.token).json(json!({ "text": "more" })).send().await;
    full.refused(409, "note.too-many");
    let cards = join_all((0..120).map(|_| get(&site, &mia, "chatters/bob"))).await;
    let codes: Vec<_> = cards.iter().map(|card| card.json["code"].clone()).collect();
    assert!(codes.contains(&json!("chat.throttled")), "{codes:?}");
}
