//! `rillcast events`: the outbox as the operator sees it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use kit::Config;

use crate::cli::EventsCommand;
use crate::commands;

pub async fn run(command: EventsCommand, config: Config) -> anyhow::Result<ExitCode> {
    let (pool, _config) = commands::pool(config).await?;
    match command {
        EventsCommand::List { waiting, limit } => {
            let mut conn = pool.acquire().await?;
            for one in db::consumers::list(&mut conn, waiting, limit).await? {
                let state = if one.dispatched_at.is_some() { "dispatched" } else { "waiting" };
                let done = if one.done.is_empty() { "-".to_owned() } else { one.done.join(",") };
                println!("{}  {}  {state:<10}  {:<22}  {done}", one.created_at.to_rfc3339(), one.event_id, one.kind);
            }
            for lag in db::consumers::lags(&mut conn, &jobs::CONSUMERS).await? {
                println!("{}: {} waiting, the oldest for {:.0} s", lag.consumer, lag.waiting, lag.oldest_s);
            }
        }
        EventsCommand::Replay { consumer, from } => {
            if !jobs::CONSUMERS.contains(&consumer.as_str()) {
                bail!("no consumer is called {consumer}; there are {}", jobs::CONSUMERS.join(", "));
            }
            let since = from.as_deref().map(moment).transpose()?;
            let mut tx = db::begin(&pool).await?;
            let again = db::consumers::replay(&mut tx, &consumer, since).await?;
            db::commit(tx).await?;
            println!("{consumer} hears {again} events again");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn moment(text: &str) -> anyhow::Result<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).with_context(|| format!("{text} is no RFC 3339 time"))?;
    Ok(at.with_timezone(&Utc))
}
