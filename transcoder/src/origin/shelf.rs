//! What of the live streams can be fetched at this moment.
//!
//! A stream's own task is the only writer; it hangs out immutable [`View`]s, one per part. Requests only read. Locks here
//! guard single pointers and are never held across a wait.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use domain::user::Username;
use domain::{StreamId, Visibility, VodId};
use flate2::Compression;
use flate2::write::GzEncoder;
use media::playlist::{MediaPlaylist, Multivariant};
use tokio::sync::watch;

use super::past::{Kind, Past};
use crate::place::OnDisk;

/// Whose stream it is.
#[derive(Debug, Clone)]
pub(crate) struct StreamInfo {
    pub(crate) stream_id: StreamId,
    pub(crate) vod_id: VodId,
    pub(crate) username: Username,
}

/// A finished segment: its parts one after another.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) msn: u64,
    /// Where each part ends, counted from the segment's start.
    ends: Box<[u64]>,
    store: Mutex<Store>,
    /// Where the recording has put the same bytes.
    spooled: OnceLock<OnDisk>,
    /// Whether the bucket has them.
    is_stored: AtomicBool,
}

#[derive(Debug, Clone)]
enum Store {
    Memory(Arc<[Bytes]>),
    Disk(OnDisk),
}

/// Bytes to send: from memory without copying, or from a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Memory(Vec<Bytes>),
    Disk(OnDisk),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(chunks) => chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            Self::Disk(place) => place.length,
        }
    }
}

impl Segment {
    pub(crate) fn new(msn: u64, parts: Vec<Bytes>) -> Self {
        let ends = parts
            .iter()
            .scan(0, |end, part| {
                *end += part.len() as u64;
                Some(*end)
            })
            .collect();
        Self {
            msn,
            ends,
            store: Mutex::new(Store::Memory(parts.into())),
            spooled: OnceLock::new(),
            is_stored: AtomicBool::new(false),
        }
    }

    pub(crate) fn part_count(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(crate) fn content(&self) -> Content {
        match self.store() {
            Store::Memory(parts) => Content::Memory(parts.to_vec()),
            Store::Disk(place) => Content::Disk(place),
        }
    }

    pub(crate) fn part(&self, index: usize) -> Option<Content> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some(match self.store() {
            Store::Memory(parts) => Content::Memory(vec![parts.get(index)?.clone()]),
            Store::Disk(place) => Content::Disk(place.slice(start, end - start)),
        })
    }

    /// The parts while they are in memory.
    pub(crate) fn in_memory(&self) -> Option<Arc<[Bytes]>> {
        match self.store() {
            Store::Memory(parts) => Some(parts),
            Store::Disk(_) => None,
        }
    }

    /// The recording keeps the same bytes here.
    pub(crate) fn lies_at(&self, place: OnDisk) {
        if place.length == self.len() {
            let _first = self.spooled.set(place);
        }
    }

    pub(crate) fn is_spooled(&self) -> bool {
        self.spooled.get().is_some()
    }

    /// The bucket has confirmed the same bytes.
    pub(crate) fn set_stored(&self) {
        self.is_stored.store(true, Ordering::Release);
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.is_stored.load(Ordering::Acquire)
    }

    /// Lets go of the memory if the recording has the bytes on disk. Says whether it has.
    pub(crate) fn rests_in_spool(&self) -> bool {
        let Some(place) = self.spooled.get() else { return false };
        self.moved_to(place.clone());
        true
    }

    /// Lets go of the memory: the bytes are on disk now.
    pub(crate) fn moved_to(&self, place: OnDisk) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Store::Disk(place);
    }

    fn store(&self) -> Store {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A part as requests see it.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    Here(Content),
    /// It is the one that comes next: wait for it.
    Soon,
    Never,
}

/// One rendition at one moment.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) playlist: MediaPlaylist,
    /// Finished segments that may be fetched, listed or removed lately, oldest first.
    pub(crate) closed: Arc<[Arc<Segment>]>,
    pub(crate) open_msn: u64,
    pub(crate) open_parts: Vec<Bytes>,
    pub(crate) inits: Arc<[(u32, Bytes)]>,
    texts: [OnceLock<Bytes>; 4],
    from_start: [OnceLock<Bytes>; 6],
}

/// Which rendering of a playlist is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendering {
    pub(crate) skip: bool,
    pub(crate) gzip: bool,
}

/// Which of the playlists that begin with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromStart {
    Whole,
    Delta,
    IFrames,
}

impl View {
    pub(crate) fn new(playlist: MediaPlaylist, open_msn: u64) -> Self {
        Self {
            playlist,
            closed: Arc::new([]),
            open_msn,
            open_parts: Vec::new(),
            inits: Arc::new([]),
            texts: Default::default(),
            from_start: Default::default(),
        }
    }

    /// The playlist's text. Rendered by whoever asks first, then shared by all who waited for this part.
    pub(crate) fn text(&self, rendering: Rendering, query: &str) -> Bytes {
        if !query.is_empty() {
            let text = self.playlist.render_with_query(rendering.skip, query);
            return if rendering.gzip { gzip(text.as_bytes()) } else { text.into() };
        }
        let plain = self.texts[usize::from(rendering.skip)].get_or_init(|| self.playlist.render(rendering.skip).into());
        if !rendering.gzip {
            return plain.clone();
        }
        self.texts[2 + usize::from(rendering.skip)].get_or_init(|| gzip(plain)).clone()
    }

    /// A playlist that begins with the stream; `query` as in [`Self::text`]. Shared like it.
    pub(crate) fn text_from_start(&self, past: &Past, which: FromStart, is_gzip: bool, query: &str) -> Bytes {
        let report_query = match query {
            "" => super::past::QUERY.to_owned(),
            query => media::playlist::child_query(&format!("{query}&dvr=1")),
        };
        let make = || {
            let kind = if which == FromStart::IFrames { Kind::IFrames } else { Kind::Segments };
            let delta = (which == FromStart::Delta).then(|| past.delta(self, query, &report_query)).flatten();
            match delta {
                Some(delta) if is_gzip => gzip(delta.as_bytes()),
                Some(delta) => delta.into(),
                None => past.text(self, kind, query, &report_query, is_gzip),
            }
        };
        if query.is_empty() {
            self.from_start[which as usize * 2 + usize::from(is_gzip)].get_or_init(make).clone()
        } else {
            make()
        }
    }

    pub(crate) fn segment(&self, msn: u64) -> Option<&Arc<Segment>> {
        let index = self.closed.binary_search_by_key(&msn, |segment| segment.msn).ok()?;
        self.closed.get(index)
    }

    pub(crate) fn part(&self, msn: u64, index: u32) -> Found {
        let index_wide = index as usize;
        if let Some(segment) = self.segment(msn) {
            return segment.part(index_wide).map_or(Found::Never, Found::Here);
        }
        if self.playlist.is_ended() {
            return Found::Never;
        }
        if msn == self.open_msn {
            if let Some(part) = self.open_parts.get(index_wide) {
                return Found::Here(Content::Memory(vec![part.clone()]));
            }
            return if index_wide == self.open_parts.len() { Found::Soon } else { Found::Never };
        }
        // The hint names the next segment's first part when the present one is full.
        if msn == self.open_msn + 1 && index == 0 { Found::Soon } else { Found::Never }
    }

    pub(crate) fn init(&self, number: u32) -> Option<&Bytes> {
        self.inits.iter().find(|(known, _)| *known == number).map(|(_, bytes)| bytes)
    }
}

/// Level 1: playlists are so repetitive that more effort saves little.
pub(crate) fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4 + 64), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default().into()
}

/// One rendition's place on the shelf.
#[derive(Debug)]
pub(crate) struct Rack {
    pub(crate) name: String,
    pub(crate) past: Past,
    view: watch::Sender<Arc<View>>,
}

impl Rack {
    pub(crate) fn new(name: &str, view: View) -> Self {
        Self { name: name.to_owned(), past: Past::default(), view: watch::Sender::new(Arc::new(view)) }
    }

    pub(crate) fn hang_out(&self, view: View) {
        self.view.send_replace(Arc::new(view));
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }
}

/// How far a stream is, as viewers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Starting,
    Live,
    Ended,
}

/// One stream's renditions.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) info: StreamInfo,
    pub(crate) target_duration_s: u32,
    /// Requests that wait for a part of this stream.
    pub(crate) blocked: AtomicUsize,
    racks: RwLock<Vec<Arc<Rack>>>,
    multivariant: RwLock<Option<Arc<Multivariant>>>,
    thumbnail: RwLock<Option<Bytes>>,
    stage: AtomicU8,
    /// The manifests made last: of the window, and from the stream's beginning.
    pub(crate) manifests: Mutex<[Option<Arc<super::manifest::Page>>; 2]>,
    visibility: AtomicU8,
}

impl Shelf {
    pub(crate) fn new(info: StreamInfo, target_duration_s: u32) -> Self {
        Self {
            info,
            target_duration_s,
            blocked: AtomicUsize::new(0),
            racks: RwLock::default(),
            multivariant: RwLock::default(),
            thumbnail: RwLock::default(),
            stage: AtomicU8::new(0),
            manifests: Mutex::default(),
            visibility: AtomicU8::new(Visibility::Public as u8),
        }
    }

    pub(crate) fn add(&self, rack: Arc<Rack>) {
        write(&self.racks).push(rack);
    }

    pub(crate) fn rack(&self, name: &str) -> Option<Arc<Rack>> {
        read(&self.racks).iter().find(|rack| rack.name == name).cloned()
    }

    pub(crate) fn racks(&self) -> Vec<Arc<Rack>> {
        read(&self.racks).clone()
    }

    pub(crate) fn set_multivariant(&self, playlist: Multivariant) {
        *write(&self.multivariant) = Some(Arc::new(playlist));
        let _ = self.stage.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn multivariant(&self) -> Option<Arc<Multivariant>> {
        read(&self.multivariant).clone()
    }

    pub(crate) fn set_thumbnail(&self, jpeg: Bytes) {
        *write(&self.thumbnail) = Some(jpeg);
    }

    pub(crate) fn thumbnail(&self) -> Option<Bytes> {
        read(&self.thumbnail).clone()
    }

    /// Whom the stream is for from now on. Says whom it was for.
    pub(crate) fn set_visibility(&self, visibility: Visibility) -> Visibility {
        visibility_of(self.visibility.swap(visibility as u8, Ordering::AcqRel))
    }

    pub(crate) fn visibility(&self) -> Visibility {
        visibility_of(self.visibility.load(Ordering::Acquire))
    }

    pub(crate) fn end(&self) {
        self.stage.store(2, Ordering::Release);
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Live,
            _ => Stage::Ended,
        }
    }
}

fn visibility_of(stored: u8) -> Visibility {
    Visibility::ALL.into_iter().find(|visibility| *visibility as u8 == stored).unwrap_or(Visibility::Private)
}

/// All streams of this node.
#[derive(Debug, Default)]
pub(crate) struct Index {
    streams: RwLock<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    by_id: HashMap<StreamId, Arc<Shelf>>,
    by_name: HashMap<Username, StreamId>,
}

impl Index {
    pub(crate) fn add(&self, shelf: Arc<Shelf>) {
        let mut streams = write(&self.streams);
        streams.by_name.insert(shelf.info.username.clone(), shelf.info.stream_id);
        streams.by_id.insert(shelf.info.stream_id, shelf);
    }

    pub(crate) fn remove(&self, info: &StreamInfo) {
        let mut streams = write(&self.streams);
        streams.by_id.remove(&info.stream_id);
        // The channel may be on air with its next stream already.
        if streams.by_name.get(&info.username) == Some(&info.stream_id) {
            streams.by_name.remove(&info.username);
        }
    }

    /// The newest stream of a channel.
    pub(crate) fn of_channel(&self, username: &Username) -> Option<Arc<Shelf>> {
        let streams = read(&self.streams);
        streams.by_id.get(streams.by_name.get(username)?).cloned()
    }

    pub(crate) fn of_stream(&self, username: &Username, id: StreamId) -> Option<Arc<Shelf>> {
        read(&self.streams).by_id.get(&id).filter(|shelf| shelf.info.username == *username).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Shelf>> {
        read(&self.streams).by_id.values().cloned().collect()
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(closed: Vec<Segment>, open_msn: u64, open_parts: &[&'static [u8]]) -> View {
        View {
            closed: closed.into_iter().map(Arc::new).collect(),
            open_parts: open_parts.iter().map(|part| Bytes::from_static(part)).collect(),
            ..View::new(MediaPlaylist::new(2, 6, 0), open_msn)
        }
    }

    #[test]
    fn a_part_is_the_same_bytes_before_and_after_its_segment_closes() {
        let open = view(vec![], 4, &[b"ab", b"c"]);
        let Found::Here(before) = open.part(4, 1) else { panic!("it is there") };
        let closed = view(vec![Segment::new(4, vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")])], 5, &[]);
        assert_eq!(closed.part(4, 1), Found::Here(before));
        assert_eq!(closed.segment(4).map(|segment| segment.len()), Some(3));
    }

    #[test]
    fn only_the_next_part_is_waited_for() {
        let view = view(vec![Segment::new(3, vec![Bytes::from_static(b"x")])], 4, &[b"ab"]);
        assert_eq!(view.part(4, 1), Found::Soon);
        assert_eq!(view.part(5, 0), Found::Soon);
        assert_eq!(view.part(4, 2), Found::Never);
        assert_eq!(view.part(3, 1), Found::Never, "its segment ended before it");
        assert_eq!(view.part(6, 0), Found::Never);
        assert_eq!(view.part(2, 0), Found::Never);
    }

    #[test]
    fn a_renderings_bytes_are_shared_by_all_who_ask() {
        let view = view(vec![], 0, &[]);
        let rendering = Rendering { skip: false, gzip: true };
        assert_eq!(view.text(rendering, "").as_ptr(), view.text(rendering, "").as_ptr());
        assert!(view.text(Rendering { skip: false, gzip: false }, "a=1").starts_with(b"#EXTM3U"));
    }
}
