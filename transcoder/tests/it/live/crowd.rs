//! Many viewers of one stream, and what the multivariant playlist promises them.

use std::time::Duration;

use media::playlist::parse_multivariant;
use testkit::viewer::Until;
use tokio::join;

use super::rig::{ClipPlan, PATIENCE, Pace, Rig};

const VIEWERS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_gets_every_part_in_time() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 5, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let publish = async {
        feed.send(&clip, Pace::Real, 0).await;
        feed.end("unpublished").await;
    };
    let crowd = async {
        let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
        futures::future::join_all((0..VIEWERS).map(|_| node.viewer.watch(&path, Until::Ended))).await
    };
    let ((), crowd) = join!(publish, crowd);
    for seen in crowd {
        let seen = seen.expect("it can be followed");
        assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
        assert!(seen.lost.is_empty() && (seen.duration_s() - 5.0).abs() < 0.1, "{}", seen.duration_s());
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_rates_hold_what_is_measured() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 6, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let source = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    let audio = node.viewer.rendition("alice", "audio", PATIENCE).await.expect("it appears");
    let (video, sound) = join!(node.viewer.watch(&source, Until::Msn(4)), node.viewer.watch(&audio, Until::Msn(4)));
    let (video, sound) = (video.expect("followed"), sound.expect("followed"));
    // The rates follow the segments: by now five are finished.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (_, text) = node.viewer.text("/live/alice/index.m3u8").await.expect("an answer");
    let playlist = parse_multivariant(&text).expect("a playlist");
    let variant = &playlist.variants[0];
    assert!(playlist.independent_segments);
    assert_eq!((variant.resolution, variant.frame_rate), (Some((320, 180)), Some(30.0)));
    assert!(
        variant.codecs.as_deref().is_some_and(|codecs| codecs.starts_with("avc1.") && codecs.contains("mp4a.40.2"))
    );
    let bits = |seen: &testkit::viewer::Seen, msn: Option<u64>| {
        let parts = || seen.parts.iter().filter(|(name, _)| msn.is_none_or(|msn| name.msn == msn));
        let bytes: usize = parts().map(|(_, part)| part.bytes.len()).sum();
        bytes as f64 * 8.0 / parts().map(|(_, part)| part.duration_s).sum::<f64>()
    };
    let peak = (0..4).map(|msn| bits(&video, Some(msn)) + bits(&sound, Some(msn))).fold(0.0, f64::max);
    let average = bits(&video, None) + bits(&sound, None);
    assert!(peak <= variant.bandwidth as f64 * 1.25, "{peak} of {}", variant.bandwidth);
    assert!(average <= variant.average_bandwidth.expect("told") as f64 * 1.1, "{average} of {variant:?}");
    assert!(variant.bandwidth as f64 <= peak * 1.5, "not a number from the air: {} for {peak}", variant.bandwidth);
    let (status, text) = node.viewer.text(&source.replace("index.m3u8", "iframes.m3u8")).await.expect("an answer");
    assert!(
        status.is_success() && text.contains("#EXT-X-I-FRAMES-ONLY") && text.contains("#EXT-X-BYTERANGE:"),
        "{text}"
    );
    feed.end("unpublished").await;
    node.stop().await;
}
