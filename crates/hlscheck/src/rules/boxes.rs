//! Rules of fragmented MP4: what the boxes of segments and parts say, against what playlists say of them.

use std::collections::BTreeMap;

use super::{
    BOX_DURATION, BOX_INDEPENDENT, BOX_KEY, BOX_PARTS, BOX_TIME, BOX_TRACK, BOX_UNMARKED, BOX_WHOLE, FRAME_S, Findings,
    HINT_BYTES,
};
use crate::mp4::{Fragments, Init};

/// Decode times may differ from the sum of durations by so much, in seconds: timescales are rounded once per fragment.
const TIME_SLACK_S: f64 = 0.001_5;

/// A segment or part, and what its playlist says of it.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The playlist, and the piece's line in it.
    pub url: &'a str,
    pub line: usize,
    pub name: &'a str,
    pub duration_s: Option<f64>,
    pub claim: Claim,
}

/// What is said of key frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A segment of a playlist with `EXT-X-INDEPENDENT-SEGMENTS`.
    Segment,
    /// A part with `INDEPENDENT=YES`, or without.
    Part {
        is_independent: bool,
    },
    Nothing,
}

/// Where each track's next fragment must begin.
#[derive(Debug, Default)]
pub struct Clock(BTreeMap<u32, u64>);

impl Clock {
    /// After a discontinuity, or a piece that was not seen.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

pub fn check(piece: &Piece<'_>, bytes: &[u8], init: &Init, clock: &mut Clock, out: &mut Findings) {
    let (url, line, name) = (piece.url, piece.line, piece.name);
    let read = Fragments::read(bytes, init);
    if let Some(fault) = &read.fault {
        out.add(&BOX_WHOLE, url, line, format!("{name}: {fault}"));
        clock.forget();
        return;
    }
    let mut lasts: BTreeMap<u32, f64> = BTreeMap::new();
    let mut begins_with_key = None;
    for fragment in &read.list {
        let Some(track) = init.track(fragment.track) else {
            out.add(&BOX_TRACK, url, line, format!("{name}: track {}", fragment.track));
            continue;
        };
        let scale = f64::from(track.timescale.max(1));
        if let Some(expected) = clock.0.get(&fragment.track).copied() {
            let off_s = (fragment.decode_time as f64 - expected as f64) / scale;
            if off_s.abs() > TIME_SLACK_S {
                out.add(&BOX_TIME, url, line, format!("{name}: track {} is off by {off_s:.4} s", fragment.track));
            }
        }
        clock.0.insert(fragment.track, fragment.decode_time.saturating_add(fragment.duration));
        *lasts.entry(fragment.track).or_default() += fragment.duration as f64 / scale;
        if track.is_video && begins_with_key.is_none() {
            begins_with_key = Some(fragment.begins_with_key);
        }
    }
    if let Some(said_s) = piece.duration_s {
        let off = |lasts_s: &f64| (lasts_s - said_s).abs();
        // A muxed segment's sound may be a frame longer than its picture: the nearest track counts.
        let nearest = lasts.values().copied().min_by(|a, b| off(a).total_cmp(&off(b)));
        if let Some(lasts_s) = nearest.filter(|lasts_s| off(lasts_s) > FRAME_S) {
            out.add(&BOX_DURATION, url, line, format!("{name} says {said_s} s and lasts {lasts_s:.4}"));
        }
    }
    let has_key = read.list.iter().any(|f| f.has_key && init.track(f.track).is_some_and(|track| track.is_video));
    match (piece.claim, begins_with_key) {
        (Claim::Segment, Some(false)) => out.add(&BOX_KEY, url, line, name),
        (Claim::Part { is_independent: true }, Some(_)) if !has_key => out.add(&BOX_INDEPENDENT, url, line, name),
        (Claim::Part { is_independent: false }, Some(true)) => out.add(&BOX_UNMARKED, url, line, name),
        _ => {}
    }
}

/// The media of all parts of a segment, in order, is that of the segment.
pub fn check_parts(url: &str, line: usize, name: &str, parts: &[&[u8]], segment: &[u8], out: &mut Findings) {
    let whole = crate::mp4::media_bytes(segment);
    let pieces: Vec<u8> = parts.iter().flat_map(|part| crate::mp4::media_bytes(part)).collect();
    if whole != pieces {
        out.add(
            &BOX_PARTS,
            url,
            line,
            format!("{name} has {} bytes of media, its parts {}", whole.len(), pieces.len()),
        );
    }
}

/// What the hinted address gave and what the listed part gives.
pub fn check_hint(url: &str, line: usize, name: &str, hinted: &[u8], listed: &[u8], out: &mut Findings) {
    if hinted != listed {
        out.add(&HINT_BYTES, url, line, format!("{name}: {} and {} bytes", hinted.len(), listed.len()));
    }
}
