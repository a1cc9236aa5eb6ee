//! The recorder's tasks under one owner: they start together, and at the stop drain what can be drained.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use kit::Stop;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::commit::{self, Commit, Committer};
use super::handle::Shared;
use super::sweep::Sweeper;
use super::upload::{UPLOADS_IN_FLIGHT, Uploader};
use super::writer::{Command, Writer};

/// From the stop until the streams have closed their recordings and those are stored. What is left waits on disk.
const DRAIN_MAX: Duration = Duration::from_secs(7);
/// A look this often whether everything is stored.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// Nothing may have begun to close when the stop comes; the first look waits this long.
const DRAIN_FIRST: Duration = Duration::from_millis(100);
const WRITER_END_MAX: Duration = Duration::from_secs(1);

/// Does a recorder's work until the stop.
pub struct RecorderTask {
    shared: Arc<Shared>,
}

impl RecorderTask {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs until the stop, then goes on until running streams have closed their recordings and those are stored, at most
    /// seven seconds. Fails when the spool cannot be used.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let Self { shared } = self;
        let halt = Stop::new();
        let _writer_guard = WriterGuard(shared.clone());
        let mut tasks: JoinSet<(&'static str, anyhow::Result<()>)> = JoinSet::new();
        let writer = Writer::new(shared.clone());
        tasks.spawn_blocking(move || ("writer", writer.run().context("the spool folder cannot be used")));
        let (commits, confirmed) = mpsc::channel::<Commit>(commit::QUEUE_LEN);
        for _ in 0..UPLOADS_IN_FLIGHT {
            let uploader = Uploader { shared: shared.clone(), commits: commits.clone() };
            let halt = halt.clone();
            tasks.spawn(async move {
                uploader.run(halt).await;
                ("uploader", Ok(()))
            });
        }
        let committer = Committer { shared: shared.clone(), queue: confirmed };
        let sweeper = Sweeper::new(shared.clone());
        let (halt_committer, halt_sweeper) = (halt.clone(), halt.clone());
        tasks.spawn(async move {
            committer.run(halt_committer).await;
            ("committer", Ok(()))
        });
        tasks.spawn(async move {
            sweeper.run(halt_sweeper).await;
            ("sweeper", Ok(()))
        });

        let early = tokio::select! {
            () = drain(&shared, &stop) => None,
            ended = tasks.join_next() => ended,
        };
        halt.cancel();
        let told = timeout(WRITER_END_MAX, shared.commands.send(Command::Stop)).await;
        if told.is_err() {
            tracing::warn!("the spool's writer did not take the stop");
        }
        let ended = timeout(WRITER_END_MAX, async { while tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("the recorder's tasks did not end in time");
        }
        match early {
            None => Ok(()),
            Some(Ok((name, Ok(())))) => bail!("the recorder's {name} ended before the stop"),
            Some(Ok((name, Err(error)))) => Err(error.context(format!("the recorder's {name} failed"))),
            Some(Err(error)) => Err(error).context("a task of the recorder panicked"),
        }
    }
}

/// Ends the writer's thread also when the task is cut off: a thread cannot be aborted, and would keep the process.
struct WriterGuard(Arc<Shared>);

impl Drop for WriterGuard {
    fn drop(&mut self) {
        self.0.is_halted.store(true, Ordering::SeqCst);
        // A full queue wakes the writer anyway, and it looks at the flag.
        let _full = self.0.commands.try_send(Command::Stop);
    }
}

/// Returns after the stop, once nothing is open or waiting, or when the time for that is over.
async fn drain(shared: &Shared, stop: &Stop) {
    stop.cancelled().await;
    let until = Instant::now() + DRAIN_MAX;
    sleep(DRAIN_FIRST).await;
    while Instant::now() < until && !shared.backlog.is_quiet() {
        sleep(DRAIN_LOOK).await;
    }
    let waiting = shared.backlog.waiting();
    if waiting > 0 {
        tracing::warn!(waiting, "segments wait on disk for the next start");
    }
}
