//! MPEG-DASH: the MPD of a stream or a recording (ISO/IEC 23009-1), of the same segments that HLS lists.
//!
//! Owns the text, and how segments make periods ([`periods`]). Times in it are microseconds, whatever the tracks' timescales: a
//! manifest's timescale need not be that of the media. Serving and caching belong to the origin and to `api`.

mod periods;

use std::fmt::Write;

use crate::playlist::{child_query, fill, uri};
use periods::{Period, Run};

/// How far behind the live edge players are asked to stay, in target durations: room for a manifest's life, a segment's
/// download and one late update.
const DELAY_TARGETS: u32 = 4;
/// Where the next segment begins this little off, it counts as following at once.
const JOINT_US: i64 = 1_000;

/// What a rendition is.
#[derive(Debug, Clone, PartialEq)]
pub enum Media {
    Video {
        width: u32,
        height: u32,
        /// Frames per second, when known.
        frame_rate: Option<f64>,
    },
    Audio {
        channels: u8,
        sample_rate: Option<u32>,
        /// BCP 47.
        language: String,
    },
}

/// One rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// The folder of its files, and its `Representation`'s id.
    pub name: String,
    pub media: Media,
    pub codecs: String,
    pub bandwidth: u64,
    /// In order of their numbers, gaps included.
    pub segments: Vec<Span>,
}

impl Track {
    /// The sample entry's name of video, such as `avc1`; `None` of audio.
    fn set(&self) -> Option<&str> {
        match self.media {
            Media::Video { .. } => Some(self.codecs.split('.').next().unwrap_or_default()),
            Media::Audio { .. } => None,
        }
    }
}

/// One finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub msn: u64,
    /// Presentation time of its first sample on the media clock; `None` when there is nothing of it: a gap.
    pub starts_at_us: Option<i64>,
    pub duration_us: i64,
    pub init: u32,
    pub is_discontinuity: bool,
    /// Wall-clock time of its first sample, Unix milliseconds.
    pub date_ms: i64,
}

/// What kind of presentation it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presentation {
    /// A running stream, or one that has just ended.
    Live {
        /// `availabilityStartTime`, Unix milliseconds. Never changes in a stream's life.
        available_from_ms: i64,
        /// Segments below this number are not listed any more.
        listed_from: u64,
        is_over: bool,
        /// Where players read the time (`urn:mpeg:dash:utc:http-iso:2014`).
        clock_url: String,
    },
    /// A finished recording.
    Recorded,
    /// A recording that still grows: like a finished one that is asked for again.
    Growing { available_from_ms: i64, clock_url: String },
}

/// A manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Mpd {
    pub presentation: Presentation,
    pub target_duration_s: u32,
    /// Stands before the renditions' folders: relative to the manifest, or an address. Ends with a slash unless empty.
    pub base: String,
    pub tracks: Vec<Track>,
}

impl Mpd {
    /// The manifest; `query` is handed on to the media as in [`crate::playlist::MediaPlaylist::render_with_query`]. `None` while
    /// there is nothing every rendition has, or when a segment's time is not known.
    pub fn render(&self, query: &str) -> Option<String> {
        let (listed_from, is_live) = match &self.presentation {
            Presentation::Live { listed_from, .. } => (*listed_from, true),
            Presentation::Growing { .. } => (0, true),
            Presentation::Recorded => (0, false),
        };
        let holds_back = match &self.presentation {
            Presentation::Live { is_over, .. } => !is_over,
            Presentation::Growing { .. } => true,
            Presentation::Recorded => false,
        };
        let periods = periods::plan(&self.tracks, listed_from, holds_back, is_live);
        let (first, last) = (periods.first()?, periods.last()?);
        let mut out = String::with_capacity(4_096);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let zero_us = match &self.presentation {
            Presentation::Live { available_from_ms, .. } | Presentation::Growing { available_from_ms, .. } => {
                available_from_ms * 1_000
            }
            Presentation::Recorded => 0,
        };
        self.put_head(&mut out, (first.starts_us - zero_us, last.ends_us() - zero_us), last.ends_us());
        for period in &periods {
            self.put_period(&mut out, period, zero_us, query);
        }
        if let Presentation::Live { is_over: false, clock_url, .. } | Presentation::Growing { clock_url, .. } =
            &self.presentation
        {
            let _ = writeln!(
                out,
                " <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"{}\"/>",
                escape(clock_url)
            );
        }
        out.push_str("</MPD>\n");
        Some(out)
    }

    fn put_head(&self, out: &mut String, (starts_us, ends_us): (i64, i64), published_us: i64) {
        let target = self.target_duration_s;
        let _ = write!(
            out,
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" \
             minBufferTime=\"PT{target}S\" maxSegmentDuration=\"PT{}S\"",
            target + 1
        );
        let from_ms = match &self.presentation {
            Presentation::Recorded => {
                let _ =
                    writeln!(out, " type=\"static\" mediaPresentationDuration=\"{}\">", seconds(ends_us - starts_us));
                return;
            }
            Presentation::Live { available_from_ms, .. } | Presentation::Growing { available_from_ms, .. } => {
                *available_from_ms
            }
        };
        let _ = write!(
            out,
            " type=\"dynamic\" availabilityStartTime=\"{}\" publishTime=\"{}\" suggestedPresentationDelay=\"PT{}S\" \
             timeShiftBufferDepth=\"{}\"",
            date(from_ms),
            date(published_us.div_euclid(1_000)),
            DELAY_TARGETS * target,
            seconds(ends_us - starts_us)
        );
        let is_over = matches!(self.presentation, Presentation::Live { is_over: true, .. });
        let _ = if is_over {
            writeln!(out, " mediaPresentationDuration=\"{}\">", seconds(ends_us))
        } else {
            writeln!(out, " minimumUpdatePeriod=\"PT{target}S\">")
        };
    }

    fn put_period(&self, out: &mut String, period: &Period, zero_us: i64, query: &str) {
        let _ = write!(out, " <Period id=\"p{}\" start=\"{}\"", period.id, seconds(period.starts_us - zero_us));
        let _ = match period.duration_us {
            Some(duration) => writeln!(out, " duration=\"{}\">", seconds(duration)),
            None => writeln!(out, ">"),
        };
        for (id, set) in self.sets() {
            let mut runs = period.runs.iter().filter(|run| self.tracks[run.track].set() == set).peekable();
            let Some(first) = runs.peek() else { continue };
            self.put_set_head(out, id, &self.tracks[first.track]);
            for run in runs {
                self.put_representation(out, period, run, query);
            }
            out.push_str("  </AdaptationSet>\n");
        }
        out.push_str(" </Period>\n");
    }

    /// Video of each codec, and audio, with the ids of their `AdaptationSet`s. Players switch within one, and choose one by
    /// what they can decode.
    fn sets(&self) -> Vec<(usize, Option<&str>)> {
        const AUDIO_ID: usize = 2;
        let mut codecs: Vec<Option<&str>> = Vec::new();
        for set in self.tracks.iter().map(Track::set).filter(Option::is_some) {
            if !codecs.contains(&set) {
                codecs.push(set);
            }
        }
        let numbered = codecs.into_iter().enumerate();
        let mut sets: Vec<_> =
            numbered.map(|(place, set)| (if place == 0 { 1 } else { place + AUDIO_ID }, set)).collect();
        sets.insert(sets.len().min(1), (AUDIO_ID, None));
        sets
    }

    fn put_set_head(&self, out: &mut String, id: usize, track: &Track) {
        let _ = match &track.media {
            Media::Video { .. } => writeln!(
                out,
                "  <AdaptationSet id=\"{id}\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" \
                 startWithSAP=\"1\">"
            ),
            Media::Audio { language, .. } => writeln!(
                out,
                "  <AdaptationSet id=\"{id}\" contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"{}\" \
                 segmentAlignment=\"true\" startWithSAP=\"1\">",
                escape(language)
            ),
        };
        out.push_str("   <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\n");
    }

    fn put_representation(&self, out: &mut String, period: &Period, run: &Run, query: &str) {
        let track = &self.tracks[run.track];
        let name = escape(&track.name);
        let (codecs, bandwidth) = (escape(&track.codecs), track.bandwidth.max(1));
        let _ = write!(out, "   <Representation id=\"{name}\" codecs=\"{codecs}\" bandwidth=\"{bandwidth}\"");
        match &track.media {
            Media::Video { width, height, frame_rate } => {
                let _ = write!(out, " width=\"{width}\" height=\"{height}\"");
                if let Some(rate) = frame_rate.and_then(ratio) {
                    let _ = write!(out, " frameRate=\"{rate}\"");
                }
                out.push_str(">\n");
            }
            Media::Audio { channels, sample_rate, .. } => {
                if let Some(rate) = sample_rate {
                    let _ = write!(out, " audioSamplingRate=\"{rate}\"");
                }
                let _ = writeln!(
                    out,
                    ">\n    <AudioChannelConfiguration \
                     schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"{channels}\"/>"
                );
            }
        }
        let query = in_template(query);
        let folder = format!("{}{name}", escape(&self.base));
        let init = uri::init(run.init);
        let _ = writeln!(
            out,
            "    <SegmentTemplate timescale=\"1000000\" presentationTimeOffset=\"{}\" initialization=\"{folder}/{init}{query}\" \
             media=\"{folder}/seg$Number$.m4s{query}\" startNumber=\"{}\">\n     <SegmentTimeline>",
            period.media_us, run.first_msn
        );
        put_timeline(out, &run.spans);
        out.push_str("     </SegmentTimeline>\n    </SegmentTemplate>\n   </Representation>\n");
    }
}

/// A manifest that was written with [`crate::playlist::HOLE`] for its query, with `query` in its place.
pub fn stamp(text: &str, query: &str) -> String {
    fill(text, in_template(query).trim_start_matches('?'))
}

/// A query as it stands in a `SegmentTemplate`. A dollar sign would be read as a variable (23009-1 5.3.9.4.4).
fn in_template(query: &str) -> String {
    escape(&child_query(query).replace('$', "$$"))
}

/// `S` elements: a time where one is needed, and equal lengths told once.
fn put_timeline(out: &mut String, spans: &[(i64, i64)]) {
    let mut expected = None;
    let mut index = 0;
    while let Some(&(starts_at, duration)) = spans.get(index) {
        let follows = |expected: i64, at: i64| (expected - at).abs() <= JOINT_US;
        out.push_str("      <S");
        let mut at = starts_at;
        match expected.filter(|expected| follows(*expected, starts_at)) {
            Some(expected) => at = expected,
            None => {
                let _ = write!(out, " t=\"{starts_at}\"");
            }
        }
        let _ = write!(out, " d=\"{duration}\"");
        let mut repeats = 0;
        at += duration;
        while spans.get(index + 1).is_some_and(|(next, length)| *length == duration && follows(at, *next)) {
            at += duration;
            repeats += 1;
            index += 1;
        }
        if repeats > 0 {
            let _ = write!(out, " r=\"{repeats}\"");
        }
        out.push_str("/>\n");
        expected = Some(at);
        index += 1;
    }
}

/// Frames per second as DASH writes them: whole, or a fraction of 1,001.
fn ratio(rate: f64) -> Option<String> {
    if !(rate.is_finite() && rate > 0.0 && rate < 1_000.0) {
        return None;
    }
    let whole = rate.round();
    if (rate - whole).abs() < 0.001 {
        return Some(format!("{whole:.0}"));
    }
    let ntsc = (rate * 1.001).round();
    if (rate * 1.001 - ntsc).abs() < 0.005 {
        return Some(format!("{:.0}/1001", ntsc * 1_000.0));
    }
    Some(format!("{:.0}/1000", rate * 1_000.0))
}

/// `xs:duration` of microseconds.
fn seconds(us: i64) -> String {
    let us = us.max(0);
    let text = format!("PT{}.{:06}S", us / 1_000_000, us % 1_000_000);
    text.replace(".000000S", "S")
}

/// `xs:dateTime` of Unix milliseconds.
fn date(unix_ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(unix_ms).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// For text between double quotes in XML. Control characters, which XML has no way to write, are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {}
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
#[path = "dash/tests.rs"]
mod tests;
