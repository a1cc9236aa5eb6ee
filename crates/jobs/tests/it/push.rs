//! Web push against a push service of our own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use domain::UserId;
use domain::event::Event;
use tokio::task::JoinSet;

use crate::{Site, online};

const OWED: &str = "SELECT count(*)::bigint AS n FROM push_deliveries";
const DEVICES: &str = "SELECT count(*)::bigint AS n FROM push_subscriptions";
/// The receiver's key of RFC 8291, appendix A, in hex. What is sealed for such a key is read in `kit::vapid`'s own tests.
const PUBLIC_KEY: &str = "042571b2becdfde360551aaf1ed0f4cd366c11cebe555f89bcb7b186a53339173168ece2ebe018597bd30479b86e3c8f8eced577ca59187e9246990db682008b0e";

/// A push service: what came, in order, and what it answers from now on.
#[derive(Clone, Default)]
pub struct Service {
    taken: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    status: Arc<Mutex<Option<u16>>>,
}

impl Service {
    pub async fn start(&self) -> (SocketAddr, JoinSet<()>) {
        let take = |State(service): State<Self>, Path(name): Path<String>, headers: HeaderMap, body: Bytes| async move {
            let status = service.status.lock().unwrap().unwrap_or(201);
            service.taken.lock().unwrap().push((name, headers, body));
            StatusCode::from_u16(status).unwrap()
        };
        let app = Router::new().route("/{name}", post(take)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        (addr, tasks)
    }

    fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = Some(status);
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.taken.lock().unwrap().iter().map(|(name, ..)| name.clone()).collect();
        names.sort();
        names
    }
}

pub async fn subscribe(site: &Site, user: UserId, endpoint: &str) {
    site.execute(&format!(
        "INSERT INTO push_subscriptions (subscription_id, user_id, endpoint, public_key, auth, label)
         VALUES (gen_random_uuid(), '{user}', '{endpoint}', '\\x{PUBLIC_KEY}', '\\x000102030405060708090a0b0c0d0e0f', 'x')"
    ))
    .await;
}

#[tokio::test]
async fn every_browser_of_every_follower_is_told_once_and_dead_ones_are_forgotten() {
    let site = Site::start(|config| config.outward.allow = vec!["127.0.0.0/8".to_owned()]).await;
    let service = Service::default();
    let (addr, _tasks) = service.start().await;
    let channel = site.channel("alice").await;
    for name in ["bob", "carol"] {
        let follower = site.channel(name).await;
        site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{channel}', '{follower}')"))
            .await;
        for browser in ["desk", "phone"] {
            subscribe(&site, follower, &format!("http://{addr}/{name}-{browser}")).await;
        }
    }
    let stranger = site.channel("mallory").await;
    subscribe(&site, stranger, &format!("http://{addr}/mallory")).await;
    let stream = site.live_stream(channel).await;
    site.tell(&online(stream, channel, "alice")).await;
    site.tell(&online(stream, channel, "alice")).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 3, Duration::from_secs(10)).await;
    assert_eq!(service.names(), ["bob-desk", "bob-phone", "carol-desk", "carol-phone"]);
    assert_eq!(site.number(OWED).await, 0);
    {
        let taken = service.taken.lock().unwrap();
        let (_, headers, body) = &taken[0];
        assert_eq!(
            (&headers["content-encoding"], &headers["urgency"]),
            (&"aes128gcm".parse().unwrap(), &"high".parse().unwrap())
        );
        assert_eq!(headers["topic"].len(), 22, "RFC 8030 5.4 allows 32");
        assert!(headers["authorization"].to_str().unwrap().starts_with("vapid t="));
        assert!(headers["ttl"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        assert!(body.len() > 86 && body.len() <= 4_096);
        assert!(!body.windows(5).any(|window| window == b"alice"), "the push service learns nothing");
    }

    // Gone, as push services say of browsers whose owners took the permission back.
    service.answers(410);
    let bob = db::testing::rows(&site.deps.pool, "SELECT user_id FROM users WHERE username = 'bob'").await.unwrap();
    let bob = UserId::from_uuid(bob[0]["user_id"].as_str().unwrap().parse().unwrap());
    site.tell(&Event::Followed { channel_id: bob, follower_id: channel }).await;
    site.until(DEVICES, 3, Duration::from_secs(10)).await;
    assert_eq!(site.number(OWED).await, 0);
}

#[tokio::test]
async fn what_a_busy_service_did_not_take_stays_owed_and_is_sent_later() {
    let site = Site::start(|config| config.outward.allow = vec!["127.0.0.0/8".to_owned()]).await;
    let service = Service::default();
    let (addr, _tasks) = service.start().await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    subscribe(&site, alice, &format!("http://{addr}/alice")).await;
    service.answers(503);
    site.tell(&Event::Followed { channel_id: alice, follower_id: bob }).await;
    let (_running, _stop) = site.run();
    site.until(
        "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE attempts >= 1 AND status = 'Failed'",
        1,
        Duration::from_secs(20),
    )
    .await;
    assert_eq!((site.number(OWED).await, site.number(DEVICES).await), (1, 1), "owed, and not forgotten");
    service.answers(201);
    // A minute and a half later.
    site.execute("UPDATE push_deliveries SET claimed_at = claimed_at - interval '2 minutes'").await;
    site.until(OWED, 0, Duration::from_secs(30)).await;
    assert_eq!(service.names(), ["alice", "alice"], "once refused, once taken");
}

#[tokio::test]
async fn no_push_goes_to_the_servers_own_network_or_about_what_is_over() {
    // Nothing is allowed here: the service on loopback is what a stranger's subscription points at.
    let site = Site::start(|_| {}).await;
    let service = Service::default();
    let (addr, _tasks) = service.start().await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    subscribe(&site, alice, &format!("http://{addr}/inside")).await;
    subscribe(&site, alice, &format!("https://localhost:{}/inside", addr.port())).await;
    site.tell(&Event::Followed { channel_id: alice, follower_id: bob }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 2, Duration::from_secs(10)).await;
    assert_eq!((site.number(OWED).await, site.number(DEVICES).await), (0, 0));

    // A stream that ended before its turn came.
    subscribe(&site, bob, "https://1.1.1.1/never-asked").await;
    site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{alice}', '{bob}')")).await;
    let stream = site.live_stream(alice).await;
    site.execute("UPDATE streams SET status = 'ended', ended_at = now()").await;
    site.tell(&online(stream, alice, "alice")).await;
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 4, Duration::from_secs(10)).await;
    assert_eq!((site.number(OWED).await, site.number(DEVICES).await), (0, 1));
    assert_eq!(service.names(), Vec::<String>::new());
}
