//! What a caller is told when the bucket misbehaves.

use bytes::Bytes;
use kit::Secret;
use kit::config::StorageConfig;
use objects::{NewObject, Objects, ObjectsError, Upload};
use testkit::s3::S3Server;

const KEY: &str = "t/one.m4s";

fn upload() -> Upload<'static> {
    static CHUNKS: [Bytes; 3] = [Bytes::from_static(b"by"), Bytes::new(), Bytes::from_static(b"tes")];
    Upload {
        key: KEY,
        chunks: &CHUNKS,
        sha256: objects::sha256(&CHUNKS),
        content_type: "video/mp4",
        cache_control: "no-cache",
    }
}

fn object() -> NewObject<'static> {
    NewObject { key: KEY, body: Bytes::from_static(b"bytes"), content_type: "video/mp4", cache_control: "no-cache" }
}

#[tokio::test]
async fn a_bucket_that_is_down_is_unavailable() {
    let server = S3Server::start().await.expect("server");
    let objects = Objects::new(&server.config()).expect("settings");
    server.set_down(true);
    assert!(objects.put_once(&upload()).await.expect_err("down").is_unavailable());
    assert!(objects.ping().await.expect_err("down").is_unavailable());
    server.set_down(false);
    objects.put_once(&upload()).await.expect("up again");
}

#[tokio::test]
async fn a_bucket_nobody_listens_for_is_unavailable() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("addr"));
    drop(listener);
    let objects = Objects::new(&StorageConfig { endpoint, ..StorageConfig::default() }).expect("settings");
    assert!(objects.ping().await.expect_err("nobody there").is_unavailable());
}

#[tokio::test]
async fn an_interactive_put_survives_two_slow_downs_and_a_spooled_one_is_told() {
    let server = S3Server::start().await.expect("server");
    let objects = Objects::new(&server.config()).expect("settings");
    server.slow_down_next_writes(2);
    objects.put(object()).await.expect("the third attempt is taken");

    server.slow_down_next_writes(1);
    assert!(objects.put_once(&upload()).await.expect_err("one attempt").is_unavailable());
    let puts = server.requests().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts, 4, "three of put, one of put_once");
}

#[tokio::test]
async fn a_body_that_was_changed_on_the_way_is_not_kept() {
    let server = S3Server::start().await.expect("server");
    let objects = Objects::new(&server.config()).expect("settings");
    server.garble_next_writes(1);
    objects.put_once(&upload()).await.expect_err("it is not what was signed");
    assert!(objects.head(KEY).await.expect_err("nothing was kept").is_not_found());
    objects.put_once(&upload()).await.expect("sent again");
    assert_eq!(server.read(KEY).expect("object"), b"bytes");

    let wrong = Upload { sha256: objects::sha256(&[Bytes::from_static(b"other")]), ..upload() };
    objects.put_once(&wrong).await.expect_err("it is not what its owner says");
}

#[tokio::test]
async fn wrong_credentials_are_a_refusal() {
    let server = S3Server::start().await.expect("server");
    let config = StorageConfig { secret_key: Secret::new("wrong"), ..server.config() };
    let error = Objects::new(&config).expect("settings").put_once(&upload()).await.expect_err("refused");
    assert!(matches!(&error, ObjectsError::Refused { status: 403, .. }), "{error:?}");
    assert!(server.keys().is_empty());
}

#[tokio::test]
async fn a_missing_bucket_is_found_missing_and_made() {
    let server = S3Server::start().await.expect("server");
    let config = StorageConfig { bucket: "not-there".to_owned(), ..server.config() };
    let objects = Objects::new(&config).expect("settings");
    assert!(objects.ping().await.expect_err("no bucket").is_not_found());
    objects.ensure_bucket().await.expect("made");
    objects.ping().await.expect("there now");
}
