//! Media judged by decoding it: FLV from a real encoder, through everything, into a real decoder.

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use media::Sample;
use media::cmaf::{FragmentMeta, TrackConfig, fragment, init_segment};
use media::codec::{AacConfig, VideoConfig};
use media::flv::{AudioPacket, TagKind, VideoPacket, file_tags, parse_audio, parse_video};
use media::playlist::{AudioRendition, Multivariant, Variant, VodPlaylist, VodSegment};
use media::segmenter::{Output, Outputs, Part, Role, SegmentEnd, Segmenter, SegmenterConfig};
use media::timeline::Timeline;
use mp4_atom::{Atom, Buf, Decode, Header, Moof, Moov, ReadFrom};

/// Runs a program and returns its standard output; whatever it complains about fails the test.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program} {arguments:?}: {complaints}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What was sent: an FLV file's tags, cleaned and placed.
pub(crate) struct Sent {
    pub(crate) video: Option<(VideoConfig, Vec<Sample>)>,
    pub(crate) audio: Option<(AacConfig, Vec<Sample>)>,
}

fn encode(directory: &Path, arguments: &[&str]) -> Bytes {
    let path = directory.join("sent.flv");
    let mut all = vec!["-v", "error", "-y"];
    all.extend(arguments);
    all.extend(["-f", "flv", path.to_str().expect("a plain path")]);
    tool("ffmpeg", &all);
    fs::read(path).expect("a file").into()
}

pub(crate) fn receive(file: &Bytes) -> Sent {
    let mut timeline = Timeline::new(0);
    let mut sent = Sent { video: None, audio: None };
    for tag in file_tags(file).expect("an FLV file") {
        match tag.kind {
            TagKind::Video => match parse_video(&tag.body).expect("a video tag").packet {
                VideoPacket::SequenceHeader { codec, config } => {
                    let config = VideoConfig::parse(codec, &config).expect("a record");
                    timeline.set_video_rate(config.frame_rate());
                    sent.video = Some((config, Vec::new()));
                }
                VideoPacket::Frame { cts_ms, data, .. } => {
                    let (config, samples) = sent.video.as_mut().expect("the header first");
                    let cleaned = config.clean(&data);
                    if let Some(new) = cleaned.new_config {
                        assert!(samples.is_empty(), "another configuration in the middle");
                        *config = new;
                    }
                    let placed = timeline.video(tag.timestamp_ms, cts_ms);
                    samples.push(Sample {
                        dts: placed.dts,
                        cts: placed.cts,
                        duration: placed.duration,
                        is_sync: cleaned.is_idr,
                        data: cleaned.data,
                    });
                }
                VideoPacket::EndOfSequence | VideoPacket::Ignored => {}
            },
            TagKind::Audio => match parse_audio(&tag.body).expect("an audio tag").packet {
                AudioPacket::SequenceHeader { config } => {
                    let config = AacConfig::parse(&config).expect("AudioSpecificConfig");
                    timeline.set_audio(&config);
                    sent.audio = Some((config, Vec::new()));
                }
                AudioPacket::Frame { data } => {
                    let (_, samples) = sent.audio.as_mut().expect("the header first");
                    let placed = timeline.audio(tag.timestamp_ms).expect("nothing is dropped");
                    assert_eq!(placed.fill, 0);
                    samples.push(Sample { dts: placed.dts, cts: 0, duration: placed.duration, is_sync: true, data });
                }
                AudioPacket::Ignored => {}
            },
            TagKind::Script | TagKind::Other(_) => {}
        }
    }
    sent
}

pub(crate) fn segment(track: TrackConfig, samples: &[Sample]) -> (Vec<Part>, Vec<SegmentEnd>) {
    let mut segmenter = Segmenter::new(SegmenterConfig {
        part_ms: 200,
        segment_ms: 2_000,
        target_duration_s: 2,
        track,
        role: Role::Leader,
        first_msn: 0,
        starts_at_pts: None,
    });
    let mut out = Outputs::new();
    for sample in samples {
        out.extend(segmenter.push(sample.clone()));
    }
    out.extend(segmenter.finish());
    let (mut parts, mut ends) = (Vec::new(), Vec::new());
    for output in out {
        match output {
            Output::Part(part) => parts.push(part),
            Output::Segment(end) => ends.push(end),
        }
    }
    (parts, ends)
}

pub(crate) fn write_whole(path: &Path, track: &TrackConfig, parts: &[Part]) {
    let mut bytes = init_segment(track).to_vec();
    parts.iter().for_each(|part| bytes.extend_from_slice(&part.bytes));
    fs::write(path, bytes).expect("written");
}

/// Frames a decoder gets out of `path`, and their duration in seconds.
pub(crate) fn decoded(path: &str, stream: &str) -> (usize, f64) {
    tool("ffmpeg", &["-v", "error", "-xerror", "-i", path, "-map", "0", "-f", "null", "-"]);
    let entries = "stream=nb_read_frames,duration:format=duration,start_time";
    let told = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_frames",
            "-select_streams",
            stream,
            "-show_entries",
            entries,
            "-of",
            "default=nw=1",
            path,
        ],
    );
    let value = |key: &str| {
        told.lines()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .find_map(|text| text.parse::<f64>().ok())
    };
    let duration = value("duration").expect("a duration");
    (value("nb_read_frames").expect("frames") as usize, duration)
}

const PICTURE: &str = "testsrc2=size=320x180:rate=30:duration=7";
const TONE: &str = "sine=frequency=440:sample_rate=44100:duration=7";

#[test]
fn h264_and_aac_from_an_encoder_decode_without_a_complaint() {
    let directory = tempfile::tempdir().expect("a directory");
    #[rustfmt::skip]
    let file = encode(directory.path(), &[
        "-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE,
        "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "60", "-sc_threshold", "0", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "96k",
    ]);
    let sent = receive(&file);
    let (avc, frames) = sent.video.expect("video");
    assert_eq!((avc.size(), avc.sample_aspect()), ((320, 180), (1, 1)));
    assert_eq!(avc.frame_rate().map(|rate| rate.as_f64()), Some(30.0));
    assert!(frames.iter().any(|frame| frame.cts > 0), "B-frames");
    assert_eq!(frames.iter().filter(|frame| frame.is_sync).count(), 4);

    let track = TrackConfig::Video(avc);
    let (parts, ends) = segment(track.clone(), &frames);
    assert_eq!(ends.len(), 4);
    let path = directory.path().join("video.mp4");
    write_whole(&path, &track, &parts);
    let (count, duration) = decoded(path.to_str().expect("plain"), "v:0");
    assert_eq!(count, 210);
    assert!((duration - 7.0).abs() < 0.07, "{duration}");

    let (aac, sounds) = sent.audio.expect("audio");
    let track = TrackConfig::Audio(aac);
    let (parts, ends) = segment(track.clone(), &sounds);
    let path = directory.path().join("audio.mp4");
    write_whole(&path, &track, &parts);
    let (count, duration) = decoded(path.to_str().expect("plain"), "a:0");
    assert_eq!(count, sounds.len());
    let total: i64 = ends.iter().map(|end| end.duration_ticks).sum();
    assert!((duration - total as f64 / 44_100.0).abs() < 0.05, "{duration}");
    assert!((duration - 7.0).abs() < 0.1, "{duration}");
}

#[test]
fn a_playlist_of_our_segments_plays() {
    let directory = tempfile::tempdir().expect("a directory");
    #[rustfmt::skip]
    let file = encode(directory.path(), &[
        "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30000/1001:duration=9", "-f", "lavfi", "-i", TONE,
        "-c:v", "libx264", "-preset", "ultrafast", "-g", "250", "-keyint_min", "20", "-pix_fmt", "yuv420p",
        "-x264-params", "force-cfr=1", "-c:a", "aac", "-ac", "1",
    ]);
    let sent = receive(&file);
    let (avc, frames) = sent.video.expect("video");
    let (aac, sounds) = sent.audio.expect("audio");
    let multivariant = Multivariant {
        variants: vec![Variant {
            uri: "video/index.m3u8".into(),
            name: "source".into(),
            codecs: avc.codecs(),
            bandwidth: 1_000_000,
            average_bandwidth: 900_000,
            resolution: avc.size(),
            frame_rate: avc.frame_rate().map(|rate| rate.as_f64()),
            iframes: None,
        }],
        audio: Some(AudioRendition {
            language: "und".to_owned(),
            uri: "audio/index.m3u8".into(),
            name: "Audio".into(),
            codecs: aac.codecs(),
            channels: aac.channels,
            bandwidth: 100_000,
            average_bandwidth: 100_000,
        }),
        independent_segments: false,
    };
    let count = frames.len();
    for (name, track, samples) in
        [("video", TrackConfig::Video(avc), frames), ("audio", TrackConfig::Audio(aac), sounds)]
    {
        write_rendition(&directory.path().join(name), &track, &samples);
    }
    let path = directory.path().join("index.m3u8");
    fs::write(&path, multivariant.render("")).expect("written");
    let (decoded_count, _) = decoded(path.to_str().expect("plain"), "v:0");
    assert_eq!(decoded_count, count);
}

fn write_rendition(directory: &Path, track: &TrackConfig, samples: &[Sample]) {
    fs::create_dir(directory).expect("made");
    fs::write(directory.join("init0.mp4"), track.init()).expect("written");
    let (parts, ends) = segment(track.clone(), samples);
    for end in &ends {
        let bytes: Vec<u8> =
            parts.iter().filter(|part| part.msn == end.msn).flat_map(|part| part.bytes.to_vec()).collect();
        assert_eq!(bytes.len() as u64, end.bytes_len);
        fs::write(directory.join(media::playlist::uri::segment(end.msn)), bytes).expect("written");
    }
    let segments = ends.iter().map(|end| VodSegment {
        msn: end.msn,
        duration_s: end.duration_ticks as f64 / f64::from(track.timescale()),
        init: 0,
        is_discontinuity: end.is_discontinuity,
        program_date_time_ms: None,
        is_gap: false,
        iframe_len: None,
    });
    let playlist = VodPlaylist { target_duration_s: 2, segments: segments.collect(), is_complete: true };
    fs::write(directory.join("index.m3u8"), playlist.render("")).expect("written");
}

#[test]
fn an_iframe_range_decodes_to_one_picture() {
    let directory = tempfile::tempdir().expect("a directory");
    #[rustfmt::skip]
    let file = encode(directory.path(), &[
        "-f", "lavfi", "-i", PICTURE, "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-pix_fmt", "yuv420p",
    ]);
    let (avc, frames) = receive(&file).video.expect("video");
    let track = TrackConfig::Video(avc);
    let (parts, ends) = segment(track.clone(), &frames);
    let length = ends[1].iframe_len.expect("a key frame") as usize;
    let first = parts.iter().find(|part| part.msn == 1).expect("a part");
    let path = directory.path().join("iframe.h264");
    // The range ends with the picture: what stands behind `mdat`'s header is exactly the first sample.
    let (_, body) = mp4_boxes(&first.bytes);
    let picture = frames.iter().filter(|frame| frame.is_sync).nth(1).expect("the second key frame");
    assert_eq!(first.bytes.len() - body.len() + picture.data.len(), length);
    assert_eq!(first.bytes[length - picture.data.len()..length], picture.data);
    let mut annexb = Vec::new();
    for unit in media::codec::nal::nals(&track_record(&track), 2).chain(media::codec::nal::nals(&picture.data, 4)) {
        annexb.extend([0, 0, 0, 1]);
        annexb.extend_from_slice(unit.data);
    }
    fs::write(&path, annexb).expect("written");
    let told = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            "stream=nb_read_frames",
            "-of",
            "csv=p=0",
            path.to_str().expect("plain"),
        ],
    );
    assert_eq!(told, "1");
}

/// The record's parameter sets, each behind a length of two bytes, counts left out.
fn track_record(track: &TrackConfig) -> Vec<u8> {
    let TrackConfig::Video(avc) = track else { panic!("video") };
    let record = avc.record();
    let sps = 2 + (usize::from(record[6]) << 8 | usize::from(record[7]));
    let mut sets = record[6..6 + sps].to_vec();
    let pps = 6 + sps + 1;
    sets.extend(&record[pps..pps + 2 + (usize::from(record[pps]) << 8 | usize::from(record[pps + 1]))]);
    sets
}

/// The `moof` of a fragment and what is in its `mdat`.
fn mp4_boxes(bytes: &Bytes) -> (Moof, Bytes) {
    let mut cursor = bytes.clone();
    let header = Header::decode(&mut cursor).expect("a header");
    assert_eq!(header.kind, Moof::KIND);
    let moof = Moof::decode_body(&mut cursor.split_to(header.size.expect("a size"))).expect("a moof");
    let header = Header::decode(&mut cursor).expect("a header");
    assert_eq!(header.kind.to_string(), "mdat");
    assert_eq!(header.size, Some(cursor.remaining()), "mdat is complete and last");
    (moof, cursor)
}

#[test]
fn boxes_read_back_as_written() {
    let track = TrackConfig::Video(crate::rig::avc().into());
    let init = init_segment(&track);
    let mut reader = &init[..];
    mp4_atom::Ftyp::read_from(&mut reader).expect("ftyp");
    let moov = Moov::read_from(&mut reader).expect("moov");
    assert!(reader.is_empty());
    assert_eq!(moov.trak[0].mdia.mdhd.timescale, 90_000);
    assert_eq!(moov.trak[0].mdia.hdlr.handler.to_string(), "vide");
    assert!(moov.mvex.is_some());

    let sample = |dts, cts, is_sync, data: &'static [u8]| Sample {
        dts,
        cts,
        duration: 3_000,
        is_sync,
        data: Bytes::from_static(data),
    };
    let base = i64::from(u32::MAX) + 5;
    let samples = [sample(base, 6_000, true, b"one"), sample(base + 3_000, -3_000, false, b"three")];
    let (moof, body) = mp4_boxes(&fragment(FragmentMeta { sequence: 9, base_dts: base, is_video: true }, &samples));
    assert_eq!(moof.mfhd.sequence_number, 9);
    let traf = &moof.traf[0];
    assert_eq!(traf.tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time), Some(base as u64));
    assert_eq!(traf.tfhd.default_sample_duration, Some(3_000));
    let entries = &traf.trun[0].samples;
    assert_eq!(entries.iter().map(|entry| entry.cts).collect::<Vec<_>>(), [Some(6_000), Some(-3_000)]);
    assert_eq!(entries.iter().map(|entry| entry.size).collect::<Vec<_>>(), [Some(3), Some(5)]);
    assert_eq!(body, Bytes::from_static(b"onethree"));
}

#[test]
fn silence_decodes_to_silence() {
    let directory = tempfile::tempdir().expect("a directory");
    for (channels, config) in [(1_u8, [0x11, 0x88]), (2, [0x11, 0x90])] {
        let aac = AacConfig::parse(&config).expect("parses");
        assert_eq!(aac.channels, channels);
        let data = aac.silent_frame().expect("silence");
        let samples: Vec<_> = (0..100)
            .map(|n| Sample { dts: n * 1_024, cts: 0, duration: 1_024, is_sync: true, data: data.clone() })
            .collect();
        let track = TrackConfig::Audio(aac);
        let (parts, _) = segment(track.clone(), &samples);
        let path = directory.path().join(format!("silence{channels}.mp4"));
        write_whole(&path, &track, &parts);
        let (source, raw) = (path.to_str().expect("plain"), directory.path().join("out.raw"));
        assert_eq!(decoded(source, "a:0").0, 100);
        tool("ffmpeg", &["-v", "error", "-xerror", "-y", "-i", source, "-f", "s16le", raw.to_str().expect("plain")]);
        let pcm = fs::read(raw).expect("sound");
        assert_eq!(pcm.len(), 100 * 1_024 * 2 * usize::from(channels));
        assert!(pcm.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn parameter_sets_that_change_in_the_stream_are_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let configs: Vec<(VideoConfig, Vec<Sample>)> = ["320x180", "640x360"]
        .map(|size| {
            let source = format!("testsrc2=size={size}:rate=25:duration=1");
            #[rustfmt::skip]
            let file = encode(directory.path(), &[
                "-f", "lavfi", "-i", &source, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
            ]);
            receive(&file).video.expect("video")
        })
        .into();
    let (old, new) = (&configs[0].0, &configs[1].0);
    // The second encoder's sets and picture arrive in the first one's stream.
    let sets = track_record(&TrackConfig::Video(new.clone()));
    let mut unit = Vec::new();
    for set in media::codec::nal::nals(&sets, 2) {
        unit.extend((set.data.len() as u32).to_be_bytes());
        unit.extend_from_slice(set.data);
    }
    unit.extend_from_slice(&configs[1].1[0].data);
    let cleaned = old.clean(&unit.into());
    let changed = cleaned.new_config.expect("a new configuration");
    assert_eq!(changed.size(), (640, 360));
    assert_eq!(cleaned.data, configs[1].1[0].data, "the sets are gone from the picture");
    assert!(cleaned.is_idr);
}
