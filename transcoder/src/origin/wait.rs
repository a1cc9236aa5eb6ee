//! Waiting for what comes next: blocking playlist reloads and hinted parts (rfc8216bis 6.2.5).
//!
//! Owns how many may wait and for how long. A waiter holds a receiver and a turn, nothing else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use media::playlist::directives::Target;
use tokio::time::timeout;

use super::shelf::{Rack, Shelf, View};

/// Requests of one stream that may wait at a time.
const BLOCKED_PER_STREAM_MAX: usize = 50_000;
/// Requests of one address that may wait at a time: some thousand low-latency viewers, of a campus or of a proxy that does not
/// say for whom it asks, each with a playlist and a part of picture and sound.
const BLOCKED_PER_IP_MAX: u32 = 4_000;
/// A request waits for at most this many target durations.
const WAIT_TARGETS: u32 = 3;
/// How many segments ahead of the last finished one may be asked for.
const MSN_ADVANCE_MAX: u64 = 2;

/// Why a waiting request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the stream has not got that far in time")]
    Late,
    #[error("too many requests wait for this stream")]
    StreamFull,
    #[error("too many requests of this address wait")]
    AddressFull,
}

/// Counts waiters per address.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_ip: Mutex<HashMap<IpAddr, u32>>,
}

/// A waiter's place; given back when dropped, however the request ends.
struct Turn<'a> {
    waiters: &'a Waiters,
    shelf: &'a Shelf,
    ip: Option<IpAddr>,
}

impl Waiters {
    fn enter<'a>(&'a self, shelf: &'a Shelf, ip: Option<IpAddr>) -> Result<Turn<'a>, NoAnswer> {
        if let Some(ip) = ip {
            let mut by_ip = self.by_ip.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_ip.entry(ip).or_default();
            if *count >= BLOCKED_PER_IP_MAX {
                return Err(NoAnswer::AddressFull);
            }
            *count += 1;
        }
        let before = shelf.blocked.fetch_add(1, Ordering::AcqRel);
        metrics::gauge!("rillcast_origin_blocked").increment(1.0);
        let turn = Turn { waiters: self, shelf, ip };
        if before >= BLOCKED_PER_STREAM_MAX { Err(NoAnswer::StreamFull) } else { Ok(turn) }
    }

    /// The first view of `rack` that `is_there` accepts.
    pub(crate) async fn until(
        &self,
        shelf: &Shelf,
        rack: &Rack,
        ip: Option<IpAddr>,
        is_there: impl Fn(&View) -> bool,
    ) -> Result<Arc<View>, NoAnswer> {
        let mut views = rack.watch();
        let now = views.borrow_and_update().clone();
        if is_there(&now) {
            return Ok(now);
        }
        drop(now);
        let _turn = self.enter(shelf, ip)?;
        let wait = Duration::from_secs(u64::from(WAIT_TARGETS * shelf.target_duration_s));
        let arrival = async {
            loop {
                if views.changed().await.is_err() {
                    return None;
                }
                let view = views.borrow_and_update().clone();
                if is_there(&view) {
                    return Some(view);
                }
            }
        };
        timeout(wait, arrival).await.ok().flatten().ok_or(NoAnswer::Late)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.shelf.blocked.fetch_sub(1, Ordering::AcqRel);
        metrics::gauge!("rillcast_origin_blocked").decrement(1.0);
        let Some(ip) = self.ip else { return };
        let mut by_ip = self.waiters.by_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&ip);
            }
        }
    }
}

/// Whether a playlist request asks for something so far ahead that it is a mistake (rfc8216bis 6.2.5.2).
pub(crate) fn is_too_far(view: &View, target: Target) -> bool {
    if view.playlist.is_ended() {
        return false;
    }
    let last = view.open_msn.checked_sub(1);
    let msn_max = last.map_or(1, |last| last + MSN_ADVANCE_MAX);
    if target.msn > msn_max {
        return true;
    }
    let Some(part) = target.part else { return false };
    let newest = if target.msn < view.open_msn {
        // A part past the end of a finished segment means the next segment's first part.
        return false;
    } else if target.msn == view.open_msn {
        view.open_parts.len() as u64
    } else {
        0
    };
    part > newest + advance_part_limit(view.playlist.part_target_s())
}

/// Three parts, or as many as make three seconds when parts are shorter than one.
fn advance_part_limit(part_target_s: Option<f64>) -> u64 {
    match part_target_s {
        Some(target) if target < 1.0 => (3.0 / target.max(0.01)).ceil() as u64,
        _ => 3,
    }
}

/// Whether the playlist answers the request now.
pub(crate) fn has_reached(view: &View, target: Target) -> bool {
    let part = target.part.map(|part| u32::try_from(part).unwrap_or(u32::MAX));
    view.playlist.has_reached(target.msn, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::shelf::StreamInfo;
    use bytes::Bytes;
    use domain::user::Username;
    use domain::{StreamId, VodId};
    use media::playlist::{MediaPlaylist, PartLine, SegmentStart, SegmentTail};

    fn shelf() -> Shelf {
        let info = StreamInfo {
            stream_id: StreamId::from_uuid(kit::ids::uuid()),
            vod_id: VodId::from_uuid(kit::ids::uuid()),
            username: Username::parse("alice").unwrap(),
        };
        Shelf::new(info, 2)
    }

    /// Segments 0..=4 are finished with two parts each; segment 5 has `parts`.
    fn view(parts: usize) -> View {
        let mut playlist = MediaPlaylist::new(2, 6, 0);
        playlist.set_part_target(0.2);
        let part = PartLine { duration_s: 0.2, is_independent: false };
        let start =
            |msn| SegmentStart { msn, program_date_time_ms: 0, init: 0, is_discontinuity: false, starts_at_us: None };
        for msn in 0..5 {
            playlist.begin_segment(start(msn));
            playlist.push_part(part);
            playlist.push_part(part);
            playlist.end_segment(SegmentTail { duration_s: 0.4, is_gap: false, iframe_len: None });
        }
        playlist.begin_segment(start(5));
        (0..parts).for_each(|_| playlist.push_part(part));
        let mut view = View::new(playlist, 5);
        view.open_parts = vec![Bytes::new(); parts];
        view
    }

    fn target(msn: u64, part: impl Into<Option<u64>>) -> Target {
        Target { msn, part: part.into() }
    }

    #[test]
    fn two_segments_and_three_seconds_ahead_are_the_limit() {
        let view = view(2);
        assert!(!is_too_far(&view, target(6, None)));
        assert!(is_too_far(&view, target(7, None)));
        assert!(is_too_far(&view, target(u64::MAX, 0)));
        assert!(!is_too_far(&view, target(5, 17)));
        assert!(is_too_far(&view, target(5, 18)));
        assert!(is_too_far(&view, target(6, 16)));
        assert!(!is_too_far(&view, target(1, 99)), "an old number gets the present playlist");
    }

    #[test]
    fn what_is_there_is_answered_and_a_part_past_its_segment_means_the_next() {
        let (none, one) = (view(0), view(1));
        assert!(has_reached(&none, target(4, None)));
        assert!(!has_reached(&none, target(5, None)));
        assert!(has_reached(&none, target(4, 1)));
        assert!(!has_reached(&none, target(4, 2)));
        assert!(has_reached(&one, target(4, 2)));
        assert!(has_reached(&one, target(5, 0)));
        assert!(!has_reached(&one, target(5, 1)));
        assert!(has_reached(&none, target(0, u64::MAX)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_after_three_target_durations_and_gives_its_turn_back() {
        let (shelf, waiters) = (shelf(), Waiters::default());
        let rack = Rack::new("source", view(0));
        let ip = Some(IpAddr::from([192, 0, 2, 1]));
        let begin = tokio::time::Instant::now();
        let answer = waiters.until(&shelf, &rack, ip, |view| has_reached(view, target(5, 0))).await;
        assert_eq!(answer.err(), Some(NoAnswer::Late));
        assert_eq!(begin.elapsed(), Duration::from_secs(6));
        assert_eq!(shelf.blocked.load(Ordering::Acquire), 0);
        assert!(waiters.by_ip.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_gets_only_so_many_turns() {
        let (shelf, waiters) = (shelf(), Waiters::default());
        let ip = Some(IpAddr::from([192, 0, 2, 1]));
        let turns: Vec<_> =
            (0..BLOCKED_PER_IP_MAX).map(|_| waiters.enter(&shelf, ip).unwrap_or_else(|_| panic!("room"))).collect();
        assert_eq!(waiters.enter(&shelf, ip).err(), Some(NoAnswer::AddressFull));
        assert!(waiters.enter(&shelf, Some(IpAddr::from([192, 0, 2, 2]))).is_ok());
        drop(turns);
        assert!(waiters.enter(&shelf, ip).is_ok());
    }
}
