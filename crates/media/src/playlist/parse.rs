//! A tolerant playlist reader, for our own viewers and tests. Unknown tags are skipped, malformed numbers count as absent;
//! only a text that is no playlist of the asked kind is an error.

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the text does not begin with #EXTM3U")]
    NotPlaylist,

    #[error("a multivariant playlist where a media playlist was expected")]
    Multivariant,

    #[error("a media playlist where a multivariant playlist was expected")]
    Media,
}

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedMedia {
    pub version: Option<u32>,
    pub target_duration_s: u32,
    pub media_sequence: u64,
    pub discontinuity_sequence: Option<u64>,
    pub playlist_type: Option<String>,
    pub part_target_s: Option<f64>,
    pub server_control: ParsedServerControl,
    /// `SKIPPED-SEGMENTS` of a delta update; [`Self::segments`] begins behind them.
    pub skipped_segments: u64,
    pub segments: Vec<ParsedSegment>,
    /// Parts of the segment that is not finished.
    pub open_parts: Vec<ParsedPart>,
    /// `EXT-X-PROGRAM-DATE-TIME` and `EXT-X-DISCONTINUITY` of that segment.
    pub open_program_date_time: Option<String>,
    pub is_open_discontinuity: bool,
    /// URI of the init segment that holds for it.
    pub open_map: Option<String>,
    /// URI of the hinted part.
    pub preload_hint: Option<String>,
    pub rendition_reports: Vec<ParsedReport>,
    pub is_iframes_only: bool,
    pub is_ended: bool,
}

/// `EXT-X-SERVER-CONTROL`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ParsedServerControl {
    pub can_block_reload: bool,
    pub can_skip_until_s: Option<f64>,
    pub hold_back_s: Option<f64>,
    pub part_hold_back_s: Option<f64>,
}

/// A segment with the tags that apply to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedSegment {
    pub msn: u64,
    pub uri: String,
    pub duration_s: f64,
    pub program_date_time: Option<String>,
    pub is_discontinuity: bool,
    pub is_gap: bool,
    /// URI of the init segment that holds here.
    pub map: Option<String>,
    /// Length and offset.
    pub byte_range: Option<(u64, Option<u64>)>,
    pub parts: Vec<ParsedPart>,
}

/// `EXT-X-PART`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedPart {
    pub uri: String,
    pub duration_s: f64,
    pub is_independent: bool,
    pub is_gap: bool,
}

/// `EXT-X-RENDITION-REPORT`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedReport {
    pub uri: String,
    pub last_msn: Option<u64>,
    pub last_part: Option<u64>,
}

/// A multivariant playlist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedMultivariant {
    pub version: Option<u32>,
    pub independent_segments: bool,
    pub variants: Vec<ParsedVariant>,
    pub renditions: Vec<ParsedRendition>,
    /// `EXT-X-I-FRAME-STREAM-INF`.
    pub iframes: Vec<ParsedVariant>,
}

/// `EXT-X-STREAM-INF`, or its I-frame form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedVariant {
    pub uri: String,
    pub bandwidth: u64,
    pub average_bandwidth: Option<u64>,
    pub codecs: Option<String>,
    pub resolution: Option<(u32, u32)>,
    pub frame_rate: Option<f64>,
    pub audio: Option<String>,
    pub name: Option<String>,
}

/// `EXT-X-MEDIA`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedRendition {
    pub kind: String,
    pub group_id: String,
    pub name: String,
    pub uri: Option<String>,
    pub is_default: bool,
}

/// An RFC 3339 time in Unix milliseconds.
pub fn parse_date_time(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

/// Reads a media playlist.
pub fn parse_media(text: &str) -> Result<ParsedMedia, ParseError> {
    let mut media = ParsedMedia::default();
    let mut next = ParsedSegment::default();
    let mut map = None;
    for line in lines(text)? {
        let Some((tag, value)) = line.split_once(':').or(Some((line, ""))).filter(|_| line.starts_with('#')) else {
            let index = media.segments.len() as u64;
            let msn = media.media_sequence.saturating_add(media.skipped_segments).saturating_add(index);
            media.segments.push(ParsedSegment {
                msn,
                uri: line.to_owned(),
                map: map.clone(),
                ..std::mem::take(&mut next)
            });
            continue;
        };
        match tag {
            "#EXT-X-STREAM-INF" | "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" => return Err(ParseError::Multivariant),
            "#EXTINF" => next.duration_s = number(value.split(',').next()).unwrap_or_default(),
            "#EXT-X-PROGRAM-DATE-TIME" => next.program_date_time = Some(value.to_owned()),
            "#EXT-X-DISCONTINUITY" => next.is_discontinuity = true,
            "#EXT-X-GAP" => next.is_gap = true,
            "#EXT-X-BYTERANGE" => next.byte_range = byte_range(value),
            "#EXT-X-PART" => next.parts.push(part(value)),
            "#EXT-X-MAP" => map = Attributes(value).text("URI"),
            _ => apply_header(&mut media, tag, value),
        }
    }
    media.open_parts = next.parts;
    media.open_program_date_time = next.program_date_time;
    media.is_open_discontinuity = next.is_discontinuity;
    media.open_map = map;
    Ok(media)
}

/// Applies a tag that stands for the playlist as a whole.
fn apply_header(media: &mut ParsedMedia, tag: &str, value: &str) {
    let attributes = Attributes(value);
    match tag {
        "#EXT-X-VERSION" => media.version = value.parse().ok(),
        "#EXT-X-TARGETDURATION" => media.target_duration_s = value.parse().unwrap_or_default(),
        "#EXT-X-MEDIA-SEQUENCE" => media.media_sequence = value.parse().unwrap_or_default(),
        "#EXT-X-DISCONTINUITY-SEQUENCE" => media.discontinuity_sequence = value.parse().ok(),
        "#EXT-X-PLAYLIST-TYPE" => media.playlist_type = Some(value.to_owned()),
        "#EXT-X-PART-INF" => media.part_target_s = attributes.number("PART-TARGET"),
        "#EXT-X-SERVER-CONTROL" => {
            media.server_control = ParsedServerControl {
                can_block_reload: attributes.is_yes("CAN-BLOCK-RELOAD"),
                can_skip_until_s: attributes.number("CAN-SKIP-UNTIL"),
                hold_back_s: attributes.number("HOLD-BACK"),
                part_hold_back_s: attributes.number("PART-HOLD-BACK"),
            };
        }
        "#EXT-X-SKIP" => media.skipped_segments = attributes.integer("SKIPPED-SEGMENTS").unwrap_or_default(),
        "#EXT-X-PRELOAD-HINT" if attributes.get("TYPE") == Some("PART") => media.preload_hint = attributes.text("URI"),
        "#EXT-X-RENDITION-REPORT" => media.rendition_reports.push(ParsedReport {
            uri: attributes.text("URI").unwrap_or_default(),
            last_msn: attributes.integer("LAST-MSN"),
            last_part: attributes.integer("LAST-PART"),
        }),
        "#EXT-X-I-FRAMES-ONLY" => media.is_iframes_only = true,
        "#EXT-X-ENDLIST" => media.is_ended = true,
        _ => {}
    }
}

fn part(value: &str) -> ParsedPart {
    let attributes = Attributes(value);
    ParsedPart {
        uri: attributes.text("URI").unwrap_or_default(),
        duration_s: attributes.number("DURATION").unwrap_or_default(),
        is_independent: attributes.is_yes("INDEPENDENT"),
        is_gap: attributes.is_yes("GAP"),
    }
}

/// Reads a multivariant playlist.
pub fn parse_multivariant(text: &str) -> Result<ParsedMultivariant, ParseError> {
    let mut playlist = ParsedMultivariant::default();
    let mut pending: Option<ParsedVariant> = None;
    for line in lines(text)? {
        if !line.starts_with('#') {
            if let Some(variant) = pending.take() {
                playlist.variants.push(ParsedVariant { uri: line.to_owned(), ..variant });
            }
            continue;
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        let attributes = Attributes(value);
        match tag {
            "#EXTINF" | "#EXT-X-TARGETDURATION" | "#EXT-X-PART" => return Err(ParseError::Media),
            "#EXT-X-VERSION" => playlist.version = value.parse().ok(),
            "#EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent_segments = true,
            "#EXT-X-STREAM-INF" => pending = Some(variant(&attributes)),
            "#EXT-X-I-FRAME-STREAM-INF" => {
                let uri = attributes.text("URI").unwrap_or_default();
                playlist.iframes.push(ParsedVariant { uri, ..variant(&attributes) });
            }
            "#EXT-X-MEDIA" => playlist.renditions.push(ParsedRendition {
                kind: attributes.text("TYPE").unwrap_or_default(),
                group_id: attributes.text("GROUP-ID").unwrap_or_default(),
                name: attributes.text("NAME").unwrap_or_default(),
                uri: attributes.text("URI"),
                is_default: attributes.is_yes("DEFAULT"),
            }),
            _ => {}
        }
    }
    Ok(playlist)
}

fn variant(attributes: &Attributes<'_>) -> ParsedVariant {
    let resolution = attributes.get("RESOLUTION").and_then(|size| size.split_once('x'));
    ParsedVariant {
        uri: String::new(),
        bandwidth: attributes.integer("BANDWIDTH").unwrap_or_default(),
        average_bandwidth: attributes.integer("AVERAGE-BANDWIDTH"),
        codecs: attributes.text("CODECS"),
        resolution: resolution.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?))),
        frame_rate: attributes.number("FRAME-RATE"),
        audio: attributes.text("AUDIO"),
        name: attributes.text("NAME"),
    }
}

/// The lines that say something, the first one checked.
fn lines(text: &str) -> Result<impl Iterator<Item = &str>, ParseError> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next() != Some("#EXTM3U") {
        return Err(ParseError::NotPlaylist);
    }
    Ok(lines.filter(|line| !line.starts_with('#') || line.starts_with("#EXT")))
}

fn number(text: Option<&str>) -> Option<f64> {
    text?.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn byte_range(value: &str) -> Option<(u64, Option<u64>)> {
    match value.split_once('@') {
        Some((length, offset)) => Some((length.parse().ok()?, Some(offset.parse().ok()?))),
        None => Some((value.parse().ok()?, None)),
    }
}

/// An attribute list (RFC 8216 4.2), searched when asked.
#[derive(Clone, Copy)]
struct Attributes<'a>(&'a str);

impl<'a> Attributes<'a> {
    /// The value of `name`, without quotes.
    fn get(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        loop {
            let (key, tail) = rest.split_once('=')?;
            let (value, tail) = match tail.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
            };
            if key.trim() == name {
                return Some(value);
            }
            rest = tail.trim_start().strip_prefix(',')?;
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<f64> {
        number(self.get(name))
    }

    fn integer(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    fn is_yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_may_hold_commas_and_equals_signs_in_quotes() {
        let attributes = Attributes("URI=\"a,b=c\",LAST-MSN=4, LAST-PART=2");
        assert_eq!(attributes.get("URI"), Some("a,b=c"));
        assert_eq!((attributes.integer("LAST-MSN"), attributes.integer("LAST-PART")), (Some(4), Some(2)));
        assert_eq!(attributes.get("b"), None);
        assert_eq!(Attributes("A=\"open").get("A"), None);
    }

    #[test]
    fn the_kinds_of_playlist_are_told_apart() {
        assert_eq!(parse_media("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx"), Err(ParseError::Multivariant));
        assert_eq!(parse_multivariant("#EXTM3U\n#EXTINF:1,\nx").map(|_| ()), Err(ParseError::Media));
        assert_eq!(parse_media("").map(|_| ()), Err(ParseError::NotPlaylist));
    }

    #[test]
    fn strange_numbers_count_as_absent() {
        let text = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:NaN,\na\n#EXTINF:inf,\nb\n";
        let media = parse_media(text).expect("parses");
        assert_eq!(media.segments.iter().map(|segment| segment.duration_s).collect::<Vec<_>>(), [0.0, 0.0]);
        assert_eq!(media.segments[1].msn, u64::MAX);
    }
}
