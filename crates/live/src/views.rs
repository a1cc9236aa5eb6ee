//! Views of recordings and clips: counted once per viewer and five minutes, gathered here, written to Postgres in batches.
//!
//! A batch is moved aside under an id and stays until it is confirmed. Whoever applies it writes the id into
//! `view_batches` in the same transaction as the counts: a batch seen twice is applied once, and none is lost. When
//! Redis is away nothing is counted.

use std::sync::Arc;

use domain::{ClipId, VodId};
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::client::{Live, LiveError};

/// One viewer counts once in this time, in seconds.
pub const WINDOW_S: u64 = 300;

/// KEYS: mark of this viewer, pending counts, counts of the open batch. ARGV: what is viewed, window.
/// Returns {is_counted, views not yet in Postgres}.
const COUNT: &str = r"
local fresh = redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[2])
if fresh then redis.call('HINCRBY', KEYS[2], ARGV[1], 1) end
local waiting = (redis.call('HGET', KEYS[2], ARGV[1]) or 0) + (redis.call('HGET', KEYS[3], ARGV[1]) or 0)
return {fresh and 1 or 0, waiting}
";

/// KEYS: pending counts, counts of the open batch, its id. ARGV: id for a new batch.
/// Returns the id and the flat counts of the open batch, opening one if there is something to count.
const TAKE: &str = r"
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then return {'', {}} end
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('SET', KEYS[3], ARGV[1])
end
return {redis.call('GET', KEYS[3]) or '', redis.call('HGETALL', KEYS[2])}
";

/// KEYS: counts of the open batch, its id. ARGV: id. Drops the batch if it is still that one.
const FINISH: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1], KEYS[2])
";

/// What names a clip among the counted; a recording is there by its id alone.
const CLIP: &str = "clip:";

/// What is viewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewed {
    Vod(VodId),
    Clip(ClipId),
}

impl Viewed {
    fn text(self) -> String {
        match self {
            Self::Vod(vod) => vod.to_string(),
            Self::Clip(clip) => format!("{CLIP}{clip}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(CLIP) {
            Some(clip) => clip.parse().ok().map(Self::Clip),
            None => text.parse().ok().map(Self::Vod),
        }
    }
}

impl From<VodId> for Viewed {
    fn from(vod: VodId) -> Self {
        Self::Vod(vod)
    }
}

impl From<ClipId> for Viewed {
    fn from(clip: ClipId) -> Self {
        Self::Clip(clip)
    }
}

/// What became of one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub is_counted: bool,
    /// Views of this recording or clip that Postgres does not know yet.
    pub waiting: i64,
}

/// Counts on their way to Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Goes into `view_batches` with the counts.
    pub id: Uuid,
    pub counts: Vec<(VodId, i64)>,
    pub clips: Vec<(ClipId, i64)>,
}

/// Counts views. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    live: Live,
    breaker: Arc<Breaker>,
}

impl Views {
    pub fn new(live: Live) -> Self {
        Self { live, breaker: Arc::default() }
    }

    /// Counts a view of `viewer` (an opaque id). `None`: Redis is away and nothing was counted.
    pub async fn count(&self, viewed: impl Into<Viewed>, viewer: &str) -> Option<Counted> {
        let script = redis::Script::new(COUNT);
        let viewed = viewed.into().text();
        let mark = self.live.key(&format!("viewed:{viewed}:{viewer}"));
        self.breaker
            .run(&self.live, |mut connection| async move {
                let mut call = script.key(mark);
                call.key(pending_key(&self.live)).key(batch_key(&self.live)).arg(viewed).arg(WINDOW_S);
                let (fresh, waiting): (u8, i64) = call.invoke_async(&mut connection).await?;
                Ok(Counted { is_counted: fresh == 1, waiting })
            })
            .await
    }
}

/// The batches to apply now: one left open by whoever died, else a new one, else none.
pub async fn take_batches(live: &Live) -> Result<Vec<Batch>, LiveError> {
    let mut connection = live.connection().await?;
    let script = redis::Script::new(TAKE);
    let mut call = script.key(pending_key(live));
    call.key(batch_key(live)).key(batch_id_key(live)).arg(kit::ids::uuid().to_string());
    let (id, flat): (String, Vec<String>) = call.invoke_async(&mut connection).await?;
    let Ok(id) = Uuid::parse_str(&id) else { return Ok(Vec::new()) };
    let mut batch = Batch { id, counts: Vec::new(), clips: Vec::new() };
    for pair in flat.chunks_exact(2) {
        match (Viewed::parse(&pair[0]), pair[1].parse()) {
            (Some(Viewed::Vod(vod)), Ok(views)) => batch.counts.push((vod, views)),
            (Some(Viewed::Clip(clip)), Ok(views)) => batch.clips.push((clip, views)),
            _ => {}
        }
    }
    Ok(vec![batch])
}

/// Drops a batch once its counts are committed in Postgres. Doing it twice is harmless.
pub async fn drop_batch(live: &Live, id: Uuid) -> Result<(), LiveError> {
    let mut connection = live.connection().await?;
    let script = redis::Script::new(FINISH);
    let mut call = script.key(batch_key(live));
    call.key(batch_id_key(live)).arg(id.to_string());
    let _dropped: i64 = call.invoke_async(&mut connection).await?;
    Ok(())
}

fn pending_key(live: &Live) -> String {
    live.key("views:pending")
}

fn batch_key(live: &Live) -> String {
    live.key("views:batch")
}

fn batch_id_key(live: &Live) -> String {
    live.key("views:batch-id")
}
