//! What each consumer of the outbox has done, and hearing events again.

use std::time::Duration;

use domain::event::Event;
use futures::StreamExt;

use crate::{OPEN_JOBS, Site, WAITING, online};

const WAIT: Duration = Duration::from_secs(10);
const DONE: &str = "SELECT count(*)::bigint AS n FROM processed_events";
const JOBS: &str = "SELECT count(*)::bigint AS n FROM apalis.jobs";
const NOTIFIED: &str = "SELECT count(*)::bigint AS n FROM notifications";

async fn replay(site: &Site, consumer: &str, since: Option<domain::Timestamp>) -> u64 {
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    let again = db::consumers::replay(&mut tx, consumer, since).await.unwrap();
    db::commit(tx).await.unwrap();
    again
}

#[tokio::test]
async fn one_consumer_hears_events_again_and_nothing_is_done_twice() {
    let site = Site::start(|_| {}).await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{alice}', '{bob}')")).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.tell(&Event::Followed { channel_id: alice, follower_id: bob }).await;
    let (_running, _stop) = site.run();
    site.until(NOTIFIED, 2, WAIT).await;
    site.until(OPEN_JOBS, 0, WAIT).await;
    assert_eq!((site.number(DONE).await, site.number(JOBS).await), (8, 2));

    // Browsers are told again, and nobody else does anything.
    let mut heard = live::fanout::subscribe(&site.deps.live).await.unwrap();
    assert_eq!(replay(&site, "browsers", None).await, 2);
    loop {
        let push = tokio::time::timeout(WAIT, heard.next()).await.unwrap().unwrap();
        if push.event == "stream:online" {
            break;
        }
    }
    site.until(WAITING, 0, WAIT).await;
    assert_eq!((site.number(DONE).await, site.number(JOBS).await), (8, 2));

    // Jobs are made again, and find everybody told.
    assert_eq!(replay(&site, "jobs", None).await, 2);
    site.until(JOBS, 4, WAIT).await;
    site.until(OPEN_JOBS, 0, WAIT).await;
    assert_eq!((site.number(NOTIFIED).await, site.number(DONE).await), (2, 8));
    let later = kit::clock::now() + Duration::from_secs(60);
    assert_eq!(replay(&site, "jobs", Some(later)).await, 0);
}

#[tokio::test]
async fn each_consumer_has_a_lag_of_its_own() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let stream = site.live_stream(alice).await;
    for _ in 0..2 {
        site.tell(&online(stream, alice, "alice")).await;
    }
    site.execute(
        "UPDATE outbox SET created_at = now() - interval '90 seconds';
         INSERT INTO processed_events (consumer, event_id)
         SELECT 'webhooks', event_id FROM outbox ORDER BY outbox_id LIMIT 1",
    )
    .await;
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let lags = db::consumers::lags(&mut conn, &jobs::CONSUMERS).await.unwrap();
    let of = |name: &str| lags.iter().find(|lag| lag.consumer == name).unwrap();
    assert_eq!(
        (of("jobs").waiting, of("webhooks").waiting, of("browsers").waiting, of("search").waiting),
        (2, 1, 2, 2)
    );
    assert!((90.0..120.0).contains(&of("webhooks").oldest_s), "{lags:?}");
    let waiting = db::consumers::list(&mut conn, true, 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!((waiting[0].done.as_slice(), waiting[1].done.len()), (["webhooks".to_owned()].as_slice(), 0));
    site.execute("UPDATE outbox SET dispatched_at = now()").await;
    let lags = db::consumers::lags(&mut conn, &jobs::CONSUMERS).await.unwrap();
    assert!(lags.iter().all(|lag| lag.waiting == 0 && lag.oldest_s == 0.0), "{lags:?}");
    assert!(db::consumers::list(&mut conn, true, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_done_is_forgotten_with_its_event() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    let (_running, _stop) = site.run();
    site.until(DONE, 4, WAIT).await;
    site.execute("UPDATE outbox SET dispatched_at = now() - interval '8 days'").await;
    let mut conn = site.deps.pool.acquire().await.unwrap();
    assert_eq!(db::outbox::prune(&mut conn).await.unwrap(), 1);
    assert_eq!(site.number(DONE).await, 0);
}
