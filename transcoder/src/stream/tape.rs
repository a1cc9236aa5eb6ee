//! The stream's side of its recording. A stream whose recording could not be opened is live all the same.

use std::sync::Weak;

use bytes::Bytes;
use media::cmaf::TrackConfig;

use crate::origin::shelf::Segment;
use crate::record::{RecordedPart, Recording, RecordingEnd, RenditionInfo, RenditionKind, Sheet};

/// Hands everything published to the recording, if there is one.
#[derive(Default)]
pub(crate) struct Tape {
    recording: Option<Recording>,
}

impl Tape {
    pub(crate) fn new(recording: Option<Recording>) -> Self {
        Self { recording }
    }

    /// Whether what is handed over will be in the bucket.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    pub(crate) fn rendition(&self, name: &str, track: &TrackConfig) {
        let Some(recording) = &self.recording else { return };
        let mut info = RenditionInfo {
            name: name.to_owned(),
            kind: RenditionKind::Video,
            codecs: track.codecs(),
            width: None,
            height: None,
            frame_rate_mhz: None,
            channels: None,
            sample_rate: None,
        };
        match track {
            TrackConfig::Video(video) => {
                let (width, height) = video.size();
                (info.width, info.height) = (Some(width), Some(height));
                info.frame_rate_mhz = video.frame_rate().map(|rate| (rate.as_f64() * 1_000.0).round() as u64);
            }
            TrackConfig::Audio(aac) => {
                info.kind = RenditionKind::Audio;
                info.channels = Some(u32::from(aac.channels));
                info.sample_rate = Some(aac.output_rate);
            }
        }
        recording.rendition(info);
    }

    pub(crate) fn init(&self, rendition: &str, number: u32, bytes: Bytes) {
        if let Some(recording) = &self.recording {
            recording.init(rendition, number, bytes);
        }
    }

    pub(crate) fn part(&self, part: RecordedPart<'_>) {
        if let Some(recording) = &self.recording {
            recording.part(part);
        }
    }

    /// `live` is the same segment in the live window, if it is there.
    pub(crate) fn segment_end(&self, rendition: &str, msn: u64, duration_us: u64, live: Weak<Segment>) {
        if let Some(recording) = &self.recording {
            recording.segment_end_of(rendition, msn, duration_us, live);
        }
    }

    pub(crate) fn thumbnail(&self, jpeg: Bytes) {
        if let Some(recording) = &self.recording {
            recording.thumbnail(jpeg);
        }
    }

    pub(crate) fn sheet(&self, sheet: Sheet, jpeg: Bytes) {
        if let Some(recording) = &self.recording {
            recording.sheet(sheet, jpeg);
        }
    }

    /// Once; later calls do nothing.
    pub(crate) fn close(&mut self, end: RecordingEnd) {
        if let Some(recording) = self.recording.take() {
            recording.close(end);
        }
    }
}
