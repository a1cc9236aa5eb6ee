//! The encoders of one child: a small pipeline for each rung, and one for each kind of still picture.
//!
//! `appsrc → x264enc → appsink` each, or with a hardware encoder (`hardware`) in the place of x264, built before the walls go up and running from the first picture they are given. The
//! encoder makes no B-frames and looks not ahead, so each picture leaves with its own presentation time; it makes a key
//! frame where it is told to and nowhere else.

use std::sync::Arc;
use std::time::Instant;

use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, FlowError, PadProbeReturn, PadProbeType, glib};
use gstreamer_app::AppSrc;
use gstreamer_video::VideoInfo;

use super::super::Rung;
use super::super::wire::{Kind, Unit};
use super::hardware;
use super::pipeline::{Shared, caught, pad, report_errors, sink};
use super::usage::thread_ns;

/// Pictures between the decoder and an encoder, which run side by side.
const QUEUED_PICTURES_MAX: u64 = 2;
const JPEG_QUALITY: i32 = 80;
/// Above these many pixels a second one thread no longer encodes in time on a slow core (1080p at 30 frames).
const ONE_THREAD_PIXELS_PER_S: f64 = 1_920.0 * 1_088.0 * 30.0;
/// Each more costs a frame of latency.
const THREADS_MAX: u32 = 4;
/// Says on a raw picture that it is to become a key frame.
pub(super) const KEY: gst::BufferFlags = gst::BufferFlags::MARKER;

/// A pipeline that turns pictures into bytes.
pub(super) struct Encoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
    is_running: bool,
}

impl Encoder {
    /// The encoder of rung `number` for pictures of about `pixels_per_s`.
    pub(super) fn video(
        number: u8,
        rung: &Rung,
        pixels_per_s: f64,
        state: &Arc<Shared>,
    ) -> Result<Self, glib::BoolError> {
        if let Some(candidate) = state.hardware {
            let chain = hardware::chain(candidate, rung.bitrate_kbps)?;
            let [first, encoder, ..] = &chain[..] else { return Err(glib::bool_error!("there is no encoder")) };
            force_keys(&pad(first, "sink")?, encoder);
            let sink = sink(avc_caps(), send_pictures(number, true, Arc::clone(state)));
            return Self::new(&chain.iter().chain([sink.upcast_ref()]).collect::<Vec<_>>(), state);
        }
        let threads = threads(pixels_per_s);
        let encoder = x264(rung.bitrate_kbps, threads)?;
        force_keys(&pad(&encoder, "sink")?, &encoder);
        let sink = sink(avc_caps(), send_pictures(number, threads == 1, Arc::clone(state)));
        Self::new(&[&encoder, sink.upcast_ref()], state)
    }

    /// Sends thumbnails as they are, and tiles behind their time.
    pub(super) fn jpeg(kind: Kind, state: &Arc<Shared>) -> Result<Self, glib::BoolError> {
        let encoder = gst::ElementFactory::make("jpegenc").property("quality", JPEG_QUALITY).build()?;
        let sink = sink(gst::Caps::builder("image/jpeg").build(), {
            let state = Arc::clone(state);
            move |sample| {
                let buffer = sample.buffer().ok_or(FlowError::Error)?;
                let jpeg = buffer.map_readable().map_err(|_| FlowError::Error)?;
                let sent = if kind == Kind::Tile {
                    let pts = state.timeline.to_ticks(caught(sample)?);
                    state.output.send(kind, &[&pts.to_be_bytes(), &jpeg[..]].concat())
                } else {
                    state.output.send(kind, &jpeg)
                };
                sent.map_err(|_| FlowError::Error)
            }
        });
        Self::new(&[&encoder, sink.upcast_ref()], state)
    }

    fn new(chain: &[&gst::Element], state: &Arc<Shared>) -> Result<Self, glib::BoolError> {
        let pipeline = gst::Pipeline::new();
        let source = AppSrc::builder().format(gst::Format::Time).is_live(true).block(true).max_bytes(0).build();
        source.set_property("max-buffers", QUEUED_PICTURES_MAX);
        pipeline.add(&source)?;
        pipeline.add_many(chain)?;
        gst::Element::link_many(std::iter::once(source.upcast_ref()).chain(chain.iter().copied()))?;
        report_errors(&pipeline, state.output.clone())?;
        pipeline.set_state(gst::State::Ready).map_err(|_| glib::bool_error!("an encoder refused to become ready"))?;
        Ok(Self { pipeline, source, is_running: false })
    }

    /// Takes a picture with its time. Waits while the encoder is behind.
    pub(super) fn push(&mut self, picture: gst::Buffer, info: &VideoInfo) -> Result<(), glib::BoolError> {
        if !self.is_running {
            self.source.set_caps(Some(&info.to_caps()?));
            self.pipeline.set_state(gst::State::Playing).map_err(|_| glib::bool_error!("an encoder does not start"))?;
            self.is_running = true;
        }
        self.source.push_buffer(picture).map(drop).map_err(|error| glib::bool_error!("an encoder stopped: {error}"))
    }

    /// Lets go of the encoder's state. What it had not given is lost.
    pub(super) fn stop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Ready);
        self.is_running = false;
    }

    /// Says that nothing more comes.
    pub(super) fn end(&self) {
        if self.is_running {
            let _ = self.source.end_of_stream();
        }
    }

    /// Waits for the last pictures and puts the encoder away.
    pub(super) fn finish(&mut self, deadline: Instant) {
        if self.is_running
            && let Some(bus) = self.pipeline.bus()
        {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = ClockTime::from_mseconds(u64::try_from(left.as_millis()).unwrap_or(0));
            let _ = bus.timed_pop_filtered(wait, &[gst::MessageType::Eos, gst::MessageType::Error]);
        }
        let _ = self.pipeline.set_state(gst::State::Null);
        self.is_running = false;
    }
}

/// Threads over slices cost quality and threads over pictures latency: one, for as long as one is fast enough.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn threads(pixels_per_s: f64) -> u32 {
    (pixels_per_s / ONE_THREAD_PIXELS_PER_S).ceil().clamp(1.0, f64::from(THREADS_MAX)) as u32
}

fn x264(bitrate_kbps: u32, threads: u32) -> Result<gst::Element, glib::BoolError> {
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
        .property("threads", threads)
        // Key frames where the source has them and nowhere else.
        .property("key-int-max", 1_u32 << 30)
        .property("option-string", "scenecut=0")
        .build()
}

/// What an encoder is to give: access units with lengths, parameter sets apart.
pub(super) fn avc_caps() -> gst::Caps {
    gst::Caps::builder("video/x-h264").field("stream-format", "avc").field("alignment", "au").build()
}

/// Asks the encoder for a key frame just before a picture that is to become one goes in by `pad`.
pub(super) fn force_keys(pad: &gst::Pad, encoder: &gst::Element) {
    let weak = encoder.downgrade();
    pad.add_probe(PadProbeType::BUFFER, move |_, info| {
        let is_key = info.buffer().is_some_and(|picture| picture.flags().contains(KEY));
        if let (true, Some(encoder)) = (is_key, weak.upgrade()) {
            let request =
                gst::Structure::builder("GstForceKeyUnit").field("all-headers", false).field("count", 0_u32).build();
            encoder.send_event(gst::event::CustomUpstream::new(request));
        }
        PadProbeReturn::Ok
    });
}

/// `is_alone`: the encoder works on the thread this is called on, so that the thread's time is its cost.
fn send_pictures(
    number: u8,
    is_alone: bool,
    state: Arc<Shared>,
) -> impl FnMut(&gst::Sample) -> Result<(), FlowError> + Send + 'static {
    let mut sent_config = Vec::new();
    let mut last = None;
    let mut used_ns = 0;
    move |sample| {
        if is_alone {
            let now = thread_ns();
            // A new thread begins at zero.
            let used = now.checked_sub(std::mem::replace(&mut used_ns, now)).unwrap_or(now);
            state.meter.encoded(number, used);
        } else {
            state.meter.encoded(number, 0);
        }
        let buffer = sample.buffer().ok_or(FlowError::Error)?;
        let config = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        if let Some(config) = config {
            let config = config.map_readable().map_err(|_| FlowError::Error)?;
            if sent_config.get(1..) != Some(&config[..]) {
                sent_config.clear();
                sent_config.push(number);
                sent_config.extend_from_slice(&config);
                state.output.send(Kind::Config, &sent_config).map_err(|_| FlowError::Error)?;
            }
        }
        let pts = state.timeline.to_ticks(caught(sample)?);
        if last.is_some_and(|last| pts <= last) {
            return Ok(());
        }
        last = Some(pts);
        let data = buffer.map_readable().map_err(|_| FlowError::Error)?;
        let is_sync = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let unit = Unit { dts: pts, pts, is_sync, data: bytes::Bytes::copy_from_slice(&data) };
        state.output.send_picture(number, &unit).map_err(|_| FlowError::Error)
    }
}
