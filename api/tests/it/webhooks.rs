//! Members' webhooks: whose they are, how many, which addresses are taken (reliability F9), and keys that are shown once.

use serde_json::{Value, json};

use crate::harness::{Answer, Member, Setup, Site, names};

const WEBHOOKS: &str = "/api/v1/me/webhooks";
const GOOD: &str = "https://1.1.1.1/hook";

async fn add(site: &Site, who: &Member, url: &str) -> Answer {
    site.post(WEBHOOKS).bearer(&who.token).json(json!({ "url": url })).send().await
}

async fn added(site: &Site, who: &Member) -> String {
    let answer = add(site, who, GOOD).await.expect(201);
    answer.json["webhook"]["id"].as_str().expect("an id").to_owned()
}

async fn list(site: &Site, who: &Member) -> Answer {
    site.get(WEBHOOKS).bearer(&who.token).send().await.expect(200)
}

async fn change(site: &Site, who: &Member, id: &str, body: Value) -> Answer {
    site.call("PATCH", &format!("{WEBHOOKS}/{id}")).bearer(&who.token).json(body).send().await
}

async fn press(site: &Site, who: &Member, path: &str) -> Answer {
    site.post(&format!("{WEBHOOKS}/{path}")).bearer(&who.token).send().await
}

async fn due(site: &Site) -> usize {
    site.rows("SELECT 1 AS one FROM outbox WHERE kind = 'webhook_due'").await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_kept_sealed() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let body = json!({"url": GOOD, "description": "  my bot ", "events": ["vod.ready", "stream.online", "vod.ready"]});
    let made = site.post(WEBHOOKS).bearer(&alice.token).json(body).send().await.expect(201);
    let secret = made.json["secret"].as_str().expect("a key").to_owned();
    assert!(kit::webhook_key::WebhookKey::parse(&kit::Secret::new(&*secret)).is_some());
    let webhook = &made.json["webhook"];
    assert_eq!(webhook["description"], "my bot");
    assert_eq!(webhook["events"], json!(["stream.online", "vod.ready"]));
    assert_eq!((&webhook["is_enabled"], &webhook["waiting_count"]), (&json!(true), &json!(0)));
    let id = webhook["id"].as_str().expect("an id");
    let one = site.get(&format!("{WEBHOOKS}/{id}")).bearer(&alice.token).send().await.expect(200);
    for answer in [list(&site, &alice).await, one] {
        assert!(!answer.text().contains("whsec_") && !answer.text().contains("\"secret\""), "{}", answer.text());
    }
    let stored = site.rows("SELECT encode(secret, 'escape') AS secret FROM webhooks").await;
    assert!(!stored[0]["secret"].as_str().expect("bytes").contains("whsec_"), "a stolen table gives no keys");

    let fresh = press(&site, &alice, &format!("{id}/secret/rotate")).await.expect(200);
    assert_ne!(fresh.json["secret"], *secret);
    let hours =
        site.rows("SELECT round(extract(epoch FROM old_secret_until - now()) / 3600)::int AS n FROM webhooks").await;
    assert_eq!(hours, [json!({"n": 24})]);
    assert_eq!(list(&site, &alice).await.json["items"][0]["old_secret_until"], fresh.json["old_secret_until"]);
    site.sql("UPDATE webhooks SET old_secret_until = now() - interval '1 second'").await;
    assert_eq!(list(&site, &alice).await.json["items"][0]["old_secret_until"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_and_its_log_are_its_members_alone() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let staff = site.register_as("dana", "admin").await;
    let id = added(&site, &alice).await;
    let ping = press(&site, &alice, &format!("{id}/ping")).await.expect(202);
    let delivery = ping.json["id"].as_str().expect("an id").to_owned();
    let waits = due(&site).await;
    for stranger in [&bob, &staff] {
        let token = &stranger.token;
        assert_eq!(list(&site, stranger).await.json["items"], json!([]));
        for path in [id.clone(), format!("{id}/deliveries"), format!("{id}/deliveries/{delivery}")] {
            let code = if path.ends_with(&delivery) { "webhook.no-delivery" } else { "webhook.not-found" };
            site.get(&format!("{WEBHOOKS}/{path}")).bearer(token).send().await.refused(404, code);
        }
        for path in [format!("{id}/ping"), format!("{id}/secret/rotate"), format!("{id}/deliveries/{delivery}/replay")]
        {
            press(&site, stranger, &path).await.refused(404, "webhook.not-found");
        }
        change(&site, stranger, &id, json!({"is_enabled": false})).await.refused(404, "webhook.not-found");
        site.call("DELETE", &format!("{WEBHOOKS}/{id}")).bearer(token).send().await.refused(404, "webhook.not-found");
    }
    // Another's message by way of one's own webhook.
    let own = added(&site, &bob).await;
    let path = format!("{own}/deliveries/{delivery}");
    site.get(&format!("{WEBHOOKS}/{path}")).bearer(&bob.token).send().await.refused(404, "webhook.no-delivery");
    press(&site, &bob, &format!("{path}/replay")).await.refused(404, "webhook.no-delivery");
    assert_eq!(due(&site).await, waits, "nothing was sent for a stranger");
    site.get(WEBHOOKS).send().await.refused(401, "auth.required");
    for odd in ["not-an-id", "00000000-0000-0000-0000-000000000000"] {
        site.get(&format!("{WEBHOOKS}/{odd}")).bearer(&alice.token).send().await.expect(404);
    }
    site.call("DELETE", &format!("{WEBHOOKS}/{id}")).bearer(&alice.token).send().await.expect(204);
    assert_eq!(list(&site, &alice).await.json["items"], json!([]));
    assert_eq!(site.rows("SELECT 1 AS one FROM webhook_deliveries").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_ten_at_most_however_fast_they_ask() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let answers = futures::future::join_all((0..14).map(|_| add(&site, &alice, GOOD))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (10, 4));
    for answer in refused {
        answer.refused(409, "webhook.too-many");
    }
    added(&site, &bob).await;
    for _ in 0..46 {
        add(&site, &alice, GOOD).await.refused(409, "webhook.too-many");
    }
    let throttled = add(&site, &alice, GOOD).await.refused(429, "webhook.throttled");
    assert!(throttled.header("retry-after").parse::<u64>().expect("seconds") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_addresses_of_the_public_internet_are_taken() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let id = added(&site, &alice).await;
    for url in [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://0x7f.1/x",
        "https://2130706433/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::127.0.0.1]/x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/x",
        "https://no-such-name.invalid/x",
        "http://1.1.1.1/x",
        "ftp://1.1.1.1/x",
        "file:///etc/passwd",
        "https://a:b@1.1.1.1/x",
        "https://1.1.1.1/\u{0}",
        "https://1.1.1.1/ x",
        "/relative",
        "",
    ] {
        let refused = change(&site, &alice, &id, json!({ "url": url })).await.refused(422, "request.invalid");
        assert_eq!(refused.json["errors"][0]["field"], "url");
        assert_eq!(add(&site, &alice, url).await.refused(422, "request.invalid").json["errors"][0]["field"], "url");
    }
    let site = Site::start().await;
    let bob = site.register("bob").await;
    add(&site, &bob, &format!("https://1.1.1.1/{}", "x".repeat(1_024))).await.refused(422, "request.invalid");
    for (body, code) in [
        (json!({"url": GOOD, "description": "x".repeat(201)}), "request.invalid"),
        (json!({"url": GOOD, "events": ["stream.nothing"]}), "request.malformed"),
        (json!({"url": GOOD, "secret": "mine"}), "request.malformed"),
        (json!({}), "request.malformed"),
    ] {
        site.post(WEBHOOKS).bearer(&bob.token).json(body).send().await.refused(422, code);
    }
    assert_eq!(list(&site, &bob).await.json["items"], json!([]));

    let mut setup = Setup::new();
    setup.config.outward.allow = vec!["127.0.0.0/8".to_owned()];
    let home = setup.start().await;
    let carol = home.register("carol").await;
    add(&home, &carol, "http://127.0.0.1:9/x").await.expect(201);
    add(&home, &carol, "http://1.1.1.1/x").await.refused(422, "request.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_listed_shown_and_sent_again() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let id = added(&site, &alice).await;
    for n in 1..=3 {
        let ping = press(&site, &alice, &format!("{id}/ping")).await.expect(202);
        assert_eq!((&ping.json["type"], &ping.json["state"]), (&json!("ping"), &json!("waiting")));
        assert_eq!(ping.json["sequence"], n);
    }
    assert_eq!((due(&site).await, &list(&site, &alice).await.json["items"][0]["waiting_count"]), (3, &json!(3)));
    let log = |query: &str| site.get(&format!("{WEBHOOKS}/{id}/deliveries{query}")).bearer(&alice.token).send();
    let first = log("?limit=2").await.expect(200);
    let cursor = first.json["next_cursor"].as_str().expect("there is more").to_owned();
    let second = log(&format!("?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((names(&first, "type").len(), names(&second, "type").len()), (2, 1));
    assert_eq!(first.json["items"][0]["sequence"], 3, "the latest first");
    assert_eq!(second.json["next_cursor"], Value::Null);
    log("?limit=0").await.refused(422, "request.invalid");
    log("?state=odd").await.refused(422, "request.invalid");

    let one = second.json["items"][0]["id"].as_str().expect("an id").to_owned();
    site.sql(&format!(
        "UPDATE webhook_deliveries SET state = 'failed', next_at = NULL, attempts = 10, status = 500, fault = 'status', \
         latency_ms = 12, answer = 'oh', attempted_at = now() WHERE delivery_id = '{one}'"
    ))
    .await;
    assert_eq!(names(&log("?state=failed").await.expect(200), "fault"), ["status"]);
    let path = format!("{id}/deliveries/{one}");
    let shown = site.get(&format!("{WEBHOOKS}/{path}")).bearer(&alice.token).send().await.expect(200);
    assert_eq!(shown.json["answer"], "oh");
    let body: Value = serde_json::from_str(shown.json["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!((&body["type"], &body["data"]), (&json!("ping"), &json!({"sequence": 1})));
    let again = press(&site, &alice, &format!("{path}/replay")).await.expect(202);
    assert_eq!((&again.json["state"], &again.json["attempts"]), (&json!("waiting"), &json!(0)));
    assert_eq!(due(&site).await, 4);

    for _ in 0..26 {
        press(&site, &alice, &format!("{id}/ping")).await.expect(202);
    }
    press(&site, &alice, &format!("{id}/ping")).await.refused(429, "webhook.throttled");
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_nothing_waits_and_switched_on_it_begins_anew() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let id = added(&site, &alice).await;
    let ping = press(&site, &alice, &format!("{id}/ping")).await.expect(202);
    let delivery = ping.json["id"].as_str().expect("an id").to_owned();
    change(&site, &alice, &id, json!({"is_enabled": false})).await.expect(200);
    assert_eq!(
        site.rows("SELECT state, fault FROM webhook_deliveries").await,
        [json!({"state": "failed", "fault": "switched_off"})]
    );
    press(&site, &alice, &format!("{id}/ping")).await.refused(409, "webhook.disabled");
    press(&site, &alice, &format!("{id}/deliveries/{delivery}/replay")).await.refused(409, "webhook.disabled");
    site.sql(
        "UPDATE webhooks SET disabled_because = 'failing', failures = 30, failing_since = now() - interval '3 days'",
    )
    .await;
    let off = list(&site, &alice).await;
    assert_eq!(off.json["items"][0]["disabled_because"], "failing");
    // Another name for it changes nothing else.
    let named = change(&site, &alice, &id, json!({"description": "x"})).await.expect(200);
    assert_eq!((&named.json["disabled_because"], &named.json["is_enabled"]), (&json!("failing"), &json!(false)));
    let on = change(&site, &alice, &id, json!({"is_enabled": true, "events": []})).await.expect(200);
    assert_eq!((&on.json["disabled_because"], &on.json["failing_since"]), (&Value::Null, &Value::Null));
    assert_eq!(site.rows("SELECT failures FROM webhooks").await, [json!({"failures": 0})]);
    press(&site, &alice, &format!("{id}/ping")).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_air_that_changes_leaves_an_event_and_one_that_does_not_leaves_none() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.stream(&alice, "Hello", "live", "recording").await;
    let rename = |title: &str| {
        site.call("PATCH", "/api/v1/me/stream").bearer(&alice.token).json(json!({ "title": title })).send()
    };
    rename("Hello").await.expect(200);
    rename("Another").await.expect(200);
    rename("Another").await.expect(200);
    assert_eq!(
        site.rows("SELECT kind FROM outbox WHERE kind <> 'channel_changed'").await,
        [json!({"kind": "stream_updated"})]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_acts_are_events_only_where_somebody_listens() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let told = || async {
        site.rows("SELECT payload->>'channel_id' AS channel FROM outbox WHERE kind = 'chat_moderated'").await
    };
    let appoint =
        |name: &str| site.call("PUT", &format!("/api/v1/channels/alice/moderators/{name}")).bearer(&alice.token).send();
    appoint("bob").await;
    assert_eq!(told().await, Vec::<Value>::new());
    let id = added(&site, &alice).await;
    change(&site, &alice, &id, json!({"events": ["vod.ready"]})).await.expect(200);
    site.call("DELETE", "/api/v1/channels/alice/moderators/bob").bearer(&alice.token).send().await.expect(204);
    assert_eq!(told().await, Vec::<Value>::new());
    change(&site, &alice, &id, json!({"events": []})).await.expect(200);
    appoint(&bob.username).await;
    assert_eq!(told().await, [json!({"channel": alice.id})]);
}
