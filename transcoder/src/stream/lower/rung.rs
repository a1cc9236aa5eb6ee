//! One lower rendition: a rung's pictures, fitted into the source's segments.
//!
//! Owns when it joins, its gaps and what of it is listed. It follows at a distance and is never waited for. It joins at a
//! segment's start, so that it has whole segments; when its pictures break off for long, the segments in between are listed
//! as `EXT-X-GAP` with the source's durations, so numbers, dates and boundaries stay the same everywhere.

use bytes::Bytes;
use media::Sample;
use media::cmaf::TrackConfig;
use media::codec::AvcConfig;
use media::playlist::RenditionReport;
use media::segmenter::{Role, Segmenter, SegmenterConfig};

use super::super::publisher::{Cutting, LAG_SEGMENTS_MAX, Lane, Pace, Publisher};
use super::super::rendition::{Rendition, Shop};

/// A hole in the pictures from which on the segment is given up, in 90 kHz.
const HOLE_TICKS_MAX: i64 = 45_000;
/// Key frames that may pass without one standing at a segment's start, before the rendition joins within a segment.
const MISSED_KEYS_MAX: u32 = 3;
/// While it is away, its gaps are listed this many segments behind the source: the child may be back before.
const GAP_LAG_SEGMENTS: u64 = 2;
/// Decode times of the child may lie this far from a segment's start and still be it.
const SAME_MOMENT_TICKS: i64 = 900;

pub(crate) struct Follower {
    name: &'static str,
    cutting: Cutting,
    lane: Option<Lane>,
    track: Option<AvcConfig>,
    /// Whether pictures go into segments; otherwise it waits for a segment's start.
    is_running: bool,
    /// Whether pictures of it are expected.
    is_wanted: bool,
    last_dts: i64,
    frame_ticks: i64,
    missed_keys: u32,
    first_init: u32,
}

impl Follower {
    pub(super) fn new(name: &'static str, cutting: Cutting, first_init: u32) -> Self {
        Self {
            name,
            cutting,
            lane: None,
            track: None,
            is_running: false,
            is_wanted: true,
            last_dts: 0,
            frame_ticks: 0,
            missed_keys: 0,
            first_init,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn want(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
    }

    pub(crate) fn rendition(&self) -> Option<&Rendition> {
        self.lane.as_ref().map(|lane| &lane.rendition)
    }

    /// Whether the multivariant playlist should name it.
    pub(crate) fn is_offered(&self) -> bool {
        self.is_wanted && self.lane.as_ref().is_some_and(|lane| lane.rendition.has_begun())
    }

    /// Time from picture to picture, in 90 kHz; 0 when unknown.
    pub(crate) fn frame_ticks(&self) -> i64 {
        self.frame_ticks
    }

    /// Takes a picture. True when that published something.
    pub(super) fn take(
        &mut self,
        dts: i64,
        pts: i64,
        is_sync: bool,
        data: Bytes,
        shop: &mut Shop,
        pace: &Pace,
    ) -> bool {
        let cts = i32::try_from(pts - dts).unwrap_or(0);
        self.push(Sample { dts, cts, duration: 0, is_sync, data }, shop, pace)
    }

    pub(super) fn configure(&mut self, codec_data: &[u8], shop: &mut Shop, pace: &Pace) {
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

    fn push(&mut self, mut sample: Sample, shop: &mut Shop, pace: &Pace) -> bool {
        let Some(avc) = &self.track else { return false };
        sample.data = avc.clean(&sample.data).data;
        if self.is_running && sample.dts - self.last_dts > HOLE_TICKS_MAX {
            self.abandon(shop, pace);
        }
        if !self.is_running && !self.join(&sample, shop, pace) {
            return false;
        }
        if !sample.is_sync {
            // A key frame may come early where the source has more pictures than the rung.
            self.frame_ticks = sample.dts - self.last_dts;
        }
        self.last_dts = sample.dts;
        let Some(lane) = &mut self.lane else { return false };
        let outputs = lane.segmenter.push(sample);
        if outputs.is_empty() {
            return false;
        }
        Publisher::follow(lane, outputs, shop, pace);
        true
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
    pub(super) fn abandon(&mut self, shop: &mut Shop, pace: &Pace) {
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
    pub(super) fn leader_cut(&mut self, shop: &mut Shop, pace: &Pace) {
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
    pub(super) fn close(&mut self, shop: &mut Shop, pace: &Pace) {
        let was_running = std::mem::take(&mut self.is_running);
        let Some(lane) = &mut self.lane else { return };
        if was_running {
            // Its last segment may be short, as the source's is; one before it that is not whole is a gap.
            let is_behind = lane.segmenter.msn() + 1 < pace.open_msn;
            let outputs = if is_behind {
                lane.segmenter.restart_at(pace.open_msn, i64::MAX, None)
            } else {
                lane.segmenter.discontinuity(None, Some(pace.open_msn))
            };
            Publisher::follow(lane, outputs, shop, pace);
        }
        Publisher::fill_up(lane, pace.open_msn, shop, pace);
    }

    /// A new period of the source has begun; the old one was closed before.
    pub(super) fn begin_period(&mut self) {
        self.missed_keys = 0;
        self.is_running = false;
    }

    /// Whether readers have not seen the newest yet.
    pub(super) fn is_dirty(&self) -> bool {
        self.rendition().is_some_and(Rendition::is_dirty)
    }

    pub(super) fn hang_out(&mut self, reports: Vec<RenditionReport>, shop: &Shop, pace: &Pace) {
        let Some(lane) = &mut self.lane else { return };
        if self.is_running {
            let cut = pace.cut_after(lane.segmenter.msn());
            lane.rendition.set_hint(&lane.segmenter, cut);
        } else {
            lane.rendition.clear_hint();
        }
        lane.rendition.hang_out(reports, shop);
    }

    pub(super) fn end(&mut self) {
        if let Some(lane) = &mut self.lane {
            lane.rendition.end();
        }
    }
}
