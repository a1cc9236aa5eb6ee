//! What waits for the spool's writer.
//!
//! A thread that is woken for each part of each stream spends more on waking up than on writing. So the writer comes by on a
//! beat and takes all that has gathered; only what somebody waits for wakes it before. Bounded, and never waits when it is
//! handed something.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::handle::lock;
use super::writer::Command;

/// Commands waiting for the writer. A part of 200 ms in three renditions of a thousand streams is 15,000 a second.
const LEN_MAX: usize = 16_384;
/// From one visit of the writer to the next: what a crash of the process costs beside the part being made.
pub(super) const BEAT: Duration = Duration::from_millis(200);

pub(super) struct Inbox {
    beat: Duration,
    state: Mutex<State>,
    /// The writer waits for this.
    called: Condvar,
    /// Whoever found it full waits for this.
    emptied: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Command>,
    is_hurried: bool,
    /// The writer waits for the first command after a quiet time.
    is_idle: bool,
    /// The writer has left.
    is_closed: bool,
}

/// The command was not taken.
pub(super) enum Refused {
    Full(Command),
    /// The writer has left.
    Closed,
}

impl Inbox {
    pub(super) fn new(beat: Duration) -> Self {
        Self { beat, state: Mutex::default(), called: Condvar::new(), emptied: Notify::new() }
    }

    /// Hands a command over unless there is no room.
    #[expect(clippy::result_large_err, reason = "it comes back whole; a box would cost an allocation for every part")]
    pub(super) fn try_send(&self, command: Command) -> Result<(), Refused> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= LEN_MAX {
            return Err(Refused::Full(command));
        }
        let is_urgent = command.is_urgent();
        state.is_hurried |= is_urgent;
        let must_call = is_urgent || std::mem::take(&mut state.is_idle);
        state.waiting.push_back(command);
        drop(state);
        if must_call {
            self.called.notify_one();
        }
        Ok(())
    }

    /// Hands a command over as soon as there is room. `Err` when the writer has left.
    pub(super) async fn send(&self, command: Command) -> Result<(), ()> {
        let mut command = command;
        loop {
            let emptied = self.emptied.notified();
            match self.try_send(command) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed) => return Err(()),
                Err(Refused::Full(back)) => command = back,
            }
            emptied.await;
        }
    }

    /// Commands that still find room.
    pub(super) fn capacity(&self) -> usize {
        LEN_MAX - lock(&self.state).waiting.len()
    }

    /// Waits for the beat, for something urgent, or after a quiet time for anything; then takes everything.
    pub(super) fn take(&self, taken: &mut VecDeque<Command>) {
        let due = Instant::now() + self.beat;
        let mut state = lock(&self.state);
        while !state.is_hurried {
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let waited = self.called.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else if state.waiting.is_empty() {
                state.is_idle = true;
                state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                break;
            }
        }
        (state.is_hurried, state.is_idle) = (false, false);
        std::mem::swap(&mut state.waiting, taken);
        drop(state);
        self.emptied.notify_waiters();
    }

    /// The writer leaves: nothing is taken from now on.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.waiting.clear();
        drop(state);
        self.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::StreamId;

    fn forget() -> Command {
        Command::Forget { stream_id: StreamId::from_uuid(kit::ids::uuid()) }
    }

    #[test]
    fn what_nobody_waits_for_is_taken_on_the_beat_and_the_rest_at_once() {
        let inbox = Inbox::new(BEAT);
        let mut taken = VecDeque::new();
        let began = Instant::now();
        assert!(inbox.try_send(forget()).is_ok() && inbox.try_send(forget()).is_ok());
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 2);
        assert!(began.elapsed() >= BEAT);
        taken.clear();
        assert!(inbox.try_send(forget()).is_ok() && inbox.try_send(Command::Stop).is_ok());
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 2, "what came before goes before");
    }

    #[test]
    fn after_a_quiet_time_the_first_command_calls_the_writer() {
        let inbox = Inbox::new(BEAT);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut taken = VecDeque::new();
                inbox.take(&mut taken);
                taken.len()
            });
            while !lock(&inbox.state).is_idle {
                std::thread::yield_now();
            }
            assert!(inbox.try_send(forget()).is_ok());
            assert_eq!(writer.join().expect("it took it"), 1);
        });
    }

    #[tokio::test]
    async fn it_is_bounded_and_whoever_waits_for_room_hears_of_it_and_of_the_end() {
        let inbox = Inbox::new(BEAT);
        for _ in 0..LEN_MAX {
            assert!(inbox.try_send(forget()).is_ok());
        }
        assert!(matches!(inbox.try_send(forget()), Err(Refused::Full(_))));
        assert_eq!(inbox.capacity(), 0);
        let (sent, ()) = tokio::join!(inbox.send(Command::Stop), async {
            lock(&inbox.state).is_hurried = true;
            inbox.take(&mut VecDeque::new());
        });
        assert_eq!((sent, inbox.capacity()), (Ok(()), LEN_MAX - 1));
        inbox.close();
        assert_eq!(inbox.send(Command::Stop).await, Err(()));
    }
}
