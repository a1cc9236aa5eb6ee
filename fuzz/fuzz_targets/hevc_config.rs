//! Any hvcC record and any access unit after it; what is accepted must make an init segment and be read back as written.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::cmaf::TrackConfig;
use media::codec::{HevcConfig, VideoConfig};

fuzz_target!(|data: &[u8]| {
    let Ok(config) = HevcConfig::parse(data) else { return };
    assert!(config.width > 0 && config.height > 0);
    assert_eq!(HevcConfig::parse(&config.record).as_ref(), Ok(&config));
    let cleaned = config.clean(&Bytes::copy_from_slice(data));
    assert!(cleaned.data.len() <= data.len());
    let track = VideoConfig::Hevc(config);
    let _ = (track.codecs(), track.display_size());
    let _ = TrackConfig::Video(track).init();
});
