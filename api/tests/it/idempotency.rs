//! Row D5: requests that make something, sent again under the same `Idempotency-Key`.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Call, Member, Site, names};

const ROOMS: &str = "/api/v1/rooms";
const WEBHOOKS: &str = "/api/v1/me/webhooks";

fn call(site: &Site, who: &Member, path: &str, key: &str, body: Value) -> Call {
    site.post(path).bearer(&who.token).header("idempotency-key", key).json(body)
}

fn group(name: &str) -> Value {
    json!({ "name": name })
}

async fn rooms(site: &Site) -> usize {
    site.rows("SELECT room_id FROM rooms").await.len()
}

fn same(one: &Answer, other: &Answer) {
    assert_eq!((one.status, &one.body), (other.status, &other.body));
    assert_eq!(one.header("content-type"), other.header("content-type"));
}

/// Waits until a query has rows; for at most ten seconds.
async fn until(site: &Site, query: &str) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while site.rows(query).await.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect(query);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_under_one_key_make_one_thing_and_hear_the_same() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let answers = join_all((0..20).map(|_| call(&site, &alice, ROOMS, "evening-1", group("one")).send())).await;
    for answer in &answers {
        same(answer, &answers[0]);
        assert_eq!(answer.status, 201);
    }
    let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true").count();
    assert_eq!((rooms(&site).await, replayed), (1, 19));
    // Later too, and another key or none is another wish.
    same(&call(&site, &alice, ROOMS, "evening-1", group("one")).send().await, &answers[0]);
    call(&site, &alice, ROOMS, "evening-2", group("one")).send().await.expect(201);
    site.post(ROOMS).bearer(&alice.token).json(group("one")).send().await.expect(201);
    assert_eq!(rooms(&site).await, 3);
    let list = site.get(ROOMS).bearer(&alice.token).send().await.expect(200);
    assert_eq!(names(&list, "id").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_payload_under_the_same_key_is_refused() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    call(&site, &alice, ROOMS, "k", group("one")).send().await.expect(201);
    call(&site, &alice, ROOMS, "k", group("two")).send().await.refused(422, "idempotency.reused");
    let hook = json!({ "url": "https://1.1.1.1/hook" });
    call(&site, &alice, WEBHOOKS, "k", hook).send().await.refused(422, "idempotency.reused");
    assert_eq!(rooms(&site).await, 1);
    for key in ["", "two words", &"x".repeat(256)] {
        call(&site, &alice, ROOMS, key, group("three")).send().await.refused(400, "idempotency.bad-key");
    }
    let two = call(&site, &alice, ROOMS, "a", group("three")).header("idempotency-key", "b");
    two.send().await.refused(400, "idempotency.bad-key");
    site.post(ROOMS).header("idempotency-key", "k").json(group("one")).send().await.refused(401, "auth.required");
    assert_eq!(rooms(&site).await, 1);
    call(&site, &alice, ROOMS, &"x".repeat(255), group("four")).send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_which_calls_take_a_key() {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    let mut keyed = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            if parameters.iter().any(|one| one["name"] == "Idempotency-Key" && one["in"] == "header") {
                assert_eq!(method, "post", "{path}");
                keyed.push(path.as_str());
            }
        }
    }
    for path in [ROOMS, WEBHOOKS, "/api/v1/vods/{id}/clips", "/api/v1/reports"] {
        assert!(keyed.contains(&path), "{path}: {keyed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_key_is_nobodys_business() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let hers = call(&site, &alice, ROOMS, "k", group("one")).send().await.expect(201);
    let his = call(&site, &bob, ROOMS, "k", group("his own")).send().await.expect(201);
    assert_ne!(his.json["id"], hers.json["id"]);
    assert_eq!(his.header("idempotency-replayed"), "");
    assert_eq!(rooms(&site).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_the_first_runs_waits_and_then_hears_that_it_does() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let first = call(&site, &alice, ROOMS, "k", group("one")).send().await.expect(201);
    // As if it ran still.
    site.sql("UPDATE idempotency_keys SET status = NULL, answer = NULL, claimed_until = now() + interval '1 hour'")
        .await;
    let begun = tokio::time::Instant::now();
    let late = call(&site, &alice, ROOMS, "k", group("one")).send().await.refused(409, "idempotency.running");
    assert!((4..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(late.header("retry-after"), "1");
    call(&site, &alice, ROOMS, "k", group("two")).send().await.refused(422, "idempotency.reused");
    assert_eq!((rooms(&site).await, first.status.as_u16()), (1, 201));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_blocks_a_key_for_a_while_only() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    call(&site, &alice, ROOMS, "k", group("one")).send().await.expect(201);
    site.sql("DELETE FROM rooms").await;
    // The node died before it made anything, half a minute ago.
    site.sql("UPDATE idempotency_keys SET status = NULL, answer = NULL, claimed_until = now() - interval '1 second'")
        .await;
    call(&site, &alice, ROOMS, "k", group("two")).send().await.refused(422, "idempotency.reused");
    let answers = join_all((0..5).map(|_| call(&site, &alice, ROOMS, "k", group("one")).send())).await;
    for answer in &answers {
        same(answer, &answers[0]);
    }
    assert_eq!((rooms(&site).await, answers[0].status.as_u16()), (1, 201));
    // A day later the key is as good as new.
    site.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'").await;
    call(&site, &alice, ROOMS, "k", group("two")).send().await.expect(201);
    assert_eq!(rooms(&site).await, 2);
    let mut conn = site.pool.acquire().await.unwrap();
    assert_eq!(db::idempotency::prune(&mut conn).await.unwrap(), 0);
    drop(conn);
    site.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'").await;
    let mut conn = site.pool.acquire().await.unwrap();
    assert_eq!(db::idempotency::prune(&mut conn).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_ours_is_not_kept_and_a_refusal_is() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.sql(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON rooms FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    .await;
    call(&site, &alice, ROOMS, "k", group("one")).send().await.refused(500, "internal");
    site.sql("DROP TRIGGER full_disk ON rooms").await;
    call(&site, &alice, ROOMS, "k", group("one")).send().await.expect(201);
    let nobody = json!({ "username": "carol" });
    let refused = call(&site, &alice, ROOMS, "n", nobody.clone()).send().await.refused(404, "member.not-found");
    site.register("carol").await;
    same(&call(&site, &alice, ROOMS, "n", nobody).send().await, &refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_finds_what_was_made() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.sql(
        "CREATE TABLE gate (is_open boolean); INSERT INTO gate VALUES (false); \
         CREATE FUNCTION wait_for_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           WHILE NOT (SELECT is_open FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END $$; \
         CREATE TRIGGER gate BEFORE INSERT ON rooms FOR EACH ROW EXECUTE FUNCTION wait_for_gate()",
    )
    .await;
    tokio::select! {
        answer = call(&site, &alice, ROOMS, "k", group("one")).send() => panic!("{answer:?}"),
        () = until(&site, "SELECT 1 AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()") => {}
    }
    site.sql("UPDATE gate SET is_open = true").await;
    until(&site, "SELECT 1 AS n FROM idempotency_keys WHERE status = 201").await;
    let again = call(&site, &alice, ROOMS, "k", group("one")).send().await.expect(201);
    assert_eq!((rooms(&site).await, again.header("idempotency-replayed")), (1, "true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_shown_once_is_shown_again_to_its_owner_and_kept_sealed() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let body = json!({ "url": "https://1.1.1.1/hook" });
    let made = call(&site, &alice, WEBHOOKS, "k", body.clone()).send().await.expect(201);
    same(&call(&site, &alice, WEBHOOKS, "k", body).send().await, &made);
    let stored = site.rows("SELECT encode(answer, 'escape') AS answer FROM idempotency_keys").await;
    assert!(!stored[0]["answer"].as_str().expect("bytes").contains("secret"), "a stolen table gives no keys");
    assert_eq!(site.rows("SELECT webhook_id FROM webhooks").await.len(), 1);
}
