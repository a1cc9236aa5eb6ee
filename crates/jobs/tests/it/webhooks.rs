//! Members' own servers, told over HTTP: signed, tried again, in order, and never by way of an address inside (reliability F9, C8).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use db::webhooks::deliveries;
use domain::event::Event;
use domain::webhook::Happening;
use domain::{DeliveryId, StreamId, UserId, WebhookId};
use hmac::{Hmac, Mac};
use kit::Config;
use kit::seal::Sealer;
use kit::webhook_key::{SEAL_PURPOSE, WebhookKey};
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{OPEN_JOBS, Site, online};

const DELIVERED: &str = "SELECT count(*)::bigint AS n FROM webhook_deliveries WHERE state = 'delivered'";
const DELIVERIES: &str = "SELECT count(*)::bigint AS n FROM webhook_deliveries";
const LONG: Duration = Duration::from_secs(25);

/// A request as it came.
#[derive(Debug, Clone)]
struct Heard {
    place: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Heard {
    fn text(&self, header: &str) -> &str {
        self.headers[header].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// What a place of the receiver answers: status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, String);

/// A member's server.
#[derive(Clone)]
struct Receiver {
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    /// Requests to `/slow/…` wait for one of these.
    permits: Arc<Semaphore>,
}

async fn take(
    State(receiver): State<Receiver>,
    Path(place): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    receiver.heard.lock().unwrap().push(Heard { place: place.clone(), headers, body });
    if place.starts_with("slow") {
        receiver.permits.acquire().await.unwrap().forget();
    }
    let answer = receiver.answers.lock().unwrap().get(&place).cloned();
    let (status, headers, body) = answer.unwrap_or((204, Vec::new(), String::new()));
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl Receiver {
    async fn start() -> (Self, SocketAddr, JoinSet<()>) {
        let receiver = Self { heard: Arc::default(), answers: Arc::default(), permits: Arc::new(Semaphore::new(0)) };
        let app = Router::new().route("/{*place}", post(take)).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        (receiver, addr, tasks)
    }

    fn answers(&self, place: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.lock().unwrap().insert(place.to_owned(), (status, headers, body.to_owned()));
    }

    fn heard(&self, place: &str) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| heard.place == place).cloned().collect()
    }

    async fn until_heard(&self, place: &str, count: usize) -> Vec<Heard> {
        let reached = tokio::time::timeout(LONG, async {
            while self.heard(place).len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        reached.await.unwrap_or_else(|_| panic!("{place} heard {} of {count}", self.heard(place).len()));
        self.heard(place)
    }
}

fn home(config: &mut Config) {
    config.outward.allow = vec!["127.0.0.0/8".to_owned()];
    config.http.public_url = "https://tv.example/".to_owned();
}

/// An endpoint with its key, as its member wrote it down.
async fn endpoint(site: &Site, owner: UserId, url: &str, events: &[Happening]) -> (WebhookId, String) {
    let id = WebhookId::from_uuid(kit::ids::uuid());
    let key = WebhookKey::random();
    let secret = seal(site, id, key.expose());
    let new = db::webhooks::NewWebhook { id, url, description: "", events, is_enabled: true, secret: &secret };
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    assert!(db::webhooks::add(&mut tx, owner, new).await.unwrap());
    db::commit(tx).await.unwrap();
    (id, key.expose().to_owned())
}

fn seal(site: &Site, id: WebhookId, key: &str) -> Vec<u8> {
    Sealer::new(&site.deps.config.auth.secret, SEAL_PURPOSE).seal(key.as_bytes(), id.as_uuid().as_bytes())
}

/// The signature, made as the standard's page says and without our own code.
fn signature(key: &str, heard: &Heard) -> String {
    let bytes = STANDARD.decode(key.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&bytes).unwrap();
    for part in [heard.text("webhook-id").as_bytes(), b".", heard.text("webhook-timestamp").as_bytes(), b"."] {
        mac.update(part);
    }
    mac.update(&heard.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

async fn row(site: &Site, columns: &str, table: &str) -> Value {
    let rows = db::testing::rows(&site.deps.pool, &format!("SELECT {columns} FROM {table}")).await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

/// Puts what rests or waits for another time to now, as if that time had come, and has it looked at.
async fn pass_time(site: &Site, webhook: WebhookId) {
    site.execute(
        "UPDATE webhooks SET rests_until = NULL; UPDATE webhook_deliveries SET next_at = now() WHERE state = 'waiting'",
    )
    .await;
    site.tell(&Event::WebhookDue { webhook_id: webhook }).await;
}

fn offline(stream_id: StreamId, channel_id: UserId, name: &str) -> Event {
    let username = domain::user::Username::parse(name).unwrap();
    Event::StreamOffline { stream_id, channel_id, username }
}

#[tokio::test]
async fn a_message_is_signed_says_what_happened_and_comes_once() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    let (_, all) = endpoint(&site, alice, &format!("http://{addr}/all"), &[]).await;
    endpoint(&site, alice, &format!("http://{addr}/vods"), &[Happening::VodReady]).await;
    endpoint(&site, bob, &format!("http://{addr}/bob"), &[]).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.tell(&Event::Followed { channel_id: alice, follower_id: bob }).await;
    let (_running, _stop) = site.run();
    let heard = receiver.until_heard("all", 2).await;
    site.until(OPEN_JOBS, 0, LONG).await;

    let first = &heard[0];
    assert_eq!(first.text("webhook-signature"), signature(&all, first));
    assert_eq!((first.text("content-type"), first.kind().as_str()), ("application/json", "stream.online"));
    assert!(first.text("user-agent").starts_with("Rillcast/"));
    let sent_at: u64 = first.text("webhook-timestamp").parse().unwrap();
    assert!(kit::clock::unix_seconds().abs_diff(sent_at) < 60);
    let body = first.json();
    let mut fields: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["data", "timestamp", "type"]);
    chrono::DateTime::parse_from_rfc3339(body["timestamp"].as_str().unwrap()).unwrap();
    let data = &body["data"];
    assert_eq!((&data["sequence"], &data["stream"]["id"]), (&1.into(), &stream.to_string().into()));
    assert_eq!((&data["stream"]["title"], &data["stream"]["status"]), (&"Hello".into(), &"live".into()));
    assert_eq!(data["channel"]["url"], "https://tv.example/c/alice");
    let second = heard[1].json();
    assert_eq!((&second["type"], &second["data"]["sequence"]), (&"channel.followed".into(), &2.into()));
    assert_eq!(second["data"]["follower"]["username"], "bob");

    assert!(receiver.heard("vods").is_empty() && receiver.heard("bob").is_empty(), "neither asked nor theirs");
    // The same event, moved once more, is no other message.
    site.execute("UPDATE outbox SET dispatched_at = NULL").await;
    site.until("SELECT count(*)::bigint AS n FROM outbox WHERE dispatched_at IS NULL", 0, LONG).await;
    site.until(OPEN_JOBS, 0, LONG).await;
    assert_eq!((site.number(DELIVERIES).await, receiver.heard("all").len()), (2, 2));
}

#[tokio::test]
async fn for_a_day_after_a_rotation_both_keys_sign() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    let (id, old) = endpoint(&site, alice, &format!("http://{addr}/x"), &[]).await;
    let fresh = WebhookKey::random().expose().to_owned();
    let mut conn = site.deps.pool.acquire().await.unwrap();
    db::webhooks::rotate(&mut conn, alice, id, &seal(&site, id, &fresh)).await.unwrap().unwrap();
    drop(conn);
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    let first = receiver.until_heard("x", 1).await.remove(0);
    let both = format!("{} {}", signature(&fresh, &first), signature(&old, &first));
    assert_eq!(first.text("webhook-signature"), both);
    site.until(DELIVERED, 1, LONG).await;

    site.execute("UPDATE webhooks SET old_secret_until = now() - interval '1 second'").await;
    site.tell(&offline(stream, alice, "alice")).await;
    let second = receiver.until_heard("x", 2).await.remove(1);
    assert_eq!(second.text("webhook-signature"), signature(&fresh, &second));
}

#[tokio::test]
async fn what_a_server_refuses_is_tried_again_under_the_same_id_and_in_order() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    let (id, key) = endpoint(&site, alice, &format!("http://{addr}/x"), &[]).await;
    let long = format!("no\u{0}{}", "é".repeat(2_000));
    receiver.answers("x", 503, &[], &long);
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.tell(&offline(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    let refused = receiver.until_heard("x", 1).await.remove(0);
    let first = "webhook_deliveries WHERE type = 'stream.online'";
    site.until(&format!("SELECT attempts::bigint AS n FROM {first}"), 1, LONG).await;
    let line =
        row(&site, "state, status, fault, answer, next_at > now() + interval '2 seconds' AS is_later", first).await;
    assert_eq!((&line["state"], &line["status"], &line["fault"]), (&"waiting".into(), &503.into(), &"status".into()));
    let answer = line["answer"].as_str().unwrap();
    assert!(line["is_later"] == true && answer.starts_with("no\u{fffd}éé") && answer.chars().count() < 1_000);

    // By itself, after five seconds.
    receiver.answers("x", 200, &[], "");
    let heard = receiver.until_heard("x", 3).await;
    let kinds: Vec<_> = heard.iter().map(Heard::kind).collect();
    assert_eq!(
        kinds,
        ["stream.online", "stream.online", "stream.offline"],
        "nothing of a stream comes before what was earlier"
    );
    assert_eq!((heard[1].text("webhook-id"), &heard[1].body), (refused.text("webhook-id"), &refused.body));
    assert_ne!(heard[2].text("webhook-id"), refused.text("webhook-id"));
    assert_eq!(heard[1].text("webhook-signature"), signature(&key, &heard[1]));
    let waited = |heard: &Heard| heard.text("webhook-timestamp").parse::<u64>().unwrap();
    assert!(waited(&heard[1]) - waited(&refused) >= 4, "the timestamp is the attempt's");
    site.until(DELIVERED, 2, LONG).await;
    let done = row(&site, "failures, failing_since, rests_until", &format!("webhooks WHERE webhook_id = '{id}'")).await;
    assert_eq!(done, serde_json::json!({"failures": 0, "failing_since": null, "rests_until": null}));
}

#[tokio::test]
async fn a_server_says_when_to_come_again_and_where_not_to_go() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    endpoint(&site, alice, &format!("http://{addr}/busy"), &[]).await;
    endpoint(&site, alice, &format!("http://{addr}/elsewhere"), &[]).await;
    receiver.answers("busy", 429, &[("retry-after", "1200")], "");
    receiver.answers("elsewhere", 307, &[("location", &format!("http://{addr}/inside"))], "");
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM webhook_deliveries WHERE attempts = 1", 2, LONG).await;
    let of = |place: &str| format!("webhook_deliveries JOIN webhooks USING (webhook_id) WHERE url LIKE '%/{place}'");
    let wait = "extract(epoch FROM next_at - now())::int AS wait, extract(epoch FROM rests_until - now())::int AS rest";
    let busy = row(&site, wait, &of("busy")).await;
    for field in ["wait", "rest"] {
        let seconds = busy[field].as_i64().unwrap();
        assert!((1_170..=1_200).contains(&seconds), "{field} {seconds}");
    }
    let sent_on = row(&site, "fault, status", &of("elsewhere")).await;
    assert_eq!(sent_on, serde_json::json!({"fault": "redirected", "status": 307}));
    assert!(receiver.heard("inside").is_empty());
}

#[tokio::test]
async fn a_server_that_is_gone_or_fails_for_days_is_told_no_more_and_its_member_hears() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    let (gone, _) = endpoint(&site, alice, &format!("http://{addr}/gone"), &[]).await;
    receiver.answers("gone", 410, &[], "");
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.tell(&offline(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    let told = "SELECT count(*)::bigint AS n FROM notifications WHERE type = 'webhook_disabled'";
    site.until(told, 1, LONG).await;
    let state = row(&site, "is_enabled, disabled_because", &format!("webhooks WHERE webhook_id = '{gone}'")).await;
    assert_eq!(state, serde_json::json!({"is_enabled": false, "disabled_because": "gone"}));
    let states = "SELECT count(*)::bigint AS n FROM webhook_deliveries WHERE state = 'failed'";
    assert_eq!((site.number(states).await, receiver.heard("gone").len()), (2, 1), "what waited was not sent");
    site.tell(&Event::Followed { channel_id: alice, follower_id: site.channel("bob").await }).await;
    site.until("SELECT count(*)::bigint AS n FROM notifications WHERE type = 'new_follower'", 1, LONG).await;
    assert_eq!(site.number(DELIVERIES).await, 2, "nothing is written for it any more");

    let (failing, _) = endpoint(&site, alice, &format!("http://{addr}/failing"), &[]).await;
    receiver.answers("failing", 500, &[], "");
    site.tell(&online(stream, alice, "alice")).await;
    receiver.until_heard("failing", 1).await;
    let failures = format!("SELECT failures::bigint AS n FROM webhooks WHERE webhook_id = '{failing}'");
    site.until(&failures, 1, LONG).await;
    site.execute("UPDATE webhooks SET failing_since = now() - interval '73 hours' WHERE failures > 0").await;
    pass_time(&site, failing).await;
    site.until(told, 2, LONG).await;
    let state = row(&site, "disabled_because", &format!("webhooks WHERE webhook_id = '{failing}'")).await;
    assert_eq!(state["disabled_because"], "failing");
}

#[tokio::test]
async fn nothing_is_sent_to_the_servers_own_network() {
    // Nothing is allowed here. These addresses were good when they were given, or came by another way.
    let site = Site::start(|_| {}).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    let port = addr.port();
    let inside = [
        format!("http://{addr}/x"),
        format!("https://localhost:{port}/x"),
        format!("https://[::ffff:127.0.0.1]:{port}/x"),
        format!("https://0x7f.1:{port}/x"),
        "http://169.254.169.254/latest".to_owned(),
    ];
    for url in &inside {
        endpoint(&site, alice, url, &[]).await;
    }
    endpoint(&site, alice, "https://no-such-name.invalid/x", &[]).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    let refused = "SELECT count(*)::bigint AS n FROM webhook_deliveries WHERE fault = 'refused' AND status IS NULL";
    site.until(refused, 5, LONG).await;
    site.until("SELECT count(*)::bigint AS n FROM webhook_deliveries WHERE fault = 'unknown_host'", 1, LONG).await;
    assert!(receiver.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_slow_server_holds_up_nobody_else_and_is_asked_one_at_a_time() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    endpoint(&site, alice, &format!("http://{addr}/slow"), &[]).await;
    endpoint(&site, bob, &format!("http://{addr}/quick"), &[]).await;
    let (_running, _stop) = site.run();
    // Neither about a stream nor about each other: only the endpoint holds them up.
    for name in ["carol", "dave", "erin"] {
        let fan = site.channel(name).await;
        site.tell(&Event::Followed { channel_id: alice, follower_id: fan }).await;
        site.tell(&Event::Followed { channel_id: bob, follower_id: fan }).await;
    }
    receiver.until_heard("slow", 1).await;
    receiver.until_heard("quick", 3).await;
    // Notifications go their own way too.
    site.until("SELECT count(*)::bigint AS n FROM notifications WHERE type = 'new_follower'", 6, LONG).await;
    assert_eq!(receiver.heard("slow").len(), 1, "the second waits for the first");
    receiver.permits.add_permits(3);
    receiver.until_heard("slow", 3).await;
    site.until(DELIVERED, 6, LONG).await;
    let order: Vec<_> = receiver.heard("slow").iter().map(|heard| heard.json()["data"]["sequence"].clone()).collect();
    assert_eq!(order, [1, 2, 3]);
}

#[tokio::test]
async fn a_worker_killed_while_it_sends_loses_nothing() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    endpoint(&site, alice, &format!("http://{addr}/slow"), &[]).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.tell(&offline(stream, alice, "alice")).await;
    let (running, _stop) = site.run();
    receiver.until_heard("slow", 1).await;
    drop(running);
    assert_eq!(site.number(DELIVERED).await, 0, "the kill came after the end");

    receiver.permits.add_permits(10);
    let (_running, _stop) = site.run();
    site.until(DELIVERED, 2, Duration::from_secs(30)).await;
    let heard = receiver.heard("slow");
    let kinds: Vec<_> = heard.iter().map(Heard::kind).collect();
    assert_eq!(kinds, ["stream.online", "stream.online", "stream.offline"]);
    assert_eq!(heard[0].text("webhook-id"), heard[1].text("webhook-id"), "the receiver can tell");
}

#[tokio::test]
async fn a_message_is_sent_again_by_hand_and_a_lost_job_is_found() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    let (id, _) = endpoint(&site, alice, &format!("http://{addr}/x"), &[]).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    site.until(DELIVERED, 1, LONG).await;
    let delivery = row(&site, "delivery_id", "webhook_deliveries").await;
    let delivery = DeliveryId::from_uuid(delivery["delivery_id"].as_str().unwrap().parse().unwrap());
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    deliveries::lock(&mut tx, alice, id).await.unwrap().unwrap();
    assert!(deliveries::replay(&mut tx, id, delivery).await.unwrap());
    db::commit(tx).await.unwrap();
    let heard = receiver.until_heard("x", 2).await;
    assert_eq!(heard[0].text("webhook-id"), heard[1].text("webhook-id"));
    site.until(DELIVERED, 1, LONG).await;
    site.until(OPEN_JOBS, 0, LONG).await;

    // Due for minutes, and no job knows.
    site.execute("UPDATE webhook_deliveries SET state = 'waiting', next_at = now() - interval '3 minutes'").await;
    let mut conn = site.deps.pool.acquire().await.unwrap();
    assert_eq!(db::webhooks::turns::forgotten(&mut conn, 60.0, 10).await.unwrap(), [id]);
    site.execute("UPDATE webhooks SET rests_until = now()").await;
    assert!(db::webhooks::turns::forgotten(&mut conn, 60.0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_waits_and_what_is_kept_is_bounded() {
    let site = Site::start(home).await;
    let alice = site.channel("alice").await;
    let (id, _) = endpoint(&site, alice, "https://1.1.1.1/never-asked", &[]).await;
    let fill = |count: u32, state: &str, next_at: &str, days: u32| {
        format!(
            "INSERT INTO webhook_deliveries (delivery_id, webhook_id, event_id, type, sequence, body, state, next_at, created_at)
             SELECT gen_random_uuid(), '{id}', gen_random_uuid(), 'ping', i, '{{}}', '{state}', {next_at}, now() - interval '{days} days'
               FROM generate_series(1, {count}) i"
        )
    };
    site.execute(&fill(1_000, "waiting", "now() + interval '1 day'", 0)).await;
    site.execute("UPDATE webhooks SET sequence = 1000").await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let (running, _stop) = site.run();
    site.until(
        "SELECT count(*)::bigint AS n FROM webhooks WHERE overflowed_at IS NOT NULL AND sequence = 1001",
        1,
        LONG,
    )
    .await;
    assert_eq!(site.number(DELIVERIES).await, 1_000, "the number is used up, so that the gap is seen");
    drop(running);

    site.execute("DELETE FROM webhook_deliveries").await;
    for statement in
        [fill(5, "failed", "NULL", 31), fill(1_003, "delivered", "NULL", 1), fill(2, "waiting", "now()", 40)]
    {
        site.execute(&statement).await;
    }
    let mut conn = site.deps.pool.acquire().await.unwrap();
    assert_eq!(deliveries::prune(&mut conn).await.unwrap(), 8);
    assert_eq!(site.number(DELIVERIES).await, 1_002);
}

#[tokio::test]
async fn an_event_waits_for_an_earlier_one_of_its_channel_in_another_relays_hands() {
    let site = Site::start(home).await;
    let (receiver, addr, _tasks) = Receiver::start().await;
    let alice = site.channel("alice").await;
    endpoint(&site, alice, &format!("http://{addr}/x"), &[]).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let mut other = db::begin(&site.deps.pool).await.unwrap();
    assert_eq!(db::outbox::take(&mut other, 1).await.unwrap().len(), 1);
    site.tell(&offline(stream, alice, "alice")).await;
    // Of another channel, and behind it: that it was moved shows that ours was looked at.
    site.tell(&Event::Followed { channel_id: site.channel("bob").await, follower_id: alice }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM outbox WHERE dispatched_at IS NOT NULL", 1, LONG).await;
    assert_eq!(site.number(DELIVERIES).await, 0);
    drop(other);
    let kinds: Vec<_> = receiver.until_heard("x", 2).await.iter().map(Heard::kind).collect();
    assert_eq!(kinds, ["stream.online", "stream.offline"]);
}
