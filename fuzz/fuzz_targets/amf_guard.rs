//! The AMF guard: what it lets through, the parser behind it survives, and what is written again passes again.
#![no_main]

use bytes::Bytes;
use ingest::{amf, command};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(values) = amf::decode(data) {
        assert!(data.len() <= amf::BYTES_MAX && values.len() <= amf::VALUES_MAX);
    }
    let _ = command::parse(data);
    let _ = amf::script_data(&Bytes::copy_from_slice(data));
    if let Ok(text) = std::str::from_utf8(data) {
        let (app, name) = text.split_once('\n').unwrap_or((text, ""));
        if let Some(target) = command::target(app, name) {
            assert!(!target.key.contains('?') && !target.key.ends_with('/'));
        }
    }
});
