//! A connection's first moment.
//!
//! Engine.IO's server says its open packet, and pings its client once in every interval after it. The library pings at once
//! instead, which the protocol's own test suite takes for a fault, and which costs two packets for every client of a crowd that
//! arrives. So that one ping is answered here, and the client hears of the next.

use std::task::{Context, Waker};

/// Engine.IO's `2` as an unmasked text frame.
const PING: &[u8] = &[0x81, 1, b'2'];
/// Its `3` as a client's text frame, under a mask of zeros (RFC 6455 5.3).
pub(crate) const PONG: &[u8] = &[0x81, 0x81, 0, 0, 0, 0, b'3'];

/// Of a WebSocket.
#[derive(Debug)]
pub(crate) enum Greeting {
    /// The library has not pinged yet. What the client says waits, so that the pong comes between its frames and not within one.
    Awaited(Option<Waker>),
    Over,
}

impl Greeting {
    pub(crate) const fn awaited() -> Self {
        Self::Awaited(None)
    }

    /// Whether the reader must wait. It is woken then.
    pub(crate) fn holds(&mut self, context: &Context<'_>) -> bool {
        match self {
            Self::Over => false,
            Self::Awaited(reader) => {
                *reader = Some(context.waker().clone());
                true
            }
        }
    }

    /// Where the first ping lies among whole frames that the library writes. The greeting is over then.
    pub(crate) fn find_ping(&mut self, frames: &[u8]) -> Option<std::ops::Range<usize>> {
        let Self::Awaited(reader) = self else { return None };
        let mut at = 0;
        while let Some(length) = frame_length(frames.get(at..)?) {
            let end = at.checked_add(length)?;
            if frames.get(at..end) == Some(PING) {
                if let Some(reader) = reader.take() {
                    reader.wake();
                }
                *self = Self::Over;
                return Some(at..end);
            }
            at = end;
        }
        None
    }
}

/// Of the unmasked frame that `bytes` begin with (RFC 6455 5.2).
fn frame_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, 126, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([*high, *low]))),
        [_, 127, length @ ..] => {
            let length = u64::from_be_bytes(*length.first_chunk()?);
            usize::try_from(length).ok()?.checked_add(10)
        }
        [_, length, ..] => Some(2 + usize::from(*length)),
        _ => None,
    }
}

/// The id of the session that a polling client was just given.
pub(crate) fn session_of(opened: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(opened).ok()?;
    let sid = text.strip_prefix("0{\"sid\":\"")?.split('"').next()?;
    sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)).then_some(sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ping_is_found_among_frames_and_only_the_first() {
        let long = [&[0x81, 126, 1, 0][..], &[b'2'; 256], &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0], &[1; 65_536]].concat();
        for before in [&b""[..], &[0x81, 3, 0x81, 1, b'2'], &long] {
            let mut greeting = Greeting::awaited();
            let frames = [before, PING, PING].concat();
            assert_eq!(greeting.find_ping(before), None);
            assert_eq!(greeting.find_ping(&frames), Some(before.len()..before.len() + 3));
            assert_eq!(greeting.find_ping(&frames), None);
        }
        for broken in
            [&[0x81][..], &[0x81, 126, 1], &[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255], &[0x81, 9, 1]]
        {
            assert_eq!(Greeting::awaited().find_ping(broken), None);
        }
    }

    #[test]
    fn a_session_has_the_id_it_was_opened_with() {
        assert_eq!(session_of(br#"0{"sid":"aB-_9","upgrades":[]}"#), Some("aB-_9"));
        for odd in [&b"0{}"[..], b"40{\"sid\":\"a\"}", b"0{\"sid\":\"a&b\"}", b"\xff"] {
            assert_eq!(session_of(odd), None);
        }
    }
}
