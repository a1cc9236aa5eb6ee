//! What a process has used, as the kernel counts it; and the site under measurement.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kit::config::StorageConfig;
use testkit::stack::{Plan, Stack};

/// The release build beside this one.
pub fn rillcast() -> anyhow::Result<String> {
    let exe = std::env::current_exe()?.with_file_name("rillcast");
    anyhow::ensure!(exe.exists(), "build it first: cargo build --release --bin rillcast");
    Ok(exe.display().to_string())
}

/// A site that delivers the source only, without pictures, and records, on the Postgres and Redis named by the environment, into `bucket` or
/// into one of its own.
pub async fn site(bucket: Option<&StorageConfig>) -> anyhow::Result<Stack> {
    site_with(bucket, &[]).await
}

/// The same with more settings.
pub async fn site_with(bucket: Option<&StorageConfig>, settings: &[(&str, &str)]) -> anyhow::Result<Stack> {
    let plan = Plan::quick(&rillcast()?).await.set("transcoder.ladder", "none").set("transcoder.pictures", "false");
    let mut plan = plan.set("hls.part_ms", "200");
    if let Some(bucket) = bucket {
        plan = plan
            .set("storage.endpoint", &bucket.endpoint)
            .set("storage.bucket", &bucket.bucket)
            .set("storage.access_key", bucket.access_key.expose())
            .set("storage.secret_key", bucket.secret_key.expose());
    }
    for (key, value) in settings {
        plan = plan.set(key, value);
    }
    Ok(plan.set("log.filter", "warn").start().await)
}

/// User and system time of a process since it began.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    /// The kernel reports in hundredths of a second on every Linux this runs on.
    const TICKS_PER_S: u64 = 100;
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
    let (_, rest) = stat.rsplit_once(") ").context("an odd stat line")?;
    let columns: Vec<&str> = rest.split(' ').collect();
    let ticks =
        |column: usize| -> anyhow::Result<u64> { Ok(columns.get(column).context("a short stat line")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_PER_S))
}

/// A process and all that descend from it.
pub fn tree(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        for task in std::fs::read_dir(format!("/proc/{parent}/task"))? {
            // A thread may end meanwhile.
            let Ok(children) = std::fs::read_to_string(task?.path().join("children")) else { continue };
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Ok(found)
}

/// Whether a child of ours has ended and was not waited for yet.
pub fn has_ended(pid: u32) -> anyhow::Result<bool> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
    let (_, rest) = stat.rsplit_once(") ").context("an odd stat line")?;
    Ok(rest.starts_with('Z'))
}

/// Resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
