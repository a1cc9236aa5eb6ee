//! Rules of answers to delivery directives.

use super::{
    Findings, RELOAD_AHEAD, RELOAD_ANSWER, RELOAD_BAD, RELOAD_ENDED, RELOAD_STALE, RELOAD_UNKNOWN, RELOAD_WAIT, Rule,
};
use crate::playlist::Playlist;

/// What a blocking request named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub msn: u64,
    pub part: Option<u64>,
}

impl Asked {
    /// What a player asks for next when it has `playlist`.
    pub fn after(playlist: &Playlist) -> Self {
        let (open, parts) = (playlist.open.msn, playlist.open.parts.len() as u64);
        Self { msn: open, part: playlist.is_low_latency().then_some(parts) }
    }

    pub fn query(self) -> String {
        match self.part {
            Some(part) => format!("_HLS_msn={}&_HLS_part={part}", self.msn),
            None => format!("_HLS_msn={}", self.msn),
        }
    }
}

/// A request that a server must judge by its directives alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `_HLS_msn` far ahead.
    Ahead,
    /// `_HLS_part` alone, no number.
    Bad,
    Stale,
    Unknown,
    /// A blocking request to an ended playlist.
    Ended,
}

impl Probe {
    /// What to ask of a server that has `playlist`.
    pub fn queries(self, playlist: &Playlist) -> Vec<String> {
        let (edge, _) = playlist.edge();
        match self {
            Self::Ahead => vec![format!("_HLS_msn={}", edge.saturating_add(30))],
            Self::Bad => vec!["_HLS_part=0".to_owned(), "_HLS_msn=abc".to_owned(), "_HLS_msn=-1".to_owned()],
            Self::Stale => vec![format!("_HLS_msn={}", playlist.media_sequence)],
            Self::Unknown => vec!["_HLS_unheard_of=1".to_owned()],
            Self::Ended => vec![format!("_HLS_msn={}", playlist.open.msn)],
        }
    }

    fn rule(self) -> &'static Rule {
        match self {
            Self::Ahead => &RELOAD_AHEAD,
            Self::Bad => &RELOAD_BAD,
            Self::Stale => &RELOAD_STALE,
            Self::Unknown => &RELOAD_UNKNOWN,
            Self::Ended => &RELOAD_ENDED,
        }
    }

    fn wanted(self) -> u16 {
        match self {
            Self::Ahead | Self::Bad => 400,
            Self::Stale | Self::Unknown | Self::Ended => 200,
        }
    }
}

/// `status` is absent when no answer came in time.
pub fn check_probe(url: &str, probe: Probe, query: &str, status: Option<u16>, out: &mut Findings) {
    if status != Some(probe.wanted()) {
        let said = status.map_or("nothing in time".to_owned(), |status| status.to_string());
        out.add(probe.rule(), url, None, format!("?{query} got {said}, not {}", probe.wanted()));
    }
}

/// The answer to a blocking request has what was waited for.
pub fn check_answer(asked: Asked, answer: &Playlist, out: &mut Findings) {
    let (edge, parts) = answer.edge();
    let has_part = |wanted: u64| match edge == asked.msn {
        true => parts > wanted,
        false => edge > asked.msn,
    };
    let is_there = match asked.part {
        Some(part) => has_part(part),
        None => answer.segments.last().is_some_and(|last| last.msn >= asked.msn),
    };
    if !is_there && !answer.is_ended {
        let what = format!("?{} got {edge} with {parts} parts", asked.query());
        out.add(&RELOAD_ANSWER, &answer.url, answer.segments.last().map(|segment| segment.line), what);
    }
}

/// Nothing came although three target durations are over.
pub fn check_wait(url: &str, waited_s: f64, target_s: f64, out: &mut Findings) {
    if waited_s > 3.0 * target_s + 1.0 {
        out.add(&RELOAD_WAIT, url, None, format!("no answer within {:.0} s", 3.0 * target_s));
    }
}
