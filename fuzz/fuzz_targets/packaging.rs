//! Any timestamps through timeline and segmenters: media stays gapless, numbers stay in order, nothing panics.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::cmaf::TrackConfig;
use media::codec::{AacConfig, AvcConfig, FrameRate};
use media::playlist::{MediaPlaylist, PartLine, SegmentStart, SegmentTail, parse_media};
use media::segmenter::{Output, Outputs, Role, Segmenter, SegmenterConfig};
use media::timeline::{Placed, Timeline};
use media::{Sample, rescale};

struct Track {
    segmenter: Segmenter,
    playlist: MediaPlaylist,
    until: Option<i64>,
    next_msn: u64,
}

impl Track {
    fn new(track: TrackConfig, role: Role) -> Self {
        let config = SegmenterConfig {
            part_ms: 200,
            segment_ms: 2_000,
            target_duration_s: 2,
            track,
            role,
            first_msn: 0,
            starts_at_pts: None,
        };
        let playlist = MediaPlaylist::new(2, 6, 0);
        Self { segmenter: Segmenter::new(config), playlist, until: None, next_msn: 0 }
    }

    fn push(&mut self, placed: Placed, is_sync: bool) -> Vec<i64> {
        let outputs = self.segmenter.push(Sample {
            dts: placed.dts,
            cts: placed.cts,
            duration: placed.duration,
            is_sync,
            data: Bytes::from_static(b"x"),
        });
        self.take(outputs)
    }

    fn take(&mut self, outputs: Outputs) -> Vec<i64> {
        let mut cuts = Vec::new();
        for output in outputs {
            match output {
                Output::Part(part) => {
                    assert!(part.is_discontinuity || self.until.is_none_or(|until| until == part.starts_at_dts));
                    self.until = Some(part.starts_at_dts + part.duration_ticks);
                    if let Some(target) = self.segmenter.part_target_s() {
                        self.playlist.set_part_target(target);
                    }
                    if part.index == 0 {
                        self.playlist.begin_segment(SegmentStart {
                            msn: part.msn,
                            program_date_time_ms: part.starts_at_pts,
                            init: 0,
                            is_discontinuity: part.is_discontinuity,
                            starts_at_us: Some(part.starts_at_pts),
                        });
                    }
                    self.playlist.push_part(PartLine { duration_s: 0.2, is_independent: part.is_independent });
                }
                Output::Segment(end) => {
                    assert_eq!(end.msn, self.next_msn);
                    self.next_msn += 1;
                    self.playlist.end_segment(SegmentTail {
                        duration_s: 2.0,
                        is_gap: false,
                        iframe_len: end.iframe_len,
                    });
                    cuts.push(end.next_pts);
                }
            }
        }
        parse_media(&self.playlist.render(self.next_msn % 2 == 0)).expect("a playlist of ours");
        cuts
    }
}

fuzz_target!(|data: &[u8]| {
    let sps: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x50];
    let avc = AvcConfig::from_sets(&[sps], &[&[0x68, 0xce, 0x3c, 0x80]], 4).expect("a valid config");
    let aac = AacConfig::parse(&[0x11, 0x90]).expect("a valid config");
    let mut timeline = Timeline::new(0);
    timeline.set_audio(&aac);
    let mut video = Track::new(TrackConfig::Video(avc.into()), Role::Leader);
    let mut audio = Track::new(TrackConfig::Audio(aac), Role::Follower);
    let mut at = 0_u32;
    for event in data.chunks_exact(4).take(2_000) {
        let value = u32::from(event[1]) << 8 | u32::from(event[2]);
        match event[0] & 7 {
            0 => at = value << 16 | u32::from(event[3]),
            1 => at = at.wrapping_sub(value),
            2 => timeline.set_video_rate(Some(FrameRate { num: value, den: u32::from(event[3]) })),
            3 => {
                video.take_break();
                audio.follow_break(video.segmenter.msn());
            }
            4 | 5 => {
                at = at.wrapping_add(u32::from(event[1]));
                if let Some(placed) = timeline.audio(at) {
                    audio.push(placed, true);
                }
            }
            _ => {
                at = at.wrapping_add(u32::from(event[1]));
                let placed = timeline.video(at, i32::from(event[3] as i8) * 7);
                for pts in video.push(placed, event[2] < 20) {
                    let outputs = audio.segmenter.cut_at(rescale(pts, 90_000, 48_000));
                    audio.take(outputs);
                }
            }
        }
        while let Some(placed) = timeline.missing_audio(1_000) {
            audio.push(placed, true);
        }
    }
    for track in [&mut video, &mut audio] {
        let outputs = track.segmenter.finish();
        track.take(outputs);
    }
});

impl Track {
    fn take_break(&mut self) {
        let outputs = self.segmenter.discontinuity(None, None);
        self.take(outputs);
        self.until = None;
    }

    fn follow_break(&mut self, msn: u64) {
        let outputs = self.segmenter.discontinuity(None, Some(msn));
        self.take(outputs);
        self.until = None;
    }
}
