//! The playlist of a recording, finished or growing.

use std::fmt::Write;

use super::{VERSION, child_query, put_date_time, put_iframe, uri};

/// One stored segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VodSegment {
    pub msn: u64,
    pub duration_s: f64,
    /// Number of its init segment.
    pub init: u32,
    pub is_discontinuity: bool,
    /// Wall-clock time of its first sample, Unix milliseconds.
    pub program_date_time_ms: Option<i64>,
    /// The segment was lost.
    pub is_gap: bool,
    /// See [`crate::segmenter::SegmentEnd::iframe_len`].
    pub iframe_len: Option<u64>,
}

/// A rendition of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct VodPlaylist {
    pub target_duration_s: u32,
    pub segments: Vec<VodSegment>,
    /// Finished: `VOD` and `ENDLIST`. Otherwise `EVENT`.
    pub is_complete: bool,
}

/// A playlist that is a part of a longer recording: its files are the recording's, and playing begins within the first segment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Excerpt<'a> {
    /// What stands before the names of files, with its slash.
    pub folder: &'a str,
    /// From the first segment's beginning to where playing begins (RFC 8216 4.3.5.2).
    pub starts_at_s: Option<f64>,
}

impl VodPlaylist {
    /// The playlist; `query` as in [`super::MediaPlaylist::render_with_query`].
    pub fn render(&self, query: &str) -> String {
        self.render_excerpt(query, Excerpt::default())
    }

    /// The same, as a part of a longer one.
    pub fn render_excerpt(&self, query: &str, excerpt: Excerpt<'_>) -> String {
        let query = child_query(query);
        let mut out = self.head("");
        put_offset(&mut out, excerpt);
        let mut init = None;
        for segment in &self.segments {
            put_start(&mut out, segment, &mut init, (excerpt.folder, &query));
            if segment.is_gap {
                out.push_str("#EXT-X-GAP\n");
            }
            let _ = writeln!(
                out,
                "#EXTINF:{:.5},\n{}{}{query}",
                segment.duration_s,
                excerpt.folder,
                uri::segment(segment.msn)
            );
        }
        if self.is_complete {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    /// Only the key frames, as byte ranges of the segments (RFC 8216 4.3.3.6). `None` when none is known.
    pub fn render_iframes(&self, query: &str) -> Option<String> {
        self.render_excerpt_iframes(query, Excerpt::default())
    }

    /// The same, as a part of a longer one.
    pub fn render_excerpt_iframes(&self, query: &str, excerpt: Excerpt<'_>) -> Option<String> {
        self.segments.iter().find_map(|segment| segment.iframe_len)?;
        let query = child_query(query);
        let mut out = self.head("#EXT-X-I-FRAMES-ONLY\n");
        let mut init = None;
        for segment in &self.segments {
            put_start(&mut out, segment, &mut init, (excerpt.folder, &query));
            put_iframe(&mut out, segment.duration_s, segment.iframe_len.filter(|_| !segment.is_gap));
            let _ = writeln!(out, "{}{}{query}", excerpt.folder, uri::segment(segment.msn));
        }
        if self.is_complete {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        Some(out)
    }

    /// What stands before the segments; `more` comes last.
    fn head(&self, more: &str) -> String {
        let kind = if self.is_complete { "VOD" } else { "EVENT" };
        let first = self.segments.first().map_or(0, |segment| segment.msn);
        // Never below a segment that was stored, whatever the row says.
        let longest = self.segments.iter().map(|segment| segment.duration_s.round() as u32).max().unwrap_or(0);
        let target = self.target_duration_s.max(longest).max(1);
        let mut out = String::with_capacity(self.segments.len() * 96 + 256);
        let _ = write!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:{kind}\n\
             #EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n{more}"
        );
        out
    }
}

fn put_offset(out: &mut String, excerpt: Excerpt<'_>) {
    if let Some(offset) = excerpt.starts_at_s {
        let _ = writeln!(out, "#EXT-X-START:TIME-OFFSET={offset:.3},PRECISE=YES");
    }
}

/// What stands before a segment. `address`: folder and query of the init segment.
fn put_start(out: &mut String, segment: &VodSegment, init: &mut Option<u32>, address: (&str, &str)) {
    if segment.is_discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if *init != Some(segment.init) {
        *init = Some(segment.init);
        let (folder, query) = address;
        let _ = writeln!(out, "#EXT-X-MAP:URI=\"{folder}{}{query}\"", uri::init(segment.init));
    }
    if let Some(at) = segment.program_date_time_ms {
        put_date_time(out, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playlist::parse_media;

    fn segment(msn: u64) -> VodSegment {
        VodSegment {
            msn,
            duration_s: 2.0,
            init: u32::from(msn > 4),
            is_discontinuity: msn == 5,
            program_date_time_ms: Some(1_000 * msn as i64),
            is_gap: msn == 6,
            iframe_len: (msn != 4).then_some(900 + msn),
        }
    }

    #[test]
    fn a_recording_grows_as_an_event_and_ends_as_vod() {
        let mut playlist =
            VodPlaylist { target_duration_s: 2, segments: (3..8).map(segment).collect(), is_complete: false };
        let growing = parse_media(&playlist.render("")).expect("parses");
        assert_eq!((growing.playlist_type.as_deref(), growing.is_ended), (Some("EVENT"), false));
        playlist.is_complete = true;
        let text = playlist.render("");
        let done = parse_media(&text).expect("parses");
        assert_eq!((done.playlist_type.as_deref(), done.is_ended), (Some("VOD"), true));
        assert_eq!(done.segments.iter().map(|segment| segment.msn).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
        assert_eq!(done.segments.iter().filter(|segment| segment.is_discontinuity).count(), 1);
        assert!(done.segments[3].is_gap);
        assert_eq!(text.matches("#EXT-X-MAP").count(), 2, "the map is repeated where it changes");
        assert_eq!(done.segments[4].map.as_deref(), Some("init1.mp4"));
    }

    #[test]
    fn a_part_of_a_recording_plays_its_files_from_within_the_first_segment() {
        let playlist = VodPlaylist { target_duration_s: 2, segments: (4..7).map(segment).collect(), is_complete: true };
        let excerpt = Excerpt { folder: "/vod/x/source/", starts_at_s: Some(1.25) };
        let text = playlist.render_excerpt("token=a.b&_HLS_msn=1", excerpt);
        assert!(text.contains("#EXT-X-START:TIME-OFFSET=1.250,PRECISE=YES\n"), "{text}");
        let parsed = parse_media(&text).expect("parses");
        let uris: Vec<_> = parsed.segments.iter().map(|segment| segment.uri.as_str()).collect();
        assert_eq!(uris[..2], ["/vod/x/source/seg4.m4s?token=a.b", "/vod/x/source/seg5.m4s?token=a.b"]);
        assert_eq!(parsed.segments[0].map.as_deref(), Some("/vod/x/source/init0.mp4?token=a.b"));
        let iframes = playlist.render_excerpt_iframes("", excerpt).expect("some are known");
        assert!(iframes.contains("\n/vod/x/source/seg5.m4s\n") && !iframes.contains("EXT-X-START"), "{iframes}");
    }

    #[test]
    fn the_target_covers_the_longest_segment() {
        let segments = vec![VodSegment { duration_s: 3.7, ..segment(0) }];
        let text = VodPlaylist { target_duration_s: 2, segments, is_complete: true }.render("");
        assert_eq!(parse_media(&text).expect("parses").target_duration_s, 4);
    }

    #[test]
    fn key_frames_keep_the_numbers_of_their_segments() {
        let mut playlist =
            VodPlaylist { target_duration_s: 2, segments: (3..8).map(segment).collect(), is_complete: true };
        let media = parse_media(&playlist.render_iframes("a=1").expect("some are known")).expect("parses");
        assert!(media.is_iframes_only && media.is_ended);
        let ranges: Vec<_> = media.segments.iter().map(|line| (line.msn, line.byte_range, line.is_gap)).collect();
        let range = |length| Some((length, Some(0)));
        assert_eq!(
            ranges,
            [(3, range(903), false), (4, None, true), (5, range(905), false), (6, None, true), (7, range(907), false)],
            "a segment without a known key frame is a gap: the numbers behind it stay"
        );
        playlist.segments.iter_mut().for_each(|segment| segment.iframe_len = None);
        assert_eq!(playlist.render_iframes(""), None);
    }
}
