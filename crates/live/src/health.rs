//! The newest second of each publish: pushed to the broadcaster's browsers, and kept for a moment for whoever asks.
//!
//! Without Redis nobody is told; the stored seconds are in Postgres.

use domain::ingest::IngestSample;
use domain::{StreamId, UserId};
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};

use crate::client::{Live, LiveError};
use crate::fanout::{self, Push, Target};

/// The event browsers get, once a second, only those of the broadcaster.
pub const EVENT: &str = "ingest:health";
/// Longer than anybody believes it.
const KEEP_S: u64 = 15;

/// A second of somebody's stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct News {
    pub channel: UserId,
    pub stream: StreamId,
    pub sample: IngestSample,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    stream_id: StreamId,
    #[serde(flatten)]
    sample: IngestSample,
}

/// Tells all of it in one trip.
pub async fn tell(live: &Live, news: &[News]) -> Result<(), LiveError> {
    let mut pipe = redis::pipe();
    for one in news {
        let payload = Payload { stream_id: one.stream, sample: one.sample };
        let payload = serde_json::to_value(payload).unwrap_or_default();
        pipe.set_ex(live.key(&key(one.stream)), payload.to_string(), KEEP_S).ignore();
        let push = Push { target: Target::User(one.channel), event: EVENT.to_owned(), payload, origin: None };
        fanout::publish_in(&mut pipe, live, &push);
    }
    let mut connection = live.connection().await?;
    let () = pipe.query_async(&mut connection).await?;
    Ok(())
}

/// The newest second of a stream, unless it is too old to be there.
pub async fn newest(live: &Live, stream: StreamId) -> Result<Option<IngestSample>, LiveError> {
    let mut connection = live.connection().await?;
    let body: Option<String> = connection.get(live.key(&key(stream))).await?;
    Ok(body.and_then(|body| serde_json::from_str::<Payload>(&body).ok()).map(|payload| payload.sample))
}

fn key(stream: StreamId) -> String {
    format!("health:{stream}")
}
