//! Any audio message body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::codec::AacConfig;
use media::flv::{AudioTag, parse_audio};

fuzz_target!(|data: &[u8]| {
    if let Ok(AudioTag::SequenceHeader { config }) = parse_audio(&Bytes::copy_from_slice(data)) {
        let _ = AacConfig::parse(&config);
    }
});
