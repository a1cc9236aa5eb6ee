//! Which transcoder a stream goes to.
//!
//! Owns the choice, not the connection: the one in this process if there is one; else the one that has the stream already;
//! else the least busy that takes new ones. Keeps what it last knew while Redis is away.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use kit::inproc::Dialer;
use live::directory::{StreamEntry, TranscoderEntry};
use live::{Live, directory};
use media::link::Passed;
use tokio::time::Instant;

/// How long a transcoder that failed is asked last.
const SHUNNED_FOR: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Known {
    transcoders: Vec<TranscoderEntry>,
    streams: Vec<StreamEntry>,
    failed: HashMap<String, Instant>,
}

/// A transcoder that needs no choosing.
#[derive(Debug, Clone)]
pub enum Fixed {
    /// In this process.
    Here(Dialer<Passed>),
    /// Always the one behind this link address.
    At(SocketAddr),
}

/// Where a stream is to go.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Here(Dialer<Passed>),
    Over(String),
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(_) => f.write_str("in this process"),
            Self::Over(addr) => f.write_str(addr),
        }
    }
}

/// The choice of transcoders.
pub(crate) struct Route {
    fixed: Option<Fixed>,
    live: Live,
    known: Mutex<Known>,
}

impl Route {
    pub(crate) fn new(fixed: Option<Fixed>, live: Live) -> Self {
        Self { fixed, live, known: Mutex::default() }
    }

    /// Where to connect to.
    pub(crate) async fn pick(&self, stream_id: &str) -> anyhow::Result<Way> {
        match &self.fixed {
            Some(Fixed::Here(dialer)) => return Ok(Way::Here(dialer.clone())),
            Some(Fixed::At(addr)) => return Ok(Way::Over(addr.to_string())),
            None => {}
        }
        let (transcoders, streams) = (directory::transcoders(&self.live).await, directory::streams(&self.live).await);
        let mut known = self.lock();
        if let Ok(transcoders) = transcoders {
            known.transcoders = transcoders;
        }
        if let Ok(streams) = streams {
            known.streams = streams;
        }
        choose(&known, stream_id).map(Way::Over).context("no transcoder is known")
    }

    /// Remembers that an address did not work, so that the next pick tries another first.
    pub(crate) fn failed(&self, way: &Way) {
        if self.fixed.is_none()
            && let Way::Over(addr) = way
        {
            let mut known = self.lock();
            known.failed.retain(|_, at| at.elapsed() < SHUNNED_FOR);
            known.failed.insert(addr.to_owned(), Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn choose(known: &Known, stream_id: &str) -> Option<String> {
    let owner = known.streams.iter().find(|entry| entry.stream_id.to_string() == stream_id).map(|entry| &entry.node);
    let rank = |entry: &&TranscoderEntry| {
        let has_failed = known.failed.get(&entry.link_addr).is_some_and(|at| at.elapsed() < SHUNNED_FOR);
        let is_owner = Some(&entry.node) == owner;
        (has_failed, !is_owner, !entry.accepts_new, entry.streams)
    };
    known.transcoders.iter().min_by_key(rank).map(|entry| entry.link_addr.clone())
}

#[cfg(test)]
mod tests {
    use domain::user::Username;
    use domain::{StreamId, VodId};

    use super::*;

    fn transcoder(node: &str, streams: u32, accepts_new: bool) -> TranscoderEntry {
        TranscoderEntry {
            node: node.to_owned(),
            link_addr: format!("{node}:1"),
            origin_url: String::new(),
            streams,
            accepts_new,
        }
    }

    #[test]
    fn a_stream_goes_back_to_its_owner_then_to_the_least_busy_and_last_to_one_that_failed() {
        let id = StreamId::from_uuid(kit::ids::uuid());
        let mut known = Known {
            transcoders: vec![transcoder("a", 1, true), transcoder("b", 9, true), transcoder("c", 0, false)],
            ..Known::default()
        };
        assert_eq!(choose(&known, &id.to_string()).as_deref(), Some("a:1"));
        known.streams.push(StreamEntry {
            stream_id: id,
            vod_id: VodId::from_uuid(kit::ids::uuid()),
            username: Username::parse("alice").expect("a name"),
            epoch: 1,
            node: "b".to_owned(),
            origin_url: String::new(),
            visibility: None,
        });
        assert_eq!(choose(&known, &id.to_string()).as_deref(), Some("b:1"));
        known.failed.insert("b:1".to_owned(), Instant::now());
        assert_eq!(choose(&known, &id.to_string()).as_deref(), Some("a:1"));
        assert_eq!(choose(&Known::default(), "x"), None);
    }
}
