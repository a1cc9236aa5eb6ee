//! Postgres's pulse, felt over a connection of its own: it vouches for the pool's idle connections, so that no request asks
//! each of them for a sign of life first, and says how far away Postgres is.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep, timeout};

use crate::Conn;

const EVERY: Duration = Duration::from_millis(500);
/// No answer for so long is no pulse; a little more than a request waits for a connection.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// A beat is worth this much. It is as old as its question, which may have been half a second on its way.
const WORTH: Duration = Duration::from_secs(2);
/// What lies between may forget a connection that was silent for longer, whoever vouches for the other end.
const VOUCHED_FOR: Duration = Duration::from_secs(60);
/// An answer within this comes from next door.
const NEAR: Duration = Duration::from_millis(50);

/// Cheap to ask.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    last: Mutex<Option<Beat>>,
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    /// When the connection was opened; it has lived since.
    since: Instant,
    asked: Instant,
    took: Duration,
}

impl Pulse {
    /// Begins to feel it, until the last handle is dropped.
    #[expect(clippy::disallowed_methods, reason = "it ends with the pool it vouches for, as the pool's own tasks do")]
    pub(crate) fn start(options: PgConnectOptions) -> Arc<Self> {
        let pulse = Arc::new(Self::default());
        tokio::spawn(feel(options, Arc::downgrade(&pulse)));
        pulse
    }

    /// Whether Postgres has answered all along since a connection was last used, and a moment ago.
    pub(crate) fn vouches_for(&self, idle: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        idle < VOUCHED_FOR && last.is_some_and(|beat| beat.since.elapsed() > idle && beat.asked.elapsed() < WORTH)
    }

    /// Whether a question costs next to nothing. True until something else is known.
    pub(crate) fn is_near(&self) -> bool {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|beat| beat.took < NEAR)
    }

    fn set(&self, beat: Option<Beat>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = beat;
    }
}

async fn feel(options: PgConnectOptions, pulse: Weak<Pulse>) {
    while pulse.strong_count() > 0 {
        if let Ok(Ok(mut conn)) = timeout(ANSWER_WAIT_MAX * 2, options.connect()).await {
            follow(&mut conn, &pulse).await;
        }
        if let Some(pulse) = pulse.upgrade() {
            pulse.set(None);
        }
        sleep(EVERY).await;
    }
}

/// Until Postgres falls silent or nobody wants to know.
async fn follow(conn: &mut Conn, pulse: &Weak<Pulse>) {
    let since = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = timeout(ANSWER_WAIT_MAX, conn.ping()).await;
        let Some(pulse) = pulse.upgrade() else { return };
        match answer {
            Ok(Ok(())) => pulse.set(Some(Beat { since, asked, took: asked.elapsed() })),
            _ => return,
        }
        drop(pulse);
        sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unbroken_pulse_vouches() {
        let pulse = Pulse::default();
        assert!(!pulse.vouches_for(Duration::from_secs(2)) && pulse.is_near());
        let now = Instant::now();
        let at = |seconds: u64| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let took = Duration::from_millis(500);
        pulse.set(Some(Beat { since: at(10), asked: at(1), took }));
        assert!(pulse.vouches_for(Duration::from_secs(9)) && !pulse.is_near());
        assert!(!pulse.vouches_for(Duration::from_secs(11)), "Postgres may have been away since then");
        pulse.set(Some(Beat { since: at(100), asked: at(3), took }));
        assert!(!pulse.vouches_for(Duration::from_secs(2)), "nothing was heard lately");
        pulse.set(Some(Beat { since: at(100), asked: at(0), took }));
        assert!(!pulse.vouches_for(Duration::from_secs(70)), "too long for what lies between");
    }
}
