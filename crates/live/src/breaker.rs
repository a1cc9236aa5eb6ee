//! Not asking Redis again for a moment after it failed, so that an outage costs one wait and not one per request.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::client::{ANSWER_WAIT_MAX, Live, LiveError};

/// How long Redis is left alone after a failure.
const REST: Duration = Duration::from_millis(1_000);

/// Remembers the last failure. One per use, so that a broken script does not silence the others.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    closed_at: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Runs `ask` unless Redis failed a moment ago. `None` means: use the fallback.
    pub(crate) async fn run<T, F>(&self, live: &Live, ask: impl FnOnce(redis::aio::ConnectionManager) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, LiveError>>,
    {
        if self.is_resting() {
            return None;
        }
        let answer = timeout(ANSWER_WAIT_MAX, async { ask(live.connection().await?).await }).await;
        match answer {
            Ok(Ok(value)) => {
                self.set(None);
                Some(value)
            }
            Ok(Err(error)) => {
                tracing::debug!(error = %error, cause = ?std::error::Error::source(&error), "redis failed; falling back");
                self.set(Some(Instant::now() + REST));
                None
            }
            Err(_elapsed) => {
                tracing::debug!("redis is slow; falling back");
                self.set(Some(Instant::now() + REST));
                None
            }
        }
    }

    fn is_resting(&self) -> bool {
        self.closed_at
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .is_some_and(|until| Instant::now() < until)
    }

    fn set(&self, until: Option<Instant>) {
        *self.closed_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = until;
    }
}
