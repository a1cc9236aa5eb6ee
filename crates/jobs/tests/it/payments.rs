//! Payments and plans in time: run out, reminded of, over; with a worker that dies at every step, and with clamd itself.

use std::process::Stdio;
use std::time::Duration;

use db::payments::{New, Submission, proofs};
use domain::payment::{Bought, Method, Plan};
use domain::{PaymentId, ProofId, UserId};
use futures::future::join_all;
use kit::failpoint::VARIABLE;
use kit::{Config, Secret};
use objects::NewObject;
use objects::keys::{self, ProofPart};
use serde_json::Value;
use testkit::clamd::{Clamd, eicar};
use testkit::s3::S3Server;
use tokio::process::Command;

use crate::Site;

const WITHIN: Duration = Duration::from_secs(20);
const DIES_WITHIN: Duration = Duration::from_secs(40);

async fn pay(site: &Site, user: UserId, reference: &str) -> PaymentId {
    let new = New {
        id: PaymentId::from_uuid(kit::ids::uuid()),
        user,
        reference,
        bought: Bought { plan: Plan::Plus, days: 30, amount_minor: 49_000 },
        currency: "VND",
        method: Method::BankTransfer,
        ttl_s: 3_600,
    };
    assert!(db::payments::begin(&mut site.deps.pool.acquire().await.unwrap(), &new).await.unwrap());
    new.id
}

async fn subscribe(site: &Site, user: UserId, ends: &str, grace: &str) {
    site.execute(&format!(
        "INSERT INTO subscriptions (user_id, plan, since, ends_at, grace_until, days, amount_minor, currency)
         VALUES ('{user}', 'PLUS', now() - interval '60 days', now() + interval '{ends}', now() + interval '{grace}', 30, 49000, 'VND')"
    ))
    .await;
}

async fn notices(site: &Site) -> Vec<(String, String)> {
    let rows =
        db::testing::rows(&site.deps.pool, "SELECT type, detail FROM notifications ORDER BY created_at, type").await;
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.unwrap().iter().map(|row| (word(row, "type"), word(row, "detail"))).collect()
}

const NOTICES: &str = "SELECT count(*)::bigint AS n FROM notifications";
const EXPIRED: &str = "SELECT count(*)::bigint AS n FROM payments WHERE status = 'expired'";
const TOLD: &str = "SELECT count(*)::bigint AS n FROM outbox";
const WRITTEN: &str = "SELECT count(*)::bigint AS n FROM audit_log";

#[tokio::test]
async fn what_is_due_is_done_once_by_many_at_once() {
    let site = Site::start(|_| {}).await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    pay(&site, alice, "RC1").await;
    pay(&site, bob, "RC2").await;
    site.execute("UPDATE payments SET expires_at = now() - interval '1 s' WHERE reference = 'RC1'").await;
    let done = join_all((0..8).map(|_| jobs::payments::expire(&site.deps))).await;
    assert_eq!(done.into_iter().map(Result::unwrap).sum::<usize>(), 1);
    assert_eq!((site.number(EXPIRED).await, site.number(TOLD).await, site.number(WRITTEN).await), (1, 1, 1));

    subscribe(&site, alice, "6 days", "9 days").await;
    subscribe(&site, bob, "20 days", "23 days").await;
    let remind = || async { join_all((0..8).map(|_| jobs::payments::remind(&site.deps))).await };
    remind().await;
    remind().await;
    assert_eq!(site.number(TOLD).await, 2, "one of them, once");
    // Nearer to the end once more, and again after that.
    site.execute("UPDATE subscriptions SET ends_at = ends_at - interval '5 days 12 hours'; UPDATE plan_notices SET ends_at = ends_at - interval '5 days 12 hours'").await;
    remind().await;
    remind().await;
    assert_eq!(site.number(TOLD).await, 3);
    // Who is late for both hears of one.
    site.execute("UPDATE subscriptions SET ends_at = now() + interval '3 hours' WHERE plan = 'PLUS' AND ends_at > now() + interval '10 days'").await;
    remind().await;
    remind().await;
    assert_eq!(site.number(TOLD).await, 4);

    site.execute(
        "UPDATE subscriptions SET ends_at = now() - interval '3 days', grace_until = now() + interval '1 hour'",
    )
    .await;
    assert_eq!(jobs::payments::end(&site.deps).await.unwrap(), 0, "its grace is not over");
    site.execute("UPDATE subscriptions SET grace_until = now()").await;
    let done = join_all((0..8).map(|_| jobs::payments::end(&site.deps))).await;
    assert_eq!(done.into_iter().map(Result::unwrap).sum::<usize>(), 2);
    assert_eq!((site.number(TOLD).await, site.number(WRITTEN).await), (6, 3));
}

#[tokio::test]
async fn whom_it_concerns_is_told_once_and_of_what_holds() {
    let site = Site::start(|_| {}).await;
    let (alice, admin) = (site.channel("alice").await, site.channel("the_admin").await);
    site.execute("UPDATE users SET role = 'admin' WHERE username = 'the_admin'").await;
    let payment = pay(&site, alice, "RC7K3M9QX2").await;
    let proof = ProofId::from_uuid(kit::ids::uuid());
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let new = proofs::New { proof, payment, owner: alice, lock: "lock", mime: "image/png", has_upload: false };
    assert!(proofs::reserve(&mut conn, new).await.unwrap());
    let sent =
        Submission { payment, owner: alice, proof, sha256: &[7; 32], payer: "", amount_minor: None, reference: "" };
    assert!(db::payments::submit(&mut conn, &sent).await.unwrap());
    drop(conn);
    subscribe(&site, alice, "1 day", "4 days").await;
    let (_running, _stop) = site.run();
    site.until(NOTICES, 2, WITHIN).await;
    let ends = (chrono_of(&site).await, "plan_ending".to_owned());
    let mut told = notices(&site).await;
    told.sort();
    assert_eq!(
        told,
        [("payment_submitted".to_owned(), "PLUS, RC7K3M9QX2".to_owned()), (ends.1, format!("PLUS, {}", ends.0))]
    );
    let readers = format!(
        "SELECT count(*)::bigint AS n FROM notifications WHERE type = 'payment_submitted' AND user_id = '{admin}'"
    );
    assert_eq!(site.number(&readers).await, 1);
}

/// The day on which the plan ends.
async fn chrono_of(site: &Site) -> String {
    let rows = db::testing::rows(
        &site.deps.pool,
        "SELECT to_char(ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS d FROM subscriptions",
    );
    rows.await.unwrap()[0]["d"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_proof_is_looked_into_and_goes_when_it_has_to() {
    let s3 = S3Server::start().await.unwrap();
    let mut clamd = Clamd::prepared();
    let site = Site::start(|config| {
        config.storage = s3.config();
        config.scan.clamd = clamd.address();
    })
    .await;
    let alice = site.channel("alice").await;
    let payment = pay(&site, alice, "RC1").await;
    let send = async |body: Vec<u8>| {
        let proof = ProofId::from_uuid(kit::ids::uuid());
        let mut conn = site.deps.pool.acquire().await.unwrap();
        let new = proofs::New { proof, payment, owner: alice, lock: "lock", mime: "image/png", has_upload: true };
        assert!(proofs::reserve(&mut conn, new).await.unwrap());
        for (part, body) in [(ProofPart::Picture, vec![1]), (ProofPart::Upload, body)] {
            let key = keys::proof(proof, "lock", part);
            let object = NewObject { key: &key, body: body.into(), content_type: "x/y", cache_control: "no-store" };
            site.deps.objects.put(object).await.unwrap();
        }
        let sent =
            Submission { payment, owner: alice, proof, sha256: &[7; 32], payer: "", amount_minor: None, reference: "" };
        assert!(db::payments::submit(&mut conn, &sent).await.unwrap());
        proof
    };
    let objects = |proof: ProofId| s3.keys().iter().filter(|key| key.starts_with(&keys::proof_prefix(proof))).count();
    let states = "SELECT count(*)::bigint AS n FROM payment_proofs WHERE state = ";

    let clean = send(b"words".to_vec()).await;
    let (_running, _stop) = site.run();
    // The scanner is away: it waits, and nobody is shown it.
    site.until("SELECT min(tries)::bigint AS n FROM payment_proofs", 1, WITHIN).await;
    assert_eq!(site.number(&format!("{states}'checking'")).await, 1);
    clamd.start_again();
    site.execute("UPDATE payment_proofs SET due_at = now()").await;
    site.until(&format!("{states}'ready' AND due_at IS NULL"), 1, WITHIN).await;
    assert_eq!(objects(clean), 1, "what was sent is gone");

    let bad = send(eicar()).await;
    site.until("SELECT count(*)::bigint AS n FROM payments WHERE status = 'asked_again' AND reason <> ''", 1, WITHIN)
        .await;
    site.until("SELECT count(*)::bigint AS n FROM payment_proofs", 0, WITHIN).await;
    assert_eq!((objects(bad), objects(clean)), (0, 0), "nor is the one before it there any more");
    site.until(NOTICES, 1, WITHIN).await;
    assert_eq!(notices(&site).await[0].0, "payment_asked_again");

    let stray = keys::proof(ProofId::from_uuid(kit::ids::uuid()), "lock", ProofPart::Picture);
    let object = NewObject { key: &stray, body: vec![1].into(), content_type: "x/y", cache_control: "no-store" };
    site.deps.objects.put(object).await.unwrap();
    assert_eq!(jobs::payments::sweep_strays(&site.deps, Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(jobs::payments::sweep_strays(&site.deps, Duration::ZERO).await.unwrap(), 1);
}

/// Where the other half of the test below finds the site.
const URL: &str = "RILLCAST_TEST_PAYMENTS_URL";
const PREFIX: &str = "RILLCAST_TEST_PAYMENTS_PREFIX";

#[tokio::test]
async fn a_worker_that_dies_at_any_step_leaves_nothing_half_done() {
    let sweeps = jobs::payments::ALL.iter().map(|point| async move {
        let site = Site::start(|_| {}).await;
        let (alice, bob, carol) = (site.channel("alice").await, site.channel("bob").await, site.channel("carol").await);
        pay(&site, alice, "RC1").await;
        site.execute("UPDATE payments SET expires_at = now() - interval '1 s'").await;
        subscribe(&site, bob, "6 days", "9 days").await;
        subscribe(&site, carol, "-4 days", "-1 day").await;
        let this = std::env::current_exe().expect("this program");
        let mut child = Command::new(this)
            .args(["--ignored", "--exact", "payments::the_half_that_dies"])
            .env(VARIABLE, point.name())
            .env(URL, &site.url)
            .env(PREFIX, &site.deps.config.redis.prefix)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the other half");
        let died = tokio::time::timeout(DIES_WITHIN, child.wait()).await.expect("it ends").unwrap();
        assert!(!died.success(), "{} was never passed", point.name());
        let (_running, _stop) = site.run();
        site.until(EXPIRED, 1, WITHIN).await;
        site.until(NOTICES, 2, DIES_WITHIN).await;
        let mut told: Vec<String> = notices(&site).await.into_iter().map(|(kind, _)| kind).collect();
        told.sort_unstable();
        assert_eq!(told, ["plan_ended", "plan_ending"], "{}", point.name());
        // One for each: run out, reminded, over. And two of them are written down.
        assert_eq!((site.number(TOLD).await, site.number(WRITTEN).await), (3, 2), "{}", point.name());
    });
    join_all(sweeps).await;
}

#[tokio::test]
#[ignore = "run by the test above, which kills it"]
#[expect(clippy::disallowed_methods, reason = "what the other half says is no configuration")]
async fn the_half_that_dies() {
    let var = |name: &str| std::env::var(name).expect("run by the test above");
    let mut config = Config::default();
    config.redis.url = Secret::new(testkit::services::redis_url());
    config.redis.prefix = var(PREFIX);
    config.storage.endpoint = "http://127.0.0.1:9".to_owned();
    let deps = jobs::Deps {
        live: live::Live::new(&config.redis).unwrap(),
        objects: objects::Objects::new(&config.storage).unwrap(),
        health: kit::health::Health::default(),
        node: "dying".to_owned(),
        config: std::sync::Arc::new(config),
        pool: db::testing::pool(&var(URL)).unwrap(),
    };
    let _never = tokio::time::timeout(WITHIN, jobs::run(deps, kit::Stop::new())).await;
}
