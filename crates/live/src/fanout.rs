//! Telling every node something at once: Redis pub/sub. At most once by nature; whoever needs more asks Postgres.

use std::pin::Pin;

use domain::UserId;
use domain::user::Username;
use futures::{Stream, StreamExt};
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Live, LiveError};

const CHANNEL: &str = "fanout";
/// A sign-in is over: `{sid}`. Between nodes only; no browser sees it.
pub const AUTH_REVOKED: &str = "auth:revoked";
/// Whom a stream on air is for was changed: `{username, stream_id, was, now}`. Between nodes only.
pub const STREAM_ACCESS: &str = "node:stream-access";
/// Who may speak in a channel was changed: `{channel, user?}`, ids. Between nodes only.
pub const ORDER: &str = "node:order";
/// Something for the moderators of a channel who sit at their desk: `{event, payload}`. Between nodes only.
pub const DESK: &str = "node:desk";
/// Who may know when a member is there was changed, by themselves: `{user_id}`. Between nodes only.
pub const SIGHT: &str = "node:sight";

/// Whose sockets are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Target {
    /// All sockets of one member.
    User(UserId),
    /// All sockets of several members: of those who sit in a room at that moment.
    Users(Vec<UserId>),
    /// All sockets that joined a channel.
    Channel(Username),
    /// Every socket.
    Site,
}

/// One event on its way to browsers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Push {
    pub target: Target,
    /// A Socket.IO event of the public contract, such as `notification`.
    pub event: String,
    pub payload: Value,
    /// The node that already delivered it to its own sockets, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// Tells every node.
pub async fn publish(live: &Live, push: &Push) -> Result<(), LiveError> {
    let body = serde_json::to_string(push).unwrap_or_default();
    let mut connection = live.connection().await?;
    let _receivers: i64 = connection.publish(live.key(CHANNEL), body).await?;
    Ok(())
}

/// Tells every node many things in one way to Redis and back.
pub async fn publish_all(live: &Live, pushes: &[Push]) -> Result<(), LiveError> {
    if pushes.is_empty() {
        return Ok(());
    }
    let mut pipe = redis::pipe();
    for push in pushes {
        publish_in(&mut pipe, live, push);
    }
    let mut connection = live.connection().await?;
    let () = pipe.query_async(&mut connection).await?;
    Ok(())
}

/// The same as part of a longer message to Redis.
pub(crate) fn publish_in(pipe: &mut redis::Pipeline, live: &Live, push: &Push) {
    let body = serde_json::to_string(push).unwrap_or_default();
    pipe.publish(live.key(CHANNEL), body).ignore();
}

/// Everything published from now on. Ends when the connection is lost; the caller subscribes anew.
pub async fn subscribe(live: &Live) -> Result<Pin<Box<dyn Stream<Item = Push> + Send>>, LiveError> {
    let mut pubsub = live.pubsub().await?;
    pubsub.subscribe(live.key(CHANNEL)).await?;
    let pushes = pubsub.into_on_message().filter_map(|message| async move {
        let body: String = message.get_payload().ok()?;
        serde_json::from_str(&body).ok()
    });
    Ok(Box::pin(pushes))
}
