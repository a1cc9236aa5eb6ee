//! Which members are connected, and over how many sockets. Vouched for like viewers; lost and rebuilt like them.
//!
//! That somebody is not there is only said while nodes have been vouching for long enough: a Redis that was away or has lost everything
//! makes members unknown, not absent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::UserId;

use crate::breaker::Breaker;
use crate::client::{Live, LiveError};
use crate::roster::{self, Seen};
use crate::viewers::SOCKET_LIFE;

const KIND: &str = "presence";
/// How long a closed socket still counts: whoever loads a page anew was not away.
pub const LINGER: Duration = Duration::from_millis(1_500);
/// After this long every node that lives has told of its members: a heartbeat, a breaker's rest, and room for both.
pub const SETTLED_AFTER: Duration = Duration::from_millis(3_000);

/// How many sockets each of these members has open on all nodes.
pub async fn connections(live: &Live, users: &[UserId]) -> Result<HashMap<UserId, u64>, LiveError> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = live.connection().await?;
    let names: Vec<String> = users.iter().map(UserId::to_string).collect();
    let rosters: Vec<&str> = names.iter().map(String::as_str).collect();
    let counts = roster::count(live, &mut connection, KIND, &rosters).await?;
    Ok(users.iter().copied().zip(counts).collect())
}

/// The same, where it is known: `None` for whoever has no socket while that may be because nobody has told of it yet.
async fn known(live: &Live, users: &[UserId]) -> Result<HashMap<UserId, Option<u64>>, LiveError> {
    // Asked first: what was vouched for meanwhile is counted.
    let vouched = roster::vouched_for(live, &mut live.connection().await?, KIND).await?;
    let is_settled = vouched.is_some_and(|vouched| vouched >= SETTLED_AFTER);
    let counts = connections(live, users).await?;
    Ok(counts.into_iter().map(|(user, count)| (user, (count > 0 || is_settled).then_some(count))).collect())
}

/// The members on one node's sockets. Cheap to clone.
#[derive(Clone)]
pub struct Presence {
    live: Live,
    breaker: Arc<Breaker>,
}

impl Presence {
    pub fn new(live: Live) -> Self {
        Self { live, breaker: Arc::default() }
    }

    /// Vouches for pairs of member and socket; a node without any says so too. False: Redis is away.
    pub async fn beat(&self, sockets: &[(UserId, Arc<str>)]) -> bool {
        let named: Vec<(String, &str)> = sockets.iter().map(|(user, socket)| (user.to_string(), &**socket)).collect();
        let seen: Vec<Seen<'_>> =
            named.iter().map(|(user, socket)| Seen { roster: user, member: socket, age: Duration::ZERO }).collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::pulse(&self.live, &mut connection, KIND, SOCKET_LIFE).await?;
                roster::beat(&self.live, &mut connection, KIND, &seen, SOCKET_LIFE).await
            })
            .await
            .is_some()
    }

    /// Takes sockets out, a moment later. False: Redis is away; they expire by themselves.
    pub async fn leave(&self, sockets: &[(UserId, Arc<str>)]) -> bool {
        let named: Vec<(String, &str)> = sockets.iter().map(|(user, socket)| (user.to_string(), &**socket)).collect();
        let members: Vec<(&str, &str)> = named.iter().map(|(user, socket)| (user.as_str(), *socket)).collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::leave(&self.live, &mut connection, KIND, &members, LINGER).await
            })
            .await
            .is_some()
    }

    /// How many sockets each member has open; `None` for whom that is not known. In all `None`: Redis is away.
    pub async fn connections(&self, users: &[UserId]) -> Option<HashMap<UserId, Option<u64>>> {
        if users.is_empty() {
            return Some(HashMap::new());
        }
        self.breaker.run(&self.live, |_connection| known(&self.live, users)).await
    }
}
