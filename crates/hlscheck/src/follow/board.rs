//! What the followers of one presentation share: the report, and how far each rendition is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::playlist::Playlist;
use crate::report::Report;
use crate::rules::Findings;
use crate::rules::set::Weight;

/// Shared by all followers. No lock is held across a wait.
#[derive(Debug, Default)]
pub(super) struct Board {
    report: Mutex<Report>,
    renditions: Mutex<BTreeMap<String, State>>,
}

#[derive(Debug, Default)]
struct State {
    newest: Option<(Playlist, Instant)>,
    weight: Weight,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Renditions are known by their address without its query.
fn key(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

impl Board {
    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        locked(&self.report)
    }

    pub(super) fn add(&self, findings: Findings) {
        if !findings.0.is_empty() {
            self.report().add(findings);
        }
    }

    pub(super) fn set_newest(&self, url: &str, playlist: &Playlist) {
        let mut renditions = locked(&self.renditions);
        renditions.entry(key(url).to_owned()).or_default().newest = Some((playlist.clone(), Instant::now()));
    }

    /// The newest versions of all renditions.
    pub(super) fn newest(&self) -> Vec<Playlist> {
        locked(&self.renditions).values().filter_map(|state| Some(state.newest.as_ref()?.0.clone())).collect()
    }

    /// The newest segment begun of a rendition, and when it was seen.
    pub(super) fn edge(&self, url: &str) -> Option<(u64, Instant)> {
        let renditions = locked(&self.renditions);
        let (playlist, at) = renditions.get(key(url))?.newest.as_ref()?;
        Some((playlist.edge().0, *at))
    }

    pub(super) fn weigh(&self, url: &str, bytes: usize, seconds: f64) {
        locked(&self.renditions).entry(key(url).to_owned()).or_default().weight.add(bytes, seconds);
    }

    pub(super) fn weight(&self, url: &str) -> Weight {
        locked(&self.renditions).get(key(url)).map(|state| state.weight).unwrap_or_default()
    }
}
