//! The stores files are sent to, and the S3 CLI that sends to them without us.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kit::Secret;
use kit::config::StorageConfig;
use testkit::stack::Stack;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

const CLI_WAIT_MAX: Duration = Duration::from_secs(180);

/// How to reach the store that a site has inside of it: its keys lie in the site's folder, its address is one of those the process listens on.
pub async fn embedded(site: &Stack) -> anyhow::Result<StorageConfig> {
    let secret = std::fs::read_to_string(site.data_dir().join("s3-secret"))?;
    for address in listening(site.process.pid())? {
        let config = StorageConfig {
            endpoint: format!("http://{address}"),
            access_key: Secret::new("rillcast"),
            secret_key: Secret::new(secret.trim()),
            path_style: true,
            ..StorageConfig::default()
        };
        if cli(&config, &["s3", "ls", &format!("s3://{}", config.bucket)]).await.is_ok() {
            return Ok(config);
        }
    }
    bail!("the site's own store is on none of its addresses")
}

/// The addresses on loopback a process listens on.
fn listening(pid: u32) -> anyhow::Result<Vec<SocketAddr>> {
    const LISTEN: &str = "0A";
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        // A descriptor may be closed meanwhile.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let target = target.display().to_string();
        sockets.extend(target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned));
    }
    let mut found = Vec::new();
    for line in std::fs::read_to_string(format!("/proc/{pid}/net/tcp"))?.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, ..] = columns.as_slice() else { continue };
        let Some(inode) = columns.get(9) else { continue };
        if *state != LISTEN || !sockets.iter().any(|socket| socket == inode) {
            continue;
        }
        let (_, port) = local.split_once(':').context("an odd line of /proc/net/tcp")?;
        found.push(SocketAddr::from(([127, 0, 0, 1], u16::from_str_radix(port, 16)?)));
    }
    Ok(found)
}

/// Puts a file with the S3 CLI as it comes, and says how long that took.
pub async fn put(config: &StorageConfig, file: &Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let to = format!("s3://{}/bench/{}", config.bucket, kit::ids::uuid());
    cli(config, &["s3", "cp", "--only-show-errors", &file.display().to_string(), &to]).await?;
    let took = started.elapsed();
    cli(config, &["s3", "rm", "--only-show-errors", &to]).await?;
    Ok(took)
}

async fn cli(config: &StorageConfig, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("/usr/bin/aws")
        .args(["--endpoint-url", &config.endpoint, "--region", "us-east-1"])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", config.access_key.expose())
        .env("AWS_SECRET_ACCESS_KEY", config.secret_key.expose())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        // Nothing of whoever runs this.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(CLI_WAIT_MAX, output).await.context("the S3 CLI hangs")?.context("the S3 CLI is missing")?;
    ensure!(output.status.success(), "the S3 CLI: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
