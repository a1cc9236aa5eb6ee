//! Whom the streams of this node are for, kept as their owners last said.
//!
//! A publish brings what held when it began. Afterwards Postgres is asked once a second, beside the media: while it is away what
//! was said last holds.

use std::sync::Arc;
use std::time::Duration;

use domain::{StreamId, Visibility};
use kit::Stop;
use live::playback::Gate;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::origin::shelf::Index;
use crate::stream::Streams;

/// A change is felt within half a segment.
const EVERY: Duration = Duration::from_secs(1);
const ASK_MAX: Duration = Duration::from_secs(2);

pub(crate) async fn run(pool: db::Pool, index: Arc<Index>, streams: Arc<Streams>, gate: Gate, stop: Stop) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let shelves = index.all();
        if shelves.is_empty() {
            continue;
        }
        let ids: Vec<StreamId> = shelves.iter().map(|shelf| shelf.info.stream_id).collect();
        let ask = async {
            let mut conn = pool.acquire().await.map_err(db::DbError::from)?;
            db::access::of_streams(&mut conn, &ids).await
        };
        match timeout(ASK_MAX, ask).await {
            Ok(Ok(found)) => {
                for (id, visibility) in found {
                    if let Some(shelf) = shelves.iter().find(|shelf| shelf.info.stream_id == id)
                        && shelf.set_visibility(visibility) != visibility
                    {
                        // Edges go by what is announced until they have asked themselves.
                        streams.changed.notify_one();
                    }
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "whom streams are for was not asked"),
            Err(_) => tracing::debug!("whom streams are for was not answered"),
        }
        if shelves.iter().any(|shelf| shelf.visibility() != Visibility::Public)
            && let Ok(Err(error)) = timeout(ASK_MAX, gate.refresh()).await
        {
            tracing::debug!(%error, "what was taken back was not read");
        }
    }
}
