//! Telling a room. In a small one everything is said at once; in a large one what is said within a moment goes to each socket
//! in one write, which is most of what saying it costs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::user::Username;
use kit::Stop;
use live::fanout::Target;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits::{SAYING_WAIT_MAX, SAYING_WAIT_PER_SOCKET};
use crate::registry::Registry;
use crate::saying::Saying;

/// What a large room is to hear next, and not before when.
struct Held {
    due: Instant,
    saying: Saying,
}

pub(crate) struct Speaker {
    registry: Arc<Registry>,
    held: Mutex<HashMap<Username, Held>>,
    has_more: Notify,
}

impl Speaker {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, held: Mutex::default(), has_more: Notify::new() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Username, Held>> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Tells everybody who is meant, at once or, in a large room that was told something a moment ago, soon.
    pub(crate) fn say(&self, target: &Target, event: &str, payload: &RawValue) {
        if let Target::Channel(name) = target
            && self.is_held(name, event, payload)
        {
            return;
        }
        let mut saying = Saying::default();
        saying.push(event, payload);
        self.registry.tell(target, &saying);
    }

    fn is_held(&self, name: &Username, event: &str, payload: &RawValue) -> bool {
        let wait = self.wait(name);
        let mut held = self.held();
        if wait.is_zero() && !held.contains_key(name) {
            return false;
        }
        let now = Instant::now();
        match held.get_mut(name) {
            Some(room) if room.due > now || !room.saying.is_empty() => {
                room.saying.push(event, payload);
                self.has_more.notify_one();
                true
            }
            Some(room) => {
                room.due = now + wait;
                false
            }
            None => {
                held.insert(name.clone(), Held { due: now + wait, saying: Saying::default() });
                self.has_more.notify_one();
                false
            }
        }
    }

    /// How long a room of this size is left alone after it was told something.
    fn wait(&self, name: &Username) -> Duration {
        let sockets = u32::try_from(self.registry.sockets_in(name)).unwrap_or(u32::MAX);
        let wait = SAYING_WAIT_PER_SOCKET.saturating_mul(sockets).min(SAYING_WAIT_MAX);
        if wait < Duration::from_millis(1) { Duration::ZERO } else { wait }
    }

    /// Says what is due, and tells when something is next.
    fn say_due(&self, now: Instant) -> Option<Instant> {
        let mut due = Vec::new();
        {
            let mut held = self.held();
            held.retain(|name, room| {
                if room.due > now {
                    return true;
                }
                if room.saying.is_empty() {
                    return false;
                }
                due.push((name.clone(), std::mem::take(&mut room.saying)));
                room.due = now + self.wait(name);
                true
            });
        }
        for (name, saying) in due {
            self.registry.tell(&Target::Channel(name), &saying);
        }
        self.held().values().map(|room| room.due).min()
    }

    /// Says what was held, until the stop.
    pub(crate) async fn run(self: Arc<Self>, stop: Stop) -> anyhow::Result<()> {
        let mut next = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.has_more.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
            next = self.say_due(Instant::now());
        }
    }
}
