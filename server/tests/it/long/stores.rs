//! Members' files in MinIO, sent straight to it: what it holds its clients to, and what is done to the files there.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::clamd::{Clamd, eicar};
use testkit::minio::Minio;
use testkit::stack::{Member, Plan, Stack, decode};
use tokio::process::Command;

use crate::EXE;

const PART: usize = 5 << 20;
const DONE_WITHIN: Duration = Duration::from_secs(60);

struct House {
    stack: Stack,
    alice: Member,
    client: reqwest::Client,
    _clamd: Clamd,
    minio: Minio,
}

impl House {
    async fn open() -> Self {
        let (minio, clamd) = (Minio::start().await, Clamd::start_with_stream_mib(100));
        let storage = &minio.config;
        let stack = Plan::quick(EXE)
            .await
            .set("transcoder.ladder", "none")
            .set("storage.endpoint", &storage.endpoint)
            .set("storage.bucket", &storage.bucket)
            .set("storage.access_key", storage.access_key.expose())
            .set("storage.secret_key", storage.secret_key.expose())
            .set("storage.delivery", "presigned")
            .set("scan.clamd", &clamd.address())
            .start()
            .await;
        let alice = stack.member("alice").await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { stack, alice, client, _clamd: clamd, minio }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.stack.send(method, &format!("/api/v1{path}"), Some(&self.alice.token), body).await;
        (answer.status, answer.json())
    }

    async fn begin(&self, name: &str, mime: &str, size: usize) -> Value {
        let body = json!({ "name": name, "path": "/", "size": size, "mime_type": mime, "visibility": "private" });
        let (status, begun) = self.call(Method::POST, "/files/chunked-upload/initiate", Some(body)).await;
        assert_eq!(status, 201, "{begun}");
        let first = begun["upload_urls"][0]["url"].as_str().unwrap();
        assert!(first.starts_with(&self.minio.config.endpoint), "the store itself takes the parts: {first}");
        begun
    }

    /// What the store answers to bytes at a link: its status and its ETag.
    async fn put(&self, link: &Value, bytes: &[u8]) -> (u16, String) {
        let answer = self.client.put(link["url"].as_str().unwrap()).body(bytes.to_vec()).send().await.unwrap();
        let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        (answer.status().as_u16(), etag.unwrap_or_default())
    }

    async fn put_all(&self, begun: &Value, bytes: &[u8]) -> Vec<Value> {
        let mut parts = Vec::new();
        for (link, piece) in begun["upload_urls"].as_array().unwrap().iter().zip(bytes.chunks(PART)) {
            let (status, etag) = self.put(link, piece).await;
            assert_eq!(status, 200);
            parts.push(json!({ "part_number": link["part_number"], "etag": etag }));
        }
        parts
    }

    async fn complete(&self, begun: &Value, parts: &[Value]) -> (u16, Value) {
        let body = json!({ "file_id": begun["file_id"], "upload_id": begun["upload_id"], "parts": parts });
        self.call(Method::POST, "/files/chunked-upload/complete", Some(body)).await
    }

    /// Sends a file whole and waits for what becomes of it.
    async fn send(&self, name: &str, mime: &str, bytes: &[u8]) -> Value {
        let begun = self.begin(name, mime, bytes.len()).await;
        let parts = self.put_all(&begun, bytes).await;
        assert_eq!(self.complete(&begun, &parts).await.0, 202);
        let path = format!("/api/v1/files/{}", begun["file_id"].as_str().unwrap());
        let is_done = |file: &Value| !matches!(file["state"].as_str(), Some("queued" | "processing"));
        self.stack.until(&path, Some(&self.alice.token), DONE_WITHIN, is_done).await
    }

    async fn content(&self, file: &Value) -> (u16, Vec<u8>) {
        let url = self.stack.url(&format!("/api/v1/files/{}/content", file["id"].as_str().unwrap()));
        let answer = self.client.get(url).bearer_auth(&self.alice.token).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 29) as u8).collect()
}

/// F2, F3 where the store takes the parts itself.
#[tokio::test]
#[ignore = "needs MinIO: ./dev bench faults"]
async fn a_link_is_good_for_one_part_of_one_length() {
    let house = House::open().await;
    let bytes = noise(PART * 2 + 77);
    let begun = house.begin("film.bin", "application/octet-stream", bytes.len()).await;
    let links = begun["upload_urls"].as_array().unwrap();
    assert_eq!(links.len(), 3);
    // Longer or shorter than was signed, another part's place, another verb.
    assert_eq!(house.put(&links[2], &bytes[..PART]).await.0, 403);
    assert_eq!(house.put(&links[0], &bytes[..PART - 1]).await.0, 403);
    let moved = links[0]["url"].as_str().unwrap().replace("partNumber=1", "partNumber=2");
    assert_eq!(house.put(&json!({ "url": moved }), &bytes[..PART]).await.0, 403);
    let read = house.client.get(links[0]["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(read.status().as_u16(), 403);

    let parts = house.put_all(&begun, &bytes).await;
    let mut wrong = parts.clone();
    wrong[1]["etag"] = json!("\"00000000000000000000000000000000\"");
    let (status, refusal) = house.complete(&begun, &wrong).await;
    assert_eq!((status, refusal["code"].as_str()), (409, Some("file.incomplete")), "{refusal}");
    assert_eq!(house.complete(&begun, &parts[..2]).await.0, 409);
    assert_eq!(house.complete(&begun, &parts).await.0, 202);
    // It is over: a link of it opens nothing any more.
    assert_eq!(house.put(&links[0], &bytes[..PART]).await.0, 404);
    house.stack.stop().await;
}

#[tokio::test]
#[ignore = "needs MinIO: ./dev bench faults"]
async fn files_are_scanned_and_made_to_recordings() {
    let house = House::open().await;
    let bytes = noise(PART + 4_321);
    let file = house.send("noise.bin", "application/octet-stream", &bytes).await;
    assert_eq!(file["state"], "completed", "{file}");
    assert_eq!(house.content(&file).await, (200, bytes));

    let virus = house.send("bill.txt", "text/plain", &eicar()).await;
    assert_eq!(virus["state"], "virus_failed", "{virus}");
    assert_eq!(house.content(&virus).await.0, 404);

    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=25",
            "-f",
            "lavfi",
            "-i",
            "sine",
            "-t",
            "8",
        ])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(&film)
        .status()
        .await
        .unwrap();
    assert!(made.success());
    let film = house.send("film.mp4", "video/mp4", &std::fs::read(&film).unwrap()).await;
    let path = format!("/api/v1/vods/{}", film["vod_id"].as_str().unwrap_or_else(|| panic!("{film}")));
    let is_ready = |vod: &Value| vod["status"] == "ready";
    let vod = house.stack.until(&path, Some(&house.alice.token), DONE_WITHIN, is_ready).await;
    let playlist = vod["playback"]["hls"].as_str().unwrap();
    let decoded = decode(&house.stack.url(playlist)).await;
    assert_eq!((decoded.errors.as_str(), decoded.video_frames), ("", 200));
    house.stack.stop().await;
}
