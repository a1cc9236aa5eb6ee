//! Counted views on their way from Redis to Postgres, and the queue's own gauges.
//!
//! A batch is taken under an id, applied in one transaction that remembers the id, then dropped. Whatever dies in
//! between, the batch is found again and applied at most once.

use std::time::Duration;

use kit::Stop;
use tokio::time::{MissedTickBehavior, interval};

use crate::Deps;

const FLUSH_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(FLUSH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        if let Err(error) = flush(&deps).await {
            tracing::debug!(error = format!("{error:#}"), "views wait for the next flush");
        }
        if let Err(error) = gauges(&deps).await {
            tracing::debug!(error = format!("{error:#}"), "queue not measured");
        }
    }
}

/// Applies every batch there is: the fresh one, and any that an earlier process left behind.
async fn flush(deps: &Deps) -> anyhow::Result<()> {
    for batch in live::views::take_batches(&deps.live).await? {
        let mut tx = db::begin(&deps.pool).await?;
        if db::notify::apply_view_batch(&mut tx, batch.id, &batch.counts).await? {
            db::clips::add_views(&mut tx, &batch.clips).await?;
        }
        db::commit(tx).await?;
        live::views::drop_batch(&deps.live, batch.id).await?;
    }
    Ok(())
}

async fn gauges(deps: &Deps) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    for lag in db::consumers::lags(&mut conn, &crate::CONSUMERS).await? {
        metrics::gauge!("rillcast_outbox_waiting", "consumer" => lag.consumer.clone()).set(lag.waiting as f64);
        metrics::gauge!("rillcast_outbox_lag_seconds", "consumer" => lag.consumer).set(lag.oldest_s);
    }
    metrics::gauge!("rillcast_jobs_waiting").set(crate::queue::backlog(&mut conn).await? as f64);
    Ok(())
}
