//! Any av1C record and any temporal unit after it; what is accepted must make an init segment and be read back as written.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::cmaf::TrackConfig;
use media::codec::{Av1Config, VideoConfig};

fuzz_target!(|data: &[u8]| {
    let Ok(config) = Av1Config::parse(data) else { return };
    assert!(config.width > 0 && config.height > 0);
    assert_eq!(Av1Config::parse(&config.record).as_ref(), Ok(&config));
    let cleaned = config.clean(&Bytes::copy_from_slice(data));
    assert!(cleaned.data.len() <= data.len());
    let track = VideoConfig::Av1(config);
    let _ = (track.codecs(), track.display_size());
    let _ = TrackConfig::Video(track).init();
});
