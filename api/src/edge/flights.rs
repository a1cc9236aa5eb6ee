//! One request for all who ask the same at the same time.
//!
//! A flight is a task of its own: whoever began it may go away, and the others still get its answer.

use std::collections::HashMap;
use std::collections::hash_map;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

type Landing<V> = watch::Receiver<Option<V>>;

/// Requests under way, by what they ask.
pub(super) struct Flights<K, V> {
    under_way: Arc<Mutex<HashMap<K, Landing<V>>>>,
    tasks: TaskTracker,
    max: usize,
}

/// What there is to do for somebody who asks.
pub(super) enum Boarding<V> {
    /// It is here already.
    Here(V),
    /// It is on its way. `is_first`: because of this request.
    Wait { landing: Waiting<V>, is_first: bool },
    /// Too many are under way.
    Full,
}

/// An answer that is on its way.
pub(super) struct Waiting<V>(Landing<V>);

impl<V: Clone> Waiting<V> {
    /// `None`: the flight crashed.
    pub(super) async fn landed(mut self) -> Option<V> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// Takes a flight off the board however it ends.
struct OnBoard<K: Hash + Eq, V> {
    under_way: Arc<Mutex<HashMap<K, Landing<V>>>>,
    key: K,
}

impl<K: Hash + Eq, V> Drop for OnBoard<K, V> {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Hash + Eq + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(max: usize) -> Self {
        Self { under_way: Arc::default(), tasks: TaskTracker::new(), max }
    }

    /// Joins the flight for `key`, or begins it with `fly`. What `known` finds is taken instead: it is asked again after the last
    /// flight has landed, so that none is flown twice. `fly` must keep its answer where `known` looks before it returns.
    pub(super) fn board<F>(&self, key: &K, known: impl Fn() -> Option<V>, fly: impl FnOnce() -> F) -> Boarding<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = under_way.get(key) {
            return Boarding::Wait { landing: Waiting(landing.clone()), is_first: false };
        }
        if let Some(value) = known() {
            return Boarding::Here(value);
        }
        if under_way.len() >= self.max {
            return Boarding::Full;
        }
        let (land, landing) = watch::channel(None);
        let hash_map::Entry::Vacant(place) = under_way.entry(key.clone()) else { return Boarding::Full };
        place.insert(landing.clone());
        drop(under_way);
        let on_board = OnBoard { under_way: Arc::clone(&self.under_way), key: key.clone() };
        let flight = fly();
        self.tasks.spawn(async move {
            let answer = flight.await;
            // Off the board first: whoever comes now finds what was kept.
            drop(on_board);
            land.send_replace(Some(answer));
        });
        Boarding::Wait { landing: Waiting(landing), is_first: true }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.under_way.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn board(flights: &Flights<u8, u8>, key: u8, flown: &Arc<AtomicUsize>) -> Boarding<u8> {
        let flown = Arc::clone(flown);
        flights.board(
            &key,
            || None,
            move || async move {
                flown.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert_ne!(key, 99, "a bug");
                key
            },
        )
    }

    #[tokio::test(start_paused = true)]
    async fn many_ask_and_one_flies_also_when_the_first_goes_away() {
        let (flights, flown) = (Flights::new(10), Arc::default());
        let Boarding::Wait { landing, is_first: true } = board(&flights, 7, &flown) else { panic!("it begins") };
        drop(landing);
        let mut others = Vec::new();
        for _other in 0..1_000 {
            let Boarding::Wait { landing, is_first: false } = board(&flights, 7, &flown) else { panic!("they join") };
            others.push(landing);
        }
        for other in others {
            assert_eq!(other.landed().await, Some(7));
        }
        assert_eq!((flown.load(Ordering::SeqCst), flights.count()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_tells_all_who_wait_and_leaves_nothing_behind() {
        let (flights, flown) = (Flights::new(10), Arc::default());
        let Boarding::Wait { landing, .. } = board(&flights, 99, &flown) else { panic!("it begins") };
        assert_eq!(landing.landed().await, None);
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_under_way_and_what_is_kept_needs_none() {
        let (flights, flown) = (Flights::new(1), Arc::default());
        let Boarding::Wait { landing, .. } = board(&flights, 1, &flown) else { panic!("it begins") };
        assert!(matches!(board(&flights, 2, &flown), Boarding::Full));
        let kept = flights.board(&2, || Some(5), || async { unreachable!("it is kept") });
        assert!(matches!(kept, Boarding::Here(5)));
        assert_eq!(landing.landed().await, Some(1));
        assert!(matches!(board(&flights, 2, &flown), Boarding::Wait { is_first: true, .. }));
    }
}
