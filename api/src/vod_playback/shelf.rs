//! What playback remembers between requests: rows it asked for a moment ago, and playlists it has written.
//!
//! Everything here is bounded, short-lived and made once for any number of viewers who ask at the same time.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use db::recordings::{self, Playable};
use domain::clip::Span;
use domain::stream::VodStatus;
use domain::{ClipId, VodId};
use flate2::Compression;
use flate2::write::GzEncoder;
use kit::config::Delivery;
use live::playback::Verdict;
use media::playlist::Excerpt;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::PlaybackError;
use super::reel::{Reel, with_links};
use super::storyboard;
use crate::state::App;

/// A recording's row is asked for again after this long; playlists always ask.
const RECENT: Duration = Duration::from_secs(2);
/// How long what was known last may answer while Postgres is away.
const KNOWN_TTL: Duration = Duration::from_secs(600);
const KNOWN_MAX: u64 = 10_000;
/// A finished recording's playlist: late segments of a node that was away show up after this.
const READY_TTL: Duration = Duration::from_secs(30);
/// A running recording's playlist, in seconds.
const RECORDING_TTL_S: u64 = 1;
/// Rows are about this large in memory.
const ROW_BYTES: usize = 512;
const REELS_BYTES_MAX: u64 = 64 * 1024 * 1024;
const TEXTS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Pictures of clips: some kilobytes each.
const PICTURES_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// A running recording's nearest picture may still come.
const PICTURES_TTL: Duration = Duration::from_secs(60);
/// A longer query is not handed down to children.
const QUERY_LEN_MAX: usize = 1_024;
/// On top of twice the recording's length, for pauses.
const LINK_SLACK_S: u64 = 3_600;

/// Cheap to clone; all clones share.
#[derive(Clone)]
pub(super) struct Shelf {
    known: Cache<VodId, Known>,
    reels: Cache<(VodId, u64), Arc<Reel>>,
    texts: Cache<TextKey, Arc<Text>>,
    /// What clips were cut from when it was asked last.
    clips: Cache<ClipId, (VodId, Span)>,
    /// Pictures of clips, by recording and beginning. `None`: there is none of its own.
    pub(super) pictures: Cache<(VodId, i64), Option<Bytes>>,
}

#[derive(Clone)]
struct Known {
    asked_at: Instant,
    playable: Option<Arc<Playable>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TextKey {
    id: VodId,
    slot: u64,
    /// Of the whole recording, or of a clip.
    span: Option<Span>,
    page: Wanted,
    query: String,
}

/// Which playlist of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Multivariant,
    Rendition(String),
    /// Its key frames.
    IFrames(String),
    /// MPEG-DASH.
    Manifest,
    /// The small pictures along it.
    Storyboard,
}

/// A playlist, ready to be sent.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) plain: Bytes,
    pub(super) gzip: Bytes,
    pub(super) etag: String,
    pub(super) gzip_etag: String,
}

impl Wanted {
    fn mime(&self) -> &'static str {
        match self {
            Self::Multivariant | Self::Rendition(_) | Self::IFrames(_) => "application/vnd.apple.mpegurl",
            Self::Manifest => "application/dash+xml",
            Self::Storyboard => "text/vtt; charset=utf-8",
        }
    }
}

/// A playlist, what it is, and how long others may keep it.
pub(super) struct Page {
    pub(super) mime: &'static str,
    pub(super) text: Arc<Text>,
    pub(super) max_age_s: u64,
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_TTL).build(),
            reels: Cache::builder()
                .weigher(|_, reel: &Arc<Reel>| u32::try_from(reel.len() * ROW_BYTES).unwrap_or(u32::MAX))
                .max_capacity(REELS_BYTES_MAX)
                .time_to_live(READY_TTL)
                .build(),
            texts: Cache::builder()
                .weigher(|_, text: &Arc<Text>| u32::try_from(text.plain.len() + text.gzip.len()).unwrap_or(u32::MAX))
                .max_capacity(TEXTS_BYTES_MAX)
                .time_to_live(READY_TTL)
                .build(),
            clips: Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_TTL).build(),
            pictures: Cache::builder()
                .weigher(|_, picture: &Option<Bytes>| {
                    u32::try_from(picture.as_ref().map_or(0, Bytes::len) + 64).unwrap_or(u32::MAX)
                })
                .max_capacity(PICTURES_BYTES_MAX)
                .time_to_live(PICTURES_TTL)
                .build(),
        }
    }

    /// What a clip is cut from, as it is now, or as it was last when Postgres is away.
    pub(super) async fn clip(&self, app: &App, id: ClipId) -> Result<(VodId, Span), PlaybackError> {
        let ask = async {
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            db::clips::playable(&mut conn, id).await
        };
        match ask.await {
            Ok(Some(clip)) => {
                self.clips.insert(id, clip).await;
                Ok(clip)
            }
            Ok(None) => {
                self.clips.invalidate(&id).await;
                Err(PlaybackError::NotFound)
            }
            Err(error) => match self.clips.get(&id).await {
                Some(clip) => Ok(clip),
                None => Err(PlaybackError::Rows(Arc::new(error))),
            },
        }
    }

    /// One of a recording's playlists.
    pub(super) async fn page(&self, app: &App, id: VodId, wanted: Wanted, query: &str) -> Result<Page, PlaybackError> {
        self.page_of(app, (id, None), wanted, query).await
    }

    /// One of the playlists of a clip, which is a span of a recording.
    pub(super) async fn clip_page(
        &self,
        app: &App,
        (id, span): (VodId, Span),
        wanted: Wanted,
        query: &str,
    ) -> Result<Page, PlaybackError> {
        self.page_of(app, (id, Some(span)), wanted, query).await
    }

    async fn page_of(
        &self,
        app: &App,
        (id, span): (VodId, Option<Span>),
        wanted: Wanted,
        query: &str,
    ) -> Result<Page, PlaybackError> {
        let playable = self.fresh(app, id).await?.ok_or(PlaybackError::NotFound)?;
        judge(app, id, &playable, Some(query))?;
        let is_complete = playable.status == VodStatus::Ready;
        let slot = slot_of(is_complete);
        let query = if query.len() <= QUERY_LEN_MAX { media::playlist::child_query(query) } else { String::new() };
        let mime = wanted.mime();
        let key = TextKey { id, slot, span, page: wanted, query };
        let text = if playable.visibility.needs_token() {
            // Each viewer's own, with a token of minutes on every line: nobody else will ask for it.
            self.write(app, &key, &playable).await?
        } else {
            let made = self.texts.try_get_with(key.clone(), self.write(app, &key, &playable)).await;
            made.map_err(|error: Arc<PlaybackError>| PlaybackError::clone_of(&error))?
        };
        let storage = &app.config.storage;
        let kept_max_s = match storage.delivery {
            Delivery::Presigned => (storage.presign_ttl_s / 4).max(1),
            Delivery::Proxy | Delivery::Public => u64::MAX,
        };
        let max_age_s = if is_complete { READY_TTL.as_secs() } else { RECORDING_TTL_S };
        Ok(Page { mime, text, max_age_s: max_age_s.min(kept_max_s) })
    }

    /// What is stored of a recording, as it was at most a moment ago.
    pub(super) async fn reel(&self, app: &App, id: VodId, playable: &Playable) -> Result<Arc<Reel>, PlaybackError> {
        let is_complete = playable.status == VodStatus::Ready;
        self.reel_of(app, (id, slot_of(is_complete)), is_complete).await
    }

    async fn reel_of(
        &self,
        app: &App,
        (id, slot): (VodId, u64),
        is_complete: bool,
    ) -> Result<Arc<Reel>, PlaybackError> {
        let read = async {
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            let rows = recordings::segments(&mut conn, id).await?;
            Ok::<_, db::DbError>(Arc::new(Reel::new(rows, is_complete)))
        };
        self.reels.try_get_with((id, slot), read).await.map_err(PlaybackError::Rows)
    }

    async fn write(&self, app: &App, key: &TextKey, playable: &Playable) -> Result<Arc<Text>, PlaybackError> {
        let is_complete = playable.status == VodStatus::Ready;
        let whole = self.reel_of(app, (key.id, key.slot), is_complete).await?;
        let part = key.span.map(|span| whole.cut(&playable.renditions, span));
        let (reel, starts_at_s) = match &part {
            Some((part, starts_at_s)) => (part, Some(*starts_at_s)),
            None => (&*whole, None),
        };
        if reel.is_empty() {
            return Err(PlaybackError::Empty);
        }
        let query = key.query.trim_start_matches('?');
        let text = match &key.page {
            Wanted::Multivariant => {
                reel.multivariant(&playable.renditions, &app.config.hls.audio_language).render(query)
            }
            Wanted::Manifest => {
                let target_s = app.config.hls.segment_ms.div_euclid(1_000).max(1);
                let delivered = match app.config.storage.delivery {
                    Delivery::Public if !playable.visibility.needs_token() => {
                        let base = app.config.storage.public_url.trim_end_matches('/');
                        format!("{base}/{}", objects::keys::vod_prefix(key.id))
                    }
                    // Links are signed one by one, which a template cannot say: these are passed through.
                    Delivery::Proxy | Delivery::Presigned | Delivery::Public => String::new(),
                };
                let language = &app.config.hls.audio_language;
                reel.manifest(&playable.renditions, target_s, language, delivered)
                    .and_then(|manifest| manifest.render(query))
                    .ok_or(PlaybackError::NoFile)?
            }
            Wanted::Storyboard => {
                let sheets = async {
                    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
                    db::storyboards::of(&mut conn, key.id).await
                };
                let sheets = sheets.await.map_err(|error| PlaybackError::Rows(Arc::new(error)))?;
                storyboard::vtt(reel, &playable.renditions, &sheets, &key.query).ok_or(PlaybackError::NoFile)?
            }
            Wanted::Rendition(name) | Wanted::IFrames(name) => {
                let target_s = app.config.hls.segment_ms.div_euclid(1_000).max(1);
                let playlist = reel.rendition(name, target_s).ok_or(PlaybackError::NoRendition)?;
                let length_s = playlist.segments.iter().map(|segment| segment.duration_s).sum::<f64>();
                // A clip's files are the recording's: the same bytes under the same address.
                let folder = key.span.map(|_| format!("/vod/{}/{name}/", key.id)).unwrap_or_default();
                let excerpt = Excerpt { folder: &folder, starts_at_s };
                let text = match &key.page {
                    Wanted::IFrames(_) => {
                        playlist.render_excerpt_iframes(query, excerpt).ok_or(PlaybackError::NoFile)?
                    }
                    _ => playlist.render_excerpt(query, excerpt),
                };
                match playable.visibility.needs_token() {
                    // Links to the bucket would outlive the permission.
                    true => text,
                    false => link(app, key.id, name, text, length_s).await?,
                }
            }
        };
        Ok(Arc::new(Text::new(text)))
    }

    /// The recording's row as it is now, or as it was last when Postgres is away. `None`: there is nothing to play.
    async fn fresh(&self, app: &App, id: VodId) -> Result<Option<Arc<Playable>>, PlaybackError> {
        let ask = async {
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            recordings::playable(&mut conn, id).await
        };
        match ask.await {
            Ok(playable) => {
                let playable = playable.map(Arc::new);
                self.known.insert(id, Known { asked_at: Instant::now(), playable: playable.clone() }).await;
                Ok(playable)
            }
            Err(error) => match self.known.get(&id).await {
                Some(known) => Ok(known.playable),
                None => Err(PlaybackError::Rows(Arc::new(error))),
            },
        }
    }

    /// The recording's row as it was at most two seconds ago, for whoever may play it.
    pub(super) async fn recent(
        &self,
        app: &App,
        id: VodId,
        query: Option<&str>,
    ) -> Result<Arc<Playable>, PlaybackError> {
        let playable = match self.known.get(&id).await {
            Some(known) if known.asked_at.elapsed() < RECENT => known.playable,
            _ => self.fresh(app, id).await?,
        };
        let playable = playable.ok_or(PlaybackError::NotFound)?;
        judge(app, id, &playable, query)?;
        Ok(playable)
    }
}

/// Names what was made of a recording: what is made of one that runs is soon nobody's.
fn slot_of(is_complete: bool) -> u64 {
    if is_complete { 0 } else { kit::clock::unix_seconds() / RECORDING_TTL_S }
}

/// An error unless this request may play the recording. What is hidden is not there.
fn judge(app: &App, id: VodId, playable: &Playable, query: Option<&str>) -> Result<(), PlaybackError> {
    match app.gate.judge_vod(id, playable.visibility, query) {
        Verdict::Granted => Ok(()),
        Verdict::Hidden => Err(PlaybackError::NotFound),
        Verdict::Over => Err(PlaybackError::Over),
    }
}

/// Sends players to the bucket, when the operator wants that.
async fn link(app: &App, id: VodId, rendition: &str, text: String, length_s: f64) -> Result<String, PlaybackError> {
    let storage = &app.config.storage;
    let folder = format!("{}{rendition}", objects::keys::vod_prefix(id));
    match storage.delivery {
        Delivery::Proxy => Ok(text),
        Delivery::Public => {
            let base = storage.public_url.trim_end_matches('/');
            Ok(with_links(&text, |name| Some(format!("{base}/{folder}/{name}"))))
        }
        Delivery::Presigned => {
            // A player reads a finished recording's playlist once: its last link is used when it gets there.
            let ttl_s = storage.presign_ttl_s.max(length_s.ceil() as u64 * 2 + LINK_SLACK_S);
            let ttl = Duration::from_secs(ttl_s);
            let mut names: Vec<String> = Vec::new();
            with_links(&text, |name| {
                names.push(name.to_owned());
                None
            });
            let mut links = std::collections::HashMap::with_capacity(names.len());
            for name in names {
                let address = app.objects.presign_get(&format!("{folder}/{name}"), ttl).await?;
                links.insert(name, address);
            }
            Ok(with_links(&text, |name| links.get(name).cloned()))
        }
    }
}

impl Text {
    fn new(text: String) -> Self {
        let tag = hex::encode(&Sha256::digest(text.as_bytes())[..12]);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail; an empty answer would be noticed by its tests.
        let gzip = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        Self {
            plain: Bytes::from(text),
            gzip: Bytes::from(gzip),
            etag: format!("\"{tag}\""),
            gzip_etag: format!("\"{tag}-gz\""),
        }
    }
}
