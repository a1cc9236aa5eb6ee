//! A recording's playlists, made from its rows. Pure.
//!
//! All renditions list the same sequence numbers and the same discontinuities, so that a player may change between them
//! anywhere: a segment one rendition lacks is a gap there.

use std::collections::BTreeMap;

use db::recordings::{Rendition, RenditionKind, Segment};
use domain::clip::Span;
use media::bandwidth::{Bandwidth, iframe_bps};
use media::playlist::uri::{self, MediaFile};
use media::playlist::{AudioRendition, IFrames, Multivariant, Variant, VodPlaylist, VodSegment};

/// A rendition this many segments behind the first is taken for ended; before that, the playlist of a running recording
/// waits for it, because a line that was published never changes.
const STALLED_AFTER: usize = 30;
const NAME_LEN_MAX: usize = 32;

pub(super) fn is_rendition_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= NAME_LEN_MAX && name.bytes().all(is_legal)
}

/// What is stored of a recording, in playing order.
#[derive(Debug, Default)]
pub(super) struct Reel {
    /// Segments of each sequence number, by rendition.
    pub(super) steps: BTreeMap<i64, BTreeMap<String, Segment>>,
    pub(super) is_complete: bool,
}

impl Reel {
    pub(super) fn new(segments: Vec<Segment>, is_complete: bool) -> Self {
        let mut steps: BTreeMap<i64, BTreeMap<String, Segment>> = BTreeMap::new();
        for segment in segments {
            steps.entry(segment.seq).or_default().insert(segment.rendition.clone(), segment);
        }
        let mut reel = Self { steps, is_complete };
        if !is_complete {
            reel.hold_back();
        }
        reel
    }

    /// Cuts off what not every rendition has yet.
    fn hold_back(&mut self) {
        let mut last: BTreeMap<&str, (i64, usize)> = BTreeMap::new();
        for (index, (seq, step)) in self.steps.iter().enumerate() {
            for name in step.keys() {
                last.insert(name, (*seq, index));
            }
        }
        let newest = self.steps.len();
        let frontier = last.values().filter(|(_, index)| index + STALLED_AFTER >= newest).map(|(seq, _)| *seq).min();
        if let Some(frontier) = frontier {
            self.steps.split_off(&(frontier + 1));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.steps.values().map(BTreeMap::len).sum()
    }

    /// Sequence number, beginning and length (microseconds) of each step, as a rendition's playlist says.
    pub(super) fn places(&self, rendition: &str) -> Vec<(i64, i64, i64)> {
        let mut at_us = 0;
        let mut places = Vec::with_capacity(self.steps.len());
        for (seq, step) in &self.steps {
            let own = step.get(rendition).or_else(|| step.values().max_by_key(|segment| segment.duration_us));
            let Some(segment) = own else { continue };
            places.push((*seq, at_us, segment.duration_us));
            at_us += segment.duration_us;
        }
        places
    }

    /// What of it overlaps a span of its own time, and how many seconds into that the span begins. It is complete when no more
    /// segments can come to it.
    pub(super) fn cut(&self, renditions: &[Rendition], span: Span) -> (Self, f64) {
        let (start_us, end_us) = (span.start_ms * 1_000, span.end_ms * 1_000);
        let leading = renditions.iter().find(|rendition| rendition.kind == RenditionKind::Video);
        let places = self.places(leading.or(renditions.first()).map_or("", |rendition| rendition.name.as_str()));
        let stored_us = places.last().map_or(0, |(_, begins_us, length_us)| begins_us + length_us);
        let inside =
            |(_, begins_us, length_us): &&(i64, i64, i64)| *begins_us < end_us && begins_us + length_us > start_us;
        let first_us = places.iter().find(inside).map_or(0, |(_, begins_us, _)| *begins_us);
        let steps = places.iter().filter(inside).filter_map(|(seq, ..)| Some((*seq, self.steps.get(seq)?.clone())));
        let part = Self { steps: steps.collect(), is_complete: self.is_complete || stored_us >= end_us };
        (part, seconds((start_us - first_us).max(0)))
    }

    /// The playlist of one rendition. `None` when nothing of it is stored.
    pub(super) fn rendition(&self, name: &str, target_duration_s: u32) -> Option<VodPlaylist> {
        let first = self.steps.values().find_map(|step| step.get(name))?;
        let mut init = init_of(first)?;
        let mut before = None;
        let mut segments = Vec::with_capacity(self.steps.len());
        for (seq, step) in &self.steps {
            let own = step.get(name);
            init = own.and_then(init_of).unwrap_or(init);
            // A gap is as long as what the others have there.
            let Some(shown) = own.or_else(|| step.values().max_by_key(|segment| segment.duration_us)) else { continue };
            // Numbers missing in every rendition are time that was not recorded.
            let has_hole = before.is_some_and(|before| before + 1 != *seq);
            let is_broken = step.values().any(|segment| segment.is_discontinuity);
            segments.push(VodSegment {
                msn: u64::try_from(*seq).unwrap_or(0),
                duration_s: seconds(shown.duration_us),
                init,
                is_discontinuity: before.is_some() && (has_hole || is_broken),
                program_date_time_ms: Some(shown.program_at.timestamp_millis()),
                is_gap: own.is_none(),
                iframe_len: own.and_then(iframe_len),
            });
            before = Some(*seq);
        }
        Some(VodPlaylist { target_duration_s, segments, is_complete: self.is_complete })
    }

    /// The multivariant playlist of those renditions something is stored of.
    pub(super) fn multivariant(&self, renditions: &[Rendition], language: &str) -> Multivariant {
        let mut rates: BTreeMap<&str, Bandwidth> = BTreeMap::new();
        let mut iframe_rates: BTreeMap<&str, u64> = BTreeMap::new();
        let mut independent = true;
        for segment in self.steps.values().flat_map(BTreeMap::values) {
            let bytes = u64::try_from(segment.byte_size).unwrap_or(0);
            rates.entry(&segment.rendition).or_default().push(bytes, seconds(segment.duration_us));
            independent &= segment.is_independent;
            if let Some(length) = iframe_len(segment) {
                let rate = iframe_rates.entry(&segment.rendition).or_default();
                *rate = (*rate).max(iframe_bps(length, seconds(segment.duration_us)));
            }
        }
        let mut playlist = Multivariant { independent_segments: independent, ..Multivariant::default() };
        for rendition in renditions {
            let Some(rate) = rates.get(rendition.name.as_str()) else { continue };
            let uri = format!("{}/{}", rendition.name, uri::PLAYLIST);
            match rendition.kind {
                RenditionKind::Audio => playlist.audio = Some(audio(rendition, rate, uri, language)),
                RenditionKind::Video => {
                    let iframes = iframe_rates
                        .get(rendition.name.as_str())
                        .map(|peak| IFrames { uri: format!("{}/{}", rendition.name, uri::IFRAMES), bandwidth: *peak });
                    playlist.variants.push(Variant { iframes, ..video(rendition, rate, uri) });
                }
            }
        }
        playlist
    }
}

fn audio(rendition: &Rendition, rate: &Bandwidth, uri: String, language: &str) -> AudioRendition {
    AudioRendition {
        uri,
        name: "Audio".to_owned(),
        language: language.to_owned(),
        codecs: rendition.codecs.clone(),
        channels: rendition.channels.and_then(|channels| u8::try_from(channels).ok()).unwrap_or(2),
        bandwidth: rate.peak(),
        average_bandwidth: rate.average(),
    }
}

fn video(rendition: &Rendition, rate: &Bandwidth, uri: String) -> Variant {
    let side = |value: Option<i32>| value.and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
    Variant {
        uri,
        name: rendition.name.clone(),
        codecs: rendition.codecs.clone(),
        bandwidth: rate.peak(),
        average_bandwidth: rate.average(),
        resolution: (side(rendition.width), side(rendition.height)),
        frame_rate: rendition.frame_rate_mhz.map(|rate| rate as f64 / 1_000.0),
        iframes: None,
    }
}

fn seconds(duration_us: i64) -> f64 {
    duration_us as f64 / 1e6
}

fn iframe_len(segment: &Segment) -> Option<u64> {
    u64::try_from(segment.iframe_bytes?).ok()
}

pub(super) fn init_of(segment: &Segment) -> Option<u32> {
    match uri::parse(segment.init_key.rsplit('/').next()?) {
        Some(MediaFile::Init(number)) => Some(number),
        _ => None,
    }
}

/// Puts absolute addresses in the place of a rendered playlist's file names. `link` is asked once per name.
pub(super) fn with_links(playlist: &str, mut link: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(playlist.len() * 4);
    for line in playlist.lines() {
        match line.strip_prefix("#EXT-X-MAP:URI=\"") {
            Some(rest) => {
                let (name, end) = rest.split_once('"').unwrap_or((rest, ""));
                let address = link(bare(name)).unwrap_or_else(|| name.to_owned());
                out.push_str("#EXT-X-MAP:URI=\"");
                out.push_str(&address);
                out.push('"');
                out.push_str(end);
            }
            None if line.starts_with('#') || line.is_empty() => out.push_str(line),
            None => out.push_str(&link(bare(line)).unwrap_or_else(|| line.to_owned())),
        }
        out.push('\n');
    }
    out
}

/// Without the query that was handed down, and without the folder of a clip's recording.
fn bare(name: &str) -> &str {
    let path = name.split('?').next().unwrap_or(name);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::playlist::parse_media;

    fn segment(rendition: &str, seq: i64) -> Segment {
        Segment {
            rendition: rendition.to_owned(),
            seq,
            is_discontinuity: false,
            is_independent: true,
            init_key: format!("vod/x/{rendition}/init0.mp4"),
            object_key: format!("vod/x/{rendition}/seg{seq}.m4s"),
            byte_size: 500_000,
            duration_us: 2_000_000,
            program_at: kit::clock::now(),
            starts_at_us: Some(seq * 2_000_000),
            iframe_bytes: (rendition != "audio").then_some(9_000),
        }
    }

    fn both(seqs: impl IntoIterator<Item = i64>) -> Vec<Segment> {
        seqs.into_iter().flat_map(|seq| [segment("source", seq), segment("audio", seq)]).collect()
    }

    fn text(reel: &Reel, name: &str) -> media::playlist::ParsedMedia {
        parse_media(&reel.rendition(name, 2).expect("there").render("")).expect("parses")
    }

    #[test]
    fn what_one_rendition_lacks_is_a_gap_there_and_only_there() {
        let mut rows = both(0..5);
        rows.push(segment("480p", 3));
        let reel = Reel::new(rows, true);
        let low = text(&reel, "480p");
        assert_eq!(
            low.segments.iter().map(|segment| segment.is_gap).collect::<Vec<_>>(),
            [true, true, true, false, true]
        );
        assert!(text(&reel, "source").segments.iter().all(|segment| !segment.is_gap));
        assert!(low.is_ended);
        assert!(reel.rendition("1080p", 2).is_none());
    }

    #[test]
    fn time_nobody_recorded_is_a_discontinuity_in_every_rendition() {
        let mut rows = both([0, 1, 5, 6]);
        rows.retain(|segment| !(segment.rendition == "audio" && segment.seq == 5));
        rows.iter_mut()
            .filter(|row| row.rendition == "source" && row.seq == 6)
            .for_each(|row| row.is_discontinuity = true);
        let reel = Reel::new(rows, true);
        for name in ["source", "audio"] {
            let breaks: Vec<bool> = text(&reel, name).segments.iter().map(|one| one.is_discontinuity).collect();
            assert_eq!(breaks, [false, false, true, true], "{name}");
        }
    }

    #[test]
    fn a_running_recording_shows_what_every_rendition_has() {
        let mut rows = both(0..5);
        rows.push(segment("source", 5));
        let reel = Reel::new(rows.clone(), false);
        assert_eq!(text(&reel, "source").segments.len(), 5);
        assert_eq!(text(&reel, "source").playlist_type.as_deref(), Some("EVENT"));
        assert_eq!(text(&Reel::new(rows, true), "source").segments.len(), 6);
    }

    #[test]
    fn a_rendition_that_was_given_up_does_not_hold_the_others_back() {
        let mut rows = both(0..100);
        rows.push(segment("480p", 3));
        assert_eq!(text(&Reel::new(rows, false), "source").segments.len(), 100);
    }

    fn rendition(name: &str) -> Rendition {
        Rendition {
            name: name.to_owned(),
            kind: if name == "audio" { RenditionKind::Audio } else { RenditionKind::Video },
            codecs: "avc1.64001f".to_owned(),
            width: Some(640),
            height: Some(360),
            frame_rate_mhz: None,
            channels: None,
            sample_rate: None,
        }
    }

    fn cut(reel: &Reel, start_ms: i64, end_ms: i64) -> (Vec<u64>, f64, bool) {
        let renditions = [rendition("audio"), rendition("source"), rendition("480p")];
        let (part, into_s) = reel.cut(&renditions, Span { start_ms, end_ms });
        let shown = if part.is_empty() { Vec::new() } else { text(&part, "source").segments };
        (shown.iter().map(|segment| segment.msn).collect(), into_s, part.is_complete)
    }

    #[test]
    fn a_clip_is_the_segments_it_overlaps_and_no_others() {
        let reel = Reel::new(both(0..10), true);
        assert_eq!(cut(&reel, 5_000, 11_000), (vec![2, 3, 4, 5], 1.0, true));
        assert_eq!(cut(&reel, 4_000, 10_000), (vec![2, 3, 4], 0.0, true), "borders on segments take no neighbour");
        assert_eq!(cut(&reel, 0, 5_000), (vec![0, 1, 2], 0.0, true));
        assert_eq!(cut(&reel, 15_999, 60_000), (vec![7, 8, 9], 1.999, true), "over the end");
        assert_eq!(cut(&reel, 20_000, 26_000).0, Vec::<u64>::new());
    }

    #[test]
    fn a_clip_of_a_running_recording_grows_until_it_is_whole() {
        let reel = Reel::new(both(0..5), false);
        assert_eq!(cut(&reel, 5_000, 12_000), (vec![2, 3, 4], 1.0, false));
        assert_eq!(cut(&reel, 3_000, 10_000), (vec![1, 2, 3, 4], 1.0, true), "all of it is stored");
        let more = Reel::new(both(0..6), false);
        assert_eq!(cut(&more, 5_000, 12_000), (vec![2, 3, 4, 5], 1.0, true));
    }

    #[test]
    fn a_clip_keeps_breaks_within_it_and_begins_without_one() {
        let mut rows = both([0, 1, 2, 6, 7, 8]);
        rows.iter_mut().filter(|row| row.seq == 8).for_each(|row| {
            row.is_discontinuity = true;
            row.init_key = row.init_key.replace("init0", "init1");
        });
        rows.push(segment("480p", 1));
        let reel = Reel::new(rows, true);
        let renditions = [rendition("source"), rendition("audio"), rendition("480p")];
        // Three segments of two seconds, then time that nobody recorded, which takes none.
        let (part, into_s) = reel.cut(&renditions, Span { start_ms: 6_500, end_ms: 11_500 });
        assert_eq!(into_s, 0.5);
        for name in ["source", "audio"] {
            let shown = text(&part, name).segments;
            let told: Vec<_> = shown.iter().map(|one| (one.msn, one.is_discontinuity, one.map.clone())).collect();
            let map = |number: u32| Some(format!("init{number}.mp4"));
            assert_eq!(told, [(6, false, map(0)), (7, false, map(0)), (8, true, map(1))], "{name}");
        }
        assert!(part.rendition("480p", 2).is_none(), "what it has nothing of is not offered");
        let listed = part.multivariant(&renditions, "und").render("");
        assert!(listed.contains("source/") && !listed.contains("480p/"), "{listed}");
        let (early, _) = reel.cut(&renditions, Span { start_ms: 3_000, end_ms: 8_500 });
        let shown = text(&early, "source").segments;
        let breaks: Vec<_> = shown.iter().map(|one| (one.uri.as_str(), one.is_discontinuity)).collect();
        assert_eq!(breaks, [("seg1.m4s", false), ("seg2.m4s", false), ("seg6.m4s", true), ("seg7.m4s", false)]);
    }

    #[test]
    fn links_take_the_place_of_names() {
        let playlist = "#EXTM3U\n#EXT-X-MAP:URI=\"init0.mp4?a=1\"\n#EXTINF:2.0,\nseg0.m4s?a=1\n";
        let linked = with_links(playlist, |name| Some(format!("https://cdn.example/{name}")));
        assert_eq!(
            linked,
            "#EXTM3U\n#EXT-X-MAP:URI=\"https://cdn.example/init0.mp4\"\n#EXTINF:2.0,\nhttps://cdn.example/seg0.m4s\n"
        );
    }

    #[test]
    fn a_rendition_name_is_a_plain_word() {
        assert!(is_rendition_name("480p") && is_rendition_name("source"));
        for bad in ["", "..", "A", "a/b", "a%2f", "x".repeat(40).as_str()] {
            assert!(!is_rendition_name(bad), "{bad:?}");
        }
    }
}
