//! How segments make periods.
//!
//! A period is a run of numbers in which every rendition that has segments has all of them, from one init segment. Where
//! something changes a new one begins: at a discontinuity, a new init segment, a number that is missing everywhere, and where a
//! rendition joins or has a gap. What a period is called and when it begins follows from its first segment alone, so it stays
//! the same while its older segments leave the list.

use std::collections::BTreeMap;

use super::{Media, Span, Track};

/// A rendition this many segments behind the first is taken for ended.
const STALLED_AFTER: u64 = 8;

/// A period that has listed segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    /// Number of its first segment.
    pub(super) id: u64,
    /// When it begins: wall-clock microseconds of a live presentation, else microseconds from the recording's beginning.
    pub(super) starts_us: i64,
    /// The same moment on the media clock.
    pub(super) media_us: i64,
    /// Known unless it is a live presentation's last.
    pub(super) duration_us: Option<i64>,
    /// Length of everything in it, listed or not: of the leader's, and of a finished presentation's last one all that is in it.
    length_us: i64,
    pub(super) runs: Vec<Run>,
}

/// A rendition's part in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) track: usize,
    pub(super) init: u32,
    pub(super) first_msn: u64,
    /// Beginning and length of each listed segment on the media clock.
    pub(super) spans: Vec<(i64, i64)>,
}

impl Period {
    pub(super) fn ends_us(&self) -> i64 {
        self.starts_us + self.length_us
    }
}

/// Which renditions have a number, and from which init segment.
type Cast = Vec<(usize, u32)>;

/// The periods of `tracks` that have segments from `listed_from` on. `holds_back`: what a rendition has not come to yet is not
/// listed of the others either, because what a period consists of must not change. `is_dated`: periods begin at the wall-clock
/// time of their first sample; otherwise one follows the other.
pub(super) fn plan(tracks: &[Track], listed_from: u64, holds_back: bool, is_dated: bool) -> Vec<Period> {
    let mut steps: BTreeMap<u64, Vec<(usize, Span)>> = BTreeMap::new();
    let frontier = if holds_back { frontier(tracks) } else { u64::MAX };
    for (index, track) in tracks.iter().enumerate() {
        for span in track.segments.iter().filter(|span| span.msn <= frontier) {
            steps.entry(span.msn).or_default().push((index, *span));
        }
    }
    let mut periods: Vec<Period> = Vec::new();
    let (mut cast, mut next_msn): (Cast, _) = (Cast::new(), None);
    // Wall clock (or recording's time) minus media clock, since the last discontinuity.
    let mut offset_us = None;
    let mut longest_us = 0;
    for (msn, step) in steps {
        let here: Vec<(usize, Span, i64)> =
            step.iter().filter_map(|(track, span)| Some((*track, *span, span.starts_at_us?))).collect();
        let Some((_, lead, lead_at)) = leader(tracks, &here) else { continue };
        let now: Cast = here.iter().map(|(track, span, _)| (*track, span.init)).collect();
        let is_broken = step.iter().any(|(_, span)| span.is_discontinuity) || next_msn != Some(msn);
        if is_broken || now != cast {
            let ends_us = periods.last().map_or(0, Period::ends_us);
            let offset = match offset_us.filter(|_| !is_broken) {
                Some(offset) => offset,
                None if is_dated => lead.date_ms * 1_000 - lead_at,
                None => ends_us - lead_at,
            };
            offset_us = Some(offset);
            periods.push(Period {
                id: msn,
                starts_us: offset + lead_at,
                media_us: lead_at,
                duration_us: None,
                length_us: 0,
                runs: now
                    .iter()
                    .map(|(track, init)| Run { track: *track, init: *init, first_msn: msn, spans: Vec::new() })
                    .collect(),
            });
            cast = now;
        }
        next_msn = Some(msn + 1);
        let Some(period) = periods.last_mut() else { continue };
        period.length_us = lead_at + lead.duration_us - period.media_us;
        longest_us = here.iter().map(|(_, span, at)| at + span.duration_us).max().unwrap_or(0) - period.media_us;
        if msn < listed_from {
            continue;
        }
        for (track, span, starts_at) in here {
            let Some(run) = period.runs.iter_mut().find(|run| run.track == track) else { continue };
            if run.spans.is_empty() {
                run.first_msn = msn;
            }
            run.spans.push((starts_at, span.duration_us));
        }
    }
    // An encoder that is stopped leaves sound beyond its last picture, or the other way around. Where nothing follows it is played:
    // players stop at the end that is written here.
    if let Some(last) = periods.last_mut().filter(|_| !holds_back) {
        last.length_us = last.length_us.max(longest_us);
    }
    let count = periods.len();
    for (index, period) in periods.iter_mut().enumerate() {
        period.duration_us = (index + 1 < count || !is_dated).then_some(period.length_us);
        period.runs.retain(|run| !run.spans.is_empty());
    }
    periods.retain(|period| !period.runs.is_empty());
    periods
}

/// Whose times a step goes by: the first picture's, else the sound's.
fn leader(tracks: &[Track], here: &[(usize, Span, i64)]) -> Option<(usize, Span, i64)> {
    let video = here.iter().find(|(track, ..)| matches!(tracks[*track].media, Media::Video { .. }));
    video.or(here.first()).copied()
}

/// The last number every rendition that goes on has come to.
fn frontier(tracks: &[Track]) -> u64 {
    let last = |track: &Track| track.segments.last().map(|span| span.msn);
    let newest = tracks.iter().filter_map(last).max().unwrap_or(0);
    tracks.iter().filter_map(last).filter(|msn| msn + STALLED_AFTER > newest).min().unwrap_or(0)
}
