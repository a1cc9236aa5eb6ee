//! The static GStreamer pipelines of one stream.
//!
//! `appsrc → decoder → videoconvertscale → appsink`, then one small pipeline for each encoder; every element is named
//! here or in `rungs`, none chosen at run time. Between them our own code scales (`pictures`, `scale`). Timestamps go
//! through unchanged, and a picture is a key frame in every rung where the source had one.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, FlowError, FlowSuccess, PadProbeReturn, PadProbeType, glib};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use gstreamer_video::VideoMeta;
use media::codec::VideoCodec;

use super::super::cost::Mask;
use super::super::encoder::table::Candidate;
use super::super::wire::{Kind, Unit, Work};
use super::Output;
use super::pictures::Pictures;
use super::timeline::Timeline;
use super::usage::Meter;

/// Access units between the reader and the decoder. Beyond them the parent keeps what comes.
const QUEUED_UNITS_MAX: u64 = 8;
/// Above these many pixels a second one thread no longer decodes in time: H.264 of 1080p at 40 frames, HEVC at 25.
const ONE_THREAD_PIXELS_PER_S: u64 = 1_920 * 1_080 * 40;
const ONE_THREAD_HEVC_PIXELS_PER_S: u64 = 1_920 * 1_080 * 25;
/// Key frames remembered until the decoder gives their pictures.
const KEYS_MAX: usize = 64;
/// How long the last pictures may take at the end of the input.
const FINISH_MAX: Duration = Duration::from_millis(1_500);

pub(super) struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    state: Arc<Shared>,
    pictures: Arc<Mutex<Pictures>>,
    /// The last unit was decoded alone.
    was_alone: Cell<bool>,
}

/// What the threads of the pipelines share.
pub(super) struct Shared {
    pub(super) output: Output,
    pub(super) timeline: Timeline,
    /// Presentation times of key frames whose pictures have not been decoded.
    keys: Mutex<BTreeSet<ClockTime>>,
    /// The rungs that are to run, a bit for each.
    running: AtomicU8,
    pub(super) meter: Meter,
    /// What encodes, when it is not x264.
    pub(super) hardware: Option<&'static Candidate>,
}

impl Shared {
    fn keys(&self) -> MutexGuard<'_, BTreeSet<ClockTime>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn running(&self) -> Mask {
        Mask(self.running.load(Ordering::Relaxed))
    }

    /// Whether the picture at `pts` is a key frame of the source, or the first one after it.
    pub(super) fn is_key_due(&self, pts: ClockTime) -> bool {
        let mut keys = self.keys();
        let later = keys.split_off(&(pts + ClockTime::NSECOND));
        !std::mem::replace(&mut *keys, later).is_empty()
    }
}

impl Pipeline {
    /// `decoder` is the element that decodes the source's codec; `hardware` encodes in the place of x264.
    pub(super) fn build(
        work: &Work,
        decoder: &str,
        hardware: Option<&'static Candidate>,
        output: Output,
    ) -> Result<Self, String> {
        Self::assemble(work, decoder, hardware, output)
            .map_err(|error| format!("the pipeline cannot be built: {error}"))
    }

    fn assemble(
        work: &Work,
        decoder: &str,
        hardware: Option<&'static Candidate>,
        output: Output,
    ) -> Result<Self, glib::BoolError> {
        let state = Arc::new(Shared {
            output,
            timeline: Timeline::default(),
            keys: Mutex::new(BTreeSet::new()),
            running: AtomicU8::new(work.running.0),
            meter: Meter::new(work.rungs.len()),
            hardware,
        });
        let pictures = Arc::new(Mutex::new(Pictures::new(work, &state)?));
        let pipeline = gst::Pipeline::new();
        let source = source(work);
        let decoder = make_decoder(work, decoder)?;
        // Passes on what is I420 already, which nearly everything is. Ten bits become eight here.
        let converter = gst::ElementFactory::make("videoconvertscale").property("qos", false).build()?;
        let caps = gst::Caps::builder("video/x-raw").field("format", "I420").build();
        let sink = sink(caps, {
            let pictures = Arc::clone(&pictures);
            move |sample| pictures.lock().unwrap_or_else(PoisonError::into_inner).take(sample)
        });
        take_pictures_as_they_are(sink.upcast_ref())?;
        let chain = [source.upcast_ref(), &decoder, &converter, sink.upcast_ref()];
        pipeline.add_many(chain)?;
        gst::Element::link_many(chain)?;
        report_errors(&pipeline, state.output.clone())?;
        pipeline.set_state(gst::State::Ready).map_err(|_| glib::bool_error!("an element refused to become ready"))?;
        Ok(Self { pipeline, source, state, pictures, was_alone: Cell::new(false) })
    }

    pub(super) fn play(&self) -> Result<(), String> {
        self.pipeline.set_state(gst::State::Playing).map(drop).map_err(|error| format!("it does not play: {error}"))
    }

    /// Says which rungs run from the next key frame on.
    pub(super) fn run_rungs(&self, mask: Mask) {
        self.state.running.store(mask.0, Ordering::Relaxed);
    }

    /// Feeds one access unit. Waits while the decoder is behind.
    pub(super) fn push(&self, unit: Unit) -> Result<(), String> {
        let is_alone = self.state.running().is_empty();
        if is_alone && !unit.is_sync {
            // On its way when the last rung was dropped. The parent counts what is unanswered.
            let _ = self.state.output.send(Kind::Progress, &[]);
            return Ok(());
        }
        let timeline = &self.state.timeline;
        timeline.start_at(unit.dts);
        let pts = timeline.to_clock(unit.pts);
        if unit.is_sync {
            let mut keys = self.state.keys();
            keys.insert(pts);
            while keys.len() > KEYS_MAX {
                keys.pop_first();
            }
        }
        let mut buffer = gst::Buffer::from_slice(unit.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_dts(timeline.to_clock(unit.dts));
            buffer.set_pts(pts);
            if !unit.is_sync {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        let was_alone = self.was_alone.replace(is_alone);
        let pushed = if is_alone || was_alone {
            let (caps, segment) = (self.source.caps(), segment(is_alone));
            let sample = gst::Sample::builder().buffer(&buffer).segment(&segment);
            let sample = match &caps {
                Some(caps) => sample.caps(caps).build(),
                None => sample.build(),
            };
            drop(buffer);
            self.source.push_sample(&sample)
        } else {
            self.source.push_buffer(buffer)
        };
        pushed.map(drop).map_err(|error| format!("the decoder stopped: {error}"))
    }

    /// Lets the last pictures out.
    pub(super) fn finish(&self) {
        let deadline = Instant::now() + FINISH_MAX;
        if self.source.end_of_stream().is_ok()
            && let Some(bus) = self.pipeline.bus()
        {
            let wait = ClockTime::from_mseconds(u64::try_from(FINISH_MAX.as_millis()).unwrap_or(0));
            let _ = bus.timed_pop_filtered(wait, &[gst::MessageType::Eos, gst::MessageType::Error]);
        }
        // A decoder that has not come to its end holds them, and the process ends without its last pictures.
        if let Ok(mut pictures) = self.pictures.try_lock() {
            pictures.finish(deadline);
        }
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// What a decoder is told of the units to come: where each is a key frame by itself it gives its picture at once, which
/// otherwise would wait for the next ones, seconds later.
fn segment(is_alone: bool) -> gst::Segment {
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    if is_alone {
        segment.set_flags(gst::SegmentFlags::TRICKMODE | gst::SegmentFlags::TRICKMODE_KEY_UNITS);
    }
    segment.upcast()
}

fn source(work: &Work) -> AppSrc {
    let (kind, format, alignment) = match work.codec {
        VideoCodec::Avc => ("video/x-h264", "avc", "au"),
        VideoCodec::Hevc => ("video/x-h265", "hvc1", "au"),
        VideoCodec::Av1 => ("video/x-av1", "obu-stream", "tu"),
    };
    let mut caps = gst::Caps::builder(kind)
        .field("stream-format", format)
        .field("alignment", alignment)
        .field("codec_data", gst::Buffer::from_slice(work.codec_data.clone()));
    if let (Ok(width @ 1..), Ok(height @ 1..)) = (i32::try_from(work.width), i32::try_from(work.height)) {
        caps = caps.field("width", width).field("height", height);
    }
    if let (Ok(count @ 1..), Ok(seconds @ 1..)) = (i32::try_from(work.frame_rate.0), i32::try_from(work.frame_rate.1)) {
        caps = caps.field("framerate", gst::Fraction::new(count, seconds));
    }
    let source =
        AppSrc::builder().caps(&caps.build()).format(gst::Format::Time).is_live(true).block(true).max_bytes(0).build();
    source.set_property("max-buffers", QUEUED_UNITS_MAX);
    source.set_property("handle-segment-change", true);
    source
}

fn make_decoder(work: &Work, name: &str) -> Result<gst::Element, glib::BoolError> {
    let (count, seconds) = work.frame_rate;
    let rate = u64::from(count.max(1)) / u64::from(seconds.max(1));
    let pixels_per_s = u64::from(work.width) * u64::from(work.height) * rate.clamp(1, 240);
    let decoder = gst::ElementFactory::make(name).property("qos", false).build()?;
    if work.codec == VideoCodec::Av1 {
        // libaom's has one thread and nothing to choose; dav1d's would hold pictures back to fill its threads.
        if decoder.find_property("max-frame-delay").is_some() {
            decoder.set_property_from_str("max-frame-delay", "1");
        }
        return Ok(decoder);
    }
    let one_thread =
        if work.codec == VideoCodec::Hevc { ONE_THREAD_HEVC_PIXELS_PER_S } else { ONE_THREAD_PIXELS_PER_S };
    let is_fast = pixels_per_s > one_thread && !work.rungs.is_empty();
    decoder.set_property("max-threads", if is_fast { 2 } else { 1 });
    // The strict mode holds sixteen pictures back when a stream does not say how many it reorders.
    decoder.set_property_from_str("std-compliance", "normal");
    Ok(decoder)
}

/// Lets the decoder hand out pictures in its own layout instead of copying them into a packed one.
fn take_pictures_as_they_are(sink: &gst::Element) -> Result<(), glib::BoolError> {
    pad(sink, "sink")?.add_probe(PadProbeType::QUERY_DOWNSTREAM, |_, info| match info.query_mut() {
        Some(query) => match query.view_mut() {
            gst::QueryViewMut::Allocation(allocation) => {
                allocation.add_allocation_meta::<VideoMeta>(None);
                PadProbeReturn::Handled
            }
            _ => PadProbeReturn::Ok,
        },
        None => PadProbeReturn::Ok,
    });
    Ok(())
}

/// When a sample is due, on the pipeline's clock. An encoder moves its clock by a thousand hours and its segment with it:
/// running time is what is left.
pub(super) fn caught(sample: &gst::Sample) -> Result<ClockTime, FlowError> {
    let segment = sample.segment().and_then(|segment| segment.downcast_ref::<ClockTime>());
    let pts = sample.buffer().and_then(|buffer| buffer.pts());
    pts.zip(segment).and_then(|(pts, segment)| segment.to_running_time(pts)).ok_or(FlowError::Error)
}

pub(super) fn report_errors(pipeline: &gst::Pipeline, output: Output) -> Result<(), glib::BoolError> {
    let bus = pipeline.bus().ok_or_else(|| glib::bool_error!("the pipeline has no bus"))?;
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            let source = message.src().map(|source| source.name().to_string()).unwrap_or_default();
            let _ = output.send(Kind::Failed, format!("{source}: {}", error.error()).as_bytes());
        }
        match message.type_() {
            gst::MessageType::Eos | gst::MessageType::Error => gst::BusSyncReply::Pass,
            // Nobody reads the others.
            _ => gst::BusSyncReply::Drop,
        }
    });
    Ok(())
}

pub(super) fn sink(
    caps: gst::Caps,
    mut take: impl FnMut(&gst::Sample) -> Result<(), FlowError> + Send + 'static,
) -> AppSink {
    let callbacks = AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| FlowError::Eos)?;
            take(&sample).map(|()| FlowSuccess::Ok)
        })
        .build();
    let sink = AppSink::builder().caps(&caps).sync(false).async_(false).max_buffers(4).callbacks(callbacks).build();
    sink.set_enable_last_sample(false);
    sink
}

pub(super) fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, glib::BoolError> {
    element.static_pad(name).ok_or_else(|| glib::bool_error!("{} has no pad {name}", element.name()))
}
