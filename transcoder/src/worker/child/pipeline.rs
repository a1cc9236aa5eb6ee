//! The static GStreamer pipeline of one stream.
//!
//! `appsrc → avdec_h264 → tee → { queue → scale → x264enc → appsink, queue → scale → jpegenc → appsink }`, every element
//! named here and none chosen at run time. Timestamps go through unchanged: the encoder makes no B-frames and looks not
//! ahead, so each decoded picture leaves with its own presentation time, and is a key frame where the source had one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, FlowError, FlowSuccess, PadProbeReturn, PadProbeType, glib};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::super::output_size;
use super::super::wire::{Kind, Unit, Work};
use super::Output;
use super::timeline::Timeline;

/// Access units between the reader and the decoder. Beyond them the parent keeps what comes.
const QUEUED_UNITS_MAX: u64 = 8;
/// Pictures between the decoder and the encoder, which run side by side.
const QUEUED_PICTURES_MAX: u32 = 2;
/// Larger pictures are refused: twice what 2160p needs is a mistake or an attack.
const PIXELS_MAX: u64 = 2 * 3_840 * 2_160;
/// Above these many pixels a second one thread no longer decodes in time (1080p at 40 frames).
const ONE_THREAD_PIXELS_PER_S: u64 = 1_920 * 1_080 * 40;
/// Longer side of a thumbnail, in pixels.
const THUMBNAIL_SIDE: u32 = 640;
const THUMBNAIL_QUALITY: i32 = 80;
/// Key frames remembered until the decoder gives their pictures.
const KEYS_MAX: usize = 64;
/// What a probe answers about data that goes no further. The bindings have released it by then: where `Drop` would make
/// GStreamer 1.22 release it again and complain, this says that it is done with.
const DROPPED: PadProbeReturn = PadProbeReturn::Handled;
/// How long the last pictures may take at the end of the input.
const FINISH_MAX: Duration = Duration::from_millis(1_500);

pub(super) struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    state: Arc<Shared>,
}

/// What the threads of the pipeline share.
struct Shared {
    output: Output,
    timeline: Timeline,
    /// Presentation times of key frames whose pictures have not reached the encoder.
    keys: Mutex<BTreeSet<ClockTime>>,
}

impl Shared {
    fn keys(&self) -> std::sync::MutexGuard<'_, BTreeSet<ClockTime>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipeline {
    pub(super) fn build(work: &Work, output: Output) -> Result<Self, String> {
        Self::assemble(work, output).map_err(|error| format!("the pipeline cannot be built: {error}"))
    }

    fn assemble(work: &Work, output: Output) -> Result<Self, glib::BoolError> {
        let state = Arc::new(Shared { output, timeline: Timeline::default(), keys: Mutex::new(BTreeSet::new()) });
        let pipeline = gst::Pipeline::new();
        let source = source(work);
        let decoder = decoder(work)?;
        let tee = gst::ElementFactory::make("tee").build()?;
        pipeline.add_many([source.upcast_ref(), &decoder, &tee])?;
        gst::Element::link_many([source.upcast_ref(), &decoder, &tee])?;

        let thumbnail_size = gst::ElementFactory::make("capsfilter").build()?;
        let rung_size = work.encode.then(|| gst::ElementFactory::make("capsfilter").build()).transpose()?;
        choose_sizes(&decoder, work.rung.height, thumbnail_size.clone(), rung_size.clone(), state.clone())?;

        thumbnail_branch(&pipeline, &tee, thumbnail_size, work.thumbnail_every_s, &state)?;
        match rung_size {
            Some(size) => encode_branch(&pipeline, &tee, size, work, &state)?,
            None => report_progress(&tee, &state)?,
        }
        report_errors(&pipeline, state.output.clone())?;
        pipeline.set_state(gst::State::Ready).map_err(|_| glib::bool_error!("an element refused to become ready"))?;
        Ok(Self { pipeline, source, state })
    }

    pub(super) fn play(&self) -> Result<(), String> {
        self.pipeline.set_state(gst::State::Playing).map(drop).map_err(|error| format!("it does not play: {error}"))
    }

    /// Feeds one access unit. Waits while the decoder is behind.
    pub(super) fn push(&self, unit: Unit) -> Result<(), String> {
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
        self.source.push_buffer(buffer).map(drop).map_err(|error| format!("the decoder stopped: {error}"))
    }

    /// Lets the last pictures out.
    pub(super) fn finish(&self) {
        if self.source.end_of_stream().is_ok()
            && let Some(bus) = self.pipeline.bus()
        {
            let wait = ClockTime::from_mseconds(u64::try_from(FINISH_MAX.as_millis()).unwrap_or(0));
            let _ = bus.timed_pop_filtered(wait, &[gst::MessageType::Eos, gst::MessageType::Error]);
        }
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn source(work: &Work) -> AppSrc {
    let mut caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
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
    source
}

fn decoder(work: &Work) -> Result<gst::Element, glib::BoolError> {
    let (count, seconds) = work.frame_rate;
    let rate = u64::from(count.max(1)) / u64::from(seconds.max(1));
    let pixels_per_s = u64::from(work.width) * u64::from(work.height) * rate.clamp(1, 240);
    gst::ElementFactory::make("avdec_h264")
        .property("max-threads", if pixels_per_s > ONE_THREAD_PIXELS_PER_S { 2 } else { 1 })
        .property("qos", false)
        // The strict mode holds sixteen pictures back when a stream does not say how many it reorders.
        .property_from_str("std-compliance", "normal")
        .build()
}

/// Fixes both branches' picture sizes once the decoder says what the source's is.
fn choose_sizes(
    decoder: &gst::Element,
    rung_height: u32,
    thumbnail: gst::Element,
    rung: Option<gst::Element>,
    state: Arc<Shared>,
) -> Result<(), glib::BoolError> {
    pad(decoder, "src")?.add_probe(PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
            && let Some((width, height)) = display_size(caps.caps())
        {
            if u64::from(width) * u64::from(height) > PIXELS_MAX {
                let _ =
                    state.output.send(Kind::Failed, format!("pictures of {width}x{height} are too large").as_bytes());
                return DROPPED;
            }
            let short = THUMBNAIL_SIDE * width.min(height) / width.max(height).max(1);
            thumbnail.set_property("caps", raw_caps(output_size(short, width, height)));
            if let Some(rung) = &rung {
                rung.set_property("caps", raw_caps(output_size(rung_height, width, height)));
            }
        }
        PadProbeReturn::Ok
    });
    Ok(())
}

/// The picture's size with square pixels.
fn display_size(caps: &gst::CapsRef) -> Option<(u32, u32)> {
    let structure = caps.structure(0)?;
    let side = |name| structure.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok());
    let (width, height) = (side("width")?, side("height")?);
    let shape = structure.get::<gst::Fraction>("pixel-aspect-ratio").ok();
    let (Some(Ok(n @ 1..)), Some(Ok(d @ 1..))) =
        (shape.map(|shape| u64::try_from(shape.numer())), shape.map(|shape| u64::try_from(shape.denom())))
    else {
        return Some((width, height));
    };
    Some((u32::try_from(u64::from(width) * n / d).ok()?, height))
}

fn raw_caps((width, height): (u32, u32)) -> gst::Caps {
    let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", side(width))
        .field("height", side(height))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build()
}

fn scaler() -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make("videoconvertscale")
        .property("add-borders", false)
        .property("qos", false)
        .property_from_str("method", "bilinear")
        .build()
}

fn thumbnail_branch(
    pipeline: &gst::Pipeline,
    tee: &gst::Element,
    size: gst::Element,
    every_s: u32,
    state: &Arc<Shared>,
) -> Result<(), glib::BoolError> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", 1_u32)
        .property("max-size-bytes", 0_u32)
        .property("max-size-time", 0_u64)
        .property_from_str("leaky", "downstream")
        .build()?;
    let encoder = gst::ElementFactory::make("jpegenc").property("quality", THUMBNAIL_QUALITY).build()?;
    let sink = sink(gst::Caps::builder("image/jpeg").build(), {
        let output = state.output.clone();
        move |sample| {
            let buffer = sample.buffer().ok_or(FlowError::Error)?;
            let jpeg = buffer.map_readable().map_err(|_| FlowError::Error)?;
            output.send(Kind::Thumbnail, &jpeg).map_err(|_| FlowError::Error)
        }
    });
    // Before the queue and the scaler, so that pictures nobody will see cost nothing.
    let every = ClockTime::from_seconds(u64::from(every_s.max(1)));
    let due = Mutex::new(ClockTime::ZERO);
    pad(&queue, "sink")?.add_probe(PadProbeType::BUFFER, move |_, info| {
        let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
        match info.buffer().and_then(|buffer| buffer.pts()) {
            Some(pts) if pts >= *due => {
                *due = pts + every;
                PadProbeReturn::Ok
            }
            _ => DROPPED,
        }
    });
    let chain = [&queue, &scaler()?, &size, &encoder, sink.upcast_ref()];
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    tee.link(&queue)
}

fn encode_branch(
    pipeline: &gst::Pipeline,
    tee: &gst::Element,
    size: gst::Element,
    work: &Work,
    state: &Arc<Shared>,
) -> Result<(), glib::BoolError> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", QUEUED_PICTURES_MAX)
        .property("max-size-bytes", 0_u32)
        .property("max-size-time", 0_u64)
        .build()?;
    let encoder = encoder(work.rung.bitrate_kbps)?;
    if let Some(after) = work.encode_after {
        skip_delivered(&queue, after, state.clone())?;
    }
    force_keys(&encoder, state.clone())?;
    let caps = gst::Caps::builder("video/x-h264").field("stream-format", "avc").field("alignment", "au").build();
    let sink = sink(caps, send_units(state.clone()));
    let chain = [&queue, &scaler()?, &size, &encoder, sink.upcast_ref()];
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    tee.link(&queue)
}

fn encoder(bitrate_kbps: u32) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make("x264enc")
        .property_from_str("speed-preset", "veryfast")
        .property_from_str("pass", "cbr")
        .property("bitrate", bitrate_kbps.max(1))
        .property("vbv-buf-capacity", 1_000_u32)
        .property("byte-stream", false)
        .property("aud", false)
        .property("dct8x8", true)
        // No picture waits for another one.
        .property("bframes", 0_u32)
        .property("rc-lookahead", 0_i32)
        .property("sync-lookahead", 0_i32)
        .property("mb-tree", false)
        // One thread: threads over pictures add latency, threads over slices cost quality; 480p needs neither.
        .property("threads", 1_u32)
        // Key frames where the source has them and nowhere else.
        .property("key-int-max", 1_u32 << 30)
        .property("option-string", "scenecut=0")
        .build()
}

/// Pictures an earlier child has delivered are decoded, because later ones need them, and go no further.
fn skip_delivered(queue: &gst::Element, after: i64, state: Arc<Shared>) -> Result<(), glib::BoolError> {
    pad(queue, "sink")?.add_probe(PadProbeType::BUFFER, move |_, info| {
        let pts = info.buffer().and_then(|buffer| buffer.pts());
        if pts.is_some_and(|pts| state.timeline.to_ticks(pts) <= after) {
            let _ = state.output.send(Kind::Progress, &[]);
            return DROPPED;
        }
        PadProbeReturn::Ok
    });
    Ok(())
}

/// Asks for a key frame just before the picture of a key frame of the source, or the first one after it, goes in.
fn force_keys(encoder: &gst::Element, state: Arc<Shared>) -> Result<(), glib::BoolError> {
    let weak = encoder.downgrade();
    pad(encoder, "sink")?.add_probe(PadProbeType::BUFFER, move |_, info| {
        let (Some(encoder), Some(pts)) = (weak.upgrade(), info.buffer().and_then(|buffer| buffer.pts())) else {
            return PadProbeReturn::Ok;
        };
        let mut is_due = false;
        let mut keys = state.keys();
        while keys.first().is_some_and(|key| *key <= pts) {
            keys.pop_first();
            is_due = true;
        }
        drop(keys);
        if is_due {
            let request =
                gst::Structure::builder("GstForceKeyUnit").field("all-headers", false).field("count", 0_u32).build();
            encoder.send_event(gst::event::CustomUpstream::new(request));
        }
        PadProbeReturn::Ok
    });
    Ok(())
}

fn send_units(state: Arc<Shared>) -> impl FnMut(&gst::Sample) -> Result<(), FlowError> + Send + 'static {
    let mut sent_config = Vec::new();
    let mut last = None;
    move |sample| {
        let buffer = sample.buffer().ok_or(FlowError::Error)?;
        let config = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        if let Some(config) = config {
            let config = config.map_readable().map_err(|_| FlowError::Error)?;
            if sent_config != *config {
                sent_config = config.to_vec();
                state.output.send(Kind::Config, &config).map_err(|_| FlowError::Error)?;
            }
        }
        // The encoder moves its clock by a thousand hours and its segment with it: running time is what is left.
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<ClockTime>());
        let at = buffer.pts().zip(segment).and_then(|(pts, segment)| segment.to_running_time(pts));
        let pts = state.timeline.to_ticks(at.ok_or(FlowError::Error)?);
        if last.is_some_and(|last| pts <= last) {
            return Ok(());
        }
        last = Some(pts);
        let data = buffer.map_readable().map_err(|_| FlowError::Error)?;
        let is_sync = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let unit = Unit { dts: pts, pts, is_sync, data: bytes::Bytes::copy_from_slice(&data) };
        state.output.send_unit(&unit).map_err(|_| FlowError::Error)
    }
}

/// Where nothing is encoded, each decoded picture is a sign of life.
fn report_progress(tee: &gst::Element, state: &Arc<Shared>) -> Result<(), glib::BoolError> {
    let output = state.output.clone();
    pad(tee, "sink")?.add_probe(PadProbeType::BUFFER, move |_, _| {
        let _ = output.send(Kind::Progress, &[]);
        PadProbeReturn::Ok
    });
    Ok(())
}

fn report_errors(pipeline: &gst::Pipeline, output: Output) -> Result<(), glib::BoolError> {
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

fn sink(caps: gst::Caps, mut take: impl FnMut(&gst::Sample) -> Result<(), FlowError> + Send + 'static) -> AppSink {
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

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, glib::BoolError> {
    element.static_pad(name).ok_or_else(|| glib::bool_error!("{} has no pad {name}", element.name()))
}
