//! Trying a hardware encoder: a few pictures as a stream would give them, and a strict look at what comes out.
//!
//! An element that is registered says little: the driver may be the wrong one, the card too old, the walls too high. What it
//! encodes here it will encode for a stream, within the same walls.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, FlowError, glib};
use gstreamer_app::AppSrc;
use gstreamer_video::{VideoFormat, VideoInfo};
use media::codec::{AvcConfig, nal};

use super::super::encoder::table::Candidate;
use super::super::wire::Trial;
use super::hardware;
use super::pipeline::{caught, pad, sink};
use super::rungs::{KEY, avc_caps, force_keys};

/// As many as show what it does between key frames, and as few as take no time.
const PICTURES: usize = 24;
/// Pictures that are to be key frames: the first, and two at no regular distance.
const KEYS: [usize; 3] = [0, 7, 17];
/// Pictures it may hold back: each delays the rendition by one more.
const HELD_MAX: usize = 3;
const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
const BITRATE_KBPS: u32 = 1_000;
/// From the first picture to the last.
const ENCODE_MAX: Duration = Duration::from_secs(3);

/// One access unit that came out.
#[derive(Debug, Clone)]
struct Coded {
    pts: ClockTime,
    is_sync: bool,
    data: Bytes,
    config: Option<Bytes>,
}

/// An encoder that is ready to be tried.
pub(super) struct Bench {
    pipeline: gst::Pipeline,
    source: AppSrc,
    coded: Receiver<Coded>,
    info: VideoInfo,
}

impl Bench {
    /// Opens the encoder and its device. Comes before the walls.
    pub(super) fn build(candidate: &Candidate) -> Result<Self, String> {
        Self::assemble(candidate).map_err(|error| error.to_string())
    }

    fn assemble(candidate: &Candidate) -> Result<Self, glib::BoolError> {
        let chain = hardware::chain(candidate, BITRATE_KBPS)?;
        let [first, encoder, ..] = &chain[..] else { return Err(glib::bool_error!("there is no encoder")) };
        force_keys(&pad(first, "sink")?, encoder);
        let (give, coded) = sync_channel(PICTURES + 1);
        let sink = sink(avc_caps(), move |sample| {
            let buffer = sample.buffer().ok_or(FlowError::Error)?;
            let map = |buffer: &gst::BufferRef| {
                buffer.map_readable().map(|map| Bytes::copy_from_slice(&map)).map_err(|_| FlowError::Error)
            };
            let config = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
            let unit = Coded {
                pts: caught(sample)?,
                is_sync: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                data: map(buffer)?,
                config: config.map(|config| map(&config)).transpose()?,
            };
            // More than one for each picture is a fault that is seen below.
            let _ = give.try_send(unit);
            Ok(())
        });
        let info = VideoInfo::builder(VideoFormat::I420, WIDTH, HEIGHT).fps(gst::Fraction::new(30, 1)).build()?;
        let source = AppSrc::builder().caps(&info.to_caps()?).format(gst::Format::Time).is_live(true).build();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source)?;
        pipeline.add_many(&chain)?;
        pipeline.add(&sink)?;
        let all = std::iter::once(source.upcast_ref()).chain(&chain).chain([sink.upcast_ref()]);
        gst::Element::link_many(all).map_err(|_| glib::bool_error!("it does not turn pictures into H.264"))?;
        pipeline.set_state(gst::State::Ready).map_err(|_| glib::bool_error!("its device does not open"))?;
        Ok(Self { pipeline, source, coded, info })
    }

    /// Encodes and judges.
    pub(super) fn run(&self) -> Result<Trial, String> {
        let began = Instant::now();
        self.pipeline.set_state(gst::State::Playing).map_err(|_| "it does not start".to_owned())?;
        let units = self.encode(began + ENCODE_MAX)?;
        let codecs = judge(&units)?;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Trial { pictures: PICTURES, codecs, took_ms })
    }

    /// Gives picture after picture, and takes what comes before the next one is due.
    fn encode(&self, deadline: Instant) -> Result<Vec<Coded>, String> {
        let mut units = Vec::new();
        for number in 0..PICTURES {
            self.source.push_buffer(picture(number, &self.info)?).map_err(|error| format!("it stopped: {error}"))?;
            while units.len() + HELD_MAX <= number {
                units.push(self.next(deadline, number + 1, units.len())?);
            }
        }
        self.source.end_of_stream().map_err(|error| format!("it stopped: {error}"))?;
        while units.len() < PICTURES {
            units.push(self.next(deadline, PICTURES, units.len())?);
        }
        // Whatever it gives beyond that.
        units.extend(self.coded.try_iter());
        Ok(units)
    }

    fn next(&self, deadline: Instant, given: usize, taken: usize) -> Result<Coded, String> {
        loop {
            let wait = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(50));
            if let Ok(unit) = self.coded.recv_timeout(wait) {
                return Ok(unit);
            }
            if let Some(reason) = self.error() {
                return Err(reason);
            }
            if Instant::now() >= deadline {
                return Err(format!("{given} pictures went in and {taken} came out within {ENCODE_MAX:?}"));
            }
        }
    }

    fn error(&self) -> Option<String> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Elements that are not put away complain. One that hangs does so here, too, and its process is killed.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A ramp that moves, so that there is something to encode.
fn picture(number: usize, info: &VideoInfo) -> Result<gst::Buffer, String> {
    let mut pixels = vec![128_u8; info.size()];
    let luma = info.stride()[0] as usize;
    for (row, line) in pixels.chunks_mut(luma).take(HEIGHT as usize).enumerate() {
        for (column, pixel) in line.iter_mut().enumerate() {
            *pixel = 16 + ((column + 3 * row + 9 * number) % 200) as u8;
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    let picture = buffer.get_mut().ok_or("a picture is in use")?;
    picture.set_pts(pts(number));
    picture.set_duration(pts(1));
    if KEYS.contains(&number) {
        picture.set_flags(KEY);
    }
    Ok(buffer)
}

fn pts(number: usize) -> ClockTime {
    ClockTime::from_nseconds(number as u64 * 1_000_000_000 / 30)
}

/// The CODECS string, or the first thing that is wrong.
fn judge(units: &[Coded]) -> Result<String, String> {
    let record = units.first().and_then(|unit| unit.config.as_ref()).ok_or("it gives no codec data")?;
    let config = AvcConfig::parse(record).map_err(|error| format!("its codec data is wrong: {error}"))?;
    if (config.width, config.height) != (WIDTH, HEIGHT) {
        return Err(format!("it makes pictures of {}x{} of {WIDTH}x{HEIGHT}", config.width, config.height));
    }
    // Baseline, main, high: what every browser plays. Levels from 1 to 6.2.
    if !matches!(config.profile, 66 | 77 | 100) || !(10..=62).contains(&config.level) {
        return Err(format!("nobody plays {}", config.codecs()));
    }
    if units.len() != PICTURES {
        return Err(format!("it makes {} pictures of {PICTURES}", units.len()));
    }
    for (number, unit) in units.iter().enumerate() {
        if unit.pts != pts(number) {
            return Err(format!("picture {number} comes with another one's time: it reorders or drops pictures"));
        }
        if unit.config.as_ref().is_some_and(|config| config != record) {
            return Err("its codec data changes".to_owned());
        }
        let is_key = check_unit(&unit.data, config.length_size).map_err(|why| format!("picture {number} {why}"))?;
        if is_key != KEYS.contains(&number) {
            let what = if is_key { "a key frame nobody asked for" } else { "no key frame although one was asked for" };
            return Err(format!("picture {number} is {what}"));
        }
        if is_key != unit.is_sync {
            return Err(format!("picture {number} is not marked as what it is"));
        }
    }
    Ok(config.codecs())
}

/// Whether a whole access unit is an IDR picture.
fn check_unit(data: &[u8], length_size: u8) -> Result<bool, String> {
    let (mut end, mut slices, mut keys) = (0, 0_usize, 0_usize);
    for unit in nal::nals(data, length_size) {
        end = unit.start + usize::from(length_size) + unit.data.len();
        slices += usize::from(matches!(unit.kind, nal::SLICE | nal::IDR));
        keys += usize::from(unit.kind == nal::IDR);
    }
    if end != data.len() || slices == 0 {
        return Err("is no access unit with lengths".to_owned());
    }
    if keys != 0 && keys != slices { Err("is half a key frame".to_owned()) } else { Ok(keys != 0) }
}

#[cfg(test)]
mod tests {
    use super::super::super::encoder::Encoder;
    use super::super::super::gstreamer_setup;
    use super::*;

    /// Tries a stand-in in this process, without walls.
    fn tried(name: &str) -> Result<Trial, String> {
        gstreamer_setup::load().expect("GStreamer is here");
        let candidate = Encoder::Hardware(name.to_owned()).candidate()?.expect("a hardware encoder");
        hardware::load(candidate)?;
        Bench::build(candidate)?.run()
    }

    #[test]
    fn an_encoder_that_does_as_it_is_told_is_believed() {
        for name in ["x264-good", "openh264enc"] {
            let trial = tried(name).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            assert_eq!(trial.pictures, PICTURES);
            assert!(trial.codecs.starts_with("avc1."), "{}", trial.codecs);
        }
    }

    #[test]
    fn one_that_does_not_is_refused_with_what_was_wrong() {
        for (name, reason) in [
            ("nobodysh264enc", "libgstnobody.so is missing"),
            ("vah264enc-without-device", "has no element vah264enc"),
            ("x264-lacks", "it has no property rate-control or rc-mode"),
            ("x264-misunderstands", "its pass cannot be no-such-way"),
            ("jpegenc", "does not turn pictures into H.264"),
            ("x264-reorders", "another one's time"),
            ("x264-looks-ahead", "4 pictures went in and 0 came out"),
            ("x264-deaf", "picture 7 is no key frame although one was asked for"),
            ("x264-restless", "picture 3 is a key frame nobody asked for"),
            ("no-such-name", "no encoder is called"),
        ] {
            let refused = tried(name).expect_err(name);
            assert!(refused.contains(reason), "{name}: {refused}");
        }
    }

    fn unit(number: usize, nals: &[u8]) -> Coded {
        let data: Vec<u8> = nals.iter().flat_map(|kind| [0, 0, 0, 2, *kind, 0x80]).collect();
        Coded { pts: pts(number), is_sync: KEYS.contains(&number), data: data.into(), config: None }
    }

    #[test]
    fn access_units_are_whole_and_of_one_kind() {
        assert_eq!(check_unit(&unit(0, &[6, 5, 5]).data, 4), Ok(true));
        assert_eq!(check_unit(&unit(0, &[1]).data, 4), Ok(false));
        assert!(check_unit(&unit(0, &[5, 1]).data, 4).is_err_and(|why| why.contains("half a key frame")));
        assert!(check_unit(&unit(0, &[7, 8]).data, 4).is_err(), "no picture");
        assert!(check_unit(&[0, 0, 0, 1, 0x65, 0x88], 4).is_err(), "a start code is no length");
        assert!(judge(&[unit(0, &[5])]).is_err_and(|why| why == "it gives no codec data"));
        assert!(judge(&[]).is_err());
    }
}
