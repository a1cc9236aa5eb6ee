//! The connection: one multiplexed pipe that reconnects by itself, and a prefix for every key.

use std::sync::Arc;
use std::time::Duration;

use domain::{Classify, Kind};
use kit::config::RedisConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

/// Longest any command may take before we act as if Redis were away (reliability C1).
pub const ANSWER_WAIT_MAX: Duration = Duration::from_millis(500);

/// Redis did not answer, or answered nonsense. Callers have a fallback; see each module.
#[derive(Debug, thiserror::Error)]
#[error("redis did not answer")]
pub struct LiveError(#[from] redis::RedisError);

impl Classify for LiveError {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn code(&self) -> &'static str {
        "live.unavailable"
    }
}

/// A handle to Redis. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    client: redis::Client,
    manager: Arc<OnceCell<ConnectionManager>>,
    prefix: Arc<str>,
}

impl Live {
    /// Does not connect yet: the first command does, so a process starts while Redis is away.
    pub fn new(config: &RedisConfig) -> Result<Self, LiveError> {
        Ok(Self {
            client: redis::Client::open(config.url.expose())?,
            manager: Arc::new(OnceCell::new()),
            prefix: Arc::from(config.prefix.as_str()),
        })
    }

    /// The full name of a key or channel of ours.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A connection whose commands end within [`ANSWER_WAIT_MAX`].
    pub async fn connection(&self) -> Result<ConnectionManager, LiveError> {
        let connect = || async {
            let config = ConnectionManagerConfig::new()
                .set_number_of_retries(1)
                .set_connection_timeout(Some(ANSWER_WAIT_MAX))
                .set_response_timeout(Some(ANSWER_WAIT_MAX));
            ConnectionManager::new_with_config(self.client.clone(), config).await
        };
        Ok(self.manager.get_or_try_init(connect).await?.clone())
    }

    /// A connection of its own for subscriptions.
    pub async fn pubsub(&self) -> Result<redis::aio::PubSub, LiveError> {
        Ok(self.client.get_async_pubsub().await?)
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<(), LiveError> {
        let mut connection = self.connection().await?;
        let _pong: String = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(())
    }
}
