//! Which members are connected, and over how many sockets. Vouched for like viewers; lost and rebuilt like them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::UserId;

use crate::breaker::Breaker;
use crate::client::{Live, LiveError};
use crate::roster::{self, Seen};
use crate::viewers::SOCKET_LIFE;

const KIND: &str = "presence";

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

    /// Vouches for pairs of member and socket. False: Redis is away.
    pub async fn beat(&self, sockets: &[(UserId, Arc<str>)]) -> bool {
        let named: Vec<(String, &str)> = sockets.iter().map(|(user, socket)| (user.to_string(), &**socket)).collect();
        let seen: Vec<Seen<'_>> =
            named.iter().map(|(user, socket)| Seen { roster: user, member: socket, age: Duration::ZERO }).collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::beat(&self.live, &mut connection, KIND, &seen, SOCKET_LIFE).await
            })
            .await
            .is_some()
    }

    /// Takes sockets out at once. False: Redis is away; they expire by themselves.
    pub async fn leave(&self, sockets: &[(UserId, Arc<str>)]) -> bool {
        let named: Vec<(String, &str)> = sockets.iter().map(|(user, socket)| (user.to_string(), &**socket)).collect();
        let members: Vec<(&str, &str)> = named.iter().map(|(user, socket)| (user.as_str(), *socket)).collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                roster::leave(&self.live, &mut connection, KIND, &members).await
            })
            .await
            .is_some()
    }

    /// How many sockets each member has open. `None`: Redis is away.
    pub async fn connections(&self, users: &[UserId]) -> Option<HashMap<UserId, u64>> {
        self.breaker.run(&self.live, |_connection| connections(&self.live, users)).await
    }
}
