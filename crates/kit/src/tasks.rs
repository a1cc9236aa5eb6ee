//! One owner for every long-lived task of a process.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, error, info, info_span, warn};

use crate::Stop;

/// Named tasks that live and stop together.
///
/// A task that returns before the stop has failed, whatever it returned: a service half of whose parts are gone is
/// worse than one that restarts.
pub struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: HashMap<task::Id, &'static str>,
    stop: Stop,
    grace: Duration,
}

impl Tasks {
    /// `grace` is how long tasks may take to drain once the stop was given.
    pub fn new(grace: Duration) -> Self {
        Self { set: JoinSet::new(), names: HashMap::new(), stop: Stop::new(), grace }
    }

    /// The token that tells tasks to stop.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    pub fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task.instrument(info_span!("task", task.name = name));
        let id = self.set.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Runs until a signal or a failure, then drains. `main` returns what this returns. A second signal cuts the grace.
    pub async fn run(mut self) -> ExitCode {
        let failed = tokio::select! {
            name = shutdown_signal() => {
                info!(signal = name, "stopping");
                false
            }
            Some(ended) = self.set.join_next_with_id() => {
                self.report(ended);
                true
            }
        };
        let drained = self.drain().await;
        if failed || !drained { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Gives the stop and waits out the grace. True when every task ended by itself.
    pub async fn drain(&mut self) -> bool {
        self.stop.cancel();
        let drained = timeout(self.grace, async {
            while let Some(ended) = self.set.join_next_with_id().await {
                self.report(ended);
            }
        });
        let hard = tokio::select! {
            drained = drained => drained.is_err(),
            _ = shutdown_signal() => true,
        };
        if hard {
            let left: Vec<_> = self.names.values().copied().collect();
            warn!(grace_ms = self.grace.as_millis(), ?left, "grace is over");
            self.set.shutdown().await;
        }
        !hard
    }

    fn report(&mut self, ended: Result<(task::Id, anyhow::Result<()>), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.remove(&id).unwrap_or("unnamed");
        match ended {
            Ok((_, Ok(()))) if self.stop.is_cancelled() => info!(task.name = name, "task ended"),
            Ok((_, Ok(()))) => error!(task.name = name, "task ended before the stop"),
            Ok((_, Err(error))) => error!(task.name = name, error = format!("{error:#}"), "task failed"),
            Err(error) => error!(task.name = name, %error, "task panicked or was aborted"),
        }
    }
}

/// Resolves with the signal's name on SIGTERM or SIGINT.
pub async fn shutdown_signal() -> &'static str {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_before_the_stop_fails_the_process() {
        let mut tasks = Tasks::new(Duration::from_secs(1));
        tasks.spawn("early", async { Ok(()) });
        assert_eq!(format!("{:?}", tasks.run().await), format!("{:?}", ExitCode::FAILURE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_the_stop_is_cut_after_the_grace() {
        let mut tasks = Tasks::new(Duration::from_secs(1));
        tasks.spawn("deaf", std::future::pending());
        assert!(!tasks.drain().await);
    }

    #[tokio::test]
    async fn tasks_that_heed_the_stop_drain_cleanly() {
        let mut tasks = Tasks::new(Duration::from_secs(1));
        let stop = tasks.stop();
        tasks.spawn("good", async move {
            stop.cancelled().await;
            Ok(())
        });
        assert!(tasks.drain().await);
    }
}
