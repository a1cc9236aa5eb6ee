//! Carries measured seconds from the lanes to browsers and to Postgres.
//!
//! Lanes leave samples in a bounded queue without waking anybody. Once a second the scribe takes them all, tells the newest of
//! each stream over Redis in one trip, and every ten seconds stores what has gathered in one statement. What cannot be told or
//! stored in time is dropped and counted: it is never waited for and never tried again.

use std::collections::HashMap;
use std::time::Duration;

use db::health::Stretch;
use domain::ingest::{IngestSample, IngestVerdict};
use domain::{StreamId, UserId};
use kit::Stop;
use live::Live;
use live::health::News;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use crate::journal::bounded;

/// Samples on their way from the lanes: two seconds of five thousand publishers.
const WAITING_MAX: usize = 10_000;
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Ticks from one storing to the next: what a page that opens may lack, against a row and a commit each time.
const STORE_EVERY: u32 = 10;
const TELL_WAIT_MAX: Duration = Duration::from_millis(800);
const STORE_WAIT_MAX: Duration = Duration::from_secs(3);
/// For the last words of a stopping node.
const CLOSE_WAIT_MAX: Duration = Duration::from_millis(500);
/// Rows of one statement.
const ROWS_MAX: usize = 500;

/// What a lane writes with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pen(mpsc::Sender<News>);

impl Pen {
    /// Never waits.
    pub(crate) fn write(&self, channel: UserId, stream: StreamId, sample: IngestSample) {
        if self.0.try_send(News { channel, stream, sample }).is_err() {
            dropped("queue", 1);
        }
    }
}

/// See the module's words.
pub(crate) struct Scribe {
    pool: db::Pool,
    live: Live,
    waiting: mpsc::Receiver<News>,
    /// Not stored yet.
    pending: HashMap<StreamId, Vec<IngestSample>>,
    /// At most one.
    storing: JoinSet<()>,
}

impl Scribe {
    pub(crate) fn new(pool: db::Pool, live: Live) -> (Pen, Self) {
        let (pen, waiting) = mpsc::channel(WAITING_MAX);
        (Pen(pen), Self { pool, live, waiting, pending: HashMap::new(), storing: JoinSet::new() })
    }

    /// Runs until the stop.
    pub(crate) async fn run(&mut self, stop: &Stop) {
        let mut ticks = interval(TELL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let newest = self.take();
            self.tell(newest).await;
            count += 1;
            if count >= STORE_EVERY {
                count = 0;
                self.store();
            }
        }
    }

    /// Stores what the sessions said last.
    pub(crate) async fn close(&mut self) {
        let newest = self.take();
        let last = async {
            self.tell(newest).await;
            while self.storing.join_next().await.is_some() {}
            self.store();
            while self.storing.join_next().await.is_some() {}
        };
        if timeout(CLOSE_WAIT_MAX, last).await.is_err() {
            debug!("the last seconds of ingest health were not stored");
        }
    }

    /// Takes what waits; the newest of each stream.
    fn take(&mut self) -> Vec<News> {
        let mut newest: HashMap<StreamId, News> = HashMap::new();
        while let Ok(news) = self.waiting.try_recv() {
            self.pending.entry(news.stream).or_default().push(news.sample);
            newest.insert(news.stream, news);
        }
        for verdict in IngestVerdict::ALL {
            let streams = newest.values().filter(|news| news.sample.verdict == verdict).count();
            metrics::gauge!("rillcast_ingest_verdict_streams", "verdict" => verdict.as_str()).set(streams as f64);
        }
        newest.into_values().collect()
    }

    async fn tell(&self, newest: Vec<News>) {
        if newest.is_empty() {
            return;
        }
        if !matches!(timeout(TELL_WAIT_MAX, live::health::tell(&self.live, &newest)).await, Ok(Ok(()))) {
            dropped("redis", newest.len());
        }
    }

    fn store(&mut self) {
        while self.storing.try_join_next().is_some() {}
        let stretches: Vec<Stretch> =
            self.pending.drain().map(|(stream, samples)| Stretch { stream, samples }).collect();
        if stretches.is_empty() {
            return;
        }
        if !self.storing.is_empty() {
            return dropped("database", samples_in(&stretches));
        }
        let pool = self.pool.clone();
        self.storing.spawn(async move {
            for some in stretches.chunks(ROWS_MAX) {
                let stored = bounded(STORE_WAIT_MAX, async {
                    let mut conn = pool.acquire().await?;
                    db::health::insert(&mut conn, some).await
                });
                if let Err(error) = stored.await {
                    debug!(%error, "seconds of ingest health were not stored");
                    dropped("database", samples_in(some));
                }
            }
        });
    }
}

fn samples_in(stretches: &[Stretch]) -> usize {
    stretches.iter().map(|stretch| stretch.samples.len()).sum()
}

fn dropped(reason: &'static str, samples: usize) {
    metrics::counter!("rillcast_ingest_health_dropped_total", "reason" => reason).increment(samples as u64);
}
