//! Minutes of streams that were kept long enough become days.
//!
//! Every node with the jobs role runs this. A claim in the database lets one of them do it, and the statement itself counts no
//! minute twice, whoever dies or runs beside it.

use std::time::Duration;

use db::keeping;
use kit::Stop;
use tokio::time::{MissedTickBehavior, interval};

use crate::Deps;

const ROUND_EVERY: Duration = Duration::from_secs(300);
const THIN_EVERY: Duration = Duration::from_secs(3_600);
/// A day of two thousand streams on air leaves this many bites, and a round comes each hour.
const BITES_MAX: usize = 1_000;

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(ROUND_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            done = round(&deps) => if let Err(error) = done {
                tracing::warn!(error = format!("{error:#}"), "minutes of streams are thinned later");
            },
        }
    }
}

async fn round(deps: &Deps) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let is_our_turn = keeping::take_turn(&mut conn, "minutes", THIN_EVERY.as_secs_f64()).await?;
    drop(conn);
    if is_our_turn {
        let gone = thin(deps).await?;
        if gone > 0 {
            tracing::info!(minutes = gone, "minutes of streams became days");
        }
    }
    Ok(())
}

/// Makes days of minutes that were kept for as long as the site wants. Returns how many minutes went.
pub async fn thin(deps: &Deps) -> anyhow::Result<u64> {
    let Some(keep_days) = deps.config.analytics.keep_days() else { return Ok(0) };
    let mut gone = 0;
    for _ in 0..BITES_MAX {
        let mut conn = deps.pool.acquire().await?;
        let bite = db::analytics::thin(&mut conn, keep_days).await?;
        gone += bite;
        if bite == 0 {
            break;
        }
    }
    Ok(gone)
}
