//! Any video message body, and what the cleaning of access units makes of its payload.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::cmaf::TrackConfig;
use media::codec::{AvcConfig, VideoCodec, VideoConfig};
use media::flv::{VideoPacket, parse_video};

const HEVC: &[u8] = include_bytes!("../../crates/media/src/codec/hevc_record.bin");
const AV1: &[u8] = include_bytes!("../../crates/media/src/codec/av1_record.bin");

fn config(codec: VideoCodec) -> VideoConfig {
    let sps: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x50];
    match codec {
        VideoCodec::Avc => AvcConfig::from_sets(&[sps], &[&[0x68, 0xce, 0x3c, 0x80]], 4).expect("valid").into(),
        VideoCodec::Hevc => VideoConfig::parse(codec, HEVC).expect("valid"),
        VideoCodec::Av1 => VideoConfig::parse(codec, AV1).expect("valid"),
    }
}

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let Ok(tag) = parse_video(&body) else { return };
    match tag.packet {
        VideoPacket::SequenceHeader { codec, config } => {
            let Ok(config) = VideoConfig::parse(codec, &config) else { return };
            let _ = (config.codecs(), config.display_size(), config.frame_rate());
            let _ = TrackConfig::Video(config).init();
        }
        VideoPacket::Frame { codec, data, .. } => {
            let cleaned = config(codec).clean(&data);
            assert!(cleaned.data.len() <= data.len());
            if let Some(config) = cleaned.new_config {
                assert_eq!(VideoConfig::parse(codec, config.record()).as_ref(), Ok(&config));
            }
        }
        VideoPacket::EndOfSequence | VideoPacket::Ignored => {}
    }
});
