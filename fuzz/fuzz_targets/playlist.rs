//! Any text as a playlist, a file name or a query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::playlist::{child_query, parse_date_time, parse_media, parse_multivariant, uri};

fuzz_target!(|text: &str| {
    let _ = parse_media(text);
    let _ = parse_multivariant(text);
    let _ = parse_date_time(text);
    let _ = uri::parse(text);
    let query = child_query(text);
    assert!(!query.contains(['"', '\n', '\r', '#']));
});
