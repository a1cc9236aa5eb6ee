//! The api role's background work. Nothing a request waits for happens here.

use std::time::Duration;

use kit::Stop;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::revoked;
use crate::state::App;

const DIRECTORY_EVERY: Duration = Duration::from_secs(1);
/// While a stream's owner is missed the directory is read this often.
const MISSED_EVERY: Duration = Duration::from_millis(150);
/// A narrower choice of whom another node's stream is for is felt this much later.
const AUDIENCE_EVERY: Duration = Duration::from_secs(1);
const AUDIENCE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Playback that was taken back elsewhere is felt this much later.
const TAKEN_BACK_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_secs(2);
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// An hour of two thousand streams on air leaves this much to prune.
const HEALTH_BITES_MAX: usize = 150;

/// Far more entries than an hour adds.
const AUDIT_BITES_MAX: usize = 20;

/// As many requests under a key as a thousand busy members make in an hour.
const KEY_BITES_MAX: usize = 50;
/// Visits of share links: far more than an hour forgets.
const SHARE_BITES_MAX: usize = 100;
/// Requests whose callers have gone get this long to write their answers down once the stop was given.
const ERRANDS_WAIT_MAX: Duration = Duration::from_secs(4);

/// Runs all of it until the stop.
pub(crate) async fn run(app: App, stop: Stop) -> anyhow::Result<()> {
    app.health.expect("postgres");
    app.health.expect("redis");
    tokio::join!(
        keep_directory(&app, &stop),
        every(AUDIENCE_EVERY, &stop, || ask_whom_for(&app)),
        every(TAKEN_BACK_EVERY, &stop, || refresh_gate(&app)),
        every(LOOK_EVERY, &stop, || look(&app)),
        every(PRUNE_EVERY, &stop, || prune(&app)),
        app.viewers.touches.run(stop.clone()),
    );
    app.errands.close();
    if timeout(ERRANDS_WAIT_MAX, app.errands.wait()).await.is_err() {
        tracing::warn!(left = app.errands.len(), "requests were cut off; their keys are free again in half a minute");
    }
    Ok(())
}

async fn every<F: Future<Output = ()>>(period: Duration, stop: &Stop, mut work: impl FnMut() -> F) {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = work() => {}
        }
    }
}

async fn keep_directory(app: &App, stop: &Stop) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = refresh_directory(app) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(DIRECTORY_EVERY) => {}
            () = app.directory.missed() => sleep(MISSED_EVERY).await,
        }
    }
}

/// As the owner asks for itself: nothing waits for it, and while Postgres is away what was said last holds.
async fn ask_whom_for(app: &App) {
    let wanted = app.directory.wanted();
    if wanted.is_empty() {
        return;
    }
    let ask = async {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        db::access::of_streams(&mut conn, &wanted).await
    };
    match timeout(AUDIENCE_WAIT_MAX, ask).await {
        Ok(Ok(found)) => app.directory.tell(found),
        Ok(Err(error)) => tracing::debug!(%error, "whom streams are for was not asked"),
        Err(_) => tracing::debug!("whom streams are for was not answered"),
    }
}

async fn refresh_directory(app: &App) {
    match live::directory::streams(&app.live).await {
        Ok(entries) => app.directory.learn(entries),
        // What is known stays known: playback does not depend on Redis.
        Err(error) => tracing::debug!(%error, "the stream directory was not refreshed"),
    }
}

async fn refresh_gate(app: &App) {
    if let Err(error) = app.gate.refresh().await {
        tracing::debug!(%error, "what was taken back was not read");
    }
}

async fn look(app: &App) {
    app.edge.tidy();
    match db::pool::ping(&app.pool).await {
        Ok(()) => app.health.up("postgres"),
        Err(error) => app.health.down("postgres", error),
    }
    match app.live.ping().await {
        Ok(()) => {
            app.health.up("redis");
            revoked::settle(app).await;
        }
        Err(error) => app.health.down("redis", error),
    }
}

async fn prune(app: &App) {
    let pruned = async {
        let mut conn = app.pool.acquire().await?;
        db::sessions::prune(&mut conn).await?;
        for _bite in 0..HEALTH_BITES_MAX {
            if db::health::prune(&mut conn).await? < db::health::PRUNE_ROWS {
                break;
            }
        }
        if let Some(days) = app.config.audit.keep_days() {
            for _bite in 0..AUDIT_BITES_MAX {
                if db::audit::prune(&mut conn, days).await? < i64::from(db::audit::PRUNE_ROWS) {
                    break;
                }
            }
        }
        for _bite in 0..KEY_BITES_MAX {
            if db::idempotency::prune(&mut conn).await? < u64::from(db::idempotency::PRUNE_ROWS) {
                break;
            }
        }
        for _bite in 0..SHARE_BITES_MAX {
            if db::shares::prune(&mut conn).await? < db::shares::PRUNE_ROWS.unsigned_abs() {
                break;
            }
        }
        Ok::<_, db::DbError>(())
    };
    if let Err(error) = pruned.await {
        tracing::debug!(%error, "old sign-ins, measurements, answers, share links and entries of the log were not pruned");
    }
}
