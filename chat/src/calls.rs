//! Members whom a line names are told so, wherever they are. What is owed to them becomes an event in the outbox, beside the chat: a
//! line never waits for it, and is not lost with it when its history is elsewhere.
//!
//! While Postgres is away what waits is kept in memory, up to [`CALLS_MAX`] lines, and is lost with the node.

use std::sync::Arc;

use domain::event::Event;
use domain::notification::MENTIONS_TOLD_MAX;
use kit::Stop;
use kit::retry::Backoff;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Duration, sleep};

use crate::gateway::Gateway;
use crate::limits::{CALLS_AT_ONCE_MAX, CALLS_MAX};
use crate::message::Message;

/// What waits to be written down.
pub(crate) struct Calls {
    queue: mpsc::Sender<Event>,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    queue: mpsc::Receiver<Event>,
    /// Taken and not yet written down.
    taken: Vec<Event>,
}

impl Default for Calls {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(CALLS_MAX);
        Self { queue, waiting: Mutex::new(Waiting { queue: waiting, taken: Vec::new() }) }
    }
}

impl Calls {
    /// Notes whom a line names besides its author.
    pub(crate) fn note(&self, message: &Message) {
        let named = message.mentions.iter().map(|mention| mention.id).filter(|id| *id != message.author.id);
        let user_ids: Vec<_> = named.take(MENTIONS_TOLD_MAX).collect();
        if user_ids.is_empty() {
            return;
        }
        let event = Event::Mentioned {
            message_id: message.id,
            channel_id: message.channel,
            author_id: message.author.id,
            stream_id: message.stream,
            user_ids,
        };
        if self.queue.try_send(event).is_err() {
            metrics::counter!("rillcast_chat_calls_dropped_total").increment(1);
        }
    }
}

/// Writes down what waits, through every loss of Postgres, until the stop.
pub(crate) async fn tell(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut waiting = gateway.calls.waiting.lock().await;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let Waiting { queue, taken } = &mut *waiting;
    loop {
        if taken.is_empty() {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = queue.recv_many(taken, CALLS_AT_ONCE_MAX) => {}
            }
        }
        match gateway.facts.leave(taken).await {
            Ok(()) => {
                backoff.reset();
                taken.clear();
            }
            Err(error) => {
                tracing::debug!(%error, lines = taken.len(), "members named in chat lines are told later");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
}

/// Writes down what is left when nothing more is said.
pub(crate) async fn tell_rest(gateway: &Gateway) {
    let mut waiting = gateway.calls.waiting.lock().await;
    let Waiting { queue, taken } = &mut *waiting;
    while let Ok(event) = queue.try_recv() {
        taken.push(event);
    }
    if !taken.is_empty()
        && let Err(error) = gateway.facts.leave(taken).await
    {
        tracing::warn!(%error, lines = taken.len(), "members named in the last chat lines are not told");
    }
}
