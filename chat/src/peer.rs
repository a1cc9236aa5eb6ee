//! Who hears: a Socket.IO socket, or a feed of `GET /api/v1/events`. What is told, and to whom, is the same for both.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;
use socketioxide::{SendError, SocketError};

use crate::feed::Feed;
use crate::wire::Full;

/// What events are handed to.
#[derive(Clone)]
pub(crate) struct Peer {
    pub id: Sid,
    ear: Ear,
}

#[derive(Clone)]
enum Ear {
    Socket(SocketRef),
    Feed(Arc<Feed>),
}

impl From<SocketRef> for Peer {
    fn from(socket: SocketRef) -> Self {
        Self { id: socket.id, ear: Ear::Socket(socket) }
    }
}

impl From<Arc<Feed>> for Peer {
    fn from(feed: Arc<Feed>) -> Self {
        Self { id: Sid::new(), ear: Ear::Feed(feed) }
    }
}

impl Peer {
    /// Hands one event over. One that is gone takes it and forgets it.
    ///
    /// # Errors
    /// When too much waits already: it was not taken.
    pub(crate) fn emit<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> Result<(), Full> {
        match &self.ear {
            Ear::Socket(socket) => match socket.emit(event, payload) {
                Err(SendError::Socket(SocketError::InternalChannelFull)) => Err(Full),
                _ => Ok(()),
            },
            Ear::Feed(feed) => match serde_json::value::to_raw_value(payload) {
                Ok(raw) => feed.say(event, &raw),
                Err(_) => Ok(()),
            },
        }
    }

    /// The same of what many are told: a feed leaves out what its reader did not ask for.
    pub(crate) fn hear(&self, event: &str, payload: &RawValue) -> Result<(), Full> {
        match &self.ear {
            Ear::Feed(feed) if !feed.wants(event) => Ok(()),
            _ => self.emit(event, payload),
        }
    }

    /// Ends it after what waits.
    pub(crate) fn disconnect(&self) {
        match &self.ear {
            Ear::Socket(socket) => {
                let _goodbye = socket.clone().disconnect();
            }
            Ear::Feed(feed) => feed.end(),
        }
    }

    /// Ends it now, as far as that can be done from here. A socket's connection is its line's to cut.
    pub(crate) fn cut(&self) {
        match &self.ear {
            // Says so if there is room, and marks the socket as gone.
            Ear::Socket(_) => self.disconnect(),
            Ear::Feed(feed) => feed.cut(),
        }
    }

    /// Whether it stands for somebody who is there and watches. A feed is a program's: it is no viewer, and nobody is seen through it.
    pub(crate) fn is_somebody(&self) -> bool {
        matches!(self.ear, Ear::Socket(_))
    }
}
