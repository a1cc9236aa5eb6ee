//! An answer that costs something, kept for a while: whoever asks meanwhile is told the same, and only one asks anew.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The last answer and when it was given.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    good_for: Duration,
    last: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Kept<T> {
    pub(crate) fn new(good_for: Duration) -> Self {
        Self { good_for, last: Mutex::new(None) }
    }

    /// The kept answer, or a new one. An error is kept by nobody.
    pub(crate) async fn get<E>(&self, ask: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = last.as_ref()
            && at.elapsed() < self.good_for
        {
            return Ok(answer.clone());
        }
        let answer = ask().await?;
        *last = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }
}
