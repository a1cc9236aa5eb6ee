//! The renditions below the source, and the pictures along it: made of the same access units, cut where the source was cut.
//!
//! Pure but for what it asks the child. Nothing is left out and nothing is late: who feeds it waits for it.

use bytes::Bytes;
use domain::import::ImportFail;
use media::cmaf::TrackConfig;
use media::codec::AvcConfig;
use media::segmenter::Role;
use media::{Sample, VIDEO_TIMESCALE};

use super::packager::{Kind, Lane, Piece};
use crate::record::Sheet;
use crate::stream::storyboard::{Place, Storyboard};
use crate::worker::{Coded, Rung, Unit};

/// One rung on its way.
#[derive(Debug)]
struct Below {
    name: String,
    lane: Option<Lane>,
    config: Option<AvcConfig>,
    last_dts: i64,
    step: i64,
    frames: u64,
    first: Option<i64>,
}

/// What is to be stored besides segments.
#[derive(Debug)]
pub(super) enum Still {
    Thumbnail(Bytes),
    Sheet(Sheet, Bytes),
}

/// See the module's words.
pub(super) struct Lower {
    rungs: Vec<Below>,
    segment_ms: u32,
    /// Where each segment of the source begins, in presentation time.
    starts: Vec<i64>,
    storyboard: Storyboard,
    stills: Vec<Still>,
}

impl Lower {
    pub(super) fn new(rungs: &[Rung], segment_ms: u32) -> Self {
        let below = |rung: &Rung| Below {
            name: rung.name.clone(),
            lane: None,
            config: None,
            last_dts: 0,
            step: 0,
            frames: 0,
            first: None,
        };
        Self {
            rungs: rungs.iter().map(below).collect(),
            segment_ms,
            starts: vec![i64::MIN],
            storyboard: Storyboard::default(),
            stills: Vec::new(),
        }
    }

    /// The source was cut there, in 90 kHz.
    pub(super) fn cut(&mut self, pts: i64, out: &mut Vec<Piece>) {
        self.starts.push(pts);
        for lane in self.rungs.iter_mut().filter_map(|rung| rung.lane.as_mut()) {
            let outputs = lane.segmenter.cut_at(pts);
            lane.collect(outputs, out);
        }
    }

    /// Takes what the child gives.
    pub(super) fn take(&mut self, coded: Coded, out: &mut Vec<Piece>) -> Result<(), ImportFail> {
        match coded {
            Coded::Config { rung, codec_data } => self.configure(rung, &codec_data),
            Coded::Unit { rung, unit } => {
                self.push(rung, unit, out);
                Ok(())
            }
            Coded::Thumbnail(jpeg) => {
                self.stills.push(Still::Thumbnail(jpeg));
                Ok(())
            }
            Coded::Tile { pts, jpeg } => {
                let index = self.starts.partition_point(|start| *start <= pts).saturating_sub(1);
                let start = self.starts.get(index).copied().filter(|start| *start != i64::MIN).unwrap_or(0);
                let offset = (pts - start).max(0) / i64::from(VIDEO_TIMESCALE / 1_000);
                let place = Place { msn: index as u64, offset_ms: i32::try_from(offset).unwrap_or(0), pts };
                let stills = &mut self.stills;
                self.storyboard.take(place, &jpeg, &mut |sheet, jpeg| stills.push(Still::Sheet(sheet, jpeg)));
                Ok(())
            }
            Coded::Taken | Coded::Ended | Coded::Unable(_) => Ok(()),
        }
    }

    fn configure(&mut self, rung: usize, codec_data: &[u8]) -> Result<(), ImportFail> {
        let Some(below) = self.rungs.get_mut(rung) else { return Ok(()) };
        let config = AvcConfig::parse(codec_data).map_err(|_| ImportFail::Codec)?;
        if below.config.as_ref().is_some_and(|known| known.record != config.record) {
            return Err(ImportFail::FormatChanges);
        }
        if below.lane.is_none() {
            let track = TrackConfig::Video(config.clone().into());
            let mut lane = Lane::new(&below.name, track, Role::Follower, self.segment_ms);
            // The encoder is behind: the source has been cut before its first picture came back.
            for cut in self.starts.iter().skip(1) {
                let nothing = lane.segmenter.cut_at(*cut);
                lane.collect(nothing, &mut Vec::new());
            }
            below.lane = Some(lane);
        }
        below.config = Some(config);
        Ok(())
    }

    fn push(&mut self, rung: usize, unit: Unit, out: &mut Vec<Piece>) {
        let Some(below) = self.rungs.get_mut(rung) else { return };
        let (Some(config), Some(lane)) = (&below.config, &mut below.lane) else { return };
        let data = config.clean(&unit.data).data;
        if below.first.is_some() {
            below.step = unit.dts - below.last_dts;
        }
        below.last_dts = unit.dts;
        below.first.get_or_insert(unit.pts);
        below.frames += 1;
        let cts = i32::try_from(unit.pts - unit.dts).unwrap_or(0);
        let outputs = lane.segmenter.push(Sample { dts: unit.dts, cts, duration: 0, is_sync: unit.is_sync, data });
        lane.collect(outputs, out);
    }

    /// The last pictures have come.
    pub(super) fn finish(&mut self, out: &mut Vec<Piece>) {
        for lane in self.rungs.iter_mut().filter_map(|rung| rung.lane.as_mut()) {
            let outputs = lane.segmenter.finish();
            lane.collect(outputs, out);
        }
        let stills = &mut self.stills;
        self.storyboard.finish(&mut |sheet, jpeg| stills.push(Still::Sheet(sheet, jpeg)));
    }

    pub(super) fn stills(&mut self) -> Vec<Still> {
        std::mem::take(&mut self.stills)
    }

    /// The renditions there are, with their measured rates in frames per thousand seconds.
    pub(super) fn kinds(&self) -> Vec<(Kind, Option<u64>)> {
        let kind = |below: &Below| {
            let lane = below.lane.as_ref()?;
            let length = u64::try_from(below.last_dts + below.step - below.first?).ok().filter(|length| *length > 0)?;
            let rate = u128::from(below.frames) * u128::from(VIDEO_TIMESCALE) * 1_000 / u128::from(length);
            let kind = Kind { name: below.name.clone(), track: lane.segmenter.track().clone() };
            Some((kind, u64::try_from(rate).ok()))
        };
        self.rungs.iter().filter_map(kind).collect()
    }
}
