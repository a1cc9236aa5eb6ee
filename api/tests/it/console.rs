//! The console: what is live and its end, members' roles and devices, sums, settings.

use db::publish::{Beat, heartbeat};
use domain::StreamId;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, PASSWORD, Setup, Site, names};

async fn cast() -> (Site, Member, Member, Member) {
    let mut setup = Setup::new();
    setup.config.hooks.on_publish = "https://ops:secret@hooks.test/x?token=abc".to_owned();
    let site = setup.start().await;
    jobs::migrate(&site.pool).await.expect("the queues' tables");
    let (ada, mona) = (site.register_as("ada", "admin").await, site.register_as("mona", "moderator").await);
    let alice = site.register("alice").await;
    (site, ada, mona, alice)
}

async fn get(site: &Site, who: &Member, path: &str) -> Answer {
    site.get(&format!("/api/v1/admin/{path}")).bearer(&who.token).send().await
}

async fn cut(site: &Site, who: &Member, stream: &str, body: Value) -> Answer {
    site.post(&format!("/api/v1/admin/streams/{stream}/cut")).bearer(&who.token).json(body).send().await
}

/// What a node's heartbeat is told to go on with.
async fn kept(site: &Site, stream: &str) -> usize {
    let stream_id: StreamId = stream.parse().expect("an id");
    let beat = Beat { stream_id, epoch: 1, silent_ms: 0 };
    heartbeat(&mut site.pool.acquire().await.expect("a connection"), "n", &[beat]).await.expect("a heartbeat").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staff_sees_everything_live_and_ends_it_with_a_reason() {
    let (site, ada, mona, alice) = cast().await;
    let (stream, _) = site.stream(&alice, "secret show", "live", "recording").await;
    let (own, _) = site.stream(&ada, "the keeper", "reconnecting", "recording").await;
    site.sql("UPDATE streams SET visibility = 'private', epoch = 1").await;
    let list = get(&site, &mona, "streams").await.expect(200).json;
    let items = list["items"].as_array().expect("items");
    let of = |name: &str| items.iter().find(|one| one["stream"]["channel"]["username"] == name).expect("a stream");
    assert_eq!(of("alice")["may_cut"], true);
    assert_eq!(of("ada")["may_cut"], false, "a moderator does not act on an administrator");
    let picture = of("alice")["stream"]["thumbnail_url"].as_str().expect("a picture");
    assert!(picture.contains("?token="), "the staff sees private pictures too: {picture}");

    assert_eq!(kept(&site, &stream).await, 1);
    cut(&site, &mona, &stream, json!({"reason": ""})).await.refused(422, "request.invalid");
    cut(&site, &mona, &own, json!({"reason": "x"})).await.refused(403, "member.outranked");
    cut(&site, &mona, &kit::ids::uuid().to_string(), json!({"reason": "x"})).await.refused(404, "stream.not-found");
    let key = site.rows("SELECT encode(stream_key_hash, 'hex') AS key FROM channels ORDER BY channel_id").await;
    cut(&site, &mona, &stream, json!({"reason": "rude"})).await.expect(204);
    assert_eq!(kept(&site, &stream).await, 0, "its node hangs up at the next heartbeat");
    cut(&site, &mona, &stream, json!({"reason": "again"})).await.refused(409, "stream.over");
    let same = site.rows("SELECT encode(stream_key_hash, 'hex') AS key FROM channels ORDER BY channel_id").await;
    assert_eq!(key, same, "the key stays unless it is asked for");
    let list = get(&site, &mona, "streams").await.expect(200).json;
    let items = list["items"].as_array().expect("items");
    let one = items.iter().find(|one| one["stream"]["id"] == *stream).expect("it has not ended yet");
    assert_eq!((&one["is_cut"], &one["may_cut"]), (&json!(true), &json!(false)));
    let log = get(&site, &mona, "log").await.expect(200);
    assert_eq!(
        (names(&log, "action"), names(&log, "reason")),
        (vec!["stream.cut".to_owned()], vec!["rude".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_away_opens_nothing_and_its_owner_has_another() {
    let (site, ada, _, alice) = cast().await;
    let shown = || site.get("/api/v1/me/stream-key").bearer(&alice.token).send();
    let before = shown().await.expect(200).json["stream_key"].clone();
    let (stream, _) = site.stream(&alice, "show", "reconnecting", "recording").await;
    cut(&site, &ada, &stream, json!({"reason": "leaked", "block_key": true})).await.expect(204);
    let after = shown().await.expect(200).json["stream_key"].clone();
    assert!(before.is_string() && after.is_string() && before != after);
    // One that waits for its broadcaster waits no longer.
    let waits = site.rows("SELECT reconnect_until <= now() AS over FROM streams").await;
    assert_eq!(waits, [json!({"over": true})]);
    let log = get(&site, &ada, "audit?action=stream_key.blocked").await.expect(200);
    assert_eq!((names(&log, "entity"), names(&log, "reason")), (vec!["alice".to_owned()], vec!["leaked".to_owned()]));
    assert!(!log.text().contains(after.as_str().expect("a key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_given_by_administrators_and_the_last_one_stays() {
    let (site, ada, mona, alice) = cast().await;
    let give = |who: &Member, name: &str, role: &str| {
        let call = site.call("PUT", &format!("/api/v1/admin/users/{name}/role")).bearer(&who.token);
        call.json(json!({"role": role, "reason": "trusted"})).send()
    };
    give(&mona, "alice", "moderator").await.refused(403, "auth.forbidden");
    give(&ada, "ada", "user").await.refused(409, "role.last-admin");
    give(&ada, "alice", "user").await.refused(409, "role.same");
    give(&ada, "nobody_here", "user").await.refused(404, "member.not-found");
    give(&ada, "alice", "admin").await.expect(204);
    site.get("/api/v1/me").bearer(&alice.token).send().await.refused(401, "auth.invalid-token");
    let alice = site.login("alice").await;
    assert_eq!(site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200).json["role"], "admin");
    give(&alice, "ada", "user").await.refused(403, "member.outranked");
    // Both step down at once: one of them stays.
    let (one, other) = futures::future::join(give(&ada, "ada", "user"), give(&alice, "alice", "user")).await;
    let mut answers = [one.status.as_u16(), other.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [204, 409]);
    assert_eq!(site.rows("SELECT 1 AS one FROM users WHERE role = 'admin'").await.len(), 1);
    let log =
        site.rows("SELECT reason, details FROM audit_log WHERE action = 'role.changed' ORDER BY at LIMIT 1").await;
    assert_eq!(log, [json!({"reason": "trusted", "details": {"from": "user", "to": "admin"}})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_devices_are_seen_and_ended_by_administrators() {
    let (site, ada, mona, alice) = cast().await;
    let again = site.login("alice").await;
    get(&site, &mona, "users/alice").await.refused(403, "auth.forbidden");
    get(&site, &ada, "users/nobody_here").await.refused(404, "member.not-found");
    site.stream(&alice, "show", "ended", "ready").await;
    site.sql("UPDATE vods SET byte_size = 5000").await;
    let seen = get(&site, &ada, "users/alice").await.expect(200).json;
    assert_eq!(seen["sign_ins"].as_array().map(Vec::len), Some(2));
    assert_eq!((&seen["email"], &seen["storage"]["recording_bytes"]), (&json!("alice@mail.test"), &json!(5_000)));
    assert_eq!((&seen["may_set_role"], &seen["may_end_sign_ins"]), (&json!(true), &json!(true)));
    let end = |name: &str| {
        let call = site.call("DELETE", &format!("/api/v1/admin/users/{name}/sessions")).bearer(&ada.token);
        call.json(json!({"reason": "her laptop was stolen"})).send()
    };
    assert_eq!(end("alice").await.expect(200).json["ended"], 2);
    for gone in [&alice, &again] {
        site.get("/api/v1/me").bearer(&gone.token).send().await.refused(401, "auth.invalid-token");
    }
    let login = json!({"login": "alice", "password": PASSWORD});
    site.post("/api/v1/auth/login").json(login).send().await.expect(200);
    site.register_as("boss", "admin").await;
    end("boss").await.refused(403, "member.outranked");
    let log = get(&site, &ada, "audit?action=sessions.ended").await.expect(200).json;
    assert_eq!((&log["items"][0]["entity"], &log["items"][0]["details"]["ended"]), (&json!("alice"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_sums_up_what_there_is_and_lacks() {
    let (site, ada, mona, alice) = cast().await;
    site.stream(&alice, "now", "live", "recording").await;
    site.stream(&mona, "then", "ended", "ready").await;
    site.sql("UPDATE vods SET byte_size = CASE WHEN status = 'recording' THEN 300 ELSE 7000 END").await;
    let seen = get(&site, &ada, "overview").await.expect(200).json;
    assert_eq!((&seen["sums"]["members"], &seen["sums"]["recordings"]), (&json!(3), &json!(2)));
    assert_eq!((&seen["storage"]["live_bytes"], &seen["storage"]["recording_bytes"]), (&json!(300), &json!(7_000)));
    assert_eq!(seen["jobs"], json!({"waiting": 0, "running": 0, "failing": 0, "dead": 0, "paused_queues": 0}));
    assert_eq!(seen["lights"], json!([{"name": "mail", "state": "warn", "detail": "off", "hint": ""}]));
    assert_eq!(seen["version"], env!("CARGO_PKG_VERSION"));
    // Whole tables are not counted for each look.
    site.register("bob").await;
    assert_eq!(get(&site, &ada, "overview").await.expect(200).json["sums"]["members"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_shown_without_their_secrets() {
    let (site, ada, ..) = cast().await;
    let answer = get(&site, &ada, "settings").await.expect(200);
    let settings = answer.json["items"].as_array().expect("settings");
    let of = |key: &str| settings.iter().find(|one| one["key"] == key).expect("a setting");
    assert_eq!((&of("auth.secret")["value"], &of("auth.secret")["source"]), (&json!("***"), &json!("program")));
    assert_eq!((&of("hls.part_ms")["source"], &of("hls.part_ms")["is_locked"]), (&json!("default"), &json!(false)));
    assert_eq!(of("hooks.on_publish")["value"], "https://***@hooks.test/x?***");
    assert!(settings.iter().all(|one| one["key"].is_string() && one["about"].is_string()));
    for secret in [crate::harness::SECRET, "token=abc", "ops:"] {
        assert!(!answer.text().contains(secret), "{secret}");
    }
}
