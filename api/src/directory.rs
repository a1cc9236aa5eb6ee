//! Which node has which stream and whom it is for, in memory: refreshed every second, kept while Redis is away.
//!
//! Owns how long a stream whose owner is lost may look for another ([`HANDOVER_MAX`]).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{StreamId, Visibility};
use live::directory::StreamEntry;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// A stream that is announced no more is still asked for this long: its last playlists stay readable for two minutes.
const LINGER: Duration = Duration::from_secs(130);
/// From the moment a stream's owner is missed, or another took over, to the moment viewers are told: so long they are kept waiting.
pub(crate) const HANDOVER_MAX: Duration = Duration::from_secs(5);
/// An owner that was missed so long ago, and not since, is missed anew.
const MISSED_ANEW: Duration = Duration::from_secs(10);
/// Whom a stream is for is asked of Postgres while somebody wants it, and so long after.
const WANTED_FOR: Duration = Duration::from_secs(60);
/// What Postgres said is better than what an owner announced, for this long.
const TOLD_FOR: Duration = Duration::from_secs(10);

/// Where streams are, as last heard. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Directory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: RwLock<Known>,
    moves: watch::Sender<u64>,
    missed: Notify,
}

#[derive(Default)]
struct Known {
    by_stream: HashMap<StreamId, Place>,
    /// What a channel aired last.
    by_username: HashMap<String, StreamId>,
    turns: u64,
}

struct Place {
    origin_url: Arc<str>,
    node: Arc<str>,
    epoch: i32,
    seen_at: Instant,
    /// Another number for every owner a stream has had.
    turn: u64,
    /// Since when its owner does not answer, and when that was noticed last.
    missed: Option<(Instant, Instant)>,
    /// When another owner took over, until it has shown a playlist.
    moved_at: Option<Instant>,
    visibility: Option<Visibility>,
    told_at: Option<Instant>,
    wanted_at: Option<Instant>,
}

/// The node to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub stream: StreamId,
    pub origin_url: Arc<str>,
    pub node: Arc<str>,
    /// It was announced when the directory was last read.
    pub is_current: bool,
    pub turn: u64,
    /// `None`: nobody has said.
    pub visibility: Option<Visibility>,
}

impl Directory {
    /// Who has this channel's stream, or this very stream when its id is in the path.
    pub(crate) fn owner(&self, username: &str, stream: Option<StreamId>) -> Option<Owner> {
        self.owner_at(username, stream, Instant::now())
    }

    fn owner_at(&self, username: &str, stream: Option<StreamId>, now: Instant) -> Option<Owner> {
        let known = self.read();
        let named = stream.filter(|id| known.by_stream.contains_key(id));
        let stream = named.or_else(|| known.by_username.get(username).copied())?;
        let place = known.by_stream.get(&stream)?;
        Some(Owner {
            stream,
            origin_url: Arc::clone(&place.origin_url),
            node: Arc::clone(&place.node),
            is_current: now.saturating_duration_since(place.seen_at) < LINGER / 10,
            turn: place.turn,
            visibility: place.visibility,
        })
    }

    /// Resolves whenever any stream got another owner.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.0.moves.subscribe()
    }

    /// Whether this is still the stream's owner.
    pub(crate) fn is_still(&self, owner: &Owner) -> bool {
        self.read().by_stream.get(&owner.stream).is_some_and(|place| place.turn == owner.turn)
    }

    /// The owner did not answer. Says until when another may be waited for, and has the directory read soon.
    pub(crate) fn miss(&self, owner: &Owner) -> Instant {
        let now = Instant::now();
        let mut known = self.write();
        let place = known.by_stream.get_mut(&owner.stream).filter(|place| place.turn == owner.turn);
        let since = place.map_or(now, |place| {
            let begun = place.missed.filter(|(_, last)| now.duration_since(*last) < MISSED_ANEW);
            let (since, _) = *place.missed.insert((begun.map_or(now, |(since, _)| since), now));
            since
        });
        drop(known);
        self.0.missed.notify_one();
        since + HANDOVER_MAX
    }

    /// Until when the owner may be asked again although it says that there is nothing. `None`: its word counts.
    pub(crate) fn patience(&self, owner: &Owner) -> Option<Instant> {
        let known = self.read();
        let place = known.by_stream.get(&owner.stream).filter(|place| place.turn == owner.turn)?;
        let since = place.missed.map(|(since, _)| since).max(place.moved_at)?;
        Some(since + HANDOVER_MAX)
    }

    /// The owner answered. `has_playlist`: with more than what it may have of the stream's past.
    pub(crate) fn settle(&self, owner: &Owner, has_playlist: bool) {
        let is_due = |place: &Place| {
            place.turn == owner.turn && (place.missed.is_some() || has_playlist && place.moved_at.is_some())
        };
        let is_troubled = self.read().by_stream.get(&owner.stream).is_some_and(is_due);
        if is_troubled && let Some(place) = self.write().by_stream.get_mut(&owner.stream).filter(|place| is_due(place))
        {
            place.missed = None;
            place.moved_at = place.moved_at.filter(|_| !has_playlist);
        }
    }

    /// Waits until an owner was missed: it is time to read the directory.
    pub(crate) async fn missed(&self) {
        self.0.missed.notified().await;
    }

    /// Somebody wants this stream: whom it is for matters.
    pub(crate) fn want(&self, stream: StreamId) {
        let now = Instant::now();
        let is_noted = |place: &Place| place.wanted_at.is_some_and(|at| now.duration_since(at) < WANTED_FOR / 10);
        let is_new = self.read().by_stream.get(&stream).is_some_and(|place| !is_noted(place));
        if is_new && let Some(place) = self.write().by_stream.get_mut(&stream) {
            place.wanted_at = Some(now);
        }
    }

    /// The streams whose visibility should be asked for.
    pub(crate) fn wanted(&self) -> Vec<StreamId> {
        let known = self.read();
        let is_wanted = |place: &Place| place.wanted_at.is_some_and(|at| at.elapsed() < WANTED_FOR);
        known.by_stream.iter().filter(|(_, place)| is_wanted(place)).map(|(id, _)| *id).collect()
    }

    /// What Postgres says of whom streams are for.
    pub(crate) fn tell(&self, found: Vec<(StreamId, Visibility)>) {
        let mut known = self.write();
        for (id, visibility) in found {
            if let Some(place) = known.by_stream.get_mut(&id) {
                place.visibility = Some(visibility);
                place.told_at = Some(Instant::now());
            }
        }
    }

    /// Takes in what Redis announces now.
    pub(crate) fn learn(&self, entries: Vec<StreamEntry>) {
        self.learn_at(entries, Instant::now());
    }

    fn learn_at(&self, entries: Vec<StreamEntry>, now: Instant) {
        let mut known = self.write();
        let mut has_moved = false;
        for entry in entries {
            has_moved |= known.take(entry, now);
        }
        known.by_stream.retain(|_, place| now.saturating_duration_since(place.seen_at) < LINGER);
        let Known { by_stream, by_username, turns } = &mut *known;
        by_username.retain(|_, id| by_stream.contains_key(id));
        let turns = *turns;
        drop(known);
        if has_moved {
            self.0.moves.send_replace(turns);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether the stream has another owner by this.
    fn take(&mut self, entry: StreamEntry, now: Instant) -> bool {
        let before = self.by_stream.get(&entry.stream_id);
        if before.is_some_and(|place| place.epoch > entry.epoch && place.node.as_ref() != entry.node) {
            return false;
        }
        let origin_url = entry.origin_url.trim_end_matches('/');
        let is_same = before.is_some_and(|place| *place.origin_url == *origin_url && *place.node == *entry.node);
        let has_moved = before.is_some() && !is_same;
        self.turns += u64::from(!is_same);
        let told = before.and_then(|place| place.visibility.zip(place.told_at));
        let told = told.filter(|(_, at)| now.saturating_duration_since(*at) < TOLD_FOR);
        let announced = entry.visibility.as_deref().and_then(Visibility::parse);
        let place = Place {
            turn: before.filter(|_| is_same).map_or(self.turns, |place| place.turn),
            missed: before.filter(|_| is_same).and_then(|place| place.missed),
            moved_at: if has_moved { Some(now) } else { before.and_then(|place| place.moved_at) },
            visibility: told.map(|(visibility, _)| visibility).or(announced),
            told_at: told.map(|(_, at)| at),
            wanted_at: before.and_then(|place| place.wanted_at),
            origin_url: origin_url.into(),
            node: entry.node.into(),
            epoch: entry.epoch,
            seen_at: now,
        };
        // Its last stream is announced for a while beside the next; ids grow with time.
        let newest = self.by_username.entry(entry.username.to_string()).or_insert(entry.stream_id);
        *newest = (*newest).max(entry.stream_id);
        self.by_stream.insert(entry.stream_id, place);
        has_moved
    }
}

#[cfg(test)]
mod tests {
    use domain::VodId;
    use domain::user::Username;

    use super::*;

    fn entry(username: &str, node: &str, epoch: i32, id: StreamId) -> StreamEntry {
        StreamEntry {
            stream_id: id,
            vod_id: VodId::from_uuid(kit::ids::uuid()),
            username: Username::parse(username).unwrap(),
            epoch,
            node: node.to_owned(),
            origin_url: format!("http://{node}:9000/"),
            visibility: Some("followers".to_owned()),
        }
    }

    #[test]
    fn a_stream_stays_findable_for_two_minutes_after_its_last_word() {
        let directory = Directory::default();
        let id = StreamId::from_uuid(kit::ids::uuid());
        let start = Instant::now();
        directory.learn_at(vec![entry("alice", "n1", 1, id)], start);
        let owner = directory.owner_at("alice", None, start).unwrap();
        assert_eq!((&*owner.origin_url, owner.is_current), ("http://n1:9000", true));
        let later = start + Duration::from_secs(120);
        directory.learn_at(vec![], later);
        assert!(!directory.owner_at("alice", Some(id), later).unwrap().is_current);
        let much_later = later + Duration::from_secs(11);
        directory.learn_at(vec![], much_later);
        assert_eq!(directory.owner_at("alice", None, much_later), None);
    }

    #[test]
    fn a_stream_that_moved_is_found_at_its_new_place_and_a_late_word_of_the_old_is_ignored() {
        let directory = Directory::default();
        let id = StreamId::from_uuid(kit::ids::uuid());
        directory.learn(vec![entry("alice", "n1", 1, id)]);
        directory.learn(vec![entry("alice", "n2", 2, id)]);
        directory.learn(vec![entry("alice", "n1", 1, id)]);
        assert_eq!(&*directory.owner("alice", None).unwrap().node, "n2");
    }

    #[test]
    fn a_channels_name_means_its_newest_stream() {
        let directory = Directory::default();
        let (first, second) = (StreamId::from_uuid(kit::ids::uuid()), StreamId::from_uuid(kit::ids::uuid()));
        directory.learn(vec![entry("alice", "n2", 1, second), entry("alice", "n1", 0, first)]);
        assert_eq!(directory.owner("alice", None).unwrap().stream, second);
        assert_eq!(directory.owner("alice", Some(first)).unwrap().stream, first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missed_owner_is_waited_for_five_seconds_and_a_new_one_begins_anew() {
        let directory = Directory::default();
        let id = StreamId::from_uuid(kit::ids::uuid());
        directory.learn(vec![entry("alice", "n1", 1, id)]);
        let first = directory.owner("alice", None).unwrap();
        assert_eq!(directory.patience(&first), None, "its word counts");
        let until = directory.miss(&first);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(directory.miss(&first), until, "counted from the first time");
        let moves = directory.moves();
        directory.learn(vec![entry("alice", "n2", 1, id)]);
        assert!(moves.has_changed().unwrap() && !directory.is_still(&first));
        let second = directory.owner("alice", Some(id)).unwrap();
        assert_eq!(directory.patience(&second), Some(Instant::now() + HANDOVER_MAX));
        directory.settle(&first, true);
        directory.settle(&second, false);
        assert!(
            directory.patience(&second).is_some(),
            "neither the old one's answer nor a piece of the past settles it"
        );
        directory.settle(&second, true);
        assert_eq!(directory.patience(&second), None);
        let until = directory.miss(&second);
        directory.settle(&second, false);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(directory.miss(&second), until + Duration::from_secs(1), "it had answered in between");
        tokio::time::advance(MISSED_ANEW).await;
        assert_eq!(directory.miss(&second), Instant::now() + HANDOVER_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_postgres_said_of_whom_it_is_for_counts_until_it_is_old() {
        let directory = Directory::default();
        let id = StreamId::from_uuid(kit::ids::uuid());
        let visibility = || directory.owner("alice", None).unwrap().visibility;
        directory.learn(vec![entry("alice", "n1", 1, id)]);
        assert_eq!(visibility(), Some(Visibility::Followers));
        assert!(directory.wanted().is_empty());
        directory.want(id);
        assert_eq!(directory.wanted(), [id]);
        directory.tell(vec![(id, Visibility::Private)]);
        directory.learn(vec![entry("alice", "n1", 1, id)]);
        assert_eq!(visibility(), Some(Visibility::Private));
        tokio::time::advance(TOLD_FOR).await;
        directory.learn(vec![entry("alice", "n1", 1, id)]);
        assert_eq!(visibility(), Some(Visibility::Followers), "postgres is away");
        tokio::time::advance(WANTED_FOR).await;
        assert!(directory.wanted().is_empty());
    }
}
