//! Pictures, and live media from here or from the node that owns the stream.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::get;
use domain::user::Username;
use domain::{Kind, StreamId, VodId};
use http::HeaderMap;
use live::directory::StreamEntry;
use serde_json::Value;
use std::time::{Duration, Instant};
use testkit::s3::S3Server;

use crate::harness::{Answer, Member, Setup, Site};

fn form(bytes: &[u8], field: &str) -> (String, Vec<u8>) {
    let mut body = format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"../../x.php\"\r\nContent-Type: image/png\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--b0undary--\r\n");
    ("multipart/form-data; boundary=b0undary".to_owned(), body)
}

async fn upload(site: &Site, member: &Member, bytes: &[u8], field: &str) -> Answer {
    let (mime, body) = form(bytes, field);
    site.post("/api/v1/me/avatar").bearer(&member.token).header("content-type", &mime).body(body).send().await
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30]));
    image.write_with_encoder(image::codecs::png::PngEncoder::new(&mut bytes)).expect("a picture");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_ours_stored_served_and_replaced() {
    let s3 = S3Server::start_like_b2().await.expect("a bucket");
    let mut setup = Setup::new();
    setup.config.storage = s3.config();
    let site = setup.start().await;
    let alice = site.register("alice").await;
    let answer = upload(&site, &alice, &png(900, 300), "file").await.expect(200);
    let url = answer.json["avatar_url"].as_str().expect("a url").to_owned();
    assert!(url.starts_with(&format!("/media/avatars/{}/", alice.id)) && url.ends_with(".jpg"), "{url}");
    let picture = site.get(&url).send().await.expect(200);
    assert_eq!(picture.header("content-type"), "image/jpeg");
    assert_eq!(picture.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(picture.header("access-control-allow-origin"), "*");
    let decoded = image::load_from_memory(&picture.body).expect("a picture");
    assert_eq!((decoded.width(), decoded.height()), (512, 512));
    assert_eq!(site.get("/api/v1/channels/alice").send().await.expect(200).json["avatar_url"], url);

    let answer = upload(&site, &alice, &png(64, 64), "file").await.expect(200);
    assert_ne!(answer.json["avatar_url"], url);
    assert_eq!(s3.keys().len(), 1, "the old one is deleted: {:?}", s3.keys());
    site.get(&url).send().await.refused(404, "not-found");
    for odd in [
        "x.jpg",
        "..%2f..%2fvod%2fx.jpg",
        "0123456789abcdef0123456789abcdef.svg",
        "0123456789ABCDEF0123456789ABCDEF.jpg",
    ] {
        site.get(&format!("/media/avatars/{}/{odd}", alice.id)).send().await.refused(404, "not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_disguises_and_heaps_are_refused_before_anything_is_stored() {
    let s3 = S3Server::start().await.expect("a bucket");
    let mut setup = Setup::new();
    setup.config.storage = s3.config();
    let site = setup.start().await;
    let alice = site.register("alice").await;
    let mut bomb = png(1, 1);
    bomb[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
    let began = Instant::now();
    assert_eq!(upload(&site, &alice, &bomb, "file").await.status, 422);
    assert!(began.elapsed() < Duration::from_secs(1));
    upload(&site, &alice, b"<svg onload='x'/>", "file").await.refused(422, "avatar.not-a-picture");
    upload(&site, &alice, b"<!doctype html>", "file").await.refused(422, "avatar.not-a-picture");
    upload(&site, &alice, &png(4, 4), "other").await.refused(422, "avatar.no-file");
    upload(&site, &alice, &vec![0; 5 * 1024 * 1024 + 1], "file").await.refused(413, "avatar.too-large");
    upload(&site, &alice, &vec![0; 9 * 1024 * 1024], "file").await.refused(413, "avatar.too-large");
    let plain = site.post("/api/v1/me/avatar").bearer(&alice.token).header("content-type", "image/png").body(png(4, 4));
    plain.send().await.refused(422, "avatar.no-file");
    let (mime, body) = form(&png(4, 4), "file");
    site.post("/api/v1/me/avatar").header("content-type", &mime).body(body).send().await.refused(401, "auth.required");
    assert!(s3.keys().is_empty());
    s3.set_down(true);
    let answer = upload(&site, &alice, &png(4, 4), "file").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let me = site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200);
    assert_eq!(me.json["avatar_url"], Value::Null);
}

/// An origin as a transcoder node has it.
async fn remote_origin() -> (String, tokio::task::JoinSet<()>) {
    let seen = |headers: HeaderMap, Path(path): Path<String>| async move {
        if path == "alice/index.m3u8" {
            let auth = headers.contains_key("authorization") || headers.contains_key("cookie");
            let cors = [
                ("access-control-allow-origin", "https://elsewhere.test"),
                ("connection", "x-inner"),
                ("x-inner", "1"),
            ];
            return (cors, format!("#EXTM3U\n#secrets={auth}\n")).into_response();
        }
        if path == "alice/slow/source/index.m3u8" {
            return std::future::pending().await;
        }
        if path.ends_with("seg1.m4s") {
            let range = headers.get("range").and_then(|value| value.to_str().ok()).unwrap_or("all").to_owned();
            return Body::from(range).into_response();
        }
        http::StatusCode::NOT_FOUND.into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        let _ended = axum::serve(listener, Router::new().route("/live/{*path}", get(seen))).await;
    });
    (url, serving)
}

fn entry(username: &str, origin_url: &str, node: &str) -> StreamEntry {
    StreamEntry {
        stream_id: StreamId::from_uuid(kit::ids::uuid()),
        vod_id: VodId::from_uuid(kit::ids::uuid()),
        username: Username::parse(username).expect("a name"),
        epoch: 1,
        node: node.to_owned(),
        origin_url: origin_url.to_owned(),
        visibility: Some("public".to_owned()),
    }
}

async fn until_not(site: &Site, path: &str, status: u16) -> Answer {
    let began = Instant::now();
    loop {
        let answer = site.get(path).send().await;
        if answer.status != status {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{path} stayed {status}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_nodes_stream_is_fetched_from_its_owner() {
    let (origin_url, _serving) = remote_origin().await;
    let mut setup = Setup::new();
    setup.runs_upkeep = true;
    let site = setup.start().await;
    site.get("/live/alice/index.m3u8").send().await.refused(404, "stream.offline");
    let entry = entry("alice", &origin_url, "node-there");
    live::directory::put_streams(&site.live, std::slice::from_ref(&entry)).await.expect("announced");
    let playlist = until_not(&site, "/live/alice/index.m3u8?vs=viewer-1", 404).await.expect(200);
    assert_eq!(playlist.header("access-control-allow-origin"), "*");
    assert_eq!(playlist.headers.get_all("access-control-allow-origin").iter().count(), 1);
    assert_eq!(playlist.header("x-inner"), "", "headers of one connection stay on it");
    let secrets = site.get("/live/alice/index.m3u8").bearer("secret").cookie("secret").send().await.expect(200);
    assert!(secrets.text().contains("secrets=false"), "tokens stay here");
    let segment = format!("/live/alice/{}/source/seg1.m4s", entry.stream_id);
    let part = site.get(&segment).header("range", "bytes=0-9").send().await.expect(206);
    assert_eq!(part.text(), "all", "the whole was asked for, and cut here");
    site.get("/live/alice/nothing.m3u8").send().await.refused(404, "stream.offline");
    site.get("/live/bob/index.m3u8").send().await.refused(404, "stream.offline");
    let preflight = site.call("OPTIONS", "/live/alice/index.m3u8").header("origin", "https://else.test");
    let preflight = preflight.header("access-control-request-method", "GET").send().await.expect(200);
    assert!(preflight.header("access-control-allow-methods").contains("GET"));

    // Whoever only reads playlists is a viewer too.
    let name = [Username::parse("alice").expect("a name")];
    let began = Instant::now();
    loop {
        let counts = live::viewers::counts(&site.live, &name).await.expect("redis");
        // One said who it is; the others are one stranger.
        if counts[&name[0]] == 2 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{counts:?}");
        tokio::task::yield_now().await;
    }
    live::directory::remove_stream(&site.live, entry.stream_id, &entry.node).await.expect("removed");
    site.get("/live/alice/index.m3u8").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_does_not_answer_is_503_soon() {
    let mut setup = Setup::new();
    setup.runs_upkeep = true;
    let site = setup.start().await;
    let entry = entry("alice", "http://127.0.0.1:1", "node-there");
    live::directory::put_streams(&site.live, &[entry]).await.expect("announced");
    let answer = until_not(&site, "/live/alice/index.m3u8", 404).await.refused(503, "stream.origin-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_in_this_process_comes_first_and_its_404_is_final_when_the_stream_is_ours() {
    let mut setup = Setup::new();
    let nothing = || async { kit::Problem::new(Kind::NotFound, "stream.offline", "nothing is there") };
    let origin = Router::new().route("/live/alice/index.m3u8", get(|| async { "#EXTM3U here" })).fallback(nothing);
    setup.local_origin = Some(origin);
    let site = setup.start().await;
    assert_eq!(site.get("/live/alice/index.m3u8").send().await.expect(200).text(), "#EXTM3U here");
    let head = site.call("HEAD", "/live/alice/index.m3u8").send().await.expect(200);
    assert!(head.body.is_empty());
    site.get("/live/alice/x/source/seg9.m4s").send().await.refused(404, "stream.offline");
    for odd in ["/live/..%2f..%2fetc/passwd", "/live/alice/%2e%2e/bob", "/live/alice/a%00b", "/live/alice/a%5cb"] {
        site.get(odd).send().await.refused(404, "stream.offline");
    }
    site.post("/live/alice/index.m3u8").send().await.refused(405, "request.method");
}
