//! The WebVTT file of a recording's small pictures, made from its rows. Pure.
//!
//! Each cue names a part of a sheet by a media fragment (`#xywh=`, W3C Media Fragments 4.2.2), as players of thumbnail tracks
//! expect. Pictures are placed by segment, so their times are those of the playlist, whatever is missing of the recording.

use std::collections::BTreeMap;
use std::fmt::Write;

use db::recordings::{Rendition, RenditionKind};
use db::storyboards::Sheet;

use super::reel::Reel;

/// A cue's picture: its time from the recording's beginning, and its place.
struct Shown<'a> {
    at_ms: i64,
    sheet: &'a Sheet,
    row: i64,
}

/// The file, or `None` when there is no picture of what is stored. `query` goes on every address, `?` included.
pub(super) fn vtt(reel: &Reel, renditions: &[Rendition], sheets: &[Sheet], query: &str) -> Option<String> {
    let leading = renditions.iter().find(|rendition| rendition.kind == RenditionKind::Video)?;
    let (segments, end_us) = timeline(reel, &leading.name);
    let mut shown = Vec::new();
    for sheet in sheets {
        for (row, (seq, offset_ms)) in (0..).zip(sheet.seqs.iter().zip(&sheet.offsets_ms)) {
            let Some((begins_us, length_us)) = segments.get(seq) else { continue };
            let into_us = (i64::from(*offset_ms) * 1_000).clamp(0, *length_us);
            shown.push(Shown { at_ms: (begins_us + into_us) / 1_000, sheet, row });
        }
    }
    shown.sort_by_key(|picture| picture.at_ms);
    if let Some(first) = shown.first_mut() {
        // Nothing is earlier, and the recording's beginning deserves a picture.
        first.at_ms = 0;
    }
    let ends = shown.iter().skip(1).map(|next| next.at_ms).chain([end_us / 1_000]);
    let mut out = String::from("WEBVTT\n");
    let mut cues = 0;
    for (Shown { at_ms, sheet, row }, end_ms) in shown.iter().zip(ends.collect::<Vec<_>>()) {
        if end_ms <= *at_ms {
            continue;
        }
        let name = objects::keys::sheet_name(u64::try_from(sheet.seq).unwrap_or(0));
        let Sheet { tile_width, tile_height, tile_step, .. } = sheet;
        let top = row * i64::from(*tile_step);
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "\n{} --> {}\nstoryboard/{name}{query}#xywh=0,{top},{tile_width},{tile_height}\n",
            time(*at_ms),
            time(end_ms),
        );
        cues += 1;
    }
    (cues > 0).then_some(out)
}

/// Where each segment begins and how long it is, and where the last one ends.
fn timeline(reel: &Reel, rendition: &str) -> (BTreeMap<i64, (i64, i64)>, i64) {
    let places = reel.places(rendition);
    let end_us = places.last().map_or(0, |(_, begins_us, length_us)| begins_us + length_us);
    (places.into_iter().map(|(seq, begins_us, length_us)| (seq, (begins_us, length_us))).collect(), end_us)
}

/// The picture nearest to a moment of the recording: its sheet, and its place in there from above.
pub(super) fn nearest<'a>(
    reel: &Reel,
    renditions: &[Rendition],
    sheets: &'a [Sheet],
    at_ms: i64,
) -> Option<(&'a Sheet, u32)> {
    let leading = renditions.iter().find(|rendition| rendition.kind == RenditionKind::Video)?;
    let (segments, _) = timeline(reel, &leading.name);
    let pictures = sheets.iter().flat_map(|sheet| {
        (0..).zip(sheet.seqs.iter().zip(&sheet.offsets_ms)).map(move |(row, place)| (sheet, row, place))
    });
    let placed = pictures.filter_map(|(sheet, row, (seq, offset_ms))| {
        let (begins_us, length_us) = segments.get(seq)?;
        let into_us = (i64::from(*offset_ms) * 1_000).clamp(0, *length_us);
        Some((((begins_us + into_us) / 1_000 - at_ms).abs(), sheet, row))
    });
    placed.min_by_key(|(away_ms, ..)| *away_ms).map(|(_, sheet, row)| (sheet, row))
}

/// WebVTT 4.1: hours have two digits or more.
fn time(ms: i64) -> String {
    let (s, ms) = (ms / 1_000, ms % 1_000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_webvtt_wants_them() {
        assert_eq!(time(0), "00:00:00.000");
        assert_eq!(time(3_725_040), "01:02:05.040");
        assert_eq!(time(360_000_000), "100:00:00.000");
    }
}
