//! What the parent keeps about one living child: what is still to be written to it, and how long it has been silent.
//!
//! Pure: no process, no clock. `supervisor` performs the reading, writing and killing.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use media::codec::VideoCodec;
use tokio::time::Instant;

use super::TICKS_PER_SECOND;
use super::wire::Unit;

/// Most access units that wait for a child: what is replayed and some seconds of what came meanwhile.
const BACKLOG_UNITS_MAX: usize = 480;
/// Most bytes that wait for a child.
const BACKLOG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A child that is further behind than this skips to the newest key frame.
const LAG_TICKS_MAX: i64 = 6 * TICKS_PER_SECOND;
/// Silence after which a child that is being fed is taken for hung: below 3 parts + 2 s for parts of 100 ms and more.
const SILENCE_MAX: Duration = Duration::from_millis(2_200);
/// Pictures a decoder may hold back legally (H.264 A.3.1, H.265 A.4.2: sixteen), each silent without being hung.
const HELD_PICTURES_MAX: usize = 16;
/// The same when only key frames are decoded: in H.264 and AV1 each bumps out the one before. In HEVC they may be CRA pictures,
/// which bump out nothing.
const HELD_KEY_PICTURES_MAX: usize = 3;

/// Access units and other frames on their way into the child.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    queue: VecDeque<Outgoing>,
    units: usize,
    bytes: usize,
    is_skipping: bool,
}

#[derive(Debug)]
struct Outgoing {
    rest: Chain<Bytes, Bytes>,
    len: usize,
    /// Set for access units; other frames are never skipped.
    dts: Option<i64>,
}

impl Outgoing {
    fn is_started(&self) -> bool {
        self.rest.remaining() < self.len
    }
}

impl Backlog {
    /// Queues a frame that must not be skipped.
    pub(super) fn push_frame(&mut self, frame: Bytes) {
        self.push(frame, Bytes::new(), None);
    }

    /// Queues an access unit, or drops it until the next key frame when the child is too slow. Says whether it queued.
    pub(super) fn push_unit(&mut self, unit: &Unit) -> bool {
        if unit.is_sync {
            if self.lag(unit.dts) > LAG_TICKS_MAX {
                self.skip_ahead();
            }
            self.is_skipping = false;
        }
        let is_full = self.units >= BACKLOG_UNITS_MAX || self.bytes + unit.data.len() > BACKLOG_BYTES_MAX;
        if self.is_skipping || (is_full && self.units > 0) {
            self.is_skipping = true;
            return false;
        }
        self.push(unit.header(), unit.data.clone(), Some(unit.dts));
        true
    }

    /// What is to be written next.
    pub(super) fn front(&mut self) -> Option<&mut impl Buf> {
        self.queue.front_mut().map(|outgoing| &mut outgoing.rest)
    }

    /// Forgets the front once it was written whole.
    pub(super) fn advance(&mut self) {
        if self.queue.front().is_some_and(|front| !front.rest.has_remaining())
            && let Some(done) = self.queue.pop_front()
        {
            self.forget(&done);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn push(&mut self, head: Bytes, data: Bytes, dts: Option<i64>) {
        let rest = head.chain(data);
        let len = rest.remaining();
        self.bytes += len;
        self.units += usize::from(dts.is_some());
        self.queue.push_back(Outgoing { rest, len, dts });
    }

    fn forget(&mut self, outgoing: &Outgoing) {
        self.bytes -= outgoing.len;
        self.units -= usize::from(outgoing.dts.is_some());
    }

    fn lag(&self, newest_dts: i64) -> i64 {
        let oldest = self.queue.iter().find_map(|outgoing| outgoing.dts);
        oldest.map_or(0, |oldest| newest_dts.saturating_sub(oldest))
    }

    fn skip_ahead(&mut self) {
        self.queue.retain(|outgoing| outgoing.dts.is_none() || outgoing.is_started());
        self.units = self.queue.iter().filter(|outgoing| outgoing.dts.is_some()).count();
        self.bytes = self.queue.iter().map(|outgoing| outgoing.len).sum();
    }
}

/// Notices a child that takes media and gives nothing.
#[derive(Debug)]
pub(super) struct Watchdog {
    held_max: usize,
    unanswered: usize,
    since: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(codec: VideoCodec, encode: bool) -> Self {
        let has_all = encode || codec == VideoCodec::Hevc;
        let held_max = if has_all { HELD_PICTURES_MAX } else { HELD_KEY_PICTURES_MAX };
        Self { held_max, unanswered: 0, since: None }
    }

    pub(super) fn fed(&mut self, now: Instant) {
        self.unanswered += 1;
        self.since.get_or_insert(now);
    }

    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
        self.since = None;
    }

    /// Starts counting anew, without forgiving what is unanswered: the child was not able to answer before `now`.
    pub(super) fn restart(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }

    /// When the child is to be killed if it stays silent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.filter(|_| self.unanswered > self.held_max).map(|since| since + SILENCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(dts: i64, is_sync: bool) -> Unit {
        Unit { dts, pts: dts, is_sync, data: Bytes::from_static(b"data") }
    }

    fn write(backlog: &mut Backlog, len: usize) {
        backlog.front().expect("something to write").advance(len);
        backlog.advance();
    }

    fn drain(backlog: &mut Backlog) -> Vec<i64> {
        let mut written = Vec::new();
        while let Some(front) = backlog.queue.front() {
            written.extend(front.dts);
            let len = front.rest.remaining();
            write(backlog, len);
        }
        written
    }

    #[test]
    fn a_full_backlog_drops_until_a_key_frame_finds_room() {
        let mut backlog = Backlog::default();
        assert!(backlog.push_unit(&unit(0, true)));
        for at in 1..BACKLOG_UNITS_MAX as i64 {
            assert!(backlog.push_unit(&unit(at, false)));
        }
        assert!(!backlog.push_unit(&unit(1_000, false)));
        drain(&mut backlog);
        assert!(!backlog.push_unit(&unit(1_001, false)), "its predecessors are lost");
        assert!(backlog.push_unit(&unit(1_002, true)));
        assert_eq!(drain(&mut backlog), [1_002]);
        assert_eq!((backlog.units, backlog.bytes), (0, 0));
    }

    #[test]
    fn a_child_far_behind_skips_to_the_key_frame_but_not_in_the_middle_of_a_unit() {
        let mut backlog = Backlog::default();
        backlog.push_unit(&unit(0, true));
        backlog.push_unit(&unit(1, false));
        write(&mut backlog, 3);
        backlog.push_unit(&unit(LAG_TICKS_MAX, true));
        backlog.push_unit(&unit(LAG_TICKS_MAX + 1, true));
        assert_eq!(drain(&mut backlog), [0, LAG_TICKS_MAX + 1]);
        assert_eq!((backlog.units, backlog.bytes), (0, 0));
    }

    #[test]
    fn pictures_a_decoder_may_hold_back_do_not_make_it_hung() {
        let mut watchdog = Watchdog::new(VideoCodec::Avc, true);
        let start = Instant::now();
        for _ in 0..HELD_PICTURES_MAX {
            watchdog.fed(start);
        }
        assert_eq!(watchdog.deadline(), None);
        watchdog.fed(start + Duration::from_secs(1));
        assert_eq!(watchdog.deadline(), Some(start + SILENCE_MAX));
        watchdog.restart(start + Duration::from_secs(2));
        assert_eq!(watchdog.deadline(), Some(start + Duration::from_secs(2) + SILENCE_MAX));
        watchdog.answered();
        assert_eq!(watchdog.deadline(), None);
    }

    #[test]
    fn the_watch_dog_keeps_the_promise_for_the_shortest_parts() {
        assert!(SILENCE_MAX <= Duration::from_millis(3 * 100 + 2_000));
    }
}
