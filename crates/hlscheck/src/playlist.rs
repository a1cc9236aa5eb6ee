//! A tolerant, line-level reader of playlists. Keeps every raw line with its number; nothing is an error, faults are for
//! the rules to find.

/// One line as it was sent, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub text: String,
}

impl Line {
    /// `#EXT…` up to the colon; `None` for comments, addresses and empty lines.
    pub fn tag(&self) -> Option<&str> {
        let text = self.text.trim();
        text.starts_with("#EXT").then(|| text.split(':').next().unwrap_or(text))
    }

    /// What follows the tag's colon.
    pub fn value(&self) -> &str {
        self.text.trim().split_once(':').map_or("", |(_, value)| value)
    }

    pub fn attributes(&self) -> Attributes {
        Attributes::parse(self.value())
    }

    pub fn is_uri(&self) -> bool {
        let text = self.text.trim();
        !text.is_empty() && !text.starts_with('#')
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    /// Without quotes.
    pub value: String,
}

/// An attribute list (rfc8216bis 4.2), read as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    pub list: Vec<Attribute>,
    /// What is wrong with its syntax.
    pub fault: Option<&'static str>,
}

impl Attributes {
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let Some((name, tail)) = rest.split_once('=') else {
                read.fault = Some("a name without a value");
                return read;
            };
            let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(is_name) {
                read.fault = Some("a name with characters outside A-Z, 0-9 and -");
            }
            let (value, tail) = match tail.strip_prefix('"') {
                Some(quoted) => match quoted.split_once('"') {
                    Some(split) => split,
                    None => {
                        read.fault = Some("a quote that is not closed");
                        return read;
                    }
                },
                None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
            };
            read.list.push(Attribute { name: name.trim().to_owned(), value: value.to_owned() });
            if tail.is_empty() {
                break;
            }
            match tail.strip_prefix(',') {
                Some("") => {
                    read.fault = Some("a comma at the end");
                    return read;
                }
                Some(next) => rest = next,
                None => {
                    read.fault = Some("text behind a quoted value");
                    return read;
                }
            }
        }
        read
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        number(self.get(name)?)
    }

    pub fn integer(&self, name: &str) -> Option<u64> {
        integer(self.get(name)?)
    }

    pub fn is_yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }
}

/// A decimal floating-point number that is finite and not negative.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// A decimal integer: digits only (rfc8216bis 4.2).
pub fn integer(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

/// An ISO 8601 date in Unix milliseconds.
pub fn date_ms(text: &str) -> Option<i64> {
    let read = chrono::DateTime::parse_from_rfc3339(text.trim());
    // Players also take a zone without its colon.
    let read = read.or_else(|_| chrono::DateTime::parse_from_str(text.trim(), "%Y-%m-%dT%H:%M:%S%.f%z"));
    read.ok().map(|at| at.timestamp_millis())
}

/// `EXT-X-PART`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    pub line: usize,
    pub uri: String,
    pub duration_s: Option<f64>,
    pub is_independent: bool,
    pub is_gap: bool,
    pub byte_range: Option<String>,
}

impl Part {
    /// Whether both lines say the same; where they stand does not matter.
    pub fn says_same(&self, other: &Self) -> bool {
        Self { line: 0, ..self.clone() } == Self { line: 0, ..other.clone() }
    }
}

/// A segment with the tags that apply to it, or what is known of the one not finished.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Segment {
    pub msn: u64,
    /// Of its address.
    pub line: usize,
    pub uri: String,
    /// `EXTINF`, line and text; the duration if it can be read.
    pub extinf: Option<(usize, String)>,
    pub duration_s: Option<f64>,
    /// `EXT-X-PROGRAM-DATE-TIME`, line and text.
    pub date: Option<(usize, String)>,
    pub is_discontinuity: bool,
    pub is_gap: bool,
    /// The value of the `EXT-X-MAP` that holds here.
    pub map: Option<String>,
    pub byte_range: Option<String>,
    pub parts: Vec<Part>,
}

impl Segment {
    pub fn date_ms(&self) -> Option<i64> {
        date_ms(&self.date.as_ref()?.1)
    }

    pub fn map_uri(&self) -> Option<String> {
        Attributes::parse(self.map.as_deref()?).text("URI")
    }

    /// The first difference to a later listing of the same segment. Parts may go.
    pub fn difference(&self, later: &Self) -> Option<&'static str> {
        let text = |pair: &Option<(usize, String)>| pair.as_ref().map(|(_, text)| text.clone());
        if self.uri != later.uri {
            Some("its address")
        } else if text(&self.extinf) != text(&later.extinf) {
            Some("its EXTINF")
        } else if text(&self.date) != text(&later.date) {
            Some("its PROGRAM-DATE-TIME")
        } else if self.is_discontinuity != later.is_discontinuity {
            Some("its DISCONTINUITY")
        } else if self.is_gap != later.is_gap {
            Some("its GAP")
        } else if self.byte_range != later.byte_range {
            Some("its BYTERANGE")
        } else if self.map != later.map {
            Some("its MAP")
        } else {
            None
        }
    }
}

/// `EXT-X-SERVER-CONTROL`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Control {
    pub line: usize,
    pub can_block_reload: bool,
    pub can_skip_until_s: Option<f64>,
    pub hold_back_s: Option<f64>,
    pub part_hold_back_s: Option<f64>,
}

/// `EXT-X-PRELOAD-HINT`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hint {
    pub line: usize,
    pub kind: Option<String>,
    pub uri: Option<String>,
    pub is_range: bool,
}

/// `EXT-X-RENDITION-REPORT`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenditionReport {
    pub line: usize,
    pub uri: Option<String>,
    pub last_msn: Option<u64>,
    pub last_part: Option<u64>,
}

/// `EXT-X-SKIP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skip {
    pub line: usize,
    /// `SKIPPED-SEGMENTS`.
    pub segments: Option<u64>,
}

/// A playlist of either kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Playlist {
    pub url: String,
    pub lines: Vec<Line>,
    pub is_multivariant: bool,
    pub version: Option<u64>,
    pub target_s: Option<u64>,
    pub media_sequence: u64,
    pub discontinuity_sequence: Option<u64>,
    pub playlist_type: Option<String>,
    pub part_target_s: Option<f64>,
    pub control: Option<Control>,
    pub skip: Option<Skip>,
    pub segments: Vec<Segment>,
    /// What is listed behind the last segment's address.
    pub open: Segment,
    pub hints: Vec<Hint>,
    pub reports: Vec<RenditionReport>,
    pub is_iframes_only: bool,
    pub is_independent: bool,
    pub is_ended: bool,
}

impl Playlist {
    pub fn parse(url: &str, text: &str) -> Self {
        // A byte order mark is for the rule of the bytes to find.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let lines = lines.enumerate().map(|(index, text)| Line { number: index + 1, text: text.to_owned() }).collect();
        let mut playlist = Self { url: url.to_owned(), ..Self::default() };
        playlist.read(&lines);
        playlist.lines = lines;
        playlist
    }

    fn read(&mut self, lines: &Vec<Line>) {
        let mut next = Segment::default();
        let mut map = None;
        for line in lines {
            if line.is_uri() {
                let msn = self.next_msn();
                self.segments.push(Segment {
                    msn,
                    line: line.number,
                    uri: line.text.trim().to_owned(),
                    map: map.clone(),
                    ..std::mem::take(&mut next)
                });
                continue;
            }
            let Some(tag) = line.tag() else { continue };
            let value = line.value();
            match tag {
                "#EXTINF" => {
                    next.extinf = Some((line.number, value.to_owned()));
                    next.duration_s = value.split(',').next().and_then(number);
                }
                "#EXT-X-PROGRAM-DATE-TIME" => next.date = Some((line.number, value.to_owned())),
                "#EXT-X-DISCONTINUITY" => next.is_discontinuity = true,
                "#EXT-X-GAP" => next.is_gap = true,
                "#EXT-X-BYTERANGE" => next.byte_range = Some(value.to_owned()),
                "#EXT-X-PART" => next.parts.push(part(line)),
                "#EXT-X-MAP" => map = Some(value.to_owned()),
                _ => self.read_header(tag, line),
            }
        }
        next.msn = self.next_msn();
        next.map = map;
        self.open = next;
        if self.is_multivariant {
            self.segments.clear();
        }
    }

    /// Tags that stand for the playlist as a whole.
    fn read_header(&mut self, tag: &str, line: &Line) {
        let (value, attributes) = (line.value(), line.attributes());
        match tag {
            "#EXT-X-STREAM-INF" | "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" => self.is_multivariant = true,
            "#EXT-X-VERSION" => self.version = integer(value),
            "#EXT-X-TARGETDURATION" => self.target_s = integer(value),
            "#EXT-X-MEDIA-SEQUENCE" => self.media_sequence = integer(value).unwrap_or_default(),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => self.discontinuity_sequence = integer(value),
            "#EXT-X-PLAYLIST-TYPE" => self.playlist_type = Some(value.to_owned()),
            "#EXT-X-PART-INF" => self.part_target_s = attributes.number("PART-TARGET"),
            "#EXT-X-SERVER-CONTROL" => {
                self.control = Some(Control {
                    line: line.number,
                    can_block_reload: attributes.is_yes("CAN-BLOCK-RELOAD"),
                    can_skip_until_s: attributes.number("CAN-SKIP-UNTIL"),
                    hold_back_s: attributes.number("HOLD-BACK"),
                    part_hold_back_s: attributes.number("PART-HOLD-BACK"),
                });
            }
            "#EXT-X-SKIP" => {
                self.skip = Some(Skip { line: line.number, segments: attributes.integer("SKIPPED-SEGMENTS") });
            }
            "#EXT-X-PRELOAD-HINT" => self.hints.push(Hint {
                line: line.number,
                kind: attributes.text("TYPE"),
                uri: attributes.text("URI"),
                is_range: attributes.get("BYTERANGE-START").is_some(),
            }),
            "#EXT-X-RENDITION-REPORT" => self.reports.push(RenditionReport {
                line: line.number,
                uri: attributes.text("URI"),
                last_msn: attributes.integer("LAST-MSN"),
                last_part: attributes.integer("LAST-PART"),
            }),
            "#EXT-X-I-FRAMES-ONLY" => self.is_iframes_only = true,
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.is_independent = true,
            "#EXT-X-ENDLIST" => self.is_ended = true,
            _ => {}
        }
    }

    fn skipped(&self) -> u64 {
        self.skip.and_then(|skip| skip.segments).unwrap_or_default()
    }

    fn next_msn(&self) -> u64 {
        self.media_sequence.saturating_add(self.skipped()).saturating_add(self.segments.len() as u64)
    }

    /// Lines with this tag.
    pub fn with_tag<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.tag() == Some(tag))
    }

    pub fn segment(&self, msn: u64) -> Option<&Segment> {
        let first = self.segments.first()?.msn;
        self.segments.get(usize::try_from(msn.checked_sub(first)?).ok()?)
    }

    /// Seconds of all finished segments that are listed.
    pub fn duration_s(&self) -> f64 {
        self.segments.iter().filter_map(|segment| segment.duration_s).sum()
    }

    /// The parts of a segment, finished or not.
    pub fn parts_of(&self, msn: u64) -> &[Part] {
        if msn == self.open.msn { &self.open.parts } else { self.segment(msn).map_or(&[], |segment| &segment.parts) }
    }

    /// Whether parts are published.
    pub fn is_low_latency(&self) -> bool {
        self.part_target_s.is_some()
            || !self.open.parts.is_empty()
            || self.segments.iter().any(|segment| !segment.parts.is_empty())
    }

    /// Last segment that is begun, and how many of its parts there are; no parts for a finished segment without any.
    pub fn edge(&self) -> (u64, u64) {
        let open = &self.open;
        match self.segments.last() {
            _ if !open.parts.is_empty() => (open.msn, open.parts.len() as u64),
            Some(last) => (last.msn, last.parts.len() as u64),
            None => (open.msn, 0),
        }
    }

    /// The hinted part.
    pub fn part_hint(&self) -> Option<&Hint> {
        self.hints.iter().find(|hint| hint.kind.as_deref() == Some("PART"))
    }
}

fn part(line: &Line) -> Part {
    let attributes = line.attributes();
    Part {
        line: line.number,
        uri: attributes.text("URI").unwrap_or_default(),
        duration_s: attributes.number("DURATION"),
        is_independent: attributes.is_yes("INDEPENDENT"),
        is_gap: attributes.is_yes("GAP"),
        byte_range: attributes.text("BYTERANGE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_and_segments_their_tags() {
        let text = "#EXTM3U\r\n\r\n#EXT-X-MEDIA-SEQUENCE:7\n# a comment\n#EXT-X-MAP:URI=\"i.mp4\"\n\
                    #EXT-X-PART:DURATION=1.0,URI=\"a,b=c\"\n#EXTINF:2.0,title, more\ns7.m4s\n\
                    #EXT-X-PART:DURATION=0.5,URI=\"p\"\n";
        let playlist = Playlist::parse("u", text);
        let segment = &playlist.segments[0];
        assert_eq!((segment.msn, segment.line, segment.duration_s), (7, 8, Some(2.0)));
        assert_eq!((segment.parts[0].uri.as_str(), segment.map_uri().as_deref()), ("a,b=c", Some("i.mp4")));
        assert_eq!((playlist.open.msn, playlist.open.parts.len(), playlist.edge()), (8, 1, (8, 1)));
    }

    #[test]
    fn faults_in_attribute_lists_are_kept() {
        assert_eq!(Attributes::parse("A=1,B=\"x\"").fault, None);
        for text in ["A", "A=\"x", "A=1,", "a=1", "A=\"x\"B=1", " A=1"] {
            assert!(Attributes::parse(text).fault.is_some(), "{text}");
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!((integer("12"), integer("+12"), integer(""), integer("1.0")), (Some(12), None, None, None));
        assert_eq!((number("NaN"), number("-1"), number("1.5")), (None, None, Some(1.5)));
    }
}
