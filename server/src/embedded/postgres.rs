//! A private Postgres: the system's binaries on a cluster of our own, reachable through a Unix socket.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use kit::Secret;
use kit::config::DatabaseConfig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::service::{Account, Service};

const START_WAIT_MAX: Duration = Duration::from_secs(60);
const INIT_WAIT_MAX: Duration = Duration::from_secs(120);
/// How long the postmaster of an earlier run may take to go.
const EARLIER_END_WAIT_MAX: Duration = Duration::from_secs(15);
const POLL_EVERY: Duration = Duration::from_millis(30);
/// A Unix socket's path may have 107 bytes; Postgres appends its own name.
const SOCKET_DIR_BYTES_MAX: usize = 85;
const USER: &str = "rillcast";

/// Starts Postgres and puts its address into the configuration.
pub async fn start(data_dir: &Path, config: &mut DatabaseConfig) -> anyhow::Result<(Service, Child)> {
    let account = Account::for_service(&["postgres"])?;
    let home = data_dir.join("postgres");
    fs::create_dir_all(&home)?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
    account.own(&home)?;
    let home = reachable(&home, account, data_dir)?;
    let cluster = home.join("cluster");
    let bin = binaries(&cluster)?;
    let password = crate::node::read_or_create(&data_dir.join("postgres-password"), kit::ids::random_token::<24>)?;
    if !cluster.join("PG_VERSION").exists() {
        initialise(&bin, &home, &cluster, account, &password).await?;
    }
    end_earlier(&cluster).await?;
    let run = socket_dir(data_dir, "postgres", account)?;
    let settings = [
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", run.display()),
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={}", config.connections_max.saturating_mul(2) + 20),
        "shared_buffers=64MB".to_owned(),
        "jit=off".to_owned(),
        "log_min_messages=warning".to_owned(),
    ];
    let mut command = vec![bin.join("postgres").display().to_string(), "-D".into(), cluster.display().to_string()];
    command.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    let log = data_dir.join("postgres.log");
    // SIGINT is Postgres's fast shutdown: it ends transactions and writes everything down.
    let service = Service { name: "postgres", account, command, end_signal: Signal::SIGINT, log };
    let child = service.spawn()?;
    let maintenance = url(&password, "postgres", &run);
    let child = wait_until_up(&service, child, &maintenance).await?;
    db::pool::ensure_database(&maintenance, USER).await?;
    config.url = url(&password, USER, &run);
    fs::write(data_dir.join("postgres-socket"), run.as_os_str().as_encoded_bytes())?;
    Ok((service, child))
}

fn url(password: &str, database: &str, run: &Path) -> Secret {
    Secret::new(format!("postgres://{USER}:{password}@localhost/{database}?host={}", run.display()))
}

/// The address of the Postgres that a running `up` keeps on this data folder.
pub fn running_url(data_dir: &Path) -> Option<Secret> {
    let password = fs::read_to_string(data_dir.join("postgres-password")).ok()?;
    let run = PathBuf::from(fs::read_to_string(data_dir.join("postgres-socket")).ok()?);
    let is_up = std::os::unix::net::UnixStream::connect(run.join(".s.PGSQL.5432")).is_ok();
    is_up.then(|| url(password.trim(), USER, &run))
}

async fn wait_until_up(service: &Service, mut child: Child, url: &Secret) -> anyhow::Result<Child> {
    let probe = db::pool::connect(&DatabaseConfig { url: url.clone(), connections_max: 1 })?;
    let until = Instant::now() + START_WAIT_MAX;
    loop {
        if db::pool::ping(&probe).await.is_ok() {
            return Ok(child);
        }
        if let Some(status) = child.try_wait()? {
            bail!("postgres ended with {status}:\n{}", service.log_tail());
        }
        if Instant::now() > until {
            bail!("postgres does not answer; its log is {}", service.log.display());
        }
        sleep(POLL_EVERY).await;
    }
}

/// The folder of Postgres's programs: of the version that made the cluster, or the newest.
pub fn binaries(cluster: &Path) -> anyhow::Result<PathBuf> {
    let mut versions = installed();
    versions.sort_by_key(|(major, _)| *major);
    let made_by = fs::read_to_string(cluster.join("PG_VERSION")).ok();
    let Some(made_by) = made_by.and_then(|text| text.trim().parse::<u32>().ok()) else {
        return versions
            .pop()
            .map(|(_, bin)| bin)
            .context("Postgres is not installed; install the package postgresql or set database.url");
    };
    versions.iter().find(|(major, _)| *major == made_by).map(|(_, bin)| bin.clone()).with_context(|| {
        let have: Vec<String> = versions.iter().map(|(major, _)| major.to_string()).collect();
        format!(
            "the data folder was made by Postgres {made_by}, installed is {}; install postgresql-{made_by} or upgrade {} with pg_upgrade",
            if have.is_empty() { "none".to_owned() } else { have.join(", ") },
            cluster.display(),
        )
    })
}

fn installed() -> Vec<(u32, PathBuf)> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().filter_map(|entry| {
        let major = entry.file_name().to_str()?.parse().ok()?;
        let bin = entry.path().join("bin");
        bin.join("postgres").exists().then_some((major, bin))
    });
    let mut found: Vec<_> = debian.collect();
    if found.is_empty()
        && let Some(program) = find_program("postgres", &["/usr/local/pgsql/bin"])
        && let Ok(output) = std::process::Command::new(&program).arg("--version").output()
    {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let major = text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok());
        if let (Some(major), Some(bin)) = (major, program.parent()) {
            found.push((major, bin.to_owned()));
        }
    }
    found
}

/// A program on the search path or in one of the given folders.
pub fn find_program(name: &str, more: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/sbin", "/usr/local/bin"].into_iter().map(PathBuf::from))
        .chain(more.iter().map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

async fn initialise(bin: &Path, home: &Path, cluster: &Path, account: Account, password: &str) -> anyhow::Result<()> {
    // A cluster that was only half made has no version file yet; it holds nothing.
    if cluster.exists() {
        fs::remove_dir_all(cluster)?;
    }
    let pwfile = home.join("initial-password");
    fs::write(&pwfile, password)?;
    fs::set_permissions(&pwfile, fs::Permissions::from_mode(0o600))?;
    account.own(&pwfile)?;
    let run = Command::new(std::env::current_exe()?)
        .arg("service-child")
        .args(["--uid", &account.uid.to_string(), "--gid", &account.gid.to_string()])
        .args(["--death-signal", &(Signal::SIGKILL as i32).to_string(), "--"])
        .arg(bin.join("initdb"))
        .arg("-D")
        .arg(cluster)
        .args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--pwfile"])
        .arg(&pwfile)
        .current_dir("/")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(INIT_WAIT_MAX, run).await.context("initdb did not end")??;
    fs::remove_file(&pwfile)?;
    if !output.status.success() {
        bail!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Waits for, and if need be ends, the postmaster an earlier process left on this cluster.
async fn end_earlier(cluster: &Path) -> anyhow::Result<()> {
    let pidfile = cluster.join("postmaster.pid");
    let until = Instant::now() + EARLIER_END_WAIT_MAX;
    loop {
        let Some(pid) = fs::read_to_string(&pidfile).ok().and_then(|text| text.lines().next()?.parse::<i32>().ok())
        else {
            return Ok(());
        };
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !command.contains(&*cluster.to_string_lossy()) {
            // The number belongs to nobody or to somebody else: the file is a leftover, which Postgres handles.
            return Ok(());
        }
        let _gone = kill(Pid::from_raw(pid), Signal::SIGINT);
        if Instant::now() > until {
            bail!("an earlier Postgres (process {pid}) still runs on {}", cluster.display());
        }
        sleep(POLL_EVERY).await;
    }
}

/// The same folder, or one elsewhere if the account cannot get to it: root's own home, for instance, is closed to the
/// user Postgres must run as.
pub fn reachable(dir: &Path, account: Account, data_dir: &Path) -> anyhow::Result<PathBuf> {
    if account.uid == 0 {
        return Ok(dir.to_owned());
    }
    // The data folder is ours: letting others pass through it shows them nothing.
    let mode = fs::metadata(data_dir)?.permissions().mode();
    if mode & 0o011 != 0o011 {
        fs::set_permissions(data_dir, fs::Permissions::from_mode(mode | 0o011))?;
    }
    let passable = |path: &Path| {
        fs::metadata(path).is_ok_and(|meta| {
            meta.mode() & 0o001 != 0
                || (meta.uid() == account.uid && meta.mode() & 0o100 != 0)
                || (meta.gid() == account.gid && meta.mode() & 0o010 != 0)
        })
    };
    if dir.ancestors().skip(1).all(passable) {
        return Ok(dir.to_owned());
    }
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or("service");
    let elsewhere = Path::new("/var/lib/rillcast").join(short_name(data_dir)).join(name);
    fs::create_dir_all(&elsewhere).with_context(|| {
        format!("the service's user cannot reach {}, and {} cannot be made", dir.display(), elsewhere.display())
    })?;
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700))?;
    account.own(&elsewhere)?;
    fs::write(dir.join("MOVED"), format!("{}\n", elsewhere.display()))?;
    tracing::warn!(
        wanted = %dir.display(), used = %elsewhere.display(),
        "the service's user cannot reach the data folder; its files are kept elsewhere"
    );
    Ok(elsewhere)
}

/// A folder for a socket, private to the account, with a path short enough for one.
pub fn socket_dir(data_dir: &Path, name: &str, account: Account) -> anyhow::Result<PathBuf> {
    let own = data_dir.join("run").join(name);
    let fits = own.as_os_str().len() <= SOCKET_DIR_BYTES_MAX;
    let dir = if fits { own } else { std::env::temp_dir().join(format!("rillcast-{}-{name}", short_name(data_dir))) };
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    if fits {
        fs::set_permissions(data_dir.join("run"), fs::Permissions::from_mode(0o711))?;
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
    account.own(&dir)?;
    let dir = if fits && account.uid != 0 {
        let used = reachable(&dir, account, data_dir)?;
        // The fallback for a closed parent may be long gone and made anew; its path is short by construction.
        fs::set_permissions(&used, fs::Permissions::from_mode(0o700))?;
        used
    } else {
        dir
    };
    Ok(dir)
}

fn short_name(data_dir: &Path) -> String {
    hex::encode(&Sha256::digest(data_dir.as_os_str().as_encoded_bytes())[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_of_a_missing_version_is_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("PG_VERSION"), "3\n").unwrap();
        let error = binaries(dir.path()).unwrap_err().to_string();
        assert!(error.contains("made by Postgres 3") && error.contains("postgresql-3"), "{error}");
    }

    #[test]
    fn a_long_data_folder_still_gets_a_short_socket() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(120));
        fs::create_dir_all(&long).unwrap();
        let account = Account { uid: 0, gid: 0 };
        let socket = socket_dir(&long, "t", account).unwrap();
        assert!(socket.as_os_str().len() <= SOCKET_DIR_BYTES_MAX);
        fs::remove_dir(&socket).unwrap();
    }
}
