//! What is told only when its time has come.

use std::time::Duration;

use kit::Stop;
use tokio::time::{MissedTickBehavior, interval};

use crate::job::Job;
use crate::{Deps, notify, queue};

/// How late a thing may be told.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pushes that make up one batch, and members whose mails do.
const PUSHES_MAX: i64 = 1_000;
const MEMBERS_MAX: i64 = 200;

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        if let Err(error) = look(&deps, &stop).await {
            tracing::debug!(error = format!("{error:#}"), "what is due is told later");
        }
    }
}

async fn look(deps: &Deps, stop: &Stop) -> anyhow::Result<()> {
    while notify::rooms::tell_away(deps).await? && !stop.is_cancelled() {}
    while release(deps).await? && !stop.is_cancelled() {}
    Ok(())
}

/// Enqueues deliveries that waited for the end of quiet hours or for the hour of collected mail. Returns whether there may be more.
async fn release(deps: &Deps) -> anyhow::Result<bool> {
    let mut tx = db::begin(&deps.pool).await?;
    let (pushes, mails) = (kit::ids::uuid(), kit::ids::uuid());
    let mut jobs = Vec::new();
    if db::notification_times::release_pushes(&mut tx, pushes, PUSHES_MAX).await? > 0 {
        jobs.push(Job::SendPushes { batch_id: pushes });
    }
    if db::notification_times::release_mails(&mut tx, mails, MEMBERS_MAX).await? > 0 {
        jobs.push(Job::SendMails { batch_id: mails });
    }
    let is_some = !jobs.is_empty();
    queue::push(&mut tx, jobs).await?;
    db::commit(tx).await?;
    Ok(is_some)
}
