//! The audit log: written with the act or not at all, changed by nobody, read by administrators alone.

use serde_json::{Value, json};

use crate::harness::{Answer, Member, PASSWORD, Site, names};

async fn get(site: &Site, who: &Member, query: &str) -> Answer {
    site.get(&format!("/api/v1/admin/audit{query}")).bearer(&who.token).send().await
}

async fn boss(site: &Site) -> Member {
    site.register_as("boss", "admin").await
}

/// Entries a minute apart, the first of them at midnight: `(actor, action, entity_type, entity_id)`.
async fn written(site: &Site, entries: &[(&str, &str, &str, &str)]) {
    for (minute, (actor, action, kind, id)) in entries.iter().enumerate() {
        let actor_kind = if *actor == "recordings" { "worker" } else { "user" };
        site.sql(&format!(
            "INSERT INTO audit_log (entry_id, at, actor_kind, actor, action, entity_type, entity_id) VALUES \
             ('{}', '2026-03-10T00:{minute:02}:00Z', '{actor_kind}', '{actor}', '{action}', '{kind}', '{id}')",
            kit::ids::uuid()
        ))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matters_is_written_down_with_who_what_and_where_and_without_secrets() {
    let site = Site::start().await;
    let (alice, boss) = (site.register("alice").await, boss(&site).await);
    let rotate = site.post("/api/v1/me/stream-key/rotate").bearer(&alice.token).from("198.51.100.7");
    let key = rotate.send().await.expect(200).json["stream_key"].as_str().expect("a key").to_owned();
    let (_, vod) = site.stream(&alice, "An evening", "ended", "ready").await;
    let path = format!("/api/v1/vods/{vod}");
    for _ in 0..2 {
        // The second time it is what it was.
        site.call("PATCH", &path)
            .bearer(&alice.token)
            .json(json!({ "visibility": "private" }))
            .send()
            .await
            .expect(200);
    }
    site.call("DELETE", &path).bearer(&boss.token).send().await.expect(204);
    let category = "/api/v1/categories/chess";
    site.call("PUT", category).bearer(&boss.token).json(json!({ "name": "Chess" })).send().await.expect(200);
    site.call("DELETE", category).bearer(&boss.token).send().await.expect(204);
    let hook = json!({ "url": "https://1.1.1.1/hook?secret=abc", "events": ["vod.ready"] });
    let hook = site.post("/api/v1/me/webhooks").bearer(&alice.token).json(hook).send().await.expect(201);
    let secret = hook.json["secret"].as_str().expect("a key");
    let path = format!("/api/v1/me/webhooks/{}", hook.json["webhook"]["id"].as_str().expect("an id"));
    site.post(&format!("{path}/secret/rotate")).bearer(&alice.token).send().await.expect(200);
    site.call("PATCH", &path).bearer(&alice.token).json(json!({ "is_enabled": false })).send().await.expect(200);
    site.call("DELETE", &path).bearer(&alice.token).send().await.expect(204);
    let close = site.post("/api/v1/me/close").bearer(&alice.token).json(json!({ "password": PASSWORD }));
    close.send().await.expect(204);
    let login = json!({ "login": "alice", "password": PASSWORD, "reopen": true });
    site.post("/api/v1/auth/login").json(login).send().await.expect(200);
    api::accounts::set_role(&site.pool, &site.live, &site.config, "alice", domain::user::Role::Moderator)
        .await
        .unwrap();

    let log = get(&site, &boss, "?limit=100").await.expect(200);
    let mut actions = names(&log, "action");
    actions.reverse();
    assert_eq!(
        actions,
        [
            "stream_key.rotated",
            "vod.visibility_changed",
            "vod.deleted",
            "category.changed",
            "category.deleted",
            "webhook.added",
            "webhook.secret_rotated",
            "webhook.changed",
            "webhook.removed",
            "account.closed",
            "account.reopened",
            "role.changed",
        ]
    );
    for hidden in [&*key, secret, "whsec_", "secret=abc", PASSWORD] {
        assert!(!log.text().contains(hidden), "{hidden}");
    }
    let of = |action: &str| {
        let found = log.json["items"].as_array().unwrap().iter().find(|entry| entry["action"] == action);
        found.cloned().unwrap_or_else(|| panic!("{action}"))
    };
    let rotated = of("stream_key.rotated");
    assert_eq!((&rotated["actor_kind"], &rotated["actor"]), (&json!("user"), &json!("alice")));
    assert_eq!(rotated["address"], "198.51.100.7");
    assert_eq!(
        (&rotated["entity_type"], &rotated["entity_id"], &rotated["entity"]),
        (&json!("channel"), &json!(alice.id), &json!("alice"))
    );
    assert_eq!(of("vod.visibility_changed")["details"], json!({ "from": "public", "to": "private" }));
    let deleted = of("vod.deleted");
    assert_eq!((&deleted["actor"], &deleted["member"]), (&json!("boss"), &json!("alice")));
    assert_eq!((&deleted["entity_id"], &deleted["entity"]), (&json!(vod), &json!("An evening")));
    assert_eq!(of("webhook.added")["details"]["host"], "1.1.1.1");
    let role = of("role.changed");
    assert_eq!((&role["actor_kind"], &role["actor"]), (&json!("system"), &json!("operator")));
    assert_eq!((&role["details"], &role["address"]), (&json!({ "from": "user", "to": "moderator" }), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_and_its_entry_are_committed_together_or_not_at_all() {
    let site = Site::start().await;
    let (alice, boss) = (site.register("alice").await, boss(&site).await);
    let kept = site.rows("SELECT encode(stream_key_hash, 'hex') AS hash FROM channels ORDER BY 1").await;
    site.sql(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    .await;
    site.post("/api/v1/me/stream-key/rotate").bearer(&alice.token).send().await.refused(500, "internal");
    assert_eq!(site.rows("SELECT encode(stream_key_hash, 'hex') AS hash FROM channels ORDER BY 1").await, kept);
    let put = site.call("PUT", "/api/v1/categories/chess").bearer(&boss.token).json(json!({ "name": "Chess" }));
    put.send().await.refused(500, "internal");
    assert!(site.rows("SELECT slug FROM categories WHERE slug = 'chess'").await.is_empty());
    site.sql("DROP TRIGGER full_disk ON audit_log").await;

    // An act that fails after its entry was written.
    site.sql(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'too late'; END $$; \
         CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON channels DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION late()",
    )
    .await;
    site.post("/api/v1/me/stream-key/rotate").bearer(&alice.token).send().await.refused(500, "internal");
    assert_eq!(get(&site, &boss, "").await.expect(200).json["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_log_and_only_age_empties_it() {
    let site = Site::start().await;
    let (alice, boss) = (site.register("alice").await, boss(&site).await);
    written(&site, &[("boss", "vod.deleted", "vod", "1"), ("boss", "user.suspended", "user", "2")]).await;
    for change in ["UPDATE audit_log SET reason = ''", "DELETE FROM audit_log", "TRUNCATE audit_log"] {
        assert!(db::testing::execute(&site.pool, change).await.is_err(), "{change}");
    }
    site.sql(&format!(
        "INSERT INTO audit_log (entry_id, at, actor_kind, actor, action, entity_type, entity_id, member_id) \
         VALUES ('{}', '2026-03-10', 'user', 'boss', 'user.suspended', 'user', '{1}', '{1}'); \
         UPDATE users SET is_barred = true WHERE user_id = '{1}'",
        kit::ids::uuid(),
        alice.id
    ))
    .await;
    site.post("/api/v1/me/stream-key/rotate").bearer(&boss.token).send().await.expect(200);
    let mut conn = site.pool.acquire().await.unwrap();
    assert!(db::audit::prune(&mut conn, 0).await.is_err(), "never all of it");
    assert_eq!(db::audit::prune(&mut conn, 36_500).await.unwrap(), 0);
    assert_eq!(db::audit::prune(&mut conn, 30).await.unwrap(), 2);
    drop(conn);
    let left = get(&site, &boss, "").await.expect(200);
    // Why somebody is suspended is known for as long as they are.
    assert_eq!(names(&left, "action"), ["stream_key.rotated", "user.suspended"]);
    assert!(db::testing::execute(&site.pool, "DELETE FROM audit_log").await.is_err(), "the door is closed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found_by_who_what_and_when_page_by_page() {
    let site = Site::start().await;
    let boss = boss(&site).await;
    written(
        &site,
        &[
            ("boss", "vod.deleted", "vod", "a"),
            ("recordings", "vod.expired", "vod", "b"),
            ("alice", "webhook.added", "webhook", "a"),
            ("alice", "vod.deleted", "vod", "c"),
        ],
    )
    .await;
    let ids = async |query: &str| {
        let found = get(&site, &boss, query).await.expect(200);
        names(&found, "entity_id").join("") + &names(&found, "entity_type").iter().map(|t| &t[..1]).collect::<String>()
    };
    assert_eq!(ids("").await, "cabavwvv");
    assert_eq!(ids("?actor=@Alice").await, "cavw");
    assert_eq!(ids("?actor=worker").await, "bv");
    assert_eq!(ids("?action=vod.deleted").await, "cavv");
    assert_eq!(ids("?entity_id=a").await, "aawv");
    assert_eq!(ids("?entity_id=a&entity_type=vod").await, "av");
    assert_eq!(ids("?since=2026-03-10T00:01:00Z&until=2026-03-10T00:03:00Z").await, "abwv");
    assert_eq!(ids("?actor=nobody%00").await, "");
    for broken in ["?action=user.praised", "?entity_type=planet", "?since=yesterday", "?limit=0", "?cursor=!!"] {
        get(&site, &boss, broken).await.refused(422, "request.invalid");
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = get(&site, &boss, &format!("?limit=1&actor=alice&cursor={cursor}")).await.expect(200);
        seen.extend(names(&page, "entity_id"));
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(seen, ["c", "a"]);
    let first = get(&site, &boss, "?limit=3").await.expect(200);
    site.post("/api/v1/me/stream-key/rotate").bearer(&boss.token).send().await.expect(200);
    let cursor = first.json["next_cursor"].as_str().expect("a next page");
    let second = get(&site, &boss, &format!("?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!(
        (names(&first, "entity_id"), names(&second, "entity_id")),
        (vec!["c".into(), "a".into(), "b".into()], vec!["a".into()])
    );
    assert_eq!(second.json["next_cursor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_for_administrators_alone() {
    let site = Site::start().await;
    let (alice, mia) = (site.register("alice").await, site.register_as("mia", "moderator").await);
    for who in [&alice, &mia] {
        for path in ["", ".csv"] {
            get(&site, who, path).await.refused(403, "auth.forbidden");
        }
    }
    for path in ["/api/v1/admin/audit", "/api/v1/admin/audit.csv"] {
        site.get(path).send().await.refused(401, "auth.required");
    }
    // Moderators read what the staff did, and not from where.
    let boss = boss(&site).await;
    let suspend = site.post("/api/v1/admin/users/alice/suspend").bearer(&boss.token).from("198.51.100.9");
    suspend.json(json!({ "reason": "spam" })).send().await.expect(200);
    site.post("/api/v1/me/stream-key/rotate").bearer(&boss.token).send().await.expect(200);
    let log = site.get("/api/v1/admin/log").bearer(&mia.token).send().await.expect(200);
    assert_eq!(names(&log, "action"), ["user.suspended"]);
    assert!(!log.text().contains("198.51.100.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_what_was_asked_for_runs_nothing_and_has_an_end() {
    let site = Site::start().await;
    let boss = boss(&site).await;
    let put = site.call("PUT", "/api/v1/categories/chess").bearer(&boss.token);
    put.json(json!({ "name": "=HYPERLINK(\"http://evil.example\")" })).send().await.expect(200);
    written(&site, &[("alice", "webhook.added", "webhook", "a")]).await;
    let file = get(&site, &boss, ".csv?actor=boss").await.expect(200);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"audit-20"));
    let text = file.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "at,actor_kind,actor,action,entity_type,entity_id,entity,member,reason,details,address,id");
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[1].contains(",user,boss,category.changed,category,chess,\"'=HYPERLINK("), "{text}");

    site.sql(
        "INSERT INTO audit_log (entry_id, actor_kind, actor, action, entity_type, entity_id) \
         SELECT gen_random_uuid(), 'worker', 'recordings', 'vod.expired', 'vod', n::text FROM generate_series(1, 50100) n",
    )
    .await;
    let file = get(&site, &boss, ".csv").await.expect(200);
    let mut ids: Vec<_> = file.text().lines().skip(1).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 50_000);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50_000, "each once");
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(get(&site, &boss, ".csv?entity_id=none").await.status.as_u16());
    }
    assert_eq!(statuses.pop(), Some(429), "{statuses:?}");
}
