//! Any FLV file.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::flv::{TagKind, file_tags, parse_audio, parse_video};

fuzz_target!(|data: &[u8]| {
    let Ok(tags) = file_tags(&Bytes::copy_from_slice(data)) else { return };
    for tag in tags {
        match tag.kind {
            TagKind::Video => drop(parse_video(&tag.body)),
            TagKind::Audio => drop(parse_audio(&tag.body)),
            TagKind::Script | TagKind::Other(_) => {}
        }
    }
});
