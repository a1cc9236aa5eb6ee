//! Fetches what one rendition lists, each part and segment once, and has its boxes and headers checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::fetch::{ANSWER_WAIT_MAX, Fetcher, resolve};
use crate::answer::Answer;
use crate::mp4::Init;
use crate::playlist::{Attributes, Part, Playlist, Segment};
use crate::rules::boxes::{self, Claim, Clock, Piece};
use crate::rules::{AVAILABLE, Findings, transport};

/// Initialisation sections kept; a presentation with more reads some again.
const INITS_MAX: usize = 8;
/// A joining player begins so many segments before the end.
const BEGIN_BEFORE_END: u64 = 2;

/// The media of one rendition, as far as it was fetched.
pub(super) struct Pieces {
    fetcher: Fetcher,
    board: Arc<Board>,
    url: String,
    /// The multivariant playlist says `EXT-X-INDEPENDENT-SEGMENTS`.
    is_independent: bool,
    /// The first segment that is not done.
    next: Option<u64>,
    /// Parts fetched of segments that are not done, and whether all before them were.
    parts: BTreeMap<u64, Vec<Vec<u8>>>,
    part_clock: Clock,
    clock: Clock,
    inits: BTreeMap<String, Option<Init>>,
    /// What the hinted address gave.
    hinted: Option<(String, Vec<u8>)>,
}

impl Pieces {
    pub(super) fn new(fetcher: Fetcher, board: Arc<Board>, url: String, is_independent: bool) -> Self {
        let (part_clock, clock) = (Clock::default(), Clock::default());
        let (next, parts, inits) = (None, BTreeMap::new(), BTreeMap::new());
        Self { fetcher, board, url, is_independent, next, parts, part_clock, clock, inits, hinted: None }
    }

    /// Asks for the hinted part; the server holds the answer until it is there.
    pub(super) async fn hint(&mut self, playlist: &Playlist, wait: Duration) {
        let hint = playlist.part_hint().filter(|hint| !hint.is_range);
        let Some(url) = hint.and_then(|hint| resolve(&playlist.url, hint.uri.as_deref()?)) else { return };
        let answer = self.fetcher.media(&url, None, wait).await;
        // A hint may be withdrawn, for instance at the end; whether it came true is another rule.
        self.hinted = answer.ok().filter(Answer::is_success).map(|answer| (url, answer.body));
    }

    /// Fetches everything of a live playlist that was not fetched yet.
    pub(super) async fn take(&mut self, playlist: &Playlist) {
        let first = playlist.open.msn.saturating_sub(BEGIN_BEFORE_END).max(playlist.media_sequence);
        let next = *self.next.get_or_insert(first);
        if next < playlist.media_sequence {
            self.restart(playlist.media_sequence);
        }
        for segment in playlist.segments.iter().chain([&playlist.open]) {
            if self.next.is_some_and(|next| segment.msn >= next) {
                self.segment(playlist, segment).await;
            }
        }
    }

    /// Fetches the first segments of a recording.
    pub(super) async fn sample(&mut self, playlist: &Playlist, segments_max: usize) {
        for segment in playlist.segments.iter().take(segments_max) {
            self.segment(playlist, segment).await;
        }
    }

    fn restart(&mut self, msn: u64) {
        self.next = Some(msn);
        self.parts.clear();
        self.part_clock.forget();
        self.clock.forget();
    }

    async fn segment(&mut self, playlist: &Playlist, segment: &Segment) {
        let is_open = segment.uri.is_empty();
        let init = self.init(playlist, segment).await;
        let have = self.parts.get(&segment.msn).map_or(0, Vec::len);
        if have == 0 && segment.is_discontinuity {
            self.part_clock.forget();
        }
        for part in segment.parts.iter().skip(have) {
            let bytes = self.part(playlist, part, init.as_ref()).await;
            self.parts.entry(segment.msn).or_default().push(bytes);
        }
        if is_open {
            return;
        }
        let parts = self.parts.remove(&segment.msn).unwrap_or_default();
        if segment.parts.is_empty() && playlist.is_low_latency() {
            self.part_clock.forget();
        }
        self.next = Some(segment.msn.saturating_add(1));
        if segment.is_discontinuity || segment.is_gap {
            self.clock.forget();
        }
        if segment.is_gap {
            // Its first parts may have been there before it broke off.
            self.part_clock.forget();
            return;
        }
        let answer = self.fetch(playlist, &segment.uri, segment.byte_range.as_deref(), segment.line).await;
        let Some(answer) = answer.filter(Answer::is_success) else {
            self.clock.forget();
            return;
        };
        self.board.report().seen.segments += 1;
        if segment.byte_range.is_none() {
            self.board.weigh(&self.url, answer.body.len(), segment.duration_s.unwrap_or_default());
        }
        let Some(init) = init else { return };
        let claim = if self.is_independent || playlist.is_independent { Claim::Segment } else { Claim::Nothing };
        let (url, line, name) = (playlist.url.as_str(), segment.line, segment.uri.as_str());
        let piece = Piece { url, line, name, duration_s: segment.duration_s, claim };
        let mut out = Findings::default();
        boxes::check(&piece, &answer.body, &init, &mut self.clock, &mut out);
        let is_whole = !parts.is_empty() && parts.len() == segment.parts.len() && parts.iter().all(|p| !p.is_empty());
        if is_whole {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            boxes::check_parts(url, line, name, &parts, &answer.body, &mut out);
        }
        self.board.add(out);
    }

    /// The part's bytes; none when it could not be had.
    async fn part(&mut self, playlist: &Playlist, part: &Part, init: Option<&Init>) -> Vec<u8> {
        let answer = match part.is_gap || part.uri.is_empty() {
            true => None,
            false => self.fetch(playlist, &part.uri, part.byte_range.as_deref(), part.line).await,
        };
        let Some(answer) = answer.filter(Answer::is_success) else {
            self.part_clock.forget();
            return Vec::new();
        };
        self.board.report().seen.parts += 1;
        let (url, line, name) = (playlist.url.as_str(), part.line, part.uri.as_str());
        let mut out = Findings::default();
        if let Some((_, hinted)) = self.hinted.take_if(|(address, _)| *address == answer.url) {
            boxes::check_hint(url, line, name, &hinted, &answer.body, &mut out);
        }
        if let Some(init) = init {
            let claim = Claim::Part { is_independent: part.is_independent };
            let piece = Piece { url, line, name, duration_s: part.duration_s, claim };
            boxes::check(&piece, &answer.body, init, &mut self.part_clock, &mut out);
        }
        self.board.add(out);
        answer.body
    }

    /// The initialisation section that holds for a segment, read once.
    async fn init(&mut self, playlist: &Playlist, segment: &Segment) -> Option<Init> {
        let map = segment.map.as_deref()?;
        // Whole files are encrypted then: there are no boxes to see.
        if playlist.with_tag("#EXT-X-KEY").any(|key| key.attributes().get("METHOD") == Some("AES-128")) {
            return None;
        }
        if let Some(known) = self.inits.get(map) {
            return known.clone();
        }
        let attributes = Attributes::parse(map);
        let line = playlist.with_tag("#EXT-X-MAP").find(|line| line.value() == map).map_or(0, |line| line.number);
        let answer = self.fetch(playlist, attributes.get("URI")?, attributes.get("BYTERANGE"), line).await;
        let init = answer.filter(Answer::is_success).and_then(|answer| Init::read(&answer.body));
        if self.inits.len() >= INITS_MAX {
            self.inits.clear();
        }
        self.inits.insert(map.to_owned(), init.clone());
        init
    }

    /// Fetches what `line` names and checks the answer's headers.
    async fn fetch(&self, playlist: &Playlist, uri: &str, range: Option<&str>, line: usize) -> Option<Answer> {
        let url = resolve(&playlist.url, uri)?;
        // A range without its beginning goes on where the last one ended; those are not followed.
        let range = match range {
            Some(range) => Some(header(range)?),
            None => None,
        };
        let mut out = Findings::default();
        let answer = self.fetcher.media(&url, range.as_deref(), ANSWER_WAIT_MAX).await;
        match &answer {
            Ok(answer) => {
                let target_s = playlist.target_s.unwrap_or_default();
                transport::check_media(&playlist.url, line, answer, target_s, &mut out);
            }
            Err(error) => out.add(&AVAILABLE, &playlist.url, line, format!("{url}: {error}")),
        }
        self.board.add(out);
        answer.ok()
    }
}

/// `length@offset` as a `Range` header.
fn header(range: &str) -> Option<String> {
    let (length, offset) = range.split_once('@')?;
    let (length, offset): (u64, u64) = (length.parse().ok()?, offset.parse().ok()?);
    Some(format!("bytes={offset}-{}", offset.checked_add(length)?.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_ranges_become_headers() {
        assert_eq!(header("100@20").as_deref(), Some("bytes=20-119"));
        assert_eq!((header("100"), header("0@0"), header("x@1")), (None, None, None));
    }
}
