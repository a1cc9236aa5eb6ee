//! The rules: one table of all of them, and what a broken one looks like. The checks are pure and live below, by what they
//! look at. Sections are those of draft-pantos-hls-rfc8216bis; `A` is Apple's HLS authoring specification.

pub mod boxes;
pub mod delta;
pub mod low_latency;
pub mod media;
pub mod multivariant;
pub mod reload;
pub mod set;
pub mod succession;
pub mod syntax;
pub mod transport;

#[cfg(test)]
mod fixtures;

use serde::Serialize;

/// How binding a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The format's own.
    Must,
    /// Apple's players or validator insist.
    Apple,
    Should,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Must, Self::Apple, Self::Should];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Apple => "APPLE",
            Self::Should => "SHOULD",
        }
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable: scripts rely on it.
    pub id: &'static str,
    pub severity: Severity,
    /// What holds when it is kept.
    pub says: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// One place where a rule is broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub rule: &'static Rule,
    /// The playlist.
    pub url: String,
    /// Line in it, if one is to blame.
    pub line: Option<usize>,
    /// What was seen. The same fault seen again says the same.
    pub what: String,
}

/// Where checks put what they find.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    pub fn add(&mut self, rule: &'static Rule, url: &str, line: impl Into<Option<usize>>, what: impl Into<String>) {
        self.0.push(Finding { rule, url: url.to_owned(), line: line.into(), what: what.into() });
    }
}

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $says:literal $source:literal;)*) => {
        $(pub static $name: Rule =
            Rule { id: $id, severity: Severity::$severity, says: $says, source: $source };)*

        /// Every rule there is.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    // Every playlist.
    FIRST_LINE "text.first-line" Must "the first line is #EXTM3U" "4.4.1.1";
    UTF8 "text.utf8" Must "a playlist is UTF-8 without a byte order mark" "4.1";
    ONE_VERSION "text.one-version" Must "at most one EXT-X-VERSION, a decimal integer" "4.4.1.2";
    VERSION "text.version" Must "EXT-X-VERSION is high enough for the tags used" "8";
    SINGLE_TAG "text.single-tag" Must "tags that describe the whole playlist appear once" "4.4.3";
    MIXED_KINDS "text.mixed-kinds" Must "tags of media and multivariant playlists are not mixed" "4.1";
    ATTRIBUTE_SYNTAX "text.attribute-syntax" Must "attribute lists follow the grammar" "4.2";
    DUPLICATE_ATTRIBUTE "text.duplicate-attribute" Must "no attribute appears twice in one tag" "4.2";
    DIRECTIVE_LEAK "text.directive-leak" Must "addresses in playlists carry no _HLS_ directive" "6.2.5";

    // One media playlist.
    TARGET "media.target-duration" Must "EXT-X-TARGETDURATION is there, a decimal integer above zero" "4.4.3.1";
    EXTINF "media.extinf" Must "every segment has an EXTINF with a number" "4.4.4.1";
    EXTINF_TARGET "media.extinf-target" Must "every EXTINF, rounded, is at most the target duration" "4.4.3.1, A 7.7";
    EXTINF_ZERO "media.extinf-zero" Should "no segment lasts zero seconds" "4.4.4.1";
    SEQUENCE_PLACE "media.sequence" Must
        "EXT-X-MEDIA-SEQUENCE is a decimal integer and stands before the first segment" "4.4.3.2";
    DISCONTINUITY_PLACE "media.discontinuity-sequence" Must
        "EXT-X-DISCONTINUITY-SEQUENCE is a decimal integer, before the first segment and discontinuity" "4.4.3.3";
    DISCONTINUITY_STATED "media.discontinuity-stated" Should
        "a live playlist with a removed front states its EXT-X-DISCONTINUITY-SEQUENCE" "4.4.3.3";
    TYPE "media.playlist-type" Must "EXT-X-PLAYLIST-TYPE is EVENT or VOD" "4.4.3.5";
    MAP "media.map" Must "an EXT-X-MAP holds for every fragmented MP4 segment" "4.4.4.5";
    MAP_CHANGE "media.map-change" Should "EXT-X-MAP changes only at a discontinuity" "4.4.4.3";
    END_NO_HINT "media.end-no-hint" Must "an ended playlist has no EXT-X-PRELOAD-HINT" "4.4.5.3";
    DATE_SYNTAX "media.date-syntax" Must "EXT-X-PROGRAM-DATE-TIME is an ISO 8601 date" "4.4.4.6";
    DATE_THERE "media.date" Apple "a live playlist has EXT-X-PROGRAM-DATE-TIME" "4.4.4.6, A live";
    DATE_GROWS "media.date-grows" Should "dates grow from segment to segment" "4.4.4.6";
    DATE_DURATION "media.date-duration" Should
        "dates of neighbours differ by the first one's EXTINF, within a frame" "4.4.4.6";

    // Low latency.
    PART_TARGET "part.target" Must "a playlist with parts has EXT-X-PART-INF with PART-TARGET" "4.4.3.7";
    PART_ATTRIBUTES "part.attributes" Must "every EXT-X-PART has URI and DURATION" "4.4.4.9";
    PART_LONG "part.long" Must "no part is longer than PART-TARGET" "4.4.4.9";
    PART_SHORT "part.short" Must "parts last at least 85 % of PART-TARGET, save a segment's last" "4.4.4.9";
    PART_SUM "part.sum" Must "the parts of a segment last as long as the segment" "4.4.4.9";
    PART_NEWEST "part.newest" Should "segments near the end list their parts" "4.4.4.9";
    PART_OLD "part.old" Should "parts older than three target durations are not listed" "4.4.4.9";
    HOLD_BACK "control.hold-back" Must "HOLD-BACK is at least three target durations" "4.4.3.8";
    PART_HOLD_BACK "control.part-hold-back" Must "PART-HOLD-BACK is there and at least twice PART-TARGET" "4.4.3.8";
    PART_HOLD_BACK_THREE "control.part-hold-back-three" Apple
        "PART-HOLD-BACK is at least three times PART-TARGET" "4.4.3.8, A 14.3";
    BLOCK_RELOAD "control.block-reload" Apple "a playlist with parts says CAN-BLOCK-RELOAD=YES" "B.1";
    SKIP_UNTIL "control.skip-until" Must "CAN-SKIP-UNTIL is at least six target durations" "4.4.3.8";
    CAN_SKIP "control.can-skip" Should "a low-latency playlist offers delta updates" "B.1";
    HINT_THERE "hint.there" Should "a live playlist with parts hints the next one" "B.1";
    HINT_ATTRIBUTES "hint.attributes" Must "EXT-X-PRELOAD-HINT has TYPE (PART or MAP) and URI" "4.4.5.3";
    HINT_ONE "hint.one" Must "at most one EXT-X-PRELOAD-HINT of each type" "4.4.5.3";
    HINT_TRUE "hint.true" Must "the next part is the one that was hinted" "4.4.5.3";
    HINT_BYTES "hint.bytes" Must "a hinted address gives the bytes of the part it becomes" "6.2.2";
    REPORT_ATTRIBUTES "report.attributes" Must
        "EXT-X-RENDITION-REPORT has URI, LAST-MSN and, with parts, LAST-PART" "4.4.5.4";
    REPORT_ALL "report.all" Apple "a low-latency playlist reports every other rendition" "B.1";
    REPORT_TRUE "report.true" Must "reports say where the other rendition is" "4.4.5.4";

    // Delta updates.
    SKIP_ATTRIBUTES "delta.attributes" Must
        "EXT-X-SKIP stands before the first segment and has SKIPPED-SEGMENTS above zero" "4.4.5.2";
    SKIP_ASKED "delta.asked" Must "EXT-X-SKIP comes only when _HLS_skip asked for it" "6.2.5.1";
    SKIP_BOUNDARY "delta.boundary" Must "only segments before the skip boundary are skipped" "6.2.5.1";
    SKIP_MERGE "delta.merge" Must "a delta update, merged, is the full playlist" "6.2.5.1";
    SKIP_GIVEN "delta.given" Should "who offers delta updates sends them when asked" "6.2.5.1";

    // Blocking reload.
    RELOAD_ANSWER "reload.answer" Must "a blocked request is answered with what it waited for" "6.2.5.2";
    RELOAD_WAIT "reload.wait" Should "no request is blocked beyond three target durations" "6.2.5.2";
    RELOAD_AHEAD "reload.ahead" Should "_HLS_msn beyond the last plus two is answered 400 at once" "6.2.5.2";
    RELOAD_BAD "reload.bad" Should "_HLS_part alone and numbers that are none are answered 400" "6.2.5.2";
    RELOAD_STALE "reload.stale" Must "a stale _HLS_msn gets the current playlist" "6.2.5.2";
    RELOAD_UNKNOWN "reload.unknown" Should "an unknown _HLS_ directive is ignored" "6.2.5";
    RELOAD_ENDED "reload.ended" Must "an ended playlist answers blocked requests at once" "6.2.5.2";

    // Two versions of one live playlist.
    TARGET_CONSTANT "live.target-constant" Must "the target duration never changes" "6.2.1";
    PART_TARGET_CONSTANT "live.part-target-constant" Must "PART-TARGET never changes" "4.4.3.7";
    TYPE_CONSTANT "live.type-constant" Must "an EVENT stays one until it ends, and loses no segment" "4.4.3.5";
    SEQUENCE_BACK "live.sequence-back" Must "the media sequence never goes back" "6.2.2";
    SEQUENCE_COUNT "live.sequence-count" Must "the media sequence grows by the segments removed" "6.2.2";
    LINE_CHANGED "live.line-changed" Must "a published segment's lines never change" "6.2.1";
    LINE_GONE "live.line-gone" Must "segments are removed only at the front" "6.2.2";
    PART_CHANGED "live.part-changed" Must "a published part never changes" "6.2.1";
    DISCONTINUITY_COUNT "live.discontinuity-count" Must
        "the discontinuity sequence grows by the discontinuities removed" "6.2.2";
    AFTER_END "live.after-end" Must "nothing changes after EXT-X-ENDLIST" "6.2.1";
    THREE_TARGETS "live.three-targets" Must
        "no segment is removed that leaves less than three target durations" "6.2.2";
    SIX_SEGMENTS "live.six-segments" Apple "a live window has at least six segments" "A live";
    LATE "live.late" Must "a new version comes within one and a half target durations" "6.2.2";

    // The renditions together.
    SET_TARGET "set.target-duration" Must "all renditions have the same target duration" "6.2.4";
    SET_DURATION "set.duration" Should "all renditions of a recording last equally long" "6.2.4";
    SET_DISCONTINUITY "set.discontinuity" Must "discontinuities are at the same time in all renditions" "6.2.4";
    BANDWIDTH "multi.bandwidth" Must "every variant has BANDWIDTH, a decimal integer" "4.4.6.2";
    AVERAGE_BANDWIDTH "multi.average-bandwidth" Apple "every variant has AVERAGE-BANDWIDTH" "4.4.6.2, A variants";
    CODECS "multi.codecs" Apple "every variant has CODECS" "4.4.6.2, A variants";
    RESOLUTION "multi.resolution" Apple "every variant with video has RESOLUTION" "4.4.6.2, A variants";
    FRAME_RATE "multi.frame-rate" Apple "every variant with video has FRAME-RATE" "4.4.6.2, A variants";
    VARIANT_URI "multi.variant-uri" Must "EXT-X-STREAM-INF is followed by an address" "4.4.6.2";
    MEDIA_ATTRIBUTES "multi.media-attributes" Must "EXT-X-MEDIA has TYPE, GROUP-ID and NAME" "4.4.6.1";
    GROUP "multi.group" Must "the groups that variants name exist" "4.4.6.2";
    QUERY "multi.query" Should "a request's own query arguments reach the addresses named" "6.2.5";
    INDEPENDENT "multi.independent-segments" Apple "EXT-X-INDEPENDENT-SEGMENTS is there" "4.4.2.1, A segments";
    IFRAMES "multi.i-frames" Apple "video has an I-frame playlist" "4.4.6.3, A scrubbing";
    TWO_VARIANTS "multi.two-variants" Should "there are at least two variants" "A variants";
    PEAK "multi.peak" Apple "the measured peak is at most 125 % of BANDWIDTH" "4.4.6.2, A variants";
    AVERAGE "multi.average" Apple "the measured average is at most 110 % of AVERAGE-BANDWIDTH" "4.4.6.2, A variants";

    // HTTP.
    PLAYLIST_TYPE "http.playlist-type" Must
        "playlists are application/vnd.apple.mpegurl or audio/mpegurl" "4";
    MEDIA_TYPE "http.media-type" Should "segments have a media type of their format" "3.1";
    GZIP "http.gzip" Apple "playlists are gzipped for those who take it" "B.1, A delivery";
    VARY "http.vary" Should "a gzipped answer varies by Accept-Encoding" "RFC 9110 12.5.5";
    CORS "http.cors" Should "playlists and media are open to other sites' players" "Fetch 3.2";
    REDIRECT "http.redirect" Should "media is not redirected" "B.1";
    AVAILABLE "http.available" Must "what a playlist lists can be fetched" "6.2.1";
    REMOVED_LIVES "http.removed-lives" Must "a removed segment stays fetchable for its duration" "6.2.2";
    PLAYLIST_CACHE "http.playlist-cache" Should
        "a live playlist asked for without waiting is kept for at most half a target duration" "B.1";
    BLOCKING_CACHE "http.blocking-cache" Should "an answer to a blocked request may be cached" "B.1";
    MISSING_CACHE "http.missing-cache" Should "a 404 is kept for at most one target duration" "B.1";
    SEGMENT_CACHE "http.segment-cache" Should "segments may be kept for at least six target durations" "B.1";
    RANGE "http.range" Should "a range gets 206 with its Content-Range and length" "RFC 9110 15.3.7";
    RANGE_BEYOND "http.range-beyond" Should "a range beyond the end gets 416" "RFC 9110 15.5.17";

    // Boxes of fragmented MP4.
    BOX_WHOLE "box.whole" Must "segments and parts are whole boxes, moof and mdat" "3.3";
    BOX_TRACK "box.track" Must "fragments belong to tracks of their initialisation section" "3.3";
    BOX_TIME "box.time" Must "decode times are continuous unless a discontinuity is marked" "3.3, 4.4.4.3";
    BOX_DURATION "box.duration" Should "EXTINF and DURATION are the media's duration, within a frame" "4.4.4.1";
    BOX_KEY "box.key-frame" Must
        "with EXT-X-INDEPENDENT-SEGMENTS every segment begins with a key frame" "4.4.2.1";
    BOX_INDEPENDENT "box.independent" Must "a part with INDEPENDENT=YES has a key frame" "4.4.4.9";
    BOX_UNMARKED "box.unmarked" Should "a part that begins with a key frame says INDEPENDENT=YES" "4.4.4.9";
    BOX_PARTS "box.parts" Must "the parts of a segment hold the segment's media" "4.4.4.9";
}

/// Seconds of rounding in a printed duration.
pub(crate) const ROUNDING_S: f64 = 0.000_6;
/// One frame at 24 per second and a little, in seconds.
pub(crate) const FRAME_S: f64 = 0.043;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sentences_short() {
        let mut ids: Vec<&str> = ALL.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
        assert!(ALL.iter().all(|rule| rule.says.len() < 100 && !rule.source.is_empty()));
    }
}
