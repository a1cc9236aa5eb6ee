//! What a journal says, added up: which segments are open, closed, stored, and which numbers are taken.
//!
//! Pure. The writer applies each line it writes, recovery each line it reads, so the two cannot come to different views.

use std::collections::{BTreeMap, BTreeSet};

use super::handle::{RecordingInfo, RenditionInfo};
use super::journal::{Head, Line};

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Book {
    pub(super) info: RecordingInfo,
    pub(super) renditions: BTreeMap<String, Shelf>,
    pub(super) next_msn: u64,
    pub(super) next_init: u32,
    /// Discontinuities before what the shelves have counted.
    pub(super) discontinuities_before: u64,
    pub(super) is_ended: bool,
}

/// One rendition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shelf {
    pub(super) info: Option<RenditionInfo>,
    /// Init segments that are not stored yet.
    pub(super) inits: BTreeSet<u32>,
    pub(super) open: Option<OpenSegment>,
    /// Complete segments that are not stored yet.
    pub(super) closed: BTreeMap<u64, ClosedSegment>,
    discontinuities: u64,
}

impl Shelf {
    /// Whether a file holds something that is not stored yet.
    pub(super) fn waits_in(&self, roll: u32) -> bool {
        let is_open = self.open.as_ref().is_some_and(|open| open.head.spot.roll == roll);
        is_open || self.closed.values().any(|closed| closed.head.spot.roll == roll)
    }

    /// The files that hold something that is not stored yet.
    pub(super) fn rolls(&self) -> BTreeSet<u32> {
        let heads = self.closed.values().map(|closed| &closed.head).chain(self.open.iter().map(|open| &open.head));
        heads.map(|head| head.spot.roll).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenSegment {
    pub(super) msn: u64,
    pub(super) head: Head,
    /// Length in bytes and duration in microseconds of each whole part.
    pub(super) parts: Vec<(u64, u64)>,
}

impl OpenSegment {
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.0).sum()
    }

    pub(super) fn duration_us(&self) -> u64 {
        self.parts.iter().map(|part| part.1).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClosedSegment {
    pub(super) head: Head,
    pub(super) bytes: u64,
    pub(super) duration_us: u64,
}

impl Shelf {
    fn waiting_discontinuities(&self) -> u64 {
        let heads = self.closed.values().map(|closed| &closed.head).chain(self.open.iter().map(|open| &open.head));
        u64::try_from(heads.filter(|head| head.disc).count()).unwrap_or(0)
    }
}

impl Book {
    pub(super) fn new(info: RecordingInfo) -> Self {
        Self {
            info,
            renditions: BTreeMap::new(),
            next_msn: 0,
            next_init: 0,
            discontinuities_before: 0,
            is_ended: false,
        }
    }

    /// Reads a journal. `None` when it does not even say whose it is.
    pub(super) fn replay(lines: &[Line]) -> Option<Self> {
        let info = lines.iter().find_map(|line| match line {
            Line::Start { info } => Some(info.clone()),
            _ => None,
        })?;
        let mut book = Self::new(info);
        for line in lines {
            book.apply(line);
        }
        Some(book)
    }

    pub(super) fn apply(&mut self, line: &Line) {
        match line {
            Line::Start { .. } => {}
            Line::Floor { msn, init, discontinuities } => {
                self.next_msn = self.next_msn.max(*msn);
                self.next_init = self.next_init.max(*init);
                self.discontinuities_before = self.discontinuities_before.max(*discontinuities);
            }
            Line::Rendition { info } => self.shelf(&info.name).info = Some(info.clone()),
            Line::Init { r, no } => {
                self.shelf(r).inits.insert(*no);
                self.next_init = self.next_init.max(no.saturating_add(1));
            }
            Line::Part { r, msn, len, us, head } => self.apply_part(r, *msn, (*len, *us), head.as_ref()),
            Line::Closed { r, msn, us } => {
                let shelf = self.shelf(r);
                if let Some(open) = shelf.open.take_if(|open| open.msn == *msn) {
                    let closed = ClosedSegment { bytes: open.bytes(), duration_us: *us, head: open.head };
                    shelf.closed.insert(*msn, closed);
                }
            }
            Line::Dropped { r, msn } => {
                let shelf = self.shelf(r);
                shelf.open.take_if(|open| open.msn == *msn);
                shelf.closed.remove(msn);
            }
            Line::Stored { r, msn } => {
                self.shelf(r).closed.remove(msn);
            }
            Line::InitStored { r, no } => {
                self.shelf(r).inits.remove(no);
            }
            Line::Ended => self.is_ended = true,
        }
    }

    fn apply_part(&mut self, rendition: &str, msn: u64, part: (u64, u64), head: Option<&Head>) {
        self.next_msn = self.next_msn.max(msn.saturating_add(1));
        let shelf = self.shelf(rendition);
        match (&mut shelf.open, head) {
            (Some(open), None) if open.msn == msn => open.parts.push(part),
            (open, Some(head)) => {
                // Recovery says the head again when it cuts a segment short.
                let is_new = open.as_ref().is_none_or(|open| open.msn != msn);
                shelf.discontinuities += u64::from(head.disc && is_new);
                shelf.open = Some(OpenSegment { msn, head: head.clone(), parts: vec![part] });
            }
            // The line that had the head is torn: what follows cannot be placed.
            (_, None) => {}
        }
    }

    pub(super) fn discontinuities(&self) -> u64 {
        let counted = self.renditions.values().map(|shelf| shelf.discontinuities).max().unwrap_or(0);
        self.discontinuities_before + counted
    }

    /// Whether anything lies here that is not stored.
    pub(super) fn waits(&self) -> bool {
        self.renditions.values().any(|shelf| shelf.open.is_some() || !shelf.closed.is_empty())
    }

    /// The shortest journal that says the same.
    pub(super) fn compact(&self) -> Vec<Line> {
        // Those of segments that are still here are counted again when they are read.
        let counted_again = self.renditions.values().map(Shelf::waiting_discontinuities).max().unwrap_or(0);
        let discontinuities = self.discontinuities().saturating_sub(counted_again);
        let mut lines = vec![
            Line::Start { info: self.info.clone() },
            Line::Floor { msn: self.next_msn, init: self.next_init, discontinuities },
        ];
        for (name, shelf) in &self.renditions {
            let r = || name.clone();
            lines.extend(shelf.info.iter().map(|info| Line::Rendition { info: info.clone() }));
            lines.extend(shelf.inits.iter().map(|no| Line::Init { r: r(), no: *no }));
            for (msn, closed) in &shelf.closed {
                let us = closed.duration_us;
                let head = Some(closed.head.clone());
                lines.push(Line::Part { r: r(), msn: *msn, len: closed.bytes, us, head });
                lines.push(Line::Closed { r: r(), msn: *msn, us });
            }
            if let Some(open) = &shelf.open {
                let mut head = Some(open.head.clone());
                for (len, us) in &open.parts {
                    lines.push(Line::Part { r: r(), msn: open.msn, len: *len, us: *us, head: head.take() });
                }
            }
        }
        if self.is_ended {
            lines.push(Line::Ended);
        }
        lines
    }

    fn shelf(&mut self, rendition: &str) -> &mut Shelf {
        self.renditions.entry(rendition.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::Spot;
    use super::*;
    use domain::{StreamId, VodId};

    fn book() -> Book {
        Book::new(RecordingInfo {
            stream_id: StreamId::from_uuid(kit::ids::uuid()),
            vod_id: VodId::from_uuid(kit::ids::uuid()),
            username: "alice".to_owned(),
        })
    }

    fn part(msn: u64, is_first: bool, disc: bool) -> Line {
        let head =
            Head { at: kit::clock::now(), init: 0, disc, key: true, pts: None, iframe: None, spot: Spot::default() };
        Line::Part { r: "source".to_owned(), msn, len: 100, us: 200_000, head: is_first.then_some(head) }
    }

    #[test]
    fn a_segment_opens_with_its_first_part_and_closes_with_what_it_has() {
        let mut book = book();
        book.apply(&part(4, true, false));
        book.apply(&part(4, false, false));
        assert_eq!(book.renditions["source"].open.as_ref().map(OpenSegment::bytes), Some(200));
        book.apply(&Line::Closed { r: "source".to_owned(), msn: 4, us: 410_000 });
        let closed = &book.renditions["source"].closed[&4];
        assert_eq!((closed.bytes, closed.duration_us, book.next_msn), (200, 410_000, 5));
        book.apply(&Line::Stored { r: "source".to_owned(), msn: 4 });
        assert!(book.renditions["source"].closed.is_empty());
        assert_eq!(book.next_msn, 5, "a stored segment's number stays taken");
    }

    #[test]
    fn parts_whose_head_is_torn_are_not_placed() {
        let mut book = book();
        book.apply(&part(4, false, false));
        assert_eq!(book.renditions["source"].open, None);
        assert_eq!(book.next_msn, 5);
    }

    #[test]
    fn a_compacted_journal_says_what_the_long_one_said() {
        let mut book = book();
        book.apply(&Line::Init { r: "source".to_owned(), no: 2 });
        for msn in 0..5 {
            book.apply(&part(msn, true, msn == 2));
            book.apply(&part(msn, false, false));
            book.apply(&Line::Closed { r: "source".to_owned(), msn, us: 400_000 });
            if msn < 3 {
                book.apply(&Line::Stored { r: "source".to_owned(), msn });
            }
        }
        book.apply(&part(5, true, true));
        book.apply(&part(5, false, false));
        book.apply(&Line::Ended);
        let again = Book::replay(&book.compact()).expect("it begins with a start");
        assert_eq!(again.renditions["source"].open, book.renditions["source"].open);
        assert_eq!(again.renditions["source"].closed.keys().collect::<Vec<_>>(), [&3, &4]);
        assert_eq!((again.next_msn, again.next_init, again.is_ended), (6, 3, true));
        assert_eq!((again.discontinuities(), book.discontinuities()), (2, 2));
    }
}
