//! Which node has which stream, in memory: refreshed every second, kept while Redis is away.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use live::directory::StreamEntry;
use tokio::time::Instant;

/// A stream that is announced no more is still asked for this long: its last playlists stay readable for two minutes.
const LINGER: Duration = Duration::from_secs(130);

/// Where streams are, as last heard. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Directory(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    by_stream: HashMap<String, Place>,
    /// Stream id of what a channel aired last.
    by_username: HashMap<String, String>,
}

#[derive(Clone)]
struct Place {
    origin_url: Arc<str>,
    node: Arc<str>,
    epoch: i32,
    seen_at: Instant,
}

/// The node to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub origin_url: Arc<str>,
    pub node: Arc<str>,
    /// It was announced when the directory was last read.
    pub is_current: bool,
}

impl Directory {
    /// Who has this channel's stream, or this very stream when its id is in the path.
    pub(crate) fn owner(&self, username: &str, stream_id: Option<&str>) -> Option<Owner> {
        self.owner_at(username, stream_id, Instant::now())
    }

    fn owner_at(&self, username: &str, stream_id: Option<&str>, now: Instant) -> Option<Owner> {
        let known = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let place = stream_id
            .and_then(|id| known.by_stream.get(id))
            .or_else(|| known.by_stream.get(known.by_username.get(username)?))?;
        Some(Owner {
            origin_url: Arc::clone(&place.origin_url),
            node: Arc::clone(&place.node),
            is_current: now.saturating_duration_since(place.seen_at) < LINGER / 10,
        })
    }

    /// Takes in what Redis announces now.
    pub(crate) fn learn(&self, entries: Vec<StreamEntry>) {
        self.learn_at(entries, Instant::now());
    }

    fn learn_at(&self, entries: Vec<StreamEntry>, now: Instant) {
        let mut known = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for entry in entries {
            let id = entry.stream_id.to_string();
            if known.by_stream.get(&id).is_some_and(|place| place.epoch > entry.epoch) {
                continue;
            }
            let place = Place {
                origin_url: entry.origin_url.trim_end_matches('/').into(),
                node: entry.node.into(),
                epoch: entry.epoch,
                seen_at: now,
            };
            known.by_username.insert(entry.username.to_string(), id.clone());
            known.by_stream.insert(id, place);
        }
        known.by_stream.retain(|_, place| now.saturating_duration_since(place.seen_at) < LINGER);
        let Known { by_stream, by_username } = &mut *known;
        by_username.retain(|_, id| by_stream.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use domain::user::Username;
    use domain::{StreamId, VodId};

    use super::*;

    fn entry(username: &str, node: &str, epoch: i32, id: StreamId) -> StreamEntry {
        StreamEntry {
            stream_id: id,
            vod_id: VodId::from_uuid(kit::ids::uuid()),
            username: Username::parse(username).unwrap(),
            epoch,
            node: node.to_owned(),
            origin_url: format!("http://{node}:9000/"),
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
        assert!(!directory.owner_at("alice", Some(&id.to_string()), later).unwrap().is_current);
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
}
