//! What a publisher's media means for its stream: which codec, where a decoder can begin, when it is on air, how much it is.
//!
//! Looks at the first bytes of each message only; the transcoder does the rest.

use std::time::Duration;

use bytes::Bytes;
use media::flv::{self, AudioPacket, FlvError, OtherTracks, VideoPacket};
use media::link::{Frame, FrameKind};
use tokio::time::Instant;

use crate::feed::queue::Role;

/// A publisher without a picture for this long after its first sound has none.
const AUDIO_ONLY_AFTER: Duration = Duration::from_secs(2);
/// The bit rate is averaged over this time.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// What is to be done with a media message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Forward(Role),
    /// Nothing in it, or too damaged to pass on.
    Skip,
    /// Names the codec that we do not take.
    Unsupported(String),
}

/// Tracks beyond the first that are told apart; encoders send six at most.
const TRACKS_MAX: usize = 16;

/// What has arrived so far.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Tracks that were left out, of both kinds.
    left_out: Vec<(FrameKind, u8)>,
    has_video: bool,
    has_delivered: bool,
    first_audio: Option<Instant>,
    reorder_ms: i32,
    /// Of the newest message.
    has_other_tracks: bool,
}

impl Delivery {
    /// Whether the stream has had a picture, or sound when it has no pictures.
    pub(crate) fn has_delivered(&self) -> bool {
        self.has_delivered
    }

    /// How many tracks were seen that nobody will see: one of each kind goes on air.
    pub(crate) fn tracks_left_out(&self) -> usize {
        self.left_out.len()
    }

    /// Whether the newest message carried tracks that were left out.
    pub(crate) fn has_other_tracks(&self) -> bool {
        self.has_other_tracks
    }

    fn leave_out(&mut self, kind: FrameKind, tracks: &OtherTracks) {
        self.has_other_tracks = !tracks.is_empty();
        for track in tracks {
            if !self.left_out.contains(&(kind, *track)) && self.left_out.len() < TRACKS_MAX {
                self.left_out.push((kind, *track));
            }
        }
    }

    /// Composition offset of the newest picture.
    pub(crate) fn reorder_ms(&self) -> i32 {
        self.reorder_ms
    }

    pub(crate) fn video(&mut self, body: &Bytes) -> Judgement {
        let tag = match flv::parse_video(body) {
            Ok(tag) => tag,
            Err(error) => return damaged(error),
        };
        self.leave_out(FrameKind::Video, &tag.other_tracks);
        if let VideoPacket::Frame { cts_ms, .. } = tag.packet {
            self.reorder_ms = cts_ms;
        }
        let role = match tag.packet {
            VideoPacket::SequenceHeader { .. } => Role::Header,
            VideoPacket::Frame { .. } if tag.is_key => Role::Key,
            VideoPacket::Frame { .. } | VideoPacket::EndOfSequence => Role::Other,
            VideoPacket::Ignored => return Judgement::Skip,
        };
        self.has_video = true;
        Judgement::Forward(role)
    }

    pub(crate) fn audio(&mut self, body: &Bytes) -> Judgement {
        let tag = match flv::parse_audio(body) {
            Ok(tag) => tag,
            Err(error) => return damaged(error),
        };
        self.leave_out(FrameKind::Audio, &tag.other_tracks);
        match tag.packet {
            AudioPacket::SequenceHeader { .. } => Judgement::Forward(Role::Header),
            AudioPacket::Frame { .. } => Judgement::Forward(Role::Other),
            AudioPacket::Ignored => Judgement::Skip,
        }
    }

    /// True once: with this frame the stream is on air.
    pub(crate) fn goes_on_air(&mut self, frame: &Frame, role: Role, now: Instant) -> bool {
        if self.has_delivered {
            return false;
        }
        self.has_delivered = match frame.kind {
            FrameKind::Video => role == Role::Key,
            FrameKind::Audio if role == Role::Other && !self.has_video => {
                now.duration_since(*self.first_audio.get_or_insert(now)) >= AUDIO_ONLY_AFTER
            }
            _ => false,
        };
        self.has_delivered
    }
}

fn damaged(error: FlvError) -> Judgement {
    match error {
        FlvError::UnsupportedCodec(name) => Judgement::Unsupported(name),
        _ => Judgement::Skip,
    }
}

/// Metadata is told to every transcoder anew; other script data passes by.
pub(crate) fn data_role(body: &[u8]) -> Role {
    if body.starts_with(b"\x02\x00\x0aonMetaData") { Role::Header } else { Role::Other }
}

/// Watches the bit rate of one publisher.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_window: u64,
    since: Instant,
    bytes: u64,
}

impl Rate {
    pub(crate) fn new(kbps_max: u64, now: Instant) -> Self {
        Self { bytes_per_window: kbps_max.saturating_mul(125 * RATE_WINDOW.as_secs()), since: now, bytes: 0 }
    }

    /// Counts bytes; `false` when there are too many.
    pub(crate) fn is_legal(&mut self, bytes: usize, now: Instant) -> bool {
        if now.duration_since(self.since) >= RATE_WINDOW {
            self.since = now;
            self.bytes = 0;
        }
        self.bytes += bytes as u64;
        self.bytes <= self.bytes_per_window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: FrameKind) -> Frame {
        Frame { kind, timestamp_ms: 0, payload: Bytes::new() }
    }

    #[test]
    fn a_stream_goes_on_air_once_with_its_first_key_frame() {
        let (mut delivery, now) = (Delivery::default(), Instant::now());
        assert_eq!(delivery.video(&Bytes::from_static(&[0x17, 0, 0, 0, 0, 1])), Judgement::Forward(Role::Header));
        assert!(!delivery.goes_on_air(&frame(FrameKind::Video), Role::Header, now));
        assert_eq!(delivery.video(&Bytes::from_static(&[0x27, 1, 0, 0, 0, 9])), Judgement::Forward(Role::Other));
        assert!(!delivery.goes_on_air(&frame(FrameKind::Video), Role::Other, now));
        assert!(!delivery.goes_on_air(&frame(FrameKind::Audio), Role::Other, now + AUDIO_ONLY_AFTER * 2));
        assert_eq!(delivery.video(&Bytes::from_static(&[0x17, 1, 0, 0, 0, 9])), Judgement::Forward(Role::Key));
        assert!(delivery.goes_on_air(&frame(FrameKind::Video), Role::Key, now));
        assert!(!delivery.goes_on_air(&frame(FrameKind::Video), Role::Key, now));
    }

    #[test]
    fn sound_alone_goes_on_air_when_no_picture_has_come_for_a_while() {
        let (mut delivery, now) = (Delivery::default(), Instant::now());
        assert!(!delivery.goes_on_air(&frame(FrameKind::Audio), Role::Other, now));
        assert!(delivery.goes_on_air(&frame(FrameKind::Audio), Role::Other, now + AUDIO_ONLY_AFTER));
    }

    #[test]
    fn codecs_we_do_not_take_are_named_and_damage_is_skipped() {
        let mut delivery = Delivery::default();
        assert_eq!(delivery.video(&Bytes::from_static(b"\x91vvc1x")), Judgement::Unsupported("VVC".to_owned()));
        assert_eq!(delivery.video(&Bytes::from_static(&[0x17, 1])), Judgement::Skip);
        assert_eq!(delivery.audio(&Bytes::new()), Judgement::Skip);
    }

    #[test]
    fn of_many_tracks_the_first_goes_on_and_each_other_is_counted_once() {
        let mut delivery = Delivery::default();
        let first = Bytes::from_static(b"\x96\x03avc1\0frame");
        let other = Bytes::from_static(b"\x96\x03avc1\x01frame");
        assert_eq!(delivery.video(&first), Judgement::Forward(Role::Key));
        assert_eq!(delivery.tracks_left_out(), 0);
        for _ in 0..3 {
            assert_eq!(delivery.video(&other), Judgement::Skip);
        }
        assert_eq!(delivery.audio(&Bytes::from_static(b"\x95\x01mp4a\x01sound")), Judgement::Skip);
        assert_eq!(delivery.tracks_left_out(), 2);
        for track in 2..=255 {
            let _ = delivery.video(&Bytes::from([&b"\x96\x03avc1"[..], &[track, 1]].concat()));
        }
        assert_eq!(delivery.tracks_left_out(), TRACKS_MAX);
    }

    #[test]
    fn the_bit_rate_is_judged_over_five_seconds() {
        let now = Instant::now();
        let mut rate = Rate::new(1_000, now);
        assert!(rate.is_legal(625_000, now), "five seconds' worth at once");
        assert!(!rate.is_legal(1, now));
        assert!(rate.is_legal(625_000, now + RATE_WINDOW));
    }
}
