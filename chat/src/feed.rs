//! What one reader of `GET /api/v1/events` is told, as text of the HTML standard's `text/event-stream`.
//!
//! Bounded: a reader who takes less than is told is cut, and asks anew. Nothing is kept for who comes back.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use futures::Stream;
use serde_json::value::RawValue;
use tokio::time::{Instant, Interval, interval_at};
use tokio_util::bytes::{Bytes, BytesMut};

use crate::limits::{FEED_BEAT_EVERY, WAITING_BYTES_MAX};
use crate::wire::Full;

/// A comment, which readers leave out: the line lives, and whoever is between does not close it.
const BEAT: &[u8] = b":\n\n";

pub(crate) struct Feed {
    /// Names of the events the reader asked for; all without.
    only: Option<Vec<String>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: BytesMut,
    reader: Option<Waker>,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// What waits is still sent.
    Polite,
    Cut,
}

impl Feed {
    pub(crate) fn new(only: Option<Vec<String>>) -> Arc<Self> {
        Arc::new(Self { only, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn wants(&self, event: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == event))
    }

    /// Adds one event. A feed that is over takes it and forgets it.
    ///
    /// # Errors
    /// When too much waits already: nothing was taken.
    pub(crate) fn say(&self, event: &str, payload: &RawValue) -> Result<(), Full> {
        // JSON as we write it has no line breaks, which would end the line in the middle.
        let parts = [b"event: ", event.as_bytes(), b"\ndata: ", payload.get().as_bytes(), b"\n\n"];
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut state = self.state();
        if state.end.is_some() {
            return Ok(());
        }
        if !state.waiting.is_empty() && state.waiting.len() + length > WAITING_BYTES_MAX {
            return Err(Full);
        }
        for part in parts {
            state.waiting.extend_from_slice(part);
        }
        wake(&mut state);
        Ok(())
    }

    /// Ends it after what waits.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.end.get_or_insert(End::Polite);
        wake(&mut state);
    }

    /// Ends it now and forgets what waits: the reader sees a broken answer, not one that is complete.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        state.end = Some(End::Cut);
        state.waiting = BytesMut::new();
        wake(&mut state);
    }

    fn poll_take(&self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut state = self.state();
        if state.end == Some(End::Cut) {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        if !state.waiting.is_empty() {
            // What a burst needed is given back.
            return Poll::Ready(Some(Ok(std::mem::take(&mut state.waiting).freeze())));
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

fn wake(state: &mut State) {
    if let Some(reader) = state.reader.take() {
        reader.wake();
    }
}

/// The answer's body. Whatever is to happen when its reader is gone is done by dropping `leaving`.
pub(crate) struct Flow<L> {
    feed: Arc<Feed>,
    beat: Interval,
    _leaving: L,
}

impl<L> Flow<L> {
    pub(crate) fn new(feed: Arc<Feed>, leaving: L) -> Self {
        Self { feed, beat: interval_at(Instant::now() + FEED_BEAT_EVERY, FEED_BEAT_EVERY), _leaving: leaving }
    }
}

impl<L: Unpin> Stream for Flow<L> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(taken) = self.feed.poll_take(context) {
            self.beat.reset();
            return Poll::Ready(taken);
        }
        ready!(self.beat.poll_tick(context));
        Poll::Ready(Some(Ok(Bytes::from_static(BEAT))))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn say(feed: &Feed, text: &str) -> Result<(), Full> {
        feed.say("e", &to_raw_value(&json!({ "text": text })).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_lines_and_silence_has_a_beat() {
        let feed = Feed::new(None);
        let mut flow = Flow::new(Arc::clone(&feed), ());
        say(&feed, "one\ntwo").unwrap();
        let heard = flow.next().await.unwrap().unwrap();
        assert_eq!(
            &heard[..],
            b"event: e\ndata: {\"text\":\"one\\ntwo\"}\n\n",
            "a line break in a text breaks no line"
        );
        let since = Instant::now();
        assert_eq!(&flow.next().await.unwrap().unwrap()[..], BEAT);
        assert_eq!(since.elapsed(), FEED_BEAT_EVERY);
        say(&feed, "last").unwrap();
        feed.end();
        say(&feed, "too late").unwrap();
        assert!(flow.next().await.unwrap().unwrap().ends_with(b"\"last\"}\n\n"));
        assert!(flow.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_full_and_what_is_cut_ends_broken() {
        let feed = Feed::new(Some(vec!["e".to_owned()]));
        assert!(feed.wants("e") && !feed.wants("f"));
        let mut flow = Flow::new(Arc::clone(&feed), ());
        let text = "x".repeat(10_000);
        let mut taken = 0;
        while say(&feed, &text).is_ok() {
            taken += text.len();
            assert!(taken < 64 * 1024 * 1024, "never full");
        }
        assert!(taken <= WAITING_BYTES_MAX);
        feed.cut();
        assert_eq!(flow.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
