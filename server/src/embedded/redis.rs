//! A private Redis on a Unix socket.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use kit::{Secret, config::RedisConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::postgres::socket_dir;
use super::service::{Account, Service};

const START_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long the server of an earlier run may take to go.
const EARLIER_END_WAIT_MAX: Duration = Duration::from_secs(10);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Starts Redis and puts its address into the configuration.
pub async fn start(data_dir: &Path, config: &mut RedisConfig) -> anyhow::Result<(Service, Child)> {
    let program = super::postgres::find_program("redis-server", &[])
        .context("redis-server is not installed; install the package redis-server or set redis.url")?;
    let account = Account::for_service(&["redis", "postgres", "nobody"])?;
    let dir = data_dir.join("redis");
    std::fs::create_dir_all(&dir)?;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
    account.own(&dir)?;
    for entry in walk(&dir)? {
        account.own(&entry)?;
    }
    let dir = super::postgres::reachable(&dir, account, data_dir)?;
    let run = socket_dir(data_dir, "redis", account)?;
    end_earlier(&run).await?;
    let socket = run.join("redis.sock");
    let _stale = std::fs::remove_file(&socket);
    let arguments: &[(&str, &str)] = &[
        ("--port", "0"),
        ("--unixsocket", &socket.display().to_string()),
        ("--unixsocketperm", "700"),
        ("--dir", &dir.display().to_string()),
        ("--appendonly", "yes"),
        ("--appendfsync", "everysec"),
        ("--save", ""),
        ("--daemonize", "no"),
        ("--maxmemory-policy", "noeviction"),
    ];
    let mut command = vec![program.display().to_string()];
    command.extend(arguments.iter().flat_map(|(key, value)| [(*key).to_owned(), (*value).to_owned()]));
    let service =
        Service { name: "redis", account, command, end_signal: Signal::SIGTERM, log: data_dir.join("redis.log") };
    let mut child = service.spawn()?;
    config.url = Secret::new(format!("redis+unix://{}", socket.display()));
    std::fs::write(data_dir.join("redis-socket"), socket.as_os_str().as_encoded_bytes())?;
    let live = live::Live::new(config)?;
    let until = Instant::now() + START_WAIT_MAX;
    loop {
        if live.ping().await.is_ok() {
            return Ok((service, child));
        }
        if let Some(status) = child.try_wait()? {
            bail!("redis-server ended with {status}:\n{}", service.log_tail());
        }
        if Instant::now() > until {
            bail!("redis-server does not answer; its log is {}", service.log.display());
        }
        sleep(POLL_EVERY).await;
    }
}

/// Ends and waits for the server an earlier process left on this socket: on its way out it would remove the new one's.
async fn end_earlier(run: &Path) -> anyhow::Result<()> {
    let until = Instant::now() + EARLIER_END_WAIT_MAX;
    loop {
        let left = holders_of(run);
        if left.is_empty() {
            return Ok(());
        }
        for pid in &left {
            let _gone = kill(Pid::from_raw(*pid), Signal::SIGTERM);
        }
        if Instant::now() > until {
            bail!("an earlier redis-server (process {}) still runs on {}", left[0], run.display());
        }
        sleep(POLL_EVERY).await;
    }
}

/// Processes whose command line names the socket's folder. Redis shows its socket there.
fn holders_of(run: &Path) -> Vec<i32> {
    let wanted = run.display().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let command = std::fs::read(entry.path().join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            (command.contains("redis-server") && command.contains(&wanted)).then_some(pid)
        })
        .collect()
}

/// The socket of the Redis that a running `up` keeps on this data folder.
pub fn socket(data_dir: &Path) -> Option<std::path::PathBuf> {
    let path = std::fs::read_to_string(data_dir.join("redis-socket")).ok()?;
    Some(path.into()).filter(|path: &std::path::PathBuf| path.exists())
}

/// Everything below a folder: an earlier run under another user may have left files.
fn walk(dir: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    Ok(found)
}
