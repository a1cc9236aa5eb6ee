//! What we say to a publisher, as bytes: replies, refusals, acknowledgements, pongs.
//!
//! Owns the outgoing half of a connection up to the socket, and its bound: a peer that does not read is told apart here.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use rml_amf0::Amf0Value;
use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::messages::{PeerBandwidthLimitType, RtmpMessage, UserControlEventType};
use rml_rtmp::time::RtmpTimestamp;
use tokio::time::Instant;

use crate::session::Answer;

/// Most bytes that may wait for a peer to read them.
pub const UNREAD_BYTES_MAX: usize = 64 * 1024;
/// Longest time bytes may wait without one of them being taken.
pub const STALL_MAX: Duration = Duration::from_secs(5);
/// What we ask the peer to have acknowledged, and acknowledge ourselves until it says otherwise.
const WINDOW_BYTES: u32 = 2_500_000;
/// A peer that asks for an acknowledgement of less is answered at this rate.
const ACK_EVERY_MIN: u32 = 64 * 1024;
/// Chunks we send. Everything we say fits into one.
const CHUNK_BYTES: u32 = 4_096;
/// Longest text for people in a status.
const TEXT_CHARS_MAX: usize = 300;
/// Pings answered per second; more are no sign of life but a flood.
const PONGS_PER_S: u32 = 10;

/// The peer does not take what we say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer does not read our answers")]
pub struct NotReading;

/// The outgoing half.
pub struct Output {
    serializer: ChunkSerializer,
    pending: BytesMut,
    /// Since when the oldest pending byte waits.
    waits_since: Option<Instant>,
    ack_every: u32,
    received: u32,
    acknowledged: u32,
    pongs: u32,
    pongs_since: Option<Instant>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            serializer: ChunkSerializer::new(),
            pending: BytesMut::new(),
            waits_since: None,
            ack_every: WINDOW_BYTES,
            received: 0,
            acknowledged: 0,
            pongs: 0,
            pongs_since: None,
        }
    }
}

impl Output {
    /// Bytes for the socket. The driver takes what it wrote from the front and then calls [`Output::wrote`].
    pub fn pending(&mut self) -> &mut BytesMut {
        &mut self.pending
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub fn wrote(&mut self, now: Instant) {
        self.waits_since = (!self.pending.is_empty()).then_some(now);
    }

    /// When the peer counts as not reading, unless it takes something before.
    pub fn deadline(&self) -> Option<Instant> {
        self.waits_since.map(|since| since + STALL_MAX)
    }

    pub fn raw(&mut self, bytes: &[u8], now: Instant) -> Result<(), NotReading> {
        if self.pending.len() + bytes.len() > UNREAD_BYTES_MAX {
            return Err(NotReading);
        }
        self.pending.extend_from_slice(bytes);
        self.waits_since.get_or_insert(now);
        Ok(())
    }

    pub fn answer(&mut self, answer: &Answer, now: Instant) -> Result<(), NotReading> {
        match *answer {
            Answer::Connected { transaction } => self.connected(transaction, now),
            Answer::StreamCreated { transaction, stream } => {
                self.result(transaction, Amf0Value::Null, Amf0Value::Number(f64::from(stream)), now)
            }
            Answer::Fine { transaction } => self.result(transaction, Amf0Value::Null, Amf0Value::Null, now),
            Answer::FcPublish { transaction } => {
                self.result(transaction, Amf0Value::Null, Amf0Value::Null, now)?;
                let status = status("status", "NetStream.Publish.Start", "one moment");
                self.command("onFCPublish", 0.0, Amf0Value::Null, vec![status], 0, now)
            }
        }
    }

    fn connected(&mut self, transaction: f64, now: Instant) -> Result<(), NotReading> {
        self.message(RtmpMessage::WindowAcknowledgement { size: WINDOW_BYTES }, 0, now)?;
        let limit_type = PeerBandwidthLimitType::Dynamic;
        self.message(RtmpMessage::SetPeerBandwidth { size: WINDOW_BYTES, limit_type }, 0, now)?;
        // Before anything longer than the 128 bytes chunks start out with.
        if let Ok(packet) = self.serializer.set_max_chunk_size(CHUNK_BYTES, RtmpTimestamp::new(0)) {
            self.raw(&packet.bytes, now)?;
        }
        let mut server = enhanced();
        server.insert("fmsVer".to_owned(), text("FMS/3,0,1,123"));
        server.insert("capabilities".to_owned(), Amf0Value::Number(31.0));
        let server = Amf0Value::Object(server);
        let mut info = properties("status", "NetConnection.Connect.Success", "Connection succeeded.");
        info.insert("objectEncoding".to_owned(), Amf0Value::Number(0.0));
        // The standard leaves open which of the two objects is looked at.
        info.extend(enhanced());
        self.result(transaction, server, Amf0Value::Object(info), now)
    }

    /// `NetStream.Publish.Start`: only ever said after the yes.
    pub fn publish_started(&mut self, stream: u32, now: Instant) -> Result<(), NotReading> {
        let status = status("status", "NetStream.Publish.Start", "You are on air.");
        self.command("onStatus", 0.0, Amf0Value::Null, vec![status], stream, now)
    }

    /// The one word all encoders understand as a refusal, with a sentence for people.
    pub fn publish_refused(&mut self, stream: u32, why: &str, now: Instant) -> Result<(), NotReading> {
        self.status(stream, "error", "NetStream.Publish.BadName", why, now)
    }

    /// Why an accepted publisher is cut off.
    pub fn publish_failed(&mut self, stream: u32, why: &str, now: Instant) -> Result<(), NotReading> {
        self.status(stream, "error", "NetStream.Publish.Failed", why, now)
    }

    /// Why an accepted publisher's media is not taken.
    pub fn publish_rejected(&mut self, stream: u32, why: &str, now: Instant) -> Result<(), NotReading> {
        self.status(stream, "error", "NetStream.Publish.Rejected", why, now)
    }

    pub fn unpublished(&mut self, stream: u32, now: Instant) -> Result<(), NotReading> {
        self.status(stream, "status", "NetStream.Unpublish.Success", "The stream has ended.", now)
    }

    fn status(&mut self, stream: u32, level: &str, code: &str, why: &str, now: Instant) -> Result<(), NotReading> {
        self.command("onStatus", 0.0, Amf0Value::Null, vec![status(level, code, why)], stream, now)
    }

    /// Counts what came in and acknowledges it when due.
    pub fn received(&mut self, bytes: usize, now: Instant) -> Result<(), NotReading> {
        // The counter is 32 bits on the wire, too.
        self.received = self.received.wrapping_add(bytes as u32);
        if self.received.wrapping_sub(self.acknowledged) < self.ack_every {
            return Ok(());
        }
        self.acknowledged = self.received;
        self.message(RtmpMessage::Acknowledgement { sequence_number: self.received }, 0, now)
    }

    /// The peer's Window Acknowledgement Size. Zero and tiny ones would have us answer every byte.
    pub fn set_ack_window(&mut self, payload: &[u8]) {
        if let Some(window) = payload.first_chunk::<4>() {
            self.ack_every = u32::from_be_bytes(*window).max(ACK_EVERY_MIN);
        }
    }

    /// A user control message: only pings want an answer.
    pub fn user_control(&mut self, payload: &[u8], now: Instant) -> Result<(), NotReading> {
        const PING: [u8; 2] = [0, 6];
        let Some((&PING, rest)) = payload.split_first_chunk::<2>() else { return Ok(()) };
        let Some(at) = rest.first_chunk::<4>() else { return Ok(()) };
        if self.pongs_since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1)) {
            self.pongs_since = Some(now);
            self.pongs = 0;
        }
        self.pongs += 1;
        if self.pongs > PONGS_PER_S {
            return Ok(());
        }
        let pong = RtmpMessage::UserControl {
            event_type: UserControlEventType::PingResponse,
            stream_id: None,
            buffer_length: None,
            timestamp: Some(RtmpTimestamp::new(u32::from_be_bytes(*at))),
        };
        self.message(pong, 0, now)
    }

    fn result(
        &mut self,
        transaction: f64,
        object: Amf0Value,
        value: Amf0Value,
        now: Instant,
    ) -> Result<(), NotReading> {
        self.command("_result", transaction, object, vec![value], 0, now)
    }

    fn command(
        &mut self,
        name: &str,
        transaction_id: f64,
        command_object: Amf0Value,
        additional_arguments: Vec<Amf0Value>,
        stream: u32,
        now: Instant,
    ) -> Result<(), NotReading> {
        let command_name = name.to_owned();
        let message = RtmpMessage::Amf0Command { command_name, transaction_id, command_object, additional_arguments };
        self.message(message, stream, now)
    }

    fn message(&mut self, message: RtmpMessage, stream: u32, now: Instant) -> Result<(), NotReading> {
        let packet = message
            .into_message_payload(RtmpTimestamp::new(0), stream)
            .ok()
            .and_then(|payload| self.serializer.serialize(&payload, true, false).ok());
        // Our own short messages always serialize.
        match packet {
            Some(packet) => self.raw(&packet.bytes, now),
            None => Ok(()),
        }
    }
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

/// What we take beyond classic RTMP (Enhanced RTMP v2, "Enhancing NetConnection connect Command"): the codecs, each of which
/// goes on to viewers as it came, and `ModEx` prefixes. Further tracks do no harm, but they are not asked for.
fn enhanced() -> HashMap<String, Amf0Value> {
    const CAN_FORWARD: f64 = 4.0;
    const TAKES_MOD_EX: f64 = 4.0;
    const VIDEO: [&str; 3] = ["avc1", "hvc1", "av01"];
    const AUDIO: [&str; 1] = ["mp4a"];

    let map = |names: &[&str]| object(names.iter().map(|name| ((*name).to_owned(), Amf0Value::Number(CAN_FORWARD))));
    HashMap::from([
        ("fourCcList".to_owned(), Amf0Value::StrictArray(VIDEO.iter().chain(&AUDIO).map(|name| text(name)).collect())),
        ("videoFourCcInfoMap".to_owned(), map(&VIDEO)),
        ("audioFourCcInfoMap".to_owned(), map(&AUDIO)),
        ("capsEx".to_owned(), Amf0Value::Number(TAKES_MOD_EX)),
    ])
}

fn object(properties: impl Iterator<Item = (String, Amf0Value)>) -> Amf0Value {
    Amf0Value::Object(properties.collect())
}

fn properties(level: &str, code: &str, description: &str) -> HashMap<String, Amf0Value> {
    let description: String = description.chars().take(TEXT_CHARS_MAX).collect();
    HashMap::from([
        ("level".to_owned(), text(level)),
        ("code".to_owned(), text(code)),
        ("description".to_owned(), Amf0Value::Utf8String(description)),
    ])
}

fn status(level: &str, code: &str, description: &str) -> Amf0Value {
    Amf0Value::Object(properties(level, code, description))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Limits, Reader};

    #[test]
    fn what_we_say_is_read_by_our_own_reader() {
        let now = Instant::now();
        let mut output = Output::default();
        output.answer(&Answer::Connected { transaction: 1.0 }, now).expect("room");
        output.answer(&Answer::StreamCreated { transaction: 4.0, stream: 1 }, now).expect("room");
        output.publish_refused(1, &"x".repeat(1_000), now).expect("room");
        let (mut reader, mut commands) = (Reader::new(Limits::STRANGER), Vec::new());
        let mut bytes = output.pending().split();
        while let Some(message) = reader.next(&mut bytes).expect("legal") {
            if message.kind == crate::chunk::kind::COMMAND_AMF0 {
                commands.push(crate::amf::decode(&message.payload).expect("legal"));
            }
        }
        assert!(bytes.is_empty());
        let [_, _, Amf0Value::Object(server), Amf0Value::Object(info)] = &commands[0][..] else {
            panic!("{commands:?}")
        };
        for told in [server, info] {
            let codecs = told["fourCcList"].clone();
            assert_eq!(codecs, Amf0Value::StrictArray(["avc1", "hvc1", "av01", "mp4a"].map(text).to_vec()));
            let Amf0Value::Object(map) = &told["videoFourCcInfoMap"] else { panic!("{told:?}") };
            assert_eq!((map["hvc1"].clone(), map.len()), (Amf0Value::Number(4.0), 3));
            assert_eq!(told["capsEx"], Amf0Value::Number(4.0));
        }
        let names: Vec<_> = commands.iter().map(|values| values[0].clone()).collect();
        assert_eq!(names, [text("_result"), text("_result"), text("onStatus")]);
    }

    /// R10.
    #[test]
    fn floods_of_pings_and_tiny_windows_are_answered_boundedly() {
        let now = Instant::now();
        let mut output = Output::default();
        output.set_ack_window(&[0, 0, 0, 0]);
        for _ in 0..10_000 {
            output.user_control(&[0, 6, 0, 0, 0, 1], now).expect("room");
            output.received(10, now).expect("room");
        }
        assert!(output.pending().len() < 1_000, "{}", output.pending().len());
    }

    #[test]
    fn a_peer_that_never_reads_is_noticed_by_bytes_and_by_time() {
        let now = Instant::now();
        let mut output = Output::default();
        assert_eq!(output.deadline(), None);
        let answer = Answer::Fine { transaction: 1.0 };
        output.answer(&answer, now).expect("room");
        assert_eq!(output.deadline(), Some(now + STALL_MAX));
        let mut answers = 0;
        while output.answer(&answer, now).is_ok() {
            answers += 1;
            assert!(answers < 10_000);
        }
        assert!(output.pending().len() <= UNREAD_BYTES_MAX);
    }
}
