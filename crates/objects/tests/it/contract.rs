//! One contract, four stores: the one `rillcast up` brings along, another in-process server, the same speaking like
//! Backblaze B2, and a real MinIO when `RILLCAST_TEST_MINIO_URL` names one (`http://user:password@host:port`).

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use kit::config::StorageConfig;
use kit::{Secret, Stop};
use objects::{FileUpload, NewObject, Objects, ObjectsError, PartHere, Upload, UploadInParts};
use objectstore::{Endpoint, KeyPair, Options, Store};
use testkit::s3::S3Server;
use testkit::services;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A key prefix of this test alone: stores outside the process are shared.
fn unique() -> String {
    format!("t/{}/", kit::ids::uuid())
}

fn object<'a>(key: &'a str, body: &'static str) -> NewObject<'a> {
    NewObject { key, body: Bytes::from_static(body.as_bytes()), content_type: "video/mp4", cache_control: "no-cache" }
}

fn upload<'a>(key: &'a str, chunks: &'a [Bytes]) -> Upload<'a> {
    let sha256 = objects::sha256(chunks);
    Upload { key, chunks, sha256, content_type: "video/mp4", cache_control: "no-cache" }
}

async fn keeps_the_contract(config: &StorageConfig) {
    let objects = Objects::new(config).expect("the settings are good");
    objects.ensure_bucket().await.expect("the bucket is there or is made");
    objects.ensure_bucket().await.expect("and once more");
    objects.ping().await.expect("the bucket answers");
    reads_what_was_written(&objects).await;
    writes_files(&objects).await;
    answers_ranges(&objects).await;
    deletes(&objects).await;
    presigns(&objects).await;
    takes_parts(&objects).await;
}

async fn reads_what_was_written(objects: &Objects) {
    let key = format!("{}a b/ü+1.m4s", unique());
    objects.put(object(&key, "first")).await.expect("put");
    objects.put_once(&upload(&key, &[Bytes::from("second "), Bytes::from("version")])).await.expect("put over it");

    let meta = objects.head(&key).await.expect("head");
    assert_eq!(meta.content_length, 14);
    assert_eq!(meta.content_type.as_deref(), Some("video/mp4"));
    assert!(meta.etag.is_some_and(|etag| etag.starts_with('"')));

    let got = objects.get(&key, None).await.expect("get");
    assert_eq!(got.meta.content_length, 14);
    assert_eq!(got.content_range, None);
    assert_eq!(got.collect(100).await.expect("body"), "second version");

    let got = objects.get(&key, None).await.expect("get");
    assert!(got.collect(5).await.is_err(), "a bound that is passed is an error, not a shorter body");

    let missing = objects.get(&format!("{}none", unique()), None).await.err().expect("nothing there");
    assert!(missing.is_not_found(), "{missing:?}");
    let missing = objects.head(&format!("{}none", unique())).await.expect_err("nothing there");
    assert!(missing.is_not_found(), "{missing:?}");
}

async fn writes_files(objects: &Objects) {
    let key = format!("{}upload", unique());
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&body).expect("a full file");
    let upload = |sha256| FileUpload {
        key: &key,
        file: &file,
        bytes: body.len() as u64,
        sha256,
        content_type: "application/octet-stream",
        cache_control: "private, no-store",
    };
    let sha256 = objects::sha256(&[body.clone().into()]);
    for _ in 0..2 {
        objects.put_file(&upload(sha256)).await.expect("put, from its beginning each time");
    }
    let got = objects.get(&key, None).await.expect("get");
    assert_eq!(got.meta.content_type.as_deref(), Some("application/octet-stream"));
    assert!(got.collect(400_000).await.expect("body") == body);
    objects.put_file(&upload([7; 32])).await.expect_err("not what was signed");
}

async fn answers_ranges(objects: &Objects) {
    let key = format!("{}r.bin", unique());
    objects.put(object(&key, "0123456789")).await.expect("put");
    for (range, expected, content_range) in
        [("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=7-", "789", "bytes 7-9/10"), ("bytes=-2", "89", "bytes 8-9/10")]
    {
        let got = objects.get(&key, Some(range)).await.expect(range);
        assert_eq!(got.content_range.as_deref(), Some(content_range));
        assert_eq!(got.collect(10).await.expect("body"), expected);
    }
    let outside = objects.get(&key, Some("bytes=50-60")).await.err().expect("outside");
    assert!(matches!(outside, ObjectsError::RangeNotSatisfiable { .. }), "{outside:?}");
}

async fn takes_parts(objects: &Objects) {
    const PART: usize = 5 << 20;
    let key = format!("{}parts", unique());
    let body: Vec<u8> = (0..PART + 9).map(|at| (at * 7 + at / 251) as u8).collect();
    let id = objects.begin_parts(&key, "video/mp4", "private").await.expect("begin");
    let upload = UploadInParts { key: &key, id: &id };
    // One through this process, one by its link; a link takes no other length.
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        body[..PART].chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let first = objects.put_part(upload, 1, PART as u64, futures::stream::iter(pieces)).await.expect("a part");
    let link = objects.presign_part(upload, 2, 9, Duration::from_secs(60)).await.expect("a link");
    let client = reqwest::Client::new();
    let longer = client.put(&link).body(body[PART - 1..].to_vec()).send().await.expect("an answer");
    assert!(!longer.status().is_success(), "the length is signed");
    let second = client.put(&link).body(body[PART..].to_vec()).send().await.expect("an answer");
    let second = second.headers()["etag"].to_str().expect("text").to_owned();

    let there = objects.parts(upload).await.expect("parts");
    assert_eq!(there.iter().map(|part| (part.number, part.bytes)).collect::<Vec<_>>(), [(1, PART as u64), (2, 9)]);
    for (part, etag) in there.iter().zip([&first, &second]) {
        assert!(part.etag.as_ref().is_none_or(|told| told.trim_matches('"') == etag.trim_matches('"')), "{part:?}");
    }
    let parts: Vec<PartHere> =
        there.into_iter().zip([first, second]).map(|(part, etag)| PartHere { etag: Some(etag), ..part }).collect();
    objects.complete_parts(upload, &parts).await.expect("one object");
    assert_eq!(objects.get(&key, None).await.expect("get").collect(2 * PART).await.expect("body"), body);
    assert!(objects.complete_parts(upload, &parts).await.is_err(), "it is over");
    objects.delete(&key).await.expect("delete");

    let id = objects.begin_parts(&key, "video/mp4", "private").await.expect("begin");
    let upload = UploadInParts { key: &key, id: &id };
    objects.abort_parts(upload).await.expect("abort");
    objects.head(&key).await.expect_err("nothing came of it");
}

async fn deletes(objects: &Objects) {
    let prefix = unique();
    let beside = format!("{}x", prefix.trim_end_matches('/'));
    objects.put(object(&beside, "stays")).await.expect("put");
    futures::stream::iter(0..40)
        .for_each_concurrent(8, |n| {
            let key = format!("{prefix}{}/seg{n}.m4s", n % 3);
            async move { objects.put(object(&key, "x")).await.expect("put") }
        })
        .await;
    assert_eq!(objects.delete_prefix(&prefix).await.expect("delete all"), 40);
    assert_eq!(objects.delete_prefix(&prefix).await.expect("again"), 0);
    objects.head(&beside).await.expect("a key that only begins alike is not below the prefix");
    objects.delete(&beside).await.expect("delete");
    objects.delete(&beside).await.expect("deleting nothing is no error");
    assert!(objects.head(&beside).await.expect_err("gone").is_not_found());
    assert!(objects.delete_prefix("/").await.is_err(), "the whole bucket is never a prefix");
    assert!(objects.delete_prefix("vod").await.is_err());
}

async fn presigns(objects: &Objects) {
    let key = format!("{}p.m4s", unique());
    objects.put(object(&key, "presigned")).await.expect("put");
    let url = objects.presign_get(&key, Duration::from_secs(60)).await.expect("presign");
    let http = reqwest::Client::new();
    let got = http.get(&url).header("range", "bytes=3-8").send().await.expect("fetch");
    assert_eq!(got.status(), 206);
    assert_eq!(got.text().await.expect("body"), "signed");
    let forged = url.replace("p.m4s", "q.m4s");
    let refused = http.get(&forged).send().await.expect("fetch");
    assert!(refused.status().is_client_error(), "{}", refused.status());
}

#[tokio::test]
async fn the_store_rillcast_brings_along_keeps_the_contract() {
    for sync in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Options { sync }).expect("an empty store");
        let keys = KeyPair { access_key: "contract".to_owned(), secret_key: Secret::new("contract-secret") };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let config = StorageConfig {
            endpoint: format!("http://{}", listener.local_addr().expect("bound")),
            access_key: Secret::new(keys.access_key.clone()),
            secret_key: keys.secret_key.clone(),
            ..StorageConfig::default()
        };
        let stop = Stop::new();
        let mut running = JoinSet::new();
        running.spawn(Endpoint::new(store, &keys).run(listener, stop.clone()));
        keeps_the_contract(&config).await;
        stop.cancel();
        running.join_next().await.expect("it runs").expect("and ends in order");
    }
}

#[tokio::test]
async fn the_in_process_store_keeps_the_contract() {
    let server = S3Server::start().await.expect("server");
    keeps_the_contract(&server.config()).await;
}

#[tokio::test]
async fn a_store_that_refuses_what_backblaze_b2_refuses_keeps_the_contract() {
    let server = S3Server::start_like_b2().await.expect("server");
    keeps_the_contract(&server.config()).await;
    let batches = server.requests().iter().filter(|line| line.starts_with("POST") && line.contains("delete")).count();
    assert!(batches >= 1, "deleting many goes in batches there too");
}

#[tokio::test]
async fn minio_keeps_the_contract() {
    match services::minio() {
        Some(config) => keeps_the_contract(&config).await,
        None => eprintln!("RILLCAST_TEST_MINIO_URL is not set; MinIO is not asked"),
    }
}

/// Guards the mode itself: with the SDK's own defaults the B2-like server must say no, or the tests above prove nothing.
#[tokio::test]
async fn the_b2_like_server_refuses_a_checksum_header() {
    let server = S3Server::start_like_b2().await.expect("server");
    let url = format!("http://{}/{}/key", server.addr(), server.config().bucket);
    let http = reqwest::Client::new();
    for (name, value) in [
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ] {
        let answer = http.put(&url).header(name, value).body("x").send().await.expect("answer");
        assert!(matches!(answer.status().as_u16(), 400 | 501), "{name}: {}", answer.status());
        let text = answer.text().await.expect("body");
        assert!(text.contains("InvalidArgument") || text.contains("NotImplemented"), "{name}: {text}");
    }
}
