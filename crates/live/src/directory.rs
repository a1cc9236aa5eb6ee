//! Which node has which stream, and which transcoders there are. Entries expire unless their owner renews them.
//!
//! When Redis is away, readers keep what they last knew and owners keep serving.

use std::collections::HashMap;

use domain::user::Username;
use domain::{StreamId, VodId};
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};

use crate::client::{Live, LiveError};

/// Seconds an entry outlives its last renewal. Owners renew every [`RENEW_S`].
pub const TTL_S: u64 = 15;
pub const RENEW_S: u64 = 4;

/// A live stream's whereabouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEntry {
    pub stream_id: StreamId,
    pub vod_id: VodId,
    pub username: Username,
    pub epoch: i32,
    /// The transcoder node that owns the stream.
    pub node: String,
    /// Base of that node's origin, such as `http://10.0.0.5:9080`.
    pub origin_url: String,
    /// Whom it is for, as its owner last knew. Absent from nodes that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// A transcoder that accepts media.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscoderEntry {
    pub node: String,
    /// Where ingest hands media over, `host:port`.
    pub link_addr: String,
    pub origin_url: String,
    /// Streams it has now; ingest prefers the least.
    pub streams: u32,
    /// False while its spool is nearly full: it accepts no new stream.
    pub accepts_new: bool,
}

/// Announces or renews streams of one node.
pub async fn put_streams(live: &Live, entries: &[StreamEntry]) -> Result<(), LiveError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut connection = live.connection().await?;
    let mut pipe = redis::pipe();
    for entry in entries {
        let body = serde_json::to_string(entry).unwrap_or_default();
        pipe.set_ex(live.key(&format!("stream:{}", entry.stream_id)), body, TTL_S).ignore();
        pipe.sadd(live.key("streams"), entry.stream_id.to_string()).ignore();
    }
    let () = pipe.query_async(&mut connection).await?;
    Ok(())
}

/// Renews those of a node's streams that nobody else has announced. For streams whose media does not come here at present: it may
/// go to another node, which the edges should ask then.
pub async fn renew_streams(live: &Live, entries: &[StreamEntry]) -> Result<(), LiveError> {
    if entries.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = entries.iter().map(|entry| live.key(&format!("stream:{}", entry.stream_id))).collect();
    let bodies: Vec<Option<String>> = live.connection().await?.mget(&keys).await?;
    let is_anothers = |body: &Option<String>, own: &StreamEntry| {
        let known = body.as_deref().and_then(|body| serde_json::from_str::<StreamEntry>(body).ok());
        known.is_some_and(|known| known.node != own.node && known.epoch >= own.epoch)
    };
    let own = entries.iter().zip(&bodies).filter(|(entry, body)| !is_anothers(body, entry));
    put_streams(live, &own.map(|(entry, _)| entry.clone()).collect::<Vec<_>>()).await
}

/// Takes a stream out at once, unless another node has announced it since.
pub async fn remove_stream(live: &Live, stream: StreamId, node: &str) -> Result<(), LiveError> {
    let mut connection = live.connection().await?;
    let body: Option<String> = connection.get(live.key(&format!("stream:{stream}"))).await?;
    let known = body.and_then(|body| serde_json::from_str::<StreamEntry>(&body).ok());
    if known.is_some_and(|known| known.node != node) {
        return Ok(());
    }
    let () = redis::pipe()
        .del(live.key(&format!("stream:{stream}")))
        .ignore()
        .srem(live.key("streams"), stream.to_string())
        .ignore()
        .query_async(&mut connection)
        .await?;
    Ok(())
}

/// Every announced stream. Members whose entry has expired are dropped from the set on the way.
pub async fn streams(live: &Live) -> Result<Vec<StreamEntry>, LiveError> {
    members(live, "streams", "stream").await
}

/// Announces or renews a transcoder.
pub async fn put_transcoder(live: &Live, entry: &TranscoderEntry) -> Result<(), LiveError> {
    let body = serde_json::to_string(entry).unwrap_or_default();
    let mut connection = live.connection().await?;
    let () = redis::pipe()
        .set_ex(live.key(&format!("transcoder:{}", entry.node)), body, TTL_S)
        .ignore()
        .sadd(live.key("transcoders"), &entry.node)
        .ignore()
        .query_async(&mut connection)
        .await?;
    Ok(())
}

pub async fn remove_transcoder(live: &Live, node: &str) -> Result<(), LiveError> {
    let mut connection = live.connection().await?;
    let () = redis::pipe()
        .del(live.key(&format!("transcoder:{node}")))
        .ignore()
        .srem(live.key("transcoders"), node)
        .ignore()
        .query_async(&mut connection)
        .await?;
    Ok(())
}

pub async fn transcoders(live: &Live) -> Result<Vec<TranscoderEntry>, LiveError> {
    members(live, "transcoders", "transcoder").await
}

async fn members<T: serde::de::DeserializeOwned>(live: &Live, set: &str, kind: &str) -> Result<Vec<T>, LiveError> {
    let mut connection = live.connection().await?;
    let names: Vec<String> = connection.smembers(live.key(set)).await?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<String> = names.iter().map(|name| live.key(&format!("{kind}:{name}"))).collect();
    let bodies: Vec<Option<String>> = connection.mget(&keys).await?;
    let found: HashMap<&String, Option<String>> = names.iter().zip(bodies).collect();
    let gone: Vec<&String> = found.iter().filter(|(_, body)| body.is_none()).map(|(name, _)| *name).collect();
    if !gone.is_empty() {
        let _removed: i64 = connection.srem(live.key(set), gone).await?;
    }
    Ok(found.into_values().flatten().filter_map(|body| serde_json::from_str(&body).ok()).collect())
}
