//! A supervised child process: started, watched, started again, stopped with a signal.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use kit::Stop;
use kit::retry::Backoff;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How long a service may take to end after its signal.
const END_WAIT_MAX: Duration = Duration::from_secs(3);
/// More deaths than this within [`DEATHS_WINDOW`] and the site gives up.
const DEATHS_MAX: usize = 5;
const DEATHS_WINDOW: Duration = Duration::from_secs(60);

/// The user a service runs as. Root never runs one: it becomes the first of some system users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// The current user, or for root the first of `names` that exists.
    pub fn for_service(names: &[&str]) -> anyhow::Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self { uid: 0, gid: 0 });
        }
        names
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
            .with_context(|| format!("there is no system user {}; install the service's package", names.join(" or ")))
    }

    /// Gives a path to the account, when we are root.
    pub fn own(&self, path: &Path) -> anyhow::Result<()> {
        if self.uid != 0 {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
                .with_context(|| format!("cannot give {} to the service's user", path.display()))?;
        }
        Ok(())
    }
}

/// What to run and how to end it.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: &'static str,
    pub account: Account,
    pub command: Vec<String>,
    /// Ends the service in order; also sent when this process dies.
    pub end_signal: Signal,
    pub log: PathBuf,
}

impl Service {
    pub fn spawn(&self) -> anyhow::Result<Child> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        Command::new(std::env::current_exe()?)
            .arg("service-child")
            .args(["--uid", &self.account.uid.to_string(), "--gid", &self.account.gid.to_string()])
            .args(["--death-signal", &(self.end_signal as i32).to_string(), "--"])
            .args(&self.command)
            // Its own group: a Ctrl-C at the terminal is ours to pass on, after the streams are closed.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.command[0]))
    }

    /// Keeps the service running until the stop, then ends it.
    pub async fn supervise(self, mut child: Child, stop: Stop) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut deaths: Vec<Instant> = Vec::new();
        loop {
            let status = tokio::select! {
                status = child.wait() => status?,
                () = stop.cancelled() => return self.end(child).await,
            };
            let now = Instant::now();
            deaths.retain(|death| now.duration_since(*death) < DEATHS_WINDOW);
            deaths.push(now);
            if deaths.len() > DEATHS_MAX {
                bail!("{} died {} times within a minute; its log is {}", self.name, deaths.len(), self.log.display());
            }
            tracing::error!(service = self.name, %status, "an embedded service died; starting it again");
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = stop.cancelled() => return Ok(()),
            }
            child = self.spawn()?;
        }
    }

    async fn end(&self, mut child: Child) -> anyhow::Result<()> {
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _already_gone = kill(Pid::from_raw(pid), self.end_signal);
        }
        if timeout(END_WAIT_MAX, child.wait()).await.is_err() {
            tracing::warn!(service = self.name, "did not end in time; killing it");
            child.kill().await?;
        }
        Ok(())
    }

    /// The tail of the log, for the message when a start fails.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}
