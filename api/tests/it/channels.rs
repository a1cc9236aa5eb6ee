//! Channels, following, categories, stream settings and notifications: who may see and do what.

use std::time::Duration;

use domain::notification::NotificationType;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::harness::{Site, names};

#[tokio::test(flavor = "multi_thread")]
async fn following_twice_is_following_once() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let follow = |method: &'static str| site.call(method, "/api/v1/channels/ALICE/follow").bearer(&bob.token).send();
    for _ in 0..3 {
        follow("PUT").await.expect(204);
    }
    let page = site.get("/api/v1/channels/alice").bearer(&bob.token).send().await.expect(200);
    assert_eq!((page.json["followers_count"].as_i64(), page.json["is_following"].as_bool()), (Some(1), Some(true)));
    let outbox = site.rows("SELECT kind, payload->>'follower_id' AS who FROM outbox WHERE kind = 'followed'").await;
    assert_eq!(outbox, [json!({"kind": "followed", "who": bob.id})]);
    let anonymous = site.get("/api/v1/channels/alice").send().await.expect(200);
    assert_eq!(anonymous.json["is_following"], false);
    assert_eq!(anonymous.json.get("email"), None);
    for _ in 0..2 {
        follow("DELETE").await.expect(204);
    }
    let page = site.get("/api/v1/channels/alice").bearer(&bob.token).send().await.expect(200);
    assert_eq!(page.json["followers_count"], 0);
    site.call("PUT", "/api/v1/channels/alice/follow").bearer(&alice.token).send().await.refused(409, "follow.self");
    site.call("PUT", "/api/v1/channels/nobody/follow")
        .bearer(&bob.token)
        .send()
        .await
        .refused(404, "channel.not-found");
    site.call("PUT", "/api/v1/channels/alice/follow").send().await.refused(401, "auth.required");
    for odd in ["..%2f..%2fetc", "a", "%00%00%00", "%3Cscript%3E", "ali%20ce"] {
        site.get(&format!("/api/v1/channels/{odd}")).send().await.refused(404, "channel.not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_follows_write_one_event() {
    let site = Site::start().await;
    let (_, bob) = (site.register("alice").await, site.register("bob").await);
    let calls = (0..10).map(|_| site.call("PUT", "/api/v1/channels/alice/follow").bearer(&bob.token).send());
    for answer in futures::future::join_all(calls).await {
        answer.expect(204);
    }
    assert_eq!(site.rows("SELECT 1 AS one FROM outbox WHERE kind = 'followed'").await.len(), 1);
    assert_eq!(
        site.rows("SELECT followers_count AS n FROM channels WHERE followers_count > 0").await,
        [json!({"n": 1})]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_follows_come_in_pages_without_gaps() {
    let site = Site::start().await;
    let fan = site.register("fan").await;
    let mut channels = Vec::new();
    for n in 0..5 {
        let channel = site.register(&format!("chan{n}")).await;
        site.call("PUT", &format!("/api/v1/channels/chan{n}/follow")).bearer(&fan.token).send().await.expect(204);
        site.call("PUT", "/api/v1/channels/fan/follow").bearer(&channel.token).send().await.expect(204);
        channels.push(channel);
    }
    site.stream(&channels[1], "On air", "live", "recording").await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = site.get(&format!("/api/v1/me/following?limit=2&cursor={cursor}")).bearer(&fan.token).send().await;
        let page = page.expect(200);
        for item in page.json["items"].as_array().expect("items") {
            seen.push((item["username"].as_str().expect("name").to_owned(), item["live"]["title"].clone()));
        }
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let order: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["chan1", "chan4", "chan3", "chan2", "chan0"], "on air first, then the latest");
    assert_eq!(seen[0].1, "On air");
    assert_eq!(seen[1].1, Value::Null);

    let first = site.get("/api/v1/channels/fan/followers?limit=3").send().await.expect(200);
    assert_eq!(names(&first, "username"), ["chan4", "chan3", "chan2"]);
    let next = first.json["next_cursor"].as_str().expect("more");
    let second = site.get(&format!("/api/v1/channels/fan/followers?limit=3&cursor={next}")).send().await.expect(200);
    assert_eq!(names(&second, "username"), ["chan1", "chan0"]);
    assert_eq!(second.json["next_cursor"], Value::Null);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=abc"] {
        site.get(&format!("/api/v1/channels/fan/followers?{bad}")).send().await.refused(422, "request.invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_are_seeded_and_only_administrators_change_them() {
    let site = Site::start().await;
    let list = site.get("/api/v1/categories").send().await.expect(200);
    assert_eq!(names(&list, "slug")[..2], ["just-chatting", "games"]);
    assert_eq!(list.json["next_cursor"], Value::Null);
    let body = json!({"name": "Chess", "description": "Boards.", "tags": ["#Chess"], "position": 15});
    let put = |token: &str| site.call("PUT", "/api/v1/categories/chess").bearer(token).json(body.clone()).send();
    let delete = |token: &str| site.call("DELETE", "/api/v1/categories/chess").bearer(token).send();
    for role in ["user", "moderator"] {
        let member = site.register_as(&format!("a_{role}"), role).await;
        put(&member.token).await.refused(403, "auth.forbidden");
        delete(&member.token).await.refused(403, "auth.forbidden");
    }
    site.call("PUT", "/api/v1/categories/chess").json(body.clone()).send().await.refused(401, "auth.required");
    let admin = site.register_as("boss", "admin").await;
    let made = put(&admin.token).await.expect(200);
    assert_eq!(made.json["tags"], json!(["chess"]));
    let list = site.get("/api/v1/categories?limit=2").send().await.expect(200);
    assert_eq!(names(&list, "slug"), ["just-chatting", "chess"]);
    let call = site.call("PUT", "/api/v1/categories/Bad_Slug").bearer(&admin.token).json(body.clone());
    call.send().await.refused(422, "request.invalid");
    site.call("PATCH", "/api/v1/me/stream")
        .bearer(&admin.token)
        .json(json!({"category_slug": "chess"}))
        .send()
        .await
        .expect(200);
    delete(&admin.token).await.expect(204);
    delete(&admin.token).await.refused(404, "category.not-found");
    let settings = site.get("/api/v1/me/stream").bearer(&admin.token).send().await.expect(200);
    assert_eq!(settings.json["category_slug"], Value::Null, "what was in it has none");
    // A role that was taken away is felt at once, whatever the token still says.
    site.sql("UPDATE users SET role = 'user'").await;
    put(&admin.token).await.refused(403, "auth.forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_rename_what_is_on_air_and_its_recording() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let patch = |body: Value| site.call("PATCH", "/api/v1/me/stream").bearer(&alice.token).json(body).send();
    let body =
        json!({"title": " Hi\u{202e} all ", "description": "d", "category_slug": "games", "tags": ["#A", "a", "B b"]});
    let set = patch(body).await.expect(200);
    assert_eq!(set.json["title"], "Hi all");
    assert_eq!(set.json["tags"], json!(["a", "b b"]));
    assert_eq!(set.json["current"], Value::Null);

    let (_, old_vod) = site.stream(&alice, "Before", "ended", "ready").await;
    let (stream, vod) = site.stream(&alice, "Working title", "live", "recording").await;
    let set = patch(json!({"title": "Better", "category_slug": "music"})).await.expect(200);
    assert_eq!(set.json["current"]["title"], "Better");
    assert_eq!(set.json["current"]["renditions_note"], "source-only: busy", "its broadcaster is told");
    assert_eq!(set.json["description"], "d", "not mentioned, not changed");
    let seen = site.get(&format!("/api/v1/streams/{stream}")).send().await.expect(200);
    assert_eq!((seen.json["title"].as_str(), seen.json["category"]["slug"].as_str()), (Some("Better"), Some("music")));
    assert_eq!(seen.json.get("renditions_note"), None, "strangers are not");
    let of = |vod: &str| site.get(&format!("/api/v1/vods/{vod}")).send();
    assert_eq!(of(&vod).await.expect(200).json["title"], "Better");
    assert_eq!(of(&old_vod).await.expect(200).json["title"], "Before");
    let cleared = patch(json!({"category_slug": null})).await.expect(200);
    assert_eq!(cleared.json["category_slug"], Value::Null);

    for bad in [
        json!({"title": ""}),
        json!({"title": "x".repeat(141)}),
        json!({"category_slug": "nowhere"}),
        json!({"category_slug": "../x"}),
        json!({"tags": ["x".repeat(26)]}),
        json!({"description": "x".repeat(5_001)}),
    ] {
        patch(bad).await.refused(422, "request.invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_are_read_one_by_one_and_all_at_once_by_their_owner_only() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let (stream, vod) = site.stream(&alice, "Show", "live", "recording").await;
    let mut ids = Vec::new();
    for (kind, entity, id) in
        [("stream_online", "stream", &stream), ("vod_ready", "vod", &vod), ("new_follower", "user", &alice.id)]
    {
        let notification = kit::ids::uuid();
        site.sql(&format!(
            "INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id) \
             VALUES ('{notification}', '{}', '{kind}', 'm', '{entity}', '{id}')",
            bob.id
        ))
        .await;
        ids.push(notification.to_string());
    }
    let list = |query: &str| site.get(&format!("/api/v1/notifications{query}")).bearer(&bob.token).send();
    let first = list("?limit=2").await.expect(200);
    assert_eq!(names(&first, "type"), ["new_follower", "vod_ready"], "latest first");
    assert_eq!(first.json["unread_count"], 3);
    assert!(first.json["items"].as_array().expect("items").iter().all(|item| item["actor"]["username"] == "alice"));
    let next = first.json["next_cursor"].as_str().expect("more");
    let second = list(&format!("?limit=2&cursor={next}")).await.expect(200);
    assert_eq!(names(&second, "entity_type"), ["stream"]);
    assert_eq!(second.json["items"][0]["actor"]["username"], "alice");

    // Where a mention was made is said besides who made it.
    let carol = site.register("carol").await;
    site.sql(&format!(
        "INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id, actor_id, channel_id) \
         VALUES (gen_random_uuid(), '{}', 'mention', 'm', 'message', gen_random_uuid(), '{}', '{}')",
        carol.id, alice.id, bob.id
    ))
    .await;
    let mine = site.get("/api/v1/notifications?type=mention").bearer(&carol.token).send().await.expect(200);
    let item = &mine.json["items"][0];
    assert_eq!((&item["actor"]["username"], &item["channel"]["username"]), (&json!("alice"), &json!("bob")));
    assert_eq!(first.json["items"][0]["channel"], Value::Null);

    let read = format!("/api/v1/notifications/{}/read", ids[0]);
    site.post(&read).bearer(&alice.token).send().await.refused(404, "notification.not-found");
    for _ in 0..2 {
        site.post(&read).bearer(&bob.token).send().await.expect(204);
    }
    assert_eq!(list("").await.expect(200).json["unread_count"], 2);
    site.post("/api/v1/notifications/read-all").bearer(&alice.token).send().await.expect(204);
    assert_eq!(list("").await.expect(200).json["unread_count"], 2, "everybody reads their own");
    site.post("/api/v1/notifications/read-all").bearer(&bob.token).send().await.expect(204);
    assert_eq!(list("").await.expect(200).json["unread_count"], 0);
    site.post("/api/v1/notifications/not-an-id/read").bearer(&bob.token).send().await.refused(404, "not-found");
    site.get("/api/v1/notifications").send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sets_how_much_they_hear_and_nobody_else_can() {
    let site = Site::start().await;
    let (_alice, bob) = (site.register("alice").await, site.register("bob").await);
    let follow = "/api/v1/channels/alice/follow";
    let set = |bell: &'static str| site.call("PATCH", follow).bearer(&bob.token).json(json!({"bell": bell})).send();
    let bell = || async {
        let page = site.get("/api/v1/channels/alice").bearer(&bob.token).send().await.expect(200);
        page.json["bell"].clone()
    };
    assert_eq!(bell().await, Value::Null);
    set("none").await.refused(404, "follow.not-followed");
    site.call("PUT", follow).bearer(&bob.token).send().await.expect(204);
    assert_eq!(bell().await, "all");
    for level in ["live_only", "none", "none", "all", "live_only"] {
        set(level).await.expect(204);
        assert_eq!(bell().await, level);
    }
    // Following again is no way to lose what was chosen.
    site.call("PUT", follow).bearer(&bob.token).send().await.expect(204);
    assert_eq!(bell().await, "live_only");
    set("loud").await.refused(422, "request.malformed");
    site.call("PATCH", "/api/v1/channels/nobody/follow")
        .bearer(&bob.token)
        .json(json!({"bell": "all"}))
        .send()
        .await
        .refused(404, "channel.not-found");
    site.call("PATCH", follow).json(json!({"bell": "all"})).send().await.refused(401, "auth.required");
    assert_eq!(site.get("/api/v1/channels/alice").send().await.expect(200).json["bell"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_notification_are_turned_off_one_by_one() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let page = "/api/v1/me/notification-settings";
    let change = |kind: &'static str, in_app: bool| {
        let body = json!({"types": [{"type": kind, "in_app": in_app}]});
        site.call("PATCH", page).bearer(&bob.token).json(body).send()
    };
    let wanted = |answer: &crate::harness::Answer| -> Vec<String> {
        let types = answer.json["types"].as_array().expect("types");
        types.iter().filter(|t| t["in_app"] == true).map(|t| t["type"].as_str().expect("a name").to_owned()).collect()
    };
    let all: Vec<_> = NotificationType::ALL.into_iter().map(NotificationType::as_str).collect();
    let others: Vec<_> = all.iter().copied().filter(|kind| *kind != "vod_ready").collect();
    let mine = site.get(page).bearer(&bob.token).send().await.expect(200);
    assert_eq!(wanted(&mine), all, "everything, until somebody says otherwise");
    let changed = change("vod_ready", false).await.expect(200);
    assert_eq!(wanted(&changed), others);
    assert_eq!(wanted(&site.get(page).bearer(&alice.token).send().await.expect(200)), all, "everybody for themselves");
    assert_eq!(wanted(&change("vod_ready", true).await.expect(200)), all);
    change("recording_stopped", false).await.refused(422, "request.invalid");
    change("weather", false).await.refused(422, "request.invalid");
    assert_eq!(wanted(&change("recording_stopped", true).await.expect(200)), all);
    site.get(page).send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_notifications_are_read_together_and_every_tab_hears_of_it() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let mut ids = Vec::new();
    for kind in ["new_follower", "new_follower", "vod_ready"] {
        let id = kit::ids::uuid();
        let about = kit::ids::uuid();
        site.sql(&format!(
            "INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id) \
             VALUES ('{id}', '{}', '{kind}', 'm', 'user', '{about}')",
            bob.id
        ))
        .await;
        ids.push(id.to_string());
    }
    let list = |query: &'static str| site.get(&format!("/api/v1/notifications{query}")).bearer(&bob.token).send();
    assert_eq!(names(&list("?type=new_follower").await.expect(200), "type"), ["new_follower", "new_follower"]);
    list("?type=weather").await.refused(422, "request.invalid");

    let mut heard = live::fanout::subscribe(&site.live).await.expect("a subscription");
    let read = |token: &str, ids: &[String]| {
        site.post("/api/v1/notifications/read").bearer(token).json(json!({"ids": ids})).send()
    };
    read(&alice.token, &ids).await.expect(204);
    assert_eq!(list("?unread=true").await.expect(200).json["unread_count"], 3, "they are not alice's to read");
    read(&bob.token, &ids[..2]).await.expect(204);
    assert_eq!(names(&list("?unread=true").await.expect(200), "type"), ["vod_ready"]);
    site.post("/api/v1/notifications/read-all").bearer(&bob.token).send().await.expect(204);
    assert_eq!(names(&list("?unread=true").await.expect(200), "type"), Vec::<String>::new());

    let mut told = Vec::new();
    while told.len() < 2 {
        let push = tokio::time::timeout(Duration::from_secs(5), heard.next()).await.expect("a push").expect("a push");
        if push.target == live::fanout::Target::User(domain::UserId::from_uuid(bob.id.parse().expect("an id"))) {
            assert_eq!(push.event, "notification:read");
            told.push(push.payload);
        }
    }
    assert_eq!(told, [json!({"ids": ids[..2], "unread_count": 1}), json!({"all": true, "unread_count": 0})]);
    read(&bob.token, &[]).await.refused(422, "request.invalid");
    read(&bob.token, &vec![ids[0].clone(); 101]).await.refused(422, "request.invalid");
}
