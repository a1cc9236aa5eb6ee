//! What members report, what banned members ask, and what the site's staff does about members.

use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, Site, names};

const WORDS: &str = "something vile";

async fn cast() -> (Site, Member, Member, Member) {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    (site, alice, bob, carol)
}

async fn get(site: &Site, who: &Member, path: &str) -> Answer {
    site.get(&format!("/api/v1{path}")).bearer(&who.token).send().await
}

async fn post(site: &Site, who: &Member, path: &str, body: Value) -> Answer {
    site.post(&format!("/api/v1{path}")).bearer(&who.token).json(body).send().await
}

async fn report(site: &Site, who: &Member, body: Value) -> Answer {
    post(site, who, "/reports", body).await
}

/// A line of a member in a channel.
async fn line(site: &Site, channel: &Member, author: &Member) -> String {
    let id = kit::ids::uuid().to_string();
    site.sql(&format!(
        "INSERT INTO chat_messages (message_id, channel_id, user_id, username, display_name, text, client_id, sent_at) \
         VALUES ('{id}', '{}', '{}', '{}', 'x', '{WORDS}', '{id}', now())",
        channel.id, author.id, author.username
    ))
    .await;
    id
}

fn on_line(id: &str, reason: &str) -> Value {
    json!({ "message_id": id, "channel": "alice", "reason": reason, "note": " look at  this " })
}

/// Bans a member in a channel. The id is the act's.
async fn ban(site: &Site, channel: &Member, member: &Member) -> String {
    let act = kit::ids::uuid().to_string();
    site.sql(&format!(
        "INSERT INTO chat_sanctions (channel_id, user_id, act_id, imposed_by, reason) \
         VALUES ('{0}', '{1}', '{act}', '{0}', 'spam')",
        channel.id, member.id
    ))
    .await;
    act
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_one_line_are_one_case_and_each_members_voice_counts_once() {
    let (site, alice, bob, carol) = cast().await;
    let mut heard = live::fanout::subscribe(&site.live).await.unwrap();
    let id = line(&site, &alice, &bob).await;
    report(&site, &carol, on_line(&id, "hate")).await.expect(201);
    let push = heard.next().await.unwrap();
    assert_eq!((push.event.as_str(), &push.payload["event"]), ("node:desk", &json!("mod:report")));
    let told = &push.payload["payload"]["report"];
    assert_eq!((&told["excerpt"], &told["accused"], &told["voices"]), (&json!(WORDS), &json!("bob"), &json!(1)));
    report(&site, &carol, on_line(&id, "spam")).await.refused(409, "report.exists");
    report(&site, &alice, on_line(&id, "spam")).await.expect(201);
    report(&site, &bob, on_line(&id, "spam")).await.refused(409, "report.own");
    // What was reported is kept, whatever becomes of the line.
    site.sql(&format!("DELETE FROM chat_messages WHERE message_id = '{id}'")).await;
    report(&site, &alice, on_line(&id, "spam")).await.refused(404, "report.no-such-thing");

    let desk = "/channels/alice/moderation/reports";
    let list = get(&site, &alice, desk).await.expect(200).json;
    let case = &list["items"][0];
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!((&case["voices"], &case["excerpt"], &case["thing_id"]), (&json!(2), &json!(WORDS), &json!(id)));
    assert_eq!((&case["reasons"], &case["notes"][0]), (&json!(["hate", "spam"]), &json!("look at this")));
    assert_eq!(case["reporters"], Value::Null, "a channel is not told who reported");
    for who in [&bob, &carol] {
        get(&site, who, desk).await.refused(403, "chat.forbidden");
    }
    let one = format!("{desk}/{}", case["id"].as_str().unwrap());
    post(&site, &carol, &one, json!({ "action": "dismiss" })).await.refused(403, "chat.forbidden");
    post(&site, &alice, &one, json!({ "action": "forget" })).await.refused(422, "request.malformed");
    let closed = post(&site, &alice, &one, json!({ "action": "resolve", "note": "struck" })).await.expect(200).json;
    assert_eq!((&closed["state"], &closed["decided_by"]), (&json!("resolved"), &json!("alice")));
    let late = post(&site, &alice, &one, json!({ "action": "dismiss" })).await.refused(409, "report.decided");
    assert!(late.json["detail"].as_str().unwrap().contains("alice"));
    assert_eq!(get(&site, &alice, desk).await.json["items"], json!([]));
    let done = get(&site, &alice, &format!("{desk}?state=resolved")).await.json;
    assert_eq!(done["items"][0]["answer"], "struck");
    let log = get(&site, &alice, "/channels/alice/moderation/log").await.json;
    let entry = &log["items"][0];
    assert_eq!((&entry["action"], &entry["target"]), (&json!("report_resolve"), &json!("bob")));

    // What was decided may be reported anew.
    let id = line(&site, &alice, &bob).await;
    report(&site, &carol, on_line(&id, "hate")).await.expect(201);
    let other = format!("/channels/bob/moderation/reports/{}", list["items"][0]["id"].as_str().unwrap());
    post(&site, &bob, &other, json!({ "action": "dismiss" })).await.refused(404, "report.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_channels_to_judge_goes_to_the_sites_staff() {
    let (site, alice, bob, carol) = cast().await;
    let staff = site.register_as("keeper", "moderator").await;
    let (stream, vod) = site.stream(&alice, "a show", "live", "ready").await;
    let own_line = line(&site, &alice, &alice).await;
    let line_id = line(&site, &alice, &bob).await;
    for body in [
        json!({ "username": "ALICE", "reason": "impersonation" }),
        json!({ "stream_id": stream, "reason": "violence" }),
        json!({ "vod_id": vod, "reason": "copyright" }),
        on_line(&own_line, "harassment"),
        on_line(&line_id, "hate"),
    ] {
        report(&site, &carol, body).await.expect(201);
    }
    report(&site, &alice, json!({ "vod_id": vod, "reason": "other" })).await.refused(409, "report.own");
    let nothing = kit::ids::uuid();
    for (body, code) in [
        (json!({ "username": "nobody", "reason": "spam" }), "member.not-found"),
        (json!({ "vod_id": nothing, "reason": "spam" }), "report.no-such-thing"),
        (json!({ "stream_id": nothing, "reason": "spam" }), "report.no-such-thing"),
        (json!({ "message_id": line_id, "channel": "bob", "reason": "spam" }), "report.no-such-thing"),
        (json!({ "message_id": line_id, "channel": "nobody", "reason": "spam" }), "channel.not-found"),
    ] {
        report(&site, &carol, body).await.refused(404, code);
    }
    for body in [
        json!({ "reason": "spam" }),
        json!({ "message_id": line_id, "reason": "spam" }),
        json!({ "username": "alice", "vod_id": vod, "reason": "spam" }),
        json!({ "username": "alice", "reason": "spam", "note": "x".repeat(501) }),
    ] {
        report(&site, &carol, body).await.refused(422, "request.invalid");
    }
    site.post("/api/v1/reports").json(json!({ "username": "bob", "reason": "spam" })).send().await.expect(401);

    get(&site, &alice, "/admin/reports").await.refused(403, "auth.forbidden");
    let list = get(&site, &staff, "/admin/reports").await.expect(200);
    assert_eq!(names(&list, "kind"), ["line", "recording", "stream", "member"]);
    assert_eq!(list.json["items"][0]["reporters"], json!(["carol"]));
    assert_eq!(list.json["items"][0]["channel"], "alice");
    let page = get(&site, &staff, "/admin/reports?limit=3").await.json;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(&site, &staff, &format!("/admin/reports?limit=3&cursor={cursor}")).await;
    assert_eq!(names(&rest, "kind"), ["member"]);

    // A channel hands a line on, and hears no more of it.
    let desk = "/channels/alice/moderation/reports";
    let case = get(&site, &alice, desk).await.json["items"][0]["id"].as_str().unwrap().to_owned();
    post(&site, &alice, &format!("{desk}/{case}"), json!({ "action": "escalate" })).await.expect(200);
    let late = post(&site, &alice, &format!("{desk}/{case}"), json!({ "action": "resolve" })).await;
    late.refused(409, "report.decided");
    assert_eq!(get(&site, &alice, desk).await.json["items"], json!([]));
    let first = get(&site, &staff, "/admin/reports").await.json["items"].clone();
    let handed = first.as_array().unwrap().iter().find(|one| one["id"] == json!(case)).unwrap();
    assert_eq!((&handed["escalated_by"], &handed["excerpt"]), (&json!("alice"), &json!(WORDS)));

    let decide = |action: &str| {
        let body = json!({ "action": action, "note": "seen" });
        let path = format!("/admin/reports/{case}");
        let (site, staff) = (&site, &staff);
        async move { post(site, staff, &path, body).await }
    };
    post(&site, &alice, &format!("/admin/reports/{case}"), json!({ "action": "dismiss" })).await.expect(403);
    // Two of the staff at once: one of them decides.
    let mut answers = join_all([decide("dismiss"), decide("resolve")]).await;
    answers.sort_by_key(|answer| answer.status.as_u16());
    assert_eq!(answers.iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>(), [200, 409]);
    let log = get(&site, &staff, "/admin/log?target=bob").await.expect(200).json;
    assert_eq!(log["items"][0]["actor"], "keeper");
    post(&site, &staff, &format!("/admin/reports/{nothing}"), json!({ "action": "dismiss" }))
        .await
        .refused(404, "report.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reports_without_end_is_held_up() {
    let (site, alice, _, carol) = cast().await;
    let answers =
        join_all((0..25).map(|_| report(&site, &carol, json!({ "username": "alice", "reason": "spam" })))).await;
    let codes = |code: &str| answers.iter().filter(|answer| answer.json["code"] == code).count();
    assert_eq!((codes("report.throttled"), codes("report.exists")), (5, 19));
    let staff = site.register_as("keeper", "admin").await;
    assert_eq!(get(&site, &staff, "/admin/reports").await.json["items"][0]["voices"], 1);
    let _ = alice;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_asks_once_at_a_time_and_hears_the_answer() {
    let (site, alice, bob, carol) = cast().await;
    let (own, desk) = ("/channels/alice/unban-request", "/channels/alice/moderation/unban-requests");
    let plea = || json!({ "text": "  I am  sorry " });
    assert_eq!(get(&site, &bob, own).await.expect(200).json["ban"], Value::Null);
    post(&site, &bob, own, plea()).await.refused(409, "unban.not-banned");
    ban(&site, &alice, &bob).await;
    let stands = get(&site, &bob, own).await.expect(200).json;
    assert_eq!((&stands["ban"]["reason"], &stands["request"]), (&json!("spam"), &Value::Null));
    post(&site, &bob, own, json!({ "text": " " })).await.refused(422, "request.invalid");
    let mut heard = live::fanout::subscribe(&site.live).await.unwrap();
    let answers = join_all((0..4).map(|_| post(&site, &bob, own, plea()))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    let told = heard.next().await.unwrap();
    assert_eq!(told.payload["event"], "mod:request");
    assert_eq!(told.payload["payload"]["request"]["text"], "I am sorry");
    assert_eq!(get(&site, &bob, own).await.json["may_ask_at"], Value::Null);

    get(&site, &carol, desk).await.refused(403, "chat.forbidden");
    let list = get(&site, &alice, desk).await.expect(200).json;
    let first = &list["items"][0];
    assert_eq!((&first["user"]["username"], &first["ban_reason"]), (&json!("bob"), &json!("spam")));
    let one = format!("{desk}/{}", first["id"].as_str().unwrap());
    post(&site, &bob, &one, json!({ "action": "accept" })).await.refused(403, "chat.forbidden");
    let denied = post(&site, &alice, &one, json!({ "action": "deny", "note": "not yet" })).await.expect(200).json;
    assert_eq!((&denied["action"], &denied["reason"]), (&json!("request_deny"), &json!("not yet")));
    assert_eq!(denied["undo_until"], Value::Null);
    let stands = get(&site, &bob, own).await.json;
    assert_eq!((&stands["request"]["state"], &stands["request"]["answer"]), (&json!("denied"), &json!("not yet")));
    let early = post(&site, &bob, own, plea()).await.refused(409, "unban.too-soon");
    assert!(early.json["retry_after_ms"].as_u64().is_none_or(|ms| ms > 86_400_000));
    let late = post(&site, &alice, &one, json!({ "action": "accept" })).await.refused(409, "mod.already");
    assert!(late.json["detail"].as_str().unwrap().contains("alice"));

    // A week later, and this time it is heard.
    site.sql("UPDATE unban_requests SET decided_at = now() - interval '8 days'").await;
    post(&site, &bob, own, plea()).await.expect(201);
    let id = get(&site, &alice, desk).await.json["items"][0]["id"].as_str().unwrap().to_owned();
    let accepted = post(&site, &alice, &format!("{desk}/{id}"), json!({ "action": "accept" })).await.expect(200).json;
    assert_eq!((&accepted["action"], &accepted["target"]), (&json!("unban"), &json!("bob")));
    assert!(accepted["undo_until"].is_string() && accepted["detail"]["before"]["act"].is_string());
    assert_eq!(get(&site, &bob, own).await.json["ban"], Value::Null);
    assert_eq!(get(&site, &alice, "/channels/alice/moderation/sanctions").await.json["items"], json!([]));
    let mut events = Vec::new();
    while !events.contains(&"chat:pardoned".to_owned()) {
        events.push(heard.next().await.unwrap().event);
    }
    assert_eq!(events.iter().filter(|event| *event == "chat:request-answered").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_about_a_ban_that_was_lifted_otherwise_waits_for_nothing() {
    let (site, alice, bob, _) = cast().await;
    let (own, desk) = ("/channels/alice/unban-request", "/channels/alice/moderation/unban-requests");
    ban(&site, &alice, &bob).await;
    let asked = post(&site, &bob, own, json!({ "text": "please" })).await.expect(201).json;
    site.sql("DELETE FROM chat_sanctions").await;
    assert_eq!(get(&site, &alice, desk).await.json["items"], json!([]));
    let one = format!("{desk}/{}", asked["id"].as_str().unwrap());
    post(&site, &alice, &one, json!({ "action": "accept" })).await.refused(404, "unban.not-found");
    // Another ban is another matter.
    ban(&site, &alice, &bob).await;
    post(&site, &bob, own, json!({ "text": "please" })).await.expect(201);
    assert_eq!(get(&site, &alice, desk).await.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staff_suspends_and_readmits_who_stands_below_them_and_it_is_written_down() {
    let (site, alice, bob, _) = cast().await;
    let keeper = site.register_as("keeper", "moderator").await;
    let (boss, other) = (site.register_as("boss", "admin").await, site.register_as("other", "admin").await);
    let because = || json!({ "reason": "sells  pills" });
    let set = async |who: &Member, name: &str, how: &str, body: Value| {
        post(&site, who, &format!("/admin/users/{name}/{how}"), body).await
    };
    set(&alice, "bob", "suspend", because()).await.refused(403, "auth.forbidden");
    for (who, whom) in [(&keeper, "keeper"), (&keeper, "boss"), (&boss, "other"), (&boss, "boss")] {
        set(who, whom, "suspend", because()).await.refused(403, "member.outranked");
    }
    set(&keeper, "nobody", "suspend", because()).await.refused(404, "member.not-found");
    set(&keeper, "bob", "suspend", json!({ "reason": " " })).await.refused(422, "request.invalid");
    set(&keeper, "bob", "unsuspend", because()).await.refused(409, "member.not-suspended");
    let entry = set(&keeper, "Bob", "suspend", because()).await.expect(200).json;
    assert_eq!(
        (&entry["action"], &entry["actor"], &entry["reason"]),
        (&json!("user.suspended"), &json!("keeper"), &json!("sells pills"))
    );
    set(&boss, "bob", "suspend", because()).await.refused(409, "member.suspended");
    get(&site, &bob, "/me").await.refused(401, "auth.invalid-token");
    let login = json!({ "login": "bob", "password": crate::harness::PASSWORD });
    site.post("/api/v1/auth/login").json(login.clone()).send().await.refused(403, "account.suspended");

    let list = get(&site, &keeper, "/admin/users?suspended=true").await.expect(200).json;
    let found = &list["items"][0];
    assert_eq!((&found["user"]["username"], &found["is_suspended"]), (&json!("bob"), &json!(true)));
    assert_eq!((&found["suspension"]["reason"], &found["suspension"]["by"]), (&json!("sells pills"), &json!("keeper")));
    assert_eq!(found["may_suspend"], true);
    let all = get(&site, &keeper, "/admin/users?q=@O").await.expect(200);
    let named: Vec<_> =
        all.json["items"].as_array().unwrap().iter().map(|one| one["user"]["username"].as_str().unwrap()).collect();
    assert_eq!(named, ["other", "boss", "carol", "bob"]);
    assert_eq!(all.json["items"][0]["may_suspend"], false);
    assert!(!all.text().contains("mail.test") && !all.text().contains('@'), "no addresses");
    get(&site, &alice, "/admin/users").await.refused(403, "auth.forbidden");

    set(&boss, "bob", "unsuspend", because()).await.expect(200);
    site.post("/api/v1/auth/login").json(login).send().await.expect(200);
    let log = get(&site, &other, "/admin/log?target=bob").await.expect(200);
    assert_eq!(
        (names(&log, "action"), names(&log, "actor")),
        (vec!["user.unsuspended".into(), "user.suspended".into()], vec!["boss".into(), "keeper".into()])
    );
    get(&site, &alice, "/admin/log").await.refused(403, "auth.forbidden");
    // The operator, at the command line, has nobody above.
    api::accounts::set_suspended(&site.pool, &site.live, &site.config, "other", true).await.unwrap();
    let log = get(&site, &boss, "/admin/log?target=other").await.expect(200).json;
    assert_eq!((&log["items"][0]["action"], &log["items"][0]["actor"]), (&json!("user.suspended"), &Value::Null));
    // Known as gone, or, a moment before that, as nobody of the staff.
    let status = get(&site, &other, "/admin/log").await.status.as_u16();
    assert!(matches!(status, 401 | 403), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_kept_for_its_member_and_has_bounds() {
    let (site, alice, bob, _) = cast().await;
    let path = "/api/v1/me/mod-layout";
    let put = async |who: &Member, body: Value| site.call("PUT", path).bearer(&who.token).json(body).send().await;
    assert_eq!(get(&site, &alice, "/me/mod-layout").await.expect(200).json, json!({ "layout": null }));
    let layout = json!({ "hidden": ["log"], "sizes": { "columns": { "chat": 40.5, "middle": 59.5 } } });
    for _ in 0..2 {
        assert_eq!(put(&alice, layout.clone()).await.expect(200).json["layout"], layout);
    }
    assert_eq!(get(&site, &alice, "/me/mod-layout").await.json["layout"], layout);
    assert_eq!(get(&site, &bob, "/me/mod-layout").await.json["layout"], Value::Null);
    let many: Vec<_> = (0..33).map(|n| format!("p{n}")).collect();
    for broken in [
        json!({ "hidden": many, "sizes": {} }),
        json!({ "hidden": ["x".repeat(129)], "sizes": {} }),
        json!({ "hidden": [], "sizes": { "columns": { "chat": 101.0 } } }),
    ] {
        put(&alice, broken).await.refused(422, "request.invalid");
    }
    put(&alice, json!({ "hidden": [], "sizes": {}, "more": 1 })).await.refused(422, "request.malformed");
    site.get(path).send().await.refused(401, "auth.required");
}
