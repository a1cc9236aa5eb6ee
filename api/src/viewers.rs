//! Viewer counts for answers: from Redis, or the last ones known, marked stale. And who an anonymous viewer is.

use std::collections::HashMap;
use std::time::Duration;

use domain::user::Username;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use http::header::USER_AGENT;
use live::viewers::{Touches, Viewers};
use moka::sync::Cache;
use sha2::Sha256;

use crate::net::Client;
use crate::state::App;

/// How long a count is worth showing after Redis went away.
const LAST_KNOWN_TTL: Duration = Duration::from_secs(3_600);
const LAST_KNOWN_MAX: u64 = 20_000;

/// One channel's viewers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub viewers: u64,
    pub is_stale: bool,
}

/// Reads counts; notes those who only read playlists.
pub(crate) struct ViewerCounts {
    viewers: Viewers,
    pub(crate) touches: Touches,
    last_known: Cache<Username, u64>,
}

impl ViewerCounts {
    pub(crate) fn new(live: live::Live, segment_ms: u32, per_address_max: u32) -> Self {
        Self {
            viewers: Viewers::new(live.clone()),
            touches: Touches::new(live, live::viewers::playlist_life(segment_ms), per_address_max as usize),
            last_known: Cache::builder().max_capacity(LAST_KNOWN_MAX).time_to_live(LAST_KNOWN_TTL).build(),
        }
    }

    /// The count of each of these channels.
    pub(crate) async fn of(&self, usernames: &[Username]) -> HashMap<Username, Count> {
        match self.viewers.counts(usernames).await {
            Some(counts) => counts
                .into_iter()
                .map(|(username, viewers)| {
                    self.last_known.insert(username.clone(), viewers);
                    (username, Count { viewers, is_stale: false })
                })
                .collect(),
            None => usernames
                .iter()
                .map(|username| {
                    let viewers = self.last_known.get(username).unwrap_or(0);
                    (username.clone(), Count { viewers, is_stale: true })
                })
                .collect(),
        }
    }

    /// The count of the channel a stream belongs to.
    pub(crate) async fn of_stream(&self, stream: &db::streams::Stream) -> Count {
        let Ok(username) = Username::parse(&stream.owner.username) else { return Count::default() };
        self.of_one(&username).await
    }

    pub(crate) async fn of_one(&self, username: &Username) -> Count {
        self.of(std::slice::from_ref(username)).await.remove(username).unwrap_or_default()
    }
}

/// A stranger's id for today: keyed, so that nobody who reads Redis learns an address.
pub(crate) fn anonymous_id(app: &App, client: &Client, headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).map(|value| value.as_bytes()).unwrap_or_default();
    let day = kit::clock::unix_seconds() / 86_400;
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&app.viewer_salt).expect("HMAC takes keys of any length");
    mac.update(&day.to_be_bytes());
    mac.update(crate::net::limit_key(client.addr).as_bytes());
    mac.update(&[0]);
    mac.update(agent);
    format!("a-{}", hex::encode(&mac.finalize().into_bytes()[..12]))
}
