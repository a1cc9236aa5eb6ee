//! Any avcC record and any SPS; what is accepted must make an init segment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::cmaf::{TrackConfig, init_segment};
use media::codec::{AvcConfig, VideoConfig};

fuzz_target!(|data: &[u8]| {
    let pps: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    for config in [AvcConfig::parse(data), AvcConfig::from_sets(&[data], &[pps], 4)].into_iter().flatten() {
        assert!(config.width > 0 && config.height > 0);
        let track = VideoConfig::Avc(config);
        let _ = (track.codecs(), track.display_size());
        let _ = init_segment(&TrackConfig::Video(track));
    }
});
