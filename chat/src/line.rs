//! One client's connection: how many an address may have, how it is cut, and what can be written to it directly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::wire::Wire;

/// Counts connections by address.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    taken: Mutex<HashMap<String, usize>>,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// One more connection of `key`, or `None` when it has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, key: String) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Slot { slots: Arc::clone(self), key })
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    key: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// What a socket and its connection share. Lives as long as either.
#[derive(Debug)]
pub(crate) struct Line {
    cut: CancellationToken,
    /// The connection, when it was a WebSocket from its first byte on. One that began by polling is the library's alone:
    /// packets that wait there from before would come after those written directly.
    wire: OnceLock<Weak<Wire>>,
    has_spoken: AtomicBool,
    _slot: Slot,
}

impl Line {
    pub(crate) fn new(slot: Slot) -> Arc<Self> {
        let (wire, has_spoken) = (OnceLock::new(), AtomicBool::new(false));
        Arc::new(Self { cut: CancellationToken::new(), wire, has_spoken, _slot: slot })
    }

    /// Ends the connection now, whatever it is waiting for.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    pub(crate) fn cancelled(&self) -> WaitForCancellationFutureOwned {
        self.cut.clone().cancelled_owned()
    }

    pub(crate) fn set_wire(&self, wire: &Arc<Wire>) {
        let _only_once = self.wire.set(Arc::downgrade(wire));
    }

    /// The client has sent an event, so it has read that it is connected.
    pub(crate) fn set_spoken(&self) {
        self.has_spoken.store(true, Ordering::Release);
    }

    /// What may be written to directly. Until the client has spoken the library's greeting may still be on its way.
    pub(crate) fn wire(&self) -> Option<&Weak<Wire>> {
        self.wire.get().filter(|_| self.has_spoken.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_slots_back() {
        let slots = Slots::new(2);
        let first = slots.take("a".to_owned()).unwrap();
        let _second = slots.take("a".to_owned()).unwrap();
        assert!(slots.take("a".to_owned()).is_none());
        assert!(slots.take("b".to_owned()).is_some());
        drop(first);
        assert!(slots.take("a".to_owned()).is_some());
    }
}
