//! Any video message body, and what the cleaning of access units makes of its payload.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::codec::AvcConfig;
use media::flv::{VideoPacket, parse_video};

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let Ok(tag) = parse_video(&body) else { return };
    match tag.packet {
        VideoPacket::SequenceHeader { config, .. } => {
            let _ = AvcConfig::parse(&config);
        }
        VideoPacket::Frame { data, .. } => {
            let sps: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x50];
            let config = AvcConfig::from_sets(&[sps], &[&[0x68, 0xce, 0x3c, 0x80]], 4).expect("a valid config");
            let cleaned = config.clean(&data);
            assert!(cleaned.data.len() <= data.len());
            if let Some(config) = cleaned.new_config {
                assert_eq!(AvcConfig::parse(&config.record).as_ref(), Ok(&config));
            }
        }
        VideoPacket::EndOfSequence | VideoPacket::Ignored => {}
    }
});
