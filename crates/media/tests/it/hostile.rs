//! Any bytes at all, through every parser.

use bytes::{Bytes, BytesMut};
use media::codec::{AacConfig, Av1Config, AvcConfig, HevcConfig};
use media::flv::{file_tags, parse_audio, parse_video};
use media::link::{Decoder, Hello, decode_json};
use media::playlist::{child_query, parse_media, parse_multivariant, uri};
use proptest::prelude::*;

use crate::rig::{Frame, Rig, avc};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn parsers_refuse_without_panicking(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(data);
        let _ = parse_video(&bytes);
        let _ = parse_audio(&bytes);
        let _ = AvcConfig::parse(&bytes);
        let _ = AvcConfig::from_sets(&[&bytes], &[&bytes], 4);
        let _ = AacConfig::parse(&bytes);
        let _ = HevcConfig::parse(&bytes);
        let _ = Av1Config::parse(&bytes);
        let cleaned = avc().clean(&bytes);
        prop_assert!(cleaned.data.len() <= bytes.len());
        if let Ok(tags) = file_tags(&bytes) {
            prop_assert!(tags.count() <= bytes.len());
        }
        let _ = Decoder::new().decode(&mut BytesMut::from(&bytes[..]));
        let _ = decode_json::<Hello>(&mut BytesMut::from(&bytes[..]));
    }

    #[test]
    fn playlists_of_any_text_are_read_or_refused(lines in prop::collection::vec("(#EXT[A-Z-]{0,14}:)?[A-Z0-9=,\"#.-]{0,20}", 0..20)) {
        let text = format!("#EXTM3U\n{}", lines.join("\n"));
        let _ = parse_media(&text);
        let _ = parse_multivariant(&text);
        let _ = uri::parse(&lines.concat());
        let query = child_query(&lines.join("&"));
        prop_assert!(!query.contains(['"', '\n', '#']));
    }

    #[test]
    fn any_timing_gives_gapless_media(frames in prop::collection::vec((0..700_u32, -90..500_i32, 0..30_u8), 1..120)) {
        let mut rig = Rig::with_video(48_000);
        let mut at = 0;
        for (step, cts_ms, key) in frames {
            at += step;
            rig.video(Frame { timestamp_ms: at, cts_ms, is_key: key == 0 });
            rig.audio(at);
        }
        rig.finish();
        for rendition in &rig.renditions {
            for pair in rendition.parts.windows(2) {
                prop_assert_eq!(pair[1].starts_at_dts, pair[0].starts_at_dts + pair[0].duration_ticks);
            }
            for pair in rendition.ends.windows(2) {
                prop_assert_eq!(pair[1].msn, pair[0].msn + 1);
            }
        }
    }
}
