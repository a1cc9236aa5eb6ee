//! Segments on their way into the bucket and into rows: a few at a time, tried for as long as it takes.
//!
//! A row follows its object, and is written only while the lease holds. What is begun is brought to its end even when the import is
//! stopped, so that nothing appears in the bucket after it was cleaned.

use std::time::Duration;

use bytes::Bytes;
use db::imports::{self, Held, Lease};
use db::recordings::{NewSegment, Rendition, RenditionKind};
use domain::{Timestamp, VodId};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kit::Stop;
use kit::retry::Backoff;
use media::cmaf::TrackConfig;
use objects::{CACHE_IMMUTABLE, NewObject, Objects, Upload, keys};
use tokio::time::{sleep, timeout};

use super::lower::Still;
use super::make::Stopped;
use super::packager::Piece;
use crate::record::Sheet;

/// Objects on their way at a time.
const IN_FLIGHT_MAX: usize = 4;
/// Rows that are written together.
const ROWS_MAX: usize = 16;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(4);
/// As a live stream's, whose picture is renewed.
const PICTURE_CACHE: &str = "public, max-age=10";
/// How long what is begun may take when the import is stopped.
const SETTLE_MAX: Duration = Duration::from_secs(8);

/// See the module's words.
pub(super) struct Store {
    objects: Objects,
    pool: db::Pool,
    lease: Lease,
    puts: FuturesUnordered<BoxFuture<'static, Option<NewSegment>>>,
    rows: Vec<NewSegment>,
    /// Nothing is tried again after it.
    stop: Stop,
}

impl Store {
    pub(super) fn new(objects: &Objects, pool: &db::Pool, lease: &Lease) -> Self {
        Self {
            objects: objects.clone(),
            pool: pool.clone(),
            lease: lease.clone(),
            puts: FuturesUnordered::new(),
            rows: Vec::new(),
            stop: Stop::new(),
        }
    }

    /// Forgets the rows of an earlier beginning.
    pub(super) async fn begin(&mut self) -> Result<(), Stopped> {
        let mut tx = db::begin(&self.pool).await?;
        let is_held = imports::begin(&mut tx, &self.lease).await?;
        db::commit(tx).await?;
        held(is_held)
    }

    /// Stores a rendition's init segment.
    pub(super) async fn init(&mut self, rendition: &str, track: &TrackConfig) -> Result<(), Stopped> {
        let (key, bytes) = (keys::vod_init(self.lease.vod, rendition, 0), track.init());
        put(&self.objects, &self.stop, key, vec![bytes]).await.map(drop).ok_or(Stopped::Ended(Held::Lost))
    }

    /// Takes a segment; waits while too many are on their way.
    pub(super) async fn add(&mut self, piece: Piece) -> Result<(), Stopped> {
        while self.puts.len() >= IN_FLIGHT_MAX {
            self.one().await;
        }
        let vod = self.lease.vod;
        let (key, init_key) =
            (keys::vod_segment(vod, &piece.rendition, piece.seq), keys::vod_init(vod, &piece.rendition, 0));
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let length: u64 = piece.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let (objects, stop) = (self.objects.clone(), self.stop.clone());
        let row = NewSegment {
            vod_id: vod,
            rendition: piece.rendition,
            seq: number(piece.seq),
            is_discontinuity: false,
            is_independent: piece.is_independent,
            init_key,
            object_key: key.clone(),
            byte_size: number(length),
            duration_us: piece.duration_us,
            program_at: self.program_at(piece.starts_at_us),
            starts_at_us: Some(piece.starts_at_us),
            iframe_bytes: piece.iframe_len.map(number),
            sha256: [0; 32],
        };
        self.puts.push(Box::pin(async move {
            let sha256 = put(&objects, &stop, key, piece.chunks).await?;
            Some(NewSegment { sha256, ..row })
        }));
        if self.rows.len() >= ROWS_MAX { self.write().await } else { Ok(()) }
    }

    /// The recording's own clock on the wall: it begins when its row was made.
    fn program_at(&self, us: i64) -> Timestamp {
        self.lease.created_at + chrono::TimeDelta::microseconds(us)
    }

    async fn one(&mut self) {
        if let Some(Some(row)) = self.puts.next().await {
            self.rows.push(row);
        }
    }

    async fn write(&mut self) -> Result<(), Stopped> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut tx = db::begin(&self.pool).await?;
        let is_held = imports::add_segments(&mut tx, &self.lease, &self.rows).await?;
        db::commit(tx).await?;
        self.rows.clear();
        held(is_held)
    }

    /// Everything taken so far is there, with its rows.
    pub(super) async fn flush(&mut self) -> Result<(), Stopped> {
        while !self.puts.is_empty() {
            self.one().await;
        }
        self.write().await
    }

    /// Shows renditions that are whole.
    pub(super) async fn show(&mut self, renditions: &[Rendition]) -> Result<(), Stopped> {
        let mut tx = db::begin(&self.pool).await?;
        let is_shown = imports::show(&mut tx, &self.lease, renditions).await?;
        db::commit(tx).await?;
        held(is_shown)
    }

    /// Stores a picture. One that cannot be stored is missing, and nothing else is.
    pub(super) async fn still(&mut self, still: Still) -> Result<(), Stopped> {
        let vod = self.lease.vod;
        let stored = match still {
            Still::Thumbnail(jpeg) => self.thumbnail(vod, jpeg).await,
            Still::Sheet(sheet, jpeg) => self.sheet(vod, sheet, jpeg).await,
        };
        if let Err(error) = stored {
            tracing::debug!(error = format!("{error:#}"), "a picture of an imported file is not stored");
        }
        Ok(())
    }

    async fn thumbnail(&mut self, vod: VodId, jpeg: Bytes) -> anyhow::Result<()> {
        let key = keys::vod_thumbnail(vod);
        let object = NewObject { key: &key, body: jpeg, content_type: "image/jpeg", cache_control: PICTURE_CACHE };
        self.objects.put(object).await?;
        Ok(db::recordings::set_thumbnail(&mut *self.pool.acquire().await?, vod, &key).await?)
    }

    async fn sheet(&mut self, vod: VodId, sheet: Sheet, jpeg: Bytes) -> anyhow::Result<()> {
        let key = keys::vod_sheet(vod, u64::try_from(sheet.seq)?);
        let object = NewObject { key: &key, body: jpeg, content_type: "image/jpeg", cache_control: CACHE_IMMUTABLE };
        self.objects.put(object).await?;
        Ok(db::storyboards::insert(&mut *self.pool.acquire().await?, vod, &sheet).await?)
    }

    /// The import was stopped: waits for what is on its way, and begins nothing more.
    pub(super) async fn settle(mut self) {
        self.stop.cancel();
        let rest = async { while self.puts.next().await.is_some() {} };
        if timeout(SETTLE_MAX, rest).await.is_err() {
            tracing::warn!("segments of a stopped import are still on their way");
        }
    }
}

fn held(is_held: bool) -> Result<(), Stopped> {
    if is_held { Ok(()) } else { Err(Stopped::Ended(Held::Lost)) }
}

/// Brings an object to the bucket, and says what it hashes to. `None` when it was stopped before it was there.
async fn put(objects: &Objects, stop: &Stop, key: String, chunks: Vec<Bytes>) -> Option<[u8; 32]> {
    let hashed = tokio::task::spawn_blocking(move || (objects::sha256(&chunks), chunks)).await;
    let (sha256, chunks) = hashed.ok()?;
    let upload =
        Upload { key: &key, chunks: &chunks, sha256, content_type: "video/mp4", cache_control: CACHE_IMMUTABLE };
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    while !stop.is_cancelled() {
        match objects.put_once(&upload).await {
            Ok(()) => return Some(sha256),
            Err(error) => tracing::debug!(%error, "a segment is not stored yet"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(backoff.next_wait()) => {}
        }
    }
    None
}

/// A rendition's row.
pub(super) fn rendition(name: &str, track: &TrackConfig, frame_rate_mhz: Option<u64>) -> Rendition {
    let small = |value: u32| i32::try_from(value).ok();
    let mut row = Rendition {
        name: name.to_owned(),
        kind: RenditionKind::Video,
        codecs: track.codecs(),
        width: None,
        height: None,
        frame_rate_mhz: None,
        channels: None,
        sample_rate: None,
    };
    match track {
        TrackConfig::Video(video) => {
            let (width, height) = video.display_size();
            (row.width, row.height) = (small(width), small(height));
            row.frame_rate_mhz = frame_rate_mhz.and_then(|rate| i64::try_from(rate).ok());
        }
        TrackConfig::Audio(aac) => {
            row.kind = RenditionKind::Audio;
            (row.channels, row.sample_rate) = (Some(i32::from(aac.channels)), small(aac.output_rate));
        }
    }
    row
}
