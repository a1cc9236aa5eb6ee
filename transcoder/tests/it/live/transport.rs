//! What HTTP says around the media: ranges, HEAD, compression, lifetimes, other sites, other nodes.

use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, RANGE};
use testkit::viewer::Until;

use super::rig::{ClipPlan, PATIENCE, Pace, Rig, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_and_playlists_are_delivered_as_http_wants_it() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 6, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    let seen = node.viewer.watch(&path, Until::Msn(4)).await.expect("it can be followed");
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    let folder = path.rsplit_once('/').expect("a folder").0;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = |method: Method, path: String| client.request(method, format!("{}{path}", node.base));
    let header = |answer: &reqwest::Response, name: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };

    // The parts one after another are the segment, also when it has moved to disk meanwhile.
    for msn in [0, 4] {
        let whole = ask(Method::GET, format!("{folder}/seg{msn}.m4s")).send().await.expect("an answer");
        assert_eq!((header(&whole, "content-type").as_str(), whole.status().as_u16()), ("video/mp4", 200));
        assert!(header(&whole, "cache-control").contains("immutable"));
        assert_eq!(header(&whole, "access-control-allow-origin"), "*");
        let length = whole.content_length().expect("a length");
        let bytes = whole.bytes().await.expect("a body");
        assert_eq!(bytes.len() as u64, length);
        let mut parts = Vec::new();
        for index in 0.. {
            let part = ask(Method::GET, format!("{folder}/part{msn}.{index}.m4s")).send().await.expect("an answer");
            if part.status() == 404 {
                break;
            }
            parts.extend_from_slice(&part.bytes().await.expect("a body"));
        }
        assert_eq!(parts, bytes);
        let range = ask(Method::GET, format!("{folder}/seg{msn}.m4s")).header(RANGE, "bytes=100-20099");
        let range = range.send().await.expect("an answer");
        assert_eq!(range.status(), 206);
        assert_eq!(header(&range, "content-range"), format!("bytes 100-20099/{length}"));
        assert_eq!(range.bytes().await.expect("a body"), bytes.slice(100..20_100));
        let beyond = ask(Method::GET, format!("{folder}/seg{msn}.m4s")).header(RANGE, format!("bytes={length}-"));
        let beyond = beyond.send().await.expect("an answer");
        assert_eq!((beyond.status().as_u16(), header(&beyond, "content-range")), (416, format!("bytes */{length}")));
        let head = ask(Method::HEAD, format!("{folder}/seg{msn}.m4s")).send().await.expect("an answer");
        assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, length.to_string()));
    }

    let plain = ask(Method::GET, path.clone()).send().await.expect("an answer");
    assert_eq!(header(&plain, "content-type"), "application/vnd.apple.mpegurl");
    assert_eq!((header(&plain, "content-encoding").as_str(), header(&plain, "vary").as_str()), ("", "Accept-Encoding"));
    assert_eq!(header(&plain, "cache-control"), "public, max-age=0", "half of a target of one second");
    let text = plain.text().await.expect("a body");
    let packed = ask(Method::GET, path.clone()).header(ACCEPT_ENCODING, "gzip").send().await.expect("an answer");
    assert_eq!(
        (header(&packed, "content-encoding").as_str(), header(&packed, "vary").as_str()),
        ("gzip", "Accept-Encoding")
    );
    let packed = packed.bytes().await.expect("a body");
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() * 3 < text.len(), "{} of {}", packed.len(), text.len());
    let head = ask(Method::HEAD, "/live/alice/index.m3u8".to_owned()).send().await.expect("an answer");
    assert_eq!(head.status(), 200);

    let missing = ask(Method::GET, format!("{folder}/seg99.m4s")).send().await.expect("an answer");
    assert_eq!((missing.status().as_u16(), header(&missing, "cache-control").as_str()), (404, "public, max-age=1"));
    assert_eq!(header(&missing, "access-control-allow-origin"), "*");
    let preflight = ask(Method::OPTIONS, path.clone()).send().await.expect("an answer");
    assert_eq!(
        (preflight.status().as_u16(), header(&preflight, "access-control-allow-methods").contains("HEAD")),
        (204, true)
    );
    for name in ["seg0.m4s%2f..%2finit0.mp4", "seg00.m4s", "part0.m4s", "init9.mp4", "%2e%2e/seg0.m4s", "seg0.m4s%00"] {
        let answer = ask(Method::GET, format!("{folder}/{name}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 404, "{name}");
    }
    feed.end("unpublished").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_nodes_hear_of_a_stream_and_of_its_end() {
    let rig = Rig::new().await;
    let node = rig.node();
    let cast = rig.cast("alice").await;
    let _feed = node.connect(&cast.hello).await.expect("accepted");
    let entries = || async { live::directory::streams(rig.live()).await.expect("redis") };
    until("the stream is announced", || async { entries().await.len() == 1 }).await;
    let entry = entries().await.remove(0);
    assert_eq!((entry.username.as_str(), entry.origin_url), ("alice", node.base.clone()));
    let transcoders = live::directory::transcoders(rig.live()).await.expect("redis");
    assert!(transcoders.iter().any(|entry| entry.node == "node-1" && entry.accepts_new));
    node.stop().await;
    assert!(entries().await.is_empty());
    assert!(live::directory::transcoders(rig.live()).await.expect("redis").is_empty());
}
