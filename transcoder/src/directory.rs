//! Telling the other nodes what this one has: its streams and itself, renewed every few seconds.
//!
//! Nothing waits for it. While Redis is away the streams go on and one line is logged.

use std::sync::Arc;
use std::time::Duration;

use domain::StreamId;
use kit::Stop;
use live::Live;
use live::directory::{
    RENEW_S, StreamEntry, TranscoderEntry, put_streams, put_transcoder, remove_stream, remove_transcoder, renew_streams,
};
use tokio::time::{sleep, timeout};

use crate::origin::shelf::Index;
use crate::record::Recorder;
use crate::stream::Streams;

/// A round of announcements is given up after this.
const ROUND_MAX: Duration = Duration::from_secs(3);
/// Changes are announced at once, but not more often than this.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// This node, as others are told.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) link_addr: String,
    pub(crate) origin_url: String,
}

/// Announces until `stop`, then takes everything back.
pub(crate) async fn run(
    live: Live,
    node: Node,
    streams: Arc<Streams>,
    index: Arc<Index>,
    recorder: Recorder,
    stop: Stop,
) {
    let mut announced: Vec<StreamId> = Vec::new();
    let mut is_away = false;
    loop {
        let round = timeout(ROUND_MAX, announce(&live, &node, &streams, &index, &recorder, &mut announced)).await;
        let problem = match round {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)),
            Err(_) => Some("no answer in time".to_owned()),
        };
        match (&problem, is_away) {
            (Some(error), false) => tracing::warn!(error, "redis is away: other nodes keep what they last knew of us"),
            (None, true) => tracing::info!("redis is back"),
            _ => {}
        }
        is_away = problem.is_some();
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(Duration::from_secs(RENEW_S)) => {}
            () = streams.changed.notified() => sleep(PAUSE_MIN).await,
        }
    }
    let farewell = async {
        for stream in announced {
            remove_stream(&live, stream, &node.name).await?;
        }
        remove_transcoder(&live, &node.name).await
    };
    if !matches!(timeout(ROUND_MAX, farewell).await, Ok(Ok(()))) {
        tracing::debug!("entries of this node expire by themselves");
    }
}

async fn announce(
    live: &Live,
    node: &Node,
    streams: &Streams,
    index: &Index,
    recorder: &Recorder,
    announced: &mut Vec<StreamId>,
) -> Result<(), live::LiveError> {
    let running = streams.running();
    // Ended streams stay announced while their playlists can be fetched.
    let shelves = index.all();
    let (mut ours, mut waiting) = (Vec::with_capacity(shelves.len()), Vec::new());
    for shelf in &shelves {
        let alive = running.iter().find(|alive| alive.stream_id == shelf.info.stream_id);
        let entry = StreamEntry {
            stream_id: shelf.info.stream_id,
            vod_id: shelf.info.vod_id,
            username: shelf.info.username.clone(),
            epoch: alive.map_or(0, |alive| i32::try_from(alive.epoch).unwrap_or(i32::MAX)),
            node: node.name.clone(),
            origin_url: node.origin_url.clone(),
            visibility: Some(shelf.visibility().as_str().to_owned()),
        };
        // Without a publisher it may have gone on elsewhere.
        if alive.is_some_and(|alive| alive.is_connected) { ours.push(entry) } else { waiting.push(entry) }
    }
    let entry = TranscoderEntry {
        node: node.name.clone(),
        link_addr: node.link_addr.clone(),
        origin_url: node.origin_url.clone(),
        streams: u32::try_from(running.len()).unwrap_or(u32::MAX),
        accepts_new: recorder.accepts_new(),
    };
    put_transcoder(live, &entry).await?;
    put_streams(live, &ours).await?;
    renew_streams(live, &waiting).await?;
    let kept: Vec<StreamId> = shelves.iter().map(|shelf| shelf.info.stream_id).collect();
    for gone in announced.iter().filter(|id| !kept.contains(id)) {
        remove_stream(live, *gone, &node.name).await?;
    }
    *announced = kept;
    Ok(())
}
