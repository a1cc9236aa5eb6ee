//! What players cannot play is decoded and encoded anew: H.264 and AAC, on the file's own clock.
//!
//! `queue → decoder → what brings it into shape → encoder → appsink`. Decoders clip what an edit list hides, so that these tracks may be
//! put together of several stretches. Every element is named here, by what the plan says of the track.

use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, FlowError, glib};

use super::super::gstreamer_setup;
use super::super::wire::{Kind, NO_TIME, Recode, Unit};
use super::Output;
use super::pipeline::sink;

/// Key frames are so far apart, in seconds: what segments are cut at.
const KEYS_EVERY_S: u32 = 2;
/// Quality of the picture (x264's constant rate factor); what it comes to is bounded by the size of the picture.
const QUALITY: u32 = 21;
/// Most bits of each pixel of a picture, at 30 pictures a second.
const BITS_PER_PIXEL: f64 = 0.14;
const SOUND_BITS_PER_S: i32 = 160_000;
const SOUND_RATE: i32 = 48_000;

/// Loads what a track takes, before the walls go up.
pub(super) fn load(recode: &Recode) -> Result<(), String> {
    gstreamer_setup::load_recoding(recode)
}

/// Adds what makes H.264 or AAC of a track, and links it to the parser's pad.
pub(super) fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    number: u8,
    recode: &Recode,
    output: &Output,
) -> Result<(), glib::BoolError> {
    let queue = gst::ElementFactory::make("queue").property("max-size-buffers", 64_u32).build()?;
    queue.set_property("max-size-time", 0_u64);
    queue.set_property("max-size-bytes", 64_u32 * 1024 * 1024);
    let mut chain = vec![queue];
    match recode {
        Recode::Picture { decoder, orientation, width, height, frame_rate, .. } => {
            let decoder = gst::ElementFactory::make(decoder).build()?;
            if decoder.find_property("qos").is_some() {
                decoder.set_property("qos", false);
            }
            chain.push(decoder);
            if !orientation.is_empty() {
                let flip = gst::ElementFactory::make("videoflip").build()?;
                flip.set_property_from_str("method", method(orientation)?);
                chain.push(flip);
            }
            chain.push(gst::ElementFactory::make("videoconvertscale").property("qos", false).build()?);
            let (width, height) = if orientation.contains("90") || orientation.contains("270") {
                (*height, *width)
            } else {
                (*width, *height)
            };
            let side = |side: u32| i32::try_from(side / 2 * 2).unwrap_or(i32::MAX);
            let caps = gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .field("width", side(width))
                .field("height", side(height))
                .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
                .build();
            chain.push(gst::ElementFactory::make("capsfilter").property("caps", caps).build()?);
            chain.push(x264(width, height, *frame_rate)?);
        }
        Recode::Sound { decoder, .. } => {
            if !decoder.is_empty() {
                chain.push(gst::ElementFactory::make(decoder).build()?);
            }
            chain.push(gst::ElementFactory::make("audioconvert").build()?);
            chain.push(gst::ElementFactory::make("audioresample").build()?);
            let caps = gst::Caps::builder("audio/x-raw")
                .field("rate", SOUND_RATE)
                .field("channels", gst::IntRange::new(1, 2))
                .build();
            chain.push(gst::ElementFactory::make("capsfilter").property("caps", caps).build()?);
            let encoder = gst::ElementFactory::make("avenc_aac").property("bitrate", SOUND_BITS_PER_S).build()?;
            chain.push(encoder);
        }
    }
    let caps = match recode {
        Recode::Picture { .. } => super::rungs::avc_caps(),
        Recode::Sound { .. } => {
            gst::Caps::builder("audio/mpeg").field("mpegversion", 4_i32).field("stream-format", "raw").build()
        }
    };
    chain.push(sink(caps, send(number, output.clone())).upcast());
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    for element in &chain {
        element.sync_state_with_parent()?;
    }
    let into = chain.first().and_then(|first| first.static_pad("sink"));
    let into = into.ok_or_else(|| glib::bool_error!("a queue without a pad"))?;
    pad.link(&into).map(drop).map_err(|error| glib::bool_error!("a track cannot be taken: {error}"))
}

fn x264(width: u32, height: u32, (count, seconds): (u32, u32)) -> Result<gst::Element, glib::BoolError> {
    let rate = if seconds > 0 && count > 0 { f64::from(count) / f64::from(seconds) } else { 30.0 };
    let pixels = f64::from(width) * f64::from(height);
    let kbps = (pixels * 30.0 * BITS_PER_PIXEL / 1_000.0 * (rate / 30.0).clamp(0.5, 2.0)).clamp(500.0, 60_000.0);
    gst::ElementFactory::make("x264enc")
        .property_from_str("speed-preset", "veryfast")
        .property_from_str("pass", "qual")
        .property("quantizer", QUALITY)
        .property("bitrate", kbps as u32)
        .property("vbv-buf-capacity", 2_000_u32)
        .property("byte-stream", false)
        .property("aud", false)
        .property("bframes", 0_u32)
        .property("threads", 1_u32)
        .property("rc-lookahead", 20_i32)
        .property("key-int-max", (rate * f64::from(KEYS_EVERY_S)).round().clamp(1.0, 600.0) as u32)
        .build()
}

fn method(orientation: &str) -> Result<&'static str, glib::BoolError> {
    Ok(match orientation {
        "rotate-90" => "clockwise",
        "rotate-180" => "rotate-180",
        "rotate-270" => "counterclockwise",
        "flip-rotate-0" => "horizontal-flip",
        "flip-rotate-90" => "upper-right-diagonal",
        "flip-rotate-180" => "vertical-flip",
        "flip-rotate-270" => "upper-left-diagonal",
        _ => return Err(glib::bool_error!("an orientation nobody knows")),
    })
}

/// Sends what an encoder gives: its header first, and again when it changes.
fn send(number: u8, output: Output) -> impl FnMut(&gst::Sample) -> Result<(), FlowError> + Send + 'static {
    let mut sent = Vec::new();
    move |sample| {
        let header = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        if let Some(header) = header {
            let header = header.map_readable().map_err(|_| FlowError::Error)?;
            if sent.get(1..) != Some(&header[..]) {
                sent.clear();
                sent.push(number);
                sent.extend_from_slice(&header);
                output.send(Kind::Config, &sent).map_err(|_| FlowError::Error)?;
            }
        }
        let buffer = sample.buffer().ok_or(FlowError::Error)?;
        let segment =
            sample.segment().and_then(|segment| segment.downcast_ref::<ClockTime>()).ok_or(FlowError::Error)?;
        let when =
            |time: Option<ClockTime>| time.and_then(|time| segment.to_running_time_full(time)).map(super::demux::nanos);
        let Some(pts) = when(buffer.pts()) else { return Ok(()) };
        let data = buffer.map_readable().map_err(|_| FlowError::Error)?;
        if data.is_empty() {
            return Ok(());
        }
        let is_sync = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let data = bytes::Bytes::copy_from_slice(&data);
        let unit = Unit { dts: when(buffer.dts()).unwrap_or(NO_TIME), pts, is_sync, data };
        output.send_picture(number, &unit).map_err(|_| FlowError::Error)
    }
}
