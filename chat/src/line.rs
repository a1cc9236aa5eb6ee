//! One client's connection: how many an address may have, how it is cut, and what can be written to it directly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::wire::Wire;

/// Counts connections by address, and as how many viewers they count.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    viewers_max: usize,
    taken: Mutex<HashMap<String, Behind>>,
}

/// What is behind one address.
#[derive(Debug, Default)]
struct Behind {
    connections: usize,
    /// Viewers, and how many connections count as each.
    viewers: Vec<(Arc<str>, usize)>,
}

impl Behind {
    fn release(&mut self, viewer: &str) {
        if let Some(at) = self.viewers.iter().position(|(known, _)| **known == *viewer) {
            self.viewers[at].1 -= 1;
            if self.viewers[at].1 == 0 {
                self.viewers.swap_remove(at);
            }
        }
    }
}

impl Slots {
    /// `max` connections of an address, which count as `viewers_max` viewers at most.
    pub(crate) fn new(max: usize, viewers_max: usize) -> Arc<Self> {
        Arc::new(Self { max, viewers_max: viewers_max.max(1), taken: Mutex::default() })
    }

    /// One more connection of `key`, or `None` when it has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, key: String) -> Option<Slot> {
        let mut taken = self.taken();
        let behind = taken.entry(key.clone()).or_default();
        if behind.connections >= self.max {
            return None;
        }
        behind.connections += 1;
        Some(Slot { slots: Arc::clone(self), key, viewer: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, Behind>> {
        self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    key: String,
    viewer: Mutex<Option<Arc<str>>>,
}

impl Slot {
    /// As which viewer this connection counts: the one it says it is, or one that counts already when its address has as many as
    /// it may. Ids are cheap to invent, addresses are not.
    fn viewer(&self, wanted: &str) -> Arc<str> {
        let mut mine = self.viewer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut taken = self.slots.taken();
        let behind = taken.entry(self.key.clone()).or_default();
        if let Some(before) = mine.take() {
            behind.release(&before);
        }
        let known = behind.viewers.iter().position(|(known, _)| **known == *wanted);
        let at = match known {
            Some(at) => at,
            None if behind.viewers.len() < self.slots.viewers_max => {
                behind.viewers.push((wanted.into(), 0));
                behind.viewers.len() - 1
            }
            None => 0,
        };
        behind.viewers[at].1 += 1;
        let viewer = Arc::clone(&behind.viewers[at].0);
        *mine = Some(Arc::clone(&viewer));
        viewer
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mine = self.viewer.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let mut taken = self.slots.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(behind) = taken.get_mut(&self.key) {
            if let Some(viewer) = mine {
                behind.release(&viewer);
            }
            behind.connections -= 1;
            if behind.connections == 0 {
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
    slot: Slot,
}

impl Line {
    pub(crate) fn new(slot: Slot) -> Arc<Self> {
        let (wire, has_spoken) = (OnceLock::new(), AtomicBool::new(false));
        Arc::new(Self { cut: CancellationToken::new(), wire, has_spoken, slot })
    }

    /// As which viewer it counts, who says it is `wanted`.
    pub(crate) fn viewer(&self, wanted: &str) -> Arc<str> {
        self.slot.viewer(wanted)
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
        let slots = Slots::new(2, 2);
        let first = slots.take("a".to_owned()).unwrap();
        let _second = slots.take("a".to_owned()).unwrap();
        assert!(slots.take("a".to_owned()).is_none());
        assert!(slots.take("b".to_owned()).is_some());
        drop(first);
        assert!(slots.take("a".to_owned()).is_some());
    }

    #[test]
    fn ids_invented_behind_one_address_count_as_its_share() {
        let slots = Slots::new(10, 2);
        let here: Vec<_> = (0..10).map(|_| slots.take("a".to_owned()).unwrap()).collect();
        let counted = |slots: &[Slot]| {
            slots.iter().enumerate().map(|(n, slot)| slot.viewer(&format!("v{n}"))).collect::<Vec<_>>()
        };
        assert_eq!(counted(&here), ["v0", "v1", "v0", "v0", "v0", "v0", "v0", "v0", "v0", "v0"].map(Arc::from));
        assert_eq!(*slots.take("b".to_owned()).unwrap().viewer("v9"), *"v9", "another address has a share of its own");
        assert_eq!(*here[9].viewer("v1"), *"v1", "who counts already goes on to");
        drop(here);
        assert!(slots.taken().is_empty());
        let [one, other, third] = [0; 3].map(|_| slots.take("a".to_owned()).unwrap());
        assert_eq!([&*one.viewer("x"), &*other.viewer("y"), &*third.viewer("z")], ["x", "y", "x"]);
        drop(other);
        assert_eq!(*third.viewer("z"), *"z", "a place is free again when its viewer is gone");
    }
}
