//! `rillcast recordings`: what an operator asks and orders of recordings by hand. The work is done in [`jobs::storage`].

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use db::audit::Entry;
use domain::audit::{Action, Actor};
use kit::{Config, Stop};
use serde_json::json;
use tokio::task::JoinSet;

use crate::cli::RecordingsCommand;
use crate::{commands, embedded};

pub async fn run(command: RecordingsCommand, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        RecordingsCommand::Check { json, limit } => check(config, json, limit.clamp(1, 100_000)).await,
        RecordingsCommand::Repair => repair(config).await,
        RecordingsCommand::Rules { channel, keep_days, quota_gib } => {
            let pool = commands::pool(config).await?.0;
            let mut tx = db::begin(&pool).await?;
            let quota_bytes = quota_gib.map(|gib| gib << 30);
            if !db::keeping::set_rules(&mut tx, &channel, keep_days, quota_bytes).await? {
                bail!("there is no channel {channel}");
            }
            let user = db::users::credentials(&mut tx, &channel).await?.context("there is no such member")?;
            let entry = Entry {
                details: json!({ "keep_days": keep_days, "quota_gib": quota_gib }),
                ..Entry::of_member(Actor::Operator, Action::RecordingRulesChanged, user.id)
            };
            db::audit::write(&mut tx, entry).await?;
            db::commit(tx).await?;
            println!("the rules of {channel} are changed");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Exit code 1: there is something to look at.
async fn check(config: Config, as_json: bool, limit: i64) -> anyhow::Result<ExitCode> {
    let spool = spool(&config.data_dir)?;
    let pool = commands::pool(config).await?.0;
    let findings = jobs::storage::findings(&pool, limit).await?;
    for one in &findings {
        if as_json {
            let line = json!({
                "vod_id": one.vod_id, "channel": one.username, "status": one.status, "fail_reason": one.fail_reason,
                "stop_reason": one.stop_reason, "stream_ended_at": one.stream_ended_at,
                "missing_segments": one.missing_segments, "is_deletion_unfinished": one.is_unpurged,
            });
            println!("{line}");
            continue;
        }
        let what = if one.is_unpurged {
            "deleted; its objects are not known to be gone yet".to_owned()
        } else if one.missing_segments > 0 {
            format!("{}; {} segments are missing in the bucket", one.status, one.missing_segments)
        } else if let Some(reason) = one.fail_reason.as_deref().or(one.stop_reason.as_deref()) {
            format!("{}: {reason}", one.status)
        } else {
            "its stream is over, and nobody has closed it yet".to_owned()
        };
        println!("{}\t{}\t{what}", one.vod_id, one.username);
    }
    for name in &spool {
        match as_json {
            true => println!("{}", json!({ "spool": name })),
            false => println!("{name}\t-\tin this node's spool"),
        }
    }
    let is_clean = findings.is_empty() && spool.iter().all(|name| !name.ends_with(".set-aside"));
    if is_clean && !as_json {
        println!("nothing to look at");
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What lies in this node's spool: recordings on their way, and media that was set aside.
fn spool(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match std::fs::read_dir(data_dir.join("spool")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_recording = |name: &String| name.split('.').next().is_some_and(|id| id.parse::<domain::StreamId>().is_ok());
    Ok(names.filter(is_recording).collect())
}

async fn repair(config: Config) -> anyhow::Result<ExitCode> {
    let (pool, mut config) = commands::pool(config).await?;
    let stop = Stop::new();
    let mut serving = JoinSet::new();
    if config.storage.endpoint.is_empty() {
        let s3 = embedded::s3::start(&config.data_dir.clone(), &mut config.storage).await?;
        serving.spawn(s3.run(stop.clone()));
    }
    let deps = jobs::Deps {
        live: live::Live::new(&config.redis)?,
        objects: objects::Objects::new(&config.storage)?,
        health: kit::health::Health::default(),
        node: "repair".to_owned(),
        config: Arc::new(config),
        pool,
    };
    let (closed, checked, purged) = jobs::storage::repair(&deps).await?;
    println!(
        "closed {closed}, compared {} with the bucket ({} segments missing, {} back, {} strays deleted), finished {purged} deletions",
        checked.recordings, checked.lost, checked.found, checked.strays,
    );
    stop.cancel();
    while serving.join_next().await.is_some() {}
    Ok(if checked.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
