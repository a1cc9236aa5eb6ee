//! What an ingest node does besides its connections: heartbeats, late deliveries, recovery after a restart, and sweeping up
//! after dead nodes.
//!
//! One loop, one tick a second. Owns the judgement of when Postgres has been there long enough to believe that a silent node
//! is dead and not merely cut off, like us, until a moment ago.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use db::publish;
use domain::{StreamId, Timestamp};
use kit::Stop;
use kit::health::Health;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use crate::desk::Desk;
use crate::journal::bounded;
use crate::registry::{Cut, Presence, beat};

const TICK: Duration = Duration::from_secs(1);
/// Less than the five seconds in which a banned publisher must be off air.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(4);
/// Sweeping needs Postgres healthy for longer than a living node's heartbeat may be late.
const TRUST_AFTER: Duration = Duration::from_secs(20);
const TICK_WAIT_MAX: Duration = Duration::from_secs(5);

struct Keeper {
    desk: Arc<Desk>,
    /// What is older belongs to an earlier run of this node.
    began: Timestamp,
    has_recovered: bool,
    healthy_since: Option<Instant>,
    last_beat: Option<Instant>,
}

/// Runs until the stop.
pub(crate) async fn run(desk: Arc<Desk>, began: Timestamp, health: Health, stop: Stop) {
    let mut keeper = Keeper { desk, began, has_recovered: false, healthy_since: None, last_beat: None };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = bounded(TICK_WAIT_MAX, keeper.tick()) => result,
        };
        keeper.judge(result, &health);
    }
}

impl Keeper {
    fn judge(&mut self, result: db::Result<()>, health: &Health) {
        match result {
            Ok(()) => {
                if self.healthy_since.is_none() {
                    self.healthy_since = Some(Instant::now());
                    health.up("ingest");
                }
            }
            Err(error) => {
                if self.healthy_since.take().is_some() || self.last_beat.is_none() {
                    warn!(error = %error, "the database does not answer; running streams go on");
                }
                self.last_beat.get_or_insert_with(Instant::now);
                health.down("ingest", "the database does not answer: no new publisher is accepted");
            }
        }
    }

    async fn tick(&mut self) -> db::Result<()> {
        let desk = Arc::clone(&self.desk);
        desk.journal.deliver(&desk.pool, desk.rules).await?;
        if !self.has_recovered {
            self.recover().await?;
        }
        if self.last_beat.is_none_or(|at| at.elapsed() >= HEARTBEAT_EVERY) {
            self.beat().await?;
            self.last_beat = Some(Instant::now());
        }
        let is_trusted = self.healthy_since.is_some_and(|since| since.elapsed() > TRUST_AFTER);
        if is_trusted {
            let mut tx = db::begin(&desk.pool).await?;
            let swept = publish::sweep(&mut tx, desk.rules).await?;
            db::commit(tx).await?;
            if swept != publish::Swept::default() {
                info!(lost = swept.lost, over = swept.over, "swept up streams without a publisher");
            }
        } else {
            db::pool::ping(&desk.pool).await?;
        }
        Ok(())
    }

    /// Streams of this node's earlier run wait for their broadcasters from now on (reliability A4).
    async fn recover(&mut self) -> db::Result<()> {
        let desk = &self.desk;
        let mut tx = db::begin(&desk.pool).await?;
        let lost = publish::recover(&mut tx, &desk.node, self.began, &desk.registry.streams(), desk.rules).await?;
        db::commit(tx).await?;
        if lost > 0 {
            info!(streams = lost, "streams of the last run wait for their broadcasters");
        }
        self.has_recovered = true;
        Ok(())
    }

    async fn beat(&self) -> db::Result<()> {
        let present = self.desk.registry.present();
        if present.is_empty() {
            return Ok(());
        }
        let beats: Vec<_> = present.iter().map(|presence| beat(presence)).collect();
        let mut conn = self.desk.pool.acquire().await?;
        let kept: HashSet<StreamId> =
            publish::heartbeat(&mut conn, &self.desk.node, &beats).await?.into_iter().collect();
        for presence in present.iter().filter(|presence| !kept.contains(&presence.claim.stream_id)) {
            let epoch = publish::epoch_of(&mut conn, presence.claim.stream_id).await?;
            presence.cut(why(presence, epoch));
        }
        Ok(())
    }
}

fn why(presence: &Presence, epoch: Option<i32>) -> Cut {
    match epoch {
        Some(epoch) if epoch > presence.claim.epoch => Cut::Superseded,
        _ => Cut::Revoked,
    }
}
