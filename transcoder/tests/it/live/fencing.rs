//! Who may deliver a stream.

use bytes::Bytes;
use testkit::viewer::Until;
use tokio::io::AsyncWriteExt;

use super::rig::{ClipPlan, PATIENCE, Pace, Rig, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_connections_the_higher_epoch_delivers() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 3, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut second = cast.hello.clone();
    (second.epoch, second.publish_id) = (2, kit::ids::uuid().to_string());

    let mut first = node.connect(&cast.hello).await.expect("accepted");
    first.send(&clip, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    let mut feed = node.connect(&second).await.expect("the newer takes over");
    first.closed().await;
    let (code, _) = node.connect(&cast.hello).await.expect_err("the older is late");
    assert_eq!(code, "link.stale-epoch");
    let mut impostor = second.clone();
    impostor.publish_id = kit::ids::uuid().to_string();
    let (code, _) = node.connect(&impostor).await.expect_err("the same epoch by another publish");
    assert_eq!(code, "link.stale-epoch");

    feed.send(&clip, Pace::Fast, 0).await;
    feed.end("unpublished").await;
    let seen = node.viewer.watch(&path, Until::Ended).await.expect("it can be followed");
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    assert_eq!(seen.discontinuities.len(), 1);
    assert!((seen.duration_s() - 6.0).abs() < 0.2, "{}", seen.duration_s());
    let (code, _) = node.connect(&second).await.expect_err("it is over");
    assert_eq!(code, "link.stream-ended");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_nowhere() {
    let rig = Rig::new().await;
    let node = rig.node();
    let cast = rig.cast("alice").await;
    let mut stranger = cast.hello.clone();
    stranger.token = "guess".to_owned();
    assert_eq!(node.connect(&stranger).await.expect_err("refused").0, "link.token");
    let mut nameless = cast.hello.clone();
    nameless.stream_id = "../x".to_owned();
    assert_eq!(node.connect(&nameless).await.expect_err("refused").0, "link.bad-hello");
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 0, 0, 3, b'{', b'}', b'!']] {
        let mut stream = tokio::net::TcpStream::connect(node.link_addr()).await.expect("it listens");
        stream.write_all(noise).await.expect("it is read");
        let mut rest = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
        // Reset or closed: both are an end.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("closed in time");
        assert!(rest.is_empty());
    }
    let mut feed = node.connect(&cast.hello).await.expect("others are let in all the while");
    feed.raw(Bytes::from_static(&[9; 64])).await;
    feed.closed().await;
    let (status, _) = node.viewer.text("/live/alice/index.m3u8").await.expect("an answer");
    assert_eq!(status, 404);
    until("the link takes connections", || async { node.connect(&cast.hello).await.is_ok() }).await;
    node.stop().await;
}
