//! The small pictures along a recording, gathered into sheets that are stored as they fill.
//!
//! Nothing is decoded here: the child's pictures are put one below the other ([`media::strip`]). What a killed node had
//! not stored is missing from the storyboard, and from nothing else.

use bytes::Bytes;
use media::VIDEO_TIMESCALE;
use media::strip::{Strip, Tile};

use crate::record::Sheet;

/// Seconds between pictures at first.
pub(crate) const EVERY_S: u32 = 5;
/// After so many pictures they are taken half as often: an hour has 720, a day 3,500.
const TILES_PER_PACE: u32 = 720;
/// Most pictures of a sheet.
const TILES_MAX: usize = 40;
/// Pictures of the first sheet. The following have twice as many each, so that a short recording has them soon, and a long
/// one in few objects.
const TILES_FIRST: usize = 5;
/// A picture may be so much too early.
const EARLY_TICKS: i64 = VIDEO_TIMESCALE as i64;

/// Where a picture belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) msn: u64,
    /// From the segment's beginning.
    pub(crate) offset_ms: i32,
    /// On the stream's clock, in 90 kHz.
    pub(crate) pts: i64,
}

#[derive(Default)]
pub(crate) struct Storyboard {
    open: Option<(Strip, Vec<Place>)>,
    sheets: u32,
    tiles: u32,
    last: Option<Place>,
}

impl Storyboard {
    /// Takes a picture unless it comes too soon. A segment has one at most. `store` gets each sheet that is full.
    pub(crate) fn take(&mut self, place: Place, jpeg: &Bytes, store: &mut impl FnMut(Sheet, Bytes)) {
        if !self.is_due(place) {
            return;
        }
        let tile = match Tile::parse(jpeg) {
            Ok(tile) => tile,
            Err(error) => {
                tracing::debug!(%error, "a picture was left out");
                return;
            }
        };
        (self.last, self.tiles) = (Some(place), self.tiles.saturating_add(1));
        let other = match &mut self.open {
            Some((strip, places)) => {
                let other = strip.push(tile);
                if other.is_none() {
                    places.push(place);
                }
                other
            }
            None => Some(tile),
        };
        if let Some(tile) = other {
            self.finish(store);
            self.open = Some((Strip::new(tile), vec![place]));
        }
        if self.open.as_ref().is_some_and(|(_, places)| places.len() >= room(self.sheets)) {
            self.finish(store);
        }
    }

    fn is_due(&self, place: Place) -> bool {
        let every = (i64::from(VIDEO_TIMESCALE) * i64::from(EVERY_S)) << (self.tiles / TILES_PER_PACE).min(16);
        self.last.is_none_or(|last| place.msn > last.msn && (place.pts - last.pts).abs() >= every - EARLY_TICKS)
    }

    /// Stores what is there.
    pub(crate) fn finish(&mut self, store: &mut impl FnMut(Sheet, Bytes)) {
        let Some((strip, places)) = self.open.take() else { return };
        self.sheets = self.sheets.saturating_add(1);
        let (width, height, step) = strip.tile_size();
        let jpeg = Bytes::from(strip.jpeg());
        let number = |msn: u64| i64::try_from(msn).unwrap_or(i64::MAX);
        let sheet = Sheet {
            seq: places.first().map_or(0, |place| number(place.msn)),
            tile_width: i32::from(width),
            tile_height: i32::from(height),
            tile_step: i32::from(step),
            seqs: places.iter().map(|place| number(place.msn)).collect(),
            offsets_ms: places.iter().map(|place| place.offset_ms).collect(),
            byte_size: i64::try_from(jpeg.len()).unwrap_or(i64::MAX),
        };
        store(sheet, jpeg);
    }
}

fn room(sheets: u32) -> usize {
    (TILES_FIRST << sheets.min(8)).min(TILES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures that are taken of a stream of so many seconds with two-second segments and a picture every five.
    fn taken_in(seconds: i64) -> u32 {
        let mut storyboard = Storyboard::default();
        for second in (0..seconds).step_by(5) {
            let msn = u64::try_from(second / 2).expect("small");
            let place = Place { msn, offset_ms: 0, pts: second * i64::from(VIDEO_TIMESCALE) };
            if storyboard.is_due(place) {
                (storyboard.last, storyboard.tiles) = (Some(place), storyboard.tiles + 1);
            }
        }
        storyboard.tiles
    }

    #[test]
    fn pictures_lie_further_apart_the_longer_the_stream_lasts() {
        assert_eq!(taken_in(60), 12);
        assert_eq!(taken_in(3_600), 720);
        assert_eq!(taken_in(3 * 3_600), 1_440);
        assert!(taken_in(24 * 3_600) < 3_700, "{}", taken_in(24 * 3_600));
    }

    #[test]
    fn a_segment_has_one_picture_at_most() {
        let mut storyboard = Storyboard::default();
        let place = Place { msn: 4, offset_ms: 100, pts: 0 };
        assert!(storyboard.is_due(place));
        storyboard.last = Some(place);
        assert!(!storyboard.is_due(Place { pts: 10 * 90_000, ..place }));
        assert!(storyboard.is_due(Place { msn: 5, pts: 10 * 90_000, ..place }));
    }

    #[test]
    fn sheets_grow_to_their_full_size() {
        assert_eq!([0, 1, 2, 3, 4, 1_000].map(room), [5, 10, 20, 40, 40, 40]);
    }
}
