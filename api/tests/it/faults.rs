//! Redis or Postgres away: what still works, what says so, and how soon.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use serde_json::json;

use crate::harness::{PASSWORD, Setup};

const NOBODY_HOME: &str = "127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_accounts_work_and_limits_hold() {
    let mut setup = Setup::new();
    setup.redis_url = Some(format!("redis://{NOBODY_HOME}"));
    setup.config.limits.login_per_ip_per_minute = 5;
    let site = setup.start().await;
    let alice = site.register("alice").await;
    site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200);
    let began = Instant::now();
    site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.expect(200);
    let body = json!({"login": "alice", "password": "wrong password here"});
    for _ in 0..5 {
        site.post("/api/v1/auth/login").json(body.clone()).send().await.refused(401, "auth.wrong-credentials");
    }
    let right = json!({"login": "alice", "password": PASSWORD});
    site.post("/api/v1/auth/login").json(right).send().await.refused(429, "auth.throttled");
    assert!(began.elapsed() < Duration::from_secs(5), "the outage costs one wait, not one per request");

    site.post("/api/v1/auth/logout").bearer(&alice.token).send().await.expect(204);
    site.get("/api/v1/me").bearer(&alice.token).send().await.refused(401, "auth.invalid-token");
}

/// Another node does not share our memory: it asks the row.
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_revoked_sign_in_is_found_in_its_row() {
    let mut setup = Setup::new();
    setup.redis_url = Some(format!("redis://{NOBODY_HOME}"));
    let site = setup.start().await;
    let alice = site.register("alice").await;
    site.sql("UPDATE sessions SET revoked_at = now(), revoke_reason = 'admin'").await;
    site.get("/api/v1/me").bearer(&alice.token).send().await.refused(401, "auth.invalid-token");
    let bob = site.register("bob").await;
    site.sql("UPDATE users SET is_barred = true WHERE username = 'bob'").await;
    site.get("/api/v1/me").bearer(&bob.token).send().await.refused(401, "auth.invalid-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_the_api_says_503_in_time_and_live_goes_on() {
    let mut setup = Setup::new();
    setup.database_url = Some(format!("postgres://nobody@{NOBODY_HOME}/none"));
    setup.local_origin = Some(Router::new().route("/live/alice/index.m3u8", get(|| async { "#EXTM3U\n" })));
    setup.runs_upkeep = true;
    let site = setup.start().await;
    for (method, path) in [
        ("GET", "/api/v1/streams?live=true"),
        ("GET", "/api/v1/channels/alice"),
        ("GET", "/api/v1/categories"),
        ("GET", "/api/v1/vods"),
    ] {
        let began = Instant::now();
        let answer = site.call(method, path).send().await.refused(503, "database.unavailable");
        assert!(began.elapsed() < Duration::from_secs(2), "{path} took {:?}", began.elapsed());
        assert!(answer.header("retry-after").parse::<u64>().expect("seconds") >= 1);
        assert!(!answer.text().contains("127.0.0.1"), "our insides are for the log");
    }
    let began = Instant::now();
    let body = json!({"login": "alice", "password": PASSWORD});
    site.post("/api/v1/auth/login").json(body).send().await.refused(503, "database.unavailable");
    assert!(began.elapsed() < Duration::from_secs(2));
    site.post("/api/v1/auth/refresh").cookie("ab").send().await.refused(503, "database.unavailable");

    assert_eq!(site.get("/live/alice/index.m3u8").send().await.expect(200).text(), "#EXTM3U\n");
    site.get("/c/alice").send().await.expect(200);
    site.get("/healthz").send().await.expect(200);
    let began = Instant::now();
    let missing = loop {
        let ready = site.get("/readyz").send().await.expect(503);
        if ready.json["parts"]["postgres"]["state"] == "down" {
            break ready.json["missing"].clone();
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{}", ready.json);
        tokio::task::yield_now().await;
    };
    assert!(missing.as_array().expect("a list").contains(&json!("postgres")));
}

/// An address that takes connections and never says a word: worse than one that refuses.
async fn black_hole() -> (std::net::SocketAddr, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let mut holding = tokio::task::JoinSet::new();
    holding.spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    (addr, holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_hangs_is_503_in_time_too() {
    let (addr, _holding) = black_hole().await;
    let mut setup = Setup::new();
    setup.database_url = Some(format!("postgres://nobody@{addr}/none"));
    let site = setup.start().await;
    let began = Instant::now();
    site.get("/api/v1/streams?live=true").send().await.refused(503, "database.unavailable");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let began = Instant::now();
    site.get("/c/alice").send().await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(2), "the page waits for nobody: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_costs_half_a_second_and_then_nothing_for_a_while() {
    let (addr, _holding) = black_hole().await;
    let mut setup = Setup::new();
    setup.redis_url = Some(format!("redis://{addr}"));
    let site = setup.start().await;
    let alice = site.register("alice").await;
    let began = Instant::now();
    site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let began = Instant::now();
    let calls = (0..20).map(|_| site.get("/api/v1/me").bearer(&alice.token).send());
    for answer in futures::future::join_all(calls).await {
        answer.expect(200);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_while_redis_was_away_is_told_when_it_is_back() {
    // Redis behind an address that answers only later: a port that is kept closed until then.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    drop(listener);
    let mut setup = Setup::new();
    setup.redis_url = Some(format!("redis://{addr}"));
    setup.runs_upkeep = true;
    let site = setup.start().await;
    let alice = site.register("alice").await;
    site.post("/api/v1/auth/logout").bearer(&alice.token).send().await.expect(204);

    let real = testkit::services::redis_url().trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let back = tokio::net::TcpListener::bind(addr).await.expect("the port is still free");
    let mut forwarding = tokio::task::JoinSet::new();
    forwarding.spawn(async move {
        let mut pipes = tokio::task::JoinSet::new();
        while let Ok((mut from, _)) = back.accept().await {
            let real = real.clone();
            pipes.spawn(async move {
                if let Ok(mut to) = tokio::net::TcpStream::connect(&real).await {
                    let _ended = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    let claims = kit::tokens::AccessTokens::new(&kit::Secret::new(crate::harness::SECRET), 900)
        .verify(&alice.token)
        .expect("ours");
    let revocations = live::revocations::Revocations::new(site.live.clone(), 900);
    let began = Instant::now();
    while revocations.is_revoked(claims.sid, claims.jti).await != Some(true) {
        assert!(began.elapsed() < Duration::from_secs(15), "Redis was never told");
        tokio::task::yield_now().await;
    }
}
