//! Reading a stranger's file: one parser, chosen by what the file is and never by what it says of itself, and no other.
//!
//! `appsrc → qtdemux or matroskademux → appsink` for each track that is wanted. The file was opened before the walls went up; the
//! parser asks for stretches of it and can open nothing else, whatever the file refers to. Access units go out as they are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::Classify;
use domain::import::{Container, ImportFail, TRACKS_MAX};
use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, glib};
use gstreamer_app::{AppSink, AppSrc, AppSrcCallbacks, AppStreamType};

use super::super::gstreamer_setup;
use super::super::wire::{self, Contents, Demux, Kind, NO_TIME, Report, Track, UNIT_BYTES_MAX, Unit};
use super::{Output, encode, sandbox};

/// Most the parser gets at one time: headers of a long file come as one.
const READ_BYTES_MAX: u32 = 128 * 1024 * 1024;
/// Things that can happen before somebody looks.
const WORDS_MAX: usize = 16;

/// What the pipeline's threads tell.
enum Word {
    /// All tracks are known.
    Known,
    Ended,
    Refused(ImportFail),
    Failed(String),
}

/// Reads the file and sends what was asked for.
pub(super) fn run(task: &Demux, output: &Output) -> Result<(), String> {
    sandbox::prepare_patient(task.parent_pid)?;
    let file = File::open(&task.path).map_err(|error| format!("the file cannot be opened: {error}"))?;
    let reader = gstreamer_setup::load_reader(task.container)?;
    task.takes.iter().filter_map(|(_, recode)| recode.as_ref()).try_for_each(encode::load)?;
    let (words, heard) = sync_channel(WORDS_MAX);
    let (pipeline, tracks) = build(task, file, reader, output, &words).map_err(|error| error.to_string())?;
    let measures = sandbox::enter(task.memory_mib, task.parent_pid, None)?;
    let report = Report { measures, ..Report::default() };
    output.send_frame(&wire::json_frame(Kind::Ready, &report)).map_err(|error| error.to_string())?;
    pipeline.set_state(gst::State::Playing).map_err(|error| format!("it does not play: {error}"))?;
    let told = tell(task, &tracks, &heard, output);
    // It may be waiting for a reader that is gone: the process ends with its threads where they are.
    told.map_err(|error| error.to_string())
}

fn tell(task: &Demux, tracks: &Tracks, heard: &Receiver<Word>, output: &Output) -> std::io::Result<()> {
    for word in heard {
        match word {
            Word::Known => {
                let tracks = tracks.lock().unwrap_or_else(PoisonError::into_inner);
                let lengths = tracks.iter().filter_map(|(_, pad)| pad.query_duration::<ClockTime>());
                let duration = lengths.max().map(ClockTime::nseconds);
                let tracks = tracks.iter().filter_map(|(number, pad)| describe(*number, pad)).collect();
                let contents = Contents { tracks, duration_ns: duration };
                output.send_frame(&wire::json_frame(Kind::Contents, &contents))?;
                if task.takes.is_empty() {
                    return Ok(());
                }
            }
            Word::Ended => return output.send(Kind::Ended, &[]),
            Word::Refused(why) => return output.send(Kind::Refused, why.code().as_bytes()),
            Word::Failed(reason) => {
                eprintln!("media-worker: {reason}");
                return output.send(Kind::Refused, ImportFail::Unreadable.code().as_bytes());
            }
        }
    }
    Ok(())
}

type Tracks = Arc<Mutex<Vec<(u8, gst::Pad)>>>;

fn build(
    task: &Demux,
    file: File,
    reader: &str,
    output: &Output,
    words: &SyncSender<Word>,
) -> Result<(gst::Pipeline, Tracks), glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let source = source(file)?;
    let demuxer = gst::ElementFactory::make(reader).build()?;
    pipeline.add_many([source.upcast_ref(), &demuxer])?;
    source.link(&demuxer)?;
    let tracks = Tracks::default();
    let (known, takes, weak) = (Arc::clone(&tracks), task.takes.clone(), pipeline.downgrade());
    let has_edits = matches!(task.container, Container::Mp4 | Container::Mov);
    let (told, out) = (words.clone(), output.clone());
    let sight = Arc::new(Sight { unseen: Mutex::new(Some(1)), words: words.clone() });
    let others = Arc::clone(&sight);
    demuxer.connect_pad_added(move |_, pad| {
        others.wait_for(pad);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TRACKS_MAX {
            let _ = told.try_send(Word::Refused(ImportFail::TooManyTracks));
            return;
        }
        let number = u8::try_from(known.len()).unwrap_or(u8::MAX);
        known.push((number, pad.clone()));
        let take = takes.iter().find(|(wanted, _)| *wanted == number);
        let (Some((_, recode)), Some(pipeline)) = (take, weak.upgrade()) else { return };
        let attached = match recode {
            Some(recode) => encode::attach(&pipeline, pad, number, recode, &out),
            None => attach(&pipeline, pad, (number, has_edits), &out, &told),
        };
        if let Err(error) = attached {
            let _ = told.try_send(Word::Failed(error.to_string()));
        }
    });
    demuxer.connect_no_more_pads(move |_| sight.seen());
    listen(&pipeline, words.clone())?;
    pipeline.set_state(gst::State::Ready).map_err(|_| glib::bool_error!("an element refused to become ready"))?;
    Ok((pipeline, tracks))
}

/// Tells that all tracks are known: when the parser says that there are no more, and each picture's first unit has come or will not. How a
/// picture is to be turned is told right before that, and not with the track.
struct Sight {
    /// What is still waited for; the parser's word is one of them. `None` when it was told.
    unseen: Mutex<Option<usize>>,
    words: SyncSender<Word>,
}

impl Sight {
    fn wait_for(self: &Arc<Self>, pad: &gst::Pad) {
        if !pad.name().starts_with("video") {
            return;
        }
        if let Some(unseen) = &mut *self.unseen.lock().unwrap_or_else(PoisonError::into_inner) {
            *unseen += 1;
        }
        let sight = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let is_other = info.event().is_some_and(|event| event.type_() != gst::EventType::Eos);
            if is_other {
                return gst::PadProbeReturn::Pass;
            }
            sight.seen();
            gst::PadProbeReturn::Remove
        });
    }

    fn seen(&self) {
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = *unseen else { return };
        *unseen = left.checked_sub(1).filter(|left| *left > 0);
        if unseen.is_none() {
            let _ = self.words.try_send(Word::Known);
        }
    }
}

/// The file as the parser may ask for it: any stretch, in any order.
fn source(mut file: File) -> Result<AppSrc, glib::BoolError> {
    let length = file.seek(SeekFrom::End(0)).map_err(|_| glib::bool_error!("the file has no length"))?;
    let file = Arc::new(Mutex::new((file, 0_u64)));
    let sought = Arc::clone(&file);
    let callbacks = AppSrcCallbacks::builder()
        .need_data(move |source, wanted| {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let (file, at) = &mut *file;
            let left = length.saturating_sub(*at).min(u64::from(wanted.min(READ_BYTES_MAX)));
            let mut bytes = vec![0; usize::try_from(left).unwrap_or(0)];
            let read = file.seek(SeekFrom::Start(*at)).and_then(|_| file.read_exact(&mut bytes));
            if read.is_err() || bytes.is_empty() {
                let _ = source.end_of_stream();
                return;
            }
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_offset(*at);
            }
            *at += left;
            let _ = source.push_buffer(buffer);
        })
        .seek_data(move |_, offset| {
            sought.lock().unwrap_or_else(PoisonError::into_inner).1 = offset;
            true
        })
        .build();
    let source = AppSrc::builder()
        .format(gst::Format::Bytes)
        .stream_type(AppStreamType::RandomAccess)
        .callbacks(callbacks)
        .build();
    source.set_size(i64::try_from(length).unwrap_or(i64::MAX));
    Ok(source)
}

/// Sends a track's units to the parent, which makes the parser wait when it is slower. In Matroska a unit's time is its time; in the
/// others it `has_edits`.
fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    (number, has_edits): (u8, bool),
    output: &Output,
    words: &SyncSender<Word>,
) -> Result<(), glib::BoolError> {
    let (output, words) = (output.clone(), words.clone());
    let line = Mutex::new(Line { number, has_edits, stretch: None, caps: None, output });
    // Here and not in the sink, which leaves out what an edit list hides although others are decoded from it.
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data
            && let Err(why) = line.lock().unwrap_or_else(PoisonError::into_inner).send(pad, buffer)
        {
            let _ = words.try_send(Word::Refused(why));
        }
        gst::PadProbeReturn::Drop
    });
    // For the end of the track.
    let sink = AppSink::builder().sync(false).async_(false).build();
    sink.set_enable_last_sample(false);
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    let into = sink.static_pad("sink").ok_or_else(|| glib::bool_error!("a sink without a pad"))?;
    pad.link(&into).map(drop).map_err(|error| glib::bool_error!("a track cannot be taken: {error}"))
}

/// One track on its way to the parent.
struct Line {
    number: u8,
    has_edits: bool,
    /// Where in the file's time the stretch begins that is being read, and where in the presentation's.
    stretch: Option<(Option<ClockTime>, Option<ClockTime>)>,
    caps: Option<gst::Caps>,
    output: Output,
}

impl Line {
    fn send(&mut self, pad: &gst::Pad, buffer: &gst::Buffer) -> Result<(), ImportFail> {
        // Another description of the pictures in the middle of the file.
        let now = pad.current_caps();
        if let (Some(before), Some(now)) = (&self.caps, &now)
            && !is_same(before, now)
        {
            return Err(ImportFail::FormatChanges);
        }
        self.caps = self.caps.take().or(now);
        let event = pad.sticky_event::<gst::event::Segment>(0).ok_or(ImportFail::Unreadable)?;
        let segment = event.segment().downcast_ref::<ClockTime>().ok_or(ImportFail::Unreadable)?;
        // What is put together of several stretches cannot be passed on: it would have to be cut within groups of pictures.
        let stretch = (segment.start(), segment.base());
        let is_another = *self.stretch.get_or_insert(stretch) != stretch || (segment.rate() - 1.0).abs() > 1e-6;
        if self.has_edits && is_another {
            return Err(ImportFail::EditList);
        }
        let when = |time: Option<ClockTime>| match time? {
            time if self.has_edits => segment.to_running_time_full(time).map(nanos),
            time => Some(nanos(gst::Signed::Positive(time))),
        };
        let dts = when(buffer.dts());
        let pts = when(buffer.pts()).or(dts).ok_or(ImportFail::Unreadable)?;
        let map = buffer.map_readable().map_err(|_| ImportFail::Unreadable)?;
        if map.is_empty() {
            return Ok(());
        }
        if map.len() > UNIT_BYTES_MAX {
            return Err(ImportFail::TooLarge);
        }
        let unit = Unit {
            dts: dts.unwrap_or(NO_TIME),
            pts,
            is_sync: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            data: Bytes::copy_from_slice(&map),
        };
        // A parent that is gone takes this process with it.
        let _gone = self.output.send_picture(self.number, &unit);
        Ok(())
    }
}

/// Whether the units are coded the same way. What is said of their rate may change.
fn is_same(before: &gst::Caps, now: &gst::Caps) -> bool {
    let header =
        |caps: &gst::Caps| caps.structure(0).and_then(|it| it.get::<gst::Buffer>("codec_data").ok()).map(bytes_of);
    before == now || header(before) == header(now)
}

fn bytes_of(buffer: gst::Buffer) -> Vec<u8> {
    buffer.map_readable().map(|map| map.to_vec()).unwrap_or_default()
}

pub(super) fn nanos(time: gst::Signed<ClockTime>) -> i64 {
    let ns = |time: ClockTime| i64::try_from(time.nseconds()).unwrap_or(i64::MAX);
    match time {
        gst::Signed::Positive(time) => ns(time),
        gst::Signed::Negative(time) => -ns(time),
    }
}

fn listen(pipeline: &gst::Pipeline, words: SyncSender<Word>) -> Result<(), glib::BoolError> {
    let bus = pipeline.bus().ok_or_else(|| glib::bool_error!("the pipeline has no bus"))?;
    bus.set_sync_handler(move |_, message| {
        let _ = match message.view() {
            gst::MessageView::Error(error) => words.try_send(Word::Failed(error.error().to_string())),
            gst::MessageView::Eos(_) => words.try_send(Word::Ended),
            _ => Ok(()),
        };
        gst::BusSyncReply::Drop
    });
    Ok(())
}

/// What the parser found out about a track.
fn describe(number: u8, pad: &gst::Pad) -> Option<Track> {
    let caps = pad.current_caps()?;
    let found = caps.structure(0)?;
    let whole = |name: &str| found.get::<i32>(name).ok().and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
    let text = |name: &str| found.get::<String>(name).unwrap_or_default();
    let rate = found.get::<gst::Fraction>("framerate").ok();
    let rate = rate.and_then(|rate| Some((u32::try_from(rate.numer()).ok()?, u32::try_from(rate.denom()).ok()?)));
    Some(Track {
        number,
        format: found.name().to_string(),
        layout: text("stream-format"),
        mpeg_version: found.get::<i32>("mpegversion").unwrap_or(0),
        codec_data: found.get::<gst::Buffer>("codec_data").map(bytes_of).unwrap_or_default(),
        width: whole("width"),
        height: whole("height"),
        frame_rate: rate.unwrap_or((0, 0)),
        sample_rate: whole("rate"),
        channels: whole("channels"),
        orientation: orientation(pad),
    })
}

fn orientation(pad: &gst::Pad) -> String {
    let mut found = String::new();
    let mut index = 0;
    while let Some(event) = pad.sticky_event::<gst::event::Tag>(index) {
        if let Some(tag) = event.tag().get::<gst::tags::ImageOrientation>() {
            tag.get().clone_into(&mut found);
        }
        index += 1;
    }
    if found == "rotate-0" { String::new() } else { found }
}
