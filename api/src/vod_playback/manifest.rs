//! A recording's MPEG-DASH manifest, made from its rows. Pure.

use db::recordings::{Rendition, RenditionKind};
use media::bandwidth::Bandwidth;
use media::dash::{Media, Mpd, Presentation, Span, Track};

use super::reel::{Reel, init_of};

/// Where players read the time.
const CLOCK_URL: &str = "/api/v1/time";
/// A recording that grows begins this long before its first segment, so that a clock that was set meanwhile matters not.
const BEFORE_FIRST_MS: i64 = 60_000;

impl Reel {
    /// The manifest. `base` stands before the renditions' folders. `None` when the rows do not say when segments begin: it was
    /// recorded before that was kept.
    pub(super) fn manifest(
        &self,
        renditions: &[Rendition],
        target_s: u32,
        language: &str,
        base: String,
    ) -> Option<Mpd> {
        let first_ms = self.steps.values().flat_map(|step| step.values()).next()?.program_at.timestamp_millis();
        let tracks: Vec<Track> = renditions.iter().filter_map(|rendition| self.track(rendition, language)).collect();
        let is_timed = tracks.iter().flat_map(|track| &track.segments).all(|span| span.starts_at_us.is_some());
        if tracks.is_empty() || !is_timed {
            return None;
        }
        let presentation = if self.is_complete {
            Presentation::Recorded
        } else {
            let available_from_ms = first_ms - BEFORE_FIRST_MS;
            Presentation::Growing { available_from_ms, clock_url: CLOCK_URL.to_owned() }
        };
        let longest_us =
            tracks.iter().flat_map(|track| &track.segments).map(|span| span.duration_us).max().unwrap_or(0);
        let target_duration_s = target_s.max(u32::try_from((longest_us + 500_000) / 1_000_000).unwrap_or(target_s));
        Some(Mpd { presentation, target_duration_s, base, tracks })
    }

    fn track(&self, rendition: &Rendition, language: &str) -> Option<Track> {
        let mut rate = Bandwidth::default();
        let mut segments = Vec::new();
        for (seq, step) in &self.steps {
            let Some(own) = step.get(&rendition.name) else { continue };
            rate.push(u64::try_from(own.byte_size).unwrap_or(0), own.duration_us as f64 / 1e6);
            segments.push(Span {
                msn: u64::try_from(*seq).unwrap_or(0),
                starts_at_us: own.starts_at_us,
                duration_us: own.duration_us,
                init: init_of(own)?,
                is_discontinuity: step.values().any(|segment| segment.is_discontinuity),
                date_ms: own.program_at.timestamp_millis(),
            });
        }
        if segments.is_empty() {
            return None;
        }
        let side = |value: Option<i32>| value.and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
        let media = match rendition.kind {
            RenditionKind::Video => Media::Video {
                width: side(rendition.width),
                height: side(rendition.height),
                frame_rate: rendition.frame_rate_mhz.map(|rate| rate as f64 / 1_000.0),
            },
            RenditionKind::Audio => Media::Audio {
                channels: rendition.channels.and_then(|channels| u8::try_from(channels).ok()).unwrap_or(2),
                sample_rate: rendition.sample_rate.and_then(|rate| u32::try_from(rate).ok()),
                language: language.to_owned(),
            },
        };
        let codecs = rendition.codecs.clone();
        Some(Track { name: rendition.name.clone(), media, codecs, bandwidth: rate.peak(), segments })
    }
}
