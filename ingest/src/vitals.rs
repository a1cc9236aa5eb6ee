//! How well one publisher's media arrives, measured where both its arrival and its timestamps are at hand.
//!
//! Lives on the publisher's lane: a message costs a few integers, a second one sample, which is handed to [`Pen`] and forgotten.
//! What is measured and when it is called wrong belongs to [`domain::ingest`].

use std::time::Duration;

use bytes::Bytes;
use db::publish::Claim;
use domain::ingest::{AudioFormat, IngestSample, Limits, Message, Meter, VideoFormat};
use domain::{StreamId, UserId};
use media::codec::{AacConfig, VideoCodec, VideoConfig};
use media::flv::{self, AudioPacket, VideoPacket};
use media::link::{Frame, FrameKind};
use tokio::time::Instant;

use crate::feed::queue::Role;
use crate::scribe::Pen;

const TICK: Duration = Duration::from_secs(1);

/// The measuring of one connection.
#[derive(Debug)]
pub(crate) struct Vitals {
    meter: Meter,
    stream: StreamId,
    channel: UserId,
    epoch: i32,
    begun: Instant,
    /// The moment of the beat, as the meter counts.
    now_ms: i64,
    tick_at: Instant,
    pen: Pen,
}

impl Vitals {
    pub(crate) fn new(claim: &Claim, kbps_max: u64, pen: Pen, now: Instant) -> Self {
        Self {
            meter: Meter::new(Limits { kbps_max }, 0),
            stream: claim.stream_id,
            channel: claim.channel_id,
            epoch: claim.epoch,
            begun: now,
            now_ms: 0,
            tick_at: now + TICK,
            pen,
        }
    }

    /// Once per beat, before its messages. `waiting_ms` is asked once a second.
    pub(crate) fn beat(&mut self, now: Instant, waiting_ms: impl FnOnce() -> u32) {
        self.now_ms = now.duration_since(self.begun).as_millis() as i64;
        if now < self.tick_at {
            return;
        }
        // A lane that was held up does not catch up on ticks: the next second is counted from here.
        self.tick_at = (self.tick_at + TICK).max(now + TICK / 2);
        let sample = self.meter.tick(self.now_ms, kit::clock::now(), self.epoch, waiting_ms());
        self.pen.write(self.channel, self.stream, sample);
    }

    /// A message that is passed on.
    pub(crate) fn arrived(&mut self, frame: &Frame, role: Role, reorder_ms: i32) {
        let message = Message { arrived_ms: self.now_ms, timestamp_ms: frame.timestamp_ms, bytes: frame.payload.len() };
        match (frame.kind, role) {
            (FrameKind::Video, Role::Header) => self.meter.video_format(video_format(&frame.payload)),
            (FrameKind::Audio, Role::Header) => self.meter.audio_format(audio_format(&frame.payload)),
            (FrameKind::Video, role) => self.meter.video(message, role == Role::Key, reorder_ms),
            (FrameKind::Audio, _) => self.meter.audio(message),
            (FrameKind::Data | FrameKind::End | FrameKind::Ended, _) => {}
        }
    }

    /// A message carried tracks that are left out.
    pub(crate) fn extra_track(&mut self, kind: FrameKind) {
        self.meter.extra_track(kind == FrameKind::Video);
    }

    /// The connection is gone and may come back: until then there is no data.
    pub(crate) fn lost(self) {
        self.pen.write(self.channel, self.stream, IngestSample::no_data(kit::clock::now(), self.epoch));
    }
}

fn video_format(header: &Bytes) -> Option<VideoFormat> {
    let VideoPacket::SequenceHeader { codec, config } = flv::parse_video(header).ok()?.packet else { return None };
    let video = VideoConfig::parse(codec, &config).ok()?;
    let (width, height) = video.size();
    let fps_milli = video.frame_rate().map(|rate| (rate.as_f64() * 1_000.0) as u32);
    Some(VideoFormat { width, height, fps_milli, is_efficient: codec != VideoCodec::Avc })
}

fn audio_format(header: &Bytes) -> Option<AudioFormat> {
    let AudioPacket::SequenceHeader { config } = flv::parse_audio(header).ok()?.packet else { return None };
    let aac = AacConfig::parse(&config).ok()?;
    Some(AudioFormat { sample_rate: aac.output_rate, frame_samples: aac.frame_samples, channels: aac.channels })
}

#[cfg(test)]
mod tests {
    use media::codec::AvcConfig;

    use super::*;

    #[test]
    fn formats_are_read_from_headers_and_from_nothing_else() {
        const SPS: &[u8] = b"\x67\x42\xc0\x0d\xda\x05\x06\x7e\x78\x40\0\0\x03\0\x40\0\0\x0f\x03\xc5\x0a\xa8";
        let avc = AvcConfig::from_sets(&[SPS], &[b"\x68\xce\x0f\x2c"], 4).expect("parameter sets");
        let video = Bytes::from([b"\x17\0\0\0\0", &avc.record[..]].concat());
        let format = video_format(&video).expect("a header");
        assert_eq!((format.width, format.height, format.fps_milli), (320, 180, Some(30_000)));
        let audio = Bytes::from_static(&[0xaf, 0, 0x11, 0x90]);
        let format = audio_format(&audio).expect("a header");
        assert_eq!((format.sample_rate, format.frame_samples, format.channels), (48_000, 1_024, 2));
        for other in [&b"\x17\x01\0\0\0\0"[..], b"\x17\0\0\0\0\x01", b"\xaf\x01\x11\x90", b"\xaf\0\xff\xff", b""] {
            let other = Bytes::from_static(other);
            assert!(video_format(&other).is_none() && audio_format(&other).is_none());
        }
    }
}
