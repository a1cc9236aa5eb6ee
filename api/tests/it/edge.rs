//! Live media of another node: asked for once, given to everybody, and followed to whoever takes the stream over.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use domain::user::Username;
use domain::visibility::Standing;
use domain::{SessionId, StreamId, UserId, VodId};
use http::StatusCode;
use kit::Secret;
use kit::playback::{Bearer, PlaybackTokens, Subject};
use live::directory::{StreamEntry, put_streams};
use tokio::sync::watch;

use crate::harness::{Answer, SECRET, Setup, Site};

const FOREVER: &str = "public, max-age=31536000, immutable";

/// How an owner stands to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is asked for with a number, or hinted, has not come.
    Waiting,
    Ready,
    /// It has taken the stream and has no picture.
    Starting,
}

/// A node that owns a stream, in a runtime of its own so that it can be killed. Counts what it is asked.
struct Owner {
    url: String,
    node: &'static str,
    stage: watch::Sender<Stage>,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(Clone)]
struct Desk {
    node: &'static str,
    stage: watch::Receiver<Stage>,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Owner {
    fn start(node: &'static str, stage: Stage) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (stage, watched) = watch::channel(stage);
        let asked = Arc::default();
        let desk = Desk { node, stage: watched, asked: Arc::clone(&asked) };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("an option");
        let addr: SocketAddr = listener.local_addr().expect("an address");
        let router = Router::new().fallback(answer).with_state(desk);
        // The runtime owns it, and ends it.
        let _served = runtime.handle().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await
        });
        Self { url: format!("http://{addr}"), node, stage, asked, runtime: Some(runtime) }
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    async fn until_asked(&self, path: &str, times: usize) {
        let began = Instant::now();
        while self.asked(path) < times {
            assert!(began.elapsed() < Duration::from_secs(10), "{path}: {:?}", self.asked.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn kill(&mut self) {
        self.runtime.take().expect("it runs").shutdown_background();
    }

    fn entry(&self, stream: StreamId, visibility: &str) -> StreamEntry {
        StreamEntry {
            stream_id: stream,
            vod_id: VodId::from_uuid(kit::ids::uuid()),
            username: Username::parse("alice").expect("a name"),
            epoch: 1,
            node: self.node.to_owned(),
            origin_url: self.url.clone(),
            visibility: Some(visibility.to_owned()),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
    }
}

async fn answer(State(mut desk): State<Desk>, request: Request) -> Response {
    let wanted = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    *desk.asked.lock().unwrap().entry(wanted.clone()).or_default() += 1;
    let has_pass = request.headers().contains_key("x-rillcast-edge") && !wanted.contains("token");
    assert!(has_pass, "an edge shows its pass and keeps tokens to itself: {wanted}");
    if *desk.stage.borrow() == Stage::Starting {
        return reply(StatusCode::NOT_FOUND, "public, max-age=1", "starting".into());
    }
    if wanted.contains("_HLS_msn") || name.starts_with("part") {
        desk.stage.wait_for(|stage| *stage == Stage::Ready).await.expect("the test goes on");
    }
    match name.as_str() {
        "busy" | "seg503.m4s" => reply(StatusCode::SERVICE_UNAVAILABLE, "no-store", "busy".into()),
        "seg404.m4s" => reply(StatusCode::NOT_FOUND, "public, max-age=2", "none".into()),
        "seg20.m4s" => reply(StatusCode::OK, FOREVER, vec![7; 20 * 1024 * 1024].into()),
        name if name.ends_with(".m4s") => reply(StatusCode::OK, FOREVER, format!("{} of {}", name, desk.node).into()),
        _ => {
            let query = if wanted.contains("~viewer~") { "?~viewer~" } else { "" };
            let text = format!("#EXTM3U\n#{}\nseg1.m4s{query}\nseg2.m4s{query}\n", desk.node);
            let life = if wanted.contains("_HLS_msn") { "public, max-age=12" } else { "public, max-age=1" };
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).expect("memory");
            let mut response = reply(StatusCode::OK, life, encoder.finish().expect("memory").into());
            response.headers_mut().insert("content-encoding", "gzip".parse().expect("a value"));
            response
        }
    }
}

fn reply(status: StatusCode, life: &'static str, body: Body) -> Response {
    Response::builder().status(status).header("cache-control", life).body(body).expect("an answer")
}

/// A site without the stream, which knows of its owner.
async fn edge(setup: Setup, owner: &Owner, stream: StreamId, visibility: &str) -> Arc<Site> {
    let site = Setup { runs_upkeep: true, ..setup }.start().await;
    announce(&site, owner, stream, visibility).await;
    // A file nobody has, so that nothing is asked of the owner before it is known.
    let (path, began) = (format!("/live/alice/{stream}/probe/seg404.m4s"), Instant::now());
    while visibility == "public" && owner.asked(&path) == 0 {
        let _unknown_yet = site.get(&path).send().await;
        assert!(began.elapsed() < Duration::from_secs(10), "the stream is not known");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Arc::new(site)
}

async fn announce(site: &Site, owner: &Owner, stream: StreamId, visibility: &str) {
    put_streams(&site.live, &[owner.entry(stream, visibility)]).await.expect("announced");
}

fn stream() -> StreamId {
    StreamId::from_uuid(kit::ids::uuid())
}

/// Sends each path at the same time, each as a task of its own.
fn send(site: &Arc<Site>, paths: impl IntoIterator<Item = String>) -> tokio::task::JoinSet<Answer> {
    let mut sent = tokio::task::JoinSet::new();
    for path in paths {
        let site = Arc::clone(site);
        sent.spawn(async move { site.get(&path).send().await });
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_viewers_who_wait_for_the_same_ask_its_owner_once() {
    let (owner, stream) = (Owner::start("there", Stage::Waiting), stream());
    let site = edge(Setup::new(), &owner, stream, "public").await;
    let base = format!("/live/alice/{stream}/source");
    let (playlist, part) = (format!("{base}/index.m3u8?_HLS_msn=7&_HLS_part=2"), format!("{base}/part7.2.m4s"));
    let paths = (0..1_000).flat_map(|n| {
        [format!("{base}/index.m3u8?vs=viewer-{n}&_HLS_part=2&_HLS_msn=7"), format!("{base}/part7.2.m4s?vs={n}")]
    });
    // The first to ask goes away: the others are not harmed.
    let mut first = send(&site, [playlist.clone(), part.clone()]);
    owner.until_asked(&playlist, 1).await;
    owner.until_asked(&part, 1).await;
    let sent = send(&site, paths);
    first.shutdown().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    owner.stage.send_replace(Stage::Ready);
    for answer in sent.join_all().await {
        let text = answer.expect(200).text();
        assert!(text == "part7.2.m4s of there" || text == "#EXTM3U\n#there\nseg1.m4s\nseg2.m4s\n", "{text:?}");
    }
    // And whoever comes later is told what is kept.
    let late = site.get(&playlist).header("accept-encoding", "gzip").send().await.expect(200);
    assert_eq!((late.header("content-encoding"), late.header("cache-control")), ("gzip", "public, max-age=12"));
    assert_eq!((late.header("vary"), late.header("access-control-allow-origin")), ("Accept-Encoding", "*"));
    site.get(&part).send().await.expect(200);
    assert_eq!((owner.asked(&playlist), owner.asked(&part)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_lives_as_its_owner_says_and_ranges_are_cut_from_the_whole() {
    let (owner, stream) = (Owner::start("there", Stage::Ready), stream());
    let site = edge(Setup::new(), &owner, stream, "public").await;
    let base = format!("/live/alice/{stream}/source");
    let segment = format!("{base}/seg3.m4s");
    for (range, status, text, told) in [
        ("bytes=0-3", 206, "seg3", "bytes 0-3/17"),
        ("bytes=-5", 206, "there", "bytes 12-16/17"),
        ("bytes=99-", 416, "", "bytes */17"),
        ("bytes=0-1,3-4", 200, "seg3.m4s of there", ""),
    ] {
        let answer = site.get(&segment).header("range", range).send().await.expect(status);
        assert!(status == 416 || answer.text() == text, "{range}: {}", answer.text());
        assert_eq!(answer.header("content-range"), told, "{range}");
    }
    let head = site.call("HEAD", &segment).send().await.expect(200);
    assert_eq!((head.header("content-length"), head.header("cache-control")), ("17", FOREVER));
    assert_eq!(owner.asked(&segment), 1);

    let (absent, busy) = (format!("{base}/seg404.m4s"), format!("{base}/seg503.m4s"));
    for _again in 0..3 {
        site.get(&absent).send().await.expect(404);
        site.get(&busy).send().await.expect(503);
    }
    assert_eq!((owner.asked(&absent), owner.asked(&busy)), (1, 3), "an absence is kept for a moment, a failure never");
    tokio::time::sleep(Duration::from_millis(350)).await;
    site.get(&absent).send().await.expect(404);
    assert_eq!(owner.asked(&absent), 2);

    let playlist = format!("{base}/index.m3u8");
    let lasting = Instant::now();
    while lasting.elapsed() < Duration::from_millis(2_500) {
        site.get(&playlist).send().await.expect(200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((3..=4).contains(&owner.asked(&playlist)), "once a second: {}", owner.asked(&playlist));
    for odd in ["index.m3u8?_HLS_part=1", "index.m3u8?_HLS_msn=x"] {
        site.get(&format!("{base}/{odd}")).send().await.refused(400, "hls.bad-query");
    }
    for odd in ["seg03.m4s", "x.mp4", "part1.m4s"] {
        site.get(&format!("{base}/{odd}")).send().await.refused(404, "stream.offline");
        assert_eq!(owner.asked(&format!("{base}/{odd}")), 0, "what cannot be is not asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_share_what_is_asked_and_get_their_own_arguments() {
    let (owner, stream) = (Owner::start("there", Stage::Ready), stream());
    let site = edge(Setup::new(), &owner, stream, "followers").await;
    let tokens = PlaybackTokens::new(&Secret::new(SECRET));
    let token = || {
        let (user, session) = (UserId::from_uuid(kit::ids::uuid()), SessionId::from_uuid(kit::ids::uuid()));
        let bearer = Bearer { user, session, standing: Standing::Follower };
        tokens.issue(Subject::Stream(stream), UserId::from_uuid(kit::ids::uuid()), bearer)
    };
    let base = format!("/live/alice/{stream}/source");
    let asked = format!("{base}/index.m3u8?_HLS_msn=7&~viewer~");
    let (one, began) = (token(), Instant::now());
    while site.get(&format!("{base}/seg1.m4s?token={one}")).send().await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "the stream is not known");
    }
    for token in [one.clone(), token(), token()] {
        let path = format!("{base}/index.m3u8?_HLS_msn=7&token={token}&vs=v");
        let plain = site.get(&path).send().await.expect(200);
        assert_eq!(plain.text(), format!("#EXTM3U\n#there\nseg1.m4s?token={token}\nseg2.m4s?token={token}\n"));
        assert_eq!(plain.header("cache-control"), "private, no-store");
        let packed = site.get(&path).header("accept-encoding", "gzip").send().await.expect(200);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut text).expect("gzip");
        assert_eq!(text, plain.text());
    }
    assert_eq!(owner.asked(&asked), 1);
    assert_eq!(owner.asked(&format!("{base}/seg1.m4s")), 1);
    for stranger in ["", "?token=x", "?stream=x"] {
        site.get(&format!("{base}/seg1.m4s{stranger}")).send().await.refused(404, "stream.offline");
        site.get(&format!("{base}/index.m3u8{stranger}")).send().await.refused(404, "stream.offline");
        site.get(&format!("/live/alice/index.m3u8{stranger}")).send().await.refused(404, "stream.offline");
    }
    // Kept or not: a narrower choice is felt.
    announce(&site, &owner, stream, "private").await;
    let narrowed = Instant::now();
    while site.get(&format!("{base}/seg1.m4s?token={one}")).send().await.status != 403 {
        assert!(narrowed.elapsed() < Duration::from_millis(2_500), "a follower still gets it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.get(&format!("{base}/index.m3u8?_HLS_msn=7&token={one}")).send().await.refused(403, "playback.over");
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_who_wait_are_handed_over_when_the_owner_dies() {
    let (mut first, second, stream) =
        (Owner::start("one", Stage::Waiting), Owner::start("two", Stage::Starting), stream());
    let site = edge(Setup::new(), &first, stream, "public").await;
    let base = format!("/live/alice/{stream}/source");
    let (path, kept) = (format!("{base}/index.m3u8?_HLS_msn=7"), format!("{base}/seg1.m4s"));
    site.get(&kept).send().await.expect(200);
    let sent = send(&site, (0..50).map(|_| path.clone()));
    first.until_asked(&path, 1).await;
    let died = Instant::now();
    first.kill();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(site.get(&kept).send().await.expect(200).text().ends_with("of one"), "what was fetched is still there");
    announce(&site, &second, stream, "public").await;
    second.until_asked(&path, 3).await;
    second.stage.send_replace(Stage::Ready);
    for answer in sent.join_all().await {
        assert!(answer.expect(200).text().contains("#two"));
    }
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    assert!(site.get(&format!("{base}/index.m3u8")).send().await.expect(200).text().contains("#two"));
    assert!(second.asked(&path) < 30, "one of fifty asks: {}", second.asked(&path));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_holds_a_question_for_ever_is_left_when_the_stream_moves() {
    let (first, second, stream) = (Owner::start("one", Stage::Waiting), Owner::start("two", Stage::Ready), stream());
    let site = edge(Setup::new(), &first, stream, "public").await;
    let path = format!("/live/alice/{stream}/source/index.m3u8?_HLS_msn=7");
    let sent = send(&site, [path.clone()]);
    first.until_asked(&path, 1).await;
    announce(&site, &second, stream, "public").await;
    assert!(sent.join_all().await.remove(0).expect(200).text().contains("#two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_successor_viewers_are_told_after_five_seconds_and_then_at_once() {
    let (mut owner, stream) = (Owner::start("one", Stage::Ready), stream());
    let site = edge(Setup::new(), &owner, stream, "public").await;
    let path = format!("/live/alice/{stream}/source/index.m3u8");
    owner.kill();
    let died = Instant::now();
    let answer = site.get(&path).send().await.refused(503, "stream.origin-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!((4_500..7_000).contains(&died.elapsed().as_millis()), "{:?}", died.elapsed());
    let again = Instant::now();
    site.get(&path).send().await.refused(503, "stream.origin-unavailable");
    assert!(again.elapsed() < Duration::from_millis(500), "{:?}", again.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_have_only_so_many_waiting() {
    let (owner, stream) = (Owner::start("there", Stage::Waiting), stream());
    let site = edge(Setup::new(), &owner, stream, "public").await;
    let path = format!("/live/alice/{stream}/source/index.m3u8?_HLS_msn=7");
    let mut sent = send(&site, (0..4_100).map(|_| path.clone()));
    for _refused in 0..100 {
        sent.join_next().await.expect("one").expect("an answer").refused(429, "hls.too-many-waiting");
    }
    let mut other = tokio::task::JoinSet::new();
    other.spawn(site.get(&path).from("192.0.2.77").send());
    owner.stage.send_replace(Stage::Ready);
    let answers = sent.join_all().await;
    assert!(answers.len() == 4_000 && answers.iter().all(|answer| answer.status == 200));
    other.join_all().await.remove(0).expect(200);
    assert_eq!(owner.asked(&path), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_memory_is_passed_on_as_it_comes() {
    let (owner, stream) = (Owner::start("there", Stage::Ready), stream());
    let mut setup = Setup::new();
    setup.config.http.edge_memory_mib = 16;
    let site = edge(setup, &owner, stream, "public").await;
    let base = format!("/live/alice/{stream}/source");
    let large = site.get(&format!("{base}/seg20.m4s")).send().await.expect(200);
    assert_eq!(large.body.len(), 20 * 1024 * 1024);
    let small = site.get(&format!("{base}/seg1.m4s")).send().await.expect(200);
    assert_eq!(small.text(), "seg1.m4s of there");
    assert_eq!(small.headers.get_all("cache-control").iter().count(), 1);
}
