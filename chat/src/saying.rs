//! What several sockets are told together, in both forms it is sent in.

use serde_json::value::RawValue;

use crate::wire;

/// Something several sockets are told together.
#[derive(Default)]
pub(crate) struct Saying {
    /// As they go over the wire.
    pub frames: Vec<u8>,
    /// For sockets that are not written to directly.
    pub events: Vec<(String, Box<RawValue>)>,
}

impl Saying {
    pub(crate) fn push(&mut self, event: &str, payload: &RawValue) {
        wire::push_frame(&mut self.frames, event, payload);
        self.events.push((event.to_owned(), payload.to_owned()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
