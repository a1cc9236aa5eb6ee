//! An owner's answer, whole and in memory, and how long it may be given again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::ask::Ask;

/// An answer that is larger is passed on as it comes. A segment of ten seconds at 50 Mbit/s.
pub(super) const ENTRY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Longer lives are cut to this: what nobody asks for meanwhile is dropped for space long before.
const LIFE_MAX: Duration = Duration::from_secs(600);
/// What is not there now may be there in a moment.
const ABSENCE_MAX: Duration = Duration::from_millis(300);
/// What an entry costs besides its bytes.
const OVERHEAD_BYTES: u64 = 1_024;
/// The part of the memory that answers may fill; the rest is for what is on its way, and for what slow viewers still take.
const KEPT_NUMERATOR: u64 = 3;
const KEPT_DENOMINATOR: u64 = 4;
/// The memory is counted in these.
const GRAIN_BYTES: u64 = 1_024;
/// What of an owner's headers goes on to viewers. The rest is made here.
const HANDED_ON: [HeaderName; 3] = [CONTENT_TYPE, CACHE_CONTROL, RETRY_AFTER];

/// An answer.
#[derive(Debug)]
pub(super) struct Entry {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The strong validator of the uncompressed body.
    pub etag: Option<String>,
    pub body: Bytes,
    /// The same compressed, when the owner sent it so.
    pub packed: Option<Bytes>,
    /// When it was complete.
    pub at: Instant,
    life: Duration,
}

/// A part of the memory, held as long as its bytes are.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Room {
    /// Bytes that give the room back when the last who holds any of them is done, cache or viewer.
    pub(super) fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self })
    }

    /// A piece of it for a body of this size.
    pub(super) fn split(&mut self, bytes: u64) -> Option<Self> {
        self.0.split(grains(bytes) as usize).map(Self)
    }
}

impl Entry {
    pub(super) fn new(status: StatusCode, from: &HeaderMap, body: Bytes, packed: Option<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        for name in HANDED_ON {
            if let Some(value) = from.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let tag = from.get(ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| tag.replace("-gz\"", "\""));
        let life = life_of(status, from.get(CACHE_CONTROL));
        Self { status, headers, etag: tag, body, packed, at: Instant::now(), life }
    }

    /// Whether it may be given to somebody who did not wait for it.
    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < self.life
    }

    fn weight(&self) -> u64 {
        (self.body.len() + self.packed.as_ref().map_or(0, Bytes::len)) as u64 + OVERHEAD_BYTES
    }
}

/// How long an answer may be repeated (RFC 9111 4.2): as its owner says, not at all where it says nothing.
fn life_of(status: StatusCode, cache_control: Option<&HeaderValue>) -> Duration {
    let word = cache_control.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let told = |name: &str| word.split(',').find_map(|part| part.trim().strip_prefix(name));
    if ["no-store", "no-cache", "private"].iter().any(|name| told(name).is_some()) {
        return Duration::ZERO;
    }
    let seconds = told("max-age=").and_then(|age| age.parse().ok()).unwrap_or(0);
    let life = Duration::from_secs(seconds).min(LIFE_MAX);
    match status {
        StatusCode::OK => life,
        StatusCode::NOT_FOUND => life.min(ABSENCE_MAX),
        _ => Duration::ZERO,
    }
}

/// What was answered lately, and the memory all of it lives in. Cheap to clone.
///
/// Not moka: it gives the memory of what it drops back when it finds time, and this bound is a hard one.
#[derive(Clone)]
pub(super) struct Store {
    kept: Arc<Mutex<Kept>>,
    bytes_max: u64,
    memory: Arc<Semaphore>,
}

#[derive(Default)]
struct Kept {
    /// With the moment each was asked for last.
    entries: HashMap<Ask, (Arc<Entry>, u64)>,
    /// What was asked for longest ago comes first.
    by_use: BTreeMap<u64, Ask>,
    uses: u64,
    bytes: u64,
}

impl Kept {
    fn get(&mut self, ask: &Ask) -> Option<Arc<Entry>> {
        let (entry, used) = self.entries.get_mut(ask)?;
        if !entry.is_fresh() {
            self.remove(ask);
            return None;
        }
        self.uses += 1;
        let before = std::mem::replace(used, self.uses);
        if let Some(ask) = self.by_use.remove(&before) {
            self.by_use.insert(self.uses, ask);
        }
        Some(Arc::clone(entry))
    }

    fn put(&mut self, ask: Ask, entry: Arc<Entry>) {
        self.remove(&ask);
        self.uses += 1;
        self.bytes += entry.weight();
        self.by_use.insert(self.uses, ask.clone());
        self.entries.insert(ask, (entry, self.uses));
    }

    fn remove(&mut self, ask: &Ask) {
        if let Some((entry, used)) = self.entries.remove(ask) {
            self.by_use.remove(&used);
            self.bytes -= entry.weight();
        }
    }

    /// Whether there was anything left to drop.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.by_use.first_key_value().map(|(_, ask)| ask.clone());
        oldest.inspect(|ask| self.remove(ask)).is_some()
    }
}

impl Store {
    pub(super) fn new(bytes: u64) -> Self {
        let grains = usize::try_from(bytes / GRAIN_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            kept: Arc::default(),
            bytes_max: bytes / KEPT_DENOMINATOR * KEPT_NUMERATOR,
            memory: Arc::new(Semaphore::new(grains.min(Semaphore::MAX_PERMITS))),
        }
    }

    pub(super) fn get(&self, ask: &Ask) -> Option<Arc<Entry>> {
        self.lock().get(ask)
    }

    pub(super) fn put(&self, ask: Ask, entry: &Arc<Entry>) {
        if entry.is_fresh() {
            let mut kept = self.lock();
            kept.put(ask, Arc::clone(entry));
            while kept.bytes > self.bytes_max && kept.drop_oldest() {}
        }
    }

    /// Memory for so many bytes, if there is any. What was asked for longest ago makes room.
    pub(super) fn room(&self, bytes: u64) -> Option<Room> {
        let grains = grains(bytes);
        loop {
            if let Ok(permit) = Arc::clone(&self.memory).try_acquire_many_owned(grains) {
                return Some(Room(permit));
            }
            let is_hopeless = bytes > self.bytes_max;
            if is_hopeless || !self.lock().drop_oldest() {
                return None;
            }
        }
    }

    /// Lets go of what is too old to be given to anybody.
    pub(super) fn tidy(&self) {
        let mut kept = self.lock();
        let old = |(ask, (entry, _)): (&Ask, &(Arc<Entry>, u64))| (!entry.is_fresh()).then(|| ask.clone());
        let old: Vec<Ask> = kept.entries.iter().filter_map(old).collect();
        old.iter().for_each(|ask| kept.remove(ask));
        metrics::gauge!("rillcast_edge_kept_bytes").set(kept.bytes as f64);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grains(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(status: u16, word: &'static str) -> Duration {
        life_of(StatusCode::from_u16(status).unwrap(), Some(&HeaderValue::from_static(word)))
    }

    #[test]
    fn an_answer_lives_as_long_as_its_owner_says() {
        assert_eq!(life(200, "public, max-age=12"), Duration::from_secs(12));
        assert_eq!(life(200, "public, max-age=31536000, immutable"), LIFE_MAX);
        assert_eq!(life(404, "public, max-age=2"), ABSENCE_MAX);
        for (status, word) in [(200, "no-store"), (200, "private, max-age=9"), (200, "public"), (503, "max-age=9")] {
            assert_eq!(life(status, word), Duration::ZERO, "{status} {word}");
        }
        assert_eq!(life_of(StatusCode::OK, None), Duration::ZERO);
    }

    #[test]
    fn memory_is_given_back_when_the_last_viewer_has_taken_the_bytes() {
        let store = Store::new(8 * 1024);
        let room = store.room(5 * 1024).expect("room");
        let bytes = room.hold(Bytes::from(vec![7; 5 * 1024]));
        let slow = bytes.slice(4..8);
        assert!(store.room(5 * 1024).is_none(), "the memory has an end");
        drop(bytes);
        assert!(store.room(5 * 1024).is_none(), "somebody still takes it");
        assert_eq!(&slow[..], [7; 4]);
        drop(slow);
        assert!(store.room(5 * 1024).is_some());
    }

    #[test]
    fn the_newest_answer_is_always_kept_and_the_oldest_goes() {
        let store = Store::new(64 * 1024);
        let immutable = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=99"))]);
        let part = |number: usize| Ask::media(&format!("alice/x/source/part{number}.0.m4s"));
        for number in 0..100 {
            let room = store.room(10 * 1024).unwrap_or_else(|| panic!("room for {number}"));
            let body = room.hold(Bytes::from(vec![0; 10 * 1024]));
            store.put(part(number), &Arc::new(Entry::new(StatusCode::OK, &immutable, body, None)));
            for _often in 0..5 {
                assert!(store.get(&part(number)).is_some());
            }
        }
        assert!(store.get(&part(0)).is_none());
        let refused = Entry::new(StatusCode::SERVICE_UNAVAILABLE, &immutable, Bytes::new(), None);
        store.put(part(200), &Arc::new(refused));
        assert!(store.get(&part(200)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_given_to_nobody_and_goes() {
        let store = Store::new(64 * 1024);
        let short = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=1"))]);
        let ask = Ask::media("alice/x/source/part1.0.m4s");
        let body = store.room(1_024).expect("room").hold(Bytes::from(vec![0; 1_024]));
        store.put(ask.clone(), &Arc::new(Entry::new(StatusCode::OK, &short, body, None)));
        assert!(store.get(&ask).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        store.tidy();
        assert!(store.lock().entries.is_empty() && store.lock().by_use.is_empty() && store.lock().bytes == 0);
        assert!(store.room(48 * 1024).is_some() && store.get(&ask).is_none());
    }
}
