//! The RTMP handshake, our side: pure, byte by byte.
//!
//! Owns the plain handshake of Adobe's RTMP specification 1.0, 5.2, which every encoder of today accepts. The digest variant
//! only ever mattered to Flash players. Owns no deadline: the session has it.

use bytes::{Buf, Bytes, BytesMut};

/// The only version there is without encryption.
const VERSION: u8 = 3;
/// Bytes of C1, C2, S1 and S2.
const PACKET_BYTES: usize = 1_536;
/// Most a peer may send before we need to answer or be done.
pub const HANDSHAKE_BYTES: usize = 1 + 2 * PACKET_BYTES;

/// The peer's first byte was not RTMP: another protocol, or an encrypted dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the first byte was {0:#04x}, not RTMP's version 3")]
pub struct NotRtmp(pub u8);

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing can be said before more bytes come.
    NeedsMore,
    /// To be sent: S0, S1 and S2.
    Answer(Bytes),
    /// C2 is here; what follows in the input is chunks.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Version,
    First,
    Second,
}

/// One handshake.
#[derive(Debug, Default)]
pub struct Handshake {
    stage: Stage,
}

impl Handshake {
    pub fn new() -> Self {
        Self::default()
    }

    /// Consumes what it understands from the front of `input`.
    pub fn step(&mut self, input: &mut BytesMut) -> Result<Progress, NotRtmp> {
        if self.stage == Stage::Version {
            let Some(&version) = input.first() else { return Ok(Progress::NeedsMore) };
            if version != VERSION {
                return Err(NotRtmp(version));
            }
            input.advance(1);
            self.stage = Stage::First;
        }
        if input.len() < PACKET_BYTES {
            return Ok(Progress::NeedsMore);
        }
        if self.stage == Stage::First {
            let answer = answer_to(&input[..PACKET_BYTES]);
            input.advance(PACKET_BYTES);
            self.stage = Stage::Second;
            return Ok(Progress::Answer(answer));
        }
        // C2 repeats our random bytes. Encoders exist that get this wrong, and nothing depends on it.
        input.advance(PACKET_BYTES);
        Ok(Progress::Done)
    }
}

fn answer_to(first: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(1 + 2 * PACKET_BYTES);
    answer.extend_from_slice(&[VERSION]);
    // S1: our time (zero), the zero version of the plain handshake, and random bytes.
    answer.extend_from_slice(&[0; 8]);
    answer.extend_from_slice(&kit::ids::random_bytes::<{ PACKET_BYTES - 8 }>());
    answer.extend_from_slice(first);
    answer.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_random_bytes_come_back_and_what_follows_is_left() {
        let first = [7_u8; PACKET_BYTES];
        let mut wire = vec![VERSION];
        wire.extend_from_slice(&first);
        wire.extend_from_slice(&[9; PACKET_BYTES]);
        wire.extend_from_slice(b"chunks");
        for step in [1, 5, wire.len()] {
            let (mut handshake, mut input, mut seen) = (Handshake::new(), BytesMut::new(), Vec::new());
            for slice in wire.chunks(step) {
                input.extend_from_slice(slice);
                while seen.last() != Some(&Progress::Done) {
                    match handshake.step(&mut input).expect("plain RTMP") {
                        Progress::NeedsMore => break,
                        progress => seen.push(progress),
                    }
                }
            }
            let [Progress::Answer(answer), Progress::Done] = &seen[..] else { panic!("{seen:?}") };
            assert_eq!(answer.len(), 1 + 2 * PACKET_BYTES);
            assert_eq!(&answer[1 + PACKET_BYTES..], &first);
            assert_eq!(&input[..], b"chunks");
        }
    }

    #[test]
    fn another_protocol_is_told_by_its_first_byte() {
        let mut input = BytesMut::from("GET / HTTP/1.1");
        assert_eq!(Handshake::new().step(&mut input), Err(NotRtmp(b'G')));
    }
}
