//! How often a page waits for Postgres and Redis, one after the other (reliability C9): told by the time it takes when each answer
//! is late by as much.

use std::time::{Duration, Instant};

use testkit::proxy::Proxy;
use testkit::services;

use crate::harness::{Call, Setup};

const LATE: Duration = Duration::from_millis(400);
const CONNECTIONS: u32 = 12;

/// Waits for answers, one after the other.
async fn ways(call: Call, status: u16) -> u128 {
    let began = Instant::now();
    call.send().await.expect(status);
    began.elapsed().as_millis() / LATE.as_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_ask_little_one_after_the_other() {
    let (url, _guard) = services::database().await;
    let (postgres, url) = Proxy::before(&url).await;
    let (redis, redis_url) = Proxy::before(&services::redis_url()).await;
    let mut setup = Setup::new();
    setup.connections = Some(CONNECTIONS);
    (setup.database_url, setup.redis_url) = (Some(url), Some(redis_url));
    let site = setup.start().await;
    let alice = site.register("alice").await;
    let (stream, vod) = site.stream(&alice, "Sea", "live", "recording").await;
    let (stream, vod) = (format!("/api/v1/streams/{stream}"), format!("/api/v1/vods/{vod}"));
    let pages = [
        ("/api/v1/me", 1),
        ("/api/v1/vods", 1),
        (vod.as_str(), 1),
        // And the viewers' number of what was found.
        ("/api/v1/streams?live=true", 2),
        (stream.as_str(), 2),
        // The channel, then what it airs; viewers are counted beside.
        ("/api/v1/channels/alice", 2),
        ("/api/v1/notifications", 2),
        ("/api/v1/me/following", 1),
    ];
    // Nobody who was seen a moment ago: each page also finds out whether its caller's sign-in is over.
    let mut callers = Vec::new();
    for number in 0..pages.len() {
        callers.push(site.register(&format!("viewer{number}")).await);
    }
    let suspect = site.register("mallory").await;
    for (page, _) in pages {
        site.get(page).bearer(&alice.token).send().await.expect(200);
    }
    let began = Instant::now();
    // Half of them are kept open, and know the statements.
    while site.pool.num_idle() < CONNECTIONS as usize / 2 {
        assert!(began.elapsed() < Duration::from_secs(10), "{} connections are open", site.pool.num_idle());
        tokio::task::yield_now().await;
    }

    postgres.delay(LATE);
    redis.delay(LATE);
    for ((page, ways_max), caller) in pages.into_iter().zip(&callers) {
        let taken = ways(site.get(page).bearer(&caller.token), 200).await;
        assert!(taken <= ways_max, "{page} waits {taken} times, {ways_max} are needed");
    }
    // Found side by side, told in order: a sign-in that is over hears nothing of what was found.
    postgres.delay(Duration::ZERO);
    site.sql(
        "UPDATE sessions SET revoked_at = now() WHERE user_id = (SELECT user_id FROM users WHERE username = 'mallory')",
    )
    .await;
    for (page, _) in pages {
        site.get(page).bearer(&suspect.token).send().await.refused(401, "auth.invalid-token");
    }
}
