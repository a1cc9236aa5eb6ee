//! Any audio message body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::codec::AacConfig;
use media::flv::{AudioPacket, parse_audio};

fuzz_target!(|data: &[u8]| {
    let tag = parse_audio(&Bytes::copy_from_slice(data));
    if let Ok(AudioPacket::SequenceHeader { config }) = tag.map(|tag| tag.packet) {
        let _ = AacConfig::parse(&config);
    }
});
