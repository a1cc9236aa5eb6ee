//! What is to be stored while other things are on their way shares the next write: a busy room costs the store a question for many
//! lines, a quiet one no wait at all.
//!
//! Whoever finds a writer's place free writes for all who wait. There is no task and no timer; a caller that gives up takes only its
//! own along.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::{Semaphore, oneshot};

/// Writes under way at a time.
const WRITERS: usize = 4;
/// What shares one write.
const SHARED_MAX: usize = 100;

/// Things on their way to a store, and what it says of each.
#[derive(Debug)]
pub(crate) struct Gather<T, A> {
    waiting: Mutex<Vec<(T, oneshot::Sender<A>)>>,
    places: Semaphore,
}

impl<T, A> Default for Gather<T, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), places: Semaphore::new(WRITERS) }
    }
}

impl<T, A> Gather<T, A> {
    /// Has something written, alone or with others. `write` answers as many as it is given, in their order. `None`: whoever wrote it gave
    /// up before the store had answered, and it may or may not be there.
    pub(crate) async fn write<W: Future<Output = Vec<A>>>(&self, one: T, write: impl Fn(Vec<T>) -> W) -> Option<A> {
        let (tell, mut told) = oneshot::channel();
        self.waiting().push((one, tell));
        loop {
            let place = tokio::select! {
                biased;
                answer = &mut told => return answer.ok(),
                place = self.places.acquire() => place.ok()?,
            };
            let (batch, tellers) = self.take();
            if batch.is_empty() {
                drop(place);
                // Somebody else has it already.
                return told.await.ok();
            }
            for (teller, answer) in tellers.into_iter().zip(write(batch).await) {
                let _given_up = teller.send(answer);
            }
            drop(place);
        }
    }

    /// Those that wait longest and are still waited for.
    fn take(&self) -> (Vec<T>, Vec<oneshot::Sender<A>>) {
        let mut waiting = self.waiting();
        waiting.retain(|(_, teller)| !teller.is_closed());
        let most = waiting.len().min(SHARED_MAX);
        waiting.drain(..most).unzip()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(T, oneshot::Sender<A>)>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::time::{Duration, sleep, timeout};

    use super::*;

    const SLOW: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn what_waits_shares_a_write_and_gets_its_own_answer() {
        let (gather, writes) = (Gather::default(), AtomicUsize::new(0));
        let write = async |batch: Vec<usize>| {
            writes.fetch_add(1, Ordering::Relaxed);
            assert!(batch.len() <= SHARED_MAX);
            sleep(SLOW).await;
            batch.into_iter().map(|one| one * 2).collect()
        };
        let answers = join_all((0..500).map(|one| gather.write(one, write))).await;
        assert_eq!(answers, (0..500).map(|one| Some(one * 2)).collect::<Vec<_>>());
        // Each took what was there when it began, and nothing was left to ask for.
        assert!(writes.load(Ordering::Relaxed) <= WRITERS + 500 / SHARED_MAX, "{writes:?}");
        assert_eq!(gather.waiting().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_while_a_place_is_free() {
        let gather = Gather::default();
        let slow = gather.write(1, async |batch: Vec<usize>| {
            sleep(SLOW).await;
            batch
        });
        let quick = gather.write(2, async |batch: Vec<usize>| batch);
        tokio::select! {
            biased;
            _ = slow => panic!("the second has a place of its own"),
            answer = quick => assert_eq!(answer, Some(2)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_gives_up_leaves_the_others_to_know_it() {
        let gather = Gather::default();
        let never = async |_: Vec<usize>| std::future::pending().await;
        // All places are taken, each by one that is about to give up.
        let stuck = (0..WRITERS).map(|one| timeout(SLOW, gather.write(one, never)));
        let (left, after) = tokio::join!(join_all(stuck), async {
            sleep(SLOW / 2).await;
            gather.write(9, async |batch: Vec<usize>| batch).await
        });
        assert!(left.iter().all(Result::is_err));
        assert_eq!(after, Some(9), "and their places are free again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_a_writer_that_gave_up_is_told() {
        let gather = Gather::default();
        let slow = async |batch: Vec<usize>| {
            sleep(SLOW).await;
            batch
        };
        let never = async |_: Vec<usize>| std::future::pending().await;
        // One place becomes free. The first who waits for it writes for the second too, and is gone before the store has answered.
        let held = join_all((1..WRITERS).map(|one| timeout(SLOW * 3, gather.write(one, never))));
        let leader = timeout(SLOW * 2, gather.write(7, never));
        let (_, _, leader, follower) = tokio::join!(held, gather.write(0, slow), leader, gather.write(8, slow));
        assert!(leader.is_err());
        assert_eq!(follower, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_not_written() {
        let gather = Gather::default();
        let slow = async |batch: Vec<usize>| {
            sleep(SLOW).await;
            batch
        };
        let busy = join_all((0..WRITERS).map(|one| gather.write(one, slow)));
        let (_, _, last) = tokio::join!(busy, timeout(SLOW / 2, gather.write(7, slow)), async {
            sleep(SLOW / 2).await;
            gather
                .write(8, async |batch: Vec<usize>| {
                    assert_eq!(batch, [8]);
                    batch
                })
                .await
        });
        assert_eq!(last, Some(8));
    }
}
