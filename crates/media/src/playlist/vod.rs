//! The playlist of a recording, finished or growing.

use std::fmt::Write;

use super::{VERSION, child_query, put_date_time, put_map, uri};

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
}

/// A rendition of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct VodPlaylist {
    pub target_duration_s: u32,
    pub segments: Vec<VodSegment>,
    /// Finished: `VOD` and `ENDLIST`. Otherwise `EVENT`.
    pub is_complete: bool,
}

impl VodPlaylist {
    /// The playlist; `query` as in [`super::MediaPlaylist::render_with_query`].
    pub fn render(&self, query: &str) -> String {
        let query = child_query(query);
        let kind = if self.is_complete { "VOD" } else { "EVENT" };
        let first = self.segments.first().map_or(0, |segment| segment.msn);
        // Never below a segment that was stored, whatever the row says.
        let longest = self.segments.iter().map(|segment| segment.duration_s.round() as u32).max().unwrap_or(0);
        let target = self.target_duration_s.max(longest).max(1);
        let mut out = String::with_capacity(self.segments.len() * 96 + 256);
        let _ = write!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:{kind}\n\
             #EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
        );
        let mut init = None;
        for segment in &self.segments {
            if segment.is_discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if init != Some(segment.init) {
                init = Some(segment.init);
                put_map(&mut out, segment.init, &query);
            }
            if let Some(at) = segment.program_date_time_ms {
                put_date_time(&mut out, at);
            }
            if segment.is_gap {
                out.push_str("#EXT-X-GAP\n");
            }
            let _ = writeln!(out, "#EXTINF:{:.5},\n{}{query}", segment.duration_s, uri::segment(segment.msn));
        }
        if self.is_complete {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
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
    fn the_target_covers_the_longest_segment() {
        let segments = vec![VodSegment { duration_s: 3.7, ..segment(0) }];
        let text = VodPlaylist { target_duration_s: 2, segments, is_complete: true }.render("");
        assert_eq!(parse_media(&text).expect("parses").target_duration_s, 4);
    }
}
