//! The outbox, the queue and what they owe, on real Postgres and Redis.

mod analytics;
mod attachments;
mod consumers;
mod desk;
mod fanout;
mod files;
mod hooks;
mod idle;
mod long;
mod mail;
mod mentions;
mod payments;
mod push;
mod quiet;
mod rooms;
mod search;
mod storage;
mod views;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use domain::event::Event;
use domain::user::Username;
use domain::{StreamId, UserId};
use kit::{Config, Secret, Stop};
use testkit::services::{self, DatabaseGuard};
use tokio::task::JoinSet;

/// A site with nothing but the jobs role.
struct Site {
    deps: jobs::Deps,
    /// Its database.
    url: String,
    _database: DatabaseGuard,
}

impl Site {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let (url, guard) = services::database().await;
        let pool = db::testing::pool(&url).unwrap();
        jobs::migrate(&pool).await.unwrap();
        let mut config = Config::default();
        config.redis.url = Secret::new(services::redis_url());
        config.redis.prefix = services::redis_prefix();
        config.storage.endpoint = "http://127.0.0.1:9".to_owned();
        change(&mut config);
        let deps = jobs::Deps {
            live: live::Live::new(&config.redis).unwrap(),
            objects: objects::Objects::new(&config.storage).unwrap(),
            health: kit::health::Health::default(),
            node: "test".to_owned(),
            config: Arc::new(config),
            pool,
        };
        Self { deps, url, _database: guard }
    }

    /// The role as a task that dies with the returned set, without a word, as a killed process would.
    fn run(&self) -> (JoinSet<anyhow::Result<()>>, Stop) {
        let stop = Stop::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(jobs::run(self.deps.clone(), stop.clone()));
        (tasks, stop)
    }

    async fn execute(&self, statements: &str) {
        db::testing::execute(&self.deps.pool, statements).await.unwrap();
    }

    async fn number(&self, query: &str) -> i64 {
        let rows = db::testing::rows(&self.deps.pool, query).await.unwrap();
        rows[0]["n"].as_i64().unwrap()
    }

    async fn until(&self, query: &str, wanted: i64, within: Duration) {
        let reached = tokio::time::timeout(within, async {
            while self.number(query).await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if reached.await.is_err() {
            panic!("{query} is {} and not {wanted}", self.number(query).await);
        }
    }

    async fn tell(&self, event: &Event) {
        let mut tx = db::begin(&self.deps.pool).await.unwrap();
        db::outbox::push(&mut tx, event).await.unwrap();
        db::commit(tx).await.unwrap();
    }

    async fn channel(&self, username: &str) -> UserId {
        let digest = kit::ids::random_bytes::<32>();
        db::testing::add_channel(&self.deps.pool, username, &digest).await.unwrap()
    }

    async fn live_stream(&self, channel: UserId) -> StreamId {
        let stream = StreamId::from_uuid(kit::ids::uuid());
        self.execute(&format!(
            "INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at)
             VALUES ('{stream}', '{channel}', 'Hello', 'live', 'test', now())"
        ))
        .await;
        stream
    }
}

fn online(stream_id: StreamId, channel_id: UserId, name: &str) -> Event {
    Event::StreamOnline { stream_id, channel_id, username: Username::parse(name).unwrap() }
}

const OPEN_JOBS: &str = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status <> 'Done'";
const WAITING: &str = "SELECT count(*)::bigint AS n FROM outbox WHERE dispatched_at IS NULL";
