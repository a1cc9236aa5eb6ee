//! What one publisher's connection says, as samples on the stream's clock.
//!
//! Owns the reading of tag bodies, the codec headers in force and the connection's [`Timeline`]. Decides nothing about
//! segments. What cannot be read is dropped and told once in the log; a bad frame never ends a stream.

use bytes::Bytes;
use media::Sample;
use media::codec::{AacConfig, VideoConfig};
use media::flv::{self, AudioPacket, FlvError, VideoPacket};
use media::link::{Frame, FrameKind};
use media::timeline::{Placed, Timeline};

/// Audio that falls this far behind the picture, in milliseconds, is replaced by silence.
const SILENCE_LAG_MS: i64 = 1_000;
/// No more silence than this is put behind a connection's last audio.
const CLOSING_FRAMES_MAX: u32 = 128;

/// One thing learned from a frame.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Another picture format holds from the next key frame on.
    VideoConfig(VideoConfig),
    /// Another audio format holds from here on.
    AudioConfig(AacConfig),
    Video(Media),
    Audio(Media),
}

#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) sample: Sample,
    /// So much is missing before this sample that a new period is due.
    pub(crate) is_after_gap: bool,
}

/// One connection's state.
#[derive(Debug)]
pub(crate) struct Session {
    timeline: Timeline,
    video: Option<VideoConfig>,
    aac: Option<AacConfig>,
    silence: Option<Bytes>,
    has_idr: bool,
    has_audio_begun: bool,
    has_complained: bool,
}

impl Session {
    /// `origin_ms` is where the connection before stopped.
    pub(crate) fn new(origin_ms: i64) -> Self {
        Self {
            timeline: Timeline::new(origin_ms),
            video: None,
            aac: None,
            silence: None,
            has_idr: false,
            has_audio_begun: false,
            has_complained: false,
        }
    }

    /// Where the next connection's clock begins.
    pub(crate) fn end_ms(&self) -> i64 {
        self.timeline.end_ms()
    }

    pub(crate) fn video(&self) -> Option<&VideoConfig> {
        self.video.as_ref()
    }

    pub(crate) fn audio(&self) -> Option<&AacConfig> {
        self.aac.as_ref()
    }

    /// The stream has an audio rendition from before and this connection brings none: silence takes its place.
    pub(crate) fn pretend_audio(&mut self, config: &AacConfig, at_ms: u32) -> bool {
        self.silence = config.silent_frame();
        if self.silence.is_none() {
            return false;
        }
        self.timeline.set_audio(config);
        self.aac = Some(config.clone());
        // The first frame only sets the place; the ones behind it are asked for by the lag.
        let _placed = self.timeline.audio(at_ms);
        self.has_audio_begun = true;
        true
    }

    /// Nothing more comes: appends the silence that carries audio to the end of the last picture.
    pub(crate) fn finish(&mut self, out: &mut Vec<Heard>) {
        let (Some(silence), true) = (&self.silence, self.has_audio_begun) else { return };
        for _frame in 0..CLOSING_FRAMES_MAX {
            let Some(placed) = self.timeline.closing_audio() else { return };
            out.push(Heard::Audio(media(placed, true, silence.clone())));
        }
    }

    /// Reads a frame and appends what it says to `out`.
    pub(crate) fn read(&mut self, frame: &Frame, out: &mut Vec<Heard>) {
        let outcome = match frame.kind {
            FrameKind::Video => self.read_video(frame, out),
            FrameKind::Audio => self.read_audio(frame, out),
            FrameKind::Data | FrameKind::End | FrameKind::Ended => Ok(()),
        };
        if let Err(reason) = outcome
            && !std::mem::replace(&mut self.has_complained, true)
        {
            tracing::warn!(reason, kind = ?frame.kind, "the publisher sends media that cannot be used; it is left out");
        }
    }

    fn read_video(&mut self, frame: &Frame, out: &mut Vec<Heard>) -> Result<(), String> {
        let tag = flv::parse_video(&frame.payload).map_err(|error: FlvError| error.to_string())?;
        match tag.packet {
            VideoPacket::SequenceHeader { codec, config } => {
                let video = VideoConfig::parse(codec, &config).map_err(|error| error.to_string())?;
                self.use_video(video, out);
            }
            VideoPacket::Frame { codec, cts_ms, data } => {
                let Some(video) = self.video.as_ref().filter(|video| video.codec() == codec) else { return Ok(()) };
                let cleaned = video.clean(&data);
                self.has_idr |= cleaned.is_idr;
                // Encoders that never send an IDR mark their recovery points as key frames.
                let is_sync = cleaned.is_idr || (tag.is_key && !self.has_idr);
                if let Some(changed) = cleaned.new_config.filter(|_| is_sync) {
                    self.use_video(changed, out);
                }
                let placed = self.timeline.video(frame.timestamp_ms, cts_ms);
                if !cleaned.data.is_empty() {
                    out.push(Heard::Video(media(placed, is_sync, cleaned.data)));
                }
                self.fill_lag(out);
            }
            VideoPacket::EndOfSequence | VideoPacket::Ignored => {}
        }
        Ok(())
    }

    fn use_video(&mut self, video: VideoConfig, out: &mut Vec<Heard>) {
        if self.video.as_ref().is_some_and(|known| known.record() == video.record()) {
            return;
        }
        // What one encoder calls a key frame says nothing about another's.
        self.has_idr &= self.video.as_ref().is_some_and(|known| known.codec() == video.codec());
        self.timeline.set_video_rate(video.frame_rate());
        out.push(Heard::VideoConfig(video.clone()));
        self.video = Some(video);
    }

    fn read_audio(&mut self, frame: &Frame, out: &mut Vec<Heard>) -> Result<(), String> {
        match flv::parse_audio(&frame.payload).map_err(|error| error.to_string())?.packet {
            AudioPacket::SequenceHeader { config } => {
                let aac = AacConfig::parse(&config).map_err(|error| error.to_string())?;
                if self.aac.as_ref().is_none_or(|known| known.config != aac.config) {
                    self.timeline.set_audio(&aac);
                    self.silence = aac.silent_frame();
                    out.push(Heard::AudioConfig(aac.clone()));
                    self.aac = Some(aac);
                }
            }
            AudioPacket::Frame { data } => {
                let Some(aac) = &self.aac else { return Ok(()) };
                let frame_ticks = i64::from(aac.frame_samples);
                let Some(placed) = self.timeline.audio(frame.timestamp_ms) else { return Ok(()) };
                self.has_audio_begun = true;
                if let Some(silence) = &self.silence {
                    let begin = placed.dts - i64::from(placed.fill) * frame_ticks;
                    for index in 0..i64::from(placed.fill) {
                        let dts = begin + index * frame_ticks;
                        out.push(Heard::Audio(media(
                            Placed { dts, fill: 0, gap: false, ..placed },
                            true,
                            silence.clone(),
                        )));
                    }
                }
                out.push(Heard::Audio(media(placed, true, data)));
            }
            AudioPacket::Ignored => {}
        }
        Ok(())
    }

    /// Silence where a publisher announced audio and stopped sending it.
    fn fill_lag(&mut self, out: &mut Vec<Heard>) {
        let (Some(silence), true) = (&self.silence, self.has_audio_begun) else { return };
        while let Some(placed) = self.timeline.missing_audio(SILENCE_LAG_MS) {
            out.push(Heard::Audio(media(placed, true, silence.clone())));
        }
    }
}

fn media(placed: Placed, is_sync: bool, data: Bytes) -> Media {
    let sample = Sample { dts: placed.dts, cts: placed.cts, duration: placed.duration, is_sync, data };
    Media { sample, is_after_gap: placed.gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio(timestamp_ms: u32, body: &[u8]) -> Frame {
        Frame { kind: FrameKind::Audio, timestamp_ms, payload: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn audio_frames_count_only_after_their_header() {
        let (mut session, mut heard) = (Session::new(0), Vec::new());
        session.read(&audio(0, &[0xaf, 1, 1, 2]), &mut heard);
        assert!(heard.is_empty());
        session.read(&audio(0, &[0xaf, 0, 0x11, 0x90]), &mut heard);
        session.read(&audio(0, &[0xaf, 1, 1, 2]), &mut heard);
        session.read(&audio(21, &[0xaf, 1, 3, 4]), &mut heard);
        session.read(&audio(21, &[0xaf, 0, 0x11, 0x90]), &mut heard);
        let dts: Vec<_> = heard
            .iter()
            .filter_map(|heard| match heard {
                Heard::Audio(media) => Some(media.sample.dts),
                _ => None,
            })
            .collect();
        assert_eq!(dts, [0, 1_024]);
        assert_eq!(heard.len(), 3, "a repeated header says nothing new");
    }

    #[test]
    fn a_hole_in_audio_is_filled_with_silence() {
        let (mut session, mut heard) = (Session::new(0), Vec::new());
        session.read(&audio(0, &[0xaf, 0, 0x11, 0x90]), &mut heard);
        session.read(&audio(0, &[0xaf, 1, 1, 2]), &mut heard);
        heard.clear();
        session.read(&audio(320, &[0xaf, 1, 1, 2]), &mut heard);
        assert_eq!(heard.len(), 15, "fourteen silent frames and the real one");
    }

    #[test]
    fn nonsense_is_dropped() {
        let (mut session, mut heard) = (Session::new(0), Vec::new());
        for body in [&[0x2f_u8, 1][..], &[0xaf, 0], &[0xaf, 0, 0xff, 0xff], &[0x17, 0]] {
            session.read(&audio(0, body), &mut heard);
            let video = Frame { kind: FrameKind::Video, timestamp_ms: 0, payload: Bytes::copy_from_slice(body) };
            session.read(&video, &mut heard);
        }
        assert!(heard.is_empty());
    }
}
