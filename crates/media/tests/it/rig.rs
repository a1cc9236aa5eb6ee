//! A packager in miniature: timeline, segmenters and playlists of one stream, driven as the transcoder drives them.

use bytes::Bytes;
use media::cmaf::TrackConfig;
use media::codec::{AacConfig, AvcConfig};
use media::playlist::{MediaPlaylist, PartLine, SegmentStart, SegmentTail};
use media::segmenter::{Output, Outputs, Part, Role, SegmentEnd, Segmenter, SegmenterConfig};
use media::timeline::Timeline;
use media::{Sample, rescale};

pub(crate) const TARGET_S: u32 = 2;
const EPOCH_MS: i64 = 1_767_225_600_000;

/// SPS and PPS of a real 640 × 360 encoder without timing information.
pub(crate) fn avc() -> AvcConfig {
    let sps = [0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x50];
    AvcConfig::from_sets(&[&sps], &[&[0x68, 0xce, 0x3c, 0x80]], 4).expect("a valid config")
}

pub(crate) fn aac(rate: u32) -> AacConfig {
    let index: u16 = match rate {
        48_000 => 3,
        44_100 => 4,
        other => panic!("no index for {other}"),
    };
    AacConfig::parse(&(2_u16 << 11 | index << 7 | 2 << 3).to_be_bytes()).expect("a valid config")
}

/// A rendition with everything it ever put out.
pub(crate) struct Rendition {
    pub(crate) segmenter: Segmenter,
    pub(crate) playlist: MediaPlaylist,
    pub(crate) parts: Vec<Part>,
    pub(crate) ends: Vec<SegmentEnd>,
    pub(crate) renders: Vec<(String, String)>,
    init: u32,
}

impl Rendition {
    pub(crate) fn new(track: TrackConfig, role: Role) -> Self {
        let config = SegmenterConfig {
            part_ms: 200,
            segment_ms: 2_000,
            target_duration_s: TARGET_S,
            track,
            role,
            first_msn: 0,
            starts_at_pts: None,
        };
        Self {
            segmenter: Segmenter::new(config),
            playlist: MediaPlaylist::new(TARGET_S, 10, 0),
            parts: Vec::new(),
            ends: Vec::new(),
            renders: Vec::new(),
            init: 0,
        }
    }

    pub(crate) fn timescale(&self) -> u32 {
        self.segmenter.timescale()
    }

    pub(crate) fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.timescale())
    }

    fn take(&mut self, outputs: Outputs, expected_cut: Option<i64>) {
        for output in outputs {
            match output {
                Output::Part(part) => self.take_part(part),
                Output::Segment(end) => {
                    self.playlist.end_segment(SegmentTail {
                        duration_s: self.seconds(end.duration_ticks),
                        is_gap: end.part_count == 0,
                        iframe_len: end.iframe_len,
                    });
                    self.ends.push(end);
                }
            }
            self.playlist.set_hint(Some(self.segmenter.next_part(expected_cut)));
            if self.segmenter.part_target_s().is_some() {
                self.renders.push((self.playlist.render(false), self.playlist.render(true)));
            }
        }
    }

    fn take_part(&mut self, part: Part) {
        if let Some(target) = self.segmenter.part_target_s() {
            self.playlist.set_part_target(target);
        }
        if part.index == 0 {
            self.init += u32::from(part.is_discontinuity);
            self.playlist.begin_segment(SegmentStart {
                msn: part.msn,
                program_date_time_ms: EPOCH_MS + rescale(part.starts_at_pts, self.timescale(), 1_000),
                init: self.init,
                is_discontinuity: part.is_discontinuity,
                starts_at_us: Some(rescale(part.starts_at_pts, self.timescale(), 1_000_000)),
            });
        }
        self.playlist
            .push_part(PartLine { duration_s: self.seconds(part.duration_ticks), is_independent: part.is_independent });
        self.parts.push(part);
    }
}

/// One stream: a leader and its followers.
pub(crate) struct Rig {
    pub(crate) timeline: Timeline,
    /// The leader first.
    pub(crate) renditions: Vec<Rendition>,
    /// What the lower rendition's encoder still holds: it puts out frames in presentation order, some frames late.
    encoding: Vec<Sample>,
}

/// Frames the lower rendition's encoder holds.
const ENCODER_DELAY: usize = 4;

/// A synthetic frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) timestamp_ms: u32,
    pub(crate) cts_ms: i32,
    pub(crate) is_key: bool,
}

impl Rig {
    /// Video, a copy of it as lower rendition, and audio.
    pub(crate) fn with_video(audio_rate: u32) -> Self {
        let (video, audio) = (TrackConfig::Video(avc().into()), aac(audio_rate));
        let mut timeline = Timeline::new(0);
        timeline.set_audio(&audio);
        Self {
            timeline,
            renditions: vec![
                Rendition::new(video.clone(), Role::Leader),
                Rendition::new(video, Role::Follower),
                Rendition::new(TrackConfig::Audio(audio), Role::Follower),
            ],
            encoding: Vec::new(),
        }
    }

    pub(crate) fn audio_only(audio_rate: u32) -> Self {
        let audio = aac(audio_rate);
        let mut timeline = Timeline::new(0);
        timeline.set_audio(&audio);
        Self {
            timeline,
            renditions: vec![Rendition::new(TrackConfig::Audio(audio), Role::Leader)],
            encoding: Vec::new(),
        }
    }

    pub(crate) fn video(&mut self, frame: Frame) {
        let placed = self.timeline.video(frame.timestamp_ms, frame.cts_ms);
        let sample = Sample {
            dts: placed.dts,
            cts: placed.cts,
            duration: placed.duration,
            is_sync: frame.is_key,
            data: Bytes::from_static(b"\0\0\0\x02\x41\x9a"),
        };
        self.push(0, sample.clone());
        // The lower rendition's encoder reorders nothing and tells no lengths.
        self.encoding.push(Sample { dts: sample.pts(), cts: 0, duration: 0, ..sample });
        self.encode(ENCODER_DELAY);
    }

    /// Lets the encoder put out all but `held` frames.
    fn encode(&mut self, held: usize) {
        self.encoding.sort_by_key(Sample::pts);
        while self.encoding.len() > held {
            let sample = self.encoding.remove(0);
            self.push(1, sample);
        }
    }

    pub(crate) fn audio(&mut self, timestamp_ms: u32) {
        let Some(placed) = self.timeline.audio(timestamp_ms) else { return };
        let index = self.renditions.len() - 1;
        let frame = i64::from(1_024_u32);
        for missing in (1..=i64::from(placed.fill)).rev() {
            let dts = placed.dts - missing * frame;
            self.push(index, Sample { dts, cts: 0, duration: 1_024, is_sync: true, data: Bytes::from_static(b"s") });
        }
        let sample = Sample {
            dts: placed.dts,
            cts: 0,
            duration: placed.duration,
            is_sync: true,
            data: Bytes::from_static(b"aac"),
        };
        self.push(index, sample);
    }

    pub(crate) fn push(&mut self, index: usize, sample: Sample) {
        let outputs = self.renditions[index].segmenter.push(sample);
        self.deliver(index, outputs);
    }

    fn deliver(&mut self, index: usize, outputs: Outputs) {
        let cuts: Vec<i64> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Segment(end) => Some(end.next_pts),
                Output::Part(_) => None,
            })
            .collect();
        let leader_scale = self.renditions[0].timescale();
        let expected = self.renditions[0].segmenter.expected_cut_pts();
        let own = self.renditions[index].timescale();
        self.renditions[index].take(outputs, expected.map(|pts| rescale(pts, leader_scale, own)));
        if index > 0 {
            return;
        }
        for follower in 1..self.renditions.len() {
            for pts in &cuts {
                let scale = self.renditions[follower].timescale();
                let outputs = self.renditions[follower].segmenter.cut_at(rescale(*pts, leader_scale, scale));
                self.deliver(follower, outputs);
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        self.encode(0);
        for rendition in &mut self.renditions {
            let outputs = rendition.segmenter.finish();
            rendition.take(outputs, None);
        }
    }
}

/// Interleaves video frames with AAC by time, as an encoder does, and runs them.
pub(crate) fn run(video: &[Frame], audio_rate: u32) -> Rig {
    let mut rig = Rig::with_video(audio_rate);
    let mut audio = audio_times(audio_rate).peekable();
    for frame in video {
        while let Some(at) = audio.next_if(|at| *at < frame.timestamp_ms) {
            rig.audio(at);
        }
        rig.video(*frame);
    }
    rig.finish();
    rig
}

/// Timestamps of an AAC stream as senders round them.
pub(crate) fn audio_times(rate: u32) -> impl Iterator<Item = u32> {
    (0_u64..).map(move |n| (n * 1_024 * 1_000 / u64::from(rate)) as u32)
}

/// `seconds` of video at `num/den` frames per second with a key frame every `gop` frames.
pub(crate) fn steady(num: u64, den: u64, gop: u64, seconds: u64) -> Vec<Frame> {
    (0..seconds * num / den)
        .map(|n| Frame { timestamp_ms: ((n * 1_000 * den + num / 2) / num) as u32, cts_ms: 0, is_key: n % gop == 0 })
        .collect()
}
