//! Threads that only move media.
//!
//! A publisher's frames pass through several tasks within a moment. On the runtime everything else runs on, each hand-over may
//! wake another thread, which costs more than what the thread then does; and a task that computes for long delays frames. On a
//! lane the tasks of a stream follow each other on one thread, which wakes once per beat for all its streams. What a lane runs
//! must never block and never compute for long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// All lanes of a process. Cheap to clone; they end with the last clone, and whatever still runs on them with it.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lanes: Vec<Lane>,
    next: AtomicUsize,
    /// Each thread waits for the end of its sender.
    _threads: Vec<oneshot::Sender<()>>,
}

/// One lane.
#[derive(Debug, Clone)]
pub struct Lane(Handle);

impl Lanes {
    /// A lane for every two processors.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2));
        let (mut lanes, mut threads) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (stop, stopped) = oneshot::channel::<()>();
            lanes.push(Lane(runtime.handle().clone()));
            threads.push(stop);
            std::thread::Builder::new().name(format!("media-{number}")).spawn(move || {
                // An error is the only answer: nobody ever sends.
                let _ = runtime.block_on(stopped);
            })?;
        }
        Ok(Self(Arc::new(Inner { lanes, next: AtomicUsize::new(0), _threads: threads })))
    }

    /// No threads of their own: everything runs where the caller runs.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn here() -> Self {
        Self(Arc::new(Inner { lanes: vec![Lane::here()], next: AtomicUsize::new(0), _threads: Vec::new() }))
    }

    /// A lane for a new stream.
    pub fn pick(&self) -> Lane {
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.lanes[turn % self.0.lanes.len()].clone()
    }
}

impl Lane {
    /// The lane, or other runtime, that the caller runs on.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn here() -> Self {
        Self(Handle::current())
    }

    pub fn handle(&self) -> &Handle {
        &self.0
    }

    /// Runs `work` on the lane and waits for it; it is given up when the caller is. `None` when it panicked or the lane is gone.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut one = JoinSet::new();
        one.spawn_on(work, &self.0);
        one.join_next().await?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn work_runs_on_the_lanes_thread_and_comes_back() {
        let lanes = Lanes::start().expect("a thread");
        let lane = lanes.pick();
        let name = lane.run(async { std::thread::current().name().map(str::to_owned) }).await.flatten();
        assert!(name.is_some_and(|name| name.starts_with("media-")), "it is the lane's thread");
        let timed = lane.run(async { tokio::time::sleep(Duration::from_millis(5)).await }).await;
        assert_eq!(timed, Some(()), "a lane has a clock");
    }

    #[tokio::test]
    async fn work_nobody_waits_for_is_given_up() {
        let lanes = Lanes::start().expect("a thread");
        let (held, released) = oneshot::channel::<()>();
        let lane = lanes.pick();
        let work = lane.run(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), work).await.is_err());
        let given_up = tokio::time::timeout(Duration::from_secs(5), released).await;
        assert!(given_up.expect("soon").is_err(), "its end of the channel was dropped");
    }
}
