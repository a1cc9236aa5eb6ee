//! The lower rendition: what the GStreamer child sends back, fitted into the source's segments.
//!
//! Owns when it joins, what happens when its child dies, and its gaps. It follows at a distance and is never waited for.
//! It joins at a segment's start, so that it has whole segments; when its pictures break off for long, the segments in
//! between are listed as `EXT-X-GAP` with the source's durations, so numbers, dates and boundaries stay the same everywhere.

use bytes::Bytes;
use media::cmaf::TrackConfig;
use media::codec::AvcConfig;
use media::playlist::RenditionReport;
use media::segmenter::{Role, Segmenter, SegmenterConfig};
use media::{Sample, VIDEO_TIMESCALE};
use tokio::sync::mpsc;

use super::publisher::{Cutting, LAG_SEGMENTS_MAX, Lane, Pace, Publisher};
use super::rendition::{Rendition, Shop};
use crate::worker::{Permit, WorkerEvent, WorkerInput};

/// A hole in the pictures from which on the segment is given up, in 90 kHz.
const HOLE_TICKS_MAX: i64 = 45_000;
/// Key frames that may pass without one standing at a segment's start, before the rendition joins within a segment.
const MISSED_KEYS_MAX: u32 = 3;
/// While it is away, its gaps are listed this many segments behind the source: the child may be back before.
const GAP_LAG_SEGMENTS: u64 = 2;
/// Decode times of the child may lie this far from a segment's start and still be it.
const SAME_MOMENT_TICKS: i64 = 900;

/// What came of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    /// Something was published.
    News,
    Thumbnail(Bytes),
    /// The child will not come back.
    Over,
}

pub(crate) struct Lower {
    name: &'static str,
    cutting: Cutting,
    input: Option<WorkerInput>,
    events: Option<mpsc::Receiver<WorkerEvent>>,
    permit: Option<Permit>,
    lane: Option<Lane>,
    track: Option<AvcConfig>,
    /// Whether pictures go into segments; otherwise it waits for a segment's start.
    is_running: bool,
    is_over: bool,
    last_dts: i64,
    missed_keys: u32,
    first_init: u32,
    may_encode: bool,
}

impl Lower {
    /// `may_encode`: the machine has room for the rendition, not only for thumbnails.
    pub(crate) fn new(name: &'static str, cutting: Cutting, first_init: u32, may_encode: bool) -> Self {
        Self {
            name,
            cutting,
            input: None,
            events: None,
            permit: None,
            lane: None,
            track: None,
            is_running: false,
            is_over: false,
            last_dts: 0,
            missed_keys: 0,
            first_init,
            may_encode,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Connects a child. One that was there before is let go.
    pub(crate) fn attach(&mut self, input: WorkerInput, events: mpsc::Receiver<WorkerEvent>, permit: Option<Permit>) {
        (self.input, self.events, self.is_over) = (Some(input), Some(events), false);
        if permit.is_some() {
            self.permit = permit;
        }
    }

    /// Whether CPU is set aside for this stream.
    pub(crate) fn has_permit(&self) -> bool {
        self.permit.is_some()
    }

    pub(crate) fn may_encode(&self) -> bool {
        self.may_encode
    }

    /// Whether the child may have last pictures to give.
    pub(crate) fn is_draining(&self) -> bool {
        self.events.is_some()
    }

    pub(crate) fn has_child(&self) -> bool {
        self.input.is_some()
    }

    /// Gives up the child and the CPU that was set aside for it.
    pub(crate) fn release(&mut self) {
        (self.input, self.events, self.permit) = (None, None, None);
    }

    /// No more input: the child gives its last pictures and goes.
    pub(crate) fn finish_input(&mut self) {
        self.input = None;
    }

    pub(crate) fn rendition(&self) -> Option<&Rendition> {
        self.lane.as_ref().map(|lane| &lane.rendition)
    }

    /// Whether the multivariant playlist should name it.
    pub(crate) fn is_offered(&self) -> bool {
        !self.is_over && self.lane.as_ref().is_some_and(|lane| lane.rendition.has_begun())
    }

    pub(crate) fn offer(&mut self, sample: &Sample) {
        if let Some(input) = &mut self.input {
            input.offer(sample.dts, sample.pts(), sample.is_sync, sample.data.clone());
        }
    }

    /// The child's next event; never, without a child.
    pub(crate) async fn next(&mut self) -> Option<WorkerEvent> {
        match &mut self.events {
            Some(events) => events.recv().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn take(&mut self, event: Option<WorkerEvent>, shop: &mut Shop, pace: &Pace) -> Came {
        match event {
            Some(WorkerEvent::Config { codec_data }) => {
                self.configure(&codec_data, shop, pace);
                Came::Nothing
            }
            Some(WorkerEvent::Unit { dts, pts, is_sync, data }) => {
                let cts = i32::try_from(pts - dts).unwrap_or(0);
                self.push(Sample { dts, cts, duration: 0, is_sync, data }, shop, pace)
            }
            Some(WorkerEvent::Thumbnail(jpeg)) => Came::Thumbnail(jpeg),
            // It comes back by itself; whether its pictures left a hole shows then.
            Some(WorkerEvent::Lost { .. }) => Came::Nothing,
            Some(WorkerEvent::GaveUp { .. }) => {
                self.release();
                self.is_over = true;
                self.abandon(shop, pace);
                Came::Over
            }
            None => {
                (self.input, self.events) = (None, None);
                Came::Nothing
            }
        }
    }

    fn configure(&mut self, codec_data: &[u8], shop: &mut Shop, pace: &Pace) {
        let Ok(avc) = AvcConfig::parse(codec_data) else {
            tracing::warn!("the GStreamer process sent a picture format that cannot be read");
            return;
        };
        if self.track.as_ref().is_some_and(|known| known.record != avc.record) {
            // Another init segment can only begin with a segment.
            self.abandon(shop, pace);
        }
        self.track = Some(avc);
    }

    fn push(&mut self, mut sample: Sample, shop: &mut Shop, pace: &Pace) -> Came {
        let Some(avc) = &self.track else { return Came::Nothing };
        sample.data = avc.clean(&sample.data).data;
        if self.is_running && sample.dts - self.last_dts > HOLE_TICKS_MAX {
            self.abandon(shop, pace);
        }
        if !self.is_running && !self.join(&sample, shop, pace) {
            return Came::Nothing;
        }
        self.last_dts = sample.dts;
        let Some(lane) = &mut self.lane else { return Came::Nothing };
        let outputs = lane.segmenter.push(sample);
        if outputs.is_empty() {
            return Came::Nothing;
        }
        Publisher::follow(lane, outputs, shop, pace);
        Came::News
    }

    /// Tries to begin a segment with `sample`.
    fn join(&mut self, sample: &Sample, shop: &mut Shop, pace: &Pace) -> bool {
        if !sample.is_sync {
            return false;
        }
        let pts = sample.pts();
        let exact = pace.starts.iter().find(|(_, start)| (start - pts).abs() <= SAME_MOMENT_TICKS);
        let within = || pace.starts.iter().rev().find(|(_, start)| *start <= pts + SAME_MOMENT_TICKS);
        let found = exact.or_else(|| within().filter(|_| self.missed_keys >= MISSED_KEYS_MAX));
        let listed = self.lane.as_ref().map_or(0, |lane| lane.rendition.next_msn());
        let is_broken = self
            .lane
            .as_ref()
            .is_some_and(|lane| lane.rendition.playlist.last_part().is_some_and(|part| part.msn == listed));
        let first = listed + u64::from(is_broken);
        let (Some((msn, start)), Some(avc)) = (found.copied().filter(|(msn, _)| *msn >= first), self.track.clone())
        else {
            self.missed_keys += 1;
            return false;
        };
        self.missed_keys = 0;
        let track = TrackConfig::Video(avc.into());
        match &mut self.lane {
            Some(lane) => {
                Publisher::fill_up(lane, msn, shop, pace);
                lane.rendition.use_track(track, shop);
                lane.rendition.begin_period();
                let _nothing_pending = lane.segmenter.restart_at(msn, start.min(pts), None);
            }
            None => {
                let segmenter = Segmenter::new(SegmenterConfig {
                    part_ms: self.cutting.part_ms,
                    segment_ms: self.cutting.segment_ms,
                    target_duration_s: shop.target_duration_s,
                    track: track.clone(),
                    role: Role::Follower,
                    first_msn: msn,
                    starts_at_pts: Some(start.min(pts)),
                });
                let rendition = Rendition::new(self.name, track, msn, self.first_init, shop);
                self.lane = Some(Lane { rendition, segmenter, role: Role::Follower });
            }
        }
        self.is_running = true;
        if let Some(lane) = &mut self.lane {
            // The source is ahead: its later cuts are due here too.
            for (_, pts) in pace.starts.iter().filter(|(later, _)| *later > msn) {
                let outputs = lane.segmenter.cut_at(*pts);
                Publisher::follow(lane, outputs, shop, pace);
            }
        }
        true
    }

    /// The pictures broke off: what is pending goes out, and the segment will be listed as a gap.
    fn abandon(&mut self, shop: &mut Shop, pace: &Pace) {
        self.missed_keys = 0;
        if !std::mem::take(&mut self.is_running) {
            return;
        }
        if let Some(lane) = &mut self.lane {
            let outputs = lane.segmenter.restart_at(0, i64::MAX, None);
            Publisher::follow(lane, outputs, shop, pace);
        }
    }

    /// The source has begun a new segment.
    pub(crate) fn leader_cut(&mut self, shop: &mut Shop, pace: &Pace) {
        let is_running = self.is_running;
        let Some(lane) = &mut self.lane else { return };
        if is_running {
            if let Some((_, pts)) = pace.starts.back() {
                let outputs = lane.segmenter.cut_at(*pts);
                Publisher::follow(lane, outputs, shop, pace);
            }
            if lane.segmenter.msn() + LAG_SEGMENTS_MAX < pace.open_msn {
                self.abandon(shop, pace);
            }
        } else {
            Publisher::fill_up(lane, pace.open_msn.saturating_sub(GAP_LAG_SEGMENTS), shop, pace);
        }
    }

    /// The source's period has ended for good: nothing more of it will come.
    pub(crate) fn close(&mut self, shop: &mut Shop, pace: &Pace) {
        let was_running = std::mem::take(&mut self.is_running);
        let Some(lane) = &mut self.lane else { return };
        if was_running {
            let outputs = lane.segmenter.discontinuity(None, Some(pace.open_msn));
            Publisher::follow(lane, outputs, shop, pace);
        }
        Publisher::fill_up(lane, pace.open_msn, shop, pace);
    }

    /// A new period of the source has begun; the old one was closed before.
    pub(crate) fn begin_period(&mut self) {
        self.missed_keys = 0;
        self.is_running = false;
    }

    pub(crate) fn hang_out(&mut self, reports: Vec<RenditionReport>, shop: &Shop, pace: &Pace) {
        let Some(lane) = self.lane.as_mut().filter(|lane| lane.rendition.is_dirty()) else { return };
        if self.is_running {
            let cut = pace.cut_after(lane.segmenter.msn());
            lane.rendition.set_hint(&lane.segmenter, cut);
        } else {
            lane.rendition.clear_hint();
        }
        lane.rendition.hang_out(reports, shop);
    }

    pub(crate) fn end(&mut self) {
        self.release();
        if let Some(lane) = &mut self.lane {
            lane.rendition.end();
        }
    }
}

const _: () = assert!(VIDEO_TIMESCALE as i64 == crate::worker::TICKS_PER_SECOND);
