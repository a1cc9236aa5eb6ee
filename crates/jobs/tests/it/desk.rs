//! Queues that are paused: on every node, across restarts, and with nothing lost.

use std::time::Duration;

use jobs::desk::{self, Queue};

use super::{OPEN_JOBS, Site, online};

const PATIENCE: Duration = Duration::from_secs(20);
const WORKERS: &str = "SELECT count(*)::bigint AS n FROM apalis.workers WHERE worker_type = 'rillcast'";
const OTHERS: &str = "SELECT count(*)::bigint AS n FROM apalis.workers WHERE worker_type <> 'rillcast'";
const ALL_DONE: &str = "SELECT (count(*) FILTER (WHERE status = 'Done') = 2)::int::bigint AS n FROM apalis.jobs";

impl Site {
    async fn pause(&self, queue: Queue) -> bool {
        let mut conn = self.deps.pool.acquire().await.unwrap();
        desk::pause(&mut conn, queue, "ada", "repairs").await.unwrap()
    }

    async fn resume(&self, queue: Queue) -> bool {
        let mut conn = self.deps.pool.acquire().await.unwrap();
        desk::resume(&mut conn, queue).await.unwrap()
    }
}

#[tokio::test]
async fn a_paused_queue_waits_over_restarts_and_goes_on_where_it_was() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    assert!(site.pause(Queue::Main).await);
    assert!(!site.pause(Queue::Main).await, "once");
    let (tasks, stop) = site.run();
    // The other queues have workers, and this one has none: it was paused before the process began.
    site.until(OTHERS, 2, PATIENCE).await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.until(OPEN_JOBS, 1, PATIENCE).await;
    assert_eq!(site.number(WORKERS).await, 0);
    let standings = desk::standings(&mut site.deps.pool.acquire().await.unwrap()).await.unwrap();
    let main = &standings[0];
    assert_eq!((main.queue, main.waiting, main.paused.is_some()), (Queue::Main, 1, true));
    assert!(main.oldest_s.is_some_and(|age| age >= 0.0));

    assert!(site.resume(Queue::Main).await);
    site.until(OPEN_JOBS, 0, PATIENCE).await;

    // And while it works: its worker ends, and says nothing for longer than a heartbeat.
    assert!(site.pause(Queue::Main).await);
    let silent = "SELECT (now() - max(last_seen) > interval '6 seconds')::int::bigint AS n FROM apalis.workers WHERE worker_type = 'rillcast'";
    site.until(silent, 1, PATIENCE).await;
    site.execute("UPDATE streams SET status = 'ended', ended_at = now()").await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.until(OPEN_JOBS, 1, PATIENCE).await;
    stop.cancel();
    drop(tasks);
    let (_tasks, _stop) = site.run();
    assert_eq!(site.number(OPEN_JOBS).await, 1, "a restart is no resumption");
    assert!(site.resume(Queue::Main).await);
    assert!(!site.resume(Queue::Main).await);
    site.until(ALL_DONE, 1, PATIENCE).await;
}
