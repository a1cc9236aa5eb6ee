//! Any AudioSpecificConfig; what is accepted must make an init segment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::cmaf::{TrackConfig, init_segment};
use media::codec::AacConfig;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = AacConfig::parse(data) else { return };
    assert!(config.sample_rate > 0 && config.channels > 0 && config.channels <= 8);
    let _ = (config.codecs(), config.silent_frame());
    let _ = init_segment(&TrackConfig::Audio(config));
});
