//! How many requests may wait at a time: of one address and of one stream, as at the node that owns it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use domain::StreamId;

/// Requests of one stream that may wait at a time.
const WAITING_PER_STREAM_MAX: u32 = 50_000;
/// Requests of one address that may wait at a time: some thousand low-latency viewers, of a campus or of a proxy that does not
/// say for whom it asks, each with a playlist and a part of picture and sound.
pub(super) const WAITING_PER_ADDRESS_MAX: u32 = 4_000;

/// Why a request may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTurn {
    #[error("too many requests wait for this stream")]
    StreamFull,
    #[error("too many requests of this address wait")]
    AddressFull,
}

#[derive(Debug, Default)]
struct Counts {
    by_address: HashMap<IpAddr, u32>,
    by_stream: HashMap<StreamId, u32>,
}

/// Counts who waits.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Counts>);

/// A waiting request's place; given back when dropped, however the request ends.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    address: IpAddr,
    stream: StreamId,
}

impl Turns {
    pub(super) fn enter(&self, address: IpAddr, stream: StreamId) -> Result<Turn<'_>, NoTurn> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { by_address, by_stream } = &mut *counts;
        if by_address.get(&address).is_some_and(|count| *count >= WAITING_PER_ADDRESS_MAX) {
            return Err(NoTurn::AddressFull);
        }
        if by_stream.get(&stream).is_some_and(|count| *count >= WAITING_PER_STREAM_MAX) {
            return Err(NoTurn::StreamFull);
        }
        *by_address.entry(address).or_default() += 1;
        *by_stream.entry(stream).or_default() += 1;
        metrics::gauge!("rillcast_edge_waiting").increment(1.0);
        Ok(Turn { turns: self, address, stream })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        metrics::gauge!("rillcast_edge_waiting").decrement(1.0);
        let mut counts = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        give_back(&mut counts.by_address, self.address);
        give_back(&mut counts.by_stream, self.stream);
    }
}

fn give_back<K: std::hash::Hash + Eq + Copy>(counts: &mut HashMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_only_so_many_turns_and_they_are_given_back() {
        let turns = Turns::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let stream = StreamId::from_uuid(kit::ids::uuid());
        let held: Vec<_> =
            (0..WAITING_PER_ADDRESS_MAX).map(|_| turns.enter(one, stream).unwrap_or_else(|_| panic!("room"))).collect();
        assert_eq!(turns.enter(one, stream).err(), Some(NoTurn::AddressFull));
        assert!(turns.enter(other, stream).is_ok());
        drop(held);
        assert!(turns.enter(one, stream).is_ok());
        let counts = turns.0.lock().unwrap();
        assert!(counts.by_address.is_empty() && counts.by_stream.is_empty());
    }
}
