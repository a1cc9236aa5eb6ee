//! What becomes of each decoded picture: scaled once for each rung that takes it, and now and then a still picture.
//!
//! A rung is scaled from the next larger one that took the same picture, so that the whole source is read once. Runs on
//! the decoder's thread and waits for encoders that are behind, which is how the whole child slows down to the pace of
//! its slowest part.

use std::sync::Arc;
use std::time::Instant;

use gstreamer::{self as gst, ClockTime, FlowError, Fraction, glib};
use gstreamer_video::VideoInfo;

use super::super::wire::{self, Kind, Work, WorkRung};
use super::cadence::Cadence;
use super::pipeline::{Shared, caught};
use super::rungs::{Encoder, KEY};
use super::scale::Scaler;

/// Larger pictures are refused: twice what 2160p needs is a mistake or an attack.
const PIXELS_MAX: u64 = 2 * 3_840 * 2_160;
/// Longer side of a thumbnail, in pixels.
const THUMBNAIL_SIDE: u32 = 640;
/// The same of a storyboard's pictures.
const TILE_SIDE: u32 = 160;

/// Where decoded pictures go.
pub(super) struct Pictures {
    state: Arc<Shared>,
    caps: Option<gst::Caps>,
    source: Option<VideoInfo>,
    rungs: Vec<RungWork>,
    stills: Vec<Still>,
}

/// A picture by itself now and then.
struct Still {
    encoder: Encoder,
    scaler: Option<Scaler>,
    /// Longer side, in pixels.
    side: u32,
    every: ClockTime,
    due: ClockTime,
}

struct RungWork {
    plan: WorkRung,
    cadence: Cadence,
    encoder: Encoder,
    /// One for each size it was made from.
    scalers: Vec<Scaler>,
    /// A key frame of the source came whose picture has not been encoded, nor a later one.
    owes_key: bool,
    is_running: bool,
}

impl Pictures {
    pub(super) fn new(work: &Work, state: &Arc<Shared>) -> Result<Self, glib::BoolError> {
        let rungs = work.rungs.iter().enumerate().map(|(number, plan)| {
            let number = u8::try_from(number).map_err(|_| glib::bool_error!("too many rungs"))?;
            let cadence = Cadence::new(plan.rung.fps_max);
            let (width, height) = plan.rung.output_size(work.width, work.height);
            let rate = match work.frame_rate {
                (count @ 1.., seconds @ 1..) => {
                    (f64::from(count) / f64::from(seconds)).min(f64::from(plan.rung.fps_max))
                }
                _ => f64::from(plan.rung.fps_max),
            };
            let encoder = Encoder::video(number, &plan.rung, f64::from(width) * f64::from(height) * rate, state)?;
            Ok(RungWork {
                plan: plan.clone(),
                cadence,
                encoder,
                scalers: Vec::new(),
                owes_key: false,
                is_running: false,
            })
        });
        let mut stills = vec![Still::new(Kind::Thumbnail, THUMBNAIL_SIDE, work.thumbnail_every_s, state)?];
        if work.tile_every_s > 0 {
            stills.push(Still::new(Kind::Tile, TILE_SIDE, work.tile_every_s, state)?);
        }
        Ok(Self {
            rungs: rungs.collect::<Result<_, glib::BoolError>>()?,
            state: Arc::clone(state),
            caps: None,
            source: None,
            stills,
        })
    }

    /// Takes the next picture.
    pub(super) fn take(&mut self, sample: &gst::Sample) -> Result<(), FlowError> {
        let pts = caught(sample)?;
        self.take_at(sample, pts).map_err(|error| {
            let _ = self.state.output.send(Kind::Failed, error.to_string().as_bytes());
            FlowError::Error
        })
    }

    fn take_at(&mut self, sample: &gst::Sample, pts: ClockTime) -> Result<(), glib::BoolError> {
        self.learn_caps(sample)?;
        let (Some(picture), Some(source)) = (sample.buffer(), self.source.clone()) else { return Ok(()) };
        let is_key = self.state.is_key_due(pts);
        let running = self.state.running();
        for (number, rung) in self.rungs.iter_mut().enumerate() {
            rung.owes_key |= is_key;
            rung.run(running.has(number));
        }
        let ticks = self.state.timeline.to_ticks(pts);
        let mut larger: Option<(gst::Buffer, VideoInfo)> = None;
        for rung in &mut self.rungs {
            if !rung.takes(ticks, pts) {
                continue;
            }
            let (from, info) = match &larger {
                Some((picture, info)) => (picture.as_ref(), info),
                None => (picture, &source),
            };
            let scaler = rung.scaler(info, &source)?;
            let (mut scaled, info) = (scaler.scale(from)?, scaler.info().clone());
            mark(&mut scaled, pts, std::mem::take(&mut rung.owes_key))?;
            rung.encoder.push(scaled.clone(), &info)?;
            larger = Some((scaled, info));
        }
        if larger.is_none() {
            // A sign of life, where nothing else will come of this picture.
            let _ = self.state.output.send(Kind::Progress, &[]);
        }
        if let Some(usage) = self.state.meter.decoded() {
            let _ = self.state.output.send_frame(&wire::json_frame(Kind::Usage, &usage));
        }
        let is_alone = running.is_empty();
        self.stills.iter_mut().try_for_each(|still| still.take(picture, &source, pts, is_alone))
    }

    /// Says that nothing more comes, and waits for the encoders' last pictures until `deadline`.
    pub(super) fn finish(&mut self, deadline: Instant) {
        self.rungs.iter().for_each(|rung| rung.encoder.end());
        self.stills.iter().for_each(|still| still.encoder.end());
        self.rungs.iter_mut().for_each(|rung| rung.encoder.finish(deadline));
        self.stills.iter_mut().for_each(|still| still.encoder.finish(deadline));
    }

    /// The decoder may say anew what its pictures are: sizes are chosen by that.
    fn learn_caps(&mut self, sample: &gst::Sample) -> Result<(), glib::BoolError> {
        let caps = sample.caps().ok_or_else(|| glib::bool_error!("pictures of an unknown kind"))?;
        if self.caps.as_deref() == Some(caps) {
            return Ok(());
        }
        let info = VideoInfo::from_caps(caps)?;
        let (width, height) = (info.width(), info.height());
        if u64::from(width) * u64::from(height) > PIXELS_MAX {
            return Err(glib::bool_error!("pictures of {width}x{height} are too large"));
        }
        (self.caps, self.source) = (Some(caps.to_owned()), Some(info));
        self.rungs.iter_mut().for_each(|rung| rung.scalers.clear());
        self.stills.iter_mut().for_each(|still| still.scaler = None);
        Ok(())
    }
}

impl Still {
    fn new(kind: Kind, side: u32, every_s: u32, state: &Arc<Shared>) -> Result<Self, glib::BoolError> {
        let every = ClockTime::from_seconds(u64::from(every_s.max(1)));
        Ok(Self { encoder: Encoder::jpeg(kind, state)?, scaler: None, side, every, due: ClockTime::ZERO })
    }

    /// Takes the next picture, if one is due. Where pictures are few (`is_alone`) one may be a little early: the next comes
    /// seconds later.
    fn take(
        &mut self,
        picture: &gst::BufferRef,
        source: &VideoInfo,
        pts: ClockTime,
        is_alone: bool,
    ) -> Result<(), glib::BoolError> {
        let early = if is_alone { self.every / 10 } else { ClockTime::ZERO };
        if pts + early < self.due {
            return Ok(());
        }
        self.due = pts + self.every;
        let scaler = match &mut self.scaler {
            Some(scaler) => scaler,
            none => {
                let size = size_within(self.side, display_size(source));
                none.insert(Scaler::new(source, size, Fraction::new(0, 1))?)
            }
        };
        let mut scaled = scaler.scale(picture)?;
        mark(&mut scaled, pts, false)?;
        self.encoder.push(scaled, scaler.info())
    }
}

impl RungWork {
    /// Begins with a key frame of the source, ends at once.
    fn run(&mut self, is_wanted: bool) {
        if !is_wanted {
            // A key frame that is past is no place to begin again.
            self.owes_key = false;
            if std::mem::take(&mut self.is_running) {
                self.encoder.stop();
            }
        } else if self.owes_key {
            self.is_running = true;
        }
    }

    /// Whether the picture is encoded. One that an earlier child has delivered was decoded because later ones need it.
    fn takes(&mut self, ticks: i64, pts: ClockTime) -> bool {
        let is_new = self.plan.encode_after.is_none_or(|after| ticks > after);
        self.is_running && is_new && self.cadence.takes(pts, self.owes_key)
    }

    /// What makes the rung's picture of one like `from`: the source's, or that of a larger rung that took the same one.
    fn scaler(&mut self, from: &VideoInfo, source: &VideoInfo) -> Result<&mut Scaler, glib::BoolError> {
        let place = match self.scalers.iter().position(|scaler| scaler.is_for(from)) {
            Some(place) => place,
            None => {
                let (width, height) = display_size(source);
                let size = self.plan.rung.output_size(width, height);
                self.scalers.push(Scaler::new(from, size, self.cadence.rate(source.fps()))?);
                self.scalers.len() - 1
            }
        };
        Ok(&mut self.scalers[place])
    }
}

fn mark(picture: &mut gst::Buffer, pts: ClockTime, is_key: bool) -> Result<(), glib::BoolError> {
    let picture = picture.get_mut().ok_or_else(|| glib::bool_error!("a picture is in use"))?;
    picture.set_pts(pts);
    if is_key {
        picture.set_flags(KEY);
    }
    Ok(())
}

/// The size, made smaller so that its longer side is at most `side`, which is even. Both sides are even.
fn size_within(side: u32, (width, height): (u32, u32)) -> (u32, u32) {
    let long = u64::from(width.max(height).max(1));
    let shrunk = u64::from(side).min(long);
    let even = |own: u32| {
        let near = u32::try_from((u64::from(own) * shrunk + long) / (2 * long) * 2).unwrap_or(side);
        if near > own { near.saturating_sub(2).max(2) } else { near.max(2) }
    };
    (even(width), even(height))
}

/// The picture's size with square pixels.
fn display_size(info: &VideoInfo) -> (u32, u32) {
    let shape = info.par();
    let (Ok(n @ 1..), Ok(d @ 1..)) = (u64::try_from(shape.numer()), u64::try_from(shape.denom())) else {
        return (info.width(), info.height());
    };
    let width = u64::from(info.width()) * n / d;
    (u32::try_from(width).unwrap_or(info.width()).max(1), info.height())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_keep_their_shape_within_their_longer_side() {
        assert_eq!(size_within(160, (1_280, 720)), (160, 90));
        assert_eq!(size_within(160, (854, 480)), (160, 90));
        assert_eq!(size_within(160, (1_080, 1_920)), (90, 160));
        assert_eq!(size_within(640, (1_920, 800)), (640, 266));
        assert_eq!(size_within(640, (321, 181)), (320, 180));
        assert_eq!(size_within(160, (4_000, 3)), (160, 2));
        assert_eq!(size_within(160, (0, 0)), (2, 2));
    }
}
